"""One run of a job, and one loop, at a time on one state file."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.lock import job_lock, lock_path, loop_lock
from ct_mao_sync.errors import LockHeld, RunStopped


class StandingClock:
    """Time passes only by sleeping, and what is to happen meanwhile happens then."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.stopping = False
        self.meanwhile = lambda: None

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.slept_s)

    def monotonic(self) -> float:
        return self.slept_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.meanwhile()


def test_a_look_whether_a_run_is_alive_keeps_no_run_from_starting(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite3"
    with job_lock(state, "orders", 0, SystemClock()):
        pass
    look = os.open(lock_path(state, "orders"), os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    clock = StandingClock()
    clock.meanwhile = lambda: fcntl.flock(look, fcntl.LOCK_UN)

    with job_lock(state, "orders", 0, clock):
        assert clock.slept_s < 0.1
    os.close(look)


HOLDER = """
import sys
from pathlib import Path
from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.lock import job_lock
with job_lock(Path(sys.argv[1]), sys.argv[2], 0, SystemClock()):
    print("held", flush=True)
    sys.stdin.read()
"""


def a_holder(state: Path, job: str = "orders") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state), job],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_run_of_the_job_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    holder = a_holder(state)
    try:
        with pytest.raises(LockHeld) as caught, job_lock(state, "orders", 0, StandingClock()):
            raise AssertionError("it ran in spite of the lock")
    finally:
        end(holder)

    assert caught.value.problem.code == "lock-held"
    assert "orders" in caught.value.problem.message
    assert str(holder.pid) in caught.value.problem.message
    assert caught.value.problem.context["pid"] == holder.pid
    assert caught.value.exit_code == 6


def test_kill_9_frees_the_lock(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    holder = a_holder(state)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()

    with job_lock(state, "orders", 0, StandingClock()):
        assert lock_path(state, "orders").read_text() == str(os.getpid())


def test_different_jobs_and_different_files_run_side_by_side(tmp_path: Path) -> None:
    clock = StandingClock()

    with (
        job_lock(tmp_path / "state.db", "orders", 0, clock),
        job_lock(tmp_path / "state.db", "status", 0, clock),
        job_lock(tmp_path / "other.db", "orders", 0, clock),
    ):
        assert len(list(tmp_path.iterdir())) == 3


def test_one_loop_at_a_time_on_a_state_file_whose_jobs_have_their_own_locks(tmp_path: Path) -> None:
    clock = StandingClock()

    with loop_lock(tmp_path / "state.db", clock):
        with job_lock(tmp_path / "state.db", "orders", 0, clock), loop_lock(tmp_path / "other.db", clock):
            pass
        with pytest.raises(LockHeld) as caught, loop_lock(tmp_path / "state.db", clock):
            raise AssertionError("two loops on one state file")

    assert caught.value.exit_code == 6
    problem = caught.value.problem
    assert problem.code == "lock-held" and f"process {os.getpid()}" in problem.message
    assert f"ps -p {os.getpid()}" in problem.hint
    assert "--wait" not in problem.hint  # `run` has no such option
    with loop_lock(tmp_path / "state.db", clock):
        pass


def test_two_runs_in_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    clock = StandingClock()

    with (
        job_lock(tmp_path / "state.db", "orders", 0, clock),
        pytest.raises(LockHeld),
        job_lock(tmp_path / "state.db", "orders", 0, clock),
    ):
        raise AssertionError("it ran in spite of the lock")


def test_waiting_ends_when_the_lock_becomes_free(tmp_path: Path) -> None:
    clock = StandingClock()
    first = job_lock(tmp_path / "state.db", "orders", 0, clock)
    first.__enter__()

    def free_after_three_seconds() -> None:
        if clock.slept_s >= 3 and not freed:
            freed.append(True)
            first.__exit__(None, None, None)

    freed: list[bool] = []
    clock.meanwhile = free_after_three_seconds

    with job_lock(tmp_path / "state.db", "orders", 60, clock):
        assert 3 <= clock.slept_s < 4


def test_waiting_has_an_end(tmp_path: Path) -> None:
    clock = StandingClock()

    with (
        job_lock(tmp_path / "state.db", "orders", 0, clock),
        pytest.raises(LockHeld),
        job_lock(tmp_path / "state.db", "orders", 7.5, clock),
    ):
        raise AssertionError("it ran in spite of the lock")

    assert clock.slept_s == pytest.approx(7.5)


def test_a_stop_ends_the_waiting_at_once(tmp_path: Path) -> None:
    clock = StandingClock()

    def stop() -> None:
        clock.stopping = True

    clock.meanwhile = stop
    with (
        job_lock(tmp_path / "state.db", "orders", 0, clock),
        pytest.raises(LockHeld),
        job_lock(tmp_path / "state.db", "orders", 3600, clock),
    ):
        raise AssertionError("it ran in spite of the lock")

    assert clock.slept_s < 1


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    clock = StandingClock()
    with pytest.raises(ZeroDivisionError), job_lock(tmp_path / "state.db", "orders", 0, clock):
        raise ZeroDivisionError

    with job_lock(tmp_path / "state.db", "orders", 0, clock):
        pass


def test_a_command_started_by_the_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    clock = StandingClock()
    with job_lock(tmp_path / "state.db", "orders", 0, clock):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        # The kernel closes the child's copy while it starts; that may be a moment later.
        with job_lock(tmp_path / "state.db", "orders", 10, SystemClock()):
            assert child.poll() is None
    finally:
        child.kill()
        child.communicate()


def test_the_lock_file_is_private_and_stays(tmp_path: Path) -> None:
    with job_lock(tmp_path / "state.db", "orders", 0, StandingClock()):
        pass

    file = tmp_path / "state.db.orders.lock"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(RunStopped) as caught,
        job_lock(tmp_path / "none" / "s.db", "orders", 0, StandingClock()),
    ):
        raise AssertionError("it ran without a lock")

    assert caught.value.problem.code == "state-unwritable"
    assert str(tmp_path / "none") in caught.value.problem.message


@pytest.mark.parametrize("job", ["../orders", "", "a/b", "Orders"])
def test_a_job_name_is_never_a_way_out_of_the_folder(tmp_path: Path, job: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        lock_path(tmp_path / "state.db", job)
