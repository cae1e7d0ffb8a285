"""Where a reader is, and where to send them next: always a path on this site."""

from urllib.parse import quote, urlsplit

from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call


def here(call: Call) -> str:
    """The page that the reader is looking at: this one, or the one that a form was posted from."""
    if call.safe:
        query = call.scope["query_string"].decode("latin-1")
        return f"{call.path}?{query}" if query else call.path
    try:
        came_from = urlsplit(call.headers.get("referer", ""))
    except ValueError:
        return "/"
    if came_from.netloc != call.headers.get("host") or not came_from.path.startswith("/"):
        return "/"
    return local(f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path)


def local(target: str, default: str = "/") -> str:
    """The target if it is a path on this site: a form must not send anyone elsewhere. Ready for a header."""
    sane = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return quote(target, safe="/?&=#%+!$'()*,;:@~") if sane else default


def redirect(target: str, *cookies: str) -> Answer:
    """303: the browser goes to `target` with GET, so that a reload repeats nothing."""
    answer = Answer(status=303, headers={"Location": target})
    answer.headers += [("Set-Cookie", cookie) for cookie in cookies]
    return answer
