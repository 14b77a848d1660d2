"""Units that the shop has sold and MAO's figure does not know: kept up to date in a bounded number of
requests.

Only orders created since the orders job last looked are queried; of the others the state knows the lines.
MAO is asked only for orders that arrived there and of which some unit is not counted yet. After the state
was lost the orders of the last `inventory.in_flight_days` are read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.rows import Checkpoint
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.in_flight import (
    InFlightOrder,
    base_units_in_flight,
    changed_entries,
    hold_back,
    judge_lines,
    units_of_order,
)
from ct_mao_sync.mapping.inventory_entry import parse_instant
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.mao_document import is_return
from ct_mao_sync.state.store import Store

REBUILT = "in-flight"
"""Pass name of the checkpoint that says up to when orders have been read for their units."""

_SHIPPED = ("Shipped", "Delivered")
_LATE = timedelta(hours=1)
"""MAO's search may lag so long, at most: what was exported since and is not found has not left it."""
_COUNTED: Mapping[str, Any] = {"IsCancelled": True}
"""Of an order nothing is in flight."""

# Only what tells allocated from open units (order reference 3.3).
ORDER_TEMPLATE: Mapping[str, Any] = {
    "OrderId": None,
    "AlternateOrderId": None,
    "IsCancelled": None,
    "MinFulfillmentStatusId": None,
    "MaxFulfillmentStatusId": None,
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
        "QuantityDetail": {"Quantity": None, "UOM": None, "StatusId": None, "UpdatedTimestamp": None},
        "OrderLineCancelHistory": {"CancelQuantity": None, "CreatedTimestamp": None},
    },
}


class InFlightOrders:
    """Reads what is missing, judges it, and gives the sums. Runs in the main thread: it needs the state."""

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsInventoryClient,
        manhattan: ManhattanClient,
        item_units: ItemUnits,
        *,
        clock: Clock,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._item_units = item_units
        self._clock = clock
        self._held: dict[tuple[str, str], int] = {}
        """(SKU, channel id) -> units that MAO no longer shows as in flight, and that stay so for a moment."""

    def refresh(self, store: Store, *, settled_before: datetime, changed: Iterable[str] = ()) -> None:
        """New orders, then what became of those in MAO. `settled_before`: the beginning of the availability
        read less the settle time; what arrived in MAO later may be missing from its figure. `changed`: MAO
        OrderIds that changed there; a unit that was allocated can have fallen back."""
        self.read_new_orders(store)
        store.ack_in_flight_sent()
        open_ids = list(dict.fromkeys([*store.in_flight_orders(), *store.sent_as(changed)]))
        found = self._read_mao_orders(store, open_ids)
        lines = store.in_flight_lines(open_ids)
        lag = timedelta(seconds=self._config.manhattan.settle_seconds)
        judged = judge_lines(
            lines,
            found,
            settled_before=settled_before,
            nets_backorders=self._config.inventory.view_nets_backorders,
        )
        kept, self._held = hold_back(lines, judged, store.sent_since(self._clock.now() - lag, open_ids))
        store.judge_in_flight(kept)

    def sums(
        self, store: Store, skus: Iterable[str]
    ) -> tuple[dict[str, Decimal], dict[tuple[str, str], Decimal]]:
        """In flight in base units: by item, and by (item, channel id)."""
        return base_units_in_flight(store.in_flight_sums(skus), self._item_units)

    def held_back(self) -> tuple[dict[str, Decimal], dict[tuple[str, str], Decimal]]:
        """Of these sums what is to be looked at again by the next run, whether anything changes or not."""
        return base_units_in_flight(self._held, self._item_units)

    def changed(self, store: Store) -> list[tuple[str, str]]:
        """Entries, as (SKU, channel id), that do not allow for what is in flight by now."""
        return changed_entries(store.in_flight_counted(), store.in_flight_sums(), self._item_units)

    def read_new_orders(self, store: Store) -> None:
        """Orders created since they were read last: all their units are in flight."""
        sync, inventory = self._config.sync, self._config.inventory
        known = store.checkpoint("inventory", REBUILT)
        if known is not None and known.watermark is not None:
            since = known.watermark - timedelta(seconds=sync.overlap_seconds)
        else:
            since = self._clock.now() - timedelta(days=inventory.in_flight_days)
        if self._config.orders.start_at is not None:
            since = max(since, self._config.orders.start_at)
        after_id: str | None = None
        until: datetime | None = None
        while True:
            page = self._commercetools.read_placed_orders_page(created_since=since, after_id=after_id)
            if until is None and page.server_date is not None:
                until = page.server_date - timedelta(seconds=page.elapsed_s + sync.settle_seconds)
            store.replace_in_flight(_in_flight_orders(page.results))
            if known is None or known.watermark is None:
                self._acknowledge_known(store, page.results, (page.server_date or self._clock.now()) - _LATE)
            if page.is_last:
                break
            after_id = page.last_id
        if until is not None:
            store.save_checkpoint("inventory", REBUILT, Checkpoint(watermark=until))

    def _acknowledge_known(
        self, store: Store, orders: Iterable[Mapping[str, Any]], recently: datetime
    ) -> None:
        """After the state was lost: which of these orders MAO has. What left MAO's search after its export,
        and what the shop calls complete or shipped, was counted long since. Of the others that are not
        found, exported `recently` or never, the orders job will tell."""
        names: dict[str, None] = {}
        done: list[str] = []
        exported: set[str] = set()
        for order in orders:
            entity = str(order["id"])
            if order.get("orderState") == "Complete" or order.get("shipmentState") in _SHIPPED:
                done.append(entity)
            told = [row.get("externalId") for row in order.get("syncInfo") or ()]
            if told and not _is_later(order.get("lastModifiedAt"), recently):
                exported.add(entity)
            names.update(dict.fromkeys(n for n in (order.get("orderNumber"), entity, *told) if _is_name(n)))
        rows = self._manhattan.read_orders_by_ids(list(names), ORDER_TEMPLATE)
        arrived = [str(row["AlternateOrderId"]) for row in rows if row.get("AlternateOrderId")]
        # Long since, as far as the figure is concerned.
        store.ack_in_flight(arrived, at=datetime(2000, 1, 1, tzinfo=UTC))
        store.drop_in_flight([*done, *(exported - set(arrived))])

    def _read_mao_orders(self, store: Store, order_ids: Iterable[str]) -> dict[str, Mapping[str, Any] | None]:
        """By commercetools order id. One that was sent and is not found is read by id, and in the archive:
        searches lag, and finished orders leave them. After the state was lost nobody knows by what id: one
        that MAO had then and has no longer was counted long since."""
        ids = list(order_ids)
        sent = store.sent(ids)
        names = {sent[entity].mao_order_id: entity for entity in ids if entity in sent}
        found: dict[str, Mapping[str, Any] | None] = {}
        for row in self._manhattan.read_orders_by_ids(list(names), ORDER_TEMPLATE) if names else ():
            entity = names.get(str(row.get("OrderId")))
            if entity is not None and row.get("AlternateOrderId") == entity:
                found[entity] = row
        for name, entity in names.items():
            if entity not in found:
                row_by_id = self._manhattan.read_order(name) or self._manhattan.read_archived_order(name)
                if row_by_id is not None and row_by_id.get("AlternateOrderId") == entity:
                    found[entity] = row_by_id
        unnamed = [entity for entity in ids if entity not in sent]
        for row in self._manhattan.read_orders_by_alternate_ids(unnamed, ORDER_TEMPLATE) if unnamed else ():
            if not is_return(row):  # one of it bears the same id
                found[str(row.get("AlternateOrderId"))] = row
        for entity in store.in_flight_before(self._clock.now() - _LATE, unnamed):
            found.setdefault(entity, _COUNTED)
        return found


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum()


def _is_later(moment: Any, than: datetime) -> bool:
    at = parse_instant(moment)
    return at is not None and at > than


def _in_flight_orders(orders: Iterable[Mapping[str, Any]]) -> list[InFlightOrder]:
    """An order whose lines cannot be read takes no stock that anybody could name; the orders job tells."""
    found = []
    for order in orders:
        lines = units_of_order(order)
        if isinstance(lines, Rejection):
            continue
        created_at = order.get("createdAt")
        if not isinstance(created_at, str):
            continue
        found.append(
            InFlightOrder(str(order["id"]), datetime.fromisoformat(created_at).astimezone(UTC), lines)
        )
    return found
