"""What is asked of a MAO order for its fulfilment, and how new such a record is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ct_mao_sync.mapping.availability import parse_moment
from ct_mao_sync.mapping.mao_document import rows_of

# Only what is mapped, and no personal data: answers of big orders are large.
FULFILMENT_TEMPLATE: Mapping[str, Any] = {
    "OrderId": None,
    "AlternateOrderId": None,
    "UpdatedTimestamp": None,
    "IsCancelled": None,
    "MinFulfillmentStatusId": None,
    "MaxFulfillmentStatusId": None,
    "OrderTrackingInfo": {"TrackingNumber": None, "EstimatedDeliveryDate": None, "UpdatedTimestamp": None},
    "Release": {
        "ReleaseId": None,
        "ShipFromLocationId": None,
        "CarrierCode": None,
        "DestinationAction": None,
        "UpdatedTimestamp": None,
    },
    "OrderLine": {
        "OrderLineId": None,
        "AlternateOrderLineId": None,
        "ItemId": None,
        "Quantity": None,
        "UOM": None,
        "IsReturn": None,
        "IsCancelled": None,
        "UpdatedTimestamp": None,
        "MinFulfillmentStatusId": None,
        "MaxFulfillmentStatusId": None,
        "DeliveryMethod": {"DeliveryMethodId": None},
        "QuantityDetail": {
            "QuantityDetailId": None,
            "ItemId": None,
            "Quantity": None,
            "UOM": None,
            "StatusId": None,
            "Status": {"StatusId": None},
            "SubstitutionRatio": None,
            "UpdatedTimestamp": None,
        },
        "FulfillmentDetail": {
            "FulfillmentDetailId": None,
            "ItemId": None,
            "Quantity": None,
            "UOM": None,
            "PackageId": None,
            "ReleaseId": None,
            "TrackingNumber": None,
            "CarrierCode": None,
            "FulfillmentDate": None,
            "Eta": None,
            "StatusId": None,
            "CreatedTimestamp": None,
            "UpdatedTimestamp": None,
        },
        "OrderLineCancelHistory": {
            "CancelQuantity": None,
            "CancelReason": {"ReasonId": None},
            "CreatedTimestamp": None,
        },
    },
}
_DETAILS = ("QuantityDetail", "FulfillmentDetail")


def version_of(row: Mapping[str, Any]) -> int:
    """The newest timestamp of what is mapped, in microseconds since 1970; 0 when there is none. The header's
    own lags (MAO docs: add-alternate-pickup). Other parts of a whole document do not count: a search by
    template does not show them."""
    newest = 0
    lines = rows_of(row, "OrderLine")
    for node in (
        row,
        *rows_of(row, "Release"),
        *rows_of(row, "OrderTrackingInfo"),
        *lines,
        *(each for line in lines for name in _DETAILS for each in rows_of(line, name)),
    ):
        moment = parse_moment(node.get("UpdatedTimestamp"))
        if moment is not None:
            newest = max(newest, round(moment.timestamp() * 1_000_000))
    return newest
