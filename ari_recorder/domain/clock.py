"""Is it plausible that it is now? Asked before anything is destroyed, and, of a clock that is behind, before the
service starts. Where the clocks are read: services/clock.py.

A clock that is ahead destroys early, by an hour or by a year. Three witnesses are held against this host's clock:

    the database's clock           may not differ; it is a witness of its own when it runs behind another address, and
                                   ran already at the sweep before: then this host's restart was not its own. (Another
                                   address alone may be a container's on this host, with this host's clock.)
    the time since this host       goes on whoever sets the clock: clock - time since boot is the moment of booting,
      was booted                   and that does not change. What was trusted first after booting is the measure, so
                                   that many small steps do not add up unseen
    the sweep before               after a restart of the host nothing else is known: the clock may not have gone back,
                                   and no more time may have passed than restarts take

When they do not agree, nothing is destroyed until the clock is right again or a person has confirmed it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# NTP corrects in milliseconds. A clock set by hand may be minutes off; and nothing is due to the minute.
TOLERANCE = timedelta(minutes=5)
# Longer than a host takes to restart, shorter than the mistake of an hour.
UNWITNESSED = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The clocks at one moment. `database_since`: it runs since then, behind another address; else None."""

    wall: datetime
    database: datetime
    database_since: datetime | None
    boot_id: UUID
    since_boot: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What an earlier sweep trusted: when its host was booted by the clock then, and the newest time that was seen."""

    boot_id: UUID
    booted_at: datetime
    seen_at: datetime


def behind(wall: datetime, made_at: datetime) -> bool:
    """Is it before this program was made? When it ran here last is no measure: the clock was ahead then, perhaps."""
    return wall < made_at - TOLERANCE


def apart(reading: Reading) -> str | None:
    """Nobody can confirm a time that two clocks tell differently."""
    if abs(reading.wall - reading.database) > TOLERANCE:
        return f"this host's clock says {told(reading.wall)}, that of the database {told(reading.database)}"
    return None


def implausible(reading: Reading, trusted: Trusted | None) -> str | None:
    """Why this cannot be the time, or None. `trusted`: of this host since it was booted, or else the newest."""
    if (differ := apart(reading)) is not None:
        return differ
    if trusted is None:
        return None
    if trusted.boot_id == reading.boot_id:
        moved = reading.wall - (trusted.booted_at + reading.since_boot)
        if abs(moved) > TOLERANCE:
            return f"this host's clock was set {'ahead' if moved > timedelta() else 'back'} by {_span(moved)}"
        return None
    passed = reading.wall - trusted.seen_at
    if passed < -TOLERANCE:
        return f"this host's clock says {told(reading.wall)}, and the sweep before was at {told(trusted.seen_at)}"
    witnessed = reading.database_since is not None and reading.database_since <= trusted.seen_at
    if passed > UNWITNESSED and not witnessed:
        return f"{_span(passed)} have passed since the sweep before, and only the clock of this host, which was \
restarted, says so"
    return None


def booted_at(reading: Reading, trusted: Trusted | None) -> datetime:
    """What a plausible reading is remembered as: the moment of booting that was trusted first."""
    if trusted is not None and trusted.boot_id == reading.boot_id:
        return trusted.booted_at
    return reading.wall - reading.since_boot


def told(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(span: timedelta) -> str:
    seconds = round(abs(span).total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    parts = [f"{days} d"] * (days > 0) + [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return " ".join(parts) or f"{seconds} s"
