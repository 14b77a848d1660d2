"""Plays a simulated day, and tells how to see it again when it fails."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from stage import Stage

S = TypeVar("S", bound=Stage)
Action = Callable[[Any, random.Random], str]
Weights = Sequence[tuple[Action, int]]


def seeds(default_count: int) -> Iterable[int]:
    """SIMULATION_SEED=7 is that one only; SIMULATION_SEEDS=1000 is so many instead of `default_count`."""
    only = os.environ.get("SIMULATION_SEED")
    if only:
        return [int(only)]
    return range(int(os.environ.get("SIMULATION_SEEDS", default_count)))


def play(
    stage: S,
    *,
    weights: Weights,
    steps: int,
    check_step: Callable[[S], None],
    check_end: Callable[[S], None],
) -> S:
    """So many steps of what `weights` says how often, each checked; then the end. Raises AssertionError with
    the whole story and the command that plays it again."""
    action: Action | None = None
    try:
        while stage.step < steps:
            action = draw(weights, stage.rng)
            told = action(stage, stage.rng)
            if not told:
                continue
            stage.step += 1
            stage.story.append(f"{stage.step:3d} {stage.clock.now():%d %H:%M:%S} {told}")
            check_step(stage)
        action = None
        check_end(stage)
        check_step(stage)
    except Exception as error:
        story = "\n".join(stage.story)
        raise AssertionError(
            f"seed {stage.seed}, {type(error).__name__}: {error}\n\n{stage.options}\n{story}\n"
            f"    then: {action.__name__ if action else 'the end'}\n\n"
            f"again: SIMULATION_SEED={stage.seed} .venv/bin/pytest "
            f"tests/simulation/test_simulation_{stage.job}.py"
        ) from error
    return stage


def draw(weights: Weights, rng: random.Random) -> Action:
    actions, shares = zip(*weights, strict=True)
    chosen: Action = rng.choices(actions, shares)[0]
    return chosen
