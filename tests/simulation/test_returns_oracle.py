"""The oracle of the returns simulation, held to documents whose answer anyone can count."""

from __future__ import annotations

from typing import Any

import pytest
from returns_oracle import by_condition, expected_items, refunded_lines, shipped_units

Json = dict[str, Any]


def _line(units: Json, *details: tuple[str, int], announced: str = "New", **more: Any) -> Json:
    return {
        "OrderLineId": "1",
        "ItemId": "SKU-1",
        "IsReturn": True,
        "OrderLineTotal": -20,
        "ParentOrderId": "CT-1",
        "ParentOrderLineId": "6f6a1c1e-1111-4222-8333-944455556666.0a1b2c3d",
        "OrderLineAdditional": {"ItemCondition": {"ItemConditionId": announced}},
        "QuantityDetail": [{"StatusId": status, "Quantity": count} for status, count in units.items()],
        "ReturnDetail": [
            {"ItemId": "SKU-1", "Quantity": count, "ReceivedItemCondition": {"ItemConditionId": condition}}
            for condition, count in details
        ],
    } | more


def _refund(invoice_id: str, response: str = "Success") -> Json:
    transaction = {
        "TransactionType": {"PaymentTransactionTypeId": "Refund"},
        "PaymentResponseStatus": {"PaymentResponseStatusId": response},
        "PaymentTransactionDetail": [{"ReferenceId": invoice_id}],
    }
    return {"PaymentMethod": [{"PaymentTransaction": [transaction]}]}


@pytest.mark.parametrize(
    ("line", "units"),
    [
        (_line({"11000": 2}), {}),
        (_line({"11000": 1, "15000.100": 1}, ("New", 1)), {"New": 1}),
        (_line({"15000": 1, "18000": 2}, ("New", 1), ("Damaged", 2)), {"New": 1, "Damaged": 2}),
        (_line({"18000": 3}, ("Damaged", 1)), {"Damaged": 1, "New": 2}),
        (_line({"18000": 2}, ("New", 1), announced=""), {"New": 1, "": 1}),
        (_line({"15000": 2}, ("New", 3)), {"New": 2}),
        (_line({"15000": 1}, ("New", 0), ("Damaged", 1)), {"Damaged": 1}),
    ],
    ids=["announced", "a part", "two conditions", "forced", "not said", "uncounted", "found otherwise"],
)
def test_units_count_when_mao_has_them_in_the_condition_they_are_in(line: Json, units: Json) -> None:
    assert by_condition(line) == units


def test_what_comes_back_belongs_to_a_line_of_the_shop_however_mao_split_it() -> None:
    parent = {"OrderId": "CT-1", "AlternateOrderId": "order-1", "OrderLine": []}
    stray = _line({"18000": 1}, ("New", 1), OrderLineId="2", ParentOrderLineId=None)
    order = {"OrderId": "R1", "OrderLine": [_line({"18000": 1}, ("New", 1)), stray]}

    (expected,) = expected_items([parent, order])

    assert (expected.order_id, expected.line_id) == ("order-1", "6f6a1c1e-1111-4222-8333-944455556666")
    assert (expected.key, expected.units, expected.verified, expected.refunded) == (
        ("R1", "1", "New"),
        1,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("status", "payment", "lines"),
    [
        ("7000.000", [], {"1", "2"}),
        ("6000.000", [_refund("i-1")], {"1"}),
        ("6000.000", [_refund("i-1", "Failure")], set()),
        ("0.000", [], set()),
    ],
)
def test_money_is_back_line_by_line_or_for_the_whole_return(
    status: str, payment: Any, lines: set[str]
) -> None:
    order = {
        "PaymentStatus": {"StatusId": status},
        "OrderLine": [{"OrderLineId": "1"}, {"OrderLineId": "2"}],
        "Invoice": [{"InvoiceId": f"i-{n}", "InvoiceLine": [{"OrderLineId": str(n)}]} for n in (1, 2)],
        "Payment": payment,
    }

    assert refunded_lines(order) == lines


def test_units_have_left_when_they_are_fulfilled_and_not_when_they_are_packed() -> None:
    details = [{"StatusId": status, "Quantity": 1} for status in ("3700", "7000", "7500")]
    line = {"OrderLineId": "l-1", "FulfillmentDetail": details}

    assert shipped_units([{"AlternateOrderId": "order-1", "OrderLine": [line]}]) == {("order-1", "l-1"): 2}
