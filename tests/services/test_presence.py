"""services/presence.py: the dialplan is told that the service is there, and the ledger when it was not."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.domain.absences import Absence
from ari_recorder.domain.errors import AmiNotLive
from ari_recorder.services import presence as presence_module
from ari_recorder.services.presence import NEVER, Lack, Presence
from ari_recorder.storage import absences
from ari_recorder.storage.db import Database
from tests.services.listeners import locked_table

NOW = datetime.now(UTC)


class Pbx:
    """The session's two words that matter here."""

    def __init__(self) -> None:
        self.live = True
        self.told: list[str] = []
        self.refuses = False

    async def set_global(self, name: str, value: str) -> None:
        if self.refuses:
            raise AmiNotLive(action="Setvar", address="127.0.0.1:1")
        assert name == "ARI_RECORDER_HEARTBEAT"
        self.told.append(value)


class House:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.pbx = database, folder, Pbx()

    def presence(self, seconds: float = 0.05) -> Presence:
        presence = Presence(
            ami=cast("AmiSession", self.pbx), database=self.database, folder=self.folder, heartbeat_seconds=seconds
        )
        presence.load()
        return presence

    async def kept(self, presence: Presence) -> tuple[Absence, ...]:
        """As the ledger finds them after the last words of the job."""
        stop = asyncio.Event()
        stop.set()
        await presence.store(stop)
        return await self.stored()

    async def stored(self) -> tuple[Absence, ...]:
        async with self.database.transaction() as conn:
            return await absences.between(conn, NEVER, datetime.now(UTC) + timedelta(days=1))


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def _nothing() -> None:
    """There are no sounds to look at."""


async def beating(presence: Presence, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(presence.beat(able=lambda: True, ours=lambda: True, look=_nothing))
    async with asyncio.timeout(10):
        while not until():  # noqa: ASYNC110 - a list that another task lengthens
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_before_the_first_start_nobody_was_there(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    assert await house.kept(presence) == (Absence(since=NEVER, until=NOW, because="the service was not there yet"),)


async def test_however_it_ended_the_next_run_knows_since_when(house: House) -> None:
    first = house.presence()
    first.back(datetime.now(UTC))
    began = datetime.now(UTC)
    await beating(first, lambda: len(house.pbx.told) >= 3)
    ended = datetime.now(UTC)  # killed: nothing was stored, and nobody said goodbye
    second = house.presence()
    until = datetime.now(UTC) + timedelta(seconds=1)
    second.back(until)
    _, one = await house.kept(second)
    assert one.until == until
    assert began - timedelta(milliseconds=2) <= one.since <= ended
    assert one.because == "the service did not run"


async def test_one_killed_before_it_could_store_takes_no_absence_with_it(house: House) -> None:
    first = house.presence()
    first.back(NOW)
    await beating(first, lambda: len(house.pbx.told) >= 1)  # and killed
    second = house.presence()
    second.back(datetime.now(UTC))
    before, between = await house.kept(second)
    assert (before.since, before.until) == (NEVER, NOW)
    assert between.because == "the service did not run"


async def test_a_session_that_is_lost_is_an_absence_until_the_resync_is_through(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    presence.lost(NOW + timedelta(seconds=5), "reset by peer")
    presence.lost(NOW + timedelta(seconds=7), "refused")  # nobody was there anyway
    presence.back(NOW + timedelta(seconds=9))
    before, one = await house.kept(presence)
    assert before.since == NEVER
    assert one == Absence(since=NOW + timedelta(seconds=5), until=NOW + timedelta(seconds=9), because="reset by peer")


async def test_who_lacks_two_things_is_back_when_both_are(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    after = [NOW + timedelta(seconds=n) for n in range(6)]
    presence.lost(after[1], "the journal hung", Lack.JOURNAL)
    presence.lost(after[2], "reset by peer")
    presence.back(after[3], Lack.JOURNAL)
    assert [one.over for one in presence.newest()] == [True, False]
    presence.back(after[4])
    _, one = await house.kept(presence)
    assert one == Absence(since=after[1], until=after[4], because="the journal hung")


async def test_who_could_do_nothing_was_not_there_in_that_time(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    after = [NOW + timedelta(seconds=n) for n in range(6)]
    presence.was_away(after[1], after[2], "busy")
    presence.was_away(after[2], after[3], "busy")  # goes on from there
    presence.lost(after[4], "reset by peer")
    presence.was_away(after[4], after[5], "busy")  # nobody was there anyway
    _, busy, lost = presence.newest()
    assert busy == Absence(since=after[1], until=after[3], because="busy")
    assert (lost.since, lost.because, lost.over) == (after[4], "reset by peer", False)


async def test_a_program_without_the_processor_was_not_there(house: House) -> None:
    presence = house.presence()
    presence.back(datetime.now(UTC))
    began = datetime.now(UTC)

    async def held_up() -> None:
        if len(house.pbx.told) == 1:
            asyncio.get_running_loop().call_later(0.02, time.sleep, 0.8)

    task = asyncio.create_task(presence.beat(able=lambda: True, ours=lambda: True, look=held_up))
    async with asyncio.timeout(10):
        while len(house.pbx.told) < 3:  # noqa: ASYNC110 - a list that another task lengthens
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    _, *pauses = presence.newest()
    assert [one.because for one in pauses] == ["the service did not get the processor"]
    assert began < pauses[0].since < pauses[0].until < datetime.now(UTC)
    assert pauses[0].until - pauses[0].since > timedelta(seconds=0.5)


async def test_until_it_is_known_what_was_missed_the_net_records(house: House) -> None:
    presence = house.presence()
    await beating(presence, lambda: len(house.pbx.told) >= 2)
    assert set(house.pbx.told) == {"0"}
    house.pbx.told.clear()
    presence.back(datetime.now(UTC))
    await beating(presence, lambda: len(house.pbx.told) >= 2)
    assert "0" not in house.pbx.told


async def test_one_that_goes_on_is_known_and_grows(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    lost_at = datetime.now(UTC)
    presence.lost(lost_at, "reset by peer")
    _, one = await house.kept(presence)
    _, longer = await house.kept(presence)
    assert one.since == longer.since == lost_at
    assert lost_at < one.until < longer.until


async def test_what_the_database_does_not_take_is_kept_until_it_does(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    async with locked_table(house.database, "absence"):
        stop = asyncio.Event()
        stop.set()
        await presence.store(stop)
    assert await house.stored() == ()
    assert [one.until for one in await house.kept(presence)] == [NOW]


async def test_a_heartbeat_that_does_not_arrive_is_none(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    await beating(presence, lambda: len(house.pbx.told) >= 1)
    before = (house.folder / "presence").read_text()
    for change in ("refuses", "live"):
        setattr(house.pbx, change, change == "refuses")
        await presence.tell("1", ours=lambda: True)
        assert (house.folder / "presence").read_text() == before
        house.pbx.refuses, house.pbx.live = False, True
    await presence.tell("1", ours=lambda: False)
    assert (house.folder / "presence").read_text() == before
    await presence.tell("1", ours=lambda: True)
    assert (house.folder / "presence").read_text() != before


async def test_what_stands_in_the_file_and_is_no_time_is_as_if_there_was_nothing(house: House) -> None:
    for text in (
        "",
        "soon",
        "1e400",
        "{}",
        '{"heartbeat": "2026-11-27", "over": []}',
        '{"heartbeat": null, "over": 1}',
    ):
        (house.folder / "presence").write_text(text)
        presence = house.presence()
        presence.back(NOW)
        assert (await house.kept(presence))[0].since == NEVER


async def test_it_tells_at_once_when_the_pbx_is_there_again(house: House) -> None:
    presence = house.presence(seconds=60)
    task = asyncio.create_task(presence.beat(able=lambda: True, ours=lambda: True, look=_nothing))
    async with asyncio.timeout(5):
        while not house.pbx.told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        presence.back(NOW)
        while len(house.pbx.told) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_is_not_able_lets_the_net_record(house: House) -> None:
    presence = house.presence()
    presence.back(NOW)
    task = asyncio.create_task(presence.beat(able=lambda: False, ours=lambda: True, look=_nothing))
    async with asyncio.timeout(5):
        while not house.pbx.told:  # noqa: ASYNC110 - another task
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert set(house.pbx.told) == {"0"}


async def test_a_disk_that_hangs_holds_up_no_heartbeat(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_module, "_PATIENCE", timedelta(seconds=0.1))
    flows = threading.Event()

    def hanging(path: Path, data: bytes) -> int:
        assert flows.wait(30)
        return len(data)

    monkeypatch.setattr(Path, "write_bytes", hanging)
    presence = house.presence()
    presence.back(NOW)

    async def sounds() -> None:
        await asyncio.to_thread(flows.wait, 30)

    task = asyncio.create_task(presence.beat(able=lambda: True, ours=lambda: True, look=sounds))
    async with asyncio.timeout(10):
        while len(house.pbx.told) < 4:  # noqa: ASYNC110 - another task
            await asyncio.sleep(0.01)
    flows.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
