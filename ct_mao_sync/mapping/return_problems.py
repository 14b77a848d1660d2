"""What can be wrong with a part of a return, in one line each, with what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.return_allocate import Group, Slot
from ct_mao_sync.mapping.return_order import ReturnLine, WantedReturn

# What heals by itself comes first: its code decides when the return is looked at again.
_FIRST = ("delivery-awaited", "disposition-unmapped")

CONFIRM_FIRST = frozenset(
    {"order-not-found", "line-not-found", "quantity-exceeded", "return-deleted", "return-rewrite-unsafe"}
)
"""Nothing is refused for one of these on the word of a search, which may lag: both orders are read by id."""


@dataclass(slots=True)
class ReturnProblems:
    wanted: WantedReturn
    _found: dict[tuple[str, str], Rejection] = field(default_factory=dict)

    def found(self) -> tuple[Rejection, ...]:
        """The most urgent one first."""
        return tuple(
            sorted(
                self._found.values(),
                key=lambda each: _FIRST.index(each.code) if each.code in _FIRST else len(_FIRST),
            )
        )

    # ---- of the whole return -----------------------------------------------------------------------

    def parent_unknown(self) -> Rejection:
        return self._rejection(
            "order-not-found",
            f"return {self.wanted.return_id}: MAO has no order {self.wanted.parent_id}, "
            "which it comes back of",
            "find out in MAO which order it belongs to",
            "OrderLine.ParentOrderId",
        )

    def order_unknown(self, order_id: str) -> Rejection:
        return self._rejection(
            "order-not-found",
            f"return {self.wanted.return_id} of MAO order {self.wanted.parent_id}: commercetools has no "
            f"order {order_id}",
            "find out who removed it",
            "AlternateOrderId",
        )

    def order_malformed(self, order_id: str) -> Rejection:
        return self._rejection(
            "source-invalid",
            f"return {self.wanted.return_id}: order {order_id} is not what commercetools documents",
            "look at the order in commercetools",
        )

    # ---- of a line ---------------------------------------------------------------------------------

    def line_unknown(self, line: ReturnLine, why: str) -> None:
        self._add(line, "line-not-found", why, "settle it in MAO", "OrderLine.ParentOrderLineId")

    def other_item(self, line: ReturnLine, units: int) -> None:
        self._add(
            line,
            "line-not-found",
            f"{units} came back as another item than {line.item!r}, which was sold",
            "settle the item variance in MAO",
            "ReturnDetail.ItemId",
        )

    def too_many(self, line: ReturnLine, total: int, shipped: int) -> None:
        self._add(
            line,
            "quantity-exceeded",
            f"{total} would be returned of a line of which {shipped} were shipped",
            "settle it in MAO, or look for a return info that somebody else wrote",
            "QuantityDetail",
        )

    def not_delivered(self, line: ReturnLine, order: str, total: int, delivered: int) -> None:
        self._add(
            line,
            "delivery-awaited",
            f"{total} came back, but order {order} shows {delivered} delivered so far",
            "the status job brings the delivery: ct-mao-sync sync status ; where nothing does, "
            "set wait_for_delivery = false under [returns]",
            "returns.wait_for_delivery",
        )

    def rewrite_unsafe(self, line: ReturnLine, order: str) -> None:
        self._add(
            line,
            "return-rewrite-unsafe",
            f"it has moved on, but the return infos of order {order} hold states that a rewrite would reset",
            "write it into commercetools by hand",
            "returns.add_when",
        )

    def split(self, line: ReturnLine, slot: Slot) -> None:
        parts = " and ".join(f"{g.quantity} {g.condition or 'units'} ({g.fate})" for g in slot.groups)
        self._add(
            line,
            "return-rewrite-unsafe",
            f"item {slot.key} was recorded with {slot.quantity} units, which turned out as {parts}; "
            "an item has one state",
            "set its state in commercetools by hand",
        )

    def deleted(self, line: ReturnLine, keys: Sequence[str]) -> None:
        self._add(
            line,
            "return-deleted",
            f"somebody deleted {', '.join(keys)} in commercetools",
            "to leave it so, discard it (ct-mao-sync errors list --code return-deleted); to add it again",
            "returnInfo",
            then="",
        )

    def unmapped(self, line: ReturnLine, groups: Sequence[Group]) -> None:
        names = list(dict.fromkeys(group.disposition or group.condition for group in groups))
        shown = ", ".join(repr(name) if name else "without condition" for name in names)
        self._add(
            line,
            "disposition-unmapped",
            f"what becomes of units in condition {shown} is not configured",
            f'add "{names[0] or "…"}" = "BackInStock" or "Unusable" under [returns.disposition]',
            "returns.disposition",
        )

    def no_price(self, line: ReturnLine) -> None:
        self._add(
            line,
            "source-invalid",
            "MAO gives no price or no currency, so what it is worth is not known",
            "look at the return in MAO",
            "OrderLine.OrderLineTotal",
        )

    def _add(
        self, line: ReturnLine, code: str, what: str, fix: str, field_name: str = "", *, then: str = "; then"
    ) -> None:
        rejection = self._rejection(
            code,
            f"return {self.wanted.return_id} line {line.line_id} of order {self.wanted.parent_id}: {what}",
            fix,
            field_name,
            then=then,
        )
        self._found.setdefault((code, rejection.message), rejection)

    def _rejection(
        self, code: str, message: str, fix: str, field_name: str = "", *, then: str = "; then"
    ) -> Rejection:
        return Rejection(
            code,
            message,
            field_name,
            f"{fix}{then}: ct-mao-sync replay-errors --job returns "
            f"--entity {shlex.quote(self.wanted.return_id)}",
        )


def joined(problems: Sequence[Rejection]) -> Rejection:
    """One rejection for the record: the code and cure of the first, the words of all."""
    first, *more = problems
    if not more:
        return first
    return Rejection(
        first.code, "; ".join(each.message for each in problems), first.field, first.hint, first.context
    )


def standalone(return_id: str) -> Rejection:
    return Rejection(
        "order-not-found",
        f"return {return_id}: it has lines that come back of no order",
        "OrderLine.ParentOrderId",
        'settle it in MAO, or set standalone = "ignore" under [returns]; then: ct-mao-sync replay-errors '
        f"--job returns --entity {shlex.quote(return_id)}",
    )
