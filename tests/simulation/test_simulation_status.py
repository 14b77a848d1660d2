"""Goal: whatever MAO does with an order, in whatever order it is heard of, and whoever else writes to the
same order: the shop shows what MAO did, nothing shipped or cancelled comes back, nothing of others changes.

Method: as in test_simulation_orders.py. Every update that the product makes is checked when it is made; when
all is quiet, each order is compared with what status_oracle.py computes from MAO's final state.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from play import play, seeds
from status_actions import WEIGHTS
from status_checkers import check_end, check_step
from status_world import StatusWorld

ORDERS = 7
STEPS = 16


def simulate(folder: Path, seed: int) -> StatusWorld:
    world = StatusWorld(folder, seed)
    world.export_orders(ORDERS)
    return play(world, weights=WEIGHTS, steps=STEPS, check_step=check_step, check_end=check_end)


@pytest.mark.parametrize("seed", seeds(16))
def test_the_shop_shows_what_mao_did(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


def test_a_seed_makes_the_same_requests_every_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), 1)
    second = simulate(tmp_path_factory.mktemp("second"), 1)

    assert first.story == second.story
    assert first.requests() == second.requests()
