"""Where a reader is, and where to send them next: always a path on this site."""

from urllib.parse import parse_qsl, quote

from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call

HERE = "_here"


def here(call: Call) -> str:
    """The page that the reader is looking at: this one, or the one that the form of this request was first shown on.

    Every form says so in its field `_here`. The address that it was sent from does not: after a refusal that is the
    form's own, which may take nothing but posts.
    """
    if call.safe:
        query = call.scope["query_string"].decode("latin-1")
        return f"{call.path}?{query}" if query else call.path
    fields = parse_qsl((call.body or b"").decode("utf-8", "replace"), errors="replace")
    return local(dict(fields).get(HERE, ""))


def local(target: str, default: str = "/") -> str:
    """The target if it is a path on this site: a form must not send anyone elsewhere. Ready for a header."""
    sane = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return quote(target, safe="/?&=#%+!$'()*,;:@~") if sane else default


def redirect(target: str, *cookies: str) -> Answer:
    """303: the browser goes to `target` with GET, so that a reload repeats nothing."""
    answer = Answer(status=303, headers={"Location": target})
    answer.headers += [("Set-Cookie", cookie) for cookie in cookies]
    return answer
