"""One run of one job, from the lock to the last line. See README, "How it works"."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.commit import Committer
from ct_mao_sync.engine.executor import Executor
from ct_mao_sync.engine.gate import Gate
from ct_mao_sync.engine.intake import Intake
from ct_mao_sync.engine.job import Job, Pass
from ct_mao_sync.engine.page import Origin, Prepared
from ct_mao_sync.engine.process import Processor
from ct_mao_sync.engine.report import Progress, RunReport
from ct_mao_sync.engine.rows import Checkpoint
from ct_mao_sync.engine.values import Nudges, Outcome, Page, Settled
from ct_mao_sync.engine.window import Window, final_watermark, plan_window, until_of
from ct_mao_sync.errors import BUDGET_USED, EXIT_BUG, EXIT_STOPPED, Problem, Rejection, Retriable, SyncError

log = logging.getLogger("ct_mao_sync.run")

RETRY_PAGE = 100


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person or a timer asked for."""

    since: datetime | None = None
    until: datetime | None = None
    given: tuple[str, ...] = ()
    """Order numbers or ids by hand: then no window is read."""
    nudges: Nudges | None = None
    """What a file of messages names: then no window is read either, also when it names nothing."""
    dead_letters: tuple[str, ...] | None = None
    """Entities to replay: then no window is read; None = a normal run."""
    dry_run: bool = False
    limit: int | None = None
    allow: frozenset[str] = frozenset()
    full: bool = False
    """Compare everything, also what nothing points at (jobs that sweep)."""

    @property
    def explores(self) -> bool:
        return self.since is not None or self.until is not None


class Run:
    """Executes one job once. The caller holds the job's lock (a dry run needs none)."""

    def __init__(
        self,
        job: Job,
        store: Any,
        *,
        clock: Clock,
        executor: Executor,
        run: str,
        mapping_digest: str,
        options: RunOptions,
        redact: Callable[[str, Outcome], str],
        stopping: Callable[[], bool] = lambda: False,
        progress: Progress | None = None,
        requests_sent: Callable[[], int] = lambda: 0,
        on_pass: Callable[[bool], None] = lambda sweeps: None,
        rng: random.Random | None = None,
    ) -> None:
        self._job = job
        self._store = store
        self._clock = clock
        self._executor = executor
        self._options = options
        self._mapping_digest = mapping_digest
        self._stopping = stopping
        self._requests_sent = requests_sent
        self._on_pass = on_pass
        self._gate = Gate(dry_run=options.dry_run, job=job.name, run=run)
        self.report = RunReport(job.name, run, clock.now(), dry_run=options.dry_run)
        self._committer = Committer(job, store, clock, run, mapping_digest, redact, dry_run=options.dry_run)
        self._intake = Intake(job, store, mapping_digest, options.limit)
        self._processor = Processor(
            job,
            store,
            clock,
            executor,
            self._gate,
            self._committer,
            self.report,
            allow=options.allow,
            progress=progress,
            stopping=stopping,
            rng=rng or random.Random(),  # jitter
        )

    def execute(self) -> RunReport:
        """Never raises for an expected error: the report says how it ended and with which exit code."""
        started_s = self._clock.monotonic()
        before = self._requests_sent()
        if not self._options.dry_run:
            self._store.start_run(self.report.run, self._job.name, self.report.started_at)
        try:
            self._run()
        except SyncError as error:
            self.report.problem = error.problem
            self.report.ended_early_code = error.exit_code
        except Exception as error:
            # The only broad catch: our own bug must not look like a success, and must be found again.
            log.error("a bug in ct-mao-sync: %s", type(error).__name__, exc_info=error)
            self.report.problem = Problem(
                code="internal-error",
                message=f"{self._job.name}: a bug in ct-mao-sync ({type(error).__name__}); "
                "the watermark stays, nothing is lost",
                hint="report it with the traceback from the log",
            )
            self.report.ended_early_code = EXIT_BUG
        if self.report.held_back and not self.report.ended_early_code:
            self.report.ended_early_code = EXIT_STOPPED
        self.report.plans = tuple(self._gate.held_back)
        self.report.elapsed_s = self._clock.monotonic() - started_s
        self.report.requests = self._requests_sent() - before
        if not self._options.dry_run:
            self._finish()
        return self.report

    def _finish(self) -> None:
        try:
            self._store.prune(self._clock.now())
            self._store.finish_run(
                self.report.run,
                self._clock.now(),
                counts=dict(self.report.counts),
                exit_code=self.report.exit_code,
                requests=self.report.requests,
                message=self.report.problem.message if self.report.problem else "",
                since=self.report.since,
                until=self.report.until,
                passes=self.report.passes,
            )
        except SyncError as error:
            self.report.problem = self.report.problem or error.problem
            self.report.ended_early_code = self.report.ended_early_code or error.exit_code

    def _run(self) -> None:
        self._apply_all(self._settle(last=False).again)
        while not self._stopping():
            settled = self._settle(last=True)
            if settled.again:
                self._retry(settled.again)
            elif settled.wait_s is None:
                return
            else:
                self._wait(settled.wait_s)

    def _wait(self, seconds: float) -> None:
        began_s = self._clock.monotonic()
        self._clock.sleep(seconds)
        self.report.waited_s += self._clock.monotonic() - began_s

    def _settle(self, *, last: bool) -> Settled:
        """What became of pending writes; a dry run does not look."""
        settled = Settled() if self._options.dry_run else self._job.settle(self._store, last=last)
        if settled.outcomes or settled.again:
            self._processor.settle(settled)
        return settled

    def _apply_all(self, again: Sequence[str]) -> None:
        if self._options.dead_letters is not None:
            self._retry(list(dict.fromkeys([*again, *self._options.dead_letters])))
            return
        self._retry(again)
        if self._options.given or self._options.nudges is not None:
            self._apply_nudged(self._options.nudges or Nudges(self._options.given))
            return
        if not self._options.explores:
            self._retry(self._due())
        passes = self._job.passes(self._clock.now())
        self.report.passes = [scan.name for scan in passes]
        for scan in passes:
            if self._stopping() or self.report.limit_reached:
                return
            self._on_pass(scan.sweeps)
            try:
                self._run_pass(scan)
            except Retriable as error:
                if not scan.sweeps or error.problem.code != BUDGET_USED:
                    raise
                self.report.postponed.append(scan.name)
            finally:
                self._on_pass(False)

    def _apply_nudged(self, nudges: Nudges) -> None:
        self._reject([("", fault) for fault in nudges.faults])
        for changes, missing in self._job.read_nudged(nudges):
            self._reject(missing)
            page = self._intake.prepare(changes, "given", None)
            self._process(page)
            if page.cut or self._stopping():
                return

    def _reject(self, unknown: Iterable[tuple[str, Rejection]]) -> None:
        """What names no record that could wait."""
        for label, problem in unknown:
            outcome = Outcome("", label, "rejected", rejection=problem)
            self.report.add(outcome)
            self._committer.add(outcome)
        self._committer.commit()

    def _due(self) -> list[str]:
        pending = list(self._job.pending(self._store))
        due = self._store.due_dead_letters(self._job.name, self._clock.now(), self._mapping_digest)
        return list(dict.fromkeys([*pending, *(letter.entity for letter in due)]))

    def _retry(self, entities: Sequence[str]) -> None:
        """Read afresh from the source; an old payload is never replayed."""
        for start in range(0, len(entities), RETRY_PAGE):
            if self._stopping():
                return
            changes = self._job.read_entities(entities[start : start + RETRY_PAGE])
            self._process(self._intake.prepare(changes, "retry", None))

    def _process(self, page: Prepared) -> None:
        self._intake.read_targets(page)
        self._processor.apply(page)
        self._processor.apply_late()
        self._processor.finish_page()
        self._committer.commit()

    # ---- a pass over a window --------------------------------------------------------------------

    def _run_pass(self, scan: Pass) -> None:
        stored = self._store.checkpoint(self._job.name, scan.name)
        watermark = stored.watermark if stored else None
        if stored and stored.cursor and stored.selection == scan.selection and not self._options.explores:
            resumed = Window(stored.since, stored.until, stored.cursor, watermark, moves_watermark=True)
            if not self._scan(scan, resumed) or scan.sweeps:
                return
            # A dry run did not move it; it looks on from where the resumed window would end.
            watermark = stored.until if self._options.dry_run else self.report.watermark
        self._scan(
            scan,
            plan_window(
                scan,
                watermark=watermark,
                since=self._options.since,
                until=self._options.until,
                job=self._job.name,
            ),
        )

    def _scan(self, scan: Pass, window: Window) -> bool:
        """All pages of a window, the next ones read ahead. True when every change of it is accounted for."""
        if not scan.sweeps or self.report.since is None:
            self.report.since = window.since  # a sweep has no stretch of time of its own
        self.report.watermark = window.watermark
        first = self._read(scan, window, window.cursor)
        until = window.until or until_of(
            window,
            scan,
            server_now=first.server_now,
            elapsed_s=first.elapsed_s,
            source="the source",
        )
        self.report.until = window.query_until or until
        window = replace(window, until=until)
        ahead = _ReadAhead(self, scan, window, first)
        del first  # the source's documents are large
        try:
            done = self._apply_pages(scan, window, ahead)
        except SyncError:
            with contextlib.suppress(SyncError):  # the first trouble is the one to tell
                self._processor.drain()
            raise
        if self._stopping():
            self._processor.drain()
        return done

    def _apply_pages(self, scan: Pass, window: Window, ahead: _ReadAhead) -> bool:
        reached = window.cursor
        applied: list[tuple[int, str | None]] = []
        """Number and cursor of pages that cannot be committed yet: some of their records are late."""
        while True:
            page, last = ahead.take()
            number = page.number  # before older records go along with it
            if not page.cut and not last:
                ahead.go_on(page.cursor)
            self._processor.apply(page, ahead.advance)
            if last or page.cut or not scan.pages_overlap:
                self._processor.apply_late()
            if self._stopping():
                return False
            self._processor.finish_page()
            if page.cut:
                self.report.limit_reached = True
                self._commit_page(scan, window, page.cursor or reached, done=False)
                return False
            applied.append((number, page.cursor))
            first_late = self._processor.late.first_page
            complete = [each for each in applied if first_late is None or each[0] < first_late]
            if complete:
                self._commit_page(scan, window, complete[-1][1], done=last)
                del applied[: len(complete)]
            else:
                self._committer.commit()
            if last:
                return True
            if (settled := self._settle(last=False)).again:
                self._retry(settled.again)
            reached = page.cursor

    def _read(self, scan: Pass, window: Window, cursor: str | None) -> Page:
        return self._job.read_page(scan, window.since, window.query_until, cursor)

    def _commit_page(self, scan: Pass, window: Window, cursor: str | None, *, done: bool) -> None:
        assert window.until is not None
        watermark = final_watermark(window, window.until) if done else window.watermark
        if done and not self._options.dry_run:
            self.report.watermark = watermark
        explores = self._options.explores
        keep = not explores or (done and window.moves_watermark)

        def checkpoint() -> None:
            self._job.page_done(self._store, scan, last=done, now=self._clock.now())
            self._store.save_checkpoint(
                self._job.name,
                scan.name,
                Checkpoint(
                    watermark=watermark,
                    since=None if done else window.since,
                    until=None if done else window.until,
                    cursor=None if done else cursor,
                    selection=scan.selection,
                ),
            )

        self._committer.commit(checkpoint if keep else None)


class _ReadAhead:
    """Reads the next page, and its targets, while the present one is applied; for jobs that read far also the
    page after that.

    Reading goes to the reading threads; mapping and the look into the state stay in the main thread, which
    calls `advance` whenever it has a moment.
    """

    def __init__(self, run: Run, scan: Pass, window: Window, first: Page) -> None:
        self._run = run
        self._scan = scan
        self._window = window
        # With a limit nobody knows before the next page is mapped whether another one is wanted, and what a
        # sweep has read is read again when the requests of the hour run short.
        self._far = run._job.reads_far and run._options.limit is None and not scan.sweeps
        self._page_future: Future[Any] | None = None
        self._targets_future: Future[Any] | None = None
        self._prepared: tuple[Prepared, bool] | None = None
        self._present: set[str] = set()
        """Entities of the page that was taken last."""
        self._got(first)

    def go_on(self, cursor: str | None) -> None:
        """The page that was taken is not the last one."""
        if not self._far:
            self._start(cursor)
        self.advance()

    def advance(self) -> Prepared | None:
        """Go on where something is ready; the next page as soon as its targets are read. A read that failed
        is told by `take`, when the records in hand are done."""
        future = self._page_future
        if self._prepared is None and future is not None and _went_well(future):
            self._page_future = None
            self._got(future.result())
        if self._prepared is None or self._targets_future is None or not _went_well(self._targets_future):
            return None
        return self._prepared[0]

    def take(self) -> tuple[Prepared, bool]:
        """The next page with its targets, and whether it is the last one; waits for it."""
        if self._prepared is None:
            assert self._page_future is not None
            future, self._page_future = self._page_future, None
            self._got(future.result())
        assert self._targets_future is not None and self._prepared is not None
        self._targets_future.result()
        prepared, self._prepared, self._targets_future = self._prepared, None, None
        self._present = prepared[0].entities
        return prepared

    def _got(self, page: Page) -> None:
        origin: Origin = "sweep" if self._scan.name.startswith("sweep") else "window"
        prepared = self._run._intake.prepare(page.changes, origin, page.cursor, self._present)
        prepared.may_overlap = self._scan.pages_overlap
        self._prepared = (prepared, page.cursor is None)
        self._targets_future = self._submit(self._run._intake.read_targets, prepared)
        if self._far and page.cursor is not None:
            self._start(page.cursor)

    def _start(self, cursor: str | None) -> None:
        self._page_future = self._submit(self._run._read, self._scan, self._window, cursor)

    def _submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future = self._run._executor.submit_read(call, *arguments)
        self._run._processor.wake_when_done(future)
        return future


def _went_well(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None
