"""A shop whose orders are exported and shipped, and MAO, in which things come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.commercetools_orders import (
    changing_quantity,
    edit_order,
    order_edit,
    removing_line,
)
from ct_mao_sync.sandbox.core import Json, World
from ct_mao_sync.sandbox.manhattan_returns import ReturnLifecycle

RETURNS = """
[returns]
outbox = "outbox.jsonl"
{returns}
[returns.disposition]
New = "BackInStock"
Fair = "BackInStock"
Damaged = "Unusable"
"""


class Scene:
    """One order CT-1 of one line of five, shipped, and delivered as the shop shows it."""

    def __init__(self, folder: Path, *, returns: str = "", delivered: bool = True, **settings: Any) -> None:
        self.folder = folder
        self.returns = returns
        self.bench = Bench(folder, more=RETURNS.format(returns=returns), **settings)
        self.world: World = self.bench.sandbox.world
        self.mao = ReturnLifecycle(self.world)
        self.order_id = self.add_order(1, delivered=delivered)

    def configure(self, returns: str, disposition: str = "") -> None:
        self.bench.configure(more=RETURNS.format(returns=returns) + disposition)

    def add_order(self, number: int, *, units: int = 5, delivered: bool = True) -> str:
        """Placed, exported, shipped; `delivered`: the shop shows the Delivery."""
        order = self.bench.place(number)
        order_id = str(order["id"])

        first, *others = order["lineItems"]
        changes = [removing_line(line["id"]) for line in others]
        order_edit(self.world, order_id, *changes, changing_quantity(first["id"], units))
        self.bench.clock.advance(60)
        report = self.bench.sync()
        assert report.exit_code == 0, report.rejected
        for step in ("allocate", "release", "ship"):
            getattr(self.mao, step)(f"CT-{number}")
        if delivered:
            self.deliver(order_id)
        return order_id

    def deliver(self, order_id: str | None = None) -> None:
        """What the status job would write."""

        def change(document: Json) -> None:
            info = document.get("shippingInfo")
            if info:
                info["deliveries"] = [
                    {
                        "id": "delivery-1",
                        "key": "mao-1",
                        "createdAt": "2026-11-23T09:00:00.000Z",
                        "items": [
                            {"id": line["id"], "quantity": line["quantity"]} for line in document["lineItems"]
                        ],
                        "parcels": [],
                    }
                ]

        edit_order(self.world, order_id or self.order_id, change)

    # ---- running -----------------------------------------------------------------------------------

    def sync(self, *, after_s: float = 120, **options: Any) -> Any:
        self.bench.clock.advance(after_s)
        return self.bench.application().run("returns", RunOptions(**options))

    def shop(self, order_id: str | None = None) -> Json:
        order: Json = self.world.ct.orders[order_id or self.order_id]
        return order

    def edit(self, change: Any, order_id: str | None = None) -> None:
        edit_order(self.world, order_id or self.order_id, change)

    def line_id(self, order_id: str | None = None) -> str:
        return str(self.shop(order_id)["lineItems"][0]["id"])

    def items(self, order_id: str | None = None) -> list[Json]:
        return [item for info in self.shop(order_id).get("returnInfo") or [] for item in info["items"]]

    def shown(self, order_id: str | None = None) -> list[tuple[str, int, str, str]]:
        return [
            (item["key"], item["quantity"], item["shipmentState"], item["paymentState"])
            for item in self.items(order_id)
        ]

    def codes(self) -> list[str]:
        return [letter.code for letter in self.bench.dead_letters()]

    def outbox(self, name: str = "outbox.jsonl") -> list[Json]:
        path = self.folder / name
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
