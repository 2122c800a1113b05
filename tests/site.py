"""A site for tests of commands: a configuration, a vault with a sealed recording, and its call in a real database."""

import json
import math
import struct
import wave
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from ari_recorder import config
from ari_recorder.config import Config
from ari_recorder.domain.calls import Call, CallState, Mark, MarkKind, Member
from ari_recorder.domain.events import Party, SealedFacts, Uniqueid
from ari_recorder.domain.evidence import Evidence
from ari_recorder.domain.ledger import judge
from ari_recorder.domain.recordings import EndReason, Label, Recording, RecordingState, StartedBy
from ari_recorder.services import connect
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.services.seal import side_of
from ari_recorder.storage import calls
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault

NUMBER = "0401234567"
NAME = "Aino Example"
DIALPLAN_SECRET = "0a" * 32
AMI_SECRET = "insecure-ami-secret"
QUEUE = "advice"
LENGTH = timedelta(seconds=2)
# What a queue needs before it is recorded.
APPROVED = 'approved_by = "HR 14/2026"\napproved_on = "2026-01-12"\nstaff_informed_on = "2026-01-26"'
# What the privacy notice wants to know.
CONTROLLER = """
[controller]
register_name = { fi = "Esimerkkilän puhelut", sv = "Exempelbys samtal", en = "Calls of Exampleton" }
name = { fi = "Esimerkkilän kaupunki", sv = "Exempelby stad", en = "City of Exampleton" }
address = "Torikatu 1, 00100 Esimerkkilä"
person_in_charge = { fi = "Viestintäjohtaja", sv = "Kommunikationsdirektör", en = "Director of communications" }
contact = "kirjaamo@example.org"
data_protection_officer = "tietosuoja@example.org"
"""
CALLED = """
called = { fi = "Neuvonta", sv = "Rådgivning", en = "Advice line" }
basis = "public-task"
"""


def write_sound(path: Path, seconds: float = 3.0, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(bytes(2 * int(seconds * rate)))


def write_secret(path: Path, secret: str) -> Path:
    path.write_text(secret)
    path.chmod(0o600)
    return path


def write_site(folder: Path, port: int = 1, changes: dict[str, str] | None = None) -> Path:
    """A configuration file, and around it everything of this host as it should be."""
    for language in ("fi", "sv", "en"):
        write_sound(folder / "sounds" / language / "announcement.wav")
    for code in ("threat", "pause", "resume", "refuse"):
        write_sound(folder / "sounds" / f"confirm-{code}.wav", 0.1)
    spool = folder / "spool"
    spool.mkdir()
    spool.chmod(0o2770)
    (folder / "state").mkdir(mode=0o700)
    (folder / "queue_log").write_text("")
    values = {
        "pbx.host": "127.0.0.1",
        "pbx.port": str(port),
        "ami_secret": str(write_secret(folder / "ami.secret", AMI_SECRET)),
        "dialplan_secret": str(write_secret(folder / "dialplan.secret", DIALPLAN_SECRET)),
        "host": "",
        "storage.more": "",
        "pbx.more": "",
        "web.more": "",
        "papers.more": "",
        "capture.start": "ami",
        "queue": QUEUE,
        "retention": 'retention = "P3M"',
        "spool": str(spool),
        "database": "",
        "controller": CONTROLLER,
        "queue.more": CALLED,
        **(changes or {}),
    }
    path = folder / "ari-recorder.toml"
    path.write_text(f"""
{values["host"]}
[pbx]
host = "{values["pbx.host"]}"
port = {values["pbx.port"]}
username = "ari-recorder"
secret_file = "{values["ami_secret"]}"
dialplan_secret_file = "{values["dialplan_secret"]}"
spool = "{values["spool"]}"
sounds = "{folder / "sounds"}"
queue_log = "{folder / "queue_log"}"
{values["pbx.more"]}
[capture]
start = "{values["capture.start"]}"
[storage]
state = "{folder / "state"}"
{values["storage.more"]}
[database]
{values["database"]}
{values["controller"]}
[monitor]
port = 0
[web]
port = 0
{values["web.more"]}
[papers]
{values["papers.more"]}
[[queues]]
name = "{values["queue"]}"
{APPROVED}
{values["queue.more"]}
{values["retention"]}
""")
    return path


def prepare(folder: Path, port: int = 1, changes: dict[str, str] | None = None) -> Config:
    return config.load(write_site(folder, port, changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A call that was recorded, sealed and stored."""

    recording_id: UUID
    call: Call


def tone(hertz: int, length: timedelta = LENGTH) -> bytes:
    count = int(length.total_seconds() * 8000)
    return b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * hertz * n / 8000))) for n in range(count))


def spoilt(length: timedelta = LENGTH) -> bytes:
    """Louder than a line can carry, and half a second of it never came."""
    count, lost = int(length.total_seconds() * 8000), 4000
    begin = (count - lost) // 2 // 160 * 160
    loud = struct.pack("<hh", 32767, -32768)
    return loud * (begin // 2) + bytes(2 * lost) + loud * ((count - lost - begin) // 2)


# What an A-law line carries while nobody talks.
IDLE = struct.pack("<h", 8) * int(LENGTH.total_seconds() * 8000)


def open_keyring(settings: Config) -> Keyring:
    """The site's keys, unlocked; made, if they are not there yet."""
    if not (settings.storage.keys / "keyring.json").exists():
        return Keyring.make(settings.storage.keys, root_key=settings.root_key())
    return connect.keyring(settings)


async def record(
    settings: Config,
    database: Database,
    *,
    started_at: datetime | None = None,
    uniqueid: str = "1700000000.1",
    recording_id: UUID | None = None,
    number: str = NUMBER,
    sides: tuple[bytes, bytes] | None = None,
    marks: tuple[tuple[MarkKind, timedelta], ...] = ((MarkKind.THREAT, LENGTH / 2),),
    name: str = NAME,
    queue: str = QUEUE,
    phone: str = "1001",
    waited: timedelta = timedelta(seconds=5),
    evidence: Evidence | None = None,
) -> Recorded:
    """Caller 440 Hz, agent 880 Hz, or what `sides` says of both; flagged as a threat after one second."""
    files = VaultFiles(settings.storage.vault)
    files.prepare()
    at = started_at or datetime.now(UTC) - timedelta(minutes=1)
    keyring = open_keyring(settings)
    keyring.publish([day_of(at)])
    vault = Vault(files, keyring, settings.pbx.spool)
    recording_id = recording_id or uuid4()
    heard = sides or (tone(440), tone(880))
    length = timedelta(seconds=len(heard[0]) / 2 / 8000)
    files_of = {side: settings.pbx.spool / f"{recording_id}.{side}.sln" for side in ("caller", "agent")}
    for path, samples in zip(files_of.values(), heard, strict=True):
        path.write_bytes(samples)
    label = Label(uniqueid=Uniqueid(uniqueid), queue=queue, segment=1, started_at=at)
    sealed = vault.seal_recording(files_of["caller"], files_of["agent"], recording_id, day_of(at), label=label)
    for path in files_of.values():
        path.unlink()
    facts = SealedFacts(
        path=sealed.path,
        key_name=sealed.key_name,
        wrapped_key=sealed.wrapped_key.hex(),
        sha256=sealed.sha256.hex(),
        sealed_bytes=sealed.sealed_bytes,
        duration=sealed.duration,
        caller=side_of(sealed.caller),
        agent=side_of(sealed.agent),
    )
    recording = Recording(
        id=recording_id,
        base=str(recording_id),
        segment=1,
        started_at=at,
        started_by=StartedBy.SERVICE,
        clock_at_start=timedelta(),
        state=RecordingState.SEALED,
        end_reason=EndReason.HANGUP,
        ended_at=at + length,
        sealed=facts,
    )
    member = Member(
        uniqueid=Uniqueid("1700000000.2"),
        queue=queue,
        interface=f"PJSIP/{phone}",
        name=f"Adviser {phone}",
        connected_at=at,
        hold_time=waited,
        ring_time=timedelta(seconds=3),
        talk_time=length,
        end_reason="caller",
    )
    call = Call(
        id=uuid4(),
        system_name="pbx1",
        uniqueid=Uniqueid(uniqueid),
        linkedid=uniqueid,
        channel="PJSIP/operator-00000001",
        first_seen_at=at - waited - timedelta(seconds=5),
        state=CallState.ENDED,
        number="0800123456",
        queue=queue,
        caller=Party(num=number, name=name),
        joined_at=at - waited,
        connected_at=at,
        ended_at=at + length,
        end_reason=EndReason.HANGUP,
        members=(member,),
        marks=tuple(Mark(kind=kind, at=at + offset, offset=offset, by=f"PJSIP/{phone}") for kind, offset in marks),
        recordings=(recording,),
        evidence=evidence,
        bridged_before=length,
    )
    verdict = judge(call, frozenset({queue}))
    async with database.transaction() as conn:
        text = json.dumps({"num": number, "name": name})
        personal = calls.Personal(
            sealed=keyring.public.seal_text(sealed.key_name, text, CALLER_PURPOSE, call.id), key_name=sealed.key_name
        )
        await calls.upsert(conn, call, personal, verdict.state, verdict.reason, length, datetime.now(UTC))
    return Recorded(recording_id=recording_id, call=call)
