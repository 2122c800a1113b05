"""A call that the dialplan's net recorded while the service was away, told again as events from what the PBX wrote.

The name of the spool files proves the announcement (domain/evidence.py); queue_log tells the queue, the members and the
times. The events go through the same call machine as those of any call.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from ari_recorder.domain.events import (
    AgentConnect,
    Announced,
    Armed,
    BridgeEnter,
    BridgeLeave,
    Event,
    Party,
    QueueCallerJoin,
    Uniqueid,
)
from ari_recorder.domain.evidence import Claim


def retell(base: str, uniqueid: Uniqueid, claim: Claim, lines: Iterable[str]) -> list[Event]:
    """The call's events up to its end, in order; none when queue_log, given as its lines, does not know it."""
    events: list[Event] = []
    for line in lines:
        fields = line.rstrip("\n").split("|")
        if len(fields) >= 5 and fields[1] == uniqueid:
            events += _events(uniqueid, base, fields)
    if not events:
        return []
    return [
        Announced(
            at=claim.done,
            number=claim.number,
            languages=claim.languages,
            started=claim.started,
            done=claim.done,
            uniqueid=uniqueid,
            linkedid=uniqueid,
            channel="",
        ),
        *events,
    ]


def _events(uniqueid: Uniqueid, base: str, fields: list[str]) -> Iterator[Event]:
    at = datetime.fromtimestamp(float(fields[0]), UTC)
    queue, member, name, data = fields[2], fields[3], fields[4], fields[5:] + [""] * 3
    match name:
        case "ENTERQUEUE":
            yield QueueCallerJoin(
                at=at,
                uniqueid=uniqueid,
                linkedid=uniqueid,
                channel="",
                queue=queue,
                caller=Party(num=data[1], name=""),
            )
            yield Armed(at=at, uniqueid=uniqueid, linkedid=uniqueid, channel="", base=base, mixmonitor_id="")
        case "CONNECT":
            yield AgentConnect(
                at=at,
                uniqueid=uniqueid,
                linkedid=uniqueid,
                channel="",
                queue=queue,
                member_uniqueid=Uniqueid(data[1]),
                member_channel="",
                interface=member,
                member_name=member,
                hold_time=_seconds(data[0]),
                ring_time=_seconds(data[2]),
            )
            yield BridgeEnter(at=at, uniqueid=uniqueid, linkedid=uniqueid, channel="", bridge=f"adopted {uniqueid}")
        case "COMPLETECALLER" | "COMPLETEAGENT":
            yield BridgeLeave(at=at, uniqueid=uniqueid, linkedid=uniqueid, channel="", bridge=f"adopted {uniqueid}")


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=int(text)) if text.isdigit() else timedelta()
