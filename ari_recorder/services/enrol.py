"""How somebody gets a password and an authenticator, and changes them. Who is invited: services/accounts.py.

    link (once, ≤ 24 h) ─► set_up: QR code ─► enrol: password and a first code ─► active, ten recovery codes shown once
                       rights count when somebody other than who made the link has confirmed who came (accounts.py)

The secret of an authenticator is shown while it is being set up, and never again. Neither factor is there without the
other: enrolment stores both in one statement, and the database refuses anything else.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from ari_recorder.domain import throttle as subjects
from ari_recorder.domain.accounts import APPROVERS, NoticeKind, Principal
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry
from ari_recorder.domain.errors import CodeRefused, InvitationOver, PasswordRefused
from ari_recorder.services import tokens
from ari_recorder.services.accounts import INVITATION, hours
from ari_recorder.services.clock import Clocks
from ari_recorder.services.login import Where, paused
from ari_recorder.services.throttle import Counted
from ari_recorder.storage import accounts, audit, log_ins, notices, rights, sessions
from ari_recorder.storage.accounts import Account, Invitation
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.log_ins import Device
from ari_recorder.vault import totp
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.vault.passwords import Passwords
from ari_recorder.vault.weak_passwords import WeakPasswords

log = structlog.get_logger(__name__)

# To take a picture of a code and type six digits, with a phone that has to be looked for.
NEW_AUTHENTICATOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """For the page of a link: who it is for, and the authenticator's secret as text and for a QR code."""

    name: str
    full_name: str
    language: str
    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The recovery codes are shown once."""

    account_id: UUID
    name: str
    recovery_codes: tuple[str, ...]


class Enrolment:
    def __init__(
        self,
        *,
        database: Database,
        passwords: Passwords,
        weak: WeakPasswords,
        login_key: LoginKey,
        clocks: Clocks,
        window: int = 0,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._weak = weak
        self._key = login_key
        self._clocks = clocks
        self._window = window

    async def set_up(self, token: str) -> SetUp:
        """The same secret as long as the link is good, however often its page is loaded. InvitationOver."""
        async with self._database.transaction() as conn:
            account, invitation = await self._invited(conn, token)
            sealed = invitation.totp_secret
            if sealed is None:
                if not await accounts.any_secret(conn):
                    await asyncio.to_thread(self._key.make)
                sealed = await asyncio.to_thread(self._key.seal, totp.new_secret(), account.id)
                await accounts.begin_totp(conn, tokens.hashed(token), sealed)
        secret = await asyncio.to_thread(self._key.open, sealed, account.id)
        return SetUp(
            name=account.name,
            full_name=account.full_name,
            language=account.language,
            secret=totp.written(secret),
            uri=totp.uri(secret, account.name),
        )

    async def enrol(self, token: str, password: str, code: str, where: Where) -> Enrolled:
        """InvitationOver, PasswordRefused, CodeRefused; the link stays good after the last two."""
        async with self._database.transaction() as conn:
            account, invitation = await self._invited(conn, token)
        # Before a hash is paid for; and while that takes its time, the code's thirty seconds may end.
        secret, step = self._step(invitation.totp_secret, account, code)
        checked = await asyncio.to_thread(self._weak.check, password, _about(account))
        hashed = await self._passwords.hash(checked)
        codes = tokens.new_recovery_codes()
        async with self._database.transaction() as conn:
            account, invitation = await self._invited(conn, token)
            now = self._clocks.now()
            await accounts.end_invitation(conn, account.id)
            await accounts.enrol(conn, account.id, hashed, secret, step, invitation.made_by, now)
            await self._confirm_or_wait(conn, account, invitation)
            await accounts.set_recovery_codes(conn, account.id, [tokens.hashed_recovery_code(one) for one in codes])
            actor = Actor(
                kind=ActorKind.USER,
                id=str(account.id),
                name=account.name,
                address=where.address,
                request=where.request_id,
            )
            await audit.append(conn, Entry(action=Action.ACCOUNT_ENROL, actor=actor, object=f"user:{account.id}"), now)
            await self._changed(conn, account.id, "enrolled")
        log.info("account_enrol", account_id=str(account.id))
        return Enrolled(account_id=account.id, name=account.name, recovery_codes=tuple(codes))

    async def change_password(self, principal: Principal, old: str, new: str) -> None:
        """All other sessions of the user end. PasswordRefused; LogInPaused after too many wrong old ones."""
        now, actor = self._clocks.now(), principal.actor()
        about = f"user:{principal.user_id}"
        async with self._database.transaction() as conn:
            account = await self._own(conn, principal)
            counted = await Counted.lock(conn, [subjects.of_device(f"password {principal.user_id}")], now)
            wait = await counted.count(actor, about)
            door = await log_ins.at_the_door(conn, account.name, b"", now)
        if wait is not None:
            raise paused(wait.left)
        if not (await self._passwords.verify(door.password_hash, old)).right:
            raise PasswordRefused(reason="the old one is not right")
        checked = await asyncio.to_thread(self._weak.check, new, _about(account))
        hashed = await self._passwords.hash(checked)
        async with self._database.transaction() as conn:
            await accounts.set_password(conn, account.id, hashed, now)
            await sessions.end_all(conn, account.id, "new password", now, but=UUID(principal.session_id))
            await self._told(conn, actor, account.id, "password")

    async def begin_authenticator(self, principal: Principal) -> SetUp:
        """A new one in the place of the one that is there; the same secret for a while, however often the page is
        loaded. The caller asks for a step-up first. The old one counts until `change_authenticator`."""
        now, session_id = self._clocks.now(), UUID(principal.session_id)
        async with self._database.transaction() as conn:
            account = await self._own(conn, principal)
            sealed = await accounts.new_authenticator(conn, account.id, session_id, now - NEW_AUTHENTICATOR)
            if sealed is None:
                sealed = await asyncio.to_thread(self._key.seal, totp.new_secret(), account.id)
                await accounts.begin_authenticator(conn, account.id, session_id, sealed, now)
        secret = await asyncio.to_thread(self._key.open, sealed, account.id)
        return SetUp(
            name=account.name,
            full_name=account.full_name,
            language=account.language,
            secret=totp.written(secret),
            uri=totp.uri(secret, account.name),
        )

    async def change_authenticator(self, principal: Principal, code: str) -> None:
        """`code`: of the new one. From then on the old one is worth nothing, and all other sessions of the user have
        ended. CodeRefused; the caller asks for a step-up first."""
        now, session_id = self._clocks.now(), UUID(principal.session_id)
        async with self._database.transaction() as conn:
            account = await self._own(conn, principal)
            sealed = await accounts.new_authenticator(conn, account.id, session_id, now - NEW_AUTHENTICATOR)
            secret, step = await asyncio.to_thread(self._step, sealed, account, code)
            await accounts.set_authenticator(conn, account.id, secret, step, now)
            await sessions.end_all(conn, account.id, "new authenticator", now, but=session_id)
            await self._told(conn, principal.actor(), account.id, "authenticator")

    async def devices(self, principal: Principal, where: Where) -> tuple[Device, ...]:
        """The browsers whose door stays open while somebody guesses."""
        async with self._database.transaction() as conn:
            return await log_ins.devices(conn, principal.user_id, tokens.hashed(where.device), self._clocks.now())

    async def forget_device(self, principal: Principal, device_id: UUID) -> None:
        """It is a stranger's from here on. It is no error that it is forgotten already."""
        async with self._database.transaction() as conn:
            account = await self._own(conn, principal)
            if await log_ins.forget_device(conn, account.id, device_id):
                facts = {"device": str(device_id)}
                await self._written(conn, principal.actor(), account.id, "device", facts)

    async def renew_recovery_codes(self, principal: Principal) -> tuple[str, ...]:
        """New ones, shown once; the old ones are worth nothing. The caller asks for a step-up first."""
        codes = tokens.new_recovery_codes()
        async with self._database.transaction() as conn:
            account = await self._own(conn, principal)
            await accounts.set_recovery_codes(conn, account.id, [tokens.hashed_recovery_code(one) for one in codes])
            await self._told(conn, principal.actor(), account.id, "recovery-codes")
        return tuple(codes)

    async def _confirm_or_wait(self, conn: Connection, account: Account, invitation: Invitation) -> None:
        """Whoever may confirm hears that somebody waits, if there are rights to wait for."""
        now = self._clocks.now()
        if invitation.alone:
            await accounts.confirm(conn, account.id, invitation.made_by, "nobody else could confirm", now)
        elif await rights.not_ended(conn, account.id):
            await notices.tell_those(conn, APPROVERS, account.id, NoticeKind.OWNER_WAITS, now, {})

    async def _invited(self, conn: Connection, token: str) -> tuple[Account, Invitation]:
        invitation = await accounts.lock_invitation(conn, tokens.hashed(token), self._clocks.now())
        account = await accounts.lock(conn, invitation.account_id) if invitation is not None else None
        if invitation is None or account is None:
            raise InvitationOver(hours=hours(INVITATION))
        return account, invitation

    def _step(self, sealed: bytes | None, account: Account, code: str) -> tuple[bytes, int]:
        """The sealed secret, and the step of a code of it."""
        if sealed is None:
            raise CodeRefused
        step = totp.step_of(self._key.open(sealed, account.id), code, self._clocks.now(), self._window)
        if step is None:
            raise CodeRefused
        return sealed, step

    async def _own(self, conn: Connection, principal: Principal) -> Account:
        account = await accounts.lock(conn, principal.user_id)
        if account is None or principal.is_machine:
            raise CodeRefused
        return account

    async def _told(self, conn: Connection, actor: Actor, account_id: UUID, what: str) -> None:
        await self._written(conn, actor, account_id, what, {})
        await self._changed(conn, account_id, what)

    async def _written(
        self, conn: Connection, actor: Actor, account_id: UUID, what: str, facts: Mapping[str, str]
    ) -> None:
        about = f"user:{account_id}"
        entry = Entry(action=Action.ACCOUNT_CHANGE, actor=actor, object=about, because=what, facts=facts)
        await audit.append(conn, entry, self._clocks.now())

    async def _changed(self, conn: Connection, account_id: UUID, what: str) -> None:
        facts = {"what": what}
        await notices.tell(conn, account_id, NoticeKind.CREDENTIAL_CHANGED, self._clocks.now(), facts)


def _about(account: Account) -> list[str]:
    return [account.name, account.full_name, account.mail]
