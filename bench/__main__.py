"""`make bench`: prints one table of ratios and stores it in build/bench/table.md. BENCH=quick is minutes shorter."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from sqlite3 import sqlite_version

from tests.postgresql import binaries

from bench.alerts import alerts
from bench.caches import caches
from bench.effort import FULL, QUICK
from bench.flood import flood
from bench.listeners import listeners
from bench.many import matrix
from bench.measures import Row
from bench.overload import beside, overload
from bench.processes import CORES, LOAD_CORE, LOG, SERVER_CORE
from bench.rates import rates
from bench.scale import footprint, scale, scale_on_server, workers
from bench.scene import FOLDER
from bench.scrolling import scrolling
from bench.strangers import strangers
from bench.uneven import uneven

PARTS = {
    part.__name__: part
    for part in (
        rates,
        caches,
        listeners,
        uneven,
        scale,
        scale_on_server,
        matrix,
        scrolling,
        workers,
        flood,
        alerts,
        overload,
        beside,
        strangers,
        footprint,
    )
}


def circumstances() -> list[str]:
    """Returns lines about the machine, the versions and the datasets."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    product = ("starlette", "uvicorn", "uvloop", "sqlalchemy", "msgspec", "psycopg")
    peer = ("fastapi", "pydantic", "aiosqlite")
    versions = ", ".join(f"{name} {version(name)}" for name in (*product, *peer))
    commands = ([str(binaries() / "postgres"), "--version"], ["wrk", "-v"])
    programs = ", ".join(filter(None, map(_first_line, commands)))
    return [
        f"{model or platform.machine()}, {len(CORES)} cores (server on {SERVER_CORE}, load on {LOAD_CORE}); load"
        f" average {busy} before the run",
        f"Python {platform.python_version()}, SQLite {sqlite_version}, {programs}, {versions}",
        "Datasets: 10,000 assignments unless stated otherwise; 1,000 × 3; 300 × 60, all filled; the large as stated.",
    ]


def _first_line(command: list[str]) -> str:
    """The first line of a program's output, without a copyright notice."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].partition(" Copyright")[0].strip()


def line(row: Row) -> str:
    """Returns a row as Markdown."""
    return f"| {row.name} | {row.figures} | {row.ratio} | {row.target} |"


def main() -> None:
    """Measures the parts named on the command line, or all of them."""
    effort = QUICK if os.environ.get("BENCH") == "quick" else FULL
    parts = sys.argv[1:] or list(PARTS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    started = time.monotonic()
    lines = [*circumstances(), "", "| row | figures | ratio | at least |", "| --- | --- | --- | --- |"]
    print("\n".join(lines), flush=True)
    for name in parts:
        for row in PARTS[name](effort):
            lines.append(line(row))
            print(lines[-1], flush=True)
    commit = _first_line(["git", "rev-parse", "--short", "HEAD"])
    changed = " with changes" if _first_line(["git", "status", "--porcelain"]) else ""
    lines += ["", f"Commit {commit}{changed}, {time.monotonic() - started:.0f} s."]
    print("\n".join(lines[-2:]))
    (FOLDER / "table.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
