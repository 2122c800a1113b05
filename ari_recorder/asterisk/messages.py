"""What AMI says: headers of events and of snapshot rows become the domain's events. Actions and answers: actions.py.

The only place where names of event headers are written. Nothing here waits, and nothing here raises: a header that is
missing or cannot be right makes the event `Forged`, which is told, and nothing else is done about it.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ari_recorder.asterisk.actions import ARMED, CODES, EVIDENCE, MIXMONITOR, QUEUE
from ari_recorder.asterisk.frames import Headers
from ari_recorder.domain import events
from ari_recorder.domain.events import Code, Event, Forged, Language, Party, Uniqueid
from ari_recorder.domain.evidence import authentic, languages_of, time_of

# 150 bytes are AST_MAX_UNIQUEID; system name, a dash and the time are printable and have no space.
_UNIQUEID = re.compile(r"[!-~]{1,150}")
_NUMBER = re.compile(r"\+?[0-9]{0,20}")
_MILLISECONDS = re.compile(r"[0-9]{13}")
_NAME = re.compile(r"[A-Za-z]{1,80}")

# What Asterisk writes for a number or name it does not know (callerid.c), and for a variable not set (manager.c).
_UNKNOWN, _NULL = "<unknown>", "(null)"

_OURS = "AriRecorder"


class _Fault(ValueError):
    """A reason in our own words."""


def _uniqueid(headers: Headers, prefix: str = "") -> Uniqueid:
    text = headers[f"{prefix}Uniqueid"]
    if not _UNIQUEID.fullmatch(text):
        raise _Fault("its Uniqueid is none")
    return Uniqueid(text)


def _party(headers: Headers) -> Party:
    num, name = headers["CallerIDNum"], headers["CallerIDName"]
    return Party(num="" if num == _UNKNOWN else num, name="" if name == _UNKNOWN else name)


def _switch(headers: Headers, name: str) -> bool:
    if headers[name] not in ("0", "1"):
        raise _Fault(f"{name} is neither 0 nor 1")
    return headers[name] == "1"


def _seconds(headers: Headers, name: str) -> timedelta:
    return timedelta(seconds=int(headers[name]))


# --- events that are one AMI event each


def _queue_caller_join(h: Headers, at: datetime) -> Event:
    return events.QueueCallerJoin(
        at=at, uniqueid=_uniqueid(h), linkedid=h["Linkedid"], channel=h["Channel"], queue=h["Queue"], caller=_party(h)
    )


def _queue_caller_leave(h: Headers, at: datetime) -> Event:
    return events.QueueCallerLeave(
        at=at, uniqueid=_uniqueid(h), linkedid=h["Linkedid"], channel=h["Channel"], queue=h["Queue"]
    )


def _queue_caller_abandon(h: Headers, at: datetime) -> Event:
    return events.QueueCallerAbandon(
        at=at,
        uniqueid=_uniqueid(h),
        linkedid=h["Linkedid"],
        channel=h["Channel"],
        queue=h["Queue"],
        hold_time=_seconds(h, "HoldTime"),
    )


def _agent_connect(h: Headers, at: datetime) -> Event:
    return events.AgentConnect(
        at=at,
        uniqueid=_uniqueid(h),
        linkedid=h["Linkedid"],
        channel=h["Channel"],
        queue=h["Queue"],
        member_uniqueid=_uniqueid(h, "Dest"),
        member_channel=h["DestChannel"],
        interface=h["Interface"],
        member_name=h["MemberName"],
        hold_time=_seconds(h, "HoldTime"),
        ring_time=_seconds(h, "RingTime"),
    )


def _agent_complete(h: Headers, at: datetime) -> Event | None:
    # Who went away first (a caller in an attended transfer, an agent who hangs up in the same moment) is not in it:
    # Asterisk has no snapshot of that channel any more. queue_log tells it all the same.
    if "Uniqueid" not in h or "DestUniqueid" not in h:
        return None
    return events.AgentComplete(
        at=at,
        uniqueid=_uniqueid(h),
        linkedid=h["Linkedid"],
        channel=h["Channel"],
        queue=h["Queue"],
        member_uniqueid=_uniqueid(h, "Dest"),
        interface=h["Interface"],
        hold_time=_seconds(h, "HoldTime"),
        talk_time=_seconds(h, "TalkTime"),
        reason=h["Reason"].lower(),
    )


def _agent_ring_no_answer(h: Headers, at: datetime) -> Event:
    return events.AgentRingNoAnswer(
        at=at,
        uniqueid=_uniqueid(h),
        linkedid=h["Linkedid"],
        channel=h["Channel"],
        queue=h["Queue"],
        interface=h["Interface"],
    )


def _of_channel(kind: type[events.ChannelEvent]) -> Callable[[Headers, datetime], Event]:
    """A reader for an event that says nothing but which channel it is about."""

    def read(h: Headers, at: datetime) -> Event:
        return kind(at=at, uniqueid=_uniqueid(h), linkedid=h["Linkedid"], channel=h["Channel"])

    return read


def _mixmonitor_mute(h: Headers, at: datetime) -> Event:
    return events.MixMonitorMute(
        at=at,
        uniqueid=_uniqueid(h),
        linkedid=h["Linkedid"],
        channel=h["Channel"],
        muted=_switch(h, "State"),
    )


def _bridge(kind: type[events.BridgeEnter] | type[events.BridgeLeave]) -> Callable[[Headers, datetime], Event]:
    def read(h: Headers, at: datetime) -> Event:
        return kind(
            at=at, uniqueid=_uniqueid(h), linkedid=h["Linkedid"], channel=h["Channel"], bridge=h["BridgeUniqueid"]
        )

    return read


def _blind_transfer(h: Headers, at: datetime) -> Event | None:
    if h["Result"] != "Success":
        return None  # the parties stay where they were
    return events.BlindTransfer(
        at=at,
        transferer_uniqueid=_uniqueid(h, "Transferer"),
        # A bridge of more than two has no single transferee (stasis_bridges.c).
        transferee_uniqueid=_uniqueid(h, "Transferee") if "TransfereeUniqueid" in h else Uniqueid(""),
        exten=h["Extension"],
        context=h["Context"],
    )


def _attended_transfer(h: Headers, at: datetime) -> Event | None:
    if h["Result"] != "Success":
        return None
    return events.AttendedTransfer(
        at=at,
        transferer_uniqueid=_uniqueid(h, "OrigTransferer"),
        second_transferer_uniqueid=_uniqueid(h, "SecondTransferer"),
        bridge=h.get("OrigBridgeUniqueid", ""),
        second_bridge=h.get("SecondBridgeUniqueid", ""),
        dest_type=h["DestType"],
    )


def _hangup(h: Headers, at: datetime) -> Event:
    return events.Hangup(
        at=at, uniqueid=_uniqueid(h), linkedid=h["Linkedid"], channel=h["Channel"], cause=int(h["Cause"])
    )


_READERS: dict[str, Callable[[Headers, datetime], Event | None]] = {
    "QueueCallerJoin": _queue_caller_join,
    "QueueCallerLeave": _queue_caller_leave,
    "QueueCallerAbandon": _queue_caller_abandon,
    "AgentConnect": _agent_connect,
    "AgentComplete": _agent_complete,
    "AgentRingNoAnswer": _agent_ring_no_answer,
    "MixMonitorStart": _of_channel(events.MixMonitorStart),
    "MixMonitorStop": _of_channel(events.MixMonitorStop),
    "MixMonitorMute": _mixmonitor_mute,
    "BlindTransfer": _blind_transfer,
    "AttendedTransfer": _attended_transfer,
    "BridgeEnter": _bridge(events.BridgeEnter),
    "BridgeLeave": _bridge(events.BridgeLeave),
    "Hold": _of_channel(events.Hold),
    "Unhold": _of_channel(events.Unhold),
    "Hangup": _hangup,
}

FULLY_BOOTED, SHUTDOWN, USER_EVENT = "FullyBooted", "Shutdown", "UserEvent"

# The events of the manager user's allow-list (asterisk_conf/manager_ari_recorder.conf). Any other is skipped unread.
WANTED = frozenset({*_READERS, FULLY_BOOTED, SHUTDOWN, USER_EVENT})


class Reader:
    """Makes domain events of headers. Holds the secret that the dialplan's reports are authenticated with."""

    def __init__(self, token_secret: str) -> None:
        self._secret = token_secret

    def read(self, h: Headers) -> Event | None:
        """The event, `Forged` when it cannot be right, or None when it says nothing to us. Never raises."""
        try:
            timestamp = h.get("Timestamp")
            at = datetime.now(UTC) if timestamp is None else datetime.fromtimestamp(float(timestamp), UTC)
            name = h["Event"]
            if name == USER_EVENT:
                return self._report(h, at)
            if name not in _READERS:
                return None
            return _READERS[name](h, at)
        except KeyError as fault:
            return forged(h, f"{fault.args[0]} is missing")
        except ValueError as fault:
            return forged(h, _plain(fault))
        except (OverflowError, OSError):
            return forged(h, "a number is out of all measure")

    def row(self, h: Headers) -> Event:
        """One channel of the answer to `status`, or `Forged`."""
        try:
            return events.ChannelRow(
                at=datetime.now(UTC),
                uniqueid=_uniqueid(h),
                linkedid=h["Linkedid"],
                channel=h["Channel"],
                caller=_party(h),
                application=h["Application"],
                bridge=h["BridgeID"],
                queue=_queue_of(h),
                evidence=_variable(h, EVIDENCE),
                armed=_variable(h, ARMED),
                mixmonitor_id=_variable(h, MIXMONITOR),
                codes=_variable(h, CODES),
            )
        except KeyError as fault:
            return forged(h, f"{fault.args[0]} is missing")
        except ValueError as fault:
            return forged(h, _plain(fault))

    def _report(self, h: Headers, at: datetime) -> Event | None:
        """A UserEvent of our dialplan; a UserEvent of somebody else says nothing to us."""
        name = h["UserEvent"]
        if not name.startswith(_OURS):
            return None
        uniqueid, linkedid, channel = _uniqueid(h), h["Linkedid"], h["Channel"]
        match name:
            case "AriRecorderAnnouncing":
                number, languages = self._number_and_languages(h)
                self._check(h, f"announcing:{uniqueid}:{number}:{h['Languages']}")
                return events.Announcing(
                    at=at, uniqueid=uniqueid, linkedid=linkedid, channel=channel, number=number, languages=languages
                )
            case "AriRecorderAnnounced":
                number, languages = self._number_and_languages(h)
                started, done = _moment(h, "Started"), _moment(h, "Done")
                self._check(h, f"announced:{uniqueid}:{number}:{h['Languages']}:{h['Started']}:{h['Done']}")
                return events.Announced(
                    at=at,
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    channel=channel,
                    number=number,
                    languages=languages,
                    started=started,
                    done=done,
                )
            case "AriRecorderAnnouncementFailed":
                # It failed, perhaps because the languages are wrong: those that are known are told.
                self._check(h, f"announcement-failed:{uniqueid}:{h['Number']}:{h['Languages']}")
                return events.AnnouncementFailed(
                    at=at,
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    channel=channel,
                    number=h["Number"],
                    languages=languages_of(h["Languages"]) or (),
                )
            case "AriRecorderArmed":
                self._check(h, f"armed:{uniqueid}:{h['Base']}:{h['MixMonitorID']}")
                return events.Armed(
                    at=at,
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    channel=channel,
                    base=h["Base"],
                    mixmonitor_id=h["MixMonitorID"],
                )
            case "AriRecorderCode":
                self._check(h, f"code:{uniqueid}:{h['Code']}:{h['At']}")
                return events.CodePressed(
                    at=at,
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    channel=channel,
                    code=Code(h["Code"]),
                    pressed=_moment(h, "At"),
                )
            case _:
                raise _Fault("a report of this name does not exist")

    def _check(self, h: Headers, message: str) -> None:
        if not authentic(self._secret, message, h["Token"]):
            raise _Fault("its token is not the dialplan's")

    def _number_and_languages(self, h: Headers) -> tuple[str, tuple[Language, ...]]:
        number, languages = h["Number"], languages_of(h["Languages"])
        if not _NUMBER.fullmatch(number) or languages is None:
            raise _Fault("its number or languages are not such")
        return number, languages


def _plain(fault: ValueError) -> str:
    # The text of int() and of Code() quotes the value, which may be anybody's data.
    return str(fault) if isinstance(fault, _Fault) else "a header does not hold what it should"


def _moment(h: Headers, name: str) -> datetime:
    if not _MILLISECONDS.fullmatch(h[name]):
        raise _Fault(f"{name} is not a time in milliseconds")
    return time_of(h[name])


def _variable(h: Headers, name: str) -> str:
    value = h[f"Variable({name})"]
    return "" if value == _NULL else value


def _queue_of(h: Headers) -> str:
    """The queue the caller is in, as Queue() itself shows it; else the last one entered by our dialplan."""
    if h["Application"] == "Queue" and (queue := h.get("Data", "").partition(",")[0]):
        return queue
    return _variable(h, QUEUE)


def forged(h: Headers, because: str) -> Forged:
    """What is told of an event that is refused. Names and ids only as far as they are such."""
    name, uniqueid = h.get("Event", ""), h.get("Uniqueid", "")
    report = h.get("UserEvent", "")
    if name == USER_EVENT and _NAME.fullmatch(report) and report.startswith(_OURS):
        name = report
    return Forged(
        at=datetime.now(UTC),
        uniqueid=uniqueid if _UNIQUEID.fullmatch(uniqueid) else "",
        name=name if _NAME.fullmatch(name) else "",
        because=because,
    )
