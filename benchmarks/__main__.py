"""``python -m benchmarks``: run every benchmark, each in a process of its own, and write the table of ``docs/benchmarks.md``."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from benchmarks.harness import ROOT, lines

NAMES = ("redeem", "offline_sync", "verify", "settlement", "stations")
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    parts = []
    for result in results:
        about = result["machine"]
        parts += [
            f"### {result['name']}",
            "",
            f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, load {about['load']:.1f} at the end.",
            "",
            "| figure | value | target |",
            "|---|---:|---|",
        ]
        for one in result["figures"]:
            sign = {"higher": "≥", "lower": "≤"}[one["better"]]
            target = "" if one["target"] is None else f"{sign} {one['target']:g} {'✓' if one['ok'] else '✗ missed'}"
            parts.append(f"| {one['name']} | {one['value']:g} {one['unit']} | {target} |")
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    results = []
    for name in NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *sys.argv[1:]]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if not done.stdout:
            sys.exit(f"the benchmark {name} did not finish")
        results.append(json.loads(done.stdout))
        print("\n".join(lines(results[-1])), flush=True)
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    short = " A short run (`--quick`): it shows that everything works and is not to be judged by." * (
        "--quick" in sys.argv
    )
    measured = f"{BEGIN}\n\nMeasured on {datetime.now(UTC):%Y-%m-%d}.{short}\n\n{table(results)}\n{END}"
    DOCUMENT.write_text(before + measured + after)
    sys.exit(0 if all(result["ok"] for result in results) else 1)


if __name__ == "__main__":
    main()
