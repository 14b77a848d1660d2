"""Three-way merge of an exported order: what the shop wants now, what we sent last, what MAO has.

MAO has what we sent -> write the shop's new value. MAO has the shop's value -> done. The shop did not
change -> MAO's value stays. All three differ -> `order-locked`, naming the field. So nothing that MAO or a
person changed there is ever undone, and nothing the shop changed is lost silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order_base import ROW_KEYS, list_of, rows_by_id, step, steps_of
from ct_mao_sync.mapping.order_sides import (
    CHILD_LISTS,
    NOTHING,
    PRICES,
    QUANTITY,
    Decision,
    SentBase,
    Sides,
)
from ct_mao_sync.mapping.order_state import (
    REQUESTED,
    cancellation_request,
    is_cancelled,
    is_line_terminal,
)

__all__ = ["Merge", "SentBase", "merge_order", "order_locked"]


@dataclass(slots=True)
class Merge:
    """The body of one save without OrderId and OrderActions; empty when MAO has all of it. `changed` and
    `locked` are paths of fields and rows."""

    body: dict[str, Any] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    vanished: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Lines that the shop no longer has and MAO is not done with: path -> MAO's row."""


def merge_order(
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    base: SentBase,
    *,
    salt: bytes,
    cancel_reason: str,
    with_quantities: bool,
    with_shipped_lines: bool = False,
) -> Merge:
    """The difference to write, field by field. `with_quantities` is False for saves that no newer version
    of the source caused: those change no quantity. `with_shipped_lines`: also what nobody can use any more,
    such as a new address of a shipped line. `base.known` must be True."""
    sides = Sides(wanted, current, base, salt)
    merge = Merge()
    merge.body |= _merge_fields(merge, sides, "", wanted, current)
    merge.body |= _merge_children(merge, sides, "", wanted, current)
    lines = _merge_lines(
        merge,
        sides,
        wanted,
        current,
        cancel_reason,
        with_quantities=with_quantities,
        with_shipped_lines=with_shipped_lines,
    )
    if lines:
        merge.body["OrderLine"] = lines
    return merge


# ---- fields of the header or of one line ----------------------------------------------------------


def _merge_fields(
    merge: Merge,
    sides: Sides,
    row: str,
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A nested object is sent whole as soon as one field of it is written, with MAO's own values where
    they stay: whether MAO replaces it or merges into it comes to the same."""
    patch: dict[str, Any] = {}
    if sides.is_same(row):
        return patch
    members: dict[str, dict[str, Decision]] = {}
    for name in sides.names(row) if names is None else names:
        members.setdefault(name.split("/", 1)[0], {})[name] = sides.decide(row, name)
    for decisions in members.values():
        merge.locked += _paths(row, decisions, "locked")
        written = _paths(row, decisions, "write")
        if written:
            merge.changed += written
            _fill(patch, sides, row, decisions, wanted, current)
            _add_own_address_lines(patch, decisions, current)
    return patch


def _fill(
    patch: dict[str, Any],
    sides: Sides,
    row: str,
    decisions: Mapping[str, Decision],
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
) -> None:
    shop = sides.shop.get(row, {})
    for name, decision in decisions.items():
        if decision == "same" and not shop.get(name):
            continue
        stays = decision == "keep" and sides.shown(row, name) is not None
        steps = steps_of(name)
        node = patch
        for each in steps[:-1]:
            node = node.setdefault(each, {})
        node[steps[-1]] = _value(current if stays else wanted, steps)


def _value(source: Any, steps: Sequence[str]) -> Any:
    for each in steps:
        source = source.get(each) if isinstance(source, Mapping) else None
    return source


def _add_own_address_lines(
    patch: dict[str, Any], decisions: Mapping[str, Decision], current: Mapping[str, Any]
) -> None:
    """What MAO knows of an address and the shop does not, such as a county, goes along with it."""
    for parent in {name.rpartition("/")[0] for name in decisions if "/Address/" in name}:
        steps = steps_of(parent)
        address, there = _value(patch, steps), _value(current, steps)
        if isinstance(there, Mapping) and any(value is not None for value in address.values()):
            for name, value in there.items():
                if value is not None and not isinstance(value, Mapping | list):
                    address.setdefault(name, value)


def _paths(row: str, decisions: Mapping[str, Decision], decision: Decision) -> list[str]:
    prefix = f"{row}/" if row else ""
    return [prefix + name for name, found in decisions.items() if found == decision]


# ---- charges, taxes, notes --------------------------------------------------------------------------


def _merge_children(
    merge: Merge, sides: Sides, parent: str, wanted: Mapping[str, Any], current: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """The rows under the header (parent "") or one line. Only rows of ours take part."""
    patch: dict[str, list[dict[str, Any]]] = {}
    prefix = f"{parent}/" if parent else ""
    for list_name in CHILD_LISTS:
        key = ROW_KEYS[list_name]
        ours, theirs = rows_by_id(wanted, list_name), rows_by_id(current, list_name)
        rows: list[dict[str, Any]] = []
        for row_id, shop_row in ours.items():
            row = f"{prefix}{list_name}/{step(row_id)}"
            if not sides.is_same(row):
                rows += _merge_child(merge, sides, row, {key: row_id}, shop_row, theirs.get(row_id, {}))
        wanted_rows = {f"{prefix}{list_name}/{step(row_id)}" for row_id in ours}
        for row in sides.rows_sent(prefix + list_name):
            row_id = steps_of(row)[-1]
            if row not in wanted_rows and row_id in theirs:
                rows += _empty_child(merge, sides, row, {key: row_id}, theirs[row_id])
        if rows:
            patch[list_name] = rows
    return patch


def _merge_child(
    merge: Merge,
    sides: Sides,
    row: str,
    identity: Mapping[str, str],
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """A row is sent whole, with MAO's own values where they stay: some members are mandatory."""
    decisions = {name: sides.decide(row, name) for name in sides.names(row)}
    if row not in sides.sent and sides.is_nothing(row):
        # It was ours, was set to nothing, and is back at the source.
        decisions = {name: "same" if found == "same" else "write" for name, found in decisions.items()}
    locked = _paths(row, decisions, "locked")
    if locked:
        merge.locked += locked if current else [row]
    elif "write" in decisions.values():
        merge.changed.append(row)
        patch: dict[str, Any] = dict(identity)
        _fill(patch, sides, row, decisions, wanted, current)
        return [patch]
    return []


def _empty_child(
    merge: Merge, sides: Sides, row: str, identity: Mapping[str, str], current: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row of ours that the shop no longer has is set to nothing, never deleted: MAO may hang rows of
    its own on it."""
    sent = sides.sent.get(row, {})
    nothing = {
        name: value
        for name, value in NOTHING[list_of(row)].items()
        if current.get(name) not in (None, "") or (name not in current and sent.get(name))
    }
    decisions = {
        name: sides.decide_value(row, name, str(value), sides.shown(row, name), missing=str(value))
        for name, value in nothing.items()
    }
    locked = _paths(row, decisions, "locked")
    merge.locked += locked
    if locked or "write" not in decisions.values():
        return []
    merge.changed.append(row)
    return [{**identity, **nothing}]


# ---- lines --------------------------------------------------------------------------------------------


def _merge_lines(
    merge: Merge,
    sides: Sides,
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    cancel_reason: str,
    *,
    with_quantities: bool,
    with_shipped_lines: bool,
) -> list[dict[str, Any]]:
    ours, theirs = rows_by_id(wanted, "OrderLine"), rows_by_id(current, "OrderLine")
    patches: list[dict[str, Any]] = []
    for line_id, line in ours.items():
        row = f"OrderLine/{step(line_id)}"
        there = theirs.get(line_id)
        if there is None and row not in sides.sent:
            merge.changed.append(row)
            patches.append(dict(line))
        elif there is None or is_cancelled(there):
            # Taken out in MAO. It cannot come back; what the shop has changed since must not be lost.
            if _is_changed_by_shop(sides, row, line, whole=there is None):
                merge.locked.append(row)
        else:
            names = sides.names(row)
            if is_line_terminal(there) and not with_shipped_lines:
                # Where it was to be sent no longer matters, and must not keep the other lines from it; what
                # it costs is for MAO to accept or refuse.
                names = [name for name in names if name in QUANTITY | PRICES]
            patch = _merge_line(merge, sides, row, line, there, names, with_quantities=with_quantities)
            if patch:
                patches.append({"OrderLineId": line_id, **patch})
    for row in sides.rows_sent("OrderLine"):
        line_id = steps_of(row)[-1]
        there = theirs.get(line_id)
        if line_id in ours or there is None or is_line_terminal(there):
            continue
        merge.vanished[row] = there
        if cancellation_request(there) != REQUESTED:
            # Vanished at the source: cancelled, never reset.
            merge.changed.append(row)
            reason = {"ReasonId": cancel_reason}
            patches.append({"OrderLineId": line_id, "IsCancelled": True, "CancelReason": reason})
    return patches


def _is_changed_by_shop(sides: Sides, row: str, line: Mapping[str, Any], *, whole: bool) -> bool:
    """Whether the shop's line differs from what was sent: all of it, or what it orders."""
    if row not in sides.sent:
        return True
    names = sides.names(row) if whole else ["ItemId", "Quantity"]
    if any(sides.is_changed_by_shop(row, name) for name in names):
        return True
    return whole and any(
        sides.is_changed_by_shop(f"{row}/{list_name}/{step(row_id)}", name)
        for list_name in CHILD_LISTS
        for row_id in rows_by_id(line, list_name)
        for name in sides.names(f"{row}/{list_name}/{step(row_id)}")
    )


def _merge_line(
    merge: Merge,
    sides: Sides,
    row: str,
    wanted: Mapping[str, Any],
    current: Mapping[str, Any],
    names: Sequence[str],
    *,
    with_quantities: bool,
) -> dict[str, Any]:
    moved = sides.changed_by_mao(row, "Quantity")
    if moved:
        # MAO shortened or cancelled units: from then on quantity and money of the line are its own.
        names = [name for name in names if name not in PRICES]
    if moved or not with_quantities:
        frozen = QUANTITY if moved else QUANTITY - {"UOM"}
        merge.locked += [
            f"{row}/{name}"
            for name in names
            if name in frozen and sides.decide(row, name) in ("write", "locked")
        ]
        names = [name for name in names if name not in frozen]
    patch = _merge_fields(merge, sides, row, wanted, current, names=names)
    if not moved:
        patch |= _merge_children(merge, sides, row, wanted, current)
    return patch


def order_locked(label: str, entity: str, fields: Sequence[str]) -> Rejection:
    """All three sides differ: a person must say who is right."""
    shown = ", ".join(fields[:3]) + (f" and {len(fields) - 3} more" if len(fields) > 3 else "")
    return Rejection(
        code="order-locked",
        message=f"order {label}: the shop and MAO both changed {shown} since the last export; "
        "MAO's value was kept",
        field=fields[0],
        hint=f"settle it in MAO, then: ct-mao-sync replay-errors --entity {entity}; "
        "to leave MAO's value: ct-mao-sync errors discard",
        context={"fields": ", ".join(fields)[:300]},
    )
