"""Keys of the return items that are ours: `mao-<return>-<line>-<condition>-<n>`.

commercetools allows [A-Za-z0-9_-]{2,256}, unique in the order. Line and condition never hold a hyphen, so
that a key can be read back from its end. What had to be altered carries a hash, so that two names never meet
in one key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ct_mao_sync.mapping.source import short_hash

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]")
_NOT_IN_PARTS = re.compile(r"[^A-Za-z0-9_]")
_OURS = re.compile(r"(?P<line>mao-.+-[A-Za-z0-9_]+)-(?P<condition>[A-Za-z0-9_]+)-(?P<number>[1-9][0-9]{0,8})")
_RETURN_LENGTH_MAX = 120
_PART_LENGTH_MAX = 55
NO_CONDITION = "unknown"
ADVISED = "advised"


@dataclass(frozen=True, slots=True)
class ReturnKey:
    """A key of ours, taken apart. `line` is what the keys of one return line begin with."""

    line: str
    condition: str
    number: int


def line_key(return_id: str, line_id: str) -> str:
    """What the keys of a return line begin with."""
    return f"mao-{_clean(return_id, _NOT_IN_KEYS, _RETURN_LENGTH_MAX)}-{_part(line_id)}"


def condition_key(condition: str) -> str:
    return _part(condition) if condition else NO_CONDITION


def item_key(line: str, condition: str, number: int) -> str:
    return f"{line}-{condition}-{number}"


def parse_key(key: str) -> ReturnKey | None:
    """None for a key of somebody else."""
    found = _OURS.fullmatch(key)
    return ReturnKey(found["line"], found["condition"], int(found["number"])) if found else None


def _part(text: str) -> str:
    return _clean(text, _NOT_IN_PARTS, _PART_LENGTH_MAX)


def _clean(text: str, unwanted: re.Pattern[str], length_max: int) -> str:
    clean = unwanted.sub("_", text)
    if clean == text and 0 < len(text) <= length_max:
        return text
    return f"{clean[: length_max - 9]}_{short_hash(text)}"
