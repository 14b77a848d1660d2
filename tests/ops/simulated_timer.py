"""A timer on a simulated clock: time goes by only when `advance_to` says so."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import timedelta

from ct_mao_sync.engine.clock import SimulatedClock


class SimulatedTimer:
    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, str]] = []
        self._calls: dict[str, tuple[int, Callable[[], None]]] = {}
        self._numbers = itertools.count()
        self.is_shut_down = False

    def call_in(self, delay_s: float, name: str, call: Callable[[], None]) -> None:
        number = next(self._numbers)
        self._calls[name] = (number, call)
        heapq.heappush(self._due, (self._clock.monotonic() + delay_s, number, name))

    def shutdown(self) -> None:
        self.is_shut_down = True

    def advance(self, span: timedelta) -> None:
        """Calls everything that falls due, one after the other, each at its moment."""
        end_s = self._clock.monotonic() + span.total_seconds()
        while self._due and self._due[0][0] <= end_s and not self.is_shut_down:
            at_s, number, name = heapq.heappop(self._due)
            if name not in self._calls or self._calls[name][0] != number:
                continue  # replaced
            _, call = self._calls.pop(name)
            self._clock.advance(max(0.0, at_s - self._clock.monotonic()))
            call()
        self._clock.advance(max(0.0, end_s - self._clock.monotonic()))
