"""Takes the pictures of the README from a demonstration in a new database: the list, the matrix and the dark theme."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
PAGES = (
    ("list", "/?open=true", "light"),
    ("matrix", "/matrix", "light"),
    ("dark", "/?open=true&sort=updated_at", "dark"),
)
COMMAND = [sys.executable, "-c", "from issue_tracker.cli import main; main()"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"ISSUE_TRACKER_DATABASE_URL": f"sqlite:///{folder}/demo.db"}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        subprocess.run([*COMMAND, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        printed = subprocess.run(
            [*COMMAND, "demo"], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        email, password = sign_in_of(printed)
        with subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], env=environment, stdout=subprocess.DEVNULL
        ) as server:
            try:
                wait_for(port)
                take_pictures(f"http://127.0.0.1:{port}", email, password)
            finally:
                server.terminate()


def sign_in_of(printed: str) -> tuple[str, str]:
    """The first technician's credentials, as `issue-tracker demo` prints them."""
    line = next(line for line in printed.splitlines() if "tess@" in line)
    email, password = re.findall(r"\S+", line)[:2]
    return email, password


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("The server did not start.")


def take_pictures(url: str, email: str, password: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    paths = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, paths), None), args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(
            viewport={"width": 1440, "height": 860}, locale="en-GB", timezone_id="Europe/London"
        )
        page = context.new_page()
        page.goto(f"{url}/login")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("#results")
        for name, path, theme in PAGES:
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            page.goto(url + path)
            page.wait_for_selector("#connection[data-state=live]")
            page.screenshot(path=PICTURES / f"{name}.png")
            print(f"docs/pictures/{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
