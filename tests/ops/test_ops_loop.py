"""The loop: every job in its own rhythm, whatever becomes of the others."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from simulated_timer import SimulatedTimer

from ct_mao_sync.engine.clock import SimulatedClock, SystemClock
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.rows import Run
from ct_mao_sync.errors import LockHeld, Problem, RunStopped
from ct_mao_sync.ops.facts import JobFacts
from ct_mao_sync.ops.loop import BackgroundTimer, Loop, Turn
from ct_mao_sync.ops.rhythm import BACK_OFF_MAX_S, is_open, next_delay_s

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
UNREACHABLE = Problem("unreachable", "MAO does not answer")


class Scene:
    """A loop whose jobs end as they are told to."""

    def __init__(self, *facts: JobFacts, **every_s: float) -> None:
        self.clock = SimulatedClock(START)
        self.timer = SimulatedTimer(self.clock)
        self.ends: dict[str, Callable[[RunReport], None]] = {}
        self.began: dict[str, list[float]] = defaultdict(list)
        self.told: list[tuple[Turn, RunReport | None]] = []
        self.loop = Loop(
            every_s,
            self.run,
            self.timer,
            self.clock,
            rng=random.Random(1),
            facts=facts,
            on_run=lambda turn, report: self.told.append((turn, report)),
        )

    def run(self, job: str) -> RunReport:
        self.began[job].append(self.clock.monotonic())
        report = RunReport(job, f"{job}-{len(self.began[job])}", self.clock.now())
        if job in self.ends:
            self.ends[job](report)
        return report

    def turn(self, job: str) -> Turn:
        return next(turn for turn in self.loop.turns if turn.job == job)


def fails(code: int) -> Callable[[RunReport], None]:
    def end(report: RunReport) -> None:
        report.problem, report.ended_early_code = UNREACHABLE, code

    return end


def test_every_job_begins_at_once_and_goes_on_in_its_own_rhythm() -> None:
    scene = Scene(orders=120, inventory=300)
    scene.loop.start()

    scene.timer.advance(timedelta(hours=1))

    assert scene.began["orders"][0] == scene.began["inventory"][0] == 0
    assert 29 <= len(scene.began["orders"]) <= 32
    assert 12 <= len(scene.began["inventory"]) <= 14


def test_a_run_that_takes_long_does_not_shift_the_ones_after_it() -> None:
    scene = Scene(orders=120)
    scene.ends["orders"] = lambda report: scene.clock.advance(60)
    scene.loop.start()

    scene.timer.advance(timedelta(hours=1))

    assert 29 <= len(scene.began["orders"]) <= 32


@pytest.mark.parametrize("code", [1, 4, 5])
def test_a_failing_job_backs_off_up_to_a_limit_and_the_others_go_on(code: int) -> None:
    scene = Scene(orders=120, inventory=120)
    scene.ends["orders"] = fails(code)
    scene.loop.start()

    scene.timer.advance(timedelta(hours=3))

    pauses = [b - a for a, b in zip(scene.began["orders"], scene.began["orders"][1:], strict=False)]
    assert 220 < pauses[0] < 260 and 440 < pauses[1] < 520
    assert all(BACK_OFF_MAX_S * 0.94 < pause < BACK_OFF_MAX_S * 1.06 for pause in pauses[3:])
    assert scene.turn("orders").circuit == "open"
    assert len(scene.began["inventory"]) > 80


def test_one_success_closes_the_circuit(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(orders=120)
    scene.ends["orders"] = fails(4)
    scene.loop.start()
    scene.timer.advance(timedelta(minutes=30))
    assert scene.turn("orders").circuit == "open"

    scene.ends.clear()
    scene.timer.advance(timedelta(minutes=16))

    assert scene.turn("orders").failures == 0
    began = len(scene.began["orders"])
    scene.timer.advance(timedelta(minutes=20))
    assert len(scene.began["orders"]) - began >= 9
    assert [
        r.getMessage().split(" after")[0].split(":")[0] for r in caplog.records if "circuit" in r.message
    ] == [
        "circuit open",
        "circuit closed",
    ]


def before(failures: int, *, ended_s_ago: float) -> JobFacts:
    """What a process before this one left behind."""
    ended = START - timedelta(seconds=ended_s_ago)
    last = Run("orders-9", "orders", ended - timedelta(seconds=5), ended, 4 if failures else 0)
    return JobFacts("orders", last, None, failures, None, None, {}, {})


@pytest.mark.parametrize(
    ("failures", "ended_s_ago", "waits_s"),
    [(0, 10, 0), (2, 10, 0), (3, 10, 890), (9, 600, 300), (9, 3600, 0), (9, -7200, 900)],
)
def test_a_circuit_that_was_open_before_a_restart_stays_so(
    failures: int, ended_s_ago: float, waits_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    """(The last: its clock was set back in between.)"""
    scene = Scene(before(failures, ended_s_ago=ended_s_ago), orders=120, status=120)
    scene.loop.start()

    scene.timer.advance(timedelta(minutes=20))

    assert scene.began["status"][0] == 0
    assert scene.began["orders"][0] == pytest.approx(waits_s, abs=50)
    assert ("at once: ct-mao-sync sync orders" in caplog.text) == (waits_s > 0)


def test_one_more_failure_after_a_restart_goes_on_counting() -> None:
    scene = Scene(before(2, ended_s_ago=10), orders=120)
    scene.ends["orders"] = fails(4)
    scene.loop.start()

    scene.timer.advance(timedelta(seconds=1))

    assert (scene.turn("orders").failures, scene.turn("orders").circuit) == (3, "open")


def test_a_lock_held_by_a_cron_run_is_no_failure() -> None:
    scene = Scene(orders=120)

    def held(report: RunReport) -> None:
        raise LockHeld(Problem("lock-held", "another run is alive"))

    scene.ends["orders"] = held
    scene.loop.start()
    scene.timer.advance(timedelta(hours=1))

    assert len(scene.began["orders"]) >= 29
    assert (scene.turn("orders").failures, scene.turn("orders").exit_code) == (0, 6)
    assert scene.told[0][1] is None


def test_a_limit_that_tripped_does_not_slow_the_job_down() -> None:
    """Everything else of the run was done; only what the limit holds back waits for a person."""
    scene = Scene(inventory=300)

    def trip(report: RunReport) -> None:
        report.held_back, report.ended_early_code = 3, 5

    scene.ends["inventory"] = trip
    scene.loop.start()
    scene.timer.advance(timedelta(hours=1))

    assert len(scene.began["inventory"]) >= 11
    assert (scene.turn("inventory").failures, scene.turn("inventory").exit_code) == (0, 5)


def test_a_bug_in_one_job_is_told_and_ends_nothing() -> None:
    scene = Scene(orders=120, inventory=120)

    def bug(report: RunReport) -> None:
        raise ZeroDivisionError

    scene.ends["orders"] = bug
    scene.loop.start()
    scene.timer.advance(timedelta(hours=1))

    turn = scene.turn("orders")
    assert turn.exit_code == 1 and turn.problem is not None and turn.problem.code == "internal-error"
    assert len(scene.began["orders"]) > 3 and len(scene.began["inventory"]) > 25


def test_a_listener_that_is_gone_does_not_end_the_work() -> None:
    """`run | head`: the pipe is closed, the orders still go out."""
    scene = Scene(orders=120)

    def closed(*_: object) -> None:
        raise BrokenPipeError

    scene.loop._on_run = scene.loop._on_change = closed
    scene.loop.start()
    scene.timer.advance(timedelta(hours=1))

    assert len(scene.began["orders"]) >= 29
    assert scene.turn("orders").failures == 0


def test_a_state_file_that_cannot_be_opened_backs_off_like_any_failure() -> None:
    scene = Scene(orders=120)

    def damaged(report: RunReport) -> None:
        raise RunStopped(Problem("state-damaged", "the state file is damaged"))

    scene.ends["orders"] = damaged
    scene.loop.start()
    scene.timer.advance(timedelta(hours=1))

    assert scene.turn("orders").circuit == "open"
    assert scene.turn("orders").exit_code == 5


def test_nothing_begins_any_more_when_it_is_stopping() -> None:
    scene = Scene(orders=120)
    scene.loop.start()
    scene.timer.advance(timedelta(minutes=10))
    began = len(scene.began["orders"])

    scene.clock.stop()
    scene.timer.advance(timedelta(minutes=10))

    assert len(scene.began["orders"]) == began
    assert scene.turn("orders").next_at is not None
    assert scene.loop.stop(0.0) == []


def test_a_wall_clock_set_back_does_not_keep_the_jobs_waiting() -> None:
    scene = Scene(orders=120)
    scene.loop.start()
    scene.timer.advance(timedelta(seconds=10))
    scene.loop.beat()

    scene.clock._start -= timedelta(hours=1)
    scene.loop.beat()

    turn = scene.turn("orders")
    assert turn.next_at is not None
    assert timedelta(0) < turn.next_at - scene.clock.now() <= timedelta(seconds=120)


def test_the_real_timer_runs_jobs_side_by_side_and_none_twice_at_once() -> None:
    clock = SystemClock()
    together, overlaps = threading.Barrier(2, timeout=20), []
    running: set[str] = set()
    done = threading.Event()

    def run(job: str) -> RunReport:
        if job in running:
            overlaps.append(job)
        running.add(job)
        if not done.is_set():
            together.wait()  # passes only while both are running
            done.set()
        running.discard(job)
        return RunReport(job, "r", clock.now())

    loop = Loop(
        {"orders": 0.1, "inventory": 0.1}, run, BackgroundTimer(2, clock), clock, rng=random.Random(1)
    )
    loop.start()

    assert done.wait(20)
    assert loop.stop(20) == []
    assert overlaps == []


def test_a_timer_that_is_stopped_while_calls_are_due_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: died.append(told.exc_value))

    for pause_s in range(20):
        timer = BackgroundTimer(4, SystemClock())
        for name in range(30):
            timer.call_in(0.0, str(name), lambda: None)
        threading.Event().wait(pause_s / 10_000)
        timer.shutdown()

    assert died == []


def test_delays_are_never_below_a_second_nor_the_same_everywhere() -> None:
    rng = random.Random(1)
    delays = {next_delay_s(0.1, failures=0, took_s=0, rng=rng) for _ in range(5)}
    spread = {next_delay_s(120, failures=0, took_s=0, rng=rng) for _ in range(50)}

    assert delays == {1.0}
    assert len(spread) == 50 and 114 <= min(spread) < max(spread) <= 126
    assert next_delay_s(86400, failures=9, took_s=0, rng=rng) < 86400 * 1.06, "a rare job is not made rarer"
    assert [is_open(n) for n in (0, 2, 3)] == [False, False, True]
