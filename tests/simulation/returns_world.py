"""The world of the returns job: orders that have been exported and shipped, and what comes back of them.

Others write into the same orders: `foreign` holds the return items that agents made, `decided` the payment
states that a payment service set, `deleted` the returns of which an agent took the items out. `most` is the
most units that MAO ever had of a return line in a condition: what commercetools was told once stays told.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from returns_oracle import expected_items
from stage import SYSTEMS_CONFIG, Stage

from ct_mao_sync.sandbox.commercetools_orders import add_order
from ct_mao_sync.sandbox.core import COMMERCETOOLS, Request, Response
from ct_mao_sync.sandbox.generate import generate_order

CONFIG = """\
[orders]
start_at = "2026-11-01T00:00:00Z"
[mapping.shipping_methods]
standard = "STD"
free = "STD"
express = "EXP"
freight = "FRT"
pickup = "STD"
"Customer pickup (custom)" = "STD"
[returns]
add_when = "{add_when}"
payment_state = {payment_state}
outbox = "{outbox}"
wait_for_delivery = {wait_for_delivery}
[returns.disposition]
"""
CONDITIONS = {"New": "BackInStock", "Like-New": "BackInStock", "Damaged": "Unusable", "Worn": "Unusable"}
SHIPMENT_RANK = {"Advised": 0, "Returned": 1, "BackInStock": 2, "Unusable": 2}
PAYMENT_RANK = {"NonRefundable": 0, "Initial": 1, "NotRefunded": 2, "Refunded": 2}
_FEATURES = (
    *("multi_buy", "cart_discount", "stacked_discounts", "item_addresses", "multiple_shipping", "gift"),
    *("custom_fee", "discount_on_total", "product_discount", "custom_fields"),
)


class ReturnsWorld(Stage):
    name = "returns"
    job = "returns"

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.begin()

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        return {
            "commercetools_skew_s": rng.choice([0.0, 0.0, -37.0, 90.0]),
            "manhattan_skew_s": rng.choice([0.0, 0.0, 55.0, -7200.0]),
            "search_lag_s": rng.choice([0.0, 0.0, 3.0]),
            "header_lag_s": rng.choice([0.0, 0.0, 40.0]),
            "unknown_order_status": rng.choice([404, 200]),
            "return_policy": rng.choice(["order", "order", "line"]),
            "auto_resolve_variances": frozenset(
                name for name in ("quantity", "item", "line") if rng.random() < 0.3
            ),
            "auto_approve_returns": rng.random() < 0.5,
        }

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        unmapped = rng.choice(["", "", "Worn"])
        return {
            "page_size": rng.choice([2, 500]),
            "mao_page_size": rng.choice([1, 3, 100]),
            "add_when": rng.choice(["received", "received", "received", "advised"]),
            "wait_for_delivery": rng.choice(["true", "true", "false"]),
            "payment_state": rng.choice(["true", "true", "true", "false"]),
            "outbox": rng.choice(["outbox.jsonl", "outbox.jsonl", ""]),
            "unmapped": unmapped,
        }

    def set_up(self) -> None:
        self.foreign: dict[tuple[str, str], dict[str, Any]] = {}
        self.decided: dict[tuple[str, str], str] = {}
        self.deleted: set[str] = set()
        self.most: dict[tuple[str, str, str], int] = {}
        self.violations: list[str] = []
        self.ranks: dict[tuple[str, str], tuple[int, int]] = {}
        self.outbox_keys: list[str] = []
        self.state_was_lost = False
        self.order_numbers = itertools.count(1000 + (self.seed % 1000) * 100)

    def render_config(self) -> str:
        mapped = {name: to for name, to in CONDITIONS.items() if name != self.options["unmapped"]}
        rows = "".join(f"{json.dumps(name)} = {json.dumps(to)}\n" for name, to in mapped.items())
        return (SYSTEMS_CONFIG + CONFIG).format(**self.options) + rows

    def begin(self) -> None:
        """Some orders are exported and shipped, whole or in part."""
        rng = self.rng
        for _ in range(rng.choice([1, 2, 2, 3])):
            features = rng.sample(_FEATURES, rng.randint(0, 3))
            order = generate_order(
                random.Random(rng.getrandbits(64)),
                next(self.order_numbers),
                self.shop_now(),
                rng.choice(["EUR", "EUR", "JPY"]),
                features=features,
                created_at=self.shop_now(),
                order_state="Open",
                payment_state="Paid",
            )
            add_order(self.sandbox.world, order)
        report = self.sync("orders")
        assert report is not None and report.exit_code == 0, report
        for order in list(self.sandbox.world.mao.orders.values()):
            self.lifecycle.allocate(order["OrderId"])
            self.lifecycle.release(order["OrderId"])
            for line in order["OrderLine"]:
                part = rng.randint(1, int(line["Quantity"])) if rng.random() < 0.3 else None
                self.lifecycle.ship(order["OrderId"], line["OrderLineId"], part)
            if rng.random() < 0.5:
                self.lifecycle.deliver(order["OrderId"])
        self.later(minutes=30)
        self.tell_shipments()
        self.note()

    # ---- both sides ------------------------------------------------------------------------------------

    def tell_shipments(self) -> str:
        """The shop learns what has been shipped."""
        report = self.sync("status")
        return "died" if report is None else f"exit {report.exit_code}"

    def change_shop(self, order_id: str, *actions: dict[str, Any]) -> dict[str, Any]:
        """Somebody else writes into a commercetools order; AssertionError when it is refused."""
        body = json.dumps({"actions": list(actions)}).encode()
        request = Request(COMMERCETOOLS, "POST", f"/_sandbox/ct/orders/{order_id}", (), {}, body)
        answer = self.sandbox.handle(request)
        assert answer.status == 200, answer.body
        self.note_ranks()
        return dict(json.loads(answer.body))

    def returns(self) -> list[dict[str, Any]]:
        """MAO orders with return lines, not archived."""
        return [
            order
            for order in self.sandbox.world.mao.orders.values()
            if any(line.get("IsReturn") for line in order["OrderLine"])
        ]

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Every return item of the shop, with the id of its order."""
        return [
            (order_id, item)
            for order_id, order in self.shop.items()
            for info in order.get("returnInfo") or ()
            for item in info["items"]
        ]

    def own_items(self) -> list[tuple[str, dict[str, Any]]]:
        """Those that nobody else made."""
        return [
            (order_id, item) for order_id, item in self.items() if (order_id, item["id"]) not in self.foreign
        ]

    # ---- what is noted -----------------------------------------------------------------------------------

    def watch(self, request: Request, dispatch: Callable[[Request], Response]) -> Response:
        response = dispatch(request)
        if request.service == COMMERCETOOLS and request.method == "POST" and "/orders" in request.path:
            self.note_ranks()
        return response

    def note(self) -> None:
        """After each step: the most units that MAO ever had."""
        for expected in expected_items(self.mao_orders()):
            self.most[expected.key] = max(self.most.get(expected.key, 0), expected.units)
        self.note_ranks()

    def note_ranks(self) -> None:
        """No return item may vanish, and neither of its states may go back, at any moment."""
        seen = {}
        for order_id, item in self.items():
            if item["shipmentState"] == "Advised" and (order_id, item["id"]) not in self.foreign:
                continue  # announced only: such an item is dealt out anew when its units come
            name = item["id"] if (order_id, item["id"]) in self.foreign else item.get("key") or item["id"]
            seen[order_id, name] = (
                SHIPMENT_RANK[item["shipmentState"]],
                PAYMENT_RANK[item["paymentState"]],
            )
        for place, before in self.ranks.items():
            now = seen.get(place)
            if now is None:
                self.violations.append(f"return item {place} is gone")
            elif now[0] < before[0] or now[1] < before[1]:
                self.violations.append(f"return item {place} went back from {before} to {now}")
        self.ranks = seen

    def lose_state(self) -> None:
        super().lose_state()
        self.state_was_lost = True
