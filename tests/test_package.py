"""What is installed: the program and what it needs at run time, and nothing of how it is made."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What a file of the package may be.
KINDS = {".py", ".sql", ".html", ".css", ".js", ".svg", ".po", ".typed", ".typ", ".toml"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of the files in the wheel, built from a copy that holds what a working tree holds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for name in ("ari_recorder", "tests", "tools", "docs", "benchmarks"):
        left_out = shutil.ignore_patterns("__pycache__", "conf", "vectors", "captures")
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    for name in (".git", "ari_recorder/.git", "ari_recorder/web/static/.git"):
        (source / name).mkdir()
        (source / name / "HEAD").write_text("ref: refs/heads/main\n")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(pip, check=True, capture_output=True)  # as operations.md installs it
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_nothing_of_version_control_is_installed(names: list[str]) -> None:
    assert not [name for name in names if ".git" in name or ".svn" in name or ".hg" in name]


def test_no_test_sample_or_tool_is_installed(names: list[str]) -> None:
    program = [name for name in names if not name.startswith("ari_recorder-")]
    assert all(name.startswith("ari_recorder/") for name in program)
    assert {Path(name).suffix for name in program} <= KINDS
    for word in ("test", "sample", "demo", "benchmark", "conftest", "fixture", "mock"):
        assert not [name for name in program if word in Path(name).name], word


def test_everything_it_needs_is_installed(names: list[str]) -> None:
    wanted = [path for path in (ROOT / "ari_recorder").rglob("*") if path.suffix in KINDS]
    assert {str(path.relative_to(ROOT)) for path in wanted} <= set(names)
