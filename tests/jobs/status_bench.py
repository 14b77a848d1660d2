"""The orders bench, with orders that are exported already and States in the shop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.manhattan_lifecycle import Lifecycle

STATES = ("line-allocated", "line-packed", "line-shipped", "line-delivered", "line-cancelled")
LINE_STATES = """
[status.line_states]
allocated = "line-allocated"
packed = "line-packed"
shipped = "line-shipped"
delivered = "line-delivered"
cancelled = "line-cancelled"
[status.carriers]
UPS = { name = "United Parcel", url = "https://ups.example/track?n={tracking}" }
"""


class StatusBench(Bench):
    """`sync` runs the status job; `export` the orders job."""

    def __init__(self, folder: Path, *, more: str = LINE_STATES, **settings: Any) -> None:
        super().__init__(folder, more=more, **settings)
        self.life = Lifecycle(self.sandbox.world)
        self.state_ids: dict[str, str] = {}
        for key in STATES:
            self.add_state(key, "LineItemState")
        for id, state in self.sandbox.world.ct.states.items():
            self.state_ids[state["key"]] = id

    def add_state(self, key: str, kind: str, **more: Any) -> str:
        world = self.sandbox.world
        id = world.new_id()
        head = {"id": id, "version": 1, "key": key, "type": kind, "builtIn": False, "initial": False}
        now = "2026-11-01T00:00:00.000Z"
        world.ct.states[id] = {**head, "createdAt": now, "lastModifiedAt": now, "roles": [], **more}
        self.state_ids[key] = id
        return id

    def sync(self, **options: Any) -> Any:
        return self.application().run("status", RunOptions(**options))

    def later(self, seconds: float = 600) -> None:
        self.clock.sleep(seconds)

    def placed(self, number: int, *features: str) -> dict[str, Any]:
        """An order that MAO has."""
        order = self.place(number, *features)
        report = self.export()
        assert report.exit_code == 0, report
        self.later(5)
        return order

    def export(self, **options: Any) -> Any:
        return self.application().run("orders", RunOptions(**options))

    def shop(self, number: int) -> dict[str, Any]:
        """The order as commercetools has it."""
        orders = self.sandbox.world.ct.orders.values()
        return next(order for order in orders if order["orderNumber"] == f"CT-{number}")

    def edit(self, number: int, *actions: dict[str, Any]) -> None:
        """Somebody else updates the order in commercetools."""
        order = self.shop(number)
        with self.application().own_clients() as application:
            application.commercetools("somebody").update_order(order["id"], order["version"], actions)

    def lines(self, number: int) -> list[str]:
        return [line["OrderLineId"] for line in self.mao(number)["OrderLine"]]

    def deliveries(self, number: int) -> list[dict[str, Any]]:
        order = self.shop(number)
        infos = [each["shippingInfo"] for each in order.get("shipping") or ()]
        infos += [order["shippingInfo"]] if order.get("shippingInfo") else []
        return [delivery for info in infos for delivery in info.get("deliveries") or ()]

    def states(self, number: int, line: int = 0) -> dict[str, int]:
        """State key -> units of a line item."""
        keys = {id: state["key"] for id, state in self.sandbox.world.ct.states.items()}
        rows = self.shop(number)["lineItems"][line]["state"]
        return {keys[row["state"]["id"]]: row["quantity"] for row in rows}

    def order_updates(self) -> int:
        return int(self.log.as_json()["writes"].get("commercetools order update", 0))
