"""Cases of data subjects for the browser tests: one that stands where the form of a page is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Channel, Decision, IdentityCheck, Kind, Method, Received
from ari_recorder.services.subject_requests import Wanted
from tests.people import GRANTER

if TYPE_CHECKING:
    from tests.browser.house import House

NUMBER = "0407654399"
# Pages whose form comes after the decision.
DECIDED = ("case-package",)


async def sample(house: House, name: str) -> str:
    """The number of a case with a call of its own: matched, or decided where a package is made of it."""
    made = await house.record(number=NUMBER)
    desk = house.site.requests
    request = Received(
        kind=Kind.ACCESS,
        channel=Channel.PAPER,
        received_on=local_day(house.clocks.now()),
        language="fi",
        name="Aino Esimerkki",
        contact="Torikatu 1",
        asked="Haluan kuulla puheluni.",
        proxy="Eero Esimerkki",
    )
    done = await desk.open(request, [Wanted(number=NUMBER)], GRANTER)
    check = IdentityCheck(method=Method.IN_PERSON, proved=True, authorised=True)
    done = await desk.identity(done.case.number, done.case.version, check, GRANTER)
    view = await desk.list.show(done.case.number, GRANTER)
    others = [one.recordings[0] for one in view.matches if made.recording_id not in one.recordings]
    done = await desk.confirm(done.case.number, done.case.version, [made.recording_id], others, GRANTER)
    if name in DECIDED:
        words = "Kopio annetaan."
        done = await desk.decide(done.case.number, done.case.version, Decision.GRANTED, words, GRANTER)
    return done.case.number
