"""A server with three providers: a certified one, one that misbehaves, and one with the safe defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from issue_tracker.auth.single_sign_on import client
from issue_tracker.settings import Settings
from tests.server import Server, serving
from tests.shared import Shared
from tests.single_sign_on.fake import FakeProvider
from tests.single_sign_on.provider import SECRET, RealProvider, real_provider

FILE = """
[[provider]]
id = "real"
name = "Real & Co"
issuer = "{real}"
client_id = "issue-tracker"
client_secret_file = "{secret}"
scopes = ["openid", "email", "profile", "groups"]
link_by_email = true
create_accounts = true

[[provider]]
id = "fake"
name = "Fake"
issuer = "{fake}"
client_id = "issue-tracker"
client_secret_file = "{secret}"
link_by_email = true
create_accounts = true
sign_out_there = true
email_domains = ["Helpdesk.example"]
required_claims = {{ "organization.id" = "helpdesk" }}

[[provider]]
id = "strict"
name = "Strict"
issuer = "{strict}"
client_id = "issue-tracker"
client_secret_file = "{secret}"
"""


@pytest.fixture(scope="session")
def real() -> Iterator[RealProvider]:
    """One certified provider for all tests of a process."""
    with real_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def fakes() -> Iterator[tuple[FakeProvider, FakeProvider]]:
    providers = FakeProvider(), FakeProvider()
    yield providers
    for provider in providers:
        provider.close()


@pytest.fixture(scope="session")
def providers_file(
    tmp_path_factory: pytest.TempPathFactory, real: RealProvider, fakes: tuple[FakeProvider, FakeProvider]
) -> str:
    """Returns the text of the file of providers."""
    secret = Path(tmp_path_factory.mktemp("secrets")) / "client"
    secret.write_text(SECRET)
    return FILE.format(real=real.issuer, fake=fakes[0].issuer, strict=fakes[1].issuer, secret=secret)


@pytest.fixture(scope="session")
def _served(engine: str, shared: Shared, providers_file: str) -> Iterator[Server]:
    settings = Settings(
        database_url=shared.migrated(engine),
        log_level="error",
        deliver_webhooks=False,
        identity_providers=providers_file,
        break_glass_accounts="ada@helpdesk.example",
    )
    with serving(settings) as server:
        yield server
        shared.leave_pages()  # afterwards no page could leave, because its server has ended


@pytest.fixture
def server(_served: Server) -> Server:
    """The product with these providers, which replaces the shared server."""
    return _served


@pytest.fixture
def fake(fakes: tuple[FakeProvider, FakeProvider], monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """The provider `fake`, which behaves correctly until the test changes it; the server has no earlier state of it."""
    fakes[0].reset()
    monkeypatch.setattr(client, "METADATA_SECONDS", 0.0)
    monkeypatch.setattr(client, "STALE_SECONDS", 0.0)
    monkeypatch.setattr(client, "FAILURE_PAUSE_SECONDS", 0.0)
    return fakes[0]


@pytest.fixture
def strict(fakes: tuple[FakeProvider, FakeProvider]) -> FakeProvider:
    """The provider `strict`, with its own issuer and keys."""
    fakes[1].reset()
    return fakes[1]
