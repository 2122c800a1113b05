"""services/alarms.py and receivers.py: each alarm gets to people once an hour, whoever is away meanwhile."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import aiohttp.test_utils
import pytest
import structlog
from aiohttp import web

from ari_recorder import logs
from ari_recorder.config import Config
from ari_recorder.services import alarms as module
from ari_recorder.services import receivers
from ari_recorder.services.alarms import AlarmDesk, DeliveryFailed, Told
from tests.services.smtp_server import smtp_server
from tests.site import prepare

A_LINE = {"action": "alarm", "alarm": "seal-failed", "subject": "a-recording", "because": "the disk is full"}


@dataclass
class Pager:
    name: str = "pager"
    got: list[Told] = field(default_factory=list)
    away: bool = False
    tries: int = 0

    async def deliver(self, alarms: Sequence[Told]) -> None:
        self.tries += 1
        if self.away:
            raise DeliveryFailed("it is away")
        self.got += alarms


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER", timedelta(seconds=0.05))
    monkeypatch.setattr(module, "RETRY_FIRST", timedelta(seconds=0.05))


@asynccontextmanager
async def running(desk: AlarmDesk) -> AsyncIterator[None]:
    stop = asyncio.Event()
    job = asyncio.create_task(desk.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(job, 10)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a state nobody announces
            await asyncio.sleep(0.01)


async def test_an_alarm_of_the_log_is_told_with_its_paragraph(tmp_path: Path) -> None:
    pager = Pager()
    desk = AlarmDesk(tmp_path, [pager])
    async with running(desk):
        desk.hear({"action": "call_store", "alarm": "not one"})
        desk.hear(A_LINE)
        await until(lambda: len(pager.got) == 1)
    (told,) = pager.got
    assert (told.alarm, told.subject, told.because, told.times) == (
        "seal-failed",
        "a-recording",
        "the disk is full",
        1,
    )
    assert told.runbook == "docs/operations.md#alarm-seal-failed"
    assert desk.counts == {"seal-failed": 1}


async def test_what_goes_on_is_told_again_only_when_it_was_quiet_for_long_enough(tmp_path: Path) -> None:
    pager = Pager()
    desk = AlarmDesk(tmp_path, [pager], quiet=timedelta(seconds=0.5))
    async with running(desk):
        desk.hear(A_LINE)
        await until(lambda: len(pager.got) == 1)
        for _ in range(7):
            desk.hear(A_LINE)
        desk.hear({**A_LINE, "subject": "another"})
        await until(lambda: len(pager.got) == 2)
        assert pager.got[1].subject == "another"
        await until(lambda: len(pager.got) == 3)
    assert (pager.got[2].subject, pager.got[2].times) == ("a-recording", 7)


async def test_what_a_receiver_has_not_got_it_gets_after_a_restart_and_others_do_not_wait_for_it(
    tmp_path: Path,
) -> None:
    pager, other = Pager(away=True), Pager(name="other")
    desk = AlarmDesk(tmp_path, [pager, other])
    async with running(desk):
        desk.hear(A_LINE)
        await until(lambda: len(other.got) == 1 and pager.tries >= 2)
        assert desk.waiting == {"pager": 1, "other": 0}
    assert (tmp_path / "waiting.json").stat().st_mode & 0o077 == 0
    again = Pager()
    async with running(AlarmDesk(tmp_path, [again, Pager(name="other")])):
        await until(lambda: len(again.got) == 1)
    assert again.got[0].id == other.got[0].id


async def test_a_receiver_that_is_away_for_long_fills_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    pager = Pager(away=True)
    desk = AlarmDesk(tmp_path, [pager])
    async with running(desk):
        for number in range(50):
            desk.hear({**A_LINE, "subject": str(number)})
            await asyncio.sleep(0)
        await until(lambda: pager.tries > 0 and desk.waiting["pager"] == 20)
        await asyncio.sleep(0.2)  # nor is it more a little later
        assert desk.waiting["pager"] == 20


async def test_a_full_disk_keeps_no_alarm_from_anybody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pager = Pager()
    desk = AlarmDesk(tmp_path / "file" / "folder", [pager])
    async with running(desk):
        desk.hear(A_LINE)
        await until(lambda: len(pager.got) == 1)


async def test_lines_come_from_the_log_of_any_thread_and_hold_nothing_personal(tmp_path: Path) -> None:
    pager = Pager()
    desk = AlarmDesk(tmp_path, [pager])
    logs.set_up(heard=desk.hear)
    async with running(desk):
        await asyncio.sleep(0)
        log = structlog.get_logger("tests")
        thread = threading.Thread(
            target=lambda: log.error("alarm", alarm="seal-failed", subject="", because="of 0401234567")
        )
        thread.start()
        thread.join()
        await until(lambda: len(pager.got) == 1)
    assert pager.got[0].because == f"of {logs.REMOVED}"


# --- mail and webhook


def site(folder: Path, **sections: str) -> Config:
    more = "\n".join(f"[{name}]\n{text}" for name, text in sections.items())
    return prepare(folder, changes={"web.more": more})


AN_ALARM = Told(
    id=UUID(int=1),
    alarm="seal-failed",
    subject="a-recording",
    because="the disk is full",
    at=datetime(2026, 11, 24, 2, 20, tzinfo=UTC),
    times=1,
    host="pbx1",
    runbook="docs/operations.md#alarm-seal-failed",
)


async def test_a_letter_names_the_alarms_and_what_to_do(tmp_path: Path) -> None:
    async with smtp_server() as server:
        mail = f'host = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nsender = "recorder@example.org"'
        config = site(tmp_path, mail=mail, alarms='mail_to = ["oncall@example.org", "boss@example.org"]')
        (receiver,) = receivers.of(config)
        await receiver.deliver([AN_ALARM, AN_ALARM])
        assert sorted(to for to, _ in server.messages) == ["boss@example.org", "oncall@example.org"]
        message = server.messages[0][1]
        assert message["Subject"] == "[ari-recorder] pbx1: seal-failed"
        text = message.get_content()
        assert "seal-failed: the disk is full" in text
        assert "what to do: docs/operations.md#alarm-seal-failed" in text


async def test_a_mail_server_that_refuses_or_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    async with smtp_server(answers={"DATA": 452}) as server:
        mail = f'host = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nsender = "recorder@example.org"'
        config = site(tmp_path, mail=mail, alarms='mail_to = ["oncall@example.org"]')
        (receiver,) = receivers.of(config)
        with pytest.raises(DeliveryFailed, match="452"):
            await receiver.deliver([AN_ALARM])
    with pytest.raises(DeliveryFailed, match="cannot be spoken to"):
        await receiver.deliver([AN_ALARM])


@asynccontextmanager
async def hook(status: int) -> AsyncIterator[tuple[str, list[tuple[bytes, str]]]]:
    got: list[tuple[bytes, str]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((await request.read(), request.headers.get(receivers.SIGNATURE, "")))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/hook", take)
    async with aiohttp.test_utils.TestServer(app) as server:
        yield str(server.make_url("/hook")), got


async def test_a_webhook_gets_json_under_a_signature(tmp_path: Path) -> None:
    secret = tmp_path / "webhook.secret"
    secret.write_text("insecure-webhook-secret\n")
    secret.chmod(0o600)
    async with hook(204) as (url, got):
        config = site(tmp_path, alarms=f'webhook = "{url}"\nwebhook_secret_file = "{secret}"')
        (receiver,) = receivers.of(config)
        await receiver.deliver([AN_ALARM])
    body, signature = got[0]
    assert signature == "sha256=" + hmac.new(b"insecure-webhook-secret", body, hashlib.sha256).hexdigest()
    (told,) = json.loads(body)["alarms"]
    assert (told["alarm"], told["host"], told["times"]) == ("seal-failed", "pbx1", 1)


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_what_is_not_a_yes_is_a_no(tmp_path: Path, status: int) -> None:
    async with hook(status) as (url, got):
        (receiver,) = receivers.of(site(tmp_path, alarms=f'webhook = "{url}"'))
        with pytest.raises(DeliveryFailed, match=f"answers {status}"):
            await receiver.deliver([AN_ALARM])
    assert len(got) == 1
