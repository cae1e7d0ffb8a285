"""The databases, and the mark of tests whose result does not depend on them.

See docs/decisions/0035-tests-on-both-databases.md.
"""

import pytest

ENGINES = ("sqlite", "postgresql")

# For the parsing and the refusal of input, the formats and headers of responses, and for what Python computes. The
# operations that such a test uses run on both databases in other tests.
decided_in_python = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
