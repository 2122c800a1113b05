"""Does memory stay memory? Swap and core dumps can put on disk what is in clear in memory: audio, and keys.

What may be swapped: the spool, unless its tmpfs is mounted `noswap`; this service and Asterisk, unless their units say
MemorySwapMax=0. Swap that is encrypted under a key of the boot, or lies in memory itself (zram), is as good as memory.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ari_recorder.asterisk.spool import Spool
from ari_recorder.services.findings import Area, Finding, ok, warn

_ENCRYPTED = "CRYPT-"  # how the device mapper names what dm-crypt makes


def check(spool: Spool, *, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Iterator[Finding]:
    """Findings about this host, read from its /proc and /sys."""
    running = list(processes(spool, proc))
    yield from _swap(spool, running, proc, sys)
    yield from _core_dumps(running, proc)


def _swap(spool: Spool, running: list[tuple[str, int]], proc: Path, sys: Path) -> Iterator[Finding]:
    lines = (proc / "swaps").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    open_swaps = [line.split()[0] for line in lines if line and not _is_safe(Path(line.split()[0]), sys)]
    if not open_swaps:
        yield ok(Area.MEMORY, "no swap, or none that is not encrypted" if lines else "there is no swap")
        return
    where = ", ".join(open_swaps)
    fit = True
    if not spool.never_swapped():
        fit = False
        yield warn(
            Area.MEMORY,
            f"swap ({where}) is not encrypted, and the spool may be swapped: audio in clear would reach the disk",
            "Mount the spool's tmpfs with noswap (Linux 6.4), encrypt swap (crypttab, option swap), or swapoff -a",
        )
    for name, pid in running:
        if _may_swap(pid, proc, sys):
            fit = False
            yield warn(
                Area.MEMORY,
                f"swap ({where}) is not encrypted, and {name} may be swapped: audio and keys in its memory, too",
                f"MemorySwapMax=0 in the unit of {name}, encrypt swap, or swapoff -a",
            )
    if fit:
        yield ok(Area.MEMORY, f"swap ({where}) is not encrypted, but neither the spool nor the programs use it")


def _core_dumps(running: list[tuple[str, int]], proc: Path) -> Iterator[Finding]:
    dumping = [name for name, pid in running if _dumps_core(pid, proc)]
    for name in dumping:
        yield warn(
            Area.MEMORY,
            f"when {name} crashes, a core dump may put audio and caller numbers of running calls on disk",
            f"LimitCORE=0 in the unit of {name}",
        )
    if running and not dumping:
        yield ok(Area.MEMORY, "a crash leaves no core dump: " + ", ".join(sorted({name for name, _ in running})))


def processes(spool: Spool, proc: Path) -> Iterator[tuple[str, int]]:
    """This service, if it runs, and every Asterisk of this host."""
    holder = spool.last_holder()
    if holder is not None and _is_ours(proc / str(holder) / "cmdline"):
        yield "ari-recorder", holder
    for name in sorted(proc.glob("[0-9]*/comm")):
        try:
            if name.read_text() == "asterisk\n":
                yield "Asterisk", int(name.parent.name)
        except OSError:  # ended meanwhile
            continue


def _is_ours(cmdline: Path) -> bool:
    try:
        return re.search(rb"ari[-_]recorder", cmdline.read_bytes()) is not None
    except OSError:
        return False


def _is_safe(swap: Path, sys: Path) -> bool:
    """Encrypted, or in memory. A swap file is as safe as the device below its file system."""
    try:
        device = os.stat(swap)
        number = device.st_rdev or device.st_dev
        return _safe_block(sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}")
    except OSError:
        return False


def _safe_block(block: Path) -> bool:
    block = block.resolve()
    if block.name.startswith("zram"):
        return True
    uuid = block / "dm" / "uuid"
    if uuid.exists() and uuid.read_text().startswith(_ENCRYPTED):
        return True
    below = list((block / "slaves").glob("*"))
    return bool(below) and all(_safe_block(slave) for slave in below)


def _may_swap(pid: int, proc: Path, sys: Path) -> bool:
    """Unless its cgroup, or one above it, has no swap (cgroup v2)."""
    try:
        group = (proc / str(pid) / "cgroup").read_text().strip().rpartition("::")[2]
    except OSError:  # ended meanwhile
        return False
    root = sys / "fs" / "cgroup"
    folder = root / group.lstrip("/")
    while folder != root and folder.is_relative_to(root):
        try:
            if (folder / "memory.swap.max").read_text().strip() == "0":
                return False
        except OSError:
            pass
        folder = folder.parent
    return True


def _dumps_core(pid: int, proc: Path) -> bool:
    try:
        limits = (proc / str(pid) / "limits").read_text()
    except OSError:
        return False
    return any(line.split()[4] != "0" for line in limits.splitlines() if line.startswith("Max core file size"))
