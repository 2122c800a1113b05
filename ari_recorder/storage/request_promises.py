"""What the promises about requests of persons are decided from, counted. Decided in domain/promises.py and, by when, in
domain/due_dates.py. There are few cases, and each question begins with them."""

from dataclasses import dataclass
from datetime import date, datetime

from ari_recorder.domain.promises import Found
from ari_recorder.domain.subject_requests import number_told
from ari_recorder.storage.db import Connection
from ari_recorder.storage.promises import MOST_NAMED, found


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Consent that was withdrawn in writing, and of which something is still to be done. `not_proved`: who asks could
    not be proved, at first."""

    number: str
    received_on: date
    opened_at: datetime
    not_proved: bool
    proved_at: datetime | None


async def matches_destroyed(conn: Connection, today: date, since: date) -> Found:
    """Recordings that a case kept, or of a call that it matches, destroyed from `since` on, while the case kept them:
    until the last day of its appeal. What its own decision destroyed is in its history, and is in order; what was in
    quarantine was never kept. A recording that has no row any more counts as long as its case keeps it."""
    return found(
        await conn.fetch(
            """
            WITH frozen AS (
                SELECT keeper AS case_id, recording_id, since FROM keeping
                WHERE keeper IN (SELECT id FROM request_case)
                UNION
                SELECT case_id, recording.id, found_at FROM request_match JOIN recording USING (call_id)
                WHERE quarantined_until IS NULL
            )
            SELECT recording_id AS name FROM frozen JOIN request_case ON request_case.id = case_id
            LEFT JOIN recording ON recording.id = recording_id
            LEFT JOIN LATERAL (SELECT (erasing_at AT TIME ZONE 'Europe/Helsinki')::date AS day) AS gone ON true
            WHERE coalesce(appeal_until, 'infinity') >= coalesce(gone.day, $1)
                AND (recording.id IS NULL OR erasing_at >= frozen.since AND gone.day >= $2)
                AND NOT EXISTS (
                    SELECT FROM request_step
                    WHERE request_step.case_id = frozen.case_id AND step = 'decide'
                        AND facts -> 'erased' ? recording_id::text
                )
            GROUP BY recording_id ORDER BY min(erasing_at), recording_id
            """,
            today,
            since,
        )
    )


async def withdrawals(conn: Connection) -> tuple[Withdrawal, ...]:
    """Those nobody has decided on; and of those that are granted, where a recording is neither gone nor was restricted
    by the case. Refused, or taken back, it grants nothing and is over."""
    rows = await conn.fetch(
        """
        SELECT year, running, received_on, opened_at, not_proved, proved_at
        FROM request_case, LATERAL (
            SELECT min(made_at) AS opened_at,
                coalesce(bool_or(step = 'identity' AND facts @> '{"proved": false}'), false) AS not_proved,
                min(made_at) FILTER (WHERE step = 'identity' AND facts @> '{"proved": true}') AS proved_at
            FROM request_step WHERE case_id = request_case.id
        ) AS history
        WHERE kind = 'withdrawal' AND (
            decision IS NULL OR EXISTS (
                SELECT FROM request_match JOIN recording USING (call_id)
                WHERE case_id = request_case.id AND is_granted AND recording.state <> 'erased'
                    AND quarantined_until IS NULL AND NOT EXISTS (
                        SELECT FROM restriction JOIN restriction_of ON restriction_id = restriction.id
                        WHERE restriction.case_id = request_case.id AND recording_id = recording.id
                    )
            )
        )
        ORDER BY received_on, year, running
        """
    )
    return tuple(
        Withdrawal(
            number=number_told(row["year"], row["running"]),
            received_on=row["received_on"],
            opened_at=row["opened_at"],
            not_proved=row["not_proved"],
            proved_at=row["proved_at"],
        )
        for row in rows
    )


async def refused_in_call(conn: Connection, before: datetime) -> Found:
    """Recordings of calls whose caller said no before then, and which are being destroyed still."""
    return found(
        await conn.fetch(
            """
            SELECT recording.id AS name FROM recording JOIN call ON call.id = call_id
            WHERE recording.state = 'erasing' AND refused_at < $1 ORDER BY refused_at, recording.id
            """,
            before,
        )
    )


async def refused_without_certificate(conn: Connection) -> Found:
    """Cases refused, or what is left of one that was granted in part, without a certificate of that case that can be
    read. A document is refused by a paper of the authority's own."""
    rows = await conn.fetch(
        """
        SELECT year, running FROM request_case
        WHERE (decision = 'refused' OR decision = 'partly' AND answered_at IS NOT NULL)
            AND NOT (kind = 'document' AND paper_reference <> '') AND NOT EXISTS (
                SELECT FROM refusal_certificate AS given JOIN refusal_certificate_body ON certificate_id = given.id
                WHERE given.id = request_case.certificate_id AND given.case_id = request_case.id
            )
        ORDER BY decided_at, year, running
        """
    )
    return Found(count=len(rows), names=tuple(number_told(row["year"], row["running"]) for row in rows[:MOST_NAMED]))
