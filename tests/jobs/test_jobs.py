"""The effort of each task in docs/jobs.md is that of the table, and does not exceed its limit."""

import msgspec
import pytest

from tests.jobs.catalog import JOBS
from tests.jobs.document import DOCUMENT, row
from tests.pages.conftest import Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.mark.parametrize("number", range(len(JOBS)), ids=[job.title for job in JOBS])
def test_no_task_exceeds_its_limit(world: World, browse: Browse, number: int) -> None:
    job = JOBS[number]
    hands = job.do(world, browse)

    used = msgspec.structs.asdict(hands.count)
    beyond = {name: used[name] for name, most in msgspec.structs.asdict(job.limits).items() if used[name] > most}
    # Unless a task has a limit for it, the time depends mainly on the load of the machine.
    assert {name for name in beyond if name != "seconds" or job.limits.seconds} == set(), beyond
    assert hands.small == []
    assert f"| {' | '.join(row(number, hands.count))} |" in DOCUMENT.read_text(encoding="utf-8")
