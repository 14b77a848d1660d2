"""The Import API: accepted one by one, followed in pages, and a container that may vanish at any time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from clients_sandbox import Tenants
from clients_wire import Scripted, a_clock, reply

from ct_mao_sync.clients.commercetools_import import ImportClient, ImportFault, Operation, OperationStatus
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import OutcomeUnknown, RunStopped
from ct_mao_sync.sandbox.generate_stock import stock_world

API = "https://import.europe-west1.gcp.commercetools.com"
ROOT = f"{API}/my-shop"
SCHEMA = (
    Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-import-requests.strict.schema.json"
)


def importer(adapter: Any = None) -> ImportClient:
    http = HttpClient(
        base_url=API,
        workers=2,
        timeout_s=30,
        retry_s=120,
        clock=a_clock(),
        token=None,
        adapter=adapter,
        url_key="commercetools.import_url",
    )
    return ImportClient(http, "my-shop")


def resource(number: int, **more: Any) -> dict[str, Any]:
    return {"key": f"key-{number}", "sku": f"S{number}", "quantityOnStock": number, **more}


def accepted(*states: str) -> Any:
    listed = [{"operationId": f"op-{n}", "state": state} for n, state in enumerate(states)]
    return reply(201, {"operationStatus": listed})


def refused(code: str = "InvalidField", **more: Any) -> Any:
    error = {"code": code, "message": f"{code} it is", **more}
    return reply(400, {"statusCode": 400, "message": error["message"], "errors": [error]})


def query_of(request: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query))


# ── the container ──


@responses.activate
def test_a_container_that_is_there_is_left_alone() -> None:
    responses.get(f"{ROOT}/import-containers/stock", json={"key": "stock", "resourceType": "inventory"})
    importer().ensure_container("stock")
    assert len(responses.calls) == 1


@responses.activate
def test_a_missing_container_is_created_to_last() -> None:
    responses.get(f"{ROOT}/import-containers/stock", status=404, json={"statusCode": 404})
    created = responses.post(f"{ROOT}/import-containers", status=201, json={"key": "stock"})
    importer().ensure_container("stock")
    assert json.loads(created.calls[0].request.body or "") == {
        "key": "stock",
        "resourceType": "inventory",
        "retentionPolicy": {"strategy": "ttl", "config": {"timeToLive": "30d"}},
    }


@pytest.mark.parametrize("first_try", [refused("DuplicateField"), reply(502), reply(409)])
def test_a_container_that_somebody_else_created_meanwhile_will_do(first_try: Any) -> None:
    adapter = Scripted(reply(404), first_try, reply(200, {"key": "stock"}))
    importer(adapter).ensure_container("stock")
    assert [request.method for request in adapter.requests] == ["GET", "POST", "GET"]


def test_a_create_whose_outcome_stays_unknown_is_not_repeated_for_ever() -> None:
    adapter = Scripted(*[reply(404), reply(500)] * 3)
    with pytest.raises(OutcomeUnknown):
        importer(adapter).ensure_container("stock")
    assert len(adapter.requests) == 6


def test_a_container_of_another_kind_or_name_stops_the_run() -> None:
    for answers in (
        [reply(200, {"key": "stock", "resourceType": "price"})],
        [reply(404), refused("InvalidField")],
    ):
        with pytest.raises(RunStopped) as caught:
            importer(Scripted(*answers)).ensure_container("stock")
        assert caught.value.problem.code == "import-container-unusable"
        assert caught.value.problem.field == "inventory.import_container"


def test_an_unknown_project_stops_the_run() -> None:
    with pytest.raises(RunStopped) as caught:
        importer(Scripted(reply(404))).ensure_container("stock")
    assert caught.value.problem.code == "project-not-found"
    assert "import_url" in caught.value.problem.hint


# ── importing ──


@responses.activate
def test_a_request_carries_up_to_twenty_entries_and_tells_each_ones_state() -> None:
    fault = {"code": "InvalidField", "message": "not\na key", "field": "key", "invalidValue": "?"}
    body = {
        "operationStatus": [
            {"operationId": "op-1", "state": "processing"},
            {"operationId": "op-2", "state": "validationFailed", "errors": [fault]},
            {"state": "validationFailed"},
        ]
    }
    sent = responses.post(f"{ROOT}/inventories/import-containers/stock", status=201, json=body)
    found = importer().import_entries("stock", [resource(1), resource(2), resource(3)])
    assert json.loads(sent.calls[0].request.body or "") == {
        "type": "inventory",
        "resources": [resource(1), resource(2), resource(3)],
    }
    assert found == [
        OperationStatus("op-1", "processing"),
        OperationStatus("op-2", "validationFailed", (ImportFault("InvalidField", "not a key", "key"),)),
        OperationStatus("", "validationFailed"),
    ]


@pytest.mark.parametrize("resources", [[], [resource(n) for n in range(21)], [resource(1), resource(1)]])
def test_what_no_request_may_carry_is_not_sent(resources: list[Any]) -> None:
    adapter = Scripted(accepted())
    with pytest.raises(ValueError, match="resources"):
        importer(adapter).import_entries("stock", resources)
    assert adapter.requests == []


class Strict:
    """Refuses the whole request when a resource is bad, naming it or not."""

    def __init__(self, bad: set[str], *, names_it: bool) -> None:
        self.bad = bad
        self.names_it = names_it
        self.accepted: list[str] = []

    def __call__(self, request: Any) -> Any:
        keys = [each["key"] for each in json.loads(request.body)["resources"]]
        wrong = [index for index, key in enumerate(keys) if key in self.bad]
        if wrong:
            return refused(**({"resourceIndex": wrong[0]} if self.names_it else {}))
        self.accepted += keys
        listed = [{"operationId": f"op-{key}", "state": "processing"} for key in keys]
        return reply(201, {"operationStatus": listed})


@pytest.mark.parametrize("names_it", [True, False])
@pytest.mark.parametrize("bad", [{"key-0"}, {"key-19"}, {"key-3", "key-4"}, {f"key-{n}" for n in range(20)}])
def test_one_bad_entry_does_not_stop_the_others(bad: set[str], names_it: bool) -> None:
    server = Strict(bad, names_it=names_it)
    sent = [resource(n) for n in range(20)]
    found = importer(Scripted(server)).import_entries("stock", sent)
    failed = {each["key"] for each, status in zip(sent, found, strict=True) if status.state != "processing"}
    assert failed == bad
    assert sorted(server.accepted) == sorted({each["key"] for each in sent} - bad)
    assert all(
        status
        == OperationStatus("", "validationFailed", (ImportFault("InvalidField", "InvalidField it is"),))
        for status in found
        if status.state != "processing"
    )
    assert [status.operation_id for status in found if status.operation_id] == [
        f"op-{each['key']}" for each in sent if each["key"] not in bad
    ]


def test_a_named_bad_entry_costs_one_more_request() -> None:
    adapter = Scripted(Strict({"key-7"}, names_it=True))
    importer(adapter).import_entries("stock", [resource(n) for n in range(20)])
    assert len(adapter.requests) == 2


def test_a_container_that_vanished_is_created_again_once() -> None:
    adapter = Scripted(reply(404), reply(404), reply(201, {"key": "stock"}), accepted("processing"))
    assert importer(adapter).import_entries("stock", [resource(1)]) == [OperationStatus("op-0", "processing")]
    assert [(request.method, urlsplit(request.url).path) for request in adapter.requests] == [
        ("POST", "/my-shop/inventories/import-containers/stock"),
        ("GET", "/my-shop/import-containers/stock"),
        ("POST", "/my-shop/import-containers"),
        ("POST", "/my-shop/inventories/import-containers/stock"),
    ]


def test_a_container_that_cannot_be_kept_stops_the_run() -> None:
    adapter = Scripted(reply(404), reply(200, {"key": "stock"}), reply(404))
    with pytest.raises(RunStopped) as caught:
        importer(adapter).import_entries("stock", [resource(1)])
    assert caught.value.problem.code == "import-container-unusable"
    assert len(adapter.requests) == 3


@pytest.mark.parametrize(
    "trouble",
    [
        reply(500),
        reply(201, {"operationStatus": []}),
        reply(201, {"operationStatus": [{"operationId": "1"}]}),
        reply(201, b"accepted"),
    ],
)
def test_an_answer_that_does_not_fit_the_request_leaves_the_outcome_unknown(trouble: Any) -> None:
    adapter = Scripted(trouble)
    with pytest.raises(OutcomeUnknown):
        importer(adapter).import_entries("stock", [resource(1)])
    assert len(adapter.requests) == 1


# ── following ──


class Listing:
    """The operations of one container, newest first; `before` runs before each answer."""

    def __init__(self, count: int, state: str = "imported") -> None:
        self.rows = [{"id": f"op-{n}", "resourceKey": f"key-{n}", "state": state} for n in range(count)]
        self.before: Callable[[], None] = lambda: None
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: Any) -> Any:
        self.before()
        path, query = urlsplit(request.url).path, query_of(request)
        self.asked.append((path, query))
        if not path.endswith("/import-operations"):
            found = [row for row in self.rows if path.endswith(f"/{row['id']}")]
            return reply(200, found[0]) if found else reply(404)
        assert query["sort"] == "createdAt desc"
        rows = [row for row in reversed(self.rows) if query.get("state") in (None, row["state"])]
        offset, limit = int(query["offset"]), int(query["limit"])
        page = rows[offset : offset + limit]
        body = {"limit": limit, "offset": offset, "count": len(page), "total": len(rows), "results": page}
        return reply(200, body)


def test_many_operations_are_followed_by_pages() -> None:
    server = Listing(2_000)
    wanted = [f"op-{n}" for n in range(1_100, 2_000)]
    found = importer(Scripted(server)).read_operations({"stock": wanted})
    assert {operation.id for operation in found} == set(wanted)
    assert found[0] == Operation("op-1999", "key-1999", "imported")
    assert [query["offset"] for _, query in server.asked] == ["0", "500"]


def test_pages_that_are_surely_needed_are_read_together_of_all_containers() -> None:
    server = Listing(5_000)
    wanted = [f"op-{n}" for n in range(3_900, 5_000)]
    together: list[int] = []

    def at_once(call: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
        together.append(len(values))
        return [call(value) for value in reversed(values)][::-1]

    by_container = {"stock": wanted, "stock-2": wanted[-600:]}
    found = importer(Scripted(server)).read_operations(by_container, at_once=at_once)

    assert {operation.id for operation in found} == set(wanted)
    assert together == [3 + 2]
    assert len(server.asked) == 5


def test_what_is_left_of_a_container_is_looked_for_among_all_that_it_got() -> None:
    server = Listing(3_000)
    old = [f"op-{n}" for n in range(100, 200)]

    found = importer(Scripted(server)).read_operations({"stock": old}, filled={"stock": 3_000})
    assert {operation.id for operation in found} == set(old)
    assert len(server.asked) == 6

    few = importer(Scripted(server)).read_operations({"stock": old[:3]}, filled={"stock": 3_000})
    assert {operation.id for operation in few} == set(old[:3])
    assert len(server.asked) == 6 + 3


def test_operations_that_are_added_meanwhile_hide_none() -> None:
    server = Listing(1_000)

    def add() -> None:
        server.rows += [{"id": f"new-{len(server.rows)}", "resourceKey": "k", "state": "processing"}] * 40

    server.before = add
    wanted = [f"op-{n}" for n in range(1_000)]
    found = importer(Scripted(server)).read_operations({"stock": wanted})
    assert sorted(operation.id for operation in found) == sorted(wanted)


def test_what_no_page_has_is_asked_for_by_id_within_reason() -> None:
    server = Listing(12_000)
    wanted = [f"op-{n}" for n in range(100)] + ["gone"]
    found = importer(Scripted(server)).read_operations({"stock": wanted})
    assert {operation.id for operation in found} == {f"op-{n}" for n in range(20)}
    pages = [query["offset"] for path, query in server.asked if "offset" in query]
    assert pages == ["0", "500"], "a page more than they fill: few old ones are not worth twenty pages"
    assert len(server.asked) == 2 + 20


def test_one_operation_is_one_request_and_a_vanished_one_none() -> None:
    server = Listing(900)
    client = importer(Scripted(server))
    assert [operation.id for operation in client.read_operations({"stock": ["op-3"]})] == ["op-3"]
    assert client.read_operation("gone") is None
    assert client.read_operations({"stock": []}) == []
    assert len(server.asked) == 2


def test_a_vanished_container_has_no_operations() -> None:
    client = importer(Scripted(reply(404)))
    assert client.read_open_operations("stock") == []
    assert client.read_operations({"stock": ["a", "b"]}) == []


def test_open_operations_are_those_that_are_neither_done_nor_failed() -> None:
    server = Listing(3)
    server.rows[0]["state"] = "processing"
    server.rows[1] |= {
        "state": "unresolved",
        "unresolvedReferences": [{"typeId": "channel", "key": "dc-atlanta"}],
    }
    found = {each.id: each for each in importer(Scripted(server)).read_open_operations("stock")}
    assert set(found) == {"op-0", "op-1"}
    assert found["op-1"].unresolved == ("channel dc-atlanta",)
    assert all(operation.is_open for operation in found.values())


def test_open_operations_that_move_up_while_others_finish_are_found() -> None:
    server = Listing(1_200, "processing")

    def finish() -> None:
        if len(server.asked) in (1, 2):
            for row in server.rows[-30 * len(server.asked) :]:
                row["state"] = "imported"

    server.before = finish
    found = {each.id for each in importer(Scripted(server)).read_open_operations("stock")}
    assert found >= {row["id"] for row in server.rows if row["state"] == "processing"}


# ── against the sandbox ──


def test_entries_arrive_and_a_missing_channel_is_waited_for() -> None:
    tenants = Tenants()
    stock_world(tenants.world, 1, items=["A"], entries=())
    tenants.imports.ensure_container("stock")
    tenants.imports.ensure_container("stock")
    atlanta = {"typeId": "channel", "key": "dc-atlanta"}
    statuses = tenants.imports.import_entries(
        "stock",
        [
            {"key": "A_dc-atlanta", "sku": "A", "quantityOnStock": 7, "supplyChannel": atlanta},
            {"key": "bad key!", "sku": "A", "quantityOnStock": 1},
            {
                "key": "A_mars",
                "sku": "A",
                "quantityOnStock": 2,
                "supplyChannel": {"typeId": "channel", "key": "mars"},
            },
        ],
    )
    assert [status.state for status in statuses] == ["processing", "validationFailed", "processing"]
    assert statuses[1].errors[0].code == "InvalidField"
    assert len(tenants.imports.read_open_operations("stock")) == 2

    tenants.clock.advance(5)
    ids = [status.operation_id for status in statuses]
    found = {each.resource_key: each for each in tenants.imports.read_operations({"stock": ids})}

    assert found["A_dc-atlanta"].state == "imported"
    assert found["A_dc-atlanta"].resource_version == 1
    assert found["bad key!"].state == "validationFailed"
    assert found["A_mars"].unresolved == ("channel mars",)
    assert [each.resource_key for each in tenants.imports.read_open_operations("stock")] == ["A_mars"]
    entry = tenants.entries.read_entry(key="A_dc-atlanta")
    assert entry is not None and entry["quantityOnStock"] == 7


def test_hundreds_of_imports_are_settled_in_pages() -> None:
    tenants = Tenants()
    tenants.imports.ensure_container("stock")
    ids: list[str] = []
    for start in range(0, 1_200, 20):
        statuses = tenants.imports.import_entries("stock", [resource(n) for n in range(start, start + 20)])
        ids += [status.operation_id for status in statuses]
    tenants.clock.advance(5)
    before = tenants.imports.http.requests_sent
    found = tenants.imports.read_operations({"stock": ids})
    assert {operation.state for operation in found} == {"imported"}
    assert len(found) == 1_200
    assert tenants.imports.http.requests_sent - before == 3


def test_a_container_past_its_time_is_made_anew_in_the_middle_of_a_run() -> None:
    tenants = Tenants()
    tenants.imports.ensure_container("stock")
    tenants.clock.advance(31 * 86_400)
    [status] = tenants.imports.import_entries("stock", [resource(1)])
    assert status.state == "processing"
    tenants.clock.advance(5)
    operation = tenants.imports.read_operation(status.operation_id)
    assert operation is not None and operation.state == "imported"


# ── against the vendor's schema ──


@pytest.mark.parametrize(
    ("name", "send"),
    [
        ("ImportContainerDraft", lambda client: client.ensure_container("stock")),
        (
            "InventoryImportRequest",
            lambda client: client.import_entries(
                "stock",
                [
                    resource(
                        1,
                        supplyChannel={"typeId": "channel", "key": "dc-atlanta"},
                        expectedDelivery="2026-12-01T00:00:00.000Z",
                        restockableInDays=3,
                    )
                ],
            ),
        ),
    ],
)
def test_bodies_fit_the_vendors_schema(name: str, send: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMA.exists():
        pytest.skip("the vendor's schemas are not here (../shared/reference/ct-spec)")
    adapter = Scripted(lambda request: reply(404) if request.method == "GET" else accepted("processing"))
    send(importer(adapter))
    schema = {"$ref": f"#/$defs/{name}", "$defs": json.loads(SCHEMA.read_text())["$defs"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    body = adapter.bodies[-1]
    assert [error.message for error in validator.iter_errors(body)] == []
    assert not validator.is_valid({**body, "unknown": 1})
