"""A whole application on a simulated clock, with both systems mounted in process."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ct_mao_sync.cli.wiring import Application
from ct_mao_sync.config import load_config
from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.executor import Inline
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.adapter import SandboxAdapter
from ct_mao_sync.sandbox.commercetools import add_order
from ct_mao_sync.sandbox.core import Sandbox, SandboxSettings
from ct_mao_sync.sandbox.generate import generate_order

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CONFIG = """\
[commercetools]
project_key = "sandbox"
client_id = "sandbox-client"
client_secret = "sandbox-secret"
auth_url = "https://ct.test"
api_url = "https://ct.test"
import_url = "https://ct.test"
[manhattan]
api_url = "https://mao.test"
auth_url = "https://mao.test"
client_id = "omnicomponent.1.0.0"
client_secret = "sandbox-secret"
username = "sync@acme"
password = "sandbox-password"
organization = "ACME"
[orders]
start_at = 2026-01-01T00:00:00Z
{orders}
[mapping.shipping_methods]
standard = "STD"
free = "STD"
express = "EXP"
freight = "FRT"
"Customer pickup (custom)" = "PICKUP"
pickup = "STD"
{more}
"""


class Bench:
    """One shop, one OMS, one state file."""

    def __init__(self, folder: Path, *, orders: str = "", more: str = "", **settings: Any) -> None:
        self.clock = SimulatedClock(START)
        self.sandbox = Sandbox(seed=1, clock=self.clock, settings=SandboxSettings(**settings))
        self.config_path = folder / "config.toml"
        self.configure(orders=orders, more=more)
        self._runs = itertools.count(1)

    def configure(self, *, orders: str = "", more: str = "") -> None:
        self.config_path.write_text(CONFIG.format(orders=orders, more=more), encoding="utf-8")

    def application(self) -> Application:
        return Application(
            config=load_config(self.config_path, {}),
            clock=self.clock,
            adapter=SandboxAdapter(
                self.sandbox, {"ct.test": "commercetools", "mao.test": "manhattan"}, sleep=self.clock.sleep
            ),
            executor=Inline(),
            new_run_id=lambda: f"{next(self._runs):04d}",
        )

    def sync(self, **options: Any) -> Any:
        return self.application().run("orders", RunOptions(**options))

    def place(self, number: int, *features: str, currency: str = "EUR", paid: str = "Paid") -> dict[str, Any]:
        order = generate_order(
            random.Random(number),
            number,
            self.clock.now(),
            currency,
            features=features,
            created_at=self.clock.now(),
            order_state="Open",
            payment_state=paid,
        )
        return add_order(self.sandbox.world, order)

    def mao(self, number: int | str) -> dict[str, Any]:
        return self.sandbox.world.mao.orders[f"CT-{number}"]

    @property
    def log(self) -> Any:
        return self.sandbox.world.request_log

    def writes(self) -> int:
        return sum(self.log.as_json()["writes"].values())

    def dead_letters(self) -> list[Any]:
        with self.application().open_store() as store:
            return store.dead_letters(include_discarded=True)
