"""Runs the product's command line as if only the product were installed.

The packages of the peer and of the tests are hidden, so that no dependency of the product finds and imports them.
"""

import runpy
import sys

for name in ("pydantic", "fastapi", "aiosqlite", "greenlet", "rich", "multipart", "python_multipart"):
    sys.modules[name] = None  # type: ignore[assignment]  # makes the import fail

if __name__ == "__main__":
    runpy.run_module("issue_tracker.cli", run_name="__main__")
