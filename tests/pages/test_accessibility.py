"""No axe-core violation on any page, in either theme, wide and narrow, also with open dialogs; on a phone, fields and
targets are large enough.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from issue_tracker.app import declared_routes
from issue_tracker.pages.routes import PageRoute
from tests.chromium import WIDE
from tests.pages.axe import LOADED, STARTED, THIN, UNFOLD, violations
from tests.pages.conftest import NARROW, Browse
from tests.pages.small_screens import CUT, SMALL, TINY
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

PAGES = [
    "/",
    "/?open=true&sort=updated_at",
    "/?search=nothing+like+it",
    "/?companyName=Nobody",
    "/matrix",
    "/issues/new",
    "/issues/{issue}",
    "/issues/{issue}/resolve",
    "/issues/{issue}/delete",
    "/issues/{issue}/merge?into=Nobody+affected",
    "/updates/{update}",
    "/assignments?on={issue}-{company}",
    "/companies",
    "/companies/{company}",
    "/activity",
    "/handover",
    "/find?q=contoso",
    "/views",
    "/views/new?query=open%3Dtrue",
    "/views/{view}",
    "/account",
    "/account/security",
    "/admin/users",
    "/admin/users/{user}",
    "/alerts",
    "/alerts?state=unsorted",
    "/alerts?state=resolved",
    "/admin/alerts",
    "/admin/alerts/rules/new?alert={alert}",
    "/admin/alerts/rules/{rule}",
    "/admin/alerts/receivers/{receiver}/delete",
    "/admin/alerts/receivers/{mailed}",
    "/admin/alerts/receivers/{mailed}/mailbox",
    "/admin/alerts/feeds/new",
    "/admin/alerts/feeds/{feed}",
    "/admin/credentials",
    "/admin/group-mappings",
    "/admin/group-mappings/{mapping}",
    "/admin/scim",
    "/admin/users/{service}",
    "/admin/webhooks",
    "/admin/webhooks/{hook}",
    "/admin/companies",
    "/admin/companies/{company}",
    "/admin/company-groups",
    "/admin/company-groups/{group}",
    "/admin/templates",
    "/admin/templates/{template}",
    "/issues/new?template={template}",
    "/issues/new?like={issue}",
    "/docs",
    "/nothing/here",
]

CUSTOMER_PAGES = ["/portal", "/portal/issues/Slow%20mail", "/account"]

PUBLIC_PAGES = ["/login", "/setup?token=x", "/invitation?token={invitation}", "/login/second-factor", "/nothing/here"]

NOT_PAGES = {"/start", "/matrix/cell", "/attention-counts", "/password", "/login/with/{provider}/callback"}
"""Routes that redirect or return a part of a page, and the page that test_administration.py checks."""


def problems(page: Page, path: str) -> list[str]:
    """Returns what is wrong with a page, wide and narrow, with folded parts open; the page is not usable after it."""
    page.evaluate(UNFOLD)
    wrong = []
    for viewport in (WIDE, TINY, NARROW):
        page.set_viewport_size(viewport)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"wider than a screen of {viewport['width']} pixels")
        if viewport == TINY:
            wrong += [f"at 320 pixels: cut: {text}" for text in page.evaluate(CUT)]
        if viewport == NARROW:
            wrong += [f"too small for a finger: {text}" for text in page.evaluate(SMALL)]
    page.evaluate(THIN)
    wrong += violations(page, NARROW, WIDE)
    return [f"{path}: {each}" for each in wrong]


def given_issues(world: World) -> int:
    """Creates an issue with several statuses, whose id is the result, and one without companies."""
    everyone = {
        "Contoso": "new",
        "Fabrikam": "investigating",
        "Acme Manufacturing": "resolved",
        "O’Neill’s Bar": "closed",
    }
    issue = world.given_issue("Slow mail", everyone, "Packet loss on the way to the relay.")
    world.given_issue("Nobody affected")
    return issue


def scene(world: World) -> dict[str, Any]:
    names = world.given_companies("Contoso")
    issue = given_issues(world)
    user = world.client("ada").call("GET", "/api/users", 200)["items"][0]["user_id"]
    account = {"email": "backups@helpdesk.example", "name": "Backups", "role": "technician", "service_account": True}
    service = world.client("ada").call("POST", "/api/users", 201, json=account)["user_id"]
    limits = {"networks": ["192.0.2.0/24"], "company_access": {"companies": ["Contoso"]}}
    token = {"name": "nightly", "scopes": ["read"]} | limits
    world.client("ada").call("POST", f"/api/users/{service}/tokens", 201, json=token)
    hooked = {"url": "https://hooks.helpdesk.example/issues", "active": False}
    hook = world.client("ada").call("POST", "/api/webhooks", 201, json=hooked)["id"]
    group = world.client("ada").call("POST", "/api/company-groups", 201, json={"name": "North"})["group_id"]
    rule = world.client("ada").call("POST", "/api/alert-rules", 201, json={"name": "Lines", "rule": {}})["id"]
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": "R", "kind": "alertmanager"})
    labels = {"alertname": "Slow mail", "company": "Contoso"}
    firing = [{"status": "firing", "labels": one, "annotations": {"summary": "x"}} for one in (labels, {"job": "y"})]
    path = made["url"].removeprefix(world.server.settings.public_url)
    world.anonymous().call("POST", path, 202, json={"alerts": firing})
    alert = world.client().call("GET", "/api/alerts?state=unsorted", 200)["items"][0]["alert_id"]
    body = {"name": "Lines", "company_groups": ["North"], "first_update": "On it"}
    template = world.client("ada").call("POST", "/api/templates", 201, json=body)["template_id"]
    mailed = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": "RMM", "kind": "email"})["id"]
    feed = {"url": "https://status.example/feed", "company_group": "North"}
    fed = {"name": "F", "kind": "feed", "feed": feed}
    polled = world.client("ada").call("POST", "/api/alert-receivers", 201, json=fed)["id"]
    said = {"issue_name": "Slow mail", "body": "The **relay** was restarted.", "public": True}
    update = world.client().call("POST", "/api/updates", 201, json=said)["update_id"]
    saved = {"name": "All that is open", "query": "open=true"}
    view = world.client("ada").call("POST", "/api/views", 201, json=saved)["view_id"]
    granted = {"source": "scim", "group": "helpdesk", "role": "technician", "company_access": "all"}
    mapping = world.client("ada").call("POST", "/api/group-mappings", 201, json=granted)["id"]
    invited = {"email": "ines@helpdesk.example", "name": "Inês", "role": "technician"}
    link = world.client("ada").call("POST", "/api/users", 201, json=invited)["invitation_url"]
    alerts = {
        "update": update,
        "view": view,
        "mapping": mapping,
        "invitation": link.partition("token=")[2],
        "feed": polled,
        "template": template,
        "rule": rule,
        "receiver": made["id"],
        "alert": alert,
        "mailed": mailed,
    }
    return alerts | {
        "issue": issue,
        "company": names["Contoso"],
        "user": user,
        "service": service,
        "hook": hook,
        "group": group,
    }


def assert_every_declared_page_is_opened() -> None:
    opened = [re.sub(r"[?].*", "", path) for path in (*PAGES, *CUSTOMER_PAGES, *PUBLIC_PAGES)]
    declared = {route.path for route in declared_routes() if isinstance(route, PageRoute) and route.safe}
    for path in declared - NOT_PAGES:
        pattern = re.sub(r"{\w+}", r"[^/]+", path)
        assert "/static/" in path or any(re.fullmatch(pattern, each) for each in opened), path


@pytest.mark.long
@pytest.mark.timeout(600)  # it takes 90 s on a slow machine that runs nothing else, and twice that among other tests
def test_every_page_has_no_violation(world: World, browse: Browse) -> None:
    assert_every_declared_page_is_opened()
    ids = scene(world)
    page = browse("ada", None)
    page.add_init_script(LOADED)

    wrong = []
    for path in PAGES:
        page.goto(path.format(**ids))
        page.evaluate(STARTED)
        wrong += problems(page, path)
    wrong += problems(browse("mia", "/"), "refused")
    world.given_customer("cara", "Contoso", "O’Neill’s Bar")
    customer = browse("cara", "/portal")
    for path in CUSTOMER_PAGES:
        customer.goto(path)
        wrong += problems(customer, path)
    page.context.clear_cookies()
    for path in (*PUBLIC_PAGES, "/login"):
        page.goto(path.format(**ids))
        wrong += problems(page, path)
    page.get_by_label("Email").fill("ada@helpdesk.example")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    wrong += problems(page, "/login, wrong")

    assert wrong == []


def test_open_dialogs_have_no_violation(world: World, browse: Browse) -> None:
    page = browse("ada", f"/issues/{given_issues(world)}")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("row", name="Contoso").locator(".status").click()
    assert violations(page) == []
    page.keyboard.press("4")
    expect(page.locator(".toast")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Resolve for everyone").click()
    expect(page.get_by_role("dialog", name="Resolve for everyone?")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name="Contoso").check()
    assert violations(page) == []
    page.evaluate("document.getElementById('sign-in').showModal()")
    assert violations(page) == []
    page.evaluate("document.getElementById('sign-in').close()")
    page.evaluate("document.getElementById('conflict').showModal()")
    page.evaluate("document.querySelectorAll('#conflict button').forEach(b => b.textContent = 'Keep mine: New')")
    assert violations(page) == []


def test_open_dialogs_of_list_and_matrix_have_no_violation(world: World, browse: Browse) -> None:
    given_issues(world)
    page = browse("tess", "/")
    page.get_by_label("All of Slow mail").check()
    assert violations(page) == []
    page.get_by_role("group", name="Set the status").get_by_role("button", name="Resolved").click()
    expect(page.get_by_role("dialog", name="Set to Resolved?")).to_be_visible()
    assert violations(page) == []

    page = browse("tess", "/matrix")
    page.get_by_label("All of Slow mail").check()
    assert violations(page) == []
    page.get_by_label("All of Slow mail").uncheck()
    page.locator(".matrix tbody td").first.click()
    expect(page.locator("#status-menu")).to_be_visible()
    assert violations(page) == []


def test_forms_with_errors_have_no_violation(world: World, browse: Browse) -> None:
    given_issues(world)
    page = browse("tess", "/issues/new")
    page.get_by_label("Name", exact=True).fill("Slow mail")
    page.get_by_label("Companies", exact=True).fill("Nobody we know")
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".wrong").first).to_be_visible()
    assert violations(page) == []


def assert_no_violation_wide_and_narrow(page: Page) -> None:
    assert violations(page, NARROW, WIDE) == []
    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), viewport


def test_a_form_submitted_after_the_session_has_no_violation(world: World, browse: Browse) -> None:
    """As a browser without scripts sends it; axe needs scripts, so the test builds and submits the form itself."""
    page = browse("tess", "/issues/new")
    world.clock.advance(hours=13)
    page.evaluate("""() => {
        const form = Object.assign(document.createElement("form"), { method: "post", action: "/issues/new" });
        for (const [name, value] of [["name", "Slow mail"], ["description", "Packet loss. ".repeat(40)]])
            form.append(Object.assign(document.createElement("input"), { name, value }));
        document.body.append(form);
        form.submit();
    }""")
    expect(page.get_by_text("your entries are still here")).to_be_visible()
    assert_no_violation_wide_and_narrow(page)
    page.get_by_label("Email").fill("tess@helpdesk.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("button", name="Send it now")).to_be_visible()
    assert_no_violation_wide_and_narrow(page)


def test_the_chosen_theme_is_stored(world: World, browse: Browse) -> None:
    page = browse("tess", "/")
    page.get_by_role("button", name="Switch to dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.goto("/companies")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    expect(page.get_by_role("button", name="Switch to light")).to_be_visible()
