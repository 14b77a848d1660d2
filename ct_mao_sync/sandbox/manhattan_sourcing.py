"""The lifecycle of orders in a tenant that keeps stock: allocation takes stock from somewhere, or fails."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from .core import Json, World
from .manhattan_available import free_units
from .manhattan_envelope import Refused
from .manhattan_lifecycle import Lifecycle
from .manhattan_stock import mark_errored, plain_location, shown_location, stock_of
from .manhattan_store import order_not_permitted
from .manhattan_totals import ZERO, is_on_hold, rows
from .manhattan_units import open_parts, units_at
from .manhattan_values import code_of

_UNALLOCATED = (1500, 1600, 1000)
_STEP_OF = {2000: "release", 3000: "process", 3500: "pick", 3600: "pack", 3700: "ship", 7000: "deliver"}


class SourcedLifecycle(Lifecycle):
    """Drives orders as `Lifecycle` does; once the tenant has locations, by its stock.

    Units are allocated where free stock is, split over locations when one does not do; what is found nowhere
    is back-ordered. A short marks the supply it was expected from as errored.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world

    def allocate(
        self,
        order_id: str,
        line_id: str | None = None,
        quantity: Decimal | int | None = None,
        *,
        location: str | None = None,
    ) -> None:
        """Open or back-ordered units find stock at `location` or anywhere; the rest is back-ordered."""
        stock = stock_of(self._world)
        if not stock.locations:
            super().allocate(order_id, line_id, quantity, location=location or "DC1")
            return
        order = self._order(order_id)
        if is_on_hold(order):
            raise order_not_permitted(order_id, "On Hold")
        lines = [line for line in rows(order, "OrderLine") if line_id in (None, line["OrderLineId"])]
        if not lines:
            raise Refused("error.400", f"Order line {line_id} does not exist", field="OrderLineId")
        for line in lines:
            if line.get("IsCancelled") or line.get("IsReturn"):
                continue
            if code_of(line, "DeliveryMethod", "DeliveryMethodId") == "Email":
                super().allocate(order_id, line["OrderLineId"], quantity)
            else:
                self._allocate_line(order_id, line, quantity, location)

    def _allocate_line(
        self, order_id: str, line: Json, quantity: Decimal | int | None, location: str | None
    ) -> None:
        line_id = line["OrderLineId"]
        left = sum((units_at(line, status) for status in _UNALLOCATED), ZERO)
        if quantity is not None:
            left = min(left, Decimal(quantity))
        for place, free in self._sources(line, location):
            part = min(left, free)
            if part > 0:
                shown = shown_location(self._world, place, internal=True)
                super().allocate(order_id, line_id, part, location=shown)
                left -= part
        open_units = min(left, units_at(self._line(order_id, line_id), 1000))
        if open_units > 0:
            super().backorder(order_id, line_id, open_units)

    def _sources(self, line: Json, location: str | None) -> list[tuple[str, Decimal]]:
        """(LocationId, free units in the line's UOM), the fullest warehouse first, then stores."""
        stock = stock_of(self._world)
        item_id = line["ItemId"]
        places = [plain_location(self._world, location)] if location else list(stock.locations)
        factor = stock.factor(item_id, line.get("UOM"))
        found = []
        for place in places:
            free = (free_units(self._world, item_id, place) / factor).to_integral_value(ROUND_FLOOR)
            row = stock.locations.get(place)
            if free > 0 and row is not None and place not in stock.outages:
                found.append((row["LocationTypeId"] != "DistributionCenters", -free, place))
        return [(place, -negative) for _, negative, place in sorted(found)]

    def short(
        self,
        order_id: str,
        line_id: str,
        quantity: Decimal | int,
        *,
        cancel: bool = True,
        reason: str = "FulfillmentSystemShorted",
        release_id: str | None = None,
    ) -> None:
        """The warehouse does not find units: cancelled or back-ordered, and their supply is errored."""
        order, line = self._order(order_id), self._line(order_id, line_id)
        parts = open_parts(order, line, Decimal(quantity), release_id=release_id)
        missing = {release.get("ShipFromLocationId") for release, _, _ in parts}
        super().short(order_id, line_id, quantity, cancel=cancel, reason=reason, release_id=release_id)
        for place in missing:
            if place:
                mark_errored(self._world, line["ItemId"], place)

    def next_step(self, order_id: str) -> str:
        """As in `Lifecycle`; units that find no stock do not hold up those that did."""
        before = self._order(order_id)
        step = super().next_step(order_id)
        after = self._world.mao.orders.get(order_id)
        if step != "allocate" or after is not before:
            return step
        for status, name in _STEP_OF.items():
            if name == "release" and not before.get("IsConfirmed"):
                continue
            if any(units_at(line, status) > 0 for line in rows(before, "OrderLine")):
                getattr(self, name)(order_id)
                return name
        return ""

    def _line(self, order_id: str, line_id: str) -> Json:
        for line in rows(self._order(order_id), "OrderLine"):
            if line["OrderLineId"] == line_id:
                return line
        raise Refused("error.400", f"Order line {line_id} does not exist", field="OrderLineId")
