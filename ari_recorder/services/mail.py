"""Mail: letters are queued in the database with what they tell of, and sent by a job. What they say: domain/letters.py.

    queue (in somebody's transaction) ─► outbox ─► claim ─► one SMTP session, in a thread ─► sent
                                            ▲                    └─ not now: again after 1, 2, 4 … 64 minutes
                                            └─────────────────────┘  not ever, or 3 days old: given up, with an alarm

A mail server that is away, hangs or refuses costs nothing but mail: nobody waits for it, no transaction is open while
it is spoken to, and the queue is bounded. A crash between the server's "accepted" and our commit sends a letter twice:
its Message-ID is the same. Nothing is sent to a server that does not do TLS when TLS is asked for.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

import structlog

from ari_recorder.config import Config, ConfigError, Mail, Web
from ari_recorder.domain import letters
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.services.smtp import ANSWER_SECONDS, SESSION_SECONDS, Outcome, SmtpSession
from ari_recorder.storage import audit_tree, outbox
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.outbox import Depth, Waiting
from ari_recorder.supervise import either

log = structlog.get_logger(__name__)

# A reminder is as good a minute later.
LOOK_EVERY = timedelta(seconds=30)
BACKOFF = timedelta(minutes=1)
# The next reminder of the same thing has come by then.
GIVE_UP_AFTER = timedelta(days=3)
_BATCH = 20


def link(web: Web, path: str) -> str:
    """Where people outside this host find a page of ours."""
    return f"{web.origin or f'https://{socket.gethostname()}:{web.port}'}{path}"


class Post:
    """Queues letters for the addresses of the configuration. Without a mail server it does nothing."""

    def __init__(self, mail: Mail, language: str) -> None:
        self._language = language
        self._to = {
            LetterKind.FLAG_UNDECIDED: mail.flags_to,
            LetterKind.HOLD_REVIEW: mail.holds_to,
            LetterKind.QUARANTINE: mail.quarantine_to,
            LetterKind.REQUEST_DUE: mail.requests_to,
            LetterKind.USE_REPORT: mail.use_to,
            LetterKind.SIGN_OVERDUE: mail.use_to,
            LetterKind.DELIVERY_BLOCKED: mail.deliveries_to,
            LetterKind.AUDIT_HEAD: mail.audit_to,
            LetterKind.BREACH_DUE: mail.breaches_to,
        }
        self._is_on = mail.host is not None

    async def queue(self, conn: Connection, letter: Letter, now: datetime, *, to: str = "") -> None:
        """Sent if this transaction commits; to who is told of its kind, and `to` besides."""
        recipients = (*self._to.get(letter.kind, ()), *([to] if to else [])) if self._is_on else ()
        if recipients and (left_out := await outbox.queue(conn, letter, recipients, self._language, now)):
            because = f"{left_out} letter(s) were not queued: {outbox.MOST_WAITING} are waiting"
            log.error("alarm", alarm=AlarmCode.MAIL_FAILED.value, subject=letter.kind.value, because=because)


class Mailer:
    """`run` is the service's job."""

    def __init__(
        self,
        *,
        database: Database,
        config: Config,
        now: Callable[[], datetime],
        answer_seconds: float = ANSWER_SECONDS,
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._database = database
        self._config = config
        self._now = now
        self._answer_seconds = answer_seconds
        self._session_seconds = session_seconds
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            await self.run_once(stop)
            await either(stop, self._wake, within=LOOK_EVERY)

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    async def depth(self) -> Depth:
        async with self._database.transaction() as conn:
            return await outbox.depth(conn)

    async def run_once(self, stop: asyncio.Event) -> int:
        """Everything that is due; how many letters were accepted. After a session that failed the rest waits."""
        if self._config.mail.host is None:
            return 0
        sent = 0
        async with self._database.transaction() as conn:
            while await outbox.queue_notices(conn, "/account", self._now(), limit=_BATCH) == _BATCH:
                pass
            await outbox.forget_old(conn, self._now())
        while not stop.is_set():
            async with self._database.transaction() as conn:
                batch = await outbox.claim(conn, self._now(), BACKOFF, limit=_BATCH)
            if not batch:
                break
            outcome = await self._deliver(batch, stop)
            await self._note(batch, outcome, stopped=stop.is_set())
            sent += len(outcome.delivered)
            if outcome.trouble:
                log.warning("mail_fail", because=outcome.trouble, waiting=len(batch))
                break
        if sent:
            log.info("mail_send", letters=sent)
        return sent

    async def _deliver(self, batch: Sequence[Waiting], stop: asyncio.Event) -> Outcome:
        """In a thread, and cut off when it takes too long or the service stops: no thread is left behind."""
        try:
            password = self._config.mail_password()
        except ConfigError as error:
            return Outcome(trouble=str(error))
        session = SmtpSession(self._config.mail, password, self._answer_seconds)
        messages = [(one.id, one.recipient, self._message(one)) for one in batch]
        sending = asyncio.ensure_future(asyncio.to_thread(session.send, messages))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({sending, stopping}, timeout=self._session_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not sending.done():
                session.cut()
        return await sending

    def _message(self, one: Waiting) -> EmailMessage:
        text = letters.written(one.kind, one.facts, one.language, self._link(one.path))
        sender = self._config.mail.sender or ""
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = f"ari-recorder <{sender}>"
        message["To"] = one.recipient
        message["Subject"] = text.subject
        message["Date"] = format_datetime(one.queued_at)
        message["Message-ID"] = f"<{one.id}@{sender.partition('@')[2]}>"
        message["Content-Language"] = one.language
        # RFC 3834: no holiday notices in answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text.body)
        return message

    def _link(self, path: str) -> str:
        return link(self._config.web, path)

    async def _note(self, batch: Sequence[Waiting], outcome: Outcome, *, stopped: bool) -> None:
        now = self._now()
        done = {*outcome.delivered, *outcome.refused, *outcome.postponed}
        given_up: list[tuple[Waiting, str]] = []
        async with self._database.transaction() as conn:
            await outbox.sent(conn, outcome.delivered, now)
            for one in batch:
                if one.id in outcome.delivered:
                    await _anchored(conn, one, "", now)
            if stopped:
                await outbox.unclaim(conn, [one.id for one in batch if one.id not in done], now)
            for one in batch:
                if one.id in outcome.delivered or (stopped and one.id not in done):
                    continue
                trouble = outcome.refused.get(one.id) or outcome.postponed.get(one.id) or outcome.trouble
                is_over = one.id in outcome.refused or now - one.queued_at >= GIVE_UP_AFTER
                await outbox.failed(conn, one.id, trouble, given_up_at=now if is_over else None)
                await _anchored(conn, one, trouble, now)
                if is_over:
                    given_up.append((one, trouble))
        for one, trouble in given_up:
            because = f"a letter ({one.kind.value}) was not delivered: {trouble}"
            log.error("alarm", alarm=AlarmCode.MAIL_FAILED.value, subject=str(one.id), because=because)


async def _anchored(conn: Connection, one: Waiting, trouble: str, now: datetime) -> None:
    """A mailed head of the audit log is outside when the server has accepted it."""
    if one.kind is LetterKind.AUDIT_HEAD:
        await audit_tree.note_anchor(conn, f"mail:{one.recipient}", one.facts["size"], trouble, now)
