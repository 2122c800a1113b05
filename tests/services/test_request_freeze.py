"""What a case may be about is frozen: when it is opened, and when it is found later. Against the sweep:
test_request_race.py."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.calls import CallState
from ari_recorder.domain.errors import FreezeOfRequest
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Handover, Kind
from ari_recorder.services.subject_requests import Wanted
from ari_recorder.storage.db import Database
from tests.services.request_house import (
    AINO,
    DAY,
    DUE,
    EERO,
    OPENED,
    PROVED,
    SARI,
    TERMS,
    RequestHouse,
    built,
    first,
)
from tests.storage.calls_for_tests import BEGAN


@pytest.fixture
def house(database: Database, dsn: str, tmp_path: Path) -> RequestHouse:
    return built(database, dsn, tmp_path)


async def test_what_a_case_has_found_outlives_its_period_and_the_key_of_its_day(house: RequestHouse) -> None:
    mine, other = await house.call(), await house.call(EERO)
    await house.index()
    await house.opened()
    assert await house.sweep_at(DUE) == 1
    assert [await house.plays(one.recordings[0]) for one in (mine, other)] == [True, False]
    assert (await house.row(first(mine))).key_name == "hold-1"


async def test_what_is_not_searched_yet_is_spared_and_found_later(house: RequestHouse) -> None:
    mine, other = await house.call(), await house.call(EERO)
    done = await house.opened()
    assert done.calls == 0, "nobody knows who called"
    assert await house.sweep_at(DUE) == 0, "either may be the person's"
    assert await house.index() == 1
    assert [await house.keeps(one) for one in (mine, other)] == [1, 0]
    assert await house.sweep_at(DUE) == 1
    assert [await house.state(one) for one in (mine, other)] == [StoredState.SEALED, StoredState.ERASED]
    view = await house.desk.list.show(done.case.number, SARI)
    assert [one.step.step.value for one in view.steps] == ["open", "match"]
    assert view.steps[1].step.made_by == "requests"


async def test_outside_the_window_or_the_queue_of_a_search_nothing_is_spared(house: RequestHouse) -> None:
    await house.call()
    late, dental = await house.call(began=BEGAN + DAY), await house.call(queue="dental", began=BEGAN + DAY)
    await house.opened(Kind.ACCESS, Wanted(number=AINO, queue="dental", since=BEGAN + timedelta(hours=1)))
    assert await house.sweep_at(DUE + DAY) == 2
    assert await house.state(late) is StoredState.ERASED
    assert await house.state(dental) is StoredState.SEALED


async def test_a_call_that_goes_on_refuses_nothing_and_is_found_when_it_is_over(house: RequestHouse) -> None:
    over, running = await house.call(), await house.call(state=CallState.TALKING)
    await house.index()
    done = await house.opened()
    assert done.calls == 1
    assert [await house.keeps(one) for one in (over, running)] == [1, 0]
    async with house.database.transaction() as conn:
        await conn.execute("UPDATE call SET state = 'ended' WHERE id = $1", running.id)
    assert await house.freeze.catch_up() == 1
    assert await house.keeps(running) == 1
    assert await house.freeze.catch_up() == 0


async def test_a_new_key_of_the_index_changes_nothing_for_a_case(house: RequestHouse) -> None:
    assert house.keyring is not None
    first_one = await house.call()
    await house.index()
    await house.opened()
    house.keyring.make_index()
    second = await house.call(began=BEGAN + DAY)
    assert await house.sweep_at(DUE + DAY) == 0
    assert await house.index() == 1
    assert [await house.keeps(one) for one in (first_one, second)] == [1, 1]


async def test_locked_nothing_is_found_and_nothing_is_lost(house: RequestHouse) -> None:
    assert house.keyring is not None
    await house.opened()
    call = await house.call()
    house.keyring.lock()
    assert await house.index() == 0
    assert await house.sweep_at(DUE) == 0
    house.keyring.unlock(root_key=house.config.root_key())
    assert await house.index() == 1
    assert await house.keeps(call) == 1


async def test_what_cannot_be_kept_is_spared_and_holds_up_no_other_case(house: RequestHouse) -> None:
    await house.opened()
    await house.opened(Kind.ACCESS, Wanted(number=EERO))
    damaged, sound = await house.call(), await house.call(EERO)
    async with house.database.transaction() as conn:
        await conn.execute("UPDATE recording SET wrapped_key = 'damaged' WHERE id = $1", first(damaged))
    assert await house.index() == 1
    assert [await house.keeps(one) for one in (damaged, sound)] == [0, 1]
    assert await house.sweep_at(DUE) == 0


async def test_one_key_that_does_not_open_keeps_nobody_from_the_rest_of_the_calls(house: RequestHouse) -> None:
    damaged, sound = await house.call(), await house.call()
    async with house.database.transaction() as conn:
        await conn.execute("UPDATE recording SET wrapped_key = 'damaged' WHERE id = $1", first(damaged))
    await house.index()
    done = await house.opened()
    assert done.calls == 1
    assert [await house.keeps(one) for one in (damaged, sound)] == [0, 1]
    another = await house.call()
    assert await house.index() == 1
    assert [await house.keeps(one) for one in (damaged, sound, another)] == [0, 1, 1]
    assert await house.sweep_at(DUE) == 0


async def test_a_call_that_began_after_the_decision_is_not_what_it_was_about(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.decided(await house.matched(Kind.ACCESS, [first(call)]))
    later = await house.call(began=OPENED + timedelta(hours=1))
    earlier = await house.call(began=OPENED - timedelta(hours=1))
    assert await house.index() == 1
    assert [await house.keeps(one) for one in (call, later, earlier)] == [1, 0, 1]
    done = await house.desk.hand_over(done.case.number, done.case.version + 1, Handover.LINK, "", SARI)
    assert done.calls == 2


async def test_it_ends_with_the_case_when_the_time_to_appeal_is_over_and_not_by_hand(house: RequestHouse) -> None:
    assert house.keyring is not None
    call = await house.call()
    await house.index()
    house.clocks.time = DUE + timedelta(hours=3)
    done = await house.opened(received_on=(DUE + timedelta(hours=3)).date())
    with pytest.raises(FreezeOfRequest, match=done.case.number):
        await house.holds().close_freeze(done.case.id, SARI, yes=True)
    done = await house.desk.identity(done.case.number, done.case.version, PROVED, SARI)
    done = await house.desk.confirm(done.case.number, done.case.version, [first(call)], [], SARI)
    unfounded = replace(TERMS, ground=Ground.UNFOUNDED)
    done = await house.desk.refuse(done.case.number, done.case.version, unfounded, SARI)
    await house.desk.close(done.case.number, done.case.version, SARI)
    assert await house.sweep_at(DUE + 37 * DAY) == 0, "the last day to appeal"
    house.keyring.lock()
    assert await house.sweep_at(DUE + 38 * DAY) == 0, "what is locked is let go later"
    house.keyring.unlock(root_key=house.config.root_key())
    assert await house.sweep_at(DUE + 38 * DAY) == 1
    (freeze,) = await house.holds().list_freezes(ended=True)
    assert freeze.freeze.closed_by == "requests"


async def test_of_two_cases_about_one_call_the_last_one_counts(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    one, other = await house.opened(), await house.opened()
    await house.desk.close(one.case.number, one.case.version, SARI, taken_back="Ei enää.")
    assert await house.sweep_at(DUE) == 0
    assert await house.keeps(call) == 1
    await house.desk.close(other.case.number, other.case.version, SARI, taken_back="Ei enää.")
    assert await house.sweep_at(DUE + DAY) == 1
