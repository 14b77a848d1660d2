"""MAO orders that may tell the shop something: by window, by name, and in turn all that are not done."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.manhattan_calls import is_queryable
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.values import Change, Page
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.fulfilment_document import FULFILMENT_TEMPLATE, version_of
from ct_mao_sync.mapping.mao_document import is_return
from ct_mao_sync.mapping.shop_id import is_shop_id
from ct_mao_sync.models.json import digest
from ct_mao_sync.state.order_status import SETTLED, FollowedOrder
from ct_mao_sync.state.store import Store

NAME = "status"
WINDOW_PASS = "window:orders"
SWEEP_PASS = "sweep"
ARCHIVED = "archived"
"""Record of an order that MAO does not show any more and that needs nothing more."""


Row = Mapping[str, Any]


class StatusSource:
    """Runs in one run. What needs the state is asked in the main thread only."""

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsClient,
        manhattan: ManhattanClient,
        store: Store,
        *,
        clock: Clock,
        sweeps: bool,
        full: bool,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._store = store
        self._clock = clock
        self._sweeps = sweeps
        self._full = full
        self._page_size = manhattan.page_size
        self._slices: dict[str, list[FollowedOrder]] = {}
        """Orders that the sweep reads next, by the last order before them."""
        self._next_after: str | None = None
        self._newest: OrderedDict[str, Change] = OrderedDict()
        """The newest record this run has seen of an order: a search that lags must not take it back."""
        self._newest_max = 4 * self._page_size + 200
        self.archived: set[str] = set()
        """Orders that this run has read out of MAO's archive: nothing changes there any more."""
        self._lock = threading.Lock()

    # ---- passes ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> list[Pass]:
        oms = self._config.manhattan
        passes = [
            Pass(
                WINDOW_PASS,
                oms.overlap_seconds,
                oms.settle_seconds,
                start_at=self._config.orders.start_at,
                selection=digest(self._config.status.query),
            )
        ]
        if self._full or (self._sweeps and self._is_sweep_due(now)):
            known = self._store.checkpoint(NAME, SWEEP_PASS)
            for after in {"", (known.cursor if known else None) or ""}:
                self._load_slice(after)
            passes.append(Pass(SWEEP_PASS, 0, 0, start_at=now, sweeps=True))
        return passes

    def _is_sweep_due(self, now: datetime) -> bool:
        """Not before the first window is read to its end: that one has seen every order."""
        known = self._store.checkpoint(NAME, SWEEP_PASS)
        if known is None or known.watermark is None:
            return known is not None and known.cursor is not None
        return known.cursor is not None or now - known.watermark >= self._config.status.sweep_every

    def prefetch(self) -> None:
        """Main thread, before the next page is read: which orders the sweep goes on with."""
        if self._next_after is not None:
            self._load_slice(self._next_after)
            self._next_after = None

    def _load_slice(self, after: str) -> None:
        self._slices[after] = self._store.orders_to_follow(after, self._page_size, everything=self._full)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        if scan.name == SWEEP_PASS:
            return self._read_swept(cursor or "")
        page = self._manhattan.search_changed_orders_page(
            since, cursor=cursor, template=FULFILMENT_TEMPLATE, condition=self._config.status.query
        )
        changes = [_change(row) for row in page.rows if _is_ours(row)]
        if until is not None:
            changes = [change for change in changes if change.version < until.timestamp() * 1_000_000]
        self._remember(changes)
        return Page(changes, page.cursor, page.server_date, page.elapsed_s, len(page.rows))

    def _read_swept(self, after: str) -> Page:
        orders = self._slices.pop(after)
        last = orders[-1].entity if len(orders) == self._page_size else None
        found = self._read_rows({order.entity: order.mao_order_id for order in orders}, by_id=False)
        told = self._read_told([o.entity for o in orders if o.entity not in found and o.progress >= SETTLED])
        changes = []
        for order in orders:
            row = found.get(order.entity)
            if row is None and order.entity not in told:
                row = self._read_by_id(order.entity, order.mao_order_id)
            if row is not None:
                changes.append(_change(row))
            elif order.progress >= SETTLED:
                changes.append(Change(order.entity, order.mao_order_id, order.version, ARCHIVED))
        self._remember(change for change in changes if change.record != ARCHIVED)
        self._next_after = last
        return Page(changes, last, self._clock.now(), 0.0, len(orders))

    def _read_told(self, entities: Sequence[str]) -> set[str]:
        """Those of which the shop shows the end already: were they archived, MAO has nothing to add. The
        others may have been delivered and archived before any run saw it."""
        return {
            str(order["id"])
            for order in (self._commercetools.read_orders_by_ids(entities) if entities else ())
            if order.get("orderState") == "Complete" or order.get("shipmentState") == "Delivered"
        }

    # ---- single orders ---------------------------------------------------------------------------

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        """Afresh. In a worker only orders that this run has seen already are asked for."""
        with self._lock:
            seen = {entity: self._newest[entity] for entity in entities if entity in self._newest}
        names = {entity: change.label for entity, change in seen.items()}
        unseen = [entity for entity in entities if entity not in seen]
        names |= self._known_names(unseen) if unseen else {}
        rows = self._read_rows(names, by_id=True)
        rows |= self._search_by_entity([entity for entity in entities if entity not in names])
        changes = []
        for entity in entities:
            change = _change(rows[entity]) if entity in rows else Change(entity, names.get(entity, entity), 0)
            before = seen.get(entity)
            changes.append(before if before is not None and before.version > change.version else change)
        self._remember(change for change in changes if change.record is not None)
        return changes

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        """By order number, commercetools id or MAO OrderId."""
        entities: dict[str, str] = {label: label.lower() for label in labels if is_shop_id(label)}
        named = [label for label in labels if label not in entities and is_queryable(label)]
        for row in self._manhattan.read_orders_by_ids(named, FULFILMENT_TEMPLATE) if named else ():
            if _is_ours(row):
                entities[str(row["OrderId"])] = _entity(row)
        left = [label for label in named if label not in entities]
        for order in self._commercetools.read_orders_by_numbers(left) if left else ():
            entities[str(order.get("orderNumber"))] = str(order["id"])
        for label in left:
            if label not in entities:
                archived = self._manhattan.read_archived_order(label)
                if archived is not None and _is_ours(archived):
                    entities[label] = _entity(archived)
        changes = self.read_entities(list(dict.fromkeys(entities.values())))
        present = {change.entity for change in changes if change.record is not None}
        missing = [(label, _no_such_order(label)) for label in labels if entities.get(label) not in present]
        return [change for change in changes if change.entity in present], missing

    def _known_names(self, entities: Sequence[str]) -> dict[str, str]:
        """What MAO calls these orders, by the state; main thread."""
        names = {entity: order.mao_order_id for entity, order in self._store.followed(entities).items()}
        return names | {entity: sent.mao_order_id for entity, sent in self._store.sent(entities).items()}

    def _read_rows(self, names: Mapping[str, str], *, by_id: bool) -> dict[str, Row]:
        """commercetools order id -> MAO order; `by_id`: what a search does not show is read by id, and in the
        archive."""
        wanted = {name: entity for entity, name in names.items() if is_queryable(name)}
        found: dict[str, Row] = {}
        if wanted:
            for row in self._manhattan.read_orders_by_ids(list(wanted), FULFILMENT_TEMPLATE):
                entity = wanted.get(str(row.get("OrderId")))
                if entity is not None and _entity(row) == entity:
                    found[entity] = row
        for entity, name in names.items() if by_id else ():
            if entity not in found:
                row_by_id = self._read_by_id(entity, name)
                if row_by_id is not None:
                    found[entity] = row_by_id
        return found

    def _read_by_id(self, entity: str, name: str) -> Row | None:
        """A search lags, and archived orders leave it: absence is no cancellation."""
        row = self._manhattan.read_order(name)
        if row is None:
            row = self._manhattan.read_archived_order(name)
            if row is not None:
                self.archived.add(entity)
        return row if row is not None and _entity(row) == entity else None

    def _search_by_entity(self, entities: Sequence[str]) -> dict[str, Row]:
        """After the state was lost nobody knows what MAO calls an order."""
        wanted = [entity for entity in entities if is_shop_id(entity)]
        rows = self._manhattan.read_orders_by_alternate_ids(wanted, FULFILMENT_TEMPLATE)
        return {_entity(row): row for row in rows if _is_ours(row)}

    def _remember(self, changes: Iterable[Change]) -> None:
        with self._lock:
            for change in changes:
                before = self._newest.get(change.entity)
                if before is None or change.version >= before.version:
                    self._newest[change.entity] = change
                self._newest.move_to_end(change.entity)
            while len(self._newest) > self._newest_max:
                self._newest.popitem(last=False)


def _is_ours(row: Row) -> bool:
    """Whether it stands for a commercetools order: others share the tenant."""
    return is_shop_id(str(row.get("AlternateOrderId") or "")) and not is_return(row)


def _entity(row: Row) -> str:
    return str(row.get("AlternateOrderId") or "").lower()


def _change(row: Row) -> Change:
    return Change(_entity(row), str(row.get("OrderId") or ""), version_of(row), row)


def _no_such_order(label: str) -> Rejection:
    return Rejection(
        code="order-not-found",
        message=f"MAO has no order of this shop with the number or id {label}",
        hint=f"check the number; an order that was not exported yet: ct-mao-sync sync orders --order {label}",
    )
