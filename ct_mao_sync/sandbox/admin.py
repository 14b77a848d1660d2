"""The sandbox's own surface under `/_sandbox/`: look at both sides, act as a customer or a warehouse, set
faults. No token, no faults, not counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from .admin_inventory import read_inventory, write_inventory
from .core import COMMERCETOOLS, Json, Request, Response, Sandbox, json_response
from .faults import Faults, Predicate
from .manhattan_envelope import Refused
from .manhattan_lifecycle import LIFECYCLE_STEPS
from .manhattan_returns import RETURN_STEPS

_STEPS = LIFECYCLE_STEPS | RETURN_STEPS


def handle_admin(sandbox: Sandbox, request: Request) -> Response:
    """Answers one request under `/_sandbox/`; 400 with a text for what it does not understand."""
    path = request.path.removeprefix("/_sandbox/").rstrip("/")
    try:
        if request.method == "GET":
            return _read(sandbox, path)
        if request.method in ("POST", "DELETE"):
            body = json.loads(request.body or b"{}", parse_float=Decimal)
            return _write(sandbox, request.method, path, body if isinstance(body, dict) else {})
    except (ValueError, TypeError, KeyError) as error:
        return json_response(400, {"error": f"{type(error).__name__}: {error}"})
    except Refused as refused:
        return json_response(400, {"error": refused.description, "code": refused.code})
    return json_response(405, {"error": f"{request.method} is not supported here"})


def _read(sandbox: Sandbox, path: str) -> Response:
    world = sandbox.world
    if path == "requests":
        return json_response(200, world.request_log.as_json() | {"faults": dict(sandbox.faults.hits)})
    if path == "mao/orders":
        return json_response(
            200,
            {
                "orders": list(world.mao.orders.values()),
                "archived": list(world.mao.archived.values()),
                "dropped": dict(world.mao.dropped),
            },
        )
    if path == "ct/orders":
        return json_response(200, {"orders": list(world.ct.orders.values())})
    if path == "faults":
        return json_response(200, _describe(sandbox.faults))
    return read_inventory(sandbox, path) or json_response(404, {"error": f"nothing at {path}"})


def _write(sandbox: Sandbox, method: str, path: str, body: Json) -> Response:
    if path == "requests" and method == "DELETE":
        sandbox.world.request_log.clear()
        return json_response(200, {})
    if path == "faults":
        return _set_faults(sandbox, body)
    if path == "mao/advance":
        return _advance(sandbox, body)
    if path == "ct/orders":
        from .commercetools import add_order

        add_order(sandbox.world, body)
        return json_response(201, body)
    if path.startswith("ct/orders/"):
        return _change_order(sandbox, path.removeprefix("ct/orders/"), body)
    return write_inventory(sandbox, path, body) or json_response(404, {"error": f"nothing at {path}"})


def change_order(sandbox: Sandbox, id_or_number: str, patch: Mapping[str, Any]) -> Json:
    """Changes a commercetools order by a JSON merge patch (RFC 7396): version + 1, lastModifiedAt now.

    Raises KeyError when there is no such order.
    """
    world = sandbox.world
    with world.lock:
        order = _find(sandbox, id_or_number)
        _merge_patch(order, patch)
        order["version"] += 1
        stamp = world.now(COMMERCETOOLS).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        order["lastModifiedAt"] = stamp
        return order


def _change_order(sandbox: Sandbox, id_or_number: str, body: Json) -> Response:
    if "actions" not in body:
        return json_response(200, change_order(sandbox, id_or_number, body))
    order = _find(sandbox, id_or_number)
    settings = sandbox.settings
    form = urlencode({"grant_type": "client_credentials"}).encode()
    login = f"{settings.commercetools_client_id}:{settings.commercetools_client_secret}"
    token = sandbox.commercetools.handle(
        _ask("POST", "/oauth/token", form, _basic(login), "application/x-www-form-urlencoded")
    )
    bearer = f"Bearer {json.loads(token.body)['access_token']}"
    update = {"version": order["version"], "actions": body["actions"]}
    path = f"/{settings.project_key}/orders/{order['id']}"
    answer: Response = sandbox.commercetools.handle(
        _ask("POST", path, json.dumps(update, default=str).encode(), bearer, "application/json")
    )
    return answer


def _ask(method: str, path: str, body: bytes, authorization: str, content_type: str) -> Request:
    headers = {"authorization": authorization, "content-type": content_type}
    return Request(COMMERCETOOLS, method, path, (), headers, body)


def _basic(login: str) -> str:
    import base64

    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _find(sandbox: Sandbox, id_or_number: str) -> Json:
    orders = sandbox.world.ct.orders
    if id_or_number in orders:
        return orders[id_or_number]
    for order in orders.values():
        if order.get("orderNumber") == id_or_number:
            return order
    raise KeyError(f"no commercetools order {id_or_number}")


def _merge_patch(target: Json, patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            _merge_patch(inner, value)
        else:
            target[name] = value


def _advance(sandbox: Sandbox, body: Json) -> Response:
    """{"OrderId", "event", and what that lifecycle method takes}; without event: the next step.

    A return made by create_return is the order of the answer. create_standalone_return has no OrderId.
    """
    arguments = dict(body)
    order_id = arguments.pop("OrderId", None)
    event = arguments.pop("event", "next_step")
    if event not in _STEPS:
        raise ValueError(f"no such event: {event}; there are: {', '.join(sorted(_STEPS))}")
    method: Callable[..., str | None] = getattr(sandbox.manhattan.lifecycle, event)
    result = method(*(() if order_id is None else (order_id,)), **arguments)
    step = result or event
    if event.startswith("create_"):
        order_id, step = result, event
    store = sandbox.world.mao
    return json_response(
        200, {"event": step, "order": store.orders.get(order_id, store.archived.get(order_id))}
    )


def _set_faults(sandbox: Sandbox, body: Json) -> Response:
    """{"quiet": true} · {"spec": "429=0.1,seed=7"} · {"kind", and any of times, service, method, path, body}.

    A spec replaces the schedule and keeps the aimed faults; `path` and `body` are parts of the request's.
    """
    faults = sandbox.faults
    if body.get("quiet"):
        faults.quiet()
    elif "spec" in body:
        parsed = Faults.parse(str(body["spec"]))
        parsed.rules = faults.rules
        sandbox.use_faults(parsed)
    else:
        times = body.get("times")
        predicate = aimed_at(
            service=str(body.get("service", "")),
            method=str(body.get("method", "")),
            path=str(body.get("path", "")),
            body=str(body.get("body", "")),
        )
        kind = str(body["kind"])
        if times is None:
            faults.always(predicate, kind)
        else:
            faults.times(int(times), predicate, kind)
    return json_response(200, _describe(sandbox.faults))


def aimed_at(*, service: str = "", method: str = "", path: str = "", body: str = "") -> Predicate:
    """A predicate over requests: equal service and method, path and body containing the given parts."""
    part = body.encode()

    def matches(request: Request) -> bool:
        return (
            service in ("", request.service)
            and method in ("", request.method)
            and path in request.path
            and part in request.body
        )

    return matches


def _describe(faults: Faults) -> Json:
    return {"rates": faults.rates, "seed": faults.seed, "rules": len(faults.rules), "hits": faults.hits}
