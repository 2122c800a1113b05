"""The folder in which MixMonitor and this service meet: names in it, sizes, who holds it, is it fit for use.

    <spool>/<base>.caller.sln     r(): audio from the caller's channel
    <spool>/<base>.agent.sln      t(): audio to it
    <spool>/.ari-recorder.lock    held by the one service this spool serves
    <spool>/.ari-recorder.punch/  second names of files, for microseconds (spool_punch.py)

The files are headerless signed 16 bit little-endian mono at 8000 Hz. Asterisk writes them through a buffer of 32768
bytes (main/file.c), so they grow in steps of 2.05 s, and only while the caller is bridged.
Whether they are still being written is told in spool_watch.py. Only these three modules make paths of the spool.
"""

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ari_recorder.domain.errors import SpoolInUse, SpoolNameRefused, SpoolUnusable

# The longest name the dialplan makes has about 190 characters; the file system ends at 255. No dot first: hidden files.
_BASE = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,219}"
_IS_BASE = re.compile(_BASE)
_FILE = re.compile(rf"(?P<base>{_BASE})\.(?P<side>caller|agent)\.sln")
_LOCK = ".ari-recorder.lock"
PUNCH_FOLDER = ".ari-recorder.punch"
BYTES_PER_SECOND = 16_000  # 16 bit, 8000 Hz, mono


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFiles:
    """The two files of a segment, there or not."""

    base: str
    caller: Path
    agent: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes in each file; None when it is not there."""

    caller: int | None
    agent: int | None

    @property
    def both_hold_samples(self) -> bool:
        """Seen 2.05 s after the caller was bridged, at the earliest."""
        return bool(self.caller and self.agent)

    @property
    def length(self) -> timedelta:
        """Of the longer one, as audio."""
        return timedelta(seconds=max(self.caller or 0, self.agent or 0) / BYTES_PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolContents:
    """What lies in the spool: segments by their base, oldest first, and the names of files that are none of ours."""

    bases: tuple[str, ...]
    strangers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolReport:
    """A spool that can be used, and what should be better about it: each a fault, "; ", and its mend."""

    free_bytes: int
    in_memory: bool
    advice: tuple[str, ...]


def split_name(name: str) -> tuple[str, str] | None:
    """(base, side) of a file name in the spool, or None for a file that is none of ours."""
    match = _FILE.fullmatch(name)
    return (match["base"], match["side"]) if match else None


class Spool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, base: str) -> SpoolFiles:
        """The paths of a segment. The base may come from the PBX, so it is checked: it cannot lead out of the spool."""
        if not _IS_BASE.fullmatch(base):
            raise SpoolNameRefused(base=base)
        return SpoolFiles(base=base, caller=self.folder / f"{base}.caller.sln", agent=self.folder / f"{base}.agent.sln")

    def scan(self) -> SpoolContents:
        bases: dict[str, float] = {}
        strangers = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if found := split_name(entry.name):
                        with contextlib.suppress(FileNotFoundError):  # unlinked while we look
                            changed = entry.stat(follow_symlinks=False).st_mtime
                            bases[found[0]] = min(changed, bases.get(found[0], changed))
                    elif entry.name not in (_LOCK, PUNCH_FOLDER):
                        strangers.append(entry.name)
        except OSError as error:
            raise SpoolUnusable(path=self.folder, reason=error.strerror) from error
        oldest_first = sorted(bases, key=lambda base: (bases[base], base))
        return SpoolContents(bases=tuple(oldest_first), strangers=tuple(sorted(strangers)))

    def sizes(self, base: str) -> Sizes:
        files = self.files(base)
        return Sizes(caller=_size(files.caller), agent=_size(files.agent))

    def discard(self, base: str) -> None:
        """Remove both files of a segment. Removing them twice is fine."""
        files = self.files(base)
        for path in (files.caller, files.agent):
            try:
                (self.folder / PUNCH_FOLDER / path.name).unlink(missing_ok=True)  # left by a kill
                path.unlink(missing_ok=True)
            except OSError as error:
                raise SpoolUnusable(path=path, reason=f"it cannot be removed ({error.strerror})") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the spool for this service. The kernel lets it go when the process ends, however it ends.

        The lock file stays: to remove it would let a third service lock a new file while a second waits for the old.
        """
        try:
            fd = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            raise self._missing() from None
        except OSError as error:
            raise SpoolUnusable(path=self.folder, reason=f"it cannot be locked ({error.strerror})") from error
        with os.fdopen(fd, "r+") as lock:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SpoolInUse(path=self.folder, holder=f"process {lock.read(20).strip() or 'unknown'}") from None
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"%d\n" % os.getpid(), 0)
            except OSError as error:
                raise SpoolUnusable(path=self.folder, reason=f"nothing can be written ({error.strerror})") from error
            yield

    def last_holder(self) -> int | None:
        """The process of the service that holds the spool, or held it last. The lock itself is not tried: a service
        that starts in that moment would be refused.
        """
        try:
            text = (self.folder / _LOCK).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None
        return int(text) if text.isdecimal() else None

    def never_swapped(self) -> bool:
        """Is it in memory that is never swapped out?"""
        try:
            mounted = _mount(self.folder.stat().st_dev)
        except OSError:
            return False
        return mounted[0] == "ramfs" or "noswap" in mounted[1]

    def check(self) -> SpoolReport:
        """Try whether the spool can be used, by using it, and say what could be better."""
        if not self.folder.exists():
            raise self._missing()
        try:
            status = self.folder.stat()
            if not stat.S_ISDIR(status.st_mode):
                raise SpoolUnusable(path=self.folder, reason="it is not a folder")
            with tempfile.TemporaryFile(dir=self.folder, buffering=0) as probe:
                probe.write(bytes(4096))
            room = os.statvfs(self.folder)
        except OSError as error:
            raise SpoolUnusable(path=self.folder, reason=f"nothing can be written ({error.strerror})") from error
        in_memory = _mount(status.st_dev)[0] in {"tmpfs", "ramfs"}
        return SpoolReport(
            free_bytes=room.f_bavail * room.f_frsize,
            in_memory=in_memory,
            advice=tuple(_advice(self.folder, status.st_mode, self.scan().strangers, in_memory=in_memory)),
        )

    def _missing(self) -> SpoolUnusable:
        mend = f"it does not exist; make it: install -d -m 2770 -o asterisk -g ari-spool {self.folder}"
        return SpoolUnusable(path=self.folder, reason=mend)


def _advice(folder: Path, mode: int, strangers: tuple[str, ...], *, in_memory: bool) -> Iterator[str]:
    if not in_memory:
        yield f"{folder} is not on a tmpfs: audio in clear reaches the disk until it is sealed; mount a tmpfs there"
    if not mode & stat.S_ISGID or mode & stat.S_IRWXG != stat.S_IRWXG:
        yield f"{folder} is not shared by a group: Asterisk and this service both need it; chmod 2770 {folder}"
    if mode & stat.S_IRWXO:
        yield f"{folder} is open to every user of this host; chmod o= {folder}"
    if strangers:
        yield f"{len(strangers)} file(s) in {folder} are no recordings ({strangers[0]!r}); find out who puts them there"


def _mount(device: int) -> tuple[str, tuple[str, ...]]:
    """Type and options of the mounted file system with this device number (proc_pid_mountinfo(5))."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split(" ")[2] == number:
            kind, _, options = file_system.split(" ", 2)
            return kind, tuple(options.split(","))
    return "unknown", ()


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None
