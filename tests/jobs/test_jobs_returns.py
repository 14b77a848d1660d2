"""What comes back to MAO appears in the shop, item by item; and what cannot is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from returns_scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def announce(scene: Scene, units: int = 2, **more: Any) -> str:
    return scene.mao.create_return("CT-1", {scene.line_id(): units}, return_id="R1", **more)


# ---- the life of a return ----------------------------------------------------------------------------


def test_a_return_appears_when_it_is_received_and_follows_to_its_refund(scene: Scene) -> None:
    announce(scene, tracking="RTN-1", paid_here=True)
    steps = []
    for step in (None, scene.mao.receive, scene.mao.verify, scene.mao.refund):
        if step:
            step("R1")
        report = scene.sync()
        assert report.exit_code == 0, report.rejected
        steps.append(scene.shown())

    key = "mao-R1-1-New-1"
    assert steps == [
        [],
        [(key, 2, "Returned", "Initial")],
        [(key, 2, "BackInStock", "Initial")],
        [(key, 2, "BackInStock", "Refunded")],
    ]
    (info,) = scene.shop()["returnInfo"]
    assert info["returnTrackingId"] == "RTN-1"
    assert info["items"][0]["comment"] == "TooSmall, New"
    assert info["items"][0]["lineItemId"] == scene.line_id()


def test_a_second_run_writes_nothing(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    scene.sync()
    before = scene.bench.writes()

    report = scene.sync()

    assert (report.counts["written"], scene.bench.writes()) == (0, before)
    assert report.requests <= 2


def test_one_update_of_the_order_says_it_all(scene: Scene) -> None:
    announce(scene, paid_here=True)
    for step in (scene.mao.receive, scene.mao.verify, scene.mao.refund):
        step("R1")
    before = scene.bench.writes()

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Refunded")]
    assert scene.bench.writes() == before + 1


def test_units_received_later_become_another_return_info(scene: Scene) -> None:
    announce(scene, 3, tracking="RTN-1")
    scene.mao.receive("R1", "1", 1)
    scene.sync()
    scene.mao.receive("R1", "1", 2, condition="Damaged")
    scene.sync()

    assert scene.shown() == [
        ("mao-R1-1-New-1", 1, "Returned", "Initial"),
        ("mao-R1-1-Damaged-1", 2, "Returned", "Initial"),
    ]
    assert [info["returnTrackingId"] for info in scene.shop()["returnInfo"]] == ["RTN-1", "RTN-1"]


def test_units_in_two_conditions_are_two_items_with_fates_of_their_own(scene: Scene) -> None:
    announce(scene, 3)
    scene.mao.receive("R1", "1", 2)
    scene.mao.receive("R1", "1", 1, condition="Damaged")
    scene.mao.verify("R1")

    scene.sync()

    assert scene.shown() == [
        ("mao-R1-1-New-1", 2, "BackInStock", "Initial"),
        ("mao-R1-1-Damaged-1", 1, "Unusable", "Initial"),
    ]


def test_more_than_announced_is_recorded_as_far_as_the_line_has_it(scene: Scene) -> None:
    announce(scene, 1)
    scene.mao.verify("R1", [{"OrderLineId": "1", "Quantity": 3}])

    report = scene.sync()

    assert report.exit_code == 0
    assert scene.shown() == [("mao-R1-1-New-1", 3, "BackInStock", "Initial")]


def test_fewer_than_announced_is_what_came(scene: Scene) -> None:
    announce(scene, 3)
    scene.mao.verify("R1", [{"OrderLineId": "1", "Quantity": 1}])

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 1, "BackInStock", "Initial")]


def test_nothing_of_an_announced_line_is_nothing(scene: Scene) -> None:
    announce(scene, 2)
    scene.mao.verify("R1", [{"OrderLineId": "1", "Quantity": 0}])

    report = scene.sync()

    assert (report.exit_code, scene.shown()) == (0, [])


def test_a_line_cancelled_after_its_receipt_is_not_refunded(scene: Scene) -> None:
    announce(scene, 2)
    scene.mao.receive("R1")
    scene.sync()
    scene.mao.verify("R1", [{"OrderLineId": "1", "Quantity": 0}])

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "NotRefunded")]


def test_goods_that_the_customer_keeps_are_told_to_the_payment_service(scene: Scene) -> None:
    announce(scene, receipt_expected=False)
    scene.sync()
    assert scene.shown() == []
    scene.mao.approve_return("R1")

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]
    (event,) = scene.outbox()
    assert [line["disposition"] for line in event["lines"]] == ["Kept"]


def test_one_parcel_with_units_of_two_orders_is_two_records(scene: Scene) -> None:
    other = scene.add_order(2)
    announce(scene, others={"CT-2": {scene.line_id(other): 1}})
    scene.mao.receive("R1")

    report = scene.sync()

    assert report.counts["written"] == 2
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]
    assert scene.shown(other) == [("mao-R1-2-New-1", 1, "Returned", "Initial")]


def test_two_returns_of_one_order_in_one_run_do_not_stand_in_each_others_way(scene: Scene) -> None:
    for return_id in ("R1", "R2"):
        scene.mao.create_return("CT-1", {scene.line_id(): 2}, return_id=return_id)
        scene.mao.receive(return_id)
    before = scene.bench.writes()

    report = scene.sync()

    assert report.counts["written"] == 2
    assert scene.shown() == [
        ("mao-R1-1-New-1", 2, "Returned", "Initial"),
        ("mao-R2-1-New-1", 2, "Returned", "Initial"),
    ]
    assert scene.bench.writes() == before + 2, "no update was refused for its version"


def test_the_sale_lines_of_an_exchange_are_not_ours(scene: Scene) -> None:
    line = scene.world.mao.orders["CT-1"]["OrderLine"][0]
    exchange = {
        "OrderLineId": "X1",
        "ItemId": line["ItemId"],
        "Quantity": 1,
        "UOM": line["UOM"],
        "UnitPrice": line["UnitPrice"],
        "DeliveryMethod": {"DeliveryMethodId": "ShipToAddress"},
        "ShipToAddress": line["ShipToAddress"],
    }
    announce(scene, 1, exchange=[exchange])
    scene.mao.receive("R1")
    scene.mao.verify("R1")

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 1, "BackInStock", "Initial")]
    assert [event["exchange"] for event in scene.outbox()] == [True]


# ---- what cannot be done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "exit_code", "codes"), [("ignore", 0, []), ("reject", 3, ["order-not-found"])]
)
def test_a_return_without_an_order_is_ignored_or_rejected_by_rule(
    tmp_path: Path, rule: str, exit_code: int, codes: list[str]
) -> None:
    scene = Scene(tmp_path, returns=f'standalone = "{rule}"')
    scene.mao.create_standalone_return("SKU-9", 1, return_id="R9")
    scene.mao.receive("R9")

    report = scene.sync()

    assert (report.exit_code, scene.codes()) == (exit_code, codes)


def test_orders_of_others_are_left_alone(scene: Scene) -> None:
    scene.world.mao.orders["CT-1"]["AlternateOrderId"] = "POS-77"
    announce(scene)
    scene.mao.receive("R1")

    report = scene.sync()

    assert (report.exit_code, scene.shown()) == (0, [])
    assert dict(report.skip_reasons) == {"its order is not of this shop": 1}


def test_an_order_that_the_shop_does_not_have_is_named(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    del scene.world.ct.orders[scene.order_id]

    report = scene.sync()

    assert scene.codes() == ["order-not-found"]
    assert scene.order_id in report.rejected[0][2].message


def test_an_unmapped_condition_holds_back_its_part_only(scene: Scene) -> None:
    announce(scene, 3)
    scene.mao.receive("R1", "1", 2)
    scene.mao.receive("R1", "1", 1, condition="Chewed")
    scene.mao.verify("R1")

    report = scene.sync()

    assert report.exit_code == 3
    assert scene.shown() == [
        ("mao-R1-1-New-1", 2, "BackInStock", "Initial"),
        ("mao-R1-1-Chewed-1", 1, "Returned", "Initial"),
    ]
    assert scene.codes() == ["disposition-unmapped"]
    assert "'Chewed'" in report.rejected[0][2].message
    assert 'add "Chewed"' in report.rejected[0][2].hint
    assert [event["lines"][0]["condition"] for event in scene.outbox()] == ["New"]


def test_a_new_line_in_the_mapping_cures_it_by_itself(scene: Scene) -> None:
    announce(scene, 1)
    scene.mao.receive("R1", condition="Chewed")
    scene.mao.verify("R1")
    scene.sync()
    scene.configure("", 'Chewed = "Unusable"\n')

    report = scene.sync()

    assert (report.exit_code, scene.codes()) == (0, [])
    assert scene.shown() == [("mao-R1-1-Chewed-1", 1, "Unusable", "Initial")]


def test_a_return_waits_for_its_delivery_and_heals_by_itself(tmp_path: Path) -> None:
    scene = Scene(tmp_path, delivered=False)
    announce(scene)
    scene.mao.receive("R1")
    report = scene.sync()
    assert (scene.codes(), scene.shown()) == (["delivery-awaited"], [])
    assert "0 delivered so far" in report.rejected[0][2].message
    scene.deliver()

    report = scene.sync()

    assert (report.exit_code, scene.codes()) == (0, [])
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]


def test_where_nobody_keeps_deliveries_nothing_waits_for_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path, delivered=False, returns="wait_for_delivery = false")
    announce(scene)
    scene.mao.receive("R1")

    assert scene.sync().exit_code == 0
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]


def test_never_more_than_was_shipped(scene: Scene) -> None:
    """Somebody has recorded four of five in the shop; two more come back in MAO."""
    scene.edit(
        lambda order: order.__setitem__(
            "returnInfo",
            [
                {
                    "items": [
                        {
                            "type": "LineItemReturnItem",
                            "id": "agent-1",
                            "quantity": 4,
                            "lineItemId": order["lineItems"][0]["id"],
                            "shipmentState": "Returned",
                            "paymentState": "Initial",
                            "createdAt": "2026-11-23T09:00:00.000Z",
                            "lastModifiedAt": "2026-11-23T09:00:00.000Z",
                        }
                    ]
                }
            ],
        )
    )
    announce(scene)
    scene.mao.receive("R1")

    report = scene.sync()

    assert scene.codes() == ["quantity-exceeded"]
    assert "6 would be returned of a line of which 5 were shipped" in report.rejected[0][2].message
    assert [item["id"] for item in scene.items()] == ["agent-1"]


def test_another_item_is_named_and_the_rest_goes_through(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    announce(scene, 2)
    found = [
        {"OrderLineId": "1", "Quantity": 1},
        {"OrderLineId": "1", "Quantity": 1, "ItemId": "SOMETHING-ELSE"},
    ]
    scene.mao.verify("R1", found)

    report = scene.sync()

    assert scene.codes() == ["line-not-found"]
    assert "'SOMETHING-ELSE'" in report.rejected[0][2].message
    assert scene.shown() == [("mao-R1-1-New-1", 1, "BackInStock", "Initial")]


def test_units_of_one_item_with_two_fates_are_settled_by_a_person(scene: Scene) -> None:
    """Received as new and recorded together; then one of them turns out to be damaged."""
    announce(scene, 2)
    scene.mao.receive("R1")
    scene.sync()
    found = [
        {"OrderLineId": "1", "Quantity": 1},
        {"OrderLineId": "1", "Quantity": 1, "ItemConditionId": "Damaged"},
    ]
    scene.mao.verify("R1", found)

    report = scene.sync()

    assert scene.codes() == ["return-rewrite-unsafe"]
    assert "1 New (BackInStock) and 1 Damaged (Unusable)" in report.rejected[0][2].message
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]
    (event,) = scene.outbox()
    assert [(line["quantity"], line["disposition"]) for line in event["lines"]] == [
        (1, "BackInStock"),
        (1, "Unusable"),
    ]


# ---- what others do in commercetools -----------------------------------------------------------------


def test_an_item_deleted_by_hand_stays_deleted_until_somebody_says_otherwise(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    scene.sync()
    scene.edit(lambda order: order.__setitem__("returnInfo", []))
    scene.mao.verify("R1")

    report = scene.sync()

    assert (scene.codes(), scene.shown()) == (["return-deleted"], [])
    assert "mao-R1-1-New-1" in report.rejected[0][2].message
    again = scene.sync(dead_letters=("R1|CT-1",))
    assert (again.exit_code, scene.codes()) == (0, [])
    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Initial")]
    assert len(scene.outbox()) == 1


def test_states_that_others_set_stay(scene: Scene) -> None:
    announce(scene, paid_here=True)
    scene.mao.receive("R1")
    scene.sync()

    def decide(order: dict[str, Any]) -> None:
        order["returnInfo"][0]["items"][0] |= {"shipmentState": "Unusable", "paymentState": "NotRefunded"}

    scene.edit(decide)
    scene.mao.verify("R1")
    scene.mao.refund("R1")

    report = scene.sync()

    assert report.exit_code == 0
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Unusable", "NotRefunded")]


def test_with_payment_state_off_the_payment_service_owns_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, returns="payment_state = false")
    announce(scene, paid_here=True)
    for step in (scene.mao.receive, scene.mao.verify, scene.mao.refund):
        step("R1")

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Initial")]
    assert [event["event"] for event in scene.outbox()] == ["return-disposed", "return-refunded"]


# ---- announced already -------------------------------------------------------------------------------


def test_an_announced_return_is_rewritten_while_nothing_can_be_lost(tmp_path: Path) -> None:
    scene = Scene(tmp_path, returns='add_when = "advised"')
    announce(scene, 3)
    scene.sync()
    assert scene.shown() == [("mao-R1-1-advised-1", 3, "Advised", "NonRefundable")]
    scene.mao.receive("R1", "1", 1)

    report = scene.sync()

    assert report.exit_code == 0, report.rejected
    assert scene.shown() == [
        ("mao-R1-1-New-1", 1, "Returned", "Initial"),
        ("mao-R1-1-advised-2", 2, "Advised", "NonRefundable"),
    ]
    assert scene.sync().counts["written"] == 0


def test_an_announced_return_that_cannot_be_rewritten_waits(tmp_path: Path) -> None:
    scene = Scene(tmp_path, returns='add_when = "advised"')
    announce(scene, 2)
    scene.sync()

    def refund_another(order: dict[str, Any]) -> None:
        item = dict(order["returnInfo"][0]["items"][0])
        item |= {"id": "agent", "key": "agent", "shipmentState": "Returned", "paymentState": "Refunded"}
        item["quantity"] = 1
        order["returnInfo"].append({"items": [item]})

    scene.edit(refund_another)
    scene.mao.receive("R1")

    scene.sync()

    assert scene.codes() == ["return-rewrite-unsafe"]
    assert [item["paymentState"] for item in scene.items()] == ["NonRefundable", "Refunded"]


def test_an_announced_return_that_is_cancelled_goes(tmp_path: Path) -> None:
    scene = Scene(tmp_path, returns='add_when = "advised"')
    announce(scene, 2)
    scene.sync()
    scene.mao.cancel_return("R1")

    report = scene.sync()

    assert (report.exit_code, scene.shown()) == (0, [])


# ---- custom fields -----------------------------------------------------------------------------------


def test_custom_fields_tell_amount_reference_condition_disposition_and_reason(tmp_path: Path) -> None:
    fields = {
        "amount": "refund",
        "reference": "ref",
        "condition": "cond",
        "reason": "why",
        "disposition": "disp",
    }
    scene = Scene(tmp_path, returns='item_type = "return-item"')
    rows = "".join(f'{name} = "{field}"\n' for name, field in fields.items())
    scene.configure('item_type = "return-item"', f"[returns.item_fields]\n{rows}")
    scene.world.ct.types["type-1"] = {
        "id": "type-1",
        "key": "return-item",
        "version": 1,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "lastModifiedAt": "2026-01-01T00:00:00.000Z",
        "resourceTypeIds": ["order-return-item"],
        "fieldDefinitions": [{"name": field} for field in fields.values()],
    }
    announce(scene, paid_here=True)
    scene.mao.receive("R1")
    scene.sync()
    assert scene.items()[0]["custom"]["fields"] == {"cond": "New", "why": "TooSmall"}
    scene.mao.verify("R1")
    scene.mao.refund("R1")

    report = scene.sync()

    assert report.exit_code == 0, report.rejected
    shown = scene.items()[0]["custom"]["fields"]
    cents = int(-scene.world.mao.orders["R1"]["OrderLine"][0]["OrderLineTotal"] * 100)
    assert shown["refund"] == {"currencyCode": "EUR", "centAmount": cents}
    assert (shown["cond"], shown["why"], shown["disp"]) == ("New", "TooSmall", "BackInStock")
    assert shown["ref"]
    before = scene.bench.writes()
    scene.sync(given=("R1",))
    assert scene.bench.writes() == before


# ---- finding returns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["R1", "CT-1", "id"])
def test_a_return_is_found_by_its_id_or_its_orders_number(scene: Scene, label: str) -> None:
    announce(scene)
    scene.mao.receive("R1")

    report = scene.sync(given=(scene.order_id if label == "id" else label,))

    assert report.exit_code == 0, report.rejected
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]


def test_a_name_that_nobody_knows_is_said(scene: Scene) -> None:
    report = scene.sync(given=("CT-404",))

    assert report.exit_code == 3
    assert report.rejected[0][2].code == "order-not-found"


def test_the_sweep_finds_what_a_window_missed(scene: Scene) -> None:
    announce(scene, 2)
    scene.sync()
    scene.sync(after_s=3600)
    order = scene.world.mao.orders["R1"]
    before = order["UpdatedTimestamp"], order["OrderLine"][0]["UpdatedTimestamp"]
    scene.mao.receive("R1")
    order = scene.world.mao.orders["R1"]
    order["UpdatedTimestamp"], order["OrderLine"][0]["UpdatedTimestamp"] = before
    scene.sync(after_s=3600)
    assert scene.shown() == []

    report = scene.sync(after_s=25 * 3600)

    assert report.counts["written"] == 1
    assert scene.shown() == [("mao-R1-1-New-1", 2, "Returned", "Initial")]


def test_an_idle_run_is_one_request(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    scene.sync()
    scene.sync(after_s=3600)

    report = scene.sync(after_s=3600)

    assert report.requests == 1


def test_a_dry_run_shows_each_write_and_leaves_nothing(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    scene.mao.verify("R1")

    report = scene.sync(dry_run=True)

    (plan,) = report.plans
    (text,) = plan.summary
    assert "add 2 of" in text
    assert "to BackInStock" in text
    assert (scene.shown(), scene.outbox()) == ([], [])


def test_a_limit_stops_and_the_next_run_goes_on(scene: Scene) -> None:
    for number in (1, 2, 3):
        scene.mao.create_return("CT-1", {scene.line_id(): 1}, return_id=f"R{number}")
        scene.mao.receive(f"R{number}")

    first = scene.sync(limit=2)
    scene.sync()

    assert first.counts["written"] == 2
    assert len(scene.items()) == 3


def test_state_lost_writes_nothing_twice(scene: Scene) -> None:
    announce(scene, paid_here=True)
    for step in (scene.mao.receive, scene.mao.verify, scene.mao.refund):
        step("R1")
    scene.sync()
    shown, keys = scene.shown(), [event["key"] for event in scene.outbox()]
    for path in scene.folder.glob("*.sqlite3*"):
        path.unlink()

    report = scene.sync()

    assert (report.exit_code, scene.shown()) == (0, shown)
    assert {event["key"] for event in scene.outbox()} == set(keys)


def test_a_run_tells_the_stretch_of_time_of_its_window_and_not_of_its_sweep(scene: Scene) -> None:
    report = scene.sync()

    assert len(report.passes) == 2, "the first run sweeps as well"
    assert f"{report.since:%Y-%m-%d %H:%M}" == "2025-12-31 23:50", "orders.start_at less the overlap"
