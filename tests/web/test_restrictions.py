"""What is restricted, over HTTP and at the command line: every way to audio gives none without a ground, and each
ground is on record; the page says since when and why; who lifts it has told the person.
"""

import io
import json
import wave
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from asyncpg import RestrictViolationError

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.errors import RecordingRestricted
from ari_recorder.domain.restriction import RestrictionGround
from ari_recorder.domain.retention import local_day
from ari_recorder.services import listenings as service
from ari_recorder.services.audit_log import sequence
from ari_recorder.storage.db import Database
from ari_recorder.web import cookies
from tests.command import FAILED, FINE, ari
from tests.site import LENGTH, Recorded, record, tone
from tests.web.house import Got, House, Visitor, open_house

CASE = "TP-2026/4"
CHUNK = 4096
GROUND = "legal-claims"
EXPORT = {"receiver_kind": "court", "receiver": "Itä-Uudenmaan käräjäoikeus", "reference": CASE, "reason": "Haaste"}


@dataclass
class Office:
    """Two officers; the recording is restricted by the first. `folder`: for files of the command line."""

    house: House
    aino: Visitor
    olli: Visitor
    recorded: Recorded
    folder: Path
    got: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/recordings/{self.recorded.recording_id}"

    async def restrict(self, ground: str = "objection") -> str:
        """The address of the restriction."""
        got = await self.aino.post(f"{self.path}/restrictions", {"ground": ground, "case_number": CASE})
        assert (got.status, got.headers["Location"]) == (303, self.path), got.text
        told = (await self.aino.get(f"{self.path}?format=json")).json()["recording"]["restrictions"]
        return f"/restrictions/{told[-1]['id']}"

    async def fetch(self, path: str, who: Visitor, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Of audio, the bytes that came; a connection that broke off has sent what it has."""
        sent = {"Cookie": f"{cookies.SESSION}={who.kept[cookies.SESSION]}", "Accept": "application/json", **headers}
        body = b""
        async with who.http.request(method, who.address + path, headers=sent, allow_redirects=False) as answer:
            try:
                async for chunk in answer.content.iter_any():
                    body += chunk
            except aiohttp.ClientError:
                pass
            return answer.status, body if answer.content_type.startswith("audio/") else b""

    async def download(self, export: str) -> tuple[int, bytes]:
        headers = {"Origin": self.aino.address, "X-CSRF-Token": self.aino.proof()}
        return await self.fetch(f"{export}/download", self.aino, "POST", **headers)

    async def entries(self, action: str) -> list[dict[str, Any]]:
        await sequence(self.house.site.database)  # as commands do when they end
        async with self.house.site.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf FROM audit_entry ORDER BY seq")
        return [one for row in rows if (one := json.loads(row["leaf"]))["action"] == action]

    async def grounds(self, action: str) -> list[str | None]:
        """Of what was done; what was refused is not among it."""
        return [one["facts"].get("ground") for one in await self.entries(action) if one["outcome"] == "ok"]

    async def command(self, *words: object) -> Any:
        return await ari(*words, "--json", "--config", self.house.site.config.source)


@pytest.fixture
async def house(tmp_path: Path, database: Database, dsn: str) -> AsyncIterator[House]:
    """One that the command line finds, too."""
    async with open_house(tmp_path, database, {"database": f'dsn = "{dsn}"'}) as opened:
        yield opened


@pytest.fixture
async def office(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(service, "CHUNK_BYTES", CHUNK)
    at = house.people.watch.now() - timedelta(hours=1)
    recorded = await record(house.site.config, house.site.database, started_at=at, marks=())
    aino, olli = [await officer(house, name) for name in ("aino", "olli")]
    return Office(house=house, aino=aino, olli=olli, recorded=recorded, folder=tmp_path)


async def officer(house: House, name: str) -> Visitor:
    await house.person(name)
    await house.people.give(name, Role.PRIVACY_OFFICER)
    return await house.visitor(name)


# --- every way to audio: asked with a ground or without; how it answered, and what came


Way = Callable[[Office, str | None], Awaitable[tuple[str, bytes]]]


def _with(form: dict[str, str], ground: str | None) -> dict[str, str]:
    return form if ground is None else {**form, "ground": ground}


async def by_the_page(office: Office, ground: str | None) -> tuple[str, bytes]:
    """As a browser does: the form, the player, the audio."""
    form = {"purpose": "quality", "at": "0", "ground": ground or ""}
    began = await office.aino.post(f"{office.path}/listenings", form)
    if began.status != 303:
        assert "opened only on a ground of the law" in began.text
        return str(began.status), b""
    assert (await office.aino.get(began.headers["Location"])).status == 200
    status, audio = await office.fetch(f"{began.headers['Location']}/audio", office.aino)
    return str(status), audio


async def by_json_and_ranges(office: Office, ground: str | None) -> tuple[str, bytes]:
    began = await office.aino.post(f"{office.path}/listenings", _with({"purpose": "quality"}, ground), json=True)
    if began.status != 200:
        return str(began.json()["error"]["code"]), b""
    audio = f"{began.json()['location']}/audio"
    status, body = await office.fetch(audio, office.aino, Range="bytes=100-199")
    assert (status, len(body)) == (206, 100)
    return "206", body


async def by_an_export(office: Office, ground: str | None) -> tuple[str, bytes]:
    asked = await office.aino.post(f"{office.path}/exports", _with(EXPORT, ground))
    if asked.status != 303:
        return str(asked.status), b""
    export = asked.headers["Location"]
    assert (await office.olli.post(f"{export}/agree")).status == 303
    status, body = await office.download(export)
    return str(status), body


async def by_the_command_line(office: Office, ground: str | None) -> tuple[str, bytes]:
    target = office.folder / "call.wav"
    more = ("--ground", ground) if ground else ()
    answer = await office.command("recordings", "export", office.recorded.recording_id, target, *more)
    assert answer.code == (FINE if ground else FAILED), answer.err
    assert target.exists() == bool(ground)
    return ("", target.read_bytes()) if ground else (answer.json["error"]["code"], b"")


async def by_a_package(office: Office, ground: str | None) -> tuple[str, bytes]:
    target = office.folder / "copy.zip"
    more = ("--ground", ground) if ground else ()
    answer = await office.command("recordings", "package", target, office.recorded.recording_id, "--case", CASE, *more)
    assert answer.code == (FINE if ground else FAILED), answer.err
    assert target.exists() == bool(ground)
    return ("", target.read_bytes()) if ground else (answer.json["error"]["code"], b"")


WAYS: dict[Way, tuple[str, str]] = {
    by_the_page: ("403", "recording:play"),
    by_json_and_ranges: ("recording_restricted", "recording:play"),
    by_an_export: ("403", "recording:export"),
    by_the_command_line: ("recording_restricted", "recording:export"),
    by_a_package: ("recording_restricted", "recording:export"),
}


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
async def test_every_way_gives_no_byte_without_a_ground_and_the_audio_with_one(office: Office, way: Way) -> None:
    refused_as, action = WAYS[way]
    await office.restrict()
    assert await way(office, None) == (refused_as, b"")
    assert await office.grounds(action) == []
    async with office.house.site.database.transaction() as conn:
        for table in ("listening", "export_ask", "disclosure", "export"):
            assert not await conn.fetchval(f"SELECT count(*) FROM {table}"), table  # noqa: S608
    _, audio = await way(office, GROUND)
    assert audio
    if audio.startswith(b"RIFF"):
        with wave.open(io.BytesIO(audio)) as wav:
            frames = wav.readframes(wav.getnframes())
        assert frames[0::4] == tone(440)[0::2]
    if way is by_a_package:
        assert zipfile.is_zipfile(io.BytesIO(audio))
    assert await office.grounds(action) == [GROUND]


async def test_a_ground_that_was_said_before_opens_nothing_later(office: Office) -> None:
    """It was not restricted then: what is asked for anew says anew why."""
    began = await office.aino.post(f"{office.path}/listenings", {"purpose": "quality", "ground": GROUND})
    asked = await office.aino.post(f"{office.path}/exports", {**EXPORT, "ground": GROUND})
    export = asked.headers["Location"]
    assert (await office.olli.post(f"{export}/agree")).status == 303
    assert await office.grounds("recording:play") == [None]
    await office.restrict()
    audio = f"{began.headers['Location']}/audio"
    for _ in range(2):
        assert await office.fetch(audio, office.aino) in ((403, b""), (409, b""))
    assert await office.fetch(f"{began.headers['Location']}/peaks", office.aino) == (409, b"")
    assert await office.download(export) == (403, b"")
    assert await office.grounds("recording:export") == []


async def test_who_listens_when_it_is_restricted_hears_no_more_from_the_next_chunk_on(office: Office) -> None:
    began = await office.aino.post(f"{office.path}/listenings", {"purpose": "quality"})
    principal = await office.house.people.principal(office.aino.kept[cookies.SESSION])

    async def again() -> Any:
        return principal

    listening_id = (await office.house.site.listenings.get(_id(began.headers["Location"]), again)).id
    async with office.house.site.listenings.part(listening_id, again) as part:
        got = [await anext(part.chunks), await anext(part.chunks)]
        await office.restrict()
        with pytest.raises(RecordingRestricted):
            await anext(part.chunks)
    assert [len(one) for one in got] == [CHUNK, CHUNK]
    (played,) = await office.entries("recording:played")
    assert played["facts"]["bytes"] == 2 * CHUNK
    async with office.house.site.database.transaction() as conn:
        assert await conn.fetchval("SELECT ended_because::text FROM listening") == "restricted"


def _id(location: str) -> UUID:
    return UUID(location.rpartition("/")[2])


async def test_an_export_that_goes_out_when_it_is_restricted_breaks_off(office: Office) -> None:
    asked = await office.aino.post(f"{office.path}/exports", EXPORT)
    export_id = _id(asked.headers["Location"])
    assert (await office.olli.post(f"{asked.headers['Location']}/agree")).status == 303
    principal = await office.house.people.principal(office.aino.kept[cookies.SESSION])

    async def again() -> Any:
        return principal

    sending = await office.house.site.export_sending.begin(principal, export_id, again)
    await office.restrict()
    with pytest.raises(RecordingRestricted):
        await anext(sending.chunks)
    (told,) = (await office.aino.get("/exports?format=json")).json()["exports"]["log"]
    assert (told["because"], told["sent_bytes"], told["size_bytes"]) == ("restricted", 0, 44 + LENGTH.seconds * 32_000)


async def test_whoever_forgets_to_ask_is_refused_by_the_database(office: Office) -> None:
    await office.restrict()
    recording_id = office.recorded.recording_id
    listening = "user_id, user_name, session, purpose, reference, begun_at, active_at"
    ask = "receiver_kind, reference, text_id, asked_at, asked_by, asked_by_name"
    for table, columns, values in (
        ("listening", listening, "id, '', '', 'quality', '', now(), now()"),
        ("export_ask", ask, "'court', '', id, now(), id, ''"),
    ):
        sql = f"INSERT INTO {table} (id, recording_id, {columns}) SELECT id, id, {values} FROM recording WHERE id = $1"  # noqa: S608
        with pytest.raises(RestrictViolationError):
            await written(office.house.site.database, sql, recording_id)


async def written(database: Database, sql: str, *values: object) -> None:
    async with database.transaction() as conn:
        await conn.execute(sql, *values)


# --- the page

SINCE = {
    "fi": ("Käsittelyä on rajoitettu", "rekisteröity on vastustanut käsittelyä"),
    "sv": ("Behandlingen är begränsad sedan", "den registrerade har invänt mot behandlingen"),
    "en": ("Restricted since", "the person concerned has objected to the processing"),
}
BADGE = {"fi": "Käsittelyä rajoitettu", "sv": "Begränsad behandling", "en": "Restricted"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_says_since_when_and_why_and_asks_for_a_ground(office: Office, language: str) -> None:
    assert 'name="ground"' not in _form(await office.aino.get(office.path), f"{office.path}/listenings")
    await office.restrict()
    supervisor = await office.house.visitor(Role.SUPERVISOR.value)
    for visitor in (office.aino, supervisor):
        visitor.language = language
        await visitor.post("/language", {"language": language})
        page = await visitor.get(office.path)
        for text in (*SINCE[language], CASE):
            assert text in page.text
        for forms in ("listenings", "exports")[: 2 if visitor is office.aino else 1]:
            assert 'name="ground"' in _form(page, f"{office.path}/{forms}")
        assert f">{BADGE[language]}<" in (await visitor.get("/recordings")).text
    found = (await supervisor.get("/recordings?format=json")).json()["results"]["found"]
    assert [one["restricted"] for one in found] == [True]
    assert "/restrictions" not in (await supervisor.get("/")).text


def _form(page: Got, action: str) -> str:
    """What stands in it."""
    return page.text.partition(f'action="{action}"')[2].partition("</form>")[0]


async def test_it_is_lifted_when_the_person_was_told(office: Office) -> None:
    restriction = await office.restrict()
    page = (await office.aino.get(restriction)).text
    assert "Tell the person concerned first" in page
    today = local_day(office.house.people.watch.now())
    tomorrow = {"told_on": str(today + timedelta(days=1)), "told_how": "letter"}
    late = await office.aino.post(f"{restriction}/lift", tomorrow)
    assert (late.status, "the person concerned is told first" in late.text) == (400, True)
    untold = await office.aino.post(f"{restriction}/lift", {"told_on": "", "told_how": ""})
    assert untold.status == 422
    lifted = await office.aino.post(f"{restriction}/lift", {"told_on": str(today), "told_how": "letter"})
    assert (lifted.status, lifted.headers["Location"]) == (303, "/restrictions")
    assert "Restricted since" not in (await office.aino.get(office.path)).text
    assert "Nothing is restricted." in (await office.aino.get("/restrictions")).text
    assert "By letter" in (await office.aino.get(restriction)).text
    status, _ = await by_json_and_ranges(office, None)
    assert status == "206"


async def test_an_order_sent_twice_restricts_once_and_says_so(office: Office) -> None:
    form = {"ground": "objection", "case_number": CASE, "order": "6b0f4f0e-8a4c-4d0e-9b0e-3f6f1d1b8c55"}
    assert (await office.aino.post(f"{office.path}/restrictions", form)).status == 303
    again = await office.aino.post(f"{office.path}/restrictions", form)
    assert again.status == 409
    assert len((await office.aino.get("/restrictions?format=json")).json()["restrictions"]) == 1
    assert len(await office.entries("restriction:set")) == 1


@pytest.mark.parametrize("ground", RestrictionGround)
async def test_the_officer_sees_what_is_kept_past_its_period_by_a_restriction_alone(
    office: Office, ground: RestrictionGround
) -> None:
    restriction = await office.restrict(ground.value)
    before = (await office.aino.get("/?format=json")).json()["duties"]
    assert before == []
    office.house.people.watch.go(days=120)
    olli = await office.house.visitor("olli")
    duties = [one["text"] for one in (await olli.get("/?format=json")).json()["duties"]]
    (listed,) = (await olli.get("/restrictions?format=json")).json()["restrictions"]
    assert listed["overdue"] == 1
    assert len([one for one in duties if "past its period" in one]) == 1
    page = (await olli.get(restriction)).text
    assert "by the next sweep" in page
    today = str(local_day(office.house.people.watch.now()))
    form = {"told_on": today, "told_how": "phone"}
    if ground in (RestrictionGround.UNLAWFUL, RestrictionGround.NEEDED_FOR_CLAIMS):
        assert (await olli.post(f"{restriction}/lift", form)).status == 409
    assert (await olli.post(f"{restriction}/lift", {**form, "yes": "true"})).status == 303


@pytest.mark.parametrize("role", Role)
async def test_only_a_privacy_officer_restricts_and_lifts(office: Office, role: Role) -> None:
    visitor = await office.house.visitor(role.value)
    form = {"ground": "objection", "case_number": CASE}
    got = await visitor.post(f"{office.path}/restrictions", form, json=True)
    assert got.status == (200 if role is Role.PRIVACY_OFFICER else 403)
    assert (await visitor.get("/restrictions")).status == (200 if role is Role.PRIVACY_OFFICER else 403)
