"""Search of the simulated Manhattan: the Query language, sorting, paging, projection, and its lag."""

from __future__ import annotations

import pytest
from sandbox_wire import ORDER, Mao, a_line, an_order, text_of


@pytest.fixture(scope="module")
def mao() -> Mao:
    """CT-1 at 09:00:00, CT-2 at 09:01:00.25 (released, with a customer), CT-3 at 09:02:00.25."""
    mao = Mao()
    mao.saved(an_order())
    mao.clock.advance(60.25)
    mao.saved(an_order(a_line(OrderLineId="L9"), OrderId="CT-2", AlternateOrderId="A2", CustomerId="C-2"))
    mao.lifecycle.allocate("CT-2")
    mao.lifecycle.release("CT-2")
    mao.clock.advance(60)
    mao.saved(an_order(OrderId="CT-3", AlternateOrderId="A3", IsConfirmed=False, Priority=7))
    return mao


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "123"),
        ("OrderId = 'CT-1'", "1"),
        ("OrderId != CT-1", "23"),
        ("OrderId > 'CT-1'", "23"),
        ("OrderId IN ('CT-1','CT-3')", "13"),
        ("AlternateOrderId in (A2, A3)", "23"),
        ("OrderId ~ '-2'", "2"),
        ("IsConfirmed = false", "3"),
        ("Priority >= 7", "3"),
        ("CustomerId = null", "13"),
        ("CustomerId != null", "2"),
        ("CustomerId != 'C-9'", "2"),
        ("DocType.DocTypeId = 'CustomerOrder'", "123"),
        ("MaxFulfillmentStatusId >= 3000", "2"),
        ("MaxFulfillmentStatusId < '2000.000'", "13"),
        ("OrderLine.OrderLineId = 'L9'", "2"),
        ("OrderLine.MinFulfillmentStatusId = 1000", "13"),
        ("UpdatedTimestamp >= '2026-11-23T09:01:00.25'", "23"),
        ("UpdatedTimestamp > '2026-11-23T09:01:00.250'", "3"),
        ("UpdatedTimestamp = '2026-11-23T09:00:00.000'", "1"),
        ("UpdatedTimestamp >= CurrentTime(-90s)", "23"),
        ("UpdatedTimestamp >= CurrentDate", "123"),
        ("OrderLine.UpdatedTimestamp <= '2026-11-23T09:00:00'", "1"),
        ("OrderId = 'CT-1' or OrderId = 'CT-2' and IsConfirmed = false", "1"),
        ("(OrderId = 'CT-1' OR OrderId = 'CT-2') AND CustomerId != null", "2"),
        (
            "(UpdatedTimestamp >= '2026-11-23T09:01:00' or OrderLine.UpdatedTimestamp >= "
            "'2026-11-23T09:01:00') and OrderId > 'CT-2'",
            "3",
        ),
    ],
)
def test_a_query_finds(mao: Mao, query: str, found: str) -> None:
    assert mao.found(query) == [f"CT-{each}" for each in found]


@pytest.mark.parametrize(
    "query",
    [
        "OrderId",
        "OrderId =",
        "= 'CT-1'",
        "OrderId == 'CT-1'",
        "OrderId = 'CT-1' OrderId = 'CT-2'",
        "(OrderId = 'CT-1'",
        "OrderId = 'CT-1')",
        "OrderId IN ()",
        "OrderId IN 'CT-1'",
        "OrderId like 'CT%'",
        "CustomerId > null",
        "Nonsense = 1",
        "UpdatedTimestamp >= 'yesterday'",
        "Priority = 'high'",
        "IsConfirmed = 'maybe'",
        "OrderLine.QuantityDetail.StatusId = 3000",
        "OrderExtension1.Extended.X = 1",
        "OrderId = 'O'Neill'",
    ],
)
def test_bad_grammar_is_refused(mao: Mao, query: str) -> None:
    answer = mao.ask("POST", f"{ORDER}/search", {"Query": query})

    assert answer.status == 400
    assert "Invalid search request" in text_of(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"Page": -1},
        {"Size": 0},
        {"Size": "ten"},
        {"Sort": "OrderId"},
        {"Sort": [{"attribute": "OrderLine"}]},
        {"Sort": [{"attribute": "OrderId", "direction": "up"}]},
        {"Template": []},
        {"Query": 1},
    ],
)
def test_bad_members_of_the_body_are_refused(mao: Mao, body: dict[str, object]) -> None:
    assert mao.ask("POST", f"{ORDER}/search", body).status == 400


def test_pages_are_counted_from_zero_and_the_total_is_told(mao: Mao) -> None:
    assert mao.found(Size=2, Page=0) == ["CT-1", "CT-2"]
    assert mao.found(Size=2, Page=1) == ["CT-3"]
    assert mao.search("", Size=1)["header"] == {"totalCount": 3}


def test_no_rows_are_null(mao: Mao) -> None:
    answer = mao.search("OrderId = 'CT-9'")

    assert (answer["data"], answer["header"]["totalCount"]) == (None, 0)


def test_sort_takes_a_list_or_one_object_and_both_directions(mao: Mao) -> None:
    assert mao.found(Sort={"attribute": "OrderId", "direction": "desc"}) == ["CT-3", "CT-2", "CT-1"]
    by_two = [{"attribute": "IsConfirmed", "direction": "ASC"}, {"attribute": "OrderId", "direction": "desc"}]
    assert mao.found(Sort=by_two) == ["CT-3", "CT-2", "CT-1"]


def test_a_template_projects_rows_to_its_members_and_messages(mao: Mao) -> None:
    template = {"OrderId": None, "DocType": None, "OrderLine": {"OrderLineId": None}}

    (row,) = mao.search("OrderId = 'CT-2'", Template=template)["data"]

    assert row == {
        "OrderId": "CT-2",
        "DocType": {"DocTypeId": "CustomerOrder"},
        "OrderLine": [{"OrderLineId": "L9", "Messages": None}],
        "Messages": None,
    }


def test_a_size_above_the_maximum_is_cut_down() -> None:
    mao = Mao(search_size_max=2)
    for number in range(3):
        mao.saved(an_order(OrderId=f"CT-{number}"))

    assert len(mao.found(Size=100)) == 2


def test_a_tenant_may_refuse_paging_by_key() -> None:
    mao = Mao(search_pages_by_key=False)

    assert mao.ask("POST", f"{ORDER}/search", {"Query": "OrderId > 'CT-1'"}).status == 400
    assert mao.ask("POST", f"{ORDER}/search", {"Query": "OrderId = 'CT-1'"}).status == 200


def test_a_lagging_index_shows_orders_late_but_get_sees_them_at_once() -> None:
    mao = Mao(search_lag_s=30)
    mao.saved(an_order())

    assert mao.found() == []
    assert mao.get()["OrderId"] == "CT-1"
    mao.clock.advance(30)
    assert mao.found() == ["CT-1"]


def test_a_lagging_index_shows_the_revision_before_the_last_change() -> None:
    mao = Mao(search_lag_s=30)
    mao.saved(an_order())
    mao.clock.advance(60)
    mao.lifecycle.allocate("CT-1")

    assert mao.search("OrderId = 'CT-1'")["data"][0]["MaxFulfillmentStatusId"] == "1000"
    mao.clock.advance(31)
    assert mao.search("OrderId = 'CT-1'")["data"][0]["MaxFulfillmentStatusId"] == "2000"


def test_the_header_timestamp_lags_behind_its_lines() -> None:
    mao = Mao(header_lag_s=16)
    mao.saved(an_order())
    mao.clock.advance(60)
    mao.lifecycle.allocate("CT-1")

    early = mao.get()
    mao.clock.advance(16)
    late = mao.get()

    assert (early["UpdatedTimestamp"], early["OrderLine"][0]["UpdatedTimestamp"]) == (
        "2026-11-23T09:00:00",
        "2026-11-23T09:01:00",
    )
    assert late["UpdatedTimestamp"] == "2026-11-23T09:01:16"


def test_without_sort_the_order_of_rows_is_not_the_order_of_keys() -> None:
    mao = Mao()
    ids = [f"CT-{number:03d}" for number in range(50)]
    for order_id in ids:
        mao.saved(an_order(OrderId=order_id))

    rows = [row["OrderId"] for row in mao.search("", Size=50)["data"]]

    assert sorted(rows) == ids
    assert rows != ids


def test_tracking_numbers_are_searched_one_level_below_the_order_and_no_deeper() -> None:
    """Grandchildren cannot be searched from the order (platform reference, search)."""
    mao = Mao(delivery_tracking=True)
    mao.saved(an_order())
    for step in ("allocate", "release"):
        getattr(mao.lifecycle, step)("CT-1")
    mao.lifecycle.ship("CT-1", package_id="PKG-1", tracking="1Z999")

    assert mao.found("OrderTrackingInfo.TrackingNumber = '1Z999'") == ["CT-1"]
    assert mao.found("OrderTrackingInfo.TrackingNumber = '1Z998'") == []
    too_deep = {"Query": "OrderLine.FulfillmentDetail.TrackingNumber = '1Z999'"}
    assert mao.ask("POST", f"{ORDER}/search", too_deep).status == 400
