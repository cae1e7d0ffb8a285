"""What must not happen: a form without its token, a name as markup, a page in a cache, a script from elsewhere."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from issue_tracker.app import endpoints
from issue_tracker.web.context import Access
from issue_tracker.web.pages import PageEndpoint
from tests.pages.conftest import Browse
from tests.world import PASSWORD, World

MARKUP = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>'"&amp;{{7*7}}"""

PAGES = [endpoint for endpoint in endpoints() if isinstance(endpoint, PageEndpoint)]
FORMS = [endpoint for endpoint in PAGES if not endpoint.safe]


def path_of(endpoint: PageEndpoint) -> str:
    return re.sub(r"\{\w+\}", "1", endpoint.path)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_no_form_works_without_its_token(world: World, token: str | None) -> None:
    client = world.client("ada")
    del client.headers["X-CSRF-Token"]
    form = {} if token is None else {"_csrf": token}

    for endpoint in FORMS:
        if endpoint.access is not Access.PUBLIC:
            answer = client.post(path_of(endpoint), data=form, headers={"Accept": "text/html"})
            assert (endpoint.path, answer.status_code) == (endpoint.path, 403)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_public_forms_refuse_other_sites(world: World) -> None:
    client = world.anonymous()

    for endpoint in FORMS:
        if endpoint.access is Access.PUBLIC:
            for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
                answer = client.post(path_of(endpoint), data={"email": "x"}, headers=headers)
                assert (endpoint.path, answer.status_code) == (endpoint.path, 403)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_whoever_is_not_signed_in_goes_to_the_sign_in(world: World) -> None:
    client = world.anonymous()

    for endpoint in PAGES:
        if endpoint.access is not Access.PUBLIC:
            answer = client.request(endpoint.method, path_of(endpoint))
            assert (endpoint.path, answer.status_code) == (endpoint.path, 303)
            assert answer.headers["location"].startswith("/login?next=%2F")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_member_sees_nothing_but_the_account(world: World) -> None:
    client = world.client("mia")

    for endpoint in PAGES:
        if endpoint.safe and endpoint.access in (Access.HELPDESK, Access.SUPER_ADMIN):
            answer = client.get(path_of(endpoint), headers={"Accept": "text/html"})
            assert (endpoint.path, answer.status_code) == (endpoint.path, 403)
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_pages_are_not_cached_and_assets_are(world: World) -> None:
    client = world.client("ada")

    listed = client.get("/")
    assert listed.headers["cache-control"] == "no-store"
    assert "unsafe" not in listed.headers["content-security-policy"]
    assert "default-src 'self'" in listed.headers["content-security-policy"]
    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', listed.text)
    assert len(assets) >= 5
    for asset in assets:
        assert client.get(asset).headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_nobody_is_sent_to_another_site(world: World) -> None:
    credentials = {"email": "tess@helpdesk.example", "password": PASSWORD}
    for target in (
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/\t/elsewhere.example",
    ):
        answer = world.anonymous().post("/login", data=credentials | {"next": target})
        assert (answer.status_code, answer.headers["location"]) == (303, "/?open=true")


def test_names_full_of_markup_are_shown_as_they_are(world: World, browse: Browse) -> None:
    names = world.given_companies(MARKUP, "Contoso")
    issue = world.given_issue(MARKUP, {MARKUP: "new", "Contoso": "new"}, MARKUP)
    change: dict[str, Any] = {"issue_name": MARKUP, "company_name": MARKUP, "status": "monitoring", "note": MARKUP}
    world.client().call("PUT", "/api/issues/status", 200, json=change)
    page = browse("ada", "/")

    for path in (
        "/",
        "/matrix",
        f"/issues/{issue}",
        f"/issues/{issue}/resolve",
        f"/issues/{issue}/delete",
        f"/assignments?on={issue}-{names[MARKUP]}",
        f"/companies/{names[MARKUP]}",
        "/companies",
        "/activity",
        "/admin/companies",
        f"/admin/companies/{names[MARKUP]}",
    ):
        page.goto(path)
        page.wait_for_selector("html[data-ready]")
        expect(page.locator("main")).to_contain_text(MARKUP)
        assert page.locator("img").count() == 0
        assert page.title() != "owned"
    page.goto(f"/issues/{issue}")
    page.get_by_role("link", name="Resolve for everyone").click()
    expect(page.get_by_role("dialog").get_by_text(MARKUP)).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.locator("#toasts")).to_contain_text("2 companies set to Resolved.")
    assert page.locator("img").count() == 0
