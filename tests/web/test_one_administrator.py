"""No administrator alone comes to hear a recording, whatever he does in whatever order, with every link he can make.

The honest ones do nothing: what is there when he begins is an administrator, a privacy officer, a supervisor, somebody
invited whose right is approved already, somebody whose right waits, and somebody who has left.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ari_recorder.domain.accounts import Permission, Principal, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import RecorderError, SessionOver, TokenRefused
from ari_recorder.services.accounts import Invited, Person
from ari_recorder.services.login import Where
from ari_recorder.storage.db import Database
from ari_recorder.web.routes import ROUTES
from tests.services.people import OPERATOR, OTHER_OPERATOR, People

HERE = Where(address="192.0.2.66")
HEARS = {
    Permission.RECORDING_LIST,
    Permission.RECORDING_VIEW,
    Permission.RECORDING_PLAY,
    Permission.RECORDING_EXPORT,
    Permission.RECORDING_CORRECT,
}
MANAGES = {
    Permission.ACCOUNT_MANAGE,
    Permission.RIGHT_GRANT,
    Permission.RIGHT_APPROVE,
    Permission.TOKEN_MANAGE,
}
# What nobody hears more by.
HARMLESS = {"account-numbers"}
WHO = ("villain", "admin", "officer", "supervisor", "invited", "waiting", "left", "fresh", "machine")
QUEUES = ("advice", "dental")
_WORLDS = count()


@dataclass
class World:
    """With names of its own: many worlds are in one database."""

    people: People
    number: int
    # Whose log-in the villain has: session by name. Tokens of machines by their name.
    sessions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def name(self, who: str) -> str:
        return f"{who}.{self.number}"

    @property
    def unit(self) -> str:
        return f"unit {self.number}"

    async def begin(self) -> None:
        people, sets = self.people, self.people.rights.set_unit
        await sets(self.unit, frozenset({"advice"}), "the start", OPERATOR)
        for who, role in (
            ("villain", Role.ADMINISTRATOR),
            ("admin", Role.ADMINISTRATOR),
            ("officer", Role.PRIVACY_OFFICER),
            ("supervisor", Role.SUPERVISOR),
            ("waiting", None),
        ):
            known = await people.enrol(self.name(who))
            if role is not None:
                await people.give(known.name, role, None if role is not Role.SUPERVISOR else self.unit)
            if who in ("villain", "supervisor"):
                self.sessions[who] = (await people.enter(known)).session
        self.honest = self.sessions.pop("supervisor")
        await people.accounts.create(Person(name=self.name("invited"), full_name="I"), OPERATOR)
        await people.give(self.name("invited"), Role.SUPERVISOR, self.unit)
        await people.rights.grant(people.terms(self.name("waiting"), Role.SUPERVISOR, self.unit), OPERATOR)
        await people.accounts.create(Person(name=self.name("left"), full_name="L"), OPERATOR)
        await people.accounts.disable(self.name("left"), "left", OPERATOR)

    async def mine(self) -> list[Principal]:
        """Whom the villain can be just now."""
        found = []
        for who, session in list(self.sessions.items()):
            try:
                found.append(await self.people.sessions.principal(session, HERE))
            except SessionOver:
                del self.sessions[who]
        for name, token in list(self.tokens.items()):
            try:
                found.append(await self.people.sessions.machine(token, HERE))
            except TokenRefused:  # he has disabled it himself
                del self.tokens[name]
        return found

    async def take(self, link: Invited) -> None:
        """Whoever makes a link has it."""
        known = await self.people.enrol(token=link.token, confirmed=False)
        self.sessions[known.name] = (await self.people.enter(known)).session

    async def scope(self) -> frozenset[str]:
        """What the honest supervisor hears."""
        try:
            principal = await self.people.sessions.principal(self.honest, HERE)
        except SessionOver:
            return frozenset()
        scope = principal.scope(Permission.RECORDING_PLAY)
        if scope is None:
            return frozenset()
        return frozenset({"everything"}) if scope.queues is None else scope.queues


@dataclass
class Step:
    """One try: as whom, of whom, and what else."""

    world: World
    actor: Actor
    target: str
    extra: int

    @property
    def people(self) -> People:
        return self.world.people

    @property
    def name(self) -> str:
        return self.world.name(self.target)

    async def right(self) -> UUID:
        rights = await self.people.rights.list_rights(self.name)
        if not rights:
            rights = await self.people.rights.list_rights()
        return rights[self.extra % len(rights)].right.grant.id

    async def wanted(self) -> UUID:
        found = [one.id for one in await self.people.rights.wanted_units() if one.unit == self.world.unit]
        return found[0] if found else UUID(int=1)

    async def create(self) -> None:
        await self.world.take(await self.people.accounts.create(Person(name=self.name, full_name="X"), self.actor))

    async def invite(self) -> None:
        await self.world.take(await self.people.accounts.invite(self.name, self.actor))

    async def reset(self) -> None:
        await self.world.take(await self.people.accounts.reset(self.name, "so he says", self.actor))

    async def confirm(self) -> None:
        await self.people.accounts.confirm(self.name, "so he says", self.actor)

    async def disable(self) -> None:
        await self.people.accounts.disable(self.name, "so he says", self.actor)

    async def grant(self) -> None:
        role = list(Role)[self.extra % len(Role)]
        unit = self.world.unit if role in (Role.SUPERVISOR, Role.ADVISER) else None
        await self.people.rights.grant(self.people.terms(self.name, role, unit), self.actor)

    async def approve(self) -> None:
        await self.people.rights.approve(await self.right(), self.actor)

    async def attest(self) -> None:
        until = self.people.terms(self.name, Role.AUDITOR).valid_until
        await self.people.rights.attest(await self.right(), until, "so he says", self.actor)

    async def end(self) -> None:
        await self.people.rights.end(await self.right(), "so he says", self.actor)

    async def set_unit(self) -> None:
        queues = frozenset(QUEUES[n] for n in range(2) if self.extra >> n & 1)
        await self.people.rights.set_unit(self.world.unit, queues, "so he says", self.actor)

    async def approve_unit(self) -> None:
        await self.people.rights.approve_unit(await self.wanted(), self.actor)

    async def refuse_unit(self) -> None:
        await self.people.rights.refuse_unit(await self.wanted(), self.actor)

    async def make_token(self) -> None:
        name = self.world.name("machine")
        terms = self.people.terms(name, Role.SUPERVISOR, self.world.unit)
        self.world.tokens[name] = (await self.people.rights.make_token(terms, self.actor)).token


STEPS: dict[str, Callable[[Step], Awaitable[None]]] = {
    "account-create": Step.create,
    "account-invite": Step.invite,
    "account-reset": Step.reset,
    "account-confirm": Step.confirm,
    "account-disable": Step.disable,
    "right-grant": Step.grant,
    "right-approve": Step.approve,
    "right-attest": Step.attest,
    "right-end": Step.end,
    "unit-set": Step.set_unit,
    "unit-approve": Step.approve_unit,
    "unit-refuse": Step.refuse_unit,
    "token-make": Step.make_token,
}
_NEEDS = {route.name: route.permission for route in ROUTES}
_TRIES = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(WHO), st.integers(0, 4), st.integers(0, 4)),
    min_size=4,
    max_size=14,
)


def test_whatever_an_administrator_can_do_on_the_page_is_tried_below() -> None:
    doing = {route.name for route in ROUTES if route.method == "POST" and route.permission in MANAGES}
    assert doing == set(STEPS) | HARMLESS


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TRIES)
@example([("account-reset", "supervisor", 0, 0), ("account-confirm", "supervisor", 0, 0)])
@example([("account-invite", "invited", 0, 0), ("account-confirm", "invited", 0, 0)])
@example([("account-reset", "waiting", 0, 0), ("right-approve", "waiting", 0, 0), ("account-confirm", "waiting", 0, 0)])
@example([("account-invite", "left", 0, 0), ("right-grant", "left", 0, 1), ("right-approve", "left", 0, 0)])
@example([("account-reset", "officer", 0, 0), ("account-confirm", "officer", 1, 0)])
@example(
    [
        ("account-reset", "admin", 0, 0),
        ("account-confirm", "admin", 0, 0),
        ("account-confirm", "admin", 1, 0),
        ("right-grant", "fresh", 0, 1),
        ("right-approve", "fresh", 1, 0),
    ]
)
@example([("unit-set", "supervisor", 0, 3), ("unit-approve", "supervisor", 0, 0)])
@example([("unit-set", "supervisor", 0, 2), ("unit-set", "supervisor", 0, 3), ("unit-approve", "supervisor", 0, 0)])
@example([("token-make", "fresh", 0, 0), ("right-approve", "machine", 0, 0)])
@example([("token-make", "fresh", 0, 0), ("account-disable", "machine", 0, 0)])
async def test_no_administrator_alone_comes_to_hear_a_recording(
    database: Database, tmp_path: Path, tries: list[tuple[str, str, int, int]]
) -> None:
    world = World(People(database, tmp_path), next(_WORLDS))
    await world.begin()
    assert await world.scope() == {"advice"}
    done = []
    for what, target, as_whom, extra in tries:
        persons = [one for one in await world.mine() if not one.is_machine]
        if not persons:
            break  # he has reset himself away
        somebody = persons[as_whom % len(persons)]
        needed = _NEEDS[what]
        assert isinstance(needed, Permission)
        if not somebody.may(needed):
            continue
        try:
            await STEPS[what](Step(world, somebody.actor(needed), target, extra))
            done.append((what, target))
        except RecorderError as refused:
            done.append((what, refused.code))
        for one in await world.mine():
            assert not one.permissions & HEARS, f"as {one.name}, by {done}"
        assert await world.scope() <= {"advice"}, f"somebody else hears more, by {done}"


async def test_two_of_them_can_and_so_the_test_above_tests_something(database: Database, tmp_path: Path) -> None:
    world = World(People(database, tmp_path), next(_WORLDS))
    await world.begin()
    (villain,) = await world.mine()
    step = Step(world, villain.actor(), "supervisor", 3)
    await step.reset()
    await world.people.accounts.confirm(world.name("supervisor"), "is paid for it", OTHER_OPERATOR)
    assert [one.permissions & HEARS for one in await world.mine()][1]
    await step.set_unit()
    await world.people.rights.approve_unit(await step.wanted(), OTHER_OPERATOR)
    (_, bought) = await world.mine()
    scope = bought.scope(Permission.RECORDING_PLAY)
    assert scope is not None
    assert scope.queues == frozenset(QUEUES)
