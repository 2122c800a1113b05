"""Files of an old PBX's recordings: what their names, their CDR and their folders say, and whether one is taken. Pure.

    name, CDR row, folders, time of the file ──► Found ──► Taken (a recording that is kept, or one that is overdue)
                                                      └──► Refused, with its reason

When a recording began is taken from the first of these that says it, and which one it was is kept with the recording:

    name      q-600-0401234567-20250131-101112-1738311132.45.wav: its wall clock, in the zone that is given
              1738311132.45.wav, auto-1738311132-1001-0401234567.wav: seconds since 1970, the same in every zone
    cdr       `calldate` of the row that names the file, or has its uniqueid
    folder    …/2025/01/31/: the day; the time of day is that of the file itself if it is of that day, else noon
    file      when the file was last written: when the call ended, if nobody has touched it since

In the hour that a clock tells twice the uniqueid, which counts seconds, says which of the two it was. Without one the
later is taken, so that nothing is destroyed too early, and it is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ari_recorder.domain.archive_names import UNIQUEID, CdrFacts, NameFacts, epoch_of, number_of
from ari_recorder.domain.events import Party
from ari_recorder.domain.retention import Erase, Kept, Policy, decide

# Asterisk is of 1999: what is older comes from a clock that was never set.
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
# Clocks of two hosts differ a little.
AHEAD = timedelta(minutes=10)
# A uniqueid is made when the channel is, the recording begins when somebody answers.
_QUEUED_AT_MOST = timedelta(minutes=50)


class DateSource(StrEnum):
    """Which source gave the date."""

    NAME = "name"
    CDR = "cdr"
    FOLDER = "folder"
    FILE = "file"


class Doubt(StrEnum):
    """What is to be known about a date."""

    NONE = ""
    AMBIGUOUS_HOUR = "ambiguous-hour"  # the clock told it twice; the later one was taken
    MISSING_HOUR = "missing-hour"  # the clock never told it: the zone may be another one
    DAY_ONLY = "day-only"  # nothing tells the time of day


# In place of the evidence that its caller was told.
NOT_PROVED = "it was imported: what its caller was told is not known here"


class Outcome(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    OVERDUE = "overdue"  # recorded as arrived, and destroyed by the sweep
    DUPLICATE = "duplicate"  # the same audio came before, under another name
    ALREADY = "already"  # this very file was imported by an earlier run
    REFUSED = "refused"


class Reason(StrEnum):
    """Why a file was refused."""

    LINK = "link"
    NOT_A_FILE = "not-a-file"
    NO_PERMISSION = "no-permission"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NOT_AUDIO = "not-audio"
    FORMAT = "format"
    TRUNCATED = "truncated"
    CHANGED = "changed"
    IN_THE_FUTURE = "in-the-future"
    TOO_OLD = "too-old"
    NO_QUEUE = "no-queue"
    NOT_SEALED = "not-sealed"


BECAUSE: Mapping[Reason, str] = {
    Reason.LINK: "it is a link; what it points to is imported where it lies, if that is in the folder",
    Reason.NOT_A_FILE: "it is not an ordinary file",
    Reason.NO_PERMISSION: "this user may not read it",
    Reason.UNREADABLE: "it cannot be read",
    Reason.EMPTY: "there is no audio in it",
    Reason.NOT_AUDIO: "it is not audio of a kind that old PBXs write",
    Reason.FORMAT: "its audio is of a form that is not taken",
    Reason.TRUNCATED: "it ends before its header says; --accept-truncated takes what there is",
    Reason.CHANGED: "it changed while it was read; import it again when nobody writes to it",
    Reason.IN_THE_FUTURE: "its date is still to come; the clock of the old PBX, or --timezone, was wrong",
    Reason.TOO_OLD: "its date is before 2000; the clock of the old PBX was not set",
    Reason.NO_QUEUE: "no recorded queue is known of it; name one with --queue, or map its own with --map OLD=NEW",
    Reason.NOT_SEALED: "it could not be sealed; run the import again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file as it lies there. `written_at`: when it was last written."""

    name: NameFacts
    cdr: CdrFacts | None
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`queues`: what is called so in the archive is that queue here. `queue`: of files that name none; may be empty."""

    zone: ZoneInfo
    queues: Mapping[str, str]
    queue: str
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A recording of the old PBX. `overdue`: by which rule it is destroyed at once; empty for one that is kept."""

    started_at: datetime
    date_source: DateSource
    doubt: Doubt
    queue: str
    uniqueid: str
    linkedid: str
    caller: Party | None = field(repr=False)
    agent: str
    number: str
    overdue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`detail` is shown behind what every such refusal says."""

    reason: Reason
    detail: str = ""

    @property
    def because(self) -> str:
        return f"{BECAUSE[self.reason]} ({self.detail})" if self.detail else BECAUSE[self.reason]


class Unfit(Exception):
    """This file is not taken; the others go on."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.refused = Refused(reason=reason, detail=detail)


# --- the decision

_QUEUE = re.compile(r"[A-Za-z0-9_.+-]{1,80}", re.ASCII)
_AGENT = re.compile(r"[A-Za-z0-9_.@/+-]{1,80}", re.ASCII)


def weigh(found: Found, terms: Terms, now: datetime) -> Taken | Refused:
    """Is it taken, and as what? Its audio is not asked here."""
    started_at, source, doubt = began(found, terms.zone)
    if started_at > now + AHEAD:
        return Refused(reason=Reason.IN_THE_FUTURE, detail=_told(started_at, source))
    if started_at < OLDEST:
        return Refused(reason=Reason.TOO_OLD, detail=_told(started_at, source))
    name, cdr = found.name, found.cdr
    theirs = name.queue or (cdr.queue if cdr is not None else "")
    queue = terms.queues.get(theirs, "") if theirs else terms.queue
    if not queue:
        detail = f"it is of {theirs}" if theirs and _QUEUE.fullmatch(theirs) else ""
        return Refused(reason=Reason.NO_QUEUE, detail=detail)
    agent = (cdr.agent if cdr is not None else "") or name.agent
    caller = cdr.caller if cdr is not None else None
    fate = decide(Kept(queue=queue, kept_from=started_at), terms.policy, (), (), now)
    return Taken(
        started_at=started_at,
        date_source=source,
        doubt=doubt,
        queue=queue,
        uniqueid=name.uniqueid or (cdr.uniqueid if cdr is not None else ""),
        linkedid=(cdr.linkedid if cdr is not None else "") or name.uniqueid,
        caller=caller or (Party(num=name.caller, name="") if name.caller else None),
        agent=agent if _AGENT.fullmatch(agent) else "",
        number=number_of(cdr.number) if cdr is not None else "",
        overdue=fate.because if isinstance(fate, Erase) else "",
    )


def began(found: Found, zone: ZoneInfo) -> tuple[datetime, DateSource, Doubt]:
    """When it did, in UTC, who says so, and what is to be known about that."""
    name, cdr = found.name, found.cdr
    if name.wall is not None:
        at, doubt = _in_utc(name.wall, zone, name.epoch)
        return at, DateSource.NAME, doubt
    if name.epoch is not None:
        return name.epoch, DateSource.NAME, Doubt.NONE
    if cdr is not None and cdr.wall is not None:
        at, doubt = _in_utc(cdr.wall, zone, epoch_of(cdr.uniqueid) if UNIQUEID.fullmatch(cdr.uniqueid) else None)
        return at, DateSource.CDR, doubt
    if name.folder is not None:
        if found.written_at.astimezone(zone).date() == name.folder:
            return found.written_at, DateSource.FOLDER, Doubt.NONE
        noon = datetime.combine(name.folder, time(12), zone).astimezone(UTC)
        return noon, DateSource.FOLDER, Doubt.DAY_ONLY
    return found.written_at, DateSource.FILE, Doubt.NONE


def _in_utc(wall: datetime, zone: ZoneInfo, epoch: datetime | None) -> tuple[datetime, Doubt]:
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first, Doubt.NONE
    later = max(first, second)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return later, Doubt.MISSING_HOUR
    if epoch is not None:
        nearest = min((first, second), key=lambda at: abs(at - epoch))
        if abs(nearest - epoch) < _QUEUED_AT_MOST:
            return nearest, Doubt.NONE
    return later, Doubt.AMBIGUOUS_HOUR


def _told(at: datetime, source: DateSource) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}, from the {source.value if source is not DateSource.CDR else 'CDR'}"
