"""The wheel: built twice it is the same, and in an environment with nothing but what it asks for the program runs."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.installing import of_build, wheel
from tests.site import prepare


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """A virtual environment with the wheel. What it says it needs is there as links, and nothing else is."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    files_of = of_build("files_of")
    for needed in of_build("needs")("ari-recorder"):
        for path, source in files_of(needed):
            target = packages / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    done = pip(venv, "install", "--no-index", "--no-deps", str(built))
    assert done.returncode == 0, done.stderr
    return venv


def pip(venv: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def program(venv: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(venv / "bin" / "ari-recorder"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_two_builds_are_the_same_byte_for_byte(built: Path, tmp_path: Path) -> None:
    again = wheel(tmp_path / "second")
    assert (again.name, again.read_bytes()) == (built.name, built.read_bytes())


def test_it_asks_for_all_it_needs(clean: Path) -> None:
    done = pip(clean, "check")
    assert done.returncode == 0, done.stdout
    done = pip(clean, "list", "--format=freeze")
    assert "ari-recorder==" in done.stdout
    assert "pytest==" not in done.stdout


def test_the_program_runs_there(clean: Path, tmp_path: Path) -> None:
    told = program(clean, "--version")
    assert (told.returncode, told.stdout.strip()) == (0, version("ari-recorder")), told.stderr
    site = prepare(tmp_path)
    found = program(clean, "check", "--config", str(site.source), "--json")
    assert found.returncode == 3, found.stderr  # there is no PBX
    assert '"area": "pbx"' in found.stdout or "pbx" in found.stdout
    assert found.stderr == ""


def test_every_module_can_be_imported_there(clean: Path) -> None:
    """What only some command needs is needed too."""
    every = (
        "import importlib, pkgutil, ari_recorder\n"
        "for one in pkgutil.walk_packages(ari_recorder.__path__, 'ari_recorder.'):\n"
        "    if not one.name.endswith('__main__'):\n"
        "        importlib.import_module(one.name)\n"
    )
    done = subprocess.run(
        [str(clean / "bin" / "python"), "-I", "-c", every], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
