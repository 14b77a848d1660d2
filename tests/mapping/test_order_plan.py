"""What is done about one order: create, update, cancel, acknowledge, or nothing and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mao_documents import (
    ENTITY,
    LINE_A,
    LINE_B,
    REASON,
    SALT,
    Json,
    acked,
    address_of,
    cancel,
    cut_off,
    edited,
    line,
    line_of,
    mao_of,
    payload,
    shorten,
)

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.order_merge import SentBase
from ct_mao_sync.mapping.order_plan import (
    ORDER_ACTIONS,
    CancelOrder,
    OrderPlan,
    OrderRulesOfChange,
    OrderTarget,
    SaveOrder,
    SentOrder,
    UpdateSyncInfo,
    WantedOrder,
    cancel_refused,
    export_refusal,
    plan_order,
)
from ct_mao_sync.mapping.order_state import active_hold, is_terminal, status_id

HOLD = "AwaitingPayment"
RULES = OrderRulesOfChange(
    salt=SALT,
    cancel_reason=REASON,
    late_cancel=False,
    hold_type_id=HOLD,
    hold_resolve_reason="Paid",
    sync_channel="OMS",
)
LATE = replace(RULES, late_cancel=True)


def wanted(sent: Json | None = None, **changes: Any) -> WantedOrder:
    order = WantedOrder(
        entity=ENTITY,
        label="CT-1",
        version=5,
        payload=payload() if sent is None else sent,
        hold="none",
        cancelled=False,
        not_exportable="",
        order_id="CT-1",
        candidates=("CT-1", ENTITY),
        sync_info=(),
    )
    return replace(order, **changes)


def cancelled(**changes: Any) -> WantedOrder:
    return wanted(
        **{
            "payload": None,
            "cancelled": True,
            "not_exportable": "cancelled before it was exported",
            **changes,
        }
    )


def target(order: Json | None, **changes: Any) -> OrderTarget:
    where = "absent" if order is None else "active"
    return replace(OrderTarget("CT-1", order, where, known=order is not None, external_id="CT-1"), **changes)


ABSENT = OrderTarget("CT-1", None, "absent")


def sent_order(base: SentBase, version: int = 4, **changes: Any) -> SentOrder:
    return replace(SentOrder("CT-1", version, base.acked is not None, base), **changes)


def plan_of(
    order: WantedOrder,
    there: OrderTarget,
    sent: SentOrder | None = None,
    rules: OrderRulesOfChange = RULES,
) -> OrderPlan:
    planned = plan_order(order, there, sent, rules)
    assert isinstance(planned, OrderPlan), planned
    return planned


def rejection_of(
    order: WantedOrder,
    there: OrderTarget,
    sent: SentOrder | None = None,
    rules: OrderRulesOfChange = RULES,
) -> Rejection:
    planned = plan_order(order, there, sent, rules)
    assert isinstance(planned, Rejection), planned
    return planned


def save_of(planned: OrderPlan) -> SaveOrder:
    (save,) = [write for write in planned.writes if isinstance(write, SaveOrder)]
    return save


def with_hold(order: Json, status: Any) -> Json:
    return {**order, "OrderHold": [{"HoldTypeId": HOLD, "StatusId": status}]}


def at_status(order: Json, status: str) -> Json:
    states = {"MinFulfillmentStatusId": status, "MaxFulfillmentStatusId": status}
    return {**order, **states, "OrderLine": [{**row, **states} for row in order["OrderLine"]]}


# ---- which orders are created ---------------------------------------------------------------------

START = datetime(2026, 11, 1, tzinfo=UTC)
OPEN = {"orderState": "Open", "paymentState": "Paid", "shipmentState": "Pending", "store": {"key": "de"}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"shipmentState": None}, ""),
        ({"shipmentState": "Ready"}, ""),
        ({"shipmentState": "Backorder"}, ""),
        ({"shippingInfo": {"deliveries": []}}, ""),
        ({"returnInfo": [{"items": []}]}, ""),
        ({"orderState": "Confirmed"}, "Confirmed"),
        ({"orderState": "Complete"}, "Complete"),
        ({"orderState": "Cancelled"}, "cancelled before"),
        ({"paymentState": "Pending"}, "paymentState Pending"),
        ({"paymentState": None}, "paymentState None"),
        ({"store": {"key": "at"}}, "store"),
        ({"store": None}, "store"),
        ({"shipmentState": "Shipped"}, "shipped"),
        ({"shipmentState": "Delivered"}, "shipped"),
        ({"shipmentState": "Partial"}, "shipped"),
        ({"shippingInfo": {"deliveries": [{"id": "d"}]}}, "shipped"),
        ({"shipping": [{"shippingInfo": {}}, {"shippingInfo": {"deliveries": [{"id": "d"}]}}]}, "shipped"),
        ({"returnInfo": [{"items": [{"id": "r"}]}]}, "returned"),
    ],
)
def test_only_open_unshipped_orders_of_the_configured_kind_are_created(change: Json, expected: str) -> None:
    told = export_refusal(
        {**OPEN, **change},
        created_at=START,
        start_at=START,
        order_states=["Open"],
        payment_states=["Paid"],
        stores=["de"],
    )
    assert bool(told) is bool(expected)
    assert expected in told


def test_an_order_from_before_the_cut_over_is_never_created() -> None:
    told = export_refusal(
        OPEN,
        created_at=datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC),
        start_at=START,
        order_states=["Open"],
        payment_states=[],
        stores=[],
    )
    assert told == "created before orders.start_at"


def test_complete_and_cancelled_orders_are_not_created_whatever_the_configuration_says() -> None:
    for state in ("Complete", "Cancelled"):
        assert export_refusal(
            {"orderState": state},
            created_at=START,
            start_at=None,
            order_states=["Open", "Complete", "Cancelled"],
            payment_states=[],
            stores=[],
        )


# ---- create --------------------------------------------------------------------------------------


def test_a_new_order_is_created_whole_and_acknowledged() -> None:
    planned = plan_of(wanted(), ABSENT)
    save, sync = planned.writes
    assert isinstance(save, SaveOrder) and save.creates and save.action == "create"
    assert save.body == {
        **payload(),
        "OrderId": "CT-1",
        "OrderActions": {**ORDER_ACTIONS, "VersionTimestamp": "5"},
    }
    assert sync == UpdateSyncInfo(ENTITY, 5, "OMS", "CT-1")


def test_the_flags_that_keep_the_shop_s_money_and_no_import_flag_are_set() -> None:
    assert ORDER_ACTIONS == {
        "IsAlreadyPriced": True,
        "IsAlreadyCharged": True,
        "IsAlreadyTaxed": True,
        "SkipPaymentProcessing": True,
    }


@pytest.mark.parametrize(
    "order",
    [wanted(not_exportable="orderState Complete is not in orders.order_states"), cancelled()],
    ids=["complete", "cancelled"],
)
def test_an_order_that_would_not_be_created_is_skipped_with_the_reason(order: WantedOrder) -> None:
    assert plan_of(order, ABSENT) == OrderPlan((), order.not_exportable)


def test_an_order_without_a_usable_id_is_refused_only_when_it_would_be_created() -> None:
    refused = Rejection(code="payload-invalid", message="no usable OrderId")
    there = OrderTarget(refused, None, "absent")
    assert plan_order(wanted(), there, None, RULES) is refused
    assert plan_of(cancelled(), there).writes == ()


def test_an_order_we_know_that_is_nowhere_is_not_sent_again() -> None:
    for order in (wanted(), cancelled()):
        refused = rejection_of(order, replace(ABSENT, known=True))
        assert refused.code == "order-not-found"


def test_a_create_that_was_cut_off_and_did_not_arrive_is_made_again() -> None:
    sent = sent_order(cut_off(None, payload()), version=5)
    assert save_of(plan_of(wanted(), ABSENT, sent)).creates


def test_a_create_that_was_cut_off_and_arrived_is_only_acknowledged() -> None:
    sent = sent_order(cut_off(None, payload()), version=5)
    planned = plan_of(wanted(), target(mao_of(payload()), external_id="", known=False), sent)
    assert planned.writes == (UpdateSyncInfo(ENTITY, 5, "OMS", "CT-1"),)


# ---- somebody else's order -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there",
    [
        target({**mao_of(payload()), "AlternateOrderId": "POS-7"}),
        target({**mao_of(payload()), "AlternateOrderId": None}),
        target({**mao_of(payload()), "AlternateOrderId": "POS-7"}, where="archived"),
        target(mao_of(payload()), taken=True),
    ],
    ids=["other", "none", "archived", "found by the reader"],
)
@pytest.mark.parametrize("order", [wanted(), cancelled()], ids=["open", "cancelled"])
def test_an_order_of_somebody_else_is_never_touched(order: WantedOrder, there: OrderTarget) -> None:
    refused = rejection_of(order, there, sent_order(acked(payload())))
    assert refused.code == "order-id-taken"
    assert ENTITY in refused.hint


def test_an_order_id_of_somebody_else_does_not_matter_to_an_order_that_is_not_exported() -> None:
    there = target({**mao_of(payload()), "AlternateOrderId": "POS-7"}, known=False)
    assert plan_of(cancelled(), there).writes == ()


# ---- update ------------------------------------------------------------------------------------------


def test_an_unchanged_order_needs_nothing() -> None:
    planned = plan_of(wanted(version=9), target(mao_of(payload())), sent_order(acked(payload())))
    assert planned == OrderPlan(())


def test_a_change_is_saved_with_the_flags_and_the_newer_version_and_without_payment() -> None:
    now = edited(payload(), lambda doc: (doc.update(CustomerPhone="+49 2"), line_of(doc).update(Quantity=5)))
    planned = plan_of(wanted(now), target(mao_of(payload())), sent_order(acked(payload())))
    assert planned.writes == (
        SaveOrder(
            "CT-1",
            {
                "OrderId": "CT-1",
                "CustomerPhone": "+49 2",
                "OrderLine": [{"OrderLineId": LINE_A, "Quantity": 5}],
                "OrderActions": {**ORDER_ACTIONS, "VersionTimestamp": "5"},
            },
            creates=False,
            changed=("CustomerPhone", f"OrderLine/{LINE_A}/Quantity"),
        ),
    )
    assert planned.writes[0].action == "update"


def test_a_change_without_a_newer_version_carries_no_version_and_no_quantity() -> None:
    now = edited(payload(), lambda doc: line_of(doc).update(ShippingMethodId="EXPRESS"))
    save = save_of(plan_of(wanted(now), target(mao_of(payload())), sent_order(acked(payload()), version=5)))
    assert save.body["OrderActions"] == ORDER_ACTIONS
    assert save.body["OrderLine"] == [{"OrderLineId": LINE_A, "ShippingMethodId": "EXPRESS"}]


def test_an_older_version_of_the_source_brings_nothing_back() -> None:
    older = edited(payload(), lambda doc: doc.update(CustomerPhone="old"))
    for order in (wanted(older, version=4), cancelled(version=4)):
        planned = plan_of(order, target(mao_of(payload())), sent_order(acked(payload()), version=5))
        assert planned.writes == ()
        assert "older version" in planned.reason


def test_a_save_names_the_organisation_that_the_order_was_created_in() -> None:
    sent = {**payload(), "OrgId": "ACME-EU"}
    now = {**sent, "CustomerPhone": "+49 2", "OrgId": "ACME-US"}
    seen = save_of(plan_of(wanted(now), target(mao_of(sent)), sent_order(acked(sent))))
    unseen = {name: value for name, value in mao_of(sent).items() if name != "OrgId"}
    blind = save_of(plan_of(wanted({**now, "OrgId": "ACME-EU"}), target(unseen), sent_order(acked(sent))))
    assert seen.body["OrgId"] == "ACME-EU"
    assert blind.body["OrgId"] == "ACME-EU"


def test_what_both_changed_is_refused_by_name_and_nothing_is_written() -> None:
    now = edited(payload(), lambda doc: doc.update(CustomerPhone="shop's", CustomerEmail="a@example.org"))
    current = {**mao_of(payload()), "CustomerPhone": "agent's"}
    refused = rejection_of(wanted(now), target(current), sent_order(acked(payload())))
    assert (refused.code, refused.field) == ("order-locked", "CustomerPhone")
    assert "shop's" not in str(refused) and "agent's" not in str(refused)
    assert ENTITY in refused.hint


def test_a_refusal_names_three_fields_and_counts_the_rest() -> None:
    names = ["CustomerEmail", "CustomerFirstName", "CustomerLastName", "CustomerPhone", "OrderLocale"]
    now = payload(**dict.fromkeys(names, "shop"))
    current = {**mao_of(payload()), **dict.fromkeys(names, "agent")}
    assert "and 2 more" in rejection_of(wanted(now), target(current), sent_order(acked(payload()))).message
    assert "and 2 more" in rejection_of(wanted(now), target(current)).message


def test_a_finished_order_takes_no_change_and_says_so_only_when_there_is_one() -> None:
    now = edited(payload(), lambda doc: doc.update(CustomerPhone="+49 2"))
    for status in ("7000", "7500.000", "9000", "8000"):
        there = target(at_status(mao_of(payload()), status))
        for sent in (sent_order(acked(payload())), None):
            assert plan_of(wanted(now), there, sent) == OrderPlan(
                (), "finished in MAO, later changes are not sent"
            )
            assert plan_of(wanted(), there, sent) == OrderPlan(())


def test_an_order_that_is_no_longer_exportable_is_followed_when_it_was_exported() -> None:
    now = edited(payload(), lambda doc: doc.update(CustomerPhone="+49 2"))
    order = wanted(now, not_exportable="orderState Complete is not in orders.order_states")
    assert save_of(plan_of(order, target(mao_of(payload())), sent_order(acked(payload()))))


# ---- sync info -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("external_id", "channel", "written"),
    [("", "OMS", True), ("OTHER", "OMS", True), ("CT-1", "OMS", False), ("", "", False)],
)
def test_sync_info_is_written_only_when_absent_or_different(
    external_id: str, channel: str, written: bool
) -> None:
    there = target(mao_of(payload()), external_id=external_id)
    rules = replace(RULES, sync_channel=channel)
    planned = plan_of(wanted(), there, sent_order(acked(payload())), rules)
    assert planned.writes == ((UpdateSyncInfo(ENTITY, 5, "OMS", "CT-1"),) if written else ())


def test_sync_info_goes_out_after_the_save_and_as_commercetools_wants_it() -> None:
    now = edited(payload(), lambda doc: doc.update(CustomerPhone="+49 2"))
    planned = plan_of(wanted(now), target(mao_of(payload()), external_id=""), sent_order(acked(payload())))
    save, sync = planned.writes
    assert isinstance(save, SaveOrder) and isinstance(sync, UpdateSyncInfo)
    assert sync.body == {
        "version": 5,
        "actions": [
            {
                "action": "updateSyncInfo",
                "channel": {"typeId": "channel", "key": "OMS"},
                "externalId": "CT-1",
            }
        ],
    }


# ---- holds ---------------------------------------------------------------------------------------------


def test_a_hold_is_resolved_once_the_order_is_paid_without_version_and_quantity() -> None:
    current = with_hold(mao_of(payload()), "1000")
    for sent in (sent_order(acked(payload())), None):
        save = save_of(plan_of(wanted(hold="paid"), target(current), sent))
        assert save.body == {
            "OrderId": "CT-1",
            "OrderHold": [{"HoldTypeId": HOLD, "StatusId": "2000", "ResolveReasonId": "Paid"}],
            "OrderActions": ORDER_ACTIONS,
        }


def test_without_a_reason_a_hold_is_resolved_without_one() -> None:
    rules = replace(RULES, hold_resolve_reason="")
    there = target(with_hold(mao_of(payload()), 1000))
    save = save_of(plan_of(wanted(hold="paid"), there, sent_order(acked(payload())), rules))
    assert save.body["OrderHold"] == [{"HoldTypeId": HOLD, "StatusId": "2000"}]


def test_a_hold_is_resolved_together_with_a_change() -> None:
    now = edited(payload(), lambda doc: doc.update(CustomerPhone="+49 2"))
    there = target(with_hold(mao_of(payload()), "1000.000"))
    save = save_of(plan_of(wanted(now, hold="paid"), there, sent_order(acked(payload()))))
    assert save.body["OrderActions"]["VersionTimestamp"] == "5"
    assert {"OrderHold", "CustomerPhone"} < set(save.body)


@pytest.mark.parametrize("hold", ["waiting", "none"])
@pytest.mark.parametrize("status", ["1000", "2000", None])
def test_a_hold_is_never_applied_again_and_not_resolved_before_payment(hold: Any, status: Any) -> None:
    current = mao_of(payload()) if status is None else with_hold(mao_of(payload()), status)
    planned = plan_of(wanted(hold=hold, version=9), target(current), sent_order(acked(payload())))
    assert planned.writes == ()


def test_a_hold_that_somebody_resolved_is_left_alone() -> None:
    current = with_hold(mao_of(payload()), "2000")
    assert plan_of(wanted(hold="paid"), target(current), sent_order(acked(payload()))).writes == ()


@pytest.mark.parametrize(
    ("order", "active"),
    [
        ({}, False),
        ({"OrderHold": None}, False),
        ({"OrderHold": [{"HoldTypeId": "PaymentFraud", "StatusId": "1000"}]}, False),
        (
            {"OrderHold": [{"HoldTypeId": HOLD, "StatusId": "2000"}, {"HoldTypeId": HOLD, "StatusId": 1000}]},
            True,
        ),
        ({"OrderHold": [{"HoldType": {"HoldTypeId": HOLD}, "Status": {"StatusId": "1000"}}]}, True),
        ({"OrderHold": [{"HoldTypeId": HOLD}], "IsOnHold": True}, True),
        ({"OrderHold": [{"HoldTypeId": HOLD}]}, False),
    ],
)
def test_a_hold_counts_while_it_is_applied(order: Json, active: bool) -> None:
    assert active_hold(order, HOLD) is active


# ---- cancellation --------------------------------------------------------------------------------------


def test_an_open_order_is_cancelled_as_a_whole_whether_or_not_we_remember_it() -> None:
    for sent in (sent_order(acked(payload())), None):
        planned = plan_of(cancelled(), target(mao_of(payload())), sent)
        assert planned.writes == (CancelOrder("CT-1", REASON, ()),)
        assert planned.writes[0].body == {"OrderId": "CT-1", "CancelReason": {"ReasonId": REASON}}


def test_lines_are_asked_for_one_by_one_only_where_late_cancellation_is_allowed() -> None:
    released = target(at_status(mao_of(payload()), "3000"))
    sent = sent_order(acked(payload()))
    assert plan_of(cancelled(), released, sent).writes == (CancelOrder("CT-1", REASON, ()),)
    assert plan_of(cancelled(), released, sent, LATE).writes == (
        CancelOrder("CT-1", REASON, (LINE_A, LINE_B)),
    )


def test_lines_are_named_also_when_the_order_was_not_released_yet_when_it_was_read() -> None:
    there = target(mao_of(payload()))
    assert plan_of(cancelled(), there, None, LATE).writes == (CancelOrder("CT-1", REASON, (LINE_A, LINE_B)),)


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ({"MaxFulfillmentStatusId": "3600"}, True),
        ({"MaxFulfillmentStatusId": "3700"}, False),
        ({"MaxFulfillmentStatusId": "7000"}, False),
        ({"MaxFulfillmentStatusId": "3700", "DeliveryMethod": {"DeliveryMethodId": "PickUpAtStore"}}, True),
        ({"MaxFulfillmentStatusId": "7000", "DeliveryMethod": {"DeliveryMethodId": "PickUpAtStore"}}, False),
        ({"MinFulfillmentStatusId": "7000", "MaxFulfillmentStatusId": "7000"}, False),
        ({"IsCancelled": True}, False),
        ({"IsReturn": True}, False),
        ({"CancellationRequestStatus": "Requested"}, False),
        ({"CancellationRequestStatus": {"CancellationRequestStatusId": "Requested"}}, False),
    ],
)
def test_only_lines_that_mao_may_still_take_back_are_asked_for(state: Json, asked: bool) -> None:
    current = edited(at_status(mao_of(payload()), "3000"), lambda doc: line_of(doc, LINE_B).update(state))
    (write,) = plan_of(cancelled(), target(current), None, LATE).writes
    assert isinstance(write, CancelOrder)
    assert write.late_lines == ((LINE_A, LINE_B) if asked else (LINE_A,))


def requested(first: Any, second: Any) -> Json:
    order = at_status(mao_of(payload()), "3000")
    order["OrderLine"][0]["CancellationRequestStatus"] = first
    order["OrderLine"][1]["CancellationRequestStatus"] = second
    return order


@pytest.mark.parametrize("sent", [None, sent_order(acked(payload()), cancelling=True)], ids=["lost", "known"])
def test_a_late_cancellation_that_mao_has_not_decided_is_pending(sent: SentOrder | None) -> None:
    planned = plan_of(cancelled(), target(requested("Requested", "Requested")), sent, LATE)
    assert planned.writes == () and planned.pending
    mixed = plan_of(cancelled(), target(requested("Requested", "Failure")), sent, LATE)
    assert mixed.writes == () and mixed.pending


@pytest.mark.parametrize("answer", ["Failure", "Partial Cancellation"])
def test_a_late_cancellation_that_failed_is_refused_once_and_asked_again_on_demand(answer: str) -> None:
    there = target(requested(answer, None))
    waiting = sent_order(acked(payload()), cancelling=True)
    refused = rejection_of(cancelled(), there, waiting, LATE)
    assert refused.code == "cancel-refused"
    again = plan_of(cancelled(), there, replace(waiting, cancelling=False), LATE)
    assert again.writes == (CancelOrder("CT-1", REASON, (LINE_A, LINE_B)),)


def test_a_cancelled_order_needs_no_cancellation() -> None:
    for current in (
        {**mao_of(payload()), "IsCancelled": True},
        at_status(mao_of(payload()), "9000.000"),
    ):
        assert plan_of(cancelled(), target(current)) == OrderPlan(())


def test_a_shipped_order_is_not_cancelled() -> None:
    shipped_and_cancelled = edited(
        at_status(mao_of(payload()), "7000"), lambda doc: cancel(line_of(doc, LINE_B))
    )
    shipped_and_cancelled["MinFulfillmentStatusId"] = None
    for current in (at_status(mao_of(payload()), "7500"), shipped_and_cancelled):
        planned = plan_of(cancelled(), target(current))
        assert planned.writes == () and planned.reason


def test_a_partly_shipped_order_is_still_to_be_cancelled() -> None:
    current = at_status(mao_of(payload()), "7000")
    current["OrderLine"][1]["MinFulfillmentStatusId"] = "1500"
    current["MinFulfillmentStatusId"] = "1500"
    assert plan_of(cancelled(), target(current)).writes == (CancelOrder("CT-1", REASON, ()),)


def test_a_cancellation_that_mao_refused_says_what_to_do() -> None:
    refused = cancel_refused("CT-1", ENTITY, "CT-1", "it is already released")
    assert refused.code == "cancel-refused"
    assert f"replay-errors --entity {ENTITY}" in refused.hint


# ---- archived --------------------------------------------------------------------------------------------


def test_an_archived_order_takes_nothing_and_only_a_change_is_refused() -> None:
    there = target(at_status(mao_of(payload()), "7500"), where="archived")
    anonymised = edited(payload(), lambda doc: address_of(doc).update(LastName="x", City="x"))
    for sent in (sent_order(acked(payload())), None):
        assert plan_of(wanted(), there, sent) == OrderPlan(())
        assert rejection_of(wanted(anonymised), there, sent).code == "order-locked"
    assert rejection_of(cancelled(), there).code == "order-locked"
    done = target(at_status(mao_of(payload()), "9000"), where="archived")
    assert plan_of(cancelled(), done) == OrderPlan(())


# ---- state lost --------------------------------------------------------------------------------------------


def test_an_equal_order_is_adopted_silently() -> None:
    there = target(mao_of(payload()), external_id="", known=False)
    assert plan_of(wanted(), there).writes == (UpdateSyncInfo(ENTITY, 5, "OMS", "CT-1"),)
    assert plan_of(wanted(), target(mao_of(payload()))) == OrderPlan(())
    assert plan_of(wanted(), target(mao_of(payload())), sent_order(SentBase())) == OrderPlan(())


def test_an_order_that_mao_shortened_is_adopted_and_its_line_stays_mao_s() -> None:
    current = edited(mao_of(payload()), lambda doc: shorten(line_of(doc), 1))
    assert plan_of(wanted(), target(current)) == OrderPlan(())
    cheaper = edited(payload(), lambda doc: line_of(doc).update(UnitPrice=1))
    adopted = sent_order(acked(payload()))
    assert plan_of(wanted(cheaper), target(current), adopted) == OrderPlan(())


def test_any_other_difference_writes_nothing_and_names_the_way_out() -> None:
    now = edited(payload(), lambda doc: line_of(doc).update(Quantity=2))
    current = with_hold(mao_of(payload()), "1000")
    refused = rejection_of(wanted(now, hold="paid"), target(current, external_id=""))
    assert refused.code == "base-unknown"
    assert refused.field == f"OrderLine/{LINE_A}/Quantity"
    assert "reconcile orders --order CT-1 --fix" in refused.hint and "errors discard" in refused.hint


def test_a_cancellation_is_applied_although_nothing_is_known_of_what_was_sent() -> None:
    current = edited(mao_of(payload()), lambda doc: doc.update(CustomerPhone="agent's"))
    assert plan_of(cancelled(), target(current)).writes == (CancelOrder("CT-1", REASON, ()),)


# ---- statuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7000", 7000),
        ("7000.000", 7000),
        ("3600.100", 3600),
        (1000, 1000),
        ("", None),
        (None, None),
        ("Open", None),
        ("NaN", None),
        ("Infinity", None),
    ],
)
def test_a_status_is_the_integer_part_of_its_id(value: Any, expected: int | None) -> None:
    assert status_id(value) == expected


@pytest.mark.parametrize(
    ("lines", "terminal"),
    [
        (["7000", "9000"], True),
        (["7500", "8500"], True),
        (["3000", "9000"], False),
        (["1000"], False),
        ([], False),
    ],
)
def test_an_order_is_finished_when_all_its_lines_are(lines: list[str], terminal: bool) -> None:
    rows = [{"MinFulfillmentStatusId": each, "MaxFulfillmentStatusId": each} for each in lines]
    returned = {"IsReturn": True, "MinFulfillmentStatusId": "11000", "MaxFulfillmentStatusId": "11000"}
    assert is_terminal({"OrderLine": [*rows, returned] if rows else rows}) is terminal


# ---- every plan ----------------------------------------------------------------------------------


@given(
    phone=st.sampled_from(["+49301234567", "shop"]),
    quantity=st.sampled_from([3, 4]),
    added=st.booleans(),
    mao_phone=st.sampled_from(["+49301234567", "agent", None]),
    status=st.sampled_from(["1000", "2000", "3000", "7000", "9000"]),
    hold=st.sampled_from(["none", "waiting", "paid"]),
    held=st.sampled_from(["1000", "2000", None]),
    version=st.sampled_from([3, 4, 5]),
    base=st.sampled_from(["acked", "cut off", "lost"]),
    is_cancelled=st.booleans(),
    where=st.sampled_from(["active", "archived", "absent"]),
)
def test_every_plan_keeps_the_rules_of_saves(
    phone: str,
    quantity: int,
    added: bool,
    mao_phone: str | None,
    status: str,
    hold: Any,
    held: str | None,
    version: int,
    base: str,
    is_cancelled: bool,
    where: Any,
) -> None:
    before = payload(OrderLine=[line(LINE_A)])
    now = payload(OrderLine=[line(LINE_A, Quantity=quantity), *([line(LINE_B)] if added else [])])
    now["CustomerPhone"] = phone
    current = at_status({**mao_of(before), "CustomerPhone": mao_phone}, status)
    current = with_hold(current, held) if held else current
    order = cancelled(version=version) if is_cancelled else wanted(now, version=version, hold=hold)
    bases = {"acked": acked(before), "cut off": cut_off(before, now), "lost": SentBase()}
    there = target(None if where == "absent" else current, where=where, known=base != "lost")
    planned = plan_order(order, there, sent_order(bases[base], version=4), RULES)
    if isinstance(planned, Rejection):
        return
    for write in planned.writes:
        if not isinstance(write, SaveOrder):
            continue
        actions = write.body["OrderActions"]
        assert write.creates is (where == "absent")
        assert actions.items() >= ORDER_ACTIONS.items()
        assert ("Payment" in write.body) is write.creates
        assert "AlternateOrderId" not in write.body or write.creates
        known_lines = [row for row in write.body.get("OrderLine", ()) if row["OrderLineId"] == LINE_A]
        if not write.creates and "VersionTimestamp" not in actions:
            assert all("Quantity" not in row for row in known_lines)
        if "VersionTimestamp" in actions:
            assert actions["VersionTimestamp"] == str(version)
            assert write.creates or version > 4
        if not write.creates:
            assert all(row["StatusId"] == "2000" for row in write.body.get("OrderHold", ()))
    if where != "active":
        assert where == "absent" or planned.writes == ()
