"""How a receiver reads any JSON: JMESPath expressions for the parts of an alert (https://jmespath.org/).

JMESPath has no loops and no access outside the data, so the cost of an expression is bounded by the product of the
length of the message and its own length. Both are limited.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from issue_tracker.errors import Invalid
from issue_tracker.field_errors import FieldErrors

Expression = Annotated[str, Meta(min_length=1, max_length=500)]


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """JMESPath expressions. `alerts` selects the alerts of a message; the others are applied to each of them.

    `labels` selects an object, whose texts, numbers and truth values become labels. An alert is resolved if `state` is
    one of `resolved`, compared as text regardless of case, and firing otherwise.
    """

    alerts: Expression = "@"
    key: Expression = "key"
    state: Expression = "state"
    resolved: list[Annotated[str, Meta(max_length=100)]] = msgspec.field(
        default_factory=lambda: ["resolved", "ok", "up"]
    )
    labels: Expression = "@"
    summary: Expression = "summary"
    url: Expression = "url"


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one alert that the expressions found."""

    key: str
    resolved: bool
    labels: dict[str, str]
    summary: str | None
    url: str | None


def require_valid(mapping: Mapping) -> None:
    """Raises Invalid for the fields of the mapping whose expressions are not valid JMESPath."""
    errors = FieldErrors()
    for field in mapping.__struct_fields__:
        expression = getattr(mapping, field)
        if isinstance(expression, str):
            try:
                _compiled(expression)
            except ValueError:
                errors.add(f"mapping.{field}", "is not a valid JMESPath expression")
    errors.raise_found()


def mapped(data: Any, mapping: Mapping) -> Iterator[Mapped]:
    """Yields the alerts in a message. Raises Invalid if an expression does not find a required part, or fails."""
    found = _search(mapping.alerts, data, "alerts")
    resolved = {text.casefold() for text in mapping.resolved}
    for one in found if isinstance(found, list) else [found]:
        key, state = _search(mapping.key, one, "key"), _search(mapping.state, one, "state")
        labels = _search(mapping.labels, one, "labels")
        if not isinstance(key, str | int) or not isinstance(state, str | int):
            raise Invalid("The mapping of this receiver finds no key or no state for an alert in the message.")
        yield Mapped(
            key=str(key),
            resolved=_plain(state).casefold() in resolved,
            labels={name: _plain(value) for name, value in labels.items() if isinstance(value, str | int | float)}
            if isinstance(labels, dict)
            else {},
            summary=_optional(_search(mapping.summary, one, "summary")),
            url=_optional(_search(mapping.url, one, "url")),
        )


_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the library itself raises for some data, such as ValueError for the slice [::0] of a list."""


def _search(expression: str, data: Any, field: str) -> Any:
    # Imported here, because most servers have no such receiver.
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]  # noqa: PLC0415 - loaded with jmespath

    try:
        return _compiled(expression).search(data)
    except (JMESPathError, *_FAILURES):
        raise Invalid(f"The expression “{field}” of this receiver does not fit the message.") from None


@lru_cache(maxsize=200)
def _compiled(expression: str) -> Any:
    import jmespath  # type: ignore[import-untyped]  # it has no types  # noqa: PLC0415 - not loaded at every start

    return jmespath.compile(expression)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
