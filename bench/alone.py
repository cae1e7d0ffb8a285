"""The product's command line, as it is when installed by itself: the peer's packages, which Litestar would load where
it finds them, are out of sight.
"""

import runpy
import sys

for name in ("pydantic", "fastapi", "aiosqlite"):
    sys.modules[name] = None  # type: ignore[assignment]

if __name__ == "__main__":
    runpy.run_module("issue_tracker.cli", run_name="__main__")
