"""The Import API of the simulated project: containers, operations, what processing does to the entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sandbox_shop import ATLANTA, ATLANTA_ID, Importer, Json, a_line, a_resource, an_order

from ct_mao_sync.sandbox.commercetools import place_order
from ct_mao_sync.sandbox.commercetools_import import end_import_in

SPEC = Path(__file__).resolve().parents[3] / "shared" / "reference" / "ct-spec"


@pytest.fixture
def importer() -> Importer:
    return Importer()


def test_a_container_is_created_once_and_expires_after_72_hours(importer: Importer) -> None:
    assert importer.container["retentionPolicy"]["config"] == {"timeToLive": "72h"}
    assert importer.refused("POST", "import-containers", {"key": "box"}) == (400, "DuplicateField")
    assert importer.done("GET", "import-containers/box") == importer.container
    importer.clock.advance(72 * 3600 - 1)
    importer.bearer = importer.login()
    assert importer.ask("GET", "import-containers/box")[0] == 200
    importer.clock.advance(1)
    assert importer.refused("GET", "import-containers/box") == (404, "ResourceNotFound")
    body = {"type": "inventory", "resources": [a_resource()]}
    assert importer.ask("POST", "inventories/import-containers/box", body)[0] == 404
    importer.done("POST", "import-containers", {"key": "box"})


def test_a_container_can_live_otherwise_be_changed_and_deleted(importer: Importer) -> None:
    policy = {"strategy": "ttl", "config": {"timeToLive": "1h"}}
    made = importer.done("POST", "import-containers", {"key": "short", "retentionPolicy": policy})
    assert made["expiresAt"] == "2026-11-23T10:00:00.000Z"
    changed = importer.done("PUT", "import-containers/short", {"version": 1, "resourceType": "order"})
    assert (changed["version"], changed["resourceType"]) == (2, "order")
    assert importer.ask("PUT", "import-containers/short", {"version": 1})[0] == 409
    body = {"type": "inventory", "resources": []}
    assert importer.ask("POST", "inventories/import-containers/short", body)[0] == 400
    keys = [each["key"] for each in importer.done("GET", "import-containers")["results"]]
    assert keys == ["box", "short"]
    importer.done("DELETE", "import-containers/short")
    assert importer.ask("GET", "import-containers/short")[0] == 404


def test_an_import_is_processed_later_and_creates_then_updates_by_key(importer: Importer) -> None:
    (status,) = importer.send(a_resource())
    assert status["state"] == "processing"
    assert importer.world.ct.inventory == {}
    importer.clock.advance(1)
    operation = importer.operation(status)
    assert (operation["state"], operation["resourceVersion"]) == ("imported", 1)
    entry = importer.done("GET", "inventory/key=A_dc-atlanta")
    assert (entry["quantityOnStock"], entry["supplyChannel"]["id"]) == (5, ATLANTA_ID)
    (operation,) = importer.ended(a_resource(quantity=8.0, restockableInDays=4))
    after = importer.read(entry)
    assert (after["quantityOnStock"], after["restockableInDays"], after["version"]) == (8, 4, 2)
    (operation,) = importer.ended(a_resource(quantity=8, restockableInDays=4))
    assert (operation["state"], operation["resourceVersion"]) == ("imported", 2)


def test_an_import_checks_no_version_and_overwrites_what_an_order_took(importer: Importer) -> None:
    importer.ended(a_resource(quantity=5))
    importer.send(a_resource(quantity=5))
    line = a_line(2, supplyChannel={"typeId": "channel", "id": ATLANTA_ID})
    assert place_order(importer.world, an_order(line))
    importer.clock.advance(5)
    assert importer.done("GET", "inventory/key=A_dc-atlanta")["quantityOnStock"] == 5


def test_more_than_20_resources_are_refused(importer: Importer) -> None:
    body = {"type": "inventory", "resources": [a_resource(f"k-{number}") for number in range(21)]}
    refused = importer.refused("POST", "inventories/import-containers/box", body)
    assert refused == (400, "InvalidInput")


@pytest.mark.parametrize(
    "body",
    [
        {"resources": []},
        {"type": "order", "resources": []},
        {"type": "inventory"},
        {"type": "inventory", "resources": {}},
        {"type": "inventory", "resources": [], "more": 1},
        {"type": "inventory", "resources": [a_resource(quantity="5")]},
        {"type": "inventory", "resources": [a_resource(minCartQuantity=1)]},
        b'{"type":"inventory","resources":[{"key":"kk","sku":"A","quantityOnStock":NaN}]}',
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_whole(importer: Importer, body: Any) -> None:
    refused = importer.refused("POST", "inventories/import-containers/box", body)
    assert refused == (400, "InvalidJsonInput")
    assert importer.done("GET", "import-containers/box/import-summaries")["total"] == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "no spaces"}, "key"),
        ({"sku": None}, "sku"),
        ({"quantityOnStock": 1.5}, "quantityOnStock"),
        ({"expectedDelivery": "tomorrow"}, "expectedDelivery"),
        ({"supplyChannel": {"typeId": "channel", "id": "x"}}, "supplyChannel"),
        ({"reservationExpirationInMinutes": 0}, "reservationExpirationInMinutes"),
    ],
)
def test_a_resource_that_breaks_a_rule_fails_alone(importer: Importer, change: Json, field: str) -> None:
    bad, good = importer.send({**a_resource("bad-one"), **change}, a_resource("good-one"))
    assert (bad["state"], bad["errors"][0]["field"]) == ("validationFailed", field)
    importer.clock.advance(5)
    assert importer.operation(bad)["state"] == "validationFailed"
    assert importer.operation(good)["state"] == "imported"
    assert [entry["key"] for entry in importer.world.ct.inventory.values()] == ["good-one"]


def test_an_unknown_channel_waits_until_it_exists(importer: Importer) -> None:
    channel = {"typeId": "channel", "key": "new-dc"}
    (operation,) = importer.ended(a_resource("A_new-dc", supplyChannel=channel))
    assert (operation["state"], operation["unresolvedReferences"]) == ("unresolved", [channel])
    importer.done("POST", "channels", {"key": "new-dc"})
    assert importer.operation({"operationId": operation["id"]})["state"] == "imported"


def test_what_the_project_refuses_is_rejected_with_its_reason(importer: Importer) -> None:
    importer.entry(supplyChannel=ATLANTA, key="another-key")
    taken, other_sku = importer.ended(a_resource(), a_resource("another-key", sku="B"))
    assert (taken["state"], taken["errors"][0]["code"]) == ("rejected", "DuplicateField")
    assert (other_sku["state"], other_sku["errors"][0]["code"]) == ("rejected", "InvalidFieldUpdate")


@pytest.mark.parametrize("state", ["rejected", "canceled", "waitForMasterVariant"])
def test_an_operation_can_be_made_to_end_in_any_state(importer: Importer, state: str) -> None:
    end_import_in(importer.world, "A_dc-atlanta", state)
    (operation,) = importer.ended(a_resource())
    assert operation["state"] == state
    assert importer.world.ct.inventory == {}


def test_operations_are_listed_by_state_key_and_page_and_summed_up(importer: Importer) -> None:
    importer.send(
        a_resource("bad key"), *(a_resource(f"key-{number}", sku=f"S{number}") for number in range(5))
    )
    path = "import-containers/box/import-operations"
    assert importer.done("GET", path, query=[("state", "processing")])["total"] == 5
    importer.clock.advance(5)
    page = importer.done("GET", path, query=[("state", "imported"), ("limit", "2"), ("offset", "4")])
    assert (page["count"], page["total"], page["results"][0]["resourceKey"]) == (1, 5, "key-4")
    assert importer.done("GET", path, query=[("resourceKey", "key-2")])["total"] == 1
    page = importer.done(
        "GET", path, query=[("where", 'state in ("imported")'), ("sort", "resourceKey desc")]
    )
    assert page["results"][0]["resourceKey"] == "key-4"
    assert importer.ask("GET", path, query=[("state", "lost")])[0] == 400
    summary = importer.done("GET", "import-containers/box/import-summaries")
    assert (summary["total"], summary["states"]["imported"], summary["states"]["validationFailed"]) == (
        6,
        5,
        1,
    )


def test_operations_are_forgotten_after_48_hours(importer: Importer) -> None:
    (operation,) = importer.ended(a_resource())
    importer.clock.advance(48 * 3600)
    importer.bearer = importer.login()
    assert importer.refused("GET", f"import-operations/{operation['id']}") == (404, "ResourceNotFound")
    assert importer.done("GET", "inventory/key=A_dc-atlanta")["quantityOnStock"] == 5


def test_two_imports_of_one_key_keep_their_order_unless_the_fault_is_on() -> None:
    for reorders, left in ((False, 2), (True, 1)):
        importer = Importer(import_reorders=reorders)
        importer.send(a_resource(quantity=1))
        importer.clock.advance(0.5)
        importer.send(a_resource(quantity=2))
        importer.clock.advance(5)
        entry = importer.done("GET", "inventory/key=A_dc-atlanta")
        assert entry["quantityOnStock"] == left, reorders


def test_the_import_api_has_scopes_of_its_own(importer: Importer) -> None:
    importer.bearer = importer.login("manage_products:sandbox")
    importer.send(a_resource())
    assert importer.refused("GET", "import-containers/box") == (403, "insufficient_scope")


@pytest.mark.skipif(not SPEC.is_dir(), reason="the vendor's schemas are not here")
def test_entries_and_imports_have_the_shape_of_the_vendors_schemas(importer: Importer) -> None:
    jsonschema = pytest.importorskip("jsonschema")

    def valid(document: Any, name: str, file: str) -> None:
        schema = json.loads((SPEC / file).read_text(encoding="utf-8"))
        schema["$ref"] = f"#/$defs/{name}"
        jsonschema.Draft202012Validator(schema).validate(document)

    statuses = importer.send(a_resource(), a_resource("bad key"), a_resource("later", supplyChannel=None))
    channel = {"typeId": "channel", "key": "new-dc"}
    statuses += importer.send(a_resource("waits", sku="B", supplyChannel=channel))
    valid({"operationStatus": statuses}, "ImportResponse", "ct-import-subset.schema.json")
    importer.clock.advance(5)
    for path, name in (
        ("import-containers", "ImportContainerPagedResponse"),
        ("import-containers/box/import-operations", "ImportOperationPagedResponse"),
        ("import-containers/box/import-summaries", "ImportSummary"),
    ):
        valid(importer.done("GET", path), name, "ct-import-subset.schema.json")
    importer.world.ct.types["t"] = {
        "id": "t",
        "version": 1,
        "key": "t",
        "resourceTypeIds": ["inventory-entry"],
    }
    entry = importer.done("GET", "inventory/key=A_dc-atlanta")
    importer.update(
        entry,
        {"action": "setRestockableInDays", "restockableInDays": 3},
        {"action": "setSafetyStock", "quantity": 3},
        {"action": "setCustomType", "type": {"typeId": "type", "id": "t"}, "fields": {"a": 1}},
        {"action": "setExpectedDelivery", "expectedDelivery": "2026-12-01T00:00:00Z"},
    )
    page = importer.done("GET", "inventory")
    assert page["total"] == 2
    valid(page, "InventoryPagedQueryResponse", "ct-api-subset.schema.json")
