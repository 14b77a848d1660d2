"""A commercetools Order as a MAO order-save payload: pure, exact, or refused with one clear reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.address import map_customer, personal_values
from ct_mao_sync.mapping.charges import (
    Charge,
    DiscountNames,
    map_custom_charge,
    map_shipping_charges,
    map_total_discounts,
    render_charge,
)
from ct_mao_sync.mapping.delivery import ShippingGroup, map_shipping_groups
from ct_mao_sync.mapping.expressions import apply_field_rules, evaluate
from ct_mao_sync.mapping.lines import (
    MappedLine,
    item_rates,
    map_charge_taxes,
    map_custom_line,
    map_line_item,
)
from ct_mao_sync.mapping.money import find_foreign_money, map_currency
from ct_mao_sync.mapping.payments import is_paid, map_payments, render_moment
from ct_mao_sync.mapping.rules import OrderRules
from ct_mao_sync.mapping.source import OrderSource, reject
from ct_mao_sync.mapping.taxes import (
    TaxFact,
    TaxRow,
    map_adjustments,
    map_item_taxes,
    render_tax_rows,
    tax_facts,
)
from ct_mao_sync.mapping.totals import check_decimals, check_row_ids, check_totals
from ct_mao_sync.models.commercetools import CustomLineItem, Order

# DOC: creating-and-updating-order: the most lines of a CustomerOrder.
LINES_MAX = 250

Hold = Literal["none", "waiting", "paid"]


@dataclass(frozen=True, slots=True)
class OrderedUnits:
    """Units of one line item, in selling units, for what the shop has sold and MAO does not know yet."""

    line_item_id: str
    sku: str
    quantity: int
    supply_channel_id: str
    """"" when the line names none."""
    inventory_mode: str
    """The line's own, else the order's: None, TrackOnly, ReserveOnOrder, ReserveOnCart."""


@dataclass(frozen=True, slots=True)
class MappedOrder:
    """`payload` is the whole create body but for OrderId and OrderActions.VersionTimestamp. `hold`: "none"
    (no hold is configured), "waiting" (applied on the create), "paid" (to be resolved). `personal`: every
    personal value of the order -> its mask."""

    payload: dict[str, Any]
    hold: Hold
    personal: dict[str, str]
    units: tuple[OrderedUnits, ...]


def map_order(raw: Mapping[str, Any], order: Order, rules: OrderRules) -> MappedOrder | Rejection:
    """`raw` is the document as read (numbers as Decimal), for JMESPath; `order` its model. A Rejection
    names the order, the line or field, and what to do; its codes are those of README, "Errors"."""
    foreign = find_foreign_money(order)
    if foreign:
        return reject(
            order, "source-invalid", f"{foreign} is not an amount in the order's currency", field=foreign
        )
    source = OrderSource(raw, order, rules, map_currency(order, _decimals_of(order, rules)))
    groups = map_shipping_groups(source)
    if isinstance(groups, Rejection):
        return groups
    items = _map_items(source, groups)
    if isinstance(items, Rejection):
        return items
    header_taxes = _map_header_taxes(source, items, groups)
    if isinstance(header_taxes, Rejection):
        return header_taxes

    payload = _map_header(source)
    payload["OrderLine"] = [row for row, _ in items.lines]
    charges = [
        charge for group in groups.values() for charge in map_shipping_charges(source, items.names, group)
    ]
    included = all(row["IsTaxIncluded"] for row in payload["OrderLine"])
    charges += items.charges + map_total_discounts(source, items.names, tax_included=included)
    if charges:
        payload["OrderChargeDetail"] = [render_charge(source, charge) for charge in charges]
    if header_taxes:
        payload["OrderTaxDetail"] = render_tax_rows(source, header_taxes)
    hold = _map_hold(source)
    if hold == "waiting":
        payload["OrderHold"] = [{"HoldTypeId": rules.hold_until_paid, "StatusId": "1000"}]
    payments = map_payments(source) if rules.payments == "reference" else []
    if payments:
        payload["Payment"] = payments

    extended = _apply_settings(source, payload, items)
    if isinstance(extended, Rejection):
        return extended
    refused = _check(source, payload)
    if refused:
        return refused
    return MappedOrder(payload, hold, extended | personal_values(order), _map_units(order))


@dataclass(frozen=True, slots=True)
class _Items:
    """Line items and custom line items, mapped: lines with their raw items, header charges, taxes."""

    names: DiscountNames
    lines: list[tuple[dict[str, Any], Mapping[str, Any]]]
    charges: list[Charge]
    line_taxes: list[TaxRow]
    charge_taxes: list[TaxRow]


def _map_items(source: OrderSource, groups: Mapping[str, ShippingGroup]) -> _Items | Rejection:
    items = _Items(DiscountNames(source), [], [], [], [])
    order = source.order
    for line, raw in zip(order.line_items, source.raw.get("lineItems") or (), strict=False):
        refused = _add_line(items, map_line_item(source, items.names, line, groups), raw)
        if refused:
            return refused
    for custom, raw in zip(order.custom_line_items, source.raw.get("customLineItems") or (), strict=False):
        item_id = _item_of(source, custom)
        if item_id:
            mapped = map_custom_line(source, items.names, custom, item_id, groups)
            refused = _add_line(items, mapped, raw)
            if refused:
                return refused
            continue
        taxes = map_charge_taxes(source, custom)
        if isinstance(taxes, Rejection):
            return taxes
        items.charges.extend(map_custom_charge(source, custom))
        items.charge_taxes.extend(taxes)
    if not items.lines:
        return source.reject("payload-invalid", "it has no lines that MAO could ship", field="lineItems")
    if len(items.lines) > LINES_MAX:
        return source.reject(
            "payload-invalid",
            f"it has {len(items.lines)} lines, and MAO takes at most {LINES_MAX}",
            field="lineItems",
            fix="split the order in commercetools",
        )
    return items


def _add_line(items: _Items, mapped: MappedLine | Rejection, raw: Mapping[str, Any]) -> Rejection | None:
    if isinstance(mapped, Rejection):
        return mapped
    items.lines.extend((row, raw) for row in mapped.rows)
    items.line_taxes.extend(mapped.taxes)
    return None


def _item_of(source: OrderSource, custom: CustomLineItem) -> str:
    """The ItemId that a slug stands for; a negative amount is never a line."""
    rule = source.rules.custom_line_items.get(custom.slug)
    return rule.item if rule and custom.total_price.cent_amount >= 0 else ""


def _map_header_taxes(
    source: OrderSource, items: _Items, groups: Mapping[str, ShippingGroup]
) -> list[TaxRow] | Rejection:
    header = list(items.charge_taxes)
    facts: list[TaxFact] = []
    for group in groups.values():
        info = group.info
        found = map_item_taxes(
            source,
            f"shipping {group.key}",
            "Shipping",
            info.taxed_price,
            info.tax_rate,
            group.fulfillment_group_id,
        )
        if isinstance(found, Rejection):
            return found
        header += found
        if info.tax_rate:
            facts += tax_facts(info.tax_rate)
    for line in source.order.line_items:
        facts += item_rates(line)
    for custom in source.order.custom_line_items:
        facts += item_rates(custom)
    adjustments = map_adjustments(source, [*items.line_taxes, *header], facts)
    return adjustments if isinstance(adjustments, Rejection) else header + adjustments


def _map_header(source: OrderSource) -> dict[str, Any]:
    order, rules = source.order, source.rules
    header: dict[str, Any] = {
        "AlternateOrderId": order.id,
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderType": {"OrderTypeId": rules.order_type},
        "IsConfirmed": True,
        "CapturedDate": render_moment(order.created_at),
        "CurrencyCode": source.currency.code,
        **map_customer(order),
        # Without these MAO prices, charges and taxes anew, and settles payments (DOC: order-pricing).
        "OrderActions": {
            "IsAlreadyPriced": True,
            "IsAlreadyCharged": True,
            "IsAlreadyTaxed": True,
            "SkipPaymentProcessing": True,
        },
    }
    if rules.organization:
        header["OrgId"] = rules.organization
    if order.locale:
        header["OrderLocale"] = order.locale
    if order.purchase_order_number:
        header["OrderNote"] = [
            {
                "NoteId": "ct-po",
                "NoteType": {"NoteTypeId": "General"},
                "NoteCategory": {"NoteCategoryId": "CustomerCommunication"},
                "NoteText": order.purchase_order_number,
            }
        ]
    return header


def _map_hold(source: OrderSource) -> Hold:
    if not source.rules.hold_until_paid:
        return "none"
    return "paid" if is_paid(source) else "waiting"


def _apply_settings(
    source: OrderSource, payload: dict[str, Any], items: _Items
) -> dict[str, str] | Rejection:
    if source.rules.customer_id is not None:
        customer_id = evaluate(source, source.rules.customer_id, source.raw)
        if isinstance(customer_id, Rejection):
            return customer_id
        if customer_id is not None and str(customer_id).strip():
            payload["CustomerId"] = str(customer_id).strip()
    return apply_field_rules(source, payload, items.lines)


def _check(source: OrderSource, payload: Mapping[str, Any]) -> Rejection | None:
    return (
        check_decimals(payload, source.order, source.currency)
        or check_totals(payload, source.order)
        or check_row_ids(payload, source.order)
    )


def _decimals_of(order: Order, rules: OrderRules) -> int | None:
    return rules.currency_decimals.get(order.total_price.currency_code)


def _map_units(order: Order) -> tuple[OrderedUnits, ...]:
    return tuple(
        OrderedUnits(
            line.id,
            line.variant.sku or "",
            line.quantity,
            line.supply_channel.id if line.supply_channel else "",
            line.inventory_mode or order.inventory_mode or "None",
        )
        for line in order.line_items
    )
