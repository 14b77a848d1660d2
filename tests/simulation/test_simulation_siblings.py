"""Several SKUs sell one item: a sale of one lowers the entries of all, whatever becomes of the run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from faults import CrashPlan
from inventory_actions import order_of
from inventory_world import PACK, InventoryWorld

from ct_mao_sync.engine import commit
from ct_mao_sync.sandbox.commercetools_stock import place_order

SINGLE, TWIN = "ITEM-000001", "ITEM-000001-OTHER-SHOP"
SIBLINGS = (SINGLE, PACK, TWIN)


class SiblingsWorld(InventoryWorld):
    """Every entry is there, shows something, and nothing goes wrong but what the test does."""

    modes = '["network"]'

    def set_up(self) -> None:
        super().set_up()
        with (self.folder / "skus.csv").open("a", encoding="utf-8") as file:
            file.write(f"{TWIN},{SINGLE},EACH,1\n")

    @property
    def skus(self) -> list[str]:
        return [*super().skus, TWIN]

    def sold_as(self, sku: str) -> tuple[str, int]:
        return (SINGLE, 1) if sku == TWIN else super().sold_as(sku)

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        return {}

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        fixed = {"page_size": 500, "mao_page_size": 100, "writer": "rest", "sweep_every": "24h", "items": 1}
        return {**super().draw_options(rng), **fixed, "modes": self.modes, "nets": "false"}


class SiblingsByLocation(SiblingsWorld):
    modes = '["location"]'


def sold(folder: Path, kind: type[SiblingsWorld], **sales: int) -> SiblingsWorld:
    """In line; then so much is sold, and each of the other entries has to follow. The orders wait for their
    export: nothing in MAO tells of them."""
    world = kind(folder, 5)
    for channel_id in world.shown_channels():
        for sku in SIBLINGS:
            if (sku, channel_id) not in world.shown():
                world.add_entry_of(sku, channel_id)
    world.sync()
    world.later(minutes=5)
    channel_id = max(world.shown_channels(), key=lambda each: world.shown()[SINGLE, each])
    for number, (sku, quantity) in enumerate(sales.items(), 7001):
        order = order_of(world, random.Random(number), number, sku, channel_id, quantity)
        with world.falling("delta"):
            assert place_order(world.sandbox.world, order)
    world.later(minutes=5)
    for sku in SIBLINGS:
        follows = len(sales) > 1 or sku not in sales
        assert (world.shown()[sku, channel_id] > world.offerable()[sku, channel_id] > 0) is follows
    return world


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        (SiblingsWorld, "commit after"),
        pytest.param(SiblingsWorld, "commit before", marks=pytest.mark.slow),
        pytest.param(SiblingsByLocation, "commit after", marks=pytest.mark.slow),
        pytest.param(SiblingsByLocation, "commit before", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_between_siblings_leaves_the_rest_to_the_next_delta(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[SiblingsWorld], point: str
) -> None:
    monkeypatch.setattr(commit, "COMMIT_OUTCOMES_MAX", 1)  # each entry is a commit
    number = 0
    died = True
    while died:
        number += 1
        folder = tmp_path / f"{number}"
        folder.mkdir()
        world = sold(folder, kind, **{SINGLE: 6, PACK: 1})
        died = world.sync(crashes=CrashPlan(point, number)) is None
        world.later(minutes=5)

        assert world.sync() is not None  # which checks what every entry shows

        assert world.shown() == {place: max(0, units) for place, units in world.offerable().items()}
    assert number > 4


@pytest.mark.parametrize("kind", [SiblingsWorld, SiblingsByLocation], ids=["network", "location"])
@pytest.mark.parametrize("by_hand", SIBLINGS)
def test_a_run_over_one_of_them_is_not_the_end_for_the_others(
    tmp_path: Path, kind: type[SiblingsWorld], by_hand: str
) -> None:
    world = sold(tmp_path, kind, **{SINGLE: 6})

    world.sync(given=(by_hand,))
    world.sync()

    assert world.shown() == {place: max(0, units) for place, units in world.offerable().items()}


def test_what_the_others_allow_for_costs_no_request_when_nothing_changed(tmp_path: Path) -> None:
    """Also where the shop has no entry for one of them."""
    world = sold(tmp_path, SiblingsWorld, **{SINGLE: 6})
    entries = world.sandbox.world.ct.inventory
    for entry in [each for each in entries.values() if each["sku"] == PACK]:
        del entries[entry["id"]]
    world.later(hours=1)
    world.sync()
    world.later(hours=1)
    before = world.reads()

    world.sync()

    assert world.reads() - before <= 3  # two windows, and the orders in flight
