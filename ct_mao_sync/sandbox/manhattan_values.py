"""Values as MAO writes them: moments without zone, coded members; copies of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def parse_moment(text: str) -> datetime:
    """A MAO timestamp (no zone, UTC, any number of fraction digits) as an aware moment; raises ValueError."""
    text = text.removesuffix("Z")
    head, _, fraction = text.partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6].ljust(6, '0')}" if fraction else head).replace(
        tzinfo=UTC
    )


def render_moment(moment: datetime) -> str:
    """A moment as MAO writes it: UTC, no zone, at most three fraction digits, trailing zeros dropped."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond // 1000:03d}".rstrip("0")
    return f"{text}.{fraction}" if fraction else text


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):  # most parts are no containers: those are not asked for their copy
        return {n: copy_json(each) if isinstance(each, _PARTED) else each for n, each in value.items()}
    if isinstance(value, list):
        return [copy_json(each) if isinstance(each, _PARTED) else each for each in value]
    return value


_PARTED = (dict, list)


def code_of(document: Mapping[str, Any], name: str, id: str) -> str | None:
    """The id of a coded member, None when there is none."""
    coded = document.get(name)
    return coded.get(id) if isinstance(coded, dict) else None
