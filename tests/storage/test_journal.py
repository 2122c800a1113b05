import asyncio
import errno
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_recorder.domain.calls import Call, CallState, Mark, MarkKind, Member
from ari_recorder.domain.errors import JournalInUse, JournalNewer, JournalUnusable, JournalWriteFailed
from ari_recorder.domain.events import SealedFacts, Side
from ari_recorder.domain.evidence import Evidence, Sound
from ari_recorder.domain.recordings import Recording
from ari_recorder.storage import journal as module
from ari_recorder.storage.journal import Journal
from tests.faults.disk import EVERY_WAY, faults, told
from tests.storage.calls_for_tests import finished_call, sealed_recording


def without_caller(call: Call) -> Call:
    return replace(call, caller=None)


def contents(folder: Path) -> dict[Call, bytes | None]:
    with Journal(folder) as journal:
        return dict(journal.load())


spans = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))
times = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=50_000)).map(
    datetime(1970, 1, 2, tzinfo=UTC).__add__
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
levels = st.floats(min_value=0, max_value=1)
for kind, strategy in {datetime: times, timedelta: spans, str: texts, float: levels}.items():
    st.register_type_strategy(kind, strategy)
sides = st.builds(Side)
hexes = st.binary(max_size=8).map(bytes.hex)
facts = st.builds(SealedFacts, wrapped_key=hexes, sha256=hexes, sealed_bytes=st.integers(0, 2**60))
some_calls = st.builds(
    Call,
    state=st.sampled_from(CallState),
    caller=st.none(),
    evidence=st.none() | st.builds(Evidence, sounds=st.lists(st.builds(Sound), max_size=2).map(tuple)),
    members=st.lists(st.builds(Member, talk_time=st.none() | spans, end_reason=texts), max_size=2).map(tuple),
    marks=st.lists(st.builds(Mark, kind=st.sampled_from(MarkKind), by=texts), max_size=2).map(tuple),
    recordings=st.lists(st.builds(Recording, sealed=st.none() | facts), max_size=2).map(tuple),
    joined_at=st.none() | times,
    connected_at=st.none() | times,
    ended_at=st.none() | times,
    bridged_since=st.none() | times,
    bridged_before=spans,
    number=texts,
    queue=texts,
)


@given(call=some_calls, personal=st.none() | st.binary(max_size=40))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_a_call_comes_back_exactly_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, call: Call, personal: bytes | None
) -> None:
    folder = tmp_path_factory.mktemp("journal")

    async def write() -> None:
        with Journal(folder) as journal:
            await journal.append(call, personal)

    asyncio.run(write())
    assert contents(folder) == {call: personal}


async def test_the_newest_snapshot_of_each_call_is_loaded_and_retired_ones_are_not(tmp_path: Path) -> None:
    first, second = finished_call(), finished_call(sealed_recording())
    with Journal(tmp_path) as journal:
        await journal.append(replace(first, queue="older"), b"sealed")
        await journal.append(second, None)
        await journal.append(first, b"sealed")
        await journal.retire(second.id)
        await journal.retire(uuid4())
    assert contents(tmp_path) == {without_caller(first): b"sealed"}


async def test_nobody_else_may_read_it_and_the_caller_is_not_in_it(tmp_path: Path) -> None:
    call = finished_call()
    with Journal(tmp_path / "journal") as journal:
        await journal.append(call, b"sealed")
    written = (tmp_path / "journal/journal").read_text()
    assert call.caller is not None
    assert call.caller.num[-9:] not in written
    assert "Päivi" not in written
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700
    for file in (tmp_path / "journal").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_two_services_on_one_folder_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        await journal.append(finished_call(), None)
        with pytest.raises(JournalInUse, match=f"process {os.getpid()}"), Journal(tmp_path):
            pass
    assert len(contents(tmp_path)) == 1


async def test_what_was_awaited_is_on_disk_and_many_share_one_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    all_wait = threading.Event()

    def slow(fd: int) -> None:
        all_wait.wait(10)
        synced.append(os.fstat(fd).st_size)
        real(fd)

    calls = [finished_call() for _ in range(100)]
    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "fsync", slow)
        appending = [asyncio.create_task(journal.append(call, None)) for call in calls]
        await asyncio.sleep(0)
        assert not any(task.done() for task in appending)
        all_wait.set()
        await asyncio.gather(*appending)
        # One takes what was there when it began, the next one all the rest.
        assert len(synced) <= 2
        assert synced[-1] == file_size(tmp_path / "journal")
        monkeypatch.setattr(os, "fsync", real)
    assert set(contents(tmp_path)) == set(map(without_caller, calls))


def file_size(file: Path) -> int:
    return file.stat().st_size


async def test_who_stops_waiting_does_not_unmake_the_entry(tmp_path: Path) -> None:
    call = finished_call()
    with Journal(tmp_path) as journal:
        appending = asyncio.create_task(journal.append(call, None))
        await asyncio.sleep(0)
        appending.cancel()
        await asyncio.wait({appending})
        await journal.append(finished_call(), None)
    assert without_caller(call) in contents(tmp_path)


@pytest.mark.parametrize("cut", [1, 2, 30, 300])
async def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path, cut: int) -> None:
    whole, torn = finished_call(), finished_call()
    with Journal(tmp_path) as journal:
        await journal.append(whole, None)
        await journal.append(torn, None)
    file = tmp_path / "journal"
    file.write_bytes(file.read_bytes()[:-cut])
    with Journal(tmp_path) as journal:
        assert [call for call, _ in journal.load()] == [without_caller(whole)]
        assert journal.damaged == 0
        await journal.append(torn, None)
    assert set(contents(tmp_path)) == {without_caller(whole), without_caller(torn)}
    assert not (tmp_path / "damaged").exists()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped": lambda line: line[:200] + bytes([line[200] ^ 1]) + line[201:],
    "a digit changed": lambda line: line.replace(b"0800123456", b"0800123457"),
    "a byte lost": lambda line: line[:200] + line[201:],
    "zeros": lambda line: bytes(len(line)),
    "an empty line": lambda line: b"",
    "another kind": lambda line: line.replace(b" C ", b" X ", 1),
    "no JSON of a call": lambda line: module._line(
        line.split(b" ", 1)[1].rpartition(b" {")[0] + b' {"call": {}}'
    ).strip(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_line_is_put_aside_and_told_and_costs_no_other_call(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    calls = [finished_call() for _ in range(3)]
    with Journal(tmp_path) as journal:
        for call in calls:
            await journal.append(call, None)
    file = tmp_path / "journal"
    header, first, second, third, end = file.read_bytes().split(b"\n")
    damaged = damage(second)
    file.write_bytes(b"\n".join((header, first, damaged, third, end)))
    with Journal(tmp_path) as journal:
        assert {call for call, _ in journal.load()} == {without_caller(calls[0]), without_caller(calls[2])}
        assert journal.damaged == 1
    assert (tmp_path / "damaged").read_bytes() == damaged + b"\n"
    assert stat.S_IMODE((tmp_path / "damaged").stat().st_mode) == 0o600
    # It was put aside for good: the next start finds a whole file.
    with Journal(tmp_path) as journal:
        assert len(journal.load()) == 2
        assert journal.damaged == 0


async def test_a_damaged_first_line_costs_nothing(tmp_path: Path) -> None:
    call = finished_call()
    with Journal(tmp_path) as journal:
        await journal.append(call, None)
    file = tmp_path / "journal"
    file.write_bytes(b"?" + file.read_bytes()[1:])
    assert set(contents(tmp_path)) == {without_caller(call)}


async def test_a_journal_of_a_newer_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    newer = b"ari-recorder journal 2\nsomething\n"
    (tmp_path / "journal").write_bytes(newer)
    with pytest.raises(JournalNewer, match="ari-recorder journal 2"), Journal(tmp_path):
        pass
    assert (tmp_path / "journal").read_bytes() == newer


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(JournalUnusable, match=str(tmp_path / "journal")), Journal(tmp_path / "journal"):
        pass


@pytest.mark.parametrize("operation", ["write", "fsync"])
async def test_after_a_failure_a_new_file_is_begun_and_the_old_descriptor_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    before, failed, after = finished_call(), finished_call(), finished_call()
    with Journal(tmp_path) as journal:
        await journal.append(before, None)
        inode = (tmp_path / "journal").stat().st_ino
        used: list[int] = []
        real = getattr(os, operation)

        def fail(fd: int, *rest: object) -> object:
            used.append(fd)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, operation, fail)
        with pytest.raises(JournalWriteFailed, match="Input/output error"):
            await journal.append(failed, None)
        assert len(used) == 1
        monkeypatch.setattr(os, operation, real)
        await journal.append(after, None)
        assert (tmp_path / "journal").stat().st_ino != inode
    found = set(contents(tmp_path))
    assert {without_caller(before), without_caller(after)} <= found


@pytest.mark.parametrize("operation", ["write", "fsync", "rename"])
async def test_a_full_disk_at_the_start_loses_nothing_and_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    call, late = finished_call(), finished_call()
    with Journal(tmp_path) as journal:
        await journal.append(call, None)

    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        place: object = {"write": module, "fsync": os, "rename": Path}[operation]
        patched.setattr(place, "_write_fully" if operation == "write" else operation, full)
        journal = Journal(tmp_path)
        journal.__enter__()
        assert [call for call, _ in journal.load()] == [without_caller(call)]
        with pytest.raises(JournalWriteFailed, match="No space left"):
            await journal.append(late, None)
    await journal.append(late, None)
    journal.__exit__()
    assert set(contents(tmp_path)) == {without_caller(call), without_caller(late)}
    assert not (tmp_path / "journal.new").exists()


async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    call = finished_call()
    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:100]))
        await journal.append(call, None)
    assert set(contents(tmp_path)) == {without_caller(call)}


async def test_it_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_BYTES_TO_COMPACT", 20_000)
    kept = finished_call()
    with Journal(tmp_path) as journal:
        await journal.append(kept, b"sealed")
        for _ in range(100):
            passing = finished_call()
            await journal.append(passing, None)
            await journal.retire(passing.id)
            assert (tmp_path / "journal").stat().st_size < 30_000
    assert contents(tmp_path) == {without_caller(kept): b"sealed"}


async def test_after_it_was_closed_nothing_is_taken_silently(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        pass
    with pytest.raises(JournalWriteFailed, match="closed"):
        await journal.append(finished_call(), None)


async def test_ten_thousand_calls_are_loaded(tmp_path: Path) -> None:
    calls = [finished_call(sealed_recording()) for _ in range(10_000)]
    with Journal(tmp_path) as journal:
        await asyncio.gather(*(journal.append(call, b"x" * 60) for call in calls))
    with Journal(tmp_path) as journal:
        loaded = await asyncio.to_thread(journal.load)
    assert len(loaded) == 10_000


async def test_a_disk_that_hangs_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = threading.Event()
    real = os.fsync

    def hanging(fd: int) -> None:
        assert flows.wait(30)
        real(fd)

    with Journal(tmp_path) as journal:
        await journal.append(finished_call(), None)
        assert journal.busy_seconds == 0
        monkeypatch.setattr(os, "fsync", hanging)
        waiting = asyncio.ensure_future(journal.append(finished_call(), None))
        async with asyncio.timeout(10):
            while journal.busy_seconds < 0.05:  # noqa: ASYNC110 - another thread's clock
                await asyncio.sleep(0.01)
        assert not waiting.done()
        flows.set()
        await waiting
        assert journal.busy_seconds == 0


async def test_on_a_full_disk_there_is_a_reserve_and_it_is_taken_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = tmp_path / "reserve"
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if reserve.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    calls = [finished_call() for _ in range(3)]
    with Journal(tmp_path) as journal:
        assert reserve.stat().st_blocks * 512 >= 4 << 20, "a hole is no reserve"
        await journal.append(calls[0], None)
        monkeypatch.setattr(os, "write", full)
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
        await journal.append(calls[1], None)
        assert not reserve.exists()
        await journal.append(calls[2], None)
        monkeypatch.undo()
    assert set(contents(tmp_path)) == {without_caller(call) for call in calls}
    assert reserve.exists()


@EVERY_WAY
async def test_whatever_fails_what_was_promised_is_there_and_the_rest_is_told(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    for fault in faults(code, lasting=lasting):
        folder = tmp_path / str(fault.number)
        before, during, after, over = (finished_call() for _ in range(4))
        with Journal(folder) as journal:
            await journal.append(before, None)
            await journal.append(over, None)
        promised = [before]
        with told(fault), Journal(folder) as journal:
            await journal.append(during, None)
            promised.append(during)
            await journal.retire(over.id)
        with Journal(folder) as journal:
            await journal.append(after, None)
            promised.append(after)
        found = set(contents(folder))
        assert {without_caller(call) for call in promised} <= found, str(fault)
