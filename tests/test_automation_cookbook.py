"""Every snippet of docs/automation.md runs, in order and after the README, and prints what the page shows."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.apart import apart
from tests.examples import DOCS, run_readme
from tests.processes import preloaded
from tests.server import Server

pytestmark = pytest.mark.long

COOKBOOK = DOCS / "automation.md"
_fenced = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A snippet and its output, which is empty if the page shows none."""

    language: str
    code: str
    output: str
    line: int


def snippets(path: Path) -> list[Snippet]:
    """Returns the snippets of a document; a text block after a snippet is its output."""
    found: list[Snippet] = []
    text = path.read_text(encoding="utf-8")
    for block in _fenced.finditer(text):
        language, content = block.groups()
        if language == "text":
            assert found and not found[-1].output, f"{path.name}: an output without its snippet: {content}"
            found[-1] = found[-1]._replace(output=content)
        else:
            found.append(Snippet(language, content, "", text.count("\n", 0, block.start()) + 2))
    return found


@pytest.fixture
def home(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets up a technician's account after the README: an empty home, and the commands in the path."""
    server.empty()
    run_readme(server, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ITCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    folders = (preloaded().scripts(), Path(sys.executable).parent, os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    monkeypatch.setenv("PYTHONUTF8", "1")
    monkeypatch.setenv("ISSUE_TRACKER_DATABASE_URL", server.settings.database_url)
    monkeypatch.setenv("ITCTL_URL", server.url)
    monkeypatch.setenv("ITCTL_TOKEN_FILE", str(tmp_path / ".config" / "itctl" / "token"))
    return tmp_path


def shell(home: Path) -> Callable[[str], str]:
    """Runs the snippets of one shell session: a snippet sees the variables and functions of the earlier ones."""
    state = home / ".state"
    state.touch()

    def run(code: str) -> str:
        script = f"source {state}; set -euo pipefail\n{code}\n{{ declare -px; declare -f; }} > {state}"
        ran = subprocess.run(
            ["bash", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # as a terminal shows it
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, f"{code}\n{ran.stdout}"
        return ran.stdout

    return run


def python() -> Callable[[str], str]:
    """Runs snippets of one program."""
    names: dict[str, object] = {"__name__": "cookbook"}

    def run(code: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            apart(lambda: exec(compile(code, str(COOKBOOK), "exec"), names))
        return printed.getvalue()

    return run


# The page shows the client and itctl, which see only HTTP; the tests of the API send the same requests to servers on
# both databases.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_every_snippet_of_the_cookbook_works(server: Server, home: Path) -> None:
    """The server's real address replaces the one on the page."""
    languages = {"sh": shell(home), "python": python()}
    ran = [snippet for snippet in snippets(COOKBOOK) if check(snippet, languages, server.url)]
    assert len(ran) > 30


def test_an_old_curl_is_sufficient() -> None:
    """Debian 11 has version 7.74. `--json` came with 7.82, `%header` with 7.84, `--fail-with-body` with 7.76."""
    used = [
        one.code for one in snippets(COOKBOOK) if re.search(r"(curl|tracker) .*(--json|%header|--fail-with)", one.code)
    ]
    assert used == []


def check(snippet: Snippet, languages: dict[str, Callable[[str], str]], url: str) -> bool:
    """Runs one snippet and compares its output; `…` matches anything within a line."""
    code = snippet.code.replace("http://127.0.0.1:8000", url)
    printed = [line.rstrip() for line in languages[snippet.language](code).splitlines()]
    shown = [line.rstrip() for line in snippet.output.splitlines()]
    alike = len(printed) == len(shown) and all(
        re.fullmatch(re.escape(expected).replace("…", ".+"), found)
        for expected, found in zip(shown, printed, strict=True)
    )
    assert alike, f"{COOKBOOK.name}:{snippet.line}:\n" + "\n".join(printed)
    return True
