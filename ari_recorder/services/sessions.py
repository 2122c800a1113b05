"""Who is in: from the token of a request to a principal, with the rights of this moment. Logging in: services/login.py.

    session ──idle 30 min, or 10 h──► over
       │ ──log out, disable, reset, new password──► ended
       └──step up: a fresh code──► the same session under a new token

Nothing is remembered between requests: what was taken away is gone with the next one.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from ari_recorder.domain import throttle as subjects
from ari_recorder.domain.accounts import LANGUAGES, Principal
from ari_recorder.domain.audit import Action, Entry, Outcome
from ari_recorder.domain.errors import CodeRefused, LanguageRefused, LogInPaused, SessionOver, TokenRefused
from ari_recorder.domain.retention import local_day
from ari_recorder.services import tokens
from ari_recorder.services.clock import Clocks
from ari_recorder.services.login import TICKET, Where, paused
from ari_recorder.services.throttle import Counted
from ari_recorder.storage import accounts, audit, commands, log_ins, notices, sessions, throttle
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.notices import Notice
from ari_recorder.storage.sessions import Found, Session
from ari_recorder.vault import totp
from ari_recorder.vault.login_key import LoginKey

log = structlog.get_logger(__name__)

# How long counts of tries are of use: the longest wait, and the quiet after it.
_COUNTS = subjects.LONGEST_WAIT + 2 * subjects.QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedUp:
    """The token before it is worth nothing any more."""

    session: str


class Sessions:
    def __init__(self, *, database: Database, login_key: LoginKey, clocks: Clocks, window: int = 0) -> None:
        self._database = database
        self._key = login_key
        self._clocks = clocks
        self._window = window

    async def principal(self, session: str, where: Where) -> Principal:
        """Who this session's cookie belongs to. SessionOver."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            found = await sessions.find(conn, tokens.hashed(session), now, local_day(now))
        if found is None:
            raise SessionOver
        return _principal(found, where)

    async def machine(self, token: str, where: Where) -> Principal:
        """Who this machine's token belongs to. TokenRefused."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            found = await sessions.find_machine(conn, tokens.hashed(token), now, local_day(now))
        if found is None:
            raise TokenRefused
        return _principal(found, where)

    async def step_up(self, principal: Principal, session: str, code: str) -> SteppedUp:
        """A fresh code for what is sensitive. CodeRefused, LogInPaused, SessionOver."""
        async with self._database.transaction() as conn:
            answer = await self._step_up(conn, principal, session, code)
        if not isinstance(answer, SteppedUp):
            raise answer
        return answer

    async def _step_up(
        self, conn: Connection, principal: Principal, session: str, code: str
    ) -> SteppedUp | CodeRefused | LogInPaused | SessionOver:
        now, actor = self._clocks.now(), principal.actor()
        about = f"user:{principal.user_id}"
        counted = await Counted.lock(conn, [subjects.of_device(f"step-up {principal.user_id}")], now)
        if (wait := await counted.count(actor, about)) is not None:
            return paused(wait.left)
        if principal.is_machine or not await code_accepted(
            conn, self._key, principal.user_id, code, self._clocks, self._window
        ):
            refused = Entry(
                action=Action.SESSION_STEP_UP, actor=actor, outcome=Outcome.REFUSED, object=about, because="code"
            )
            await audit.append(conn, refused, now)
            return CodeRefused()
        fresh = tokens.new()
        session_id = UUID(principal.session_id)
        if not await sessions.step_up(conn, session_id, tokens.hashed(session), tokens.hashed(fresh), now):
            return SessionOver()
        await counted.give_back()
        await audit.append(conn, Entry(action=Action.SESSION_STEP_UP, actor=actor, object=about), now)
        return SteppedUp(session=fresh)

    async def log_out(self, principal: Principal) -> None:
        """Of this session. It is no error that it is over already."""
        await self._end(principal, UUID(principal.session_id), "log-out", Action.SESSION_LOGOUT)

    async def end(self, principal: Principal, session_id: UUID) -> None:
        """Another one of the same user: a browser left open elsewhere."""
        await self._end(principal, session_id, "by its user", Action.SESSION_END)

    async def of_user(self, principal: Principal) -> tuple[Session, ...]:
        async with self._database.transaction() as conn:
            return await sessions.of_account(conn, principal.user_id, self._clocks.now())

    # --- what is the user's own

    async def set_language(self, principal: Principal, language: str) -> None:
        if language not in LANGUAGES:
            raise LanguageRefused(language=language, known=", ".join(LANGUAGES))
        async with self._database.transaction() as conn:
            await accounts.set_language(conn, principal.user_id, language)

    async def notices(self, principal: Principal) -> tuple[Notice, ...]:
        """What this user has not said to have seen."""
        async with self._database.transaction() as conn:
            return await notices.unseen(conn, principal.user_id)

    async def notices_seen(self, principal: Principal, up_to: int) -> None:
        async with self._database.transaction() as conn:
            await notices.seen(conn, principal.user_id, up_to, self._clocks.now())

    async def _end(self, principal: Principal, session_id: UUID, because: str, action: Action) -> None:
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            if await sessions.end(conn, session_id, principal.user_id, because, now):
                entry = Entry(action=action, actor=principal.actor(), object=f"session:{session_id}", because=because)
                await audit.append(conn, entry, now)
        log.info("session_end", session_id=str(session_id), because=because)


async def forget_old(database: Database, now: datetime) -> None:
    """What is over and says nothing any more."""
    async with database.transaction() as conn:
        await sessions.forget(conn, now, TICKET)
        await throttle.forget(conn, now - _COUNTS)
        await commands.forget_old(conn, now)


async def code_accepted(
    conn: Connection, key: LoginKey, account_id: UUID, code: str, clocks: Clocks, window: int
) -> bool:
    """Is it a code of this account's authenticator that was not used before? It is used up with this."""
    secret = await log_ins.secret(conn, account_id)
    if secret is None:
        return False
    step = totp.step_of(key.open(secret.totp_secret, account_id), code, clocks.now(), window)
    return step is not None and await log_ins.accept_step(conn, account_id, step)


def _principal(found: Found, where: Where) -> Principal:
    return Principal(
        user_id=found.account_id,
        name=found.name,
        full_name=found.full_name,
        grants=found.grants,
        units=found.units,
        session_id=str(found.session_id) if found.session_id is not None else "",
        is_machine=found.session_id is None,
        language=found.language,
        address=where.address,
        request_id=where.request_id,
        is_unconfirmed=not found.owner_confirmed,
        stepped_up_at=found.stepped_up_at,
        logged_in_at=found.began_at,
    )
