"""The two actions that carry whole return items (commercetools docs: addReturnInfo, setReturnInfo)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ct_mao_sync.mapping.return_order import WantedReturn
from ct_mao_sync.mapping.return_shop import ShopItem, ShopOrder


@dataclass(frozen=True, slots=True)
class UpdateReturns:
    """One update of one order: everything of a return, or nothing."""

    order_id: str
    version: int
    actions: tuple[Mapping[str, Any], ...]
    subject: str
    summary: tuple[str, ...]
    action: str = "update"

    @property
    def body(self) -> dict[str, Any]:
        return {"version": self.version, "actions": [dict(action) for action in self.actions]}


def add_info(wanted: WantedReturn, drafts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"action": "addReturnInfo", **_info(wanted, drafts)}


def rewrite_infos(
    order: ShopOrder, dropped: Collection[str], wanted: WantedReturn, drafts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Every return info as it is, without the announcements that are dropped, and the new one. The caller
    has made sure that no item has anything that a rewrite would reset: ids and states begin anew."""
    infos: list[dict[str, Any]] = []
    for info in order.infos:
        kept = [_draft_of(item) for item in info.items if item.key not in dropped]
        if kept:
            row: dict[str, Any] = {"items": kept}
            if info.tracking_id:
                row["returnTrackingId"] = info.tracking_id
            if info.date:
                row["returnDate"] = info.date
            infos.append(row)
    if drafts:
        infos.append(_info(wanted, drafts))
    return {"action": "setReturnInfo", "items": infos}


def _info(wanted: WantedReturn, drafts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    info: dict[str, Any] = {"items": [dict(draft) for draft in drafts]}
    if wanted.tracking_id:
        info["returnTrackingId"] = wanted.tracking_id
    came = [line.came_at for line in wanted.lines if line.units and line.came_at is not None]
    moment = max(came, default=wanted.created_at)
    if moment is not None:
        info["returnDate"] = _render(moment)
    return info


def _draft_of(item: ShopItem) -> dict[str, Any]:
    draft: dict[str, Any] = {
        "key": item.key,
        "quantity": item.quantity,
        "customLineItemId" if item.custom_line else "lineItemId": item.line_id,
        "shipmentState": item.shipment_state,
    }
    if item.comment:
        draft["comment"] = item.comment
    if item.custom:
        custom_type = item.custom.get("type") or {}
        draft["custom"] = {
            "type": {"typeId": "type", "id": custom_type.get("id")},
            "fields": dict(item.custom.get("fields") or {}),
        }
    return draft


def _render(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
