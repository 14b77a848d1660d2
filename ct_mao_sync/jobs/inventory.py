"""inventory: MAO -> commercetools. What MAO can promise is what the shop shows.

Safety stock, protection and reservation rules stay in MAO: its available-to-commerce figure is taken as it
is, less the units that the shop has sold and the figure does not know. Quantities are absolute and compared
with `quantityOnStock`; cart reservations stay commercetools' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ct_mao_sync.clients.commercetools_import import RESOURCES_MAX
from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.values import (
    Change,
    Desired,
    Difference,
    Listed,
    Nudges,
    Outcome,
    Page,
    Plan,
    Settled,
    Skip,
)
from ct_mao_sync.errors import Problem, Rejection, RunStopped
from ct_mao_sync.jobs.inventory_import_outcomes import Ended
from ct_mao_sync.jobs.inventory_imports import ImportWriter
from ct_mao_sync.jobs.inventory_in_flight import InFlightOrders
from ct_mao_sync.jobs.inventory_looks import EntryLook, EntryLooks
from ct_mao_sync.jobs.inventory_rest import Finished, write_entry
from ct_mao_sync.jobs.inventory_source import ORDER_LINES_PASS, SWEEP_PASS, InventorySource
from ct_mao_sync.jobs.inventory_targets import EntryReading, InventoryTargets, Submit
from ct_mao_sync.mapping.inventory_entry import entity_of, split_entity
from ct_mao_sync.mapping.inventory_plan import (
    EntryWanted,
    ImportEntry,
    guard_drops,
    inventory_rules,
)
from ct_mao_sync.mapping.inventory_writes import entry_differences
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.message_figures import MessageFigures
from ct_mao_sync.state.imports import EntryMark
from ct_mao_sync.state.store import Store

NAME = "inventory"


IDLE_TOGETHER = 500
"""Entries that need nothing, planned in one go."""
RECENT_ORDERS_EVERY_S = 5.0
"""For a run without a raise delay: not before each of its small pages."""


class InventoryJob:
    """See engine.job.Job for what each method is asked."""

    name = NAME
    skips_by_digest = False
    reads_far = True
    target = "commercetools"

    def __init__(
        self,
        config: Config,
        commercetools: CommercetoolsInventoryClient,
        manhattan: ManhattanInventoryClient,
        manhattan_orders: ManhattanClient,
        store: Store,
        *,
        clock: Clock,
        submit: Submit,
        imports: ImportWriter | None = None,
        full: bool = False,
    ) -> None:
        """`imports`: None where the Import API is not used at all."""
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._clock = clock
        self._imports = imports
        self._rules = inventory_rules(config)
        self._item_units = ItemUnits(config.skus, config.mapping.uom, config.orders.default_uom)
        self._locations = Locations(config.mapping.locations)
        self._targets = InventoryTargets(
            config, commercetools, manhattan, self._locations, clock=clock, submit=submit
        )
        self._in_flight = InFlightOrders(
            config, commercetools, manhattan_orders, self._item_units, clock=clock
        )
        last = store.last_sweep()
        self._positive_at_last_sweep = last.positive_count if last else None
        sweep_due = full or last is None or last.finished_at is None or store.open_sweep() is not None
        if last is not None and last.finished_at is not None:
            sweep_due |= clock.now() - last.finished_at >= config.inventory.sweep_every
        checkpoint = store.checkpoint(NAME, ORDER_LINES_PASS)
        self._source = InventorySource(
            config,
            commercetools,
            manhattan,
            manhattan_orders,
            self._item_units,
            self._locations,
            sweep_due=sweep_due,
            orders_read_at=checkpoint.watermark if checkpoint else None,
        )
        self._looks = EntryLooks(
            self._rules,
            self._item_units,
            self._in_flight,
            imports,
            clock=clock,
            settle_s=config.manhattan.settle_seconds,
            read_counters_type_id=self._read_counters_type_id,
        )
        self._drops: set[str] = set()
        self._seen_positive = 0
        self._seen = 0
        """Entries that the guard has seen since the last page was done."""
        self._looked_after_imports = False
        self._orders_read_s: float | None = None
        """When this run asked for changed orders last, monotonic."""
        self._sweeps = False

    # ---- source ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> Sequence[Pass]:
        return self._source.passes(now)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        self._sweeps = scan.sweeps
        if scan.name == ORDER_LINES_PASS:
            self._orders_read_s = self._clock.monotonic()
        return self._source.read_page(scan, since, until, cursor)

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        return self._source.read_entities(entities)

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        return self._source.changes_of(labels), []

    def read_nudged(self, nudges: Nudges) -> Iterator[tuple[list[Change], list[tuple[str, Rejection]]]]:
        """`nudges.content`: the Messages of MAO, whose figures count."""
        figures = None
        if nudges.content is not None:
            figures = MessageFigures(nudges.content.syncs, self._locations)
        self._targets.message_figures = figures
        return self._source.read_nudged(nudges, figures)

    def read_target_list(self) -> Iterator[Sequence[Listed]]:
        return self._source.read_target_list(self._targets.channel_ids())

    # ---- decide ----------------------------------------------------------------------------------

    def load_bases(self, store: Store, entities: Sequence[str]) -> Mapping[str, EntryMark]:
        return store.entry_marks(entities)

    def map(self, change: Change, base: EntryMark | None) -> Desired | Rejection | Skip:
        wanted: EntryWanted = change.record
        channel_id = self._targets.channel_ids().get(wanted.channel_key, "")
        if wanted.channel_key and not channel_id:
            places = self._locations.locations_of(wanted.channel_key)
            return next(
                problem
                for place, problem in self._locations.reject_missing_channels(
                    self._targets.channel_ids()
                ).items()
                if place in places
            )
        return Desired(change.entity, change.label, 0, "", replace(wanted, channel_id=channel_id))

    def read_targets(self, wanted: Sequence[Desired], bases: Mapping[str, Any]) -> dict[str, EntryReading]:
        return self._targets.read([desired.record for desired in wanted], bases)

    def read_target_again(self, wanted: Desired, base: EntryMark | None) -> EntryReading:
        return self._targets.read([wanted.record], {wanted.entity: base})[wanted.entity]

    def due(self, wanted: Sequence[Desired], targets: Mapping[str, EntryReading]) -> Mapping[str, float]:
        return self._looks.due([each.record for each in wanted], [targets[each.entity] for each in wanted])

    def complete_targets(
        self, store: Store, wanted: Sequence[Desired], targets: Mapping[str, EntryReading]
    ) -> dict[str, EntryLook]:
        if not wanted:
            return {}
        records = [desired.record for desired in wanted]
        readings = [targets[desired.entity] for desired in wanted]
        rising = self._looks.rising(records, readings)
        if rising and not self._sweeps:  # a sweep has few requests, and the windows go before it
            self._read_recent_orders()
        changed = self._source.take_changed_orders()
        # Before an entry rises they are asked for again: a search may have shown what they were before.
        changed |= self._source.changed_orders_of(each.item for each in rising)
        return self._looks.complete(store, records, readings, changed_orders=changed)

    def _read_recent_orders(self) -> None:
        now_s = self._clock.monotonic()
        if self._orders_read_s is None or now_s - self._orders_read_s >= RECENT_ORDERS_EVERY_S:
            self._orders_read_s = now_s
            self._source.read_recent_orders()

    def guard(
        self,
        wanted: Sequence[tuple[Desired, EntryLook]],
        totals: dict[str, int],
        allow: frozenset[str],
    ) -> Mapping[str, Rejection]:
        """Falls to 0 on a large scale wait for a person; nothing else is ever held back."""
        plans = [look.planned for _, look in wanted if not isinstance(look.planned, Rejection)]
        self._seen += len(wanted)
        self._seen_positive += sum(plan.quantity > 0 for plan in plans)
        guard = guard_drops(
            plans,
            drops_before=self._drops,
            positive_at_last_sweep=self._positive_at_last_sweep,
            rules=self._rules,
            allow="drop" in allow,
        )
        self._drops |= guard.drops
        return guard.held

    def groups(self, wanted: Sequence[tuple[Desired, EntryLook]]) -> Sequence[Sequence[Desired]]:
        """Entries with a version alone and first, imports together, and what needs nothing in large heaps."""
        alone: list[Sequence[Desired]] = []
        idle: list[Desired] = []
        requests: list[list[Desired]] = []
        keys: set[str] = set()
        for desired, look in wanted:
            if isinstance(look.planned, Rejection) or not look.planned.writes:
                idle.append(desired)
                continue
            (write,) = look.planned.writes
            if not isinstance(write, ImportEntry):
                alone.append((desired,))
                continue
            if not requests or len(requests[-1]) == RESOURCES_MAX or write.key in keys:
                requests.append([])
                keys = set()
            requests[-1].append(desired)
            keys.add(write.key)
        heaps = [idle[start : start + IDLE_TOGETHER] for start in range(0, len(idle), IDLE_TOGETHER)]
        return [*alone, *requests, *heaps]

    def plan(self, wanted: Desired, target: EntryLook, base: EntryMark | None) -> Plan | Rejection | Skip:
        planned, figure = target.planned, target.target.figure
        if isinstance(planned, Rejection):
            return planned
        assert not isinstance(figure, Rejection)
        if planned.kind in ("missing", "outdated", "waiting"):
            absent = planned.kind == "missing" and figure.is_listed
            return Skip(planned.reason, missing="target" if absent else "")
        if planned.kind == "pending":
            return Plan(wanted.entity, wanted.label, pending=True)
        return Plan(
            wanted.entity,
            wanted.label,
            writes=planned.writes,
            summary=tuple(f"{w.action} {w.subject}: {w.summary}" for w in planned.writes),
            state=Finished(
                EntryMark(wanted.entity, planned.quantity, None, target.target.figure_at), written=False
            ),
        )

    def differences(self, wanted: Desired, target: EntryLook, plan: Plan) -> Sequence[Difference]:
        return [Difference(*each) for write in plan.writes for each in entry_differences(write)]

    # ---- write -----------------------------------------------------------------------------------

    def intend(self, store: Store, wanted: Sequence[tuple[Desired, EntryLook]], now: datetime) -> None:
        imports = []
        for desired, look in wanted:
            if isinstance(look.planned, Rejection) or not look.planned.writes:
                continue
            (write,) = look.planned.writes
            if isinstance(write, ImportEntry):
                imports.append(write)
            elif self._imports is not None:
                self._looks.by_rest.add(desired.entity)
        if imports and self._imports is not None:
            self._imports.intend(store, imports, now)

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        if isinstance(plans[0].writes[0], ImportEntry):
            assert self._imports is not None
            return self._imports.write(plans)
        return [write_entry(self._commercetools, plan) for plan in plans]

    # ---- state -----------------------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        done = [o.state for o in outcomes if isinstance(o.state, Finished)]
        written = [each.mark for each in done if each.written]
        written += [o.state.mark for o in outcomes if isinstance(o.state, Ended) and o.state.mark]
        unchanged = [each.mark for each in done if not each.written]
        store.mark_entries(written)
        store.mark_figures(unchanged)
        if self._imports is not None:
            self._imports.record(store, outcomes)
        counted = [mark.entity for mark in (*written, *unchanged)]
        counted += [o.entity for o in outcomes if o.kind == "skipped" and self._looks.take_missing(o.entity)]
        self._mark_counted(store, counted)

    def page_done(self, store: Store, scan: Pass, *, last: bool, now: datetime) -> None:
        seen, positive = self._seen, self._seen_positive
        self._seen = self._seen_positive = 0
        if scan.name != SWEEP_PASS:
            return
        if store.open_sweep() is None:
            store.begin_sweep(now)
        store.count_sweep(entry_count=seen, positive_count=positive)
        if last:
            store.finish_sweep(now)

    def pending(self, store: Store) -> Sequence[str]:
        """Entries of items whose units in flight changed since they were brought in line. Where several
        entries show one figure, a sale from one of them lowers the others, and nothing in MAO tells."""
        if "network" in self._config.inventory.modes or self._item_units.has_items_of_several_skus:
            self._in_flight.read_new_orders(store)
        changed = self._in_flight.changed(store)
        ids = self._targets.channel_ids() if any(channel_id for _, channel_id in changed) else {}
        keys = {channel_id: key for key, channel_id in ids.items()}
        if "network" in self._config.inventory.modes:
            keys[""] = ""
        # Others are sold from a channel that no location stands for, or as a SKU that the sweep rejects.
        return [
            entity_of(sku, keys[channel_id])
            for sku, channel_id in changed
            if channel_id in keys and not isinstance(self._item_units.sold_as(sku), Rejection)
        ]

    def _mark_counted(self, store: Store, entities: Sequence[str]) -> None:
        ids = {**(self._targets.channel_ids() if entities else {}), "": ""}
        units = {}
        for entity in entities:
            sku, channel_key = split_entity(entity)
            if channel_key in ids:
                units[sku, ids[channel_key]] = self._looks.counted(entity)
        store.mark_in_flight_counted(units)

    def settled_meanwhile(self) -> Sequence[Outcome]:
        return self._imports.settled_meanwhile() if self._imports is not None else ()

    def settle(self, store: Store, *, last: bool) -> Settled:
        if self._imports is None:
            return Settled()
        settled = self._imports.settle(store, last=last)
        if not last or settled.again or settled.wait_s is not None:
            return settled
        if settled.outcomes:
            return replace(settled, wait_s=0.0)  # they are to be written down first
        return self._look_after_imports(store)

    def _read_counters_type_id(self) -> str:
        key = self._config.inventory.counters_type or ""
        found = self._commercetools.read_type_id(key)
        if found is None:
            raise RunStopped(
                Problem(
                    "counters-type-missing",
                    f"commercetools has no type with the key {key!r}, which is to take MAO's counters",
                    "inventory.counters_type",
                    "make it: ct-mao-sync setup; or correct the key; then: ct-mao-sync sync inventory",
                )
            )
        return found

    def _look_after_imports(self, store: Store) -> Settled:
        """What the shop sold while its imports were worked off is subtracted again: an import has no version,
        so a sale between reading and importing is not seen by it."""
        done_s = self._imports.last_seen_done_s if self._imports else None
        if done_s is None or self._looked_after_imports:
            return Settled()
        wait_s = done_s + self._rules.raise_delay_s - self._clock.monotonic()
        if wait_s > 0:
            return Settled(wait_s=wait_s)
        self._looked_after_imports = True
        self._in_flight.read_new_orders(store)
        return Settled(again=self.pending(store))

    def probe(self) -> None:
        self._commercetools.read_channels_by_keys(["ct-mao-sync-probe"])
