"""The stage of every simulation: both systems, one clock, and the application as processes that come and go.

Everything random is drawn from the seed: the same seed gives the same requests, to the byte.

How a further job is simulated (`<job>` in front keeps module names apart):

    <job>_world.py      a `Stage` (or a `World` of world.py, when it begins with exported orders) that draws
                        its settings and options, renders its configuration, and notes in `watch` what takes
                        effect
    <job>_actions.py    its actions, `action(world, rng) -> what it did, "" = nothing`, and their weights;
                        what operators, networks and time do is in operators.py, for any job
    <job>_checkers.py   `check_step(world)` after each step, `check_end(world)` when it is over: they look at
                        both systems from outside, know nothing of how the product decides, raise Violation
    test_simulation_<job>.py   play.py's `play`, over its `seeds`
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from faults import Crash, CrashingAdapter, CrashingStore, CrashPlan

from ct_mao_sync.cli.wiring import Application
from ct_mao_sync.config import load_config
from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.executor import Inline
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.rows import DeadLetter
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.core import COMMERCETOOLS, MANHATTAN, Request, Response, Sandbox, SandboxSettings
from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.state.store import Store

BEGINNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

SYSTEMS_CONFIG = """\
[commercetools]
project_key = "sandbox"
client_id = "sandbox-client"
client_secret = "env:CTP_CLIENT_SECRET"
auth_url = "https://ct.example"
api_url = "https://ct.example"
import_url = "https://ct.example"
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
"""
"""The beginning of a configuration, for `str.format`."""
SECRETS = {
    "CTP_CLIENT_SECRET": "sandbox-secret",
    "MAO_CLIENT_SECRET": "sandbox-secret",
    "MAO_PASSWORD": "sandbox-password",
}


class Violation(AssertionError):
    """An invariant does not hold."""


class WatchedSandbox(Sandbox):
    """Lets the stage see what takes effect, whatever becomes of the answer."""

    stage: Stage

    def _dispatch(self, request: Request) -> Response:
        try:
            return self.stage.watch(request, super()._dispatch)
        except Violation as violation:  # the run would take it for a bug of its own
            self.stage.seen_in_run.append(violation)
            raise


class SimulatedApplication(Application):
    crashes: CrashPlan

    def open_store(self, *, dry_run: bool = False) -> Store:
        if dry_run:
            return Store.open_copy(self.config.state_path)
        store = CrashingStore.open(self.config.state_path)
        store.crashes = self.crashes
        return store


class Stage:
    """`story` is told when a seed fails. Actions count `step` and write into `story` through play.py."""

    name: ClassVar[str] = "simulation"
    """Part of the seed, so that two simulations of one number are two."""
    job: ClassVar[str]
    """The job that is proved: what `sync` runs unless another is named."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.rng = random.Random(f"{self.name}/{seed}")
        self.clock = SimulatedClock(BEGINNING)
        self.step = 0
        self.story: list[str] = []
        self.reports: list[RunReport] = []
        self.poisoned: list[Any] = []
        """Aimed faults, to be stopped before the end."""
        self.between: Callable[[], None] | None = None
        """Called before each request of a run: life goes on while it is under way."""
        self.seen_in_run: list[Violation] = []
        settings = SandboxSettings(**self.draw_settings(self.rng), history_max=100_000)
        self.sandbox = WatchedSandbox(seed=seed, clock=self.clock, settings=settings)
        self.sandbox.stage = self
        self.options: dict[str, Any] = self.draw_options(self.rng)
        self._run_numbers = itertools.count(1)
        self.set_up()
        self.write_config()

    # ---- what a simulation says of itself ------------------------------------------------------------

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        """Of the sandbox."""
        return {}

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        """Of the configuration; told with a seed that fails."""
        return {}

    def set_up(self) -> None:
        """Before the configuration is written for the first time."""

    def render_config(self) -> str:
        raise NotImplementedError

    def watch(self, request: Request, dispatch: Callable[[Request], Response]) -> Response:
        """Around every request that reaches a system."""
        return dispatch(request)

    # ---- both sides ------------------------------------------------------------------------------------

    @property
    def shop(self) -> dict[str, dict[str, Any]]:
        """The orders of commercetools, by id."""
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

    def writes(self) -> int:
        """Requests so far that could write, to both sides."""
        return sum(self.sandbox.world.request_log.writes.values())

    def reads(self) -> int:
        """All other requests, without those for a token."""
        log = self.sandbox.world.request_log
        return log.total() - log.total(endpoint="/oauth/token")

    def requests(self) -> list[tuple[Any, ...]]:
        """Every request so far and how it ended, without its headers."""
        return [
            (r.request.service, r.request.method, r.request.path, r.request.query, r.request.body, r.status)
            for r in self.sandbox.world.request_log.history
        ]

    # ---- the application -------------------------------------------------------------------------------

    def write_config(self) -> None:
        (self.folder / "config.toml").write_text(self.render_config(), encoding="utf-8")

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
            new_run_id=lambda: f"{next(self._run_numbers):04d}",
            rng=random.Random(self.rng.getrandbits(64)),
        )
        application.crashes = adapter.crashes
        return application

    def sync(self, job: str = "", crashes: CrashPlan | None = None, **options: Any) -> RunReport | None:
        """One process; None when it died. Raises what `watch` found."""
        report: RunReport | None = None
        with suppress(Crash):
            report = self.application(crashes).run(job or self.job, RunOptions(**options))
            self.reports.append(report)
        if self.seen_in_run:
            raise self.seen_in_run[0]
        return report

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.folder / "state.sqlite3") as store:
            yield store

    def open_letters(self, job: str = "") -> dict[str, DeadLetter]:
        with self.store() as store:
            return {letter.entity: letter for letter in store.dead_letters(job or self.job)}

    def lose_state(self) -> None:
        for path in self.folder.glob("state.sqlite3*"):
            path.unlink()

    # ---- time and trouble --------------------------------------------------------------------------------

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())
        self.lifecycle.tick()

    def use_faults(self, rates: Mapping[str, float], seed: int) -> None:
        faults = Faults(rates=dict(rates), seed=seed)
        faults.rules = self.sandbox.faults.rules
        self.sandbox.use_faults(faults)

    @property
    def is_calm(self) -> bool:
        """No system is in trouble at the moment (single records may be)."""
        return not self.sandbox.faults.rates

    def end_trouble(self) -> None:
        self.sandbox.faults.quiet()
        for rule in self.poisoned:
            rule.stop()
        self.poisoned.clear()
