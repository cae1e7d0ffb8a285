"""The product's command line as it is when only the product is installed.

The peer's packages, which Litestar would import if it found them, are hidden.
"""

import runpy
import sys

for name in ("pydantic", "fastapi", "aiosqlite"):
    sys.modules[name] = None  # type: ignore[assignment]

if __name__ == "__main__":
    runpy.run_module("issue_tracker.cli", run_name="__main__")
