"""Work that must grow with its input and not with the square of it, on any machine however busy."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES = 4
GROWTH_MAX = 10
"""Of the CPU time when the input grows to four times its size: linear work takes 4, quadratic 16."""
UNMEASURABLE_S = 0.05


def assert_linear(work: Callable[[int], object], size: int, *, rounds: int = 3) -> None:
    small_s = min(_cpu_s(work, size) for _ in range(rounds))
    large_s = min(_cpu_s(work, size * TIMES) for _ in range(rounds))
    told = f"{size}: {small_s:.3f} s, {size * TIMES}: {large_s:.3f} s of CPU"
    assert large_s < max(GROWTH_MAX * small_s, UNMEASURABLE_S), told


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    began_s = time.process_time()
    work(size)
    return time.process_time() - began_s
