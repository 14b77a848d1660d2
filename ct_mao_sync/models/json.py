"""JSON that is exact: a Decimal is written digit for digit and never passes through a float."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

# The standard encoder has no way to write a number literal of one's own. Decimals therefore go through
# it as strings between two random tokens, and lose quotes and tokens afterwards. The tokens are drawn
# once per process, so no text in an order can imitate them.
_BEFORE, _AFTER = secrets.token_hex(16), secrets.token_hex(16)


def dump_json(value: Any) -> bytes:
    """The request body for a value: Decimals as number literals as they are (`4.90`), ints, datetimes as
    ISO 8601. ASCII only, so that any text an order may hold can be sent.

    Raises ValueError for NaN and infinity, TypeError for a type that JSON does not know.
    """
    return _bare_numbers(_ENCODER.encode(value)).encode("ascii")


def canonical_json(value: Any) -> bytes:
    """One form for equal values: keys sorted, no blanks, 4.9 = 4.90 and 4 = 4.00, datetimes in UTC.

    Raises like `dump_json`."""
    return _bare_numbers(_CANONICAL_ENCODER.encode(value)).encode("ascii")


def digest(value: Any) -> str:
    """32 hex digits that are equal when the values are; the idempotency key of what we would write."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:32]


def _bare_numbers(text: str) -> str:
    return text.replace(f'"{_BEFORE}', "").replace(f'{_AFTER}"', "")


def _encode_other(value: Any, render_decimal: Callable[[Decimal], str]) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number that is not finite cannot be written as JSON")
        return f"{_BEFORE}{render_decimal(value)}{_AFTER}"
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _render_exact(value: Decimal) -> str:
    return format(value, "f")


def _render_shortest(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"


def _encode_body(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return _encode_other(value, _render_exact)


def _encode_canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return _encode_other(value, _render_shortest)


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_encode_body)
_CANONICAL_ENCODER = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, allow_nan=False, default=_encode_canonical
)
