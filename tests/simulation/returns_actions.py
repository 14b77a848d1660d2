"""What happens to returns: customers, carriers, return centers, MAO's agents and payments; other writers of
the shop's orders; operators. Each action draws what it needs and tells in a few words what it did ("" =
nothing)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from operators import (
    calm,
    lose_the_state_file,
    replaying_errors,
    syncing,
    syncing_and_crashing,
    syncing_while_life_goes_on,
    told_of_run,
    trouble,
    wait_a_moment,
    wait_long,
)
from play import Weights
from returns_world import CONDITIONS, ReturnsWorld

from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_parents import returnable_units

RETURNS_MAX = 6


# ---- customers and carriers ------------------------------------------------------------------------------


def announce(world: ReturnsWorld, rng: random.Random) -> str:
    if len(world.returns()) >= RETURNS_MAX:
        return ""
    orders = [order for order in world.sandbox.world.mao.orders.values() if order.get("AlternateOrderId")]
    chosen = rng.sample(orders, min(len(orders), rng.choice([1, 1, 1, 2])))
    chosen = [order for order in chosen if order["CurrencyCode"] == chosen[0]["CurrencyCode"]]
    wanted = {order["OrderId"]: _some_units(world, rng, order["OrderId"]) for order in chosen}
    wanted = {order_id: lines for order_id, lines in wanted.items() if lines}
    if not wanted:
        return ""
    first, *more = wanted
    exchange = [_exchange_line(rng)] if rng.random() < 0.15 else []
    return_id = world.lifecycle.create_return(
        first,
        wanted[first],
        others={order_id: wanted[order_id] for order_id in more},
        condition=rng.choice([*CONDITIONS, None]),
        reason=rng.choice(["TooSmall", "Broken", "ChangedMind"]),
        receipt_expected=rng.random() < 0.85,
        confirmed=rng.random() < 0.85,
        tracking=f"RTN{rng.randint(1000, 9999)}" if rng.random() < 0.7 else None,
        exchange=exchange,
        paid_here=rng.random() < 0.7,
    )
    told = ", ".join(
        f"{order_id}: {' '.join(f'{units} of {line[:6]}' for line, units in lines.items())}"
        for order_id, lines in wanted.items()
    )
    return f"{return_id} is announced: {told}{' and an exchange' if exchange else ''}"


def _some_units(world: ReturnsWorld, rng: random.Random, order_id: str) -> dict[str, int]:
    lines = world.sandbox.world.mao.orders[order_id]["OrderLine"]
    found = {line["OrderLineId"]: int(returnable_units(line)) for line in lines}
    found = {line_id: units for line_id, units in found.items() if units > 0}
    chosen = rng.sample(sorted(found), min(len(found), rng.choice([1, 1, 2, 3])))
    return {line_id: rng.randint(1, found[line_id]) for line_id in chosen}


def _exchange_line(rng: random.Random) -> dict[str, Any]:
    return {
        "ItemId": f"SKU-X{rng.randint(1, 9)}",
        "Quantity": rng.randint(1, 2),
        "UOM": "EACH",
        "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
        "ShipToAddress": {"Address": {"LastName": "Muster", "City": "Berlin", "Country": "DE"}},
    }


def ship_more(world: ReturnsWorld, rng: random.Random) -> str:
    order = rng.choice(list(world.sandbox.world.mao.orders.values()))
    if not order.get("AlternateOrderId"):
        return ""
    before = world.sandbox.world.mao.orders[order["OrderId"]]
    world.lifecycle.ship(order["OrderId"])
    after = world.sandbox.world.mao.orders[order["OrderId"]]
    if before["OrderLine"] == after["OrderLine"]:
        return ""
    return f"{order['OrderId']}: the rest is shipped"


def scan(world: ReturnsWorld, rng: random.Random) -> str:
    return _do(world, rng, "scan_return", "the carrier scans it")


# ---- return centers --------------------------------------------------------------------------------------


def receive(world: ReturnsWorld, rng: random.Random) -> str:
    line = _some_line(world, rng)
    if line is None:
        return ""
    return_id, row = line
    pending = _units(row, 11000) + _units(row, 14000)
    if pending < 1:
        return ""
    units = rng.randint(1, pending)
    condition = rng.choice([None, *CONDITIONS])
    try:
        world.lifecycle.receive(return_id, row["OrderLineId"], units, condition=condition)
    except Refused:
        return ""
    return f"{return_id}: {units} of line {row['OrderLineId']} received, {condition or 'as announced'}"


def verify(world: ReturnsWorld, rng: random.Random) -> str:
    """What was received, and maybe more that nobody had counted; nothing at all cancels a line."""
    order = _some_return(world, rng)
    if order is None:
        return ""
    found = []
    told = []
    for line in order["OrderLine"]:
        if not line.get("IsReturn") or line.get("IsCancelled") or _units(line, 18000):
            continue
        if line.get("IsReceiptExpected") is False:
            continue
        if rng.random() < 0.3 and len(order["OrderLine"]) > 1:
            continue
        received = [row for row in line["ReturnDetail"] if row["Quantity"] > 0]
        for row in received:
            part = {"OrderLineId": line["OrderLineId"], "Quantity": int(row["Quantity"])}
            part["ItemId"] = row["ItemId"]
            part["ItemConditionId"] = (row["ReceivedItemCondition"] or {}).get("ItemConditionId")
            if len(received) == 1 and rng.random() < 0.15:  # at second sight it is another matter
                part |= rng.choice([{"ItemConditionId": "Worn"}, {"Quantity": part["Quantity"] - 1}])
            found.append(part)
        left = int(line["Quantity"]) - sum(int(row["Quantity"]) for row in received)
        more = rng.choice([left, left, left, 0, left - 1, left + 1])
        if more > 0:
            condition = rng.choice([None, *CONDITIONS])
            if condition not in [part.get("ItemConditionId") for part in found]:
                found.append(
                    {"OrderLineId": line["OrderLineId"], "Quantity": more, "ItemConditionId": condition}
                )
        elif not received:
            found.append({"OrderLineId": line["OrderLineId"], "Quantity": 0})
        if rng.random() < 0.1:
            found.append({"OrderLineId": line["OrderLineId"], "Quantity": 1, "ItemId": "SKU-SWAPPED"})
        told.append(line["OrderLineId"])
    if not found:
        return ""
    try:
        world.lifecycle.verify(order["OrderId"], found)
    except Refused:
        return ""
    shown = ", ".join(
        f"{part['Quantity']} {part.get('ItemConditionId') or 'as announced'} of {part['OrderLineId']}"
        for part in found
    )
    return f"{order['OrderId']}: verified {shown}"


def verify_line(world: ReturnsWorld, rng: random.Random) -> str:
    line = _some_line(world, rng)
    if line is None:
        return ""
    return_id, row = line
    left = int(row["Quantity"]) - _units(row, 18000)
    units = rng.choice([left, 1, left, left + 1])
    if units < 1:
        return ""
    condition = rng.choice([None, *CONDITIONS])
    try:
        world.lifecycle.verify_line(return_id, row["OrderLineId"], units, condition=condition)
    except Refused:
        return ""
    return f"{return_id}: {units} of line {row['OrderLineId']} verified, {condition or 'as announced'}"


# ---- MAO's agents and payments -----------------------------------------------------------------------------


def confirm(world: ReturnsWorld, rng: random.Random) -> str:
    return _do(world, rng, "confirm_return", "confirmed", lambda order: not order.get("IsConfirmed"))


def approve(world: ReturnsWorld, rng: random.Random) -> str:
    return _do(
        world,
        rng,
        "approve_return",
        "approved",
        lambda order: any(_units(line, 13000) for line in order["OrderLine"]),
    )


def process(world: ReturnsWorld, rng: random.Random) -> str:
    return _do(world, rng, "process_return", "taken as returned by an agent", _is_open)


def cancel(world: ReturnsWorld, rng: random.Random) -> str:
    line = _some_line(world, rng)
    if line is None:
        return ""
    return_id, row = line
    line_id = rng.choice([None, row["OrderLineId"]])
    try:
        world.lifecycle.cancel_return(return_id, line_id)
    except Refused:
        return ""
    return f"{return_id}: cancelled{f' line {line_id}' if line_id else ''}"


def resolve_holds(world: ReturnsWorld, rng: random.Random) -> str:
    held = [
        (order["OrderId"], line["OrderLineId"])
        for order in world.returns()
        for line in order["OrderLine"]
        if line.get("IsReturn") and line.get("IsOnHold")
    ]
    if not held:
        return ""
    return_id, line_id = rng.choice(held)
    world.lifecycle.resolve_line_hold(return_id, line_id)
    return f"{return_id}: the hold of line {line_id} is resolved"


def fee(world: ReturnsWorld, rng: random.Random) -> str:
    order = _some_return(world, rng)
    if order is None:
        return ""
    try:
        world.lifecycle.add_return_fee(order["OrderId"], rng.randint(1, 3))
    except Refused:
        return ""
    return f"{order['OrderId']}: a fee"


def refund(world: ReturnsWorld, rng: random.Random) -> str:
    due = [
        (order["OrderId"], invoice["InvoiceId"])
        for order in world.returns()
        for invoice in order.get("Invoice") or ()
        if invoice["Status"]["StatusId"] == "Open"
    ]
    if not due:
        return ""
    return_id, invoice_id = rng.choice(due)
    succeeded = rng.random() < 0.85
    world.lifecycle.refund(return_id, succeeded=succeeded, invoice_id=rng.choice([None, invoice_id]))
    return f"{return_id}: refund {'paid' if succeeded else 'failed'}"


def archive(world: ReturnsWorld, rng: random.Random) -> str:
    done = [o for o in world.returns() if o.get("MinReturnStatusId") in ("18000", "19000")]
    if not done:
        return ""
    order = rng.choice(done)
    if (order.get("PaymentStatus") or {}).get("StatusId") == "6000.000":
        return ""
    if not world.is_calm:
        return ""
    world.later(hours=30)  # MAO archives after days: what could be told has been looked for
    told = told_of_run(world, "sync returns", "returns")
    if not any(entity.startswith(order["OrderId"]) for entity in world.open_letters()):
        world.lifecycle.archive(order["OrderId"])
        told += f"; {order['OrderId']} is archived"
    return f"30 h go by, {told}"


# ---- others who write into the shop's orders ---------------------------------------------------------------


def agent_adds_a_return(world: ReturnsWorld, rng: random.Random) -> str:
    """A customer service agent of the shop takes something back by hand, mostly of a line nobody returns."""
    order_id = rng.choice(sorted(world.shop))
    order = world.shop[order_id]
    taken = {item["lineItemId"] for _, item in world.items() if "lineItemId" in item}
    announced = {
        str(line.get("ParentOrderLineId"))[:36] for ret in world.returns() for line in ret["OrderLine"]
    }
    free = [line for line in order["lineItems"] if line["id"] not in taken | announced]
    if not free:
        return ""
    line = rng.choice(free)
    item = {"quantity": 1, "lineItemId": line["id"], "shipmentState": rng.choice(["Advised", "Returned"])}
    if rng.random() < 0.5:
        item |= {"key": f"desk-{rng.randint(1000, 9999)}", "comment": "by phone"}
    known = {one["id"] for _, one in world.items()}
    answer = world.change_shop(order_id, {"action": "addReturnInfo", "items": [item]})
    for info in answer["returnInfo"]:
        for made in info["items"]:
            if made["id"] not in known:
                world.foreign[order_id, made["id"]] = {
                    name: made.get(name) for name in ("key", "quantity", "lineItemId", "comment")
                }
    world.ranks = {}
    world.note_ranks()
    return f"{_number(order)}: an agent of the shop adds a return of {line['id'][:6]}"


def agent_deletes_a_return(world: ReturnsWorld, rng: random.Random) -> str:
    """In an order where all return items are ours; setReturnInfo leaves none."""
    others = {order_id for order_id, _ in world.foreign}
    orders = sorted({order_id for order_id, _ in world.own_items()} - others)
    if not orders:
        return ""
    order_id = rng.choice(orders)
    keys = [item["key"] for owner, item in world.own_items() if owner == order_id]
    world.deleted |= {key.split("-")[1] for key in keys}
    for place in [place for place in world.ranks if place[0] == order_id]:
        del world.ranks[place]
    world.change_shop(order_id, {"action": "setReturnInfo", "items": []})
    return f"{_number(world.shop[order_id])}: an agent of the shop deletes {', '.join(keys)}"


def payment_service_decides(world: ReturnsWorld, rng: random.Random) -> str:
    """It sets what it has done by itself, on items of ours too."""
    waiting = [(order_id, item) for order_id, item in world.items() if item["paymentState"] == "Initial"]
    if not waiting:
        return ""
    order_id, item = rng.choice(waiting)
    state = rng.choice(["Refunded", "Refunded", "NotRefunded"])
    world.change_shop(
        order_id, {"action": "setReturnPaymentState", "returnItemId": item["id"], "paymentState": state}
    )
    world.decided[order_id, item["id"]] = state
    return (
        f"{_number(world.shop[order_id])}: the payment service says {state} of {item.get('key', 'an item')}"
    )


def somebody_edits_the_order(world: ReturnsWorld, rng: random.Random) -> str:
    order_id = rng.choice(sorted(world.shop))
    world.change_shop(
        order_id, {"action": "setPurchaseOrderNumber", "purchaseOrderNumber": f"PO-{rng.randint(1, 10**6)}"}
    )
    return f"{_number(world.shop[order_id])}: somebody sets a purchase order number"


# ---- pieces ------------------------------------------------------------------------------------------------


def _do(
    world: ReturnsWorld,
    rng: random.Random,
    step: str,
    told: str,
    wanted: Callable[[dict[str, Any]], bool] = lambda order: True,
) -> str:
    orders = [order for order in world.returns() if wanted(order)]
    if not orders:
        return ""
    return_id = rng.choice(orders)["OrderId"]
    try:
        getattr(world.lifecycle, step)(return_id)
    except Refused:
        return ""
    return f"{return_id}: {told}"


def _some_return(world: ReturnsWorld, rng: random.Random) -> dict[str, Any] | None:
    orders = [order for order in world.returns() if _is_open(order)]
    return rng.choice(orders) if orders else None


def _some_line(world: ReturnsWorld, rng: random.Random) -> tuple[str, dict[str, Any]] | None:
    order = _some_return(world, rng)
    lines = [line for line in (order or {}).get("OrderLine", ()) if line.get("IsReturn")]
    return (order["OrderId"], rng.choice(lines)) if order and lines else None


def _is_open(order: dict[str, Any]) -> bool:
    return bool(order.get("IsConfirmed")) and order.get("MinReturnStatusId") not in ("18000", "19000")


def _units(line: dict[str, Any], status: int) -> int:
    return sum(int(row["Quantity"]) for row in line["QuantityDetail"] if row["StatusId"] == str(status))


def _number(order: dict[str, Any]) -> str:
    return str(order.get("orderNumber") or order["id"])


_LIFE = [receive, verify, verify_line, refund, payment_service_decides, somebody_edits_the_order, cancel]

WEIGHTS: Weights = [
    (announce, 16),
    (ship_more, 3),
    (scan, 4),
    (receive, 16),
    (verify, 14),
    (verify_line, 14),
    (confirm, 5),
    (approve, 6),
    (process, 2),
    (cancel, 3),
    (resolve_holds, 8),
    (fee, 2),
    (refund, 12),
    (archive, 2),
    (agent_adds_a_return, 5),
    (agent_deletes_a_return, 1),
    (payment_service_decides, 6),
    (somebody_edits_the_order, 3),
    (syncing("status"), 3),
    (syncing("returns"), 20),
    (syncing("orders"), 2),
    (syncing_and_crashing("returns"), 9),
    (syncing_while_life_goes_on("returns", _LIFE), 6),
    (replaying_errors("returns"), 3),
    (lose_the_state_file, 2),
    (wait_a_moment, 6),
    (wait_long, 4),
    (trouble, 5),
    (calm, 5),
]
