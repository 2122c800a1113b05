"""services/audit_access.py, audit_desk.py: who uses the log is told only what was asked for, and that is an entry."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog

from ari_recorder.config import Config
from ari_recorder.domain.accounts import EVERYTHING, Grant, Principal, Role
from ari_recorder.domain.audit import Action, Outcome
from ari_recorder.domain.errors import AuditEntryUnknown, ExportTargetRefused, PermissionMissing, Unavailable
from ari_recorder.services.audit_access import AuditAccess
from ari_recorder.services.audit_desk import AuditDesk, Sought
from ari_recorder.services.audit_log import sequence
from ari_recorder.storage.audit import Wanted
from ari_recorder.storage.db import Database
from tests.services.audit_house import ANNA, LogHouse, run_tool
from tests.site import open_keyring, prepare


@pytest.fixture
def house(database: Database, tmp_path: Path) -> LogHouse:
    return LogHouse(database, tmp_path)


def access(house: LogHouse) -> AuditAccess:
    return AuditAccess(
        database=house.database,
        signer=house.signer,
        log=house.log(),
        clocks=house.clocks,
        anchor_file=house.anchor_file,
        actor=ANNA,
    )


async def newest(house: LogHouse) -> dict[str, Any]:
    await sequence(house.database)
    return (await house.rows())[-1]


async def test_who_reads_leaves_what_was_asked_and_how_much_was_found(house: LogHouse) -> None:
    now = house.clocks.now()
    await house.write(3)
    wanted = Wanted(
        since=now - timedelta(hours=1),
        until=now + timedelta(hours=1),
        actions=(Action.RECORDING_PLAY, Action.AUDIT_READ),
        outcome=Outcome.OK,
        actor="u-1",
        object="recording:1",
    )
    (found,) = await access(house).read(wanted)
    assert found.fields["object"] == "recording:1"
    entry = await newest(house)
    assert (entry["action"], entry["actor"]["id"], entry["at"]) == ("audit:read", "u-1", (found.fields["at"]))
    assert entry["facts"] == {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "actions": ["recording:play", "audit:read"],
        "outcome": "ok",
        "object": "recording:1",
        "entries": 1,
    }
    # Whom it was about is personal: it can be erased without the entry.
    assert set(entry["personal"]) >= {"wanted.actor"}


async def test_who_asks_for_nothing_in_particular_leaves_only_how_much_was_found(house: LogHouse) -> None:
    await house.write(2)
    found = await access(house).read(Wanted())
    entry = await newest(house)
    assert entry["facts"] == {"entries": len(found)}
    assert "wanted.actor" not in entry["personal"]


async def test_pages_go_from_the_newest_to_the_oldest_and_back(house: LogHouse) -> None:
    await house.write(5)
    asked = access(house)
    plays = Wanted(actions=(Action.RECORDING_PLAY,))
    numbers = [one.seq for one in await asked.read(plays)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 5
    assert [one.seq for one in await asked.read(plays, limit=2)] == numbers[:2]
    assert [one.seq for one in await asked.read(plays, before=numbers[1], limit=2)] == numbers[2:4]
    assert [one.seq for one in await asked.read(plays, after=numbers[3], limit=2)] == numbers[1:3]


async def test_one_entry_is_shown_and_that_is_an_entry(house: LogHouse) -> None:
    await house.write(1)
    await sequence(house.database)
    (play,) = await access(house).read(Wanted(actions=(Action.RECORDING_PLAY,)))
    shown = await access(house).show(play.seq)
    assert shown == play
    entry = await newest(house)
    assert (entry["action"], entry["object"], entry["facts"]) == ("audit:read", f"entry:{play.seq}", {"entries": 1})
    assert entry["actor"]["id"] == "u-1"


async def test_what_is_not_there_is_not_shown_and_nothing_is_written(house: LogHouse) -> None:
    await house.write(2)
    await sequence(house.database)
    size = len(await house.rows())
    with pytest.raises(AuditEntryUnknown, match=f"no entry {size} .*it has {size},"):
        await access(house).show(size)
    await sequence(house.database)
    assert len(await house.rows()) == size


async def test_a_log_as_it_was_signed_is_verified_and_that_is_an_entry(house: LogHouse) -> None:
    await house.write(3)
    asked = access(house)
    await asked.checkpoint()
    with structlog.testing.capture_logs() as lines:
        verified = await asked.verify()
    assert verified.found == ()
    entry = await newest(house)
    assert (entry["action"], entry["outcome"]) == ("audit:verify", "ok")
    assert entry["facts"] == {"size": verified.size, "found": 0}
    assert not [line for line in lines if line["event"] == "alarm"]


async def test_a_changed_log_is_an_alarm_and_an_entry(house: LogHouse, dsn: str) -> None:
    await house.write(3)
    asked = access(house)
    await asked.checkpoint()
    raw = await asyncpg.connect(dsn)
    await raw.execute("SET session_replication_role = replica")  # past the triggers, as who owns the database can
    await raw.execute("UPDATE audit_entry SET leaf = leaf || ' ' WHERE seq = 1")
    await raw.close()
    with structlog.testing.capture_logs() as lines:
        verified = await asked.verify()
    assert verified.found
    (alarm,) = [line for line in lines if line["event"] == "alarm"]
    assert (alarm["log_level"], alarm["alarm"], alarm["subject"]) == ("error", "audit-changed", "audit")
    assert alarm["because"] == verified.found[0]
    entry = await newest(house)
    assert (entry["outcome"], entry["facts"]["found"]) == ("failed", len(verified.found))


async def test_a_proof_holds_without_the_service_and_is_an_entry(house: LogHouse) -> None:
    await house.write(3)
    await sequence(house.database)
    target = house.folder / "proof.txt"
    await access(house).prove(2, target)
    assert target.stat().st_mode & 0o777 == 0o600
    entry = await newest(house)
    assert (entry["action"], entry["object"], entry["actor"]["id"]) == ("audit:prove", "entry:2", "u-1")
    kept = target.read_text()
    with pytest.raises(ExportTargetRefused, match=r"proof\.txt cannot be written: File exists"):
        await access(house).prove(2, target)
    assert target.read_text() == kept


async def test_the_export_is_whole_and_tells_of_itself(house: LogHouse) -> None:
    await house.write(3)
    target = house.folder / "export.jsonl"
    exported = await access(house).export(target)
    assert (exported.target, exported.key) == (target, house.signer.key)
    rows = await house.rows()
    assert exported.entries == len(rows)
    assert (rows[-1]["action"], rows[-1]["actor"]["id"]) == ("audit:export", "u-1")
    assert "audit:export" in target.read_text()
    assert house.found_in(target.read_text().splitlines()) == []
    assert run_tool("--key", exported.key, target).returncode == 0


def auditor(role: Role, today: date) -> Principal:
    grant = Grant(
        id=uuid4(),
        role=role,
        unit=EVERYTHING,
        valid_from=today - timedelta(days=1),
        valid_until=today + timedelta(days=30),
    )
    return Principal(user_id=uuid4(), name="auli.auditor", full_name="Auli Auditor", grants=(grant,), units={})


def prepared(folder: Path) -> Config:
    """A configuration, with keys that the log can be signed with."""
    settings = prepare(folder)
    open_keyring(settings)
    return settings


def desk(house: LogHouse) -> AuditDesk:
    return AuditDesk(config=prepared(house.folder), database=house.database, clocks=house.clocks)


async def test_the_last_day_that_is_asked_for_belongs_to_it(house: LogHouse) -> None:
    """Days are those of Helsinki: the evening of the 24th is after 22:00 UTC of the 23rd."""
    for at in ("2026-11-23T21:59", "2026-11-23T22:00", "2026-11-24T21:59", "2026-11-24T22:00"):
        await house.write(1, at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    who = auditor(Role.AUDITOR, house.clocks.now().date())
    day = date(2026, 11, 24)
    table = desk(house)

    async def times(sought: Sought) -> list[str]:
        return [f"{one.at:%d %H:%M}" for one in await table.read(who, sought)]

    play = Action.RECORDING_PLAY
    assert await times(Sought(since=day, until=day, action=play)) == ["24 21:59", "23 22:00"]
    assert await times(Sought(since=day, action=play)) == ["24 22:00", "24 21:59", "23 22:00"]
    assert await times(Sought(until=day, action=play)) == ["24 21:59", "23 22:00", "23 21:59"]


async def test_the_page_of_the_log_goes_by_actor_object_outcome_and_place(house: LogHouse) -> None:
    await house.write(3)
    who = auditor(Role.AUDITOR, house.clocks.now().date())
    table = desk(house)
    (one,) = await table.read(who, Sought(actor=" anna.adviser ", object="recording:1"))
    assert one.fields["object"] == "recording:1"
    assert one.personal["text"] == "typed 1"
    assert await table.read(who, Sought(action=Action.RECORDING_PLAY, outcome=Outcome.FAILED)) == ()
    older = await table.read(who, Sought(actor="   ", action=Action.RECORDING_PLAY, before=one.seq))
    assert [entry.fields["object"] for entry in older] == ["recording:0"]
    (entry,) = [row for row in await house.rows() if row["facts"].get("object") == "recording:1"]
    assert entry["actor"]["id"] == str(who.user_id)


async def test_the_tree_tells_what_is_signed_and_what_is_carried_outside(house: LogHouse) -> None:
    who = auditor(Role.AUDITOR, house.clocks.now().date())
    table = desk(house)
    empty = await table.tree(who)
    assert (empty.size, empty.signed, empty.signed_at, empty.anchors) == (0, 0, None, ())
    await house.write(3)
    await access(house).checkpoint()
    signed = house.signer.last().size
    await house.write(2)
    await sequence(house.database)
    tree = await table.tree(who)
    assert (tree.signed, tree.size) == (signed, signed + 2)
    assert tree.signed_at is not None
    assert tree.root == (await house.verify()).root
    assert [(one.target, one.size, one.trouble) for one in tree.anchors] == [("file:anchors", signed, "")]


@pytest.mark.parametrize(
    "role", [role for role in Role if role is not Role.AUDITOR and role is not Role.PRIVACY_OFFICER]
)
async def test_others_read_nothing_of_the_log(house: LogHouse, role: Role) -> None:
    who = auditor(role, house.clocks.now().date())
    table = desk(house)
    with pytest.raises(PermissionMissing):
        await table.read(who, Sought())
    with pytest.raises(PermissionMissing):
        await table.tree(who)
    with pytest.raises(PermissionMissing):
        await table.proof(who, 0)
    with pytest.raises(PermissionMissing):
        await table.export(who)
    await sequence(house.database)
    assert not [row for row in await house.rows() if row["action"] != "audit:day"]


async def test_what_is_sent_of_an_export_is_whole_and_leaves_no_copy(house: LogHouse) -> None:
    await house.write(400)  # more than one chunk
    who = auditor(Role.AUDITOR, house.clocks.now().date())
    settings = prepared(house.folder)
    table = AuditDesk(config=settings, database=house.database, clocks=house.clocks)
    before = set(settings.storage.state.iterdir())
    chunks = [chunk async for chunk in await table.export(who)]
    assert len(chunks) > 1
    lines = b"".join(chunks).decode().splitlines()
    assert sum('"audit:export"' in line or "audit:export" in line for line in lines) == 1
    assert {path.name for path in set(settings.storage.state.iterdir()) - before} <= {"audit"}


async def test_an_export_that_fails_leaves_no_copy(house: LogHouse) -> None:
    who = auditor(Role.AUDITOR, house.clocks.now().date())
    settings = prepared(house.folder)
    before = set(settings.storage.state.iterdir())
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        table = AuditDesk(config=settings, database=away, clocks=house.clocks)
        with pytest.raises(Unavailable):
            await table.export(who)
    assert {path.name for path in set(settings.storage.state.iterdir()) - before} <= {"audit"}
