"""`python -m tests.bench status`: what it costs to bring MAO's fulfilment into the shop, as ratios of a run.

Orders are exported by the real orders job; then MAO works on them inside the server, and each run of the
status job is measured from outside.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.orders import EXPORTABLE
from tests.bench.processes import (
    ORDERS_CONFIG,
    Ran,
    Server,
    bench_parser,
    median,
    print_table,
    run_job,
    serving,
    write_config,
)

STATUS_CONFIG = """\
[status.carriers]
UPS = { name = "UPS", url = "https://ups.example/{tracking}" }
"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        with serving(folder, seed=options.seed, latency_ms=options.latency) as server:
            count = round(options.orders / EXPORTABLE)
            server.act("tests.bench.orders:fill", seed=options.seed, count=count)
            rows = _bench(server, folder, workers=options.workers, latency_s=options.latency / 1000)
    print_table(rows)
    return 0


def work(sandbox: Any, share: float, seed: int, finish: bool) -> int:
    """Inside the server: warehouses work on a share of the orders; how many changed.

    finish   ship and deliver all of them; else one line of each ships, in a parcel of its own
    """
    from ct_mao_sync.sandbox.manhattan_envelope import Refused

    rng, lifecycle = random.Random(seed), sandbox.manhattan.lifecycle
    orders = sorted(sandbox.world.mao.orders)
    changed = 0
    for order_id in rng.sample(orders, round(len(orders) * share)):
        before = sandbox.world.mao.orders[order_id]
        try:
            lifecycle.allocate(order_id)
            lifecycle.release(order_id)
        except Refused:
            pass
        parcel = {"package_id": f"P{order_id}{finish:d}", "tracking": f"1Z{order_id}{finish:d}"}
        try:
            if finish:
                lifecycle.ship(order_id, **parcel)
                lifecycle.deliver(order_id)
            else:
                lifecycle.ship(order_id, before["OrderLine"][0]["OrderLineId"], 1, **parcel)
        except Refused:
            pass
        changed += sandbox.world.mao.orders[order_id] is not before
    return changed


def _bench(server: Server, folder: Path, *, workers: int, latency_s: float) -> list[tuple[str, str, str]]:
    more = ORDERS_CONFIG + STATUS_CONFIG
    config = write_config(folder / "config.toml", server, workers=workers, more=more)
    exported = run_job(server, folder, config, "orders").report["written"]
    first = run_job(server, folder, config, "status")
    unchanged = run_job(server, folder, config, "status")

    changed = server.act("tests.bench.status:work", share=0.6, seed=1, finish=False)
    shipped = run_job(server, folder, config, "status")
    finished = server.act("tests.bench.status:work", share=1.0, seed=2, finish=True)
    delivered = run_job(server, folder, config, "status")
    idle = [run_job(server, folder, config, "status") for _ in range(3)]

    elapsed_s = shipped.report["elapsed_s"]
    ideal_s = shipped.requests * latency_s / workers
    cpu_ms = 1000 * (shipped.process.cpu_s - unchanged.process.cpu_s) / changed
    return [
        ("orders exported, first look at them", f"{exported}, {first.report['read']} read", ""),
        ("nothing new: writes, reads of the shop", f"{unchanged.writes}, {_shop_reads(unchanged)}", "0, 0"),
        ("nothing new: requests", f"{unchanged.requests} for {_pages(unchanged)} pages", "1 a page"),
        ("some shipped: orders changed", f"{changed} of {exported}", ""),
        *_costs("some shipped", shipped, changed),
        ("some shipped: efficiency of the run", f"{ideal_s / elapsed_s:.3f}", ">= 0.85"),
        ("some shipped: client CPU per changed order", f"{cpu_ms:.2f} ms", "<= 4 ms"),
        ("some shipped: orders per second", f"{changed / elapsed_s:.1f}", ""),
        ("all delivered: orders changed", f"{finished} of {exported}", ""),
        *_costs("all delivered", delivered, finished),
        ("peak memory of the client", f"{delivered.process.peak_mb:.0f} MB", ""),
        ("again: writes", f"{sum(run.writes for run in idle)} in {len(idle)} runs", "0"),
        ("again: whole process", median([run.process.wall_s for run in idle], "{:.2f} s"), ""),
    ]


def _costs(what: str, run: Ran, changed: int) -> list[tuple[str, str, str]]:
    beyond = _shop_reads(run) - _pages(run)
    return [
        (f"{what}: requests per changed order", f"{run.requests / changed:.3f}", ""),
        (f"{what}: writes per changed order", f"{run.writes / changed:.3f}", "<= 1"),
        (
            f"{what}: reads of the shop beyond one a page",
            f"{max(0, beyond) / changed:.3f}",
            "<= 0.05 an order",
        ),
    ]


def _shop_reads(run: Ran) -> int:
    return sum(count for name, count in run.by_endpoint.items() if name.startswith("commercetools GET"))


def _pages(run: Ran) -> int:
    return sum(count for name, count in run.by_endpoint.items() if name.endswith("/order/search"))


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("status", __doc__)
    parser.add_argument("--orders", type=int, default=1000, help="to export, about (default 1000)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
