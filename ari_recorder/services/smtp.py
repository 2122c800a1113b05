"""One session with the mail server (SMTP): opened, used for some messages, cut off when it takes too long.

What is sent, and when again: services/mail.py, services/receivers.py. Nothing is sent to a server that does not do TLS
when TLS is asked for.
"""

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from uuid import UUID

from ari_recorder.config import Mail

# One answer of the server, and all of one session.
ANSWER_SECONDS = 10.0
SESSION_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`delivered` were accepted; `refused` will never be; what is in neither can be tried again."""

    delivered: tuple[UUID, ...] = ()
    refused: dict[UUID, str] = field(default_factory=dict)
    postponed: dict[UUID, str] = field(default_factory=dict)
    # Why the session as a whole went wrong; what is not named above was not tried.
    trouble: str = ""


class SmtpSession:
    """One session with the server. Blocking: `send` is for a thread, `cut` may be called from any other."""

    def __init__(self, mail: Mail, password: str | None, answer_seconds: float) -> None:
        self._mail = mail
        self._password = password
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._smtp: smtplib.SMTP | None = None
        self._is_cut = False

    def cut(self) -> None:
        """Whatever it waits for ends now."""
        with self._lock:
            self._is_cut = True
            sock = self._smtp.sock if self._smtp is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Of a TLS connection too: it is the descriptor that is shut, and its reader wakes up.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def send(self, messages: Sequence[tuple[UUID, str, EmailMessage]]) -> Outcome:
        delivered: list[UUID] = []
        refused: dict[UUID, str] = {}
        postponed: dict[UUID, str] = {}
        trouble = ""
        try:
            smtp = self._open()
            try:
                for letter_id, recipient, message in messages:
                    if self._is_cut:
                        raise TimeoutError
                    try:
                        smtp.send_message(message, self._mail.sender, [recipient])
                    except smtplib.SMTPRecipientsRefused as error:
                        _sort(letter_id, next(iter(error.recipients.values()))[0], refused, postponed)
                    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
                        _sort(letter_id, error.smtp_code, refused, postponed)
                    else:
                        delivered.append(letter_id)
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
            finally:
                smtp.close()
        except smtplib.SMTPAuthenticationError as error:
            trouble = f"the mail server does not let this user log in ({error.smtp_code})"
        except smtplib.SMTPNotSupportedError:
            trouble = "the mail server does not do what is asked of it: STARTTLS or logging in"
        except smtplib.SMTPResponseException as error:
            trouble = f"the mail server answers {error.smtp_code}"
        except ssl.SSLError as error:
            trouble = f"TLS: {error.reason or type(error).__name__}"
        except TimeoutError:
            trouble = "the mail server did not answer in time"
        except (smtplib.SMTPException, OSError, ValueError) as error:
            cut = "it took too long: " if self._is_cut else ""
            trouble = f"{cut}the mail server cannot be spoken to ({type(error).__name__})"
        return Outcome(delivered=tuple(delivered), refused=refused, postponed=postponed, trouble=trouble)

    def _open(self) -> smtplib.SMTP:
        mail = self._mail
        assert mail.host is not None  # noqa: S101 -- run_once was here
        context = ssl.create_default_context(cafile=mail.ca_file) if mail.security != "none" else None
        smtp: smtplib.SMTP
        if mail.security == "tls":
            smtp = smtplib.SMTP_SSL(timeout=self._answer_seconds, context=context)
        else:
            smtp = smtplib.SMTP(timeout=self._answer_seconds)
        # For the name in the certificate: it is only set by the constructor, which would connect at once.
        smtp._host = mail.host  # type: ignore[attr-defined]
        with self._lock:
            if self._is_cut:
                raise TimeoutError
            self._smtp = smtp
        try:
            code, _ = smtp.connect(mail.host, mail.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, b"")
            if mail.security == "starttls":
                smtp.starttls(context=context)
            if mail.user is not None and self._password is not None:
                smtp.login(mail.user, self._password)
        except BaseException:
            smtp.close()
            raise
        return smtp


def _sort(letter_id: UUID, code: int, refused: dict[UUID, str], postponed: dict[UUID, str]) -> None:
    """5xx will not be better later (RFC 5321, section 4.2.1). The server's words stay there: they name people."""
    where = refused if 500 <= code < 600 else postponed
    where[letter_id] = f"the mail server answers {code}"
