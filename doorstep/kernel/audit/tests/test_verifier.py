"""The verifier that shares no code with us, run as a stranger would run it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doorstep.kernel.audit import proofs
from doorstep.kernel.audit.log import record
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.audit.tests.test_audit import AT, RIDER, write

SCRIPT = Path(__file__).parents[4] / "docs" / "verify_audit.py"


def run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def verdict(tmp_path: Path, proof: dict[str, Any], *arguments: str) -> tuple[int, str]:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof, ensure_ascii=False), "utf-8")
    code, text = run(*arguments, str(path))
    return code, text.splitlines()[-1].split(" {")[0].split(":")[0]


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    source = SCRIPT.read_text("utf-8")
    assert len(source.splitlines()) <= 100
    assert "import doorstep" not in source
    assert "from doorstep" not in source


def test_it_reproduces_the_published_roots() -> None:
    assert run("--selftest") == (0, "OK {}\n")


@pytest.mark.django_db
def test_it_takes_real_receipts_and_no_tampered_one(tmp_path: Path) -> None:
    written = write(300)
    chosen = record(
        actor=RIDER, action="canteen.redeem_voucher", subject_kind="entitlement", subject_id=None, at=AT,
        data={"姓": "王", "line": "a\u2028b\n\"\\"},
    )  # fmt: skip
    seal(AT)
    for entry in (written[0], written[255], written[256], chosen):
        assert verdict(tmp_path, proofs.inclusion(entry.id)) == (0, "OK")
    receipt = proofs.inclusion(chosen.id)
    key = receipt["public_key"]
    assert verdict(tmp_path, receipt, "--key", key) == (0, "OK")
    other_key = ("B" if key[0] == "A" else "A") + key[1:]
    assert verdict(tmp_path, receipt, "--key", other_key) == (1, "NOT OK")
    flipped = receipt["path"][0]
    for change in (
        {"entry": receipt["entry"].replace("王", "张")},
        {"index": receipt["index"] - 1},
        {"size": receipt["size"] + 1},
        {"root": "0" * 64},
        {"path": receipt["path"][1:]},
        {"path": [flipped[:-1] + ("0" if flipped[-1] != "0" else "1"), *receipt["path"][1:]]},
        {"at": "2026-03-02T04:30:00.000001+00:00"},
        {"signature": receipt["signature"][:10] + "AAAA" + receipt["signature"][14:]},
    ):
        assert verdict(tmp_path, {**receipt, **change}) == (1, "NOT OK"), change


@pytest.mark.django_db
def test_it_takes_consistency_proofs_and_no_tampered_one(tmp_path: Path) -> None:
    write(300)
    for limit in (1, 99, 156, 44):
        seal(AT, limit=limit)
    for old, new in ((1, 300), (100, 256), (256, 300), (100, 300), (300, 300)):
        assert verdict(tmp_path, proofs.consistency(old, new)) == (0, "OK")
    proof = proofs.consistency(100, 300)
    shorter = proofs.consistency(1, 300)
    for change in (
        {"old_size": 99},
        {"new_size": 299},
        {"path": proof["path"][:-1]},
        {"path": [*proof["path"], proof["path"][0]]},
        {"old_root": shorter["old_root"]},
        {"old_root": shorter["old_root"], "old_signature": shorter["old_signature"]},
        {"new_root": proof["old_root"]},
        {"new_signature": proof["old_signature"]},
    ):
        assert verdict(tmp_path, {**proof, **change}) == (1, "NOT OK"), change


def test_it_says_when_a_file_is_no_proof(tmp_path: Path) -> None:
    assert verdict(tmp_path, {"format": "other"}) == (1, "CANNOT READ")
    assert run(str(tmp_path / "missing.json"))[0] == 1
