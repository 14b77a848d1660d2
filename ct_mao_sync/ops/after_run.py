"""What follows a run, whoever started it: metrics and alerts. Never hurts the run it follows."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import SyncError
from ct_mao_sync.ops.facts import JobFacts, read_facts
from ct_mao_sync.ops.metrics import write_metrics
from ct_mao_sync.state.store import Store

log = logging.getLogger("ct_mao_sync.ops")


def after_run(config: Config, jobs: Sequence[str], clock: Clock) -> None:
    """`jobs`: those that are watched. Opens the state file itself; holds no lock of a job."""
    try:
        with Store.open(config.state_path) as store:
            facts = read_facts(store, jobs, clock.now())
            budget_used = store.budget_used(clock.now())
            _write_metrics(config, facts, clock, budget_used)
            if config.alerts.command:
                from ct_mao_sync.ops.alerts import apply_alerts  # a run without alerts starts no process

                apply_alerts(config, store, facts, clock)
    except (SyncError, sqlite3.Error, OSError) as error:
        log.warning("metrics and alerts of this run are missing: %s", error)


def _write_metrics(config: Config, facts: Sequence[JobFacts], clock: Clock, budget_used: int) -> None:
    if not config.metrics.textfile:
        return
    path = config.resolve(config.metrics.textfile)
    try:
        write_metrics(
            path,
            facts,
            clock.now(),
            budget_used=budget_used,
            budget_limit=config.manhattan.max_requests_per_hour,
        )
    except OSError as error:
        log.warning("the metrics file %s cannot be written: %s", path, error.strerror or error)
