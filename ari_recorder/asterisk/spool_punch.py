"""Taking audio out of spool files while Asterisk writes them: pages in memory are freed, sizes and offsets stay.

Asterisk appends by its own offset and never reads, so a hole before it does no harm (fallocate(2), PUNCH_HOLE).
To punch, a file has to be open for writing, and two others listen to that: the watch on the folder takes the closing of
such a file for Asterisk's own, and `spool_watch.writer` asks the kernel who has it open. Therefore it is opened by a
name of its own in a folder nobody watches (inotify(7): a watched folder reports what is done by the names in it), and
only for the microseconds this takes::

    link .ari-recorder.punch/<name> -> open it -> unlink it -> punch -> close
"""

import contextlib
import ctypes
import errno
import os
import stat
from pathlib import Path

import structlog

from ari_recorder.asterisk.spool import PUNCH_FOLDER, Spool

log = structlog.get_logger(__name__)

_KEEP_SIZE = 0x01  # linux/falloc.h
_PUNCH_HOLE = 0x02
# A hole is whole pages; what a chunk of 8192 bytes a side leaves is.
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class SpoolPunch:
    """For several threads, but one for each file at a time."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._told = False

    def take_out(self, base: str, since: int, until: int) -> None:
        """These bytes of both files. Where it cannot be done they stay until the recording is sealed: told once."""
        files = self._spool.files(base)
        for path in (files.caller, files.agent):
            try:
                self._punch(path, since, until)
            except FileNotFoundError:
                pass  # discarded meanwhile
            except OSError as error:
                if not self._told:
                    self._told = True
                    log.warning("spool_punch_unavailable", because=_because(error))

    def _punch(self, path: Path, since: int, until: int) -> None:
        folder = self._spool.folder / PUNCH_FOLDER
        own = folder / path.name
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            os.link(path, own, follow_symlinks=False)
        except FileExistsError:  # left by a kill
            os.unlink(own)
            os.link(path, own, follow_symlinks=False)
        try:
            fd = os.open(own, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            os.unlink(own)
            raise
        try:
            os.unlink(own)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                punch_hole(fd, since, until - since)
        finally:
            os.close(fd)


def punch_hole(fd: int, offset: int, length: int) -> None:
    if _libc.fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _because(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Asterisk's files may not be written by this service: set UMask=0007 for Asterisk"
    return error.strerror or type(error).__name__
