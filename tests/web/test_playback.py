"""Audio over HTTP with real sessions, rights and a real database: it stops when the right to it does, and no byte of it
leaves that is not on record.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.services import listenings as service
from ari_recorder.storage import listenings
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from ari_recorder.web import cookies
from tests.services.listeners import locked_table
from tests.services.people import OPERATOR, PASSWORD
from tests.site import record
from tests.storage.test_db import frozen
from tests.web.house import House, Visitor, open_house

CHUNK = 4096
WHO = Role.SUPERVISOR.value


@dataclass
class Player:
    house: House
    visitor: Visitor
    session: str
    recording: str
    audio: str
    size: int

    async def hear(self) -> int:
        """How many bytes arrive until it ends, one way or the other."""
        got = 0
        headers = {"Cookie": f"{cookies.SESSION}={self.session}"}
        try:
            async with self.visitor.http.get(self.house.address + self.audio, headers=headers) as answer:
                async for chunk in answer.content.iter_any():
                    got += len(chunk) if answer.status == 200 else 0
        except aiohttp.ClientError:
            pass
        return got


@pytest.fixture
async def player(house: House, monkeypatch: pytest.MonkeyPatch) -> Player:
    monkeypatch.setattr(service, "CHUNK_BYTES", CHUNK)
    return await begin(house)


async def begin(house: House) -> Player:
    recorded = await record(house.site.config, house.site.database)
    visitor = await house.visitor(WHO)
    recording = f"/recordings/{recorded.recording_id}"
    got = await visitor.post(f"{recording}/listenings", {"purpose": "quality"})
    assert got.status == 303, got.text
    audio = f"{got.headers['Location']}/audio"
    head = await visitor.ask("HEAD", audio)
    size = int(head.headers["Content-Length"])
    assert size > 4 * CHUNK
    session = visitor.kept[cookies.SESSION]
    return Player(house=house, visitor=visitor, session=session, recording=recording, audio=audio, size=size)


async def _log_out(player: Player) -> None:
    assert (await player.visitor.post("/log-out")).status == 303


async def _end_right(player: Player) -> None:
    (held,) = await player.house.people.rights.list_rights(WHO)
    await player.house.people.rights.end(held.right.grant.id, "the task has ended", OPERATOR)


async def _disable(player: Player) -> None:
    await player.house.people.accounts.disable(WHO, "has left", OPERATOR)


async def _reset(player: Player) -> None:
    await player.house.people.accounts.reset(WHO, "the phone is lost", OPERATOR)


async def _other_unit(player: Player) -> None:
    await player.house.people.rights.set_unit("advice", frozenset({"dental"}), "other work", OPERATOR)


async def _password(player: Player) -> None:
    other = await player.house.visitor(WHO)
    form = {"old": PASSWORD, "password": "another row of words 93", "again": "another row of words 93"}
    assert (await other.post("/account/password", form)).status == 303


async def _idle(player: Player) -> None:
    player.house.people.watch.go(minutes=31)


ENDS: tuple[Callable[[Player], Awaitable[None]], ...] = (
    _log_out,
    _end_right,
    _disable,
    _reset,
    _other_unit,
    _password,
    _idle,
)


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: ends.__name__.strip("_"))
async def test_what_ends_a_right_stops_what_is_being_heard(
    player: Player, ends: Callable[[Player], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens after the second chunk. How often is looked: CHECK_EVERY, here always."""
    assert service.CHECK_EVERY <= 30
    assert await player.hear() == player.size
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    grants = 0
    real = listenings.grant

    async def counted(*given: Any) -> str | None:
        nonlocal grants
        grants += 1
        name = await real(*given)
        if grants == 2:
            happening.set()
        return name

    happening = asyncio.Event()

    async def happens() -> None:
        await happening.wait()
        await ends(player)

    # The chunk that is on record goes out; what happens is done before the next one is asked for.
    done = asyncio.create_task(happens())
    monkeypatch.setattr(listenings, "grant", counted)
    check = service.Listenings._check

    async def after(self: service.Listenings, heard: Any) -> Any:
        if happening.is_set():
            await done
        return await check(self, heard)

    monkeypatch.setattr(service.Listenings, "_check", after)
    assert await player.hear() == 2 * CHUNK
    monkeypatch.setattr(listenings, "grant", real)
    assert await player.hear() == 0
    player.visitor.kept[cookies.SESSION] = player.session
    for path in (player.audio, player.audio.replace("/audio", "/peaks"), player.audio.removesuffix("/audio")):
        got = await player.visitor.get(path, Range="bytes=0-9")
        assert got.status in (401, 403, 404, 409), path


async def test_asking_how_long_it_is_is_not_listening(player: Player) -> None:
    """Nothing was decrypted for HEAD, so nothing is on record."""
    async with player.house.site.database.transaction() as conn:
        assert await conn.fetchval("SELECT sum(untold_bytes + sent_bytes) FROM listening") == 0


@pytest.mark.parametrize("table", ["audit_pending", "session"])
async def test_with_a_table_locked_the_answer_is_503_and_no_byte_of_audio(player: Player, table: str) -> None:
    async with locked_table(player.house.site.database, table):
        for path in (player.audio, player.audio.replace("/audio", "/peaks"))[: 2 if table == "audit_pending" else 1]:
            began = time.monotonic()
            got = await player.visitor.get(path)
            assert (got.status, got.headers["Content-Type"][:9]) == (503, "text/html"), path
            assert time.monotonic() - began < 5
        if table == "session":
            return  # who asks is not known: the same for all
        began = time.monotonic()
        assert (await player.visitor.post(f"{player.recording}/listenings", {"purpose": "quality"})).status == 503
        assert time.monotonic() - began < 5
    assert await player.hear() == player.size


async def test_with_the_database_frozen_the_answer_is_503_and_no_byte_of_audio(tmp_path: Path) -> None:
    """The page is back when the database is."""
    server = EmbeddedPostgres(tmp_path / "own" / "database", tmp_path / "own" / "logs")
    await server.start()
    try:
        async with Database(server.dsn) as database:
            await migrate(database)
            async with open_house(tmp_path, database) as house:
                player = await begin(house)
                with frozen(server):
                    began = time.monotonic()
                    got = await player.visitor.get(player.audio)
                    assert (got.status, got.headers["Content-Type"][:9]) == (503, "text/html")
                    assert time.monotonic() - began < 5
                assert await player.hear() == player.size
    finally:
        await server.stop()
