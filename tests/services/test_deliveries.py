"""Deliveries: no file is left that no live link stands behind, whatever ends what when."""

import asyncio
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.deliveries import LOST_AFTER, DeliveryState
from ari_recorder.domain.errors import DeliveryBusy, DeliveryOver, DeliveryPassphraseWrong
from ari_recorder.services import connect_service, deliveries, delivery_sending
from ari_recorder.services.delivery_sending import DeliverySending
from ari_recorder.services.export_sending import Sending
from ari_recorder.services.login import Where
from ari_recorder.storage import exports, promises
from ari_recorder.storage.db import Database
from ari_recorder.vault import delivered
from ari_recorder.vault.delivered import Deliveries as Files
from tests.deliveries import deliver
from tests.services.listeners import Time
from tests.site import open_keyring, prepare, record

WHERE = Where(address="192.0.2.7", request_id="r-1", device="")
HOUR = timedelta(hours=1)


class House:
    def __init__(self, site: Config, database: Database) -> None:
        self.site, self.database, self.clocks = site, database, Time()
        self.files = Files(site.storage.deliveries)
        self.desk = deliveries.of(site, database, open_keyring(site), self.clocks)
        self.sending = DeliverySending(
            database=database, files=self.files, keyring=open_keyring(site), deliveries=self.desk, clocks=self.clocks
        )

    def on_disk(self) -> list[str]:
        folder = self.site.storage.deliveries
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    async def state(self) -> DeliveryState:
        (one,) = await self.desk.listed_all()
        return one.state


@pytest.fixture
def house(tmp_path: Path, dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(delivery_sending, "_PIECE", 16 << 10)  # several, of a small package
    site = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    open_keyring(site)
    return House(site, database)


# Killed there: before the file, in the middle of it, when it is whole and nobody knows it, when it is known.
KILLED = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from ari_recorder import config
from ari_recorder.services import delivery_making
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from tests.deliveries import deliver

where, source, dsn, recording = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), 9)

async def main():
    told = lambda done: die() if where == "middle" and done > 0.5 else None
    if where == "whole":
        delivery_making.copy_of = die
    async with Database(dsn) as database:
        await deliver(config.load(Path(source)), database, UUID(recording), now=lambda: datetime.now(UTC), told=told)
    die()

asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["middle", "whole", "known"])
async def test_killed_while_it_is_made_nothing_readable_is_left(house: House, dsn: str, where: str) -> None:
    recorded = await record(house.site, house.database)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, where, str(house.site.source), dsn, str(recorded.recording_id)
    )
    assert await process.wait() == -9
    (name,) = house.on_disk()
    data = (house.site.storage.deliveries / name).read_bytes()
    assert b"RIFF" not in data
    assert b"package.json" not in data
    assert str(recorded.recording_id).encode() not in data
    await house.desk.run_once()
    assert house.on_disk() == [name]  # it may be one that is being made
    if where == "known":
        assert await house.state() is DeliveryState.WAITING
        house.clocks.ahead = timedelta(days=7)
        await house.desk.run_once()
        assert await house.state() is DeliveryState.EXPIRED
    else:
        assert await house.desk.listed_all() == ()
        house.clocks.ahead = HOUR + timedelta(minutes=5)
        await house.desk.run_once()
    assert house.on_disk() == []
    async with house.database.transaction() as conn:
        assert await exports.of_recordings(conn, [recorded.recording_id]) == ()


async def _begun(house: House) -> Any:
    recorded = await record(house.site, house.database)
    made = await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    sending = await house.sending.begin(made.path.rpartition("/")[2], made.passphrase, "s", WHERE)
    return made, sending


async def test_while_one_is_sent_it_nobody_else_is(house: House) -> None:
    """Whoever comes meanwhile, and who comes in the same moment: one of them is sent it."""
    recorded = await record(house.site, house.database)
    made = await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    token = made.path.rpartition("/")[2]
    ways = [house.sending.begin(token, made.passphrase, secret, WHERE) for secret in ("a", "b")]
    found = await asyncio.gather(*ways, return_exceptions=True)
    sent = [one for one in found if isinstance(one, Sending)]
    assert [type(one) for one in found if one not in sent] == [DeliveryOver]
    assert len(sent) == 1
    mine = "ab"[found.index(sent[0])]
    first = await anext(sent[0].chunks)
    with pytest.raises(DeliveryBusy):
        await house.sending.begin(token, made.passphrase, mine, WHERE)
    rest = [piece async for piece in sent[0].chunks]
    assert len(first) + sum(map(len, rest)) == made.size_bytes
    assert (await house.state(), house.on_disk()) == (DeliveryState.DELIVERED, [])


async def test_what_the_service_did_not_live_to_end_is_over_after_an_hour(house: House) -> None:
    """As after a kill: nobody sends any more, and nobody says so."""
    _, sending = await _begun(house)
    await anext(sending.chunks)
    assert len(house.on_disk()) == 1
    house.clocks.ahead = LOST_AFTER
    await house.desk.run_once()
    assert (await house.state(), len(house.on_disk())) == (DeliveryState.OPENED, 1)
    house.clocks.ahead = HOUR
    assert await house.desk.run_once() == 1
    assert (await house.state(), house.on_disk()) == (DeliveryState.BROKEN_OFF, [])
    with pytest.raises(DeliveryOver):
        await anext(sending.chunks)  # should it live after all, nothing more goes out


async def test_killed_between_the_end_and_the_file_the_next_look_removes_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sending = await _begun(house)

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(house.desk, "remove", killed)
        with pytest.raises(asyncio.CancelledError):
            async for _ in sending.chunks:
                pass
    assert (await house.state(), len(house.on_disk())) == (DeliveryState.DELIVERED, 1)
    await house.desk.run_once()
    assert house.on_disk() == []


async def test_a_file_that_cannot_be_removed_is_told_and_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    recorded = await record(house.site, house.database)
    await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    house.clocks.ahead = timedelta(days=7)

    def fails(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(Files, "remove", fails)
        await house.desk.run_once()
    assert [one["alarm"] for one in logged if one["event"] == "alarm"][:1] == [AlarmCode.ERASE_FAILED.value]
    assert len(house.on_disk()) == 1
    await house.desk.run_once()
    assert house.on_disk() == []


async def test_it_goes_with_its_recordings(house: House) -> None:
    """With the sweep itself, not a minute later: what is called destroyed is nowhere."""
    old = await record(house.site, house.database, started_at=datetime.now(UTC) - timedelta(days=200))
    made = await deliver(house.site, house.database, old.recording_id, now=house.clocks.now)
    await connect_service.sweep(house.site, house.database, open_keyring(house.site)).run_once()
    assert house.on_disk() == []
    with pytest.raises(DeliveryOver):
        await house.sending.begin(made.path.rpartition("/")[2], made.passphrase, "s", WHERE)
    assert await house.state() is DeliveryState.GONE
    assert await house.desk.run_once() == 1
    (one,) = await house.desk.listed_all()
    assert one.ended_at is not None


async def test_a_package_whose_file_is_lost_is_gone(house: House) -> None:
    recorded = await record(house.site, house.database)
    made = await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    house.files.path(made.delivery_id).unlink()
    with pytest.raises(DeliveryOver):
        await house.sending.begin(made.path.rpartition("/")[2], made.passphrase, "s", WHERE)
    await house.desk.run_once()
    assert await house.state() is DeliveryState.GONE


async def test_a_package_that_waits_breaks_no_promise(house: House) -> None:
    """It is no copy in clear, and given out with receiver and reason."""
    _, sending = await _begun(house)
    async with house.database.transaction() as conn:
        assert (await promises.exports_without_reason(conn)).count == 0
    async for _ in sending.chunks:
        pass


async def test_no_file_opens_with_another_passphrase_or_under_another_name(house: House) -> None:
    recorded = await record(house.site, house.database)
    first = await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    second = await deliver(house.site, house.database, recorded.recording_id, now=house.clocks.now)
    assert house.files.open(first.delivery_id, second.passphrase) is None
    os.replace(house.files.path(first.delivery_id), house.files.path(second.delivery_id))
    assert house.files.open(second.delivery_id, first.passphrase) is None
    with pytest.raises(DeliveryPassphraseWrong):
        await house.sending.begin(second.path.rpartition("/")[2], first.passphrase, "s", WHERE)


def test_a_file_that_cannot_be_made_whole_is_not_there(tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield bytes(100_000)
        raise OSError(28, "No space left on device")

    files = delivered.Deliveries(tmp_path / "deliveries")
    with pytest.raises(OSError, match="No space"):
        files.seal(blocks(), "p", uuid4())
    assert list((tmp_path / "deliveries").iterdir()) == []
