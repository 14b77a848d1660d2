"""How `run` looks: a start, runs, a system that is down for long, a restart in the middle of it, a stop."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from golden import Stage, Typed, at_both_widths
from ops.simulated_timer import SimulatedTimer

from ct_mao_sync.ops.health import HEARTBEAT_S

MORE = """
[sync]
retry_seconds = 5
[schedule]
orders = "1m"
inventory = ""
returns = ""
health_file = "health.json"
"""


class Service:
    """`run` on the stage's clock: what is to happen after so many minutes, a signal at last."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self._timer: SimulatedTimer
        self._events: dict[int, Callable[[], Any]] = {}
        sleep = stage.clock.sleep

        def new_timer(*_: Any) -> SimulatedTimer:
            self._timer = SimulatedTimer(stage.clock)
            self._began_s = stage.clock.monotonic()
            return self._timer

        def sleeping(seconds: float) -> None:
            if seconds != HEARTBEAT_S:
                sleep(seconds)
                return
            self._timer.advance(timedelta(seconds=seconds))
            minutes = (stage.clock.monotonic() - self._began_s) / 60
            for at in [at for at in self._events if at <= minutes]:
                self._events.pop(at)()

        monkeypatch.setattr("ct_mao_sync.ops.loop.BackgroundTimer", new_timer)
        monkeypatch.setattr(stage.clock, "sleep", sleeping)

    def until(self, minutes: int, **events: Callable[[], Any]) -> None:
        """`at_3=…`: after three minutes."""
        self._events = {int(at.removeprefix("at_")): act for at, act in events.items()}
        last = self._events.pop(minutes, lambda: None)
        self._events[minutes] = lambda: (last(), signal.raise_signal(signal.SIGTERM))

    @property
    def health(self) -> Any:
        return json.loads((self.stage.config_path.parent / "health.json").read_text())


@at_both_widths
def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(more=MORE)
    service = Service(stage, monkeypatch)
    typed, meanwhile = Typed(stage, width), Typed(stage, width)
    stage.place(2)

    def fail() -> None:
        stage.place(3)
        stage.sandbox.faults.always(lambda request: "/search" in request.path, "connect-refused")

    def look() -> None:
        """In another terminal."""
        log = logging.getLogger("ct_mao_sync")
        handlers = list(log.handlers)
        meanwhile("overview")
        log.handlers[:] = handlers

    service.until(11, at_2=fail)
    typed("run", code=143)
    assert (service.health["state"], service.health["jobs"]["orders"]["circuit"]) == ("stopped", "open")
    look()

    stage.clock.advance(60)
    stage.sandbox.faults.rules.clear()
    service.until(8, at_2=look, at_8=look)
    typed("run", code=143)
    typed.check("run")
    meanwhile.check("overview-of-run")
