"""Partial merge: only what is sent changes; child rows by business key, RESET replaces a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .core import Json, World
from .manhattan_envelope import Refused
from .manhattan_fields import Rows
from .manhattan_totals import rows


def merge_members(world: World, members: Mapping[str, Any], target: Json, patch: Json) -> set[str]:
    """Partial merge: only what is sent changes; gives the names of the members that did."""
    changed: set[str] = set()
    before: dict[str, list[Json]] = {}
    for name in patch.get("Actions") or {}:
        before[name] = rows(target, name)
        target[name] = []
    for name, value in patch.items():
        if name == "Actions":
            continue
        kind = members[name]
        if isinstance(kind, Rows):
            if value is not None and _merge_rows(world, kind, target, name, value):
                changed.add(name)
        elif isinstance(kind, dict) and value is not None:
            inner = target.get(name) or {}
            if merge_members(world, kind, inner, value):
                changed.add(name)
            target[name] = inner
        elif kind == "any" and isinstance(value, dict) and isinstance(target.get(name), dict):
            if _merge_free(target[name], value):
                changed.add(name)
        elif target.get(name) != value:
            target[name] = value
            changed.add(name)
        else:
            target.setdefault(name, value)
    for name, rows_before in before.items():
        if _sent_rows(rows_before) == _sent_rows(rows(target, name)):
            changed.discard(name)
            target[name] = rows_before
        else:
            changed.add(name)
    return changed


def _sent_rows(of: list[Json]) -> list[Json]:
    return [row for row in of if not row.get("HeaderChargeDetailId")]


def _merge_rows(world: World, kind: Rows, target: Json, name: str, patches: list[Json]) -> bool:
    present = target[name] = rows(target, name)
    by_key = {row[kind.key]: row for row in present if kind.key and row.get(kind.key)}
    seen: set[str] = set()
    changed = False
    for patch in patches:
        key = patch.get(kind.key) if kind.key else None
        if key is None and kind.key and not kind.generated:
            raise Refused("error.400", f"{name}.{kind.key} is required", field=kind.key)
        if key is not None:
            if key in seen:
                raise Refused("error.400", f"{name} {key} is sent twice", field=kind.key)
            seen.add(key)
        row = by_key.get(key) if key is not None else None
        if row is not None:
            changed |= bool(merge_members(world, kind.members, row, patch))
            continue
        row = {kind.key: key or world.new_id().replace("-", "")} if kind.key else {}
        merge_members(world, kind.members, row, patch)
        present.append(row)
        changed = True
    return changed


def _merge_free(target: Json, patch: Json) -> bool:
    changed = False
    for name, value in patch.items():
        inner = target.get(name)
        if isinstance(value, dict) and isinstance(inner, dict):
            changed |= _merge_free(inner, value)
        elif name not in target or inner != value:
            target[name] = value
            changed = True
    return changed
