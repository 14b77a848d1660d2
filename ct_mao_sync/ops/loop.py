"""`run`: each job in its own rhythm, side by side, until it is told to stop.

The next turn of a job is asked for by the one that ends, so that a job never overlaps itself. A job that
fails, or a bug in it, changes its own rhythm and nothing else.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.errors import EXIT_BUG, EXIT_LOCKED, Problem, SyncError
from ct_mao_sync.ops.facts import FAILURES, JobFacts
from ct_mao_sync.ops.rhythm import BACK_OFF_MAX_S, is_open, next_delay_s

log = logging.getLogger("ct_mao_sync.loop")

CLOCK_STEP_S = 5.0
"""More than this between wall clock and monotonic clock means that somebody set the clock."""


class Timer(Protocol):
    """Calls something later, in a thread of its own."""

    def call_in(self, delay_s: float, name: str, call: Callable[[], None]) -> None:
        """Another call of the same name replaces one that is still to come."""

    def shutdown(self) -> None:
        """Nothing is called any more; what goes on, goes on."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How one job is."""

    job: str
    every_s: float
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_running: bool = False
    run: str = ""
    exit_code: int | None = None
    problem: Problem | None = None
    failures: int = 0
    next_at: datetime | None = None

    @property
    def circuit(self) -> str:
        return "open" if is_open(self.failures) else "closed"


class Loop:
    """run_job      one run; raises SyncError where none came about (lock held, state damaged)
    facts        what the state remembers of the jobs: failures of a process before this one still count
    on_change    called after every beginning and end, by the thread of the job
    on_run       called once per run that came about, or did not: turn, report or None
    """

    def __init__(
        self,
        rhythms: Mapping[str, float],
        run_job: Callable[[str], RunReport],
        timer: Timer,
        clock: Clock,
        *,
        rng: random.Random,
        facts: Iterable[JobFacts] = (),
        on_change: Callable[[], None] = lambda: None,
        on_run: Callable[[Turn, RunReport | None], None] = lambda turn, report: None,
    ) -> None:
        self._run_job = run_job
        self._timer = timer
        self._clock = clock
        self._rng = rng
        self._on_change = on_change
        self._on_run = on_run
        self._state = threading.Condition()
        self._turns = {job: Turn(job, every_s) for job, every_s in rhythms.items()}
        self._turns |= {each.job: _failing(self._turns[each.job], each) for each in facts if each.failures}
        self._wall_at, self._wall_s = clock.now(), clock.monotonic()

    @property
    def turns(self) -> list[Turn]:
        with self._state:
            return list(self._turns.values())

    def start(self) -> None:
        """Every job at once, but for those whose circuit was open: to start again must not mean to hammer."""
        for turn in self.turns:
            delay_s = self._pause_left_s(turn)
            self._ask(turn.job, delay_s)
            if delay_s:
                log.warning(
                    "circuit open after %d failed runs in a row, before this start; tried again at %s; "
                    "at once: ct-mao-sync sync %s",
                    turn.failures,
                    _clock_time(self._clock.now() + timedelta(seconds=delay_s)),
                    turn.job,
                    extra={"job": turn.job},
                )

    def _pause_left_s(self, turn: Turn) -> float:
        if turn.circuit == "closed" or turn.finished_at is None:
            return 0.0
        pause_s = next_delay_s(turn.every_s, failures=turn.failures, took_s=0, rng=self._rng)
        gone_s = (self._clock.now() - turn.finished_at).total_seconds()
        return max(0.0, pause_s - max(0.0, gone_s))

    def beat(self) -> None:
        """Now and then, by the main thread. The timer goes by the wall clock: when somebody has set it, what
        was asked for is asked for again."""
        now, now_s = self._clock.now(), self._clock.monotonic()
        drift_s = (now - self._wall_at).total_seconds() - (now_s - self._wall_s)
        self._wall_at, self._wall_s = now, now_s
        if abs(drift_s) > CLOCK_STEP_S:
            log.warning("the clock of this machine was set by %+.0f s", drift_s)
            for turn in self.turns:
                if turn.next_at is not None:
                    left_s = (turn.next_at - now).total_seconds() + drift_s
                    self._ask(turn.job, min(max(0.0, left_s), turn.every_s))
        self._tell(self._on_change)

    def stop(self, wait_s: float) -> list[str]:
        """No further turn; waits for those under way. The jobs that were not done in time."""
        self._timer.shutdown()
        with self._state:
            self._state.wait_for(lambda: not self._running(), timeout=wait_s)
            return self._running()

    @staticmethod
    def _tell(listener: Callable[[], None]) -> None:
        """Nobody may be listening any more (a closed pipe): the work goes on."""
        try:
            listener()
        except Exception as error:
            log.warning("a result could not be told: %s", type(error).__name__)

    def _running(self) -> list[str]:
        return [turn.job for turn in self._turns.values() if turn.is_running]

    def _ask(self, job: str, delay_s: float) -> None:
        self._set(job, next_at=self._clock.now() + timedelta(seconds=delay_s))
        self._timer.call_in(delay_s, job, lambda: self._take_turn(job))

    def _set(self, job: str, **changes: object) -> Turn:
        with self._state:
            turn = self._turns[job] = replace(self._turns[job], **changes)  # type: ignore[arg-type]
            self._state.notify_all()
            return turn

    def _take_turn(self, job: str) -> None:
        if self._clock.stopping:
            return
        started_s = self._clock.monotonic()
        before = self._set(job, started_at=self._clock.now(), is_running=True, next_at=None)
        self._tell(self._on_change)
        report: RunReport | None = None
        problem: Problem | None = None
        try:
            report = self._run_job(job)
            code, problem = report.exit_code, report.problem
        except SyncError as error:
            code, problem = error.exit_code, error.problem
        except Exception as error:
            # As in engine.run: a bug of one job must not end the others.
            log.error("a bug in ct-mao-sync: %s", type(error).__name__, exc_info=error, extra={"job": job})
            code = EXIT_BUG
            problem = Problem("internal-error", f"{job}: a bug in ct-mao-sync ({type(error).__name__})")
        failures = self._count(before, code, only_held_back=report is not None and report.problem is None)
        took_s = self._clock.monotonic() - started_s
        delay_s = next_delay_s(before.every_s, failures=failures, took_s=took_s, rng=self._rng)
        goes_on = not self._clock.stopping
        turn = self._set(
            job,
            finished_at=self._clock.now(),
            run=report.run if report else "",
            exit_code=code,
            problem=problem,
            failures=failures,
            next_at=self._clock.now() + timedelta(seconds=delay_s) if goes_on else None,
        )
        self._tell_circuit(before, turn)
        self._tell(lambda: self._on_run(turn, report))
        self._set(job, is_running=False)
        self._tell(self._on_change)
        if goes_on:
            self._timer.call_in(delay_s, job, lambda: self._take_turn(job))

    @staticmethod
    def _count(before: Turn, code: int, *, only_held_back: bool) -> int:
        """A lock held by another process tells nothing of the job; a limit that tripped is no failure: all
        the rest was done."""
        if code == EXIT_LOCKED:
            return before.failures
        return before.failures + 1 if code in FAILURES and not only_held_back else 0

    @staticmethod
    def _tell_circuit(before: Turn, turn: Turn) -> None:
        if before.circuit == turn.circuit:
            return
        if turn.circuit == "open":
            log.warning(
                "circuit open after %d failed runs in a row; tried again at %s, and then every %.0f min",
                turn.failures,
                _clock_time(turn.next_at),
                max(turn.every_s, BACK_OFF_MAX_S) / 60,
                extra={"job": turn.job},
            )
        else:
            log.warning("circuit closed: it succeeds again", extra={"job": turn.job})


def _clock_time(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%SZ}" if moment else "the next start"


def _failing(turn: Turn, facts: JobFacts) -> Turn:
    last = facts.last_run
    assert last is not None
    return replace(
        turn,
        failures=facts.failures,
        run=last.id,
        started_at=last.started_at,
        finished_at=last.finished_at,
        exit_code=last.exit_code,
    )


class BackgroundTimer:
    """APScheduler's, with one thread for each name."""

    def __init__(self, names_max: int, clock: Clock) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self._clock = clock
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max_workers=names_max)},
            # Late is better than not at all. Two instances, because a turn asks for the next one a moment
            # before it has ended.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2},
            timezone=UTC,
        )
        self._scheduler.start()

    def call_in(self, delay_s: float, name: str, call: Callable[[], None]) -> None:
        from apscheduler.triggers.date import DateTrigger

        moment = self._clock.now() + timedelta(seconds=delay_s)
        self._scheduler.add_job(call, DateTrigger(moment), id=name, replace_existing=True)

    def shutdown(self) -> None:
        # Shut down in the middle of a look at what is due, its thread would not find its own call any more
        # and end with a traceback. Removing the calls waits for that look.
        self._scheduler.pause()
        self._scheduler.remove_all_jobs()
        self._scheduler.shutdown(wait=False)
