"""kill -9 of the inventory job: the next run completes the work, writes no entry twice and empties none; and
two runs at once: the second waits or leaves.

A few moments here; all of them in `make crash`.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from crash_scene import KILLED, Machine, Server, wait_for

SEED = 3
ITEMS = 25
SYNC = ("sync", "inventory")
INVENTORY = """
[inventory]
modes = ["network"]
network_view = "Ship To Home"
writer = "rest"
raise_delay_seconds = 0
"""


@pytest.fixture
def stocked(server: Server, tmp_path: Path) -> Machine:
    server.do("reset_stocked", seed=SEED, items=ITEMS)
    return a_machine(tmp_path / "machine", server)


def a_machine(folder: Path, server: Server) -> Machine:
    machine = Machine(folder, server)
    with (folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write(INVENTORY)
    return machine


def assert_done(machine: Machine) -> dict[str, Any]:
    """Both sides agree, each entry was written once, and a further run writes nothing."""
    found: dict[str, Any] = machine.server.do("look_at_stock")
    assert found["shown"] == found["promised"]
    assert set(found["writes"].values()) == {1}, found["writes"]
    assert machine.state()["dead_letters"] == {}
    return found


@pytest.mark.parametrize(
    ("kind", "number", "where"),
    [
        pytest.param("entries", 1, "before", id="while-entries-are-read"),
        pytest.param("entry", 3, "before", id="before-a-write-arrives"),
        pytest.param("entry", 7, "after", id="after-a-write-before-its-answer"),
    ],
)
def test_killed_at_a_request_the_next_run_completes_the_work(
    kind: str, number: int, where: str, stocked: Machine
) -> None:
    stocked.server.do("arm", kind=kind, number=number, where=where)
    killed = stocked.run(*SYNC)

    again = stocked.run(*SYNC)
    done = assert_done(stocked)
    third = stocked.run(*SYNC)

    assert killed.exit_code == KILLED, killed.stderr
    assert (again.exit_code, third.exit_code) == (0, 0), again.stderr + third.stderr
    assert stocked.server.do("look_at_stock")["writes"] == done["writes"]


def test_killed_while_it_writes_its_state_the_next_run_completes_the_work(stocked: Machine) -> None:
    killed = stocked.run(*SYNC, launch="statement=75")

    again = stocked.run(*SYNC)

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code == 0, again.stderr
    assert_done(stocked)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGKILL, KILLED)], ids=["SIGTERM", "SIGKILL"]
)
def test_ended_while_entries_wait_before_they_may_rise(
    number: signal.Signals, exit_code: int, stocked: Machine
) -> None:
    config = stocked.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("raise_delay_seconds = 0", "raise_delay_seconds = 60"), encoding="utf-8")
    stocked.server.do("hold", kind="read")  # availability
    process = stocked.start(*SYNC)
    stocked.server.do("wait_for_waiting", count=1)
    stocked.server.do("hold", kind="")
    time.sleep(1.0)
    process.send_signal(number)
    ended = wait_for(process, 10)
    before = stocked.server.do("look_at_stock")
    config.write_text(text, encoding="utf-8")

    again = stocked.run(*SYNC)

    assert ended.exit_code == exit_code, ended.stderr
    assert before["shown"] != before["promised"]
    assert again.exit_code == 0, again.stderr
    assert_done(stocked)


def test_two_runs_at_once_never_overlap(stocked: Machine) -> None:
    """A delta and a whole sweep, from two timers: I12."""
    stocked.server.do("hold", kind="entry")
    first = stocked.start(*SYNC)
    stocked.server.do("wait_for_waiting", count=1)

    refused = stocked.run(*SYNC, "--full")
    waiting = stocked.start(*SYNC, "--full", "--wait", "30")
    time.sleep(0.5)
    assert waiting.poll() is None
    stocked.server.do("hold", kind="")

    assert refused.exit_code == 6, refused.stderr
    assert wait_for(first).exit_code == 0
    assert wait_for(waiting).exit_code == 0
    assert_done(stocked)


@pytest.mark.parametrize("first", ["delta", "messages"])
def test_two_sources_at_once_never_overlap_and_end_alike(stocked: Machine, first: str) -> None:
    """MAO's messages, which a queue hands over, and the timer's delta: whichever comes second waits, or
    leaves with 6, and finds nothing left to write."""
    messages = stocked.folder / "messages.jsonl"
    messages.write_text("".join(f"{json.dumps(each)}\n" for each in stocked.server.do("sync_messages")))
    told = (*SYNC, "--from", str(messages))
    one, other = (SYNC, told) if first == "delta" else (told, SYNC)
    stocked.server.do("hold", kind="entry")
    running = stocked.start(*one)
    stocked.server.do("wait_for_waiting", count=1)

    refused = stocked.run(*other)
    waiting = stocked.start(*other, "--wait", "30")
    time.sleep(0.5)
    assert waiting.poll() is None
    stocked.server.do("hold", kind="")

    assert refused.exit_code == 6, refused.stderr
    assert "lock-held" in refused.stderr
    assert wait_for(running).exit_code == 0
    ended = wait_for(waiting)
    assert ended.exit_code == 0, ended.stderr
    assert " written 0 " in ended.stdout
    assert_done(stocked)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_request(where: str, server: Server, tmp_path: Path) -> None:
    number = 1
    while True:
        server.do("reset_stocked", seed=SEED, items=ITEMS)
        machine = a_machine(tmp_path / f"{where}-{number}", server)
        server.do("arm", kind="", number=number, where=where)
        killed = machine.run(*SYNC)
        server.do("arm", kind="", number=0, where="")
        if killed.exit_code == 0:
            break
        assert killed.exit_code == KILLED, killed.stderr

        again = machine.run(*SYNC)

        assert again.exit_code == 0, again.stderr
        assert_done(machine)
        number += 1
    assert number > ITEMS


@pytest.mark.slow
def test_killed_at_many_sql_statements(server: Server, tmp_path: Path) -> None:
    number = 1
    while True:
        server.do("reset_stocked", seed=SEED, items=ITEMS)
        machine = a_machine(tmp_path / f"{number}", server)
        killed = machine.run(*SYNC, launch=f"statement={number}")
        if killed.exit_code == 0:
            break
        assert killed.exit_code == KILLED, killed.stderr

        again = machine.run(*SYNC)

        assert again.exit_code == 0, again.stderr
        assert_done(machine)
        number += 7
    assert number > 80
