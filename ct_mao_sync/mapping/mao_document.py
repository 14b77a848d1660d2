"""Reading MAO documents that may hold anything: rows, texts, coded values, quantities. Nothing raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ct_mao_sync.mapping.availability import exact_number


def rows_of(holder: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The child rows of that name; none where there is no list of objects."""
    rows = holder.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list | tuple) else ()


def is_return(order: Mapping[str, Any]) -> bool:
    """A return is an order of its own, and only its lines say so (MAO docs: how-does-return-work)."""
    lines = rows_of(order, "OrderLine")
    return bool(lines) and all(line.get("IsReturn") is True for line in lines)


def text_of(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def code_of(value: Any) -> str:
    """A coded value: an object with one id (`{"ItemConditionId": "New"}`), or the text itself (MAO docs:
    samples have both)."""
    if isinstance(value, Mapping):
        value = next((each for name, each in value.items() if name.endswith("Id") and each), "")
    return text_of(value)


def quantity_of(value: Any) -> Decimal | None:
    """A quantity; nothing is 0, and None is what cannot be one."""
    if value is None:
        return Decimal(0)
    number = exact_number(value)
    return number if number is not None and number.is_finite() and number >= 0 else None


def status_value(row: Mapping[str, Any]) -> Any:
    """A row's status id as MAO sends it: flat, or in an object."""
    flat = row.get("StatusId")
    if flat not in (None, ""):
        return flat
    status = row.get("Status")
    return status.get("StatusId") if isinstance(status, Mapping) else None
