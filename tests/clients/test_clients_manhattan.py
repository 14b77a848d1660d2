"""The requests we send to MAO, word for word, and what its answers become."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
import responses
from clients_wire import START, Scripted, a_clock, reply

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.errors import OutcomeUnknown, RecordRejected, Retriable, RunStopped, VersionConflict

API = "https://acme.omni.example"


def mao(
    adapter: Scripted | None = None, *, organization: str = "ACME", page_size: int = 100
) -> ManhattanClient:
    http = HttpClient(
        base_url=API,
        workers=2,
        timeout_s=30,
        retry_s=120,
        clock=a_clock(),
        token=None,
        adapter=adapter,
        remote="manhattan",
    )
    return ManhattanClient(http, organization, page_size)


def ok(data: Any = None, total: Any = None, **more: Any) -> Any:
    header = None if total is None else {"totalCount": total}
    return reply(200, {"success": True, "header": header, "data": data, "statusCode": "OK", **more})


def failed(code: str, status: int = 400, text: str = "no") -> Any:
    message = {"Type": "ERROR", "Code": code, "Description": text}
    body = {"success": False, "data": None, "messages": {"Message": [message], "Size": 1}}
    return reply(status, body)


def rows(*ids: str) -> list[dict[str, str]]:
    return [{"OrderId": one} for one in ids]


@responses.activate
def test_a_search_sends_query_template_size_page_and_sort() -> None:
    body = {"success": True, "header": {"totalCount": "31"}, "data": rows("1"), "messages": {"Message": []}}
    rsp = responses.post(f"{API}/order/api/order/order/search", json=body)
    found = mao().search_orders(
        "OrderId > '1'",
        template={"OrderId": None, "OrderLine": {"Quantity": None}},
        size=10,
        page=3,
        sort=[("OrderId", "asc")],
    )
    assert (found.rows, found.total, found.server_date) == (rows("1"), 31, None)
    assert responses.calls[0].request.body == (
        b'{"Query":"OrderId > \'1\'","Size":10,"Page":3,"Sort":[{"attribute":"OrderId","direction":"asc"}],'
        b'"Template":{"OrderId":null,"OrderLine":{"Quantity":null}}}'
    )
    assert rsp.call_count == 1


@pytest.mark.parametrize("organization", ["ACME", ""])
def test_the_organization_goes_along_when_there_is_one(organization: str) -> None:
    adapter = Scripted(ok([]))
    mao(adapter, organization=organization).search_orders("")
    headers = adapter.requests[0].headers
    names = ("Organization", "selectedOrganization")
    assert [headers.get(name) for name in names] == [organization or None] * 2


def test_no_rows_may_be_null_and_one_row_a_bare_object() -> None:
    assert mao(Scripted(ok(None))).search_orders("x").rows == []
    assert mao(Scripted(ok({"OrderId": "1"}))).search_orders("x").rows == rows("1")


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"data": "gone"}])
def test_other_json_does_not_pass_for_no_orders(body: Any) -> None:
    with pytest.raises(Retriable) as caught:
        mao(Scripted(reply(200, body))).search_orders("x")
    assert caught.value.problem.code == "not-json"


def test_orders_are_read_by_ids_in_chunks_of_the_page_size() -> None:
    def answer(request: Any) -> Any:
        ids = re.findall(r"'([^']+)'", request.body.decode())
        return ok(rows(*ids), total=len(ids))

    adapter = Scripted(answer)
    found = mao(adapter, page_size=2).read_orders_by_ids(["a", "b", "c", "a"], {"OrderLine": None})
    assert found == rows("a", "b", "c")
    assert [body["Query"] for body in adapter.bodies] == ["OrderId IN ('a','b')", "OrderId IN ('c')"]
    assert [body["Size"] for body in adapter.bodies] == [2, 2]
    assert adapter.bodies[0]["Template"] == {"OrderId": None, "OrderLine": None}


def test_pages_are_followed_when_the_total_says_there_is_more() -> None:
    adapter = Scripted(ok(rows("a"), total="3"), ok(rows("b", "c"), total="3"))
    assert mao(adapter).read_orders_by_ids(["a", "b", "c"]) == rows("a", "b", "c")
    assert [body["Page"] for body in adapter.bodies] == [0, 1]


def test_a_full_page_without_total_is_followed_unless_all_were_found() -> None:
    adapter = Scripted(ok(rows("a", "b")), ok(rows()))
    assert mao(adapter, page_size=2).read_orders_by_ids(["a", "b"]) == rows("a", "b")
    assert len(adapter.requests) == 1
    adapter = Scripted(ok(rows("a", "a")), ok(rows("b")))
    assert mao(adapter, page_size=2).read_orders_by_ids(["a", "b"]) == rows("a", "b")
    assert len(adapter.requests) == 2


def test_a_server_that_ignores_page_numbers_is_not_asked_for_ever() -> None:
    adapter = Scripted(ok(rows("a"), total=9))
    assert mao(adapter).read_orders_by_ids(["a", "b"]) == rows("a")
    assert len(adapter.requests) == 2


def test_rows_that_were_not_asked_for_are_left_out() -> None:
    assert mao(Scripted(ok([*rows("a", "zz"), {"OrderId": None}, {}]))).read_orders_by_ids(["a"]) == rows("a")


@pytest.mark.parametrize("order_id", ["a'b", 'a"b', "a\\b", "a\nb", ""])
def test_an_id_that_a_query_cannot_hold_is_refused(order_id: str) -> None:
    adapter = Scripted(ok([]))
    with pytest.raises(ValueError, match="order id"):
        mao(adapter).read_orders_by_ids(["fine", order_id])
    assert adapter.requests == []


def test_an_order_is_read_by_its_id_and_from_the_archive() -> None:
    adapter = Scripted(ok({"OrderId": "a/b", "OrderTotal": 1}))
    assert mao(adapter).read_order("a/b") == {"OrderId": "a/b", "OrderTotal": 1}
    assert mao(adapter).read_archived_order("a/b") == {"OrderId": "a/b", "OrderTotal": 1}
    assert [(request.method, request.url) for request in adapter.requests] == [
        ("GET", f"{API}/order/api/order/order/orderId/a%2Fb"),
        ("GET", f"{API}/order/api/order/extended/order/orderId/a%2Fb"),
    ]


@pytest.mark.parametrize(
    "unknown",
    [failed("ord::10006", 404), reply(404, b""), failed("ord::10006", 200), failed("10006", 400), ok(None)],
)
def test_an_unknown_order_is_none_however_mao_says_it(unknown: Any) -> None:
    assert mao(Scripted(unknown)).read_order("a") is None
    assert mao(Scripted(unknown)).read_archived_order("a") is None


def test_another_failure_is_not_taken_for_an_unknown_order() -> None:
    for trouble in (failed("ord::10002", 200), failed("ord::10002", 400), failed("110006", 200)):
        with pytest.raises(RecordRejected):
            mao(Scripted(trouble)).read_order("a")


def test_a_save_sends_exact_numbers_and_gives_the_stored_order() -> None:
    adapter = Scripted(ok({"OrderId": "1", "MinFulfillmentStatusId": "1000"}))
    stored = mao(adapter).save_order({"OrderId": "1", "UnitPrice": Decimal("4.90")})
    assert stored["MinFulfillmentStatusId"] == "1000"
    assert adapter.requests[0].url == f"{API}/order/api/order/order/save"
    assert adapter.requests[0].body == b'{"OrderId":"1","UnitPrice":4.90}'
    assert mao(Scripted(ok(None))).save_order({}) == {}


def test_cancelling_names_the_reason() -> None:
    adapter = Scripted(ok({"OrderId": "1"}))
    client = mao(adapter)
    client.cancel_order("1", "CancelLine", "by the customer")
    client.cancel_order("1", "CancelLine")
    path = f"{API}/order/api/order/order/orderId/1"
    assert [request.url for request in adapter.requests] == [
        f"{path}/cancel",
        f"{path}/cancel",
    ]
    reason = {"CancelReason": {"ReasonId": "CancelLine"}}
    assert adapter.bodies == [
        {"OrderId": "1", **reason, "CancelComments": "by the customer"},
        {"OrderId": "1", **reason},
    ]


@pytest.mark.parametrize("status", [200, 400])
def test_a_refusal_keeps_status_code_and_words_apart(status: int) -> None:
    with pytest.raises(RecordRejected) as caught:
        mao(Scripted(failed("ord::10007", status, "Ann: not at status Released"))).save_order(
            {"OrderId": "1"}
        )
    problem = caught.value.problem
    assert problem.code == "target-refused"
    assert problem.context["remote_code"] == "10007"
    assert problem.context["remote_message"] == "Ann: not at status Released"
    assert problem.context["status"] == status
    assert problem.context["remote"] == "manhattan"
    assert "correlation_id" in problem.context
    assert problem.message == f"MAO refused POST /order/api/order/order/save ({status}, 10007)"


def test_success_with_a_failure_inside_is_a_refusal_of_a_write() -> None:
    data = {
        "OrderId": "1",
        "Messages": {"Message": [{"Type": "INFO", "Code": "10255", "Description": "Failure"}]},
    }
    with pytest.raises(RecordRejected) as caught:
        mao(Scripted(ok(data))).save_order({})
    assert caught.value.problem.context["remote_code"] == "10255"
    assert mao(Scripted(ok(data))).read_order("1") == data


@pytest.mark.parametrize("status", [200, 400, 409])
def test_a_stale_version_is_a_conflict(status: int) -> None:
    adapter = Scripted(failed("10208", status, "bridged in with a stale version"))
    with pytest.raises(VersionConflict) as caught:
        mao(adapter).save_order({})
    assert caught.value.problem.context["remote_code"] == "10208"
    assert len(adapter.requests) == 1


def test_a_400_with_warnings_only_is_done() -> None:
    warning = {"Message": [{"Type": "WARNING", "Code": "250", "Description": "late"}], "Size": 1}
    body = {"success": True, "data": {"OrderId": "1"}, "messages": warning}
    assert mao(Scripted(reply(400, body))).save_order({}) == {"OrderId": "1"}
    with pytest.raises(OutcomeUnknown):
        mao(Scripted(reply(500, body))).save_order({})
    with pytest.raises(RunStopped):
        mao(Scripted(reply(403, body))).save_order({})


def test_a_save_without_a_clear_answer_is_not_repeated() -> None:
    adapter = Scripted(failed("ord::10002", 500))
    with pytest.raises(OutcomeUnknown) as caught:
        mao(adapter).save_order({})
    assert len(adapter.requests) == 1
    assert caught.value.problem.context["status"] == 500
    assert caught.value.problem.context["remote_code"] == "10002"


def test_a_search_is_a_read_although_it_is_a_post() -> None:
    adapter = Scripted(reply(503), reply(500), ok(rows("a")))
    assert mao(adapter).search_orders("x").rows == rows("a")


def test_paths_can_differ_by_tenant() -> None:
    adapter = Scripted(ok({}))
    http = mao(adapter).http
    ManhattanClient(http, endpoints={"order-save": "/custom/save"}).save_order({})
    assert adapter.requests[0].url == f"{API}/custom/save"


# ── scans over orders ──


class Orders:
    """MAO's search over orders by key, as far as a scan needs it."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: Any) -> Any:
        body = json.loads(request.body)
        self.bodies.append(body)
        after = re.search(r"OrderId > '([^']*)'", body["Query"])
        found = [one for one in self.ids if after is None or one > after[1]]
        return ok(rows(*found[: body["Size"]]), len(found))


def scanned(read: Any) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = read(cursor)
        found += [row["OrderId"] for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found


def test_changed_orders_are_found_by_header_or_line() -> None:
    orders = Orders("O0", "O1", "O2")
    client = mao(Scripted(orders), page_size=2)
    found = scanned(
        lambda cursor: client.search_changed_orders_page(
            START, cursor=cursor, template={"AlternateOrderId": None}
        )
    )
    since = "'2026-11-23T09:00:00.000'"
    query = f"(UpdatedTimestamp >= {since} or OrderLine.UpdatedTimestamp >= {since})"
    assert [body["Query"] for body in orders.bodies] == [query, f"{query} and OrderId > 'O1'"]
    assert orders.bodies[0]["Template"] == {"OrderId": None, "AlternateOrderId": None}
    assert orders.bodies[0]["Sort"] == [{"attribute": "OrderId", "direction": "asc"}]
    assert found == ["O0", "O1", "O2"]


def test_a_further_condition_of_a_scan_holds_as_a_whole() -> None:
    """A condition with "or" in it must not widen the window."""
    orders = Orders()
    mao(Scripted(orders)).search_changed_orders_page(
        START, template={}, condition="SellingChannel.SellingChannelId = 'Web' or OrgId = 'EU'"
    )
    (body,) = orders.bodies
    assert body["Query"].endswith(") and (SellingChannel.SellingChannelId = 'Web' or OrgId = 'EU')")


def test_orders_of_any_query_are_scanned_by_key_and_resumed_by_another_process() -> None:
    orders = Orders("O0", "O1", "O2", "O3")
    page = mao(Scripted(orders), page_size=2).scan_orders_page("MinFulfillmentStatusId < 7500", template={})
    rest = mao(Scripted(orders), page_size=2)
    found = scanned(
        lambda cursor: rest.scan_orders_page(
            "MinFulfillmentStatusId < 7500", cursor=cursor or page.cursor, template={}
        )
    )
    assert [row["OrderId"] for row in page.rows] == ["O0", "O1"]
    assert found == ["O2", "O3"]
