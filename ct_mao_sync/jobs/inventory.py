"""inventory: MAO -> commercetools. What MAO can promise is what the shop shows.

Safety stock, protection and reservation rules stay in MAO: its available-to-commerce figure is taken as it
is, less the units that the shop has sold and the figure does not know. Quantities are absolute and compared
with `quantityOnStock`; cart reservations stay commercetools' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.job import OneByOne, Pass
from ct_mao_sync.engine.values import Change, Desired, Difference, Outcome, Page, Plan, Skip
from ct_mao_sync.errors import RecordRejected, Rejection
from ct_mao_sync.jobs.inventory_in_flight import InFlightOrders
from ct_mao_sync.jobs.inventory_source import SWEEP_PASS, InventorySource
from ct_mao_sync.jobs.inventory_targets import EntryReading, InventoryTargets, Submit
from ct_mao_sync.mapping.inventory_entry import split_entity
from ct_mao_sync.mapping.inventory_plan import (
    CreateEntry,
    EntryTarget,
    EntryWanted,
    UpdateEntry,
    guard_drops,
    inventory_rules,
    plan_entry,
)
from ct_mao_sync.mapping.inventory_writes import entry_differences
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.state.imports import EntryMark
from ct_mao_sync.state.store import Store

NAME = "inventory"


@dataclass(frozen=True, slots=True)
class _Finished:
    """Outcome state: the entry is in line with these units in flight."""

    mark: EntryMark
    written: bool


class InventoryJob(OneByOne):
    """See engine.job.Job for what each method is asked."""

    name = NAME
    skips_by_digest = False
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
        full: bool = False,
    ) -> None:
        self._config = config
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._clock = clock
        # The Import API is not used yet: every entry is written with its version.
        self._rules = replace(inventory_rules(config), writer="rest")
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
        self._source = InventorySource(
            config,
            commercetools,
            manhattan,
            manhattan_orders,
            self._item_units,
            self._locations,
            sweep_due=sweep_due,
        )
        self._counted: dict[str, dict[tuple[str, str], int]] = {}
        self._seen_positive = 0
        self._seen = 0

    # ---- source ----------------------------------------------------------------------------------

    def passes(self, now: datetime) -> Sequence[Pass]:
        return self._source.passes(now)

    def read_page(self, scan: Pass, since: datetime, until: datetime | None, cursor: str | None) -> Page:
        return self._source.read_page(scan, since, until, cursor)

    def read_entities(self, entities: Sequence[str]) -> list[Change]:
        return self._source.read_entities(entities)

    def read_given(self, labels: Sequence[str]) -> tuple[list[Change], list[tuple[str, Rejection]]]:
        return self._source.changes_of(labels), []

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
        return self._targets.read([desired.record for desired in wanted])

    def read_target_again(self, wanted: Desired, base: EntryMark | None) -> EntryReading:
        return self._targets.read([wanted.record])[wanted.entity]

    def complete_targets(
        self, store: Store, wanted: Sequence[Desired], targets: Mapping[str, EntryReading]
    ) -> dict[str, EntryTarget]:
        """The orders in flight, asked for last. Where an entry could be raised, they are asked for only when
        commercetools' own figures have had the time to follow its orders."""
        if not wanted:
            return {}
        readings = [targets[desired.entity] for desired in wanted]
        read_s = max(reading.entries_read_s for reading in readings)
        if any(_could_rise(reading) for reading in readings):
            self._clock.sleep(read_s + self._rules.raise_delay_s - self._clock.monotonic())
        began_s = self._clock.monotonic()
        began_at = min((r.figure_began_at for r in readings if r.figure_began_at), default=None)
        before = (began_at or self._clock.now()) - timedelta(seconds=self._config.manhattan.settle_seconds)
        self._in_flight.refresh(store, settled_before=before, changed=self._source.take_changed_orders())
        records = [desired.record for desired in wanted]
        skus = {sku for record in records for sku in (*self._item_units.skus_of(record.item), record.sku)}
        sums, by_item, by_channel = self._in_flight.sums(store, skus)
        marks = store.entry_marks([desired.entity for desired in wanted])
        importing = store.importing([desired.entity for desired in wanted])
        completed = {}
        for record, reading in zip(records, readings, strict=True):
            in_flight = (
                by_channel.get((record.item, record.channel_id), Decimal(0))
                if record.channel_key
                else self._in_flight_of_network(record, by_item, by_channel)
            )
            mark = marks.get(record.entity)
            figure, entry = reading.figure, reading.entry
            completed[record.entity] = EntryTarget(
                entry=None if isinstance(entry, Rejection) else entry,
                figure=entry if isinstance(entry, Rejection) else figure,
                in_flight=in_flight,
                entries_read_s=reading.entries_read_s,
                orders_read_began_s=began_s,
                pending_import=record.entity in importing,
                last_written_version=mark.version if mark else None,
            )
            self._counted[record.sku] = {key: n for key, n in sums.items() if key[0] == record.sku}
        return completed

    def _in_flight_of_network(
        self,
        record: EntryWanted,
        by_item: Mapping[str, Decimal],
        by_channel: Mapping[tuple[str, str], Decimal],
    ) -> Decimal:
        """Sales of every channel take from the network's figure."""
        return by_item.get(record.item, Decimal(0))

    def guard(
        self,
        wanted: Sequence[tuple[Desired, EntryTarget]],
        totals: dict[str, int],
        allow: frozenset[str],
    ) -> Mapping[str, Rejection]:
        """Falls to 0 on a large scale wait for a person; nothing else is ever held back."""
        plans = []
        for desired, target in wanted:
            planned = plan_entry(desired.record, target, self._rules)
            self._seen += 1
            if not isinstance(planned, Rejection):
                plans.append(planned)
                self._seen_positive += planned.quantity > 0
        guard = guard_drops(
            plans,
            drops_before=totals.get("drops", 0),
            positive_at_last_sweep=self._positive_at_last_sweep,
            rules=self._rules,
            allow="drop" in allow,
        )
        totals["drops"] = guard.drops
        return guard.held

    def plan(self, wanted: Desired, target: EntryTarget, base: EntryMark | None) -> Plan | Rejection | Skip:
        planned = plan_entry(wanted.record, target, self._rules)
        if isinstance(planned, Rejection):
            return planned
        figure = target.figure
        assert not isinstance(figure, Rejection)
        if planned.kind in ("missing", "outdated", "waiting"):
            absent = planned.kind == "missing" and figure.is_listed
            return Skip(planned.reason, missing="target" if absent else "")
        return Plan(
            wanted.entity,
            wanted.label,
            writes=planned.writes,
            summary=tuple(f"{w.action} {w.subject}: {w.summary}" for w in planned.writes),
            pending=planned.kind == "pending",
            state=_Finished(EntryMark(wanted.entity, planned.quantity, None, figure.at), written=False),
        )

    def differences(self, wanted: Desired, target: EntryTarget, plan: Plan) -> Sequence[Difference]:
        return [Difference(*each) for write in plan.writes for each in entry_differences(write)]

    # ---- write -----------------------------------------------------------------------------------

    def intend(self, store: Store, wanted: Sequence[tuple[Desired, EntryTarget]], now: datetime) -> None:
        return None

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        return [self._apply(plan) for plan in plans]

    def _apply(self, plan: Plan) -> Outcome:
        (write,) = plan.writes
        try:
            row = self._write(write)
        except RecordRejected as error:
            problem = error.problem
            told = problem.context.get("remote_message") or problem.message
            return Outcome(
                plan.entity,
                plan.label,
                "rejected",
                rejection=Rejection(
                    "target-refused",
                    f"{write.subject}: commercetools refused to {write.action} it: {told}",
                    hint="correct what it names, then: "
                    f"ct-mao-sync replay-errors --job inventory --entity {plan.entity!r}",
                    context=problem.context,
                ),
                target_failure=True,
            )
        version = row.get("version")
        mark = replace(plan.state.mark, version=version if isinstance(version, int) else None)
        done = f"{write.action} {write.subject}"
        return Outcome(
            plan.entity,
            plan.label,
            "written",
            reason=done,
            state=_Finished(mark, written=True),
            writes=(f"{done}: {write.summary}",),
        )

    def _write(self, write: Any) -> Mapping[str, Any]:
        if isinstance(write, CreateEntry):
            return self._commercetools.create_entry(write.body)
        assert isinstance(write, UpdateEntry)
        address = {"key": write.key} if write.key else {"entry_id": write.entry_id}
        return self._commercetools.update_entry(write.version, write.actions, **address)

    # ---- state -----------------------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome], now: datetime) -> None:
        done = [o.state for o in outcomes if isinstance(o.state, _Finished)]
        store.mark_entries([each.mark for each in done if each.written])
        store.mark_figures([each.mark for each in done if not each.written])
        for each in done:
            sku, _ = split_entity(each.mark.entity)
            store.mark_in_flight_counted([sku], self._counted.get(sku, {}))

    def page_done(self, store: Store, scan: Pass, *, last: bool, now: datetime) -> None:
        if scan.name != SWEEP_PASS:
            return
        if store.open_sweep() is None:
            store.begin_sweep(now)
        store.count_sweep(entry_count=self._seen, positive_count=self._seen_positive)
        self._seen = self._seen_positive = 0
        if last:
            store.finish_sweep(now)

    def pending(self, store: Store) -> Sequence[str]:
        """Entries of items whose units in flight changed since they were brought in line. Where several
        entries show one figure, a sale from one of them lowers the others, and nothing in MAO tells."""
        if "network" in self._config.inventory.modes or self._item_units.has_items_of_several_skus:
            self._in_flight.read_new_orders(store)
        skus = self._item_units.siblings(store.changed_in_flight())
        return [change.entity for change in self._source.changes_of(skus)]

    def probe(self) -> None:
        self._commercetools.read_channels_by_keys(["ct-mao-sync-probe"])


def _could_rise(reading: EntryReading) -> bool:
    entry, figure = reading.entry, reading.figure
    if isinstance(figure, Rejection) or isinstance(entry, Rejection):
        return False
    return figure.is_infinite or entry is None or figure.quantity > entry.quantity_on_stock
