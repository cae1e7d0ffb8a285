"""Reads any number of rows in bounded memory."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Select, Table

from issue_tracker.actor import Actor, require_super_admin

PIECE = 1000
"""Number of rows held in memory at a time."""

T = TypeVar("T")


def stream(tx: Connection, actor: Actor, query: Select[Any], *, at_once: int = PIECE) -> Iterator[Any]:
    """Yields the rows of a query, read in pieces. Raises Forbidden unless the actor is a super admin."""
    require_super_admin(actor)
    return iter(tx.execute(query.execution_options(yield_per=at_once)))


def columns(table: Table, fields: type[msgspec.Struct]) -> list[Column[Any]]:
    """Returns the columns that correspond to the fields of a struct, in their order."""
    return [table.c[name] for name in fields.__struct_fields__]


def pieces(rows: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yields the same rows, or numbers, as lists that are short enough to become parameters of a query."""
    remaining = iter(rows)
    while piece := list(islice(remaining, PIECE // 2)):
        yield piece


def together(attribute: str, *iterables: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yields what several iterables contain for each value of a numeric attribute, by which each must be sorted."""
    number = attrgetter(attribute)
    for found, group in groupby(heapq.merge(*iterables, key=number), key=number):
        yield found, list(group)
