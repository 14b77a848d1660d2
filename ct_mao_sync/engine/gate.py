"""The one gate that every write passes: it knows `--dry-run` and writes the audit line."""

from __future__ import annotations

import logging
import threading

from ct_mao_sync.engine.values import Plan

log = logging.getLogger("ct_mao_sync.audit")


class Gate:
    """Texts are worded so that "about to <action> <subject>" reads as English."""

    def __init__(self, *, dry_run: bool, job: str, run: str) -> None:
        self.dry_run = dry_run
        self._job = job
        self._run = run
        self._lock = threading.Lock()
        self.held_back: list[Plan] = []
        """With `dry_run`: the plans that would have been applied, in order."""

    def opens_for(self, plan: Plan) -> bool:
        """True when the plan may be applied."""
        if self.dry_run:
            with self._lock:
                self.held_back.append(plan)
            return False
        for write in plan.writes:
            log.info(
                "about to %s %s",
                write.action,
                write.subject,
                extra={"job": self._job, "run": self._run, "entity": plan.entity, "label": plan.label},
            )
        return True
