"""One request of each kind, from the letter to the closed case, by two officers in a real browser, about calls of the
real PBX. What the person gets is opened by programs that know nothing of the service.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from ari_recorder import config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Kind
from ari_recorder.services import connect
from tests.browser.contexts import Contexts
from tests.browser.officer import Officer, fetch
from tests.lab.asterisk import free_port
from tests.lab.demo import STORIES, place
from tests.lab.heard import sides_of
from tests.lab.lab import Lab
from tests.lab.service import RECORDED, Service, running_service
from tests.lab.test_page import INDEXED_WITHIN
from tests.lab.tones import Sound
from tests.people import ClocksAhead, enrol, open_desk

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

LANGUAGES = ("fi", "sv")
AT_ONCE = 3  # agents of the queue
VERIFY = Path(__file__).parents[2] / "tools" / "verify_package.py"
REASONS = {"fi": "Pyyntö on perusteltu.", "sv": "Begäran är motiverad."}
ASKED = {"fi": "Pyydän tätä puhelustani.", "sv": "Jag begär detta om mitt samtal."}
SAID = {"fi": "Paketti on muuttumaton", "sv": "Paketet är oförändrat"}


def number_of(kind: Kind, language: str) -> str:
    """Each kind and language has a caller of its own."""
    return f"04020{LANGUAGES.index(language)}{list(Kind).index(kind):04}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    service: Service
    recordings: dict[str, str]  # by the caller's number
    tone: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def recorded(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("cases") / "service"
    numbers = [number_of(kind, language) for kind in Kind for language in LANGUAGES]
    story = STORIES[0]
    async with running_service(
        lab, folder, web_port=free_port(socket.SOCK_STREAM), **{"accounts.code_steps": "1"}
    ) as service:
        uniqueids: dict[str, str] = {}
        for some in _batched(numbers):
            made = await asyncio.gather(*(place(lab, story, number) for number in some))
            uniqueids |= dict(zip(some, made, strict=True))
        await service.settled(list(uniqueids.values()))
        by_uniqueid = {one["uniqueid"]: one["id"] for one in await service.recordings()}
        await asyncio.sleep(INDEXED_WITHIN)  # a number is found when its index is made
        yield Place(
            service=service,
            recordings={number: by_uniqueid[uniqueid] for number, uniqueid in uniqueids.items()},
            tone=story.tone,
        )


def _batched(numbers: list[str]) -> list[tuple[str, ...]]:
    return [tuple(numbers[n : n + AT_ONCE]) for n in range(0, len(numbers), AT_ONCE)]


@dataclass(slots=True, kw_only=True)
class Office:
    """`aino` opens and decides; `olli` makes the packages, for that takes another person."""

    place: Place
    language: str
    aino: Officer
    olli: Officer
    stranger: BrowserContext
    folder: Path

    def recording(self, kind: Kind) -> str:
        return self.place.recordings[number_of(kind, self.language)]

    async def opened(self, kind: Kind) -> str:
        """From the letter to the call that is the person's."""
        case = await self.aino.open(
            {
                "kind": kind.value,
                "channel": "paper",
                "received_on": str(local_day(ClocksAhead().now())),
                "language": self.language,
                "name": "Aino Esimerkki",
                "contact": "Torikatu 1, 00100 Esimerkkilä",
                "asked": ASKED[self.language],
                "number": number_of(kind, self.language),
            }
        )
        assert await self.aino.page.get_attribute("html", "lang") == self.language
        await self.aino.matched(case, self.recording(kind))
        return case

    async def granted(self, case: str, **more: str | bool) -> None:
        await self.aino.decide(case, {"decision": "granted", "because": REASONS[self.language], **more})

    async def ended(self, case: str, way: str = "letter") -> None:
        await self.olli.step(case, "hand-over", {"way": way})
        await self.closed(case)

    async def closed(self, case: str) -> None:
        await self.olli.step(case, "close")
        told = await self.aino.told(case)
        assert told["case"]["state"] == "closed"
        assert await self.olli.page.get_attribute("html", "lang") == self.language

    async def restricted(self) -> set[str]:
        told = await self.aino.told("/restrictions")
        return {one["restriction"]["case_number"] for one in told["restrictions"]}


async def copy(office: Office, kind: Kind) -> None:
    """Granted, packed by a colleague, fetched by the person, opened without the service."""
    case = await office.opened(kind)
    await office.granted(case)
    delivered = await office.olli.pack(case)
    package = office.folder / f"{kind.value}.zip"
    await fetch(office.stranger, office.aino.address, delivered, package)
    told = await asyncio.to_thread(_checked, package, office.language)
    assert SAID[office.language] in told
    voices = await asyncio.to_thread(_voices, package)
    assert voices[0].has(office.place.tone)
    assert not voices[1].has(office.place.tone)
    assert voices[0].total(office.place.tone) > 1
    await office.ended(case, "link")


def _checked(package: Path, language: str) -> str:
    """3: nothing was changed, and nobody said by whom it should be signed."""
    command = [sys.executable, "-I", str(VERIFY), "--language", language, str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stdout


def _voices(package: Path) -> tuple[Sound, Sound]:
    with zipfile.ZipFile(package) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".wav"))
        return sides_of(archive.read(name))


async def correct(office: Office, kind: Kind) -> None:
    """What was corrected stands on the recording's page, beside it who did it."""
    case = await office.opened(kind)
    await office.granted(case)
    page = f"/recordings/{office.recording(kind)}"
    await office.aino.look(page)
    form = {"value": "Nimi on Aino."}
    await office.aino.fill(f"{page}/corrections", form, having='input[name="field"][value="note"]')
    assert "Nimi on Aino." in await office.aino.page.inner_text("main")
    await office.ended(case)


async def erase(office: Office, kind: Kind) -> None:
    case = await office.opened(kind)
    await office.granted(case, yes=True)
    await office.place.service.command("sweep")
    left = {one["id"] for one in await office.place.service.recordings()}
    assert office.recording(kind) not in left
    await office.ended(case)


async def restrict(office: Office, kind: Kind) -> None:
    case = await office.opened(kind)
    await office.granted(case, restricted_on="unlawful")
    assert case.rpartition("/")[2] in await office.restricted()
    await office.ended(case)


async def withdraw(office: Office, kind: Kind) -> None:
    """No queue of the lab stands on consent: it is an objection, and what it is about is restricted."""
    case = await office.opened(kind)
    await office.granted(case, yes=True)
    assert case.rpartition("/")[2] in await office.restricted()
    await office.ended(case)


async def refuse(office: Office, kind: Kind) -> None:
    """With a certificate in the person's language, as a paper."""
    case = await office.opened(kind)
    values = {"ground": "legal-claims", "reasons": REASONS[office.language], "signatory": "Sari Virkanen"}
    await office.aino.step(case, "refusal", {**values, "signatory_title": "Viestintäjohtaja"})
    paper = f"{office.aino.address}{case}/certificate?language={office.language}&file="
    html = await (await office.aino.page.request.get(f"{paper}html")).text()
    assert REASONS[office.language] in html
    assert f'lang="{office.language}"' in html
    assert (await (await office.aino.page.request.get(f"{paper}pdf")).body()).startswith(b"%PDF-")
    await office.closed(case)


LIVES: dict[Kind, Callable[[Office, Kind], Awaitable[None]]] = {
    Kind.ACCESS: copy,
    Kind.CORRECTION: correct,
    Kind.ERASURE: erase,
    Kind.RESTRICTION: restrict,
    Kind.OBJECTION: refuse,
    Kind.WITHDRAWAL: withdraw,
    Kind.DOCUMENT: copy,
}


async def officer(service: Service, contexts: Contexts, name: str, language: str) -> Officer:
    settings = config.load(service.config)
    earlier = ClocksAhead(timedelta(minutes=-1))
    async with connect.database(settings) as database:
        person = await enrol(connect.people(settings, database, earlier), Role.PRIVACY_OFFICER, earlier, name, language)
    page = await (await contexts.open(locale=language)).new_page()
    made = Officer(page=page, address=service.address, person=replace(person, clocks=ClocksAhead()))
    await made.log_in()
    return made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_request_of_each_kind_goes_from_the_letter_to_the_closed_case(
    recorded: Place, contexts: Contexts, tmp_path: Path, language: str
) -> None:
    service = recorded.service
    settings = config.load(service.config)
    async with connect.database(settings) as database:
        await open_desk(connect.people(settings, database, ClocksAhead()), RECORDED)
    aino, olli = [await officer(service, contexts, f"{name}-{language}", language) for name in ("aino", "olli")]
    stranger = await contexts.open(locale=language, accept_downloads=True)
    office = Office(place=recorded, language=language, aino=aino, olli=olli, stranger=stranger, folder=tmp_path)
    assert set(LIVES) == set(Kind)
    for kind, live in LIVES.items():
        await live(office, kind)
    listed = await aino.told("/cases")
    assert listed["cases"] == []
