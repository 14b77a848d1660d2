"""When a job runs next. Pure.

    start ──── every ────► start ──── every ────► …        a run that is late does not shift the ones after it
    start ── fails ─ 2×every ─► fails ── 4×every ──► …      a failing job backs off, and is back at once

A circuit is open after three failures in a row: the job is tried from time to time only, and says so.
"""

from __future__ import annotations

import random

BACK_OFF_MAX_S = 900.0
OPEN_AFTER = 3
PAUSE_MIN_S = 1.0
_JITTER = 0.05


def next_delay_s(every_s: float, *, failures: int, took_s: float, rng: random.Random) -> float:
    """Seconds from the end of a run to the beginning of the next; `failures` in a row, this run included."""
    if failures:
        longest_s = max(every_s, BACK_OFF_MAX_S)
        delay_s = min(every_s * 2.0 ** min(failures, 20), longest_s)
    else:
        # A run that took longer than its rhythm still leaves the two systems a moment.
        delay_s = max(every_s - took_s, every_s / 10)
    # Several installations that were started together must not stay together.
    return max(PAUSE_MIN_S, delay_s * rng.uniform(1 - _JITTER, 1 + _JITTER))


def is_open(failures: int) -> bool:
    return failures >= OPEN_AFTER
