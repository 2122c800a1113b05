"""The tree against a reference written straight from the definitions of RFC 6962, and its known vectors."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain import merkle
from ari_recorder.domain.merkle import Frontier, Grown, Node, leaf_hash

# The leaves and roots that Certificate Transparency's own tests use.
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def reference_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return merkle.node_hash(reference_root(leaves[:half]), reference_root(leaves[half:]))


def built(count: int) -> tuple[list[bytes], Frontier, dict[Node, bytes]]:
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(count)]
    frontier, made = Frontier().append(leaves)
    return leaves, frontier, {**dict(made), **{Node(0, number): leaf for number, leaf in enumerate(leaves)}}


@pytest.mark.parametrize("size", ROOTS)
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    frontier, _ = Frontier().append([merkle.leaf_hash(leaf) for leaf in LEAVES[:size]])
    assert frontier.root.hex() == ROOTS[size]


def test_every_tree_has_the_root_of_its_definition_however_it_grew() -> None:
    leaves, _, _ = built(66)
    one_by_one = Frontier()
    for size in range(66):
        assert one_by_one.root == reference_root(leaves[:size])
        assert one_by_one == Frontier().append(leaves[:size])[0]
        assert len(one_by_one.hashes) == len(merkle.frontier_nodes(size))
        one_by_one, _ = one_by_one.append([leaves[size]])


def test_every_leaf_of_every_small_tree_is_proven_and_nothing_else() -> None:
    for size in range(1, 40):
        leaves, frontier, nodes = built(size)
        for index in range(size):
            proof = merkle.proof_of(merkle.inclusion_nodes(index, size), nodes)
            assert merkle.root_of_inclusion(index, size, leaves[index], proof) == frontier.root
            for other in (index - 1, index + 1):
                assert merkle.root_of_inclusion(other, size, leaves[index], proof) != frontier.root
            assert merkle.root_of_inclusion(index, size, b"x" * 32, proof) != frontier.root
            assert merkle.root_of_inclusion(index, size, leaves[index], (*proof, b"x" * 32)) != frontier.root
            if proof:
                assert merkle.root_of_inclusion(index, size, leaves[index], proof[:-1]) != frontier.root


def test_every_small_tree_begins_with_every_smaller_one_and_with_no_other() -> None:
    _, _, nodes = built(40)
    roots = [built(size)[1].root for size in range(41)]
    for size in range(1, 41):
        for old in range(1, size + 1):
            proof = merkle.proof_of(merkle.consistency_nodes(old, size), nodes)
            assert merkle.is_consistent(old, roots[old], size, roots[size], proof)
            assert not merkle.is_consistent(old, roots[old - 1], size, roots[size], proof)
            assert not merkle.is_consistent(old, roots[old], size, roots[size - 1], proof)
            assert not merkle.is_consistent(old, roots[old], size, roots[size], (*proof, b"x" * 32))
            if proof:
                assert not merkle.is_consistent(old, roots[old], size, roots[size], proof[1:])


@given(st.integers(1, 1 << 40), st.data())
def test_proofs_are_short_however_large_the_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    assert len(merkle.inclusion_nodes(index, size)) <= (size - 1).bit_length()
    assert len(merkle.consistency_nodes(index + 1, size)) <= (size - 1).bit_length() + 1


def test_what_is_not_there_is_not_proven() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="there is no leaf"):
            merkle.inclusion_nodes(index, size)
        assert merkle.root_of_inclusion(index, size, b"", ()) is None
    for old, size in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="does not begin"):
            merkle.consistency_nodes(old, size)
    with pytest.raises(ValueError, match="make no frontier"):
        Frontier(3, (b"one",))


@given(st.integers(0, 9), st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_a_tree_that_grows_by_spans_is_the_same_tree(before: int, spans: list[int]) -> None:
    count = before + sum(spans)
    leaves = [bytes([number]) for number in range(count)]
    begun, kept = Frontier().append(map(leaf_hash, leaves[:before]))
    tree, made = Grown(begun), dict(kept)
    for span in spans:
        begin = tree.size
        for level, first, hashes in tree.add(leaves[begin : begin + span]):
            made |= {Node(level, first + place): one for place, one in enumerate(hashes)}
        for size in range(begin, tree.size + 1):
            expected, _ = Frontier().append(map(leaf_hash, leaves[:size]))
            assert tree.at(size) == expected
    _, nodes = Frontier().append(map(leaf_hash, leaves))
    assert (tree.size, made) == (count, dict(nodes))
