"""The first start: the link that the server prints creates the first super admin, once."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.pages.axe import violations
from tests.pages.conftest import WIDE
from tests.processes import run, serve


def test_the_printed_link_creates_the_first_super_admin(
    fresh_database_url: str, chromium: Browser, tmp_path: Path
) -> None:
    migrated = run("migrate", database_url=fresh_database_url)
    assert migrated.returncode == 0, migrated.stderr
    with serve(fresh_database_url, tmp_path / "log") as server:
        found = re.search(r"http\S+/setup\?token=\S+", server.log.read_text())
        assert found is not None
        link = found[0]
        page = chromium.new_context(viewport=WIDE).new_page()
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
        page.goto(link)
        expect(page.get_by_text("This set-up link is not valid, has expired, or was used already.")).to_be_visible()
        page.context.close()
