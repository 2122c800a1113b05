"""The controller's papers, for the privacy officer: how many places are left to be filled in, each to read and to take
along. What stands in them: domain/records.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paragraph, Table
from ari_recorder.domain.records import Record, RecordKind, as_json
from ari_recorder.services.papers import as_html, as_pdf
from ari_recorder.web.asked import Asked, Blob, Page, Route
from ari_recorder.web.form import Form
from ari_recorder.web.house import HOUSE
from ari_recorder.web.languages import N_
from ari_recorder.web.notice import promise_words

NAMES: Mapping[RecordKind, str] = {
    RecordKind.PROCESSING: N_("Record of processing activities"),
    RecordKind.DPIA: N_("Data protection impact assessment"),
    RecordKind.INFORMATION_MANAGEMENT: N_("Description of information management"),
}


class FileForm(StrEnum):
    HTML = "html"
    PDF = "pdf"
    JSON = "json"


_TYPES: Mapping[FileForm, str] = {
    FileForm.HTML: "text/html",
    FileForm.PDF: "application/pdf",
    FileForm.JSON: "application/json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLine:
    """`missing`: settings that nobody has filled in."""

    kind: RecordKind
    name: str
    blanks: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsView:
    records: tuple[RecordLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """`kind`: heading, paragraph, bullets, facts or table; what the others have is empty."""

    kind: str
    text: str = ""
    level: int = 0
    items: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    kind: RecordKind
    language: str
    title: str
    blanks: int
    blocks: tuple[BlockView, ...]


class RecordQuery(Form):
    kind: RecordKind = RecordKind.PROCESSING
    language: Literal["fi", "sv", "en"] | None = None


class RecordFileQuery(RecordQuery):
    file: FileForm = FileForm.PDF


async def show_records(asked: Asked) -> Page:
    made = [await _made(asked, kind, asked.language) for kind in RecordKind]
    return Page(
        view=RecordsView(
            records=tuple(
                RecordLine(kind=one.kind, name=asked.text(NAMES[one.kind]), blanks=one.blanks, missing=one.missing)
                for one in made
            )
        )
    )


async def show_record(asked: Asked) -> Page:
    query = asked.query_as(RecordQuery)
    language = query.language or asked.language
    made = await _made(asked, query.kind, language)
    return Page(
        view=RecordView(
            kind=made.kind,
            language=language,
            title=made.paper.title,
            blanks=made.blanks,
            blocks=tuple(map(_block, made.paper.blocks)),
        )
    )


async def take(asked: Asked) -> Blob:
    query = asked.query_as(RecordFileQuery)
    made = await _made(asked, query.kind, query.language or asked.language)
    match query.file:
        case FileForm.HTML:
            body = as_html(made.paper).encode()
        case FileForm.PDF:
            body = await as_pdf(made.paper)
        case FileForm.JSON:
            body = as_json(made).encode()
    return Blob(body=body, content_type=_TYPES[query.file])


async def _made(asked: Asked, kind: RecordKind, language: str) -> Record:
    promises = await asked.site.promises.shown(asked.user) if kind is RecordKind.DPIA else ()
    words = promise_words(asked.request.app[HOUSE].words[language])
    return await asked.site.records.made(kind, language, words, promises)


def _block(block: Block) -> BlockView:
    match block:
        case Heading(text=text, level=level):
            return BlockView(kind="heading", text=text, level=level)
        case Paragraph(text=text):
            return BlockView(kind="paragraph", text=text)
        case Bullets(items=items):
            return BlockView(kind="bullets", items=tuple(items))
        case Facts(rows=rows):
            return BlockView(kind="facts", rows=tuple(rows))
        case Table(caption=caption, header=header, rows=rows):
            return BlockView(kind="table", text=caption, header=tuple(header), rows=tuple(map(tuple, rows)))


ROUTES = (
    Route(
        method="GET",
        path="/records",
        name="records",
        handler=show_records,
        permission=Permission.AUDIT_READ,
        template="records/list.html",
        view=RecordsView,
        summary="The controller's papers, and how many places in them are left to be filled in",
    ),
    Route(
        method="GET",
        path="/records/paper",
        name="record",
        handler=show_record,
        permission=Permission.AUDIT_READ,
        query=RecordQuery,
        template="records/paper.html",
        view=RecordView,
        summary="One of the controller's papers",
    ),
    Route(
        method="GET",
        path="/records/file",
        name="record-file",
        handler=take,
        permission=Permission.AUDIT_READ,
        query=RecordFileQuery,
        media=tuple(_TYPES.values()),
        summary="One of the controller's papers as a file",
    ),
)
