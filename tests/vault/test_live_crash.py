"""Killed after every single step of live seal and close, and the power lost there: what comes back is what was said."""

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ari_recorder.asterisk import spool_punch
from ari_recorder.domain.errors import NothingCaptured
from ari_recorder.vault.files import path_of
from ari_recorder.vault.keyring import Keyring
from tests.keyring_for_tests import keyring_in
from tests.vault.live_house import DAY, NOISE, RECORDING, STEP, LiveHouse, decoded, interleaved

# Everything that touches a disk. Asterisk's own writing is not a step of ours.
STEPS = ("open", "write", "fsync", "mkdir", "link", "unlink", "close", "pread", "preadv", "ftruncate", "listdir")
GROWTH = (STEP, STEP + 8192, STEP, 3001)
BASE = str(RECORDING)


class Crashing:
    """The whole life of a recording, done by a child process that dies before its `fatal`-th step.

    `progress` holds what was promised by then: samples told as sealed, and whether the journal knows the sealed file.
    `durable` holds how much of each file, and which folder's entries, fsync had brought to disk.
    """

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        folder.mkdir()
        self.folder = folder
        self.house = LiveHouse(folder, keyring)
        self.progress = folder / "progress.json"
        self.durable: dict[str, Any] = {"sizes": {}, "entries": {}}

    def live(self, fatal: int) -> bool:
        """False when it died; True when there are fewer steps than that."""
        child = os.fork()
        if child == 0:
            try:
                self._patch(fatal)
                self._whole_life()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
        assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "an error, and no kill"
        return os.WIFEXITED(status)

    def _whole_life(self) -> None:
        house = self.house
        for more in GROWTH[:-1]:
            house.say(more)
            sealed = house.live.advance()
            self._promise(sealed=sealed)
            house.punch.take_out(BASE, 0, 2 * sealed)
        house.say(GROWTH[-1])
        kept = house.seal()
        self._promise(sealed=sealed, path=kept.path, wrapped=kept.wrapped_key.hex())  # the journal's entry
        house.spool.discard(BASE)
        house.vault.parts.remove(RECORDING)

    def _promise(self, **what: Any) -> None:
        self.progress.write_text(json.dumps({**what, "durable": self.durable}))

    def _patch(self, fatal: int) -> None:
        seen = 0

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def stepped(*args: Any, **how: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen == fatal:
                    self._note()
                    os.kill(os.getpid(), signal.SIGKILL)
                result = call(*args, **how)
                if call is fsync:
                    self._synced(args[0])
                return result

            return stepped

        fsync = os.fsync
        for name in STEPS:
            setattr(os, name, dying(getattr(os, name)))
        spool_punch.punch_hole = dying(spool_punch.punch_hole)

    def _synced(self, fd: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if path.is_dir():
            self.durable["entries"][str(path)] = [entry.name for entry in os.scandir(path)]
        else:
            self.durable["sizes"][str(os.fstat(fd).st_ino)] = os.fstat(fd).st_size

    def _note(self) -> None:
        with (self.folder / "durable.json").open("w") as file:
            json.dump(self.durable, file)

    # --- what comes after

    def lose_power(self) -> None:
        """Memory is gone, and on disk is what fsync brought there, and not one byte more."""
        for path in self.house.spool.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        durable = json.loads((self.folder / "durable.json").read_text())
        for folder, _, names in os.walk(self.house.files.folder, topdown=False):
            kept = durable["entries"].get(folder, [])
            for name in names:
                path = Path(folder, name)
                if name not in kept:
                    path.unlink()
                elif (size := durable["sizes"].get(str(path.stat().st_ino), 0)) < path.stat().st_size:
                    os.truncate(path, size)

    def promised(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.progress.read_text()) if self.progress.exists() else {"sealed": 0}
        return found

    def come_back(self, *, power_lost: bool) -> None:
        """The service starts again; Asterisk, if it still has power, has gone on meanwhile."""
        house, promised = self.house, self.promised()
        house.files.prepare()
        house.restart()
        whole = [one[: sum(GROWTH)] for one in NOISE]
        expected = interleaved(whole)
        if "path" in promised:  # the journal knows the sealed file
            house.spool.discard(BASE)
            house.vault.parts.remove(RECORDING)
            with house.vault.open_recording(promised["path"], bytes.fromhex(promised["wrapped"]), RECORDING) as opened:
                assert decoded(opened) == expected
            assert house.parts() == []
            return
        if not power_lost:
            for side, path in enumerate((house.paths.caller, house.paths.agent)):
                with path.open("ab") as file:
                    file.write(whole[side][file.tell() :])
            house.seal_live()
        house.files.unlink(path_of(RECORDING, DAY))
        if power_lost and not promised["sealed"] and not house.vault.parts.of(RECORDING):
            with pytest.raises(NothingCaptured):
                house.seal()
            return
        kept = house.seal()
        heard = house.heard(kept)
        if power_lost:
            assert heard == expected[: 4 * kept.samples]
            assert kept.samples >= promised["sealed"]
            assert "the spool was lost" in kept.truncated
        else:
            assert heard == expected
            assert kept.truncated == ""
        house.spool.discard(BASE)
        house.vault.parts.remove(RECORDING)
        left = {path.name for path in house.files.folder.rglob("*") if path.is_file()}
        assert left == {f"{RECORDING}.sealed"}
        assert not any(path.is_file() for path in house.spool.folder.rglob("*"))


@pytest.mark.parametrize("power_lost", [False, True], ids=["kill", "power"])
def test_whatever_step_it_dies_at_the_recording_is_whole_or_says_what_is_missing(
    tmp_path: Path, power_lost: bool
) -> None:
    keyring = keyring_in(tmp_path, DAY)
    for fatal in itertools.count(1):
        crashing = Crashing(tmp_path / str(fatal), keyring)
        finished = crashing.live(fatal)
        if power_lost and not finished:
            crashing.lose_power()
        crashing.come_back(power_lost=power_lost)
        if finished:
            assert fatal > 100
            break
