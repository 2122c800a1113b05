"""The privacy notice, for everybody, in the language that is asked for; and whether what it promises is so, for those
who watch over it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.audit import Action
from ari_recorder.domain.notice import NoticeSection
from ari_recorder.domain.promises import Promise, PromiseName, PromiseState
from ari_recorder.domain.records import PromiseWords
from ari_recorder.web.asked import Access, Asked, Blob, Page, Route
from ari_recorder.web.forms import Form
from ari_recorder.web.house import HOUSE
from ari_recorder.web.languages import N_, Words
from ari_recorder.web.render import reachable

STATES: Mapping[PromiseState, str] = {
    PromiseState.KEPT: N_("Kept"),
    PromiseState.BROKEN: N_("Broken"),
    PromiseState.UNKNOWN: N_("Cannot be told"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A promise in words, and the page that shows what it is decided from."""

    words: str
    evidence: str
    query: Mapping[str, str]


def _told(words: str, evidence: str, **query: str) -> Told:
    return Told(words=words, evidence=evidence, query=query)


TOLD: Mapping[PromiseName, Told] = {
    PromiseName.FIELDS: _told(N_("Everything the notice has to say is filled in"), "privacy-notice"),
    PromiseName.RULE: _told(N_("No recording is older than its rule"), "audit", action=Action.SWEEP_RUN.value),
    PromiseName.BYTES: _told(
        N_("Nothing older than the rule is in database, vault, spool or exports"),
        "audit",
        action=Action.RECORDING_ERASE.value,
    ),
    PromiseName.HOLDS: _told(N_("Each hold has a reason, an owner and a review ahead"), "holds"),
    PromiseName.HOLDERS: _told(
        N_("Each hold was placed by a supervisor of the queue"), "audit", action=Action.HOLD_PLACE.value
    ),
    PromiseName.QUEUES: _told(N_("Only calls to configured queues are recorded"), "ledger"),
    PromiseName.PURPOSES: _told(N_("Each listening has a purpose"), "audit", action=Action.RECORDING_PLAY.value),
    PromiseName.ENTITLED: _told(
        N_("Whoever listened had the right to it then"), "audit", action=Action.RECORDING_PLAY.value
    ),
    PromiseName.DERIVED: _told(N_("Nothing but the waveform is derived from the sound"), "privacy-notice"),
    PromiseName.EXPORTS: _told(N_("Each export has a reason and a receiver"), "exports"),
    PromiseName.DESTINATIONS: _told(
        N_("The service connects to configured places in the EU or EEA only"), "privacy-notice"
    ),
    PromiseName.TWO_STEPS: _told(
        N_("Each session began with both steps of the log-in"), "audit", action=Action.SESSION_LOGIN.value
    ),
    PromiseName.LISTENERS: _told(N_("Nothing is served in clear beyond this host"), "privacy-notice"),
    PromiseName.AUDIT: _told(N_("The audit log is what was signed"), "audit", action=Action.AUDIT_VERIFY.value),
    PromiseName.SAMPLES: _told(N_("Drawn listenings are signed off in time"), "use"),
    PromiseName.ON_TIME: _told(
        N_("Each request of a person is answered in time"), "audit", action=Action.REQUEST_OPEN.value
    ),
    PromiseName.MATCHES: _told(
        N_("No recording is destroyed while a request is about it"), "audit", action=Action.RECORDING_ERASE.value
    ),
    PromiseName.CORRECTIONS: _told(
        N_("Each correction has author, date and original"), "audit", action=Action.RECORDING_CORRECT.value
    ),
    PromiseName.WITHDRAWALS: _told(
        N_("Each withdrawal of consent is carried out within 24 hours"), "audit", action=Action.REQUEST_DECIDE.value
    ),
    PromiseName.REFUSALS: _told(N_("Each refusal has a certificate"), "audit", action=Action.REFUSAL_ISSUE.value),
    PromiseName.PUBLISHED: _told(N_("The published notice says the same"), "privacy-notice"),
    PromiseName.RIGHTS: _told(
        N_("Each right was granted or attested within twelve months"), "audit", action=Action.RIGHT_ATTEST.value
    ),
}


def promise_words(words: Words) -> PromiseWords:
    """For papers, in the language of `words`."""
    return PromiseWords(
        promises={name: words.text(told.words) for name, told in TOLD.items()},
        states={state: words.text(told) for state, told in STATES.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """`found`: how much there is that should not be; None when that is not known. `address`: of the page with the
    evidence, empty where who looks may not go."""

    name: PromiseName
    sections: tuple[int, ...]
    promise: str
    state: PromiseState
    state_name: str
    found: int | None
    names: tuple[str, ...]
    since: datetime
    looked_at: datetime
    proved_at: datetime | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeVersionView:
    version: int
    since: datetime
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisesView:
    """The versions: the newest first."""

    broken: int
    promises: tuple[PromiseView, ...]
    versions: tuple[NoticeVersionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyNoticeView:
    """`since`: when it began to say this; None when that is not known."""

    language: str
    title: str
    sections: tuple[NoticeSection, ...]
    since: datetime | None


class PrivacyNoticeQuery(Form):
    language: Literal["fi", "sv", "en"] | None = None


async def show_notice(asked: Asked) -> Page:
    language = asked.query_as(PrivacyNoticeQuery).language or asked.language
    made = await asked.site.notices.notice(language)
    return Page(
        view=PrivacyNoticeView(
            language=language,
            title=made.title,
            sections=made.sections,
            since=await asked.site.notices.since() if asked.site.usable.is_set() else None,
        )
    )


async def send_notice(asked: Asked) -> Blob:
    language = asked.query_as(PrivacyNoticeQuery).language or asked.language
    since = await asked.site.notices.since() if asked.site.usable.is_set() else None
    return Blob(body=await asked.site.notices.pdf(language, since), content_type="application/pdf")


async def show_promises(asked: Asked) -> Page:
    found = await asked.site.promises.shown(asked.user)
    versions = await asked.site.notices.versions()
    return Page(
        view=PromisesView(
            broken=sum(one.state is PromiseState.BROKEN for one in found),
            promises=tuple(_promise(asked, one) for one in found),
            versions=tuple(
                NoticeVersionView(version=one.version, since=one.since, digest=one.digest) for one in versions
            ),
        )
    )


def _promise(asked: Asked, one: Promise) -> PromiseView:
    told, house = TOLD[one.name], asked.request.app[HOUSE]
    may = reachable(house.routes[told.evidence], asked)
    return PromiseView(
        name=one.name,
        sections=one.sections,
        promise=asked.text(told.words),
        state=one.state,
        state_name=asked.text(STATES[one.state]),
        found=one.figure,
        names=one.names,
        since=one.since,
        looked_at=one.looked_at,
        proved_at=one.proved_at,
        address=house.templates.url(told.evidence, told.query) if may else "",
    )


ROUTES = (
    Route(
        method="GET",
        path="/privacy-notice",
        name="privacy-notice",
        handler=show_notice,
        permission=Access.PUBLIC,
        query=PrivacyNoticeQuery,
        template="notice/notice.html",
        view=PrivacyNoticeView,
        summary="The privacy notice",
    ),
    Route(
        method="GET",
        path="/privacy-notice.pdf",
        name="privacy-notice-pdf",
        handler=send_notice,
        permission=Access.PUBLIC,
        query=PrivacyNoticeQuery,
        media=("application/pdf",),
        summary="The privacy notice as PDF",
    ),
    Route(
        method="GET",
        path="/promises",
        name="promises",
        handler=show_promises,
        permission=Permission.AUDIT_READ,
        template="notice/promises.html",
        view=PromisesView,
        summary="What the privacy notice promises, and whether it is so",
    ),
)
