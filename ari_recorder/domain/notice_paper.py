"""The privacy notice as a paper: the same words in the same order as its HTML (domain/notice_html.py)."""

from collections.abc import Iterator
from datetime import date

from ari_recorder.domain.notice import Notice
from ari_recorder.domain.papers import Block, Bullets, Heading, Paper, Paragraph


def paper(notice: Notice, author: str, dated: date) -> Paper:
    """`author`: the controller; where the settings name none, the notice's own title."""
    return Paper(
        language=notice.language,
        title=notice.title,
        author=author or notice.title,
        dated=dated,
        blocks=tuple(_blocks(notice)),
    )


def _blocks(notice: Notice) -> Iterator[Block]:
    for section in notice.sections:
        yield Heading(text=f"{section.number} {section.heading}")
        for block in section.blocks:
            yield Paragraph(text=block.text)
            if block.points:
                yield Bullets(items=block.points)
