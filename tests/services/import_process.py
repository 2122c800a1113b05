"""An import that is killed before its n-th step: `python -m tests.services.import_process CONFIG ARCHIVE N`.

A step is whatever changes a disk, the keys or the database. It ends with 0 when there are fewer steps than that.
"""

import asyncio
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ari_recorder import config, logs
from ari_recorder.services import connect
from ari_recorder.services.importing_files import Archive
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage import importing
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import NewFile, VaultFiles
from ari_recorder.vault.keyring import Keyring
from tests.services.import_house import ImportHouse

# Each is died before and, so that what it did is there and nobody has heard of it, after.
STEPS: tuple[tuple[Any, str], ...] = (
    (importing, "intend"),
    (importing, "store"),
    (importing, "forget"),
    (importing, "originals_removed"),
    (Keyring, "publish"),
    (NewFile, "write"),
    (NewFile, "finish"),
    (NewFile, "store"),
    (VaultFiles, "settle"),
    (VaultFiles, "clear"),
    (Archive, "remove"),
    (Sweep, "run_once"),
    (Database, "transaction"),
)


class Fate:
    def __init__(self, fatal: int) -> None:
        self._left = fatal
        self._turn = threading.Lock()

    def step(self) -> None:
        with self._turn:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _dying(work: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(work):

        async def awaited(*args: Any, **how: Any) -> Any:
            fate.step()
            done = await work(*args, **how)
            fate.step()
            return done

        return awaited

    def called(*args: Any, **how: Any) -> Any:
        fate.step()
        done = work(*args, **how)
        fate.step()
        return done

    return called


async def _import(settings: config.Config, archive: Path, fatal: int) -> None:
    async with connect.ready_database(settings) as database:
        keyring = connect.keyring(settings)
        house = ImportHouse(settings=settings, database=database, archive=archive, keyring=keyring)
        fate = Fate(fatal)
        for owner, name in STEPS:
            setattr(owner, name, _dying(getattr(owner, name), fate))
        await house.run(remove_originals=True)


def main() -> None:
    logs.set_up(level="critical", json_lines=False)
    source, archive, fatal = sys.argv[1:]
    asyncio.run(_import(config.load(Path(source)), Path(archive), int(fatal)))


if __name__ == "__main__":
    main()
