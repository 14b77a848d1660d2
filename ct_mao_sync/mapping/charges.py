"""Charges and discounts, as rows of MAO. A row's amount is an integer in the currency's minor unit until
it is rendered; discounts are negative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.delivery import ShippingGroup
from ct_mao_sync.mapping.money import allocate
from ct_mao_sync.mapping.source import OrderSource, row_id, short_hash
from ct_mao_sync.mapping.taxes import tax_code
from ct_mao_sync.models.commercetools import (
    CustomLineItem,
    DiscountedPriceForQuantity,
    DiscountPortion,
    Reference,
)

PROMOTION, DISCOUNT, SURCHARGE, SHIPPING = "Promotion", "Discount", "SurCharge", "Shipping"


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge (`discount_on` empty) or discount. `id_parts` make its ChargeDetailId."""

    id_parts: tuple[str, ...]
    cent_amount: int
    charge_type: str
    discount_on: str = ""
    reference: str = ""
    display_name: str = ""
    tax_code: str = ""
    tax_included: bool = False
    fulfillment_group_id: str = ""


def render_charge(source: OrderSource, charge: Charge, *, tax_included: bool = False) -> dict[str, Any]:
    """MAO's row. Discounts need RequestedAmount and DiscountOn (DOC: order-pricing-charges). On lines
    `tax_included` is the line's."""
    amount = source.currency.decimal(charge.cent_amount)
    row: dict[str, Any] = {
        "ChargeDetailId": row_id(*charge.id_parts),
        "ChargeType": {"ChargeTypeId": charge.charge_type},
        "ChargeTotal": amount,
        "IsTaxIncluded": charge.tax_included or tax_included,
    }
    if charge.discount_on:
        row["DiscountOn"] = {"DiscountOnId": charge.discount_on}
        row["RequestedAmount"] = amount
    for field, value in (
        ("ChargeReferenceId", charge.reference),
        ("ChargeDisplayName", charge.display_name),
        ("TaxCode", charge.tax_code),
        ("FulfillmentGroupId", charge.fulfillment_group_id),
    ):
        if value:
            row[field] = value
    return row


class DiscountNames:
    """What a discount is called: the code the customer entered, else its key, else its id."""

    def __init__(self, source: OrderSource) -> None:
        self._codes: dict[str, str] = {}
        for info in source.order.discount_codes:
            code = info.discount_code.obj
            for discount in code.cart_discounts if code else ():
                if code and code.code:
                    self._codes.setdefault(discount.id, code.code)

    def of(self, discount: Reference) -> str:
        """The ChargeReferenceId of a discount."""
        return self._codes.get(discount.id) or (discount.obj.key if discount.obj else None) or discount.id


def map_line_discounts(
    source: OrderSource,
    names: DiscountNames,
    line_id: str,
    quantity: int,
    groups: Sequence[DiscountedPriceForQuantity],
) -> list[Charge]:
    """One promotion per discount over all units of a line. ItemPrice when every unit has the same amount
    off, else Line."""
    totals: dict[str, Decimal] = {}
    units: dict[str, int] = {}
    per_unit: dict[str, set[Decimal]] = {}
    references: dict[str, Reference] = {}
    for group in groups:
        for included in group.discounted_price.included_discounts:
            amount = included.discounted_amount.amount
            key = included.discount.id
            references.setdefault(key, included.discount)
            totals[key] = totals.get(key, Decimal(0)) + group.quantity * amount
            units[key] = units.get(key, 0) + group.quantity
            per_unit.setdefault(key, set()).add(amount)
    suffixes = _suffixes(totals)
    return [
        Charge(
            ("disc", line_id, suffixes[key]),
            -cent_amount,
            PROMOTION,
            "ItemPrice" if units[key] == quantity and len(per_unit[key]) == 1 else "Line",
            names.of(references[key]),
        )
        for key, total in totals.items()
        if (cent_amount := source.currency.round_price(total))
    ]


def residual_charge(id_parts: tuple[str, ...], cent_amount: int, discount_on: str) -> list[Charge]:
    """What the other rows leave, negative as a discount, positive as a surcharge; nothing for nothing."""
    if not cent_amount:
        return []
    if cent_amount < 0:
        return [Charge(id_parts, cent_amount, DISCOUNT, discount_on)]
    return [Charge(id_parts, cent_amount, SURCHARGE)]


def split_charges(
    charges: Sequence[Charge], line_ids: Sequence[str], quantities: Sequence[int]
) -> list[list[Charge]]:
    """The charges of a line divided over its shares; every amount adds up exactly."""
    if len(line_ids) == 1:
        return [list(charges)]
    shares: list[list[Charge]] = [[] for _ in line_ids]
    for charge in charges:
        kind, _, *suffix = charge.id_parts
        amounts = allocate(charge.cent_amount, quantities)
        for share, line_id, amount in zip(shares, line_ids, amounts, strict=True):
            if amount:
                share.append(replace(charge, id_parts=(kind, line_id, *suffix), cent_amount=amount))
    return shares


def map_shipping_charges(source: OrderSource, names: DiscountNames, group: ShippingGroup) -> list[Charge]:
    """The price of one shipping and what is taken off it."""
    info = group.info
    rate = info.tax_rate
    included = rate is not None and rate.included_in_price
    charges = [
        Charge(
            ("ship", group.key),
            info.price.cent_amount,
            SHIPPING,
            display_name=info.shipping_method_name,
            tax_code=tax_code("Shipping", rate.amount) if rate else "Shipping",
        )
    ]
    if info.discounted_price:
        rows = _discount_charges(
            names, info.discounted_price.included_discounts, "Charges", "ship-disc", group.key
        )
        left = info.discounted_price.value.cent_amount - info.price.cent_amount
        left -= sum(row.cent_amount for row in rows)
        charges += rows + residual_charge(("ship-round", group.key), left, "Charges")
    return [
        replace(charge, tax_included=included, fulfillment_group_id=group.fulfillment_group_id)
        for charge in charges
    ]


def map_total_discounts(source: OrderSource, names: DiscountNames, *, tax_included: bool) -> list[Charge]:
    """The discount on the order's total, one promotion each. `tax_included`: in all line prices."""
    discount = source.order.discount_on_total_price
    if discount is None:
        return []
    rows = _discount_charges(names, discount.included_discounts, "Order", "total")
    left = -discount.discounted_amount.cent_amount - sum(row.cent_amount for row in rows)
    rows += residual_charge(("total", "round"), left, "Order")
    return [replace(row, tax_included=tax_included) for row in rows]


def map_custom_charge(source: OrderSource, item: CustomLineItem) -> list[Charge]:
    """A custom line item that does not ship: a fee when positive, a discount on the order when negative."""
    amount = item.total_price.cent_amount
    if not amount:
        return []
    rule = source.rules.custom_line_items.get(item.slug)
    rate = item.tax_rate or next((row.tax_rate for row in item.per_method_tax_rate if row.tax_rate), None)
    return [
        Charge(
            ("cli", item.id),
            amount,
            (rule.charge_type if rule else "") or (DISCOUNT if amount < 0 else SURCHARGE),
            "Order" if amount < 0 else "",
            display_name=item.slug,
            tax_code=tax_code("Charge", rate.amount) if rate else "Charge",
            tax_included=rate is not None and rate.included_in_price,
        )
    ]


def _discount_charges(
    names: DiscountNames, included: Sequence[DiscountPortion], discount_on: str, *id_parts: str
) -> list[Charge]:
    totals: dict[str, int] = {}
    references: dict[str, Reference] = {}
    for portion in included:
        key = portion.discount.id
        references.setdefault(key, portion.discount)
        totals[key] = totals.get(key, 0) - portion.discounted_amount.cent_amount
    suffixes = _suffixes(totals)
    return [
        Charge((*id_parts, suffixes[key]), total, PROMOTION, discount_on, names.of(references[key]))
        for key, total in totals.items()
        if total
    ]


def _suffixes(discount_ids: Iterable[str]) -> Mapping[str, str]:
    """The first 8 characters of each discount's id; where two share them, a hash tells them apart."""
    ids = list(discount_ids)
    heads = [discount_id[:8] for discount_id in ids]
    return {
        discount_id: short_hash(discount_id) if heads.count(head) > 1 or not head else head
        for discount_id, head in zip(ids, heads, strict=True)
    }
