#!/usr/bin/env python3
"""Checks the audit log of ari-recorder, without the program that wrote it. Needs Python and `cryptography`, no more.

    python3 verify_audit.py --key KEY [--anchors FILE]… export.jsonl      the whole log
    python3 verify_audit.py --key KEY entry.tlog-proof                    one entry

KEY is the log's public key as text (`ari-recorder/…+1a2b3c4d+A…`), or a file that holds it. Have it from the controller
by another way than what is checked: a log that brings its own key proves nothing. The same holds for anchors: take them
from where they were carried to. An anchor is any text with signed heads in it: the file of anchors, what a syslog kept,
a mail that was saved (.eml), what was copied out of one. Without any, a log cut off with its checkpoints looks whole.

Found is whatever was changed, deleted, put in, put elsewhere or cut off before the newest checkpoint or anchor, and two
heads of which one does not begin with the other. Formats: docs/formats.md. Exit code: 0 as signed, 1 not, 2 usage.
"""

import argparse
import base64
import binascii
import email.policy
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import reduce
from multiprocessing import Pool
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EXPORT, LEAF, PROOF = "ari-recorder/audit-export/1", "ari-recorder/audit/1", "c2sp.org/tlog-proof@v1"
BLOCK = 4 << 20
Block = tuple[int, list[tuple[int, object, str, bytes]], list[tuple[int, dict[str, object]]], list[tuple[int, str]]]


class NotGenuine(Exception):
    """Why."""


class Key:
    """Whose signatures count: a key, or a file that holds one."""

    def __init__(self, text: str) -> None:
        try:
            text = Path(text).read_text() if len(text) < 4096 and Path(text).is_file() else text
            self.origin, key_id, raw = text.strip().split("+", 2)
            data = base64.b64decode(raw, validate=True)
            self.id = hashlib.sha256(self.origin.encode() + b"\n" + data).digest()[:4]
            if data[:1] != b"\x01" or len(data) != 33 or self.id.hex() != key_id:
                raise ValueError
            self._public = Ed25519PublicKey.from_public_bytes(data[1:])
        except (ValueError, OSError):
            raise argparse.ArgumentTypeError("this is not a log's key: ORIGIN+ID+BASE64") from None

    def head(self, note: object) -> tuple[int, bytes]:
        """Size and root that this key signed; nothing else counts."""
        body, blank, signatures = note.partition("\n\n") if isinstance(note, str) else ("", "", "")
        lines = body.split("\n")
        is_note = blank and len(lines) == 3 and lines[0] == self.origin and signatures.endswith("\n")
        if not is_note or any(not line.startswith("— ") for line in signatures[:-1].split("\n")):
            raise NotGenuine("there is no signed head of this log, or there is something behind it")
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
        self.size, self.nodes, self.nodes_sha256 = 0, 0, hashlib.sha256()
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
        return reduce(lambda b, a: node_hash(a, b), self._parts[::-1]) if self._parts else hashlib.sha256().digest()


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(found := dict(pairs)) != len(pairs):
        raise NotGenuine("a name is there twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def object_of(text: str) -> dict[str, object]:
    """JSON without a name given twice: readers would not agree on which one counts."""
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise NotGenuine("it is not JSON") from None
    if not isinstance(found, dict):
        raise NotGenuine("it is not a JSON object")
    return found


def check_entry(one: dict[str, object]) -> None:
    """What is shown beside the leaf is what it says, names and texts what was written down; the erased is not shown.
    A leaf is canonical, so its parts are found as text: no quote within a text is without a backslash before it."""
    leaf, id, at, personal = (one.get(name) for name in ("leaf", "id", "at", "personal"))
    head, named, committed = leaf.rpartition(',"personal":{') if isinstance(leaf, str) else ("", "", "")
    if not named or f',"format":"{LEAF}","id":"' not in head or not isinstance(personal, dict):
        raise NotGenuine("it is not an entry of a version this program knows")
    shown = (f',"id":"{id}","object":"', f',"at":"{at}","because":"')
    if '"' in f"{id}{at}" or any(part not in head for part in shown):
        raise NotGenuine("id or time are not those of the leaf")
    for name, field in personal.items():
        try:
            digest = hashlib.sha256(bytes.fromhex(field["salt"]) + field["value"].encode()).hexdigest()
        except (KeyError, TypeError, ValueError, AttributeError):
            digest = ""
        if f'{json.dumps(name, ensure_ascii=False)}:"{digest}"' not in committed:
            raise NotGenuine(f"its {name!a} is not the one that was written down")


def look(data: bytes) -> Block:
    entries, others, found = [], [], []
    lines = data.decode().removesuffix("\n").split("\n")
    for place, line in enumerate(lines):
        try:
            one = object_of(line)
            if isinstance(leaf := one.get("leaf"), str):
                entries.append((place, one.get("seq"), str(one.get("id")), leaf_hash(leaf)))
                check_entry(one)
            else:
                others.append((place, one))
        except NotGenuine as reason:
            found.append((place, str(reason)))
    return len(lines), entries, others, found


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


def verify_export(blocks: Iterable[Block], anchors: Iterable[str], key: Key) -> Iterator[str]:
    """Reads all, tells of everything that is wrong. Nothing told: it is as it was signed."""
    leaves: list[bytes] = []
    ids: set[str] = set()
    claims: list[tuple[str, int, bytes]] = []
    kept: object = None
    begin, others, is_export = 1, 0, False
    for number, text in enumerate(anchors, start=1):
        for note in notes_in(text, key.origin) or [""]:
            try:
                claims.append((f"anchor {number}", *key.head(note)))
            except NotGenuine as reason:
                yield f"anchor {number}: {reason}"
    for lines, entries, rest, found in blocks:
        yield from (f"line {begin + place}: {reason}" for place, reason in found)
        for place, seq, id, leaf in entries:
            if seq != len(leaves):
                yield f"line {begin + place}: it is entry {seq!a}, {len(leaves)} was next"
            if id in ids:
                yield f"line {begin + place}: this entry is there twice"
            ids.add(id)
            leaves.append(leaf)
        for number, one in ((begin + place, one) for place, one in rest):
            try:
                if number == 1 and one.get("format") == EXPORT:
                    is_export = True
                elif "head" in one:
                    kept = one["head"]
                elif one.get("checkpoint") is not None and one.get("origin") != key.origin:
                    others += 1
                else:
                    size, root = key.head(one.get("checkpoint"))
                    claims.append((f"the checkpoint in line {number}", size, root))
                    if (one.get("size"), one.get("root")) != (size, root.hex()):
                        yield f"line {number}: size or root are not those of the checkpoint"
            except NotGenuine as reason:
                yield f"line {number}: {reason}"
        begin += lines
    if not is_export:
        yield "this is not an export of the audit log"
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
    parts = re.fullmatch(re.escape(PROOF) + r"\nextra (\S+)\nindex ([0-9]+)((?:\n\S+)*)\n\n(.+)", text, re.DOTALL)
    try:
        if parts is None:
            raise ValueError
        leaf, index = base64.b64decode(parts[1], validate=True).decode(), int(parts[2])
        hashes = [base64.b64decode(line, validate=True) for line in parts[3].split()]
    except ValueError:
        raise NotGenuine("this is not a proof of an entry") from None
    size, root = key.head(parts[4])
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
    if object_of(leaf).get("format") != LEAF:
        raise NotGenuine("it is not an entry of a version this program knows")
    return leaf


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks an export of the audit log, or the proof of one entry.")
    parser.add_argument("--key", type=Key, required=True, help="the log's public key, or a file that holds it")
    parser.add_argument("--anchors", type=Path, action="append", default=[], metavar="FILE", help="a file with anchors")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an export or a .tlog-proof")
    given = parser.parse_args()
    bad = 0
    for path in given.files:
        try:
            with path.open("rb") as file:
                if file.peek().startswith(PROOF.encode()):
                    leaf = verify_proof(path.read_text(encoding="utf-8"), given.key)
                    print(f"{path}: proven\n{json.dumps(json.loads(leaf), indent=2)}")
                    continue
                data = iter(lambda: file.read(BLOCK) + file.readline(), b"")
                anchors = [anchor_text(one.read_bytes()) for one in given.anchors]
                with Pool(1 if path.stat().st_size < BLOCK else None) as processes:
                    found = list(verify_export(processes.imap(look, data), anchors, given.key))
        except (NotGenuine, OSError, UnicodeError, LookupError) as error:
            found = [str(error)]
        bad += bool(found)
        for told in found[:100]:
            print(f"{path}: {told}", file=sys.stderr)
        print(f"{path}: {'NOT AS IT WAS SIGNED' if found else 'as it was signed'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
