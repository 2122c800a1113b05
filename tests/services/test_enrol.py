"""How somebody gets in for the first time, and what the database refuses to hold."""

import asyncio
import base64
import re
from pathlib import Path

import asyncpg
import pyotp
import pytest

from ari_recorder.domain.accounts import NoticeKind, Role
from ari_recorder.domain.errors import (
    AccountExists,
    AccountStateWrong,
    AccountUnknown,
    AdministratorExists,
    CodeRefused,
    InvitationOver,
    LoginKeyUnusable,
    PasswordRefused,
    SessionOver,
)
from ari_recorder.services.accounts import Person
from ari_recorder.services.login import Where
from ari_recorder.storage.db import Database
from tests.services.people import OPERATOR, OTHER_OPERATOR, PASSWORD, People, outcome

HERE = Where(address="192.0.2.1")
AINO = Person(name="aino", full_name="Aino Example", mail="aino@city.example", language="sv")


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    return People(database, tmp_path)


async def test_a_link_is_good_once(people: People) -> None:
    token = (await people.accounts.create(AINO, OPERATOR)).token
    shown = await people.enrolment.set_up(token)
    assert (shown.name, shown.language, await people.enrolment.set_up(token)) == ("aino", "sv", shown)
    assert shown.uri.startswith("otpauth://totp/")
    assert len(base64.b32decode(shown.secret)) == 20
    await people.enrol(token=token)
    for work in (people.enrolment.set_up(token), people.enrolment.enrol(token, PASSWORD, "000000", HERE)):
        with pytest.raises(InvitationOver):
            await work


async def test_a_link_lasts_a_day_and_a_new_one_ends_the_old(people: People) -> None:
    first = (await people.accounts.create(AINO, OPERATOR)).token
    second = (await people.accounts.invite("aino", OPERATOR)).token
    with pytest.raises(InvitationOver):
        await people.enrolment.set_up(first)
    people.watch.go(hours=23, minutes=59)
    await people.enrolment.set_up(second)
    people.watch.go(minutes=2)
    with pytest.raises(InvitationOver):
        await people.enrolment.set_up(second)


async def test_of_two_who_use_a_link_at_once_one_is_enrolled(people: People) -> None:
    token = (await people.accounts.create(AINO, OPERATOR)).token
    shown = await people.enrolment.set_up(token)
    code = pyotp.TOTP(shown.secret).at(people.watch.now())
    done = await asyncio.gather(*(outcome(people.enrolment.enrol(token, PASSWORD, code, HERE)) for _ in range(5)))
    assert sum(not isinstance(one, str) for one in done) == 1


async def test_a_wrong_code_or_a_weak_password_leaves_the_link_good(people: People) -> None:
    token = (await people.accounts.create(AINO, OPERATOR)).token
    shown = await people.enrolment.set_up(token)
    code = pyotp.TOTP(shown.secret).at(people.watch.now())
    with pytest.raises(CodeRefused):
        await people.enrolment.enrol(token, PASSWORD, "1234567", HERE)
    with pytest.raises(PasswordRefused):
        await people.enrolment.enrol(token, "too short", code, HERE)
    await people.enrolment.enrol(token, PASSWORD, code, HERE)


async def test_the_code_of_the_enrolment_does_not_log_in(people: People) -> None:
    token = (await people.accounts.create(AINO, OPERATOR)).token
    shown = await people.enrolment.set_up(token)
    code = pyotp.TOTP(shown.secret).at(people.watch.now())
    await people.enrolment.enrol(token, PASSWORD, code, HERE)
    ticket = await people.login.begin("aino", PASSWORD, HERE)
    assert await outcome(people.login.second_step(ticket, code, HERE)) == "log_in_refused"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE account SET state = 'active' WHERE name = 'eero'",
        "UPDATE account SET credential = id WHERE name = 'eero'",
        "UPDATE account SET state = 'active', credential = id WHERE name = 'eero'",
        "DELETE FROM credential",
        "UPDATE credential SET totp_secret = NULL",
        "UPDATE credential SET password_hash = NULL",
        "UPDATE account SET credential = NULL WHERE name = 'aino'",
        "UPDATE account SET credential = (SELECT account_id FROM credential) , state = 'active' WHERE name = 'eero'",
    ],
)
async def test_the_database_knows_no_user_without_a_second_factor(people: People, sql: str) -> None:
    await people.enrol()
    await people.accounts.create(Person(name="eero", full_name="Eero Example"), OPERATOR)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with people.database.transaction() as conn:
            await conn.execute(sql)


async def test_no_table_holds_a_secret_or_a_token(people: People) -> None:
    token = (await people.accounts.create(AINO, OPERATOR)).token
    shown = await people.enrolment.set_up(token)
    aino = await people.enrol(token=token)
    invited = await people.accounts.create(Person(name="eero", full_name="Eero Example"), OPERATOR)
    pending = await people.enrolment.set_up(invited.token)
    entered = await people.enter(aino)
    ticket = await people.login.begin(aino.name, aino.password, HERE)
    await people.rights.set_unit("advice", frozenset({"advice"}), "the start", OPERATOR)
    machine = await people.rights.make_token(people.terms("archive", Role.SUPERVISOR), OPERATOR)
    dump = ""
    async with people.database.transaction() as conn:
        for row in await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            dump += str(await conn.fetch(f'SELECT row_to_json(t)::text FROM "{row["tablename"]}" AS t'))  # noqa: S608
    secrets = [shown.secret, pending.secret, aino.password, entered.session, entered.device, ticket, token]
    secrets += [invited.token, machine.token, *aino.recovery_codes]
    for secret in secrets:
        assert secret
        assert secret not in dump
        assert secret.encode().hex() not in dump
    for shown_secret in (shown.secret, pending.secret):
        assert base64.b32decode(shown_secret).hex() not in dump
    assert re.search(r"argon2id", dump)


async def test_without_its_key_nobody_is_enrolled_and_no_other_key_is_made(people: People) -> None:
    await people.enrol()
    (people.folder / "login.key").unlink()
    again = People(people.database, people.folder, watch=people.watch)
    token = (await again.accounts.create(Person(name="eero", full_name="Eero Example"), OPERATOR)).token
    with pytest.raises(LoginKeyUnusable):
        await again.enrolment.set_up(token)


async def test_the_first_administrator_needs_no_second_person_and_there_is_one(people: People) -> None:
    at_once = [people.accounts.first_administrator(Person(name=f"a{n}", full_name="A"), OPERATOR) for n in range(2)]
    first = await at_once[0]
    second = await at_once[1]  # the first one has not come yet
    again = await people.accounts.first_administrator(Person(name="a0", full_name="A"), OPERATOR)
    with pytest.raises(InvitationOver):
        await people.enrolment.set_up(first.token)
    admin = await people.enrol(token=again.token)
    somebody = await people.principal((await people.enter(admin)).session)
    assert {grant.role for grant in somebody.grants} == {Role.ADMINISTRATOR}
    with pytest.raises(AdministratorExists):
        await people.accounts.first_administrator(Person(name="a2", full_name="A"), OPERATOR)
    assert second.name == "a1"


async def test_a_reset_takes_both_factors_and_keeps_the_rights(people: People) -> None:
    aino = await people.enrol()
    await people.give("aino", Role.AUDITOR)
    session = (await people.enter(aino)).session
    invited = await people.accounts.reset("aino", "came in person", OPERATOR)
    with pytest.raises(SessionOver):
        await people.principal(session)
    again = await people.enrol(token=invited.token)
    assert again.secret != aino.secret
    somebody = await people.principal((await people.enter(again)).session)
    assert {grant.role for grant in somebody.grants} == {Role.AUDITOR}
    kinds = [one.kind for one in await people.sessions.notices(somebody)]
    assert kinds == [NoticeKind.CREDENTIAL_CHANGED, NoticeKind.LOG_IN_RESET, NoticeKind.CREDENTIAL_CHANGED]


async def test_who_comes_back_has_no_rights_from_before(people: People) -> None:
    await people.enrol()
    await people.give("aino", Role.AUDITOR)
    await people.accounts.disable("aino", "left", OPERATOR)
    with pytest.raises(AccountStateWrong):
        await people.accounts.disable("aino", "left", OPERATOR)
    with pytest.raises(AccountExists):
        await people.accounts.create(AINO, OPERATOR)
    again = await people.enrol(token=(await people.accounts.invite("aino", OPERATOR)).token)
    somebody = await people.principal((await people.enter(again)).session)
    assert somebody.grants == ()
    with pytest.raises(AccountStateWrong):
        await people.accounts.invite("aino", OPERATOR)
    with pytest.raises(AccountUnknown):
        await people.accounts.reset("nobody", "no reason", OTHER_OPERATOR)


async def test_a_new_password_takes_the_old_one_and_ends_other_sessions(people: People) -> None:
    aino = await people.enrol()
    other, own = (await people.entered(aino)).session, (await people.entered(aino)).session
    somebody = await people.principal(own)
    with pytest.raises(PasswordRefused, match="the old one"):
        await people.enrolment.change_password(somebody, "not the old one", PASSWORD + "!")
    with pytest.raises(PasswordRefused, match="fewer than 15"):
        await people.enrolment.change_password(somebody, PASSWORD, "short")
    await people.enrolment.change_password(somebody, PASSWORD, PASSWORD + " ja yksi")
    await people.principal(own)
    with pytest.raises(SessionOver):
        await people.principal(other)
    aino.password += " ja yksi"
    await people.entered(aino)


async def test_new_recovery_codes_replace_the_old_ones(people: People) -> None:
    aino = await people.enrol()
    somebody = await people.principal((await people.enter(aino)).session)
    new = await people.enrolment.renew_recovery_codes(somebody)
    assert await outcome(people.enter(aino, code=aino.recovery_codes[0])) == "log_in_refused"
    assert not isinstance(await outcome(people.enter(aino, code=new[0])), str)


async def test_facts_of_an_account_can_be_changed_but_not_its_name(people: People) -> None:
    await people.enrol()
    changed = await people.accounts.change(Person(name="aino", full_name="Aino Uusi", mail="a@b.example"), OPERATOR)
    assert (changed.full_name, changed.mail) == ("Aino Uusi", "a@b.example")
    (listed,) = await people.accounts.list_all()
    assert listed.account == changed
