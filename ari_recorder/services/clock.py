"""Reads the clocks that the sweep holds against each other, and before the start that of this host. What is plausible:
domain/clock.py.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.domain import clock
from ari_recorder.domain.clock import Reading
from ari_recorder.domain.errors import ClockBehind
from ari_recorder.storage import sweeps
from ari_recorder.storage.db import Connection

# Changes with every start of the kernel (random(4)); containers see that of their host.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def refuse_behind(now: datetime) -> None:
    """ClockBehind, while it is not even the day on which this program was made, as with a clock that began in 1970."""
    # The package's files have the time of the commit they were made from, others that of their installation.
    made_at = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if clock.behind(now, made_at):
        raise ClockBehind(now=clock.told(now), made_at=clock.told(made_at))


class Clocks:
    """This host's clocks and the database's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def read(self, conn: Connection) -> Reading:
        database, since = await sweeps.database_clock(conn)
        boot_id = UUID(_BOOT_ID.read_text().strip())  # noqa: ASYNC240 -- the kernel answers from memory
        # Unlike CLOCK_MONOTONIC it goes on while the host sleeps.
        since_boot = timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
        return Reading(wall=self.now(), database=database, database_since=since, boot_id=boot_id, since_boot=since_boot)
