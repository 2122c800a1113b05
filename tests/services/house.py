"""A database, a vault and a clock of its own, and what the tests of retention do to them."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Call
from ari_recorder.domain.clock import Reading
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.recordings import Recording
from ari_recorder.domain.retention import Period, Rules, StoredState, local_day
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.services.clock import Clocks
from ari_recorder.services.holds import Holds
from ari_recorder.services.policy import Policies
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.calls import Personal
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import key_name_of
from tests.storage.calls_for_tests import BEGAN, CALLER, finished_call, sealed_recording

BOOT = UUID(int=7)
# Somebody at the command line.
READER = Actor.operator("sari")
PERSON = "+358401234567 Päivi Ääkkönen"


def rules(grace: str = "P14D", **queues: str) -> Rules:
    return Rules(
        queues={name: Period.parse(text) for name, text in queues.items()}, undecided_grace=Period.parse(grace)
    )


RULES = rules(advice="P3M", dental="P14D")


class Time(Clocks):
    """All clocks of a host and of the database on it. `now` is the true time, `ahead` how wrong they are."""

    def __init__(self, now: datetime = BEGAN) -> None:
        self.time = now
        self.booted = now - timedelta(days=3)
        self.ahead = timedelta()
        self.database_ahead: timedelta | None = None
        self.database_apart = False
        self.boot_id = BOOT

    def now(self) -> datetime:
        return self.time + self.ahead

    async def read(self, conn: Connection) -> Reading:
        await conn.fetchval("SELECT 1")
        apart = self.ahead if self.database_ahead is None else self.database_ahead
        return Reading(
            wall=self.now(),
            database=self.time + apart,
            database_since=self.booted - timedelta(days=30) if self.database_apart else None,
            boot_id=self.boot_id,
            since_boot=self.time - self.booted,
        )

    def restart(self) -> None:
        self.boot_id = UUID(int=self.boot_id.int + 1)
        self.booted = self.time


@dataclass
class House:
    database: Database
    vault: Path
    clocks: Time = field(default_factory=Time)
    sealed: list[Recording] = field(default_factory=list)
    keyring: Keyring | None = None
    # What is sealed of the callers of calls that are stored.
    person: str = PERSON

    def sweep(self, **parts: object) -> Sweep:
        database = parts.get("database", self.database)
        assert isinstance(database, Database)
        given: dict[str, object] = {
            "database": database,
            "copies": Copies(self.vault),
            "policies": Policies(database, RULES),
            "clocks": self.clocks,
            "every": timedelta(seconds=0.05),
            "at_most": 1e9,
            **parts,
        }
        return Sweep(**given)  # type: ignore[arg-type]

    @property
    def policies(self) -> Policies:
        return Policies(self.database, RULES)

    def holds(self) -> Holds:
        assert self.keyring is not None
        return Holds(database=self.database, keyring=self.keyring, policies=self.policies, clocks=self.clocks)

    async def store(self, *several: Call) -> None:
        """Without a keyring, with keys that open nothing. The file of a recording is the hash of its data key."""
        for call in several:
            caller = CALLER
            files: dict[UUID, bytes] = {}
            if self.keyring is not None:
                call, caller, files = self._wrapped(self.keyring, call)
            async with self.database.transaction() as conn:
                await calls.upsert(
                    conn, call, caller, LedgerState.RECORDED, "", timedelta(seconds=60), self.clocks.now()
                )
            for recording in call.recordings:
                self.sealed.append(recording)
                self.file(recording).parent.mkdir(parents=True, exist_ok=True)
                self.file(recording).write_bytes(files.get(recording.id, b"sealed audio"))

    def _wrapped(self, keyring: Keyring, call: Call) -> tuple[Call, Personal, dict[UUID, bytes]]:
        recordings, files = [], {}
        for recording in call.recordings:
            assert recording.sealed is not None
            name = self._day_key(keyring, recording.started_at)
            data_key = secrets.token_bytes(32)
            files[recording.id] = sha256(data_key).digest()
            wrapped = keyring.public.wrap(name, data_key, recording.id)
            facts = replace(recording.sealed, key_name=name, wrapped_key=wrapped.hex())
            recordings.append(replace(recording, sealed=facts))
        name = self._day_key(keyring, call.first_seen_at)
        sealed = keyring.public.seal_text(name, self.person, CALLER_PURPOSE, call.id)
        return replace(call, recordings=tuple(recordings)), Personal(sealed=sealed, key_name=name), files

    def _day_key(self, keyring: Keyring, at: datetime) -> str:
        keyring.publish([local_day(at)])
        return keyring.public.name_for(local_day(at))

    async def plays(self, recording: Recording) -> bool:
        """Can it be heard? What a listener needs: the row, the key, the file."""
        assert self.keyring is not None
        row = await self.row(recording.id)
        if row.state is not StoredState.SEALED or row.wrapped_key is None or not self.file(recording).exists():
            return False
        try:
            data_key = self.keyring.unwrap(row.wrapped_key, recording.id)
        except RecorderError:
            return False
        return self.file(recording).read_bytes() == sha256(data_key).digest()

    async def caller(self, call_id: UUID) -> str | None:
        """The caller opened; None when it is gone."""
        assert self.keyring is not None
        async with self.database.transaction() as conn:
            personal = (await calls.get(conn, [call_id]))[call_id].personal
        if personal is None:
            return None
        assert key_name_of(personal.sealed) == personal.key_name
        return self.keyring.open_text(personal.sealed, CALLER_PURPOSE, call_id)

    def file(self, recording: Recording) -> Path:
        assert recording.sealed is not None
        return self.vault / recording.sealed.path

    async def row(self, recording_id: UUID) -> StoredRecording:
        async with self.database.transaction() as conn:
            row = await recordings.get(conn, recording_id)
        assert row is not None
        return row

    async def state(self, call: Call) -> StoredState:
        return (await self.row(call.recordings[0].id)).state

    async def nothing_false(self) -> None:
        """What must hold at every moment, whatever happened."""
        for recording in self.sealed:
            row = await self.row(recording.id)
            there = self.file(recording).exists()
            if row.state is StoredState.SEALED:
                assert there, "a recording was promised that is not there"
                assert row.wrapped_key
            if row.state is StoredState.ERASED:
                assert not there, "called erased, and is not"
            if not there:
                assert row.wrapped_key is None, "the file went before the key"


def at(moment: datetime, queue: str = "advice", parts: int = 1, *, flagged: bool = False) -> Call:
    call = finished_call(*(sealed_recording(n + 1, moment) for n in range(parts)), at=moment, queue=queue)
    return call if flagged else replace(call, marks=())
