"""What a check found: where, how bad, what, and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Area(StrEnum):
    """What is looked at, in the order in which a person mends it."""

    CONFIGURATION = "configuration"
    TIME = "time"
    AMI = "ami"
    RIGHTS = "rights"
    VERSION = "version"
    DIALPLAN = "dialplan"
    QUEUES = "queues"
    FEATURES = "features"
    ENDPOINTS = "endpoints"
    FILES = "files"
    SOUNDS = "sounds"
    SPOOL = "spool"
    MEMORY = "memory"
    KEYS = "keys"
    VAULT = "vault"
    OBJECT_STORE = "object_store"
    DATABASE = "database"
    RETENTION = "retention"
    QUEUE_LOG = "queue_log"
    CEL = "cel"


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNSEEN = "unseen"  # not looked at: it may be well or not


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    area: Area
    level: Level
    what: str
    mend: str = ""


def ok(area: Area, what: str) -> Finding:
    return Finding(area=area, level=Level.OK, what=what)


def warn(area: Area, what: str, mend: str) -> Finding:
    return Finding(area=area, level=Level.WARN, what=what, mend=mend)


def fail(area: Area, what: str, mend: str) -> Finding:
    return Finding(area=area, level=Level.FAIL, what=what, mend=mend)


def unseen(area: Area, what: str, mend: str) -> Finding:
    return Finding(area=area, level=Level.UNSEEN, what=what, mend=mend)


def room(area: Area, folder: Path, free: int, full: int, little: int, measure: str) -> Finding:
    """Is there enough of it? Sizes in bytes."""
    what = f"{folder} has {free / (1 << 20):,.0f} MiB free; {measure}"
    if free < full:
        return fail(area, what, "Make room: what cannot be stored is not recorded")
    if free < little:
        return warn(area, what, "Make room soon, or give it a larger file system")
    return ok(area, what)
