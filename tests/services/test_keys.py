"""services/keys.py: day keys are there before their day, and it is told when they will not be."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.keys import DAYS_AHEAD, KeySupply, days_left
from ari_recorder.vault.keyring import Keyring
from tests.keyring_for_tests import keyring_in

# 23:30 in Helsinki, where it is summer: UTC is a day behind for half an hour more.
NOW = datetime(2026, 7, 31, 20, 30, tzinfo=UTC)
TODAY = date(2026, 7, 31)


def alarms(lines: object) -> list[tuple[str, str]]:
    assert isinstance(lines, list)
    return [(line["alarm"], line["subject"]) for line in lines if line["event"] == "alarm"]


async def test_today_and_the_next_31_days_of_helsinki_have_keys(tmp_path: Path) -> None:
    ring = keyring_in(tmp_path, TODAY)
    supply = KeySupply(ring, LaterEntries(tmp_path / "audit"))
    await supply.fill(NOW)
    assert ring.public.days() == {TODAY + timedelta(days=ahead) for ahead in range(32)}
    assert days_left(ring.public, NOW) == 32
    await supply.fill(NOW + timedelta(minutes=31))
    assert days_left(ring.public, NOW + timedelta(minutes=31)) == DAYS_AHEAD + 1


async def test_locked_it_says_so_once_when_fewer_than_seven_days_are_left(tmp_path: Path) -> None:
    ring = keyring_in(tmp_path, TODAY)
    supply = KeySupply(ring, LaterEntries(tmp_path / "audit"))
    await supply.fill(NOW)
    ring.lock()
    with structlog.testing.capture_logs() as lines:
        for day in range(40):
            await supply.fill(NOW + timedelta(days=day))
    assert alarms(lines) == [("keyring-locked", "6-days")]


async def test_a_keyring_that_cannot_be_written_is_told_and_ends_nothing(tmp_path: Path) -> None:
    ring = keyring_in(tmp_path, TODAY)
    (tmp_path / "keys").rename(tmp_path / "away")
    with structlog.testing.capture_logs() as lines:
        await KeySupply(ring, LaterEntries(tmp_path / "audit")).fill(NOW)
    assert alarms(lines) == [("keyring-locked", "0-days")]


async def test_an_unlocked_keyring_is_filled_at_once(tmp_path: Path) -> None:
    keyring_in(tmp_path)
    ring = Keyring.open(tmp_path / "keys")
    supply = KeySupply(ring, LaterEntries(tmp_path / "audit"))
    stop = asyncio.Event()
    running = asyncio.create_task(supply.run(stop))
    await asyncio.sleep(0.05)
    assert len(ring.public.days()) == 1
    ring.unlock(root_key=tmp_path / "root.key")
    supply.wake()
    async with asyncio.timeout(5):
        while len(ring.public.days()) < DAYS_AHEAD + 1:  # noqa: ASYNC110 - made in a thread
            await asyncio.sleep(0.01)
    stop.set()
    await running


async def test_days_with_a_gap_count_up_to_the_gap(tmp_path: Path) -> None:
    ring = keyring_in(tmp_path, TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=3))
    assert days_left(ring.public, NOW) == 2
    assert days_left(ring.public, NOW - timedelta(days=1)) == 0
