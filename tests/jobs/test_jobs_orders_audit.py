"""What is told of an order that was written in two goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orders_bench import Bench

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.sandbox.commercetools_orders import changing_address, edit_order


def test_a_save_before_a_conflict_is_told_although_only_the_rest_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment arrives between our reading and our acknowledgement: MAO has the order by then."""
    bench = Bench(tmp_path)
    order = bench.place(1)
    update = CommercetoolsClient.update_order
    edits = iter([changing_address(title="Dr")])

    def update_late(client: CommercetoolsClient, order_id: str, *arguments: Any, **more: Any) -> Any:
        for edit in edits:
            edit_order(bench.sandbox.world, order_id, edit)
        return update(client, order_id, *arguments, **more)

    monkeypatch.setattr(CommercetoolsClient, "update_order", update_late)

    assert bench.sync().counts["written"] == 1

    with bench.application().open_store() as store:
        told = [f"{event.action} {event.subject}" for event in store.events(order["id"])]
    assert told == ["create MAO order CT-1", f"acknowledge commercetools order {order['id']} as CT-1"]
