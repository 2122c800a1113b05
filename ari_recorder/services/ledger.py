"""The ledger of a day: the PBX's own queue_log held against what the database knows. Nothing is decided here.

queue_log is rotated, by logrotate (`queue_log.1`, `queue_log.2.gz`, `queue_log-20260304`) or by Asterisk itself
(`queue_log.0`, `queue_log.1765432100`). Numbers grow with age or against it, so the lines tell the order.
"""

import asyncio
import gzip
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ari_recorder.domain.errors import QueueLogUnreadable
from ari_recorder.domain.ledger import LedgerRow, LedgerState, balance
from ari_recorder.domain.queue_log import read_queue_log, time_of
from ari_recorder.storage import calls
from ari_recorder.storage.db import Database

HELSINKI = ZoneInfo("Europe/Helsinki")
_ROTATED = re.compile(r"[.-][0-9-]+(\.gz)?")
# The log may be rotated while it is read. That happens once, not three times on end.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLedger:
    """`balanced`: every call of the day is explained. A day with calls under way is not balanced yet, and never is one
    whose beginning queue_log does not hold any more (`reaches_back`)."""

    day: date
    rows: tuple[LedgerRow, ...]
    reaches_back: bool

    def count(self, state: LedgerState) -> int:
        return sum(row.verdict.state is state for row in self.rows)

    @property
    def balanced(self) -> bool:
        return self.reaches_back and not self.count(LedgerState.UNEXPLAINED) and not self.count(LedgerState.PENDING)


async def day_ledger(
    database: Database, *, queue_log: Path, queues: frozenset[str], day: date, now: datetime
) -> DayLedger:
    """All calls that entered a queue on `day` (Europe/Helsinki), by the PBX's clock where the PBX knows the call."""
    begin = datetime.combine(day, time(), HELSINKI).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), HELSINKI).astimezone(UTC)
    lines = await asyncio.to_thread(_read, queue_log, begin)
    logged = await asyncio.to_thread(read_queue_log, lines)
    of_day = {uniqueid: call for uniqueid, call in logged.items() if begin <= call.entered_at < end}
    async with database.transaction() as conn:
        known = await calls.of_day(conn, begin, end, of_day)
    # After a late reconnect the recorder may think that a call of yesterday came today.
    known = tuple(call for call in known if call.uniqueid in of_day or call.uniqueid not in logged)
    oldest = next(filter(None, map(time_of, lines)), None)
    return DayLedger(
        day=day,
        rows=balance(of_day.values(), known, queues, now),
        reaches_back=oldest is not None and oldest <= begin,
    )


def _read(queue_log: Path, since: datetime) -> list[str]:
    """All lines from `since` on, and some from before, the oldest first."""
    because = "it was rotated again and again while it was read"
    for _ in range(ATTEMPTS):
        try:
            files = _files(queue_log, since)
            parts = [part for part in map(_lines, files.values()) if part]
            if files == _files(queue_log, since):
                return [line for part in sorted(parts, key=_begin) for line in part]
        except FileNotFoundError as error:
            because = str(error.strerror)
    raise QueueLogUnreadable(path=queue_log, because=because)


def _files(queue_log: Path, since: datetime) -> dict[int, Path]:
    """By inode: the log, what was rotated and written to after `since`, and one more: it tells how far they reach."""
    try:
        names = {path.name for path in queue_log.parent.iterdir()}
    except OSError as error:
        raise QueueLogUnreadable(path=queue_log.parent, because=error.strerror) from error
    rotated = [
        queue_log.with_name(name)
        for name in names
        if name.startswith(queue_log.name)
        and _ROTATED.fullmatch(name, len(queue_log.name))
        and name.removesuffix(".gz") not in names - {name}  # it is just being compressed
    ]
    # As long as a file was not written to, or packed with its old time, it has no younger lines.
    stats = sorted(((path, path.stat()) for path in rotated), key=lambda each: each[1].st_mtime, reverse=True)
    young = sum(stat.st_mtime >= since.timestamp() for _, stat in stats)
    return {queue_log.stat().st_ino: queue_log} | {stat.st_ino: path for path, stat in stats[: young + 1]}


def _lines(path: Path) -> list[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
                return list(lines)
        with path.open(encoding="utf-8", errors="replace") as lines:
            return list(lines)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise QueueLogUnreadable(path=path, because=getattr(error, "strerror", None) or str(error)) from error


def _begin(lines: list[str]) -> datetime:
    """The time of its first line. What has none says nothing, wherever it stands."""
    return next(filter(None, map(time_of, lines)), datetime.min.replace(tzinfo=UTC))
