"""The HTTP side of the Import API: `/{projectKey}/import-containers`, `import-operations`, `inventories`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from .commercetools_errors import ApiError, invalid_input, invalid_json, not_found
from .commercetools_import import (
    STATES,
    accept,
    create_container,
    delete_container,
    find_container,
    imports_of,
    update_container,
)
from .commercetools_query import sort_key
from .core import Json, Request, Response, World, json_response
from .predicate import PredicateError, parse_predicate
from .predicate_fields import Fields

SEGMENTS = frozenset({"import-containers", "import-operations", "inventories"})
_LIMIT_MAX = 500
_VIEW = ("view_import_containers", "manage_import_containers")
_OPERATION: Fields = {
    **dict.fromkeys(["resourceKey", "state", "importContainerKey"], "text"),
    "id": "id",
    "version": "number",
    **dict.fromkeys(["createdAt", "lastModifiedAt", "expiresAt"], "date"),
}
_CONTAINER: Fields = {
    **dict.fromkeys(["key", "resourceType"], "text"),
    "version": "number",
    **dict.fromkeys(["createdAt", "lastModifiedAt", "expiresAt"], "date"),
}


def answer_import(
    world: World, request: Request, parts: list[str], permit: Callable[[tuple[str, ...]], None]
) -> Response:
    """The answer to a request whose path has these parts after the project key.

    permit   raises ApiError 403 unless one of the given scopes is held
    """
    head, *rest = parts
    method = "GET" if request.method == "HEAD" else request.method
    if head == "inventories":
        if len(rest) != 2 or rest[0] != "import-containers" or method != "POST":
            raise _nothing(request)
        permit(("manage_products",))
        return json_response(201, accept(world, rest[1], _body(request)))
    permit(_VIEW if method == "GET" else _VIEW[1:])
    if head == "import-operations":
        if len(rest) != 1 or method != "GET":
            raise _nothing(request)
        operation = imports_of(world).operations.get(rest[0])
        if operation is None:
            raise not_found("import-operation", "ID", rest[0])
        return json_response(200, operation)
    if not rest:
        return _containers(world, request, method)
    if len(rest) == 1:
        return _container(world, request, method, rest[0])
    container = find_container(world, rest[0])
    if method != "GET" or len(rest) != 2 or rest[1] not in ("import-operations", "import-summaries"):
        raise _nothing(request)
    operations = list(imports_of(world).contents[container["key"]].values())
    if rest[1] == "import-summaries":
        counted = Counter(each["state"] for each in operations)
        states = {state: counted[state] for state in STATES}
        return json_response(200, {"states": states, "total": len(operations)})
    return json_response(200, _page(request, operations, _OPERATION, ("resourceKey", "state")))


def _containers(world: World, request: Request, method: str) -> Response:
    if method == "POST":
        return json_response(201, create_container(world, _body(request)))
    if method != "GET":
        raise _nothing(request)
    return json_response(200, _page(request, list(imports_of(world).containers.values()), _CONTAINER, ()))


def _container(world: World, request: Request, method: str, key: str) -> Response:
    if method == "GET":
        return json_response(200, find_container(world, key))
    if method == "PUT":
        return json_response(200, update_container(world, key, _body(request)))
    if method == "DELETE":
        return json_response(200, delete_container(world, key))
    raise _nothing(request)


def _page(request: Request, rows: list[Json], fields: Fields, filters: tuple[str, ...]) -> Json:
    given: dict[str, list[str]] = {}
    for name, value in request.query:
        given.setdefault(name, []).append(value)
    limit, offset = _number(given, "limit", 20, _LIMIT_MAX), _number(given, "offset", 0, 10_000)
    for name in filters:
        if name in given:
            if name == "state" and given[name][-1] not in STATES:
                raise invalid_input(f"Malformed parameter: state: '{given[name][-1]}' is not a state.")
            rows = [row for row in rows if row[name] == given[name][-1]]
    for text in given.get("where", []):
        try:
            predicate = parse_predicate(text, fields, {})
        except PredicateError as error:
            raise invalid_input(f"Malformed parameter: where: {error}") from None
        rows = [row for row in rows if predicate.matches(row)]
    for text in reversed(given.get("sort", [])):
        field, _, direction = text.strip().partition(" ")
        if field not in fields or direction.lower() not in ("", "asc", "desc"):
            raise invalid_input(f"Malformed parameter: sort: '{text}'.")
        rows = _sorted(rows, field, descending=direction.lower() == "desc")
    page = rows[offset : offset + limit]
    return {"limit": limit, "offset": offset, "count": len(page), "total": len(rows), "results": page}


def _sorted(rows: list[Json], field: str, *, descending: bool) -> list[Json]:
    if _OPERATION.get(field) == "date":  # all written by `timestamp`, so that they sort as text
        return sorted(rows, key=itemgetter(field), reverse=descending)
    return sorted(rows, key=lambda row: sort_key(row, (field,)), reverse=descending)


def _number(given: Mapping[str, list[str]], name: str, default: int, most: int) -> int:
    text = given.get(name, [str(default)])[-1]
    if not text.isdecimal() or int(text) > most:
        raise invalid_input(f"The {name} parameter must be in the range of [0..{most}].")
    return int(text)


def _body(request: Request) -> Json:
    try:
        document = json.loads(request.body, parse_constant=_no_constant)
    except ValueError as error:
        raise invalid_json(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise invalid_json("a JSON object is expected")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _nothing(request: Request) -> ApiError:
    return ApiError(404, "ResourceNotFound", f"URI not found: {request.method} {request.path}")
