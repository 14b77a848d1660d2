"""The simulated commercetools API, held to what the platform does and refuses."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ct_mao_sync.sandbox.check_order import order_sums
from ct_mao_sync.sandbox.commercetools import add_order, edit_order, load_orders, order_edit
from ct_mao_sync.sandbox.commercetools_orders import (
    adding_line,
    cancelling,
    changing_address,
    changing_quantity,
    removing_line,
)
from ct_mao_sync.sandbox.core import ManualClock, Request, Sandbox, SandboxSettings
from ct_mao_sync.sandbox.generate import generate_order, generate_orders
from ct_mao_sync.sandbox.predicate import id_order

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
SCHEMA = REFERENCE / "ct-spec" / "ct-api-subset.schema.json"
EXPAND = (
    "paymentInfo.payments[*]",
    "discountCodes[*].discountCode",
    "shippingInfo.shippingMethod",
    "shipping[*].shippingInfo.shippingMethod",
    "lineItems[*].supplyChannel",
    "lineItems[*].state[*].state",
    "lineItems[*].discountedPricePerQuantity[*].discountedPrice.includedDiscounts[*].discount",
)
Pairs = Iterable[tuple[str, str]]


class Shop:
    """A sandbox and a client that speaks plain requests to it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock(NOW)
        self.sandbox = Sandbox(seed=1, clock=self.clock, settings=SandboxSettings(**settings))
        self.world = self.sandbox.world
        self.bearer = ""

    def ask(self, method: str, path: str, query: Pairs = (), body: Any = b"", **headers: str) -> Any:
        given = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if "authorization" not in names:
            names["authorization"] = f"Bearer {self.bearer or self.login()}"
        response = self.sandbox.handle(Request("commercetools", method, path, tuple(query), names, given))
        self.headers = response.headers
        self.size = len(response.body)
        return response.status, json.loads(response.body) if response.body else None

    def login(self, scope: str = "") -> str:
        basic = base64.b64encode(b"sandbox-client:sandbox-secret").decode()
        form = "grant_type=client_credentials" + (f"&scope={scope}" if scope else "")
        status, body = self.ask("POST", "/oauth/token", body=form.encode(), authorization=f"Basic {basic}")
        assert status == 200, body
        self.bearer = body["access_token"]
        return self.bearer

    def order(self, *features: str, currency: str = "EUR", seed: int = 1, **more: Any) -> dict[str, Any]:
        number = 100 + len(self.world.ct.orders)
        states = {"order_state": "Open", "payment_state": "Paid", **more}
        order = generate_order(
            random.Random(seed * 1000 + number), number, NOW, currency, features=features, **states
        )
        return add_order(self.world, order)

    def stored(self, order: dict[str, Any]) -> dict[str, Any]:
        return self.world.ct.orders[order["id"]]

    def update(self, order: dict[str, Any], *actions: dict[str, Any]) -> tuple[int, Any]:
        body = {"version": self.stored(order)["version"], "actions": list(actions)}
        status, answer = self.ask("POST", f"/sandbox/orders/{order['id']}", body=body)
        return status, answer

    def done(self, order: dict[str, Any], *actions: dict[str, Any]) -> Any:
        status, answer = self.update(order, *actions)
        assert status == 200, answer
        return answer

    def refused(self, order: dict[str, Any], *actions: dict[str, Any]) -> str:
        before = json.dumps(self.stored(order))
        status, answer = self.update(order, *actions)
        assert status == 400, answer
        assert json.dumps(self.stored(order)) == before
        return str(answer["errors"][0]["code"])


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def full() -> Shop:
    """300 orders of every shape, only read."""
    shop = Shop()
    for order in generate_orders(5, 300, NOW):
        add_order(shop.world, order)
    return shop


# ── tokens and projects ──


def test_a_token_is_given_for_the_right_client_and_lives_as_long_as_it_says(shop: Shop) -> None:
    shop.login()
    assert shop.ask("GET", "/sandbox")[0] == 200
    shop.clock.advance(172_800)
    status, body = shop.ask("GET", "/sandbox")
    assert (status, body["errors"][0]["code"], body["error"]) == (401, "invalid_token", "invalid_token")


@pytest.mark.parametrize("authorization", ["", "Basic !!!", "Basic eDp5", "Bearer x"])
def test_wrong_credentials_are_refused_as_invalid_client(shop: Shop, authorization: str) -> None:
    form = b"grant_type=client_credentials"
    status, body = shop.ask("POST", "/oauth/token", body=form, authorization=authorization)
    assert (status, body["error"], body["errors"][0]["code"]) == (401, "invalid_client", "invalid_client")


def test_another_grant_and_a_scope_of_another_project_are_refused(shop: Shop) -> None:
    basic = "Basic " + base64.b64encode(b"sandbox-client:sandbox-secret").decode()
    status, body = shop.ask("POST", "/oauth/token", body=b"grant_type=password", authorization=basic)
    assert (status, body["error"]) == (400, "unsupported_grant_type")
    wrong = b"grant_type=client_credentials&scope=view_orders:other"
    status, body = shop.ask("POST", "/oauth/token", body=wrong, authorization=basic)
    assert (status, body["error"]) == (400, "invalid_scope")


def test_a_scope_permits_what_it_names_and_nothing_else(shop: Shop) -> None:
    order = shop.order()
    shop.login("view_orders:sandbox")
    assert shop.ask("GET", "/sandbox/orders")[0] == 200
    body = {"version": 1, "actions": []}
    status, answer = shop.ask("POST", f"/sandbox/orders/{order['id']}", body=body)
    assert (status, answer["errors"][0]["code"]) == (403, "insufficient_scope")
    assert shop.ask("GET", "/sandbox/payments")[0] == 403


def test_an_unknown_project_is_not_found_or_forbidden(shop: Shop) -> None:
    status, body = shop.ask("GET", "/other/orders")
    assert (status, body["errors"][0]["code"]) == (404, "ResourceNotFound")
    shop.sandbox.commercetools.unknown_project_status = 403
    assert shop.ask("GET", "/other/orders")[0] == 403


# ── queries ──


def test_a_scan_by_id_finds_every_order_exactly_once(full: Shop) -> None:
    found: list[str] = []
    query = [("sort", "id asc"), ("limit", "70"), ("withTotal", "false")]
    while True:
        more = [("where", f'id > "{found[-1]}"')] if found else []
        _, body = full.ask("GET", "/sandbox/orders", [*query, *more])
        found += [order["id"] for order in body["results"]]
        assert "total" not in body
        if body["count"] < 70:
            break
    assert sorted(found) == sorted(full.world.ct.orders)
    assert len(found) == len(set(found))
    assert found == sorted(found, key=id_order) != sorted(found)


def test_several_where_must_all_hold_and_defaults_apply(full: Shop) -> None:
    query = [("where", 'orderState = "Open"'), ("where", "totalPrice(currencyCode = :c)"), ("var.c", "EUR")]
    _, body = full.ask("GET", "/sandbox/orders", query)
    wanted = [
        order["id"]
        for order in full.world.ct.orders.values()
        if order["orderState"] == "Open" and order["totalPrice"]["currencyCode"] == "EUR"
    ]
    assert (body["limit"], body["offset"], body["count"]) == (20, 0, 20)
    assert body["total"] == len(wanted)
    assert {order["id"] for order in body["results"]} <= set(wanted)


def test_sort_by_a_field_and_offset_give_the_right_slice(full: Shop) -> None:
    query = [("sort", "lastModifiedAt desc"), ("sort", "id asc"), ("limit", "5"), ("offset", "10")]
    _, body = full.ask("GET", "/sandbox/orders", query)
    moments = sorted((o["lastModifiedAt"] for o in full.world.ct.orders.values()), reverse=True)
    assert [order["lastModifiedAt"] for order in body["results"]] == moments[10:15]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("limit", "501")], "The limit parameter must be in the range of [0..500]."),
        ([("limit", "-1")], "The limit parameter must be in the range of [0..500]."),
        ([("limit", "many")], "Malformed parameter: limit"),
        ([("offset", "10001")], "The offset parameter must be in the range of [0..10000]."),
        ([("where", "bogus = 1")], "Malformed parameter: where: The field 'bogus' does not exist."),
        ([("where", "orderState =")], "Malformed parameter: where: Syntax error"),
        ([("sort", "bogus asc")], "Malformed parameter: sort"),
        ([("sort", "id upwards")], "Malformed parameter: sort"),
        ([("expand", "bogus.path")], "Malformed parameter: expand"),
        ([("expand", "paymentInfo..payments")], "Malformed parameter: expand"),
    ],
)
def test_a_malformed_query_is_refused_with_the_parameters_name(
    full: Shop, query: Pairs, message: str
) -> None:
    status, body = full.ask("GET", "/sandbox/orders", query)
    assert (status, body["errors"][0]["code"]) == (400, "InvalidInput")
    assert message in body["message"]


def test_a_url_above_8_kb_does_not_arrive(full: Shop) -> None:
    ids = ",".join(f'"{id}"' for id in list(full.world.ct.orders)[:250])
    assert full.ask("GET", "/sandbox/orders", [("where", f"id in ({ids})")])[0] == 414
    few = ",".join(f'"{id}"' for id in list(full.world.ct.orders)[:100])
    assert full.ask("GET", "/sandbox/orders", [("where", f"id in ({few})"), ("limit", "500")])[0] == 200


def test_expansion_puts_the_target_beside_the_reference(full: Shop) -> None:
    query = [("limit", "500"), *(("expand", path) for path in EXPAND)]
    _, body = full.ask("GET", "/sandbox/orders", query)
    orders = body["results"]
    payments = [p for o in orders for p in o.get("paymentInfo", {}).get("payments", [])]
    assert all(payment["obj"]["id"] == payment["id"] for payment in payments)
    assert all(code["discountCode"]["obj"]["code"] for o in orders for code in o["discountCodes"])
    states = [row["state"]["obj"]["key"] for o in orders for line in o["lineItems"] for row in line["state"]]
    assert set(states) == {"Initial"}
    discounts = [
        d["discount"]
        for o in orders
        for line in o["lineItems"]
        for group in line["discountedPricePerQuantity"]
        for d in group["discountedPrice"]["includedDiscounts"]
    ]
    assert {d["typeId"] for d in discounts if "obj" in d} == {"cart-discount"}
    assert {d["typeId"] for d in discounts if "obj" not in d} == {"direct-discount"}


def test_expansion_shows_the_targets_present_version_and_no_obj_for_a_missing_one(shop: Shop) -> None:
    order = shop.order()
    path = [("expand", "paymentInfo.payments[*]")]
    url = f"/sandbox/orders/{order['id']}"
    payment = shop.ask("GET", url, path)[1]["paymentInfo"]["payments"][0]["obj"]
    change = {"transactionId": payment["transactions"][0]["id"], "state": "Failure"}
    update = {"version": payment["version"], "actions": [{"action": "changeTransactionState", **change}]}
    assert shop.ask("POST", f"/sandbox/payments/{payment['id']}", body=update)[0] == 200
    again = shop.ask("GET", url, path)[1]["paymentInfo"]["payments"][0]["obj"]
    assert again["transactions"][0]["state"] == "Failure"
    del shop.world.ct.payments[payment["id"]]
    assert "obj" not in shop.ask("GET", url, path)[1]["paymentInfo"]["payments"][0]


def test_queries_lag_behind_while_get_by_id_sees_the_present() -> None:
    shop = Shop(commercetools_query_lag_s=10)
    order = shop.order()
    shop.clock.advance(60)
    shop.done(order, {"action": "changeOrderState", "orderState": "Confirmed"})
    assert shop.ask("GET", "/sandbox/orders")[1]["count"] == 0
    assert shop.ask("GET", f"/sandbox/orders/{order['id']}")[1]["orderState"] == "Confirmed"
    shop.clock.advance(10)
    assert shop.ask("GET", "/sandbox/orders")[1]["count"] == 1


# ── one order ──


def test_an_order_is_read_by_id_or_number_and_otherwise_not_found(shop: Shop) -> None:
    order = shop.order()
    assert shop.ask("GET", f"/sandbox/orders/{order['id']}")[1] == order
    assert shop.ask("GET", f"/sandbox/orders/order-number={order['orderNumber']}")[1] == order
    for name in ("00000000-0000-4000-8000-000000000000", "order-number=NOPE"):
        status, body = shop.ask("GET", f"/sandbox/orders/{name}")
        assert (status, body["errors"][0]["code"]) == (404, "ResourceNotFound")


def test_a_stale_version_conflicts_in_the_platforms_words(shop: Shop) -> None:
    order = shop.order()
    body = {"version": 99, "actions": []}
    status, answer = shop.ask("POST", f"/sandbox/orders/{order['id']}", body=body)
    error = answer["errors"][0]
    actual = order["version"]
    text = f"Object {order['id']} has a different version than expected. Expected: 99 - Actual: {actual}."
    assert (status, answer["message"]) == (409, text)
    assert (error["code"], error["currentVersion"]) == ("ConcurrentModification", actual)


def test_a_change_moves_version_and_time_and_a_change_of_nothing_does_not(shop: Shop) -> None:
    order = shop.order()
    shop.clock.advance(5)
    action = {"action": "changeOrderState", "orderState": "Confirmed"}
    first = shop.done(order, action)
    assert first["version"] > order["version"]
    assert first["lastModifiedAt"] == "2026-11-23T09:00:05.000Z"
    shop.clock.advance(5)
    second = shop.done(order, action)
    assert (second["version"], second["lastModifiedAt"]) == (first["version"], first["lastModifiedAt"])


def test_versions_do_not_count_updates(shop: Shop) -> None:
    order = shop.order()
    steps = []
    for index in range(30):
        before = shop.stored(order)["version"]
        after = shop.done(order, {"action": "setPurchaseOrderNumber", "purchaseOrderNumber": f"PO {index}"})
        steps.append(after["version"] - before)
    assert min(steps) == 1 < max(steps)


def test_an_update_is_all_or_nothing(shop: Shop) -> None:
    good = {"action": "changeOrderState", "orderState": "Confirmed"}
    assert shop.refused(shop.order(), good, {"action": "frobnicate"}) == "InvalidInput"


def test_more_than_500_actions_are_refused(shop: Shop) -> None:
    action = {"action": "changeOrderState", "orderState": "Confirmed"}
    order = shop.order()
    assert shop.refused(order, *[action] * 501) == "InvalidInput"
    shop.done(order, *[action] * 500)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"version":"1","actions":[]}', b'{"version":1}'])
def test_a_body_that_is_no_update_is_invalid_json_input(shop: Shop, body: bytes) -> None:
    order = shop.order()
    shop.stored(order)["version"] = 1
    status, answer = shop.ask("POST", f"/sandbox/orders/{order['id']}", body=body)
    assert (status, answer["errors"][0]["code"]) == (400, "InvalidJsonInput")


def test_the_writer_is_named(shop: Shop) -> None:
    order = shop.order()
    body = {
        "version": order["version"],
        "actions": [{"action": "setCustomerEmail", "email": "new@example.com"}],
    }
    headers = {"x_external_user_id": "ct-mao-sync"}
    _, answer = shop.ask("POST", f"/sandbox/orders/{order['id']}", body=body, **headers)
    assert answer["lastModifiedBy"]["externalUserId"] == "ct-mao-sync"
    assert answer["customerEmail"] == "new@example.com"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"action": "changeOrderState", "orderState": "Canceled"}, "InvalidJsonInput"),
        ({"action": "changeShipmentState", "shipmentState": "Cancelled"}, "InvalidJsonInput"),
        ({"action": "changePaymentState"}, "InvalidJsonInput"),
        ({"action": "setOrderNumber", "orderNumber": "another"}, "InvalidOperation"),
        ({"action": "setShippingAddress", "address": {"city": "x"}}, "InvalidJsonInput"),
        ({"action": "setCustomField", "name": "x", "value": 1}, "InvalidOperation"),
        ({"action": "addPayment", "payment": {"id": "nope"}}, "ReferencedResourceNotFound"),
        ({"action": "updateSyncInfo", "channel": {"key": "nope"}}, "ReferencedResourceNotFound"),
        ({"action": "updateSyncInfo", "channel": {"key": "dc-atlanta"}}, "InvalidInput"),
        ({"action": "updateSyncInfo", "channel": {"typeId": "store", "key": "OMS"}}, "InvalidJsonInput"),
        ({"action": "transitionState", "state": {"key": "order-checked"}}, "InvalidOperation"),
        ({"action": "transitionState", "state": {"key": "Initial"}}, "InvalidOperation"),
        ({"action": "addReturnInfo", "items": []}, "InvalidInput"),
        ({"action": "addDelivery", "deliveryKey": "x"}, "InvalidField"),
        ({"action": "addDelivery", "deliveryKey": "ä b"}, "InvalidField"),
        ({"action": "addDelivery", "items": [{"id": "nope", "quantity": 1}]}, "InvalidOperation"),
        ({"action": "removeDelivery", "deliveryKey": "nope"}, "InvalidOperation"),
    ],
)
def test_an_action_is_refused_as_the_platform_would(shop: Shop, action: dict[str, Any], code: str) -> None:
    order = shop.order()
    order.pop("state", None)
    assert shop.refused(order, action) == code


def test_sync_info_is_kept_once_per_channel_with_the_newest(shop: Shop) -> None:
    order = shop.order()
    oms = {"action": "updateSyncInfo", "channel": {"typeId": "channel", "key": "OMS"}}
    shop.done(order, {**oms, "externalId": "1", "syncedAt": "2026-11-23T10:00:00+01:00"})
    shop.done(order, {**oms, "channel": {"key": "ERP"}, "externalId": "x"})
    answer = shop.done(order, {**oms, "externalId": "2"})
    assert [info["externalId"] for info in answer["syncInfo"]] == ["x", "2"]
    oms_id = answer["syncInfo"][1]["channel"]["id"]
    _, found = shop.ask("GET", "/sandbox/orders", [("where", f'syncInfo(channel(id="{oms_id}"))')])
    assert found["count"] == 1


def test_a_custom_workflow_starts_at_its_initial_state_and_follows_transitions(shop: Shop) -> None:
    order = shop.order()
    order.pop("state", None)
    move = {"action": "transitionState", "state": {"key": "order-new"}}
    shop.done(order, move)
    shop.done(order, {**move, "state": {"key": "order-checked"}})
    other = shop.order()
    other.pop("state", None)
    shop.done(other, {**move, "state": {"key": "order-checked"}, "force": True})


def shipped_state(shop: Shop) -> str:
    draft = {"key": "shipped", "type": "LineItemState", "initial": False}
    _, state = shop.ask("POST", "/sandbox/states", body=draft)
    return str(state["id"])


def test_units_of_a_line_move_between_states_and_no_more_than_there_are(shop: Shop) -> None:
    order = shop.order("multi_buy")
    line = next(line for line in order["lineItems"] if line["quantity"] >= 3)
    shipped = shipped_state(shop)
    move = {
        "action": "transitionLineItemState",
        "lineItemId": line["id"],
        "quantity": 2,
        "fromState": {"key": "Initial"},
        "toState": {"key": "shipped"},
    }
    answer = shop.done(order, move)
    rows = next(each for each in answer["lineItems"] if each["id"] == line["id"])["state"]
    assert {row["state"]["id"]: row["quantity"] for row in rows}[shipped] == 2
    assert shop.refused(order, {**move, "quantity": line["quantity"]}) == "InvalidOperation"
    whole = {
        "action": "importLineItemState",
        "lineItemId": line["id"],
        "state": [{"quantity": line["quantity"], "state": {"key": "shipped"}}],
    }
    shop.done(order, whole)
    assert shop.refused(order, {**whole, "state": whole["state"] * 2}) == "InvalidOperation"


# ── deliveries and returns ──


def delivery(order: dict[str, Any], key: str, **more: Any) -> dict[str, Any]:
    items = [{"id": order["lineItems"][0]["id"], "quantity": 1}]
    parcels = [{"key": f"{key}-p1", "trackingData": {"trackingId": "1Z", "carrier": "UPS"}, "items": items}]
    return {"action": "addDelivery", "deliveryKey": key, "items": items, "parcels": parcels, **more}


def test_a_delivery_is_stored_by_its_key_and_a_second_one_is_a_duplicate(shop: Shop) -> None:
    order = shop.order()
    stored = shop.done(order, delivery(order, "mao-1"))["shippingInfo"]["deliveries"][0]
    assert (stored["key"], "deliveryKey" in stored) == ("mao-1", False)
    assert stored["parcels"][0]["trackingData"] == {"trackingId": "1Z", "carrier": "UPS", "isReturn": False}
    assert shop.refused(order, delivery(order, "mao-1")) == "DuplicateField"
    twice = delivery(order, "mao-2")
    twice["parcels"][0]["key"] = "mao-1-p1"
    assert shop.refused(order, twice) == "DuplicateField"
    query = [("where", 'shippingInfo(deliveries(key="mao-1"))')]
    assert shop.ask("GET", "/sandbox/orders", query)[1]["count"] == 1


def test_quantities_over_all_deliveries_are_not_added_up(shop: Shop) -> None:
    order = shop.order()
    line = order["lineItems"][0]
    for number in range(3):
        items = [{"id": line["id"], "quantity": line["quantity"]}]
        shop.done(order, {"action": "addDelivery", "deliveryKey": f"d-{number}", "items": items})


def test_deliveries_and_parcels_are_changed_and_removed_by_key_or_id(shop: Shop) -> None:
    order = shop.order()
    line = order["lineItems"][0]["id"]
    shop.done(order, delivery(order, "mao-1"))
    shop.done(
        order,
        {"action": "addParcelToDelivery", "deliveryKey": "mao-1", "parcelKey": "p2"},
        {"action": "setParcelTrackingData", "parcelKey": "p2", "trackingData": {"trackingId": "9"}},
        {"action": "setParcelMeasurements", "parcelKey": "p2", "measurements": {"weightInGram": 5}},
        {"action": "setParcelItems", "parcelKey": "p2", "items": [{"id": line, "quantity": 4}]},
        {
            "action": "setDeliveryItems",
            "deliveryKey": "mao-1",
            "items": [{"id": line, "quantity": 5}],
        },
        {"action": "setDeliveryAddress", "deliveryKey": "mao-1", "address": {"country": "DE", "city": "X"}},
        {"action": "setEstimatedDelivery", "estimatedDelivery": {"from": "2026-12-01T00:00:00Z"}},
    )
    info = shop.stored(order)["shippingInfo"]
    stored = info["deliveries"][0]
    assert stored["parcels"][1] | {"id": "", "createdAt": ""} == {
        "id": "",
        "key": "p2",
        "createdAt": "",
        "trackingData": {"trackingId": "9", "isReturn": False},
        "measurements": {"weightInGram": 5},
        "items": [{"id": line, "quantity": 4}],
    }
    assert (stored["items"][0]["quantity"], stored["address"]["city"]) == (5, "X")
    assert info["estimatedDelivery"] == {"from": "2026-12-01T00:00:00.000Z"}
    shop.done(order, {"action": "removeParcelFromDelivery", "parcelId": stored["parcels"][0]["id"]})
    assert len(shop.stored(order)["shippingInfo"]["deliveries"][0]["parcels"]) == 1
    shop.done(order, {"action": "removeDelivery", "deliveryId": stored["id"]})
    assert shop.stored(order)["shippingInfo"]["deliveries"] == []


def test_a_parcel_holds_lines_of_its_delivery_only(shop: Shop) -> None:
    order = shop.order("many_lines")
    other = [{"id": order["lineItems"][1]["id"], "quantity": 1}]
    wrong = delivery(order, "mao-1")
    wrong["parcels"][0]["items"] = other
    assert shop.refused(order, wrong) == "InvalidOperation"
    shop.done(order, delivery(order, "mao-1"))
    add = {"action": "addParcelToDelivery", "deliveryKey": "mao-1", "parcelKey": "p2", "items": other}
    assert shop.refused(order, add) == "InvalidOperation"
    change = {"action": "setParcelItems", "parcelKey": "mao-1-p1", "items": other}
    assert shop.refused(order, change) == "InvalidOperation"
    both = [{"id": order["lineItems"][0]["id"], "quantity": 1}, *other]
    shop.done(order, {"action": "setDeliveryItems", "deliveryKey": "mao-1", "items": both}, add, change)


def test_a_digital_order_takes_no_delivery(shop: Shop) -> None:
    order = shop.order("digital")
    assert shop.refused(order, delivery(order, "mao-1")) == "InvalidOperation"


def test_in_multiple_mode_a_delivery_needs_its_shipping_key(shop: Shop) -> None:
    order = shop.order("multiple_shipping")
    assert shop.refused(order, delivery(order, "mao-1")) == "InvalidOperation"
    assert shop.refused(order, delivery(order, "mao-1", shippingKey="nope")) == "InvalidOperation"
    answer = shop.done(order, delivery(order, "mao-1", shippingKey="pickup-17"))
    kept = {s["shippingKey"]: s["shippingInfo"]["deliveries"] for s in answer["shipping"]}
    assert [len(kept["ship-home"]), len(kept["pickup-17"])] == [0, 1]


def return_item(order: dict[str, Any], state: str, key: str = "r-1") -> dict[str, Any]:
    return {"key": key, "quantity": 1, "lineItemId": order["lineItems"][0]["id"], "shipmentState": state}


def test_returned_goods_go_into_stock_or_are_unusable_and_are_refunded(shop: Shop) -> None:
    order = shop.order()
    items = [return_item(order, "Returned")]
    answer = shop.done(order, {"action": "addReturnInfo", "returnTrackingId": "RMA", "items": items})
    item = answer["returnInfo"][0]["items"][0]
    assert (item["type"], item["paymentState"]) == ("LineItemReturnItem", "Initial")
    shop.done(
        order,
        {"action": "setReturnShipmentState", "returnItemKey": "r-1", "shipmentState": "BackInStock"},
        {"action": "setReturnPaymentState", "returnItemId": item["id"], "paymentState": "Refunded"},
    )
    back = {"action": "setReturnShipmentState", "returnItemKey": "r-1", "shipmentState": "Unusable"}
    assert shop.refused(order, back) == "InvalidOperation"
    assert shop.refused(order, {"action": "addReturnInfo", "items": items}) == "DuplicateField"


def test_advised_goods_cannot_become_returned_except_by_writing_everything_anew(shop: Shop) -> None:
    order = shop.order()
    shop.done(order, {"action": "addReturnInfo", "items": [return_item(order, "Advised")]})
    assert shop.stored(order)["returnInfo"][0]["items"][0]["paymentState"] == "NonRefundable"
    for action in (
        {"action": "setReturnShipmentState", "returnItemKey": "r-1", "shipmentState": "Returned"},
        {"action": "setReturnShipmentState", "returnItemKey": "r-1", "shipmentState": "BackInStock"},
        {"action": "setReturnPaymentState", "returnItemKey": "r-1", "paymentState": "Refunded"},
    ):
        assert shop.refused(order, action) == "InvalidOperation"
    old = shop.stored(order)["returnInfo"][0]["items"][0]["id"]
    info = {"items": [return_item(order, "Returned")]}
    answer = shop.done(order, {"action": "setReturnInfo", "items": [info]})
    assert answer["returnInfo"][0]["items"][0]["id"] != old


@pytest.mark.parametrize("state", ["BackInStock", "Unusable"])
def test_a_return_item_begins_as_advised_or_returned_only(shop: Shop, state: str) -> None:
    order = shop.order()
    action = {"action": "addReturnInfo", "items": [return_item(order, state)]}
    assert shop.refused(order, action) == "InvalidInput"


def test_no_more_comes_back_than_the_line_has(shop: Shop) -> None:
    order = shop.order()
    item = return_item(order, "Returned")
    whole = order["lineItems"][0]["quantity"]
    action = {"action": "addReturnInfo", "items": [{**item, "quantity": whole + 1}]}
    assert shop.refused(order, action) == "InvalidField"
    shop.done(order, {"action": "addReturnInfo", "items": [{**item, "quantity": whole}]})


def test_writing_return_infos_anew_loses_what_was_said_of_the_old_ones(shop: Shop) -> None:
    order = shop.order()
    item = return_item(order, "Returned")
    shop.done(
        order,
        {"action": "addReturnInfo", "items": [item]},
        {"action": "setReturnShipmentState", "returnItemKey": "r-1", "shipmentState": "Unusable"},
        {"action": "setReturnPaymentState", "returnItemKey": "r-1", "paymentState": "Refunded"},
    )
    twice = [{"items": [item]}, {"items": [item]}]
    assert shop.refused(order, {"action": "setReturnInfo", "items": twice}) == "DuplicateField"
    assert shop.refused(order, {"action": "setReturnInfo", "items": ["r-1"]}) == "InvalidJsonInput"
    answer = shop.done(order, {"action": "setReturnInfo", "items": [{"items": [item]}]})
    (written,) = answer["returnInfo"][0]["items"]
    assert (written["shipmentState"], written["paymentState"]) == ("Returned", "Initial")


def test_a_refund_is_decided_one_way_or_the_other_and_never_undecided_again(shop: Shop) -> None:
    order = shop.order()
    shop.done(order, {"action": "addReturnInfo", "items": [return_item(order, "Returned")]})

    def deciding(state: str) -> dict[str, Any]:
        return {"action": "setReturnPaymentState", "returnItemKey": "r-1", "paymentState": state}

    shop.done(order, deciding("NotRefunded"))
    for state in ("Initial", "NonRefundable"):
        assert shop.refused(order, deciding(state)) == "InvalidOperation"
    assert shop.refused(order, deciding("Paid")) == "InvalidJsonInput"


# ── other resources ──


def test_channels_are_found_by_key_id_and_role_and_their_keys_are_unique(shop: Shop) -> None:
    shop.order()
    _, channel = shop.ask("GET", "/sandbox/channels/key=OMS")
    assert channel["roles"] == ["OrderExport"]
    assert shop.ask("GET", f"/sandbox/channels/{channel['id']}")[1] == channel
    query = [("where", 'roles contains any ("InventorySupply")'), ("where", 'key in ("dc-atlanta","OMS")')]
    assert shop.ask("GET", "/sandbox/channels", query)[1]["count"] == 1
    status, body = shop.ask("POST", "/sandbox/channels", body={"key": "OMS"})
    assert (status, body["errors"][0]["code"]) == (400, "DuplicateField")
    status, body = shop.ask("POST", "/sandbox/channels", body={"key": "new", "roles": ["OrderExport"]})
    assert (status, body["version"]) == (201, 1)
    bad = {"key": "bad", "roles": ["Nope"]}
    assert shop.ask("POST", "/sandbox/channels", body=bad)[1]["errors"][0]["code"] == "InvalidField"


def test_a_channel_learns_a_role_and_then_takes_sync_info(shop: Shop) -> None:
    order = shop.order()
    _, channel = shop.ask("GET", "/sandbox/channels/key=dc-atlanta")
    update = {"version": channel["version"], "actions": [{"action": "addRoles", "roles": ["OrderExport"]}]}
    assert shop.ask("POST", f"/sandbox/channels/{channel['id']}", body=update)[0] == 200
    shop.done(order, {"action": "updateSyncInfo", "channel": {"key": "dc-atlanta"}})


@pytest.mark.parametrize(
    "path",
    ["payments", "states", "shipping-methods", "discount-codes", "cart-discounts", "types", "stores"],
)
def test_every_kind_of_referenced_document_can_be_queried_and_read(full: Shop, path: str) -> None:
    _, body = full.ask("GET", f"/sandbox/{path}", [("limit", "1"), ("sort", "id asc")])
    document = body["results"][0]
    assert full.ask("GET", f"/sandbox/{path}/{document['id']}")[1] == document
    assert full.ask("GET", f"/sandbox/{path}/key=nope")[0] == 404


def test_payments_of_many_orders_are_read_in_one_query(full: Shop) -> None:
    ids = list(full.world.ct.payments)[:50]
    where = "id in (" + ",".join(f'"{id}"' for id in ids) + ")"
    _, body = full.ask("GET", "/sandbox/payments", [("where", where), ("limit", "500")])
    assert {payment["id"] for payment in body["results"]} == set(ids)


# ── orders placed and changed apart from the API ──


def test_an_edit_by_hand_is_a_new_version_seen_at_once(shop: Shop) -> None:
    order = shop.order()
    before = shop.ask("GET", f"/sandbox/orders/{order['id']}")[1]
    shop.clock.advance(7)
    edit_order(shop.world, order["id"], changing_address(city="Anderswo"))
    after = shop.ask("GET", f"/sandbox/orders/{order['id']}")[1]
    assert after["shippingAddress"]["city"] == "Anderswo"
    assert after["version"] == before["version"] + 1
    assert datetime.fromisoformat(after["lastModifiedAt"]) == NOW + timedelta(seconds=7)


def test_an_order_edit_keeps_every_sum_right_whatever_the_order_looks_like() -> None:
    shop = Shop()
    rng = random.Random(1)
    for order in generate_orders(11, 120, NOW):
        add_order(shop.world, order)
        first, last = order["lineItems"][0], order["lineItems"][-1]
        added = adding_line(rng, sku="SKU-NEW", quantity=3, cent_amount=777)
        edited = order_edit(shop.world, order["id"], changing_quantity(first["id"], 5), added)
        assert order_sums(edited) == [], order["id"]
        edited = order_edit(shop.world, order["id"], removing_line(last["id"]))
        assert order_sums(edited) == [], order["id"]
        edited = order_edit(shop.world, order["id"], changing_quantity(edited["lineItems"][-1]["id"], 1))
        assert order_sums(edited) == [], order["id"]
        assert edited["lineItems"][-1]["variant"]["sku"] == "SKU-NEW"


def test_cancelling_spells_both_states_right(shop: Shop) -> None:
    order = edit_order(shop.world, shop.order()["id"], cancelling())
    assert (order["orderState"], order["shipmentState"]) == ("Cancelled", "Canceled")


def test_a_line_that_is_not_there_cannot_be_removed(shop: Shop) -> None:
    order = shop.order()
    with pytest.raises(KeyError, match="has no line nope"):
        order_edit(shop.world, order["id"], removing_line("nope"))


def test_ids_and_numbers_of_placed_orders_are_unique(shop: Shop) -> None:
    order = shop.order()
    with pytest.raises(ValueError, match="is taken"):
        add_order(shop.world, dict(order))
    with pytest.raises(ValueError, match="is taken"):
        add_order(shop.world, {**order, "id": "another"})


def test_a_folder_is_loaded_and_what_is_no_order_is_named(shop: Shop, tmp_path: Path) -> None:
    orders = generate_orders(1, 3, NOW)
    (tmp_path / "a.json").write_text(json.dumps(orders[0]))
    (tmp_path / "b.json").write_text(json.dumps({"results": orders[1:]}))
    (tmp_path / "c.json").write_text(json.dumps({"cartState": "Active"}))
    (tmp_path / "d.json").write_text("{")
    (tmp_path / "e.txt").write_text("not looked at")
    left_out = load_orders(shop.world, tmp_path)
    assert set(shop.world.ct.orders) == {order["id"] for order in orders}
    assert [line.split(":")[0] for line in left_out] == ["c.json", "d.json"]


# ── against the vendor's schema ──


def validator(name: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMA.exists():
        pytest.skip("the vendor's schemas are not here (../shared/reference/ct-spec)")
    schema = {"$ref": f"#/$defs/{name}", "$defs": json.loads(SCHEMA.read_text())["$defs"]}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def findings(name: str, document: Any) -> list[tuple[str, str]]:
    return [(error.json_path, error.message) for error in validator(name).iter_errors(document)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("orders", "OrderPagedQueryResponse"),
        ("channels", "ChannelPagedQueryResponse"),
        ("states", "StatePagedQueryResponse"),
        ("types", "TypePagedQueryResponse"),
    ],
)
def test_pages_fit_the_vendors_schema(full: Shop, path: str, name: str) -> None:
    query = [("limit", "30")] + ([("expand", each) for each in EXPAND] if path == "orders" else [])
    assert findings(name, full.ask("GET", f"/sandbox/{path}", query)[1]) == []


def test_project_and_errors_fit_the_vendors_schema(shop: Shop) -> None:
    assert findings("Project", shop.ask("GET", "/sandbox")[1]) == []
    assert findings("ErrorResponse", shop.ask("GET", "/sandbox/orders/x")[1]) == []
    assert findings("ErrorResponse", shop.ask("GET", "/sandbox/orders", [("limit", "999")])[1]) == []
    assert findings("AuthErrorResponse", shop.ask("GET", "/sandbox", authorization="Bearer x")[1]) == []
    order = shop.order()
    body = {"version": 99, "actions": []}
    answer = shop.ask("POST", f"/sandbox/orders/{order['id']}", body=body)[1]
    assert findings("ErrorResponse", answer) == []


def test_an_order_that_went_through_everything_fits_the_vendors_schema(shop: Shop) -> None:
    order = shop.order()
    answer = shop.done(
        order,
        delivery(order, "mao-1"),
        {"action": "updateSyncInfo", "channel": {"key": "OMS"}, "externalId": "1"},
        {"action": "addReturnInfo", "items": [return_item(order, "Returned")]},
        {"action": "setCustomType", "type": {"key": "order-extras"}, "fields": {"x": 1}},
        {"action": "setEstimatedDelivery", "estimatedDelivery": {"until": "2026-12-01T00:00:00Z"}},
    )
    assert findings("Order", answer) == []


def test_the_sample_orders_are_served_as_they_are(shop: Shop) -> None:
    samples = REFERENCE / "ct-samples"
    if not samples.exists():
        pytest.skip("the sample orders are not here (../shared/reference/ct-samples)")
    load_orders(shop.world, samples)
    for number in (f"CT-10{index:02d}" for index in range(1, 14)):
        status, body = shop.ask("GET", f"/sandbox/orders/order-number={number}")
        assert (status, order_sums(body)) == (200, [])
