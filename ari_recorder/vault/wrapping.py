"""Wrapped data keys and sealed texts, byte by byte: what only the private half of a key opens. No key store, no files.

Both are HPKE (RFC 9180) in base mode to a hybrid pair, ML-KEM-768 with X25519 (KEM 0x647a, X-Wing), HKDF-SHA-256 and
AES-256-GCM; one message for each, without associated data. X-Wing (draft-connolly-cfrg-xwing-kem) makes of the two
halves the shared secret, which goes into the key schedule of RFC 9180 as it is::

    SHA3-256(ML-KEM secret | X25519 secret | X25519 ephemeral public | X25519 public | 5c 2e 2f 2f 5e 5c)
    suite_id = "HPKE" | 64 7a | 00 01 | 00 02

Hybrid, because a wrapped key lives on in backups after its day key was destroyed, and must mean nothing then, even to
somebody who breaks one of the two in thirty years.

Wrapped data key, version 2 (1170 bytes and the name)::

    0         1       version, 02
    1         1       n, bytes of the key's name
    2         n       the key's name, ASCII: day-2026-11-24, hold-1, fallback
    2+n       1088    ML-KEM-768 ciphertext      \\  enc
    1090+n    32      X25519 ephemeral public    /
    1122+n    32+16   AES-256-GCM of the data key, then the tag
    info = "ari-recorder/data-key/v2" | 00 | n | the key's name | UUID of the recording (16)

Sealed text, version 2: the same up to 1122+n, then AES-256-GCM of the text as UTF-8, then the tag (16)::

    info = "ari-recorder/text/v2" | 00 | n | the key's name | p (1) | purpose (p bytes, UTF-8) | owner as UTF-8

    purpose        owner                             text
    caller         id of the call                    JSON: {"num": text, "name": text}
    hold-reason    id of the hold                    what was typed
    call-text      id of the text (call_text.id)     what was typed
    refusal        id of the certificate             JSON: what was given out, services/refusal_certificates.py
    request-text   id of the text                    JSON: what was typed about a case, services/casebook.py

An owner that is an id is a UUID in small letters with hyphens.

So what is moved to another recording, field or record, or says that it belongs to another key, does not open. Version 1
was encrypted under one master key, which is gone.
"""

import re
from datetime import date
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from ari_recorder.domain.errors import KeyNameRefused, NotWrapped, SealedTextRefused, WrappedKeyRefused

DATA_KEY_BYTES = 32
FALLBACK = "fallback"

_VERSION = 2
_ENC_BYTES = 1088 + 32
_TAG_BYTES = 16
_DATA_KEY = b"ari-recorder/data-key/v2\x00"
_TEXT = b"ari-recorder/text/v2\x00"
# Exactly one way to write each name: a name is a file's, too.
_NAME = re.compile(r"day-[0-9]{4}-[0-9]{2}-[0-9]{2}|(?:hold|index)-[1-9][0-9]{0,5}|fallback", re.ASCII)
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def day_name(day: date) -> str:
    return f"day-{day.isoformat()}"


def day_of_name(name: str) -> date | None:
    """The day a day key is of; None for other keys."""
    return date.fromisoformat(name.removeprefix("day-")) if name.startswith("day-") else None


def checked_name(name: str) -> str:
    """The name itself, if a key can have it."""
    if _NAME.fullmatch(name) is None:
        raise KeyNameRefused(name=name)
    try:
        day_of_name(name)
    except ValueError:
        raise KeyNameRefused(name=name) from None
    return name


def key_name_of(wrapped: bytes) -> str:
    """The key that opens a wrapped data key or a sealed text."""
    return _split(wrapped)[0]


def wrap_key(public: MLKEM768X25519PublicKey, key_name: str, data_key: bytes, recording_id: UUID) -> bytes:
    if len(data_key) != DATA_KEY_BYTES:
        raise ValueError(f"a data key has {DATA_KEY_BYTES} bytes, not {len(data_key)}")
    head = _head(key_name)
    return head + _SUITE.encrypt(data_key, public, _data_key_info(head, recording_id))


def unwrap_key(private: MLKEM768X25519PrivateKey, wrapped: bytes, recording_id: UUID) -> bytes:
    name, sealed = _split(wrapped)
    try:
        data_key: bytes = _SUITE.decrypt(sealed, private, _data_key_info(_head(name), recording_id))
    except InvalidTag:
        raise WrappedKeyRefused(recording_id=recording_id) from None
    if len(data_key) != DATA_KEY_BYTES:
        raise WrappedKeyRefused(recording_id=recording_id)
    return data_key


def seal_text(public: MLKEM768X25519PublicKey, key_name: str, text: str, purpose: str, owner: UUID | str) -> bytes:
    head = _head(key_name)
    return head + _SUITE.encrypt(text.encode(), public, _text_info(head, purpose, owner))


def open_text(private: MLKEM768X25519PrivateKey, sealed: bytes, purpose: str, owner: UUID | str) -> str:
    name, encrypted = _split(sealed)
    try:
        return _SUITE.decrypt(encrypted, private, _text_info(_head(name), purpose, owner)).decode()
    except InvalidTag:
        raise SealedTextRefused(purpose=purpose, owner=owner) from None


def _head(key_name: str) -> bytes:
    name = checked_name(key_name).encode("ascii")
    return bytes((_VERSION, len(name))) + name


def _split(blob: bytes) -> tuple[str, bytes]:
    """The key's name, and what HPKE made."""
    if len(blob) < 2 or blob[0] != _VERSION:
        raise NotWrapped(version=blob[0] if blob else "none")
    end = 2 + blob[1]
    if len(blob) < end + _ENC_BYTES + _TAG_BYTES:
        raise NotWrapped(version=_VERSION)
    try:
        return checked_name(blob[2:end].decode("ascii")), blob[end:]
    except (UnicodeDecodeError, KeyNameRefused):
        raise NotWrapped(version=_VERSION) from None


def _data_key_info(head: bytes, recording_id: UUID) -> bytes:
    return _DATA_KEY + head[1:] + recording_id.bytes


def _text_info(head: bytes, purpose: str, owner: UUID | str) -> bytes:
    field = purpose.encode()
    return _TEXT + head[1:] + bytes((len(field),)) + field + str(owner).encode()
