"""How answers about retention look: what is due, the rules. Everything else is in output.py."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ari_recorder.output import SHORT_ID, local, write_table, write_trouble

if TYPE_CHECKING:
    from ari_recorder.services.policy import Night, Standing
    from ari_recorder.services.sweep import Doomed, Progress, Swept


def write_doomed(doomed: "Sequence[Doomed]", progress: "Progress") -> None:
    write_table(
        ("started", "queue", "because of", "id"),
        [(local(one.started_at), one.queue, one.because, str(one.recording_id)[:SHORT_ID]) for one in doomed],
    )
    sys.stdout.write(f"{len(doomed)} due; nothing was destroyed\n")
    newest = progress.newest
    if newest is not None:
        told = f"newest sweep: {newest.state}, begun {local(newest.started_at)}, {newest.erased} destroyed"
        sys.stdout.write(f"{told}{f': {newest.because}' if newest.because else ''}\n")
    sys.stdout.write(f"last success: {local(progress.last_success) or 'never'}\n")


def write_nights(nights: "Sequence[Night]") -> None:
    write_table(
        ("day", "queue", "because of", "recordings"),
        [(night.day.isoformat(), night.queue, night.because, f"{night.recordings:,}") for night in nights],
    )
    sys.stdout.write(f"{sum(night.recordings for night in nights):,} become due; nothing was destroyed\n")


def write_swept(swept: "Swept") -> None:
    sys.stdout.write(f"{swept.erased} destroyed, {swept.forgotten_calls} calls without recordings forgotten\n")
    for recording_id in swept.failed:
        write_trouble(f"a file of recording {recording_id} could not be removed; its key is gone, it is tried again")


def write_standing(standing: "Standing") -> None:
    rows = []
    for version in standing.versions:
        periods = ", ".join(f"{queue} {period.text}" for queue, period in sorted(version.rules.queues.items()))
        rules = f"{periods}; grace of flagged calls {version.rules.undecided_grace.text}"
        rows.append(
            (str(version.version), version.state, rules, local(version.in_force_from), version.confirmed_by or "")
        )
    write_table(
        ("version", "state", "rules", "in force from", "confirmed by"),
        rows,
        {"proposed": "yellow", "in-force": "green"},
    )
    if standing.proposed is not None:
        write_table(
            ("queue", "because of", "destroyed at once"),
            [(one.queue, one.because, f"{one.recordings:,}") for one in standing.at_once],
        )
        sys.stdout.write(f"to destroy these: ari-recorder policy confirm {standing.proposed}\n")
