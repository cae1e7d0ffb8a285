"""The tables of docs/jobs.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.jobs.catalog import JOBS
from tests.jobs.hands import Count

DOCUMENT = Path(__file__).parents[2] / "docs" / "jobs.md"
HEADER = ("job", "before", "keys", "letters", "clicks or taps", "actions", "seconds")
MEASURED = ("measured", "result", "limit")


def row(number: int, count: Count) -> list[str]:
    """Returns the effort of a task, without the seconds, which depend on the machine."""
    job = JOBS[number]
    pointed = f"{count.taps} taps" if count.taps else str(count.clicks)
    return [job.title, job.before, str(count.keys), str(count.letters), pointed, str(count.actions)]


def with_table(text: str, counts: Sequence[Count]) -> str:
    """Returns the document with its table replaced by these counts, in the order of the tasks."""
    return _replaced(
        text, HEADER, [[*row(number, count), f"{count.seconds:.1f}"] for number, count in enumerate(counts)]
    )


def with_figures(text: str, measured: Mapping[str, tuple[str, str]]) -> str:
    """Returns the document with the table of the browser's measurements: result and limit by name."""
    return _replaced(text, MEASURED, [[name, *figures] for name, figures in measured.items()])


def _replaced(text: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    before, _, after = text.partition(f"| {header[0]} |")
    return before + "".join(f"| {' | '.join(line)} |\n" for line in lines) + after[after.index("\n\n") + 1 :]
