"""Many small cases as one test, over one server and one set of test data."""

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

Test = Callable[..., None]


def cases(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Test], Test]:
    """Runs a test for each value (or tuple of values) in turn, with the fixtures of one test.

    Like `pytest.mark.parametrize`, for cases that change nothing, or nothing that the other cases see. All cases run,
    and the message of the test contains each failure with its case.
    """
    columns = (names,) if isinstance(names, str) else names
    rows = [(value,) if isinstance(names, str) else value for value in values]
    given: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in rows]

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run_all(**fixtures: Any) -> None:
            failures = []
            for case in given:
                try:
                    test(**fixtures, **case)
                except Exception as failure:
                    failure.add_note(", ".join(f"{name}={reprlib.repr(value)}" for name, value in case.items()))
                    failures.append(failure)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(given)} cases failed", failures)

        signature = inspect.signature(test)
        own = [part for name, part in signature.parameters.items() if name not in given[0]]
        vars(run_all)["__signature__"] = signature.replace(parameters=own)
        return run_all

    return decorate
