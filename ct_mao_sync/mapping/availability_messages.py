"""MAO's own availability messages, as a file of JSON lines: full syncs, delta syncs, alerts.

A full sync is StartSync, any number of SyncDetails, and EndSync, with one TransactionNumber (MAO docs:
publish-availability). Its figures count at their TransactionDateTime. Everything else, also details
without their start, is a nudge: these items are to be read again. Messages can come twice and out of order.

The wrapping differs by tenant and relay, so it is not relied on: a message says what it is by the word
StartSync, SyncDetails or EndSync, as a member or as a value, and a row is any object with an ItemId; it
inherits location, view and moment from what it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import (
    NETWORK,
    Figure,
    exact_number,
    parse_figure,
    source_invalid,
)
from ct_mao_sync.mapping.message_lines import Line, line_fault, parse_lines

Part = Literal["StartSync", "SyncDetails", "EndSync", ""]
_PARTS: tuple[Part, ...] = ("StartSync", "SyncDetails", "EndSync")
_INHERITED = ("TransactionNumber", "TransactionDateTime", "ViewName", "ViewId", "LocationId", "Location")
_DEPTH_MAX = 12


@dataclass(frozen=True, slots=True)
class FullSync:
    """The figures of one full sync, keyed by (item, LocationId as sent, "" in a network view)."""

    transaction: str
    view: str
    line: int
    """Where it begins in the file."""
    figures: Mapping[tuple[str, str], Figure | Rejection]
    locations: tuple[str, ...]
    """The locations it is about; none for a network view."""
    is_complete: bool
    """Start and end were there, and its own counters prove that nothing between them is missing."""
    absent_is_zero: bool
    """What it does not name has nothing: it is complete, holds only items with stock, and left no infinite
    ones out. Otherwise nothing follows from an absence."""
    absent_is_asked: bool = False
    """It ended and holds only items with stock, but pages are missing, which may have been empty: what it
    does not name is to be asked for."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What a file of messages comes to."""

    syncs: tuple[FullSync, ...]
    nudges: tuple[str, ...]
    """ItemIds to be read again, each once."""
    faults: tuple[Rejection, ...]
    """One for each line, or sync, that cannot be used as it should; `context["line"]` says where."""
    read_count: int
    other_views_count: int
    """Messages of views that are not configured; they are passed over."""


@dataclass(slots=True)
class _Sync:
    transaction: str
    line: int
    view: str = ""
    figures: dict[tuple[str, str], Figure | Rejection] = field(default_factory=dict)
    locations: dict[str, None] = field(default_factory=dict)
    pages: dict[str, set[int]] = field(default_factory=dict)
    """Location ("" for all) -> pages seen."""
    short: str = ""
    """A page with fewer rows than it says, in words."""
    pages_total: dict[str, int] = field(default_factory=dict)
    items_total: dict[str, int] = field(default_factory=dict)
    """Location -> ItemCountForLocation."""
    total: int | None = None
    excluded: int = 0
    ended: bool = False


def parse_messages(
    lines: Iterable[str | bytes], *, views: frozenset[str] = frozenset(), file: str = ""
) -> Messages:
    """Reads the lines of `file` (its name, for faults). `views`: the names and ids of the configured views;
    messages of others are passed over, and those that name no view are only nudges. Empty: every view counts.

    Never raises for what stands in the file. A file that ends in the middle has one fault, and what came
    before it is used: its figures count, its absences do not."""
    reading = _Reading(views, file)
    for line in parse_lines(lines):
        reading.read_line(line)
    return reading.finish()


class _Reading:
    def __init__(self, views: frozenset[str], file: str) -> None:
        self._views = views
        self._file = file
        self._syncs: dict[str, _Sync] = {}
        self._nudges: dict[str, None] = {}
        self._faults: list[Rejection] = []
        self._broken: list[Line] = []
        self._read_count = 0
        self._other_views_count = 0

    def read_line(self, line: Line) -> None:
        if line.fault:
            self._broken.append(line)
            return
        for message in line.document if isinstance(line.document, list) else [line.document]:
            self._read_message(line.number, message)

    def finish(self) -> Messages:
        for line in self._broken:
            self._fault(line.number, line.fault)
        syncs = []
        for sync in self._syncs.values():
            missing, is_proven = _missing(sync), _is_proven(sync)
            # A broken line is fault enough for what it leaves incomplete.
            if missing and not self._broken:
                self._fault(
                    sync.line,
                    f"the full sync {sync.transaction} is not complete, {missing}; "
                    "what it does not name keeps its quantity",
                )
            syncs.append(_full_sync(sync, missing=missing, is_proven=is_proven))
        return Messages(
            tuple(syncs),
            tuple(self._nudges),
            tuple(self._faults),
            self._read_count,
            self._other_views_count,
        )

    def _read_message(self, number: int, message: Any) -> None:
        part, body = _part_of(message)
        if body is None:
            self._fault(number, "is JSON, but no availability message")
            return
        self._read_count += 1
        view = _text(body, "ViewName") or _text(body, "ViewId")
        if self._views and view and not self._views & {_text(body, "ViewName"), _text(body, "ViewId")}:
            self._other_views_count += 1
            return
        transaction = _text(body, "TransactionNumber")
        if part == "StartSync" and transaction:
            sync = self._syncs.get(transaction)
            if sync is None:  # else it was delivered twice
                sync = self._syncs[transaction] = _Sync(transaction, number, view)
            _count(sync, body)
            sync.locations.update(dict.fromkeys(_location_ids(body)))
        elif part == "EndSync":
            ended = self._syncs.get(transaction)
            if ended is None:
                what = f"ends the full sync {transaction or 'without number'}, whose start is not in the file"
                self._fault(number, f"{what}")
                return
            _count(ended, body)
            ended.ended = True
        elif part == "SyncDetails" and transaction in self._syncs:
            self._read_details(number, self._syncs[transaction], body)
        else:
            self._read_nudges(number, body)

    def _read_details(self, number: int, sync: _Sync, body: Mapping[str, Any]) -> None:
        _count(sync, body)
        usable = True
        rows = list(_rows_of(body, {}, 0))
        place = _location_of(body)
        said = _whole(body, "CurrentItemCount" if place else "CurrentCount")
        if said is not None and len(rows) < said and (place or not sync.locations):
            sync.short = f"line {number} has {len(rows)} of {said} rows"
        for row in rows:
            item = row["ItemId"]
            location = _location_of(row)
            if not isinstance(item, str) or not item:
                usable = False
                continue
            view = _text(row, "ViewName") or _text(row, "ViewId") or sync.view
            if self._views and not self._views & {view, _text(row, "ViewId")}:
                self._nudges[item] = None  # of which view it is nobody knows
                continue
            if location:
                sync.locations[location] = None
            key = (item, location)
            figure = self._of_line(number, _figure(row, item, location))
            if isinstance(figure, Figure) and figure.at is None:
                self._nudges[item] = None  # it cannot be told from an older one
                sync.figures.setdefault(key, self._of_line(number, _without_moment(item)))
                continue
            known = sync.figures.get(key)
            sync.figures[key] = figure if known is None else self._of_line(number, _newer(known, figure))
        if not usable:
            self._fault(number, f"the full sync {sync.transaction} has a row without ItemId")

    def _read_nudges(self, number: int, body: Mapping[str, Any]) -> None:
        items = [row["ItemId"] for row in _rows_of(body, {}, 0)]
        good = [item for item in items if isinstance(item, str) and item]
        self._nudges.update(dict.fromkeys(good))
        if len(good) < len(items) or not items:
            self._fault(number, "names no item")

    def _of_line(self, number: int, figure: Figure | Rejection) -> Figure | Rejection:
        """Where a figure that cannot be used stands."""
        if isinstance(figure, Figure) or "line" in figure.context:
            return figure
        where = line_fault(self._file, number, figure.message, figure.hint)
        return replace(figure, message=where.message, context={**figure.context, **where.context})

    def _fault(self, number: int, what: str) -> None:
        hint = "have MAO send it again, or read everything: ct-mao-sync sync inventory --full"
        self._faults.append(line_fault(self._file, number, what, hint))


def _full_sync(sync: _Sync, *, missing: str, is_proven: bool) -> FullSync:
    names_stock_alone = _names_stock_alone(sync) and not sync.excluded
    return FullSync(
        sync.transaction,
        sync.view,
        sync.line,
        sync.figures,
        tuple(sync.locations),
        is_complete=not missing and is_proven,
        absent_is_zero=not missing and is_proven and names_stock_alone,
        absent_is_asked=not missing and not is_proven and names_stock_alone,
    )


def _names_stock_alone(sync: _Sync) -> bool:
    """As a sync of items with stock alone does; in one of all items some have nothing."""
    return bool(sync.figures) and all(
        isinstance(figure, Figure) and (figure.quantity > 0 or figure.is_infinite)
        for figure in sync.figures.values()
    )


def _missing(sync: _Sync) -> str:
    """What a sync surely lacks, in words. In a sync of items with stock alone, pages without any row need not
    be sent (MAO docs: publish-availability), so there a gap says nothing."""
    if not sync.ended:
        return "its end message is missing"
    if any(not place for _, place in sync.figures) and any(place for _, place in sync.figures):
        return "it mixes rows with and without location"
    if sync.short:
        return sync.short
    if _is_proven(sync) or _names_stock_alone(sync):
        return ""
    return _gap(sync) or "nothing says how much it should hold"


def _is_proven(sync: _Sync) -> bool:
    """Its own counters prove that nothing between start and end is missing, neither rows nor pages."""
    rows = len(sync.figures)
    if not sync.locations and sync.total is not None:
        return rows in (sync.total, sync.total - sync.excluded)
    for place in tuple(sync.locations) or (NETWORK,):
        if sync.items_total.get(place) == sum(1 for _, location in sync.figures if location == place):
            continue
        pages = sync.pages_total.get(place)
        if pages is None or not sync.pages.get(place, set()).issuperset(range(pages)):
            return False
    return True


def _gap(sync: _Sync) -> str:
    for place in tuple(sync.locations) or (NETWORK,):
        count = sync.items_total.get(place) if place else sync.total
        rows = sum(1 for _, location in sync.figures if location == place)
        if count is not None and rows < count:
            return f"it has {rows} of {count} rows" + (f" of {place}" if place else "")
        pages = sync.pages_total.get(place)
        gaps = set(range(pages or 0)) - sync.pages.get(place, set())
        if gaps:
            return f"page {min(gaps)} of {pages} is missing"
    return ""


def _count(sync: _Sync, body: Mapping[str, Any]) -> None:
    """The counters of a message. Those of a location stand beside its id, in the message or below."""
    for group in _groups(body, 0):
        place = _location_of(group)
        total, excluded = _whole(group, "TotalCount"), _whole(group, "ExcludedInfiniteSupplyCount")
        if total is not None and not place:
            sync.total = total
        if excluded is not None:
            sync.excluded = max(sync.excluded, excluded)
        items, pages, page = (
            _whole(group, "ItemCountForLocation"),
            _whole(group, "TotalItemPages" if place else "TotalPages"),
            _whole(group, "CurrentItemPage" if place else "CurrentPage"),
        )
        if items is not None and place:
            sync.items_total[place] = items
        if pages is not None:
            sync.pages_total[place] = pages
        if page is not None:
            sync.pages.setdefault(place, set()).add(page)


def _groups(node: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The objects of a message that are no rows."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, Mapping):
        if "ItemId" not in node:
            yield node
            for value in node.values():
                if isinstance(value, Mapping | list):
                    yield from _groups(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            if isinstance(value, Mapping):
                yield from _groups(value, depth + 1)


def _rows_of(node: Any, inherited: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Every object with an ItemId, with what it inherits; what stands inside a row is part of it."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, Mapping):
        known = {**inherited, **{name: node[name] for name in _INHERITED if node.get(name) is not None}}
        if "ItemId" in node:
            yield {**node, **known}
            return
        for value in node.values():
            if isinstance(value, Mapping | list):
                yield from _rows_of(value, known, depth + 1)
    elif isinstance(node, list):
        for value in node:
            if isinstance(value, Mapping):
                yield from _rows_of(value, inherited, depth + 1)


def _part_of(message: Any, depth: int = 0) -> tuple[Part, Mapping[str, Any] | None]:
    """Which part of a sync a message is, and its body out of whatever it is wrapped in."""
    if not isinstance(message, Mapping) or depth > 3:
        return "", None
    for part in _PARTS:
        inner = message.get(part)
        if isinstance(inner, Mapping):
            return part, {**{name: message[name] for name in _INHERITED if name in message}, **inner}
        if isinstance(inner, list):
            return part, message
        if inner is True or part in [value for value in message.values() if isinstance(value, str)]:
            return part, message
    if "OriginalPayload" in message:
        return _part_of(message["OriginalPayload"], depth + 1)
    if len(message) == 1:
        (inner,) = message.values()
        if isinstance(inner, Mapping) and "ItemId" not in message:
            return _part_of(inner, depth + 1)
    return "", message


def _figure(row: Mapping[str, Any], item: str, location: str) -> Figure | Rejection:
    return parse_figure(row, item, location, "Quantity" if location else "TotalQuantity")


def _newer(one: Figure | Rejection, other: Figure | Rejection) -> Figure | Rejection:
    """Of two rows of one item in one sync the younger; a contradiction at one moment is refused."""
    if isinstance(one, Rejection) or isinstance(other, Rejection):
        return one if isinstance(one, Rejection) else other
    assert one.at is not None and other.at is not None
    if one.at == other.at and one.quantity != other.quantity:
        what = f"MAO sent two different quantities of one moment: {one.quantity} and {other.quantity}"
        return source_invalid(one.item, what)
    return other if other.at > one.at else one


def _without_moment(item: str) -> Rejection:
    return source_invalid(item, "its row has no TransactionDateTime", field="TransactionDateTime")


def _location_of(row: Mapping[str, Any]) -> str:
    value = row.get("LocationId") or row.get("Location")
    if isinstance(value, Mapping):
        value = value.get("LocationId")
    return value if isinstance(value, str) else ""


def _location_ids(body: Mapping[str, Any]) -> list[str]:
    found = body.get("LocationIds") or body.get("Locations") or body.get("LocationId") or ()
    names = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [
        name if isinstance(name, str) else _location_of(name)
        for name in names
        if isinstance(name, str) or (isinstance(name, Mapping) and _location_of(name))
    ]


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return str(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else ""


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    """A counter; some senders put numbers into quotes."""
    value = body.get(name)
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else None
    number = exact_number(value)
    if number is None or not number.is_finite() or not 0 <= number < 2**53:
        return None
    return int(number)
