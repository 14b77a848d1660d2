"""What of an order stands where in the payload."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from mapping_orders import (
    ADDRESS,
    LINE_ID,
    ORDER_ID,
    RULES,
    assert_same_money,
    charge_rows,
    line_item,
    mapping_of,
    money,
    order_document,
    payload_of,
    taxed,
    vat,
)

from ct_mao_sync.mapping.address import map_address
from ct_mao_sync.mapping.order import MappedOrder, OrderedUnits
from ct_mao_sync.mapping.rules import (
    CustomLineRule,
    OrderRules,
    ShippingRule,
    compile_expression,
    extended_field,
    shipping_rule,
    static_field,
)
from ct_mao_sync.models.commercetools import Address


class Sku:
    def __init__(self, item: str, uom: str = "", units: int | None = None) -> None:
        self.item, self.uom, self.units = item, uom, units


def mapped(document: dict[str, Any], rules: OrderRules = RULES) -> MappedOrder:
    result = mapping_of(document, rules)
    assert isinstance(result, MappedOrder), result
    return result


def test_the_header_says_who_when_and_that_the_money_is_final() -> None:
    payload = payload_of(order_document(), replace(RULES, organization="ACME"))
    header = {key: value for key, value in payload.items() if key not in ("OrderLine", "OrderChargeDetail")}
    header.pop("OrderTaxDetail")
    assert header == {
        "OrgId": "ACME",
        "AlternateOrderId": ORDER_ID,
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderType": {"OrderTypeId": "Ecom Order"},
        "IsConfirmed": True,
        "CapturedDate": "2026-03-02T09:15:00.123",
        "CurrencyCode": "EUR",
        "OrderLocale": "de-DE",
        "CustomerFirstName": "Erika",
        "CustomerLastName": "Muster",
        "CustomerEmail": "shop@example.org",
        "CustomerPhone": "+49301234567",
        "OrderActions": {
            "IsAlreadyPriced": True,
            "IsAlreadyCharged": True,
            "IsAlreadyTaxed": True,
            "SkipPaymentProcessing": True,
        },
    }


def test_a_line_is_complete() -> None:
    (line,) = payload_of(order_document())["OrderLine"]
    (tax,) = line.pop("OrderLineTaxDetail")
    assert line == {
        "OrderLineId": LINE_ID,
        "AlternateOrderLineId": LINE_ID,
        "ItemId": "SHIRT-M",
        "Quantity": 2,
        "UOM": "EACH",
        "UnitPrice": Decimal("29.99"),
        "OriginalUnitPrice": Decimal("29.99"),
        "IsPriceOverridden": True,
        "IsTaxIncluded": True,
        "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
        "ShippingMethodId": "STD",
        "ShipToAddress": {
            "Address": {
                "FirstName": "Erika",
                "LastName": "Muster",
                "Address1": "Hauptstr. 1",
                "City": "Berlin",
                "PostalCode": "10115",
                "Country": "DE",
                "Phone": "+49301234567",
                "Email": "erika@example.org",
            }
        },
        "FulfillmentGroupId": "single",
    }
    assert tax.pop("TaxDetailId").startswith(f"ct-tax-{LINE_ID}-")
    assert tax == {
        "TaxTypeId": "VAT",
        "TaxCode": "Item-0.19",
        "TaxRate": Decimal("0.19"),
        "TaxableAmount": Decimal("50.40"),
        "TaxAmount": Decimal("9.58"),
        "Jurisdiction": "DE",
        "JurisdictionTypeId": "COUNTRY",
        "IsInformational": True,
        "FulfillmentGroupId": "single",
    }


def test_shipping_its_tax_and_its_lines_share_a_group() -> None:
    payload = payload_of(order_document())
    (charge,) = payload["OrderChargeDetail"]
    (tax,) = payload["OrderTaxDetail"]
    assert charge["ChargeDetailId"] == "ct-ship-single"
    assert charge["TaxCode"] == tax["TaxCode"] == "Shipping-0.19"
    groups = {row["FulfillmentGroupId"] for row in (charge, tax, payload["OrderLine"][0])}
    assert groups == {"single"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"country": "US", "streetName": "Main St", "streetNumber": "5"}, {"Address1": "5 Main St"}),
        ({"country": "FR", "streetName": "rue X", "streetNumber": "5"}, {"Address1": "5 rue X"}),
        ({"country": "DE", "streetName": "Weg", "streetNumber": "5"}, {"Address1": "Weg 5"}),
        ({"country": "DE", "streetName": "Weg 5"}, {"Address1": "Weg 5"}),
        ({"country": "DE", "pOBox": "12 34"}, {"Address1": "12 34"}),
        (
            {
                "country": "DE",
                "streetName": "Weg",
                "additionalStreetInfo": "Hof",
                "building": "B",
                "apartment": "7",
                "pOBox": "99",
            },
            {"Address1": "Weg", "Address2": "Hof, B, 7, 99"},
        ),
        (
            {"country": "DE", "company": "ACME", "department": "IT", "additionalAddressInfo": "x"},
            {"LastName": "ACME", "Address3": "ACME, IT, x"},
        ),
        ({"country": "DE", "lastName": "M", "company": "ACME"}, {"LastName": "M", "Address3": "ACME"}),
        ({"country": "US", "state": "GA", "region": "South"}, {"State": "GA", "County": "South"}),
        ({"country": "US", "region": "GA"}, {"State": "GA"}),
        ({"country": "DE", "mobile": "1", "fax": "2", "salutation": "Dr."}, {"Phone": "1"}),
        ({"country": "DE", "city": " ", "firstName": None}, {}),
    ],
)
def test_an_address_keeps_what_it_has_and_sends_no_nulls(
    address: dict[str, Any], expected: dict[str, str]
) -> None:
    assert map_address(Address.model_validate(address)) == {"Country": address["country"], **expected}


def test_the_customer_comes_from_the_billing_address_first() -> None:
    billing = {"country": "DE", "firstName": "Bill", "lastName": "Payer"}
    payload = payload_of(order_document(billingAddress=billing, customerEmail=None))
    assert (payload["CustomerFirstName"], payload["CustomerLastName"]) == ("Bill", "Payer")
    assert payload["CustomerEmail"] == ADDRESS["email"]
    assert payload["CustomerPhone"] == ADDRESS["phone"]


def test_no_customer_id_is_sent_unless_it_is_configured() -> None:
    document = order_document(customerId="c-1")
    assert "CustomerId" not in payload_of(document)
    rules = replace(RULES, customer_id=compile_expression("customerId", "orders.customer_id"))
    assert payload_of(document, rules)["CustomerId"] == "c-1"
    assert "CustomerId" not in payload_of(order_document(), rules)


def test_static_and_extended_fields_are_set_on_order_and_lines() -> None:
    document = order_document(
        store={"typeId": "store", "key": "de"},
        custom={"fields": {"gate": "7"}},
        lineItems=[line_item(custom={"fields": {"engraving": "For Max"}})],
    )
    rules = replace(
        RULES,
        static_fields=(
            static_field("SellingChannel.SellingChannelId", "Web"),
            static_field("OrgId", "=store.key"),
            static_field("Priority", 3),
            static_field("LoyaltyNumber", "=custom.fields.loyalty"),
        ),
        extended_fields=(
            extended_field("CtStoreKey", "store.key"),
            extended_field("OrderExtension1.Extended.Gate", "custom.fields.gate"),
            extended_field("OrderLine.Extended.Engraving", "custom.fields.engraving"),
        ),
    )
    result = mapped(document, rules)
    payload = result.payload
    assert payload["SellingChannel"] == {"SellingChannelId": "Web"}
    assert (payload["OrgId"], payload["Priority"]) == ("de", 3)
    assert "LoyaltyNumber" not in payload
    assert payload["Extended"] == {"CtStoreKey": "de"}
    assert payload["OrderExtension1"] == {"Extended": {"Gate": "7"}}
    assert payload["OrderLine"][0]["Extended"] == {"Engraving": "For Max"}
    assert result.personal["For Max"] == "[extended]"


def test_a_sku_table_gives_item_and_unit() -> None:
    rules = replace(RULES, skus={"SHIRT-M": Sku("ITEM-9", "PACK", 6)})
    (line,) = payload_of(order_document(), rules)["OrderLine"]
    assert (line["ItemId"], line["UOM"], line["Quantity"]) == ("ITEM-9", "PACK", 2)


def test_an_expanded_shipping_methods_key_goes_before_its_name() -> None:
    document = order_document()
    document["shippingInfo"]["shippingMethod"] = {
        "typeId": "shipping-method",
        "id": "s",
        "obj": {"key": "express"},
    }
    rules = replace(
        RULES,
        shipping_methods={"Standard": ShippingRule(method="STD"), "express": ShippingRule(method="EXP")},
    )
    assert payload_of(document, rules)["OrderLine"][0]["ShippingMethodId"] == "EXP"
    assert payload_of(document)["OrderLine"][0]["ShippingMethodId"] == "STD"


def test_a_line_that_is_picked_up_names_the_store_and_no_address() -> None:
    rule = shipping_rule(
        "Standard", method="PICK", delivery="PickUpAtStore", location="custom.fields.storeId"
    )
    document = order_document(shippingAddress=None, custom={"fields": {"storeId": "ST-17"}})
    (line,) = payload_of(document, replace(RULES, shipping_methods={"Standard": rule}))["OrderLine"]
    assert line["DeliveryMethod"] == {"DeliveryMethodId": "PickUpAtStore"}
    assert line["ShipToLocationId"] == "ST-17"
    assert "ShipToAddress" not in line


def test_a_line_to_two_addresses_of_one_shipping_is_split_exactly() -> None:
    document = order_document(
        lineItems=[
            line_item(
                quantity=3,
                totalPrice=money(5998),
                price={"id": "p", "value": money(2999)},
                discountedPricePerQuantity=[
                    {
                        "quantity": 3,
                        "discountedPrice": {
                            "value": money(1999),
                            "includedDiscounts": [
                                {
                                    "discount": {"typeId": "cart-discount", "id": "abcdef12-x"},
                                    "discountedAmount": money(1000),
                                }
                            ],
                        },
                    }
                ],
                shippingDetails={
                    "targets": [{"addressKey": "home", "quantity": 2}, {"addressKey": "work", "quantity": 1}]
                },
            )
        ],
        itemShippingAddresses=[ADDRESS, {**ADDRESS, "key": "work", "city": "Potsdam"}],
    )
    payload = payload_of(document)
    home, work = payload["OrderLine"]
    assert (home["Quantity"], work["Quantity"]) == (2, 1)
    assert work["ShipToAddress"]["Address"]["City"] == "Potsdam"
    rows = charge_rows(payload)
    assert rows[f"ct-disc-{home['OrderLineId']}-abcdef12"]["ChargeTotal"] == Decimal("-20.00")
    assert rows[f"ct-disc-{work['OrderLineId']}-abcdef12"]["ChargeTotal"] == Decimal("-10.00")
    # 3 x 29.99 - 3 x 10.00 is 59.97; the shop says 59.98.
    assert sum(row["ChargeTotal"] for key, row in rows.items() if "round" in key) == Decimal("0.01")
    assert_same_money(document, payload)


def test_a_discount_is_named_by_code_then_key_then_id() -> None:
    def discounted(discount: dict[str, Any]) -> dict[str, Any]:
        group = {
            "quantity": 2,
            "discountedPrice": {
                "value": money(2499),
                "includedDiscounts": [{"discount": discount, "discountedAmount": money(500)}],
            },
        }
        return line_item(
            discountedPricePerQuantity=[group], totalPrice=money(4998), taxedPrice=taxed(4200, 4998)
        )

    def reference_of(discount: dict[str, Any], codes: list[Any]) -> str:
        document = order_document(
            lineItems=[discounted(discount)],
            totalPrice=money(5497),
            taxedPrice=taxed(4619, 5497),
            discountCodes=codes,
        )
        rows = charge_rows(payload_of(document))
        return str(rows[f"ct-disc-{LINE_ID}-abcdef12"]["ChargeReferenceId"])

    plain = {"typeId": "cart-discount", "id": "abcdef12-0"}
    keyed = {**plain, "obj": {"key": "summer"}}
    code = {"discountCode": {"id": "dc", "obj": {"code": "SAVE5", "cartDiscounts": [plain]}}}
    assert reference_of(keyed, [code]) == "SAVE5"
    assert reference_of(keyed, []) == "summer"
    assert reference_of(plain, [{"discountCode": {"id": "dc"}}]) == "abcdef12-0"


def test_two_discounts_whose_ids_begin_alike_keep_apart() -> None:
    group = {
        "quantity": 2,
        "discountedPrice": {
            "value": money(2797),
            "includedDiscounts": [
                {"discount": {"id": "00000000-a"}, "discountedAmount": money(100)},
                {"discount": {"id": "00000000-b"}, "discountedAmount": money(102)},
            ],
        },
    }
    document = order_document(
        lineItems=[
            line_item(
                discountedPricePerQuantity=[group], totalPrice=money(5594), taxedPrice=taxed(4701, 5594)
            )
        ],
        totalPrice=money(6093),
        taxedPrice=taxed(5120, 6093),
    )
    rows = [row for key, row in charge_rows(payload_of(document)).items() if key.startswith("ct-disc-")]
    assert sorted(row["ChargeTotal"] for row in rows) == [Decimal("-2.04"), Decimal("-2.00")]


def test_a_gift_without_discount_groups_is_a_promotion_of_all_of_it() -> None:
    gift = line_item(
        id="33333333-2222-4222-8222-222222222222",
        quantity=1,
        lineItemMode="GiftLineItem",
        totalPrice=money(0),
        taxedPrice=taxed(0, 0),
    )
    payload = payload_of(order_document(lineItems=[line_item(), gift]))
    (row,) = payload["OrderLine"][1]["OrderLineChargeDetail"]
    assert row["ChargeDetailId"] == f"ct-gift-{gift['id']}"
    assert (row["ChargeType"]["ChargeTypeId"], row["ChargeTotal"]) == ("Promotion", Decimal("-29.99"))


@pytest.mark.parametrize(
    ("total", "unit", "rounding"), [(6000, "20.00", None), (5998, "19.99", "0.01"), (5999, "19.99", "0.02")]
)
def test_an_external_total_gives_the_unit_price(total: int, unit: str, rounding: str | None) -> None:
    line = line_item(
        quantity=3, priceMode="ExternalTotal", totalPrice=money(total), taxRate=None, taxedPrice=None
    )
    document = order_document(
        lineItems=[line], totalPrice=money(total + 499), taxedPrice=taxed(total + 419, total + 499)
    )
    payload = payload_of(document)
    assert payload["OrderLine"][0]["UnitPrice"] == Decimal(unit)
    row = charge_rows(payload).get(f"ct-round-{LINE_ID}")
    assert (row["ChargeTotal"] if row else None) == (Decimal(rounding) if rounding else None)


def test_a_quantity_tier_gives_the_unit_price_and_the_list_price_stays() -> None:
    price = {"id": "p", "value": money(3500), "tiers": [{"minimumQuantity": 2, "value": money(2999)}]}
    (line,) = payload_of(order_document(lineItems=[line_item(price=price)]))["OrderLine"]
    assert (line["UnitPrice"], line["OriginalUnitPrice"]) == (Decimal("29.99"), Decimal("35.00"))
    assert "OrderLineChargeDetail" not in line


def custom_item(cent_amount: int, **changes: Any) -> dict[str, Any]:
    net = round(cent_amount / 1.19)
    item = {
        "id": "44444444-4444-4444-8444-444444444444",
        "slug": "gift-wrap",
        "quantity": 1,
        "money": money(cent_amount),
        "totalPrice": money(cent_amount),
        "taxRate": vat(),
        "taxedPrice": taxed(net, cent_amount),
    }
    return {**item, **changes}


def test_a_custom_line_item_may_ship_as_an_item() -> None:
    document = order_document(
        customLineItems=[custom_item(350)], totalPrice=money(6847), taxedPrice=taxed(5753, 6847)
    )
    rules = replace(RULES, custom_line_items={"gift-wrap": CustomLineRule(item="WRAP")})
    payload = payload_of(document, rules)
    wrap = payload["OrderLine"][1]
    assert (wrap["ItemId"], wrap["UnitPrice"], wrap["Quantity"]) == ("WRAP", Decimal("3.50"), 1)
    assert [row["ChargeDetailId"] for row in payload["OrderChargeDetail"]] == ["ct-ship-single"]
    assert_same_money(document, payload)


def test_a_custom_line_item_may_have_a_charge_type_of_its_own() -> None:
    document = order_document(
        customLineItems=[custom_item(350)], totalPrice=money(6847), taxedPrice=taxed(5753, 6847)
    )
    rules = replace(RULES, custom_line_items={"gift-wrap": CustomLineRule(charge_type="VAS")})
    row = charge_rows(payload_of(document, rules))["ct-cli-44444444-4444-4444-8444-444444444444"]
    assert row["ChargeType"] == {"ChargeTypeId": "VAS"}


def test_a_negative_custom_line_item_is_never_a_line() -> None:
    document = order_document(
        customLineItems=[custom_item(-1000)], totalPrice=money(5497), taxedPrice=taxed(4619, 5497)
    )
    rules = replace(RULES, custom_line_items={"gift-wrap": CustomLineRule(item="WRAP")})
    payload = payload_of(document, rules)
    assert len(payload["OrderLine"]) == 1
    row = charge_rows(payload)["ct-cli-44444444-4444-4444-8444-444444444444"]
    assert row["DiscountOn"] == {"DiscountOnId": "Order"}
    assert_same_money(document, payload)


def expanded_payment(*transactions: tuple[str, str, int]) -> dict[str, Any]:
    return {
        "payments": [
            {
                "typeId": "payment",
                "id": "pay-1",
                "obj": {
                    "amountPlanned": money(6497),
                    "paymentMethodInfo": {"paymentInterface": "Adyen", "method": "credit_card"},
                    "transactions": [
                        {
                            "id": f"t{number}",
                            "type": kind,
                            "state": state,
                            "amount": money(cent_amount),
                            "interactionId": f"psp-{number}",
                            "timestamp": "2026-03-02T10:15:00+01:00",
                        }
                        for number, (kind, state, cent_amount) in enumerate(transactions)
                    ],
                },
            }
        ]
    }


def test_payments_are_references_with_their_successful_transactions() -> None:
    info = expanded_payment(
        ("Authorization", "Success", 6497),
        ("Charge", "Success", 6497),
        ("Charge", "Failure", 6497),
        ("Refund", "Success", 100),
    )
    (payment,) = payload_of(order_document(paymentInfo=info))["Payment"]
    assert payment["ProcessingMode"] == {"ProcessingModeId": "ExternalProcessing"}
    (method,) = payment["PaymentMethod"]
    assert method["PaymentMethodId"] == "ct-pay-1"
    assert method["PaymentType"] == {"PaymentTypeId": "Credit Card"}
    assert (method["GatewayId"], method["Amount"], method["CurrencyCode"]) == (
        "Adyen",
        Decimal("64.97"),
        "EUR",
    )
    assert method["BillingAddress"]["Address"]["LastName"] == "Muster"
    authorization, settlement = method["PaymentTransaction"]
    assert authorization == {
        "PaymentTransactionId": "ct-t0",
        "TransactionType": {"PaymentTransactionTypeId": "Authorization"},
        "Status": {"PaymentTransactionStatusId": "Closed"},
        "PaymentResponseStatus": {"PaymentResponseStatusId": "Success"},
        "RequestedAmount": Decimal("64.97"),
        "ProcessedAmount": Decimal("64.97"),
        "RequestId": "psp-0",
        "RequestToken": "psp-0",
        "TransactionDate": "2026-03-02T09:15:00.000",
    }
    assert settlement["TransactionType"] == {"PaymentTransactionTypeId": "Settlement"}


def test_a_payment_that_was_not_expanded_is_only_its_reference() -> None:
    document = order_document(paymentInfo={"payments": [{"typeId": "payment", "id": "pay-1"}]})
    ((method,),) = [payment["PaymentMethod"] for payment in payload_of(document)["Payment"]]
    assert method["PaymentMethodId"] == "ct-pay-1"
    assert not {"Amount", "PaymentTransaction"} & set(method)


def test_no_payment_is_sent_when_payments_are_off() -> None:
    document = order_document(paymentInfo=expanded_payment(("Charge", "Success", 6497)))
    assert "Payment" not in payload_of(document, replace(RULES, payments="none"))


@pytest.mark.parametrize(
    ("rules", "changes", "hold"),
    [
        ({}, {}, "none"),
        ({"hold_until_paid": "AwaitingPayment"}, {}, "waiting"),
        ({"hold_until_paid": "AwaitingPayment"}, {"paymentState": "Paid"}, "paid"),
        (
            {"hold_until_paid": "AwaitingPayment"},
            {"paymentInfo": expanded_payment(("Charge", "Success", 6497))},
            "waiting",
        ),
        (
            {"hold_until_paid": "AwaitingPayment", "paid_by": "payments"},
            {"paymentInfo": expanded_payment(("Charge", "Success", 6497))},
            "paid",
        ),
        (
            {"hold_until_paid": "AwaitingPayment", "paid_by": "payments"},
            {"paymentInfo": expanded_payment(("Charge", "Success", 6496), ("Charge", "Pending", 1))},
            "waiting",
        ),
    ],
)
def test_a_hold_waits_until_the_order_is_paid(
    rules: dict[str, Any], changes: dict[str, Any], hold: str
) -> None:
    result = mapped(order_document(**changes), replace(RULES, **rules))
    assert result.hold == hold
    holds = [{"HoldTypeId": "AwaitingPayment", "StatusId": "1000"}] if hold == "waiting" else None
    assert result.payload.get("OrderHold") == holds


def test_the_ordered_units_name_their_channel_and_effective_inventory_mode() -> None:
    lines = [
        line_item(supplyChannel={"typeId": "channel", "id": "ch-1"}),
        line_item(
            id="x" * 36, inventoryMode="None", totalPrice=money(0), price={"value": money(0)}, taxedPrice=None
        ),
    ]
    assert mapped(order_document(lineItems=lines)).units == (
        OrderedUnits(LINE_ID, "SHIRT-M", 2, "ch-1", "ReserveOnOrder"),
        OrderedUnits("x" * 36, "SHIRT-M", 2, "", "None"),
    )
