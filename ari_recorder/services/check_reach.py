"""The part of `check` that follows a caller from the trunks through the loaded dialplan: where does a call from outside
ring an agent of a recorded queue past the queue, or can somebody outside listen to agents or take their calls?

    trunk ─► context ─► its extensions, those of its includes ─► Goto, Gosub, Macro, Dial(Local/…) ─► …

What the operator delivers is not known: every extension of a trunk's context is one that can be called. A jump to what
a variable holds is not followed, nor is a `switch`. Our own contexts are where it ends: there callers are told.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from ari_recorder.asterisk.actions import Dialplan, DialplanLine, QueueMember
from ari_recorder.asterisk.dialplan import (
    ANY,
    Pattern,
    allows,
    dialled,
    interface,
    jumps,
    known,
    local,
    pattern,
    unwrapped,
)
from ari_recorder.services.check_paths import OURS, place_of
from ari_recorder.services.findings import Area, Finding, unseen, warn
from ari_recorder.services.pbx_facts import listed

RINGS = {"dial": "Dial", "page": "Page", "retrydial": "RetryDial"}
LISTENS = {"chanspy": "ChanSpy", "extenspy": "ExtenSpy"}
TAKES = {"pickup": "Pickup", "pickupchan": "PickupChan"}
# These let the caller choose the extension by key.
CHOOSES = frozenset({"waitexten", "background"})
# So many lines are followed, some ten seconds' work: a dialplan of 27,000 lines, each once, takes one second.
LINES_MOST = 300_000


def agents_of(members: Collection[QueueMember], queues: Collection[str]) -> set[str]:
    """What rings the members of recorded queues: their own interface, and the phone behind it."""
    wanted = {name.lower() for name in queues}
    return {
        interface(name)
        for member in members
        if member.queue.lower() in wanted
        for name in (member.interface, member.state_interface)
    }


def judge_reach(dialplan: Dialplan, entries: Mapping[str, str], agents: Collection[str]) -> Iterator[Finding]:
    """`entries`: each context that calls from outside come into, with whose they are. A line is told once."""
    for context, trunk in entries.items():
        walk = _Walk(dialplan)
        told: dict[tuple[str, str], set[str]] = {}
        for line, application, data, extension in walk.run(context):
            where = place_of(line)
            if application in RINGS:
                rung = told.setdefault((where, RINGS[application]), set())
                for one in dialled(data):
                    rung |= {agent for agent in agents if _rings(one, agent, extension, walk, line)}
            elif application in LISTENS or application in TAKES:
                told.setdefault((where, (LISTENS | TAKES)[application]), set())
        origin = f"from outside ({trunk}, which comes in at the context {context})"
        for (where, application), rung in told.items():
            yield from _finding(where, application, sorted(rung), origin)
        if walk.too_many:
            yield unseen(
                Area.DIALPLAN,
                f"the dialplan behind the context {context} leads into more than {LINES_MOST} lines: the rest was not "
                "looked at",
                "See there that no Dial() rings an agent of a recorded queue",
            )


def _finding(where: str, application: str, rung: list[str], origin: str) -> Iterator[Finding]:
    if application in RINGS.values():
        if rung:
            yield warn(
                Area.DIALPLAN,
                f"{where}: {application}() rings {listed(rung)} for a call {origin}: without announcement, and not "
                "recorded",
                "Lead such calls to a recorded queue by Gosub(ari-recorder-enter,…), or keep this extension out of "
                "what the trunk's context reaches",
            )
    elif application in LISTENS.values():
        yield warn(
            Area.DIALPLAN,
            f"{where}: {application}() lets a call {origin} listen to calls, of which no log of listenings tells",
            "Keep it out of what the trunk's context reaches",
        )
    else:
        yield warn(
            Area.DIALPLAN,
            f"{where}: {application}() lets a call {origin} take a call that rings at an agent",
            "Keep it out of what the trunk's context reaches",
        )


def _rings(target: str, agent: str, extension: Pattern, walk: "_Walk", line: DialplanLine) -> bool:
    if not allows(target, agent, extension):
        return False
    # _10XX rings nobody for 1001 where 1001 has an extension of its own.
    own = agent.partition("/")[2].partition("@")[0]
    return "${EXTEN}" not in target or line.extension == own or not walk.has(line.context, own)


@dataclass(slots=True)
class _Walk:
    dialplan: Dialplan
    too_many: bool = False
    _lines: dict[str, dict[str, list[DialplanLine]]] = field(default_factory=dict)
    _patterns: dict[str, Pattern] = field(default_factory=dict)
    _wilds: dict[str, list[str]] = field(default_factory=dict)
    _includes: dict[str, list[str]] = field(default_factory=dict)
    _seen: set[tuple[str, Pattern]] = field(default_factory=set)
    _waiting: deque[tuple[str, Pattern]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        for line in self.dialplan.lines:
            self._lines.setdefault(line.context, {}).setdefault(line.extension, []).append(line)
            if line.extension not in self._patterns:
                self._patterns[line.extension] = pattern(line.extension)
        for include in self.dialplan.includes:
            self._includes.setdefault(include.context, []).append(include.included)

    def has(self, context: str, extension: str) -> bool:
        return extension in self._lines.get(context, {})

    def run(self, context: str) -> Iterator[tuple[DialplanLine, str, str, Pattern]]:
        """Each line a call can come to, each application in it, and what its extension can be there."""
        self._go(context, ANY)
        followed = 0
        while self._waiting:
            here, extension = self._waiting.popleft()
            for lines, can_be in self._extensions(here, extension):
                followed += len(lines)
                if followed > LINES_MOST:
                    self.too_many = True
                    return
                for line in lines:
                    for application, data in unwrapped(line.application, line.data):
                        yield line, application, data, can_be
                        self._follow(here, application, data, can_be)

    def _extensions(self, context: str, wanted: Pattern) -> Iterator[tuple[list[DialplanLine], Pattern]]:
        """One extension is looked for in the context, then in its includes, and an exact name before a pattern."""
        exact = wanted.literal
        for one in self._searched(context):
            there = self._lines.get(one, {})
            if exact is None:
                for extension, lines in there.items():
                    if (both := self._patterns[extension].meet(wanted)) is not None:
                        yield lines, both
            elif found := [exact] if exact in there else self._wild(one, exact):
                for extension in found:
                    yield there[extension], wanted
                return

    def _wild(self, context: str, extension: str) -> list[str]:
        """The patterns of a context that allow this extension. Which of them is the best one, is not asked."""
        if context not in self._wilds:
            self._wilds[context] = [one for one in self._lines.get(context, {}) if one.startswith("_")]
        return [one for one in self._wilds[context] if self._patterns[one].allows(extension)]

    def _searched(self, context: str) -> Iterator[str]:
        """Depth first, as pbx.c looks; our own are left out."""
        waiting, seen = [context], set()
        while waiting:
            one = waiting.pop(0)
            if one in seen or one.startswith(OURS):
                continue
            seen.add(one)
            yield one
            waiting = [*self._includes.get(one, ()), *waiting]

    def _follow(self, here: str, application: str, data: str, extension: Pattern) -> None:
        for jump in jumps(application, data):
            target = known(jump.extension or "", extension)
            context = here if jump.context is None else jump.context
            if target is not None and "$" not in context:
                self._go(context, target)
        if application in CHOOSES:
            self._go(here, ANY)
        if application in RINGS:
            for one in dialled(data):
                if (at := local(one)) is not None and "$" not in at[1]:
                    target = known(at[0], extension)
                    if target is not None:
                        self._go(at[1], target)

    def _go(self, context: str, extension: Pattern) -> None:
        if context.startswith(OURS) or (context, extension) in self._seen:
            return
        self._seen.add((context, extension))
        self._waiting.append((context, extension))
