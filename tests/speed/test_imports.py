"""Libraries that most installations never need are imported where they are used.

Each of them takes megabytes of every worker, and time of every start (docs/performance.md).
"""

import subprocess
import sys

LATER = {
    *("aiosmtpd", "authlib", "cryptography", "email.policy", "feedparser", "httpcore", "idna", "imapclient", "joserfc"),
    *("markdown_it", "sqlalchemy.dialects.postgresql", "webauthn"),
}


def test_the_application_starts_without_libraries_that_it_may_never_need() -> None:
    program = "import sys, issue_tracker.app; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "issue_tracker.app" in found
    assert LATER.isdisjoint(found)
