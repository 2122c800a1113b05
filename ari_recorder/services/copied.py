"""Files copied with their SHA-256, for backups; and SHA256SUMS, the list of them, as sha256sum(1) writes it."""

import os
import re
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath

from ari_recorder.vault.files import open_ordinary

_READ_BYTES = 1 << 20
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>[^\n]+)")


def copy(source: Path, target: Path) -> tuple[str, int]:
    """A new file, 0600, its folders made; its SHA-256 as hex and its size. FileNotFoundError, OSError."""
    with open_ordinary(source) as file:
        make_folder(target.parent)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        digest, size = sha256(), 0
        with os.fdopen(fd, "wb") as copied:
            while block := file.read(_READ_BYTES):
                digest.update(block)
                size += copied.write(block)
    return digest.hexdigest(), size


def sum_of(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file as hex, and its size."""
    with open_ordinary(path) as file:
        return file_digest(file, "sha256").hexdigest(), file.tell()


def line(digest: str, path: str) -> str:
    return f"{digest}  {path}\n"


def lines(sums: Path) -> Iterator[tuple[str, str]]:
    """(SHA-256, path) of each file. ValueError when a line is none, or its path leads out of the folder."""
    with sums.open(encoding="utf-8") as file:
        for text in file:
            match = _LINE.fullmatch(text.rstrip("\n"))
            parts = PurePosixPath(match["path"]).parts if match is not None else ("..",)
            if match is None or ".." in parts or parts[0] == "/":
                raise ValueError(text.strip())
            yield match["digest"], match["path"]


def ordinary_files(folder: Path) -> Iterator[str]:
    """Relative paths of what is in a folder and those below it, hidden ones (locks, what is being written) left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder))


def make_folder(folder: Path) -> None:
    """With those above it, each for its owner alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700)
