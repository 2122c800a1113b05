"""Breaches: what a right reached and when, the clock of 72 hours, and the report in three languages, as files say."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain import breach_en, breach_fi, breach_sv
from ari_recorder.domain.accounts import EVERYTHING, LANGUAGES, Grant, Role
from ari_recorder.domain.breach_pages import page
from ari_recorder.domain.breaches import (
    Breach,
    BreachState,
    Findings,
    FrozenLog,
    Opened,
    People,
    Reach,
    SubjectKind,
    Wanted,
    check,
    reach,
)
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.papers import Paper
from ari_recorder.domain.reminders import Urgency, for_breach
from ari_recorder.domain.rights import Right, Span, UnitChange
from ari_recorder.services.papers import as_html, pdf
from tests.domain.test_notice import FACTS
from tests.domain.test_records import texts_of
from tests.reading_pdf import read

KEPT = Path(__file__).parent / "breaches"
NOON = datetime(2026, 11, 20, 10, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ANNA = UUID(int=1)
WANTED = Wanted(
    kind=SubjectKind.ACCOUNT, subject="anna", since=NOON, until=NOON + 2 * DAY, aware_at=NOON + 2 * DAY + HOUR
)


def right(role: Role = Role.SUPERVISOR, unit: str = "advice", **more: object) -> Right:
    grant = Grant(
        id=UUID(int=9),
        role=role,
        unit=unit,
        valid_from=date(2026, 1, 1),
        valid_until=date(2026, 12, 31),
        interfaces=frozenset({"PJSIP/1001"}) if role is Role.ADVISER else frozenset(),
    )
    granted = NOON - 100 * DAY
    known = {"approved_at": granted, "confirmed": (Span(since=granted),), **more}
    return Right(account_id=ANNA, grant=grant, why="", granted_at=granted, granted_by="", **known)  # type: ignore[arg-type]


def unit(at: datetime, *queues: str) -> UnitChange:
    return UnitChange(unit="advice", queues=frozenset(queues), at=at, by="", why="")


UNITS = (unit(NOON - 100 * DAY, "advice"),)


def spans(found: tuple[Reach, ...]) -> list[tuple[float, float, tuple[str, ...] | None]]:
    """Hours from the beginning, and the queues."""
    return [((one.since - NOON) / HOUR, (one.until - NOON) / HOUR, one.queues) for one in found]


def of(*rights: Right, units: tuple[UnitChange, ...] = UNITS) -> list[tuple[float, float, tuple[str, ...] | None]]:
    return spans(reach(rights, units, str(ANNA), WANTED.since, WANTED.until))


def test_a_right_reaches_from_when_it_was_approved_until_it_ended() -> None:
    assert of(right()) == [(0, 48, ("advice",))]
    assert of(right(approved_at=NOON + 5 * HOUR, ended_at=NOON + 7 * HOUR)) == [(5, 7, ("advice",))]
    assert of(right(ended_at=NOON)) == []
    assert of(right(approved_at=NOON + 2 * DAY)) == []
    assert of(right(approved_at=None)) == []


def test_its_last_day_ends_at_midnight_in_helsinki() -> None:
    one = right()
    last = replace(one, grant=replace(one.grant, valid_until=date(2026, 11, 20)))
    assert of(last) == [(0, 12, ("advice",))]  # 22:00 UTC
    first = replace(one, grant=replace(one.grant, valid_from=date(2026, 11, 21)))
    assert of(first) == [(12, 48, ("advice",))]


def test_a_reset_suspends_it_until_the_owner_is_confirmed() -> None:
    confirmed = (Span(since=NOON - DAY, until=NOON + HOUR), Span(since=NOON + 3 * HOUR))
    assert of(right(confirmed=confirmed)) == [(0, 1, ("advice",)), (3, 48, ("advice",))]


def test_units_are_as_they_were_then() -> None:
    units = (*UNITS, unit(NOON + 4 * HOUR, "advice", "dental"), unit(NOON + 9 * HOUR, "dental"), unit(NOON + 3 * DAY))
    assert of(right(), units=units) == [(0, 4, ("advice",)), (4, 9, ("advice", "dental")), (9, 48, ("dental",))]
    assert of(right(unit=EVERYTHING), units=units) == [(0, 48, None)]
    assert of(right(), units=(unit(NOON + HOUR),)) == []


def test_what_changes_nothing_for_it_makes_no_piece() -> None:
    other = UnitChange(unit="other", queues=frozenset({"x"}), at=NOON + HOUR, by="", why="")
    assert of(right(), units=(*UNITS, other, unit(NOON + 2 * HOUR, "advice"))) == [(0, 48, ("advice",))]


def test_only_roles_that_listen_reach_anything_and_advisers_their_own() -> None:
    assert of(right(Role.ADMINISTRATOR, EVERYTHING)) == of(right(Role.AUDITOR, EVERYTHING)) == []
    (own,) = reach((right(Role.ADVISER),), UNITS, str(ANNA), WANTED.since, WANTED.until)
    assert own.interfaces == ("PJSIP/1001",)
    assert reach((right(),), UNITS, str(UUID(int=2)), WANTED.since, WANTED.until) == ()


def refused(now: datetime = NOON + 3 * DAY, **changes: object) -> str:
    with pytest.raises(RecorderError, match=r"\.$") as refusal:
        check(replace(WANTED, **changes), now)  # type: ignore[arg-type]
    return refusal.value.code


def test_what_cannot_be_is_refused_in_one_sentence() -> None:
    assert check(WANTED, NOON + 3 * DAY) == WANTED
    assert refused(until=NOON) == refused(until=NOON - HOUR) == "breach_period_empty"
    assert refused(now=NOON + DAY) == "breach_ahead"
    assert refused(aware_at=NOON + 3 * DAY + HOUR) == "breach_ahead"
    assert refused(aware_at=NOON - timedelta(seconds=1)) == "breach_aware_early"
    assert refused(kind=SubjectKind.HOST, subject="the printer") == "host_refused"
    for address, told in {" 192.0.2.7 ": "192.0.2.7", "2001:DB8:0::7": "2001:db8::7"}.items():
        assert check(replace(WANTED, kind=SubjectKind.HOST, subject=address), NOON + 3 * DAY).subject == told


# --- the clock


BREACH = Breach(
    id=UUID(int=5),
    wanted=WANTED,
    opened_at=NOON + 2 * DAY + 2 * HOUR,
    findings=Findings(
        accounts=(str(ANNA),),
        reach=reach((right(),), UNITS, str(ANNA), WANTED.since, WANTED.until),
        reachable=120,
        viewed=2,
        played=1,
        exported=0,
        without_right=1,
        lists=7,
        people=People(calls=118, callers=97, no_number=4, forgotten=3, waiting=2, staff=6),
        log=FrozenLog(entries=4321, first_seq=10, last_seq=4330, sha256="ab" * 32),
    ),
)
OPENED = (
    Opened(recording_id=UUID(int=11), by_right=True, opened=("recording:play", "recording:view")),
    Opened(recording_id=UUID(int=12), by_right=False, opened=("recording:view",)),
)
NOW = BREACH.opened_at


def test_the_clock_runs_for_72_hours_whatever_day_it_is() -> None:
    """Over a change to winter time, too: hours are hours."""
    assert BREACH.due_at - BREACH.wanted.aware_at == 72 * HOUR
    assert BREACH.left(NOW) == 71 * HOUR
    assert BREACH.left(NOW + 80 * HOUR) == -9 * HOUR
    october = datetime(2026, 10, 24, 12, tzinfo=UTC)
    winter = replace(BREACH, wanted=replace(WANTED, since=october, until=october + HOUR, aware_at=october))
    assert winter.due_at == datetime(2026, 10, 27, 12, tzinfo=UTC)


def test_it_stops_when_the_authority_is_told_or_the_case_ends() -> None:
    told = replace(BREACH, notified_at=NOW + HOUR, reference="1234/2026")
    assert (told.state, told.left(NOW + 500 * HOUR)) == (BreachState.NOTIFIED, 70 * HOUR)
    ended = replace(BREACH, closed_at=NOW)
    assert (ended.state, ended.left(NOW + 500 * HOUR)) == (BreachState.CLOSED, 71 * HOUR)


def test_reminders_come_before_it_is_over_and_daily_after() -> None:
    due, told, seen = BREACH.due_at, set[str](), []
    for hour in range(0, 132):
        now = due - 72 * HOUR + hour * HOUR
        one = for_breach(due_at=due, now=now, told=frozenset(told))
        if one is not None:
            told.add(one.stage)
            seen.append((72 - hour, one.urgency, one.hours_left))
    assert seen[:3] == [(72, Urgency.NOTICE, 72), (24, Urgency.URGENT, 24), (6, Urgency.FINAL, 6)]
    assert [hours for hours, _, _ in seen[3:]] == [0, -11, -35, -59]  # at once, then as each day begins in Helsinki
    assert all(urgency is Urgency.FINAL for _, urgency, _ in seen[2:])
    late = for_breach(due_at=due, now=due - HOUR, told=frozenset())
    assert late is not None
    assert (late.urgency, late.stage) == (Urgency.FINAL, "6-hours")  # what was missed is not told later


# --- the paper


def made(language: str, breach: Breach = BREACH, now: datetime = NOW, opened: tuple[Opened, ...] = OPENED) -> Paper:
    return page(breach, opened, {str(ANNA): "anna"}, FACTS, language, now)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_what_its_file_says(language: str) -> None:
    """When the words change on purpose: write as_html(made(language)) into the file, and read it."""
    assert as_html(made(language)) == (KEPT / f"{language}.html").read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_screen_reader_reads_it_in_its_order(language: str) -> None:
    paper = made(language)
    found = read(pdf(paper))
    assert (found.language, found.title, found.part_of_ua) == (f"{language}-FI", paper.title, 1)
    assert found.marked
    assert found.shows_title
    assert found.fonts_inside
    assert found.untagged == ""
    assert {"Title", "H1", "P", "L", "Table", "Caption", "TH", "TD"} <= {one.tag for one in found.elements}
    text, at = re.sub(r"\s", "", found.text()), 0
    for said in texts_of(paper):
        at = text.index(re.sub(r"\s", "", said), at)


def test_every_language_has_the_same_words_and_each_is_used() -> None:
    words = (breach_en.WORDS, breach_fi.WORDS, breach_sv.WORDS)
    assert words[0].keys() == words[1].keys() == words[2].keys()
    host = replace(WANTED, kind=SubjectKind.HOST, subject="192.0.2.7")
    nothing = replace(
        BREACH.findings, accounts=(), reach=reach((right(Role.ADVISER, EVERYTHING),), UNITS, str(ANNA), NOON, NOW)
    )
    exported = Opened(recording_id=UUID(int=13), by_right=True, opened=("recording:export",))
    cases = (
        made("en", now=NOW + 100 * HOUR),
        made("en", replace(BREACH, notified_at=NOW, reference="1234/2026"), opened=(exported,) * 301),
        made("en", replace(BREACH, wanted=host, findings=nothing, closed_at=NOW)),
        made("en"),
    )
    said = " ".join(text for paper in cases for text in texts_of(paper))
    unused = [name for name, text in words[0].items() if text.split("{")[0] not in said]
    assert not unused


def test_it_has_all_that_article_33_wants_and_counts_its_blanks() -> None:
    said = texts_of(made("en"))
    assert [text[:3] for text in said if re.match(r"\([a-d]\) ", text)] == ["(a)", "(b)", "(c)", "(d)"]
    assert "tietosuoja@example.org" in said
    assert "71 h 0 min" in said
    numbers = [int(found) for text in said for found in re.findall(r"\[To be filled in (\d+): ", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert any(text.startswith(f"Places left to be filled in: {len(numbers)}.") for text in said)
    late = texts_of(made("en", now=NOW + 80 * HOUR))
    assert "none: over for 9 h 0 min" in late
    assert "Reasons for the delay" in late
    assert "Reasons for the delay" not in said
