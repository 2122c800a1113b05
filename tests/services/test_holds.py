import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ari_recorder.config import Mail
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import CallState
from ari_recorder.domain.errors import (
    CallNotOver,
    FreezeClosed,
    FreezeUnknown,
    HoldReleased,
    HoldTextRefused,
    HoldUnknown,
    KeyringLocked,
    NotFlagged,
    RecordingErased,
    RecordingUnknown,
    ReleaseDestroys,
    ReviewDateRefused,
)
from ari_recorder.domain.retention import StoredState
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.mail import Post
from ari_recorder.services.remind import Reminders
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.keyring_for_tests import keyring_in
from tests.services.house import PERSON, RULES, House, at
from tests.storage.calls_for_tests import BEGAN

DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)
TERMS = HoldTerms(
    reason="Threatened to come by with a knife.",
    reference="5530/R/1/26",
    owner="Sari Supervisor",
    review_on=date(2027, 11, 1),
)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files.folder, keyring=keyring_in(tmp_path, date(2026, 11, 23)))


async def sweep_at(house: House, now: datetime) -> int:
    house.clocks.time = now
    return (await house.sweep().run_once()).erased


async def test_what_is_held_outlives_its_period_and_the_key_of_its_day(house: House) -> None:
    held, other = at(BEGAN, parts=2), at(BEGAN)
    await house.store(held, other)
    view = await house.holds().place([held.recordings[0].id], TERMS, Actor.operator("sari"))
    assert set(view.recordings) == {recording.id for recording in held.recordings}, "a call is held as a whole"
    row = await house.row(held.recordings[1].id)
    assert row.key_name == "hold-1"
    assert house.keyring is not None
    house.keyring.destroy("day-2026-11-23")
    assert await sweep_at(house, DUE + timedelta(days=400)) == 1
    assert [await house.plays(recording) for recording in (*held.recordings, *other.recordings)] == [True, True, False]
    assert await house.caller(held.id) == PERSON


async def test_a_released_hold_lets_go_and_everything_goes_back_under_its_day(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    view = await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
    (fate,) = await house.holds().preview_release(view.hold.id)
    assert (fate.destroyed_on, fate.because, fate.at_once) == (date(2027, 2, 24), "P3M of queue advice", False)
    assert await house.holds().release(view.hold.id, Actor.operator("olli")) == (fate,)
    assert (await house.row(call.recordings[0].id)).key_name == "day-2026-11-23"
    assert await house.plays(call.recordings[0])
    assert await house.caller(call.id) == PERSON
    assert await sweep_at(house, DUE) == 1


async def test_releasing_what_is_overdue_shows_first_and_wants_a_yes(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    view = await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
    assert await sweep_at(house, DUE + timedelta(days=30)) == 0
    (fate,) = await house.holds().preview_release(view.hold.id)
    assert (fate.destroyed_on, fate.at_once) == (date(2027, 3, 26), True)
    with pytest.raises(ReleaseDestroys, match="1 recordings"):
        await house.holds().release(view.hold.id, Actor.operator("olli"))
    assert await sweep_at(house, DUE + timedelta(days=30)) == 0
    assert await house.plays(call.recordings[0])
    await house.holds().release(view.hold.id, Actor.operator("olli"), yes=True)
    assert await sweep_at(house, DUE + timedelta(days=30)) == 1
    with pytest.raises(HoldReleased, match="2027-03-26"):
        await house.holds().release(view.hold.id, Actor.operator("olli"))


async def test_of_several_that_keep_the_last_one_counts(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    ids = [call.recordings[0].id]
    one = await house.holds().place(ids, TERMS, Actor.operator("sari"))
    other = await house.holds().place(ids, replace(TERMS, reference="2"), Actor.operator("sari"))
    freeze = await house.holds().open_freeze(ids, "2026-77", Actor.operator("olli"))
    house.clocks.time = DUE
    (fate,) = await house.holds().preview_release(one.hold.id)
    assert (fate.destroyed_on, fate.at_once) == (None, False)
    await house.holds().release(one.hold.id, Actor.operator("olli"))
    await house.holds().close_freeze(freeze.freeze.id, Actor.operator("olli"))
    assert await sweep_at(house, DUE) == 0
    assert (await house.row(ids[0])).key_name == "hold-1"
    await house.holds().release(other.hold.id, Actor.operator("olli"), yes=True)
    assert await sweep_at(house, DUE) == 1


async def test_a_freeze_keeps_until_the_request_is_closed(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    view = await house.holds().open_freeze([call.recordings[0].id], "2026-77", Actor.operator("olli"))
    assert await sweep_at(house, DUE) == 0
    assert await house.plays(call.recordings[0])
    (fate,) = await house.holds().preview_close(view.freeze.id)
    assert fate.at_once
    with pytest.raises(ReleaseDestroys):
        await house.holds().close_freeze(view.freeze.id, Actor.operator("olli"))
    await house.holds().close_freeze(view.freeze.id, Actor.operator("olli"), yes=True)
    with pytest.raises(FreezeClosed):
        await house.holds().close_freeze(view.freeze.id, Actor.operator("olli"))
    assert await sweep_at(house, DUE) == 1
    with pytest.raises(FreezeUnknown):
        await house.holds().preview_close(uuid4())


async def test_what_cannot_be_held_is_refused_and_changes_nothing(house: House) -> None:
    gone, running, there = at(BEGAN), replace(at(BEGAN), state=CallState.TALKING), at(BEGAN + timedelta(days=1))
    await house.store(gone, running, there)
    async with house.database.transaction() as conn:
        await conn.execute("UPDATE recording SET keeps = keeps WHERE id = $1", running.recordings[0].id)
    with pytest.raises(CallNotOver):
        await house.holds().place([running.recordings[0].id], TERMS, Actor.operator("sari"))
    assert await sweep_at(house, DUE) == 2
    holds = house.holds()
    for wanted, refusal in (
        (gone.recordings[0].id, RecordingErased),
        (uuid4(), RecordingUnknown),
    ):
        with pytest.raises(refusal):
            await holds.place(
                [there.recordings[0].id, wanted], replace(TERMS, review_on=date(2027, 12, 1)), Actor.operator("sari")
            )
    for terms, wrong in (
        (replace(TERMS, reason=" "), HoldTextRefused),
        (replace(TERMS, owner=""), HoldTextRefused),
        (replace(TERMS, reference="<b>"), HoldTextRefused),
        (replace(TERMS, review_on=date(2028, 3, 1)), ReviewDateRefused),
        (replace(TERMS, review_on=date(2027, 2, 24)), ReviewDateRefused),
    ):
        with pytest.raises(wrong):
            await holds.place([there.recordings[0].id], terms, Actor.operator("sari"))
    with pytest.raises(HoldUnknown):
        await holds.extend(uuid4(), date(2027, 12, 1), Actor.operator("sari"))
    assert await holds.list_holds(ended=True) == ()
    assert (await house.row(there.recordings[0].id)).key_name == "day-2026-11-24"


async def test_with_the_keyring_locked_nothing_is_held_and_nothing_let_go(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    ids = [call.recordings[0].id]
    view = await house.holds().place(ids, TERMS, Actor.operator("sari"))
    assert house.keyring is not None
    house.keyring.lock()
    with pytest.raises(KeyringLocked):
        await house.holds().place(ids, TERMS, Actor.operator("sari"))
    with pytest.raises(KeyringLocked):
        await house.holds().open_freeze(ids, "2026-77", Actor.operator("olli"))
    with pytest.raises(KeyringLocked):
        await house.holds().release(view.hold.id, Actor.operator("olli"))
    house.keyring.unlock(root_key=house.vault.parent / "root.key")
    (listed,) = await house.holds().list_holds()
    assert (listed.hold.released_at, listed.reason) == (None, TERMS.reason)
    assert len(await house.holds().list_freezes(ended=True)) == 0


async def test_a_dump_of_the_database_shows_no_reason(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
    async with house.database.transaction() as conn:
        rows = await conn.fetch("SELECT hold::text FROM hold")
    assert TERMS.reference in rows[0][0]
    assert TERMS.reason.encode().hex() not in rows[0][0]
    assert "knife" not in rows[0][0]


async def test_what_was_written_about_a_hold_goes_with_its_last_recording(house: House) -> None:
    call = at(BEGAN, parts=2)
    await house.store(call)
    ids = [recording.id for recording in call.recordings]
    view = await house.holds().place(ids, TERMS, Actor.operator("sari"))
    freeze = await house.holds().open_freeze(ids, "2026-77", Actor.operator("olli"))
    await house.holds().release(view.hold.id, Actor.operator("olli"))
    await house.holds().close_freeze(freeze.freeze.id, Actor.operator("olli"))
    assert (await house.holds().list_holds(ended=True))[0].reason == TERMS.reason
    await sweep_at(house, DUE)
    (listed,) = await house.holds().list_holds(ended=True)
    assert (listed.reason, listed.hold.reference, listed.hold.owner) == (None, "", "")
    assert (await house.holds().list_freezes(ended=True))[0].freeze.reference == ""


async def test_an_extended_hold_has_a_new_review_day(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    view = await house.holds().place([call.recordings[0].id], TERMS, Actor.operator("sari"))
    with pytest.raises(ReviewDateRefused):
        await house.holds().extend(view.hold.id, date(2027, 11, 25), Actor.operator("sari"))
    house.clocks.time = DUE
    assert (await house.holds().extend(view.hold.id, date(2028, 2, 1), Actor.operator("sari"))).review_on == date(
        2028, 2, 1
    )
    assert (await house.holds().list_holds())[0].hold.review_on == date(2028, 2, 1)


async def test_a_supervisor_decides_on_a_flagged_call(house: House) -> None:
    threat, joke, plain = at(BEGAN, flagged=True), at(BEGAN, flagged=True), at(BEGAN)
    await house.store(threat, joke, plain)
    listed = await house.holds().review()
    assert [one.destroyed_on for one in listed] == [date(2027, 3, 10)] * 2
    await house.holds().decide_hold(threat.recordings[0].id, TERMS, Actor.operator("sari"))
    (fate,) = await house.holds().decide_no_threat(joke.recordings[0].id, Actor.operator("sari"))
    assert fate.destroyed_on == date(2027, 2, 24)
    with pytest.raises(NotFlagged):
        await house.holds().decide_no_threat(plain.recordings[0].id, Actor.operator("sari"))
    assert await house.holds().review() == ()
    assert await sweep_at(house, DUE) == 2
    assert await house.plays(threat.recordings[0])
    assert not await house.plays(joke.recordings[0])


async def test_no_threat_in_the_days_of_grace_shows_first_and_wants_a_yes(house: House) -> None:
    call = at(BEGAN, parts=2, flagged=True)
    await house.store(call)
    one = call.recordings[0].id
    assert await sweep_at(house, DUE + timedelta(days=3)) == 0
    assert [fate.at_once for fate in await house.holds().preview_no_threat(one)] == [True, True]
    with pytest.raises(ReleaseDestroys, match="2 recordings"):
        await house.holds().decide_no_threat(one, Actor.operator("sari"))
    assert len(await house.holds().review()) == 1, "nothing was decided"
    assert await sweep_at(house, DUE + timedelta(days=3)) == 0
    await house.holds().decide_no_threat(one, Actor.operator("sari"), yes=True)
    assert await sweep_at(house, DUE + timedelta(days=3)) == 2


async def test_reminders_come_once_a_day_from_whoever_is_first(
    house: House, logged: list[MutableMapping[str, Any]]
) -> None:
    flagged, held = at(BEGAN, flagged=True), at(BEGAN)
    await house.store(flagged, held)
    view = await house.holds().place([held.recordings[0].id], TERMS, Actor.operator("sari"))
    policy = await house.policies.adopt(BEGAN)

    async def told(now: datetime) -> list[str]:
        logged.clear()
        for _ in range(2):
            await asyncio.gather(*(Reminders(house.database, Post(Mail(), "fi")).remind(policy, now) for _ in range(2)))
        return [f"{line['alarm']} {line['subject']} {line['urgency']}" for line in logged if line["event"] == "alarm"]

    flag = f"flag-undecided {flagged.recordings[0].id}"
    assert await told(BEGAN) == []
    assert await told(DUE - timedelta(days=10)) == [f"{flag} notice"]
    assert await told(DUE - timedelta(days=9)) == []
    assert await told(DUE + timedelta(hours=1)) == [f"{flag} urgent"]
    assert await told(DUE + timedelta(days=13)) == [f"{flag} final"]
    assert await told(datetime(2027, 10, 5, 12, tzinfo=UTC)) == [f"hold-review {view.hold.id} notice"]
    assert await told(datetime(2027, 11, 3, 12, tzinfo=UTC)) == [f"hold-review {view.hold.id} urgent"]


# --- races


async def test_hold_and_deletion_never_both_succeed(house: House) -> None:
    """Many rounds, started together, in both orders of locking: whoever is first, the other hears of it."""
    outcomes = []
    for turn in range(40):
        call = at(BEGAN)
        await house.store(call)
        house.clocks.time = DUE
        recording = call.recordings[0]

        async def hold(turn: int = turn, recording_id: UUID = recording.id) -> bool:
            await asyncio.sleep((turn % 8) * 0.015)
            try:
                await house.holds().place(
                    [recording_id], replace(TERMS, review_on=date(2027, 12, 1)), Actor.operator("sari")
                )
            except RecordingErased:
                return False
            return True

        held, swept = await asyncio.gather(hold(), house.sweep().run_once())
        state = (await house.row(recording.id)).state
        assert (state is StoredState.SEALED) == held, f"held {held}, and is {state}"
        assert await house.plays(recording) == held
        assert swept.erased == (not held)
        outcomes.append(held)
    assert 0 < sum(outcomes) < len(outcomes), "one of them always won: this was no race"


async def test_two_who_hold_and_two_who_release_at_once(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    ids = [call.recordings[0].id]
    views = await asyncio.gather(*(house.holds().place(ids, TERMS, Actor.operator("sari")) for _ in range(4)))
    async with house.database.transaction() as conn:
        assert await conn.fetchval("SELECT keeps FROM recording WHERE id = $1", ids[0]) == 4

    async def release() -> bool:
        try:
            await house.holds().release(views[0].hold.id, Actor.operator("olli"))
        except HoldReleased:
            return False
        return True

    assert sorted(await asyncio.gather(*(release() for _ in range(4)))) == [False, False, False, True]
    async with house.database.transaction() as conn:
        assert await conn.fetchval("SELECT keeps FROM recording WHERE id = $1", ids[0]) == 3


async def test_the_rules_of_the_house_are_those_of_the_tests(house: House) -> None:
    assert (await house.policies.in_force()).rules == RULES
