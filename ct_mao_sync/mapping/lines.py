"""Line items, and custom line items that ship, as order lines of MAO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.charges import (
    PROMOTION,
    Charge,
    DiscountNames,
    map_line_discounts,
    render_charge,
    residual_charge,
    split_charges,
)
from ct_mao_sync.mapping.delivery import LineShare, ShippingGroup, map_shares
from ct_mao_sync.mapping.source import OrderSource
from ct_mao_sync.mapping.taxes import (
    TaxFact,
    TaxRow,
    map_item_taxes,
    render_tax_rows,
    split_tax_rows,
    tax_facts,
)
from ct_mao_sync.models.commercetools import CustomLineItem, LineItem, TaxedPrice, TaxRate


@dataclass(frozen=True, slots=True)
class MappedLine:
    """The order lines of one item (several when it ships to several places) and its tax rows."""

    rows: list[dict[str, Any]]
    taxes: list[TaxRow]


@dataclass(frozen=True, slots=True)
class _Prices:
    """Cent amounts per unit, and all that lies between them and the line's total."""

    unit_cent_amount: int
    list_cent_amount: int
    charges: list[Charge]


def map_line_item(
    source: OrderSource, names: DiscountNames, line: LineItem, groups: Mapping[str, ShippingGroup]
) -> MappedLine | Rejection:
    """A line item in the unit it is sold in, with exactly the money the shop gives it."""
    sold_as = _map_sku(source, line)
    if isinstance(sold_as, Rejection):
        return sold_as
    return _map_line(source, line, sold_as, lambda: _line_prices(source, names, line), groups)


def map_custom_line(
    source: OrderSource,
    names: DiscountNames,
    item: CustomLineItem,
    item_id: str,
    groups: Mapping[str, ShippingGroup],
) -> MappedLine | Rejection:
    """A custom line item whose slug stands for an item that ships."""
    uom = _checked_uom(source, source.rules.default_uom, None, f"custom line item {item.slug!r}")
    if isinstance(uom, Rejection):
        return uom
    return _map_line(source, item, (item_id, uom), lambda: _custom_prices(source, names, item), groups)


def item_rates(item: LineItem | CustomLineItem) -> list[TaxFact]:
    """Every rate the item knows, also where it was given no tax of its own."""
    rates = [item.tax_rate, *(row.tax_rate for row in item.per_method_tax_rate)]
    return [fact for rate in rates if rate for fact in tax_facts(rate)]


def map_charge_taxes(source: OrderSource, item: CustomLineItem) -> list[TaxRow] | Rejection:
    """Taxes of a custom line item that is a charge, of all its shippings together."""
    if item.tax_rate is not None or not item.taxed_price_portions:
        rate = item.tax_rate or next((row.tax_rate for row in item.per_method_tax_rate), None)
        return map_item_taxes(source, f"custom line item {item.slug!r}", "Charge", item.taxed_price, rate)
    rates = {row.shipping_method_key: row.tax_rate for row in item.per_method_tax_rate}
    rows: list[TaxRow] = []
    for portion in item.taxed_price_portions:
        what = f"custom line item {item.slug!r}"
        rate = rates.get(portion.shipping_method_key)
        found = map_item_taxes(source, what, "Charge", portion.taxed_price, rate)
        if isinstance(found, Rejection):
            return found
        rows += found
    return rows


def _map_line(
    source: OrderSource,
    item: LineItem | CustomLineItem,
    sold_as: tuple[str, str],
    map_prices: Callable[[], _Prices],
    groups: Mapping[str, ShippingGroup],
) -> MappedLine | Rejection:
    if item.quantity <= 0:
        return source.reject(
            "source-invalid", f"line {item.id} has quantity {item.quantity}", field="lineItems.quantity"
        )
    shares = map_shares(source, item, groups)
    if isinstance(shares, Rejection):
        return shares
    taxes = _share_taxes(source, item, shares)
    if isinstance(taxes, Rejection):
        return taxes
    prices = map_prices()
    charges = split_charges(
        prices.charges, [share.order_line_id for share in shares], [share.quantity for share in shares]
    )
    rows = []
    for share, share_charges, (rate, tax_rows) in zip(shares, charges, taxes, strict=True):
        included = rate is not None and rate.included_in_price
        line = {
            "OrderLineId": share.order_line_id,
            "AlternateOrderLineId": item.id,
            "ItemId": sold_as[0],
            "Quantity": share.quantity,
            "UOM": sold_as[1],
            "UnitPrice": source.currency.decimal(prices.unit_cent_amount),
            "OriginalUnitPrice": source.currency.decimal(prices.list_cent_amount),
            "IsPriceOverridden": True,
            "IsTaxIncluded": included,
            **_delivery(source, share),
        }
        if share_charges:
            line["OrderLineChargeDetail"] = [
                render_charge(source, charge, tax_included=included) for charge in share_charges
            ]
        if tax_rows:
            line["OrderLineTaxDetail"] = render_tax_rows(source, tax_rows, share.order_line_id)
        rows.append(line)
    return MappedLine(rows, [row for _, tax_rows in taxes for row in tax_rows])


def _delivery(source: OrderSource, share: LineShare) -> dict[str, Any]:
    group = share.group
    if group is None:
        return {"DeliveryMethod": {"DeliveryMethodId": source.rules.digital_delivery}}
    fields: dict[str, Any] = {"DeliveryMethod": {"DeliveryMethodId": group.delivery}}
    if group.method:
        fields["ShippingMethodId"] = group.method
    if share.address is not None:
        fields["ShipToAddress"] = {"Address": share.address}
    if group.location:
        fields["ShipToLocationId"] = group.location
    fields["FulfillmentGroupId"] = group.fulfillment_group_id
    return fields


def _map_sku(source: OrderSource, line: LineItem) -> tuple[str, str] | Rejection:
    """ItemId and UOM of a line; identity and the default unit for a SKU without a row of its own."""
    sku = line.variant.sku or ""
    row = source.rules.skus.get(sku)
    item = sku if row is None else row.item
    if not item:
        what = f"line {line.id}: SKU {sku!r} has no MAO item" if sku else f"line {line.id} has no SKU"
        return source.reject(
            "sku-unmapped",
            what,
            field="lineItems.variant.sku",
            fix=f"add {sku!r} with its item to the file of mapping.skus_file" if sku else "",
        )
    uom = (row.uom if row else "") or source.rules.default_uom
    checked = _checked_uom(source, uom, row.units if row else None, f"SKU {sku!r}")
    return checked if isinstance(checked, Rejection) else (item, checked)


def _checked_uom(source: OrderSource, uom: str, units: int | Decimal | None, what: str) -> str | Rejection:
    if units or uom in source.rules.uom:
        return uom
    return source.reject(
        "uom-unmapped",
        f"the unit {uom!r} of {what} is not known",
        field=f"mapping.uom.{uom}",
        fix=f"add {uom!r} to mapping.uom, or units to its row in mapping.skus_file",
    )


def _line_prices(source: OrderSource, names: DiscountNames, line: LineItem) -> _Prices:
    currency = source.currency
    total = line.total_price.cent_amount
    listed = currency.round_price(line.price.value.amount)
    if line.price_mode == "ExternalTotal":
        # The price mode in which only totalPrice counts (commercetools docs: LineItemPriceMode).
        unit = currency.floor_price(total, line.quantity)
        left = total - unit * line.quantity
        return _Prices(unit, listed, residual_charge(("round", line.id), left, "Line"))
    unit = currency.round_price(_unit_amount(line))
    groups = line.discounted_price_per_quantity
    charges = map_line_discounts(source, names, line.id, line.quantity, groups)
    left = total - unit * line.quantity - sum(charge.cent_amount for charge in charges)
    if line.line_item_mode == "GiftLineItem" and not groups and left < 0:
        charges.append(Charge(("gift", line.id), left, PROMOTION, "ItemPrice"))
        left = 0
    return _Prices(unit, listed, charges + residual_charge(("round", line.id), left, "Line"))


def _unit_amount(line: LineItem) -> Decimal:
    """The product-discounted price; else that of the quantity's tier, which commercetools ignores where
    there is a product discount (commercetools docs: Price)."""
    if line.price.discounted:
        return line.price.discounted.value.amount
    reached = [tier for tier in line.price.tiers if tier.minimum_quantity <= line.quantity]
    best = max(reached, key=lambda tier: tier.minimum_quantity, default=None)
    return (best or line.price).value.amount


def _custom_prices(source: OrderSource, names: DiscountNames, item: CustomLineItem) -> _Prices:
    unit = source.currency.round_price(item.money.amount)
    charges = map_line_discounts(source, names, item.id, item.quantity, item.discounted_price_per_quantity)
    left = item.total_price.cent_amount - unit * item.quantity - sum(row.cent_amount for row in charges)
    return _Prices(unit, unit, charges + residual_charge(("round", item.id), left, "Line"))


def _share_taxes(
    source: OrderSource, item: LineItem | CustomLineItem, shares: Sequence[LineShare]
) -> list[tuple[TaxRate | None, list[TaxRow]]] | Rejection:
    """For each share its rate and rows. In shippingMode Multiple each method has portions of its own,
    divided among the addresses it goes to; otherwise the line's taxes are divided by quantity."""
    own_rates = {row.shipping_method_key: row.tax_rate for row in item.per_method_tax_rate}
    own_taxes = {row.shipping_method_key: row.taxed_price for row in item.taxed_price_portions}
    keys = [share.group.key if share.group else "" for share in shares]
    per_method = all(own_taxes.get(key) for key in keys)
    found: list[tuple[TaxRate | None, list[TaxRow]]] = [(None, [])] * len(shares)
    for key in dict.fromkeys(keys) if per_method else [None]:
        places = [index for index, other in enumerate(keys) if key is None or other == key]
        taxed: TaxedPrice | None = item.taxed_price if key is None else own_taxes[key]
        rate = own_rates.get(keys[places[0]]) or item.tax_rate
        group = shares[places[0]].group
        rows = map_item_taxes(
            source, f"line {item.id}", "Item", taxed, rate, group.fulfillment_group_id if group else ""
        )
        if isinstance(rows, Rejection):
            return rows
        divided = split_tax_rows(rows, [shares[index].quantity for index in places])
        for index, share_rows in zip(places, divided, strict=True):
            own_group = shares[index].group
            group_id = own_group.fulfillment_group_id if own_group else ""
            own_rate = own_rates.get(keys[index]) or item.tax_rate
            if own_group is not group:
                share_rows = [replace(row, fulfillment_group_id=group_id) for row in share_rows]
            found[index] = (own_rate, share_rows)
    return found
