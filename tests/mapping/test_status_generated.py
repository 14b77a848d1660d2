"""Whatever MAO says, in any order: units add up, nothing is planned twice, nothing that left comes back."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from status_documents import (
    LINE,
    WITH_STATES,
    actions,
    applied,
    deliveries,
    detail,
    mao_line,
    mao_order,
    plan,
    shop_line,
    shop_order,
    shown,
)

from ct_mao_sync.mapping.status_deliveries import DeliveryRules

ORDERED = 5
PER_PACKAGE = replace(WITH_STATES, deliveries=DeliveryRules(per="package"))
RANKS = {"Partial": 1, "Shipped": 2, "Delivered": 3, "Canceled": 3}
ORDER_RANKS = {"Open": 0, "Confirmed": 1, "Complete": 2, "Cancelled": 2}
STATUSES = ["1000", "1500", "2000", "3000", "3600", "3700", "7000", "7500", "8000", "8500"]
GONE = ["7000", "7500", "8000", "8500"]


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A MAO order of one line; nothing says that it follows from the one before."""
    cancelled = draw(st.integers(0, 2))
    left = ORDERED + draw(st.integers(0, 1)) - cancelled
    units: dict[str, int] = {}
    for _ in range(left):
        status = draw(st.sampled_from(STATUSES))
        units[status] = units.get(status, 0) + 1
    gone = sum(units.get(status, 0) for status in GONE)
    details: list[dict[str, Any]] = []
    while gone > 0:
        part = draw(st.integers(1, gone))
        gone -= part
        package, release = draw(st.sampled_from("ABC")), draw(st.sampled_from(["CT-11", "CT-12"]))
        details.append(detail(part, package, release, n=len(details)))
    history = [{"CancelQuantity": cancelled, "CreatedTimestamp": "2026-11-23T09:00:00"}] if cancelled else []
    return mao_order(mao_line(units, FulfillmentDetail=details, OrderLineCancelHistory=history))


@st.composite
def strangers(draw: st.DrawFn) -> dict[str, Any]:
    """What another tool may have left in the order."""
    elsewhere = draw(st.integers(0, 2))
    state = [
        {"quantity": ORDERED - elsewhere, "state": {"id": "id-Initial"}},
        *([{"quantity": elsewhere, "state": {"id": "id-somebody-else"}}] if elsewhere else []),
    ]
    document = shop_order(shop_line(ORDERED, state=state))
    foreign = draw(st.integers(0, 2))
    if foreign:
        items = [{"id": LINE, "quantity": foreign}]
        delivery = {"id": "f", "key": draw(st.sampled_from(["wms-1", ""])), "items": items, "parcels": []}
        document["shippingInfo"]["deliveries"] = [delivery]
    return document


def units_of(document: dict[str, Any]) -> dict[str, int]:
    return {
        row["state"]["id"].removeprefix("id-"): row["quantity"] for row in document["lineItems"][0]["state"]
    }


def parcels_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [parcel for delivery in deliveries(document) for parcel in delivery["parcels"]]


@given(strangers(), st.lists(st.tuples(records(), st.booleans()), min_size=1, max_size=4))
def test_any_records_in_any_order(document: dict[str, Any], story: list[tuple[dict[str, Any], bool]]) -> None:
    foreign = copy.deepcopy(deliveries(document))
    stranger_units = units_of(document).get("somebody-else", 0)
    for record, per_package in story:
        rules = PER_PACKAGE if per_package else WITH_STATES
        before, document = document, applied(document, plan(record, document, rules))

        assert actions(plan(record, document, rules)) == []
        was, now = units_of(before), units_of(document)
        assert sum(now.values()) == ORDERED
        assert now.get("somebody-else", 0) == stranger_units
        assert now.get("line-cancelled", 0) >= was.get("line-cancelled", 0)
        assert now.get("line-delivered", 0) >= was.get("line-delivered", 0)
        assert now.get("line-delivered", 0) + now.get("line-shipped", 0) >= was.get(
            "line-delivered", 0
        ) + was.get("line-shipped", 0)
        assert shown(before) <= shown(document) <= ORDERED
        own = shown(document) - sum(item["quantity"] for each in foreign for item in each["items"])
        assert own + now.get("line-cancelled", 0) <= ORDERED
        assert [each for each in deliveries(document) if each["id"] == "f"] == foreign
        assert RANKS.get(document["shipmentState"], 0) >= RANKS.get(before.get("shipmentState", ""), 0)
        assert ORDER_RANKS[document["orderState"]] >= ORDER_RANKS[before["orderState"]]
        for delivery in deliveries(document):
            held = sum(item["quantity"] for parcel in delivery["parcels"] for item in parcel["items"])
            assert delivery["id"] == "f" or held <= sum(item["quantity"] for item in delivery["items"])
        keys = [parcel["key"] for parcel in parcels_of(document)]
        assert len(keys) == len(set(keys))


@given(records(), st.booleans())
def test_a_long_story_ends_like_a_short_one(record: dict[str, Any], per_package: bool) -> None:
    """Deliveries written in either manner, then in this one: the same Deliveries as from nothing."""
    rules, other = (PER_PACKAGE, WITH_STATES) if per_package else (WITH_STATES, PER_PACKAGE)
    fresh = shop_order(shop_line(ORDERED))
    earlier = applied(fresh, plan(record, fresh, other))

    straight = applied(fresh, plan(record, fresh, rules))
    roundabout = applied(earlier, plan(record, earlier, rules))

    def told(document: dict[str, Any]) -> Any:
        return [
            (each["key"], each["items"], [(p["key"], p["items"]) for p in each["parcels"]])
            for each in sorted(deliveries(document), key=lambda each: str(each["key"]))
        ]

    assert told(roundabout) == told(straight)
    assert units_of(roundabout) == units_of(straight)
