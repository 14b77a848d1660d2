"""Crashes: the process is gone at the n-th request, before or after its effect, or at the n-th commit, before
or after it. (What goes wrong at the two services is the sandbox's own: `ct_mao_sync.sandbox.faults`.)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from ct_mao_sync.sandbox.adapter import SandboxAdapter
from ct_mao_sync.state.store import Store

POINTS = ("send before", "send after", "commit before", "commit after")

# Rates from which a schedule is drawn. Not in it: an endless body (64 MB of CPU each), 403 (a person's task).
SYSTEM_FAULTS = {
    "429": 0.15,
    "503": 0.15,
    "500": 0.08,
    "500-after": 0.12,
    "503-after": 0.08,
    "lost-before": 0.08,
    "lost-after": 0.15,
    "hang": 0.05,
    "hang-after": 0.08,
    "connect-refused": 0.1,
    "connect-timeout": 0.05,
    "401": 0.1,
    "409": 0.3,
    "slow": 0.1,
    "stale": 0.3,
    "duplicate": 0.3,
    "not-json": 0.08,
    "truncated": 0.08,
    "no-date": 0.05,
}


class Crash(BaseException):
    """As by kill -9: nothing of the product may catch it."""


@dataclass
class CrashPlan:
    """Dies when `point` is passed for the `at`-th time; an empty point never."""

    point: str = ""
    at: int = 0
    passed: int = 0

    def tick(self, point: str) -> None:
        if point == self.point:
            self.passed += 1
            if self.passed == self.at:
                raise Crash(f"{point} {self.at}")


class CrashingAdapter(SandboxAdapter):
    """The transport; `between` is called before each request: life goes on while a run is under way."""

    crashes: CrashPlan
    between: Callable[[], None]

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.between()
        self.crashes.tick("send before")
        try:
            return super().send(request, *args, **kwargs)
        finally:
            self.crashes.tick("send after")


class CrashingStore(Store):
    """The real store."""

    crashes: CrashPlan
    _inside = False

    @contextmanager
    def atomic(self) -> Iterator[None]:
        if self._inside:
            with super().atomic():
                yield
            return
        self._inside = True
        try:
            with super().atomic():
                yield
                self.crashes.tick("commit before")
        finally:
            self._inside = False
        self.crashes.tick("commit after")
