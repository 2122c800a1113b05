"""What was given out of the house, as it is told afterwards: rows of the log with what is sealed of them, opened."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay, ReceiverKind, Terms
from ari_recorder.domain.errors import KeyringLocked
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.storage.db import Connection
from ari_recorder.storage.disclosures import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """What is sealed of an export: who gets it, and why; of what was handed over, what they signed."""

    receiver: str = dataclasses.field(repr=False)
    reason: str = dataclasses.field(repr=False)
    signature: str = dataclasses.field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """`receiver` and `reason` are None when they cannot be opened, or went with the call. `because` is None while it is
    being sent. `sha256`: of the bytes that were sent, all `size_bytes` of them when it is complete. `ground`: on which
    it was opened, if it was restricted."""

    id: UUID
    recording_id: UUID
    asked_at: datetime
    begun_at: datetime
    by: str
    approved_by: str
    way: DisclosureWay
    receiver_kind: ReceiverKind
    receiver: str | None = dataclasses.field(repr=False)
    reference: str
    reason: str | None = dataclasses.field(repr=False)
    signature: str = dataclasses.field(repr=False)
    size_bytes: int
    sent_bytes: int
    because: DisclosureEnd | None
    ended_at: datetime | None
    sha256: str | None
    ground: OpeningGround | None = None


def sealed_text(terms: Terms, signature: str = "") -> str:
    told = {"receiver": terms.receiver, "reason": terms.reason}
    return json.dumps({**told, "signature": signature} if signature else told, ensure_ascii=False)


async def parties(conn: Connection, texts: CallTexts, text_ids: Collection[UUID]) -> Mapping[UUID, Parties]:
    """Of those that are there and open: none with the keyring locked."""
    try:
        opened = await texts.read(conn, text_ids)
    except KeyringLocked:
        return {}
    found = {}
    for text_id, text in opened.items():
        told = json.loads(text)
        found[text_id] = Parties(receiver=told["receiver"], reason=told["reason"], signature=told.get("signature", ""))
    return found


async def disclosed(conn: Connection, texts: CallTexts, rows: Sequence[Told]) -> tuple[Disclosed, ...]:
    known = await parties(conn, texts, [row.disclosure.text_id for row in rows])
    return tuple(_disclosed(row, known.get(row.disclosure.text_id)) for row in rows)


def _disclosed(row: Told, told: Parties | None) -> Disclosed:
    one, sent = row.disclosure, row.sent
    return Disclosed(
        id=one.id,
        recording_id=one.recording_id,
        asked_at=one.asked_at,
        begun_at=one.begun_at,
        by=one.user_name,
        approved_by=one.approved_by_name,
        way=one.way,
        receiver_kind=one.receiver_kind,
        receiver=told.receiver if told is not None else None,
        reference=one.reference,
        reason=told.reason if told is not None else None,
        signature=told.signature if told is not None else "",
        size_bytes=one.size_bytes,
        sent_bytes=sent.bytes if sent is not None else row.so_far,
        because=sent.because if sent is not None else None,
        ended_at=sent.ended_at if sent is not None else None,
        sha256=sent.sha256 if sent is not None else None,
        ground=one.ground,
    )
