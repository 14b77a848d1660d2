"""`manhattan.max_requests_per_hour`: the request budget that all processes on one state file share.

MAO counts requests by the hour and tenant (MAO docs: API limits). Taken in blocks, so that counting costs
little; what is left of a block is given back.

When it is short, orders go first, then status, returns, what changed in stock, and sweeps last: the later
ones leave a share to the others. The share shrinks as the hour goes by, so that nothing is left unused.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import BUDGET_USED, Problem, Retriable
from ct_mao_sync.state.store import Store

BLOCK = 25
_HOUR = timedelta(hours=1)
LEFT_TO_OTHERS = {"orders": 0.0, "status": 0.05, "returns": 0.1, "inventory": 0.2}
"""Share of a whole hour that a job leaves to those before it."""
LEFT_BY_SWEEPS = 0.4


class RequestBudget:
    """Called before each request, by any thread. Raises Retriable `budget-used` once the hour's share is
    gone: nothing was sent, the run ends, and the next one goes on from where it was."""

    def __init__(self, path: Path, limit: int, clock: Clock, job: str = "") -> None:
        self._path = path
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._left = 0
        self._hour: datetime | None = None
        self._others = LEFT_TO_OTHERS.get(job, 0.0)
        self._sweeps = False

    def __call__(self) -> None:
        with self._lock:
            now = self._clock.now()
            hour = now.replace(minute=0, second=0, microsecond=0)
            if self._left == 0 or hour != self._hour:
                most = self._most(now - hour)
                # Its own connection: the one of the run belongs to another thread.
                with Store.open(self._path) as store:
                    self._left = store.take_budget(hour, BLOCK, most)
                self._hour = hour
                if self._left == 0:
                    raise Retriable(self._used(most))
            self._left -= 1

    def sweep(self, sweeps: bool) -> None:
        """What is asked from now on belongs to a sweep, or does so no more."""
        if sweeps != self._sweeps:
            self.close()
            self._sweeps = sweeps

    def close(self) -> None:
        """Gives back what was taken and not used."""
        with self._lock:
            if self._left and self._hour is not None:
                with Store.open(self._path) as store:
                    store.give_back_budget(self._hour, self._left)
                self._left = 0

    def _most(self, gone: timedelta) -> int:
        """At least 1: 0 would be no limit."""
        share = LEFT_BY_SWEEPS if self._sweeps else self._others
        return max(1, int(self._limit * (1 - share * (1 - gone / _HOUR))))

    def _used(self, most: int) -> Problem:
        others = "" if most == self._limit else f", {self._limit - most} of which are left to other work,"
        return Problem(
            BUDGET_USED,
            f"the {self._limit} requests that this hour may take from MAO{others} are used up",
            field="manhattan.max_requests_per_hour",
            hint="nothing is lost, the next hour goes on; or raise max_requests_per_hour under [manhattan]",
        )
