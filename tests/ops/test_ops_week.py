"""Goal: `run` can be left alone. A simulated week of orders and stock in which one request in a hundred goes
wrong ends with nothing lost, a state file that is no larger than its orders, and no more memory than on its
first day.

Method: the loop of `run` with one Application, on a simulated clock; customers and warehouses act in between.
The default run takes a bounded slice; the whole week is marked slow.
"""

from __future__ import annotations

import gc
import logging
import random
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jobs.orders_bench import Bench
from simulated_timer import SimulatedTimer

from ct_mao_sync.cli.job_builders import jobs_on
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.ops.facts import read_facts
from ct_mao_sync.ops.loop import Loop
from ct_mao_sync.sandbox.commercetools_stock import true_quantity
from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, LOCATIONS, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available
from ct_mao_sync.sandbox.manhattan_stock import set_supply

MORE = f"""\
[inventory]
location_view = "{LOCATION_VIEW}"
[mapping.locations]
{chr(10).join(f'"{place}" = "{channel}"' for place, channel in LOCATIONS.items())}
[schedule]
status = "10m"
returns = ""
[metrics]
textfile = "sync.prom"
"""
# Together one request in a hundred.
FAULTS = {
    "429": 0.002,
    "503": 0.001,
    "500": 0.001,
    "500-after": 0.001,
    "lost-before": 0.001,
    "lost-after": 0.001,
    "hang": 0.0005,
    "401": 0.0005,
    "409": 0.001,
    "truncated": 0.0005,
    "not-json": 0.0005,
}
WRONG_EVERY = 5
"""Every so many orders one cannot be mapped: it has to be waiting at the end, and no other."""
MEMORY_GROWTH_MAX = 150_000
"""Bytes that our own code holds at the end and did not some time before."""
OBJECTS_GROWTH_MAX = 300


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    logger = logging.getLogger("ct_mao_sync")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


class Week:
    """A shop, an OMS, and the loop between them."""

    def __init__(self, folder: Path, order_every: timedelta) -> None:
        self.bench = Bench(folder, more=MORE, history_max=20, auto_advance_s=3600.0)
        self.world = self.bench.sandbox.world
        self.rng = random.Random("week")
        self.order_every = order_every
        stock_world(self.world, 3, items=8, entries=("location",), future=False)
        self.application = self.bench.application()
        self.timer = SimulatedTimer(self.bench.clock)
        self.numbers = iter(range(1, 100_000))
        self.wrong: set[str] = set()
        self.placed: set[str] = set()
        rhythms = {job: self._every_s(job) for job in jobs_on(self.application.config)}
        self.loop = Loop(
            rhythms,
            lambda job: self.application.run(job, RunOptions()),
            self.timer,
            self.bench.clock,
            rng=random.Random(1),
        )

    def _every_s(self, job: str) -> float:
        every = self.application.config.schedule.every(job)
        assert every is not None
        return every.total_seconds()

    def begin(self) -> None:
        self.bench.sandbox.use_faults(Faults(rates=FAULTS, seed=7))
        self.timer.call_in(1, "life", self._live)
        self.loop.start()

    def _live(self) -> None:
        """A customer orders something; now and then a warehouse counts again."""
        number = next(self.numbers)
        order = self.bench.place(number, *self.rng.choice([(), ("gift",), ("discount_code",)]))
        self.placed.add(order["id"])
        if number % WRONG_EVERY == 0:
            stored = self.world.ct.orders[order["id"]]
            stored["lineItems"][0]["variant"].pop("sku")
            self.wrong.add(order["id"])
        if number % 6 == 0:
            item = self.rng.choice(sorted({entry["sku"] for entry in self.world.ct.inventory.values()}))
            set_supply(self.world, item, self.rng.choice(sorted(LOCATIONS)), self.rng.randrange(0, 90))
        self.timer.call_in(self.order_every.total_seconds(), "life", self._live)

    def state_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.bench.config_path.parent.glob("*.sqlite3*"))

    def calm_down(self) -> None:
        """No more faults, and as many runs as it takes."""
        self.bench.sandbox.use_faults(Faults())
        self.timer.shutdown()
        for _ in range(3):
            self.bench.clock.advance(7200)
            for job in jobs_on(self.application.config):
                assert self.application.run(job, RunOptions(full=job == "inventory")).exit_code in (0, 3)

    def shown_and_promised(self) -> tuple[dict[Any, int], dict[Any, int]]:
        channels = {row["id"]: row["key"] for row in self.world.ct.channels.values()}
        places = {channel: place for place, channel in LOCATIONS.items()}
        shown, promised = {}, {}
        for entry in self.world.ct.inventory.values():
            place = places[channels[entry["supplyChannel"]["id"]]]
            shown[entry["sku"], place] = true_quantity(self.world, entry)
            promised[entry["sku"], place] = true_available(self.world, LOCATION_VIEW, entry["sku"], place)
        return shown, promised


def our_memory() -> int:
    """Bytes held by what our own code allocated; the simulated systems are not ours."""
    gc.collect()
    ours = tracemalloc.Filter(True, "*/ct_mao_sync/*")
    not_ours = tracemalloc.Filter(False, "*/ct_mao_sync/sandbox/*")
    statistics = tracemalloc.take_snapshot().filter_traces((ours, not_ours)).statistics("filename")
    return sum(each.size for each in statistics)


def our_objects() -> int:
    """How many objects of our own classes are alive."""
    gc.collect()
    modules = (str(type(each).__module__) for each in gc.get_objects())
    return sum(name.startswith("ct_mao_sync.") and ".sandbox." not in name for name in modules)


def leave_alone(
    folder: Path, first: timedelta, rest: timedelta, traced: timedelta, *, order_every: timedelta
) -> None:
    """Objects are counted over `rest`; in its last part, `traced`, also bytes (which is slow)."""
    week = Week(folder, order_every)
    week.begin()
    week.timer.advance(first)
    objects_before, bytes_before, orders_before = our_objects(), week.state_bytes(), len(week.placed)
    week.timer.advance(rest - traced)
    tracemalloc.start()
    try:
        week.timer.advance(traced / 4)
        memory_before = our_memory()
        week.timer.advance(traced - traced / 4)
        memory_grown = our_memory() - memory_before
    finally:
        tracemalloc.stop()
    objects_grown = our_objects() - objects_before
    bytes_each = (week.state_bytes() - bytes_before) / (len(week.placed) - orders_before)

    with week.application.open_store() as store:
        facts = {
            each.job: each for each in read_facts(store, ("orders", "inventory"), week.bench.clock.now())
        }
    for job, each in facts.items():
        assert each.totals["runs"] > 0.85 * (first + rest).total_seconds() / week._every_s(job), job
        assert each.lag_s is not None and each.lag_s < 1800, job
    week.calm_down()
    with week.application.open_store() as store:
        waiting = {letter.entity for letter in store.dead_letters("orders")}

    in_mao = [order["AlternateOrderId"] for order in week.world.mao.orders.values()]
    assert sorted(in_mao) == sorted(week.placed - week.wrong), "each order once, and no other"
    assert waiting == week.wrong
    shown, promised = week.shown_and_promised()
    assert all(shown[key] <= promised[key] for key in shown), "nothing is sold twice"
    assert sum(shown.values()) > 0
    told = (
        f"{len(week.placed)} orders: {objects_grown} objects and {memory_grown:,} bytes of memory more, "
        f"{bytes_each:,.0f} bytes of state for each order"
    )
    print(told)
    assert memory_grown < MEMORY_GROWTH_MAX, told
    assert objects_grown < OBJECTS_GROWTH_MAX, told
    assert bytes_each < 30_000, told
    metrics = (folder / "sync.prom").read_text()
    assert 'ct_mao_sync_last_run_exit_code{job="inventory"}' in metrics


def test_an_hour_with_faults_loses_nothing_and_grows_nothing(tmp_path: Path) -> None:
    first, rest, traced = timedelta(minutes=20), timedelta(minutes=60), timedelta(minutes=20)
    leave_alone(tmp_path, first, rest, traced, order_every=timedelta(minutes=12))


@pytest.mark.slow
def test_a_week_with_faults_loses_nothing_and_grows_nothing(tmp_path: Path) -> None:
    first, rest, traced = timedelta(days=1), timedelta(days=6), timedelta(hours=6)
    leave_alone(tmp_path, first, rest, traced, order_every=timedelta(hours=1))
