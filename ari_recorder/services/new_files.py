"""A file that leaves this program for somebody on this host: made under another name, and named in one step when it is
complete. It never takes the place of another.
"""

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.errors import ExportTargetRefused
from ari_recorder.storage.exports import Export


def fresh_name(target: Path) -> Path:
    """Beside it, and nobody's yet."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}")


def create(fresh: Path, target: Path) -> int:
    """The descriptor of an empty file under its first name, for this user alone."""
    with refused(target):
        if target.exists():
            raise FileExistsError(17, "it is there already")
        return os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def copy_of(recording_id: UUID, path: Path, there: os.stat_result) -> Export:
    """As what the file is known: a copy of that recording."""
    return Export(
        recording_id=recording_id,
        path=str(path.absolute()),
        host=socket.gethostname(),
        device=there.st_dev,
        inode=there.st_ino,
    )


def give_name(fresh: Path, target: Path) -> None:
    with refused(target):
        os.link(fresh, target)


def write_new(target: Path, content: bytes) -> Path:
    """A whole small file. ExportTargetRefused when it is there already."""
    fresh = fresh_name(target)
    try:
        with refused(target), os.fdopen(create(fresh, target), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_name(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


@contextlib.contextmanager
def refused(target: Path) -> Iterator[None]:
    """Whatever the disk says about it is said of the target: ExportTargetRefused."""
    try:
        yield
    except OSError as error:
        raise ExportTargetRefused(path=target, reason=error.strerror) from None
