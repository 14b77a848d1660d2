"""Order search: the Query language, sorting, paging and the projection by Template.

`=` `!=` `<` `>` `<=` `>=` `IN (…)` `~` (contains), `and` / `or` in any case, parentheses, `null`, quoted and
unquoted literals, `CurrentTime(-10m)`, `CurrentDate`; paths of one level below the order
(`OrderLine.UpdatedTimestamp`). A comparison with a missing value is false, as in SQL.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from .core import Json
from .manhattan_envelope import Refused
from .manhattan_fields import ORDER, Code, Rows
from .manhattan_values import parse_moment

Condition = Callable[[Json], bool]
_Compare = Callable[[Any, Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<quoted>'[^']*')
    | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
    | (?P<op><=|>=|!=|=|<|>|~)
    | (?P<now>CurrentTime\(\s*-?\d+\s*[smhd]\s*\)|CurrentDate(?:\(\s*\))?)
    | (?P<word>[^\s'(),<>=!~]+)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_OPERATORS: dict[str, _Compare] = {"=": eq, "!=": ne, "<": lt, ">": gt, "<=": le, ">=": ge}
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_STATUS_FIELDS = {
    f"{bound}{process}StatusId": "n" for bound in ("Min", "Max") for process in ("Fulfillment", "Return")
}
_TIMES = {"CreatedTimestamp": "d", "UpdatedTimestamp": "d"}
_SEARCHED_ORDER: dict[str, Any] = {
    **ORDER,
    **_STATUS_FIELDS,
    **_TIMES,
    **dict.fromkeys(
        ["OrderTotal", "OrderSubTotal", "TotalTaxes", "OrderLineCount", "ReturnLineCount", "CancelLineCount"],
        "n",
    ),
    "PaymentStatus": Code("StatusId"),
    "UpdatedBy": "s",
    "OrderTrackingInfo": Rows(
        "TrackingNumber",
        {"TrackingNumber": "s", "CarrierCode": "s", "ShippedDate": "d", "DeliveredDate": "d"},
    ),
    "ReturnTrackingDetail": Rows("ReturnTrackingNumber", {"ReturnTrackingNumber": "s", "CarrierCode": "s"}),
}
_LINE_SCALARS: dict[str, Any] = {
    **{name: kind for name, kind in ORDER["OrderLine"].members.items() if isinstance(kind, str)},
    **_STATUS_FIELDS,
    **_TIMES,
    "CancellationRequestStatus": "s",
    "IsOnHold": "b",
}


@dataclass(frozen=True, slots=True)
class Search:
    """A search request, read; `rows_of` evaluates it.

    after     a bound `key > '…'` that every match obeys, "" = none; it is not part of `condition`
    identity  the same for two searches of one condition; None where that depends on the present moment
    """

    condition: Condition
    sort: tuple[tuple[str, bool], ...]
    page: int
    size: int
    offset: int | None
    template: Json | None
    fields: Mapping[str, Any]
    key: str
    after: str = ""
    identity: Hashable = None


MATCHES_MAX = 4


@dataclass(slots=True)
class Matches:
    """What matched the last searches, by key, as long as nothing changed: a further page costs what it shows.

    revision   of the rows when they were searched
    """

    revision: int = -1
    found: dict[Hashable, list[Any]] = field(default_factory=dict)

    def of(self, search: Search, revision: int, rows: Callable[[], Iterable[Any]]) -> list[Any]:
        """The rows that match without the bound, in the order of their keys."""
        if revision != self.revision:
            self.revision, self.found = revision, {}
        if (known := self.found.get(search.identity)) is not None:
            return known
        if len(self.found) >= MATCHES_MAX:
            self.found.clear()
        found = [row for row in rows() if search.condition(row)]
        found.sort(key=_sort_key(search.key, search.fields))
        self.found[search.identity] = found
        return found


def read_search(
    body: Json,
    *,
    now: datetime,
    size_default: int,
    size_max: int,
    by_key: bool,
    fields: Mapping[str, Any] | None = None,
    key: str = "OrderId",
) -> Search:
    """The request body of a search; raises Refused for what MAO does not understand.

    now      for CurrentTime
    by_key   False: a condition on `key` with < or > is refused, as some tenants do
    fields   what may be searched and sorted by; an order's when None
    """
    fields = _SEARCHED_ORDER if fields is None else fields
    query = body.get("Query")
    if query is not None and not isinstance(query, str):
        raise _bad("Query must be a text")
    page = read_count(body, "Page", 0, minimum=0)
    size = read_count(body, "Size", read_count(body, "Limit", size_default, minimum=1), minimum=1)
    offset = read_count(body, "Offset", 0, minimum=0) if "Offset" in body else None
    template = body.get("Template")
    if template is not None and not isinstance(template, dict):
        raise _bad("Template must be an object")
    parser = _Parser(query or "", now, by_key, fields, key)
    condition = parser.parse_apart()
    return Search(
        condition,
        _read_sort(body.get("Sort", body.get("Sorted")), fields),
        page,
        min(size, size_max),
        offset,
        template,
        fields,
        key,
        parser.after,
        parser.identity,
    )


def rows_of(
    search: Search,
    rows: Callable[[], Iterable[Any]],
    *,
    known: Matches | None = None,
    revision: int = 0,
) -> tuple[list[Any], int]:
    """The page of rows asked for, and the count of all that match.

    known   what earlier searches found at `revision`, None where rows change without one
    """
    key, after = search.key, search.after
    if known is not None and search.identity is not None and search.sort == ((key, True),):
        found = known.of(search, revision, rows)
        start = bisect_right(found, after, key=lambda row: row.get(key)) if after else 0
        return _page(search, found, start)
    found = [row for row in rows() if not (after and row.get(key) <= after) and search.condition(row)]
    # Without Sort the order of rows is not defined: any, but the same for every page.
    if key not in [attribute for attribute, _ in search.sort]:
        found.sort(key=lambda row: zlib.crc32(row.get(key).encode()))
    for attribute, ascending in reversed(search.sort):
        found.sort(key=_sort_key(attribute, search.fields), reverse=not ascending)
    return _page(search, found, 0)


def _page(search: Search, found: list[Any], start: int) -> tuple[list[Any], int]:
    """The page asked for of what is found from `start` on, and how many that are."""
    first = start + (search.offset if search.offset is not None else search.page * search.size)
    page = found[first : first + search.size]
    if search.template:
        page = [project(row, search.template) for row in page]
    return page, len(found) - start


def project(document: Any, template: Mapping[str, Any]) -> Json:
    """Only the members that the template names, plus Messages."""
    projected: Json = {}
    for name, inner in template.items():
        value = document.get(name)
        if isinstance(inner, Mapping) and inner:
            if isinstance(value, list):
                value = [project(row, inner) if isinstance(row, dict) else row for row in value]
            elif isinstance(value, dict):
                value = project(value, inner)
        projected[name] = value
    projected.setdefault("Messages", document.get("Messages"))
    return projected


def parse_query(
    text: str,
    *,
    now: datetime,
    by_key: bool = True,
    fields: Mapping[str, Any] = _SEARCHED_ORDER,
    key: str = "OrderId",
) -> Condition:
    """The condition that the query text stands for; raises Refused with what is wrong in it."""
    return _Parser(text, now, by_key, fields, key).parse()


class _Parser:
    def __init__(self, text: str, now: datetime, by_key: bool, fields: Mapping[str, Any], key: str) -> None:
        self._now = now
        self._by_key = by_key
        self._fields = fields
        self._key = key
        self._tokens = list(_tokens(text))
        self._at = 0
        self._bound: str | None = None
        """Of the part read last: the key that it asks for more than, None when it asks otherwise."""
        self.after = ""
        self.identity: Hashable = None

    def parse(self) -> Condition:
        """The whole condition."""
        if not self._tokens:
            return lambda order: True
        condition = self._either()
        if self._at < len(self._tokens):
            raise _bad(f"unexpected {self._tokens[self._at][1]!r} in Query")
        return condition

    def parse_apart(self) -> Condition:
        """The condition without the bounds on the key that hold for all of it; the highest is `after`."""
        parts: list[tuple[Condition, str | None, tuple[tuple[str, str], ...]]] = []
        while self._tokens:
            start = self._at
            condition = self._single()
            parts.append((condition, self._bound, tuple(self._tokens[start : self._at])))
            if not self._word("and"):
                break
        if self._at < len(self._tokens):  # an `or`, or what is wrong: then nothing stands apart
            self._at = 0
            parts = [(self.parse(), None, tuple(self._tokens))]
        self.after = max((bound for _, bound, _ in parts if bound is not None), default="")
        conditions = [condition for condition, bound, _ in parts if bound is None]
        if not any(kind == "now" for kind, _ in self._tokens):
            self.identity = tuple(tokens for _, bound, tokens in parts if bound is None)
        return conditions[0] if len(conditions) == 1 else _all_of(conditions)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda order: any(part(order) for part in parts)

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._word("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else _all_of(parts)

    def _single(self) -> Condition:
        kind, text = self._next()
        if kind == "open":
            condition = self._either()
            if self._next()[0] != "close":
                raise _bad("a ) is missing in Query")
            self._bound = None
            return condition
        self._bound = None
        if kind != "word":
            raise _bad(f"an attribute is expected instead of {text!r} in Query")
        read, value_kind = _attribute(text, self._fields)
        if self._word("in"):
            return self._in(read, value_kind)
        kind, operator = self._next()
        if kind != "op":
            raise _bad(f"an operator is expected instead of {operator!r} in Query")
        if text == self._key and not self._by_key and operator not in ("=", "!="):
            raise _bad(f"operator {operator} is not supported for {text}")
        literal_kind, literal = self._next()
        if literal_kind not in ("quoted", "word", "now"):
            raise _bad(f"a value is expected instead of {literal!r} in Query")
        if literal_kind == "word" and literal.lower() == "null":
            if operator not in ("=", "!="):
                raise _bad(f"operator {operator} does not compare with null")
            absent = operator == "="
            return read.where(lambda value: (value is None) is absent)
        if operator == "~":
            part = _text_of(literal_kind, literal)
            return read.where(lambda value: value is not None and part in str(value))
        wanted = self._literal(literal_kind, literal, value_kind)
        if text == self._key and operator == ">" and isinstance(wanted, str):
            self._bound = wanted
        compare = _OPERATORS[operator]
        if value_kind == "s":
            return read.where(lambda value: value is not None and compare(value, wanted))
        convert = _CONVERT[value_kind]
        return read.where(lambda value: value is not None and compare(convert(value), wanted))

    def _in(self, read: _Reader, value_kind: str) -> Condition:
        if self._next()[0] != "open":
            raise _bad("IN needs a list in parentheses")
        wanted = set()
        while True:
            kind, text = self._next()
            if kind not in ("quoted", "word"):
                raise _bad(f"a value is expected instead of {text!r} in IN (…)")
            wanted.add(self._literal(kind, text, value_kind))
            kind, text = self._next()
            if kind == "close":
                break
            if kind != "comma":
                raise _bad(f"a comma is expected instead of {text!r} in IN (…)")
        convert = _CONVERT[value_kind]
        return read.where(lambda value: value is not None and convert(value) in wanted)

    def _literal(self, kind: str, text: str, value_kind: str) -> Any:
        if kind == "now":
            return self._moment(text)
        plain = _text_of(kind, text)
        try:
            if value_kind == "b" and plain.lower() not in ("true", "false"):
                raise ValueError
            return _CONVERT[value_kind](plain.lower() == "true" if value_kind == "b" else plain)
        except (ValueError, InvalidOperation):
            raise _bad(f"{plain!r} does not fit the type of its attribute") from None

    def _moment(self, text: str) -> datetime:
        relative = re.search(r"(-?\d+)\s*([smhd])", text, re.IGNORECASE)
        if relative is None:
            return self._now.replace(hour=0, minute=0, second=0, microsecond=0)
        return self._now + timedelta(seconds=int(relative[1]) * _UNITS_S[relative[2].lower()])

    def _word(self, word: str) -> bool:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "word" and text.lower() == word:
                self._at += 1
                return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise _bad("Query ends too early")
        token = self._tokens[self._at]
        self._at += 1
        return token


def _all_of(conditions: list[Condition]) -> Condition:
    return lambda order: all(condition(order) for condition in conditions)


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _bad(f"unexpected {text[at : at + 10]!r} in Query")
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _text_of(kind: str, text: str) -> str:
    return text[1:-1] if kind == "quoted" else text


@dataclass(frozen=True, slots=True)
class _Reader:
    """An attribute of the order: a member, or a member of a coded value or of any row of a child list."""

    first: str
    rest: str = ""
    many: bool = False

    def where(self, fits: Callable[[Any], bool]) -> Condition:
        first, rest = self.first, self.rest
        if self.many:
            return lambda order: any(fits(row.get(rest)) for row in order.get(first) or ())
        if rest:
            return lambda order: fits((order.get(first) or {}).get(rest))
        return lambda order: fits(order.get(first))


def _attribute(path: str, fields: Mapping[str, Any]) -> tuple[_Reader, str]:
    """How to read an attribute's values from an order, and their type."""
    first, _, rest = path.partition(".")
    kind = fields.get(first)
    if not rest:
        if not isinstance(kind, str) or kind == "any":
            raise _bad(f"attribute {path} cannot be searched")
        return _Reader(first), _type_of(kind)
    if "." in rest:
        raise _bad(f"attribute {path} is more than one level below the order, which is not supported")
    if isinstance(kind, Code) and rest == kind.id:
        return _Reader(first, rest), "s"
    if isinstance(kind, Rows):
        members = _LINE_SCALARS if first == "OrderLine" else {**kind.members, **_TIMES}
        inner = members.get(rest)
        if isinstance(inner, str) and inner != "any":
            return _Reader(first, rest, many=True), _type_of(inner)
    raise _bad(f"attribute {path} cannot be searched")


def _type_of(kind: str) -> str:
    return "n" if kind in ("amount", "qty") else kind


@lru_cache(maxsize=65_536)
def _to_moment(value: str) -> datetime:
    return parse_moment(value)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "s": str,
    "b": bool,
    "n": lambda value: value if isinstance(value, Decimal) else Decimal(str(value)),
    "d": _to_moment,
}


def _sort_key(attribute: str, fields: Mapping[str, Any]) -> Callable[[Any], tuple[bool, Any]]:
    convert = _CONVERT[_type_of(fields[attribute])]

    def key(row: Any) -> tuple[bool, Any]:
        value = row.get(attribute)
        return (value is not None, None if value is None else convert(value))

    return key


def _read_sort(sort: object, fields: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    if sort is None:
        return ()
    entries = sort if isinstance(sort, list) else [sort]
    read = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise _bad("Sort must be an object or a list of them")
        by_name = {str(name).lower(): value for name, value in entry.items()}
        attribute, direction = by_name.get("attribute"), str(by_name.get("direction", "asc")).lower()
        kind = fields.get(attribute) if isinstance(attribute, str) else None
        if not isinstance(kind, str) or kind == "any":
            raise _bad(f"cannot sort by {attribute}")
        if direction not in ("asc", "desc"):
            raise _bad(f"a sort direction is asc or desc, not {direction}")
        read.append((str(attribute), direction == "asc"))
    return tuple(read)


def read_count(body: Json, name: str, default: int, *, minimum: int) -> int:
    """A whole number of the request body; raises Refused."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise _bad(f"{name} must be a number from {minimum}")
    return value


def _bad(message: str) -> Refused:
    return Refused("error.400", f"Invalid search request: {message}", field="Query")
