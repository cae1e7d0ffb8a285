"""Forms of pages: what one carried when it was posted, and how one is shown, for the first time or again."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from issue_tracker.errors import AppError, FieldError, NotFound, TooLarge
from issue_tracker.http.request import Request
from issue_tracker.http.routes import require_media_type
from issue_tracker.http.validation import read_body
from issue_tracker.pages.navigation import HERE, local

T = TypeVar("T")

CARRIED_LIMIT = 64 * 1024
"""The largest form, in bytes as it was posted, that is carried."""

FORM = "application/x-www-form-urlencoded"

SURE = "_sure"
"""The field with which a form says that what it deletes has been confirmed (pages/confirmations.py)."""

CONFIRMATION, CONFIRMATION_CODE = "_confirm", "_confirm_code"
CONFIRMATION_CHALLENGE, CONFIRMATION_PASSKEY = "_confirm_challenge", "_confirm_passkey"
"""The fields in which a form carries the password, the code or the passkey that confirms who sends it
(templates/auth/confirm.html).
"""


class Form:
    """What a posted form carried, without what is around it: CSRF token, page that it was on, confirmation."""

    def __init__(self, pairs: Sequence[tuple[str, str]], most_items: int) -> None:
        self.most_items = most_items
        self.csrf = next((value for name, value in pairs if name == "_csrf"), None)
        self.confirmation = next((value for name, value in pairs if name == CONFIRMATION), None)
        self.on_page = any(name == HERE for name, _ in pairs)
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
        """The form in the request body.

        Raises UnsupportedMediaType for a body that is something else, and TooLarge for one with too many fields.
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
        """Whether the form says who sends it."""
        return self.confirmation is not None or self.confirmation_passkey is not None

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return next((value for field, value in self.pairs if field == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be repeated."""
        return [value for field, value in self.pairs if field == name]

    def json(self, name: str) -> Any:
        """What a script has written into a field as JSON; an empty object for anything else."""
        return decoded(self.get(name))

    def lines(self, name: str) -> list[str]:
        """The lines of a text field that are not blank."""
        return [line.strip() for line in self.get(name).split("\n") if line.strip()]

    def fields(self, *names: str) -> dict[str, str]:
        """The named fields; an absent one is empty."""
        return {name: self.get(name) for name in names}

    def read(self, fields: Mapping[str, Any], type_: type[T]) -> T:
        """Fields of this form as the body that the API takes, so that there is one validation for both.

        Raises Invalid naming every field that is wrong.
        """
        return read_body(msgspec.json.encode(fields), type_, self.most_items)


def decoded(text: str) -> Any:
    """What a script has written as JSON; an empty object for anything else."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


class FormView:
    """A form as it is shown: what was typed, and what is wrong with it, beside the field where there is one.

    `problem` is an error that is about no field of the form, `notice` a sentence above the form, `conflict` what
    somebody else changed meanwhile. `touched` says that the form was sent before, and `first` what gets the focus then:
    the name of the first field with an error, or empty for the error above the form. `unclear` are the names in a text
    of company names that have to be checked.
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
        """The same form, filled with these values if nothing was typed."""
        if not self.values:
            self.values.update(values)
        return self


class ShownForm(msgspec.Struct, frozen=True):
    """How a form is shown again after it was refused.

    `names` maps fields of the API to those of the form, `unknown` is the field that an unknown name belongs to, `lists`
    are the fields with several values. `keep` is False where nothing is filled in again.
    """

    names: Mapping[str, str] = {}
    unknown: str | None = None
    lists: Sequence[str] = ()
    keep: bool = True

    def refused(self, form: Form, error: AppError) -> FormView:
        """The form with what was typed, and the error beside the fields that it names."""
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
            base = field.field.partition("[")[0].partition(".")[0]
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
    """The message about a field that the form does not show, as a sentence that says what it is about."""
    return _sentence(message if message[:1].isupper() else f"{name.replace('_', ' ')} {message}")


class CarriedForm(msgspec.Struct, frozen=True):
    """A form that was posted after its session had ended: where it was posted to, and what it held."""

    path: str
    fields: list[tuple[str, str]]


def carried_form(request: Request) -> str:
    """The form of this request as text, for the sign-in page to carry; empty where there is none to carry.

    Only forms of this site's own pages, so that nobody finds another site's text in front of them; only with the
    cookie of a session that has ended, so that a stranger's form costs nothing; and no passwords.
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
    """What `carried_form` wrote, as a page sent it back; None for anything else."""
    try:
        found = msgspec.json.decode(text, type=CarriedForm)
    except msgspec.DecodeError:
        return None
    return found if local(found.path, "") == found.path else None
