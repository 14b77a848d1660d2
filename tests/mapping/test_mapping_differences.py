"""What a plan would change, field by field: every action of status and returns has its line, and nobody's
address, comment or custom field is in it."""

from __future__ import annotations

from typing import Any

import pytest

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.return_differences import return_differences
from ct_mao_sync.mapping.return_shop import parse_shop_order as parse_return_order
from ct_mao_sync.mapping.shop_order import parse_shop_order
from ct_mao_sync.mapping.status_differences import status_differences
from ct_mao_sync.mapping.status_states import shop_states

PERSONAL = "Kirschallee"
STATES = shop_states(
    {"id": f"id-{key}", "key": key, "type": kind}
    for key, kind in (("Initial", "LineItemState"), ("packed", "LineItemState"), ("gone", "LineItemState"))
)
DELIVERY = {
    "id": "d",
    "key": "mao-R1",
    "items": [{"id": "line-1", "quantity": 2}],
    "parcels": [
        {
            "id": "p",
            "key": "mao-R1-P1",
            "items": [{"id": "line-1", "quantity": 2}],
            "trackingData": {"trackingId": "old", "carrier": "UPS"},
        }
    ],
}
ORDER: dict[str, Any] = {
    "id": "o",
    "version": 3,
    "orderNumber": "CT-1",
    "orderState": "Open",
    "shippingAddress": {"streetName": PERSONAL},
    "lineItems": [
        {"id": f"line-{n}", "variant": {"sku": sku}, "quantity": 5, "state": [_]}
        for n, (sku, _) in enumerate(
            [
                ("A", {"state": {"id": "id-Initial"}, "quantity": 5}),
                ("B", {"state": {"id": "foreign"}, "quantity": 5}),
                ("B", {"state": {"id": "id-packed"}, "quantity": 5}),
            ],
            1,
        )
    ],
    "customLineItems": [],
    "shippingInfo": {"deliveries": [DELIVERY]},
    "returnInfo": [
        {
            "items": [
                {
                    "id": "i",
                    "key": "mao-X-1-New-1",
                    "lineItemId": "line-1",
                    "quantity": 1,
                    "shipmentState": "Advised",
                    "paymentState": "NonRefundable",
                    "comment": PERSONAL,
                }
            ]
        }
    ],
}


def move(line: str, source: str, target: str, quantity: int) -> dict[str, Any]:
    return {
        "action": "transitionLineItemState",
        "lineItemId": line,
        "quantity": quantity,
        "fromState": {"id": f"id-{source}"},
        "toState": {"id": f"id-{target}"},
    }


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (
            [move("line-1", "Initial", "packed", 3), move("line-1", "packed", "gone", 2)],
            [("A/state", "Initial 5", "Initial 2, packed 1, gone 2")],
        ),
        ([move("line-3", "packed", "gone", 5)], [("line-3/state", "packed 5", "gone 5")]),
        ([{"action": "changeShipmentState", "shipmentState": "Shipped"}], [("shipmentState", "", "Shipped")]),
        ([{"action": "changeOrderState", "orderState": "Complete"}], [("orderState", "Open", "Complete")]),
        ([{"action": "transitionState", "state": {"id": "id-gone"}}], [("state", "", "gone")]),
        (
            [{"action": "setEstimatedDelivery", "estimatedDelivery": {"from": "a", "until": "b"}}],
            [("estimatedDelivery", "", "a to b")],
        ),
        ([{"action": "removeDelivery", "deliveryKey": "mao-R1"}], [("Delivery/mao-R1", "2 of A", "")]),
        (
            [
                {
                    "action": "setDeliveryItems",
                    "deliveryKey": "mao-R1",
                    "items": [{"id": "line-1", "quantity": 3}],
                }
            ],
            [("Delivery/mao-R1/items", "2 of A", "3 of A")],
        ),
        (
            [
                {
                    "action": "addDelivery",
                    "deliveryKey": "mao-R2",
                    "items": [{"id": "line-2", "quantity": 1}],
                    "address": {"streetName": PERSONAL, "country": "DE"},
                    "parcels": [{"key": "mao-R2-P", "items": [{"id": "line-2", "quantity": 1}]}],
                }
            ],
            [
                ("Delivery/mao-R2", "", "1 of line-2"),
                ("Delivery/mao-R2/address", "", "[masked]"),
                ("Delivery/mao-R2/Parcel/mao-R2-P", "", "1 of line-2"),
            ],
        ),
        (
            [
                {
                    "action": "addParcelToDelivery",
                    "deliveryKey": "mao-R1",
                    "parcelKey": "mao-R1-P2",
                    "items": [{"id": "line-1", "quantity": 1}],
                    "trackingData": {"trackingId": "1Z", "carrier": "UPS"},
                }
            ],
            [("Delivery/mao-R1/Parcel/mao-R1-P2", "", "1 of A, UPS, 1Z")],
        ),
        (
            [{"action": "removeParcelFromDelivery", "parcelKey": "mao-R1-P1"}],
            [("Delivery/mao-R1/Parcel/mao-R1-P1", "2 of A", "")],
        ),
        (
            [
                {
                    "action": "setParcelItems",
                    "parcelKey": "mao-R1-P1",
                    "items": [{"id": "line-1", "quantity": 1}],
                }
            ],
            [("Delivery/mao-R1/Parcel/mao-R1-P1/items", "2 of A", "1 of A")],
        ),
        (
            [
                {
                    "action": "setParcelTrackingData",
                    "parcelKey": "mao-R1-P1",
                    "trackingData": {"trackingId": "new", "carrier": "UPS"},
                }
            ],
            [("Delivery/mao-R1/Parcel/mao-R1-P1/trackingId", "old", "new")],
        ),
    ],
)
def test_status(actions: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    order = parse_shop_order(ORDER)
    assert not isinstance(order, Rejection)

    found = status_differences(order, actions, STATES)

    assert found == expected
    assert PERSONAL not in str(found)


DRAFT = {"quantity": 2, "lineItemId": "line-1", "shipmentState": "Returned", "comment": PERSONAL}
OURS = "ReturnItem/mao-X-1-New-1"


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (
            [
                {"action": "addReturnInfo", "items": [{**DRAFT, "key": "k"}]},
                {
                    "action": "setReturnShipmentState",
                    "returnItemKey": "k",
                    "shipmentState": "Unusable",
                },
            ],
            [("ReturnItem/k", "", "2 of A, shipmentState Unusable, paymentState Initial")],
        ),
        (
            # Two lines are sold as B: which of them came back is told by its id.
            [{"action": "addReturnInfo", "items": [{**DRAFT, "key": "k", "lineItemId": "line-3"}]}],
            [("ReturnItem/k", "", "2 of line-3, shipmentState Returned, paymentState Initial")],
        ),
        (
            [{"action": "setReturnInfo", "items": [{"items": [{**DRAFT, "key": "k"}]}]}],
            [
                (OURS, "1 of A, shipmentState Advised, paymentState NonRefundable", ""),
                ("ReturnItem/k", "", "2 of A, shipmentState Returned, paymentState Initial"),
            ],
        ),
        (
            [
                {
                    "action": "setReturnPaymentState",
                    "returnItemKey": "mao-X-1-New-1",
                    "paymentState": "Refunded",
                }
            ],
            [(f"{OURS}/paymentState", "NonRefundable", "Refunded")],
        ),
        (
            [
                {
                    "action": "setReturnItemCustomType",
                    "returnItemKey": "mao-X-1-New-1",
                    "type": {"key": "mao-return"},
                    "fields": {"who": PERSONAL},
                },
                {
                    "action": "setReturnItemCustomField",
                    "returnItemKey": "mao-X-1-New-1",
                    "name": "who",
                    "value": PERSONAL,
                },
            ],
            [(f"{OURS}/custom type", "", "mao-return"), (f"{OURS}/custom field who", "", "[masked]")],
        ),
    ],
)
def test_returns(actions: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    order = parse_return_order(ORDER)
    assert order is not None

    found = return_differences(order, actions)

    assert found == expected
    assert PERSONAL not in str(found)
