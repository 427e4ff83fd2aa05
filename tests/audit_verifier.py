"""Check a log with aics-tlog, a C2SP client that shares no code with us: `audit_verifier.py PROOFS PUBLIC VKEY`.

`audit_verifier.py URL VKEY` checks one that is served.

It runs in an environment of its own, since the client needs Python 3.12. Prints one JSON document.
"""

import json
import sys
import urllib.request
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
    text = Path(folder, "checkpoint").read_text("utf-8")
    return _check(aics_tlog.FileSystemTileReader(folder), text, key)


def check_served(url: str, key: str) -> dict[str, Any]:
    """Return what the client finds in a log over HTTP."""
    with urllib.request.urlopen(f"{url}/checkpoint", timeout=30) as answer:
        text = answer.read().decode()
    return _check(aics_tlog.HttpTileReader(url), text, key)


def _check(reader: Any, text: str, key: str) -> dict[str, Any]:
    note = aics_tlog.parse_note(text)
    checkpoint = aics_tlog.parse_checkpoint(note.text)
    signed = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(key))
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
    if sys.argv[1].startswith("http"):
        print(json.dumps(check_served(*sys.argv[1:])))
        sys.exit()
    found = {"proofs": check_proofs(sys.argv[1]), "tiles": check_tiles(sys.argv[2], sys.argv[3])}
    print(json.dumps(found))
