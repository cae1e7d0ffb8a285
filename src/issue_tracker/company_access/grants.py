"""What a limited company access is to, before it is stored."""

from collections.abc import Sequence

import msgspec


class Grant(msgspec.Struct, frozen=True):
    """The companies and the company groups that a limited access is to, by id."""

    company_ids: Sequence[int]
    group_ids: Sequence[int]
