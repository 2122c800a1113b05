"""Mail, against servers on loopback that take it, hang, refuse, or speak no TLS."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.x509 import DNSName
from pydantic import ValidationError

from ari_recorder.config import Config, Mail
from ari_recorder.domain.accounts import check_mail
from ari_recorder.domain.errors import MailRefused
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.services.mail import GIVE_UP_AFTER, Mailer, Post
from ari_recorder.storage import outbox
from ari_recorder.storage.db import Database
from tests.asterisk.test_ami_tls import PrivateCa
from tests.services.smtp_server import SmtpServer, smtp_server
from tests.site import prepare, write_secret

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
PEOPLE = ("one@example.org", "two@example.org")
LETTER = Letter(
    kind=LetterKind.HOLD_REVIEW, once="hold:1:2026-11-24", path="/holds/1", facts={"review_on": "2026-12-01"}
)


@dataclass
class Office:
    """A configuration that points to a mail server, and a clock."""

    database: Database
    config: Config
    time: datetime = NOW
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def mailer(self, seconds: float = 5.0, session: float = 5.0) -> Mailer:
        return Mailer(
            database=self.database,
            config=self.config,
            now=lambda: self.time,
            answer_seconds=seconds,
            session_seconds=session,
        )

    async def queue(self, letter: Letter = LETTER) -> None:
        post = Post(self.config.mail, self.config.web.language)
        async with self.database.transaction() as conn:
            await post.queue(conn, letter, self.time)

    async def send(self, **limits: float) -> int:
        return await self.mailer(**limits).run_once(self.stop)


def office(database: Database, folder: Path, server: SmtpServer, **mail: object) -> Office:
    config = prepare(folder)
    settings = Mail.model_validate(
        {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "sender": "recorder@example.org",
            "holds_to": PEOPLE,
            **mail,
        }
    )
    return Office(database=database, config=config.model_copy(update={"mail": settings}))


async def test_a_letter_comes_to_each_who_is_named_once(database: Database, tmp_path: Path) -> None:
    async with smtp_server() as server:
        here = office(database, tmp_path, server)
        await here.queue()
        await here.queue()
        assert await here.send() == 2
        await here.queue()
        assert await here.send() == 0
    assert sorted(to for to, _ in server.messages) == sorted(PEOPLE)
    message = server.messages[0][1]
    assert message["From"] == "ari-recorder <recorder@example.org>"
    assert message["Subject"] == "Säilytyspäätös tarkistettava 1.12.2026 mennessä"
    assert "/holds/1" in message.get_content()
    assert len({message["Message-ID"] for _, message in server.messages}) == 2


async def test_what_is_rolled_back_is_not_told(database: Database, tmp_path: Path) -> None:
    async with smtp_server() as server:
        here = office(database, tmp_path, server)
        with contextlib.suppress(ZeroDivisionError):
            async with database.transaction() as conn:
                await Post(here.config.mail, "fi").queue(conn, LETTER, NOW)
                raise ZeroDivisionError
        assert await here.send() == 0
    assert server.sessions == 0


@pytest.mark.parametrize("verb", ["", "EHLO", "MAIL", "DATA"])
async def test_a_server_that_hangs_costs_a_moment_and_no_letter(database: Database, tmp_path: Path, verb: str) -> None:
    async with smtp_server(hangs_on=verb) as server:
        here = office(database, tmp_path, server)
        await here.queue()
        began = asyncio.get_running_loop().time()
        assert await here.send(seconds=0.3) == 0
        assert asyncio.get_running_loop().time() - began < 3
        assert (await here.mailer().depth()).waiting == 2
        server.hangs_on = None
        here.time += timedelta(minutes=2)
        assert await here.send() == 2


async def test_a_server_that_drips_is_cut_off(database: Database, tmp_path: Path) -> None:
    async with smtp_server(drips=True) as server:
        here = office(database, tmp_path, server)
        await here.queue()
        began = asyncio.get_running_loop().time()
        assert await here.send(seconds=5, session=0.5) == 0
        assert asyncio.get_running_loop().time() - began < 3


async def test_stopping_does_not_wait_for_the_server_and_the_letters_are_due_at_once(
    database: Database, tmp_path: Path
) -> None:
    async with smtp_server(hangs_on="MAIL") as server:
        here = office(database, tmp_path, server)
        await here.queue()
        sending = asyncio.ensure_future(here.send(seconds=60, session=60))
        await asyncio.wait_for(server.silent.wait(), 5)
        here.stop.set()
        assert await asyncio.wait_for(sending, 3) == 0
        here.stop.clear()
        server.hangs_on = None
        assert await here.send() == 2


async def test_nobody_listening_is_tried_again_more_and_more_seldom(database: Database, tmp_path: Path) -> None:
    async with smtp_server() as server:
        pass
    here = office(database, tmp_path, server)
    await here.queue()
    pauses = []
    for _ in range(9):
        assert await here.send() == 0
        async with database.transaction() as conn:
            try_at = await conn.fetchval("SELECT min(try_at) FROM outbox")
        pauses.append((try_at - here.time) // timedelta(minutes=1))
        here.time = try_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]


async def test_what_is_refused_for_good_is_given_up_and_what_is_refused_for_now_is_not(
    database: Database, tmp_path: Path
) -> None:
    async with smtp_server(recipients={PEOPLE[0]: 550, PEOPLE[1]: 451}) as server:
        here = office(database, tmp_path, server)
        await here.queue()
        assert await here.send() == 0
        depth = await here.mailer().depth()
        assert (depth.waiting, depth.given_up) == (1, 1)
        here.time += timedelta(minutes=2)
        server.recipients = {}
        assert await here.send() == 1
    assert [to for to, _ in server.messages] == [PEOPLE[1]]


async def test_after_three_days_a_letter_is_given_up(database: Database, tmp_path: Path) -> None:
    async with smtp_server(answers={"MAIL": 450}) as server:
        here = office(database, tmp_path, server)
        await here.queue()
        await here.send()
        here.time += GIVE_UP_AFTER
        await here.send()
        depth = await here.mailer().depth()
    assert (depth.waiting, depth.given_up) == (0, 2)


async def test_a_server_that_is_away_for_long_does_not_fill_the_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)
    async with smtp_server() as server:
        here = office(database, tmp_path, server)
        for number in range(5):
            await here.queue(Letter(kind=LetterKind.HOLD_REVIEW, once=str(number), path="/", facts=LETTER.facts))
        assert (await here.mailer().depth()).waiting == 3
        assert await here.send() == 3


async def test_several_services_send_each_letter_once(database: Database, tmp_path: Path) -> None:
    async with smtp_server() as server:
        here = office(database, tmp_path, server)
        for number in range(15):
            await here.queue(Letter(kind=LetterKind.HOLD_REVIEW, once=str(number), path="/", facts=LETTER.facts))
        assert sum(await asyncio.gather(*(here.send() for _ in range(4)))) == 30
    assert len(server.messages) == 30


async def test_starttls_and_log_in(database: Database, tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, DNSName("localhost"))
    async with smtp_server(tls=ca.server, password="the insecure one") as server:
        secret = write_secret(tmp_path / "mail.password", "the insecure one")
        here = office(
            database,
            tmp_path,
            server,
            host="localhost",
            security="starttls",
            ca_file=str(ca.ca_file),
            user="recorder",
            password_file=str(secret),
        )
        await here.queue()
        assert await here.send() == 2
    assert [line.split()[0].lower() for line in server.in_clear] == ["ehlo", "starttls"]


async def test_a_server_without_tls_is_sent_nothing(database: Database, tmp_path: Path) -> None:
    async with smtp_server() as server:
        here = office(database, tmp_path, server, security="starttls")
        await here.queue()
        assert await here.send() == 0
    assert [line.split()[0].lower() for line in server.in_clear] == ["ehlo"]


async def test_a_server_nobody_vouches_for_is_sent_nothing(database: Database, tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, DNSName("other.example.org"))
    async with smtp_server(tls=ca.server) as server:
        here = office(database, tmp_path, server, host="localhost", security="starttls", ca_file=str(ca.ca_file))
        await here.queue()
        assert await here.send() == 0
    assert not server.messages
    assert not any(line.upper().startswith("MAIL") for line in server.in_clear)


async def test_notices_go_to_those_who_have_an_address(database: Database, tmp_path: Path) -> None:
    with_mail, without = uuid4(), uuid4()
    async with database.transaction() as conn:
        for account_id, mail in ((with_mail, "aino@example.org"), (without, "")):
            await conn.execute(
                """
                INSERT INTO account (id, kind, state, name, full_name, mail, language, created_at)
                VALUES ($1, 'person', 'invited', $2, 'Aino Example', $3, 'sv', $4)
                """,
                account_id,
                str(account_id),
                mail,
                NOW,
            )
            await conn.execute(
                "INSERT INTO notice_to_user (account_id, kind, at, facts) VALUES ($1, 'new-device', $2, '{}')",
                account_id,
                NOW,
            )
    async with smtp_server() as server:
        here = office(database, tmp_path, server)
        assert await here.send() == 1
        assert await here.send() == 0
    to, message = server.messages[0]
    assert to == "aino@example.org"
    assert message["Subject"] == "Meddelande om ditt användarkonto"
    assert "Aino" not in message.as_string()


async def test_without_a_mail_server_nothing_is_queued(database: Database, tmp_path: Path) -> None:
    config = prepare(tmp_path)
    async with database.transaction() as conn:
        await Post(config.mail, "fi").queue(conn, LETTER, NOW)
        assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
    mailer = Mailer(database=database, config=config, now=lambda: NOW)
    assert await mailer.run_once(asyncio.Event()) == 0


@pytest.mark.parametrize(
    "address",
    [
        "aino@example.org\r\nRCPT TO:<evil@example.org>",
        "aino@example.org\nBcc: evil@example.org",
        "aino@example.org, evil@example.org",
        "aino@example.org> NOTIFY=NEVER <evil@example.org",
        "<evil@example.org>",
        "aino@example.org\0",
        '"a\r\nDATA"@example.org',
    ],
)
def test_no_address_holds_a_command_or_a_second_one(address: str) -> None:
    """Those are all that people type of a mail: what it says are days, counts and ids of ours."""
    with pytest.raises(MailRefused):
        check_mail(address)
    for field_name in ("sender", "flags_to", "holds_to", "use_to"):
        value = address if field_name == "sender" else [address]
        with pytest.raises(ValidationError):
            Mail.model_validate({"host": "127.0.0.1", "sender": "recorder@example.org", field_name: value})
