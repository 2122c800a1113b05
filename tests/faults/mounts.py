"""File systems of a test's own: small ones that get full, and one that stops answering. They are mounted in a mount
namespace of this run, which takes them along when it ends; nobody else sees them.

    root        unshare -m
    others      unshare -U --map-current-user --keep-caps -m: small ones; a stalling one needs a loop device, so root
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

MIB = 1 << 20
_INSIDE = "ARI_RECORDER_FAULTS_MOUNTS"
_MAY_MOUNT = ["-U", "--map-current-user", "--keep-caps"]


def in_a_namespace(arguments: Sequence[str]) -> list[str]:
    """The command that does the same where it may mount. Raises when this host lets nobody make namespaces."""
    before = ["unshare", *(_MAY_MOUNT if os.geteuid() else []), "-m"]
    probe = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise RuntimeError(f"no mount namespace can be made here, so no disk can get full: {probe.stderr.strip()}")
    return [*before, "env", f"{_INSIDE}=1", sys.executable, *arguments]


def are_ours() -> bool:
    return _INSIDE in os.environ


@contextlib.contextmanager
def small(folder: Path, size: int) -> Iterator[None]:
    """An empty tmpfs of `size` bytes in the place of the folder."""
    assert are_ours(), "only in a namespace of our own"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _do("mount", "-t", "tmpfs", "-o", f"size={size},mode=2770", "tmpfs", str(folder))
    try:
        yield
    finally:
        _do("umount", "-l", str(folder))


@contextlib.contextmanager
def on_a_disk(folder: Path, image: Path, size: int) -> Iterator[None]:
    """An ext4 of its own in the place of the folder; `frozen` makes it stall."""
    assert are_ours(), "only in a namespace of our own"
    with image.open("wb") as file:
        file.truncate(size)
    _do("mkfs.ext4", "-q", "-F", str(image))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _do("mount", "-o", "loop", str(image), str(folder))
    try:
        folder.chmod(0o700)
        yield
    finally:
        _do("umount", "-l", str(folder))


@contextlib.contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Whoever writes to it waits, as with a controller or a network file system that does not answer."""
    _do("fsfreeze", "--freeze", str(folder))
    try:
        yield
    finally:
        _do("fsfreeze", "--unfreeze", str(folder))


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte more goes in."""
    filler = folder / "filler"
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for piece in (b"x" * MIB, b"x" * 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.write(fd, piece)
        yield
    finally:
        os.close(fd)
        filler.unlink()


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
