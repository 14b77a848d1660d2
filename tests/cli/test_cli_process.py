"""The real process: exit codes, streams, signals, locks, a disk that is full."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_world import World
from golden import stays_one
from independent_servers import Reply
from shop_orders import order


def start(world: World, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ct_mao_sync", *arguments],
        cwd=world.folder,
        env={**os.environ, **world.env},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more},
    )


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_results_go_to_stdout_and_everything_else_to_stderr(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.shop.put(order("CT-2", method="Drone"))
    ran = world.process("sync", "orders", "--json", "-vv", "--log-format", "json", NO_COLOR="1")
    assert ran.code == 3
    assert ran.json["runs"][0]["written"] == 1
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert any(line["message"].startswith("shipping-method-unmapped") for line in lines)
    assert "\x1b" not in ran.text
    ran = world.process("errors", "list", COLUMNS="60")
    assert ran.code == 0
    assert ran.out.startswith("shipping-method-unmapped")
    assert all(len(line) <= 60 or stays_one(line) for line in ran.out.splitlines())
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.folder.iterdir()}
    private = {name: mode for name, mode in modes.items() if name.startswith(("state", "token"))}
    assert len(private) >= 4 and set(private.values()) == {0o600}


def test_a_second_process_waits_or_leaves_with_6(world: World) -> None:
    world.configure(sync__request_timeout_seconds=30)
    world.shop.put(order("CT-1"))
    world.mao.server.on("POST", "/search", Reply(how="hang"), times=1)
    first = start(world, "sync", "orders")
    try:
        wait_for(lambda: any("search" in call.path for call in world.mao.server.calls))
        ran = world.sync()
        assert ran.code == 6
        assert "error: lock-held" in ran.err and f"process {first.pid}" in ran.err and "--wait" in ran.err
        assert world.sync("--json").json["problems"][0]["code"] == "lock-held"
        assert world.run("replay-errors").code == 0  # there is nothing to replay
        assert world.sync("--dry-run").code == 0  # looking is always allowed
        assert world.mao.writes() == []
        first.kill()
        first.communicate(timeout=20)
        assert world.sync("--wait", "10").code == 0  # the kernel freed the lock
        assert len(world.mao.saves()) == 1
    finally:
        first.kill()
        first.communicate(timeout=20)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_cleanly_and_the_next_one_completes_it(
    world: World, number: signal.Signals, code: int
) -> None:
    for index in range(30):
        world.shop.put(order(f"CT-{index}"))
    world.configure(sync__workers=2, sync__page_size=10)

    def slowly(call: Any) -> None:
        world.mao.server.stopped.wait(0.05)

    world.mao.server.on("POST", "/save", slowly)
    process = start(world, "sync", "orders")
    wait_for(lambda: len(world.mao.orders) >= 3)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "read " in out
    done = len(world.mao.orders)
    assert 3 <= done < 30
    assert world.sync().code == 0
    assert len(world.mao.orders) == 30
    assert len(world.mao.saves()) == 30


def test_a_full_disk_stops_the_run_and_no_order_is_doubled(world: World) -> None:
    for index in range(60):
        world.shop.put(order(f"CT-{index}"))

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (170_000, 170_000))

    process = start(world, "sync", "orders", preexec_fn=small_files)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 5, err
    assert "error: state-unwritable" in err and "df -h" in err
    assert "Traceback" not in err
    ran = world.sync()
    assert ran.code == 0, ran.text
    assert len(world.mao.orders) == 60
    assert all(len(found["OrderLine"]) == 1 for found in world.mao.orders.values())
    assert len(world.mao.saves()) == 60


def test_the_reader_of_a_pipe_may_go_away(world: World) -> None:
    process = start(world, "overview")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=20) == 141
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["overview", "--help"])
def test_an_output_that_cannot_be_written_is_told_in_one_line(world: World, command: str) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(world, command, stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert err == "error: standard output cannot be written: No space left on device\n"


def test_a_terminal_that_is_not_utf_8_loses_a_sign_and_not_the_report(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    ran = world.process("report", PYTHONIOENCODING="ascii")
    assert ran.code == 0 and "orders exported" in ran.out, ran.text


def test_a_hinted_command_can_be_pasted_where_the_configuration_has_a_name_of_its_own(world: World) -> None:
    world.shop.put(order("CT-1", method="Drone"))
    elsewhere = world.folder / "my shop's" / 'con "fig".toml'
    elsewhere.parent.mkdir()
    world.config_path.rename(elsewhere)
    ran = world.process("--config", str(elsewhere), "sync", "orders")
    assert ran.code == 3
    hinted = next(line for line in ran.out.splitlines() if "errors list" in line)
    words = shlex.split(hinted[hinted.index("ct-mao-sync") :])
    assert words == ["ct-mao-sync", "--config", str(elsewhere), "errors", "list"]
    listed = world.process(*words[1:])
    assert listed.code == 0 and "shipping-method-unmapped" in listed.out

    found_by_itself = world.process("sync", "orders", CT_MAO_SYNC_CONFIG=str(elsewhere))
    assert "ct-mao-sync errors list" in world.process("overview", CT_MAO_SYNC_CONFIG=str(elsewhere)).out
    assert "--config" not in found_by_itself.text
