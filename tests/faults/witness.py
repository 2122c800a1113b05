"""What MixMonitor wrote, known without the service: a process that reads every spool file while it grows.

    python -m tests.faults.witness <spool> <testimony>

It opens each file when it appears (inotify) and reads whatever comes, ahead of the service, which takes out of the
files what it has sealed. The descriptor stays open, so unlinking hides nothing. For each file, when Asterisk closed
it, one line of JSON: name, bytes, SHA-256, when it appeared and was closed, and the CRC of each 8192 bytes, by which
one finds where two recordings part. At SIGTERM the files still open, and a last line about itself.

It is sure of what it read: a hole in what was just read means that the service was first, and the file is `late`.
A hole is never filled again, so asking after the reading is enough.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from asyncinotify import Inotify, Mask

PIECE = 8192
# Should an event be slow to come, a look is taken anyway. A file grows once in 2.05 s.
LOOK = 0.1


@dataclass(slots=True)
class _Followed:
    name: str
    fd: int
    began: float
    position: int = 0
    late: bool = False
    sha: Any = field(default_factory=hashlib.sha256)
    pieces: list[int] = field(default_factory=list)
    rest: bytes = b""

    def read(self) -> None:
        size = os.fstat(self.fd).st_size
        while self.position < size:
            data = os.pread(self.fd, min(size - self.position, 1 << 20), self.position)
            if not data:
                break
            if os.lseek(self.fd, self.position, os.SEEK_HOLE) < self.position + len(data):
                self.late = True
            self.position += len(data)
            self.sha.update(data)
            self.rest += data
            while len(self.rest) >= PIECE:
                self.pieces.append(zlib.crc32(self.rest[:PIECE]))
                self.rest = self.rest[PIECE:]

    def told(self, closed: float | None) -> dict[str, Any]:
        os.close(self.fd)
        return {
            "name": self.name,
            "bytes": self.position,
            "sha256": self.sha.hexdigest(),
            "began": self.began,
            "closed": closed,
            "late": self.late,
            "pieces": [*self.pieces, *([zlib.crc32(self.rest)] if self.rest else [])],
        }


class _Witness:
    def __init__(self, spool: Path, testimony: TextIO) -> None:
        self._spool = spool
        self._testimony = testimony
        self._followed: dict[str, _Followed] = {}
        self._closed: set[str] = set()
        self._missed: list[str] = []
        self._overflows = 0

    async def watch(self) -> None:
        with Inotify(cache_size=256) as inotify:
            inotify.add_watch(self._spool, Mask.CREATE | Mask.MODIFY | Mask.CLOSE_WRITE | Mask.ONLYDIR)
            for path in self._spool.glob("*.sln"):
                self._follow(path.name)
            print("ready", flush=True)
            while True:
                event = await inotify.get()
                name = str(event.name) if event.name else ""
                if Mask.Q_OVERFLOW in event.mask:
                    self._overflows += 1
                elif name.endswith(".sln"):
                    if Mask.CREATE in event.mask:
                        self._follow(name)
                    if (followed := self._followed.get(name)) is not None:
                        followed.read()
                        if Mask.CLOSE_WRITE in event.mask:
                            self._closed.add(name)
                            self._tell(self._followed.pop(name).told(time.time()))

    async def look(self) -> None:
        while True:
            for followed in self._followed.values():
                followed.read()
            await asyncio.sleep(LOOK)

    def finish(self) -> None:
        for followed in self._followed.values():
            followed.read()
            self._tell(followed.told(None))
        self._tell({"overflows": self._overflows, "missed": self._missed})

    def _follow(self, name: str) -> None:
        if name in self._followed or name in self._closed:
            return
        try:
            fd = os.open(self._spool / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._missed.append(name)
        else:
            self._followed[name] = _Followed(name, fd, time.time())

    def _tell(self, line: dict[str, Any]) -> None:
        self._testimony.write(json.dumps(line) + "\n")
        self._testimony.flush()


async def _main(spool: Path, testimony: Path) -> None:
    with contextlib.suppress(PermissionError):  # it must be quicker than the service; who is root can see to that
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    with testimony.open("a") as file:
        witness = _Witness(spool, file)
        tasks = [asyncio.create_task(witness.watch()), asyncio.create_task(witness.look())]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in tasks])
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        witness.finish()


# --- for who asks it


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One file as MixMonitor wrote it."""

    name: str
    bytes: int
    sha256: str
    began: float
    closed: float | None
    late: bool
    pieces: tuple[int, ...]


@dataclass(slots=True)
class Testimony:
    """`doubts`: why it is not sure of everything; none in a good run. A file that is `late` was taken out before it was
    read: its length is known, its samples are not."""

    files: dict[str, Seen] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def late(self) -> list[str]:
        return [name for name, seen in self.files.items() if seen.late]

    @property
    def bases(self) -> set[str]:
        """The segments with at least one sample."""
        return {name.rsplit(".", 2)[0] for name, seen in self.files.items() if seen.bytes}

    def sides(self, base: str) -> tuple[Seen | None, Seen | None]:
        return self.files.get(f"{base}.caller.sln"), self.files.get(f"{base}.agent.sln")


@dataclass(slots=True)
class Witness:
    """The process, and after its end what it says."""

    process: asyncio.subprocess.Process
    testimony: Testimony = field(default_factory=Testimony)


@contextlib.asynccontextmanager
async def witness_of(spool: Path, folder: Path) -> AsyncIterator[Witness]:
    """It watches within; its testimony is complete after."""
    told = folder / "testimony"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.witness", str(spool), str(told)), stdout=asyncio.subprocess.PIPE
    )
    witness = Witness(process)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield witness
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
    finished = False
    for line in (json.loads(text) for text in told.read_text().splitlines()):
        if "overflows" in line:
            finished = True
            witness.testimony.doubts += ["inotify lost events"] * line["overflows"]
            witness.testimony.doubts += [f"{name} was gone before it was opened" for name in line["missed"]]
            continue
        seen = Seen(**{**line, "pieces": tuple(line["pieces"])})
        witness.testimony.files[seen.name] = seen
        if seen.closed is None:
            witness.testimony.doubts.append(f"{seen.name} was never closed")
    if not finished:
        witness.testimony.doubts.append("the witness died")


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2])))
