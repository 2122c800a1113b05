"""The lab and the shipped configuration on the real PBX, without the product's service."""

from __future__ import annotations

import asyncio
import hashlib
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lab.ami_client import AmiClient, LabError, Message
from tests.lab.asterisk import SHIPPED_CONF
from tests.lab.lab import MUSIC_ON_HOLD, OUTSIDE_TONE, Lab, agent_tone
from tests.lab.mistakes import trunk_grants
from tests.lab.phones import Caller
from tests.lab.tones import Sound

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("fresh_heartbeat")]

ALLOWED = {
    *("FullyBooted", "Shutdown", "UserEvent", "QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon"),
    *("AgentConnect", "AgentComplete", "AgentRingNoAnswer", "MixMonitorStart", "MixMonitorStop", "MixMonitorMute"),
    *("BlindTransfer", "AttendedTransfer", "BridgeEnter", "BridgeLeave", "Hold", "Unhold", "Hangup"),
}
CALLER_TONE = 440


@pytest_asyncio.fixture(loop_scope="session")
async def service(lab: Lab) -> AsyncIterator[AmiClient]:
    """A session of the product's AMI user, with the rights it will have."""
    session = await AmiClient.connect(lab.pbx.ami_port, lab.pbx.ami_user, lab.pbx.ami_secret)
    yield session
    await session.close()


def token(lab: Lab, message: str) -> str:
    inner = hashlib.sha1(f"{lab.pbx.secret}{message}".encode(), usedforsecurity=False).hexdigest()
    return hashlib.sha1(f"{lab.pbx.secret}{inner}".encode(), usedforsecurity=False).hexdigest()


def user_event(caller: Caller, name: str) -> Message:
    event = caller.user_event(name)
    assert event, f"no {name}"
    return event


def seconds_of(sound: Path) -> float:
    with wave.open(str(sound)) as file:
        return float(file.getnframes() / file.getframerate())


async def record(lab: Lab, service: AmiClient, caller: Caller) -> Path:
    """Start a recording as the service does, at AgentConnect; the files' base."""
    await caller.wait("AgentConnect")
    base = lab.pbx.spool / caller.name
    options = f"bi(ARI_RECORDER_MIXMONITOR)r({base}.caller.sln)t({base}.agent.sln)"
    await service.action("MixMonitor", Channel=caller.channel, Options=options)
    await caller.wait_connected()
    return base


async def record_anew(service: AmiClient, caller: Caller, agent: str, base: Path, *, attended: bool) -> None:
    """Stop and start when the agent leaves the caller, as the service must.

    The translator of the channel's audiohooks remembers the RTP sequence number of the agent and throws away what the
    next party says until that one's number is higher: half of all transfers, up to 11 minutes of silence. It is made
    anew when the channel had no audiohook at all for one frame of 20 ms.
    """

    def left(event: Message) -> bool:
        mine = event["Channel"].startswith(f"PJSIP/{agent}-") if attended else event["Uniqueid"] == caller.uniqueid
        return event.name == "BridgeLeave" and mine

    await service.wait_event(left, since=service.events.index(_last(service, "AgentConnect", caller)), wait=20)
    await service.action("StopMixMonitor", Channel=caller.channel)
    await asyncio.sleep(0.04)
    options = f"bi(ARI_RECORDER_MIXMONITOR)r({base}.caller.sln)t({base}.agent.sln)"
    await service.action("MixMonitor", Channel=caller.channel, Options=options)


def _last(session: AmiClient, name: str, caller: Caller) -> Message:
    return [event for event in session.events if event.name == name and event["Uniqueid"] == caller.uniqueid][-1]


async def end(*callers: Caller) -> None:
    for caller in callers:
        await caller.hangup()
        await caller.wait_ended()


async def listen(base: Path) -> tuple[Sound, Sound]:
    """(from the caller, to the caller). Asterisk closes the files a moment after the hang-up."""
    await asyncio.sleep(0.3)
    return Sound.read(Path(f"{base}.caller.sln")), Sound.read(Path(f"{base}.agent.sln"))


async def test_the_shipped_files_are_used_as_they_are(lab: Lab) -> None:
    shipped = sorted(SHIPPED_CONF.glob("*.conf"))
    assert len(shipped) == 8
    for file in shipped:
        assert (lab.pbx.folder / "etc" / file.name).read_bytes() == file.read_bytes()


async def test_a_plain_call_is_announced_with_tokens_only_the_secret_can_make(lab: Lab, service: AmiClient) -> None:
    caller = await lab.call("0195202000")
    connect = await caller.wait_connected()
    await end(caller)
    announcing, announced = user_event(caller, "AriRecorderAnnouncing"), user_event(caller, "AriRecorderAnnounced")
    who = f"{caller.uniqueid}:0195202000:fi-sv"
    assert announcing["Token"] == token(lab, f"announcing:{who}")
    started, done = announced["Started"], announced["Done"]
    assert announced["Token"] == token(lab, f"announced:{who}:{started}:{done}")
    assert len(started) == len(done) == len("1700000000000")
    assert abs(int(done) / 1000 - announced.received) < 1
    length = sum(seconds_of(lab.pbx.sounds / language / "announcement.wav") for language in ("fi", "sv"))
    # Playback is done when its last 20 ms are handed over, so it is a little shorter than its sound.
    assert length - 0.1 <= (int(done) - int(started)) / 1000 < length + 1
    evidence = next(
        event for event in caller.events("VarSet") if event["Variable"] == "ARI_RECORDER_EVIDENCE" and event["Value"]
    )
    assert evidence["Value"] == f"0195202000_fi-sv_{started}_{done}_{announced['Token']}"
    assert caller.uniqueid.startswith(f"{lab.pbx.system_name}-")
    assert connect["Queue"] == "asiakaspalvelu"
    assert not any(lab.pbx.secret in event.raw for event in service.events)
    log = [line.split("|") for line in lab.pbx.queue_log.read_text().splitlines()]
    told = [line[4] for line in log if line[1] == caller.uniqueid]
    assert told == ["ENTERQUEUE", "CONNECT", "COMPLETECALLER"]


async def test_each_side_is_heard_in_its_own_file_and_nothing_from_before_the_bridge(
    lab: Lab, service: AmiClient
) -> None:
    caller = await lab.call("0195202000", tone=CALLER_TONE)
    base = await record(lab, service, caller)
    bridged = next(event for event in caller.events("BridgeEnter")).received
    await asyncio.sleep(1)
    await lab.agent("1001").hold()
    await asyncio.sleep(1)
    await lab.agent("1001").unhold()
    await asyncio.sleep(1)
    await end(caller)
    talked = caller.events("Hangup")[0].received - bridged
    from_caller, to_caller = await listen(base)
    for sound in (from_caller, to_caller):
        assert abs(sound.seconds - talked) < 0.3
    assert from_caller.share(CALLER_TONE) > 0.97
    assert not from_caller.has(agent_tone("1001"))
    assert not to_caller.has(CALLER_TONE)
    assert to_caller.spans(agent_tone("1001"))[0][0] < 0.2
    # What is neither the agent nor the music of hold would be the announcement.
    assert not to_caller.cut(0, 0.9).has(MUSIC_ON_HOLD)
    assert abs(to_caller.total(MUSIC_ON_HOLD) - 1) < 0.25
    assert to_caller.share(agent_tone("1001")) + to_caller.share(MUSIC_ON_HOLD) > 0.9
    held = [event for event in service.events if event.name in ("Hold", "Unhold")]
    assert [event.name for event in held] == ["Hold", "Unhold"]
    assert all(event["Channel"].startswith("PJSIP/1001-") for event in held)


async def test_the_codes_work_for_the_agent_unheard_by_the_caller_and_not_at_all_for_the_caller(
    lab: Lab, service: AmiClient
) -> None:
    async with trunk_grants(lab):
        caller = await lab.call("0195202001")
    base = await record(lab, service, caller)
    connect = caller.events("AgentConnect")[0]
    ear = lab.pbx.spool / f"{caller.name}-ear"
    await lab.pbx.ami.action("MixMonitor", Channel=connect["DestChannel"], Options=f"t({ear}.sln)")
    for code in ("*91", "*92", "*93", "*94"):
        await caller.press(code)
        await lab.agent("1004").press(code)
        await asyncio.sleep(0.5)  # the confirmation
    await end(caller)
    codes = [event for event in service.events if event["UserEvent"] == "AriRecorderCode"]
    assert [event["Code"] for event in codes] == ["threat", "pause", "resume", "refuse"]
    for event in codes:
        assert event["Uniqueid"] == connect["DestUniqueid"]
        assert event["Token"] == token(lab, f"code:{event['Uniqueid']}:{event['Code']}:{event['At']}")
        assert abs(int(event["At"]) / 1000 - event.received) < 0.5
    await asyncio.sleep(0.3)
    to_agent = Sound.read(Path(f"{ear}.sln"))
    assert 0.15 < to_agent.total(1200) < 0.35  # confirm-threat: three times 80 ms
    _, to_caller = await listen(base)
    for hertz in (500, 1209, 1477):  # a confirmation, and the high tones of the keys * and 9
        assert not to_caller.has(hertz)


def logged_codes(lab: Lab, code: str) -> list[tuple[str, str, str]]:
    """(caller, agent's channel, queue) of each of these codes in queue_log; their tokens are right."""
    found = []
    for line in lab.pbx.queue_log.read_text().splitlines():
        _, caller, queue, member, event, *data = line.split("|")
        if event == "ARICODE" and data[0] == code:
            said, at, proof, agent = data
            assert member == "NONE"
            assert proof == token(lab, f"code-logged:{caller}:{agent}:{said}:{at}")
            found.append((caller, agent, queue))
    return found


async def test_a_code_nobody_listened_to_is_kept_on_the_agents_channel_and_in_queue_log(
    lab: Lab, service: AmiClient
) -> None:
    await service.close()
    caller = await lab.call("0195202001")
    agent = (await caller.wait_connected())["DestUniqueid"]
    await lab.agent("1004").press("*94")
    await asyncio.sleep(0.5)
    later = await AmiClient.connect(lab.pbx.ami_port, lab.pbx.ami_user, lab.pbx.ami_secret)
    await later.action("Status", Variables="ARI_RECORDER_QUEUE,ARI_RECORDER_CODES")
    row = await later.wait_event(lambda event: event.name == "Status" and event["Uniqueid"] == agent)
    of_caller = await later.wait_event(lambda event: event.name == "Status" and event["Uniqueid"] == caller.uniqueid)
    assert "ARI_RECORDER_CODES=(null)" in of_caller.raw
    (kept,) = [line for line in row.raw.splitlines() if "ARI_RECORDER_CODES=" in line]
    code, at, proof = kept.partition("=")[2].removesuffix("_").split(".")
    assert code == "refuse"
    assert proof == token(lab, f"code:{agent}:refuse:{at}")
    # Whoever presses for a long time: the last eight stay, and a caller's no from before them.
    await later.action(
        "Setvar",
        Channel=agent,
        Variable="ARI_RECORDER_CODES",
        Value="".join(f"{name}.{at}.{proof}_" for name in ("refuse", *("threat",) * 3, "pause", *("threat",) * 3)),
    )
    await lab.agent("1004").press("*93")
    await asyncio.sleep(0.5)
    long = (await later.action("Getvar", Channel=agent, Variable="ARI_RECORDER_CODES"))["Value"]
    names = [part.split(".")[0] for part in long.split("_")]
    assert names == ["refuse", "threat", "threat", "pause", "threat", "threat", "threat", "resume", ""]
    assert len(long) < 1024
    await lab.agent("1004").press("*91")
    await asyncio.sleep(0.5)
    assert await lab.pbx.channels()  # nothing of this drops the agent
    await end(caller)
    await later.close()
    assert (caller.uniqueid, agent, "tekniikka") in logged_codes(lab, "refuse")
    assert [line for line in logged_codes(lab, "resume") if line[1] == agent] == [(caller.uniqueid, agent, "tekniikka")]
    full = (lab.pbx.log / "full").read_text()
    assert "IMPORT" not in full
    assert "QueueLog requires" not in full


async def test_a_code_is_logged_under_the_caller_whoever_the_agent_is(lab: Lab) -> None:
    async def pressed(caller: Caller, agent: str) -> list[tuple[str, str, str]]:
        await asyncio.sleep(0.3)
        await lab.agent(agent).press("*94")
        await asyncio.sleep(0.6)
        channels = {event["Uniqueid"] for event in lab.pbx.ami.events if event["Channel"].startswith(f"PJSIP/{agent}-")}
        await end(caller)
        return [line for line in logged_codes(lab, "refuse") if line[1] in channels]

    async def after_transfer(number: str, agent: str, target: str, how: str) -> None:
        caller = await lab.call(number)
        await caller.wait_connected()
        if how == "blind":
            await lab.agent(agent).blind_transfer(target, by="refer")
        else:
            await lab.agent(agent).attended_transfer(target)
        await lab.agent(target).wait_talking()
        lines = await pressed(caller, target)
        assert [(line[0], line[2]) for line in lines] == [(caller.uniqueid, lines[0][2])], how
        assert lines[0][2] in ("asiakaspalvelu", "tekniikka"), how

    async def behind_a_local_channel() -> None:
        caller = await lab.call("0195202005")
        await caller.wait_connected()
        assert (caller.uniqueid, "etatyo") in [(line[0], line[2]) for line in await pressed(caller, "1009")]

    async def in_a_second_queue() -> None:
        """The second queue's caller is the Local channel of the transfer; the human behind it is the first one's."""
        caller = await lab.call("0195202002")
        await caller.wait_connected()
        await lab.agent("1005").attended_transfer("0195202004", talk=2.5)
        await asyncio.sleep(1)
        lines = await pressed(caller, "1007")
        joined = next(
            event["Uniqueid"]
            for event in lab.pbx.ami.events
            if event.name == "QueueCallerJoin"
            and event["Linkedid"] == caller.uniqueid
            and event["Uniqueid"] != caller.uniqueid
        )
        assert {(line[0], line[2]) for line in lines} == {(caller.uniqueid, "paivystys"), (joined, "hidas")}

    await lab.agent("1007").answers()
    await asyncio.gather(
        after_transfer("0195202000", "1001", "1003", "blind"),
        after_transfer("0195202001", "1004", "1014", "attended"),
        behind_a_local_channel(),
        in_a_second_queue(),
    )


async def test_the_dialplan_arms_the_recording_when_the_service_is_away_or_told_to(lab: Lab) -> None:
    await lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", str(int(time.time()) - 40))
    stale = await lab.call("0195202001")
    await stale.wait_queued()
    await lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", str(int(time.time()) - 15))
    fresh = await lab.call("0195202002")
    await fresh.wait_queued()
    await lab.pbx.set_global("ARI_RECORDER_START", "dialplan")
    told = await lab.call("0195202005")
    await told.wait_queued()
    await lab.pbx.set_global("ARI_RECORDER_START", "ami")
    await lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", "")
    await lab.agent("1006").does_not_answer()
    untaken = await lab.call("0195202003")
    await asyncio.gather(*(caller.wait_connected() for caller in (stale, fresh, told)))
    await untaken.wait_ended()
    assert fresh.user_event("AriRecorderArmed") is None
    assert not fresh.events("MixMonitorStart")
    assert user_event(told, "AriRecorderArmed")
    armed, announced = user_event(stale, "AriRecorderArmed"), user_event(stale, "AriRecorderAnnounced")
    proof = f"0195202001_sv_{announced['Started']}_{announced['Done']}_{announced['Token']}"
    assert armed["Base"] == f"net_{stale.uniqueid}_{proof}"
    assert armed["Token"] == token(lab, f"armed:{stale.uniqueid}:{armed['Base']}:{armed['MixMonitorID']}")
    await end(stale, fresh, told)
    from_caller, to_caller = await listen(lab.pbx.spool / armed["Base"])
    talked = stale.events("Hangup")[0].received - stale.events("BridgeEnter")[0].received
    assert abs(from_caller.seconds - talked) < 0.3
    assert from_caller.share(CALLER_TONE) > 0.97
    assert to_caller.share(agent_tone("1004")) > 0.97
    # Nobody took the last caller: its recording was stopped when the queue gave the call back, and is empty.
    assert untaken.events("MixMonitorStop")
    kept = lab.pbx.spool / user_event(untaken, "AriRecorderArmed")["Base"]
    assert (await listen(kept))[0].seconds == 0


async def test_an_announcement_that_was_not_played_gives_no_evidence_and_the_call_goes_on(lab: Lab) -> None:
    sounds = {language: lab.pbx.sounds / language / "announcement.wav" for language in ("fi", "sv", "en")}
    whole = {language: sound.read_bytes() for language, sound in sounds.items()}
    length = seconds_of(sounds["en"])
    await lab.agent("1006").does_not_answer()
    try:
        with wave.open(str(sounds["fi"]), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
        sounds["sv"].rename(sounds["sv"].with_suffix(".alaw"))  # Playback would be content with it
        sounds["en"].write_bytes(whole["en"][:4000])
        empty, missing, short = await asyncio.gather(
            lab.call("0195202005"), lab.call("0195202001"), lab.call("0195202003")
        )
        await asyncio.gather(empty.wait_queued(), missing.wait_queued(), short.wait_queued())
    finally:
        for language, sound in sounds.items():
            sound.write_bytes(whole[language])
            sound.with_suffix(".alaw").unlink(missing_ok=True)
    for caller, number, language in ((empty, "0195202005", "fi"), (missing, "0195202001", "sv")):
        failed = user_event(caller, "AriRecorderAnnouncementFailed")
        assert failed["Token"] == token(lab, f"announcement-failed:{caller.uniqueid}:{number}:{language}")
        assert caller.user_event("AriRecorderAnnounced") is None
        await caller.wait_connected()
    announced = user_event(short, "AriRecorderAnnounced")
    assert int(announced["Done"]) - int(announced["Started"]) < 1000 * length / 2
    await end(empty, missing)
    await short.wait_ended()


async def test_a_caller_who_hangs_up_during_the_announcement_has_not_heard_it(lab: Lab) -> None:
    caller = await lab.call("0195202000")
    await caller.wait("UserEvent")
    await asyncio.sleep(0.4)
    await end(caller)
    assert [event["UserEvent"] for event in caller.events("UserEvent")] == ["AriRecorderAnnouncing"]


async def test_a_transferred_caller_keeps_the_uniqueid_and_can_be_recorded_on(lab: Lab, service: AmiClient) -> None:
    async def transferred(number: str, agent: str, target: str, how: str) -> tuple[Caller, Path, Path]:
        caller = await lab.call(number)
        first = await record(lab, service, caller)
        second = Path(f"{first}-second")
        await asyncio.sleep(0.5)
        again = asyncio.create_task(record_anew(service, caller, agent, second, attended=how == "attended"))
        if how == "attended":
            await lab.agent(agent).attended_transfer(target)
        else:
            await lab.agent(agent).blind_transfer(target, by="refer" if how == "refer" else "keys")
        await lab.agent(target).wait_talking()
        await again
        await asyncio.sleep(1.2)
        await end(caller)
        return caller, first, second

    calls = {
        "blind inside": ("0195202000", "1001", "1003", "keys"),
        "refer inside": ("0195202001", "1004", "1013", "refer"),
        "attended inside": ("0195202002", "1005", "1014", "attended"),
        "blind outside": ("0195202004", "1007", "0501234567", "keys"),
    }
    await lab.agent("1007").answers()
    done = dict(zip(calls, await asyncio.gather(*(transferred(*call) for call in calls.values())), strict=True))
    for what, (caller, first, second) in done.items():
        _, agent, target, how = calls[what]
        third = OUTSIDE_TONE if "outside" in what else agent_tone(target)
        assert (await listen(first))[1].has(agent_tone(agent)), what
        from_caller, to_caller = await listen(second)
        assert to_caller.total(third) > 0.5, what
        assert not to_caller.has(agent_tone(agent)), what
        assert from_caller.share(CALLER_TONE) > 0.95, what
        assert len(caller.events("Hangup")) == 1, what
        name = "AttendedTransfer" if how == "attended" else "BlindTransfer"
        moved = [
            event for event in service.events if event.name == name and event["TransfereeUniqueid"] == caller.uniqueid
        ]
        assert [event["Result"] for event in moved] == ["Success"], what
        if how == "attended":  # the consultation is not for the recording: the caller hears music meanwhile
            assert to_caller.has(MUSIC_ON_HOLD)


async def test_callers_find_the_second_agent_the_local_agent_and_the_way_out(lab: Lab) -> None:
    await lab.agent("1007").does_not_answer()
    await lab.agent("1006").does_not_answer()
    second, local, gone = await asyncio.gather(lab.call("0195202004"), lab.call("0195202005"), lab.call("0195202003"))
    await gone.wait_queued()
    await end(gone)
    refused, taken = await second.wait("AgentRingNoAnswer"), await second.wait_connected()
    assert (refused["Interface"], taken["Interface"]) == ("PJSIP/1007", "PJSIP/1008")
    assert (await local.wait_connected())["Interface"] == "Local/1009@remote-agents/n"
    assert gone.events("QueueCallerAbandon")
    assert not gone.events("AgentConnect")
    await lab.agent("1009").press("*91")
    await lab.agent("1008").hangup()
    await second.wait_ended()
    await end(local)
    code = [
        event
        for event in lab.pbx.ami.events
        if event["UserEvent"] == "AriRecorderCode" and event["Linkedid"] == local.uniqueid
    ]
    assert [event["Code"] for event in code] == ["threat"]
    assert code[0]["Channel"].startswith("PJSIP/1009-")
    told = [fact.what for fact in lab.facts if fact.who == "1008"]
    assert told[-4:] == ["rings", "answers", "hangs up", "on hook"]


async def test_a_caller_chooses_the_language_by_key_or_gets_the_default(lab: Lab) -> None:
    async def languages(keys: str) -> str:
        caller = await lab.call("0195202002")
        if keys:
            await asyncio.sleep(0.8)
            await caller.press(keys)
        await caller.wait_queued()
        await end(caller)
        return user_event(caller, "AriRecorderAnnounced")["Languages"]

    assert await asyncio.gather(*map(languages, ("1", "2", "3", "9", ""))) == ["fi", "sv", "en", "fi-sv", "fi-sv"]


async def test_the_services_user_sees_and_may_do_only_what_it_needs(lab: Lab, service: AmiClient) -> None:
    caller = await lab.call("0195202001", caller_id="<+35840ABC1234>")
    connect = await caller.wait_connected()
    assert connect["CallerIDNum"] == "+358401234"
    await caller.press("123")
    await end(caller)
    await service.wait_event(lambda event: event.name == "Hangup" and event["Uniqueid"] == caller.uniqueid)
    seen = {event.name for event in service.events}
    assert seen <= ALLOWED
    assert {"UserEvent", "AgentConnect", "BridgeEnter", "Hangup"} <= seen
    assert "DTMFEnd" in {event.name for event in lab.pbx.ami.events}  # it was there to be seen
    for action in ("Command", "Originate", "UserEvent"):
        with pytest.raises(LabError, match="ermission denied"):
            await service.action(action, Command="core show version", Channel=caller.channel)


async def test_an_unrecorded_queue_is_left_alone(lab: Lab) -> None:
    caller = await lab.call("0195202009")
    await caller.wait_connected()
    await end(caller)
    assert not caller.events("UserEvent")
