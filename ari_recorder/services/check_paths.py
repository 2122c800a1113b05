"""The part of `check` that reads the loaded dialplan for what goes past this service: ways into a recorded queue on
which the caller is told nothing, and whatever would stop a recording, double it, or give callers the agents' codes.

A variable in a line is not followed: what it holds is decided in each call.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from ari_recorder.asterisk.actions import DialplanLine
from ari_recorder.services.findings import Area, Finding, fail, warn

# Our own contexts (asterisk_conf/extensions_ari_recorder.conf): there all of this is done on purpose.
OURS = "ari-recorder-"
QUEUE_OPTIONS, DIAL_OPTIONS = 1, 2  # where the options stand among the arguments
# x, X: MixMonitor by a key; w, W: Monitor. A toggle: pressed once, it stops a recording that it did not start.
ONE_TOUCH = frozenset("xXwW")
# The key that hangs up is the first of every code (unless features.conf says another).
HANGS_UP = frozenset("hH")
RECORDERS = frozenset({"mixmonitor", "monitor"})
STOPPERS = frozenset({"stopmixmonitor", "stopmonitor", "pausemonitor"})


def judge_paths(lines: Iterable[DialplanLine], queues: Collection[str]) -> Iterator[Finding]:
    """`queues`: those that are recorded. Nothing is found where ari-recorder-enter alone leads to them."""
    for line in lines:
        if not line.context.startswith(OURS):
            yield from _judge(line, queues)


def _judge(line: DialplanLine, queues: Collection[str]) -> Iterator[Finding]:
    application = line.application.lower()  # the dialplan does not tell them apart by case
    where = f"{line.extension} in the context {line.context}"
    if application == "queue":
        yield from _queue(line, where, queues)
    elif application == "dial" and (keys := options_of(line.data, DIAL_OPTIONS) & ONE_TOUCH):
        yield _one_touch(where, line.application, keys)
    elif application in RECORDERS:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {line.application}() makes a recording of its own, which nobody seals or destroys",
            "Take it out for numbers that lead to recorded queues; this service records those",
        )
    elif application in STOPPERS:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {line.application}() may stop this service's recording",
            "Give it the MixMonitorID of the recording it means, or take it out",
        )
    elif application == "set" and re.match(r"_{0,2}DYNAMIC_FEATURES=.*\bari-recorder\b", line.data):
        yield warn(
            Area.DIALPLAN,
            f"{where}: a caller who passes here has the agents' codes, and can mark or stop the recording",
            "Grant them by set_var of the agents' endpoints only (pjsip_ari_recorder.conf)",
        )


def _queue(line: DialplanLine, where: str, queues: Collection[str]) -> Iterator[Finding]:
    name = line.data.partition(",")[0].strip()
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
    options = options_of(line.data, QUEUE_OPTIONS)
    if keys := options & ONE_TOUCH:
        yield _one_touch(where, line.application, keys)
    if keys := options & HANGS_UP:
        yield warn(
            Area.DIALPLAN,
            f"{where}: with the option {_listed(keys)} the first key of an agent's code may hang up",
            f"Take {_listed(keys)} out of the options of {line.application}()",
        )


def _one_touch(where: str, application: str, keys: Collection[str]) -> Finding:
    return warn(
        Area.DIALPLAN,
        f"{where}: the option {_listed(keys)} of {application}() lets a key stop the recording of the call",
        f"Take {_listed(keys)} out of the options of {application}()",
    )


def options_of(data: str, place: int) -> frozenset[str]:
    """The letters of an application's options, without what is in brackets behind one: `tU(sub,1)x` is t, U and x."""
    while (bare := re.sub(r"\([^()]*\)", "", data)) != data:
        data = bare
    arguments = data.split(",")
    return frozenset(arguments[place].strip()) if len(arguments) > place else frozenset()


def _listed(keys: Collection[str]) -> str:
    return ", ".join(sorted(keys))
