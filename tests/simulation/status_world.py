"""The world of the status job: exported orders, what MAO does with them, and every update of a commercetools
order that the product makes, looked at while it is made."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stage import SYSTEMS_CONFIG, Stage, Violation
from status_checkers import check_update

from ct_mao_sync.sandbox.commercetools_orders import add_order
from ct_mao_sync.sandbox.core import Request, Response, copied_json
from ct_mao_sync.sandbox.generate import FEATURES, generate_order

METHODS = ("standard", "free", "express", "freight", "pickup", "Customer pickup (custom)")
STATE_KEYS = (
    *("backordered", "allocated", "released", "in_process", "picked", "packed", "shipped", "delivered"),
    *("returned", "cancelled"),
)
FOREIGN_STATE = "wms-checked"
_ORDER = re.compile(r"/sandbox/orders/(?P<id>[0-9a-f-]{36})\Z")
_LEFT_OUT = {"many_lines", "no_payment", "custom_fee", "voucher", "bare_address"}
_FEATURES = {name: chance for name, (chance, _) in FEATURES.items() if name not in _LEFT_OUT}

CONFIG = """\
[orders]
start_at = "2026-11-01T00:00:00Z"
[status]
delivery_per = "{delivery_per}"
[status.carriers]
UPS = {{ name = "United Parcel Service", url = "https://ups.example/{{tracking}}" }}
[status.line_states]
{line_states}
[mapping.shipping_methods]
"""


class StatusWorld(Stage):
    """`foreign` is what others did to an order of the shop: entity -> what."""

    name = "status"
    job = "status"

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        return {
            "commercetools_skew_s": rng.choice([0.0, 0.0, -37.0, 3600.0]),
            "manhattan_skew_s": rng.choice([0.0, 0.0, 55.0, -7200.0]),
            "search_lag_s": rng.choice([0.0, 0.0, 3.0, 30.0]),
            "search_lag_spread_s": rng.choice([0.0, 0.0, 20.0, 300.0]),
            "header_lag_s": rng.choice([0.0, 16.0, 120.0]),
            "unknown_order_status": rng.choice([404, 404, 200]),
            "delivery_tracking": rng.choice([False, True]),
            "merge_leg_details": rng.choice([False, True]),
            "cancel_history_copies": rng.choice([1, 1, 2]),
            "overage_allowed": rng.random() < 0.1,
        }

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        keys = [key for key in STATE_KEYS if rng.random() < 0.6] if rng.random() < 0.7 else []
        return {
            "page_size": rng.choice([3, 500]),
            "mao_page_size": rng.choice([1, 3, 100]),
            "delivery_per": rng.choice(["release", "release", "release", "package"]),
            "line_states": "\n".join(f'{key} = "oms-{key}"' for key in keys),
        }

    def set_up(self) -> None:
        self.foreign: dict[str, Counter[str]] = {}
        self.broken: dict[str, set[str]] = {}
        """What happened in MAO that nobody can map: entity -> codes."""
        self.updates: list[tuple[int, str]] = []
        """(number of the run, order) of each update that took effect."""
        self.violations: list[Violation] = []
        """Raised by check_step: what is raised while a request is answered, the product takes for its own."""
        self.at_work = ""
        """OrderId of the order that MAO was busy with last."""
        self.seen_until = datetime.min.replace(tzinfo=UTC)
        """Every change in MAO up to this moment is known to a run that nothing disturbed."""
        self.runs = 0
        self.package_numbers = itertools.count(1)
        self._order_numbers = itertools.count(1000 + (self.seed % 1000) * 100)

    def render_config(self) -> str:
        rows = "".join(f"{json.dumps(name)} = 'STD'\n" for name in METHODS)
        return (SYSTEMS_CONFIG + CONFIG).format(**self.options) + rows

    def line_states(self) -> dict[str, str]:
        """Milestone -> State key, as configured."""
        pairs = (line.split(" = ") for line in self.options["line_states"].splitlines())
        return {milestone: key.strip('"') for milestone, key in pairs}

    # ---- the beginning ---------------------------------------------------------------------------------

    def export_orders(self, count: int) -> None:
        """Customers order, and the orders job brings it to MAO."""
        for _ in range(count):
            self.place_order()
        self.add_states()
        report = self.sync("orders")
        assert report is not None and report.exit_code == 0, report
        self.later(seconds=600)

    def place_order(self) -> dict[str, Any]:
        rng = self.rng
        features = sorted(name for name, chance in _FEATURES.items() if rng.random() < chance)
        order = generate_order(
            random.Random(rng.getrandbits(64)),
            next(self._order_numbers),
            self.shop_now(),
            "EUR",
            features=features,
            created_at=self.shop_now(),
            order_state="Open",
            payment_state="Paid",
        )
        order.pop("shipmentState", None)
        return add_order(self.sandbox.world, order)

    def add_states(self) -> None:
        states = self.sandbox.world.ct.states
        for key in (*(f"oms-{key}" for key in STATE_KEYS), FOREIGN_STATE):
            id = self.sandbox.world.new_id()
            states[id] = {
                "id": id,
                "version": 1,
                "createdAt": "2026-01-01T00:00:00.000Z",
                "lastModifiedAt": "2026-01-01T00:00:00.000Z",
                "key": key,
                "type": "LineItemState",
                "initial": False,
                "builtIn": False,
                "roles": [],
            }

    # ---- looking ---------------------------------------------------------------------------------------

    def sync(self, job: str = "", crashes: Any = None, **options: Any) -> Any:
        self.runs += 1
        return super().sync(job, crashes, **options)

    def watch(self, request: Request, dispatch: Callable[[Request], Response]) -> Response:
        match = _ORDER.match(request.path) if request.method == "POST" else None
        if match is None:
            return dispatch(request)
        before = copied_json(self.shop[match["id"]])
        response = dispatch(request)
        after = self.shop[match["id"]]
        if after["version"] != before["version"]:
            self.updates.append((self.runs, match["id"]))
            states = {id: state["key"] for id, state in self.sandbox.world.ct.states.items()}
            try:
                check_update(before, after, states, self.line_states())
            except Violation as violation:
                self.violations.append(violation)
        elif response.status in (200, 400):
            text = response.body[:300].decode(errors="replace")
            self.violations.append(Violation(f"an update that changes nothing, or is refused: {text}"))
        return response

    def touch(self, entity: str, what: str) -> None:
        self.foreign.setdefault(entity, Counter())[what] += 1
