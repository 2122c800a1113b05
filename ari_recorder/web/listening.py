"""Listening to a recording: its purpose, the player, the audio in ranges. What is sent and put on record: services."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.listening import Purpose, Why
from ari_recorder.domain.ranges import Span, Unsatisfiable
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.timeline import Moment
from ari_recorder.services.listenings import Part
from ari_recorder.web.answer import once_more
from ari_recorder.web.asked import Asked, Blob, Page, Redirect, Route, Stream
from ari_recorder.web.form import Form, Second


class PurposeForm(Form):
    """`at`: where listening begins. `ground`: on which something restricted is opened."""

    purpose: Purpose
    ground: OpeningGround | None = None
    at: Second = 0.0
    reference: Annotated[str, Field(max_length=64)] = ""
    text: Annotated[str, Field(max_length=500)] = ""


class ListeningQuery(Form):
    at: Second = 0.0


class EndForm(Form):
    """Nothing is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerView:
    """`at`: the second it begins at. `waiting`: for a decision on its flag. `ground`: on which it is opened, if it is
    restricted."""

    listening_id: UUID
    recording_id: UUID
    purpose: Purpose
    reference: str
    ground: OpeningGround | None
    duration: timedelta | None
    at: float
    waiting: bool
    moments: tuple[Moment, ...]


async def begin(asked: Asked) -> Redirect:
    form = asked.form_as(PurposeForm)
    why = Why(purpose=form.purpose, reference=form.reference, text=form.text, ground=form.ground)
    listening = await asked.site.listenings.begin(asked.user, asked.id("recording_id"), why)
    query = {"at": f"{form.at:g}"} if form.at else {}
    return Redirect(to="listening", params={"listening_id": listening.id}, query=query)


async def show_player(asked: Asked) -> Page:
    listening = await asked.site.listenings.get(asked.id("listening_id"), once_more(asked))
    found = await asked.site.pages.timeline(asked.reach, listening.recording_id)
    return Page(
        view=PlayerView(
            listening_id=listening.id,
            recording_id=listening.recording_id,
            purpose=listening.purpose,
            reference=listening.reference,
            ground=listening.ground,
            duration=found.duration,
            at=asked.query_as(ListeningQuery).at,
            waiting=found.waiting,
            moments=found.moments,
        )
    )


async def send_audio(asked: Asked) -> Stream:
    headers = asked.request.headers
    is_sent = asked.request.method != "HEAD"
    async with AsyncExitStack() as stack:
        part = await stack.enter_async_context(
            asked.site.listenings.part(
                asked.id("listening_id"),
                once_more(asked),
                wanted=headers.get("Range"),
                if_range=headers.get("If-Range"),
                sent=is_sent,
            )
        )
        # Without a body nobody would close what is open.
        chunks = _sent(part, stack.pop_all()) if is_sent else _nothing()
    told = {"Accept-Ranges": "bytes", "ETag": part.etag}
    match part.asked:
        case Span() as span:
            status, size = 206, span.size
            told["Content-Range"] = span.content_range(part.size)
        case Unsatisfiable():
            status, size = 416, 0
            told["Content-Range"] = f"bytes */{part.size}"
        case _:
            status, size = 200, part.size
    return Stream(chunks=chunks, content_type=part.media_type, status=status, size_bytes=size, headers=told)


async def _sent(part: Part, kept_open: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    async with kept_open:
        async for chunk in part.chunks:
            yield chunk


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield


async def send_peaks(asked: Asked) -> Blob:
    peaks = await asked.site.listenings.peaks(asked.id("listening_id"), once_more(asked))
    return Blob(body=peaks, content_type="application/octet-stream")


async def end(asked: Asked) -> Redirect:
    listening = await asked.site.listenings.close(asked.id("listening_id"), asked.user)
    return Redirect(to="recording", params={"recording_id": listening.recording_id})


ROUTES = (
    Route(
        method="POST",
        path="/recordings/{recording_id}/listenings",
        name="listening-begin",
        handler=begin,
        permission=Permission.RECORDING_PLAY,
        form=PurposeForm,
        shown_by="recording",
        summary="Say what you listen for; only then there is audio",
    ),
    Route(
        method="GET",
        path="/listenings/{listening_id}",
        name="listening",
        handler=show_player,
        permission=Permission.RECORDING_PLAY,
        query=ListeningQuery,
        template="recordings/player.html",
        view=PlayerView,
        summary="The player",
    ),
    Route(
        method="GET",
        path="/listenings/{listening_id}/audio",
        name="listening-audio",
        handler=send_audio,
        permission=Permission.RECORDING_PLAY,
        media=("audio/flac", "audio/ogg"),
        also={206: "The range that was asked for.", 416: "The range lies beyond the end."},
        summary="The audio, or a range of it: FLAC or Ogg Opus, the caller left, the agent right",
    ),
    Route(
        method="GET",
        path="/listenings/{listening_id}/peaks",
        name="listening-peaks",
        handler=send_peaks,
        permission=Permission.RECORDING_PLAY,
        media=("application/octet-stream",),
        summary="The waveform: two bytes for each 50 ms, the caller's and the agent's loudest sample",
    ),
    Route(
        method="POST",
        path="/listenings/{listening_id}/end",
        name="listening-end",
        handler=end,
        permission=Permission.RECORDING_PLAY,
        form=EndForm,
        summary="Listening is over",
    ),
)
