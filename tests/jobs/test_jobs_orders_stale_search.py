"""MAO's search lags behind its own saves; a read by id does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from orders_bench import Bench

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order

LAG_S = 30.0


def _exported(bench: Bench) -> str:
    order = bench.place(1)
    bench.sync()
    bench.clock.advance(3600)
    return str(order["id"])


def _city(bench: Bench) -> str:
    return str(bench.mao(1)["OrderLine"][0]["ShipToAddress"]["Address"]["City"])


def test_a_change_taken_back_before_the_search_shows_it_is_taken_back_in_mao(tmp_path: Path) -> None:
    bench = Bench(tmp_path, search_lag_s=LAG_S)
    entity = _exported(bench)
    before = _city(bench)
    edit_order(bench.sandbox.world, entity, changing_address(city="Nowhere"))
    bench.sync()
    assert _city(bench) == "Nowhere"

    edit_order(bench.sandbox.world, entity, changing_address(city=before))
    bench.sync()

    assert _city(bench) == before


def test_a_change_after_a_change_is_no_conflict_with_ourselves(tmp_path: Path) -> None:
    bench = Bench(tmp_path, search_lag_s=LAG_S)
    entity = _exported(bench)

    for city in ("First", "Second", "Third"):
        edit_order(bench.sandbox.world, entity, changing_address(city=city))
        report = bench.sync()
        assert (report.exit_code, _city(bench)) == (0, city)

    assert bench.dead_letters() == []


def test_an_order_that_only_we_have_written_costs_no_read_of_its_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    entity = _exported(bench)
    edit_order(bench.sandbox.world, entity, changing_address(city="Elsewhere"))
    bench.log.clear()

    bench.sync()

    assert bench.log.total("manhattan", method="GET") == 0
    assert _city(bench) == "Elsewhere"


def test_a_late_read_of_the_shop_hides_no_later_change_that_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A -> B, a replica that still shows A, and then A for good: the key of a state that was not applied
    must not be taken for the last one applied."""
    bench = Bench(tmp_path)
    read = CommercetoolsClient.read_orders_page
    pages: list[Any] = []

    def read_page(client: CommercetoolsClient, **options: Any) -> Any:
        pages.append(read(client, **options))
        return replace(pages[-1], results=pages[0].results) if late else pages[-1]

    late = False
    monkeypatch.setattr(CommercetoolsClient, "read_orders_page", read_page)
    entity = _exported(bench)
    before = _city(bench)
    edit_order(bench.sandbox.world, entity, changing_address(city="Nowhere"))
    bench.sync()
    late = True
    assert bench.sync().counts["skipped"] == 1
    assert _city(bench) == "Nowhere"

    late = False
    edit_order(bench.sandbox.world, entity, changing_address(city=before))
    bench.sync()

    assert _city(bench) == before
