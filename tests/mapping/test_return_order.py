"""What MAO tells of a return: how many came, in which condition, what becomes of them, what was paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from return_documents import RULES, return_line, return_order, wanted_of

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.return_order import map_return, newest_ms, parent_ids_of
from ct_mao_sync.mapping.return_refund import refunds_of


def units(*lines: dict[str, Any]) -> list[tuple[str, str, int]]:
    (line,) = wanted_of(return_order(*lines)).lines
    return [(each.condition, each.fate, int(each.quantity)) for each in line.units]


@pytest.mark.parametrize(
    ("by_status", "details", "expected"),
    [
        pytest.param({11000: 2}, [], [], id="announced"),
        pytest.param({14000: 2}, [], [], id="scanned by the carrier"),
        pytest.param({15000: 2}, [("New", 2)], [("New", "", 2)], id="received"),
        pytest.param({18000: 2}, [("New", 2)], [("New", "BackInStock", 2)], id="verified"),
        pytest.param({18000: 2}, [("Damaged", 2)], [("Damaged", "Unusable", 2)], id="verified, damaged"),
        pytest.param({18000: 1}, [("Chewed", 1)], [("Chewed", "unmapped", 1)], id="nobody knows chewed"),
        pytest.param({18000: 2}, [], [("New", "BackInStock", 2)], id="no detail: as announced"),
        pytest.param({18000: 2}, [("New", 5)], [("New", "BackInStock", 2)], id="more details than accepted"),
        pytest.param(
            {11000: 1, 15000: 1, 18000: 1},
            [("New", 2)],
            [("New", "BackInStock", 1), ("New", "", 1)],
            id="bit by bit",
        ),
        pytest.param(
            {18000: 3},
            [("New", 2), ("Damaged", 1)],
            [("New", "BackInStock", 2), ("Damaged", "Unusable", 1)],
            id="two conditions",
        ),
        pytest.param(
            {15000: 1, 18000: 1},
            [("New", 1), ("Damaged", 1)],
            [("New", "", 1), ("Damaged", "", 1)],
            id="which of two fates is verified is not known yet",
        ),
        pytest.param({18000: 2, 19000: 1}, [("New", 2)], [("New", "BackInStock", 2)], id="part cancelled"),
        pytest.param({15000: 0, 18000: 1}, [("New", 1)], [("New", "BackInStock", 1)], id="a row of zero"),
    ],
)
def test_units_that_came_back(by_status: Any, details: Any, expected: Any) -> None:
    assert units(return_line(by_status, details)) == expected


def test_the_disposition_of_mao_goes_before_the_condition() -> None:
    additional = {"ItemDisposition": "Damaged", "ItemCondition": {"ItemConditionId": "New"}}

    assert units(return_line({18000: 1}, [("New", 1)], OrderLineAdditional=additional)) == [
        ("New", "Unusable", 1)
    ]


def test_a_cancelled_line_has_nothing() -> None:
    assert units(return_line({18000: 2}, [("New", 2)], IsCancelled=True)) == []


def test_what_the_customer_keeps_has_no_place_in_stock() -> None:
    assert units(return_line({18000: 2}, IsReceiptExpected=False)) == [("New", "Kept", 2)]


def test_a_customer_who_sends_back_what_could_be_kept_has_returned_it() -> None:
    line = return_line({18000: 1}, [("Damaged", 1)], IsReceiptExpected=False)

    assert units(line) == [("Damaged", "Unusable", 1)]


def test_units_of_another_item_are_counted_apart() -> None:
    line = return_line({18000: 3}, [("New", 1)])
    line["ReturnDetail"].append({"ItemId": "OTHER", "Quantity": Decimal(2), "ReturnDetailId": "x"})

    (mapped,) = wanted_of(return_order(line)).lines

    assert [int(each.quantity) for each in mapped.units] == [1]
    assert mapped.strange == 2


def test_another_unit_of_measure_is_converted() -> None:
    line = return_line({})
    line["QuantityDetail"] = [{"Quantity": Decimal(2), "UOM": "BOX", "StatusId": "15000"}]

    assert units(line) == [("New", "", 12)]


def test_without_quantity_details_a_line_all_at_one_status_is_clear() -> None:
    line = return_line({}, quantity=2, MinFulfillmentStatusId="18000", MaxFulfillmentStatusId="18000.000")

    assert units(line) == [("New", "BackInStock", 2)]


@pytest.mark.parametrize(
    "change",
    [
        {"QuantityDetail": [{"Quantity": "two", "StatusId": "15000"}]},
        {"QuantityDetail": [{"Quantity": Decimal(1), "StatusId": "soon"}]},
        {"QuantityDetail": [{"Quantity": Decimal(1), "UOM": "TON", "StatusId": "15000"}]},
        {"QuantityDetail": [], "MinFulfillmentStatusId": "11000", "MaxFulfillmentStatusId": "18000"},
        {"Quantity": "many"},
        {"OrderLineId": None},
    ],
)
def test_what_cannot_be_counted_is_rejected_by_name(change: dict[str, Any]) -> None:
    refused = map_return(return_order(return_line({15000: 1}, **change)), "CT-1", RULES)

    assert isinstance(refused, Rejection)
    assert refused.code == "source-invalid"
    assert "return R1" in refused.message


@pytest.mark.parametrize(
    ("by_status", "more", "finished"),
    [
        ({11000: 1}, {}, False),
        ({15000: 1}, {}, False),
        ({18000: 1}, {}, True),
        ({18000: 1}, {"OrderLineHold": [{"HoldTypeId": "QuantityVariance", "StatusId": "1000"}]}, False),
        ({18000: 1}, {"OrderLineHold": [{"HoldTypeId": "QuantityVariance", "StatusId": "2000"}]}, True),
        ({19000: 1}, {"IsCancelled": True}, True),
    ],
)
def test_a_line_is_finished_when_nothing_more_can_come(by_status: Any, more: Any, finished: bool) -> None:
    (line,) = wanted_of(return_order(return_line(by_status, **more))).lines

    assert line.finished is finished


def test_each_parent_order_has_its_own_lines_and_sale_lines_are_nobodys() -> None:
    order = return_order(
        return_line({15000: 1}),
        return_line({15000: 1}, line_id="2", ParentOrderId="CT-2"),
        {"OrderLineId": "X", "IsReturn": False, "ParentOrderId": "CT-1"},
        return_line({15000: 1}, line_id="3", ParentOrderId=None),
    )

    assert parent_ids_of(order) == ["CT-1", "CT-2", ""]
    wanted = wanted_of(order)
    assert [line.line_id for line in wanted.lines] == ["1"]
    assert wanted.exchange


def test_the_version_is_the_newest_moment_anywhere() -> None:
    line = return_line({15000: 1}, UpdatedTimestamp="2026-11-23T10:00:00.5")
    line["QuantityDetail"][0]["UpdatedTimestamp"] = "2026-11-23T10:00:01"

    assert newest_ms(return_order(line)) == 1795428001000


# ---- money -------------------------------------------------------------------------------------------


def invoice(number: str, *lines: str, status: str = "Open", total: str = "-40.00", done: str = "0") -> Any:
    return {
        "InvoiceId": number,
        "InvoiceType": {"InvoiceTypeId": "Return"},
        "ParentOrderId": "CT-1",
        "InvoiceTotal": Decimal(total),
        "AmountProcessed": Decimal(done),
        "Status": {"StatusId": status},
        "InvoiceLine": [{"OrderLineId": line} for line in lines],
    }


def refund(*invoices: str, result: str = "Success", amount: str = "40.00") -> Any:
    transaction = {
        "PaymentTransactionId": "T1",
        "TransactionType": {"PaymentTransactionTypeId": "Refund"},
        "PaymentResponseStatus": {"PaymentResponseStatusId": result},
        "ProcessedAmount": Decimal(amount),
        "PaymentTransactionDetail": [{"ReferenceId": each} for each in invoices],
    }
    return [{"PaymentMethod": [{"PaymentTransaction": [transaction]}]}]


@pytest.mark.parametrize(
    ("status", "more", "done"),
    [
        pytest.param("6000.000", {}, False, id="awaiting"),
        pytest.param("7000.000", {}, True, id="refunded"),
        pytest.param("0", {}, False, id="MAO does not pay"),
        pytest.param(
            "0", {"Invoice": [invoice("I", "1", status="Closed")]}, False, id="closed, nothing paid"
        ),
        pytest.param("7000", {"Invoice": [invoice("I", "1")]}, False, id="an invoice is open again"),
        pytest.param("7000", {"Invoice": [invoice("I", "2", status="Closed")]}, False, id="of another line"),
        pytest.param(
            "6000", {"Invoice": [invoice("I", "1")], "Payment": refund("I")}, True, id="transaction"
        ),
        pytest.param(
            "6000",
            {"Invoice": [invoice("I", "1")], "Payment": refund("I", result="Failure")},
            False,
            id="failed",
        ),
        pytest.param(
            "6000", {"Invoice": [invoice("I", "1", status="Closed", done="-40.00")]}, True, id="paid out"
        ),
        pytest.param("6000", {"Payment": refund()}, True, id="covers all, refers to nothing"),
        pytest.param("6000", {"Payment": refund(amount="39.99")}, False, id="does not cover all"),
    ],
)
def test_when_a_line_is_paid_back(status: str, more: Any, done: bool) -> None:
    order = return_order(return_line({18000: 2}, [("New", 2)]), status=status, **more)

    assert refunds_of(order).of_line("1").done is done


def test_what_went_out_is_told_by_invoice() -> None:
    order = return_order(
        return_line({18000: 2}, [("New", 2)]),
        Invoice=[invoice("I", "1", total="-38.50")],
        Payment=refund("I", amount="38.50"),
    )

    (payment,) = wanted_of(order).payments

    assert (payment.name, payment.amount, payment.line_ids) == ("I", Decimal("38.50"), ("1",))
