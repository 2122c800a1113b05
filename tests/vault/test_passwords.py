"""How long a password is, what it is made of, and what it costs."""

import asyncio
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import argon2
import pytest

from ari_recorder.domain.errors import BlocklistUnusable, PasswordRefused
from ari_recorder.vault.passwords import AT_ONCE, MOST_CHARACTERS, Passwords
from ari_recorder.vault.weak_passwords import WeakPasswords

WORDS = "venhe kajo tuikku morsian puutarha 7431 halko synti ilves tunturi vaski ruuhka lehto silmu karhu otava kuusama"
ABOUT = ("aino.example", "Aino Example", "aino@city.example")


def cheap() -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    ("length", "least", "good"),
    [
        (7, 8, False),
        (8, 8, True),
        (14, 15, False),
        (15, 15, True),
        (64, 15, True),
        (100, 15, True),
        (7, 1, False),
    ],
)
def test_a_password_is_long_enough_or_refused(length: int, least: int, good: bool) -> None:
    weak = WeakPasswords(least=least)
    password = ("kQ7zR2vX" + WORDS)[:length]
    if good:
        assert weak.check(password, ABOUT) == password
    else:
        with pytest.raises(PasswordRefused, match="fewer than"):
            weak.check(password, ABOUT)


async def test_a_hundred_and_twenty_eight_characters_and_more_all_count() -> None:
    passwords, long = Passwords(cheap()), (WORDS * 20)[:MOST_CHARACTERS]
    for length in (128, MOST_CHARACTERS):
        password = WeakPasswords().check(long[:length], ABOUT)
        hashed = await passwords.hash(password)
        assert (await passwords.verify(hashed, password)).right
        assert not (await passwords.verify(hashed, password[:-1])).right
    with pytest.raises(PasswordRefused, match="more than"):
        WeakPasswords().check(long + "x", ABOUT)
    assert not (await passwords.verify(hashed, password + "x")).right


async def test_letters_are_the_same_however_the_keyboard_composed_them() -> None:
    composed = unicodedata.normalize("NFC", "yöpöllö häämöttää 62")
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    passwords, weak = Passwords(cheap()), WeakPasswords()
    hashed = await passwords.hash(weak.check(apart, ABOUT))
    assert (await passwords.verify(hashed, composed)).right
    assert (await passwords.verify(hashed, apart)).right
    with pytest.raises(PasswordRefused, match="fewer"):
        weak.check(unicodedata.normalize("NFD", "ä" * 14), ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "aaaaaaaaaaaaaaaaaaaa",
        "qwertyuiopasdfghjkl",
        "123456789012345678",
        "Porvoo2026Porvoo",
        "aino.example2026",
        "Recording-recorder",
        "abcabcabcabcabcabc",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused):
        WeakPasswords(words=("Porvoo", "Borgå")).check(password, ABOUT)


@pytest.mark.parametrize(
    "password",
    ["venhe kajo tuikku morsian", "a7Gk2Lq9Zx4Wm3T", "Ilves asuu Porvoossa öisin", "🐻🦆 tuikku kajo venhe"],
)
def test_any_characters_make_a_password(password: str) -> None:
    assert WeakPasswords(words=("Porvoo",)).check(password, ABOUT) == password


def test_the_operators_list_is_heeded(tmp_path: Path) -> None:
    listed = tmp_path / "refused.txt"
    listed.write_text("short\nVenhe kajo tuikku Morsian\n", encoding="utf-8")
    with pytest.raises(PasswordRefused, match="tried first"):
        WeakPasswords(refused_file=listed).check("venhe KAJO tuikku morsian", ABOUT)
    with pytest.raises(BlocklistUnusable):
        WeakPasswords(refused_file=tmp_path / "none.txt").check("venhe kajo tuikku morsian", ABOUT)


def test_no_half_characters() -> None:
    for password in ("venhe kajo \ud800 tuikku", "venhe kajo \0 tuikku"):
        with pytest.raises(PasswordRefused, match="no keyboard"):
            WeakPasswords().check(password, ABOUT)


async def test_hashes_are_argon2id_with_64_mib_and_say_when_they_are_old() -> None:
    real = Passwords()
    hashed = await real.hash("venhe kajo tuikku morsian")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    old = await Passwords(cheap()).hash("venhe kajo tuikku morsian")
    verdict = await real.verify(old, "venhe kajo tuikku morsian")
    assert (verdict.right, verdict.outdated) == (True, True)


async def test_nobodys_hash_is_made_like_the_others_and_never_right() -> None:
    passwords = Passwords(cheap())
    assert argon2.extract_parameters(passwords._nobody) == argon2.extract_parameters(await passwords.hash("x"))
    for password in ("", "x", "venhe kajo tuikku morsian"):
        assert not (await passwords.verify(None, password)).right
    assert not (await passwords.verify("damaged", "x")).right


class Stuck(argon2.PasswordHasher):
    """Compares when it is let go."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()
        self.begun = 0
        self._begins = threading.Semaphore(0)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.begun += 1
        self._begins.release()
        assert self.go.wait(60)
        return super().verify(hash, password)

    async def busy(self, threads: int) -> None:
        for _ in range(threads):
            assert await asyncio.wait_for(asyncio.to_thread(self._begins.acquire, timeout=30), 30)


async def test_a_crowd_at_the_door_leaves_the_threads_to_those_who_seal() -> None:
    """The other way round, too: where sealing has taken every thread, somebody still logs in."""
    loop, held = asyncio.get_running_loop(), threading.Event()
    hasher = Stuck()
    passwords = Passwords(hasher)
    crowd = [asyncio.ensure_future(passwords.verify(None, "a guess")) for _ in range(200)]
    try:
        await hasher.busy(AT_ONCE)
        for n in range(100):
            assert await asyncio.wait_for(asyncio.to_thread(abs, -n), 30) == n
        assert hasher.begun == AT_ONCE
    finally:
        hasher.go.set()
    assert [(await one).right for one in crowd] == [False] * 200
    others = ThreadPoolExecutor(1)
    loop.set_default_executor(others)
    sealing = asyncio.ensure_future(asyncio.to_thread(held.wait, 60))
    try:
        hashed = await asyncio.wait_for(passwords.hash("venhe kajo tuikku morsian"), 30)
        assert (await asyncio.wait_for(passwords.verify(hashed, "venhe kajo tuikku morsian"), 30)).right
        assert not sealing.done()
    finally:
        held.set()
    assert await sealing


async def test_what_was_compared_for_nobody_any_more_still_has_its_thread() -> None:
    """Who goes away in mid comparison leaves it running: the next one waits for it, and four stay four."""
    hasher = Stuck()
    passwords = Passwords(hasher)
    gone = [asyncio.ensure_future(passwords.verify(None, "a guess")) for _ in range(AT_ONCE)]
    await hasher.busy(AT_ONCE)
    for one in gone:
        one.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    late = asyncio.ensure_future(passwords.verify(None, "a guess"))
    await asyncio.sleep(0.05)
    assert hasher.begun == AT_ONCE
    hasher.go.set()
    assert not (await late).right


async def test_when_the_service_ends_nobody_waits_for_a_password() -> None:
    hasher = Stuck()
    passwords = Passwords(hasher, at_once=1)
    crowd = [asyncio.ensure_future(passwords.verify(None, "a guess")) for _ in range(3)]
    await hasher.busy(1)
    passwords.close()
    done, _ = await asyncio.wait(crowd[1:], timeout=30)
    assert len(done) == 2
    assert all(one.cancelled() for one in done)
    hasher.go.set()
    assert not (await crowd[0]).right
