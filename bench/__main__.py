"""`make bench`: prints one table of ratios, and keeps it in build/bench/table.md. BENCH=quick takes minutes less."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from sqlite3 import sqlite_version

from tests.postgresql import binaries

from bench.caches import caches
from bench.many import matrix
from bench.measures import Row
from bench.processes import CORES, LOAD_CORE, LOG, SERVER_CORE
from bench.rows import FULL, QUICK, footprint, rates, scale, scale_on_server, workers
from bench.scene import FOLDER
from bench.scrolling import scrolling

PARTS = {part.__name__: part for part in (rates, caches, scale, scale_on_server, matrix, scrolling, workers, footprint)}


def circumstances() -> list[str]:
    """Machine and versions."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    packages = ("starlette", "uvicorn", "uvloop", "sqlalchemy", "msgspec", "psycopg", "fastapi", "pydantic", "aiosqlite")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    programs = ", ".join(filter(None, (_told([str(binaries() / "postgres"), "--version"]), _told(["wrk", "-v"]))))
    return [
        f"{model or platform.machine()}, {len(CORES)} cores (server on {SERVER_CORE}, load on {LOAD_CORE}); load"
        f" average {busy} before the run",
        f"Python {platform.python_version()}, SQLite {sqlite_version}, {programs}, {versions}",
        "Datasets: 10,000 assignments where nothing else is said; 1,000 × 3; 300 × 60, all filled; the large as named.",
    ]


def _told(command: list[str]) -> str:
    """The first line that a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].partition(" Copyright")[0].strip()


def line(row: Row) -> str:
    """A row as Markdown."""
    return f"| {row.name} | {row.figures} | {row.ratio} | {row.target} |"


def main() -> None:
    """Measures the parts named, or all of them."""
    effort = QUICK if os.environ.get("BENCH") == "quick" else FULL
    wanted = sys.argv[1:] or list(PARTS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    started = time.monotonic()
    told = [*circumstances(), "", "| row | figures | ratio | at least |", "| --- | --- | --- | --- |"]
    print("\n".join(told), flush=True)
    for name in wanted:
        for row in PARTS[name](effort):
            told.append(line(row))
            print(told[-1], flush=True)
    commit = _told(["git", "rev-parse", "--short", "HEAD"])
    changed = " with changes" if _told(["git", "status", "--porcelain"]) else ""
    told += ["", f"Commit {commit}{changed}, {time.monotonic() - started:.0f} s."]
    print("\n".join(told[-2:]))
    (FOLDER / "table.md").write_text("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
