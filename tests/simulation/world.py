"""The world of the orders job: what reached MAO and what MAO had before, and what people there changed."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stage import SYSTEMS_CONFIG, Stage

from ct_mao_sync.sandbox.core import Request, Response

SAVE = "/order/api/order/order/save"
ORDERS_CONFIG = """\
[orders]
start_at = "2026-11-01T00:00:00Z"
order_id = "{order_id}"
sync_channel = "{sync_channel}"
late_cancel = {late_cancel}
hold_until_paid = "{hold}"
hold_resolve_reason = "{hold_reason}"
[mapping.shipping_methods]
"""
METHODS = ("standard", "free", "express", "freight", "pickup", "Customer pickup (custom)")


@dataclass(frozen=True)
class Save:
    """One order save that reached MAO, and what MAO had before."""

    step: int
    order_id: str
    body: Mapping[str, Any]
    was: str
    """"absent", "active" or "archived"."""
    ok: bool
    refusal: str

    @property
    def creates(self) -> bool:
        return "AlternateOrderId" in self.body


@dataclass(frozen=True)
class Totals:
    """What one version of a commercetools order costs, in minor units."""

    digits: int
    total: int
    net: int | None
    gross: int | None


class World(Stage):
    """`touched` is what MAO or an agent there changed: entity -> {(what, where): value}."""

    job = "orders"

    def set_up(self) -> None:
        self.saves: list[Save] = []
        self.touched: dict[str, dict[tuple[str, str], Any]] = {}
        self.versions: dict[tuple[str, int], Totals] = {}
        self.in_mao_when_state_was_lost: set[str] = set()
        self.discarded: set[str] = set()
        self.addresses_before: dict[str, dict[str, str]] = {}
        self.watermark: datetime | None = None
        self.methods = set(METHODS) - ({"express"} if self.rng.random() < 0.3 else set())
        self.order_numbers = itertools.count(1000 + (self.seed % 1000) * 100)

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        return {
            "commercetools_skew_s": rng.choice([0.0, 0.0, -37.0, 90.0, 3600.0]),
            "manhattan_skew_s": rng.choice([0.0, 0.0, 55.0, -7200.0]),
            "search_lag_s": rng.choice([0.0, 0.0, 3.0]),
            "unknown_order_status": rng.choice([404, 404, 200]),
            "post_release_cancel": rng.choice(["off", "success", "failure", "pending"]),
            "post_release_cancel_s": rng.choice([0.0, 600.0]),
        }

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        hold = rng.choice(["", "", "AwaitingPayment"])
        return {
            "page_size": rng.choice([2, 3, 500]),
            "mao_page_size": rng.choice([1, 3, 100]),
            "order_id": rng.choice(["{orderNumber}", "{orderNumber}", "{id}", "WEB-{orderNumber}"]),
            "sync_channel": rng.choice(["OMS", "OMS", ""]),
            "late_cancel": rng.choice(["true", "false"]),
            "hold": hold,
            "hold_reason": "PaymentReceived" if hold else "",
        }

    def render_config(self) -> str:
        rows = "".join(f"{json.dumps(name)} = 'STD'\n" for name in METHODS if name in self.methods)
        return (SYSTEMS_CONFIG + ORDERS_CONFIG).format(**self.options) + rows

    def watch(self, request: Request, dispatch: Callable[[Request], Response]) -> Response:
        self.note_versions()
        if request.path != SAVE:
            return dispatch(request)
        body = json.loads(request.body)
        order_id = str(body.get("OrderId"))
        store = self.sandbox.world.mao
        was = "active" if order_id in store.orders else "archived" if order_id in store.archived else "absent"
        response = dispatch(request)
        answer = json.loads(response.body)
        ok = response.status < 300 and answer.get("success") is True
        self.saves.append(
            Save(self.step, order_id, body, was, ok, "" if ok else response.body.decode()[:400])
        )
        return response

    def touch(self, entity: str, what: str, where: str, value: Any) -> None:
        self.touched.setdefault(entity, {})[what, where] = value

    def note_versions(self) -> None:
        for entity, order in self.shop.items():
            key = (entity, order["version"])
            if key not in self.versions:
                total, taxed = order["totalPrice"], order.get("taxedPrice")
                self.versions[key] = Totals(
                    total["fractionDigits"],
                    total["centAmount"],
                    taxed["totalNet"]["centAmount"] if taxed else None,
                    taxed["totalGross"]["centAmount"] if taxed else None,
                )

    def lose_state(self) -> None:
        super().lose_state()
        self.watermark = None
        self.in_mao_when_state_was_lost |= {str(o.get("AlternateOrderId")) for o in self.mao_orders()}
        self.discarded.clear()
