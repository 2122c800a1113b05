"""A paper as HTML and as PDF: the same words in the same order, so that whoever hears it read loses nothing.

    domain/papers.Paper ─┬─► as_html   one file, no script, nothing fetched
                         └─► as_pdf    PDF 1.7, PDF/UA-1 (ISO 14289-1): tagged, language, title, fonts inside

The same paper gives the same bytes, on any host: the only time in it is its own day, and fonts are the compiler's own.
What stands in a paper is data to both: HTML is escaped, and the typesetter gets it as JSON, never as its source. The
typesetter sees no file: its folder is an empty one.
"""

import asyncio
import dataclasses
import functools
import html
import json
import tempfile
from datetime import UTC, datetime, time
from pathlib import Path

import typst

from ari_recorder.domain.errors import PaperNotMade
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paper, Paragraph, Table, shown

_SOURCE = Path(__file__).with_name("paper.typ").read_bytes()
# Up to here the fonts that come with the typesetter have every letter; beyond it each is tried.
_LAST_KNOWN = "\u017f"

_STYLE = """
:root { color-scheme: light dark }
body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere }
dt { font-weight: 600; margin-top: .6rem } dd { margin: 0 0 0 1rem }
table { border-collapse: collapse } caption { text-align: start; font-weight: 600; padding-bottom: .4rem }
th, td { border: 1px solid currentColor; padding: .3rem .6rem; text-align: start; vertical-align: top }
.scroll { overflow-x: auto }
@media print { body { margin: 0; max-width: none } }
"""


def as_html(paper: Paper) -> str:
    """One file that stands for itself: no script, no picture, nothing fetched."""
    title = _escaped(paper.title)
    return (
        f'<!doctype html>\n<html lang="{paper.language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f'<meta name="author" content="{_escaped(paper.author)}">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        + "".join(_html(block) for block in paper.blocks)
        + "</main>\n</body>\n</html>\n"
    )


async def as_pdf(paper: Paper) -> bytes:
    """In a thread: it takes some ten milliseconds, and more where there are signs of rare scripts."""
    return await asyncio.to_thread(pdf, paper)


def pdf(paper: Paper) -> bytes:
    """Blocks. A sign that no font has is written as its number, [U+1F600]: a paper is never refused because of one."""
    told = {
        "language": paper.language,
        "title": paper.title,
        "author": paper.author,
        "year": paper.dated.year,
        "month": paper.dated.month,
        "day": paper.dated.day,
        "blocks": [{"kind": type(block).__name__.lower(), **dataclasses.asdict(block)} for block in paper.blocks],
    }
    try:
        return _typeset(json.dumps(_shown(told)), datetime.combine(paper.dated, time(), UTC))
    except typst.TypstError:
        raise PaperNotMade from None  # its message may hold words of the paper


def _html(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"<h{level + 1}>{_escaped(text)}</h{level + 1}>\n"
        case Paragraph(text=text):
            return f"<p>{_escaped(text)}</p>\n"
        case Bullets(items=items):
            return "<ul>\n" + "".join(f"<li>{_escaped(item)}</li>\n" for item in items) + "</ul>\n"
        case Facts(rows=rows):
            told = (f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>\n" for name, value in rows)
            return "<dl>\n" + "".join(told) + "</dl>\n"
        case Table(caption=caption, header=header, rows=rows):
            named = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in header)
            lines = ("<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
            return (
                f'<div class="scroll" tabindex="0" role="region" aria-label="{_escaped(caption)}"><table>'
                f"<caption>{_escaped(caption)}</caption>\n<thead><tr>{named}</tr></thead>\n<tbody>\n"
                + "".join(lines)
                + "</tbody></table></div>\n"
            )


def _escaped(text: str) -> str:
    return html.escape(shown(text)).replace("\n", "<br>\n")


def _shown(value: object) -> object:
    """Every text in it as the fonts can show it."""
    match value:
        case str():
            return "".join(
                sign if sign <= _LAST_KNOWN or _has_shape(sign) else f"[U+{ord(sign):04X}]" for sign in shown(value)
            )
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case list() | tuple():
            return [_shown(one) for one in value]
    return value


@functools.lru_cache(maxsize=4096)
def _has_shape(sign: str) -> bool:
    tried = {"language": "fi", "title": "-", "author": "-", "year": 2026, "month": 1, "day": 1}
    try:
        _typeset(
            json.dumps({**tried, "blocks": [{"kind": "paragraph", "text": f"a{sign}"}]}),
            datetime(2026, 1, 1, tzinfo=UTC),
        )
    except typst.TypstError:
        return False
    return True


def _typeset(paper: str, at: datetime) -> bytes:
    with tempfile.TemporaryDirectory() as empty:
        compiler = typst.Compiler(_SOURCE, root=empty, ignore_system_fonts=True, sys_inputs={"paper": paper})
        made = compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=at)
    assert isinstance(made, bytes)  # noqa: S101 -- a PDF is one file
    return made
