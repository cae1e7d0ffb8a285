"""A confirmation before something is deleted permanently: a page that sends the same form again, without script."""

from starlette.responses import Response

from issue_tracker.http.request import Request
from issue_tracker.pages.forms import SURE, Form, FormView
from issue_tracker.pages.templating import page


def confirmation(request: Request, form: Form, title: str, consequence: str, verb: str) -> Response | None:
    """Returns the page that must be confirmed before a handler acts on its form; None once it was confirmed.

    `title` is a question, `consequence` a sentence, `verb` the text of the button.
    """
    if form.sure:
        return None
    shown = {"title": title, "consequence": consequence, "verb": verb, "action": request.path, "field": SURE}
    return page(request, "web/confirmation.html", shown=shown, fields=form.pairs, form=FormView())
