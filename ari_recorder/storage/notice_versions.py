"""The table `notice_version`: what the privacy notice said, from when on. Versions are added, never changed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter

from ari_recorder.domain.notice import Notice, digest
from ari_recorder.storage.db import Connection, Row

_NOTICE = TypeAdapter(Notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeVersion:
    version: int
    since: datetime
    digest: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version with its words, one notice a language."""

    version: NoticeVersion
    notices: tuple[Notice, ...]


async def adopt(conn: Connection, notices: Sequence[Notice], now: datetime) -> NoticeVersion:
    """These words are in force. A new version when the newest says something else; two who ask get one."""
    await conn.execute("LOCK TABLE notice_version IN SHARE ROW EXCLUSIVE MODE")
    newest = await conn.fetchrow("SELECT * FROM notice_version ORDER BY version DESC LIMIT 1")
    told = digest(notices)
    if newest is not None and newest["digest"] == told:
        return _version(newest)
    row = await conn.fetchrow(
        "INSERT INTO notice_version (since, digest, languages, texts) VALUES ($1, $2, $3, $4) RETURNING *",
        now,
        told,
        [one.language for one in notices],
        {one.language: asdict(one) for one in notices},
    )
    return _version(row)


async def versions(conn: Connection, *, limit: int = 100) -> tuple[NoticeVersion, ...]:
    """The newest first."""
    rows = await conn.fetch("SELECT * FROM notice_version ORDER BY version DESC LIMIT $1", limit)
    return tuple(_version(row) for row in rows)


async def in_force(conn: Connection, at: datetime) -> Kept | None:
    """What the notice said at that moment. None: there was none yet."""
    row = await conn.fetchrow(
        "SELECT * FROM notice_version WHERE since <= $1 ORDER BY since DESC, version DESC LIMIT 1", at
    )
    if row is None:
        return None
    version = _version(row)
    notices = tuple(_NOTICE.validate_python(row["texts"][language]) for language in version.languages)
    return Kept(version=version, notices=notices)


def _version(row: Row) -> NoticeVersion:
    return NoticeVersion(
        version=row["version"], since=row["since"], digest=row["digest"], languages=tuple(row["languages"])
    )
