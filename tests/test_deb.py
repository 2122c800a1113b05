"""The Debian package: built, looked into, and installed, upgraded, removed and purged in a root of its own."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.debian import ensure_tree
from tests.installing import BUILD_DEB, EPOCH, ROOT, of_build
from tests.site import prepare
from tests.systemd import SYSTEMD, UNITS

# Where a file of it may lie.
PLACES: tuple[str, ...] = (
    "opt/ari-recorder/lib/",
    "usr/bin/ari-recorder",
    "usr/lib/systemd/system/",
    "usr/lib/sysusers.d/",
)
PLACES += ("usr/lib/tmpfiles.d/", "usr/share/ari-recorder/", "usr/share/doc/ari-recorder/")


def built_in(folder: Path) -> Path:
    command = [sys.executable, str(BUILD_DEB), str(folder), "--compression", "none"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    package = built_in(tmp_path_factory.mktemp("deb"))
    yield package
    package.unlink()  # 340 MB


def dpkg_deb(*arguments: str | Path) -> str:
    command = ["dpkg-deb", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_two_builds_are_the_same_byte_for_byte(deb: Path, tmp_path: Path) -> None:
    again = built_in(tmp_path)
    assert (again.name, sha256_of(again)) == (deb.name, sha256_of(deb))
    again.unlink()


def test_it_holds_the_program_and_nothing_of_how_it_is_made(deb: Path) -> None:
    lines = dpkg_deb("--contents", deb).splitlines()
    assert {line.split()[1] for line in lines} == {"root/root"}
    assert not [line for line in lines if re.match(r"[-d].{7}w|.{3}[sS]|.{6}[sS]", line)]  # nobody else writes here
    files = {line.split(None, 5)[5].removeprefix("./").replace("\\\\", "\\") for line in lines if line.startswith("-")}
    assert all(name.startswith(PLACES) for name in files)
    assert {
        f"usr/lib/systemd/system/{path.name}" for path in UNITS.glob("*.*") if path.suffix in (".service", ".mount")
    } <= files
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "ari_recorder").rglob("*.py")}
    assert {f"opt/ari-recorder/lib/{name}" for name in sources} <= files
    assert not [name for name in files if "__pycache__" in name or name.endswith("direct_url.json")]
    assert not [name for name in files if re.match(r"opt/ari-recorder/lib/(pytest|mypy|ruff|playwright|tests)/", name)]


def test_its_fields_say_what_it_needs(deb: Path) -> None:
    fields = dict(re.findall(r"^(\S+): (.*)$", dpkg_deb("--field", deb), re.MULTILINE))
    assert (fields["Package"], fields["Version"]) == ("ari-recorder", version("ari-recorder"))
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python3 (>= {this})" in fields["Depends"]
    assert f"python3 (<< {sys.version_info.major}.{sys.version_info.minor + 1})" in fields["Depends"]


def test_its_scripts_are_sound_and_never_remove_recordings(deb: Path, tmp_path: Path) -> None:
    dpkg_deb("--control", deb, tmp_path / "control")
    scripts = {path.name: path.read_text() for path in (tmp_path / "control").iterdir() if path.name.startswith("p")}
    assert set(scripts) == {"postinst", "prerm", "postrm"}
    for name, text in scripts.items():
        assert subprocess.run(["sh", "-n", str(tmp_path / "control" / name)], check=False).returncode == 0
        assert not re.search(r"rm -\w*[rf]\w* [^\n]*/var/", text), name
        assert "@" not in text, name


class Host:
    """A root of its own, with a dpkg of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "var/lib/ari-recorder/vault"):
            (self.root / name).mkdir(parents=True)
        for name in ("status", "available"):
            (self.root / "var/lib/dpkg" / name).touch()
        (self.root / "var/lib/ari-recorder/vault/one.sealed").write_text("a recording")
        self.etc = self.root / "etc/ari-recorder"
        self._programs = folder / "bin"
        self._programs.mkdir()
        tree = ensure_tree(SYSTEMD)
        sysusers = self._programs / "systemd-sysusers"
        libraries = f"{tree.libraries}:{tree.libraries / 'systemd'}"
        sysusers.write_text(
            f'#!/bin/sh\nexec {tree.loader} --library-path {libraries} {tree.root}/usr/bin/systemd-sysusers "$@"\n'
        )
        sysusers.chmod(0o755)

    def dpkg(self, *arguments: str | Path) -> None:
        forced = ("script-chrootless", "depends", "not-root", "bad-path")
        command = ["dpkg", f"--root={self.root}", *(f"--force-{name}" for name in forced), *map(str, arguments)]
        if os.geteuid() != 0:
            command = ["unshare", "--map-root-user", *command]
        path = f"{self._programs}:/usr/sbin:/sbin:{os.environ['PATH']}"
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path, "LC_ALL": "C"}
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed program, by the Python of the tests: Debian's own may not be there."""
        command = [sys.executable, "-I", str(self.root / "usr/bin/ari-recorder"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")

    def made(self) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in self.etc.iterdir()}


def test_it_is_installed_upgraded_removed_and_purged(deb: Path, tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.dpkg("--install", deb)
    assert set(host.made()) == {"ami.secret", "dialplan.secret", "ari-recorder.toml"}
    assert re.fullmatch(rb"[0-9a-f]{64}\n", host.made()["dialplan.secret"])
    assert (host.etc / "dialplan.secret").stat().st_mode & 0o077 == 0
    assert "ari-spool:" in (host.root / "etc/group").read_text()
    assert host.run("--version").stdout.strip() == version("ari-recorder")
    (tmp_path / "site").mkdir()
    found = host.run("check", "--config", str(prepare(tmp_path / "site").source))
    assert (found.returncode, found.stderr) == (3, "")  # there is no PBX

    (host.etc / "ari-recorder.toml").write_text("# ours")
    before = host.made()
    host.dpkg("--install", deb)
    assert host.made() == before  # what a site has made its own stays

    host.dpkg("--remove", "ari-recorder")
    assert not (host.root / "opt/ari-recorder").exists()
    assert host.made() == before
    host.dpkg("--purge", "ari-recorder")
    assert not host.etc.exists()
    assert (host.root / "var/lib/ari-recorder/vault/one.sealed").read_text() == "a recording"


def test_what_was_changed_in_the_environment_is_not_packed(tmp_path: Path) -> None:
    """Each file is held against what its package says of it."""
    needs, add = of_build("needs"), of_build("_add")
    package = next(one for one in needs("ari-recorder") if one.name.lower() == "pyotp")
    site = tmp_path / "site"
    for path in package.files or ():
        if ".." not in path.parts and "__pycache__" not in path.parts:
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(package.locate_file(path)), site / path)
    copied = type(package).at(next(site.glob("pyotp-*.dist-info")))
    add(copied, tmp_path / "lib")
    (site / "pyotp" / "totp.py").write_text("pass\n")
    with pytest.raises(SystemExit, match=r"totp\.py is not what PyOTP says"):
        add(copied, tmp_path / "again")
