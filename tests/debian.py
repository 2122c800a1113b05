"""Programs of Debian's own packages, unpacked into a cache folder: no root, nothing installed.

    ${XDG_CACHE_HOME:-~/.cache}/ari-recorder/lab/
        lock-asterisk             one run at a time makes a tree; the others wait and find it made
        asterisk-22.10.1+dfsg…/   root/ is what the packages hold; there only when complete (made aside, then renamed)

The packages come from the mirror this machine already uses for Debian, from the suite forky or, where that has none,
sid, and apt checks their signatures with the machine's own Debian keyring. ARI_RECORDER_LAB_MIRROR names a mirror where
the machine's sources have none; ARI_RECORDER_LAB_RENEW=1 takes the suite's present version although one is there.

A program of a tree is started by the tree's own loader with the tree's own libraries, whatever Debian the machine has.

Run as a script it makes the trees of the tests and prints their versions.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUITES = ("forky", "sid")  # Debian's stable releases carry no Asterisk, and an old Chromium
ETC_APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_WITHIN = 600  # s, for 242 MB; a slow mirror, not a dead one: apt gives up on those by itself


class DebianError(Exception):
    """The packages cannot be had, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What the packages of one program hold."""

    root: Path
    version: str

    @property
    def libraries(self) -> Path:
        """usr/lib/x86_64-linux-gnu, or what this machine's processor calls it."""
        return next(self.root.glob("usr/lib/*/libc.so.6")).parent

    @property
    def loader(self) -> Path:
        return next(iter([*self.root.glob("usr/lib*/ld-linux*.so.*"), *self.libraries.glob("ld-linux*.so.*")]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to unpack: the first package gives the tree its name and version."""

    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.packages[0]


ASTERISK = Program(packages=("asterisk", "asterisk-core-sounds-en-wav"))
CHROMIUM = Program(packages=("chromium", "fonts-dejavu-core"))
PROMETHEUS = Program(packages=("prometheus",))  # its promtool reads the alert rules
NGINX = Program(packages=("nginx",))  # what the player is measured against
CEPH = Program(packages=("radosgw", "ceph-osd", "ceph-mon"))  # an S3 store that is not of our making
MARIADB = Program(packages=("mariadb-server",))  # and what finding is


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ari-recorder" / "lab"


def _sources(etc: Path) -> Iterator[tuple[str, str, str]]:
    """(address, suites, keyring) of each enabled source of binary packages, from both forms of apt's files."""
    for file in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        for line in file.read_text().splitlines() if file.is_file() else []:
            if one_line := re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", line.strip()):
                keyring = re.search(r"signed-by=(\S+)", one_line[1] or "")
                yield one_line[2], one_line[3], keyring[1] if keyring else ""
    for file in sorted((etc / "sources.list.d").glob("*.sources")):
        for block in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", block, re.MULTILINE))
            if (
                "deb" in fields.get("Types", "").split()
                and "main" in fields.get("Components", "")
                and fields.get("Enabled") != "no"
            ):
                for address in fields.get("URIs", "").split():
                    yield address, fields.get("Suites", ""), fields.get("Signed-By", "")


def debian_mirror(etc: Path = ETC_APT) -> tuple[str, Path]:
    """The Debian mirror this machine uses, and the keyring that vouches for it."""
    if own := os.environ.get("ARI_RECORDER_LAB_MIRROR"):
        return own, KEYRING
    for address, suites, keyring in _sources(etc):
        path = address.rstrip("/")
        # .../debian holds all suites; security and third-party archives do not
        if path.endswith("/debian") and "-security" not in suites:
            return address, Path(keyring) if keyring.startswith("/") else KEYRING
    raise DebianError(
        f"no Debian mirror in {etc}/sources.list*: name one (it ends in /debian) in ARI_RECORDER_LAB_MIRROR"
    )


def _made(cache: Path, program: Program) -> Tree | None:
    """The newest tree that is there."""
    trees = sorted(cache.glob(f"{program.name}-*/version"), key=lambda file: file.stat().st_mtime)
    return Tree(root=trees[-1].parent / "root", version=trees[-1].read_text()) if trees else None


def ensure_tree(program: Program) -> Tree:
    """The cached tree, made first if there is none. Blocks: Asterisk takes some 20 s the first time, Chromium 40 s."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"lock-{program.name}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = _made(cache, program)
        if tree is None or os.environ.get("ARI_RECORDER_LAB_RENEW") == "1":
            tree = _make(cache, program)
    return tree


def _run(*command: str | Path, cwd: Path) -> str:
    # LC_ALL: messages are shown to people who may have to look them up.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=APT_WITHIN,
        check=False,
    )
    if done.returncode:
        raise DebianError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def _make(cache: Path, program: Program) -> Tree:
    mirror, keyring = debian_mirror()
    if not keyring.is_file():
        raise DebianError(f"the keyring {keyring} is missing: install debian-archive-keyring")
    with tempfile.TemporaryDirectory(prefix="making-", dir=cache) as made_in:
        work = Path(made_in)
        for suite in SUITES:
            apt = _private_apt(work / suite, mirror, keyring, suite)
            try:
                _run(*apt, "update", cwd=work)
                _run(*apt, "--download-only", "--yes", "install", *program.packages, cwd=work)
            except DebianError:
                if suite == SUITES[-1]:
                    raise
            else:
                break
        root = work / "tree" / "root"
        root.mkdir(parents=True)
        packages = sorted((work / suite / "cache" / "archives").glob("*.deb"))
        for package in packages:
            _run("dpkg-deb", "--extract", package, root, cwd=work)
        named = next(package for package in packages if package.name.startswith(f"{program.name}_"))
        version = _run("dpkg-deb", "--field", named, "Version", cwd=work).strip()
        (root.parent / "version").write_text(version)
        home = cache / f"{program.name}-{version.partition(':')[2] or version}"
        if not home.exists():  # a version does not change under its number
            (work / "tree").rename(home)
        (home / "version").touch()
    return Tree(root=home / "root", version=version)


def _private_apt(folder: Path, mirror: str, keyring: Path, suite: str) -> list[str]:
    """An apt-get that knows only this mirror and suite, believes nothing is installed, and writes nowhere but here."""
    for needed in ("state/lists/partial", "cache/archives/partial", "etc"):
        (folder / needed).mkdir(parents=True)
    (folder / "state" / "status").touch()
    (folder / "etc" / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n")
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state" / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": folder / "etc" / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::Log": folder,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # when root, the user _apt could not write here; otherwise it means nothing
        "Acquire::Languages": "none",
    }
    return ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in settings.items())]


if __name__ == "__main__":
    if not shutil.which("apt-get"):
        sys.exit("The tests need apt-get and dpkg-deb: a Debian machine.")
    for program in (ASTERISK, CHROMIUM):
        made = ensure_tree(program)
        print(f"{program.name} {made.version} in {made.root}")
