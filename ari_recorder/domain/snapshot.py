"""What the PBX tells of itself after a reconnect, as far as it waits for the end. What it changes: switchboard.py."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ari_recorder.domain.calls import interface_of
from ari_recorder.domain.events import AgentConnect, Armed, CallRetold, ChannelRow, CodePressed, Hangup, Uniqueid
from ari_recorder.domain.evidence import read_codes


@dataclass(slots=True)
class Snapshot:
    """What comes in between ResyncBegan and ResyncDone and has to wait for the end: channels seen, callers in Queue(),
    codes pressed, calls retold; answers of calls whose announcement is not proved yet; ends of calls no row told of."""

    seen: set[Uniqueid] = field(default_factory=set)
    in_queue: list[ChannelRow] = field(default_factory=list)
    codes: list[CodePressed] = field(default_factory=list)
    retold: list[CallRetold] = field(default_factory=list)
    unproved: list[AgentConnect | Armed] = field(default_factory=list)
    ended: list[Hangup] = field(default_factory=list)


def kept_codes(secret: str, row: ChannelRow) -> list[CodePressed]:
    """The codes an agent's channel remembers."""
    return [
        CodePressed(
            at=pressed,
            uniqueid=row.uniqueid,
            linkedid=row.linkedid,
            channel=row.channel,
            code=code,
            pressed=pressed,
            missed=True,
        )
        for code, pressed in read_codes(secret, row.uniqueid, row.codes)
    ]


def missed_connect(row: ChannelRow, queue: str, member: tuple[Uniqueid, str], at: datetime) -> AgentConnect:
    """The answer nobody heard, of the `member` (Uniqueid, channel) who is beside the caller now."""
    uniqueid, channel = member
    return AgentConnect(
        at=at,
        uniqueid=row.uniqueid,
        linkedid=row.linkedid,
        channel=row.channel,
        queue=queue,
        member_uniqueid=uniqueid,
        member_channel=channel,
        interface=interface_of(channel),
        member_name="",
        hold_time=timedelta(),
        ring_time=timedelta(),
        missed=True,
    )
