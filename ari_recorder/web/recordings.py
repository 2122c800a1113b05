"""The page of one recording: facts, corrections, holds. Finding it: web/finding.py. Listening: web/listening.py."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.errors import HoldUnknown, RecordingUnknown
from ari_recorder.services.fates import Fate
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.recording_page import RecordingPage
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import WHOLE, Day, Form, Second, YesNo
from ari_recorder.web.told import destruction, ending


class CorrectionForm(Form):
    field: Correctable
    subject: Annotated[str, Field(max_length=80)] = ""
    version: Annotated[int, Field(ge=0, le=100_000), WHOLE] = 0
    value: Annotated[str, Field(max_length=500)] = ""
    because: Annotated[str, Field(max_length=500)] = ""
    seconds: Second | None = None


class HoldForm(Form):
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    review_on: Day


class RecordingQuery(Form):
    """`at`: the second of the audio at which listening begins, where a link leads to it. `case`: for which somebody
    listens."""

    at: Second = 0.0
    case: Annotated[str, Field(max_length=64)] = ""


class ReleaseForm(Form):
    yes: YesNo = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """`destruction`, `ending`: sentences about the retention and the end, in the user's language. `at`: where listening
    begins. `case`: of a person's request, for which it is listened to."""

    at: timedelta
    case: str
    recording: RecordingPage
    destruction: str
    ending: str
    hold: Fate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    hold_id: UUID
    fates: tuple[Fate, ...]
    at_once: int


async def show_recording(asked: Asked) -> Page:
    found = await asked.site.pages.show(asked.user, asked.id("recording_id"))
    query = asked.query_as(RecordingQuery)
    return Page(
        view=RecordingView(
            at=timedelta(seconds=query.at),
            case=query.case,
            recording=found,
            destruction=destruction(asked.words, found.retention),
            ending=ending(asked, found),
        )
    )


async def correct(asked: Asked) -> Redirect:
    form = asked.form_as(CorrectionForm)
    proposed = Proposed(
        field=form.field,
        subject=form.subject,
        version=form.version,
        value=form.value,
        because=form.because,
        audio_offset=timedelta(seconds=form.seconds) if form.seconds is not None else None,
    )
    await asked.site.corrections.correct(asked.user, asked.id("recording_id"), proposed)
    return Redirect(
        to="recording", params=asked.params, notice=asked.text("The correction is kept beside the original.")
    )


async def place_hold(asked: Asked) -> Redirect:
    form = asked.form_as(HoldForm)
    recording_id = asked.id("recording_id")
    await asked.site.pages.inside(asked.reach, [recording_id])
    terms = HoldTerms(reason=form.reason, reference=form.reference, owner=form.owner, review_on=form.review_on)
    actor = asked.user.actor(Permission.HOLD_PLACE)
    await asked.site.holds.place([recording_id], terms, actor, asked.reach.queues)
    return Redirect(
        to="recording",
        params=asked.params,
        notice=asked.text("The call is held, with all its recordings in your units."),
    )


async def show_release(asked: Asked) -> Page:
    """What would become of its recordings, before anybody releases it."""
    fates = await _fates(asked)
    return Page(view=ReleaseView(hold_id=asked.id("hold_id"), fates=fates, at_once=sum(fate.at_once for fate in fates)))


async def release_hold(asked: Asked) -> Redirect:
    fates = await _fates(asked)
    yes = asked.form_as(ReleaseForm).yes
    await asked.site.hold_desk.release(asked.user, asked.id("hold_id"), yes=yes)
    return Redirect(
        to="recording",
        params={"recording_id": fates[0].recording_id},
        notice=asked.text("The hold is released."),
    )


async def _fates(asked: Asked) -> tuple[Fate, ...]:
    """Of the recordings of a hold, all of which lie within reach; another hold does not exist."""
    hold_id = asked.id("hold_id")
    fates = await asked.site.holds.preview_release(hold_id)
    try:
        await asked.site.pages.inside(asked.reach, [fate.recording_id for fate in fates])
    except RecordingUnknown:
        raise HoldUnknown(hold_id=hold_id) from None
    if not fates:
        raise HoldUnknown(hold_id=hold_id)
    return fates


ROUTES = (
    Route(
        method="GET",
        path="/recordings/{recording_id}",
        name="recording",
        handler=show_recording,
        permission=Permission.RECORDING_VIEW,
        query=RecordingQuery,
        template="recordings/page.html",
        view=RecordingView,
        summary="All that is known of a recording",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/corrections",
        name="recording-correct",
        handler=correct,
        permission=Permission.RECORDING_CORRECT,
        form=CorrectionForm,
        shown_by="recording",
        summary="Correct what is kept of a call, or add a note",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/holds",
        name="hold-place",
        handler=place_hold,
        permission=Permission.HOLD_PLACE,
        form=HoldForm,
        shown_by="recording",
        summary="Hold a call",
    ),
    Route(
        method="GET",
        path="/holds/{hold_id}/release",
        name="hold-release",
        handler=show_release,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        template="recordings/release.html",
        view=ReleaseView,
        summary="What releasing a hold would destroy, and when",
    ),
    Route(
        method="POST",
        path="/holds/{hold_id}/release",
        name="hold-released",
        handler=release_hold,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        form=ReleaseForm,
        shown_by="hold-release",
        summary="Release a hold",
    ),
)
