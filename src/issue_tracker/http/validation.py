"""Converts bodies and queries to structs, once; code further inside trusts the values (docs/architecture.md).

msgspec decodes valid input in one step. If it rejects the input, `_explain` walks the same type field by field, because
the contract requires all errors at once, each with its field.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import inspect

from issue_tracker.errors import FieldError, Invalid, InvalidQuery
from issue_tracker.http.texts import TEXTS
from issue_tracker.names import END, composed, printable, repeated, whole_number
from issue_tracker.status import CHOICES, Status

T = TypeVar("T")

LINE = "^[^\\x00-\\x1f\\x7f]*" + END
"""The pattern of a single-line text."""

STORABLE = "^[^\\x00]*" + END
SearchText = Annotated[str, msgspec.Meta(pattern=STORABLE)]
"""A text that is looked up in the database, which rejects NUL characters."""

MOST_ERRORS = 1000
"""Maximum number of errors in one response: a body may cause a hundred thousand, and its sender may be anonymous."""

MOST_UNKNOWN = 100
"""Maximum number of unknown fields of one object that a response lists."""


def read_body(content: bytes, type_: type[T], most_items: int | None = None) -> T:
    """Returns the JSON body as `type_`; its lists may have up to `most_items`. Raises Invalid for every wrong field."""
    try:
        body = msgspec.json.decode(content, type=type_, dec_hook=_text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as refused:
        try:
            data = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Invalid.field("", "The body is not valid JSON in UTF-8") from None
        errors: list[FieldError] = []
        _explain(data, type_, "", errors)
        raise Invalid.of(errors or [FieldError("", str(refused))]) from None
    if most_items is not None:
        _refuse_long_lists(body, most_items)
    return body


def _refuse_long_lists(body: Any, most: int) -> None:
    names = zip(body.__struct_encode_fields__, body.__struct_fields__, strict=True)
    long = [name for name, field in names if isinstance(items := getattr(body, field), list) and len(items) > most]
    if long:
        raise Invalid.of([FieldError(name, f"must have at most {most:,} items") for name in long])


def read_query(parameters: Sequence[tuple[str, str]], type_: type[T], most_values: int | None = None) -> T:
    """Returns the query as `type_`. Values are composed (NFC) and trimmed; an empty one counts as absent.

    A parameter may have up to `most_values` values. Raises InvalidQuery that names every wrong parameter.
    """
    known = _parameters(cast(Hashable, type_))
    given: dict[str, list[str]] = {}
    errors = []
    for name, value in parameters:
        if name not in known:
            errors.append(FieldError(name, "is not a parameter of this resource"))
        elif text := composed(value).strip():
            given.setdefault(name, []).append(text)
    values: dict[str, Any] = {}
    for name, texts in given.items():
        parameter = known[name]
        if not parameter.repeated and len(texts) > 1:
            errors.append(FieldError(name, "is given more than once"))
            continue
        if most_values is not None and len(texts) > most_values:
            errors.append(FieldError(name, f"is given more than {most_values:,} times"))
            continue
        read = [_read_parameter(text, parameter, errors) for text in texts]
        values[parameter.field] = read if parameter.repeated else read[0]
    errors += [
        FieldError(name, "is required") for name, parameter in known.items() if parameter.required and name not in given
    ]
    if errors:
        raise InvalidQuery.of(list(dict.fromkeys(errors)))
    return type_(**values)


class _Parameter(msgspec.Struct, frozen=True):
    """A query parameter: its name in the query and in the struct, and the type of one value."""

    name: str
    field: str
    required: bool
    repeated: bool
    item: Any
    kind: inspect.Type


@cache
def _parameters(type_: Hashable) -> dict[str, _Parameter]:
    """Returns the fields of a struct as parameters, by name. Cached, because inspecting types is slow."""
    found = {}
    for field in msgspec.structs.fields(cast(Any, type_)):
        wanted = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        repeated = get_origin(wanted) is list
        item = get_args(wanted)[0] if repeated else field.type
        kind = _inside(inspect.type_info(item))
        found[field.encode_name] = _Parameter(field.encode_name, field.name, field.required, repeated, item, kind)
    return found


def _read_parameter(text: str, parameter: _Parameter, errors: list[FieldError]) -> Any:
    if isinstance(parameter.kind, inspect.DateTimeType):
        # The plus sign of an offset arrives as a space if the client did not percent-encode it.
        text = re.sub(r" (?=\d\d:\d\d$)", "+", text)
    number = whole_number(text) if isinstance(parameter.kind, inspect.IntType) else None
    try:
        if isinstance(parameter.kind, inspect.BoolType):
            return msgspec.convert(text, bool, strict=False)
        # The lenient mode would accept null for None, 1.0 for a number, and seconds since 1970 for an instant.
        return msgspec.convert(text if number is None else number, parameter.item, dec_hook=_text)
    except msgspec.ValidationError as refused:
        errors.append(FieldError(parameter.name, _message(text, parameter.item, refused)))
        return None


def _inside(info: inspect.Type) -> inspect.Type:
    """Returns the type itself, without None and without metadata."""
    if isinstance(info, inspect.Metadata):
        return _inside(info.type)
    if isinstance(info, inspect.UnionType):
        return _inside(next(choice for choice in info.types if not isinstance(choice, inspect.NoneType)))
    return info


def _text(type_: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return TEXTS[type_].parse(value)


def _explain(data: Any, type_: Any, path: str, errors: list[FieldError]) -> None:
    """Appends an error for everything in `data` that does not fit `type_`."""
    choices = get_args(type_) if isinstance(_type_info(type_), inspect.UnionType) else (type_,)
    if data is None and type(None) in choices:
        return
    present = [choice for choice in choices if choice is not type(None)]
    objects = [choice for choice in present if isinstance(choice, type) and issubclass(choice, msgspec.Struct)]
    # If both a text and an object are allowed, choose the one that the client meant.
    type_ = objects[0] if objects and (len(present) == 1 or isinstance(data, Mapping)) else present[0]
    plain = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        _explain_struct(data, plain, path, errors)
    elif get_origin(plain) is list:
        _explain_list(data, type_, plain, path, errors)
    else:
        try:
            msgspec.convert(data, type_, dec_hook=_text)
        except msgspec.ValidationError as refused:
            errors.append(FieldError(path, _message(data, type_, refused)))


def _explain_list(data: Any, type_: Any, plain: Any, path: str, errors: list[FieldError]) -> None:
    """Explains a list. `plain` is the list type within `type_`, which may add a maximum length and Distinct."""
    if not isinstance(data, list):
        errors.append(FieldError(path, "must be a list"))
        return
    limits = _type_info(type_)
    if isinstance(limits, inspect.ListType) and limits.max_length is not None and len(data) > limits.max_length:
        errors.append(FieldError(path, f"must have at most {limits.max_length:,} items"))
        return
    for index, item in enumerate(data):
        if len(errors) >= MOST_ERRORS:
            return
        _explain(item, get_args(plain)[0], f"{path}[{index}]", errors)
    by = next((meta.by for meta in getattr(type_, "__metadata__", ()) if isinstance(meta, Distinct)), None)
    if by is not None:
        errors += _listed_twice(data, by, path)


class Distinct(msgspec.Struct, frozen=True):
    """Metadata of a list in a body: no two items have the same name, in the field `by`; without `by`, items are names.

    Bodies check it with `refuse_repeated` in `__post_init__`; the metadata serves to explain the error.
    """

    by: str = ""


def refuse_repeated(body: msgspec.Struct) -> None:
    """Raises ValueError if a Distinct list of the body contains a name twice (contract, section 2: 400)."""
    for name, by in _distinct(type(body)):
        items = getattr(body, name) or ()
        if repeated(getattr(item, by) if by else item for item in items):
            raise ValueError(f"{name} has a name twice")


def require_one(body: Any) -> None:
    """Raises ValueError if a body has none of the fields in its `ONE_OF`, of which at least one is required."""
    if all(getattr(body, name) is None for name in body.ONE_OF):
        raise ValueError(f"one of {', '.join(body.ONE_OF)} is required")


@cache
def _distinct(type_: type[msgspec.Struct]) -> list[tuple[str, str]]:
    found = []
    for field in msgspec.structs.fields(type_):
        for choice in (field.type, *get_args(field.type)):
            found += [
                (field.name, meta.by) for meta in getattr(choice, "__metadata__", ()) if isinstance(meta, Distinct)
            ]
    return found


def _listed_twice(items: list[Any], by: str, path: str) -> list[FieldError]:
    named = [item.get(by) if by and isinstance(item, Mapping) else item for item in items]
    texts = [(index, name) for index, name in enumerate(named) if isinstance(name, str)]
    suffix = f".{by}" if by else ""
    return [
        FieldError(f"{path}[{texts[place][0]}]{suffix}", f"“{printable(name.strip())}” is listed twice")
        for place, name in repeated(name for _, name in texts)
    ][:MOST_ERRORS]


def _explain_struct(data: Any, type_: type[msgspec.Struct], path: str, errors: list[FieldError]) -> None:
    if not isinstance(data, Mapping):
        errors.append(FieldError(path, "must be an object" if path else "The body must be a JSON object"))
        return
    prefix = f"{path}." if path else ""
    fields = _fields(type_)
    unknown = (name for name in data if name not in fields)
    for name in islice(unknown, min(MOST_UNKNOWN, MOST_ERRORS - len(errors))):
        errors.append(FieldError(f"{prefix}{name}"[:200], "is not a field of this request"))
    one_of = getattr(type_, "ONE_OF", ())
    if one_of and all(data.get(name) is None for name in one_of):
        errors.append(FieldError(f"{prefix}{one_of[0]}", "is required"))
    for name, field in fields.items():
        if name in data:
            _explain(data[name], field.type, f"{prefix}{name}", errors)
        elif field.required:
            errors.append(FieldError(f"{prefix}{name}", "is required"))


_type_info = cache(inspect.type_info)


@cache
def _fields(type_: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Returns the fields by their JSON names. Cached, because each lookup evaluates the annotations."""
    return {field.encode_name: field for field in msgspec.structs.fields(type_)}


def _message(data: Any, type_: Any, refused: msgspec.ValidationError) -> str:
    """Returns an error sentence for people instead of the decoder's message."""
    if type_ is Status:
        return f"must be one of {CHOICES}"
    if isinstance(refused.__cause__, ValueError):
        return str(refused.__cause__)
    info = _inside(_type_info(type_))
    if isinstance(info, inspect.IntType):
        return "must be a whole number" + (
            "" if info.ge is None else f" from {info.ge} up" if info.le is None else f" from {info.ge} to {info.le}"
        )
    if isinstance(info, inspect.EnumType):
        return "must be one of " + ", ".join(str(member.value) for member in info.cls)
    if isinstance(info, inspect.LiteralType):
        return "must be one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, inspect.BoolType):
        return "must be true or false"
    if isinstance(info, (inspect.StrType, inspect.CustomType)) and not isinstance(data, str):
        return "must be a string" if data is not None else "must not be null"
    if isinstance(info, inspect.StrType) and info.max_length is not None and len(data) > info.max_length:
        return f"must be at most {info.max_length:,} characters"
    if isinstance(info, inspect.StrType) and info.pattern is not None:
        kinds = {LINE: "control", STORABLE: "NUL"}
        return f"must not contain {kinds[info.pattern]} characters" if info.pattern in kinds else "is not valid"
    if isinstance(info, inspect.DateTimeType):
        return "must be an instant with an offset, such as 2025-01-04T10:15:00+00:00"
    return str(refused).split(" - at ")[0].replace("`", "")
