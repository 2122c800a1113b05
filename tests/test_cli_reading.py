"""Whoever reads at the command line is on record as whoever reads on the page, and sees nothing without that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.certificates import CertificateKind
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.errors import SealedDiffers, Unavailable
from ari_recorder.services import certify, connect, connect_service, listen
from ari_recorder.services.clock import Clocks
from ari_recorder.services.corrections import Corrections
from ari_recorder.storage import certificates
from ari_recorder.storage.certificates import Certificate
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, ari
from tests.services.house import READER
from tests.services.listeners import person
from tests.services.test_scrub import file_of, flip
from tests.site import NAME, NUMBER, Recorded, open_keyring, prepare, record
from tests.test_audit_events import entries


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> Recorded:
    return await record(site, database)


async def certified(database: Database, recorded: Recorded) -> None:
    certificate = Certificate(
        subject=str(recorded.recording_id),
        kind=CertificateKind.RECORDING,
        issued_at=datetime.now(UTC),
        body="{}",
        signature=b"",
        signed_by="",
    )
    async with database.transaction() as conn:
        await certificates.insert(conn, [certificate])


async def test_whatever_is_read_is_on_record(
    site: Config, database: Database, recorded: Recorded, tmp_path: Path
) -> None:
    await certified(database, recorded)
    about, at = str(recorded.recording_id), ("--config", site.source)
    for command in (
        ("recordings", "list", "--queue", "advice", "--caller", NUMBER),
        ("recordings", "show", about[:8], "--with-caller"),
        ("recordings", "export", about, tmp_path / "call.wav", "--verify"),
        ("ledger", "--day", "2026-01-02"),
        ("certificates", "show", about[:8]),
    ):
        answer = await ari(*command, *at)
        assert answer.code == FINE, answer.err
    await listen.find(database, listen.Wanted(), READER)
    await certify.find(database, None, 10, READER)
    written = await entries(database)
    assert [(one["action"], one["object"], one["facts"]) for one in written] == [
        ("recording:search", "", {"found": 0, "number": True, "queue": "advice"}),
        ("recording:view", f"recording:{about}", {"caller": True}),
        ("recording:verify", f"recording:{about}", {}),
        ("recording:export", f"recording:{about}", {"format": "wav"}),
        ("ledger:view", "day:2026-01-02", {"calls": 0, "days": 1}),
        ("certificate:read", f"recording:{about}", {}),
        ("recording:list", "", {"found": 1}),
        ("certificate:read", "", {"certificates": 1}),
    ]
    assert {one["actor"]["kind"] for one in written} == {"operator"}
    assert not [secret for secret in (NUMBER, NAME) if secret in str(written)]


async def test_what_is_not_whole_is_on_record_as_that(site: Config, database: Database, recorded: Recorded) -> None:
    flip(file_of(site, recorded.recording_id), 30)
    with pytest.raises(SealedDiffers):
        await listen.verify_sealed(database, connect_service.vault(site), recorded.recording_id, READER)
    (entry,) = await entries(database)
    assert (entry["action"], entry["outcome"], entry["because"]) == ("recording:verify", "failed", "sealed_differs")


async def test_without_an_entry_nothing_is_shown(
    site: Config, database: Database, recorded: Recorded, dsn: str, tmp_path: Path
) -> None:
    policy = await connect.policies(site, database).in_force()
    lock = await asyncpg.connect(dsn)
    try:
        await lock.execute("BEGIN; LOCK TABLE audit_pending IN SHARE MODE")
        target = tmp_path / "call.wav"
        for read in (
            listen.show(database, recorded.recording_id, policy, connect.keyring(site), READER),
            listen.export_wav(
                database, connect_service.vault(site), recorded.recording_id, target, lambda _: None, READER
            ),
        ):
            with pytest.raises(Unavailable):
                await read
        assert not target.exists()
    finally:
        await lock.close()


async def test_with_the_log_away_the_command_says_so_and_no_more(
    site: Config, database: Database, recorded: Recorded
) -> None:
    async with database.transaction() as conn:
        await conn.execute("ALTER TABLE audit_pending RENAME TO audit_gone")
    answer = await ari("recordings", "show", recorded.recording_id, "--with-caller", "--json", "--config", site.source)
    assert answer.code == FAILED
    assert not [secret for secret in (NUMBER, NAME, recorded.call.uniqueid) if secret in answer.out + answer.err]


async def test_a_recording_is_shown_as_it_was_on_a_day(
    site: Config, database: Database, recorded: Recorded, tmp_path: Path
) -> None:
    about, at = str(recorded.recording_id), ("--config", site.source)
    began = recorded.call.recordings[0].started_at
    keys, corrected_at = open_keyring(site), began + timedelta(seconds=30)
    clocks = Clocks()
    clocks.now = lambda: corrected_at  # type: ignore[method-assign]
    corrections = Corrections(database=database, keyring=keys, clocks=clocks)
    right = Proposed(field=Correctable.CALLER_NAME, value="Aino Malli", because="it was misspelt")
    await corrections.correct(person(Role.PRIVACY_OFFICER), recorded.recording_id, right)

    async def shown(*more: object) -> dict[str, Any]:
        answer = await ari("recordings", "show", about[:8], *more, *at, "--json")
        assert answer.code == FINE, answer.err
        (one,) = answer.json["recordings"]
        return next(dict(each) for each in one["fields"] if each["field"] == "caller-name")

    before, after = began.isoformat(), corrected_at.isoformat()
    told = await shown("--on", after, "--with-caller")
    assert (told["original"], told["value"], told["versions"]["since"]) == (NAME, "Aino Malli", [])
    told = await shown("--on", after)
    assert (told["original"], told["value"], told["versions"]["in_force"]["version"]) == (None, None, 1)
    table = await ari("recordings", "show", about, "--on", before, "--with-caller", *at)
    for word in (NAME, "Aino Malli (it was misspelt)", "sealed", "given out"):
        assert word in table.out
    looks = [one["facts"] for one in await entries(database) if one["action"] == "recording:view"]
    assert looks == [{"on": after, "caller": True}, {"on": after}, {"on": before, "caller": True}]
    assert "Aino" not in str(looks)
