"""What an entry of the audit log says, and the bytes that stand for it in the tree. The tree: domain/merkle.py.

    entry ─ leaf(id, at, salts) ─► canonical JSON ─► SHA-256(00 | leaf) ─► tree

The leaf is UTF-8 text, one JSON object in canonical form: names sorted, no blanks, no escapes that are not needed, no
numbers with a fraction (for such values that is the form of RFC 8785)::

    format      "ari-recorder/audit/1"
    id          UUID of the entry; two entries are never the same
    at          when it happened, UTC with milliseconds: 2026-11-24T02:20:00.123Z. The order is that of the tree
    action      what was done: "hold:place"
    outcome     ok, refused, failed
    actor       kind (user, machine, operator, service), id, and where they are known role, unit, session, request
    object      to what: "recording:<uuid>", "key:day-2026-11-24"
    because     purpose or reason code
    facts       what else is to be known: numbers, days, states, ids; never who called, never what was said
    personal    commitments: name of the field -> SHA-256(salt | value) as hex, salt 32 random bytes, value UTF-8

Names, addresses and what people typed are personal. Their salts and values lie beside the tree and can be erased: the
leaf stays as it is, so every proof stays valid, and without its salt a commitment tells nothing. A personal identity
code (henkilötunnus) that somebody typed is cut out before anything is made of the text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Self, TypeAlias
from uuid import UUID

JSON: TypeAlias = "str | int | bool | Sequence[JSON] | Mapping[str, JSON] | None"

FORMAT = "ari-recorder/audit/1"
SALT_BYTES = 32
# Beyond this readers in other languages do not agree on a number any more (RFC 8785, section 3.2.2.3).
_MOST = 2**53 - 1
# Day, month, year, a sign of the century (since 2023 more letters), three digits, a check character.
_IDENTITY_CODE = re.compile(r"\b[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b", re.IGNORECASE)
_CUT_OUT = "[henkilötunnus]"
# What has no place in a text: NUL, which PostgreSQL does not take, and halves of characters.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Action(StrEnum):
    """Everything that is written down, as noun:verb."""

    # who comes in
    SESSION_LOGIN = "session:login"
    SESSION_SECOND_STEP = "session:second-step"
    SESSION_STEP_UP = "session:step-up"
    SESSION_LOCKOUT = "session:lockout"
    SESSION_LOGOUT = "session:logout"
    SESSION_END = "session:end"
    ACCESS_REFUSE = "access:refuse"
    # accounts and rights
    ACCOUNT_CREATE = "account:create"
    ACCOUNT_INVITE = "account:invite"
    ACCOUNT_ENROL = "account:enrol"
    ACCOUNT_CHANGE = "account:change"
    ACCOUNT_DISABLE = "account:disable"
    ACCOUNT_ENABLE = "account:enable"
    ACCOUNT_RESET = "account:reset"
    ACCOUNT_CONFIRM = "account:confirm"  # that its owner is who came by the link
    RIGHT_GRANT = "right:grant"
    RIGHT_APPROVE = "right:approve"
    RIGHT_ATTEST = "right:attest"
    RIGHT_END = "right:end"
    UNIT_CHANGE = "unit:change"
    UNIT_ASK = "unit:ask"  # more queues, that wait for a second person
    UNIT_REFUSE = "unit:refuse"
    TOKEN_MAKE = "token:make"  # noqa: S105
    TOKEN_END = "token:end"  # noqa: S105
    # recordings
    RECORDING_SEARCH = "recording:search"
    RECORDING_LIST = "recording:list"
    RECORDING_VIEW = "recording:view"
    RECORDING_PLAY = "recording:play"  # before the first byte
    RECORDING_PLAYED = "recording:played"  # the ranges really sent
    RECORDING_EXPORT = "recording:export"  # before the first byte
    RECORDING_EXPORTED = "recording:exported"  # what really went out, of an export from the page
    RECORDING_HAND_OVER = "recording:hand-over"  # on the premises, against a signature
    RECORDING_CORRECT = "recording:correct"
    RECORDING_VERIFY = "recording:verify"
    RECORDING_INCOMPLETE = "recording:incomplete"  # truncated, late, with a gap, or a call that nobody can explain
    RECORDING_IMPORT = "recording:import"  # from an old PBX's folder
    RECORDING_QUARANTINE = "recording:quarantine"  # sealed, and nobody may listen: its announcement is not proved
    RECORDING_DAMAGE = "recording:damage"
    RECORDING_ERASE = "recording:erase"
    CERTIFICATE_READ = "certificate:read"
    # packages that are fetched by a link
    DELIVERY_MAKE = "delivery:make"
    DELIVERY_TRY = "delivery:try"  # a passphrase that was wrong
    DELIVERY_OPEN = "delivery:open"  # before the first byte
    DELIVERY_SEND = "delivery:send"  # how much really went out, each time
    DELIVERY_END = "delivery:end"  # delivered, expired, withdrawn, blocked …: its file goes
    # requests of persons, answered in writing
    REFUSAL_ISSUE = "refusal:issue"
    REFUSAL_READ = "refusal:read"
    REQUEST_OPEN = "request:open"
    REQUEST_IDENTITY = "request:identity"
    REQUEST_MATCH = "request:match"  # calls were found for it, and are frozen
    REQUEST_CONFIRM = "request:confirm"
    REQUEST_DECIDE = "request:decide"
    REQUEST_EXTEND = "request:extend"
    REQUEST_REFUSE = "request:refuse"
    REQUEST_HAND_OVER = "request:hand-over"
    REQUEST_CLOSE = "request:close"
    REQUEST_RELEASE = "request:release"  # nothing is frozen for it any more
    REQUEST_READ = "request:read"
    # breaches
    BREACH_REPORT = "breach:report"  # the case begins, and the log of its time is kept
    BREACH_READ = "breach:read"
    BREACH_NOTIFY = "breach:notify"  # the authority was told
    BREACH_CLOSE = "breach:close"
    # what keeps them
    HOLD_PLACE = "hold:place"
    HOLD_EXTEND = "hold:extend"
    HOLD_RELEASE = "hold:release"
    FREEZE_OPEN = "freeze:open"
    FREEZE_CLOSE = "freeze:close"
    FLAG_DECIDE = "flag:decide"
    FLAG_ASK = "flag:ask"
    # what is stored and nothing else
    RESTRICTION_SET = "restriction:set"
    RESTRICTION_LIFT = "restriction:lift"
    # retention
    POLICY_PROPOSE = "policy:propose"
    POLICY_CONFIRM = "policy:confirm"
    POLICY_WITHDRAW = "policy:withdraw"
    SWEEP_RUN = "sweep:run"
    CLOCK_REFUSE = "clock:refuse"
    CLOCK_CONFIRM = "clock:confirm"
    # keys
    KEYRING_MAKE = "keyring:make"
    KEYRING_UNLOCK = "keyring:unlock"
    KEYRING_LOCK = "keyring:lock"
    KEYRING_ROTATE = "keyring:rotate"
    KEYRING_BACKUP = "keyring:backup"
    KEYRING_REWRAP = "keyring:rewrap"
    KEY_MAKE = "key:make"
    KEY_DESTROY = "key:destroy"
    # the service
    SERVICE_START = "service:start"
    SERVICE_STOP = "service:stop"
    CONFIG_CHANGE = "config:change"
    HOST_FORGET = "host:forget"
    QUEUE_ACTIVATE = "queue:activate"  # recorded from now on, by this decision
    QUEUE_END = "queue:end"
    IMPORT_BEGIN = "import:begin"
    IMPORT_END = "import:end"
    BACKUP_MAKE = "backup:make"
    BACKUP_RESTORE = "backup:restore"  # of the restored service, from its start on
    BACKUP_DRILL = "backup:drill"
    LEDGER_VIEW = "ledger:view"
    LEDGER_EXPLAIN = "ledger:explain"
    LEDGER_CLOSE = "ledger:close"
    # the log itself
    AUDIT_READ = "audit:read"
    AUDIT_EXPORT = "audit:export"
    AUDIT_PROVE = "audit:prove"
    AUDIT_VERIFY = "audit:verify"
    AUDIT_DAY = "audit:day"  # once a day, so that a day without entries is not a day without a checkpoint
    AUDIT_ROLLBACK = "audit:rollback"
    AUDIT_FORGET = "audit:forget"  # personal fields erased
    # use is monitored
    USE_REPORT = "use:report"
    USE_SIGN = "use:sign"
    # what takes two persons
    APPROVAL_ASK = "approval:ask"
    APPROVAL_GIVE = "approval:give"
    APPROVAL_REFUSE = "approval:refuse"


# Looks, and what was refused: whoever looks twice has looked twice, and nothing was done.
LOOKS = frozenset(
    {
        Action.ACCESS_REFUSE,
        Action.RECORDING_SEARCH,
        Action.RECORDING_LIST,
        Action.RECORDING_VIEW,
        Action.RECORDING_VERIFY,
        Action.CERTIFICATE_READ,
        Action.REFUSAL_READ,
        Action.REQUEST_READ,
        Action.BREACH_READ,
        Action.LEDGER_VIEW,
        Action.AUDIT_READ,
        Action.AUDIT_EXPORT,
        Action.AUDIT_PROVE,
        Action.AUDIT_VERIFY,
        Action.USE_REPORT,
    }
)


class Outcome(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


class ActorKind(StrEnum):
    USER = "user"
    MACHINE = "machine"  # a token
    OPERATOR = "operator"  # the command line
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it, and by what authority. `name` and `address` are personal; `id` stays when they are erased.
    `command` is the order it was done for: in no entry, but an order is carried out once (storage/commands.py)."""

    kind: ActorKind
    id: str
    name: str = ""
    role: str = ""
    unit: str = ""
    session: str = ""
    address: str = ""
    request: str = ""
    command: UUID | None = None

    @property
    def label(self) -> str:
        """For columns that say who, beside the log."""
        return self.name or self.id

    @classmethod
    def service(cls, part: str) -> Self:
        """A part of the service, by itself: the sweep."""
        return cls(kind=ActorKind.SERVICE, id=part)

    @classmethod
    def operator(cls, name: str) -> Self:
        """Somebody at the command line: the name of the process's user."""
        return cls(kind=ActorKind.OPERATOR, id="command-line", name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A personal field as it lies beside the tree."""

    field: str
    salt: bytes
    value: str

    @property
    def digest(self) -> str:
        return commit(self.salt, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An entry as it goes into the tree, and what can be erased of it."""

    id: UUID
    at: datetime
    text: str
    personal: tuple[Commitment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was done, or refused."""

    action: Action
    actor: Actor
    outcome: Outcome = Outcome.OK
    object: str = ""
    because: str = ""
    facts: Mapping[str, JSON] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)

    def leaf(self, id: UUID, at: datetime, salts: Iterator[bytes]) -> Leaf:
        """`salts` gives 32 fresh random bytes each time."""
        actor = self.actor
        named = {"actor.name": actor.name, "actor.address": actor.address, **self.personal}
        personal = tuple(
            Commitment(field=name, salt=next(salts), value=clean(value))
            for name, value in sorted(named.items())
            if value
        )
        who = {"kind": actor.kind.value, "id": actor.id, "role": actor.role, "unit": actor.unit}
        who |= {"session": actor.session, "request": actor.request}
        fields: dict[str, JSON] = {
            "format": FORMAT,
            "id": str(id),
            "at": written(at),
            "action": self.action.value,
            "outcome": self.outcome.value,
            "actor": {name: value for name, value in who.items() if value},
            "object": self.object,
            "because": self.because,
            "facts": self.facts,
            "personal": {one.field: one.digest for one in personal},
        }
        return Leaf(id=id, at=at, text=canonical(fields), personal=personal)


def commit(salt: bytes, value: str) -> str:
    return sha256(salt + value.encode()).hexdigest()


def written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def clean(text: str) -> str:
    """Text as it may stand in the log."""
    return _IDENTITY_CODE.sub(_CUT_OUT, _NO_TEXT.sub("\ufffd", text))


def canonical(fields: Mapping[str, JSON]) -> str:
    return json.dumps(_plain(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: JSON) -> object:
    """Only what has one way to be written."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > _MOST:
            raise ValueError(f"{value} is too large for the audit log")
        return value
    if isinstance(value, Mapping):
        return {clean(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} has no place in the audit log")
