"""What must hold of stock in the end. I9 and the guards are watched at every single write and after every
run, by the world itself."""

from __future__ import annotations

from typing import Any

from inventory_actions import mend_everything
from inventory_world import InventoryWorld
from stage import Violation

QUIET_RUNS_MAX = 12


def check_end(world: InventoryWorld) -> None:
    """No more faults, and runs until nothing moves; then shop and MAO agree to the unit."""
    make_quiet(world)
    check_second_run_writes_nothing(world)
    if letters := world.open_letters():
        raise Violation(f"left over: {[(each.code, each.message) for each in letters.values()]}")
    offerable, undecided = world.offerable(), world.undecided_items()
    for place, quantity in world.shown().items():
        careful = world.sold_as(place[0])[0] in undecided and quantity < offerable[place]
        if quantity != max(0, offerable[place]) and not careful:
            raise Violation(f"quiet, and {place} shows {quantity}; MAO can promise {offerable[place]}")


def make_quiet(world: InventoryWorld) -> None:
    world.end_trouble()
    mend_everything(world)
    before: Any = None
    for _ in range(QUIET_RUNS_MAX):
        world.later(hours=26)
        for job in ("orders", "inventory"):
            # What was saved a moment ago is held back, and a dead letter is tried again in every round.
            world.later(minutes=2)
            report = world.sync(job)
            assert report is not None
            held = job == "inventory" and report.exit_code == 5
            if report.exit_code not in (0, 3) and not held:
                raise Violation(f"{job} without faults ended with {report.exit_code}: {report.problem}")
            if letters := world.open_letters(job):
                world.sync(job, dead_letters=tuple(letters), allow=frozenset({"drop"}))
        now = (world.shown(), sorted(world.open_letters()))
        if now == before:
            return
        before = now
    raise Violation(f"no end of it: still writing after {QUIET_RUNS_MAX} runs without faults")


def check_second_run_writes_nothing(world: InventoryWorld) -> None:
    """I2, for a delta and for a whole sweep."""
    for options in ({}, {"full": True}):
        world.later(minutes=5)
        writes = world.writes()
        report = world.sync(**options)
        assert report is not None
        if world.writes() != writes:
            raise Violation(f"I2: a further run wrote: {report.counts} {options}")
