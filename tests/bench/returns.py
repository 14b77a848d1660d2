"""`python -m tests.bench.returns`: what telling returns to the shop costs, as ratios of one run.

The server is the sandbox in another process, with a latency for each answer. Everything is measured from
outside, over whole processes of the real command.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.processes import Server, bench_parser, median, print_table, run_job, serving, write_config

PAGE_ORDERS = 100
RETURNS_CONFIG = """\
[returns]
outbox = "outbox.jsonl"
[returns.disposition]
New = "BackInStock"
Damaged = "Unusable"
"""
CONFIG = f"""[orders]
start_at = "2020-01-01T00:00:00Z"

{RETURNS_CONFIG}"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ct-mao-sync-bench-") as name:
        folder = Path(name)
        with serving(folder, seed=options.seed, latency_ms=options.latency) as server:
            server.act("tests.bench.returns:fill", seed=options.seed, count=options.returns)
            rows = _bench(server, folder, workers=options.workers, latency_s=options.latency / 1000)
    print_table(rows)
    return 0


def fill(sandbox: Any, seed: int, count: int) -> None:
    """Inside the server: that many orders on both sides, shipped, told to the shop, and a return of each,
    received and verified, every fifth of it damaged."""
    import random

    from ct_mao_sync.sandbox.commercetools_orders import add_order
    from ct_mao_sync.sandbox.core import COMMERCETOOLS
    from ct_mao_sync.sandbox.generate import generate_order

    world, lifecycle = sandbox.world, sandbox.manhattan.lifecycle
    now = world.now(COMMERCETOOLS)
    for number in range(count):
        order = generate_order(
            random.Random(f"{seed}/{number}"),
            100_000 + number,
            now,
            "EUR",
            features=(),
            created_at=now,
            order_state="Confirmed",
            payment_state="Paid",
        )
        items = [{"id": line["id"], "quantity": line["quantity"]} for line in order["lineItems"]]
        order["shippingInfo"]["deliveries"] = [
            {"id": f"d-{number}", "createdAt": order["createdAt"], "items": items, "parcels": []}
        ]
        add_order(world, order)
        order_id = _export(sandbox, order)
        for step in ("allocate", "release", "ship"):
            getattr(lifecycle, step)(order_id)
        line = order["lineItems"][0]
        return_id = lifecycle.create_return(
            order_id, {line["id"]: 1}, return_id=f"R{number:06d}", condition=None, paid_here=True
        )
        lifecycle.receive(return_id, condition="Damaged" if number % 5 == 0 else "New")
        lifecycle.verify(return_id)


def refund(sandbox: Any, every: int) -> int:
    """Inside the server: every n-th return is paid out; how many."""
    lifecycle = sandbox.manhattan.lifecycle
    due = [
        order["OrderId"]
        for order in sandbox.world.mao.orders.values()
        if any(row["Status"]["StatusId"] == "Open" for row in order.get("Invoice") or ())
    ][::every]
    for return_id in due:
        lifecycle.refund(return_id)
    return len(due)


def _export(sandbox: Any, order: Any) -> str:
    """The order as MAO has it after an export; gives its OrderId."""
    from ct_mao_sync.sandbox.manhattan_orders import save_order

    payload = {
        "OrderId": order["orderNumber"],
        "AlternateOrderId": order["id"],
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderType": {"OrderTypeId": "Ecom Order"},
        "CurrencyCode": "EUR",
        "IsConfirmed": True,
        "OrderActions": dict.fromkeys(("IsAlreadyPriced", "IsAlreadyCharged", "IsAlreadyTaxed"), True),
        "OrderLine": [
            {
                "OrderLineId": line["id"],
                "AlternateOrderLineId": line["id"],
                "ItemId": line["variant"]["sku"],
                "Quantity": line["quantity"],
                "UOM": "EACH",
                "UnitPrice": f"{line['price']['value']['centAmount']}E-2",
                "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
                "ShipToAddress": {"Address": {"LastName": "Muster", "Country": "DE"}},
            }
            for line in order["lineItems"]
        ],
    }
    save_order(sandbox.world, sandbox.settings.organization, payload)
    return str(order["orderNumber"])


def _bench(server: Server, folder: Path, *, workers: int, latency_s: float) -> list[tuple[str, str, str]]:
    config = write_config(folder / "config.toml", server, workers=workers, more=CONFIG)
    first = run_job(server, folder, config, "returns")
    told = first.report["written"]
    ideal_s = first.requests * latency_s / workers

    again = run_job(server, folder, config, "returns")
    read = again.report["read"]

    refunded = server.act("tests.bench.returns:refund", every=10)
    paid = run_job(server, folder, config, "returns")

    # Without an overlap nothing that a run has seen is seen once more: an idle window, when a first run has
    # moved the watermark behind the last change.
    settled = write_config(
        folder / "idle.toml", server, workers=workers, mao_overlap_s=0, mao_settle_s=0, more=CONFIG
    )
    run_job(server, folder, settled, "returns")
    idle = [run_job(server, folder, settled, "returns") for _ in range(5)]
    outbox = (folder / "outbox.jsonl").read_text(encoding="utf-8").count("\n")
    elapsed_s = first.report["elapsed_s"]
    return [
        ("returns told", f"{told} of {first.report['read']} read", ""),
        ("requests per changed return", f"{first.requests / told:.3f}", "<= 1.2"),
        ("writes per changed return", f"{first.writes / told:.3f}", "1"),
        ("efficiency of the run", f"{ideal_s / elapsed_s:.3f}", ">= 0.85"),
        ("efficiency of the whole process", f"{ideal_s / first.process.wall_s:.3f}", ""),
        ("client CPU per changed return", f"{first.process.cpu_s * 1000 / told:.2f} ms", "<= 4 ms"),
        ("returns per second", f"{told / elapsed_s:.1f}", ""),
        ("peak memory of the client", f"{first.process.peak_mb:.0f} MB", ""),
        ("second run: requests", f"{again.requests} for {read // PAGE_ORDERS + 1} pages", "1 a page"),
        ("second run: writes", str(again.writes), "0"),
        ("refunds: writes", f"{paid.writes} for {refunded} refunds", "1 each"),
        ("outbox: lines", f"{outbox} for {told} dispositions and {refunded} refunds", "1 each"),
        ("idle run: requests", median([run.requests for run in idle], "{:g}"), "1"),
        ("idle run: writes", median([run.writes for run in idle], "{:g}"), "0"),
        ("idle run: whole process", median([run.process.wall_s for run in idle], "{:.2f} s"), "< 0.7 s"),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser("returns", __doc__)
    parser.add_argument("--returns", type=int, default=1000, help="to tell (default 1000)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
