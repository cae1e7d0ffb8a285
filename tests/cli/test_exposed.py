"""A server that listens on a reachable address logs at its start which protection only a reverse proxy can provide."""

import pytest

from tests.processes import run
from tests.shared import Shared

ELSEWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737), which no machine has: the server logs the warning, and then cannot start."""


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, {"TLS", "trusted proxy"}),
        ({"PUBLIC_URL": "https://issues.example.com"}, {"trusted proxy"}),
        ({"TRUSTED_PROXIES": "10.0.0.0/8"}, {"TLS"}),
        ({"PUBLIC_URL": "https://issues.example.com", "TRUSTED_PROXIES": "10.0.0.0/8"}, set()),
    ],
)
def test_missing_protection_is_logged_at_the_start(shared: Shared, settings: dict[str, str], warned: set[str]) -> None:
    done = run("serve", "--host", ELSEWHERE, database_url=shared.migrated("sqlite"), **settings)  # type: ignore[arg-type]  # text
    assert done.returncode == 1 and ELSEWHERE in done.stderr
    assert {word for word in ("TLS", "trusted proxy") if word in done.stderr} == warned


def test_mail_without_encryption_is_logged_at_the_start(shared: Shared) -> None:
    done = run("mail", "--host", ELSEWHERE, database_url=shared.migrated("sqlite"))
    assert done.returncode == 1 and "mail passes the network in the clear" in done.stderr and ELSEWHERE in done.stderr
