"""What an id of a commercetools resource looks like; it tells the orders of the shop from other orders."""

from __future__ import annotations

import re

_UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")


def is_shop_id(text: str) -> bool:
    """A UUID (commercetools docs: ids of resources)."""
    return _UUID.match(text) is not None
