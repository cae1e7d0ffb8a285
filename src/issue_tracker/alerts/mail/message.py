"""Parses email messages (RFC 5322, MIME), including malformed and hostile ones.

Only the beginning of a message is parsed, and only the beginning of each header is decoded, so that the costs of a
message from an unknown sender are limited. Attachments are ignored.
"""

import codecs
import hashlib
import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from enum import StrEnum

import msgspec

from issue_tracker.alerts.mail.plain_text import text_of_html
from issue_tracker.errors import Invalid

PARSED = 512 * 1024
"""Number of bytes of a message that are parsed. Its text precedes the attachments."""

MOST_BOUNDARIES = 1000
"""Maximum number of lines that look like a boundary: parsing some ten thousand parts takes seconds."""

MOST_MULTIPARTS = 100
"""Maximum number of parts that contain parts: the parser passes each line through all open ones."""

UNSUITABLE = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"))
"""Codecs of Python that are not character sets of email; some are slow, or decode to invalid Unicode."""

LONGEST_HEADERS = 64 * 1024
LONGEST_HEADER = 2000
LONGEST_TEXT = 100_000

_FAILURES = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
"""Exceptions that the standard library raises for malformed headers and parts, although it should collect defects."""

_NO_MESSAGE = "This is not an email message: it has no headers."

_end_of_headers = re.compile(rb"\r?\n\r?\n")
_header = re.compile(rb"(?:From [^\n]*\n)?[A-Za-z0-9][A-Za-z0-9-]*[ \t]*:")
_control = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Automatic(StrEnum):
    """The reason why a message is not an alert: a mail program generated it, and a response could cause a mail loop."""

    BOUNCE = "bounce"
    REPLY = "automatic reply"
    MASS = "mass mail"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a message that patterns search: texts without control characters, the body as plain text with `\\n`.

    `sender` is the address in the header From. `identity` is the same for each copy of a message; None if the message
    has no Message-ID.
    """

    subject: str
    sender: str
    body: str
    identity: bytes | None
    automatic: Automatic | None


def read_mail(content: bytes, *, null_sender: bool = False) -> Mail:
    """Parses a message. `null_sender`: its return path is empty, as that of a bounce.

    Raises Invalid, with a sentence that quotes nothing from the message, if it is not a valid message.
    """
    from issue_tracker.alerts.mail.header_policy import POLICY  # noqa: PLC0415 - half a MB, seldom needed

    content = content.lstrip()
    if not _header.match(content):
        raise Invalid(_NO_MESSAGE)
    end = _end_of_headers.search(content, 0, LONGEST_HEADERS + 4)
    if end is None and len(content) > LONGEST_HEADERS:
        raise Invalid(f"The headers of the message are longer than {LONGEST_HEADERS // 1024} kB.")
    beginning = content[:PARSED]
    nested = beginning.lower().count(b"multipart/")
    if beginning.count(b"\n--") > MOST_BOUNDARIES or nested > MOST_MULTIPARTS:
        raise Invalid("The message has too many parts.")
    try:
        parsed = BytesParser(EmailMessage, policy=POLICY).parsebytes(beginning)
        headers = _headers(parsed)
        if "from" not in headers and "subject" not in headers:
            raise Invalid(_NO_MESSAGE)
        return Mail(
            subject=_one_line(_decoded(headers.get("subject", ""))),
            sender=_one_line(parseaddr(_decoded(headers.get("from", "")))[1]).lower(),
            body=_text(parsed),
            identity=_identity(headers, content[end.end() :] if end else b""),
            automatic=Automatic.BOUNCE if null_sender else _automatic(headers, parsed),
        )
    except _FAILURES:
        raise Invalid("The message cannot be read.") from None


def _headers(parsed: EmailMessage) -> dict[str, str]:
    """Returns the beginning of the first header of each name, not yet decoded."""
    found: dict[str, str] = {}
    for name, value in parsed.raw_items():
        found.setdefault(str(name).lower(), str(value)[:LONGEST_HEADER])
    return found


def _decoded(value: str) -> str:
    """Returns the text of a header: encoded words (RFC 2047) are decoded, and undecodable bytes replaced."""
    from email import policy  # noqa: PLC0415 - not loaded at every start

    try:
        text = str(policy.default.header_factory("subject", value))
    except _FAILURES:
        text = value
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _one_line(text: str) -> str:
    return " ".join(_control.sub(" ", text).split())[:LONGEST_HEADER]


def _text(parsed: EmailMessage) -> str:
    """Returns the text of the body: the plain text part or, if there is none, the HTML part."""
    part = parsed.get_body(("plain", "html"))
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    text = _valid(content, part.get_content_charset("utf-8"))
    text = text_of_html(text) if part.get_content_type() == "text/html" else text[:LONGEST_TEXT]
    return _control.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _valid(content: bytes, charset: str) -> str:
    """Decodes a text. Whatever is invalid, also lone surrogates, is replaced; an unknown character set is UTF-8."""
    try:
        suitable = codecs.lookup(charset).name.replace("-", "_") not in UNSUITABLE
        text = content.decode(charset if suitable else "utf-8", "replace")
    except (LookupError, UnicodeError):
        text = content.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()


def _identity(headers: dict[str, str], content: bytes) -> bytes | None:
    """Returns a digest that is the same for all copies of a message, regardless of their trace headers."""
    if not headers.get("message-id"):
        return None
    digest = hashlib.sha256(content)
    for name in ("message-id", "date", "subject"):
        digest.update(b"\0" + headers.get(name, "").strip().encode("utf-8", "surrogateescape"))
    return digest.digest()


def _automatic(headers: dict[str, str], parsed: EmailMessage) -> Automatic | None:
    """Recognizes bounces (RFC 3464), automatic replies (RFC 3834, and Microsoft's header), and mass mail.

    Monitoring systems that follow RFC 3834 mark their messages as `auto-generated`: this alone is not a reason.
    """
    submitted = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    if parsed.get_content_type() == "multipart/report" or headers.get("return-path", "").strip() == "<>":
        return Automatic.BOUNCE
    if submitted not in ("no", "", "auto-generated") or "x-autoreply" in headers or "x-autorespond" in headers:
        return Automatic.REPLY
    precedence = headers.get("precedence", "").strip().lower()
    if precedence in ("auto_reply", "auto-reply") or headers.get("x-auto-response-suppress", "").strip():
        return Automatic.REPLY
    if submitted == "auto-generated":
        return None
    return Automatic.MASS if precedence in ("bulk", "junk", "list") or "list-id" in headers else None
