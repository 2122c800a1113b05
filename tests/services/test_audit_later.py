"""services/audit_later.py: what happens without a database is on record afterwards, once, with the time it had."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.key_control import KeyControl
from ari_recorder.services.keys import KeySupply
from ari_recorder.storage.db import Database
from tests.services.audit_house import LogHouse, running
from tests.site import open_keyring, prepare
from tests.test_audit_events import entries

AT = datetime(2026, 11, 24, 2, 20, 0, 123000, tzinfo=UTC)
ENTRY = Entry(
    action=Action.KEYRING_UNLOCK,
    actor=Actor.operator("olli"),
    outcome=Outcome.REFUSED,
    object="keyring",
    because="passphrase_wrong",
    facts={"tries": 2},
    personal={"text": "typed"},
)


async def test_what_happened_without_a_database_is_in_the_log_with_its_own_time(
    tmp_path: Path, database: Database
) -> None:
    settings = prepare(tmp_path)
    keyring = open_keyring(settings)
    later = LaterEntries(settings.storage.audit)
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        control = KeyControl(
            config=settings,
            keyring=keyring,
            database=away,
            unlocked=lambda: None,
            needed=frozenset,
            later=later,
        )
        await KeySupply(keyring, later).fill(AT)
        await control.answers["keys-lock"]({"by": "olli"})
    assert keyring.locked
    assert await later.drain(database) == 2
    made, locked = await entries(database)
    assert (made["action"], made["at"], made["facts"]["last"]) == (
        "key:make",
        "2026-11-24T02:20:00.123Z",
        "day-2026-12-25",
    )
    assert (locked["action"], locked["actor"]["kind"]) == ("keyring:lock", "operator")
    assert datetime.now(UTC) - datetime.fromisoformat(locked["at"]) < timedelta(minutes=1)


async def test_an_entry_comes_back_as_it_was_and_once(tmp_path: Path, database: Database) -> None:
    later = LaterEntries(tmp_path / "audit")
    await later.put(ENTRY, AT)
    kept = (tmp_path / "audit" / "waiting.jsonl").read_bytes()
    assert await later.drain(database) == 1
    (tmp_path / "audit" / "waiting.jsonl").write_bytes(kept)  # killed between storing and removing
    assert await later.drain(database) == 1
    assert await later.drain(database) == 0
    (entry,) = await entries(database)
    assert (entry["outcome"], entry["because"], entry["facts"]) == ("refused", "passphrase_wrong", {"tries": 2})
    assert set(entry["personal"]) == {"actor.name", "text"}


async def test_half_a_line_costs_no_other(tmp_path: Path, database: Database) -> None:
    later = LaterEntries(tmp_path / "audit")
    await later.put(ENTRY, AT)
    path = tmp_path / "audit" / "waiting.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "half')
    await later.put(ENTRY, AT)
    with structlog.testing.capture_logs() as lines:
        assert await later.drain(database) == 2
    assert [line["event"] for line in lines] == ["audit_late_torn", "audit_late"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_while_the_database_is_away_nothing_is_taken_out(tmp_path: Path, database: Database) -> None:
    later = LaterEntries(tmp_path / "audit")
    await later.put(ENTRY, AT)
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            await later.drain(away)
    assert await later.drain(database) == 1


async def test_the_job_of_the_log_takes_it_in(tmp_path: Path, database: Database) -> None:
    house = LogHouse(database, tmp_path)
    await LaterEntries(house.signer.folder).put(ENTRY, AT)
    async with running(house, house.log()):
        pass
    assert "keyring:unlock" in [row["action"] for row in await house.rows()]


async def test_what_waits_is_a_line_each_and_nothing_between_them(tmp_path: Path) -> None:
    later = LaterEntries(tmp_path / "audit")
    await later.put(ENTRY, AT)
    await later.put(ENTRY, AT)
    lines = (tmp_path / "audit" / "waiting.jsonl").read_text().split("\n")
    assert [bool(line) for line in lines] == [True, True, False]
