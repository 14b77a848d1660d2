"""A line that the shop takes out after its release: MAO decides about it by and by, or refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orders_bench import Bench

from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order, order_edit, removing_line

LATE = "late_cancel = true"


def _released_order_less_a_line(bench: Bench) -> dict[str, Any]:
    for number in range(1, 50):
        order = bench.place(number)
        if len(order["lineItems"]) > 1:
            break
    bench.sync()
    for _ in range(3):
        bench.sandbox.manhattan.lifecycle.next_step(order["orderNumber"])
    order_edit(bench.sandbox.world, order["id"], removing_line(order["lineItems"][0]["id"]))
    bench.clock.advance(60)
    return bench.sandbox.world.ct.orders[order["id"]]


def _line_left(bench: Bench, order: dict[str, Any]) -> dict[str, Any]:
    """The line that is no longer in the shop, as MAO has it."""
    kept = {line["id"] for line in order["lineItems"]}
    lines = bench.sandbox.world.mao.orders[order["orderNumber"]]["OrderLine"]
    return next(line for line in lines if line["OrderLineId"] not in kept)


def _hour_later(bench: Bench, hours: float = 1) -> Any:
    bench.clock.advance(3600 * hours)
    bench.sandbox.manhattan.lifecycle.tick()
    return bench.sync()


def test_it_is_pending_until_mao_has_cancelled_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="success", post_release_cancel_s=5400)
    order = _released_order_less_a_line(bench)

    assert bench.sync().counts["pending"] == 1
    assert _hour_later(bench).counts == {"pending": 1}
    assert _hour_later(bench).counts == {"unchanged": 1}
    assert _hour_later(bench).counts == {}

    assert _line_left(bench, order)["IsCancelled"] is True
    assert bench.dead_letters() == []


def test_it_is_told_when_mao_does_not_cancel_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="failure")
    _released_order_less_a_line(bench)
    bench.sync()
    bench.clock.advance(60)
    bench.sandbox.manhattan.lifecycle.tick()

    report = bench.sync()

    assert report.exit_code == 3
    assert [letter.code for letter in bench.dead_letters()] == ["cancel-refused"]


def test_it_is_asked_for_again_on_demand(tmp_path: Path) -> None:
    """Also though the shop has no newer version than MAO is stamped with."""
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="failure")
    order = _released_order_less_a_line(bench)
    bench.sync()
    _hour_later(bench)
    assert _line_left(bench, order)["CancellationRequestStatus"] == "Failure"

    report = bench.sync(dead_letters=(order["id"],))

    assert report.counts == {"pending": 1}
    assert _line_left(bench, order)["CancellationRequestStatus"] == "Requested"


def test_another_change_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="pending")
    order = _released_order_less_a_line(bench)
    bench.sync()
    edit_order(
        bench.sandbox.world, order["id"], lambda document: document.update(customerEmail="n@e.example")
    )

    bench.sync()

    mao = bench.sandbox.world.mao.orders[order["orderNumber"]]
    assert mao["CustomerEmail"] == "n@e.example"


@pytest.mark.parametrize("tenant", ["off", "success"])
def test_it_is_not_asked_for_where_late_cancellation_is_not_wanted(tmp_path: Path, tenant: str) -> None:
    bench = Bench(tmp_path, post_release_cancel=tenant)
    order = _released_order_less_a_line(bench)

    report = bench.sync()

    assert report.exit_code == 3
    assert [letter.code for letter in bench.dead_letters()] == ["order-locked"]
    assert not _line_left(bench, order).get("CancellationRequestStatus")


def test_a_release_between_look_and_save_is_noticed_in_the_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="pending", search_lag_s=600)
    order = _released_order_less_a_line(bench)

    assert bench.sync().counts["pending"] == 1
    assert _line_left(bench, order)["CancellationRequestStatus"] == "Requested"


def test_a_changed_address_of_a_released_order_is_still_locked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, orders=LATE, post_release_cancel="pending")
    order = _released_order_less_a_line(bench)
    edit_order(bench.sandbox.world, order["id"], changing_address(city="Elsewhere"))

    bench.sync()

    assert [letter.code for letter in bench.dead_letters()] == ["order-locked"]
