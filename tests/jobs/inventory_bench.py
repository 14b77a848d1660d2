"""A tenant with stock, and a shop with entries for it, on the bench."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.commercetools_stock import true_quantity
from ct_mao_sync.sandbox.core import World
from ct_mao_sync.sandbox.generate import generate_order
from ct_mao_sync.sandbox.generate_money import price_order
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, LOCATIONS, NETWORK_VIEW, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available

SETTINGS = f"""
[mapping.locations]
{chr(10).join(f'"{place}" = "{channel}"' for place, channel in LOCATIONS.items())}
[inventory]
modes = ["{{mode}}"]
location_view = "{LOCATION_VIEW}"
network_view = "{NETWORK_VIEW}"
{{inventory}}
"""


class Stocked:
    """A tenant with stock, and a shop that shows something else."""

    def __init__(
        self, folder: Path, mode: str, items: Any = 12, *, inventory: str = "", **settings: Any
    ) -> None:
        self.mode = mode
        self.bench = Bench(folder, more=SETTINGS.format(mode=mode, inventory=inventory), **settings)
        self.world: World = self.bench.sandbox.world
        stock_world(self.world, 3, items=items, entries=(mode,), entries_agree=False, future=False)
        self.bench.clock.advance(600)

    def sync(self, job: str = "inventory", **options: Any) -> Any:
        return self.bench.application().run(job, RunOptions(**options))

    def shown(self) -> dict[tuple[str, str], int]:
        """(SKU, channel id) -> quantityOnStock, with all that commercetools has not worked off yet."""
        return {
            (entry["sku"], (entry.get("supplyChannel") or {}).get("id", "")): true_quantity(self.world, entry)
            for entry in self.world.ct.inventory.values()
        }

    def promised(self) -> dict[tuple[str, str], int]:
        """The same by MAO's own books."""
        channels = {row["key"]: row["id"] for row in self.world.ct.channels.values()}
        by_channel = {channels[key]: place for place, key in LOCATIONS.items()}
        return {
            (sku, channel): true_available(self.world, LOCATION_VIEW, sku, by_channel[channel])
            if channel
            else true_available(self.world, NETWORK_VIEW, sku)
            for sku, channel in self.shown()
        }


def order_for(stocked: Stocked, number: int, sku: str, quantity: int, channel_id: str) -> dict[str, Any]:
    order = generate_order(
        random.Random(number),
        number,
        stocked.bench.clock.now(),
        "EUR",
        features=(),
        created_at=stocked.bench.clock.now(),
        order_state="Open",
        payment_state="Paid",
    )
    order["lineItems"] = order["lineItems"][:1]
    line = order["lineItems"][0]
    line["variant"]["sku"], line["quantity"] = sku, quantity
    line["state"] = [{**line["state"][0], "quantity": quantity}]
    line.pop("supplyChannel", None)
    if channel_id:
        line["supplyChannel"] = {"typeId": "channel", "id": channel_id}
    order["inventoryMode"] = "TrackOnly"
    price_order(order)
    return order
