"""What happens in the world of the inventory job: shoppers, warehouses, planners, operators, hiccups."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from inventory_world import LOCATIONS, PACK, InventoryWorld
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

from ct_mao_sync.sandbox.commercetools_orders import cancelling, changing_quantity, order_edit
from ct_mao_sync.sandbox.commercetools_stock import place_order
from ct_mao_sync.sandbox.generate import generate_order
from ct_mao_sync.sandbox.generate_money import price_order
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, NETWORK_VIEW
from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_messages import full_sync
from ct_mao_sync.sandbox.manhattan_stock import (
    EVERYWHERE,
    adjust_supply,
    change_view,
    mark_errored,
    set_supply,
    stock_of,
)

ORDERS_MAX = 8


# ---- shoppers ------------------------------------------------------------------------------------------


def sell(world: InventoryWorld, rng: random.Random) -> str:
    """Whatever the shop offers is sold; what it does not offer is not."""
    if len(world.shop) >= ORDERS_MAX or not world.reports:
        return ""
    offered = sorted(place for place, quantity in world.shown().items() if quantity > 0)
    if not offered:
        return ""
    sku, channel_id = rng.choice(offered)
    quantity = min(world.shown()[sku, channel_id], rng.choice([1, 1, 2, 5, 100]))
    number = next(world.order_numbers)
    order = order_of(world, rng, number, sku, channel_id, quantity)
    with world.falling("delta"):
        placed = place_order(world.sandbox.world, order)
    if placed:
        world.sales.append(((sku, channel_id), quantity, world.clock.monotonic()))
    return f"CT-{number} sells {quantity} of {sku} {channel_id[:4]}" if placed else ""


def order_of(
    world: InventoryWorld, rng: random.Random, number: int, sku: str, channel_id: str, quantity: int
) -> dict[str, Any]:
    order = generate_order(
        random.Random(rng.getrandbits(64)),
        number,
        world.shop_now(),
        "EUR",
        features=(),
        created_at=world.shop_now(),
        order_state="Open",
        payment_state="Paid",
    )
    order["lineItems"] = order["lineItems"][:1]
    (line,) = order["lineItems"]
    line["variant"]["sku"], line["quantity"] = sku, quantity
    line["state"] = [{**line["state"][0], "quantity": quantity}]
    line.pop("supplyChannel", None)
    if channel_id:
        line["supplyChannel"] = {"typeId": "channel", "id": channel_id}
    mode = rng.choice(["TrackOnly", "ReserveOnOrder", "ReserveOnOrder"])
    if rng.random() < 0.3:
        order["inventoryMode"], line["inventoryMode"] = "None", mode
    else:
        order["inventoryMode"] = mode
        line.pop("inventoryMode", None)
    price_order(order)
    return order


def _some_order(world: InventoryWorld, rng: random.Random) -> dict[str, Any] | None:
    alive = [order for order in world.shop.values() if order["orderState"] == "Open"]
    return rng.choice(alive) if alive else None


def cancel(world: InventoryWorld, rng: random.Random) -> str:
    order = _some_order(world, rng)
    if order is None:
        return ""
    order_edit(world.sandbox.world, order["id"], cancelling())
    return f"{order['orderNumber']}: shop cancels"


def change_quantity(world: InventoryWorld, rng: random.Random) -> str:
    """An Order Edit moves no stock of the shop, and only the orders job sees it."""
    order = _some_order(world, rng)
    if order is None:
        return ""
    (line,) = order["lineItems"]
    quantity = rng.choice([1, line["quantity"] + 1])
    with world.falling("orders"):
        order_edit(world.sandbox.world, order["id"], changing_quantity(line["id"], quantity))
    return f"{order['orderNumber']}: shop changes {line['quantity']} -> {quantity}"


# ---- MAO and the people there ------------------------------------------------------------------------


def _some_mao_order(world: InventoryWorld, rng: random.Random) -> dict[str, Any] | None:
    ours = [o for o in world.sandbox.world.mao.orders.values() if o.get("AlternateOrderId") in world.shop]
    return rng.choice(ours) if ours else None


def allocate(world: InventoryWorld, rng: random.Random) -> str:
    """Somewhere that has stock, whichever channel sold it."""
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    location = rng.choice([None, *LOCATIONS])
    with world.falling("delta"):
        try:
            world.lifecycle.allocate(order["OrderId"], location=location)
        except Refused:
            return ""
    return f"{order['OrderId']}: MAO allocates from {location or 'anywhere'}"


def move_along(world: InventoryWorld, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    with world.falling("delta"):
        steps = [world.lifecycle.next_step(order["OrderId"]) for _ in range(rng.choice([1, 2, 7]))]
    done = [step for step in steps if step]
    return f"{order['OrderId']}: MAO does {', '.join(done)}" if done else ""


def fall_back(world: InventoryWorld, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    with world.falling("delta"):
        try:
            world.lifecycle.backorder(order["OrderId"])
        except Refused:
            return ""
    return f"{order['OrderId']}: MAO de-allocates"


def lose_units(world: InventoryWorld, rng: random.Random) -> str:
    order = _some_mao_order(world, rng)
    if order is None:
        return ""
    how = rng.choice(["short", "cancel_units"])
    line = rng.choice(order["OrderLine"])
    if line.get("IsCancelled"):
        return ""
    with world.falling("delta"):
        try:
            getattr(world.lifecycle, how)(order["OrderId"], line["OrderLineId"], 1)
        except Refused:
            return ""
    return f"{order['OrderId']}: MAO {how} one"


def archive(world: InventoryWorld, rng: random.Random) -> str:
    """What is done with."""
    order = _some_mao_order(world, rng)
    if order is None or not (order.get("IsCancelled") or Decimal(order["MinFulfillmentStatusId"]) >= 7000):
        return ""
    world.lifecycle.archive(order["OrderId"])
    return f"{order['OrderId']}: MAO archives it"


def _some_stock(world: InventoryWorld, rng: random.Random) -> tuple[str, str]:
    return rng.choice(world.stocked.items), rng.choice(sorted(LOCATIONS))


def move_supply(world: InventoryWorld, rng: random.Random) -> str:
    item, place = _some_stock(world, rng)
    delta = rng.choice([-30, -5, -1, 1, 8, 40])
    with world.falling("delta"):
        adjust_supply(world.sandbox.world, item, place, delta)
    return f"supply of {item} at {place}: {delta:+d}"


def count_supply(world: InventoryWorld, rng: random.Random) -> str:
    item, place = _some_stock(world, rng)
    quantity = rng.choice([0, 1, 7, 100])
    with world.falling("delta"):
        set_supply(world.sandbox.world, item, place, quantity)
    return f"supply of {item} at {place} is {quantity}"


def find_supply_again(world: InventoryWorld, rng: random.Random) -> str:
    item, place = _some_stock(world, rng)
    mark_errored(world.sandbox.world, item, place, errored=False)
    return f"supply of {item} at {place} is without error"


def protect(world: InventoryWorld, rng: random.Random) -> str:
    """Safety stock: MAO changes no supply record for it."""
    item, place = _some_stock(world, rng)
    units = rng.choice([0, 2, 10])
    with world.falling("sweep"):
        stock_of(world.sandbox.world).protection[item, place] = Decimal(units)
    return f"{units} of {item} are protected at {place}"


def protect_in_network(world: InventoryWorld, rng: random.Random) -> str:
    units = rng.choice([0, 3])
    with world.falling("sweep"):
        change_view(world.sandbox.world, NETWORK_VIEW, protection=Decimal(units))
    return f"the network view protects {units} of each item"


def close_a_location(world: InventoryWorld, rng: random.Random) -> str:
    outages = stock_of(world.sandbox.world).outages
    place = rng.choice(sorted(LOCATIONS))
    with world.falling("sweep"):
        outages.symmetric_difference_update({place})
    return f"{place} is {'closed' if place in outages else 'open again'}"


def take_out_of_the_view(world: InventoryWorld, rng: random.Random) -> str:
    """An item that is not eligible has no row in a location view. Never all of them."""
    ineligible = stock_of(world.sandbox.world).ineligible
    item = rng.choice(world.stocked.items[:2])
    with world.falling("sweep"):
        ineligible.symmetric_difference_update({(item, EVERYWHERE)})
    return f"{item} is {'not' if (item, EVERYWHERE) in ineligible else 'again'} eligible"


def restock(world: InventoryWorld, rng: random.Random) -> str:
    """A delivery of everything: so many entries at once that `auto` imports those with room."""
    place, units = rng.choice(sorted(LOCATIONS)), rng.choice([40, 70, 90])
    with world.falling("delta"):
        for item in world.stocked.items:
            set_supply(world.sandbox.world, item, place, units)
    return f"every item has {units} at {place}"


def burn_down(world: InventoryWorld, rng: random.Random) -> str:
    """Somebody sets the whole tenant to 0: true or not, the drop guard has to ask."""
    if world.options["items"] < 20:
        return ""
    with world.falling("delta"):
        for item in world.stocked.items:
            for place in LOCATIONS:
                set_supply(world.sandbox.world, item, place, 0)
    return "every supply is 0"


# ---- hiccups -----------------------------------------------------------------------------------------------


def answer_in_part(world: InventoryWorld, rng: random.Random) -> str:
    world.half_answers = rng.choice([1, 2, 3, 30])
    return f"{world.half_answers} availability answers are cut"


def spoil_the_view(world: InventoryWorld, rng: random.Random) -> str:
    if world.bad_view:
        return ""
    world.bad_view = rng.choice(["inactive", "unpublished"])
    _set_views(world, active=world.bad_view != "inactive", publish_quantity=world.bad_view == "inactive")
    return f"the views are {world.bad_view}"


def mend(world: InventoryWorld, rng: random.Random) -> str:
    if not world.bad_view and not world.half_answers:
        return ""
    mend_everything(world)
    return "views and answers are whole again"


def mend_everything(world: InventoryWorld) -> None:
    world.bad_view, world.half_answers = "", 0
    _set_views(world, active=True, publish_quantity=True)


def _set_views(world: InventoryWorld, **changes: Any) -> None:
    for name in (NETWORK_VIEW, LOCATION_VIEW):
        change_view(world.sandbox.world, name, **changes)


# ---- messages ----------------------------------------------------------------------------------------------


def publish(world: InventoryWorld, rng: random.Random) -> str:
    """A full sync of MAO goes into a queue; with the prefix of its locations, with or without its zeros."""
    if world.bad_view:
        return ""
    told = [full_sync(world.sandbox.world, view, non_zero=rng.random() < 0.5) for view in world.views]
    world.put_into_queue([message for messages in told for message in messages])
    return f"MAO publishes {len(world.queue)} messages"


def hear(world: InventoryWorld, rng: random.Random) -> str:
    """Whenever the queue hands them over, and as often as it likes."""
    return (
        told_of_run(world, "sync inventory --from", "inventory", nudges=world.read_queue())
        if world.queue
        else ""
    )


# ---- operators ---------------------------------------------------------------------------------------------


def sync_with_options(world: InventoryWorld, rng: random.Random) -> str:
    kind = rng.choice(["full", "full", "sku", "limit", "dry-run"])
    if kind == "full":
        return told_of_run(world, "sync inventory --full", "inventory", full=True)
    if kind == "limit":
        return told_of_run(world, "sync inventory --limit 2", "inventory", limit=2)
    if kind == "dry-run":
        before = world.writes()
        told = told_of_run(world, "sync inventory --dry-run", "inventory", dry_run=True)
        assert world.writes() == before, "a dry run wrote"
        return told
    sku = rng.choice([PACK, *world.stocked.items])
    return told_of_run(world, f"sync inventory --sku {sku}", "inventory", given=(sku,))


def allow_the_drop(world: InventoryWorld, rng: random.Random) -> str:
    held = [letter.entity for letter in world.open_letters().values() if letter.code == "drop-limit"]
    if not held:
        return ""
    return told_of_run(
        world, "replay --allow-drop", "inventory", dead_letters=tuple(held), allow=frozenset({"drop"})
    )


MEANWHILE: tuple[Action, ...] = (sell, sell, sell, cancel, change_quantity, allocate, move_supply, move_along)

WEIGHTS: Weights = (
    (sell, 16),
    (cancel, 3),
    (change_quantity, 2),
    (allocate, 8),
    (move_along, 5),
    (fall_back, 2),
    (lose_units, 2),
    (archive, 1),
    (move_supply, 6),
    (count_supply, 2),
    (find_supply_again, 1),
    (protect, 3),
    (protect_in_network, 1),
    (close_a_location, 1),
    (take_out_of_the_view, 2),
    (burn_down, 2),
    (answer_in_part, 2),
    (spoil_the_view, 1),
    (mend, 6),
    (syncing("inventory"), 24),
    (syncing("orders"), 12),
    (sync_with_options, 6),
    (syncing_and_crashing("inventory"), 6),
    (syncing_and_crashing("orders"), 3),
    (syncing_while_life_goes_on("inventory", MEANWHILE), 10),
    (syncing_while_life_goes_on("orders", MEANWHILE), 3),
    (replaying_errors("inventory"), 2),
    (allow_the_drop, 2),
    (lose_the_state_file, 1),
    (wait_a_moment, 10),
    (wait_long, 2),
    (trouble, 3),
    (calm, 4),
    (manhattans_clock_jumps, 1),
)
