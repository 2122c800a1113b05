"""How answers about retention look: what is due, the rules. Everything else is in output.py."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ari_recorder.output import SHORT_ID, local, write_table, write_trouble

if TYPE_CHECKING:
    from ari_recorder.services.certify import Listed
    from ari_recorder.services.fates import Fate
    from ari_recorder.services.holds import FreezeView, HoldView, ToDecide
    from ari_recorder.services.policy import Night, Standing
    from ari_recorder.services.restrictions import RestrictionView
    from ari_recorder.services.sweep import Doomed, Progress, Swept
    from ari_recorder.storage.certificates import Certificate


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


def write_holds(views: "Sequence[HoldView]") -> None:
    write_table(
        ("review on", "reference", "owner", "reason", "placed", "by", "released", "recordings", "id"),
        [
            (
                view.hold.review_on.isoformat(),
                view.hold.reference,
                view.hold.owner,
                view.reason or "",
                local(view.hold.placed_at),
                view.hold.placed_by,
                local(view.hold.released_at),
                " ".join(str(one)[:SHORT_ID] for one in view.recordings),
                str(view.hold.id),
            )
            for view in views
        ],
    )


def write_freezes(views: "Sequence[FreezeView]") -> None:
    write_table(
        ("opened", "by", "reference", "closed", "recordings", "id"),
        [
            (
                local(view.freeze.opened_at),
                view.freeze.opened_by,
                view.freeze.reference,
                local(view.freeze.closed_at),
                " ".join(str(one)[:SHORT_ID] for one in view.recordings),
                str(view.freeze.id),
            )
            for view in views
        ],
    )


def write_restrictions(views: "Sequence[RestrictionView]") -> None:
    write_table(
        ("since", "by", "ground", "case", "past its period", "lifted", "recordings", "id"),
        [
            (
                local(view.restriction.set_at),
                view.restriction.set_by,
                view.restriction.ground,
                view.restriction.case_number,
                f"{view.overdue} since {view.overdue_since}" if view.overdue else "",
                local(view.restriction.lifted_at),
                " ".join(str(one)[:SHORT_ID] for one in view.recordings),
                str(view.restriction.id),
            )
            for view in views
        ],
    )
    late = sum(view.overdue for view in views)
    sys.stdout.write(f"{late} recording(s) past their period and kept by a restriction alone\n")


def write_fates(told: "Sequence[Fate]", *, done: bool) -> None:
    write_table(
        ("started", "queue", "destroyed on", "because of", "id"),
        [
            (
                local(fate.started_at),
                fate.queue,
                "at once" if fate.at_once else fate.destroyed_on.isoformat() if fate.destroyed_on else "kept",
                fate.because,
                str(fate.recording_id)[:SHORT_ID],
            )
            for fate in told
        ],
        {"at once": "bold red"},
    )
    count = sum(fate.at_once for fate in told)
    sys.stdout.write(f"the next sweep destroys {count} of {len(told)}\n" + ("" if done else "nothing was changed\n"))


def write_to_decide(listed: "Sequence[ToDecide]") -> None:
    write_table(
        ("started", "queue", "ordinary end", "destroyed on", "id"),
        [
            (
                local(one.started_at),
                one.queue,
                one.ordinary_end.isoformat(),
                one.destroyed_on.isoformat(),
                str(one.recording_id)[:SHORT_ID],
            )
            for one in listed
        ],
    )
    sys.stdout.write(f"{len(listed)} flagged call(s) nobody decided on\n")


def write_certificates(listed: "Listed") -> None:
    write_table(
        ("issued", "kind", "subject"),
        [(local(one.issued_at), one.kind, one.subject) for one in listed.certificates],
    )
    if listed.waiting:
        sys.stdout.write(f"{listed.waiting:,} wait for one: signing wants the keyring unlocked\n")


def write_certificate(fields: Mapping[str, object], certificate: "Certificate") -> None:
    rows = [(name.replace("_", " "), _in_words(value)) for name, value in fields.items()]
    write_table(("", ""), [*rows, ("signed by", certificate.signed_by)])


def _in_words(value: object) -> str:
    match value:
        case Mapping():
            return "\n".join(f"{name}: {_in_words(one)}" for name, one in value.items())
        case list():
            return ", ".join(str(one) for one in value)
        case None:
            return "none"
        case _:
            return str(value)
