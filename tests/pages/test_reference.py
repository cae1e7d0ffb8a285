"""The API reference shows the whole document, its commands work, and it sends requests with the entered values."""

import os
import re
import subprocess

import pytest
from playwright.sync_api import expect

from issue_tracker.api import openapi
from issue_tracker.app import declared_routes
from issue_tracker.settings import Settings
from tests.clients import get
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_the_reference_shows_the_whole_document(world: World, browse: Browse) -> None:
    document = openapi.document(declared_routes(), Settings())
    page = browse(None, "/docs", java_script_enabled=False)

    script = "() => Object.fromEntries([...document.querySelectorAll('details')].map((e) => [e.id, e.textContent]))"
    parts: dict[str, str] = page.evaluate(script)
    missing = []
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            shown = parts.get(one["operationId"], "")
            expected = [method.upper(), path, *one["responses"], *(field["name"] for field in one["parameters"])]
            missing += [f"{method} {path}: {text}" for text in expected if text not in shown]
    for name, schema in document["components"]["schemas"].items():
        shown = parts.get(f"type-{name}", "")
        expected = [*schema.get("properties", ()), *schema.get("enum", ())]
        missing += [f"{name}: {text}" for text in expected if text not in shown]

    assert missing == []


def test_every_reading_command_works(world: World, browse: Browse) -> None:
    world.given_issue("Network degradation", {"Acme Manufacturing": "new"})
    world.given_customer("cara", "Acme Manufacturing")
    token, session = world.token("ada", "read"), world.session_token("ada")
    of_customer = {"ISSUE_TRACKER_TOKEN": world.token("cara", "read"), "ISSUE_TRACKER_SESSION": ""}
    page = browse(None, "/docs")
    commands = [text for text in page.locator("pre.curl").all_text_contents() if "-X" not in text and "{" not in text]
    apart = (
        "/webhooks/",
        "/users/",
        "/stream",
        "/auth/session ",
        "/metrics",
    )  # missing, endless, not for tokens, disabled
    reading = [text for text in commands if not any(part in text for part in apart)]
    assert len(reading) > 8

    for command in reading:
        credentials = {"ISSUE_TRACKER_TOKEN": token, "ISSUE_TRACKER_SESSION": session}
        if "/api/portal/" in command:
            credentials = of_customer
        here = re.sub(r"http://127\.0\.0\.1:\d+", world.server.url, command)
        ran = subprocess.run(
            ["bash", "-c", f"{here} -sS -o /dev/null -w '%{{http_code}}'"],
            env=os.environ | credentials,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert ran.stdout == "200", command


def test_requests_are_sent_in_the_readers_session(world: World, browse: Browse) -> None:
    world.given_issue("Network degradation", {"Acme Manufacturing": "new"})
    page = browse("tess", "/docs#set_status")
    page.locator("#set_status").get_by_role("button", name="Send").click()

    expect(page.locator("#set_status output")).to_contain_text("200 OK")
    expect(page.locator("#set_status output")).to_contain_text('"status": "resolved"')
    issue = world.client().call("GET", "/api/issues/Network degradation", 200)
    assert [one["status"] for one in issue["assignments"]] == ["resolved"]

    # Parameters of every kind are sent, also on a narrow screen.
    world.given_issue("AC/DC", {"Acme Manufacturing": "new", "Fabrikam": "monitoring", "Contoso": "closed"})
    page.set_viewport_size(NARROW)
    page.goto("/docs#get_issue")
    one = page.locator("#get_issue")
    one.get_by_label("issue_name").fill("AC/DC")
    one.get_by_role("button", name="Send").click()
    expect(one.locator("output")).to_contain_text('"name": "AC/DC"')

    page.goto("/docs#list_issues")
    listed = page.locator("#list_issues")
    listed.get_by_label("status").fill("new, monitoring")
    listed.get_by_role("button", name="Send").click()
    expect(listed.locator("output")).to_contain_text('"company_name": "Fabrikam"')
    expect(listed.locator("output")).not_to_contain_text("Contoso")


def test_an_anonymous_reader_is_prompted_to_sign_in(world: World, browse: Browse) -> None:
    page = browse(None, "/docs#list_issues")
    page.locator("#list_issues").get_by_role("button", name="Send").click()

    expect(page.locator("#list_issues output")).to_contain_text("401")
    response = get(f"{world.server.url}/docs")
    assert "data:" not in response.headers["content-security-policy"]
