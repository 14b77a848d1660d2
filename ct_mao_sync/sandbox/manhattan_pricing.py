"""What MAO does to an order's money when the sender does not say that it is already settled.

Without IsAlreadyPriced, IsAlreadyCharged and IsAlreadyTaxed in OrderActions, each save makes MAO price,
charge and tax the unreleased lines by its own services (DOC: order pricing); so it does here.
"""

from __future__ import annotations

import zlib
from decimal import ROUND_HALF_UP, Decimal

from .core import Json, World
from .manhattan_totals import RELEASED, line_range, number, order_range, rows

_OWN_CHARGE = "MAO-SNH"
_OWN_RATE = Decimal("0.0825")


def price_again(world: World, order: Json, actions: Json) -> bool:
    """Replaces prices, shipping charge and taxes by MAO's own where the sender set no flag; in place."""
    if actions.get("IsImport") or actions.get("IsImported") or order.get("IsCancelled"):
        return False
    whole = order.get("CurrencyCode") in world.settings.zero_decimal_currencies
    unit = Decimal(1) if whole else Decimal("0.01")
    lines = [
        line
        for line in rows(order, "OrderLine")
        if line_range(line)[1] < RELEASED and not line.get("IsReturn")
    ]
    changed = False
    if not actions.get("IsAlreadyPriced"):
        for line in lines:
            changed |= _price(line, unit)
    if not actions.get("IsAlreadyCharged"):
        changed |= _charge(world, order, unit)
    if not actions.get("IsAlreadyTaxed"):
        for line in lines:
            changed |= _tax(world, line, unit)
    return changed


def _price(line: Json, unit: Decimal) -> bool:
    if line.get("IsPriceOverridden"):
        return False
    own = (Decimal(1000 + zlib.crc32(str(line.get("ItemId")).encode()) % 9000) / 100).quantize(unit)
    if line.get("UnitPrice") == own:
        return False
    line["UnitPrice"] = own
    line.setdefault("OriginalUnitPrice", own)
    return True


def _charge(world: World, order: Json, unit: Decimal) -> bool:
    span = order_range(order)
    charges = rows(order, "OrderChargeDetail")
    if span is None or span[1] >= RELEASED:
        return False
    if any(row.get("ChargeReferenceId") == _OWN_CHARGE for row in charges):
        return False
    own = {
        "ChargeDetailId": world.new_id().replace("-", ""),
        "ChargeType": {"ChargeTypeId": "Shipping"},
        "ChargeReferenceId": _OWN_CHARGE,
        "ChargeTotal": Decimal("5.95").quantize(unit, ROUND_HALF_UP),
        "IsInformational": False,
    }
    order["OrderChargeDetail"] = [*charges, own]
    return True


def _tax(world: World, line: Json, unit: Decimal) -> bool:
    taxable = (number(line.get("Quantity")) * number(line.get("UnitPrice"))).quantize(unit, ROUND_HALF_UP)
    amount = (taxable * _OWN_RATE).quantize(unit, ROUND_HALF_UP)
    present = rows(line, "OrderLineTaxDetail")
    if len(present) == 1 and present[0].get("TaxEngineId") == "MAO" and present[0]["TaxAmount"] == amount:
        return False
    line["OrderLineTaxDetail"] = [
        {
            "TaxDetailId": world.new_id().replace("-", ""),
            "TaxEngineId": "MAO",
            "TaxTypeId": "SALES",
            "TaxCode": None,
            "TaxRate": _OWN_RATE,
            "TaxableAmount": taxable,
            "TaxAmount": amount,
            "IsInformational": False,
        }
    ]
    return True
