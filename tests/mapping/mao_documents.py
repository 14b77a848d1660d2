"""Small payloads, MAO's documents of them, and a save that merges as MAO's does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.order_base import remembered
from ct_mao_sync.mapping.order_merge import Merge, SentBase, merge_order

SALT = b"salt of this test"
REASON = "CancelLine"
ENTITY = "11111111-1111-4111-8111-111111111111"
LINE_A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
LINE_B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
KEYS = {
    "OrderLine": "OrderLineId",
    "OrderChargeDetail": "ChargeDetailId",
    "OrderLineChargeDetail": "ChargeDetailId",
    "OrderTaxDetail": "TaxDetailId",
    "OrderLineTaxDetail": "TaxDetailId",
    "OrderNote": "NoteId",
    "OrderHold": "HoldTypeId",
}

Json = dict[str, Any]


def line(line_id: str = LINE_A, **changes: Any) -> Json:
    row = {
        "OrderLineId": line_id,
        "AlternateOrderLineId": line_id[:36],
        "ItemId": "SHIRT-M",
        "Quantity": 3,
        "UOM": "EACH",
        "UnitPrice": Decimal("20.00"),
        "OriginalUnitPrice": Decimal("25.00"),
        "IsPriceOverridden": True,
        "IsTaxIncluded": True,
        "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
        "ShippingMethodId": "STD",
        "ShipToAddress": {
            "Address": {
                "FirstName": "Erika",
                "LastName": "Muster",
                "Address1": "Hauptstr. 1",
                "Address2": "Hinterhaus",
                "City": "Berlin",
                "PostalCode": "10115",
                "Country": "DE",
                "Phone": "+49301234567",
            }
        },
        "FulfillmentGroupId": "G1",
        "OrderLineChargeDetail": [charge(f"ct-disc-{line_id}-spring", "-6.00", reference="SPRING")],
        "OrderLineTaxDetail": [tax(f"ct-tax-{line_id}-19", "7.82", "41.18")],
    }
    return {**row, **changes}


def charge(row_id: str, amount: str, *, reference: str = "", on: str = "ItemPrice") -> Json:
    row: Json = {
        "ChargeDetailId": row_id,
        "ChargeType": {"ChargeTypeId": "Promotion" if reference else "Shipping"},
        "ChargeTotal": Decimal(amount),
        "IsTaxIncluded": True,
        "ChargeDisplayName": "Standard",
    }
    if reference:
        row |= {
            "DiscountOn": {"DiscountOnId": on},
            "RequestedAmount": Decimal(amount),
            "ChargeReferenceId": reference,
        }
    return row


def tax(row_id: str, amount: str, taxable: str) -> Json:
    return {
        "TaxDetailId": row_id,
        "TaxTypeId": "VAT",
        "TaxCode": "Item-0.19",
        "TaxRate": Decimal("0.19"),
        "TaxableAmount": Decimal(taxable),
        "TaxAmount": Decimal(amount),
        "Jurisdiction": "DE",
        "JurisdictionTypeId": "COUNTRY",
        "IsInformational": True,
    }


def note(text: str) -> Json:
    return {"NoteId": "ct-po", "NoteType": {"NoteTypeId": "General"}, "NoteText": text}


def payload(**changes: Any) -> Json:
    """Two lines, a shipping charge, a discount on the order, a header tax row, a note."""
    made = {
        "AlternateOrderId": ENTITY,
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderType": {"OrderTypeId": "Ecom Order"},
        "SellingChannel": {"SellingChannelId": "Web"},
        "IsConfirmed": True,
        "CapturedDate": "2026-03-02T09:15:00.000",
        "CurrencyCode": "EUR",
        "OrderLocale": "de-DE",
        "CustomerFirstName": "Erika",
        "CustomerLastName": "Muster",
        "CustomerEmail": "erika@example.org",
        "CustomerPhone": "+49301234567",
        "OrderActions": {"IsAlreadyPriced": True, "IsAlreadyCharged": True, "IsAlreadyTaxed": True},
        "OrderNote": [note("PO-4711")],
        "OrderChargeDetail": [
            charge("ct-ship-single", "4.90"),
            charge("ct-total-welcome", "-5.00", reference="WELCOME", on="Order"),
        ],
        "OrderTaxDetail": [tax("ct-tax-ship-19", "0.78", "4.12")],
        "OrderLine": [line(LINE_A), line(LINE_B, ItemId="HAT-L", Quantity=1)],
        "Payment": [{"ProcessingMode": {"ProcessingModeId": "ExternalProcessing"}}],
    }
    return {**made, **changes}


def without(row: Mapping[str, Any], *names: str) -> Json:
    return {name: value for name, value in row.items() if name not in names}


def edited(document: Mapping[str, Any], edit: Callable[[Json], object]) -> Json:
    made = copy.deepcopy(dict(document))
    edit(made)
    return made


def line_of(document: Mapping[str, Any], line_id: str = LINE_A) -> Json:
    return next(row for row in document["OrderLine"] if row["OrderLineId"] == line_id)


def address_of(document: Mapping[str, Any], line_id: str = LINE_A) -> Json:
    address: Json = line_of(document, line_id)["ShipToAddress"]["Address"]
    return address


def row_in(node: Mapping[str, Any], list_name: str, row_id: str) -> Json:
    return next(row for row in node[list_name] if row[KEYS[list_name]] == row_id)


def mao_of(sent: Mapping[str, Any], order_id: str = "CT-1", *, status: str = "1000") -> Json:
    """MAO's document of an order that was created with this payload."""
    document = apply_save({"OrderId": order_id, "OrderLine": []}, sent)
    for row in document["OrderLine"]:
        row["QuantityDetail"] = [{"Quantity": row["Quantity"], "StatusId": status}]
        row["OrderLineCancelHistory"] = []
        row["CancellationRequestStatus"] = None
        row["MinFulfillmentStatusId"] = row["MaxFulfillmentStatusId"] = status
    return {
        **document,
        "IsCancelled": False,
        "MinFulfillmentStatusId": status,
        "MaxFulfillmentStatusId": status,
    }


def apply_save(
    document: Mapping[str, Any], body: Mapping[str, Any], *, replaces_objects: bool = False
) -> Json:
    """A save as MAO merges it: only sent members change, rows merge by business key, a cancelled line
    loses its quantity and money. `replaces_objects`: nested objects are taken as a whole instead."""
    made: Json = copy.deepcopy(dict(document))
    for name, value in body.items():
        if name in ("OrderActions", "Payment"):
            continue
        if name in KEYS:
            rows = made[name] = list(made.get(name) or ())
            by_id = {row[KEYS[name]]: index for index, row in enumerate(rows)}
            for patch in value:
                assert set(patch) > {KEYS[name]}, "a row without any change"
                index = by_id.get(patch[KEYS[name]])
                merged = apply_save(
                    rows[index] if index is not None else {}, patch, replaces_objects=replaces_objects
                )
                if patch.get("IsCancelled"):
                    cancel(merged)
                if index is None:
                    rows.append(merged)
                else:
                    rows[index] = merged
        elif isinstance(value, Mapping) and not replaces_objects:
            made[name] = apply_save(made.get(name) or {}, value)
        else:
            made[name] = copy.deepcopy(value)
    return made


def cancel(row: Json) -> None:
    """MAO cancels a line (DOC: order-cancellation, effects)."""
    row["OrderLineCancelHistory"] = [
        *(row.get("OrderLineCancelHistory") or ()),
        {"CancelQuantity": row.get("Quantity") or 0},
    ]
    row |= {
        "IsCancelled": True,
        "Quantity": 0,
        "OrderLineChargeDetail": [],
        "OrderLineTaxDetail": [],
        "MinFulfillmentStatusId": "9000",
        "MaxFulfillmentStatusId": "9000",
    }


def shorten(row: Json, units: int) -> None:
    """MAO's warehouse is short of some units and cancels them."""
    row["OrderLineCancelHistory"] = [*(row.get("OrderLineCancelHistory") or ()), {"CancelQuantity": units}]
    row["Quantity"] -= units


def stored(sent: Mapping[str, Any]) -> dict[str, str]:
    return remembered(sent, SALT)


def acked(sent: Mapping[str, Any]) -> SentBase:
    return SentBase(stored(sent))


def cut_off(acknowledged: Mapping[str, Any] | None, *sending: Mapping[str, Any]) -> SentBase:
    """A base with saves whose outcome is unknown."""
    return SentBase(
        stored(acknowledged) if acknowledged is not None else None, [stored(each) for each in sending]
    )


def merged(
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    base: SentBase,
    *,
    with_quantities: bool = True,
) -> Merge:
    return merge_order(
        wanted, current, base, salt=SALT, cancel_reason=REASON, with_quantities=with_quantities
    )
