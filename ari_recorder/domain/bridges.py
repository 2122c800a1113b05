"""Who is in which bridge, and whom a channel hears.

A bridge joins channels; a Local channel is two halves, `Local/x@y-1;1` and `;2`, in two bridges. The far ends of a
channel are found by walking bridges and Local pairs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ari_recorder.domain.events import Uniqueid


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Who is at the far ends of a caller, by name and Uniqueid, and who stands behind a member's Local channel.

    A Local channel that is optimised away puts who stood behind it into the caller's bridge.
    """

    names: frozenset[str]
    uniqueids: frozenset[Uniqueid]
    behind: frozenset[Uniqueid]


class Bridges:
    def __init__(self) -> None:
        self._bridges: dict[str, dict[Uniqueid, str]] = {}
        self._where: dict[Uniqueid, str] = {}
        self._halves: dict[str, Uniqueid] = {}

    def clear(self) -> None:
        self._bridges.clear()
        self._where.clear()
        self._halves.clear()

    def enter(self, uniqueid: Uniqueid, channel: str, bridge: str) -> None:
        """A channel is in one bridge at most: it leaves the one it was in."""
        self.remove(uniqueid)
        self._bridges.setdefault(bridge, {})[uniqueid] = channel
        self._where[uniqueid] = bridge
        if channel.startswith("Local/"):
            self._halves[channel] = uniqueid

    def remove(self, uniqueid: Uniqueid) -> None:
        bridge = self._where.pop(uniqueid, None)
        if bridge is None:
            return
        members = self._bridges[bridge]
        self._halves.pop(members.pop(uniqueid, ""), None)
        if not members:
            del self._bridges[bridge]

    def of(self, uniqueid: Uniqueid) -> str:
        """The bridge this channel is in, or ""."""
        return self._where.get(uniqueid, "")

    def beside(self, uniqueid: Uniqueid) -> Mapping[Uniqueid, str]:
        """The names of the others in its bridge."""
        there = self._bridges.get(self.of(uniqueid), {})
        return {other: name for other, name in there.items() if other != uniqueid}

    def reach(self, start: Uniqueid) -> frozenset[Uniqueid]:
        """Everybody connected with this channel, itself not."""
        return frozenset(uniqueid for uniqueid, _, _ in self._walk(start, set())) - {start}

    def surroundings(self, caller: Uniqueid, members: set[Uniqueid]) -> Surroundings:
        """What is to be known of a caller whose agents are `members`.

        The member's own Local half that app_queue connected is an end by definition, however its far side is reached
        (a mobile phone through a trunk).
        """
        reached = [
            (uniqueid, name)
            for uniqueid, name, passed in self._walk(caller, members)
            if uniqueid != caller and not passed
        ]
        behind = {
            other
            for uniqueid, name in reached
            if uniqueid in members and (twin := self._halves.get(_other_half(name))) is not None
            for other, _, _ in self._walk(twin, {uniqueid})
            if other not in (uniqueid, twin, caller)
        }
        return Surroundings(
            names=frozenset(name for _, name in reached),
            uniqueids=frozenset(uniqueid for uniqueid, _ in reached),
            behind=frozenset(behind),
        )

    def _walk(self, start: Uniqueid, stop_at: set[Uniqueid]) -> Iterator[tuple[Uniqueid, str, bool]]:
        """Channels reached through bridges and Local pairs; the bool tells a Local half that only led on."""
        visited: set[str] = set()
        waiting = [self.of(start)]
        while waiting:
            bridge = waiting.pop()
            if bridge in visited or bridge not in self._bridges:
                continue
            visited.add(bridge)
            for uniqueid, name in self._bridges[bridge].items():
                twin = self._halves.get(_other_half(name))
                passed = twin is not None and uniqueid not in stop_at
                if twin is not None and passed:
                    waiting.append(self.of(twin))
                yield uniqueid, name, passed


def _other_half(channel: str) -> str:
    """The name of the other half of a Local channel, or "" for other channels."""
    if not channel.startswith("Local/") or channel[-2:] not in (";1", ";2"):
        return ""
    return channel[:-1] + ("2" if channel.endswith("1") else "1")
