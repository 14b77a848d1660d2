"""Inventory entries as commercetools sends them, and the bodies that are sent to it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import Figure
from ct_mao_sync.mapping.inventory_entry import (
    EntryState,
    entity_of,
    parse_entry,
    render_instant,
    split_entity,
)
from ct_mao_sync.mapping.inventory_plan import (
    EntryPlan,
    EntryTarget,
    EntryWanted,
    ImportEntry,
    InventoryRules,
    UpdateEntry,
    plan_entry,
)
from ct_mao_sync.models.json import dump_json

SPEC = Path(__file__).resolve().parents[2] / ".." / "shared" / "reference" / "ct-spec"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)

ROW: dict[str, Any] = {
    "id": "entry-1",
    "version": 4,
    "key": "SKU-1_dc",
    "sku": "SKU-1",
    "supplyChannel": {"typeId": "channel", "id": "ch-1"},
    "quantityOnStock": 12,
    "availableQuantity": 10,
}


def test_an_entry_is_read() -> None:
    more = {
        "expectedDelivery": "2026-11-01T12:00:00.000Z",
        "restockableInDays": 3,
        "reservationExpirationInMinutes": Decimal("60.0"),
        "custom": {"type": {"typeId": "type", "id": "t"}, "fields": {"onHand": 3}},
        "unknown": {},
    }

    assert parse_entry(ROW) == EntryState("entry-1", 4, "SKU-1", "ch-1", 12, "SKU-1_dc")
    assert parse_entry({**ROW, **more}) == EntryState(
        "entry-1", 4, "SKU-1", "ch-1", 12, "SKU-1_dc", AT, 3, 60, "t", {"onHand": 3}
    )


def test_an_entry_may_have_no_channel_no_key_and_less_than_nothing() -> None:
    row = {name: value for name, value in ROW.items() if name not in ("supplyChannel", "key")}

    found = parse_entry({**row, "quantityOnStock": Decimal("-3.0")})

    assert found == EntryState("entry-1", 4, "SKU-1", "", -3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", ""),
        ("sku", None),
        ("version", "4"),
        ("version", None),
        ("quantityOnStock", None),
        ("quantityOnStock", "12"),
        ("quantityOnStock", Decimal("NaN")),
        ("quantityOnStock", 1.5),
        ("quantityOnStock", True),
        ("supplyChannel", "ch-1"),
        ("supplyChannel", {}),
        ("supplyChannel", {"id": ""}),
    ],
)
def test_an_entry_that_is_not_as_documented_is_rejected(field: str, value: Any) -> None:
    found = parse_entry({**ROW, field: value})

    assert isinstance(found, Rejection)
    assert (found.code, found.field) == ("source-invalid", field)


@pytest.mark.parametrize(
    ("sku", "channel"), [("A", ""), ("A", "dc"), ("a|b", "dc"), ("a|", ""), ("'\"ß", "x-1")]
)
def test_an_entity_can_be_taken_apart_again(sku: str, channel: str) -> None:
    assert split_entity(entity_of(sku, channel)) == (sku, channel)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    assert render_instant(AT.astimezone(timezone(timedelta(hours=2)))) == "2026-11-01T12:00:00.000Z"


def validator(schema_file: str, name: str) -> Any:
    path = SPEC / schema_file
    if not path.is_file():
        pytest.skip("the vendor's schemas are not here")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})


def body_of(writer: Any, entry: EntryState | None, **more: Any) -> tuple[Any, Any]:
    """The write, and its body as it goes over the wire."""
    figure = Figure("I", "", Decimal(30), at=AT, next_at=AT + timedelta(days=2), on_hand=Decimal("31.5"))
    rules = InventoryRules(writer=writer, create_missing=True, **more)
    wanted = EntryWanted("27\" O'Neil ß", "I", Decimal(1), "dc", "ch-1")
    plan = plan_entry(wanted, EntryTarget(entry, figure, Decimal(2), 0.0, 60.0), rules)
    assert isinstance(plan, EntryPlan)
    (write,) = plan.writes
    return write, json.loads(dump_json(write.body))


ENTRY = EntryState("entry-1", 4, "27\" O'Neil ß", "ch-1", 90, "k-1", None, 3, 60)
COUNTERS = {"counters_type_id": "type-1", "counter_fields": {"on_hand": "onHand"}}


@pytest.mark.parametrize(
    "entry",
    [replace(ENTRY, key=""), ENTRY, replace(ENTRY, custom_type_id="type-1", custom_fields={"onHand": 1})],
)
@pytest.mark.parametrize("more", [{}, COUNTERS])
def test_an_update_is_what_commercetools_documents(entry: EntryState, more: dict[str, Any]) -> None:
    write, body = body_of("rest", entry, **more)

    assert isinstance(write, UpdateEntry)
    assert body["actions"][0] == {"action": "changeQuantity", "quantity": 28}
    validator("ct-api-requests.strict.schema.json", "InventoryEntryUpdate").validate(body)


@pytest.mark.parametrize("more", [{}, COUNTERS])
def test_a_draft_is_what_commercetools_documents(more: dict[str, Any]) -> None:
    _, body = body_of("rest", None, **more)

    assert body["quantityOnStock"] == 28
    validator("ct-api-requests.strict.schema.json", "InventoryEntryDraft").validate(body)


@pytest.mark.parametrize("entry", [None, ENTRY])
def test_an_import_is_what_commercetools_documents(entry: EntryState | None) -> None:
    write, body = body_of("import-api", entry)

    assert isinstance(write, ImportEntry)
    request = {"type": "inventory", "resources": [body]}
    validator("ct-import-requests.strict.schema.json", "InventoryImportRequest").validate(request)
