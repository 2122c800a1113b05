"""A week at a switchboard, for pictures of the page: queues, callers and conversations that nobody ever had.

scene = await set_scene(house)             calls of a week with flags, holds, a correction; the PBX's log of them
scene.talk                                 the conversation whose player is shown
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ari_recorder.domain.accounts import Principal, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import MarkKind
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.events import Language
from ari_recorder.domain.evidence import Evidence, Sound
from ari_recorder.domain.listening import Purpose, Why
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services.accounts import Person as Described
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.holds import HoldTerms
from tests.browser.house import House
from tests.people import GRANTER, HERE
from tests.site import Recorded, record

QUEUES = ("asiakaspalvelu", "terveysneuvonta", "sosiaalineuvonta", "rakennusvalvonta")
CALLERS = ("Maija Mallikas", "Erik Exempel", "Teppo Testaaja", "Hilkka Harju", "", "Sofia Sundqvist", "Onni Oja")
PEOPLE = {
    Role.ADVISER: ("aino.aalto", "Aino Aalto"),
    Role.SUPERVISOR: ("sirkku.salo", "Sirkku Salo"),
    Role.PRIVACY_OFFICER: ("petra.pihl", "Petra Pihl"),
    Role.ADMINISTRATOR: ("antti.ahola", "Antti Ahola"),
    Role.AUDITOR: ("alma.ek", "Alma Ek"),
}
RATE = 8000
TALK = timedelta(minutes=3, seconds=47)
FLAG = timedelta(minutes=1, seconds=52)


def conversation(seconds: float, seed: int) -> tuple[bytes, bytes]:
    """Caller and agent by turns, in phrases of syllables, with pauses; sometimes both at once."""
    dice = np.random.default_rng(seed)
    sides = np.zeros((2, int(seconds * RATE)))
    at, side = 0.4, 1
    while at < seconds - 1:
        turn = min(float(dice.uniform(1.2, 9)), seconds - at - 0.3)
        _speak(sides[side], at, turn, dice)
        if dice.random() < 0.2:
            _speak(sides[1 - side], at + turn * 0.7, min(1.0, turn * 0.3), dice)
        at += turn + float(dice.exponential(0.5))
        side = 1 - side
    caller, agent = (np.clip(one, -1, 1) * 20000 for one in sides)
    return caller.astype("<i2").tobytes(), agent.astype("<i2").tobytes()


def _speak(side: np.ndarray, at: float, length: float, dice: np.random.Generator) -> None:
    count = int(length * RATE)
    time = np.arange(count) / RATE
    # About four syllables a second, phrases that swell and fade, a breath between them.
    syllables = np.clip(
        np.sin(2 * np.pi * (4 * time + 0.6 * np.sin(2 * np.pi * 0.7 * time + dice.uniform(0, 6)))), 0, 1
    )
    phrases = 0.35 + 0.65 * np.abs(
        np.sin(2 * np.pi * time * float(dice.uniform(0.12, 0.3)) + float(dice.uniform(0, 3)))
    )
    pitch = float(dice.uniform(110, 220))
    voice = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 8))
    loud = float(dice.uniform(0.25, 0.5))
    begin = int(at * RATE)
    side[begin : begin + count] += (voice * syllables * phrases * loud)[: len(side) - begin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    talk: Recorded
    calls: tuple[Recorded, ...]


def _evidence(at: datetime) -> Evidence:
    lengths = {Language.FI: 9.0, Language.SV: 10.0}
    sounds = tuple(
        Sound(language=language, sha256=f"{number:02x}7c4e91" * 8, duration=timedelta(seconds=length))
        for number, (language, length) in enumerate(lengths.items(), 10)
    )
    return Evidence(
        number="0800123456", sounds=sounds, started=at - timedelta(seconds=50), done=at - timedelta(seconds=31)
    )


async def set_scene(house: House) -> Scene:
    dice = np.random.default_rng(20261124)
    today = house.clocks.now().astimezone(HELSINKI).replace(hour=8, minute=12, second=40, microsecond=0)
    days = [today - timedelta(days=back) for back in range(9) if (today - timedelta(days=back)).weekday() < 5]
    made: list[Recorded] = []
    await enrol_people(house)
    await house.site.hold_desk.no_threat(
        await _principal(house, Role.SUPERVISOR), house.recorded.recording_id, yes=True
    )
    log: list[tuple[float, str]] = [(min(days).timestamp() - 86400, "NONE|NONE|NONE|QUEUESTART|")]
    for day in days:
        at = day
        for _ in range(int(dice.integers(3, 6))):
            at += timedelta(minutes=float(dice.uniform(9, 55)))
            if at > house.clocks.now() - timedelta(minutes=15):
                at -= timedelta(days=1)
            number = len(made)
            length = timedelta(seconds=round(float(dice.uniform(35, 420)))) if number else TALK
            made.append(await _call(house, number, at, length, dice))
            log += _logged(made[-1], f"{at.timestamp():.0f}.{number}")
            if dice.random() < 0.25:  # somebody gave up
                log += _abandoned(at + timedelta(minutes=4), f"{at.timestamp():.0f}.9{number}")
    lines = (f"{when:.0f}|{line}" for when, line in sorted(log))
    house.config.pbx.queue_log.write_text("\n".join(lines) + "\n")
    scene = Scene(talk=made[0], calls=tuple(made))
    await CallerIndex(database=house.site.database, keyring=house.site.keyring).run_once(asyncio.Event())
    await _work(house, scene)
    await sequence(house.site.database)
    return scene


async def _call(house: House, number: int, at: datetime, length: timedelta, dice: np.random.Generator) -> Recorded:
    marks: tuple[tuple[MarkKind, timedelta], ...] = ()
    if number == 0:
        marks = (
            (MarkKind.HOLD, timedelta(seconds=41)),
            (MarkKind.UNHOLD, timedelta(seconds=58)),
            (MarkKind.THREAT, FLAG),
        )
    elif number in (5, 11, 16):
        marks = ((MarkKind.THREAT, length * 0.6),)
    elif number % 4 == 0:
        marks = ((MarkKind.PAUSE, length * 0.3), (MarkKind.RESUME, length * 0.45))
    return await record(
        house.config,
        house.site.database,
        started_at=at,
        uniqueid=f"{at.timestamp():.0f}.{number}",
        number=f"04012345{number:02}",
        sides=conversation(length.total_seconds(), number),
        marks=marks,
        name=CALLERS[number % len(CALLERS)],
        queue=QUEUES[number % len(QUEUES)] if number else QUEUES[1],
        phone=str(1001 + number % 6),
        waited=timedelta(seconds=round(float(dice.uniform(32, 90)))),
        evidence=_evidence(at),
    )


def _logged(made: Recorded, uniqueid: str) -> list[tuple[float, str]]:
    """As app_queue writes it."""
    (member,), call = made.call.members, made.call
    assert call.connected_at is not None
    assert call.ended_at is not None
    assert call.caller is not None
    waited, talked = int(member.hold_time.total_seconds()), int((call.ended_at - call.connected_at).total_seconds())
    head = f"{uniqueid}|{call.queue}"
    at = call.connected_at.timestamp()
    return [
        (at - waited, f"{head}|NONE|ENTERQUEUE||{call.caller.num}|1"),
        (at, f"{head}|{member.name}|CONNECT|{waited}|{member.uniqueid}|3"),
        (at + talked, f"{head}|{member.name}|COMPLETECALLER|{waited}|{talked}|1"),
    ]


def _abandoned(at: datetime, uniqueid: str) -> list[tuple[float, str]]:
    head, when = f"{uniqueid}|{QUEUES[0]}|NONE", at.timestamp()
    return [(when, f"{head}|ENTERQUEUE||0405550000|1"), (when + 48, f"{head}|ABANDON|1|1|48")]


async def _work(house: House, scene: Scene) -> None:
    """What people did with these calls."""
    site, clocks = house.site, house.clocks
    sirkku = Actor.operator("sirkku.salo")
    for made, reference, months in ((scene.calls[11], "TUR-2026-118", 4), (scene.calls[3], "TP-2026-41", 2)):
        terms = HoldTerms(
            reason="Rikosilmoitus tehty, poliisi pyytää tallennetta.",
            reference=reference,
            owner="Sirkku Salo",
            review_on=(clocks.now() + timedelta(days=30 * months)).date(),
        )
        await site.holds.place([made.recording_id], terms, sirkku)
    officer = await _principal(house, Role.PRIVACY_OFFICER)
    for field, value, why in (
        (Correctable.CALLER_NAME, "Erik Exempel-Virtanen", "Soittaja pyysi korjaamaan nimensä."),
        (Correctable.NOTE, "Soittaja palasi asiaan 24.11., katso TUR-2026-118.", ""),
    ):
        await site.corrections.correct(
            officer, scene.talk.recording_id, Proposed(field=field, value=value, because=why, version=0)
        )
    supervisor = await _principal(house, Role.SUPERVISOR)
    for made, purpose in ((scene.talk, Purpose.ADVISER_SAFETY), (scene.calls[2], Purpose.QUALITY)):
        await site.listenings.begin(supervisor, made.recording_id, Why(purpose=purpose, reference="TUR-2026-118"))


async def enrol_people(house: House) -> None:
    """The people of the pictures, one of each role."""
    for role, (name, full_name) in PEOPLE.items():
        house.people[role] = await house.enrol(role, name)
        await house.site.people.accounts.change(Described(name=name, full_name=full_name, language="en"), GRANTER)


async def _principal(house: House, role: Role) -> Principal:
    person, desk = house.people[role], house.site.people
    ticket = await desk.login.begin(person.name, person.password, HERE)
    return await desk.sessions.principal((await desk.login.second_step(ticket, person.code(), HERE)).session, HERE)
