"""Losing the state file costs time and history, never correctness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orders_bench import Bench

from ct_mao_sync.sandbox.commercetools import order_edit
from ct_mao_sync.sandbox.commercetools_orders import cancelling, changing_address


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One exported order, and then no state file any more."""
    bench = Bench(tmp_path, orders="late_cancel = true", post_release_cancel="pending")
    bench.order = bench.place(1)
    bench.clock.advance(60)
    assert bench.sync().counts["written"] == 1
    bench.clock.advance(60)
    return bench


def lose_state(bench: Bench) -> None:
    for path in bench.config_path.parent.glob("*.sqlite3*"):
        path.unlink()


def saves(bench: Bench) -> int:
    return bench.log.total("manhattan", endpoint="/order/api/order/order/save")


def test_an_order_that_is_equal_is_adopted_without_a_write(bench: Bench) -> None:
    lose_state(bench)
    before = bench.writes()

    report = bench.sync()

    assert report.counts["unchanged"] == 1
    assert bench.writes() == before


def test_an_adopted_order_is_merged_again_from_then_on(bench: Bench) -> None:
    lose_state(bench)
    bench.sync()
    bench.clock.advance(60)
    order_edit(bench.sandbox.world, bench.order["id"], changing_address(city="Musterstadt"))
    bench.clock.advance(60)

    bench.sync()

    assert bench.mao(1)["OrderLine"][0]["ShipToAddress"]["Address"]["City"] == "Musterstadt"


def test_a_difference_is_told_and_nothing_is_overwritten_however_often_it_is_tried(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_state(bench)
    order_edit(bench.sandbox.world, bench.order["id"], changing_address(city="Musterstadt"))
    bench.clock.advance(60)
    before = saves(bench)

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("ct_mao_sync.engine.commit.Committer.commit", kill)
        with pytest.raises(Killed):
            bench.sync()
    bench.sync()

    assert [letter.code for letter in bench.dead_letters()] == ["base-unknown"]
    assert saves(bench) == before


def test_a_late_cancellation_is_followed_although_the_state_was_lost(bench: Bench) -> None:
    lifecycle = bench.sandbox.manhattan.lifecycle
    lifecycle.allocate("CT-1")
    lifecycle.release("CT-1")
    order_edit(bench.sandbox.world, bench.order["id"], cancelling())
    lose_state(bench)
    bench.clock.advance(60)

    first = bench.sync()
    bench.clock.advance(3600)
    second = bench.sync()

    assert first.counts["pending"] == 1
    assert second.counts["pending"] == 1
