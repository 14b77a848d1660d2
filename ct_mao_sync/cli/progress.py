"""How a long run shows that it is alive: a line that is rewritten on a terminal, one line a minute
otherwise, nothing for short runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.report import Progress, RunReport

log = logging.getLogger("ct_mao_sync.run")

SHOW_AFTER_S = 2.0
REWRITE_EVERY_S = 0.2
LOG_EVERY_S = 60.0


@contextmanager
def progress_of(job: str) -> Iterator[Progress]:
    clock = SystemClock()
    started_s = clock.monotonic()
    terminal = sys.stderr.isatty()
    last_s = started_s
    shown = False

    def tell(report: RunReport) -> None:
        nonlocal last_s, shown
        now_s = clock.monotonic()
        if now_s - started_s < SHOW_AFTER_S:
            return
        if terminal and now_s - last_s >= REWRITE_EVERY_S:
            last_s, shown = now_s, True
            sys.stderr.write(
                f"\r{job}: read {report.read}, written {report.counts['written']}, "
                f"rejected {report.counts['rejected']}\x1b[K"
            )
            sys.stderr.flush()
        elif not terminal and now_s - last_s >= LOG_EVERY_S:
            last_s = now_s
            log.warning(
                "going on: read %d, written %d, rejected %d",
                report.read,
                report.counts["written"],
                report.counts["rejected"],
                extra={"job": job},
            )

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
