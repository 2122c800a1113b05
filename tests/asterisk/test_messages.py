"""Each event of the allow-list, as Asterisk 22 writes it, and what is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.asterisk import actions, messages
from ari_recorder.asterisk.frames import BadFrame, Headers, event_headers_of, headers_of, text_of
from ari_recorder.domain import events
from ari_recorder.domain.evidence import token
from tests.asterisk.fake_ami import event, row, snapshot

SECRET = "ab" * 32
READER = messages.Reader(SECRET)
CALLER, AGENT = events.Uniqueid("pbx-1795464416.1"), events.Uniqueid("pbx-1795464416.2")
AT = datetime(2026, 11, 23, 20, 6, 56, 339298, tzinfo=UTC)


def parsed(wire: bytes) -> Headers:
    return event_headers_of(text_of(wire.removesuffix(b"\r\n\r\n"))[0])


def read(name: str, *headers: tuple[str, object]) -> Any:
    return READER.read(parsed(event(name, *headers)))


OF_CALLER = snapshot(CALLER)
OF_BOTH = [
    *OF_CALLER,
    *snapshot(AGENT, "Dest"),
    ("Queue", "support"),
    ("MemberName", "Maija"),
    ("Interface", "PJSIP/1"),
]
CHANNEL: dict[str, Any] = {"at": AT, "uniqueid": CALLER, "linkedid": CALLER, "channel": "PJSIP/trunk-4416.1"}


def test_queue_events() -> None:
    queue = ("Queue", "support")
    assert read("QueueCallerJoin", *OF_CALLER, queue, ("Position", 1), ("Count", 1)) == events.QueueCallerJoin(
        **CHANNEL, queue="support", caller=events.Party(num="+358401234567", name="Aino Mäkinen")
    )
    assert read("QueueCallerLeave", *OF_CALLER, queue) == events.QueueCallerLeave(**CHANNEL, queue="support")
    assert read("QueueCallerAbandon", *OF_CALLER, queue, ("HoldTime", 7)) == events.QueueCallerAbandon(
        **CHANNEL, queue="support", hold_time=timedelta(seconds=7)
    )


def test_member_events() -> None:
    assert read("AgentConnect", *OF_BOTH, ("HoldTime", 12), ("RingTime", 3)) == events.AgentConnect(
        **CHANNEL,
        queue="support",
        member_uniqueid=AGENT,
        member_channel="PJSIP/trunk-4416.2",
        interface="PJSIP/1",
        member_name="Maija",
        hold_time=timedelta(seconds=12),
        ring_time=timedelta(seconds=3),
    )
    complete = read("AgentComplete", *OF_BOTH, ("HoldTime", 12), ("TalkTime", 60), ("Reason", "transfer"))
    assert (complete.talk_time, complete.reason) == (timedelta(minutes=1), "transfer")
    assert read("AgentRingNoAnswer", *OF_BOTH, ("RingTime", 15000)) == events.AgentRingNoAnswer(
        **CHANNEL, queue="support", interface="PJSIP/1"
    )


@pytest.mark.parametrize("gone", ["caller", "agent"])
def test_the_end_of_a_conversation_without_a_snapshot_of_who_went_first_is_no_forgery(gone: str) -> None:
    left = OF_CALLER if gone == "agent" else snapshot(AGENT, "Dest")
    rest = (("Queue", "support"), ("HoldTime", 0), ("TalkTime", 2), ("Reason", "caller"))
    assert read("AgentComplete", *left, *rest) is None


@pytest.mark.parametrize(
    "kind", [events.MixMonitorStart, events.MixMonitorStop, events.Hold, events.Unhold], ids=lambda kind: kind.__name__
)
def test_events_that_only_name_a_channel(kind: type[events.ChannelEvent]) -> None:
    assert read(kind.__name__, *OF_CALLER) == kind(**CHANNEL)


def test_mute_bridge_and_hangup() -> None:
    assert read("MixMonitorMute", *OF_CALLER, ("Direction", "both"), ("State", 1)).muted is True
    assert read("MixMonitorMute", *OF_CALLER, ("Direction", "both"), ("State", 0)).muted is False
    bridge = [("BridgeUniqueid", "b1"), ("BridgeType", "basic")]
    assert read("BridgeEnter", *bridge, *OF_CALLER) == events.BridgeEnter(**CHANNEL, bridge="b1")
    assert read("BridgeLeave", *bridge, *OF_CALLER) == events.BridgeLeave(**CHANNEL, bridge="b1")
    assert read("Hangup", *OF_CALLER, ("Cause", 16), ("Cause-txt", "x")) == events.Hangup(**CHANNEL, cause=16)


def test_transfers_that_succeeded_and_no_others() -> None:
    blind = [
        *snapshot(AGENT, "Transferer"),
        *snapshot(CALLER, "Transferee"),
        ("BridgeUniqueid", "b1"),
        ("IsExternal", "Yes"),
        ("Context", "internal"),
        ("Extension", "202"),
    ]
    assert read("BlindTransfer", ("Result", "Success"), *blind) == events.BlindTransfer(
        at=AT, transferer_uniqueid=AGENT, transferee_uniqueid=CALLER, exten="202", context="internal"
    )
    assert read("BlindTransfer", ("Result", "Not Permitted"), *blind) is None
    of_many = [header for header in blind if not header[0].startswith("Transferee")]
    assert read("BlindTransfer", ("Result", "Success"), *of_many).transferee_uniqueid == ""
    attended = [
        *snapshot(AGENT, "OrigTransferer"),
        ("OrigBridgeUniqueid", "b1"),
        *snapshot("pbx-1.3", "SecondTransferer"),
        ("IsExternal", "Yes"),
        ("DestType", "App"),
        ("DestApp", "Playback"),
    ]
    assert read("AttendedTransfer", ("Result", "Success"), *attended) == events.AttendedTransfer(
        at=AT,
        transferer_uniqueid=AGENT,
        second_transferer_uniqueid=events.Uniqueid("pbx-1.3"),
        bridge="b1",
        second_bridge="",
        dest_type="App",
    )
    assert read("AttendedTransfer", ("Result", "Fail"), *attended) is None


def report(name: str, message: str, *headers: tuple[str, object], secret: str = SECRET) -> Any:
    return read("UserEvent", *OF_CALLER, ("UserEvent", name), *headers, ("Token", token(secret, message)))


NUMBER, LANGUAGES = ("Number", "0195202000"), ("Languages", "fi-sv")
STARTED, DONE = ("Started", "1795464410000"), ("Done", "1795464416500")


def test_reports_of_the_dialplan() -> None:
    fi_sv = (events.Language.FI, events.Language.SV)
    common = f"{CALLER}:0195202000:fi-sv"
    assert report("AriRecorderAnnouncing", f"announcing:{common}", NUMBER, LANGUAGES) == events.Announcing(
        **CHANNEL, number="0195202000", languages=fi_sv
    )
    announced = f"announced:{common}:1795464410000:1795464416500"
    assert report("AriRecorderAnnounced", announced, NUMBER, LANGUAGES, STARTED, DONE) == events.Announced(
        **CHANNEL,
        number="0195202000",
        languages=fi_sv,
        started=datetime(2026, 11, 23, 20, 6, 50, tzinfo=UTC),
        done=datetime(2026, 11, 23, 20, 6, 56, 500_000, tzinfo=UTC),
    )
    failed = report("AriRecorderAnnouncementFailed", f"announcement-failed:{common}", NUMBER, LANGUAGES)
    assert failed == events.AnnouncementFailed(**CHANNEL, number="0195202000", languages=fi_sv)
    armed = report("AriRecorderArmed", f"armed:{CALLER}:net_x:0x7f", ("Base", "net_x"), ("MixMonitorID", "0x7f"))
    assert armed == events.Armed(**CHANNEL, base="net_x", mixmonitor_id="0x7f")
    code = report("AriRecorderCode", f"code:{CALLER}:threat:1795464416500", ("Code", "threat"), ("At", "1795464416500"))
    assert (code.code, code.pressed) == (events.Code.THREAT, datetime(2026, 11, 23, 20, 6, 56, 500_000, tzinfo=UTC))


@pytest.mark.parametrize(
    ("forgery", "because"),
    [
        (lambda: report("AriRecorderAnnouncing", "announcing:x", NUMBER, LANGUAGES), "token"),
        (
            lambda: report(
                "AriRecorderAnnouncing", f"announcing:{CALLER}:0195202000:fi-sv", NUMBER, LANGUAGES, secret="cd" * 32
            ),
            "token",
        ),
        # The token of another channel's report.
        (lambda: report("AriRecorderCode", f"code:{AGENT}:threat:1", ("Code", "threat"), ("At", "1")), "token"),
        # The token of another kind of report.
        (
            lambda: report("AriRecorderAnnouncing", f"announcement-failed:{CALLER}:1:fi", ("Number", 1), LANGUAGES),
            "token",
        ),
        (lambda: report("AriRecorderCode", f"code:{CALLER}:dance:1", ("Code", "dance"), ("At", "1")), "a header"),
        (lambda: report("AriRecorderCode", f"code:{CALLER}:threat:1", ("Code", "threat"), ("At", "1")), "At is not"),
        (lambda: report("AriRecorderAnnouncing", "x", ("Number", "04x"), LANGUAGES), "number or languages"),
        (lambda: report("AriRecorderAnnouncing", "x", NUMBER, ("Languages", "de")), "number or languages"),
        (lambda: report("AriRecorderDance", "x"), "does not exist"),
        (lambda: read("UserEvent", *OF_CALLER, ("UserEvent", "AriRecorderArmed"), ("Base", "x")), "is missing"),
    ],
)
def test_a_report_that_is_not_the_dialplans_is_forged(forgery: Any, because: str) -> None:
    event = forgery()
    assert isinstance(event, events.Forged)
    assert because in event.because
    assert event.uniqueid == CALLER
    assert event.name.startswith("AriRecorder")


def test_a_user_event_of_somebody_else_says_nothing() -> None:
    assert read("UserEvent", *OF_CALLER, ("UserEvent", "Other"), ("Token", "x")) is None


@pytest.mark.parametrize(
    "changes",
    [{"Uniqueid": ""}, {"Uniqueid": "1 2"}, {"Uniqueid": "x" * 151}, {"Uniqueid": "1\n2"}],
)
def test_an_id_that_is_none_is_refused(changes: dict[str, str]) -> None:
    event = read("Hold", *snapshot(CALLER, **changes))
    assert isinstance(event, events.Forged)
    assert event.uniqueid == ""


def test_what_is_refused_never_quotes_a_value() -> None:
    private = "+358 40 1234567"
    for name, header in (("Hangup", "Cause"), ("QueueCallerAbandon", "HoldTime"), ("MixMonitorMute", "State")):
        event = read(name, *OF_CALLER, ("Queue", "q"), (header, private))
        assert isinstance(event, events.Forged)
        assert private not in repr(event)
    assert READER.read({"Event": private, "Privilege": ""}) is None


@pytest.mark.parametrize("timestamp", ["", "x", "nan", "inf", "1e300", "-1e17"])
def test_a_time_that_is_none_is_refused(timestamp: str) -> None:
    headers = {**parsed(event("Hold", *OF_CALLER)), "Timestamp": timestamp}
    assert isinstance(READER.read(headers), events.Forged)


def test_without_a_timestamp_it_is_the_time_of_receipt() -> None:
    headers = parsed(event("Hold", *OF_CALLER))
    del headers["Timestamp"]
    read_event = READER.read(headers)
    assert read_event is not None
    assert datetime.now(UTC) - read_event.at < timedelta(seconds=5)


def test_unknown_is_empty() -> None:
    join = read("QueueCallerJoin", *snapshot(CALLER, CallerIDNum="<unknown>", CallerIDName="<unknown>"), ("Queue", "q"))
    assert join.caller == events.Party(num="", name="")


def test_a_row_of_the_snapshot() -> None:
    wire = row(CALLER, "id", bridge="b1", ARI_RECORDER_QUEUE="support", ARI_RECORDER_EVIDENCE="1_fi_2_3_4")
    event = READER.row(headers_of(wire.removesuffix(b"\r\n\r\n").decode()))
    assert isinstance(event, events.ChannelRow)
    assert (event.uniqueid, event.application, event.bridge) == (CALLER, "Queue", "b1")
    assert (event.queue, event.evidence, event.armed, event.mixmonitor_id) == ("support", "1_fi_2_3_4", "", "")
    assert event.codes == ""


def test_a_row_tells_what_an_agent_pressed() -> None:
    wire = row(AGENT, "id", bridge="b1", ARI_RECORDER_CODES="refuse.2.3_")
    event = READER.row(headers_of(wire.removesuffix(b"\r\n\r\n").decode()))
    assert isinstance(event, events.ChannelRow)
    assert event.codes == "refuse.2.3_"


def test_the_snapshot_is_asked_for_every_variable_a_row_holds() -> None:
    asked = set(actions.status_of_all()["Variables"].split(","))
    wire = row(AGENT, "id").decode()
    assert asked == set(re.findall(r"^Variable: (\w+)=", wire, re.MULTILINE))


def test_a_row_without_its_variables_is_forged() -> None:
    wire = row(CALLER, "id").replace(b"ARI_RECORDER_ARMED", b"OTHER")
    event = READER.row(headers_of(wire.removesuffix(b"\r\n\r\n").decode()))
    assert isinstance(event, events.Forged)


@given(
    name=st.sampled_from(sorted(messages.WANTED)),
    lines=st.lists(st.tuples(st.sampled_from([*dict(OF_BOTH), "UserEvent", "Token", "Cause"]), st.text(max_size=30))),
)
def test_whatever_comes_never_raises(name: str, lines: list[tuple[str, str]]) -> None:
    text = "\r\n".join([f"Event: {name}", "Privilege: x", *(f"{key}: {value}" for key, value in lines)])
    try:
        headers = event_headers_of(text)
    except BadFrame:
        return
    READER.read(headers)


def test_the_events_wanted_are_those_the_manager_user_is_let_see() -> None:
    allowed = (
        "FullyBooted Shutdown UserEvent QueueCallerJoin QueueCallerLeave QueueCallerAbandon AgentConnect AgentComplete "
        "AgentRingNoAnswer MixMonitorStart MixMonitorStop MixMonitorMute BlindTransfer AttendedTransfer BridgeEnter "
        "BridgeLeave Hold Unhold Hangup"
    )
    assert set(allowed.split()) == messages.WANTED
