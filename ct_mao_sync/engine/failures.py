"""When a target refuses: one record's fault, or the system's? (The caller acts; this only counts.)"""

from __future__ import annotations

import re

from ct_mao_sync.engine.values import Outcome
from ct_mao_sync.errors import Problem, RunStopped

SAME_FAILURE_MAX = 20


class HeldFailures:
    """Target failures wait here until some record of the run succeeds: then they were the records' own.
    Twenty with one code and no success between are the system's, and are nobody's dead letter."""

    def __init__(self, job: str, target: str) -> None:
        self._job = job
        self._target = target
        self._held: list[Outcome] = []
        self._same: int = 0
        self._code = ""
        self._stopped = False

    def __len__(self) -> int:
        return len(self._held)

    def failed(self, outcome: Outcome) -> None:
        """Raises RunStopped at the twentieth in a row."""
        assert outcome.rejection is not None
        code = f"{outcome.rejection.code} {outcome.rejection.context.get('remote_code', '')}".strip()
        self._same = self._same + 1 if code == self._code else 1
        self._code = code
        self._held.append(outcome)
        if self._same >= SAME_FAILURE_MAX:
            self._stopped = True
            last = outcome.rejection
            again = f"ct-mao-sync sync {self._job}"
            raise RunStopped(
                Problem(
                    code=last.code,
                    message=f"{self._job}: {self._same} records in a row were refused with the same answer, "
                    f"so the job was stopped; the last one: {last.message}",
                    # None of them is a dead letter, so there is nothing to replay.
                    hint=re.sub(r"ct-mao-sync replay-errors( --\w+ \S+)?", again, last.hint)
                    or f"find out what changed in {self._target}, then: {again}",
                    context=last.context,
                )
            )

    def succeeded(self) -> list[Outcome]:
        """A success: what was held back were single faults after all."""
        self._same = 0
        self._code = ""
        return self.release()

    def release(self) -> list[Outcome]:
        held, self._held = self._held, []
        # A late success of another worker does not undo the verdict.
        return [] if self._stopped else held
