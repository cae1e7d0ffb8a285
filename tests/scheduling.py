"""Which tests one process runs, when several processes share the tests."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler.loadgroup import LoadGroupScheduling

ENGINE = re.compile(r"\[(?:.*-)?(sqlite|postgresql)\b")

# The tests of these folders load a library, or start a provider, that takes longer than most of them.
FOLDERS = ("tests/scim/", "tests/single_sign_on/")


class Together(LoadGroupScheduling):  # type: ignore[misc]  # pytest-xdist has no type annotations
    """Gives each test to the next free process, except that one process runs all tests on one database of a module that
    is marked `together`, and one runs all tests of each of a few folders.

    The names of the tests say which these are. pytest-xdist itself would add the name of a group to the name of a test,
    which newer versions of pytest ignore, so that each process would make the shared fixtures.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        for folder in FOLDERS:
            if module.startswith(folder):
                return folder
        if not _is_together(Path(str(self.config.rootpath)) / module):
            return nodeid
        engine = ENGINE.search(nodeid)
        return f"{module} {engine[1] if engine else ''}"


@cache
def _is_together(module: Path) -> bool:
    return "\npytestmark = pytest.mark.together\n" in module.read_text(encoding="utf-8")
