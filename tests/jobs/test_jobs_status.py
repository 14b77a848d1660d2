"""The status job against both systems: what MAO does with an order appears in the shop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from status_bench import StatusBench

from ct_mao_sync.sandbox.core import Request


@pytest.fixture
def bench(tmp_path: Path) -> StatusBench:
    return StatusBench(tmp_path)


def is_order_update(request: Request) -> bool:
    return (request.service, request.method) == ("commercetools", "POST") and "/orders/" in request.path


def shipped_in_two_parcels(bench: StatusBench, number: int = 1) -> list[str]:
    """Half of the first line in one parcel, the rest of the order in another."""
    mao, lines = f"CT-{number}", bench.lines(number)
    bench.life.allocate(mao)
    bench.life.release(mao)
    bench.life.ship(mao, lines[1], 1, package_id="P1", tracking="1Z1")
    bench.later()
    return lines


# ---- an order's life ------------------------------------------------------------------------------


def test_every_milestone_and_every_parcel_appears(bench: StatusBench) -> None:
    bench.placed(1)
    bench.sync()
    assert (bench.shop(1)["shipmentState"], bench.shop(1)["orderState"]) == ("Pending", "Open")

    lines = shipped_in_two_parcels(bench)
    bench.sync()

    assert (bench.shop(1)["shipmentState"], bench.shop(1)["orderState"]) == ("Partial", "Confirmed")
    assert bench.states(1, 1) == {"line-shipped": 1, "line-allocated": 2}
    (delivery,) = bench.deliveries(1)
    assert (delivery["key"], delivery["items"]) == ("mao-CT-11", [{"id": lines[1], "quantity": 1}])
    (parcel,) = delivery["parcels"]
    assert parcel["key"] == "mao-CT-11-P1"
    assert parcel["trackingData"] == {
        "trackingId": "1Z1",
        "carrier": "United Parcel",
        "providerTransaction": "https://ups.example/track?n=1Z1",
        "isReturn": False,
    }

    bench.life.ship("CT-1", package_id="P2", tracking="1Z2")
    bench.later()
    bench.sync()

    (delivery,) = bench.deliveries(1)
    assert sum(item["quantity"] for item in delivery["items"]) == 11
    assert [parcel["key"] for parcel in delivery["parcels"]] == ["mao-CT-11-P1", "mao-CT-11-P2"]
    assert bench.shop(1)["shipmentState"] == "Shipped"

    bench.life.deliver("CT-1")
    bench.later()
    bench.sync()
    assert (bench.shop(1)["shipmentState"], bench.shop(1)["orderState"]) == ("Delivered", "Complete")
    assert [bench.states(1, line) for line in range(3)] == [
        {"line-delivered": 1},
        {"line-delivered": 3},
        {"line-delivered": 7},
    ]
    assert bench.dead_letters() == []


def test_a_short_is_back_ordered_and_comes_again_or_is_cancelled(bench: StatusBench) -> None:
    bench.placed(1)
    lines = bench.lines(1)
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.pack("CT-1")
    bench.later()
    bench.sync()
    assert bench.states(1, 2) == {"line-packed": 7}

    bench.life.short("CT-1", lines[2], 3, cancel=False)
    bench.later()
    bench.sync()
    assert bench.states(1, 2) == {"line-packed": 4, "Initial": 3}
    assert bench.shop(1)["shipmentState"] == "Backorder"

    bench.life.ship("CT-1")
    bench.life.cancel_units("CT-1", lines[2], 3)
    bench.later()
    bench.sync()
    assert bench.states(1, 2) == {"line-shipped": 4, "line-cancelled": 3}
    assert bench.shop(1)["shipmentState"] == "Shipped"


def test_a_cancelled_order_is_cancelled_in_the_shop(bench: StatusBench) -> None:
    bench.placed(1)
    for line in bench.lines(1):
        quantity = next(each["Quantity"] for each in bench.mao(1)["OrderLine"] if each["OrderLineId"] == line)
        bench.life.cancel_units("CT-1", line, quantity)
    bench.later()

    bench.sync()

    order = bench.shop(1)
    assert (order["shipmentState"], order["orderState"]) == ("Canceled", "Cancelled")
    assert bench.states(1, 2) == {"line-cancelled": 7}
    assert bench.export().exit_code == 0  # the orders job sees its own work and has nothing to do


def test_digital_orders_take_states_only(bench: StatusBench) -> None:
    bench.placed(1, "digital")
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1")
    bench.later()

    report = bench.sync()

    assert report.exit_code == 0
    assert bench.deliveries(1) == []
    assert bench.shop(1)["shipmentState"] == "Delivered"


def test_lines_for_several_addresses_become_deliveries_of_their_own(bench: StatusBench) -> None:
    bench.placed(1, "multiple_shipping")
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1", package_id="P1")
    bench.later()

    report = bench.sync()

    assert report.exit_code == 0, bench.dead_letters()
    order = bench.shop(1)
    assert len(bench.deliveries(1)) >= 2
    for shipping in order["shipping"]:
        for delivery in shipping["shippingInfo"].get("deliveries") or ():
            assert shipping["shippingKey"] in delivery["key"]
            assert delivery["address"]["country"]
    assert order["shipmentState"] == "Shipped"
    assert sum(i["quantity"] for d in bench.deliveries(1) for i in d["items"]) == sum(
        line["quantity"] for line in order["lineItems"]
    )


# ---- requests --------------------------------------------------------------------------------------


def test_an_order_whose_mapped_state_did_not_change_costs_neither_a_write_nor_a_read(
    bench: StatusBench,
) -> None:
    bench.placed(1)
    bench.sync()
    bench.life.edit("CT-1", lambda order: order.update(Priority=3))
    bench.later()
    bench.log.clear()

    report = bench.sync()

    assert dict(report.counts) == {"unchanged": 1}
    assert bench.log.total("commercetools") == 0
    assert bench.log.total("manhattan") == 1


def test_a_page_of_changed_orders_is_one_read_and_one_write_each(bench: StatusBench) -> None:
    for number in range(1, 21):
        bench.place(number)
    bench.export()
    bench.later(5)
    bench.sync()
    for number in range(1, 21):
        bench.life.allocate(f"CT-{number}")
    bench.later()
    bench.log.clear()

    report = bench.sync()

    assert dict(report.counts) == {"written": 20}
    assert bench.log.total("commercetools", method="POST") == 20
    assert bench.log.total("commercetools", method="GET") == 2  # the orders, and the States once


def test_an_idle_run_is_one_request(bench: StatusBench) -> None:
    bench.placed(1)
    bench.sync()
    bench.later(3600)
    bench.log.clear()

    bench.sync()

    assert bench.log.total("manhattan") + bench.log.total("commercetools") == 1


def test_orders_of_another_origin_are_passed_over(bench: StatusBench) -> None:
    bench.placed(1)
    bench.life.edit("CT-1", lambda order: order.update(AlternateOrderId="POS-77"))
    bench.later()

    report = bench.sync()

    assert (report.exit_code, report.read) == (0, 0)


def test_a_query_of_ones_own_holds_as_well(tmp_path: Path) -> None:
    query = "[status]\nquery = \"SellingChannel.SellingChannelId = 'Store'\"\n"
    bench = StatusBench(tmp_path, more=query)
    bench.placed(1)

    assert bench.sync().read == 0


# ---- what goes wrong -------------------------------------------------------------------------------


def test_a_customer_who_edits_the_order_meanwhile_keeps_his_edit(bench: StatusBench) -> None:
    bench.placed(1)
    bench.life.allocate("CT-1")
    bench.later()
    bench.sandbox.faults.times(3, is_order_update, "409")

    report = bench.sync()

    assert dict(report.counts) == {"written": 1}
    assert bench.states(1) == {"line-allocated": 1}


def test_ten_conflicts_in_a_row_are_a_dead_letter_and_no_endless_loop(bench: StatusBench) -> None:
    bench.placed(1)
    rule = bench.sandbox.faults.always(is_order_update, "409")

    report = bench.sync()

    assert report.exit_code == 3
    assert [letter.code for letter in bench.dead_letters()] == ["conflict"]
    rule.stop()
    bench.later()
    assert bench.sync().exit_code == 0
    assert bench.dead_letters() == []


@pytest.mark.parametrize("kind", ["lost-after", "lost-before", "500-after", "500", "hang-after"])
def test_a_lost_answer_is_read_back(bench: StatusBench, kind: str) -> None:
    bench.placed(1)
    shipped_in_two_parcels(bench)
    bench.sandbox.faults.once(is_order_update, kind)

    report = bench.sync()

    assert report.exit_code == 0
    assert len(bench.deliveries(1)) == 1
    assert bench.shop(1)["shipmentState"] == "Partial"


def test_an_order_that_the_shop_does_not_have_is_rejected(bench: StatusBench) -> None:
    order = bench.placed(1)
    del bench.sandbox.world.ct.orders[order["id"]]

    report = bench.sync()

    (letter,) = bench.dead_letters()
    assert (report.exit_code, letter.code, letter.entity) == (3, "order-not-found", order["id"])


def test_a_line_that_the_shop_does_not_have_waits_and_the_others_go_on(bench: StatusBench) -> None:
    bench.placed(1)
    bench.life.allocate("CT-1")
    gift = {"OrderLineId": "999", "AlternateOrderLineId": None, "ItemId": "GIFT"}
    bench.life.edit("CT-1", lambda order: order["OrderLine"].append({**order["OrderLine"][0], **gift}))
    bench.later()

    report = bench.sync()

    (letter,) = bench.dead_letters()
    assert (report.exit_code, letter.code) == (3, "line-not-found")
    assert "line 999 (item GIFT)" in letter.message
    assert bench.states(1) == {"line-allocated": 1}
    updates = bench.writes()
    bench.later()
    assert bench.sync().exit_code == 0  # it waits; nothing is written again
    assert bench.writes() == updates


def test_a_state_that_is_missing_stops_the_run_before_anything_is_shown_wrongly(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path, more='[status.line_states]\nshipped = "nowhere"\n')
    bench.placed(1)

    report = bench.sync()

    assert report.exit_code == 5
    assert report.problem.code == "state-missing"
    assert "'nowhere' does not exist; it must be of type LineItemState" in report.problem.message
    assert bench.dead_letters() == []


def test_an_older_record_is_ignored(bench: StatusBench) -> None:
    bench.placed(1)
    bench.life.allocate("CT-1")
    bench.later()
    world = bench.sandbox.world.mao
    old = dict(world.orders["CT-1"])
    bench.life.release("CT-1")
    bench.life.pack("CT-1")
    bench.later(5)
    bench.sync()
    assert bench.states(1) == {"line-packed": 1}
    world.orders["CT-1"] = old

    report = bench.sync(given=("CT-1",))

    assert dict(report.counts) == {"skipped": 1}
    assert bench.states(1) == {"line-packed": 1}


def test_a_search_that_lags_behind_is_caught_up_by_the_overlap(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path, search_lag_s=30.0)
    bench.placed(1)
    bench.life.allocate("CT-1")
    bench.sync()
    bench.later(60)

    bench.sync()

    assert bench.states(1) == {"line-allocated": 1}


# ---- by hand, and in turn ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["number", "id", "archived"])
def test_one_order_by_its_number_or_id(bench: StatusBench, name: str) -> None:
    order = bench.placed(1)
    bench.life.allocate("CT-1")
    if name == "archived":
        bench.life.archive("CT-1")

    report = bench.sync(given=(order["id"] if name == "id" else "CT-1",))

    assert dict(report.counts) == {"written": 1}
    assert bench.states(1) == {"line-allocated": 1}


def test_an_order_whose_mao_name_is_another_is_found_by_its_number(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path)
    text = bench.config_path.read_text(encoding="utf-8")
    template = '[orders]\norder_id = "WEB-{orderNumber}"'
    bench.config_path.write_text(text.replace("[orders]", template), encoding="utf-8")
    bench.placed(1)

    assert dict(bench.sync(given=("CT-1",)).counts) == {"written": 1}
    assert dict(bench.sync(given=("WEB-CT-1",)).counts) == {"unchanged": 1}


def test_an_unknown_number_is_told(bench: StatusBench) -> None:
    report = bench.sync(given=("CT-404", "it's", "6f6a1c1e-1111-4222-8333-944455556666"))

    assert (report.exit_code, report.counts["rejected"]) == (3, 3)


def test_a_dry_run_shows_the_writes_and_makes_none(bench: StatusBench) -> None:
    bench.placed(1)
    lines = shipped_in_two_parcels(bench)
    before = bench.writes()

    report = bench.sync(dry_run=True)

    assert bench.writes() == before
    (plan,) = report.plans
    (summary,) = plan.summary
    assert summary.startswith("update order CT-1: add delivery mao-CT-11 (1 unit, 1 parcel); move 1 of SKU-")
    (sku,) = [line["variant"]["sku"] for line in bench.shop(1)["lineItems"] if line["id"] == lines[1]]
    assert f"move 1 of {sku} from Initial to line-shipped" in summary
    assert bench.sync().counts["written"] == 1


def test_what_somebody_changed_in_the_shop_is_put_right_by_the_sweep(bench: StatusBench) -> None:
    bench.placed(1)
    shipped_in_two_parcels(bench)
    bench.sync()
    bench.edit(1, {"action": "changeShipmentState", "shipmentState": "Pending"})
    bench.edit(1, {"action": "removeDelivery", "deliveryKey": "mao-CT-11"})
    bench.later(12 * 3600)
    assert bench.sync().counts["written"] == 0

    bench.later(13 * 3600)
    report = bench.sync()

    assert report.counts["written"] == 1
    assert bench.shop(1)["shipmentState"] == "Partial"
    assert len(bench.deliveries(1)) == 1


def test_a_finished_order_leaves_the_sweep(bench: StatusBench) -> None:
    for number in (1, 2):
        bench.placed(number)
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1")
    bench.life.deliver("CT-1")
    bench.later()
    bench.sync()
    bench.later()
    bench.sync()
    bench.later(25 * 3600)

    report = bench.sync()

    assert dict(report.counts) == {"unchanged": 1}
    assert dict(bench.sync(full=True).counts) == {"unchanged": 2}


def test_the_sweep_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path)
    text = bench.config_path.read_text(encoding="utf-8")
    small = text.replace("[manhattan]", "[manhattan]\npage_size = 2", 1)
    bench.config_path.write_text(small, encoding="utf-8")
    for number in range(1, 8):
        bench.place(number)
    bench.export()
    bench.later(5)
    bench.sync()
    bench.later(25 * 3600)
    for number in range(1, 8):
        bench.edit(number, {"action": "changeShipmentState", "shipmentState": "Ready"})

    written = [bench.sync(limit=3).counts["written"] for _ in range(3)]

    assert sum(written) == 7
    assert max(written) == 3
    assert {bench.shop(number)["shipmentState"] for number in range(1, 8)} == {"Pending"}


def test_an_archived_order_is_not_a_cancelled_one(bench: StatusBench) -> None:
    bench.placed(1)
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1")
    bench.later()
    bench.sync()
    bench.life.archive("CT-1")
    bench.later(25 * 3600)
    bench.log.clear()

    report = bench.sync()

    assert dict(report.counts) == {"unchanged": 1}
    assert bench.log.total("manhattan", method="GET") == 2, "once, by id and in the archive"
    assert bench.shop(1)["shipmentState"] == "Shipped"
    bench.later(25 * 3600)
    assert bench.sync().read == 0


def test_an_order_that_was_delivered_and_archived_before_any_run_saw_it_is_shown_as_delivered(
    bench: StatusBench,
) -> None:
    bench.placed(1)
    for step in ("allocate", "release", "ship"):
        getattr(bench.life, step)("CT-1")
    bench.later()
    bench.sync()
    assert bench.shop(1)["shipmentState"] == "Shipped"
    bench.life.deliver("CT-1")
    bench.life.archive("CT-1")
    bench.later(25 * 3600)

    report = bench.sync()

    assert dict(report.counts) == {"written": 1}
    assert (bench.shop(1)["shipmentState"], bench.shop(1)["orderState"]) == ("Delivered", "Complete")
    bench.later(25 * 3600)
    assert bench.sync().read == 0


def test_an_archived_order_that_the_shop_shows_as_complete_is_not_read_again(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path, more='[status.order_states]\nshipped = "Complete"')
    bench.placed(1)
    for step in ("allocate", "release", "ship"):
        getattr(bench.life, step)("CT-1")
    bench.later()
    bench.sync()
    bench.life.archive("CT-1")
    bench.later(25 * 3600)
    bench.log.clear()

    report = bench.sync()

    assert dict(report.counts) == {"skipped": 1}
    assert bench.log.total("manhattan", method="GET") == 0
    bench.later(25 * 3600)
    assert bench.sync().read == 0


def test_what_mao_did_before_it_archived_the_order_is_still_shown(bench: StatusBench) -> None:
    bench.placed(1)
    bench.sync()
    bench.life.allocate("CT-1")
    bench.life.release("CT-1")
    bench.life.ship("CT-1")
    bench.life.archive("CT-1")
    bench.later(25 * 3600)

    report = bench.sync()

    assert dict(report.counts) == {"written": 1}
    assert bench.shop(1)["shipmentState"] == "Shipped"


def test_losing_the_state_costs_reads_only(bench: StatusBench, tmp_path: Path) -> None:
    order = bench.placed(1)
    shipped_in_two_parcels(bench)
    bench.sync()
    for path in tmp_path.glob("ct-mao-sync.sqlite3*"):
        path.unlink()
    before = bench.writes()

    assert dict(bench.sync(given=(order["id"],)).counts) == {"unchanged": 1}
    assert dict(bench.sync().counts) == {"unchanged": 1}
    assert bench.writes() == before


def test_no_personal_data_is_asked_for(bench: StatusBench) -> None:
    from ct_mao_sync.mapping.fulfilment_document import FULFILMENT_TEMPLATE

    def names(node: dict[str, Any]) -> set[str]:
        return {*node, *(name for child in node.values() if isinstance(child, dict) for name in names(child))}

    asked = names(dict(FULFILMENT_TEMPLATE))
    assert not [name for name in asked if "Address" in name or "Customer" in name or "Payment" in name]


def test_states_of_ones_own_are_optional(tmp_path: Path) -> None:
    bench = StatusBench(tmp_path, more="")
    bench.placed(1)
    shipped_in_two_parcels(bench)
    bench.log.clear()

    bench.sync()

    assert bench.states(1) == {"Initial": 1}
    assert bench.shop(1)["shipmentState"] == "Partial"
    assert bench.log.total("commercetools", method="GET") == 1  # no States are read
