"""docs/security.md is correct: its tests exist and its list is complete. Requirements without another test are tested
here.
"""

import ast
import re
import ssl
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import issue_tracker
from issue_tracker.outbound.tls import public_tls
from issue_tracker.pages.assets import ASSETS, VERSION
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import Client
from tests.server import serving
from tests.shared import Shared
from tests.world import World

pytestmark = pytest.mark.together

SOURCE = Path(issue_tracker.__file__).parent
TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
STANDARD = DOCUMENT.partition("## OWASP ASVS 5.0")[2]

REQUIREMENTS = 253
"""The number of requirements of levels 1 and 2 in version 5.0.0 of the standard."""

PATHS = ("/healthz", "/login", "/api/issues", "/api/nothing", "/nothing", "/openapi.json", "/docs", "/static/x/y.js")


def exists(name: str) -> bool:
    file, _, test = name.partition("::")
    path = TESTS / file
    return path.exists() and re.search(rf"^def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


@cache
def modules() -> list[tuple[str, ast.Module]]:
    """Returns the modules of the product by path; one process reads them for all tests that are together."""
    return [
        (path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


@cache
def nodes(module: ast.Module) -> list[ast.AST]:
    """Returns all parts of the code of a module."""
    return list(ast.walk(module))


def imported(module: ast.Module) -> set[str]:
    """Returns the top-level names of all imports of a module, anywhere in its code."""
    names: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@cache
def calls(module: ast.Module) -> list[tuple[str, ast.Call]]:
    """Returns every call, with the source text of the called expression."""
    return [(ast.unparse(node.func), node) for node in nodes(module) if isinstance(node, ast.Call)]


@pytest.fixture(scope="module", autouse=True)
def _source_is_released() -> Iterator[None]:
    yield
    modules.cache_clear()
    nodes.cache_clear()
    calls.cache_clear()


def test_every_test_in_the_document_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py::\w+)`", DOCUMENT))
    assert len(named) > 100
    assert {name for name in named if not exists(name)} == set()


def test_every_requirement_is_listed_once() -> None:
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \|", STANDARD, re.MULTILINE)
    others = [number for line in re.findall(r"^Not applicable.*", STANDARD, re.MULTILINE) for number in
              re.findall(r"\d+\.\d+\.\d+", line)]  # fmt: skip
    assert len(rows) + len(others) == len({*rows, *others}) == REQUIREMENTS
    assert f"Of {REQUIREMENTS} requirements, {len(others)} do not apply" in STANDARD
    untested = {number for number in rows if not re.search(rf"^\| {re.escape(number)} \|.*\.py::", STANDARD, re.M)}
    assert untested == set()


def test_no_program_is_started_and_no_code_is_evaluated() -> None:
    for path, module in modules():
        assert not imported(module) & {"subprocess", "pickle", "marshal", "shelve", "pty", "commands"}, path
        for name, _ in calls(module):
            assert name not in ("eval", "exec", "os.system", "os.popen", "os.execv", "os.spawnv"), path
        # Code that is compiled when a module is loaded contains no input.
        functions = [node for node in nodes(module) if isinstance(node, ast.FunctionDef)]
        for name, call in calls(module):
            if name.startswith("re.") and any(one.lineno <= call.lineno <= (one.end_lineno or 0) for one in functions):
                assert isinstance(call.args[0], ast.Constant | ast.Name), (path, "a pattern from something else")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases("path", PATHS)
def test_every_response_has_the_security_headers(world: World, path: str) -> None:
    response = world.anonymous().get(path, headers={"Accept": "text/html"})
    headers = response.headers
    assert response.status_code in (200, 401, 404) and headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin" and headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    for part in ("default-src 'self'", "base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "json" in headers["content-type"] or "charset=utf-8" in headers["content-type"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_with_https_every_response_has_hsts(shared: Shared, engine: str) -> None:
    settings = Settings(database_url=shared.migrated(engine), log_level="error", deliver_webhooks=False)
    with (
        serving(settings, public_url="https://issues.helpdesk.example") as server,
        Client(base_url=server.url) as client,
    ):
        for path in PATHS:
            sent = client.get(path).headers["strict-transport-security"]
            assert sent == "max-age=31536000; includeSubDomains", path


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_other_origin_may_read_responses(world: World) -> None:
    client = world.client("tess")
    for method in ("GET", "OPTIONS"):
        for path in PATHS:
            asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
            response = client.request(method, path, headers=asking)
            assert not [name for name in response.headers if name.startswith("access-control-")], (method, path)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_trace_is_not_supported(world: World) -> None:
    for path in PATHS:
        assert world.client("tess").request("TRACE", path).status_code in (404, 405), path


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_path_leads_out_of_the_static_files(world: World) -> None:
    client = world.anonymous()
    assert client.get(f"/static/{VERSION}/js/main.js").content == ASSETS["js/main.js"].content
    for name in (
        "",
        "js",
        "js/",
        "..%2Fapp.py",
        "%2e%2e/app.py",
        "js/..%2F..%2Fapp.py",
        ".git/config",
        "%2Fetc%2Fpasswd",
    ):
        assert client.get(f"/static/{VERSION}/{name}").status_code == 404, name


def test_password_fields_mask_their_value_and_allow_pasting() -> None:
    fields = 0
    for path in (SOURCE / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for field in re.findall(
            r"""ui\.field\("\w*password.*?\}\}|<input[^>]*name="password"[^>]*>""", text, re.DOTALL
        ):
            fields += 1
            assert 'type="password"' in field and re.search('autocomplete="(current|new)-password"', field), path.name
    assert fields > 5
    for path in (SOURCE / "static" / "js").rglob("*.js"):
        assert not re.search("[\"']paste|onpaste", path.read_text(encoding="utf-8")), path.name


def test_cryptography_comes_from_libraries() -> None:
    """The product uses no weak hash, no mode without authentication, and no predictable random numbers."""
    for path, module in modules():
        for name, _ in calls(module):
            assert name not in ("hashlib.md5", "hashlib.sha1", "hashlib.new", "md5", "sha1"), path
        weak = {name for name in imported(module) if re.search(r"ciphers\.modes|decrepit|Crypto\b|hazmat.*\bMD5", name)}
        assert not weak, path
        if "random" in imported(module):
            assert path in ("demo.py", "events/attempts.py", "actor.py"), path  # request numbers need not be secret


def test_webhooks_verify_certificates() -> None:
    context = public_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_only_one_module_connects_to_other_systems() -> None:
    network = {"socket", "http.client", "urllib.request", "httpx", "httpcore", "requests", "smtplib", "ftplib"}
    connecting = {path for path, module in modules() if imported(module) & network}
    assert connecting - {"server/listening.py"} == {
        "outbound/requests.py",
        "outbound/streams.py",
        "outbound/tls.py",
    }


def test_events_are_never_changed() -> None:
    """Events are only added. Only expired events, such as failed sign-ins, are deleted, and none is overwritten."""
    changed = [
        (path, name)
        for path, module in modules()
        for name, call in calls(module)
        if name in ("update", "delete") and call.args and ast.unparse(call.args[0]) == "events"
    ]
    assert changed and {(path, name) for path, name in changed} == {("events/retention.py", "delete")}


def test_production_has_no_development_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed: set[str] = set()
    waiting = [Requirement(text) for text in project["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in needed:
            continue
        needed.add(name)
        try:
            found = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # of another system
            continue
        extras = tuple(f'"{extra}"' for extra in requirement.extras)
        waiting += [one for one in found if "extra" not in str(one.marker) or any(e in str(one.marker) for e in extras)]
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pinned) > 20
    assert {canonicalize_name(name) for name in pinned} <= needed
