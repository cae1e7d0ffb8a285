"""Single sign-on in Chromium: through a certified provider and back, under the content security policy."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete, update

from issue_tracker.database.tables import sessions
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse, browse  # noqa: F401 - a fixture
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import RealProvider
from tests.single_sign_on.test_group_mappings import given_mapping
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HOOK = "https://hooks.helpdesk.example/issues"


def sign_in_there(page: Page) -> None:
    page.get_by_label("Login").fill("c1")
    page.get_by_role("button", name="Sign in there").click()


def test_signing_in_confirming_and_signing_out_in_a_browser(world: World, browse: Browse, real: RealProvider) -> None:  # noqa: F811 - the fixture
    given_mapping(world, "leads", "super_admin", source="real")
    real.set(c1={"email": "nina@helpdesk.example", "email_verified": True, "name": "Nina Vogt", "groups": ["leads"]})
    page = browse(None, "/login?next=/admin/webhooks")
    page.get_by_role("button", name="Sign in with Real & Co").click()
    sign_in_there(page)
    expect(page).to_have_url(f"{world.server.url}/admin/webhooks")

    with world.database.write() as tx:
        tx.execute(update(sessions).values(confirmed_at=None))
    page.get_by_text("New webhook").click()
    page.get_by_label("Address").fill(HOOK)
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert violations(page) == [] and page.get_by_label("Your password").count() == 0
    page.get_by_role("button", name="Sign in again with Real & Co").click()
    sign_in_there(page)  # although the provider has a session
    expect(page.get_by_text(HOOK)).to_be_visible()
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))


def test_the_pages_have_no_accessibility_violation(world: World, browse: Browse, fake: FakeProvider) -> None:  # noqa: F811 - the fixture
    mapping = given_mapping(world, "cn=leads", "technician", {"companies": ["Contoso"]})
    page = browse("ada", "/account", viewport=NARROW)
    wrong = []
    for path in (None, "/admin/group-mappings", f"/admin/group-mappings/{mapping}"):
        if path is not None:
            page.goto(path)
        wrong += [f"{page.url}: {violation}" for violation in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{page.url}: wider than the screen")
    page.get_by_label("Companies that they see").fill("Nobody")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nobody").first).to_be_visible()
    wrong += [f"refused: {violation}" for violation in violations(page)]
    page.context.clear_cookies()
    fake.status = 500
    page.goto("/login")
    page.get_by_role("button", name="Sign in with Fake").click()
    expect(page.get_by_role("alert")).to_contain_text("Signing in with Fake does not work at the moment")
    wrong += [f"failed: {violation}" for violation in violations(page)]
    assert wrong == []


def test_an_ended_session_continues_after_a_sign_in_in_another_tab(
    world: World,
    browse: Browse,  # noqa: F811 - the fixture
    real: RealProvider,
) -> None:
    real.set(c1={"email": "tess@helpdesk.example", "email_verified": True})
    page = browse("tess", "/issues/new")
    page.get_by_label("Name", exact=True).fill("Slow mail")
    with world.database.write() as tx:
        tx.execute(delete(sessions))
    page.get_by_role("button", name="Create").click()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    assert violations(page) == []
    with page.context.expect_page() as opened:
        dialog.get_by_role("link", name="Sign in with a provider").click()
    other = opened.value
    other.get_by_role("button", name="Sign in with Real & Co").click()
    sign_in_there(other)
    expect(other).to_have_url(f"{world.server.url}/account")
    other.close()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
