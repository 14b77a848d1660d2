"""Both sides of inventory entries: what the shop shows, and what MAO can promise.

The order matters: entries first, then availability, then the orders in flight. A sale between the first
and the last can only make the figure smaller.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import Problem, Rejection, RunStopped
from ct_mao_sync.mapping.availability import (
    Figure,
    looks_unpublished,
    parse_location_rows,
    parse_network_rows,
    sum_figures,
)
from ct_mao_sync.mapping.inventory_entry import EntryState, parse_entry
from ct_mao_sync.mapping.inventory_plan import EntryWanted
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.message_figures import MessageFigures
from ct_mao_sync.state.imports import EntryMark

# A moment on MAO's clock that its `Date` header tells is a whole second.
_SAME_MOMENT = timedelta(seconds=1)
T = TypeVar("T")
Submit = Callable[..., Future[Any]]


@dataclass(frozen=True, slots=True)
class EntryReading:
    """What was read of one entry, before the orders in flight are known."""

    entry: EntryState | Rejection | None
    figure: Figure | Rejection
    entries_read_s: float
    """Monotonic: when the answer with the entry was there."""
    figure_began_at: datetime | None
    """When the availability request was sent, on MAO's clock; of a message, when its figure was made."""
    is_of_message: bool = False


class InventoryTargets:
    """Reads entries and availability of a page in as few requests as the APIs allow, several at once."""

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsInventoryClient,
        manhattan: ManhattanInventoryClient,
        locations: Locations,
        *,
        clock: Clock,
        submit: Submit,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._locations = locations
        self._clock = clock
        self._submit = submit
        self.message_figures: MessageFigures | None = None
        """Where these know an entry's figure, MAO is not asked for it."""
        self._channel_ids: dict[str, str] | None = None
        self._lock = threading.Lock()

    def channel_ids(self) -> Mapping[str, str]:
        """Key -> id of the channels of [mapping.locations] that commercetools has; read once."""
        with self._lock:
            if self._channel_ids is None:
                keys = self._locations.channel_keys if self._shows_locations else ()
                rows = self._commercetools.read_channels_by_keys(keys) if keys else []
                self._channel_ids = {str(row["key"]): str(row["id"]) for row in rows}
            return self._channel_ids

    @property
    def _shows_locations(self) -> bool:
        return "location" in self._config.inventory.modes

    def read(
        self, wanted: Sequence[EntryWanted], marks: Mapping[str, EntryMark | None]
    ) -> dict[str, EntryReading]:
        """Entries, then availability. `marks`: what is known of the entries. Raises RunStopped for a view
        that cannot be relied on."""
        entries, read_s = self._read_entries(list(dict.fromkeys(each.sku for each in wanted)))
        channel_ids = self.channel_ids()

        def entry_of(each: EntryWanted) -> EntryState | Rejection | None:
            return entries.get((each.sku, channel_ids.get(each.channel_key, "") if each.channel_key else ""))

        told = self._told_by_messages(wanted, marks, entry_of)
        network = [each for each in wanted if not each.channel_key and each.entity not in told]
        located = [each for each in wanted if each.channel_key and each.entity not in told]
        figures: dict[str, tuple[Figure | Rejection, datetime | None]] = dict(told)
        figures.update(self._read_network(network))
        figures.update(self._read_located(located))
        readings = {}
        for each in wanted:
            figure, began_at = figures[each.entity]
            readings[each.entity] = EntryReading(
                entry_of(each), figure, read_s, began_at, each.entity in told
            )
        return readings

    def _told_by_messages(
        self,
        wanted: Sequence[EntryWanted],
        marks: Mapping[str, EntryMark | None],
        entry_of: Callable[[EntryWanted], EntryState | Rejection | None],
    ) -> dict[str, tuple[Figure | Rejection, datetime | None]]:
        """What messages say of these, where it is known that they are not too old to raise the entry."""
        found: dict[str, tuple[Figure | Rejection, datetime | None]] = {}
        for each in wanted if self.message_figures else ():
            assert self.message_figures is not None
            figure = self.message_figures.of_entry(each.item, each.channel_key)
            if figure is None or is_to_be_asked(figure, marks.get(each.entity), entry_of(each), each.units):
                continue
            found[each.entity] = (figure, figure.at if isinstance(figure, Figure) else None)
        return found

    def _read_entries(
        self, skus: Sequence[str]
    ) -> tuple[dict[tuple[str, str], EntryState | Rejection], float]:
        channels = len(self._locations.channel_keys) if self._shows_locations else 0
        chunks = self._commercetools.entry_chunks(skus, entries_per_sku=1 + channels)
        read = partial(self._commercetools.read_entries_chunk, with_channels=self._shows_locations)
        found: dict[tuple[str, str], EntryState | Rejection] = {}
        for rows in self._at_once(read, chunks):
            for row in rows:
                channel_id = str((row.get("supplyChannel") or {}).get("id") or "")
                found[(str(row.get("sku")), channel_id)] = parse_entry(row)
        return found, self._clock.monotonic()

    def _read_network(
        self, wanted: Sequence[EntryWanted]
    ) -> dict[str, tuple[Figure | Rejection, datetime | None]]:
        if not wanted:
            return {}
        view = self._config.inventory.network_view
        items = list(dict.fromkeys(each.item for each in wanted))
        by_item: dict[str, tuple[Figure | Rejection, datetime | None]] = {}

        def read(chunk: Sequence[str]) -> tuple[bool, dict[str, tuple[Figure | Rejection, datetime | None]]]:
            answer = self._manhattan.read_network_chunk(view, chunk)
            refused = {item: _refused(problem) for item, problem in answer.refused.items()}
            figures = parse_network_rows(answer.rows, chunk)
            found = {item: (refused.get(item, figure), answer.began_at) for item, figure in figures.items()}
            return looks_unpublished(answer.rows), found

        unpublished = []
        for is_unpublished, figures in self._at_once(read, self._manhattan.availability_chunks(items)):
            unpublished.append(is_unpublished)
            by_item.update(figures)
        self._stop_if(unpublished, view, "network_view")
        return {each.entity: by_item[each.item] for each in wanted}

    def _read_located(
        self, wanted: Sequence[EntryWanted]
    ) -> dict[str, tuple[Figure | Rejection, datetime | None]]:
        if not wanted:
            return {}
        view = self._config.inventory.location_view
        places = self._locations.location_ids
        items = list(dict.fromkeys(each.item for each in wanted))
        by_place: dict[tuple[str, str], Figure | Rejection] = {}
        began: dict[str, datetime | None] = {}

        def read(
            chunk: Sequence[str],
        ) -> tuple[bool, dict[tuple[str, str], Figure | Rejection], dict[str, datetime | None]]:
            answer = self._manhattan.read_location_chunk(view, chunk, places)
            refused = {item: _refused(problem) for item, problem in answer.refused.items()}
            figures = parse_location_rows(answer.rows, chunk, places)
            found = {key: refused.get(key[0], figure) for key, figure in figures.items()}
            return looks_unpublished(answer.rows), found, dict.fromkeys(chunk, answer.began_at)

        unpublished = []
        for is_unpublished, figures, when in self._at_once(
            read, self._manhattan.availability_chunks(items, places)
        ):
            unpublished.append(is_unpublished)
            by_place.update(figures)
            began.update(when)
        self._stop_if(unpublished, view, "location_view")
        return {
            each.entity: (
                sum_figures(
                    [by_place[each.item, place] for place in self._locations.locations_of(each.channel_key)]
                ),
                began[each.item],
            )
            for each in wanted
        }

    def _stop_if(self, unpublished: Sequence[bool], view: str, key: str) -> None:
        """A view that publishes no quantity shows 0 for everything: nobody may take that for stock."""
        if unpublished and all(unpublished):
            raise RunStopped(
                Problem(
                    "view-unusable",
                    f"MAO's view {view!r} says that items are available but gives no quantity for any: "
                    "PublishQuantity seems to be off; nothing was written",
                    field=f"inventory.{key}",
                    hint=f"switch PublishQuantity on for the view in MAO, or name another under "
                    f"inventory.{key}; then: ct-mao-sync sync inventory",
                )
            )

    def _at_once(self, read: Callable[[Any], T], chunks: Sequence[Any]) -> list[T]:
        """As many requests in flight as there are workers; the first failure is raised when all are done.
        A single one is made here: a worker that reads its one entry again must not wait for workers."""
        if len(chunks) == 1:
            return [read(chunks[0])]
        futures = [self._submit(read, chunk) for chunk in chunks]
        return [future.result() for future in futures]


def is_to_be_asked(
    figure: Figure | Rejection,
    mark: EntryMark | None,
    entry: EntryState | Rejection | None,
    units: Decimal,
) -> bool:
    """Whether MAO has to tell its present figure, because that of a message may be older than the one that
    the entry shows: nothing is known of that one, or both are of about the same moment and it would rise."""
    if mark is None or mark.figure_at is None:
        return True
    if isinstance(figure, Rejection) or isinstance(entry, Rejection) or figure.at is None:
        return False
    rises = figure.is_infinite or figure.quantity > (entry.quantity_on_stock if entry else 0) * units
    return rises and timedelta(0) <= figure.at - mark.figure_at <= _SAME_MOMENT


def _refused(problem: Problem) -> Rejection:
    return Rejection(problem.code, problem.message, problem.field, problem.hint, problem.context)
