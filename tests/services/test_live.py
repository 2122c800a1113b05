"""Recordings are sealed while they are made: how soon, what is told when it fails; nothing stays of a refused one."""

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import SealRecording
from ari_recorder.domain.events import Event, Sealed, SealFailed, Uniqueid
from ari_recorder.domain.recordings import Recording, RecordingState, StartedBy
from ari_recorder.services import live as module
from ari_recorder.services import seal as seal_module
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.seal import Sealer
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.recordings import Vault
from tests.keyring_for_tests import keyring_in
from tests.vault import sln

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STEP = 32768


class Rig:
    """A vault, a spool, and recordings that grow in it."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir()
        files = VaultFiles(folder / "vault")
        files.prepare()
        self.keyring = keyring_in(folder, day_of(NOW))
        self.told: list[Event] = []
        self.recordings: list[Recording] = []
        self.files = files
        self.restart()

    def restart(self) -> None:
        self.vault = Vault(self.files, self.keyring, self.spool.folder)
        self.live = LiveSealer(vault=self.vault, spool=self.spool)
        self.sealer = Sealer(
            vault=self.vault,
            spool=self.spool,
            live=self.live,
            kept_as={"compact": Codec.OPUS},
            resume_guard=timedelta(seconds=0.5),
            tell=self._tell,
        )

    async def _tell(self, event: Event) -> None:
        self.told.append(event)

    def begin(self, number: int = 1) -> Recording:
        recording = Recording(
            id=UUID(int=number),
            base=str(UUID(int=number)),
            segment=1,
            started_at=NOW,
            started_by=StartedBy.SERVICE,
            clock_at_start=timedelta(),
            state=RecordingState.CAPTURING,
        )
        self.recordings.append(recording)
        return recording

    def grow(self, recording: Recording, length: int = STEP) -> None:
        files = self.spool.files(recording.base)
        for seed, path in enumerate((files.caller, files.agent)):
            with path.open("ab") as file:
                file.write(sln.noise(length / 16_000 + 0.001, seed=seed).tobytes()[:length])

    async def look(self) -> None:
        await self.live.look(self.recordings)

    async def seal(self, recording: Recording, queue: str = "advice") -> Event:
        self.recordings = [other for other in self.recordings if other.id != recording.id]
        call = replace(CALL, queue=queue, recordings=(recording,))
        await self.sealer.seal(call, SealRecording(recording_id=recording.id, base=recording.base))
        return self.told[-1]

    def sealed_samples(self, recording: Recording) -> int:
        return sum(part.samples for part in self.vault.parts.of(recording.id))

    def left(self) -> list[str]:
        """Whatever there is of any recording, in vault and spool."""
        folders = (self.files.folder, self.spool.folder)
        return [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]


CALL = Call(
    id=UUID(int=99),
    system_name="pbx",
    uniqueid=Uniqueid("pbx-1"),
    linkedid="pbx-1",
    channel="PJSIP/x-1",
    first_seen_at=NOW,
    queue="advice",
)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def alarms(logs: list[Any]) -> list[tuple[str, str]]:
    return [(line["alarm"], line["subject"]) for line in logs if line["event"] == "alarm"]


async def test_every_recording_under_way_is_sealed_as_it_grows(rig: Rig) -> None:
    recordings = [rig.begin(number) for number in range(1, 8)]
    for _ in range(3):
        for recording in recordings:
            rig.grow(recording)
        await rig.look()
    assert {rig.sealed_samples(recording) for recording in recordings} == {3 * STEP // 2}
    assert all(path.stat().st_blocks == 0 for path in rig.spool.folder.glob("*.sln"))


async def test_the_job_looks_every_second_and_goes_on_in_the_same_part(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", timedelta(seconds=0.05))
    recording = rig.begin()
    stop = asyncio.Event()
    running = asyncio.create_task(rig.live.run(stop, lambda: rig.recordings))
    async with asyncio.timeout(5):
        for step in range(1, 4):
            rig.grow(recording)
            while rig.sealed_samples(recording) < step * STEP // 2:  # noqa: ASYNC110 - another thread seals
                await asyncio.sleep(0.01)
    stop.set()
    await running
    assert len(rig.vault.parts.of(recording.id)) == 1


async def test_two_are_sealed_at_once_and_no_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = most = 0
    real = LiveSealer._in_thread

    def counted(self: LiveSealer, recording: Recording, live: Any) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        real(self, recording, live)
        at_once -= 1

    monkeypatch.setattr(LiveSealer, "_in_thread", counted)
    for number in range(1, 20):
        rig.grow(rig.begin(number))
    await rig.look()
    assert most <= 2


async def test_what_is_not_due_troubles_no_thread(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = rig.begin()
    rig.grow(recording)
    await rig.look()
    rig.grow(recording, 100)

    def never(*_: object) -> None:
        raise AssertionError("nothing was due")

    monkeypatch.setattr(LiveSealer, "_in_thread", never)
    monkeypatch.setattr(VaultFiles, "free_bytes", never)
    await rig.look()


async def test_a_recording_that_ended_is_sealed_whole_and_its_parts_go_when_it_is_known(rig: Rig) -> None:
    recording = rig.begin()
    for _ in range(3):
        rig.grow(recording)
        await rig.look()
    rig.grow(recording, 1000)
    event = await rig.seal(recording)
    assert isinstance(event, Sealed)
    assert event.facts.duration == timedelta(seconds=(3 * STEP + 1000) / 16_000)
    assert (event.facts.truncated, event.cut_at) == ("", None)
    assert rig.vault.parts.of(recording.id), "a crash before the journal knows would need them"
    await rig.sealer.forget(recording.id, recording.base)
    assert rig.left() == [f"{recording.id}.sealed"]


async def test_after_a_loss_of_power_the_part_is_the_recording(rig: Rig) -> None:
    recording = rig.begin()
    for _ in range(2):
        rig.grow(recording)
        await rig.look()
    rig.spool.discard(recording.base)
    rig.restart()
    event = await rig.seal(recording)
    assert isinstance(event, Sealed)
    assert event.facts.duration == timedelta(seconds=2 * STEP / 16_000)
    assert "the spool was lost in mid-call" in event.facts.truncated
    assert event.cut_at is not None


async def test_a_part_waits_for_the_keyring_and_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal_module, "RETRY_FIRST", timedelta(seconds=0.05))
    recording = rig.begin()
    rig.grow(recording)
    await rig.look()
    rig.spool.discard(recording.base)
    rig.restart()
    rig.keyring.lock()
    sealing = asyncio.create_task(rig.seal(recording))
    async with asyncio.timeout(5):
        while not rig.told:  # noqa: ASYNC110 - the list is filled by the sealer
            await asyncio.sleep(0.01)
    failed = rig.told[0]
    assert isinstance(failed, SealFailed)
    assert not failed.final
    assert "keyring is locked" in failed.because
    rig.keyring.unlock(root_key=rig.spool.folder.parent / "root.key")
    assert isinstance(await asyncio.wait_for(sealing, 5), Sealed)


async def test_a_queue_may_be_kept_as_opus(rig: Rig) -> None:
    recording = rig.begin()
    rig.grow(recording)
    event = await rig.seal(recording, queue="compact")
    assert isinstance(event, Sealed)
    wrapped = bytes.fromhex(event.facts.wrapped_key)
    with rig.vault.open_recording(event.facts.path, wrapped, recording.id) as opened:
        assert opened.codec is Codec.OPUS


async def test_a_recording_says_inside_whose_it_is(rig: Rig) -> None:
    recording = rig.begin()
    rig.grow(recording)
    event = await rig.seal(recording, queue="compact")
    assert isinstance(event, Sealed)
    assert event.facts.queue == "compact"
    wrapped = bytes.fromhex(event.facts.wrapped_key)
    with rig.vault.open_recording(event.facts.path, wrapped, recording.id) as opened:
        assert opened.label is not None
        label = opened.label
    assert (label.queue, label.segment, label.started_at) == ("compact", recording.segment, recording.started_at)
    assert label.uniqueid


# --- destroyed


async def test_of_a_refused_recording_nothing_stays_whatever_is_being_done_with_it(rig: Rig) -> None:
    recording = rig.begin()
    for _ in range(4):
        rig.grow(recording)
        await rig.look()
    rig.grow(recording)
    looking = asyncio.create_task(rig.look())
    await asyncio.sleep(0)
    rig.recordings.clear()
    await rig.sealer.destroy(recording)
    rig.spool.discard(recording.base)
    await looking
    assert rig.left() == []


async def test_it_can_be_refused_while_it_is_sealed_for_good(rig: Rig) -> None:
    recording = rig.begin()
    for _ in range(4):
        rig.grow(recording)
        await rig.look()
    sealing = asyncio.create_task(rig.seal(recording))
    await asyncio.sleep(0.005)
    await rig.sealer.destroy(recording)
    rig.spool.discard(recording.base)
    await asyncio.wait({sealing})
    assert rig.left() == []


async def test_a_look_that_began_before_the_end_begins_nothing_after_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten are waiting for a thread; one of them is refused meanwhile."""
    recordings = [rig.begin(number) for number in range(1, 11)]
    for recording in recordings:
        rig.grow(recording)
    looking = asyncio.create_task(rig.look())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await rig.sealer.destroy(recordings[-1])
    await looking
    assert rig.vault.parts.of(recordings[-1].id) == ()
    assert len(rig.vault.parts.recordings()) == 9


# --- trouble


@contextmanager
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


async def test_a_full_disk_is_told_once_costs_no_call_and_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", timedelta())
    recordings = [rig.begin(number) for number in range(1, 5)]
    with capture_logs() as logs, failing_disk(monkeypatch):
        for _ in range(3):
            for recording in recordings:
                rig.grow(recording)
            await rig.look()
    ((alarm, subject),) = alarms(logs)  # of which one, is chance: two are sealed at once
    assert alarm == "live-seal-failed"
    assert subject in {str(recording.id) for recording in recordings}
    assert "No space left" in logs[0]["because"]
    with capture_logs() as logs:
        await rig.look()
    assert [line["event"] for line in logs] == ["live_seal_again"]
    assert {rig.sealed_samples(recording) for recording in recordings} == {3 * STEP // 2}


async def test_one_that_cannot_be_sealed_holds_up_nobody(rig: Rig) -> None:
    bad, link, good = rig.begin(1), rig.begin(2), rig.begin(3)
    rig.recordings[0] = replace(bad, base="../bad")
    rig.grow(link)
    rig.spool.files(link.base).agent.unlink()
    rig.spool.files(link.base).agent.symlink_to("/etc/services")
    rig.grow(good)
    with capture_logs() as logs:
        await rig.look()
    assert [alarm for alarm, _ in alarms(logs)] == ["live-seal-failed"] * 2
    assert rig.sealed_samples(good) == STEP // 2


async def test_a_vault_that_is_not_there_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: VaultFiles) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(VaultFiles, "free_bytes", gone)
    rig.grow(rig.begin())
    with capture_logs() as logs:
        await rig.look()
        await rig.look()
    assert alarms(logs) == [("live-seal-failed", "vault")]


async def test_after_a_failure_it_waits_before_it_tries_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = rig.begin()
    rig.grow(recording)
    with failing_disk(monkeypatch):
        await rig.look()
    await rig.look()
    assert rig.sealed_samples(recording) == 0
    rig.live._lives[recording.id].again_at -= module.RETRY.total_seconds()
    await rig.look()
    assert rig.sealed_samples(recording) == STEP // 2


async def test_running_calls_leave_the_last_room_to_those_that_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = rig.begin()
    free = module.RESERVE_BYTES - 1
    monkeypatch.setattr(VaultFiles, "free_bytes", lambda _: free)
    with capture_logs() as logs:
        for _ in range(3):
            rig.grow(recording)
            await rig.look()
    assert alarms(logs) == [("live-seal-failed", "vault")]
    assert rig.sealed_samples(recording) == 0
    free += 1
    await rig.look()
    assert rig.sealed_samples(recording) == 3 * STEP // 2


async def test_a_spool_that_is_emptied_under_a_running_call_is_told_once(rig: Rig) -> None:
    recording = rig.begin()
    rig.grow(recording)
    await rig.look()
    rig.spool.discard(recording.base)
    with capture_logs() as logs:
        await rig.look()
        await rig.look()
    assert alarms(logs) == [("live-seal-failed", str(recording.id))]


async def test_parts_nobody_knows_are_told_and_stay(rig: Rig) -> None:
    known, unknown = rig.begin(1), rig.begin(2)
    for recording in (known, unknown):
        rig.grow(recording)
    await rig.look()
    before = rig.left()
    with capture_logs() as logs:
        await rig.live.tell_orphans([known.id])
    assert alarms(logs) == [("orphan-part", str(unknown.id))]
    assert rig.left() == before
