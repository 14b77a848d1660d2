"""`manhattan.max_requests_per_hour`: the request budget that all processes on one state file share.

MAO counts requests by the hour and tenant (MAO docs: API limits). Taken in blocks, so that counting costs
little; what is left of a block is given back.
"""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import Problem, Retriable
from ct_mao_sync.state.store import Store

BLOCK = 25


class RequestBudget:
    """Called before each request, by any thread. Raises Retriable `budget-used` once the hour's share is
    gone: nothing was sent, the run ends, and the next one goes on from where it was."""

    def __init__(self, path: Path, limit: int, clock: Clock) -> None:
        self._path = path
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._left = 0
        self._hour: datetime | None = None

    def __call__(self) -> None:
        with self._lock:
            hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
            if self._left == 0 or hour != self._hour:
                # Its own connection: the one of the run belongs to another thread.
                with Store.open(self._path) as store:
                    self._left = store.take_budget(hour, BLOCK, self._limit)
                self._hour = hour
            if self._left == 0:
                raise Retriable(
                    Problem(
                        "budget-used",
                        f"the {self._limit} requests that this hour may take from MAO are used up",
                        field="manhattan.max_requests_per_hour",
                        hint="nothing is lost, the next hour goes on; "
                        "or raise max_requests_per_hour under [manhattan]",
                    )
                )
            self._left -= 1

    def close(self) -> None:
        """Gives back what was taken and not used."""
        with self._lock:
            if self._left and self._hour is not None:
                with Store.open(self._path) as store:
                    store.give_back_budget(self._hour, self._left)
                self._left = 0
