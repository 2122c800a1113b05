"""A house with a desk for requests: calls of two people in two queues, and what the tests of cases do."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Call
from ari_recorder.domain.due_dates import Pace
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.subject_requests import Channel, Decision, IdentityCheck, Kind, Method, Received
from ari_recorder.services import connect_subjects
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.request_answers import RefusalTerms
from ari_recorder.services.request_freeze import RequestFreeze
from ari_recorder.services.request_list import Done
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.services.subject_requests import SubjectRequests, Wanted
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.services.house import House, at
from tests.site import open_keyring, prepare
from tests.storage.calls_for_tests import BEGAN

AINO, EERO = "+358401234567", "+358407654321"
SARI, OLLI = Actor.operator("sari"), Actor.operator("olli")
# When cases are opened: before the first call is due.
OPENED = datetime(2026, 12, 1, 9, tzinfo=UTC)
DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)
PROVED = IdentityCheck(method=Method.IN_PERSON, proved=True)
REQUEST = Received(
    kind=Kind.ACCESS,
    channel=Channel.PAPER,
    received_on=date(2026, 12, 1),
    language="sv",
    name="Aino Esimerkki",
    contact="Torikatu 1, 00100 Esimerkkilä",
    asked="Jag vill höra mina samtal.",
)
BY_NUMBER = Wanted(number="040 123 4567")
TERMS = RefusalTerms(
    ground=Ground.LEGAL_CLAIMS,
    reasons="Ärendet är anhängigt i domstol.",
    signatory="Sari Virkanen",
    signatory_title="Kommunikationsdirektör",
)


@dataclass
class RequestHouse(House):
    config: Config = None  # type: ignore[assignment]

    @cached_property
    def desk(self) -> SubjectRequests:
        """Made once, as the service does: it reads all templates of certificates."""
        assert self.keyring is not None
        return SubjectRequests(
            database=self.database,
            keyring=self.keyring,
            clocks=self.clocks,
            freeze=self.freeze,
            refusals=connect_subjects.refusal_desk(self.config, self.keyring),
            bases={"advice": Basis.PUBLIC_TASK, "dental": Basis.CONSENT},
            pace=Pace(),
            appeal_days=37,
            restrictions=Restrictions(
                database=self.database, holds=self.holds(), policies=self.policies, clocks=self.clocks
            ),
        )

    @property
    def freeze(self) -> RequestFreeze:
        assert self.keyring is not None
        return RequestFreeze(database=self.database, keyring=self.keyring, clocks=self.clocks)

    async def call(self, number: str = AINO, queue: str = "advice", began: datetime = BEGAN, **more: object) -> Call:
        """Stored, and not indexed yet."""
        made = replace(at(began, queue), **more)  # type: ignore[arg-type]
        self.person = json.dumps({"num": number, "name": "Somebody"})
        await self.store(made)
        return made

    async def index(self) -> int:
        """What the job does; how many calls are found by cases from here on."""
        assert self.keyring is not None
        await CallerIndex(database=self.database, keyring=self.keyring).run_once(asyncio.Event())
        return await self.freeze.catch_up()

    async def opened(self, kind: Kind = Kind.ACCESS, *searches: Wanted, **more: object) -> Done:
        request = replace(REQUEST, kind=kind, **more)  # type: ignore[arg-type]
        return await self.desk.open(request, searches or (BY_NUMBER,), SARI)

    async def matched(
        self, kind: Kind, theirs: Collection[UUID], not_theirs: Collection[UUID] = (), *searches: Wanted
    ) -> Done:
        """Opened, proved who asks, confirmed."""
        done = await self.opened(kind, *searches)
        done = await self.desk.identity(done.case.number, done.case.version, PROVED, SARI)
        return await self.desk.confirm(done.case.number, done.case.version, theirs, not_theirs, SARI)

    async def decided(self, done: Done, decision: Decision = Decision.GRANTED, **more: object) -> Done:
        one = done.case
        return await self.desk.decide(one.number, one.version, decision, "Perusteltu.", OLLI, **more)  # type: ignore[arg-type]

    async def steps_of(self, number: str) -> list[str]:
        """What was done, and where the case stood after it."""
        view = await self.desk.list.show(number, SARI)
        return [f"{one.step.step.value} {one.step.state.value}" for one in view.steps]

    async def keeps(self, call: Call) -> int:
        async with self.database.transaction() as conn:
            count: int = await conn.fetchval("SELECT keeps FROM recording WHERE id = $1", call.recordings[0].id)
        return count

    async def sweep_at(self, now: datetime) -> int:
        self.clocks.time = now
        policies = self.policies
        await self.freeze.release(await policies.in_force(), now)
        return (await self.sweep().run_once()).erased


def built(database: Database, dsn: str, folder: Path) -> RequestHouse:
    config = prepare(folder, changes={"database": f'dsn = "{dsn}"'})
    files = VaultFiles(folder / "vault")
    files.prepare()
    house = RequestHouse(database, files.folder, keyring=open_keyring(config), config=config)
    house.clocks.time = OPENED
    return house


def first(call: Call) -> UUID:
    return call.recordings[0].id


DAY = timedelta(days=1)
