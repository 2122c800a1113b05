"""services/activations.py: a queue is recorded by a decision, which is kept with everything that was so before."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.activations import Approval
from ari_recorder.services import connect_service
from ari_recorder.services.activations import adopt, recorded_at
from ari_recorder.storage.db import Database
from tests.command import ari
from tests.site import QUEUE, open_keyring, prepare
from tests.test_audit_events import actions

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def approval(number: int) -> Approval:
    return Approval(
        approved_by=f"HR {number}/2026", approved_on=date(2026, 10, number), staff_informed_on=date(2026, 10, 20)
    )


async def by_day(database: Database, service: str = "pbx1") -> list[Mapping[str, str]]:
    """On each of the first days: which queue, by which document."""
    found: list[Mapping[str, str]] = []
    for n in range(5):
        rows = await recorded_at(database, NOW + n * DAY)
        found.append({row.queue: row.approval.approved_by for row in rows if row.service == service})
    return found


async def test_a_decision_is_kept_with_all_before_it(database: Database) -> None:
    for n, configured in enumerate(
        (
            {"advice": approval(1)},
            {"advice": approval(1), "dental": approval(2)},
            {"advice": approval(3), "dental": approval(2)},
            {"dental": approval(2)},
        )
    ):
        for _ in range(2):  # a restart changes nothing
            await adopt(database, "pbx1", configured, NOW + n * DAY)
    await adopt(database, "pbx2", {"advice": approval(4)}, NOW + DAY)  # and neither does another PBX's service
    assert await by_day(database) == [
        {"advice": "HR 1/2026"},
        {"advice": "HR 1/2026", "dental": "HR 2/2026"},
        {"advice": "HR 3/2026", "dental": "HR 2/2026"},
        {"dental": "HR 2/2026"},
        {"dental": "HR 2/2026"},
    ]
    assert await actions(database) == ["queue:activate"] * 3 + ["queue:end", "queue:activate"]


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM queue_activation",
        "TRUNCATE queue_activation",
        "UPDATE queue_activation SET approved_by = 'another'",
        "UPDATE queue_activation SET ended_at = now(), approved_on = '2020-01-01'",
        "UPDATE queue_activation SET ended_at = NULL",
    ],
)
async def test_what_was_decided_cannot_be_changed_afterwards(database: Database, statement: str) -> None:
    await adopt(database, "pbx1", {"advice": approval(1), "dental": approval(2)}, NOW)
    await adopt(database, "pbx1", {"advice": approval(1)}, NOW + DAY)
    with pytest.raises(asyncpg.PostgresError, match="never changed"):
        async with database.transaction() as conn:
            await conn.execute(statement)


async def test_whoever_asks_is_told_as_it_is_and_as_it_was(site: Config, database: Database) -> None:
    assert (await ari("queues", "--json", "--config", site.source)).json["queues"] == []
    await connect_service.audit_start(site, database, open_keyring(site))
    now = await ari("queues", "--json", "--config", site.source)
    ((queue, approved),) = [(one["queue"], one["approval"]) for one in now.json["queues"]]
    assert (queue, approved) == (
        QUEUE,
        {"approved_by": "HR 14/2026", "approved_on": "2026-01-12", "staff_informed_on": "2026-01-26"},
    )
    assert "HR 14/2026" in (await ari("queues", "--config", site.source)).out
    before = await ari("queues", "--json", "--day", "2026-01-27", "--config", site.source)
    assert before.json["queues"] == []
