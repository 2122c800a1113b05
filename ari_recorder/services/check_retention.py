"""What `ari-recorder check` says about retention: does the sweep succeed, do rules wait to be confirmed?"""

from datetime import datetime

from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services.findings import Area, Finding, fail, ok, warn
from ari_recorder.services.sweep import OVERDUE
from ari_recorder.storage import policy, sweeps
from ari_recorder.storage.db import Database
from ari_recorder.storage.sweeps import SweepState


async def check(database: Database, now: datetime) -> list[Finding]:
    async with database.transaction() as conn:
        newest = await sweeps.newest(conn)
        success = await sweeps.last_success(conn)
        current = await policy.current(conn)
    findings: list[Finding] = []
    if newest is None:
        findings.append(ok(Area.RETENTION, "there was no sweep yet; the service sweeps when it has started"))
    elif newest.state is SweepState.REFUSED:
        findings.append(
            fail(
                Area.RETENTION,
                f"the sweep of {_local(newest.started_at)} destroyed nothing: {newest.because}",
                "Set the clock right; if it is right: ari-recorder sweep --confirm-time",
            )
        )
    elif success is None or now - success > OVERDUE:
        since = _local(success) if success is not None else "the first start"
        findings.append(
            fail(
                Area.RETENTION,
                f"no sweep succeeded since {since}; the newest: {newest.state} {newest.because}".rstrip(),
                "Is the service running? Look for job_fail and erase-failed in its log, or run: ari-recorder sweep",
            )
        )
    else:
        findings.append(ok(Area.RETENTION, f"the sweep succeeded at {_local(success)}"))
    if current is not None and current.proposed is not None:
        findings.append(
            warn(
                Area.RETENTION,
                "the configured retention would destroy recordings at once, and waits to be confirmed",
                "Look at it with `ari-recorder policy show`, then confirm it, or change the configuration back",
            )
        )
    return findings


def _local(at: datetime) -> str:
    return f"{at.astimezone(HELSINKI):%Y-%m-%d %H:%M:%S}"
