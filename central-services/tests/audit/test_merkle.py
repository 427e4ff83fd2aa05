# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Merkle trees: roots, inclusion and consistency (RFC 6962, test vectors of its authors)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from central_services.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    is_consistent,
    leaf_hash,
    root_of_inclusion,
)

# The test vectors of certificate-transparency's reference implementation: these inputs, these roots.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Grown:
    """A tree that keeps what a stored one keeps: leaves, and hashes of complete tiles."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.levels: dict[int, list[bytes]] = {0: []}
        self.roots = [EMPTY_ROOT]
        self.frontier = Frontier()
        for leaf in leaves:
            self.levels[0].append(leaf)
            for level, position, digest in self.frontier.append(leaf):
                assert position == len(self.levels.setdefault(level, []))
                self.levels[level].append(digest)
            self.roots.append(self.frontier.root())

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        return self.levels.get(level, [])[start : start + count]


def grown(size: int) -> Grown:
    return Grown([leaf_hash(str(number).encode()) for number in range(size)])


def test_roots_are_those_of_the_reference_implementation() -> None:
    tree = Grown([leaf_hash(bytes.fromhex(text)) for text in INPUTS])
    assert [root.hex() for root in tree.roots[1:]] == ROOTS
    assert [Tree(tree, size).root().hex() for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 65, 255, 256, 257, 600])
def test_each_entry_is_proven_and_no_other(size: int) -> None:
    tree = grown(size)
    for index in range(0, size, max(1, size // 40)):
        leaf, proof = tree.levels[0][index], Tree(tree, size).inclusion(index)
        assert root_of_inclusion(leaf, index, size, proof) == tree.roots[size]
        assert root_of_inclusion(leaf_hash(b"other"), index, size, proof) != tree.roots[size]
        assert root_of_inclusion(leaf, index, size, [*proof, leaf]) is None
        assert root_of_inclusion(leaf, size, size, proof) is None


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 257, 300])
def test_each_earlier_tree_is_proven_to_be_a_prefix(size: int) -> None:
    tree = grown(size)
    for earlier in range(1, size + 1, max(1, size // 40)):
        old, new = tree.roots[earlier], tree.roots[size]
        proof = Tree(tree, size).consistency(earlier)
        assert is_consistent(earlier, old, size, new, proof)
        assert not is_consistent(earlier, EMPTY_ROOT, size, new, proof)
        assert not is_consistent(earlier, old, size, EMPTY_ROOT, proof)
        assert not is_consistent(earlier, old, size, new, [*proof, old])


@pytest.mark.parametrize("size", [0, 1, 100, 256, 511, 512, 1000])
def test_edge_is_restored_from_what_is_stored(size: int) -> None:
    tree = grown(size)
    restored = Frontier.restore(tree, size)
    assert restored.root() == tree.roots[size]
    assert restored.append(leaf_hash(b"next")) == tree.frontier.append(leaf_hash(b"next"))
    assert restored.root() == tree.frontier.root()


def test_entry_that_is_not_there_can_not_be_proven() -> None:
    tree = Tree(grown(3), 3)
    with pytest.raises(IndexError):
        tree.inclusion(3)
    with pytest.raises(IndexError):
        tree.consistency(4)
    with pytest.raises(IndexError):
        Tree(grown(3), 8).root()
