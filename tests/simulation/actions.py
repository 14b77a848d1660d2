"""What happens in the world of the orders job: customers, warehouses, agents, operators. Each action draws
what it needs from the given generator and tells in a few words what it did ("" = nothing)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from faults import CrashPlan
from operators import (
    calm,
    lose_the_state_file,
    manhattans_clock_jumps,
    replaying_errors,
    syncing,
    syncing_and_crashing,
    syncing_while_life_goes_on,
    told_of_run,
    trouble,
    wait_a_moment,
    wait_long,
)
from play import Action, Weights
from world import METHODS, World

from ct_mao_sync.sandbox.admin import aimed_at
from ct_mao_sync.sandbox.commercetools_orders import (
    add_order,
    adding_line,
    cancelling,
    changing_address,
    changing_quantity,
    edit_order,
    order_edit,
    removing_line,
)
from ct_mao_sync.sandbox.generate import FEATURES, generate_order
from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_orders import save_order

ORDERS_MAX = 8
# Orders of a hundred lines have their own tests; here they only cost time.
_FEATURES = {name: chance for name, (chance, _) in FEATURES.items() if name != "many_lines"}


# ---- customers -------------------------------------------------------------------------------------


def place_orders(world: World, rng: random.Random) -> str:
    placed = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        if len(world.shop) >= ORDERS_MAX:
            break
        number = next(world.order_numbers)
        order = generate_order(
            random.Random(rng.getrandbits(64)),
            number,
            world.shop_now(),
            rng.choice(["EUR", "USD", "JPY", "KWD"]),
            features=sorted(name for name, chance in _FEATURES.items() if rng.random() < chance),
            created_at=world.shop_now(),
            order_state=rng.choices(["Open", "Confirmed", "Cancelled", "Complete"], [85, 9, 3, 3])[0],
            payment_state=rng.choice(["Paid", "Paid", "Pending", ""]),
        )
        if rng.random() < 0.04:
            _somebody_elses_order(world, order.get("orderNumber") or order["id"])
        add_order(world.sandbox.world, order)
        placed.append(str(order.get("orderNumber") or order["id"]))
    return f"placed {', '.join(placed)}" if placed else ""


def _somebody_elses_order(world: World, order_id: str) -> None:
    """A shop of the same tenant happens to use the same OrderId."""
    payload = {
        "OrderId": order_id,
        "AlternateOrderId": f"POS-{order_id}",
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
    world.later(seconds=10)  # until the search of MAO shows it


def _some_order(world: World, rng: random.Random) -> dict[str, Any] | None:
    alive = [o for o in world.shop.values() if o["orderState"] in ("Open", "Confirmed")]
    return rng.choice(alive) if alive else None


def change_address(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    if order is None or not order.get("shippingAddress"):
        return ""
    fields = {
        "city": f"City {rng.randint(1, 99)}",
        "postalCode": f"{rng.randint(10000, 99999)}",
        "lastName": f"Name {rng.randint(1, 99)}",
    }
    chosen = {name: fields[name] for name in rng.sample(sorted(fields), rng.randint(1, 3))}
    address = order["shippingAddress"]
    world.addresses_before[order["id"]] = {name: address[name] for name in chosen if name in address}
    edit_order(world.sandbox.world, order["id"], changing_address(**chosen))
    return f"{_name(order)}: shop changes {', '.join(sorted(chosen))}"


def take_address_back(world: World, rng: random.Random) -> str:
    """A -> B -> A."""
    known = sorted(set(world.addresses_before) & {o["id"] for o in world.shop.values()})
    if not known:
        return ""
    entity = rng.choice(known)
    edit_order(world.sandbox.world, entity, changing_address(**world.addresses_before.pop(entity)))
    return f"{_name(world.shop[entity])}: shop takes its last change of address back"


def change_and_take_back(world: World, rng: random.Random) -> str:
    """A -> B -> A, and the run that carries B dies on the way."""
    order = _some_order(world, rng)
    if order is None or not order.get("shippingAddress"):
        return ""
    before = order["shippingAddress"].get("city")
    if not before:
        return ""
    edit_order(world.sandbox.world, order["id"], changing_address(city="Nowhere"))
    plan = CrashPlan("send after", rng.choice([2, 3, 4, 5, 6]))
    told = told_of_run(world, f"sync orders, killed at {plan.point} {plan.at}", "orders", plan)
    edit_order(world.sandbox.world, order["id"], changing_address(city=before))
    return f"{_name(order)}: shop changes city; {told}; shop takes it back"


def change_quantity(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    lines = _plain_lines(order)
    if order is None or not lines:
        return ""
    line = rng.choice(lines)
    quantity = rng.choice([1, 2, 3, 5, line["quantity"] + 1])
    order_edit(world.sandbox.world, order["id"], changing_quantity(line["id"], quantity))
    return f"{_name(order)}: shop changes quantity {line['quantity']} -> {quantity} of {line['id'][:8]}"


def remove_line(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    lines = _plain_lines(order)
    if order is None or len(order["lineItems"]) < 2 or not lines:
        return ""
    line = rng.choice(lines)
    order_edit(world.sandbox.world, order["id"], removing_line(line["id"]))
    return f"{_name(order)}: shop removes line {line['id'][:8]}"


def add_line(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    lines = _plain_lines(order)
    if order is None or not lines:
        return ""
    change = adding_line(
        random.Random(rng.getrandbits(64)),
        sku=f"SKU-NEW-{rng.randint(1, 9)}",
        quantity=rng.randint(1, 3),
        cent_amount=rng.choice([100, 999, 12345]),
        like_line_id=rng.choice(lines)["id"],
    )
    order_edit(world.sandbox.world, order["id"], change)
    return f"{_name(order)}: shop adds a line"


def _plain_lines(order: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Lines that an Order Edit can change without more ado."""
    return [
        line
        for line in (order or {}).get("lineItems", ())
        if line["lineItemMode"] == "Standard" and line["priceMode"] == "Platform"
    ]


def change_payment(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    if order is None:
        return ""
    state = rng.choice(["Paid", "Pending", "BalanceDue"])
    edit_order(world.sandbox.world, order["id"], lambda o: o.update(paymentState=state))
    return f"{_name(order)}: payment is {state}"


def cancel(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    if order is None:
        return ""
    edit_order(world.sandbox.world, order["id"], cancelling())
    return f"{_name(order)}: shop cancels"


def confirm(world: World, rng: random.Random) -> str:
    order = _some_order(world, rng)
    if order is None:
        return ""
    state = rng.choice(["Confirmed", "Confirmed", "Complete"])
    edit_order(world.sandbox.world, order["id"], lambda o: o.update(orderState=state))
    return f"{_name(order)}: orderState is {state}"


# ---- MAO and the people there --------------------------------------------------------------------


def _some_mao_order(world: World, rng: random.Random) -> dict[str, Any] | None:
    ours = [o for o in world.sandbox.world.mao.orders.values() if o.get("AlternateOrderId") in world.shop]
    return rng.choice(ours) if ours else None


def move_along(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    steps = [world.lifecycle.next_step(order["OrderId"]) for _ in range(rng.choice([1, 1, 2, 3, 7]))]
    done = [step for step in steps if step]
    return f"{order['OrderId']}: MAO does {', '.join(done)}" if done else ""


def ship_a_part(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    try:
        world.lifecycle.ship(order["OrderId"], line["OrderLineId"], 1)
    except Refused:
        return ""
    return f"{order['OrderId']}: MAO ships one of {line['OrderLineId'][:8]}"


def short(world: World, rng: random.Random) -> str:
    return _take_units(world, rng, "short")


def cancel_units(world: World, rng: random.Random) -> str:
    return _take_units(world, rng, "cancel_units")


def _take_units(world: World, rng: random.Random, how: str) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    line = rng.choice(order["OrderLine"])
    if line.get("IsCancelled"):
        return ""
    try:
        getattr(world.lifecycle, how)(order["OrderId"], line["OrderLineId"], 1)
    except Refused:
        return ""
    now = next(
        row
        for row in world.sandbox.world.mao.orders[order["OrderId"]]["OrderLine"]
        if row["OrderLineId"] == line["OrderLineId"]
    )
    left = 0 if now.get("IsCancelled") else int(now["Quantity"])
    world.touch(order["AlternateOrderId"], "units", line["OrderLineId"], left)
    return f"{order['OrderId']}: MAO {how} one of {line['OrderLineId'][:8]}, {left} left"


def agent_changes_address(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    what = rng.choice(["Phone", "Phone", "City"])
    value = f"+1555{rng.randint(1000, 9999)}" if what == "Phone" else f"Agentville {rng.randint(1, 9)}"

    def change(document: dict[str, Any]) -> None:
        for line in document["OrderLine"]:
            address = (line.get("ShipToAddress") or {}).get("Address")
            if address:
                address[what] = value

    lines = [line for line in order["OrderLine"] if (line.get("ShipToAddress") or {}).get("Address")]
    if not lines:
        return ""
    world.lifecycle.edit(order["OrderId"], change)
    for line in lines:
        world.touch(order["AlternateOrderId"], what, line["OrderLineId"], value)
    # MAO checks no version of its own: what its search does not show yet, a save can still overwrite.
    world.later(seconds=10)
    return f"{order['OrderId']}: an agent changes {what}"


def agent_gives_an_appeasement(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    row_id = f"APPEASE-{rng.randint(1, 999)}"
    amount = -rng.randint(1, 5)
    row = {
        "ChargeDetailId": row_id,
        "ChargeType": {"ChargeTypeId": "Appeasement"},
        "DiscountOn": {"DiscountOnId": "Order"},
        "ChargeTotal": amount,
        "RequestedAmount": amount,
    }
    world.lifecycle.edit(
        order["OrderId"], lambda document: document.setdefault("OrderChargeDetail", []).append(row)
    )
    world.touch(order["AlternateOrderId"], "appeasement", row_id, amount)
    return f"{order['OrderId']}: an agent gives an appeasement of {amount}"


def agent_resolves_the_hold(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None or not world.options["hold"]:
        return ""
    try:
        world.lifecycle.resolve_hold(order["OrderId"], world.options["hold"])
    except Refused:
        return ""
    return f"{order['OrderId']}: an agent resolves the hold"


def archive(world: World, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    world.lifecycle.archive(order["OrderId"])
    world.touch(order["AlternateOrderId"], "archived", "", True)
    return f"{order['OrderId']}: MAO archives it"


# ---- operators ---------------------------------------------------------------------------------------


def sync_with_options(world: World, rng: random.Random) -> str:
    kind = rng.choice(["since", "until", "limit", "limit", "order", "dry-run"])
    if kind == "since":
        back_s = rng.choice([60, 3600, 90_000])
        since = world.shop_now() - timedelta(seconds=back_s)
        return told_of_run(world, f"sync orders --since {back_s} s ago", "orders", since=since)
    if kind == "until":
        return told_of_run(world, "sync orders --until now", "orders", until=world.shop_now())
    if kind == "limit":
        limit = rng.randint(1, 2)
        return told_of_run(world, f"sync orders --limit {limit}", "orders", limit=limit)
    if kind == "dry-run":
        before = sum(world.sandbox.world.request_log.writes.values())
        told = told_of_run(world, "sync orders --dry-run", "orders", dry_run=True)
        assert sum(world.sandbox.world.request_log.writes.values()) == before, "a dry run wrote"
        return told
    if not world.shop:
        return ""
    order = rng.choice(list(world.shop.values()))
    return told_of_run(world, f"sync orders --order {_name(order)}", "orders", given=(_name(order),))


def discard_an_error(world: World, rng: random.Random) -> str:
    with world.store() as store:
        letters = store.dead_letters("orders")
        if not letters:
            return ""
        letter = rng.choice(letters)
        store.discard(letter.id, "simulated", at=world.clock.now())
    world.discarded.add(letter.entity)
    return f"errors discard {letter.label} ({letter.code})"


def change_the_mapping(world: World, rng: random.Random) -> str:
    method = rng.choice(METHODS)
    world.methods ^= {method}
    world.write_config()
    return f"shipping method {method} is {'mapped' if method in world.methods else 'mapped no more'}"


def poison(world: World, rng: random.Random) -> str:
    """MAO answers 500 to every save of one order."""
    order = _some_order(world, rng)
    if order is None:
        return ""
    name = aimed_at(service="manhattan", method="POST", path="/order/save", body=_mao_id(world, order))
    world.poisoned.append(world.sandbox.faults.always(name, "500"))
    return f"{_name(order)}: MAO answers 500 to its save"


def _name(order: dict[str, Any]) -> str:
    return str(order.get("orderNumber") or order["id"])


def _mao_id(world: World, order: dict[str, Any]) -> str:
    number = str(order.get("orderNumber") or order["id"])
    template: str = world.options["order_id"]
    if "{orderNumber}" in template and not order.get("orderNumber"):
        return str(order["id"])
    return template.replace("{orderNumber}", number).replace("{id}", order["id"])


# Not an agent who edits what the run is just about to save: MAO has nothing that would tell them apart.
MEANWHILE: tuple[Action, ...] = (change_address, change_quantity, cancel, move_along, cancel_units)

WEIGHTS: Weights = (
    (place_orders, 14),
    (change_address, 8),
    (take_address_back, 4),
    (change_and_take_back, 3),
    (change_quantity, 6),
    (remove_line, 3),
    (add_line, 3),
    (change_payment, 4),
    (cancel, 4),
    (confirm, 2),
    (move_along, 8),
    (ship_a_part, 2),
    (short, 1),
    (cancel_units, 2),
    (agent_changes_address, 3),
    (agent_gives_an_appeasement, 2),
    (agent_resolves_the_hold, 1),
    (archive, 1),
    (syncing("orders"), 22),
    (sync_with_options, 6),
    (syncing_and_crashing("orders"), 8),
    (syncing_while_life_goes_on("orders", MEANWHILE), 6),
    (replaying_errors("orders"), 2),
    (discard_an_error, 1),
    (change_the_mapping, 1),
    (lose_the_state_file, 1),
    (wait_a_moment, 8),
    (wait_long, 2),
    (trouble, 4),
    (calm, 3),
    (poison, 1),
    (manhattans_clock_jumps, 1),
)
