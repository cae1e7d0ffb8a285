"""Administration of accounts and companies by super admins, and of one's own account."""

import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.chromium import WIDE, ready
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_an_account_is_created_changed_and_disabled(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/users")
    page.get_by_text("New user").click()
    page.locator("#f-email").fill("nina@helpdesk.example")
    page.get_by_label("Name", exact=True).fill("Nina Vogt")
    page.locator("#f-email").fill("tess@helpdesk.example")
    page.get_by_role("button", name="Create user").click()
    expect(page.locator("#f-email-about")).to_have_class("wrong")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Nina Vogt")
    page.locator("#f-email").fill("nina@helpdesk.example")
    page.get_by_role("button", name="Create user").click()
    expect(page.get_by_role("status").filter(has_text="Send this link to Nina Vogt")).to_be_visible()
    expect(page.get_by_role("row", name="Nina Vogt")).to_contain_text("invited until")
    assert violations(page) == []

    page.get_by_role("link", name="Edit Nina Vogt").click()
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Disable the user").click()
    expect(page.get_by_text("Nina Vogt (disabled)")).to_be_visible()

    page.get_by_role("link", name="Edit Ada Lund").click()
    page.get_by_label("Role").select_option("technician")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-role-about")).to_have_class("wrong")


def test_a_link_can_be_copied_and_leads_to_choosing_a_password(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/users")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Edit Omar Reyes").click()
    page.get_by_role("button", name="Create a link").click()
    link = page.locator(".secret").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.goto("/admin/users")
    expect(page.locator(".secret")).to_have_count(0)

    invited = browse(None, urlsplit(link)._replace(scheme="", netloc="").geturl())
    assert violations(invited) == []
    invited.get_by_label("New password").fill("short")
    invited.get_by_role("button", name="Set the password").click()
    expect(invited.locator("#f-password-about")).to_have_class("wrong")
    invited.get_by_label("New password").fill("nobody else knows this")
    invited.get_by_role("button", name="Set the password").click()
    expect(invited.get_by_role("heading", name="Issues")).to_be_visible()
    credentials = {"email": "omar@helpdesk.example", "password": "nobody else knows this"}
    world.anonymous().call("POST", "/api/auth/login", 200, json=credentials)


def test_a_given_password_is_replaced_at_the_first_sign_in(world: World, browse: Browse) -> None:
    account = {"email": "nina@helpdesk.example", "name": "Nina Vogt", "role": "technician", "password": PASSWORD}
    world.client("ada").call("POST", "/api/users", 201, json=account)
    page = browse(None, "/login?next=/companies")
    page.get_by_label("Email").fill("nina@helpdesk.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("nobody else knows this")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("heading", name="Companies")).to_be_visible()


def test_a_user_can_be_limited_to_some_companies(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Other fault", {"Fabrikam": "new"})
    group = {"name": "North", "company_names": ["Contoso"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    page = browse("ada", "/admin/users")
    page.get_by_role("link", name="Edit Tess Ngo").click()
    page.get_by_label("Company access").select_option("limited")
    page.get_by_label("Companies that the user sees").fill("Nobody")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-companies-about")).to_contain_text("“Nobody”")
    page.get_by_label("Company groups that the user sees").fill("north")
    page.get_by_label("Companies that the user sees").fill("Acme Manufacturing")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("row", name="Tess Ngo")).to_contain_text("North, Acme Manufacturing")

    page.get_by_role("link", name="Edit Tess Ngo").click()
    expect(page.get_by_label("Company access")).to_have_value("limited")
    expect(page.get_by_label("Company groups that the user sees")).to_have_value("North")
    expect(page.get_by_label("Companies that the user sees")).to_have_value("Acme Manufacturing")
    seen = world.client("tess").get("/").text
    assert ">Slow mail</a>" in seen and "Other fault" not in seen


def test_a_company_is_added_archived_and_deleted(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("ada", "/admin/companies")
    page.get_by_text("New company").click()
    page.get_by_label("Name", exact=True).fill("contoso")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#f-name-about")).to_contain_text("already exists")
    page.get_by_label("Name", exact=True).fill("Northwind")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Added Northwind.")).to_be_visible()
    page.get_by_text("New company").click()
    page.get_by_label("Several").fill("Wingtip\n\nNORTHWIND\n" + "x" * 256)
    page.get_by_role("button", name="Add all").click()
    expect(page.locator("#f-several-about")).to_have_class("wrong")
    page.get_by_label("Several").fill("Wingtip\n\nNORTHWIND\nTailspin Toys")
    page.get_by_role("button", name="Add all").click()
    expect(page.locator("#flash")).to_contain_text("2 added, 1 already existed.")
    expect(page.get_by_role("link", name="Tailspin Toys", exact=True)).to_be_visible()

    page.get_by_role("link", name="Edit Contoso").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the company").click()
    expect(page.get_by_role("alert")).to_contain_text("archive it instead")
    page.get_by_label("Archived").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Contoso (archived)")).to_be_visible()
    page.get_by_role("link", name="Edit Northwind").click()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete Northwind?")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the company").click()
    expect(page.get_by_text("Deleted Northwind.")).to_be_visible()


def test_a_company_group_is_added_changed_and_deleted(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Other fault", {"Fabrikam": "new"})
    page = browse("ada", "/admin/company-groups")
    page.get_by_text("New company group").click()
    page.get_by_label("Name", exact=True).fill("North")
    page.get_by_label("Companies", exact=True).fill("Contoso\nNobody")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#f-company_names-about")).to_contain_text("“Nobody”")
    page.get_by_label("Companies", exact=True).fill("Contoso\nFabrikam")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Added North.")).to_be_visible()

    page.get_by_role("link", name="Edit North").click()
    expect(page.get_by_label("Companies", exact=True)).to_have_value("Contoso\nFabrikam")
    page.get_by_label("Companies", exact=True).fill("contoso")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    page.goto("/?companyGroup=north")
    expect(page.get_by_role("link", name="Slow mail")).to_be_visible()
    expect(page.get_by_role("link", name="Other fault")).to_have_count(0)
    expect(page.get_by_label("Company group", exact=True)).to_have_value("North")

    page.goto("/admin/company-groups")
    page.get_by_role("link", name="Edit North").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the group").click()
    expect(page.get_by_text("Deleted North.")).to_be_visible()


AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": "Firefox 128 on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/129.0.0.0 Safari/537.36 Edg/129.0.0.0": "Edge 129 on Windows",
    "curl/8.1": "curl 8",
    "our <b>own</b> script": "our <b>own</b> script",
    "": "unknown",
}


def test_sessions_are_listed_by_the_names_of_browsers(world: World) -> None:
    for agent in AGENTS:
        client = world.anonymous(headers={"User-Agent": agent})
        client.call("POST", "/api/auth/login", 200, json={"email": "tess@helpdesk.example", "password": PASSWORD})

    page = world.client("tess").get("/account/security").text
    _, _, table = page.partition("Your sessions")
    shown = re.findall(r"<tr>\s*<td><span [^>]*>([^<]*)</span></td>", table.partition("</table>")[0])
    assert sorted(map(unescape, shown)) == sorted([*AGENTS.values(), "tests"])


def test_users_manage_their_own_name_password_sessions_and_tokens(world: World, browse: Browse) -> None:
    world.session_token("tess")
    page = browse("tess", "/account")
    page.get_by_label("Name shown in the history").fill("Tess N.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Tess N.")).to_be_visible()

    page.get_by_role("link", name="Security settings").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    expect(page.get_by_role("button", name="End session")).to_have_count(0)
    page.get_by_role("link", name="Account", exact=True).click()

    page.get_by_label("Name of the new token").fill("nightly")
    page.get_by_label("Permissions").select_option("write")
    page.get_by_role("button", name="Create", exact=True).click()
    secret = page.locator(".secret").inner_text()
    client = world.anonymous(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/issues").status_code == 200
    page.get_by_role("button", name="Revoke nightly").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_text("The token has been revoked.")).to_be_visible()
    assert client.get("/api/issues").status_code == 401

    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password").fill("another correct horse")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#f-current_password-about")).to_have_class("wrong")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("another correct horse")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("The password has been changed")).to_be_visible()


def test_only_a_super_admin_can_delete_an_issue(world: World, browse: Browse) -> None:
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    shown = world.client("tess").get(f"/issues/{issue_id}").text
    assert "Edit this issue" in shown and f"/issues/{issue_id}/delete" not in shown

    page = browse("ada", f"/issues/{issue_id}")
    page.get_by_text("Edit this issue").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("Deleted “Slow mail”.")).to_be_visible()
    expect(page.get_by_text("Slow mail", exact=True)).to_have_count(0)


def test_a_technician_finds_a_company_and_changes_its_status(world: World, browse: Browse) -> None:
    names = world.given_companies("Contoso")
    world.given_issue("Slow mail", {"Contoso": "new"})
    world.given_issue("Broken phones", {"Contoso": "resolved"})
    page = browse("tess", "/companies")
    page.get_by_label("Search companies").fill("conto")
    page.wait_for_url("**/companies?search=conto")
    page.get_by_role("link", name="Contoso").click()
    expect(page).to_have_url(f"{world.server.url}/companies/{names['Contoso']}")
    ready(page)

    row = page.get_by_role("row", name="Slow mail")
    row.locator(".status").focus()
    page.keyboard.press("4")

    expect(row.locator(".status")).to_have_text("Monitoring")
    expect(page.locator("summary", has_text="1 resolved or closed")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("added the company to “Slow mail” as New")


def test_a_webhook_is_created_tested_and_deleted(world: World, browse: Browse) -> None:
    page = browse("ada", "/admin/webhooks")
    page.get_by_text("New webhook").click()
    page.get_by_label("Address").fill("https://hooks.helpdesk.example/issues")
    page.get_by_label("Companies (if empty: all)").fill("Nobody Ltd")
    expect(page.locator(".names .checked")).to_be_visible()  # it moves the button
    page.get_by_role("button", name="Create webhook").click()
    expect(page.locator("#f-companies-about")).to_contain_text("“Nobody Ltd”")
    expect(page.get_by_label("Address")).to_have_value("https://hooks.helpdesk.example/issues")
    page.get_by_label("Companies (if empty: all)").fill("Contoso")
    expect(page.get_by_text("1 found")).to_be_visible()
    page.get_by_label("assignment.status_changed").check()
    page.get_by_role("button", name="Create webhook").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")

    page.get_by_role("link", name="https://hooks.helpdesk.example/issues").click()
    expect(page.get_by_label("Companies (if empty: all)")).to_have_value("Contoso")
    expect(page.get_by_label("assignment.status_changed")).to_be_checked()
    page.get_by_label("Description").fill("Status page")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("row", name="Webhook test")).to_be_visible()
    page.get_by_role("button", name="Rotate the secret").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_text("No webhooks")).to_be_visible()
