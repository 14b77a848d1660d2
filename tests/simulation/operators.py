"""What operators, networks and time do in the simulated world, whichever job is proved.

Each action draws what it needs from the given generator and tells in a few words what it did ("" = nothing);
those that need to know the job are made by a function of its name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from faults import POINTS, SYSTEM_FAULTS, CrashPlan
from play import Action
from stage import Stage


def told_of_run(stage: Stage, text: str, job: str, crashes: CrashPlan | None = None, **options: Any) -> str:
    """A run and how it ended; without trouble it has to end well."""
    calm = stage.is_calm
    report = stage.sync(job, crashes, **options)
    if report is None:
        return f"{text}: died"
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(report.counts.items()) if count)
    problem = f" [{report.problem.code}: {report.problem.message}]" if report.problem else ""
    told = f"{text}: exit {report.exit_code}, {counts or 'nothing'}{problem}"
    # 5: a limit holds writes back for a person, which is no trouble of a system.
    allowed = (0, 3, *([5] if report.held_back else [])) if calm else (0, 3, 4, 5)
    assert report.exit_code in allowed, told
    return told


def syncing(job: str) -> Action:
    def sync(stage: Stage, rng: random.Random) -> str:
        return told_of_run(stage, f"sync {job}", job)

    return sync


def syncing_and_crashing(job: str) -> Action:
    def sync_and_crash(stage: Stage, rng: random.Random) -> str:
        plan = CrashPlan(rng.choice(POINTS), rng.choice([1, 2, 3, 4, 5, 7, 10, 15]))
        return told_of_run(stage, f"sync {job}, killed at {plan.point} {plan.at}", job, plan)

    return sync_and_crash


def syncing_while_life_goes_on(job: str, meanwhile: Sequence[Action]) -> Action:
    """Somebody acts between two requests of the run."""

    def sync_while_life_goes_on(stage: Stage, rng: random.Random) -> str:
        left = [rng.randint(1, 6)]

        def act() -> None:
            left[0] -= 1
            if left[0] == 0 and (told := rng.choice(meanwhile)(stage, rng)):
                stage.story.append(f"    meanwhile {stage.clock.now():%H:%M:%S} {told}")

        stage.between = act
        try:
            return told_of_run(stage, f"sync {job} while life goes on", job)
        finally:
            stage.between = None

    return sync_while_life_goes_on


def replaying_errors(job: str) -> Action:
    def replay_errors(stage: Stage, rng: random.Random) -> str:
        letters = stage.open_letters(job)
        return told_of_run(stage, "replay-errors", job, dead_letters=tuple(letters)) if letters else ""

    return replay_errors


def lose_the_state_file(stage: Stage, rng: random.Random) -> str:
    stage.later(seconds=60)
    stage.lose_state()
    return "the state file is deleted"


# ---- time and trouble ----------------------------------------------------------------------------------


def wait_a_moment(stage: Stage, rng: random.Random) -> str:
    seconds = rng.choice([1, 10, 100, 200])
    stage.later(seconds=seconds)
    return f"{seconds} s go by"


def wait_long(stage: Stage, rng: random.Random) -> str:
    hours = rng.choice([1, 7, 26])
    stage.later(hours=hours)
    return f"{hours} h go by"


def trouble(stage: Stage, rng: random.Random) -> str:
    names = rng.sample(sorted(SYSTEM_FAULTS), rng.randint(1, 4))
    rates = {name: SYSTEM_FAULTS[name] for name in names}
    stage.use_faults(rates, rng.getrandbits(32))
    return f"faults: {', '.join(f'{name}={rate}' for name, rate in rates.items())}"


def calm(stage: Stage, rng: random.Random) -> str:
    if stage.is_calm:
        return ""
    stage.use_faults({}, 0)
    return "no more faults"


def manhattans_clock_jumps(stage: Stage, rng: random.Random) -> str:
    """Forwards: the sandbox tells by this clock what a lagging search shows already."""
    ahead_s = rng.choice([60.0, 600.0, 7200.0])
    stage.sandbox.world.skew_s["manhattan"] += ahead_s
    return f"MAO's clock jumps by {ahead_s:g} s"
