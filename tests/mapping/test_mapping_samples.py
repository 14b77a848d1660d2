"""Every sample order of the reference arrives with exactly its money."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from mapping_orders import (
    ANY_METHOD,
    SAMPLES,
    assert_same_money,
    assert_unique_rows,
    charge_rows,
    mapping_of,
    payload_of,
    rejection_of,
    tax_rows,
)

from ct_mao_sync.errors import Rejection

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the reference samples are not here")

MAPPED = [
    "apiref-order",
    "composed-01-simple-tax-included",
    "composed-02-us-subrates-multitax",
    "composed-03-line-discounts-mixed-quantity",
    "composed-04-discount-on-total-direct-discount",
    "composed-05-gift-line-item",
    "composed-06-custom-line-items",
    "composed-07-multiple-shipping",
    "composed-08-high-precision-bundle",
    "composed-09-partial-delivery-synced",
    "composed-10-returns",
    "composed-11-jpy-zero-decimals",
    "composed-12-b2b-store-po-external-tax",
    "composed-13-cancelled-guest-digital",
    "composed-14-no-order-number-tax-disabled",
    "cybersource-cart-create-order",
    "cybersource-cart-discounted-multi",
    "mollie-cart-discounted",
]
REFUSED = {
    "cybersource-cart-multiple-shipping": "has no shippingDetails.targets",
    "jvmsdk-order-refused-gift": "missing address",
}


def read_sample(name: str) -> dict[str, Any]:
    document = json.loads((SAMPLES / f"{name}.json").read_text(), parse_float=Decimal)
    return {"orderState": "Open", **document}


@pytest.mark.parametrize("name", MAPPED)
def test_the_payload_carries_the_orders_money(name: str) -> None:
    document = read_sample(name)
    payload = payload_of(document, ANY_METHOD)
    assert_same_money(document, payload)
    assert_unique_rows(payload)
    units = sum(line["quantity"] for line in document["lineItems"])
    assert sum(line["Quantity"] for line in payload["OrderLine"]) == units


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_cannot_be_shipped_is_refused_with_its_reason(name: str, reason: str) -> None:
    refused = rejection_of(read_sample(name), ANY_METHOD)
    assert refused.code == "source-invalid"
    assert reason in refused.message


def test_no_sample_is_forgotten() -> None:
    orders = {
        path.stem
        for path in SAMPLES.glob("*.json")
        if "lineItems" in (document := json.loads(path.read_text())) and "id" in document
    }
    assert orders - {"apiref-order-import-create"} == {*MAPPED, *REFUSED}


def test_three_for_two_is_a_promotion_on_the_line() -> None:
    payload = payload_of(read_sample("composed-03-line-discounts-mixed-quantity"), ANY_METHOD)
    row = charge_rows(payload)["ct-disc-32198f90-cf0b-4c67-8d8a-1d3cdcd2fce7-bfe161e9"]
    assert row["ChargeTotal"] == row["RequestedAmount"] == Decimal("-9.99")
    assert row["DiscountOn"] == {"DiscountOnId": "Line"}
    assert row["ChargeType"] == {"ChargeTypeId": "Promotion"}


def test_a_product_discount_is_in_the_unit_price_and_a_cart_discount_is_a_row() -> None:
    payload = payload_of(read_sample("composed-03-line-discounts-mixed-quantity"), ANY_METHOD)
    jacket = payload["OrderLine"][1]
    assert (jacket["OriginalUnitPrice"], jacket["UnitPrice"]) == (Decimal("120.00"), Decimal("96.00"))
    (row,) = jacket["OrderLineChargeDetail"]
    assert row["ChargeTotal"] == Decimal("-14.40")
    assert row["DiscountOn"] == {"DiscountOnId": "ItemPrice"}


def test_a_discount_of_zero_makes_no_row() -> None:
    payload = payload_of(read_sample("composed-03-line-discounts-mixed-quantity"), ANY_METHOD)
    assert "OrderLineChargeDetail" not in payload["OrderLine"][2]


def test_free_shipping_is_the_price_and_its_discount() -> None:
    payload = payload_of(read_sample("composed-03-line-discounts-mixed-quantity"), ANY_METHOD)
    rows = charge_rows(payload)
    assert rows["ct-ship-single"]["ChargeTotal"] == Decimal("4.99")
    discount = rows["ct-ship-disc-single-5813c297"]
    assert discount["ChargeTotal"] == Decimal("-4.99")
    assert discount["DiscountOn"] == {"DiscountOnId": "Charges"}
    assert discount["FulfillmentGroupId"] == payload["OrderLine"][0]["FulfillmentGroupId"] == "single"


def test_a_discount_on_the_total_lowers_each_tax_by_its_share() -> None:
    payload = payload_of(read_sample("composed-04-discount-on-total-direct-discount"), ANY_METHOD)
    assert charge_rows(payload)["ct-total-aeb47920"]["DiscountOn"] == {"DiscountOnId": "Order"}
    adjusted = {
        row["Jurisdiction"]: row["TaxAmount"]
        for row in payload["OrderTaxDetail"]
        if row["TaxDetailId"].startswith("ct-tax-adj-")
    }
    assert adjusted == {
        "GA State": Decimal("-0.60"),
        "Fulton County": Decimal("-0.45"),
        "Atlanta MOST": Decimal("-0.29"),
    }


def test_a_gift_is_its_list_price_less_all_of_it() -> None:
    payload = payload_of(read_sample("composed-05-gift-line-item"), ANY_METHOD)
    gift = payload["OrderLine"][1]
    assert gift["UnitPrice"] == Decimal("9.90")
    assert [row["ChargeTotal"] for row in gift["OrderLineChargeDetail"]] == [Decimal("-9.90")]
    assert "IsGift" not in gift


def test_fees_and_vouchers_are_header_charges_with_their_tax() -> None:
    payload = payload_of(read_sample("composed-06-custom-line-items"), ANY_METHOD)
    rows = charge_rows(payload)
    fee = rows["ct-cli-81e6aaee-1f6a-47f1-8777-6d3fab791ea7"]
    voucher = rows["ct-cli-f56bd49d-97cf-4a34-8da3-7ef4f57c77c7"]
    assert (fee["ChargeType"]["ChargeTypeId"], fee["ChargeTotal"]) == ("SurCharge", Decimal("3.50"))
    assert "DiscountOn" not in fee
    assert (voucher["ChargeType"]["ChargeTypeId"], voucher["ChargeTotal"]) == ("Discount", Decimal("-10.00"))
    assert voucher["DiscountOn"] == {"DiscountOnId": "Order"}
    (tax,) = [row for row in payload["OrderTaxDetail"] if row["TaxCode"] == "Charge-0.19"]
    assert tax["TaxAmount"] == Decimal("-1.04")


def test_a_line_that_ships_and_is_picked_up_becomes_two_with_their_own_taxes() -> None:
    payload = payload_of(read_sample("composed-07-multiple-shipping"), ANY_METHOD)
    home, store, rug = payload["OrderLine"]
    lamp = "0fbf2774-b759-4d5e-8932-debcbe092387"
    assert home["OrderLineId"][:36] == store["OrderLineId"][:36] == lamp
    assert home["OrderLineId"] != store["OrderLineId"]
    assert home["AlternateOrderLineId"] == store["AlternateOrderLineId"] == lamp
    assert (home["Quantity"], store["Quantity"]) == (2, 1)
    assert (home["FulfillmentGroupId"], store["FulfillmentGroupId"]) == ("ship-home", "pickup-17")
    assert [row["TaxAmount"] for row in home["OrderLineTaxDetail"]] == [
        Decimal(text) for text in ("3.60", "2.70", "1.71")
    ]
    assert [row["TaxAmount"] for row in store["OrderLineTaxDetail"]] == [
        Decimal(text) for text in ("1.80", "1.35", "0.85")
    ]
    assert rug["OrderLineId"] == "7e99cdbb-caa0-4093-8ac2-467938e70c4b"


def test_a_price_finer_than_a_cent_is_rounded_and_the_rest_is_one_row() -> None:
    payload = payload_of(read_sample("composed-08-high-precision-bundle"), ANY_METHOD)
    screw = payload["OrderLine"][0]
    assert screw["UnitPrice"] == Decimal("0.01")
    (row,) = screw["OrderLineChargeDetail"]
    assert row["ChargeDetailId"] == "ct-round-b9050f61-0032-4ee9-83da-e61316ce3f58"
    assert (row["ChargeType"]["ChargeTypeId"], row["ChargeTotal"]) == ("SurCharge", Decimal("5.85"))


def test_yen_have_no_decimals() -> None:
    payload = payload_of(read_sample("composed-11-jpy-zero-decimals"), ANY_METHOD)
    assert payload["OrderLine"][0]["UnitPrice"] == 1980
    address = payload["OrderLine"][0]["ShipToAddress"]["Address"]
    assert (address["Address1"], address["State"], address["FirstName"]) == ("丸の内 1-1", "東京都", "花子")


def test_a_purchase_order_number_is_a_note() -> None:
    payload = payload_of(read_sample("composed-12-b2b-store-po-external-tax"), ANY_METHOD)
    (note,) = payload["OrderNote"]
    assert (note["NoteId"], note["NoteText"]) == ("ct-po", "PO-2026-0042")


def test_a_digital_order_needs_no_address_and_no_shipping_method() -> None:
    payload = payload_of(read_sample("composed-13-cancelled-guest-digital"), ANY_METHOD)
    (line,) = payload["OrderLine"]
    assert line["DeliveryMethod"] == {"DeliveryMethodId": "Email"}
    assert not {"ShippingMethodId", "ShipToAddress", "FulfillmentGroupId"} & set(line)


def test_disabled_tax_makes_no_tax_rows() -> None:
    payload = payload_of(read_sample("composed-14-no-order-number-tax-disabled"), ANY_METHOD)
    assert tax_rows(payload) == []


@pytest.mark.parametrize("name", MAPPED)
def test_every_personal_value_has_a_mask(name: str) -> None:
    document = read_sample(name)
    mapped = mapping_of(document, ANY_METHOD)
    assert not isinstance(mapped, Rejection)
    addresses = [document.get("billingAddress"), document.get("shippingAddress")]
    addresses += [entry.get("shippingAddress") for entry in document.get("shipping", [])]
    addresses += document.get("itemShippingAddresses", [])
    personal = ["firstName", "lastName", "company", "email", "phone", "streetName", "postalCode", "city"]
    values = {address[field] for address in addresses if address for field in personal if field in address}
    assert values <= set(mapped.personal)
    for line in mapped.payload["OrderLine"]:
        sent = line.get("ShipToAddress", {}).get("Address", {})
        hidden = {value for field, value in sent.items() if field not in ("Country", "State", "County")}
        assert hidden <= set(mapped.personal)
    customer = {value for field, value in mapped.payload.items() if field.startswith("Customer")}
    assert customer <= set(mapped.personal)
