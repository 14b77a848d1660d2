"""Orders in the simulated project, as customers and agents place and change them, apart from the API.

An Order Edit may rewrite lines and money after the Order was placed; the changes here (`removing_line` …)
keep every sum right. `edit_order` and `order_edit` run them on an Order of the world and move its version and
lastModifiedAt.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .core import COMMERCETOOLS, Json, World, copied_json
from .generate import timestamp
from .generate_catalog import random_id
from .generate_documents import generate_world_documents, referred_documents
from .generate_lines import initial_state
from .generate_money import money, price_order

Change = Callable[[Json], None]


def load_orders(world: World, folder: Path) -> list[str]:
    """Adds every Order in the *.json files of a folder (an Order, a list, or a query's results).

    Returns one line per file or document that is not an Order (no orderState) and was left out.
    """
    left_out = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            left_out.append(f"{path.name}: not JSON ({error})")
            continue
        if isinstance(document, dict) and isinstance(document.get("results"), list):
            document = document["results"]
        for each in document if isinstance(document, list) else [document]:
            reason = _not_an_order(each)
            if reason is None:
                try:
                    add_order(world, each)
                except ValueError as error:
                    reason = str(error)
            if reason is not None:
                left_out.append(f"{path.name}: {reason}")
    return left_out


def _not_an_order(document: Any) -> str | None:
    if not isinstance(document, dict):
        return "not a JSON object"
    if "orderState" not in document:
        return "not an Order (no orderState)"
    missing = [name for name in ("id", "lineItems", "totalPrice") if name not in document]
    return f"not an Order ({', '.join(missing)} missing)" if missing else None


def add_order(world: World, order: Json) -> Json:
    """Places an Order in the project, with the documents it refers to where they are missing.

    Raises ValueError when its id or orderNumber is taken.
    """
    with world.lock:
        number = order.get("orderNumber")
        if order["id"] in world.ct.orders:
            raise ValueError(f"order id {order['id']} is taken")
        numbers = world.ct.extra.setdefault("order_numbers", {})
        if number is not None and numbers.setdefault(number, order["id"]) != order["id"]:
            raise ValueError(f"order number {number} is taken")
        stamp = timestamp(world.now(COMMERCETOOLS))
        empty: Json = {"version": 1, "createdAt": stamp, "customLineItems": [], "syncInfo": []}
        for name, value in empty.items():
            order.setdefault(name, value)
        order.setdefault("lastModifiedAt", order["createdAt"])
        if not world.ct.extra.get("documents"):
            world.ct.extra["documents"] = True
            shared = generate_world_documents()
            add_documents(world, ((kind, each) for kind, rows in shared.items() for each in rows))
        add_documents(world, referred_documents(order))
        world.ct.orders[order["id"]] = order
        return order


def order_by_number(world: World, number: str) -> Json | None:
    """The Order with this orderNumber."""
    known = world.ct.orders.get(world.ct.extra.get("order_numbers", {}).get(number, ""))
    if known is not None and known.get("orderNumber") == number:
        return known
    return next((each for each in world.ct.orders.values() if each.get("orderNumber") == number), None)


def add_documents(world: World, documents: Iterable[tuple[str, Json]]) -> None:
    """Adds (kind, document) pairs, e.g. ("channels", {...}), to the project; known ids stay as they are."""
    for kind, document in documents:
        collection: dict[str, Json] = getattr(world.ct, kind)
        collection.setdefault(document["id"], document)


def edit_order(world: World, order_id: str, change: Change) -> Json:
    """A customer or an agent changes an Order: version + 1, lastModifiedAt now.

    `change` works on a copy that then takes the Order's place; raises KeyError for an unknown id.
    """
    with world.lock:
        order = copied_json(world.ct.orders[order_id])
        change(order)
        order["version"] += 1
        order["lastModifiedAt"] = timestamp(world.now(COMMERCETOOLS))
        if "versionModifiedAt" in order:
            order["versionModifiedAt"] = order["lastModifiedAt"]
        world.ct.orders[order_id] = order
        return order


def order_edit(world: World, order_id: str, *changes: Change) -> Json:
    """An applied Order Edit: the changes together, then every total and tax computed again."""

    def change(order: Json) -> None:
        for each in changes:
            each(order)
        _limit_discount_on_total(order)
        price_order(order)

    return edit_order(world, order_id, change)


# ── changes for order_edit and edit_order ──


def removing_line(line_id: str) -> Change:
    """The line is gone."""

    def change(order: Json) -> None:
        _line(order, line_id)
        order["lineItems"] = [line for line in order["lineItems"] if line["id"] != line_id]

    return change


def adding_line(
    rng: random.Random, *, sku: str, quantity: int, cent_amount: int, like_line_id: str | None = None
) -> Change:
    """A new line of `sku` at `cent_amount` a unit, taxed and shipped like another (default: the first)."""

    def change(order: Json) -> None:
        like = _line(order, like_line_id) if like_line_id else order["lineItems"][0]
        line = copy.deepcopy(like)
        value = money(cent_amount, order["totalPrice"]["currencyCode"])
        price = {"id": random_id(rng), "value": value}
        line |= {"id": random_id(rng), "price": price, "quantity": quantity, "state": initial_state(quantity)}
        line |= {"name": {"en-US": sku}, "lineItemMode": "Standard", "priceMode": "Platform"}
        line["variant"] = {**line["variant"], "sku": sku, "key": sku.lower(), "prices": [price]}
        line["discountedPricePerQuantity"] = []
        for field in ("key", "custom"):
            line.pop(field, None)
        _fit_targets(line, quantity)
        order["lineItems"].append(line)

    return change


def changing_quantity(line_id: str, quantity: int) -> Change:
    """The line has another quantity; its price groups, states and targets are cut or grow with it."""

    def change(order: Json) -> None:
        line = _line(order, line_id)
        if line["priceMode"] == "ExternalTotal":
            total = line["totalPrice"]["centAmount"] * quantity // line["quantity"]
            line["totalPrice"] = {**line["totalPrice"], "centAmount": total}
        line["discountedPricePerQuantity"] = _resized(line["discountedPricePerQuantity"], quantity)
        line["state"] = _resized(line["state"], quantity)
        line["quantity"] = quantity
        _fit_targets(line, quantity)

    return change


def changing_address(**fields: str) -> Change:
    """Some fields of the shipping address are different (of each one in Multiple mode)."""

    def change(order: Json) -> None:
        addresses = [each["shippingAddress"] for each in order.get("shipping") or []]
        if order.get("shippingAddress"):
            addresses.append(order["shippingAddress"])
        for address in addresses:
            address.update(fields)

    return change


def cancelling() -> Change:
    """The Order is Cancelled (two l) and its shipment Canceled (one l)."""

    def change(order: Json) -> None:
        order["orderState"] = "Cancelled"
        order["shipmentState"] = "Canceled"

    return change


def _line(order: Json, line_id: str) -> Json:
    for line in order["lineItems"]:
        if line["id"] == line_id:
            found: Json = line
            return found
    raise KeyError(f"order {order['id']} has no line {line_id}")


def _resized(rows: list[Json], quantity: int) -> list[Json]:
    """Rows with a quantity each, cut from the end or grown at the first one to add up to `quantity`."""
    left = quantity
    kept = []
    for row in rows:
        taken = min(row["quantity"], left)
        left -= taken
        if taken:
            kept.append({**row, "quantity": taken})
    if left and kept:
        kept[0]["quantity"] += left
    return kept


def _fit_targets(line: Json, quantity: int) -> None:
    details = line.get("shippingDetails")
    if not details:
        return
    details["targets"] = _resized(details["targets"], quantity)
    used = {target.get("shippingMethodKey") for target in details["targets"]}
    rates = line.get("perMethodTaxRate") or []
    line["perMethodTaxRate"] = [row for row in rates if row["shippingMethodKey"] in used]


def _limit_discount_on_total(order: Json) -> None:
    """A discount never takes more than there is: it goes when the lines no longer carry it."""
    discount = order.pop("discountOnTotalPrice", None)
    if discount is None:
        return
    price_order(order)
    if discount["discountedAmount"]["centAmount"] <= order["totalPrice"]["centAmount"]:
        order["discountOnTotalPrice"] = discount
