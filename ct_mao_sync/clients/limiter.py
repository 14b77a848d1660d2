"""How many requests may be under way at one host, and from when on. Slots are shared by all workers of a
client, the moment by all clients of the host."""

from __future__ import annotations

import threading

from ct_mao_sync.engine.clock import Clock

GOOD_ANSWERS_PER_SLOT = 50
FIRST_DELAY_S = 1.0
DELAY_MAX_S = 30.0
_POLL_S = 0.02


class Pause:
    """The moment before which nobody asks a host anything. One for all clients of the host in a process: what
    the server says to one job holds for the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until_s = float("-inf")

    @property
    def until_s(self) -> float:
        """On the monotonic clock."""
        return self._until_s

    def extend(self, until_s: float) -> None:
        with self._lock:
            self._until_s = max(self._until_s, until_s)


class Limiter:
    """`slots_max` slots and one shared not-before moment. A 429 or 503 sets the moment (the server's
    Retry-After, else a delay that doubles) and halves the slots; 50 good answers give one back.

    All waiting goes through `clock.sleep`, so that a stop wakes it and a simulation can steer it.
    """

    def __init__(
        self, slots_max: int, clock: Clock, *, wait_max_s: float, pause: Pause | None = None
    ) -> None:
        if slots_max < 1:
            raise ValueError("a limiter needs at least one slot")
        self._slots_max = slots_max
        self._slots = slots_max
        self._clock = clock
        self._wait_max_s = wait_max_s
        self._lock = threading.Lock()
        self._under_way = 0
        self._pause = pause or Pause()
        self._good = 0
        self._delay_s = FIRST_DELAY_S
        self._epoch = 0

    @property
    def slots(self) -> int:
        return self._slots

    def enter(self, patience_s: float) -> int:
        """Waits for a free slot and, at most `patience_s`, for the not-before moment. Gives the epoch
        that `push_back` wants to know. While stopping nothing waits."""
        hurry_s = self._clock.monotonic() + max(patience_s, 0.0)
        while True:
            with self._lock:
                now_s = self._clock.monotonic()
                wait_s = min(self._pause.until_s, hurry_s) - now_s
                if self._clock.stopping or (wait_s <= 0 and self._under_way < self._slots):
                    self._under_way += 1
                    return self._epoch
            self._clock.sleep(wait_s if wait_s > 0 else _POLL_S)

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1

    def good(self) -> None:
        """An answer came that was not "slow down"."""
        with self._lock:
            self._delay_s = FIRST_DELAY_S
            if self._slots == self._slots_max:
                return
            self._good += 1
            if self._good >= GOOD_ANSWERS_PER_SLOT:
                self._good = 0
                self._slots += 1

    def push_back(self, epoch: int, retry_after_s: float | None) -> None:
        """The server asks to slow down. Requests that were under way together count as one warning:
        the slots are halved once, not once for each of them."""
        with self._lock:
            first_warning = epoch == self._epoch
            if first_warning:
                self._epoch += 1
                self._slots = max(1, self._slots // 2)
                self._good = 0
            if retry_after_s is not None:
                delay_s = retry_after_s
            else:
                delay_s = self._delay_s
                if first_warning:
                    self._delay_s = min(self._delay_s * 2, DELAY_MAX_S)
            self._pause.extend(self._clock.monotonic() + min(max(delay_s, 0.0), self._wait_max_s))
