"""A certified provider in a separate process, and a user who signs in there without a browser."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.clients import Client

SECRET = "a secret of the tests"

SCRIPT = Path(__file__).with_name("provider.mjs")


class RealProvider:
    """The provider `real`, by its issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._control = Client(base_url=issuer)

    def set(self, **people: dict[str, Any] | None) -> None:
        """Changes the claims of users by subject; None removes a user."""
        assert self._control.post("/control", json=people).status_code == 200

    def send_sign_outs_to(self, address: str) -> None:
        assert self._control.post("/control", json={"backchannel": address}).status_code == 200

    def sign_in(self, address: str, subject: str, browser: Client | None = None) -> str:
        """Signs in at the authorization address, and returns the address to which the provider redirects the
        browser.
        """
        browser = browser or Client()
        answer = browser.get(address)
        while True:
            if answer.status_code == 200:
                answer = browser.post(str(answer.url), data={"login": subject})
            location = httpx.URL(str(answer.url)).join(answer.headers["Location"])
            if not str(location).startswith(self.issuer):
                return str(location)
            answer = browser.get(location)

    def close(self) -> None:
        self._control.close()


@contextmanager
def real_provider() -> Iterator[RealProvider]:
    """Runs the provider until the block ends."""
    node = shutil.which("node")
    assert node, "scripts/test-environment node installs it"
    process = subprocess.Popen([node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    issuer = process.stdout.readline().strip()
    while issuer and not issuer.startswith("http://127.0.0.1:"):
        issuer = process.stdout.readline().strip()
    assert issuer, "the provider did not start"
    provider = RealProvider(issuer)
    try:
        yield provider
    finally:
        provider.close()
        process.stdin.close()
        process.wait(10)


def authorization_address(page: str) -> str:
    """Returns the address of the provider from the product's page that leads there."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            if tag == "meta" and given.get("http-equiv") == "refresh":
                found.append(str(given["content"]).partition("url=")[2])

    Reader().feed(page)
    [address] = found
    return address


def parameters(address: str) -> dict[str, str]:
    """Returns the parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
