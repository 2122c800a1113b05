"""Data keys of parts, in memory that outlives the process: for hosts that cannot open what they have sealed.

    <spool>/.keys/<recording id>.<number>      0600 in a folder of 0700, 32 bytes

Who is killed in the middle of a call has a part that only a private key opens, and such a host has none. The spool is
in memory, and holds what was not sealed yet in clear; it goes with the power, and so do these.
"""

import contextlib
import os
from pathlib import Path
from uuid import UUID


class Remembered:
    """All of it blocks. OSError says that the memory is full, or gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, recording_id: UUID, number: int, data_key: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(recording_id, number)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
            file.write(data_key)

    def get(self, recording_id: UUID, number: int) -> bytes | None:
        try:
            return self._path(recording_id, number).read_bytes()
        except OSError:
            return None

    def forget(self, recording_id: UUID, number: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path(recording_id, number).unlink()

    def _path(self, recording_id: UUID, number: int) -> Path:
        return self._folder / f"{recording_id}.{number}"
