"""Pages of a list: the first rows of a query, in an order, after a position."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, tuple_

from issue_tracker.issues.queries.filters import Order

PAGE_SIZES = (11, 26, 51, 101, 201, 501, 1001)


def page_size(limit: int) -> int | None:
    """Returns the lowest of PAGE_SIZES that is not below a limit; None if there is none.

    PostgreSQL plans a statement with such a number only once, but one whose limit is a parameter at each use, which
    takes longer than to execute it.
    """
    return next((size for size in PAGE_SIZES if size >= limit), None)


def page_of(
    query: Select[Any], by: ColumnElement[Any], issue_id: ColumnElement[Any], order: Order, paged: bool
) -> Select[Any]:
    """Returns the query for the first `limit` rows in an order; if `paged`, after the position `after`, `after_id`."""
    if paged:
        this = tuple_(by, issue_id)
        position = tuple_(bindparam("after", type_=by.type), bindparam("after_id", type_=BigInteger))
        query = query.where(this < position if order.descending else this > position)
    return in_order(query, by, issue_id, order).limit(bindparam("limit"))


def in_order(query: Select[Any], by: ColumnElement[Any], issue_id: ColumnElement[Any], order: Order) -> Select[Any]:
    """Returns the query in an order: by a column, and by the id among equal values."""
    return query.order_by(by.desc(), issue_id.desc()) if order.descending else query.order_by(by, issue_id)
