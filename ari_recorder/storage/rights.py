"""The tables `right_held`, `right_history`, `unit_history`, `unit_wanted`. Rules: domain/rights.py."""

from datetime import date, datetime
from uuid import UUID

from ari_recorder.domain.accounts import Grant, Role
from ari_recorder.domain.rights import Change, RightChange, UnitChange, WantedUnit
from ari_recorder.storage.db import Connection, Row

# Grants to one account come one after the other: they wait for its row. Units have none.
_UNITS = "LOCK TABLE unit_history IN SHARE ROW EXCLUSIVE MODE"


async def grant(conn: Connection, account_id: UUID, right: Grant, by: str, why: str, now: datetime) -> None:
    await conn.execute(
        """
        WITH told AS (
            INSERT INTO right_history
                (right_id, change, at, by, why, account_id, role, unit, interfaces, valid_from, valid_until)
            VALUES ($1, 'granted', $9, $8, $10, $2, $3, $4, $5, $6, $7)
        )
        INSERT INTO right_held (id, account_id, role, unit, interfaces, valid_from, valid_until, granted_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        right.id,
        account_id,
        right.role,
        right.unit,
        sorted(right.interfaces),
        right.valid_from,
        right.valid_until,
        by,
        now,
        why,
    )


async def approve(conn: Connection, right_id: UUID, by: str, why: str, now: datetime) -> None:
    await conn.execute("UPDATE right_held SET approved_at = $2 WHERE id = $1", right_id, now)
    await _tell(conn, right_id, Change.APPROVED, by, why, now)


async def attest(conn: Connection, right_id: UUID, until: date, by: str, why: str, now: datetime) -> None:
    await conn.execute("UPDATE right_held SET valid_until = $2 WHERE id = $1", right_id, until)
    await _tell(conn, right_id, Change.ATTESTED, by, why, now, until)


async def end(conn: Connection, right_id: UUID, by: str, why: str, now: datetime) -> None:
    await conn.execute("UPDATE right_held SET ended_at = $2 WHERE id = $1", right_id, now)
    await _tell(conn, right_id, Change.ENDED, by, why, now)


async def not_ended(conn: Connection, account_id: UUID) -> tuple[Grant, ...]:
    """Of an account: approved or not, and those whose last day has passed too."""
    rows = await conn.fetch("SELECT * FROM right_held WHERE account_id = $1 AND ended_at IS NULL", account_id)
    return tuple(_grant(row) for row in rows)


async def account_of(conn: Connection, right_id: UUID) -> UUID | None:
    found: UUID | None = await conn.fetchval("SELECT account_id FROM right_held WHERE id = $1", right_id)
    return found


async def history(
    conn: Connection, *, right_id: UUID | None = None, before: datetime | None = None
) -> list[RightChange]:
    """In the order it happened; of one right, or up to a moment."""
    rows = await conn.fetch(
        """
        SELECT * FROM right_history WHERE ($1::uuid IS NULL OR right_id = $1) AND ($2::timestamptz IS NULL OR at < $2)
        ORDER BY id
        """,
        right_id,
        before,
    )
    return [_change(row) for row in rows]


async def administrator_works(conn: Connection, today: date) -> bool:
    """Is there somebody who can log in and give rights? Whom nobody has confirmed yet can give none."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM right_held JOIN account ON account.id = account_id
            WHERE role = 'administrator' AND ended_at IS NULL AND approved_at IS NOT NULL AND state = 'active'
                AND kind = 'person' AND owner_confirmed AND $1 BETWEEN valid_from AND valid_until
        )
        """,
        today,
    )
    return found


# --- units


async def lock_units(conn: Connection) -> None:
    """No unit changes until the end of the transaction; who reads need not wait."""
    await conn.execute(_UNITS)


async def change_unit(conn: Connection, change: UnitChange) -> None:
    await conn.execute(
        "INSERT INTO unit_history (unit, queues, at, by, why, approved_by) VALUES ($1, $2, $3, $4, $5, $6)",
        change.unit,
        sorted(change.queues),
        change.at,
        change.by,
        change.why,
        change.approved_by,
    )


async def units(conn: Connection) -> dict[str, frozenset[str]]:
    """As they are now."""
    rows = await conn.fetch("SELECT DISTINCT ON (unit) unit, queues FROM unit_history ORDER BY unit, id DESC")
    return {row["unit"]: frozenset(row["queues"]) for row in rows if row["queues"]}


async def unit_history(conn: Connection, *, before: datetime | None = None) -> list[UnitChange]:
    rows = await conn.fetch("SELECT * FROM unit_history WHERE $1::timestamptz IS NULL OR at < $1 ORDER BY id", before)
    return [
        UnitChange(
            unit=row["unit"],
            queues=frozenset(row["queues"]),
            at=row["at"],
            by=row["by"],
            why=row["why"],
            approved_by=row["approved_by"],
        )
        for row in rows
    ]


async def want_unit(conn: Connection, wanted: WantedUnit) -> None:
    """What was asked for before is asked for no more."""
    await conn.execute("DELETE FROM unit_wanted WHERE unit = $1", wanted.unit)
    await conn.execute(
        "INSERT INTO unit_wanted (id, unit, queues, at, by, why) VALUES ($1, $2, $3, $4, $5, $6)",
        wanted.id,
        wanted.unit,
        sorted(wanted.queues),
        wanted.at,
        wanted.by,
        wanted.why,
    )


async def wanted_units(conn: Connection) -> tuple[WantedUnit, ...]:
    rows = await conn.fetch("SELECT * FROM unit_wanted ORDER BY unit")
    return tuple(_wanted(row) for row in rows)


async def take_wanted(conn: Connection, wanted_id: UUID) -> WantedUnit | None:
    """It waits no more. None: there is none, or it was replaced by another one."""
    row = await conn.fetchrow("DELETE FROM unit_wanted WHERE id = $1 RETURNING *", wanted_id)
    return _wanted(row) if row is not None else None


async def forget_wanted(conn: Connection, unit: str) -> None:
    await conn.execute("DELETE FROM unit_wanted WHERE unit = $1", unit)


async def in_unit(conn: Connection, unit: str) -> bool:
    """Has anybody a right there that has not ended?"""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM right_held WHERE unit = $1 AND ended_at IS NULL)", unit
    )
    return found


async def _tell(
    conn: Connection, right_id: UUID, change: Change, by: str, why: str, now: datetime, until: date | None = None
) -> None:
    await conn.execute(
        "INSERT INTO right_history (right_id, change, at, by, why, valid_until) VALUES ($1, $2, $3, $4, $5, $6)",
        right_id,
        change,
        now,
        by,
        why,
        until,
    )


def _wanted(row: Row) -> WantedUnit:
    return WantedUnit(
        id=row["id"], unit=row["unit"], queues=frozenset(row["queues"]), at=row["at"], by=row["by"], why=row["why"]
    )


def _grant(row: Row) -> Grant:
    return Grant(
        id=row["id"],
        role=Role(row["role"]),
        unit=row["unit"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        interfaces=frozenset(row["interfaces"]),
    )


def _change(row: Row) -> RightChange:
    return RightChange(
        right_id=row["right_id"],
        change=Change(row["change"]),
        at=row["at"],
        by=row["by"],
        why=row["why"],
        account_id=row["account_id"],
        role=Role(row["role"]) if row["role"] is not None else None,
        unit=row["unit"],
        interfaces=frozenset(row["interfaces"]) if row["interfaces"] is not None else None,
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )
