"""Forms of pages: the content of a submitted form, and the state in which a form is shown, initially or again."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from issue_tracker.errors import AppError, FieldError, NotFound, TooLarge
from issue_tracker.http.request import Request
from issue_tracker.http.routes import require_media_type
from issue_tracker.http.validation import read_body
from issue_tracker.pages.navigation import LONGEST, local

T = TypeVar("T")

CARRIED_LIMIT = 64 * 1024
"""Maximum size of a form that is carried through a sign-in, in bytes as submitted."""

FORM = "application/x-www-form-urlencoded"

HERE = "_here"
"""The field in which every form names the page that contains it."""

SURE = "_sure"
"""The field with which a form states that a deletion has been confirmed (pages/confirmations.py)."""

CONFIRMATION, CONFIRMATION_CODE = "_confirm", "_confirm_code"
CONFIRMATION_CHALLENGE, CONFIRMATION_PASSKEY = "_confirm_challenge", "_confirm_passkey"
"""The fields in which a form contains the password, the code or the passkey that confirms the identity of the user
(templates/auth/confirm.html).
"""


class Form:
    """The content of a submitted form, without the fields that every form has: CSRF token, page, confirmation."""

    def __init__(self, pairs: Sequence[tuple[str, str]], most_items: int) -> None:
        self.most_items = most_items
        self.csrf = next((value for name, value in pairs if name == "_csrf"), None)
        self.confirmation = next((value for name, value in pairs if name == CONFIRMATION), None)
        self.page = next((value for name, value in pairs if name == HERE), None)
        self.sure = any(name == SURE for name, _ in pairs)
        self.confirmation_code = next((value for name, value in pairs if name == CONFIRMATION_CODE and value), None)
        self.confirmation_challenge = next((value for name, value in pairs if name == CONFIRMATION_CHALLENGE), None)
        self.confirmation_passkey = next(
            (value for name, value in pairs if name == CONFIRMATION_PASSKEY and value), None
        )
        confirming = (CONFIRMATION, CONFIRMATION_CODE, CONFIRMATION_CHALLENGE, CONFIRMATION_PASSKEY)
        around = ("_csrf", HERE, SURE, *confirming)
        self.pairs = [(name, value.replace("\r\n", "\n")) for name, value in pairs if name not in around]

    @classmethod
    def of(cls, request: Request) -> "Form":
        """Returns the form in the request body.

        Raises UnsupportedMediaType for a body of another type, and TooLarge for a form with too many fields.
        """
        if isinstance(request.posted, cls):
            return request.posted
        require_media_type(request, FORM, "The body must be a form.")
        text = (request.content or b"").decode("utf-8", "replace")
        most = request.most_fields
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=most)
        except ValueError:
            raise TooLarge(f"The form has more than {most:,} fields.") from None
        request.posted = form = cls(pairs, request.settings.list_items)
        return form

    @property
    def confirms(self) -> bool:
        """Whether the form contains a confirmation of the user's identity."""
        return self.confirmation is not None or self.confirmation_passkey is not None

    def get(self, name: str, default: str = "") -> str:
        """Returns the first value of a field."""
        return next((value for field, value in self.pairs if field == name), default)

    def all(self, name: str) -> list[str]:
        """Returns all values of a field that may be repeated."""
        return [value for field, value in self.pairs if field == name]

    def json(self, name: str) -> Any:
        """Returns the JSON that a script has written into a field; an empty object if it is invalid."""
        return decoded(self.get(name))

    def lines(self, name: str) -> list[str]:
        """Returns the lines of a text field that are not blank."""
        return [line.strip() for line in self.get(name).split("\n") if line.strip()]

    def fields(self, *names: str) -> dict[str, str]:
        """Returns the named fields; an absent field is empty."""
        return {name: self.get(name) for name in names}

    def read(self, fields: Mapping[str, Any], type_: type[T]) -> T:
        """Returns fields of this form as the request body of the API, so that both are validated in the same way.

        Raises Invalid with all fields that are wrong.
        """
        return read_body(msgspec.json.encode(fields), type_, self.most_items)


def decoded(text: str) -> Any:
    """Returns the JSON that a script has written; an empty object if it is invalid."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def here(request: Request) -> str:
    """Returns the page that the user sees: this one, or the one on which the form of this request was first shown.

    The Referer cannot be used: after a rejected form it is the URL of the form's target, which may accept only POST.
    The form of a client that was never signed in is not parsed.
    """
    if request.safe:
        query = request.query_text
        return f"{request.path}?{query}" if query and len(query) < LONGEST else request.path
    if request.identity is None and not request.known_session:
        return "/"
    try:
        return local(Form.of(request).page or "")
    except AppError:
        return "/"


class FormView:
    """A form as it is shown: its values, and its errors next to the fields where possible.

    `problem` is an error that belongs to no field of the form, `notice` a sentence above the form, `conflict` a
    concurrent change by another user. `touched` is true if the form was submitted before; `first` is then the name of
    the field that gets the focus, the first one with an error, or empty for the error above the form. `unclear` are the
    company names that the user has to check.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, *, notice: str | None = None) -> None:
        self.values = _Values(values or {})
        self.errors = _Errors()
        self.notice = notice
        self.touched = False
        self.problem: str | None = None
        self.conflict: Any = None
        self.first: str | None = None
        self.unclear: Any = None

    def with_defaults(self, values: Mapping[str, Any]) -> "FormView":
        """Returns the same form, with these values if it was not submitted before."""
        if not self.values:
            self.values.update(values)
        return self


class ShownForm(msgspec.Struct, frozen=True):
    """How a rejected form is shown again.

    `names` maps fields of the API to those of the form, `unknown` is the field to which an unknown name belongs,
    `lists` are the fields with several values. With `keep` False, the submitted values are not filled in again.
    `within` is the object of the API's body that contains the fields of the form, such as `feed`.
    """

    names: Mapping[str, str] = {}
    unknown: str | None = None
    lists: Sequence[str] = ()
    keep: bool = True
    within: str = ""

    def refused(self, form: Form, error: AppError) -> FormView:
        """Returns the form with the submitted values, and with the error at the fields that it names."""
        typed = {**dict(reversed(form.pairs)), **{name: form.all(name) for name in self.lists}}
        view = FormView(typed if self.keep else None)
        view.touched = True
        view.conflict = getattr(error, "conflict", None)
        fields = error.fields
        if not fields and self.unknown is not None and isinstance(error, NotFound):
            fields = (FieldError(self.unknown, error.detail),)
        named = {name for name, _ in form.pairs}.union(self.lists)
        others: list[str] = []
        for field in fields:
            base = field.field.removeprefix(f"{self.within}.").partition("[")[0].partition(".")[0]
            name = self.names.get(base, base)
            if name in named:
                view.errors.setdefault(name, _sentence(field.message))
            else:
                others.append(_about(name, field.message))
        if others or (not fields and view.conflict is None):
            view.problem = " ".join(others) or error.detail
        marked = (name for name, _ in form.pairs if name in view.errors)
        view.first = next(marked, next(iter(view.errors), "")) if view.problem is None and view.conflict is None else ""
        view.unclear = getattr(error, "unclear", None)
        return view


class _Values(dict[str, Any]):
    def __missing__(self, _key: str) -> str:
        return ""


class _Errors(dict[str, str]):
    def __missing__(self, _key: str) -> None:
        return None


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:].rstrip(".") + "."


def _about(name: str, message: str) -> str:
    """Returns the message about a field that the form does not show, as a sentence that names the field."""
    return _sentence(message if message[:1].isupper() else f"{name.replace('_', ' ')} {message}")


class CarriedForm(msgspec.Struct, frozen=True):
    """A form that was submitted after its session had ended: the path to which it was sent, and its fields."""

    path: str
    fields: list[tuple[str, str]]


def carried_form(request: Request) -> str:
    """Returns the form of this request as text, which the sign-in page contains; empty if there is no such form.

    Only forms from pages of this site are carried, so that another site cannot put a text in front of the user; only
    with the cookie of an ended session, so that forms of unknown clients cost nothing; and without passwords.
    """
    if request.safe or not request.content or request.header("sec-fetch-site") != "same-origin":
        return ""
    if not request.known_session or len(request.content) > CARRIED_LIMIT:
        return ""
    try:
        form = Form.of(request)
    except AppError:
        return ""
    fields = [(name, value) for name, value in form.pairs if "password" not in name]
    return msgspec.json.encode(CarriedForm(request.path, fields)).decode()


def read_carried_form(text: str) -> CarriedForm | None:
    """Returns the form in a text that `carried_form` produced; None for any other text."""
    try:
        found = msgspec.json.decode(text, type=CarriedForm)
    except msgspec.DecodeError:
        return None
    return found if local(found.path, "") == found.path else None
