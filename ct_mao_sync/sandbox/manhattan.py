"""Manhattan Active Omni, simulated: token, order save, get, search, cancel; see the `manhattan_*` modules."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from .core import MANHATTAN, Json, Request, Response, SandboxSettings, World, json_response
from .manhattan_cancel import cancel_lines, cancel_order, read_reason
from .manhattan_envelope import Refused, failure, forbidden, refusal, success, unauthorized
from .manhattan_events import RECEIVE_EVENTS, receive_events
from .manhattan_inventory import inventory_routes
from .manhattan_orders import save_order
from .manhattan_parents import returnable_units
from .manhattan_return_events import RECEIVE, receive_return_events
from .manhattan_returns import ReturnLifecycle
from .manhattan_search import project, read_count, read_search, rows_of
from .manhattan_store import find_order, key_of, revision_at, store_order, unknown_order, visible_orders
from .manhattan_totals import RELEASED, calculated_values, compute_order, line_range, order_range, rows
from .manhattan_values import copy_json, render_moment

_ORDER = "/order/api/order/order"
_BY_ID = re.compile(rf"{_ORDER}/orderId/(?P<id>[^/]+)(?P<rest>(?:/[A-Za-z]+)*)\Z")
_EXTENDED = re.compile(r"/order/api/order/extended/order/orderId/(?P<id>[^/]+)\Z")
_ID_QUERY = re.compile(r"""\s*OrderId\s*=\s*'?([^'\s]+)'?\s*\Z""")
_CANCEL_REASONS = ("CancelLine", "FulfillmentSystemShorted", "StoreClose", "Misc")


class ManhattanApi:
    """The Manhattan side of the sandbox.

    `lifecycle` drives orders as warehouses and stores would (allocate, release, ship, archive …).
    """

    def __init__(self, world: World, settings: SandboxSettings) -> None:
        self.world = world
        self.settings = settings
        self.lifecycle = ReturnLifecycle(world)
        self._routes: dict[str, tuple[str, Callable[[Request, str], Response]]] = {
            f"{_ORDER}/save": ("POST", self._save),
            f"{_ORDER}/search": ("POST", self._search),
            f"{_ORDER}/cancel": ("POST", self._cancel),
            RECEIVE_EVENTS: ("POST", self._receive_events),
            RECEIVE: ("POST", self._receive_returns),
            _ORDER: ("GET", self._get_by_query),
            "/order/api/order/postReleaseCancellationTracker/search": ("POST", self._search_cancellations),
            "/order/api/order/reason/search": ("POST", self._search_reasons),
            **inventory_routes(world, _read_json),
        }

    def handle(self, request: Request) -> Response:
        """The answer to one request; the envelope of Manhattan, whatever happens."""
        if request.path == "/oauth/token":
            return self._token(request)
        self.lifecycle.tick()
        if not self._is_authorized(request):
            return unauthorized()
        org = request.headers.get("organization") or request.headers.get("selectedorganization")
        if org is not None and org not in (self.settings.organization, *self.settings.organizations):
            return forbidden()
        try:
            return self._route(request, org or self.settings.organization)
        except Refused as refused:
            return refusal(refused)

    def _route(self, request: Request, org: str) -> Response:
        route = self._routes.get(request.path)
        if route is not None:
            method, answer = route
            return answer(request, org) if request.method == method else _wrong_method(request)
        if match := _EXTENDED.match(request.path):
            if request.method != "GET":
                return _wrong_method(request)
            return self._get_archived(org, match["id"])
        if match := _BY_ID.match(request.path):
            return self._route_order(request, org, match["id"], match["rest"])
        return failure(404, "error.404", f"No endpoint {request.method} {request.path}", code="error.404")

    def _route_order(self, request: Request, org: str, order_id: str, rest: str) -> Response:
        wanted = "GET" if rest in ("", "/permittedModTypes") else "POST"
        if rest not in ("", "/permittedModTypes", "/cancel", "/orderLine/cancel"):
            return failure(404, "error.404", f"No endpoint {request.method} {request.path}", code="error.404")
        if request.method != wanted:
            return _wrong_method(request)
        if rest == "":
            return self._get(request, org, order_id)
        if rest == "/permittedModTypes":
            return self._permitted(org, order_id)
        body = _read_json(request)
        if body.get("OrderId") not in (None, order_id):
            raise Refused("error.400", "OrderId differs from the one in the path", field="OrderId")
        if rest == "/cancel":
            return success(self._cancel_whole(org, order_id, body))
        return self._cancel_lines(org, order_id, body)

    # --- authorisation

    def _token(self, request: Request) -> Response:
        if request.method != "POST":
            return json_response(405, {"error": "method_not_allowed"})
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return json_response(415, {"error": "unsupported_media_type"})
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        settings = self.settings
        if _client_of(request, form) != (settings.manhattan_client_id, settings.manhattan_client_secret):
            return _no_login("Bad client credentials")
        grant = form.get("grant_type")
        if grant not in settings.manhattan_grants:
            return json_response(
                400,
                {"error": "unsupported_grant_type", "error_description": f"Unsupported grant type: {grant}"},
            )
        if grant == "password" and (form.get("username"), form.get("password")) != (
            settings.manhattan_username,
            settings.manhattan_password,
        ):
            return _no_login("Bad credentials")
        token = self.world.new_id()
        lifetime_s = settings.manhattan_token_lifetime_s
        now = self.world.now(MANHATTAN)
        tokens = self.world.mao.tokens
        for old in [each for each, expires_at in tokens.items() if expires_at <= now]:
            del tokens[old]
        tokens[token] = now + timedelta(seconds=lifetime_s)
        document: Json = {"access_token": token, "token_type": "bearer", "expires_in": lifetime_s}
        if grant == "password":
            document["refresh_token"] = self.world.new_id()
        return json_response(200, document | {"scope": "omni"}, {"Cache-Control": "no-store"})

    def _is_authorized(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expires_at = self.world.mao.tokens.get(token)
        return (
            scheme.lower() == "bearer" and expires_at is not None and self.world.now(MANHATTAN) < expires_at
        )

    # --- reading

    def _get(self, request: Request, org: str, order_id: str) -> Response:
        key = key_of(self.world, org, order_id)
        store = self.world.mao
        stored = store.orders.get(key)
        stale_s = _stale_s(request)
        if stored is not None and stale_s > 0:
            seen_until = self.world.now(MANHATTAN) - timedelta(seconds=stale_s)
            stored = revision_at(self.world, key, seen_until) or stored
        if stored is None:
            raise unknown_order(order_id, status=self.settings.unknown_order_status)
        return success(_with_calculated(stored))

    def _get_by_query(self, request: Request, org: str) -> Response:
        query = dict(request.query).get("query", "")
        match = _ID_QUERY.match(query)
        if match is None:
            raise Refused("error.400", "query must be OrderId='…'", field="query")
        order = self.world.mao.orders.get(key_of(self.world, org, match[1]))
        return success([_with_calculated(order)] if order is not None else None)

    def _get_archived(self, org: str, order_id: str) -> Response:
        key = key_of(self.world, org, order_id)
        order = self.world.mao.archived.get(key) or self.world.mao.orders.get(key)
        if order is None:
            raise unknown_order(order_id, status=self.settings.unknown_order_status)
        return success(_with_calculated(order))

    def _search(self, request: Request, org: str) -> Response:
        search = read_search(
            _read_json(request),
            now=self.world.now(MANHATTAN),
            size_default=self.settings.search_size_default,
            size_max=self.settings.search_size_max,
            by_key=self.settings.search_pages_by_key,
        )
        page, total = rows_of(search, lambda: visible_orders(self.world, org, stale_s=_stale_s(request)))
        return success(page or None, header={"totalCount": total})

    def _search_cancellations(self, request: Request, org: str) -> Response:
        body = _read_json(request)
        wanted = _conditions_of(body.get("Query"))
        found = [
            {name: value for name, value in row.items() if name != "OrgId"}
            for row in self.world.mao.cancellations
            if row["OrgId"] == org and all(str(row.get(name)) in values for name, values in wanted.items())
        ]
        template = body.get("Template")
        if isinstance(template, dict) and template:
            found = [project(row, template) for row in found]
        size = read_count(body, "Size", self.settings.search_size_default, minimum=1)
        page = read_count(body, "Page", 0, minimum=0)
        rows_found = found[page * size : (page + 1) * size]
        return success(rows_found or None, header={"totalCount": len(found)})

    def _search_reasons(self, request: Request, org: str) -> Response:
        _read_json(request)
        reasons = sorted(self.settings.cancel_reasons or _CANCEL_REASONS)
        data = [{"ReasonId": each, "ReasonType": {"ReasonTypeId": "Cancel"}} for each in reasons]
        return success(data, header={"totalCount": len(data)})

    def _permitted(self, org: str, order_id: str) -> Response:
        _, order = find_order(self.world, org, order_id)
        span = order_range(order)
        permitted = []
        if span is not None and span[1] < RELEASED:
            permitted.append("Order::Cancel")
        if any(line_range(line)[1] < RELEASED for line in rows(order, "OrderLine")):
            permitted += ["OrderLine::Cancel", "OrderLine::Quantity::Decrease"]
        return success(permitted)

    # --- writing

    def _save(self, request: Request, org: str) -> Response:
        return success(save_order(self.world, org, _read_json(request)))

    def _receive_events(self, request: Request, org: str) -> Response:
        return success(receive_events(self.world, self.lifecycle, _read_json(request)))

    def _receive_returns(self, request: Request, org: str) -> Response:
        return success(receive_return_events(self.world, self.lifecycle, _read_json(request)))

    def _cancel(self, request: Request, org: str) -> Response:
        body = _read_json(request)
        order_id = body.get("OrderId")
        if not isinstance(order_id, str) or not order_id:
            raise Refused("error.400", "OrderId is required", field="OrderId")
        return success(self._cancel_whole(org, order_id, body))

    def _cancel_whole(self, org: str, order_id: str, body: Json) -> Json:
        key, stored = find_order(self.world, org, order_id)
        reason = read_reason(self.world, body)
        order = copy_json(stored)
        cancel_order(self.world, order, reason, body.get("CancelComments"))
        return self._stored(key, order)

    def _cancel_lines(self, org: str, order_id: str, body: Json) -> Response:
        key, stored = find_order(self.world, org, order_id)
        lines = body.get("OrderLine")
        if not isinstance(lines, list) or not lines or not all(isinstance(line, dict) for line in lines):
            raise Refused("error.400", "OrderLine is required", field="OrderLine")
        wanted = {}
        for line in lines:
            merged = {"CancelReason": body.get("CancelReason"), **line}
            comments = line.get("CancelComments", body.get("CancelComments"))
            wanted[str(line.get("OrderLineId"))] = (read_reason(self.world, merged), comments)
        order = copy_json(stored)
        cancel_lines(self.world, order, wanted)
        return success(self._stored(key, order))

    def _stored(self, key: str, order: Json) -> Json:
        order["UpdatedTimestamp"] = render_moment(self.world.now(MANHATTAN))
        compute_order(order, self.world.new_id)
        store_order(self.world, key, order)
        return order


def _with_calculated(order: Json) -> Json:
    lines = [
        {
            **line,
            "CalculatedValues": calculated_values(line),
            **({} if line.get("IsReturn") else {"ReturnableQuantity": returnable_units(line)}),
        }
        for line in rows(order, "OrderLine")
    ]
    return {**order, "OrderLine": lines}


def _read_json(request: Request) -> Json:
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise Refused("error.415", "Content-Type must be application/json", status=415)
    try:
        document = json.loads(request.body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, UnicodeDecodeError):
        raise Refused("error.400", "The request body is not JSON") from None
    if not isinstance(document, dict):
        raise Refused("error.400", "The request body must be an object")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _client_of(request: Request, form: Json) -> tuple[str | None, str | None]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id"), form.get("client_secret")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return client_id, secret


def _no_login(description: str) -> Response:
    return json_response(401, {"error": "unauthorized", "error_description": description})


def _wrong_method(request: Request) -> Response:
    return failure(405, "error.405", f"{request.method} is not supported here", code="error.405")


def _stale_s(request: Request) -> float:
    return float(request.headers.get("x-sandbox-stale-s", "0"))


_CONDITION = re.compile(r"\s*(\w+)\s*(?:=\s*'?([^'\s()]+)'?|IN\s*\(([^)]*)\))\s*\Z", re.IGNORECASE)


def _conditions_of(query: object) -> dict[str, set[str]]:
    """The tracker knows equality and IN, joined by `and`."""
    wanted: dict[str, set[str]] = {}
    for part in re.split(r"\band\b", query, flags=re.IGNORECASE) if isinstance(query, str) and query else ():
        match = _CONDITION.match(part)
        if match is None:
            raise Refused("error.400", "Invalid search request: Query", field="Query")
        values = match[2] or match[3]
        wanted[match[1]] = {each.strip().strip("'") for each in values.split(",")}
    return wanted
