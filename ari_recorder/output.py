"""How answers look: tables for people, one JSON document for scripts, trouble on standard error."""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from ari_recorder.domain.retention import HELSINKI

if TYPE_CHECKING:
    from ari_recorder.domain.papers import Paper
    from ari_recorder.domain.reconcile import Difference
    from ari_recorder.services.findings import Finding
    from ari_recorder.services.ledger import DayLedger
    from ari_recorder.services.listen import Details, Line
    from ari_recorder.services.scrub import Scrubbed


_WHOLE = frozenset({"started", "entered", "length", "talk", "heard", "id", "uniqueid"})
# Commands take the beginning of an id. Among ten thousand recordings, two share so much of it with a chance of 1 %.
SHORT_ID = 8
# Columns of text where nobody looks at a terminal.
_NO_EDGE = 250


class Progress(Protocol):
    """Told how much of a whole is done, 0..1."""

    def __call__(self, done: float) -> None: ...


def as_json(value: object) -> object:
    """Dataclasses as objects; times as ISO 8601 with their zone; spans as seconds."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID() | Path():
            return str(value)
        case str():
            return str(value)
        case Mapping():
            return {str(key): as_json(one) for key, one in value.items()}
        case Iterable():
            return [as_json(one) for one in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value


def write_json(value: object) -> None:
    json.dump(as_json(value), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def write_paper(paper: "Paper", *, pdf: bool) -> None:
    """A paper as one HTML file, or as PDF."""
    from ari_recorder.services import papers

    if not pdf:
        sys.stdout.write(papers.as_html(paper))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(papers.pdf(paper))
    sys.stdout.buffer.flush()


def write_trouble(text: str) -> None:
    """On standard error, each line with the program's name, as other commands do it."""
    for line in text.splitlines():
        sys.stderr.write(f"ari-recorder: {line}\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Mapping[str, str] | None = None) -> None:
    """`styles` maps the text of a cell to a colour. Nothing in a cell is read as markup: agents' names are data.

    Ids, times and lengths are never broken, so that they can be copied; the other cells are where room is scarce.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    # Into a file or a pipe nothing is folded: there is no edge.
    Console(width=None if sys.stdout.isatty() else _NO_EDGE).print(table)


@contextmanager
def progress(what: str, *, hidden: bool) -> Iterator[Progress]:
    """A bar on standard error; none when standard error is a file, or `hidden`."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), disable=hidden or not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def working(what: str, *, hidden: bool) -> Iterator[None]:
    """A sign of life on standard error where nobody can say how much is left."""
    from rich.console import Console

    if hidden or not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status(what):
        yield


def local(at: datetime | None) -> str:
    """A time for people, in the zone of the ledger's days and of retention, whatever this host's is."""
    return at.astimezone(HELSINKI).strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""


def clock(span: timedelta | None) -> str:
    """`1:02:03` or `2:03`."""
    if span is None:
        return ""
    whole = round(span.total_seconds())
    minutes, seconds = divmod(abs(whole), 60)
    hours, minutes = divmod(minutes, 60)
    told = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"-{told}" if whole < 0 else told


def write_facts(facts: object) -> None:
    """The fields of a dataclass, name and value; what is empty is left out."""
    values = dataclasses.asdict(facts)  # type: ignore[call-overload]
    rows = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in values.items()
        if value not in (None, (), "")
    ]
    write_table(("", ""), rows)


def write_findings(findings: "Sequence[Finding]") -> None:
    write_table(
        ("", "area", "found"),
        [(f.level, f.area, f"{f.what}\n→ {f.mend}" if f.mend else f.what) for f in findings],
        styles={"ok": "green", "warn": "yellow", "fail": "bold red", "unseen": "yellow"},
    )


def write_recordings(lines: "Sequence[Line]") -> None:
    write_table(
        ("started", "length", "queue", "agents", "state", "", "id"),
        [
            (
                local(line.started_at),
                clock(line.duration),
                line.queue,
                ", ".join(line.agents),
                _state(line),
                "threat" if line.flagged else "",
                str(line.id)[:SHORT_ID],
            )
            for line in lines
        ],
        styles={"threat": "bold red", "quarantined": "yellow", "restricted": "yellow"},
    )


def _state(line: "Line") -> str:
    if line.state != "sealed":
        return line.state
    return "quarantined" if line.quarantined else "restricted" if line.restricted else line.state


def write_details(details: "Details") -> None:
    """Name and value, one below the other; what is empty is left out."""
    rows = [(name, _in_words(value)) for name, value in _flat(details)]
    write_table(("", ""), [row for row in rows if row[1]])


def write_ledger(ledger: "DayLedger") -> None:
    write_table(
        ("entered", "queue", "PBX says", "talk", "heard", "ledger", "", "uniqueid"),
        [
            (
                local(row.entered_at).split()[1],  # the day is told below
                row.queue,
                row.outcome or "nothing",
                clock(row.talk_time or None),
                clock(row.heard or None),
                f"{row.verdict.state.replace('_', ' ')} {row.verdict.reason}".strip(),
                "threat" if row.flagged else "",
                row.uniqueid,
            )
            for row in ledger.rows
        ],
        styles={"recorded": "green", "unexplained": "bold red", "pending": "yellow", "threat": "bold red"},
    )
    states = {row.verdict.state: 0 for row in ledger.rows}
    totals = ", ".join(f"{ledger.count(state)} {state.replace('_', ' ')}" for state in sorted(states))
    sys.stdout.write(f"{ledger.day}: {len(ledger.rows)} calls" + (f": {totals}" if totals else "") + "\n")
    if not ledger.reaches_back:
        write_trouble(f"queue_log does not reach back to the beginning of {ledger.day}: calls may be missing here")
    for because in ledger.unread:
        write_trouble(because)
    for witness, count in sorted(Counter(ledger.contradicted.values()).items()):
        write_trouble(f"{witness} lacks the talk of {count} call(s) that the PBX's other log has")


def write_differences(found: "Sequence[Difference]") -> None:
    if not found:
        sys.stdout.write("the vault is what the database says\n")
        return
    write_table(
        ("", "what", "id", "because"),
        [("mended" if one.mended else "open", one.kind, one.subject, one.because) for one in found],
        styles={"mended": "green", "open": "bold red"},
    )


def write_scrubbed(scrubbed: "Scrubbed") -> None:
    sys.stdout.write(f"{scrubbed.looked_at} looked at, {scrubbed.verified} of them read to the end\n")
    for recording_id, damage in scrubbed.damaged.items():
        write_trouble(f"recording {recording_id}: {damage}")


def _flat(details: "Details") -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(details):
        value = getattr(details, field.name)
        if field.name == "members":
            for member in value:
                yield (
                    "agent",
                    f"{member.name or member.interface}, from {local(member.connected_at)}, {clock(member.talk_time)}",
                )
        elif field.name == "restrictions":
            for one in value:
                yield "restricted", f"since {local(one.set_at)}, {one.ground}, case {one.case_number}  {one.id}"
        elif field.name == "marks":
            for mark in value:
                offset = clock(max(mark.offset - details.clock_at_start, timedelta()))
                yield "mark", f"{offset}  {mark.kind}  {mark.by}".rstrip()
        elif field.name == "evidence" and value is not None:
            sounds = ", ".join(f"{sound.language} {sound.sha256[:16]}…" for sound in value.sounds)
            yield "announcement", f"{local(value.started)} to {local(value.done)}, {sounds}"
        elif field.name == "sides" and value is not None:
            for side in ("caller", "agent"):
                heard = getattr(value, side)
                level = [f"peak {heard.peak:.3f}"] if heard.has_audio else []
                yield f"{side} side", ", ".join([*level, *heard.troubles])
        elif field.name == "verdict":
            yield "ledger", f"{value.state} {value.reason}".strip()
        elif field.name == "origin" and value is not None:
            yield "imported", f"{local(value.imported_at)}, {value.form}{', both voices in one' if value.mixed else ''}"
            yield "dated by", f"the {value.date_source.value}  {value.date_doubt.value}".rstrip()
            removed = value.original_removed_at
            yield "original", f"removed {local(removed)}" if removed is not None else "not removed by the import"
        elif field.name == "caller" and value is not None:
            yield "caller", f"{value.num} {value.name}".strip()
        else:
            yield field.name.replace("_", " "), value


def _in_words(value: object) -> str:
    match value:
        case None | False | "":
            return ""
        case datetime():
            return local(value)
        case timedelta():
            return clock(value)
        case _:
            return str(value)
