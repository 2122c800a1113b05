"""The log-in key, under which secrets of authenticators are sealed, and what an address must not say. Apart from the
keyring, which may be locked.

    login.key      32 random bytes, mode 0600, in storage.state
    sealed secret  version (1) = 1 | nonce (12) | AES-256-GCM of the secret (20), then the tag (16);
                   associated data = "ari-recorder/totp/v1" | 00 | the account's UUID, 16 bytes
    sealed word    the same of any text: associated data = "ari-recorder/word/v1" | 00 | the account's UUID

It is made with the first account. A database dump without it holds no secret; a secret moved to another account's row
does not open there. A sealed word opens for the account it was made for, and for no other one.
"""

import base64
import binascii
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ari_recorder.domain.errors import (
    LoginKeyUnusable,
    RootKeyExposed,
    RootKeyMissing,
    RootKeyUnfit,
    RootKeyWriteFailed,
    SealedWordRefused,
    TotpSecretRefused,
)
from ari_recorder.vault import root_key

_VERSION = b"\x01"
_NONCE_BYTES = 12
_OWNER = b"ari-recorder/totp/v1\0"
_READER = b"ari-recorder/word/v1\0"


class LoginKey:
    """Reads its file when it is first needed, so that a service starts without it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cipher: AESGCM | None = None

    def make(self) -> None:
        """If it is not there. Only where no secret is sealed yet: a new key opens none of the old ones."""
        with _told(self.path):
            root_key.make_root_key(self.path)

    def seal(self, secret: bytes, account_id: UUID) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._opened().encrypt(nonce, secret, _OWNER + account_id.bytes)

    def open(self, sealed: bytes, account_id: UUID) -> bytes:
        nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise TotpSecretRefused
            return self._opened().decrypt(nonce, text, _OWNER + account_id.bytes)
        except (InvalidTag, ValueError):
            raise TotpSecretRefused from None

    def seal_word(self, text: str, account_id: UUID) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._opened().encrypt(nonce, text.encode(), _READER + account_id.bytes)
        return base64.urlsafe_b64encode(_VERSION + nonce + sealed).decode().rstrip("=")

    def open_word(self, word: str, account_id: UUID) -> str:
        try:
            sealed = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
            if sealed[:1] != _VERSION:
                raise SealedWordRefused
            nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
            return self._opened().decrypt(nonce, text, _READER + account_id.bytes).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise SealedWordRefused from None

    def _opened(self) -> AESGCM:
        if self._cipher is None:
            with _told(self.path):
                self._cipher = AESGCM(root_key.read_root_key(self.path))
        return self._cipher


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What is wrong with the file, said of the log-in key."""
    try:
        yield
    except RootKeyMissing:
        raise LoginKeyUnusable(path=path, reason="it is missing") from None
    except RootKeyExposed as error:
        mode = error.fields["mode"]
        raise LoginKeyUnusable(path=path, reason=f"others can read it (mode {mode})") from None
    except (RootKeyUnfit, RootKeyWriteFailed) as error:
        raise LoginKeyUnusable(path=path, reason=error.fields["reason"]) from None
