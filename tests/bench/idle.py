"""`python -m tests.bench idle`: what a cycle of all four jobs costs when nothing has happened.

Orders are exported, most of them delivered, the stock is in the shop, and then both sides rest.
Measured from outside, over whole processes, start-up included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.inventory import CONFIG as INVENTORY_CONFIG
from tests.bench.processes import (
    ORDERS_CONFIG,
    Server,
    bench_parser,
    measure,
    median,
    print_table,
    serving,
    write_config,
)
from tests.bench.returns import RETURNS_CONFIG

MORE = ORDERS_CONFIG + RETURNS_CONFIG + INVENTORY_CONFIG.format(mode="location", writer="auto")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        with serving(folder, seed=options.seed, latency_ms=options.latency) as server:
            server.act("tests.bench.orders:fill", seed=options.seed, count=options.orders)
            rows = _bench(server, folder, workers=options.workers)
    print_table(rows)
    return 0


def _bench(server: Server, folder: Path, *, workers: int) -> list[tuple[str, str, str]]:
    def config(name: str, **seconds: int) -> list[str]:
        path = write_config(folder / name, server, workers=workers, more=MORE, **seconds)
        return ["--config", str(path), "--json", "sync", "all"]

    measure(config("config.toml"), folder)
    server.act("tests.bench.status:work", share=0.6, seed=1, finish=True)
    server.act("tests.bench.inventory:fill", seed=1, items=50, mode="location")
    for _ in range(2):
        measure(config("config.toml"), folder)
    # Without an overlap nothing that an earlier run has seen is seen once more: idle windows.
    idle = config("idle.toml", overlap_s=0, settle_s=0, mao_overlap_s=0, mao_settle_s=0)
    measure(idle, folder)
    requests = server.requests()
    writes = server.writes()
    ran = [measure(idle, folder) for _ in range(7)]
    asked = server.requests() - requests
    runs = json.loads(ran[-1].output)["runs"]
    print("\n".join(f"  {count / len(ran):4g}  {endpoint}" for endpoint, count in sorted(asked.items())))
    helps = [measure(["--help"], folder) for _ in range(7)]
    return [
        ("jobs", ", ".join(f"{run['job']} ({run['requests']})" for run in runs), "(requests)"),
        ("exit codes", str(sorted({run.exit_code for run in ran})), "[0]"),
        ("writes", str(server.writes() - writes), "0"),
        ("whole process", median([run.wall_s for run in ran], "{:.2f} s"), "< 1 s"),
        ("CPU", median([run.cpu_s for run in ran], "{:.2f} s"), ""),
        ("peak memory", median([run.peak_mb for run in ran], "{:.0f} MB"), ""),
        ("--help: whole process", median([run.wall_s for run in helps], "{:.2f} s"), "< 0.3 s"),
        (
            "whole process / --help",
            f"{statistics.median(r.wall_s for r in ran) / statistics.median(h.wall_s for h in helps):.1f}",
            "",
        ),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("idle", __doc__)
    parser.add_argument("--orders", type=int, default=50, help="on both sides (50)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
