"""What is refused at the desk of requests: by its own code, and nothing half-done."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.due_dates import Standing
from ari_recorder.domain.errors import (
    ExtensionTooLate,
    ExtensionTwice,
    IdentityNotProved,
    KeyringLocked,
    MatchOfAnotherPerson,
    MatchUnknown,
    NumberRefused,
    ProxyUnauthorised,
    RecorderError,
    RequestChanged,
    RequestKept,
    RequestMatchesNothing,
    RequestOutOfOrder,
    RequestSearchRefused,
    RequestStillMatching,
    RequestTextRefused,
    RequestTooWide,
    RequestUnknown,
)
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Decision, Handover, IdentityCheck, Kind, Method, State
from ari_recorder.services import subject_requests
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.subject_requests import Wanted
from ari_recorder.storage.db import Database
from tests.services.request_house import (
    AINO,
    BY_NUMBER,
    DAY,
    EERO,
    OLLI,
    OPENED,
    PROVED,
    SARI,
    TERMS,
    RequestHouse,
    built,
    first,
)
from tests.storage.calls_for_tests import BEGAN
from tests.test_audit_events import entries


@pytest.fixture
def house(database: Database, dsn: str, tmp_path: Path) -> RequestHouse:
    return built(database, dsn, tmp_path)


# --- who asks, until when


async def test_who_asks_is_proved_first_and_a_proxy_shows_the_authorisation(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.opened(proxy="Paula Puolesta")
    desk, number, seen = house.desk, done.case.number, done.case.version
    with pytest.raises(ProxyUnauthorised):
        await desk.identity(number, seen, PROVED, SARI)
    with pytest.raises(IdentityNotProved):
        await desk.confirm(number, seen, [first(call)], [], SARI)
    with pytest.raises(IdentityNotProved):
        await desk.decide(number, seen, Decision.GRANTED, "x", SARI)
    with pytest.raises(IdentityNotProved):
        await desk.refuse(number, seen, TERMS, SARI)
    failed = IdentityCheck(method=Method.CALL_BACK, proved=False, note="Ei vastannut. 131052-308T")
    done = await desk.identity(number, seen, failed, SARI)
    assert done.case.state is State.RECEIVED
    assert "131052" not in str((await desk.list.show(number, SARI)).steps)
    done = await desk.refuse(number, done.case.version, replace(TERMS, ground=Ground.NOT_IDENTIFIED), SARI)
    assert done.case.state is State.ANSWERED


async def test_it_is_extended_once_and_before_the_month_is_over(house: RequestHouse) -> None:
    done = await house.opened()
    desk, number, seen = house.desk, done.case.number, done.case.version
    house.clocks.time = OPENED + 32 * DAY
    (listed,) = await desk.list.cases()
    assert listed.standing is Standing.OVERDUE
    with pytest.raises(ExtensionTooLate, match="2027-01-01"):
        await desk.extend(number, seen, date(2026, 12, 30), "Paljon.", SARI)
    house.clocks.time = OPENED + 22 * DAY
    with pytest.raises(RequestTextRefused):
        await desk.extend(number, seen, date(2026, 12, 30), "Paljon.", SARI)
    with pytest.raises(RequestTextRefused, match="because"):
        await desk.extend(number, seen, date(2026, 12, 20), " ", SARI)
    done = await desk.extend(number, seen, date(2026, 12, 20), "Paljon puheluja.", SARI)
    assert (done.case.due.law_by, done.case.standing) == (date(2027, 3, 1), Standing.CALM)
    with pytest.raises(ExtensionTwice):
        await desk.extend(number, done.case.version, date(2026, 12, 20), "Yhä.", SARI)
    assert (await house.steps_of(number))[-1] == "extend received"
    assert "request:extend" in [one["action"] for one in await entries(house.database)]


# --- what does not fit


async def test_a_request_that_matches_nothing_is_answered_so(house: RequestHouse) -> None:
    await house.call(EERO)
    await house.index()
    done = await house.opened()
    assert done.calls == 0
    done = await house.desk.identity(done.case.number, done.case.version, PROVED, SARI)
    with pytest.raises(RequestMatchesNothing):
        await house.decided(done)
    done = await house.decided(done, Decision.NOTHING_FOUND)
    done = await house.desk.hand_over(done.case.number, done.case.version, Handover.LETTER, "", SARI)
    assert (await house.desk.close(done.case.number, done.case.version, SARI)).case.state is State.CLOSED


async def test_nothing_is_said_to_be_all_while_calls_are_not_searched(house: RequestHouse) -> None:
    call = await house.call()
    done = await house.opened()
    done = await house.desk.identity(done.case.number, done.case.version, PROVED, SARI)
    with pytest.raises(RequestStillMatching, match=r"^1 calls"):
        await house.decided(done, Decision.NOTHING_FOUND)
    assert await house.index() == 1
    assert await house.keeps(call) == 1
    with pytest.raises(RequestChanged, match="version 2, it is at version 3"):
        await house.decided(done, Decision.NOTHING_FOUND)


async def test_a_window_that_matches_everybody_is_refused_and_a_person_who_called_often_is_not(
    house: RequestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_requests, "MOST_IN_WINDOW", 3)
    for n in range(5):
        await house.call(began=BEGAN + n * timedelta(minutes=5))
    await house.index()
    window = Wanted(since=BEGAN - DAY, until=BEGAN + DAY)
    with pytest.raises(RequestTooWide, match="matches 5 calls"):
        await house.opened(Kind.ACCESS, window)
    assert await house.desk.list.cases(closed=True) == (), "nothing half-done"
    narrow = replace(window, until=BEGAN + timedelta(minutes=11), queue="advice")
    assert (await house.opened(Kind.ACCESS, narrow)).calls == 3
    assert (await house.opened(Kind.ACCESS, replace(narrow, queue="dental"))).calls == 0
    done = await house.opened()
    assert (done.calls, done.case.number) == (5, "R2026-3"), "what was refused took no number"


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (Wanted(), RequestSearchRefused),
        (Wanted(since=BEGAN), RequestSearchRefused),
        (Wanted(since=BEGAN, until=OPENED + DAY), RequestSearchRefused),
        (Wanted(number=AINO, since=BEGAN, until=BEGAN), RequestSearchRefused),
        (Wanted(number="anonymous"), NumberRefused),
    ],
)
async def test_what_finds_nobody_is_refused(house: RequestHouse, wanted: Wanted, refusal: type[RecorderError]) -> None:
    with pytest.raises(refusal):
        await house.opened(Kind.ACCESS, wanted)
    done = await house.opened()
    with pytest.raises(refusal):
        await house.desk.search(done.case.number, done.case.version, wanted, SARI)
    assert await house.steps_of(done.case.number) == ["open received"]


async def test_another_persons_call_is_not_confirmed(house: RequestHouse) -> None:
    mine, other, late = await house.call(), await house.call(EERO), await house.call(began=BEGAN + 30 * DAY)
    await house.index()
    done = await house.opened(Kind.ACCESS, replace(BY_NUMBER, until=OPENED), Wanted(since=BEGAN - DAY, until=OPENED))
    assert done.calls == 2
    done = await house.desk.identity(done.case.number, done.case.version, PROVED, SARI)
    number, seen = done.case.number, done.case.version
    with pytest.raises(MatchOfAnotherPerson):
        await house.desk.confirm(number, seen, [first(mine), first(other)], [], SARI)
    with pytest.raises(MatchUnknown):
        await house.desk.confirm(number, seen, [first(late)], [], SARI)
    assert [one.is_theirs for one in (await house.desk.list.show(number, SARI)).matches] == [None, None]
    # From a colleague's telephone, the person says: searched by that number, it is.
    done = await house.desk.search(number, seen, Wanted(number=EERO), SARI)
    done = await house.desk.confirm(number, done.case.version, [first(mine), first(other)], [], SARI)
    assert done.case.state is State.MATCHED


async def test_of_two_officers_who_decide_at_once_one_does(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.matched(Kind.ACCESS, [first(call)])
    number, seen = done.case.number, done.case.version

    async def one(step: Callable[[], Awaitable[object]]) -> str:
        try:
            await step()
        except RequestChanged as error:
            return error.code
        return "done"

    outcomes = await asyncio.gather(
        one(lambda: house.decided(done)),
        one(lambda: house.decided(done)),
        one(lambda: house.desk.refuse(number, seen, TERMS, SARI)),
        one(lambda: house.desk.extend(number, seen, date(2026, 12, 1), "Paljon.", SARI)),
    )
    assert sorted(outcomes) == ["done", *["request_changed"] * 3]
    assert len(await house.steps_of(number)) == 5
    async with house.database.transaction() as conn:
        certificates = await conn.fetchval("SELECT count(*) FROM refusal_certificate")
    assert certificates == (outcomes[2] == "done")


async def test_what_a_hold_keeps_is_not_destroyed_by_a_decision(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    terms = HoldTerms(reason="A threat.", reference="5530/R/1", owner="Sari", review_on=date(2027, 6, 1))
    view = await house.holds().place([first(call)], terms, OLLI)
    done = await house.matched(Kind.ERASURE, [first(call)])
    with pytest.raises(RequestKept, match=r"^1 of these"):
        await house.decided(done, yes=True)
    assert await house.keeps(call) == 2
    await house.holds().release(view.hold.id, OLLI)
    await house.decided(done, yes=True)
    assert await house.state(call) is StoredState.ERASING


async def test_steps_out_of_order_and_cases_that_are_not_there(house: RequestHouse) -> None:
    done = await house.opened()
    with pytest.raises(RequestOutOfOrder):
        await house.desk.hand_over(done.case.number, done.case.version, Handover.LINK, "", SARI)
    for number in ("R2026-2", "R26-1", "1", "R99999-1", "R2026-999999999"):
        with pytest.raises(RequestUnknown):
            await house.desk.list.show(number, SARI)
    assert house.keyring is not None
    house.keyring.lock()
    with pytest.raises(KeyringLocked):
        await house.opened()
    with pytest.raises(KeyringLocked):
        await house.desk.identity(done.case.number, done.case.version, PROVED, SARI)
    assert [one.number for one in await house.desk.list.cases()] == ["R2026-1"]
