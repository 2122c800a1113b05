"""Names, CDR rows and folders of an old archive, the date they give, and whether a file is taken."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.archive_names import (
    CdrFacts,
    NameFacts,
    agent_of,
    best_row,
    cdr_facts,
    name_facts,
    printable,
    stem_of,
)
from ari_recorder.domain.events import Party
from ari_recorder.domain.importing import BECAUSE, DateSource, Doubt, Found, Reason, Refused, Taken, Terms, began, weigh
from ari_recorder.domain.retention import HELSINKI, Period, Policy, Rules

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
WALL = datetime(2025, 1, 31, 10, 11, 12)  # noqa: DTZ001 -- a wall clock
EPOCH = datetime.fromtimestamp(1738311132, UTC)
UNIQUEID = "1738311132.45"
RULES = Rules(queues={"advice": Period.parse("P3M"), "dental": Period.parse("P14D")})
TERMS = Terms(
    zone=HELSINKI, queues={"600": "advice", "advice": "advice", "700": "dental"}, queue="", policy=Policy(rules=RULES)
)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            f"q-600-0401234567-20250131-101112-{UNIQUEID}.wav",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, queue="600", caller="0401234567"),
        ),
        (
            f"q-600-+358401234567-20250131-101112-{UNIQUEID}.WAV",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, queue="600", caller="+358401234567"),
        ),
        (
            f"q-600-anonymous-20250131-101112-pbx1-{UNIQUEID}.mp3",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=f"pbx1-{UNIQUEID}", queue="600"),
        ),
        (
            f"out-0401234567-1001-20250131-101112-{UNIQUEID}.wav",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, caller="0401234567", agent="1001"),
        ),
        (
            f"exten-1001-0401234567-20250131-101112-{UNIQUEID}.gsm",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, caller="0401234567", agent="1001"),
        ),
        (
            f"in-0800123456-0401234567-20250131-101112-{UNIQUEID}.wav",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, caller="0401234567"),
        ),
        (
            f"rg-601-0401234567-20250131-101112-{UNIQUEID}.wav",
            NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, caller="0401234567"),
        ),
        # Issabel and Elastix, and FreePBX before 2.10
        (f"q600-20250131-101112-{UNIQUEID}.wav", NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, queue="600")),
        (f"20250131-101112-{UNIQUEID}.wav49", NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID)),
        (f"OUT1001-20250131-101112-{UNIQUEID}.wav", NameFacts(wall=WALL, epoch=EPOCH, uniqueid=UNIQUEID, agent="1001")),
        ("auto-1738311132-1001-0401234567.wav", NameFacts(epoch=EPOCH, caller="0401234567", agent="1001")),
        # MixMonitor as somebody called it
        (f"{UNIQUEID}.wav", NameFacts(epoch=EPOCH, uniqueid=UNIQUEID)),
        (f"pbx1-{UNIQUEID}-in.wav", NameFacts(epoch=EPOCH, uniqueid=f"pbx1-{UNIQUEID}")),
        ("20250131-101112.sln16", NameFacts(wall=WALL)),
        # of no kind
        ("voicemail.wav", NameFacts()),
        ("00010101-000000.wav", NameFacts()),
        ("99991231-235959.wav", NameFacts()),
        ("q-600-0401234567-20251399-101112-x.wav", NameFacts(queue="600", caller="0401234567")),
        ("", NameFacts()),
        ("q-600-0401234567-20250131-101112-1738311132.45\n.wav", NameFacts()),
    ],
)
def test_a_name_says_what_it_says(name: str, facts: NameFacts) -> None:
    assert name_facts(name) == facts


@pytest.mark.parametrize(
    ("folders", "day"),
    [
        (("2025", "01", "31"), date(2025, 1, 31)),
        (("monitor", "2025", "1", "31", "more"), date(2025, 1, 31)),
        (("2025", "02", "31"), None),
        (("2025", "01"), None),
        ((), None),
    ],
)
def test_folders_say_a_day(folders: tuple[str, ...], day: date | None) -> None:
    assert name_facts("x.wav", folders).folder == day


@given(st.text(), st.lists(st.text(), max_size=5))
def test_no_name_is_an_error(name: str, folders: list[str]) -> None:
    facts = name_facts(name, [one.replace("/", "") for one in folders])
    assert isinstance(began(Found(name=facts, cdr=None, written_at=NOW), HELSINKI)[0], datetime)


def cdr(wall: datetime | None = None, **more: object) -> CdrFacts:
    fields: dict[str, object] = {"uniqueid": "", "linkedid": "", "queue": "", "caller": None, "agent": "", "number": ""}
    return CdrFacts(wall=wall, **{**fields, **more})  # type: ignore[arg-type]


def found(name: str = "x.wav", row: CdrFacts | None = None, written_at: datetime = NOW, folders: str = "") -> Found:
    return Found(name=name_facts(name, tuple(filter(None, folders.split("/")))), cdr=row, written_at=written_at)


def test_the_first_source_that_says_it_gives_the_date() -> None:
    later = datetime(2025, 2, 2, 12, tzinfo=UTC)
    wall = datetime(2025, 2, 1, 10)  # noqa: DTZ001
    row = cdr(wall)
    name = f"q-600-1-20250131-101112-{UNIQUEID}.wav"
    at = datetime(2025, 1, 31, 8, 11, 12, tzinfo=UTC)
    assert began(found(name, row, folders="2024/01/01"), HELSINKI) == (at, DateSource.NAME, Doubt.NONE)
    assert began(found(f"{UNIQUEID}.wav", row), HELSINKI) == (EPOCH, DateSource.NAME, Doubt.NONE)
    at = datetime(2025, 2, 1, 8, tzinfo=UTC)
    assert began(found(row=row, folders="2024/01/01"), HELSINKI) == (at, DateSource.CDR, Doubt.NONE)
    assert began(found(folders="2025/02/02", written_at=later), HELSINKI) == (later, DateSource.FOLDER, Doubt.NONE)
    noon = datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert began(found(folders="2024/01/01", written_at=later), HELSINKI) == (noon, DateSource.FOLDER, Doubt.DAY_ONLY)
    assert began(found(row=cdr(None), written_at=later), HELSINKI) == (later, DateSource.FILE, Doubt.NONE)


def test_the_zone_of_the_names_is_that_which_is_given() -> None:
    at, _, _ = began(found("20250131-101112.wav"), ZoneInfo("UTC"))
    assert at == datetime(2025, 1, 31, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("epoch", "at", "doubt"),
    [
        # 26 October 2025, 03:30: once in summer time (00:30 UTC), and an hour later in winter time
        ("", "2025-10-26T01:30:00+00:00", Doubt.AMBIGUOUS_HOUR),
        ("-1761438590.7", "2025-10-26T00:30:00+00:00", Doubt.NONE),
        ("-1761442190.7", "2025-10-26T01:30:00+00:00", Doubt.NONE),
        ("-1761400000.7", "2025-10-26T01:30:00+00:00", Doubt.AMBIGUOUS_HOUR),  # of another time altogether
    ],
)
def test_the_hour_that_was_told_twice(epoch: str, at: str, doubt: Doubt) -> None:
    assert began(found(f"20251026-033000{epoch}.wav"), HELSINKI) == (
        datetime.fromisoformat(at),
        DateSource.NAME,
        doubt,
    )


def test_the_hour_that_never_was() -> None:
    at, _, doubt = began(found("20250330-033000.wav"), HELSINKI)
    assert (at, doubt) == (datetime(2025, 3, 30, 1, 30, tzinfo=UTC), Doubt.MISSING_HOUR)


def taken(one: Found, terms: Terms = TERMS, now: datetime = NOW) -> Taken:
    weighed = weigh(one, terms, now)
    assert isinstance(weighed, Taken), weighed
    return weighed


def refused(one: Found, terms: Terms = TERMS, now: datetime = NOW) -> Refused:
    weighed = weigh(one, terms, now)
    assert isinstance(weighed, Refused), weighed
    return weighed


def test_it_is_kept_by_the_rule_of_its_queue_to_the_last_day() -> None:
    name = "q-{}-0401234567-20250131-101112.wav"
    last = datetime(2025, 4, 30, 20, 59, tzinfo=UTC)  # 23:59 in Helsinki
    assert taken(found(name.format(600)), now=last).overdue == ""
    assert taken(found(name.format(600)), now=last + timedelta(minutes=1)).overdue == "P3M of queue advice"
    assert taken(found(name.format(700))).overdue == "P14D of queue dental"


def test_what_the_cdr_knows_better_is_the_cdrs() -> None:
    row = cdr(
        WALL, queue="700", caller=Party(num="0501", name="Aino"), agent="PJSIP/1001", number="0800", linkedid="7.7"
    )
    one = taken(found(f"q-600-0401234567-20250131-101112-{UNIQUEID}.wav", row))
    assert (one.queue, one.caller, one.agent) == ("advice", Party(num="0501", name="Aino"), "PJSIP/1001")
    assert (one.uniqueid, one.linkedid, one.number) == (UNIQUEID, "7.7", "0800")
    assert taken(found("20250131-101112.wav", row)).queue == "dental"


def test_only_queues_of_this_site_come_in() -> None:
    assert refused(found("q-999-1-20250131-101112.wav")).reason is Reason.NO_QUEUE
    assert "it is of 999" in refused(found("q-999-1-20250131-101112.wav")).because
    assert refused(found("20250131-101112.wav")).reason is Reason.NO_QUEUE
    named = Terms(zone=HELSINKI, queues=TERMS.queues, queue="advice", policy=TERMS.policy)
    assert taken(found("20250131-101112.wav"), named).queue == "advice"
    # a queue that is named and is not ours is not taken for the one that was given
    assert refused(found("q-999-1-20250131-101112.wav"), named).reason is Reason.NO_QUEUE


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("q-600-1-20250301-111100.wav", Reason.IN_THE_FUTURE),  # eleven minutes ahead
        ("q-600-1-19991231-120000.wav", Reason.TOO_OLD),
        ("q-600-1-19700101-020000.wav", Reason.TOO_OLD),
    ],
)
def test_dates_that_cannot_be(name: str, reason: Reason) -> None:
    assert refused(found(name)).reason is reason
    assert "from the name" in refused(found(name)).because


def test_a_clock_that_is_a_little_ahead_is_no_reason() -> None:
    assert taken(found("q-600-1-20250301-110900.wav")).started_at > NOW


def test_every_reason_has_words() -> None:
    assert set(BECAUSE) == set(Reason)


# --- the CDR

ROW: Mapping[str, str] = {
    "calldate": "2025-01-31 10:11:12",
    "clid": '"Aino Example" <0401234567>',
    "src": "0401234567",
    "dst": "600",
    "dstchannel": "PJSIP/1001-0000002a",
    "lastapp": "Queue",
    "lastdata": "600,tR,,",
    "disposition": "ANSWERED",
    "uniqueid": UNIQUEID,
    "linkedid": UNIQUEID,
    "did": "0800123456",
}


def test_a_row_of_the_cdr() -> None:
    facts = cdr_facts(ROW)
    assert facts.caller == Party(num="0401234567", name="Aino Example")
    assert (facts.wall, facts.queue, facts.agent, facts.number) == (WALL, "600", "PJSIP/1001", "0800123456")


@pytest.mark.parametrize(
    ("changes", "caller"),
    [
        ({"clid": "0401234567"}, Party(num="0401234567", name="")),
        ({"clid": '"0401234567" <0401234567>'}, Party(num="0401234567", name="")),
        ({"clid": "", "src": ""}, None),
        ({"cnum": "0502222222", "cnam": "Bo"}, Party(num="0502222222", name="Bo")),
    ],
)
def test_the_caller_of_a_row(changes: Mapping[str, str], caller: Party | None) -> None:
    assert cdr_facts({**ROW, **changes}).caller == caller


def test_a_row_that_says_little_is_no_error() -> None:
    assert cdr_facts({}) == cdr()
    assert cdr_facts({"calldate": "0000-00-00 00:00:00", "lastapp": "Dial", "dst": "600"}).queue == ""


def test_of_several_rows_the_one_with_the_answer_counts() -> None:
    missed, dialled = {**ROW, "disposition": "NO ANSWER"}, {**ROW, "lastapp": "Dial"}
    assert best_row([missed, dialled, ROW]) is ROW
    assert best_row([missed, dialled]) is dialled
    assert best_row([]) is None


@pytest.mark.parametrize(
    ("channel", "agent"),
    [
        ("PJSIP/1001-0000002a", "PJSIP/1001"),
        ("Local/1001@from-queue-00000007;1", "Local/1001@from-queue"),
        ("SIP/1001", "SIP/1001"),
        ("", ""),
    ],
)
def test_the_agent_of_a_channel(channel: str, agent: str) -> None:
    assert agent_of(channel) == agent


def test_a_suffix_is_that_of_a_format() -> None:
    assert stem_of(f"{UNIQUEID}.wav") == UNIQUEID
    assert stem_of(UNIQUEID) == UNIQUEID


# --- how names are shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ä b-1.wav", "ä b-1.wav"),
        ("a\nb", r"a\nb"),
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("a\\n", r"a\\n"),
        (b"\xff\xe4.wav".decode("utf-8", "surrogateescape"), r"\xff\xe4.wav"),
        ("\u202egnp", r"\u202egnp"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_a_name_is_shown_without_doing_anything(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text())
def test_what_is_shown_is_printed_as_it_is(name: str) -> None:
    shown = printable(name)
    shown.encode()
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in shown)
