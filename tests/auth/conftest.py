"""A server whose address permits passkeys."""

from collections.abc import Iterator

import msgspec
import pytest

from tests.auth.passkeys import ORIGIN
from tests.server import Server, serving
from tests.shared import Shared


@pytest.fixture(scope="module")
def site(engine: str, shared: Shared) -> Iterator[Server]:
    """A second server on the same database, with an address for which browsers create passkeys."""
    settings = msgspec.structs.replace(shared.server(engine).settings, second_factor="nobody")
    with serving(settings, public_url=ORIGIN) as server:
        yield server
