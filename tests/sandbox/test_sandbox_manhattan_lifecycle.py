"""What warehouses do to an order of the simulated Manhattan, and how it shows; token, get and archive."""

from __future__ import annotations

import base64
import json

import pytest
from sandbox_wire import FLAGS, ORDER, Mao, a_line, an_order, text_of, units_of

from ct_mao_sync.sandbox.manhattan_envelope import Refused

EXTENDED = "/order/api/order/extended/order/orderId"


def _at(mao: Mao, *steps: str) -> Mao:
    mao.saved(an_order(a_line(Quantity=5)))
    for step in steps:
        getattr(mao.lifecycle, step)("CT-1")
    return mao


def test_a_whole_order_goes_from_open_to_delivered_step_by_step() -> None:
    mao = _at(Mao())
    steps, statuses = [], []

    while step := mao.lifecycle.next_step("CT-1"):
        steps.append(step)
        statuses.append(mao.get()["MaxFulfillmentStatusId"])

    assert steps == ["allocate", "release", "process", "pick", "pack", "ship", "deliver"]
    assert statuses == ["2000", "3000", "3500", "3600", "3700", "7000", "7500"]
    assert mao.get()["FulfillmentStatus"] == "Delivered"


def test_a_part_shipment_leaves_the_rest_released() -> None:
    mao = _at(Mao(), "allocate", "release")

    mao.lifecycle.ship("CT-1", "L1", 3, package_id="PKG-1", tracking="1Z999")

    order = mao.get()
    line = order["OrderLine"][0]
    assert units_of(line) == {"3000": 2, "7000": 3}
    assert {row["StatusId"] for row in line["QuantityDetail"]} == {"1000", "2000", "3000", "7000"}
    (detail,) = line["FulfillmentDetail"]
    assert (detail["PackageId"], detail["TrackingNumber"], detail["Quantity"], detail["ReleaseId"]) == (
        "PKG-1",
        "1Z999",
        3,
        "CT-11",
    )
    (release_line,) = order["Release"][0]["ReleaseLine"]
    assert (release_line["Quantity"], release_line["FulfilledQuantity"]) == (5, 3)
    assert line["Allocation"][0]["Quantity"] == 2
    assert (line["MinFulfillmentStatusId"], line["MaxFulfillmentStatusId"]) == ("3000", "7000")
    assert order["FulfillmentStatus"] == "Partially Fulfilled"
    assert line["CalculatedValues"]["TotalShippedQuantity"] == "3"


def test_units_of_two_locations_go_in_two_releases() -> None:
    mao = _at(Mao())
    mao.lifecycle.allocate("CT-1", "L1", 2, location="DC1")
    mao.lifecycle.allocate("CT-1", "L1", 3, location="DC2")
    mao.lifecycle.release("CT-1")
    mao.lifecycle.ship("CT-1", package_id="PKG-1")

    order = mao.get()

    assert [(each["ReleaseId"], each["ShipFromLocationId"]) for each in order["Release"]] == [
        ("CT-11", "DC1"),
        ("CT-12", "DC2"),
    ]
    details = order["OrderLine"][0]["FulfillmentDetail"]
    assert [(each["ReleaseId"], each["Quantity"]) for each in details] == [("CT-11", 2), ("CT-12", 3)]


def test_a_packed_package_is_listed_before_it_ships() -> None:
    mao = _at(Mao(), "allocate", "release")
    mao.lifecycle.pack("CT-1", package_id="PKG-1")
    packed = mao.get()["OrderLine"][0]["FulfillmentDetail"]
    mao.lifecycle.ship("CT-1", package_id="PKG-1")
    shipped = mao.get()["OrderLine"][0]["FulfillmentDetail"]

    assert [row["StatusId"] for row in packed] == ["3700"]
    assert [row["StatusId"] for row in shipped] == ["7000"]
    assert packed[0]["FulfillmentDetailId"] == shipped[0]["FulfillmentDetailId"]


def test_shorted_units_are_cancelled_or_wait_for_stock() -> None:
    cancelled = _at(Mao(), "allocate", "release")
    cancelled.lifecycle.short("CT-1", "L1", 2)
    cancelled.lifecycle.ship("CT-1")
    waiting = _at(Mao(), "allocate", "release")
    waiting.lifecycle.short("CT-1", "L1", 2, cancel=False)

    line = cancelled.get()["OrderLine"][0]
    assert (line["Quantity"], units_of(line)) == (3, {"7000": 3})
    assert line["OrderLineCancelHistory"][0]["CancelQuantity"] == 2
    assert (line["MinFulfillmentStatusId"], line["MaxFulfillmentStatusId"]) == ("7000", "7000")
    line = waiting.get()["OrderLine"][0]
    assert (line["Quantity"], units_of(line), line["LineShortCount"]) == (5, {"3000": 3, "1500": 2}, 1)


def test_more_than_was_released_cannot_be_shipped() -> None:
    mao = _at(Mao(), "allocate", "release")

    with pytest.raises(Refused):
        mao.lifecycle.ship("CT-1", "L1", 6)

    assert units_of(mao.get()["OrderLine"][0]) == {"3000": 5}


def test_a_held_or_unconfirmed_order_is_not_released() -> None:
    mao = Mao()
    mao.saved(an_order(OrderHold=[{"HoldTypeId": "AwaitingPayment", "StatusId": "1000"}]))
    mao.saved(an_order(OrderId="CT-2", IsConfirmed=False))
    mao.lifecycle.allocate("CT-2")

    with pytest.raises(Refused):
        mao.lifecycle.allocate("CT-1")
    with pytest.raises(Refused):
        mao.lifecycle.release("CT-2")
    assert mao.lifecycle.next_step("CT-1") == ""
    mao.lifecycle.resolve_hold("CT-1", "AwaitingPayment")
    assert mao.lifecycle.next_step("CT-1") == "allocate"


def test_digital_lines_ship_without_allocation() -> None:
    mao = Mao()
    mao.saved(an_order(a_line(DeliveryMethod={"DeliveryMethodId": "Email"}, ShipToAddress=None)))
    for step in ("allocate", "release", "ship"):
        getattr(mao.lifecycle, step)("CT-1")

    line = mao.get()["OrderLine"][0]

    assert (line["Allocation"], units_of(line)) == ([], {"7000": 3})


def test_an_archived_order_is_found_only_in_the_archive_and_cannot_be_saved() -> None:
    mao = _at(Mao())
    mao.lifecycle.archive("CT-1")

    assert mao.ask("GET", f"{ORDER}/orderId/CT-1").status == 404
    assert mao.found() == []
    assert json.loads(mao.ask("GET", f"{EXTENDED}/CT-1").body)["data"]["OrderId"] == "CT-1"
    assert "archived" in mao.refused(an_order())
    mao.lifecycle.unarchive("CT-1")
    assert mao.found() == ["CT-1"]


def test_finished_orders_are_archived_by_age() -> None:
    mao = _at(Mao(archive_after_days=30), "allocate", "release", "ship")
    mao.saved(an_order(OrderId="CT-2"))

    mao.clock.advance(31 * 86_400)
    mao.token = mao.log_in()["access_token"]

    assert mao.found() == ["CT-2"]


def test_orders_advance_by_themselves_when_asked_to() -> None:
    mao = _at(Mao(auto_advance_s=10))
    mao.clock.advance(10)
    first = mao.get()["MaxFulfillmentStatusId"]
    mao.clock.advance(10)

    assert (first, mao.get()["MaxFulfillmentStatusId"]) == ("2000", "3000")


@pytest.mark.parametrize("status", [404, 200])
def test_an_unknown_order_is_ord_10006(status: int) -> None:
    mao = Mao(unknown_order_status=status)

    answer = mao.ask("GET", f"{ORDER}/orderId/CT-9")

    assert answer.status == status
    assert text_of(answer) == "ord::10006: Order id CT-9 does not exist"
    assert mao.ask("GET", f"{EXTENDED}/CT-9").status == status


def test_both_grants_and_both_ways_to_name_the_client_give_a_token() -> None:
    mao = Mao()
    basic = base64.b64encode(b"omnicomponent.1.0.0:sandbox-secret").decode()

    by_basic = mao.log_in(
        "grant_type=password&username=sync@acme&password=sandbox-password", authorization=f"Basic {basic}"
    )
    by_client = mao.log_in("grant_type=client_credentials", authorization=f"Basic {basic}")

    for answer in (by_basic, by_client):
        assert (answer["token_type"], answer["expires_in"]) == ("bearer", 86_399)


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("grant_type=password&username=x&password=y&client_id=a&client_secret=b", 401, "unauthorized"),
        (
            "grant_type=password&username=sync@acme&password=wrong&client_id=omnicomponent.1.0.0"
            "&client_secret=sandbox-secret",
            401,
            "unauthorized",
        ),
        (
            "grant_type=magic&client_id=omnicomponent.1.0.0&client_secret=sandbox-secret",
            400,
            "unsupported_grant_type",
        ),
    ],
)
def test_a_bad_login_is_refused(form: str, status: int, error: str) -> None:
    answer = Mao().ask_token(form)

    assert (answer.status, json.loads(answer.body)["error"]) == (status, error)


def test_a_token_expires_and_a_foreign_organization_is_forbidden() -> None:
    mao = Mao(manhattan_token_lifetime_s=60)
    mao.saved(an_order())

    assert mao.ask("GET", f"{ORDER}/orderId/CT-1", organization="OTHER").status == 403
    mao.clock.advance(60)
    answer = mao.ask("GET", f"{ORDER}/orderId/CT-1")

    assert answer.status == 401
    assert text_of(answer) == "invalid_token: Cannot convert access token to JSON"


def test_an_unknown_path_is_404_and_a_wrong_method_405() -> None:
    mao = Mao()

    assert mao.ask("GET", "/order/api/order/orders").status == 404
    assert mao.ask("DELETE", f"{ORDER}/orderId/CT-1").status == 405
    assert mao.ask("GET", f"{ORDER}/save").status == 405


def test_the_flags_are_not_part_of_the_order() -> None:
    assert "OrderActions" not in Mao().saved(an_order(OrderActions=FLAGS))
