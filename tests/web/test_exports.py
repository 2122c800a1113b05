"""Exports over HTTP: two officers with real sessions, a file that comes once, and a page that says whom it went to."""

import io
import re
import wave
from dataclasses import dataclass

import aiohttp
import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.web import cookies
from tests.services.listeners import locked_table
from tests.site import LENGTH, record, tone
from tests.web.house import House, Visitor

FORM = {
    "receiver_kind": "police",
    "receiver": "Konstaapeli Reponen",
    "reference": "5530/R/1/26",
    "reason": "They ask for it by law",
}
NAME = re.compile(r'attachment; filename="recording-\d{8}-\d{4}-[0-9a-f-]{36}\.wav"')
HEADER_BYTES = 44
# Nobody would name a queue so, and nothing may depend on that.
WORST = 'a"; filename="../../evil.exe\r\nSet-Cookie: x=1\t\u202eä;é'


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Office:
    house: House
    aino: Visitor
    olli: Visitor
    recording: str

    async def ask(self) -> str:
        got = await self.aino.post(f"{self.recording}/exports", FORM)
        assert got.status == 303, got.text
        return got.headers["Location"]

    async def agreed(self) -> str:
        export = await self.ask()
        got = await self.olli.post(f"{export}/agree")
        assert (got.status, got.headers["Location"]) == (303, "/exports"), got.text
        return export

    async def download(self, export: str, who: Visitor | None = None, **headers: str) -> File:
        who = who or self.aino
        sent = {
            "Cookie": f"{cookies.SESSION}={who.kept[cookies.SESSION]}",
            "Origin": who.address,
            "X-CSRF-Token": who.proof(),
            **headers,
        }
        async with who.http.post(f"{who.address}{export}/download", headers=sent, allow_redirects=False) as answer:
            return File(status=answer.status, headers=dict(answer.headers), body=await answer.read())


async def officer(house: House, name: str) -> Visitor:
    await house.person(name)
    await house.people.give(name, Role.PRIVACY_OFFICER)
    return await house.visitor(name)  # the code of the log-in is fresh


@pytest.fixture
async def office(house: House) -> Office:
    recorded = await record(house.site.config, house.site.database)
    return Office(
        house=house,
        aino=await officer(house, "aino"),
        olli=await officer(house, "olli"),
        recording=f"/recordings/{recorded.recording_id}",
    )


async def test_two_officers_give_a_recording_out_once(office: Office) -> None:
    page = await office.aino.get(office.recording)
    assert "Ask for an export" in page.text
    assert "It was not given out." in page.text
    export = await office.ask()
    mine, theirs = await office.aino.get(export), await office.olli.get(export)
    assert "you cannot agree yourself" in mine.text
    assert f'action="{export}/agree"' not in mine.text
    assert f'action="{export}/agree"' in theirs.text
    assert "Konstaapeli Reponen" in theirs.text
    assert (await office.aino.post(f"{export}/agree")).status == 403
    assert (await office.download(export)).status == 403
    assert (await office.olli.post(f"{export}/agree")).status == 303
    assert f'action="{export}/download"' in (await office.aino.get(export)).text
    assert f'action="{export}/download"' not in (await office.olli.get(export)).text
    got = await office.download(export)
    assert got.status == 200
    with wave.open(io.BytesIO(got.body)) as wav:
        frames = wav.readframes(wav.getnframes())
    assert (frames[0::4], frames[1::4]) == (tone(440)[0::2], tone(440)[1::2])
    assert (frames[2::4], frames[3::4]) == (tone(880)[0::2], tone(880)[1::2])
    again = await office.download(export)
    assert (again.status, b"RIFF" in again.body) == (409, False)
    told = (await office.olli.get("/exports?format=json")).json()["exports"]
    assert told["waiting"] == []
    assert [(one["by"], one["approved_by"], one["because"], one["sent_bytes"]) for one in told["log"]] == [
        ("aino", "olli", "complete", len(got.body))
    ]
    assert "All of it was sent" in (await office.olli.get("/exports")).text


async def test_the_file_has_the_headers_of_what_nobody_keeps(office: Office) -> None:
    got = await office.download(await office.agreed(), Range="bytes=0-9")
    assert got.status == 200  # all of it, or nothing
    assert len(got.body) == int(got.headers["Content-Length"]) == HEADER_BYTES + LENGTH.seconds * 32_000
    assert got.headers["Content-Type"] == "audio/wav"
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Accept-Ranges"] == "none"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Content-Range" not in got.headers
    assert "Set-Cookie" not in got.headers
    assert NAME.fullmatch(got.headers["Content-Disposition"])
    assert office.recording.rpartition("/")[2] in got.headers["Content-Disposition"]


async def test_whatever_a_queue_is_called_the_download_has_our_name(house: House, office: Office) -> None:
    recorded = await record(house.site.config, house.site.database, uniqueid="1700000009.1", queue=WORST)
    office.recording = f"/recordings/{recorded.recording_id}"
    assert "evil.exe" in (await office.aino.get(office.recording)).text
    got = await office.download(await office.agreed())
    assert got.status == 200
    assert NAME.fullmatch(got.headers["Content-Disposition"])
    assert not [value for value in got.headers.values() if "evil" in value]


async def test_a_download_wants_a_fresh_code(office: Office) -> None:
    export = await office.agreed()
    office.house.people.watch.go(minutes=6)
    refused = await office.download(export)
    assert refused.status == 403
    assert b'name="code"' in refused.body
    assert b"RIFF" not in refused.body
    stale = await office.olli.post(f"{export}/refuse", json=True)
    assert (stale.status, stale.json()["error"]["code"]) == (403, "step_up_needed")
    await office.house.step_up(office.aino, "aino")
    assert (await office.download(export)).status == 200


async def test_with_the_audit_log_locked_the_answer_is_503_and_no_byte_of_the_file(office: Office) -> None:
    export = await office.agreed()
    async with locked_table(office.house.site.database, "audit_pending"):
        refused = await office.download(export)
        assert refused.status == 503
        assert b"RIFF" not in refused.body
        assert "Content-Disposition" not in refused.headers
    assert (await office.download(export)).status == 200


async def test_who_goes_away_in_the_middle_is_on_record_with_what_was_sent(office: Office, house: House) -> None:
    silence = bytes(16_000 * 600)  # ten minutes: more than the sockets on the way take in
    recorded = await record(house.site.config, house.site.database, uniqueid="1700000009.1", sides=(silence, silence))
    office.recording = f"/recordings/{recorded.recording_id}"
    export = await office.agreed()
    sent = {
        "Cookie": f"{cookies.SESSION}={office.aino.kept[cookies.SESSION]}",
        "Origin": house.address,
        "X-CSRF-Token": office.aino.proof(),
    }
    # A connection of its own, with little room, that is cut when the first bytes have come.
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as http:
        answer = await http.post(f"{house.address}{export}/download", headers=sent)
        size = int(answer.headers["Content-Length"])
        await answer.content.readexactly(HEADER_BYTES)
        answer.close()
    for _ in range(100):
        (told,) = (await office.olli.get("/exports?format=json")).json()["exports"]["log"]
        if told["because"] is not None:
            break
    assert told["because"] == "broken-off"
    assert HEADER_BYTES <= told["sent_bytes"] < told["size_bytes"] == size
    assert "It broke off" in (await office.aino.get(office.recording)).text


async def test_the_recording_says_whom_it_went_to_to_those_who_watch_over_its_use(office: Office) -> None:
    await office.download(await office.agreed())
    for who, sees in (("supervisor", True), ("privacy-officer", True), ("adviser", False)):
        visitor = await office.house.visitor(who)
        page = await visitor.get(office.recording)
        assert ("Konstaapeli Reponen" in page.text) is sees, who
        told = (await visitor.get(f"{office.recording}?format=json")).json()["recording"]["exports"]
        assert told is None if not sees else told[0]["receiver"] == "Konstaapeli Reponen", who
        assert ('href="/exports/' in page.text) is (who == "privacy-officer")


async def test_a_form_that_is_not_filled_in_says_so_beside_the_field(office: Office) -> None:
    got = await office.aino.post(f"{office.recording}/exports", {**FORM, "receiver": "", "reference": "131052-308T"})
    assert got.status == 422
    assert 'id="error-receiver"' in got.text
    got = await office.aino.post(f"{office.recording}/exports", {**FORM, "reference": "131052-308T"})
    assert got.status == 400
    assert "an identity code belongs nowhere in here" in got.text
    assert "<details open>" in got.text


async def test_what_was_refused_is_gone(office: Office) -> None:
    export = await office.ask()
    got = await office.olli.post(f"{export}/refuse")
    assert (got.status, got.headers["Location"]) == (303, "/exports")
    assert (await office.aino.get(export)).status == 404
    assert (await office.download(export)).status == 404
