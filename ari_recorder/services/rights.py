"""Rights and units: granted, approved by somebody else, looked at again once a year, ended. Who is who: accounts.py.

    grant ─► waits ──approve, by another person──► held ──attest, by another person──► held, until later
       └──────────────────── end ◄──────────────────┘

    set a unit ─► fewer queues, or nobody has a right there: at once
              └─► more queues: they wait ──approve, by another person──► they count

One transaction each: the right, its line in the history, the audit entry. A right bites with the next request of its
owner, for each request asks anew; so does its end. Operators at the command line are persons like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import accounts as rules
from ari_recorder.domain.accounts import EVERYTHING, AccountState, Grant, Role
from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import (
    AccountStateWrong,
    AccountUnknown,
    RightApproved,
    RightHeld,
    RightNotApproved,
    RightOver,
    RightUnknown,
    RolesApart,
    TwoPersonsNeeded,
    UnitHeld,
    UnitNameRefused,
    UnitNotWanted,
    UnitUnknown,
)
from ari_recorder.domain.retention import HELSINKI, local_day
from ari_recorder.domain.rights import Right, UnitChange, WantedUnit, fold, held_on, split_change, units_on
from ari_recorder.services import tokens
from ari_recorder.services.accounts import Accounts
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import accounts, audit, rights
from ari_recorder.storage.accounts import Account
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked for."""

    name: str
    role: Role
    unit: str
    valid_until: date
    why: str
    valid_from: date | None = None
    interfaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A right and whose it is."""

    account: Account
    right: Right


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDay:
    """Who had which right on a day, and what the units were at its end."""

    day: date
    rights: tuple[Held, ...]
    units: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSet:
    """The queues of a unit from here on. `waits`: others wait for somebody else to approve them."""

    unit: str
    queues: frozenset[str]
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """The token is shown once. It is good when its right has been approved."""

    account_id: UUID
    name: str
    token: str
    right_id: UUID
    expires_at: datetime


class Rights:
    def __init__(self, *, database: Database, clocks: Clocks, accounts: Accounts) -> None:
        self._database = database
        self._clocks = clocks
        self._accounts = accounts

    async def grant(self, terms: Terms, actor: Actor) -> Grant:
        """It waits for somebody else to approve it. RolesApart, RightHeld, TwoPersonsNeeded (for oneself)."""
        async with self._database.transaction() as conn:
            found = await accounts.find(conn, terms.name.strip().casefold())
            if found is None:
                raise AccountUnknown(name=terms.name)
            return await self._grant(conn, found.id, terms, actor)

    async def make_token(self, terms: Terms, actor: Actor) -> MadeToken:
        """An account of a machine, with one right and a token that lives as long as it."""
        token, now = tokens.new(tokens.MACHINE), self._clocks.now()
        async with self._database.transaction() as conn:
            account = await self._accounts.insert_machine(conn, terms.name, terms.why, actor)
            right = await self._grant(conn, account.id, terms, actor)
            after = right.valid_until + timedelta(days=1)
            expires_at = datetime(after.year, after.month, after.day, tzinfo=HELSINKI)
            await accounts.set_token(conn, account.id, tokens.hashed(token), now, expires_at)
            await self._tell(conn, Action.TOKEN_MAKE, actor, account.id, right)
        log.info("token_make", account_id=str(account.id))
        return MadeToken(
            account_id=account.id, name=account.name, token=token, right_id=right.id, expires_at=expires_at
        )

    async def approve(self, right_id: UUID, actor: Actor, why: str = "approved") -> Right:
        """By a second person, who did not grant it and does not get it."""
        async with self._database.transaction() as conn:
            right = await self._lock(conn, right_id)
            _two_persons(right, actor)
            if right.approved_at is not None:
                raise RightApproved(right_id=right_id)
            await self._held_apart(conn, right.account_id, right.grant)
            await rights.approve(
                conn, right_id, tokens.named(actor), rules.check_person("reason", why), self._clocks.now()
            )
            await self._tell(conn, Action.RIGHT_APPROVE, actor, right.account_id, right.grant)
            return await self._one(conn, right_id)

    async def attest(self, right_id: UUID, until: date, why: str, actor: Actor) -> Right:
        """It is still needed, says somebody who did not grant it: its last day moves. While it is held only, so that no
        day before is changed by it."""
        today = local_day(self._clocks.now())
        async with self._database.transaction() as conn:
            right = await self._lock(conn, right_id)
            _two_persons(right, actor)
            if right.approved_at is None:
                raise RightNotApproved(right_id=right_id)
            if right.grant.valid_until < today:
                raise RightOver(right_id=right_id)
            rules.check_period(right.grant.valid_from, until, today)
            why = rules.check_person("reason", why)
            await rights.attest(conn, right_id, until, tokens.named(actor), why, self._clocks.now())
            await self._tell(
                conn, Action.RIGHT_ATTEST, actor, right.account_id, replace(right.grant, valid_until=until)
            )
            return await self._one(conn, right_id)

    async def end(self, right_id: UUID, why: str, actor: Actor) -> Right:
        """From the next request on. One person is enough to take a right away."""
        async with self._database.transaction() as conn:
            right = await self._lock(conn, right_id)
            why = rules.check_person("reason", why)
            await rights.end(conn, right_id, tokens.named(actor), why, self._clocks.now())
            await self._tell(conn, Action.RIGHT_END, actor, right.account_id, right.grant)
            return await self._one(conn, right_id)

    # --- what there is and was

    async def list_rights(self, name: str | None = None) -> tuple[Held, ...]:
        """All that have not ended, those that wait included; of one account, if it is named."""
        async with self._database.transaction() as conn:
            found = fold(await rights.history(conn), await accounts.owner_history(conn))
            listed = await self._with_accounts(conn, [right for right in found if right.ended_at is None])
        return tuple(held for held in listed if name is None or held.account.name == name.strip().casefold())

    async def rights_on(self, day: date) -> OnDay:
        """Computed from the history alone: what is held today has no say in it."""
        async with self._database.transaction() as conn:
            found = held_on(await rights.history(conn), await accounts.owner_history(conn), day)
            units = units_on(await rights.unit_history(conn), day)
            return OnDay(day=day, rights=await self._with_accounts(conn, found), units=units)

    # --- units

    async def units(self) -> Mapping[str, frozenset[str]]:
        async with self._database.transaction() as conn:
            return await rights.units(conn)

    async def set_unit(self, unit: str, queues: frozenset[str], why: str, actor: Actor) -> UnitSet:
        """The unit is to be these queues. None: it is removed, when nobody has a right there. What others would hear
        more by it waits for a second person."""
        if rules.check_unit(unit) == EVERYTHING:
            raise UnitNameRefused(unit=unit)
        now, by, why = self._clocks.now(), tokens.named(actor), rules.check_person("reason", why)
        async with self._database.transaction() as conn:
            await rights.lock_units(conn)
            known = (await rights.units(conn)).get(unit, frozenset())
            held = await rights.in_unit(conn, unit)
            if not queues and not known:
                raise UnitUnknown(unit=unit)
            if not queues and held:
                raise UnitHeld(unit=unit)
            begins, waits = split_change(known, queues, held=held)
            await rights.forget_wanted(conn, unit)
            if begins != known or not waits:
                await self._change_unit(conn, UnitChange(unit=unit, queues=begins, at=now, by=by, why=why), actor)
            if waits:
                wanted = WantedUnit(id=uuid4(), unit=unit, queues=queues, at=now, by=by, why=why)
                await rights.want_unit(conn, wanted)
                await self._tell_unit(conn, Action.UNIT_ASK, actor, unit, queues)
        log.info("unit_change", unit=unit, queues=len(begins), waits=waits)
        return UnitSet(unit=unit, queues=begins, waits=waits)

    async def wanted_units(self) -> tuple[WantedUnit, ...]:
        """What waits for a second person."""
        async with self._database.transaction() as conn:
            return await rights.wanted_units(conn)

    async def approve_unit(self, wanted_id: UUID, actor: Actor) -> UnitChange:
        """By somebody who did not ask for it. What was asked for since has another id: UnitNotWanted."""
        async with self._database.transaction() as conn:
            wanted = await self._take_wanted(conn, wanted_id)
            if wanted.by == tokens.named(actor):
                raise TwoPersonsNeeded
            change = UnitChange(
                unit=wanted.unit,
                queues=wanted.queues,
                at=self._clocks.now(),
                by=wanted.by,
                why=wanted.why,
                approved_by=tokens.named(actor),
            )
            await self._change_unit(conn, change, actor)
        log.info("unit_change", unit=change.unit, queues=len(change.queues), waits=False)
        return change

    async def refuse_unit(self, wanted_id: UUID, actor: Actor) -> WantedUnit:
        """It stays as it is. One person is enough, who asked for it too."""
        async with self._database.transaction() as conn:
            wanted = await self._take_wanted(conn, wanted_id)
            await self._tell_unit(conn, Action.UNIT_REFUSE, actor, wanted.unit, wanted.queues)
        return wanted

    # --- how

    async def _take_wanted(self, conn: Connection, wanted_id: UUID) -> WantedUnit:
        await rights.lock_units(conn)
        wanted = await rights.take_wanted(conn, wanted_id)
        if wanted is None:
            raise UnitNotWanted(wanted_id=wanted_id)
        return wanted

    async def _change_unit(self, conn: Connection, change: UnitChange, actor: Actor) -> None:
        await rights.change_unit(conn, change)
        await self._tell_unit(conn, Action.UNIT_CHANGE, actor, change.unit, change.queues, asked_by=change.by)

    async def _tell_unit(
        self, conn: Connection, action: Action, actor: Actor, unit: str, queues: frozenset[str], asked_by: str = ""
    ) -> None:
        facts: dict[str, JSON] = {"queues": sorted(queues)}
        if asked_by != tokens.named(actor) and asked_by:
            facts["asked_by"] = asked_by
        entry = Entry(action=action, actor=actor, object=f"unit:{unit}", facts=facts)
        await audit.append(conn, entry, self._clocks.now())

    async def _grant(self, conn: Connection, account_id: UUID, terms: Terms, actor: Actor) -> Grant:
        now = self._clocks.now()
        today = local_day(now)
        rules.check_grant(terms.role, terms.unit, terms.interfaces)
        begins = max(terms.valid_from or today, today)
        rules.check_period(begins, terms.valid_until, today)
        why = rules.check_person("reason", terms.why)
        await rights.lock_units(conn)
        account = await accounts.lock(conn, account_id)
        if account is None:
            raise AccountUnknown(name=terms.name)
        if account.state is AccountState.DISABLED:
            raise AccountStateWrong(name=account.name, state=account.state.value)
        if actor.id == str(account_id):
            raise TwoPersonsNeeded
        if terms.unit != EVERYTHING and terms.unit not in await rights.units(conn):
            raise UnitUnknown(unit=terms.unit)
        right = Grant(
            id=uuid4(),
            role=terms.role,
            unit=terms.unit,
            valid_from=begins,
            valid_until=terms.valid_until,
            interfaces=terms.interfaces,
        )
        await self._held_apart(conn, account_id, right)
        await self._clear_place(conn, account_id, right, actor)
        await rights.grant(conn, account_id, right, tokens.named(actor), why, now)
        await self._tell(conn, Action.RIGHT_GRANT, actor, account_id, right)
        return right

    async def _held_apart(self, conn: Connection, account_id: UUID, right: Grant) -> None:
        """Administrators and auditors have no other role, not even one that waits."""
        today = local_day(self._clocks.now())
        held = await rights.not_ended(conn, account_id)
        roles = frozenset(one.role for one in held if one.valid_until >= today and one.id != right.id)
        if not rules.apart(roles, right.role):
            raise RolesApart(role=right.role.value, others=", ".join(sorted(roles - {right.role})))

    async def _clear_place(self, conn: Connection, account_id: UUID, right: Grant, actor: Actor) -> None:
        """There is one right of a role in a unit at a time. One whose last day has passed makes room."""
        now = self._clocks.now()
        for one in await rights.not_ended(conn, account_id):
            if (one.role, one.unit) == (right.role, right.unit):
                if one.valid_until >= local_day(now):
                    raise RightHeld(right_id=one.id)
                await rights.end(conn, one.id, tokens.named(actor), "its last day has passed", now)

    async def _lock(self, conn: Connection, right_id: UUID) -> Right:
        """With its account, so that what is done to somebody's rights is done one after the other."""
        account_id = await rights.account_of(conn, right_id)
        if account_id is None:
            raise RightUnknown(right_id=right_id)
        await accounts.lock(conn, account_id)
        right = await self._one(conn, right_id)
        if right.ended_at is not None:
            raise RightOver(right_id=right_id)
        return right

    async def _one(self, conn: Connection, right_id: UUID) -> Right:
        told = await rights.history(conn, right_id=right_id)
        (right,) = fold(told, await accounts.owner_history(conn, account_id=told[0].account_id))
        return right

    async def _with_accounts(self, conn: Connection, found: "list[Right] | tuple[Right, ...]") -> tuple[Held, ...]:
        by_id = {one.id: one for one in await accounts.several(conn, {right.account_id for right in found})}
        listed = [Held(account=by_id[right.account_id], right=right) for right in found]
        return tuple(sorted(listed, key=lambda held: (held.account.name, held.right.granted_at)))

    async def _tell(self, conn: Connection, action: Action, actor: Actor, account_id: UUID, right: Grant) -> None:
        facts = {
            "right": str(right.id),
            "role": right.role.value,
            "unit": right.unit,
            "from": right.valid_from.isoformat(),
            "until": right.valid_until.isoformat(),
        }
        entry = Entry(action=action, actor=actor, object=f"user:{account_id}", facts=facts)
        await audit.append(conn, entry, self._clocks.now())


def _two_persons(right: Right, actor: Actor) -> None:
    if tokens.named(actor) == right.granted_by or actor.id == str(right.account_id):
        raise TwoPersonsNeeded
