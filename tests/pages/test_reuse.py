"""Creating an issue from similar issues, another issue or a template, and with company groups."""

import re
from html import unescape

import pytest
from playwright.sync_api import Route, expect

from tests.chromium import ready
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def given_group(world: World, name: str, *companies: str) -> None:
    world.client("ada").call("POST", "/api/company-groups", 201, json={"name": name, "company_names": list(companies)})


def companies_of(world: World, name: str) -> dict[str, str]:
    found = world.client().call("GET", f"/api/issues/{name}", 200)["assignments"]
    return {one["company_name"]: one["status"] for one in found}


def test_similar_issues_are_listed_while_typing(world: World, browse: Browse) -> None:
    issue = world.given_issue("Mail delivery delayed", {"Contoso": "new", "Fabrikam": "closed"})
    world.client().call("PUT", "/api/issues/Mail%20delivery%20delayed", 200, json={"new_name": "Slow relay"})
    page = browse("tess", "/issues/new")
    similar = page.locator(".similar")
    expect(similar).to_be_hidden()

    page.keyboard.type("mial delivery delyed")
    expect(similar).to_contain_text("Slow relay open for 1 of 2, formerly Mail delivery delayed")
    expect(similar.get_by_role("link", name="Slow relay")).to_have_attribute("href", f"/issues/{issue}")
    assert violations(page) == []
    page.get_by_label("Name", exact=True).fill("Something else altogether")
    expect(similar).to_be_hidden()


def test_results_do_not_move_a_button_that_is_being_pressed(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/issues/new")
    results: list[Route] = []
    for url in ("**/api/similar-issues*", "**/api/companies/match"):
        page.route(url, lambda route: results.append(route))  # noqa: PLW0108 - Playwright stores an attribute in it
    page.get_by_label("Name", exact=True).fill("Slow mails")
    page.get_by_label("Companies", exact=True).fill("Contoso")
    button = page.get_by_role("button", name="Create issue")
    button.hover()
    while len(results) < 2:
        page.wait_for_timeout(10)
    page.mouse.down()
    for route in results:
        with page.expect_response(route.request.url):
            route.continue_()
    page.wait_for_timeout(100)
    expect(page.locator(".similar")).to_be_hidden()
    expect(page.get_by_text("1 found")).to_be_hidden()
    page.mouse.up()
    expect(page.get_by_role("heading", name="Slow mails")).to_be_visible()


def test_a_new_issue_can_be_based_on_an_old_one(world: World, browse: Browse) -> None:
    world.clock.advance(days=-1)
    members = {"Contoso": "new", "Fabrikam": "closed", "Acme Manufacturing": "monitoring"}
    issue = world.given_issue("Patch day 2026-01-13", members, "All servers")
    fields = {"severity": "high", "tags": ["patch"], "external_key": "p-1", "owner": "omar@helpdesk.example"}
    world.client().call("PUT", "/api/issues/Patch%20day%202026-01-13", 200, json=fields)
    today = f"{world.clock.now():%Y-%m-%d}"

    page = browse("tess", f"/issues/{issue}")
    page.get_by_role("link", name="New from this one").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_value(f"Patch day {today}")
    expect(page.get_by_label("Description")).to_have_value("All servers")
    expect(page.get_by_label("Severity")).to_have_value("high")
    page.get_by_label("Companies to copy").select_option("The 2 that are open there")
    page.get_by_label("Companies", exact=True).fill("Nobody we know")
    page.get_by_role("button", name="Create issue").click()
    # The rejected form still contains all choices.
    expect(page.locator("#f-companies-about")).to_contain_text("unknown")
    expect(page.get_by_label("Companies to copy")).to_have_value("open")
    page.get_by_label("Companies", exact=True).fill("Zürich (Nord)")
    page.get_by_role("button", name="Create issue").click()
    expect(page.locator("#flash")).to_contain_text("Created.")
    made = world.client().call("GET", f"/api/issues/Patch%20day%20{today}", 200)
    assert {one["company_name"] for one in made["assignments"]} == {"Contoso", "Acme Manufacturing", "Zürich (Nord)"}
    assert (made["severity"], made["tags"], made["external_key"], made["owner"]) == ("high", ["patch"], None, None)


def test_an_issue_can_be_created_from_a_template(world: World, browse: Browse) -> None:
    given_group(world, "North", "Contoso", "Fabrikam", "Acme Manufacturing")
    given_group(world, "South", "Zürich (Nord)")
    ada = browse("ada", "/admin/templates")
    ada.get_by_text("New template").click()
    ada.get_by_label("Name of the template").fill("Line failure")
    ada.get_by_label("Name of the issue").fill("Line failure {date}")
    ada.get_by_label("Description").fill("Circuit:")
    ada.get_by_label("Severity").select_option("critical")
    ada.get_by_label("Tags").fill("wan, carrier")
    ada.get_by_label("North").check()
    ada.get_by_label("Companies", exact=True).fill("o'neills bar\nNobody we know")
    ada.get_by_label("First update").fill("We **look into** it.")
    ada.get_by_label("Public").check()
    ada.get_by_role("button", name="Add", exact=True).click()
    expect(ada.locator("#f-company_names-about")).to_contain_text("1 unknown")
    ada.get_by_label("Companies", exact=True).fill("o'neills bar")
    ada.get_by_role("button", name="Add", exact=True).click()
    expect(ada.locator("#flash")).to_have_text("Added Line failure.")
    expect(ada.get_by_role("row", name="Line failure")).to_contain_text("North, 1 company")
    ada.get_by_role("link", name="Edit Line failure").click()
    expect(ada.get_by_label("North")).to_be_checked()
    ada.get_by_label("Severity").select_option("high")
    ada.get_by_role("button", name="Save").click()

    page = browse("tess", "/issues/new", viewport=NARROW)
    page.get_by_label("Begin with a template").select_option("Line failure")
    page.get_by_role("button", name="Use it").click()
    name = f"Line failure {world.clock.now():%Y-%m-%d}"
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    expect(page.get_by_role("checkbox", name="North")).to_be_checked()
    expect(page.get_by_label("Companies", exact=True)).to_have_value("O’Neill’s Bar")
    page.get_by_label("Except these companies").fill("fabrikam")
    page.get_by_role("button", name="Create issue").click()
    expect(page.locator("#flash")).to_contain_text("Created.")
    expect(page.get_by_role("article", name="Update by Tess Ngo").first).to_contain_text("Public")
    made = world.client().call("GET", f"/api/issues/{name}", 200)
    assert {one["company_name"] for one in made["assignments"]} == {"Contoso", "Acme Manufacturing", "O’Neill’s Bar"}
    assert (made["severity"], made["tags"], made["description"]) == ("high", ["carrier", "wan"], "Circuit:")

    ada.get_by_role("link", name="Edit Line failure").click()
    ada.get_by_role("button", name="Delete…").click()
    ada.get_by_role("button", name="Delete the template").click()
    expect(ada.locator("#flash")).to_have_text("Deleted Line failure.")
    assert world.client().call("GET", "/api/templates", 200)["total"] == 0


def test_the_pages_of_issues_accept_groups(world: World, browse: Browse) -> None:
    given_group(world, "North", "Contoso", "Fabrikam")
    given_group(world, "South", "Zürich (Nord)", "Acme Manufacturing")
    issue = world.given_issue("VPN", {"Contoso": "new", "Müller & Söhne": "new"})
    page = browse("tess", f"/issues/{issue}")

    page.get_by_text("Add several companies").click()
    add = page.locator("#add")
    add.get_by_text("Company groups and exceptions").click()
    add.get_by_role("checkbox", name="North").check()
    add.get_by_role("checkbox", name="South").check()
    add.get_by_label("Except these companies").fill("Acme manufacturing")
    # Each selected checkbox survives a reload.
    add.get_by_role("checkbox", name="South").uncheck()
    page.reload()
    ready(page)
    expect(add.get_by_role("checkbox", name="North")).to_be_checked()
    expect(add.get_by_role("checkbox", name="South")).not_to_be_checked()
    add.get_by_role("checkbox", name="South").check()
    add.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#flash")).to_contain_text("2 added, 1 was already assigned.")
    assert set(companies_of(world, "VPN")) == {"Contoso", "Müller & Söhne", "Fabrikam", "Zürich (Nord)"}

    page.get_by_label("Select the companies of").select_option("North")
    expect(page.locator("#picked")).to_have_text("2 selected")
    page.get_by_label("except", exact=True).fill("fabrikam")
    page.get_by_label("except", exact=True).press("Enter")
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved").click()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("row", name="Contoso")).to_contain_text("Resolved")
    assert companies_of(world, "VPN")["Fabrikam"] == "new"

    page.goto("/")
    page.get_by_label("Company group").select_option("North")
    page.wait_for_url("**/?companyGroup=North")
    expect(page.get_by_role("row", name="Fabrikam")).to_be_visible()
    expect(page.get_by_role("row", name="Zürich")).to_have_count(0)
    page.get_by_label("Except company").fill("Contoso")
    page.get_by_label("Except company").press("Enter")
    page.wait_for_url("**/?companyGroup=North&exclude=Contoso")
    expect(page.locator("tr[data-on]")).to_have_count(1)
    expect(page.locator("[data-total=resolved] b")).to_have_text("0")
    assert "exclude=Contoso" in (page.get_by_role("link", name="CSV").get_attribute("href") or "")
    page.goto("/matrix?companyGroup=North&exclude=Contoso")
    expect(page.locator(".matrix thead a")).to_have_text(["Fabrikam"])
    expect(page.get_by_label("Except company")).to_have_value("Contoso")
    page.goto("/?companyGroup=North&exclude=Nobody")
    expect(page.get_by_role("alert").filter(has_text="Nobody")).to_be_visible()


def test_a_group_is_changed_in_bulk_without_scripts(world: World) -> None:
    given_group(world, "North & East", "Contoso", "Fabrikam", "O’Neill’s Bar", "Acme Manufacturing")
    seven = [f"Branch {number}" for number in range(1, 8)]
    world.given_companies(*seven)
    given_group(world, "West", *seven)
    issue = world.given_issue("VPN", dict.fromkeys(("Contoso", "Fabrikam", "O’Neill’s Bar", "Müller & Söhne"), "new"))
    tess = world.client("tess")
    query = {"companyGroup": "north & east", "exclude": ["fabrikam", ""]}
    page = tess.get(f"/issues/{issue}", params=query).text
    checked = re.findall(r'name="on" value="([^"]+)" aria-label="([^"]+)" checked', page)
    assert [unescape(name) for _, name in checked] == ["Contoso", "O’Neill’s Bar"]
    # The exception remains in the form, so that another one can be added.
    assert "<option selected>North &amp; East</option>" in page
    assert '<input type="checkbox" name="exclude" value="Fabrikam" checked>' in page

    fields = {
        "_csrf": tess.headers["X-CSRF-Token"],
        "next": f"/issues/{issue}",
        "status": "resolved",
        "note": "Spliced",
    }
    review = tess.post("/assignments/review", data=fields | {"on": [on for on, _ in checked]}).raise_for_status().text
    on = re.findall(r'name="on" value="([^"]+)" checked', review)
    assert 'name="note" maxlength="2000" value="Spliced"' in review and len(on) == 2
    assert tess.post("/assignments/bulk", data=fields | {"on": on}).status_code == 303
    statuses = companies_of(world, "VPN")
    assert {name for name, status in statuses.items() if status == "resolved"} == {"Contoso", "O’Neill’s Bar"}

    # From a list filtered by groups, the companies that it does not show are selected on the page of the issue.
    world.given_issue("Power cut", dict.fromkeys([*seven, "Contoso"], "new"))
    filters = {"companyGroup": ["west", "North & East"], "exclude": ["Branch 7"], "search": "power"}
    [more] = re.findall(r'<a href="([^"]+)">2 more</a>', tess.get("/", params=filters).text)
    page = tess.get(unescape(more)).text
    assert len(re.findall('name="on" [^>]* checked', page)) == 7
    assert "<option selected>North &amp; East</option>" in page and 'value="West" checked' in page

    for wrong in ({"companyGroup": "North & East", "exclude": "Nobody"}, {"companyGroup": "Nowhere"}):
        page = tess.get(f"/issues/{issue}", params=wrong).text
        assert re.search(r"There is no company[^<]*called “No\w+”", page) and not re.search(
            'name="on" [^>]* checked', page
        )

    assert "Nothing would change." in tess.get(f"/issues/{world.given_issue('Nobody yet')}/resolve").text

    # The pages that name a group lead to its open issues, and to a new issue for it.
    company = world.given_companies("Contoso")["Contoso"]
    listed = "/?open=true&amp;companyGroup=North%20%26%20East"
    assert listed in tess.get(f"/companies/{company}").text
    assert "/?open=true&amp;companyGroup=North+%26+East" in tess.get("/find?q=north+est").text
    ada = world.client("ada")
    assert listed in ada.get("/admin/company-groups").text
    group = ada.call("GET", "/api/company-groups", 200)["items"][0]
    assert listed in ada.get(f"/admin/company-groups/{group['group_id']}").text
    page = tess.get("/issues/new", params={"companyGroup": "North & East"}).text
    assert 'name="company_groups" value="North &amp; East" checked' in page
