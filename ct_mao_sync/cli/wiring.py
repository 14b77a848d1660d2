"""The one module, with `job_builders`, that knows every concrete class: builds what a command needs, and
takes it down."""

from __future__ import annotations

import copy
import random
import secrets as random_source
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.parse import urlsplit

from ct_mao_sync.cli.job_builders import BUILDERS, jobs_on
from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.commercetools_import import ImportClient
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.limiter import Pause
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.token import Grant, TokenSource, commercetools_grant, manhattan_grant
from ct_mao_sync.config import Config, load_config
from ct_mao_sync.engine.clock import Clock, SystemClock
from ct_mao_sync.engine.executor import Executor, Threads
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.lock import job_lock
from ct_mao_sync.engine.report import Progress, RunReport
from ct_mao_sync.engine.run import Run, RunOptions
from ct_mao_sync.engine.values import Outcome
from ct_mao_sync.errors import SyncError
from ct_mao_sync.mapping.redact import redact
from ct_mao_sync.ops.reading import Reading
from ct_mao_sync.state.budget import RequestBudget
from ct_mao_sync.state.store import Store


@dataclass(slots=True)
class Application:
    """Everything a run needs. Tests hand in a clock, an executor and a transport."""

    config: Config
    clock: Clock
    adapter: Any = None
    executor: Executor | None = None
    new_run_id: Callable[[], str] = lambda: random_source.token_hex(4)
    stopping: Callable[[], bool] = lambda: False
    rng: random.Random = field(default_factory=random.Random)
    """Jitter of every pause."""
    retry_s: float | None = None
    """Instead of `sync.retry_seconds`, when that is longer."""
    only_looks: bool = False
    """Its clients refuse to send a write."""
    keeps_tokens: bool = True
    """False: each token is fetched afresh, so that what it may do is known."""
    _clients: list[HttpClient] = field(default_factory=list)
    _budgets: list[RequestBudget] = field(default_factory=list)
    _pauses: dict[str, Pause] = field(default_factory=dict)
    """Of each host; of all the clients there ever are."""

    def open_store(self, *, dry_run: bool = False) -> Store:
        """A dry run works on a copy: it leaves nothing behind."""
        opened = Store.open_copy if dry_run else Store.open
        return opened(self.config.state_path)

    def run(
        self,
        job_name: str,
        options: RunOptions,
        *,
        wait_s: float = 0.0,
        progress: Progress | None = None,
    ) -> RunReport:
        """One run of one job, under its lock. Raises LockHeld, and RunStopped when the state is damaged.

        Different jobs may run side by side, each in a thread of its own."""
        try:
            report = self._for_one_run()._run(job_name, options, wait_s, progress)
        except SyncError:
            self._after_run(options)
            raise
        self._after_run(options)
        return report

    def _after_run(self, options: RunOptions) -> None:
        """Metrics and alerts; outside the lock of the job, which nobody has to wait for."""
        if not options.dry_run and (self.config.metrics.textfile or self.config.alerts.command):
            from ct_mao_sync.ops.after_run import after_run

            after_run(self.config, jobs_on(self.config), self.clock)

    @contextmanager
    def own_clients(self) -> Iterator[Self]:
        """For what is no run: clients made of what this yields are closed at the end."""
        own = self._for_one_run()
        try:
            yield own
        finally:
            own._close_clients()

    def _for_one_run(self) -> Self:
        """The same application with clients and budgets of its own: it closes what it opened, no other's."""
        own = copy.copy(self)
        own._clients, own._budgets = [], []
        return own

    def _run(self, job_name: str, options: RunOptions, wait_s: float, progress: Progress | None) -> RunReport:
        run = f"{job_name}-{self.new_run_id()}"
        with ExitStack() as stack:
            if not options.dry_run:
                stack.enter_context(job_lock(self.config.state_path, job_name, wait_s, self.clock))
            store = stack.enter_context(self.open_store(dry_run=options.dry_run))
            executor = self.executor
            if executor is None:
                executor = Threads(self.config.sync.workers)
                stack.callback(executor.shutdown)
            stack.callback(self._close_clients)
            job = self.build_job(job_name, store, run, options, executor)
            return Run(
                job,
                store,
                clock=self.clock,
                executor=executor,
                run=run,
                mapping_digest=self.config.mapping_digest(),
                options=options,
                redact=self._redact,
                stopping=self.stopping,
                progress=progress,
                requests_sent=lambda: sum(client.requests_sent for client in self._clients),
                on_pass=self._on_pass,
                rng=self.rng,
            ).execute()

    def _on_pass(self, sweeps: bool) -> None:
        for budget in self._budgets:
            budget.sweep(sweeps)

    @contextmanager
    def looking(self, *, retry_s: float | None = None) -> Iterator[Reading]:
        """For commands that only look; `retry_s`: how long a person waits for a system that is down.
        Raises RunStopped when the state is damaged."""
        own = self._for_one_run()
        run = f"look-{self.new_run_id()}"
        with ExitStack() as stack:
            store = stack.enter_context(self.open_store(dry_run=True))
            executor = self.executor
            if executor is None:
                executor = Threads(self.config.sync.workers)
                stack.callback(executor.shutdown)
            stack.callback(own._close_clients)
            own.only_looks, own.retry_s = True, retry_s
            yield Reading(
                run=run,
                config=self.config,
                clock=self.clock,
                store=store,
                redact=self._redact,
                build_job=lambda name, options: own.build_job(name, store, run, options, executor),
                commercetools=lambda: own.commercetools(run),
                manhattan=lambda: own.manhattan(run, dry_run=True),
                import_api=lambda: own.import_api(run),
                requests_sent=lambda: sum(client.requests_sent for client in own._clients),
            )

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()
        for budget in self._budgets:
            budget.close()

    def build_job(self, name: str, store: Store, run: str, options: RunOptions, executor: Executor) -> Job:
        return BUILDERS[name](self, store, run, options, executor)

    def commercetools(self, run: str) -> CommercetoolsClient:
        section = self.config.commercetools
        http = self._http(section.api_url, "commercetools", run, self._commercetools_token(run))
        return CommercetoolsClient(http, section.project_key)

    def import_api(self, run: str) -> ImportClient | None:
        """None where the configuration has no address of it."""
        section = self.config.commercetools
        if not section.import_url:
            return None
        token = self._commercetools_token(run)
        http = self._http(section.import_url, "commercetools", run, token, url_key="commercetools.import_url")
        return ImportClient(http, section.project_key)

    def _commercetools_token(self, run: str) -> TokenSource:
        section = self.config.commercetools
        secret = section.client_secret.get_secret_value()
        grant = commercetools_grant(section.client_id, secret, section.scopes)
        return self._token(section.auth_url, "commercetools", run, grant)

    def manhattan(self, run: str, *, dry_run: bool = False) -> ManhattanClient:
        section = self.config.manhattan
        grant = manhattan_grant(
            section.grant_type,
            section.client_id,
            section.client_secret.get_secret_value(),
            section.username,
            section.password.get_secret_value(),
        )
        token = self._token(section.auth_url, "manhattan", run, grant)
        http = self._http(section.api_url, "manhattan", run, token)
        if section.max_requests_per_hour and not dry_run:
            job = run.partition("-")[0]
            budget = RequestBudget(self.config.state_path, section.max_requests_per_hour, self.clock, job)
            http.on_request = budget
            self._budgets.append(budget)
        return ManhattanClient(http, section.organization, section.page_size)

    def _token(self, auth_url: str, remote: str, run: str, grant: Grant) -> TokenSource:
        http = self._http(auth_url, remote, run, None, url_key=f"{remote}.auth_url")
        folder = self.config.state_path.parent if self.keeps_tokens else None
        return TokenSource(http=http, grant=grant, clock=self.clock, folder=folder)

    def _http(
        self, base_url: str, remote: str, run: str, token: TokenSource | None, *, url_key: str = ""
    ) -> HttpClient:
        sync = self.config.sync
        client = HttpClient(
            base_url=base_url,
            workers=sync.workers,
            timeout_s=float(sync.request_timeout_seconds),
            retry_s=min(float(sync.retry_seconds), float("inf") if self.retry_s is None else self.retry_s),
            clock=self.clock,
            token=token,
            adapter=self.adapter,
            # One id means one request, whichever of the hosts it went to.
            correlation_id=f"{run}-{len(self._clients)}",
            remote=remote,
            url_key=url_key,
            rng=self.rng,
            may_write=not self.only_looks,
            pause=self._pauses.setdefault(urlsplit(base_url).netloc, Pause()),
        )
        self._clients.append(client)
        return client

    def _redact(self, text: str, outcome: Outcome) -> str:
        return redact(text, outcome.personal, self.config.secrets())


def open_application(config_path: Path, env: Mapping[str, str] | None = None) -> Application:
    """Raises ConfigError with every mistake of the file."""
    return Application(config=load_config(config_path, env), clock=SystemClock())


@contextmanager
def stop_on_signals(application: Application) -> Iterator[Callable[[], int]]:
    """SIGINT and SIGTERM finish the records in hand and keep the state; a second one leaves at once.

    Yields a function that tells the exit code of the signal that came, 0 when none did.
    """
    received: list[int] = []
    clock = application.clock

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        if isinstance(clock, SystemClock):
            clock.stop()

    application.stopping = lambda: bool(received)
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM) if in_main_thread
    }
    try:
        yield lambda: 128 + received[0] if received else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
