"""`reconcile`: what differs is shown, nothing is written without --fix, and --fix writes what a run would."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from cli_world import World
from golden import Stage
from shop_orders import add_up, order, uid

from ct_mao_sync.engine.clock import SystemClock
from ct_mao_sync.engine.lock import job_lock


@pytest.fixture
def apart(world: World) -> World:
    """CT-SAME agrees, CT-NEW is not in MAO, CT-MOVED has another address and quantity, CT-BAD cannot be
    mapped, CT-GONE is deleted in the shop, CT-LOST in MAO."""
    for number in ("CT-SAME", "CT-MOVED", "CT-GONE", "CT-LOST"):
        world.shop.put(order(number, ("SKU-A", 2, 1999)))
    assert world.sync().code == 0
    world.shop.put(order("CT-NEW"))
    world.shop.put(order("CT-BAD", method="Drone"))
    moved = world.shop.orders[uid("CT-MOVED")]
    moved["shippingAddress"]["city"] = "Pirna"
    moved["lineItems"][0]["quantity"] = 3
    world.shop.put(add_up(moved))
    del world.shop.orders[uid("CT-GONE")]
    del world.mao.orders["CT-LOST"]
    world.clear()
    return world


def state_of(world: World) -> list[Any]:
    """All rows of the state file."""
    with sqlite3.connect(world.state_path) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, db.execute(f"SELECT * FROM {name}").fetchall()) for name in sorted(tables)]


def by_label(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    document = world.run("reconcile", "orders", "--json", *arguments).json
    return {finding["label"]: finding for finding in document["findings"]}


def test_each_record_has_its_symbol_and_the_numbers_add_up(apart: World) -> None:
    ran = apart.run("reconcile", "orders", "--all", "-v")

    assert ran.code == 3
    shown = {line[2:].split("  ")[0]: line[0] for line in ran.out.splitlines() if line[:1] in "=-+*!"}
    assert shown == {
        "CT-SAME": "=",
        uid("CT-GONE"): "-",
        "CT-NEW": "+",
        "CT-MOVED": "*",
        "CT-BAD": "!",
        "CT-LOST": "!",
    }
    summary = " ".join(ran.out.split())
    assert (
        "compared 6 = same 1 + missing in the source 1 + missing in the target 1 + different 1 + errors 2 "
        "+ left alone 0" in summary
    )
    assert "cure of shipping-method-unmapped: add 'Drone'" in summary


def test_a_difference_is_told_field_by_field_without_personal_data(apart: World) -> None:
    fields = {
        each["field"]: each for each in by_label(apart, "--order", "CT-MOVED")["CT-MOVED"]["differences"]
    }

    line = f"OrderLine/{uid('CT-MOVED/SKU-A')}"
    assert (fields[f"{line}/Quantity"]["present"], fields[f"{line}/Quantity"]["wanted"]) == ("2", "3")
    city = fields[f"{line}/ShipToAddress/Address/City"]
    assert (city["present"], city["wanted"]) == ("[masked]", "[masked]")
    assert "Pirna" not in apart.everything


def test_nothing_is_written_without_fix(apart: World) -> None:
    before = state_of(apart)

    for arguments in (["--all"], ["--since", "1d"], ["--sample", "3"], ["--order", "CT-MOVED"], []):
        apart.run("reconcile", "orders", *arguments)

    assert apart.writes == 0
    assert state_of(apart) == before
    assert apart.requests > 0


def test_what_was_applied_last_is_compared_all_the_same(apart: World) -> None:
    """A run passes over CT-LOST by its key; a comparison must not."""
    assert "CT-LOST" not in {row["label"] for row in apart.sync("--json").json["runs"][0]["rejections"]}

    assert by_label(apart, "--all")["CT-LOST"]["problem"]["code"] == "order-not-found"


def test_fix_writes_the_differences_and_then_both_agree(apart: World) -> None:
    ran = apart.run("reconcile", "orders", "--since", "1d", "--fix")

    assert ran.code == 3  # what cannot be mapped is still wrong
    assert "read 2 = written 2" in ran.out
    assert apart.mao.orders["CT-MOVED"]["OrderLine"][0]["Quantity"] == 3
    assert "CT-NEW" in apart.mao.orders
    assert set(by_label(apart, "--since", "1d")) == {"CT-BAD", "CT-LOST"}
    apart.clear()
    apart.run("reconcile", "orders", "--since", "1d", "--fix")
    assert apart.writes == 0


def test_both_sides_agree_is_exit_code_0(world: World) -> None:
    for index in range(3):
        world.shop.put(order(f"CT-{index}"))
    assert world.sync().code == 0

    ran = world.run("reconcile", "orders")

    assert ran.code == 0
    assert "compared 3 = same 3" in ran.out
    assert world.run("sync", "status").code == 0
    assert world.run("reconcile", "--json").json["exit_code"] == 0


def test_a_sample_says_its_seed_and_takes_the_same_records_again(apart: World) -> None:
    ran = apart.run("reconcile", "orders", "--sample", "2", "-v")

    assert "a sample of 2 of 5 records" in ran.out
    seed = ran.out.split("--seed ")[1].split()[0]
    again = [by_label(apart, "--sample", "2", "--seed", seed, "-v").keys() for _ in range(2)]
    assert again[0] == again[1]
    assert all(label in ran.out for label in again[0])
    samples = {tuple(sorted(by_label(apart, "--sample", "2", "--seed", str(n), "-v"))) for n in range(8)}
    assert len(samples) > 1


@pytest.fixture
def state_lost(world: World) -> World:
    """CT-1 and CT-2 are in MAO and differ; what was sent is not known."""
    for number in ("CT-1", "CT-2"):
        world.shop.put(order(number, ("SKU-A", 2, 1999), ("SKU-B", 1, 500)))
    assert world.sync().code == 0
    for path in world.folder.glob("state.sqlite3*"):
        path.unlink()
    for number in ("CT-1", "CT-2"):
        changed = world.shop.orders[uid(number)]
        changed["shippingAddress"]["city"] = "Pirna"
        changed["lineItems"][0]["quantity"] = 3
        changed["lineItems"] = changed["lineItems"][:1]
        world.shop.put(add_up(changed))
    assert world.sync().code == 3
    world.clear()
    return world


def test_the_shop_wins_where_a_person_says_so_by_the_orders_number(state_lost: World) -> None:
    ran = state_lost.run("reconcile", "orders", "--order", "CT-1")
    assert ran.code == 3 and state_lost.writes == 0
    assert "base-unknown" in ran.out and "ct-mao-sync reconcile orders --order CT-1 --fix" in ran.out

    ran = state_lost.run("reconcile", "orders", "--order", "CT-1", "--fix")

    assert ran.code == 0, ran.text
    assert len(state_lost.mao.saves()) == 1
    lines = state_lost.mao.orders["CT-1"]["OrderLine"]
    assert lines[0]["Quantity"] == 3
    assert lines[0]["ShipToAddress"]["Address"]["City"] == "Pirna"
    assert lines[1]["IsCancelled"]
    assert [letter["label"] for letter in state_lost.letters()] == ["CT-2"]
    state_lost.clear()
    assert state_lost.run("reconcile", "orders", "--order", "CT-1").code == 0
    assert state_lost.sync().code == 0 and state_lost.writes == 0


def test_an_agents_address_is_overwritten_without_a_version_that_mao_has_seen(world: World) -> None:
    """MAO was stamped with the present version of the order and takes no second save under it."""
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    for path in world.folder.glob("state.sqlite3*"):
        path.unlink()
    address = world.mao.orders["CT-1"]["OrderLine"][0]["ShipToAddress"]["Address"]
    address["City"] = "Elsewhere"

    assert world.run("reconcile", "orders", "--order", "CT-1", "--fix").code == 0

    address = world.mao.orders["CT-1"]["OrderLine"][0]["ShipToAddress"]["Address"]
    assert address["City"] == "Dresden"


def test_no_range_ever_overwrites_an_order_whose_export_is_not_known(state_lost: World) -> None:
    ran = state_lost.run("reconcile", "orders", "--all", "--fix")

    assert ran.code == 3
    assert state_lost.writes == 0


def test_fix_keeps_to_the_limits_of_the_job(world: World) -> None:
    world.configure(orders__max_cancel=1)
    for index in range(3):
        world.shop.put(order(f"CT-{index}"))
    assert world.sync().code == 0
    for index in range(3):
        world.shop.orders[uid(f"CT-{index}")]["orderState"] = "Cancelled"
        world.shop.put(world.shop.orders[uid(f"CT-{index}")])
    world.clear()

    assert world.run("reconcile", "orders", "--fix").code == 5
    assert world.writes == 0
    assert world.run("reconcile", "orders", "--fix", "--allow-cancel").code == 0
    assert world.run("reconcile", "orders").code == 0


def test_fix_takes_the_lock_of_the_job_and_looking_does_not(apart: World) -> None:
    with job_lock(apart.state_path, "orders", 0, SystemClock()):
        assert apart.run("reconcile", "orders").code == 3
        ran = apart.run("reconcile", "orders", "--fix")

    assert ran.code == 6 and "lock-held" in ran.err
    assert apart.writes == 0


def test_a_system_that_is_down_is_told_and_what_was_found_stays(apart: World) -> None:
    apart.mao.server.close()

    ran = apart.run("reconcile", "orders", "--json")

    assert ran.code == 4
    assert "error: unreachable" in ran.err
    assert ran.json["exit_code"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["orders", "--order", "CT-1", "--all"],
        ["orders", "--sku", "A"],
        ["inventory", "--order", "CT-1"],
        ["orders", "--all", "--since", "1d"],
        ["orders", "--seed", "3"],
        ["orders", "--since", "2026-11-02", "--until", "2026-11-01"],
    ],
)
def test_options_that_contradict_each_other_are_refused(world: World, arguments: list[str]) -> None:
    assert world.run("reconcile", *arguments).code == 2


def test_how_it_looks(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch)
    for number in range(1, 5):
        stage.place(number)
    stage.sync()
    stage.clock.advance(60)
    stage.place(5)
    stage.edit(2, lambda order: order["shippingAddress"].update(city="Pirna"))
    stage.check("reconcile", "reconcile", "orders", "--all", code=3)
