"""One order being mapped: its document, its model, the rules, its currency; and how it is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.money import Currency
from ct_mao_sync.mapping.rules import OrderRules
from ct_mao_sync.models.commercetools import Order

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_.-]")
_ROW_ID_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class OrderSource:
    """What every part of the mapping is handed."""

    raw: Mapping[str, Any]
    order: Order
    rules: OrderRules
    currency: Currency

    def reject(self, code: str, what: str, *, field: str = "", fix: str = "") -> Rejection:
        return reject(self.order, code, what, field=field, fix=fix)


def reject(order: Order, code: str, what: str, *, field: str = "", fix: str = "") -> Rejection:
    """A refusal of the order in one line; `what` holds no personal data, `fix` says what to change."""
    return Rejection(
        code=code,
        message=f"order {order.label}: {what}",
        field=field,
        hint=f"{fix or 'correct the order in commercetools'}; then: "
        f"ct-mao-sync replay-errors --entity {order.id}",
    )


def short_hash(text: str, length: int = 8) -> str:
    """Some hex digits of the text's SHA-256: the same on every machine, for ever."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def row_id(*parts: str) -> str:
    """A deterministic id of a child row of ours: `ct-` and the parts. What does not suit an id is replaced,
    and a hash of the original keeps it unique; at most 100 characters."""
    text = "-".join(("ct", *parts))
    clean = _NOT_IN_KEYS.sub("_", text)
    if clean == text and len(text) <= _ROW_ID_LENGTH_MAX:
        return text
    return f"{clean[: _ROW_ID_LENGTH_MAX - 9]}-{short_hash(text)}"
