"""What the capture side holds: the public halves of the keys. There is no secret here, so there is nothing to unlock.

A day key that is not there must not cost a call: the fallback's public half, kept in memory since the start, takes its
place, whatever happened to the folder. The alarm says so, once for each day.
"""

import re
from datetime import date
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import KeyDestroyed, RecorderError
from ari_recorder.vault import wrapping
from ari_recorder.vault.key_files import PUBLIC, KeyFolder
from ari_recorder.vault.key_making import PUBLIC_SUFFIX
from ari_recorder.vault.key_pairs import public_key, read_public
from ari_recorder.vault.root_key import Facts
from ari_recorder.vault.wrapping import FALLBACK, checked_name, day_name, day_of_name

log = structlog.get_logger(__name__)


# Today's, tomorrow's, the holds: more are not used at the same time.
_MOST_LOADED = 64

_Stamp = tuple[int, int, int]


class PublicKeys:
    """Wraps. Safe to use from several threads."""

    def __init__(self, folder: KeyFolder, facts: Facts) -> None:
        """KeyDestroyed when there is no fallback: then there is no keyring either."""
        self._folder = folder
        self._installation = facts.installation
        self._signer = facts.signer_key
        self._loaded: dict[str, tuple[_Stamp, MLKEM768X25519PublicKey]] = {}
        self._told: set[date] = set()
        self._fallback = self._read(FALLBACK)

    def name_for(self, day: date) -> str:
        """The key for what was recorded on that day of Helsinki: its own; without one the fallback, with an alarm."""
        name = day_name(day)
        try:
            self._key(name)
        except RecorderError as error:
            if day not in self._told:
                self._told.add(day)
                log.error("alarm", alarm=AlarmCode.KEY_FALLBACK.value, subject=str(day), because=str(error))
            return FALLBACK
        return name

    def wrap(self, key_name: str, data_key: bytes, recording_id: UUID) -> bytes:
        """A data key that only the private half of `key_name` gives back, and only for this recording."""
        return wrapping.wrap_key(self._key(key_name), key_name, data_key, recording_id)

    def seal_text(self, key_name: str, text: str, purpose: str, owner: UUID | str) -> bytes:
        """Encrypt a personal field. `purpose` names the field (`caller`), `owner` the record it belongs to."""
        return wrapping.seal_text(self._key(key_name), key_name, text, purpose, owner)

    @property
    def hold_name(self) -> str:
        """The newest hold key."""
        numbers = [int(match[1]) for name in self.names() if (match := re.fullmatch("hold-([0-9]+)", name))]
        if not numbers:
            raise KeyDestroyed(name="hold-1")
        return f"hold-{max(numbers)}"

    def names(self) -> frozenset[str]:
        """Every key that has a public half."""
        return self._folder.names(PUBLIC, PUBLIC_SUFFIX)

    def days(self) -> frozenset[date]:
        """The days that have a key of their own."""
        return frozenset(day for name in self.names() if (day := day_of_name(name)) is not None)

    def raw(self, key_name: str) -> bytes:
        """The public half as in its file, its signature checked. KeyDestroyed when it is not there."""
        file = f"{checked_name(key_name)}{PUBLIC_SUFFIX}"
        try:
            data = self._folder.read(PUBLIC, file)
        except FileNotFoundError:
            raise KeyDestroyed(name=key_name) from None
        return read_public(data, key_name, self._installation, self._signer, self._folder.path / PUBLIC / file)

    def _key(self, key_name: str) -> MLKEM768X25519PublicKey:
        if key_name == FALLBACK:
            return self._fallback
        # A key that was destroyed must not be wrapped to: the file is looked at each time, which costs 3 µs.
        stamp = self._folder.stamp(PUBLIC, f"{checked_name(key_name)}{PUBLIC_SUFFIX}")
        loaded = self._loaded.get(key_name)
        if loaded is not None and loaded[0] == stamp:
            return loaded[1]
        key = self._read(key_name)
        if stamp is not None:
            if len(self._loaded) >= _MOST_LOADED:
                self._loaded.clear()
            self._loaded[key_name] = stamp, key
        return key

    def _read(self, key_name: str) -> MLKEM768X25519PublicKey:
        return public_key(self.raw(key_name))
