"""With real threads, as in production: what a worker waits for must never wait for a worker."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from test_jobs_inventory import Stocked

from ct_mao_sync.engine.executor import Threads
from ct_mao_sync.engine.run import RunOptions


@pytest.mark.parametrize("mode", ["network", "location"])
def test_conflicts_of_all_workers_at_once_end(tmp_path: Path, mode: str) -> None:
    """Each of them reads its entry again; a storm of conflicts once left nobody to do it."""
    stocked = Stocked(tmp_path, mode, items=40)
    sandbox = stocked.bench.sandbox
    seen: set[str] = set()

    def first_of_its_entry(request: Any) -> bool:
        if request.method != "POST" or "/inventory/" not in request.path or request.path in seen:
            return False
        seen.add(request.path)
        return request.service == "commercetools"

    sandbox.faults.always(first_of_its_entry, "409")
    application = stocked.bench.application()
    application.executor = Threads(2)
    reports: list[Any] = []
    run = threading.Thread(
        target=lambda: reports.append(application.run("inventory", RunOptions())), daemon=True
    )
    run.start()
    run.join(timeout=30)

    assert reports, "the workers wait for each other"
    assert reports[0].exit_code == 0
    assert stocked.shown() == stocked.promised()
    application.executor.shutdown()
