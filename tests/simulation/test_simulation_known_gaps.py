"""What simulations found and nobody has repaired yet, each as small as it gets."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from world import World

from ct_mao_sync.sandbox.commercetools_orders import add_order, order_edit, removing_line
from ct_mao_sync.sandbox.generate import generate_order


def _placed(world: World) -> dict[str, Any]:
    """An order of several lines that is in MAO."""
    for attempt in range(50):
        now = world.shop_now()
        order = generate_order(
            random.Random(attempt), attempt, now, "EUR", features=(), created_at=now, order_state="Open"
        )
        if len(order["lineItems"]) > 1:
            add_order(world.sandbox.world, order)
            world.sync()
            return order
    raise AssertionError("no order of several lines in fifty")


@pytest.mark.xfail(strict=True, reason="a line taken out after its release is not followed any further")
def test_a_late_cancellation_of_one_line_that_mao_refuses_is_told(tmp_path: Path) -> None:
    """As with whole orders: pending until MAO has decided, then `cancel-refused`."""
    seed = next(
        seed
        for seed in range(100)
        if (world := World(tmp_path, seed)).sandbox.settings.post_release_cancel == "failure"
        and world.options["late_cancel"] == "true"
        and not world.options["hold"]
    )
    world = World(tmp_path, seed)
    world.methods |= {"express"}
    world.write_config()
    order = _placed(world)
    mao = world.mao_of(order["id"])
    assert mao is not None
    for _ in range(3):
        world.lifecycle.next_step(mao["OrderId"])
    order_edit(world.sandbox.world, order["id"], removing_line(order["lineItems"][0]["id"]))

    for _ in range(3):
        world.sync()
        world.later(hours=1)

    with world.store() as store:
        assert [letter.code for letter in store.dead_letters("orders")] == ["cancel-refused"]
