"""services/listenings.py: the purpose first, then exactly the bytes asked for, and every one of them on record."""

import asyncio
import inspect
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ari_recorder.config import Config
from ari_recorder.domain import ranges
from ari_recorder.domain.accounts import Principal, Role
from ari_recorder.domain.errors import (
    DatabaseSlow,
    HoldTextRefused,
    KeyDestroyed,
    KeyringLocked,
    ListeningOver,
    ListeningUnknown,
    PermissionMissing,
    PurposeRefused,
    RecordingErased,
    RecordingUnknown,
    SessionOver,
    Unavailable,
)
from ari_recorder.domain.listening import IDLE, LONGEST, TOLD_AFTER, Listening, Purpose, Why
from ari_recorder.domain.ranges import Span
from ari_recorder.services import listenings as service
from ari_recorder.storage import erasing, listenings, recordings
from ari_recorder.storage.db import Database, Limits
from ari_recorder.storage.listenings import Heard
from tests.services.listeners import WHY, House, all_of, locked_table, person
from tests.site import LENGTH, Recorded, prepare, record

CHUNK = 4096


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@dataclass
class Playing:
    """A house with one recording, and one who may hear it."""

    house: House
    recorded: Recorded
    who: Principal
    audio: bytes
    got: bytes = b""

    async def begin(self) -> Listening:
        return await self.house.listenings.begin(self.who, self.recorded.recording_id, WHY)

    async def hear(self, listening: Listening, wanted: str | None = None) -> bytes:
        async with self.house.listenings.part(listening.id, self.house.again(self.who), wanted=wanted) as part:
            return await all_of(part)

    async def hear_while(self, listening: Listening, something: Callable[[], object]) -> None:
        """All of it into `got`, and something happens after each chunk."""
        self.got = b""
        async with self.house.listenings.part(listening.id, self.house.again(self.who)) as part:
            async for chunk in part.chunks:
                self.got += chunk
                if inspect.isawaitable(happens := something()):
                    await happens

    async def heard(self) -> Heard:
        async with self.house.database.transaction() as conn:
            (one,) = await listenings.of_recording(conn, self.recorded.recording_id)
        return one

    async def erase(self) -> None:
        async with self.house.database.transaction() as conn:
            await erasing.begin_erasing(conn, [self.recorded.recording_id], "its time is up", datetime.now(UTC))

    async def log(self) -> list[dict[str, Any]]:
        """What the audit log says, in order."""
        async with self.house.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf FROM audit_pending ORDER BY place")
        return [json.loads(row["leaf"]) for row in rows]


@pytest.fixture
async def playing(site: Config, database: Database, monkeypatch: pytest.MonkeyPatch) -> Playing:
    monkeypatch.setattr(service, "CHUNK_BYTES", CHUNK)
    house = House.of(site, database)
    recorded = await record(site, database)
    async with database.transaction() as conn:
        row = await recordings.get(conn, recorded.recording_id)
    assert row is not None
    assert row.path is not None
    assert row.wrapped_key is not None
    audio = house.audio(row.path, row.wrapped_key, row.id)
    assert len(audio) > 3 * CHUNK
    return Playing(house=house, recorded=recorded, who=person(), audio=audio)


# --- the purpose


async def test_the_purpose_is_on_record_before_anything_is_opened(playing: Playing) -> None:
    files = playing.house.vault.files.folder
    for file in files.rglob("*.sealed"):
        file.unlink()  # nothing can be opened
    listening = await playing.begin()
    (entry,) = await playing.log()
    assert (entry["action"], entry["because"], entry["outcome"]) == ("recording:play", "quality", "ok")
    assert entry["object"] == f"recording:{playing.recorded.recording_id}"
    assert entry["facts"] == {"listening": str(listening.id), "reference": "CASE-7"}
    assert (entry["actor"]["id"], entry["actor"]["role"]) == (str(playing.who.user_id), "supervisor")


@pytest.mark.parametrize(
    "why",
    [
        Why(purpose=Purpose.OTHER),
        Why(purpose=Purpose.OTHER, text="  short   "),
        Why(purpose=Purpose.QUALITY, text="x" * 501),
        Why(purpose=Purpose.QUALITY, text="a\x07b"),
        Why(purpose=Purpose.QUALITY, reference="'; DROP TABLE"),
    ],
)
async def test_a_purpose_that_says_nothing_is_refused(playing: Playing, why: Why) -> None:
    with pytest.raises((PurposeRefused, HoldTextRefused)):
        await playing.house.listenings.begin(playing.who, playing.recorded.recording_id, why)
    assert await playing.log() == []


async def test_what_was_said_in_words_is_sealed_with_the_call(playing: Playing) -> None:
    why = Why(purpose=Purpose.OTHER, text="The caller asks what was agreed on")
    await playing.house.listenings.begin(playing.who, playing.recorded.recording_id, why)
    text_id = (await playing.heard()).text_id
    assert text_id is not None
    async with playing.house.database.transaction() as conn:
        row = await conn.fetchrow("SELECT sealed, key_name FROM call_text WHERE id = $1", text_id)
    assert row is not None
    assert b"caller" not in row["sealed"]
    assert row["key_name"].startswith("day-")
    (entry,) = await playing.log()
    assert "caller" not in json.dumps(entry)


# --- who


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.AUDITOR])
async def test_who_has_no_right_to_listen_does_not(playing: Playing, role: Role) -> None:
    with pytest.raises(PermissionMissing):
        await playing.house.listenings.begin(person(role), playing.recorded.recording_id, WHY)


async def test_the_recording_of_another_unit_is_not_there(playing: Playing) -> None:
    for who in (person(queues=("dental",)), person(queues=())):
        with pytest.raises(RecordingUnknown) as refused:
            await playing.house.listenings.begin(who, playing.recorded.recording_id, WHY)
        with pytest.raises(RecordingUnknown) as unknown:
            await playing.house.listenings.begin(who, uuid4(), WHY)
        assert refused.value.code == unknown.value.code


async def test_an_adviser_hears_the_own_calls_only(playing: Playing) -> None:
    mine = person(Role.ADVISER, interfaces=("PJSIP/1001",))
    await playing.house.listenings.begin(mine, playing.recorded.recording_id, WHY)
    for other in ("PJSIP/1002", "PJSIP/10", "1001"):
        with pytest.raises(RecordingUnknown):
            await playing.house.listenings.begin(
                person(Role.ADVISER, interfaces=(other,)), playing.recorded.recording_id, WHY
            )


async def test_a_listening_is_of_one_person_in_one_session(playing: Playing) -> None:
    listening = await playing.begin()
    for other in (person(), replace(playing.who, session_id="another"), replace(playing.who, user_id=uuid4())):
        with pytest.raises(ListeningUnknown):
            async with playing.house.listenings.part(listening.id, playing.house.again(other)):
                pass
        with pytest.raises(ListeningUnknown):
            await playing.house.listenings.peaks(listening.id, playing.house.again(other))
        with pytest.raises(ListeningUnknown):
            await playing.house.listenings.close(listening.id, other)


# --- the bytes


async def test_all_of_it_comes_in_small_chunks(playing: Playing) -> None:
    listening = await playing.begin()
    async with playing.house.listenings.part(listening.id, playing.house.again(playing.who)) as part:
        chunks = [chunk async for chunk in part.chunks]
    assert isinstance(part.asked, ranges.Whole)
    assert (part.media_type, part.size) == ("audio/flac", len(playing.audio))
    assert max(map(len, chunks)) <= CHUNK
    assert b"".join(chunks) == playing.audio
    assert playing.audio.startswith(b"fLaC")


async def test_ranges_give_their_slice(playing: Playing) -> None:
    listening = await playing.begin()
    size = len(playing.audio)
    for _ in range(60):
        first, last = sorted(random.sample(range(size), 2))
        assert await playing.hear(listening, f"bytes={first}-{last}") == playing.audio[first : last + 1]
    assert await playing.hear(listening, "bytes=-7") == playing.audio[-7:]
    assert await playing.hear(listening, f"bytes={size}-") == b""


async def test_ten_thousand_ranges_of_the_opened_recording_are_slices(playing: Playing, site: Config) -> None:
    async with playing.house.database.transaction() as conn:
        row = await recordings.get(conn, playing.recorded.recording_id)
    assert row is not None
    assert row.path is not None
    assert row.wrapped_key is not None
    chance, size = random.Random(7), len(playing.audio)
    with playing.house.vault.open_recording(row.path, row.wrapped_key, row.id) as opened:
        assert opened.size == size
        for _ in range(10_000):
            first, last = chance.randrange(size + 10), chance.randrange(size + 10)
            header = chance.choice((f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"))
            match ranges.asked(header, size):
                case Span(first=begin, end=end):
                    expected = playing.audio[begin:end]
                    assert opened.read(begin, end - begin) == expected
                    assert len(expected) == end - begin


async def test_a_range_of_another_version_is_answered_with_all(playing: Playing) -> None:
    listening = await playing.begin()
    async with playing.house.listenings.part(
        listening.id, playing.house.again(playing.who), wanted="bytes=0-9", if_range='"x"'
    ) as part:
        assert isinstance(part.asked, ranges.Whole)
    async with playing.house.listenings.part(
        listening.id, playing.house.again(playing.who), wanted="bytes=0-9", if_range=part.etag
    ) as part:
        assert part.asked == Span(first=0, end=10)


async def test_the_waveform_of_both_sides_is_there(playing: Playing) -> None:
    listening = await playing.begin()
    peaks = await playing.house.listenings.peaks(listening.id, playing.house.again(playing.who))
    assert len(peaks) == 2 * LENGTH / timedelta(milliseconds=50)
    assert set(peaks) <= set(range(55, 70))  # tones of a quarter of full scale


# --- the record


async def test_what_was_sent_is_what_is_on_record(playing: Playing) -> None:
    listening = await playing.begin()
    await playing.hear(listening, "bytes=0-99")
    await playing.hear(listening, "bytes=100-199")
    await playing.hear(listening, "bytes=5000-5999")
    await playing.hear(listening, "bytes=50-59")
    heard = await playing.heard()
    assert heard.ranges == ((0, 200), (5000, 6000))
    assert heard.bytes == 1210
    await playing.house.listenings.close(listening.id, playing.who)
    _, played = await playing.log()
    assert (played["action"], played["because"]) == ("recording:played", "quality")
    assert played["facts"] == {
        "listening": str(listening.id),
        "ranges": ["0-199", "5000-5999"],
        "bytes": 1210,
        "of": len(playing.audio),
    }
    assert played["actor"]["id"] == str(playing.who.user_id)


async def test_a_chunk_is_on_record_before_it_is_sent(playing: Playing) -> None:
    listening = await playing.begin()
    sent = 0
    async with playing.house.listenings.part(listening.id, playing.house.again(playing.who)) as part:
        async for chunk in part.chunks:
            sent += len(chunk)
            heard = await playing.heard()
            assert heard.ranges == ((0, sent),)
            if sent > 2 * CHUNK:
                break  # the listener has gone
    assert (await playing.heard()).bytes == sent
    assert sent < len(playing.audio)


async def test_what_a_crash_left_is_told_by_the_next_look(playing: Playing) -> None:
    listening = await playing.begin()
    await playing.hear(listening, "bytes=0-99")
    assert await playing.house.listenings.run_once() == 0  # perhaps there is more to come
    playing.house.clocks.ahead += TOLD_AFTER + timedelta(seconds=1)
    assert await playing.house.listenings.run_once() == 1
    assert await playing.house.listenings.run_once() == 0
    assert [entry["action"] for entry in await playing.log()] == ["recording:play", "recording:played"]
    await playing.hear(listening, "bytes=100-199")  # it goes on
    playing.house.clocks.ahead += IDLE + timedelta(seconds=1)
    assert await playing.house.listenings.run_once() == 1
    assert [entry["facts"].get("ranges") for entry in await playing.log()] == [None, ["0-99"], ["100-199"]]
    with pytest.raises(ListeningOver):
        await playing.hear(listening)
    async with playing.house.database.transaction() as conn:
        assert await conn.fetchval("SELECT actor IS NULL FROM listening")


async def test_two_lookers_tell_it_once(playing: Playing) -> None:
    listening = await playing.begin()
    await playing.hear(listening)
    playing.house.clocks.ahead += IDLE + timedelta(minutes=1)
    told = await asyncio.gather(*(playing.house.listenings.run_once() for _ in range(4)))
    assert sum(told) == 1
    assert [entry["action"] for entry in await playing.log()] == ["recording:play", "recording:played"]


async def test_two_listen_at_once_and_each_is_on_record(playing: Playing) -> None:
    other = replace(playing, who=person(Role.PRIVACY_OFFICER))
    mine, theirs = await playing.begin(), await other.begin()
    heard = await asyncio.gather(
        playing.hear(mine, "bytes=0-9999"), other.hear(theirs, "bytes=5000-"), playing.hear(mine, "bytes=9000-11999")
    )
    assert heard[0] == playing.audio[:10000]
    assert heard[1] == playing.audio[5000:]
    async with playing.house.database.transaction() as conn:
        rows = {one.id: one for one in await listenings.of_recording(conn, playing.recorded.recording_id)}
    assert rows[mine.id].ranges == ((0, 12000),)
    assert rows[mine.id].bytes == 13000
    assert rows[theirs.id].ranges == ((5000, len(playing.audio)),)


# --- it ends


async def test_nothing_is_heard_after_the_end(playing: Playing) -> None:
    listening = await playing.begin()
    await playing.house.listenings.close(listening.id, playing.who)
    await playing.house.listenings.close(listening.id, playing.who)
    with pytest.raises(ListeningOver):
        await playing.hear(listening)
    again = await playing.begin()
    playing.house.clocks.ahead += IDLE + timedelta(seconds=1)
    with pytest.raises(ListeningOver):
        await playing.hear(again)
    late = await playing.begin()
    async with playing.house.database.transaction() as conn:
        await conn.execute("UPDATE listening SET begun_at = begun_at - $1::interval", LONGEST)
    with pytest.raises(ListeningOver):
        await playing.hear(late)


async def test_a_log_out_stops_the_stream(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    listening = await playing.begin()
    with pytest.raises(SessionOver):
        await playing.hear_while(listening, lambda: playing.house.now.update({playing.who.session_id: None}))
    assert playing.got == playing.audio[:CHUNK]
    with pytest.raises(SessionOver):
        await playing.hear(listening)


@pytest.mark.parametrize("how", ["no-right", "other-unit"])
async def test_a_right_that_ends_stops_the_stream(playing: Playing, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    listening = await playing.begin()
    less = {
        "no-right": replace(playing.who, grants=()),
        "other-unit": replace(playing.who, units={"service": frozenset({"dental"})}),
    }
    with pytest.raises((PermissionMissing, RecordingUnknown)):
        await playing.hear_while(listening, lambda: playing.house.now.update({playing.who.session_id: less[how]}))
    assert playing.got == playing.audio[:CHUNK]
    del playing.house.now[playing.who.session_id]
    with pytest.raises(ListeningOver):  # a right that comes back is asked for its purpose again
        await playing.hear(listening)
    assert (await playing.log())[-1]["facts"]["ranges"] == [f"0-{CHUNK - 1}"]


async def test_a_session_is_asked_for_again_while_it_streams(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = await playing.begin()
    await playing.hear(listening)
    assert playing.house.asked == 1
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    await playing.hear(listening)
    assert playing.house.asked == 1 + -(-len(playing.audio) // CHUNK)


async def test_erasing_ends_a_listening_with_the_next_chunk(playing: Playing) -> None:
    listening = await playing.begin()
    with pytest.raises(RecordingErased):
        await playing.hear_while(listening, playing.erase)
    assert playing.got == playing.audio[:CHUNK]
    with pytest.raises(RecordingErased):
        await playing.hear(listening)
    with pytest.raises(RecordingErased):
        await playing.begin()
    async with playing.house.database.transaction() as conn:
        assert await conn.fetchval("SELECT ended_because FROM listening") == "recording-gone"


async def test_a_day_key_that_goes_ends_a_listening_with_the_next_chunk(playing: Playing) -> None:
    listening = await playing.begin()
    (name,) = (one for one in playing.house.keyring.names() if one.startswith("day-"))
    with pytest.raises(KeyDestroyed):
        await playing.hear_while(listening, lambda: playing.house.keyring.destroy(name))
    assert playing.got == playing.audio[:CHUNK]


async def test_a_locked_keyring_plays_nothing(playing: Playing) -> None:
    listening = await playing.begin()
    with pytest.raises(KeyringLocked):
        await playing.hear_while(listening, playing.house.keyring.lock)
    assert playing.got == playing.audio[:CHUNK]
    for refused in (playing.begin(), playing.hear(listening)):
        with pytest.raises(KeyringLocked):
            await refused
    assert issubclass(KeyringLocked, Unavailable)


# --- the database is away


@pytest.fixture
async def hasty(dsn: str) -> Any:
    limits = Limits(acquire=0.3, statement=0.3, release=0.2, transaction=0.6)
    async with Database(dsn, limits=limits) as opened:
        yield opened


@pytest.mark.parametrize("table", ["audit_pending", "listening", "recording"])
async def test_a_locked_log_or_table_lets_no_byte_out(
    playing: Playing, hasty: Database, database: Database, table: str
) -> None:
    listening = await playing.begin()
    playing.house.database = hasty
    async with locked_table(database, table):
        with pytest.raises(DatabaseSlow):
            await playing.begin()
        with pytest.raises(DatabaseSlow):
            async with playing.house.listenings.part(listening.id, playing.house.again(playing.who)):
                raise AssertionError("a part was given")
    playing.house.database = database
    assert (await playing.heard()).bytes == 0


async def test_a_database_that_goes_away_stops_the_stream(
    playing: Playing, hasty: Database, database: Database
) -> None:
    listening = await playing.begin()
    playing.house.database = hasty
    async with (
        playing.house.listenings.part(listening.id, playing.house.again(playing.who)) as part,
        locked_table(database, "listening"),
    ):
        assert await anext(part.chunks) == playing.audio[:CHUNK]  # on record before
        with pytest.raises(Unavailable):
            await anext(part.chunks)
