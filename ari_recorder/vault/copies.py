"""Every file of a recording in the vault, and how they all go for good. Keys, and copies outside the vault: not here.

    <vault>/2026/03/29/<uuid>.sealed     the recording, its waveform in it
    <vault>/.parts/<uuid>.*              what was sealed while the call went on, and the wrapped keys of that
    the object in the S3 store, where there is one: all its versions, and what a reader has of it in memory

Many are removed together: one fsync serves all that lay in one folder, for a disk does some hundred of them a second
and retention wants a thousand recordings. A file is called removed only when that fsync has succeeded.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from uuid import UUID

from ari_recorder.domain.errors import ObjectStoreAway, ObjectStoreRefused, RecorderError, VaultPathRefused
from ari_recorder.vault.files import FRESH, VaultFiles, day_folder
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.vault.parts import FOLDER

SEALED, _PART, _OBJECT = "sealed file", "live-sealed parts", "object in the S3 store, all versions"
# A store takes some ten milliseconds for each of its answers.
_AT_ONCE = 8


@dataclass(slots=True)
class Outcome:
    """`removed`: the kinds of files that were there and are gone. `failed`: what may still be there, and why."""

    removed: dict[UUID, list[str]] = field(default_factory=dict)
    failed: dict[UUID, Exception] = field(default_factory=dict)


class Copies:
    def __init__(self, vault: Path, store: ObjectStore | None = None) -> None:
        self._vault = vault
        self.store = store

    def identity(self) -> UUID | None:
        """Which folder this is (files.py)."""
        return VaultFiles(self._vault).identity()

    def remove(self, recordings: Mapping[UUID, str | None]) -> Outcome:
        """Remove all files of these recordings, given by id and path. One that is gone already is as good, but not
        where the vault itself is not there."""
        try:
            os.stat(self._vault / FRESH)
        except FileNotFoundError:
            away = FileNotFoundError(errno.ENOENT, "the vault is not there: is its disk mounted?")
            return Outcome(failed=dict.fromkeys(recordings, away))  # nothing is gone, it is out of reach
        except OSError as error:
            return Outcome(failed=dict.fromkeys(recordings, error))
        outcome = Outcome(removed={recording_id: [] for recording_id in recordings})
        by_folder = []
        for one, path in recordings.items():
            if path and PurePosixPath(path).name != f"{one}.sealed":  # else this row would cost another's file
                outcome.failed[one] = VaultPathRefused(path=path)
            elif path:
                by_folder.append((str(PurePosixPath(path).parent), path, one))
        by_folder.sort()
        for _, several in groupby(by_folder, key=lambda entry: entry[0]):
            paths = [(one, path) for _, path, one in several]
            wanted = [(one, SEALED, PurePosixPath(path).name) for one, path in paths]
            self._unlink(day_folder(self._vault, paths[0][1]), wanted, outcome)
        self._unlink(_opened(self._vault / FOLDER), self._parts(set(recordings), outcome), outcome)
        if self.store is not None:
            objects = {one: path for one, path in recordings.items() if path and one not in outcome.failed}
            self._remove_objects(self.store, objects, outcome)
        for one in outcome.failed:
            del outcome.removed[one]
        return outcome

    def _remove_objects(self, store: ObjectStore, wanted: Mapping[UUID, str], outcome: Outcome) -> None:
        """A store that is away is asked once, not for each."""
        away: list[RecorderError] = []

        def remove(one: UUID) -> None:
            try:
                if away:
                    raise away[0]
                if store.remove(wanted[one]):
                    outcome.removed[one].append(_OBJECT)
            except RecorderError as error:
                outcome.failed[one] = error
                if isinstance(error, (ObjectStoreAway, ObjectStoreRefused)):
                    away.append(error)

        with ThreadPoolExecutor(_AT_ONCE, "s3-erase") as threads:
            list(threads.map(remove, wanted))

    def _parts(self, recordings: set[UUID], outcome: Outcome) -> list[tuple[UUID, str, str]]:
        by_name = {str(one): one for one in recordings}
        try:
            names = os.listdir(self._vault / FOLDER)
        except FileNotFoundError:
            return []
        except OSError as error:
            outcome.failed.update(dict.fromkeys(recordings, error))
            return []
        return [(by_name[begin], _PART, name) for name in names if (begin := name.partition(".")[0]) in by_name]

    def _unlink(
        self, folder: AbstractContextManager[int], wanted: Iterable[tuple[UUID, str, str]], outcome: Outcome
    ) -> None:
        wanted = list(wanted)
        if not wanted:
            return
        try:
            with folder as fd:
                for one, kind, name in wanted:
                    try:
                        self.unlink(name, fd)
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        outcome.failed[one] = error
                    else:
                        if kind not in outcome.removed[one]:
                            outcome.removed[one].append(kind)
                self.sync(fd)  # also when nothing was there: who removed it may have been killed before this
        except FileNotFoundError:
            return  # not even the folder is there
        except Exception as error:
            outcome.failed.update({one: error for one, _, _ in wanted})

    def unlink(self, name: str, folder: int) -> None:
        os.unlink(name, dir_fd=folder)

    def sync(self, folder: int) -> None:
        os.fsync(folder)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)
