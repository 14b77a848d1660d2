"""A run that is asked to stop, a run that meets another one, and two installations on the same tenant."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from crash_scene import DONE, REJECTED, STATE, Aftermath, Machine, assert_same, wait_for

LOCKED = 6


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_run_that_is_asked_to_stop_finishes_what_is_in_hand_and_the_next_one_goes_on(
    number: signal.Signals, exit_code: int, machine: Machine, undisturbed: Aftermath
) -> None:
    machine.server.do("hold", kind="save")
    process = machine.start()
    machine.server.do("wait_for_waiting", count=2)
    process.send_signal(number)
    time.sleep(0.2)
    machine.server.do("hold", kind="")
    stopped = wait_for(process, 20)
    at_stop = machine.server.do("look")
    sent = machine.state()["sent"]

    again = machine.run()

    assert stopped.exit_code == exit_code, stopped.stderr
    assert stopped.elapsed_s < 15, "no answer is waited for as long as a request may take"
    assert "Traceback" not in stopped.stderr
    saved = {order["AlternateOrderId"] for order in at_stop["oms"].values()}
    recorded = {entity for entity, (_, no_base, *_) in sent.items() if not no_base}
    assert saved == recorded, "what was saved is recorded, what is not saved is not"
    assert 2 <= len(saved) < len(undisturbed.world["oms"])
    assert again.exit_code in DONE, again.stderr
    assert_same(Aftermath.of(machine), undisturbed)


def test_a_second_process_leaves_at_once_and_with_wait_takes_its_turn(
    machine: Machine, undisturbed: Aftermath
) -> None:
    machine.server.do("hold", kind="save")
    first = machine.start()
    machine.server.do("wait_for_waiting", count=1)

    refused = machine.run()
    waiting = machine.start("--json", "sync", "orders", "--wait", "30")
    time.sleep(0.2)
    machine.server.do("hold", kind="")
    ended, waited = wait_for(first), wait_for(waiting)

    assert refused.exit_code == LOCKED, "while the first one is still waiting for its answer"
    assert str(first.pid) in refused.stderr
    assert ended.exit_code == REJECTED, ended.stderr
    assert waited.exit_code == 0, waited.stderr
    [report] = json.loads(waited.stdout)["runs"]
    assert (report["written"], report["rejected"]) == (0, 0)
    assert_same(Aftermath.of(machine), undisturbed)


def test_two_machines_at_once_export_each_order_once(
    machine: Machine, undisturbed: Aftermath, tmp_path: Path
) -> None:
    other = Machine(tmp_path / "other", machine.server)
    machine.server.do("latency", seconds=0.05)

    both = [machine.start(), other.start()]
    ended = [wait_for(process) for process in both]
    final = [machine.run(), other.run()]

    world = machine.server.do("look")
    shop_ids = sorted(order["AlternateOrderId"] for order in world["oms"].values())
    expected = sorted(order["AlternateOrderId"] for order in undisturbed.world["oms"].values())
    assert shop_ids == expected
    assert {run.exit_code for run in ended} == {REJECTED}, [run.stderr for run in ended]
    assert {run.exit_code for run in final} == {0}, [run.stderr for run in final]
    assert all(len(order["syncInfo"]) == 1 for order in world["shop"].values() if order["id"] in shop_ids)
    for each in (machine, other):
        state = each.state()
        assert sorted(state["sent"]) == shop_ids
        assert not any(sending for _, _, sending, _ in state["sent"].values()), "nothing is in the open"
        assert state["dead_letters"] == undisturbed.state["dead_letters"]
        assert each.names() == {*undisturbed.names}, each.names()
    before = world["writes"]
    assert (machine.run().exit_code, other.run().exit_code) == (0, 0)
    assert machine.server.do("look")["writes"] == before


def test_a_lost_state_file_costs_no_order_twice(machine: Machine, undisturbed: Aftermath) -> None:
    machine.run()
    for path in machine.folder.glob(f"{STATE}*"):
        path.unlink()

    again = machine.run()

    assert again.exit_code == REJECTED, again.stderr
    world = machine.server.do("look")
    assert world["writes"] == undisturbed.world["writes"]
    assert sorted(world["oms"]) == sorted(undisturbed.world["oms"])
