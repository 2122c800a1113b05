"""Where alarms go besides the log: mail, and a webhook. When they are told, and how often: services/alarms.py."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

import aiohttp

from ari_recorder.config import Config, ConfigError
from ari_recorder.services.alarms import DeliveryFailed, Receiver, Told, body_of
from ari_recorder.services.smtp import ANSWER_SECONDS, SESSION_SECONDS, SmtpSession

SIGNATURE = "X-Signature"
_SECONDS = 10.0


def of(config: Config) -> tuple[Receiver, ...]:
    """Those of the configuration."""
    found: list[Receiver] = []
    if config.alarms.mail_to:
        found.append(MailReceiver(config))
    if config.alarms.webhook is not None:
        found.append(WebhookReceiver(config))
    return tuple(found)


class MailReceiver:
    """One letter to all, in English as the log is: it names codes, ids and paragraphs of the operations guide."""

    name = "mail"

    def __init__(
        self, config: Config, answer_seconds: float = ANSWER_SECONDS, session_seconds: float = SESSION_SECONDS
    ) -> None:
        self._config = config
        self._answer_seconds = answer_seconds
        self._session_seconds = session_seconds

    async def deliver(self, alarms: Sequence[Told]) -> None:
        try:
            session = SmtpSession(self._config.mail, self._config.mail_password(), self._answer_seconds)
        except ConfigError as error:
            raise DeliveryFailed(str(error)) from None
        messages = [(alarms[0].id, to, self._message(alarms, to)) for to in self._config.alarms.mail_to]
        sending = asyncio.ensure_future(asyncio.to_thread(session.send, messages))
        try:
            await asyncio.wait({sending}, timeout=self._session_seconds)
        finally:
            if not sending.done():
                session.cut()
        outcome = await sending
        if trouble := outcome.trouble or next(iter([*outcome.postponed.values(), *outcome.refused.values()]), ""):
            raise DeliveryFailed(trouble)

    def _message(self, alarms: Sequence[Told], to: str) -> EmailMessage:
        sender = self._config.mail.sender or ""
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = f"ari-recorder <{sender}>"
        message["To"] = to
        message["Subject"] = subject_of(alarms)
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{alarms[0].id}@{sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n\n".join("\n".join(_lines(one)) for one in alarms) + "\n")
        return message


class WebhookReceiver:
    """POST of {"alarms": […]}; whatever is not 2xx is a no, a redirect too: it would lead elsewhere."""

    name = "webhook"

    def __init__(self, config: Config, seconds: float = _SECONDS) -> None:
        self._config = config
        self._seconds = seconds

    async def deliver(self, alarms: Sequence[Told]) -> None:
        body = body_of(alarms)
        headers = {"Content-Type": "application/json", "User-Agent": "ari-recorder"}
        try:
            secret = self._config.webhook_secret()
            if secret is not None:
                headers[SIGNATURE] = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
            timeout = aiohttp.ClientTimeout(total=self._seconds)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    str(self._config.alarms.webhook), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                status = response.status
        except ConfigError as error:
            raise DeliveryFailed(str(error)) from None
        except TimeoutError:
            raise DeliveryFailed("the receiver did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryFailed(f"the receiver cannot be spoken to ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise DeliveryFailed(f"the receiver answers {status}")


def subject_of(alarms: Sequence[Told]) -> str:
    codes = list(dict.fromkeys(one.alarm for one in alarms))
    more = f" and {len(codes) - 3} more" if len(codes) > 3 else ""
    return f"[ari-recorder] {alarms[0].host}: {', '.join(codes[:3])}{more}"


def _lines(one: Told) -> Iterator[str]:
    yield f"{one.alarm}: {one.because}" if one.because else one.alarm
    if one.subject:
        yield f"  about: {one.subject}"
    yield f"  when:  {one.at.isoformat(timespec='seconds')}" + (f", {one.times} times" if one.times > 1 else "")
    yield f"  what to do: {one.runbook}"
