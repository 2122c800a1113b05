"""How breaches look at the command line."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ari_recorder.domain.breaches import Breach, BreachState
from ari_recorder.output import local, write_table


def as_line(one: Breach, now: datetime) -> Mapping[str, object]:
    return {
        "id": one.id,
        "kind": one.wanted.kind,
        "subject": one.wanted.subject,
        "since": one.wanted.since,
        "until": one.wanted.until,
        "aware_at": one.wanted.aware_at,
        "due_at": one.due_at,
        "left": one.left(now),
        "state": one.state,
        "reference": one.reference,
        "reachable": one.findings.reachable,
    }


def write_breaches(found: Sequence[Breach], now: datetime) -> None:
    rows = [
        (
            str(one.id),
            f"{one.wanted.kind} {one.wanted.subject}",
            one.state.value,
            local(one.due_at),
            _left(one, now),
            f"{one.findings.reachable:,}",
        )
        for one in found
    ]
    write_table(("id", "of", "state", "due", "left", "reachable"), rows, styles={"open": "bold red", "closed": "green"})


def _left(one: Breach, now: datetime) -> str:
    """Of an open one. `-3 h 05 min`: it is over for so long."""
    if one.state is not BreachState.OPEN:
        return ""
    left = one.left(now)
    minutes = abs(left) // timedelta(minutes=1)
    return f"{'-' if left < timedelta() else ''}{minutes // 60} h {minutes % 60:02} min"
