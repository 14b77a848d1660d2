"""MAO return orders, their parents and the shop's orders, as documents; and what commercetools does with
update actions (commercetools docs: addReturnInfo, setReturnInfo, setReturnShipmentState and others)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.return_order import ReturnRules, WantedReturn, map_return
from ct_mao_sync.mapping.return_plan import ReturnBase, ReturnTarget
from ct_mao_sync.mapping.return_shop import parse_shop_order

Json = dict[str, Any]
ORDER_ID = "0a0a0a0a-0000-4000-8000-000000000001"
LINE_ID = "0b0b0b0b-0000-4000-8000-000000000001"
DISPOSITION = {"New": "BackInStock", "Fair": "BackInStock", "Damaged": "Unusable"}
RULES = ReturnRules(disposition=DISPOSITION, uom={"EACH": 1, "BOX": 6}, comment="{reason}, {condition}")


def return_line(
    units: Mapping[int, Decimal | int],
    details: Iterable[tuple[str, int]] = (),
    *,
    line_id: str = "1",
    quantity: int | None = None,
    **more: Any,
) -> Json:
    """`units`: status -> units; `details`: (condition, units) as received."""
    total = sum(int(count) for count in units.values())
    line: Json = {
        "OrderLineId": line_id,
        "ItemId": "SKU-1",
        "IsReturn": True,
        "ParentOrderId": "CT-1",
        "ParentOrderLineId": LINE_ID,
        "Quantity": Decimal(total if quantity is None else quantity),
        "UOM": "EACH",
        "UnitPrice": Decimal("-20.00"),
        "OrderLineTotal": Decimal("-20.00") * (total if quantity is None else quantity),
        "ReturnType": {"ReturnTypeId": "Refund"},
        "OrderLineAdditional": {"ReturnReason": "TooSmall", "ItemCondition": {"ItemConditionId": "New"}},
        "QuantityDetail": [
            {"Quantity": Decimal(count), "UOM": "EACH", "StatusId": str(status)}
            for status, count in units.items()
        ],
        "ReturnDetail": [
            {
                "ReturnDetailId": f"d{number}",
                "ItemId": "SKU-1",
                "Quantity": Decimal(count),
                "UOM": "EACH",
                "ReceivedItemCondition": {"ItemConditionId": condition},
                "CreatedTimestamp": f"2026-11-23T09:00:{number:02d}",
            }
            for number, (condition, count) in enumerate(details)
        ],
    }
    return line | more


def return_order(*lines: Json, status: str = "6000.000", **more: Any) -> Json:
    order: Json = {
        "OrderId": "R1",
        "CurrencyCode": "EUR",
        "CreatedTimestamp": "2026-11-22T09:00:00",
        "UpdatedTimestamp": "2026-11-23T09:00:00",
        "PaymentStatus": {"StatusId": status},
        "OrderLine": list(lines),
    }
    return order | more


def parent_order(shipped: int = 5, **more: Any) -> Json:
    line = {
        "OrderLineId": LINE_ID,
        "ItemId": "SKU-1",
        "Quantity": Decimal(5),
        "UOM": "EACH",
        "FulfillmentDetail": [{"Quantity": Decimal(shipped), "UOM": "EACH", "StatusId": "7000"}],
    }
    return {"OrderId": "CT-1", "AlternateOrderId": ORDER_ID, "OrderLine": [line | more]}


def shop_order(infos: Sequence[Json] = (), *, delivered: int = 5, quantity: int = 5) -> Json:
    return {
        "id": ORDER_ID,
        "version": 7,
        "orderNumber": "CT-1",
        "lineItems": [{"id": LINE_ID, "quantity": quantity, "variant": {"sku": "SKU-1"}}],
        "shippingInfo": {
            "deliveries": [{"id": "del", "items": [{"id": LINE_ID, "quantity": delivered}]}]
            if delivered
            else []
        },
        "returnInfo": list(infos),
    }


def shop_item(
    key: str, quantity: int, shipment: str = "Returned", payment: str = "Initial", **more: Any
) -> Json:
    item = {"id": f"id-{key}", "key": key, "quantity": quantity, "lineItemId": LINE_ID}
    return item | {"shipmentState": shipment, "paymentState": payment, **more}


def wanted_of(order: Json, rules: ReturnRules = RULES) -> WantedReturn:
    mapped = map_return(order, "CT-1", rules)
    assert not isinstance(mapped, Rejection), mapped
    return mapped


def target_of(shop: Json, parent: Json | None = None, *, type_id: str = "") -> ReturnTarget:
    return ReturnTarget(parent or parent_order(), ORDER_ID, parse_shop_order(shop), type_id=type_id)


class Shop:
    """One commercetools order that takes update actions as the API does: all or none."""

    def __init__(self, document: Json | None = None) -> None:
        self.document = document or shop_order()
        self._ids = itertools.count(1)

    @property
    def items(self) -> list[Json]:
        return [item for info in self.document["returnInfo"] for item in info["items"]]

    def apply(self, actions: Sequence[Mapping[str, Any]]) -> None:
        document = copy.deepcopy(self.document)
        for action in actions:
            self._apply(document, dict(action))
        document["version"] += len(actions)
        self.document = document

    def _apply(self, document: Json, action: Json) -> None:
        name = action.pop("action")
        if name == "addReturnInfo":
            document["returnInfo"].append(self._info(action))
        elif name == "setReturnInfo":
            document["returnInfo"] = [self._info(info) for info in action["items"]]
        else:
            items = [item for info in document["returnInfo"] for item in info["items"]]
            (item,) = [item for item in items if item.get("key") == action["returnItemKey"]]
            if name == "setReturnShipmentState":
                assert item["shipmentState"] == "Returned", "only Returned moves on"
                assert action["shipmentState"] in ("BackInStock", "Unusable")
                item["shipmentState"] = action["shipmentState"]
            elif name == "setReturnPaymentState":
                assert item["paymentState"] != "NonRefundable"
                item["paymentState"] = action["paymentState"]
            elif name == "setReturnItemCustomType":
                item["custom"] = {"type": {"id": "type-1"}, "fields": dict(action["fields"])}
            else:
                assert name == "setReturnItemCustomField"
                item["custom"]["fields"][action["name"]] = action["value"]
        keys = [item["key"] for info in document["returnInfo"] for item in info["items"] if item.get("key")]
        assert len(keys) == len(set(keys)), "keys are unique in the order"

    def _info(self, info: Json) -> Json:
        assert info["items"], "a return info has an item"
        items = []
        for draft in info["items"]:
            assert draft["shipmentState"] in ("Advised", "Returned")
            assert draft["quantity"] >= 1
            payment = "Initial" if draft["shipmentState"] == "Returned" else "NonRefundable"
            item = {"id": f"item-{next(self._ids)}", "paymentState": payment, **draft}
            if "custom" in draft:
                item["custom"] = {"type": {"id": "type-1"}, "fields": dict(draft["custom"]["fields"])}
            items.append(item)
        return {**info, "items": items}


def base_of(items: Mapping[str, int] | None = None) -> ReturnBase:
    return ReturnBase(items=items or {})
