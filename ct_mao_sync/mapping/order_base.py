"""An order payload as a table of fields, so that several states of it can be compared field by field.

A path names a field by the business keys of its rows, never by position:
`OrderLine/<OrderLineId>/UnitPrice`, `OrderChargeDetail/ct-ship-single/ChargeTotal`. "/" and "~" inside a
name or an id are written "~1" and "~0". Quantities, money and ids stay readable in a stored base; all
else is a keyed hash, so that the state file holds no personal data.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

# List of child rows -> the field that is its business key (DOC: creating-and-updating-order: children
# merge by business key).
ROW_KEYS: Mapping[str, str] = {
    "OrderLine": "OrderLineId",
    "OrderChargeDetail": "ChargeDetailId",
    "OrderLineChargeDetail": "ChargeDetailId",
    "OrderTaxDetail": "TaxDetailId",
    "OrderLineTaxDetail": "TaxDetailId",
    "OrderNote": "NoteId",
    "OrderLineNote": "NoteId",
}
CHARGE_LISTS = frozenset({"OrderChargeDetail", "OrderLineChargeDetail"})
TAX_LISTS = frozenset({"OrderTaxDetail", "OrderLineTaxDetail"})

# Set on the create and never merged: they cannot change at the source, belong to the save itself, or
# (payments, holds) follow rules of their own.
NEVER_MERGED = frozenset(
    {
        "OrderId",
        "OrgId",
        "AlternateOrderId",
        "DocType",
        "IsConfirmed",
        "CapturedDate",
        "CurrencyCode",
        "OrderActions",
        "Payment",
        "OrderHold",
        "Actions",
    }
)

# What a stored base shows: fields that only the mapping itself sets, so that no setting such as
# [orders.extended] can put a personal value into them.
_CLEAR_CHARGE = frozenset({"ChargeTotal", "RequestedAmount", "TaxCode", "FulfillmentGroupId"})
_CLEAR_TAX = frozenset({"TaxAmount", "TaxableAmount", "TaxRate", "TaxCode", "FulfillmentGroupId"})
_CLEAR: Mapping[str, frozenset[str]] = {
    "OrderLine": frozenset(
        {"Quantity", "UOM", "ItemId", "AlternateOrderLineId", "UnitPrice", "OriginalUnitPrice"}
    ),
    **dict.fromkeys(CHARGE_LISTS, _CLEAR_CHARGE),
    **dict.fromkeys(TAX_LISTS, _CLEAR_TAX),
}
_NOTHING_CLEAR: frozenset[str] = frozenset()

# Texts that are never read as numbers: item "12.50" is another item than "12.5".
_TEXTS = frozenset(
    {
        "FirstName",
        "LastName",
        "Address1",
        "Address2",
        "Address3",
        "City",
        "County",
        "State",
        "PostalCode",
        "Country",
        "Phone",
        "Email",
        "CustomerFirstName",
        "CustomerLastName",
        "CustomerEmail",
        "CustomerPhone",
        "UOM",
        "TaxCode",
        "Jurisdiction",
        "ChargeDisplayName",
        "NoteText",
        "NoteCode",
    }
)
_SCALARS = (str, int, float, Decimal)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)

Fields = Mapping[str, str]
"""Path, or name within one row -> normalised value."""
Rows = dict[str, dict[str, str]]
"""Row path, "" for the header -> its fields. `OrderLine/x`, `OrderLine/x/OrderLineTaxDetail/y`."""


def normalise(value: Any, name: str = "") -> str:
    """One spelling for one value, so that texts can be compared: 4.9, "4.90" and Decimal("4.90") are
    equal; null is empty; a moment has no zone (MAO's are UTC). `name` is the field's: ids, names and
    addresses are texts, whatever they look like."""
    if isinstance(value, str):
        # Most texts do not begin like a number or a moment.
        return _normalise_text(value, name) if value and value[0] in "-0123456789" else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, float):
        return _plain(Decimal(str(value)))
    return str(value)


def _normalise_text(text: str, name: str) -> str:
    if len(text) > 18 and text[10] in "Tt":
        return _plain_moment(text)
    # Numbers may come back as JSON strings (DOC: order-migration-sample-jsons). A postal code such as
    # 01067 is none.
    if name in _TEXTS or name.endswith("Id") or not _NUMBER.fullmatch(text):
        return text
    try:
        return _plain(Decimal(text))
    except InvalidOperation:
        return text


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > 100:
        return str(number)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _plain_moment(text: str) -> str:
    """Trailing Z is dropped in MAO's output, milliseconds vary (DOC: how-release-works)."""
    found = _MOMENT.fullmatch(text)
    if not found:
        return text
    day, time, fraction, zone = found.groups()
    if zone and zone not in "Zz":
        try:
            moment = datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            return text
        day, time = moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")
    fraction = (fraction or "")[:3].rstrip("0")
    return f"{day}T{time}.{fraction}" if fraction else f"{day}T{time}"


def rows_of(payload: Mapping[str, Any]) -> Rows:
    """Every field that takes part in a merge, by row. Left out: rows without their business key, and rows
    that MAO derived from others; they are not ours. A null member is a field with the value ""."""
    rows: Rows = {"": {}}
    _collect(payload, "", "", rows, NEVER_MERGED)
    return rows


def flatten(payload: Mapping[str, Any]) -> dict[str, str]:
    """The same as one table: path -> value."""
    return {
        f"{row}/{name}" if row else name: value
        for row, fields in rows_of(payload).items()
        for name, value in fields.items()
    }


def _collect(node: Mapping[str, Any], row: str, within: str, rows: Rows, but: Collection[str] = ()) -> None:
    """`within`: the nested objects between the row and `node`, "ShipToAddress/Address/"."""
    fields = rows[row]
    for name, value in node.items():
        if name in but:
            continue
        if value is None or isinstance(value, _SCALARS):
            if within or name not in ROW_KEYS:
                fields[within + step(name)] = normalise(value, name)
        elif isinstance(value, Mapping):
            _collect(value, row, f"{within}{step(name)}/", rows)
        elif not within and name in ROW_KEYS:
            key, parent = ROW_KEYS[name], f"{row}/{name}/" if row else f"{name}/"
            for row_id, child in rows_by_id(node, name).items():
                path = parent + step(row_id)
                rows[path] = {}
                _collect(child, path, "", rows, (key,))


def rows_by_id(node: Mapping[str, Any], list_name: str) -> dict[str, Mapping[str, Any]]:
    """Business key -> row, of one child list; without the rows that are not ours by their nature."""
    key = ROW_KEYS[list_name]
    rows = node.get(list_name)
    if not isinstance(rows, list):
        return {}
    return {
        str(row[key]): row
        for row in rows
        if isinstance(row, Mapping) and row.get(key) is not None and not _is_derived(row)
    }


def _is_derived(row: Mapping[str, Any]) -> bool:
    """MAO prorates header rows over the lines (DOC: order-pricing-overview-proration)."""
    return bool(row.get("HeaderChargeDetailId") or row.get("HeaderTaxDetailId"))


def grouped(fields: Fields) -> Rows:
    """A stored base by rows; the reverse of what `flatten` does."""
    rows: Rows = {"": {}}
    known: dict[str, tuple[dict[str, str], int]] = {}
    for path, value in fields.items():
        parent = path.rpartition("/")[0]
        place = known.get(parent)
        if place is None:
            row = row_of(path)[0]
            place = known[parent] = (rows.setdefault(row, {}), len(row) + 1 if row else 0)
        place[0][path[place[1] :]] = value
    return rows


def step(name: str) -> str:
    """A name or id as one step of a path."""
    return name.replace("~", "~0").replace("/", "~1") if "/" in name or "~" in name else name


def steps_of(path: str) -> list[str]:
    """The names and ids a path consists of, as they were."""
    steps = path.split("/")
    return [part.replace("~1", "/").replace("~0", "~") for part in steps] if "~" in path else steps


def row_of(path: str) -> tuple[str, str, str]:
    """(row path, list name, field within the row); row path "" for header fields.

    >>> row_of("OrderLine/7/ShipToAddress/Address/City")
    ('OrderLine/7', 'OrderLine', 'ShipToAddress/Address/City')
    """
    parts = path.split("/")
    end = 0
    while end + 2 < len(parts) and parts[end] in ROW_KEYS:
        end += 2
    return "/".join(parts[:end]), parts[end - 2] if end else "", "/".join(parts[end:])


def is_row(path: str) -> bool:
    """Whether a path names a whole row, `OrderLine/7`, and not a field."""
    return "/" in path and path.rsplit("/", 2)[-2] in ROW_KEYS


def list_of(row: str) -> str:
    """The name of the list a row path is in, "" for the header."""
    return row.rsplit("/", 2)[-2] if row else ""


def is_clear(list_name: str, name: str) -> bool:
    """Whether a base shows this field of a row of this list as it is."""
    return name in _CLEAR.get(list_name, _NOTHING_CLEAR)


@lru_cache(maxsize=4096)  # countries, units and names of taxes stand in every order
def hash_field(value: str, salt: bytes) -> str:
    return (
        "#" + hmac.digest(salt, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:20] if value else ""
    )


def remember(list_name: str, name: str, value: str, salt: bytes) -> str:
    """One value in the form in which a base holds it."""
    return value if is_clear(list_name, name) else hash_field(value, salt)


def remembered(payload: Mapping[str, Any], salt: bytes) -> dict[str, str]:
    """The form in which a base is stored: flat, path -> value, without any personal data in clear."""
    stored: dict[str, str] = {}
    for row, fields in rows_of(payload).items():
        clear, prefix = _CLEAR.get(list_of(row), _NOTHING_CLEAR), f"{row}/" if row else ""
        for name, value in fields.items():
            stored[prefix + name] = value if name in clear else hash_field(value, salt)
    return stored
