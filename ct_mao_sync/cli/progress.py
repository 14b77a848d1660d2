"""How long work shows that it is alive: a line that is rewritten on a terminal, with a bar where the end is
known; one line a minute otherwise; nothing for short work."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.report import Progress, RunReport

log = logging.getLogger("ct_mao_sync.run")

SHOW_AFTER_S = 2.0
REWRITE_EVERY_S = 0.2
LOG_EVERY_S = 60.0
BAR_WIDTH = 24


def render_line(subject: str, done: int, total: int | None, said: str, elapsed_s: float, width: int) -> str:
    """One line of at most `width` characters; the bar goes first where there is little room."""
    if total is None:
        parts = [f"{subject}: {done}", said]
    else:
        share = min(1.0, done / total) if total else 1.0
        full = round(share * BAR_WIDTH)
        left = f"{_rounded(elapsed_s * (1 - share) / share)} left" if 0 < share < 1 else ""
        parts = [f"{subject}: {done} of {total}", said, left]
        bar = f"[{'#' * full}{'.' * (BAR_WIDTH - full)}]"
        line = "  ".join(part for part in (parts[0], bar, *parts[1:]) if part)
        if len(line) <= width:
            return line
    line = "  ".join(part for part in parts if part)
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Telling:
    """Called with how many are done and what else there is to say, as often as one likes."""

    def __init__(self, subject: str, total: int | None) -> None:
        self._subject = subject
        self._total = total
        self._clock = SystemClock()
        self._started_s = self._last_s = self._clock.monotonic()
        self._on_terminal = sys.stderr.isatty()
        self._shown = False

    def __call__(self, done: int, said: str) -> None:
        now_s = self._clock.monotonic()
        elapsed_s, since_last_s = now_s - self._started_s, now_s - self._last_s
        if elapsed_s < SHOW_AFTER_S:
            return
        if self._on_terminal and (since_last_s >= REWRITE_EVERY_S or not self._shown):
            self._last_s, self._shown = now_s, True
            width = shutil.get_terminal_size((80, 24)).columns - 1  # the last column may wrap
            line = render_line(self._subject, done, self._total, said, elapsed_s, width)
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        elif not self._on_terminal and since_last_s >= LOG_EVERY_S:
            self._last_s = now_s
            line = render_line("going on", done, self._total, said, elapsed_s, 200)
            log.warning("%s", line, extra={"job": self._subject})

    def clear(self) -> None:
        """Before something else is printed."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def telling(subject: str, total: int | None = None) -> Iterator[Telling]:
    tell = Telling(subject, total)
    try:
        yield tell
    finally:
        tell.clear()


@contextmanager
def progress_of(job: str, total: int | None = None) -> Iterator[Progress]:
    """Of a run."""
    with telling(job, total) as tell:

        def tell_report(report: RunReport) -> None:
            counts = report.counts
            tell(report.read, f"written {counts['written']}, rejected {counts['rejected']}")

        yield tell_report
