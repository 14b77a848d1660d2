"""One run of a job, and one loop, at a time on one state file; different jobs run side by side.

The lock is the kernel's: it is gone with the process, however that ended. The file stays (removing it would
let two processes lock two files of one name) and holds the number of its last holder, for the message only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import LockHeld, Problem, RunStopped

_POLL_S = 0.2
_LOOK_S = 0.1
"""`overview` and `doctor` hold the lock for a moment when they look whether a run is alive: no run has to
leave because of that."""
_JOB = re.compile(r"[a-z][a-z0-9_-]*\Z")
_LOOP = "loop"
"""Stands where the lock of a job has the job's name; no job is called so."""


def lock_path(state_path: Path, job: str) -> Path:
    if not _JOB.match(job):
        raise ValueError(f"{job!r} cannot be part of a file name")
    return state_path.with_name(f"{state_path.name}.{job}.lock")


@contextlib.contextmanager
def job_lock(state_path: Path, job: str, wait_s: float, clock: Clock) -> Iterator[None]:
    """Holds the lock of the job for the time of the block, after waiting up to `wait_s` for it.

    Raises LockHeld (`lock-held`) when another run is still alive then, RunStopped (`state-unwritable`)
    when the lock file cannot be made."""
    with _lock(lock_path(state_path, job), wait_s, clock, lambda pid: _job_held(job, pid)):
        yield


@contextlib.contextmanager
def loop_lock(state_path: Path, clock: Clock) -> Iterator[None]:
    """Holds the lock of the loop for the time of the block; the locks of its jobs are others.

    Raises LockHeld (`lock-held`) at once when another loop is alive, RunStopped as `job_lock` does."""
    with _lock(lock_path(state_path, _LOOP), 0.0, clock, _loop_held):
        yield


@contextlib.contextmanager
def _lock(path: Path, wait_s: float, clock: Clock, held: Callable[[int], Problem]) -> Iterator[None]:
    """`held`: what is told of the process that has it, 0 when it did not say who it is."""
    try:
        # Not inherited: a command started by the run must not keep the lock after it.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason, hint = error.strerror, f"check free space and permissions: ls -ld {path.parent}"
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {path.parent}"
            hint = f"correct state.path, or make the folder: mkdir -p {path.parent}"
        raise RunStopped(
            Problem(
                "state-unwritable",
                f"the lock file {path} cannot be written: {reason}",
                field="state.path",
                hint=hint,
                context={"path": str(path)},
            )
        ) from None
    try:
        deadline = clock.monotonic() + max(wait_s, _LOOK_S)
        while not _locked(handle):
            left_s = deadline - clock.monotonic()
            if left_s <= 0 or clock.stopping:
                problem = held(_pid_in(handle))
                raise LockHeld(replace(problem, context={**problem.context, "path": str(path)}))
            clock.sleep(min(_POLL_S if wait_s else _LOOK_S / 4, left_s))
        # A full disk must not keep a run from starting: the number is for the message only.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def holder_of(state_path: Path, job: str) -> int | None:
    """The process that runs the job now, 0 when it did not say who it is; None when no run is alive. Holds a
    shared lock for a moment: nothing is created or written."""
    try:
        handle = os.open(lock_path(state_path, job), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, InterruptedError):
        return _pid_in(handle)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, InterruptedError):
        return False
    return True


def _pid_in(handle: int) -> int:
    text = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else 0


def _job_held(job: str, pid: int) -> Problem:
    return Problem(
        "lock-held",
        f"another run of job {job} is alive ({_process(pid)})",
        hint=f"wait for it, or give --wait SECONDS; to see it: ps -p {pid}" if pid else "try again later",
        context={"job": job, "pid": pid},
    )


def _loop_held(pid: int) -> Problem:
    see = f"; to see it: ps -p {pid}" if pid else ""
    return Problem(
        "lock-held",
        f"another ct-mao-sync run is alive on this state file ({_process(pid)})",
        hint=f"leave the work to it, or stop it before this one is started{see}",
        context={"pid": pid},
    )


def _process(pid: int) -> str:
    return f"process {pid}" if pid else "another process"
