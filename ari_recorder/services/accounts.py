"""Accounts: made, invited, reset, disabled. What they may do: services/rights.py. How they get in: services/enrol.py.

    create ─► invited ──enrol──► active ──confirm──► its rights count         a link is good once, and for 24 hours
                 ▲ └──────disable──────┴──────────────┤ └──reset──► invited
                 └──────invite───── disabled ◄────────┘

Nobody chooses another one's password; but who makes a link could use it. So the rights of an account count when
somebody else has confirmed that its owner came by the link: neither who made it nor the owner. Whoever leaves is
disabled: sessions, factors, links and rights end in the same transaction, and the next request finds nothing. Names are
never given again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import accounts as rules
from ari_recorder.domain.accounts import (
    APPROVERS,
    EVERYTHING,
    LANGUAGES,
    AccountKind,
    AccountState,
    Grant,
    NoticeKind,
    Role,
)
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry
from ari_recorder.domain.errors import (
    AccountExists,
    AccountStateWrong,
    AccountUnknown,
    AdministratorExists,
    ConfirmedByAnother,
    LanguageRefused,
    OwnerConfirmed,
    OwnerNotHere,
)
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.throttle import of_account
from ari_recorder.services import tokens
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import accounts, audit, notices, rights, sessions, throttle
from ari_recorder.storage.accounts import Account
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)

INVITATION = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is told about somebody who gets an account."""

    name: str
    full_name: str
    mail: str = ""
    language: str = LANGUAGES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """The token goes to its owner alone, by a way on which the owner is known."""

    account_id: UUID
    name: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    account: Account
    last_seen_at: datetime | None


class Accounts:
    def __init__(self, *, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks

    async def first_administrator(self, person: Person, actor: Actor) -> Invited:
        """Only while there is no administrator who can log in. This one right needs no second person, and nobody to
        confirm its owner: whoever has this command line could write it into the database. It is on record, and told to
        whoever may approve rights. AdministratorExists."""
        now = self._clocks.now()
        today = local_day(now)
        async with self._database.transaction() as conn:
            await rights.lock_units(conn)  # of two who are first at once, the second waits, and is not
            if await rights.administrator_works(conn, today):
                raise AdministratorExists
            found = await accounts.find(conn, rules.check_name(person.name))
            if found is None:
                account = await self._insert(conn, person, AccountKind.PERSON, AccountState.INVITED)
                await self._tell(conn, Action.ACCOUNT_CREATE, actor, account)
                right = Grant(
                    id=uuid4(),
                    role=Role.ADMINISTRATOR,
                    unit=EVERYTHING,
                    valid_from=today,
                    valid_until=rules.latest_end(today),
                )
                why = "the first administrator"
                await rights.grant(conn, account.id, right, tokens.named(actor), why, now)
                await rights.approve(conn, right.id, tokens.named(actor), why, now)
                facts = {"right": str(right.id), "role": right.role.value, "unit": right.unit}
                for action in (Action.RIGHT_GRANT, Action.RIGHT_APPROVE):
                    await self._tell(conn, action, actor, account, because="first administrator", facts=facts)
            elif await self._is_first(conn, found):
                account = found
            else:
                raise AccountExists(name=found.name)
            return await self._invite(conn, account, actor, alone=True)

    async def create(self, person: Person, actor: Actor) -> Invited:
        """An account without rights, and the link with which its owner sets password and authenticator."""
        async with self._database.transaction() as conn:
            account = await self._insert(conn, person, AccountKind.PERSON, AccountState.INVITED)
            await self._tell(conn, Action.ACCOUNT_CREATE, actor, account)
            return await self._invite(conn, account, actor)

    async def invite(self, name: str, actor: Actor) -> Invited:
        """A new link for somebody who has not used the last one, or who comes back."""
        async with self._database.transaction() as conn:
            account = await self._named(conn, name)
            if account.kind is AccountKind.MACHINE or account.state is AccountState.ACTIVE:
                raise AccountStateWrong(name=account.name, state=account.state.value)
            if account.state is AccountState.DISABLED:
                await self._shut(conn, account, AccountState.INVITED, "comes back", actor)
                await self._tell(conn, Action.ACCOUNT_ENABLE, actor, account)
            return await self._invite(conn, account, actor)

    async def reset(self, name: str, why: str, actor: Actor) -> Invited:
        """A factor is lost, or known to others: both go, with sessions and devices. Rights stay, and count again when
        somebody else has confirmed that the owner is back. Whoever does this has made sure who asks, and says how. At
        the command line the last administrator comes back alone: there is nobody to confirm it."""
        why = rules.check_person("reason", why)
        async with self._database.transaction() as conn:
            account = await self._named(conn, name)
            if account.kind is AccountKind.MACHINE or account.state is AccountState.DISABLED:
                raise AccountStateWrong(name=account.name, state=account.state.value)
            await self._shut(conn, account, AccountState.INVITED, "reset", actor)
            await throttle.clear(conn, of_account(account.name))
            await self._tell(conn, Action.ACCOUNT_RESET, actor, account, personal={"why": why})
            now, kind = self._clocks.now(), NoticeKind.LOG_IN_RESET
            await notices.tell_those(conn, APPROVERS, account.id, kind, now, {}, with_owner=True)
            return await self._invite(conn, account, actor, alone=await self._is_last(conn, account, actor))

    async def confirm(self, name: str, why: str, actor: Actor, came_at: datetime | None = None) -> Account:
        """The owner came by the link, says somebody who did not make it: rights count from the next request on.
        `came_at`: which coming is meant, when it was seen on a page before. OwnerNotHere, OwnerConfirmed,
        ConfirmedByAnother."""
        why = rules.check_person("reason", why)
        async with self._database.transaction() as conn:
            account = await self._named(conn, name)
            if account.owner_confirmed:
                raise OwnerConfirmed(name=account.name)
            if account.state is not AccountState.ACTIVE or came_at not in (None, account.came_at):
                raise OwnerNotHere(name=account.name)
            if actor.id == str(account.id) or tokens.named(actor) == account.link_by:
                raise ConfirmedByAnother
            await accounts.confirm(conn, account.id, tokens.named(actor), why, self._clocks.now())
            await self._tell(conn, Action.ACCOUNT_CONFIRM, actor, account, personal={"why": why})
            confirmed = await self._named(conn, account.name)
        log.info("account_confirm", account_id=str(account.id))
        return confirmed

    async def disable(self, name: str, why: str, actor: Actor) -> Account:
        """Somebody leaves, or a machine: with the account end its rights."""
        why = rules.check_person("reason", why)
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            account = await self._named(conn, name)
            if account.state is AccountState.DISABLED:
                raise AccountStateWrong(name=account.name, state=account.state.value)
            await self._shut(conn, account, AccountState.DISABLED, "disabled", actor)
            for right in await rights.not_ended(conn, account.id):
                await rights.end(conn, right.id, tokens.named(actor), "the account was disabled", now)
                facts = {"right": str(right.id), "role": right.role.value, "unit": right.unit}
                await self._tell(conn, Action.RIGHT_END, actor, account, because="account disabled", facts=facts)
            action = Action.TOKEN_END if account.kind is AccountKind.MACHINE else Action.ACCOUNT_DISABLE
            await self._tell(conn, action, actor, account, personal={"why": why})
            disabled = await self._named(conn, account.name)
        log.info("account_disable", account_id=str(account.id))
        return disabled

    async def change(self, person: Person, actor: Actor) -> Account:
        """Another full name, mail or language; the log-in name stays."""
        async with self._database.transaction() as conn:
            account = await self._named(conn, person.name)
            full_name, mail, language = _checked(person)
            await accounts.change(conn, account.id, full_name, mail, language)
            await self._tell(conn, Action.ACCOUNT_CHANGE, actor, account, because="facts")
            return await self._named(conn, account.name)

    async def list_all(self) -> tuple[Listed, ...]:
        """Everybody there ever was, by name."""
        async with self._database.transaction() as conn:
            found = await accounts.several(conn)
            seen = await accounts.last_seen(conn)
        return tuple(Listed(account=one, last_seen_at=seen.get(one.id)) for one in found)

    async def waiting(self) -> tuple[Account, ...]:
        """Who came by a link, and was not confirmed yet, by name."""
        async with self._database.transaction() as conn:
            found = await accounts.several(conn)
        return tuple(one for one in found if one.state is AccountState.ACTIVE and not one.owner_confirmed)

    async def get(self, name: str) -> Account:
        async with self._database.transaction() as conn:
            return await self._named(conn, name)

    # --- how

    async def insert_machine(self, conn: Connection, name: str, full_name: str, actor: Actor) -> Account:
        """Within the transaction that makes its token. A machine has no owner who could be somebody else."""
        person = Person(name=name, full_name=full_name)
        account = await self._insert(conn, person, AccountKind.MACHINE, AccountState.ACTIVE)
        await accounts.confirm(conn, account.id, tokens.named(actor), "a machine", self._clocks.now())
        return account

    async def _insert(self, conn: Connection, person: Person, kind: AccountKind, state: AccountState) -> Account:
        full_name, mail, language = _checked(person)
        account = Account(
            id=uuid4(),
            kind=kind,
            state=state,
            name=rules.check_name(person.name),
            full_name=full_name,
            mail=mail,
            language=language,
            created_at=self._clocks.now(),
        )
        if not await accounts.insert(conn, account):
            raise AccountExists(name=account.name)
        return account

    async def _invite(self, conn: Connection, account: Account, actor: Actor, *, alone: bool = False) -> Invited:
        now, token = self._clocks.now(), tokens.new()
        invited = Invited(account_id=account.id, name=account.name, token=token, expires_at=now + INVITATION)
        made_by = tokens.named(actor)
        await accounts.invite(
            conn, account.id, tokens.hashed(token), now, invited.expires_at, made_by=made_by, alone=alone
        )
        await self._tell(conn, Action.ACCOUNT_INVITE, actor, account, because="nobody to confirm" if alone else "")
        if alone:
            await notices.tell_those(conn, APPROVERS, account.id, NoticeKind.NOBODY_CONFIRMED, now, {})
        return invited

    async def _is_last(self, conn: Connection, account: Account, actor: Actor) -> bool:
        """Is it the only administrator who could work, and somebody at the command line who helps?"""
        if actor.kind is not ActorKind.OPERATOR:
            return False
        await rights.lock_units(conn)  # two who are reset at once are not both the last one
        works = await rights.administrator_works(conn, local_day(self._clocks.now()))
        return not works and await self._is_administrator(conn, account)

    async def _is_administrator(self, conn: Connection, account: Account) -> bool:
        return {right.role for right in await rights.not_ended(conn, account.id)} == {Role.ADMINISTRATOR}

    async def _is_first(self, conn: Connection, account: Account) -> bool:
        """Was this one told to be the first administrator, and has not come?"""
        return account.state is AccountState.INVITED and await self._is_administrator(conn, account)

    async def _shut(self, conn: Connection, account: Account, state: AccountState, because: str, actor: Actor) -> None:
        now = self._clocks.now()
        await sessions.end_all(conn, account.id, because, now)
        await accounts.take_credential(conn, account.id, state, tokens.named(actor), because, now)

    async def _named(self, conn: Connection, name: str) -> Account:
        """Locked: what is done to an account is done one after the other."""
        found = await accounts.find(conn, name.strip().casefold())
        account = await accounts.lock(conn, found.id) if found is not None else None
        if account is None:
            raise AccountUnknown(name=name)
        return account

    async def _tell(
        self,
        conn: Connection,
        action: Action,
        actor: Actor,
        account: Account,
        *,
        because: str = "",
        facts: dict[str, str] | None = None,
        personal: dict[str, str] | None = None,
    ) -> None:
        entry = Entry(
            action=action,
            actor=actor,
            object=f"user:{account.id}",
            because=because,
            facts=facts or {},
            personal={"account": account.name, **(personal or {})},
        )
        await audit.append(conn, entry, self._clocks.now())


def hours(span: timedelta) -> int:
    return span // timedelta(hours=1)


def _checked(person: Person) -> tuple[str, str, str]:
    """Full name, mail, language."""
    if person.language not in LANGUAGES:
        raise LanguageRefused(language=person.language, known=", ".join(LANGUAGES))
    mail = person.mail.strip()
    return (
        rules.check_person("full name", person.full_name),
        rules.check_mail(mail) if mail else "",
        person.language,
    )
