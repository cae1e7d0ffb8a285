"""A grant of limited company access, before it is stored."""

from collections.abc import Sequence

import msgspec


class Grant(msgspec.Struct, frozen=True):
    """The companies and the company groups to which an access is limited, by id."""

    company_ids: Sequence[int]
    group_ids: Sequence[int]
