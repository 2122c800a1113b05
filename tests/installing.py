"""What is installed elsewhere, for tests: the source as it is released, what it needs, and how the package is built."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BUILD_DEB = ROOT / "packaging" / "debian" / "build.py"
# Any moment; the same for two builds.
EPOCH = "1700000000"


def of_build(name: str) -> Any:
    """A function of the script that builds the Debian package."""
    sys.path.insert(0, str(BUILD_DEB.parent))  # as for a script that is started
    try:
        return runpy.run_path(str(BUILD_DEB))[name]
    finally:
        sys.path.remove(str(BUILD_DEB.parent))


def wheel(folder: Path) -> Path:
    """Built from a copy of the source, made in this moment."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)  # with the time of now
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ari_recorder", source / "ari_recorder", ignore=ignored, copy_function=shutil.copyfile)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(source),
    ]
    subprocess.run(pip, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    (made,) = folder.glob("*.whl")
    return made
