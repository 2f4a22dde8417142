"""Check a Doorstep audit proof without trusting Doorstep: python verify_audit.py [--key BASE64] PROOF.json

PROOF.json is a receipt (an entry is in the log) or a consistency proof (an older log is an unchanged beginning of a
newer one). Give the public key you know from elsewhere with --key; without it the key inside the proof is only printed,
for you to compare. Exit code 0: OK; 1: anything else. Needs Python 3 and the package "cryptography".
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VECTORS = """e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"""


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)  # the largest power of two that is smaller, here and below
    return sha(b"\x01", root(leaves[:k]), root(leaves[k:]))


def included(leaf, index, size, path):
    """Root that `path` leads to, from the top as RFC 9162 2.1.3.1 defines PATH."""
    if not 0 <= index < size or (size > 1) != bool(path):
        raise ValueError("the path does not fit the size of the tree")
    if size == 1:
        return leaf
    if index < (k := 1 << ((size - 1).bit_length() - 1)):
        return sha(b"\x01", included(leaf, index, k, path[:-1]), path[-1])
    return sha(b"\x01", path[-1], included(leaf, index - k, size - k, path[:-1]))


def consistent(old, new, path, old_root):
    """Old and new root that `path` leads to, as RFC 9162 2.1.4.1 defines SUBPROOF; `old_root` at the left edge."""
    if not 0 < old <= new or (old < new or old_root is None) != bool(path) or (old == new and len(path) > 1):
        raise ValueError("the path does not fit the sizes of the trees")
    if old == new:
        return (path[0], path[0]) if path else (old_root, old_root)
    if old <= (k := 1 << ((new - 1).bit_length() - 1)):
        before, after = consistent(old, k, path[:-1], old_root)
        return before, sha(b"\x01", after, path[-1])
    before, after = consistent(old - k, new - k, path[:-1], None)
    return sha(b"\x01", path[-1], before), sha(b"\x01", path[-1], after)


def check(proof, key):
    path = [bytes.fromhex(step) for step in proof["path"]]
    heads = {"doorstep-audit-inclusion/1": [""], "doorstep-audit-consistency/1": ["old_", "new_"]}[proof["format"]]
    if "entry" in proof:
        roots = [included(sha(b"\x00", proof["entry"].encode()), proof["index"], proof["size"], path)]
    else:
        roots = consistent(proof["old_size"], proof["new_size"], path, bytes.fromhex(proof["old_root"]))
    for head, expected in zip(heads, roots):  # noqa: B905
        size, at, mark, own = (proof[head + name] for name in ("size", "at", "signature", "public_key"))
        text = f"doorstep-audit-head/1\n{size}\n{expected.hex()}\n{at}\n".encode()
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key or own)).verify(base64.b64decode(mark), text)
    return [found.hex() for found in roots] == [proof[head + "root"] for head in heads]


def selftest():
    """The published Certificate Transparency vectors: the roots, the proof of the sixth entry, 6 a prefix of 8."""
    texts = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    d, roots = [sha(b"\x00", bytes.fromhex(text)) for text in texts], [bytes.fromhex(x) for x in VECTORS.split()]
    found = [*(root(d[:n]) for n in range(9)), included(d[5], 5, 8, [d[4], root(d[6:]), roots[4]])]
    found += consistent(6, 8, [root(d[4:6]), root(d[6:]), roots[4]], roots[6])
    return found == [*roots, roots[8], roots[6], roots[8]]


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("proof", nargs="?", type=Path, default="proof.json")
parser.add_argument("--key", help="the log's public key, base64")
parser.add_argument("--selftest", action="store_true", help="check this program against the published vectors")
given, proof = parser.parse_args(), {}
try:
    proof = {} if given.selftest else json.loads(given.proof.read_text("utf-8"))
    good = selftest() if given.selftest else check(proof, given.key)
except (OSError, LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
    sys.exit(f"CANNOT READ: {error!r}")
except (ValueError, InvalidSignature) as error:
    sys.exit(f"NOT OK: {error!r}")
print("OK" if good else "NOT OK", {} if given.key else {k: proof[k] for k in proof if "key" in k})  # noqa: T201
sys.exit(0 if good else 1)
