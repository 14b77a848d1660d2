"""How an order in MAO differs from the shop's when nothing is known of what was sent (state lost), and what
must be taken for sent when a person says that the shop is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ct_mao_sync.mapping.order_base import (
    is_row,
    list_of,
    normalise,
    remember,
    remembered,
    row_of,
    rows_by_id,
    rows_of,
    step,
)
from ct_mao_sync.mapping.order_sides import (
    CHILD_LISTS,
    NO_VALUE,
    NOTHING,
    PRICES,
    QUANTITY,
    SentBase,
    Sides,
)
from ct_mao_sync.mapping.order_state import is_cancelled, is_line_terminal


def differences(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Paths of fields, rows and lines; empty when the order can be adopted as it is. What MAO did itself is
    no difference: lines it shortened or cancelled keep its money, its own fields and rows are its own."""
    sides = Sides(wanted, current, SentBase(acked={}), b"")
    there = rows_by_id(current, "OrderLine")
    found: list[str] = []
    left_out: set[str] = set()
    shortened: set[str] = set()
    for line_id, line in rows_by_id(wanted, "OrderLine").items():
        row = f"OrderLine/{step(line_id)}"
        if line_id not in there:
            found.append(row)
            left_out.add(row)
        elif is_cancelled(there[line_id]):
            left_out.add(row)
        elif _shortened_by_mao(there[line_id], normalise(line.get("Quantity"), "Quantity")):
            shortened.add(row)
    for row, fields in sides.shop.items():
        line_row = "/".join(row.split("/")[:2])
        if line_row in left_out or (line_row in shortened and row != line_row):
            continue
        of_mao = QUANTITY | PRICES if row in shortened else frozenset()
        different = [
            f"{row}/{name}" if row else name
            for name, value in fields.items()
            if name not in of_mao and _differs(list_of(row), name, value, sides.shown(row, name))
        ]
        if row in sides.oms:
            found += different
        elif different:
            found.append(row)
    for line_id, line in there.items():
        row = f"OrderLine/{step(line_id)}"
        if row not in sides.shop:
            if _is_line_of_ours(line_id, line) and not is_line_terminal(line):
                found.append(row)
        elif row not in left_out | shortened:
            found += _surplus_rows(sides, line, f"{row}/")
    return found + _surplus_rows(sides, current, "")


def base_for_shop(
    wanted: Mapping[str, Any], current: Mapping[str, Any], found: Sequence[str], salt: bytes
) -> SentBase:
    """The base with which a merge writes exactly these differences: there MAO is taken to have what was
    sent, everywhere else the shop is taken not to have changed."""
    base = remembered(wanted, salt)
    theirs = rows_of(current)
    for path in found:
        row, list_name, name = row_of(path)
        if is_row(path):
            # One that MAO does not have was never sent, one that only MAO has was.
            for known in [key for key in base if key.startswith(f"{path}/")]:
                del base[known]
            rows = [each for each in theirs if each == path or each.startswith(f"{path}/")]
            base |= {
                f"{each}/{field}": remember(list_of(each), field, value, salt)
                for each in rows
                for field, value in theirs[each].items()
            }
        elif theirs[row].get(name):
            base[path] = remember(list_name, name, theirs[row][name], salt)
        else:
            base.pop(path, None)
    return SentBase(acked=base)


def _differs(list_name: str, name: str, shop: str, oms: str | None) -> bool:
    if oms is None or oms == shop:
        return False
    if oms:
        return True
    # MAO may not keep every member of a charge or tax row; then it has no value there.
    return shop not in NO_VALUE and (list_name in ("", "OrderLine") or name in NOTHING[list_name])


def _is_line_of_ours(line_id: str, line: Mapping[str, Any]) -> bool:
    """Ours are named after the line item's id, 36 characters, which is also their AlternateOrderLineId."""
    return len(line_id) >= 36 and line.get("AlternateOrderLineId") == line_id[:36]


def _surplus_rows(sides: Sides, current: Mapping[str, Any], prefix: str) -> list[str]:
    """Rows of ours with something in them that the shop no longer has."""
    found: list[str] = []
    for list_name in CHILD_LISTS:
        for row_id, fields in rows_by_id(current, list_name).items():
            row = f"{prefix}{list_name}/{step(row_id)}"
            left = (normalise(fields.get(name), name) for name in NOTHING[list_name])
            if (
                row_id.startswith("ct-")
                and row not in sides.shop
                and any(text not in NO_VALUE for text in left)
            ):
                found.append(row)
    return found


def _shortened_by_mao(line: Mapping[str, Any], wanted_quantity: str) -> bool:
    """MAO has fewer units than the shop, and its cancelled units explain it: Quantity + cancelled = what
    was ordered (order reference 3.5; a history row may be there twice)."""
    try:
        present, ordered = Decimal(str(line.get("Quantity"))), Decimal(wanted_quantity)
        cancelled = sum(
            (
                Decimal(str(row.get("CancelQuantity") or 0))
                for row in line.get("OrderLineCancelHistory") or ()
            ),
            Decimal(0),
        )
    except InvalidOperation:
        return False
    return present < ordered <= present + cancelled
