"""Return lines: made from the line they come back of, priced with its money turned round, held by variances.

Rules and names: DOC how does return work, return variance, order migration sample jsons.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from .core import Json, World
from .manhattan_envelope import Refused
from .manhattan_parents import check_parents, find_parent, has_returns, line_of
from .manhattan_return_money import settle_invoices
from .manhattan_store import key_of, order_not_permitted
from .manhattan_totals import number, order_range, rows, status_name, status_of
from .manhattan_units import move_units, quantity_row
from .manhattan_values import code_of

PENDING, APPROVAL, SCANNED, RECEIVED, VERIFIED = 11000, 13000, 14000, 15000, 18000
_CUSTOMER = (
    *("CustomerId", "CustomerFirstName", "CustomerLastName", "CustomerPhone", "CustomerEmail"),
    "CustomerTypeId",
)
_COPIED = (
    "IsTaxIncluded",
    "IsPriceOverridden",
    "IsReturnable",
    "IsGift",
    "PaymentGroupId",
    "ItemDescription",
)


def complete_returns(
    world: World, org: str, stored: Json | None, order: Json, actions: Mapping[str, object], moment: str
) -> None:
    """What MAO adds to the return lines of an order that is being saved, in place; raises Refused."""
    before = {line["OrderLineId"]: line for line in rows(stored or {}, "OrderLine")}
    for line in rows(order, "OrderLine"):
        was = before.get(line["OrderLineId"])
        if was is not None and bool(was.get("IsReturn")) != bool(line.get("IsReturn")):
            raise Refused("error.400", "IsReturn of a line cannot change", field="OrderLine.IsReturn")
        if not line.get("IsReturn"):
            continue
        if was is None and stored is not None and stored.get("IsConfirmed") and has_returns(stored):
            raise order_not_permitted(order["OrderId"], status_name(_high(stored)))
        if was is None:
            line.setdefault("IsReceiptExpected", True)
            line.setdefault("ReturnDetail", [])
            _take_from_parent(world, org, order, line, actions)
        elif was["Quantity"] != line["Quantity"] and not line.get("IsCancelled"):
            scale_money(world, order, line, number(was["Quantity"]))
    set_return_types(order)
    if not actions.get("IsImport") and not actions.get("IsImported"):
        check_parents(world, org, stored, order)
    if order.get("IsConfirmed") and not (stored or {}).get("IsConfirmed"):
        confirm_returns(world, order, moment)
    if stored is None:
        order["PaymentStatus"] = {"StatusId": _payment_status(world, org, order, actions)}
    settle_invoices(world, order, moment)


def confirm_returns(world: World, order: Json, moment: str) -> None:
    """Lines whose goods stay with the customer wait for approval, or are approved by themselves."""
    target = VERIFIED if world.settings.auto_approve_returns else APPROVAL
    for line in rows(order, "OrderLine"):
        if line.get("IsReturn") and line.get("IsReceiptExpected") is False:
            move_units(world, line, (PENDING,), target, None, moment)


def set_return_types(order: Json) -> None:
    """Refund, Even Exchange or Uneven Exchange, from the sale lines beside it; MAO computes it each time."""
    lines = rows(order, "OrderLine")
    sales = [line for line in lines if not line.get("IsReturn") and not line.get("IsCancelled")]
    even = {_parent(line) for line in sales if line.get("IsEvenExchange")}
    for line in lines:
        if line.get("IsReturn"):
            kind = "Refund" if not sales else "Even Exchange" if _parent(line) in even else "Uneven Exchange"
            line["ReturnType"] = {"ReturnTypeId": kind}
        else:
            line.pop("ReturnType", None)


def new_return_line(
    world: World,
    order: Json,
    item_id: str,
    units: Decimal,
    uom: str | None,
    moment: str,
    *,
    parent: tuple[str, Json | None] | None = None,
    additional: Json | None = None,
) -> Json:
    """A further line of a return order, every unit still pending.

    parent   ParentOrderId, and the line it comes back of when there is one
    """
    taken = {line["OrderLineId"] for line in rows(order, "OrderLine")}
    number_free = next(n for n in range(1, 1000) if str(n) not in taken)
    line: Json = {
        "OrderLineId": str(number_free),
        "ItemId": item_id,
        "UOM": uom,
        "Quantity": units,
        "IsReturn": True,
        "IsReceiptExpected": True,
        "IsCancelled": False,
        "DeliveryMethod": {"DeliveryMethodId": "ShipToReturnCenter"},
        "ShipToLocationId": world.settings.return_center,
        "ParentOrderId": parent[0] if parent else None,
        "ParentOrderLineId": parent[1]["OrderLineId"] if parent and parent[1] is not None else None,
        "OrderLineAdditional": additional or {},
        "Allocation": [],
        "FulfillmentDetail": [],
        "OrderLineCancelHistory": [],
        "ReturnDetail": [],
        "OrderLineHold": [],
        "CreatedTimestamp": moment,
        "UpdatedTimestamp": moment,
    }
    line["QuantityDetail"] = [quantity_row(world, line, str(PENDING), units, moment)]
    if parent and parent[1] is not None:
        price_return_line(world, order, line, parent[1], {})
    order["OrderLine"].append(line)
    return line


def price_return_line(
    world: World, order: Json, line: Json, parent: Json, actions: Mapping[str, object]
) -> None:
    """The parent line's price, charges and taxes with the sign turned, prorated by units."""
    for name in _COPIED:
        if line.get(name) is None and parent.get(name) is not None:
            line[name] = parent[name]
    if not actions.get("IsAlreadyPriced"):
        line["UnitPrice"] = -number(parent.get("UnitPrice"))
        line["OriginalUnitPrice"] = -number(parent.get("OriginalUnitPrice") or parent.get("UnitPrice"))
    whole = number(parent.get("Quantity"))
    share = number(line["Quantity"]) / whole if whole else Decimal(0)
    unit = money_unit(world, order)
    if not actions.get("IsAlreadyCharged"):
        line["OrderLineChargeDetail"] = [
            {
                **row,
                "ChargeDetailId": world.new_id().replace("-", ""),
                "ChargeTotal": _turned(row.get("ChargeTotal"), share, unit),
                "RequestedAmount": _turned(row.get("RequestedAmount"), share, unit),
            }
            for row in _charges(parent)
        ]
    if not actions.get("IsAlreadyTaxed"):
        line["OrderLineTaxDetail"] = [
            {
                **row,
                "TaxDetailId": world.new_id().replace("-", ""),
                "TaxAmount": _turned(row.get("TaxAmount"), share, unit),
                "TaxableAmount": _turned(row.get("TaxableAmount"), share, unit),
            }
            for row in rows(parent, "OrderLineTaxDetail")
        ]


def _charges(line: Json) -> list[Json]:
    """The line's charges, and its share of header discounts as far as it costs anything."""
    left = number(line.get("OrderLineSubTotal")) + number(line.get("TotalDiscounts"))
    charges = []
    for row in rows(line, "OrderLineChargeDetail"):
        if row.get("HeaderChargeDetailId"):
            amount = max(number(row.get("ChargeTotal")), -left)
            left += amount
            row = {name: value for name, value in row.items() if name != "HeaderChargeDetailId"}
            row |= {"ChargeTotal": amount, "RequestedAmount": amount}
        charges.append(row)
    return charges


def scale_money(world: World, order: Json, line: Json, before: Decimal) -> None:
    """Charges and taxes follow a changed quantity; fees of the return itself stay as they are."""
    if before <= 0:
        return
    share = number(line["Quantity"]) / before
    unit = money_unit(world, order)
    for name, amounts in (
        ("OrderLineChargeDetail", ("ChargeTotal", "RequestedAmount")),
        ("OrderLineTaxDetail", ("TaxAmount", "TaxableAmount")),
    ):
        for row in rows(line, name):
            for amount in amounts:
                if row.get(amount) is not None and not row.get("IsReturnCharge"):
                    row[amount] = (number(row[amount]) * share).quantize(unit, ROUND_HALF_UP)


def money_unit(world: World, order: Json) -> Decimal:
    """The smallest amount of the order's currency."""
    currency = order.get("CurrencyCode")
    if currency in world.settings.zero_decimal_currencies:
        return Decimal(1)
    return Decimal("0.001" if currency in world.settings.three_decimal_currencies else "0.01")


def hold_line(line: Json, hold_type_id: str, moment: str) -> None:
    """Applies a hold to a line, once."""
    holds = line["OrderLineHold"] = rows(line, "OrderLineHold")
    if not any(hold["HoldTypeId"] == hold_type_id for hold in holds):
        holds.append({"HoldTypeId": hold_type_id, "StatusId": "1000", "CreatedTimestamp": moment})


def unhold_line(line: Json, hold_type_id: str | None, moment: str) -> bool:
    """Resolves the applied holds of a line, or the one of that type; whether there was one."""
    found = False
    for hold in rows(line, "OrderLineHold"):
        if hold_type_id in (None, hold["HoldTypeId"]) and status_of(hold.get("StatusId", "1000")) == 1000:
            hold["StatusId"] = "2000"
            found = True
    if found:
        line["UpdatedTimestamp"] = moment
    return found


def _take_from_parent(world: World, org: str, order: Json, line: Json, actions: Mapping[str, object]) -> None:
    parent_id, parent_line_id = _parent(line)
    if not parent_id:
        return  # standalone: the sender's price is all there is
    parent = find_parent(world, key_of(world, org, parent_id))
    parent_line = line_of(parent, parent_line_id or "") if parent is not None else None
    if parent is None or parent_line is None:
        return  # check_parents says so, or an imported return of an order that MAO never had
    if line.get("ItemId") != parent_line.get("ItemId"):
        raise Refused("error.400", "ItemId differs from the parent line's", field="OrderLine.ItemId")
    if order.get("CustomerId") is None and order.get("CustomerFirstName") is None:
        order |= {name: parent[name] for name in _CUSTOMER if parent.get(name) is not None}
    if order.get("CurrencyCode") is None:
        order["CurrencyCode"] = parent.get("CurrencyCode")
    price_return_line(world, order, line, parent_line, actions)


def _payment_status(world: World, org: str, order: Json, actions: Mapping[str, object]) -> str:
    """0 where nobody pays through MAO: told so, or none of the parents does."""
    if actions.get("SkipPaymentProcessing"):
        return "0.000"
    parents = {_parent(line)[0] for line in rows(order, "OrderLine") if line.get("IsReturn")} - {None}
    statuses = [
        code_of(parent, "PaymentStatus", "StatusId") or "0"
        for parent_id in parents
        if (parent := find_parent(world, key_of(world, org, str(parent_id)))) is not None
    ]
    outside = bool(statuses) and all(status_of(status) == 0 for status in statuses)
    return "0.000" if outside else "6000.000"


def _parent(line: Json) -> tuple[str | None, str | None]:
    return line.get("ParentOrderId"), line.get("ParentOrderLineId")


def _turned(amount: object, share: Decimal, unit: Decimal) -> Decimal | None:
    return None if amount is None else (-number(amount) * share).quantize(unit, ROUND_HALF_UP)


def _high(order: Json) -> int:
    span = order_range(order)
    return status_of(order.get("MaxReturnStatusId") or (span[1] if span else 0))
