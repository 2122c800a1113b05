"""Which sealed files the vault need not keep any longer because the S3 store has them: the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """None: without limit."""

    max_bytes: int | None
    max_days: int | None

    @property
    def any(self) -> bool:
        return self.max_bytes is not None or self.max_days is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFile:
    id: UUID
    day: date
    size: int


def too_old(files: Sequence[CachedFile], limits: CacheLimits, today: date) -> tuple[CachedFile, ...]:
    if limits.max_days is None:
        return ()
    bound = today - timedelta(days=limits.max_days)
    return tuple(file for file in files if file.day < bound)


def too_many_bytes(total: int, limits: CacheLimits) -> int:
    """How many bytes are to go."""
    return max(total - limits.max_bytes, 0) if limits.max_bytes is not None else 0
