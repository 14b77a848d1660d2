"""`trace`: one order, both systems, all jobs, on one line of time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import World
from golden import Stage
from shop_orders import order, uid

from ct_mao_sync.sandbox.commercetools_orders import edit_order
from ct_mao_sync.sandbox.manhattan_returns import ReturnLifecycle

RETURN = "R0000000042"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """CT-1 is exported and shipped under 1Z999; all of it is on its way back as a return."""
    stage = Stage(tmp_path, monkeypatch, delivery_tracking=True)
    stage.place(1)
    stage.place(2)
    stage.sync()
    stage.clock.advance(3600)
    lifecycle = ReturnLifecycle(stage.sandbox.world)
    lifecycle.allocate("CT-1")
    lifecycle.release("CT-1")
    stage.clock.advance(3600)
    lifecycle.ship("CT-1", package_id="PKG-1", tracking="1Z999")
    stage.clock.advance(3600)
    lifecycle.create_return("CT-1", return_id=RETURN, tracking="RTN-7")
    stage.clock.advance(600)
    return stage


def traced(stage: Stage, name: str, code: int = 0) -> dict[str, Any]:
    done = stage.run("trace", name, "--json")
    assert done.exit_code == code, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("name", ["CT-1", "{id}", "1Z999", RETURN, "RTN-7"])
def test_an_order_is_found_by_whatever_it_goes_by(shipped: Stage, name: str) -> None:
    order_id = shipped.mao(1)["AlternateOrderId"]

    found = traced(shipped, name.format(id=order_id))

    assert (found["order_number"], found["order_id"], found["mao_order_id"]) == ("CT-1", order_id, "CT-1")
    assert found["return_ids"] == [RETURN]
    assert {moment["where"] for moment in found["timeline"]} == {"commercetools", "MAO", "sync"}


def test_it_is_found_by_its_id_in_mao_when_that_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(orders='order_id = "WEB-{orderNumber}"')
    stage.place(1)
    stage.sync()

    assert traced(stage, "WEB-CT-1")["order_number"] == "CT-1"
    for path in tmp_path.glob("*.sqlite3*"):
        path.unlink()
    assert traced(stage, "WEB-CT-1")["order_number"] == "CT-1"


def test_a_tenant_without_delivery_tracking_is_asked_through_the_shops_parcels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, monkeypatch)
    placed = stage.place(1)
    stage.sync()
    parcel = {"id": "p", "trackingData": {"trackingId": "1Z777", "carrier": "UPS"}, "items": []}
    delivery = {"id": "d", "key": "mao-R1", "items": [], "parcels": [parcel]}
    edit_order(stage.sandbox.world, placed["id"], lambda o: o["shippingInfo"].update(deliveries=[delivery]))

    assert traced(stage, "1Z777")["order_number"] == "CT-1"


def test_the_line_of_time_tells_each_step_in_order_with_the_request_behind_it(shipped: Stage) -> None:
    timeline = traced(shipped, "CT-1")["timeline"]

    assert [moment["at"] for moment in timeline] == sorted(moment["at"] for moment in timeline)
    told = " | ".join(moment["text"] for moment in timeline)
    for text in ("order CT-1 placed", "create MAO order CT-1", "release CT-1", "shipped", "PKG-1", "1Z999"):
        assert text in told
    (created,) = [moment for moment in timeline if moment["text"].startswith("create MAO order")]
    assert created["run"] == "orders-0001"
    assert created["correlation_id"].startswith("orders-0001-")


def test_nothing_personal_is_told(shipped: Stage) -> None:
    shop_order = next(o for o in shipped.sandbox.world.ct.orders.values() if o["orderNumber"] == "CT-1")
    address = shop_order["shippingAddress"]

    for text in (shipped.run("trace", "CT-1").output, json.dumps(traced(shipped, "CT-1"))):
        for name in ("lastName", "streetName", "city", "email"):
            assert str(address[name]) not in text
        assert shop_order["customerEmail"] not in text


def test_it_says_why_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch)
    placed = stage.place(1)
    edit_order(stage.sandbox.world, placed["id"], lambda o: o.update(orderState="Complete"))

    done = stage.run("trace", "CT-1")

    assert "orders: nothing to do: orderState Complete is not in orders.order_states" in done.stdout


def test_the_present_difference_is_planned_and_not_written(shipped: Stage) -> None:
    shipped.edit(2, lambda o: o["shippingAddress"].update(city="Pirna"))
    writes = shipped.writes()

    text = shipped.run("trace", "CT-2").stdout

    assert "* CT-2" in text and "City" in text and "Pirna" not in text
    assert shipped.writes() == writes


def test_dead_letters_are_told_open_and_closed(world: World) -> None:
    world.shop.put(order("CT-1", method="Drone"))
    assert world.sync().code == 3
    ran = world.run("trace", "CT-1")
    assert "waiting as dead letter 1 (orders): shipping-method-unmapped" in " ".join(ran.out.split())
    assert "cure: add 'Drone'" in ran.out

    world.configure(mapping__shipping_methods={"Drone": "AIR"})
    assert world.sync().code == 0

    out = " ".join(world.run("trace", uid("CT-1")).out.split())
    assert "waiting as" not in out
    assert "refuse CT-1: shipping-method-unmapped" in out
    assert "close error 1: shipping-method-unmapped" in out


@pytest.mark.parametrize("down", ["shop", "mao", "both"])
def test_what_is_known_is_told_when_a_system_is_down(world: World, down: str) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    for name in ("shop", "mao") if down == "both" else (down,):
        getattr(world, name).server.close()

    ran = world.run("trace", "CT-1")

    assert ran.code == 4
    assert "create MAO order CT-1" in ran.out
    assert "error: unreachable" in ran.err and "without what the jobs would do now" in ran.err


def test_what_nobody_knows_is_exit_code_3(world: World) -> None:
    ran = world.run("trace", "CT-404")

    assert ran.code == 3
    assert "nothing is known of CT-404" in ran.out
    assert world.run("trace", "it's \x1b[31m odd").code == 3


def test_how_it_looks(shipped: Stage) -> None:
    shipped.check("trace", "trace", "CT-1")
