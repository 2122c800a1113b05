#!/usr/bin/env python3
"""Checks the audit log of ari-recorder, without the program that wrote it. Needs Python and `cryptography`, no more.

    python3 verify_audit.py --key KEY [--anchors FILE]… export.jsonl      the whole log
    python3 verify_audit.py --key KEY entry.tlog-proof                    one entry

KEY is the log's public key as text (`ari-recorder/…+1a2b3c4d+A…`), or a file that holds it. Have it from the controller
by another way than what is checked: a log that brings its own key proves nothing. The same holds for anchors: take them
from where they were carried to. An anchor is any text with signed heads in it: the file of anchors, what a syslog kept,
a mail that was saved (.eml), what was copied out of one. Without any, a log cut off with its checkpoints looks whole.

Found is whatever was changed, deleted, put in, put elsewhere or cut off before the newest checkpoint or anchor, and two
heads of which one does not begin with the other. Formats: docs/formats.md. Exit code 0: all is well, 1: it is not, 2: usage.
"""

import argparse
import base64
import binascii
import email
import email.policy
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPORT, LEAF, PROOF = "ari-recorder/audit-export/1", "ari-recorder/audit/1", "c2sp.org/tlog-proof@v1"
NAMES = {"format", "id", "at", "action", "outcome", "actor", "object", "because", "facts", "personal"}


class NotGenuine(Exception):
    """Why."""


class Key:
    """Whose signatures count."""

    def __init__(self, text: str) -> None:
        try:
            self.origin, key_id, raw = text.strip().split("+", 2)
            data = base64.b64decode(raw, validate=True)
            self.id = hashlib.sha256(self.origin.encode() + b"\n" + data).digest()[:4]
            if data[:1] != b"\x01" or len(data) != 33 or self.id.hex() != key_id:
                raise ValueError
            self._public = Ed25519PublicKey.from_public_bytes(data[1:])
        except ValueError:
            raise argparse.ArgumentTypeError("this is not a log's key: ORIGIN+ID+BASE64") from None

    def head(self, note: object) -> tuple[int, bytes]:
        """Size and root that this key signed; nothing else counts."""
        body, blank, signatures = note.partition("\n\n") if isinstance(note, str) else ("", "", "")
        lines = body.split("\n")
        if not blank or len(lines) != 3 or lines[0] != self.origin:
            raise NotGenuine("a checkpoint is none, or of another log")
        if not signatures.endswith("\n") or any(not line.startswith("— ") for line in signatures[:-1].split("\n")):
            raise NotGenuine("a checkpoint has something behind its signatures")
        for line in signatures.splitlines():
            try:
                signed = base64.b64decode(line.removeprefix(f"— {self.origin} "), validate=True)
                self._public.verify(signed[4:], (body + "\n").encode())
                size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
            except (InvalidSignature, binascii.Error, ValueError):
                continue
            if signed[:4] == self.id and str(size) == lines[1] and len(root) == 32:
                return size, root
        raise NotGenuine(f"the checkpoint of {lines[1]!a} entries was not signed by this key, or was changed")


def leaf_hash(leaf: str) -> bytes:
    return hashlib.sha256(b"\x00" + leaf.encode()).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """RFC 6962, section 2.1: the hashes of the complete subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.nodes, self.nodes_sha256 = 0, hashlib.sha256()
        self._parts: list[bytes] = []

    def add(self, hashed: bytes) -> None:
        self._parts.append(hashed)
        rest = self.size
        while rest & 1:
            right = self._parts.pop()
            self._parts[-1] = node_hash(self._parts[-1], right)
            self.nodes += 1
            self.nodes_sha256.update(self._parts[-1])
            rest >>= 1
        self.size += 1

    def root(self) -> bytes:
        if not self._parts:
            return hashlib.sha256().digest()
        root = self._parts[-1]
        for left in self._parts[-2::-1]:
            root = node_hash(left, root)
        return root


def object_of(text: str) -> dict[str, object]:
    """JSON without a name given twice: readers would not agree on which one counts."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise NotGenuine("a name is there twice")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise NotGenuine("it is not JSON") from None
    if not isinstance(found, dict):
        raise NotGenuine("it is not a JSON object")
    return found


def entry_of(leaf: object) -> dict[str, object]:
    """What a leaf says, if it is one."""
    fields = object_of(leaf if isinstance(leaf, str) else "")
    if fields.get("format") != LEAF or set(fields) != NAMES:
        raise NotGenuine("it is not an entry of a version this program knows")
    return fields


def check_personal(fields: dict[str, object], personal: object) -> None:
    """What is shown of names and texts is what was written down; what was erased is not shown."""
    commitments = fields["personal"]
    if not isinstance(personal, dict) or not isinstance(commitments, dict):
        raise NotGenuine("its personal fields are none")
    for name, one in personal.items():
        try:
            digest = hashlib.sha256(bytes.fromhex(one["salt"]) + one["value"].encode()).hexdigest()
        except (KeyError, TypeError, ValueError, AttributeError, UnicodeEncodeError):
            digest = ""
        if commitments.get(name) != digest:
            raise NotGenuine(f"its {name!a} is not the one that was written down")


def notes_in(text: str, origin: str) -> list[str]:
    """The signed heads of this log in any text: broken into lines, quoted, or JSON. Half a signature claims nothing."""
    words = re.sub(r'\\n|"|^[>\s]+', " ", text, flags=re.MULTILINE).split()
    starts = (at for at, word in enumerate(words[:-5]) if word == origin == words[at + 4] and len(words[at + 5]) == 92)
    return [f"{origin}\n{words[at + 1]}\n{words[at + 2]}\n\n— {origin} {words[at + 5]}\n" for at in starts]


def anchor_text(data: bytes) -> str:
    """What can be read in an anchor; of a mail, what its reader saw."""
    if not re.match(rb"[A-Za-z-]+:|From ", data):
        return data.decode(errors="replace")
    parts = email.message_from_bytes(data, policy=email.policy.default).walk()
    return "\n".join(part.get_content() for part in parts if part.get_content_type() == "text/plain")


def verify_export(lines: Iterable[str], anchors: Iterable[str], key: Key) -> Iterator[str]:
    """Reads all, tells of everything that is wrong. Nothing told: it is as it was signed."""
    leaves: list[bytes] = []
    ids: set[object] = set()
    claims: list[tuple[str, int, bytes]] = []
    kept: object = None
    others = 0
    for number, text in enumerate(anchors, start=1):
        notes = notes_in(text, key.origin)
        if not notes:
            yield f"anchor {number} has no signed head of this log"
        for note in notes:
            try:
                claims.append((f"anchor {number}", *key.head(note)))
            except NotGenuine as reason:
                yield f"anchor {number}: {reason}"
    for number, line in enumerate(lines, start=1):
        try:
            one = object_of(line)
            if number == 1:
                if one.get("format") != EXPORT:
                    raise NotGenuine("this is not an export of the audit log")
            elif "head" in one:
                kept = one["head"]
            elif one.get("checkpoint") is not None and one.get("origin") != key.origin:
                others += 1
            elif "checkpoint" in one:
                size, root = key.head(one["checkpoint"])
                claims.append((f"the checkpoint in line {number}", size, root))
                if (one.get("size"), one.get("root")) != (size, root.hex()):
                    yield f"line {number}: size or root are not those of the checkpoint"
            else:
                leaf, seq = one.get("leaf"), len(leaves)
                leaves.append(leaf_hash(leaf if isinstance(leaf, str) else ""))
                if one.get("seq") != seq:
                    yield f"line {number}: it is entry {one.get('seq')!a}, {seq} was next"
                fields = entry_of(leaf)
                if fields["id"] in ids:
                    yield f"line {number}: this entry is there twice"
                ids.add(fields["id"])
                if (one.get("id"), one.get("at")) != (fields["id"], fields["at"]):
                    yield f"line {number}: id or time are not those of the leaf"
                check_personal(fields, one.get("personal"))
        except NotGenuine as reason:
            yield f"line {number}: {reason}"
    if not claims:
        yield "there is neither a checkpoint nor an anchor: nothing is proven"
    if others and all(not whose.startswith("the checkpoint") for whose, _, _ in claims):
        yield "none of its checkpoints is of this log"
    yield from compare(leaves, claims, kept)


def compare(leaves: list[bytes], claims: list[tuple[str, int, bytes]], kept: object) -> Iterator[str]:
    """The tree at each size that a head was signed for, and what the tables kept of it."""
    tree = Tree()
    for whose, size, root in sorted(claims, key=lambda claim: claim[1]):
        if size > len(leaves):
            yield f"{whose} is of {size} entries, only {len(leaves)} are there: the log was cut off"
            continue
        while tree.size < size:
            tree.add(leaves[tree.size])
        if tree.root() != root:
            yield f"{whose}: the first {size} entries are not those that were signed"
    for leaf in leaves[tree.size :]:
        tree.add(leaf)
    made = (tree.size, tree.root().hex(), tree.nodes, tree.nodes_sha256.hexdigest())
    if kept != dict(zip(("size", "root", "nodes", "nodes_sha256"), made, strict=True)):
        yield "what was kept of the tree is not what its entries make"


def verify_proof(text: str, key: Key) -> str:
    """The leaf of a proof that holds."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    try:
        if not blank or lines[0] != PROOF or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
            raise NotGenuine("this is not a proof of an entry")
        leaf = base64.b64decode(lines[1].removeprefix("extra "), validate=True).decode()
        index = int(lines[2].removeprefix("index "))
        hashes = [base64.b64decode(line, validate=True) for line in lines[3:]]
    except (IndexError, ValueError):
        raise NotGenuine("this is not a proof of an entry") from None
    size, root = key.head(note)
    if not 0 <= index < size:
        raise NotGenuine(f"there is no entry {index} among {size}")
    at, last, found = index, size - 1, leaf_hash(leaf)  # RFC 9162, section 2.1.3.2
    for one in hashes:
        if last == 0:
            raise NotGenuine("the proof is too long")
        if at & 1 or at == last:
            found = node_hash(one, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, one)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise NotGenuine("the proof does not lead from this entry to the signed head")
    entry_of(leaf)
    return leaf


def _key(text: str) -> Key:
    path = Path(text)
    return Key(path.read_text() if len(text) < 4096 and path.is_file() else text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks an export of the audit log, or the proof of one entry.")
    parser.add_argument("--key", type=_key, required=True, help="the log's public key, or a file that holds it")
    parser.add_argument("--anchors", type=Path, action="append", default=[], metavar="FILE", help="a file with anchors")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an export or a .tlog-proof")
    given = parser.parse_args()
    bad = 0
    for path in given.files:
        try:
            with path.open(encoding="utf-8", newline="\n") as file:
                if file.readline().rstrip("\n") == PROOF:
                    file.seek(0)
                    fields = json.loads(verify_proof(file.read(), given.key))
                    print(f"{path}: proven\n{json.dumps(fields, indent=2)}")
                    continue
                file.seek(0)
                anchors = [anchor_text(one.read_bytes()) for one in given.anchors]
                found = list(verify_export(file, anchors, given.key))
        except (NotGenuine, OSError, UnicodeDecodeError, LookupError) as error:
            found = [str(error)]
        bad += bool(found)
        for told in found[:100]:
            print(f"{path}: {told}", file=sys.stderr)
        print(f"{path}: {'NOT AS IT WAS SIGNED' if found else 'as it was signed'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
