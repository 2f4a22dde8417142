"""What every benchmark shares: a database of its own, a place to run servers, figures with targets, one way to print.

``python -m benchmarks.NAME [--json] [--quick]`` prints its figures and exits 1 when one misses its target;
``python -m benchmarks`` runs all and writes the table of ``docs/benchmarks.md``. Nothing here touches ``var/postgres``: benchmarks
work under ``var/bench`` and start from an empty database each time.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BENCH_VAR = ROOT / "var" / "bench"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. ``target`` None: reported, not judged. ``better``: ``higher`` or ``lower``."""

    name: str
    value: float
    unit: str
    target: float | None = None
    better: str = "higher"

    @property
    def ok(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.better == "higher" else self.value <= self.target


def figure(name: str, value: float, unit: str, target: float | None = None, better: str = "higher") -> Figure:
    """A figure rounded to what its size makes meaningful."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return Figure(name, round(value, digits) if digits else float(round(value)), unit, target, better)


def percentile(values: Sequence[float], percent: int) -> float:
    """The ``percent``-th percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def machine() -> dict[str, Any]:
    """What this ran on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}


def start() -> Any:
    """An empty, migrated database on this benchmark's own server; Django set up on it. Returns the server."""
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("DATABASE_OWNER_URL", None)
    os.environ["DOORSTEP_VAR"] = str(BENCH_VAR)
    os.environ["DOORSTEP_LOG_LEVEL"] = "ERROR"
    (BENCH_VAR / "static").mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "doorstep.project.settings"
    import psycopg

    from doorstep.project import embedded

    server = embedded.start(BENCH_VAR / "postgres")
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {embedded.DATABASE} WITH (FORCE)")
        connection.execute("DROP DATABASE IF EXISTS pgbench WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {embedded.DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
    os.environ.update(server.environment())
    import django

    django.setup()
    from doorstep.project.migrating import migrate

    migrate()
    return server


def main(name: str, run: Callable[[bool], list[Figure]], argv: Sequence[str] | None = None) -> None:
    """Run one benchmark, print it, and exit 1 when a figure misses its target."""
    options = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_argument("--quick", action="store_true", help="a short run: enough to see it work, not to judge by")
    chosen = options.parse_args(argv)
    began = time.monotonic()
    figures = run(chosen.quick)
    result = {
        "name": name,
        "machine": machine(),
        "seconds": round(time.monotonic() - began),
        "figures": [{**asdict(one), "ok": one.ok} for one in figures],
        "ok": all(one.ok for one in figures),
    }
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        print("\n".join(lines(result)))
    sys.exit(0 if result["ok"] else 1)


def lines(result: dict[str, Any]) -> list[str]:
    """The figures as text for a terminal."""
    shown = [
        f"{result['name']}  ({result['machine']['cpu']}, {result['machine']['cores']} cores, {result['seconds']} s)"
    ]
    for one in result["figures"]:
        sign = {"higher": "≥", "lower": "≤"}[one["better"]]
        target = "" if one["target"] is None else f"  ({sign} {one['target']:g}: {'ok' if one['ok'] else 'MISSED'})"
        shown.append(f"  {one['name']:<58} {one['value']:>10g} {one['unit']}{target}")
    return shown
