"""A keyring for tests, made as the first start makes it."""

from datetime import UTC, date, datetime
from pathlib import Path

from ari_recorder.vault.files import day_of
from ari_recorder.vault.keyring import Keyring


def keyring_in(folder: Path, *days: date) -> Keyring:
    """Its folder is `keys`, its root key beside it. Without days, today has a key."""
    ring = Keyring.make(folder / "keys", root_key=folder / "root.key")
    ring.publish(days or (day_of(datetime.now(UTC)),))
    return ring
