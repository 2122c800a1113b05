"""A call that was transferred from the queue of one unit to that of another: each decides on its own part alone."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ari_recorder.config import Mail
from ari_recorder.domain.accounts import EVERYTHING, Grant, Principal, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import HoldUnknown, RecordingUnknown
from ari_recorder.domain.retention import local_day
from ari_recorder.services.accounts import Accounts
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.hold_desk import HoldDesk
from ari_recorder.services.mail import Post
from ari_recorder.services.rights import Rights
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, at
from tests.services.test_holds import DUE, TERMS
from tests.storage.calls_for_tests import BEGAN, sealed_recording

UNITS = {"advice": frozenset({"advice"}), "dental": frozenset({"dental"})}


def supervisor(unit: str) -> Principal:
    day = local_day(BEGAN)
    grant = Grant(id=uuid4(), role=Role.SUPERVISOR, unit=unit, valid_from=day, valid_until=day + timedelta(days=300))
    stepped_up_at = BEGAN
    return Principal(
        user_id=uuid4(),
        name=f"of-{unit}",
        full_name=unit,
        grants=(grant,),
        units=UNITS,
        stepped_up_at=stepped_up_at,
    )


@dataclass
class Desk:
    """Of the call: the first recording was in advice, the second in dental."""

    house: House
    desk: HoldDesk
    first: UUID
    second: UUID

    async def waits(self, who: Principal) -> set[UUID]:
        return {one.call.recording_id for one in await self.desk.review(who)}

    async def row(self, recording_id: UUID) -> tuple[str | None, bool, int]:
        """Under which key, decided, and by how many it is kept."""
        async with self.house.database.transaction() as conn:
            row = await conn.fetchrow(
                "SELECT key_name, decision IS NOT NULL AS decided, keeps FROM recording WHERE id = $1", recording_id
            )
        assert row is not None
        return row["key_name"], row["decided"], row["keeps"]


@pytest.fixture
async def transferred(database: Database, tmp_path: Path) -> Desk:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    house = House(database, files.folder, keyring=keyring_in(tmp_path, date(2026, 11, 23)))
    call = at(BEGAN, flagged=True)
    await house.store(call)
    onward = replace(call, queue="dental", recordings=(sealed_recording(2, BEGAN + timedelta(minutes=1)),))
    await house.store(onward)
    same = {"database": database, "clocks": house.clocks}
    accounts = Accounts(**same)  # type: ignore[arg-type]
    desk = HoldDesk(
        holds=house.holds(),
        approvals=Approvals(**same),  # type: ignore[arg-type]
        rights=Rights(accounts=accounts, **same),  # type: ignore[arg-type]
        post=Post(Mail(), "fi"),
        **same,  # type: ignore[arg-type]
    )
    return Desk(house, desk, call.recordings[0].id, onward.recordings[0].id)


async def test_each_unit_sees_its_own_part_and_a_flag_waits_in_both(transferred: Desk) -> None:
    advice, dental, everywhere = (supervisor(one) for one in ("advice", "dental", EVERYTHING))
    assert await transferred.waits(advice) == {transferred.first}
    assert await transferred.waits(dental) == {transferred.second}
    assert await transferred.waits(everywhere) == {transferred.first, transferred.second}
    _, fates = await transferred.desk.flagged(advice, transferred.first)
    assert {fate.recording_id for fate in fates} == {transferred.first}, "nor what becomes of the other part"
    with pytest.raises(RecordingUnknown):
        await transferred.desk.flagged(advice, transferred.second)


async def test_no_threat_of_one_unit_frees_nothing_of_the_other(transferred: Desk) -> None:
    advice, dental = supervisor("advice"), supervisor("dental")
    fates = await transferred.desk.no_threat(advice, transferred.first, yes=False)
    assert {fate.recording_id for fate in fates} == {transferred.first}
    assert await transferred.waits(advice) == set()
    assert await transferred.waits(dental) == {transferred.second}
    assert [(await transferred.row(one))[1] for one in (transferred.first, transferred.second)] == [True, False]
    # Dental keeps for fourteen days, and fourteen more for a flag nobody decided on.
    transferred.house.clocks.time = BEGAN + timedelta(days=20)
    assert (await transferred.house.sweep().run_once()).erased == 0
    with pytest.raises(RecordingUnknown):
        await transferred.desk.no_threat(advice, transferred.second, yes=True)
    await transferred.desk.no_threat(dental, transferred.second, yes=True)
    assert (await transferred.house.sweep().run_once()).erased == 1
    assert await transferred.waits(supervisor(EVERYTHING)) == set()


async def test_one_unit_holds_its_own_part_and_the_other_goes_its_way(transferred: Desk) -> None:
    advice, dental = supervisor("advice"), supervisor("dental")
    view = await transferred.desk.keep(advice, transferred.first, TERMS)
    assert view.recordings == (transferred.first,)
    assert await transferred.row(transferred.first) == ("hold-1", True, 1)
    assert await transferred.row(transferred.second) == ("day-2026-11-23", False, 0)
    assert await transferred.waits(dental) == {transferred.second}
    (mine,) = await transferred.desk.holds(advice)
    assert mine.view.hold.id == view.hold.id
    assert await transferred.desk.holds(dental) == ()
    with pytest.raises(HoldUnknown):
        await transferred.desk.release(dental, view.hold.id, yes=True)
    other = await transferred.desk.keep(dental, transferred.second, TERMS)
    assert other.recordings == (transferred.second,)
    transferred.house.clocks.time = DUE
    assert (await transferred.house.sweep().run_once()).erased == 0


async def test_what_is_stored_later_is_held_by_the_unit_whose_it_is(transferred: Desk) -> None:
    view = await transferred.desk.keep(supervisor("advice"), transferred.first, TERMS)
    async with transferred.house.database.transaction() as conn:
        call_id = await conn.fetchval("SELECT call_id FROM recording WHERE id = $1", transferred.first)
        uniqueid = await conn.fetchval("SELECT uniqueid FROM call WHERE id = $1", call_id)
    late = {}
    for segment, queue in ((3, "advice"), (4, "dental")):
        call = at(BEGAN, queue, flagged=True)
        call = replace(
            call,
            id=call_id,
            uniqueid=uniqueid,
            recordings=(sealed_recording(segment, BEGAN + timedelta(minutes=segment)),),
        )
        await transferred.house.store(call)
        late[queue] = call.recordings[0].id
    (state,) = await transferred.desk.holds(supervisor("advice"))
    assert set(state.view.recordings) == {transferred.first, late["advice"]}
    assert (await transferred.row(late["dental"]))[2] == 0
    assert view.hold.queues == frozenset({"advice"})


async def test_who_looks_after_all_queues_and_the_command_line_hold_the_whole(transferred: Desk) -> None:
    view = await transferred.house.holds().place([transferred.first], TERMS, Actor.operator("sari"))
    assert set(view.recordings) == {transferred.first, transferred.second}
    assert await transferred.desk.holds(supervisor("advice")) == ()
    assert len(await transferred.desk.holds(supervisor(EVERYTHING))) == 1
    with pytest.raises(RecordingUnknown):
        await transferred.house.holds().place(
            [transferred.second], TERMS, Actor.operator("sari"), frozenset({"advice"})
        )
