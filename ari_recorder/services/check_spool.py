"""The spool: can this service use it, has it room, and may Asterisk write to it? MixMonitor reports success either way.

An Asterisk that is started with `-G` has no groups but that one, whatever its user's are (asterisk.c sets them aside),
and Debian's unit starts it so: then the folder has to be its user's own.
"""

import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.errors import SpoolUnusable
from ari_recorder.services.check_memory import processes
from ari_recorder.services.findings import Area, Finding, fail, ok, room, unseen, warn

# A call needs 32 kB a second in the spool (two sides, 8000 Hz, 16 bit), some 100 kB while it is sealed as it goes on.
FULL_BYTES = 16 << 20
LITTLE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom a process writes (proc_pid_status(5)): its effective user, and all its groups."""

    uid: int
    groups: frozenset[int]

    def may_write(self, folder: os.stat_result) -> bool:
        """Make files in it, that is."""
        if self.uid == 0:
            return True
        if self.uid == folder.st_uid:
            return _both(folder.st_mode, stat.S_IWUSR | stat.S_IXUSR)
        if folder.st_gid in self.groups:
            return _both(folder.st_mode, stat.S_IWGRP | stat.S_IXGRP)
        return _both(folder.st_mode, stat.S_IWOTH | stat.S_IXOTH)


def check(spool: Spool, *, proc: Path = Path("/proc")) -> Iterator[Finding]:
    folder = spool.folder
    try:
        report = spool.check()
        status = folder.stat()
    except (SpoolUnusable, OSError) as error:
        mend = f"Asterisk wants to own it, and {user(os.geteuid())} to be in its group: chmod 2770 {folder}; a full one"
        yield fail(Area.SPOOL, str(error), f"{mend} wants room")
        return
    yield ok(Area.SPOOL, f"{folder} can be written to")
    yield from _asterisk(spool, status, proc)
    for advice in report.advice:
        what, _, mend = advice.partition("; ")
        yield warn(Area.SPOOL, what, mend)
    measure = "a call needs 2 MB a minute while it cannot be sealed"
    yield room(Area.SPOOL, folder, report.free_bytes, FULL_BYTES, LITTLE_BYTES, measure)


def _asterisk(spool: Spool, status: os.stat_result, proc: Path) -> Iterator[Finding]:
    """Of those on this host one is enough: another may be somebody else's. A console of root's is called asterisk, too,
    and may write anywhere: it counts only where there is no other."""
    asterisks = [_status(proc / str(pid)) for name, pid in processes(spool, proc) if name == "Asterisk"]
    here = [one for one in asterisks if not _is_in_a_container(one)]
    known = [_identity(one) for one in here if one]
    found = [one for one in known if one.uid] or known
    if here and not found:
        yield unseen(
            Area.SPOOL, "it could not be seen as whom Asterisk writes", "Run it as root, or as Asterisk's user"
        )
    if not found or any(one.may_write(status) for one in found):
        return
    who = user(found[0].uid)
    yield fail(
        Area.SPOOL,
        f"Asterisk, as {who}, may not write to {spool.folder}: no call is recorded",
        f"Make the folder {who}'s own: uid={who} in the options of its mount, or chown {who} {spool.folder}."
        " A group is not enough for an Asterisk that is started with -G",
    )


def _status(process: Path) -> Mapping[str, list[str]]:
    """The fields of proc_pid_status(5), each in words; none of a process that has ended meanwhile, or hides."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def _identity(status: Mapping[str, list[str]]) -> Identity:
    groups = (status["Gid"][1], *status["Groups"])
    return Identity(uid=int(status["Uid"][1]), groups=frozenset(map(int, groups)))


def _is_in_a_container(status: Mapping[str, list[str]]) -> bool:
    """It has a number of its own in another namespace: its users are not those of here."""
    return len(status.get("NSpid", ())) > 1


def user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _both(mode: int, bits: int) -> bool:
    return mode & bits == bits
