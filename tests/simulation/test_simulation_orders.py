"""Goal: whatever happens, in whatever order, to whichever side: the two systems agree in the end, nothing is
lost, nothing is doubled, and what cannot be agreed waits with a reason of its own.

Method: a seed draws a world (settings, clocks, configuration) and some twenty steps of what customers,
warehouses, agents, operators and networks do; the checkers look at both systems from outside after every
step, and at the end when the faults are over. A failure prints the seed, the steps, and how to see it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from actions import WEIGHTS
from checkers import check_end, check_step
from play import play, seeds
from world import World


def simulate(folder: Path, seed: int) -> World:
    return play(World(folder, seed), weights=WEIGHTS, steps=22, check_step=check_step, check_end=check_end)


@pytest.mark.parametrize("seed", seeds(25))
def test_the_two_systems_agree_in_the_end(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


def test_a_seed_makes_the_same_requests_every_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), 1)
    second = simulate(tmp_path_factory.mktemp("second"), 1)

    assert first.story == second.story
    assert first.requests() == second.requests()
