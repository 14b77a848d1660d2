"""What becomes of an order after its export: changes, holds, cancellations, lost answers, lost state."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from cli_world import World
from independent_manhattan import envelope
from independent_servers import Reply
from shop_orders import add_up, order, uid

CONFLICT = {"statusCode": 409, "message": "x", "errors": [{"code": "ConcurrentModification"}]}


@pytest.fixture
def exported(world: World) -> World:
    """CT-1 with two lines is in MAO."""
    world.shop.put(order("CT-1", ("SKU-A", 2, 1999), ("SKU-B", 1, 500)))
    assert world.sync().code == 0
    world.clear()
    return world


def shop_order(world: World, number: str = "CT-1") -> dict[str, Any]:
    return world.shop.orders[uid(number)]


def change(world: World, number: str = "CT-1", **address: str) -> None:
    found = shop_order(world, number)
    found["shippingAddress"].update(address)
    world.shop.put(found)


def cancel(world: World, number: str = "CT-1") -> None:
    found = shop_order(world, number)
    found["orderState"] = "Cancelled"
    world.shop.put(found)


def address_in_mao(world: World, number: str = "CT-1") -> dict[str, Any]:
    found: dict[str, Any] = world.mao.orders[number]["OrderLine"][0]["ShipToAddress"]["Address"]
    return found


def the_letter(world: World) -> dict[str, Any]:
    (letter,) = world.letters()
    return letter


# ---- changes ----------------------------------------------------------------------------------------


def test_a_new_address_reaches_every_line_in_one_save(exported: World) -> None:
    change(exported, streetName="Rosenweg", city="Pirna")
    ran = exported.sync()
    assert ran.code == 0 and "written 1" in ran.out
    (save,) = exported.mao.saves()
    assert save.body["OrderActions"]["IsAlreadyPriced"] is True
    assert save.body["OrderActions"]["IsAlreadyTaxed"] is True
    assert "Payment" not in save.body
    for line in exported.mao.orders["CT-1"]["OrderLine"]:
        address = line["ShipToAddress"]["Address"]
        assert (address["Address1"], address["City"]) == ("Rosenweg 1742", "Pirna")
    exported.clear()
    assert exported.sync().code == 0
    assert exported.writes == 0


def test_another_quantity_carries_its_taxes_along(exported: World) -> None:
    found = shop_order(exported)
    found["lineItems"][0]["quantity"] = 3
    exported.shop.put(add_up(found))
    assert exported.sync().code == 0
    line = exported.mao.orders["CT-1"]["OrderLine"][0]
    assert line["Quantity"] == 3
    assert [row["TaxAmount"] for row in line["OrderLineTaxDetail"]] == [9.58]
    (save,) = exported.mao.saves()
    assert int(save.body["OrderActions"]["VersionTimestamp"]) == found["version"]


def test_a_line_that_vanished_is_cancelled(exported: World) -> None:
    found = shop_order(exported)
    found["lineItems"].pop()
    exported.shop.put(add_up(found))
    assert exported.sync().code == 0
    kept, gone = exported.mao.orders["CT-1"]["OrderLine"]
    assert kept["Quantity"] == 2
    assert (gone["Quantity"], gone["IsCancelled"]) == (0, True)
    exported.clear()
    assert exported.sync().code == 0
    assert exported.writes == 0


def test_a_line_that_is_new_is_added(exported: World) -> None:
    found = shop_order(exported)
    found["lineItems"].append(order("CT-1", ("SKU-C", 4, 250))["lineItems"][0])
    exported.shop.put(add_up(found))
    assert exported.sync().code == 0
    assert [line["ItemId"] for line in exported.mao.orders["CT-1"]["OrderLine"]] == [
        "SKU-A",
        "SKU-B",
        "SKU-C",
    ]


def test_what_a_person_changed_in_mao_stays(exported: World) -> None:
    for line in exported.mao.orders["CT-1"]["OrderLine"]:
        line["ShipToAddress"]["Address"]["Phone"] = "+49 999 1234567"
    change(exported, city="Pirna")
    assert exported.sync().code == 0
    address = address_in_mao(exported)
    assert (address["City"], address["Phone"]) == ("Pirna", "+49 999 1234567")


def test_a_field_changed_on_both_sides_is_for_a_person_to_settle(exported: World) -> None:
    for line in exported.mao.orders["CT-1"]["OrderLine"]:
        line["ShipToAddress"]["Address"]["Phone"] = "+49 999 1234567"
    change(exported, phone="+49 351 5550188")
    ran = exported.sync()
    assert ran.code == 3
    letter = the_letter(exported)
    assert letter["code"] == "order-locked"
    assert "ShipToAddress/Address/Phone" in letter["message"] and "1234567" not in letter["message"]
    assert exported.mao.saves() == []
    change(exported, phone="+49 999 1234567")  # the shop gives in
    assert exported.sync().code == 0
    assert exported.letters() == []


def test_an_update_that_comes_too_late_for_mao_is_told_as_locked(exported: World) -> None:
    exported.mao.reach("CT-1", "3000")
    change(exported, city="Pirna")
    assert exported.sync().code == 3
    letter = the_letter(exported)
    assert letter["code"] == "order-locked"
    assert letter["context"]["remote_code"] == "10008"
    assert address_in_mao(exported)["City"] == "Dresden"


def test_a_change_back_and_forth_is_written_each_time(exported: World) -> None:
    for city in ("Pirna", "Dresden", "Pirna"):
        change(exported, city=city)
        assert exported.sync().code == 0
        assert address_in_mao(exported)["City"] == city


# ---- hold until paid --------------------------------------------------------------------------------


def test_an_unpaid_order_waits_on_hold_until_it_is_paid(world: World) -> None:
    world.configure(
        orders__hold_until_paid="AwaitingPayment",
        orders__hold_resolve_reason="Paid",
    )
    world.shop.put(order("CT-1", payment_state="Pending"))
    assert world.sync().code == 0
    assert world.mao.orders["CT-1"]["IsOnHold"] is True
    found = shop_order(world)
    found["paymentState"] = "Paid"
    world.shop.put(found)
    world.clear()
    assert world.sync().code == 0
    (save,) = world.mao.saves()
    (hold,) = save.body["OrderHold"]
    assert hold == {"HoldTypeId": "AwaitingPayment", "StatusId": "2000", "ResolveReasonId": "Paid"}
    assert "OrderLine" not in save.body and "VersionTimestamp" not in save.body["OrderActions"]
    found["paymentState"] = "Pending"
    world.shop.put(found)
    world.clear()
    assert world.sync().code == 0
    assert world.mao.orders["CT-1"]["IsOnHold"] is False
    assert world.mao.saves() == []


# ---- cancellation -----------------------------------------------------------------------------------


def test_a_cancelled_order_is_cancelled_in_mao(exported: World) -> None:
    cancel(exported)
    ran = exported.sync()
    assert ran.code == 0 and "written 1" in ran.out
    assert exported.mao.orders["CT-1"]["IsCancelled"] is True
    assert [call.body["CancelReason"] for call in exported.mao.writes()] == [{"ReasonId": "CancelLine"}]
    exported.clear()
    assert exported.sync().code == 0
    assert exported.writes == 0


def test_an_order_cancelled_before_its_export_never_reaches_mao(world: World) -> None:
    world.shop.put(order("CT-1"))
    cancel(world)
    ran = world.sync()
    assert ran.code == 0 and "skipped 1: cancelled before it was exported" in ran.out
    assert world.mao.writes() == []


def test_a_cancellation_after_release_is_refused_and_closes_when_mao_is_done(exported: World) -> None:
    exported.mao.reach("CT-1", "3000.100")
    cancel(exported)
    assert exported.sync().code == 3
    letter = the_letter(exported)
    assert letter["code"] == "cancel-refused"
    assert "already released" in letter["message"]
    assert letter["next_try_at"]
    exported.mao.reach("CT-1", "7000")
    assert exported.run("replay-errors").code == 0
    assert exported.letters() == []


def test_a_late_cancellation_is_followed_until_mao_decides(exported: World) -> None:
    exported.configure(orders__late_cancel=True)
    exported.mao.late_cancel = True
    exported.mao.reach("CT-1", "3000")
    cancel(exported)
    ran = exported.sync()
    assert ran.code == 0 and "pending 1" in ran.out
    asked = exported.mao.saves()
    exported.clear()
    ran = exported.sync()
    assert ran.code == 0 and "written 0" in ran.out
    assert len(asked) == 1 and exported.mao.writes() == []
    for line in exported.mao.orders["CT-1"]["OrderLine"]:
        line["CancellationRequestStatus"] = "Failure"
    assert exported.sync().code == 3
    assert the_letter(exported)["code"] == "cancel-refused"
    assert exported.mao.writes() == []


def test_a_late_cancellation_that_mao_grants_ends_quietly(exported: World) -> None:
    exported.configure(orders__late_cancel=True)
    exported.mao.late_cancel = True
    exported.mao.reach("CT-1", "3500")
    cancel(exported)
    assert exported.sync().code == 0
    for line in exported.mao.orders["CT-1"]["OrderLine"]:
        line.update(IsCancelled=True, Quantity=0, CancellationRequestStatus="Success")
    exported.mao.reach("CT-1", "9000")
    exported.clear()
    ran = exported.sync()
    assert ran.code == 0 and "pending 0" in ran.out
    assert exported.mao.writes() == [] and exported.letters() == []


def test_many_cancellations_at_once_wait_for_a_person(world: World) -> None:
    world.configure(orders__max_cancel=1, orders__start_at="2026-11-01T00:00:00Z")
    for number in ("CT-1", "CT-2", "CT-3"):
        world.shop.put(order(number))
    assert world.sync().code == 0
    for number in ("CT-1", "CT-2"):
        cancel(world, number)
    change(world, "CT-3", city="Pirna")
    ran = world.sync()
    assert ran.code == 5
    assert ran.err.count("cancellation held back") == 2
    assert "replay-errors --code cancel-limit --allow-cancel" in ran.err
    assert address_in_mao(world, "CT-3")["City"] == "Pirna"
    assert not any(found["IsCancelled"] for found in world.mao.orders.values())
    assert world.run("replay-errors", "--code", "cancel-limit", "--allow-cancel").code == 0
    assert [found["IsCancelled"] for _, found in sorted(world.mao.orders.items())] == [True, True, False]


# ---- answers that get lost --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [Reply(how="effect-then-drop"), Reply(how="drop"), Reply(500, {}), Reply(502, b"<html>")]
)
def test_a_save_without_an_answer_ends_in_one_order(world: World, reply: Reply) -> None:
    world.shop.put(order("CT-1"))
    world.mao.server.on("POST", "/save", reply, times=1)
    assert world.sync().code == 0
    found = world.mao.orders["CT-1"]
    assert len(found["OrderLine"]) == 1
    assert len(world.mao.saves()) == (1 if reply.how == "effect-then-drop" else 2)
    assert shop_order(world)["syncInfo"][0]["externalId"] == "CT-1"


@pytest.mark.parametrize("reply", [Reply(how="effect-then-drop"), Reply(409, CONFLICT), Reply(500, {})])
def test_an_acknowledgement_without_an_answer_is_made_once(world: World, reply: Reply) -> None:
    world.shop.put(order("CT-1"))
    world.shop.server.on("POST", "/orders/", reply, times=1)
    assert world.sync().code == 0
    assert [row["externalId"] for row in shop_order(world)["syncInfo"]] == ["CT-1"]
    assert len(world.mao.saves()) == 1
    assert world.letters() == []


def test_a_token_that_expired_on_both_sides_is_renewed_once_each(exported: World) -> None:
    exported.shop.tokens = {"ct-token-2"}
    exported.mao.tokens = {"mao-token-2"}
    for number in range(2, 9):
        exported.shop.put(order(f"CT-{number}"))
    assert exported.sync().code == 0
    assert len(exported.mao.orders) == 8
    assert sum("oauth" in call.path for call in exported.calls) == 2


def test_a_stale_version_in_mao_is_read_again_and_done(exported: World) -> None:
    change(exported, city="Pirna")
    text = "Order CT-1, is bridged in with a stale/decremented or non integer version - 9"
    body = envelope(success=False, data=None, code="10208", text=text)
    exported.mao.server.on("POST", "/save", Reply(400, body), times=2)
    assert exported.sync().code == 0
    assert address_in_mao(exported)["City"] == "Pirna"
    assert exported.letters() == []


def test_a_version_that_mao_never_takes_is_tried_ten_times_and_again_later(exported: World) -> None:
    exported.mao.orders["CT-1"]["_version"] = 10**6
    change(exported, city="Pirna")
    ran = exported.sync()
    assert ran.code == 3
    assert len(exported.mao.saves()) == 10
    letter = the_letter(exported)
    assert letter["code"] == "conflict" and letter["next_try_at"]


# ---- state lost, orders gone ------------------------------------------------------------------------


def lose_state(world: World) -> None:
    for file in world.folder.glob("state*"):
        file.unlink()
    world.clear()


def test_a_lost_state_doubles_nothing_and_overwrites_nothing(world: World) -> None:
    for number in range(1, 6):
        world.shop.put(order(f"CT-{number}"))
    assert world.sync().code == 0
    change(world, "CT-2", city="Pirna")
    address_in_mao(world, "CT-3")["Phone"] = "+49 999 1234567"
    cancel(world, "CT-4")
    shop_order(world, "CT-5")["syncInfo"] = []
    in_mao = copy.deepcopy({k: v for k, v in world.mao.orders.items() if k != "CT-4"})
    lose_state(world)
    ran = world.sync()
    assert ran.code == 3
    assert world.mao.saves() == []
    assert {k: v for k, v in world.mao.orders.items() if k != "CT-4"} == in_mao
    assert world.mao.orders["CT-4"]["IsCancelled"] is True
    letters = {letter["label"]: letter["code"] for letter in world.letters()}
    assert letters == {"CT-2": "base-unknown", "CT-3": "base-unknown"}
    assert shop_order(world, "CT-5")["syncInfo"][0]["externalId"] == "CT-5"
    world.clear()
    assert world.sync().code == 0
    assert world.writes == 0


def test_a_lost_state_does_not_forget_later_changes_of_adopted_orders(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    lose_state(world)
    assert world.sync().code == 0
    change(world, city="Pirna")
    assert world.sync().code == 0
    assert address_in_mao(world)["City"] == "Pirna"


@pytest.mark.parametrize("as_200", [False, True])
def test_an_archived_order_is_neither_changed_nor_sent_again(exported: World, as_200: bool) -> None:
    exported.mao.unknown_as_200 = as_200
    exported.mao.archive["CT-1"] = exported.mao.orders.pop("CT-1")
    change(exported, firstName="anonymised", city="anonymised")
    assert exported.sync().code == 3
    assert the_letter(exported)["code"] == "order-locked"
    assert "archived" in the_letter(exported)["message"]
    assert exported.mao.writes() == [] and exported.mao.orders == {}
    lose_state(exported)
    assert exported.sync().code == 3  # known by our sync info
    assert exported.mao.writes() == []


@pytest.mark.parametrize("as_200", [False, True])
def test_an_order_that_disappeared_from_mao_is_not_sent_again(exported: World, as_200: bool) -> None:
    exported.mao.unknown_as_200 = as_200
    exported.mao.null_when_empty = as_200
    exported.mao.orders.clear()
    change(exported, city="Pirna")
    assert exported.sync().code == 3
    assert the_letter(exported)["code"] == "order-not-found"
    assert exported.mao.writes() == []


def test_an_order_without_a_number_goes_by_its_id(world: World) -> None:
    nameless = order("CT-1")
    del nameless["orderNumber"]
    world.shop.put(nameless)
    assert world.sync().code == 0
    assert list(world.mao.orders) == [uid("CT-1")]
    nameless["orderNumber"] = "CT-LATE"
    world.shop.put(nameless)
    assert world.sync().code == 0
    assert list(world.mao.orders) == [uid("CT-1")]


@pytest.mark.parametrize("number", ["CT/1", "CT#1?", "CT 1", "Ä1", "x" * 51, "CT'1"])
def test_a_number_that_mao_cannot_hold_is_set_aside(world: World, number: str) -> None:
    world.shop.put(order(number))
    world.shop.put(order("CT-GOOD"))
    ran = world.sync()
    assert ran.code == 3
    assert list(world.mao.orders) == ["CT-GOOD"]
    assert the_letter(world)["code"] == "payload-invalid"
    assert not any(re.search(r"CT'1", str(call.body)) for call in world.mao.server.calls)
