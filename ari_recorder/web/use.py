"""How recordings are used: the report of each week, and the listenings that somebody else signs off."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.use import Finding, FindingKind, Verdict
from ari_recorder.services.use import Sample
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.forms import Form
from ari_recorder.web.languages import N_
from ari_recorder.web.paths import day_of

FINDINGS: Mapping[FindingKind, str] = {
    FindingKind.OUT_OF_HOURS: N_("Used outside office hours"),
    FindingKind.DAY_OFF: N_("Used on a day off"),
    FindingKind.OWN_NUMBER: N_("Calls from the user's own number"),
    FindingKind.COLLEAGUE_NUMBER: N_("Calls from a colleague's number"),
    FindingKind.MORE_THAN_BEFORE: N_("More listenings than in the weeks before"),
    FindingKind.MORE_THAN_OTHERS: N_("More listenings than others in the unit"),
    FindingKind.MANY_SEARCHES: N_("Unusually many searches and looks"),
    FindingKind.EXPORTED: N_("Recordings given out"),
    FindingKind.SAME_CALLER: N_("Many recordings of one caller"),
    FindingKind.SAME_RECORDING: N_("One recording heard many times"),
    FindingKind.REFUSED: N_("Tried what is not allowed"),
}
VERDICTS: Mapping[Verdict, str] = {
    Verdict.IN_ORDER: N_("In order"),
    Verdict.TO_BE_CLARIFIED: N_("To be clarified"),
}
_COMMAND_LINE = "command-line"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekView:
    week: date
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    """`verdict`: None until it is signed off. `entry`: its number in the audit log."""

    id: UUID
    week: date
    due_on: date
    is_overdue: bool
    at: datetime
    who: str
    entry: int
    recording_id: UUID | None
    queue: str
    because: str
    verdict: Verdict | None
    verdict_name: str
    signed_by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    kind: FindingKind
    text: str
    count: int
    usual: int | None
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    who: str
    unit: str
    listenings: int
    exports: int
    searches: int
    views: int
    refused: int
    out_of_hours: int
    findings: tuple[FindingView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseView:
    """`verdicts`: what can be said of a listening, with its words."""

    weeks: tuple[WeekView, ...]
    to_sign: tuple[SampleView, ...]
    overdue: int
    verdicts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """`seed`: with it the sample is drawn again."""

    week: date
    made_at: datetime
    due_on: date
    seed: str
    overdue: int
    rows: tuple[RowView, ...]
    samples: tuple[SampleView, ...]


class SignForm(Form):
    verdict: Verdict
    note: Annotated[str, Field(max_length=500)] = ""


async def show_use(asked: Asked) -> Page:
    weeks = await asked.site.use_reports.weeks(asked.user)
    found, names = await asked.site.use_reports.to_sign(asked.user)
    to_sign = _samples(asked, found, names)
    return Page(
        view=UseView(
            weeks=tuple(WeekView(week=one.week, due_on=one.due_on) for one in weeks),
            to_sign=to_sign,
            overdue=sum(one.is_overdue for one in to_sign),
            verdicts=tuple((verdict.value, asked.text(text)) for verdict, text in VERDICTS.items()),
        )
    )


async def show_report(asked: Asked) -> Page:
    week = day_of(str(asked.params["week"]))
    found = await asked.site.use_reports.of_week(asked.user, week)
    return Page(
        view=ReportView(
            week=week,
            made_at=found.report.made_at,
            due_on=found.report.due_on,
            seed=found.report.seed.hex(),
            overdue=found.overdue,
            rows=tuple(
                RowView(
                    who=_name(asked, row.actor, found.names),
                    unit=row.unit,
                    listenings=row.listenings,
                    exports=row.exports,
                    searches=row.searches,
                    views=row.views,
                    refused=row.refused,
                    out_of_hours=row.out_of_hours,
                    findings=tuple(_finding(asked, one) for one in row.findings),
                )
                for row in found.rows
            ),
            samples=_samples(asked, found.samples, found.names),
        )
    )


async def sign(asked: Asked) -> Redirect:
    form = asked.form_as(SignForm)
    await asked.site.use_reports.sign(asked.user, asked.id("sample_id"), form.verdict, form.note)
    return Redirect(to="use", notice=asked.text("The listening is signed off."))


def _finding(asked: Asked, one: Finding) -> FindingView:
    return FindingView(
        kind=one.kind, text=asked.text(FINDINGS[one.kind]), count=one.count, usual=one.usual, entries=one.entries
    )


def _samples(asked: Asked, found: tuple[Sample, ...], names: Mapping[str, str]) -> tuple[SampleView, ...]:
    today = local_day(asked.now)
    return tuple(
        SampleView(
            id=one.id,
            week=one.week,
            due_on=one.due_on,
            is_overdue=one.signed_at is None and one.due_on < today,
            at=one.at,
            who=_name(asked, one.actor, names),
            entry=one.seq,
            recording_id=one.recording_id,
            queue=one.queue or "",
            because=one.because,
            verdict=one.verdict,
            verdict_name=asked.text(VERDICTS[one.verdict]) if one.verdict is not None else "",
            signed_by=_name(asked, str(one.signed_by), names) if one.signed_by is not None else "",
            note=one.note,
        )
        for one in found
    )


def _name(asked: Asked, actor: str, names: Mapping[str, str]) -> str:
    if actor == _COMMAND_LINE:
        return asked.text("the command line")
    return names.get(actor, actor)


ROUTES = (
    Route(
        method="GET",
        path="/use",
        name="use",
        handler=show_use,
        permission=Permission.USE_REPORT,
        template="use/use.html",
        view=UseView,
        summary="Reports of use, and listenings to be signed off",
    ),
    Route(
        method="GET",
        path="/use/{week}",
        name="use-report",
        handler=show_report,
        permission=Permission.USE_REPORT,
        template="use/report.html",
        view=ReportView,
        summary="How recordings were used in one week",
    ),
    Route(
        method="POST",
        path="/use/samples/{sample_id}/sign",
        name="use-sign",
        handler=sign,
        permission=Permission.USE_SIGN,
        form=SignForm,
        shown_by="use",
        summary="Sign off a listening of somebody else",
    ),
)
