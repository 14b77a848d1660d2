"""kill -9 of the status job: the next run completes the work, and no order gets a Delivery twice.

A few moments here; all of them in `make crash`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from crash_scene import DONE, KILLED, Machine, Server

SEED = 5
ORDERS = 12
SYNC = ("sync", "status")
UPDATE = "sync-info"
"""What the server calls an update of an order."""


@pytest.fixture
def shipped(server: Server, tmp_path: Path) -> Machine:
    return a_machine(tmp_path / "machine", server)


def a_machine(folder: Path, server: Server) -> Machine:
    """Orders that were exported, and a part of each has left."""
    server.do("reset", seed=SEED, count=ORDERS)
    machine = Machine(folder, server)
    assert machine.run("sync", "orders").exit_code in DONE
    server.do("ship", seed=SEED)
    return machine


def assert_done(machine: Machine) -> dict[str, Any]:
    """The shop shows exactly what MAO has shipped, and each order was written once."""
    found: dict[str, Any] = machine.server.do("look_at_deliveries")
    assert found["shown"] == found["shipped"]
    assert found["shown"]
    assert set(found["writes"].values()) == {1}, found["writes"]
    return found


@pytest.mark.parametrize(
    ("kind", "number", "where"),
    [
        pytest.param("page", 1, "before", id="while-orders-are-read"),
        pytest.param(UPDATE, 2, "before", id="before-a-write-arrives"),
        pytest.param(UPDATE, 4, "after", id="after-a-write-before-its-answer"),
    ],
)
def test_killed_at_a_request_the_next_run_completes_the_work(
    kind: str, number: int, where: str, shipped: Machine
) -> None:
    shipped.server.do("arm", kind=kind, number=number, where=where)
    killed = shipped.run(*SYNC)

    again = shipped.run(*SYNC)
    done = assert_done(shipped)
    third = shipped.run(*SYNC)

    assert killed.exit_code == KILLED, killed.stderr
    assert (again.exit_code, third.exit_code) == (0, 0), again.stderr + third.stderr
    assert shipped.server.do("look_at_deliveries")["writes"] == done["writes"]


def test_killed_while_it_writes_its_state_the_next_run_completes_the_work(shipped: Machine) -> None:
    killed = shipped.run(*SYNC, launch="statement=60")

    again = shipped.run(*SYNC)

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code == 0, again.stderr
    assert_done(shipped)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_request(where: str, server: Server, tmp_path: Path) -> None:
    number = 1
    while True:
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
    assert number > 5
