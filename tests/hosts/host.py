"""A Debian host of a test's own, with systemd as its first process: what is installed there is installed as on any.

    base    debootstrap, and what every PBX host has: made once, ~/.cache/ari-recorder/lab/host-<suite>
    Host    an overlay over it. `build` runs commands in it with the network of this machine, before it is booted;
            `boot` starts systemd in namespaces of its own (boot.sh); `run` does what root types at its console

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
from collections.abc import Iterator
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
# Changed when what follows here makes another base.
_MADE_BY = "2"
_BOOT = Path(__file__).with_name("boot.sh")
_BOOTED_WITHIN = 60.0
_CGROUPS = "ari-recorder-tests"


class HostError(Exception):
    """The host does not do what was wanted of it, and what it said."""


def ensure_base() -> Path:
    """The cached root file system; some two minutes the first time."""
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
    _run(
        *(script, "--variant=minbase", f"--keyring={keyring}", "--include=ca-certificates", SUITE, root, mirror),
        DEBOOTSTRAP_DIR=str(tree.root / "usr" / "share" / "debootstrap"),
    )
    with _enterable(root):
        _run("chroot", root, "apt-get", "--yes", "--no-install-recommends", "install", *PRESENT)
        _run("chroot", root, "apt-get", "clean")


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


@contextlib.contextmanager
def _enterable(root: Path) -> Iterator[None]:
    """Its first commands are run with this machine's network and devices. No service starts: there is no systemd."""
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), root / "etc" / name)
    # How this machine fetches: by a proxy, perhaps, or from a mirror that is not of today.
    (root / "etc" / "apt" / "apt.conf.d" / "90test").write_text(_run("apt-config", "dump", "Acquire"))
    mounts = (("proc", "proc"), ("bind", "dev"), ("bind", "sys"))
    for kind, name in mounts:
        options = ("-t", "proc", "proc") if kind == "proc" else ("--rbind", "--make-rslave", f"/{name}")
        _run("mount", *options, root / name)
    try:
        yield
    finally:
        for _, name in reversed(mounts):
            _run("umount", "--lazy", "--recursive", root / name)
        policy.unlink()


@dataclass(slots=True)
class Host:
    """`folder` holds what was changed of the base, and is not to be on another overlay."""

    folder: Path
    base: Path
    _systemd: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def upper(self) -> Path:
        """What was changed of the base, to be read and written before it is booted."""
        return self.folder / "upper"

    def __post_init__(self) -> None:
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir(parents=True)

    @contextlib.contextmanager
    def not_booted(self) -> Iterator[Path]:
        """Its root file system, with this machine's network: for what is fetched."""
        options = f"lowerdir={self.base},upperdir={self.upper},workdir={self.folder / 'work'}"
        _run("mount", "-t", "overlay", "overlay", "-o", options, self.root)
        try:
            with _enterable(self.root):
                yield self.root
        finally:
            _run("umount", "--lazy", self.root)

    def build(self, script: str) -> str:
        """What root types before the first boot, on the network of this machine."""
        fetched = Path.home() / ".cache" / "pip"  # by this machine, or an earlier run: nothing is fetched twice
        fetched.mkdir(parents=True, exist_ok=True)
        (self.root / "root" / ".cache" / "pip").mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", fetched, self.root / "root" / ".cache" / "pip")
        return _run("chroot", self.root, "bash", "-ec", script, HOME="/root")

    @property
    def _cgroup(self) -> Path:
        return _cgroup2() / f"{_CGROUPS}-{os.getpid()}-{self.folder.name}"

    def boot(self) -> None:
        cgroup = self._cgroup
        cgroup.mkdir(exist_ok=True)
        namespaces = ("--mount", "--pid", "--ipc", "--uts", "--cgroup", "--net", "--fork", "--kill-child")
        into = f'echo $$ > {cgroup}/cgroup.procs && exec "$@"'
        command = ["sh", "-c", into, "sh", "unshare", *namespaces, "sh", str(_BOOT)]
        command += [str(self.base), str(self.upper), str(self.folder / "work"), str(self.root)]
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
        """As when the plug is pulled."""
        if self._systemd is not None:
            with contextlib.suppress(HostError, ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # the first process of a namespace takes all others along
            self._systemd.wait()
            self._systemd = None
            # Its own groups are below it, without a process by now.
            for group in sorted(self._cgroup.glob("**/"), key=lambda path: len(path.parts), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()

    @property
    def pid(self) -> int:
        """Its first process, as this machine counts."""
        assert self._systemd is not None, "it is not booted"
        children = Path(f"/proc/{self._systemd.pid}/task/{self._systemd.pid}/children").read_text().split()
        if not children:
            raise HostError("it has no first process")
        return int(children[0])

    def run(self, script: str, *, code: int | None = 0, within: float = 300) -> tuple[int, str]:
        """What root types; its exit code and all it printed. `code`: what it has to end with."""
        command = ["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "env", "-i"]
        command += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "bash", "-ec", script]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=within, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError as error:
            raise HostError(str(error)) from None
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
