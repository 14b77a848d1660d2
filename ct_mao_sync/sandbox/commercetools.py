"""The simulated commercetools HTTP API: tokens, the project, Orders and what Orders refer to.

`CommercetoolsApi.handle` is a function from request to response on the world. It refuses what the platform
refuses (commercetools docs: general concepts, errors, orders); it is as lax where the platform is lax (the
quantities of Deliveries are not added up).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from . import commercetools_fulfilment, commercetools_update
from .commercetools_errors import (
    ApiError,
    concurrent_modification,
    invalid_input,
    invalid_json,
    not_found,
)
from .commercetools_import import settle_imports
from .commercetools_import_routes import SEGMENTS, answer_import
from .commercetools_inventory import add_entry, candidates, entry_by_key, new_entry, remove_entry
from .commercetools_orders import (
    add_documents,
    add_order,
    edit_order,
    load_orders,
    order_by_number,
    order_edit,
)
from .commercetools_query import IdIndex, Rendered, parse_expand, parse_query, run_query
from .commercetools_resources import RESOURCES, Resource, new_document
from .commercetools_stock import entries_of, place_order, reveal, settle_figures
from .commercetools_update import COLLECTIONS, Update, apply_actions
from .core import COMMERCETOOLS, Json, Request, Response, SandboxSettings, World, copied_json, json_response
from .generate import timestamp
from .predicate import parse_moment

URL_MAX = 8192
ORDER_ACTIONS = {**commercetools_update.ACTIONS, **commercetools_fulfilment.ACTIONS}


class CommercetoolsApi:
    """The commercetools side of a world.

    client_scopes           what the API client may do, without the project key: "manage_project" or
                            "view_orders", "manage_orders", …
    unknown_project_status  404, or 403 as seen by clients of another project
    """

    def __init__(self, world: World, settings: SandboxSettings) -> None:
        self.world = world
        self.settings = settings
        self.client_scopes: tuple[str, ...] = ("manage_project",)
        self.unknown_project_status = 404
        self._scopes: dict[str, frozenset[str]] = {}
        self._rendered: dict[tuple[tuple[str, ...], ...], Rendered] = {}
        self._indexes: dict[str, IdIndex] = {}

    def handle(self, request: Request) -> Response:
        """The answer to one request."""
        settle_imports(self.world)
        settle_figures(self.world)
        try:
            return self._route(request)
        except ApiError as error:
            return error.response()

    def _route(self, request: Request) -> Response:
        _check_length(request)
        if request.path == "/oauth/token":
            return self._token(request)
        scopes = self._authorized(request)
        parts = request.path.split("/")[1:]
        if parts[0] != self.settings.project_key:
            if self.unknown_project_status == 403:
                raise _insufficient_scope(parts[0])
            raise ApiError(404, "ResourceNotFound", f"The project key '{parts[0]}' was not found.")
        if len(parts) == 1:
            self._permit(scopes, ("view_project_settings", "manage_project_settings"))
            _only(request, "GET", "HEAD")
            return json_response(200, self._project())
        if parts[1] in SEGMENTS:
            return answer_import(self.world, request, parts[1:], lambda wanted: self._permit(scopes, wanted))
        resource = RESOURCES.get(parts[1])
        if resource is None or len(parts) > 3:
            raise ApiError(404, "ResourceNotFound", f"URI not found: {request.path}")
        reading = request.method in ("GET", "HEAD")
        self._permit(scopes, resource.view_scopes if reading else resource.manage_scopes)
        if len(parts) == 2:
            if reading:
                return self._query(request, resource)
            _only(request, "POST")
            return self._create(request, resource)
        if reading:
            return self._one(request, resource, self._find(resource, parts[2]))
        if request.method == "DELETE":
            return self._delete(request, resource, self._find(resource, parts[2]))
        _only(request, "POST")
        return self._update(request, resource, self._find(resource, parts[2]))

    # ── tokens ──

    def _token(self, request: Request) -> Response:
        _only(request, "POST")
        if not self._is_client(request.headers.get("authorization", "")):
            raise ApiError(
                401,
                "invalid_client",
                "Please provide valid client credentials using HTTP Basic Authentication.",
            )
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) | dict(request.query)
        grant = form.get("grant_type", "")
        if grant != "client_credentials":
            code = "unsupported_grant_type" if grant else "invalid_request"
            raise ApiError(400, code, f"Invalid parameter: grant_type: {grant or 'Missing required value'}")
        project = self.settings.project_key
        asked = form.get("scope", "").split() or [f"{scope}:{project}" for scope in self.client_scopes]
        for scope in asked:
            name, _, key = scope.partition(":")
            if key != project or not ({name, "manage_project"} & set(self.client_scopes)):
                raise ApiError(400, "invalid_scope", f"The requested scope '{scope}' is not permitted.")
        token = self.world.new_id().replace("-", "")
        lifetime_s = self.settings.commercetools_token_lifetime_s
        self.world.ct.tokens[token] = self._now() + timedelta(seconds=lifetime_s)
        self._scopes[token] = frozenset(scope.partition(":")[0] for scope in asked)
        answer = {"access_token": token, "expires_in": lifetime_s}
        return json_response(200, {**answer, "scope": " ".join(asked), "token_type": "Bearer"})

    def _is_client(self, authorization: str) -> bool:
        kind, _, text = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            given = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        settings = self.settings
        return given == f"{settings.commercetools_client_id}:{settings.commercetools_client_secret}"

    def _authorized(self, request: Request) -> frozenset[str]:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        expires = self.world.ct.tokens.get(token) if kind.lower() == "bearer" else None
        if expires is None or self._now() >= expires:
            raise ApiError(401, "invalid_token", "invalid_token")
        return self._scopes.get(token, frozenset({"manage_project"}))

    def _permit(self, scopes: frozenset[str], wanted: tuple[str, ...]) -> None:
        if not scopes & {"manage_project", *wanted}:
            raise _insufficient_scope(" or ".join(wanted))

    # ── reading ──

    def _query(self, request: Request, resource: Resource) -> Response:
        query = parse_query(request.query, resource.fields)
        documents = self._documents(resource)
        index = self._indexes.setdefault(resource.attribute, IdIndex())
        if resource.attribute == "inventory":
            everything, documents = documents, candidates(self.world, query)
            index = index if documents is everything else IdIndex()
        visible = self._visible() if resource.attribute == "orders" else None
        body = run_query(documents, query, index, visible, self._render(query.expand))
        if request.method == "HEAD":
            body = b""
        return Response(200, {"Content-Type": "application/json;charset=utf-8"}, body)

    def _visible(self) -> Callable[[Json], bool] | None:
        """Queries are eventually consistent: whether a document has reached the replica they read."""
        lag_s = self.settings.commercetools_query_lag_s
        if not lag_s:
            return None
        last = self._now() - timedelta(seconds=lag_s)

        def visible(document: Json) -> bool:
            modified = parse_moment(document["lastModifiedAt"])
            return modified is None or modified <= last

        return visible

    def _render(self, paths: tuple[tuple[str, ...], ...]) -> Callable[[Json], bytes]:
        known = self._rendered.get(paths)
        if known is None:
            if len(self._rendered) > 8:  # one text per document and set of paths: not without bound
                self._rendered.clear()
            known = self._rendered[paths] = Rendered(paths, self._target) if paths else Rendered()
        return known

    def _target(self, reference: Json) -> Json | None:
        attribute = COLLECTIONS.get(reference["typeId"])
        if attribute is None:
            return None
        found: Json | None = getattr(self.world.ct, attribute).get(reference["id"])
        return found

    def _one(self, request: Request, resource: Resource, document: Json, status: int = 200) -> Response:
        given = [text for name, text in request.query if name == "expand"]
        paths = tuple(parse_expand(text, resource.fields) for text in given)
        body = b"" if request.method == "HEAD" else self._render(paths)(document)
        return Response(status, {"Content-Type": "application/json;charset=utf-8"}, body)

    def _find(self, resource: Resource, segment: str) -> Json:
        documents = self._documents(resource)
        name, equals, value = segment.partition("=")
        field = {"key": "key", "order-number": "orderNumber"}.get(name)
        if equals and field and (field == "key" or resource.attribute == "orders"):
            if field == "orderNumber":
                found = order_by_number(self.world, value)
            elif resource.attribute == "inventory":
                found = entry_by_key(self.world, value)
            else:
                found = next((each for each in documents.values() if each.get("key") == value), None)
            if found is not None:
                return found
            raise not_found(resource.name, field, value)
        if segment in documents:
            return documents[segment]
        raise not_found(resource.name, "ID", segment)

    def _documents(self, resource: Resource) -> dict[str, Json]:
        documents: dict[str, Json] = getattr(self.world.ct, resource.attribute)
        return documents

    # ── writing ──

    def _create(self, request: Request, resource: Resource) -> Response:
        draft = _body(request)
        documents = self._documents(resource)
        head = {"id": self.world.new_id(), "version": 1, "createdAt": timestamp(self._now())}
        head |= {"lastModifiedAt": head["createdAt"], **self._by(request, "createdBy")}
        if resource.attribute == "inventory":
            document = add_entry(self.world, new_entry(Update(head, self.world, self._now()), draft))
        else:
            document = new_document(resource, draft, documents, head)
            documents[document["id"]] = document
        return self._one(request, resource, document, 201)

    def _update(self, request: Request, resource: Resource, document: Json) -> Response:
        body = _body(request)
        version, actions = body.get("version"), body.get("actions")
        if not isinstance(version, int) or isinstance(version, bool):
            raise invalid_json("version: Missing required value")
        if version != document["version"]:
            raise concurrent_modification(document["id"], version, document["version"])
        if resource.attribute == "inventory":
            document = reveal(self.world, document)
        copy = copied_json(document)
        update = Update(copy, self.world, self._now())
        table: Mapping[str, Any] = ORDER_ACTIONS if resource.attribute == "orders" else resource.actions
        changed = apply_actions(update, actions, table)
        if changed:
            self._touch(request, copy, changed)
            self._documents(resource)[copy["id"]] = copy
            if resource.attribute == "inventory":
                entries_of(self.world).put(copy)
            document = copy
        return self._one(request, resource, document)

    def _touch(self, request: Request, document: Json, changed: int) -> None:
        """A version is not the count of updates: each action that changes something raises it, and at times
        the platform raises it once more.
        """
        document["version"] += changed + (self.world.rng.random() < 0.25)
        document["lastModifiedAt"] = timestamp(self._now())
        document |= self._by(request, "lastModifiedBy")
        if "lastMessageSequenceNumber" in document:
            document["lastMessageSequenceNumber"] += changed
        if "versionModifiedAt" in document:
            document["versionModifiedAt"] = document["lastModifiedAt"]

    def _delete(self, request: Request, resource: Resource, document: Json) -> Response:
        text = dict(request.query).get("version", "")
        if not text.isdecimal():
            raise invalid_input("Malformed parameter: version: Missing required value.")
        if int(text) != document["version"]:
            raise concurrent_modification(document["id"], int(text), document["version"])
        if resource.attribute == "inventory":
            remove_entry(self.world, document)
        else:
            del self._documents(resource)[document["id"]]
        self._indexes.pop(resource.attribute, None)
        return self._one(request, resource, document)

    def _by(self, request: Request, field: str) -> Json:
        writer: Json = {"clientId": self.settings.commercetools_client_id, "isPlatformClient": False}
        user = request.headers.get("x-external-user-id")
        if user:
            writer["externalUserId"] = user
        return {field: writer} | ({"lastModifiedBy": writer} if field == "createdBy" else {})

    def _now(self) -> datetime:
        return self.world.now(COMMERCETOOLS)

    def _project(self) -> Json:
        return {
            "version": 5,
            "key": self.settings.project_key,
            "name": f"Sandbox {self.settings.project_key}",
            "countries": ["DE", "US", "JP", "KW"],
            "currencies": ["EUR", "USD", "JPY", "KWD"],
            "languages": ["en-US", "de-DE"],
            "createdAt": "2026-01-01T00:00:00.000Z",
            "messages": {"enabled": False, "deleteDaysAfterCreation": 15},
            "carts": {"deleteDaysAfterLastModification": 90, "countryTaxRateFallbackEnabled": False},
            "inventory": {"releaseExpiredReservations": True},
            "discounts": {"discountCombinationMode": "Stacking"},
        }


def _check_length(request: Request) -> None:
    """Requests with a URL above 8 kB do not reach the platform."""
    plain = len(request.path) + sum(len(name) + len(value) + 2 for name, value in request.query)
    if plain * 12 < URL_MAX:
        return
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query)
    if len(quote(request.path)) + 1 + len(pairs) > URL_MAX:
        raise ApiError(414, "InvalidInput", "Request-URI Too Long")


def _body(request: Request) -> Json:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise invalid_json(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise invalid_json("a JSON object is expected")
    return document


def _only(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise ApiError(405, "InvalidInput", f"The method {request.method} is not allowed here.")


def _insufficient_scope(wanted: str) -> ApiError:
    return ApiError(403, "insufficient_scope", f"Insufficient scope. One of these is required: {wanted}.")


__all__ = [
    "CommercetoolsApi",
    "add_documents",
    "add_order",
    "edit_order",
    "load_orders",
    "order_edit",
    "place_order",
]
