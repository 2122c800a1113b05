"""The part of `check` that asks the PBX: log-in, rights, version, dialplan, queues. Nothing is changed there."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from ari_recorder.asterisk import sounds
from ari_recorder.asterisk.actions import DialplanLine
from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.errors import AmiUnreachable, RecorderError, TlsUnusable
from ari_recorder.domain.evidence import token
from ari_recorder.services.check_paths import judge_paths
from ari_recorder.services.check_queue_files import judge_members
from ari_recorder.services.check_version import judge_version
from ari_recorder.services.connect_service import ami_session
from ari_recorder.services.findings import Area, Finding, fail, ok, unseen, warn
from ari_recorder.services.pbx_facts import PbxFacts

# Asterisk sleeps a second before it refuses a log-in; a PBX that is up answers everything else at once.
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.2
# The dialplan's own limit (asterisk_conf/extensions_ari_recorder.conf).
STALE_SECONDS = 30

# An action of each right (manager.c, registrations): who may send the action has the right.
NEEDED = {
    "Getvar": "reporting",
    "Setvar": "call",
    "Status": "call",
    "CoreStatus": "reporting",
    "CoreSettings": "reporting",
    "ShowDialPlan": "reporting",
    "StopMixMonitor": "call",
    "MixMonitorMute": "call",
}
TOO_WIDE = {"Command": "command", "Originate": "originate", "UpdateConfig": "config", "QueueAdd": "agent"}

# Built-in features that FEATUREMAP() tells (features_config.c).
FEATURES = ("blindxfer", "atxfer", "disconnect", "parkcall", "automon", "automixmon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found, and what was learned for the other parts of the check."""

    findings: list[Finding]
    facts: PbxFacts
    announced: set[str]  # the queues that ari-recorder-enter leads to


async def check(config: Config) -> Seen:
    facts = PbxFacts()
    findings = await _connect(config, facts)
    lines = facts.dialplan.lines if facts.dialplan is not None else ()
    announced = {entry.queue for line in lines if (entry := _entry(line)) is not None}
    return Seen(findings=findings, facts=facts, announced=announced)


async def _connect(config: Config, facts: PbxFacts) -> list[Finding]:
    try:
        session = ami_session(config)
    except ConfigError:
        return [fail(Area.AMI, "not asked: a secret cannot be read", "Mend the configuration first")]
    except TlsUnusable as error:
        return [fail(Area.AMI, str(error), "Set pbx.tls_ca_file to the PBX's certificate or its authority's")]
    running = asyncio.create_task(session.run())
    try:
        return await _ask(session, config, facts)
    finally:
        await session.aclose()
        await running


async def _ask(session: AmiSession, config: Config, facts: PbxFacts) -> list[Finding]:
    where = f"{config.pbx.host}:{config.pbx.port}"
    try:
        await _live(session)
    except RecorderError as error:
        return [fail(Area.AMI, str(error), "Asterisk's manager.conf and this file must agree")]
    findings = [ok(Area.AMI, f"{where} accepted {config.pbx.username}" + (" over TLS" if config.pbx.tls else ""))]
    asking = (_rights, _version, _dialplan, _queues, _learn)
    for ask in asking:
        try:
            findings += [finding async for finding in ask(session, config, facts)]
        except RecorderError as error:
            findings.append(fail(Area.AMI, str(error), "Give the AMI user the rights of manager_ari_recorder.conf"))
    return findings


async def _live(session: AmiSession) -> None:
    """Until it is live, or has a trouble: a check does not wait for a PBX that is being started."""
    for _ in range(round(PATIENCE_SECONDS / POLL_SECONDS)):
        try:
            return await session.wait_live(POLL_SECONDS)
        except AmiUnreachable as error:
            if session.health().trouble is not None:
                raise
            last = error
    raise last


async def _rights(session: AmiSession, config: Config, facts: PbxFacts) -> AsyncIterator[Finding]:
    allowed = await session.permissions()
    needed = NEEDED | ({"MixMonitor": "system"} if config.capture.start == "ami" else {})
    missing = sorted(action for action in needed if action not in allowed)
    for action in missing:
        yield fail(
            Area.RIGHTS,
            f"the AMI user may not send {action}",
            f"Add {needed[action]} to its write= in manager.conf, and see that the module is loaded",
        )
    too_wide = sorted(right for action, right in TOO_WIDE.items() if action in allowed)
    if config.capture.start == "dialplan" and "MixMonitor" in allowed:
        too_wide.append("system")
    facts.told_rights |= set(too_wide)
    for right in too_wide:
        yield warn(
            Area.RIGHTS,
            f"the AMI user has the right {right}, which this service does not need",
            f"Take {right} out of its write= in manager.conf",
        )
    if not missing and not too_wide:
        yield ok(Area.RIGHTS, "the AMI user has the rights it needs, and no more")


async def _version(session: AmiSession, config: Config, facts: PbxFacts) -> AsyncIterator[Finding]:
    settings = await session.core_settings()
    facts.system_name = settings.system_name
    for finding in judge_version(settings.version):
        yield finding
    wanted = config.pbx.system_name
    if wanted is not None and settings.system_name != wanted:
        yield fail(
            Area.AMI,
            f"this PBX calls itself {settings.system_name!r}, not {wanted!r}",
            "Set pbx.host to the right PBX, or pbx.system_name to its systemname in asterisk.conf",
        )


async def _dialplan(session: AmiSession, config: Config, facts: PbxFacts) -> AsyncIterator[Finding]:
    site = "in [globals] of ari_recorder_site/extensions.conf, then `dialplan reload`"
    facts.dialplan = await session.dialplan()
    lines = facts.dialplan.lines
    if not any(line.context == "ari-recorder-enter" for line in lines):
        yield fail(
            Area.DIALPLAN,
            "the PBX has not loaded extensions_ari_recorder.conf",
            "Add `#include extensions_ari_recorder.conf` to extensions.conf, then `dialplan reload`",
        )
        return
    wanted = {
        "ARI_RECORDER_SPOOL": ("pbx.spool", str(config.pbx.spool)),
        "ARI_RECORDER_SOUNDS": ("pbx.sounds", str(config.pbx.sounds)),
        "ARI_RECORDER_START": ("capture.start", config.capture.start),
    }
    agree = True
    for name, (key, value) in wanted.items():
        there = await session.get_variable("", name)
        if there.rstrip("/") != value:
            agree = False
            yield fail(
                Area.DIALPLAN,
                f"{name} is {there!r} on the PBX, but {key} is {value!r} here",
                f"Set {name} = {value} {site}",
            )
    if not await _same_secret(session, config):
        agree = False
        yield fail(
            Area.DIALPLAN,
            "ARI_RECORDER_SECRET on the PBX is not what pbx.dialplan_secret_file holds: its reports would be refused",
            f"Set ARI_RECORDER_SECRET to the content of the file {site}",
        )
    if agree:
        yield ok(Area.DIALPLAN, "the dialplan is loaded and agrees with this configuration")
    yield await _heartbeat(session)
    for finding in judge_numbers([entry for line in lines if (entry := _entry(line))], config):
        yield finding
    for finding in judge_paths(lines, {queue.name for queue in config.queues}):
        yield finding
    if await session.get_variable("", "DYNAMIC_FEATURES"):
        yield warn(
            Area.DIALPLAN,
            "DYNAMIC_FEATURES is set for the whole PBX: everybody may have the agents' codes",
            "Take it out of [globals]; grant the codes by set_var of the agents' endpoints only",
        )


async def _same_secret(session: AmiSession, config: Config) -> bool:
    """Both make a token of a fresh word; the secret itself is not sent."""
    word = f"check:{secrets.token_hex(8)}"
    secret = "${ARI_RECORDER_SECRET}"  # noqa: S105 - the dialplan's name of it
    there = await session.get_variable("", f"EVAL(${{SHA1({secret}${{SHA1({secret}{word})}})}})")
    return secrets.compare_digest(there, token(config.dialplan_secret(), word))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the site's dialplan that leads a number to a recorded queue. What a variable holds is not known."""

    queue: str
    languages: tuple[str, ...]
    number: str


def _entry(line: DialplanLine) -> Entry | None:
    found = re.fullmatch(r"ari-recorder-enter,s,1\(([^,]*),([^,]*),([^,)]*)(?:,[^)]*)?\)", line.data)
    if line.application != "Gosub" or found is None:
        return None
    queue, languages, number = (part.strip() for part in found.groups())
    known = tuple(languages.split("-")) if "$" not in languages else ()
    return Entry(queue=queue, languages=known, number=number)


def judge_numbers(entries: Sequence[Entry], config: Config) -> Iterator[Finding]:
    """Do the numbers of the dialplan, the queues of the configuration and the sounds fit together?"""
    sections = {queue.name: queue for queue in config.queues}
    playable = {language.value for language in sounds.read(config.pbx.sounds)}
    for queue in config.queues:
        leading = [entry.number for entry in entries if entry.queue == queue.name]
        for number in queue.numbers:
            if number not in leading:
                yield fail(
                    Area.DIALPLAN,
                    f'queues["{queue.name}"].numbers: the dialplan does not lead {number} to this queue',
                    f"exten => {number},1,Gosub(ari-recorder-enter,s,1({queue.name},fi-sv,{number}))",
                )
        if not leading and not queue.numbers:
            yield warn(
                Area.DIALPLAN,
                f'queues["{queue.name}"]: no line of the dialplan leads to it by ari-recorder-enter; without the '
                "announcement no call is recorded",
                f"exten => <number>,1,Gosub(ari-recorder-enter,s,1({queue.name},fi-sv,<number>))",
            )
    for entry in entries:
        if entry.queue not in sections and "$" not in entry.queue:
            yield warn(
                Area.DIALPLAN,
                f"{entry.number} leads to the queue {entry.queue}, which is not configured here: its callers hear the "
                "announcement, but are not recorded",
                f'Add [[queues]] with name = "{entry.queue}" and its retention',
            )
        if silent := [language for language in entry.languages if language not in playable]:
            yield fail(
                Area.SOUNDS,
                f"{entry.number} announces in {', '.join(silent)}, but there is no sound that can be played: "
                "its calls are not recorded",
                f"Put announcement.wav into {config.pbx.sounds / silent[0]}, or name other languages in the dialplan",
            )


async def _heartbeat(session: AmiSession) -> Finding:
    beat = await session.get_variable("", "ARI_RECORDER_HEARTBEAT")
    age = int(time.time()) - int(beat) if re.fullmatch("[0-9]{1,12}", beat) else None
    if age is not None and age <= STALE_SECONDS:
        return ok(Area.DIALPLAN, f"a service is running: it told the PBX so {max(age, 0)} s ago")
    since = "never" if age is None else f"{age} s ago for the last time"
    return warn(
        Area.DIALPLAN,
        f"no service is running: it told the PBX so {since}; meanwhile the dialplan records by itself",
        "systemctl start ari-recorder",
    )


async def _queues(session: AmiSession, config: Config, facts: PbxFacts) -> AsyncIterator[Finding]:
    for queue in config.queues:
        if not re.fullmatch(r"[A-Za-z0-9_. -]+", queue.name):
            continue  # the PBX would read brackets and commas as something else
        if await session.get_variable("", f"QUEUE_EXISTS({queue.name})") == "1":
            yield ok(Area.QUEUES, f"the PBX has the queue {queue.name}")
        else:
            yield fail(
                Area.QUEUES,
                f'queues["{queue.name}"]: the PBX has no such queue',
                "Compare the name with queues.conf, then `queue reload all`",
            )


async def _learn(session: AmiSession, config: Config, facts: PbxFacts) -> AsyncIterator[Finding]:
    """What other parts of the check judge by. A PBX that does not tell it is not at fault."""
    timeout = await session.get_variable("", "FEATURE(featuredigittimeout)")
    if re.fullmatch("[0-9]{1,9}", timeout):  # the function is there, so an empty answer of the others means no key
        facts.digit_timeout = int(timeout)
        facts.featuremap = {name: await session.get_variable("", f"FEATUREMAP({name})") for name in FEATURES}
    try:
        facts.members = await session.queue_members()
        for finding in judge_members(facts.members, [queue.name for queue in config.queues]):
            yield finding
    except RecorderError as error:
        yield unseen(
            Area.QUEUES,
            f"the PBX did not tell the members of its queues ({error}): where calls from outside can come to was not "
            "looked at",
            "See there that no Dial() rings an agent of a recorded queue",
        )
