"""Runs the examples of a document: pairs of http blocks, a request and the response that it must get."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from issue_tracker import clock
from issue_tracker.app import declared_routes
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.http.routes import Route
from tests.server import Server

DOCS = Path(__file__).parent.parent / "docs"

_block = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A request, and the status, headers and body of its response; `…` in them matches anything."""

    method: str
    target: str
    content: Any
    status: int
    headers: dict[str, str]
    response: Any


def read_examples(path: Path) -> list[Example]:
    """Returns the examples of a document, in order."""
    blocks = _block.findall(path.read_text(encoding="utf-8"))
    assert len(blocks) % 2 == 0, f"{path.name}: a request without its response"
    return [_example(*pair) for pair in zip(blocks[::2], blocks[1::2], strict=True)]


def _example(request: str, response: str) -> Example:
    line, _, content = request.partition("\n\n")
    method, target = line.strip().split(" ", 1)
    head, _, body = response.partition("\n\n")
    status, *headers = head.strip().splitlines()
    return Example(
        method,
        target,
        json.loads(content) if content.strip() else None,
        int(status),
        dict(header.split(": ", 1) for header in headers),
        json.loads(body) if body.strip() else None,
    )


def run_readme(server: Server, folder: Path) -> str:
    """Types the first five minutes of the README in, with a new server's address and link; what they print."""
    with server.database.write() as tx:
        offer_setup(tx, "printed-token", clock.now())
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))
    for shown, real in (
        ("http://127.0.0.1:8000", server.url),
        ("paste-the-token-of-the-printed-link", "printed-token"),
    ):
        script = script.replace(shown, real)
    ran = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def endpoint_of(example: Example) -> tuple[Route, dict[str, str]]:
    """Returns the declared route of an example's request, and the values in its path."""
    path = example.target.partition("?")[0]
    for endpoint in sorted(declared_routes(), key=lambda one: one.path.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(endpoint.path))
        found = re.fullmatch(pattern, path)
        if found and endpoint.method == example.method:
            return endpoint, found.groupdict()
    raise AssertionError(f"{example.method} {example.target} is no route")


def _asked(example: Example) -> str:
    """Returns the collection of the `id` in an example's path."""
    return endpoint_of(example)[0].path.partition("/{")[0].rpartition("/")[2]


def _answered(example: Example) -> str:
    """Returns the collection of an `id` in an example's response."""
    return [part for part in endpoint_of(example)[0].path.split("/") if not part.startswith("{")][-1]


class Reader:
    """Executes the examples like a reader: stores the cookie and the CSRF token, and replaces ids by those of the
    server.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.ids: dict[tuple[str, str], int] = {}
        self._collection = ""

    def run(self, example: Example) -> None:
        """Sends the request and compares the response."""
        response = self.client.request(example.method, self._target(example), json=example.content)
        where = f"{example.method} {example.target}"
        self._collection = _answered(example)
        assert response.status_code == example.status, f"{where}: {response.status_code} {response.text}"
        for name, value in example.headers.items():
            assert name in response.headers, f"{where}: no {name}"
            assert value in ("…", response.headers[name]), f"{where}: {name}"
        body = response.json() if "json" in response.headers.get("content-type", "") else None
        self._compare(example.response, body, where)
        if isinstance(body, dict) and "csrf_token" in body:
            self.client.headers["X-CSRF-Token"] = body["csrf_token"]

    def _target(self, example: Example) -> str:
        target = example.target
        for name, value in endpoint_of(example)[1].items():
            known = self.ids.get((f"{_asked(example)} {name}" if name == "id" else name, value))
            if known is not None:
                target = target.replace(f"/{value}", f"/{known}")
        return target

    def _compare(self, expected: Any, found: Any, where: str, key: str = "") -> None:
        if expected == "…":
            assert found, where
        elif isinstance(expected, dict):
            assert isinstance(found, dict) and set(expected) == set(found), f"{where}: {expected} {found}"
            for name, value in expected.items():
                self._compare(value, found[name], f"{where} → {name}", name)
        elif isinstance(expected, list):
            assert isinstance(found, list) and len(expected) == len(found), f"{where}: {found}"
            for index, value in enumerate(expected):
                self._compare(value, found[index], f"{where}[{index}]", key)
        elif expected is not None and (key == "id" or key.endswith("_id")):
            assert isinstance(found, int), where
            key = f"{self._collection} id" if key == "id" and "→ actor" not in where else key
            assert self.ids.setdefault((key, str(expected)), found) == found, where
        else:
            assert expected == found, f"{where}: {found!r}"
