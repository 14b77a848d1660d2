"""Queries of the simulated commercetools API: where, sort, limit, offset, withTotal, expand.

Documents are rendered once per version and joined as bytes; a scan by id costs what the page costs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .commercetools_errors import ApiError, invalid_input
from .core import Json, render_json
from .predicate import Predicate, PredicateError, id_order, parse_moment, parse_predicate
from .predicate_fields import ANY, Fields, Kind

LIMIT_MAX = 500
OFFSET_MAX = 10_000


Find = Callable[[Json], "Json | None"]


class Rendered:
    """JSON text of documents, kept per version: whoever changes a document raises its version.

    With expansion paths the text is kept as long as the targets are the same, too.
    """

    def __init__(self, paths: tuple[tuple[str, ...], ...] = (), find: Find | None = None) -> None:
        self._paths = paths
        self._find = find
        self._known: dict[str, tuple[Json, int, str, bytes, list[tuple[Json, Json | None, int]]]] = {}

    def __call__(self, document: Json) -> bytes:
        known = self._known.get(document["id"])
        version, modified = document["version"], document["lastModifiedAt"]
        if known and known[0] is document and known[1] == version and known[2] == modified:
            find = self._find
            if find is None or all(
                find(reference) is target and (target is None or target["version"] == its_version)
                for reference, target, its_version in known[4]
            ):
                return known[3]
        targets: list[tuple[Json, Json | None, int]] = []
        text = render_json(self._expanded(document, targets)).encode()
        self._known[document["id"]] = (document, version, modified, text, targets)
        return text

    def _expanded(self, document: Json, targets: list[tuple[Json, Json | None, int]]) -> Json:
        find = self._find
        if find is None:
            return document

        def remembering(reference: Json) -> Json | None:
            target = find(reference)
            targets.append((reference, target, target["version"] if target else 0))
            return target

        return expanded(document, self._paths, remembering)


class IdIndex:
    """The documents of one collection in the order of their ids, made again when the collection changed."""

    def __init__(self) -> None:
        self._of: dict[str, Json] | None = None
        self._keys: list[bytes] = []
        self._ids: list[str] = []

    def after(self, documents: dict[str, Json], id: str) -> Iterator[Json]:
        """Documents whose id comes after `id` ("" = all), by id."""
        if self._of is not documents or len(self._ids) != len(documents):
            self._ids = sorted(documents, key=id_order)
            self._keys = [id_order(each) for each in self._ids]
            self._of = documents
        start = bisect_right(self._keys, id_order(id)) if id else 0
        for position in range(start, len(self._ids)):
            yield documents[self._ids[position]]


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of one query, checked."""

    predicates: tuple[Predicate, ...]
    sort: tuple[tuple[tuple[str, ...], bool], ...]
    limit: int
    offset: int
    with_total: bool
    expand: tuple[tuple[str, ...], ...]

    @property
    def by_id(self) -> bool:
        return self.sort == ((("id",), False),)


def parse_query(parameters: Sequence[tuple[str, str]], fields: Fields) -> Query:
    """Reads query parameters. Raises ApiError 400 InvalidInput for what the platform refuses."""
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    variables = {name[4:]: values for name, values in given.items() if name.startswith("var.")}
    predicates = []
    for text in given.get("where", []):
        try:
            predicates.append(parse_predicate(text, fields, variables))
        except PredicateError as error:
            raise invalid_input(f"Malformed parameter: where: {error}") from None
    return Query(
        predicates=tuple(predicates),
        sort=tuple(_sort(text, fields) for text in given.get("sort", [])),
        limit=_number(given, "limit", 20, LIMIT_MAX),
        offset=_number(given, "offset", 0, OFFSET_MAX),
        with_total=_flag(given, "withTotal", True),
        expand=tuple(parse_expand(text, fields) for text in given.get("expand", [])),
    )


def _number(given: Mapping[str, list[str]], name: str, default: int, most: int) -> int:
    if name not in given:
        return default
    text = given[name][-1]
    if not text.lstrip("-").isdecimal():
        raise invalid_input(f"Malformed parameter: {name}: '{text}' is not an integer.")
    if not 0 <= int(text) <= most:
        raise invalid_input(f"The {name} parameter must be in the range of [0..{most}].")
    return int(text)


def _flag(given: Mapping[str, list[str]], name: str, default: bool) -> bool:
    text = given.get(name, ["true" if default else "false"])[-1]
    if text not in ("true", "false"):
        raise invalid_input(f"Malformed parameter: {name}: '{text}' is not a boolean.")
    return text == "true"


def _kind_at(path: Sequence[str], fields: Kind) -> Kind | None:
    kind: Kind | None = fields
    for name in path:
        if not isinstance(kind, Mapping):
            return None
        kind = kind.get(name, kind.get("*"))
        if kind is None:
            return None
    return kind


def _sort(text: str, fields: Fields) -> tuple[tuple[str, ...], bool]:
    words = text.split()
    if not 1 <= len(words) <= 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
        raise invalid_input(f"Malformed parameter: sort: '{text}' is not 'field asc' or 'field desc'.")
    path = tuple(words[0].split("."))
    if _kind_at(path, fields) is None:
        raise invalid_input(f"Malformed parameter: sort: The field '{words[0]}' does not exist.")
    return path, len(words) == 2 and words[1].lower() == "desc"


def parse_expand(text: str, fields: Fields) -> tuple[str, ...]:
    """An expansion path, `[*]` dropped: arrays are expanded element by element anyway."""
    names = [part.removesuffix("[*]") for part in text.split(".")]
    known: Kind | None = fields
    for name in names:
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise invalid_input(f"Malformed parameter: expand: '{text}' is not a valid path.")
        if known is None or known is ANY:
            continue  # inside an expanded object or a custom field: fields are not known here
        following = known.get(name) if isinstance(known, Mapping) else None
        if following is None and name == "obj":
            known = None
        elif following is None:
            raise invalid_input(f"Malformed parameter: expand: The path '{text}' does not exist.")
        else:
            known = following
    return tuple(names)


def run_query(
    documents: dict[str, Json],
    query: Query,
    index: IdIndex,
    visible: Callable[[Json], bool] | None,
    render: Callable[[Json], bytes],
) -> bytes:
    """The body of a query's answer: {limit, offset, count[, total], results}."""
    wanted = query.offset + query.limit
    tests = [predicate.matches for predicate in query.predicates]
    if visible is not None:
        tests.insert(0, visible)
    source: Iterable[Json] = documents.values()
    if query.by_id:
        bounds = [p.after_id for p in query.predicates if p.after_id]
        source = index.after(documents, max(bounds, key=id_order, default=""))
    found: list[Json] = []
    stop = query.by_id and not query.with_total
    for document in source:
        if all(test(document) for test in tests):
            found.append(document)
            if stop and len(found) >= wanted:
                break
    if not query.by_id:
        for path, descending in reversed(query.sort):
            found.sort(key=lambda document, path=path: sort_key(document, path), reverse=descending)  # type: ignore[misc]
    page = found[query.offset : wanted]
    head = f'{{"limit":{query.limit},"offset":{query.offset},"count":{len(page)}'
    if query.with_total:
        head += f',"total":{min(len(found), OFFSET_MAX) if tests else len(found)}'
    return head.encode() + b',"results":[' + b",".join([render(document) for document in page]) + b"]}"


def sort_key(document: Json, path: Sequence[str]) -> tuple[int, Any]:
    """What a document is sorted by on a path: nothing first, moments as moments, ids in their own order."""
    value: Any = document
    for name in path:
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(name) if isinstance(value, dict) else None
    if value is None or isinstance(value, (dict, list)):
        return (0, 0)
    if isinstance(value, str):
        if path[-1] == "id":
            return (1, id_order(value))
        moment: datetime | None = parse_moment(value) if path[-1].endswith("At") else None
        return (2, moment) if moment else (3, value)
    return (4, value)


# ── expansion ──


def expanded(document: Json, paths: Iterable[Sequence[str]], find: Find) -> Json:
    """The document with the referenced objects of `paths` as `obj`; only what changes is copied.

    `find` gives the target of a reference, None when there is none (then no `obj`).
    """
    for path in paths:
        document = _expand(document, tuple(path), find)
    return document


def _expand(value: Any, path: tuple[str, ...], find: Find) -> Any:
    if isinstance(value, list):
        return [_expand(element, path, find) for element in value]
    if not isinstance(value, dict):
        return value
    if "typeId" in value and "id" in value:
        target = value.get("obj") or find(value)
        if target is None:
            return value
        rest = path[1:] if path and path[0] == "obj" else path
        return {**value, "obj": _expand(target, rest, find) if rest else target}
    if not path or path[0] not in value:
        return value
    return {**value, path[0]: _expand(value[path[0]], path[1:], find)}


__all__ = [
    "ApiError",
    "IdIndex",
    "Query",
    "Rendered",
    "expanded",
    "parse_expand",
    "parse_query",
    "run_query",
    "sort_key",
]
