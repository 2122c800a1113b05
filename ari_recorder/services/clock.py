"""Reads the clocks that the sweep holds against each other. What is plausible: domain/clock.py."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.clock import Reading
from ari_recorder.storage import sweeps
from ari_recorder.storage.db import Connection

# Changes with every start of the kernel (random(4)); containers see that of their host.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
