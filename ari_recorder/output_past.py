"""How it looks what was so at a moment of the past, and what has come since."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from ari_recorder.output import local, write_table
from ari_recorder.output_requests import write_steps

if TYPE_CHECKING:
    from ari_recorder.domain.corrections import Version
    from ari_recorder.domain.past import Lasting
    from ari_recorder.domain.restriction import Restriction
    from ari_recorder.services.disclosures import Disclosed
    from ari_recorder.services.past import CaseThen, CertificateThen, FieldThen, Past, RecordingThen

T = TypeVar("T")
Row = tuple[str, str, str, str]


def write_past(past: "Past") -> None:
    notice = past.notice.in_force
    told = f"version {notice.version} of the privacy notice" if notice is not None else "no privacy notice yet"
    sys.stdout.write(f"as it was at {local(past.at)}, under {told}\n")
    for case in past.cases:
        _write_case(case)
    for recording in past.recordings:
        sys.stdout.write(f"\nrecording {recording.id}, queue {recording.queue}\n")
        write_table(("what", "as it was", "before that", "since"), _of_recording(recording))


def _write_case(case: "CaseThen") -> None:
    sys.stdout.write(f"\ncase {case.number}: {case.kind}, received on {case.received_on}\n")
    write_table(("what", "as it was", "before that", "since"), _of_case(case))
    for title, steps in (("until then", case.steps), ("since", case.since)):
        if steps:
            sys.stdout.write(f"{title}\n")
            write_steps(steps)


def _of_case(case: "CaseThen") -> "Iterator[Row]":
    then = case.stood
    yield "state", then.state if then is not None else "not there yet", "", f"{len(case.since)} step(s)"
    if then is None:
        return
    yield "decision", then.decision or "none", "", ""
    if then.extended_to is not None:
        yield "extended to", str(then.extended_to), "", ""
    if then.appeal_until is not None:
        yield "frozen until", str(then.appeal_until), "", ""
    if case.paper_reference:
        yield "refused by decision", case.paper_reference, "", ""
    certificates = case.certificates
    yield (
        "certificate of refusal",
        _certificate(certificates.in_force) if certificates.in_force is not None else "none",
        "; ".join(map(_certificate, certificates.superseded)),
        "; ".join(map(_certificate, certificates.since)),
    )
    verdicts = {None: "not looked at", True: "theirs", False: "not theirs"}
    for one in case.calls:
        granted = ", granted" if one.is_granted else ""
        yield f"call {one.call_id}", f"{verdicts[one.is_theirs]}{granted}", "", ""


def _of_recording(one: "RecordingThen") -> "Iterator[Row]":
    state = one.states.in_force
    yield (
        "state",
        state.state if state is not None else "not there",
        "",
        "; ".join(f"{later.state} {local(later.at)} {later.because}".rstrip() for later in one.states.since),
    )
    if one.refused_at is not None:
        yield "the caller said no", local(one.refused_at), "", ""
    for field in one.fields:
        yield _of_field(field)
    yield _lasting("restricted", one.restrictions, _restriction)
    yield _lasting("being given out", one.disclosures, _disclosure)


def _lasting(name: str, parts: "Lasting[T]", told: Callable[[T], str]) -> Row:
    going_on, over, since = ("; ".join(map(told, part)) for part in (parts.going_on, parts.over, parts.since))
    return name, going_on or "no", over, since


def _of_field(field: "FieldThen") -> Row:
    versions = field.versions
    before = [_version(one) for one in versions.superseded]
    if versions.in_force is not None and field.original is not None:
        before.insert(0, f"original: {field.original}")
    now = _version(versions.in_force) if versions.in_force is not None else _words(field.value)
    is_to_come = field.field == "note" and versions.in_force is None
    return (
        f"{field.field} {field.subject}".rstrip(),
        "not there yet" if is_to_come else now,
        "; ".join(before),
        "; ".join(map(_version, versions.since)),
    )


def _version(one: "Version") -> str:
    because = f" ({one.because})" if one.because else ""
    return f"{_words(one.value)}{because}, version {one.version} of {local(one.made_at)} by {one.made_by}"


def _words(value: str | None) -> str:
    return "sealed, or gone" if value is None else value or "nothing"


def _certificate(one: "CertificateThen") -> str:
    return f"{one.number}, {one.ground}, {', '.join(one.languages)}, {local(one.issued_at)} by {one.issued_by}"


def _restriction(one: "Restriction") -> str:
    lifted = f", lifted {local(one.lifted_at)} by {one.lifted_by}" if one.lifted_at is not None else ""
    return f"{one.ground}, case {one.case_number}, {local(one.set_at)} by {one.set_by}{lifted}"


def _disclosure(one: "Disclosed") -> str:
    ended = f", {one.because} {local(one.ended_at)}" if one.because is not None else ""
    to = f" to {one.receiver}" if one.receiver is not None else ""
    return f"{one.way}{to} ({one.receiver_kind}), {one.reference}, {local(one.begun_at)} by {one.by}{ended}"
