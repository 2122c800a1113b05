import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.calls import Call, CallState
from ari_recorder.domain.ledger import LedgerState, Reason, Verdict
from ari_recorder.domain.recordings import RecordingState
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage import calls, erasing, recordings, searching
from ari_recorder.storage.calls import Personal, StoredCall
from ari_recorder.storage.db import Database
from ari_recorder.storage.searching import Wanted
from tests.storage.calls_for_tests import BEGAN, CALLER, discarded, discarding, finished_call, sealed_recording

NOW = BEGAN + timedelta(minutes=2)


async def store(
    database: Database,
    call: Call,
    personal: Personal | None = CALLER,
    state: LedgerState = LedgerState.RECORDED,
    reason: Reason = Reason.NONE,
) -> None:
    async with database.transaction() as conn:
        await calls.upsert(conn, call, personal, state, reason, timedelta(seconds=60), NOW)


async def stored(database: Database, call: Call) -> StoredCall:
    async with database.transaction() as conn:
        return (await calls.get(conn, [call.id]))[call.id]


async def everything(database: Database) -> list[str]:
    """All rows as text, to compare before and after."""
    async with database.transaction() as conn:
        rows = await conn.fetch(
            """
            SELECT call::text AS row FROM call UNION ALL SELECT recording::text FROM recording
            UNION ALL SELECT recording_agent::text FROM recording_agent ORDER BY 1
            """
        )
    return [row["row"] for row in rows]


async def test_a_call_is_stored_with_all_that_is_known_of_it(database: Database) -> None:
    call = finished_call(sealed_recording())
    await store(database, call)
    found = await stored(database, call)
    assert found == StoredCall(
        id=call.id,
        system_name=call.system_name,
        uniqueid=call.uniqueid,
        linkedid=call.linkedid,
        state=call.state,
        number=call.number,
        queue=call.queue,
        first_seen_at=call.first_seen_at,
        joined_at=call.joined_at,
        connected_at=call.connected_at,
        ended_at=call.ended_at,
        refused_at=None,
        abandoned=False,
        end_reason=call.end_reason,
        hold_time=timedelta(seconds=19),
        talk_time=timedelta(seconds=60),
        members=call.members,
        marks=call.marks,
        evidence=call.evidence,
        evidence_problem="",
        flagged=True,
        verdict=Verdict(state=LedgerState.RECORDED, reason=Reason.NONE),
        personal=CALLER,
        forgotten_at=None,
    )


async def test_a_call_without_anything_is_stored_too(database: Database) -> None:
    bare = Call(
        id=uuid4(), system_name="", uniqueid=finished_call().uniqueid, linkedid="", channel="", first_seen_at=BEGAN
    )
    await store(database, bare, None, LedgerState.PENDING, Reason.UNDER_WAY)
    assert (await stored(database, bare)).state is CallState.ANNOUNCING


async def test_storing_a_call_twice_changes_nothing(database: Database) -> None:
    call = finished_call(sealed_recording(), sealed_recording(2), discarded(sealed_recording(3)))
    await store(database, call)
    once = await everything(database)
    assert len(once) == 10, "a call, three recordings, and two words for the agent of each"
    await store(database, call)
    assert await everything(database) == once


async def test_an_older_snapshot_that_comes_late_changes_nothing(database: Database) -> None:
    final = finished_call(sealed_recording(), discarded(sealed_recording(2)))
    second = final.recordings[1]
    older = [
        replace(final, state=CallState.TALKING, ended_at=None, end_reason=None),
        replace(final, marks=()),
        replace(final, members=(replace(final.members[0], talk_time=None),)),
        replace(final, recordings=final.recordings[:1]),
        replace(final, recordings=(final.recordings[0], discarding(sealed_recording(2)))),
        replace(final, recordings=(replace(final.recordings[0], state=RecordingState.CLOSED), second)),
    ]
    # The same recording as it was before it was destroyed.
    sealed_again = replace(sealed_recording(2), id=second.id)
    older += [
        replace(final, recordings=(final.recordings[0], state)) for state in (sealed_again, discarding(sealed_again))
    ]
    older = [
        replace(call, recordings=tuple(r if r.segment == 1 else replace(r, id=second.id) for r in call.recordings))
        for call in older
    ]
    await store(database, final)
    truth = await everything(database)
    for call in older:
        await store(database, call, replace(CALLER, sealed=b"older"), LedgerState.PENDING, Reason.UNDER_WAY)
        assert await everything(database) == truth


async def test_a_newer_snapshot_replaces_an_older_one(database: Database) -> None:
    final = finished_call(sealed_recording(), sealed_recording(2))
    before = replace(final, state=CallState.TALKING, ended_at=None, recordings=final.recordings[:1], marks=())
    await store(database, before, state=LedgerState.PENDING, reason=Reason.UNDER_WAY)
    await store(database, final)
    found = await stored(database, final)
    assert (found.state, found.marks, found.verdict.state) == (CallState.ENDED, final.marks, LedgerState.RECORDED)
    assert await count(database, StoredState.SEALED) == 2


async def test_a_caller_sealed_anew_to_a_hold_key_is_not_replaced_by_a_late_snapshot(database: Database) -> None:
    final = finished_call(sealed_recording())
    await store(database, final)
    held = Personal(sealed=b"sealed anew", key_name="hold-1")
    async with database.transaction() as conn:
        await conn.execute("UPDATE call SET personal = $1, personal_key_name = $2", held.sealed, held.key_name)
    await store(database, final)
    assert (await stored(database, final)).personal == held


async def count(database: Database, state: StoredState) -> int:
    async with database.transaction() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM recording WHERE state = $1", state))


async def test_many_writers_of_one_call_make_one_row(database: Database) -> None:
    final = finished_call(sealed_recording(), sealed_recording(2))
    before = replace(final, state=CallState.TALKING, recordings=final.recordings[:1])
    await asyncio.gather(*(store(database, call) for call in [before, final] * 8))
    found = await stored(database, final)
    assert found.state is CallState.ENDED
    assert await count(database, StoredState.SEALED) == 2


async def test_a_channel_met_again_under_another_id_is_the_same_call(database: Database) -> None:
    """The journal was lost in mid-call. The recordings come together; what was sealed for the new id is not taken."""
    first = finished_call(sealed_recording())
    again = replace(finished_call(sealed_recording(2), sealed_recording(3)), uniqueid=first.uniqueid)
    await store(database, first)
    await store(database, again, Personal(sealed=b"sealed for another id", key_name="hold-1"))
    found = await stored(database, first)
    assert found.personal == CALLER
    assert await count(database, StoredState.SEALED) == 3
    async with database.transaction() as conn:
        assert await calls.get(conn, [again.id]) == {}


async def test_who_was_not_recorded_is_not_kept(database: Database) -> None:
    call = finished_call(discarded(sealed_recording()))
    await store(database, call, state=LedgerState.NOT_RECORDED, reason=Reason.CALLER_REFUSED)
    assert (await stored(database, call)).personal is None


async def test_a_caller_who_says_no_after_a_part_was_sealed_is_not_kept(database: Database) -> None:
    call = finished_call(sealed_recording())
    (recording,) = call.recordings
    await store(database, call)
    await store(database, replace(call, recordings=(discarding(recording),)))
    async with database.transaction() as conn:
        row = await recordings.get(conn, recording.id)
    assert row is not None
    # The key is gone at once; the path stays until the file is gone too.
    assert (row.state, row.wrapped_key, row.erased_because) == (StoredState.ERASING, None, "refused")
    assert recording.sealed is not None
    assert row.path == recording.sealed.path
    assert (await stored(database, call)).personal is None
    await store(database, replace(call, recordings=(discarded(recording),)))
    async with database.transaction() as conn:
        row = await recordings.get(conn, recording.id)
    assert row is not None
    assert (row.state, row.path, row.sides, row.erased_at) == (StoredState.ERASED, None, None, NOW)


async def test_a_forgotten_call_stays_forgotten(database: Database) -> None:
    call = finished_call(sealed_recording())
    ids = [recording.id for recording in call.recordings]
    await store(database, call)
    assert "outi" in "".join(await everything(database))
    async with database.transaction() as conn:
        assert await calls.forget(conn, [call.id], NOW) == 0, "there is a recording of it"
        await erasing.begin_erasing(conn, ids, "P3M", NOW)
        await erasing.destroy_keys(conn, ids)
        await erasing.bury(conn, {one: ["sealed file"] for one in ids}, NOW)
        assert await calls.forget(conn, [call.id], NOW) == 1
        assert await calls.forget(conn, [call.id], NOW) == 0
    await store(database, call)
    found = await stored(database, call)
    assert (found.personal, found.members, found.marks, found.forgotten_at) == (None, (), (), NOW)
    assert found.flagged
    assert "outi" not in "".join(await everything(database)).lower()
    assert await count(database, StoredState.SEALED) == 0


async def test_the_calls_of_a_day(database: Database) -> None:
    start, end = datetime(2026, 11, 22, 22, tzinfo=UTC), datetime(2026, 11, 23, 22, tzinfo=UTC)
    join = timedelta(seconds=19)  # the calls of these tests wait so long
    on_time = finished_call(sealed_recording(), sealed_recording(2), at=start + join)
    last = finished_call(at=end + join - timedelta(microseconds=1))
    never_joined = replace(finished_call(at=BEGAN), joined_at=None)
    for call in (last, on_time, never_joined, finished_call(at=end + join), finished_call(at=start)):
        await store(database, call)
    async with database.transaction() as conn:
        known = await calls.of_day(conn, start, end)
    assert [call.uniqueid for call in known] == [on_time.uniqueid, never_joined.uniqueid, last.uniqueid]
    assert known[0].recording_ids == tuple(recording.id for recording in on_time.recordings)
    assert known[0].entered_at == on_time.joined_at
    assert known[0].flagged
    assert known[0].verdict == Verdict(state=LedgerState.RECORDED, reason=Reason.NONE)
    assert known[1].recording_ids == ()


@pytest.mark.parametrize("name", ["a\0b", "Ääkkönen 🙂", "'); DROP TABLE call; --", '{"json": [', "\\u0000"])
async def test_no_name_hurts(database: Database, name: str) -> None:
    call = finished_call(sealed_recording())
    call = replace(call, queue=name, linkedid=name, members=(replace(call.members[0], name=name, interface=name),))
    await store(database, call)
    found = await stored(database, call)
    assert found.queue == found.members[0].name == found.members[0].interface == name.replace("\0", "\ufffd")


@pytest.mark.parametrize("before", [LedgerState.PENDING, LedgerState.UNEXPLAINED])
async def test_recordings_are_found_by_what_the_ledger_says_of_their_call_now(
    database: Database, before: LedgerState
) -> None:
    call = finished_call(sealed_recording())
    everywhere = Scope(queues=None, interfaces=None)

    async def found() -> dict[LedgerState, int]:
        async with database.transaction() as conn:
            return {
                state: len(await searching.page(conn, Wanted(ledger=state), everywhere, limit=9))
                for state in (before, LedgerState.RECORDED)
            }

    await store(database, call, state=before)
    assert await found() == {before: 1, LedgerState.RECORDED: 0}
    await store(database, call, state=LedgerState.RECORDED)
    assert await found() == {before: 0, LedgerState.RECORDED: 1}
