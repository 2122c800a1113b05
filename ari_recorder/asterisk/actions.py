"""What we say to AMI: the headers of each action, and what an answer holds. Events: messages.py. Nothing here sends.

Every action takes a channel's Uniqueid as well as its name in `Channel` (channel.c looks for the name first, then
for the Uniqueid); names change in transfers, a Uniqueid does not.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from ari_recorder.asterisk.frames import Headers
from ari_recorder.domain.errors import AmiValueRefused

# Channel variables of the shipped dialplan, asked for at every resync.
EVIDENCE, ARMED, MIXMONITOR = "ARI_RECORDER_EVIDENCE", "ARI_RECORDER_ARMED", "ARI_RECORDER_MIXMONITOR"
QUEUE, CODES = "ARI_RECORDER_QUEUE", "ARI_RECORDER_CODES"

# A comma in a file name would begin the options and the command that a shell runs (app_mixmonitor.c).
_PATH = re.compile(r"/[A-Za-z0-9_/.-]+")
_MIXMONITOR_ID = re.compile(r"[A-Za-z0-9]{1,40}")
_VARIABLE = re.compile(r"[A-Za-z0-9_]{1,80}")
_EPOCH = re.compile(r"[0-9]{1,12}")

# How CoreStatus writes a date and a time (manager.c, action_corestatus). No zone: it is local to the PBX.
_LOCAL_TIME = "%Y-%m-%d %H:%M:%S"
# No zone is further from UTC: Kiribati is 14 h before it, nobody more than 12 h behind.
_ZONE_MOST = timedelta(hours=14)

# The event that is a row of the answer to Status.
STATUS_ROW = "Status"

# manager.c, process_message: the answer to every action, the log-in too, once Asterisk has begun to stop.
SHUTTING_DOWN = "shutting down"


def login(username: str, secret: str) -> Headers:
    return {"Action": "Login", "Username": username, "Secret": secret, "Events": "on"}


def ping() -> Headers:
    return {"Action": "Ping"}


def core_status() -> Headers:
    return {"Action": "CoreStatus"}


def core_settings() -> Headers:
    return {"Action": "CoreSettings"}


def list_commands() -> Headers:
    return {"Action": "ListCommands"}


def show_dialplan() -> Headers:
    return {"Action": "ShowDialPlan"}


def queue_status() -> Headers:
    return {"Action": "QueueStatus"}


def status_of_all() -> Headers:
    return {"Action": "Status", "Variables": f"{QUEUE},{EVIDENCE},{ARMED},{MIXMONITOR},{CODES}"}


def start_mixmonitor(channel: str, caller_path: str, agent_path: str) -> Headers:
    """b: only while bridged; r, t: from and to the channel; i: where the id is kept. No File, and never a Command."""
    for side, path in (("caller", caller_path), ("agent", agent_path)):
        if not _PATH.fullmatch(path) or "/../" in path:
            _refuse("MixMonitor", f"Options ({side})", "a path holds only A-Z a-z 0-9 _ / . - and begins with /")
    options = f"bi({MIXMONITOR})r({caller_path})t({agent_path})"
    return {"Action": "MixMonitor", "Channel": channel, "Options": options}


def stop_mixmonitor(channel: str, mixmonitor_id: str) -> Headers:
    """Always with the id: without one Asterisk stops the newest MixMonitor of the channel, whoever started it."""
    return {
        "Action": "StopMixMonitor",
        "Channel": channel,
        "MixMonitorID": _checked_id("StopMixMonitor", mixmonitor_id),
    }


def mute_mixmonitor(channel: str, mixmonitor_id: str, muted: bool) -> Headers:
    return {
        "Action": "MixMonitorMute",
        "Channel": channel,
        "MixMonitorID": _checked_id("MixMonitorMute", mixmonitor_id),
        "Direction": "both",
        "State": "1" if muted else "0",
    }


def set_global(name: str, value: str) -> Headers:
    """Without Channel a variable is global. No functions: their names have brackets."""
    if not _VARIABLE.fullmatch(name):
        _refuse("Setvar", "Variable", "the name of a global holds only A-Z a-z 0-9 _")
    return {"Action": "Setvar", "Variable": name, "Value": value}


def epoch_of(local: datetime) -> Headers:
    """Which moment a local time of the PBX is, in its own zone. Of an hour that comes twice it takes the first."""
    return {"Action": "Getvar", "Variable": f"STRPTIME({local:{_LOCAL_TIME}},,{_LOCAL_TIME})"}


def get_variable(channel: str, name: str) -> Headers:
    return {"Action": "Getvar", "Channel": channel, "Variable": name}


def _checked_id(action: str, mixmonitor_id: str) -> str:
    if not _MIXMONITOR_ID.fullmatch(mixmonitor_id):
        _refuse(action, "MixMonitorID", "it is not an id")
    return mixmonitor_id


def _refuse(action: str, header: str, because: str) -> NoReturn:
    raise AmiValueRefused(action=action, header=header, because=because)


# --- answers. KeyError or ValueError: the answer does not hold what it should.


def mixmonitor_id_in(answer: Headers) -> str:
    mixmonitor_id = answer["MixMonitorID"]
    if not _MIXMONITOR_ID.fullmatch(mixmonitor_id):
        raise ValueError("MixMonitorID is not an id")
    return mixmonitor_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSettings:
    version: str
    system_name: str


def settings_in(answer: Headers) -> CoreSettings:
    return CoreSettings(version=answer["AsteriskVersion"], system_name=answer["SystemName"])


def local_start_in(answer: Headers) -> datetime:
    """When the PBX was started, in its local time, whose zone it does not tell (naive)."""
    return datetime.strptime(f"{answer['CoreStartupDate']} {answer['CoreStartupTime']}", _LOCAL_TIME)  # noqa: DTZ007


def moment_in(answer: Headers, local: datetime) -> datetime:
    """The answer to epoch_of(local)."""
    if not _EPOCH.fullmatch(answer["Value"]):
        raise ValueError("Value is not an epoch")
    moment = datetime.fromtimestamp(int(answer["Value"]), UTC)
    if abs(moment - local.replace(tzinfo=UTC)) > _ZONE_MOST:
        raise ValueError("no zone is so far from UTC")
    return moment


def earliest(local: datetime) -> datetime:
    """The first moment at which it was this local time anywhere."""
    return local.replace(tzinfo=UTC) - _ZONE_MOST


def actions_in(answer: Headers) -> frozenset[str]:
    """The names of the actions that ListCommands shows: Asterisk lists those that the user may send."""
    return frozenset(name for name, text in answer.items() if "(Priv: " in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialplanLine:
    context: str
    extension: str
    application: str
    data: str


def dialplan_line_in(row: Headers) -> DialplanLine | None:
    """A priority of an extension; None for an include, a switch and their like."""
    if "Application" not in row or "Extension" not in row:
        return None
    return DialplanLine(
        context=row.get("Context", ""),
        extension=row["Extension"],
        application=row["Application"],
        data=row.get("AppData", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DialplanInclude:
    """`include => included` in a context: what is not found in the one is looked for in the other."""

    context: str
    included: str


def dialplan_include_in(row: Headers) -> DialplanInclude | None:
    """Its times, behind a comma, are not looked at."""
    if "IncludeContext" not in row or "Context" not in row:
        return None
    return DialplanInclude(context=row["Context"], included=row["IncludeContext"].partition(",")[0].strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialplan:
    lines: tuple[DialplanLine, ...]
    includes: tuple[DialplanInclude, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMember:
    """`interface`: what is rung; `state_interface`: the phone behind it, as a Local channel hides it."""

    queue: str
    interface: str
    state_interface: str


def queue_member_in(row: Headers) -> QueueMember | None:
    """None for the other rows of QueueStatus."""
    if row.get("Event") != "QueueMember":
        return None
    interface = row["Location"]
    return QueueMember(
        queue=row["Queue"], interface=interface, state_interface=row.get("StateInterface", "") or interface
    )


def is_error(answer: Headers) -> bool:
    return answer.get("Response") == "Error"


def reason_in(answer: Headers) -> str:
    """Asterisk's own words for a refusal, made fit for a log line."""
    text = answer.get("Message", "no reason given")
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def rows_follow(answer: Headers) -> bool:
    return answer.get("EventList") == "start"


def rows_end(event: Headers) -> bool:
    return event.get("EventList") in ("Complete", "cancelled")


def rows_promised(event: Headers) -> str:
    return event.get("ListItems", "")


def is_asterisks_own(message: Headers) -> bool:
    """Answers and ends of lists have the ActionID second (manager.c, astman_start_ack). A caller's text cannot: nobody
    outside knows our ids, and in a row of Status the id is last."""
    return list(message)[1:2] == ["ActionID"]
