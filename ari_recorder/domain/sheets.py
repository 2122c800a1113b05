"""A paper of the controller under way: sentences of the notice, words of its own, and blanks that are counted. Pure.

What only the controller can know is a blank with a number, and the paper says how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from ari_recorder.domain import records_en, records_fi, records_sv
from ari_recorder.domain.notice import NoticeFacts, Writer, notice
from ari_recorder.domain.papers import Block, Bullets, Heading, Paper, Paragraph

PAPER_WORDS: Mapping[str, Mapping[str, str]] = {"fi": records_fi.WORDS, "sv": records_sv.WORDS, "en": records_en.WORDS}


class Sheet:
    """In one language."""

    def __init__(self, facts: NoticeFacts, language: str, words: Mapping[str, str]) -> None:
        self.facts = facts
        self.language = language
        self.blanks = 0
        self.told = Writer(facts, language)
        self._words = words
        self._sections = notice(facts, language).sections

    def say(self, word: str, **values: object) -> str:
        return self._words[word].format_map(values)

    def blank(self, what: str) -> str:
        self.blanks += 1
        return self.say("blank", number=self.blanks, what=self.say(what))

    def fact(self, name: str, value: str) -> tuple[str, str]:
        return self.say(name), value

    def section(self, number: int) -> Iterator[Block]:
        """What the notice says in that section."""
        for block in self._sections[number - 1].blocks:
            yield Paragraph(text=block.text)
            if block.points:
                yield Bullets(items=block.points)

    def titled(self, number: int) -> Iterator[Block]:
        yield Heading(text=self._sections[number - 1].heading, level=2)
        yield from self.section(number)

    def paper(self, title: str, dated: date, opening: Sequence[Block], blocks: Sequence[Block]) -> Paper:
        """`opening` stands before the count of blanks, `blocks` after it."""
        counted: list[Block] = [Paragraph(text=self.say("blanks", count=self.blanks))]
        if self.facts.missing:
            counted.append(Paragraph(text=self.say("missing", names=", ".join(self.facts.missing))))
        return Paper(
            language=self.language,
            title=title,
            author=self.told.own(self.facts.register.name),
            dated=dated,
            blocks=(*opening, *counted, *blocks),
        )
