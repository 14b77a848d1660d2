"""Which inventory entries are to be looked at: those of items that changed in MAO, and in turn all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.clients.manhattan_scan import ScanPage
from ct_mao_sync.config import Config
from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.values import Change, Listed, Nudges, Page
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.inventory_entry import EntryState, entity_of, parse_entry, split_entity
from ct_mao_sync.mapping.inventory_plan import EntryWanted
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.locations import Locations, plain_location
from ct_mao_sync.mapping.message_figures import MessageFigures
from ct_mao_sync.models.json import digest

SUPPLY_PASS = "window:supply"
ORDER_LINES_PASS = "window:order-lines"
SWEEP_PASS = "sweep"
PAGE_ITEMS_MAX = 2_000
PAGE_ENTRIES_MAX = 5_000
"""Items and entries of one page of a window, about: what was read of them is written soon after."""
PAGE_ITEMS_FIRST = 500
"""Of the first one, each further one has twice as many: until it is read the workers have nothing to do."""
SLICE_ITEMS_MAX = 5_000
SLICE_ENTRIES_MAX = 10_000
"""Of a page of a sweep, which is complete only when its last entry is: they bound the memory of a run."""
ORDER_LINES_TEMPLATE = {
    "OrderId": None,
    "UpdatedTimestamp": None,
    "OrderLine": {"OrderLineId": None, "ItemId": None, "UpdatedTimestamp": None},
}
# Not the same: a template has one scan at a time, and a pass may be in the middle of its own.
RECENT_TEMPLATE = {"OrderId": None, "OrderLine": {"OrderLineId": None, "ItemId": None}}
SLICES_AN_HOUR = 10
"""Of a sweep with a budget, about."""
_LOCATION = "location:"


class InventorySource:
    """Two windows over MAO, and the sweep over the assortment; a change is one entry of a SKU."""

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsInventoryClient,
        manhattan: ManhattanInventoryClient,
        manhattan_orders: ManhattanClient,
        item_units: ItemUnits,
        locations: Locations,
        *,
        sweep_due: bool,
        orders_read_at: datetime | None,
    ) -> None:
        """`orders_read_at`: on MAO's clock, up to when an earlier run knows all changed orders."""
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._manhattan_orders = manhattan_orders
        self._item_units = item_units
        self._locations = locations
        self._sweep_due = sweep_due
        self._noting = threading.Lock()
        """A reading thread finds changed orders while the main thread asks for them."""
        self._changed_orders: set[str] = set()
        self._changed_of: dict[str, set[str]] = {}
        """Item -> MAO orders of it that changed, of the whole run."""
        self._orders_read_at = orders_read_at
        self._pages: Counter[str] = Counter()
        """Read by this run, by pass."""

    @property
    def _channels(self) -> tuple[str, ...]:
        """Keys of the channels whose entries the modes show; "" = the entry without channel."""
        modes = self._config.inventory.modes
        located = self._locations.channel_keys if "location" in modes else ()
        return (("",) if "network" in modes else ()) + located

    def take_changed_orders(self) -> set[str]:
        """MAO orders that changed and were not judged again yet."""
        with self._noting:
            changed, self._changed_orders = self._changed_orders, set()
        return changed

    def read_recent_orders(self) -> None:
        """Changed orders that MAO's search did not show yet when it was asked last, or that no pass has asked
        for: one that fell back just before a figure was taken makes no entry rise."""
        if self._orders_read_at is None:
            return
        since = self._orders_read_at - timedelta(seconds=self._config.manhattan.settle_seconds)
        cursor: str | None = None
        while True:
            page = self._manhattan_orders.search_changed_orders_page(
                since, cursor=cursor, template=RECENT_TEMPLATE
            )
            self._note_changed(page, is_first=cursor is None)
            cursor = page.cursor
            if cursor is None:
                return

    def _note_changed(self, page: ScanPage, *, is_first: bool) -> None:
        if is_first:
            self._orders_read_at = page.server_date or self._orders_read_at
        with self._noting:
            self._changed_orders.update(_texts(page.rows, "OrderId"))
            for row in page.rows:
                for item in _texts(row.get("OrderLine") or (), "ItemId"):
                    self._changed_of.setdefault(item, set()).update(_texts([row], "OrderId"))

    def changed_orders_of(self, items: Iterable[str]) -> set[str]:
        """MAO orders of these items that this run found to have changed, judged or not."""
        with self._noting:
            return {order for item in items for order in self._changed_of.get(item, ())}

    def passes(self, now: datetime) -> Sequence[Pass]:
        oms = self._config.manhattan
        delta = Pass(ORDER_LINES_PASS, oms.overlap_seconds, oms.settle_seconds, start_at=now)
        # Order lines first: what fell back in MAO must be known before any figure is taken for free.
        passes = [delta, replace(delta, name=SUPPLY_PASS)]
        if self._sweep_due:
            selection = digest([self._config.inventory.assortment, self._config.inventory.modes])
            sweep = Pass(SWEEP_PASS, 0, 0, start_at=now, selection=selection, sweeps=True)
            # A slice is counted as the guard saw it last.
            passes.append(replace(sweep, pages_overlap=False))
        return passes

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        read = {
            SUPPLY_PASS: self._read_supply,
            ORDER_LINES_PASS: self._read_order_lines,
            SWEEP_PASS: self._read_assortment,
        }[scan.name]
        channels = max(1, len(self._channels))
        if scan.sweeps:
            most = min(self._slice_items_max(), SLICE_ENTRIES_MAX // channels)
        else:
            most = min(
                PAGE_ITEMS_MAX, PAGE_ITEMS_FIRST << self._pages[scan.name], PAGE_ENTRIES_MAX // channels
            )
            self._pages[scan.name] += 1
        names: dict[str, None] = {}
        changes: list[Change] = []
        first: Any = None
        while True:
            page, found, rejected = read(since, cursor)
            first = first or page
            names.update(dict.fromkeys(found))
            changes += rejected
            cursor = page.cursor
            if cursor is None or len(names) >= most:
                break
        by_sku = scan.name == SWEEP_PASS and self._config.inventory.assortment == "commercetools"
        skus = names if by_sku else [sku for item in names for sku in self._item_units.skus_of(item)]
        return Page(
            changes=[*changes, *self.changes_of(skus)],
            cursor=cursor,
            server_now=first.server_date,
            elapsed_s=first.elapsed_s,
            read_count=len(names),
        )

    def _slice_items_max(self) -> int:
        """A slice of a sweep is done again when it does not come to its end: it takes no more than a small
        part of the hour's requests."""
        oms = self._config.manhattan
        if not oms.max_requests_per_hour:
            return SLICE_ITEMS_MAX
        requests = max(1, oms.max_requests_per_hour // SLICES_AN_HOUR)
        return min(SLICE_ITEMS_MAX, requests * oms.availability_items)

    def _read_supply(self, since: datetime, cursor: str | None) -> tuple[Any, list[str], list[Change]]:
        page = self._manhattan.search_supply_page(since, cursor=cursor)
        unmapped = self._locations.reject_unmapped(_texts(page.rows, "LocationId"))
        rejected = [
            Change(_LOCATION + place, place, 0, rejection=problem) for place, problem in unmapped.items()
        ]
        return (
            page,
            _texts(page.rows, "ItemId"),
            rejected if "location" in self._config.inventory.modes else [],
        )

    def _read_order_lines(self, since: datetime, cursor: str | None) -> tuple[Any, list[str], list[Change]]:
        page = self._manhattan_orders.search_changed_orders_page(
            since, cursor=cursor, template=ORDER_LINES_TEMPLATE
        )
        self._note_changed(page, is_first=cursor is None)
        lines = [line for row in page.rows for line in row.get("OrderLine") or ()]
        return page, _texts(lines, "ItemId"), []

    def _read_assortment(self, since: datetime, cursor: str | None) -> tuple[Any, list[str], list[Change]]:
        if self._config.inventory.assortment == "manhattan":
            page = self._manhattan.search_items_page(cursor=cursor)
            return page, _texts(page.rows, "ItemId"), []
        entries = self._commercetools.read_skus_page(cursor)
        return _EntriesPage(entries), _texts(entries.results, "sku"), []

    def read_target_list(self, channel_ids: Mapping[str, str]) -> Iterator[Sequence[Listed]]:
        """Entries with stock, of the channels that the modes show. An assortment that is the shop's own has
        been asked for in MAO already."""
        if self._config.inventory.assortment == "commercetools":
            return
        keys = {channel_ids.get(key, ""): key for key in self._channels if not key or key in channel_ids}
        cursor: str | None = None
        while True:
            page = self._commercetools.read_skus_page(cursor)
            found = [entry for row in page.results if isinstance(entry := parse_entry(row), EntryState)]
            yield [
                Listed(
                    entity_of(entry.sku, keys[entry.channel_id]),
                    _label(entry.sku, keys[entry.channel_id]),
                    f"MAO does not list the item, and the shop shows {entry.quantity_on_stock} of it",
                )
                for entry in found
                if entry.channel_id in keys and entry.quantity_on_stock > 0
            ]
            if page.is_last:
                return
            cursor = page.last_id

    def changes_of(self, skus: Iterable[str]) -> list[Change]:
        """One change for each entry of these SKUs that the modes show."""
        channels = self._channels
        changes = []
        for sku in dict.fromkeys(skus):
            sold = self._item_units.sold_as(sku)
            for channel_key in channels:
                if isinstance(sold, Rejection):
                    changes.append(Change(f"{sku}|{channel_key}", sku, 0, rejection=sold))
                    continue
                wanted = EntryWanted(sku, sold.item, sold.units, channel_key)
                changes.append(Change(wanted.entity, _label(sku, channel_key), 0, record=wanted))
        return changes

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        changes: dict[str, Change] = {}
        for entity in entities:
            if entity.startswith(_LOCATION):
                place = plain_location(entity.removeprefix(_LOCATION))
                problem = self._locations.reject_unmapped([place]).get(place)
                changes[entity] = Change(entity, place, 0, rejection=problem)
            else:
                sku, _ = split_entity(entity)
                found = {change.entity: change for change in self.changes_of([sku])}
                changes[entity] = found.get(entity, Change(entity, sku, 0))
        return list(changes.values())

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        return self.changes_of(labels), []

    def read_nudged(
        self, nudges: Nudges, figures: MessageFigures | None
    ) -> Iterator[tuple[list[Change], list[tuple[str, Rejection]]]]:
        """SKUs that a person named; with `figures` of messages, ItemIds, after everything that those tell."""
        if figures is None:
            yield self.changes_of(nudges.labels), []
            return
        yield [], list(figures.unmapped.items())
        seen: set[str] = set()
        for skus in self._slices_of_messages(figures):
            changes = []
            for change in self.changes_of(sku for sku in skus if sku not in seen):
                wanted = change.record
                if wanted is None or figures.says_something_of(wanted.item, wanted.channel_key):
                    changes.append(change)
            seen.update(skus)
            yield changes, []
        for items in _sliced(nudges.labels):
            skus = [sku for item in items for sku in self._item_units.skus_of(item)]
            yield (
                [
                    change
                    for change in self.changes_of(skus)
                    if change.record is None
                    or figures.of_entry(change.record.item, change.record.channel_key) is None
                ],
                [],
            )

    def _slices_of_messages(self, figures: MessageFigures) -> Iterator[list[str]]:
        """SKUs of the items that are named, then of all others when a sync says something of those too."""
        for items in _sliced(list(figures.items)):
            yield [sku for item in items for sku in self._item_units.skus_of(item)]
        cursor: str | None = None
        while figures.names_all:
            page, found, _ = self._read_assortment(datetime.min.replace(tzinfo=UTC), cursor)
            if self._config.inventory.assortment == "commercetools":
                yield found
            else:
                yield [sku for item in found for sku in self._item_units.skus_of(item)]
            cursor = page.cursor
            if cursor is None:
                return


def _label(sku: str, channel_key: str) -> str:
    return f"{sku} ({channel_key})" if channel_key else sku


def _sliced(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), SLICE_ITEMS_MAX):
        yield items[start : start + SLICE_ITEMS_MAX]


class _EntriesPage:
    """A page of commercetools entries in the terms of a MAO scan."""

    def __init__(self, page: Any) -> None:
        self.cursor = None if page.is_last else page.last_id
        self.server_date = page.server_date
        self.elapsed_s = page.elapsed_s


def _texts(rows: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    return [row[name] for row in rows if isinstance(row.get(name), str) and row[name]]
