"""How answers about requests of persons look: cases by the day they are due, one with its history."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ari_recorder.output import local, write_table

if TYPE_CHECKING:
    from ari_recorder.services.request_list import Done, Listed, StepTold, View

_STYLES = {"warned": "yellow", "late": "red", "overdue": "bold red"}


def write_cases(cases: "Sequence[Listed]") -> None:
    write_table(
        ("case", "kind", "state", "received", "answer by", "law", "stands", "version"),
        [
            (
                one.number,
                one.kind.value,
                one.state.value,
                one.received_on.isoformat(),
                one.due.answer_by.isoformat(),
                one.due.law_by.isoformat() + (" (extended)" if one.extended else ""),
                one.standing.value,
                str(one.version),
            )
            for one in cases
        ],
        _STYLES,
    )


def write_case(view: "View") -> None:
    write_cases([view.case])
    proxy = ", by proxy" if view.is_proxy else ""
    sys.stdout.write(f"came by {view.channel}{proxy}; answered in {view.language}\n\n")
    write_steps(view.steps)
    verdicts = {None: "not looked at", True: "theirs", False: "not theirs"}
    write_table(
        ("recordings", "queues", "whose", "granted"),
        [
            (
                " ".join(str(recording) for recording in one.recordings) or "(destroyed)",
                ", ".join(one.queues),
                verdicts[one.is_theirs],
                "yes" if one.is_granted else "",
            )
            for one in view.matches
        ],
    )
    if view.waiting:
        sys.stdout.write(f"{view.waiting} call(s) that may belong to it are not searched yet\n")


def write_steps(steps: "Sequence[StepTold]") -> None:
    rows = []
    for told in steps:
        words = "; ".join(f"{name}: {text}" for name, text in told.words.items() if text)
        facts = ", ".join(
            f"{name} {value}" for name, value in told.step.facts.items() if not isinstance(value, list) and value != ""
        )
        rows.append(
            (
                str(told.step.version),
                local(told.step.made_at),
                told.step.made_by_name,
                told.step.step.value,
                told.step.because,
                "; ".join(filter(None, (facts, words))),
            )
        )
    write_table(("step", "at", "by", "what", "because", "told"), rows)


def write_step(done: "Done") -> None:
    one = done.case
    sys.stdout.write(f"{one.number}: {one.state.value}, {done.calls} call(s), version {one.version}\n")
    sys.stdout.write(f"answer by {one.due.answer_by}, by law until {one.due.law_by}\n")
    if done.certificate is not None:
        sys.stdout.write(f"certificate of refusal {done.certificate.number}: `ari-recorder request certificate`\n")
    if one.appeal_until is not None:
        sys.stdout.write(f"its recordings stay frozen until {one.appeal_until}\n")
