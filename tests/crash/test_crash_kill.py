"""kill -9 at any point: the next run completes the work; nothing is lost, nothing doubled.

A few moments here; `make crash` goes through all of them (test_crash_everywhere.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_scene import DONE, KILLED, Aftermath, Later, Machine, assert_same


@pytest.mark.parametrize(
    ("kind", "number", "where"),
    [
        pytest.param("token", 1, "before", id="before-anything-was-read"),
        pytest.param("search", 2, "before", id="while-the-second-page-is-read"),
        pytest.param("save", 3, "before", id="before-a-save-arrives"),
        pytest.param("save", 4, "after", id="after-the-save-before-its-answer"),
        pytest.param("sync-info", 2, "before", id="between-the-save-and-the-sync-info"),
        pytest.param("sync-info", 6, "after", id="after-the-sync-info-before-its-answer"),
    ],
)
def test_killed_at_a_request_the_next_run_completes_the_work(
    kind: str, number: int, where: str, machine: Machine, undisturbed: Aftermath
) -> None:
    machine.server.do("arm", kind=kind, number=number, where=where)
    killed = machine.run()

    again = machine.run()

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code in DONE, again.stderr
    assert_same(Aftermath.of(machine), undisturbed)


@pytest.mark.parametrize("launch", ["statement=60", "bytes=40000", "bytes=150000"])
def test_killed_while_it_writes_its_state_the_next_run_completes_the_work(
    launch: str, machine: Machine, undisturbed: Aftermath
) -> None:
    killed = machine.run(launch=launch)

    again = machine.run()

    assert killed.exit_code < 0, killed.stderr
    assert again.exit_code in DONE, again.stderr
    assert_same(Aftermath.of(machine), undisturbed)


@pytest.mark.parametrize(
    ("kind", "number", "where"),
    [("save", 2, "after"), ("cancel", 1, "after")],
    ids=["after-a-change-was-saved", "after-a-cancellation"],
)
def test_killed_while_changes_flow_the_next_run_completes_them(
    kind: str, number: int, where: str, later: Later, tmp_path: Path
) -> None:
    machine = later.machine(tmp_path / "machine")
    machine.server.do("arm", kind=kind, number=number, where=where)
    killed = machine.run()

    again = machine.run()

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code == 0, again.stderr
    assert_same(Aftermath.of(machine), later.undisturbed)


def test_a_run_after_the_repair_finds_nothing_to_write(machine: Machine, undisturbed: Aftermath) -> None:
    machine.server.do("arm", kind="save", number=5, where="after")
    machine.run()
    machine.run()
    before = machine.server.do("look")

    third = machine.run()

    after = machine.server.do("look")
    assert third.exit_code == 0, third.stderr
    assert after["writes"] == before["writes"]
    assert_same(Aftermath.of(machine), undisturbed)
