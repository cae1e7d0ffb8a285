"""Styles, scripts and drawings: served from memory, under a path that names their content, and so kept for a year.

The hash covers the whole tree, because modules import each other by relative paths.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent / "static"
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(msgspec.Struct, frozen=True):
    """One file."""

    content: bytes
    media_type: str


def _load() -> tuple[dict[str, Asset], str]:
    found, digest = {}, hashlib.sha256()
    for path in sorted(ROOT.rglob("*")):
        if path.suffix not in KINDS:
            continue
        name, content = path.relative_to(ROOT).as_posix(), path.read_bytes()
        digest.update(name.encode() + b"\0" + content)
        found[name] = Asset(content, KINDS[path.suffix])
    return found, digest.hexdigest()[:16]


ASSETS, VERSION = _load()


@cache
def compressed(name: str) -> bytes | None:
    """The file compressed, where that makes it smaller: done when it is first asked for, not at every start."""
    content = ASSETS[name].content
    small = gzip.compress(content, 9, mtime=0)
    return small if len(small) < len(content) else None


def asset_path(name: str) -> str:
    """Where a page finds an asset. An unknown name is a mistake in a template."""
    assert name in ASSETS, name
    return f"/static/{VERSION}/{name}"
