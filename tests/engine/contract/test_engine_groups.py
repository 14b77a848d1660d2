"""Jobs that write several records together, and jobs whose target takes a write in and decides later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from job_bench import Bench
from toy_job import ToyJob

from ct_mao_sync.engine.values import Desired, Outcome, Plan, Settled
from ct_mao_sync.errors import Rejection

DECIDED_AFTER_S = 5.0
WAIT_MAX_S = 20.0


@dataclass
class Tray:
    """Where the target keeps what it has taken in: entity -> (value, when it will be decided)."""

    taken: dict[str, tuple[str, float]] = field(default_factory=dict)
    requests: list[list[str]] = field(default_factory=list)
    decided_after_s: float = DECIDED_AFTER_S
    refused: set[str] = field(default_factory=set)
    named_again: list[str] = field(default_factory=list)


@dataclass
class TrayJob(ToyJob):
    """Writes in threes into a tray."""

    tray: Tray = field(default_factory=Tray)
    forgets: str = ""
    """A record that it leaves out of its groups."""
    _waited_since_s: float | None = None

    def groups(self, wanted: Sequence[tuple[Desired, Any]]) -> Sequence[Sequence[Desired]]:
        records = [desired for desired, _ in wanted if desired.entity != self.forgets]
        return [records[start : start + 3] for start in range(0, len(records), 3)]

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        self.tray.requests.append([plan.entity for plan in plans])
        due_s = self.shop.clock.monotonic() + self.tray.decided_after_s
        for plan in plans:
            self.tray.taken[plan.entity] = (plan.writes[0].body, due_s)
        return [Outcome(plan.entity, plan.label, "pending") for plan in plans]

    def settle(self, store: Any, *, last: bool) -> Settled:
        now_s = self.shop.clock.monotonic()
        outcomes = []
        for entity, (value, due_s) in list(self.tray.taken.items()):
            if due_s > now_s:
                continue
            del self.tray.taken[entity]
            if entity in self.tray.refused:
                problem = Rejection("target-refused", f"the shelf refuses {entity}")
                outcomes.append(Outcome(entity, entity, "rejected", rejection=problem, target_failure=True))
                continue
            self.shelf.values[entity] = (value, self.shelf.values.get(entity, ("", 0))[1] + 1)
            outcomes.append(Outcome(entity, entity, "written"))
        again, self.tray.named_again = self.tray.named_again, []
        if last and self._waited_since_s is None:
            self._waited_since_s = now_s
        patient = last and now_s - (self._waited_since_s or 0.0) < WAIT_MAX_S
        return Settled(outcomes, again, 1.0 if self.tray.taken and patient else None)


@pytest.fixture
def tray() -> Tray:
    return Tray()


@pytest.fixture(params=["inline", "threads"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, tray: Tray) -> Bench:
    return Bench(
        tmp_path,
        threads=request.param == "threads",
        job_type=lambda shop, shelf, known: TrayJob(shop, shelf, known, tray),
    )


def test_records_are_applied_in_the_groups_that_the_job_makes(bench: Bench, tray: Tray) -> None:
    names = bench.put_many(7)
    bench.shop.page_size = 50

    bench.run()

    assert sorted(tray.requests) == [names[:3], names[3:6], names[6:]]


def test_a_job_that_forgets_a_record_is_found_out_before_the_watermark_moves(
    bench: Bench, tray: Tray
) -> None:
    bench.put_many(3)
    bench.job_type = lambda shop, shelf, known: TrayJob(shop, shelf, known, tray, forgets="r001")

    report = bench.run()

    assert report.exit_code == 1
    assert tray.requests == []
    assert bench.watermark is None


def test_what_is_settled_within_the_run_counts_as_what_it_came_to(bench: Bench) -> None:
    bench.put_many(7)

    report = bench.run()

    assert (report.counts["written"], report.counts["pending"], report.read) == (7, 0, 7)
    assert bench.values == bench.wanted()


def test_the_time_of_only_waiting_for_a_decision_is_told(bench: Bench, tray: Tray) -> None:
    bench.put_many(7)

    report = bench.run()
    idle = bench.run()

    assert report.waited_s == DECIDED_AFTER_S
    assert report.waited_s <= report.elapsed_s
    assert idle.waited_s == 0


def test_what_is_refused_later_is_set_aside_and_the_others_go_on(bench: Bench, tray: Tray) -> None:
    bench.put_many(7)
    tray.refused = {"r003"}

    report = bench.run()

    assert (report.exit_code, report.counts["written"], report.counts["pending"]) == (3, 6, 0)
    assert bench.codes() == {"r003": "target-refused"}


def test_what_is_not_settled_in_time_is_left_pending_and_settled_by_the_next_run(
    bench: Bench, tray: Tray
) -> None:
    bench.put_many(4)
    tray.decided_after_s = WAIT_MAX_S + 60

    first = bench.run()
    bench.later(minutes=5)
    second = bench.run()

    assert (first.exit_code, first.counts["pending"], first.counts["written"]) == (0, 4, 0)
    assert second.counts["written"] == 4
    assert bench.values == bench.wanted()


def test_twenty_that_are_refused_later_in_a_row_are_the_systems_fault(bench: Bench, tray: Tray) -> None:
    tray.refused = set(bench.put_many(30))
    bench.shop.page_size = 50

    report = bench.run()

    assert report.exit_code == 5
    assert bench.codes() == {}


def test_a_record_named_again_is_read_and_planned_again(bench: Bench, tray: Tray) -> None:
    bench.put(one="A", two="B")
    bench.run()
    bench.later(minutes=5)
    tray.named_again = ["one"]
    bench.shelf.values["one"] = ("somebody else's", 7)

    report = bench.run()

    assert report.counts["written"] == 1
    assert bench.values == bench.wanted()


def test_a_stop_does_not_wait_for_what_is_pending(bench: Bench, tray: Tray) -> None:
    bench.put_many(3)
    before_s = bench.clock.monotonic()
    apply = TrayJob.apply

    def apply_and_stop(job: TrayJob, plans: Sequence[Plan]) -> list[Outcome]:
        bench.stop = True
        return apply(job, plans)

    bench.job_type = lambda shop, shelf, known: type("Stopped", (TrayJob,), {"apply": apply_and_stop})(
        shop, shelf, known, tray
    )
    report = bench.run()

    assert report.counts["pending"] == 3
    assert bench.clock.monotonic() - before_s < 1


def test_a_dry_run_settles_nothing(bench: Bench, tray: Tray) -> None:
    bench.put_many(3)
    tray.decided_after_s = 600
    bench.run()
    bench.later(hours=1)

    bench.run(dry_run=True)

    assert len(tray.taken) == 3
