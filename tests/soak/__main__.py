"""Long tests with injected failures: `make soak`, or single phases of it (CONTRIBUTING.md).

Exits with 1 at the first violation, prints it, and leaves the database in place.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.soak import phases
from tests.soak.ledger import BrokenPromise
from tests.soak.phases import Phase, Run
from tests.soak.stage import opened, require_invariants

PHASES: dict[str, tuple[Phase, tuple[str, ...], int]] = {
    "kills": (phases.kills, ("sqlite", "postgresql"), 100),
    "alerts": (phases.alerts, ("sqlite", "postgresql"), 100),
    "stops": (phases.stops, ("postgresql",), 20),
    "disks": (phases.disks, ("sqlite", "postgresql"), 10),
    "failovers": (phases.failovers, ("postgresql",), 10),
    "backups": (phases.backups, ("sqlite", "postgresql"), 100),
    "listeners": (phases.listeners, ("sqlite", "postgresql"), 100),
    "endurance": (phases.endurance, ("sqlite", "postgresql"), 0),
}
"""Each phase with its databases and its number of rounds."""


def main() -> None:
    """Runs the phases that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--phase", choices=PHASES, help="only this phase")
    parser.add_argument("--from", dest="first", choices=PHASES, help="this phase and those after it")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only on this database")
    parser.add_argument("--rounds", type=int, help="rounds of each phase")
    parser.add_argument("--seconds", type=float, default=600, help="length of the phase endurance")
    parser.add_argument("--check", metavar="URL", help="only check a database, which may be in use")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started processes are ended
    if given.check:
        with opened(given.check) as database:
            try:
                require_invariants(database)
            except BrokenPromise as broken:
                sys.exit(str(broken))
        print("Every invariant holds.")
        return
    names = list(PHASES)
    chosen = [given.phase] if given.phase else names[names.index(given.first or names[0]) :]
    for name in chosen:
        phase, engines, rounds = PHASES[name]
        for engine in engines:
            if given.database in (None, engine):
                run(name, phase, engine, given.rounds or rounds, given.seconds)


def run(name: str, phase: Phase, engine: str, rounds: int, seconds: float) -> None:
    """Runs one phase on one database. Exits at a violation."""
    folder = Path(tempfile.mkdtemp(prefix=f"issue-tracker-soak-{name}-{engine}-"))
    current = Run(engine, folder, rounds=rounds, seconds=seconds)
    started = time.monotonic()
    print(f"{name}, {engine}: begins", flush=True)
    try:
        done = phase(current)
    except (BrokenPromise, AssertionError) as broken:
        for cluster in current.clusters:
            cluster.stop()
        kept = [str(folder), *(str(cluster.folder) for cluster in current.clusters)]
        sys.exit(f"{name}, {engine}: {broken}\nThe database and the log remain: {', '.join(kept)}")
    except BaseException:
        _delete(current)
        raise
    _delete(current)
    print(f"{name}, {engine}: {done} ({time.monotonic() - started:.0f} s)", flush=True)


def _delete(current: Run) -> None:
    for cluster in current.clusters:
        cluster.remove()
    shutil.rmtree(current.folder)


if __name__ == "__main__":
    main()
