import asyncio
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import pytest

from ari_recorder.domain.accounts import AccountKind, AccountState, Role
from ari_recorder.domain.approvals import ApprovalKind, ApprovalState
from ari_recorder.domain.calls import CallState
from ari_recorder.domain.certificates import CertificateKind
from ari_recorder.domain.corrections import Correctable
from ari_recorder.domain.deliveries import DeliveryState
from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay, ReceiverKind
from ari_recorder.domain.errors import DatabaseNewer, MigrationBlocked, MigrationChanged
from ari_recorder.domain.holds import ThreatDecision
from ari_recorder.domain.importing import DateSource
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.listening import ListeningEnd, Purpose
from ari_recorder.domain.promises import PromiseState
from ari_recorder.domain.recordings import EndReason, StartedBy
from ari_recorder.domain.restriction import OpeningGround, RestrictionGround, ToldHow
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.rights import Change
from ari_recorder.domain.use import TouchKind, Verdict
from ari_recorder.storage.db import Database
from ari_recorder.storage.migrate import Migration, migrate, shipped
from ari_recorder.storage.policy import PolicyState
from ari_recorder.storage.sweeps import SweepState


async def tables(database: Database) -> set[str]:
    async with database.transaction() as conn:
        rows = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_an_empty_database_gets_all_tables_once(empty_dsn: str) -> None:
    async with Database(empty_dsn) as database:
        assert await migrate(database) == tuple(migration.name for migration in shipped())
        assert {"call", "recording", "migration"} <= await tables(database)
        assert await migrate(database) == ()


async def test_services_that_start_at_once_apply_each_migration_once(empty_dsn: str) -> None:
    async with Database(empty_dsn) as one, Database(empty_dsn) as other:
        applied = await asyncio.gather(*(migrate(database) for database in (one, other, one, other)))
    assert sorted(name for names in applied for name in names) == [migration.name for migration in shipped()]


async def test_a_newer_database_is_refused_and_not_touched(database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute(
            "INSERT INTO migration (number, name, sha256) VALUES ($1, '0099_later.sql', '\\x00')", len(shipped()) + 1
        )
    before = await tables(database)
    with pytest.raises(DatabaseNewer, match=r"newer ari-recorder: it has migration 0099_later\.sql"):
        await migrate(database)
    assert await tables(database) == before


async def test_a_changed_migration_stops_the_start(database: Database) -> None:
    first, *others = shipped()
    changed = replace(first, sql=first.sql + "\n-- a harmless remark")
    with pytest.raises(MigrationChanged, match="0001"):
        await migrate(
            database, [changed, *others, Migration(number=99, name="0099_more.sql", sql="CREATE TABLE more ()")]
        )
    assert "more" not in await tables(database)


async def test_a_failing_migration_leaves_nothing_behind(database: Database) -> None:
    half = Migration(number=99, name="0099_half.sql", sql="CREATE TABLE half (); SELECT 1 / 0")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(database, [*shipped(), half])
    assert "half" not in await tables(database)
    assert await migrate(database) == ()


async def test_a_migration_does_not_wait_long_behind_somebody_elses_lock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.storage.migrate._LOCK_TIMEOUT_MS", 100)
    column = Migration(number=99, name="0099_column.sql", sql="ALTER TABLE call ADD COLUMN more text")
    async with database.transaction() as conn:
        await conn.execute("SELECT FROM call")
        with pytest.raises(MigrationBlocked, match="0099_column"):
            await migrate(database, [*shipped(), column])


@pytest.mark.parametrize("names", [["0001_a.sql", "0003_c.sql"], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_a_gap_in_the_numbers_is_a_mistake(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ValueError, match="not numbered one by one"):
        shipped(tmp_path)


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("call_state", CallState),
        ("ledger_state", LedgerState),
        ("end_reason", EndReason),
        ("started_by", StartedBy),
        ("stored_state", StoredState),
        ("threat_decision", ThreatDecision),
        ("policy_state", PolicyState),
        ("sweep_state", SweepState),
        ("certificate_kind", CertificateKind),
        ("account_kind", AccountKind),
        ("account_state", AccountState),
        ("account_role", Role),
        ("right_change", Change),
        ("purpose", Purpose),
        ("listening_end", ListeningEnd),
        ("correctable", Correctable),
        ("approval_kind", ApprovalKind),
        ("approval_state", ApprovalState),
        ("touch_kind", TouchKind),
        ("verdict", Verdict),
        ("receiver_kind", ReceiverKind),
        ("disclosure_end", DisclosureEnd),
        ("disclosure_way", DisclosureWay),
        ("delivery_state", DeliveryState),
        ("restriction_ground", RestrictionGround),
        ("opening_ground", OpeningGround),
        ("told_how", ToldHow),
        ("promise_state", PromiseState),
        ("date_source", DateSource),
    ],
)
async def test_sql_enums_are_the_python_enums(database: Database, name: str, python: type[StrEnum]) -> None:
    async with database.transaction() as conn:
        values = await conn.fetchval(f"SELECT enum_range(NULL::{name})::text[]")
    assert set(values) == {member.value for member in python}


async def test_there_is_no_sql_enum_without_a_python_enum(database: Database) -> None:
    async with database.transaction() as conn:
        names = await conn.fetch("SELECT typname FROM pg_type WHERE typtype = 'e'")
    assert {row["typname"] for row in names} == {
        "call_state",
        "ledger_state",
        "end_reason",
        "started_by",
        "stored_state",
        "threat_decision",
        "policy_state",
        "sweep_state",
        "certificate_kind",
        "promise_state",
        "date_source",
        "account_kind",
        "account_state",
        "account_role",
        "right_change",
        "purpose",
        "listening_end",
        "correctable",
        "approval_kind",
        "approval_state",
        "touch_kind",
        "verdict",
        "receiver_kind",
        "disclosure_end",
        "disclosure_way",
        "delivery_state",
        "restriction_ground",
        "opening_ground",
        "told_how",
    }
