"""Copies in clear that somebody had made: whatever happens, they go with their recording, or are told of."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor, Entry
from ari_recorder.domain.errors import RecordingErased
from ari_recorder.services import certify, connect, connect_service, listen
from ari_recorder.storage import exports
from ari_recorder.storage.db import Database
from ari_recorder.storage.exports import Export
from tests.services.house import READER
from tests.site import prepare, record


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def old(site: Config, database: Database) -> UUID:
    """A recording that is due."""
    long_ago = datetime.now(UTC) - timedelta(days=200)
    return (await record(site, database, started_at=long_ago)).recording_id


async def sweep(site: Config, database: Database) -> None:
    await connect_service.sweep(site, database, connect.keyring(site)).run_once()


async def known(database: Database, recording_id: UUID) -> tuple[Export, ...]:
    async with database.transaction() as conn:
        return await exports.of_recordings(conn, [recording_id])


async def export(site: Config, database: Database, recording_id: UUID, target: Path) -> None:
    await listen.export_wav(
        database, connect_service.vault(site), recording_id, target, lambda _: None, Actor.operator("olli")
    )


async def test_an_export_is_known_under_its_name_alone(
    site: Config, database: Database, old: UUID, tmp_path: Path
) -> None:
    target = tmp_path / "call.wav"
    await export(site, database, old, target)
    (copy,) = await known(database, old)
    assert (copy.path, copy.inode) == (str(target), target.stat().st_ino)


@pytest.mark.parametrize("when", ["before it is written", "before it has its name"])
async def test_what_is_erased_while_it_is_exported_leaves_no_copy(
    site: Config, database: Database, old: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    target = tmp_path / "out" / "call.wav"
    target.parent.mkdir()
    makes_known = listen._known
    names = []

    async def interrupted(database: Database, copy: Export, *entries: Entry) -> None:
        await makes_known(database, copy, *entries)
        names.append(Path(copy.path).name)
        if len(names) == (1 if when == "before it is written" else 2):
            assert len(os.listdir(target.parent)) == 1
            await sweep(site, database)
            assert os.listdir(target.parent) == [], "a kill now would leave a copy for ever"

    monkeypatch.setattr(listen, "_known", interrupted)
    with pytest.raises(Exception) as refused:  # noqa: PT011 -- the file it writes to may be gone, too
        await export(site, database, old, target)
    assert when == "before it is written" or refused.type is RecordingErased
    assert os.listdir(target.parent) == []
    assert await known(database, old) == ()


async def test_an_export_on_another_host_is_told_and_goes_with_the_sweep_there(
    site: Config, database: Database, old: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "call.wav"
    await export(site, database, old, target)
    there = socket.gethostname()
    with monkeypatch.context() as context, capture_logs() as logs:
        context.setattr(socket, "gethostname", lambda: "elsewhere")
        await sweep(site, database)
    (told,) = [line for line in logs if line.get("alarm") == "erase-failed"]
    assert told["subject"] == str(old)
    assert there in told["because"]
    body = (await certify.get(database, str(old), READER)).body
    assert '"copies_destroyed":["wrapped data key","sealed file"]' in body
    assert '"copies_not_found":["export in clear, on another host"]' in body
    assert target.exists()
    await sweep(site, database)
    assert not target.exists()
    assert await known(database, old) == ()


async def test_a_certificate_does_not_claim_an_export_that_was_moved(
    site: Config, database: Database, old: UUID, tmp_path: Path
) -> None:
    target = tmp_path / "call.wav"
    await export(site, database, old, target)
    target.rename(tmp_path / "moved.wav")
    await sweep(site, database)
    body = (await certify.get(database, str(old), READER)).body
    assert '"copies_destroyed":["wrapped data key","sealed file"]' in body
    assert '"copies_not_found":["export in clear, not where it was written any more"]' in body
    assert await known(database, old) == ()
