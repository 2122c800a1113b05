"""The part of `check` that reads the loaded dialplan for what goes past this service: ways into a recorded queue on
which the caller is told nothing, and whatever would stop a recording, double it, or give callers the agents' codes.

A variable in a line is not followed: what it holds is decided in each call.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from ari_recorder.asterisk.actions import DialplanLine
from ari_recorder.asterisk.dialplan import assigned, options_of, unwrapped
from ari_recorder.services.findings import Area, Finding, fail, warn

# Our own contexts (asterisk_conf/extensions_ari_recorder.conf): there all of this is done on purpose.
OURS = "ari-recorder-"
QUEUE_OPTIONS, DIAL_OPTIONS = 1, 2  # where the options stand among the arguments
# x, X: MixMonitor by a key; w, W: Monitor. A toggle: pressed once, it stops a recording that it did not start.
ONE_TOUCH = frozenset("xXwW")
# The key that hangs up is the first of every code (unless features.conf says another).
HANGS_UP = frozenset("hH")
RECORDERS = {"mixmonitor": "MixMonitor", "monitor": "Monitor"}
STOPPERS = {"stopmixmonitor": "StopMixMonitor", "stopmonitor": "StopMonitor", "pausemonitor": "PauseMonitor"}


def judge_paths(lines: Iterable[DialplanLine], queues: Collection[str]) -> Iterator[Finding]:
    """`queues`: those that are recorded. Nothing is found where ari-recorder-enter alone leads to them."""
    for line in lines:
        if not line.context.startswith(OURS):
            for application, data in unwrapped(line.application, line.data):
                yield from _judge(application, data, place_of(line), queues)


def place_of(line: DialplanLine) -> str:
    return f"{line.extension} in the context {line.context}"


def past_the_announcement(lines: Iterable[DialplanLine]) -> Iterator[tuple[str, str]]:
    """Queues that Queue() leads to without ari-recorder-enter, each with where that is."""
    for line in lines:
        if not line.context.startswith(OURS):
            for application, data in unwrapped(line.application, line.data):
                if application == "queue":
                    yield data.partition(",")[0].strip(), place_of(line)


def _judge(application: str, data: str, where: str, queues: Collection[str]) -> Iterator[Finding]:
    if application == "queue":
        yield from _queue(data, where, queues)
    elif application == "dial" and (keys := options_of(data, DIAL_OPTIONS) & ONE_TOUCH):
        yield _one_touch(where, "Dial", keys)
    elif application in RECORDERS:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {RECORDERS[application]}() makes a recording of its own, which nobody seals or destroys",
            "Take it out for numbers that lead to recorded queues; this service records those",
        )
    elif application in STOPPERS:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {STOPPERS[application]}() may stop this service's recording",
            "Give it the MixMonitorID of the recording it means, or take it out",
        )
    for name, value in assigned(application, data):
        yield from _set(name, value, where)


def _set(name: str, value: str, where: str) -> Iterator[Finding]:
    if name.lstrip("_") == "DYNAMIC_FEATURES" and re.search(r"\bari-recorder\b", value):
        passed_on = name.startswith("_")
        yield warn(
            Area.DIALPLAN,
            f"{where}: a caller who passes here has the agents' codes, and can mark or stop the recording"
            + (f"; {name} gives them to whoever is called from there, too" if passed_on else ""),
            "Grant them by set_var of the agents' endpoints only (pjsip_ari_recorder.conf)",
        )
    elif re.fullmatch(r"FEATUREMAP\((automixmon|automon)\)", name, re.IGNORECASE) and value:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {name} gives the keys {value} to one-touch recording, which is a switch: pressed, it stops the "
            "recording of the call",
            "Take the line out",
        )


def _queue(data: str, where: str, queues: Collection[str]) -> Iterator[Finding]:
    name = data.partition(",")[0].strip()
    if name in queues:
        yield fail(
            Area.DIALPLAN,
            f"{where} leads into the queue {name} without the announcement: its calls are not recorded",
            f"Instead of Queue(): Gosub(ari-recorder-enter,s,1({name},fi-sv,<number called>))",
        )
    elif "$" in name:
        yield warn(
            Area.DIALPLAN,
            f"{where} leads into whatever queue {name} names: in a recorded one the caller hears no announcement, and "
            "is not recorded",
            "Lead to recorded queues by Gosub(ari-recorder-enter,…)",
        )
    else:
        return  # a queue that is not recorded has its options as it likes
    options = options_of(data, QUEUE_OPTIONS)
    if keys := options & ONE_TOUCH:
        yield _one_touch(where, "Queue", keys)
    if keys := options & HANGS_UP:
        yield warn(
            Area.DIALPLAN,
            f"{where}: with the option {_listed(keys)} the first key of an agent's code may hang up",
            f"Take {_listed(keys)} out of the options of Queue()",
        )


def _one_touch(where: str, application: str, keys: Collection[str]) -> Finding:
    return warn(
        Area.DIALPLAN,
        f"{where}: the option {_listed(keys)} of {application}() lets a key stop the recording of the call",
        f"Take {_listed(keys)} out of the options of {application}()",
    )


def _listed(keys: Collection[str]) -> str:
    return ", ".join(sorted(keys))
