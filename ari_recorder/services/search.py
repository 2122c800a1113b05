"""Finding recordings: what a person may ask for, within the scope of the person's rights; each search is on record.

A number is looked for by its blind index, so the keyring has to be unlocked; it is neither stored nor written to the
audit log. Saved filters hold no number, and addresses hold it sealed, for the one who looks for it.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import TypeAdapter

from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise
from ari_recorder.domain.audit import JSON, Action, Entry
from ari_recorder.domain.errors import DatabaseSlow, FilterRefused, FilterUnknown, NumberRefused, SearchRefused
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.phone import e164, plain
from ari_recorder.services.caller_index import search_key
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, calls, searching
from ari_recorder.storage.db import Database
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.searching import Found, Saved, Wanted
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.login_key import LoginKey

PAGE = 50
# More than that nobody looks through; counting them all would read the whole table.
COUNTED = 1000
_MOST_FILTERS = 50
_MOST_TEXT = 200
_ID = re.compile(r"[0-9a-f]{1,32}")
_CURSOR = re.compile(r"([ab])([0-9]{1,17})\.([0-9a-f]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for; what is None or empty does not matter. `begins`: how the id begins. `destroyed`: those that
    are gone are shown, too."""

    started_from: datetime | None = None
    started_before: datetime | None = None
    queue: str = ""
    agent: str = ""
    number: str = field(default="", repr=False)
    flagged: bool | None = None
    held: bool | None = None
    at_least: timedelta | None = None
    at_most: timedelta | None = None
    ledger: LedgerState | None = None
    begins: str = ""
    destroyed: bool = False


_SEARCH = TypeAdapter(Search)
EVERYTHING = Search()


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A page. `newer`, `older`: where the next ones begin, None where there are none. `count`: of all pages, at most
    COUNTED, `more` than those there may be; None when counting took too long. `not_indexed`: so many calls cannot be
    found by number yet."""

    found: tuple[Found, ...]
    newer: str | None
    older: str | None
    count: int | None
    more: bool
    not_indexed: int


class Searches:
    def __init__(self, *, database: Database, keyring: Keyring, login_key: LoginKey, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._login_key = login_key
        self._clocks = clocks

    async def find(self, principal: Principal, search: Search, place: str = "", *, limit: int = PAGE) -> Results:
        """`place`: `newer` or `older` of an earlier page."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_LIST, now=now)
        after, before = _key(place)
        search = replace(search, number=plain(search.number))
        wanted, not_indexed = await self._wanted(search)
        async with self._database.transaction() as conn:
            rows = await searching.page(conn, wanted, scope, after=after, before=before, limit=limit + 1)
            await audit.append(conn, _entry(principal, search, min(len(rows), limit)), now)
        further = len(rows) > limit
        if before is not None:
            rows = rows[-limit:]
            newer, older = further, True
        else:
            rows = rows[:limit]
            newer, older = after is not None, further
        count = await self._count(wanted, scope)
        return Results(
            found=rows,
            newer=_place("b", rows[0]) if rows and newer else None,
            older=_place("a", rows[-1]) if rows and older else None,
            count=min(count, COUNTED) if count is not None else None,
            more=count is not None and count > COUNTED,
            not_indexed=not_indexed,
        )

    def seal_number(self, principal: Principal, number: str) -> str:
        """As it may stand in an address: nobody reads it there but who looked for it. NumberRefused."""
        authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        if not e164(number):
            raise NumberRefused(text=number)
        return self._login_key.seal_word(plain(number), principal.user_id)

    def open_number(self, principal: Principal, sealed: str) -> str:
        authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        return self._login_key.open_word(sealed, principal.user_id)

    async def queues(self, principal: Principal) -> tuple[str, ...]:
        """Those that can be asked for."""
        scope = authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        if scope.queues is not None:
            return tuple(sorted(scope.queues))
        async with self._database.transaction() as conn:
            return await calls.queues(conn)

    # --- saved filters

    async def save(self, principal: Principal, name: str, search: Search) -> Saved:
        authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        name = " ".join(name.split())
        if not name or len(name) > 60 or not name.isprintable():
            raise FilterRefused(reason="its name wants to be 1 to 60 characters on one line")
        if search.number:
            raise FilterRefused(reason="a filter that is kept holds no telephone number")
        _check(search)
        given = {
            key: value for key, value in _SEARCH.dump_python(search, mode="json").items() if value not in (None, "")
        }
        saved = Saved(id=uuid4(), name=name, filter=given, saved_at=self._clocks.now())
        async with self._database.transaction() as conn:
            known = await searching.saved(conn, principal.user_id)
            if len(known) >= _MOST_FILTERS and name not in {one.name for one in known}:
                raise FilterRefused(reason=f"there are {_MOST_FILTERS} already; remove one first")
            await searching.save(conn, principal.user_id, saved)
            (saved,) = (one for one in await searching.saved(conn, principal.user_id) if one.name == name)
        return saved

    async def saved(self, principal: Principal) -> tuple[tuple[Saved, Search], ...]:
        authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        async with self._database.transaction() as conn:
            known = await searching.saved(conn, principal.user_id)
        return tuple((one, restore(one.filter)) for one in known)

    async def remove(self, principal: Principal, filter_id: UUID) -> None:
        authorise(principal, Permission.RECORDING_LIST, now=self._clocks.now())
        async with self._database.transaction() as conn:
            if not await searching.remove(conn, principal.user_id, filter_id):
                raise FilterUnknown(filter_id=filter_id)

    # --- how

    async def _wanted(self, search: Search) -> tuple[Wanted, int]:
        _check(search)
        index, not_indexed = None, 0
        if search.number:
            index, not_indexed = await search_key(self._database, self._keyring, search.number)
        wanted = Wanted(
            started_from=search.started_from,
            started_before=search.started_before,
            queue=search.queue or None,
            agent=search.agent or None,
            caller_index=index,
            flagged=search.flagged,
            held=search.held,
            at_least=search.at_least,
            at_most=search.at_most,
            ledger=search.ledger,
            ids=_ids(search.begins) if search.begins else None,
            destroyed=search.destroyed,
        )
        return wanted, not_indexed

    async def _count(self, wanted: Wanted, scope: Scope) -> int | None:
        """Behind the page: one that takes too long costs the number, not the page."""
        try:
            async with asyncio.timeout(1.0), self._database.transaction() as conn:
                return await searching.count(conn, wanted, scope, at_most=COUNTED + 1)
        except (DatabaseSlow, TimeoutError):
            return None


def restore(kept: Mapping[str, Any]) -> Search:
    """A saved filter as it was; what an earlier version knew and this one does not is left out."""
    known = asdict(EVERYTHING)
    return _SEARCH.validate_python({key: value for key, value in kept.items() if key in known})


def _check(search: Search) -> None:
    for name in ("queue", "agent", "number", "begins"):
        text = getattr(search, name)
        if len(text) > _MOST_TEXT or (text and not text.isprintable()):
            raise SearchRefused(field=name, reason="is too long, or holds what is not printed")
    if search.started_from and search.started_before and search.started_from >= search.started_before:
        raise SearchRefused(field="time", reason="ends before it begins")
    if search.at_least and search.at_most and search.at_least > search.at_most:
        raise SearchRefused(field="length", reason="ends before it begins")
    if search.begins:
        _ids(search.begins)


def _ids(text: str) -> tuple[UUID, UUID]:
    """The first and the last id that begin so."""
    digits = text.strip().lower().replace("-", "")
    if _ID.fullmatch(digits) is None:
        raise SearchRefused(field="id", reason="has digits 0 to 9 and letters a to f only")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _place(side: str, found: Found) -> str:
    micros = (found.started_at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{side}{micros}.{found.id.hex}".encode()).decode().rstrip("=")


def _key(place: str) -> tuple[Key | None, Key | None]:
    if not place:
        return None, None
    try:
        text = base64.urlsafe_b64decode(place + "=" * (-len(place) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise SearchRefused(field="page", reason="is not one that was given")
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(match[2]))
    key = Key(started_at=at, id=UUID(match[3]))
    return (key, None) if match[1] == "a" else (None, key)


def _entry(principal: Principal, search: Search, found: int) -> Entry:
    """The number is not in it, only that there was one; an agent is a person, too."""
    asked = _SEARCH.dump_python(replace(search, number="", agent=""), mode="json")
    facts: dict[str, JSON] = {key: value for key, value in asked.items() if value not in (None, "", False)}
    if search.number:
        facts["number"] = True
    return Entry(
        action=Action.RECORDING_LIST if search == EVERYTHING else Action.RECORDING_SEARCH,
        actor=principal.actor(Permission.RECORDING_LIST),
        facts={**facts, "found": found},
        personal={"agent": search.agent},
    )
