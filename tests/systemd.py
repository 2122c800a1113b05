"""Programs of systemd for tests, from Debian's own package (tests/debian.py): no systemd has to run on this machine."""

import subprocess
from pathlib import Path

from tests.debian import Program, ensure_tree

SYSTEMD = Program(packages=("systemd",))
UNITS = Path(__file__).parent.parent / "packaging" / "systemd"


def run(name: str, *arguments: str | Path, level: str = "warning") -> subprocess.CompletedProcess[str]:
    """`systemd-analyze` and its like, with what they said."""
    tree = ensure_tree(SYSTEMD)
    libraries = f"{tree.libraries}:{tree.libraries / 'systemd'}"
    command = [tree.loader, "--library-path", libraries, tree.root / "usr" / "bin" / name, *arguments]
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "SYSTEMD_LOG_LEVEL": level, "SYSTEMD_PAGER": ""},
    )


def host(folder: Path) -> Path:
    """A root of a host on which our units, and the programs they name, are where a package puts them."""
    tree = ensure_tree(SYSTEMD)
    system = folder / "usr" / "lib" / "systemd" / "system"
    system.mkdir(parents=True)
    for unit in (tree.root / "usr" / "lib" / "systemd" / "system").iterdir():
        if unit.suffix in (".target", ".slice") and unit.is_file():
            (system / unit.name).write_bytes(unit.read_bytes())
    for unit in UNITS.iterdir():
        if unit.suffix in (".service", ".timer", ".mount"):
            (system / unit.name).write_bytes(unit.read_bytes())
    programs = folder / "usr" / "bin"
    programs.mkdir()
    for name in ("ari-recorder", "find", "sh"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (folder / "bin").symlink_to("usr/bin")
    return folder
