"""Tenants differ: the same facts in other spellings, in other orders, later or twice."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cli_world import World
from independent_manhattan import envelope
from independent_servers import Call, Reply
from shop_orders import order, uid

Respell = Callable[[Any], Any]


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:.4f}"
    return value


def _numbers_as_floats(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _everywhere(value: Any, respell: Respell) -> Any:
    if isinstance(value, dict):
        return {key: _everywhere(inner, respell) for key, inner in value.items()}
    if isinstance(value, list):
        return [_everywhere(inner, respell) for inner in value]
    return respell(value)


def _statuses_with_decimals(found: dict[str, Any]) -> None:
    for node in (found, *found["OrderLine"]):
        node["MinFulfillmentStatusId"] = node["MaxFulfillmentStatusId"] = "1000.000"


def _nulls_and_foreign_fields(found: dict[str, Any]) -> None:
    found.update(PriorityCode=None, Extended=None, OrderNote=None, Messages={"Message": [], "Size": 0})
    for line in found["OrderLine"]:
        line["ShipToAddress"]["Address"].update(Address2=None, Address3=None, County=None, State=None)
        line.update(ShipToLocationId=None, OrderLineNote=None, OrderLineHold=[], OrderLineTaxDetailX=[])


def _own_rows(found: dict[str, Any]) -> None:
    appeasement = {
        "ChargeDetailId": "998",
        "ChargeTotal": -3.0,
        "ChargeType": {"ChargeTypeId": "Appeasement"},
    }
    found["OrderChargeDetail"].append(appeasement)
    found.setdefault("OrderHold", []).append({"HoldTypeId": "PaymentFraud", "StatusId": "1000"})
    found["OrderLine"].reverse()
    found["OrderChargeDetail"].reverse()


STYLES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "numbers as text": lambda found: _everywhere(found, _numbers_as_text),
    "numbers as floats": lambda found: _everywhere(found, _numbers_as_floats),
    "statuses with decimals": _statuses_with_decimals,
    "nulls and foreign fields": _nulls_and_foreign_fields,
    "rows of its own, in another order": _own_rows,
}


@pytest.fixture(params=STYLES)
def styled(world: World, request: pytest.FixtureRequest) -> World:
    """CT-1 is in a MAO that keeps it in its own style."""
    world.shop.put(order("CT-1", ("SKU-A", 2, 1999), ("SKU-B", 3, 505)))
    assert world.sync().code == 0
    found = world.mao.orders["CT-1"]
    world.mao.orders["CT-1"] = STYLES[request.param](found) or found
    world.mao.orders["CT-1"]["_version"] = int(float(world.mao.orders["CT-1"]["_version"]))
    world.clear()
    return world


def test_another_spelling_is_no_difference(styled: World) -> None:
    styled.shop.put(styled.shop.orders[uid("CT-1")])  # a newer version, nothing changed
    assert styled.sync().code == 0
    assert styled.sync("--order", "CT-1").code == 0
    assert styled.writes == 0


def test_another_spelling_is_no_difference_either_when_the_state_was_lost(styled: World) -> None:
    for file in styled.folder.glob("state*"):
        file.unlink()
    ran = styled.sync()
    assert ran.code == 0, ran.text
    assert styled.writes == 0


def test_a_change_writes_only_itself_whatever_the_spelling(styled: World) -> None:
    changed = styled.shop.orders[uid("CT-1")]
    changed["shippingAddress"]["city"] = "Pirna"
    styled.shop.put(changed)
    assert styled.sync().code == 0
    (save,) = styled.mao.saves()
    assert {name for line in save.body["OrderLine"] for name in line} == {"OrderLineId", "ShipToAddress"}
    assert "OrderChargeDetail" not in save.body and "OrderHold" not in save.body


def test_answers_may_be_compressed(world: World) -> None:
    world.shop.put(order("CT-1"))

    def compressed(call: Call) -> Reply:
        reply = world.shop.answer(call)
        body = gzip.compress(json.dumps(reply.body).encode())
        return Reply(reply.status, body, {"Content-Encoding": "gzip"})

    world.shop.server.on("GET", "/orders", compressed)
    assert world.sync().code == 0
    assert "CT-1" in world.mao.orders


def test_a_search_that_lags_behind_doubles_nothing(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.mao.server.on("POST", "/search", Reply(200, envelope(success=True, data=None)))
    world.mao.server.on("POST", "/save", Reply(how="effect-then-drop"), times=1)
    assert world.sync().code == 0
    assert len(world.mao.saves()) == 1
    changed = world.shop.orders[uid("CT-1")]
    changed["shippingAddress"]["city"] = "Pirna"
    world.shop.put(changed)
    world.clear()
    assert world.sync().code == 0
    (save,) = world.mao.saves()
    assert "CurrencyCode" not in save.body  # an update, not the order again


def test_a_search_that_gives_more_than_was_asked_for_confuses_nobody(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.shop.put(order("CT-2"))
    foreign = {"OrderId": "POS-1", "AlternateOrderId": uid("CT-2"), "OrderLine": []}

    def chatty(call: Call) -> Reply:
        reply = world.mao.answer(call)
        reply.body["data"] = [foreign, *(reply.body["data"] or []), foreign, None]
        reply.body["header"] = None
        return reply

    world.mao.server.on("POST", "/search", chatty)
    ran = world.sync()
    assert ran.code == 0, ran.text
    assert sorted(world.mao.orders) == ["CT-1", "CT-2"]


def test_an_order_that_comes_twice_in_a_page_is_exported_once(world: World) -> None:
    world.shop.put(order("CT-1"))

    def doubled(call: Call) -> Reply:
        reply = world.shop.answer(call)
        reply.body["results"] *= 2
        reply.body["count"] *= 2
        return reply

    world.shop.server.on("GET", "/orders$", doubled)
    assert world.sync().code == 0
    assert len(world.mao.saves()) == 1


def test_an_order_that_changes_while_it_is_exported_is_exported_as_it_is_now(world: World) -> None:
    world.shop.put(order("CT-1"))

    def meanwhile(call: Call) -> None:
        changed = world.shop.orders[uid("CT-1")]
        changed["shippingAddress"]["city"] = "Pirna"
        world.shop.put(changed)

    world.mao.server.on("POST", "/save", meanwhile, times=1)
    assert world.sync().code == 0
    assert world.sync().code == 0
    address = world.mao.orders["CT-1"]["OrderLine"][0]["ShipToAddress"]["Address"]
    assert address["City"] == "Pirna"
    world.clear()
    assert world.sync().code == 0
    assert world.writes == 0


def test_the_sync_info_of_others_is_left_alone(world: World) -> None:
    found = order("CT-1")
    found["syncInfo"] = [
        {
            "channel": {"typeId": "channel", "id": "an-erp"},
            "externalId": "4711",
            "syncedAt": "2026-11-20T00:00:00Z",
        }
    ]
    world.shop.put(found)
    assert world.sync().code == 0
    assert [row["externalId"] for row in world.shop.orders[uid("CT-1")]["syncInfo"]] == ["4711", "CT-1"]


@pytest.mark.parametrize("side", ["shop", "mao"])
def test_a_token_that_is_never_accepted_stops_the_job(world: World, side: str) -> None:
    world.shop.put(order("CT-1"))
    if side == "shop":
        world.shop.server.on("GET", "/orders", Reply(401, {"error": "invalid_token"}))
    else:
        body = envelope(success=False, data=None, code="invalid_token", text="Cannot convert access token")
        world.mao.server.on("POST", "/order/", Reply(401, body))
    ran = world.sync()
    assert ran.code == 5
    assert "does not accept the token, not even a new one (401)" in ran.err
    assert world.requests <= 6


@pytest.mark.parametrize(
    "reply",
    [Reply(500, {}), Reply(200, b"<html>"), Reply(200, {"access_token": ""}), Reply(200, {"token": "x"})],
)
def test_a_token_endpoint_in_trouble_is_retried_and_then_told(world: World, reply: Reply) -> None:
    world.mao.server.on("POST", "/oauth/token", reply)
    world.shop.put(order("CT-1"))
    ran = world.sync()
    assert ran.code == 4
    assert "manhattan.auth_url" in ran.err
    world.mao.server.faults.clear()
    assert world.sync().code == 0


def test_a_token_without_a_lifetime_is_used(world: World) -> None:
    world.mao.server.on("POST", "/oauth/token", Reply(200, {"access_token": "mao-token-1"}))
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0


def test_more_lines_than_mao_takes_are_set_aside(world: World) -> None:
    lines = [(f"SKU-{number}", 1, 100) for number in range(251)]
    world.shop.put(order("CT-1", *lines))
    ran = world.sync()
    assert ran.code == 3
    assert "payload-invalid" in ran.err and "250" in ran.err
    assert world.mao.writes() == []


@pytest.mark.parametrize("shift_s", [-5400, 5400])
def test_a_shop_whose_clock_differs_from_ours_misses_nothing(world: World, shift_s: int) -> None:
    world.shop.shift_s = world.shop.server.shift_s = shift_s
    for number in range(4):
        world.shop.put(order(f"CT-{number}"))
        assert world.sync().code == 0
    assert len(world.mao.orders) == 4
    watermark = datetime.fromisoformat(world.sync("--json").json["runs"][0]["watermark"])
    assert abs((watermark - datetime.now(UTC)).total_seconds() - shift_s) < 60


def test_an_order_that_becomes_visible_late_is_still_found(world: World) -> None:
    late = order("CT-LATE")
    world.shop.put(late)
    hidden = world.shop.orders.pop(uid("CT-LATE"))
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    world.shop.orders[uid("CT-LATE")] = hidden  # its timestamp is older than the last run
    assert world.sync().code == 0
    assert sorted(world.mao.orders) == ["CT-1", "CT-LATE"]
