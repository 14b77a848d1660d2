"""Cancellation in the simulated Manhattan: orders, lines, units, before and after release."""

from __future__ import annotations

import json

import pytest
from sandbox_wire import ORDER, Mao, a_line, an_order, an_update, text_of, units_of

REASON = {"CancelReason": {"ReasonId": "CancelLine"}}
TRACKER = "/order/api/order/postReleaseCancellationTracker/search"
SHIPPING = {"ChargeDetailId": "ct-s1", "ChargeType": {"ChargeTypeId": "Shipping"}, "ChargeTotal": 4.9}


def _released(**settings: object) -> Mao:
    mao = Mao(**settings)
    mao.saved(an_order(a_line(), a_line(OrderLineId="L2")))
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")
    return mao


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{ORDER}/cancel", {"OrderId": "CT-1", **REASON, "CancelComments": "regret"}),
        (f"{ORDER}/orderId/CT-1/cancel", {**REASON, "CancelComments": "regret"}),
        (f"{ORDER}/save", an_update(IsCancelled=True, **REASON, CancelComments="regret")),
    ],
)
def test_a_cancelled_order_has_no_units_no_money_and_status_9000(path: str, body: dict[str, object]) -> None:
    mao = Mao()
    mao.saved(an_order(OrderChargeDetail=[SHIPPING]))

    answer = mao.ask("POST", path, body)

    assert answer.status == 200, answer.body
    order = mao.get()
    line = order["OrderLine"][0]
    assert (order["IsCancelled"], order["MinFulfillmentStatusId"], order["MaxFulfillmentStatusId"]) == (
        True,
        "9000",
        "9000",
    )
    assert order["FulfillmentStatus"] == "Canceled"
    assert (line["Quantity"], line["UnitPrice"], units_of(line)) == (0, 20, {})
    assert line["OrderLineCancelHistory"][0]["CancelQuantity"] == 3
    assert line["CancelledOrderLineSubTotal"] == 60
    assert (order["OrderChargeDetail"], order["CancelledOrderChargeDetail"]) == ([], [SHIPPING])
    assert (order["OrderTotal"], order["CancelLineCount"]) == (0, 1)
    assert (order["CancelReason"], order["CancelComments"]) == (REASON["CancelReason"], "regret")


def test_a_released_order_cannot_be_cancelled() -> None:
    mao = _released(post_release_cancel="success")

    answer = mao.ask("POST", f"{ORDER}/cancel", {"OrderId": "CT-1", **REASON})

    assert answer.status == 400
    expected = "ord::10007: The requested order modification is not permitted at status Released"
    assert text_of(answer) == expected
    assert mao.refused(an_update(IsCancelled=True, **REASON)) == expected


def test_a_cancellation_needs_a_reason_that_the_tenant_has() -> None:
    mao = Mao(cancel_reasons=frozenset({"CancelLine"}))
    mao.saved(an_order())

    assert "CancelReason is required" in mao.refused(an_update(IsCancelled=True))
    assert "Whim" in mao.refused(an_update(IsCancelled=True, CancelReason={"ReasonId": "Whim"}))


def test_an_unknown_order_cannot_be_cancelled() -> None:
    answer = Mao().ask("POST", f"{ORDER}/cancel", {"OrderId": "CT-9", **REASON})

    assert text_of(answer) == "ord::10006: Order id CT-9 does not exist"


def test_one_cancelled_line_leaves_the_others() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(), a_line(OrderLineId="L2")))

    order = mao.saved(an_update({"OrderLineId": "L1", "IsCancelled": True, **REASON}))

    assert [line["MaxFulfillmentStatusId"] for line in order["OrderLine"]] == ["9000", "1000"]
    assert (order["MaxFulfillmentStatusId"], order["IsCancelled"], order["OrderTotal"]) == ("1000", False, 60)


def test_the_last_cancelled_line_cancels_the_order() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(), a_line(OrderLineId="L2")))
    body = {**REASON, "OrderLine": [{"OrderLineId": "L1"}, {"OrderLineId": "L2"}]}

    answer = mao.ask("POST", f"{ORDER}/orderId/CT-1/orderLine/cancel", body)

    assert answer.status == 200
    assert mao.get()["IsCancelled"] is True


def test_a_cancelled_line_stays_cancelled() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(), a_line(OrderLineId="L2")))
    mao.saved(an_update({"OrderLineId": "L1", "IsCancelled": True, **REASON}))

    assert mao.refused(an_update({"OrderLineId": "L1", "IsCancelled": False})).startswith("ord::10008")
    assert mao.refused(an_update({"OrderLineId": "L1", "Quantity": 3})).startswith("ord::10008")


def test_late_cancellation_is_refused_where_the_tenant_has_none() -> None:
    mao = _released()

    assert mao.refused(an_update({"OrderLineId": "L1", "IsCancelled": True, **REASON})).startswith(
        "ord::10008"
    )


@pytest.mark.parametrize(("outcome", "units"), [("success", 0), ("failure", 3)])
def test_a_late_cancellation_is_requested_first_and_decided_later(outcome: str, units: int) -> None:
    mao = _released(post_release_cancel=outcome, post_release_cancel_s=60)

    line = mao.saved(an_update({"OrderLineId": "L1", "IsCancelled": True, **REASON}))["OrderLine"][0]
    mao.clock.advance(30)
    early = mao.get()["OrderLine"][0]
    mao.clock.advance(31)
    late = mao.get()["OrderLine"][0]

    assert line["CancellationRequestStatus"] == early["CancellationRequestStatus"] == "Requested"
    assert (line["Quantity"], early["Quantity"]) == (3, 3)
    assert late["CancellationRequestStatus"] == outcome.title()
    assert late["Quantity"] == units
    tracker = mao.ask("POST", TRACKER, {"Query": "OrderId = 'CT-1'"})
    (row,) = json.loads(tracker.body)["data"]
    assert (row["OrderLineId"], row["CancellationRequestStatus"]) == ("L1", outcome.title())


def test_a_packed_line_is_too_late_for_a_late_cancellation() -> None:
    mao = _released(post_release_cancel="success")
    mao.lifecycle.pack("CT-1", "L1")

    text = mao.refused(an_update({"OrderLineId": "L1", "IsCancelled": True, **REASON}))

    assert text == "ord::10008: The requested order line modification is not permitted at status Packed"


def test_permitted_modifications_follow_the_status() -> None:
    mao = Mao()
    mao.saved(an_order())
    before = json.loads(mao.ask("GET", f"{ORDER}/orderId/CT-1/permittedModTypes").body)["data"]
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")
    after = json.loads(mao.ask("GET", f"{ORDER}/orderId/CT-1/permittedModTypes").body)["data"]

    assert before == ["Order::Cancel", "OrderLine::Cancel", "OrderLine::Quantity::Decrease"]
    assert after == []
