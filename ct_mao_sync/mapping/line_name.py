"""What a person calls a line of an order, in texts of every job that names one."""

from __future__ import annotations

from collections.abc import Mapping


def line_name(line_id: str, skus: Mapping[str, str]) -> str:
    """Its SKU; its id where it has none, or where another line of the order has it too and nobody could tell
    them apart. `skus`: line id -> SKU, "" for none, of all lines of the order."""
    sku = skus.get(line_id, "")
    is_alone = sum(other == sku for other in skus.values()) == 1
    return sku if sku and is_alone else line_id
