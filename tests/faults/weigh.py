"""What is left after a scenario, weighed: each call the lab made against the ledger, and each recording against what
MixMonitor wrote. Neither is asked of the service: the lab knows the first, the witness the second.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ari_recorder import config
from ari_recorder.domain.ledger import MISSING
from ari_recorder.domain.retention import StoredState
from ari_recorder.services import connect, connect_service
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault import codec
from ari_recorder.vault.recordings import Vault
from tests.faults.crowd import TONES, Fact, name_calls
from tests.faults.figures import Figure, at_most, none_of, shown
from tests.faults.witness import Seen, Testimony
from tests.lab.lab import CROWD_NUMBER_ARMED
from tests.lab.service import Service
from tests.lab.tones import Sound

HELSINKI = ZoneInfo("Europe/Helsinki")
SAMPLE_BYTES = 2
A_SECOND = 16_000
ZERO = timedelta()
HEARABLE = timedelta(seconds=0.5)
# What the lab's clock and MixMonitor's may differ by: whoever hangs up, and a machine that is busy.
TALK_DIFFERS = 1.0
# And what callers and phones on the same two cores did not send in time: nobody can record it. That nothing of what
# MixMonitor wrote is lost is a figure of its own.
NOT_SENT = 0.015
# The ledger forgives 2.5 s at the beginning (domain/ledger.py). queue_log tells whole seconds, one too many perhaps,
# and a service that is back takes up to a second to begin.
NOTICED = 0.5
# A kill that comes this soon after the agent's answer: the order to start had not been given.
JUST = 0.5
# What may be missing of a talk whose answer nobody told of: as much as the ledger forgives.
FORGIVEN = MISSING.total_seconds()
# On a machine that is busy the service is sometimes first. Of those files only the length is compared.
LATE_PERCENT = 3.0
# MixMonitor's first words are on disk; and who is killed is not gone at once.
WRITTEN_AFTER = 2.5
KILL_TAKES = 2.0
# Of its own voice a recording holds at least this share; of any other caller's less than a packet or two in a hundred.
OWN, OTHER = 0.9, 0.02


@dataclass(slots=True, kw_only=True)
class Stored:
    """A recording that can be heard, opened. Only what is compared is kept of its samples."""

    row: StoredRecording
    uniqueid: str
    problem: str = ""  # why it is not what MixMonitor wrote
    tones: frozenset[int] = frozenset()
    weak: frozenset[int] = frozenset()  # tones heard, but not most of the time

    def __str__(self) -> str:
        return f"recording {self.row.id} of {self.uniqueid}"


@dataclass(slots=True, kw_only=True)
class Aftermath:
    """Everything there is to be weighed. `away`: when no service was there, `pbx_died`: when the PBX was killed, by the
    lab's clock."""

    facts: list[Fact]
    testimony: Testimony
    away: list[tuple[float, float]]
    ledger: dict[str, dict[str, Any]]
    stored: list[Stored]
    left: list[str]
    audit: str
    alarms: Counter[str] = field(default_factory=Counter)
    pbx_died: tuple[float, ...] = ()


async def gather(
    service: Service,
    facts: list[Fact],
    testimony: Testimony,
    away: list[tuple[float, float]],
    *,
    within: float = 120,
    patient: bool = True,
) -> Aftermath:
    """Once the ledger has the last word on every call. Of one that nobody but queue_log knows that takes a minute: who
    is not `patient` weighs those as pending."""
    await asyncio.to_thread(name_calls, facts, service.lab.pbx.queue_log)
    waited_for = [fact for fact in facts if patient or not _alone(fact, away)]
    ledger = await _settled(service, waited_for, within)
    stored = await _stored(service, testimony)
    return Aftermath(
        facts=facts,
        testimony=testimony,
        away=away,
        ledger=ledger,
        stored=stored,
        left=await asyncio.to_thread(_left, service, {one.row.path or "" for one in stored}),
        audit=await _audit(service),
        alarms=_alarms(service),
    )


async def _settled(service: Service, facts: list[Fact], within: float) -> dict[str, dict[str, Any]]:
    """The ledger's rows by Uniqueid. What is still pending at the end is weighed as it is."""
    begun = [datetime.fromtimestamp(fact.begun, UTC).astimezone(HELSINKI).date() for fact in facts]
    days = sorted({*begun, datetime.now(HELSINKI).date()})
    end = asyncio.get_running_loop().time() + within
    while True:
        ledger: dict[str, dict[str, Any]] = {}
        for day in days:
            found = await service.command("ledger", "--day", day.isoformat(), or_code=3)
            ledger |= {row["uniqueid"]: row for row in found["calls"]}
        rows = [ledger.get(fact.uniqueid) for fact in facts if fact.uniqueid]
        if all(row and row["verdict"]["state"] != "pending" for row in rows):
            return ledger
        if asyncio.get_running_loop().time() > end:
            return ledger
        await asyncio.sleep(1)


async def _stored(service: Service, testimony: Testimony) -> list[Stored]:
    settings = await asyncio.to_thread(config.load, service.config)
    vault = await asyncio.to_thread(connect_service.vault, settings)
    found: list[Stored] = []
    async with connect.ready_database(settings) as database:
        after = None
        while True:
            async with database.transaction() as conn:
                rows = await recordings.find(
                    conn, recordings.Filters(state=StoredState.SEALED), after=after, limit=1000
                )
                of = await calls.get(conn, {row.call_id for row in rows})
            found += [Stored(row=row, uniqueid=of[row.call_id].uniqueid) for row in rows]
            if len(rows) < 1000:
                break
            after = recordings.Key(started_at=rows[-1].started_at, id=rows[-1].id)
    await asyncio.to_thread(_listen_to_all, vault, found, testimony)
    return found


def _listen_to_all(vault: Vault, found: list[Stored], testimony: Testimony) -> None:
    for one in found:
        try:
            _listen(vault, one, testimony)
        except Exception as error:  # whatever it is: this recording cannot be heard
            one.problem = f"{type(error).__name__}: {error}"


def _listen(vault: Vault, one: Stored, testimony: Testimony) -> None:
    row = one.row
    assert row.path is not None
    assert row.wrapped_key is not None
    with vault.open_recording(row.path, row.wrapped_key, row.id) as opened, opened.as_file() as audio:
        pcm = b"".join(codec.decode(audio, row.path))
    stereo = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    sides = [np.ascontiguousarray(stereo[:, side]) for side in (0, 1)]
    shares = {tone: Sound.of(sides[0].tobytes()).share(tone) for tone in TONES}
    one.tones = frozenset(tone for tone, share in shares.items() if share > OTHER)
    one.weak = frozenset(tone for tone in one.tones if shares[tone] < OWN)
    base = base_of(one, testimony)
    if base is None:
        one.problem = "MixMonitor wrote no such files"
        return
    for name, samples, seen in zip(("caller", "agent"), sides, testimony.sides(base), strict=True):
        if difference := _differs(samples.tobytes(), seen):
            one.problem = f"{name}'s side: {difference}"


def base_of(one: Stored, testimony: Testimony) -> str | None:
    """The files it was made of: of the service's own the name is the recording's, of the net's the call's."""
    bases = testimony.bases
    if str(one.row.id) in bases:
        return str(one.row.id)
    return next((base for base in bases if base.startswith(f"net_{one.uniqueid}_")), None)


def _differs(pcm: bytes, seen: Seen | None) -> str:
    """Empty when it is what was written, sample for sample, and nothing but the other side's length is after it."""
    length = seen.bytes // SAMPLE_BYTES * SAMPLE_BYTES if seen is not None else 0
    written, after = pcm[:length], pcm[length:]
    if len(written) < length:
        return f"{len(written) / A_SECOND:.2f} s of {length / A_SECOND:.2f} s"
    if seen is not None and not seen.late and hashlib.sha256(written).hexdigest() != seen.sha256:
        return f"not the samples MixMonitor wrote ({length / A_SECOND:.2f} s)"
    return "there is more than MixMonitor wrote" if any(after) else ""


def _left(service: Service, stored: set[str]) -> list[str]:
    """Files that should be gone, or that nobody knows."""
    vault = service.state / "vault"
    left = [f"spool: {path.name}" for path in service.lab.pbx.spool.glob("*.sln")]
    left += [f"parts: {path.name}" for path in vault.glob(".parts/*")]
    left += [f"unfinished: {path.name}" for path in vault.glob(".new/*")]
    sealed = {str(path.relative_to(vault)) for path in vault.rglob("*.sealed")}
    left += [f"a sealed file without a row: {path}" for path in sorted(sealed - stored)]
    left += [f"a row without a sealed file: {path}" for path in sorted(stored - sealed)]
    damaged = service.state / "journal" / "damaged"
    return [*left, *(["the journal has damaged lines"] if damaged.exists() else [])]


async def _audit(service: Service) -> str:
    try:
        verified = await service.command("audit", "verify")
    except AssertionError as error:
        return str(error)
    return "" if verified["ok"] else json.dumps(verified)


def _alarms(service: Service) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in service.log.read_text(errors="replace").splitlines():
        if '"alarm"' in line:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            found[told.get("alarm", "?")] += 1
    return found


# --- the verdicts


def weigh(after: Aftermath, differs: float = TALK_DIFFERS) -> list[Figure]:
    """`differs`: how many seconds of talk may be missing where the scenario keeps the service from hearing of it."""
    talked = [fact for fact in after.facts if fact.connected is not None]
    of = _by_uniqueid(after.stored)
    bases = Counter(base_of(one, after.testimony) for one in after.stored)
    exact = sum(not one.problem for one in after.stored)
    return [
        shown("calls", len(after.facts)),
        shown("calls an agent took", len(talked)),
        shown("recordings stored", len(after.stored)),
        shown("recordings byte-exact to what MixMonitor wrote", exact),
        none_of("doubts of the witness", after.testimony.doubts),
        at_most(
            "files the witness read too late to compare, percent",
            100 * len(after.testimony.late) / max(1, len(after.testimony.files)),
            LATE_PERCENT,
        ),
        none_of(
            "calls taken, and without a recording, though a service was there",
            [
                str(fact)
                for fact in talked
                if not of.get(fact.uniqueid) and not _alone(fact, after.away) and not _died_unwritten(fact, after)
            ],
        ),
        none_of(
            "segments MixMonitor wrote that are in no recording",
            sorted(after.testimony.bases - {b for b in bases if b}),
        ),
        none_of(
            "segments in more than one recording",
            [base for base, times in bases.items() if base is not None and times > 1],
        ),
        none_of(
            "recordings that are neither byte-exact nor marked",
            [f"{one}: {one.problem}" for one in after.stored if one.problem and not one.row.truncated_because],
        ),
        shown("recordings marked as truncated", sum(bool(one.row.truncated_because) for one in after.stored)),
        none_of("recordings with tones of another caller", _voices(talked, of, others=True)),
        # On a machine that tests on every core not all is sent in time.
        none_of("recordings without the caller's own tones most of the time", _voices(talked, of), timed=True),
        none_of("seconds of talk missing while a service was there", _missing(after, talked, of, differs), timed=True),
        *_of_ledger(after, talked),
        none_of("files left over or unknown", after.left),
        none_of("faults of the audit tree", [after.audit] if after.audit else []),
    ]


def _by_uniqueid(stored: Iterable[Stored]) -> dict[str, list[Stored]]:
    found: dict[str, list[Stored]] = {}
    for one in stored:
        found.setdefault(one.uniqueid, []).append(one)
    return found


def _voices(talked: Sequence[Fact], of: dict[str, list[Stored]], *, others: bool = False) -> list[str]:
    wrong = []
    for fact in talked:
        for one in of.get(fact.uniqueid, []):
            own = set(fact.tones)
            # A caller who hung up in the moment in which the order was given has said nothing: no voice is right, too.
            is_weak = (not own <= one.tones or one.weak) and (one.row.duration or ZERO) >= HEARABLE
            if one.tones - own if others else is_weak:
                wrong.append(f"{one}: {sorted(one.tones)} instead of {fact.tones}, weak {sorted(one.weak)}")
    return wrong


def _missing(after: Aftermath, talked: Sequence[Fact], of: dict[str, list[Stored]], differs: float) -> list[str]:
    """What is shorter than the talk by more than nobody being there at its beginning explains."""
    short = []
    for fact in talked:
        heard = sum(one.row.duration.total_seconds() for one in of.get(fact.uniqueid, []) if one.row.duration)
        # With the PBX go what MixMonitor has not written yet, and the time until the lab notices.
        gone = WRITTEN_AFTER + KILL_TAKES if _died(fact, after) else 0.0
        if fact.talk * (1 - NOT_SENT) - heard > _nobody_there(fact, after.away) + differs + gone:
            short.append(
                f"{fact}: {heard:.2f} s are heard, the first {_nobody_there(fact, after.away):.2f} s no service"
            )
    return short


def _nobody_there(fact: Fact, away: Sequence[tuple[float, float]]) -> float:
    """How long the conversation had gone on when a service came that could start a recording. What the dialplan armed
    needs none."""
    began, ended = fact.connected or 0.0, fact.ended or 0.0
    until = began
    for since, back in sorted(away) if fact.number != CROWD_NUMBER_ARMED else ():
        if since <= until + JUST and back > until:
            until = min(back, ended)
    return until - began


def _alone(fact: Fact, away: Sequence[tuple[float, float]]) -> bool:
    """From its beginning to its end nobody was there who could have recorded it."""
    return (
        fact.connected is not None
        and fact.talk - _nobody_there(fact, away) <= TALK_DIFFERS
        and fact.number != CROWD_NUMBER_ARMED
    )


def _died_unwritten(fact: Fact, after: Aftermath) -> bool:
    """It went with the PBX before MixMonitor wrote its first buffer, which is 2.05 s."""
    return fact.talk < WRITTEN_AFTER and _died(fact, after)


def _died(fact: Fact, after: Aftermath) -> bool:
    return any(abs((fact.ended or 0.0) - died) < KILL_TAKES for died in after.pbx_died)


def _of_ledger(after: Aftermath, talked: Sequence[Fact]) -> list[Figure]:
    states: Counter[str] = Counter()
    wrong: list[str] = []
    unexplained: list[str] = []
    pending: list[str] = []
    unheard: list[str] = []
    alone = 0
    connected = {fact.uniqueid for fact in talked}
    for fact in after.facts:
        row = after.ledger.get(fact.uniqueid)
        verdict = (row["verdict"]["state"], row["verdict"]["reason"]) if row else ("nothing", "")
        states[" ".join(verdict).strip()] += 1
        began_alone = _nobody_there(fact, after.away)
        told = f"{fact}: {' '.join(verdict)}; without a service for the first {began_alone:.2f} s"
        match verdict[0]:
            case "pending" if _alone(fact, after.away):
                unheard.append(told)  # only queue_log knows it, and it may be looked at too soon
            case "unexplained":
                unexplained.append(told)
            case "pending":
                pending.append(told)
            case "recorded" if fact.uniqueid in connected:
                pass
            case "not_recorded" | "nothing" if fact.uniqueid not in connected:
                pass
            case "not_recorded" if verdict[1] == "nothing-said" and fact.talk < 2 and _alone(fact, after.away):
                pass  # queue_log tells whole seconds: a second is nothing
            case "not_recorded" if verdict[1] == "service-away" and _alone(fact, after.away):
                alone += 1
            case "not_recorded" if verdict[1] == "capture-failed" and _died_unwritten(fact, after):
                pass
            case "not_recorded" if verdict[1] == "unanswered" and fact.talk < JUST and _died(fact, after):
                pass  # the PBX died in the moment of the answer, and wrote nothing of it
            case "not_recorded" if verdict[1] == "capture-failed" and _alone(fact, after.away):
                unheard.append(told)  # the order was in the journal, and the service killed before it was given
            case _:
                wrong.append(told)
    strangers = sorted(after.ledger.keys() - {fact.uniqueid for fact in after.facts})
    return [
        *(shown(f"ledger: {state}", number) for state, number in sorted(states.items())),
        shown("calls not recorded because no service was there, and told so", alone),
        shown("calls of that kind that were not settled", len(unheard)),
        none_of("calls unexplained", unexplained),
        none_of("calls pending", pending),
        none_of("calls in a wrong state", wrong),
        none_of("calls of the ledger that nobody made", strangers),
    ]


def alarms(after: Aftermath) -> list[Figure]:
    return [shown(f"alarms: {name}", number) for name, number in sorted(after.alarms.items())]


def write_facts(facts: Sequence[Fact], path: Path) -> None:
    """For whoever looks into a run that failed."""
    path.write_text("\n".join(f"{fact.begun:.3f} {fact.connected} {fact.ended} {fact}" for fact in facts) + "\n")
