"""tools/verify_package.py, which lies in every package: what it finds genuine, and what it names as wrong."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.services.test_packages import MUTE, TOOL, House, house, order, unpacked
from tests.site import open_keyring, record

__all__ = ["house"]


def checked(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(TOOL), *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_the_tool_finds_a_package_genuine_in_three_languages(house: House, tmp_path: Path) -> None:
    recorded = await record(house.site, house.database)
    path = tmp_path / "package.zip"
    path.write_bytes(await house.made(order(recorded, mutes=[MUTE])))
    signer = open_keyring(house.site).signer.hex()
    answer = checked(path, "--signer", signer)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for words in ("Paketti on muuttumaton", "Paketet är oförändrat", "The package is unchanged", "silent: 1"):
        assert words in answer.stdout
    assert checked(path, "--language", "sv").returncode == 3
    assert signer in checked(path, "--language", "sv").stdout
    other = checked(path, "--signer", "ab" * 32, "--language", "en")
    assert (other.returncode, "signed by another key" in other.stdout) == (1, True)
    folder = tmp_path / "unpacked"
    shutil.unpack_archive(path, folder)
    assert checked(folder, "--signer", signer).returncode == 0
    assert as_sha256sum_sees_it(folder) == 0


def as_sha256sum_sees_it(folder: Path) -> int:
    return subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False).returncode


def changed_wav(files: dict[str, bytes]) -> None:
    name = next(one for one in files if one.endswith(".wav"))
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])


def listed_anew(files: dict[str, bytes]) -> None:
    changed_wav(files)
    names = [name for name in files if name not in ("SHA256SUMS", "signature.json")]
    files["SHA256SUMS"] = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in names).encode()


def without(name: str, files: dict[str, bytes]) -> None:
    del files[name]


def broken(name: str, data: bytes, files: dict[str, bytes]) -> None:
    files[name] = data


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed_wav, "was changed"),
        (listed_anew, "the signature does not fit"),
        (lambda files: without("index.sv.html", files), "index.sv.html is missing"),
        (lambda files: without("SHA256SUMS", files), "SHA256SUMS is missing"),
        (lambda files: without("signature.json", files), "signature.json is missing"),
        (lambda files: broken("extra.exe", b"x", files), "extra.exe does not belong"),
        (lambda files: broken("a\x1b[2Jb", b"x", files), r"'a\x1b[2Jb' does not belong"),
        (lambda files: broken("signature.json", b"[]", files), "signature.json is not as it should be"),
        (lambda files: broken("signature.json", b"{}", files), "the signature does not fit"),
        (lambda files: broken("SHA256SUMS", b"\xff", files), "the signature does not fit"),
    ],
)
async def test_the_tool_names_what_is_not_as_it_was_made(
    house: House, tmp_path: Path, change: object, told: str
) -> None:
    assert callable(change)
    files = unpacked(await house.made(order(await record(house.site, house.database))))
    change(files)
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    answer = checked(path, "--language", "en", "--signer", open_keyring(house.site).signer.hex())
    assert answer.returncode == 1
    assert "THE PACKAGE CANNOT BE TRUSTED" in answer.stdout
    assert told in answer.stdout
    assert answer.stderr == ""


async def test_the_tool_hears_what_should_be_silent(house: House, tmp_path: Path) -> None:
    """A service that lists a part as muted and does not mute it is found out, though its signature is right."""
    files = unpacked(await house.made(order(await record(house.site, house.database), mutes=[MUTE])))
    whole = unpacked(await house.made(order(await record(house.site, house.database, uniqueid="1700000000.5"))))
    (wav,) = (name for name in files if name.endswith(".wav"))
    files[wav] = next(data for name, data in whole.items() if name.endswith(".wav"))
    names = [name for name in files if name not in ("SHA256SUMS", "signature.json")]
    listed = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in names).encode()
    keyring = open_keyring(house.site)
    signature = base64.b64encode(keyring.sign("ari-recorder/package/1", listed)).decode()
    told = {"signed": "SHA256SUMS", "signature": signature, "signer": keyring.signer.hex()}
    files |= {"SHA256SUMS": listed, "signature.json": json.dumps(told).encode()}
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    answer = checked(path, "--language", "en")
    assert (answer.returncode, "should be silent" in answer.stdout) == (1, True)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"x" * 1000])
def test_the_tool_says_of_anything_else_that_it_is_no_package(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(data)
    answer = checked(path, "--language", "en")
    assert (answer.returncode, answer.stderr) == (1, "")
    assert "cannot be read as a package" in answer.stdout
    assert checked(tmp_path / "nothing.zip").returncode == 1


def test_the_tool_knows_nothing_of_the_program() -> None:
    assert "import ari_recorder" not in TOOL.read_text()
    assert "from ari_recorder" not in TOOL.read_text()
