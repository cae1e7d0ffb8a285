"""The load: wrk in a process of its own on another core, with requests prepared beforehand.

wrk runs no script while it measures one repeated request; only a round of different ones asks it for the next.
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
    """What a round of load brought."""

    per_second: float
    requests: int


class Answered(NamedTuple):
    """One answer, in full."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(url: str, request: Request, headers: Mapping[str, str]) -> Answered:
    """Sends one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(request.method, request.path, request.body.encode() or None, dict(headers))
        answer = connection.getresponse()
        return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
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
    """Sends the requests round and round for so long. Fails when an answer is not what it must be.

    Not `alike`: each has a header of its own, so that no two are the same.
    """
    first = ask(url, requests[0], headers)
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
    told = json.loads(done.stdout.rsplit("RESULT ", 1)[1])
    assert told["failed"] == 0 and told["requests"] > 0, f"{requests[0]}: {told}"
    return Result(told["requests"] / told["seconds"], told["requests"])


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
