"""Rights take two persons, end by themselves, and any day of the past can be computed again."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_recorder.domain.accounts import EVERYTHING, LONE_ROLES, Role
from ari_recorder.domain.audit import Actor, ActorKind
from ari_recorder.domain.errors import (
    GrantPeriodRefused,
    RecorderError,
    RightApproved,
    RightHeld,
    RightNotApproved,
    RightOver,
    RightUnknown,
    RolesApart,
    TwoPersonsNeeded,
    UnitHeld,
    UnitNameRefused,
    UnitNotWanted,
    UnitUnknown,
)
from ari_recorder.domain.retention import local_day
from ari_recorder.storage.db import Database
from tests.services.people import BEGAN, OPERATOR, OTHER_OPERATOR, People, outcome

NAMES = ("aino", "eero", "liisa")
TODAY = local_day(BEGAN)


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    return await housed(database, tmp_path)


async def housed(database: Database, folder: Path) -> People:
    people = People(database, folder)
    for name in NAMES:
        await people.enrol(name)
    for unit in ("advice", "dental"):
        await people.rights.set_unit(unit, frozenset({unit}), "the start", OPERATOR)
    return people


async def user(people: People, name: str) -> Actor:
    return Actor(kind=ActorKind.USER, id=str((await people.accounts.get(name)).id), name=name)


async def test_a_right_takes_two_persons_and_neither_is_its_owner(people: People) -> None:
    aino, eero = await user(people, "aino"), await user(people, "eero")
    with pytest.raises(TwoPersonsNeeded):
        await people.rights.grant(people.terms("aino", Role.SUPERVISOR), aino)
    right = await people.rights.grant(people.terms("aino", Role.SUPERVISOR), eero)
    for somebody in (aino, eero):
        with pytest.raises(TwoPersonsNeeded):
            await people.rights.approve(right.id, somebody)
    with pytest.raises(RightNotApproved):
        await people.rights.attest(right.id, right.valid_until, "still needed", OPERATOR)
    done = await people.rights.approve(right.id, OPERATOR)
    assert (done.granted_by, done.approved_by) == (f"user:{eero.id}", "operator:root")
    with pytest.raises(RightApproved):
        await people.rights.approve(right.id, OTHER_OPERATOR)
    for somebody in (aino, eero):
        with pytest.raises(TwoPersonsNeeded):
            await people.rights.attest(right.id, right.valid_until, "still needed", somebody)
    assert (await people.rights.attest(right.id, right.valid_until, "still needed", OPERATOR)).attested_at


async def test_of_two_approvals_at_once_one_counts(people: People) -> None:
    right = await people.rights.grant(people.terms("aino", Role.SUPERVISOR), OPERATOR)
    others = [replace(OPERATOR, name=f"ops{n}") for n in range(5)]
    answers = await asyncio.gather(*(outcome(people.rights.approve(right.id, one)) for one in others))
    assert sorted(one if isinstance(one, str) else "" for one in answers) == ["", *["right_approved"] * 4]


@pytest.mark.parametrize("first", sorted(LONE_ROLES))
async def test_who_gives_rights_or_reads_the_log_has_no_other_role(people: People, first: Role) -> None:
    await people.rights.grant(people.terms("aino", first), OPERATOR)
    with pytest.raises(RolesApart):
        await people.rights.grant(people.terms("aino", Role.SUPERVISOR), OPERATOR)
    await people.give("eero", Role.SUPERVISOR)
    with pytest.raises(RolesApart):
        await people.rights.grant(people.terms("eero", first), OPERATOR)


async def test_of_roles_apart_given_at_once_one_is_given(people: People) -> None:
    terms = [people.terms("aino", role) for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.PRIVACY_OFFICER)]
    answers = await asyncio.gather(*(outcome(people.rights.grant(one, OPERATOR)) for one in terms))
    assert sum(not isinstance(one, str) for one in answers) == 1


async def test_the_same_right_is_given_once_until_its_last_day(people: People) -> None:
    first = await people.give("aino", Role.SUPERVISOR, days=3)
    with pytest.raises(RightHeld):
        await people.rights.grant(people.terms("aino", Role.SUPERVISOR), OPERATOR)
    people.watch.go(days=4)
    with pytest.raises(RightOver):
        await people.rights.attest(first, TODAY + timedelta(days=30), "still needed", OTHER_OPERATOR)
    await people.give("aino", Role.SUPERVISOR)
    with pytest.raises(RightOver):
        await people.rights.end(first, "no more", OPERATOR)


async def test_a_right_is_attested_for_a_year_at_most(people: People) -> None:
    right = await people.give("aino", Role.SUPERVISOR, days=30)
    people.watch.go(days=20)
    with pytest.raises(GrantPeriodRefused):
        await people.rights.attest(right, TODAY + timedelta(days=400), "still needed", OTHER_OPERATOR)
    attested = await people.rights.attest(right, TODAY + timedelta(days=380), "still needed", OTHER_OPERATOR)
    assert attested.grant.valid_until == TODAY + timedelta(days=380)
    (held,) = (await people.rights.rights_on(TODAY + timedelta(days=100))).rights
    assert held.right == attested


async def test_units_are_named_sets_of_queues_with_a_history(people: People) -> None:
    await people.give("aino", Role.SUPERVISOR)
    with pytest.raises(UnitHeld):
        await people.rights.set_unit("advice", frozenset(), "closed", OPERATOR)
    people.watch.go(days=1)
    await people.rights.set_unit("dental", frozenset(), "closed", OPERATOR)
    assert await people.rights.units() == {"advice": frozenset({"advice"})}
    assert set((await people.rights.rights_on(TODAY)).units) == {"advice", "dental"}
    assert set((await people.rights.rights_on(TODAY + timedelta(days=1))).units) == {"advice"}
    with pytest.raises(UnitUnknown):
        await people.rights.set_unit("dental", frozenset(), "closed", OPERATOR)
    with pytest.raises(UnitUnknown):
        await people.rights.grant(people.terms("eero", Role.SUPERVISOR, "dental"), OPERATOR)
    with pytest.raises(UnitNameRefused):
        await people.rights.set_unit(EVERYTHING, frozenset({"advice"}), "all", OPERATOR)
    with pytest.raises(RightUnknown):
        await people.rights.end(uuid4(), "no such", OPERATOR)


async def test_more_queues_wait_for_a_second_person_and_fewer_do_not(people: People) -> None:
    await people.give("aino", Role.SUPERVISOR)
    done = await people.rights.set_unit("advice", frozenset({"advice", "dental"}), "a new task", OPERATOR)
    assert (done.queues, done.waits) == (frozenset({"advice"}), True)
    assert (await people.rights.units())["advice"] == {"advice"}
    (wanted,) = await people.rights.wanted_units()
    with pytest.raises(TwoPersonsNeeded):
        await people.rights.approve_unit(wanted.id, OPERATOR)
    change = await people.rights.approve_unit(wanted.id, OTHER_OPERATOR)
    assert (change.by, change.approved_by) == ("operator:root", "operator:ops")
    assert (await people.rights.units())["advice"] == {"advice", "dental"}
    assert await people.rights.wanted_units() == ()
    assert not (await people.rights.set_unit("advice", frozenset({"dental"}), "less to do", OPERATOR)).waits
    assert (await people.rights.units())["advice"] == {"dental"}
    swapped = await people.rights.set_unit("advice", frozenset({"advice"}), "another task", OPERATOR)
    assert (swapped.queues, swapped.waits) == (frozenset(), True), "what goes is gone, what comes waits"
    assert "advice" not in await people.rights.units()


async def test_who_approves_approves_what_was_seen(people: People) -> None:
    """Something else asked for meanwhile is something else; to leave it as it is takes one person."""
    await people.give("aino", Role.SUPERVISOR)
    await people.rights.set_unit("advice", frozenset({"advice", "dental"}), "a new task", OPERATOR)
    (seen,) = await people.rights.wanted_units()
    await people.rights.set_unit("advice", frozenset({"advice", "dental", "crisis"}), "more of it", OPERATOR)
    with pytest.raises(UnitNotWanted):
        await people.rights.approve_unit(seen.id, OTHER_OPERATOR)
    (now,) = await people.rights.wanted_units()
    assert (await people.rights.refuse_unit(now.id, OPERATOR)).queues == {"advice", "dental", "crisis"}
    with pytest.raises(UnitNotWanted):
        await people.rights.approve_unit(now.id, OTHER_OPERATOR)
    assert (await people.rights.units())["advice"] == {"advice"}


async def test_a_unit_nobody_has_a_right_in_is_set_by_one(people: People) -> None:
    right = await people.give("aino", Role.SUPERVISOR, "dental")
    assert not (await people.rights.set_unit("advice", frozenset({"a", "b"}), "as it is", OPERATOR)).waits
    await people.rights.grant(people.terms("eero", Role.SUPERVISOR), OPERATOR)
    assert (await people.rights.set_unit("advice", frozenset({"c"}), "one more", OPERATOR)).waits, "a right waits there"
    await people.rights.end(right, "moved", OPERATOR)
    assert not (await people.rights.set_unit("dental", frozenset({"a", "b"}), "as it is", OPERATOR)).waits


@pytest.mark.parametrize("table", ["right_history", "unit_history", "owner_history"])
@pytest.mark.parametrize("sql", ["UPDATE {} SET why = ''", "DELETE FROM {}", "TRUNCATE {}"])
async def test_history_is_only_added_to(people: People, table: str, sql: str) -> None:
    await people.give("aino", Role.SUPERVISOR)
    with pytest.raises(asyncpg.RaiseError, match="only added to"):
        async with people.database.transaction() as conn:
            await conn.execute(sql.format(table))


async def test_each_change_is_on_record_with_who_and_for_whom(people: People) -> None:
    right = await people.give("aino", Role.SUPERVISOR)
    await people.rights.attest(right, TODAY + timedelta(days=9), "still needed", OTHER_OPERATOR)
    await people.rights.end(right, "another task", OPERATOR)
    async with people.database.transaction() as conn:
        rows = await conn.fetch("SELECT leaf::jsonb AS leaf FROM audit_pending WHERE leaf LIKE '%right:%'")
    assert [row["leaf"]["action"] for row in rows] == ["right:grant", "right:approve", "right:attest", "right:end"]
    assert {row["leaf"]["facts"]["role"] for row in rows} == {"supervisor"}


# --- against a plain model: days as a set


@dataclass
class Modelled:
    name: str
    role: Role
    days: set[date]
    last: date
    approved: bool = False
    over: bool = False


@dataclass
class Diary:
    """What was held on each day, as the model saw it. `links`: of those whose log-in was reset, who are not known."""

    days: dict[date, set[UUID]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


WHAT = ["grant", "approve", "attest", "end", "disable", "back", "reset", "confirm", "confirm", "day", "week", "month"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(WHAT),
        st.integers(0, 5),
        st.sampled_from([Role.ADVISER, Role.SUPERVISOR, Role.AUDITOR]),
        st.integers(0, 400),
    ),
    min_size=6,
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_any_day_of_the_past_is_computed_again(
    postgres: object, dsn: str, tmp_path: Path, steps: list[tuple[str, int, Role, int]]
) -> None:
    """What was held is written down each evening by the model, and asked for at the end."""
    async with Database(dsn) as database:
        async with database.transaction() as conn:
            await conn.execute("SET LOCAL session_replication_role = replica")
            await conn.execute("DELETE FROM right_held; DELETE FROM right_history; DELETE FROM unit_history")
            await conn.execute("DELETE FROM owner_history; DELETE FROM recovery_code; DELETE FROM credential")
            await conn.execute("DELETE FROM invitation; DELETE FROM account")
        people = await housed(database, tmp_path)
        model: dict[UUID, Modelled] = {}
        diary = Diary()
        # Something to change from the first step on.
        begun = [(what, which, Role.SUPERVISOR, 90) for which in range(3) for what in ("grant", "approve")]
        for what, which, role, days in [*begun, *steps]:
            await _step(people, model, diary, what, which, role, days)
        _evening(people, model, diary)
        for day, held in diary.days.items():
            found = await people.rights.rights_on(day)
            assert {one.right.grant.id for one in found.rights} == held, day


async def _step(
    people: People,
    model: dict[UUID, Modelled],
    diary: Diary,
    what: str,
    which: int,
    role: Role,
    days: int,
) -> None:
    people.watch.go(minutes=1)
    today = local_day(people.watch.now())
    spans = {"day": 1, "week": 7, "month": 30}
    if what in spans:
        for _ in range(spans[what]):
            _evening(people, model, diary)
            people.watch.go(days=1)
        return
    right_id = list(model)[which % len(model)] if model else uuid4()
    name = NAMES[which % 3]
    try:
        if what == "grant":
            grant = await people.rights.grant(people.terms(NAMES[which % 3], role, days=days), OPERATOR)
            for other in model.values():
                if (other.name, other.role) == (NAMES[which % 3], role):
                    other.over = True
            model[grant.id] = Modelled(name=NAMES[which % 3], role=role, days=set(), last=grant.valid_until)
        elif what == "approve":
            await people.rights.approve(right_id, OTHER_OPERATOR)
            model[right_id].approved = True
        elif what == "attest":
            done = await people.rights.attest(right_id, today + timedelta(days=days), "needed", OTHER_OPERATOR)
            model[right_id].last = done.grant.valid_until
        elif what == "end":
            await people.rights.end(right_id, "no more", OPERATOR)
            _seen(model[right_id], right_id, today, diary)
            model[right_id].over = True
        elif what == "confirm":
            if name in diary.links:
                await people.enrol(token=diary.links[name])
                del diary.links[name]
        elif what == "back":
            diary.links[name] = (await people.accounts.invite(name, OPERATOR)).token
        else:
            if what == "reset":
                token = (await people.accounts.reset(name, "lost the phone", OPERATOR)).token
            else:
                await people.accounts.disable(name, "left", OPERATOR)
                token = "none"
            for one_id, one in model.items():
                if one.name == name:
                    _seen(one, one_id, today, diary)
                    one.over = one.over or what == "disable"
            diary.links[name] = token
    except RecorderError:
        return


def _seen(one: Modelled, one_id: UUID, today: date, diary: Diary) -> None:
    """It was held on the day on which it was ended."""
    if one.approved and not one.over and today <= one.last and one.name not in diary.links:
        diary.days.setdefault(today, set()).add(one_id)


def _evening(people: People, model: dict[UUID, Modelled], diary: Diary) -> None:
    today = local_day(people.watch.now())
    diary.days.setdefault(today, set())
    for one_id, one in model.items():
        _seen(one, one_id, today, diary)
