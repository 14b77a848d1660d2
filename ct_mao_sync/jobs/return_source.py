"""Which returns are to be looked at: those that changed in MAO, and in turn all of which more is to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
from ct_mao_sync.mapping.mao_document import text_of
from ct_mao_sync.mapping.return_order import (
    RETURN_TEMPLATE,
    entity_of,
    newest_ms,
    parent_ids_of,
    return_id_of,
)
from ct_mao_sync.mapping.shop_id import is_shop_id
from ct_mao_sync.models.json import digest
from ct_mao_sync.state.store import Store

WINDOW_PASS = "window:returns"
SWEEP_PASS = "sweep"
Row = Mapping[str, Any]


class ReturnSource:
    """A change is one return of one parent order. Reads the store only when it is made."""

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsClient,
        manhattan: ManhattanClient,
        store: Store,
        *,
        clock: Clock,
        full: bool,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._clock = clock
        self._seen = store.watched_returns()
        """Entity -> newest version; a search that shows an older one lags."""
        self._open: dict[str, list[str]] = {}
        """Return -> its entities, of those that were open when the run began, by id."""
        for entity in sorted(store.open_returns(), key=return_id_of):
            self._open.setdefault(return_id_of(entity), []).append(entity)
        swept = store.checkpoint("returns", SWEEP_PASS)
        self._sweep_due = full or swept is None or swept.cursor is not None or swept.watermark is None
        if swept is not None and swept.watermark is not None:
            self._sweep_due |= clock.now() - swept.watermark >= config.returns.sweep_every

    def passes(self) -> list[Pass]:
        oms = self._config.manhattan
        window = Pass(
            WINDOW_PASS,
            oms.overlap_seconds,
            oms.settle_seconds,
            start_at=self._config.orders.start_at,
            selection=digest(self._config.returns.query),
        )
        sweep = replace(
            window, name=SWEEP_PASS, overlap_s=0, settle_s=0, start_at=self._clock.now(), sweeps=True
        )
        return [window, sweep] if self._sweep_due else [window]

    def read_page(self, scan: Pass, since: datetime, cursor: str | None) -> Page:
        if scan.name == SWEEP_PASS:
            return self._read_open(cursor)
        page = self._manhattan.search_changed_orders_page(
            since, cursor=cursor, template=RETURN_TEMPLATE, condition=self._config.returns.query
        )
        return Page(
            changes=self._changes(page.rows),
            cursor=page.cursor,
            server_now=page.server_date,
            elapsed_s=page.elapsed_s,
            read_count=len(page.rows),
        )

    def _read_open(self, cursor: str | None) -> Page:
        """The next of those that were open when the run began. Only when they were last looked at counts, so
        our own clock will do."""
        began_s = self._clock.monotonic()
        left = [return_id for return_id in self._open if cursor is None or return_id > cursor]
        ids, rest = left[: self._manhattan.page_size], left[self._manhattan.page_size :]
        changes = self.read_entities([entity for return_id in ids for entity in self._open[return_id]])
        return Page(
            changes=changes,
            cursor=ids[-1] if rest else None,
            server_now=self._clock.now(),
            elapsed_s=self._clock.monotonic() - began_s,
            read_count=len(ids),
        )

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        """By id; one that the search does not show, or shows older than it was seen, is read by itself."""
        ids = list(dict.fromkeys(return_id_of(entity) for entity in entities))
        rows: dict[str, Row] = {}
        if len(ids) > 1:
            searched = self._manhattan.read_orders_by_ids(
                [return_id for return_id in ids if is_queryable(return_id)], RETURN_TEMPLATE
            )
            rows = {str(row.get("OrderId")): row for row in searched}
        for return_id in ids:
            if return_id not in rows:
                # Archived, and a part was never settled: it can still be told.
                found = self._manhattan.read_order(return_id) or self._manhattan.read_archived_order(
                    return_id
                )
                if found is not None:
                    rows[return_id] = found
        changes = {change.entity: change for change in self._changes(rows.values())}
        return [
            changes.get(entity) or Change(entity, return_id_of(entity) or entity, 0) for entity in entities
        ]

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        """By the return's id in MAO, or by the number or id of the order that it comes back of."""
        changes: dict[str, Change] = {}
        missing: list[tuple[str, Rejection]] = []
        for label in labels:
            found = self._changes_given(label)
            changes |= {change.entity: change for change in found}
            if not found:
                missing.append((label, _no_such_return(label)))
        return list(changes.values()), missing

    def saw(self, versions: Mapping[str, int]) -> None:
        """Main thread: what was recorded meanwhile."""
        for entity, version in versions.items():
            self._seen[entity] = max(version, self._seen.get(entity, 0))

    # ---- pieces ----------------------------------------------------------------------------------

    def _changes(self, rows: Iterable[Row]) -> list[Change]:
        changes = []
        for row in rows:
            return_id = text_of(row.get("OrderId"))
            version = newest_ms(row)
            seen = max(
                (self._seen.get(entity_of(return_id, each), 0) for each in parent_ids_of(row)), default=0
            )
            if version < seen:
                # A copy of MAO that lags behind: the present state is asked for by id.
                row = self._manhattan.read_order(return_id) or row
                version = newest_ms(row)
            changes += [
                Change(entity_of(return_id, parent_id), return_id, version, (row, parent_id))
                for parent_id in parent_ids_of(row)
            ]
        return changes

    def _changes_given(self, label: str) -> list[Change]:
        by_id = self._manhattan.read_order(label)
        if by_id is not None and parent_ids_of(by_id):
            return self._changes([by_id])
        parents = [label]
        if by_id is None:
            parents = self._parents_of_shop_order(label)
        return [
            change
            for parent_id in parents
            if is_queryable(parent_id)
            for change in self._changes(self._returns_of(parent_id))
            if change.record[1] == parent_id
        ]

    def _parents_of_shop_order(self, label: str) -> list[str]:
        """MAO's OrderIds of an order of the shop, by its number or id."""
        order = self._commercetools.read_order_by_number(label)
        if order is None and is_shop_id(label):
            order = self._commercetools.read_order(label)
        if order is None:
            return []
        rows = self._manhattan.search_orders(
            f"AlternateOrderId = '{order['id']}'", template={"OrderId": None, "AlternateOrderId": None}
        ).rows
        return [text_of(row.get("OrderId")) for row in rows]

    def _returns_of(self, parent_id: str) -> list[Row]:
        found: list[Row] = []
        cursor: str | None = None
        while True:
            page = self._manhattan.scan_orders_page(
                f"OrderLine.ParentOrderId = '{parent_id}'", cursor=cursor, template=RETURN_TEMPLATE
            )
            found += page.rows
            cursor = page.cursor
            if cursor is None:
                return found


def _no_such_return(label: str) -> Rejection:
    return Rejection(
        "order-not-found",
        f"MAO has no return {label}, and no return of an order with that number or id",
        hint="give the return's OrderId in MAO, or the number of the order it comes back of",
    )
