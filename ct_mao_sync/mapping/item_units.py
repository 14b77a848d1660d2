"""Which MAO item a SKU is sold as, which SKUs sell an item, and how many base units one sold unit is.

Availability and supply carry no unit: they are in the item's base unit (MAO docs: master data guide).
Several SKUs may sell one item ("single", "pack of six"); they share its stock.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.rules import SkuRow

# Enough for any product of a quantity and its units; what does not fit would be rounded, so it is refused.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
UNITS_DECIMALS_MAX = 6
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class SoldAs:
    """One SKU in MAO's terms. `units`: base units of the item in one sold unit, exact."""

    sku: str
    item: str
    uom: str
    units: Decimal


class ItemUnits:
    """The file of `mapping.skus_file` and `[mapping.uom]` in both directions. A SKU without a row is the
    item of the same name in the default unit; a row of its own takes that away."""

    def __init__(
        self, skus: Mapping[str, SkuRow], uom: Mapping[str, int | Decimal], default_uom: str = "EACH"
    ) -> None:
        self._rows = skus
        self._uom = uom
        self._default_uom = default_uom
        self._known: dict[str, SoldAs | Rejection] = {}
        by_item: dict[str, list[str]] = {}
        for sku, row in skus.items():
            if row.item:
                by_item.setdefault(row.item, []).append(sku)
        self._by_item = {item: tuple(found) for item, found in by_item.items()}

    def sold_as(self, sku: str) -> SoldAs | Rejection:
        """Rejections: `sku-unmapped` (the row says that there is no item, or the SKU is empty),
        `uom-unmapped` and `uom-inexact`."""
        found = self._known.get(sku)
        if found is None:
            found = self._known[sku] = self._sold_as(sku)
        return found

    def skus_of(self, item: str) -> tuple[str, ...]:
        """Every SKU that sells the item, without knowing whether the shop has it: those of the file, and
        the one of the same name unless its own row says otherwise. Cases are not folded: `sku-a` and
        `SKU-A` are two."""
        listed = self._by_item.get(item, ())
        if not item or item in self._rows:
            return listed
        return (*listed, item)

    @property
    def has_items_of_several_skus(self) -> bool:
        return any(len(self.skus_of(item)) > 1 for item in self._by_item)

    def items_of(self, skus: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Item -> the given SKUs that sell it; SKUs that cannot be mapped are left out."""
        found: dict[str, list[str]] = {}
        for sku in dict.fromkeys(skus):
            sold = self.sold_as(sku)
            if isinstance(sold, SoldAs):
                found.setdefault(sold.item, []).append(sku)
        return {item: tuple(members) for item, members in found.items()}

    def base_units(self, sku: str, units: int) -> Decimal | Rejection:
        """Sold units of a SKU in base units of its item."""
        sold = self.sold_as(sku)
        if isinstance(sold, Rejection):
            return sold
        if sold.units == _ONE:
            return Decimal(units)
        try:
            return EXACT.multiply(Decimal(units), sold.units)
        except DecimalException:
            return _inexact(sku, sold.units)

    def _sold_as(self, sku: str) -> SoldAs | Rejection:
        row = self._rows.get(sku)
        item = sku if row is None else row.item
        if not sku.strip() or not item.strip():
            what = f"SKU {sku!r} has no MAO item" if sku.strip() else "the SKU is empty"
            return Rejection(
                code="sku-unmapped",
                message=what,
                field="sku",
                hint=f"add {sku!r} with its item to the file of mapping.skus_file; {_again(sku)}",
            )
        uom = (row.uom if row else "") or self._default_uom
        units = row.units if row is not None and row.units is not None else self._uom.get(uom)
        if units is None:
            return Rejection(
                code="uom-unmapped",
                message=f"the unit {uom!r} of SKU {sku!r} is not known",
                field=f"mapping.uom.{uom}",
                hint=f"add {uom!r} to mapping.uom, or units to its row in mapping.skus_file; {_again(sku)}",
            )
        exact = Decimal(units) if isinstance(units, int) else units
        if not _is_countable(exact):
            return _inexact(sku, exact)
        return SoldAs(sku, item, uom, exact)


def _is_countable(units: Decimal) -> bool:
    try:
        exponent = units.normalize(EXACT).as_tuple().exponent
    except DecimalException:
        return False
    return isinstance(exponent, int) and units > 0 and -exponent <= UNITS_DECIMALS_MAX


def _inexact(sku: str, units: Decimal) -> Rejection:
    return Rejection(
        code="uom-inexact",
        message=f"SKU {sku!r} has {units} base units in one sold unit, which cannot be counted exactly",
        field="mapping.skus_file",
        hint=f"give units with at most {UNITS_DECIMALS_MAX} decimals, or a base unit in MAO that is small "
        f"enough; {_again(sku)}",
    )


def _again(sku: str) -> str:
    return f"then: ct-mao-sync sync inventory --sku {shlex.quote(sku)}"
