"""One simulated shop, one simulated OMS, one clock, and the application as processes that come and go.

Everything random is drawn from the seed: the same seed gives the same requests, to the byte.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults import Crash, CrashingAdapter, CrashingStore, CrashPlan

from ct_mao_sync.cli.wiring import Application
from ct_mao_sync.config import load_config
from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.executor import Inline
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.core import COMMERCETOOLS, MANHATTAN, Request, Response, Sandbox, SandboxSettings
from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.state.store import Store

BEGINNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SAVE = "/order/api/order/order/save"

CONFIG = """\
[commercetools]
project_key = "sandbox"
client_id = "sandbox-client"
client_secret = "env:CTP_CLIENT_SECRET"
auth_url = "https://ct.example"
api_url = "https://ct.example"
[manhattan]
api_url = "https://mao.example"
auth_url = "https://mao.example"
client_id = "omnicomponent.1.0.0"
client_secret = "env:MAO_CLIENT_SECRET"
username = "sync@acme"
password = "env:MAO_PASSWORD"
organization = "ACME"
page_size = {mao_page_size}
[state]
path = "state.sqlite3"
[sync]
page_size = {page_size}
[orders]
start_at = "2026-11-01T00:00:00Z"
order_id = "{order_id}"
sync_channel = "{sync_channel}"
late_cancel = {late_cancel}
hold_until_paid = "{hold}"
hold_resolve_reason = "{hold_reason}"
[mapping.shipping_methods]
"""
SECRETS = {
    "CTP_CLIENT_SECRET": "sandbox-secret",
    "MAO_CLIENT_SECRET": "sandbox-secret",
    "MAO_PASSWORD": "sandbox-password",
}
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


class WatchedSandbox(Sandbox):
    """Notes what takes effect, whatever becomes of the answer."""

    watcher: World

    def _dispatch(self, request: Request) -> Response:
        self.watcher.note_versions()
        if request.path != SAVE:
            return super()._dispatch(request)
        body = json.loads(request.body)
        order_id = str(body.get("OrderId"))
        store = self.world.mao
        was = "active" if order_id in store.orders else "archived" if order_id in store.archived else "absent"
        response = super()._dispatch(request)
        answer = json.loads(response.body)
        ok = response.status < 300 and answer.get("success") is True
        self.watcher.saves.append(
            Save(self.watcher.step, order_id, body, was, ok, "" if ok else response.body.decode()[:400])
        )
        return response


class SimulatedApplication(Application):
    crashes: CrashPlan

    def open_store(self, *, dry_run: bool = False) -> Store:
        if dry_run:
            return Store.open_copy(self.config.state_path)
        store = CrashingStore.open(self.config.state_path)
        store.crashes = self.crashes
        return store


@dataclass
class World:
    """`touched` is what MAO or an agent there changed: entity -> {(what, where): value}."""

    folder: Path
    seed: int
    rng: random.Random = field(init=False)
    clock: SimulatedClock = field(init=False)
    sandbox: WatchedSandbox = field(init=False)
    options: dict[str, Any] = field(init=False)
    methods: set[str] = field(init=False)
    step: int = 0
    story: list[str] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    touched: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)
    versions: dict[tuple[str, int], Totals] = field(default_factory=dict)
    in_mao_when_state_was_lost: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    addresses_before: dict[str, dict[str, str]] = field(default_factory=dict)
    poisoned: list[Any] = field(default_factory=list)
    watermark: datetime | None = None
    reports: list[RunReport] = field(default_factory=list)
    between: Any = None

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(f"simulation/{self.seed}")
        self.clock = SimulatedClock(BEGINNING)
        settings = SandboxSettings(
            commercetools_skew_s=rng.choice([0.0, 0.0, -37.0, 90.0, 3600.0]),
            manhattan_skew_s=rng.choice([0.0, 0.0, 55.0, -7200.0]),
            search_lag_s=rng.choice([0.0, 0.0, 3.0]),
            unknown_order_status=rng.choice([404, 404, 200]),
            post_release_cancel=rng.choice(["off", "success", "failure", "pending"]),
            post_release_cancel_s=rng.choice([0.0, 600.0]),
            history_max=100_000,
        )
        self.sandbox = WatchedSandbox(seed=self.seed, clock=self.clock, settings=settings)
        self.sandbox.watcher = self
        hold = rng.choice(["", "", "AwaitingPayment"])
        self.options = {
            "page_size": rng.choice([2, 3, 500]),
            "mao_page_size": rng.choice([1, 3, 100]),
            "order_id": rng.choice(["{orderNumber}", "{orderNumber}", "{id}", "WEB-{orderNumber}"]),
            "sync_channel": rng.choice(["OMS", "OMS", ""]),
            "late_cancel": rng.choice(["true", "false"]),
            "hold": hold,
            "hold_reason": "PaymentReceived" if hold else "",
        }
        self.methods = set(METHODS) - ({"express"} if rng.random() < 0.3 else set())
        self._numbers = itertools.count(1)
        self.order_numbers = itertools.count(1000 + (self.seed % 1000) * 100)
        self.write_config()

    # ---- both sides --------------------------------------------------------------------------------

    @property
    def shop(self) -> dict[str, dict[str, Any]]:
        return self.sandbox.world.ct.orders

    def shop_now(self) -> datetime:
        return self.sandbox.world.now(COMMERCETOOLS)

    def mao_now(self) -> datetime:
        return self.sandbox.world.now(MANHATTAN)

    @property
    def lifecycle(self) -> Any:
        return self.sandbox.manhattan.lifecycle

    def mao_orders(self) -> list[dict[str, Any]]:
        """Active and archived."""
        store = self.sandbox.world.mao
        return [*store.orders.values(), *store.archived.values()]

    def mao_of(self, entity: str) -> dict[str, Any] | None:
        return next((o for o in self.mao_orders() if o.get("AlternateOrderId") == entity), None)

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

    # ---- the application -----------------------------------------------------------------------------

    def write_config(self) -> None:
        rows = "".join(f"{json.dumps(name)} = 'STD'\n" for name in METHODS if name in self.methods)
        (self.folder / "config.toml").write_text(CONFIG.format(**self.options) + rows, encoding="utf-8")

    def application(self, crashes: CrashPlan | None = None) -> SimulatedApplication:
        adapter = CrashingAdapter(
            self.sandbox,
            {"ct.example": COMMERCETOOLS, "mao.example": MANHATTAN},
            sleep=self.clock.sleep,
        )
        adapter.crashes = crashes or CrashPlan()
        adapter.between = self.between or (lambda: None)
        application = SimulatedApplication(
            config=load_config(self.folder / "config.toml", SECRETS),
            clock=self.clock,
            adapter=adapter,
            executor=Inline(),
            new_run_id=lambda: f"{next(self._numbers):04d}",
            rng=random.Random(self.rng.getrandbits(64)),
        )
        application.crashes = adapter.crashes
        return application

    def sync(self, crashes: CrashPlan | None = None, **options: Any) -> RunReport | None:
        """One process; None when it died."""
        try:
            report = self.application(crashes).run("orders", RunOptions(**options))
        except Crash:
            return None
        self.reports.append(report)
        return report

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.folder / "state.sqlite3") as store:
            yield store

    def lose_state(self) -> None:
        for path in self.folder.glob("state.sqlite3*"):
            path.unlink()
        self.watermark = None
        self.in_mao_when_state_was_lost |= {str(o.get("AlternateOrderId")) for o in self.mao_orders()}
        self.discarded.clear()

    # ---- time and trouble ------------------------------------------------------------------------------

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())
        self.sandbox.manhattan.lifecycle.tick()

    def use_faults(self, rates: dict[str, float], seed: int) -> None:
        faults = Faults(rates=rates, seed=seed)
        faults.rules = self.sandbox.faults.rules
        self.sandbox.use_faults(faults)

    @property
    def is_calm(self) -> bool:
        """No system is in trouble at the moment (single orders may be)."""
        return not self.sandbox.faults.rates

    def requests(self) -> list[tuple[Any, ...]]:
        """Every request so far and how it ended, without its headers."""
        return [
            (r.request.service, r.request.method, r.request.path, r.request.query, r.request.body, r.status)
            for r in self.sandbox.world.request_log.history
        ]
