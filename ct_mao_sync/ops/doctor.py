"""What `doctor` looks at on this machine: the configuration, the state file, the rhythm of the jobs.

Each check gives one line, and what is wrong also its cure. Nothing is ever written, here or anywhere.
(The two systems: `doctor_systems`.)
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from ct_mao_sync.config import Config
from ct_mao_sync.engine.lock import holder_of
from ct_mao_sync.errors import (
    EXIT_CONFIG,
    EXIT_OK,
    EXIT_RETRIABLE,
    EXIT_STOPPED,
    ConfigError,
    Problem,
    Retriable,
    SyncError,
    worst_exit_code,
)
from ct_mao_sync.ops.facts import has_failed, read_facts
from ct_mao_sync.ops.health import read_health
from ct_mao_sync.state.store import Store

Level = Literal["ok", "warning", "fault"]
DISK_FREE_MIN_BYTES = 200 * 1024 * 1024
BUSY_SHARE_MAX = 0.8
"""A job that takes more of its rhythm than this has no room for a busy day."""
_HEARTBEAT_MISSED_S = 300.0
_RUNS_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `code`: the exit code that a fault of this kind means."""

    area: str
    level: Level
    said: str
    cure: str = ""
    code: int = EXIT_OK

    def as_dict(self) -> dict[str, object]:
        return {"area": self.area, "level": self.level, "said": self.said, "cure": self.cure}


def ok(area: str, said: str) -> Check:
    return Check(area, "ok", said)


def warning(area: str, said: str, cure: str) -> Check:
    return Check(area, "warning", said, cure)


def fault(area: str, said: str, cure: str, code: int = EXIT_STOPPED) -> Check:
    return Check(area, "fault", said, cure, code)


def fault_of(area: str, error: SyncError, what: str = "") -> Check:
    """4 where the system did not answer, 2 where the configuration is wrong, else 5."""
    code = EXIT_STOPPED
    if isinstance(error, Retriable):
        code = EXIT_RETRIABLE
    elif isinstance(error, ConfigError):
        code = EXIT_CONFIG
    problem: Problem = error.problem
    said = f"{what}: {problem.message}" if what else problem.message
    return fault(area, said, problem.hint, code)


def exit_code_of(checks: Sequence[Check]) -> int:
    """Warnings are no failure."""
    return worst_exit_code([check.code for check in checks])


# ---- configuration -------------------------------------------------------------------------------------


def check_config(config: Config, jobs: Sequence[str]) -> Iterator[Check]:
    """It has been loaded, so it is valid; what is left is what it risks."""
    area = "configuration"
    off = [job for job in ("orders", "inventory", "status", "returns") if job not in jobs]
    yield ok(area, f"valid; jobs: {', '.join(jobs)}" + (f" (off: {', '.join(off)})" if off else ""))
    yield from _check_secrets(config, area)
    orders = config.orders
    if "orders" in jobs:
        if not orders.payment_states and not orders.hold_until_paid:
            yield warning(
                area,
                "orders.payment_states is empty: orders are exported, and ship, before they are paid",
                'payment_states = ["Paid"], or hold_until_paid, under [orders]; if that is meant, leave it',
            )
        if not config.mapping.shipping_methods:
            yield warning(
                area,
                "mapping.shipping_methods is empty: only orders without shipping can be exported",
                'add <shipping method key> = "<ShippingMethodId>" under [mapping.shipping_methods]',
            )
    if not config.manhattan.max_requests_per_hour:
        yield warning(
            area,
            "manhattan.max_requests_per_hour is 0: a day of many changes can use up the tenant's quota",
            "set it under [manhattan] to the share of the quota that is yours",
        )
    if "inventory" in jobs:
        if config.inventory.writer == "import-api":
            yield warning(
                area,
                'inventory.writer = "import-api" writes without version check: a unit can be sold twice',
                'writer = "auto" under [inventory]',
            )
        if config.inventory.max_drop_percent >= 100:
            yield warning(
                area,
                "inventory.max_drop_percent is 100: an empty answer of MAO could empty the whole shop",
                "max_drop_percent = 20 under [inventory]",
            )
    if config.metrics.textfile and not config.metrics.textfile.endswith(".prom"):
        yield warning(
            area, "metrics.textfile does not end in .prom: node_exporter does not read it", "rename it"
        )
    yield from _check_alert_command(config, area)


def _check_secrets(config: Config, area: str) -> Iterator[Check]:
    secrets = ("commercetools.client_secret", "manhattan.client_secret", "manhattan.password")
    clear = [
        key
        for key in secrets
        if key not in config.references
        and not (key == "manhattan.password" and config.manhattan.grant_type != "password")
    ]
    if clear:
        readable = stat.S_IMODE(config.path.stat().st_mode) & 0o077
        word = "in clear, and others can read the file" if readable else "in clear"
        yield warning(
            area,
            f"{', '.join(clear)} {'stands' if len(clear) == 1 else 'stand'} {word}",
            'name where to find it: "env:NAME" or "file:/path"'
            + (f"; chmod 600 {shlex.quote(str(config.path))}" if readable else ""),
        )


def _check_alert_command(config: Config, area: str) -> Iterator[Check]:
    command = config.alerts.command
    if not command:
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        words, said = [], f"alerts.command cannot be split into words: {error}"
    else:
        said = f"alerts.command: there is no program {words[0]!r}" if words else "alerts.command is blank"
    if not words or shutil.which(words[0]) is None:
        yield fault(area, said, "correct command under [alerts]", EXIT_CONFIG)


# ---- the state file --------------------------------------------------------------------------------------


def check_state(config: Config) -> Iterator[Check]:
    area, path = "state", config.state_path
    if not path.exists():
        if not path.parent.is_dir():
            yield fault(area, f"there is no folder {path.parent}", f"mkdir -p {path.parent}")
        elif not os.access(path.parent, os.W_OK):
            yield fault(area, f"the folder {path.parent} cannot be written to", f"ls -ld {path.parent}")
        else:
            yield ok(area, f"{path.name} is not there yet; the first run makes it")
        return
    try:
        with Store.open_reading(path) as store:
            faults = store.check()
            schema_pending = store.migrations_pending()
    except SyncError as error:
        yield fault_of(area, error)
        return
    if faults:
        yield fault(area, f"{path.name} is damaged: {faults[0]}", "ct-mao-sync state check")
        return
    update = "; the next run brings it up to date" if schema_pending else ""
    yield ok(area, f"{path.name} is sound{update}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield warning(area, f"{path.name} has mode {mode:04o}: others can read it", f"chmod 600 {path}")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        yield fault(area, f"{path.name} or its folder cannot be written to", f"ls -ld {path.parent} {path}")
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size
    if free < max(DISK_FREE_MIN_BYTES, 2 * size):
        yield warning(area, f"only {free // 1024**2} MB are free beside {path.name}", f"df -h {path.parent}")


# ---- the jobs as they ran --------------------------------------------------------------------------------


def check_schedule(store: Store, config: Config, jobs: Sequence[str], now: datetime) -> Iterator[Check]:
    """How the last runs went, whether they leave each other room, and who is at work."""
    for facts in read_facts(store, jobs, now):
        area, run = facts.job, facts.last_run
        every = config.schedule.every(facts.job)
        if run is None:
            yield ok(area, "has not run yet")
        elif has_failed(run):
            times = f"{facts.failures} times in a row" if facts.failures > 1 else "last time"
            yield warning(
                area,
                f"failed {times}, with exit code {run.exit_code}: {run.message}",
                f"ct-mao-sync sync {facts.job}",
            )
        took = _durations_s(store, facts.job)
        if every and took and statistics.median(took) > BUSY_SHARE_MAX * every.total_seconds():
            yield warning(
                area,
                f"takes {statistics.median(took):.0f} s of the {every.total_seconds():.0f} s of its rhythm",
                f'give it a longer one under [schedule], such as {facts.job} = "{_longer(took)}"',
            )
        if facts.lag_s is not None and facts.lag_s > config.alerts.lag.total_seconds():
            behind = timedelta(seconds=round(facts.lag_s))
            yield warning(area, f"its watermark is {behind} behind", f"ct-mao-sync sync {facts.job}")
        waiting = sum(facts.dead_letters.values())
        if waiting:
            yield warning(
                area,
                "1 record waits as a dead letter"
                if waiting == 1
                else f"{waiting} records wait as dead letters",
                f"ct-mao-sync errors list --job {facts.job}",
            )
        holder = holder_of(config.state_path, facts.job)
        if holder is not None:
            yield ok(area, f"a run is alive{f' (process {holder})' if holder else ''}")
    yield from _check_health(config, now)


def _check_health(config: Config, now: datetime) -> Iterator[Check]:
    if not config.schedule.health_file:
        return
    path: Path = config.resolve(config.schedule.health_file)
    health = read_health(path)
    if health is None or health.get("state") == "stopped":
        yield ok("run", "the loop is not running (nothing is wrong where timers do its work)")
        return
    age_s = (now - datetime.fromisoformat(str(health["at"]))).total_seconds()
    if age_s > _HEARTBEAT_MISSED_S:
        yield fault(
            "run",
            f"the loop (process {health.get('pid')}) has not written {path.name} for {age_s / 60:.0f} min",
            f"ps -p {health.get('pid')}; start it again: ct-mao-sync run",
        )
        return
    circuits = [job for job, each in health.get("jobs", {}).items() if each.get("circuit") == "open"]
    yield ok("run", f"the loop is alive (process {health.get('pid')})")
    if circuits:
        yield warning("run", f"circuit open: {', '.join(circuits)}", "see the checks of that job")


def _durations_s(store: Store, job: str) -> list[float]:
    return [
        (run.finished_at - run.started_at).total_seconds()
        for run in store.last_runs(job, _RUNS_LOOKED_AT)
        if run.finished_at is not None
    ]


def _longer(took_s: Sequence[float]) -> str:
    return f"{max(1, round(statistics.median(took_s) * 2 / 60))}m"
