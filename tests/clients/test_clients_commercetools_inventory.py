"""Reading and writing InventoryEntries: none is lost at a page's end, whatever a SKU is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from clients_sandbox import Tenants
from clients_wire import Scripted, a_clock, reply

from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import OutcomeUnknown, RecordRejected, Retriable, RunStopped, VersionConflict
from ct_mao_sync.sandbox.generate_stock import stock_world

API = "https://api.europe-west1.gcp.commercetools.com"
SCHEMA = Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-api-requests.strict.schema.json"
ODD_SKUS = ['12" pan', "back\\slash", "Größe-Ä", "日本語", "a, b) or (sku", "tab\there", "%22", "😀", " "]


def shop(adapter: Any = None) -> CommercetoolsInventoryClient:
    http = HttpClient(
        base_url=API, workers=2, timeout_s=30, retry_s=120, clock=a_clock(), token=None, adapter=adapter
    )
    return CommercetoolsInventoryClient(http, "my-shop")


def query_of(request: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def entry(number: int, sku: str = "A") -> dict[str, Any]:
    return {"id": f"id-{number:05d}", "version": 1, "sku": sku, "quantityOnStock": number}


class Entries:
    """A query endpoint over rows sorted by id: `where` with the SKUs and the key, `limit`, and faults."""

    def __init__(self, rows: list[dict[str, Any]], *, limit_max: int = 500, too_much: int = 10**9) -> None:
        self.rows = sorted(rows, key=lambda row: row["id"])
        self.limit_max = limit_max
        self.too_much = too_much
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: Any) -> Any:
        query = query_of(request)
        self.asked.append(query)
        where = query.get("where", "")
        skus, after = self.read(where)
        limit = min(int(query["limit"]), self.limit_max)
        found = [row for row in self.rows if (skus is None or row["sku"] in skus) and row["id"] > after]
        if len(found[:limit]) > self.too_much:
            return reply(400, {"errors": [{"code": "ContentTooLarge"}]})
        page = found[:limit]
        return reply(200, {"limit": limit, "offset": 0, "count": len(page), "results": page})

    @staticmethod
    def read(where: str) -> tuple[set[str] | None, str]:
        listed = re.match(r"sku in \((.*?)\)(?: and |$)", where)
        key = re.search(r'id > "([^"]*)"', where)
        skus = set(json.loads(f"[{listed[1]}]")) if listed else None
        return skus, key[1] if key else ""


@responses.activate
def test_the_entries_of_skus_are_asked_for_by_key() -> None:
    rsp = responses.get(f"{API}/my-shop/inventory", json={"limit": 500, "results": [entry(1), entry(2, "B")]})
    found = shop().read_entries_chunk(["A", "B"])
    assert [row["id"] for row in found] == ["id-00001", "id-00002"]
    assert query_of(rsp.calls[0].request) == {
        "where": 'sku in ("A", "B")',
        "sort": "id asc",
        "limit": "500",
        "withTotal": "false",
    }
    assert rsp.call_count == 1


def test_hundreds_of_channels_of_one_sku_are_all_there() -> None:
    server = Entries([entry(n) for n in range(1_234)] + [entry(9_999, "B")])
    found = shop(Scripted(server)).read_entries_chunk(["A"])
    assert [row["quantityOnStock"] for row in found] == list(range(1_234))
    assert [query.get("where") for query in server.asked] == [
        'sku in ("A")',
        'sku in ("A") and id > "id-00499"',
        'sku in ("A") and id > "id-00999"',
    ]


@pytest.mark.parametrize("count", [499, 500, 501, 1000])
def test_no_entry_is_lost_around_the_page_size(count: int) -> None:
    server = Entries([entry(n, f"S{n % 7}") for n in range(count)])
    found = shop(Scripted(server)).read_entries_chunk([f"S{n}" for n in range(7)])
    assert len(found) == count
    assert len(server.asked) == count // 500 + 1


def test_a_server_with_smaller_pages_than_asked_for_hides_nothing() -> None:
    server = Entries([entry(n) for n in range(250)], limit_max=100)
    assert len(shop(Scripted(server)).read_entries_chunk(["A"])) == 250


def test_a_chunk_that_is_too_much_is_asked_for_in_halves_and_a_single_sku_in_smaller_pages() -> None:
    rows = [entry(n, f"S{n % 4}") for n in range(400)]
    server = Entries(rows, too_much=60)
    found = shop(Scripted(server)).read_entries_chunk(["S0", "S1", "S2", "S3"])
    assert sorted(row["id"] for row in found) == [row["id"] for row in rows]


@pytest.mark.parametrize("code", ["ContentTooLarge", "QueryTimedOut"])
def test_a_query_that_fails_on_a_later_page_starts_again_with_half_the_skus(code: str) -> None:
    server = Entries([entry(n, f"S{n % 2}") for n in range(900)])

    def answer(request: Any) -> Any:
        where = query_of(request)["where"]
        if "S0" in where and "S1" in where and "id >" in where:
            return reply(400, {"errors": [{"code": code}]})
        return server(request)

    found = shop(Scripted(answer)).read_entries_chunk(["S0", "S1"])
    assert len(found) == 900
    assert len({row["id"] for row in found}) == 900


def test_a_server_that_ignores_the_key_is_not_asked_for_ever() -> None:
    page = {"limit": 500, "results": [entry(n) for n in range(500)]}
    adapter = Scripted(reply(200, page))
    with pytest.raises(Retriable) as caught:
        shop(adapter).read_entries_chunk(["A"])
    assert caught.value.problem.code == "pages-repeat"
    assert len(adapter.requests) == 2


def test_skus_in_another_case_are_other_skus() -> None:
    page = {"limit": 500, "results": [entry(1, "sku-a"), entry(2, "SKU-A")]}
    found = shop(Scripted(reply(200, page))).read_entries_chunk(["SKU-A"])
    assert [row["sku"] for row in found] == ["SKU-A"]


def test_chunks_hold_each_sku_once_and_fit_a_url() -> None:
    skus = [f"Größe {n} – 日本語" * 3 for n in range(700)]
    server = Entries([entry(n, sku) for n, sku in enumerate(skus)])
    client = shop(adapter := Scripted(server))

    chunks = client.entry_chunks([*skus, skus[0], ""])
    found = [row["sku"] for chunk in chunks for row in client.read_entries_chunk(chunk)]

    assert [sku for chunk in chunks for sku in chunk] == skus
    assert sorted(found) == sorted(skus)
    assert max(len(request.url or "") for request in adapter.requests) <= 7_500


def test_a_chunk_leaves_room_in_the_url_for_the_key_of_the_next_page() -> None:
    uuids = {n: f"{n:08x}-0000-4000-8000-000000000000" for n in range(2_000)}
    skus = [f"SKU-{n:020d}-{'x' * 20}" for n in range(150)]
    rows = [{**entry(n, skus[n % 150]), "id": uuids[n]} for n in range(2_000)]
    client = shop(adapter := Scripted(Entries(rows)))
    found = client.read_entries(skus)
    assert len(found) == 2_000
    assert 7_000 < max(len(request.url or "") for request in adapter.requests) <= 7_500


def test_a_chunk_is_smaller_where_a_sku_has_several_entries() -> None:
    skus = [f"S{n}" for n in range(300)]
    assert [len(chunk) for chunk in shop().entry_chunks(skus)] == [150, 150]
    assert {len(chunk) for chunk in shop().entry_chunks(skus, entries_per_sku=4)} <= {124, 300 - 2 * 124}
    assert [len(chunk) for chunk in shop().entry_chunks(skus[:2], entries_per_sku=900)] == [1, 1]


def test_what_no_url_can_carry_has_no_entries_and_costs_no_request() -> None:
    adapter = Scripted(reply(500))
    assert shop(adapter).read_entries_chunk(["\ud800", ""]) == shop(adapter).read_entries_chunk([]) == []
    assert shop(adapter).entry_chunks(["\udfff"]) == []
    assert adapter.requests == []


def test_all_entries_of_a_project_are_read_by_key() -> None:
    server = Entries([entry(n, f"S{n}") for n in range(1_200)])
    client = shop(Scripted(server))
    seen: list[str] = []
    after = None
    while True:
        page = client.read_skus_page(after)
        seen += [row["sku"] for row in page.results]
        if page.is_last:
            break
        after = page.last_id
    assert seen == [f"S{n}" for n in range(1_200)]
    assert [query.get("where") for query in server.asked] == [None, 'id > "id-00499"', 'id > "id-00999"']


def test_placed_orders_are_asked_for_by_their_creation() -> None:
    adapter = Scripted(reply(200, {"limit": 500, "results": [{"id": "b"}, {"id": "a"}]}))
    page = shop(adapter).read_placed_orders_page(
        created_since=datetime(2026, 11, 1, tzinfo=UTC), after_id="x"
    )
    assert query_of(adapter.requests[0])["where"] == 'createdAt >= "2026-11-01T00:00:00.000Z" and id > "x"'
    assert (page.last_id, page.is_last) == ("a", True)


def test_an_unknown_project_stops_the_run() -> None:
    client = shop(Scripted(reply(404, {"errors": [{"code": "ResourceNotFound"}]})))
    for read in (lambda: client.read_skus_page(None), lambda: client.read_entries_chunk(["A"])):
        with pytest.raises(RunStopped) as caught:
            read()
        assert caught.value.problem.code == "project-not-found"


def test_channels_are_read_by_their_keys() -> None:
    adapter = Scripted(reply(200, {"results": [{"id": "c", "key": "dc-atlanta"}]}))
    assert shop(adapter).read_channels_by_keys(["dc-atlanta", "none"]) == [{"id": "c", "key": "dc-atlanta"}]
    assert query_of(adapter.requests[0])["where"] == 'key in ("dc-atlanta", "none")'


def test_an_entry_is_updated_by_key_or_by_id() -> None:
    adapter = Scripted(reply(200, {"id": "e", "version": 8}))
    actions = [{"action": "changeQuantity", "quantity": 3}]
    assert shop(adapter).update_entry(7, actions, key="A_dc-atlanta")["version"] == 8
    shop(adapter).update_entry(7, actions, entry_id="e")
    assert [request.url for request in adapter.requests] == [
        f"{API}/my-shop/inventory/key=A_dc-atlanta",
        f"{API}/my-shop/inventory/e",
    ]
    assert adapter.bodies == [{"version": 7, "actions": actions}] * 2
    for address in ({}, {"key": "k", "entry_id": "e"}):
        with pytest.raises(ValueError, match="its id or by its key"):
            shop(adapter).update_entry(7, actions, **address)


def test_an_entry_that_moved_or_went_away_has_to_be_read_again() -> None:
    for trouble in (reply(409), reply(404, {"errors": [{"code": "ResourceNotFound"}]})):
        adapter = Scripted(trouble)
        with pytest.raises(VersionConflict):
            shop(adapter).update_entry(7, [], key="k")
        assert len(adapter.requests) == 1


@pytest.mark.parametrize("code", ["DuplicateField", "DuplicateFieldWithConflictingResource"])
def test_an_entry_that_is_there_already_has_to_be_read_again(code: str) -> None:
    refused = reply(400, {"errors": [{"code": code, "field": "sku", "message": "there is one"}]})
    with pytest.raises(VersionConflict) as caught:
        shop(Scripted(refused)).create_entry({"sku": "A", "quantityOnStock": 1})
    assert caught.value.problem.code == "conflict"
    assert caught.value.problem.context["remote_code"] == code


def test_other_refusals_of_a_write_are_the_records_own() -> None:
    refused = reply(400, {"errors": [{"code": "ReferencedResourceNotFound"}]})
    with pytest.raises(RecordRejected):
        shop(Scripted(refused)).create_entry({"sku": "A", "quantityOnStock": 1})
    for write in (
        lambda client: client.create_entry({"sku": "A", "quantityOnStock": 1}),
        lambda client: client.update_entry(1, [], key="k"),
    ):
        adapter = Scripted(reply(502))
        with pytest.raises(OutcomeUnknown):
            write(shop(adapter))
        assert len(adapter.requests) == 1


# ── against the sandbox ──


@pytest.fixture
def tenants() -> Iterator[Tenants]:
    yield Tenants()


def test_skus_of_any_letters_are_found_again(tenants: Tenants) -> None:
    for number, sku in enumerate(ODD_SKUS):
        tenants.entries.create_entry({"sku": sku, "quantityOnStock": number, "key": f"key-{number}"})
    tenants.entries.create_entry({"sku": "other", "quantityOnStock": 99})

    found = tenants.entries.read_entries(ODD_SKUS)

    assert {row["sku"]: row["quantityOnStock"] for row in found} == {
        sku: number for number, sku in enumerate(ODD_SKUS)
    }


def test_every_channel_of_hundreds_is_read(tenants: Tenants) -> None:
    places = {f"DC-{n:03d}": f"channel-{n:03d}" for n in range(300)}
    stock_world(tenants.world, 1, items=["A", "B", "C"], locations=places, entries=("location", "network"))
    chunks = tenants.entries.entry_chunks(["A", "C"])
    found = [row for chunk in chunks for row in tenants.entries.read_entries_chunk(chunk)]
    assert len({row["id"] for row in found}) == len(found) == 2 * 301
    keys = list(places.values())
    assert {row["key"] for row in tenants.entries.read_channels_by_keys(keys)} == set(keys)


def test_a_second_create_and_an_old_version_are_conflicts(tenants: Tenants) -> None:
    made = tenants.entries.create_entry({"sku": "A", "quantityOnStock": 1, "key": "A_x"})
    with pytest.raises(VersionConflict):
        tenants.entries.create_entry({"sku": "A", "quantityOnStock": 2, "key": "A_y"})
    changed = tenants.entries.update_entry(
        made["version"], [{"action": "changeQuantity", "quantity": 5}], key="A_x"
    )
    assert changed["quantityOnStock"] == 5
    with pytest.raises(VersionConflict):
        tenants.entries.update_entry(made["version"], [], entry_id=made["id"])
    found = tenants.entries.read_entry(key="A_x")
    assert found is not None and found["quantityOnStock"] == 5
    assert tenants.entries.read_entry(entry_id=made["id"]) == found
    assert tenants.entries.read_entry(key="nobody") is None


# ── against the vendor's schema ──


@pytest.mark.parametrize(
    ("name", "send"),
    [
        (
            "InventoryEntryDraft",
            lambda client: client.create_entry(
                {
                    "sku": '12" pan',
                    "key": "pan_dc-atlanta",
                    "quantityOnStock": 12,
                    "supplyChannel": {"typeId": "channel", "id": "c-1"},
                    "expectedDelivery": "2026-12-01T00:00:00.000Z",
                }
            ),
        ),
        (
            "InventoryEntryUpdate",
            lambda client: client.update_entry(
                3,
                [
                    {"action": "changeQuantity", "quantity": 7},
                    {"action": "setKey", "key": "pan_dc-atlanta"},
                    {"action": "setExpectedDelivery", "expectedDelivery": "2026-12-01T00:00:00.000Z"},
                    {"action": "setRestockableInDays", "restockableInDays": 4},
                ],
                entry_id="e",
            ),
        ),
    ],
)
def test_bodies_fit_the_vendors_schema(name: str, send: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMA.exists():
        pytest.skip("the vendor's schemas are not here (../shared/reference/ct-spec)")
    adapter = Scripted(reply(200, {"id": "e", "version": 4}))
    send(shop(adapter))
    schema = {"$ref": f"#/$defs/{name}", "$defs": json.loads(SCHEMA.read_text())["$defs"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [error.message for error in validator.iter_errors(adapter.bodies[0])] == []
    assert not validator.is_valid({**adapter.bodies[0], "unknown": 1})
