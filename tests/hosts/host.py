"""A Debian host of a test's own, with systemd as its first process: what is installed there is installed as on any.

    base    debootstrap, and what every PBX host has: made once, ~/.cache/ari-recorder/lab/host-<suite>
    Host    an overlay over it. `prepare` runs commands in it with the network of this machine, before it is booted;
            `boot` starts systemd in namespaces of its own (host.sh); `run` does what root types at its console

Its network is a loopback nobody else has, so every port is the one that the documents name. It needs root here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.debian import SUITES, DebianError, Program, cache_folder, debian_mirror, ensure_tree

DEBOOTSTRAP = Program(packages=("debootstrap",))
SUITE = SUITES[0]
# What the installer and whoever runs a PBX have put there. The recorder is not thought of yet.
PRESENT: tuple[str, ...] = ("systemd-sysv", "dbus", "ca-certificates", "adduser", "openssl", "iproute2")
PRESENT += ("asterisk", "python3")
# What our package wants beside itself: once the host is booted, its network leads nowhere.
PRESENT += ("postgresql-client",)
# Tells a program another time than it is.
PRESENT += ("libfaketime",)
# Changed when what follows here makes another base.
_MADE_BY = "4"
_SCRIPT = Path(__file__).with_name("host.sh")
_BOOTED_WITHIN = 60.0
_CGROUPS = "ari-recorder-tests"


class HostError(Exception):
    """The host does not do what was wanted of it, and what it said."""


def ensure_base() -> Path:
    """The cached root file system; less than a minute the first time."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    base = cache / f"host-{SUITE}-{_MADE_BY}"
    with (cache / "lock-host").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            made_in = cache / "making-host"
            shutil.rmtree(made_in, ignore_errors=True)
            _make(made_in)
            made_in.rename(base)
    return base


def _make(root: Path) -> None:
    mirror, keyring = debian_mirror()
    tree = ensure_tree(DEBOOTSTRAP)
    script = tree.root / "usr" / "sbin" / "debootstrap"
    options = ("--variant=minbase", f"--keyring={keyring}", "--include=ca-certificates")
    _run(
        *_in_private(),
        script,
        *options,
        SUITE,
        root,
        mirror,
        DEBOOTSTRAP_DIR=str(tree.root / "usr" / "share" / "debootstrap"),
    )
    _give_network(root)
    policy = root / "usr" / "sbin" / "policy-rc.d"  # no service starts: there is no systemd yet
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    install = f"apt-get --yes --no-install-recommends install {' '.join(PRESENT)}; apt-get clean"
    _run(*_in_private(), "sh", _SCRIPT, root, "", "", "", "run", install)
    policy.unlink()


def _in_private() -> tuple[str, ...]:
    """What is mounted from here on is gone when the command ends, and seen by nobody else."""
    return ("unshare", "--mount", "--propagation", "private")


def _give_network(root: Path) -> None:
    """This machine's: names, whom it trusts, and how it fetches, by a proxy, perhaps, or a mirror of another day."""
    for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
        if (there := Path("/etc", name)).exists():
            (root / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(there, root / "etc" / name)
    settings = root / "etc" / "apt" / "apt.conf.d" / "90test"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(_run("apt-config", "dump", "Acquire"))


def _run(*command: str | Path, **more: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        stdin=subprocess.DEVNULL,
        env=environment | more,
    )
    if done.returncode:
        raise DebianError(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


@dataclass(slots=True)
class Host:
    """`folder` holds what was changed of the base, and is not to be on another overlay."""

    folder: Path
    base: Path
    _systemd: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir(parents=True)
        _give_network(self.upper)

    @property
    def upper(self) -> Path:
        """What was changed of the base, to be read and written before it is booted."""
        return self.folder / "upper"

    def prepare(self, script: str) -> str:
        """What root types before the first boot, on the network of this machine. What pip has fetched stays here."""
        fetched = Path.home() / ".cache" / "pip"
        fetched.mkdir(parents=True, exist_ok=True)
        return _run(*_in_private(), "sh", _SCRIPT, *self._layers, "run", script, FETCHED_BY_PIP=str(fetched))

    @property
    def _layers(self) -> tuple[str, ...]:
        return tuple(map(str, (self.folder / "root", self.base, self.upper, self.folder / "work")))

    def boot(self) -> None:
        _remove_left_cgroups()
        cgroup = _cgroup2() / f"{_CGROUPS}-{os.getpid()}-{self.folder.name}"
        cgroup.mkdir(exist_ok=True)
        namespaces = ("--mount", "--pid", "--ipc", "--uts", "--cgroup", "--net", "--fork", "--kill-child")
        into = f'echo $$ > {cgroup}/cgroup.procs && exec "$@"'
        # However this process ends, the host ends with it.
        command = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", into, "sh", "unshare", *namespaces]
        command += ["sh", str(_SCRIPT), *self._layers, "boot"]
        with (self.folder / "console").open("ab") as console:
            self._systemd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        deadline = time.monotonic() + _BOOTED_WITHIN
        while not self._is_up():
            if self._systemd.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "console").read_text(errors="replace")[-3000:]
                self.halt()
                raise HostError(f"it did not boot: {said}")
            time.sleep(0.2)

    def _is_up(self) -> bool:
        try:
            return self.run("systemctl is-system-running", code=None)[1].strip() in ("running", "degraded")
        except HostError:
            return False

    def halt(self) -> None:
        """All of it ends in this moment, and nothing is brought to an end in order."""
        if self._systemd is not None:
            with contextlib.suppress(HostError, ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # the first process of a namespace takes all others along
            self._systemd.wait()
            self._systemd = None

    @property
    def pid(self) -> int:
        """Its first process, as this machine counts."""
        assert self._systemd is not None, "it is not booted"
        try:
            children = Path(f"/proc/{self._systemd.pid}/task/{self._systemd.pid}/children").read_text().split()
        except OSError:
            children = []
        if not children:
            raise HostError("it has no first process")
        return int(children[0])

    def run(self, script: str, *, code: int | None = 0, within: float = 300) -> tuple[int, str]:
        """What root types; its exit code and all it printed. `code`: what it has to end with."""
        command = ["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "env", "-i"]
        command += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "bash", "-ec", script]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=within, stdin=subprocess.DEVNULL
        )
        said = done.stdout + done.stderr
        if code is not None and done.returncode != code:
            raise HostError(f"{script}\nended with {done.returncode}:\n{said[-6000:]}")
        return done.returncode, said


def _cgroup2() -> Path:
    """Where this machine has the hierarchy that systemd wants."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise HostError("this machine has no cgroup2 mounted")


def _remove_left_cgroups() -> None:
    """Of hosts that have ended. A group with a process in it cannot be removed."""
    for left in _cgroup2().glob(f"{_CGROUPS}-*"):
        for group in sorted([left, *left.glob("**/")], key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                group.rmdir()
