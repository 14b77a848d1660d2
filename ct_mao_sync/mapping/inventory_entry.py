"""The InventoryEntry as it is read, its name in this tool, and the key of a new one.

The entity of the job is `<sku>|<channel key>`; the entry without channel has the channel key "".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import exact_number
from ct_mao_sync.mapping.source import short_hash

# commercetools docs: InventoryEntryDraft.key; other characters make the Import API refuse it.
_KEY = re.compile(r"[A-Za-z0-9_-]{2,256}")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]")
_KEY_LENGTH_MAX = 256
_HASH_LENGTH = 12
_LIMITS = ("minCartQuantity", "maxCartQuantity", "stockLevels")


def entity_of(sku: str, channel_key: str) -> str:
    return f"{sku}|{channel_key}"


def split_entity(entity: str) -> tuple[str, str]:
    """(sku, channel key). Only the SKU may hold a bar: channel keys are letters, digits, _ and -."""
    sku, _, channel_key = entity.rpartition("|")
    return sku, channel_key


def computed_key(sku: str, channel_key: str) -> str:
    """`<sku>_<channel key>`, or the SKU alone for the entry without channel. A hash keeps it unique where a
    character had to be replaced, it would be too short or long, or the same text could mean another pair
    of SKU and channel."""
    text = f"{sku}_{channel_key}" if channel_key else sku
    if _KEY.fullmatch(text) and "_" not in sku and "_" not in channel_key:
        return text
    clean = _NOT_IN_KEYS.sub("-", text)
    mark = short_hash(entity_of(sku, channel_key), _HASH_LENGTH)
    return f"{clean[: _KEY_LENGTH_MAX - _HASH_LENGTH - 1]}-{mark}"


def is_key(text: str) -> bool:
    """Whether the Import API takes it as a key."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class EntryState:
    """An InventoryEntry of commercetools, as far as it matters here."""

    id: str
    version: int
    sku: str
    channel_id: str
    """Id of the supply channel, "" for the entry without one."""
    quantity_on_stock: int
    """Reserved units included (commercetools docs: InventoryEntry); may be negative."""
    key: str = ""
    expected_delivery: datetime | None = None
    restockable_in_days: int | None = None
    reservation_expiration_in_minutes: int | None = None
    custom_type_id: str = ""
    custom_fields: Mapping[str, Any] | None = None
    has_limits: bool = False
    """Cart limits or stock levels, which no import can carry."""


def parse_entry(row: Mapping[str, Any]) -> EntryState | Rejection:
    """An entry as commercetools sends it. `source-invalid` when a field that is needed is not what the
    documentation says."""
    entry_id, sku = row.get("id"), row.get("sku")
    channel = row.get("supplyChannel")
    channel_id = "" if channel is None else channel.get("id") if isinstance(channel, Mapping) else None
    version, quantity = whole_number(row.get("version")), whole_number(row.get("quantityOnStock"))
    if not isinstance(entry_id, str) or not entry_id:
        return _malformed(row, "id")
    if not isinstance(sku, str):
        return _malformed(row, "sku")
    if version is None:
        return _malformed(row, "version")
    if quantity is None:
        return _malformed(row, "quantityOnStock")
    if not isinstance(channel_id, str) or (channel is not None and not channel_id):
        return _malformed(row, "supplyChannel")
    key, custom = row.get("key"), row.get("custom")
    custom_type, custom_fields = "", None
    if isinstance(custom, Mapping):
        reference = custom.get("type")
        custom_type = str(reference.get("id", "?")) if isinstance(reference, Mapping) else "?"
        fields = custom.get("fields")
        custom_fields = fields if isinstance(fields, Mapping) else {}
    return EntryState(
        id=entry_id,
        version=version,
        sku=sku,
        channel_id=channel_id,
        quantity_on_stock=quantity,
        key=key if isinstance(key, str) else "",
        expected_delivery=parse_instant(row.get("expectedDelivery")),
        restockable_in_days=whole_number(row.get("restockableInDays")),
        reservation_expiration_in_minutes=whole_number(row.get("reservationExpirationInMinutes")),
        custom_type_id=custom_type,
        custom_fields=custom_fields,
        has_limits=any(row.get(name) is not None for name in _LIMITS),
    )


def _malformed(row: Mapping[str, Any], field: str) -> Rejection:
    entry_id, sku = row.get("id"), row.get("sku")
    name = entry_id if isinstance(entry_id, str) and entry_id else "without id"
    of = f" of SKU {sku!r}" if isinstance(sku, str) else ""
    return Rejection(
        "source-invalid",
        f"inventory entry {name}{of}: {field} is not what commercetools documents",
        field=field,
        hint="look at the entry in commercetools",
    )


def parse_instant(value: Any) -> datetime | None:
    """A moment of commercetools, always with its zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def render_instant(moment: datetime) -> str:
    """As commercetools writes it: milliseconds and `Z`."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def whole_number(value: Any) -> int | None:
    """5 and 5.0; None for what is not a whole number (commercetools types quantities as `number`)."""
    if type(value) is int:
        return value
    number = exact_number(value)
    if number is None or not number.is_finite() or abs(number) > Decimal(2**63):
        return None
    return int(number) if number == number.to_integral_value() else None
