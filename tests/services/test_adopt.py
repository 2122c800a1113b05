"""Spool files of calls nobody listened to: told again, skipped, put in quarantine, alarmed once, or removed when they
hold nothing.
"""

import gzip
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.errors import DatabaseUnreachable
from ari_recorder.domain.events import Armed, CallRetold, Code, CodePressed, Uniqueid
from ari_recorder.domain.evidence import token
from ari_recorder.domain.quarantine import Orphaned, QuarantineReason
from ari_recorder.services import queue_logs
from ari_recorder.services.adopt import Adoption, Missed

SECRET = "insecure secret"
# The seconds of a call of ten minutes ago; the caller spoke for four seconds.
ANNOUNCED = int(time.time()) - 600
JOINED, ANSWERED, ENDED = ANNOUNCED + 3, ANNOUNCED + 5, ANNOUNCED + 9
CALLER, AGENT = Uniqueid(f"pbx-{ANNOUNCED}.7"), Uniqueid(f"pbx-{ANNOUNCED}.8")


def net_base(uniqueid: Uniqueid = CALLER, announced: int = ANNOUNCED, secret: str = SECRET) -> str:
    started, done = announced * 1000, announced * 1000 + 3000
    proof = token(secret, f"announced:{uniqueid}:0195202000:fi:{started}:{done}")
    return f"net_{uniqueid}_0195202000_fi_{started}_{done}_{proof}"


def lines_of(caller: Uniqueid = CALLER, *codes: str) -> list[str]:
    at = ANSWERED * 1000 + 500
    said = [
        f"{ANSWERED}|{caller}|neuvonta|NONE|ARICODE|{code}|{at}|"
        f"{token(SECRET, f'code-logged:{caller}:{AGENT}:{code}:{at}')}|{AGENT}"
        for code in codes
    ]
    return [
        f"{JOINED}|{caller}|neuvonta|NONE|ENTERQUEUE||0401234567|1",
        f"{ANSWERED}|{caller}|neuvonta|Adviser 1001|CONNECT|2|{AGENT}|1",
        *said,
        f"{ENDED}|{caller}|neuvonta|Adviser 1001|COMPLETECALLER|2|4|1",
    ]


def put(folder: Path, base: str, *, seconds: float = 4, written: float = ENDED) -> None:
    for side in ("caller", "agent"):
        path = folder / f"{base}.{side}.sln"
        path.write_bytes(bytes(round(seconds * 16_000)))
        os.utime(path, (written, written))


def write_log(path: Path, *lines: str, written: float | None = None) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    if written is not None:
        os.utime(path, (written, written))


class Rig:
    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir()
        self.queue_log = folder / "queue_log"
        self.over: set[Uniqueid] = set()
        self.stored: set[UUID] = set()
        self.away = False
        self.begin()

    def begin(self) -> None:
        """Another run of the service."""
        self.adoption = Adoption(
            spool=self.spool,
            queue_log=self.queue_log,
            secret=SECRET,
            over=lambda uniqueid: uniqueid in self.over,
            stored=self._stored,
        )

    async def _stored(self, ids: Collection[UUID]) -> frozenset[UUID]:
        if self.away:
            raise DatabaseUnreachable(database="x", reason="gone")
        return frozenset(self.stored & set(ids))

    async def missed(
        self, known: Sequence[str] = (), living: Sequence[Uniqueid] = (), open_calls: Sequence[Uniqueid] = ()
    ) -> Missed:
        """Asked now; orphans are disposed of."""
        missed = await self.adoption.missed(known=known, living=living, open_calls=open_calls, asked=datetime.now(UTC))
        self.told: list[Orphaned] = []

        async def tell(event: Orphaned) -> None:
            self.told.append(event)

        await self.adoption.dispose(missed.orphans, tell)
        return missed

    async def find(self, known: Sequence[str] = (), living: Sequence[Uniqueid] = ()) -> list[CallRetold]:
        return list((await self.missed(known, living)).calls)

    async def quarantined(self, living: Sequence[Uniqueid] = ()) -> dict[str, tuple[QuarantineReason, str]]:
        """By base: why, and whose call it is proved to be."""
        await self.missed(living=living)
        return {event.base: (event.because, event.uniqueid) for event in self.told}

    async def alarms(self) -> list[str]:
        with capture_logs() as logs:
            await self.find()
        return [line["subject"] for line in logs if line["event"] == "alarm"]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@contextmanager
def count_opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    opened: list[Path] = []
    real = queue_logs._lines

    def watched(path: Path, *how: Any) -> list[str]:
        opened.append(path)
        return real(path, *how)

    with monkeypatch.context() as patched:
        patched.setattr(queue_logs, "_lines", watched)
        yield opened


async def test_a_call_of_the_net_is_found_with_its_times_and_its_codes(rig: Rig) -> None:
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of(CALLER, "refuse"))
    (found,) = await rig.find()
    assert found.uniqueid == CALLER
    assert found.at == datetime.fromtimestamp(ENDED, UTC)
    assert [event.code for event in found.events if isinstance(event, CodePressed)] == [Code.REFUSE]
    assert [event.base for event in found.events if isinstance(event, Armed)] == [net_base()]


async def test_known_files_and_living_calls_are_left_alone(rig: Rig) -> None:
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of())
    assert await rig.find(known=(net_base(),)) == []
    assert await rig.find(living=(CALLER,)) == []
    assert len(await rig.find()) == 1


async def test_queue_log_is_read_once_for_all_calls_and_not_at_all_for_none(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [Uniqueid(f"pbx-{ANNOUNCED}.{n}") for n in range(100, 120)]
    others = [Uniqueid(f"pbx-{ANNOUNCED}.{n}") for n in range(1000, 2000)]
    write_log(rig.queue_log, *(line for caller in [*callers, *others] for line in lines_of(caller)))
    with count_opened(monkeypatch) as opened:
        assert await rig.find() == []
        assert opened == []
        for caller in callers:
            put(rig.spool.folder, net_base(caller))
        assert {found.uniqueid for found in await rig.find()} == set(callers)
        assert opened == [rig.queue_log]
        assert await rig.find(living=tuple(callers)) == []
        assert opened == [rig.queue_log]


@pytest.mark.parametrize("name", ["queue_log.1", "queue_log.2.gz", "queue_log-20260304", "queue_log.1765432100"])
async def test_a_call_in_a_log_that_was_rotated_since_is_found(rig: Rig, name: str) -> None:
    put(rig.spool.folder, net_base())
    lines = lines_of()
    write_log(rig.queue_log.with_name(name), *lines[:2], written=ANSWERED + 1)
    write_log(rig.queue_log, *lines[2:])
    (found,) = await rig.find()
    assert found.at == datetime.fromtimestamp(ENDED, UTC)


async def test_logs_from_before_the_call_are_not_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    put(rig.spool.folder, net_base())
    """But one, which tells how far those that are read reach back."""
    for age in (1, 2, 3):
        long_ago = ANNOUNCED - age * 200_000
        write_log(
            rig.queue_log.with_name(f"queue_log.{age}"), f"{long_ago}|NONE|NONE|NONE|QUEUESTART|", written=long_ago
        )
    write_log(rig.queue_log, *lines_of())
    with count_opened(monkeypatch) as opened:
        await rig.find()
    assert opened == [rig.queue_log, rig.queue_log.with_name("queue_log.1")]


async def test_a_log_that_cannot_be_read_is_told_and_hides_no_other(rig: Rig) -> None:
    put(rig.spool.folder, net_base())
    rig.queue_log.with_name("queue_log.2.gz").write_bytes(b"not gzip")
    write_log(rig.queue_log, *lines_of())
    with capture_logs() as logs:
        assert len(await rig.find()) == 1
    assert [line["event"] for line in logs] == ["queue_log_unreadable"]


async def test_the_pair_of_a_first_queue_where_nobody_answered_gives_way_to_that_with_voices(rig: Rig) -> None:
    first = net_base(announced=ANNOUNCED - 100)
    put(rig.spool.folder, first, seconds=0, written=ANNOUNCED - 90)
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of())
    (found,) = await rig.find()
    assert [event.base for event in found.events if isinstance(event, Armed)] == [net_base()]
    assert rig.spool.scan().bases == (net_base(),)


@pytest.mark.parametrize(
    "base",
    ["6eb60962-f787-4e69-8fe2-a4f9ecf0ae3d", net_base(secret="insecure other"), "Aino-0401234567"],
    ids=["an id", "forged", "a name"],
)
async def test_audio_whose_name_proves_nothing_goes_into_quarantine(rig: Rig, base: str) -> None:
    put(rig.spool.folder, base)
    assert await rig.alarms() == []
    (event,) = rig.told
    assert (event.base, event.because, event.uniqueid) == (base, QuarantineReason.NO_EVIDENCE, "")
    assert (event.began, event.ended) == (datetime.fromtimestamp(ENDED - 4, UTC), datetime.fromtimestamp(ENDED, UTC))
    assert rig.spool.scan().bases == (base,)  # who sealed it removes it


async def test_the_same_files_have_the_same_id_in_every_run_and_one_of_ours_keeps_its_own(rig: Rig) -> None:
    """What was sealed of it while it was made lies under that one."""
    own = str(uuid4())
    for base in (own, "Aino-0401234567"):
        put(rig.spool.folder, base)
    await rig.missed()
    first = {event.base: event.fresh for event in rig.told}
    rig.begin()
    await rig.missed()
    assert {event.base: event.fresh for event in rig.told} == first
    assert first[own] == UUID(own)
    put(rig.spool.folder, "Aino-0401234567", written=ENDED + 1)
    await rig.missed()
    assert {event.base: event.fresh for event in rig.told}["Aino-0401234567"] != first["Aino-0401234567"]


async def test_what_the_database_has_is_not_sealed_again_but_told_once_in_a_run(rig: Rig) -> None:
    """The journal was lost after its row was written: a second file would take the place of the one that is there."""
    own, other = str(uuid4()), str(uuid4())
    put(rig.spool.folder, own)
    put(rig.spool.folder, other)
    rig.stored = {UUID(own)}
    assert await rig.alarms() == [own]
    assert [event.base for event in rig.told] == [other]
    assert await rig.alarms() == []
    rig.begin()
    assert await rig.alarms() == [own]
    assert len(rig.spool.scan().bases) == 2


async def test_with_the_database_away_it_stays_in_the_spool_until_it_is_back(rig: Rig) -> None:
    put(rig.spool.folder, "Aino-0401234567")
    rig.away = True
    assert await rig.quarantined() == {}
    assert len(rig.spool.scan().bases) == 1
    rig.away = False
    assert list(await rig.quarantined()) == ["Aino-0401234567"]


async def test_a_call_the_log_does_not_know_goes_into_quarantine_under_its_name(rig: Rig) -> None:
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of(Uniqueid("pbx-1.1")))
    assert await rig.quarantined() == {net_base(): (QuarantineReason.UNKNOWN_CALL, CALLER)}


async def test_a_log_that_cannot_be_read_is_waited_for_as_it_may_know_the_call(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(rig.spool.folder, net_base())
    rig.queue_log.with_name("queue_log.2.gz").write_bytes(b"not gzip")
    write_log(rig.queue_log, *lines_of(Uniqueid("pbx-1.1")))
    assert await rig.alarms() == [CALLER]
    assert rig.told == []
    monkeypatch.setattr("ari_recorder.services.adopt.ABANDONED", timedelta(seconds=1))
    assert list(await rig.quarantined()) == [net_base()]


async def test_files_of_a_call_that_is_stored_already_are_a_second_recording(rig: Rig) -> None:
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of())
    rig.over = {CALLER}
    assert await rig.quarantined(living=(CALLER,)) == {}
    assert await rig.quarantined() == {net_base(): (QuarantineReason.SECOND_RECORDING, CALLER)}


async def test_what_is_no_file_is_told_and_stays(rig: Rig) -> None:
    put(rig.spool.folder, "elsewhere")
    (rig.spool.folder / "Aino.caller.sln").symlink_to(rig.spool.folder / "elsewhere.caller.sln")
    long_ago = ENDED - 2 * 86_400
    os.utime(rig.spool.folder / "Aino.caller.sln", (long_ago, long_ago), follow_symlinks=False)
    assert await rig.alarms() == ["a file in the spool"]
    assert [event.base for event in rig.told] == ["elsewhere"]


async def test_two_empty_files_are_removed_without_a_word(rig: Rig) -> None:
    put(rig.spool.folder, str(uuid4()), seconds=0)
    half = str(uuid4())
    put(rig.spool.folder, half, seconds=0)
    (rig.spool.folder / f"{half}.agent.sln").unlink()
    assert await rig.alarms() == []
    assert rig.spool.scan().bases == ()


async def test_empty_files_somebody_has_open_stay(rig: Rig) -> None:
    """A caller in a queue, whom nobody has answered yet."""
    base = str(uuid4())
    put(rig.spool.folder, base, seconds=0)
    with (rig.spool.folder / f"{base}.agent.sln").open("ab"):
        assert await rig.alarms() == []
        assert rig.spool.scan().bases == (base,)
    await rig.find()
    assert rig.spool.scan().bases == ()


@pytest.mark.parametrize(("age", "left"), [(timedelta(hours=23), 1), (timedelta(hours=25), 0)])
async def test_where_the_kernel_tells_nothing_empty_files_are_kept_for_a_day(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, age: timedelta, left: int
) -> None:
    monkeypatch.setattr("ari_recorder.asterisk.spool_watch._has_writer", lambda _: None)
    monkeypatch.setattr("ari_recorder.asterisk.spool_watch.writer.__kwdefaults__", {"quiet_for": timedelta()})
    put(rig.spool.folder, str(uuid4()), seconds=0, written=time.time() - age.total_seconds())
    assert await rig.alarms() == []
    assert len(rig.spool.scan().bases) == left


@pytest.mark.parametrize("seconds", [0, 4])
async def test_files_that_have_just_begun_are_nobodys_orphans_yet(rig: Rig, seconds: float) -> None:
    base = str(uuid4())
    put(rig.spool.folder, base, seconds=seconds, written=time.time())
    assert await rig.alarms() == []
    assert rig.spool.scan().bases == (base,)


async def test_files_somebody_writes_to_are_told_and_left_until_they_are_closed(rig: Rig) -> None:
    """A live call may own them, or will: nothing but their writer's end frees them."""
    put(rig.spool.folder, base := str(uuid4()), seconds=90, written=time.time())
    with (rig.spool.folder / f"{base}.agent.sln").open("ab") as file:
        assert await rig.alarms() == [base]
        assert rig.told == []
        file.write(bytes(16_000))
    (event,) = [event for event in (await rig.missed(), rig.told)[1]]
    assert event.ended - event.began == timedelta(seconds=91)  # as they are now, not as they were first seen


@pytest.mark.parametrize(
    ("base", "age", "put_away"),
    [
        ("Aino-0401234567", timedelta(hours=23), False),
        ("Aino-0401234567", timedelta(hours=25), True),
        (net_base(), timedelta(), True),  # its channel is gone: nobody can write to it
    ],
    ids=["for hours", "for a day", "without its channel"],
)
async def test_where_the_kernel_tells_nothing_files_are_left_for_a_day_unless_their_channel_is_gone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, base: str, age: timedelta, put_away: bool
) -> None:
    monkeypatch.setattr("ari_recorder.asterisk.spool_watch._has_writer", lambda _: None)
    monkeypatch.setattr("ari_recorder.asterisk.spool_watch.writer.__kwdefaults__", {"quiet_for": timedelta()})
    put(rig.spool.folder, base, written=ENDED - age.total_seconds())
    write_log(rig.queue_log, *lines_of(Uniqueid("pbx-1.1")))
    assert bool(await rig.alarms()) is not put_away
    assert [event.base for event in rig.told] == ([base] if put_away else [])


async def test_codes_of_calls_we_have_are_read_from_the_log(rig: Rig) -> None:
    write_log(rig.queue_log.with_name("queue_log.1"), *lines_of(CALLER, "refuse"), written=ENDED)
    write_log(rig.queue_log, *lines_of(Uniqueid("pbx-1.1"), "threat"))
    (code,) = (await rig.missed(open_calls=(CALLER,))).codes
    assert (code.caller, code.uniqueid, code.code, code.missed) == (CALLER, AGENT, Code.REFUSE, True)
    assert code.pressed == datetime.fromtimestamp(ANSWERED + 0.5, UTC)
    assert (await rig.missed()).codes == ()


async def test_a_call_announced_after_the_pbx_was_asked_is_not_taken_for_gone(rig: Rig) -> None:
    """Its channel was not there to be shown; its own events tell of it."""
    put(rig.spool.folder, net_base())
    write_log(rig.queue_log, *lines_of())
    asked = datetime.fromtimestamp(ANNOUNCED + 2, UTC)
    missed = await rig.adoption.missed(known=(), living=(), open_calls=(), asked=asked)
    assert (missed.calls, missed.orphans) == ((), ())
