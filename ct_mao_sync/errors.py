"""Every error of the tool, sorted by what the engine does next.

    SyncError                a small document: code, message, context, hint
    ├─ ConfigError           before anything is read; every mistake at once        exit 2
    ├─ RecordRejected        this record becomes a dead letter, the run goes on     exit 3 at the end
    ├─ Retriable             waited and tried until the time was up                 exit 4
    ├─ VersionConflict       read again and plan again, never resend                (exit 4 if it escapes)
    ├─ OutcomeUnknown        a write went out, no answer: read back first           exit 4
    ├─ RunStopped            a person must act                                      exit 5
    └─ LockHeld              another run of the job, or another loop, is alive      exit 6

This module imports nothing of ours, so that everything may import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as _field
from types import MappingProxyType
from typing import ClassVar

EXIT_OK = 0
EXIT_BUG = 1
EXIT_CONFIG = 2
EXIT_REJECTED = 3
EXIT_RETRIABLE = 4
EXIT_STOPPED = 5
EXIT_LOCKED = 6
EXIT_SIGINT = 130
EXIT_SIGTERM = 143

BUDGET_USED = "budget-used"

# Several outcomes, one exit code: the worst in this order.
_WORST_FIRST = (
    EXIT_BUG,
    EXIT_SIGINT,
    EXIT_SIGTERM,
    EXIT_CONFIG,
    EXIT_STOPPED,
    EXIT_RETRIABLE,
    EXIT_LOCKED,
    EXIT_REJECTED,
    EXIT_OK,
)

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_NO_CONTEXT: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem as a document; becomes terminal text, a JSON log line and a dead-letter row alike.

    code     stable and kebab-case, documented in README with cause and cure
    message  one line: what happened, to which record or key; never a secret, never personal data
    field    the field or configuration key it is about, "" when none
    hint     what to do, best with a command that can be pasted
    context  facts for a support ticket: remote, status, remote_code, correlation_id, and the like
    """

    code: str
    message: str
    field: str = ""
    hint: str = ""
    context: Mapping[str, str | int] = _field(default_factory=lambda: _NO_CONTEXT)

    def __post_init__(self) -> None:
        if not _KEBAB.match(self.code):
            raise ValueError(f"problem code {self.code!r} is not kebab-case")

    def with_context(self, **more: str | int) -> Problem:
        return replace(self, context={**self.context, **more})

    def as_dict(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "hint": self.hint,
            "context": dict(self.context),
        }


class Rejection(Problem):
    """A change that must not be applied; it becomes a dead letter. Inside mapping and planning it is
    a value that is returned, not an exception."""

    __slots__ = ()


class SyncError(Exception):
    """Base of every error that the tool raises on purpose."""

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.message}")
        self.problem = problem
        self.done: tuple[str, ...] = ()
        """Audit lines of the writes of the record that had been made before this one failed."""


class ConfigError(SyncError):
    """The configuration or the command line is wrong. `problems` holds every mistake found."""

    exit_code = EXIT_CONFIG

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems[0])


class RecordRejected(SyncError):
    """One record cannot be applied. Raised by clients for a remote refusal: code `target-refused`,
    with the remote's own code in `context["remote_code"]`; the job may name it better."""

    exit_code = EXIT_REJECTED


class Retriable(SyncError):
    """The system was asked again and again and did not answer well within `sync.retry_seconds`."""

    exit_code = EXIT_RETRIABLE


class VersionConflict(SyncError):
    """The target moved on between read and write (409, MAO 10208)."""

    exit_code = EXIT_RETRIABLE


class OutcomeUnknown(SyncError):
    """A write went out and no usable answer came: the target may or may not have it.
    `context["status"]` is the HTTP status when there was one (500, 502, 503, 504)."""

    exit_code = EXIT_RETRIABLE


class RunStopped(SyncError):
    """A person must act: authorisation, a limit that tripped, damaged state, wrong project."""

    exit_code = EXIT_STOPPED


class LockHeld(SyncError):
    """Another run of the same job, or another loop, is alive on the same state file."""

    exit_code = EXIT_LOCKED


def worst_exit_code(codes: Iterable[int]) -> int:
    """The one exit code of several outcomes."""
    found = set(codes) or {EXIT_OK}
    return next((code for code in _WORST_FIRST if code in found), EXIT_BUG)
