"""People with passwords, authenticators and rights, at a clock of the test's own; passwords cost microseconds."""

import base64
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import argon2
import pyotp

from ari_recorder.domain.accounts import EVERYTHING, HOUSE_ROLES, Principal, Role, latest_end
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.retention import local_day
from ari_recorder.services.accounts import Accounts, Person
from ari_recorder.services.clock import Clocks
from ari_recorder.services.enrol import Enrolment
from ari_recorder.services.login import Entered, Login, Where
from ari_recorder.services.rights import Rights, Terms
from ari_recorder.services.sessions import Sessions
from ari_recorder.storage.db import Database
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.vault.passwords import Passwords, Verdict
from ari_recorder.vault.weak_passwords import WeakPasswords

T = TypeVar("T")

PASSWORD = "neljä satunnaista sanaa 84"
BEGAN = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
OPERATOR = Actor.operator("root")
OTHER_OPERATOR = Actor.operator("ops")


def cheap() -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Watch(Clocks):
    def __init__(self) -> None:
        self.time = BEGAN

    def now(self) -> datetime:
        return self.time

    def go(self, **span: float) -> None:
        self.time += timedelta(**span)


class Counting(Passwords):
    """Counts what was compared with a real hash, and how many at once."""

    def __init__(self) -> None:
        super().__init__(cheap())
        self.evaluated = 0
        self.dummies = 0

    async def verify(self, hashed: str | None, password: str) -> Verdict:
        if hashed is None:
            self.dummies += 1
        else:
            self.evaluated += 1
        return await super().verify(hashed, password)


@dataclass
class Known:
    """Somebody who is enrolled, with what is in the own head and phone."""

    account_id: UUID
    name: str
    secret: bytes
    recovery_codes: tuple[str, ...]
    password: str = PASSWORD

    def code(self, at: datetime) -> str:
        return pyotp.TOTP(base64.b32encode(self.secret).decode()).at(at)


@dataclass
class People:
    database: Database
    folder: Path
    watch: Watch = field(default_factory=Watch)
    passwords: Counting = field(default_factory=Counting)

    def __post_init__(self) -> None:
        key = LoginKey(self.folder / "login.key")
        same = {"database": self.database, "clocks": self.watch}
        self.login = Login(passwords=self.passwords, login_key=key, **same)  # type: ignore[arg-type]
        self.sessions = Sessions(login_key=key, **same)  # type: ignore[arg-type]
        self.enrolment = Enrolment(
            passwords=self.passwords,
            weak=WeakPasswords(),
            login_key=key,
            **same,  # type: ignore[arg-type]
        )
        self.accounts = Accounts(**same)  # type: ignore[arg-type]
        self.rights = Rights(accounts=self.accounts, **same)  # type: ignore[arg-type]

    async def enrol(self, name: str = "aino", token: str | None = None, *, confirmed: bool = True) -> Known:
        """By a link of one operator; another one has seen who came."""
        if token is None:
            token = (await self.accounts.create(Person(name=name, full_name="Aino Example"), OPERATOR)).token
        shown = await self.enrolment.set_up(token)
        secret = base64.b32decode(shown.secret)
        code = pyotp.TOTP(shown.secret).at(self.watch.now())
        done = await self.enrolment.enrol(token, PASSWORD, code, Where(address="192.0.2.9"))
        self.watch.go(seconds=30)  # that code is used up
        if confirmed and not (await self.accounts.get(done.name)).owner_confirmed:
            await self.accounts.confirm(done.name, "came in person", OTHER_OPERATOR)
        return Known(account_id=done.account_id, name=done.name, secret=secret, recovery_codes=done.recovery_codes)

    async def enter(self, who: Known, code: str | None = None, where: Where | None = None) -> Entered:
        where = where or Where(address="192.0.2.1")
        ticket = await self.login.begin(who.name, who.password, where)
        return await self.login.second_step(ticket, code or who.code(self.watch.now()), where)

    async def entered(self, who: Known, where: Where | None = None) -> Entered:
        """With a code of its own."""
        self.watch.go(seconds=30)
        return await self.enter(who, where=where)

    async def principal(self, session: str) -> Principal:
        return await self.sessions.principal(session, Where(address="192.0.2.1", request_id="r"))

    def terms(self, name: str, role: Role, unit: str | None = None, days: int | None = None) -> Terms:
        today = local_day(self.watch.now())
        return Terms(
            name=name,
            role=role,
            unit=unit or (EVERYTHING if role in HOUSE_ROLES else "advice"),
            valid_until=latest_end(today) if days is None else today + timedelta(days=days),
            why="the task asks for it",
            interfaces=frozenset({"PJSIP/1001"}) if role is Role.ADVISER else frozenset(),
        )

    async def give(self, name: str, role: Role, unit: str | None = None, days: int | None = None) -> UUID:
        """Granted by one operator, approved by another."""
        right = await self.rights.grant(self.terms(name, role, unit, days), OPERATOR)
        await self.rights.approve(right.id, OTHER_OPERATOR)
        return right.id

    async def forget_tries(self) -> None:
        async with self.database.transaction() as conn:
            await conn.execute("TRUNCATE throttle")

    async def value(self, sql: str, *values: object) -> object:
        async with self.database.transaction() as conn:
            return await conn.fetchval(sql, *values)


async def outcome(work: Awaitable[T]) -> T | str:
    """The answer, or the code of the refusal."""
    try:
        return await work
    except RecorderError as error:
        return error.code
