"""One step of MAO's pipeline as a change of one order: read a copy, change it, compute, store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_envelope import Refused
from .manhattan_store import order_not_permitted, store_order, unknown_order
from .manhattan_totals import compute_order, is_on_hold, rows
from .manhattan_units import move_units
from .manhattan_values import copy_json, render_moment


class Steps:
    """What every step of the lifecycle stands on. Orders are named by their OrderId in the default org."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _order(self, order_id: str) -> Json:
        order = self._world.mao.orders.get(order_id)
        if order is None:
            raise unknown_order(order_id)
        return order

    @contextmanager
    def _changing(self, order_id: str) -> Iterator[tuple[Json, str]]:
        """A copy of the order to change, and the moment of the change; stored unless something is raised."""
        with self._world.lock:
            order = copy_json(self._order(order_id))
            moment = render_moment(self._world.now(MANHATTAN))
            yield order, moment
            if self._world.settings.header_lag_s > 0:
                self._world.mao.facts.setdefault(order_id, {})["header_due"] = moment
            else:
                order["UpdatedTimestamp"] = moment
            compute_order(order, self._world.new_id)
            store_order(self._world, order_id, order)

    def _advance(
        self,
        order_id: str,
        line_id: str | None,
        quantity: Decimal | int | None,
        sources: tuple[int, ...],
        target: int,
    ) -> None:
        with self._changing(order_id) as (order, moment):
            for line in lines_of(order, line_id):
                move_units(self._world, line, sources, target, quantity, moment)


def lines_of(order: Json, line_id: str | None) -> list[Json]:
    """The line, or every one; raises Refused when there is none."""
    lines = [each for each in rows(order, "OrderLine") if line_id in (None, each["OrderLineId"])]
    if not lines:
        raise Refused("error.400", f"Order line {line_id} does not exist", field="OrderLineId")
    return lines


def refuse_held(order: Json) -> None:
    """Raises Refused while a hold is on the order."""
    if is_on_hold(order):
        raise order_not_permitted(order["OrderId"], "On Hold")
