"""The privacy notice as HTML that can be published as it is, and what a published copy says. Pure text, no files.

A site may put the notice into a page of its own: what is compared are the texts of the element with the id NOTICE_ID,
or, where there is none, of `main`. Blanks and line breaks do not count, mark-up within a paragraph neither.
"""

from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser

from ari_recorder.domain.notice import Notice, NoticeSection

NOTICE_ID = "ari-recorder-notice"
# What is part of the text it stands in; every other element begins and ends one.
_INLINE = frozenset("a abbr b bdi cite code em i mark q s small span strong sub sup time u wbr".split())  # noqa: SIM905
_EMPTY = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_UNREAD = frozenset({"script", "style", "template", "noscript"})


def document(notice: Notice) -> str:
    """A whole page: one heading of the first level, one of the second for each section, nothing loaded. Finnish and
    Swedish words are longer than a telephone is wide: they are broken."""
    return f"""<!doctype html>
<html lang="{notice.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(notice.title)}</title>
<style>body {{ overflow-wrap: break-word; hyphens: auto; }}</style>
</head>
<body>
<main>
{article(notice)}
</main>
</body>
</html>
"""


def article(notice: Notice) -> str:
    """To be put into a page of the site's own."""
    lines = [f'<article id="{NOTICE_ID}" lang="{notice.language}">', f"<h1>{escape(notice.title)}</h1>"]
    for section in notice.sections:
        lines += _section(section)
    return "\n".join([*lines, "</article>"])


def _section(section: NoticeSection) -> Iterator[str]:
    yield f'<section aria-labelledby="notice-{section.number}">'
    yield f'<h2 id="notice-{section.number}">{section.number} {escape(section.heading)}</h2>'
    for block in section.blocks:
        yield f"<p>{escape(block.text)}</p>"
        if block.points:
            yield "<ul>"
            yield from (f"<li>{escape(point)}</li>" for point in block.points)
            yield "</ul>"
    yield "</section>"


def published_texts(html: str) -> tuple[str, ...]:
    """What a published page says, text by text, in its order. Empty when there is no notice on it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return tuple(reader.of_notice or reader.of_main)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.of_notice: list[str] = []
        self.of_main: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []  # element; within the notice, within main?
        self._said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _INLINE:
            self._end()
        if tag in _EMPTY:
            return
        in_notice, in_main = self._open[-1][1:] if self._open else (False, False)
        in_notice = in_notice or dict(attrs).get("id") == NOTICE_ID
        self._open.append((tag, in_notice, in_main or tag == "main"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self._end()
        if tag in [name for name, _, _ in self._open]:
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1][0] not in _UNREAD:
            self._said.append(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        text = " ".join("".join(self._said).split())
        self._said.clear()
        if text and self._open:
            _, in_notice, in_main = self._open[-1]
            if in_notice:
                self.of_notice.append(text)
            if in_main:
                self.of_main.append(text)
