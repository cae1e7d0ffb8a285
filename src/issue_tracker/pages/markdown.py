"""Renders the Markdown of updates as HTML that is safe to show to anyone.

CommonMark without raw HTML and without images, which would tell the author of a text who reads it. Links may lead only
to web and mail addresses, and do not disclose to the target the page that contains them.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

SCHEMES = ("http", "https", "mailto")


@lru_cache(maxsize=256)
def render(text: str) -> Markup:
    """Returns the text of an update as HTML."""
    return Markup(_parser().render(text))  # noqa: S704 - CommonMark with HTML switched off escapes everything


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Returns the text of an update without Markdown, for an email: paragraphs, lists with dashes, links followed by
    their URLs.
    """
    lines: list[str] = []
    depth, first = 0, ""
    for token in _parser().parse(text):
        if token.type == "list_item_open":
            number = f"{token.info}. " if token.info else "- "
            first = "  " * (depth - 1) + number
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        if token.type in ("inline", "fence", "code_block"):
            content = _spoken(token.children) if token.type == "inline" else token.content.rstrip("\n")
            indent = " " * len(first) if first else "  " * depth
            if lines and not first:
                lines.append("")
            lines.append(first + content.replace("\n", f"\n{indent}"))
            first = ""
    return "\n".join(lines)


def _spoken(tokens: Any) -> str:
    """Returns the text of the parts of a line; the URL of a link follows its text in parentheses."""
    said, links = "", []
    for token in tokens:
        if token.type == "link_open":
            links.append((len(said), str(token.attrGet("href") or "")))
        elif token.type == "link_close":
            start, address = links.pop()
            said += "" if said[start:] in (address, address.removeprefix("mailto:")) else f" ({address})"
        else:
            said += "\n" if token.type in ("softbreak", "hardbreak") else token.content
    return said


@lru_cache(maxsize=1024)
def first_words(text: str, most: int = 160) -> str:
    """Returns the beginning of an update without Markdown, on one line, with at most this number of characters."""
    words: list[str] = []
    for token in _parser().parse(text):
        if token.type in ("fence", "code_block"):
            words.append(token.content)
        for inline in token.children or ():
            words.append(
                inline.content if inline.type in ("text", "code_inline") else " " * inline.type.endswith("break")
            )
        words.append(" ")
    line = " ".join("".join(words).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


@lru_cache(maxsize=1)
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - would delay every start by 50 ms

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "linkify": True}).disable("image")
    parser.enable("linkify")
    assert parser.linkify is not None
    # Only complete URLs become links: `setup.py` is a file name, not a host in Paraguay.
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    parser.validateLink = _is_safe  # type: ignore[method-assign]  # the library's way to replace it
    parser.add_render_rule("link_open", _open_link)
    for rule in ("heading_open", "heading_close"):
        parser.add_render_rule(rule, _heading)
    return parser


def _is_safe(url: str) -> bool:
    try:
        return urlsplit(url).scheme.lower() in SCHEMES
    except ValueError:
        return False


def _open_link(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, index, options, env))


def _heading(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """Renders all headings as h3, below the headings of the page."""
    tokens[index].tag = "h3"
    return str(renderer.renderToken(tokens, index, options, env))
