"""How Asterisk reads its configuration files (main/config.c), from text to sections with their settings, each with the
place it was written at. Where the text comes from is in conf_files.py; what a setting means is not here.

    [name]            begins a section       [name](!)        begins a template: nothing but what others inherit
    [name](a,b)       inherits from a and b  [name](+)        goes on with a section there is already
    name = value      name => value          name += value    a section is a list: the last of a name usually counts
    #include "file"   #tryinclude "dir/*.conf"                read in place; #exec, a program's output, is not followed
    ; a comment       ;-- a comment over lines, nested --;    \\; is a semicolon
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# config.c: blanks are all bytes below 33; a line has room for 8191 bytes; includes and comments nest so far.
_BLANK = "".join(map(chr, range(33)))
_LINE_MOST = 8191
_INCLUDES_MOST = 10
_COMMENTS_MOST = 128
# A file that includes itself ten times would be read ten billion times.
_FILES_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    name: str
    value: str
    place: Place


class TroubleKind(StrEnum):
    UNREADABLE = "unreadable"  # it is there, and not for us
    MISSING = "missing"  # Asterisk does not load a file with an #include of nothing
    MALFORMED = "malformed"  # Asterisk stops reading the file there
    EXEC = "exec"
    TOO_MUCH = "too-much"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why not all was read. What stands in the line is not repeated: it may be a secret."""

    kind: TroubleKind
    what: str
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that was found, with its text, or why that cannot be read."""

    path: str
    text: str | None
    because: str = ""


# Files for a name or a pattern, in the order in which Asterisk takes them; none when there is none.
Load = Callable[[str], Sequence[Source]]


@dataclass(slots=True, kw_only=True)
class Section:
    name: str
    template: bool
    place: Place
    settings: list[Setting] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """One configuration, includes and all."""

    name: str
    there: bool
    sections: tuple[Section, ...]
    troubles: tuple[Trouble, ...]
    files: tuple[str, ...]

    def named(self, name: str) -> list[Setting]:
        """The settings of all sections of this name, in order. Names are the same in any case."""
        return [
            setting
            for section in self.sections
            if not section.template and section.name.lower() == name.lower()
            for setting in section.settings
        ]

    def last(self, section: str, name: str) -> Setting | None:
        """The setting that counts where a name can be set once."""
        return last(self.named(section), name)

    def has(self, name: str) -> bool:
        return any(not section.template and section.name.lower() == name.lower() for section in self.sections)


def last(settings: Sequence[Setting], name: str) -> Setting | None:
    return next((one for one in reversed(settings) if one.name.lower() == name.lower()), None)


def parse(name: str, load: Load) -> Conf:
    """Never raises, whatever the text is; what could not be read is in `troubles`."""
    reading = _Reading(load)
    there = reading.file(name)
    return Conf(
        name=name,
        there=there,
        sections=tuple(reading.sections),
        troubles=tuple(reading.troubles),
        files=tuple(dict.fromkeys(reading.files)),
    )


class _Stop(Exception):
    """Asterisk reads no further in this file."""


class _Reading:
    def __init__(self, load: Load) -> None:
        self._load = load
        self.sections: list[Section] = []
        self.troubles: list[Trouble] = []
        self.files: list[str] = []
        self._current: Section | None = None  # of all files: an included file begins in it
        self._depth = 0

    def file(self, name: str) -> bool:
        """Was there one?"""
        if self._depth >= _INCLUDES_MOST or len(self.files) >= _FILES_MOST:
            self._trouble(TroubleKind.TOO_MUCH, f"{name} is included too deeply, or too often", None)
            return True
        self._depth += 1
        sources = self._load(name)
        for source in sources:
            self.files.append(source.path)
            if source.text is None:
                self._trouble(TroubleKind.UNREADABLE, f"{source.path} cannot be read: {source.because}", None)
            else:
                self._text(source.path, source.text)
        self._depth -= 1
        return bool(sources)

    def _trouble(self, kind: TroubleKind, what: str, place: Place | None) -> None:
        self.troubles.append(Trouble(kind=kind, what=what, place=place))

    def _text(self, path: str, text: str) -> None:
        section = self._current
        comments = 0
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > _LINE_MOST:
                continue
            place = Place(file=path, line=number)
            kept, comments = uncommented(line, comments)
            entry = (kept or "").strip(_BLANK)
            if not entry:
                continue
            try:
                section = self._entry(entry, section, place)
            except _Stop as stop:
                if stop.args:
                    self._trouble(TroubleKind.MALFORMED, str(stop), place)
                return

    def _entry(self, entry: str, section: Section | None, place: Place) -> Section | None:
        """The section that the next line belongs to."""
        if entry[0] == "[":
            return self._header(entry, place)
        if entry[0] == "#":
            self._directive(entry[1:], place)
            return section
        if section is None:
            raise _Stop("a setting before the first [section]")
        self._setting(entry, section, place)
        return section

    def _header(self, entry: str, place: Place) -> Section:
        name, closed, rest = entry[1:].partition("]")
        if not closed:
            raise _Stop("there is no ] in the line")
        section = Section(name=name, template=False, place=place)
        begun: Section | None = section
        if rest.startswith("("):
            inside, closed, _ = rest[1:].partition(")")
            if not closed:
                raise _Stop("there is no ) in the line")
            for option in inside.split(","):
                if option == "!":
                    section.template = True
                elif option.startswith("+"):
                    there = self._find(name, option[1:])
                    if there is None:
                        raise _Stop(f"[{name}](+) goes on with a section that is not there")
                    if begun is not None:
                        there.template |= begun.template
                        there.settings += begun.settings
                    begun, section = None, there
                else:
                    base = self._find(option, "TEMPLATES=include")
                    if base is None:
                        raise _Stop(f"[{name}] inherits from {option!r}, which is not there")
                    section.settings += list(base.settings)
        if begun is not None:
            self.sections.append(begun)
        self._current = section
        return section

    def _find(self, name: str, conditions: str) -> Section | None:
        """The first of this name. Templates only if `TEMPLATES=include`; other conditions are values it must have."""
        wanted = [(key, value) for part in conditions.split("&") if part for key, _, value in (part.partition("="),)]
        templates = dict(wanted).get("TEMPLATES", "exclude")
        for section in self.sections:
            if section.name.lower() != name.lower():
                continue
            if section.template and templates not in ("include", "restrict"):
                continue
            has = {(setting.name, setting.value) for setting in section.settings}
            if all(pair in has for pair in wanted if pair[0] != "TEMPLATES"):
                return section
        return None

    def _directive(self, text: str, place: Place) -> None:
        word, argument = _split(text)
        kind = word.lower()
        if kind not in ("include", "tryinclude", "exec") or not argument:
            return  # Asterisk warns, and goes on
        if argument[0] in '"<' and argument[-1] == {'"': '"', "<": ">"}[argument[0]]:
            argument = argument[1:-1]
        if kind == "exec":
            self._trouble(TroubleKind.EXEC, "#exec is not followed: what that program writes is not looked at", place)
        elif not self.file(argument) and kind == "include":
            self._trouble(TroubleKind.MISSING, f"#include of {argument}, which is not there", place)
            raise _Stop

    def _setting(self, entry: str, section: Section, place: Place) -> None:
        escaped = entry[0] == "\\"
        entry = entry[escaped:]
        if escaped and (not entry or entry[0] in _BLANK):
            raise _Stop("there is nothing behind the \\")
        at = entry.find("=", int(escaped))
        if at < 0:
            return  # Asterisk warns, and goes on
        name, value = entry[:at], entry[at + 1 :]
        appended = at > int(escaped) and name.endswith("+")
        if appended:
            name = name[:-1]
        elif value.startswith(">"):
            value = value[1:]
        name = name.strip(_BLANK)
        if not name:
            return
        settings = section.settings
        before = [index for index, one in enumerate(settings) if one.name == name] if appended else []
        if before:
            whole = (settings[before[-1]].value + value).strip(_BLANK)
            settings[before[-1]] = Setting(name=name, value=whole, place=place)
        else:
            settings.append(Setting(name=name, value=value.strip(_BLANK), place=place))


def _split(text: str) -> tuple[str, str]:
    at = next((index for index, letter in enumerate(text) if letter in _BLANK), len(text))
    return text[:at], text[at:].strip(_BLANK)


def uncommented(line: str, depth: int) -> tuple[str | None, int]:
    """What of a line is no comment, and in how many comments the next one begins. None: the line is all comment.

    As config.c does it, whose --; without its beginning makes a comment of all that follows.
    """
    begin: int | None = 0 if depth == 0 else None
    end: int | None = None
    at = 0
    while (found := line.find(";", at)) >= 0:
        if found > at and line[found - 1] == "\\":
            line = line[: found - 1] + line[found:]
            at = found
        elif line.startswith("--", found + 1) and not line.startswith("-", found + 3):
            if depth >= _COMMENTS_MOST:
                break
            end = found if end is None else end
            at = found + 3
            depth += 1
        elif found >= at + 2 and line[found - 2 : found] == "--":
            depth -= 1
            at = found + 1
            if depth == 0:
                if begin is None:
                    begin, end = at, None
                else:
                    kept = len(line) if end is None else end
                    line, at, end = line[:kept] + line[at:], kept, None
        elif depth == 0:
            end = found
            break
        else:
            at = found + 1
    return (None if begin is None else line[begin:end]), depth
