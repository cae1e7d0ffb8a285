"""The load generator: wrk in a separate process on another core, with requests that are prepared beforehand.

With a single repeated request wrk runs no script while it measures; it calls one only to take the next of several.
"""

import http.client
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.processes import LOAD_CORE


class Request(NamedTuple):
    """One request to send."""

    method: str
    path: str
    body: str = ""


class Result(NamedTuple):
    """The result of one round of load."""

    per_second: float
    requests: int


class Response(NamedTuple):
    """One complete response. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(url: str, request: Request, headers: Mapping[str, str]) -> Response:
    """Sends one request on a new connection and returns the response."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(request.method, request.path, request.body.encode() or None, dict(headers))
        received = connection.getresponse()
        headers_received = {name.lower(): value for name, value in received.getheaders()}
        return Response(received.status, headers_received, received.read())
    finally:
        connection.close()


def load(
    url: str,
    requests: Sequence[Request],
    headers: Mapping[str, str],
    *,
    seconds: float,
    connections: int = 8,
    expected: int = 200,
    alike: bool = True,
) -> Result:
    """Sends the requests repeatedly for this many seconds. Fails when a response does not have the expected status.

    Unless `alike`, each request has a header with a unique value, so that no two are the same.
    """
    first = send(url, requests[0], headers)
    assert first.status == expected, f"{requests[0]}: {first.status} {first.body[:300]!r}"
    with tempfile.TemporaryDirectory(prefix="issue-tracker-bench-") as folder:
        script, list_ = Path(folder) / "load.lua", Path(folder) / "requests"
        list_.write_text("".join(f"{request.method}\t{request.path}\t{request.body}\n" for request in requests))
        shared = ", ".join(f"[ {_text(name)} ] = {_text(value)}" for name, value in headers.items())
        if len(requests) == 1:
            method, path, body = map(_text, requests[0])
            prepared = _REPEATED.format(headers=shared, method=method, path=path, body=body)
            prepared += "" if alike else _NUMBERED
        else:
            prepared = _IN_TURN.replace("HEADERS", shared).replace("FILE", _text(str(list_)))
        script.write_text(prepared + _REPORT)
        pinned = ["taskset", "-c", str(LOAD_CORE)] if shutil.which("taskset") else []
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(script)]
        done = subprocess.run([*pinned, "wrk", *options, url], check=True, capture_output=True, text=True)
    counts = json.loads(done.stdout.rsplit("RESULT ", 1)[1])
    assert counts["failed"] == 0 and counts["requests"] > 0, f"{requests[0]}: {counts}"
    return Result(counts["requests"] / counts["seconds"], counts["requests"])


def _text(value: str) -> str:
    assert "]==]" not in value
    return f"[==[{value}]==]"


_REPEATED = """
wrk.headers = {{{headers}}}
wrk.method, wrk.path = {method}, {path}
local body = {body}
if body ~= "" then wrk.body = body end
"""

_NUMBERED = """
local turn = 0
function request()
  turn = turn + 1
  wrk.headers["X-Turn"] = tostring(turn)
  return wrk.format()
end
"""

_IN_TURN = """
local headers = {HEADERS}
local all, turn = {}, 0
function init(args)
  for name, value in pairs(wrk.headers) do headers[name] = value end
  for line in io.lines(FILE) do
    local method, path, body = line:match("^(.-)\\t(.-)\\t(.*)$")
    if body == "" then body = nil end
    all[#all + 1] = wrk.format(method, path, headers, body)
  end
end
function request()
  turn = turn % #all + 1
  return all[turn]
end
"""

_REPORT = """
function done(summary, latency)
  local errors = summary.errors
  print(string.format('RESULT {"requests": %d, "seconds": %f, "failed": %d}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
"""
