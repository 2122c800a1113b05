"""Packages fetched by a link, over HTTP: by strangers with a browser of their own, and officers who look on."""

import asyncio
import io
import json
import re
import wave
import zipfile
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.services.delivery_making import Made
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from ari_recorder.web import cookies
from tests.deliveries import deliver
from tests.services.listeners import locked_table
from tests.site import Recorded, record
from tests.storage.test_db import frozen
from tests.test_audit_events import entries
from tests.web.guarded import assert_guarded
from tests.web.house import Got, House, Visitor, open_house

NAME = re.compile(r'attachment; filename="recordings-\d{8}-[0-9a-f-]{36}\.zip"')
WRONG = "00000-00000-00000-00000-00000"
CONTROLLER = "City of Exampleton"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Outside:
    """Somebody with a link, and the house it leads to."""

    house: House
    recorded: Recorded
    made: Made
    browser: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.made.path

    @property
    def database(self) -> Database:
        return self.house.site.database

    @property
    def folder(self) -> Path:
        return self.house.site.config.storage.deliveries

    def on_disk(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    async def gone(self) -> bool:
        """The last byte is there a moment before the file is gone."""
        for _ in range(200):
            if not self.on_disk():
                return True
            await asyncio.sleep(0.05)
        return False

    async def look(self) -> Got:
        return await self.house.stranger().get(self.path)

    async def fetch(self, passphrase: str = "", browser: dict[str, str] | None = None) -> File:
        """By the form of the page. `browser`: its cookies, which are kept there."""
        kept = self.browser if browser is None else browser
        visitor = Visitor(self.house.http, self.house.address, kept=kept)
        sent = {"Origin": self.house.address, "X-CSRF-Token": visitor.proof(), "Accept-Language": "en"}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        form = {"passphrase": passphrase or self.made.passphrase}
        address = self.house.address + self.path
        async with self.house.http.post(address, data=form, headers=sent, allow_redirects=False) as answer:
            for line in answer.headers.getall("Set-Cookie", []):
                visitor._keep(line)
            return File(status=answer.status, headers=dict(answer.headers), body=await answer.read())

    async def told(self) -> dict[str, object]:
        officer = await self.house.visitor(Role.PRIVACY_OFFICER.value)
        (one,) = (await officer.get("/deliveries?format=json")).json()["deliveries"]
        assert isinstance(one, dict)
        return one

    async def log(self) -> list[dict[str, object]]:
        """Of disclosures."""
        officer = await self.house.visitor(Role.PRIVACY_OFFICER.value)
        found = (await officer.get("/exports?format=json")).json()["exports"]["log"]
        assert isinstance(found, list)
        return found

    async def actions(self) -> list[tuple[str, str]]:
        return [(one["action"], one["because"]) for one in await entries(self.database) if "deliver" in one["object"]]


@pytest.fixture
async def outside(house: House) -> Outside:
    recorded = await record(house.site.config, house.site.database)
    now = house.people.watch.now
    made = await deliver(house.site.config, house.site.database, recorded.recording_id, now=now)
    return Outside(house=house, recorded=recorded, made=made)


async def test_a_package_is_fetched_once_and_then_it_is_gone(
    outside: Outside, logged: list[MutableMapping[str, Any]]
) -> None:
    assert outside.on_disk() == [f"{outside.made.delivery_id}.sealed"]
    assert await outside.log() == []  # made is not given out
    page = await outside.look()
    assert page.status == 200
    assert CONTROLLER in page.text
    assert "Fetch the package" in page.text
    got = await outside.fetch()
    assert got.status == 200, got.body
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        about = json.loads(archive.read("package.json"))
        with wave.open(io.BytesIO(archive.read(next(one for one in names if one.endswith(".wav"))))) as wav:
            assert wav.getnframes() == 16_000
    assert about["recordings"][0]["id"] == str(outside.recorded.recording_id)
    assert await outside.gone()
    again = await outside.fetch()
    assert (again.status, b"PK" in again.body) == (409, False)
    page = await outside.look()
    assert "The package was fetched" in page.text
    assert 'name="passphrase"' not in page.text
    told = await outside.told()
    assert (told["state"], told["receiver"], told["tries"]) == ("delivered", "Päivi Pyytäjä", 0)
    (one,) = await outside.log()
    assert (one["way"], one["by"], one["because"]) == ("link", "sari", "complete")
    assert one["sent_bytes"] == one["size_bytes"] == len(got.body)
    assert one["sha256"] == sha256(got.body).hexdigest()
    assert await outside.actions() == [
        ("delivery:make", "person-concerned"),
        ("delivery:open", ""),
        ("delivery:send", "complete"),
        ("delivery:end", "delivered"),
    ]
    exported = [one for one in await entries(outside.database) if one["action"].startswith("recording:export")]
    assert [one["action"] for one in exported] == ["recording:export", "recording:exported"]
    texts = json.dumps(list(map(dict, await entries(outside.database))))
    for secret in (outside.made.passphrase, outside.path.rpartition("/")[2], "Pyytäjä"):
        assert secret not in texts
        assert secret not in str(logged)
    assert "delivery_open" in [line["event"] for line in logged]


async def test_the_file_has_the_headers_of_what_nobody_keeps(outside: Outside) -> None:
    got = await outside.fetch()
    assert_guarded(got.headers)
    assert got.headers["Content-Type"] == "application/zip"
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Accept-Ranges"] == "none"
    assert got.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert int(got.headers["Content-Length"]) == len(got.body)
    assert NAME.fullmatch(got.headers["Content-Disposition"])


async def test_who_looks_at_a_link_does_not_use_it_up(outside: Outside) -> None:
    """A program that looks at the links of a mail, a preview, somebody who looks again and again."""
    before = await _rows(outside.database)
    for _ in range(12):
        got = await outside.look()
        assert got.status == 200
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["Cache-Control"] == "no-store"
        assert (await outside.house.stranger().ask("HEAD", outside.path)).status == 200
    for address in re.findall(r'(?:src|href)="([^"#]+)"', got.text):
        assert address.startswith("/"), address  # nothing of anybody else's
    # Without the proof of our own form, or from another site, it is not a try either.
    stranger = outside.house.stranger()
    assert (await stranger.post(outside.path, {"passphrase": outside.made.passphrase}, proof=False)).status == 403
    assert (await stranger.post(outside.path, {"passphrase": WRONG}, Origin="https://evil.example")).status == 403
    assert await _rows(outside.database) == before
    assert (await outside.fetch()).status == 200


async def _rows(database: Database) -> list[object]:
    async with database.transaction() as conn:
        rows = [*await conn.fetch("SELECT * FROM delivery"), *await conn.fetch("SELECT * FROM throttle")]
        return [tuple(row) for row in rows]


async def test_a_guessed_link_leads_nowhere(outside: Outside) -> None:
    token = outside.path.rpartition("/")[2]
    for guessed in (token[:-1], token + "A", token.swapcase(), "A" * 43, "%00", "..%2f..%2fetc%2fpasswd"):
        outside.made = _with_path(outside.made, f"/delivery/{guessed}")
        got = await outside.fetch()
        assert (got.status, b"PK" in got.body) == (404, False), guessed
        assert (await outside.look()).status == 404, guessed
    async with outside.database.transaction() as conn:
        kept = await conn.fetchval("SELECT token_hash FROM delivery")
        assert kept == sha256(token.encode()).digest()


def _with_path(made: Made, path: str) -> Made:
    return Made(
        delivery_id=made.delivery_id,
        recordings=made.recordings,
        size_bytes=made.size_bytes,
        expires_at=made.expires_at,
        path=path,
        passphrase=made.passphrase,
    )


async def test_ten_wrong_passphrases_close_the_link(outside: Outside) -> None:
    for left in range(9, -1, -1):
        got = await outside.fetch(WRONG, browser={})
        assert got.status == 403, (left, got.body)
        assert f"Tries left: {left}." in got.body.decode()
        if left == 8:
            assert b'name="passphrase"' in got.body  # the form again
        outside.house.people.watch.go(minutes=61)
    assert outside.on_disk() == []
    got = await outside.fetch()
    assert (got.status, b"PK" in got.body) == (409, False)
    assert "cannot be fetched any more" in (await outside.look()).text
    assert (await outside.told())["state"] == "blocked"
    assert await outside.log() == []
    assert (await outside.actions())[1:] == [*[("delivery:try", "")] * 10, ("delivery:end", "blocked")]


async def test_wrong_passphrases_are_slowed(outside: Outside) -> None:
    statuses = [(await outside.fetch(WRONG, browser={})).status for _ in range(7)]
    assert statuses == [403, 403, 403, 403, 403, 429, 429]
    assert (await outside.fetch()).status == 429  # the right one waits too
    assert (await outside.told())["tries"] == 5
    outside.house.people.watch.go(seconds=31)
    assert (await outside.fetch()).status == 200


async def test_so_many_at_once_are_no_more_tries(outside: Outside) -> None:
    found = await asyncio.gather(*(outside.fetch(WRONG, browser={}) for _ in range(12)))
    assert sorted(one.status for one in found) == [403] * 5 + [429] * 7
    assert (await outside.told())["tries"] == 5


async def test_a_passphrase_is_read_as_people_type_it(outside: Outside) -> None:
    typed = f"  {outside.made.passphrase.upper().replace('-', ' ').replace('0', 'O').replace('1', 'L')} "
    assert (await outside.fetch(typed)).status == 200


async def test_of_two_who_fetch_it_at_once_one_is_sent_it(outside: Outside) -> None:
    found = await asyncio.gather(*(outside.fetch(browser={}) for _ in range(5)))
    statuses = sorted(one.status for one in found)
    assert statuses == [200, 409, 409, 409, 409]
    assert sum(b"PK\x03\x04" in one.body for one in found) == 1
    assert len(await outside.log()) == 1


@pytest.mark.parametrize("days", [7, 8])
async def test_after_its_last_day_it_is_gone(outside: Outside, days: int) -> None:
    assert outside.made.expires_at - outside.house.people.watch.now() == timedelta(days=7)
    outside.house.people.watch.go(days=days)
    got = await outside.fetch()
    assert (got.status, b"PK" in got.body) == (409, False)
    assert "cannot be fetched any more" in (await outside.look()).text
    await outside.house.site.deliveries.run_once()
    assert outside.on_disk() == []
    assert (await outside.told())["state"] == "expired"
    assert (await outside.actions())[-1] == ("delivery:end", "expired")


async def test_an_officer_withdraws_it(outside: Outside) -> None:
    officer = await outside.house.visitor(Role.PRIVACY_OFFICER.value)
    page = await officer.get("/deliveries")
    assert "Waits to be fetched" in page.text
    assert "Päivi Pyytäjä" in page.text
    got = await officer.post(f"/deliveries/{outside.made.delivery_id}/withdraw")
    assert (got.status, got.headers["Location"]) == (303, "/deliveries"), got.text
    assert outside.on_disk() == []
    again = await officer.post(f"/deliveries/{outside.made.delivery_id}/withdraw", json=True)
    assert (again.status, again.json()["error"]["code"]) == (409, "delivery_ended")
    got_it = await outside.fetch()
    assert (got_it.status, b"PK" in got_it.body) == (409, False)
    told = await outside.told()
    assert (told["state"], told["ended_by"]) == ("withdrawn", "privacy-officer")


async def test_only_who_may_give_out_recordings_sees_deliveries(outside: Outside) -> None:
    for role in (Role.SUPERVISOR, Role.ADVISER, Role.AUDITOR, Role.ADMINISTRATOR):
        visitor = await outside.house.visitor(role.value)
        assert (await visitor.get("/deliveries")).status == 403
        assert (await visitor.post(f"/deliveries/{outside.made.delivery_id}/withdraw")).status == 403


async def test_with_the_audit_log_locked_the_answer_is_503_and_no_byte_of_the_package(outside: Outside) -> None:
    async with locked_table(outside.database, "audit_pending"):
        refused = await outside.fetch()
        assert (refused.status, b"PK" in refused.body) == (503, False)
        assert "Content-Disposition" not in refused.headers
    assert (await outside.fetch()).status == 200


async def test_with_the_database_frozen_the_answer_is_503_and_no_byte_of_the_package(tmp_path: Path) -> None:
    """Whoever asks again when it is back is sent it."""
    server = EmbeddedPostgres(tmp_path / "own" / "database", tmp_path / "own" / "logs")
    await server.start()
    try:
        async with Database(server.dsn) as database:
            await migrate(database)
            async with open_house(tmp_path, database) as house:
                recorded = await record(house.site.config, database)
                now = house.people.watch.now
                made = await deliver(house.site.config, database, recorded.recording_id, now=now)
                outside = Outside(house=house, recorded=recorded, made=made)
                with frozen(server):
                    refused = await outside.fetch()
                    assert (refused.status, b"PK" in refused.body) == (503, False)
                    assert (await outside.look()).status == 503
                assert len(outside.on_disk()) == 1
                assert (await outside.fetch()).status == 200
    finally:
        await server.stop()


# --- what breaks off


@pytest.fixture
async def long(house: House) -> Outside:
    """A package that does not fit into the sockets on the way."""
    noise = bytes(range(256)) * 62 * 600
    recorded = await record(house.site.config, house.site.database, sides=(noise, noise))
    now = house.people.watch.now
    made = await deliver(house.site.config, house.site.database, recorded.recording_id, now=now)
    return Outside(house=house, recorded=recorded, made=made)


async def _broken_off(outside: Outside) -> int:
    """Fetched by a browser that is cut off after the first bytes; how long all of it is."""
    visitor = Visitor(outside.house.http, outside.house.address, kept=outside.browser)
    sent = {"Origin": outside.house.address, "X-CSRF-Token": visitor.proof()}
    sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in outside.browser.items())
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as http:
        form = {"passphrase": outside.made.passphrase}
        answer = await http.post(outside.house.address + outside.path, data=form, headers=sent)
        assert answer.status == 200
        for line in answer.headers.getall("Set-Cookie", []):
            visitor._keep(line)
        size = int(answer.headers["Content-Length"])
        await answer.content.readexactly(1000)
        answer.close()
    for _ in range(200):
        async with outside.database.transaction() as conn:
            if await conn.fetchval("SELECT active_at IS NULL FROM delivery"):
                break
        await asyncio.sleep(0.05)
    return size


async def test_the_same_browser_may_try_again_what_broke_off(long: Outside) -> None:
    size = await _broken_off(long)
    assert long.on_disk() == [f"{long.made.delivery_id}.sealed"]
    assert cookies.DELIVERY in long.browser
    (one,) = await long.log()
    assert (one["because"], one["way"]) == (None, "link")
    other = await long.fetch(browser={})
    assert (other.status, b"PK" in other.body) == (409, False)  # not even with the passphrase
    # A link in a mail is followed without the cookies of ours, and the page of it has another visit.
    del long.browser[cookies.VISIT]
    got = await long.fetch()
    assert (got.status, len(got.body)) == (200, size)
    assert await long.gone()
    (one,) = await long.log()
    assert (one["because"], one["sent_bytes"]) == ("complete", size)
    assert [action for action, _ in await long.actions()] == [
        "delivery:make",
        *("delivery:open", "delivery:send") * 2,
        "delivery:end",
    ]


async def test_what_broke_off_is_over_after_an_hour(long: Outside) -> None:
    size = await _broken_off(long)
    long.house.people.watch.go(minutes=61)
    got = await long.fetch()
    assert (got.status, b"PK" in got.body) == (409, False)
    await long.house.site.deliveries.run_once()
    assert long.on_disk() == []
    assert (await long.told())["state"] == "broken-off"
    (one,) = await long.log()
    assert one["because"] == "broken-off"
    assert isinstance(one["sent_bytes"], int)
    assert 0 < one["sent_bytes"] < size


async def test_what_is_withdrawn_while_it_is_sent_breaks_off(long: Outside) -> None:
    officer = await long.house.visitor(Role.PRIVACY_OFFICER.value)
    visitor = Visitor(long.house.http, long.house.address)
    sent = {"Origin": long.house.address, "X-CSRF-Token": visitor.proof()}
    sent["Cookie"] = f"{cookies.VISIT}={visitor.kept[cookies.VISIT]}"
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as http:
        form = {"passphrase": long.made.passphrase}
        answer = await http.post(long.house.address + long.path, data=form, headers=sent)
        await answer.content.readexactly(1000)
        assert (await officer.post(f"/deliveries/{long.made.delivery_id}/withdraw")).status == 303
        assert long.on_disk() == []
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    (one,) = await long.log()
    assert one["because"] == "right-ended"
