"""A keyring for tests, made as the first start makes it."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ari_recorder.vault import root_key
from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring


def keyring_in(folder: Path, *days: date) -> Keyring:
    """Its folder is `keys`, its root key beside it. Without days, today has a key."""
    ring = Keyring.make(folder / "keys", root_key=folder / "root.key")
    ring.publish(days or (day_of(datetime.now(UTC)),))
    return ring


def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases that cost milliseconds, for tests that are not about Argon2id's strength."""
    monkeypatch.setattr(root_key.Argon2.__init__, "__kwdefaults__", {"iterations": 1, "lanes": 1, "memory_kib": 64})


def places(steps: int, wanted: int) -> range:
    """Where to kill: at every step in the nightly run; else at about `wanted` of them, other ones each day."""
    stride = 1 if os.environ.get("ARI_RECORDER_NIGHTLY") else max(1, steps // wanted)
    return range(1 + datetime.now(UTC).toordinal() % stride, steps + 1, stride)
