"""What names of files, folders and rows of a CDR say, in an old PBX's archive. What is made of it: importing.py.

q-600-0401234567-20250131-101112-1738311132.45.wav     queue, caller, wall clock, uniqueid (seconds since 1970)
out-0401234567-1001-…   exten-1001-0401234567-…   rg-601-… in-… internal-… external-…
q600-20250131-101112-1738311132.45.wav   OUT1001-…     as FreePBX before 2.10, Elastix and Issabel have them
auto-1738311132-1001-0401234567.wav   1738311132.45.wav
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from ari_recorder.domain.events import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """What a file's name and folders say. `wall`: the old PBX's wall clock; `epoch`: seconds since 1970, in UTC."""

    wall: datetime | None = None
    epoch: datetime | None = None
    folder: date | None = None
    uniqueid: str = ""
    queue: str = ""
    caller: str = field(default="", repr=False)
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrFacts:
    """What a row of the CDR says."""

    wall: datetime | None
    uniqueid: str
    linkedid: str
    queue: str
    caller: Party | None = field(repr=False)
    agent: str
    number: str


# --- names

_SUFFIX = re.compile(r"\.(?:wav|wav49|gsm|ulaw|ul|mu|alaw|al|sln|sln8|sln16|sln32|sln48|raw|mp3|ogg|flac|au)$", re.I)
_UNIQUEID = r"(?:[A-Za-z0-9_.]+-)?[0-9]{9,10}\.[0-9]{1,9}"
_DATED = re.compile(
    rf"(?:(?P<head>.{{1,120}}?)-)?(?P<day>[0-9]{{8}})-(?P<time>[0-9]{{6}})(?:-(?P<uniqueid>{_UNIQUEID}))?(?P<rest>[-_].*)?",
    re.ASCII,
)
UNIQUEID = re.compile(rf"(?P<uniqueid>{_UNIQUEID})(?:[-_].*)?", re.ASCII)
_AUTO = re.compile(r"auto-(?P<epoch>[0-9]{9,10})-(?P<agent>[^-]{1,40})-(?P<number>[^-]{1,40})", re.ASCII)
_HEAD = re.compile(
    r"(?P<kind>q|out|in|exten|rg|internal|external|force|g|conf)-?(?=[0-9+*#-])(?P<rest>.*)", re.I | re.ASCII
)
_YEARS = range(1900, 2200)  # what is written down there and is no year is another number
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}", re.ASCII)
_DAY_FOLDERS = re.compile(r"(?:.*/)?([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})(?:/.*)?", re.ASCII)


def stem_of(name: str) -> str:
    """Without the suffix of its format: a CDR may name the .wav that was made an .mp3 since."""
    return _SUFFIX.sub("", name)


def name_facts(name: str, folders: Sequence[str] = ()) -> NameFacts:
    """`folders`: those between the archive's own and the file."""
    stem, day = stem_of(name), _day_of("/".join(folders))
    if match := _AUTO.fullmatch(stem):
        facts = NameFacts(epoch=epoch_of(match["epoch"]), caller=number_of(match["number"]), agent=match["agent"])
    elif match := _DATED.fullmatch(stem):
        uniqueid = match["uniqueid"] or ""
        facts = _headed(match["head"] or "")
        facts = replace(facts, wall=_wall(match["day"], match["time"]), epoch=epoch_of(uniqueid), uniqueid=uniqueid)
    elif match := UNIQUEID.fullmatch(stem):
        facts = NameFacts(epoch=epoch_of(match["uniqueid"]), uniqueid=match["uniqueid"])
    else:
        facts = NameFacts()
    return replace(facts, folder=day)


def _headed(head: str) -> NameFacts:
    """`q-600-0401234567`, `out-0401234567-1001`, `exten-1001-0401234567`, older ones without the first hyphen."""
    match = _HEAD.fullmatch(head)
    if match is None:
        return NameFacts()
    first, _, second = match["rest"].strip("-").partition("-")
    match match["kind"].lower():
        case "q":
            return NameFacts(queue=first, caller=number_of(second))
        case "out" | "external" if second:
            return NameFacts(caller=number_of(first), agent=second)
        case "out":  # of old: only who rang
            return NameFacts(agent=first)
        case "exten" | "internal":
            return NameFacts(caller=number_of(second), agent=first)
        case _:
            return NameFacts(caller=number_of(second))


def number_of(text: str) -> str:
    """`unknown` and `anonymous` are nobody's number."""
    return text if _NUMBER.fullmatch(text) else ""


def _wall(day: str, at: str) -> datetime | None:
    try:
        wall = datetime.strptime(f"{day} {at}", "%Y%m%d %H%M%S")  # noqa: DTZ007 -- its zone is told by somebody else
    except ValueError:
        return None
    return wall if wall.year in _YEARS else None


def epoch_of(text: str) -> datetime | None:
    """Of a uniqueid, with the system's name before it or not."""
    seconds = text.rpartition("-")[2].partition(".")[0]
    return datetime.fromtimestamp(int(seconds), UTC) if seconds else None


def _day_of(folders: str) -> date | None:
    match = _DAY_FOLDERS.fullmatch(folders)
    if match is None:
        return None
    try:
        day = date(*map(int, match.groups()))
    except ValueError:
        return None
    return day if day.year in _YEARS else None


# --- the CDR

_CLID = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*<(?P<number>[^>]*)>\s*')
# What every CSV of the table has to have. `recordingfile` may be missing: then the uniqueid finds the row.
CDR_COLUMNS = frozenset({"calldate", "uniqueid"})


def cdr_facts(row: Mapping[str, str]) -> CdrFacts:
    """Of a row of FreePBX's `cdr`, by the names of its columns."""
    clid = _CLID.fullmatch(row.get("clid", ""))
    number = row.get("cnum") or (clid["number"] if clid else "") or row.get("src", "")
    name = row.get("cnam") or (clid["name"] if clid else "")
    queue = ""
    if row.get("lastapp", "").lower() == "queue":
        queue = row.get("lastdata", "").split(",")[0] or row.get("dst", "")
    caller = Party(num=number, name="" if name == number else name) if number or name else None
    return CdrFacts(
        wall=_calldate(row.get("calldate", "")),
        uniqueid=row.get("uniqueid", ""),
        linkedid=row.get("linkedid", ""),
        queue=queue,
        caller=caller,
        agent=agent_of(row.get("dstchannel", "")),
        number=row.get("did", ""),
    )


def agent_of(channel: str) -> str:
    """`PJSIP/1001-0000002a` is PJSIP/1001, `Local/1001@from-queue-00000007;1` is Local/1001@from-queue."""
    return channel.partition(";")[0].rpartition("-")[0] or channel


def best_row(rows: Collection[Mapping[str, str]]) -> Mapping[str, str] | None:
    """A call has several rows: the one in which somebody answered in a queue, else in which somebody answered."""
    return max(
        rows,
        key=lambda row: (row.get("disposition", "").upper() == "ANSWERED", row.get("lastapp", "").lower() == "queue"),
        default=None,
    )


def _calldate(text: str) -> datetime | None:
    try:
        wall = datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        return None
    return wall if wall.year in _YEARS else None


# --- how names are shown

_SHOWN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\\]")


def printable(name: str) -> str:
    """A name as it can be shown: nothing in it moves a cursor or ends a line. Bytes that are no UTF-8 come as \\xNN."""
    return "".join(sign if _SHOWN.fullmatch(sign) else _escaped(sign) for sign in name)


def _escaped(sign: str) -> str:
    if sign == "\\":
        return "\\\\"
    if "\udc80" <= sign <= "\udcff":  # how Python holds a byte that is no UTF-8
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape", "surrogatepass").decode()
