"""What is to be done about the entries of a page, once everything of them is known. Main thread: it needs the
state, and the orders in flight are asked for last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from ct_mao_sync.clients.commercetools_import import RESOURCES_MAX
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.errors import Rejection
from ct_mao_sync.jobs.inventory_imports import ImportWriter
from ct_mao_sync.jobs.inventory_in_flight import InFlightOrders
from ct_mao_sync.jobs.inventory_targets import EntryReading
from ct_mao_sync.mapping.inventory_plan import (
    EntryPlan,
    EntryTarget,
    EntryWanted,
    ImportEntry,
    InventoryRules,
    plan_entry,
)
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.state.store import Store

_ZERO = Decimal(0)
IMPORTS_WORTH_IT = RESOURCES_MAX
"""A page with fewer than one full request is written faster, and with versions, one by one (`auto`)."""


@dataclass(frozen=True, slots=True)
class EntryLook:
    """Everything that was read for an entry, and what is to be done about it."""

    target: EntryTarget
    planned: EntryPlan | Rejection


class EntryLooks:
    def __init__(
        self,
        rules: InventoryRules,
        item_units: ItemUnits,
        in_flight: InFlightOrders,
        imports: ImportWriter | None,
        *,
        clock: Clock,
        settle_s: float,
        read_counters_type_id: Callable[[], str],
    ) -> None:
        """`settle_s`: how long MAO may need until a change can be found. `read_counters_type_id` is asked
        once, before the first entry is planned, where the rules name counters."""
        self._rules = rules
        self._item_units = item_units
        self._in_flight = in_flight
        self._imports = imports
        self._clock = clock
        self._settle_s = settle_s
        self._read_counters_type_id = read_counters_type_id
        self._counted: dict[str, Decimal] = {}
        self._missing: set[str] = set()
        self._figures_of: dict[str, datetime] = {}
        """Entities that were read and are not looked at to the end yet: when their figures were asked for."""
        self._lock = threading.Lock()
        self.by_rest: set[str] = set()
        """Entities that this run wrote with their version: never both ways in one run."""

    def counted(self, entity: str) -> Decimal:
        """Base units in flight that the last look at this entry allowed for."""
        return self._counted.get(entity, _ZERO)

    def take_missing(self, entity: str) -> bool:
        """Whether the last look found no such entry, and none to be made: nothing has to follow a sale."""
        if entity not in self._missing:
            return False
        self._missing.remove(entity)
        return True

    def complete(
        self,
        store: Store,
        records: Sequence[EntryWanted],
        readings: Sequence[EntryReading],
        *,
        changed_orders: Iterable[str],
    ) -> dict[str, EntryLook]:
        """Where an entry could be raised, the orders are asked for only when commercetools' own figures have
        had the time to follow them. `changed_orders`: MAO orders to be judged again."""
        if self._rules.counter_fields and not self._rules.counters_type_id:
            self._rules = replace(self._rules, counters_type_id=self._read_counters_type_id())
        for due_s in sorted(set(self.due(records, readings).values())):
            self._clock.sleep(due_s - self._clock.monotonic())
        began_s = self._clock.monotonic()
        before = self._oldest_figure(records) - timedelta(seconds=self._settle_s)
        self._in_flight.refresh(store, settled_before=before, changed=changed_orders)
        skus = {sku for record in records for sku in (*self._item_units.skus_of(record.item), record.sku)}
        sums, held_back = self._in_flight.sums(store, skus), self._in_flight.held_back()
        marks = store.entry_marks([record.entity for record in records])
        importing = self._importing(store, records, readings)
        looks = {}
        for record, reading in zip(records, readings, strict=True):
            entity = record.entity
            in_flight = _units_of(record, *sums)
            mark = marks.get(entity)
            imported = self._imports.version_of(entity) if self._imports else None
            figure, entry = reading.figure, reading.entry
            target = EntryTarget(
                entry=None if isinstance(entry, Rejection) else entry,
                figure=entry if isinstance(entry, Rejection) else figure,
                in_flight=in_flight,
                entries_read_s=reading.entries_read_s,
                orders_read_began_s=began_s,
                pending_import=entity in importing,
                last_written_version=imported or (mark.version if mark else None),
                figure_at=_known_at(reading),
                last_figure_at=mark.figure_at if mark and reading.is_of_message else None,
                may_import=self._imports is not None and entity not in self.by_rest,
            )
            looks[entity] = EntryLook(target, plan_entry(record, target, self._rules))
            # What is held back counts as not allowed for: the next run looks at the entry again.
            self._note(entity, looks[entity], in_flight - _units_of(record, *held_back))
        self._note_other_wishes(looks, importing)
        return self._without_few_imports(records, looks)

    def _note(self, entity: str, look: EntryLook, counted: Decimal) -> None:
        self._counted.pop(entity, None)
        if counted:
            self._counted[entity] = counted
        if isinstance(look.planned, EntryPlan) and look.planned.kind == "missing":
            self._missing.add(entity)

    def _oldest_figure(self, records: Sequence[EntryWanted]) -> datetime:
        """Of these, and of all that wait: what is judged as known to MAO is not asked for again, so it must
        be known to each figure that is still to be used."""
        with self._lock:
            oldest = min(self._figures_of.values(), default=self._clock.now())
            for record in records:
                self._figures_of.pop(record.entity, None)
        return oldest

    def due(self, records: Sequence[EntryWanted], readings: Sequence[EntryReading]) -> dict[str, float]:
        """Entities that could be raised, and from when on the orders may be asked for (monotonic). Called as
        soon as they are read, also in a reading thread."""
        delay_s = self._rules.raise_delay_s
        with self._lock:
            for record, reading in zip(records, readings, strict=True):
                self._figures_of.pop(record.entity, None)
                if reading.figure_began_at is not None:
                    self._figures_of[record.entity] = reading.figure_began_at
        return {
            record.entity: reading.entries_read_s + delay_s
            for record, reading in zip(records, readings, strict=True)
            if delay_s > 0 and self._could_rise(record, reading)
        }

    def rising(
        self, records: Sequence[EntryWanted], readings: Sequence[EntryReading]
    ) -> Sequence[EntryWanted]:
        """Those that could be raised."""
        return [
            record for record, read in zip(records, readings, strict=True) if self._could_rise(record, read)
        ]

    def _could_rise(self, record: EntryWanted, reading: EntryReading) -> bool:
        entry, figure = reading.entry, reading.figure
        if isinstance(figure, Rejection) or isinstance(entry, Rejection):
            return False
        if entry is None:
            return self._rules.create_missing
        if figure.is_infinite:
            return entry.quantity_on_stock < self._rules.infinite_quantity
        return figure.quantity > entry.quantity_on_stock * record.units

    def _importing(
        self, store: Store, records: Sequence[EntryWanted], readings: Sequence[EntryReading]
    ) -> Mapping[str, int]:
        """Entities that are being imported, and the quantity they will have."""
        if self._imports is None:
            return {
                entity: row.quantity for entity, row in store.importing(r.entity for r in records).items()
            }
        return self._imports.pending(
            store,
            [
                (record.entity, None if isinstance(reading.entry, Rejection) else reading.entry)
                for record, reading in zip(records, readings, strict=True)
            ],
        )

    def _note_other_wishes(self, looks: Mapping[str, EntryLook], importing: Mapping[str, int]) -> None:
        if self._imports is None:
            return
        for entity, quantity in importing.items():
            planned = looks[entity].planned
            if isinstance(planned, Rejection) or planned.quantity != quantity:
                self._imports.wanted_otherwise(entity)

    def _without_few_imports(
        self, records: Sequence[EntryWanted], looks: dict[str, EntryLook]
    ) -> dict[str, EntryLook]:
        """`auto` does not ask the Import API for a handful of entries, nor one that it may not use."""
        imported = [record for record in records if _is_import(looks[record.entity])]
        if not imported or self._rules.writer != "auto" or self._imports is None:
            return looks
        if len(imported) < IMPORTS_WORTH_IT or not self._imports.is_usable():
            for record in imported:
                target = replace(looks[record.entity].target, may_import=False)
                looks[record.entity] = EntryLook(target, plan_entry(record, target, self._rules))
        return looks


def _units_of(
    record: EntryWanted, by_item: Mapping[str, Decimal], by_channel: Mapping[tuple[str, str], Decimal]
) -> Decimal:
    """Base units of an entry; sales of every channel take from the network."""
    if record.channel_key:
        return by_channel.get((record.item, record.channel_id), _ZERO)
    return by_item.get(record.item, _ZERO)


def _known_at(reading: EntryReading) -> datetime | None:
    """A figure that was asked for was true when the request arrived, whatever moment it tells itself."""
    moments = [reading.figure_began_at, None if isinstance(reading.figure, Rejection) else reading.figure.at]
    return max((each for each in moments if each is not None), default=None)


def _is_import(look: EntryLook) -> bool:
    return isinstance(look.planned, EntryPlan) and any(
        isinstance(write, ImportEntry) for write in look.planned.writes
    )
