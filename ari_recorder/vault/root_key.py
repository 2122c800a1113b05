"""The root key, which opens the private halves, and keyring.json, which says what it is. It is never in that folder.

It is had in one of two ways:

* file: 32 random bytes, mode 0600, made at the first start; or a systemd credential of the same content.
* passphrase: Argon2id (version 1.3, 32 bytes) of what a person types, in Unicode's form NFC, as UTF-8. The service
  starts locked.

keyring.json, format 1, an object of

    format         1
    installation   UUID: the keys of another installation do not open here
    generation     1, and one more with each new root key
    root           "file" or "passphrase"
    argon2id       null, or {"salt": 16 bytes, "iterations", "lanes", "memory_kib"}
    signer         Ed25519 public key, 32 bytes: who signs public halves, and certificates: purpose | 00 | message
    sealed_signer  nonce (12) | AES-256-GCM of its private key (32), then the tag (16);
                   associated data = the UUID's 16 bytes | generation, 4 bytes big-endian
    check          HMAC-SHA-256 of the object without `check`, as JSON with sorted keys, "," and ":" as separators

Bytes are written as hexadecimal digits. Each use of the root key has a key of its own:

    use key = HKDF-Expand-SHA-256(root key, "ari-recorder/keyring/v1/" + use), 32 bytes; uses: check, signer, private
"""

import contextlib
import hmac
import json
import os
import secrets
import stat
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ari_recorder.domain.errors import (
    KeyringDamaged,
    KeyringNewer,
    PassphraseWeak,
    PassphraseWrong,
    RootKeyExposed,
    RootKeyMissing,
    RootKeyUnfit,
    RootKeyWriteFailed,
    RootKeyWrong,
)
from ari_recorder.vault.files import open_ordinary

ROOT_KEY_BYTES = 32
LEAST_PASSPHRASE = 12
_FORMAT = 1
_NONCE_BYTES = 12
_USE = "ari-recorder/keyring/v1/"
# What a changed keyring.json may at most make this host do.
_MOST_MEMORY_KIB = 4 << 20
_MOST_ITERATIONS = 100
_MOST_LANES = 64


class RootKind(StrEnum):
    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 -- the name of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2:
    """RFC 9106's second choice has 64 MiB; four times that is 0.6 s here, and a person types it once a start."""

    salt: str
    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 256 << 10

    @classmethod
    def new(cls) -> Self:
        return cls(salt=os.urandom(16).hex())

    def root_key(self, passphrase: str) -> bytes:
        kdf = Argon2id(
            salt=bytes.fromhex(self.salt),
            length=ROOT_KEY_BYTES,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        )
        return kdf.derive(_typed(passphrase))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What keyring.json says. Believed only as far as `opened_by` has checked it."""

    installation: UUID
    generation: int
    root: RootKind
    argon2id: Argon2 | None
    signer: str
    sealed_signer: str = field(repr=False)
    check: str = field(repr=False)

    @classmethod
    def new(cls, root_key: bytes, root: RootKind, argon2id: Argon2 | None) -> Self:
        """A new installation."""
        unsigned = cls(
            installation=uuid4(), generation=1, root=root, argon2id=argon2id, signer="", sealed_signer="", check=""
        )
        return unsigned._under(root_key, Ed25519PrivateKey.generate())

    def next(self, old: "Root", root_key: bytes, root: RootKind, argon2id: Argon2 | None) -> Self:
        """The same installation under a new root key."""
        later = replace(self, generation=self.generation + 1, root=root, argon2id=argon2id)
        return later._under(root_key, old.signer)

    @classmethod
    def read(cls, data: bytes, where: Path) -> Self:
        try:
            found: dict[str, Any] = json.loads(data)
            if isinstance(found["format"], int) and found["format"] > _FORMAT:
                raise KeyringNewer(path=where, found=found["format"])
            facts = cls(
                installation=UUID(found["installation"]),
                generation=int(found["generation"]),
                root=RootKind(found["root"]),
                argon2id=Argon2(**found["argon2id"]) if found["argon2id"] is not None else None,
                signer=found["signer"],
                sealed_signer=found["sealed_signer"],
                check=found["check"],
            )
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(facts.signer))
            bytes.fromhex(facts.sealed_signer + facts.check)
            if facts.argon2id is not None:
                _refuse_excess(facts.argon2id)
            elif facts.root is RootKind.PASSPHRASE:
                raise ValueError("no argon2id")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyringDamaged(path=where, reason="it does not say what it should") from None
        return facts

    def public(self) -> Self:
        """The same installation, without anything that the root key opens: nothing unlocks it."""
        return replace(self, root=RootKind.FILE, argon2id=None, sealed_signer="", check="")

    def write(self) -> bytes:
        return json.dumps({**self._signed(), "check": self.check}, indent=2).encode() + b"\n"

    @property
    def signer_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signer))

    def opened_by(self, root_key: bytes) -> "Root | None":
        """What the root key gives; None when it is another one, or the file was changed."""
        check = hmac.digest(_use(root_key, "check"), self._canonical(), "sha256")
        if not hmac.compare_digest(check, bytes.fromhex(self.check)):
            return None
        blob = bytes.fromhex(self.sealed_signer)
        try:
            raw = AESGCM(_use(root_key, "signer")).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], self._owner())
        except InvalidTag:
            return None
        return Root(
            generation=self.generation,
            cipher=AESGCM(_use(root_key, "private")),
            signer=Ed25519PrivateKey.from_private_bytes(raw),
        )

    def _under(self, root_key: bytes, signer: Ed25519PrivateKey) -> Self:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(_use(root_key, "signer")).encrypt(nonce, signer.private_bytes_raw(), self._owner())
        public = signer.public_key().public_bytes_raw().hex()
        facts = replace(self, signer=public, sealed_signer=(nonce + sealed).hex())
        check = hmac.digest(_use(root_key, "check"), facts._canonical(), "sha256")
        return replace(facts, check=check.hex())

    def _owner(self) -> bytes:
        return self.installation.bytes + self.generation.to_bytes(4, "big")

    def _signed(self) -> dict[str, object]:
        return {
            "format": _FORMAT,
            "installation": str(self.installation),
            "generation": self.generation,
            "root": self.root.value,
            "argon2id": asdict(self.argon2id) if self.argon2id is not None else None,
            "signer": self.signer,
            "sealed_signer": self.sealed_signer,
        }

    def _canonical(self) -> bytes:
        return json.dumps(self._signed(), sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What the right root key gives: the cipher of private halves, and the signer of public ones."""

    generation: int
    cipher: AESGCM = field(repr=False)
    signer: Ed25519PrivateKey = field(repr=False)


def opened_by_passphrase(facts: Facts, passphrase: str, where: Path) -> Root:
    if facts.argon2id is None:
        raise PassphraseWrong(path=where)
    root = facts.opened_by(facts.argon2id.root_key(passphrase))
    if root is None:
        raise PassphraseWrong(path=where)
    return root


def beside(path: Path) -> Path:
    """Where the root key lies that is to take the place of the one in `path`."""
    return path.with_name(f"{path.name}.new")


def opened_by_file(facts: Facts, path: Path, where: Path) -> Root:
    """By the key in the file; or by the one beside it, when a kill came between the two ends of a rotation."""
    root = facts.opened_by(read_root_key(path))
    if root is None and os.path.lexists(beside(path)):
        root = facts.opened_by(read_root_key(beside(path)))
    if root is None:
        raise RootKeyWrong(path=path, keyring=where)
    return root


def fit_passphrase(passphrase: str) -> str:
    """The passphrase itself, if it may become a new root key."""
    if len(_typed(passphrase).decode()) < LEAST_PASSPHRASE:
        raise PassphraseWeak(least=LEAST_PASSPHRASE)
    return passphrase


def read_root_key(path: Path) -> bytes:
    try:
        file = open_ordinary(path)
    except FileNotFoundError:
        raise RootKeyMissing(path=path) from None
    except OSError as error:  # no permission; or a link, which might point to a key somebody else can change
        raise RootKeyUnfit(path=path, reason=error.strerror) from None
    with file:
        status = os.fstat(file.fileno())
        if status.st_mode & 0o077:
            raise RootKeyExposed(path=path, mode=f"{stat.S_IMODE(status.st_mode):04o}")
        key = file.read(ROOT_KEY_BYTES + 1)
    if len(key) != ROOT_KEY_BYTES:
        raise RootKeyUnfit(path=path, reason=f"it has {status.st_size} bytes")
    return key


def make_root_key(path: Path) -> bytes:
    """The key in the file, which is made if there is none. All or nothing; of two makers the first wins."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if not os.path.lexists(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(os.urandom(ROOT_KEY_BYTES))
                    file.flush()
                    os.fsync(fd)
                with contextlib.suppress(FileExistsError):  # a rename would overwrite the key of who was first
                    os.link(fresh, path)
            finally:
                os.unlink(fresh)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise RootKeyWriteFailed(path=path, reason=error.strerror) from None
    return read_root_key(path)


def _use(root_key: bytes, use: str) -> bytes:
    return HKDFExpand(SHA256(), 32, (_USE + use).encode()).derive(root_key)


def _typed(passphrase: str) -> bytes:
    """The same bytes, however the keyboard composed the letters."""
    return unicodedata.normalize("NFC", passphrase).encode()


def _refuse_excess(argon2: Argon2) -> None:
    bounds = (
        (argon2.iterations, 1, _MOST_ITERATIONS),
        (argon2.lanes, 1, _MOST_LANES),
        (argon2.memory_kib, 8 * argon2.lanes, _MOST_MEMORY_KIB),
        (len(bytes.fromhex(argon2.salt)), 16, 64),
    )
    if not all(least <= value <= most for value, least, most in bounds):
        raise ValueError("parameters out of bounds")
