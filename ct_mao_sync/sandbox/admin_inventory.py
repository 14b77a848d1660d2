"""Stock under `/_sandbox/`: look at it on both sides, move it, order something, make MAO's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .commercetools_import import imports_of
from .commercetools_stock import place_order, true_quantity
from .core import Json, Response, Sandbox, json_response
from .manhattan_messages import full_sync, location_delta_sync, network_alerts
from .manhattan_stock import ON_HAND, adjust_supply, change_view, mark_errored, set_supply, stock_of


def read_inventory(sandbox: Sandbox, path: str) -> Response | None:
    """GET `mao/stock`, `ct/inventory`, `ct/imports`; None for anything else."""
    world = sandbox.world
    if path == "mao/stock":
        stock = stock_of(world)
        reserved = [
            {"ItemId": item_id, "LocationId": location_id, "Quantity": units}
            for (item_id, location_id), units in sorted(stock.reserved.items())
        ]
        views = [{name: getattr(view, name) for name in view.__slots__} for view in stock.views.values()]
        document = {
            "items": list(stock.items),
            "locations": list(stock.locations.values()),
            "views": views,
            "supplies": [supply.as_json() for supply in stock.supplies.values()],
            "reserved": reserved,
            "backordered": dict(stock.backordered),
        }
        return json_response(200, document)
    if path == "ct/inventory":
        entries = [
            {**entry, "trueQuantity": true_quantity(world, entry)} for entry in world.ct.inventory.values()
        ]
        return json_response(200, {"inventory": entries})
    if path == "ct/imports":
        imports = imports_of(world)
        return json_response(
            200,
            {
                "containers": list(imports.containers.values()),
                "operations": list(imports.operations.values()),
            },
        )
    return None


def write_inventory(sandbox: Sandbox, path: str, body: Json) -> Response | None:
    """POST `mao/supply`, `mao/view`, `mao/messages`, `ct/checkout`; None for anything else.

    mao/supply    {"ItemId", "LocationId", and one of "Quantity", "Delta", "IsErrored"}
    mao/view      {"ViewName", and what changes: "active", "publish_quantity" …}
    mao/messages  {"kind": "alert" | "delta" | "full", "ViewName", "page_size", "non_zero"}
    ct/checkout   an Order, placed with its effects on stock; 409 when it is out of stock
    """
    world = sandbox.world
    if path == "mao/supply":
        place = (body["ItemId"], body["LocationId"])
        if "IsErrored" in body:
            mark_errored(world, *place, errored=bool(body["IsErrored"]))
        if "Quantity" in body:
            set_supply(world, *place, body["Quantity"])
        if "Delta" in body:
            adjust_supply(world, *place, body["Delta"])
        return json_response(200, stock_of(world).supplies[(*place, ON_HAND, "")].as_json())
    if path == "mao/view":
        changes: dict[str, Any] = dict(body)
        view = change_view(world, changes.pop("ViewName"), **changes)
        return json_response(200, {name: getattr(view, name) for name in view.__slots__})
    if path == "mao/messages":
        options = dict(body)
        kind, view_name = options.pop("kind"), options.pop("ViewName")
        makers: dict[str, Callable[..., list[Json]]]
        makers = {"alert": network_alerts, "delta": location_delta_sync, "full": full_sync}
        messages = makers[kind](world, view_name, **options)
        return json_response(200, {"messages": messages})
    if path == "ct/checkout":
        if place_order(world, body):
            return json_response(201, body)
        return json_response(409, {"error": "OutOfStock"})
    return None
