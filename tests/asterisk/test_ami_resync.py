"""The resync: rows that callers had a hand in, and the start of a PBX whose zone or clock is not the service's."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ari_recorder.domain.errors import AmiOutcomeUnknown
from ari_recorder.domain.events import ChannelRow, Forged, Hangup, ResyncBegan, ResyncDone
from tests.asterisk.ami_rig import live_on, session_on
from tests.asterisk.fake_ami import Action, Answer, Client, event, fake_ami, frame, row, rows_begin, rows_end

STARTED = datetime(2026, 11, 23, 20, 6, 23, tzinfo=UTC)


def rows(*uniqueids: str, text: bytes = b"", count: int | None = None) -> Answer:
    """A list with a row for each; `text` is the caller's number on channel 1.1, as it comes from outside."""

    def answer(_: Client, action: Action) -> bytes:
        identity = action["ActionID"]
        wire = b"".join(row(uniqueid, identity) for uniqueid in uniqueids)
        if text:
            wire = wire.replace(b"CallerIDNum: +358401234567", b"CallerIDNum: " + text, 1)
        return rows_begin(identity) + wire + rows_end(identity, len(uniqueids) if count is None else count)

    return answer


async def test_all_rows_read_is_a_complete_resync() -> None:
    async with fake_ami(channels=["1.1", "1.2"]) as server, live_on(server) as (_, heard, _):
        assert heard.of(ResyncDone)[0].complete


async def test_a_row_with_a_repeated_header_is_refused_and_the_resync_is_done_without_it() -> None:
    answer = rows("1.1", "1.2", text=b"1\r\nUniqueid: 9.9")
    async with fake_ami(answers={"Status": answer}) as server, live_on(server) as (session, heard, _):
        assert heard.story == ["ResyncBegan", "Forged", "ChannelRow 1.2", "ResyncDone"]
        assert heard.of(Forged)[0].because == "header Uniqueid is repeated"
        assert not heard.of(ResyncDone)[0].complete
        assert session.live
        assert server.accepted == 1


async def test_a_row_that_cannot_be_right_leaves_the_resync_incomplete() -> None:
    async with fake_ami(answers={"Status": rows("1 1", "1.2")}) as server, live_on(server) as (_, heard, _):
        assert heard.story == ["ResyncBegan", "Forged", "ChannelRow 1.2", "ResyncDone"]
        assert not heard.of(ResyncDone)[0].complete


@pytest.mark.parametrize(
    "begin",
    [
        "",
        "X: 1",
        "Response: Success",
        "Response: Error\r\nMessage: no",
        "Response: Success\r\nEventList: start",
        "Event: StatusComplete\r\nEventList: Complete\r\nListItems: 1",
        "Event: StatusComplete\r\nActionID: 1\r\nEventList: Complete\r\nListItems: 0",
        "Event: StatusComplete\r\nEventList: cancelled\r\nListItems: 0",
        "Event: Hangup\r\nPrivilege: call,all\r\nTimestamp: 1795464416.3\r\nChannel: x\r\nCallerIDNum: 2\r\nCause: 16",
        "Event: Status\r\nPrivilege: Call\r\nChannel: PJSIP/other-1",
        "Event: Status\r\nPrivilege: Call\r\nChannel: PJSIP/other-1\r\nCallerIDNum: 2",
    ],
)
async def test_a_row_in_pieces_is_one_row_and_neither_an_answer_nor_an_end_nor_an_event(begin: str) -> None:
    answer = rows("1.1", "1.2", text=b"1\r\n\r\n" + begin.encode() + b"\r\nX-Rest: 1")
    async with fake_ami(answers={"Status": answer}) as server, live_on(server) as (session, heard, _):
        assert [event.uniqueid for event in heard.of(ChannelRow) if event.channel != "PJSIP/other-1"] == ["1.2"]
        assert heard.story[-2:] == ["ChannelRow 1.2", "ResyncDone"]
        assert heard.of(Forged)[0].because == "it ends before its ActionID"
        assert not heard.of(ResyncDone)[0].complete
        assert not heard.of(Hangup)
        assert session.live
        assert server.accepted == 1


async def test_the_next_resync_is_complete_when_such_a_channel_is_gone() -> None:
    answers = {"Status": rows("1.1", text=b"1\r\nUniqueid: 9.9")}
    async with fake_ami(answers=answers) as server, live_on(server) as (session, heard, _):
        server.answers.clear()
        session.doubt("of a test")
        await heard.until_came(ResyncDone, 2)
        assert [done.complete for done in heard.of(ResyncDone)] == [False, True]


async def test_rows_that_never_came_are_no_resync_though_another_was_refused() -> None:
    answer = rows("1.1", "1.2", text=b"1\r\nUniqueid: 9.9", count=3)
    async with fake_ami(answers={"Status": answer}) as server, session_on(server) as (session, heard):
        with pytest.raises(AmiOutcomeUnknown, match="2 of its rows came, 3 were promised"):
            await session.wait_live(0.5)
        assert not heard.of(ResyncDone)


async def test_a_dialplan_with_a_line_that_cannot_be_read_is_not_the_dialplan() -> None:
    def answer(_: Client, action: Action) -> bytes:
        line = ("Event", "ListDialplan"), ("ActionID", action["ActionID"]), ("Context", "a"), ("Context", "b")
        return rows_begin(action["ActionID"]) + frame(*line) + rows_end(action["ActionID"], 1)

    async with fake_ami(answers={"ShowDialPlan": answer}) as server, live_on(server) as (session, _, _):
        with pytest.raises(AmiOutcomeUnknown, match="1 of its rows cannot be read"):
            await session.dialplan()


async def test_an_answer_that_cannot_be_read_is_an_unknown_outcome_at_once() -> None:
    def answer(_: Client, action: Action) -> bytes:
        done = ("Response", "Success"), ("ActionID", action["ActionID"])
        return event("Hangup", ("ActionID", action["ActionID"])) + frame(*done, ("Value", "1"), ("Value", "2"))

    async with fake_ami() as server, live_on(server) as (session, _, _):
        server.answers["Getvar"] = answer
        with pytest.raises(AmiOutcomeUnknown, match="cannot be read"):
            await session.get_variable("1.1", "X")
        assert session.live


# --- when the PBX was started


@pytest.fixture
def service_in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("service_in_new_york")
@pytest.mark.parametrize(("zone", "ahead"), [("Etc/UTC", 0), ("Europe/Helsinki", 2), ("America/New_York", -5)])
async def test_the_start_of_the_pbx_is_told_in_its_own_zone_not_in_the_services(zone: str, ahead: int) -> None:
    async with fake_ami(zone=zone) as server, live_on(server) as (_, heard, _):
        assert heard.of(ResyncBegan)[0].pbx_started == STARTED - timedelta(hours=ahead)


def value(text: str) -> Answer:
    return lambda _, action: frame(("Response", "Success"), ("ActionID", action["ActionID"]), ("Value", text))


def refused(_: Client, action: Action) -> bytes:
    return frame(("Response", "Error"), ("ActionID", action["ActionID"]), ("Message", "Permission denied"))


@pytest.mark.parametrize("answer", [value(""), value("-1"), value("999999999999"), value("1795600000"), refused])
async def test_a_start_whose_zone_is_not_known_is_never_later_than_it_was(answer: Answer) -> None:
    async with fake_ami(answers={"Getvar": answer}) as server, live_on(server) as (_, heard, _):
        assert heard.of(ResyncBegan)[0].pbx_started == STARTED - timedelta(hours=14)
