"""From one page to the next: the workers are not kept idle, and nothing is committed out of order."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from job_bench import Bench
from toy_job import ToyJob

from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.values import Change, Desired, Page
from ct_mao_sync.errors import Problem, Retriable


@dataclass
class WaitingJob(ToyJob):
    """Writes `late` only once `early` has been written, or after a while."""

    late: str = ""
    early: str = ""
    written: threading.Event = field(default_factory=threading.Event)
    patience_s: float = 10.0
    waited_in_vain: bool = False
    pages_overlap: bool = True
    fails: str = ""
    """Nobody answers when the page of this one begins."""
    common: str = ""
    """A record of the first page that the second one has, too, with `value`."""
    value: str = "as the second page says"

    def passes(self, now: datetime) -> Sequence[Pass]:
        return [replace(scan, pages_overlap=self.pages_overlap) for scan in super().passes(now)]

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        page = super().read_page(scan, since, until, cursor)
        if self.common and cursor is not None:
            newer = Change(self.common, self.common, 3, self.value)
            return replace(page, changes=[newer, *page.changes])
        return page

    def complete_targets(
        self, store: Any, wanted: Sequence[Desired], targets: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if any(each.entity == self.fails for each in wanted):
            self.written.set()
            raise Retriable(Problem("unreachable", "nobody answers"))
        return targets

    def apply(self, plans: Any) -> Any:
        if plans[0].entity == self.late and not self.written.wait(timeout=self.patience_s):
            self.waited_in_vain = True
        applied = super().apply(plans)
        if plans[0].entity == self.early:
            self.written.set()
        return applied


def bench_of(folder: Path, **more: Any) -> tuple[Bench, list[WaitingJob]]:
    """Six records in two pages of three; the last record of the first page waits for the first of the
    second page."""
    jobs: list[WaitingJob] = []

    def job_type(shop: Any, shelf: Any, known: Mapping[str, Any]) -> WaitingJob:
        jobs.append(WaitingJob(shop, shelf, known, late="r002", early="r003", **more))
        return jobs[-1]

    bench = Bench(folder, threads=True, job_type=job_type)
    bench.put_many(6)
    return bench, jobs


def test_the_next_page_begins_while_the_last_record_of_this_one_is_on_its_way(tmp_path: Path) -> None:
    bench, jobs = bench_of(tmp_path)
    report = bench.run()
    assert not jobs[0].waited_in_vain
    assert (report.counts["written"], report.exit_code) == (6, 0)
    assert bench.values == bench.wanted()


def test_a_pass_whose_pages_build_on_each_other_has_them_one_after_the_other(tmp_path: Path) -> None:
    bench, jobs = bench_of(tmp_path, pages_overlap=False, patience_s=0.3)
    report = bench.run()
    assert jobs[0].waited_in_vain
    assert (report.counts["written"], report.exit_code) == (6, 0)


def test_a_page_waits_for_the_one_before_when_both_have_a_record(tmp_path: Path) -> None:
    """What the second page read of the common record may be older than what the first one wrote."""
    bench, jobs = bench_of(tmp_path, common="r001", patience_s=0.3)
    report = bench.run()
    assert jobs[0].waited_in_vain
    assert report.exit_code == 0
    assert bench.values == bench.wanted() | {"r001": "as the second page says"}
    assert bench.shelf.attempts["r001"] == 2, "it was read again, not written over and over"


def test_a_record_that_goes_back_to_its_former_state_on_the_next_page_is_written_back(tmp_path: Path) -> None:
    """When the second page is prepared, the state still tells what was applied before the first one."""
    bench = Bench(tmp_path)
    bench.put_many(6)
    for _ in range(2):
        bench.run()
        bench.later(minutes=10)
    bench.put(r000="another", r001="another", r004="another", r005="another")
    bench.job_type = lambda shop, shelf, known: WaitingJob(shop, shelf, known, common="r001", value="v-r001")

    bench.run()

    assert bench.values["r001"] == "v-r001"


def test_a_page_that_cannot_begin_does_not_keep_the_one_before_from_its_end(tmp_path: Path) -> None:
    bench, jobs = bench_of(tmp_path, fails="r004")

    report = bench.run()

    assert not jobs[0].waited_in_vain, "it begins beside the other"
    assert (report.exit_code, report.problem and report.problem.code) == (4, "unreachable")
    assert sorted(bench.values) == ["r000", "r001", "r002"]
    assert bench.checkpoint().cursor == "r002"
