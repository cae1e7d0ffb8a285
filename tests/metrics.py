"""The metrics of a server, read as Prometheus reads them."""

from tests.clients import get
from tests.server import Server


def metric(server: Server, name: str) -> float:
    """Returns the value of a metric with its labels; 0 if it does not exist yet."""
    lines = get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(f"{name} "))


def waiting(server: Server) -> float:
    """Returns the number of requests that wait for a thread."""
    return metric(server, 'issue_tracker_requests_waiting{threads="request"}')
