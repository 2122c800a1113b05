from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from ari_recorder.domain.calls import Call
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.recordings import EndReason
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.db import Database
from ari_recorder.storage.recordings import Filters, Key, Sides, StoredRecording
from tests.storage.calls_for_tests import BEGAN, CALLER, discarded, finished_call, sealed_recording

NOW = BEGAN + timedelta(minutes=2)


async def store(database: Database, *several: Call) -> None:
    async with database.transaction() as conn:
        for call in several:
            await calls.upsert(conn, call, CALLER, LedgerState.RECORDED, "", timedelta(seconds=60), NOW)


async def found(database: Database, filters: Filters, *, after: Key | None = None, limit: int = 100) -> list[UUID]:
    async with database.transaction() as conn:
        return [row.id for row in await recordings.find(conn, filters, after=after, limit=limit)]


def started(minutes: int, **changes: str) -> Call:
    at = BEGAN + timedelta(minutes=minutes)
    return finished_call(sealed_recording(started_at=at), at=at, **changes)


async def test_a_recording_is_stored_with_all_that_is_known_of_it(database: Database) -> None:
    whole = sealed_recording()
    assert whole.sealed is not None
    facts = replace(whole.sealed, truncated="the spool was lost")
    call = finished_call(replace(whole, sealed=facts))
    (recording,) = call.recordings
    await store(database, call)
    async with database.transaction() as conn:
        assert await recordings.get(conn, recording.id) == StoredRecording(
            id=recording.id,
            call_id=call.id,
            segment=1,
            state=StoredState.SEALED,
            queue="advice",
            started_at=recording.started_at,
            kept_from=recording.started_at,
            ended_at=recording.ended_at,
            started_by=recording.started_by,
            end_reason=EndReason.HANGUP,
            late=False,
            clock_at_start=timedelta(),
            duration=facts.duration,
            sealed_bytes=facts.sealed_bytes,
            sha256=facts.sha256,
            path=facts.path,
            key_name=facts.key_name,
            wrapped_key=bytes.fromhex(facts.wrapped_key),
            truncated_because="the spool was lost",
            sides=Sides(caller=facts.caller, agent=facts.agent),
            erasing_at=None,
            erased_at=None,
            erased_because=None,
        )
        assert await recordings.get(conn, uuid4()) is None


async def test_a_key_is_not_shown(database: Database) -> None:
    call = finished_call(sealed_recording())
    await store(database, call)
    async with database.transaction() as conn:
        row = await recordings.get(conn, call.recordings[0].id)
    assert "wrapped_key" not in repr(row)


async def test_why_it_ended_is_added_when_it_is_known_later(database: Database) -> None:
    call = finished_call(replace(sealed_recording(), end_reason=None))
    await store(database, call)
    await store(
        database, replace(call, recordings=(replace(call.recordings[0], end_reason=EndReason.STOPPED_BY_OTHERS),))
    )
    async with database.transaction() as conn:
        row = await recordings.get(conn, call.recordings[0].id)
    assert row is not None
    assert row.end_reason is EndReason.STOPPED_BY_OTHERS


async def test_they_are_found_by_what_is_asked_for(database: Database) -> None:
    plain = replace(started(0), marks=())
    flagged = started(1)
    other_queue = replace(started(2, queue="dental"), number="0800999999")
    other_agent = started(3)
    other_agent = replace(other_agent, members=(replace(other_agent.members[0], interface="PJSIP/1002"),))
    destroyed = replace(started(4), marks=())
    destroyed = replace(destroyed, recordings=(discarded(destroyed.recordings[0]),))
    everyone = [destroyed, other_agent, other_queue, flagged, plain]
    await store(database, *everyone)
    for filters, expected in (
        (Filters(), everyone),
        (Filters(queue="dental"), [other_queue]),
        (Filters(started_from=BEGAN + timedelta(minutes=3)), [destroyed, other_agent]),
        (Filters(started_before=BEGAN + timedelta(minutes=1)), [plain]),
        (Filters(flagged=True), [other_agent, other_queue, flagged]),
        (Filters(flagged=False), [destroyed, plain]),
        (Filters(state=StoredState.SEALED), [other_agent, other_queue, flagged, plain]),
        (Filters(state=StoredState.ERASED), [destroyed]),
        (Filters(number="0800999999"), [other_queue]),
        (Filters(interface="PJSIP/1002"), [other_agent]),
        (Filters(uniqueid=flagged.uniqueid), [flagged]),
        (Filters(queue="advice", flagged=True, interface="PJSIP/1001"), [flagged]),
        (Filters(queue="' OR true --"), []),
    ):
        assert await found(database, filters) == [call.recordings[0].id for call in expected], filters


async def test_pages_follow_each_other_without_gap_or_repetition(database: Database) -> None:
    # Three of them began in the same moment.
    several = [started(minutes) for minutes in (5, 1, 3, 3, 3, 2, 4)]
    await store(database, *several)
    ids: list[UUID] = []
    after = None
    while True:
        async with database.transaction() as conn:
            page = await recordings.find(conn, Filters(queue="advice"), after=after, limit=2)
        if not page:
            break
        ids += [row.id for row in page]
        after = Key(started_at=page[-1].started_at, id=page[-1].id)
        # What is new comes before the first page, never into a later one.
        await store(database, started(6))
    wanted = sorted((call.recordings[0] for call in several), key=lambda r: (r.started_at, r.id), reverse=True)
    assert ids == [recording.id for recording in wanted]


async def test_the_database_itself_keeps_no_tombstone_with_a_key(database: Database) -> None:
    call = started(0)
    await store(database, call)
    for sql in (
        "UPDATE recording SET state = 'erased', erasing_at = now(), erased_at = now(), erased_because = '',"
        " sides = NULL, path = NULL",
        "UPDATE recording SET state = 'erased', erasing_at = now(), erased_because = '', path = NULL, sides = NULL,"
        " wrapped_key = NULL",
        "UPDATE recording SET wrapped_key = NULL",
        "UPDATE call SET forgotten_at = now()",
    ):
        async with database.transaction() as conn:
            await conn.execute("SAVEPOINT try")
            with pytest.raises(Exception, match="violates check constraint"):
                await conn.execute(sql)
            await conn.execute("ROLLBACK TO try")


async def test_a_recording_stays_in_the_queue_it_was_sealed_in(database: Database) -> None:
    """The call went on to another queue before it was stored; what an older journal tells knows only the call's."""
    told, untold = sealed_recording(1), sealed_recording(2)
    assert told.sealed is not None
    call = finished_call(replace(told, sealed=replace(told.sealed, queue="advice")), untold, queue="dental")
    async with database.transaction() as conn:
        await calls.upsert(conn, call, CALLER, LedgerState.RECORDED, "", timedelta(seconds=60), NOW)
        rows = [await recordings.get(conn, one.id) for one in (told, untold)]
    assert [row.queue for row in rows if row is not None] == ["advice", "dental"]
