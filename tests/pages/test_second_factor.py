"""Second factors in a browser: passkeys with Chromium's own authenticator, and the dialog for signing in again."""

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.auth.factors import enrol
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse, just_before
from tests.server import serving
from tests.world import CAST, PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def with_authenticator(page: Page) -> None:
    """Gives the browser an authenticator that verifies its user."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in(page: Page, who: str) -> None:
    page.get_by_label("Email").fill(CAST[who][0])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_is_set_up_when_required_and_signs_in(world: World, chromium: Browser) -> None:
    needed = msgspec.structs.replace(world.server.settings, second_factor="super_admins")
    with serving(needed, public_url="http://localhost:{port}") as server:
        context = chromium.new_context(base_url=server.settings.public_url, viewport=NARROW)
        page = context.new_page()
        with_authenticator(page)
        page.goto("/matrix")
        sign_in(page, "ada")
        expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        assert violations(page) == []
        # They can be printed, without what can only be pressed.
        page.emulate_media(media="print")
        expect(page.locator(".secret")).to_be_visible()
        expect(page.locator(":is(a, button):visible")).to_have_count(0)
        page.emulate_media(media="screen")
        page.get_by_role("link", name="I have saved them").click()
        page.wait_for_url("**/matrix")

        page.goto("/account/security")
        expect(page.get_by_role("table", name="Your second factors")).to_contain_text("Passkey")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.locator("[data-problem]")).to_have_text(
            "This device or key already has a passkey for your account."
        )
        assert violations(page) == []

        page.get_by_role("button", name="Sign out").click()
        page.goto("/login?next=/companies")
        assert violations(page) == []
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url("**/companies")

        page.get_by_role("button", name="Sign out").click()
        sign_in(page, "ada")
        expect(page.get_by_role("heading", name="Second step")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/?open=true")

        # The same passkey confirms its user, and the form continues.
        world.clock.advance(minutes=10)
        page.goto("/admin/scim")
        page.get_by_label("Name of the new token").fill("Entra ID")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.locator(".secret", has_text="itscim_")).to_be_visible()
        expect(page.get_by_role("table", name="SCIM tokens")).to_contain_text("Entra ID")
        context.close()


def test_signing_in_again_requires_both_steps(world: World, browse: Browse) -> None:
    app = enrol(world)
    page = browse("tess", "/issues/new")
    page.get_by_label("Name", exact=True).fill("VPN is down")
    just_before(page, "**/api/auth/session", lambda: world.clock.advance(days=1))
    page.get_by_role("button", name="Create issue").click()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    code = dialog.get_by_label("Code of your authenticator app")
    code.fill("000000")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The code is wrong")
    assert violations(page) == []
    code.fill(app.code(world))
    dialog.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="VPN is down")).to_be_visible()
