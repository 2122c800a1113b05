"""Who may do what: roles, permissions, units, and the one who asks. How rights came about: domain/rights.py.

    user ──grant──► role, in a unit ──PERMISSIONS──► permission
                            └── unit: a named set of queues; "*" is all of them

A request is made by a principal: a user with a session, or a machine with a token. What a permission reaches is a
scope, and whoever asks the database carries it into the query: what lies outside does not exist for this principal.
Administrators give rights, and hear nothing; auditors read the log, and nothing else. Neither role goes together with
another one, so that nobody gives himself a recording, or looks after himself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.audit import Actor, ActorKind
from ari_recorder.domain.errors import (
    GrantPeriodRefused,
    LoginNameRefused,
    MailRefused,
    OwnCallsRefused,
    PermissionMissing,
    PersonTextRefused,
    StepUpNeeded,
    UnitNameRefused,
    UnitRefused,
)

# All queues, those of tomorrow too.
EVERYTHING = "*"
# SECURITY: sensitive steps want a code that is at most so old.
STEP_UP = timedelta(minutes=5)
LANGUAGES = ("fi", "sv", "en")

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?")
_UNIT = re.compile(r"[^\W_](?:[\w ./&()+-]{0,62}[\w.)])?")
# Enough to find a slip, and to keep line breaks out of a mail's head; whether it arrives, a mail tells.
_MAIL = re.compile(r"[^\s@<>,;:\"()]{1,64}@[A-Za-z0-9.-]{1,190}")
_MOST_TEXT = 200


class AccountKind(StrEnum):
    PERSON = "person"
    MACHINE = "machine"


class AccountState(StrEnum):
    """invited ──enrol──► active ──reset──► invited; each ──disable──► disabled ──invite──► invited"""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


class NoticeKind(StrEnum):
    """What is told to the owner of an account, on the page and by mail."""

    NEW_DEVICE = "new-device"
    CODE_WRONG = "code-wrong"  # and the password was right
    DOOR_CLOSED = "door-closed"
    CREDENTIAL_CHANGED = "credential-changed"
    RECOVERY_CODE_USED = "recovery-code-used"  # administrators hear it too
    # Whoever may approve rights hears these:
    LOG_IN_RESET = "log-in-reset"
    OWNER_WAITS = "owner-waits"
    NOBODY_CONFIRMED = "nobody-confirmed"  # the break-glass of the command line


class Role(StrEnum):
    ADVISER = "adviser"
    SUPERVISOR = "supervisor"
    PRIVACY_OFFICER = "privacy-officer"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class Permission(StrEnum):
    RECORDING_LIST = "recording:list"
    RECORDING_VIEW = "recording:view"
    RECORDING_PLAY = "recording:play"
    RECORDING_EXPORT = "recording:export"
    RECORDING_CORRECT = "recording:correct"
    RECORDING_RESTRICT = "recording:restrict"
    REQUEST_ANSWER = "request:answer"
    HOLD_PLACE = "hold:place"
    HOLD_RELEASE = "hold:release"
    FLAG_DECIDE = "flag:decide"
    LEDGER_VIEW = "ledger:view"
    LEDGER_EXPLAIN = "ledger:explain"
    AUDIT_READ = "audit:read"
    USE_REPORT = "use:report"
    USE_SIGN = "use:sign"
    ACCOUNT_MANAGE = "account:manage"
    RIGHT_GRANT = "right:grant"
    RIGHT_APPROVE = "right:approve"
    KEY_MANAGE = "key:manage"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 -- the name of a permission


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    # Their own calls only.
    Role.ADVISER: frozenset({Permission.RECORDING_LIST, Permission.RECORDING_VIEW, Permission.RECORDING_PLAY}),
    Role.SUPERVISOR: frozenset(
        {
            Permission.RECORDING_LIST,
            Permission.RECORDING_VIEW,
            Permission.RECORDING_PLAY,
            Permission.HOLD_PLACE,
            Permission.HOLD_RELEASE,
            Permission.FLAG_DECIDE,
            Permission.LEDGER_VIEW,
            Permission.LEDGER_EXPLAIN,
            Permission.USE_REPORT,
            Permission.USE_SIGN,
        }
    ),
    Role.PRIVACY_OFFICER: frozenset(
        {
            Permission.RECORDING_LIST,
            Permission.RECORDING_VIEW,
            Permission.RECORDING_PLAY,
            Permission.RECORDING_EXPORT,
            Permission.RECORDING_CORRECT,
            Permission.RECORDING_RESTRICT,
            Permission.REQUEST_ANSWER,
            Permission.LEDGER_VIEW,
            Permission.LEDGER_EXPLAIN,
            Permission.AUDIT_READ,
            Permission.USE_REPORT,
            Permission.USE_SIGN,
            Permission.RIGHT_APPROVE,
        }
    ),
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.ACCOUNT_MANAGE,
            Permission.RIGHT_GRANT,
            Permission.RIGHT_APPROVE,
            Permission.KEY_MANAGE,
            Permission.TOKEN_MANAGE,
        }
    ),
    Role.AUDITOR: frozenset({Permission.AUDIT_READ}),
}

# Their work knows no units.
HOUSE_ROLES = frozenset({Role.PRIVACY_OFFICER, Role.ADMINISTRATOR, Role.AUDITOR})
# Who may approve a right, and confirm who an owner is.
APPROVERS = frozenset(role for role, allowed in PERMISSIONS.items() if Permission.RIGHT_APPROVE in allowed)
# Nobody has one of these and another role.
LONE_ROLES = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A right as it stands: from the first day to the last, both included."""

    id: UUID
    role: Role
    unit: str
    valid_from: date
    valid_until: date
    # Of an adviser: which phones' calls are the own ones (PJSIP/1001).
    interfaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a permission reaches. None: all of them. Both must hold: the queue, and the phone that answered."""

    queues: frozenset[str] | None
    interfaces: frozenset[str] | None

    def reaches(self, queue: str, interfaces: frozenset[str]) -> bool:
        """A call to this queue, answered by these."""
        if self.queues is not None and queue not in self.queues:
            return False
        return self.interfaces is None or bool(self.interfaces & interfaces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, with the rights of this moment: built anew for each request, and never kept."""

    user_id: UUID
    name: str
    full_name: str
    grants: tuple[Grant, ...]
    units: Mapping[str, frozenset[str]]
    session_id: str = ""
    is_machine: bool = False
    language: str = LANGUAGES[0]
    address: str = ""
    request_id: str = ""
    # Nobody has confirmed yet that the owner of the account came by the link: no right counts.
    is_unconfirmed: bool = False
    command: UUID | None = None
    stepped_up_at: datetime | None = None
    logged_in_at: datetime | None = field(default=None)

    @property
    def interfaces(self) -> frozenset[str]:
        return frozenset().union(*(grant.interfaces for grant in self.grants))

    @property
    def permissions(self) -> frozenset[Permission]:
        return frozenset().union(*(PERMISSIONS[grant.role] for grant in self.grants))

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def scope(self, permission: Permission) -> Scope | None:
        """None: not at all. Who looks after a unit is not held to the own calls in another one, and does not see them
        there either: a scope is never wider than one of the rights behind it."""
        entitling = self._entitling(permission)
        if not entitling:
            return None
        wide = [grant for grant in entitling if grant.role is not Role.ADVISER]
        grants = wide or entitling
        everywhere = any(grant.unit == EVERYTHING for grant in grants)
        queues = frozenset().union(*(self.units.get(grant.unit, frozenset()) for grant in grants))
        return Scope(
            queues=None if everywhere else queues,
            interfaces=None if wide else frozenset().union(*(grant.interfaces for grant in grants)),
        )

    def actor(self, permission: Permission | None = None) -> Actor:
        """For the audit log, with the role and the units that entitle."""
        entitling = self._entitling(permission) if permission is not None else ()
        wide = [grant for grant in entitling if grant.role is not Role.ADVISER] or entitling
        return Actor(
            kind=ActorKind.MACHINE if self.is_machine else ActorKind.USER,
            id=str(self.user_id),
            name=self.name,
            role=" ".join(sorted({grant.role.value for grant in wide})),
            unit=", ".join(sorted({grant.unit for grant in wide})),
            session=self.session_id,
            address=self.address,
            request=self.request_id,
            command=self.command,
        )

    def _entitling(self, permission: Permission) -> tuple[Grant, ...]:
        return tuple(grant for grant in self.grants if permission in PERMISSIONS[grant.role])


def authorise(principal: Principal, permission: Permission, *, now: datetime, step_up: bool = False) -> Scope:
    """The scope, or an error that is the same whatever there is outside of it."""
    scope = principal.scope(permission)
    if scope is None:
        raise PermissionMissing(permission=permission.value)
    if step_up and not stepped_up(principal, now):
        raise StepUpNeeded(minutes=STEP_UP // timedelta(minutes=1))
    return scope


def stepped_up(principal: Principal, now: datetime) -> bool:
    """A code was given a moment ago. A machine has none to give. A time ahead is a clock that was set back."""
    at = principal.stepped_up_at
    return at is not None and timedelta() <= now - at <= STEP_UP


# --- what may be written down


def check_name(text: str) -> str:
    """A log-in name, in small letters: two that differ in case would be one to their owners."""
    name = text.strip().casefold()
    if _NAME.fullmatch(name) is None:
        raise LoginNameRefused(name=text)
    return name


def check_person(field: str, text: str) -> str:
    """A person's name or a reason: something, on one line."""
    told = " ".join(text.split())
    if not told or len(told) > _MOST_TEXT or not told.isprintable():
        raise PersonTextRefused(field=field, most=_MOST_TEXT)
    return told


def check_mail(text: str) -> str:
    if _MAIL.fullmatch(text) is None:
        raise MailRefused(mail=text)
    return text


def check_unit(text: str) -> str:
    if text != EVERYTHING and _UNIT.fullmatch(text) is None:
        raise UnitNameRefused(unit=text)
    return text


def check_grant(role: Role, unit: str, interfaces: frozenset[str]) -> None:
    if role in HOUSE_ROLES and unit != EVERYTHING:
        raise UnitRefused(role=role.value)
    if (role is Role.ADVISER) != bool(interfaces) or any(not one.strip() for one in interfaces):
        raise OwnCallsRefused
    check_unit(unit)


def latest_end(begins: date) -> date:
    """Twelve months on: a right is looked at once a year."""
    if (begins.month, begins.day) == (2, 29):
        return date(begins.year + 1, 2, 28)
    return begins.replace(year=begins.year + 1)


def check_period(valid_from: date, valid_until: date, today: date) -> None:
    begins = max(valid_from, today)
    if not begins <= valid_until <= latest_end(begins):
        raise GrantPeriodRefused(valid_until=valid_until, earliest=begins, latest=latest_end(begins))


def apart(held: frozenset[Role], wanted: Role) -> bool:
    """May somebody who has these roles be given this one?"""
    others = held - {wanted}
    return not others or not (LONE_ROLES & (others | {wanted}))
