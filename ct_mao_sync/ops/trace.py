"""The whole life of one order: both systems, all jobs, what was decided and what would be decided now.

Found by order number, commercetools id, MAO OrderId, tracking number or return id. A system that is down
leaves a gap that is named; what the state knows is told all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ct_mao_sync.clients.manhattan_calls import is_queryable
from ct_mao_sync.engine.compare import Finding, compare
from ct_mao_sync.engine.rows import DeadLetter
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.errors import Problem, SyncError
from ct_mao_sync.mapping.in_flight import InFlightLine
from ct_mao_sync.mapping.shop_id import is_shop_id
from ct_mao_sync.ops.reading import Reading
from ct_mao_sync.ops.timeline import (
    Moment,
    moments_of_events,
    moments_of_mao_order,
    moments_of_shop_order,
    sorted_moments,
)

Row = Mapping[str, Any]

_LINE = dict.fromkeys(
    (
        "OrderLineId",
        "ItemId",
        "Quantity",
        "IsReturn",
        "IsCancelled",
        "ParentOrderId",
        "MinFulfillmentStatusId",
        "MaxFulfillmentStatusId",
    )
)
_DETAIL = dict.fromkeys(("Quantity", "PackageId", "TrackingNumber", "FulfillmentDate", "StatusId"))
_TEMPLATE: Row = {
    **dict.fromkeys(("OrderId", "AlternateOrderId", "CreatedTimestamp", "UpdatedTimestamp", "IsCancelled")),
    "OrderHold": {"HoldTypeId": None, "StatusId": None},
    "Release": dict.fromkeys(("ReleaseId", "ShipFromLocationId", "CreatedTimestamp")),
    "OrderTrackingInfo": dict.fromkeys(("TrackingNumber", "DeliveredDate")),
    "OrderLine": {**_LINE, "FulfillmentDetail": _DETAIL},
}
"""Never a name or an address: what is not read cannot be told."""


@dataclass(slots=True)
class Trace:
    """What is known of one order. No personal data."""

    asked: str
    order_id: str = ""
    """commercetools' id, the key of everything."""
    order_number: str = ""
    mao_order_id: str = ""
    return_ids: list[str] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """Open and discarded ones; those that were closed are in the timeline."""
    present: list[tuple[str, Finding]] = field(default_factory=list)
    """(job, what it would do now, and why)."""
    in_flight: list[InFlightLine] = field(default_factory=list)
    """Its lines whose units MAO's availability may not know of."""
    gaps: list[Problem] = field(default_factory=list)
    """What could not be read, and why."""

    @property
    def is_found(self) -> bool:
        return bool(self.order_id or self.mao_order_id or self.timeline or self.dead_letters)

    @property
    def names(self) -> list[str]:
        """Everything it goes by, each once."""
        names = (self.asked, self.order_id, self.order_number, self.mao_order_id, *self.return_ids)
        return [name for name in dict.fromkeys(names) if name]


def trace_order(reading: Reading, asked: str, jobs: Sequence[str]) -> Trace:
    """`jobs`: those whose present plan is wanted; there is none when a system is in trouble, which is told as
    a gap and never raised."""
    return _Tracer(reading, asked).trace(jobs)


class _Tracer:
    def __init__(self, reading: Reading, asked: str) -> None:
        self._reading = reading
        self._found = Trace(asked.strip())
        self._moments: list[Moment] = []

    def trace(self, jobs: Sequence[str]) -> Trace:
        found = self._found
        self._look_into_state()
        self._try(self._read_shop)
        self._try(self._read_mao)
        if not self._is_in_shop and not found.gaps and found.mao_order_id:
            # MAO alone knew the name: a package, or a return.
            self._try(self._read_shop)
        store = self._reading.store
        self._moments += moments_of_events(store.events(*found.names))
        found.timeline = sorted_moments(self._moments)
        letters = {letter.id: letter for name in found.names for letter in self._letters(name)}
        found.dead_letters = list(letters.values())
        if found.order_id:
            found.in_flight = store.in_flight_lines([found.order_id])
        if found.is_found and not found.gaps:
            # A plan needs both systems, and whoever asks is not to wait for the one that is down again.
            for job in jobs:
                self._try(partial(self._plan, job))
        return found

    # ---- what it goes by ---------------------------------------------------------------------------

    def _look_into_state(self) -> None:
        store, found = self._reading.store, self._found
        asked = found.asked
        entities = [asked, *store.sent_as([asked])]
        entities += [event.entity for event in store.events(asked, n=1)]
        entities += [letter.entity for letter in self._letters(asked)]
        for entity, sent in store.sent(entities).items():
            found.order_id, found.mao_order_id = entity, sent.mao_order_id
        if not found.order_id:
            found.order_id = next((name for name in entities if is_shop_id(name)), "")

    def _letters(self, name: str) -> list[DeadLetter]:
        return self._reading.store.dead_letters(entity=name, include_discarded=True)

    # ---- what the systems say ------------------------------------------------------------------------

    _is_in_shop = False

    def _read_shop(self) -> None:
        shop, found = self._reading.commercetools(), self._found
        order: Row | None = shop.read_order(found.order_id) if found.order_id else None
        if order is None and not found.order_id:
            names = [name for name in (found.asked, found.mao_order_id) if name]
            rows = shop.read_orders_by_numbers(names) or shop.read_orders_by_traces(names)
            order = rows[0] if rows else None
        if order is None:
            return
        self._is_in_shop = True
        found.order_id = str(order["id"])
        found.order_number = str(order.get("orderNumber") or "")
        self._moments += moments_of_shop_order(order)

    def _read_mao(self) -> None:
        manhattan, found = self._reading.manhattan(), self._found
        rows: dict[str, Row] = {}
        for name in (found.asked, found.order_id, found.mao_order_id):
            if name and is_queryable(name) and not (name == found.asked and found.order_id):
                rows |= _by_id(manhattan.search_orders_by_name(name, _TEMPLATE))
        orders, returns = _parted(rows)
        lines = [line for row in returns for line in row.get("OrderLine") or ()]
        missing = {str(p) for line in lines if (p := line.get("ParentOrderId"))} - rows.keys()
        if not orders and missing:
            rows |= _by_id(manhattan.read_orders_by_ids(sorted(missing), _TEMPLATE))
            orders, returns = _parted(rows)
        if len(orders) == 1:
            found.mao_order_id = str(orders[0]["OrderId"])
            alternate = str(orders[0].get("AlternateOrderId") or "")
            if not found.order_id and is_shop_id(alternate):
                found.order_id = alternate
            known = {str(row["OrderId"]) for row in returns}
            more = manhattan.search_orders_by_name(found.mao_order_id, _TEMPLATE)
            returns += [row for row in _parted(_by_id(more))[1] if row["OrderId"] not in known]
        elif not orders and found.mao_order_id:
            archived = manhattan.read_archived_order(found.mao_order_id)
            if archived is not None:
                self._moments += moments_of_mao_order(archived, archived=True)
        found.return_ids = [str(row["OrderId"]) for row in returns]
        for row in (*orders, *returns):
            self._moments += moments_of_mao_order(row)

    # ---- what would be done now ----------------------------------------------------------------------

    def _plan(self, name: str) -> None:
        found = self._found
        job = self._reading.build_job(name, RunOptions(dry_run=True))
        label = found.order_id or found.mao_order_id or found.asked
        changes, missing = job.read_given([label])
        findings = compare(job, self._reading.store, changes, self._reading.redact)
        found.present += [(name, finding) for finding in findings]
        if not findings:
            said = missing[0][1].message if missing else "nothing of it concerns this job"
            found.present.append((name, Finding(label, label, "", said)))

    def _try(self, read: Any) -> None:
        try:
            read()
        except SyncError as error:
            self._found.gaps.append(error.problem)


def _by_id(rows: Iterable[Row]) -> dict[str, Row]:
    return {str(row["OrderId"]): row for row in rows if row.get("OrderId")}


def _parted(rows: Mapping[str, Row]) -> tuple[list[Row], list[Row]]:
    """(orders, returns): a return is an order whose lines come back."""
    orders: list[Row] = []
    returns: list[Row] = []
    for row in rows.values():
        is_return = any(line.get("IsReturn") for line in row.get("OrderLine") or ())
        (returns if is_return else orders).append(row)
    return orders, returns
