"""Typed text is never lost: not by an error, a reload, or an expired session."""

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete

from issue_tracker.database.tables import sessions
from tests.chromium import ready
from tests.pages.conftest import Browse, just_before
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def end_every_session(world: World) -> None:
    with world.database.write() as tx:
        tx.execute(delete(sessions))


def end_sessions_at_the_next_request(world: World, page: Page, url: str) -> None:
    """Ends every session when the page sends its next request to this URL."""
    just_before(page, url, lambda: end_every_session(world))


def sign_in_again(page: Page) -> None:
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog.get_by_label("Email")).to_have_value("tess@helpdesk.example")
    dialog.get_by_label("Password").fill("not this one")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()


def test_a_new_issue_survives_the_end_of_the_session(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new")
    page.get_by_label("Name", exact=True).fill("Slow mail")
    page.get_by_label("Description").fill("A long text that nobody wants to type twice")
    page.get_by_label("Companies").fill("Contoso")
    end_sessions_at_the_next_request(world, page, "**/api/auth/session")  # checked before a form is sent

    page.get_by_role("button", name="Create issue").click()
    sign_in_again(page)

    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
    expect(page.get_by_text("A long text that nobody wants to type twice").first).to_be_visible()
    ready(page)
    page.goto("/issues/new")
    expect(page.get_by_label("Name", exact=True)).to_have_value("")


def test_a_quick_change_survives_the_end_of_the_session(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    end_sessions_at_the_next_request(world, page, "**/assignments/bulk")

    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("3")
    sign_in_again(page)

    expect(page.locator("#toasts")).to_contain_text("Contoso: In progress")
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)
    assert found["assignments"][0]["status"] == "in_progress"


def use_session(page: Page, world: World, who: str) -> None:
    """Gives the browser a new session, as a sign-in in another tab does."""
    page.context.add_cookies(
        [{"name": "issue_tracker_session", "value": world.session_token(who), "url": world.server.url}]
    )


def test_a_sign_in_in_another_tab_is_used(world: World, browse: Browse) -> None:
    """The next change uses it, and so does the stream, which otherwise notices it when its window gets the focus."""
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/")
    connection = page.locator("#connection")

    def sign_in_elsewhere() -> None:
        end_every_session(world)
        page.evaluate("dispatchEvent(new Event('online'))")  # connects again
        expect(connection).to_have_text("signed out")
        use_session(page, world, "tess")

    sign_in_elsewhere()
    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("3")
    expect(page.locator("#toasts")).to_contain_text("Contoso: In progress")
    expect(connection).to_have_text("live")

    sign_in_elsewhere()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(connection).to_have_text("live")


def test_a_change_is_not_made_as_another_user_who_has_signed_in(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", f"/issues/{issue_id}", watched=False)

    use_session(page, world, "omar")
    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("3")
    expect(page.locator(".me")).to_have_text("Omar Reyes")
    ready(page)
    use_session(page, world, "tess")
    page.get_by_text("Add update").click()
    page.locator("#new-update-body").fill("Written by Omar")
    page.locator("#new-update button.main").click()

    expect(page.locator(".me")).to_have_text("Tess Ngo")
    assert world.client().call("GET", "/api/updates?issueName=Slow%20mail", 200)["total"] == 0
    found = world.client().call("GET", "/api/issues/Slow%20mail", 200)
    assert found["assignments"][0]["status"] == "new"


def test_the_text_of_a_closed_tab_is_restored_and_can_be_discarded(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"}, "As it was")
    page = browse("tess", f"/issues/{issue_id}")
    page.get_by_text("Edit this issue").click()
    page.get_by_label("Description").fill("Half a sentence")

    page.goto("/companies")
    page.goto(f"/issues/{issue_id}")
    expect(page.get_by_text("The text that you typed before has been restored.")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("Half a sentence")
    page.get_by_role("button", name="Discard it").click()

    expect(page.get_by_label("Description")).to_have_value("As it was")
    page.reload()
    expect(page.get_by_text("The text that you typed before has been restored.")).to_have_count(0)
