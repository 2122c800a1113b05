"""Signed tree heads, proofs of single entries and exports as text: how they are written and read. Who signs: the vault.

A checkpoint is a signed note (C2SP signed-note, tlog-checkpoint)::

    ari-recorder/6f0c…                  the origin: which log
    20852163                            size of the tree
    CsUYapGGPo4dkMgIAUqom/Xajj7h…=      its root, base64
                                        (an empty line)
    — ari-recorder/6f0c… Az3grlgtz…=    the name of who signed, base64 of key id | Ed25519 of all above the empty line

    key id = SHA-256(name | 0A | 01 | public key), its first 4 bytes       the key as text: name+key id+base64(01 | key)

A proof of one entry (C2SP tlog-proof) can be checked by anybody who has the key, without us::

    c2sp.org/tlog-proof@v1
    extra eyJhY3Rpb24iOiJob2xkOnBsY…    the leaf, base64: what the entry says (domain/audit.py)
    index 73894                         its place, from 0
    gSKyXoYZUgZ6jduWYrkDOARinO…=        the hashes beside its way to the root, from the leaf on (RFC 6962)
                                        (an empty line)
    ari-recorder/6f0c…                  a checkpoint

An export is a file of JSON lines: `{"format": "ari-recorder/audit-export/1", "key": KEY}`, then one for each entry in
the order of the tree, `{"seq", "id", "at", "leaf": TEXT, "personal": {FIELD: {"salt": HEX, "value": TEXT}}}` where what
was erased is not there; each checkpoint, `{"checkpoint": NOTE, "size", "root", "origin"}`; and what is kept of the
tree, `{"head": {"size", "root", "nodes": how many, "nodes_sha256": over the complete subtrees above the leaves, in the
order in which they became complete}}`. A file of anchors has lines `{"at": TIME, "note": NOTE}`. A text is hashed as
its UTF-8 bytes, after JSON's escapes were undone.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

EXPORT_FORMAT = "ari-recorder/audit-export/1"
_PROOF = "c2sp.org/tlog-proof@v1"
_ED25519 = b"\x01"


class NotACheckpoint(ValueError):
    """The text is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    def note(self, signature: bytes, public: bytes) -> str:
        signed = _base64(key_id(self.origin, public) + signature)
        return f"{self.body}\n— {self.origin} {signed}\n"

    @classmethod
    def read(cls, note: str) -> tuple[Self, bytes]:
        """The tree head in a note, and the signature of the log itself, which nobody has verified here."""
        body, blank, signatures = note.partition("\n\n")
        lines = body.split("\n")
        if not blank or len(lines) < 3 or not lines[1].isdecimal() or lines[1] != str(int(lines[1])):
            raise NotACheckpoint
        found = cls(origin=lines[0], size=int(lines[1]), root=_bytes(lines[2]))
        prefix = f"— {found.origin} "
        *signed, end = signatures.split("\n")
        if end or any(not line.startswith("— ") for line in signed):
            raise NotACheckpoint
        for line in signed:
            if line.startswith(prefix) and len(lines) == 3 and len(found.root) == 32:
                return found, _bytes(line.removeprefix(prefix))
        raise NotACheckpoint


def key_id(origin: str, public: bytes) -> bytes:
    return sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]


def key_text(origin: str, public: bytes) -> str:
    return f"{origin}+{key_id(origin, public).hex()}+{_base64(_ED25519 + public)}"


def proof_text(leaf: str, index: int, hashes: Sequence[bytes], note: str) -> str:
    lines = [_PROOF, f"extra {_base64(leaf.encode())}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotACheckpoint from None
