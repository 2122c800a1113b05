"""What the PBX tells of itself after a reconnect, as far as it waits for the end. What it changes: switchboard.py."""

from dataclasses import dataclass, field

from ari_recorder.domain.events import AgentConnect, Armed, CallRetold, ChannelRow, CodePressed, Uniqueid
from ari_recorder.domain.evidence import read_codes


@dataclass(slots=True)
class Snapshot:
    """What comes in between ResyncBegan and ResyncDone and has to wait for the end: channels seen, callers in Queue(),
    codes pressed, calls retold; answers of calls whose announcement is not proved yet."""

    seen: set[Uniqueid] = field(default_factory=set)
    in_queue: list[ChannelRow] = field(default_factory=list)
    codes: list[CodePressed] = field(default_factory=list)
    retold: list[CallRetold] = field(default_factory=list)
    unproved: list[AgentConnect | Armed] = field(default_factory=list)


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
