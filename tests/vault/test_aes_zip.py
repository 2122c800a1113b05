"""ZIP files that a passphrase opens: opened here by another implementation, with the passphrase alone."""

import io
import os
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime

import pytest
import pyzipper

from ari_recorder.domain.errors import PackageTooLarge
from ari_recorder.vault.aes_zip import AesZip, new_passphrase

PASSPHRASE = "kq3fm-0a9zt-7xwpe-h2j5c-vnd84"
NOW = datetime(2026, 11, 27, 14, 5, 30)  # noqa: DTZ001 -- a ZIP file knows no zone


def sealed(data: bytes, passphrase: str = PASSPHRASE, piece: int = 1000) -> bytes:
    pieces = (data[at : at + piece] for at in range(0, len(data), piece))
    made = AesZip("package.zip", len(data), pieces, passphrase, NOW)
    whole = b"".join(made.blocks())
    assert len(whole) == made.size
    return whole


def opened(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    with pyzipper.AESZipFile(io.BytesIO(data)) as archive:
        archive.setpassword(passphrase.encode())
        (info,) = archive.infolist()
        assert info.filename == "package.zip"
        assert info.date_time == (2026, 11, 27, 14, 5, 30)
        read: bytes = archive.read(info)
        return read


@pytest.mark.parametrize("piece", [1, 15, 16, 17, 4096, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 4097, 70_001])
def test_another_program_opens_it(length: int, piece: int) -> None:
    if length > 100 * piece:
        piece = 997
    data = os.urandom(length)
    assert opened(sealed(data, piece=piece)) == data


def test_a_wrong_passphrase_or_a_changed_byte_opens_nothing() -> None:
    data = os.urandom(5000)
    whole = sealed(data)
    for passphrase in (new_passphrase(), PASSPHRASE[:-1], ""):
        with pytest.raises((RuntimeError, pyzipper.BadZipFile)):
            opened(whole, passphrase)
    for at in (60, 2000, 5000):
        with pytest.raises((RuntimeError, pyzipper.BadZipFile)):
            opened(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


def test_nothing_of_what_is_in_it_is_in_clear_and_no_two_are_alike() -> None:
    data = b"Aino Esimerkki " * 1000
    first, second = sealed(data), sealed(data)
    assert b"Aino" not in first
    assert first[100:1000] != second[100:1000], "each has a salt of its own"
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["package.zip"]
        assert archive.infolist()[0].CRC == 0, "a checksum would tell two guesses apart without the passphrase"


@pytest.mark.parametrize("told", [9, 11])
def test_what_is_shorter_or_longer_than_was_said_is_no_file(told: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 10

    with pytest.raises(ValueError, match="10 bytes came"):
        list(AesZip("package.zip", told, pieces(), PASSPHRASE, NOW).blocks())


def test_what_few_programs_could_open_is_not_made() -> None:
    with pytest.raises(PackageTooLarge):
        AesZip("package.zip", 2**32 - 100, (), PASSPHRASE, NOW)


def test_passphrases_are_made_of_125_bits_and_are_never_alike() -> None:
    made = {new_passphrase() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{5}-){4}[0-9a-hjkmnp-tv-z]{5}", one) for one in made)
    assert len(set("".join(made))) == 33
