"""Many small cases as one test, over one server and one set of test data."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def cases(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Test], Test]:
    """Runs a test for each value (or tuple of values) in turn, as a subtest with the fixtures of one test.

    Like `pytest.mark.parametrize`, for cases that change nothing, or nothing that the other cases see.
    """
    columns = (names,) if isinstance(names, str) else names
    rows = [(value,) if isinstance(names, str) else value for value in values]
    given: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in rows]

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run_all(subtests: pytest.Subtests, **fixtures: Any) -> None:
            for case in given:
                with subtests.test(**case):
                    test(**fixtures, **case)

        parts = inspect.signature(test).parameters
        own = [part for name, part in parts.items() if name not in given[0]]
        subtests = inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY)
        vars(run_all)["__signature__"] = inspect.Signature([*own, subtests])
        return run_all

    return decorate
