"""Packages of recordings: opened by a reader that shares no code with the service, and checked by the tool in them."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import wave
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import soundfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import (
    HoldTextRefused,
    KeyringLocked,
    MuteRefused,
    PackageNeedsHold,
    RecordingUnknown,
    SealedDiffers,
)
from ari_recorder.domain.listening import Listening, Purpose
from ari_recorder.domain.muting import Mute, MutedSide
from ari_recorder.domain.packages import PackageKind
from ari_recorder.services import connect
from ari_recorder.services.clock import Clocks
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.packages import Order, Packages
from ari_recorder.storage import listenings
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring
from tests.services.test_scrub import flip
from tests.site import NAME, NUMBER, Recorded, open_keyring, prepare, record

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "tools" / "verify_package.py"
SARI = Actor.operator("sari")
ALL = Scope(queues=None, interfaces=None)
LISTENER = "Virve Virkanen"
MUTE = Mute(since=timedelta(seconds=0.5), until=timedelta(seconds=1), reason="Toisen henkilön asia")


@dataclass
class House:
    site: Config
    database: Database

    def packages(self, keyring: Keyring | None = None) -> Packages:
        return Packages(
            database=self.database,
            vault=connect.vault(self.site),
            keyring=keyring or open_keyring(self.site),
            policies=connect.policies(self.site, self.database),
            papers=self.site.papers,
            clocks=Clocks(),
        )

    async def made(self, order: Order, scope: Scope = ALL) -> bytes:
        packages = self.packages()
        prepared = await packages.prepare(order, scope, SARI)
        with closing(packages.open(prepared)) as package:
            data = b"".join(package.blocks())
            assert package.size == len(data), "the size is known before the first byte"
        return data

    async def listen(self, recording_id: UUID, purpose: Purpose, at: datetime) -> None:
        heard = Listening(
            id=uuid4(),
            recording_id=recording_id,
            user_id=uuid4(),
            session="s",
            purpose=purpose,
            reference="",
            begun_at=at,
            active_at=at,
        )
        async with self.database.transaction() as conn:
            await listenings.insert(conn, heard, LISTENER, SARI)

    async def hold(self, recording_id: UUID) -> None:
        review = day_of(datetime.now(UTC)) + timedelta(days=100)
        terms = HoldTerms(reason="Uhkasi tulla.", reference="5530/R/1/26", owner="Sari", review_on=review)
        keyring = open_keyring(self.site)
        await connect.holds(self.site, self.database, keyring).place([recording_id], terms, Actor.operator("esko"))


@pytest.fixture
def house(tmp_path: Path, dsn: str, database: Database) -> House:
    return House(prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'}), database)


def order(*recorded: Recorded, kind: PackageKind = PackageKind.CITIZEN, mutes: Sequence[Mute] = ()) -> Order:
    ids = [one.recording_id for one in recorded]
    return Order(kind=kind, case_number="PRV/5/2026", recordings=ids, mutes={one: mutes for one in ids})


def unpacked(data: bytes) -> dict[str, bytes]:
    """Every file, its checksum compared by zipfile, its hash and the signature over the hashes here."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    lines = [line.split("  ") for line in files["SHA256SUMS"].decode().splitlines()]
    listed = {name: digest for digest, name in lines}
    assert set(listed) == set(files) - {"SHA256SUMS", "signature.json"}
    for name, digest in listed.items():
        assert hashlib.sha256(files[name]).hexdigest() == digest
    told = json.loads(files["signature.json"])
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["signer"]))
    key.verify(base64.b64decode(told["signature"]), b"ari-recorder/package/1\0" + files["SHA256SUMS"])
    return files


def peak_bytes() -> int:
    """The most memory this process had since this was last asked (proc(5), clear_refs and VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    Path("/proc/self/clear_refs").write_text("5")
    return int(found[1]) << 10


def pcm(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """A WAV file's samples, the caller's and the agent's."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def checked(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(TOOL), *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_person_gets_the_audio_and_all_that_is_told_of_it(house: House) -> None:
    recorded = await record(house.site, house.database)
    heard_at = datetime.now(UTC)
    await house.listen(recorded.recording_id, Purpose.QUALITY, heard_at)
    files = unpacked(await house.made(order(recorded)))
    told = json.loads(files["package.json"])
    (one,) = told["recordings"]
    wav, small = one["audio"]
    vault = connect.vault(house.site)
    prepared = await house.packages().prepare(order(recorded), ALL, SARI)
    sealed = prepared.sealed[0]
    with vault.open_recording(sealed.path, sealed.wrapped_key, recorded.recording_id) as opened:
        assert files[small] == opened.read(0, opened.size), "with nothing muted it is the file that was sealed"
    samples, rate = soundfile.read(io.BytesIO(files[small]), dtype="int16")
    assert rate == 8000
    assert np.array_equal(pcm(files[wav]), samples)
    assert one["samples"] == len(samples)
    assert one["id"] == str(recorded.recording_id)
    assert one["listened"] == [{"at": heard_at.isoformat(timespec="milliseconds")[:-6] + "Z", "purpose": "quality"}]
    assert one["muted"] == one["given"] == []
    assert told["case_number"] == "PRV/5/2026"
    assert files["verify_package.py"] == TOOL.read_bytes()
    for language, purpose, kept in (
        ("fi", "palvelun laatu", "3 kuukautta"),
        ("sv", "tjänstens kvalitet", "3 månader"),
        ("en", "quality of the service", "3 months"),
    ):
        text = files[f"index.{language}.html"].decode()
        assert f'<html lang="{language}">' in text
        office = getattr(house.site.papers, f"purpose_{language}")
        for word in (purpose, kept, office, wav, small, "0800123456", "PRV/5/2026", "0:00:02"):
            assert word in text, word


async def test_no_name_of_the_staff_and_nothing_of_the_caller_is_in_it(house: House) -> None:
    recorded = await record(house.site, house.database)
    await house.listen(recorded.recording_id, Purpose.ADVISER_SAFETY, datetime.now(UTC))
    await house.hold(recorded.recording_id)
    files = unpacked(await house.made(order(recorded)))
    for name, data in files.items():
        for word in (LISTENER, "Adviser", "1001", "esko", "sari", "Uhkasi", NAME, NUMBER):
            if not name.startswith("audio/"):
                assert word.encode() not in data, (name, word)
            assert word not in name


@pytest.mark.parametrize("side", MutedSide)
async def test_a_muted_part_is_silent_to_the_sample_in_both_files_and_the_recording_stays(
    house: House, side: MutedSide
) -> None:
    recorded = await record(house.site, house.database)
    whole = unpacked(await house.made(order(recorded)))
    files = unpacked(await house.made(order(recorded, mutes=[replace(MUTE, side=side)])))
    (one,) = json.loads(files["package.json"])["recordings"]
    wav, small = one["audio"]
    expected = pcm(whole[wav]).copy()
    columns = {MutedSide.BOTH: [0, 1], MutedSide.CALLER: [0], MutedSide.AGENT: [1]}[side]
    assert np.any(expected[4000:8000, columns])
    expected[4000:8000, columns] = 0
    assert np.array_equal(pcm(files[wav]), expected)
    assert np.array_equal(soundfile.read(io.BytesIO(files[small]), dtype="int16")[0], expected)
    assert one["muted"] == [
        {"first_sample": 4000, "end_sample": 8000, "side": side.value, "reason": MUTE.reason},
    ]
    for language in ("fi", "sv", "en"):
        page = files[f"index.{language}.html"].decode()
        assert re.search(rf"<td>0:00:00.5</td><td>0:00:01</td><td>[^<]+</td><td>{MUTE.reason}</td>", page)
    assert unpacked(await house.made(order(recorded)))[wav] == whole[wav]


async def test_several_recordings_come_in_their_order(house: House) -> None:
    late = datetime.now(UTC) - timedelta(minutes=1)
    second = await record(house.site, house.database, started_at=late, uniqueid="1700000000.9")
    first = await record(house.site, house.database, started_at=late - timedelta(days=2))
    files = unpacked(await house.made(order(second, first)))
    told = json.loads(files["package.json"])
    assert [one["id"] for one in told["recordings"]] == [str(first.recording_id), str(second.recording_id)]
    assert len([name for name in files if name.startswith("audio/")]) == 4


async def test_a_long_call_takes_no_more_memory_than_a_short_one(house: House) -> None:
    """Twenty minutes are 38 MB as WAV; with a part muted it is also encoded anew."""
    samples = 20 * 60 * 8000
    side = np.random.default_rng(1).integers(-3000, 3000, samples, dtype=np.int16).tobytes()
    recorded = await record(house.site, house.database, sides=(side, side))
    packages = house.packages()
    prepared = await packages.prepare(order(recorded, mutes=[MUTE]), ALL, SARI)
    peak_bytes()  # what making the recording took does not count
    before = peak_bytes()
    with closing(packages.open(prepared)) as package:
        size = sum(len(block) for block in package.blocks())
    assert size > 50_000_000
    grown = peak_bytes() - before
    assert grown < 8 << 20


# --- for the police


async def test_the_police_gets_what_is_held_with_its_chain_of_custody(house: House) -> None:
    recorded = await record(house.site, house.database)
    with pytest.raises(PackageNeedsHold):
        await house.made(order(recorded, kind=PackageKind.POLICE))
    await house.hold(recorded.recording_id)
    await house.listen(recorded.recording_id, Purpose.ADVISER_SAFETY, datetime.now(UTC))
    files = unpacked(await house.made(order(recorded, kind=PackageKind.POLICE)))
    (one,) = json.loads(files["package.json"])["recordings"]
    chain = [(step["step"], step["who"]) for step in one["custody"]]
    assert chain == [
        ("recorded", "ari-recorder"),
        ("ended", "ari-recorder"),
        ("held", "esko"),
        ("listened", LISTENER),
        ("verified", "sari"),
        ("packaged", "sari"),
    ]
    assert one["hold"]["reference"] == "5530/R/1/26"
    page = files["index.fi.html"].decode()
    for word in ("5530/R/1/26", LISTENER, "todettiin muuttumattomaksi", one["sealed_sha256"], "poliisille"):
        assert word in page
    assert "Oikeutesi" not in page
    assert "Uhkasi" not in page


async def test_what_rotted_is_not_given_to_the_police(house: House) -> None:
    recorded = await record(house.site, house.database)
    await house.hold(recorded.recording_id)
    (path,) = house.site.storage.vault.rglob("*.sealed")
    flip(path, 100)
    with pytest.raises(SealedDiffers):
        await house.made(order(recorded, kind=PackageKind.POLICE))


# --- who may not, and what is refused


async def test_nothing_is_made_of_what_may_not_be_opened(house: House) -> None:
    recorded = await record(house.site, house.database)
    with pytest.raises(RecordingUnknown):
        await house.made(order(recorded), Scope(queues=frozenset({"dental"}), interfaces=None))
    with pytest.raises(RecordingUnknown):
        await house.made(Order(kind=PackageKind.CITIZEN, case_number="1/26", recordings=[uuid4()]))
    with pytest.raises(MuteRefused):
        await house.made(order(recorded, mutes=[replace(MUTE, until=timedelta(seconds=3))]))
    with pytest.raises(HoldTextRefused):
        await house.made(replace(order(recorded), case_number=" "))
    with pytest.raises(KeyringLocked):
        await house.packages(Keyring.open(house.site.storage.keys)).prepare(order(recorded), ALL, SARI)


# --- the tool in it


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
