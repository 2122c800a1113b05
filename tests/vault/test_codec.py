"""Two mono files to stereo FLAC and back: no sample lost, and what is said about each side is true."""

import io
import os
import subprocess
import sys
import tempfile
import tracemalloc
import wave
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ari_recorder.domain.errors import AudioNotEncoded, AudioUnreadable, SpoolFileRefused
from ari_recorder.vault import codec
from ari_recorder.vault.captured import Captured
from ari_recorder.vault.codec import AudioFacts, Codec
from ari_recorder.vault.parts import Part, Parts
from tests.vault import sln

BLOCK = 64_000  # samples read at once: the awkward lengths lie round it


@pytest.fixture
def flac(tmp_path: Path) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        yield file


class NoParts:
    def of(self, _: UUID) -> tuple[Part, ...]:
        return ()


def encode_files(
    caller: Path, agent: Path, flac: IO[bytes], silent: Sequence[codec.Span] = (), kept_as: Codec = Codec.FLAC
) -> AudioFacts:
    """Of files that hold everything: nothing of them was sealed before."""
    no_parts = cast(Parts, NoParts())
    with Captured(no_parts, UUID(int=1), caller, agent) as captured:
        return codec.encode(captured, flac, silent, kept_as)


def encode(folder: Path, flac: IO[bytes], caller: sln.Samples, agent: sln.Samples) -> AudioFacts:
    facts = encode_files(sln.write(folder / "caller.sln", caller), sln.write(folder / "agent.sln", agent), flac)
    flac.seek(0)
    return facts


def sides(flac: IO[bytes]) -> tuple[sln.Samples, sln.Samples]:
    stereo = np.frombuffer(b"".join(codec.decode(flac, "test")), "<i2").reshape(-1, 2)
    return stereo[:, 0], stereo[:, 1]


@pytest.mark.parametrize("length", [1, 159, 160, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17])
def test_every_sample_comes_back_on_its_own_side(tmp_path: Path, flac: IO[bytes], length: int) -> None:
    caller, agent = sln.noise(length / 8000, 9000, seed=1), sln.noise(length / 8000, 3000, seed=2)
    facts = encode(tmp_path, flac, caller, agent)
    left, right = sides(flac)
    assert np.array_equal(left, caller)
    assert np.array_equal(right, agent)
    assert facts.samples == length
    assert facts.duration == timedelta(seconds=length / 8000)


@pytest.mark.parametrize("length", [1153, 1600, 4000, 4096, 4097])
def test_what_lasts_a_moment_has_more_than_one_frame(tmp_path: Path, flac: IO[bytes], length: int) -> None:
    """A browser cannot play a FLAC of one."""
    noise = sln.noise(length / sln.RATE)
    encode(tmp_path, flac, noise, noise)
    flac.seek(8)
    smallest, largest = np.frombuffer(flac.read(4), ">u2")
    assert smallest <= largest < length


def test_what_is_to_be_silent_is_silent_on_both_sides_and_nothing_else(tmp_path: Path, flac: IO[bytes]) -> None:
    caller, agent = sln.noise(20, 9000, seed=1), sln.noise(18, 3000, seed=2)
    spans = [(timedelta(seconds=7.5), timedelta(seconds=8.5)), (timedelta(seconds=17), timedelta(seconds=20))]
    facts = encode_files(sln.write(tmp_path / "c", caller), sln.write(tmp_path / "a", agent), flac, spans)
    flac.seek(0)
    for heard, said in zip(sides(flac), (caller, np.pad(agent, (0, 16_000))), strict=True):
        kept = said.copy()
        kept[60_000:68_000] = 0  # over the end of a block
        kept[136_000:] = 0
        assert np.array_equal(heard, kept)
    assert facts.duration == timedelta(seconds=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(caller=st.binary(max_size=3000), agent=st.binary(max_size=3000))
def test_whatever_bytes_the_files_hold_come_back(tmp_path: Path, caller: bytes, agent: bytes) -> None:
    (tmp_path / "c").write_bytes(caller)
    (tmp_path / "a").write_bytes(agent)
    with tempfile.TemporaryFile(dir=tmp_path) as flac:
        facts = encode_files(tmp_path / "c", tmp_path / "a", flac)
        if facts.samples:
            flac.seek(0)
            left, right = sides(flac)
            assert left[: facts.caller.samples].tobytes() == caller[: len(caller) // 2 * 2]
            assert right[: facts.agent.samples].tobytes() == agent[: len(agent) // 2 * 2]
            assert not left[facts.caller.samples :].any()
            assert not right[facts.agent.samples :].any()
        assert facts.caller.half_sample == bool(len(caller) % 2)


def test_the_extremes_of_a_sample_survive(tmp_path: Path, flac: IO[bytes]) -> None:
    edge = np.array([-32768, 32767, 0, -1, 1] * 1000, "<i2")
    facts = encode(tmp_path, flac, edge, edge[::-1].copy())
    left, right = sides(flac)
    assert np.array_equal(left, edge)
    assert np.array_equal(right, edge[::-1])
    assert facts.caller.peak == 32768


@pytest.mark.parametrize(("caller", "agent"), [(1.5, 20.25), (20.25, 1.5), (0, 1), (1, 0)])
def test_the_shorter_side_is_filled_up_with_silence(
    tmp_path: Path, flac: IO[bytes], caller: float, agent: float
) -> None:
    left_in, right_in = sln.noise(caller), sln.noise(agent)
    facts = encode(tmp_path, flac, left_in, right_in)
    left, right = sides(flac)
    assert len(left) == len(right) == facts.samples == round(8000 * max(caller, agent))
    assert np.array_equal(left[: len(left_in)], left_in)
    assert np.array_equal(right[: len(right_in)], right_in)
    assert not left[len(left_in) :].any()
    assert not right[len(right_in) :].any()
    assert (facts.caller.samples, facts.agent.samples) == (len(left_in), len(right_in))


def test_half_a_sample_at_the_end_is_dropped_and_told(tmp_path: Path, flac: IO[bytes]) -> None:
    (tmp_path / "c").write_bytes(sln.tone(440, 1).tobytes() + b"\x01")
    facts = encode_files(tmp_path / "c", sln.write(tmp_path / "a", sln.tone(600, 1)), flac)
    assert (facts.caller.half_sample, facts.agent.half_sample) == (True, False)
    assert facts.samples == facts.caller.samples == 8000


def test_a_missing_side_is_silence_and_the_facts_say_so(tmp_path: Path, flac: IO[bytes]) -> None:
    facts = encode_files(sln.write(tmp_path / "c", sln.tone(440, 1)), tmp_path / "none", flac)
    flac.seek(0)
    left, right = sides(flac)
    assert np.array_equal(left, sln.tone(440, 1))
    assert not right.any()
    assert (facts.agent.missing, facts.agent.samples, facts.agent.carries_audio) == (True, 0, False)
    assert (facts.caller.missing, facts.caller.carries_audio) == (False, True)


def test_no_sample_at_all_is_told_and_no_error(tmp_path: Path, flac: IO[bytes]) -> None:
    facts = encode(tmp_path, flac, sln.silence(0), sln.silence(0))
    assert (facts.samples, facts.caller.rms, facts.caller.peak) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("what", "samples", "carries"),
    [
        ("digital silence", sln.silence(10), False),
        ("an idle A-law line", np.full(80_000, 8, "<i2"), False),
        ("noise of -64 dBFS", sln.noise(10, 20), False),
        (
            "one click of full level",
            np.concatenate([sln.silence(5), sln.tone(1000, 0.02, 30000), sln.silence(5)]),
            False,
        ),
        ("80 ms of sound", np.concatenate([sln.silence(5), sln.tone(1000, 0.08), sln.silence(5)]), False),
        (
            "a syllable in ten minutes",
            np.concatenate([sln.silence(300), sln.tone(300, 0.12, 500), sln.silence(300)]),
            True,
        ),
        ("quiet speech, -45 dBFS", sln.noise(1, 184), True),
        ("syllables across a block", np.concatenate([sln.silence(7.94), sln.tone(300, 0.12), sln.silence(2)]), True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_side_carries_audio_when_somebody_can_be_heard(
    tmp_path: Path, flac: IO[bytes], what: str, samples: sln.Samples, carries: bool
) -> None:
    facts = encode(tmp_path, flac, samples, sln.silence(1))
    assert facts.caller.carries_audio is carries
    assert facts.agent.carries_audio is False


def test_level_and_peak_are_those_of_the_whole_side(tmp_path: Path, flac: IO[bytes]) -> None:
    facts = encode(tmp_path, flac, sln.tone(440, 20, 10000), sln.silence(1))
    assert facts.caller.rms == pytest.approx(10000 / 2**0.5, rel=0.001)
    assert facts.caller.peak == pytest.approx(10000, abs=2)


def test_memory_does_not_grow_with_the_call(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        caller = sln.write(tmp_path / "c", sln.noise(seconds))
        agent = sln.write(tmp_path / "a", sln.noise(seconds, seed=2))
        with tempfile.TemporaryFile(dir=tmp_path) as flac:
            tracemalloc.start()
            encode_files(caller, agent, flac)
            flac.seek(0)
            for _ in codec.decode(flac, "test"):
                pass
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return used

    assert peak(240) < peak(24) + 200_000


def test_a_link_a_pipe_and_a_folder_in_the_spool_are_not_read(tmp_path: Path, flac: IO[bytes]) -> None:
    """The spool is shared with another user: a link there must not pull a file of ours into a recording."""
    good = sln.write(tmp_path / "good", sln.tone(440, 1))
    (tmp_path / "link").symlink_to(good)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(SpoolFileRefused, match=name):
            encode_files(good, tmp_path / name, flac)


@pytest.mark.parametrize("limit", [100, 5000, 100_000])
def test_a_full_spool_is_an_error_and_never_a_short_recording(tmp_path: Path, limit: int) -> None:
    """A limit on file size stands for a full tmpfs; in a process of its own because it holds for all files."""
    sln.write(tmp_path / "c", sln.noise(20))
    program = (
        "import resource, sys, tempfile; from pathlib import Path; from tests.vault.test_codec import encode_files\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "folder = Path(sys.argv[1])\n"
        "with tempfile.TemporaryFile(dir=folder) as flac: encode_files(folder / 'c', folder / 'c', flac)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert AudioNotEncoded.__name__ in done.stderr
    assert "Make room in the spool" in done.stderr


def damaged(flac: IO[bytes], cut: float) -> io.BytesIO:
    data = flac.read()
    return io.BytesIO(data[: int(len(data) * cut)])


@pytest.mark.parametrize("cut", [0, 0.0001, 0.5, 0.99])
def test_a_damaged_flac_is_an_error_and_never_a_short_recording(tmp_path: Path, flac: IO[bytes], cut: float) -> None:
    encode(tmp_path, flac, sln.noise(20), sln.noise(20))
    with pytest.raises(AudioUnreadable, match=r"audio of 2026/x\.sealed"):
        list(codec.decode(damaged(flac, cut), "2026/x.sealed"))


def test_audio_of_another_kind_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.flac", sln.tone(440, 1), 8000, subtype="PCM_16")
    with (tmp_path / "mono.flac").open("rb") as file, pytest.raises(AudioUnreadable, match="not stereo FLAC"):
        list(codec.decode(file, "mono"))


@pytest.mark.parametrize("after", [0, 1, 5, 20, 30])
def test_an_error_of_the_file_underneath_comes_out_as_it_is(tmp_path: Path, flac: IO[bytes], after: int) -> None:
    """libsndfile reads through C callbacks, which swallow exceptions and take them for the end of the file."""
    encode(tmp_path, flac, sln.noise(20), sln.noise(20))

    class Failing(io.BytesIO):
        left = after

        def read(self, *args: Any) -> bytes:
            if self.left == 0:
                raise ConnectionResetError("the disk went away")
            self.left -= 1
            return super().read(*args)

    with pytest.raises(ConnectionResetError, match="went away"):
        list(codec.decode(Failing(flac.read()), "test"))


def test_a_wav_export_holds_the_same_samples_and_needs_no_seek(tmp_path: Path, flac: IO[bytes]) -> None:
    caller, agent = sln.noise(9.5), sln.tone(440, 3)
    encode(tmp_path, flac, caller, agent)

    class Pipe(io.BytesIO):
        def seek(self, *_: Any) -> int:
            raise OSError("a pipe does not seek")

        tell = seek

    pipe = Pipe()
    with codec.Wav(flac, "test") as decoded:
        assert decoded.samples == len(caller)
        for block in decoded.blocks():
            pipe.write(block)
    assert len(pipe.getvalue()) == decoded.size
    with wave.open(io.BytesIO(pipe.getvalue())) as wav:
        assert wav.getparams()[:4] == (2, 2, 8000, len(caller))
        stereo = np.frombuffer(wav.readframes(len(caller)), "<i2").reshape(-1, 2)
    assert np.array_equal(stereo[:, 0], caller)
    assert np.array_equal(stereo[: len(agent), 1], agent)
