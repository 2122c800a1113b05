"""Packages of recordings, opened by a reader that shares no code with the service. Their tool: test_package_tool."""

import base64
import hashlib
import io
import json
import re
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
from ari_recorder.domain.disclosures import ReceiverKind
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
from ari_recorder.domain.notice import Basis, basis_told
from ari_recorder.domain.packages import PackageKind
from ari_recorder.services import connect, connect_service, listen, refusal_templates
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.clock import Clocks
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.packages import Order, Packages
from ari_recorder.storage import listenings
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring
from tests.services.test_scrub import flip
from tests.site import NAME, NUMBER, QUEUE, Recorded, open_keyring, prepare, record

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
            vault=connect_service.vault(self.site),
            keyring=keyring or open_keyring(self.site),
            policies=connect.policies(self.site, self.database),
            offices=refusal_templates.offices(self.site.controller),
            bases={QUEUE: Basis.PUBLIC_TASK},
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

    async def give(self, recording_id: UUID, receiver: ReceiverKind, at: datetime) -> None:
        async with self.database.transaction() as conn:
            await conn.execute(
                """
                INSERT INTO disclosure (id, recording_id, asked_at, begun_at, user_id, user_name, approved_by_name,
                                        receiver_kind, reference, text_id, size_bytes)
                VALUES ($1, $2, $4, $4, $1, $5, '', $3, '5530/R/1/26', $1, 1)
                """,
                uuid4(),
                recording_id,
                receiver,
                at,
                LISTENER,
            )

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


async def test_a_person_gets_the_audio_and_all_that_is_told_of_it(house: House) -> None:
    recorded = await record(house.site, house.database)
    heard_at = datetime.now(UTC)
    await house.listen(recorded.recording_id, Purpose.QUALITY, heard_at)
    files = unpacked(await house.made(order(recorded)))
    told = json.loads(files["package.json"])
    (one,) = told["recordings"]
    wav, small = one["audio"]
    vault = connect_service.vault(house.site)
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
        office = refusal_templates.offices(house.site.controller)[language].controller
        for word in (
            purpose,
            kept,
            office,
            basis_told(Basis.PUBLIC_TASK, language),
            wav,
            small,
            "0800123456",
            "PRV/5/2026",
            "0:00:02",
        ):
            assert word in text, word


async def test_no_name_of_the_staff_and_nothing_of_the_caller_is_in_it(house: House) -> None:
    recorded = await record(house.site, house.database)
    await house.listen(recorded.recording_id, Purpose.ADVISER_SAFETY, datetime.now(UTC))
    await house.hold(recorded.recording_id)
    files = unpacked(await house.made(order(recorded)))
    for name, data in files.items():
        for word in (LISTENER, "Adviser", "PJSIP/1001", "esko", "sari", "Uhkasi", NAME, NUMBER):
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


async def test_to_whom_it_was_given_is_told_by_kind_and_to_the_police_by_whom(house: House, tmp_path: Path) -> None:
    recorded = await record(house.site, house.database)
    await house.hold(recorded.recording_id)
    await house.give(recorded.recording_id, ReceiverKind.COURT, datetime.now(UTC))
    vault = connect_service.vault(house.site)
    copy = tmp_path / "call.wav"
    olli = Actor.operator("olli")
    await listen.export_wav(house.database, vault, recorded.recording_id, copy, lambda _: None, olli)
    await sequence(house.database)
    for kind, words in (
        (PackageKind.CITIZEN, "tuomioistuin"),
        (PackageKind.POLICE, "annettiin ulos"),
    ):
        files = unpacked(await house.made(order(recorded, kind=kind)))
        (one,) = json.loads(files["package.json"])["recordings"]
        assert [given["receiver"] for given in one["given"]] == ["court"]
        assert words in files["index.fi.html"].decode()
        given_by = [step["who"] for step in one.get("custody", ()) if step["step"] == "given"]
        assert given_by == ([LISTENER, "olli"] if kind is PackageKind.POLICE else [])
        assert (b"olli" in files["package.json"]) == (kind is PackageKind.POLICE)


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
    with pytest.raises(RecordingUnknown):
        await house.made(replace(order(recorded), mutes={uuid4(): [MUTE]}))
    with pytest.raises(HoldTextRefused):
        await house.made(replace(order(recorded), case_number=" "))
    with pytest.raises(KeyringLocked):
        await house.packages(Keyring.open(house.site.storage.keys)).prepare(order(recorded), ALL, SARI)
