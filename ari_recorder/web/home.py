"""The first page: it leads everybody to the own work."""

from dataclasses import dataclass

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.due_dates import Standing
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import State
from ari_recorder.web.account import NoticeView, RightView, notices, rights
from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.house import HOUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """A place to go, with what is done there."""

    name: str
    label: str
    about: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyView:
    """Something waits for who looks. `is_late`: longer than it should."""

    text: str
    address: str
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    full_name: str
    is_unconfirmed: bool
    duties: tuple[DutyView, ...]
    work: tuple[WorkView, ...]
    rights: tuple[RightView, ...]
    notices: tuple[NoticeView, ...]


async def show_home(asked: Asked) -> Page:
    templates = asked.request.app[HOUSE].templates
    return Page(
        view=HomeView(
            full_name=asked.user.full_name,
            is_unconfirmed=asked.user.is_unconfirmed,
            duties=(
                *await _flags(asked),
                *await _quarantine(asked),
                *await _cases(asked),
                *await _restrictions(asked),
                *await _listenings(asked),
            ),
            work=tuple(
                WorkView(
                    name=place.route,
                    label=asked.text(place.label),
                    about=asked.text(place.about),
                    address=templates.url(place.route),
                )
                for place in templates.places(asked)
                if place.route != asked.route.name
            ),
            rights=rights(asked),
            notices=await notices(asked),
        )
    )


async def _flags(asked: Asked) -> tuple[DutyView, ...]:
    if not asked.user.may(Permission.FLAG_DECIDE):
        return ()
    waiting = await asked.site.hold_desk.review(asked.user)
    address = asked.request.app[HOUSE].templates.url("review")
    duties = []
    if waiting:
        text = asked.words.plural(
            "{count} flagged call waits for a decision. It is destroyed on {day}, if there is none.",
            "{count} flagged calls wait for a decision. The first is destroyed on {day}, if there is none.",
            len(waiting),
            day=asked.words.date(min(one.call.destroyed_on for one in waiting)),
        )
        duties.append(DutyView(text=text, address=address, is_late=any(one.in_grace for one in waiting)))
    if to_me := sum(one.asks_me for one in waiting):
        text = asked.words.plural(
            "A colleague asks you about {count} flagged call.", "Colleagues ask you about {count} flagged calls.", to_me
        )
        duties.append(DutyView(text=text, address=address, is_late=False))
    return tuple(duties)


async def _quarantine(asked: Asked) -> tuple[DutyView, ...]:
    """For the privacy officer: what is kept of people is that one's to correct, and this should not be kept."""
    if not asked.user.may(Permission.RECORDING_CORRECT):
        return ()
    waiting = await asked.site.quarantines.waiting(asked.user)
    if waiting is None:
        return ()
    text = asked.words.plural(
        "{count} recording is in quarantine. It is destroyed on {day}: find out before where it came from.",
        "{count} recordings are in quarantine. The first is destroyed on {day}: find out before where they came from.",
        waiting.count,
        day=asked.words.date(waiting.first_on),
    )
    address = asked.request.app[HOUSE].templates.url("recordings", {"ledger": LedgerState.QUARANTINED.value})
    return (DutyView(text=text, address=address, is_late=False),)


async def _cases(asked: Asked) -> tuple[DutyView, ...]:
    """Persons who are to be answered soon, or should have been."""
    if not asked.user.may(Permission.REQUEST_ANSWER):
        return ()
    # Whoever has the answer waits for nothing.
    due = [one for one in await asked.site.requests.list.cases() if one.state is not State.ANSWERED]
    due = [one for one in due if one.standing is not Standing.CALM]
    if not due:
        return ()
    text = asked.words.plural(
        "{count} person who asked about recordings is to be answered by {day}.",
        "{count} persons who asked about recordings are to be answered, the first by {day}.",
        len(due),
        day=asked.words.date(min(one.due.answer_by for one in due)),
    )
    is_late = any(one.standing is not Standing.WARNED for one in due)
    return (DutyView(text=text, address=asked.request.app[HOUSE].templates.url("cases"), is_late=is_late),)


async def _restrictions(asked: Asked) -> tuple[DutyView, ...]:
    """What is kept by a restriction alone, though its time is up: each wants to be lifted some day."""
    if not asked.user.may(Permission.RECORDING_RESTRICT):
        return ()
    late = [one for one in await asked.site.restrictions.listed() if one.overdue]
    if not late:
        return ()
    text = asked.words.plural(
        "{count} recording is past its period and kept by its restriction alone, since {day}. See if it is lifted.",
        "{count} recordings are past their period and kept by a restriction alone, the first since {day}. See if it is "
        "lifted.",
        sum(one.overdue for one in late),
        day=asked.words.date(min(one.overdue_since for one in late if one.overdue_since is not None)),
    )
    address = asked.request.app[HOUSE].templates.url("restrictions")
    return (DutyView(text=text, address=address, is_late=True),)


async def _listenings(asked: Asked) -> tuple[DutyView, ...]:
    if not asked.user.may(Permission.USE_SIGN):
        return ()
    to_sign, _ = await asked.site.use_reports.to_sign(asked.user)
    if not to_sign:
        return ()
    text = asked.words.plural(
        "{count} listening waits to be signed off, by {day}.",
        "{count} listenings wait to be signed off, the first by {day}.",
        len(to_sign),
        day=asked.words.date(min(one.due_on for one in to_sign)),
    )
    is_late = any(one.due_on < local_day(asked.now) for one in to_sign)
    return (DutyView(text=text, address=asked.request.app[HOUSE].templates.url("use"), is_late=is_late),)


ROUTES = (
    Route(
        method="GET",
        path="/",
        name="home",
        handler=show_home,
        permission=Access.SIGNED_IN,
        template="home.html",
        view=HomeView,
        summary="Where to begin",
    ),
)
