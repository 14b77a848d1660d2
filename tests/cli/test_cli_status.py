"""`sync status` as a person and a timer use it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_world import World
from shop_orders import order, uid


@pytest.fixture
def exported(world: World) -> World:
    """Two orders that MAO has, one of them shipped."""
    for number in ("CT-1", "CT-2"):
        document = {**order(number), "id": uid(number)}
        for line in document["lineItems"]:
            line["state"] = [{"quantity": line["quantity"], "state": {"typeId": "state", "id": "initial"}}]
        world.shop.put(document)
    assert world.sync().code == 0
    for line in world.mao.orders["CT-1"]["OrderLine"]:
        line["QuantityDetail"] = [{"Quantity": line["Quantity"], "StatusId": "7000", "UOM": line["UOM"]}]
    world.clear()
    return world


def shipment_state(world: World, number: str) -> Any:
    return world.shop.orders[uid(number)].get("shipmentState")


def test_a_dry_run_says_what_would_be_written(exported: World) -> None:
    ran = exported.run("sync", "status", "--dry-run")

    assert ran.code == 0, ran.text
    assert "update order CT-1: shipment state Shipped; order state Confirmed" in ran.out
    assert exported.writes == 0


def test_one_order_by_number_then_all(exported: World) -> None:
    ran = exported.run("sync", "status", "--order", "CT-1")

    assert ran.code == 0, ran.text
    assert "read 1 = written 1" in ran.out
    assert shipment_state(exported, "CT-1") == "Shipped"
    assert shipment_state(exported, "CT-2") == "Pending"
    exported.mao.orders["CT-2"]["OrderLine"][0]["QuantityDetail"] = [{"Quantity": 1, "StatusId": "1500"}]
    assert "read 2 = written 1 + unchanged 1" in exported.run("sync", "status").out


def test_what_mao_published_makes_the_run_look_at_it(exported: World) -> None:
    queue = exported.folder / "queue.jsonl"
    published = {"OriginalPayload": {"OrderId": "CT-1", "AlternateOrderId": uid("CT-1"), "Lies": "9000"}}
    foreign = {"OrderId": "POS-1", "AlternateOrderId": "77"}
    queue.write_text(f"{json.dumps(published)}\n{json.dumps(foreign)}\nnonsense\n", encoding="utf-8")

    ran = exported.run("sync", "status", "--from", str(queue), "--json")

    (run,) = ran.json["runs"]
    assert (ran.code, run["written"], len(run["rejections"])) == (3, 1, 1)
    assert shipment_state(exported, "CT-1") == "Shipped"


def test_a_status_that_nobody_knows_waits_and_is_cured_by_the_configuration(exported: World) -> None:
    exported.mao.orders["CT-1"]["OrderLine"][0]["QuantityDetail"][0]["StatusId"] = "4200.100"

    ran = exported.run("sync", "status")
    assert ran.code == 3
    (letter,) = exported.letters()
    assert (letter["code"], letter["field"]) == ("status-unmapped", "status.milestones")
    path = exported.config_path
    path.write_text(
        path.read_text(encoding="utf-8") + '\n[status.milestones]\n4200 = "shipped"\n', encoding="utf-8"
    )

    assert exported.run("sync", "status").code == 0
    assert exported.letters() == []
    assert shipment_state(exported, "CT-1") == "Shipped"


@pytest.mark.parametrize("wrong", ["shiped", "some_open_"])
def test_a_milestone_that_does_not_exist_is_told_before_anything_is_read(exported: World, wrong: str) -> None:
    path = exported.config_path
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}\n[status.shipment_states]\n{wrong} = "Shipped"\n', encoding="utf-8")

    ran = exported.run("sync", "status")

    assert ran.code == 2
    assert f"status.shipment_states.{wrong}" in ran.err
