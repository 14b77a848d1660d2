"""One message when something begins to need an eye, one when it is over. `[alerts]` says what and to whom.

An incident is opened above its limit and is over well below it, so that a value on the limit does not ring
all night. What is open stands in the state file: runs of every process share it.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.rows import Incident
from ct_mao_sync.errors import EXIT_RETRIABLE
from ct_mao_sync.ops.facts import JobFacts, is_held_back
from ct_mao_sync.state.store import Store

log = logging.getLogger("ct_mao_sync.alerts")

TIMEOUT_S = 10.0
"""Of the command: shorter than the time that a stopping process has."""
FAILURES_MAX = 2
"""A system may be away for so many runs in a row before anybody is woken; what needs a person is told at
once."""
_OVER_AT = 0.8
_ANSWER_BYTES_MAX = 300


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is watched. `value` above `limit` opens an incident; it is over at `over_at`."""

    key: str
    kind: str
    job: str
    value: float
    limit: float
    over_at: float
    message: str
    hint: str

    def opens(self) -> bool:
        return self.value > self.limit

    def is_over(self) -> bool:
        return self.value <= self.over_at


@dataclass(frozen=True, slots=True)
class AlertPlan:
    begin: Sequence[Condition]
    end: Sequence[Incident]


def find_conditions(facts: Sequence[JobFacts], *, dead_letters_max: int, lag_max_s: float) -> list[Condition]:
    """What is watched, as it is now."""
    waiting = {code: 0 for each in facts for code in each.dead_letters}
    for each in facts:
        for code, n in each.dead_letters.items():
            waiting[code] += n
    count = sum(waiting.values())
    waits = "1 record waits as a dead letter" if count == 1 else f"{count} records wait as dead letters"
    worst = ", ".join(f"{n} {code}" for code, n in sorted(waiting.items(), key=lambda x: -x[1])[:3])
    found = [
        Condition(
            key="dead-letters",
            kind="dead-letters",
            job="",
            value=count,
            limit=dead_letters_max,
            over_at=dead_letters_max * _OVER_AT,
            message=f"{waits} (limit {dead_letters_max}): {worst}",
            hint="ct-mao-sync errors list",
        )
    ]
    for each in facts:
        found.append(_failing(each))
        if each.lag_s is not None:
            found.append(
                Condition(
                    key=f"lag:{each.job}",
                    kind="lag",
                    job=each.job,
                    value=round(each.lag_s),
                    limit=lag_max_s,
                    over_at=lag_max_s * _OVER_AT,
                    message=f"{each.job} is {_span(each.lag_s)} behind (limit {_span(lag_max_s)})",
                    hint=f"ct-mao-sync doctor; ct-mao-sync sync {each.job}",
                )
            )
    return found


def _failing(facts: JobFacts) -> Condition:
    run = facts.last_run
    why = run.message if run is not None and run.message else "see its log"
    if run is not None and is_held_back(run):
        value, limit = 1, 0
        what, why = "holds writes back until a person has looked", "a limit tripped"
    else:
        away = run is not None and run.exit_code == EXIT_RETRIABLE
        value, limit = facts.failures, FAILURES_MAX if away else 0
        what = f"has failed {facts.failures} times in a row" if facts.failures > 1 else "has failed"
    return Condition(
        key=f"job-failing:{facts.job}",
        kind="job-failing",
        job=facts.job,
        value=value,
        limit=limit,
        over_at=0,
        message=f"{facts.job} {what}: {why}",
        hint=f"ct-mao-sync doctor; ct-mao-sync sync {facts.job}",
    )


def plan_alerts(conditions: Sequence[Condition], open_incidents: Mapping[str, Incident]) -> AlertPlan:
    """Pure. An incident of something that is not watched any more (a job switched off) is over."""
    watched = {condition.key: condition for condition in conditions}
    told = {key for key, incident in open_incidents.items() if incident.told_at}
    begin = [condition for condition in conditions if condition.opens() and condition.key not in told]
    end = [
        incident for key, incident in open_incidents.items() if key not in watched or watched[key].is_over()
    ]
    return AlertPlan(begin, end)


def apply_alerts(config: Config, store: Store, facts: Sequence[JobFacts], clock: Clock) -> None:
    """Tells what has to be told. A command that fails or hangs costs TIMEOUT_S and a log line; the message is
    tried again by a later run."""
    section = config.alerts
    conditions = find_conditions(
        facts, dead_letters_max=section.dead_letters, lag_max_s=section.lag.total_seconds()
    )
    plan = plan_alerts(conditions, store.incidents())
    for condition in plan.begin:
        if clock.stopping:
            return
        now = clock.now()
        if store.claim_incident(condition.key, condition.message, at=now):
            document = _begin_document(condition, now)
            if send_alert(section.command, document, hidden=config.secrets()):
                store.incident_told(condition.key, at=clock.now())
    for incident in plan.end:
        if clock.stopping:
            return
        now = clock.now()
        if store.claim_resolution(incident.key, at=now):
            document = _end_document(incident, now)
            if send_alert(section.command, document, hidden=config.secrets()):
                store.forget_incident(incident.key)


def send_alert(command: str, document: Mapping[str, Any], *, hidden: Sequence[str] = ()) -> bool:
    """Starts the command (no shell; words as a shell would split them) with the document on its standard
    input. True when it ended with 0 in time. Our secrets are not in its environment."""
    env = {name: value for name, value in os.environ.items() if value not in hidden}
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=env,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            log.warning("the alert command cannot be started: %s", error)
            return False
        try:
            process.communicate(json.dumps(document).encode() + b"\n", timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Its children too: they would keep the pipe.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            log.warning("the alert command did not end within %.0f s and was stopped", TIMEOUT_S)
            return False
        if process.returncode == 0:
            return True
        said.seek(0)
        text = " ".join(said.read(_ANSWER_BYTES_MAX).decode("utf-8", "replace").split())
        log.warning("the alert command ended with exit code %d%s", process.returncode, text and f": {text}")
        return False


def _begin_document(condition: Condition, now: datetime) -> dict[str, Any]:
    return {
        "event": "opened",
        "incident": condition.kind,
        "key": condition.key,
        "job": condition.job,
        "at": _iso(now),
        "since": _iso(now),
        "message": condition.message,
        "hint": condition.hint,
        "value": condition.value,
        "limit": condition.limit,
    }


def _end_document(incident: Incident, now: datetime) -> dict[str, Any]:
    kind, _, job = incident.key.partition(":")
    return {
        "event": "resolved",
        "incident": kind,
        "key": incident.key,
        "job": job,
        "at": _iso(now),
        "since": _iso(incident.since),
        "message": f"over: {incident.message}",
        "hint": "",
    }


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
