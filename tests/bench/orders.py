"""`python -m tests.bench.orders`: what an export of orders costs, as ratios of one run.

The server is the sandbox in another process, with a latency for each answer. Everything is measured from
outside, over whole processes of the real command.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.processes import Measured, Server, measure, serving, write_config

PAGE_ORDERS = 500
EXPORTABLE = 0.945
"""Of the generated orders; the others are cancelled or complete and are never exported."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        count = math.ceil(options.orders / EXPORTABLE)
        with serving(folder, count=count, seed=options.seed, latency_ms=options.latency) as server:
            rows = _bench(server, folder, workers=options.workers, latency_s=options.latency / 1000)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _bench(server: Server, folder: Path, *, workers: int, latency_s: float) -> list[tuple[str, str, str]]:
    config = write_config(folder / "config.toml", server, workers=workers, overlap_s=120, settle_s=5)
    server_before_s = server.cpu_s()
    first, report, requests, _ = _sync(server, folder, config)
    server_cpu_s = server.cpu_s() - server_before_s
    exported = report["written"]
    ideal_s = requests * latency_s / workers

    _, again, again_requests, again_writes = _sync(server, folder, config)
    pages = again["read"] // PAGE_ORDERS + 1

    # Without an overlap nothing that the second run has seen is seen once more: an idle window. That needs
    # a watermark after the last change.
    settled = write_config(folder / "idle.toml", server, workers=workers, overlap_s=0, settle_s=0)
    _sync(server, folder, settled)
    idle = [_sync(server, folder, settled) for _ in range(5)]
    helps = [measure(["--help"], folder) for _ in range(5)]
    return [
        ("", "measured", "aim"),
        ("orders exported", f"{exported} of {report['read']} read", ""),
        ("requests per exported order", f"{requests / exported:.3f}", "<= 2.2"),
        ("efficiency of the run", f"{ideal_s / report['elapsed_s']:.3f}", ">= 0.85"),
        ("efficiency of the whole process", f"{ideal_s / first.wall_s:.3f}", ""),
        ("client CPU per exported order", f"{first.cpu_s * 1000 / exported:.2f} ms", "<= 4 ms"),
        ("server CPU per request", f"{server_cpu_s * 1000 / requests:.2f} ms", ""),
        ("orders per second", f"{exported / report['elapsed_s']:.1f}", ""),
        ("peak memory of the client", f"{first.peak_mb:.0f} MB", ""),
        ("second run: requests", f"{again_requests} for {pages} pages", "1 a page"),
        ("second run: writes", str(again_writes), "0"),
        ("idle run: requests", _median([run[2] for run in idle], "{:g}"), "1"),
        ("idle run: whole process", _median([run[0].wall_s for run in idle], "{:.2f} s"), "< 0.7 s"),
        ("idle run: CPU", _median([run[0].cpu_s for run in idle], "{:.2f} s"), ""),
        ("--help: whole process", _median([run.wall_s for run in helps], "{:.2f} s"), "< 0.3 s"),
    ]


def _sync(server: Server, folder: Path, config: Path) -> tuple[Measured, dict[str, Any], int, int]:
    """One run: the process, its report, the requests and the writes that the server saw."""
    before = server.seen()
    process = measure(["--config", str(config), "--json", "sync", "orders"], folder)
    after = server.seen()
    try:
        report = json.loads(process.output)["runs"][0]
    except (ValueError, LookupError):
        raise SystemExit(f"the run ended with {process.exit_code} and said: {process.output}") from None
    if process.exit_code not in (0, 3):
        raise SystemExit(f"the run ended with {process.exit_code}: {report['problem']}")
    return process, report, after["requests"] - before["requests"], after["writes"] - before["writes"]


def _median(values: list[Any], form: str) -> str:
    return form.format(statistics.median(values))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=2000, help="to export, about (default 2000)")
    parser.add_argument("--workers", type=int, default=8, help="requests in flight (default 8)")
    parser.add_argument("--latency", type=float, default=50.0, metavar="MS", help="of each answer (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the generated orders (1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
