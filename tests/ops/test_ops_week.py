"""Goal: `run` can be left alone. A simulated week of all four jobs in which one request in a hundred goes
wrong ends with nothing lost, a state file that is no larger than its orders, and no more memory than on its
first day.

Method: the loop of `run` with one Application, on a simulated clock; customers, warehouses and return centers
act in between. The default run takes a bounded slice; the whole week is marked slow.
"""

from __future__ import annotations

import gc
import json
import logging
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
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
from ct_mao_sync.sandbox.manhattan_parents import returnable_units
from ct_mao_sync.sandbox.manhattan_stock import set_supply

MORE = f"""\
[inventory]
location_view = "{LOCATION_VIEW}"
[mapping.locations]
{chr(10).join(f'"{place}" = "{channel}"' for place, channel in LOCATIONS.items())}
[returns]
outbox = "outbox.jsonl"
[returns.disposition]
New = "BackInStock"
Damaged = "Unusable"
[schedule]
status = "10m"
returns = "30m"
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
JOBS = ("orders", "inventory", "status", "returns")
WRONG_EVERY = 5
"""Every so many orders one cannot be mapped: it has to be waiting at the end, and no other."""
RETURN_EVERY = 2
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


@dataclass
class Return:
    """One unit of a line that comes back, and how far it is."""

    order_id: str
    line_id: str
    condition: str
    step: int = 0


class Week:
    """A shop, an OMS, and the loop between them."""

    def __init__(self, folder: Path, order_every: timedelta) -> None:
        self.folder = folder
        self.bench = Bench(
            folder, more=MORE, history_max=20, auto_advance_s=min(3600.0, order_every.total_seconds() / 4)
        )
        self.lifecycle = self.bench.sandbox.manhattan.lifecycle
        self.returns: dict[str, Return] = {}
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
        lines = self.world.ct.orders[order["id"]]["lineItems"]
        items = sorted({entry["sku"] for entry in self.world.ct.inventory.values()})
        for line in lines:  # most of what is sold has no entry in the shop, and MAO enough of it
            set_supply(self.world, line["variant"]["sku"], min(LOCATIONS), 100)
        if number % WRONG_EVERY == 0:
            lines[0]["variant"].pop("sku")
            self.wrong.add(order["id"])
        elif number % 3 == 0:
            lines[0]["variant"]["sku"] = self.rng.choice(items)
        if number % 6 == 0:
            item = self.rng.choice(items)
            set_supply(self.world, item, self.rng.choice(sorted(LOCATIONS)), self.rng.randrange(0, 90))
        if number % RETURN_EVERY == 0:
            self._take_something_back()
        for return_id in self.returns:
            self._go_on_with(return_id)
        self.timer.call_in(self.order_every.total_seconds(), "life", self._live)

    def _take_something_back(self) -> None:
        """A customer of whom nothing came back yet announces one unit of what was delivered."""
        known = {each.order_id for each in self.returns.values()}
        for order in self.world.mao.orders.values():
            lines = [each for each in order["OrderLine"] if each.get("MinFulfillmentStatusId") == "7500"]
            lines = [each for each in lines if each["OrderLineTotal"] > 0]  # of a gift nothing is refunded
            if order.get("AlternateOrderId") in {None, *known} or not lines:
                continue
            line = self.rng.choice(lines)
            if returnable_units(line) < 1:
                continue
            condition = self.rng.choice(["New", "Damaged"])
            return_id = self.lifecycle.create_return(
                order["OrderId"], {line["OrderLineId"]: 1}, condition=condition, paid_here=True
            )
            self.returns[return_id] = Return(order["AlternateOrderId"], line["OrderLineId"][:36], condition)
            return

    def _go_on_with(self, return_id: str) -> None:
        """Received, verified, refunded: one step at a time."""
        back = self.returns[return_id]
        if back.step == 0:
            self.lifecycle.receive(return_id, "1", 1, condition=back.condition)
        elif back.step == 1:
            self.lifecycle.verify(return_id)
        elif back.step == 2:
            self.lifecycle.refund(return_id)
        back.step += 1

    def state_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.bench.config_path.parent.glob("*.sqlite3*"))

    def calm_down(self) -> None:
        """No more faults, and as many runs as it takes."""
        self.bench.sandbox.use_faults(Faults())
        self.timer.shutdown()
        for return_id, back in self.returns.items():
            while back.step < 3:
                self._go_on_with(return_id)
        for _ in range(3):
            self.bench.clock.advance(7200)
            for job in jobs_on(self.application.config):
                assert self.application.run(job, RunOptions(full=job == "inventory")).exit_code in (0, 3)

    def taken_back(self) -> dict[str, tuple[list[Any], list[tuple[str, int, bool]]]]:
        """Of each return: what the shop shows, and what the outbox told, each key once."""
        told: dict[str, tuple[list[Any], list[tuple[str, int, bool]]]] = {}
        lines = (self.folder / "outbox.jsonl").read_text(encoding="utf-8").splitlines()
        events = list({event["key"]: event for event in map(json.loads, lines)}.values())
        for return_id, back in self.returns.items():
            infos = self.world.ct.orders[back.order_id].get("returnInfo") or ()
            items = [
                (item["lineItemId"], item["quantity"], item["shipmentState"], item["paymentState"])
                for info in infos
                for item in info["items"]
            ]
            of_it = [
                (event["event"], sum(row["quantity"] for row in event["lines"]), event["amount"] > 0)
                for event in events
                if event["returnId"] == return_id
            ]
            told[return_id] = (items, sorted(of_it))
        return told

    def shipped_and_delivered(self) -> tuple[dict[Any, int], dict[Any, int]]:
        """Units by order and line: gone out at MAO, and in Deliveries of the shop."""
        shipped: dict[Any, int] = {}
        delivered: dict[Any, int] = {}
        for order in self.world.mao.orders.values():
            for line in order["OrderLine"] if order.get("AlternateOrderId") else ():
                key = order["AlternateOrderId"], line["OrderLineId"][:36]
                units = [row for row in line["QuantityDetail"] if 7000 <= float(row["StatusId"]) < 9000]
                shipped[key] = shipped.get(key, 0) + sum(int(row["Quantity"]) for row in units)
        for order in self.world.ct.orders.values():
            infos = [
                order.get("shippingInfo"),
                *(each["shippingInfo"] for each in order.get("shipping") or ()),
            ]
            for delivery in [each for info in infos if info for each in info.get("deliveries") or ()]:
                for item in delivery["items"]:
                    key = order["id"], item["id"]
                    delivered[key] = delivered.get(key, 0) + item["quantity"]
        return {key: units for key, units in shipped.items() if units}, delivered

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
        facts = {each.job: each for each in read_facts(store, JOBS, week.bench.clock.now())}
    for job, each in facts.items():
        assert each.totals["runs"] > 0.85 * (first + rest).total_seconds() / week._every_s(job), job
        assert each.lag_s is not None and each.lag_s < 4500, job
    week.calm_down()
    with week.application.open_store() as store:
        waiting = {letter.entity for letter in store.dead_letters("orders")}
        others = [letter for job in JOBS[1:] for letter in store.dead_letters(job)]

    orders = [order for order in week.world.mao.orders.values() if order["OrderId"] not in week.returns]
    in_mao = [order["AlternateOrderId"] for order in orders]
    assert sorted(in_mao) == sorted(week.placed - week.wrong), "each order once, and no other"
    assert waiting == week.wrong
    assert others == []
    assert len(week.returns) >= len(week.placed) // 6, "the week has returns"
    for return_id, (items, told) in week.taken_back().items():
        back = week.returns[return_id]
        disposed = "BackInStock" if back.condition == "New" else "Unusable"
        assert items == [(back.line_id, 1, disposed, "Refunded")], return_id
        assert [event[:2] for event in told] == [("return-disposed", 1), ("return-refunded", 1)], return_id
    shipped, delivered = week.shipped_and_delivered()
    assert shipped == delivered
    shown, promised = week.shown_and_promised()
    assert all(shown[key] <= promised[key] for key in shown), "nothing is sold twice"
    assert sum(shown.values()) > 0
    summary = (
        f"{len(week.placed)} orders, {len(week.returns)} returns: {objects_grown} objects and "
        f"{memory_grown:,} bytes of memory more, "
        f"{bytes_each:,.0f} bytes of state for each order"
    )
    print(summary)
    assert memory_grown < MEMORY_GROWTH_MAX, summary
    assert objects_grown < OBJECTS_GROWTH_MAX, summary
    assert bytes_each < 30_000, summary
    metrics = (folder / "sync.prom").read_text()
    assert 'ct_mao_sync_last_run_exit_code{job="inventory"}' in metrics


def test_an_hour_with_faults_loses_nothing_and_grows_nothing(tmp_path: Path) -> None:
    first, rest, traced = timedelta(minutes=20), timedelta(minutes=60), timedelta(minutes=20)
    leave_alone(tmp_path, first, rest, traced, order_every=timedelta(minutes=12))


@pytest.mark.slow
def test_a_week_with_faults_loses_nothing_and_grows_nothing(tmp_path: Path) -> None:
    first, rest, traced = timedelta(days=1), timedelta(days=6), timedelta(hours=3)
    leave_alone(tmp_path, first, rest, traced, order_every=timedelta(hours=1))
