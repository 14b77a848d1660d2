"""What a plan of the returns job would change in the ReturnInfos of an order, item by item, for people. Pure;
comments and custom fields are masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ct_mao_sync.mapping.order_differences import MASKED, FieldDifference
from ct_mao_sync.mapping.return_shop import ADVISED, INITIAL, NON_REFUNDABLE, ShopItem, ShopOrder

Fields = dict[str, str]


def return_differences(order: ShopOrder, actions: Iterable[Mapping[str, Any]]) -> list[FieldDifference]:
    """(path, what the shop has, what MAO says); "" = nothing. An item that only one side has is one line."""
    present = {item.key or item.id: _fields_of(order, item) for item in order.items()}
    wanted = {key: dict(fields) for key, fields in present.items()}
    for action in actions:
        name = action["action"]
        if name == "addReturnInfo":
            wanted |= _drafted(order, action)
        elif name == "setReturnInfo":
            wanted = {
                key: fields for info in action["items"] for key, fields in _drafted(order, info).items()
            }
        else:
            fields = wanted.setdefault(action["returnItemKey"], {})
            for field in ("shipmentState", "paymentState"):
                if field in action:
                    fields[field] = str(action[field])
            if name == "setReturnItemCustomType":
                fields["custom type"] = str(action["type"].get("key") or "")
            elif name == "setReturnItemCustomField":
                fields[f"custom field {action['name']}"] = MASKED
    found: list[FieldDifference] = []
    for key in dict.fromkeys([*present, *wanted]):
        before, after = present.get(key), wanted.get(key)
        if before is None or after is None:
            found.append((f"ReturnItem/{key}", _render(before), _render(after)))
        else:
            found += [
                (f"ReturnItem/{key}/{name}", before.get(name, ""), value)
                for name, value in after.items()
                if before.get(name, "") != value
            ]
    return found


def _fields_of(order: ShopOrder, item: ShopItem) -> Fields:
    return {
        "items": f"{item.quantity} of {order.name_of(item.line_id)}",
        "shipmentState": item.shipment_state,
        "paymentState": item.payment_state,
    }


def _drafted(order: ShopOrder, info: Mapping[str, Any]) -> dict[str, Fields]:
    """The items of a draft, with the states in which commercetools begins them (docs: ReturnItemDraft)."""
    return {
        str(draft["key"]): {
            "items": f"{draft['quantity']} of "
            + order.name_of(str(draft.get("lineItemId") or draft.get("customLineItemId"))),
            "shipmentState": str(draft["shipmentState"]),
            "paymentState": NON_REFUNDABLE if draft["shipmentState"] == ADVISED else INITIAL,
        }
        for draft in info["items"]
    }


def _render(fields: Fields | None) -> str:
    parts = [(name, value) for name, value in (fields or {}).items() if value]
    return ", ".join(value if name == "items" else f"{name} {value}" for name, value in parts)
