"""A call being recorded, without a PBX: two files that grow, the vault that seals them meanwhile, and what was said."""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_punch import SpoolPunch
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.recordings import Label
from ari_recorder.vault import codec
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.live import LiveSeal
from ari_recorder.vault.opened import OpenedRecording
from ari_recorder.vault.parts import CHUNK_SAMPLES
from ari_recorder.vault.recordings import Sealed, Vault
from tests.keyring_for_tests import keyring_in
from tests.vault import sln

RECORDING = UUID("0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f")
DAY = date(2026, 3, 29)
CHUNK = 2 * CHUNK_SAMPLES  # bytes of a side
STEP = 32768  # bytes by which Asterisk's files grow
LABEL = Label(
    uniqueid=Uniqueid("1774765200.1"), queue="neuvonta ä", segment=1, started_at=datetime(2026, 3, 29, 1, 0, 0, 7, UTC)
)
NOISE = tuple(sln.noise(120, 3000, seed=seed).tobytes() for seed in (1, 2))  # what the two sides say


class LiveHouse:
    """`said` is what each side has said so far, whatever became of it."""

    def __init__(self, folder: Path, keyring: Keyring | None = None) -> None:
        self.folder = folder
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir(exist_ok=True)
        self.files = VaultFiles(folder / "vault")
        self.files.prepare()
        self.keyring = keyring or keyring_in(folder, DAY)
        self.said = [b"", b""]
        self.paths = self.spool.files(str(RECORDING))
        self.restart()

    def restart(self) -> None:
        """As after a kill: nothing is remembered but what is on disk."""
        self.vault = Vault(self.files, self.keyring, self.spool.folder)
        self.live = LiveSeal(self.vault.parts, RECORDING, DAY, self.paths.caller, self.paths.agent)
        self.punch = SpoolPunch(self.spool)

    def say(self, caller: bytes | int, agent: bytes | int | None = None) -> None:
        """Both files grow: by these bytes, or by so many of noise."""
        for side, more in enumerate((caller, caller if agent is None else agent)):
            spoken = len(self.said[side])
            data = more if isinstance(more, bytes) else NOISE[side][spoken : spoken + more]
            assert len(data) == (more if isinstance(more, int) else len(more))
            path = (self.paths.caller, self.paths.agent)[side]
            with path.open("ab") as file:
                file.write(data)
            self.said[side] += data

    def seal_live(self) -> int:
        """One look: what is sealed leaves the spool. Samples sealed so far."""
        sealed = self.live.advance()
        self.punch.take_out(str(RECORDING), 0, 2 * sealed)
        return sealed

    def lose_spool(self) -> None:
        self.paths.caller.unlink(missing_ok=True)
        self.paths.agent.unlink(missing_ok=True)

    def seal(self, silent: Sequence[codec.Span] = (), kept_as: Codec = Codec.FLAC) -> Sealed:
        self.live.close()
        return self.vault.seal_recording(self.paths.caller, self.paths.agent, RECORDING, DAY, silent, kept_as, LABEL)

    def expected(self, samples: int | None = None) -> bytes:
        """What was said, interleaved, the shorter side filled up; or only so much of it."""
        whole = interleaved(self.said)
        return whole if samples is None else whole[: 4 * samples]

    def heard(self, sealed: Sealed) -> bytes:
        with self.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING) as opened:
            return decoded(opened)

    def parts(self) -> list[str]:
        folder = self.files.folder / ".parts"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def in_spool(self) -> int:
        """Bytes of memory the two files take."""
        return sum(path.stat().st_blocks * 512 for path in (self.paths.caller, self.paths.agent) if path.exists())


def interleaved(said: Sequence[bytes]) -> bytes:
    sides = [np.frombuffer(one[: len(one) // 2 * 2], "<i2") for one in said]
    stereo = np.zeros((max(len(side) for side in sides), 2), "<i2")
    for number, side in enumerate(sides):
        stereo[: len(side), number] = side
    return stereo.tobytes()


def decoded(opened: OpenedRecording) -> bytes:
    with opened.as_file() as audio:
        return b"".join(codec.decode(audio, "test"))


def seconds(samples: int) -> timedelta:
    return timedelta(seconds=samples / 8000)
