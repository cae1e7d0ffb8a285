"""Typed text and pages are not lost if the server is unreachable or does not respond, or if too many tabs are open."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import delete

from issue_tracker.database.tables import sessions
from tests.chromium import ready
from tests.pages.conftest import Browse
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HIDE = """
let hidden = true;
Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
window.show = () => { hidden = false; document.dispatchEvent(new Event("visibilitychange")); };
"""

HURRY = "const timeout = AbortSignal.timeout; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 50);"


def with_script(browse: Browse, script: str) -> Page:
    """Opens a page of Tess in which a script runs before those of the page."""
    page = browse("tess", None, watched=False)
    page.add_init_script(script)
    return page


def test_a_background_tab_holds_no_connection(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = with_script(browse, HIDE)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto("/")
    ready(page)
    page.evaluate("fetch('/healthz')")
    assert not [url for url in requested if "events/stream" in url]

    with page.expect_request("**/api/events/stream"):
        page.evaluate("show()")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_a_server_that_never_answers_is_reported(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = with_script(browse, HURRY)
    page.goto("/")
    ready(page)
    page.route("**/assignments/bulk", lambda route: None)

    page.get_by_role("row", name="Contoso").locator(".status").focus()
    page.keyboard.press("3")

    expect(page.locator(".toast.wrong")).to_contain_text(
        "The server did not respond within 15 seconds. The change may or may not have been made."
    )
    expect(page.get_by_role("row", name="Contoso").locator(".status")).to_have_text("New")


def test_a_stream_without_a_response_is_opened_again(world: World, browse: Browse) -> None:
    """As after a sleep of the computer, in which the connection died without either side noticing."""
    page = with_script(
        browse, "const later = setTimeout; setTimeout = (run, ms, ...rest) => later(run, ms / 50, ...rest);"
    )
    page.route("**/api/events/stream", lambda route: None, times=1)
    page.goto("/")

    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def company(world: World) -> str:
    return f"/admin/companies/{world.given_companies('Contoso')['Contoso']}"


def user(world: World) -> str:
    items = world.client("ada").call("GET", "/api/users", 200)["items"]
    return f"/admin/users/{next(each['user_id'] for each in items if each['name'] == 'Omar Reyes')}"


def webhook(world: World) -> str:
    body = {"url": "https://hooks.helpdesk.example/", "event_types": [], "company_ids": []}
    return f"/admin/webhooks/{world.client('ada').call('POST', '/api/webhooks', 201, json=body)['id']}"


FORMS: list[tuple[Callable[[World], str], str, str, str, Callable[[Page], Locator]]] = [
    (company, "#f-name", "Save", "Contoso Ltd", lambda page: page.get_by_text("Contoso Ltd")),
    (user, "#f-name", "Save", "Omar R.", lambda page: page.get_by_text("Omar R.")),
    (webhook, "#f-description", "Save", "Status page", lambda page: page.locator("[value='Status page']")),
    (lambda _: "/account", "#f-name", "Save", "Ada L.", lambda page: page.locator("h1", has_text="Ada L.")),
    (lambda _: "/account", "#token-name", "Create", "nightly", lambda page: page.locator(".secret")),
]


def test_any_form_survives_the_end_of_the_session(world: World, browse: Browse) -> None:
    paths = [path(world) for path, *_ in FORMS]
    page = browse("ada", paths[0])
    for path, (_, field, button, text, done) in zip(paths, FORMS, strict=True):
        if path != urlsplit(page.url).path:
            page.goto(path)
        ready(page)
        page.locator(field).fill(text)
        with world.database.write() as tx:
            tx.execute(delete(sessions))

        page.get_by_role("button", name=button, exact=True).first.click()
        dialog = page.get_by_role("dialog", name="Your session has ended")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Sign in").click()

        expect(done(page), f"{path} {field}").to_be_visible()


def away(page: Page) -> None:
    page.context.set_offline(True)


def broken(page: Page) -> None:
    page.route("**/api/auth/session", lambda route: route.fulfill(status=503, json={"detail": "Try again shortly."}))


GAP = """() => document.querySelector("[data-unsent]").getBoundingClientRect().top
  - document.querySelector("#new-update > summary").getBoundingClientRect().bottom"""


def test_no_form_is_lost_if_the_server_is_unreachable(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new", watched=False)
    for name, fail, why in (
        ("Slow mail", away, "The server did not respond."),
        ("Slower mail", broken, "Try again shortly."),
    ):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Description").fill("Half a page of text")
        fail(page)
        page.get_by_role("button", name="Create issue").click()
        expect(page.get_by_role("alert")).to_contain_text(f"Nothing was sent. {why}")
        expect(page.get_by_label("Description"), why).to_have_value("Half a page of text")

        page.context.set_offline(False)
        page.unroute("**/api/auth/session")
        page.get_by_role("button", name="Create issue").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        ready(page)
        page.get_by_text("Add update").click()
        page.locator("#new-update-body").fill("It is the relay")
        fail(page)
        page.locator("#new-update button.main").click()
        message = page.get_by_role("alert").filter(has_text="Nothing was sent.")
        expect(message).to_be_visible()
        assert page.evaluate(GAP) >= 8, "between the button that opens the form and the message"
        page.context.set_offline(False)
        page.unroute("**/api/auth/session")
        page.goto("/issues/new")
        ready(page)
        expect(page.get_by_label("Description"), why).to_have_value("")


def test_a_draft_is_stored_until_the_server_has_accepted_it(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new", watched=False)
    page.get_by_label("Name", exact=True).fill("Slow mail")
    page.get_by_label("Description").fill("Half a page of text")
    page.route("**/issues/new", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    with page.expect_event("requestfailed", lambda request: request.method == "POST"):
        page.get_by_role("button", name="Create issue").click()

    page.unroute("**/issues/new")
    page.goto("/companies")
    page.goto("/issues/new")
    expect(page.get_by_label("Description")).to_have_value("Half a page of text")
    page.get_by_role("button", name="Create issue").click()
    expect(page.get_by_role("heading", name="Slow mail")).to_be_visible()
    ready(page)
    page.goto("/issues/new")
    expect(page.get_by_label("Description")).to_have_value("")


def test_a_draft_is_deleted_if_the_same_page_is_shown_after_success(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/webhooks")
    page.get_by_text("New webhook").click()
    page.get_by_label("Address").fill("https://hooks.helpdesk.example/issues")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.locator(".secret")).to_be_visible()
    ready(page)

    page.goto("/admin/webhooks")
    expect(page.get_by_label("Address")).to_have_value("")


def test_the_note_of_a_menu_is_restored_at_its_assignment(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new"})
    page = browse("tess", "/")
    contoso, fabrikam = (page.get_by_role("row", name=name).locator(".status") for name in ("Contoso", "Fabrikam"))
    note = page.locator("#status-menu-note")

    contoso.click()
    note.fill("Called back at noon")
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    fabrikam.click()
    expect(note).to_have_value("")
    page.mouse.click(5, 500)
    expect(note).to_be_hidden()
    contoso.click()
    expect(note).to_have_value("Called back at noon")
    page.get_by_role("button", name="Monitoring").click()
    expect(page.locator("#toasts")).to_contain_text("Contoso: Monitoring")

    contoso.click()
    expect(note).to_have_value("")
    found = world.client().call("GET", "/api/events?companyName=Contoso&type=assignment.status_changed", 200)
    assert [event["note"] for event in found["items"]] == ["Called back at noon"]


def test_signing_out_removes_what_was_typed(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new")
    page.get_by_label("Name").fill("Typed by Tess")
    assert page.evaluate("Object.keys(sessionStorage).some(key => key.startsWith('draft:'))")

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).join().includes('Typed by Tess')") is False


def test_the_next_user_of_a_tab_sees_no_text_of_the_previous_one(world: World, browse: Browse) -> None:
    page = browse("tess", "/issues/new")
    page.get_by_label("Name").fill("Typed by Tess")
    # The session ends without a sign-out, and another user signs in.
    page.context.clear_cookies()
    page.context.add_cookies(
        [{"name": "issue_tracker_session", "value": world.session_token("omar"), "url": world.server.url}]
    )

    page.goto("/issues/new")

    ready(page)
    expect(page.get_by_label("Name")).to_have_value("")
    assert page.evaluate("Object.values(sessionStorage).join().includes('Typed by Tess')") is False
