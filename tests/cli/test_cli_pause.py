"""Jobs side by side in one process: what a system says to one holds for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.sandbox.core import MANHATTAN, Request


def test_a_429_to_one_job_holds_back_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.place(1)
    bench.sync()
    bench.place(2)
    application, clock, faults = bench.application(), bench.clock, bench.sandbox.faults
    sleep, began_s = clock.sleep, clock.monotonic()
    asked_at_s: list[float] = []
    """MAO, after it said 429."""
    ended: list[int] = []

    def note(request: Request) -> bool:
        if request.service == MANHATTAN and faults.hits:
            asked_at_s.append(clock.monotonic() - began_s)
        return False

    def sleeping(seconds: float) -> None:
        """While orders waits, status has its turn."""
        if faults.hits:
            monkeypatch.setattr(clock, "sleep", sleep)
            ended.append(application.run("status", RunOptions()).exit_code)
        sleep(seconds)

    faults.retry_after_s = 30
    faults.once(lambda request: "/search" in request.path, "429")
    faults.always(note, "429")
    monkeypatch.setattr(clock, "sleep", sleeping)

    ended.append(application.run("orders", RunOptions()).exit_code)

    assert ended == [0, 0]
    assert len(asked_at_s) >= 3 and min(asked_at_s) >= 30
