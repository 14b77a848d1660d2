"""kill -9 at every request, at every SQL statement, at many file sizes and at random moments.

Minutes: `make crash`. A few of these moments are part of `make test` (test_crash_kill.py).
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from crash_scene import DONE, KILLED, ORDERS, REJECTED, SEED, Aftermath, Later, Machine, assert_same, wait_for

pytestmark = pytest.mark.slow

KILLS_PER_ROUND = 4


def killed_at_request(machine: Machine, number: int, where: str) -> bool:
    """False when the run made fewer requests."""
    machine.server.do("arm", kind="", number=number, where=where)
    ended = machine.run()
    machine.server.do("arm", kind="", number=0, where="")
    assert ended.exit_code in (KILLED, *DONE), ended.stderr
    return ended.exit_code == KILLED


@pytest.mark.parametrize("where", ["before", "after"])
def test_at_every_request_of_a_first_export(where: str, machine: Machine, undisturbed: Aftermath) -> None:
    for number in range(1, undisturbed.world["requests"] + 1):
        machine.server.do("reset", seed=SEED, count=ORDERS)
        twin = Machine(machine.folder / f"{where}-{number}", machine.server)
        assert killed_at_request(twin, number, where), number

        again = twin.run()

        assert again.exit_code in DONE, again.stderr
        assert_same(Aftermath.of(twin), undisturbed)


@pytest.mark.parametrize("where", ["before", "after"])
def test_at_every_request_while_changes_flow(where: str, later: Later, tmp_path: Path) -> None:
    number = 1
    while True:
        machine = later.machine(tmp_path / f"{number}")
        if not killed_at_request(machine, number, where):
            break

        again = machine.run()

        assert again.exit_code == 0, again.stderr
        assert_same(Aftermath.of(machine), later.undisturbed)
        number += 1
    assert number > 5


def test_at_every_sql_statement(machine: Machine, undisturbed: Aftermath) -> None:
    number = 1
    while True:
        machine.server.do("reset", seed=SEED, count=ORDERS)
        twin = Machine(machine.folder / f"{number}", machine.server)
        ended = twin.run(launch=f"statement={number}")
        if ended.exit_code == REJECTED:
            break
        assert ended.exit_code == KILLED, ended.stderr

        again = twin.run()

        assert again.exit_code in DONE, again.stderr
        assert_same(Aftermath.of(twin), undisturbed)
        # The schema is one transaction of many statements; the rest is gone through one by one.
        number += 5 if number < 40 else 1
    assert number > 60


def test_in_the_middle_of_a_write_to_the_state_file(machine: Machine, undisturbed: Aftermath) -> None:
    died = 0
    for size in range(1_000, 1_000_000, 9_973):
        machine.server.do("reset", seed=SEED, count=ORDERS)
        twin = Machine(machine.folder / f"{size}", machine.server)
        ended = twin.run(launch=f"bytes={size}")
        if ended.exit_code == REJECTED:
            break
        assert ended.exit_code < 0, ended.stderr
        died += 1

        again = twin.run()

        assert again.exit_code in DONE, again.stderr
        assert_same(Aftermath.of(twin), undisturbed)
    assert died > 10


@pytest.mark.parametrize("seed", range(20))
def test_at_random_moments_again_and_again(seed: int, machine: Machine, undisturbed: Aftermath) -> None:
    rng = random.Random(seed)
    machine.server.do("latency", seconds=0.03)
    for _ in range(KILLS_PER_ROUND):
        process = machine.start()
        time.sleep(rng.uniform(0.3, 2.0))
        process.kill()
        ended = wait_for(process)
        assert ended.exit_code in (KILLED, *DONE), ended.stderr
    machine.server.do("latency", seconds=0)

    final = machine.run()

    assert final.exit_code in DONE, final.stderr
    assert_same(Aftermath.of(machine), undisturbed)


@pytest.mark.parametrize("seed", range(5))
def test_two_machines_killed_again_and_again(
    seed: int, machine: Machine, undisturbed: Aftermath, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    pair = [machine, Machine(tmp_path / "other", machine.server)]
    machine.server.do("latency", seconds=0.03)
    for _ in range(KILLS_PER_ROUND):
        processes = [each.start() for each in pair]
        for process in processes:
            time.sleep(rng.uniform(0.2, 0.9))
            process.kill()
        assert {wait_for(process).exit_code for process in processes} <= {KILLED, *DONE}
    machine.server.do("latency", seconds=0)

    final = [each.run() for each in pair]

    assert all(run.exit_code in DONE for run in final), [run.stderr for run in final]
    world = machine.server.do("look")
    assert sorted(world["oms"]) == sorted(undisturbed.world["oms"])
    shop_ids = [order["AlternateOrderId"] for order in world["oms"].values()]
    assert len(set(shop_ids)) == len(shop_ids)
    for each in pair:
        state = each.state()
        assert sorted(state["sent"]) == sorted(shop_ids)
        assert state["dead_letters"] == undisturbed.state["dead_letters"]
