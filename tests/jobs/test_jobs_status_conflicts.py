"""Others write to the same order between our reading and our writing: read and plan again, not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from status_bench import StatusBench

from ct_mao_sync.sandbox.admin import aimed_at
from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order
from ct_mao_sync.sandbox.core import Request

UPDATE = aimed_at(service="commercetools", method="POST", path="/orders/")


@pytest.fixture
def bench(tmp_path: Path) -> StatusBench:
    bench = StatusBench(tmp_path)
    bench.placed(1)
    bench.sync()
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1", package_id="P1", tracking="1Z1")
    bench.later()
    return bench


def test_a_customer_who_edits_the_order_meanwhile_keeps_the_change(bench: StatusBench) -> None:
    entity, edits = bench.shop(1)["id"], []

    def meanwhile(request: Request) -> bool:
        if UPDATE(request) and not edits:
            edits.append(edit_order(bench.sandbox.world, entity, changing_address(city="Elsewhere")))
        return False

    bench.sandbox.faults.always(meanwhile, "500")

    report = bench.sync()

    assert (report.counts["written"], report.counts["rejected"]) == (1, 0)
    assert bench.shop(1)["shippingAddress"]["city"] == "Elsewhere"
    assert [delivery["key"] for delivery in bench.deliveries(1)] == ["mao-CT-11"]


def test_what_another_tool_has_done_meanwhile_is_not_done_again(bench: StatusBench) -> None:
    """The version has moved because the state is there already: the second plan leaves it out."""
    edits = []

    def meanwhile(request: Request) -> bool:
        if UPDATE(request) and not edits:
            edits.append(True)
            bench.edit(1, {"action": "changeShipmentState", "shipmentState": "Shipped"})
        return False

    bench.sandbox.faults.always(meanwhile, "500")

    bench.sync()

    last = bench.sandbox.world.request_log.history[-1].request
    assert b"addDelivery" in last.body
    assert b"changeShipmentState" not in last.body


def test_ten_conflicts_in_a_row_are_a_dead_letter(bench: StatusBench) -> None:
    log = bench.sandbox.world.request_log
    before = log.total("commercetools", method="POST", endpoint="/orders/")
    bench.sandbox.faults.always(UPDATE, "409")

    assert bench.sync().exit_code == 3

    assert [letter.code for letter in bench.dead_letters()] == ["conflict"]
    assert log.total("commercetools", method="POST", endpoint="/orders/") - before == 10
    assert bench.deliveries(1) == []


def test_the_next_run_closes_it(bench: StatusBench) -> None:
    bench.sandbox.faults.always(UPDATE, "409")
    bench.sync()
    bench.sandbox.faults.quiet()
    bench.later(3600)

    report = bench.sync()

    assert report.dead_letters == 0
    assert [delivery["key"] for delivery in bench.deliveries(1)] == ["mao-CT-11"]
