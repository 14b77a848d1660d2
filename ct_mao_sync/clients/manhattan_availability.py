"""Availability to commerce, asked of MAO so that half an answer never passes for "nothing in stock".

A network view answers every item, so an item without a row was not answered. A location view has no row for
what is not eligible (MAO docs, atc-rest-apis): there only the shape of the answer can tell.

For a location view MAO documents `data: []`, not `data: null`. MAO uses null for "no rows" elsewhere, and for
what went wrong too, so it proves nothing: it is believed for no item, however few were asked for. They are
asked for once more together with an item that has a row, the witness. With its row in the answer the absence
of theirs is the documented one, which is 0; without, the view is not answering, and the run stops before
anything is written.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from ct_mao_sync.clients import envelope
from ct_mao_sync.clients.manhattan_calls import ManhattanCalls, Row
from ct_mao_sync.clients.verdict import Answer
from ct_mao_sync.errors import Problem, RecordRejected, Retriable, RunStopped

ROWS_MAX = 10_000
"""Rows that one location request may bring."""
REFUSED_MAX = 5

Kind = Literal["network", "location"]

_TOO_LONG = frozenset({"answer-too-long"})
# MAO's texts are not documented, except "Too many items matched the request criteria. … reduce the number
# of items" and "Mandatory attribute location or regional availability rule missing in request".
_TOO_MANY = re.compile(r"too many|reduce the number|at most \d|maximum|exceed", re.IGNORECASE)
_NO_LOCATION = re.compile(r"mandatory attribute location|regional availability rule", re.IGNORECASE)
_VIEW = re.compile(r"\bview", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AvailabilityAnswer:
    """What MAO said about a chunk of items. Quantities are int or Decimal, as sent."""

    rows: list[Row]
    """Of the items that were asked for and no others, in no particular order."""
    refused: Mapping[str, Problem] = field(default_factory=dict)
    """ItemId -> why MAO would not answer for it, while it did for others. Not to be taken for 0."""
    began_at: datetime | None = None
    """When the first request was sent, on MAO's clock, aware UTC."""


class Availability:
    """The two availability endpoints. Errors: those of `ManhattanCalls`, and RunStopped `view-unusable` and
    `availability-incomplete`."""

    def __init__(
        self, calls: ManhattanCalls, items_max: int, *, read_some_items: Callable[[], Sequence[str]]
    ) -> None:
        """`read_some_items` gives ItemIds of the item master, where no other answer had a witness."""
        self._calls = calls
        self._items_max = max(1, items_max)
        self.read_some_items = read_some_items
        self.witnesses: dict[tuple[str, tuple[str, ...]], str] = {}
        """Location view and its locations -> an item that had a row."""

    def chunks(self, items: Sequence[str], locations: int) -> list[list[str]]:
        """Each item once, as many together as one request may name; fewer once MAO found them too many."""
        most = self._items_max if not locations else min(self._items_max, max(1, ROWS_MAX // locations))
        wanted = list(dict.fromkeys(items))
        return [wanted[start : start + most] for start in range(0, len(wanted), most)]

    def read(
        self, kind: Kind, view: str, items: Sequence[str], locations: Sequence[str], *, null_is_empty: bool
    ) -> AvailabilityAnswer:
        reading = _Reading(self, kind, view, list(dict.fromkeys(locations)), null_is_empty)
        reading.read(list(dict.fromkeys(items)))
        return AvailabilityAnswer(reading.rows, reading.refused, reading.began_at)

    def ask(self, kind: Kind, body: Mapping[str, Any], *, less_ok: bool) -> Answer:
        return self._calls.send(
            "POST",
            f"{kind}-availability",
            json=body,
            write=False,
            rows_may_fail=True,
            not_again=_TOO_LONG if less_ok else (),
        )

    def lower(self, items_max: int) -> None:
        """MAO takes fewer items than that were asked: from now on no request names more."""
        self._items_max = max(1, min(self._items_max, items_max))

    @property
    def items_max(self) -> int:
        return self._items_max

    @property
    def context(self) -> dict[str, str | int]:
        return {"remote": self._calls.http.remote, "host": self._calls.http.host}


class _Reading:
    """One chunk, with all the requests that it takes."""

    def __init__(
        self, availability: Availability, kind: Kind, view: str, locations: list[str], null_is_empty: bool
    ) -> None:
        self._availability = availability
        self._kind = kind
        self._view = view
        self._locations = locations
        self._null_is_empty = null_is_empty
        self._answered = False
        self.rows: list[Row] = []
        self.refused: dict[str, Problem] = {}
        self.began_at: datetime | None = None

    def read(self, items: Sequence[str]) -> None:
        left = list(items)
        while left:  # how many go together may be learnt on the way
            chunk = self._availability.chunks(left, len(self._locations))[0]
            left = left[len(chunk) :]
            self._read_chunk(chunk)

    def _read_chunk(self, items: list[str]) -> None:
        try:
            rows = self._ask(items)
        except (RecordRejected, Retriable) as error:
            if isinstance(error, Retriable) and error.problem.code not in _TOO_LONG:
                raise
            self._refused(items, error)
            return
        if rows is None:
            self._read_halves(items)
            return
        self._answered = True
        if self._kind == "network":
            rows = self._complete(items, rows)
        self.rows += rows

    def _read_halves(self, items: list[str]) -> None:
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            self._read_chunk(half)

    def _refused(self, items: list[str], error: RecordRejected | Retriable) -> None:
        """Halves find the one item that is the matter, and how many MAO takes at a time."""
        context = error.problem.context
        said = _without_names(str(context.get("remote_message", "")), [self._view, *items])
        too_many = context.get("status") == 413 or _TOO_MANY.search(said) or isinstance(error, Retriable)
        if too_many and len(items) > 1:
            self._availability.lower(len(items) // 2)
            self.read(items)
            return
        if _NO_LOCATION.search(said):
            raise RunStopped(self._unusable("MAO wants locations with it", context)) from error
        if context.get("status") == 404 or _VIEW.search(said):
            raise RunStopped(self._unusable("MAO refuses it", context)) from error
        if len(items) > 1:
            self._read_halves(items)
            return
        if isinstance(error, Retriable):
            raise error
        self.refused[items[0]] = error.problem
        if len(self.refused) >= REFUSED_MAX and not self._answered:
            raise RunStopped(self._unusable("MAO refuses one item after the other", context)) from error

    def _ask(self, items: list[str], *, as_proof: bool = False) -> list[Row] | None:
        """The rows of these items; None when the answer was cut and has to be asked for in halves.
        `as_proof`: nothing is no answer here."""
        body: dict[str, Any] = {"ViewName": self._view, "Items": items}
        if self._kind == "location":
            body["Locations"] = self._locations
        for attempt in (1, 2):
            answer = self._availability.ask(self._kind, body, less_ok=len(items) > 1)
            if self.began_at is None and answer.server_date is not None:
                self.began_at = answer.server_date - timedelta(seconds=answer.elapsed_s)
            found = envelope.parse_rows(answer.json)
            total = envelope.parse_total(answer.json)
            if total is not None and total > len(found) and len(items) > 1:
                return None
            says_nothing = self._says_nothing(answer, found)
            if says_nothing and not as_proof:
                return self._ask_with_witness(items)
            missing = says_nothing or self._is_cut(answer, found, total)
            if missing and attempt == 2:
                raise RunStopped(self._incomplete(missing, answer))
            if not missing:
                break
        asked = frozenset(items)
        rows = [row for row in found if row["ItemId"] in asked]
        if rows and self._kind == "location":
            self._availability.witnesses[self._view, tuple(self._locations)] = rows[0]["ItemId"]
        return rows

    def _ask_with_witness(self, items: list[str]) -> list[Row]:
        """What MAO said nothing of: no row is 0 beside a row of another item."""
        witness = self._witness(len(items))
        most = max(1, self._availability.items_max - 1)
        rows: list[Row] = []
        for start in range(0, len(items), most):
            part = items[start : start + most]
            found = self._ask(list(dict.fromkeys([*part, witness])), as_proof=True)
            if found is None or all(row["ItemId"] != witness for row in found):
                what = f"no data for {_items(len(items))}, and then none for an item that had some"
                raise RunStopped(self._incomplete(what, None))
            rows += [row for row in found if row["ItemId"] != witness or witness in part]
        return rows

    def _witness(self, count: int) -> str:
        """An item with a row in this view. Raises RunStopped where none can be found."""
        key = (self._view, tuple(self._locations))
        if key not in self._availability.witnesses:
            others: Sequence[str] = ()
            with contextlib.suppress(RecordRejected):
                others = self._availability.read_some_items()
                for chunk in self._availability.chunks(others, len(self._locations))[:1]:
                    self._ask(chunk, as_proof=True)
            if key not in self._availability.witnesses:
                what = f"no data for {_items(count)}, nor a row for any of {len(others)} others"
                raise RunStopped(self._incomplete(what, None))
        return self._availability.witnesses[key]

    def _says_nothing(self, answer: Answer, found: list[Row]) -> str:
        if self._kind == "network" or isinstance(answer.json.get("data"), list) or found:
            return ""
        return "" if self._null_is_empty else "no data"

    def _is_cut(self, answer: Answer, found: list[Row], total: int | None) -> str:
        data = answer.json.get("data")
        sent = len(data) if isinstance(data, list) else len(found)
        names = ("ItemId", "LocationId") if self._kind == "location" else ("ItemId",)
        whole = sum(all(isinstance(row.get(name), str) for name in names) for row in found)
        if whole < sent:
            return f"{sent - whole} of {sent} rows without {' or '.join(names)}"
        return f"{sent} of {total} rows" if total is not None and total > sent else ""

    def _complete(self, items: list[str], rows: list[Row]) -> list[Row]:
        """Items without a row are asked for again, once. What then is still missing is left out, unless it
        is too much to be the fault of single items."""
        missing = _without_row(items, rows)
        if not missing:
            return rows
        with contextlib.suppress(RecordRejected):
            rows = rows + (self._ask(missing) or [])
        missing = _without_row(items, rows)
        if len(missing) > max(1, len(items) // 10):
            raise RunStopped(self._incomplete(f"no row for {len(missing)} of {_items(len(items))}", None))
        return rows

    def _unusable(self, why: str, context: Mapping[str, str | int]) -> Problem:
        key = f"inventory.{self._kind}_view"
        hint = (
            f"look in MAO whether the view of {key} is active, has exactly this name and is a {self._kind} "
            "view, correct it and look again with: ct-mao-sync sync inventory --dry-run"
        )
        text = f"the {self._kind} view '{self._view}' cannot be used: {why}; nothing was written from it"
        return Problem("view-unusable", text, key, hint, context)

    def _incomplete(self, what: str, answer: Answer | None) -> Problem:
        context = self._availability.context
        if answer is not None:
            context |= {"status": answer.status, "correlation_id": answer.correlation_id}
        hint = (
            "look again with: ct-mao-sync sync inventory --dry-run; should it last, ask MAO for these items "
            "in its own screens"
        )
        text = f"MAO answered only in part for the {self._kind} view '{self._view}': {what}; asked twice"
        return Problem("availability-incomplete", text, f"inventory.{self._kind}_view", hint, context)


def _without_row(items: Sequence[str], rows: Sequence[Row]) -> list[str]:
    answered = {row["ItemId"] for row in rows}
    return [item for item in items if item not in answered]


def _without_names(text: str, names: Sequence[str]) -> str:
    """What MAO said apart from the view and the items, whose names could be any words."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    return re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", "", text)


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
