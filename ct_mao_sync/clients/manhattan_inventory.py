"""What MAO has in stock: availability to commerce, and which items it may have changed for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.manhattan_availability import Availability, AvailabilityAnswer, Kind
from ct_mao_sync.clients.manhattan_calls import ENDPOINTS, ManhattanCalls, is_queryable, render_moment
from ct_mao_sync.clients.manhattan_scan import Scan, ScanPage

_SUPPLY = {"ItemId": None, "LocationId": None, "UpdatedTimestamp": None}
_ITEM = {"ItemId": None}
_LOCATION = {"LocationId": None, "DisplayId": None}
_LOCATIONS_MAX = 100


class ManhattanInventoryClient:
    """Errors: those of `HttpClient.send`; a failure inside a good status is RecordRejected.

    The `search_…_page` methods are scans: `cursor` is None at first, then that of the page before, also one
    of an earlier process. No row is lost, some may come twice.
    """

    def __init__(
        self,
        http: HttpClient,
        organization: str = "",
        *,
        page_size: int = 100,
        supply_page_size: int | None = None,
        page_size_safe: int | None = None,
        items_max: int = 100,
        endpoints: Mapping[str, str] = ENDPOINTS,
    ) -> None:
        """`page_size`: rows of one search, small ones; `supply_page_size`: of supply, where that differs;
        `page_size_safe`: where MAO refuses so many."""
        self.http = http
        calls = self._calls = ManhattanCalls(http, organization, endpoints)
        self._availability = Availability(calls, items_max, read_some_items=self._read_some_items)
        # Supply records have no id of their own in MAO's documents, and the item is all we look for: the
        # records of an item beyond a page's end may stay unread.
        self._supply = Scan(
            calls,
            "supply-search",
            key="ItemId",
            template=_SUPPLY,
            size=supply_page_size or page_size,
            size_safe=page_size_safe,
            identity=lambda row: (row.get("ItemId"), row.get("LocationId")),
        )
        self._items = Scan(
            calls,
            "item-search",
            key="ItemId",
            template=_ITEM,
            size=page_size,
            size_safe=page_size_safe,
            identity=lambda row: row.get("ItemId"),
        )

    def availability_chunks(self, items: Sequence[str], locations: Sequence[str] = ()) -> list[list[str]]:
        """Each item once, as many together as one request may name."""
        return self._availability.chunks(items, len(locations))

    def read_network_chunk(self, view: str, items: Sequence[str]) -> AvailabilityAnswer:
        """The network rows of one of `availability_chunks`. An item that MAO leaves out although asked twice
        has no row; that is not 0.

        Raises RunStopped `view-unusable` (inactive, unknown, of the wrong kind) and
        `availability-incomplete` (more than single items are missing).
        """
        return self._read("network", view, items, ())

    def read_location_chunk(
        self, view: str, items: Sequence[str], locations: Sequence[str], *, null_is_empty: bool = False
    ) -> AvailabilityAnswer:
        """The rows of these items at these locations; no row is 0 (MAO docs, atc-rest-apis), except for
        what is `refused`.

        null_is_empty  `data: null` is good enough, as for a look at the view; it is no stock of 0

        Raises like `read_network_chunk`.
        """
        if not locations:
            raise ValueError("a location view is asked with locations")
        return self._read("location", view, items, locations, null_is_empty=null_is_empty)

    def read_network_availability(self, view: str, items: Sequence[str]) -> AvailabilityAnswer:
        """The same for any number of items, one request after the other."""
        return _joined([self.read_network_chunk(view, chunk) for chunk in self.availability_chunks(items)])

    def read_location_availability(
        self, view: str, items: Sequence[str], locations: Sequence[str]
    ) -> AvailabilityAnswer:
        """The same for any number of items, one request after the other."""
        return _joined(
            [
                self.read_location_chunk(view, chunk, locations)
                for chunk in self.availability_chunks(items, locations)
            ]
        )

    def search_supply_page(self, since: datetime, *, cursor: str | None = None) -> ScanPage:
        """Items with a supply record that changed since then: ItemId, LocationId, UpdatedTimestamp. Each
        such item comes, not each of its records."""
        return self._supply.read_page(f"UpdatedTimestamp >= '{render_moment(since)}'", cursor)

    def search_items_page(self, *, cursor: str | None = None) -> ScanPage:
        """All items of the item master: ItemId."""
        return self._items.read_page("", cursor)

    def read_locations(self, location_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Those that MAO's inventory knows, by LocationId or DisplayId: both of each. Ids that a query cannot
        hold are left out."""
        wanted = [each for each in dict.fromkeys(location_ids) if is_queryable(each)]
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(wanted), _LOCATIONS_MAX):
            listed = ",".join(f"'{each}'" for each in wanted[start : start + _LOCATIONS_MAX])
            query = f"LocationId IN ({listed}) or DisplayId IN ({listed})"
            page = self._calls.search(
                "location-search",
                query,
                template=_LOCATION,
                size=2 * _LOCATIONS_MAX,
                sort=[("LocationId", "asc")],
            )
            found += page.rows
        return found

    def _read_some_items(self) -> list[str]:
        rows = self.search_items_page().rows
        return [row["ItemId"] for row in rows if isinstance(row.get("ItemId"), str)]

    def _read(
        self,
        kind: Kind,
        view: str,
        items: Sequence[str],
        locations: Sequence[str],
        *,
        null_is_empty: bool = False,
    ) -> AvailabilityAnswer:
        if not items:
            return AvailabilityAnswer([])
        return self._availability.read(kind, view, items, locations, null_is_empty=null_is_empty)


def _joined(answers: Sequence[AvailabilityAnswer]) -> AvailabilityAnswer:
    began = [answer.began_at for answer in answers if answer.began_at is not None]
    return AvailabilityAnswer(
        [row for answer in answers for row in answer.rows],
        {item: problem for answer in answers for item, problem in answer.refused.items()},
        min(began, default=None),
    )
