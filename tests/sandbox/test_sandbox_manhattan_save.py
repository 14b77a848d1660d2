"""Order save of the simulated Manhattan: create, partial merge, and everything it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_wire import FLAGS, Mao, a_line, an_order, an_update, units_of

PROMOTION = {
    "ChargeDetailId": "ct-d1",
    "ChargeType": {"ChargeTypeId": "Promotion"},
    "DiscountOn": {"DiscountOnId": "Order"},
    "ChargeTotal": -5,
    "RequestedAmount": -5,
}
SHIPPING = {"ChargeDetailId": "ct-s1", "ChargeType": {"ChargeTypeId": "Shipping"}, "ChargeTotal": 4.9}
TAX = {"TaxDetailId": "ct-t1", "TaxTypeId": "VAT", "TaxCode": "S", "TaxRate": 0.19, "TaxAmount": 9.58}


def test_a_new_order_is_open_with_its_units_and_totals() -> None:
    mao = Mao()

    order = mao.saved(an_order(OrderChargeDetail=[SHIPPING, PROMOTION], OrderTaxDetail=[TAX]))

    assert order["MinFulfillmentStatusId"] == order["MaxFulfillmentStatusId"] == "1000"
    assert units_of(order["OrderLine"][0]) == {"1000": 3}
    assert order["OrderSubTotal"] == 60
    assert order["OrderTotal"] == pytest.approx(60 + 4.9 - 5 + 9.58)
    assert order["TotalTaxes"] == 9.58


def test_informational_taxes_do_not_count_in_the_total() -> None:
    order = Mao().saved(an_order(OrderTaxDetail=[{**TAX, "IsInformational": True}]))

    assert (order["OrderTotal"], order["TotalInformationalTaxes"]) == (60, 9.58)


def test_a_header_discount_is_prorated_into_rows_of_maos_own() -> None:
    mao = Mao()
    order = mao.saved(
        an_order(a_line(Quantity=1), a_line(OrderLineId="L2", Quantity=2), OrderChargeDetail=[PROMOTION])
    )

    rows = [row for line in order["OrderLine"] for row in line["OrderLineChargeDetail"]]
    assert [row["ChargeTotal"] for row in rows] == [-1.66, -3.34]
    assert {row["HeaderChargeDetailId"] for row in rows} == {"ct-d1"}
    assert not any(row["ChargeDetailId"].startswith("ct-") for row in rows)
    assert order["OrderTotal"] == 55


def test_dates_lose_their_z_and_timestamps_have_no_zone() -> None:
    order = Mao().saved(an_order())

    assert order["CapturedDate"] == "2026-11-23T08:59:00"
    assert order["UpdatedTimestamp"] == "2026-11-23T09:00:00"


def test_coded_values_may_come_as_plain_text() -> None:
    assert Mao().saved(an_order(DocType="CustomerOrder"))["DocType"] == {"DocTypeId": "CustomerOrder"}


def test_unknown_members_of_an_address_are_dropped_silently() -> None:
    mao = Mao()
    address = {"City": "Berlin", "Country": "DE", "CompanyName": "ACME"}

    order = mao.saved(an_order(a_line(ShipToAddress={"Address": address})))

    assert order["OrderLine"][0]["ShipToAddress"]["Address"] == {"City": "Berlin", "Country": "DE"}
    assert mao.sandbox.world.mao.dropped == {"OrderLine.ShipToAddress.Address.CompanyName": 1}


def test_an_update_changes_only_what_it_sends() -> None:
    mao = Mao()
    mao.saved(an_order(OrderChargeDetail=[SHIPPING]))

    order = mao.saved(
        an_update(
            {"OrderLineId": "L1", "ShipToAddress": {"Address": {"City": "Bonn"}}},
            OrderChargeDetail=[{"ChargeDetailId": "ct-s1", "ChargeTotal": 2}],
        )
    )

    address = order["OrderLine"][0]["ShipToAddress"]["Address"]
    assert address == {"LastName": "Muster", "City": "Bonn", "Country": "DE"}
    assert order["OrderChargeDetail"] == [{**SHIPPING, "ChargeTotal": 2}]


def test_rows_without_a_key_are_added_again_with_every_save() -> None:
    mao = Mao()
    note = {"NoteText": "hello"}
    mao.saved(an_order(OrderNote=[note], Payment=[{"ProcessingMode": "ExternalProcessing"}]))

    order = mao.saved(an_update(OrderNote=[note], Payment=[{"ProcessingMode": "ExternalProcessing"}]))

    assert len(order["OrderNote"]) == 2
    assert len(order["Payment"]) == 2


def test_reset_replaces_a_whole_child_list() -> None:
    mao = Mao()
    mao.saved(an_order(OrderChargeDetail=[SHIPPING, PROMOTION]))

    order = mao.saved(an_update(Actions={"OrderChargeDetail": "RESET"}, OrderChargeDetail=[SHIPPING]))

    assert order["OrderChargeDetail"] == [SHIPPING]
    assert order["OrderLine"][0]["OrderLineChargeDetail"] == []


def test_an_identical_save_changes_nothing() -> None:
    mao = Mao()
    first = mao.saved(an_order())
    mao.clock.advance(60)

    assert mao.saved(an_order()) == first


@pytest.mark.parametrize("version", ["5", "4", "five", "5.5", True])
def test_a_version_that_is_not_greater_is_refused(version: object) -> None:
    mao = Mao()
    mao.saved(an_order(OrderActions={**FLAGS, "VersionTimestamp": "5"}))

    text = mao.refused(an_update(CustomerEmail="a@b.c", OrderActions={**FLAGS, "VersionTimestamp": version}))

    assert text.startswith("ord::10208: Order CT-1, is bridged in with a stale/decremented or non integer")


def test_a_greater_version_and_none_are_accepted() -> None:
    mao = Mao()
    mao.saved(an_order(OrderActions={**FLAGS, "VersionTimestamp": "5"}))

    mao.saved(an_update(OrderLocale="de", OrderActions={**FLAGS, "VersionTimestamp": "6"}))
    mao.saved(an_update(OrderLocale="fr"))

    assert mao.refused(an_update(OrderActions={**FLAGS, "VersionTimestamp": "6"})).startswith("ord::10208")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"OrderId": "CT 1"}, "OrderId"),
        ({"OrderId": "x" * 51}, "OrderId"),
        ({"OrderId": "CT/1"}, "OrderId"),
        ({"DocType": None}, "DocType"),
        ({"DocType": "Orders"}, "DocType"),
        ({"OrderType": None}, "OrderType"),
        ({"OrderLine": []}, "OrderLine"),
        ({"OrderLine": {}}, "OrderLine"),
        ({"OrderLine": [a_line(OrderLineId=None)]}, "OrderLineId"),
        ({"OrderLine": [a_line(), a_line()]}, "sent twice"),
        ({"OrderLine": [a_line(ItemId=None)]}, "ItemId"),
        ({"OrderLine": [a_line(UOM="")]}, "UOM"),
        ({"OrderLine": [a_line(DeliveryMethod=None)]}, "DeliveryMethod"),
        ({"OrderLine": [a_line(DeliveryMethod={"DeliveryMethodId": "Drone"})]}, "DeliveryMethod"),
        ({"OrderLine": [a_line(Quantity=0)]}, "Quantity"),
        ({"OrderLine": [a_line(Quantity="three")]}, "Quantity"),
        ({"OrderLine": [a_line(UnitPrice=-1)]}, "UnitPrice"),
        ({"OrderLine": [a_line(ShipToAddress={"Address": {"Country": "Germany"}})]}, "Country"),
        ({"IsConfirmed": "true"}, "IsConfirmed"),
        ({"CapturedDate": "2026-11-23T09:00:00+01:00"}, "CapturedDate"),
        ({"CapturedDate": "2026-13-45T09:00:00"}, "CapturedDate"),
        ({"CurrencyCode": "Euro"}, "CurrencyCode"),
        ({"OrderChargeDetail": [{**SHIPPING, "ChargeType": None}]}, "ChargeType"),
        ({"OrderChargeDetail": [{**SHIPPING, "ChargeType": {"ChargeTypeId": "Porto"}}]}, "ChargeType"),
        ({"OrderChargeDetail": [{**PROMOTION, "DiscountOn": None}]}, "DiscountOn"),
        ({"OrderChargeDetail": [{**PROMOTION, "DiscountOn": {"DiscountOnId": "Cart"}}]}, "DiscountOn"),
        ({"OrderChargeDetail": [{**PROMOTION, "RequestedAmount": None}]}, "RequestedAmount"),
        ({"OrderChargeDetail": [{**PROMOTION, "RequestedAmount": 5}]}, "negative"),
        ({"OrderTaxDetail": [{**TAX, "TaxRate": None}]}, "TaxRate"),
        ({"OrderTaxDetail": [{**TAX, "TaxRate": 19}]}, "TaxRate"),
        ({"OrderTaxDetail": [TAX, {**TAX, "TaxDetailId": "ct-t2"}]}, "not unique"),
        ({"OrderHold": [{"HoldTypeId": "Fraud", "StatusId": "3000"}]}, "StatusId"),
        ({"OrderHold": [{"StatusId": "1000"}]}, "HoldTypeId"),
        ({"OrgId": "OTHER"}, "OrgId"),
    ],
)
def test_what_manhattan_does_not_understand_is_refused(change: dict[str, Any], field: str) -> None:
    text = Mao().refused(an_order() | change)

    assert text.startswith("error.400: ")
    assert field in text


def test_more_than_250_lines_are_refused() -> None:
    lines = [a_line(OrderLineId=f"L{n}") for n in range(251)]
    mao = Mao()

    assert "at most 250 lines" in mao.refused(an_order(*lines))
    assert len(mao.saved(an_order(*lines[:250]))["OrderLine"]) == 250
    assert "at most 250 lines" in mao.refused(an_update(lines[250]))


@pytest.mark.parametrize("currency", ["JPY", "HUF", "KRW", "CLP", "TWD"])
def test_a_currency_without_decimals_refuses_them(currency: str) -> None:
    mao = Mao()

    assert currency in mao.refused(an_order(a_line(UnitPrice=999.67), CurrencyCode=currency))
    assert mao.saved(an_order(a_line(UnitPrice=999.0), CurrencyCode=currency))["OrderSubTotal"] == 2997


def test_other_amounts_are_rounded_half_up_to_the_decimals_of_the_currency() -> None:
    mao = Mao()

    euro = mao.saved(an_order(a_line(UnitPrice="19.995")))
    dinar = mao.saved(an_order(a_line(UnitPrice="19.995"), OrderId="CT-2", CurrencyCode="KWD"))

    assert euro["OrderLine"][0]["UnitPrice"] == 20
    assert dinar["OrderLine"][0]["UnitPrice"] == 19.995


def test_without_the_flags_manhattan_prices_charges_and_taxes_by_itself_on_an_update_too() -> None:
    mao = Mao()
    mao.saved(an_order())

    order = mao.saved({"OrderId": "CT-1", "OrderLocale": "de"})

    assert order["OrderLine"][0]["UnitPrice"] != 20
    assert [row["TaxEngineId"] for row in order["OrderLine"][0]["OrderLineTaxDetail"]] == ["MAO"]
    assert [row["ChargeReferenceId"] for row in order["OrderChargeDetail"]] == ["MAO-SNH"]


def test_an_overridden_price_is_kept_when_manhattan_prices() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(IsPriceOverridden=True)))

    assert mao.saved({"OrderId": "CT-1", "OrderLocale": "de"})["OrderLine"][0]["UnitPrice"] == 20


def test_a_lower_quantity_cancels_units_back_ordered_ones_first() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1", "L1", 1)
    mao.lifecycle.backorder("CT-1", "L1", 1)
    mao.lifecycle.allocate("CT-1", "L1", 1)

    line = mao.saved(an_update({"OrderLineId": "L1", "Quantity": 1}))["OrderLine"][0]

    assert line["Quantity"] == 1
    assert [row["CancelQuantity"] for row in line["OrderLineCancelHistory"]] == [2]
    assert sum(units_of(line).values()) == 1
    assert "1500" not in units_of(line)


def test_a_higher_quantity_adds_open_units() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")

    line = mao.saved(an_update({"OrderLineId": "L1", "Quantity": 5}))["OrderLine"][0]

    assert units_of(line) == {"2000": 3, "1000": 2}
    assert (line["MinFulfillmentStatusId"], line["MaxFulfillmentStatusId"]) == ("1000", "2000")
    assert line["FulfillmentStatus"] == "Partially Allocated"


@pytest.mark.parametrize(
    "change",
    [
        {"Quantity": 2},
        {"Quantity": 4},
        {"UnitPrice": 19},
        {"ItemId": "SKU-2"},
        {"ShipToAddress": {"Address": {"City": "Bonn"}}},
        {"OrderLineChargeDetail": [{**PROMOTION, "DiscountOn": {"DiscountOnId": "Line"}}]},
        {"OrderLineNote": [{"NoteCategory": {"NoteCategoryId": "Instruction"}, "NoteText": "hurry"}]},
    ],
)
def test_a_released_line_refuses_changes_to_what_is_shipped_or_charged(change: dict[str, Any]) -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")

    text = mao.refused(an_update({"OrderLineId": "L1", **change}))

    assert text == "ord::10008: The requested order line modification is not permitted at status Released"


def test_a_released_order_refuses_changes_of_its_charges_and_new_lines() -> None:
    mao = Mao()
    mao.saved(an_order(OrderChargeDetail=[SHIPPING]))
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")
    expected = "ord::10007: The requested order modification is not permitted at status Released"

    assert mao.refused(an_update(OrderChargeDetail=[{**SHIPPING, "ChargeTotal": 0}])) == expected
    assert mao.refused(an_update(a_line(OrderLineId="L2"))) == expected


def test_a_whole_save_is_refused_when_one_line_is_not_eligible() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(), a_line(OrderLineId="L2")))
    mao.lifecycle.allocate("CT-1", "L1")
    mao.lifecycle.release("CT-1", "L1")

    mao.refused(an_update({"OrderLineId": "L2", "Quantity": 1}, {"OrderLineId": "L1", "Quantity": 1}))

    assert [line["Quantity"] for line in mao.get()["OrderLine"]] == [3, 3]


def test_identical_values_and_harmless_fields_are_accepted_after_release() -> None:
    mao = Mao()
    mao.saved(an_order(OrderChargeDetail=[SHIPPING]))
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")

    order = mao.saved(an_order(OrderChargeDetail=[SHIPPING], CustomerEmail="new@example.org"))

    assert order["CustomerEmail"] == "new@example.org"
    assert order["MaxFulfillmentStatusId"] == "3000"


def test_a_changed_address_sends_allocated_units_back_to_open() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")

    update = an_update({"OrderLineId": "L1", "ShipToAddress": {"Address": {"City": "Bonn"}}})

    assert units_of(mao.saved(update)["OrderLine"][0]) == {"1000": 3}


def test_a_hold_is_applied_and_resolved_by_save_only() -> None:
    mao = Mao()
    held = mao.saved(an_order(OrderHold=[{"HoldTypeId": "AwaitingPayment", "StatusId": "1000"}]))
    resolved = mao.saved(an_update(OrderHold=[{"HoldTypeId": "AwaitingPayment", "StatusId": "2000"}]))

    assert (held["IsOnHold"], resolved["IsOnHold"]) == (True, False)
    assert len(resolved["OrderHold"]) == 1


def test_an_unknown_customer_and_a_missing_address_put_the_order_on_hold() -> None:
    mao = Mao(known_customers=frozenset({"CUST-1"}))

    stranger = mao.saved(an_order(CustomerId="CUST-2"))
    guest = mao.saved(an_order(OrderId="CT-2"))
    homeless = mao.saved(an_order(a_line(ShipToAddress=None), OrderId="CT-3", CustomerId="CUST-1"))

    assert [hold["HoldTypeId"] for hold in stranger["OrderHold"]] == ["CustomerInfoNotAvailable"]
    assert guest["IsOnHold"] is False
    assert [hold["HoldTypeId"] for hold in homeless["OrderHold"]] == ["AwaitingShipToAddress"]


def test_each_organization_has_its_own_order_ids() -> None:
    mao = Mao(organizations=("ACME-UK",))
    mao.saved(an_order())

    uk = an_order(AlternateOrderId="other")
    answer = mao.ask("POST", "/order/api/order/order/save", uk, selectedorganization="ACME-UK")

    assert answer.status == 200
    assert mao.get()["AlternateOrderId"] == an_order()["AlternateOrderId"]
    assert len(mao.sandbox.world.mao.orders) == 2


def test_a_body_that_is_not_a_json_object_is_refused() -> None:
    mao = Mao()

    answer = mao.ask("POST", "/order/api/order/order/save", [1])  # type: ignore[arg-type]

    assert answer.status == 400
