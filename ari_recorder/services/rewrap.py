"""Everything of one key wrapped to another: when the hold key is replaced, when the fallback key had to step in, and
when a recording was stored after the rest of its call was held.

In batches, each in a transaction of its own, so that nobody waits behind it. Killed, it is simply called again: what is
done is no longer found. What does not open is left as it is and counted; the old key then stays, too. What would go
to a key that is about to be destroyed is left where it is.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import KeyringLocked, RecorderError
from ari_recorder.services.call_texts import TEXT_PURPOSE
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.services.kept_keys import REASON_PURPOSE, REFUSAL_PURPOSE, REQUEST_PURPOSE, KeptKeys
from ari_recorder.services.keys import LOOK_EVERY
from ari_recorder.storage import audit, day_keys, keeping, keys
from ari_recorder.storage.db import Database
from ari_recorder.storage.keys import Anew, Wrapped
from ari_recorder.supervise import either
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import FALLBACK, day_name

log = structlog.get_logger(__name__)

# Recordings are kept longer than that, as a rule: the key of such a day cannot have been destroyed.
MADE_LATE = timedelta(days=14)
# A batch takes some 200 ms of ciphers and one short transaction.
_BATCH = 250
# That transaction makes its ciphers with the rows locked.
_KEPT_SECONDS = 60.0

Target = Callable[[datetime], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """`failed` could not be opened; they are wrapped as they were."""

    recordings: int
    callers: int
    failed: int
    reasons: int = 0
    texts: int = 0
    refusals: int = 0
    requests: int = 0


async def rewrap(
    database: Database,
    keyring: Keyring,
    key_name: str,
    target: Target,
    progress: Callable[[int], None] = lambda _: None,
) -> Rewrapped:
    """`target` tells the key to wrap to, by when the recording or call began; None leaves it as it is. `progress` hears
    how many were looked at."""
    done = {}
    failed = 0
    seen = 0
    for kind, ask, change, anew in (
        ("recordings", keys.recordings_of, keys.rewrap_recordings, keyring.rewrap),
        ("callers", keys.callers_of, keys.reseal_callers, _reseal(keyring, CALLER_PURPOSE)),
        ("reasons", keys.reasons_of, keys.reseal_reasons, _reseal(keyring, REASON_PURPOSE)),
        ("texts", keys.texts_of, keys.reseal_texts, _reseal(keyring, TEXT_PURPOSE)),
        ("refusals", keys.refusals_of, keys.reseal_refusals, _reseal(keyring, REFUSAL_PURPOSE)),
        ("requests", keys.requests_of, keys.reseal_requests, _reseal(keyring, REQUEST_PURPOSE)),
    ):
        done[kind] = 0
        after = UUID(int=0)
        while True:
            async with database.transaction() as conn:
                rows = await ask(conn, key_name, after=after, limit=_BATCH)
            if not rows:
                break
            after = rows[-1].id
            changes, refused = await asyncio.to_thread(_anew, rows, target, anew)
            failed += refused
            if changes:
                async with database.transaction() as conn:
                    going = await day_keys.kept_alive(conn, {one.key_name for one in changes})
                    done[kind] += await change(conn, [one for one in changes if one.key_name not in going])
            seen += len(rows)
            progress(seen)
    return Rewrapped(failed=failed, **done)


def _anew(rows: Sequence[Wrapped], target: Target, anew: Callable[[bytes, UUID, str], bytes]) -> tuple[list[Anew], int]:
    changes, failed = [], 0
    for row in rows:
        name = target(row.at)
        if name is None:
            continue
        try:
            changes.append(Anew(id=row.id, sealed=row.sealed, anew=anew(row.sealed, row.id, name), key_name=name))
        except KeyringLocked:
            raise
        except RecorderError as error:
            failed += 1
            log.error("rewrap_fail", id=str(row.id), code=error.code)
    return changes, failed


def _reseal(keyring: Keyring, purpose: str) -> Callable[[bytes, UUID, str], bytes]:
    return lambda sealed, owner, name: keyring.reseal_text(sealed, purpose, owner, name)


class FallbackRescue:
    """A job, as soon as the keyring is unlocked: what had to be wrapped to the fallback key gets its day's key, else it
    would not die with its day; what is held and lies under its day's key gets the hold key, else the day could not
    die."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """The keyring was unlocked."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            await self.run_once()
            await self.run_kept_once()
            await either(stop, self._wake, within=LOOK_EVERY)

    async def run_once(self) -> Rewrapped | None:
        if self._keyring.locked:
            return None
        days: frozenset[date] = frozenset()

        def target(at: datetime) -> str | None:
            """The day's key, which may have to be made. That of a day long over may be destroyed; it stays so."""
            nonlocal days
            day = day_of(at)
            if day not in days:
                if day_of(datetime.now(UTC)) - day <= MADE_LATE:
                    self._keyring.publish([day])
                days = self._keyring.public.days()
            return day_name(day) if day in days else None

        try:
            done = await rewrap(self._database, self._keyring, FALLBACK, target)
        except RecorderError as error:
            log.warning("fallback_rewrap_retry", code=error.code)
            return None
        if done.recordings or done.callers or done.texts:
            facts: dict[str, JSON] = {
                "from": FALLBACK,
                "recordings": done.recordings,
                "callers": done.callers,
                "texts": done.texts,
            }
            await self._tell(facts)
            log.info("fallback_rewrap", recordings=done.recordings, callers=done.callers)
        return done

    async def run_kept_once(self) -> int:
        """How many were held, and are under the hold key now."""
        if self._keyring.locked:
            return 0
        try:
            async with self._database.transaction(within=_KEPT_SECONDS) as conn:
                rows = await keeping.lock(conn, await keeping.without_hold_key(conn, limit=_BATCH))
                kept = [row for row in rows if row.keeps]
                await KeptKeys(self._keyring).to_hold(conn, kept)
                if kept:
                    entry = _rewrapped({"to": "hold", "recordings": len(kept)})
                    await audit.append(conn, entry, datetime.now(UTC))
        except RecorderError as error:
            log.warning("kept_rewrap_retry", code=error.code)
            return 0
        if kept:
            log.info("kept_rewrap", recordings=len(kept))
        return len(kept)

    async def _tell(self, facts: Mapping[str, JSON]) -> None:
        """Each batch had a transaction of its own: the sum is told behind them."""
        try:
            async with self._database.transaction() as conn:
                await audit.append(conn, _rewrapped(facts), datetime.now(UTC))
        except RecorderError as error:
            log.error("audit_write_fail", entry=Action.KEYRING_REWRAP.value, code=error.code)


def _rewrapped(facts: Mapping[str, JSON]) -> Entry:
    return Entry(action=Action.KEYRING_REWRAP, actor=Actor.service("fallback"), object="keyring", facts=facts)
