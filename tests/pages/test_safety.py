"""Safety of pages: CSRF tokens, escaping of names, caching, and no scripts from other hosts."""

import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from issue_tracker.app import declared_routes
from issue_tracker.http.identity import Access
from issue_tracker.pages.routes import PageRoute
from tests.chromium import ready
from tests.pages.conftest import Browse, without_updates
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

MARKUP = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>'"&amp;{{7*7}}"""

PAGES = [endpoint for endpoint in declared_routes() if isinstance(endpoint, PageRoute)]
FORMS = [endpoint for endpoint in PAGES if not endpoint.safe]


# Without the pages that only a link with a token opens (test_first_start.py, auth/test_chosen_passwords.py).
LED_TO = ("/start", "/setup", "/invitation", "/password", "/login/second-factor", "/login/with/{provider}/callback")
"""Pages that only a link or a previous step leads to."""

OPENED = [each for each in PAGES if each.safe and "/static/" not in each.path and each.path not in LED_TO]


def path_of(endpoint: PageRoute) -> str:
    return re.sub(r"\{\w+\}", "1", endpoint.path)


@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_no_form_works_without_its_token(world: World, token: str | None) -> None:
    client = world.client("ada")
    del client.headers["X-CSRF-Token"]
    form = {} if token is None else {"_csrf": token}

    for endpoint in FORMS:
        if endpoint.access is not Access.PUBLIC:
            response = client.post(path_of(endpoint), data=form, headers={"Accept": "text/html"})
            assert (endpoint.path, response.status_code) == (endpoint.path, 403)


def test_public_forms_refuse_other_sites(world: World) -> None:
    client = world.anonymous()

    for endpoint in FORMS:
        if endpoint.access is Access.PUBLIC:
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
                response = client.post(path_of(endpoint), data={"email": "x"}, headers=headers)
                assert (endpoint.path, response.status_code) == (endpoint.path, 403)


def test_a_public_form_that_names_a_page_is_refused_like_any_other(world: World) -> None:
    for path in ("/login/with/removed", "/login/with/removed/sign-out"):
        response = world.anonymous().post(path, data={"_here": "/login", "logout_token": "x"})
        assert (path, response.status_code) == (path, 404)
        assert "There is no such identity provider." in response.text


def test_only_forms_that_may_need_a_confirmation_verify_a_password(world: World) -> None:
    client = world.client()
    form = {"_csrf": client.headers["X-CSRF-Token"], "_confirm": "wrong", "name": "Tess Tan"}
    assert client.post("/account/name", data=form).status_code == 303
    assert client.call("GET", "/api/auth/session", 200)["user"]["name"] == "Tess Tan"
    assert not [event for event in world.history(audit=True) if event.type == "session.proof_failed"]


def test_anonymous_readers_are_sent_to_the_sign_in_page(world: World) -> None:
    client = world.anonymous()

    for endpoint in PAGES:
        if endpoint.access is not Access.PUBLIC:
            response = client.request(endpoint.method, path_of(endpoint))
            assert (endpoint.path, response.status_code) == (endpoint.path, 303)
            assert response.headers["location"].startswith("/login?next=%2F")


def test_a_member_sees_only_the_account_page(world: World) -> None:
    client = world.client("mia")

    for endpoint in PAGES:
        if endpoint.safe and endpoint.access in (Access.HELPDESK, Access.SUPER_ADMIN, Access.ADMINISTRATOR):
            response = client.get(path_of(endpoint), headers={"Accept": "text/html"})
            assert (endpoint.path, response.status_code) == (endpoint.path, 403)
            assert 'href="/account">Your account' in response.text and "Go to the issues" not in response.text
    assert client.get("/account").status_code == 200


def test_pages_are_not_cached_and_assets_are(world: World) -> None:
    client = world.client("ada")
    issue, company = world.given_issue("Slow mail", {"Contoso": "new"}), world.given_companies("Contoso")["Contoso"]
    user = client.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    hooked = {"url": "https://hooks.helpdesk.example/issues", "active": False}
    hook = client.call("POST", "/api/webhooks", 201, json=hooked)["id"]
    group = client.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    said = client.call("POST", "/api/updates", 201, json={"issue_name": "Slow mail", "body": "x"})
    template = client.call("POST", "/api/templates", 201, json={"name": "Lines"})
    mapped = {"source": "scim", "group": "leads", "role": "technician", "company_access": "all"}
    mapping = client.call("POST", "/api/group-mappings", 201, json=mapped)
    receiver = client.call("POST", "/api/alert-receivers", 201, json={"name": "R", "kind": "email"})
    fed = {"url": "https://status.example/feed", "company_group": "North"}
    feed = client.call("POST", "/api/alert-receivers", 201, json={"name": "F", "kind": "feed", "feed": fed})
    rule = client.call("POST", "/api/alert-rules", 201, json={"name": "R", "rule": {}})
    view = client.call("POST", "/api/views", 201, json={"name": "V"})
    world.given_customer("cara", "Contoso")
    customer = world.client("cara")
    assets: set[str] = set()

    for endpoint in OPENED:
        path = endpoint.path.format(
            issue_id=issue,
            issue_name="Slow mail",
            company_id=company,
            user_id=user,
            webhook_id=hook,
            group_id=group["group_id"],
            update_id=said["update_id"],
            template_id=template["template_id"],
            mapping_id=mapping["id"],
            view_id=view["view_id"],
            id=(feed if "feeds" in endpoint.path else receiver if "receivers" in endpoint.path else rule)["id"],
        )
        reader = customer if endpoint.access is Access.CUSTOMER else client
        shown = reader.get(
            path, params={"on": f"{issue}-{company}"} if path in ("/assignments", "/matrix/cell") else None
        )
        assert (path, shown.status_code) == (path, 200)
        assert (path, shown.headers["cache-control"]) == (path, "no-store")
        policy = shown.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy, path
        assets |= set(re.findall(r'(?:href|src)="(/static/[^"]+)"', shown.text))
    assert len(OPENED) > 15 and any("matrix.css" in asset for asset in assets)
    for asset in assets:
        assert client.get(asset).headers["cache-control"] == "public, max-age=31536000, immutable"


def test_no_redirect_leads_to_another_site(world: World) -> None:
    credentials = {"email": "tess@helpdesk.example", "password": PASSWORD}
    for target in (
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/\t/elsewhere.example",
    ):
        response = world.anonymous().post("/login", data=credentials | {"next": target})
        assert (response.status_code, response.headers["location"]) == (303, "/start")


def full_of_markup(world: World) -> dict[str, Any]:
    """Creates an issue, its company and a change by Tess, all with the same name, and returns their ids."""
    client = world.client()
    tess = client.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    world.client("ada").call("PUT", f"/api/users/{tess}", 200, json={"name": MARKUP})
    names = world.given_companies(MARKUP, "Contoso")
    issue = world.given_issue(MARKUP, {MARKUP: "new", "Contoso": "new"}, MARKUP)
    change: dict[str, Any] = {"issue_name": MARKUP, "company_name": MARKUP, "status": "monitoring", "note": MARKUP}
    client.call("PUT", "/api/issues/status", 200, json=change)
    return {"issue": issue, "company": names[MARKUP], "user": tess}


def harmless(page: Page) -> None:
    """Checks that no part of the markup became an element or was executed."""
    assert page.locator("img").count() == 0
    assert page.title() != "owned"


def test_names_with_markup_are_shown_as_text(world: World, browse: Browse) -> None:
    ids = full_of_markup(world)
    hooked = {"url": "https://hooks.helpdesk.example/issues", "active": False, "description": MARKUP}
    world.client("ada").call("POST", "/api/webhooks", 201, json=hooked)
    world.token("ada", name=MARKUP)
    page = browse("ada", "/")

    for path in (
        None,
        "/matrix",
        "/issues/{issue}",
        "/issues/{issue}/resolve",
        "/issues/{issue}/delete",
        "/assignments?on={issue}-{company}",
        "/companies/{company}",
        "/companies",
        "/activity",
        "/account",
        "/admin/companies",
        "/admin/companies/{company}",
        "/admin/users",
        "/admin/users/{user}",
        "/admin/webhooks",
    ):
        if path is not None:
            page.goto(path.format(**ids))
            ready(page)
        expect(page.locator("main")).to_contain_text(MARKUP)
        if page.locator(".history").count():
            expect(page.locator(".history .by", has_text=MARKUP).first).to_have_text(MARKUP)
        harmless(page)
    tess = browse("tess", "/account")
    expect(tess.locator(".top .me")).to_have_text(MARKUP)
    harmless(tess)


def test_dialogs_show_markup_as_text(world: World, browse: Browse) -> None:
    ids = full_of_markup(world)
    page = browse("omar", "/", before=without_updates)
    status = page.locator(f'tr[data-on="{ids["issue"]}-{ids["company"]}"] .status')

    status.click()
    expect(page.locator("#status-menu-name")).to_have_text(f"{MARKUP}: {MARKUP}")
    page.keyboard.press("Escape")
    change = {"issue_name": MARKUP, "company_name": MARKUP, "status": "resolved"}
    world.client().call("PUT", "/api/issues/status", 200, json=change)
    page.keyboard.press("2")
    dialog = page.get_by_role("dialog", name="Someone else changed this")
    expect(dialog).to_contain_text(f"{MARKUP} in “{MARKUP}” was set to Resolved by {MARKUP}, ")
    harmless(page)
    dialog.get_by_role("button", name="Keep mine").click()
    expect(page.locator("#toasts")).to_contain_text(f"{MARKUP}: Investigating")

    page.goto(f"/issues/{ids['issue']}")
    page.get_by_role("link", name="Resolve for everyone").click()
    review = page.get_by_role("dialog", name="Resolve for everyone?")
    expect(review.get_by_text(MARKUP)).to_have_count(2)  # the issue and the company
    harmless(page)
    review.get_by_role("button", name="Resolve").click()
    expect(page.locator("#toasts")).to_contain_text("2 companies set to Resolved.")
    harmless(page)


def test_a_conflict_of_texts_shows_markup_as_text(world: World, browse: Browse) -> None:
    ids = full_of_markup(world)
    page = browse("omar", f"/issues/{ids['issue']}")
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Description").fill("As Omar saw it")
    issue = f"/api/issues/{quote(MARKUP, safe='')}"
    world.client().call("PUT", issue, 200, json={"description": f"Now {MARKUP}"})

    page.get_by_role("button", name="Save").click()

    expect(page.locator("#edit-conflict")).to_contain_text(f"{MARKUP} changed this")
    expect(page.locator("#edit-conflict")).to_contain_text(f"Now {MARKUP}")
    harmless(page)
