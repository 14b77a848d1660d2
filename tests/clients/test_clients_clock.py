"""Sleepers wake on stop; simulated time moves only when it is told to."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ct_mao_sync.engine.clock import SimulatedClock, SystemClock


def test_a_stop_wakes_every_sleeper_and_nobody_sleeps_afterwards() -> None:
    clock = SystemClock()
    sleepers = [threading.Thread(target=clock.sleep, args=(60,)) for _ in range(5)]
    for sleeper in sleepers:
        sleeper.start()
    time.sleep(0.05)

    clock.stop()
    for sleeper in sleepers:
        sleeper.join(5)

    assert not any(sleeper.is_alive() for sleeper in sleepers)
    assert clock.stopping
    before = time.monotonic()
    clock.sleep(60)
    assert time.monotonic() - before < 5


def test_a_signal_that_interrupts_nothing_is_noticed_all_the_same() -> None:
    """It came just before the main thread began to wait, or another thread took it."""
    clock = SystemClock()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: clock.stop())

    def take_it() -> None:
        time.sleep(0.1)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    try:
        taker = threading.Thread(target=take_it)
        taker.start()
        began = time.monotonic()
        clock.sleep(30)
        taker.join()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert clock.stopping
    assert time.monotonic() - began < 10


def test_the_system_clock_sleeps_as_long_as_asked_and_tells_utc() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.05)
    clock.sleep(0)
    clock.sleep(-1)
    assert 0.04 < clock.monotonic() - before < 5
    assert clock.now().utcoffset() == timedelta(0)
    assert not clock.stopping


def test_simulated_time_moves_by_sleeping_and_not_by_itself() -> None:
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.sleep(90)
    clock.sleep(-5)
    clock.advance(30)
    assert clock.now() == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert clock.monotonic() == 120


def test_simulated_time_does_not_move_while_stopping() -> None:
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.stop()
    clock.sleep(90)
    assert clock.monotonic() == 0
    assert clock.stopping


def test_simulated_time_adds_up_over_threads() -> None:
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    threads = [threading.Thread(target=lambda: [clock.sleep(1) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 800


def test_simulated_time_needs_a_zone_and_never_runs_backwards() -> None:
    with pytest.raises(ValueError, match="zone"):
        SimulatedClock(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="backwards"):
        SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC)).advance(-1)
