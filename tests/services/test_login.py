"""Logging in, on a real PostgreSQL: codes are good once, guesses are counted before they are compared."""

import asyncio
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import argon2
import pyotp
import pytest
from argon2.profiles import RFC_9106_LOW_MEMORY

from ari_recorder.domain.accounts import NoticeKind, Role
from ari_recorder.domain.errors import DatabaseUnreachable, LogInOver, LogInPaused, LogInRefused
from ari_recorder.services.login import MOST_DEVICES, TICKET_TRIES, Entered, Where
from ari_recorder.storage.db import Database
from ari_recorder.vault.passwords import AT_ONCE, Passwords
from tests.services.people import OPERATOR, PASSWORD, Known, People, outcome

HERE, ELSEWHERE = Where(address="192.0.2.1"), Where(address="198.51.100.7")


@pytest.fixture
async def people(database: Database, tmp_path: Path) -> People:
    return People(database, tmp_path)


async def audited(people: People) -> list[tuple[str, str, str]]:
    async with people.database.transaction() as conn:
        rows = await conn.fetch("SELECT leaf::jsonb AS leaf FROM audit_pending ORDER BY at")
    return [(row["leaf"]["action"], row["leaf"]["outcome"], row["leaf"]["because"]) for row in rows]


async def notices(people: People, who: Known) -> list[str]:
    async with people.database.transaction() as conn:
        rows = await conn.fetch("SELECT kind FROM notice_to_user WHERE account_id = $1 ORDER BY id", who.account_id)
    return [row["kind"] for row in rows]


async def test_name_password_and_code_let_in(people: People) -> None:
    aino = await people.enrol()
    entered = await people.enter(aino)
    somebody = await people.principal(entered.session)
    assert (somebody.user_id, somebody.name, somebody.is_machine) == (aino.account_id, "aino", False)
    assert ("session:login", "ok", "") in await audited(people)
    assert entered.device


@pytest.mark.parametrize("wrong", ["name", "password", "code"])
async def test_whatever_is_wrong_the_answer_is_the_same_and_it_is_on_record(people: People, wrong: str) -> None:
    aino = await people.enrol()
    name = "nobody" if wrong == "name" else aino.name
    password = "another one altogether" if wrong == "password" else aino.password
    right = aino.code(people.watch.now())
    code = f"{(int(right) + 1) % 1_000_000:06}" if wrong == "code" else right
    ticket = await people.login.begin(name, password, HERE)
    with pytest.raises(LogInRefused) as refused:
        await people.login.second_step(ticket, code, HERE)
    assert refused.value.fields == {}
    written = await audited(people)
    assert ("session:second-step", "refused", "code" if wrong == "code" else "password") in written
    assert (("session:login", "refused", {"name": "nobody"}.get(wrong, wrong)) in written) == (wrong != "code")
    assert (NoticeKind.CODE_WRONG in await notices(people, aino)) == (wrong == "code")
    # The code was not used up by a wrong password.
    if wrong != "code":
        await people.enter(aino, code=right)


async def test_of_fifty_uses_of_one_code_at_once_one_succeeds(people: People) -> None:
    aino = await people.enrol()
    tickets = []
    for _ in range(50):
        tickets.append(await people.login.begin(aino.name, aino.password, HERE))
        await people.forget_tries()
    code = aino.code(people.watch.now())
    answers = await asyncio.gather(*(outcome(people.login.second_step(one, code, HERE)) for one in tickets))
    assert Counter(type(one) for one in answers) == {Entered: 1, str: 49}
    assert await people.value("SELECT count(*) FROM session") == 1


async def test_of_fifty_uses_of_one_ticket_at_once_one_succeeds(people: People) -> None:
    aino = await people.enrol()
    ticket, code = await people.login.begin(aino.name, aino.password, HERE), aino.code(people.watch.now())
    answers = await asyncio.gather(*(outcome(people.login.second_step(ticket, code, HERE)) for _ in range(50)))
    assert sum(isinstance(one, Entered) for one in answers) == 1


async def test_a_code_is_not_good_again_after_another_one_nor_an_older_one_after_a_newer(people: People) -> None:
    aino = await people.enrol()
    first = aino.code(people.watch.now())
    await people.enter(aino, code=first)
    later = people.watch.now()
    people.watch.go(seconds=30)
    second = aino.code(people.watch.now())
    await people.enter(aino, code=second)
    people.watch.time = later  # a clock that is set back
    await people.forget_tries()
    with pytest.raises(LogInRefused):
        await people.enter(aino, code=first)
    people.watch.go(seconds=30)
    for code in (first, second):
        await people.forget_tries()
        with pytest.raises(LogInRefused):
            await people.enter(aino, code=code)


async def test_a_code_is_good_in_its_own_thirty_seconds_only(people: People) -> None:
    aino = await people.enrol()
    now = people.watch.now()
    code = aino.code(now)
    for seconds, good in ((-1, False), (30, False), (0, True)):
        people.watch.time = now
        people.watch.go(seconds=seconds)
        await people.forget_tries()
        answer = await outcome(people.enter(aino, code=code))
        assert isinstance(answer, Entered) == good, seconds


async def test_ten_thousand_guesses_are_a_hundred_at_most_and_the_owner_comes_in_meanwhile(people: People) -> None:
    aino = await people.enrol()
    device = (await people.enter(aino)).device
    assert device is not None
    people.passwords.evaluated = 0
    own = Where(address="192.0.2.1", device=device)
    seed = random.Random(4)
    came_in = guesses = 0
    # Day and night, from ever new addresses, at once and with patience.
    for burst in range(100):
        people.watch.go(seconds=seed.choice([1, 30, 3600, 7300]))
        where = Where(address=f"203.0.113.{burst}")
        before = people.passwords.evaluated
        tries = (people.login.begin(aino.name, f"guess {burst} {n}", where) for n in range(100))
        for one in await asyncio.gather(*(outcome(one) for one in tries)):
            guesses += 1
            assert isinstance(one, str)
        assert people.passwords.evaluated - before <= 5
        if burst % 10 == 0:
            assert isinstance(await people.entered(aino, where=own), Entered)
            came_in += 1
    assert guesses == 10_000
    assert came_in == 10
    assert people.passwords.evaluated - came_in <= 100
    # Strangers are not let in any more, with whatever they have.
    people.watch.go(days=1)
    with pytest.raises(LogInRefused):
        await people.enter(aino, where=ELSEWHERE)
    assert NoticeKind.DOOR_CLOSED in await notices(people, aino)
    assert ("session:lockout", "refused", "failures") in await audited(people)
    lines = len([one for one in await audited(people) if one[0] == "session:lockout"])
    assert lines < 500, "who knocks all night does not fill the log"
    # An administrator opens it again.
    invited = await people.accounts.reset("aino", "came in person, with passport", OPERATOR)
    aino = await people.enrol(token=invited.token)
    await people.entered(aino, where=ELSEWHERE)


async def test_tries_at_the_same_moment_do_not_slip_through(people: People) -> None:
    aino = await people.enrol()
    tries = (outcome(people.login.begin(aino.name, f"guess {n}", HERE)) for n in range(60))
    answers = Counter(len(str(one)) > 20 for one in await asyncio.gather(*tries))
    assert (people.passwords.evaluated, answers[True]) == (5, 5)


async def test_names_nobody_has_are_counted_like_others(people: People) -> None:
    await people.enrol()
    for name in ("aino", "nobody"):
        waits = []
        for n in range(8):
            try:
                await people.login.begin(name, "a guess", Where(address=f"203.0.113.{n}"))
                waits.append(0)
            except LogInPaused as paused:
                waits.append(int(str(paused.fields["seconds"])))
        assert waits == [0, 0, 0, 0, 0, 31, 31, 31]
    assert (people.passwords.evaluated, people.passwords.dummies) == (5, 5)


async def test_an_address_that_tries_many_names_waits(people: People) -> None:
    answers = [await outcome(people.login.begin(f"name{n}", "a guess", ELSEWHERE)) for n in range(7)]
    assert answers[5:] == ["log_in_paused", "log_in_paused"]
    await people.login.begin("name8", "a guess", HERE)


async def test_who_is_right_has_not_tried(people: People) -> None:
    aino = await people.enrol()
    for _ in range(12):
        await people.entered(aino)
    assert await people.value("SELECT max(tries) FROM throttle") == 0


async def test_the_same_code_may_be_tried_again_a_few_times_and_each_try_counts(people: People) -> None:
    aino = await people.enrol()
    ticket = await people.login.begin(aino.name, aino.password, HERE)
    codes = []
    for _ in range(TICKET_TRIES + 1):
        codes.append(await outcome(people.login.second_step(ticket, "000000", HERE)))
    assert codes == ["log_in_refused"] * 5 + ["log_in_over"]
    assert await outcome(people.login.begin(aino.name, aino.password, HERE)) == "log_in_paused"


async def test_a_ticket_lasts_five_minutes(people: People) -> None:
    aino = await people.enrol()
    ticket = await people.login.begin(aino.name, aino.password, HERE)
    people.watch.go(seconds=301)
    with pytest.raises(LogInOver):
        await people.login.second_step(ticket, aino.code(people.watch.now()), HERE)
    with pytest.raises(LogInOver):
        await people.login.second_step("made up", "000000", HERE)


async def test_of_parallel_uses_of_a_recovery_code_one_succeeds(people: People) -> None:
    aino = await people.enrol()
    assert len(set(aino.recovery_codes)) == 10
    tickets = []
    for _ in range(20):
        tickets.append(await people.login.begin(aino.name, aino.password, HERE))
        await people.forget_tries()
    typed = aino.recovery_codes[3].lower().replace("-", " ")
    answers = await asyncio.gather(*(outcome(people.login.second_step(one, typed, HERE)) for one in tickets))
    (entered,) = [one for one in answers if isinstance(one, Entered)]
    assert entered.recovery_codes_left == 9
    assert NoticeKind.RECOVERY_CODE_USED in await notices(people, aino)


async def test_administrators_hear_of_a_recovery_code(people: People) -> None:
    admin, aino = await people.enrol("admin"), await people.enrol()
    await people.give("admin", Role.ADMINISTRATOR)
    await people.enter(aino, code=aino.recovery_codes[0])
    assert NoticeKind.RECOVERY_CODE_USED in await notices(people, admin)


async def test_a_new_device_is_told_about_and_a_known_one_is_not(people: People) -> None:
    aino = await people.enrol()
    first = await people.entered(aino)
    assert NoticeKind.NEW_DEVICE not in await notices(people, aino)
    again = await people.entered(aino, where=Where(address="192.0.2.1", device=first.device or ""))
    assert again.device is None
    assert NoticeKind.NEW_DEVICE not in await notices(people, aino)
    assert (await people.entered(aino, where=ELSEWHERE)).device is not None
    assert (await notices(people, aino)).count(NoticeKind.NEW_DEVICE) == 1
    for _ in range(MOST_DEVICES):
        await people.entered(aino)
    assert await people.value("SELECT count(*) FROM known_device") == MOST_DEVICES


async def test_a_device_of_one_opens_no_door_of_another(people: People) -> None:
    aino, eero = await people.enrol("aino"), await people.enrol("eero")
    device = (await people.entered(aino)).device or ""
    where = Where(address="192.0.2.1", device=device)
    for _ in range(5):
        await people.login.begin(eero.name, "a guess", where)
    with pytest.raises(LogInPaused):
        await people.login.begin(eero.name, "a guess", where)
    assert isinstance(await people.entered(aino, where=where), Entered)


async def test_a_stolen_device_has_a_hundred_guesses_too(people: People) -> None:
    aino = await people.enrol()
    device = (await people.entered(aino)).device or ""
    people.passwords.evaluated = 0
    for _ in range(130):
        people.watch.go(hours=3)
        await outcome(people.login.begin(aino.name, "a guess", Where(address="192.0.2.1", device=device)))
    assert await people.value("SELECT count(*) FROM known_device") == 0
    assert await people.value("SELECT failures FROM credential") == 29


async def test_without_the_database_nobody_is_let_in(people: People, postgres: object) -> None:
    aino = await people.enrol()
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        nowhere = People(away, people.folder, watch=people.watch)
        with pytest.raises(DatabaseUnreachable):
            await nowhere.login.begin(aino.name, aino.password, HERE)
        assert nowhere.passwords.evaluated == 0


async def test_two_hundred_at_the_door_are_compared_four_at_a_time(people: People) -> None:
    """And never in the event loop's own thread. Four of 64 MiB each: so much memory a crowd takes, and no more."""
    running, most, lock = 0, 0, threading.Lock()
    threads: set[int] = set()

    class Watched(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
                threads.add(threading.get_ident())
            time.sleep(0.02)
            try:
                return super().verify(hash, password)
            finally:
                with lock:
                    running -= 1

    hasher = Watched(time_cost=1, memory_cost=8, parallelism=1)
    people.login._passwords = Passwords(hasher)
    await people.enrol()
    tries = (outcome(people.login.begin(f"name{n}", PASSWORD, Where(address=f"10.0.{n}.1"))) for n in range(200))
    answers = await asyncio.gather(*tries)
    assert all(len(str(one)) > 20 for one in answers), Counter(map(str, answers))
    assert most == len(threads) == AT_ONCE == 4
    assert threading.get_ident() not in threads
    assert AT_ONCE * RFC_9106_LOW_MEMORY.memory_cost <= 300 * 1024


async def test_a_name_nobody_has_takes_as_long(people: People) -> None:
    """Counted, not timed: as many hashes of the same cost, as many codes, whatever of the two is wrong."""
    costs: list[tuple[str, int]] = []

    class Watched(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            costs.append((str(argon2.extract_parameters(str(hash))), len(hash)))
            return super().verify(hash, password)

    codes: list[int] = []
    generate = pyotp.TOTP.generate_otp

    def counted(self: pyotp.TOTP, step: int) -> str:
        codes.append(len(self.byte_secret()))
        return generate(self, step)

    aino = await people.enrol()
    people.login._passwords = Passwords(Watched(time_cost=1, memory_cost=8, parallelism=1))
    work = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyotp.TOTP, "generate_otp", counted)
        for name, password in (("nobody", "a guess"), (aino.name, "a guess"), (aino.name, aino.password)):
            costs.clear()
            codes.clear()
            ticket = await people.login.begin(name, password, HERE)
            with pytest.raises(LogInRefused):
                await people.login.second_step(ticket, "000000", HERE)
            work[name, password] = (tuple(costs), tuple(codes))
    assert len(set(work.values())) == 1, work
    (hashes, computed) = work["nobody", "a guess"]
    assert (len(hashes), len(computed)) == (1, 1)


async def test_a_password_hashed_cheaply_is_hashed_anew_at_the_next_log_in(people: People) -> None:
    aino = await people.enrol()
    before = await people.value("SELECT password_hash FROM credential")
    people.login._passwords = Passwords(argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    await people.entered(aino)
    await asyncio.gather(*people.login._tasks)
    after = await people.value("SELECT password_hash FROM credential")
    assert str(before).split("$")[3] == "m=8,t=1,p=1"
    assert str(after).split("$")[3] == "m=16,t=2,p=1"
    await people.entered(aino)


async def test_no_error_tells_more_than_the_two_sentences(people: People) -> None:
    aino = await people.enrol()
    for name, password in (("\0", "\0"), ("x" * 5000, "y" * 100_000), ("AINO ", "\ud800"), ("", "")):
        await people.forget_tries()
        ticket = await people.login.begin(name, password, HERE)
        with pytest.raises(LogInRefused):
            await people.login.second_step(ticket, "\ud800 ½ ٣", HERE)
    await people.entered(aino)
