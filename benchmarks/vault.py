"""The vault: ciphers against openssl, files against a plain copy, ranges against a deadline, live seal against a tail.

    seal, open     16 KiB chunks in memory; openssl speed -evp aes-256-gcm -bytes 16384 is one cipher call in C, again
                   and again on the same bytes. It counts processor time, and so do we
    file           a file to a sealed file, against reading and writing it by the MiB; without fsync
    range          from a sealed recording of an hour, at random places; the ratio is deadline / p99
    live           200 calls that grow as MixMonitor's files do, sealed by the service's own job, against the least that
                   could be done: read both sides, interleave, append, fsync

Each figure takes turns with its peer, and the middle of the ratios counts.
"""

import asyncio
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from uuid import UUID

import numpy as np

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.recordings import Recording, RecordingState, StartedBy
from ari_recorder.services.live import LiveSealer
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from ari_recorder.vault.stream import CHUNK_BYTES, SealedFile, context_of, seal
from benchmarks.figures import Figure, Goal, middle, percentile

ROUNDS = 7
MIB = 1 << 20
IN_MEMORY = 64 * MIB
ON_DISK = 64 * MIB
HOUR = 3600 * 32_000  # bytes of stereo PCM: a recording is never larger
CONTEXT = context_of(UUID(int=1))
KEY = bytes(32)
# (bytes, deadline in ms, how many reads)
RANGES = ((1, 1.0, 4000), (64 << 10, 1.0, 2000), (MIB, 10.0, 400))
CALLS = 200
STEP = 32768  # bytes by which each file grows
STEP_SECONDS = STEP / 16_000
STEPS = 8


class _Memory:
    """A source in memory, and a sink that forgets."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), len(self._data) - self._at)
        buffer[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count

    def write(self, data: memoryview, /) -> int:
        return len(data)


def _processor(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _clock(work: Callable[[], object]) -> float:
    """Seconds by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rate(work: Callable[[], object]) -> float:
    """Bytes a second, over a second as openssl does it: shorter ones tell more of the neighbours than of us."""
    taken, times = 0.0, 0
    while taken < 1:
        taken += _processor(work)
        times += 1
    return IN_MEMORY * times / taken


def _openssl() -> float:
    """Bytes a second."""
    command = ["openssl", "speed", "-evp", "aes-256-gcm", "-bytes", str(CHUNK_BYTES), "-seconds", "1", "-mr"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.strip().rpartition(":")[2])


# --- ciphers


def ciphers() -> list[Figure]:
    data = memoryview(os.urandom(IN_MEMORY))
    target = memoryview(bytearray(MIB))
    fd = os.memfd_create("sealed")
    with FileIO(fd, "w") as file:
        seal(_Memory(data), file, KEY, CONTEXT)
        sealed, opened, peer = [], [], []
        with SealedFile(os.dup(fd), KEY, CONTEXT, name="bench") as reader:
            places = list(range(0, reader.size, MIB))
            for _ in range(ROUNDS):
                random.shuffle(places)
                peer.append(_openssl())
                sealed.append(_rate(lambda: seal(_Memory(data), _Memory(data), KEY, CONTEXT)))
                opened.append(_rate(lambda: [reader.readinto(at, target) for at in places]))
    return [
        Figure(
            name=f"{what} 16 KiB chunks in memory, against openssl speed -evp aes-256-gcm",
            ratio=middle([mine / theirs for mine, theirs in zip(rates, peer, strict=True)]),
            goal=Goal(at_least=0.70),
            measured=f"vault {middle(rates) / MIB:,.0f} MiB/s, openssl {middle(peer) / MIB:,.0f} MiB/s",
            details={"vault_mib_per_s": round(middle(rates) / MIB), "openssl_mib_per_s": round(middle(peer) / MIB)},
            key=f"vault-{what}",
            bars={"vault": middle(rates) / MIB, "openssl": middle(peer) / MIB},
            unit="MiB/s",
        )
        for what, rates in (("seal", sealed), ("open", opened))
    ]


# --- files


def files(folder: Path) -> Figure:
    source = folder / "plain"
    source.write_bytes(os.urandom(ON_DISK))
    copied, sealed = [], []
    for _ in range(ROUNDS):
        copied.append(_clock(lambda: _copy(source, folder / "copy")))
        sealed.append(_clock(lambda: _seal_file(source, folder / "sealed")))
    for path in (source, folder / "copy", folder / "sealed"):
        path.unlink()
    return Figure(
        name="file to sealed file, against reading and writing it",
        ratio=middle([plain / ours for plain, ours in zip(copied, sealed, strict=True)]),
        goal=Goal(at_least=0.50),
        measured=f"vault {ON_DISK / middle(sealed) / MIB:,.0f} MiB/s, copy {ON_DISK / middle(copied) / MIB:,.0f} MiB/s",
        details={
            "vault_mib_per_s": round(ON_DISK / middle(sealed) / MIB),
            "copy_mib_per_s": round(ON_DISK / middle(copied) / MIB),
        },
        key="vault-file",
        bars={"vault": ON_DISK / middle(sealed) / MIB, "copy": ON_DISK / middle(copied) / MIB},
        unit="MiB/s",
    )


def _copy(source: Path, target: Path) -> None:
    buffer = memoryview(bytearray(MIB))
    with source.open("rb", buffering=0) as plain, target.open("wb", buffering=0) as copy:
        while count := plain.readinto(buffer):
            copy.write(buffer[:count])


def _seal_file(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as plain, target.open("wb", buffering=0) as file:
        seal(plain, file, KEY, CONTEXT)


# --- ranges


def ranges(folder: Path) -> list[Figure]:
    path = folder / "hour"
    with path.open("wb", buffering=0) as file:
        seal(_Memory(memoryview(os.urandom(HOUR))), file, KEY, CONTEXT)
    figures = []
    with SealedFile(os.open(path, os.O_RDONLY), KEY, CONTEXT, name="bench") as reader:
        for length, deadline, count in RANGES:
            times = []
            for _ in range(count):
                at = random.randrange(reader.size - length)
                began = time.perf_counter()
                reader.read(at, length)
                times.append((time.perf_counter() - began) * 1000)
            p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
            figures.append(
                Figure(
                    name=f"range of {length:,} bytes from a sealed recording of an hour: {deadline:g} ms / p99",
                    ratio=deadline / p99,
                    goal=Goal(at_least=1.0),
                    measured=f"p50 {p50:.3f} ms, p99 {p99:.3f} ms",
                    details={"p50_ms": round(p50, 4), "p99_ms": round(p99, 4)},
                    key=f"vault-range-{length}",
                    bars={"p99": p99, "p50": p50, "goal": deadline},
                    unit="ms",
                )
            )
    path.unlink()
    return figures


# --- live


def live(folder: Path, memory: Path) -> Figure:
    """What is measured is all the process does for it: looking, threads, ciphers, fsync, punching."""
    now = datetime.now(UTC)
    keyring = Keyring.make(folder / "keys", root_key=folder / "root.key")
    keyring.publish([day_of(now)])
    spool = Spool(memory)
    vault_files = VaultFiles(folder / "vault")
    vault_files.prepare()
    sealer = LiveSealer(vault=Vault(vault_files, keyring, memory), spool=spool)
    recordings = [
        Recording(
            id=UUID(int=number),
            base=str(UUID(int=number)),
            segment=1,
            started_at=now,
            started_by=StartedBy.SERVICE,
            clock_at_start=timedelta(),
            state=RecordingState.CAPTURING,
        )
        for number in range(1, CALLS + 1)
    ]
    said = os.urandom(STEP)
    tails = [_Tail(spool, recording, folder / f"{recording.id}.tail") for recording in recordings]
    # The first step begins every part: once a call, and not what a second of it costs.
    ours, plain = [], []
    with asyncio.Runner() as runner:
        for _ in range(STEPS + 1):
            for recording in recordings:
                paths = spool.files(recording.base)
                for path in (paths.caller, paths.agent):
                    with path.open("ab") as file:
                        file.write(said)
            plain.append(_processor(lambda: _advance(tails)))
            ours.append(_processor(lambda: runner.run(sealer.look(recordings))))
    for tail in tails:
        tail.close()
    per_call = middle(ours[1:]) / CALLS / STEP_SECONDS
    return Figure(
        name=f"live seal of {CALLS} calls, against tailing and appending them in clear",
        ratio=middle([theirs / mine for mine, theirs in zip(ours[1:], plain[1:], strict=True)]),
        goal=None,
        measured=f"{per_call * 1e6:.0f} us of processor a call and second, for all {per_call * CALLS:.1%} of a core",
        details={
            "cpu_us_per_call_second": round(per_call * 1e6, 1),
            "tail_cpu_us_per_call_second": round(middle(plain[1:]) / CALLS / STEP_SECONDS * 1e6, 1),
        },
        key="live-seal",
        bars={"live seal": per_call * 1e6, "a tail in clear": middle(plain[1:]) / CALLS / STEP_SECONDS * 1e6},
        unit="us of processor",
    )


def _advance(tails: list["_Tail"]) -> None:
    for tail in tails:
        tail.advance()


class _Tail:
    """The least that could be done."""

    def __init__(self, spool: Spool, recording: Recording, target: Path) -> None:
        files = spool.files(recording.base)
        self._sources = [files.caller, files.agent]
        self._at = 0
        self._target = target.open("ab", buffering=0)

    def advance(self) -> None:
        stereo = np.empty((STEP // 2, 2), "<i2")
        for side, path in enumerate(self._sources):
            with path.open("rb", buffering=0) as file:
                stereo[:, side] = np.frombuffer(os.pread(file.fileno(), STEP, self._at), "<i2")
        self._at += STEP
        self._target.write(stereo.data)
        os.fsync(self._target.fileno())

    def close(self) -> None:
        self._target.close()


def measure() -> list[Figure]:
    shared = Path("/dev/shm")  # noqa: S108 - the tmpfs every Linux has
    with (
        tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="ari-recorder-bench-", dir=shared if shared.is_dir() else None) as memory,
    ):
        return [
            *ciphers(),
            files(Path(folder)),
            *ranges(Path(folder)),
            live(Path(folder), Path(memory)),
        ]
