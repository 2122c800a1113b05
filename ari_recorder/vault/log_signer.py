"""The key that signs the heads of the audit log, and the memory of what it signed last. Notes: domain/checkpoints.py.

    <state>/audit/     0700
      signer.json      {"format": 1, "origin": which log, "private": Ed25519 private key as hex}, 0600
      signed.json      {"size", "root" as hex}: the last tree head this key signed
      log.key          the public half as text, to be given away
      before-1/        the files of the log before this one, which ended when an older database was brought back
      .lock            held by whoever signs

It is not in the keyring: the log goes on while that is locked. Two tree heads of which one does not begin with the
other are never signed: who brings back an older database finds that the signer remembers. The memory is on disk before
the signature is given out, so a crash between the two makes the same signature again and no other.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ari_recorder.domain import merkle
from ari_recorder.domain.checkpoints import Checkpoint, NotACheckpoint, key_id, key_text
from ari_recorder.domain.errors import AuditRolledBack, AuditSignerUnusable

_KEY, _MEMORY, _PUBLIC, _LOCK = "signer.json", "signed.json", "log.key", ".lock"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A tree head that was signed."""

    size: int = 0
    root: bytes = merkle.EMPTY_ROOT


class SignedMeanwhile(Exception):
    """Another tree head was signed between looking and signing."""


class LogSigner:
    """Signs tree heads, each of which begins with the one before. Safe among processes of one host."""

    def __init__(self, folder: Path, origin: str, private: Ed25519PrivateKey) -> None:
        self.origin = origin
        self.folder = folder
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def open(cls, folder: Path, origin: str) -> Self:
        """The signer of this folder; a new one for `origin` if there is none."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder):
                if not (folder / _KEY).exists():
                    if (folder / _MEMORY).exists():
                        raise AuditSignerUnusable(path=folder / _KEY, reason="it is gone, but has signed before")
                    private = Ed25519PrivateKey.generate()
                    fields = {"format": _FORMAT, "origin": origin, "private": private.private_bytes_raw().hex()}
                    _write(folder, _KEY, json.dumps(fields) + "\n")
                signer = cls(folder, *_read_key(folder / _KEY))
                if not (folder / _PUBLIC).exists():
                    _write(folder, _PUBLIC, signer.key + "\n")
        except OSError as error:
            raise AuditSignerUnusable(path=error.filename or folder, reason=error.strerror) from None
        return signer

    @classmethod
    def begin_new(cls, folder: Path, origin: str) -> Self:
        """A new log with a key of its own. What the old one signed stays beside it, and stays true."""
        number = 1 + sum(1 for _ in folder.glob("before-*"))
        try:
            with _locked(folder):
                before = folder / f"before-{number}"
                before.mkdir(mode=0o700)
                for name in (_PUBLIC, _MEMORY, _KEY):  # the key last: until it has gone, the old log goes on
                    if (folder / name).exists():
                        (folder / name).rename(before / name)
        except OSError as error:
            raise AuditSignerUnusable(path=error.filename or folder, reason=error.strerror) from None
        return cls.open(folder, f"{origin}/{number + 1}")

    @property
    def key(self) -> str:
        """The public half as text: who has it can verify everything this signs."""
        return key_text(self.origin, self.public)

    def last(self) -> Signed:
        path = self.folder / _MEMORY
        try:
            found = json.loads(path.read_bytes())
            return Signed(size=int(found["size"]), root=bytes.fromhex(found["root"]))
        except FileNotFoundError:
            return Signed()
        except OSError as error:
            raise AuditSignerUnusable(path=path, reason=error.strerror) from None
        except (ValueError, KeyError, TypeError):
            raise AuditSignerUnusable(path=path, reason="it does not say what it should") from None

    def sign(self, size: int, root: bytes, before: Signed, proof: tuple[bytes, ...]) -> str:
        """The note. `proof`: the tree begins with `before`, the last one signed. AuditRolledBack if it does not;
        SignedMeanwhile if another one was signed last by now: look again."""
        try:
            with _locked(self.folder):
                last = self.last()
                if last != before:
                    raise SignedMeanwhile
                begins = last.size == 0 or merkle.is_consistent(last.size, last.root, size, root, proof)
                if not begins:
                    raise AuditRolledBack(size=size, signed=last.size)
                if last != Signed(size=size, root=root):
                    _write(self.folder, _MEMORY, json.dumps({"size": size, "root": root.hex()}) + "\n")
        except OSError as error:
            raise AuditSignerUnusable(path=error.filename or self.folder, reason=error.strerror) from None
        checkpoint = Checkpoint(origin=self.origin, size=size, root=root)
        return checkpoint.note(self._private.sign(checkpoint.body.encode()), self.public)

    def verified(self, note: str) -> Checkpoint | None:
        """The tree head in a note, if this signer signed it."""
        try:
            found, signature = Checkpoint.read(note)
            if found.origin != self.origin or signature[:4] != key_id(self.origin, self.public):
                return None
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[4:], found.body.encode())
        except (NotACheckpoint, InvalidSignature):
            return None
        return found


def _read_key(path: Path) -> tuple[str, Ed25519PrivateKey]:
    mode = stat.S_IMODE(path.lstat().st_mode)
    if mode & 0o077:
        raise AuditSignerUnusable(path=path, reason=f"others can read it (mode {mode:04o})")
    try:
        found = json.loads(path.read_bytes())
        return str(found["origin"]), Ed25519PrivateKey.from_private_bytes(bytes.fromhex(found["private"]))
    except (ValueError, KeyError, TypeError):
        raise AuditSignerUnusable(path=path, reason="it does not say what it should") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _write(folder: Path, name: str, text: str) -> None:
    """All of it or nothing, and on disk."""
    fresh = folder / f".{name}.{token_hex(8)}"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    fresh.replace(folder / name)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(at)
    finally:
        os.close(at)
