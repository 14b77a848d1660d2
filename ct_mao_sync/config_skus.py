"""The file of `mapping.skus_file`: which MAO item a SKU is, and in which unit it is sold.

A csv file with the header `sku,item,uom,units` (any order, further columns are ignored), UTF-8, with or
without byte order mark. Only SKUs that differ need a row: without one the item is the SKU itself, in
`orders.default_uom`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ct_mao_sync.config_values import shown

COLUMNS = ("sku", "item", "uom", "units")


@dataclass(frozen=True, slots=True)
class SkuRow:
    """One row. `item` "" = explicitly unmapped; `uom` "" = `orders.default_uom`; `units` = selling units
    in one of the UOM, None = as `[mapping.uom]` says."""

    sku: str
    item: str
    uom: str
    units: Decimal | None


def parse_skus(text: str) -> tuple[dict[str, SkuRow], list[tuple[int, str]]]:
    """The rows by SKU, and every mistake as (line number, what is wrong)."""
    rows: dict[str, SkuRow] = {}
    first_lines: dict[str, int] = {}
    known_units: dict[str, Decimal | None] = {"": None}
    mistakes: list[tuple[int, str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            return {}, [(1, _header_mistake(header, missing))]
        places = [header.index(name) for name in COLUMNS]
        columns = max(places) + 1
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            line = reader.line_num
            if len(cells) < columns:
                mistakes.append((line, f"has {len(cells)} columns; it must have {len(header)}"))
                continue
            sku, item, uom, units_text = [cells[place] for place in places]
            if not sku:
                mistakes.append((line, "has no sku; it must not be empty"))
                continue
            if sku in first_lines:
                first = first_lines[sku]
                mistakes.append((line, f"has sku {shown(sku)} a second time; it is on line {first}"))
                continue
            first_lines[sku] = line
            if units_text not in known_units:
                known_units[units_text] = _parse_units(units_text)
            units = known_units[units_text]
            if units is None and units_text:
                mistakes.append((line, f"has units {shown(units_text)}; it must be a positive number"))
                continue
            rows[sku] = SkuRow(sku, item, uom, units)
    except csv.Error as error:
        mistakes.append((reader.line_num or 1, f"is not csv: {error}"))
    return rows, mistakes


def _header_mistake(header: list[str], missing: list[str]) -> str:
    if not header:
        return f"is empty; it must be the header {','.join(COLUMNS)}"
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return f"is not separated by commas; it must be the header {','.join(COLUMNS)}"
    return f"lacks the column {', '.join(missing)}; it must be the header {','.join(COLUMNS)}"


def _parse_units(text: str) -> Decimal | None:
    try:
        units = Decimal(text)
    except InvalidOperation:
        return None
    return units if units.is_finite() and units > 0 else None
