"""What a plan would change in an order, field by field, for people. Pure; personal values are masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ct_mao_sync.mapping.order_base import Rows, is_clear, is_row, row_of, rows_of
from ct_mao_sync.mapping.order_plan import (
    CancelOrder,
    OrderTarget,
    SaveOrder,
    UpdateSyncInfo,
    WantedOrder,
)

MASKED = "[masked]"
# Of a tenant's configuration, never of a person. Whatever [orders.static] and [orders.extended] may set is
# masked, as are names, addresses and notes.
_PLAIN_NAMES = frozenset(
    {
        "ShippingMethodId",
        "DeliveryMethod/DeliveryMethodId",
        "IsTaxIncluded",
        "IsInformational",
        "IsCancelled",
        "TaxTypeId",
        "Jurisdiction",
        "ChargeType/ChargeTypeId",
        "DiscountOn/DiscountOnId",
    }
)

FieldDifference = tuple[str, str, str]
"""(path, what MAO has, what the shop has); "" = no value."""


def order_differences(
    wanted: WantedOrder, target: OrderTarget, writes: Iterable[SaveOrder | CancelOrder | UpdateSyncInfo]
) -> list[FieldDifference]:
    """Fields of rows that only one side has are left out where the row says it all."""
    theirs: Rows = rows_of(target.order) if target.order is not None else {}
    found: list[FieldDifference] = []
    for write in writes:
        if isinstance(write, SaveOrder):
            ours = rows_of(wanted.payload or {})
            for path in write.changed:
                found += _row(path, theirs, ours) if is_row(path) else [_field(path, theirs, ours)]
        elif isinstance(write, CancelOrder):
            found.append(("order", "not cancelled", "cancelled"))
        else:
            found.append((f"syncInfo of {write.channel_key}", target.external_id, write.external_id))
    return found


def _row(path: str, theirs: Rows, ours: Rows) -> list[FieldDifference]:
    """A row that both have: its fields; else that it is there or not."""
    present, wanted = theirs.get(path), ours.get(path)
    if present is None:
        return [(path, "", "there")]
    if wanted is None:
        return [(path, "there", "")]
    names = [name for name in wanted if present.get(name, "") != wanted[name]]
    return [_field(f"{path}/{name}", theirs, ours) for name in names] or [(path, "there", "as in the shop")]


def _field(path: str, theirs: Rows, ours: Rows) -> FieldDifference:
    row, list_name, name = row_of(path)
    if path.startswith("OrderHold/"):
        return (path, "active", "resolved")
    shown = is_clear(list_name, name) or name in _PLAIN_NAMES
    present, wanted = _value(theirs, row, name), _value(ours, row, name)
    if shown:
        return (path, present, wanted)
    return (path, MASKED if present else "", MASKED if wanted else "")


def _value(rows: Mapping[str, Mapping[str, str]], row: str, name: str) -> str:
    return rows.get(row, {}).get(name, "")
