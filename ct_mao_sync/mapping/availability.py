"""MAO's availability rows as figures: what is available to commerce, in base units of the item.

A figure is exact or it is a Rejection: a quantity that cannot be read is never taken for 0. Only one
absence means 0: no row for an item at a location, in an answer that is otherwise sound (MAO docs:
atc-rest-apis, an ineligible pair has no row; a network view has a row for every item asked for).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.item_units import EXACT
from ct_mao_sync.mapping.locations import Locations

QUANTITY_MAX = Decimal(2**53)
"""Beyond it a JSON number is no longer exact in either system."""

NETWORK = ""
"""In place of a LocationId: the whole network."""

_ZERO = Decimal(0)
_SHOWN_MAX = 40


@dataclass(frozen=True, slots=True)
class Figure:
    """What MAO can promise of one item, in a network view (`location` "") or at one location. Quantities
    are in base units and never negative (MAO docs: how-is-availability-computed)."""

    item: str
    location: str
    quantity: Decimal
    is_infinite: bool = False
    at: datetime | None = None
    """TransactionDateTime, aware UTC."""
    next_at: datetime | None = None
    """NextAvailabilityDate, else FirstAvailableFutureDate."""
    is_listed: bool = True
    """MAO gave a row; False for the documented absence, which is 0."""
    on_hand: Decimal | None = None
    protected: Decimal | None = None
    """Network protection, all location types together; None where the view does not tell."""


def parse_network_rows(
    rows: Iterable[Mapping[str, Any]], items: Sequence[str]
) -> dict[str, Figure | Rejection]:
    """A figure for each item asked for; rows of other items are left out. `source-invalid` for an item
    with a bad quantity, two different rows, or no row."""
    wanted = frozenset(items)
    found: dict[str, Figure | Rejection] = {}
    others: dict[str, str] = {}
    for row in rows:
        item = row.get("ItemId") if isinstance(row, Mapping) else None
        if not isinstance(item, str):
            continue  # every item asked for without a row is refused below
        if item not in wanted:
            others[fold(item)] = item
            continue
        figure = parse_figure(row, item, NETWORK, "TotalQuantity")
        found[item] = _joined(found[item], figure) if item in found else figure
    return {item: found[item] if item in found else _no_row(item, others.get(fold(item))) for item in wanted}


def parse_location_rows(
    rows: Iterable[Mapping[str, Any]], items: Sequence[str], locations: Sequence[str]
) -> dict[tuple[str, str], Figure | Rejection]:
    """A figure for each item at each location asked for, keyed by the LocationId as asked. No row is 0,
    unless a row of the answer cannot be told whose it is: then no absence can be relied on."""
    wanted = frozenset(items)
    places = Locations(dict.fromkeys(locations, ""))
    known: dict[str, str | None] = {location: location for location in locations}
    found: dict[tuple[str, str], Figure | Rejection] = {}
    seen: set[str] = set()
    others: dict[str, str] = {}
    nameless = False
    astray: dict[str, str] = {}
    for row in rows:
        item = row.get("ItemId") if isinstance(row, Mapping) else None
        if not isinstance(item, str) or not item:
            nameless = True
            continue
        if item not in wanted:
            others[fold(item)] = item
            continue
        seen.add(item)
        sent = row.get("LocationId")
        if not isinstance(sent, str) or not sent:
            astray[item] = "has a row without LocationId"
            continue
        if sent not in known:
            known[sent] = places.find(sent)
            if known[sent] is None and places.candidates(sent):
                astray[item] = f"has a row of {_shown(sent)}, which fits several locations asked for"
        location = known[sent]
        if location is None:
            if places.candidates(sent):
                astray[item] = f"has a row of {_shown(sent)}, which fits several locations asked for"
            continue
        key = (item, location)
        figure = parse_figure(row, item, location, "Quantity")
        found[key] = _joined(found[key], figure) if key in found else figure
    twins = {**others, **{fold(item): item for item in seen}}
    answer: dict[tuple[str, str], Figure | Rejection] = {}
    for item in dict.fromkeys(items):
        doubt: Rejection | None = None
        if nameless:
            doubt = source_invalid(
                item, "MAO's answer has a row without ItemId, so that a missing row may not be 0"
            )
        elif item in astray:
            doubt = source_invalid(item, astray[item])
        elif item not in seen and fold(item) in twins:
            doubt = _no_row(item, twins[fold(item)])
        for location in locations:
            key = (item, location)
            if key in found:
                answer[key] = found[key]
            else:
                answer[key] = doubt or Figure(item, location, _ZERO, is_listed=False)
    return answer


def parse_figure(row: Mapping[str, Any], item: str, location: str, field: str) -> Figure | Rejection:
    """One row; `field` holds its quantity: TotalQuantity in a network view, Quantity at a location."""
    infinite = row.get("IsInfiniteAvailability")
    is_infinite = infinite is True or (isinstance(infinite, str) and infinite.lower() == "true")
    value = row.get(field)
    quantity = value if type(value) is Decimal else exact_number(value)
    if quantity is None or not quantity.is_finite() or quantity < 0 or quantity > QUANTITY_MAX:
        if not (is_infinite and value is None):
            return _bad_quantity(item, location, field, value, quantity)
        quantity = _ZERO
    on_hand, protection = row.get("OnHandQuantity"), row.get("NetworkProtectionQuantity")
    at, next_at = row.get("TransactionDateTime"), row.get("NextAvailabilityDate")
    future = next_at or row.get("FirstAvailableFutureDate")
    return Figure(
        item,
        location,
        quantity,
        is_infinite,
        None if at is None else parse_moment(at),
        None if future is None else parse_moment(future),
        True,
        None if on_hand is None else _counter(on_hand),
        None if not protection else _counter_sum(protection),
    )


def sum_figures(figures: Sequence[Figure | Rejection]) -> Figure | Rejection:
    """Several locations that one channel stands for: their stock together, as old as the oldest of them.
    One that cannot be read makes the sum unreadable."""
    first = figures[0]
    for figure in figures[1:]:
        if isinstance(first, Rejection):
            return first
        if isinstance(figure, Rejection):
            return figure
        first = Figure(
            first.item,
            first.location,
            EXACT.add(first.quantity, figure.quantity),
            first.is_infinite or figure.is_infinite,
            _earliest(first.at, figure.at),
            _earliest(first.next_at, figure.next_at),
            first.is_listed or figure.is_listed,
            _counted(first.on_hand, figure.on_hand),
            _counted(first.protected, figure.protected),
        )
    return first


def looks_unpublished(rows: Iterable[Mapping[str, Any]]) -> bool:
    """True when items are available and not one of them has a quantity: the mark of a view with
    PublishQuantity=false, whose zeros mean nothing (MAO docs: publish-availability). Rows of infinite
    availability and rows that are out of stock say nothing either way."""
    available = False
    for row in rows:
        if not isinstance(row, Mapping) or row.get("IsInfiniteAvailability") is True:
            continue
        if not _is_available(row):
            continue
        available = True
        if _has_quantity(row.get("TotalQuantity")) or _has_quantity(row.get("Quantity")):
            return False
    return available


def parse_moment(value: Any) -> datetime | None:
    """MAO's timestamps: UTC without saying so, with 0 to 6 digits of fraction (MAO docs: samples). None
    for what is no timestamp."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def exact_number(value: Any) -> Decimal | None:
    """A JSON number as it stands; None for anything else, a text that looks like one included."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None


def fold(item: str) -> str:
    """Equal for ids that a data base without cases, or with another normal form, takes for one."""
    return (
        item if item.isascii() and item.isupper() else unicodedata.normalize("NFKC", item).casefold().upper()
    )


def source_invalid(item: str, what: str, *, field: str = "") -> Rejection:
    """A `source-invalid` of one item."""
    return Rejection(
        code="source-invalid",
        message=f"item {_shown(item)}: {what}",
        field=field,
        hint="look at the item's availability in MAO; the shop keeps its quantity until MAO gives a good one",
        context={"item": item[:200]},
    )


def _is_available(row: Mapping[str, Any]) -> bool:
    code = exact_number(row.get("StatusCode"))
    if code is not None and code.is_finite():
        return code > 0
    status = row.get("Status")
    return isinstance(status, str) and status.upper() not in ("", "OUT_OF_STOCK")


def _has_quantity(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_quantity(each) for each in value.values())
    number = exact_number(value)
    return number is not None and number != 0


def _joined(one: Figure | Rejection, other: Figure | Rejection) -> Figure | Rejection:
    """Two rows of the same thing: the same quantity is said twice, two quantities contradict."""
    if isinstance(one, Rejection) or isinstance(other, Rejection):
        return one if isinstance(one, Rejection) else other
    if (one.quantity, one.is_infinite) != (other.quantity, other.is_infinite):
        where = f" at {_shown(one.location)}" if one.location else ""
        return source_invalid(
            one.item, f"MAO gave two different quantities{where}: {one.quantity} and {other.quantity}"
        )
    return replace(one, at=_earliest(one.at, other.at))


def _no_row(item: str, twin: str | None) -> Rejection:
    if twin is not None:
        return source_invalid(item, f"MAO answered for {_shown(twin)} instead, another spelling of the id")
    return source_invalid(item, "MAO's answer has no row for it")


def _bad_quantity(item: str, location: str, field: str, value: Any, quantity: Decimal | None) -> Rejection:
    if value is None:
        what = f"MAO gave no {field}"
    elif quantity is None:
        what = f"{field} is {_shown(value)}, not a number"
    elif not quantity.is_finite():
        what = f"{field} is {quantity}, not a number"
    elif quantity < 0:
        what = f"{field} is {_shown_number(quantity)}; an availability is never negative"
    else:
        what = f"{field} is {_shown_number(quantity)}, more than can be counted"
    return source_invalid(item, what + (f" (location {_shown(location)})" if location else ""), field=field)


def _counter(value: Any) -> Decimal | None:
    number = exact_number(value)
    return number if number is not None and number.is_finite() else None


def _counter_sum(value: Any) -> Decimal | None:
    if not isinstance(value, Mapping):
        return _counter(value)
    numbers = [_counter(each) for each in value.values()]
    total = _ZERO
    for number in numbers:
        if number is not None:
            total += number
    return total


def _counted(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def _shown_number(value: Decimal) -> str:
    return f"{value:f}" if abs(value.adjusted()) < _SHOWN_MAX else f"{value:.3E}"
