"""Which state folder this is: <state>/instance holds a UUID, and is locked by the service the folder belongs to.

The machine's own id is mixed in where it has one: a host that was made as a copy of another is another one.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from ari_recorder.domain.errors import FolderUnusable, StateInUse

_NAME = "instance"
_MACHINE = Path("/etc/machine-id")


@contextlib.contextmanager
def held(state: Path, machine: Path = _MACHINE) -> Iterator[UUID]:
    """Until the process ends, however it ends. StateInUse when another one has the folder."""
    path = state / _NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FolderUnusable(path=path, reason=error.strerror) from error
    with os.fdopen(fd, "r+") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateInUse(path=state) from None
        try:
            mine = UUID(file.read().strip())
        except ValueError:  # it is new, or a crash left it half written
            mine = uuid4()
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{mine}\n".encode(), 0)
                os.fsync(fd)
            except OSError as error:
                raise FolderUnusable(path=path, reason=error.strerror) from error
        yield uuid5(mine, _machine(machine))


def _machine(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
