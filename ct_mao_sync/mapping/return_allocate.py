"""Which units of a return line stand behind which return item.

A recorded quantity never changes, and an item has one state for all its units, while MAO counts units by
condition and says more about them day by day. So the units are dealt out anew each time: what is decided
keeps units of its own kind, the rest goes where it fits best, what is left over becomes new items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ct_mao_sync.mapping.return_keys import condition_key


@dataclass(frozen=True, slots=True)
class Group:
    """Units, in the shop's units, of one condition and one fate (see `return_order.Units`)."""

    condition: str
    disposition: str
    fate: str
    quantity: int


@dataclass(slots=True)
class Slot:
    """One item with room for its quantity. `decided`: the fate that it shows already, "" for none."""

    key: str
    condition: str
    """As it stands in the key."""
    quantity: int
    decided: str = ""
    groups: list[Group] = field(default_factory=list)

    @property
    def filled(self) -> int:
        return sum(group.quantity for group in self.groups)


def deal_out(slots: Sequence[Slot], groups: Sequence[Group]) -> list[Group]:
    """Fills the slots anew, in place; gives the units that no slot has room for."""
    for slot in slots:
        slot.groups = []
    pools = [group for group in groups if group.quantity > 0]
    by_need = sorted(
        range(len(slots)), key=lambda place: (not slots[place].decided, -slots[place].quantity, place)
    )
    for place in by_need:
        slot = slots[place]
        while pools and slot.filled < slot.quantity:
            best = max(range(len(pools)), key=lambda index: (*_fit(slot, pools[index]), -index))
            group = pools[best]
            taken = min(group.quantity, slot.quantity - slot.filled)
            slot.groups.append(replace(group, quantity=taken))
            if taken == group.quantity:
                del pools[best]
            else:
                pools[best] = replace(group, quantity=group.quantity - taken)
    return pools


def _fit(slot: Slot, group: Group) -> tuple[bool, bool, bool, bool]:
    """Best: of the fate that is shown already, enough for the whole item, of its condition, verified."""
    return (
        bool(slot.decided) and group.fate == slot.decided,
        group.quantity >= slot.quantity - slot.filled,
        condition_key(group.condition) == slot.condition,
        bool(group.fate),
    )
