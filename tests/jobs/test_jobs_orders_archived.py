"""Orders that MAO has archived: nothing changes there, and nothing is forgotten here."""

from __future__ import annotations

from pathlib import Path

from orders_bench import Bench


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
