"""The tree of the audit log (RFC 6962, section 2.1): hashes, appending, proofs and their verification. Pure.

    leaf hash  SHA-256(00 | leaf)          node hash  SHA-256(01 | left | right)          empty tree  SHA-256()

               root of 7                        level 3
              ╱        ╲
         (2,0)          ╲                       level 2: node (level, number) stands over 2^level leaves,
        ╱     ╲          ╲                               from number · 2^level on
    (1,0)     (1,1)     (1,2)                   level 1
    ╱  ╲      ╱  ╲      ╱  ╲    ╲
   0    1    2    3    4    5    6              level 0: the leaves

Only complete subtrees are kept: they never change. The frontier are the complete subtrees that make up a tree, the
largest first (here (2,0), (1,2), (0,6)): one for each 1 in the binary form of the size. Appending needs nothing else.
A proof is asked for in two steps, so that whoever keeps the nodes can fetch them at once: which nodes, then the proof.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeAlias

EMPTY_ROOT = sha256().digest()


class Node(NamedTuple):
    """The place of a complete subtree."""

    level: int
    number: int


Hashes: TypeAlias = Mapping[Node, bytes]
# Each element of a proof is one subtree, in pieces that are complete.
Pieces: TypeAlias = tuple[tuple[Node, ...], ...]


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree, as far as appending and its root need it."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes make no frontier of a tree of {self.size}")

    @property
    def root(self) -> bytes:
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT

    def append(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[tuple[Node, bytes]]]:
        """With these leaf hashes; and the subtrees above the leaves that are complete now."""
        size, hashes = self.size, list(self.hashes)
        made: list[tuple[Node, bytes]] = []
        for leaf in leaves:
            hashes.append(leaf)
            level, number = 0, size
            while number & 1:  # a right child: its parent is complete
                right, left = hashes.pop(), hashes.pop()
                level, number = level + 1, number >> 1
                hashes.append(node_hash(left, right))
                made.append((Node(level, number), hashes[-1]))
            size += 1
        return Frontier(size, tuple(hashes)), made


class Layer(NamedTuple):
    """Neighbours: the complete subtrees of one level, from number `first` on."""

    level: int
    first: int
    hashes: list[bytes]


class Grown:
    """A tree that grows by spans of leaves: a million take seconds. It knows its root at each size within the newest
    span."""

    def __init__(self, tree: Frontier) -> None:
        self.size = self._begin = tree.size
        self._edge = {node.level: one for node, one in zip(frontier_nodes(tree.size), tree.hashes, strict=True)}
        self._before = self._edge
        self._layers: list[Layer] = []

    def add(self, leaves: Iterable[bytes]) -> list[Layer]:
        """The subtrees above the leaves that are complete now."""
        sha = sha256
        hashes = [sha(b"\x00" + leaf).digest() for leaf in leaves]
        self._before, self._edge, self._layers = self._edge, dict(self._edge), []
        self._begin, self.size = self.size, self.size + len(hashes)
        level, first = 0, self._begin
        while hashes:
            if first & 1:  # a right child: its sibling was at the edge
                first, hashes = first - 1, [self._edge.pop(level), *hashes]
            self._layers.append(Layer(level, first, hashes))
            if len(hashes) & 1:
                self._edge[level] = hashes[-1]
            pairs = zip(hashes[::2], hashes[1::2], strict=False)  # one that is left over has no parent yet
            hashes = [sha(b"\x01" + left + right).digest() for left, right in pairs]
            level, first = level + 1, first >> 1
        made = ((layer, self._begin >> layer.level) for layer in self._layers[1:])
        return [Layer(layer.level, first, layer.hashes[first - layer.first :]) for layer, first in made]

    def at(self, size: int) -> Frontier:
        """The tree as it was then; `size` is within the newest span."""
        return Frontier(size, tuple(map(self._hash, _pieces(0, size))))

    def _hash(self, node: Node) -> bytes:
        if (node.number + 1) << node.level <= self._begin:
            return self._before[node.level]
        layer = self._layers[node.level]
        return layer.hashes[node.number - layer.first]


def frontier_nodes(size: int) -> tuple[Node, ...]:
    return _pieces(0, size)


def inclusion_nodes(index: int, size: int) -> Pieces:
    """What the proof is made of that leaf `index` is in the tree of `size` (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    found = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append(_pieces(middle, end))
            end = middle
        else:
            found.append(_pieces(begin, middle))
            begin = middle
    return tuple(reversed(found))


def consistency_nodes(old: int, size: int) -> Pieces:
    """What the proof is made of that the tree of `size` begins with the one of `old` (RFC 6962, section 2.1.2)."""
    if not 0 < old <= size:
        raise ValueError(f"a tree of {size} does not begin with one of {old}")
    found = []
    begin, end, whole = 0, size, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append(_pieces(middle, end))
            end = middle
        else:
            found.append(_pieces(begin, middle))
            begin, whole = middle, False
    if not whole:
        found.append(_pieces(begin, end))
    return tuple(reversed(found))


def proof_of(pieces: Pieces, hashes: Hashes) -> tuple[bytes, ...]:
    return tuple(_fold([hashes[node] for node in one]) for one in pieces)


def root_of_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that such a proof leads to; None when no such proof can be (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(one, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, one)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Does the tree of `size` begin with the one of `old` (RFC 9162, section 2.1.4.2)?"""
    if old == size:
        return old_root == root and not proof
    if not 0 < old < size or not proof:
        return False
    rest = list(proof)
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    # A tree that is complete is a node itself, and its root is known.
    first = second = old_root if old & (old - 1) == 0 else rest.pop(0)
    for one in rest:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(one, first), node_hash(one, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, one)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _pieces(begin: int, end: int) -> tuple[Node, ...]:
    """The complete subtrees over these leaves, from left to right. `begin` is where such a one can begin."""
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append(Node(level, begin >> level))
        begin += 1 << level
    return tuple(found)


def _fold(hashes: Sequence[bytes]) -> bytes:
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root
