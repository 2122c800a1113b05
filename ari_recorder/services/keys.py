"""The keys that calls need, and the supply of day keys.

While the keyring is unlocked, there is one for today and each of the next 31 days.

So a service that is restarted on a Friday evening, and that nobody unlocks before Monday, seals to the right keys all
the same. When they run out, recordings are sealed to the fallback key, and an alarm says so long before.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import KeyringLocked, NotWrapped, RecorderError
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.supervise import either
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.public_keys import PublicKeys
from ari_recorder.vault.wrapping import day_name, key_name_of

log = structlog.get_logger(__name__)

_SELF = Actor.service("keys")

DAYS_AHEAD = 31
FEW_DAYS = 7
# A day has passed long before anybody notices; looking costs a listing of the folder.
LOOK_EVERY = timedelta(minutes=10)


def days_left(public: PublicKeys, now: datetime) -> int:
    """Today and the days after it that have a key, up to the first that has none."""
    days = public.days()
    today = day_of(now)
    return next(count for count in range(len(days) + 1) if today + timedelta(days=count) not in days)


def key_names(calls: Iterable[Call], sealed_callers: Iterable[bytes]) -> frozenset[str]:
    """What was sealed needs the key it was sealed to, what will be sealed that of its day."""
    names = set()
    for sealed in sealed_callers:
        with contextlib.suppress(NotWrapped):  # it opens with no key at all
            names.add(key_name_of(sealed))
    for call in calls:
        names.add(day_name(day_of(call.first_seen_at)))
        for recording in call.recordings:
            names.add(recording.sealed.key_name if recording.sealed else day_name(day_of(recording.started_at)))
    return frozenset(names)


class KeySupply:
    """`run` is the service's job, `fill` one look."""

    def __init__(self, keyring: Keyring, later: LaterEntries, then: Callable[[], None] = lambda: None) -> None:
        """`later`: keys are made before the database is there. `then` hears of new ones."""
        self._keyring = keyring
        self._later = later
        self._then = then
        self._told = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now: the keyring was unlocked."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """A supervised job."""
        while not stop.is_set():
            self._wake.clear()
            await self.fill(datetime.now(UTC))
            await either(stop, self._wake, within=LOOK_EVERY)

    async def fill(self, now: datetime) -> None:
        """Make what is missing; say so when it cannot be made and little is left. Never raises: keys are no reason not
        to record."""
        try:
            made = await asyncio.to_thread(self._make, now)
        except RecorderError as error:
            with contextlib.suppress(RecorderError):
                await self._tell(now, error)
        else:
            self._told = False
            if made:
                log.info("day_keys_make", count=len(made), last=made[-1])
                facts: dict[str, JSON] = {"keys": len(made), "first": made[0], "last": made[-1]}
                await self._later.put(Entry(action=Action.KEY_MAKE, actor=_SELF, facts=facts), now)
                self._then()

    def _make(self, now: datetime) -> tuple[str, ...]:
        today = day_of(now)
        wanted = {today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)}
        missing = sorted(wanted - self._keyring.public.days())
        if self._keyring.locked:
            raise KeyringLocked
        return self._keyring.publish(missing) if missing else ()

    async def _tell(self, now: datetime, error: RecorderError) -> None:
        left = await asyncio.to_thread(days_left, self._keyring.public, now)
        if left >= FEW_DAYS or self._told:
            return
        self._told = True
        because = f"there are day keys for {left} more day(s), and none can be made: {error}"
        log.error("alarm", alarm=AlarmCode.KEYRING_LOCKED.value, subject=f"{left}-days", because=because)
