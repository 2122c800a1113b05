"""As whom the embedded PostgreSQL runs. It refuses to run as root, so root steps down in a way that changes no host.

    not root                                   as this user
    root, and the folder is another user's     as that user
    root                                       in a user namespace in which this process's user is not called root:
                                               files stay root's, no right is left (capabilities end at exec)
    root, no namespaces (containers)           as `postgres` or `nobody`, who is given the database's folders
    else                                       refused, with the reason

The programs are unshare(1) and setpriv(1) of util-linux, which is there wherever Debian is.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ari_recorder.domain.errors import EmbeddedNeedsUser

# Any number but 0 will do; initdb wants a name for it, and this one has a name everywhere.
_NOBODY = 65534
# A probe is one exec.
_PROBE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """`before` is put before every command; `uid` and `gid` own what the server makes, seen from here."""

    before: tuple[str, ...]
    uid: int
    gid: int

    @classmethod
    def choose(cls, folder: Path, postgres: Path) -> Self:
        if os.geteuid() != 0:
            return cls(before=(), uid=os.geteuid(), gid=os.getegid())
        owner = folder.stat()
        if owner.st_uid != 0:
            return cls._stepped_down(owner.st_uid, owner.st_gid)
        apart = cls(
            before=("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--"),
            uid=0,
            gid=os.getegid(),
        )
        reasons = [f"unshare: {refused}"] if (refused := apart._refusal(["test", "-x", str(postgres)])) else []
        if not reasons:
            return apart
        for name in ("postgres", "nobody"):
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                reasons.append(f"there is no user {name}")
                continue
            other = cls._stepped_down(account.pw_uid, account.pw_gid)
            # Both must be reached by that user: the programs, and the way to the folder that it will be given.
            parent = str(folder.resolve().parent)
            if not (refused := other._refusal(["test", "-x", str(postgres), "-a", "-x", parent])):
                return other
            reasons.append(f"{name} does not reach {postgres} or {parent}")
        raise EmbeddedNeedsUser(reason="; ".join(reasons))

    @classmethod
    def _stepped_down(cls, uid: int, gid: int) -> Self:
        before = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--")
        return cls(before=before, uid=uid, gid=gid)

    def give(self, *folders: Path) -> None:
        """Make the folders the server's own, where root hands them over."""
        for folder in folders:
            if folder.stat().st_uid != self.uid:
                os.chown(folder, self.uid, self.gid)
                for path in folder.rglob("*"):
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.before, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            check=False,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )

    def with_parent(self, command: Sequence[str]) -> list[str]:
        """The command, told to end (fast shutdown) when the thread that starts it ends."""
        return [*self.before, "setpriv", "--pdeathsig", "INT", "--", *command]

    def _refusal(self, command: Sequence[str]) -> str:
        """Why this way does not work, empty when it does."""
        try:
            done = subprocess.run(
                [*self.before, *command], capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS, cwd="/"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return "" if done.returncode == 0 else done.stderr.strip() or f"{command[0]} says no"
