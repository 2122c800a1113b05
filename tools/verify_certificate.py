#!/usr/bin/env python3
"""Checks a certificate of destruction, without the program that made it. Needs Python and `cryptography`, nothing else.

    python3 verify_certificate.py --signer 7c1f… certificate.json [more.json …]

The signer is the public key of the installation, 64 hexadecimal digits. Have it from the controller by another way than
the certificate: one that brings its own key proves nothing.

A certificate file is JSON: {"certificate": TEXT, "signature": base64, "signer": hex}. What was signed (Ed25519) is

    "ari-recorder/certificate/1" | 00 | TEXT as UTF-8

and TEXT is JSON itself, byte for byte as it was signed. Exit code 0: all of them are genuine. 1: at least one is not.
2: wrong usage.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PURPOSE = b"ari-recorder/certificate/1"


class NotGenuine(Exception):
    """Why."""


def verify(data: bytes, signer: bytes) -> dict[str, object]:
    """What the certificate says, if that signer signed exactly this."""
    envelope = _object(data)
    text, signature, named = (envelope.get(name) for name in ("certificate", "signature", "signer"))
    if not isinstance(text, str) or not isinstance(signature, str) or not isinstance(named, str):
        raise NotGenuine("it is not a certificate file: certificate, signature and signer are texts")
    if named.lower() != signer.hex():
        raise NotGenuine(f"it was signed by another key: {named!a}")
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(signer).verify(raw, PURPOSE + b"\0" + text.encode())
    except (InvalidSignature, ValueError):  # also what is not base64, and half a surrogate pair
        raise NotGenuine("the signature does not fit: it was changed, or forged") from None
    fields = _object(text.encode())
    if fields.get("format") != PURPOSE.decode():
        raise NotGenuine(f"it is of a format this program does not know: {fields.get('format')}")
    return fields


def _object(data: bytes) -> dict[str, object]:
    """JSON without a name given twice: readers would not agree on which one counts."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise NotGenuine("a name is there twice")
        return dict(pairs)

    try:
        found = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise NotGenuine("it is not JSON") from None
    if not isinstance(found, dict):
        raise NotGenuine("it is not a JSON object")
    return found


def _in_words(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, indent=2, sort_keys=True)


def _signer(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise argparse.ArgumentTypeError("a signer is 64 hexadecimal digits")
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks certificates of destruction.")
    parser.add_argument("--signer", type=_signer, required=True, help="the public key, 64 hexadecimal digits")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    bad = 0
    for path in arguments.files:
        try:
            print(f"{path}: genuine\n{_in_words(verify(path.read_bytes(), arguments.signer))}")
        except (NotGenuine, OSError) as error:
            bad += 1
            print(f"{path}: NOT GENUINE: {error}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
