"""How the pace follows what the server says."""

from __future__ import annotations

import threading

from clients_wire import a_clock

from ct_mao_sync.clients.limiter import Limiter, Pause
from ct_mao_sync.engine.clock import SystemClock


def test_the_server_s_advice_holds_back_everybody() -> None:
    clock = a_clock()
    limiter = Limiter(8, clock, wait_max_s=120)
    epoch = limiter.enter(120)
    limiter.push_back(epoch, 7.0)
    limiter.leave()

    limiter.enter(120)

    assert clock.monotonic() == 7.0


def test_what_one_client_is_told_holds_back_the_other_clients_of_the_host() -> None:
    clock = a_clock()
    pause = Pause()
    told, other = (Limiter(8, clock, wait_max_s=120, pause=pause) for _ in range(2))
    elsewhere = Limiter(8, clock, wait_max_s=120)
    told.push_back(told.enter(120), 7.0)

    elsewhere.enter(120)
    assert clock.monotonic() == 0
    other.enter(120)
    assert clock.monotonic() == 7.0
    assert (told.slots, other.slots) == (4, 8), "the slots are each client's own"


def test_without_advice_the_delay_doubles_and_a_good_answer_resets_it() -> None:
    clock = a_clock()
    limiter = Limiter(8, clock, wait_max_s=120)
    waits = []
    for _ in range(7):
        before = clock.monotonic()
        limiter.push_back(limiter.enter(120), None)
        limiter.leave()
        waits.append(clock.monotonic() - before)
    assert waits == [0, 1, 2, 4, 8, 16, 30]

    limiter.enter(120)
    limiter.good()
    limiter.push_back(1_000, None)  # a late warning of an old request
    before = clock.monotonic()
    limiter.leave()
    limiter.enter(120)
    assert clock.monotonic() - before == 1


def test_slots_are_halved_once_per_warning_and_come_back_one_by_one() -> None:
    clock = a_clock()
    limiter = Limiter(8, clock, wait_max_s=120)
    together = [limiter.enter(120) for _ in range(8)]
    for epoch in together:
        limiter.push_back(epoch, 0)
        limiter.leave()
    assert limiter.slots == 4

    for _ in range(49):
        limiter.good()
    assert limiter.slots == 4
    limiter.good()
    assert limiter.slots == 5
    for _ in range(1_000):
        limiter.good()
    assert limiter.slots == 8


def test_there_is_always_one_slot() -> None:
    limiter = Limiter(3, a_clock(), wait_max_s=120)
    for _ in range(5):
        limiter.push_back(limiter.enter(0), 0)
        limiter.leave()
    assert limiter.slots == 1


def test_no_wait_is_longer_than_the_patience_or_the_limit() -> None:
    clock = a_clock()
    limiter = Limiter(2, clock, wait_max_s=100)
    limiter.push_back(limiter.enter(100), 86_400)
    limiter.leave()
    limiter.enter(20)
    limiter.leave()
    assert clock.monotonic() == 20
    limiter.enter(10_000)
    assert clock.monotonic() == 100


def test_never_more_requests_under_way_than_slots() -> None:
    limiter = Limiter(3, SystemClock(), wait_max_s=1)
    lock, most, now = threading.Lock(), [0], [0]

    def work() -> None:
        for _ in range(5):
            limiter.enter(1)
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            SystemClock().sleep(0.001)
            with lock:
                now[0] -= 1
            limiter.leave()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 3


def test_a_stop_ends_the_waiting() -> None:
    clock = SystemClock()
    limiter = Limiter(1, clock, wait_max_s=60)
    limiter.push_back(limiter.enter(60), 60)
    waiting = threading.Thread(target=limiter.enter, args=(60,))
    waiting.start()
    clock.stop()
    waiting.join(5)
    assert not waiting.is_alive()
