"""`run` as a service: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from cli_world import World
from forks import Forked, Forks
from independent_servers import Reply
from shop_orders import order

RHYTHM = {
    "schedule__orders": "1s",
    "schedule__inventory": "",
    "schedule__status": "",
    "schedule__returns": "",
    "schedule__health_file": "health.json",
    "metrics__textfile": "sync.prom",
}


Process = TypeVar("Process", subprocess.Popen[str], Forked)


@contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def started(world: World, *arguments: str) -> subprocess.Popen[str]:
    """In a new interpreter, as a person or systemd starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "ct_mao_sync", "run", *arguments],
        cwd=world.folder,
        env={**os.environ, **world.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def forked(world: World, forks: Forks) -> Forked:
    return forks.start("run", folder=world.folder, env={**os.environ, **world.env})


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def health(world: World) -> Any:
    path = world.folder / "health.json"
    return json.loads(path.read_text()) if path.exists() else {"jobs": {"orders": {}}}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_runs_until_a_signal_comes_and_tells_each_run(
    world: World, number: signal.Signals, code: int
) -> None:
    world.configure(**RHYTHM)
    world.shop.put(order("CT-1"))
    with running(started(world, "--log-format", "json")) as process:
        wait_for(lambda: len(world.mao.saves()) == 1)
        world.shop.put(order("CT-2"))
        wait_for(lambda: len(world.mao.saves()) == 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert process.returncode == code, err
    runs = [json.loads(line) for line in out.splitlines()]
    assert len(runs) >= 2 and sum(run["written"] for run in runs) == 2
    assert all(run["job"] == "orders" and run["exit_code"] == 0 for run in runs)
    assert runs[0]["next_run_at"].endswith("Z") and runs[0]["run"] != runs[1]["run"]
    assert all(json.loads(line) for line in err.splitlines())
    assert health(world)["state"] == "stopped"
    assert health(world)["jobs"]["orders"]["last_exit_code"] == 0
    assert (
        'ct_mao_sync_records_total{job="orders",outcome="written"} 2'
        in (world.folder / "sync.prom").read_text()
    )


def test_a_signal_while_a_system_is_silent_does_not_wait_for_it_long(world: World, forks: Forks) -> None:
    world.configure(**RHYTHM, sync__request_timeout_seconds=30, sync__retry_seconds=120)
    world.mao.server.on("POST", "/search", Reply(status=503))
    world.shop.put(order("CT-1"))
    with running(forked(world, forks)) as process:
        wait_for(lambda: any("search" in call.path for call in world.mao.server.calls))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=35)

    assert process.returncode == 143
    assert time.monotonic() - began < 10
    assert "Traceback" not in err


def test_a_dead_server_opens_the_circuit(world: World, forks: Forks) -> None:
    """(That it closes again: tests/ops/test_ops_loop.py.)"""
    world.configure(**RHYTHM, sync__retry_seconds=0)
    world.shop.put(order("CT-1"))
    world.mao.server.on("POST", "/search", Reply(status=503))
    with running(forked(world, forks)) as process:
        wait_for(lambda: health(world)["jobs"]["orders"].get("circuit") == "open")
        assert health(world)["jobs"]["orders"]["last_exit_code"] == 4
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)

    assert process.returncode == 143
    assert "circuit open after 3 failed runs in a row" in err
    assert out.splitlines()[0].split("  ")[1] == "orders" and "exit 4, next " in out.splitlines()[0]


def test_a_killed_loop_leaves_nothing_that_the_next_one_minds(world: World, forks: Forks) -> None:
    world.configure(**RHYTHM)
    world.shop.put(order("CT-1"))
    with running(forked(world, forks)) as process:
        wait_for(lambda: len(world.mao.saves()) == 1)
        process.kill()
        process.communicate(timeout=20)
    world.shop.put(order("CT-2"))
    with running(forked(world, forks)) as process:
        wait_for(lambda: len(world.mao.saves()) == 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert process.returncode == 143
    assert len(world.mao.orders) == 2


def test_a_second_loop_ends_at_once_and_all_else_works_beside_the_first(world: World, forks: Forks) -> None:
    world.configure(**{**RHYTHM, "schedule__orders": "1h"})
    world.shop.put(order("CT-1"))
    with running(forked(world, forks)) as first:
        wait_for(lambda: health(world)["jobs"]["orders"].get("last_exit_code") == 0)
        calls = len(world.calls)

        second = world.process("run")

        assert second.code == 6 and second.out == ""
        assert "error: lock-held" in second.err and f"process {first.pid}" in second.err
        assert len(world.calls) == calls
        assert (health(world)["state"], health(world)["pid"]) == ("running", first.pid)
        world.shop.put(order("CT-2", method="Drone"))
        assert world.sync().code == 3
        assert world.run("replay-errors").code == 3
        first.kill()
        first.communicate(timeout=20)
    with running(forked(world, forks)) as next_one:
        wait_for(lambda: health(world)["pid"] == next_one.pid)
        next_one.send_signal(signal.SIGTERM)
        next_one.communicate(timeout=20)

    assert next_one.returncode == 143


def test_mistakes_of_the_configuration_end_it_before_it_begins(world: World) -> None:
    world.configure(**{**RHYTHM, "schedule__orders": "soon"})

    ran = world.process("run")

    assert ran.code == 2
    assert "schedule.orders" in ran.err and "a duration" in ran.err
    assert world.process("run", "--config", "nowhere.toml").code == 2
    assert world.calls == []


def test_alerts_follow_a_run_from_cron_too(world: World) -> None:
    world.configure(**RHYTHM, alerts__command="tee -a alerts.jsonl", alerts__dead_letters=0)
    world.shop.put(order("CT-1", method="Drone"))

    assert world.process("sync", "orders").code == 3
    assert world.process("sync", "orders").code == 0

    told = (world.folder / "alerts.jsonl").read_text()
    assert told.count('"event": "opened"') == 1
    assert not world.leaks(told)


def test_doctor_as_a_process_with_a_dead_server(world: World) -> None:
    world.configure(**RHYTHM, sync__retry_seconds=0, orders__sync_channel="")
    world.mao.server.close()

    ran = world.process("doctor", COLUMNS="60", NO_COLOR="1")

    assert ran.code == 4
    assert "fault    MAO: " in ran.out and "cure: " in ran.out
    assert "\x1b" not in ran.text
    assert all(len(line) <= 60 for line in ran.out.splitlines())
    assert world.writes == 0
