"""What is to be done about one InventoryEntry: lower, raise, create, import, wait, or nothing. Pure.

    quantityOnStock = max(0, floor((available to commerce - in flight) / units))

in base units of the item. It is compared with `quantityOnStock`, never with `availableQuantity`: cart
reservations stay commercetools' own (commercetools docs: InventoryEntry).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Literal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import Figure
from ct_mao_sync.mapping.inventory_entry import EntryState, computed_key, entity_of, is_key
from ct_mao_sync.mapping.inventory_writes import (
    CreateEntry,
    EntryWrite,
    ImportEntry,
    UpdateEntry,
    create_entry,
    import_entry,
    update_entry,
)
from ct_mao_sync.mapping.item_units import EXACT

if TYPE_CHECKING:
    from ct_mao_sync.config import Config

__all__ = [
    "CreateEntry",
    "EntryPlan",
    "EntryTarget",
    "EntryWanted",
    "ImportEntry",
    "InventoryRules",
    "UpdateEntry",
    "guard_drops",
    "inventory_rules",
    "plan_entry",
    "quantity_of",
]

QUANTITY_ON_STOCK_MAX = 2**53
# A next date this close to the figure's own moment is "now", not a restock.
_RESTOCK_AHEAD = timedelta(minutes=1)
_ZERO = Decimal(0)
_ONE = Decimal(1)
DROPS_ALWAYS_ALLOWED = 20

PlanKind = Literal["write", "unchanged", "waiting", "pending", "missing", "outdated"]


@dataclass(frozen=True, slots=True)
class InventoryRules:
    """The settings of `[inventory]` that decide about entries, as plain values."""

    writer: Literal["auto", "rest", "import-api"] = "auto"
    tight_below: int = 20
    raise_delay_s: float = 10.0
    create_missing: bool = False
    infinite_quantity: int = 9999
    max_drop_percent: float = 20.0
    restock_date: bool = True
    """Whether `expectedDelivery` is ours to write."""
    counters_type_id: str = ""
    """Id of the Type whose fields take MAO's own counters; "" = none."""
    counter_fields: Mapping[str, str] = field(default_factory=dict)
    """"on_hand" | "protected" | "available" -> name of the custom field."""


@dataclass(frozen=True, slots=True)
class EntryWanted:
    """One entry that the job looks after."""

    sku: str
    item: str
    units: Decimal
    """Base units of the item in one sold unit."""
    channel_key: str = ""
    """"" = the entry without channel, which shows the network view."""
    channel_id: str = ""

    @property
    def entity(self) -> str:
        return entity_of(self.sku, self.channel_key)


@dataclass(frozen=True, slots=True)
class EntryTarget:
    """Everything that was read for one entry. The seconds are of one monotonic clock."""

    entry: EntryState | None
    figure: Figure | Rejection
    in_flight: Decimal = _ZERO
    """Base units that the shop has sold and the figure still contains."""
    entries_read_s: float = 0.0
    """When the answer with the entry was there."""
    orders_read_began_s: float = 0.0
    """When the query for the orders in flight was sent."""
    pending_import: bool = False
    last_written_version: int | None = None
    """The entry's version after our own last write; None when it is not known."""
    figure_at: datetime | None = None
    """The last moment that the figure is known to have been true, on MAO's clock."""
    last_figure_at: datetime | None = None
    """For figures that come as messages: that of the figure known by now. An older one is ignored."""
    may_import: bool = True
    """False where it is not worth it, or the entry was written another way in this run."""
    key_is_free: bool = True
    """False once commercetools refused the computed key: the quantity must not wait for it."""


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """`was` is the quantity read (None: no entry), `quantity` what it should be."""

    entity: str
    kind: PlanKind
    quantity: int
    was: int | None
    writes: tuple[EntryWrite, ...] = ()
    reason: str = ""

    @property
    def is_drop(self) -> bool:
        """From something to nothing."""
        return self.kind == "write" and self.quantity == 0 and self.was is not None and self.was > 0


def quantity_of(figure: Figure, in_flight: Decimal, units: Decimal, rules: InventoryRules) -> int | Rejection:
    """Whole sold units, rounded down, never negative. Infinite availability is the configured quantity:
    a single sale makes it no smaller. `uom-inexact` when the division would not be exact."""
    if figure.is_infinite:
        return rules.infinite_quantity
    try:
        free = EXACT.subtract(figure.quantity, in_flight) if in_flight else figure.quantity
        if free <= 0:
            return 0
        whole = int(free) if units == _ONE else int(EXACT.divide_int(free, units))
    except DecimalException:
        return Rejection(
            "uom-inexact",
            f"item {figure.item!r}: {figure.quantity} less {in_flight} base units cannot be counted exactly "
            f"in units of {units}",
            field="mapping.skus_file",
            hint="correct the units of the SKU in the file of mapping.skus_file",
        )
    if whole > QUANTITY_ON_STOCK_MAX:
        return Rejection(
            "source-invalid",
            f"item {figure.item!r}: {whole} sold units are more than can be counted",
            hint="look at the item in MAO, and at its units in the file of mapping.skus_file",
        )
    return whole


def plan_entry(wanted: EntryWanted, target: EntryTarget, rules: InventoryRules) -> EntryPlan | Rejection:
    """Lower at once; raise only when the orders were asked for `raise_delay_s` after the entry was read:
    commercetools' own figures lag behind its orders by up to 10 s (commercetools docs: release of
    2026-01-19), and until then a sale could be missing from both."""
    figure, entry = target.figure, target.entry
    if isinstance(figure, Rejection):
        return _of_entry(wanted, figure)
    quantity = quantity_of(figure, target.in_flight, wanted.units, rules)
    if isinstance(quantity, Rejection):
        return _of_entry(wanted, quantity)
    entity = wanted.entity
    was = None if entry is None else entry.quantity_on_stock
    if target.pending_import:
        return EntryPlan(entity, "pending", quantity, was, reason="an import is not settled yet")
    if target.last_figure_at is not None and (figure.at is None or figure.at < target.last_figure_at):
        return EntryPlan(entity, "outdated", quantity, was, reason="a newer figure is known")
    restock = _restock(figure) if figure.next_at is not None and rules.restock_date else None
    if entry is None or was is None:
        return _plan_missing(wanted, target, rules, figure, quantity, restock)
    if restock is not None and restock == entry.expected_delivery:
        restock = None
    if quantity == was and restock is None and not rules.counter_fields:
        return EntryPlan(entity, "unchanged", quantity, was)
    if quantity > was and not _may_raise(target, rules):
        return EntryPlan(entity, "waiting", quantity, was, reason="raised by the next run: orders may lag")
    if _imports(target, entry, rules, quantity):
        if quantity == was and restock is None:
            return EntryPlan(entity, "unchanged", quantity, was)
        imported = import_entry(wanted.sku, wanted.channel_key, entry.key, quantity, was, restock, entry)
        return EntryPlan(entity, "write", quantity, was, (imported,))
    update = update_entry(
        entity,
        entry,
        quantity,
        restock,
        "" if entry.key or not target.key_is_free else computed_key(wanted.sku, wanted.channel_key),
        _counters(figure, rules) if rules.counter_fields else {},
        rules.counters_type_id,
    )
    if update is None:
        return EntryPlan(entity, "unchanged", quantity, was)
    return EntryPlan(entity, "write", quantity, was, (update,))


@dataclass(frozen=True, slots=True)
class DropGuard:
    """What the guard says of one page. `drops` are its own, held or not."""

    held: Mapping[str, Rejection]
    drops: frozenset[str]


def guard_drops(
    plans: Iterable[EntryPlan],
    *,
    drops_before: Set[str],
    positive_at_last_sweep: int | None,
    rules: InventoryRules,
    allow: bool = False,
) -> DropGuard:
    """Holds back the falls to 0 from above `tight_below` of this page once the run has more of them than
    max(20, `max_drop_percent` of the entries that were positive at the last full sweep). Entries that
    sell out from low stock never count, and nothing else is ever held.

    drops_before  entities of the run's drops so far: one that was held is met again by the next pass"""
    limit = max(
        DROPS_ALWAYS_ALLOWED, int((positive_at_last_sweep or 0) * Decimal(str(rules.max_drop_percent)) / 100)
    )
    drops = {plan.entity: plan for plan in plans if plan.is_drop and (plan.was or 0) > rules.tight_below}
    count = len(drops_before | drops.keys())
    held = {} if allow or count <= limit else drops
    return DropGuard(
        {entity: _drop_limit(plan, count, limit) for entity, plan in held.items()}, frozenset(drops)
    )


def inventory_rules(config: Config) -> InventoryRules:
    """The rules of a configuration."""
    inventory = config.inventory
    return InventoryRules(
        writer=inventory.writer,
        tight_below=inventory.tight_below,
        raise_delay_s=inventory.raise_delay_seconds,
        create_missing=inventory.create_missing,
        infinite_quantity=inventory.infinite_quantity,
        max_drop_percent=inventory.max_drop_percent,
        restock_date=inventory.restock_date,
        counter_fields={str(counter): name for counter, name in inventory.counters.items()},
    )


def _plan_missing(
    wanted: EntryWanted,
    target: EntryTarget,
    rules: InventoryRules,
    figure: Figure,
    quantity: int,
    restock: datetime | None,
) -> EntryPlan:
    if not rules.create_missing:
        reason = "no such entry in commercetools (inventory.create_missing = false)"
        return EntryPlan(wanted.entity, "missing", quantity, None, reason=reason)
    if not figure.is_listed:
        return EntryPlan(wanted.entity, "missing", quantity, None, reason="not sold from this location")
    # An entry that shows nothing is better than none: a shop without entry takes the SKU for untracked.
    if quantity > 0 and not _may_raise(target, rules):
        return EntryPlan(
            wanted.entity, "waiting", quantity, None, reason="created by the next run: orders may lag"
        )
    key = computed_key(wanted.sku, wanted.channel_key)
    write: EntryWrite
    if rules.writer == "import-api" and target.may_import and target.key_is_free and not rules.counter_fields:
        write = import_entry(wanted.sku, wanted.channel_key, key, quantity, None, restock, None)
    else:
        write = create_entry(
            wanted.sku,
            wanted.channel_key,
            key if target.key_is_free else "",
            quantity,
            restock,
            counters=_counters(figure, rules),
            counters_type_id=rules.counters_type_id,
        )
    return EntryPlan(wanted.entity, "write", quantity, None, (write,))


def _may_raise(target: EntryTarget, rules: InventoryRules) -> bool:
    return target.orders_read_began_s - target.entries_read_s >= rules.raise_delay_s


def _imports(target: EntryTarget, entry: EntryState, rules: InventoryRules, quantity: int) -> bool:
    """An import has neither version nor order, and replaces the whole entry: `auto` uses it only where no
    sale can be lost by it, and nothing does where it would take something else of the entry away."""
    if rules.writer == "rest" or not target.may_import or not is_key(entry.key):
        return False
    if entry.custom_fields is not None or entry.has_limits or rules.counter_fields:
        return False
    if rules.writer == "import-api":
        return True
    return (
        min(quantity, entry.quantity_on_stock) > rules.tight_below
        and not target.in_flight
        and target.last_written_version is not None
        and target.last_written_version == entry.version
    )


def _restock(figure: Figure) -> datetime | None:
    """When more is expected; MAO also gives the present moment for what is available now."""
    if figure.next_at is None:
        return None
    if figure.at is not None and figure.next_at <= figure.at + _RESTOCK_AHEAD:
        return None
    # commercetools keeps milliseconds; a finer moment would differ for ever.
    return figure.next_at.replace(microsecond=figure.next_at.microsecond // 1000 * 1000)


def _counters(figure: Figure, rules: InventoryRules) -> dict[str, Decimal]:
    if not rules.counters_type_id:
        return {}
    values = {"on_hand": figure.on_hand, "protected": figure.protected, "available": figure.quantity}
    named = {name: values.get(counter) for counter, name in rules.counter_fields.items()}
    return {name: value for name, value in named.items() if value is not None}


def _of_entry(wanted: EntryWanted, rejection: Rejection) -> Rejection:
    """The rejection of an item, told of the entry that waits for it."""
    where = f" (channel {wanted.channel_key})" if wanted.channel_key else ""
    return replace(
        rejection,
        message=f"SKU {wanted.sku!r}{where}: {rejection.message}",
        hint=f"{rejection.hint}; then: ct-mao-sync sync inventory --sku {shlex.quote(wanted.sku)}",
    )


def _drop_limit(plan: EntryPlan, count: int, limit: int) -> Rejection:
    sku = shlex.quote(plan.entity.rpartition("|")[0])
    return Rejection(
        "drop-limit",
        f"inventory entry {plan.entity}: {plan.was} -> 0 is held back; {count} entries of this run would "
        f"sell out from plenty, allowed are {limit}",
        field="inventory.max_drop_percent",
        hint=f"look: ct-mao-sync sync inventory --sku {sku} --dry-run; "
        "if MAO is right: ct-mao-sync sync inventory --allow-drop",
        context={"drops": count, "limit": limit},
    )
