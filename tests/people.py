"""People with accounts: one of each role, with a password and an authenticator. For the browser tests and the demo.

people = await enrol_all(desk, clocks, queues={"advice"})
people[Role.SUPERVISOR].code()             # the next code that was never used; nobody waits for it
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyotp

from ari_recorder.domain.accounts import EVERYTHING, HOUSE_ROLES, Role, latest_end
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.retention import local_day
from ari_recorder.services.accounts import Person as Described
from ari_recorder.services.clock import Clocks
from ari_recorder.services.connect import People as Desk
from ari_recorder.services.login import Where
from ari_recorder.services.rights import Terms

STEP = 30  # s: how long a code is good for (RFC 6238)
MARGIN = 10  # s that a code has to be good for still: time to type it on a machine that does other things
UNIT = "service"
OWN_PHONE = "PJSIP/1001"
HERE = Where(address="127.0.0.1")

NAMES = {
    Role.ADVISER: "Aino Adviser",
    Role.SUPERVISOR: "Sten Supervisor",
    Role.PRIVACY_OFFICER: "Petra Privacy",
    Role.ADMINISTRATOR: "Antti Administrator",
    Role.AUDITOR: "Alma Auditor",
}
# Rights want two persons; at the command line two operators are.
GRANTER, APPROVER = Actor.operator("granter"), Actor.operator("approver")


class ClocksAhead(Clocks):
    """A clock as everywhere, and set ahead when somebody would have to wait."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def go_on(self, by: timedelta) -> None:
        self._ahead += by


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with an account, and the authenticator in their pocket."""

    name: str
    password: str
    secret: str
    clocks: ClocksAhead
    last_step: int = 0

    def code(self) -> str:
        """A code of a step that was not used before, and that is good for a while: time goes on until there is one."""
        now = self.clocks.now().timestamp()
        step = int(now // STEP)
        if step <= self.last_step or now % STEP > STEP - MARGIN:
            step = max(step, self.last_step) + 1
            self.clocks.go_on(timedelta(seconds=step * STEP + 1 - now))
        self.last_step = step
        return pyotp.TOTP(self.secret).generate_otp(step)

    @property
    def uri(self) -> str:
        """What the QR code of the enrolment says."""
        return pyotp.TOTP(self.secret).provisioning_uri(name=self.name, issuer_name="ari-recorder")


async def open_desk(desk: Desk, queues: Collection[str]) -> None:
    """The unit of supervisors and advisers: these queues."""
    await desk.rights.set_unit(UNIT, frozenset(queues), "as it is", GRANTER)


async def invite(desk: Desk, role: Role, name: str = "", language: str = "en") -> str:
    """An account with a right for a year, and the token of its link."""
    name = name or role.value
    invited = await desk.accounts.create(Described(name=name, full_name=NAMES[role], language=language), GRANTER)
    terms = Terms(
        name=name,
        role=role,
        unit=EVERYTHING if role in HOUSE_ROLES else UNIT,
        valid_until=latest_end(local_day(datetime.now(UTC))),
        why="works here",
        interfaces=frozenset({OWN_PHONE}) if role is Role.ADVISER else frozenset(),
    )
    right = await desk.rights.grant(terms, GRANTER)
    await desk.rights.approve(right.id, APPROVER)
    return invited.token


async def enrol(desk: Desk, role: Role, clocks: ClocksAhead, name: str = "", language: str = "en") -> Person:
    """Somebody of that role, who can log in at once."""
    token = await invite(desk, role, name, language)
    shown = await desk.enrolment.set_up(token)
    password = secrets.token_hex(10)
    person = Person(name=shown.name, password=password, secret=shown.secret, clocks=clocks)
    await desk.enrolment.enrol(token, password, person.code(), HERE)
    await desk.accounts.confirm(shown.name, "came in person", APPROVER)
    return person
