"""The part of `check` that judges recorded queues: what must not be in queues.conf, and how members are reached.

Ordinary queues are as they like.
"""

from collections.abc import Collection, Iterator

from ari_recorder.asterisk.actions import QueueMember
from ari_recorder.asterisk.conf import Conf, Setting, last
from ari_recorder.services.check_paths import past_the_announcement
from ari_recorder.services.findings import Area, Finding, fail, ok, unseen, warn
from ari_recorder.services.pbx_facts import PbxFacts

RELOAD = "then `queue reload all`"


def judge_queues(conf: Conf, facts: PbxFacts, queues: Collection[str], announced: Collection[str]) -> Iterator[Finding]:
    """`queues`: those that are recorded; `announced`: those of them that ari-recorder-enter leads to."""
    past = {} if facts.dialplan is None else dict(past_the_announcement(facts.dialplan.lines))
    for name in queues:
        if not conf.has(name):
            yield unseen(
                Area.QUEUES,
                f"the queue {name} is not in {conf.name}: whether Asterisk records it by itself was not looked at",
                "Is it kept in a database, or written otherwise? See there that it has no monitor-format",
            )
            continue
        settings = conf.named(name)
        yield from _monitor(name, last(settings, "monitor-format"))
        if (announce := last(settings, "queue-callerannounce")) is not None and announce.value:
            yield _caller_announce(name, announce, facts, name in announced, past.get(name))
        if (context := last(settings, "context")) is not None and context.value:
            yield warn(
                Area.QUEUES,
                f"{context.place}: in the queue {name} a key that a waiting caller presses leads into the context "
                f"{context.value}, and out of the recorded queue",
                f"Take context out of [{name}], {RELOAD}",
            )


def _monitor(name: str, setting: Setting | None) -> Iterator[Finding]:
    if setting is not None and setting.value:
        yield fail(
            Area.QUEUES,
            f"{setting.place}: monitor-format = {setting.value} makes Asterisk record the queue {name} by itself: a "
            "second recording in clear, which nobody seals or destroys",
            f"Take monitor-format out of [{name}], {RELOAD}, and destroy what it has recorded",
        )


def _caller_announce(name: str, setting: Setting, facts: PbxFacts, announced: bool, past: str | None) -> Finding:
    why = "any key skips it, and when its sound is missing nobody hears of it"
    mend = f"Lead every number to {name} by Gosub(ari-recorder-enter,…), and take queue-callerannounce out of [{name}]"
    if past is not None:
        return fail(
            Area.QUEUES,
            f"{setting.place}: queue-callerannounce is all that callers of {name} are told who come by {past}; it is "
            f"no announcement: {why}",
            mend,
        )
    if facts.dialplan is None:
        return warn(
            Area.QUEUES,
            f"{setting.place}: queue-callerannounce of {name} is no announcement: {why}; whether its callers are told "
            "otherwise is not known while the PBX does not answer",
            mend,
        )
    if announced:
        return ok(
            Area.QUEUES,
            f"{setting.place}: queue-callerannounce of {name} is played besides the announcement, and is none: {why}",
        )
    return fail(
        Area.QUEUES,
        f"{setting.place}: queue-callerannounce is all that callers of {name} are told; it is no announcement: {why}",
        mend,
    )


def judge_members(members: Collection[QueueMember], queues: Collection[str]) -> Iterator[Finding]:
    """By the PBX's own word. A Local channel without /n is swapped for the phone behind it just after the answer: for
    the recording, that is another agent."""
    wanted = {name.lower() for name in queues}
    for member in members:
        technology, _, resource = member.interface.partition("/")
        if technology.lower() == "local" and member.queue.lower() in wanted and "n" not in resource.partition("/")[2]:
            yield warn(
                Area.QUEUES,
                f"the member {member.interface} of the queue {member.queue} has no /n: its Local channel goes away "
                "when it is answered, and each recording begins with a part of its own of a few hundredths of a "
                "second, which the ledger calls silent-side",
                f"member => {technology}/{resource.partition('/')[0]}/n,… in [{member.queue}], {RELOAD}",
            )
