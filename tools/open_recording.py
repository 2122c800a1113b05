#!/usr/bin/env python3
"""Opens a sealed recording without ari-recorder: Python 3.11 and `cryptography` are enough. See docs/formats.md.

Written from that paper and not from the program, so that the two check each other. It trusts nothing: whatever does
not fit is refused with the reason, and the output appears when all of it is known to be right.
"""

import argparse
import getpass
import hmac
import json
import os
import sys
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CONTAINER = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
RECORDING = b"ari-recorder/recording/v1\x00"
DATA_KEY = b"ari-recorder/data-key/v2\x00"
PRIVATE = b"ari-recorder/keyring/v1/private"
CHECK = b"ari-recorder/keyring/v1/check"


class Refused(Exception):
    """What does not fit, in words."""


def open_container(sealed: bytes, data_key: bytes, recording_id: UUID) -> bytes:
    """The plain bytes of a sealed file."""
    if len(sealed) < 56 + 16:
        raise Refused("the sealed file is too short to be one")
    salt, commitment, chunks = sealed[:24], sealed[24:56], sealed[56:]
    info = CONTAINER + salt + RECORDING + recording_id.bytes
    material = HKDFExpand(hashes.SHA512(), 32 + 12 + 32, info).derive(data_key)
    if not hmac.compare_digest(material[44:], commitment):
        raise Refused("the sealed file belongs to another key or another recording")
    cipher, base = AESGCM(material[:32]), int.from_bytes(material[32:44], "big")
    if len(chunks) % 16400 < 16:
        raise Refused("the sealed file is cut off: its last chunk is missing")
    plain = []
    for number, begin in enumerate(range(0, len(chunks), 16400)):
        nonce = (base ^ number).to_bytes(12, "big")
        try:
            plain.append(cipher.decrypt(nonce, chunks[begin : begin + 16400], None))
        except InvalidTag:
            raise Refused(f"chunk {number} of the sealed file was changed") from None
    return b"".join(plain)


def audio_of(plain: bytes) -> bytes:
    """The FLAC or Ogg Opus file in it."""
    footer = plain[-16:]
    if footer[:5] not in (b"ARIR\x01", b"ARIR\x02"):
        raise Refused("what is inside does not end like a recording")
    label = int.from_bytes(footer[6:8], "big") if footer[4] == 2 else 0
    return plain[: len(plain) - 16 - label - 2 * int.from_bytes(footer[8:], "big")]


def root_key(folder: Path, file: Path | None) -> bytes:
    """The root key, checked against keyring.json."""
    facts = json.loads((folder / "keyring.json").read_bytes())
    if facts["format"] != 1:
        raise Refused(f"keyring.json has format {facts['format']}; this script knows 1")
    if facts["root"] == "file":
        if file is None:
            raise Refused("this keyring opens with a root key file: give --root-key")
        key = file.read_bytes()
    else:
        how = facts["argon2id"]
        kdf = Argon2id(
            salt=bytes.fromhex(how["salt"]),
            length=32,
            iterations=how["iterations"],
            lanes=how["lanes"],
            memory_cost=how["memory_kib"],
        )
        key = kdf.derive(getpass.getpass("Passphrase: ").encode())
    check = bytes.fromhex(facts.pop("check"))
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    made = hmac.digest(HKDFExpand(hashes.SHA256(), 32, CHECK).derive(key), canonical, "sha256")
    if not hmac.compare_digest(made, check):
        raise Refused("this is not the root key of this keyring, or keyring.json was changed")
    return key


def private_half(folder: Path, name: str, root: bytes) -> hpke.MLKEM768X25519PrivateKey:
    """The key of that name, decrypted."""
    try:
        data = (folder / "private" / f"{name}.key").read_bytes()
    except FileNotFoundError:
        raise Refused(f"the key {name} is not there: it was destroyed, and what it wrapped is gone") from None
    if data[:2] != b"\x01\x01":
        raise Refused(f"the key {name} is of a version or kind this script does not know")
    cipher = AESGCM(HKDFExpand(hashes.SHA256(), 32, PRIVATE).derive(root))
    try:
        plain = cipher.decrypt(data[22:34], data[34:], data[:22] + name.encode())
    except InvalidTag:
        raise Refused(f"the key {name} does not open under this root key") from None
    mlkem, x25519 = MLKEM768PrivateKey.from_seed_bytes(plain[:64]), X25519PrivateKey.from_private_bytes(plain[64:])
    return hpke.MLKEM768X25519PrivateKey(mlkem, x25519)


def unwrap(wrapped: bytes, recording_id: UUID, folder: Path, root: bytes) -> bytes:
    """The data key of the recording."""
    if wrapped[:1] != b"\x02":
        raise Refused("the wrapped key is of a version this script does not know")
    name = wrapped[2 : 2 + wrapped[1]]
    info = DATA_KEY + wrapped[1:2] + name + recording_id.bytes
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    try:
        return suite.decrypt(wrapped[2 + len(name) :], private_half(folder, name.decode("ascii"), root), info)
    except InvalidTag:
        raise Refused("the wrapped key was changed, or belongs to another recording") from None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=Path, required=True, help="the folder of the keys (storage.keys)")
    parser.add_argument("--root-key", type=Path, help="the root key; without it the passphrase is asked for")
    parser.add_argument("--wrapped-key", type=Path, required=True, help="a file with the wrapped key as hex digits")
    parser.add_argument("--id", type=UUID, required=True, help="the recording's id")
    parser.add_argument("--sealed", type=Path, required=True, help="the sealed file")
    parser.add_argument("--out", type=Path, required=True, help="the audio file to write; it must not exist yet")
    given = parser.parse_args()
    try:
        root = root_key(given.keys, given.root_key)
        wrapped = bytes.fromhex(given.wrapped_key.read_text().strip())
        data_key = unwrap(wrapped, given.id, given.keys, root)
        audio = audio_of(open_container(given.sealed.read_bytes(), data_key, given.id))
        with open(os.open(given.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(audio)
    except (Refused, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"open_recording: {error}", file=sys.stderr)
        return 1
    print(f"{given.out}: {len(audio)} bytes, in clear")
    return 0


if __name__ == "__main__":
    sys.exit(main())
