"""Check a log with aics-tlog, a C2SP client that shares no code with us: `audit_verifier.py PROOFS PUBLIC VKEY`.

It runs in an environment of its own, since the client needs Python 3.12. Prints one JSON document.
"""

import json
import sys
from pathlib import Path
from typing import Any

import aics_tlog


def check_proofs(path: str) -> dict[str, int]:
    """Return how many proofs of each kind were accepted and refused."""
    counts = {"inclusion": 0, "consistency": 0, "refused": 0, "wrong_root": 0}
    tree = aics_tlog.MerkleTree(str(number).encode() for number in range(65_537))
    # A root for each size that is proven in full; sampled ones are proven to be prefixes of the last.
    roots = {
        size: tree.root(size) for size in (*range(1, 131), 255, 256, 257, *range(65_535, 65_538))
    }
    with Path(path).open() as lines:
        for line in lines:
            kind, size, at, root_hex, earlier_hex, path_hex = json.loads(line)
            root, proof = bytes.fromhex(root_hex), [bytes.fromhex(item) for item in path_hex]
            counts["wrong_root"] += size in roots and roots[size] != root
            if kind == "inclusion":
                leaf = aics_tlog.leaf_hash(str(at).encode())
                good = aics_tlog.verify_inclusion(leaf, at, size, proof, root)
            else:
                earlier = bytes.fromhex(earlier_hex)
                counts["wrong_root"] += at in roots and roots[at] != earlier
                good = aics_tlog.verify_consistency(at, size, earlier, root, proof)
            counts[kind if good else "refused"] += 1
    return counts


def check_tiles(folder: str, key: str) -> dict[str, Any]:
    """Return what the client finds in a published log: its signature, its root, its entries."""
    note = aics_tlog.parse_note(Path(folder, "checkpoint").read_text("utf-8"))
    checkpoint = aics_tlog.parse_checkpoint(note.text)
    signed = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(key))
    reader = aics_tlog.FileSystemTileReader(folder)
    root = aics_tlog.tree_root_from_tiles(reader, checkpoint.size)
    entries = [
        aics_tlog.read_entry(reader, index, checkpoint.size) for index in range(checkpoint.size)
    ]
    proven = sum(
        aics_tlog.verify_leaf_inclusion(
            entry,
            index,
            checkpoint.size,
            aics_tlog.inclusion_proof_from_tiles(reader, index, checkpoint.size),
            root,
        )
        for index, entry in enumerate(entries)
    )
    return {
        "signed": signed.error or "",
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": root.hex(),
        "same_root": root == checkpoint.root,
        "proven": proven,
    }


if __name__ == "__main__":
    found = {"proofs": check_proofs(sys.argv[1]), "tiles": check_tiles(sys.argv[2], sys.argv[3])}
    print(json.dumps(found))
