"""What MAO has in stock: whole answers or none, and scans that lose no row."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import responses
from clients_sandbox import Tenants
from clients_wire import START, Scripted, a_clock, reply

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.clients.manhattan_scan import ScanPage
from ct_mao_sync.errors import RecordRejected, Retriable, RunStopped
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, NETWORK_VIEW, stock_world
from ct_mao_sync.sandbox.manhattan_stock import set_supply

API = "https://acme.omni.example"
NETWORK = f"{API}/inventory/api/availability/availabilitydetail"
LOCATION = f"{API}/inventory/api/availability/location/availabilitydetail"
SUPPLY = f"{API}/inventory/api/inventory/supply/search"
ODD_ITEMS = ["O'Brien", 'a"b', "back\\slash", "Größe-日本語", "sku-a", "SKU-A", "e"]


def mao(
    adapter: Any = None,
    *,
    page_size: int = 100,
    page_size_safe: int | None = None,
    items_max: int = 100,
    answer_max_bytes: int = 64_000_000,
) -> ManhattanInventoryClient:
    http = HttpClient(
        base_url=API,
        workers=2,
        timeout_s=30,
        retry_s=120,
        clock=a_clock(),
        token=None,
        adapter=adapter,
        remote="manhattan",
        answer_max_bytes=answer_max_bytes,
    )
    return ManhattanInventoryClient(
        http, "ACME", page_size=page_size, page_size_safe=page_size_safe, items_max=items_max
    )


def ok(data: Any, total: Any = None, **more: Any) -> Any:
    header = None if total is None else {"totalCount": total}
    return reply(200, {"success": True, "header": header, "data": data, "statusCode": "OK", **more})


def failed(text: str, status: int = 400, *, success: bool = False) -> Any:
    message = {"Type": "ERROR", "Code": "error.400", "Description": text}
    return reply(status, {"success": success, "data": None, "messages": {"Message": [message], "Size": 1}})


def network_row(item: str, quantity: float = 5.0) -> dict[str, Any]:
    return {"ItemId": item, "StatusCode": 2, "Quantity": {"Stores": quantity}, "TotalQuantity": quantity}


def location_row(item: str, location: str = "DC-ATL", quantity: float = 5.0) -> dict[str, Any]:
    return {"ItemId": item, "LocationId": location, "StatusCode": 2, "Quantity": quantity}


def items_of(request: Any) -> list[str]:
    items: list[str] = json.loads(request.body)["Items"]
    return items


def network(request: Any) -> Any:
    return ok([network_row(item) for item in items_of(request)])


def location(request: Any) -> Any:
    return ok([location_row(item) for item in items_of(request)])


# ── availability ──


@responses.activate
def test_a_network_view_is_asked_by_name_for_items() -> None:
    rsp = responses.post(
        NETWORK,
        json={"success": True, "data": [network_row("A", 10.5), network_row("B", 0)]},
        headers={"Date": "Mon, 23 Nov 2026 09:00:07 GMT"},
    )
    answer = mao().read_network_chunk("Ship To Home", ["A", "B"])
    assert json.loads(rsp.calls[0].request.body or "") == {"ViewName": "Ship To Home", "Items": ["A", "B"]}
    assert [row["TotalQuantity"] for row in answer.rows] == [Decimal("10.5"), 0]
    assert not isinstance(answer.rows[0]["TotalQuantity"], float)
    assert answer.refused == {}
    assert answer.began_at == datetime(2026, 11, 23, 9, 0, 7, tzinfo=UTC)
    assert rsp.calls[0].request.headers["selectedOrganization"] == "ACME"


@responses.activate
def test_a_location_view_is_always_asked_with_locations() -> None:
    rsp = responses.post(LOCATION, json={"success": True, "data": [location_row("A", "ACME:DC-ATL")]})
    answer = mao().read_location_chunk("Pickup", ["A", "B"], ["DC-ATL", "ST-1", "ST-1"])
    assert json.loads(rsp.calls[0].request.body or "") == {
        "ViewName": "Pickup",
        "Items": ["A", "B"],
        "Locations": ["DC-ATL", "ST-1"],
    }
    assert [row["LocationId"] for row in answer.rows] == ["ACME:DC-ATL"]
    with pytest.raises(ValueError, match="locations"):
        mao().read_location_chunk("Pickup", ["A"], [])


def test_nothing_asked_costs_nothing() -> None:
    adapter = Scripted(failed("no"))
    assert mao(adapter).read_network_chunk("V", []).rows == []
    assert mao(adapter).read_location_availability("V", [], ["DC-ATL"]).rows == []
    assert adapter.requests == []


def test_items_of_any_letters_are_asked_for_as_they_are() -> None:
    adapter = Scripted(network)
    answer = mao(adapter).read_network_chunk("V", ODD_ITEMS)
    assert adapter.bodies[0]["Items"] == ODD_ITEMS
    assert [row["ItemId"] for row in answer.rows] == ODD_ITEMS


def test_chunks_hold_each_item_once_and_shrink_with_many_locations() -> None:
    items = [f"I{n}" for n in range(250)]
    client = mao(items_max=100)
    assert [len(chunk) for chunk in client.availability_chunks([*items, "I0"])] == [100, 100, 50]
    assert {len(chunk) for chunk in client.availability_chunks(items, ["L"] * 500)} == {20, 10}
    assert len(client.availability_chunks(items, ["L"] * 20_000)) == 250


def test_rows_of_other_items_are_left_out() -> None:
    adapter = Scripted(ok([network_row("sku-a"), network_row("SKU-A")]))
    assert [row["ItemId"] for row in mao(adapter).read_network_chunk("V", ["SKU-A"]).rows] == ["SKU-A"]


def test_items_without_a_row_in_a_network_view_are_asked_for_again() -> None:
    adapter = Scripted(ok([network_row("A")]), network)
    answer = mao(adapter).read_network_chunk("V", ["A", "B", "C"])
    assert [row["ItemId"] for row in answer.rows] == ["A", "B", "C"]
    assert [body["Items"] for body in adapter.bodies] == [["A", "B", "C"], ["B", "C"]]


def test_a_single_item_that_mao_never_answers_does_not_stop_the_others() -> None:
    items = [f"I{n}" for n in range(20)]
    adapter = Scripted(lambda request: ok([network_row(i) for i in items_of(request) if i != "I7"]))
    answer = mao(adapter).read_network_chunk("V", items)
    assert {row["ItemId"] for row in answer.rows} == set(items) - {"I7"}
    assert len(adapter.requests) == 2


@pytest.mark.parametrize("data", [None, [], [network_row("A")]])
def test_half_an_answer_of_a_network_view_stops_the_run(data: Any) -> None:
    adapter = Scripted(ok(data))
    with pytest.raises(RunStopped) as caught:
        mao(adapter).read_network_chunk("Ship To Home", ["A", "B", "C", "D"])
    problem = caught.value.problem
    assert (problem.code, problem.field) == ("availability-incomplete", "inventory.network_view")
    assert "'Ship To Home'" in problem.message
    assert "of 4 items" in problem.message
    assert len(adapter.requests) == 2


def test_no_row_in_a_location_view_is_an_answer() -> None:
    adapter = Scripted(ok([]))
    assert mao(adapter).read_location_chunk("V", [f"I{n}" for n in range(50)], ["L"]).rows == []
    assert len(adapter.requests) == 1


def eligible(*items: str, empty: Any = None) -> Callable[[Any], Any]:
    """A tenant that has these items at DC-ATL, and answers `empty` where it has no row to give."""

    def answer(request: Any) -> Any:
        if request.url.endswith("/search"):
            return ok([{"ItemId": item} for item in ("A", "B", *items)])
        return ok([location_row(item) for item in items_of(request) if item in items] or empty)

    return answer


@pytest.mark.parametrize("count", [1, 2, 50])
def test_no_data_at_all_in_a_location_view_is_never_nothing_in_stock(count: int) -> None:
    """However few items were asked for: a MAO in trouble must not empty the shop."""
    adapter = Scripted(ok(None))
    with pytest.raises(RunStopped) as caught:
        mao(adapter).read_location_chunk("V", [f"I{n}" for n in range(count)], ["DC-ATL"])
    problem = caught.value.problem
    assert (problem.code, problem.field) == ("availability-incomplete", "inventory.location_view")
    assert "no data for" in problem.message
    assert "\n" not in problem.message


def test_no_data_is_nothing_in_stock_beside_the_row_of_another_item() -> None:
    adapter = Scripted(eligible("I7"))
    client = mao(adapter)
    client.read_location_chunk("V", ["I7"], ["DC-ATL"])
    answer = client.read_location_chunk("V", ["A", "B"], ["DC-ATL"])
    assert (answer.rows, answer.refused) == ([], {})
    assert [body["Items"] for body in adapter.bodies] == [["I7"], ["A", "B"], ["A", "B", "I7"]]


def test_an_item_of_the_master_is_the_witness_where_no_answer_had_one_yet() -> None:
    adapter = Scripted(eligible("I7"))
    client = mao(adapter)
    assert client.read_location_chunk("V", ["A"], ["DC-ATL"]).rows == []
    assert [body.get("Items") for body in adapter.bodies] == [["A"], None, ["A", "B", "I7"], ["A", "I7"]]
    client.read_location_chunk("V", ["B"], ["DC-ATL"])
    assert [body["Items"] for body in adapter.bodies[4:]] == [["B"], ["B", "I7"]]


def test_a_short_hiccup_costs_one_more_request_and_every_row_is_there() -> None:
    adapter = Scripted(eligible("A", "B"), ok(None), eligible("A", "B"))
    client = mao(adapter)
    client.read_location_chunk("V", ["A"], ["DC-ATL"])
    assert [row["ItemId"] for row in client.read_location_chunk("V", ["A", "B"], ["DC-ATL"]).rows] == [
        "A",
        "B",
    ]
    assert len(adapter.requests) == 3


@pytest.mark.parametrize("silent", [None, []])
def test_a_view_that_falls_silent_in_a_run_stops_it(silent: Any) -> None:
    """Neither nothing nor an empty list where the witness had a row."""
    client = mao(Scripted(eligible("A"), ok(None), ok(silent)))
    client.read_location_chunk("V", ["A"], ["DC-ATL"])
    with pytest.raises(RunStopped) as caught:
        client.read_location_chunk("V", ["B"], ["DC-ATL"])
    assert caught.value.problem.code == "availability-incomplete"


def test_the_witness_does_not_make_a_request_too_long() -> None:
    adapter = Scripted(eligible("I7"))
    client = mao(adapter, items_max=3)
    client.read_location_chunk("V", ["I7"], ["DC-ATL"])
    assert client.read_location_chunk("V", ["A", "B", "C"], ["DC-ATL"]).rows == []
    assert [body["Items"] for body in adapter.bodies[2:]] == [["A", "B", "I7"], ["C", "I7"]]


def test_a_look_at_a_view_takes_no_data_as_it_is() -> None:
    adapter = Scripted(ok(None))
    assert mao(adapter).read_location_chunk("V", ["A"], ["DC-ATL"], null_is_empty=True).rows == []
    assert len(adapter.requests) == 1


@pytest.mark.parametrize("rows", [[1], [{"LocationId": "L"}], [{"ItemId": "A"}], [{"ItemId": 1}], {}])
def test_rows_of_another_form_are_no_answer(rows: Any) -> None:
    with pytest.raises(RunStopped) as caught:
        mao(Scripted(ok(rows))).read_location_chunk("V", ["A", "B"], ["L"])
    assert caught.value.problem.code == "availability-incomplete"


def test_an_answer_cut_below_its_own_total_is_asked_for_in_halves() -> None:
    def cut(request: Any) -> Any:
        rows = [location_row(item) for item in items_of(request)]
        return ok(rows[:2], total=str(len(rows)))

    answer = mao(Scripted(cut)).read_location_chunk("V", [f"I{n}" for n in range(9)], ["DC-ATL"])
    assert sorted(row["ItemId"] for row in answer.rows) == [f"I{n}" for n in range(9)]
    with pytest.raises(RunStopped):
        mao(Scripted(ok([location_row("A")], total=2))).read_location_chunk("V", ["A"], ["DC-ATL"])


@pytest.mark.parametrize(
    "text",
    [
        "View Web is not active",
        "View Web does not exist",
        "ViewName is required",
        "Mandatory attribute location or regional availability rule missing in request",
    ],
)
@pytest.mark.parametrize(("status", "success"), [(400, False), (200, True), (200, False)])
@pytest.mark.parametrize("kind", ["network", "location"])
def test_a_view_that_cannot_be_used_stops_the_run_and_names_its_setting(
    kind: str, status: int, success: bool, text: str
) -> None:
    adapter = Scripted(failed(text, status, success=success))
    with pytest.raises(RunStopped) as caught:
        if kind == "network":
            mao(adapter).read_network_chunk("Web", ["A", "B", "view 1"])
        else:
            mao(adapter).read_location_chunk("Web", ["A", "B", "view 1"], ["DC-ATL"])
    problem = caught.value.problem
    assert (problem.code, problem.field) == ("view-unusable", f"inventory.{kind}_view")
    assert "'Web'" in problem.message and "nothing was written" in problem.message
    assert "--dry-run" in problem.hint
    assert problem.context["remote_message"] == text
    assert len(adapter.requests) == 1


def test_an_address_that_mao_does_not_have_stops_the_run() -> None:
    with pytest.raises(RunStopped) as caught:
        mao(Scripted(reply(404))).read_network_chunk("Web", ["A"])
    assert caught.value.problem.code == "view-unusable"


class Limited:
    """Takes so many items at a time."""

    def __init__(self, most: int, text: str, then: Callable[[Any], Any]) -> None:
        self.most, self.text, self.then = most, text, then
        self.counts: list[int] = []

    def __call__(self, request: Any) -> Any:
        self.counts.append(len(items_of(request)))
        return failed(self.text) if self.counts[-1] > self.most else self.then(request)


@pytest.mark.parametrize(
    "text",
    [
        "Too many items matched the request criteria. Please adjust your request to reduce the number of "
        "items",
        "Items: at most 30 in one request, given 100",
        "no reason given",
    ],
)
def test_a_tenant_that_takes_fewer_items_gets_fewer(text: str) -> None:
    server = Limited(30, text, network)
    items = [f"I{n}" for n in range(200)]
    answer = mao(Scripted(server)).read_network_availability("Maximum View", items)
    assert [row["ItemId"] for row in answer.rows] == items


def test_the_limit_of_a_tenant_is_learnt_once() -> None:
    server = Limited(30, "Too many items", location)
    client = mao(Scripted(server))
    items = [f"I{n}" for n in range(1_000)]
    chunks = client.availability_chunks(items)
    assert sum(len(client.read_location_chunk("V", chunk, ["L"]).rows) for chunk in chunks) == 1_000
    assert sum(count > 30 for count in server.counts) == 2  # 100 and 50
    assert {len(chunk) for chunk in client.availability_chunks(items)} == {25}


def test_an_answer_that_is_too_long_is_asked_for_in_halves() -> None:
    def long(request: Any) -> Any:
        return ok([{**network_row(item), "x": "y" * 100_000} for item in items_of(request)])

    client = mao(Scripted(long), answer_max_bytes=1_000_000)
    items = [f"I{n}" for n in range(40)]
    assert [row["ItemId"] for row in client.read_network_chunk("V", items).rows] == items


@pytest.mark.parametrize("as_row", [False, True])
def test_an_item_that_mao_refuses_is_found_and_never_taken_for_empty(as_row: bool) -> None:
    def picky(request: Any) -> Any:
        items = items_of(request)
        if "I&7" not in items:
            return location(request)
        if not as_row:
            return failed("Item I&7 in review is not valid")
        error = {"Message": [{"Type": "ERROR", "Description": "errored"}]}
        return ok([{**location_row(item), "Messages": error if item == "I&7" else None} for item in items])

    items = [f"I{n}" for n in range(50)] + ["I&7"]
    answer = mao(Scripted(picky)).read_location_chunk("V", items, ["DC-ATL"])
    assert {row["ItemId"] for row in answer.rows} == set(items) - {"I&7"}
    assert list(answer.refused) == ["I&7"]
    assert answer.refused["I&7"].code == "target-refused"


def test_a_refusal_of_everything_stops_the_run_after_a_few_items() -> None:
    adapter = Scripted(failed("Business as usual"))
    with pytest.raises(RunStopped) as caught:
        mao(adapter).read_location_chunk("V", [f"I{n}" for n in range(100)], ["L"])
    assert caught.value.problem.code == "view-unusable"
    assert len(adapter.requests) < 20


def test_a_single_refused_item_is_its_own_problem() -> None:
    answer = mao(Scripted(failed("no such thing"))).read_location_chunk("V", ["A"], ["L"])
    assert (answer.rows, list(answer.refused)) == ([], ["A"])


def test_a_name_in_a_refusal_is_not_taken_for_its_reason() -> None:
    answer = mao(Scripted(failed("Item view-master is not valid"))).read_network_chunk("e", ["view-master"])
    assert list(answer.refused) == ["view-master"]


def test_a_quota_is_waited_for_and_then_given_up() -> None:
    adapter = Scripted(reply(429, {}, {"Retry-After": "3"}), network)
    assert len(mao(adapter).read_network_chunk("V", ["A"]).rows) == 1
    with pytest.raises(Retriable) as caught:
        mao(Scripted(reply(429, {}, {"Retry-After": "30"}))).read_network_chunk("V", ["A", "B"])
    assert caught.value.problem.code == "rate-limited"


# ── scans ──


class Table:
    """A search over rows: `UpdatedTimestamp >=` and the key, sort by key, Page and Size."""

    def __init__(
        self,
        rows: list[dict[str, Any]],
        key: str = "ItemId",
        *,
        by_key: bool = True,
        total: bool = True,
        size_max: int = 1_000,
        refuses_over: int = 10_000,
    ) -> None:
        self.refuses_over = refuses_over
        self.rows, self.key, self.by_key, self.total, self.size_max = rows, key, by_key, total, size_max
        self.bodies: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None

    def __call__(self, request: Any) -> Any:
        self.before()
        body = json.loads(request.body)
        self.bodies.append(body)
        assert body["Sort"] == [{"attribute": self.key, "direction": "asc"}]
        if body["Size"] > self.refuses_over:
            return failed("Size is too large")
        after = body["Query"].rpartition(f"{self.key} > '")[2][:-1] if " > '" in body["Query"] else ""
        if after and not self.by_key:
            return failed(f"{self.key} cannot be compared")
        found = sorted((row for row in self.rows if row[self.key] > after), key=lambda row: row[self.key])
        size = min(body["Size"], self.size_max)
        page = found[body["Page"] * size :][:size]
        return ok(page or None, total=len(found) if self.total else None)


def pages_of(read: Callable[[str | None], ScanPage]) -> list[ScanPage]:
    pages = [read(None)]
    while pages[-1].cursor is not None:
        assert len(pages) < 200
        pages.append(read(pages[-1].cursor))
    return pages


def supply_pages(client: ManhattanInventoryClient) -> list[ScanPage]:
    return pages_of(lambda cursor: client.search_supply_page(START, cursor=cursor))


def items_in(pages: list[ScanPage]) -> set[str]:
    return {row["ItemId"] for page in pages for row in page.rows}


def supply(item: str, location: str = "DC-ATL") -> dict[str, Any]:
    return {"ItemId": item, "LocationId": location, "UpdatedTimestamp": "2026-11-23T09:00:00.25"}


@responses.activate
def test_changed_supply_is_asked_for_by_time_with_only_what_is_needed() -> None:
    rsp = responses.post(
        SUPPLY,
        json={"success": True, "header": {"totalCount": "1"}, "data": [supply("A")]},
        headers={"Date": "Mon, 23 Nov 2026 09:00:07 GMT"},
    )
    page = mao().search_supply_page(START + timedelta(microseconds=1_999))
    assert json.loads(rsp.calls[0].request.body or "") == {
        "Query": "UpdatedTimestamp >= '2026-11-23T09:00:00.001'",
        "Size": 100,
        "Page": 0,
        "Sort": [{"attribute": "ItemId", "direction": "asc"}],
        "Template": {"ItemId": None, "LocationId": None, "UpdatedTimestamp": None},
    }
    assert (page.rows, page.cursor) == ([supply("A")], None)
    assert page.server_date == datetime(2026, 11, 23, 9, 0, 7, tzinfo=UTC)


def test_all_items_are_read_by_key() -> None:
    table = Table([{"ItemId": f"I{n:03d}"} for n in range(250)])
    client = mao(Scripted(table))
    pages = pages_of(lambda cursor: client.search_items_page(cursor=cursor))
    assert [body["Query"] for body in table.bodies] == ["", "ItemId > 'I099'", "ItemId > 'I199'"]
    assert [row["ItemId"] for page in pages for row in page.rows] == [f"I{n:03d}" for n in range(250)]


def test_an_idle_window_is_one_request() -> None:
    for total in (True, False):
        table = Table([], total=total)
        assert items_in(supply_pages(mao(Scripted(table)))) == set()
        assert len(table.bodies) == 1


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("size_max", [1_000, 7])
def test_every_item_comes_whatever_the_tenants_limit_and_whether_it_counts(
    size_max: int, total: bool
) -> None:
    rows = [supply(f"I{n:03d}", f"L{m}") for n in range(60) for m in range(n % 4 + 1)]
    table = Table(rows, size_max=size_max, total=total)
    assert items_in(supply_pages(mao(Scripted(table), page_size=10))) == {row["ItemId"] for row in rows}


def test_an_item_with_more_records_than_a_page_does_not_hide_the_next() -> None:
    rows = [supply("A", f"L{n}") for n in range(35)] + [supply("B"), supply("C")]
    assert items_in(supply_pages(mao(Scripted(Table(rows)), page_size=10))) == {"A", "B", "C"}


def test_an_item_that_no_query_can_hold_does_not_end_the_scan() -> None:
    rows = [supply(item) for item in ("A", "B'1", "C'2", 'D"3', "E\\4", "F", "G")]
    for size in (1, 2, 3):
        table = Table(rows)
        assert items_in(supply_pages(mao(Scripted(table), page_size=size))) == {r["ItemId"] for r in rows}
        assert all(body["Query"].count("'") <= 4 for body in table.bodies)


def test_rows_that_change_while_they_are_read_hide_none() -> None:
    table = Table([supply(f"I{n:03d}") for n in range(100)])

    def move() -> None:
        if len(table.bodies) in (2, 4):
            table.rows = [row for row in table.rows if row["ItemId"] != f"I{len(table.bodies):03d}"]
            table.rows.append(supply(f"A{len(table.bodies)}"))

    table.before = move
    found = items_in(supply_pages(mao(Scripted(table), page_size=10)))
    assert found >= {f"I{n:03d}" for n in range(100)} - {"I002", "I004"}


def test_a_tenant_that_refuses_large_pages_is_asked_for_small_ones() -> None:
    table = Table([supply(f"I{n:03d}") for n in range(30)], refuses_over=10)
    client = mao(Scripted(table), page_size=25, page_size_safe=10)
    assert items_in(supply_pages(client)) == {f"I{n:03d}" for n in range(30)}
    assert [body["Size"] for body in table.bodies[:3]] == [25, 10, 10]


def test_a_scan_goes_on_in_a_later_process() -> None:
    table = Table([supply(f"I{n:03d}") for n in range(30)])
    first = mao(Scripted(table), page_size=10).search_supply_page(START)
    later = mao(Scripted(table), page_size=10).search_supply_page(START, cursor=first.cursor)
    assert [row["ItemId"] for row in later.rows] == [f"I{n:03d}" for n in range(10, 20)]


def test_a_tenant_that_refuses_the_key_is_read_in_passes_until_nothing_new_appears() -> None:
    table = Table([supply(f"I{n:03d}") for n in range(40)], by_key=False)
    client = mao(Scripted(table), page_size=10)

    def leave() -> None:
        if len(table.bodies) == 4:  # a row of a page already read is gone: the others move up
            table.rows = table.rows[1:]

    table.before = leave
    pages = supply_pages(client)

    assert items_in(pages) == {f"I{n:03d}" for n in range(40)}
    assert all(" > " not in body["Query"] for body in table.bodies[2:])
    # What came before is not given again, and the next scan does not try the key.
    names = [row["ItemId"] for page in pages[1:] for row in page.rows]
    assert len(names) == len(set(names))
    count = len(table.bodies)
    assert items_in(supply_pages(client)) == {f"I{n:03d}" for n in range(1, 40)}
    assert all(" > " not in body["Query"] for body in table.bodies[count:])


def test_passes_interrupted_by_the_end_of_a_process_begin_again() -> None:
    table = Table([supply(f"I{n:03d}") for n in range(40)], by_key=False)
    client = mao(Scripted(table), page_size=10)
    cursor = client.search_supply_page(START).cursor
    for _ in range(3):
        cursor = client.search_supply_page(START, cursor=cursor).cursor
    another = mao(Scripted(table), page_size=10)
    page = another.search_supply_page(START, cursor=cursor)
    found = items_in([page]) | items_in(
        pages_of(lambda _, state=[page.cursor]: _next(another, state))  # type: ignore[misc]
    )
    assert found == {f"I{n:03d}" for n in range(40)}


def _next(client: ManhattanInventoryClient, state: list[str | None]) -> ScanPage:
    page = client.search_supply_page(START, cursor=state[0])
    state[0] = page.cursor
    return page


def test_a_tenant_that_ignores_the_key_is_read_by_page_numbers() -> None:
    rows = [supply(f"I{n:03d}") for n in range(40)]

    def ignoring(request: Any) -> Any:
        body = json.loads(request.body)
        return ok(rows[body["Page"] * 10 :][:10], total=40)

    assert items_in(supply_pages(mao(Scripted(ignoring), page_size=10))) == {row["ItemId"] for row in rows}


def test_a_tenant_that_ignores_pages_as_well_is_not_asked_for_ever() -> None:
    adapter = Scripted(ok([supply(f"I{n}") for n in range(10)], total=40))
    with pytest.raises(Retriable) as caught:
        supply_pages(mao(adapter, page_size=10))
    assert caught.value.problem.code == "pages-repeat"
    assert len(adapter.requests) < 6


def test_a_refusal_of_the_query_itself_is_an_error() -> None:
    with pytest.raises(RecordRejected):
        mao(Scripted(failed("no such field"))).search_supply_page(START)
    everything_with_a_key = Scripted(
        ok([supply(f"I{n}") for n in range(10)], total=40), failed("closed"), failed("closed")
    )
    client = mao(everything_with_a_key, page_size=10)
    cursor = client.search_supply_page(START).cursor
    with pytest.raises(RecordRejected):
        client.search_supply_page(START, cursor=cursor)


# ── against the sandbox ──


def test_both_views_of_a_tenant_answer_every_item() -> None:
    tenants = Tenants(items_max=7, location_prefix="all")
    stocked = stock_world(tenants.world, 1, items=30, entries=())
    items = list(stocked.items)
    network_answer = tenants.oms.read_network_availability(NETWORK_VIEW, [*items, "unknown"])
    assert {row["ItemId"] for row in network_answer.rows} == {*items, "unknown"}
    places = list(stocked.locations)
    location_answer = tenants.oms.read_location_availability(LOCATION_VIEW, [*items, "unknown"], places)
    assert {row["ItemId"] for row in location_answer.rows} == set(items)
    assert len(location_answer.rows) == 30 * len(places)
    assert {row["LocationId"] for row in location_answer.rows} == {f"ACME:{place}" for place in places}


@pytest.mark.parametrize("view", ["Old Web", "Nowhere", LOCATION_VIEW])
def test_a_view_of_the_tenant_that_cannot_be_used_is_told(view: str) -> None:
    tenants = Tenants()
    stock_world(tenants.world, 1, items=3, entries=())
    with pytest.raises(RunStopped) as caught:
        tenants.oms.read_network_availability(view, ["ITEM-000001", "ITEM-000002"])
    assert caught.value.problem.code == "view-unusable"


def test_a_tenant_with_a_limit_of_items_is_read_whole() -> None:
    tenants = Tenants(availability_items_max=30)
    stocked = stock_world(tenants.world, 1, items=250, entries=())
    answer = tenants.oms.read_network_availability(NETWORK_VIEW, stocked.items)
    assert [row["ItemId"] for row in answer.rows] != []
    assert {row["ItemId"] for row in answer.rows} == set(stocked.items)


@pytest.mark.parametrize("by_key", [True, False])
def test_items_and_changed_supply_of_a_tenant_are_found(by_key: bool) -> None:
    tenants = Tenants(page_size=10, search_pages_by_key=by_key)
    stocked = stock_world(tenants.world, 1, items=[*(f"ITEM-{n:04d}" for n in range(45))], entries=())
    pages = pages_of(lambda cursor: tenants.oms.search_items_page(cursor=cursor))
    assert items_in(pages) == set(stocked.items)

    tenants.clock.advance(600)
    since = tenants.clock.now()
    tenants.clock.advance(1)
    changed = set(stocked.items[::3])
    for item in changed:
        set_supply(tenants.world, item, "DC-ATL", 77)
        set_supply(tenants.world, item, "ST-17", 78)
    found = pages_of(lambda cursor: tenants.oms.search_supply_page(since, cursor=cursor))
    assert items_in(found) == changed
