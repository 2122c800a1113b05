"""What a case may be about is frozen: at once when it is opened, later when it is found later, until it lets go.

    open, search ─► alone with the sweep ─► search ─► calls found ─► kept under the hold key        one transaction
    later:   a call ended, was stored, or got its index ─► catch_up ─► kept, and a step of the case
    closed, and the time to appeal is over ─► release, a chore of the sweep ─► the ordinary rule again

A number cannot be searched for before the index of a call is made, which wants the keyring unlocked: until then the
sweep spares every call that may be the person's (storage/request_matches.py). So may a call that goes on; a case is not
refused for it, but finds it when it is over. What a case has found stays frozen, also what turns out not to be the
person's: a slip of the pen destroys nothing, and the case ends.

One case is one freeze, of the same id, that takes more. It ends with the case and not by hand; that something is
overdue by then is no question to anybody: the next sweep destroys it.
"""

import contextlib
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from ari_recorder.domain import subject_requests as machine
from ari_recorder.domain.audit import JSON, Actor
from ari_recorder.domain.errors import KeyringLocked, RecorderError, Unavailable
from ari_recorder.domain.holds import Freeze
from ari_recorder.domain.phone import e164
from ari_recorder.domain.retention import Policy, StoredState, local_day
from ari_recorder.domain.subject_requests import Moved, State, Step
from ari_recorder.services.caller_index import index_of
from ari_recorder.services.casebook import Casebook, facts_of, number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.kept_keys import KeptKeys
from ari_recorder.storage import holds, keeping, request_matches, subject_requests
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.subject_requests import StoredCase
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

_SELF = Actor.service("requests")
# A thousand recordings take half a second of ciphers.
SECONDS = 60.0


class RequestFreeze:
    def __init__(self, *, database: Database, keyring: Keyring, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._clocks = clocks
        self._keys = KeptKeys(keyring)
        self._book = Casebook(keyring)

    async def begin(self, conn: Connection, case: StoredCase, actor: Actor) -> None:
        """An empty freeze, for what is found."""
        freeze = Freeze(id=case.id, reference=number_of(case), opened_at=self._clocks.now(), opened_by=actor.label)
        await holds.insert_freeze(conn, freeze)

    async def take(
        self, conn: Connection, case: StoredCase, calls: Collection[UUID], actor: Actor, now: datetime
    ) -> StoredCase:
        """These calls belong to the case from here on, and what is there of them is kept. Its row is locked. A call
        that is being destroyed this moment is not kept any more, and is not taken. One whose key does not open is left
        to `catch_up`, and spared meanwhile: it is no reason to keep none of the others."""
        if self._keyring.locked:
            raise KeyringLocked
        try:
            async with conn.savepoint():
                return await self._take(conn, case, calls, actor, now)
        except Unavailable:
            raise
        except RecorderError as error:
            if len(calls) == 1:
                log.warning("request_match_retry", case_id=str(case.id), code=error.code)
                return case
        for call_id in calls:
            case = await self.take(conn, case, [call_id], actor, now)
        return case

    async def _take(
        self, conn: Connection, case: StoredCase, calls: Collection[UUID], actor: Actor, now: datetime
    ) -> StoredCase:
        rows = await keeping.lock(conn, await keeping.of_calls(conn, calls))
        there = [row for row in rows if row.state is StoredState.SEALED and row.quarantined_until is None]
        taken = {row.call_id for row in there}
        if not taken:
            return case
        await request_matches.add(conn, case.id, taken, now)
        await self._keys.keep(conn, case.id, there, now)
        matches = await request_matches.of_case(conn, case.id)
        facts = facts_of(case, matches)
        moved = machine.found(facts, facts.unconfirmed)
        told: dict[str, JSON] = {"calls": len(taken), "recordings": [str(row.id) for row in there]}
        return await self._book.went_on(conn, case, Step.MATCH, moved, actor, now, told)

    # --- later

    async def catch_up(self) -> int:
        """What open cases match by now, and is kept now; how many calls. Nothing while the keyring is locked. What
        cannot be kept is tried again and spared meanwhile; the other calls and cases go on."""
        if self._keyring.locked:
            return 0
        with contextlib.suppress(KeyringLocked):
            await self._index_anew()
        async with self._database.transaction() as conn:
            waiting = await request_matches.found(conn)
        found = 0
        for case_id in waiting:
            try:
                found += await self._catch_up(case_id)
            except RecorderError as error:
                log.warning("request_match_retry", case_id=str(case_id), code=error.code)
        return found

    async def _catch_up(self, case_id: UUID) -> int:
        now = self._clocks.now()
        async with self._database.transaction(within=SECONDS) as conn:
            case = await subject_requests.lock(conn, case_id)
            if case is None or case.released_at is not None:
                return 0
            found = (await request_matches.found(conn, case_id)).get(case_id, ())
            if not found:
                return 0
            await self.take(conn, case, found, _SELF, now)
            left = (await request_matches.found(conn, case_id)).get(case_id, ())
        return len(found) - len(left)

    async def _index_anew(self) -> None:
        """The key of the index was changed: searches are made anew as calls are. Until then calls under the new key are
        spared, whoever called."""
        version = self._keyring.index_version
        async with self._database.transaction() as conn:
            old = await request_matches.old_numbers(conn, version)
            if not old:
                return
            texts = await self._book.read(conn, old.values())
            numbers = {one: e164(texts[text_id]["number"]) for one, text_id in old.items()}
            indexed = {one: index_of(self._keyring, number) for one, number in numbers.items()}
            await request_matches.set_number(conn, indexed, version)
        log.info("request_searches_index", searches=len(indexed))

    # --- and no more

    async def release(self, _: Policy, now: datetime) -> None:
        """A chore of the sweep: cases that are closed let go of everything when the time to appeal is over. One that
        cannot, for a key is locked or does not open, is tried again; it stays frozen, and the others go on."""
        async with self._database.transaction() as conn:
            over = await subject_requests.to_release(conn, local_day(now))
        for case_id in over:
            try:
                await self._release(case_id, now)
            except RecorderError as error:
                log.warning("request_release_retry", case_id=str(case_id), code=error.code)

    async def _release(self, case_id: UUID, now: datetime) -> None:
        async with self._database.transaction(within=SECONDS) as conn:
            case = await subject_requests.lock(conn, case_id)
            if case is None or case.released_at is not None:
                return
            rows = await keeping.lock(conn, await keeping.kept_by(conn, case_id))
            await self._keys.let_go(conn, case_id, rows, now)
            await request_matches.let_go(conn, case_id)
            await holds.close_freeze(conn, case_id, _SELF.label, now)
            moved = Moved(state=State.CLOSED, because="the time to appeal is over")
            told = {"recordings": [str(row.id) for row in rows]}
            await self._book.went_on(conn, replace(case, released_at=now), Step.RELEASE, moved, _SELF, now, told)
