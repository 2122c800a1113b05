"""The ledger: is every call of a day accounted for? A day a row, and the calls of a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import local_day
from ari_recorder.services.ledger import DayLedger
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Day, Form
from ari_recorder.web.languages import N_
from ari_recorder.web.paths import day_of
from ari_recorder.web.told import REASONS

# A screenful.
_DAYS = 7
# Of a day with more, a state is chosen; a page of ten thousand rows nobody reads.
_MOST_CALLS = 1000
STATES: Mapping[LedgerState, str] = {
    LedgerState.RECORDED: N_("Recorded"),
    LedgerState.NOT_RECORDED: N_("Not recorded, with a reason"),
    LedgerState.QUARANTINED: N_("In quarantine, with a reason"),
    LedgerState.UNEXPLAINED: N_("Unexplained"),
    LedgerState.PENDING: N_("Going on"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """`reaches_back`: the PBX's log still holds the beginning of the day; without it no day balances."""

    day: date
    is_balanced: bool
    reaches_back: bool
    closed_at: datetime | None
    recorded: int
    not_recorded: int
    quarantined: int
    unexplained: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """`earlier` and `later`: the last days of the pages before and after."""

    days: tuple[DayView, ...]
    earlier: date
    later: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    uniqueid: str
    queue: str
    entered_at: datetime
    state: LedgerState
    state_name: str
    reason: str
    reason_name: str
    is_flagged: bool
    talked_seconds: float
    heard_seconds: float
    recording_ids: tuple[UUID, ...]
    explanation: str
    explained_by: str

    @property
    def talked(self) -> timedelta:
        return timedelta(seconds=self.talked_seconds)

    @property
    def heard(self) -> timedelta:
        return timedelta(seconds=self.heard_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDayView:
    """`state`: only calls of that one are shown; `count` of them there are, of which the page has the first."""

    day: DayView
    state: LedgerState | None
    count: int
    earlier: date
    later: date | None
    calls: tuple[CallView, ...]


class ExplainForm(Form):
    uniqueid: Annotated[str, Field(min_length=1, max_length=150)]
    why: Annotated[str, Field(min_length=1, max_length=200)]


class LedgerQuery(Form):
    until: Day | None = None


class LedgerDayQuery(Form):
    state: LedgerState | None = None


async def show_ledger(asked: Asked) -> Page:
    today = local_day(asked.now)
    until = min(asked.query_as(LedgerQuery).until or today, today)
    days = [until - timedelta(days=back) for back in range(_DAYS)]
    found = await asked.site.ledgers.of_days(asked.user, days)
    later = min(until + timedelta(days=_DAYS), today)
    return Page(
        view=LedgerView(
            days=tuple(_day(one) for one in found),
            earlier=until - timedelta(days=_DAYS),
            later=later if until < today else None,
        )
    )


async def show_day(asked: Asked) -> Page:
    day = day_of(str(asked.params["day"]))
    state = asked.query_as(LedgerDayQuery).state
    (found,) = await asked.site.ledgers.of_days(asked.user, [day])
    rows = [row for row in found.rows if state is None or row.verdict.state is state]
    calls = tuple(
        CallView(
            uniqueid=row.uniqueid,
            queue=row.queue,
            entered_at=row.entered_at,
            state=row.verdict.state,
            state_name=asked.text(STATES[row.verdict.state]),
            reason=row.verdict.reason,
            reason_name=asked.text(REASONS[row.verdict.reason]) if row.verdict.reason else "",
            is_flagged=row.flagged,
            talked_seconds=row.talk_time.total_seconds(),
            heard_seconds=row.heard.total_seconds(),
            recording_ids=row.recording_ids,
            explanation=words.why if (words := found.explanations.get(row.uniqueid)) is not None else "",
            explained_by=words.explained_by if words is not None else "",
        )
        for row in rows[:_MOST_CALLS]
    )
    view = LedgerDayView(
        day=_day(found),
        state=state,
        count=len(rows),
        earlier=day - timedelta(days=1),
        later=day + timedelta(days=1) if day < local_day(asked.now) else None,
        calls=calls,
    )
    return Page(view=view)


async def explain(asked: Asked) -> Redirect:
    form = asked.form_as(ExplainForm)
    day_of(str(asked.params["day"]))
    await asked.site.ledgers.explain(asked.user, form.uniqueid, form.why)
    return Redirect(to="ledger-day", params=asked.params, notice=asked.text("The call is explained."))


def _day(found: DayLedger) -> DayView:
    return DayView(
        day=found.day,
        is_balanced=found.balanced,
        reaches_back=found.reaches_back,
        closed_at=found.closed_at,
        recorded=found.count(LedgerState.RECORDED),
        not_recorded=found.count(LedgerState.NOT_RECORDED),
        quarantined=found.count(LedgerState.QUARANTINED),
        unexplained=found.count(LedgerState.UNEXPLAINED),
        pending=found.count(LedgerState.PENDING),
    )


ROUTES = (
    Route(
        method="GET",
        path="/ledger",
        name="ledger",
        handler=show_ledger,
        permission=Permission.LEDGER_VIEW,
        query=LedgerQuery,
        template="ledger/days.html",
        view=LedgerView,
        summary="Days and whether they balance",
    ),
    Route(
        method="GET",
        path="/ledger/{day}",
        name="ledger-day",
        handler=show_day,
        permission=Permission.LEDGER_VIEW,
        query=LedgerDayQuery,
        template="ledger/day.html",
        view=LedgerDayView,
        summary="The calls of a day, each with what became of it",
    ),
    Route(
        method="POST",
        path="/ledger/{day}/explain",
        name="ledger-explain",
        handler=explain,
        permission=Permission.LEDGER_EXPLAIN,
        form=ExplainForm,
        shown_by="ledger-day",
        summary="Close an unexplained call with words",
    ),
)
