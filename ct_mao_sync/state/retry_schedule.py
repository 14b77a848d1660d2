"""When a dead letter is tried again by itself. Pure.

transient   the other system may just have been unwell: 10 tries with growing delays, then permanent
watched     closes by itself once the MAO order has run its course: looked at every 6 h for 10 days
mapping     tried again at once when the mapping configuration changes, never by time
all others  wait for a person: `replay-errors`, or a newer version at the source
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ct_mao_sync.engine.rows import DeadLetterKind

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)

TRANSIENT_CODES = frozenset({"target-failed", "conflict", "import-lost", "delivery-awaited"})
WATCHED_CODES = frozenset({"cancel-refused", "order-locked"})
MAPPING_CODES = frozenset(
    {
        "sku-unmapped",
        "uom-unmapped",
        "uom-inexact",
        "location-unmapped",
        "shipping-method-unmapped",
        "status-unmapped",
        "line-not-found",
        "disposition-unmapped",
        "currency-unsupported",
        "payload-invalid",
        "totals-mismatch",
    }
)

_GROWING = (
    1 * _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    1 * _HOUR,
    2 * _HOUR,
    4 * _HOUR,
    8 * _HOUR,
    12 * _HOUR,
    24 * _HOUR,
    24 * _HOUR,
)
_WATCHING = (6 * _HOUR,) * 40


def plan_retry(
    code: str, tries: int, now: datetime, kind: DeadLetterKind | None = None
) -> tuple[DeadLetterKind, datetime | None]:
    """Kind and moment of the next try of a dead letter that has failed `tries` times (1 = just now for
    the first time). `kind` overrides what the code says, for a wait that only the job can name."""
    if kind == "permanent":
        return "permanent", None
    delays: tuple[timedelta, ...]
    if code in WATCHED_CODES:
        delays = _WATCHING
    elif code in TRANSIENT_CODES or kind == "transient":
        delays = _GROWING
    else:
        return "permanent", None
    if tries > len(delays):
        return "permanent", None
    return "transient", now + delays[max(tries, 1) - 1]
