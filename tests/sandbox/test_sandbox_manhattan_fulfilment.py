"""The less common ways through MAO's fulfilment, and what its readers see of them: two legs to a store,
substitutions, splits, tracking, order events, late and stale views."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_wire import Mao, a_line, an_order, text_of, units_of

from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.sandbox.manhattan_envelope import Refused

EVENTS = "/order/api/order/orderevent/receive"
TO_STORE = {"DeliveryMethod": {"DeliveryMethodId": "ShipToStore"}, "ShipToLocationId": "ST9"}


def _at(mao: Mao, *steps: str, **line: Any) -> Mao:
    mao.saved(an_order(a_line(Quantity=5, **line)))
    for step in steps:
        getattr(mao.lifecycle, step)("CT-1")
    return mao


def _line(mao: Mao) -> dict[str, Any]:
    return mao.get()["OrderLine"][0]


def _details(mao: Mao) -> list[tuple[Any, ...]]:
    names = ("ReleaseId", "PackageId", "ItemId", "Quantity", "StatusId")
    return [tuple(row[name] for name in names) for row in _line(mao).get("FulfillmentDetail") or ()]


# ---- steps back and aside ------------------------------------------------------------------------------


def test_allocated_units_may_lose_their_stock_and_work_may_be_given_up() -> None:
    mao = _at(Mao(), "allocate")

    mao.lifecycle.deallocate("CT-1", "L1", 2)

    assert units_of(_line(mao)) == {"2000": 3, "1500": 2}
    assert _line(mao)["Allocation"][0]["Quantity"] == 3
    mao.lifecycle.release("CT-1")
    mao.lifecycle.process("CT-1")
    mao.lifecycle.unprocess("CT-1", "L1", 1)
    assert units_of(_line(mao)) == {"1500": 2, "3000": 1, "3500": 2}


def test_a_split_line_keeps_the_id_of_the_shop_and_starts_again() -> None:
    mao = _at(Mao(), "allocate", AlternateOrderLineId="shop-1")

    new_id = mao.lifecycle.split_line("CT-1", "L1", 2)

    first, second = mao.get()["OrderLine"]
    assert (first["Quantity"], units_of(first), first["Allocation"][0]["Quantity"]) == (3, {"2000": 3}, 3)
    assert (second["OrderLineId"], second["AlternateOrderLineId"]) == (new_id, "shop-1")
    assert (second["Quantity"], units_of(second), second["Allocation"]) == (2, {"1000": 2}, [])
    with pytest.raises(Refused):
        mao.lifecycle.split_line("CT-1", "L1", 3)


def test_cancel_history_may_be_there_twice() -> None:
    mao = _at(Mao(cancel_history_copies=2), "allocate", "release")

    mao.lifecycle.short("CT-1", "L1", 2)

    assert [row["CancelQuantity"] for row in _line(mao)["OrderLineCancelHistory"]] == [2, 2]
    assert _line(mao)["Quantity"] == 3


# ---- to a store ----------------------------------------------------------------------------------------


def test_a_ship_to_store_line_has_two_allocations_and_two_releases() -> None:
    mao = _at(Mao(), "allocate", "release", **TO_STORE)

    order = mao.get()

    legs = [(row["AllocationType"], row["ShipFromLocationId"]) for row in _line(mao)["Allocation"]]
    assert legs == [("Merge", "DC1"), ("Pickup", "ST9")]
    assert [
        (each["ReleaseId"], each["DestinationAction"], each["ShipFromLocationId"], each["ShipToLocationId"])
        for each in order["Release"]
    ] == [("CT-11", "Merge", "DC1", "ST9"), ("CT-12", "Pickup", "ST9", "ST9")]


@pytest.mark.parametrize("listed", [False, True])
def test_a_line_stays_released_until_it_is_picked_up(listed: bool) -> None:
    mao = _at(Mao(merge_leg_details=listed), "allocate", "release", **TO_STORE)

    mao.lifecycle.transfer("CT-1", "L1", 3, package_id="M1")

    assert units_of(_line(mao)) == {"3000": 5}
    transfer = [("CT-11", "M1", "SKU-1", 3, "7000")] if listed else []
    assert _details(mao) == transfer
    with pytest.raises(Refused):
        mao.lifecycle.ship("CT-1", "L1", 4)
    mao.lifecycle.ship("CT-1", "L1", 3, package_id="P1")
    assert units_of(_line(mao)) == {"3000": 2, "7000": 3}
    assert _details(mao) == [*transfer, ("CT-12", "P1", "SKU-1", 3, "7000")]


def test_units_missing_at_the_warehouse_are_missing_on_both_legs() -> None:
    mao = _at(Mao(), "allocate", "release", **TO_STORE)
    mao.lifecycle.transfer("CT-1", "L1", 3)

    mao.lifecycle.short("CT-1", "L1", 2)
    mao.lifecycle.ship("CT-1")

    rows = [row for release in mao.get()["Release"] for row in release["ReleaseLine"]]
    assert [(row["FulfilledQuantity"], row["CancelledQuantity"]) for row in rows] == [(3, 2), (3, 2)]
    assert (_line(mao)["Quantity"], units_of(_line(mao))) == (3, {"7000": 3})


def test_what_is_on_its_way_to_the_store_can_no_longer_be_cancelled() -> None:
    mao = _at(Mao(post_release_cancel="success"), "allocate", "release", **TO_STORE)
    body = {"CancelReason": {"ReasonId": "CancelLine"}, "OrderLine": [{"OrderLineId": "L1"}]}
    mao.lifecycle.transfer("CT-1", "L1", 1)

    answer = mao.ask("POST", "/order/api/order/order/orderId/CT-1/orderLine/cancel", body)

    assert answer.status == 400
    assert "ord::10008" in text_of(answer)


def test_an_order_for_a_store_goes_all_the_way_by_itself() -> None:
    mao = _at(Mao(), **TO_STORE)
    steps = []

    while step := mao.lifecycle.next_step("CT-1"):
        steps.append(step)

    assert steps == ["allocate", "release", "transfer", "process", "pick", "pack", "ship", "deliver"]


# ---- packages ------------------------------------------------------------------------------------------


def test_a_package_that_grows_is_one_row() -> None:
    mao = _at(Mao(), "allocate", "release")

    mao.lifecycle.ship("CT-1", "L1", 2, package_id="P1")
    mao.lifecycle.ship("CT-1", "L1", 1, package_id="P1")

    assert _details(mao) == [("CT-11", "P1", "SKU-1", 3, "7000")]


def test_a_part_of_a_packed_package_may_ship_first() -> None:
    mao = _at(Mao(), "allocate", "release")
    mao.lifecycle.pack("CT-1", "L1", 4, package_id="P1")

    mao.lifecycle.ship("CT-1", "L1", 1, package_id="P1")

    assert _details(mao) == [("CT-11", "P1", "SKU-1", 3, "3700"), ("CT-11", "P1", "SKU-1", 1, "7000")]


def test_packed_units_that_turn_out_missing_leave_their_package() -> None:
    mao = _at(Mao(), "allocate", "release")
    mao.lifecycle.pack("CT-1", package_id="P1")

    mao.lifecycle.short("CT-1", "L1", 2)

    assert _details(mao) == [("CT-11", "P1", "SKU-1", 3, "3700")]


def test_a_substitute_goes_out_under_its_own_item() -> None:
    mao = _at(Mao(), "allocate", "release")

    mao.lifecycle.ship("CT-1", "L1", 2, package_id="P1", item_id="SKU-2")
    mao.lifecycle.ship("CT-1", "L1", 1, package_id="P1")
    mao.lifecycle.deliver("CT-1")

    rows = [row for row in _line(mao)["QuantityDetail"] if row["Quantity"]]
    assert [(row["ItemId"], row["StatusId"], row["Quantity"]) for row in rows] == [
        ("SKU-1", "3000", 2),
        ("SKU-2", "7500", 2),
        ("SKU-1", "7500", 1),
    ]
    assert _details(mao) == [("CT-11", "P1", "SKU-2", 2, "7500"), ("CT-11", "P1", "SKU-1", 1, "7500")]
    assert _line(mao)["ItemId"] == "SKU-1"


def test_a_tenant_may_allow_more_to_ship_than_was_released() -> None:
    mao = _at(Mao(overage_allowed=True), "allocate", "release")

    mao.lifecycle.ship("CT-1", "L1", 7, package_id="P1")

    assert (_line(mao)["Quantity"], units_of(_line(mao))) == (7, {"7000": 7})
    assert sum(row[3] for row in _details(mao)) == 7


def test_tracking_comes_late_and_a_delivery_is_reported_by_it() -> None:
    mao = _at(Mao(delivery_tracking=True), "allocate", "release")
    mao.lifecycle.ship("CT-1", "L1", 2, package_id="P1")
    mao.clock.advance(60)
    mao.lifecycle.update_package("CT-1", "P1", tracking="1Z1", carrier="DHL", eta="2026-11-27T12:00:00")
    mao.lifecycle.ship("CT-1", "L1", 3, package_id="P2", tracking="1Z2")

    mao.lifecycle.deliver_package("1Z1", carrier="DHL")

    first, second = _line(mao)["FulfillmentDetail"]
    assert (first["TrackingNumber"], first["CarrierCode"], first["Eta"]) == (
        "1Z1",
        "DHL",
        "2026-11-27T12:00:00",
    )
    assert (first["StatusId"], second["StatusId"]) == ("7500", "7000")
    assert units_of(_line(mao)) == {"7000": 3, "7500": 2}
    (info,) = mao.get()["OrderTrackingInfo"]
    assert (info["TrackingNumber"], info["PackageStatus"]["PackageStatusId"]) == ("1Z2", "Open")
    mao.lifecycle.deliver_package("1Z2")
    (info,) = mao.get()["OrderTrackingInfo"]
    assert (info["PackageStatus"]["PackageStatusId"], info["DeliveredDate"]) == (
        "Closed",
        "2026-11-23T09:01:00",
    )
    with pytest.raises(Refused):
        mao.lifecycle.deliver_package("1Z2")


# ---- order events --------------------------------------------------------------------------------------


def _send(mao: Mao, kind: str, **event: Any) -> Any:
    return mao.ask("POST", EVENTS, {"OrderEvent": [{"EventTypeId": kind, **event}]})


def _ship_event(**changes: Any) -> dict[str, Any]:
    event = {
        "ReleaseId": "CT-11",
        "ReleaseLineId": "1",
        "Item": "SKU-1",
        "Quantity": 2,
        "FulfillmentInfo": {"PackageId": "P1", "TrackingNumber": "1Z1", "CarrierCode": "DHL"},
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def test_events_take_an_order_through_the_warehouse() -> None:
    mao = _at(Mao(), "allocate", "release")

    for kind, event in [
        ("StatusUpdate", {"ReleaseId": "CT-11", "StatusId": "3500"}),
        ("StatusUpdate", {"ReleaseId": "CT-11", "ReleaseLineId": "1", "StatusId": "3600", "Quantity": 4}),
        ("Ship", _ship_event()),
        ("Short", {"ReleaseId": "CT-11", "ReleaseLineId": "1", "Quantity": 1}),
        ("FulfillmentUpdate", {"FulfillmentInfo": {"PackageId": "P1", "TrackingNumber": "1Z9"}}),
        (
            "StatusUpdate",
            {"StatusId": "7500", "FulfillmentInfo": {"TrackingNumber": "1Z9", "CarrierCode": "DHL"}},
        ),
    ]:
        answer = _send(mao, kind, **event)
        assert answer.status == 200, answer.body.decode()

    assert _line(mao)["Quantity"] == 4
    assert units_of(_line(mao)) == {"3600": 1, "3500": 1, "7500": 2}
    assert _details(mao) == [("CT-11", "P1", "SKU-1", 2, "7500")]


def test_a_digital_line_is_fulfilled_by_its_ship_event() -> None:
    mao = _at(Mao(), "allocate", "release", DeliveryMethod={"DeliveryMethodId": "Email"})

    answer = _send(mao, "Ship", **_ship_event(Quantity=5, FulfillmentInfo={}))

    assert answer.status == 200
    assert units_of(_line(mao)) == {"7000": 5}
    assert not _line(mao).get("Allocation")


def test_a_packed_status_lists_the_package_before_it_ships() -> None:
    mao = _at(Mao(), "allocate", "release")
    info = {"PackageId": "P1", "PackageDetailId": "P1-1"}

    _send(mao, "StatusUpdate", ReleaseId="CT-11", StatusId="3700", Quantity=3, FulfillmentInfo=info)

    assert _details(mao) == [("CT-11", "P1", "SKU-1", 3, "3700")]


@pytest.mark.parametrize(
    ("kind", "event", "field"),
    [
        ("Ship", _ship_event(ReleaseId=None, OrderId="CT-1", OrderLineId="L1"), "ReleaseId"),
        ("Ship", _ship_event(ReleaseLineId=None), "ReleaseLineId"),
        ("Ship", _ship_event(Item=None), "Item"),
        ("Ship", _ship_event(Quantity=None), "Quantity"),
        ("Ship", _ship_event(FulfillmentInfo=None), "FulfillmentInfo"),
        ("Ship", _ship_event(ReleaseId="CT-19"), "CT-19 does not exist"),
        ("PickUp", _ship_event(Quantity=6), "ord::10008"),
        ("Short", {"ReleaseId": "CT-11", "ReleaseLineId": "1", "Quantity": 0}, "Quantity"),
        ("Short", {"ReleaseId": "CT-11", "ReleaseLineId": "1", "Quantity": 6}, "ord::10008"),
        (
            "Short",
            {"ReleaseId": "CT-11", "ReleaseLineId": "1", "Quantity": 1, "ShortReasonId": "Moon"},
            "ShortReasonId Moon",
        ),
        ("StatusUpdate", {"ReleaseId": "CT-11", "StatusId": "7000"}, "StatusId"),
        ("StatusUpdate", {"StatusId": "7500", "FulfillmentInfo": {"TrackingNumber": "1Z1"}}, "CarrierCode"),
        ("Dance", {}, "EventTypeId"),
    ],
)
def test_events_that_mao_refuses_change_nothing(kind: str, event: dict[str, Any], field: str) -> None:
    mao = _at(Mao(short_reasons=frozenset({"NoStock"})), "allocate", "release")
    before = mao.get()

    answer = _send(mao, kind, **event)

    assert answer.status == 400
    assert field in text_of(answer)
    assert mao.get() == before


def test_a_short_reason_decides_whether_units_wait_for_stock() -> None:
    mao = _at(Mao(reallocate_on_short=frozenset({"NoStock"})), "allocate", "release")

    _send(mao, "Short", ReleaseId="CT-11", ReleaseLineId="1", Quantity=2, ShortReasonId="NoStock")

    assert (_line(mao)["Quantity"], units_of(_line(mao))) == (5, {"3000": 3, "1500": 2})


# ---- what readers see ----------------------------------------------------------------------------------


def test_a_change_may_be_found_later_than_one_that_came_after_it() -> None:
    mao = Mao(search_lag_spread_s=300)
    for number in range(30):
        mao.saved(an_order(OrderId=f"CT-{number}"))
        mao.clock.advance(1)

    mao.clock.advance(100)
    found = {int(order_id[3:]) for order_id in mao.found()}

    assert found and max(found) > min(set(range(30)) - found)
    mao.clock.advance(200)
    assert len(mao.found()) == 30


def test_every_revision_is_seen_in_turn_or_not_at_all() -> None:
    mao = Mao(search_lag_spread_s=300)
    mao.saved(an_order(a_line(Quantity=5)))
    mao.clock.advance(600)
    for step in ("allocate", "release", "process", "pick", "pack", "ship"):
        getattr(mao.lifecycle, step)("CT-1")
        mao.clock.advance(20)
    seen = []

    for _ in range(40):
        (row,) = mao.search("")["data"]
        seen.append(int(row["MaxFulfillmentStatusId"]))
        mao.clock.advance(10)

    assert seen == sorted(seen)
    assert (seen[0] < 7000, seen[-1]) == (True, 7000)


def test_a_stale_replica_knows_a_burst_of_changes_only_up_to_its_own_moment() -> None:
    mao = Mao(Faults(stale_s=50), search_lag_spread_s=1)
    mao.saved(an_order(a_line(Quantity=5)))
    for step in ("allocate", "release", "ship"):
        mao.clock.advance(60)
        getattr(mao.lifecycle, step)("CT-1")
    mao.clock.advance(10)
    mao.sandbox.faults.always(lambda request: "/search" in request.path, "stale")

    (row,) = mao.search("")["data"]

    assert row["MaxFulfillmentStatusId"] == "3000"
    assert json.loads(mao.ask("GET", "/order/api/order/order/orderId/CT-1").body)["data"][
        "MaxFulfillmentStatusId"
    ] == ("7000")
