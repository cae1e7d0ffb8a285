"""Without scripts, plain forms support all important functions."""

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Browse
from tests.world import PASSWORD, World


def plain(browse: Browse, who: str | None, path: str) -> Page:
    return browse(who, path, java_script_enabled=False)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_signing_in_and_out(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = plain(browse, None, f"/issues/{issue_id}")
    expect(page).to_have_title("Sign in · Issue Tracker")

    page.get_by_label("Email").fill("tess@helpdesk.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value("tess@helpdesk.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Issue Tracker")
    page.goto("/")
    expect(page).to_have_title("Sign in · Issue Tracker")


def test_the_list_can_be_filtered(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Contoso": "resolved"})
    page = plain(browse, "tess", "/")
    expect(page.get_by_role("link", name="Broken phones")).to_be_visible()
    expect(page.locator("time").first).to_contain_text("UTC")

    page.get_by_role("checkbox", name="Resolved").check()
    page.get_by_role("button", name="Apply").click()

    expect(page.get_by_role("link", name="Broken phones")).to_be_visible()
    expect(page.get_by_role("link", name="Slow mail")).to_have_count(0)
    expect(page.get_by_role("checkbox", name="Resolved")).to_be_checked()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_issue_is_created_with_errors_next_to_their_fields(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail")
    page = plain(browse, "tess", "/issues/new")
    page.get_by_label("Name").fill("slow MAIL")
    page.get_by_label("Description").fill("Since noon")
    page.get_by_label("Companies").fill("Contoso")
    page.get_by_role("button", name="Create issue").click()
    expect(page.locator("#f-name-about")).to_contain_text("already exists")
    expect(page.get_by_label("Description")).to_have_value("Since noon")

    page.get_by_label("Name").fill("Slower mail")
    page.get_by_label("Companies").fill("Contoso\nNobody Ltd")
    page.get_by_role("button", name="Create issue").click()
    expect(page.locator("#f-companies-about")).to_have_text("1 found, 1 unknown: “Nobody Ltd”.")
    page.get_by_label("Companies").fill("Contoso\nfabrikam")
    page.get_by_label("Status", exact=True).select_option("investigating")
    page.get_by_role("button", name="Create issue").click()

    expect(page.get_by_role("heading", name="Slower mail")).to_be_visible()
    found = world.client().call("GET", "/api/issues/Slower%20mail", 200)
    assert [(each["company_name"], each["status"]) for each in found["assignments"]] == [
        ("Contoso", "investigating"),
        ("Fabrikam", "investigating"),
    ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_one_status_can_be_changed(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "closed"})
    page = plain(browse, "tess", "/")

    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_label("Investigating").check()
    page.get_by_label("Note (optional)").fill("It is back")
    page.get_by_role("button", name="Set status").click()

    expect(page.get_by_text("1 company set to Investigating.")).to_be_visible()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Investigating")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Closed")


def test_many_statuses_can_be_changed_after_a_review(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "closed"})
    page = plain(browse, "tess", f"/issues/{issue_id}")

    page.get_by_role("link", name="Resolve for everyone").click()
    expect(page.get_by_text("Acme Manufacturing: closed")).to_be_visible()
    page.get_by_label("Contoso").uncheck()
    page.get_by_role("button", name="Resolve").click()

    expect(page.get_by_text("1 company set to Resolved.")).to_be_visible()
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("New")
    expect(page.get_by_role("row", name="Fabrikam").locator(".status")).to_have_text("Resolved")
    page.locator(".bulk").get_by_role("button", name="Resolve for everyone").click()
    expect(page.get_by_role("heading", name="Resolve for everyone?")).to_be_visible()
    expect(page.get_by_role("button", name="Resolve 1")).to_be_visible()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_without_a_selection_the_note_is_not_lost(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = plain(browse, "tess", "/?search=mail")
    page.locator(".bulk [name=note]").fill('The relay is "back"; see 日本')

    page.get_by_role("button", name="Resolved").click()
    expect(page.get_by_role("alert").filter(has_text="Select at least one company.")).to_be_visible()
    assert page.url.endswith("/?search=mail")
    expect(page.locator(".bulk [name=note]")).to_have_value('The relay is "back"; see 日本')

    page.get_by_role("row", name="Contoso").get_by_role("checkbox", name="Contoso").check()
    page.get_by_role("button", name="Resolved").click()
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("1 company set to Resolved.")).to_be_visible()
    expect(page.locator(".bulk [name=note]")).to_have_value("")
    [event, *_] = world.client().call("GET", "/api/events", 200)["items"]
    assert (event["to"], event["note"]) == ("resolved", 'The relay is "back"; see 日本')


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_note_that_exceeds_a_cookie_is_left_to_the_browser(world: World) -> None:
    """The page to return to still contains it; browsers drop a cookie over the limit, with its message."""
    tess = world.client("tess")
    form = {"_csrf": tess.headers["X-CSRF-Token"], "next": "/", "status": "resolved"}
    for note, status in (("n" * 2000, 303), ("日" * 2000, 400)):
        response = tess.post("/assignments/review", data={**form, "note": note})
        assert (response.status_code, "set-cookie" in response.headers) == (status, status == 303)
    assert "Select at least one company." in response.text


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_after_two_rejections_the_link_leads_back_to_the_page(world: World, browse: Browse) -> None:
    """The address then accepts only POST."""
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones")
    page = plain(browse, "tess", f"/issues/{issue_id}")
    for name in ("Broken phones", "broken PHONES"):
        page.locator("details", has=page.locator("[name=name]")).evaluate("details => (details.open = true)")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#f-name-about")).to_contain_text("already exists")
    assert page.url.endswith("/edit")

    page.get_by_role("row", name="Contoso").locator(".status").click()
    page.get_by_label("Monitoring").check()
    page.get_by_role("button", name="Set status").click()

    expect(page).to_have_url(f"{world.server.url}/issues/{issue_id}")
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("Monitoring")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_form_survives_the_end_of_the_session(world: World, browse: Browse) -> None:
    world.given_companies("Contoso")
    page = plain(browse, "tess", "/issues/new")
    page.get_by_label("Name", exact=True).fill("Slow mail")
    page.get_by_label("Description").fill("Two lines\nthat nobody wants to type <b>twice</b>")
    page.get_by_label("Companies").fill("Contoso")
    world.clock.advance(hours=13)

    page.get_by_role("button", name="Create issue").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    for password in ("wrong", PASSWORD):
        page.get_by_label("Email").fill("tess@helpdesk.example")
        page.get_by_label("Password").fill(password)
        with page.expect_response("**/login"):
            page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("that nobody wants to type <b>twice</b>")).to_be_visible()
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
    page.get_by_role("button", name="Send it now").click()

    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
    issue = world.client().call("GET", "/api/issues/Slow%20mail", 200)
    assert issue["description"] == "Two lines\nthat nobody wants to type <b>twice</b>"
    assert [member["company_name"] for member in issue["assignments"]] == ["Contoso"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_the_form_of_another_site_is_not_preserved(world: World, site: str | None) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    late = world.client("tess")
    world.clock.advance(hours=13)
    response = late.post("/issues/new", data={"name": "Planted"}, headers=headers)
    assert response.status_code == 303 and "Planted" not in response.text


def test_passwords_are_not_carried(world: World) -> None:
    form = {"current_password": "an old one", "new_password": "a new one", "next": "/account"}
    late = world.client("tess")
    world.clock.advance(hours=13)
    response = late.post("/account/password", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 401 and "a new one" not in response.text and "an old one" not in response.text
