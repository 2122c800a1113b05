"""The master key and what it protects: data keys of recordings, and short personal texts. No files but the key's own.

The master key is a file of 32 random bytes, mode 0600, made at the first start. It encrypts nothing itself; each use
has a key of its own:

    use key = HKDF-Expand-SHA-256(master key, "ari-recorder/v1/" + use), 32 bytes
    uses: "data-key", "text/" + purpose

Wrapped data key, version 1 (61 bytes)::

    0       1       version, 01
    1       12      nonce, random
    13      48      AES-256-GCM of the data key (32), then the tag (16)
    associated data = 01 | UUID of the recording (16)

Sealed text, version 1::

    0       1       version, 01
    1       12      nonce, random
    13      n + 16  AES-256-GCM of the text as UTF-8, then the tag
    associated data = 01 | owner as UTF-8

The owner is whatever the text belongs to, in text form: a text moved to another record does not open. Random nonces
are safe for 2^32 uses of one key (NIST SP 800-38D 8.3), which is 400 times the ten million recordings planned for.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ari_recorder.domain.errors import (
    MasterKeyExposed,
    MasterKeyMissing,
    MasterKeyUnfit,
    SealedTextRefused,
    WrappedKeyRefused,
)
from ari_recorder.vault.files import open_ordinary

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
_PREFIX = b"ari-recorder/v1/"


class Keyring:
    """Wraps and unwraps; the master key itself never comes out."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != _KEY_BYTES:
            raise ValueError(f"a master key has {_KEY_BYTES} bytes, not {len(master_key)}")
        self._master_key = master_key

    @classmethod
    def open(cls, path: Path, *, sealed_recordings_exist: bool) -> "Keyring":
        """Read the key file; make it when there is none yet. Never makes one while recordings need the old one."""
        try:
            return cls(_read_key(path))
        except FileNotFoundError:
            if sealed_recordings_exist:
                raise MasterKeyMissing(path=path) from None
        _make_key(path)
        return cls(_read_key(path))

    def new_data_key(self) -> bytes:
        """A key for one recording, used for one file, once."""
        return os.urandom(_KEY_BYTES)

    def wrap(self, data_key: bytes, recording_id: UUID) -> bytes:
        return _encrypt(self._use("data-key"), data_key, recording_id.bytes)

    def unwrap(self, wrapped_key: bytes, recording_id: UUID) -> bytes:
        try:
            return _decrypt(self._use("data-key"), wrapped_key, recording_id.bytes)
        except InvalidTag:
            raise WrappedKeyRefused(recording_id=recording_id) from None

    def seal_text(self, text: str, purpose: str, owner: UUID | str) -> bytes:
        """Encrypt a personal field. `purpose` names the field (`caller_number`), `owner` the record it belongs to."""
        return _encrypt(self._use(f"text/{purpose}"), text.encode(), str(owner).encode())

    def open_text(self, sealed: bytes, purpose: str, owner: UUID | str) -> str:
        try:
            return _decrypt(self._use(f"text/{purpose}"), sealed, str(owner).encode()).decode()
        except InvalidTag:
            raise SealedTextRefused(purpose=purpose, owner=owner) from None

    def _use(self, use: str) -> AESGCM:
        return AESGCM(HKDFExpand(SHA256(), _KEY_BYTES, _PREFIX + use.encode()).derive(self._master_key))


def _encrypt(cipher: AESGCM, plain: bytes, owner: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + cipher.encrypt(nonce, plain, _VERSION + owner)


def _decrypt(cipher: AESGCM, blob: bytes, owner: bytes) -> bytes:
    version, nonce, sealed = blob[:1], blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
    if version != _VERSION or len(nonce) < _NONCE_BYTES:
        raise InvalidTag
    return cipher.decrypt(nonce, sealed, version + owner)


def _read_key(path: Path) -> bytes:
    try:
        file = open_ordinary(path)
    except FileNotFoundError:
        raise
    except OSError as error:  # no permission; or a link, which might point to a key somebody else can change
        raise MasterKeyUnfit(path=path, reason=error.strerror) from None
    with file:
        status = os.fstat(file.fileno())
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise MasterKeyExposed(path=path, mode=f"{stat.S_IMODE(status.st_mode):04o}")
        key = file.read(_KEY_BYTES + 1)
    if len(key) != _KEY_BYTES:
        raise MasterKeyUnfit(path=path, reason=f"it has {status.st_size} bytes")
    return key


def _make_key(path: Path) -> None:
    """All or nothing: the name appears only when the bytes are on disk. Of two makers the first wins."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(os.urandom(_KEY_BYTES))
                file.flush()
                os.fsync(fd)
            with contextlib.suppress(FileExistsError):  # somebody else was first; a rename would overwrite their key
                os.link(fresh, path)
        finally:
            os.unlink(fresh)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise MasterKeyUnfit(path=path, reason=f"it cannot be made ({error.strerror})") from None
