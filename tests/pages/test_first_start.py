"""The first start: the link that the server prints creates the first super admin, once."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.pages.axe import violations
from tests.pages.conftest import WIDE


@contextmanager
def started(database_url: str) -> Iterator[str]:
    """A server started as its operator would; gives the link that it printed."""
    database = Database(Settings(database_url=database_url))
    migrate.upgrade(database)
    database.close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from issue_tracker.cli import main; main()", "serve", "--port", str(port)]
    environment = os.environ | {"ISSUE_TRACKER_DATABASE_URL": database_url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield next(found[0] for line in process.stdout if (found := re.search(r"http\S+/setup\?token=\S+", line)))
        finally:
            process.terminate()


def answering(link: str) -> None:
    """Waits until the server that printed the link listens."""
    address = (urlsplit(link).hostname or "", urlsplit(link).port or 0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(address) == 0:
                return
        time.sleep(0.05)


def test_by_the_printed_link(fresh_database_url: str, chromium: Browser) -> None:
    with started(fresh_database_url) as link:
        page = chromium.new_context(viewport=WIDE).new_page()
        answering(link)
        page.goto(link)
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
        expect(page.get_by_text("This set-up link is not valid, or was used already.")).to_be_visible()
        page.context.close()
