"""MAO's stock: what is available, what orders do to it, how it is searched and moved."""

from __future__ import annotations

import contextlib
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sandbox_wire import Mao, a_line, an_order, text_of, units_of

from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.sandbox.manhattan_available import true_available
from ct_mao_sync.sandbox.manhattan_envelope import Refused
from ct_mao_sync.sandbox.manhattan_inventory import supply_event
from ct_mao_sync.sandbox.manhattan_stock import (
    LOCATION,
    View,
    add_item,
    add_location,
    add_view,
    change_view,
    mark_errored,
    set_supply,
    stock_of,
)

Json = dict[str, Any]
NET, LOC = "Ship To Home", "Pick Up"
ITEM = "SKU-1"
AVAILABILITY = "/inventory/api/availability"


@pytest.fixture
def mao() -> Mao:
    return a_tenant()


def a_tenant(**settings: Any) -> Mao:
    """10 units at DC-A, 4 at DC-B, 3 at store ST-1; a network and a location view."""
    mao = Mao(**settings)
    world = mao.sandbox.world
    for place, kind in (("DC-A", "DistributionCenters"), ("DC-B", "DistributionCenters"), ("ST-1", "Stores")):
        add_location(world, place, kind)
    add_view(world, View(NET))
    add_view(world, View(LOC, kind=LOCATION))
    add_item(world, ITEM)
    for place, units in (("DC-A", 10), ("DC-B", 4), ("ST-1", 3)):
        set_supply(world, ITEM, place, units)
    return mao


def network(mao: Mao, *items: str, view: str = NET, **more: Any) -> list[Json]:
    body = {"ViewName": view, "Items": list(items or (ITEM,)), **more}
    answer = mao.ask("POST", f"{AVAILABILITY}/availabilitydetail", body)
    assert answer.status == 200, answer.body.decode()
    return json.loads(answer.body)["data"]


def at_locations(mao: Mao, *items: str, view: str = LOC, **more: Any) -> dict[tuple[str, str], Any]:
    body = {"ViewName": view, "Items": list(items or (ITEM,)), "Locations": ["DC-A", "DC-B", "ST-1"], **more}
    answer = mao.ask("POST", f"{AVAILABILITY}/location/availabilitydetail", body)
    assert answer.status == 200, answer.body.decode()
    return {(row["ItemId"], row["LocationId"]): row["Quantity"] for row in json.loads(answer.body)["data"]}


def refused(mao: Mao, path: str, body: Json) -> str:
    answer = mao.ask("POST", f"{AVAILABILITY}/{path}", body)
    assert answer.status == 400, answer.body.decode()
    return text_of(answer)


def total(mao: Mao, view: str = NET, item: str = ITEM) -> float:
    (row,) = network(mao, item, view=view)
    return row["TotalQuantity"]


# ── rows ──


def test_a_network_row_has_a_quantity_for_each_location_type_and_a_total(mao: Mao) -> None:
    (row,) = network(mao)
    assert row["Quantity"] == {"DistributionCenters": 14.0, "Stores": 3.0}
    assert (row["TotalQuantity"], row["Status"], row["StatusCode"]) == (17.0, "AVAILABLE", 2)
    assert row["TransactionDateTime"] == "2026-11-23T09:00:00"
    assert row["IsInfiniteAvailability"] is None


def test_quantities_are_floats_on_the_wire(mao: Mao) -> None:
    answer = mao.ask("POST", f"{AVAILABILITY}/availabilitydetail", {"ViewName": NET, "Items": [ITEM]})
    assert b'"TotalQuantity":17.0' in answer.body


def test_a_location_row_has_a_number(mao: Mao) -> None:
    assert at_locations(mao) == {(ITEM, "DC-A"): 10.0, (ITEM, "DC-B"): 4.0, (ITEM, "ST-1"): 3.0}


def test_an_unknown_item_is_a_zero_row_in_the_network_and_no_row_at_a_location(mao: Mao) -> None:
    (row,) = network(mao, "NOBODY-KNOWS")
    assert (row["TotalQuantity"], row["Quantity"], row["Status"]) == (0.0, {}, "OUT_OF_STOCK")
    assert at_locations(mao, "NOBODY-KNOWS") == {}


def test_an_ineligible_pair_has_no_row_and_an_eligible_empty_one_has_zero(mao: Mao) -> None:
    stock_of(mao.sandbox.world).ineligible.add((ITEM, "DC-A"))
    set_supply(mao.sandbox.world, ITEM, "DC-B", 0)
    assert at_locations(mao) == {(ITEM, "DC-B"): 0.0, (ITEM, "ST-1"): 3.0}
    assert total(mao) == 3.0


def test_a_location_of_a_type_outside_the_view_has_no_row(mao: Mao) -> None:
    change_view(mao.sandbox.world, LOC, location_types=("Stores",))
    assert at_locations(mao) == {(ITEM, "ST-1"): 3.0}


def test_rows_do_not_come_in_the_order_of_the_request(mao: Mao) -> None:
    items = [f"I{number}" for number in range(30)]
    for item in items:
        add_item(mao.sandbox.world, item)
    assert [row["ItemId"] for row in network(mao, *items)] != items
    assert {row["ItemId"] for row in network(mao, *items)} == set(items)


def test_an_item_asked_twice_has_one_row(mao: Mao) -> None:
    assert len(network(mao, ITEM, ITEM)) == 1


def test_a_status_request_has_no_quantities(mao: Mao) -> None:
    answer = mao.ask("POST", f"{AVAILABILITY}/availabilitystatus", {"ViewName": NET, "Items": [ITEM]})
    (row,) = json.loads(answer.body)["data"]
    assert row["StatusCode"] == 2 and "TotalQuantity" not in row and "Quantity" not in row


@pytest.mark.parametrize(("units", "code"), [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_the_status_follows_the_thresholds_of_the_view(mao: Mao, units: int, code: int) -> None:
    add_view(mao.sandbox.world, View("T", out_at=2, limited_at=4))
    add_item(mao.sandbox.world, "X")
    set_supply(mao.sandbox.world, "X", "DC-A", units)
    (row,) = network(mao, "X", view="T")
    assert row["StatusCode"] == code


# ── requests that MAO refuses ──


@pytest.mark.parametrize("locations", [None, []])
def test_locations_or_a_rule_are_mandatory_at_locations(mao: Mao, locations: Any) -> None:
    body = {"ViewName": LOC, "Items": [ITEM], "Locations": locations}
    wanted = "Mandatory attribute location or regional availability rule missing in request"
    assert wanted in refused(mao, "location/availabilitydetail", body)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ViewName": "Nope"}, "does not exist"),
        ({"ViewName": None}, "ViewName is required"),
        ({"ViewName": LOC}, "not a network view"),
        ({"Items": []}, "Items is required"),
        ({"Items": [7]}, "list of texts"),
        ({"Items": ["a", "b", "c"]}, "at most 2"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(changes: Json, text: str) -> None:
    mao = a_tenant(availability_items_max=2)
    body = {"ViewName": NET, "Items": [ITEM], **changes}
    assert text in refused(mao, "availabilitydetail", body)


def test_an_inactive_view_is_refused_and_one_that_publishes_no_quantity_says_zero(mao: Mao) -> None:
    change_view(mao.sandbox.world, NET, active=False)
    assert "not active" in refused(mao, "availabilitydetail", {"ViewName": NET, "Items": [ITEM]})
    change_view(mao.sandbox.world, NET, active=True, publish_quantity=False)
    (row,) = network(mao)
    assert (row["TotalQuantity"], row["Quantity"], row["Status"]) == (0.0, {}, "AVAILABLE")
    assert true_available(mao.sandbox.world, NET, ITEM) == 17


# ── what counts ──


def test_protection_is_withheld_at_the_item_location_and_in_the_network(mao: Mao) -> None:
    stock = stock_of(mao.sandbox.world)
    stock.protection[ITEM, "DC-A"] = Decimal(4)
    stock.protection[ITEM, "ST-1"] = Decimal(5)
    change_view(mao.sandbox.world, NET, protection=Decimal(3))
    assert at_locations(mao) == {(ITEM, "DC-A"): 6.0, (ITEM, "DC-B"): 4.0, (ITEM, "ST-1"): 0.0}
    (row,) = network(mao)
    assert (row["TotalQuantity"], row["NetworkProtectionQuantity"]) == (7.0, {"Network": 3.0})


def test_a_negative_supply_is_never_a_negative_availability(mao: Mao) -> None:
    set_supply(mao.sandbox.world, ITEM, "DC-A", -5)
    assert at_locations(mao)[ITEM, "DC-A"] == 0.0
    assert total(mao) == 7.0


def test_errors_outages_full_capacity_and_excluded_stores_do_not_count(mao: Mao) -> None:
    world, stock = mao.sandbox.world, stock_of(mao.sandbox.world)
    stock.excluded_stores.add("ST-1")
    assert total(mao) == 14.0
    assert network(mao, IncludeStoreExclusions=False)[0]["TotalQuantity"] == 17.0
    mark_errored(world, ITEM, "DC-B")
    assert total(mao) == 10.0
    stock.capacity_full.add("DC-A")
    assert total(mao) == 0.0
    change_view(world, NET, exclude_capacity_full=False)
    assert total(mao) == 10.0
    stock.outages.add("DC-A")
    assert total(mao) == 0.0
    assert at_locations(mao) == {(ITEM, "DC-A"): 0.0, (ITEM, "DC-B"): 0.0, (ITEM, "ST-1"): 0.0}


def test_infinite_supply_is_a_flag_and_a_big_number(mao: Mao) -> None:
    stock_of(mao.sandbox.world).infinite.add((ITEM, ""))
    (row,) = network(mao)
    assert (row["IsInfiniteAvailability"], row["TotalQuantity"]) == (True, 9999.0)
    assert at_locations(mao)[ITEM, "ST-1"] == 9999.0


def test_future_supply_counts_only_in_a_view_that_looks_ahead_and_inside_its_window(mao: Mao) -> None:
    world = mao.sandbox.world
    for days, units, purchase in ((3, 50, "PO1"), (30, 70, "PO2")):
        eta = datetime(2026, 11, 23 + days if days < 7 else 23, tzinfo=UTC)
        eta = eta if days < 7 else eta.replace(month=12)
        set_supply(world, ITEM, "DC-A", units, supply_type="On Order", eta=eta, reference_id=purchase)
    assert total(mao) == 17.0
    add_view(world, View("Ahead", future_days=7))
    (row,) = network(mao, view="Ahead")
    assert (row["TotalQuantity"], row["OnHandQuantity"], row["FutureQuantity"]) == (67.0, 17.0, 50.0)
    assert row["FirstAvailableFutureDate"] == "2026-11-26T00:00:00"
    assert [each["Quantity"] for each in row["FutureSupplyDetails"]] == [50.0]


def test_the_next_arrival_shows_when_there_is_nothing_left(mao: Mao) -> None:
    world = mao.sandbox.world
    add_item(world, "OUT")
    eta = datetime(2026, 12, 1, tzinfo=UTC)
    set_supply(world, "OUT", "DC-A", 5, supply_type="In Transit", eta=eta, reference_id="ASN")
    assert network(mao, "OUT")[0]["NextAvailabilityDate"] == "2026-12-01T00:00:00"
    assert network(mao)[0]["NextAvailabilityDate"] is None


# ── orders ──


def test_an_open_order_leaves_availability_alone_and_an_allocated_one_lowers_it(mao: Mao) -> None:
    mao.saved(an_order())
    assert total(mao) == 17.0
    mao.lifecycle.allocate("CT-1")
    assert total(mao) == 14.0
    assert at_locations(mao)[ITEM, "DC-A"] == 7.0


def test_shipping_lowers_supply_and_reservation_together(mao: Mao) -> None:
    mao.saved(an_order())
    for step in ("allocate", "release", "pick", "pack"):
        getattr(mao.lifecycle, step)("CT-1")
        assert total(mao) == 14.0, step
    mao.clock.advance(60)
    mao.lifecycle.ship("CT-1", "L1", 2)
    stock = stock_of(mao.sandbox.world)
    supply = stock.supplies[ITEM, "DC-A", "On Hand Available", ""]
    assert (supply.quantity, supply.updated) == (8, "2026-11-23T09:01:00")
    assert stock.reserved == {(ITEM, "DC-A"): 1}
    assert total(mao) == 14.0
    mao.lifecycle.ship("CT-1")
    mao.lifecycle.deliver("CT-1")
    assert stock.reserved == {}
    assert total(mao) == 14.0


def test_cancelling_and_decreasing_give_stock_back(mao: Mao) -> None:
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.cancel_units("CT-1", "L1", 1)
    assert total(mao) == 15.0
    cancel = {"OrderId": "CT-1", "CancelReason": "CancelLine"}
    assert mao.ask("POST", "/order/api/order/order/cancel", cancel).status == 200
    assert total(mao) == 17.0


def test_allocation_splits_over_locations_and_back_orders_the_rest(mao: Mao) -> None:
    mao.saved(an_order(a_line(Quantity=20)))
    mao.lifecycle.allocate("CT-1")
    (line,) = mao.get()["OrderLine"]
    assert units_of(line) == {"1500": 3, "2000": 17}
    places = {row["ShipFromLocationId"]: row["Quantity"] for row in line["Allocation"]}
    assert places == {"DC-A": 10, "DC-B": 4, "ST-1": 3}
    assert total(mao) == 0.0


def test_allocation_at_a_named_location_takes_only_what_is_there(mao: Mao) -> None:
    mao.saved(an_order(a_line(Quantity=6)))
    mao.lifecycle.allocate("CT-1", location="DC-B")
    (line,) = mao.get()["OrderLine"]
    assert units_of(line) == {"1500": 2, "2000": 4}


def test_two_orders_never_get_the_same_unit(mao: Mao) -> None:
    for number in range(4):
        mao.saved(an_order(a_line(Quantity=7), OrderId=f"CT-{number}"))
        mao.lifecycle.allocate(f"CT-{number}")
    stock = stock_of(mao.sandbox.world)
    assert sum(stock.reserved.values()) == 17
    assert stock.backordered == {ITEM: 11}


def test_back_ordered_units_count_only_in_a_view_that_nets_them(mao: Mao) -> None:
    mao.saved(an_order(a_line(Quantity=20)))
    mao.lifecycle.allocate("CT-1")
    set_supply(mao.sandbox.world, ITEM, "DC-B", 14)
    assert total(mao) == 10.0
    change_view(mao.sandbox.world, NET, nets_backorders=True)
    assert total(mao) == 7.0
    assert true_available(mao.sandbox.world, NET, ITEM) == 7


def test_new_stock_cures_a_back_order(mao: Mao) -> None:
    mao.saved(an_order(a_line(Quantity=20)))
    mao.lifecycle.allocate("CT-1")
    set_supply(mao.sandbox.world, ITEM, "DC-B", 14)
    mao.lifecycle.allocate("CT-1")
    assert units_of(mao.get()["OrderLine"][0]) == {"2000": 20}
    assert total(mao) == 7.0


def test_the_automatic_steps_carry_on_with_what_was_allocated(mao: Mao) -> None:
    mao.saved(an_order(a_line(Quantity=20)))
    steps = [mao.lifecycle.next_step("CT-1") for _ in range(8)]
    assert steps == ["allocate", "release", "process", "pick", "pack", "ship", "deliver", ""]
    assert units_of(mao.get()["OrderLine"][0]) == {"1500": 3, "7500": 17}


def test_a_short_marks_the_supply_as_errored_until_somebody_resets_it(mao: Mao) -> None:
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")
    mao.lifecycle.release("CT-1")
    mao.lifecycle.short("CT-1", "L1", 1)
    assert at_locations(mao)[ITEM, "DC-A"] == 0.0
    event = supply_event(ITEM, "DC-A", 0)
    event["SupplyEvent"][0]["ResetError"] = True
    assert mao.ask("POST", "/inventory/api/inventory/supply/supplyEvent", event).status == 200
    assert at_locations(mao)[ITEM, "DC-A"] == 8.0


def test_units_of_an_order_are_converted_to_base_units(mao: Mao) -> None:
    stock_of(mao.sandbox.world).units[ITEM, "BOX"] = Decimal(6)
    mao.saved(an_order(a_line(Quantity=2, UOM="BOX")))
    mao.lifecycle.allocate("CT-1")
    assert units_of(mao.get()["OrderLine"][0]) == {"1500": 1, "2000": 1}
    assert total(mao) == 11.0


def test_digital_lines_take_no_stock(mao: Mao) -> None:
    mao.saved(an_order(a_line(DeliveryMethod={"DeliveryMethodId": "Email"})))
    mao.lifecycle.allocate("CT-1")
    assert units_of(mao.get()["OrderLine"][0]) == {"2000": 3}
    assert total(mao) == 17.0


def test_a_tenant_without_stock_allocates_as_it_always_did() -> None:
    mao = Mao()
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")
    (line,) = mao.get()["OrderLine"]
    assert [row["ShipFromLocationId"] for row in line["Allocation"]] == ["DC1"]


@pytest.mark.parametrize(
    ("setting", "in_orders", "in_rows"),
    [("none", "DC-A", "DC-A"), ("internal", "ACME:DC-A", "DC-A"), ("all", "ACME:DC-A", "ACME:DC-A")],
)
def test_location_ids_can_carry_the_organization(setting: str, in_orders: str, in_rows: str) -> None:
    mao = a_tenant(location_prefix=setting)
    mao.saved(an_order())
    mao.lifecycle.allocate("CT-1")
    (line,) = mao.get()["OrderLine"]
    assert line["Allocation"][0]["ShipFromLocationId"] == in_orders
    for asked in ("DC-A", "ACME:DC-A"):
        assert at_locations(mao, Locations=[asked]) == {(ITEM, in_rows): 7.0}


# ── search and supply events ──


def supplies(mao: Mao, query: str = "", path: str = "inventory/api/inventory/supply", **body: Any) -> Json:
    answer = mao.ask("POST", f"/{path}/search", {"Query": query, "Size": 100, **body})
    assert answer.status == 200, answer.body.decode()
    return json.loads(answer.body)


def test_supply_is_searched_in_the_same_language_as_orders(mao: Mao) -> None:
    mao.clock.advance(60)
    set_supply(mao.sandbox.world, ITEM, "DC-B", 5)
    found = supplies(mao, "UpdatedTimestamp >= '2026-11-23T09:00:30'")
    assert found["header"] == {"totalCount": 1}
    (row,) = found["data"]
    assert (row["LocationId"], row["Quantity"], row["SupplyType"]) == (
        "DC-B",
        5,
        {"SupplyTypeId": "On Hand Available"},
    )
    query = "ItemId = 'SKU-1' and LocationId in ('DC-A', 'ST-1') and SupplyType.SupplyTypeId ~ 'Hand'"
    page = supplies(mao, query, Size=1, Sort=[{"attribute": "LocationId", "direction": "desc"}])
    assert page["header"]["totalCount"] == 2
    assert [row["LocationId"] for row in page["data"]] == ["ST-1"]
    template = {"ItemId": None, "SupplyType": {"SupplyTypeId": None}}
    (row, *_) = supplies(mao, Template=template)["data"]
    assert set(row) == {"ItemId", "SupplyType", "Messages"}
    assert row["SupplyType"]["SupplyTypeId"] == "On Hand Available"


def test_an_unknown_attribute_of_supply_is_refused(mao: Mao) -> None:
    answer = mao.ask("POST", "/inventory/api/inventory/supply/search", {"Query": "Colour = 'red'"})
    assert "cannot be searched" in text_of(answer)


def test_items_are_paged_by_key(mao: Mao) -> None:
    for number in range(25):
        add_item(mao.sandbox.world, f"I-{number:02d}")
    seen: list[str] = []
    last = ""
    sort = [{"attribute": "ItemId", "direction": "asc"}]
    while rows := supplies(mao, f"ItemId > '{last}'", "item/api/item/item", Size=10, Sort=sort)["data"]:
        seen += [row["ItemId"] for row in rows]
        last = seen[-1]
    assert seen == [f"I-{number:02d}" for number in range(25)] + [ITEM]


def test_a_lagging_search_shows_the_record_as_it_was() -> None:
    mao = a_tenant(search_lag_s=30)
    assert supplies(mao)["data"] is None
    mao.clock.advance(60)
    set_supply(mao.sandbox.world, ITEM, "DC-A", 1)
    quantities = {row["LocationId"]: row["Quantity"] for row in supplies(mao)["data"]}
    assert quantities == {"DC-A": 10, "DC-B": 4, "ST-1": 3}
    mao.clock.advance(30)
    assert {row["Quantity"] for row in supplies(mao)["data"]} == {1, 4, 3}


@pytest.mark.parametrize(("way", "units"), [("A", 12), ("S", 8), ("R", 2)])
def test_a_supply_event_adds_subtracts_or_replaces(mao: Mao, way: str, units: int) -> None:
    event = supply_event(ITEM, "DC-A", 2, way=way)
    answer = mao.ask("POST", "/inventory/api/inventory/supply/supplyEvent", event)
    assert json.loads(answer.body)["data"][0]["Quantity"] == units
    assert at_locations(mao)[ITEM, "DC-A"] == units


def test_a_supply_event_of_an_unknown_item_makes_a_shell(mao: Mao) -> None:
    mao.ask("POST", "/inventory/api/inventory/supply/supplyEvent", supply_event("NEW", "DC-A", 2))
    assert total(mao, item="NEW") == 2.0


def test_too_many_supply_events_are_refused_whole(mao: Mao) -> None:
    event = supply_event(ITEM, "DC-A", 1)["SupplyEvent"][0]
    answer = mao.ask("POST", "/inventory/api/inventory/supply/supplyEvent", {"SupplyEvent": [event] * 51})
    assert "at most 50" in text_of(answer)
    assert total(mao) == 17.0


def test_asking_for_availability_is_not_a_write_and_can_repeat_a_row(mao: Mao) -> None:
    faults = Faults()
    faults.always(lambda request: "/availability/" in request.path, "duplicate")
    mao.sandbox.use_faults(faults)
    assert len(network(mao)) == 2
    assert mao.sandbox.world.request_log.writes["manhattan"] == 0


def test_the_true_figure_is_that_of_the_endpoints_in_every_case() -> None:
    mao = a_tenant()
    world, stock = mao.sandbox.world, stock_of(mao.sandbox.world)
    for number in range(40):
        item = f"R-{number}"
        for place in stock.locations:
            set_supply(world, item, place, world.rng.randint(-2, 9), errored=world.rng.random() < 0.1)
            stock.protection[item, place] = Decimal(world.rng.randint(0, 3))
        order = an_order(a_line(ItemId=item, Quantity=world.rng.randint(1, 12)), OrderId=f"CT-R{number}")
        mao.saved(order)
        for _ in range(world.rng.randint(0, 6)):
            mao.lifecycle.next_step(f"CT-R{number}")
    for view in (NET, LOC):
        change_view(world, view, protection=Decimal(2), nets_backorders=True)
    items = [item for item in stock.items if item.startswith("R-")]
    for row in network(mao, *items):
        assert row["TotalQuantity"] == true_available(world, NET, row["ItemId"])
    for (item, place), quantity in at_locations(mao, *items).items():
        assert quantity == true_available(world, LOC, item, place)


@pytest.mark.parametrize("seed", range(6))
def test_no_unit_is_lost_or_doubled_whatever_happens_to_orders(seed: int) -> None:
    mao = a_tenant(post_release_cancel="success")
    world, stock = mao.sandbox.world, stock_of(mao.sandbox.world)
    rng = random.Random(seed)
    orders = [f"CT-{number}" for number in range(6)]
    for order_id in orders:
        lines = [a_line(OrderLineId=f"L{number}", Quantity=rng.randint(1, 5)) for number in (1, 2)]
        mao.saved(an_order(*lines, OrderId=order_id))
    events = ("allocate", "release", "pick", "pack", "ship", "deliver", "backorder", "short", "cancel_units")
    for _ in range(150):
        order_id = rng.choice(orders)
        (event,) = rng.choices(events, weights=(9, 9, 9, 9, 9, 9, 2, 1, 1))
        arguments: list[Any] = [f"L{rng.randint(1, 2)}"]
        if event in ("short", "cancel_units") or (event != "release" and rng.random() < 0.5):
            arguments.append(rng.randint(1, 2))
        mao.clock.advance(1)
        with contextlib.suppress(Refused):
            getattr(mao.lifecycle, event)(order_id, *arguments)
        for place in stock.locations:  # what was errored by a short is found again
            mark_errored(world, ITEM, place, errored=False)
        shipped = held = Decimal(0)
        for order in world.mao.orders.values():
            for line in order["OrderLine"]:
                units = {int(row["StatusId"]): row["Quantity"] for row in line["QuantityDetail"]}
                held += sum(count for status, count in units.items() if 2000 <= status < 7000)
                shipped += sum(count for status, count in units.items() if status >= 7000)
        on_hand = sum(supply.quantity for supply in stock.supplies.values())
        assert on_hand + shipped == 17, (seed, event)
        assert sum(stock.reserved.values()) == held, (seed, event)
        assert total(mao) == 17 - shipped - held, (seed, event)
    assert shipped > 0
