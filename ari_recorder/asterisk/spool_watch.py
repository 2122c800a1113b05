"""When are the files of a segment closed for good? Events while we watch, and answers about the rest. No policy.

There is no AMI event when a recording ends by hangup, and `Hangup` and the closing of the files race. What can be
trusted is the kernel: Asterisk opens each file once, so the first IN_CLOSE_WRITE of a file is its end::

    IN_CLOSE_WRITE caller --\\
                             +- both, in any order --> Closed(base), once
    IN_CLOSE_WRITE agent ---/
    the kernel dropped events ----------------------> Unsure(bases): ask `writer` about each of them

Files from before the watch was there (the service was restarted) are found by `Spool.scan`; `writer` tells about them.
The service itself must not open a spool file for writing before it is Closed: its own close would count.
"""

import asyncio
import errno
import fcntl
import os
import signal
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from asyncinotify import Inotify, Mask

from ari_recorder.asterisk.spool import Spool, split_name
from ari_recorder.domain.errors import SpoolUnusable

_SIDES = {"caller", "agent"}
_GONE = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED
_EVENTS_AT_ONCE = 256  # read by one system call: a burst must not pile up in the kernel's queue of 16384
# A buffer of 32768 bytes holds 2.05 s: a bridged call that is being written has grown once in this time.
FLUSHED_WITHIN = timedelta(seconds=2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Both files of this segment are closed for good."""

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """Events were lost: each of these segments, all that are not known to be closed, may have closed unseen."""

    bases: tuple[str, ...]


class Writer(StrEnum):
    """What is known about somebody writing to a segment."""

    OPEN = "open"  # somebody has a file open for writing, or it grew
    QUIET = "quiet"  # nothing grew, but the kernel does not tell: closed only if its channel is gone, too
    CLOSED = "closed"  # nobody has either file open for writing


class SpoolWatch:
    """Iterate over it in one task, inside a `with`. Cancelling that task ends the watch: an event may be lost by it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._closed: dict[str, set[str]] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        try:
            self._inotify = Inotify(cache_size=_EVENTS_AT_ONCE)
            self._inotify.add_watch(self._spool.folder, Mask.CLOSE_WRITE | Mask.DELETE | _GONE | Mask.ONLYDIR)
        except OSError as error:
            raise SpoolUnusable(path=self._spool.folder, reason=f"it cannot be watched ({error.strerror})") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._inotify.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Closed | Unsure:
        while True:
            event = await self._inotify.get()
            if Mask.Q_OVERFLOW in event.mask:
                return self._after_loss()
            if event.mask & _GONE:
                raise SpoolUnusable(path=self._spool.folder, reason="it was removed, renamed or unmounted")
            if (found := split_name(str(event.name))) is None:
                continue
            base, side = found
            if Mask.DELETE in event.mask:
                self._closed.pop(base, None)
                self._told.discard(base)
            elif base not in self._told:
                # Not compared with `writer`: the kernel sends this event shortly before it counts the writer out.
                sides = self._closed.setdefault(base, set())
                sides.add(side)
                if sides == _SIDES:
                    del self._closed[base]
                    self._told.add(base)
                    return Closed(base=base)

    def _after_loss(self) -> Unsure:
        there = self._spool.scan().bases
        self._told.intersection_update(there)
        self._closed = {base: sides for base, sides in self._closed.items() if base in there}
        return Unsure(bases=tuple(base for base in there if base not in self._told))


async def writer(spool: Spool, base: str, *, quiet_for: timedelta = FLUSHED_WITHIN) -> Writer:
    """Is somebody still writing to this segment? A file that is not there has no writer.

    The kernel tells when the files are this user's own, or the process has CAP_LEASE. Otherwise growth is watched.
    """
    files = spool.files(base)
    answers = {_has_writer(files.caller), _has_writer(files.agent)}
    if True in answers:
        return Writer.OPEN
    if None not in answers:
        return Writer.CLOSED
    before = spool.sizes(base)
    await asyncio.sleep(quiet_for.total_seconds())
    return Writer.QUIET if spool.sizes(base) == before else Writer.OPEN


def _has_writer(path: Path) -> bool | None:
    """Ask by taking a read lease, which the kernel refuses while the file is open for writing (fcntl(2))."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        # Should somebody open the file in the microseconds of the lease, the signal for it must be a harmless one: the
        # one of old, SIGIO, ends a process. The opener waits until the lease is given back, on the next line.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(fd)
    return False
