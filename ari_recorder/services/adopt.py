"""Spool files that belong to no call we know: recorded by the dialplan's net while the service was away, or orphans.

Nothing is deleted here. What is proved by its name is told again as a call; the rest stays where it is, with an alarm.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.adoption import retell
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.events import Event, Uniqueid
from ari_recorder.domain.evidence import read_evidence, split_net_base

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A call to be told again: its events, after which it is over."""

    uniqueid: Uniqueid
    events: tuple[Event, ...]


class Adoption:
    def __init__(self, *, spool: Spool, queue_log: Path, secret: str) -> None:
        self._spool = spool
        self._queue_log = queue_log
        self._secret = secret

    async def find(self, known: Collection[str], living: Collection[str]) -> AsyncIterator[Found]:
        """`known` are the bases of calls we have, `living` the Uniqueids of calls that still go on."""
        for base in (await asyncio.to_thread(self._spool.scan)).bases:
            if base in known:
                continue
            found = await asyncio.to_thread(self._read, base)
            if found is None:
                log.error("alarm", alarm=AlarmCode.ORPHAN_IN_SPOOL.value, subject=_subject(base))
            elif found.uniqueid not in living:
                yield found

    def _read(self, base: str) -> Found | None:
        parts = split_net_base(base)
        if parts is None:
            return None
        uniqueid = Uniqueid(parts[0])
        claim = read_evidence(self._secret, uniqueid, parts[1])
        if claim is None:
            return None
        events = retell(base, uniqueid, claim, self._lines())
        return Found(uniqueid=uniqueid, events=tuple(events)) if events else None

    def _lines(self) -> list[str]:
        try:
            return self._queue_log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            log.error("queue_log_unreadable", error=error.strerror)
            return []


def _subject(base: str) -> str:
    """A name from the spool may be anybody's: only what is certainly an id is repeated."""
    parts = split_net_base(base)
    return parts[0] if parts is not None else "a file in the spool"
