"""The ledger of a day: the PBX's own queue_log held against what the database knows. Nothing is decided here."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ari_recorder.domain.errors import QueueLogUnreadable
from ari_recorder.domain.ledger import LedgerRow, LedgerState, QueueLogCall, balance, read_queue_log
from ari_recorder.storage import calls
from ari_recorder.storage.db import Database

HELSINKI = ZoneInfo("Europe/Helsinki")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLedger:
    """`balanced`: every call of the day is explained. A day with calls under way is not balanced yet."""

    day: date
    rows: tuple[LedgerRow, ...]

    def count(self, state: LedgerState) -> int:
        return sum(row.verdict.state is state for row in self.rows)

    @property
    def balanced(self) -> bool:
        return not self.count(LedgerState.UNEXPLAINED) and not self.count(LedgerState.PENDING)


async def day_ledger(
    database: Database, *, queue_log: Path, queues: frozenset[str], day: date, now: datetime
) -> DayLedger:
    """All calls that entered a queue on `day` (Europe/Helsinki)."""
    begin = datetime.combine(day, time(), HELSINKI).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), HELSINKI).astimezone(UTC)
    logged = await asyncio.to_thread(_read, queue_log)
    async with database.transaction() as conn:
        known = await calls.of_day(conn, begin, end)
    of_day = [call for call in logged.values() if begin <= call.entered_at < end]
    return DayLedger(day=day, rows=balance(of_day, known, queues, now))


def _read(queue_log: Path) -> dict[str, QueueLogCall]:
    try:
        with queue_log.open(encoding="utf-8", errors="replace") as lines:
            return read_queue_log(lines)
    except OSError as error:
        raise QueueLogUnreadable(path=queue_log, because=error.strerror) from error
