"""From one page to the next: the workers are not kept idle, and nothing is committed out of order."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from job_bench import Bench
from toy_job import ToyJob


@dataclass
class WaitingJob(ToyJob):
    """Writes `late` only once `early` has been written, or after a while."""

    late: str = ""
    early: str = ""
    written: threading.Event = field(default_factory=threading.Event)
    patience_s: float = 10.0
    waited_in_vain: bool = False
    pages_overlap: bool = True

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


def test_a_job_whose_pages_build_on_each_other_has_them_one_after_the_other(tmp_path: Path) -> None:
    bench, jobs = bench_of(tmp_path, pages_overlap=False, patience_s=0.3)
    report = bench.run()
    assert jobs[0].waited_in_vain
    assert (report.counts["written"], report.exit_code) == (6, 0)
