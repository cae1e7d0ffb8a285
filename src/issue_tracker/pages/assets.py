"""Style sheets, scripts and drawings, served from memory under a path that identifies their content.

Browsers cache them for a year. The hash in the path covers all files together, because modules import each other by
relative paths. In addition to the files in `static/`, `status_assets.py` generates some from the status table.
"""

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

import msgspec

from issue_tracker.pages.status_assets import status_assets

ROOT = Path(__file__).parent.parent / "static"
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

PARTS = (
    "base",
    "frame",
    "bar",
    "controls",
    "names",
    "tables",
    "overlays",
    "status",
    "filters",
    "list",
    "list-narrow",
    "results",
    "bulk",
    "issue",
    "updates",
    "phone",
    "contrast",
    "print",
    "statuses",
)
"""The files in `css/main/`, in the order of the cascade. Browsers fetch them as one style sheet, `css/main.css`."""


_COMMENT = re.compile(rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)$", re.MULTILINE | re.DOTALL)
"""A comment that has its lines for itself. Comments next to code, such as those of types, remain."""


class Asset(msgspec.Struct, frozen=True):
    """The content of one file and its media type."""

    content: bytes
    media_type: str


def _load() -> tuple[dict[str, Asset], str]:
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in ROOT.rglob("*") if path.suffix in KINDS}
    files |= status_assets()
    files["css/main.css"] = b"\n".join(files.pop(f"css/main/{part}.css") for part in PARTS)
    forgotten = [name for name in files if name.startswith("css/main/")]
    assert not forgotten, f"{forgotten} must be listed in PARTS."
    files |= {name: without_comments(content) for name, content in files.items() if name.startswith("js/")}
    assets, digest = {}, hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content)
        assets[name] = Asset(content, KINDS[Path(name).suffix])
    return assets, digest.hexdigest()[:16]


def without_comments(script: bytes) -> bytes:
    """Returns a script of ours without its comments, which are a third of it. Every line keeps its number."""
    return _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), script)


ASSETS, VERSION = _load()


@cache
def compressed(name: str) -> bytes | None:
    """Returns the file compressed, or None if that does not make it smaller.

    A file is compressed at its first request, because compressing all of them would slow down every start.
    """
    content = ASSETS[name].content
    small = gzip.compress(content, 9, mtime=0)
    return small if len(small) < len(content) else None


def asset_path(name: str) -> str:
    """Returns the path under which a page finds an asset. An unknown name is a mistake in a template."""
    assert name in ASSETS, name
    return f"/static/{VERSION}/{name}"
