"""What a return order does in the simulated Manhattan, from announcement to refund, and to its parent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_wire import FLAGS, ORDER, Mao, a_line, an_order, an_update, text_of, units_of

from ct_mao_sync.sandbox.admin import handle_admin
from ct_mao_sync.sandbox.core import MANHATTAN, Request
from ct_mao_sync.sandbox.manhattan_envelope import Refused

Json = dict[str, Any]
EVENTS = "/order/api/order/returnOrderEvent/receive"


def _shipped(mao: Mao | None = None, *, delivered: bool = False, order_id: str = "CT-1", **line: Any) -> Mao:
    mao = mao or Mao()
    mao.saved(
        an_order(a_line(Quantity=5, **line), a_line(OrderLineId="L2", ItemId="SKU-2"), OrderId=order_id)
    )
    for step in ("allocate", "release", "ship", *(["deliver"] if delivered else [])):
        getattr(mao.lifecycle, step)(order_id)
    return mao


def _line(mao: Mao, return_id: str, line_id: str = "1") -> Json:
    return next(line for line in mao.get(return_id)["OrderLine"] if line["OrderLineId"] == line_id)


def _parent_units(mao: Mao, line_id: str = "L1", order_id: str = "CT-1") -> Json:
    return units_of(_line(mao, order_id, line_id))


def _details(line: Json) -> Json:
    return {
        row["ReceivedItemCondition"]["ItemConditionId"]: row["Quantity"]
        for row in line["ReturnDetail"]
        if row["Quantity"]
    }


def _holds(line: Json) -> Json:
    return {hold["HoldTypeId"]: hold["StatusId"] for hold in line.get("OrderLineHold") or []}


def _event(kind: str, return_id: str | None, quantity: int, **more: Any) -> Json:
    event: Json = {"EventTypeId": kind, "ReturnOrderId": return_id, "ReturnOrderLineId": "1"}
    event |= {"ParentOrderId": "CT-1", "ItemId": "SKU-1", "Quantity": quantity, "UOM": "EA"}
    return event | {"ReceivedItemCondition": {"ItemConditionId": "New"}, **more}


def test_a_return_goes_from_announcement_to_refund_and_its_parent_follows() -> None:
    mao = _shipped(delivered=True)
    seen = []

    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2}, tracking="RTN-1", paid_here=True)
    seen.append((units_of(_line(mao, return_id)), _parent_units(mao)))
    mao.lifecycle.scan_return(return_id)
    mao.lifecycle.receive(return_id)
    seen.append((units_of(_line(mao, return_id)), _parent_units(mao)))
    mao.lifecycle.verify(return_id)
    seen.append((units_of(_line(mao, return_id)), _parent_units(mao)))
    verified = mao.get(return_id)
    mao.lifecycle.refund(return_id)
    refunded = mao.get(return_id)

    assert seen == [
        ({"11000": 2}, {"7500": 3, "8000": 2}),
        ({"15000": 2}, {"7500": 3, "8000": 2}),
        ({"18000": 2}, {"7500": 3, "8500": 2}),
    ]
    assert verified["ReturnTrackingDetail"] == [{"ReturnTrackingNumber": "RTN-1", "CarrierCode": "UPS"}]
    assert (verified["MinReturnStatusId"], verified["MaxReturnStatusId"]) == ("18000", "18000")
    assert (verified["MinFulfillmentStatusId"], verified["ReturnStatus"]) == (None, "Returned")
    (invoice,) = verified["Invoice"]
    assert (invoice["InvoiceType"]["InvoiceTypeId"], invoice["InvoiceTotal"]) == ("Return", -40)
    assert (invoice["ParentOrderId"], invoice["Status"]["StatusId"]) == ("CT-1", "Open")
    assert [order["PaymentStatus"]["StatusId"] for order in (verified, refunded)] == ["6000.000", "7000.000"]
    (transaction,) = refunded["Payment"][0]["PaymentMethod"][0]["PaymentTransaction"]
    assert transaction["TransactionType"] == {"PaymentTransactionTypeId": "Refund"}
    assert transaction["PaymentTransactionDetail"][0]["ReferenceId"] == invoice["InvoiceId"]
    assert transaction["ProcessedAmount"] == 40
    assert refunded["Invoice"][0]["Status"] == {"StatusId": "Closed"}
    assert _details(_line(mao, return_id)) == {"New": 2}


def test_a_return_may_be_saved_by_another_tool() -> None:
    mao = _shipped()
    line = {"OrderLineId": "9", "ItemId": "SKU-1", "Quantity": "2", "UOM": "EA", "IsReturn": True}
    line |= {"DeliveryMethod": {"DeliveryMethodId": "ShipToReturnCenter"}, "ParentOrderId": "CT-1"}

    saved = mao.saved(an_order(line | {"ParentOrderLineId": "L1"}, OrderId="RET-1", OrderActions={}))

    assert saved["OrderLine"][0]["UnitPrice"] == -20
    assert saved["OrderLine"][0]["ReturnType"] == {"ReturnTypeId": "Refund"}
    assert saved["OrderTotal"] == -40
    assert (saved["MaxReturnStatusId"], saved["MaxFulfillmentStatusId"]) == ("11000", None)
    assert _parent_units(mao) == {"7000": 3, "8000": 2}
    assert mao.found("OrderLine.ParentOrderId = 'CT-1'") == ["RET-1"]
    assert mao.found("OrderLine.IsReturn = true and MaxReturnStatusId < 18000") == ["RET-1"]


def test_a_return_is_priced_like_its_parent_with_the_sign_turned() -> None:
    discount = {"ChargeType": {"ChargeTypeId": "Promotion"}, "DiscountOn": {"DiscountOnId": "Line"}}
    discount |= {"ChargeTotal": -10, "RequestedAmount": -10}
    tax = {"TaxTypeId": "SALES", "TaxRate": 0.1, "TaxableAmount": 90, "TaxAmount": 9}
    mao = _shipped(OrderLineChargeDetail=[discount], OrderLineTaxDetail=[tax])

    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2})
    mao.lifecycle.add_return_fee(return_id, "3.50", "1")
    line = _line(mao, return_id)

    assert (line["UnitPrice"], line["OrderLineSubTotal"]) == (-20, -40)
    assert [row["ChargeTotal"] for row in line["OrderLineChargeDetail"]] == [4, 3.5]
    assert [row["TaxAmount"] for row in line["OrderLineTaxDetail"]] == [-3.6]
    assert line["OrderLineTotal"] == pytest.approx(-40 + 4 + 3.5 - 3.6)


@pytest.mark.parametrize(
    ("quantities", "code"),
    [({"L1": 6}, "ord::10399"), ({"L9": 1}, "error.400")],
    ids=["more than shipped", "unknown line"],
)
def test_not_more_comes_back_than_was_shipped(quantities: Json, code: str) -> None:
    mao = _shipped()

    with pytest.raises(Refused, match=code):
        mao.lifecycle.create_return("CT-1", quantities)

    assert _parent_units(mao) == {"7000": 5}
    assert list(mao.sandbox.world.mao.orders) == ["CT-1"]


def test_units_can_be_announced_once() -> None:
    mao = _shipped()
    mao.lifecycle.create_return("CT-1", {"L1": 4})

    with pytest.raises(Refused, match="ord::10402"):
        mao.lifecycle.create_return("CT-1", {"L1": 2})

    assert _line(mao, "CT-1", "L1")["ReturnableQuantity"] == 1


def test_a_cancelled_return_gives_its_units_back_as_fulfilled_even_if_they_were_delivered() -> None:
    mao = _shipped(delivered=True)
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2, "L2": 1})
    mao.lifecycle.receive(return_id, "1", 1)

    mao.lifecycle.cancel_return(return_id, "1")

    assert _parent_units(mao) == {"7500": 3, "7000": 2}
    assert _line(mao, return_id)["MaxFulfillmentStatusId"] == "19000"
    mao.lifecycle.cancel_return(return_id)
    assert mao.get(return_id)["IsCancelled"] is True
    assert _parent_units(mao, "L2") == {"7500": 2, "7000": 1}


def test_what_is_returned_cannot_be_cancelled() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2})
    mao.lifecycle.verify(return_id)

    with pytest.raises(Refused, match="ord::10007"):
        mao.lifecycle.cancel_return(return_id)
    with pytest.raises(Refused, match="ord::10008"):
        mao.lifecycle.cancel_return(return_id, "1")


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize(
    ("came", "quantity", "parent"), [(1, 1, {"7000": 4, "8500": 1}), (3, 3, {"7000": 2, "8500": 3})]
)
def test_fewer_or_more_units_replace_the_quantity_and_are_held(
    automatic: bool, came: int, quantity: int, parent: Json
) -> None:
    mao = _shipped(Mao(auto_resolve_variances=frozenset({"quantity"} if automatic else ())))
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2}, paid_here=True)

    mao.lifecycle.verify(return_id, [{"OrderLineId": "1", "Quantity": came}])

    line = _line(mao, return_id)
    assert (line["Quantity"], units_of(line)) == (quantity, {"18000": came})
    assert _parent_units(mao) == parent
    assert line["OrderLineAdditional"]["VarianceQuantity"] == came - 2
    assert _holds(line) == ({} if automatic else {"QuantityVariance": "1000"})
    assert bool(mao.get(return_id).get("Invoice")) is automatic
    if not automatic:
        mao.lifecycle.resolve_line_hold(return_id, "1", "QuantityVariance")
    assert mao.get(return_id)["Invoice"][0]["InvoiceTotal"] == -20 * came


def test_units_that_another_return_announced_are_not_taken_from_it() -> None:
    mao = _shipped()
    mao.lifecycle.create_return("CT-1", {"L1": 2})
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 1})

    mao.lifecycle.verify(return_id, [{"OrderLineId": "1", "Quantity": 3}])

    assert _parent_units(mao) == {"8000": 2, "8500": 3}


def test_more_units_than_the_parent_has_are_a_line_of_their_own() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2})

    mao.lifecycle.verify(return_id, [{"OrderLineId": "1", "Quantity": 7}])

    first, extra = mao.get(return_id)["OrderLine"]
    assert (first["Quantity"], extra["Quantity"]) == (5, 2)
    assert (extra["ParentOrderId"], extra["ParentOrderLineId"]) == ("CT-1", None)
    assert _holds(extra) == {"ItemVariance": "1000"}
    assert (_details(first), _details(extra)) == ({"New": 5}, {"New": 2})
    assert _parent_units(mao) == {"8500": 5}


def test_another_item_than_announced_is_a_line_of_its_own_and_the_announced_one_stays_pending() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 1})
    mao.lifecycle.receive(return_id, "1", 1, item_id="SKU-2")
    mao.lifecycle.verify(return_id)

    announced, other = mao.get(return_id)["OrderLine"]
    assert (units_of(announced), announced["ReturnDetail"]) == ({"11000": 1}, [])
    assert (other["ItemId"], other["ParentOrderLineId"], units_of(other)) == ("SKU-2", "L2", {"18000": 1})
    assert other["OrderLineAdditional"]["IsItemVariance"] is True
    assert (_parent_units(mao), _parent_units(mao, "L2")) == ({"7000": 4, "8000": 1}, {"7000": 2, "8500": 1})
    mao.lifecycle.cancel_return(return_id, "2")
    assert _parent_units(mao, "L2") == {"7000": 3}


def test_units_in_different_conditions_are_details_of_one_line_and_the_unexpected_one_is_held() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 3}, paid_here=True)
    mao.lifecycle.receive(return_id, "1", 1)
    mao.lifecycle.receive(return_id, "1", 2, condition="Damaged")
    mao.lifecycle.verify(return_id)

    line = _line(mao, return_id)
    assert _details(line) == {"New": 1, "Damaged": 2}
    assert (units_of(line), _holds(line)) == ({"18000": 3}, {"ConditionVariance": "1000"})
    with pytest.raises(Refused):
        mao.lifecycle.refund(return_id)
    mao.lifecycle.resolve_line_hold(return_id, "1")
    mao.lifecycle.refund(return_id)
    assert mao.get(return_id)["PaymentStatus"] == {"StatusId": "7000.000"}


def test_a_parcel_lost_on_its_way_cancels_the_line() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2, "L2": 1})

    mao.lifecycle.verify(
        return_id, [{"OrderLineId": "1", "Quantity": 0}, {"OrderLineId": "2", "Quantity": 1}]
    )

    line = _line(mao, return_id)
    assert (line["IsCancelled"], line["Quantity"], units_of(line)) == (True, 0, {})
    assert (_parent_units(mao), _parent_units(mao, "L2")) == ({"7000": 5}, {"7000": 2, "8500": 1})
    assert [row["OrderLineId"] for row in mao.get(return_id)["Invoice"][0]["InvoiceLine"]] == ["2"]


def test_by_policy_line_units_are_verified_bit_by_bit_and_each_line_has_its_invoice() -> None:
    mao = _shipped(Mao(return_policy="line"))
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 3, "L2": 1}, paid_here=True)
    mao.lifecycle.verify_line(return_id, "1", 1)
    part = _line(mao, return_id)
    mao.lifecycle.verify_line(return_id, "1", 2, condition="Damaged")
    mao.lifecycle.verify_line(return_id, "2")

    assert (units_of(part), part["Quantity"], _holds(part)) == (
        {"11000": 2, "18000": 1},
        3,
        {"QuantityVariance": "1000"},
    )
    assert _holds(_line(mao, return_id)) == {"QuantityVariance": "2000", "ConditionVariance": "1000"}
    (invoice,) = mao.get(return_id)["Invoice"]
    assert invoice["InvoiceLine"][0]["OrderLineId"] == "2"
    mao.lifecycle.refund(return_id)
    assert mao.get(return_id)["PaymentStatus"] == {"StatusId": "6000.000"}
    with pytest.raises(Refused):
        mao.lifecycle.receive(return_id)
    with pytest.raises(Refused):
        mao.lifecycle.verify(return_id)


@pytest.mark.parametrize("automatic", [False, True])
def test_goods_that_the_customer_keeps_are_returned_by_approval(automatic: bool) -> None:
    mao = _shipped(Mao(auto_approve_returns=automatic))

    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2}, receipt_expected=False)

    assert units_of(_line(mao, return_id)) == {"18000" if automatic else "13000": 2}
    for step in ("scan_return", "receive", "verify"):
        arguments = (
            ("1",) if step == "receive" else ([{"OrderLineId": "1", "Quantity": 2}],) * (step == "verify")
        )
        with pytest.raises(Refused):
            getattr(mao.lifecycle, step)(return_id, *arguments)
    if not automatic:
        mao.lifecycle.approve_return(return_id, "1")
    assert units_of(_line(mao, return_id)) == {"18000": 2}
    assert _parent_units(mao) == {"7000": 3, "8500": 2}
    assert _line(mao, return_id)["ReturnDetail"] == []


def test_a_processed_return_is_returned_whatever_has_come() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 3})
    mao.lifecycle.receive(return_id, "1", 1)

    mao.lifecycle.process_return(return_id)

    assert (units_of(_line(mao, return_id)), _details(_line(mao, return_id))) == ({"18000": 3}, {"New": 1})


def test_an_exchange_holds_its_sale_lines_until_the_goods_are_back() -> None:
    mao = _shipped()
    even = a_line(OrderLineId="X", Quantity=1, UnitPrice=20, OriginalUnitPrice=20, IsEvenExchange=True)
    even |= {"ParentOrderId": "CT-1", "ParentOrderLineId": "L1"}
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 1}, exchange=[even])
    before = mao.get(return_id)
    mao.lifecycle.verify(return_id)
    after = mao.get(return_id)

    assert before["OrderLine"][0]["ReturnType"] == {"ReturnTypeId": "Even Exchange"}
    assert (before["ReturnLineCount"], before["OrderLineCount"]) == (1, 1)
    assert (before["MaxReturnStatusId"], before["MaxFulfillmentStatusId"]) == ("11000", "1000")
    assert [_holds(order["OrderLine"][1]) for order in (before, after)] == [
        {"ReturnItemsPending": "1000"},
        {"ReturnItemsPending": "2000"},
    ]
    assert mao.lifecycle.next_step(return_id) == "allocate"
    assert units_of(mao.get(return_id)["OrderLine"][0]) == {"18000": 1}


def test_one_parcel_holds_units_of_two_orders() -> None:
    mao = _shipped(_shipped(), order_id="CT-2")

    return_id = mao.lifecycle.create_return("CT-1", {"L1": 1}, others={"CT-2": {"L2": 2}}, paid_here=True)
    mao.lifecycle.verify(return_id)

    assert (_parent_units(mao), _parent_units(mao, "L2", "CT-2")) == (
        {"7000": 4, "8500": 1},
        {"7000": 1, "8500": 2},
    )
    assert [row["ParentOrderId"] for row in mao.get(return_id)["Invoice"]] == ["CT-1", "CT-2"]


def test_a_standalone_return_has_no_parent() -> None:
    mao = Mao()

    return_id = mao.lifecycle.create_standalone_return("SKU-9", 2, unit_price=7)
    mao.lifecycle.verify(return_id)

    order = mao.get(return_id)
    assert order["OrderLine"][0].get("ParentOrderId") is None
    assert order["Invoice"][0]["InvoiceTotal"] == -14


def test_an_archived_parent_is_reinstated() -> None:
    mao = _shipped()
    mao.lifecycle.archive("CT-1")

    mao.lifecycle.create_return("CT-1", {"L1": 1})

    assert _parent_units(mao) == {"7000": 4, "8000": 1}


def test_a_return_is_archived_when_it_is_paid_and_its_parent_not_before_its_units_are_back() -> None:
    mao = _shipped(Mao(archive_after_days=30))
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 1}, paid_here=True)

    def a_month_later() -> list[str]:
        mao.clock.advance(31 * 86_400)
        mao.token = mao.log_in()["access_token"]
        return mao.found()

    pending = a_month_later()
    mao.lifecycle.verify(return_id)
    unpaid = a_month_later()
    mao.lifecycle.refund(return_id)

    assert (pending, unpaid, a_month_later()) == (["CT-1", return_id], [return_id], [])


def test_an_unconfirmed_return_can_be_changed_and_a_confirmed_one_cannot() -> None:
    mao = _shipped()
    mao.lifecycle.create_return("CT-1", {"L1": 1}, return_id="RET-1", confirmed=False)
    mao.saved(an_update({"OrderLineId": "1", "Quantity": 2}, order_id="RET-1", OrderActions={}))
    changed = _parent_units(mao)
    with pytest.raises(Refused):
        mao.lifecycle.receive("RET-1")
    mao.lifecycle.confirm_return("RET-1")

    assert changed == {"7000": 3, "8000": 2}
    assert "ord::10008" in mao.refused(an_update({"OrderLineId": "1", "Quantity": 1}, order_id="RET-1"))
    more = a_line(
        OrderLineId="2", IsReturn=True, ParentOrderId="CT-1", ParentOrderLineId="L2", ItemId="SKU-2"
    )
    assert "ord::10007" in mao.refused(an_update(more, order_id="RET-1"))


def test_a_return_has_at_most_twenty_lines() -> None:
    mao = Mao()
    lines = [a_line(OrderLineId=str(n), IsReturn=True, UnitPrice=-1) for n in range(21)]

    assert "at most 20 return lines" in mao.refused(an_order(*lines, OrderId="RET-1", OrderActions=FLAGS))


def test_a_failed_refund_stays_awaited_and_outside_payment_has_none() -> None:
    mao = _shipped()
    first = mao.lifecycle.create_return("CT-1", {"L1": 1}, paid_here=True)
    mao.lifecycle.verify(first)
    mao.lifecycle.refund(first, succeeded=False)
    second = mao.lifecycle.create_return("CT-1", {"L2": 1}, paid_here=False)
    mao.lifecycle.verify(second)

    assert mao.get(first)["PaymentStatus"] == {"StatusId": "6000.000"}
    assert mao.get(second)["PaymentStatus"] == {"StatusId": "0.000"}
    with pytest.raises(Refused):
        mao.lifecycle.refund(second)


def test_timestamps_move_as_in_the_lifecycle_of_a_sale() -> None:
    mao = _shipped(Mao(header_lag_s=60))
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 2}, paid_here=True)
    mao.clock.advance(100)
    mao.get(return_id)
    before = mao.get(return_id)["UpdatedTimestamp"]
    mao.clock.advance(100)
    mao.lifecycle.verify(return_id)
    at_once = mao.get(return_id)
    mao.clock.advance(60)
    later = mao.get(return_id)

    assert at_once["UpdatedTimestamp"] == before
    assert at_once["OrderLine"][0]["UpdatedTimestamp"] > before
    assert later["UpdatedTimestamp"] > before
    assert mao.get("CT-1")["UpdatedTimestamp"] == later["UpdatedTimestamp"]


def test_events_come_in_by_the_return_event_endpoint() -> None:
    mao = _shipped()
    return_id = mao.lifecycle.create_return("CT-1", {"L1": 3})

    def tell(*events: Json) -> int:
        return mao.ask("POST", EVENTS, {"ExternalMessageId": "m1", "ReturnOrderEvent": list(events)}).status

    damaged = {"ReceivedItemCondition": {"ItemConditionId": "Damaged"}}
    statuses = [
        tell({"EventTypeId": "CarrierScanned", "ReturnOrderId": return_id, "ParentOrderId": "CT-1"}),
        tell(_event("Reciept", return_id, 1)),
        tell(_event("Verification", return_id, 1), _event("Verification", return_id, 2, **damaged)),
    ]

    assert statuses == [200, 200, 200]
    assert _details(_line(mao, return_id)) == {"New": 1, "Damaged": 2}
    refused = mao.ask("POST", EVENTS, {"ReturnOrderEvent": [_event("Verification", return_id, 1)]})
    assert text_of(refused).startswith("ord::10008")
    assert mao.ask("POST", EVENTS, {"ReturnOrderEvent": [_event("Sent", return_id, 1)]}).status == 400
    assert mao.ask("POST", EVENTS, {"ReturnOrderEvent": [_event("Receipt", "R9", 1)]}).status == 400


def test_a_verification_without_a_return_makes_one() -> None:
    mao = _shipped()
    body = {
        "ReturnOrderEvent": [_event("Verification", None, 6), _event("Verification", None, 1, ItemId="SKU-X")]
    }
    assert mao.ask("POST", EVENTS, {"ReturnOrderEvent": [_event("Receipt", None, 1)]}).status == 200
    assert list(mao.sandbox.world.mao.orders) == ["CT-1"]

    answer = json.loads(mao.ask("POST", EVENTS, body).body)

    lines = mao.get(answer["data"]["ReturnOrderId"])["OrderLine"]
    assert [(line["ItemId"], line["Quantity"], line["ParentOrderLineId"]) for line in lines] == [
        ("SKU-1", 5, "L1"),
        ("SKU-X", 1, None),
        ("SKU-1", 1, None),
    ]
    assert _parent_units(mao) == {"8500": 5}


def test_the_sandbox_surface_drives_returns() -> None:
    mao = _shipped()

    def advance(**body: Any) -> Json:
        request = Request(MANHATTAN, "POST", "/_sandbox/mao/advance", (), {}, json.dumps(body).encode())
        answer = handle_admin(mao.sandbox, request)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    made = advance(OrderId="CT-1", event="create_return", lines={"L1": 1}, return_id="RET-1")
    advance(OrderId="RET-1", event="receive", condition="Damaged")
    done = advance(OrderId="RET-1", event="verify")

    assert (made["event"], made["order"]["OrderId"]) == ("create_return", "RET-1")
    assert done["order"]["MaxReturnStatusId"] == "18000"
    assert mao.ask("GET", f"{ORDER}/orderId/RET-1").status == 200
