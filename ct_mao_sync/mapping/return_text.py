"""What a return item says beside its quantity: comment and custom fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ct_mao_sync.mapping.return_allocate import Group
from ct_mao_sync.mapping.return_order import ReturnLine, WantedReturn

_NAME = re.compile(r"\{(\w+)\}")


def render_comment(template: str, wanted: WantedReturn, line: ReturnLine, groups: Sequence[Group]) -> str:
    """The template of `returns.comment`; a part between commas of which nothing is known is left out."""
    values = _values(wanted, line, groups)
    parts = []
    for part in template.split(","):
        names = _NAME.findall(part)
        if not names or any(values.get(name) for name in names):
            parts.append(_NAME.sub(lambda name: values.get(name[1], ""), part).strip())
    return ", ".join(part for part in parts if part)


def render_fields(
    names: Mapping[str, str],
    wanted: WantedReturn,
    line: ReturnLine,
    groups: Sequence[Group],
    *,
    amount: int | None,
    settled: bool,
) -> dict[str, Any]:
    """Custom field -> value, of what is known. `amount` is a Money; condition and disposition of an item that
    exists are told when they are settled."""
    values: dict[str, Any] = dict(_values(wanted, line, groups))
    if not settled:
        values["disposition"] = ""
    values["reference"] = line.refund.reference
    values["amount"] = {"currencyCode": wanted.currency, "centAmount": amount} if amount is not None else None
    return {field: values[name] for name, field in names.items() if values.get(name)}


def same_value(shown: Any, wanted: Any) -> bool:
    """Whether a custom field shows the value; commercetools adds type and digits to a Money."""
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        return all(shown.get(name) == value for name, value in wanted.items())
    return bool(shown == wanted)


def _values(wanted: WantedReturn, line: ReturnLine, groups: Sequence[Group]) -> dict[str, str]:
    return {
        "return": wanted.return_id,
        "line": line.line_id,
        "item": line.item,
        "reason": line.reason,
        "condition": _joined(group.condition for group in groups),
        "disposition": _joined(group.disposition or _shown(group.fate) for group in groups),
    }


def _shown(fate: str) -> str:
    return "" if fate == "unmapped" else fate


def _joined(texts: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(text for text in texts if text))
