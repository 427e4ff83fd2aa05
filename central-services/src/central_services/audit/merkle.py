# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The Merkle tree of RFC 6962, section 2.1: hashes, inclusion proofs and consistency proofs.

A proof is a list of hashes, the lowest first. Hashes of complete subtrees of 256, 65,536, ... leaves
are what a C2SP tlog-tiles log publishes; a tree needs these and its leaves, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Protocol

TILE_HEIGHT = 8
"""Levels of the tree in one tile (c2sp.org/tlog-tiles)."""

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry (RFC 6962: 0x00, then the entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962: 0x01, left, right)."""
    return sha256(b"\x01" + left + right).digest()


class HashSource(Protocol):
    """Where the hashes of a tree come from."""

    def hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return `count` hashes from `start` on; level 0 is leaves, 1 subtrees of 256, and so on.

        Returns fewer when the source lacks some; the caller then raises `IndexError`.
        """
        ...


class Frontier:
    """The right edge of a growing tree: enough to append to it and to know its root.

    Attributes:
        size: How many leaves the tree has.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Take the size and the complete subtrees that make it up, the largest first."""
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def restore(cls, source: HashSource, size: int) -> Frontier:
        """Return the edge of a tree whose hashes are stored."""
        tree = Tree(source, size)
        return cls(size, [tree.node(level, index) for level, index in _peaks(size)])

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash; return (level, index, hash) of each tile that it completed."""
        completed = []
        index, level = self.size, 0
        while index & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            index >>= 1
            level += 1
            if level % TILE_HEIGHT == 0:
                completed.append((level // TILE_HEIGHT, index, leaf))
        self._peaks.append(leaf)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root hash."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = node_hash(peak, root)
        return root


def _peaks(size: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the complete subtrees that make up a tree, the largest first."""
    start = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield level, start >> level
            start += 1 << level


class Tree:
    """A tree of a given size, for proofs.

    Attributes:
        size: How many leaves it has; the source may hold more.
    """

    def __init__(self, source: HashSource, size: int) -> None:
        self._source = source
        self.size = size

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree of 2**level leaves that begins at index << level.

        Raises:
            IndexError: When the source lacks a hash for it.
        """
        tile, rest = divmod(level, TILE_HEIGHT)
        hashes = list(self._source.hashes(tile, index << rest, 1 << rest))
        if len(hashes) != 1 << rest:
            raise IndexError(f"hashes of subtree {index} on level {level} are missing")
        while len(hashes) > 1:
            hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    def root(self) -> bytes:
        """Return the root hash."""
        return self._range(0, self.size) if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """Return the proof that leaf `index` is in the tree (RFC 6962, section 2.1.1).

        Raises:
            IndexError: When there is no such leaf.
        """
        if not 0 <= index < self.size:
            raise IndexError(f"no entry {index} in a tree of {self.size}")
        proof = []
        start, end = 0, self.size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def consistency(self, earlier: int) -> list[bytes]:
        """Return the proof that the first `earlier` leaves are a prefix (RFC 6962, section 2.1.2).

        Raises:
            IndexError: When the tree was never that small, or is smaller.
        """
        if not 0 < earlier <= self.size:
            raise IndexError(f"no tree of {earlier} entries before one of {self.size}")
        proof = []
        start, end, whole = 0, self.size, True
        while earlier != end:
            middle = start + _split(end - start)
            if earlier <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, whole = middle, False
        if not whole:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        """Return the hash of the subtree over the leaves from start to end (exclusive)."""
        count = end - start
        if count & count - 1 == 0:
            level = count.bit_length() - 1
            return self.node(level, start >> level)
        middle = start + _split(count)
        return node_hash(self._range(start, middle), self._range(middle, end))


def _split(count: int) -> int:
    """Return the largest power of two smaller than count."""
    return 1 << (count - 1).bit_length() - 1


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to, or None when it has the wrong length.

    The algorithm of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    position, last, root = index, size - 1, leaf
    for item in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = node_hash(item, root)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            root = node_hash(root, item)
        position >>= 1
        last >>= 1
    return root if last == 0 else None


def is_consistent(
    earlier: int, earlier_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether a proof shows that one tree is a prefix of another (RFC 9162, section 2.1.4.2)."""
    if earlier == size:
        return not proof and earlier_root == root
    if not 0 < earlier < size:
        return False
    rest = list(proof)
    if earlier & earlier - 1 == 0:
        rest.insert(0, earlier_root)
    if not rest:
        return False
    position, last = earlier - 1, size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = rest[0]
    for item in rest[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(item, first), node_hash(item, second)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, item)
        position >>= 1
        last >>= 1
    return last == 0 and first == earlier_root and second == root
