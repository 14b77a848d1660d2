"""The three states of one exported order: what the shop wants, what we sent, what MAO has; and which of
them is right about a field.

What we sent may be more than one thing: besides the payload that MAO is known to have taken there are
those of runs that were cut off, which arrived or did not. MAO's own document is the only witness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ct_mao_sync.mapping.order_base import (
    CHARGE_LISTS,
    ROW_KEYS,
    TAX_LISTS,
    Fields,
    Rows,
    grouped,
    list_of,
    remember,
    rows_by_id,
    rows_of,
    step,
)
from ct_mao_sync.mapping.order_state import is_cancelled

Decision = Literal["same", "keep", "write", "locked"]
"""MAO has it · MAO's value stays · the shop's value is written · both changed it."""

QUANTITY = frozenset({"Quantity", "UOM"})
PRICES = frozenset({"UnitPrice", "OriginalUnitPrice"})
CHILD_LISTS = tuple(name for name in ROW_KEYS if name != "OrderLine")
# What is set to nothing in a row of ours that the shop no longer has, by list.
NOTHING: Mapping[str, Mapping[str, Any]] = {
    **{name: {"ChargeTotal": 0, "RequestedAmount": 0} for name in CHARGE_LISTS},
    **{name: {"TaxAmount": 0, "TaxableAmount": 0} for name in TAX_LISTS},
    **{name: {"NoteText": ""} for name in ("OrderNote", "OrderLineNote")},
}
# Says nothing about who wrote it: MAO's own defaults look the same.
NO_VALUE = frozenset({"", "0", "false"})


@dataclass(frozen=True, slots=True)
class SentBase:
    """What we know of earlier saves: `acked` is what MAO is known to have taken; `candidates` were on
    their way when a run was cut off, newest last, and may or may not have arrived. Each in the form of
    `order_base.remembered`."""

    acked: Fields | None = None
    candidates: Sequence[Fields] = ()

    @property
    def known(self) -> bool:
        return self.acked is not None or bool(self.candidates)


def shows_what_was_sent(current: Mapping[str, Any], base: SentBase, salt: bytes) -> bool:
    """Whether MAO's document has the last save of ours, and no other is unsettled. If not, MAO was changed
    since, or the document is older than that save: its search lags behind."""
    if base.acked is None or base.candidates:
        return False
    oms = rows_of(current)
    for row, fields in grouped(base.acked).items():
        held = oms.get(row)
        if held is None:
            return False
        list_name = list_of(row)
        for name, value in fields.items():
            if name in held and remember(list_name, name, held[name], salt) != value:
                return False
    return True


class Sides:
    """`wanted` and `current` are payloads as sent and as read. `base.known` must be True."""

    def __init__(
        self, wanted: Mapping[str, Any], current: Mapping[str, Any], base: SentBase, salt: bytes
    ) -> None:
        self.shop = rows_of(wanted)
        self.oms = rows_of(current)
        self._salt = salt
        stored = [*([base.acked] if base.acked is not None else []), *base.candidates]
        self._bases = [grouped(fields) for fields in stored]
        self._rows_sent: dict[str, dict[str, None]] = {}
        for stored_base in self._bases:
            for row in stored_base:
                self._rows_sent.setdefault(row.rpartition("/")[0], {})[row] = None
        self._lists_shown = _lists_shown(current)
        self._cancelled_lines = {
            f"OrderLine/{step(line_id)}"
            for line_id, line in rows_by_id(current, "OrderLine").items()
            if is_cancelled(line)
        }
        stands_on = self._newest_arrived()
        self._older = self._bases[:stands_on]
        self._sent_or_later = self._bases[stands_on:]
        self.sent: Rows = self._bases[stands_on]
        """The payload that MAO stands on, as far as MAO's document tells."""

    def rows_sent(self, list_path: str) -> list[str]:
        """Paths of all rows that were ever sent, as far as is known, in this list."""
        return list(self._rows_sent.get(list_path, ()))

    def names(self, row: str) -> list[str]:
        """Fields of the row itself that the shop has, or had when MAO was last written."""
        return list(dict.fromkeys((*self.shop.get(row, ()), *self.sent.get(row, ()))))

    def shown(self, row: str, name: str) -> str | None:
        """MAO's value; "" when it has none; None when its answer does not show the field at all."""
        fields = self.oms.get(row)
        if fields is None:
            return "" if row.rsplit("/", 1)[0] in self._lists_shown else None
        value = fields.get(name)
        if value is None and "/" in name:
            parent = name.rpartition("/")[0]
            while parent and value is None:
                value = fields.get(parent)  # the object it would be in is null
                parent = parent.rpartition("/")[0]
        return value

    def is_same(self, row: str) -> bool:
        """Whether MAO has all that the shop has in this row, and nothing the shop took away since."""
        shop = self.shop.get(row, {})
        return shop.items() <= self.oms.get(row, {}).items() and self.sent.get(row, {}).keys() <= shop.keys()

    def decide(self, row: str, name: str) -> Decision:
        shop = self.shop.get(row, {}).get(name, "")
        return self.decide_value(row, name, shop, self.shown(row, name))

    def decide_value(self, row: str, name: str, shop: str, oms: str | None, *, missing: str = "") -> Decision:
        """`missing`: what a base that does not have the field stands for."""
        if oms == shop:
            return "same"
        list_name = list_of(row)
        wanted = remember(list_name, name, shop, self._salt)
        sent = self.sent.get(row, {}).get(name, missing)
        if oms is None:
            # A field that MAO does not give back cannot have been changed there as far as anyone can see.
            return "keep" if wanted == sent else "write"
        held = remember(list_name, name, oms, self._salt)
        if any(base.get(row, {}).get(name, missing) == held for base in self._sent_or_later):
            return "write"
        in_older = oms and any(base.get(row, {}).get(name, missing) == held for base in self._older)
        if wanted == sent and not in_older:
            return "keep"
        # All three differ; or MAO has what an older save of ours left there although a newer one seems to
        # have arrived: nobody can tell whether that one failed here or somebody took it back.
        return "locked"

    def is_changed_by_shop(self, row: str, name: str) -> bool:
        """The shop's value is another one than was sent."""
        shop = remember(list_of(row), name, self.shop.get(row, {}).get(name, ""), self._salt)
        return shop != self.sent.get(row, {}).get(name, "")

    def changed_by_mao(self, row: str, name: str) -> bool:
        """MAO shows a value that we never sent."""
        oms = self.shown(row, name)
        sent = [base[row][name] for base in self._bases if name in base.get(row, {})]
        if oms is None or not sent:
            return False
        return remember(list_of(row), name, oms, self._salt) not in sent

    def is_nothing(self, row: str) -> bool:
        """A row that MAO has, with nothing left in it."""
        fields = self.oms.get(row)
        if fields is None:
            return False
        return all(fields.get(name, "") in NO_VALUE for name in NOTHING.get(list_of(row), {}))

    # ---- which of our saves arrived ---------------------------------------------------------------

    def _newest_arrived(self) -> int:
        for index in range(len(self._bases) - 1, 0, -1):
            if self._has_arrived(self._bases[index], self._bases[:index]):
                return index
        return 0

    def _has_arrived(self, candidate: Rows, older: Sequence[Rows]) -> bool:
        """Anything in MAO that only this candidate explains: a value that no older save had, or the
        absence of one that every older save had. Against it speaks a line that it would have added."""
        new_lines = {row for row in candidate if list_of(row) == "OrderLine"}.difference(*older)
        if "OrderLine" in self._lists_shown and not new_lines <= self.oms.keys():
            return False
        for row, fields in candidate.items():
            before = [base.get(row, {}) for base in older]
            for name in fields.keys() | set().union(*before):
                value = fields.get(name, "")
                if any(earlier.get(name, "") == value for earlier in before):
                    continue
                held = self.oms.get(row, {}).get(name, "")
                if not value:
                    if row in self.oms and self.shown(row, name) == "":
                        return True
                elif held not in NO_VALUE and remember(list_of(row), name, held, self._salt) == value:
                    return True
        return any(self._is_gone(row) for row in set(older[-1]) - set(candidate) if row)

    def _is_gone(self, row: str) -> bool:
        """A row that was taken away leaves nothing, a line is cancelled."""
        if list_of(row) == "OrderLine":
            return row in self._cancelled_lines
        parent = row.rsplit("/", 2)[0] if row.count("/") > 1 else ""
        return parent not in self._cancelled_lines and self.is_nothing(row)


def _lists_shown(current: Mapping[str, Any]) -> set[str]:
    """Paths of the child lists that MAO's answer has, be they empty."""
    found = {name for name in ROW_KEYS if name in current}
    for line_id, line in rows_by_id(current, "OrderLine").items():
        found.update(f"OrderLine/{step(line_id)}/{name}" for name in ROW_KEYS if name in line)
    return found
