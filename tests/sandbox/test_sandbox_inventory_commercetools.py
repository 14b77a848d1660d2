"""InventoryEntries of the simulated project and the orders that take from them; a stocked world."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_shop import ATLANTA, ATLANTA_ID, Json, Shop, a_line, an_order

from ct_mao_sync.sandbox.commercetools import add_order, place_order
from ct_mao_sync.sandbox.commercetools_stock import find_entry, reserve_in_carts, true_quantity
from ct_mao_sync.sandbox.core import Request
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, NETWORK_VIEW, entry_key, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available


@pytest.fixture
def shop() -> Shop:
    return Shop()


# ── entries ──


def test_a_new_entry_has_its_channel_by_id_and_is_found_by_sku_channel_and_key(shop: Shop) -> None:
    made = shop.entry(key="A_dc-atlanta", supplyChannel=ATLANTA)
    bare = shop.entry()
    other = shop.entry("B")
    assert made["supplyChannel"] == {"typeId": "channel", "id": ATLANTA_ID}
    assert (made["version"], made["availableQuantity"]) == (1, 10)
    assert {each["id"] for each in shop.found('sku in ("A", "C")')} == {made["id"], bare["id"]}
    assert {each["id"] for each in shop.found('sku = "A" or sku = "B"')} == {
        made["id"],
        bare["id"],
        other["id"],
    }
    assert shop.found(f'sku in ("A","B") and supplyChannel(id="{ATLANTA_ID}")') == [made]
    assert shop.found('sku in ("A","B") and supplyChannel is not defined') != []
    assert shop.found('key = "A_dc-atlanta"') == [made]
    assert shop.done("GET", "inventory/key=A_dc-atlanta") == made


def test_a_sku_with_quotes_and_other_letters_is_found_through_a_variable(shop: Shop) -> None:
    sku = 'TV 55" „Größe“'
    made = shop.entry(sku)
    query = [("where", "sku in :skus"), ("var.skus", sku), ("var.skus", "B"), ("withTotal", "false")]
    assert shop.done("GET", "inventory", query=query)["results"] == [made]


def test_entries_are_paged_by_id_with_expanded_channels(shop: Shop) -> None:
    for number in range(25):
        shop.entry(f"S{number}", supplyChannel=ATLANTA)
    seen: list[Json] = []
    where: list[tuple[str, str]] = []
    while True:
        query = [("sort", "id asc"), ("limit", "10"), ("expand", "supplyChannel"), *where]
        page = shop.done("GET", "inventory", query=query)
        seen += page["results"]
        if page["count"] < 10:
            break
        where = [("where", f'id > "{seen[-1]["id"]}"')]
    assert len({each["id"] for each in seen}) == len(seen) == 25
    assert {each["supplyChannel"]["obj"]["key"] for each in seen} == {"dc-atlanta"}


def test_one_entry_for_each_sku_and_channel(shop: Shop) -> None:
    shop.entry(key="one")
    draft = {"sku": "A", "quantityOnStock": 1}
    assert shop.refused("POST", "inventory", draft) == (400, "DuplicateField")
    assert shop.refused("POST", "inventory", {**draft, "sku": "B", "key": "one"}) == (400, "DuplicateField")
    at_channel = shop.entry(supplyChannel=ATLANTA)
    action = {"action": "setSupplyChannel"}
    body = {"version": 1, "actions": [action]}
    assert shop.refused("POST", f"inventory/{at_channel['id']}", body) == (400, "DuplicateField")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "x"}, "InvalidField"),
        ({"key": "with space"}, "InvalidField"),
        ({"quantityOnStock": "7"}, "InvalidJsonInput"),
        ({"quantityOnStock": 7.5}, "InvalidJsonInput"),
        ({"quantityOnStock": None}, "InvalidJsonInput"),
        ({"quantityOnStock": 2**63}, "InvalidField"),
        ({"sku": None}, "InvalidJsonInput"),
        ({"supplyChannel": {"typeId": "channel", "key": "nowhere"}}, "ReferencedResourceNotFound"),
        ({"minCartQuantity": 0}, "InvalidField"),
        ({"minCartQuantity": 5, "maxCartQuantity": 2}, "InvalidInput"),
        ({"reservationExpirationInMinutes": 44_641}, "InvalidField"),
    ],
)
def test_a_draft_that_breaks_a_rule_is_refused(shop: Shop, change: Json, code: str) -> None:
    draft = {"sku": "A", "quantityOnStock": 1, **change}
    assert shop.refused("POST", "inventory", draft) == (400, code)
    assert shop.world.ct.inventory == {}


def test_every_update_action_does_what_it_says(shop: Shop) -> None:
    shop.done("POST", "types", {"key": "stock", "name": {"en": "s"}, "resourceTypeIds": ["inventory-entry"]})
    entry = shop.entry()
    actions: list[Json] = [
        {"action": "changeQuantity", "quantity": 20},
        {"action": "addQuantity", "quantity": 5},
        {"action": "removeQuantity", "quantity": 30},
        {"action": "setKey", "key": "a-new-key"},
        {"action": "setSupplyChannel", "supplyChannel": ATLANTA},
        {"action": "setRestockableInDays", "restockableInDays": 3},
        {"action": "setExpectedDelivery", "expectedDelivery": "2026-12-01T00:00:00Z"},
        {"action": "setInventoryLimits", "minCartQuantity": 1, "maxCartQuantity": 9},
        {"action": "setSafetyStock", "quantity": 2},
        {"action": "setReorderPoint", "quantity": 4},
        {"action": "setReservationExpirationInMinutes", "reservationExpirationInMinutes": 60},
        {"action": "setCustomType", "type": {"typeId": "type", "key": "stock"}, "fields": {"onHand": 7}},
        {"action": "setCustomField", "name": "protected", "value": 1},
    ]
    after = shop.update(entry, *actions)
    assert (after["quantityOnStock"], after["availableQuantity"]) == (-5, -5)
    assert after["supplyChannel"]["id"] == ATLANTA_ID
    assert (after["restockableInDays"], after["expectedDelivery"]) == (3, "2026-12-01T00:00:00.000Z")
    assert (after["minCartQuantity"], after["maxCartQuantity"]) == (1, 9)
    assert after["stockLevels"] == {"safetyStock": 2, "reorderPoint": 4}
    assert after["custom"]["fields"] == {"onHand": 7, "protected": 1}
    assert after["version"] > entry["version"]
    assert shop.done("GET", "inventory/key=a-new-key") == after
    assert find_entry(shop.world, "A") is None
    assert find_entry(shop.world, "A", ATLANTA_ID) == after


def test_a_stale_version_is_a_conflict_that_names_the_present_one(shop: Shop) -> None:
    entry = shop.entry()
    after = shop.update(entry, {"action": "changeQuantity", "quantity": 3})
    body = {"version": 1, "actions": [{"action": "changeQuantity", "quantity": 4}]}
    status, answer = shop.ask("POST", f"inventory/{entry['id']}", body)
    assert (status, answer["errors"][0]["currentVersion"]) == (409, after["version"])
    assert shop.read(entry)["quantityOnStock"] == 3


def test_the_same_quantity_again_changes_nothing(shop: Shop) -> None:
    entry = shop.entry()
    assert shop.update(entry, {"action": "changeQuantity", "quantity": 10}) == entry


def test_a_deleted_entry_makes_room_for_another(shop: Shop) -> None:
    entry = shop.entry(key="one")
    assert shop.refused("DELETE", "inventory/key=one", query=[("version", "9")])[0] == 409
    shop.done("DELETE", "inventory/key=one", query=[("version", "1")])
    assert shop.ask("GET", f"inventory/{entry['id']}")[0] == 404
    again = shop.entry(key="one")
    page = shop.done("GET", "inventory", query=[("sort", "id asc")])
    assert page["results"] == [again]


def test_writing_needs_the_scope_for_products(shop: Shop) -> None:
    entry = shop.entry()
    shop.bearer = shop.login("view_products:sandbox")
    assert shop.read(entry) == entry
    assert shop.refused("POST", "inventory", {"sku": "B", "quantityOnStock": 1}) == (
        403,
        "insufficient_scope",
    )


# ── orders ──


def test_an_order_lowers_the_entry_of_its_channel_and_moves_its_version(shop: Shop) -> None:
    bare, atlanta = shop.entry(), shop.entry(supplyChannel=ATLANTA)
    line = a_line(3, supplyChannel={"typeId": "channel", "id": ATLANTA_ID})
    assert place_order(shop.world, an_order(line, a_line(1)))
    after = shop.read(atlanta)
    assert (after["quantityOnStock"], after["availableQuantity"], after["version"]) == (7, 7, 2)
    assert shop.read(bare)["quantityOnStock"] == 9
    body = {"version": 1, "actions": [{"action": "changeQuantity", "quantity": 10}]}
    assert shop.refused("POST", f"inventory/{atlanta['id']}", body)[0] == 409


@pytest.mark.parametrize(
    ("order_mode", "line_mode", "left"),
    [
        (None, None, 10),
        ("None", None, 10),
        ("ReserveOnOrder", None, 8),
        ("TrackOnly", None, 8),
        ("ReserveOnOrder", "None", 10),
        ("None", "TrackOnly", 8),
    ],
)
def test_the_mode_of_the_line_beats_that_of_the_order(
    shop: Shop, order_mode: str | None, line_mode: str | None, left: int
) -> None:
    entry = shop.entry()
    line = a_line(2, **({"inventoryMode": line_mode} if line_mode else {}))
    assert place_order(shop.world, an_order(line, mode=order_mode))
    assert shop.read(entry)["quantityOnStock"] == left


def test_reserve_on_order_is_refused_when_there_is_not_enough(shop: Shop) -> None:
    entry = shop.entry(quantity=3)
    assert not place_order(shop.world, an_order(a_line(2), a_line(2)))
    assert shop.world.ct.orders == {}
    assert shop.read(entry) == entry
    assert place_order(shop.world, an_order(a_line(2), a_line(1)))


def test_an_entry_that_is_restocked_can_be_sold_below_zero_and_track_only_always(shop: Shop) -> None:
    restocked = shop.entry(quantity=1, restockableInDays=0)
    assert place_order(shop.world, an_order(a_line(3)))
    assert shop.read(restocked)["quantityOnStock"] == -2
    tracked = shop.entry("B", quantity=1)
    assert place_order(shop.world, an_order(a_line(3, "B"), mode="TrackOnly", number=2))
    assert shop.read(tracked)["quantityOnStock"] == -2


def test_a_tracked_line_without_an_entry_is_out_of_stock(shop: Shop) -> None:
    assert not place_order(shop.world, an_order(a_line(1, "NOWHERE"), mode="TrackOnly"))


def test_reservations_of_carts_lower_what_is_available_not_what_is_on_stock(shop: Shop) -> None:
    entry = shop.entry()
    reserve_in_carts(shop.world, entry["id"], 4)
    after = shop.read(entry)
    assert (after["quantityOnStock"], after["availableQuantity"], after["version"]) == (10, 6, 1)
    assert not place_order(shop.world, an_order(a_line(7)))
    after = shop.update(entry, {"action": "changeQuantity", "quantity": 20})
    assert (after["quantityOnStock"], after["availableQuantity"]) == (20, 16)
    assert place_order(shop.world, an_order(a_line(4), mode="ReserveOnCart"))
    after = shop.read(entry)
    assert (after["quantityOnStock"], after["availableQuantity"]) == (16, 16)


def test_figures_lag_behind_an_order_but_the_version_and_the_refusal_do_not() -> None:
    shop = Shop(inventory_lag_s=10)
    entry = shop.entry(quantity=3)
    assert place_order(shop.world, an_order(a_line(2)))
    seen = shop.read(entry)
    assert (seen["quantityOnStock"], seen["version"]) == (3, 2)
    assert true_quantity(shop.world, seen) == 1
    assert not place_order(shop.world, an_order(a_line(2), number=2))
    shop.clock.advance(10)
    seen = shop.read(entry)
    assert (seen["quantityOnStock"], seen["availableQuantity"], seen["version"]) == (1, 1, 2)


def test_a_direct_update_sees_and_sets_the_true_figure_at_once() -> None:
    shop = Shop(inventory_lag_s=10)
    entry = shop.entry(quantity=5)
    assert place_order(shop.world, an_order(a_line(2)))
    after = shop.update(shop.read(entry), {"action": "addQuantity", "quantity": 1})
    assert after["quantityOnStock"] == 4
    assert place_order(shop.world, an_order(a_line(1), number=2))
    after = shop.update(shop.read(entry), {"action": "changeQuantity", "quantity": 9})
    shop.clock.advance(20)
    assert shop.read(entry) == after
    assert after["quantityOnStock"] == 9


def test_adding_an_order_without_placing_it_touches_no_stock(shop: Shop) -> None:
    entry = shop.entry()
    add_order(shop.world, an_order(a_line(2)))
    assert shop.read(entry) == entry


# ── a stocked world, and the vendor's schemas ──


def test_a_stocked_world_agrees_on_both_sides_and_is_the_same_for_the_same_seed() -> None:
    worlds = []
    for _ in range(2):
        shop = Shop()
        shop.world.ct.inventory.clear()
        stocked = stock_world(shop.world, 7, items=30, entries=("location", "network"))
        worlds.append(shop.world)
    assert worlds[0].ct.inventory == worlds[1].ct.inventory
    world = worlds[0]
    channel_ids = {each["key"]: each["id"] for each in world.ct.channels.values()}
    figures = set()
    for item in stocked.items:
        entry = find_entry(world, item)
        assert entry is not None and entry["quantityOnStock"] == true_available(world, NETWORK_VIEW, item)
        for place, key in stocked.locations.items():
            entry = find_entry(world, item, channel_ids[key])
            figure = true_available(world, LOCATION_VIEW, item, place)
            assert entry is not None and entry["quantityOnStock"] == figure
            assert entry["key"] == entry_key(item, key)
            figures.add(figure)
    assert 0 in figures and len(figures) > 20


def test_keys_of_skus_with_odd_characters_stay_apart() -> None:
    keys = {entry_key(sku, "dc") for sku in ("SKU 1", "SKU-1", "SKU/1", "SKÜ-1")}
    assert len(keys) == 4


def test_stock_is_seen_and_moved_on_the_admin_surface(shop: Shop) -> None:
    def admin(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        text = b"" if body is None else json.dumps(body).encode()
        answer = shop.sandbox.handle(Request("manhattan", method, f"/_sandbox/{path}", (), {}, text))
        return answer.status, json.loads(answer.body)

    place = {"ItemId": "A", "LocationId": "DC-ATL"}
    assert admin("POST", "mao/supply", {**place, "Quantity": 40})[1]["Quantity"] == 40
    assert admin("POST", "mao/supply", {**place, "Delta": -1})[1]["Quantity"] == 39
    stock = admin("GET", "mao/stock")[1]
    assert stock["items"] == ["A"]
    assert any(row["Quantity"] == 39 for row in stock["supplies"])
    entry = shop.entry(quantity=1)
    assert admin("POST", "ct/checkout", an_order(a_line(2)))[0] == 409
    assert admin("POST", "ct/checkout", an_order(a_line(1)))[0] == 201
    (seen,) = admin("GET", "ct/inventory")[1]["inventory"]
    assert (seen["id"], seen["quantityOnStock"], seen["trueQuantity"]) == (entry["id"], 0, 0)
    full = {"kind": "full", "ViewName": NETWORK_VIEW}
    assert [line["MessageType"] for line in admin("POST", "mao/messages", full)[1]["messages"]] == [
        "StartSync",
        "SyncDetails",
        "EndSync",
    ]
    assert admin("POST", "mao/view", {"ViewName": NETWORK_VIEW, "active": False})[1]["active"] is False
    assert admin("POST", "mao/messages", full)[0] == 400
