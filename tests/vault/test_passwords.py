"""How long a password is, what it is made of, and what it costs."""

import unicodedata
from pathlib import Path

import argon2
import pytest

from ari_recorder.domain.errors import BlocklistUnusable, PasswordRefused
from ari_recorder.vault.passwords import MOST_CHARACTERS, Passwords
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
