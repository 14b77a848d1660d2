"""The requests we send to commercetools, word for word, and what their answers become."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from clients_wire import START, Scripted, a_clock, reply

from ct_mao_sync.clients.commercetools import CommercetoolsClient, quoted, render_timestamp
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.errors import OutcomeUnknown, RecordRejected, Retriable, RunStopped, VersionConflict

API = "https://api.europe-west1.gcp.commercetools.com"


def shop(adapter: Scripted | None = None, **options: Any) -> CommercetoolsClient:
    http = HttpClient(
        base_url=API,
        workers=2,
        timeout_s=30,
        retry_s=120,
        clock=a_clock(),
        token=None,
        adapter=adapter,
        **options,
    )
    return CommercetoolsClient(http, "my-shop")


def query_of(request: Any) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(request.url).query, keep_blank_values=True)


def page(*ids: str) -> dict[str, Any]:
    return {"limit": 500, "offset": 0, "count": len(ids), "results": [{"id": one} for one in ids]}


def read_page(client: CommercetoolsClient, **more: Any) -> Any:
    wanted: dict[str, Any] = {"since": START, "until": None, "after_id": None, "limit": 500, "expand": ()}
    return client.read_orders_page(**{**wanted, **more})


@responses.activate
def test_a_page_of_orders_is_asked_for_by_key_within_one_predicate() -> None:
    rsp = responses.get(
        f"{API}/my-shop/orders", json=page("b", "a"), headers={"Date": "Mon, 23 Nov 2026 09:00:07 GMT"}
    )
    found = read_page(
        shop(),
        since=datetime(2026, 11, 23, 10, 0, 0, 123_999, timezone(timedelta(hours=1))),
        until=datetime(2026, 11, 23, 11, 0, 0, 1, UTC),
        after_id="z",
        expand=("paymentInfo.payments[*]", "state"),
    )
    assert query_of(rsp.calls[0].request) == [
        (
            "where",
            'lastModifiedAt >= "2026-11-23T09:00:00.123Z" and lastModifiedAt < "2026-11-23T11:00:00.001Z"'
            ' and id > "z"',
        ),
        ("sort", "id asc"),
        ("limit", "500"),
        ("withTotal", "false"),
        ("expand", "paymentInfo.payments[*]"),
        ("expand", "state"),
    ]
    assert " " not in rsp.calls[0].request.url
    assert [row["id"] for row in found.results] == ["b", "a"]
    assert found.last_id == "a"  # as sent, never a maximum
    assert found.is_last
    assert found.server_date == datetime(2026, 11, 23, 9, 0, 7, tzinfo=UTC)


def test_the_first_page_has_no_other_bounds() -> None:
    adapter = Scripted(reply(200, page()))
    found = read_page(shop(adapter))
    assert query_of(adapter.requests[0])[0] == ("where", 'lastModifiedAt >= "2026-11-23T09:00:00.000Z"')
    assert found.results == [] and found.last_id is None and found.is_last and found.server_date is None


def test_a_full_page_is_not_the_last_one() -> None:
    found = read_page(shop(Scripted(reply(200, page("a", "b")))), limit=2)
    assert not found.is_last


@pytest.mark.parametrize("code", ["ContentTooLarge", "QueryTimedOut"])
def test_a_page_that_is_too_much_is_asked_for_with_half_the_limit(code: str) -> None:
    too_much = reply(400, {"errors": [{"code": code}]})
    adapter = Scripted(too_much, too_much, reply(200, page(*"abcde")), reply(200, page("f")))
    client = shop(adapter)

    first = read_page(client, limit=20)
    second = read_page(client, limit=20, after_id="e")

    limits = [dict(query_of(request))["limit"] for request in adapter.requests]
    assert limits == ["20", "10", "5", "10"]
    assert not first.is_last  # 5 of the 5 that were asked for
    assert second.is_last


def test_an_answer_that_is_too_long_is_asked_for_with_half_the_limit() -> None:
    long = reply(200, json.dumps({**page("a"), "x": "y" * 2_000_000}).encode())
    adapter = Scripted(long, reply(200, page("a")))
    found = read_page(shop(adapter, answer_max_bytes=1_000_000))
    assert [dict(query_of(request))["limit"] for request in adapter.requests] == ["500", "250"]
    assert found.is_last


def test_a_single_order_that_is_too_much_is_an_error() -> None:
    adapter = Scripted(reply(400, {"errors": [{"code": "ContentTooLarge"}]}))
    with pytest.raises(RecordRejected) as caught:
        read_page(shop(adapter), limit=4)
    assert [dict(query_of(request))["limit"] for request in adapter.requests] == ["4", "2", "1"]
    assert caught.value.problem.context["remote_code"] == "ContentTooLarge"


def test_another_refusal_of_a_page_is_an_error() -> None:
    adapter = Scripted(reply(400, {"errors": [{"code": "InvalidInput"}]}))
    with pytest.raises(RecordRejected):
        read_page(shop(adapter))
    assert len(adapter.requests) == 1


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": [1]}, {"results": [{"id": 1}]}])
def test_a_page_of_another_form_is_no_page(body: Any) -> None:
    with pytest.raises(Retriable) as caught:
        read_page(shop(Scripted(reply(200, body))))
    assert caught.value.problem.code == "not-json"


def test_an_unknown_project_stops_the_run_and_names_the_key() -> None:
    client = shop(Scripted(reply(404, {"errors": [{"code": "ResourceNotFound"}]})))
    for read in (client.read_project, lambda: read_page(client)):
        with pytest.raises(RunStopped) as caught:
            read()
        assert caught.value.problem.code == "project-not-found"
        assert caught.value.problem.field == "commercetools.project_key"
        assert "'my-shop'" in caught.value.problem.message


@responses.activate
def test_single_resources_have_their_own_addresses() -> None:
    responses.get(f"{API}/my-shop", json={"key": "my-shop"})
    responses.get(f"{API}/my-shop/orders/abc", json={"id": "abc"})
    responses.get(f"{API}/my-shop/orders/order-number=A%2F1%20%22", json={"id": "abc"})
    responses.get(f"{API}/my-shop/channels/key=OMS", json={"key": "OMS"})
    responses.get(f"{API}/my-shop/orders/gone", status=404, json={"statusCode": 404})
    responses.get(f"{API}/my-shop/orders/order-number=gone", status=404, json={"statusCode": 404})
    responses.get(f"{API}/my-shop/channels/key=gone", status=404, json={"statusCode": 404})
    client = shop()
    assert client.read_project() == {"key": "my-shop"}
    assert client.read_order("abc", ["state"]) == {"id": "abc"}
    assert client.read_order_by_number('A/1 "') == {"id": "abc"}
    assert client.read_channel_by_key("OMS") == {"key": "OMS"}
    assert client.read_order("gone") is None
    assert client.read_order_by_number("gone") is None
    assert client.read_channel_by_key("gone") is None


def test_many_orders_are_read_in_chunks_that_fit_a_url() -> None:
    ids = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(700)]

    def answer(request: Any) -> Any:
        where = dict(query_of(request))["where"]
        assert where.startswith("id in (") and where.endswith(")")
        return reply(200, page(*json.loads("[" + where.removeprefix("id in (")[:-1] + "]")))

    adapter = Scripted(answer)
    found = shop(adapter).read_orders_by_ids([*ids, ids[0]], ["paymentInfo.payments[*]"])

    lengths = [len(request.url or "") for request in adapter.requests]
    assert [row["id"] for row in found] == ids
    assert max(lengths) <= 7_500
    assert lengths[0] > 7_300  # and no more requests than needed
    assert dict(query_of(adapter.requests[0]))["limit"] == "500"


def test_hundreds_of_short_numbers_never_exceed_the_page_size() -> None:
    adapter = Scripted(lambda request: reply(200, page(str(len(adapter.requests)))))
    shop(adapter).read_orders_by_numbers([str(n) for n in range(620)])
    counts = [dict(query_of(request))["where"].count(",") + 1 for request in adapter.requests]
    assert sum(counts) == 620
    assert max(counts) <= 500


def test_strings_in_predicates_are_quoted() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'
    adapter = Scripted(reply(200, page()))
    shop(adapter).read_orders_by_numbers(['1" or id != "'])
    assert dict(query_of(adapter.requests[0]))["where"] == 'orderNumber in ("1\\" or id != \\"")'


def test_reading_nothing_costs_nothing() -> None:
    adapter = Scripted(reply(200, page()))
    assert shop(adapter).read_orders_by_ids([]) == shop(adapter).read_channels([]) == []
    assert adapter.requests == []


def test_a_chunk_that_is_too_much_is_halved() -> None:
    def answer(request: Any) -> Any:
        wanted = json.loads("[" + dict(query_of(request))["where"].removeprefix("id in (")[:-1] + "]")
        return (
            reply(200, page(*wanted))
            if len(wanted) == 1
            else reply(400, {"errors": [{"code": "ContentTooLarge"}]})
        )

    found = shop(Scripted(answer)).read_channels(["a", "b", "c"])
    assert [row["id"] for row in found] == ["a", "b", "c"]


def test_an_update_sends_version_and_actions() -> None:
    adapter = Scripted(reply(200, {"id": "abc", "version": 8}))
    updated = shop(adapter).update_order(
        "abc", 7, [{"action": "changeOrderState", "orderState": "Confirmed"}]
    )
    assert updated["version"] == 8
    assert adapter.requests[0].method == "POST"
    assert adapter.requests[0].url == f"{API}/my-shop/orders/abc"
    assert adapter.bodies == [
        {"version": 7, "actions": [{"action": "changeOrderState", "orderState": "Confirmed"}]}
    ]


def test_an_update_is_a_write() -> None:
    for trouble, error in ((reply(409), VersionConflict), (reply(502), OutcomeUnknown)):
        adapter = Scripted(trouble)
        with pytest.raises(error):
            shop(adapter).update_order("abc", 7, [])
        assert len(adapter.requests) == 1


def test_an_update_whose_answer_nobody_reads_is_believed_by_its_outline() -> None:
    """An error page or half an answer is none, whatever its status."""
    adapter = Scripted(reply(200, {"id": "abc", "version": 8}))
    assert shop(adapter).update_order("abc", 7, [], unread=True) == {}
    for trouble in (reply(200, b"<html>"), reply(200, b'{"id": "abc", "ver'), reply(200, b"")):
        with pytest.raises(OutcomeUnknown):
            shop(Scripted(trouble)).update_order("abc", 7, [], unread=True)
    with pytest.raises(VersionConflict):
        shop(Scripted(reply(409))).update_order("abc", 7, [], unread=True)


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        render_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001


@responses.activate
def test_states_are_read_by_key_in_one_request() -> None:
    rsp = responses.get(f"{API}/my-shop/states", json=page("s1", "s2"))
    found = shop().read_states_by_keys(["line-shipped", "Initial", "line-shipped"])
    assert [row["id"] for row in found] == ["s1", "s2"]
    assert ("where", 'key in ("line-shipped", "Initial")') in query_of(rsp.calls[0].request)
    assert len(rsp.calls) == 1
