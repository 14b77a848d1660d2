"""pydantic's errors in the words of this tool: which key, what is wrong, what is allowed, what to do."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Interval, Le
from pydantic import BaseModel, SecretStr, ValidationError

from ct_mao_sync.config_sections import Sections
from ct_mao_sync.config_values import Allowed, nearest, shown

Loc = tuple[str | int, ...]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_NEVER_SHOWN = {"client_id", "client_secret", "username", "password"}
_LARGE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    loc: Loc
    key: str
    """Dotted, as it would be written in the file."""
    what: str
    """Completes "<key> …": what is wrong and what is allowed."""
    hint: str


def dotted(loc: Iterable[str | int]) -> str:
    """`orders.static."SellingChannel.SellingChannelId"`; places in a list are left out."""
    parts = [part for part in loc if isinstance(part, str)]
    return ".".join(part if part and _BARE.issuperset(part) else shown(part) for part in parts)


def suggestion(word: str, place: Iterable[str], known: Iterable[str]) -> str:
    """What to do about an unknown name: the nearest known one, else the section it belongs to, else the
    list of what there is."""
    known = list(known)
    place = list(place)
    found = nearest(word, known)
    owners = [name for name, field in Sections.model_fields.items() if word in _keys_of(field.annotation)]
    if owners and found.lower() != word.lower():
        return f"it belongs to the section [{owners[0]}]"
    if found:
        return f"did you mean {dotted([*place, found])}?"
    return "there are: " + ", ".join(known)


def describe_faults(error: ValidationError, origins: Mapping[tuple[str, str], str]) -> Iterator[Fault]:
    """`origins` = the keys that came from `env:` or `file:`; their values are not shown."""
    for item in error.errors(include_url=False):
        if item["type"] == "too_short" and item["input"]:
            continue  # the list is only short of its wrong entries, which are told
        loc: Loc = item["loc"]
        of_key = loc[-1] == "[key]"
        loc = loc[:-1] if of_key else loc
        key = dotted(loc)
        names = [part for part in loc if isinstance(part, str)]
        if item["type"] == "extra_forbidden":
            text = suggestion(names[-1], names[:-1], _keys_of(_kind_at(names[:-1])[0]))
            hint = f"rename it, or remove it from [{dotted(names[:-1])}]"
            yield Fault(loc, key, f"is not a known key; {text}", hint)
            continue
        kind, metadata = _kind_at(loc, of_key)
        yield Fault(loc, key, *_described(item, names, kind, metadata, origins, of_key))


def _described(
    item: Any,
    names: list[str],
    kind: Any,
    metadata: tuple[Any, ...],
    origins: Mapping[tuple[str, str], str],
    of_key: bool,
) -> tuple[str, str]:
    allowed = _allowed(kind, metadata)
    origin = origins.get((names[0], names[1])) if len(names) > 1 else None
    section = dotted(names[:-1])
    hint = f"correct {dotted(names[-1:])} under [{section}]" if section else f"correct [{names[0]}]"
    value = item["input"]
    if item["type"] == "missing":
        if names[-1] in _NEVER_SHOWN:
            hint = f'add {names[-1]} = "env:{_variable(names)}" under [{section}]'
        else:
            hint = f"add {names[-1]} under [{section}]"
        return f"is missing; it must be {allowed}", hint
    if origin is not None:
        return f"({origin}) gives a value that is not accepted; it must be {allowed}", hint
    if item["type"] in ("too_short", "string_too_short"):
        what = "is empty"
    elif names[-1] in _NEVER_SHOWN:
        what = "is not a text"
    elif of_key:
        what = "is not a known name" if get_origin(kind) is Literal else "is not accepted as a name"
    elif item["type"] == "value_error":
        what = str(item["ctx"]["error"])
    else:
        what = f"is {shown(value)}"
        if isinstance(item["loc"][-1], int):
            what = f"has {shown(value)}"
    if isinstance(value, str) and get_origin(kind) is Literal:
        near = nearest(value, get_args(kind))
        if near:
            hint = f"did you mean {shown(near)}?"
    return f"{what}; it must be {allowed}", hint


def _variable(names: list[str]) -> str:
    return ("CTP_" if names[0] == "commercetools" else "MAO_") + names[-1].upper()


# --- what the model says at one place --------------------------------------------------------------


def _plain(annotation: Any, metadata: tuple[Any, ...] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Without Annotated and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            inner, *more = get_args(annotation)
            annotation, metadata = inner, (*metadata, *more)
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
        else:
            return annotation, metadata


def _keys_of(annotation: Any) -> list[str]:
    kind, _ = _plain(annotation)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _kind_at(loc: Iterable[str | int], of_key: bool = False) -> tuple[Any, tuple[Any, ...]]:
    kind: Any = Sections
    metadata: tuple[Any, ...] = ()
    parts = list(loc)
    for number, part in enumerate(parts):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            if field is None:
                return None, ()
            kind, metadata = _plain(field.annotation, tuple(field.metadata))
        elif get_origin(kind) is dict:
            key_kind, value_kind = get_args(kind)
            is_key = of_key and number == len(parts) - 1
            kind, metadata = _plain(key_kind if is_key else value_kind)
        elif get_origin(kind) is tuple:
            kind, metadata = _plain(get_args(kind)[0])
    return kind, metadata


def _allowed(kind: Any, metadata: tuple[Any, ...]) -> str:
    for item in metadata:
        if isinstance(item, Allowed):
            return item.text
    origin = get_origin(kind)
    if origin is Literal:
        choices = ", ".join(shown(choice) for choice in get_args(kind))
        return f"one of {choices}"
    if origin is tuple:
        inner = _allowed(*_plain(get_args(kind)[0]))
        return f"a list; each entry must be {inner}"
    if origin is dict or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return "a table"
    if kind is bool:
        return "true or false"
    if kind is int:
        return _range(metadata)
    if kind in (str, SecretStr):
        return "a text in quotes"
    return "something else"


def _range(metadata: tuple[Any, ...]) -> str:
    low: Any = None
    high: Any = None
    for item in metadata:
        if isinstance(item, Interval):
            low, high = item.ge, item.le
        elif isinstance(item, Ge):
            low = item.ge
        elif isinstance(item, Le):
            high = item.le
    if high is None or high >= _LARGE:
        return f"a whole number, {low} or more"
    return f"a whole number from {low} to {high}"
