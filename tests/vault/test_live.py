"""Sealing while the call goes on: whatever grows, fails or is lost, what is kept is what was said, or says so."""

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_recorder.domain.errors import (
    KeyringLocked,
    NothingCaptured,
    PartUnusable,
    SealedTruncated,
    SpoolFileRefused,
    VaultWriteFailed,
    WrappedKeyRefused,
)
from ari_recorder.vault.files import path_of
from ari_recorder.vault.parts import CHUNK_SAMPLES, NewPart
from ari_recorder.vault.stream import HEADER_BYTES, SEALED_CHUNK_BYTES, SealedFile, context_of, part_context_of
from tests.keyring_for_tests import keyring_in
from tests.vault.live_house import CHUNK, DAY, RECORDING, STEP, LiveHouse, seconds


@pytest.fixture
def house(tmp_path: Path) -> LiveHouse:
    return LiveHouse(tmp_path)


def part_file(house: LiveHouse, number: int = 1) -> Path:
    return house.files.folder / ".parts" / f"{RECORDING}.{number}.part"


def test_what_both_sides_hold_is_sealed_in_full_chunks_and_leaves_the_spool(house: LiveHouse) -> None:
    for step in range(1, 4):
        house.say(STEP)
        assert house.seal_live() == step * STEP // 2
        assert part_file(house).stat().st_size == HEADER_BYTES + step * 4 * SEALED_CHUNK_BYTES
        assert house.in_spool() == 0
    assert house.parts() == [f"{RECORDING}.1.key", f"{RECORDING}.1.part"]
    assert {path.stat().st_mode & 0o777 for path in part_file(house).parent.iterdir()} == {0o600}


def test_less_than_a_chunk_and_what_only_one_side_holds_stay(house: LiveHouse) -> None:
    house.say(CHUNK - 1)
    assert house.seal_live() == 0
    house.say(STEP, 0)
    assert house.seal_live() == 0
    assert house.parts() == []
    house.say(0, 1)
    assert house.seal_live() == CHUNK_SAMPLES


def test_the_recording_is_the_part_and_the_rest_of_the_spool(house: LiveHouse) -> None:
    for _ in range(4):
        house.say(STEP)
        house.seal_live()
    house.say(12_345, 11_001)
    sealed = house.seal()
    assert house.heard(sealed) == house.expected()
    assert (sealed.truncated, sealed.cut_at) == ("", None)
    assert sealed.caller.samples == (4 * STEP + 12_345) // 2
    assert (sealed.caller.half_sample, sealed.agent.half_sample) == (True, True)
    assert not sealed.caller.missing


def test_the_last_bytes_may_be_sealed_too(house: LiveHouse) -> None:
    house.say(STEP)
    house.seal_live()
    assert house.heard(house.seal()) == house.expected()


def test_what_was_said_in_a_pause_nobody_heard_is_silenced_though_it_is_in_the_part(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.seal_live()
    house.say(STEP)
    sealed = house.seal(silent=[(timedelta(seconds=3), timedelta(seconds=5))])
    kept = bytearray(house.expected())
    kept[3 * 32_000 : 5 * 32_000] = bytes(2 * 32_000)
    assert house.heard(sealed) == bytes(kept)


def test_after_a_kill_it_goes_on_where_the_part_ends_under_another_key(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.seal_live()
    house.restart()
    house.say(2 * STEP)
    assert house.seal_live() == 2 * STEP
    first, second = house.vault.parts.of(RECORDING)
    assert (first.first_sample, first.samples, second.first_sample) == (0, STEP, STEP)
    assert first.wrapped_key != second.wrapped_key
    house.say(777)
    assert house.heard(house.seal()) == house.expected()


@pytest.mark.parametrize("torn", [1, 15, SEALED_CHUNK_BYTES - 1])
def test_a_chunk_that_a_kill_cut_off_is_not_counted_and_not_sealed_again_under_its_key(
    house: LiveHouse, torn: int
) -> None:
    house.say(STEP)
    house.live.advance()  # killed before anything left the spool
    with part_file(house).open("r+b") as file:
        file.truncate(HEADER_BYTES + 3 * SEALED_CHUNK_BYTES + torn)
    house.restart()
    house.say(STEP)
    assert house.seal_live() == STEP
    first, second = house.vault.parts.of(RECORDING)
    assert second.first_sample == first.end_sample == 3 * CHUNK_SAMPLES
    assert part_file(house).stat().st_size == HEADER_BYTES + 3 * SEALED_CHUNK_BYTES + torn
    assert house.heard(house.seal()) == house.expected()


def test_a_part_never_opens_as_a_recording_nor_at_another_place(house: LiveHouse) -> None:
    house.say(STEP)
    house.seal_live()
    (part,) = house.vault.parts.of(RECORDING)
    data_key = house.keyring.unwrap(part.wrapped_key, RECORDING)
    contexts = [context_of(RECORDING), part_context_of(RECORDING, 1, 0), part_context_of(RECORDING, 2, 4096)]
    for context in contexts:
        with pytest.raises(SealedTruncated):
            SealedFile(os.open(part_file(house), os.O_RDONLY), data_key, context, name="part")
    os.truncate(part_file(house), HEADER_BYTES + 3 * SEALED_CHUNK_BYTES + 16)
    key = part_file(house).with_suffix(".key")
    data = bytearray(key.read_bytes())
    data[8] ^= 16  # it would begin elsewhere
    key.write_bytes(data)
    house.restart()
    house.lose_spool()
    sealed = house.seal()
    assert "could not be read back" in sealed.truncated


def test_nothing_of_the_audio_shows_in_the_vault(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.seal_live()
    house.seal()
    stereo = house.expected()
    pieces = [said[i : i + 16] for said in house.said for i in range(0, len(said), 1024)]
    pieces += [stereo[i : i + 16] for i in range(0, len(stereo), 1024)]
    for path in house.files.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(piece in data for piece in pieces), path


def test_part_and_key_go_for_good_the_key_first(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.say(STEP)
    house.seal_live()
    gone: list[str] = []
    unlink = os.unlink

    def watched(path: Path) -> None:
        gone.append(path.suffix)
        unlink(path)

    monkeypatch.setattr(os, "unlink", watched)
    house.vault.parts.remove(RECORDING)
    assert gone == [".key", ".part"]
    assert house.parts() == []
    house.vault.parts.remove(RECORDING)
    assert house.vault.parts.recordings() == frozenset()


# --- loss


def test_when_the_spool_is_lost_the_part_is_the_recording_and_says_why(house: LiveHouse) -> None:
    house.say(3 * STEP)
    house.seal_live()
    house.say(STEP)
    house.lose_spool()
    house.restart()
    sealed = house.seal()
    assert house.heard(sealed) == house.expected(3 * STEP // 2)
    assert sealed.duration == seconds(3 * STEP // 2)
    assert sealed.truncated == "the spool was lost in mid-call; what was sealed by then is here, 6.1 s"
    assert sealed.cut_at is not None
    assert abs(datetime.now(UTC) - sealed.cut_at) < timedelta(seconds=10)
    assert not sealed.caller.missing
    extent = house.vault.extent(house.paths.caller, house.paths.agent, RECORDING)
    assert (extent.length, extent.cut_at) == (sealed.duration, sealed.cut_at)


@pytest.mark.parametrize("side", ["caller", "agent"])
def test_one_file_that_is_shorter_than_what_was_sealed_is_a_loss(house: LiveHouse, side: str) -> None:
    house.say(2 * STEP)
    house.seal_live()
    os.truncate(getattr(house.paths, side), STEP)
    assert "the spool was lost" in house.seal().truncated
    getattr(house.paths, side).unlink()
    house.files.unlink(path_of(RECORDING, DAY))
    assert "the spool was lost" in house.seal().truncated


def test_a_loss_before_anything_was_sealed_leaves_nothing_to_keep(house: LiveHouse) -> None:
    house.say(CHUNK - 2)
    house.seal_live()
    house.lose_spool()
    with pytest.raises(NothingCaptured):
        house.seal()


def test_a_damaged_chunk_is_taken_from_the_spool_while_it_is_there(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.live.advance()  # nothing left the spool
    damage(house, chunk=5)
    house.restart()
    sealed = house.seal()
    assert house.heard(sealed) == house.expected()
    assert sealed.truncated == ""


def test_a_damaged_chunk_that_is_nowhere_else_is_silent_at_its_place_and_told(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.seal_live()
    house.say(500)
    damage(house, chunk=5)
    house.restart()
    sealed = house.seal()
    kept = bytearray(house.expected())
    kept[5 * 2 * CHUNK : 6 * 2 * CHUNK] = bytes(2 * CHUNK)
    assert house.heard(sealed) == bytes(kept)
    assert sealed.truncated == "0.5 s could not be read back and are silent here"


def damage(house: LiveHouse, chunk: int) -> None:
    with part_file(house).open("r+b") as file:
        file.seek(HEADER_BYTES + chunk * SEALED_CHUNK_BYTES + 100)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def test_a_part_that_was_moved_away_is_missed(house: LiveHouse) -> None:
    house.say(STEP)
    house.seal_live()
    house.restart()
    house.say(2 * STEP)
    house.seal_live()
    for path in (part_file(house), part_file(house).with_suffix(".key")):
        path.unlink()
    house.restart()
    sealed = house.seal()
    assert house.heard(sealed) == bytes(2 * STEP) + house.expected()[2 * STEP :]
    assert sealed.truncated == "2.0 s could not be read back and are silent here"


def test_a_key_that_does_not_open_is_no_loss_yet(house: LiveHouse) -> None:
    """Another root key, perhaps: somebody may bring the right one. Until then it waits."""
    house.say(2 * STEP)
    house.seal_live()
    right = house.keyring
    house.keyring = keyring_in(house.folder / "another", DAY)
    house.restart()
    with pytest.raises(WrappedKeyRefused):
        house.seal()
    house.keyring = right
    house.restart()
    assert house.heard(house.seal()) == house.expected()


def test_a_locked_keyring_holds_up_nothing_but_what_an_earlier_run_sealed(house: LiveHouse) -> None:
    house.keyring.lock()
    house.say(2 * STEP)
    assert house.seal_live() == STEP
    house.restart()
    house.say(STEP)
    assert house.seal_live() == 3 * STEP // 2, "it goes on all the same"
    with pytest.raises(KeyringLocked):
        house.seal()
    house.keyring.unlock(root_key=house.folder / "root.key")
    house.say(10)
    assert house.heard(house.seal()) == house.expected()


def test_a_call_of_this_run_is_sealed_with_the_keyring_locked(house: LiveHouse) -> None:
    house.say(2 * STEP)
    house.seal_live()
    house.keyring.lock()
    sealed = house.seal()
    house.keyring.unlock(root_key=house.folder / "root.key")
    assert house.heard(sealed) == house.expected()


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: b"\x02" + data[1:], lambda data: data[:5]])
def test_a_damaged_key_file_is_told_by_its_name(house: LiveHouse, change: Callable[[bytes], bytes]) -> None:
    house.say(STEP)
    house.seal_live()
    key = part_file(house).with_suffix(".key")
    key.write_bytes(change(key.read_bytes()))
    house.restart()
    with pytest.raises(PartUnusable, match=rf"{RECORDING}\.1\.part cannot be used: its key file is damaged"):
        house.seal()
    with pytest.raises(PartUnusable):
        house.seal_live()


# --- failing disks


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
@pytest.mark.parametrize("when", range(1, 8))
def test_a_failing_disk_costs_nothing_and_a_part_is_not_used_again(
    house: LiveHouse, monkeypatch: pytest.MonkeyPatch, call: str, when: int
) -> None:
    """The `when`-th call of this kind fails, and so do those after it, until the disk is mended."""
    real = getattr(os, call)
    count = 0

    def failing(*args: Any, **how: Any) -> Any:
        nonlocal count
        if call == "open" and ".parts" not in str(args[0]):
            return real(*args, **how)
        count += 1
        if count >= when:
            raise OSError(28, "No space left on device")
        return real(*args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        sealed = 0
        for _ in range(3):
            house.say(STEP)
            before = sealed
            with contextlib.suppress(VaultWriteFailed):
                sealed = house.seal_live()
            assert sealed >= before
    house.say(STEP)
    assert house.seal_live() == 4 * STEP // 2
    assert len(house.vault.parts.of(RECORDING)) <= 2
    assert len(house.parts()) <= 4, "what holds nothing does not pile up"
    house.say(100)
    house.restart()
    assert house.heard(house.seal()) == house.expected()


def broken(fd: int) -> None:
    raise OSError(5, "Input/output error")


def test_what_a_failed_fsync_left_behind_is_not_relied_on(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.say(STEP)
    house.seal_live()
    house.say(STEP)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(VaultWriteFailed, match="Input/output error"):
            house.seal_live()
    assert part_file(house).stat().st_size == HEADER_BYTES + 4 * SEALED_CHUNK_BYTES
    assert house.in_spool() == 2 * STEP
    assert house.seal_live() == STEP
    assert [part.first_sample for part in house.vault.parts.of(RECORDING)] == [0, STEP // 2]


def test_before_a_new_run_relies_on_a_part_it_is_brought_to_disk(
    house: LiveHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.say(STEP)
    house.seal_live()
    house.restart()
    synced: list[str] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    house.seal_live()
    assert synced == [str(part_file(house))]


def test_what_cannot_be_read_in_the_spool_is_refused_by_name(house: LiveHouse) -> None:
    house.say(STEP)
    house.paths.agent.unlink()
    house.paths.agent.symlink_to("/etc/passwd")
    with pytest.raises(SpoolFileRefused, match=r"agent\.sln"):
        house.seal_live()


def test_a_part_takes_full_chunks_only(house: LiveHouse) -> None:
    new = house.vault.parts.begin(RECORDING, DAY, 0)
    with pytest.raises(ValueError, match="full chunks"):
        new.append(memoryview(bytes(100)))
    assert house.parts() == []


# --- any growth


acts = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.sampled_from([0, 1, 999, CHUNK - 1, CHUNK, STEP]), st.integers(0, 20_000)),
        st.tuples(st.just("look"), st.just(0), st.just(0)),
        st.tuples(st.just("kill"), st.just(0), st.just(0)),
        st.tuples(st.just("fail"), st.integers(1, 6), st.just(0)),
    ),
    max_size=25,
)


@settings(
    max_examples=5000 if os.environ.get("ARI_RECORDER_NIGHTLY") else 40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(acts=acts, lost=st.booleans())
def test_however_the_files_grow_and_whatever_fails_the_recording_is_what_was_said(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, int]], lost: bool
) -> None:
    house = LiveHouse(tmp_path_factory.mktemp("house"))
    sealed = 0
    for act, one, other in acts:
        match act:
            case "grow":
                house.say(one, other)
            case "look":
                sealed = house.seal_live()
            case "kill":
                house.restart()
            case "fail":
                sealed = failing_look(house, one, sealed)
    if lost:
        house.lose_spool()
        house.restart()
    if not (sealed if lost else any(house.said)) or (not lost and max(len(said) for said in house.said) < 2):
        with pytest.raises(NothingCaptured):
            house.seal()
        return
    kept = house.seal()
    if lost:
        assert house.heard(kept) == house.expected(kept.samples)
        assert kept.samples >= sealed
        assert kept.truncated
    else:
        assert house.heard(kept) == house.expected()
        assert kept.truncated == ""


def failing_look(house: LiveHouse, when: int, before: int) -> int:
    with pytest.MonkeyPatch.context() as patch:
        real, count = os.fsync, 0

        def failing(fd: int) -> None:
            nonlocal count
            count += 1
            if count == when:
                raise OSError(5, "Input/output error")
            real(fd)

        patch.setattr(os, "fsync", failing)
        try:
            return house.seal_live()
        except VaultWriteFailed:
            return before


def test_a_new_part_begins_with_a_key_nobody_used(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty failures: each part has a key of its own, and none encrypts twice."""
    seen: list[tuple[bytes, int]] = []
    real = NewPart.append

    def watched(part: NewPart, plain: memoryview) -> None:
        seen.append((part._sealer.header, part._sealer._next))
        if len(seen) % 2:
            raise_in_fsync(part, plain, real)
        real(part, plain)

    monkeypatch.setattr(NewPart, "append", watched)
    for _ in range(20):
        house.say(STEP)
        try:
            house.seal_live()
        except VaultWriteFailed:
            continue
    assert len(set(seen)) == len(seen)


def raise_in_fsync(part: NewPart, plain: memoryview, real: Callable[[NewPart, memoryview], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        real(part, plain)


def test_parts_go_while_parts_of_other_calls_begin(house: LiveHouse) -> None:
    """They do so in another thread; here, whenever two ids are compared."""
    parts = house.vault.parts

    class Meanwhile(UUID):
        __hash__ = UUID.__hash__

        def __eq__(self, other: object) -> bool:
            parts.begin(uuid4(), DAY, 0).close()
            return super().__eq__(other)

    for _ in range(2):
        parts.begin(uuid4(), DAY, 0).close()
    parts.begin(RECORDING, DAY, 0).close()
    before = len(parts.recordings())
    parts.remove(Meanwhile(str(RECORDING)))
    assert RECORDING not in parts.recordings()
    assert len(parts.recordings()) > before
