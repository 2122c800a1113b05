"""Logging in: a name, a password, and a code. Who is in already: services/sessions.py.

    begin        count the try ─► compare the password, 4 at once ─► ticket           the same answer to everybody
    second_step  one transaction: is the password right, is the code of a step that was not used before?
                 ─► session, device, audit entry, all or nothing ─► tokens            or: refused, and no word why

Whether a name exists or a password is right is not to be learned here, neither from what is answered nor from how long
it takes. Tries are counted by name and by address. A browser somebody logged in with before counts apart: whoever
guesses from elsewhere does not close its door. After a hundred failures in a row strangers are not let in any more,
until an administrator who knows the owner resets the account.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import throttle as subjects
from ari_recorder.domain.accounts import NoticeKind, Role
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import LogInOver, LogInPaused, LogInRefused, RecorderError
from ari_recorder.services import tokens
from ari_recorder.services.clock import Clocks
from ari_recorder.services.throttle import Counted, Waits
from ari_recorder.storage import accounts, audit, log_ins, notices, sessions
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.log_ins import Ticket
from ari_recorder.vault import totp
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.vault.passwords import Passwords

log = structlog.get_logger(__name__)

# How long a person may look for the phone.
TICKET = timedelta(minutes=5)
# A code that ran out while it was typed, a slip, one more: then the password again.
TICKET_TRIES = 5
MOST_DEVICES = 10
_LONGEST_NAME = 64
# Half of the connections; and what a person waits for at most, in seconds.
_DOORS = 4
_LONGEST_QUEUE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a request comes from. `device`: the token a browser kept from an earlier log-in."""

    address: str
    request_id: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """In. The tokens are for the bearer alone; `device` is None when the browser has one already."""

    account_id: UUID
    session_id: UUID
    session: str
    device: str | None
    recovery_codes_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """By which second factor. `left`: recovery codes."""

    by: str
    left: int | None = None


class Login:
    def __init__(
        self, *, database: Database, passwords: Passwords, login_key: LoginKey, clocks: Clocks, window: int = 0
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._key = login_key
        self._clocks = clocks
        self._window = window
        self._waits = Waits()
        self._turns = asyncio.Semaphore(_DOORS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, name: str, password: str, where: Where) -> str:
        """A ticket for the second step, whether there is such an account and password or not. LogInPaused."""
        name = name.strip().casefold()[:_LONGEST_NAME]
        subject, now = subjects.of_account(name), self._clocks.now()
        async with self._at_the_door(subject, where) as conn:
            door = await log_ins.at_the_door(conn, name, tokens.hashed(where.device), now)
            counted = await Counted.lock(conn, _subjects(subject, door.device, where), now)
            wait = await counted.count(_nobody(where), _object(door.account_id))
            # A closed door: nothing is compared, and it takes as long.
            closed = door.locked and door.device is None
            if wait is None and not closed:
                closed = await self._one_too_many(conn, door.account_id, door.device, where)
        if wait is not None:
            self._waits.remember(wait, now)
            raise paused(wait.left)
        verdict = await self._passwords.verify(None if closed else door.password_hash, password)
        ticket, now = tokens.new(), self._clocks.now()
        async with self._at_the_door() as conn:
            because = "closed" if closed else "nobody" if door.account_id is None else "password"
            if not verdict.right:
                await self._refuse(conn, Action.SESSION_LOGIN, door.account_id, because, where)
            begun = Ticket(
                account_id=door.account_id,
                subject=subject,
                password_right=verdict.right,
                device=door.device,
                tries=0,
                began_at=now,
            )
            await log_ins.begin(conn, tokens.hashed(ticket), begun)
        if verdict.outdated and door.account_id is not None and door.password_hash is not None:
            self._later(self._rehash(door.account_id, door.password_hash, password))
        return ticket

    async def second_step(self, ticket: str, code: str, where: Where) -> Entered:
        """LogInRefused: name, password or code. LogInOver: begin again. LogInPaused."""
        async with self._at_the_door() as conn:
            answer = await self._second_step(conn, tokens.hashed(ticket), code, where)
        if isinstance(answer, RecorderError):  # after the commit: what was counted and written down stays
            raise answer
        log.info("session_login", session_id=str(answer.session_id), account_id=str(answer.account_id))
        return answer

    @asynccontextmanager
    async def _at_the_door(self, subject: str = "", where: Where | None = None) -> AsyncIterator[Connection]:
        """A transaction, when it is one's turn: a crowd at the door leaves connections to those who are in. Who is
        known to have to wait does not reach the database; a browser that may be a known one does."""
        try:
            async with asyncio.timeout(_LONGEST_QUEUE):
                await self._turns.acquire()
        except TimeoutError:
            raise paused(timedelta(seconds=_LONGEST_QUEUE)) from None
        try:
            if where is not None and not where.device:
                left = self._waits.left(_subjects(subject, None, where), self._clocks.now())
                if left is not None:
                    raise paused(left)
            async with self._database.transaction() as conn:
                yield conn
        finally:
            self._turns.release()

    async def _second_step(
        self, conn: Connection, ticket_hash: bytes, code: str, where: Where
    ) -> Entered | LogInRefused | LogInOver | LogInPaused:
        now = self._clocks.now()
        ticket = await log_ins.lock_ticket(conn, ticket_hash)
        if ticket is None:
            return LogInOver()
        if now - ticket.began_at > TICKET or ticket.tries > TICKET_TRIES:
            await log_ins.end_ticket(conn, ticket_hash)
            return LogInOver()
        counted = await Counted.lock(conn, _subjects(ticket.subject, ticket.device, where), now)
        # The first code was counted with the password.
        if ticket.tries > 1 and (wait := await counted.count(_nobody(where), _object(ticket.account_id))) is not None:
            return paused(wait.left)
        account_id = ticket.account_id
        if ticket.tries > 1 and await self._one_too_many(conn, account_id, ticket.device, where):
            return LogInRefused()
        passed = await self._code(conn, ticket, code)
        if account_id is None or not ticket.password_right:
            await self._refuse(conn, Action.SESSION_SECOND_STEP, account_id, "password", where)
            return LogInRefused()
        if passed is None or not await log_ins.succeed(conn, account_id, ticket.device, now):
            await self._refuse(conn, Action.SESSION_SECOND_STEP, account_id, "code", where)
            await notices.tell(conn, account_id, NoticeKind.CODE_WRONG, now, {"address": where.address})
            return LogInRefused()
        await counted.give_back()
        await log_ins.end_ticket(conn, ticket_hash)
        return await self._enter(conn, account_id, ticket, passed, where)

    async def _code(self, conn: Connection, ticket: Ticket, code: str) -> _Passed | None:
        """The same work for names nobody has. A code is used up only when the password was right."""
        now, account_id = self._clocks.now(), ticket.account_id
        secret = await log_ins.secret(conn, account_id)
        raw = secrets.token_bytes(totp.SECRET_BYTES)
        if account_id is not None and secret is not None:
            raw = self._key.open(secret.totp_secret, account_id)
        step = totp.step_of(raw, code, now, self._window)
        if account_id is None or secret is None or not ticket.password_right:
            return None
        if step is not None:
            return _Passed(by="totp") if await log_ins.accept_step(conn, account_id, step) else None
        left = await accounts.use_recovery_code(conn, account_id, tokens.hashed_recovery_code(code), now)
        return _Passed(by="recovery-code", left=left) if left is not None else None

    async def _enter(
        self, conn: Connection, account_id: UUID, ticket: Ticket, passed: _Passed, where: Where
    ) -> Entered:
        now, session_id, session = self._clocks.now(), uuid4(), tokens.new()
        await sessions.insert(conn, session_id, tokens.hashed(session), account_id, where.address, now)
        device = None
        if ticket.device is None:
            device = tokens.new()
            first = await log_ins.know_device(conn, uuid4(), tokens.hashed(device), account_id, now, MOST_DEVICES)
            if not first:
                await notices.tell(conn, account_id, NoticeKind.NEW_DEVICE, now, {"address": where.address})
        if passed.left is not None:
            await self._tell_with_administrators(conn, account_id, NoticeKind.RECOVERY_CODE_USED, {"left": passed.left})
        actor = Actor(
            kind=ActorKind.USER,
            id=str(account_id),
            session=str(session_id),
            address=where.address,
            request=where.request_id,
        )
        facts = {"second": passed.by, "device": "new" if device is not None else "known"}
        entry = Entry(action=Action.SESSION_LOGIN, actor=actor, object=_object(account_id), facts=facts)
        await audit.append(conn, entry, now)
        return Entered(
            account_id=account_id,
            session_id=session_id,
            session=session,
            device=device,
            recovery_codes_left=passed.left,
        )

    async def _one_too_many(self, conn: Connection, account_id: UUID | None, device: UUID | None, where: Where) -> bool:
        """Counted before anything is compared, like every try; forgotten when it was right."""
        if account_id is None:
            return False
        now = self._clocks.now()
        count = await log_ins.count_failure(conn, account_id, device, now)
        if count == subjects.MOST_FAILURES + 1:
            kind = "device" if device is not None else "account"
            await self._tell_with_administrators(conn, account_id, NoticeKind.DOOR_CLOSED, {"to": kind})
            await self._refuse(conn, Action.SESSION_LOCKOUT, account_id, "failures", where)
            because = "more failures in a row than anybody makes; strangers are not let in until it is reset"
            log.error("alarm", alarm=AlarmCode.LOGIN_CLOSED.value, subject=str(account_id), because=because)
        return count > subjects.MOST_FAILURES

    async def _tell_with_administrators(
        self, conn: Connection, account_id: UUID, kind: NoticeKind, facts: dict[str, object]
    ) -> None:
        now, those = self._clocks.now(), {Role.ADMINISTRATOR}
        await notices.tell_those(conn, those, account_id, kind, now, facts, with_owner=True)

    async def _refuse(
        self, conn: Connection, action: Action, account_id: UUID | None, because: str, where: Where
    ) -> None:
        """What was typed is not written down: people type passwords into the field of the name."""
        entry = Entry(
            action=action,
            actor=_nobody(where),
            outcome=Outcome.REFUSED,
            object=_object(account_id),
            because=because,
        )
        await audit.append(conn, entry, self._clocks.now())

    async def _rehash(self, account_id: UUID, old: str, password: str) -> None:
        new = await self._passwords.hash(password)
        async with self._database.transaction() as conn:
            await accounts.rehash(conn, account_id, old, new)

    def _later(self, work: Coroutine[object, object, None]) -> None:
        """Nobody waits for it: the time a log-in takes would tell that the password was right."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("password_rehash", error=type(error).__name__)  # the next log-in tries again


def _subjects(name: str, device: UUID | None, where: Where) -> list[str]:
    """What a try counts for."""
    if device is not None:
        return [subjects.of_device(str(device))]
    return [name, subjects.of_address(where.address)]


def _nobody(where: Where) -> Actor:
    """Whoever stands at the door."""
    return Actor(kind=ActorKind.USER, id="", address=where.address, request=where.request_id)


def _object(account_id: UUID | None) -> str:
    return f"user:{account_id}" if account_id is not None else ""


def paused(wait: timedelta) -> LogInPaused:
    return LogInPaused(seconds=int(wait.total_seconds()) + 1)
