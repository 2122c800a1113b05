"""The table `policy`: which retention rules were in force from when, and those that wait for a person.

proposed ──► in-force          the newest of these is the rule; the older ones tell what was in force before
    └──────► withdrawn         the configuration was changed back, or once more
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ari_recorder.domain.retention import Period, Policy, Rules
from ari_recorder.storage.db import Connection, Row


class PolicyState(StrEnum):
    PROPOSED = "proposed"
    IN_FORCE = "in-force"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    version: int
    state: PolicyState
    rules: Rules
    proposed_at: datetime
    in_force_from: datetime | None
    confirmed_by: str | None


async def lock(conn: Connection) -> None:
    """Two that change the policy at the same moment do it one after the other."""
    await conn.execute("LOCK TABLE policy IN SHARE ROW EXCLUSIVE MODE")


async def current(conn: Connection) -> Policy | None:
    """The newest rules in force, with those proposed; None before there were any."""
    rows = await conn.fetch(
        """
        (SELECT version, state, rules FROM policy WHERE state = 'in-force' ORDER BY version DESC LIMIT 1)
        UNION ALL SELECT version, state, rules FROM policy WHERE state = 'proposed'
        """
    )
    by_state = {PolicyState(row["state"]): row for row in rows}
    in_force = by_state.get(PolicyState.IN_FORCE)
    if in_force is None:
        return None
    proposed = by_state.get(PolicyState.PROPOSED)
    return Policy(
        rules=_rules(in_force["rules"]),
        version=in_force["version"],
        proposed=_rules(proposed["rules"]) if proposed is not None else None,
    )


async def versions(conn: Connection, *, limit: int = 100) -> tuple[Version, ...]:
    """The newest first."""
    rows = await conn.fetch("SELECT * FROM policy ORDER BY version DESC LIMIT $1", limit)
    return tuple(_from_row(row) for row in rows)


async def propose(conn: Connection, rules: Rules, now: datetime) -> int:
    """They wait for a person; those that waited before are withdrawn."""
    await withdraw(conn)
    version: int = await conn.fetchval(
        "INSERT INTO policy (state, rules, proposed_at) VALUES ('proposed', $1, $2) RETURNING version",
        _as_json(rules),
        now,
    )
    return version


async def withdraw(conn: Connection) -> None:
    await conn.execute("UPDATE policy SET state = 'withdrawn' WHERE state = 'proposed'")


async def put_in_force(conn: Connection, version: int, by: str | None, now: datetime) -> bool:
    """proposed -> in force. `by`: who confirmed it, None when there was nothing to confirm."""
    row = await conn.fetchrow(
        """
        UPDATE policy SET state = 'in-force', in_force_from = $2, confirmed_by = $3
        WHERE version = $1 AND state = 'proposed' RETURNING version
        """,
        version,
        now,
        by,
    )
    return row is not None


def _as_json(rules: Rules) -> dict[str, object]:
    return {
        "queues": {name: period.text for name, period in sorted(rules.queues.items())},
        "undecided_grace": rules.undecided_grace.text,
    }


def _rules(stored: dict[str, object]) -> Rules:
    queues = stored["queues"]
    assert isinstance(queues, dict)  # noqa: S101 -- only `propose` writes it
    return Rules(
        queues={name: Period.parse(text) for name, text in queues.items()},
        undecided_grace=Period.parse(str(stored["undecided_grace"])),
    )


def _from_row(row: Row) -> Version:
    return Version(
        version=row["version"],
        state=PolicyState(row["state"]),
        rules=_rules(row["rules"]),
        proposed_at=row["proposed_at"],
        in_force_from=row["in_force_from"],
        confirmed_by=row["confirmed_by"],
    )
