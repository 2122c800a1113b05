"""How a line of the dialplan reads: arguments, options, jumps, dial strings, patterns of extensions.

Nothing is evaluated: of `${…}` only the extension itself is known, `${EXTEN}` and what is left of it, `${EXTEN:2}`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPEN, _CLOSE = "([{", ")]}"
# Applications that run another one, in brackets; ExecIf has a condition before it and may have two.
_WRAPPERS = frozenset({"exec", "tryexec"})
_EXTEN = re.compile(r"\$\{EXTEN(?::([0-9]+))?\}")
_DIGITS = "0123456789"


def split(text: str, at: str) -> list[str]:
    """At each `at` that is in no bracket."""
    parts, begin, depth = [], 0, 0
    for index, letter in enumerate(text):
        if letter in _OPEN:
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
        elif letter == at and depth <= 0:
            parts.append(text[begin:index])
            begin = index + 1
    return [*parts, text[begin:]]


def unwrapped(application: str, data: str) -> Iterator[tuple[str, str]]:
    """The application, in lower case, with its data; for ExecIf, Exec and TryExec what they run."""
    name = application.strip().lower()
    if name in ("execif", "execiftime"):
        _, _, branches = _condition(data)
        inner = split(branches, ":")
    elif name in _WRAPPERS:
        inner = [data]
    else:
        yield name, data
        return
    for one in inner:
        found = re.fullmatch(r"\s*([A-Za-z_]+)\((.*)\)\s*", one, re.DOTALL)
        if found is not None and found[1].lower() not in (*_WRAPPERS, "execif", "execiftime"):
            yield found[1].lower(), found[2]


def arguments(data: str) -> list[str]:
    return [part.strip() for part in split(data, ",")]


def assigned(application: str, data: str) -> Iterator[tuple[str, str]]:
    """What Set and MSet set: name and value."""
    if application not in ("set", "mset"):
        return
    for part in arguments(data) if application == "mset" else [data]:
        name, equals, value = part.partition("=")
        if equals:
            yield name.strip(), value.strip()


def options_of(data: str, place: int) -> frozenset[str]:
    """The letters of an application's options, without what is in brackets behind one: `tU(sub,1)x` is t, U and x."""
    while (bare := re.sub(r"\([^()]*\)", "", data)) != data:
        data = bare
    parts = data.split(",")
    return frozenset(parts[place].strip()) if len(parts) > place else frozenset()


def _condition(data: str) -> tuple[str, str, str]:
    """Before and behind the question mark that is in no bracket."""
    first = split(data, "?")[0]
    return first, data[len(first) : len(first) + 1], data[len(first) + 1 :]


# --- patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What an extension may be: a set of characters for each place (None: any), and whether more may follow."""

    places: tuple[frozenset[str] | None, ...]
    more: bool = False

    @property
    def literal(self) -> str | None:
        """When it is one extension only."""
        if self.more or any(place is None or len(place) != 1 for place in self.places):
            return None
        return "".join(letter for place in self.places for letter in place or ())

    def meet(self, other: "Pattern") -> "Pattern | None":
        """What both allow."""
        length = max(len(self.places), len(other.places))
        if (len(self.places) < length and not self.more) or (len(other.places) < length and not other.more):
            return None
        places: list[frozenset[str] | None] = []
        for index in range(length):
            one = self.places[index] if index < len(self.places) else None
            two = other.places[index] if index < len(other.places) else None
            both = two if one is None else one if two is None else one & two
            if both is not None and not both:
                return None
            places.append(both)
        return Pattern(places=tuple(places), more=self.more and other.more)

    def without(self, count: int) -> "Pattern":
        """${EXTEN:count}"""
        return Pattern(places=self.places[count:], more=self.more)

    def allows(self, extension: str) -> bool:
        """As `meet` of one extension, without making a pattern of it: a large dialplan asks millions of times."""
        if len(extension) != len(self.places) and (not self.more or len(extension) < len(self.places)):
            return False
        return all(place is None or letter in place for place, letter in zip(self.places, extension, strict=False))


ANY = Pattern(places=(), more=True)


def literal(extension: str) -> Pattern:
    return Pattern(places=tuple(frozenset(letter) for letter in extension))


def pattern(extension: str) -> Pattern:
    """As pbx.c reads the name of an extension: with _ before it, X, Z, N, […], . and ! stand for others."""
    if not extension.startswith("_"):
        return literal(extension)
    places: list[frozenset[str] | None] = []
    rest = extension[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        match letter:
            case "X" | "x":
                places.append(frozenset(_DIGITS))
            case "Z" | "z":
                places.append(frozenset(_DIGITS[1:]))
            case "N" | "n":
                places.append(frozenset(_DIGITS[2:]))
            case "[" if "]" in rest:
                inside, _, rest = rest.partition("]")
                places.append(_in_range(inside))
            case ".":
                return Pattern(places=(*places, None), more=True)
            case "!":
                return Pattern(places=tuple(places), more=True)
            case "-":
                pass  # written for the eye only
            case _:
                places.append(frozenset(letter))
    return Pattern(places=tuple(places))


def _in_range(text: str) -> frozenset[str]:
    found: set[str] = set()
    while text:
        if len(text) > 2 and text[1] == "-":
            found |= {chr(code) for code in range(ord(text[0]), min(ord(text[2]), ord(text[0]) + 255) + 1)}
            text = text[3:]
        else:
            found.add(text[0])
            text = text[1:]
    return frozenset(found)


def known(text: str, extension: Pattern) -> Pattern | None:
    """What `text` can be when the call is in `extension`; None when that hangs on a variable."""
    text = text.strip()
    if (found := _EXTEN.fullmatch(text)) is not None:
        return extension.without(int((found[1] or "0")[:4]))
    return None if "$" in text or not text else literal(text)


def allows(template: str, value: str, extension: Pattern) -> bool:
    """Can `template`, with ${EXTEN} in it at most once, be `value` when the call is in `extension`?"""
    found = _EXTEN.search(template)
    if found is None:
        return template.lower() == value.lower()
    before, after = template[: found.start()].lower(), template[found.end() :].lower()
    whole = value.lower()
    if not (len(whole) > len(before + after) and whole.startswith(before) and whole.endswith(after)):
        return False
    middle = value[len(before) : len(value) - len(after)]
    return extension.without(int((found[1] or "0")[:4])).allows(middle)


# --- jumps and dial strings


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """Where a line leads: a context, or None for the same; an extension as it is written, or None for the same."""

    context: str | None
    extension: str | None


def jumps(application: str, data: str) -> Iterator[Jump]:
    """Of Goto, Gosub and their like; of Dial and Queue of Local channels, see `dialled`."""
    match application:
        case "goto" | "gosub":
            yield from _label(data)
        case "gotoif" | "gosubif" | "gotoiftime" | "gosubiftime":
            for label in split(_condition(data)[2], ":"):
                yield from _label(label)
        case "macro" | "macroexclusive":
            yield Jump(context=f"macro-{arguments(data)[0]}", extension="s")


def _label(text: str) -> Iterator[Jump]:
    parts = [re.sub(r"\(.*\)$", "", part.strip(), flags=re.DOTALL) for part in split(text.strip(), ",")]
    if len(parts) >= 3:
        yield Jump(context=parts[0], extension=parts[1])
    elif len(parts) == 2:
        yield Jump(context=None, extension=parts[0])


def dialled(data: str) -> list[str]:
    """The interfaces in the first argument of Dial, Page and their like: PJSIP/1001, Local/1001@inside."""
    return [interface(one) for one in split(arguments(data)[0], "&") if one.strip()]


def interface(text: str) -> str:
    """Whom a dial string rings: the endpoint of PJSIP, whatever is dialled through it; a Local channel without options.

    `${PJSIP_DIAL_CONTACTS(1001)}` is each phone of PJSIP/1001.
    """
    text = text.strip()
    contacts = re.fullmatch(r"\$\{PJSIP_DIAL_CONTACTS\(([^,()]+).*\)\}", text)
    if contacts is not None:
        return f"PJSIP/{contacts[1]}"
    technology, slash, resource = text.partition("/")
    if not slash:
        return text
    name = technology.lower()
    if name == "local":
        return f"Local/{resource.partition('/')[0]}"
    if name == "pjsip":
        endpoint = resource.rpartition("@")[2] if "@" in resource.partition("/")[0] else resource.partition("/")[0]
        return f"PJSIP/{endpoint}"
    return f"{technology}/{resource.partition('/')[0]}"


def local(interface_name: str) -> tuple[str, str] | None:
    """Extension and context of a Local channel."""
    if not interface_name.startswith("Local/"):
        return None
    extension, at, context = interface_name.removeprefix("Local/").rpartition("@")
    return (extension, context) if at else (context, "default")
