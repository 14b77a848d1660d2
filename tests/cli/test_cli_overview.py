"""`overview`: how every job is, from the state file alone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_world import World
from golden import Stage
from shop_orders import order

from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.lock import job_lock


def job(world: World, name: str = "orders") -> dict[str, Any]:
    document = world.run("overview", "--json").json
    found: dict[str, Any] = next(each for each in document["jobs"] if each["job"] == name)
    return found


def test_before_the_first_run_it_says_so_and_leaves_nothing_behind(world: World) -> None:
    ran = world.run("overview")

    assert ran.code == 0
    assert "orders: has never run" in ran.out
    assert "inventory: switched off" in ran.out
    assert not world.state_path.exists()


def test_it_asks_nobody_and_works_when_both_systems_are_down(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.shop.put(order("CT-2", method="Drone"))
    assert world.sync().code == 3
    world.clear()
    world.shop.server.close()
    world.mao.server.close()

    found = job(world)

    assert world.requests == 0
    assert found["said"] == "ok, its last run set records aside"
    assert found["dead_letters"] == {"shipping-method-unmapped": 1}
    assert found["last_run"]["counts"] == {"written": 1, "rejected": 1}
    assert 0 <= found["lag_s"] < 60
    assert found["watermark"] is not None and "window:orders" in found["passes"]


def test_a_failing_job_says_how_often_and_why(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    world.shop.server.close()
    for _ in range(2):
        assert world.sync().code == 4

    found = job(world)
    text = world.run("overview").out

    assert (found["said"], found["failures"], found["is_well"]) == ("failing, 2 times in a row", 2, False)
    assert "refused the connection" in " ".join(text.split())
    assert "last good" in text


def test_a_run_that_is_alive_is_told(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0

    with job_lock(world.state_path, "orders", 0, SystemClock()):
        assert job(world)["said"] == "running"
    assert job(world)["said"] == "ok"


def test_a_run_that_was_cut_off_is_told(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    from ct_mao_sync.state.store import Store

    with Store.open(world.state_path) as store:
        store.start_run("orders-dead", "orders", SystemClock().now())

    assert "cut off" in job(world)["said"]


def test_a_limit_that_waits_for_a_person_is_told(world: World) -> None:
    world.configure(orders__max_cancel=0)
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    cancelled = next(iter(world.shop.orders.values()))
    cancelled["orderState"] = "Cancelled"
    world.shop.put(cancelled)
    assert world.sync().code == 5

    assert "a limit holds writes back" in job(world)["said"]


def test_the_budget_of_the_hour_is_told(world: World) -> None:
    world.configure(manhattan__max_requests_per_hour=500)
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0

    document = world.run("overview", "--json").json

    assert 0 < document["requests_this_hour"] <= 500 == document["requests_limit"]
    assert "MAO requests this hour:" in world.run("overview").out


def test_the_loop_tells_when_the_next_run_is(world: World) -> None:
    world.configure(schedule__health_file="health.json")
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    now = SystemClock().now()
    at = (now + timedelta(seconds=77)).isoformat()
    health = {
        "version": 1,
        "state": "running",
        "at": now.isoformat(),
        "jobs": {"orders": {"next_run_at": at}},
    }
    (world.folder / "health.json").write_text(json.dumps(health))

    assert world.run("overview", "--json").json["loop"] == "running"
    assert job(world)["next_at"][:19] == at[:19].replace("T", " ")
    health["at"] = (now - timedelta(hours=1)).isoformat()
    (world.folder / "health.json").write_text(json.dumps(health))
    assert "loop: silent" in world.run("overview").out


def test_how_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.config_path.write_text(stage.config_path.read_text().replace('standard = "STD"\n', ""))
    for number in range(1, 25):
        stage.place(number)
    stage.sync()
    stage.clock.advance(300)
    monkeypatch.setattr("ct_mao_sync.cli.jobs.JOBS", ("orders", "inventory"))
    stage.check("overview", "overview")
