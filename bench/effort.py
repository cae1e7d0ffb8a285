"""How long to measure, and the requests that several parts of the benchmark share."""

from typing import NamedTuple

from bench.load import Request

PAGE = Request("GET", "/api/issues?limit=50")
WHOLE = Request("GET", "/api/issues")
JSON = {"Content-Type": "application/json"}


class Effort(NamedTuple):
    """Seconds and rounds of load, samples of latencies, and the size of the large dataset."""

    seconds: float
    rounds: int
    samples: int
    large: int
    events_each: int


FULL = Effort(seconds=2, rounds=5, samples=300, large=1_000_000, events_each=10)
QUICK = Effort(seconds=1, rounds=3, samples=60, large=100_000, events_each=1)
