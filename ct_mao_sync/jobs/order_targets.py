"""Finding our orders in MAO, a page at a time: by what we remember, by what the shop says, by name.

The search may lag and leaves archived orders out, so an order that by our own word must be there is also
read by id, and then in the archive, before anything is decided.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order_plan import OrderTarget, SentOrder, WantedOrder
from ct_mao_sync.mapping.order_sides import shows_what_was_sent

_CHARGE = dict.fromkeys(("ChargeDetailId", "ChargeTotal", "RequestedAmount", "ChargeReferenceId", "TaxCode"))
_CHARGE_FIELDS: Mapping[str, Any] = {
    **_CHARGE,
    "ChargeType": {"ChargeTypeId": None},
    "DiscountOn": {"DiscountOnId": None},
    "ChargeDisplayName": None,
    "FulfillmentGroupId": None,
    "IsTaxIncluded": None,
    "IsInformational": None,
    "HeaderChargeDetailId": None,
}
_TAX_FIELDS: Mapping[str, Any] = dict.fromkeys(
    (
        "TaxDetailId",
        "TaxTypeId",
        "TaxCode",
        "TaxRate",
        "TaxableAmount",
        "TaxAmount",
        "Jurisdiction",
        "JurisdictionTypeId",
        "FulfillmentGroupId",
        "IsInformational",
        "HeaderTaxDetailId",
    )
)
_ADDRESS_FIELDS = dict.fromkeys(
    (
        "FirstName",
        "LastName",
        "Address1",
        "Address2",
        "Address3",
        "City",
        "County",
        "State",
        "PostalCode",
        "Country",
        "Phone",
        "Email",
    )
)

# Only what a merge compares: answers of big orders are large (order reference 7).
ORDER_TEMPLATE: Mapping[str, Any] = {
    "OrderId": None,
    "OrgId": None,
    "AlternateOrderId": None,
    "OrderType": {"OrderTypeId": None},
    "SellingChannel": {"SellingChannelId": None},
    "OrderLocale": None,
    "CustomerId": None,
    "CustomerFirstName": None,
    "CustomerLastName": None,
    "CustomerEmail": None,
    "CustomerPhone": None,
    "IsCancelled": None,
    "IsOnHold": None,
    "MinFulfillmentStatusId": None,
    "MaxFulfillmentStatusId": None,
    "OrderHold": {"HoldTypeId": None, "StatusId": None},
    "OrderNote": {"NoteId": None, "NoteText": None},
    "OrderChargeDetail": _CHARGE_FIELDS,
    "OrderTaxDetail": _TAX_FIELDS,
    "OrderLine": {
        "OrderLineId": None,
        "AlternateOrderLineId": None,
        "ItemId": None,
        "Quantity": None,
        "UOM": None,
        "UnitPrice": None,
        "OriginalUnitPrice": None,
        "IsTaxIncluded": None,
        "IsReturn": None,
        "IsCancelled": None,
        "CancellationRequestStatus": None,
        "MinFulfillmentStatusId": None,
        "MaxFulfillmentStatusId": None,
        "DeliveryMethod": {"DeliveryMethodId": None},
        "ShippingMethodId": None,
        "ShipToLocationId": None,
        "FulfillmentGroupId": None,
        "ShipToAddress": {"Address": _ADDRESS_FIELDS},
        "OrderLineChargeDetail": _CHARGE_FIELDS,
        "OrderLineTaxDetail": _TAX_FIELDS,
        "OrderLineCancelHistory": {"CancelQuantity": None},
    },
}


class OrderTargets:
    """Reads the MAO side of commercetools orders."""

    def __init__(
        self,
        commercetools: CommercetoolsClient,
        manhattan: ManhattanClient,
        sync_channel: str,
        *,
        salt: bytes,
    ) -> None:
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._sync_channel = sync_channel
        self._salt = salt
        self._channel_id: str | None = None
        self._lock = threading.Lock()

    def read(
        self, wanted: Sequence[WantedOrder], sent: Mapping[str, SentOrder | None]
    ) -> dict[str, OrderTarget]:
        """All in one batched search, then by id what must be there and was not found."""
        external = {order.entity: self._external_id(order) for order in wanted}
        ids: dict[str, None] = {}
        for order in wanted:
            ids.update(dict.fromkeys(_candidates(order, sent.get(order.entity), external[order.entity])))
        rows: dict[str, Mapping[str, Any]] = {
            str(row.get("OrderId")): row
            for row in self._manhattan.read_orders_by_ids(list(ids), ORDER_TEMPLATE)
        }
        for order in wanted:
            self._refresh(order, sent.get(order.entity), rows)
        return {
            order.entity: self._resolve(order, sent.get(order.entity), external[order.entity], rows)
            for order in wanted
        }

    def _refresh(
        self, wanted: WantedOrder, sent: SentOrder | None, rows: dict[str, Mapping[str, Any]]
    ) -> None:
        """A search that lags shows an order as it was before our last save. Taken for true, it would hide
        that MAO still has what the shop has taken back since, or make our own save look like somebody's."""
        row = rows.get(sent.mao_order_id) if sent else None
        if sent is None or row is None or row.get("AlternateOrderId") != wanted.entity:
            return
        if not shows_what_was_sent(row, sent.base, self._salt):
            fresh = self._manhattan.read_order(sent.mao_order_id)
            if fresh is None:
                del rows[sent.mao_order_id]
            else:
                rows[sent.mao_order_id] = fresh

    def read_again(self, wanted: WantedOrder, sent: SentOrder | None) -> OrderTarget:
        """One order, by id: strongly consistent, for a write whose outcome is unknown."""
        external = self._external_id(wanted)
        rows: dict[str, Mapping[str, Any]] = {}
        for order_id in _candidates(wanted, sent, external):
            row = self._manhattan.read_order(order_id)
            if row is not None:
                rows[order_id] = row
                if row.get("AlternateOrderId") == wanted.entity:
                    break
        return self._resolve(wanted, sent, external, rows)

    def _resolve(
        self,
        wanted: WantedOrder,
        sent: SentOrder | None,
        external_id: str,
        rows: Mapping[str, Mapping[str, Any]],
    ) -> OrderTarget:
        ours = next(
            (
                order_id
                for order_id in _candidates(wanted, sent, external_id)
                if order_id in rows and rows[order_id].get("AlternateOrderId") == wanted.entity
            ),
            None,
        )
        remembered = sent.mao_order_id if sent else ""
        order_id: str | Rejection = remembered or external_id or ours or wanted.order_id
        acknowledged = bool(sent and sent.acked) or bool(external_id)
        if isinstance(order_id, Rejection):
            return OrderTarget(order_id, None, "absent")
        row = rows.get(order_id)
        if row is not None:
            taken = row.get("AlternateOrderId") != wanted.entity
            return OrderTarget(
                order_id, row, "active", taken=taken, known=acknowledged, external_id=external_id
            )
        if not (remembered or external_id):
            return OrderTarget(order_id, None, "absent", external_id=external_id)
        # Known to us, but the search did not return it.
        row = self._manhattan.read_order(order_id)
        if row is not None:
            taken = row.get("AlternateOrderId") != wanted.entity
            return OrderTarget(
                order_id, row, "active", taken=taken, known=acknowledged, external_id=external_id
            )
        row = self._manhattan.read_archived_order(order_id)
        return OrderTarget(
            order_id,
            row,
            "archived" if row is not None else "absent",
            known=acknowledged,
            external_id=external_id,
        )

    def _external_id(self, wanted: WantedOrder) -> str:
        """Our sync info on the order; resolves the channel only when there is any sync info to tell."""
        if not self._sync_channel or not wanted.sync_info:
            return ""
        channel_id = self._resolve_channel()
        return next((value for channel, value in wanted.sync_info if channel == channel_id), "")

    def _resolve_channel(self) -> str:
        with self._lock:
            if self._channel_id is None:
                channel = self._commercetools.read_channel_by_key(self._sync_channel)
                self._channel_id = str(channel["id"]) if channel else ""
            return self._channel_id


def _candidates(wanted: WantedOrder, sent: SentOrder | None, external_id: str) -> tuple[str, ...]:
    known = (sent.mao_order_id if sent else "", external_id)
    return tuple(dict.fromkeys(order_id for order_id in (*known, *wanted.candidates) if order_id))
