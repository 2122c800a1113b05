"""A key's two halves as bytes: the public one signed, the private one encrypted under the root key. No files here.

Public half, version 1 (1297 bytes)::

    0       1       version, 01
    1       16      id of the installation
    17      1184    ML-KEM-768 public key
    1201    32      X25519 public key
    1233    64      Ed25519 signature by the installation's signer (keyring.json) over
                    "ari-recorder/public-key/v1" | 00 | bytes 0 to 1232 | the key's name

Private half, version 1 (146 bytes; a symmetric one 82)::

    0       1       version, 01
    1       1       kind: 01 a pair, 02 a symmetric key
    2       4       generation of the root key, big-endian
    6       16      id of the installation
    22      12      nonce, random
    34      n+16    AES-256-GCM of the key, then the tag:
                    a pair: ML-KEM-768 seed (64) | X25519 private key (32); a symmetric key: 32 bytes
    key             HKDF-Expand-SHA-256(root key, "ari-recorder/keyring/v1/private")
    associated data bytes 0 to 21 | the key's name

The private half holds the public one: a pair is made anew from its seed. So a public half that somebody put in place of
another is noticed twice: by its signature, which the capture side checks, and against the private half, once unlocked.
Random nonces are safe for 2^32 files under one root key (NIST SP 800-38D 8.3); there are some hundred.
"""

import os
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from ari_recorder.domain.errors import KeyringDamaged, KeyringForeign

_VERSION = 1
_PAIR, _SYMMETRIC = 1, 2
_SEED_BYTES, _X25519_BYTES, _SYMMETRIC_BYTES = 64, 32, 32
_MLKEM_PUBLIC_BYTES = 1184
_PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + _X25519_BYTES
_SIGNED_BYTES = 1 + 16 + _PUBLIC_BYTES
_HEAD_BYTES = 1 + 1 + 4 + 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SIGNATURE = b"ari-recorder/public-key/v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The private halves of both algorithms, as one key."""

    mlkem_seed: bytes = field(repr=False)
    x25519: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        seed = MLKEM768PrivateKey.generate().private_bytes_raw()
        return cls(mlkem_seed=seed, x25519=X25519PrivateKey.generate().private_bytes_raw())

    @property
    def private(self) -> MLKEM768X25519PrivateKey:
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed)
        return MLKEM768X25519PrivateKey(mlkem, X25519PrivateKey.from_private_bytes(self.x25519))

    @property
    def public_bytes(self) -> bytes:
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed).public_key()
        return (
            mlkem.public_bytes_raw() + X25519PrivateKey.from_private_bytes(self.x25519).public_key().public_bytes_raw()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Symmetric:
    key: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(key=os.urandom(_SYMMETRIC_BYTES))


def public_file(pair: Pair, name: str, installation: UUID, signer: Ed25519PrivateKey) -> bytes:
    signed = bytes((_VERSION,)) + installation.bytes + pair.public_bytes
    return signed + signer.sign(_SIGNATURE + signed + name.encode("ascii"))


def read_public(data: bytes, name: str, installation: UUID, signer: Ed25519PublicKey, where: object) -> bytes:
    """The public half in a file, if this installation signed it for this name."""
    if len(data) != _SIGNED_BYTES + 64 or data[0] != _VERSION:
        raise KeyringDamaged(path=where, reason=f"it has {len(data)} bytes, or a version this program does not know")
    if data[1:17] != installation.bytes:
        raise KeyringForeign(path=where)
    signed, signature = data[:_SIGNED_BYTES], data[_SIGNED_BYTES:]
    try:
        signer.verify(signature, _SIGNATURE + signed + name.encode("ascii"))
    except InvalidSignature:
        raise KeyringDamaged(path=where, reason=f"this installation did not sign it as {name}") from None
    return signed[17:]


def public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_BYTES])
    return MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_BYTES:]))


def private_file(key: Pair | Symmetric, name: str, installation: UUID, cipher: AESGCM, generation: int) -> bytes:
    """`cipher` is the root key's for private halves, `generation` tells which root key that is."""
    kind, plain = (_PAIR, key.mlkem_seed + key.x25519) if isinstance(key, Pair) else (_SYMMETRIC, key.key)
    head = bytes((_VERSION, kind)) + generation.to_bytes(4, "big") + installation.bytes
    nonce = os.urandom(_NONCE_BYTES)
    return head + nonce + cipher.encrypt(nonce, plain, head + name.encode("ascii"))


def generation_of(data: bytes, installation: UUID, where: object) -> int:
    """Which root key a private half is encrypted under."""
    if len(data) < _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES or data[0] != _VERSION:
        raise KeyringDamaged(path=where, reason=f"it has {len(data)} bytes, or a version this program does not know")
    if data[6:_HEAD_BYTES] != installation.bytes:
        raise KeyringForeign(path=where)
    return int.from_bytes(data[2:6], "big")


def read_private(data: bytes, name: str, installation: UUID, cipher: AESGCM, where: object) -> Pair | Symmetric:
    generation_of(data, installation, where)
    head, nonce, sealed = data[:_HEAD_BYTES], data[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES], data[34:]
    try:
        plain = cipher.decrypt(nonce, sealed, head + name.encode("ascii"))
    except InvalidTag:
        raise KeyringDamaged(path=where, reason=f"it does not open as {name} under this root key") from None
    if head[1] == _PAIR and len(plain) == _SEED_BYTES + _X25519_BYTES:
        return Pair(mlkem_seed=plain[:_SEED_BYTES], x25519=plain[_SEED_BYTES:])
    if head[1] == _SYMMETRIC and len(plain) == _SYMMETRIC_BYTES:
        return Symmetric(key=plain)
    raise KeyringDamaged(path=where, reason="it holds a kind of key this program does not know")
