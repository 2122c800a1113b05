"""The audit log is looked at: verified as a whole, one entry proven, all exported. Formats: domain/checkpoints.py.

tools/verify_audit.py does the first two from an export, without this program and without its database.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from ari_recorder.domain import merkle
from ari_recorder.domain.audit import FORMAT
from ari_recorder.domain.audit import written as written_time
from ari_recorder.domain.checkpoints import EXPORT_FORMAT, proof_text
from ari_recorder.domain.errors import AuditEntryUnknown, AuditNotCovered, ExportTargetRefused
from ari_recorder.domain.merkle import Frontier, Grown, Layer, Node
from ari_recorder.storage import audit, audit_span, audit_tree
from ari_recorder.storage.audit import Written
from ari_recorder.storage.audit_span import Span
from ari_recorder.storage.audit_tree import AnchorState, Note
from ari_recorder.storage.db import Database
from ari_recorder.vault.log_signer import LogSigner

_BATCH = 2000
_NOTES = 1000
# Verified in spans of so many entries: some 10 MB, and 60 ms of hashing.
_SPAN = 1 << 14
# So many spans are being read while one is hashed; each takes a connection.
_AHEAD = 2
_SECONDS = 30.0
# Made once: json.dumps makes one for each line.
_encoded = json.JSONEncoder(ensure_ascii=False).encode
# Of one kind of finding. Where everything is wrong, a million lines help nobody.
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong. `found` is empty when the log is as it was signed."""

    size: int
    root: str
    signed: int
    checkpoints: int
    anchors: tuple[AnchorState, ...]
    found: tuple[str, ...]


async def verify(database: Database, signer: LogSigner, anchor_file: Path | None) -> Verified:
    """All of it: every entry, node, commitment, checkpoint, what the signer remembers, and the file of anchors."""
    found = _Found()
    # What was signed is read first: the log grows meanwhile, and is never smaller than what was signed before.
    notes = [note async for note in _notes(database)]
    heads = _heads(notes, signer, found)
    last = await asyncio.to_thread(signer.last)
    _claim(heads, found, last.size, last.root, "the signer")
    for size, root in await asyncio.to_thread(_anchored, anchor_file, signer, found):
        _claim(heads, found, size, root, "the file of anchors")
    async with database.transaction() as conn:
        anchors = await audit_tree.anchors(conn)
        head = await audit_tree.head(conn)
    tree, made = await _rebuilt(database, head.size, heads, found)
    if tree != head:
        found.add("head", f"the head tells of {head.size} entries, {tree.size} are there, or it has another root")
    async with database.transaction(within=_SECONDS) as conn:
        if (count := await audit_tree.node_count(conn, head.size)) != made:
            found.add("node", f"there are {count} nodes, {made} belong there")
    for size in sorted(size for size in heads if size > tree.size):
        found.add("truncated", f"a head of {size} entries was signed; only {tree.size} are there")
    for state in anchors:
        if state.size > tree.size:
            found.add("truncated", f"{state.target} has a head of {state.size} entries; only {tree.size} are there")
    return Verified(
        size=tree.size,
        root=tree.root.hex(),
        signed=max(heads, default=0),
        checkpoints=len(notes),
        anchors=anchors,
        found=found.told(),
    )


async def prove(database: Database, signer: LogSigner, seq: int) -> str:
    """That this entry is in the log, for somebody who has the log's key and nothing else."""
    async with database.transaction() as conn:
        entry = await audit.get(conn, seq)
        if entry is None:
            raise AuditEntryUnknown(seq=seq, size=(await audit_tree.head(conn)).size)
        note = await audit_tree.newest_note(conn, signer.origin, since=seq + 1)
        if note is None:
            raise AuditNotCovered(seq=seq)
        pieces = merkle.inclusion_nodes(seq, note.size)
        found = await audit_tree.hashes(conn, [node for piece in pieces for node in piece])
    return proof_text(entry.leaf, seq, merkle.proof_of(pieces, found), note.text)


async def export(database: Database, signer: LogSigner, target: Path) -> int:
    """The whole log into a new file, readable for its owner alone. How many entries."""
    async with database.transaction() as conn:
        signed = await audit_tree.largest_note(conn)
        head = await audit_tree.head(conn)
    try:
        with await asyncio.to_thread(open, target, "x", encoding="utf-8", opener=private) as file:
            write = file.writelines
            await asyncio.to_thread(write, _lines({"format": EXPORT_FORMAT, "key": signer.key}))
            digest = sha256()
            async for batch, nodes in _batches(database, head.size):
                for node in sorted(nodes, key=lambda node: ((node.number + 1) << node.level, node.level)):
                    digest.update(nodes[node])
                await asyncio.to_thread(write, [line for entry in batch for line in _lines(_exported(entry))])
            async for note in _notes(database):
                if note.size > signed:  # of what came meanwhile
                    break
                fields = {"checkpoint": note.text, "size": note.size, "root": note.root.hex()}
                await asyncio.to_thread(write, _lines({**fields, "origin": note.origin}))
            async with database.transaction(within=_SECONDS) as conn:
                count = await audit_tree.node_count(conn, head.size)
            kept = {"size": head.size, "root": head.root.hex(), "nodes": count, "nodes_sha256": digest.hexdigest()}
            await asyncio.to_thread(write, _lines({"head": kept}))
    except OSError as error:
        raise ExportTargetRefused(path=target, reason=error.strerror) from None
    return head.size


# --- how


class _Found:
    """Findings, not too many of a kind."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}

    def add(self, kind: str, text: str) -> None:
        self._by_kind.setdefault(kind, []).append(text)

    def told(self) -> tuple[str, ...]:
        told: list[str] = []
        for several in self._by_kind.values():
            told += several[:_MOST_TOLD]
            if len(several) > _MOST_TOLD:
                told.append(f"and {len(several) - _MOST_TOLD} more like that")
        return tuple(told)


# The root that was signed for each size, and by whose word.
_Heads = dict[int, tuple[bytes, str]]


def _heads(notes: list[Note], signer: LogSigner, found: _Found) -> _Heads:
    heads: _Heads = {}
    for note in notes:
        if note.origin != signer.origin:
            continue  # of a log that was before this one
        checkpoint = signer.verified(note.text)
        if checkpoint is None or (checkpoint.size, checkpoint.root) != (note.size, note.root):
            found.add("forged", f"the checkpoint of {note.size} entries was not signed by this log's key, or changed")
        else:
            _claim(heads, found, checkpoint.size, checkpoint.root, "its checkpoint")
    return heads


def _claim(heads: _Heads, found: _Found, size: int, root: bytes, whose: str) -> None:
    known, by = heads.setdefault(size, (root, whose))
    if known != root:
        found.add("forked", f"{whose} and {by} have different roots for {size} entries")


def _compare(heads: _Heads, tree: Frontier, found: _Found) -> None:
    if tree.size in heads and heads[tree.size][0] != tree.root:
        found.add("changed", f"the first {tree.size} entries are not those that {heads[tree.size][1]} was made for")


async def _rebuilt(database: Database, size: int, heads: _Heads, found: _Found) -> tuple[Frontier, int]:
    """The tree that the entries make, up to the first that is missing, and how many nodes belong to it. The next spans
    are read while this one is hashed: the database has processes of its own for that."""
    tree, made = Grown(Frontier()), 0
    _compare(heads, Frontier(), found)
    begins = iter(range(0, size, _SPAN))
    coming = deque(_reading(database, begin, size) for begin in islice(begins, _AHEAD))
    try:
        while coming:
            span = await coming.popleft()
            coming.extend(_reading(database, begin, size) for begin in islice(begins, 1))
            begin = tree.size
            layers, findings = await asyncio.to_thread(_looked_at, tree, span)
            for kind, text in findings:
                found.add(kind, text)
            made += sum(len(layer.hashes) for layer in layers)
            await _compare_nodes(database, layers, span, found)
            for signed in sorted(heads):
                if begin < signed <= tree.size:
                    _compare(heads, tree.at(signed), found)
            if tree.size < min(begin + _SPAN, size):
                found.add("missing", f"entry {tree.size} is missing, and what comes behind it was not looked at")
                break
    finally:
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
    return tree.at(tree.size), made


def _reading(database: Database, begin: int, size: int) -> "asyncio.Task[Span]":
    async def read() -> Span:
        async with database.transaction(within=_SECONDS) as conn:
            return await audit_span.read(conn, begin, min(begin + _SPAN, size))

    return asyncio.create_task(read())


def _looked_at(tree: Grown, span: Span) -> tuple[list[Layer], list[tuple[str, str]]]:
    """The tree grows by what is there without a gap. A leaf is canonical, so its parts are found without taking it
    apart; and what is found there is no typed text, for a quote within a text has a backslash before it."""
    leaves, findings = [], []
    for expected, (seq, leaf, id, at, personal) in enumerate(span.entries, start=tree.size):
        if seq != expected:
            break
        leaves.append(leaf.encode())
        if f',"format":"{FORMAT}","id":"{id}","object":"' not in leaf or f',"at":"{at}","because":"' not in leaf:
            findings.append(("differs", f"the columns of entry {seq} are not what its leaf says"))
        if personal is None or leaf.endswith(',"personal":{' + personal.replace("\n", ",") + "}}"):
            continue
        committed = leaf[leaf.rfind(',"personal":{') :]  # something was erased, or changed
        for one in personal.split("\n"):
            if one not in committed:
                field = json.loads(one.rpartition(":")[0])
                findings.append(("personal", f"the {field} of entry {seq} is not the one that was written down"))
    return tree.add(leaves), findings


async def _compare_nodes(database: Database, layers: list[Layer], span: Span, found: _Found) -> None:
    differing = [one for one in layers if span.nodes.get(one.level) != (one.first, b"".join(one.hashes))]
    if not differing:
        return
    nodes = {Node(level, first + place): one for level, first, hashes in differing for place, one in enumerate(hashes)}
    async with database.transaction(within=_SECONDS) as conn:
        kept = await audit_tree.hashes(conn, list(nodes))
    for node, expected in nodes.items():
        if kept.get(node) != expected:
            found.add("node", f"node {node.number} of level {node.level} is not what its entries make")


def _anchored(path: Path | None, signer: LogSigner, found: _Found) -> list[tuple[int, bytes]]:
    if path is None or not path.exists():
        return []
    claims = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            checkpoint = signer.verified(json.loads(line)["note"])
        except (ValueError, KeyError, TypeError):
            continue  # what a power cut left of a line: the next one says more
        if checkpoint is not None:
            claims.append((checkpoint.size, checkpoint.root))
        elif signer.origin in line:
            found.add("forged", f"line {number} of {path} was not signed by this log's key")
    return claims


async def _batches(database: Database, size: int) -> AsyncIterator[tuple[tuple[Written, ...], Mapping[Node, bytes]]]:
    """The entries in order, and the nodes that become complete with each batch, as they are kept."""
    for begin in range(0, size, _BATCH):
        end = min(begin + _BATCH, size)
        async with database.transaction(within=_SECONDS) as conn:
            entries = await audit.leaves(conn, begin, end)
            nodes = await audit_tree.hashes(conn, list(_completed(begin, end)))
        yield entries, nodes


def _completed(begin: int, end: int) -> Iterator[Node]:
    level = 1
    while (1 << level) <= end:
        for number in range(begin >> level, end >> level):
            yield Node(level, number)
        level += 1


async def _notes(database: Database) -> AsyncIterator[Note]:
    after: Note | None = None
    while True:
        async with database.transaction() as conn:
            notes = await audit_tree.notes(conn, after, limit=_NOTES)
        for note in notes:
            yield note
        if len(notes) < _NOTES:
            return
        after = notes[-1]


def _exported(entry: Written) -> Mapping[str, object]:
    personal = {one.field: {"salt": one.salt.hex(), "value": one.value} for one in entry.personal}
    at = written_time(entry.at)
    return {"seq": entry.seq, "id": str(entry.id), "at": at, "leaf": entry.leaf, "personal": personal}


def _lines(*several: Mapping[str, object]) -> Iterator[str]:
    return (_encoded(one) + "\n" for one in several)


def private(path: str, flags: int) -> int:
    """An opener: for its owner alone."""
    return os.open(path, flags, 0o600)
