"""A job on the bench: the real engine, state file, lock and wiring around the toy job, and crashes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from toy_job import Shelf, Shop, ToyJob

from ct_mao_sync.cli.wiring import Application
from ct_mao_sync.config import load_config
from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.executor import Inline, Threads
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.rows import Checkpoint, DeadLetter
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.state.store import Store

NOW = datetime.fromisoformat("2026-11-23T09:00:00Z")

CONFIG = """\
[commercetools]
project_key = "bench"
client_id = "bench"
client_secret = "env:SECRET"
auth_url = "https://commercetools.invalid"
api_url = "https://commercetools.invalid"
[manhattan]
api_url = "https://mao.invalid"
auth_url = "https://mao.invalid"
client_id = "bench"
client_secret = "env:SECRET"
username = "env:SECRET"
password = "env:SECRET"
[state]
path = "state.sqlite3"
[orders]
start_at = "2026-11-01T00:00:00Z"
[mapping.uom]
EACH = 1
"""


class Crash(BaseException):
    """The process is gone, as by kill -9."""


@dataclass
class CrashPlan:
    """Dies when `point` is passed for the `at`-th time. Points: "write before", "write after",
    "commit before", "commit after"."""

    point: str = ""
    at: int = 0
    passed: int = 0

    def tick(self, point: str) -> None:
        if point != self.point:
            return
        self.passed += 1
        if self.passed == self.at:
            raise Crash(f"{point} {self.at}")


class CrashingStore(Store):
    """The real store; dies just before or just after a commit."""

    crashes: CrashPlan
    inside = False

    @contextmanager
    def atomic(self) -> Iterator[None]:
        if self.inside:
            with super().atomic():
                yield
            return
        self.inside = True
        try:
            with super().atomic():
                yield
                self.crashes.tick("commit before")
        finally:
            self.inside = False
        self.crashes.tick("commit after")


class BenchApplication(Application):
    """The application with another job and a store that can die."""

    job: Any
    crashes: CrashPlan

    def build_job(self, *_: Any) -> Job:
        job: Job = self.job
        return job

    def open_store(self, *, dry_run: bool = False) -> Store:
        if dry_run:
            return Store.open_copy(self.config.state_path)
        store = CrashingStore.open(self.config.state_path)
        store.crashes = self.crashes
        return store


@dataclass
class Bench:
    """`run` is one process: it may crash, and the next one starts on the same files."""

    folder: Path
    threads: bool = False
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(NOW))
    stop: bool = False
    shop: Shop = field(init=False)
    shelf: Shelf = field(default_factory=Shelf)
    known: set[str] = field(default_factory=set)
    job_type: Callable[..., ToyJob] = ToyJob
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.shop = Shop(self.clock)
        (self.folder / "config.toml").write_text(CONFIG, encoding="utf-8")

    # ---- the world --------------------------------------------------------------------------------

    def put(self, **values: str) -> None:
        for entity, value in values.items():
            self.shop.put(entity, value)

    def put_many(self, count: int, value: str = "v") -> list[str]:
        names = [f"r{number:03d}" for number in range(count)]
        for name in names:
            self.shop.put(name, f"{value}-{name}")
        return names

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    @property
    def values(self) -> dict[str, str]:
        return {entity: value for entity, (value, _) in self.shelf.values.items()}

    def wanted(self) -> dict[str, str]:
        return {entity: row.value for entity, row in self.shop.rows.items()}

    def change_mapping(self, *known: str) -> None:
        """Another line in the mapping configuration, and the job that reads it."""
        self.known |= set(known)
        path = self.folder / "config.toml"
        path.write_text(path.read_text(encoding="utf-8") + f"PACK{len(self.known)} = 10\n", encoding="utf-8")

    # ---- the process ------------------------------------------------------------------------------

    def application(self, crashes: CrashPlan | None = None) -> BenchApplication:
        application = BenchApplication(
            config=load_config(self.folder / "config.toml", {"SECRET": "bench-secret"}),
            clock=self.clock,
            executor=Threads(4) if self.threads else Inline(),
            new_run_id=lambda: f"{next(self._numbers)}",
            stopping=lambda: self.stop,
        )
        application.crashes = crashes or CrashPlan()
        application.job = self.job_type(self.shop, self.shelf, dict.fromkeys(self.known))
        self.shelf.on_write = lambda moment: application.crashes.tick(f"write {moment}")
        return application

    def run(self, *, crashes: CrashPlan | None = None, **options: Any) -> RunReport:
        application = self.application(crashes)
        try:
            return application.run("toy", RunOptions(**options))
        finally:
            assert application.executor is not None
            application.executor.shutdown()

    def died(self, crashes: CrashPlan) -> bool:
        """Whether a run with this crash died."""
        try:
            self.run(crashes=crashes)
        except Crash:
            return True
        return False

    # ---- what is left behind ------------------------------------------------------------------------

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.folder / "state.sqlite3") as store:
            yield store

    def checkpoint(self) -> Checkpoint:
        with self.store() as store:
            return store.checkpoint("toy", "window:toy") or Checkpoint()

    @property
    def watermark(self) -> datetime | None:
        return self.checkpoint().watermark

    def dead_letters(self) -> dict[str, DeadLetter]:
        with self.store() as store:
            return {letter.entity: letter for letter in store.dead_letters("toy", include_discarded=True)}

    def codes(self) -> dict[str, str]:
        return {entity: letter.code for entity, letter in self.dead_letters().items()}
