"""One bad order: one clear line, exit code 3, a dead letter that says what to do; the good one arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cli_world import World
from independent_manhattan import envelope
from independent_servers import Call, Reply
from shop_orders import order, uid

Change = Callable[[dict[str, Any]], None]


def _only_bad(reply: Reply) -> Callable[[Call], Reply | None]:
    return lambda call: reply if call.body["OrderId"] == "CT-BAD" else None


def assert_set_aside(world: World, code: str, *words: str) -> dict[str, Any]:
    """CT-GOOD arrives; CT-BAD is one line on stderr and one dead letter with a cure."""
    world.shop.put(order("CT-GOOD"))
    ran = world.sync()
    assert ran.code == 3
    assert "CT-GOOD" in world.mao.orders
    lines = [text for text in ran.err.splitlines() if "CT-BAD" in text]
    assert len(lines) == 1, ran.err
    assert f"{code}: " in lines[0]
    for word in words:
        assert word in lines[0]
    assert "read 2 = written 1 + unchanged 0 + rejected 1" in ran.out
    assert "1 record waits as a dead letter: ct-mao-sync errors list" in ran.out
    (letter,) = world.letters()
    assert (letter["code"], letter["label"]) == (code, "CT-BAD")
    assert letter["hint"]
    shown = world.run("errors", "show", str(letter["id"]))
    assert shown.code == 0
    assert code in shown.out and "cure: " in shown.out
    return letter


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ("SKU-BAD,,,", "sku-unmapped", ["'SKU-BAD' has no MAO item"]),
        ("SKU-BAD,ITEM-1,PALLET,", "uom-unmapped", ["'PALLET' of SKU 'SKU-BAD'"]),
    ],
)
def test_an_item_or_unit_without_mapping_is_set_aside(
    world: World, row: str, code: str, words: list[str]
) -> None:
    (world.folder / "skus.csv").write_text(f"sku,item,uom,units\n{row}\n")
    world.configure(mapping__skus_file="skus.csv", mapping__shipping_methods={"Standard": "STD"})
    world.shop.put(order("CT-BAD", ("SKU-BAD", 1, 500)))
    assert_set_aside(world, code, *words)


def test_an_unmapped_shipping_method_is_set_aside_and_goes_by_itself_once_it_is_mapped(world: World) -> None:
    world.shop.put(order("CT-BAD", method="Drone \x1b[31m"))
    letter = assert_set_aside(world, "shipping-method-unmapped", r"'Drone \x1b[31m'")
    assert "\x1b" not in world.everything
    assert "mapping.shipping_methods" in letter["hint"]
    methods = {"Standard": "STD", "Drone \x1b[31m": "AIR"}
    world.configure(mapping__shipping_methods=methods)
    assert world.sync().code == 0
    assert world.mao.orders["CT-BAD"]["OrderLine"][0]["ShippingMethodId"] == "AIR"
    assert world.letters() == []


def _no_address(found: dict[str, Any]) -> None:
    del found["shippingAddress"]


def _one_cent_more(found: dict[str, Any]) -> None:
    found["totalPrice"]["centAmount"] += 1


def _lines_are_text(found: dict[str, Any]) -> None:
    found["lineItems"] = "none"


def _no_total(found: dict[str, Any]) -> None:
    del found["totalPrice"]


def _quantity_is_text(found: dict[str, Any]) -> None:
    found["lineItems"][0]["quantity"] = "two"


def _negative_quantity(found: dict[str, Any]) -> None:
    found["lineItems"][0]["quantity"] = -2


def _created_some_day(found: dict[str, Any]) -> None:
    found["createdAt"] = "yesterday"


def _nested_too_strange(found: dict[str, Any]) -> None:
    found["shippingInfo"] = [1, {"a": None}]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (_no_address, "source-invalid", ["missing address"]),
        (_one_cent_more, "totals-mismatch", ["44.88, expected 44.89"]),
        (_lines_are_text, "source-invalid", ["lineItems"]),
        (_no_total, "source-invalid", ["totalPrice"]),
        (_quantity_is_text, "source-invalid", ["quantity"]),
        (_negative_quantity, "source-invalid", ["quantity"]),
        (_created_some_day, "source-invalid", ["createdAt"]),
        (_nested_too_strange, "source-invalid", ["shippingInfo"]),
    ],
)
def test_an_order_that_is_wrong_in_itself_is_set_aside(
    world: World, change: Change, code: str, words: list[str]
) -> None:
    bad = order("CT-BAD")
    change(bad)
    world.shop.put(bad)
    letter = assert_set_aside(world, code, *words)
    assert f"replay-errors --entity {uid('CT-BAD')}" in letter["hint"]


def test_a_corrected_order_leaves_the_queue_by_itself(world: World) -> None:
    bad = order("CT-BAD")
    _one_cent_more(bad)
    world.shop.put(bad)
    assert_set_aside(world, "totals-mismatch")
    bad["totalPrice"]["centAmount"] -= 1
    world.shop.put(bad)
    assert world.sync().code == 0
    assert "CT-BAD" in world.mao.orders
    assert world.letters() == []


def test_an_order_that_makes_mao_answer_500_every_time_is_tried_again_later(world: World) -> None:
    world.shop.put(order("CT-BAD"))
    body = {"error": "cannot handle Zanderbrück, w.zanderbrueck@post.example"}
    world.mao.server.on("POST", "/save", _only_bad(Reply(500, body)))
    letter = assert_set_aside(world, "target-failed", "500")
    assert letter["next_try_at"]
    assert "it is tried again by the next runs" in letter["hint"]
    world.mao.server.faults.clear()
    assert world.run("replay-errors").code == 0
    assert "CT-BAD" in world.mao.orders


def test_a_save_that_never_gets_json_back_is_that_orders_own_fault(world: World) -> None:
    world.shop.put(order("CT-BAD"))
    world.mao.server.on("POST", "/save", _only_bad(Reply(200, b"<html>hello</html>")))
    assert_set_aside(world, "target-failed", "not a JSON object")


@pytest.mark.parametrize("status", [200, 400])
def test_a_refusal_is_found_also_inside_a_success(world: World, status: int) -> None:
    world.shop.put(order("CT-BAD"))
    text = "Customer Zanderbrück w.zanderbrueck@post.example is not valid"
    row = {"Type": "ERROR", "Code": "ord::10999", "Description": text}
    inside = {"OrderId": "CT-BAD", "Messages": {"Message": [row], "Size": 1}}
    body = (
        envelope(success=True, data=inside)
        if status == 200
        else envelope(success=False, data=None, code="ord::10999", text=text)
    )
    world.mao.server.on("POST", "/save", _only_bad(Reply(status, body)))
    letter = assert_set_aside(world, "target-refused", "Customer [name] [email] is not valid")
    assert letter["context"]["remote_code"] == "10999"
    assert letter["context"]["correlation_id"]


def test_a_mao_order_of_somebody_else_with_our_order_id_is_never_touched(world: World) -> None:
    theirs = {"OrderId": "CT-BAD", "AlternateOrderId": "POS-77", "OrderLine": [], "IsCancelled": False}
    world.mao.orders["CT-BAD"] = dict(theirs)
    world.shop.put(order("CT-BAD"))
    letter = assert_set_aside(world, "order-id-taken", "belongs to somebody else")
    assert world.mao.orders["CT-BAD"] == theirs
    assert "order_id" in letter["hint"]
    world.configure(orders__order_id="WEB-{orderNumber}", orders__start_at="2026-11-01T00:00:00Z")
    assert world.run("replay-errors").code == 0
    assert world.mao.orders["WEB-CT-BAD"]["AlternateOrderId"] == uid("CT-BAD")
    assert world.mao.orders["CT-BAD"] == theirs


def test_a_missing_sync_channel_is_told_with_its_cure_and_no_order_is_doubled(world: World) -> None:
    world.shop.put(order("CT-BAD"))
    world.shop.channels.clear()
    ran = world.sync()
    assert ran.code == 3
    assert "commercetools refused to acknowledge it" in ran.err
    (letter,) = world.letters()
    assert "the channel OMS must exist with the role OrderExport" in letter["hint"]
    world.shop.channels["OMS"] = {"id": "some-id", "key": "OMS", "roles": ["OrderExport"]}
    world.clear()
    assert world.run("replay-errors").code == 0
    assert world.mao.saves() == []
    assert len(world.shop.writes()) == 1


def test_twenty_refusals_in_a_row_stop_the_job_and_fill_no_queue(world: World) -> None:
    for number in range(25):
        world.shop.put(order(f"CT-{number}"))
    text = "Order type Ecom Order is unknown"
    world.mao.server.on("POST", "/save", Reply(400, envelope(success=False, data=None, code="1", text=text)))
    ran = world.sync()
    assert ran.code == 5
    assert "20 records in a row were refused" in ran.err and text in ran.err
    assert "nothing is lost" in ran.err
    assert "ct-mao-sync sync orders" in ran.err and "replay-errors" not in ran.err
    assert world.letters() == []
    world.mao.server.faults.clear()
    ran = world.sync()
    assert ran.code == 0
    assert "read 25 = written 25" in ran.out
