"""Entries are there with the change they tell of, and nobody changes them."""

from datetime import UTC, datetime

import pytest

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import HoldUnknown
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database

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
