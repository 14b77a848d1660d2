"""Goal: whatever comes back, in whatever parts and order, and whoever else writes into the same orders: the
return infos of the shop say in the end what MAO's documents say, computed from scratch; never more comes back
than was shipped; what others wrote stays; no refund is taken back; the outbox has every disposition.

Method: as for the orders (test_simulation_orders.py). The oracle is returns_oracle.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from play import play, seeds
from returns_actions import WEIGHTS
from returns_checkers import check_end, check_step
from returns_world import ReturnsWorld


def simulate(folder: Path, seed: int) -> ReturnsWorld:
    world = ReturnsWorld(folder, seed)
    return play(world, weights=WEIGHTS, steps=26, check_step=check_step, check_end=check_end)


@pytest.mark.parametrize("seed", seeds(6))
def test_what_came_back_is_told_in_the_end(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


def test_a_seed_of_returns_makes_the_same_requests_every_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), 1)
    second = simulate(tmp_path_factory.mktemp("second"), 1)

    assert first.story == second.story
    assert first.requests() == second.requests()
