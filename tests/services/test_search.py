"""services/search.py: exactly what was asked for, page by page, and nothing from outside the scope."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ari_recorder.domain.accounts import Principal, Role
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import (
    FilterRefused,
    FilterUnknown,
    KeyringLocked,
    NumberRefused,
    PermissionMissing,
    SearchRefused,
)
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.services import search as service
from ari_recorder.services.caller_index import index_of
from ari_recorder.services.search import Results, Search, Searches
from ari_recorder.storage import calls
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.login_key import LoginKey
from tests.keyring_for_tests import keyring_in
from tests.services.listeners import Time, person
from tests.storage.calls_for_tests import BEGAN, CALLER, finished_call, sealed_recording

NUMBER = "+358401234567"


@dataclass
class Shelf:
    """Recordings in a database, and the same in memory."""

    database: Database
    keyring: Keyring
    calls: list[Call]

    @property
    def searches(self) -> Searches:
        return Searches(database=self.database, keyring=self.keyring, login_key=LoginKey(Path("unused")), clocks=Time())

    async def find(self, who: Principal, search: Search, place: str = "", limit: int = 50) -> Results:
        return await self.searches.find(who, search, place, limit=limit)

    async def ids(self, who: Principal, search: Search) -> list[UUID]:
        return [one.id for one in (await self.find(who, search)).found]

    def expected(self, *those: Call) -> list[UUID]:
        several = [recording for call in those for recording in call.recordings]
        return [one.id for one in sorted(several, key=lambda one: (one.started_at, one.id.int), reverse=True)]


def of_agent(call: Call, interface: str, name: str) -> Call:
    return replace(call, members=(replace(call.members[0], interface=interface, name=name),))


@pytest.fixture
async def shelf(database: Database, tmp_path: Path) -> Shelf:
    chance = random.Random(4)
    stored = []
    for number in range(24):
        # Several begin at the same moment: then the id decides.
        at = BEGAN + timedelta(minutes=number // 2)
        call = finished_call(sealed_recording(started_at=at), at=at, queue=("advice", "dental", "tax")[number % 3])
        call = of_agent(call, f"PJSIP/100{number % 4}", ("Outi Neuvoja", "Åke Öst", "Liisa", "")[number % 4])
        (recording,) = call.recordings
        assert recording.sealed is not None
        facts = replace(recording.sealed, duration=timedelta(seconds=10 * number))
        call = replace(
            call, recordings=(replace(recording, sealed=facts),), marks=call.marks if number % 5 == 0 else ()
        )
        stored.append(call)
    chance.shuffle(stored)
    keyring = keyring_in(tmp_path)
    async with database.transaction() as conn:
        for call in stored:
            state = LedgerState.RECORDED if length(call) else LedgerState.UNEXPLAINED
            await calls.upsert(conn, call, CALLER, state, "", timedelta(seconds=60), BEGAN)
        await conn.execute(
            "UPDATE call SET caller_index = $1, caller_index_version = 1 WHERE id = $2",
            index_of(keyring, NUMBER),
            stored[3].id,
        )
        await conn.execute("UPDATE call SET caller_index = '', caller_index_version = 1 WHERE id <> $1", stored[3].id)
    return Shelf(database=database, keyring=keyring, calls=stored)


ALL = person(queues=("advice", "dental", "tax"))
OFFICER = person(Role.PRIVACY_OFFICER)


def length(call: Call) -> timedelta:
    assert call.recordings[0].sealed is not None
    return call.recordings[0].sealed.duration


async def test_the_newest_come_first(shelf: Shelf) -> None:
    for who in (ALL, OFFICER):
        results = await shelf.find(who, Search())
        assert [one.id for one in results.found] == shelf.expected(*shelf.calls)
        assert (results.count, results.more, results.newer, results.older) == (24, False, None, None)


async def test_pages_go_both_ways_and_leave_nothing_out(shelf: Shelf) -> None:
    expected = shelf.expected(*shelf.calls)
    for who in (ALL, OFFICER):
        pages = [await shelf.find(who, Search(), limit=7)]
        while pages[-1].older is not None:
            pages.append(await shelf.find(who, Search(), pages[-1].older, limit=7))
        assert [one.id for page in pages for one in page.found] == expected
        assert [len(page.found) for page in pages] == [7, 7, 7, 3]
        back = pages[-1]
        for page in reversed(pages[:-1]):
            assert back.newer is not None
            back = await shelf.find(who, Search(), back.newer, limit=7)
            assert back.found == page.found
            assert back.older is not None
        assert back.newer is None


@pytest.mark.parametrize(
    ("search", "matches"),
    [
        (Search(queue="dental"), lambda call: call.queue == "dental"),
        (Search(agent="PJSIP/1002"), lambda call: call.members[0].interface == "PJSIP/1002"),
        (Search(agent="pjsip/1002"), lambda call: call.members[0].interface == "PJSIP/1002"),
        (Search(agent="outi neuvoja"), lambda call: call.members[0].name == "Outi Neuvoja"),
        (Search(agent="Outi"), lambda call: False),
        (Search(agent='Liisa"}, {'), lambda call: False),
        (Search(flagged=True), lambda call: call.flagged),
        (Search(flagged=False), lambda call: not call.flagged),
        (Search(held=True), lambda call: False),
        (Search(held=False), lambda call: True),
        (Search(at_least=timedelta(seconds=100)), lambda call: length(call) >= timedelta(seconds=100)),
        (Search(at_most=timedelta(seconds=100)), lambda call: length(call) <= timedelta(seconds=100)),
        (Search(ledger=LedgerState.UNEXPLAINED), lambda call: length(call) == timedelta()),
        (
            Search(started_from=BEGAN + timedelta(minutes=3), started_before=BEGAN + timedelta(minutes=5)),
            lambda call: timedelta(minutes=3) <= call.recordings[0].started_at - BEGAN < timedelta(minutes=5),
        ),
        (
            Search(queue="advice", flagged=True, at_least=timedelta(seconds=1)),
            lambda call: call.queue == "advice" and call.flagged and length(call) > timedelta(),
        ),
    ],
)
async def test_exactly_what_was_asked_for_is_found(shelf: Shelf, search: Search, matches: Any) -> None:
    expected = shelf.expected(*(call for call in shelf.calls if matches(call)))
    for who in (ALL, OFFICER):
        results = await shelf.find(who, search)
        assert [one.id for one in results.found] == expected
        assert results.count == len(expected)


async def test_an_exact_number_is_found_however_it_is_written(shelf: Shelf) -> None:
    expected = shelf.expected(shelf.calls[3])
    for text in (NUMBER, "040 123 4567", "0401234567", "00358401234567"):
        assert await shelf.ids(ALL, Search(number=text)) == expected
    assert await shelf.ids(ALL, Search(number="0401234568")) == []
    with pytest.raises(NumberRefused):
        await shelf.find(ALL, Search(number="anonymous"))
    shelf.keyring.lock()
    with pytest.raises(KeyringLocked):
        await shelf.find(ALL, Search(number=NUMBER))
    assert len(await shelf.ids(ALL, Search())) == 24


async def test_an_id_is_found_by_its_beginning(shelf: Shelf) -> None:
    wanted = shelf.calls[5].recordings[0].id
    for text in (str(wanted), str(wanted)[:13], wanted.hex, str(wanted).upper()):
        assert await shelf.ids(ALL, Search(begins=text)) == [wanted]
    for text in ("xyz", "'; --", "-", "f" * 33):
        with pytest.raises(SearchRefused):
            await shelf.find(ALL, Search(begins=text))


async def test_what_lies_outside_the_scope_is_not_there(shelf: Shelf) -> None:
    dental = person(queues=("dental",))
    own = person(Role.ADVISER, queues=("advice", "dental"), interfaces=("PJSIP/1001", "PJSIP/1003"))
    nobody = person(queues=())
    scopes: tuple[tuple[Principal, Callable[[Call], bool]], ...] = (
        (dental, lambda call: call.queue == "dental"),
        (
            own,
            lambda call: call.queue != "tax" and call.members[0].interface in ("PJSIP/1001", "PJSIP/1003"),
        ),
        (nobody, lambda call: False),
        (person(Role.ADVISER, queues=("advice",), interfaces=("pjsip/1001",)), lambda call: False),
    )
    for who, inside in scopes:
        expected = shelf.expected(*(call for call in shelf.calls if inside(call)))
        results = await shelf.find(who, Search())
        assert [one.id for one in results.found] == expected
        assert results.count == len(expected)
    assert await shelf.ids(dental, Search(queue="tax")) == []
    tax = next(call for call in shelf.calls if call.queue == "tax")
    assert await shelf.ids(dental, Search(begins=str(tax.recordings[0].id))) == []
    assert await shelf.searches.queues(dental) == ("dental",)
    assert await shelf.searches.queues(OFFICER) == ("advice", "dental", "tax")
    for role in (Role.ADMINISTRATOR, Role.AUDITOR):
        with pytest.raises(PermissionMissing):
            await shelf.find(person(role), Search())


async def test_tombstones_are_shown_to_who_asks_for_them(shelf: Shelf, database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute(
            """
            UPDATE recording SET state = 'erased', erasing_at = now(), erased_at = now(), erased_because = 'its time',
                path = NULL, wrapped_key = NULL, sides = NULL
            WHERE queue = 'tax'
            """
        )
    assert len(await shelf.ids(ALL, Search())) == 16
    assert len(await shelf.ids(ALL, Search(destroyed=True))) == 24


async def test_more_than_a_thousand_are_not_counted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "COUNTED", 10)
    results = await shelf.find(ALL, Search(), limit=3)
    assert (results.count, results.more) == (10, True)


@pytest.mark.parametrize(
    "place", ["x", "YTE", "a1.0", "////", "é", "YTEuMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAx" + "A" * 9]
)
async def test_a_place_nobody_was_given_is_refused(shelf: Shelf, place: str) -> None:
    with pytest.raises(SearchRefused):
        await shelf.find(ALL, Search(), place)


async def test_a_search_is_on_record_without_the_number(shelf: Shelf, database: Database) -> None:
    await shelf.find(ALL, Search())
    await shelf.find(ALL, Search(queue="dental", number=NUMBER, agent="Liisa"))
    async with database.transaction() as conn:
        rows = await conn.fetch("SELECT leaf FROM audit_pending ORDER BY place")
        personal = await conn.fetch("SELECT field, value FROM audit_personal WHERE field = 'agent'")
    listed, searched = (json.loads(row["leaf"]) for row in rows)
    assert (listed["action"], listed["facts"]) == ("recording:list", {"found": 24})
    assert searched["action"] == "recording:search"
    assert searched["facts"] == {"queue": "dental", "number": True, "found": 0}
    assert [row["value"] for row in personal] == ["Liisa"]
    assert "401234567" not in json.dumps([listed, searched])


async def test_filters_are_saved_for_one_user(shelf: Shelf) -> None:
    wanted = Search(queue="dental", flagged=True, at_least=timedelta(minutes=2), started_from=BEGAN)
    saved = await shelf.searches.save(ALL, " my  flags ", wanted)
    ((known, search),) = await shelf.searches.saved(ALL)
    assert (known.name, search) == ("my flags", wanted)
    again = await shelf.searches.save(ALL, "my flags", Search(queue="tax"))
    assert again.id == saved.id
    assert [search for _, search in await shelf.searches.saved(ALL)] == [Search(queue="tax")]
    other = person()
    assert await shelf.searches.saved(other) == ()
    with pytest.raises(FilterUnknown):
        await shelf.searches.remove(other, saved.id)
    await shelf.searches.remove(ALL, saved.id)
    assert await shelf.searches.saved(ALL) == ()
    for name, search in (("", Search()), ("x" * 61, Search()), ("number", Search(number=NUMBER))):
        with pytest.raises(FilterRefused):
            await shelf.searches.save(ALL, name, search)
