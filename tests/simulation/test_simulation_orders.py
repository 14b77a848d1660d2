"""Goal: whatever happens, in whatever order, to whichever side: the two systems agree in the end, nothing is
lost, nothing is doubled, and what cannot be agreed waits with a reason of its own.

Method: a seed draws a world (settings, clocks, configuration) and some twenty steps of what customers,
warehouses, agents, operators and networks do; the checkers look at both systems from outside after every
step, and at the end when the faults are over. A failure prints the seed, the steps, and how to see it again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from actions import draw
from checkers import check_end, check_step
from world import World

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "110"))
ONLY = os.environ.get("SIMULATION_SEED")
STEPS = 22


@pytest.fixture(autouse=True)
def _quick_and_silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thousands of rejections are as expected, and the token file is proof against no attacker here."""
    monkeypatch.setattr("ct_mao_sync.clients.token._PROOF_ROUNDS", 1)
    logger = logging.getLogger("ct_mao_sync")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def simulate(folder: Path, seed: int) -> World:
    world = World(folder, seed)
    try:
        while world.step < STEPS:
            action = draw(world.rng)
            told = action(world, world.rng)
            if not told:
                continue
            world.step += 1
            world.story.append(f"{world.step:3d} {world.clock.now():%d %H:%M:%S} {told}")
            check_step(world)
        check_end(world)
        check_step(world)
    except Exception as error:
        steps = "\n".join(world.story)
        raise AssertionError(
            f"seed {seed}, {type(error).__name__}: {error}\n\n"
            f"{world.options} methods {sorted(world.methods)}\n{steps}\n\n"
            f"again: SIMULATION_SEED={seed} .venv/bin/pytest tests/simulation"
        ) from error
    return world


@pytest.mark.parametrize("seed", [int(ONLY)] if ONLY else range(SEEDS))
def test_the_two_systems_agree_in_the_end(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_makes_the_same_requests_every_time(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), seed)
    second = simulate(tmp_path_factory.mktemp("second"), seed)

    assert first.story == second.story
    assert first.requests() == second.requests()
