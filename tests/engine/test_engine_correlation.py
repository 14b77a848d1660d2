"""Which requests were made for a record can be told to the other system's support."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions


def test_each_write_is_remembered_with_the_id_of_its_request(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.place(1)

    bench.sync()

    with bench.application().open_store() as store:
        events = store.events("CT-1")
    sent = [f"orders-0001-{n}" for n in ("0", "1", "2", "3")]
    ids = [event.correlation_id for event in events]
    assert [event.action for event in events] == ["create", "acknowledge"]
    assert len(set(ids)) == 2
    assert all(each.startswith(tuple(sent)) for each in ids)


def test_a_client_that_only_looks_refuses_to_write(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    order = bench.place(1)

    with bench.application().looking() as reading:
        assert reading.build_job("orders", RunOptions()).read_given(["CT-1"])[0]
        with pytest.raises(RuntimeError, match="only looks"):
            reading.commercetools().update_order(order["id"], 1, [])

    assert bench.writes() == 0
