"""Packages that somebody outside fetches by a link, once. Pure; where the package lies: vault/delivered.py.

    waiting ──right passphrase──► opened ──all of it was sent──► delivered
       │                            └── it broke off; the same browser may try again within the hour ──► broken-off
       └──► expired (seven days at most), withdrawn, blocked (ten wrong passphrases), gone (a recording, or the file)

A link has two halves, and each gets to the receiver another way: what stands in it, of which only a hash is kept, and a
passphrase, of which nothing is. To look at the page of a link changes nothing, so whatever looks at links in a mail
uses none up. In each state on the right the file is gone.

Opened: a browser that lost its connection has another hour, and never beyond the link's last day. It is known by a
secret in its cookie; nobody else can try again, not even with the passphrase.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest
from uuid import UUID

from ari_recorder.domain.disclosures import ReceiverKind
from ari_recorder.domain.errors import DeliveryBusy, DeliveryOver, RecorderError
from ari_recorder.domain.packages import PackageKind

# Of wrong passphrases. One has 125 bits: ten are for slips of the hand, not for luck.
MOST_TRIES = 10
AGAIN_FOR = timedelta(hours=1)
# A piece has half a minute to be taken (web/house.py); who sends longer than that has gone.
LOST_AFTER = timedelta(minutes=5)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    OPENED = "opened"
    DELIVERED = "delivered"
    BROKEN_OFF = "broken-off"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    BLOCKED = "blocked"
    GONE = "gone"


LIVE = frozenset({DeliveryState.WAITING, DeliveryState.OPENED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`size_bytes`: of the package, as it is sent. `active_at`: when the newest piece was let out, while it is sent;
    `attempt`: how often that began. `recordings_gone`: one in it is not there any more."""

    id: UUID
    package_id: UUID
    package_kind: PackageKind
    package_name: str
    reference: str
    receiver_kind: ReceiverKind
    size_bytes: int
    host: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    tried_at: datetime | None = None
    holder: bytes | None = field(default=None, repr=False)
    opened_at: datetime | None = None
    attempt: int = 0
    active_at: datetime | None = None
    sent_bytes: int = 0
    ended_at: datetime | None = None
    ended_by: str = ""
    recordings_gone: bool = False

    @property
    def until(self) -> datetime:
        """Until when it can be fetched, or fetched again."""
        return min(self.opened_at + AGAIN_FOR, self.expires_at) if self.opened_at is not None else self.expires_at

    def is_sent(self, now: datetime) -> bool:
        return self.active_at is not None and now - self.active_at < LOST_AFTER


def standing(one: Delivery, now: datetime) -> DeliveryState:
    """What it is at this moment, whether or not somebody has written it down."""
    if one.state not in LIVE or one.is_sent(now):
        return one.state
    if one.recordings_gone:
        return DeliveryState.GONE
    if one.state is DeliveryState.OPENED:
        return DeliveryState.BROKEN_OFF if now >= one.until else one.state
    if now >= one.expires_at:
        return DeliveryState.EXPIRED
    # Whoever counted the last try may not have lived to tell what came of it.
    is_left = one.tried_at is not None and now - one.tried_at >= LOST_AFTER
    return DeliveryState.BLOCKED if one.tries >= MOST_TRIES and is_left else one.state


def refusal(one: Delivery, holder: bytes | None, now: datetime) -> RecorderError | None:
    """Why this browser may not fetch it now. None: the right passphrase opens it."""
    if standing(one, now) not in LIVE:
        return DeliveryOver()
    if one.state is DeliveryState.WAITING:
        return None
    if holder is None or one.holder is None or not compare_digest(holder, one.holder):
        return DeliveryOver()
    return DeliveryBusy(minutes=LOST_AFTER // timedelta(minutes=1)) if one.is_sent(now) else None
