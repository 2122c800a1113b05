"""Cases of data subjects on the page: two officers, a call of the person and one of somebody else, and every form."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Channel, Decision, IdentityCheck, Kind, Method, Received
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.request_answers import RefusalTerms
from ari_recorder.services.site import Site
from ari_recorder.services.subject_requests import Wanted
from tests.site import NUMBER, Recorded, record
from tests.web.house import Got, House, Visitor

PERSON = {
    "name": "Aino Esimerkki",
    "contact": "Torikatu 1, 00100 Esimerkkilä",
    "asked": "Haluan kuulla puheluni.",
    "proxy": "",
}
OF_CASE = "0409998877"
SIGNED = {"reasons": "Asia on vireillä.", "signatory": "Sari Virkanen", "signatory_title": "Viestintäjohtaja"}


@dataclass
class Office:
    """`aino` opens and decides, `olli` is her colleague. Two calls came from NUMBER."""

    house: House
    aino: Visitor
    olli: Visitor
    recorded: Recorded
    other: Recorded

    @property
    def today(self) -> str:
        return str(local_day(self.house.people.watch.now()))

    async def open(self, kind: str = "access", **more: str) -> str:
        """The address of the case."""
        form = {**PERSON, "kind": kind, "channel": "paper", "received_on": self.today, "language": "fi"}
        form |= {"number": NUMBER, "queue": "", "since": "", "until": "", **more}
        got = await self.aino.post("/cases", form)
        assert got.status == 303, got.text
        return got.headers["Location"]

    async def told(self, case: str) -> Any:
        return (await self.aino.get(f"{case}?format=json")).json()

    async def step(self, case: str, name: str, form: dict[str, Any] | None = None, who: Visitor | None = None) -> Got:
        """With the version the page has now."""
        version = (await self.told(case))["case"]["version"]
        return await (who or self.aino).post(f"{case}/{name}", {"version": version, **(form or {})})

    async def done(self, case: str, name: str, form: dict[str, Any] | None = None, who: Visitor | None = None) -> Any:
        """What the page has after the step."""
        got = await self.step(case, name, form, who)
        assert got.status == 303, got.text
        assert got.headers["Location"] == case
        return await self.told(case)

    async def matched(self, kind: str = "access", **more: str) -> str:
        """Opened, identified, and of the two calls one is the person's."""
        case = await self.open(kind, **more)
        await self.done(case, "identity", {"method": "in-person", "proved": "true"})
        await self.done(case, "calls", {"theirs": str(self.recorded.recording_id)})
        told = await self.done(case, "calls", {"not_theirs": str(self.other.recording_id)})
        assert told["case"]["state"] == "matched"
        return case


async def officer(house: House, name: str) -> Visitor:
    await house.person(name)
    await house.people.give(name, Role.PRIVACY_OFFICER)
    return await house.visitor(name)


async def open_office(house: House) -> Office:
    at = house.people.watch.now() - timedelta(days=1)
    made = [
        await record(house.site.config, house.site.database, started_at=at, uniqueid=f"17000000{n}.1", marks=())
        for n in range(2)
    ]
    await CallerIndex(database=house.site.database, keyring=house.site.keyring).run_once(asyncio.Event())
    aino, olli = [await officer(house, name) for name in ("aino", "olli")]
    return Office(house=house, aino=aino, olli=olli, recorded=made[0], other=made[1])


async def every_step(site: Site, now: datetime, actor: Actor) -> str:
    """A case in which everything was done that is done before it is handed over; its number."""
    at = now - timedelta(hours=2)
    for n in range(3):
        await record(site.config, site.database, started_at=at, uniqueid=f"18000000{n}.1", number=OF_CASE, marks=())
    await CallerIndex(database=site.database, keyring=site.keyring).run_once(asyncio.Event())
    desk, today = site.requests, local_day(now)
    letter = Received(
        kind=Kind.ACCESS,
        channel=Channel.E_SERVICE,
        received_on=today - timedelta(days=22),
        language="fi",
        **{**PERSON, "proxy": "Eero Esimerkki"},
    )
    done = await desk.open(letter, [Wanted(number=OF_CASE)], actor)
    number = done.case.number
    check = IdentityCheck(method=Method.CALL_BACK, proved=True, authorised=True, note="Soitettu.")
    done = await desk.identity(number, done.case.version, check, actor)
    done = await desk.extend(number, done.case.version, today, "Paljon puheluja.", actor)
    first, second, third = (one.recordings[0] for one in (await desk.list.show(number, actor)).matches)
    done = await desk.confirm(number, done.case.version, [first, second], [third], actor)
    done = await desk.decide(number, done.case.version, Decision.PARTLY, "Perusteltu.", actor, only=[first])
    terms = RefusalTerms(ground=Ground.RIGHTS_OF_OTHERS, **SIGNED)
    await desk.refuse(number, done.case.version, terms, actor)
    return number
