"""The first start: the link that the server prints creates the first super admin, once."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import WIDE
from tests.pages.axe import violations
from tests.processes import run, serve

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

NEXT_STEPS = {
    "/": ("Your customers: whoever a fault can affect.", "/admin/companies"),
    "/matrix": ("An issue appears here as soon as it affects a company.", "/issues/new"),
    "/issues/new": ("There are no companies yet.", "/admin/companies"),
    "/companies": ("No companies yet", "/admin/companies"),
    "/handover": ("No issues yet", "/issues/new"),
    "/alerts": ("Monitoring reports alerts to a receiver", "/admin/alerts"),
    "/views": ("Filter the list of issues", "/?open=true"),
    "/admin/companies": ("Add your customers above", None),
    "/admin/company-groups": ("A group contains the customers of one provider", None),
    "/admin/templates": ("There are no templates yet.", None),
    "/admin/webhooks": ("A webhook sends every change to another system", None),
}
"""What pages of an empty installation say, and the page to which they lead."""


def test_the_printed_link_creates_the_first_super_admin(
    fresh_database_url: str, chromium: Browser, tmp_path: Path
) -> None:
    migrated = run("migrate", database_url=fresh_database_url)
    assert migrated.returncode == 0, migrated.stderr
    with serve(fresh_database_url, tmp_path / "log") as server:
        found = re.search(r"http\S+/setup\?token=\S+", server.log.read_text())
        assert found is not None
        link = found[0]
        page = chromium.new_context(viewport=WIDE, base_url=server.url).new_page()
        shown = page.goto(link)
        assert shown is not None and shown.headers["cache-control"] == "no-store"
        assert violations(page) == []
        page.get_by_label("Your name").fill("Ada Lund")
        page.get_by_label("Email").fill("ada@helpdesk.example")
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Create the account").click()
        expect(page.locator("#f-password-about")).to_have_class("wrong")
        assert violations(page) == []
        expect(page.get_by_label("Email")).to_have_value("ada@helpdesk.example")
        page.get_by_label("Password").fill("correct horse battery staple")
        page.get_by_role("button", name="Create the account").click()

        expect(page.get_by_text("No issues yet")).to_be_visible()
        expect(page.get_by_role("link", name="Admin")).to_be_visible()
        for path, (sentence, link_to) in NEXT_STEPS.items():
            page.goto(path)
            expect(page.locator("main")).to_contain_text(sentence)
            assert link_to is None or page.locator(f"main a[href='{link_to}']").count(), path
        page.goto(link)
        expect(page.get_by_text("This set-up link is not valid, has expired, or has already been used")).to_be_visible()
        page.context.close()
