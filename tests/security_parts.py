"""The parts of docs/web_security.md that are made from the program: who may what, what forms take, limits, logs, data.

What no code says stands here as data, and tests/test_web_security.py holds it against the code: how inputs must agree
(each with an attempt that breaks it), which table holds which kind of data, whom the service speaks to.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic.fields import FieldInfo

from ari_recorder.domain import accounts, corrections, deliveries, holds, listening, restriction, throttle
from ari_recorder.domain.accounts import PERMISSIONS, Permission, Role
from ari_recorder.domain.audit import Action
from ari_recorder.services import delivery_sending, enrol, login, tokens
from ari_recorder.services.accounts import INVITATION
from ari_recorder.storage import db, outbox, sessions
from ari_recorder.vault import passwords, weak_passwords
from ari_recorder.web import door, forms, house
from ari_recorder.web.asked import Route
from ari_recorder.web.routes import ROUTES

PACKAGE = Path(__file__).parent.parent / "ari_recorder"
TODAY, NOW = date(2026, 11, 24), datetime(2026, 11, 24, 9, tzinfo=UTC)


# --- who may do what, and which fields that shows and takes


def permissions_table() -> str:
    roles = list(Role)
    lines = [f"| permission | {' | '.join(role.value for role in roles)} |", "|---|" + "---|" * len(roles)]
    for permission in Permission:
        marks = ["yes" if permission in PERMISSIONS[role] else "" for role in roles]
        lines.append(f"| `{permission.value}` | {' | '.join(marks)} |")
    return "\n".join(lines)


def fields_table() -> str:
    lines = ["| page or act | who | fields it shows | fields it takes |", "|---|---|---|---|"]
    for route in sorted(ROUTES, key=lambda route: (route.path, route.method)):
        who = f"`{route.permission}`" if isinstance(route.permission, Permission) else str(route.permission)
        if route.step_up:
            who += ", with a fresh code"
        shown = ", ".join(f"`{name}`" for name in _shown(route.view))
        taken = ", ".join(f"`{name}`" for name in _taken(route))
        lines.append(f"| `{route.method} {route.path}` | {who} | {shown} | {taken} |")
    return "\n".join(lines)


def _shown(view: object) -> Iterator[str]:
    if isinstance(view, type) and is_dataclass(view):
        yield from (one.name for one in fields(view))


def _taken(route: Route) -> Iterator[str]:
    for model in (route.form, route.query):
        if model is not None:
            yield from model.model_fields


# --- how each field is checked


def rules_table() -> str:
    lines = ["| form | field | what is taken |", "|---|---|---|"]
    seen = {(model.__module__.rpartition(".")[2], model.__name__): model for model in _models()}
    for (module, _), model in sorted(seen.items()):
        acts = ", ".join(f"`{route.name}`" for route in ROUTES if model in (route.form, route.query))
        for name, field in model.model_fields.items():
            lines.append(f"| {acts or module} | `{name}` | {_rule(field)} |")
    return "\n".join(lines)


def _models() -> Iterator[type[forms.Form]]:
    for route in ROUTES:
        yield from (model for model in (route.form, route.query) if model is not None)


def _rule(field: FieldInfo) -> str:
    parts = [_kind(field.annotation)]
    for limit in field.metadata:
        told = {
            name: getattr(limit, name, None) for name in ("min_length", "max_length", "ge", "le", "gt", "lt", "pattern")
        }
        parts += [f"{name} {value}" for name, value in told.items() if value is not None]
    parts.append("needed" if field.is_required() else "may be left out")
    return ", ".join(parts).replace("|", "\\|")


def _kind(annotation: Any) -> str:
    inner = [one for one in get_args(annotation) if one is not type(None)]
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + " ".join(f"`{one}`" for one in get_args(annotation))
    if origin in (tuple, list, frozenset, set):
        return f"list of {_kind(inner[0])}"
    if inner:
        return _kind(inner[0])
    if isinstance(annotation, type) and issubclass(annotation, str) and annotation is not str:
        return "one of " + " ".join(f"`{one.value}`" for one in annotation)  # type: ignore[attr-defined]
    names = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "yes or no",
        "date": "day",
        "UUID": "id",
        "time": "time of day",
    }
    return names.get(getattr(annotation, "__name__", ""), str(annotation))


# --- how inputs must agree with each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A rule over several inputs, the code of its refusal, and an attempt to break it."""

    rule: str
    code: str
    attempt: Callable[[], object]


def _why(purpose: listening.Purpose) -> Callable[[], object]:
    return lambda: listening.check_why(listening.Why(purpose=purpose))


AGREEMENTS = (
    Agreement(
        rule="A role of the whole house (privacy officer, administrator, auditor) has the unit `*`; others name theirs",
        code="unit_refused",
        attempt=lambda: accounts.check_grant(Role.AUDITOR, "advice", frozenset()),
    ),
    Agreement(
        rule="An adviser's right names the phones of the own calls; a right of another role names none",
        code="own_calls_refused",
        attempt=lambda: accounts.check_grant(Role.SUPERVISOR, "advice", frozenset({"PJSIP/1001"})),
    ),
    Agreement(
        rule="A right's last day is not before its first, nor more than twelve months after it",
        code="grant_period_refused",
        attempt=lambda: accounts.check_period(TODAY, TODAY + timedelta(days=366), TODAY),
    ),
    Agreement(
        rule="The purpose `other` is said in words",
        code="purpose_refused",
        attempt=_why(listening.Purpose.OTHER),
    ),
    Agreement(
        rule="A correction of what was recorded (anything but a note) says why",
        code="correction_refused",
        attempt=lambda: corrections.check(
            corrections.Proposed(field=corrections.Correctable.AGENT, value="Aino", because=""), None
        ),
    ),
    Agreement(
        rule="A hold's review day is ahead of today, by at most twelve months",
        code="review_date_refused",
        attempt=lambda: holds.check_review(TODAY, TODAY),
    ),
    Agreement(
        rule="The person was told that a restriction is lifted: between the day it began and today",
        code="subject_not_told",
        attempt=lambda: restriction.check_lift(
            restriction.Restriction(
                id=UUID(int=1),
                ground=restriction.RestrictionGround.OBJECTION,
                case_number="TP-1",
                case_id=None,
                set_at=NOW,
                set_by="officer",
            ),
            restriction.SubjectTold(on=TODAY + timedelta(days=1), how=restriction.ToldHow.LETTER),
            TODAY,
        ),
    ),
    Agreement(
        rule="A note's place in the audio is not beyond the recording's end",
        code="correction_refused",
        attempt=lambda: corrections.check(
            corrections.Proposed(
                field=corrections.Correctable.NOTE, value="a note", because="", audio_offset=timedelta(hours=1)
            ),
            timedelta(minutes=1),
        ),
    ),
    Agreement(
        rule="A password is more than the names of its owner and of the house",
        code="password_refused",
        attempt=lambda: weak_passwords.WeakPasswords(words=("porvoo",)).check("aino porvoo recorder", ("Aino",)),
    ),
)


def agreements_table() -> str:
    lines = ["| what must agree | refused as |", "|---|---|"]
    lines += [f"| {one.rule} | `{one.code}` |" for one in AGREEMENTS]
    return "\n".join(lines)


# --- limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    what: str
    value: object
    why: str


def _limits(told: tuple[Limit, ...]) -> str:
    lines = ["| what | how much | why, and what happens beyond it |", "|---|---|---|"]
    lines += [f"| {one.what} | {_told(one.value)} | {one.why} |" for one in told]
    return "\n".join(lines)


def _told(value: object) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    seconds = round(value.total_seconds())
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def guessing_table() -> str:
    """How guessing is slowed, and nobody locked out."""
    longest = throttle.wait_after(throttle.MOST_FAILURES)
    steps = ", ".join(_told(throttle.wait_after(count)) for count in range(throttle.FREE, throttle.FREE + 4))
    return _limits(
        (
            Limit(what="tries without a wait", value=throttle.FREE, why=f"within {_told(throttle.WINDOW)}"),
            Limit(
                what="waits after that",
                value=f"{steps} … {_told(longest)}",
                why="counted for the name (whether anybody has it or not) and for the address, before anything is "
                "compared; of IPv6, for the network of 64 bits. A try that comes too early is not compared",
            ),
            Limit(
                what="forgotten",
                value=_told(throttle.QUIET),
                why="of quiet beyond the wait that was due; a try that was right is given back",
            ),
            Limit(
                what="wrong tries in a row for one account",
                value=throttle.MOST_FAILURES,
                why="then browsers nobody logged in with before are not let in until `ari-recorder user reset`; the "
                "alarm is `login-closed`. The owner's own browsers count apart and are let in: guessing locks "
                "nobody out",
            ),
            Limit(
                what="wrong passphrases of one link of a delivery",
                value=deliveries.MOST_TRIES,
                why="then the link is closed for good and its package removed; the alarm is `delivery-blocked`",
            ),
            Limit(
                what="browsers of one person that are known", value=login.MOST_DEVICES, why="the oldest is forgotten"
            ),
            Limit(
                what="time between password and code",
                value=login.TICKET,
                why=f"and {login.TICKET_TRIES} codes; then the password again",
            ),
            Limit(what="passwords compared at a time", value=passwords.AT_ONCE, why="each takes 64 MiB; others wait"),
        )
    )


def ways_in_table() -> str:
    """All ways to be somebody here."""
    link, renewed = _told(INVITATION), _told(enrol.NEW_AUTHENTICATOR)
    lines = [
        "| way | what it takes | slowed by | how long it is good |",
        "|---|---|---|---|",
        "| a person at `/login` | a password and a code of the authenticator | the table below | the session, below |",
        f"| with a recovery code | the password and one of {tokens.RECOVERY_CODES} codes of 140 bits, each once | the "
        "same | the session; its owner and the administrators hear of it |",
        f"| an invitation or a reset | a link of 256 bits, once; sets both factors anew | its length | {link} |",
        f"| whoever was sent a package | a link of 256 bits and a passphrase of 125, which go two ways; for that one "
        f"package, once | the same counts, for the link and the address; {deliveries.MOST_TRIES} wrong ones close it | "
        "`delivery.days`, seven at most |",
        f"| a new authenticator | a session, a fresh code of the old one, a code of the new one | the same counts | "
        f"{renewed} |",
        "| a machine | a token of 256 bits, for one role in one unit; it never has what wants a fresh code | its "
        "length | its right: twelve months at most |",
        "| the command line | to be the user of the service on its host | the host | – |",
    ]
    return "\n".join(lines)


def words() -> str:
    """Words that do not make a password, in every house."""
    return " ".join(f"`{word}`" for word in weak_passwords.SERVICE)


def sessions_table() -> str:
    return _limits(
        (
            Limit(
                what="without use",
                value=sessions.IDLE,
                why="a desk that was left; NIST SP 800-63B-4 (AAL2) allows an hour. Then both factors again",
            ),
            Limit(
                what="in all",
                value=sessions.LONGEST,
                why="a working day with its overtime; NIST SP 800-63B-4 (AAL2) allows 24 hours. Then both again",
            ),
            Limit(
                what="a fresh code counts for",
                value=accounts.STEP_UP,
                why="what is sensitive: sessions alone do not export, grant or unlock. The session gets a new token",
            ),
            Limit(
                what="sessions of one person at a time",
                value="as many as they open",
                why="each takes both factors, is shown with its address on the person's own page, and is ended there; "
                "a new device is told about. One browser has one session: a log-in ends the one before",
            ),
            Limit(
                what="a listening without use",
                value=listening.IDLE,
                why="then its purpose is asked again; it serves its own session alone",
            ),
        )
    )


def work_table() -> str:
    """Limits of what people and strangers may do, and what is costly."""
    limits = db.Limits()
    return _limits(
        (
            Limit(
                what="a form or JSON", value=f"{house.MOST_BYTES // 1024} KiB", why="refused before it is read (413)"
            ),
            Limit(what="fields of a form", value=forms.MOST_FIELDS, why="refused (415)"),
            Limit(
                what="an answer, and each piece of a stream",
                value=timedelta(seconds=house.SECONDS),
                why="503, and the connection ends",
            ),
            Limit(
                what="connections",
                value=door.MOST_CONNECTIONS,
                why="and at most half of the files the process may open: the rest is recording's. The one idle for "
                "longest goes",
            ),
            Limit(what="handshakes at a time", value=door.MOST_COMING, why="the oldest goes"),
            Limit(
                what="waiting for a database connection",
                value=timedelta(seconds=limits.acquire),
                why="503; the page has a pool of its own, so that it takes none from recording",
            ),
            Limit(
                what="a database statement",
                value=timedelta(seconds=limits.statement),
                why=f"503; a whole transaction {_told(timedelta(seconds=limits.transaction))}",
            ),
            Limit(
                what="password hashes at a time",
                value=passwords.AT_ONCE,
                why="in threads: the costliest thing a stranger can ask for. Others wait, and recording does not",
            ),
            Limit(
                what="passphrases of links tried at a time",
                value=delivery_sending.AT_ONCE,
                why="each takes 19 MiB, and waits for others at its link; others wait, ten seconds at most (429)",
            ),
            Limit(what="characters of a password", value=passwords.MOST_CHARACTERS, why="refused, not cut"),
            Limit(
                what="months of a hold to its review",
                value=holds.MOST_MONTHS,
                why="refused; it can be extended when it was looked at again",
            ),
            Limit(what="letters that wait for the mail server", value=outbox.MOST_WAITING, why="alarm `mail-failed`"),
            Limit(
                what="recordings a second that a sweep destroys",
                value="`retention.sweep_at_most_per_second`",
                why="live calls do not notice",
            ),
        )
    )


# --- what is logged


def events_table() -> str:
    """Everything the service's own log may say, by level."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for call in _log_calls(ast.parse(path.read_text())):
            level = call.func.attr  # type: ignore[attr-defined]
            found.setdefault(level, set()).update(_texts(call.args[0]))
    lines = ["| level | actions |", "|---|---|"]
    for level in ("error", "warning", "info", "debug"):
        if names := found.get(level):
            lines.append(f"| {level} | {' '.join(f'`{name}`' for name in sorted(names))} |")
    return "\n".join(lines)


def audit_actions() -> str:
    return " ".join(f"`{action.value}`" for action in Action)


def _log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            named = node.func.value
            is_log = isinstance(named, ast.Name) and named.id == "log"
            if is_log and node.func.attr in ("debug", "info", "warning", "error"):
                yield node


def _texts(node: ast.expr) -> set[str]:
    """The words of an expression that ends up as one of them."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return set()


# --- which data there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A level of protection. `tables`: what of the database is of it; `sealed`: columns that only hold ciphertext."""

    name: str
    what: str
    rules: str
    tables: frozenset[str] = frozenset()
    sealed: frozenset[str] = frozenset()


CLASSES = (
    Class(
        name="voice",
        what="the audio, its waveform",
        rules="encrypted while the call goes on (AES-256-GCM, a key a recording under the key of its day), each chunk "
        "authenticated; read only by `recording:play` with a purpose, and each listening is on record before the first "
        "byte; destroyed with its key when its period is over; never in the database, in a log, a mail or a browser's "
        "cache",
        tables=frozenset({"recording"}),
        sealed=frozenset({"recording.wrapped_key"}),
    ),
    Class(
        name="of a caller",
        what="number and name of the caller, reasons of holds, notes, corrections, what was typed about a listening",
        rules="sealed in the database under the same keys as the audio, and gone with them; found by a keyed index, "
        "not by the number; shown to who may see the call; never in an address, a log or a mail",
        tables=frozenset({"call", "call_text", "hold", "correction"}),
        sealed=frozenset({"call.personal", "hold.reason", "call_text.sealed"}),
    ),
    Class(
        name="answers to persons",
        what="requests of persons with their history, certificates of refusal as they were given out",
        rules="sealed in the database under the hold key, and sealed anew when that is replaced; only added to: the "
        "database refuses any other change; beside them numbers, days, states, who did what, and of a number its keyed "
        "index; each reading is an entry",
        tables=frozenset(
            {"refusal_certificate", "refusal_certificate_body", "request_case", "request_step", "request_text"}
            | {"request_search", "request_match"}
        ),
        sealed=frozenset({"refusal_certificate_body.sealed", "request_text.sealed"}),
    ),
    Class(
        name="breaches",
        what="of which account or host, what it could reach and opened, by ids of recordings; the clock, who did what",
        rules="only added to: the database refuses any other change; no caller is in it; each reading is an entry; "
        "while a case is open the database keeps the audit log of its time, with names and addresses",
        tables=frozenset({"breach", "breach_recording", "breach_history"}),
        sealed=frozenset(),
    ),
    Class(
        name="secret of a person",
        what="passwords, authenticators' secrets, recovery codes, tokens of sessions, devices, invitations, machines",
        rules="passwords as Argon2id, random secrets as SHA-256, authenticators' secrets sealed under `login.key`; "
        "shown to nobody, once at most to their owner; in no log",
        tables=frozenset(
            {"credential", "recovery_code", "invitation", "session", "log_in", "known_device", "machine_token"}
            | {"new_authenticator"}
        ),
        sealed=frozenset({"credential.totp_secret", "invitation.totp_secret", "new_authenticator.totp_secret"}),
    ),
    Class(
        name="of staff",
        what="accounts, rights, who listened to what and why, which agent took a call, reports of use",
        rules="read by those who watch over use, by administrators (accounts and rights only) and by the person; ids "
        "in logs, never names",
        tables=frozenset(
            {"account", "right_held", "right_history", "unit_history", "notice_to_user", "listening", "saved_filter"}
            | {"approval", "own_number", "use_touch", "use_cursor", "use_report", "use_row", "use_sample", "flag_asked"}
            | {"recording_agent", "outbox", "throttle", "owner_history", "unit_wanted", "export_ask"}
            | {"delivery", "delivery_recording"}
        ),
    ),
    Class(
        name="evidence",
        what="the audit log, certificates, versions of the rules, what was destroyed and when, what left the house",
        rules="only added to, in a signed tree carried to places outside; names and typed texts beside it, which can "
        "be erased; read by `audit:read`, and reading is an entry",
        tables=frozenset(
            {"audit_pending", "audit_entry", "audit_personal", "audit_node", "audit_head", "audit_checkpoint"}
            | {"audit_anchor", "certificate", "policy", "destroyed_key", "disclosure", "disclosure_sent"}
            | {"notice_version", "imported"}
        ),
    ),
    Class(
        name="of the work",
        what="which holds and freezes keep what, which cases restrict what, exports, sweeps, ledger, orders done, "
        "hosts and what each does, versions of the database",
        rules="ids, days and states; no person but who did it",
        tables=frozenset(
            {"request_freeze", "keeping", "reminder", "sweep_run", "export", "migration"}
            | {"restriction", "restriction_of", "restriction_lifted"}
            | {"absence", "queue_activation", "command_done", "ledger_row", "ledger_day", "ledger_explanation"}
            | {"promise", "host", "lease", "public_key", "public_keyring", "ledger_pbx_day", "pbx_absence"}
            | {"remote_copy"}
        ),
    ),
    Class(
        name="keys of the service",
        what="root key, private halves, `login.key`, the log's key, secrets of AMI, dialplan, database and mail",
        rules="in files of mode 0600 or systemd credentials, apart from what they open; never in the configuration, "
        "the database, an argument, the environment or a log; replaced as operations.md says",
    ),
)


def classes_table() -> str:
    lines = ["| class | what | how it is protected | tables |", "|---|---|---|---|"]
    for one in CLASSES:
        tables = " ".join(f"`{name}`" for name in sorted(one.tables))
        lines.append(f"| **{one.name}** | {one.what} | {one.rules} | {tables} |")
    return "\n".join(lines)


# --- whom the service speaks to


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A connection the service makes, by the module that makes it."""

    module: str
    to: str
    settings: str
    how: str


SPOKEN = (
    Spoken(
        module="asterisk/ami_link.py",
        to="the PBX's manager interface",
        settings="`pbx.host`, `pbx.port`",
        how="a secret; beyond this host TLS with a checked certificate. Away: tried again, recording goes on",
    ),
    Spoken(
        module="storage/db.py",
        to="PostgreSQL",
        settings="`database.dsn`, or its own over a socket in `storage.state`",
        how="beyond this host TLS with `verify-full`. Away: the page says 503, recording goes on",
    ),
    Spoken(
        module="storage/servers.py",
        to="PostgreSQL, of several servers the one that takes writes",
        settings="`database.dsn` with several hosts",
        how="the same; one that was promoted is found, and an old primary refused",
    ),
    Spoken(
        module="services/smtp.py",
        to="the mail server",
        settings="`mail.host`, `mail.port`",
        how="beyond this host TLS with a checked certificate. Away: letters wait for three days",
    ),
    Spoken(
        module="services/anchors.py",
        to="a syslog",
        settings="`audit.anchor_syslog`",
        how="beyond this host TLS with a checked certificate. Away: alarm, sent again",
    ),
    Spoken(
        module="services/receivers.py",
        to="whoever hears of alarms",
        settings="`alarms.webhook`",
        how="beyond this host TLS with a checked certificate; a redirect is not followed. Away: kept and sent again",
    ),
    Spoken(
        module="services/published.py",
        to="the site that publishes the privacy notice",
        settings="`notice.published`",
        how="TLS with a checked certificate; nothing but the page is asked for, and a redirect to another host is not "
        "followed. Away: the notice's check says so",
    ),
    Spoken(
        module="systemd.py",
        to="the systemd that started it",
        settings="its socket, in the environment it gives",
        how="on this host: ready, alive, stopping. Away: nothing",
    ),
    Spoken(
        module="services/control.py",
        to="the running service, from its command line",
        settings="a socket in `storage.state`",
        how="the same user only, by the kernel's word",
    ),
)


def spoken_table() -> str:
    lines = ["| to whom | named by | how, and when it is away |", "|---|---|---|"]
    lines += [f"| {one.to} | {one.settings} | {one.how} |" for one in SPOKEN]
    return "\n".join(lines)
