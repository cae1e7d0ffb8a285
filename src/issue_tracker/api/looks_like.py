"""The header that warns of names which look alike."""

from collections.abc import Sequence
from urllib.parse import quote


def looks_like(names: Sequence[str]) -> dict[str, str]:
    """Returns the header that lists existing names which look like the new one, each percent-encoded.

    This is a header because the shapes of bodies are fixed; clients that do not know it can ignore it.
    """
    return {"X-Looks-Like": ", ".join(quote(name, safe="") for name in names)} if names else {}
