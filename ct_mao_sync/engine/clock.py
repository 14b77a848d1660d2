"""Time, in one place. Nothing else of the product asks the operating system what time it is, so that
a simulated day takes a second and a stop wakes everything that waits."""

from __future__ import annotations

import queue
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    @property
    def stopping(self) -> bool:
        """True once someone asked the process to come to an end."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC. Never compared with a remote's clock."""

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""

    def sleep(self, seconds: float) -> None:
        """Returns early, or at once, when stopping."""


_NAP_S = 1.0
"""A signal that comes just as the main thread begins to wait interrupts nothing: its handler runs only once
that wait is over. So no wait is longer than this, and a stop is never later."""


class SystemClock:
    """The real one."""

    def __init__(self) -> None:
        self._stopping = False
        # An Event's lock is not re-entrant: set() in a signal handler can meet the very thread that holds
        # it. Putting into a SimpleQueue is safe there, and wakes a sleeper just as well.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """Wakes every sleeper, for good. May be called from a signal handler."""
        self._stopping = True
        self._wake.put(None)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and (left_s := until - time.monotonic()) > 0:
            try:
                self._wake.get(timeout=min(left_s, _NAP_S))
            except queue.Empty:
                continue
            self._wake.put(None)  # for the next sleeper
            return


class SimulatedClock:
    """A clock that moves only by `sleep` and `advance`; safe for several threads."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start needs a time zone")
        self._start = start.astimezone(UTC)
        self._elapsed_s = 0.0
        self._stopping = False
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        self._stopping = True

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        if not self._stopping:
            self.advance(max(seconds, 0.0))
        time.sleep(0)  # let other threads have their turn, as a real sleep would

    def advance(self, seconds: float) -> None:
        """Time goes by, also while stopping."""
        if seconds < 0:
            raise ValueError("time does not go backwards")
        with self._lock:
            self._elapsed_s += seconds
