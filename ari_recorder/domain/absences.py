"""When no service heard the PBX: there was none, or it had no session. Who could have been asked to record was not."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """From `since` to `until`. Until it is `over`, nobody has looked at what the dialplan's net recorded meanwhile."""

    since: datetime
    until: datetime
    because: str
    over: bool = True


class Absences:
    """Any number, asked about any number of calls. Those that overlap (a clock was set back) are one."""

    def __init__(self, found: Iterable[Absence]) -> None:
        self._in_order: list[Absence] = []
        for one in sorted(found, key=lambda one: one.since):
            before = self._in_order[-1] if self._in_order else None
            if before is not None and one.since <= before.until:
                until = max(before.until, one.until)
                self._in_order[-1] = replace(before, until=until, over=before.over and one.over)
            else:
                self._in_order.append(one)

    def touched(self, begin: datetime, end: datetime) -> Sequence[Absence]:
        """Those that share some of that time."""
        first = bisect_right(self._in_order, begin, key=lambda one: one.until)
        return self._in_order[first : bisect_left(self._in_order, end, key=lambda one: one.since)]

    def within(self, begin: datetime, end: datetime) -> timedelta:
        """How much of that time lies in them."""
        shared = (min(end, one.until) - max(begin, one.since) for one in self.touched(begin, end))
        return sum(shared, timedelta())
