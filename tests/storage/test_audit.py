"""Entries are there with the change they tell of, and nobody changes them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.domain.errors import HoldUnknown
from ari_recorder.services.audit_log import sequence
from ari_recorder.storage import audit
from ari_recorder.storage.audit import Wanted
from ari_recorder.storage.db import Database
from tests.docs_parts import OPERATIONS
from tests.services.audit_house import ANNA, LogHouse, OneTransaction

AT = datetime(2026, 11, 24, 2, 20, tzinfo=UTC)
ENTRY = Entry(action=Action.HOLD_PLACE, actor=Actor.operator("anna"), object="hold:1")


async def test_an_entry_is_rolled_back_with_its_change(database: Database) -> None:
    async def fails() -> None:
        async with database.transaction() as conn:
            await audit.append(conn, ENTRY, AT)
            raise HoldUnknown(hold_id="x")

    with pytest.raises(HoldUnknown):
        await fails()
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM audit_pending") == 0
        assert await conn.fetchval("SELECT count(*) FROM audit_personal") == 0


async def test_many_entries_wait_in_the_order_they_were_given(database: Database) -> None:
    async with database.transaction() as conn:
        await audit.append_many(
            conn, [Entry(action=Action.SWEEP_RUN, actor=Actor.service("s"), object=str(n)) for n in range(50)], AT
        )
        await audit.append_many(conn, [], AT)
        leaves = await conn.fetch("SELECT leaf::jsonb ->> 'object' AS object FROM audit_pending ORDER BY place")
    assert [row["object"] for row in leaves] == [str(n) for n in range(50)]


async def test_who_is_nobody_has_a_place_in_the_log(database: Database, tmp_path: Path) -> None:
    nobody = Entry(action=Action.SESSION_LOGIN, actor=Actor(kind=ActorKind.USER, id=""), outcome=Outcome.REFUSED)
    async with database.transaction() as conn:
        await audit.append(conn, nobody, AT)
    await sequence(database)
    async with database.transaction() as conn:
        row = await conn.fetchrow("SELECT action, actor, object FROM audit_entry")
    assert row is not None
    assert tuple(row) == ("session:login", "", "")


# --- append-only

TABLES = ("audit_entry", "audit_node", "audit_checkpoint", "audit_pending", "audit_personal", "audit_head")
# Sequencing empties the queue, erasing takes names away, the head moves on.
ALLOWED = {("DELETE FROM", "audit_pending"), ("DELETE FROM", "audit_personal"), ("UPDATE", "audit_head")}
GRANTS = re.search(r"```sql\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)


async def filled(database: Database, tmp_path: Path) -> LogHouse:
    house = LogHouse(database, tmp_path)
    await house.write(5)
    await house.log().checkpoint()
    await house.write(1)
    return house


def changes(table: str) -> list[tuple[str, str]]:
    column = {"audit_head": "size", "audit_node": "hash", "audit_checkpoint": "note"}.get(table, "entry_id")
    column = {"audit_entry": "leaf", "audit_pending": "leaf"}.get(table, column)
    return [
        ("UPDATE", f"UPDATE {table} SET {column} = {column}"),  # noqa: S608
        ("DELETE FROM", f"DELETE FROM {table}"),  # noqa: S608
        ("TRUNCATE", f"TRUNCATE {table}"),
    ]


@pytest.mark.parametrize("table", TABLES)
async def test_not_even_the_owner_changes_the_log_by_mistake(
    database: Database, dsn: str, tmp_path: Path, table: str
) -> None:
    await filled(database, tmp_path)
    raw = await asyncpg.connect(dsn)
    for kind, statement in changes(table):
        if (kind, table) in ALLOWED:
            continue
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await raw.execute(statement)
    await raw.close()


async def test_the_role_of_the_service_does_its_work_and_cannot_change_the_log(
    database: Database, dsn: str, tmp_path: Path
) -> None:
    """With the rights that docs/operations.md gives it, and no others."""
    house = await filled(database, tmp_path)
    name = f"recorder_{uuid4().hex}"
    raw = await asyncpg.connect(dsn)
    assert GRANTS is not None
    await raw.execute(f"CREATE ROLE {name}; {GRANTS[1].replace('recorder;', f'{name};')}")
    try:
        await raw.execute(f"SET ROLE {name}")
        for table in TABLES:
            for kind, statement in changes(table):
                if (kind, table) not in ALLOWED:
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await raw.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute("SET session_replication_role = replica")
        # And what the service does, it can.
        inside = LogHouse(cast(Database, OneTransaction(raw)), tmp_path)
        await inside.write(2)
        done = await inside.log().checkpoint()
        assert done.note.size == 8
        async with inside.database.transaction() as conn:
            (newest,) = await audit.page(conn, limit=1)
            assert await audit.forget_personal(conn, [newest.id]) == 3
        await raw.execute("RESET ROLE")
        assert (await house.verify()).found == ()
    finally:
        await raw.execute(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")
        await raw.close()


async def test_entries_are_found_by_what_is_known_of_them_page_after_page(database: Database, tmp_path: Path) -> None:
    house = LogHouse(database, tmp_path)
    await house.write(30)
    async with database.transaction() as conn:
        await audit.append(conn, ENTRY, AT)
    await sequence(database)
    async with database.transaction() as conn:
        first = await audit.page(conn, limit=10)
        second = await audit.page(conn, before=first[-1].seq, limit=10)
        back = await audit.page(conn, after=second[0].seq, limit=10)
        assert [one.seq for one in (*first, *second)] == list(range(30, 10, -1))
        assert back == first
        for wanted, count in (
            (Wanted(actor="anna"), 1),
            (Wanted(actor="u-1"), 30),
            (Wanted(actor=ANNA.name), 30),
            (Wanted(actions=(Action.HOLD_PLACE, Action.HOLD_RELEASE)), 1),
            (Wanted(object="recording:7"), 1),
            (Wanted(outcome=Outcome.REFUSED), 0),
            (Wanted(since=AT, until=AT + timedelta(seconds=1)), 1),
            (Wanted(until=AT), 30),
        ):
            assert len(await audit.page(conn, wanted)) == count, wanted
    assert first[0].fields["object"] == "hold:1"
    assert {one.field: one.value for one in first[0].personal} == {"actor.name": "anna"}
