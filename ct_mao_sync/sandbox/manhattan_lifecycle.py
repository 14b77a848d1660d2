"""What MAO, its warehouses and its stores do to an order: allocate, release, pick, pack, ship, deliver …

Each method takes the key of an order (its OrderId in the default organization), changes the order as the
default ship-to-home pipeline would, and raises Refused when the pipeline does not allow it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_allocation import UNRELEASED, AllocationSteps, trim_allocations
from .manhattan_cancel import add_history, cancel_line, decide_cancellations, finish_order
from .manhattan_envelope import Refused
from .manhattan_steps import lines_of
from .manhattan_store import reinstate_order, unknown_order
from .manhattan_totals import is_on_hold, line_range, number, order_range, rows, status_of
from .manhattan_units import require_units, take_units, units_on_the_way
from .manhattan_values import code_of, parse_moment, render_moment
from .manhattan_warehouse import WarehouseSteps

_DONE = frozenset({7000, 7500, 8000, 8500, 9000})
# Every unit fulfilled, returned or cancelled, and a return paid out or not paid here (DOC: order archiving).
_TERMINAL = frozenset({7000, 7500, 8500, 9000, 18000, 19000})
_REFUND_DONE = frozenset({0, 5000, 7000})
_STEPS = ("allocate", "release", "process", "pick", "pack", "ship", "deliver")

LIFECYCLE_STEPS = frozenset(
    {
        *("allocate", "deallocate", "backorder", "split_line", "release", "process", "unprocess", "pick"),
        *("pack", "transfer", "ship", "update_package", "deliver", "short", "cancel_units"),
        *("resolve_hold", "archive", "unarchive", "next_step"),
    }
)
"""The steps of an order, for the sandbox's own surface."""


class Lifecycle(AllocationSteps, WarehouseSteps):
    """Drives the orders of one world."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._at_rest: dict[str, datetime] = {}
        """Key of an order -> its last change, where no step of its own is left."""

    def cancel_units(
        self, order_id: str, line_id: str, quantity: Decimal | int, *, reason: str = "CancelLine"
    ) -> None:
        """Somebody in MAO cancels unreleased units of a line."""
        with self._changing(order_id) as (order, moment):
            (line,) = lines_of(order, line_id)
            units = Decimal(quantity)
            require_units(line, UNRELEASED, units)
            if units >= number(line["Quantity"]):
                cancel_line(self._world, order, line, {"ReasonId": reason}, None)
                finish_order(order, {"ReasonId": reason}, None)
                return
            take_units(line, UNRELEASED, units, moment)
            trim_allocations(line)
            line["Quantity"] = number(line["Quantity"]) - units
            line["UpdatedTimestamp"] = moment
            add_history(self._world, line, units, {"ReasonId": reason}, None)

    def resolve_hold(self, order_id: str, hold_type_id: str) -> None:
        """Somebody in MAO resolves a hold."""
        with self._changing(order_id) as (order, _):
            hold = next(
                (each for each in rows(order, "OrderHold") if each["HoldTypeId"] == hold_type_id), None
            )
            if hold is None:
                raise Refused("error.400", f"Order has no hold {hold_type_id}")
            hold["StatusId"] = "2000"

    def edit(self, order_id: str, change: Callable[[Json], None]) -> None:
        """Somebody in MAO changes the order in place by `change`; computed members follow."""
        with self._changing(order_id) as (order, _):
            change(order)

    def archive(self, order_id: str) -> None:
        """The order leaves the active database: search and GET no longer find it."""
        store = self._world.mao
        if order_id not in store.orders:
            raise unknown_order(order_id)
        store.archived[order_id] = store.orders.pop(order_id)
        store.revisions.pop(order_id, None)

    def unarchive(self, order_id: str) -> None:
        """The order is reinstated."""
        store = self._world.mao
        if order_id not in store.archived:
            raise unknown_order(order_id)
        reinstate_order(self._world, order_id, store.archived.pop(order_id))

    def next_step(self, order_id: str) -> str:
        """Drives the whole order one step further; gives the step's name, "" when nothing is left to do."""
        order = self._order(order_id)
        span = order_range(order)
        if span is None or span[0] in _DONE - {7000} or is_on_hold(order):
            return ""
        low = span[0]
        if low >= 3000 and any(units_on_the_way(order, line) > 0 for line in rows(order, "OrderLine")):
            self.transfer(order_id)
            return "transfer"
        for step, reached in zip(_STEPS, (2000, 3000, 3500, 3600, 3700, 7000, 7500), strict=True):
            if low < reached:
                if step == "release" and not order.get("IsConfirmed"):
                    return ""
                getattr(self, step)(order_id)
                return step
        return ""

    def tick(self) -> None:
        """What is due by now: late header timestamps, late cancellations, archiving, automatic steps."""
        world = self._world
        settings = world.settings
        if world.mao.cancellations:
            decide_cancellations(world)
        now = world.now(MANHATTAN)
        if settings.header_lag_s > 0:
            self._stamp_headers()
        if settings.auto_advance_s is not None:
            self._advance_due(now - timedelta(seconds=settings.auto_advance_s))
        if settings.archive_after_days is not None:
            age = timedelta(days=settings.archive_after_days)
            for key, order in list(world.mao.orders.items()):
                if world.mao.changed_at[key] + age <= now and _is_finished(order):
                    self.archive(key)

    # --- pieces

    def _advance_due(self, until: datetime) -> None:
        """One step for each order that did not change after `until`. What has none left is not asked again
        until it changes."""
        store = self._world.mao
        due = [key for key, at in store.changed_at.items() if at <= until and self._at_rest.get(key) != at]
        for key in due:
            if key in store.orders and not self.next_step(key):
                self._at_rest[key] = store.changed_at[key]

    def _stamp_headers(self) -> None:
        world = self._world
        due_until = world.now(MANHATTAN) - timedelta(seconds=world.settings.header_lag_s)
        for key, facts in world.mao.facts.items():
            due = facts.get("header_due")
            if due is None or parse_moment(due) > due_until or key not in world.mao.orders:
                continue
            del facts["header_due"]
            order = dict(world.mao.orders[key])
            stamp = parse_moment(due) + timedelta(seconds=world.settings.header_lag_s)
            order["UpdatedTimestamp"] = render_moment(max(stamp, parse_moment(order["UpdatedTimestamp"])))
            world.mao.orders[key] = order


def _is_finished(order: Json) -> bool:
    """Whether the order may be archived."""
    lines = rows(order, "OrderLine")
    for line in lines:
        units = [row for row in rows(line, "QuantityDetail") if number(row["Quantity"]) > 0]
        statuses = {status_of(row["StatusId"]) for row in units} or {line_range(line)[0]}
        if not statuses <= _TERMINAL:
            return False
    if not any(line.get("IsReturn") for line in lines):
        return bool(lines)
    return status_of(code_of(order, "PaymentStatus", "StatusId") or "0") in _REFUND_DONE
