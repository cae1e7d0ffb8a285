"""The effort of each task in docs/jobs.md is that of the table, and does not exceed its limit. The seconds are not
compared, because they depend on the load of the machine; `python -m tests.jobs` compares them.
"""

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

    used, most = msgspec.structs.asdict(hands.count), msgspec.structs.asdict(job.limits)
    assert {name: used[name] for name in used if name != "seconds" and used[name] > most[name]} == {}
    assert hands.small == []
    assert f"| {' | '.join(row(number, hands.count))} |" in DOCUMENT.read_text(encoding="utf-8")
