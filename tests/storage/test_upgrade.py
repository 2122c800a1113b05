"""From every earlier version of the tables to the newest: what was in them is in them, and nothing stops it halfway."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ari_recorder.domain.audit import Actor
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.holds import HoldTerms
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.db import Database
from ari_recorder.storage.migrate import migrate, missing, shipped
from ari_recorder.vault.files import VaultFiles
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, at
from tests.storage.calls_for_tests import BEGAN

ALL = shipped()
NEWEST = len(ALL)
# What a house has after a day, in the order of references.
TABLES: tuple[str, ...] = ("call", "recording", "hold", "keeping", "policy", "audit_entry", "audit_node", "audit_head")
TABLES += ("account", "credential")
# From these migrations on there are accounts and decisions of calls; from that one on, decisions are of recordings.
ACCOUNTS, DECISIONS, SECOND_PERSON = 6, 3, 13
SARI = Actor.operator("sari")
PERSON = UUID(int=5)

Rows = Mapping[str, Sequence[str]]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        yield conn
    finally:
        await conn.close()


@pytest.fixture
async def written(database: Database, dsn: str, tmp_path: Path) -> Rows:
    """What today's program writes: calls, recordings, one of them held, the audit log; and somebody who may log in."""
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    house = House(database, files.folder, keyring=keyring_in(tmp_path, BEGAN.date()))
    await house.policies.adopt(BEGAN)
    ordinary, held = at(BEGAN), at(BEGAN, flagged=True)
    await house.store(ordinary, held)
    review_on = datetime(2027, 6, 1, tzinfo=UTC).date()
    terms = HoldTerms(reason="A threat.", reference="1/26", owner="Sari", review_on=review_on)
    await house.holds().place([held.recordings[0].id], terms, SARI)
    await sequence(database)
    async with connected(dsn) as conn, conn.transaction():
        await conn.execute(
            "INSERT INTO account (id, kind, state, name, full_name, language, created_at, credential, owner_confirmed)"
            " VALUES ($1, 'person', 'active', 'sari', 'Sari', 'fi', $2, $1, true)",
            PERSON,
            BEGAN,
        )
        await conn.execute(
            "INSERT INTO credential (account_id, password_hash, password_set_at, totp_secret, totp_set_at, last_step)"
            " VALUES ($1, 'x', $2, '\\x01', $2, 7)",
            PERSON,
            BEGAN,
        )
        return {table: await rows_of(conn, table, "*") for table in TABLES}


async def rows_of(conn: Any, table: str, columns: str) -> list[str]:
    told = await conn.fetch(f"SELECT to_jsonb(given)::text AS row FROM (SELECT {columns} FROM {table}) AS given")  # noqa: S608
    return sorted(row["row"] for row in told)


async def fill(conn: Any, rows: Rows) -> dict[str, str]:
    """As a program of that version has it: in the columns it knew. Which these are, by table."""
    known: dict[str, str] = {}
    await conn.execute("SET session_replication_role = replica")  # rows as they are, without what triggers add
    for table in TABLES:
        there = await conn.fetch(
            """
            SELECT attname FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            """,
            table,
        )
        today = json.loads(rows[table][0])
        if names := [row["attname"] for row in there if row["attname"] in today]:
            known[table] = columns = ", ".join(names)
            await conn.execute(f"DELETE FROM {table}")  # noqa: S608
            insert = f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
            taken = f"SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::jsonb)"  # noqa: S608
            await conn.executemany(f"{insert} {taken}", [(row,) for row in rows[table]])
    await conn.execute("SET session_replication_role = origin")
    return known


@pytest.mark.parametrize("number", range(1, NEWEST))
async def test_what_an_earlier_version_wrote_is_there_after_the_upgrade(
    written: Rows, empty_dsn: str, number: int
) -> None:
    flagged = [row["id"] for row in map(json.loads, written["call"]) if row["flagged"]]
    async with Database(empty_dsn) as old:
        await migrate(old, ALL[:number])
        async with connected(empty_dsn) as conn:
            known = await fill(conn, written)
            if DECISIONS <= number < SECOND_PERSON:
                await conn.execute(
                    "UPDATE call SET decision = 'hold', decided_at = now(), decided_by = 'x' WHERE flagged"
                )
            if ACCOUNTS <= number < SECOND_PERSON:
                await conn.execute(
                    "INSERT INTO invitation (token_hash, account_id, made_at, expires_at)"
                    " VALUES ('\\x01', $1, now(), now() + interval '1 hour')",
                    PERSON,
                )
        assert await missing(old) == NEWEST - number
        assert await migrate(old) == tuple(one.name for one in ALL[number:])
        async with connected(empty_dsn) as conn:
            for table, columns in known.items():
                names = columns.split(", ")
                expected = sorted(json.dumps(pick(row, names), sort_keys=True) for row in written[table])
                found = await rows_of(conn, table, columns)
                assert sorted(json.dumps(pick(row, names), sort_keys=True) for row in found) == expected, table
        async with old.transaction() as conn:
            stored = await recordings.find(conn, recordings.Filters())
            of_calls = await calls.get(conn, [one.call_id for one in stored])
            assert len(stored) == len(of_calls) == len(written["recording"])
            assert all(one.kept_from == one.started_at and one.wrapped_key for one in stored)
            decided = {str(one.call_id) for one in stored if one.decided}
            assert decided == (set(flagged) if DECISIONS <= number < SECOND_PERSON else set())
            apart = (
                "SELECT count(*) FROM recording JOIN call ON call.id = call_id WHERE recording.flagged <> call.flagged"
            )
            assert await conn.fetchval(apart) == 0
            if "account" in known:
                assert await conn.fetchval("SELECT owner_confirmed FROM account WHERE id = $1", PERSON)
            agents = await conn.fetchval("SELECT count(DISTINCT recording_id) FROM recording_agent")
            assert agents == (len(stored) if number < 11 else 0)  # from then on a trigger writes them with the row


def pick(row: str, names: Sequence[str]) -> dict[str, object]:
    fields = json.loads(row)
    return {name: fields[name] for name in names}


async def test_stopped_between_any_two_it_goes_on_from_there(empty_dsn: str) -> None:
    """The migration behind each cannot be carried out, as when the disk is full; then it can."""
    for done, following in enumerate(ALL):
        broken = replace(following, sql=f"{following.sql};\nSELECT 1 / 0")
        async with Database(empty_dsn) as database:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await migrate(database, (*ALL[:done], broken))
            if done:
                assert await missing(database) == NEWEST - done
            assert await migrate(database, ALL[: done + 1]) == (following.name,)
    async with Database(empty_dsn) as database:
        assert await migrate(database) == ()
