"""`python -m tests.bench inventory`: what bringing entries in line costs, as ratios of one run.

The server is the sandbox in another process, with a latency for each answer. Everything is measured from
outside, over whole processes of the real command, and all requests count, of both sides, reads included.

The run time is that of the run's own report, less what it only waited for imports (`waited_s`). The ideal is
what all its requests, those that follow imports among them, take with each worker always waiting for one.

Each way to write (network and location view with four channels, REST and Import API) has its own rows:
  changed    every supply of the tenant is counted anew, and a delta run brings each entry in line
  unchanged  every supply is touched without moving a figure: a delta run looks at each entry, writes none
The peak memory is of a whole sweep over entries that are right already.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.processes import Ran, Server, bench_parser, print_table, run_job, serving, write_config

Row = tuple[str, str, str]

CONFIG = """\
[inventory]
modes = ["{mode}"]
network_view = "Ship To Home"
location_view = "Store Pickup"
writer = "{writer}"
sweep_every = "365d"
# Nothing is sold here, so nothing is waited for.
raise_delay_seconds = 0
max_drop_percent = 100
[mapping.locations]
DC-ATL = "dc-atlanta"
DC-DRE = "dc-dresden"
DC-OSA = "dc-osaka"
ST-17 = "store-17"
"""
CHANNELS = 4
AIMS = {
    ("network", "import-api"): 0.08,
    ("location", "import-api"): 0.065,
    ("network", "rest"): 1.06,
    ("location", "rest"): 1.06,
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    rows: list[Row] = []
    for (mode, writer), aim in AIMS.items():
        if writer in options.writers:
            entries = options.entries if writer == "import-api" else options.rest_entries
            rows += _on_a_server(options, mode, entries, lambda *of, w=writer, a=aim: _costs(*of, w, a))
    rows += _on_a_server(options, "location", options.places, _peak)
    print(
        f"latency {options.latency:g} ms, {options.workers} workers, 100 items an availability request; "
        f"{options.entries} entries, {options.rest_entries} for REST, so that it stays minutes; "
        "raise_delay_seconds = 0, which else adds about 10 s to a run"
    )
    print_table(rows)
    return 0


def _on_a_server(options: argparse.Namespace, mode: str, entries: int, measure: Any) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        with serving(folder, seed=options.seed, latency_ms=options.latency) as server:
            items = math.ceil(entries / (CHANNELS if mode == "location" else 1))
            server.act("tests.bench.inventory:fill", seed=options.seed, items=items, mode=mode)
            return list(measure(options, server, folder, mode))


# ---- inside the server ---------------------------------------------------------------------------------


def fill(sandbox: Any, seed: int, items: int, mode: str) -> None:
    """A tenant with stock everywhere, and entries that agree."""
    from ct_mao_sync.sandbox.generate_stock import stock_world

    stock_world(sandbox.world, seed, items=items, entries=(mode,), protected=False, future=False)


def count_anew(sandbox: Any, by: int) -> None:
    """Every on-hand supply moves by so many units, 0 = it is only touched."""
    from ct_mao_sync.sandbox.manhattan_stock import adjust_supply, stock_of

    for item, place, *_ in list(stock_of(sandbox.world).supplies):
        adjust_supply(sandbox.world, item, place, by)


# ---- outside -------------------------------------------------------------------------------------------


def _config(options: argparse.Namespace, server: Server, folder: Path, mode: str, writer: str) -> Path:
    more = CONFIG.format(mode=mode, writer=writer)
    return write_config(folder / "config.toml", server, workers=options.workers, more=more)


def _costs(
    options: argparse.Namespace, server: Server, folder: Path, mode: str, writer: str, aim: float
) -> list[Row]:
    config = _config(options, server, folder, mode, writer)
    swept = run_job(server, folder, config, "inventory")
    server.act("tests.bench.inventory:count_anew", by=7)
    changed = run_job(server, folder, config, "inventory")
    server.act("tests.bench.inventory:count_anew", by=0)
    unchanged = run_job(server, folder, config, "inventory")
    if options.endpoints:
        _print_endpoints(f"{mode} {writer} changed", changed)
    entries = changed.report["written"]
    ideal_s = changed.requests * options.latency / 1000 / options.workers
    waited_s = changed.report["waited_s"]
    busy_s = changed.report["elapsed_s"] - waited_s
    name = f"{mode}, {writer}"
    return [
        (name, f"{entries} of {changed.report['read']} read were written", ""),
        ("  changed: requests an entry", f"{changed.requests / entries:.4f}", f"<= {aim}"),
        ("  unchanged: requests an entry", f"{_per_entry(unchanged):.4f}", "<= 0.03"),
        ("  sweep, nothing to do: requests an entry", f"{_per_entry(swept):.4f}", "<= 0.03"),
        ("  changed: run time", f"{busy_s:.1f} s, and {waited_s:.1f} s of waiting for imports", ""),
        ("  changed: run time / ideal", f"{busy_s / ideal_s:.2f}", "<= 1.3"),
        ("  changed: client CPU an entry", f"{changed.process.cpu_s * 1000 / entries:.2f} ms", ""),
        ("  server CPU a request", f"{changed.server_cpu_s * 1000 / changed.requests:.2f} ms", ""),
        ("  unchanged: writes", str(unchanged.writes), "0"),
        ("  peak memory, changed", f"{changed.process.peak_mb:.0f} MB", "< 150 MB"),
    ]


def _peak(options: argparse.Namespace, server: Server, folder: Path, mode: str) -> list[Row]:
    config = _config(options, server, folder, mode, "rest")
    ran = run_job(server, folder, config, "inventory")
    return [
        ("whole sweep", f"{ran.report['read']} item-locations", ""),
        ("  peak memory", f"{ran.process.peak_mb:.0f} MB", "< 150 MB for 200000"),
        ("  requests an item-location", f"{_per_entry(ran):.4f}", "<= 0.03"),
        ("  client CPU an item-location", f"{ran.process.cpu_s * 1000 / ran.report['read']:.3f} ms", ""),
        ("  run time", f"{ran.report['elapsed_s']:.0f} s", ""),
    ]


def _per_entry(ran: Ran) -> float:
    return ran.requests / max(1, ran.report["read"])


def _print_endpoints(title: str, ran: Ran) -> None:
    print(f"{title}: where its requests go")
    for endpoint, count in Counter(ran.by_endpoint).most_common():
        print(f"  {count:6d}  {endpoint}")


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("inventory", __doc__)
    parser.add_argument("--entries", type=int, default=20_000, help="changed by the Import API (20000)")
    parser.add_argument("--rest-entries", type=int, default=4_000, help="changed by REST (4000)")
    parser.add_argument("--places", type=int, default=200_000, help="item-locations of the sweep (200000)")
    parser.add_argument("--writers", nargs="*", default=["rest", "import-api"], help="which of them")
    parser.add_argument("--endpoints", action="store_true", help="also where the requests go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
