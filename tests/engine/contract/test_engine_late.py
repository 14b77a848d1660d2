"""Records that have to wait for their time: they hold up nobody else, and none of them is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from job_bench import Bench, CrashPlan
from toy_job import START, ToyJob

from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.values import Change, Desired, Page, Settled
from ct_mao_sync.errors import BUDGET_USED, Problem, Retriable

DELAY_S = 10.0


@dataclass
class LateJob(ToyJob):
    """`late` records are not to be looked at to the end before their target has been read for 10 s. `written`
    is the order of all writes, with the second of each."""

    late: Sequence[str] = ()
    extra: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    """After which cursor the page has these, too."""
    written: list[tuple[str, float]] = field(default_factory=list)
    sweeps: bool = False
    again: list[str] = field(default_factory=list)
    """To be looked at once more when all passes are over."""

    def passes(self, now: datetime) -> Sequence[Pass]:
        if self.sweeps:
            return (Pass("sweep", overlap_s=0, settle_s=0, start_at=START, sweeps=True),)
        return super().passes(now)

    def settle(self, store: Any, *, last: bool) -> Settled:
        again, self.again = (self.again, []) if last else ([], self.again)
        return Settled(again=again)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        page = super().read_page(scan, since, until, cursor)
        return Page(
            [*self.extra.get(cursor or "", ()), *page.changes], page.cursor, page.server_now, page.elapsed_s
        )

    def due(self, wanted: Sequence[Desired], targets: Mapping[str, Any]) -> Mapping[str, float]:
        due_s = self.shop.clock.monotonic() + DELAY_S
        return {
            each.entity: due_s
            for each in wanted
            if each.entity in self.late and not each.record.startswith("at once")
        }

    def complete_targets(
        self, store: Any, wanted: Sequence[Desired], targets: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.written += [(each.entity, self.shop.clock.monotonic()) for each in wanted]
        return targets


def late_bench(folder: Path, *late: str, count: int = 9, **more: Any) -> tuple[Bench, list[LateJob]]:
    """Pages of three records."""
    jobs: list[LateJob] = []

    def job_type(shop: Any, shelf: Any, known: Mapping[str, Any]) -> LateJob:
        jobs.append(LateJob(shop, shelf, known, late=late, **more))
        return jobs[-1]

    bench = Bench(folder, job_type=job_type)
    bench.put_many(count)
    return bench, jobs


def test_the_others_of_the_page_and_the_pages_after_it_go_ahead(tmp_path: Path) -> None:
    bench, jobs = late_bench(tmp_path, "r000", "r004")

    report = bench.run()

    assert (report.counts["written"], report.exit_code) == (9, 0)
    assert bench.values == bench.wanted()
    order = [entity for entity, _ in jobs[0].written]
    assert order == ["r001", "r002", "r003", "r005", "r006", "r007", "r008", "r000", "r004"]
    moments = dict(jobs[0].written)
    assert {moments[entity] for entity in order[:7]} == {0.0}
    assert {moments[entity] for entity in order[7:]} == {DELAY_S}


def test_a_record_whose_time_comes_goes_along_with_the_page_that_is_applied_then(tmp_path: Path) -> None:
    bench, jobs = late_bench(tmp_path, "r000", count=12)
    bench.shop.on_page = lambda number: bench.later(seconds=6)

    bench.run()

    order = [entity for entity, _ in jobs[0].written]
    assert order.index("r000") < order.index("r009")
    assert bench.values == bench.wanted()


def test_no_cursor_goes_past_a_record_that_waits(tmp_path: Path) -> None:
    bench, _ = late_bench(tmp_path, "r004", count=12)

    # The fourth page is just about to be written: the first is complete, the second one is not.
    assert bench.died(CrashPlan("write before", 9))

    assert bench.checkpoint().cursor == "r002"
    bench.run()
    assert bench.values == bench.wanted()
    assert set(bench.shelf.effects.values()) == {1}


@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("point", ["write before", "write after", "commit before", "commit after"])
def test_nothing_is_lost_or_done_twice_wherever_it_dies(tmp_path: Path, point: str, at: int) -> None:
    bench, _ = late_bench(tmp_path, "r000", "r004", "r005", count=10)

    bench.died(CrashPlan(point, at))
    bench.run()

    assert bench.values == bench.wanted()
    assert set(bench.shelf.effects.values()) == {1}
    assert bench.watermark is not None


def test_a_stop_leaves_them_to_the_next_run(tmp_path: Path) -> None:
    bench, _ = late_bench(tmp_path, "r000")
    write = bench.shelf.write

    def stop_at_the_last(entity: str, value: str, version: int) -> None:
        write(entity, value, version)
        bench.stop = entity == "r008"

    bench.shelf.write = stop_at_the_last  # type: ignore[method-assign]
    report = bench.run()

    assert (report.counts["written"], bench.watermark) == (8, None)
    bench.stop = False
    bench.run()
    assert bench.values == bench.wanted()


def test_the_newer_look_of_a_later_page_counts(tmp_path: Path) -> None:
    newer = {"r002": [Change("r000", "r000", 2, "at once: newer")]}
    bench, jobs = late_bench(tmp_path, "r000", extra=newer)

    bench.run()

    assert bench.values["r000"] == "at once: newer"
    assert [entity for entity, _ in jobs[0].written].count("r000") == 1


def test_a_conflict_of_a_record_that_has_to_wait_again_holds_up_nobody(tmp_path: Path) -> None:
    bench, jobs = late_bench(tmp_path, "r000", "r001")
    bench.shelf.faults = {"r000": ["moved"], "r001": ["moved"]}

    report = bench.run()

    assert (report.counts["written"], report.exit_code) == (9, 0)
    assert bench.values == bench.wanted()
    assert max(moment for _, moment in jobs[0].written) < 3 * DELAY_S, "both wait at the same time"


def test_replayed_records_wait_for_their_time_too(tmp_path: Path) -> None:
    bench, jobs = late_bench(tmp_path, "r000", count=2)

    bench.run(given=("r000", "r001"))

    assert jobs[0].written == [("r001", 0.0), ("r000", DELAY_S)]
    assert bench.values == bench.wanted()


def test_a_dry_run_shows_them(tmp_path: Path) -> None:
    bench, _ = late_bench(tmp_path, "r000", count=3)

    report = bench.run(dry_run=True)

    assert len(report.plans) == 3


@pytest.mark.parametrize("at", range(1, 16))
@pytest.mark.parametrize("step_s", [3, 6, 8])
def test_no_cursor_goes_past_a_record_that_waits_longer_than_one_of_an_earlier_page(
    tmp_path: Path, step_s: float, at: int
) -> None:
    """The time of r000 comes with a later page, while r004 and r007, read later, have to wait still."""
    bench, _ = late_bench(tmp_path, "r000", "r004", "r007", count=15)
    bench.shop.on_page = lambda number: bench.later(seconds=step_s)

    assert bench.died(CrashPlan("write before", at))

    reached = bench.checkpoint().cursor or ""
    assert [entity for entity in bench.wanted() if entity <= reached and entity not in bench.values] == []


def test_a_sweep_that_is_postponed_leaves_them_to_the_next_run(tmp_path: Path) -> None:
    """What was read for it is old when the run goes on with something else."""
    bench, jobs = late_bench(tmp_path, "r000", count=6, sweeps=True, again=["r004"])
    bench.shop.on_page = run_short_from(2)

    report = bench.run()

    assert (report.postponed, report.exit_code) == (["sweep"], 0)
    assert [entity for entity, _ in jobs[0].written] == ["r001", "r002", "r004"]
    bench.shop.on_page = lambda number: None
    bench.run()
    assert bench.values == bench.wanted()


def run_short_from(page: int) -> Callable[[int], None]:
    def read(number: int) -> None:
        if number >= page:
            raise Retriable(Problem(BUDGET_USED, "the requests of the hour are used up"))

    return read
