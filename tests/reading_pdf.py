"""What a screen reader finds in a PDF: the tree of its tags, in order, each with its words. Nothing of what made it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pikepdf


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """An element of the tree. `text` is what stands in it and below it."""

    tag: str
    depth: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    language: str
    title: str
    author: str
    shows_title: bool
    marked: bool
    part_of_ua: int
    fonts_inside: bool
    elements: tuple[Tagged, ...]
    untagged: str

    def text(self) -> str:
        return next(one.text for one in self.elements if one.tag == "Document")

    def of(self, tag: str) -> list[str]:
        return [one.text for one in self.elements if one.tag == tag]


def read(data: bytes) -> Read:
    with pikepdf.open(BytesIO(data)) as pdf:
        pieces: dict[tuple[int, int], str] = {}
        untagged: list[str] = []
        for number, page in enumerate(pdf.pages):
            pieces.update(_pieces(page, number, untagged))
        pages = {page.obj.objgen: number for number, page in enumerate(pdf.pages)}
        root: Any = pdf.Root
        found = re.search(r"<pdfuaid:part>(\d)<", root.Metadata.read_bytes().decode())
        return Read(
            language=str(root.Lang),
            title=str(pdf.docinfo["/Title"]),
            author=str(pdf.docinfo["/Author"]),
            shows_title=bool(root.ViewerPreferences.DisplayDocTitle),
            marked=bool(root.MarkInfo.Marked),
            part_of_ua=int(found[1]) if found else 0,
            fonts_inside=all(_is_inside(font) for page in pdf.pages for font in _fonts(page).values()),
            elements=tuple(_walk(root.StructTreeRoot.K, pieces, pages, 0, None)),
            untagged="".join(untagged),
        )


def _walk(
    node: Any, pieces: dict[tuple[int, int], str], pages: dict[Any, int], depth: int, page: Any
) -> Iterator[Tagged]:
    for child in node if isinstance(node, pikepdf.Array) else [node]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            here = child.get("/Pg", page)
            below = list(_walk(child.K, pieces, pages, depth + 1, here)) if "/K" in child else []
            text = "".join(one.text for one in below if one.depth == depth + 1)
            yield Tagged(tag=str(child.S)[1:], depth=depth, text=text)
            yield from (one for one in below if one.tag)
        elif isinstance(child, pikepdf.Dictionary) and "/MCID" in child:
            yield Tagged(tag="", depth=depth, text=pieces[pages[child.get("/Pg", page).objgen], int(child.MCID)])
        elif not isinstance(child, pikepdf.Dictionary):
            yield Tagged(tag="", depth=depth, text=pieces[pages[page.objgen], int(child)])


def _pieces(page: pikepdf.Page, number: int, untagged: list[str]) -> dict[tuple[int, int], str]:
    """The words of each marked piece of a page; what is in none, nor an artifact, goes to `untagged`."""
    fonts = {name: _to_unicode(font) for name, font in _fonts(page).items()}
    pieces: dict[tuple[int, int], str] = {}
    marks: list[int | str | None] = []
    font: dict[int, str] = {}
    for instruction in pikepdf.parse_content_stream(page):
        values: list[Any] = list(instruction.operands)
        match str(instruction.operator):
            case "BDC" | "BMC":
                told: Any = values[1] if len(values) > 1 and isinstance(values[1], pikepdf.Dictionary) else {}
                marks.append(int(told["/MCID"]) if "/MCID" in told else str(values[0]))
                if isinstance(marks[-1], int):
                    pieces[number, marks[-1]] = ""
            case "EMC":
                marks.pop()
            case "Tf":
                font = fonts[str(values[0])]
            case "Tj" | "TJ":
                strings = values[0] if isinstance(values[0], pikepdf.Array) else values
                raw = b"".join(bytes(one) for one in strings if isinstance(one, pikepdf.String))
                text = "".join(font[int.from_bytes(raw[i : i + 2], "big")] for i in range(0, len(raw), 2))
                inside = [mark for mark in marks if isinstance(mark, int)]
                if inside:
                    pieces[number, inside[-1]] += text
                elif "/Artifact" not in marks:
                    untagged.append(text)
    return pieces


def _fonts(page: pikepdf.Page) -> dict[str, Any]:
    resources: Any = page.obj.Resources
    return dict(resources.Font.items())


def _is_inside(font: Any) -> bool:
    return any(f"/FontFile{kind}" in font.DescendantFonts[0].FontDescriptor for kind in ("", "2", "3"))


def _to_unicode(font: Any) -> dict[int, str]:
    """The CMap of a font (ISO 32000-1, 9.10.3)."""
    text = font.ToUnicode.read_bytes().decode("ascii")
    found: dict[int, str] = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", text, re.DOTALL):
        for code, told in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            found[int(code, 16)] = bytes.fromhex(told).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", text, re.DOTALL):
        for first, last, told in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            for code in range(int(first, 16), int(last, 16) + 1):
                found[code] = chr(int(told, 16) + code - int(first, 16))
    return found
