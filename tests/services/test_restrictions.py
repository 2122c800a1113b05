"""services/restrictions.py: set and lifted, once, for good; what it keeps, and what it does not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from ari_recorder.domain.audit import Actor, ActorKind
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import (
    CommandDone,
    FreezeRestricts,
    KeyringLocked,
    RecordingErased,
    RecordingUnknown,
    ReleaseDestroys,
    RestrictionLifted,
    RestrictionThere,
    RestrictionUnknown,
    SubjectNotTold,
)
from ari_recorder.domain.restriction import KEEPING, RestrictionGround, RestrictionTerms, SubjectTold, ToldHow
from ari_recorder.domain.retention import StoredState, local_day
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, at
from tests.storage.calls_for_tests import BEGAN, sealed_recording

PETRA = Actor(kind=ActorKind.USER, id=str(UUID(int=5)), name="petra.privacy", role="privacy-officer")
OLD = BEGAN - timedelta(days=200)  # long past its period
OBJECTION = RestrictionTerms(ground=RestrictionGround.OBJECTION, case_number="TP-1", case_id=UUID(int=9))
CLAIM = RestrictionTerms(ground=RestrictionGround.NEEDED_FOR_CLAIMS, case_number="TP-2")


@dataclass
class Desk:
    house: House

    @property
    def restrictions(self) -> Restrictions:
        house = self.house
        return Restrictions(database=house.database, holds=house.holds(), policies=house.policies, clocks=house.clocks)

    @property
    def told(self) -> SubjectTold:
        return SubjectTold(on=local_day(self.house.clocks.now()), how=ToldHow.LETTER)

    async def stored(self, call: Call) -> UUID:
        await self.house.store(call)
        return call.recordings[0].id

    async def restricted(self, recording_id: UUID) -> bool:
        return (await self.house.row(recording_id)).restricted

    async def actions(self) -> list[tuple[str, str, dict[str, object]]]:
        async with self.house.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf FROM audit_pending ORDER BY place")
        told = [json.loads(row["leaf"]) for row in rows]
        return [
            (one["action"], one["because"], one["facts"])
            for one in told
            if one["action"].startswith(("restriction:", "freeze:"))
        ]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return Desk(House(database, files.folder, keyring=keyring_in(tmp_path, BEGAN.date())))


async def test_it_is_set_and_lifted_with_who_and_why(desk: Desk) -> None:
    recording_id = await desk.stored(at(BEGAN))
    made = (await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)).restriction
    assert await desk.restricted(recording_id)
    (listed,) = await desk.restrictions.listed()
    assert (listed.restriction, listed.recordings, listed.overdue) == (made, (recording_id,), 0)
    assert (made.set_by, made.case_id, made.case_number) == ("petra.privacy", UUID(int=9), "TP-1")
    desk.house.clocks.time += timedelta(days=3)
    assert await desk.restrictions.lift(made.id, desk.told, PETRA) == ()
    assert not await desk.restricted(recording_id)
    assert await desk.restrictions.listed() == ()
    (ended,) = await desk.restrictions.listed(ended=True)
    assert ended.restriction == replace(
        made, told=desk.told, lifted_at=desk.house.clocks.now(), lifted_by="petra.privacy"
    )
    case = {"reference": "TP-1", "case": str(UUID(int=9)), "recordings": [str(recording_id)]}
    assert await desk.actions() == [
        ("restriction:set", "objection", case),
        ("restriction:lift", "letter", {**case, "told_on": str(desk.told.on)}),
    ]


async def test_the_person_is_told_before_it_is_lifted(desk: Desk) -> None:
    recording_id = await desk.stored(at(BEGAN))
    made = (await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)).restriction
    for days in (-1, 1):
        with pytest.raises(SubjectNotTold):
            await desk.restrictions.lift(made.id, replace(desk.told, on=desk.told.on + timedelta(days=days)), PETRA)
    assert await desk.restricted(recording_id)
    with pytest.raises(RestrictionUnknown):
        await desk.restrictions.lift(uuid4(), desk.told, PETRA)
    await desk.restrictions.lift(made.id, desk.told, PETRA)
    with pytest.raises(RestrictionLifted):
        await desk.restrictions.lift(made.id, desk.told, PETRA)


async def test_the_whole_call_is_restricted_and_what_is_stored_of_it_later(desk: Desk) -> None:
    call = at(BEGAN, parts=2)
    await desk.house.store(call)
    view = await desk.restrictions.restrict([call.recordings[0].id], OBJECTION, PETRA)
    assert set(view.recordings) == {one.id for one in call.recordings}
    late = replace(call, recordings=(*call.recordings, sealed_recording(3, BEGAN)))
    await desk.house.store(late)
    assert await desk.restricted(late.recordings[2].id)
    await desk.restrictions.lift(view.restriction.id, desk.told, PETRA)
    assert not any([await desk.restricted(one.id) for one in late.recordings])


async def test_two_cases_restrict_it_and_it_is_restricted_until_the_second_lifts(desk: Desk) -> None:
    recording_id = await desk.stored(at(BEGAN))
    first = (await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)).restriction
    with pytest.raises(RestrictionThere):
        await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)
    second = (await desk.restrictions.restrict([recording_id], CLAIM, PETRA)).restriction
    await desk.restrictions.lift(first.id, desk.told, PETRA)
    assert await desk.restricted(recording_id)
    await desk.restrictions.lift(second.id, desk.told, PETRA)
    assert not await desk.restricted(recording_id)


async def test_an_order_that_comes_twice_is_carried_out_once(desk: Desk) -> None:
    recording_id = await desk.stored(at(BEGAN))
    order = uuid4()
    made = await desk.restrictions.restrict([recording_id], OBJECTION, replace(PETRA, command=order, request="r1"))
    other = await desk.stored(at(BEGAN + timedelta(hours=1)))
    with pytest.raises(CommandDone):
        await desk.restrictions.restrict([other], CLAIM, replace(PETRA, command=order, request="r2"))
    assert not await desk.restricted(other)
    assert [one.restriction.id for one in await desk.restrictions.listed()] == [made.restriction.id]


async def test_what_is_gone_or_was_never_there_is_refused_and_nothing_is_half_done(desk: Desk) -> None:
    gone, there = await desk.stored(at(OLD)), await desk.stored(at(BEGAN))
    await desk.house.sweep().run_once()
    with pytest.raises(RecordingErased):
        await desk.restrictions.restrict([there, gone], OBJECTION, PETRA)
    with pytest.raises(RecordingUnknown):
        await desk.restrictions.restrict([there, uuid4()], OBJECTION, PETRA)
    assert not await desk.restricted(there)
    assert await desk.restrictions.listed(ended=True) == ()


@pytest.mark.parametrize("ground", RestrictionGround)
async def test_only_who_opposes_the_erasure_keeps_it_from_the_sweep(desk: Desk, ground: RestrictionGround) -> None:
    call = at(BEGAN)
    recording_id = await desk.stored(call)
    terms = RestrictionTerms(ground=ground, case_number="TP-3")
    made = (await desk.restrictions.restrict([recording_id], terms, PETRA)).restriction
    desk.house.clocks.time += timedelta(days=200)
    await desk.house.sweep().run_once()
    row = await desk.house.row(recording_id)
    if ground not in KEEPING:
        assert row.state is StoredState.ERASED
        assert await desk.restrictions.listed() == ()
        return
    assert row.state is StoredState.SEALED
    assert await desk.house.plays(call.recordings[0])
    (listed,) = await desk.restrictions.listed()
    assert (listed.overdue, listed.overdue_since) == (1, local_day(BEGAN).replace(year=2027, month=2) + timedelta(1))
    with pytest.raises(FreezeRestricts):
        await desk.house.holds().close_freeze(made.id, PETRA, yes=True)
    with pytest.raises(ReleaseDestroys):
        await desk.restrictions.lift(made.id, desk.told, PETRA)
    assert await desk.restricted(recording_id)
    (fate,) = await desk.restrictions.lift(made.id, desk.told, PETRA, yes=True)
    assert fate.at_once
    await desk.house.sweep().run_once()
    assert (await desk.house.row(recording_id)).state is StoredState.ERASED


async def test_with_the_keys_locked_only_what_needs_none_is_restricted(desk: Desk) -> None:
    recording_id = await desk.stored(at(BEGAN))
    keyring = desk.house.keyring
    assert isinstance(keyring, Keyring)
    keyring.lock()
    with pytest.raises(KeyringLocked):
        await desk.restrictions.restrict([recording_id], CLAIM, PETRA)
    assert not await desk.restricted(recording_id)
    await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)
    assert await desk.restricted(recording_id)


CHANGES = (
    "UPDATE restriction SET case_number = 'x'",
    "DELETE FROM restriction",
    "TRUNCATE restriction CASCADE",
    "UPDATE restriction_of SET recording_id = recording_id",
    "DELETE FROM restriction_of",
    "UPDATE restriction_lifted SET told_on = '2020-01-01'",
    "DELETE FROM restriction_lifted",
    "TRUNCATE restriction_lifted",
    """
    INSERT INTO restriction_of SELECT restriction_id, id FROM restriction_lifted, recording
    WHERE id NOT IN (SELECT recording_id FROM restriction_of)
    """,
)


async def changed(database: Database, sql: str, values: Sequence[object] = ()) -> None:
    async with database.transaction() as conn:
        await conn.execute(sql, *values)


@pytest.mark.parametrize("sql", CHANGES)
async def test_the_database_refuses_to_change_what_was_written(desk: Desk, sql: str) -> None:
    recording_id = await desk.stored(at(BEGAN))
    await desk.stored(at(BEGAN + timedelta(hours=1)))
    made = (await desk.restrictions.restrict([recording_id], OBJECTION, PETRA)).restriction
    await desk.restrictions.lift(made.id, desk.told, PETRA)
    before = await desk.restrictions.listed(ended=True)
    with pytest.raises(asyncpg.RestrictViolationError):
        await changed(desk.house.database, sql)
    assert await desk.restrictions.listed(ended=True) == before


async def test_the_database_knows_no_notice_that_comes_after_the_lifting(desk: Desk) -> None:
    made = (await desk.restrictions.restrict([await desk.stored(at(BEGAN))], OBJECTION, PETRA)).restriction
    sql = """
        INSERT INTO restriction_lifted (restriction_id, told_on, told_how, lifted_at, lifted_by, lifted_by_name)
        VALUES ($1, '2026-11-25', 'letter', '2026-11-24T21:59:59Z', 'x', 'x')
    """
    with pytest.raises(asyncpg.CheckViolationError, match="told_before_it_is_lifted"):
        await changed(desk.house.database, sql, [made.id])
    await changed(desk.house.database, sql.replace("21:59:59", "22:00:00"), [made.id])  # midnight in Helsinki
