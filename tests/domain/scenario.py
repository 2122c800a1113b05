"""Runs the event tables of tests/scenarios/ through the switchboard, with a shell that carries out every command well.

A table is lines `seconds  Event  who  key=value …`; after `--` come the expectations:

    commands  names of the commands in order (Alarm as Alarm:code)
    ledger    state and reason of each call
    marks     kind@offset in seconds, in order
    sealed    length in seconds of each sealed recording
    silent    from-to in seconds, what is silenced of them before

A line `silent NAME …` before the events names commands whose outcome the shell never hears.
`who` is a role: it gives the channel its name and Uniqueid. Lines that begin with # are comments.
The simulated MixMonitor writes while the caller's channel is in a bridge, as option b does.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from ari_recorder.domain import commands as c
from ari_recorder.domain import events as e
from ari_recorder.domain.calls import Call, Policy
from ari_recorder.domain.evidence import Sound, token
from ari_recorder.domain.ledger import judge
from ari_recorder.domain.silence import Span, silent_spans
from ari_recorder.domain.switchboard import Switchboard

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SECRET = "insecure secret"
QUEUES = frozenset({"neuvonta", "sosiaali"})
POLICY = Policy(
    queues=QUEUES,
    sounds={
        e.Language.FI: Sound(language=e.Language.FI, sha256="f1" * 32, duration=timedelta(seconds=3)),
        e.Language.SV: Sound(language=e.Language.SV, sha256="5e" * 32, duration=timedelta(seconds=3)),
    },
    outside=("PJSIP/operator-",),
)
CHANNELS = {
    "caller": "PJSIP/operator-00000001",
    "caller2": "PJSIP/operator-00000002",
    "agent": "PJSIP/1001-00000003",
    "agent2": "PJSIP/1002-00000004",
    "colleague": "PJSIP/1003-00000005",
    "consult": "PJSIP/1001-00000006",
    "trunk": "PJSIP/operator-00000007",
    "half1": "Local/1004@members-00000008;1",
    "half2": "Local/1004@members-00000008;2",
    "mobile": "PJSIP/operator-00000009",
}


def uniqueid(role: str) -> e.Uniqueid:
    return e.Uniqueid(f"pbx-1764000000.{list(CHANNELS).index(role) + 1}")


@dataclass
class Bench:
    """The switchboard and a shell: `silent` names commands of which the shell never hears the outcome."""

    policy: Policy = POLICY
    silent: frozenset[type] = frozenset()
    done: list[tuple[timedelta, c.Command]] = field(default_factory=list)
    timers: list[tuple[datetime, e.Event]] = field(default_factory=list)
    lengths: dict[UUID, timedelta] = field(default_factory=dict)
    silenced: dict[UUID, tuple[Span, ...]] = field(default_factory=dict)
    stored: dict[UUID, Call] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = (UUID(int=n) for n in itertools.count(1))
        self.board = Switchboard(policy=self.policy, secret=SECRET, system_name="pbx", new_id=lambda: next(self.ids))

    def feed(self, event: e.Event) -> None:
        if isinstance(event, e.RecordingEvent):  # `recording=2` is the second one of the table
            recordings = [r for call in self.calls.values() for r in call.recordings]
            event = replace(event, recording_id=recordings[event.recording_id.int - 1].id)
        for at, timer in sorted(self.timers, key=lambda t: t[0]):
            if at <= event.at:
                self.timers.remove((at, timer))
                self._feed(timer)
        self._feed(event)

    def settle(self, at: datetime) -> None:
        """Let every timer run out."""
        while self.timers:
            due, timer = min(self.timers, key=lambda t: t[0])
            self.timers.remove((due, timer))
            self._feed(timer)

    def _feed(self, event: e.Event) -> None:
        waiting = [event]
        while waiting:
            now = waiting.pop(0)
            for change in self.board.feed(now):
                if change.call is not None:
                    self.calls[change.call.uniqueid] = change.call
                for command in change.commands:
                    self.done.append((now.at - START, command))
                    waiting += list(self._carry_out(command, now.at, change.call))

    def _carry_out(self, command: c.Command, at: datetime, call: Call | None) -> Iterator[e.Event]:
        if type(command) in self.silent:
            return
        match command:
            case c.StartMixMonitor():
                yield e.MixMonitorAccepted(at=at, recording_id=command.recording_id, mixmonitor_id="0x1")
            case c.WatchGrowth():
                yield e.FilesGrew(at=at, recording_id=command.recording_id)
            case c.AwaitClosed():
                yield e.FilesClosed(at=at, recording_id=command.recording_id)
            case c.ResumeLater():
                due = at + command.after
                self.timers.append((due, e.ResumeDue(at=due, recording_id=command.recording_id)))
            case c.CheckLater():
                due = at + command.after
                self.timers.append((due, e.CheckDue(at=due, recording_id=command.recording_id)))
            case c.SealRecording():
                assert call is not None
                recording = next(r for r in call.recordings if r.id == command.recording_id)
                end = recording.ended_at or at
                length = call.clock(end) - recording.clock_at_start
                if length < timedelta(seconds=0.02):  # not one frame
                    yield e.SealFailed(at=at, recording_id=recording.id, because="no samples", final=True)
                    return
                facts = sealed_facts(length)
                self.lengths[recording.id] = length
                self.silenced[recording.id] = silent_spans(call, recording, length, self.policy.resume_guard)
                yield e.Sealed(at=at, recording_id=command.recording_id, facts=facts)
            case c.DestroyRecording():
                self.lengths.pop(command.recording_id, None)
                self.silenced.pop(command.recording_id, None)
                yield e.Destroyed(at=at, recording_id=command.recording_id)
            case c.StoreCall():
                assert call is not None
                self.stored[call.id] = call
            case _:
                return


def event(line: str) -> e.Event:
    """One line of a table as an event."""
    seconds, name, *rest = line.split()
    at = START + timedelta(seconds=float(seconds))
    values = dict(word.split("=", 1) for word in rest if "=" in word)
    who = next((word for word in rest if "=" not in word), "caller")
    channel = {"uniqueid": uniqueid(who), "linkedid": uniqueid("caller"), "channel": CHANNELS[who]}
    recording_id = {"recording_id": UUID(int=int(values.get("recording", "0")))}
    party = e.Party(num="0401234567", name="Maija Meikäläinen")
    extra: dict[str, Any]
    match name:
        case "Announcing" | "AnnouncementFailed":
            extra = {**channel, "number": "0195202000", "languages": _languages(values)}
        case "Announced":
            extra = {
                **channel,
                "number": "0195202000",
                "languages": _languages(values),
                "started": START + timedelta(seconds=float(values.get("started", "0"))),
                "done": START + timedelta(seconds=float(values.get("done", "3"))),
            }
        case "Armed":
            extra = {**channel, "base": values["base"], "mixmonitor_id": "0x9"}
        case "CodePressed":
            pressed = START + timedelta(seconds=float(values["pressed"])) if "pressed" in values else at
            named = {"missed": True, "caller": uniqueid(values["for"]), "channel": ""} if "for" in values else {}
            extra = {**channel, "code": e.Code(values["code"]), "pressed": pressed, **named}
            at = pressed if named else at
        case "QueueCallerJoin":
            extra = {**channel, "queue": values.get("queue", "neuvonta"), "caller": party}
        case "QueueCallerLeave":
            extra = {**channel, "queue": values.get("queue", "neuvonta")}
        case "QueueCallerAbandon":
            extra = {**channel, "queue": values.get("queue", "neuvonta"), "hold_time": timedelta(seconds=5)}
        case "AgentConnect":
            member = values.get("member", "agent")
            extra = {
                **channel,
                "queue": values.get("queue", "neuvonta"),
                "member_uniqueid": uniqueid(member),
                "member_channel": CHANNELS[member],
                "interface": CHANNELS[member].rpartition("-")[0],
                "member_name": member,
                "hold_time": timedelta(seconds=2),
                "ring_time": timedelta(seconds=1),
            }
        case "AgentComplete":
            member = values.get("member", "agent")
            extra = {
                **channel,
                "queue": values.get("queue", "neuvonta"),
                "member_uniqueid": uniqueid(member),
                "interface": CHANNELS[member].rpartition("-")[0],
                "hold_time": timedelta(seconds=2),
                "talk_time": timedelta(seconds=float(values.get("talk", "10"))),
                "reason": values.get("reason", "caller"),
            }
        case "AgentRingNoAnswer":
            extra = {**channel, "queue": "neuvonta", "interface": "PJSIP/1001"}
        case "MixMonitorMute":
            extra = {**channel, "muted": values["muted"] == "yes"}
        case "BridgeEnter" | "BridgeLeave":
            extra = {**channel, "bridge": values["bridge"]}
        case "BlindTransfer":
            extra = {
                "transferer_uniqueid": uniqueid(values.get("by", "agent")),
                "transferee_uniqueid": uniqueid(who),
                "exten": values["exten"],
                "context": "internal",
            }
        case "AttendedTransfer":
            extra = {
                "transferer_uniqueid": uniqueid("agent"),
                "second_transferer_uniqueid": uniqueid("consult"),
                "bridge": values["bridge"],
                "second_bridge": values["second"],
                "dest_type": "Bridge",
            }
        case "Hangup":
            extra = {**channel, "cause": 16}
        case "Forged":
            extra = {"uniqueid": uniqueid(who), "name": values["name"], "because": "the token is wrong"}
        case "Gap":
            extra = {"because": "disconnected"}
        case "ResyncBegan":
            started = START + timedelta(seconds=float(values.get("started", "-3600")))
            extra = {"pbx_started": started, "system_name": "pbx"}
        case "ChannelRow":
            extra = {
                **channel,
                "caller": party,
                "application": values.get("application", "Queue"),
                "bridge": values.get("bridge", ""),
                "queue": values.get("queue", "neuvonta"),
                "evidence": _evidence(who) if values.get("evidence", "yes") == "yes" else "",
                "armed": values.get("armed", ""),
                "mixmonitor_id": values.get("mixmonitor", ""),
                "codes": _codes(who, values.get("codes", "")),
            }
        case "CallRetold":  # the shortest there is: armed, answered, bridged from `since` on, over
            told = ("Announced", f"Armed {who} base={values['base']}", "QueueCallerJoin", "AgentConnect", "BridgeEnter")
            since = values.get("since", seconds)
            lines = (f"{since} {words if ' ' in words else f'{words} {who}'} bridge=net" for words in told)
            extra = {"uniqueid": uniqueid(who), "events": tuple(event(line) for line in lines)}
        case "MixMonitorAccepted":
            extra = {**recording_id, "mixmonitor_id": "0x1"}
        case "MixMonitorRefused":
            extra = {**recording_id, "because": "No such channel"}
        case "SealFailed":
            extra = {**recording_id, "because": "no samples", "final": True}
        case "Sealed":
            extra = {**recording_id, "facts": sealed_facts(timedelta(seconds=3))}
        case "FilesClosed" | "FilesMissing" | "FilesGrew" | "Destroyed":
            extra = recording_id
        case "ResyncDone":
            extra = {"complete": values.get("complete", "yes") == "yes"}
        case _:
            extra = channel
    made: e.Event = getattr(e, name)(at=at, **extra)
    return made


def sealed_facts(length: timedelta) -> e.SealedFacts:
    side = e.Side(duration=length, peak=0.5, rms=0.1, has_audio=True)
    return e.SealedFacts(
        path="x",
        key_name="fallback",
        wrapped_key="00",
        sha256="0" * 64,
        sealed_bytes=1,
        duration=length,
        caller=side,
        agent=side,
    )


def _languages(values: dict[str, str]) -> tuple[e.Language, ...]:
    return tuple(e.Language(word) for word in values.get("languages", "fi").split("-"))


def _evidence(who: str) -> str:
    milliseconds = int(START.timestamp() * 1000)
    plain = f"0195202000:fi:{milliseconds}:{milliseconds + 3000}"
    return f"{plain.replace(':', '_')}_{token(SECRET, f'announced:{uniqueid(who)}:{plain}')}"


def _codes(who: str, text: str) -> str:
    """`pause@6.5,resume@8` as the agent's channel keeps it."""
    kept = ""
    for word in filter(None, text.split(",")):
        code, _, seconds = word.partition("@")
        at = round((START.timestamp() + float(seconds)) * 1000)
        kept += f"{code}.{at}.{token(SECRET, f'code:{uniqueid(who)}:{code}:{at}')}_"
    return kept


def run(path: Path) -> tuple[Bench, dict[str, str]]:
    """The bench after the table, and the expectations of the table."""
    bench = Bench()
    expected: dict[str, str] = {}
    table, _, ending = path.read_text().partition("\n--\n")
    last = START
    for line in table.splitlines():
        if line.startswith("silent "):
            bench.silent = frozenset(getattr(c, name) for name in line.split()[1:])
        elif line.strip() and not line.startswith("#"):
            happened = event(line)
            last = happened.at
            bench.feed(happened)
    bench.settle(last)
    for line in ending.splitlines():
        if line.strip():
            key, _, value = line.partition(" ")
            expected[key] = " ".join(value.split())
    return bench, expected


def told(bench: Bench, queues: frozenset[str] = QUEUES) -> dict[str, str]:
    """What happened, in the words of the expectations."""
    names = [f"Alarm:{x.code}" if isinstance(x, c.Alarm) else type(x).__name__ for _, x in bench.done]
    calls = [bench.calls[k] for k in sorted(bench.calls)]
    verdicts = [judge(call, queues) for call in calls]
    marks = [f"{m.kind}@{_seconds(m.offset)}" for call in calls for m in call.marks]
    silent = [f"{_seconds(a)}-{_seconds(b)}" for spans in bench.silenced.values() for a, b in spans]
    lengths = [_seconds(x) for x in bench.lengths.values()]
    return {
        "commands": " ".join(names),
        "ledger": " ".join(f"{v.state}:{v.reason}" if v.reason else v.state for v in verdicts),
        "marks": " ".join(marks),
        "sealed": " ".join(lengths),
        "silent": " ".join(silent),
    }


def _seconds(time: timedelta) -> str:
    return f"{round(time.total_seconds(), 3):g}"
