"""Sessions, step-up and rights that bite at the next request, on a real PostgreSQL."""

import asyncio
import time
from pathlib import Path

import pytest

from ari_recorder.domain.accounts import Permission, Role, authorise
from ari_recorder.domain.errors import (
    CodeRefused,
    LanguageRefused,
    LogInPaused,
    PermissionMissing,
    SessionOver,
    StepUpNeeded,
    TokenRefused,
)
from ari_recorder.services.login import Where
from ari_recorder.services.sessions import forget_old
from ari_recorder.storage.db import Database
from tests.services.people import OPERATOR, OTHER_OPERATOR, People

HERE = Where(address="192.0.2.1")


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    people = People(database, tmp_path)
    await people.rights.set_unit("advice", frozenset({"advice-fi", "advice-sv"}), "the start", OPERATOR)
    return people


async def test_after_log_out_the_cookie_is_worth_nothing(people: People) -> None:
    session = (await people.enter(await people.enrol())).session
    somebody = await people.principal(session)
    await people.sessions.log_out(somebody)
    with pytest.raises(SessionOver):
        await people.principal(session)
    await people.sessions.log_out(somebody)


async def test_a_session_ends_idle_after_thirty_minutes_and_anyhow_after_ten_hours(people: People) -> None:
    aino = await people.enrol()
    session = (await people.enter(aino)).session
    for _ in range(20):
        people.watch.go(minutes=29)
        await people.principal(session)
    people.watch.go(minutes=21)
    with pytest.raises(SessionOver):
        await people.principal(session)
    session = (await people.entered(aino)).session
    people.watch.go(minutes=30, seconds=1)
    with pytest.raises(SessionOver):
        await people.principal(session)


async def test_a_restart_ends_no_session_and_brings_none_back(people: People) -> None:
    aino = await people.enrol()
    kept, ended = (await people.enter(aino)).session, (await people.entered(aino)).session
    await people.sessions.log_out(await people.principal(ended))
    again = People(people.database, people.folder, watch=people.watch)
    assert (await again.principal(kept)).name == "aino"
    with pytest.raises(SessionOver):
        await again.principal(ended)


async def test_who_is_disabled_is_out_with_the_next_request(people: People) -> None:
    aino = await people.enrol()
    await people.give("aino", Role.SUPERVISOR)
    session = (await people.enter(aino)).session
    await people.accounts.disable("aino", "left the house", OPERATOR)
    with pytest.raises(SessionOver):
        await people.principal(session)
    assert await people.value("SELECT count(*) FROM credential") == 0
    assert await people.rights.list_rights() == ()
    ticket = await people.login.begin(aino.name, aino.password, HERE)
    with pytest.raises(Exception, match="not right"):
        await people.login.second_step(ticket, aino.code(people.watch.now()), HERE)


async def test_what_is_not_a_token_is_refused(people: People) -> None:
    for session in ("", "x", "\0", "\ud800", "a" * 10_000):
        with pytest.raises(SessionOver):
            await people.principal(session)
        with pytest.raises(TokenRefused):
            await people.sessions.machine(session, HERE)


async def test_rights_bite_and_end_with_the_next_request(people: People) -> None:
    session = (await people.enter(await people.enrol())).session
    assert (await people.principal(session)).permissions == frozenset()
    right = await people.rights.grant(people.terms("aino", Role.SUPERVISOR), OPERATOR)
    assert not (await people.principal(session)).may(Permission.RECORDING_PLAY)
    await people.rights.approve(right.id, OTHER_OPERATOR)
    scope = authorise(await people.principal(session), Permission.RECORDING_PLAY, now=people.watch.now())
    assert (scope.queues, scope.interfaces) == (frozenset({"advice-fi", "advice-sv"}), None)
    await people.rights.set_unit("advice", frozenset({"advice-fi"}), "Swedish has its own now", OPERATOR)
    scope = authorise(await people.principal(session), Permission.RECORDING_PLAY, now=people.watch.now())
    assert scope.queues == frozenset({"advice-fi"})
    await people.rights.end(right.id, "another task", OPERATOR)
    with pytest.raises(PermissionMissing):
        authorise(await people.principal(session), Permission.RECORDING_PLAY, now=people.watch.now())


async def test_a_right_ends_with_its_last_day_in_helsinki(people: People) -> None:
    aino = await people.enrol()
    await people.give("aino", Role.SUPERVISOR, days=1)
    people.watch.time = people.watch.time.replace(day=25, hour=21, minute=59)  # 23:59 there
    session = (await people.enter(aino)).session
    assert (await people.principal(session)).may(Permission.RECORDING_PLAY)
    people.watch.go(minutes=2)
    assert not (await people.principal(session)).may(Permission.RECORDING_PLAY)


async def test_a_step_up_makes_a_new_token_and_lasts_five_minutes(people: People) -> None:
    aino = await people.enrol()
    await people.give("aino", Role.ADMINISTRATOR)
    session = (await people.enter(aino)).session
    people.watch.go(minutes=6)
    somebody = await people.principal(session)
    with pytest.raises(StepUpNeeded):
        authorise(somebody, Permission.RIGHT_GRANT, now=people.watch.now(), step_up=True)
    fresh = (await people.sessions.step_up(somebody, session, aino.code(people.watch.now()))).session
    with pytest.raises(SessionOver):
        await people.principal(session)
    again = await people.principal(fresh)
    assert again.session_id == somebody.session_id
    authorise(again, Permission.RIGHT_GRANT, now=people.watch.now(), step_up=True)
    people.watch.go(minutes=6)
    with pytest.raises(StepUpNeeded):
        authorise(await people.principal(fresh), Permission.RIGHT_GRANT, now=people.watch.now(), step_up=True)


async def test_a_code_steps_up_once_and_guesses_of_it_are_counted(people: People) -> None:
    aino = await people.enrol()
    session = (await people.enter(aino)).session
    people.watch.go(seconds=30)
    somebody, code = await people.principal(session), aino.code(people.watch.now())
    steps = (people.sessions.step_up(somebody, session, code) for _ in range(4))
    done = await asyncio.gather(*steps, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["CodeRefused"] * 3 + ["SteppedUp"]
    for error in (CodeRefused, CodeRefused, LogInPaused):
        with pytest.raises(error):
            await people.sessions.step_up(somebody, session, "000000")


async def test_a_machine_works_with_its_token_in_its_unit_and_never_steps_up(people: People) -> None:
    made = await people.rights.make_token(people.terms("archive", Role.SUPERVISOR), OPERATOR)
    machine = await people.sessions.machine(made.token, HERE)
    assert machine.permissions == frozenset()
    await people.rights.approve(made.right_id, OTHER_OPERATOR)
    machine = await people.sessions.machine(made.token, HERE)
    assert machine.is_machine
    authorise(machine, Permission.RECORDING_LIST, now=people.watch.now())
    with pytest.raises(StepUpNeeded):
        authorise(machine, Permission.HOLD_RELEASE, now=people.watch.now(), step_up=True)
    await people.accounts.disable("archive", "not needed any more", OPERATOR)
    with pytest.raises(TokenRefused):
        await people.sessions.machine(made.token, HERE)
    ticket = await people.login.begin("archive", made.token, HERE)
    assert ticket


async def test_users_see_and_end_their_own_sessions_and_nobody_elses(people: People) -> None:
    aino, eero = await people.enrol("aino"), await people.enrol("eero")
    first, second = await people.entered(aino), await people.entered(aino)
    other = await people.entered(eero)
    somebody = await people.principal(second.session)
    assert {one.id for one in await people.sessions.of_user(somebody)} == {first.session_id, second.session_id}
    await people.sessions.end(somebody, other.session_id)
    await people.principal(other.session)
    await people.sessions.end(somebody, first.session_id)
    with pytest.raises(SessionOver):
        await people.principal(first.session)


async def test_what_is_told_stays_until_it_was_seen(people: People) -> None:
    somebody = await people.principal((await people.enter(await people.enrol())).session)
    (told,) = await people.sessions.notices(somebody)
    assert told.kind == "credential-changed"
    await people.sessions.notices_seen(somebody, told.id)
    assert await people.sessions.notices(somebody) == ()
    await people.sessions.set_language(somebody, "sv")
    with pytest.raises(LanguageRefused):
        await people.sessions.set_language(somebody, "xx")


async def test_what_is_over_is_forgotten(people: People) -> None:
    aino = await people.enrol()
    await people.enter(aino)
    await people.login.begin(aino.name, "a guess", HERE)
    await forget_old(people.database, people.watch.now())
    assert await people.value("SELECT count(*) FROM log_in") == 1
    people.watch.go(days=181)
    await forget_old(people.database, people.watch.now())
    for table in ("log_in", "session", "known_device", "throttle"):
        assert await people.value(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608


async def test_a_request_asks_once_and_the_answer_is_quick(people: People) -> None:
    aino = await people.enrol()
    await people.give("aino", Role.SUPERVISOR)
    session = (await people.enter(aino)).session
    took = []
    for _ in range(50):
        began = time.perf_counter()
        await people.principal(session)
        took.append(time.perf_counter() - began)
    assert sorted(took)[25] < 0.05
