"""Reports all invalid fields of a request at once, whichever checks find them."""

from collections.abc import Iterator
from contextlib import contextmanager

from issue_tracker.errors import FieldError, Invalid


class FieldErrors:
    """The invalid fields that several checks find, so that one response names all of them (contract, section 2)."""

    def __init__(self) -> None:
        self._found: list[FieldError] = []

    @property
    def any(self) -> bool:
        """Whether an invalid field was found."""
        return bool(self._found)

    def add(self, field: str, message: str) -> None:
        """Adds an invalid field."""
        self._found.append(FieldError(field, message))

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Adds the fields of an Invalid that ends the block. Errors that name no field pass."""
        try:
            yield
        except Invalid as invalid:
            if not invalid.fields:
                raise
            self._found += invalid.fields

    def raise_found(self, kind: type[Invalid] = Invalid) -> None:
        """Raises one error of this kind for all fields that were found; none if there are none."""
        if self._found:
            raise kind.of(self._found)
