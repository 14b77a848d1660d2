"""What MAO demands of an order as a whole, after a payload has been merged into it."""

from __future__ import annotations

import re
from decimal import Decimal

from .core import Json, World
from .manhattan_envelope import Refused
from .manhattan_totals import number, rows
from .manhattan_values import code_of

# DOC: order pricing, charges: a fixed list.
CHARGE_TYPES = frozenset(
    {
        "Shipping",
        "VAS",
        "Value Added Services",
        "Handling",
        "Hazmat",
        "SurCharge",
        "Coupon",
        "Promotion",
        "Discount",
        "Appeasement",
        "ReturnShipping",
        "Return Fee",
        "Write Off",
        *(f"Miscellaneous{space}{n}" for n in range(1, 7) for space in ("", " ")),
    }
)
_DISCOUNT_TYPES = frozenset({"Coupon", "Promotion", "Discount", "Appeasement"})
_DISCOUNT_ON = frozenset({"Order", "Line", "ItemPrice", "Charges"})
_DELIVERY_METHODS = frozenset(
    {
        "ShipToAddress",
        "ShipToStore",
        "PickUpAtStore",
        "StoreSale",
        "ShipToReturnCenter",
        "StoreReturn",
        "Email",
    }
)
_DOC_TYPES = frozenset({"CustomerOrder", "RetailOrder", "QuoteOrder"})
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_HOLD_STATUSES = frozenset({"1000", "2000"})
_TAX_KEY = ("TaxCode", "TaxTypeId", "Jurisdiction", "JurisdictionTypeId", "FulfillmentGroupId")


def check_order(world: World, order: Json) -> None:
    """Raises Refused for the first thing that MAO would not accept."""
    settings = world.settings
    _require(order, ("DocType", "OrderType"), "")
    _one_of(code_of(order, "DocType", "DocTypeId"), _DOC_TYPES, "DocType")
    if settings.order_types is not None:
        _one_of(code_of(order, "OrderType", "OrderTypeId"), settings.order_types, "OrderType")
    currency = order.get("CurrencyCode")
    if currency is not None and not _CURRENCY.match(currency):
        raise Refused("error.400", f"CurrencyCode {currency} is not an ISO 4217 code", field="CurrencyCode")
    lines = rows(order, "OrderLine")
    if not lines:
        raise Refused("error.400", "At least one OrderLine is required", field="OrderLine")
    if len(lines) > settings.lines_max:
        raise Refused(
            "error.400",
            f"An order has at most {settings.lines_max} lines, this one {len(lines)}",
            field="OrderLine",
        )
    if sum(1 for line in lines if line.get("IsReturn")) > settings.return_lines_max:
        raise Refused(
            "error.400",
            f"An order has at most {settings.return_lines_max} return lines",
            field="OrderLine",
        )
    for line in lines:
        _check_line(world, line)
    _check_charges(rows(order, "OrderChargeDetail"), "OrderChargeDetail")
    _check_taxes(rows(order, "OrderTaxDetail"), "OrderTaxDetail")
    _check_holds(rows(order, "OrderHold"), "OrderHold")
    for payment in rows(order, "Payment"):
        for method in rows(payment, "PaymentMethod"):
            _require(method, ("PaymentType",), "Payment.PaymentMethod")
            _check_address(method.get("BillingAddress"), "BillingAddress")


def _check_line(world: World, line: Json) -> None:
    settings = world.settings
    _require(line, ("ItemId", "Quantity", "UOM", "DeliveryMethod"), "OrderLine")
    _one_of(code_of(line, "DeliveryMethod", "DeliveryMethodId"), _DELIVERY_METHODS, "DeliveryMethod")
    if settings.uoms is not None:
        _one_of(line["UOM"], settings.uoms, "UOM")
    if settings.items is not None and not line.get("IsItemNotOnFile"):
        _one_of(line["ItemId"], settings.items, "ItemId")
    if number(line["Quantity"]) <= 0 and not line.get("IsCancelled"):
        raise Refused("error.400", "Quantity must be greater than 0", field="OrderLine.Quantity")
    if number(line.get("UnitPrice")) < 0 and not line.get("IsReturn"):
        raise Refused("error.400", "UnitPrice must not be negative", field="OrderLine.UnitPrice")
    _check_address(line.get("ShipToAddress"), "ShipToAddress")
    if not line.get("IsReturn"):  # a return has its parent's charges and discounts with the sign turned
        _check_charges(rows(line, "OrderLineChargeDetail"), "OrderLineChargeDetail")
    _check_taxes(rows(line, "OrderLineTaxDetail"), "OrderLineTaxDetail")
    _check_holds(rows(line, "OrderLineHold"), "OrderLineHold")


def _check_address(wrapper: Json | None, path: str) -> None:
    country = ((wrapper or {}).get("Address") or {}).get("Country")
    if country is not None and not _COUNTRY.match(country):
        raise Refused("error.400", f"{path}.Address.Country is not an ISO 3166 code", field="Country")


def _check_charges(charges: list[Json], path: str) -> None:
    for row in charges:
        _require(row, ("ChargeType", "ChargeTotal"), path)
        kind = code_of(row, "ChargeType", "ChargeTypeId")
        _one_of(kind, CHARGE_TYPES, f"{path}.ChargeType")
        total = number(row["ChargeTotal"])
        discount_on = code_of(row, "DiscountOn", "DiscountOnId")
        if total < 0 or kind in _DISCOUNT_TYPES:
            if discount_on is None:
                raise Refused(
                    "error.400", f"{path}: DiscountOn is mandatory for a discount", field="DiscountOn"
                )
            _one_of(discount_on, _DISCOUNT_ON, f"{path}.DiscountOn")
            if row.get("RequestedAmount") is None:
                raise Refused(
                    "error.400",
                    f"{path}: RequestedAmount is mandatory for a discount",
                    field="RequestedAmount",
                )
            if total > 0 or number(row["RequestedAmount"]) > 0:
                raise Refused("error.400", f"{path}: a discount is negative", field="ChargeTotal")
        elif discount_on is not None and total > 0:
            raise Refused("error.400", f"{path}: DiscountOn is for discounts only", field="DiscountOn")


def _check_taxes(taxes: list[Json], path: str) -> None:
    seen: set[tuple[object, ...]] = set()
    for row in taxes:
        if row.get("TaxRate") is None:
            raise Refused("error.400", f"{path}: TaxRate is mandatory", field="TaxRate")
        if not Decimal(0) <= number(row["TaxRate"]) <= Decimal(1):
            raise Refused("error.400", f"{path}: TaxRate is a fraction, as 0.07", field="TaxRate")
        _require(row, ("TaxAmount",), path)
        combination = tuple(row.get(name) for name in _TAX_KEY)
        if combination in seen:
            raise Refused(
                "error.400", f"{path}: the combination {'+'.join(_TAX_KEY)} is not unique", field="TaxCode"
            )
        seen.add(combination)


def _check_holds(holds: list[Json], path: str) -> None:
    for hold in holds:
        _one_of(hold.setdefault("StatusId", "1000"), _HOLD_STATUSES, f"{path}.StatusId")


def _require(document: Json, names: tuple[str, ...], path: str) -> None:
    for name in names:
        value = document.get(name)
        if value is None or value == "" or (isinstance(value, dict) and not any(value.values())):
            where = f"{path}.{name}" if path else name
            raise Refused("error.400", f"{where} is required", field=name)


def _one_of(value: object, known: frozenset[str], path: str) -> None:
    if value not in known:
        raise Refused("error.400", f"{path} {value} is unknown", field=path)
