"""Every import body is one that the vendor's own schema takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.mapping.inventory_entry import EntryState, computed_key
from ct_mao_sync.mapping.inventory_writes import import_entry

SCHEMA = (
    Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-import-requests.strict.schema.json"
)
needs_schema = pytest.mark.skipif(not SCHEMA.exists(), reason="the vendor's schemas are not here (../shared)")


@cache
def validator() -> Any:
    from jsonschema import Draft202012Validator, FormatChecker

    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return Draft202012Validator(
        {"$ref": "#/$defs/InventoryImportRequest", "$defs": document["$defs"]}, format_checker=FormatChecker()
    )


MOMENTS = st.none() | st.timedeltas(timedelta(0), timedelta(days=400)).map(
    lambda ahead: datetime(2026, 11, 24, tzinfo=UTC) + ahead
)
ENTRIES = st.none() | st.builds(
    EntryState,
    id=st.just("id"),
    version=st.integers(1, 9),
    sku=st.just("S"),
    channel_id=st.just(""),
    quantity_on_stock=st.integers(-5, 500),
    expected_delivery=MOMENTS,
    restockable_in_days=st.none() | st.integers(0, 90),
    reservation_expiration_in_minutes=st.none() | st.integers(1, 44_640),
)


@needs_schema
@given(
    sku=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    channel=st.sampled_from(["", "dc-atlanta", "store_17"]),
    quantity=st.integers(0, 2**53),
    restock=MOMENTS,
    entry=ENTRIES,
)
def test_every_import_is_valid(
    sku: str, channel: str, quantity: int, restock: datetime | None, entry: EntryState | None
) -> None:
    write = import_entry(sku, channel, computed_key(sku, channel), quantity, None, restock, entry)

    request = {"type": "inventory", "resources": [dict(write.body)]}
    assert [error.message for error in validator().iter_errors(request)] == []


@needs_schema
@pytest.mark.parametrize(
    "wrong", [{"key": "a b"}, {"quantityOnStock": "5"}, {"quantity": 5}, {"expectedDelivery": "tomorrow"}]
)
def test_the_schema_would_tell(wrong: dict[str, Any]) -> None:
    body = {**import_entry("S", "", "S-1", 5, None, None, None).body, **wrong}

    assert list(validator().iter_errors({"type": "inventory", "resources": [body]}))
