"""Asterisk's configuration files on disk, found as Asterisk finds them: relative to its folder, patterns in order.

Only read; a file that this service's user may not read is told, not passed over.
"""

import errno
import glob
import os
import re
import stat
from pathlib import Path

from ari_recorder.asterisk.conf import Conf, Source, parse

# Where Asterisk's files say they are, when an #include names a folder. A copy of them may be elsewhere here.
_USUAL = "/etc/asterisk/"
# The largest of real sites, a dialplan that FreePBX has made, has some 5 MB.
_BYTES_MOST = 64 << 20
_PATTERNS_MOST = 1000


def read(folder: Path, name: str) -> Conf:
    """`folder` is Asterisk's astetcdir, or a copy of it."""
    return parse(name, lambda wanted: _load(folder, wanted))


def why_not(folder: Path) -> str | None:
    """Why nothing in the folder can be read; None when it can."""
    try:
        with os.scandir(folder):
            return None
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "it is no path"


def _load(folder: Path, wanted: str) -> list[Source]:
    if "\0" in wanted:
        return []
    if wanted.startswith(_USUAL):
        wanted = wanted.removeprefix(_USUAL)
    pattern = os.path.join(folder, wanted)
    found = [path for one in _braces(pattern) for path in _paths(one)]
    return [source for path in found if (source := _source(path)) is not None]


def _paths(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return [pattern]
    fixed = Path(re.split(r"[*?\[]", pattern, maxsplit=1)[0]).parent
    if fixed.exists() and why_not(fixed) is not None:
        return [str(fixed)]  # what is in it is not known
    return sorted(glob.glob(pattern))


def _source(path: str) -> Source | None:
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode) and not os.access(path, os.R_OK | os.X_OK):
            return Source(path=path, text=None, because="Permission denied")
        if not stat.S_ISREG(found.st_mode):
            return None  # nor does Asterisk read it
        if found.st_size > _BYTES_MOST:
            return Source(path=path, text=None, because=f"it has more than {_BYTES_MOST >> 20} MiB")
        return Source(path=path, text=Path(path).read_bytes().decode(errors="replace"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            return None
        return Source(path=path, text=None, because=getattr(error, "strerror", None) or "it is no path")


def _braces(pattern: str) -> list[str]:
    """{a,b} as glob(3) takes it."""
    done: list[str] = []
    waiting = [pattern]
    while waiting and len(done) + len(waiting) <= _PATTERNS_MOST:
        one = waiting.pop(0)
        found = re.search(r"\{([^{}]*)\}", one)
        if found is None:
            done.append(one)
        else:
            waiting = [one[: found.start()] + part + one[found.end() :] for part in found[1].split(",")] + waiting
    return done
