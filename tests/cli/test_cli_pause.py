"""Jobs side by side in one process: what a system says to one holds for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs.orders_bench import Bench

from ct_mao_sync.engine.run import RunOptions


def test_a_429_to_one_job_holds_back_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.place(1)
    bench.sync()
    bench.place(2)
    application = bench.application()
    clock, began_s, sent_at_s = bench.clock, bench.clock.monotonic(), []
    faults = bench.sandbox.faults
    faults.retry_after_s = 30
    faults.once(lambda request: "/search" in request.path, "429")
    faults.always(lambda request: bool(sent_at_s.append(clock.monotonic() - began_s)), "429")
    sleep = clock.sleep

    def sleeping(seconds: float) -> None:
        """While orders waits, status has its turn."""
        monkeypatch.setattr(clock, "sleep", sleep)
        if seconds > 1:
            assert application.run("status", RunOptions()).exit_code == 0
        sleep(seconds)

    monkeypatch.setattr(clock, "sleep", sleeping)

    assert application.run("orders", RunOptions()).exit_code == 0
    assert not [at_s for at_s in sent_at_s if 0 < at_s < 30]
    assert max(sent_at_s) >= 30
