"""Orders that MAO has archived: nothing changes there, and nothing is forgotten here."""

from __future__ import annotations

from pathlib import Path

import pytest
from orders_bench import Bench

from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order


def test_an_order_archived_before_the_shop_was_told_is_still_acknowledged(tmp_path: Path) -> None:
    """The save arrived and the process died before the acknowledgement; then MAO archived the order. With the
    state gone too, the sync info is all that keeps it from being sent again."""
    bench = Bench(tmp_path)
    order = bench.place(1)
    forgotten = {**order, "syncInfo": []}
    bench.sync()
    forgotten["version"] = bench.sandbox.world.ct.orders[order["id"]]["version"] + 1
    bench.sandbox.world.ct.orders[order["id"]] = forgotten
    bench.sandbox.manhattan.lifecycle.archive("CT-1")

    bench.sync(given=("CT-1",))
    bench.config_path.with_name("ct-mao-sync.sqlite3").unlink()
    bench.log.clear()
    bench.sync()

    acknowledged = bench.sandbox.world.ct.orders[order["id"]]["syncInfo"]
    assert [row["externalId"] for row in acknowledged] == ["CT-1"]
    assert bench.writes() == 0


@pytest.mark.parametrize("sync_channel", ["OMS", ""])
def test_an_order_whose_base_was_forgotten_and_that_mao_has_purged_is_not_sent_again(
    tmp_path: Path, sync_channel: str
) -> None:
    """A year later its address is anonymised: the goods must not be shipped a second time."""
    bench = Bench(tmp_path, orders=f'sync_channel = "{sync_channel}"')
    order = bench.place(1)
    assert bench.sync().counts["written"] == 1
    bench.clock.advance(500 * 86400)
    with bench.application().open_store() as store:
        assert store.prune(bench.clock.now())["sent"] == 1
    bench.sandbox.world.mao.orders.clear()
    for name in ("-", "--"):
        edit_order(bench.sandbox.world, order["id"], changing_address(lastName=name, firstName=name))
        bench.sync()
        bench.clock.advance(3600)

    assert bench.sandbox.world.mao.orders == {}
    assert [letter.code for letter in bench.dead_letters()] == ["order-not-found"]
