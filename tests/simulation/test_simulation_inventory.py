"""Goal: what the shop offers, MAO can promise (I9), whatever happens; a hiccup of MAO never empties the shop;
and when everything is quiet both agree to the unit.

Method: a seed draws a world and a day of sales, exports, allocations, shipments, stock movements, and runs of
both jobs with faults and crashes. What may be offered is computed from the two simulated systems at the
moment of every single write. Where the fall of a figure cannot be known yet (MAO tells of no change of safety
stock; an agent acts while the run is under way) so many units are excused, until the run that must have seen
it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from inventory_actions import WEIGHTS, allocate, fall_back, hear, publish, restock
from inventory_checkers import check_end
from inventory_world import InventoryWorld
from play import Weights, play, seeds

from ct_mao_sync.cli import job_builders
from ct_mao_sync.jobs import inventory_imports, inventory_source


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MAO's pages are small (half of the worlds), those of a window are, too: there are several. And
    import containers are soon full."""
    monkeypatch.setattr(inventory_imports, "IN_ONE_CONTAINER_MAX", 10)
    monkeypatch.setattr(job_builders, "SUPPLY_ROWS", 1)
    monkeypatch.setattr(inventory_source, "PAGE_ITEMS_FIRST", 1)
    monkeypatch.setattr(inventory_source, "PAGE_ITEMS_MAX", 2)


class BackOrderedWorld(InventoryWorld):
    """Of a view that nets what is back-ordered, and is told to the product as such."""

    name = "inventory-back-ordered"

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        return {**super().draw_options(rng), "modes": '["network"]', "nets": "true"}


def simulate(
    folder: Path, seed: int, *, world: type[InventoryWorld] = InventoryWorld, weights: Weights = WEIGHTS
) -> InventoryWorld:
    return play(
        world(folder, seed),
        weights=weights,
        steps=30,
        check_step=lambda world: None,  # the world checks each write and each run
        check_end=check_end,
    )


@pytest.mark.parametrize("seed", seeds(8))
def test_the_shop_offers_what_mao_can_promise(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


@pytest.mark.parametrize("seed", seeds(2))
def test_a_view_that_nets_back_orders_is_not_offered_twice(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed, world=BackOrderedWorld, weights=[*WEIGHTS, (fall_back, 12), (allocate, 6)])


class ImportedWorld(InventoryWorld):
    """So many entries with plenty that `auto` imports some of them, and writes the others."""

    name = "inventory-imported"

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        return {**super().draw_options(rng), "writer": "auto", "tight_below": 5, "items": 30}


@pytest.mark.parametrize("seed", seeds(1))
def test_what_is_imported_is_offered_once(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed, world=ImportedWorld, weights=[*WEIGHTS, (restock, 20)])


class ToldWorld(InventoryWorld):
    """MAO's messages come beside the delta, late, more than once, out of turn."""

    name = "inventory-told"


@pytest.mark.parametrize("seed", seeds(2))
def test_messages_beside_the_delta_make_the_shop_offer_no_more(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed, world=ToldWorld, weights=[*WEIGHTS, (publish, 8), (hear, 14)])


def test_a_seed_makes_the_same_requests_every_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), 1)
    second = simulate(tmp_path_factory.mktemp("second"), 1)

    assert first.story == second.story
    assert first.requests() == second.requests()
