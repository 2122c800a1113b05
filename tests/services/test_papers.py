"""A paper as PDF and HTML: tagged, in the order of reading, in its language; what stands in it is shown, never run."""

import asyncio
from datetime import date
from html.parser import HTMLParser

import pytest

from ari_recorder.domain.papers import Bullets, Facts, Heading, Paper, Paragraph, Table, day_told, shown
from ari_recorder.services import papers
from tests.reading_pdf import read

PAPER = Paper(
    language="fi",
    title="Todistus kieltäytymisestä",
    author="Esimerkkilän kaupunki",
    dated=date(2026, 11, 27),
    blocks=(
        Heading(text="Pyyntö"),
        Paragraph(text="Ensimmäinen rivi.\nToinen rivi."),
        Heading(text="Syyt", level=2),
        Bullets(items=("yksi", "kaksi")),
        Facts(rows=(("Asia", "2026/1"), ("Päivä", "27.11.2026"))),
        Table(caption="Kuuntelut", header=("Aika", "Tarkoitus"), rows=(("1.11.2026", "laatu"), ("2.11.2026", "uhka"))),
        Paragraph(text="Loppu."),
    ),
)
HOSTILE = (
    '#read("/etc/passwd")',
    "*x* _y_ `z` $1/2$ = H",
    "#panic() #import \"@preview/x:1.0.0\"",
    "\\ ~ -- --- ... @ref <label> // no /* no */ [b] {c}",
    '"quoted" and \'quoted\'',
    "</p><script>alert(1)</script>&amp;",
    '" } ], "blocks": [',
    "{0} {name} %s",
)  # fmt: skip


def one(text: str, language: str = "fi") -> Paper:
    blocks = (
        Heading(text=text),
        Paragraph(text=text),
        Bullets(items=(text,)),
        Facts(rows=((text, text),)),
        Table(caption=text, header=(text,), rows=((text,),)),
    )
    return Paper(language=language, title=text, author=text, dated=date(2026, 11, 27), blocks=blocks)


def test_a_screen_reader_finds_language_title_and_tags() -> None:
    found = read(papers.pdf(PAPER))
    assert (found.language, found.title, found.author) == ("fi-FI", PAPER.title, PAPER.author)
    assert found.shows_title
    assert found.marked
    assert found.part_of_ua == 1
    assert found.fonts_inside
    assert found.untagged == ""
    tags = [one.tag for one in found.elements if one.depth <= 1]
    assert tags == ["Document", "Title", "H1", "P", "H2", "L", "L", "Table", "P"]
    assert found.of("TH") == ["Aika", "Tarkoitus"]
    assert found.of("TD") == ["1.11.2026", "laatu", "2.11.2026", "uhka"]
    assert found.of("Caption") == ["Kuuntelut"]


def test_it_is_read_in_the_order_in_which_it_was_written() -> None:
    text = read(papers.pdf(PAPER)).text()
    words = [PAPER.title, "Pyyntö", "Ensimmäinen rivi.", "Toinen rivi.", "Syyt", "yksi", "kaksi", "Asia", "2026/1"]
    words += ["Päivä", "27.11.2026", "Kuuntelut", "Aika", "Tarkoitus", "1.11.2026", "laatu", "uhka", "Loppu."]
    at = 0
    for word in words:
        at = text.index(word, at) + len(word)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_stands_in_it_is_text_and_never_code(text: str) -> None:
    found = read(papers.pdf(one(text)))
    assert found.title == text
    # The title, heading, paragraph, an item, name and value, caption, column and cell.
    assert found.text().count(text) == 9
    seen = _Seen()
    seen.feed(papers.as_html(one(text)))
    assert seen.text.count(text) == 10  # and the title of the window
    assert "script" not in seen.tags


@pytest.mark.parametrize("letters", ["ÄäÖöÅå", "ŠšŽžÉéÜü", "ČčĐđŊŋŦŧ", "€–—”’§·№", "Ελλάδα Україна"])
def test_the_letters_of_the_country_are_in_the_fonts(letters: str) -> None:
    assert letters in read(papers.pdf(one(letters))).of("P")[0]


def test_a_sign_that_no_font_has_is_written_as_its_number() -> None:
    assert "Hei [U+1F600], [U+4E2D]" in read(papers.pdf(one("Hei \U0001f600, 中"))).of("P")[0]
    assert "Hei \U0001f600, 中" in papers.as_html(one("Hei \U0001f600, 中"))


def test_every_letter_that_is_not_tried_has_a_shape() -> None:
    known = [
        chr(code) for code in range(0x20, ord(papers._LAST_KNOWN) + 1) if shown(f"a{chr(code)}a") == f"a{chr(code)}a"
    ]
    assert len(known) > 300
    assert [sign for sign in known if not papers._has_shape(sign)] == []


def test_what_cannot_be_seen_or_turns_the_words_is_taken_out() -> None:
    assert shown("a\0b\x1b\u202ec\u2066d\ud800e\r\nf") == "a b cd e\nf"
    assert shown("A\u0308") == "Ä"


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_same_paper_gives_the_same_bytes(language: str) -> None:
    assert papers.pdf(one("sama", language)) == papers.pdf(one("sama", language))
    assert read(papers.pdf(one("sama", language))).language == f"{language}-FI"


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """A long paper takes a while; what else is due comes in time."""
    rows = tuple((f"{n}.11.2026", "laatu") for n in range(3000))
    long = Paper(
        language="fi",
        title="Pitkä",
        author="Esimerkkilä",
        dated=date(2026, 11, 27),
        blocks=(Table(caption="Kuuntelut", header=("Aika", "Tarkoitus"), rows=rows),),
    )
    made = asyncio.ensure_future(papers.as_pdf(long))
    turns = 0
    while not made.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20
    found = read(made.result())
    assert len(found.of("TD")) == 6000
    assert found.untagged == ""


def test_days_are_written_as_in_each_language() -> None:
    told = [day_told(date(2026, 11, 7), language) for language in ("fi", "sv", "en")]
    assert told == ["7.11.2026", "7.11.2026", "7 November 2026"]


class _Seen(HTMLParser):
    """What a browser shows of it, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text += data
