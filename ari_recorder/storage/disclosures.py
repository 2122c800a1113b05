"""The tables `export_ask`, `disclosure`, `disclosure_sent`: recordings given out. What is sealed of it: `call_text`.

    export_ask ──begin──► + disclosure ──let_out, for each piece──► … ──end──► disclosure + disclosure_sent

The two tables of the log only grow. A piece is counted, committed, before it is sent: a crash in between leaves one on
record that nobody got, and never the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.approvals import ApprovalState
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay, ReceiverKind
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.scoped import within

_ACTOR = TypeAdapter(Actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`state`: of the second person's agreement; None where none was asked for."""

    id: UUID
    recording_id: UUID
    receiver_kind: ReceiverKind
    reference: str
    text_id: UUID
    asked_at: datetime
    asked_by: UUID
    asked_by_name: str
    ground: OpeningGround | None = None
    state: ApprovalState | None = None
    is_going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """An export that is being sent, or was until the service ended. `sent_bytes`: let out of `size_bytes`."""

    id: UUID
    recording_id: UUID
    actor: Actor
    sent_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """`approved_by` is None where the settings want no second person; `user_id`, where it was given out from
    the command line. `delivery_id`: of the link it was fetched by."""

    id: UUID
    recording_id: UUID
    asked_at: datetime
    begun_at: datetime
    user_id: UUID | None
    user_name: str
    approved_by: UUID | None
    approved_by_name: str
    receiver_kind: ReceiverKind
    reference: str
    text_id: UUID
    size_bytes: int
    ground: OpeningGround | None = None
    way: DisclosureWay = DisclosureWay.DOWNLOAD
    delivery_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How much went out, and why not more. `sha256`: of the bytes that were sent."""

    ended_at: datetime
    because: DisclosureEnd
    bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A disclosure as it is told: `sent` is None while it goes on, and `so_far` is what was let out."""

    disclosure: Disclosure
    sent: Sent | None
    so_far: int


# --- what was asked for


async def insert_ask(conn: Connection, ask: Ask) -> None:
    await conn.execute(
        """
        INSERT INTO export_ask (
            id, recording_id, receiver_kind, reference, text_id, asked_at, asked_by, asked_by_name, ground
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        ask.id,
        ask.recording_id,
        ask.receiver_kind,
        ask.reference,
        ask.text_id,
        ask.asked_at,
        ask.asked_by,
        ask.asked_by_name,
        ask.ground,
    )


# One that was refused, or of which nobody made use in time, is not there any more.
_ASKS = """
    SELECT export_ask.*, approval.state FROM export_ask
    LEFT JOIN approval ON approval.id = export_ask.id
    JOIN recording ON recording.id = recording_id JOIN call ON call.id = recording.call_id
    WHERE (actor IS NOT NULL OR coalesce(approval.state NOT IN ('refused', 'expired'), export_ask.asked_at > $1))
"""


async def asks(conn: Connection, scope: Scope, since: datetime) -> tuple[Ask, ...]:
    """Those within the scope that nobody refused, the oldest first. Where nobody has to agree: asked `since`."""
    values: list[object] = [since]
    rows = await conn.fetch(f"{_ASKS} AND {within(scope, values)} ORDER BY export_ask.asked_at, export_ask.id", *values)
    return tuple(_ask(row) for row in rows)


async def ask(conn: Connection, export_id: UUID, scope: Scope, since: datetime) -> Ask | None:
    values: list[object] = [since, export_id]
    row = await conn.fetchrow(f"{_ASKS} AND export_ask.id = $2 AND {within(scope, values)}", *values)
    return _ask(row) if row is not None else None


async def forget_asks(conn: Connection, since: datetime) -> int:
    """Those that nobody can make use of any more."""
    gone = await conn.fetch(
        """
        DELETE FROM export_ask USING recording
        WHERE recording.id = recording_id AND export_ask.actor IS NULL AND (
            recording.state <> 'sealed'
            OR coalesce(
                (SELECT state IN ('refused', 'expired') FROM approval WHERE approval.id = export_ask.id), asked_at <= $1
            )
        )
        RETURNING export_ask.id
        """,
        since,
    )
    return len(gone)


# --- what goes out


async def begin(conn: Connection, disclosure: Disclosure, actor: Actor) -> bool:
    """False: it was begun already."""
    begun = await conn.fetchval(
        "UPDATE export_ask SET actor = $2, active_at = $3 WHERE id = $1 AND actor IS NULL RETURNING id",
        disclosure.id,
        _ACTOR.dump_python(actor, mode="json"),
        disclosure.begun_at,
    )
    if begun is None:
        return False
    await insert(conn, disclosure)
    return True


async def insert(conn: Connection, disclosure: Disclosure) -> None:
    """It begins to be given out."""
    await conn.execute(
        """
        INSERT INTO disclosure (
            id, recording_id, asked_at, begun_at, user_id, user_name, approved_by, approved_by_name, receiver_kind,
            reference, text_id, size_bytes, ground, way, delivery_id
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        disclosure.id,
        disclosure.recording_id,
        disclosure.asked_at,
        disclosure.begun_at,
        disclosure.user_id,
        disclosure.user_name,
        disclosure.approved_by,
        disclosure.approved_by_name,
        disclosure.receiver_kind,
        disclosure.reference,
        disclosure.text_id,
        disclosure.size_bytes,
        disclosure.ground,
        disclosure.way,
        disclosure.delivery_id,
    )


async def let_out(conn: Connection, export_id: UUID, scope: Scope, count: int, now: datetime) -> str | None:
    """So many more bytes are about to be sent: the name of the key that opens the recording this moment. None when they
    must not be: the export is over, the recording has gone, is restricted meanwhile, or lies outside the scope."""
    values: list[object] = [export_id, count, now]
    key_name: str | None = await conn.fetchval(
        f"""
        UPDATE export_ask SET sent_bytes = sent_bytes + $2, active_at = $3
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE export_ask.id = $1 AND actor IS NOT NULL
            AND recording.id = recording_id AND recording.state = 'sealed' AND {within(scope, values)}
            AND (restrictions = 0 OR export_ask.ground IS NOT NULL)
        RETURNING coalesce(recording.key_name, '')
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return key_name


_GOING = """
    SELECT export_ask.id, export_ask.recording_id, actor, sent_bytes, size_bytes
    FROM export_ask JOIN disclosure ON disclosure.id = export_ask.id
"""


async def lock_going(conn: Connection, export_id: UUID) -> Going | None:
    """Of two who end it one does."""
    row = await conn.fetchrow(f"{_GOING} WHERE export_ask.id = $1 FOR UPDATE OF export_ask", export_id)
    return _going(row) if row is not None else None


async def lost(conn: Connection, active_before: datetime, *, limit: int) -> tuple[Going, ...]:
    """Those that nobody sends any more; locked until the transaction ends."""
    rows = await conn.fetch(
        f"{_GOING} WHERE active_at < $1 ORDER BY active_at LIMIT $2 FOR UPDATE OF export_ask SKIP LOCKED",
        active_before,
        limit,
    )
    return tuple(_going(row) for row in rows)


async def end(conn: Connection, export_id: UUID, sent: Sent) -> None:
    """Its row is locked."""
    await insert_sent(conn, export_id, sent)
    await conn.execute("DELETE FROM export_ask WHERE id = $1", export_id)


async def insert_sent(conn: Connection, disclosure_id: UUID, sent: Sent) -> None:
    await conn.execute(
        """
        INSERT INTO disclosure_sent (disclosure_id, ended_at, because, sent_bytes, sha256) VALUES ($1, $2, $3, $4, $5)
        """,
        disclosure_id,
        sent.ended_at,
        sent.because,
        sent.bytes,
        bytes.fromhex(sent.sha256) if sent.sha256 is not None else None,
    )


# --- what went out

_TOLD = """
    SELECT disclosure.*, disclosure_sent.ended_at, because, disclosure_sent.sent_bytes, disclosure_sent.sha256,
           coalesce(export_ask.sent_bytes, delivery.sent_bytes) AS so_far
    FROM disclosure LEFT JOIN disclosure_sent ON disclosure_id = disclosure.id
    LEFT JOIN export_ask ON export_ask.id = disclosure.id
    LEFT JOIN delivery ON delivery.id = disclosure.delivery_id
"""
_IN_SCOPE = "JOIN recording ON recording.id = disclosure.recording_id JOIN call ON call.id = recording.call_id"


async def of_recording(conn: Connection, recording_id: UUID, *, limit: int = 500) -> tuple[Told, ...]:
    """The newest first."""
    rows = await conn.fetch(
        f"{_TOLD} WHERE disclosure.recording_id = $1 ORDER BY begun_at DESC, disclosure.id LIMIT $2",
        recording_id,
        limit,
    )
    return _told(rows)


async def newest(conn: Connection, scope: Scope, *, limit: int) -> tuple[Told, ...]:
    values: list[object] = [limit]
    rows = await conn.fetch(
        f"{_TOLD} {_IN_SCOPE} WHERE {within(scope, values)} ORDER BY begun_at DESC, disclosure.id LIMIT $1",
        *values,
    )
    return _told(rows)


async def of_delivery(conn: Connection, delivery_id: UUID) -> tuple[tuple[UUID, UUID], ...]:
    """The disclosures of what was fetched by a link, each with its recording."""
    rows = await conn.fetch(
        "SELECT id, recording_id FROM disclosure WHERE delivery_id = $1 ORDER BY recording_id", delivery_id
    )
    return tuple((row["id"], row["recording_id"]) for row in rows)


async def one(conn: Connection, disclosure_id: UUID, scope: Scope) -> Told | None:
    values: list[object] = [disclosure_id]
    rows = await conn.fetch(f"{_TOLD} {_IN_SCOPE} WHERE disclosure.id = $1 AND {within(scope, values)}", *values)
    return next(iter(_told(rows)), None)


def _ask(row: Row) -> Ask:
    return Ask(
        id=row["id"],
        recording_id=row["recording_id"],
        receiver_kind=ReceiverKind(row["receiver_kind"]),
        reference=row["reference"],
        text_id=row["text_id"],
        asked_at=row["asked_at"],
        asked_by=row["asked_by"],
        asked_by_name=row["asked_by_name"],
        ground=_ground(row),
        state=ApprovalState(row["state"]) if row["state"] is not None else None,
        is_going=row["actor"] is not None,
    )


def _ground(row: Row) -> OpeningGround | None:
    return OpeningGround(row["ground"]) if row["ground"] is not None else None


def _going(row: Row) -> Going:
    return Going(
        id=row["id"],
        recording_id=row["recording_id"],
        actor=_ACTOR.validate_python(row["actor"]),
        sent_bytes=row["sent_bytes"],
        size_bytes=row["size_bytes"],
    )


def _told(rows: Sequence[Row]) -> tuple[Told, ...]:
    return tuple(
        Told(
            disclosure=Disclosure(
                id=row["id"],
                recording_id=row["recording_id"],
                asked_at=row["asked_at"],
                begun_at=row["begun_at"],
                user_id=row["user_id"],
                user_name=row["user_name"],
                approved_by=row["approved_by"],
                approved_by_name=row["approved_by_name"],
                receiver_kind=ReceiverKind(row["receiver_kind"]),
                reference=row["reference"],
                text_id=row["text_id"],
                size_bytes=row["size_bytes"],
                ground=_ground(row),
                way=DisclosureWay(row["way"]),
                delivery_id=row["delivery_id"],
            ),
            sent=_sent(row),
            so_far=row["so_far"] or 0,
        )
        for row in rows
    )


def _sent(row: Row) -> Sent | None:
    if row["because"] is None:
        return None
    return Sent(
        ended_at=row["ended_at"],
        because=DisclosureEnd(row["because"]),
        bytes=row["sent_bytes"],
        sha256=row["sha256"].hex() if row["sha256"] is not None else None,
    )
