"""A record of which a part cannot be applied: the rest goes through, and the record waits with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_bench import Bench
from toy_job import ToyJob

from ct_mao_sync.engine.values import Desired, Outcome, Plan, Skip
from ct_mao_sync.errors import Rejection

TOLD: list[Any] = []
"""States that reached the job's `record`."""
PART = Rejection("line-not-found", "a part of it belongs to nobody")


class PartlyJob(ToyJob):
    """Values that end in "!" have a part that cannot be applied."""

    def plan(self, wanted: Desired, target: Any, base: Any) -> Plan | Rejection | Skip:
        planned = super().plan(wanted, target, base)
        assert isinstance(planned, Plan)
        return replace(planned, state="told", rejection=PART if wanted.record.endswith("!") else None)

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        super().apply(plans)
        return [
            Outcome(plan.entity, plan.label, "rejected", rejection=plan.rejection, writes=("put it",))
            if plan.rejection
            else Outcome(plan.entity, plan.label, "written")
            for plan in plans
        ]

    def record(self, store: Any, outcomes: Sequence[Outcome], now: Any) -> None:
        TOLD.extend(outcome.state for outcome in outcomes)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    TOLD.clear()
    return Bench(tmp_path, job_type=PartlyJob)


def test_the_rest_is_written_and_the_part_is_a_dead_letter(bench: Bench) -> None:
    bench.put(one="A!", two="B")

    report = bench.run()

    assert (report.exit_code, report.counts["written"], report.counts["rejected"]) == (3, 1, 1)
    assert bench.values == {"one": "A!", "two": "B"}
    assert bench.codes() == {"one": "line-not-found"}


def test_what_was_written_already_leaves_the_part_and_its_state(bench: Bench) -> None:
    """Killed after the write: the next run has nothing to write, and must not forget the part."""
    bench.put(one="A!")
    bench.shelf.values["one"] = ("A!", 1)

    report = bench.run()

    assert report.counts["rejected"] == 1
    assert bench.codes() == {"one": "line-not-found"}
    assert TOLD == ["told"]


def test_the_part_is_not_taken_for_done(bench: Bench) -> None:
    bench.put(one="A!")
    bench.run()
    bench.later(seconds=60)
    bench.put(one="A")

    bench.run()

    assert (bench.values, bench.codes()) == ({"one": "A"}, {})


def test_a_dry_run_shows_the_writes_and_the_part(bench: Bench) -> None:
    bench.put(one="A!")

    report = bench.run(dry_run=True)

    assert [plan.entity for plan in report.plans] == ["one"]
    assert [problem.code for _, _, problem in report.rejected] == ["line-not-found"]
    assert bench.values == {}
