"""Prepares types for decoding in several threads.

When msgspec (0.22) decodes into a type for the first time, it stores a description of the type in the type, and
completes it afterwards. A second thread that decodes into the same type at that moment uses the incomplete description,
which ends the process with a segmentation fault. Therefore each type is prepared by one thread before others know it.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import TypeVar

import msgspec

T = TypeVar("T")


def prepared(type_: type[T]) -> type[T]:
    """Completes what msgspec stores about a type and about the types of its fields, and returns the type. No other
    thread may know the type yet.
    """
    msgspec.json.Decoder(type_)
    return type_


@cache
def prepare_structs() -> None:
    """Prepares all struct types that are defined, once, in 10 ms: before threads handle requests.

    A module that is imported later prepares its own types, because other threads wait while a module is imported.
    """
    for struct in set(derived(msgspec.Struct)):
        with suppress(TypeError):  # JSON cannot be decoded into it
            prepared(struct)


def derived(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Yields the types that are derived from a struct, directly or indirectly; some of them more than once."""
    for below in struct.__subclasses__():
        yield below
        yield from derived(below)
