"""The page that requests a confirmation for a form, and then submits the form again."""

import re
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Client
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HOOK = "https://hooks.helpdesk.example/issues"


def fields(html: str) -> list[tuple[str, str]]:
    """Returns the hidden fields of a page, in order."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            if tag == "input" and given.get("type") == "hidden" and given.get("name"):
                found.append((str(given["name"]), given.get("value") or ""))

    Reader().feed(html.partition("data-carried")[2].partition("</form>")[0])
    return found


def fill_in(page: Page) -> None:
    page.get_by_text("New webhook").click()
    page.get_by_label("Address").fill(HOOK)
    page.get_by_label("Companies (if empty: all)").fill("Contoso\nFabrikam")
    page.get_by_label("assignment.status_changed").check()
    page.get_by_label("assignment.deleted").check()
    page.get_by_label("Description").fill("Status “page” <b>")


def hooks(client: Client) -> list[str]:
    return [hook["url"] for hook in client.call("GET", "/api/webhooks", 200)["items"]]


def test_a_form_continues_after_the_password(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/webhooks")
    fill_in(page)
    world.clock.advance(minutes=10)
    page.get_by_role("button", name="Create webhook").click()

    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
    assert hooks(world.client("ada")) == []
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()

    expect(page.locator(".secret")).to_contain_text("whsec_")
    (made,) = world.client("ada").call("GET", "/api/webhooks", 200)["items"]
    assert made["event_types"] == ["assignment.deleted", "assignment.status_changed"]
    assert (made["url"], made["description"], len(made["company_ids"])) == (HOOK, "Status “page” <b>", 2)


def test_the_draft_of_a_form_is_stored_until_the_form_is_accepted(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/webhooks", viewport=NARROW)
    fill_in(page)
    world.clock.advance(minutes=10)
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.get_by_role("link", name="Back").click()
    expect(page).to_have_url(re.compile("/admin/webhooks$"))
    expect(page.get_by_label("Address")).to_have_value(HOOK)
    page.get_by_role("button", name="Create webhook").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")
    page.goto("/admin/webhooks")
    expect(page.get_by_label("Address")).to_have_value("")
    assert hooks(world.client("ada")) == [HOOK]


def test_every_form_that_needs_a_confirmation_continues_without_scripts(world: World) -> None:
    ada = world.client("ada")
    hook = ada.call("POST", "/api/webhooks", 201, json={"url": HOOK})
    people = {user["email"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
    tess = people["tess@helpdesk.example"]
    csrf = ada.headers.pop("X-CSRF-Token")
    forms = {
        f"/admin/users/{tess}": {"name": "Tess Ngo", "role": "super_admin", "active": "true"},
        "/account/tokens": {"name": "nightly", "scope": "read", "days": "30"},
        "/admin/webhooks": {"url": HOOK, "active": "true"},
        f"/admin/webhooks/{hook['id']}": {"url": "https://elsewhere.example/", "active": "true"},
        f"/admin/webhooks/{hook['id']}/rotate-secret": {},
    }
    for path, form in forms.items():
        world.clock.advance(minutes=10)
        asked = ada.post(path, data=form | {"_csrf": csrf, "_here": "/account"})
        assert asked.status_code == 403 and "Confirm that it is you" in asked.text, path
        carried = fields(asked.text)
        assert sorted(carried) == sorted([*form.items(), ("_csrf", csrf), ("_here", "/account")]), path
        sent = ada.post(path, data={**dict(carried), "_confirm": PASSWORD})
        assert sent.status_code in (200, 303), f"{path}: {sent.text}"
    ada.headers["X-CSRF-Token"] = csrf
    assert world.client("tess").call("GET", "/api/auth/session", 200)["user"]["role"] == "super_admin"
    assert ada.call("GET", "/api/auth/tokens", 200)["total"] == 1
    assert sorted(hooks(ada)) == ["https://elsewhere.example/", HOOK]


def test_a_form_without_the_right_csrf_token_confirms_nothing(world: World) -> None:
    ada = world.client("ada")
    csrf = ada.headers.pop("X-CSRF-Token")
    world.clock.advance(minutes=10)
    refused = ada.post("/admin/webhooks", data={"url": HOOK, "_csrf": "wrong", "_confirm": PASSWORD})
    assert refused.status_code == 403 and "Confirm that it is you" not in refused.text
    ada.headers["X-CSRF-Token"] = csrf
    assert ada.call("POST", "/api/webhooks", 403, json={"url": HOOK})["reason"] == "confirmation_required"
