"""`python -m tests.bench.orders`: what an export of orders costs, as ratios of one run.

The server is the sandbox in another process, with a latency for each answer. Everything is measured from
outside, over whole processes of the real command.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.processes import (
    ORDERS_CONFIG,
    Server,
    bench_parser,
    measure,
    median,
    print_table,
    run_job,
    serving,
    write_config,
)

PAGE_ORDERS = 500
EXPORTABLE = 0.945
"""Of the generated orders; the others are cancelled or complete and are never exported."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        count = math.ceil(options.orders / EXPORTABLE)
        with serving(folder, seed=options.seed, latency_ms=options.latency) as server:
            server.act("tests.bench.orders:fill", seed=options.seed, count=count)
            rows = _bench(server, folder, workers=options.workers, latency_s=options.latency / 1000)
    print_table(rows)
    return 0


def fill(sandbox: Any, seed: int, count: int) -> None:
    """Inside the server: that many generated orders."""
    from ct_mao_sync.sandbox.__main__ import fill as fill_orders

    fill_orders(sandbox, orders=None, seed=seed, count=count)


def _bench(server: Server, folder: Path, *, workers: int, latency_s: float) -> list[tuple[str, str, str]]:
    config = write_config(folder / "config.toml", server, workers=workers, more=ORDERS_CONFIG)
    first = run_job(server, folder, config, "orders")
    exported = first.report["written"]
    ideal_s = first.requests * latency_s / workers

    again = run_job(server, folder, config, "orders")
    pages = again.report["read"] // PAGE_ORDERS + 1

    # Without an overlap nothing that the second run has seen is seen once more: an idle window. That needs
    # a watermark after the last change.
    settled = write_config(
        folder / "idle.toml", server, workers=workers, overlap_s=0, settle_s=0, more=ORDERS_CONFIG
    )
    run_job(server, folder, settled, "orders")
    idle = [run_job(server, folder, settled, "orders") for _ in range(5)]
    helps = [measure(["--help"], folder) for _ in range(5)]
    elapsed_s = first.report["elapsed_s"]
    return [
        ("orders exported", f"{exported} of {first.report['read']} read", ""),
        ("requests per exported order", f"{first.requests / exported:.3f}", "<= 2.2"),
        ("efficiency of the run", f"{ideal_s / elapsed_s:.3f}", ">= 0.85"),
        ("efficiency of the whole process", f"{ideal_s / first.process.wall_s:.3f}", ""),
        ("client CPU per exported order", f"{first.process.cpu_s * 1000 / exported:.2f} ms", "<= 4 ms"),
        ("server CPU per request", f"{first.server_cpu_s * 1000 / first.requests:.2f} ms", ""),
        ("orders per second", f"{exported / elapsed_s:.1f}", ""),
        ("peak memory of the client", f"{first.process.peak_mb:.0f} MB", ""),
        ("second run: requests", f"{again.requests} for {pages} pages", "1 a page"),
        ("second run: writes", str(again.writes), "0"),
        ("idle run: requests", median([run.requests for run in idle], "{:g}"), "1"),
        ("idle run: whole process", median([run.process.wall_s for run in idle], "{:.2f} s"), "< 0.7 s"),
        ("idle run: CPU", median([run.process.cpu_s for run in idle], "{:.2f} s"), ""),
        ("--help: whole process", median([run.wall_s for run in helps], "{:.2f} s"), "< 0.3 s"),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("orders", __doc__)
    parser.add_argument("--orders", type=int, default=2000, help="to export, about (default 2000)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
