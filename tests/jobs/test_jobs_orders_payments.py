"""`orders.paid_by = "payments"`: a Payment that changes does not touch its order, yet the hold goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orders_bench import Bench

HOLD = """
hold_until_paid = "AwaitingPayment"
hold_resolve_reason = "Paid"
paid_by = "payments"
"""


def holds(order: dict[str, Any]) -> list[tuple[str, str]]:
    return [(hold["HoldTypeId"], hold["StatusId"]) for hold in order["OrderHold"]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, orders=HOLD)


def pay(bench: Bench, order: dict[str, Any]) -> None:
    """The payment service charges; only the Payment changes."""
    world = bench.sandbox.world
    for reference in order["paymentInfo"]["payments"]:
        payment = world.ct.payments[reference["id"]]
        payment["transactions"] = [
            {
                "id": "0d6e3f9a-1c1b-4a57-9d7e-000000000001",
                "type": "Charge",
                "state": "Success",
                "amount": order["taxedPrice"]["totalGross"],
            }
        ]
        payment["version"] += 1
        payment["lastModifiedAt"] = (
            bench.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )


def unpaid(bench: Bench, number: int) -> dict[str, Any]:
    order = bench.place(number, paid="Pending")
    for reference in order["paymentInfo"]["payments"]:
        bench.sandbox.world.ct.payments[reference["id"]]["transactions"] = []
    return order


def test_an_unpaid_order_is_created_on_hold(bench: Bench) -> None:
    unpaid(bench, 1)

    bench.clock.advance(60)
    bench.sync()

    assert holds(bench.mao(1)) == [("AwaitingPayment", "1000")]


def test_a_charge_resolves_the_hold_although_the_order_did_not_change(bench: Bench) -> None:
    order = unpaid(bench, 1)
    bench.clock.advance(60)
    bench.sync()
    bench.clock.advance(3600)
    pay(bench, order)
    bench.clock.advance(60)

    report = bench.sync()

    assert report.exit_code == 0
    assert holds(bench.mao(1)) == [("AwaitingPayment", "2000")]


def test_an_idle_run_asks_once_for_orders_and_once_for_payments(bench: Bench) -> None:
    unpaid(bench, 1)
    bench.clock.advance(60)
    bench.sync()
    bench.clock.advance(3600)
    bench.sync()
    bench.clock.advance(3600)
    before = bench.log.total()

    bench.sync()

    assert bench.log.total() - before == 2
