"""MAO's availability messages: alerts, delta syncs, full syncs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ct_mao_sync.sandbox.core import ManualClock, Sandbox, World
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, NETWORK_VIEW, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available
from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_messages import full_sync, location_delta_sync, network_alerts
from ct_mao_sync.sandbox.manhattan_stock import adjust_supply, change_view, set_supply, stock_of

Json = dict[str, Any]


@pytest.fixture
def world() -> World:
    """40 items in four locations; I-0 has nothing anywhere and I-1 one unit."""
    world = Sandbox(clock=ManualClock()).world
    items = [f"I-{number}" for number in range(40)]
    stocked = stock_world(world, 3, items=items, entries=(), protected=False)
    for place in stocked.locations:
        set_supply(world, "I-0", place, 0)
        set_supply(world, "I-1", place, 1 if place == "DC-ATL" else 0)
    return world


def details(messages: list[Json]) -> list[Json]:
    return [row for each in messages for row in each.get("AvailabilityDetails", ())]


def test_a_full_sync_is_framed_numbered_and_complete(world: World) -> None:
    start, *pages, end = full_sync(world, NETWORK_VIEW, page_size=15)
    assert (start["MessageType"], end["MessageType"]) == ("StartSync", "EndSync")
    assert {each["TransactionNumber"] for each in (start, *pages, end)} == {start["TransactionNumber"]}
    assert [(each["CurrentPage"], each["CurrentCount"]) for each in pages] == [(0, 15), (1, 15), (2, 10)]
    assert {(each["TotalPages"], each["TotalCount"]) for each in (start, *pages, end)} == {(3, 40)}
    for row in details(pages):
        assert row["TotalQuantity"] == true_available(world, NETWORK_VIEW, row["ItemId"])
    assert {row["ItemId"] for row in details(pages)} == set(stock_of(world).items)
    assert json.loads(json.dumps(start)) == start


def test_two_syncs_have_two_numbers(world: World) -> None:
    first, second = full_sync(world, NETWORK_VIEW), full_sync(world, NETWORK_VIEW)
    assert first[0]["TransactionNumber"] != second[0]["TransactionNumber"]


def test_in_non_zero_mode_what_is_absent_has_nothing_and_pages_can_be_missing(world: World) -> None:
    messages = full_sync(world, NETWORK_VIEW, page_size=1, non_zero=True)
    rows = details(messages)
    assert all(row["TotalQuantity"] for row in rows)
    absent = set(stock_of(world).items) - {row["ItemId"] for row in rows}
    assert absent == {"I-0"}
    pages = [each["CurrentPage"] for each in messages if each["MessageType"] == "SyncDetails"]
    assert len(pages) == 39 and messages[0]["TotalPages"] == 40
    with_empty = full_sync(world, NETWORK_VIEW, page_size=1, non_zero=True, send_empty_pages=True)
    assert len(with_empty) == 42


def test_infinite_items_are_left_out_and_counted_when_the_view_says_so(world: World) -> None:
    stock_of(world).infinite.add(("I-5", ""))
    change_view(world, NETWORK_VIEW, syncs_infinite=False)
    (page,) = full_sync(world, NETWORK_VIEW)[1:-1]
    assert (page["CurrentCount"], page["ExcludedInfiniteSupplyCount"], page["TotalCount"]) == (39, 1, 40)


def test_a_location_sync_has_pages_of_items_for_each_location(world: World) -> None:
    start, *pages, end = full_sync(world, LOCATION_VIEW, page_size=25)
    assert start["LocationIds"] == ["DC-ATL", "DC-DRE", "DC-OSA", "ST-17"]
    assert (start["SyncCount"], start["TotalPages"], end["TotalCount"]) == (4, 4, 4)
    assert [(each["LocationId"], each["CurrentPage"], each["CurrentItemPage"]) for each in pages] == [
        (place, position, page) for position, place in enumerate(start["LocationIds"]) for page in (0, 1)
    ]
    assert {(each["ItemCountForLocation"], each["TotalItemPages"]) for each in pages} == {(40, 2)}
    assert [each["CurrentItemCount"] for each in pages] == [25, 15] * 4
    for row in details(pages):
        figure = true_available(world, LOCATION_VIEW, row["ItemId"], row["LocationId"])
        assert row["Quantity"] == figure


def test_a_view_that_publishes_no_quantity_says_in_stock_and_zero(world: World) -> None:
    rows = details(full_sync(world, "Status Only", non_zero=True))
    assert len(rows) == 39
    assert {row["TotalQuantity"] for row in rows} == {0.0}
    assert 2 in {row["StatusCode"] for row in rows}


def test_a_delta_gives_everything_once_and_then_one_final_value_of_what_changed(world: World) -> None:
    assert len(details(location_delta_sync(world, LOCATION_VIEW))) == 160
    assert location_delta_sync(world, LOCATION_VIEW) == []
    adjust_supply(world, "I-1", "DC-ATL", 5)
    adjust_supply(world, "I-1", "DC-ATL", 1)
    (message,) = location_delta_sync(world, LOCATION_VIEW)
    assert message["MessageType"] == "SyncDetails"
    (row,) = details([message])
    assert (row["ItemId"], row["LocationId"], row["Quantity"]) == ("I-1", "DC-ATL", 7.0)


def test_a_pair_that_drops_out_of_the_view_comes_once_as_out_of_stock(world: World) -> None:
    location_delta_sync(world, LOCATION_VIEW)
    stock_of(world).ineligible.add(("I-1", "DC-ATL"))
    (row,) = details(location_delta_sync(world, LOCATION_VIEW))
    assert (row["ItemId"], row["Quantity"], row["StatusCode"]) == ("I-1", 0.0, 0)
    assert location_delta_sync(world, LOCATION_VIEW) == []


def test_an_alert_comes_when_a_threshold_is_crossed_and_not_for_other_changes(world: World) -> None:
    assert len(network_alerts(world, NETWORK_VIEW)) == 40
    adjust_supply(world, "I-1", "DC-ATL", 1)
    assert network_alerts(world, NETWORK_VIEW) == []
    adjust_supply(world, "I-1", "DC-ATL", -2)
    (alert,) = network_alerts(world, NETWORK_VIEW)
    assert (alert["ItemId"], alert["Status"], alert["TotalQuantity"]) == ("I-1", "OUT_OF_STOCK", 0.0)
    assert alert["Quantity"] == {}
    assert network_alerts(world, NETWORK_VIEW) == []


def test_alerts_are_of_network_views_deltas_of_location_views_and_both_of_active_ones(world: World) -> None:
    with pytest.raises(Refused, match="not a network view"):
        network_alerts(world, LOCATION_VIEW)
    with pytest.raises(Refused, match="not a location view"):
        location_delta_sync(world, NETWORK_VIEW)
    with pytest.raises(Refused, match="not active"):
        full_sync(world, "Old Web")
