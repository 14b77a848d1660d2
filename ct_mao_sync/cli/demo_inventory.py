"""The inventory part of the tour: stock arrives, a sale is in flight, and MAO's own messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ct_mao_sync.cli.demo import Show

CONFIG = """
[inventory]
modes = ["network"]
network_view = "{network_view}"
raise_delay_seconds = 0        # here the figures of the shop follow its orders at once
"""
SOLD = 3


def show_inventory(show: Show) -> None:
    """Fills both sides with stock, and plays what happens to it."""
    from ct_mao_sync.sandbox.generate_stock import NETWORK_VIEW, stock_world
    from ct_mao_sync.sandbox.manhattan_messages import full_sync
    from ct_mao_sync.sandbox.manhattan_stock import adjust_supply

    world = show.sandbox.world
    stock_world(world, 24, entries=("network",), entries_agree=False, future=False)
    config = show.folder / "config.toml"
    text = config.read_text(encoding="utf-8") + CONFIG.format(network_view=NETWORK_VIEW)
    config.write_text(text, encoding="utf-8")

    show.say(
        "Stock",
        "MAO knows what can be promised; the shop shows something else. The first run compares every item: "
        "available-to-commerce, less the units that the shop has sold and MAO does not know yet.",
    )
    show.run("sync", "inventory")

    sku = _best_seller(show)
    adjust_supply(world, sku, "DC-ATL", 40)
    before = _shown(show, sku)
    show.say(
        "Stock arrives, and a sale is in flight",
        f"40 units of {sku} arrive in Atlanta; a customer buys {SOLD}, and the order is not in MAO yet. MAO "
        f"still counts those {SOLD} as free, so the job subtracts them: no unit is sold twice.",
    )
    _sell(show, sku)
    show.run("sync", "inventory", "-v")
    click.echo(f"   {sku}: {before} before, + 40 arrived, - {SOLD} in flight; shown now: {_shown(show, sku)}")

    messages = show.folder / "availability.jsonl"
    adjust_supply(world, sku, "DC-DRE", 5)
    lines = "".join(json.dumps(message) + "\n" for message in full_sync(world, NETWORK_VIEW))
    messages.write_text(lines + '{"MessageType": "SyncDetails", "Transac', encoding="utf-8")
    show.say(
        "MAO's own messages",
        "Five more arrive, and MAO publishes a full sync as JSON lines; its file was cut in the middle. The "
        f"broken line is told with its number, everything else counts, and the {SOLD} units stay subtracted.",
    )
    show.run("sync", "inventory", "--from", messages.name, expect=3)
    click.echo(f"   {sku}: shown now: {_shown(show, sku)}")


def _best_seller(show: Show) -> str:
    """The item with the most stock."""
    from ct_mao_sync.sandbox.generate_stock import NETWORK_VIEW
    from ct_mao_sync.sandbox.manhattan_available import true_available

    world = show.sandbox.world
    skus = {str(entry["sku"]) for entry in world.ct.inventory.values()}
    return max(sorted(skus), key=lambda sku: true_available(world, NETWORK_VIEW, sku))


def _shown(show: Show, sku: str) -> int:
    from ct_mao_sync.sandbox.commercetools_stock import find_entry, true_quantity

    entry = find_entry(show.sandbox.world, sku)
    assert entry is not None
    return true_quantity(show.sandbox.world, entry)


def _sell(show: Show, sku: str) -> None:
    """An order of the shop that no export has seen."""
    import random

    from ct_mao_sync.sandbox.commercetools_stock import place_order
    from ct_mao_sync.sandbox.core import COMMERCETOOLS
    from ct_mao_sync.sandbox.generate import generate_order
    from ct_mao_sync.sandbox.generate_money import price_order

    now = show.sandbox.world.now(COMMERCETOOLS)
    order = generate_order(
        random.Random(sku),
        1013,
        now,
        "EUR",
        features=(),
        created_at=now,
        order_state="Open",
        payment_state="Paid",
    )
    line = order["lineItems"][0]
    order["lineItems"] = [line]
    line["variant"]["sku"], line["quantity"] = sku, SOLD
    line["state"] = [{**line["state"][0], "quantity": SOLD}]
    line.pop("supplyChannel", None)
    order["inventoryMode"] = "TrackOnly"
    price_order(order)
    assert place_order(show.sandbox.world, order)
