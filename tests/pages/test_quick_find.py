"""Quick find works on every page and tolerates typing errors."""

import re

import pytest
from playwright.sync_api import expect

from tests.chromium import ready
from tests.pages.axe import violations
from tests.pages.conftest import Browse, Late
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_quick_find_works_on_any_page(world: World, browse: Browse) -> None:
    world.given_issue("Printer firmware 4.3.2 fails to start", {"Contoso": "new"})
    company = world.given_companies("Contoso")["Contoso"]
    page = browse("tess", "/account")
    # Four keys in quick succession: none is lost while the dialog opens.
    for key in ("Control+k", "c", "o", "Enter"):
        page.keyboard.press(key)
    dialog = page.locator("#find")
    page.wait_for_url(f"**/companies/{company}")
    ready(page)

    page.keyboard.press("/")
    page.keyboard.type("prnter firmwre")
    expect(dialog.get_by_role("link", name="Printer firmware 4.3.2 fails to start")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("link", name="Printer firmware")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+a")
    page.keyboard.type("matrix")
    page.keyboard.press("Enter")
    page.wait_for_url("**/matrix?open=true")
    ready(page)
    page.get_by_role("link", name="Find", exact=True).click()
    page.keyboard.type("zzzzzz")
    expect(dialog.get_by_text("Nothing with a similar name was found.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    plain = browse("tess", "/find", java_script_enabled=False)
    plain.get_by_role("searchbox").first.fill("omar")
    plain.get_by_role("button", name="Find").first.click()
    expect(plain.get_by_role("link", name="Omar Reyes")).to_have_attribute("href", "/activity?actor=Omar+Reyes")


def test_quick_find_tolerates_typing_errors_and_finds_only_allowed_pages(world: World) -> None:
    world.given_issue("Backup 100%_done")
    world.given_issue("Mail delivery delayed", {"Contoso": "new"})
    client = world.client()

    def found(text: str) -> str:
        return client.get("/find", params={"q": text}, headers={"X-Fragment": "1"}).raise_for_status().text

    for typed in ("mail delivery", "mial delivery delyed", "delivery", "delvery mail"):
        assert "Mail delivery delayed" in found(typed), typed
    # The beginning of a name that is many times as long.
    world.given_companies(*(f"Northwind branch {number}" for number in range(40)))
    world.given_companies("Westphalian Association of Municipal Hospitals")
    world.given_issue("Certificate expired on the remote desktop gateway of the north")
    assert "Certificate expired" in found("cert") and "Westphalian" in found("wes")
    assert "Westphalian" in found("w")
    assert "Backup 100%_done" in found("100%_") and "Mail delivery" not in found("100%_")
    assert "Contoso" in found("Cotnoso") and "Manage users" not in found("users")
    assert "Manage users" in world.client("ada").get("/find", params={"q": "users"}).text
    assert found('"') and found("\\") and found("a AND (") is not None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_quick_find_names_every_page_that_a_super_admin_may_open(world: World) -> None:
    ada, pages = world.client("ada"), set[str]()
    for text in ("manage", "alerts", "credentials", "mappings", "views"):
        found = ada.get("/find", params={"q": text}, headers={"X-Fragment": "1"}).raise_for_status().text
        pages |= set(re.findall(r'href="(/(?:admin/[a-z-]+|alerts|views))"', found))
    assert pages >= {"/alerts", "/views", "/admin/alerts", "/admin/credentials", "/admin/group-mappings"}

    # A super admin who sees only some companies cannot administer what concerns all of them.
    user_id = next(
        user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"] if user["name"] == "Tess Ngo"
    )
    limited = {"role": "super_admin", "company_access": {"companies": ["Contoso"]}}
    ada.call("PUT", f"/api/users/{user_id}", 200, json=limited)
    tess = world.client("tess")
    for text in ("manage", "manage users", "manage templates"):
        found = tess.get("/find", params={"q": text}, headers={"X-Fragment": "1"}).raise_for_status().text
        for path in re.findall(r'href="(/admin/[a-z-]+)"', found):
            assert tess.get(path).status_code == 200, path


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_failed_search_does_not_stay_below_an_earlier_text(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/", watched=False)
    page.keyboard.press("Control+k")
    found = page.locator("#find .found")
    page.keyboard.type("slow")
    expect(found.get_by_role("link", name="Slow mail")).to_be_visible()
    page.route("**/find?q=slows", lambda route: route.abort())
    page.keyboard.type("s")
    expect(found).to_have_text("The server did not respond.")

    page.keyboard.press("Backspace")
    expect(found.get_by_role("link", name="Slow mail")).to_be_visible()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_enter_waits_for_the_results_of_its_text(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for text, key in (("slow mail", None), ("slow m", "Escape"), ("slow", "x")):
        page.goto("/")
        ready(page)
        page.keyboard.press("Control+k")
        address = f"{world.server.url}/find?q={text.replace(' ', '+')}"
        results = Late(page, address)
        page.keyboard.insert_text(text)
        results.sent()
        page.keyboard.press("Enter")
        if key is not None:
            page.keyboard.press(key)
        results.arrive()
        assert asked.count(address) == 1
        if key is None:
            page.wait_for_url(f"**/issues/{issue}")
            continue
        # The dialog has been closed, or contains another text by now.
        expect(page).to_have_url(f"{world.server.url}/")
        expect(page.locator("#find")).to_be_visible(visible=key == "x")
