"""Cases as they are written down: locked, their texts sealed and opened, each step in the history and the audit log.

Whoever changes a case names the version that was seen: of two officers at once the second is refused. A step, the row
of its case, what it does to recordings and its entry are one transaction. The audit log and the service's log learn
numbers, states and counts; names, numbers of telephones and what was typed are in texts, sealed to the hold key.
"""

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import RequestChanged, RequestUnknown
from ari_recorder.domain.subject_requests import Case, Moved, Step, number_told
from ari_recorder.services.kept_keys import REQUEST_PURPOSE, KeptKeys
from ari_recorder.storage import audit, subject_requests
from ari_recorder.storage.db import Connection
from ari_recorder.storage.request_matches import Match
from ari_recorder.storage.subject_requests import CaseText, StoredCase, StoredStep
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

_NUMBER = re.compile(r"R([0-9]{4})-([0-9]{1,9})", re.IGNORECASE | re.ASCII)

_ACTIONS: Mapping[Step, Action] = {
    Step.OPEN: Action.REQUEST_OPEN,
    Step.IDENTITY: Action.REQUEST_IDENTITY,
    Step.MATCH: Action.REQUEST_MATCH,
    Step.CONFIRM: Action.REQUEST_CONFIRM,
    Step.DECIDE: Action.REQUEST_DECIDE,
    Step.EXTEND: Action.REQUEST_EXTEND,
    Step.REFUSE: Action.REQUEST_REFUSE,
    Step.HAND_OVER: Action.REQUEST_HAND_OVER,
    Step.CLOSE: Action.REQUEST_CLOSE,
    Step.RELEASE: Action.REQUEST_RELEASE,
}


class Casebook:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._keys = KeptKeys(keyring)

    async def find(self, conn: Connection, number: str) -> StoredCase:
        match = _NUMBER.fullmatch(number.strip())
        # PostgreSQL's smallint ends before 9999 does, and no year of ours comes near.
        found = await subject_requests.by_number(conn, int(match[1]), int(match[2])) if match is not None else None
        if found is None:
            raise RequestUnknown(case=number)
        return found

    async def lock(self, conn: Connection, number: str, seen: int) -> StoredCase:
        """The case as somebody saw it. RequestChanged when it has gone on."""
        locked = await subject_requests.lock(conn, (await self.find(conn, number)).id)
        if locked is None:
            raise RequestUnknown(case=number)
        if locked.version != seen:
            raise RequestChanged(case=number_of(locked), seen=seen, version=locked.version)
        return locked

    async def write(self, conn: Connection, case_id: UUID, words: Mapping[str, str], now: datetime) -> UUID:
        """Sealed; the keyring may be locked."""
        text_id = uuid4()
        name = await self._keys.hold_name(conn)
        text = json.dumps(dict(words), ensure_ascii=False)
        sealed = await asyncio.to_thread(self._keyring.public.seal_text, name, text, REQUEST_PURPOSE, text_id)
        await subject_requests.add_text(
            conn, CaseText(id=text_id, case_id=case_id, made_at=now, sealed=sealed, key_name=name)
        )
        return text_id

    async def read(self, conn: Connection, ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, str]]:
        """KeyringLocked where there is something to open."""
        sealed = await subject_requests.texts(conn, ids)
        return await asyncio.to_thread(self._open, sealed)

    def _open(self, sealed: Mapping[UUID, bytes]) -> Mapping[UUID, Mapping[str, str]]:
        return {one: json.loads(self._keyring.open_text(text, REQUEST_PURPOSE, one)) for one, text in sealed.items()}

    async def begun(
        self, conn: Connection, case: StoredCase, actor: Actor, now: datetime, facts: Mapping[str, JSON], text_id: UUID
    ) -> None:
        """The first step of a case whose row was just added."""
        await self._step(conn, case, Step.OPEN, "it was received", actor, now, facts, text_id)

    async def went_on(
        self,
        conn: Connection,
        case: StoredCase,
        step: Step,
        moved: Moved,
        actor: Actor,
        now: datetime,
        facts: Mapping[str, JSON] | None = None,
        text_id: UUID | None = None,
    ) -> StoredCase:
        """`case`: locked, with what the step changed of it; state and version come with the step."""
        case = replace(case, state=moved.state, version=case.version + 1)
        await self._step(conn, case, step, moved.because, actor, now, facts or {}, text_id)
        await subject_requests.update(conn, case)
        return case

    async def _step(
        self,
        conn: Connection,
        case: StoredCase,
        step: Step,
        because: str,
        actor: Actor,
        now: datetime,
        facts: Mapping[str, JSON],
        text_id: UUID | None,
    ) -> None:
        stored = StoredStep(
            case_id=case.id,
            version=case.version,
            step=step,
            state=case.state,
            because=because,
            made_at=now,
            made_by=actor.id,
            made_by_name=actor.label,
            facts=facts,
            text_id=text_id,
        )
        await subject_requests.add_step(conn, stored)
        told: dict[str, JSON] = {"case": number_of(case), "kind": case.kind.value, "state": case.state.value}
        entry = Entry(
            action=_ACTIONS[step], actor=actor, object=f"case:{case.id}", because=because, facts={**told, **facts}
        )
        await audit.append(conn, entry, now)
        log.info("request_step", case=number_of(case), step=step.value, state=case.state.value)


def number_of(case: StoredCase) -> str:
    return number_told(case.year, case.running)


def facts_of(case: StoredCase, matches: Collection[Match]) -> Case:
    """What the machine wants to know."""
    return Case(
        number=number_of(case),
        kind=case.kind,
        state=case.state,
        is_proxy=case.is_proxy,
        decision=case.decision,
        found=len(matches),
        unconfirmed=sum(one.is_theirs is None for one in matches),
        theirs=sum(one.is_theirs is True for one in matches),
        has_paper=case.certificate_id is not None or bool(case.paper_reference),
    )
