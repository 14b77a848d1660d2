"""What happens in the world of the status job: warehouses, carriers, agents and customers, other tools that
write to the same orders. What operators, networks and time do is in operators.py."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from operators import (
    calm,
    lose_the_state_file,
    replaying_errors,
    syncing_and_crashing,
    syncing_while_life_goes_on,
    told_of_run,
    trouble,
    wait_a_moment,
    wait_long,
)
from play import Action, Weights
from status_checkers import check_writes_of_run, delivered_units, is_ours
from status_world import FOREIGN_STATE, StatusWorld

from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order
from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_orders import save_order
from ct_mao_sync.sandbox.manhattan_totals import order_range
from ct_mao_sync.sandbox.manhattan_units import units_at
from ct_mao_sync.sandbox.manhattan_values import render_moment

_LINE_STEPS = ("allocate", "deallocate", "backorder", "process", "unprocess", "pick", "deliver")


# ---- MAO, its warehouses and its stores ------------------------------------------------------------------


def _ours(world: StatusWorld, rng: random.Random) -> dict[str, Any] | None:
    """Mostly the one that was worked on before: orders have long lives."""
    orders = world.sandbox.world.mao.orders.values()
    alive = [o for o in orders if o.get("AlternateOrderId") in world.shop and not o.get("IsCancelled")]
    known = next((o for o in alive if o["OrderId"] == world.at_work), None)
    if known is not None and rng.random() < 0.7:
        return known
    chosen = rng.choice(alive) if alive else None
    world.at_work = chosen["OrderId"] if chosen else ""
    return chosen


def step_of_a_line(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    step = rng.choice(_LINE_STEPS)
    return _try(world, order, step, line["OrderLineId"], _some(line, rng))


def burst(world: StatusWorld, rng: random.Random) -> str:
    """Several steps of the whole order, maybe without a moment between."""
    order = _ours(world, rng)
    if order is None:
        return ""
    done = []
    for _ in range(rng.choice([1, 2, 3, 4, 8])):
        try:
            step = world.lifecycle.next_step(order["OrderId"])
        except Refused:
            break
        if not step:
            break
        done.append(step)
        if rng.random() < 0.5:
            world.later(seconds=rng.choice([1, 30]))
    return f"{order['OrderId']}: {', '.join(done)}" if done else ""


def release(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line_id = rng.choice([None, rng.choice(order["OrderLine"])["OrderLineId"]])
    return _try(world, order, "release", line_id, carrier=rng.choice(["UPS", "DHL"]))


def allocate_elsewhere(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    place = rng.choice(["DC1", "DC2", "ST9"])
    return _try(world, order, "allocate", line["OrderLineId"], _some(line, rng), location=place)


def pack(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    package = rng.choice([None, _package(world, order, rng)])
    return _try(world, order, "pack", line["OrderLineId"], _some(line, rng), package_id=package)


def ship(world: StatusWorld, rng: random.Random) -> str:
    """Some units of a line, or everything that can go."""
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    package = _package(world, order, rng)
    options: dict[str, Any] = {"package_id": package, "dated": rng.random() < 0.8}
    known = next((row for row in _details(order) if row["PackageId"] == package), None)
    if known is not None or rng.random() < 0.7:
        options["tracking"] = known["TrackingNumber"] if known else f"1Z-{package}"
    if rng.random() < 0.1:
        options["item_id"] = "SKU-SUBSTITUTE"
    if rng.random() < 0.3:
        options["eta"] = render_moment(world.mao_now() + timedelta(days=rng.randint(1, 5)))
    if rng.random() < 0.3:
        return _try(world, order, "ship", None, None, **options)
    units = _some(line, rng)
    if units is not None and world.sandbox.settings.overage_allowed and rng.random() < 0.1:
        units += 3
    told = _try(world, order, "ship", line["OrderLineId"], units, **options)
    now = world.sandbox.world.mao.orders[order["OrderId"]]
    if sum(row["Quantity"] for row in now["OrderLine"]) > sum(row["Quantity"] for row in order["OrderLine"]):
        world.broken.setdefault(order["AlternateOrderId"], set()).add("quantity-exceeded")
    return told


def ship_a_part(world: StatusWorld, rng: random.Random) -> str:
    """Whatever it takes until a part of a line leaves."""
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    for step in ("allocate", "release", "transfer"):
        _try(world, order, step, line["OrderLineId"])
    return ship(world, rng)


def transfer(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    return _try(world, order, "transfer", line["OrderLineId"], _some(line, rng))


def short(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    again = rng.random() < 0.4
    return _try(world, order, "short", line["OrderLineId"], _some(line, rng) or 1, cancel=not again)


def cancel_units(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    return _try(world, order, "cancel_units", line["OrderLineId"], _some(line, rng) or 1)


def split_line(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    return _try(world, order, "split_line", line["OrderLineId"], 1, new_line_id=world.sandbox.world.new_id())


def parcel_news(world: StatusWorld, rng: random.Random) -> str:
    """The carrier's number comes late or changes, or it reports the parcel as delivered."""
    order = _ours(world, rng)
    details = _details(order)
    if order is None or not details:
        return ""
    row = rng.choice(details)
    if row["TrackingNumber"] and rng.random() < 0.6:
        return _try(world, order, "deliver_package", row["TrackingNumber"], whole=False)
    package = row["PackageId"]
    number = f"1Z-{package}-{rng.randint(1, 9)}"
    carrier = rng.choice([None, "UPS", "DHL"])
    return _try(world, order, "update_package", package, tracking=number, carrier=carrier)


def return_units(world: StatusWorld, rng: random.Random) -> str:
    order = _ours(world, rng)
    if order is None:
        return ""
    lines = {
        line["OrderLineId"]: 1
        for line in order["OrderLine"]
        if not line.get("IsReturn") and units_at(line, 7000) + units_at(line, 7500) > 0
    }
    if not lines:
        return ""
    try:
        return_id = world.lifecycle.create_return(order["OrderId"], lines)
        end = rng.choice(["process_return", "cancel_return", ""])
        if end:
            world.later(seconds=30)
            getattr(world.lifecycle, end)(return_id)
    except Refused:
        return ""
    if end != "process_return":
        world.touch(order["AlternateOrderId"], "return")
    return f"{order['OrderId']}: return {return_id} {end}"


def archive(world: StatusWorld, rng: random.Random) -> str:
    ours = [o for o in world.sandbox.world.mao.orders.values() if o.get("AlternateOrderId") in world.shop]
    # A month after its last change; an outage is shorter.
    changed_at = world.sandbox.world.mao.changed_at
    orders = [
        order
        for order in ours
        if (span := order_range(order)) is not None
        and span[0] >= 7500
        and changed_at[order["OrderId"]] < world.seen_until
    ]
    if not orders:
        return ""
    order = rng.choice(orders)
    world.lifecycle.archive(order["OrderId"])
    return f"{order['OrderId']}: archived"


def other_orders(world: StatusWorld, rng: random.Random) -> str:
    """Of other shops of the tenant, and one that looks like ours."""
    ours = rng.random() < 0.4
    number = rng.randint(1, 10**6)
    payload = {
        "OrderId": f"POS-{number}",
        "AlternateOrderId": world.sandbox.world.new_id() if ours else f"POS-{number}",
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderType": {"OrderTypeId": "Retail"},
        "SellingChannel": {"SellingChannelId": "POS"},
        "CurrencyCode": "EUR",
        "IsConfirmed": True,
        "OrderLine": [
            {
                "OrderLineId": "1",
                "ItemId": "POS-1",
                "Quantity": 1,
                "UOM": "EACH",
                "UnitPrice": 5,
                "DeliveryMethod": {"DeliveryMethodId": "Email"},
            }
        ],
        "OrderActions": {"IsAlreadyPriced": True, "IsAlreadyCharged": True, "IsAlreadyTaxed": True},
    }
    save_order(world.sandbox.world, world.sandbox.settings.organization, payload)
    return f"MAO order {payload['OrderId']} of {'nobody' if ours else 'another shop'}"


def _some(line: dict[str, Any], rng: random.Random) -> int | None:
    """A part of a line, or None for all of it."""
    units = int(line["Quantity"])
    return None if units < 1 or rng.random() < 0.4 else rng.randint(1, units)


def _details(order: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [row for line in (order or {}).get("OrderLine", ()) for row in line.get("FulfillmentDetail") or ()]


def _package(world: StatusWorld, order: dict[str, Any], rng: random.Random) -> str:
    """One that the order has already, or a new one."""
    known = sorted({row["PackageId"] for row in _details(order) if row["StatusId"] != "7500"})
    return rng.choice(known) if known and rng.random() < 0.4 else f"PKG{next(world.package_numbers)}"


def _try(
    world: StatusWorld, order: dict[str, Any], step: str, *arguments: Any, whole: bool = True, **options: Any
) -> str:
    before = world.sandbox.world.mao.orders[order["OrderId"]]
    try:
        getattr(world.lifecycle, step)(*((order["OrderId"],) if whole else ()), *arguments, **options)
    except Refused:
        return ""
    after = world.sandbox.world.mao.orders[order["OrderId"]]
    if after["OrderLine"] == before["OrderLine"]:
        return ""
    told = ", ".join(str(each)[:8] for each in arguments if each is not None)
    more = ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)
    return f"{order['OrderId']}: {step} {told} {more}".rstrip()


# ---- customers and other tools, in commercetools ---------------------------------------------------------


def _unfinished(world: StatusWorld, rng: random.Random) -> dict[str, Any] | None:
    """An order of which MAO still has something to tell: nobody looks again at the others."""
    orders = [
        world.shop[o["AlternateOrderId"]]
        for o in world.sandbox.world.mao.orders.values()
        if o.get("AlternateOrderId") in world.shop and (span := order_range(o)) is not None and span[0] < 7000
    ]
    return rng.choice(orders) if orders else None


def customer_changes_address(world: StatusWorld, rng: random.Random) -> str:
    order = rng.choice(list(world.shop.values()))
    if not order.get("shippingAddress"):
        return ""
    edit_order(world.sandbox.world, order["id"], changing_address(city=f"City {rng.randint(1, 99)}"))
    return f"{_name(order)}: a customer changes the address"


def foreign_delivery(world: StatusWorld, rng: random.Random) -> str:
    order = _unfinished(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["lineItems"])
    key = rng.choice([None, f"wms-{rng.randint(1, 10**6)}"])

    def change(document: dict[str, Any]) -> None:
        info = document.get("shippingInfo") or (document.get("shipping") or [{}])[0].get("shippingInfo")
        if info is None:
            return
        delivery = {
            "id": world.sandbox.world.new_id(),
            "createdAt": document["createdAt"],
            "items": [{"id": line["id"], "quantity": 1}],
            "parcels": [],
        }
        info.setdefault("deliveries", []).append(delivery | ({"key": key} if key else {}))

    edit_order(world.sandbox.world, order["id"], change)
    changed = world.shop[order["id"]]
    if delivered_units(changed, line["id"]) == delivered_units(order, line["id"]):
        return ""
    # Whether MAO ships these units as well only the end will tell.
    world.broken.setdefault(order["id"], set()).add("quantity-exceeded")
    return f"{_name(order)}: another tool delivers one of {line['id'][:8]}"


def foreign_things_in_our_delivery(world: StatusWorld, rng: random.Random) -> str:
    """A custom type on it, a parcel of another tool inside."""
    order = rng.choice(list(world.shop.values()))
    done = []

    def change(document: dict[str, Any]) -> None:
        infos = [document.get("shippingInfo") or {}]
        infos += [row["shippingInfo"] for row in document.get("shipping") or ()]
        own = [each for info in infos for each in info.get("deliveries") or () if is_ours(each)]
        if not own:
            return
        delivery = rng.choice(own)
        if rng.random() < 0.5:
            delivery["custom"] = {"type": {"typeId": "type", "id": "wms-type"}, "fields": {"seen": True}}
            done.append("a custom type")
        else:
            id = world.sandbox.world.new_id()
            key = f"wms-{id[:8]}"
            parcel = {"id": id, "key": key, "createdAt": document["createdAt"], "items": []}
            delivery["parcels"].append(parcel)
            done.append(f"parcel {key}")

    edit_order(world.sandbox.world, order["id"], change)
    return f"{_name(order)}: another tool adds {done[0]} to our delivery" if done else ""


def foreign_states(world: StatusWorld, rng: random.Random) -> str:
    """Somebody moves units, shipmentState or orderState."""
    order = _unfinished(world, rng)
    if order is None:
        return ""
    what = rng.choice(["line states", "shipmentState", "orderState", "custom"])
    if what == "line states":
        state = next(s for s in world.sandbox.world.ct.states.values() if s["key"] == FOREIGN_STATE)
        line = rng.choice(order["lineItems"])

        def move(document: dict[str, Any]) -> None:
            rows = next(each for each in document["lineItems"] if each["id"] == line["id"])["state"]
            row = rng.choice(rows)
            row["quantity"] -= 1
            rows.append({"quantity": 1, "state": {"typeId": "state", "id": state["id"]}})
            rows[:] = [each for each in rows if each["quantity"]]

        edit_order(world.sandbox.world, order["id"], move)
    elif what == "custom":
        custom = {"type": {"typeId": "type", "id": "crm-type"}, "fields": {"vip": True}}
        edit_order(world.sandbox.world, order["id"], lambda document: document.update(custom=custom))
    else:
        values = {
            "shipmentState": ["Pending", "Delayed", "Ready", "Shipped", "Delivered"],
            "orderState": ["Open", "Confirmed", "Complete"],
        }
        value = rng.choice(values[what])
        edit_order(world.sandbox.world, order["id"], lambda document: document.update({what: value}))
    world.touch(order["id"], what)
    return f"{_name(order)}: somebody changes its {what}"


def _name(order: dict[str, Any]) -> str:
    return str(order.get("orderNumber") or order["id"])


# ---- operators --------------------------------------------------------------------------------------------


def sync(world: StatusWorld, rng: random.Random) -> str:
    seen_until = world.mao_now() - timedelta(seconds=600)
    told = told_of_run(world, "sync status", "status")
    if world.is_calm:
        check_writes_of_run(world)
        world.seen_until = seen_until
    return told


def sync_twice(world: StatusWorld, rng: random.Random) -> str:
    """Without faults, and with replicas that show the same, the second writes nothing."""
    if not world.is_calm:
        return ""
    told = sync(world, rng)
    writes = world.writes()
    settings = world.sandbox.settings
    again = told_of_run(world, "again", "status")
    if settings.search_lag_s + settings.search_lag_spread_s == 0:
        assert world.writes() == writes, f"I2: the second of two runs has written: {again}"
    return f"{told}; {again}"


def sync_orders(world: StatusWorld, rng: random.Random) -> str:
    return told_of_run(world, "sync orders", "orders")


def sync_with_options(world: StatusWorld, rng: random.Random) -> str:
    kind = rng.choice(["since", "limit", "order", "dry-run"])
    if kind == "since":
        return told_of_run(world, "sync --since", "status", since=world.mao_now() - timedelta(hours=30))
    if kind == "limit":
        return told_of_run(world, "sync --limit 2", "status", limit=2)
    if kind == "order":
        name = _name(rng.choice(list(world.shop.values())))
        return told_of_run(world, f"sync --order {name}", "status", given=(name,))
    writes = world.writes()
    told = told_of_run(world, "sync --dry-run", "status", dry_run=True)
    assert world.writes() == writes, "a dry run wrote"
    return told


_MAO_STEPS: list[tuple[Action, int]] = [
    (step_of_a_line, 14),
    (burst, 8),
    (allocate_elsewhere, 8),
    (release, 10),
    (pack, 5),
    (ship, 12),
    (ship_a_part, 12),
    (transfer, 3),
    (short, 5),
    (cancel_units, 4),
    (split_line, 3),
    (parcel_news, 7),
    (return_units, 2),
    (archive, 2),
]


def several_steps(world: StatusWorld, rng: random.Random) -> str:
    """Warehouses do more between two runs than everybody else together."""
    actions, shares = zip(*_MAO_STEPS, strict=True)
    told = []
    for action in rng.choices(actions, shares, k=rng.randint(4, 16)):
        each = action(world, rng)
        if each:
            told.append(each)
            if rng.random() < 0.3:
                world.later(seconds=rng.choice([1, 20]))
    return "; ".join(told)


def one_step(world: StatusWorld, rng: random.Random) -> str:
    """While a request is under way, which takes no time."""
    actions, shares = zip(*((a, n) for a, n in _MAO_STEPS if a not in (burst, return_units)), strict=True)
    told: str = rng.choices(actions, shares)[0](world, rng)
    return told


def follow_one_order(world: StatusWorld, rng: random.Random) -> str:
    """Part by part, with a run after each."""
    told = []
    for _ in range(rng.randint(2, 4)):
        at_work = world.at_work
        for action in rng.choices((ship_a_part, parcel_news, short, ship), (6, 2, 1, 2), k=rng.randint(1, 3)):
            world.at_work = at_work
            told.append(action(world, rng))
            at_work = at_work or world.at_work
        world.later(seconds=rng.choice([1, 60, 700]))
        told.append(sync(world, rng))
    return "; ".join(filter(None, told))


MEANWHILE = (one_step, one_step, customer_changes_address, foreign_things_in_our_delivery, foreign_states)
WEIGHTS: Weights = [
    (several_steps, 30),
    (follow_one_order, 10),
    (other_orders, 1),
    (customer_changes_address, 3),
    (foreign_delivery, 1),
    (foreign_things_in_our_delivery, 3),
    (foreign_states, 4),
    (sync, 16),
    (sync_twice, 4),
    (sync_orders, 2),
    (sync_with_options, 4),
    (syncing_and_crashing("status"), 8),
    (syncing_while_life_goes_on("status", MEANWHILE), 6),
    (replaying_errors("status"), 2),
    (lose_the_state_file, 1),
    (wait_a_moment, 6),
    (wait_long, 3),
    (trouble, 3),
    (calm, 4),
]
