"""Later changes of an exported order: the shop's are written, MAO's stay, what both changed is locked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from growth import assert_linear
from hypothesis import given
from hypothesis import strategies as st
from mao_documents import (
    KEYS,
    LINE_A,
    LINE_B,
    REASON,
    Json,
    acked,
    address_of,
    apply_save,
    cancel,
    charge,
    cut_off,
    edited,
    line,
    line_of,
    mao_of,
    merged,
    note,
    payload,
    row_in,
    shorten,
    tax,
    without,
)
from mapping_orders import ANY_METHOD, SAMPLES, mapping_of

from ct_mao_sync.mapping.order import MappedOrder
from ct_mao_sync.mapping.order_adopt import differences
from ct_mao_sync.mapping.order_merge import SentBase
from ct_mao_sync.models.json import dump_json

Edit = Callable[[Json], object]


def nothing(_: Json) -> None:
    """No change."""


# ---- one field, three states --------------------------------------------------------------------

# What a field is called -> how to set it in a payload or in MAO's document. Each kind of place once.
FIELDS: dict[str, Callable[[Json, Any], object]] = {
    "CustomerPhone": lambda doc, value: doc.update(CustomerPhone=value),
    "SellingChannel/SellingChannelId": lambda doc, value: doc["SellingChannel"].update(
        SellingChannelId=value
    ),
    f"OrderLine/{LINE_A}/ItemId": lambda doc, value: line_of(doc).update(ItemId=value),
    f"OrderLine/{LINE_A}/ShipToAddress/Address/City": lambda doc, value: address_of(doc).update(City=value),
    "OrderChargeDetail/ct-ship-single": lambda doc, value: row_in(
        doc, "OrderChargeDetail", "ct-ship-single"
    ).update(ChargeDisplayName=value),
    "OrderTaxDetail/ct-tax-ship-19": lambda doc, value: row_in(
        doc, "OrderTaxDetail", "ct-tax-ship-19"
    ).update(Jurisdiction=value),
    "OrderNote/ct-po": lambda doc, value: row_in(doc, "OrderNote", "ct-po").update(NoteText=value),
    f"OrderLine/{LINE_A}/OrderLineTaxDetail/ct-tax-{LINE_A}-19": lambda doc, value: row_in(
        line_of(doc), "OrderLineTaxDetail", f"ct-tax-{LINE_A}-19"
    ).update(Jurisdiction=value),
}
every_field = pytest.mark.parametrize(("path", "put"), FIELDS.items(), ids=FIELDS)


@every_field
@pytest.mark.parametrize(
    ("sent", "mao", "shop", "expected"),
    [
        ("a", "a", "a", "same"),
        ("a", "a", "b", "write"),
        ("a", "b", "b", "same"),
        ("a", "b", "a", "keep"),
        ("a", "b", "c", "locked"),
        ("a", "a", None, "write"),
        ("a", None, None, "same"),
        ("a", "", None, "same"),
        ("a", None, "a", "keep"),
        ("a", None, "c", "locked"),
        ("a", "b", None, "locked"),
        (None, None, "b", "write"),
        (None, "b", None, "keep"),
        (None, "b", "c", "locked"),
        (None, "", None, "same"),
    ],
)
def test_each_state_of_a_field_has_one_decision(
    path: str, put: Callable[[Json, Any], object], sent: Any, mao: Any, shop: Any, expected: str
) -> None:
    before, now = payload(), payload()
    put(before, sent)
    put(now, shop)
    current = mao_of(before)
    put(current, mao)

    merge = merged(now, current, acked(before))

    assert merge.changed == ([path] if expected == "write" else [])
    assert [locked.startswith(path) for locked in merge.locked] == ([True] if expected == "locked" else [])
    assert bool(merge.body) is (expected == "write")
    after = apply_save(current, merge.body)
    wanted_after = mao_of(before)
    put(wanted_after, shop if expected == "write" else mao)
    assert after == wanted_after


@every_field
def test_a_field_that_mao_does_not_give_back_is_written_once_and_never_locks(
    path: str, put: Callable[[Json, Any], object]
) -> None:
    before, now = payload(), payload()
    put(before, "a")
    put(now, "b")
    current = mao_of(before)
    put(current, "gone")
    _drop(current, "gone")

    assert merged(before, current, acked(before)).body == {}
    first = merged(now, current, acked(before))
    assert (first.changed, first.locked) == ([path], [])
    assert merged(now, current, acked(now)).body == {}
    assert differences(now, current) == []


def _drop(node: Any, value: str) -> None:
    """Takes the key that has this value out of a document."""
    if isinstance(node, dict):
        for name in [name for name, each in node.items() if each == value]:
            del node[name]
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _drop(each, value)


def test_a_list_that_mao_does_not_give_back_does_not_lock() -> None:
    before = payload()
    now = edited(before, lambda doc: doc["OrderNote"][0].update(NoteText="PO-1"))
    current = without(mao_of(before), "OrderNote")
    assert merged(now, current, acked(before)).locked == []
    assert differences(now, current) == []


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("UnitPrice", 4.9, "4.90"), ("Quantity", "3", 3.0), ("UnitPrice", Decimal("20.00"), "20")],
)
def test_another_spelling_is_no_change(name: str, one: Any, other: Any) -> None:
    sent = payload(OrderLine=[line(**{name: one})])
    current = edited(mao_of(sent), lambda doc: line_of(doc).update({name: other}))
    assert merged(sent, current, acked(sent)).body == {}
    assert differences(sent, current) == []


def test_dates_come_back_without_zone_and_milliseconds() -> None:
    sent = payload(DoNotReleaseBefore="2026-03-05T07:30:00.000Z")
    current = {**mao_of(sent), "DoNotReleaseBefore": "2026-03-05T07:30:00"}
    later = {**sent, "DoNotReleaseBefore": "2026-03-06T07:30:00.000Z"}
    assert merged(sent, current, acked(sent)).body == {}
    assert merged(later, current, acked(sent)).body == {"DoNotReleaseBefore": "2026-03-06T07:30:00.000Z"}


def test_what_goes_to_mao_and_back_again_is_written_each_time() -> None:
    a, b = payload(), payload(CustomerPhone="+49 1")
    current = mao_of(a)
    to_b = merged(b, current, acked(a))
    current = apply_save(current, to_b.body)
    to_a = merged(a, current, acked(b))
    assert to_b.body == {"CustomerPhone": "+49 1"}
    assert to_a.body == {"CustomerPhone": "+49301234567"}


def test_payments_holds_and_identity_are_never_merged() -> None:
    sent = payload()
    now = {
        **sent,
        "Payment": [{"PaymentMethod": [{"PaymentMethodId": "ct-2"}]}],
        "OrderHold": [{"HoldTypeId": "AwaitingPayment", "StatusId": "1000"}],
        "CapturedDate": "2027-01-01T00:00:00.000",
        "CurrencyCode": "USD",
    }
    assert merged(now, mao_of(sent), acked(sent)).body == {}


def test_a_field_that_was_kept_goes_on_counting_as_changed_by_mao() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: doc.update(CustomerPhone="agent's"))
    second = edited(sent, lambda doc: doc.update(CustomerEmail="new@example.org"))
    first_save = merged(second, current, acked(sent))
    current = apply_save(current, first_save.body)
    third = edited(second, lambda doc: doc.update(CustomerEmail="newer@example.org"))
    fourth = edited(third, lambda doc: doc.update(CustomerPhone="shop's"))

    assert first_save.body == {"CustomerEmail": "new@example.org"}
    assert merged(second, current, acked(second)).body == {}
    assert merged(third, current, acked(second)).body == {"CustomerEmail": "newer@example.org"}
    assert merged(fourth, current, acked(second)).locked == ["CustomerPhone"]


# ---- nested objects -------------------------------------------------------------------------------


@pytest.mark.parametrize("replaces_objects", [False, True], ids=["merged", "replaced"])
def test_an_address_is_sent_whole_with_what_mao_changed_in_it(replaces_objects: bool) -> None:
    sent = payload()
    now = edited(sent, lambda doc: address_of(doc).update(City="Potsdam", PostalCode="14467"))
    current = edited(
        mao_of(sent), lambda doc: address_of(doc).update(Address2="3rd floor", County="Mitte", Email=None)
    )
    del address_of(current)["Phone"]

    merge = merged(now, current, acked(sent))
    after = apply_save(current, merge.body, replaces_objects=replaces_objects)

    assert merge.locked == []
    assert {name: value for name, value in address_of(after).items() if value is not None} == {
        "FirstName": "Erika",
        "LastName": "Muster",
        "Address1": "Hauptstr. 1",
        "Address2": "3rd floor",
        "City": "Potsdam",
        "PostalCode": "14467",
        "Country": "DE",
        "County": "Mitte",
        "Phone": "+49301234567",
    }
    assert set(merge.body) == {"OrderLine"}
    assert set(merge.body["OrderLine"][0]) == {"OrderLineId", "ShipToAddress"}


def test_an_address_that_the_shop_took_away_is_emptied() -> None:
    sent = payload(OrderLine=[line()])
    pickup = {"DeliveryMethod": {"DeliveryMethodId": "PickUpAtStore"}, "ShipToLocationId": "S1"}
    now = payload(OrderLine=[without(line(**pickup), "ShipToAddress")])
    merge = merged(now, mao_of(sent), acked(sent))
    after = apply_save(mao_of(sent), merge.body)
    assert set(address_of(after).values()) == {None}
    assert line_of(after)["ShipToLocationId"] == "S1"
    assert merged(now, after, acked(now)).body == {}


def test_an_address_that_mao_emptied_as_a_whole_is_not_filled_again_unseen() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: line_of(doc).update(ShipToAddress=None))
    now = edited(sent, lambda doc: address_of(doc).update(City="Potsdam"))
    assert merged(sent, current, acked(sent)).body == {}
    assert merged(now, current, acked(sent)).locked == [f"OrderLine/{LINE_A}/ShipToAddress/Address/City"]


def test_extended_attributes_of_others_are_left_out() -> None:
    sent = payload(Extended={"store/key": "de", "points": 1})
    current = edited(mao_of(sent), lambda doc: doc["Extended"].update(Theirs="x"))
    now = payload(Extended={"store/key": "at", "points": 1})
    assert merged(now, current, acked(sent)).body == {"Extended": {"store/key": "at", "points": 1}}


# ---- charges, taxes, notes --------------------------------------------------------------------------


def header_rows(sent: Json, list_name: str, rows: list[Json]) -> Json:
    return {**sent, list_name: rows}


def line_rows(sent: Json, list_name: str, rows: list[Json]) -> Json:
    return edited(sent, lambda doc: line_of(doc).update({list_name: rows}))


ROWS = [
    (header_rows, "OrderChargeDetail", charge("ct-x", "7.50"), {"ChargeTotal": 0}),
    (
        header_rows,
        "OrderChargeDetail",
        charge("ct-x", "-7.50", reference="X"),
        {"ChargeTotal": 0, "RequestedAmount": 0},
    ),
    (header_rows, "OrderTaxDetail", tax("ct-x", "1.00", "5.26"), {"TaxAmount": 0, "TaxableAmount": 0}),
    (header_rows, "OrderNote", {**note("text"), "NoteId": "ct-x"}, {"NoteText": ""}),
    (
        line_rows,
        "OrderLineChargeDetail",
        charge("ct-x", "-1.00", reference="X"),
        {"ChargeTotal": 0, "RequestedAmount": 0},
    ),
    (line_rows, "OrderLineTaxDetail", tax("ct-x", "1.00", "5.26"), {"TaxAmount": 0, "TaxableAmount": 0}),
]
every_row = pytest.mark.parametrize(
    ("put", "list_name", "row", "emptied"), ROWS, ids=[f"{r[1]}-{len(r[3])}" for r in ROWS]
)


def place_of(document: Json, put: Any) -> Json:
    return line_of(document) if put is line_rows else document


@every_row
def test_an_added_row_is_sent_whole(put: Any, list_name: str, row: Json, emptied: Json) -> None:
    before, now = put(payload(), list_name, []), put(payload(), list_name, [row])
    merge = merged(now, mao_of(before), acked(before))
    assert place_of(merge.body, put)[list_name] == [row]
    assert merge.locked == []


@every_row
def test_a_vanished_row_is_set_to_nothing_once_and_never_deleted(
    put: Any, list_name: str, row: Json, emptied: Json
) -> None:
    before, now = put(payload(), list_name, [row]), put(payload(), list_name, [])
    current = mao_of(before)
    merge = merged(now, current, acked(before))
    after = apply_save(current, merge.body)
    assert place_of(merge.body, put)[list_name] == [{KEYS[list_name]: "ct-x", **emptied}]
    assert merged(now, after, acked(before)).body == {}
    assert merged(now, after, acked(now)).body == {}


@every_row
def test_a_row_that_vanished_and_came_back_is_written_again(
    put: Any, list_name: str, row: Json, emptied: Json
) -> None:
    before, between = put(payload(), list_name, [row]), put(payload(), list_name, [])
    current = apply_save(mao_of(before), merged(between, mao_of(before), acked(before)).body)
    for base in (acked(between), cut_off(before, between)):
        merge = merged(before, current, base)
        assert merge.locked == []
        after = place_of(apply_save(current, merge.body), put)
        assert row_in(after, list_name, "ct-x") == row


@every_row
def test_a_vanished_row_that_mao_changed_meanwhile_locks(
    put: Any, list_name: str, row: Json, emptied: Json
) -> None:
    before, now = put(payload(), list_name, [row]), put(payload(), list_name, [])
    current = mao_of(before)
    name = next(iter(emptied))
    row_in(place_of(current, put), list_name, "ct-x")[name] = "9.99"
    merge = merged(now, current, acked(before))
    assert [path.endswith(f"ct-x/{name}") for path in merge.locked] == [True]
    assert merge.body == {}


@every_row
def test_a_row_that_mao_deleted_stays_deleted_unless_the_shop_changes_it(
    put: Any, list_name: str, row: Json, emptied: Json
) -> None:
    before = put(payload(), list_name, [row])
    current = put(mao_of(before), list_name, [])
    name = next(iter(emptied))
    now = put(payload(), list_name, [{**row, name: "1.23"}])
    assert merged(before, current, acked(before)).body == {}
    assert [path.endswith(f"{list_name}/ct-x") for path in merged(now, current, acked(before)).locked] == [
        True
    ]


def test_a_changed_row_keeps_what_mao_changed_in_it() -> None:
    sent = payload()
    now = edited(sent, lambda doc: doc["OrderChargeDetail"][0].update(ChargeTotal=Decimal("9.90")))
    current = edited(mao_of(sent), lambda doc: doc["OrderChargeDetail"][0].update(ChargeDisplayName="Agent"))
    merge = merged(now, current, acked(sent))
    assert merge.body == {
        "OrderChargeDetail": [
            {
                "ChargeDetailId": "ct-ship-single",
                "ChargeType": {"ChargeTypeId": "Shipping"},
                "ChargeTotal": Decimal("9.90"),
                "IsTaxIncluded": True,
                "ChargeDisplayName": "Agent",
            }
        ]
    }


def test_rows_of_mao_itself_are_never_touched() -> None:
    sent = payload()
    prorated = {**charge("MAO-1", "-1.66"), "HeaderChargeDetailId": "ct-total-welcome", "IsProrated": True}
    twin = {**charge("ct-total-welcome", "-1.66"), "HeaderChargeDetailId": "ct-total-welcome"}
    appeasement = charge("MAO-2", "-10.00", reference="Appeasement")
    fee = {**charge("MAO-3", "3.00"), "IsReturnCharge": True}

    def by_mao(doc: Json) -> None:
        doc["OrderChargeDetail"] += [appeasement, fee]
        line_of(doc)["OrderLineChargeDetail"] += [prorated, twin]
        line_of(doc)["OrderLineTaxDetail"].append({**tax("MAO-4", "0.1", "1"), "HeaderTaxDetailId": "x"})
        doc["OrderNote"].append({"NoteId": "N9", "NoteText": "called the customer"})

    current = edited(mao_of(sent), by_mao)
    now = edited(sent, lambda doc: (doc["OrderChargeDetail"].clear(), doc["OrderNote"].clear()))

    assert merged(sent, current, acked(sent)).body == {}
    assert differences(sent, current) == []
    after = apply_save(current, merged(now, current, acked(sent)).body)
    assert row_in(after, "OrderChargeDetail", "MAO-2") == appeasement
    assert row_in(after, "OrderChargeDetail", "MAO-3") == fee
    assert row_in(after, "OrderNote", "N9")["NoteText"] == "called the customer"
    assert line_of(after) == line_of(current)


# ---- lines --------------------------------------------------------------------------------------------


def test_an_added_line_is_sent_whole() -> None:
    sent, now = payload(OrderLine=[line(LINE_A)]), payload()
    for with_quantities in (True, False):
        merge = merged(now, mao_of(sent), acked(sent), with_quantities=with_quantities)
        assert merge.body == {"OrderLine": [line_of(now, LINE_B)]}


def test_a_vanished_line_is_cancelled_never_reset() -> None:
    sent, now = payload(), payload(OrderLine=[line(LINE_A)])
    merge = merged(now, mao_of(sent), acked(sent))
    assert merge.body == {
        "OrderLine": [{"OrderLineId": LINE_B, "IsCancelled": True, "CancelReason": {"ReasonId": REASON}}]
    }
    after = apply_save(mao_of(sent), merge.body)
    assert merged(now, after, acked(sent)).body == {}


@pytest.mark.parametrize(
    "state",
    [
        {"IsCancelled": True},
        {"MinFulfillmentStatusId": "9000.000", "MaxFulfillmentStatusId": "9000.000"},
        {"MinFulfillmentStatusId": "7000", "MaxFulfillmentStatusId": "7500"},
        {"MinFulfillmentStatusId": "3000", "CancellationRequestStatus": "Requested"},
    ],
    ids=["cancelled", "cancelled by status", "shipped", "requested"],
)
def test_a_vanished_line_that_mao_is_done_with_needs_nothing(state: Json) -> None:
    sent, now = payload(), payload(OrderLine=[line(LINE_A)])
    current = edited(mao_of(sent), lambda doc: line_of(doc, LINE_B).update(state))
    assert merged(now, current, acked(sent)).body == {}


def test_lines_that_an_agent_added_are_never_cancelled() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: doc["OrderLine"].append(line("cccc/1", Quantity=9)))
    assert merged(sent, current, acked(sent)).body == {}
    assert differences(sent, current) == []


def test_a_line_that_came_back_after_its_cancellation_locks() -> None:
    sent, between = payload(), payload(OrderLine=[line(LINE_A)])
    current = edited(mao_of(sent), lambda doc: cancel(line_of(doc, LINE_B)))
    for base in (acked(between), cut_off(sent, between)):
        assert merged(sent, current, base).locked == [f"OrderLine/{LINE_B}"]


def test_a_line_missing_in_mao_locks_only_what_the_shop_changed_in_it() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: doc["OrderLine"].pop())
    price = edited(sent, lambda doc: line_of(doc, LINE_B).update(UnitPrice=Decimal("1.00")))
    row = edited(sent, lambda doc: line_of(doc, LINE_B)["OrderLineTaxDetail"][0].update(TaxAmount=Decimal(1)))
    assert merged(sent, current, acked(sent)).locked == []
    assert merged(price, current, acked(sent)).locked == [f"OrderLine/{LINE_B}"]
    assert merged(row, current, acked(sent)).locked == [f"OrderLine/{LINE_B}"]


def test_a_quantity_the_shop_changed_is_written() -> None:
    sent = payload()
    now = edited(sent, lambda doc: line_of(doc).update(Quantity=5))
    merge = merged(now, mao_of(sent), acked(sent))
    assert merge.body == {"OrderLine": [{"OrderLineId": LINE_A, "Quantity": 5}]}


def test_a_save_that_no_newer_version_caused_changes_no_quantity_and_loses_none() -> None:
    sent = payload()
    unit = edited(sent, lambda doc: line_of(doc).update(UOM="BOX"))
    quantity = edited(sent, lambda doc: line_of(doc).update(Quantity=5))
    assert merged(unit, mao_of(sent), acked(sent), with_quantities=False).body == {
        "OrderLine": [{"OrderLineId": LINE_A, "UOM": "BOX"}]
    }
    merge = merged(quantity, mao_of(sent), acked(sent), with_quantities=False)
    assert (merge.body, merge.locked) == ({}, [f"OrderLine/{LINE_A}/Quantity"])


def test_a_line_that_mao_shortened_takes_no_money_from_the_shop() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: shorten(line_of(doc), 1))

    def by_shop(doc: Json) -> None:
        line_of(doc).update(UnitPrice=Decimal("18.00"), OriginalUnitPrice=Decimal("19.00"))
        line_of(doc)["OrderLineChargeDetail"].clear()
        line_of(doc)["OrderLineTaxDetail"][0]["TaxAmount"] = Decimal("1.00")
        address_of(doc)["City"] = "Potsdam"

    now = edited(sent, by_shop)
    merge = merged(now, current, acked(sent))
    assert merge.locked == []
    assert [set(row) for row in merge.body["OrderLine"]] == [{"OrderLineId", "ShipToAddress"}]
    assert merged(now, apply_save(current, merge.body), acked(now)).body == {}


@pytest.mark.parametrize(
    ("by_shop", "locked"),
    [
        ({"Quantity": 5}, [f"OrderLine/{LINE_A}/Quantity"]),
        ({"Quantity": 1}, [f"OrderLine/{LINE_A}/Quantity"]),
        ({"UOM": "BOX"}, [f"OrderLine/{LINE_A}/UOM"]),
        ({"Quantity": 2}, []),
        ({}, []),
    ],
    ids=["raised", "lowered further", "unit", "lowered as MAO did", "not at all"],
)
def test_a_line_that_mao_shortened_takes_no_quantity_from_the_shop(by_shop: Json, locked: list[str]) -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: shorten(line_of(doc), 1))
    merge = merged(edited(sent, lambda doc: line_of(doc).update(by_shop)), current, acked(sent))
    assert (merge.body, merge.locked) == ({}, locked)


def test_a_line_that_mao_shortened_takes_its_cancellation() -> None:
    sent, now = payload(), payload(OrderLine=[line(LINE_B, ItemId="HAT-L", Quantity=1)])
    current = edited(mao_of(sent), lambda doc: shorten(line_of(doc), 1))
    assert merged(now, current, acked(sent)).body["OrderLine"][0]["IsCancelled"] is True


def test_a_line_that_mao_cancelled_takes_nothing() -> None:
    sent = payload()
    current = edited(mao_of(sent), lambda doc: cancel(line_of(doc)))
    moved = edited(sent, lambda doc: (address_of(doc).update(City="X"), line_of(doc).update(UnitPrice=1)))
    more = edited(sent, lambda doc: line_of(doc).update(Quantity=4))
    assert merged(sent, current, acked(sent)).body == {}
    assert merged(moved, current, acked(sent)).body == {}
    assert merged(more, current, acked(sent)).locked == [f"OrderLine/{LINE_A}"]


def test_a_shipped_line_does_not_keep_a_new_address_from_the_open_one() -> None:
    sent = payload()
    shipped = {"MinFulfillmentStatusId": "7000", "MaxFulfillmentStatusId": "7000"}
    current = edited(mao_of(sent), lambda doc: line_of(doc).update(shipped))
    now = edited(
        sent, lambda doc: [address_of(doc, each).update(City="Potsdam") for each in (LINE_A, LINE_B)]
    )
    merge = merged(now, current, acked(sent))
    assert [row["OrderLineId"] for row in merge.body["OrderLine"]] == [LINE_B]
    assert merged(now, apply_save(current, merge.body), acked(now)).body == {}


# ---- a run that was cut off between "sending" and "acked" -----------------------------------------------


def two_changes(sent: Json) -> Json:
    return edited(sent, lambda doc: doc.update(CustomerPhone="+49 2", CustomerEmail="two@example.org"))


def test_a_save_that_arrived_unseen_needs_nothing() -> None:
    sent = payload()
    now = two_changes(sent)
    assert merged(now, mao_of(now), cut_off(sent, now)).body == {}


def test_a_save_that_did_not_arrive_is_made_again() -> None:
    sent = payload()
    now = two_changes(sent)
    assert merged(now, mao_of(sent), cut_off(sent, now)).body == {
        "CustomerPhone": "+49 2",
        "CustomerEmail": "two@example.org",
    }


def test_what_mao_changed_after_a_save_that_arrived_unseen_stays() -> None:
    sent = payload()
    now = two_changes(sent)
    current = {**mao_of(now), "CustomerPhone": "agent's"}
    third = edited(now, lambda doc: doc.update(CustomerPhone="shop's"))
    assert merged(now, current, cut_off(sent, now)).body == {}
    assert merged(now, current, cut_off(sent, now)).locked == []
    assert merged(third, current, cut_off(sent, now)).locked == ["CustomerPhone"]


def test_what_mao_changed_before_a_save_that_did_not_arrive_locks() -> None:
    sent = payload()
    now = two_changes(sent)
    current = {**mao_of(sent), "CustomerPhone": "agent's"}
    assert merged(now, current, cut_off(sent, now)).locked == ["CustomerPhone"]


def test_when_nobody_can_tell_whether_a_save_arrived_the_field_locks() -> None:
    sent = payload()
    now = two_changes(sent)
    current = {**mao_of(sent), "CustomerEmail": "two@example.org"}
    assert merged(now, current, cut_off(sent, now)).locked == ["CustomerPhone"]


@pytest.mark.parametrize("arrived", [0, 1, 2], ids=["none arrived", "the first arrived", "both arrived"])
def test_of_two_saves_cut_off_whatever_is_missing_is_written(arrived: int) -> None:
    sent = payload()
    first = edited(sent, lambda doc: doc.update(CustomerPhone="+49 1", CustomerEmail="one@example.org"))
    second = edited(first, lambda doc: doc.update(CustomerEmail="two@example.org", CustomerLastName="Neu"))
    current = mao_of([sent, first, second][arrived])
    merge = merged(second, current, cut_off(sent, first, second))
    assert merge.locked == []
    after = apply_save(current, merge.body)
    assert after["CustomerPhone"] == "+49 1"
    assert after["CustomerEmail"] == "two@example.org"
    assert after["CustomerLastName"] == "Neu"
    assert bool(merge.body) is (arrived < 2)


def test_what_mao_changed_after_two_saves_that_arrived_unseen_stays() -> None:
    sent = payload()
    first = edited(sent, lambda doc: doc.update(CustomerPhone="+49 1"))
    second = edited(first, lambda doc: doc.update(CustomerEmail="two@example.org", CustomerLastName="Neu"))
    current = {**mao_of(second), "CustomerEmail": "agent's"}
    merge = merged(second, current, cut_off(sent, first, second))
    assert (merge.body, merge.locked) == ({}, [])


@pytest.mark.parametrize("arrived", [0, 1])
def test_of_two_creates_cut_off_the_one_that_arrived_is_brought_up_to_date(arrived: int) -> None:
    first = payload(OrderLine=[line(LINE_A)])
    second = edited(payload(), lambda doc: doc.update(CustomerPhone="+49 2"))
    current = mao_of([first, second][arrived])
    merge = merged(second, current, cut_off(None, first, second))
    assert merge.locked == []
    after = apply_save(current, merge.body)
    assert after["CustomerPhone"] == "+49 2"
    assert [row["OrderLineId"] for row in after["OrderLine"]] == [LINE_A, LINE_B]
    assert bool(merge.body) is (arrived == 0)


@pytest.mark.parametrize("arrived", [False, True])
def test_there_and_back_while_cut_off_ends_where_the_shop_is(arrived: bool) -> None:
    sent = payload()
    between = two_changes(sent)
    current = mao_of(between if arrived else sent)
    after = apply_save(current, merged(sent, current, cut_off(sent, between)).body)
    assert after == mao_of(sent)


def test_a_line_that_a_cut_off_save_would_have_added_is_added() -> None:
    sent, now = payload(OrderLine=[line(LINE_A)]), payload(CustomerPhone="+49 2")
    # The agent has changed the phone as the shop did, but the line is not there.
    current = {**mao_of(sent), "CustomerPhone": "+49 2"}
    assert merged(now, current, cut_off(sent, now)).body == {"OrderLine": [line_of(now, LINE_B)]}


def test_a_quantity_that_a_cut_off_save_left_is_not_taken_for_a_change_by_mao() -> None:
    sent = payload()
    between = edited(sent, lambda doc: line_of(doc).update(Quantity=5))
    now = edited(sent, lambda doc: line_of(doc).update(Quantity=7, UnitPrice=Decimal("19.00")))
    for there in (sent, between):
        merge = merged(now, mao_of(there), cut_off(sent, between))
        assert merge.body == {
            "OrderLine": [{"OrderLineId": LINE_A, "Quantity": 7, "UnitPrice": Decimal("19.00")}]
        }


# ---- nothing is known of what was sent -------------------------------------------------------------------


def test_an_equal_order_is_no_difference() -> None:
    assert differences(payload(), mao_of(payload())) == []


@pytest.mark.parametrize("units", [1, 3])
def test_what_mao_shortened_or_cancelled_is_no_difference(units: int) -> None:
    def by_mao(doc: Json) -> None:
        row = line_of(doc)
        if units == 3:
            cancel(row)
        else:
            shorten(row, units)
            row["UnitPrice"] = Decimal("19.00")
        row["OrderLineCancelHistory"] *= 2  # rows can be duplicated
        row["OrderLineTaxDetail"] = []

    assert differences(payload(), edited(mao_of(payload()), by_mao)) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda doc: doc.update(CustomerPhone="+49 2"), ["CustomerPhone"]),
        (lambda doc: address_of(doc).update(City="X"), [f"OrderLine/{LINE_A}/ShipToAddress/Address/City"]),
        (lambda doc: line_of(doc).update(Quantity=2), [f"OrderLine/{LINE_A}/Quantity"]),
        (lambda doc: line_of(doc).update(Quantity=5), [f"OrderLine/{LINE_A}/Quantity"]),
        (lambda doc: line_of(doc).update(UnitPrice=1), [f"OrderLine/{LINE_A}/UnitPrice"]),
        (
            lambda doc: doc["OrderChargeDetail"][0].update(ChargeTotal=1),
            ["OrderChargeDetail/ct-ship-single/ChargeTotal"],
        ),
        (
            lambda doc: doc["OrderChargeDetail"].append(charge("ct-new", "1.00")),
            ["OrderChargeDetail/ct-new"],
        ),
        (lambda doc: doc["OrderChargeDetail"].pop(0), ["OrderChargeDetail/ct-ship-single"]),
        (
            lambda doc: line_of(doc)["OrderLineTaxDetail"].clear(),
            [f"OrderLine/{LINE_A}/OrderLineTaxDetail/ct-tax-{LINE_A}-19"],
        ),
        (lambda doc: doc["OrderLine"].pop(), [f"OrderLine/{LINE_B}"]),
        (lambda doc: doc["OrderLine"].append(line("c" * 36)), [f"OrderLine/{'c' * 36}"]),
    ],
)
def test_any_other_difference_is_named(edit: Edit, expected: list[str]) -> None:
    assert differences(edited(payload(), edit), mao_of(payload())) == expected


def test_a_value_that_mao_has_no_value_for_is_a_difference() -> None:
    current = {**mao_of(payload()), "CustomerPhone": None}
    assert differences(payload(), current) == ["CustomerPhone"]


def test_a_member_of_a_row_that_mao_does_not_keep_is_no_difference() -> None:
    current = edited(mao_of(payload()), lambda doc: doc["OrderChargeDetail"][0].update(IsTaxIncluded=None))
    assert differences(payload(), current) == []


def test_a_quantity_that_the_shop_lowered_below_what_mao_shortened_is_a_difference() -> None:
    current = edited(mao_of(payload()), lambda doc: shorten(line_of(doc), 1))
    wanted = edited(payload(), lambda doc: line_of(doc).update(Quantity=1))
    assert differences(wanted, current) == [f"OrderLine/{LINE_A}/Quantity"]


def test_a_line_of_ours_that_mao_already_finished_is_no_difference() -> None:
    wanted = payload(OrderLine=[line(LINE_A)])
    assert differences(wanted, edited(mao_of(payload()), lambda doc: cancel(line_of(doc, LINE_B)))) == []


def test_a_row_of_ours_that_was_set_to_nothing_is_no_difference() -> None:
    current = mao_of(edited(payload(), lambda doc: doc["OrderChargeDetail"].append(charge("ct-old", "0"))))
    assert differences(payload(), current) == []


# ---- properties -------------------------------------------------------------------------------------------

# Fields that a random run may change on either side, by how to reach their container and name.
PLACES: dict[str, tuple[Callable[[Json], Json], str]] = {
    "phone": (lambda doc: doc, "CustomerPhone"),
    "email": (lambda doc: doc, "CustomerEmail"),
    "channel": (lambda doc: doc["SellingChannel"], "SellingChannelId"),
    "city": (address_of, "City"),
    "street": (address_of, "Address1"),
    "price": (line_of, "UnitPrice"),
    "quantity": (line_of, "Quantity"),
    "method": (lambda doc: line_of(doc, LINE_B), "ShippingMethodId"),
    "shipping": (lambda doc: row_in(doc, "OrderChargeDetail", "ct-ship-single"), "ChargeTotal"),
    "name": (lambda doc: row_in(doc, "OrderChargeDetail", "ct-ship-single"), "ChargeDisplayName"),
    "tax": (
        lambda doc: row_in(line_of(doc, LINE_B), "OrderLineTaxDetail", f"ct-tax-{LINE_B}-19"),
        "TaxAmount",
    ),
    "note": (lambda doc: doc["OrderNote"][0], "NoteText"),
}

place_names = st.sampled_from(sorted(PLACES))
values = st.integers(1, 4)
edits = st.dictionaries(place_names, values, max_size=6)


def get(document: Json, place: str) -> Any:
    container, name = PLACES[place]
    return container(document)[name]


def put_all(document: Json, changes: dict[str, Any]) -> Json:
    made = copy.deepcopy(document)
    for place, value in changes.items():
        container, name = PLACES[place]
        container(made)[name] = value
    return made


START = put_all(payload(), dict.fromkeys(PLACES, 9))


@given(shop=edits, mao=edits, replaces=st.booleans())
def test_a_merge_writes_what_the_shop_changed_and_leaves_what_mao_changed(
    shop: dict[str, int], mao: dict[str, int], replaces: bool
) -> None:
    now, current = put_all(START, shop), put_all(mao_of(START), mao)
    merge = merged(now, current, acked(START))
    if merge.locked:
        assert any(place in mao and mao[place] != value for place, value in shop.items())
        return
    after = apply_save(current, merge.body, replaces_objects=replaces)
    for place in PLACES:
        if place in mao:
            assert get(after, place) == mao[place], place
        elif not (place == "price" and "quantity" in mao):
            assert get(after, place) == get(now, place), place
    bases = [acked(START), acked(now)]
    if "quantity" not in mao:  # else nobody can tell whose quantity it is, and money of the line may lock
        bases.append(cut_off(START, now))
    for base in bases:
        again = merged(now, after, base)
        assert (again.body, again.locked) == ({}, []), base


@given(edits)
def test_equal_documents_need_nothing(changes: dict[str, int]) -> None:
    sent = put_all(START, changes)
    merge = merged(sent, mao_of(sent), acked(sent))
    assert (merge.body, merge.changed, merge.locked) == ({}, [], [])
    assert differences(sent, mao_of(sent)) == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("shop"), edits),
        st.tuples(st.just("mao"), edits),
        st.tuples(st.just("lost"), st.booleans()),
        st.tuples(st.just("saved"), st.just(True)),
    ),
    max_size=10,
)


@given(story=steps)
def test_however_runs_are_cut_off_nothing_is_lost_and_nothing_undone(story: list[tuple[str, Any]]) -> None:
    """A life of one order. Values of MAO are its own (100 and more), so that what it changed is known."""
    shop, mao = START, mao_of(START)
    acknowledged: Json | None = START
    sending: list[Json] = []
    touched: dict[str, Any] = {}
    changed_later: set[str] = set()

    for kind, what in [*story, ("saved", True)]:
        if kind == "shop":
            changed_later |= {place for place in what if place in touched}
            shop = put_all(shop, what)
        elif kind == "mao":
            # An agent who sets a field to another value than anybody sent.
            by_mao = {place: 100 + value for place, value in what.items()}
            mao = put_all(mao, by_mao)
            touched |= by_mao
        else:
            merge = merged(shop, mao, cut_off(acknowledged, *sending))
            if merge.locked:
                assert touched, merge.locked
                assert any(get(mao, place) != get(shop, place) for place in touched)
                continue
            arrives = kind == "saved" or what
            after = apply_save(mao, merge.body) if arrives else mao
            for place, value in touched.items():
                # No field of MAO's is overwritten unless the shop was given MAO's own value.
                assert get(after, place) == value, place
            mao = after
            if kind == "saved":
                acknowledged, sending = shop, []
            else:
                sending.append(shop)
    final = merged(shop, mao, cut_off(acknowledged, *sending))
    if final.locked:
        return
    assert final.body == {}
    for place in PLACES:
        if place not in touched and not (place == "price" and "quantity" in touched):
            assert get(mao, place) == get(shop, place), place


@given(story=steps)
def test_coincidences_lose_nothing_that_mao_never_touched(story: list[tuple[str, Any]]) -> None:
    """As above, with an agent who may set the very values that the shop sends."""
    shop, mao = START, mao_of(START)
    acknowledged: Json | None = START
    sending: list[Json] = []
    touched: set[str] = set()
    for kind, what in [*story, ("saved", True)]:
        if kind == "shop":
            shop = put_all(shop, what)
        elif kind == "mao":
            mao = put_all(mao, what)
            touched |= set(what)
        else:
            merge = merged(shop, mao, cut_off(acknowledged, *sending))
            if merge.locked:
                assert touched
                return
            if kind == "saved":
                mao = apply_save(mao, merge.body)
                acknowledged, sending = shop, []
            else:
                mao = apply_save(mao, merge.body) if what else mao
                sending.append(shop)
    for place in PLACES:
        if place not in touched and not (place == "price" and "quantity" in touched):
            assert get(mao, place) == get(shop, place), place


row_sets = st.dictionaries(st.sampled_from(["ct-a", "ct-b", "ct-c"]), st.integers(1, 3), max_size=3)


@given(before=row_sets, between=row_sets, now=row_sets, arrived=st.booleans())
def test_rows_that_come_and_go_end_with_the_shop_s_money(
    before: dict[str, int], between: dict[str, int], now: dict[str, int], arrived: bool
) -> None:
    def order(rows: dict[str, int]) -> Json:
        return payload(OrderChargeDetail=[charge(row_id, f"{amount}.50") for row_id, amount in rows.items()])

    current = mao_of(order(before))
    if arrived:
        current = apply_save(current, merged(order(between), current, acked(order(before))).body)
    base = cut_off(order(before), order(between))
    merge = merged(order(now), current, base)
    after = apply_save(current, merge.body)
    assert merge.locked == []
    amounts = {row["ChargeDetailId"]: Decimal(row["ChargeTotal"]) for row in after["OrderChargeDetail"]}
    assert {row_id: amount for row_id, amount in amounts.items() if amount} == {
        row_id: Decimal(f"{amount}.50") for row_id, amount in now.items()
    }


# ---- orders as they are mapped, and cost ------------------------------------------------------------

SAMPLE_FILES = sorted(SAMPLES.glob("composed-*.json")) if SAMPLES.is_dir() else []


@pytest.mark.skipif(not SAMPLE_FILES, reason="the sample orders are not here")
@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.stem)
def test_a_sample_order_merges_with_itself_and_follows_its_changes(path: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    mapped = mapping_of(document, ANY_METHOD)
    if not isinstance(mapped, MappedOrder):
        pytest.skip(mapped.message)
    sent: Json = json.loads(dump_json(mapped.payload), parse_float=Decimal)
    current = json.loads(dump_json(mao_of(sent)), parse_float=Decimal)
    assert merged(sent, current, acked(mapped.payload)).body == {}
    assert differences(mapped.payload, current) == []

    document["customerEmail"] = "another@example.com"
    changed = mapping_of(document, ANY_METHOD)
    assert isinstance(changed, MappedOrder)
    merge = merged(changed.payload, current, acked(sent))
    assert merge.body == {"CustomerEmail": "another@example.com"}
    assert merged(sent, mao_of(changed.payload), acked(changed.payload)).body == {
        "CustomerEmail": sent["CustomerEmail"]
    }


@pytest.mark.parametrize("moved", [False, True])
def test_the_work_of_a_merge_grows_with_the_lines_of_an_order(moved: bool) -> None:
    """Up to 250 lines with four taxes each."""

    def big(city: str, count: int) -> Json:
        lines = []
        for number in range(count):
            line_id = f"{number:08d}-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
            taxes = [tax(f"ct-tax-{line_id}-{rate}", f"{rate}.25", "20.00") for rate in range(4)]
            lines.append(line(line_id, OrderLineTaxDetail=taxes))
            lines[-1]["ShipToAddress"]["Address"]["City"] = city
        return payload(OrderLine=lines)

    prepared = {}
    for count in (60, 240):
        sent = big("Berlin", count)
        prepared[count] = big("Potsdam", count) if moved else sent, mao_of(sent), acked(sent)

    def merge(count: int) -> None:
        found = merged(*prepared[count])
        assert len(found.body.get("OrderLine", ())) == (count if moved else 0)

    assert_linear(merge, 60)


def test_a_base_must_be_known() -> None:
    assert not SentBase().known
    assert SentBase({}).known
    assert SentBase(candidates=[{}]).known
