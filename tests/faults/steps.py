"""Waiting for a step of the service from outside: a file it makes, moves or removes, or a line of its log.

Nothing of the service is changed for that: inotify tells within a fraction of a millisecond what happens in the folders
of its spool, vault and journal.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncinotify import Inotify, Mask

from tests.lab.service import Service

LOG_LOOK = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """Something happens to a file in a folder; of a sealed recording the folder is its day's."""

    what: str
    folder: str  # spool, parts, new, vault, journal
    mask: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStep:
    what: str
    action: str


Step = FileStep | LogStep

STEPS: tuple[Step, ...] = (
    FileStep(what="MixMonitor opened a file", folder="spool", mask=Mask.CREATE),
    FileStep(what="MixMonitor closed a file", folder="spool", mask=Mask.CLOSE_WRITE),
    FileStep(what="a spool file was removed", folder="spool", mask=Mask.DELETE),
    FileStep(what="a part was begun", folder="parts", mask=Mask.CREATE),
    FileStep(what="a part was written", folder="parts", mask=Mask.MODIFY),
    FileStep(what="a part was removed", folder="parts", mask=Mask.DELETE),
    FileStep(what="a sealed file was begun", folder="new", mask=Mask.CREATE),
    FileStep(what="a sealed file was written", folder="new", mask=Mask.MODIFY),
    FileStep(what="a sealed file came to its place", folder="vault", mask=Mask.CREATE | Mask.MOVED_TO),
    FileStep(what="the journal was written", folder="journal", mask=Mask.MODIFY),
    FileStep(what="a new journal took its place", folder="journal", mask=Mask.MOVED_TO),
    LogStep(what="the database was started", action="database_start"),
    LogStep(what="the service was up", action="service_start"),
    LogStep(what="the AMI session was live", action="ami_live"),
    LogStep(what="a call was stored", action="call_store"),
    LogStep(what="the audit tree was signed", action="audit_sign"),
)


def _folders(service: Service, folder: str) -> list[Path]:
    vault = service.state / "vault"
    match folder:
        case "spool":
            found = [service.lab.pbx.spool]
        case "parts":
            found = [vault / ".parts"]
        case "new":
            found = [vault / ".new"]
        case "journal":
            found = [service.state / "journal"]
        case _:
            found = [path for path in vault.glob("[0-9]*") if path.is_dir()]
    return [path for path in found if path.is_dir()]


class Watch:
    """Made before the service is started: nothing of it is missed. Use it in a `with`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stack = contextlib.ExitStack()
        self._seen = service.log.stat().st_size if service.log.exists() else 0

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def step(self, step: Step, nth: int = 1) -> None:
        """Until it has happened so often from now on (a line of the log: since the watch was made)."""
        match step:
            case LogStep():
                await self.logged(step.action, nth)
            case FileStep():
                inotify = self._stack.enter_context(Inotify(cache_size=64))
                for folder in _folders(self._service, step.folder):
                    inotify.add_watch(folder, step.mask | Mask.ONLYDIR)
                for _ in range(nth):
                    await inotify.get()

    async def logged(self, action: str, nth: int = 1) -> None:
        found = 0
        position = self._seen
        rest = b""
        while True:
            data = b""
            if self._service.log.exists():
                with self._service.log.open("rb") as log:
                    log.seek(position)
                    data = log.read()
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            found += sum(one == action for one in _actions(lines))
            if found >= nth:
                return
            await asyncio.sleep(LOG_LOOK)


def _actions(lines: list[bytes]) -> Iterator[str]:
    for line in lines:
        with contextlib.suppress(ValueError):  # cut off by a kill
            yield json.loads(line).get("action", "")
