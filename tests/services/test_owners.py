"""Who makes a link could come by it: rights count when somebody else has confirmed that the owner did."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from ari_recorder.domain.accounts import NoticeKind, Role
from ari_recorder.domain.audit import Actor, ActorKind
from ari_recorder.domain.errors import (
    AdministratorExists,
    ConfirmedByAnother,
    OwnerConfirmed,
    OwnerNotHere,
    PersonTextRefused,
)
from ari_recorder.domain.retention import local_day
from ari_recorder.services.accounts import Person
from ari_recorder.storage.db import Database
from tests.services.people import BEGAN, OPERATOR, OTHER_OPERATOR, Known, People

TODAY = local_day(BEGAN)


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    people = People(database, tmp_path)
    await people.rights.set_unit("advice", frozenset({"advice"}), "the start", OPERATOR)
    return people


async def roles(people: People, who: Known) -> set[Role]:
    principal = await people.principal((await people.entered(who)).session)
    assert principal.is_unconfirmed == (not (await people.accounts.get(who.name)).owner_confirmed)
    return {grant.role for grant in principal.grants}


async def told(people: People, who: Known) -> list[tuple[str, str]]:
    """Of which account which kind of thing, without what is told of the own log-ins."""
    principal = await people.principal((await people.entered(who)).session)
    own = {NoticeKind.CREDENTIAL_CHANGED, NoticeKind.NEW_DEVICE}
    return [(one.kind, one.facts["account"]) for one in await people.sessions.notices(principal) if one.kind not in own]


async def test_after_a_reset_rights_wait_for_somebody_else(people: People) -> None:
    await people.enrol()
    await people.give("aino", Role.SUPERVISOR)
    token = (await people.accounts.reset("aino", "lost the phone", OPERATOR)).token
    with pytest.raises(OwnerNotHere):
        await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR)
    aino = await people.enrol(token=token, confirmed=False)
    assert await roles(people, aino) == set()
    (waits,) = await people.accounts.waiting()
    assert waits.name == "aino"
    herself = Actor(kind=ActorKind.USER, id=str(aino.account_id))
    for somebody in (OPERATOR, herself):
        with pytest.raises(ConfirmedByAnother):
            await people.accounts.confirm("aino", "knows her", somebody)
    with pytest.raises(PersonTextRefused):
        await people.accounts.confirm("aino", " ", OTHER_OPERATOR)
    assert (await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR)).owner_confirmed
    assert await roles(people, aino) == {Role.SUPERVISOR}
    with pytest.raises(OwnerConfirmed):
        await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR)
    assert await people.accounts.waiting() == ()


@pytest.mark.parametrize("way", ["a new account", "a link anew", "somebody who comes back"])
async def test_whoever_comes_by_a_link_is_nobody_known(people: People, way: str) -> None:
    """Not a reset alone: every link can be used by who made it. Approving the right is no word about that."""
    if way == "somebody who comes back":
        await people.enrol()
        await people.accounts.disable("aino", "left", OPERATOR)
        token = (await people.accounts.invite("aino", OPERATOR)).token
    else:
        token = (await people.accounts.create(Person(name="aino", full_name="A"), OTHER_OPERATOR)).token
    await people.give("aino", Role.SUPERVISOR)
    if way != "a new account":
        token = (await people.accounts.invite("aino", OPERATOR)).token
    aino = await people.enrol(token=token, confirmed=False)
    assert await roles(people, aino) == set()
    maker, other = (OTHER_OPERATOR, OPERATOR) if way == "a new account" else (OPERATOR, OTHER_OPERATOR)
    with pytest.raises(ConfirmedByAnother):
        await people.accounts.confirm("aino", "knows her", maker)
    await people.accounts.confirm("aino", "knows her", other)
    assert await roles(people, aino) == {Role.SUPERVISOR}


async def test_who_confirms_confirms_who_was_seen(people: People) -> None:
    """Somebody else who came since by another link is somebody else."""
    aino = await people.enrol(confirmed=False)
    seen = (await people.accounts.get("aino")).came_at
    token = (await people.accounts.reset("aino", "lost it", OPERATOR)).token
    await people.enrol(token=token, confirmed=False)
    with pytest.raises(OwnerNotHere):
        await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR, seen)
    now = (await people.accounts.get("aino")).came_at
    assert (await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR, now)).id == aino.account_id


async def test_the_past_knows_when_rights_were_suspended(people: People) -> None:
    await people.enrol()
    right = await people.give("aino", Role.SUPERVISOR)
    people.watch.go(days=3)
    token = (await people.accounts.reset("aino", "lost the phone", OPERATOR)).token
    (held,) = await people.rights.list_rights("aino")
    assert held.right.is_suspended
    aino = await people.enrol(token=token, confirmed=False)
    people.watch.go(days=3)
    await people.accounts.confirm("aino", "knows her", OTHER_OPERATOR)
    people.watch.go(days=3)
    await people.rights.end(right, "moved", OPERATOR)
    days = {}
    for n in range(12):
        found = await people.rights.rights_on(TODAY + timedelta(days=n))
        days[n] = "aino" in {one.account.name for one in found.rights}
    assert [n for n, there in days.items() if there] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert await roles(people, aino) == set()


async def test_the_owner_and_whoever_may_confirm_hear_of_it(people: People) -> None:
    admin, officer, auditor = [await people.enrol(name) for name in ("admin", "officer", "auditor")]
    for who, role in ((admin, Role.ADMINISTRATOR), (officer, Role.PRIVACY_OFFICER), (auditor, Role.AUDITOR)):
        await people.give(who.name, role)
    await people.enrol("aino")
    await people.give("aino", Role.SUPERVISOR)
    aino = await people.enrol(token=(await people.accounts.reset("aino", "lost it", OPERATOR)).token)
    reset, waits = (NoticeKind.LOG_IN_RESET.value, "aino"), (NoticeKind.OWNER_WAITS.value, "aino")
    assert await told(people, aino) == [reset]
    assert await told(people, admin) == await told(people, officer) == [reset, waits]
    assert await told(people, auditor) == []
    mailed = "SELECT count(*) FROM notice_to_user WHERE kind = 'log-in-reset' AND mailed_at IS NULL"
    assert await people.value(mailed) == 3, "by mail, too"


async def test_the_last_administrator_comes_back_by_the_command_line_alone(people: People) -> None:
    """Whoever has it could write it into the database. But it is on record, and told."""
    invited = await people.accounts.first_administrator(Person(name="root.admin", full_name="R"), OPERATOR)
    admin = await people.enrol(token=invited.token, confirmed=False)
    officer = await people.enrol("officer")
    await people.give("officer", Role.PRIVACY_OFFICER)
    assert await roles(people, admin) == {Role.ADMINISTRATOR}
    token = (await people.accounts.reset("root.admin", "lost it", OPERATOR)).token
    admin = await people.enrol(token=token, confirmed=False)
    assert await roles(people, admin) == {Role.ADMINISTRATOR}
    kinds = [NoticeKind.LOG_IN_RESET, NoticeKind.NOBODY_CONFIRMED, NoticeKind.OWNER_WAITS]
    assert [kind for kind, _ in await told(people, officer)] == kinds[:2]
    facts = await people.value(
        "SELECT count(*) FROM audit_pending WHERE leaf LIKE '%account:invite%' AND leaf LIKE '%nobody to confirm%'"
    )
    assert facts == 2

    second = await people.enrol("second")
    await people.give("second", Role.ADMINISTRATOR)
    assert await roles(people, second) == {Role.ADMINISTRATOR}
    for actor in (OPERATOR, Actor(kind=ActorKind.USER, id=str(second.account_id))):
        token = (await people.accounts.reset("root.admin", "lost it", actor)).token
        admin = await people.enrol(token=token, confirmed=False)
        assert await roles(people, admin) == set(), "there is somebody who can confirm"
    with pytest.raises(AdministratorExists):
        await people.accounts.first_administrator(Person(name="more", full_name="M"), OPERATOR)
    await people.accounts.disable("second", "left", OPERATOR)
    token = (await people.accounts.reset("officer", "lost it", OPERATOR)).token
    officer = await people.enrol(token=token, confirmed=False)
    assert await roles(people, officer) == set(), "no administrator"


@pytest.mark.parametrize("state", ["invited", "disabled"])
async def test_the_database_knows_no_confirmed_owner_without_a_log_in(people: People, state: str) -> None:
    await people.accounts.create(Person(name="aino", full_name="A"), OPERATOR)
    if state == "disabled":
        await people.accounts.disable("aino", "left", OPERATOR)
    with pytest.raises(asyncpg.CheckViolationError, match="owner_has_a_log_in"):
        async with people.database.transaction() as conn:
            await conn.execute("UPDATE account SET owner_confirmed = true")
