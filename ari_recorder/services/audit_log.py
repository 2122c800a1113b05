"""The audit log grows: what waits gets its place in the tree, the tree is signed, the signature carried outside.

    append (with the change) ─► pending ──sequence, ≤ 1 s──► entry ──checkpoint, ≤ 60 s──► signed ──► anchored

Each step is a transaction that may be repeated, so a kill anywhere loses nothing and doubles nothing: an entry is
pending or in the tree; a head that was signed and not stored is signed again, to the same bytes; a head that was stored
and not carried outside is carried the next time. Of several services one sequences at a time.

A database that was brought back from a backup has a tree that does not begin with the last one signed. Nothing is
signed then: an alarm, and an entry. What the anchors hold is still proof of what there was.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain import merkle
from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import AuditRolledBack, RecorderError
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.domain.merkle import Frontier
from ari_recorder.domain.retention import local_day
from ari_recorder.services.anchors import Anchor, line_of
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.clock import Clocks
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit, audit_tree
from ari_recorder.storage.audit_tree import Note
from ari_recorder.storage.db import Connection, Database
from ari_recorder.vault.log_signer import LogSigner, Signed, SignedMeanwhile

log = structlog.get_logger(__name__)

_BATCH = 1000
_LOOK_EVERY = timedelta(seconds=0.25)
# Without anything new, still a checkpoint a day: a log that is silent and one that was cut off are not the same.
_DAY = timedelta(hours=24)
_SELF = Actor.service("audit-log")


async def sequence(database: Database) -> int:
    """Everything that waits now gets its place. How many did."""
    done = 0
    while True:
        async with database.transaction() as conn:
            count = await audit_tree.sequence(conn, limit=_BATCH)
        done += count
        if count < _BATCH:
            return done


class AuditFeed:
    """Entries get their place: `run` is the job of each service, of any number."""

    def __init__(self, *, database: Database, later: LaterEntries, clocks: Clocks) -> None:
        """`later`: what waits on this host's disk."""
        self._database = database
        self._later = later
        self._clocks = clocks

    async def run(self, stop: asyncio.Event, farewell: Entry | None = None) -> None:
        """A supervised job. The last thing it does is to write `farewell`."""
        while not stop.is_set():
            await self._feed()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY.total_seconds())
        with contextlib.suppress(RecorderError):  # the database may be going too
            if farewell is not None:
                await written(self._database, farewell, self._clocks.now())
            await self._feed()

    async def _feed(self) -> None:
        await self._later.drain(self._database)
        await sequence(self._database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed:
    """The newest checkpoint, and in which places outside it is."""

    note: Note
    anchored: tuple[str, ...]
    troubles: tuple[str, ...]


class AuditLog:
    """The tree signed: `run` is a job of one service at a time."""

    def __init__(
        self,
        *,
        database: Database,
        signer: LogSigner,
        anchors: Sequence[Anchor],
        post: Post,
        clocks: Clocks,
        every: timedelta,
    ) -> None:
        """`every`: how often it is signed when there is something new."""
        self._database = database
        self._signer = signer
        self._anchors = anchors
        self._post = post
        self._clocks = clocks
        self._every = every
        self._told_rollback: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """A supervised job. The last thing it does is to sign what there is."""
        while not stop.is_set():
            await self._sign_if_new()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every.total_seconds())
        with contextlib.suppress(RecorderError):  # the database may be going too; the next start signs
            await self._sign_if_new()

    async def checkpoint(self) -> Checkpointed:
        """Sign everything there is now, and carry it outside. AuditRolledBack, with an alarm, when that must not be."""
        await sequence(self._database)
        try:
            note = await self._sign()
        except AuditRolledBack as refusal:
            await self._tell_rollback(refusal)
            raise
        anchored: list[str] = []
        troubles: list[str] = []
        for anchor in self._anchors:
            trouble = await self._carry(anchor, note)
            (troubles if trouble else anchored).append(f"{anchor.target}: {trouble}" if trouble else anchor.target)
        return Checkpointed(note=note, anchored=tuple(anchored), troubles=tuple(troubles))

    async def cover(self, seq: int) -> None:
        """The entry is under a checkpoint when this returns."""
        async with self._database.transaction() as conn:
            note = await audit_tree.newest_note(conn, self._signer.origin, since=seq + 1)
        if note is None:
            await self.checkpoint()

    async def _sign_if_new(self) -> None:
        await sequence(self._database)
        signed = await asyncio.to_thread(self._signer.last)
        async with self._database.transaction() as conn:
            tree = await audit_tree.head(conn)
            last = await audit_tree.newest_note(conn, self._signer.origin)
            behind = {state.target for state in await audit_tree.anchors(conn) if state.size == tree.size}
            now = self._clocks.now()
            if last is None or now - last.signed_at >= _DAY:
                await audit.append(conn, Entry(action=Action.AUDIT_DAY, actor=_SELF), now)
            elif (
                # A database of yesterday agrees with itself; the signer's memory is not in it.
                last.size == tree.size
                and signed.size <= tree.size
                and all(one.target in behind for one in self._anchors)
            ):
                return
        with contextlib.suppress(AuditRolledBack):  # told by an alarm; entries go on being written
            await self.checkpoint()

    async def _sign(self) -> Note:
        while True:
            # The memory first: what grows meanwhile begins with it. Read the other way round, a head signed by another
            # process in between would look like a log that was cut.
            last = await asyncio.to_thread(self._signer.last)
            async with self._database.transaction() as conn:
                tree = await audit_tree.head(conn)
                proof = await _consistency(conn, last, tree)
            try:
                text = await asyncio.to_thread(self._signer.sign, tree.size, tree.root, last, proof)
            except SignedMeanwhile:
                continue
            break
        note = Note(origin=self._signer.origin, size=tree.size, root=tree.root, signed_at=self._clocks.now(), text=text)
        async with self._database.transaction() as conn:
            await audit_tree.insert_note(conn, note)
            await self._post.queue(conn, _letter(note), note.signed_at)
        log.info("audit_sign", size=note.size)
        return note

    async def _carry(self, anchor: Anchor, note: Note) -> str:
        """The reason when it did not get there."""
        now, trouble = self._clocks.now(), ""
        try:
            await asyncio.to_thread(anchor.carry, line_of(note.text, now))
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            log.error("alarm", alarm=AlarmCode.AUDIT_NOT_ANCHORED.value, subject=anchor.target, because=trouble)
        async with self._database.transaction() as conn:
            await audit_tree.note_anchor(conn, anchor.target, note.size, trouble, now)
        return trouble

    async def _tell_rollback(self, refusal: AuditRolledBack) -> None:
        signed = self._signer.last().size
        log.error("alarm", alarm=AlarmCode.AUDIT_ROLLED_BACK.value, subject="audit", because=str(refusal))
        if self._told_rollback == signed:
            return
        entry = Entry(action=Action.AUDIT_ROLLBACK, actor=_SELF, outcome=Outcome.REFUSED, facts={"signed": signed})
        async with self._database.transaction() as conn:
            await audit.append(conn, entry, self._clocks.now())
        self._told_rollback = signed


def _letter(note: Note) -> Letter:
    """The day's first head goes out by mail; the others of the day are the same occasion."""
    day = local_day(note.signed_at).isoformat()
    facts: dict[str, str | int] = {"day": day, "size": note.size, "note": note.text.rstrip("\n")}
    return Letter(kind=LetterKind.AUDIT_HEAD, once=f"{note.origin} {day}", path="/audit", facts=facts)


async def _consistency(conn: Connection, last: Signed, tree: Frontier) -> tuple[bytes, ...]:
    """That the tree begins with the one signed last; nothing, when it cannot."""
    if not 0 < last.size < tree.size:
        return ()
    pieces = merkle.consistency_nodes(last.size, tree.size)
    found = await audit_tree.hashes(conn, [node for piece in pieces for node in piece])
    with contextlib.suppress(KeyError):
        return merkle.proof_of(pieces, found)
    return ()


async def started(database: Database, host: str, config_sha256: str, installation: UUID, now: datetime) -> None:
    """The service begins on a host; is its configuration another one than the last time, are its keys new?"""
    keyring = Entry(action=Action.KEYRING_MAKE, actor=Actor.service("daemon"), object=f"keyring:{installation}")
    async with database.transaction() as conn:
        await audit.append_once(conn, keyring, now, f"{keyring.action.value} {installation}")
        last = await audit.newest_fact(conn, Action.CONFIG_CHANGE, "sha256", host)
        facts = {"host": host, "sha256": config_sha256}
        entries = [Entry(action=Action.SERVICE_START, actor=Actor.service("daemon"), facts=facts)]
        if last != config_sha256:
            entries.append(Entry(action=Action.CONFIG_CHANGE, actor=Actor.service("daemon"), facts=facts))
        await audit.append_many(conn, entries, now)


async def written(database: Database, entry: Entry, now: datetime) -> None:
    """An entry about something that has no transaction of its own."""
    async with database.transaction() as conn:
        await audit.append(conn, entry, now)
