"""What the shop's order lacks of what MAO has done with it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from status_documents import (
    FULFILMENT_RULES,
    LINE,
    LINE_STATES,
    OTHER,
    RULES,
    WITH_STATES,
    actions,
    applied,
    deliveries,
    detail,
    fulfilment,
    mao_line,
    mao_order,
    moved,
    named,
    plan,
    shop_line,
    shop_order,
    shown,
    states,
)

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.fulfilment import map_fulfilment
from ct_mao_sync.mapping.fulfilment_document import version_of
from ct_mao_sync.mapping.identity import target_line_ids
from ct_mao_sync.mapping.item_units import ItemUnits
from ct_mao_sync.mapping.locations import Locations
from ct_mao_sync.mapping.shop_order import parse_shop_order
from ct_mao_sync.mapping.status_deliveries import Carrier, DeliveryRules, mao_key
from ct_mao_sync.mapping.status_plan import StatusRules
from ct_mao_sync.mapping.status_states import find_missing_states, shop_states

PER_PACKAGE = replace(RULES, deliveries=DeliveryRules(per="package"))


def after(row: Any, document: dict[str, Any], rules: StatusRules = RULES) -> dict[str, Any]:
    return applied(document, plan(row, document, rules))


def refusal(row: Any) -> Rejection:
    mapped = map_fulfilment(row, FULFILMENT_RULES, {})
    assert isinstance(mapped, Rejection)
    return mapped


# ---- units, by milestone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"1000": 3}, {"Initial": 3}),
        ({"1500": 1, "2000": 2}, {"Initial": 1, "line-allocated": 2}),
        # A milestone without a State of its own is shown as the nearest before it.
        ({"3000": 1, "3600.100": 2}, {"line-allocated": 3}),
        ({"3700": 1, "7000": 1, "7500": 1}, {"line-packed": 1, "line-shipped": 1, "line-delivered": 1}),
        ({"8000": 1, "8500": 2}, {"line-shipped": 1, "line-delivered": 2}),
        ({"1000": 0, "2000": 0, "7000.000": 3}, {"line-shipped": 3}),
    ],
)
def test_units_go_to_the_state_of_their_milestone(units: dict[str, int], expected: dict[str, int]) -> None:
    document = shop_order(shop_line(3))

    assert moved(document, plan(mao_order(mao_line(units)), document, WITH_STATES)) == expected


def test_without_configured_states_the_states_of_lines_are_left_alone() -> None:
    document = shop_order(shop_line(3))

    planned = plan(mao_order(mao_line({"7000": 3})), document)

    assert not named(planned, "transitionLineItemState")
    assert [a["shipmentState"] for a in named(planned, "changeShipmentState")] == ["Shipped"]


def test_units_that_step_back_before_shipping_step_back_in_the_shop() -> None:
    at = [{"quantity": 3, "state": {"id": "id-line-packed"}}]
    document = shop_order(shop_line(3, state=at))

    planned = plan(mao_order(mao_line({"1500": 1, "2000": 2})), document, WITH_STATES)

    assert moved(document, planned) == {"Initial": 1, "line-allocated": 2}


@pytest.mark.parametrize(
    "now", [{"3700": 3}, {"1000": 3}, {"7000": 1, "3000": 2}, {"7000": 3}, {"7500": 1, "7000": 2}]
)
def test_what_was_shipped_delivered_or_cancelled_stays_so(now: dict[str, int]) -> None:
    at = [
        {"quantity": 1, "state": {"id": "id-line-shipped"}},
        {"quantity": 1, "state": {"id": "id-line-delivered"}},
        {"quantity": 1, "state": {"id": "id-line-cancelled"}},
    ]
    document = shop_order(shop_line(3, state=at), shipmentState="Shipped", orderState="Complete")

    planned = plan(mao_order(mao_line(now)), document, WITH_STATES)

    reached = moved(document, planned)
    assert reached["line-cancelled"] == 1
    assert reached.get("line-delivered", 0) >= 1
    assert reached.get("line-delivered", 0) + reached.get("line-shipped", 0) == 2
    assert not named(planned, "changeShipmentState") and not named(planned, "changeOrderState")


def test_units_in_states_of_somebody_else_are_left_and_counted_out() -> None:
    at = [
        {"quantity": 2, "state": {"id": "id-Initial"}},
        {"quantity": 1, "state": {"id": "id-somebody-else"}},
    ]
    document = shop_order(shop_line(3, state=at))

    planned = plan(mao_order(mao_line({"7000": 1, "2000": 2})), document, WITH_STATES)

    assert moved(document, planned) == {"somebody-else": 1, "line-shipped": 1, "line-allocated": 1}


def test_a_way_by_the_allowed_transitions_is_found() -> None:
    known = states(Initial=["line-allocated"], line_allocated=["line-packed"], line_packed=["line-shipped"])
    document = shop_order(shop_line(2))

    planned = plan(mao_order(mao_line({"7000": 2})), document, WITH_STATES, known)

    steps = [a["toState"]["id"] for a in named(planned, "transitionLineItemState")]
    assert steps == ["id-line-allocated", "id-line-packed", "id-line-shipped"]


def test_states_that_allow_no_way_forward_are_told_and_the_rest_is_done() -> None:
    known = states(Initial=[])
    document = shop_order(shop_line(2))

    planned = plan(mao_order(mao_line({"7000": 2})), document, WITH_STATES, known)

    assert planned.rejection is not None and planned.rejection.code == "status-unmapped"
    assert "'Initial' to 'line-shipped'" in planned.rejection.message
    assert named(planned, "changeShipmentState")


def test_states_that_allow_no_way_back_are_left() -> None:
    known = states(line_packed=["line-shipped"])
    document = shop_order(shop_line(2, state=[{"quantity": 2, "state": {"id": "id-line-packed"}}]))

    planned = plan(mao_order(mao_line({"1500": 2})), document, WITH_STATES, known)

    assert not named(planned, "transitionLineItemState") and planned.rejection is None


def test_a_custom_line_item_that_ships_is_moved_too_and_a_charge_is_not() -> None:
    document = shop_order(
        shop_line(1), customLineItems=[shop_line(2, OTHER), shop_line(1, "charge", slug="fee")]
    )
    row = mao_order(mao_line({"7000": 1}), mao_line({"7000": 2}, OTHER))

    planned = plan(row, document, WITH_STATES)

    (moved_custom,) = named(planned, "transitionCustomLineItemState")
    assert (moved_custom["customLineItemId"], moved_custom["quantity"]) == (OTHER, 2)
    assert after(row, document)["shipmentState"] == "Shipped"


# ---- cancelled units -------------------------------------------------------------------------------

HISTORY = {"CancelQuantity": 1, "CreatedTimestamp": "2026-11-23T09:30:00", "CancelReason": {"ReasonId": "X"}}


def test_short_and_cancelled_after_partial_shipment() -> None:
    row = mao_order(mao_line({"7000": 2}, OrderLineCancelHistory=[HISTORY], FulfillmentDetail=[detail(2)]))
    document = shop_order(shop_line(3))

    done = after(row, document, WITH_STATES)

    assert done["shipmentState"] == "Shipped"  # all that was not cancelled
    assert shown(done) == 2
    assert moved(document, plan(row, document, WITH_STATES)) == {"line-shipped": 2, "line-cancelled": 1}


@pytest.mark.parametrize(
    ("last_sent", "history", "cancelled"),
    [
        (3, [HISTORY], 1),
        (3, [HISTORY, HISTORY], 1),  # written twice
        (3, [{**HISTORY, "CreatedTimestamp": None}] * 2, 1),  # written twice without a time
        (2, [HISTORY], 0),  # the shop took it back itself
        (3, [], 0),  # less than was sent, but nobody cancelled
        (5, [HISTORY], 1),  # raised by the shop
    ],
)
def test_cancelled_units_are_bounded_by_what_was_last_sent(
    last_sent: int, history: list[Any], cancelled: int
) -> None:
    row = mao_order(mao_line({"2000": 2}, OrderLineCancelHistory=history))

    mapped = fulfilment(row, **{LINE: last_sent})

    assert mapped.lines[0].cancelled == cancelled


def test_an_order_that_is_cancelled_as_a_whole() -> None:
    row = mao_order(mao_line({"1000": 0}, IsCancelled=True, Quantity=0, OrderLineCancelHistory=[]))
    document = shop_order(shop_line(3))

    done = after(row, document, WITH_STATES)

    assert (done["shipmentState"], done["orderState"]) == ("Canceled", "Cancelled")
    assert moved(document, plan(row, document, WITH_STATES)) == {"line-cancelled": 3}


# ---- shipment state and order state ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "shipment", "order"),
    [
        ({"1000": 3}, "Pending", "Open"),
        ({"2000": 3}, "Pending", "Confirmed"),
        ({"2000": 2, "1500": 1}, "Backorder", "Confirmed"),
        ({"3700": 3}, "Ready", "Confirmed"),
        ({"3700": 2, "3000": 1}, "Pending", "Confirmed"),
        ({"7000": 1, "3700": 2}, "Partial", "Confirmed"),
        ({"7000": 1, "1500": 2}, "Partial", "Confirmed"),
        ({"7000": 3}, "Shipped", "Confirmed"),
        ({"7000": 1, "7500": 2}, "Shipped", "Confirmed"),
        ({"7500": 3}, "Delivered", "Complete"),
        ({"7500": 1, "8500": 2}, "Delivered", "Complete"),
        ({"8000": 3}, "Shipped", "Confirmed"),
    ],
)
def test_the_products_own_table(units: dict[str, int], shipment: str, order: str) -> None:
    done = after(mao_order(mao_line(units)), shop_order(shop_line(3)))

    assert (done["shipmentState"], done["orderState"]) == (shipment, order)


@pytest.mark.parametrize(
    ("present", "units", "expected"),
    [
        ("Ready", {"1500": 3}, "Backorder"),
        ("Backorder", {"2000": 3}, "Pending"),
        ("Partial", {"3000": 3}, "Partial"),
        ("Shipped", {"7000": 2, "1500": 1}, "Shipped"),
        ("Delivered", {"7000": 3}, "Delivered"),
        ("Canceled", {"7000": 3}, "Canceled"),
        ("Delayed", {"2000": 3}, "Delayed"),
        ("Delayed", {"7000": 3}, "Shipped"),
    ],
)
def test_the_shipment_state_goes_forward_only_from_shipping_on(
    present: str, units: dict[str, int], expected: str
) -> None:
    document = shop_order(shop_line(3), shipmentState=present)

    assert after(mao_order(mao_line(units)), document)["shipmentState"] == expected


def test_a_table_of_ones_own_takes_the_place_of_the_products() -> None:
    rules = replace(RULES, order_states={"shipped": "Complete"}, shipment_states={})
    document = shop_order(shop_line(3), shipmentState="Pending")

    assert after(mao_order(mao_line({"2000": 3})), document, rules)["orderState"] == "Open"
    done = after(mao_order(mao_line({"7000": 3})), document, rules)
    assert (done["orderState"], done["shipmentState"]) == ("Complete", "Pending")


def test_a_line_that_mao_does_not_have_yet_is_still_to_come() -> None:
    document = shop_order(shop_line(1), shop_line(1, OTHER))

    assert after(mao_order(mao_line({"7000": 1})), document)["shipmentState"] == "Partial"


WORKFLOW = shop_states(
    [
        {"id": "id-new", "key": "new", "type": "OrderState", "initial": True},
        {"id": "id-going", "key": "going", "type": "OrderState", "initial": False},
        {"id": "id-gone", "key": "gone", "type": "OrderState", "initial": False},
    ]
)
WORKFLOW_RULES = replace(RULES, workflow_states={"some_shipped": "going", "shipped": "gone"})


@pytest.mark.parametrize(
    ("present", "units", "steps"),
    [
        ("", {"7000": 1, "2000": 2}, ["id-new", "id-going"]),
        ("id-new", {"7000": 3}, ["id-gone"]),
        ("id-going", {"7000": 3}, ["id-gone"]),
        ("id-gone", {"7000": 1, "2000": 2}, []),
        ("id-of-somebody", {"7000": 3}, []),
        ("id-new", {"2000": 3}, []),
    ],
)
def test_the_custom_state_of_the_order(present: str, units: dict[str, int], steps: list[str]) -> None:
    document = shop_order(shop_line(3), **({"state": {"id": present}} if present else {}))

    planned = plan(mao_order(mao_line(units)), document, WORKFLOW_RULES, WORKFLOW)

    assert [action["state"]["id"] for action in named(planned, "transitionState")] == steps


def test_a_state_that_is_missing_or_of_another_type_is_found() -> None:
    missing = find_missing_states(WORKFLOW, line_states=["going"], workflow_states=["new", "elsewhere"])

    assert missing == [("going", "LineItemState", "OrderState"), ("elsewhere", "OrderState", "")]


# ---- deliveries and parcels ------------------------------------------------------------------------


def test_a_release_is_a_delivery_and_a_package_a_parcel() -> None:
    row = mao_order(mao_line({"7000": 3}, FulfillmentDetail=[detail(2), detail(1, "P2")]))

    (added,) = named(plan(row, shop_order(shop_line(3))), "addDelivery")

    assert added == {
        "action": "addDelivery",
        "deliveryKey": "mao-CT-11",
        "items": [{"id": LINE, "quantity": 3}],
        "parcels": [
            {
                "key": "mao-CT-11-P1",
                "items": [{"id": LINE, "quantity": 2}],
                "trackingData": {"trackingId": "1Z-P1", "carrier": "UPS"},
            },
            {
                "key": "mao-CT-11-P2",
                "items": [{"id": LINE, "quantity": 1}],
                "trackingData": {"trackingId": "1Z-P2", "carrier": "UPS"},
            },
        ],
    }


def test_a_delivery_per_package_joins_what_a_package_holds_of_several_releases() -> None:
    row = mao_order(
        mao_line({"7000": 3}, FulfillmentDetail=[detail(2), detail(1, release="CT-12")]),
    )

    (added,) = named(plan(row, shop_order(shop_line(3)), PER_PACKAGE), "addDelivery")

    assert (added["deliveryKey"], added["items"]) == ("mao-P1", [{"id": LINE, "quantity": 3}])
    assert [parcel["key"] for parcel in added["parcels"]] == ["mao-P1"]


def test_one_package_of_two_releases_is_a_parcel_in_each_delivery() -> None:
    row = mao_order(mao_line({"7000": 3}, FulfillmentDetail=[detail(2), detail(1, release="CT-12")]))

    added = named(plan(row, shop_order(shop_line(3))), "addDelivery")

    assert [parcel["key"] for each in added for parcel in each["parcels"]] == ["mao-CT-11-P1", "mao-CT-12-P1"]


def test_packed_rows_are_not_shipped() -> None:
    row = mao_order(mao_line({"3700": 3}, FulfillmentDetail=[detail(3, StatusId="3700")]))

    assert not named(plan(row, shop_order(shop_line(3))), "addDelivery")


def test_later_units_and_corrected_tracking_change_what_is_there() -> None:
    first = mao_order(mao_line({"7000": 2, "3000": 1}, FulfillmentDetail=[detail(2)]))
    document = after(first, shop_order(shop_line(3)))
    later = mao_order(
        mao_line({"7000": 3}, FulfillmentDetail=[detail(2, TrackingNumber="NEW"), detail(1, "P2")])
    )

    planned = plan(later, document)

    assert [action["action"] for action in actions(planned)] == [
        "setDeliveryItems",
        "setParcelTrackingData",
        "addParcelToDelivery",
        "changeShipmentState",
    ]
    done = applied(document, planned)
    assert shown(done) == 3
    assert deliveries(done)[0]["parcels"][0]["trackingData"]["trackingId"] == "NEW"


def test_tracking_that_others_completed_or_mao_forgot_stays() -> None:
    row = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2)]))
    document = after(row, shop_order(shop_line(2)))
    parcel = deliveries(document)[0]["parcels"][0]
    parcel["trackingData"] |= {"provider": "Hub", "isReturn": False}
    forgot = mao_order(
        mao_line({"7000": 2}, FulfillmentDetail=[detail(2, TrackingNumber=None, CarrierCode=None)])
    )

    assert actions(plan(row, document)) == actions(plan(forgot, document)) == []


def test_a_carrier_has_a_name_and_an_address_for_its_parcels() -> None:
    carriers = {"UPS": Carrier("United Parcel", "https://ups.example/{tracking}")}
    rules = replace(RULES, deliveries=DeliveryRules(carriers=carriers))
    row = mao_order(mao_line({"7000": 1}, FulfillmentDetail=[detail(1, TrackingNumber="1Z 9/A")]))

    (added,) = named(plan(row, shop_order(shop_line(1)), rules), "addDelivery")

    assert added["parcels"][0]["trackingData"] == {
        "trackingId": "1Z 9/A",
        "carrier": "United Parcel",
        "providerTransaction": "https://ups.example/1Z%209%2FA",
    }


def test_a_package_that_mao_calls_otherwise_now_is_replaced_in_one_update() -> None:
    document = after(
        mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2)])), shop_order(shop_line(2)), PER_PACKAGE
    )
    renamed = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2, "P9")]))

    planned = plan(renamed, document, PER_PACKAGE)

    assert [action["action"] for action in actions(planned)] == ["removeDelivery", "addDelivery"]
    assert [each["key"] for each in deliveries(applied(document, planned))] == ["mao-P9"]


def test_a_record_that_knows_of_fewer_units_takes_none_back() -> None:
    row = mao_order(mao_line({"7000": 3}, FulfillmentDetail=[detail(2), detail(1, release="CT-12")]))
    document = after(row, shop_order(shop_line(3)), WITH_STATES)

    for stale in (
        mao_order(mao_line({"3000": 3})),
        mao_order(mao_line({"7000": 1, "3000": 2}, FulfillmentDetail=[detail(1)])),
    ):
        assert actions(plan(stale, document, WITH_STATES)) == []


def test_deliveries_of_another_tool_are_never_touched_and_count() -> None:
    foreign = {"id": "f1", "key": "wms-77", "items": [{"id": LINE, "quantity": 2}], "parcels": []}
    document = shop_order(shop_line(3))
    document["shippingInfo"]["deliveries"] = [foreign]
    row = mao_order(mao_line({"7000": 3}, FulfillmentDetail=[detail(3)]))

    planned = plan(row, document)

    done = applied(document, planned)
    assert deliveries(done)[0] == foreign
    assert shown(done) == 3
    assert planned.rejection is not None and planned.rejection.code == "quantity-exceeded"


def test_never_more_is_shown_than_was_ordered() -> None:
    row = mao_order(mao_line({"7000": 5}, FulfillmentDetail=[detail(5)]))

    planned = plan(row, shop_order(shop_line(3)))

    assert shown(applied(shop_order(shop_line(3)), planned)) == 3
    assert planned.rejection is not None
    assert "has shipped 5 of line" in planned.rejection.message


def test_a_delivery_of_ours_with_fields_of_somebody_else_is_kept() -> None:
    row = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2)]))
    document = after(row, shop_order(shop_line(2)))
    deliveries(document)[0]["custom"] = {"type": {"id": "theirs"}, "fields": {"note": "x"}}
    elsewhere = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2, release="CT-19")]))

    planned = plan(elsewhere, document)

    assert not [a for a in actions(planned) if a["action"].startswith(("remove", "set"))]
    assert shown(applied(document, planned)) == 2


def test_where_a_delivery_ships_from_stands_in_fields_that_only_a_new_one_gets() -> None:
    fields = {"location": "shipFrom", "channel": "shipFromChannel", "release": "release"}
    told = DeliveryRules(type_key="mao-delivery", fields=fields, locations=Locations({"DC-1": "dc-one"}))
    rules = replace(RULES, deliveries=told)
    line = mao_line({"7000": 2}, FulfillmentDetail=[detail(2)])
    row = mao_order(line, Release=[{"ReleaseId": "CT-11", "ShipFromLocationId": "DC-1"}])

    (added,) = named(plan(row, shop_order(shop_line(2)), rules), "addDelivery")

    assert added["custom"] == {
        "type": {"typeId": "type", "key": "mao-delivery"},
        "fields": {"shipFrom": "DC-1", "shipFromChannel": "dc-one", "release": "CT-11"},
    }
    document = after(row, shop_order(shop_line(2)))
    assert actions(plan(row, document, rules)) == []
    # With no field but ours it is ours to take away.
    deliveries(document)[0]["custom"] = {"type": {"id": "t"}, "fields": {"shipFrom": "DC-1"}}
    elsewhere = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2, release="CT-19")]))
    assert [a["action"] for a in actions(plan(elsewhere, document, rules))] == [
        "removeDelivery",
        "addDelivery",
    ]


def test_a_shipment_from_a_location_that_is_shown_nowhere_is_a_shipment_without_a_channel() -> None:
    fields = {"location": "shipFrom", "channel": "shipFromChannel"}
    told = DeliveryRules(type_key="mao-delivery", fields=fields, locations=Locations({"DC-1": ""}))
    line = mao_line({"7000": 2}, FulfillmentDetail=[detail(2)])
    row = mao_order(line, Release=[{"ReleaseId": "CT-11", "ShipFromLocationId": "DC-1"}])

    planned = plan(row, shop_order(shop_line(2)), replace(RULES, deliveries=told))

    (added,) = named(planned, "addDelivery")
    assert added["custom"]["fields"] == {"shipFrom": "DC-1"}
    assert planned.rejection is None


def test_an_order_without_shipping_takes_states_only() -> None:
    row = mao_order(mao_line({"7000": 2}, FulfillmentDetail=[detail(2)]))
    document = shop_order(shop_line(2))
    del document["shippingInfo"]

    planned = plan(row, document, WITH_STATES)

    assert {action["action"] for action in actions(planned)} == {
        "transitionLineItemState",
        "changeShipmentState",
        "changeOrderState",
    }


@pytest.mark.parametrize(
    ("method", "shipment", "delivery_count"),
    [("PickUpAtStore", "Delivered", 1), ("Email", "Delivered", 0), ("ShipToAddress", "Shipped", 1)],
)
def test_what_is_handed_over_at_7000_is_delivered(method: str, shipment: str, delivery_count: int) -> None:
    line = mao_line({"7000": 2}, FulfillmentDetail=[detail(2)], DeliveryMethod={"DeliveryMethodId": method})

    done = after(mao_order(line), shop_order(shop_line(2)))

    assert (done["shipmentState"], len(deliveries(done))) == (shipment, delivery_count)


def test_of_two_legs_only_the_one_to_the_customer_is_a_delivery() -> None:
    releases = [
        {"ReleaseId": "CT-11", "DestinationAction": "Merge"},
        {"ReleaseId": "CT-12", "DestinationAction": "Pickup"},
    ]
    line = mao_line({"3000": 2}, FulfillmentDetail=[detail(2)])

    assert not named(plan(mao_order(line, Release=releases), shop_order(shop_line(2))), "addDelivery")
    line = mao_line({"7000": 2}, FulfillmentDetail=[detail(2), detail(2, "P2", "CT-12")])
    (added,) = named(plan(mao_order(line, Release=releases), shop_order(shop_line(2))), "addDelivery")
    assert added["deliveryKey"] == "mao-CT-12"


def test_an_estimate_is_shown_as_long_as_the_package_is_under_way() -> None:
    tracking = [{"TrackingNumber": "1Z-P1", "EstimatedDeliveryDate": "2026-11-25T12:00:00"}]
    line = mao_line({"7000": 3}, FulfillmentDetail=[detail(2), detail(1, "P2", Eta="2026-11-27T08:00:00.25")])
    document = shop_order(shop_line(3))

    planned = plan(mao_order(line, OrderTrackingInfo=tracking), document)

    (estimate,) = named(planned, "setEstimatedDelivery")
    assert estimate["estimatedDelivery"] == {
        "from": "2026-11-25T12:00:00.000Z",
        "until": "2026-11-27T08:00:00.250Z",
    }
    arrived = mao_line({"7500": 3}, FulfillmentDetail=[detail(3, StatusId="7500", Eta="2026-11-27T08:00:00")])
    assert not named(plan(mao_order(arrived), applied(document, planned)), "setEstimatedDelivery")


# ---- which line is which ---------------------------------------------------------------------------

MULTIPLE = {
    "shippingMode": "Multiple",
    "shippingInfo": None,
    "itemShippingAddresses": [
        {"key": "home", "country": "DE", "lastName": "Muster", "city": "Berlin", "id": "x1"},
        {"key": "work", "country": "DE", "lastName": "Muster", "city": "Ulm", "custom": {"a": 1}},
    ],
    "shipping": [
        {"shippingKey": "std", "shippingInfo": {"deliveries": []}, "shippingAddress": {"country": "DE"}},
        {"shippingKey": "exp", "shippingInfo": {"deliveries": []}, "shippingAddress": {"country": "DE"}},
    ],
}
TARGETS = [
    {"addressKey": "home", "quantity": 1, "shippingMethodKey": "std"},
    {"addressKey": "work", "quantity": 2, "shippingMethodKey": "exp"},
]


def test_a_line_for_several_addresses_joins_again_with_a_delivery_for_each() -> None:
    home, work = target_line_ids(LINE, [("home", "std"), ("work", "exp")])
    document = shop_order(shop_line(3, shippingDetails={"targets": TARGETS}), **MULTIPLE)
    row = mao_order(
        mao_line({"7000": 1}, home, FulfillmentDetail=[detail(1)]),
        mao_line({"7000": 2}, work, FulfillmentDetail=[detail(2)]),
    )

    planned = plan(row, document, WITH_STATES)

    added = named(planned, "addDelivery")
    assert [(a["deliveryKey"], a["shippingKey"], a["address"]["city"]) for a in added] == [
        ("mao-CT-11-std", "std", "Berlin"),
        ("mao-CT-11-exp", "exp", "Ulm"),
    ]
    assert [parcel["key"] for a in added for parcel in a["parcels"]] == [
        "mao-CT-11-std-P1",
        "mao-CT-11-exp-P1",
    ]
    assert all(set(a["address"]) <= {"key", "country", "lastName", "city"} for a in added)
    assert planned.personal == {"Muster": "[name]", "Berlin": "[address]", "Ulm": "[address]"}
    assert moved(document, planned) == {"line-shipped": 3}
    assert actions(plan(row, applied(document, planned), WITH_STATES)) == []


def test_a_line_is_known_by_its_alternate_id_too() -> None:
    line = {**mao_line({"7000": 1}, "7"), "AlternateOrderLineId": LINE}

    assert after(mao_order(line), shop_order(shop_line(1)))["shipmentState"] == "Shipped"


def test_a_line_that_the_shop_does_not_have_is_told_and_the_others_are_done() -> None:
    row = mao_order(mao_line({"7000": 1}), mao_line({"3000": 1}, OTHER))

    planned = plan(row, shop_order(shop_line(1)))

    assert planned.rejection is not None and planned.rejection.code == "line-not-found"
    assert OTHER in planned.rejection.message
    assert named(planned, "changeShipmentState")


def test_a_cancelled_line_that_the_shop_took_out_is_no_fault() -> None:
    row = mao_order(mao_line({"7000": 1}), mao_line({}, OTHER, IsCancelled=True))

    assert plan(row, shop_order(shop_line(1))).rejection is None


def test_a_line_is_found_by_its_item_where_that_is_wanted_and_sure() -> None:
    rules = replace(RULES, match_by_item=True)
    line = {**mao_line({"7000": 1}, "7"), "AlternateOrderLineId": None}

    assert plan(mao_order(line), shop_order(shop_line(1))).rejection is not None
    assert after(mao_order(line), shop_order(shop_line(1)), rules)["shipmentState"] == "Shipped"
    twice = shop_order(shop_line(1), shop_line(1, OTHER))
    assert plan(mao_order(line), twice, rules).rejection is not None


def test_return_lines_are_no_business_of_this_job() -> None:
    row = mao_order(mao_line({"7000": 1}), mao_line({"15000": 1}, OTHER, IsReturn=True))

    assert len(fulfilment(row).lines) == 1


# ---- quantities ------------------------------------------------------------------------------------


def test_parts_of_a_unit_count_when_the_unit_is_whole() -> None:
    """Sold by the case of twelve, counted by the piece."""
    line = mao_line({"7000": 19, "3000": 5}, UOM="CASE", Quantity=2)
    line["FulfillmentDetail"] = [detail(5), detail(6, "P2"), detail(8, "P3")]

    (added,) = named(plan(mao_order(line), shop_order(shop_line(2))), "addDelivery")

    assert added["items"] == [{"id": LINE, "quantity": 1}]
    assert [parcel["key"] for parcel in added["parcels"]] == ["mao-CT-11-P3"]  # holds the twelfth piece
    assert after(mao_order(line), shop_order(shop_line(2)))["shipmentState"] == "Partial"


def test_units_come_as_text_as_well() -> None:
    line = mao_line({"7000": 2})
    line["Quantity"] = line["QuantityDetail"][0]["Quantity"] = "2.0"

    assert after(mao_order(line), shop_order(shop_line(2)))["shipmentState"] == "Shipped"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"QuantityDetail": [{"Quantity": 1, "StatusId": "4200"}]}, "status-unmapped"),
        ({"QuantityDetail": [{"Quantity": 1, "StatusId": "7000", "UOM": "PALLET"}]}, "uom-unmapped"),
        ({"QuantityDetail": [{"Quantity": None, "StatusId": "7000"}]}, "source-invalid"),
        (
            {"QuantityDetail": [{"Quantity": 1, "StatusId": "7000", "SubstitutionRatio": 2}]},
            "source-invalid",
        ),
        ({"Quantity": None}, "source-invalid"),
        ({"OrderLineCancelHistory": [{"CancelQuantity": "x"}]}, "source-invalid"),
        (
            {"QuantityDetail": [], "MinFulfillmentStatusId": "2000", "MaxFulfillmentStatusId": "7000"},
            "source-invalid",
        ),
    ],
)
def test_what_cannot_be_counted_is_rejected(change: dict[str, Any], code: str) -> None:
    rejection = refusal(mao_order({**mao_line({"7000": 1}), **change}))

    assert rejection.code == code
    assert "MAO order CT-1" in rejection.message
    assert "ct-mao-sync replay-errors" in rejection.hint


def test_a_status_of_the_tenants_own_is_a_milestone_by_configuration() -> None:
    rules = replace(FULFILMENT_RULES, milestones={"4200": "picked"})
    row = mao_order(mao_line({"4200.500": 1}))

    mapped = map_fulfilment(row, rules, {})

    assert not isinstance(mapped, Rejection)
    assert dict(mapped.lines[0].units) == {"picked": 1}


def test_a_substitute_counts_as_the_line_it_stands_for() -> None:
    line = mao_line({"7000": 1}, FulfillmentDetail=[detail(1, ItemId="SKU-2")])
    line["QuantityDetail"][0] |= {"ItemId": "SKU-2", "SubstitutionRatio": 1}

    assert shown(after(mao_order(line), shop_order(shop_line(1)))) == 1


# ---- the rest --------------------------------------------------------------------------------------


def test_the_newest_timestamp_of_what_is_mapped_is_the_version() -> None:
    line = mao_line({"7000": 1}, UpdatedTimestamp="2026-11-23T10:00:16.25")
    row = mao_order(line)
    whole = {**row, "Payment": [{"UpdatedTimestamp": "2026-11-24T10:00:00"}]}

    assert version_of(row) == version_of(whole) == 1795428016250000
    assert version_of({"OrderLine": []}) == 0


def test_more_than_500_actions_are_several_updates() -> None:
    ids = [f"a1b2c3d4-0000-4000-8000-{n:012d}" for n in range(600)]
    document = shop_order(*(shop_line(1, each) for each in ids))
    row = mao_order(*(mao_line({"7000": 1}, each) for each in ids))

    planned = plan(row, document, WITH_STATES)

    assert [(write.version, len(write.actions)) for write in planned.writes] == [(7, 500), (None, 102)]
    assert actions(plan(row, applied(document, planned), WITH_STATES)) == []


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("CT-11",), "mao-CT-11"),
        (("CT-11", "P 1/2"), "mao-CT-11-P_1_2-9e311423"),
    ],
)
def test_keys_hold_what_keys_can_hold(parts: tuple[str, ...], key: str) -> None:
    assert mao_key(*parts) == key
    assert len(mao_key("x" * 300)) <= 256
    assert mao_key("a/b") != mao_key("a_b") and mao_key("a/b") != mao_key("a b")


def test_a_document_that_is_no_order_is_told() -> None:
    document = shop_order(shop_line(3))
    document["lineItems"][0]["quantity"] = 1.5

    found = parse_shop_order(document)

    assert isinstance(found, Rejection) and found.code == "source-invalid"


def test_nothing_is_planned_twice() -> None:
    row = mao_order(
        mao_line({"7000": 2, "1500": 1}, FulfillmentDetail=[detail(2)]), mao_line({"2000": 1}, OTHER)
    )
    document = shop_order(shop_line(3), shop_line(1, OTHER))
    before = copy.deepcopy(document)

    done = applied(document, plan(row, document, WITH_STATES))

    assert document == before
    assert actions(plan(row, done, WITH_STATES)) == []


def test_which_settings_decide() -> None:
    assert {*LINE_STATES.values()} == {*WITH_STATES.state_keys}
    assert ItemUnits({}, {}).skus_of("SKU-1") == ("SKU-1",)
