"""Exports: a recording given out of the house, asked for on its page, agreed to by somebody else, downloaded once."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.services.export_desk import Export, Exports
from ari_recorder.web.answer import once_more
from ari_recorder.web.asked import Asked, Page, Redirect, Route, Stream
from ari_recorder.web.form import Form

_Line = Annotated[str, Field(min_length=1, max_length=200)]


class ExportForm(Form):
    """`ground`: on which something restricted is opened."""

    receiver_kind: ReceiverKind
    receiver: _Line
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    reason: _Line
    ground: OpeningGround | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportsView:
    exports: Exports


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """`locked`: who gets it, and why, cannot be opened; so nobody can agree to it, or download it."""

    export: Export
    locked: bool


async def show_exports(asked: Asked) -> Page:
    return Page(view=ExportsView(exports=await asked.site.export_desk.exports(asked.user)))


async def show_export(asked: Asked) -> Page:
    found = await asked.site.export_desk.export(asked.user, asked.id("export_id"))
    return Page(view=ExportView(export=found, locked=asked.site.keyring.locked))


async def ask(asked: Asked) -> Redirect:
    form = asked.form_as(ExportForm)
    terms = Terms(
        receiver_kind=form.receiver_kind,
        receiver=form.receiver,
        reference=form.reference,
        reason=form.reason,
        ground=form.ground,
    )
    export_id = await asked.site.export_desk.ask(asked.user, asked.id("recording_id"), terms)
    return Redirect(to="export", params={"export_id": export_id}, notice=asked.text("The export is asked for."))


async def agree(asked: Asked) -> Redirect:
    await asked.site.export_desk.decide(asked.user, asked.id("export_id"), approve=True)
    return Redirect(
        to="exports", notice=asked.text("You agreed. Who asked can download it once, within a week of asking.")
    )


async def refuse(asked: Asked) -> Redirect:
    await asked.site.export_desk.decide(asked.user, asked.id("export_id"), approve=False)
    return Redirect(to="exports", notice=asked.text("You did not agree. Nothing is given out."))


async def download(asked: Asked) -> Stream:
    """All of it or nothing: a range would be asked for when the approval is spent already."""
    sending = await asked.site.export_sending.begin(asked.user, asked.id("export_id"), once_more(asked))
    # The name is ours, and needs no quoting (RFC 6266): domain/disclosures.py.
    headers = {"Content-Disposition": f'attachment; filename="{sending.name}"', "Accept-Ranges": "none"}
    return Stream(chunks=sending.chunks, content_type="audio/wav", size_bytes=sending.size, headers=headers)


ROUTES = (
    Route(
        method="GET",
        path="/exports",
        name="exports",
        handler=show_exports,
        permission=Permission.RECORDING_EXPORT,
        template="exports/list.html",
        view=ExportsView,
        summary="Exports that wait, and the log of what was given out",
    ),
    Route(
        method="GET",
        path="/exports/{export_id}",
        name="export",
        handler=show_export,
        permission=Permission.RECORDING_EXPORT,
        template="exports/export.html",
        view=ExportView,
        summary="An export: who gets the recording and why, and what was sent of it",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/exports",
        name="export-ask",
        handler=ask,
        permission=Permission.RECORDING_EXPORT,
        form=ExportForm,
        shown_by="recording",
        summary="Ask for an export of a recording",
    ),
    Route(
        method="POST",
        path="/exports/{export_id}/agree",
        name="export-agree",
        handler=agree,
        permission=Permission.RECORDING_EXPORT,
        step_up=True,
        shown_by="export",
        summary="Agree to an export that somebody else asked for",
    ),
    Route(
        method="POST",
        path="/exports/{export_id}/refuse",
        name="export-refuse",
        handler=refuse,
        permission=Permission.RECORDING_EXPORT,
        step_up=True,
        shown_by="export",
        summary="Do not agree to an export that somebody else asked for",
    ),
    Route(
        method="POST",
        path="/exports/{export_id}/download",
        name="export-download",
        handler=download,
        permission=Permission.RECORDING_EXPORT,
        step_up=True,
        shown_by="export",
        media=("audio/wav",),
        summary="The recording as WAV, once: the caller left, the agent right",
    ),
)
