"""Cancellation: of an order, of lines, of units; before release at once, after it on request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_envelope import Refused
from .manhattan_store import key_of, line_not_permitted, order_not_permitted, store_order
from .manhattan_totals import (
    MERGE,
    RELEASED,
    ZERO,
    compute_order,
    line_range,
    number,
    order_range,
    rows,
    status_name,
    status_of,
)
from .manhattan_values import code_of, copy_json, parse_moment, render_moment

_PICKUP = {"PickUpAtStore"}
_VERIFIED = 18000


def read_reason(world: World, document: Json) -> Json:
    """The CancelReason of a request; raises Refused when it is missing or not one of the tenant's."""
    reason = document.get("CancelReason")
    id = reason if isinstance(reason, str) else code_of(document, "CancelReason", "ReasonId")
    if not isinstance(id, str) or not id:
        raise Refused("error.400", "CancelReason is required", field="CancelReason")
    known = world.settings.cancel_reasons
    if known is not None and id not in known:
        raise Refused("error.400", f"CancelReason {id} is not a reason of type Cancel", field="CancelReason")
    return {"ReasonId": id}


def cancel_order(world: World, order: Json, reason: Json, comments: str | None) -> None:
    """Cancels the whole order, in place; raises ord::10007 once something of it is released."""
    span = order_range(order)
    if span is not None and span[1] >= RELEASED:
        raise order_not_permitted(order["OrderId"], status_name(span[1]))
    if not all(_return_can_be_cancelled(line) for line in rows(order, "OrderLine") if line.get("IsReturn")):
        raise order_not_permitted(order["OrderId"], status_name(_VERIFIED))
    for line in rows(order, "OrderLine"):
        if not line.get("IsCancelled"):
            cancel_line(world, order, line, reason, comments)
    finish_order(order, reason, comments)


def finish_order(order: Json, reason: Json, comments: str | None) -> None:
    """What happens to the header when the last line is cancelled."""
    if order.get("IsCancelled") or not all(line.get("IsCancelled") for line in rows(order, "OrderLine")):
        return
    charges = rows(order, "OrderChargeDetail")
    order |= {
        "IsCancelled": True,
        "CancelReason": reason,
        "CancelComments": comments,
        "CancelledOrderSubTotal": sum(
            (number(line.get("CancelledOrderLineSubTotal")) for line in rows(order, "OrderLine")), ZERO
        ),
        "CancelledTotalDiscounts": sum(
            (amount for row in charges if (amount := number(row.get("ChargeTotal"))) < 0), ZERO
        ),
        "CancelledOrderChargeDetail": charges,
        "CancelledOrderTaxDetail": rows(order, "OrderTaxDetail"),
        "OrderChargeDetail": [],
        "OrderTaxDetail": [],
    }


def cancel_lines(world: World, order: Json, lines: Mapping[str, tuple[Json, str | None]]) -> None:
    """Cancels lines, in place: line id -> (reason, comments). All of them, or Refused and none.

    A released line is refused (ord::10008), or requested when the tenant allows late cancellation.
    """
    by_id = {line["OrderLineId"]: line for line in rows(order, "OrderLine")}
    for line_id in lines:
        if line_id not in by_id:
            raise Refused(
                "error.400",
                f"Order line {line_id} does not exist",
                field="OrderLineId",
                keys={"OrderId": order["OrderId"], "OrderLineId": line_id},
            )
        _check_cancellable(world, order, by_id[line_id])
    for line_id, (reason, comments) in lines.items():
        line = by_id[line_id]
        if line.get("IsCancelled"):
            continue
        if line_range(line)[1] >= RELEASED and not line.get("IsReturn"):
            _request_cancellation(world, order, line, reason, comments)
        else:
            cancel_line(world, order, line, reason, comments)
        finish_order(order, reason, comments)


def _check_cancellable(world: World, order: Json, line: Json) -> None:
    if line.get("IsCancelled"):
        return
    high = line_range(line)[1]
    if line.get("IsReturn"):
        if not _return_can_be_cancelled(line):
            raise line_not_permitted(order["OrderId"], line["OrderLineId"], status_name(high))
        return
    if high < RELEASED:
        return
    picked_up = code_of(line, "DeliveryMethod", "DeliveryMethodId") in _PICKUP
    on_its_way = any(
        number(row["FulfilledQuantity"]) > 0
        for release in rows(order, "Release")
        for row in rows(release, "ReleaseLine")
        if release["DestinationAction"] == MERGE and row["OrderLineId"] == line["OrderLineId"]
    )
    too_late = on_its_way or high >= (7000 if picked_up else 3700)
    if world.settings.post_release_cancel == "off" or too_late:
        raise line_not_permitted(order["OrderId"], line["OrderLineId"], status_name(high))


def _return_can_be_cancelled(line: Json) -> bool:
    """Until a unit of it is Returned; an unexpected item also while its hold lasts (DOC: return variance)."""
    if line.get("IsCancelled") or line_range(line)[1] != _VERIFIED:
        return True
    return any(
        hold["HoldTypeId"] == "ItemVariance" and status_of(hold.get("StatusId", "1000")) == 1000
        for hold in rows(line, "OrderLineHold")
    )


def cancel_line(world: World, order: Json, line: Json, reason: Json, comments: str | None) -> None:
    """Cancels every unit of a line, in place: quantity 0, money set aside, status 9000."""
    moment = render_moment(world.now(MANHATTAN))
    quantity = number(line.get("Quantity"))
    own = [row for row in rows(line, "OrderLineChargeDetail") if not row.get("HeaderChargeDetailId")]
    add_history(world, line, quantity, reason, comments)
    line |= {
        "IsCancelled": True,
        "CancelReason": reason,
        "CancelComments": comments,
        "CancelledOrderLineSubTotal": quantity * number(line.get("UnitPrice")),
        "CancelledOrderLineChargeDetail": own,
        "CancelledOrderLineTaxDetail": rows(line, "OrderLineTaxDetail"),
        "OrderLineChargeDetail": [],
        "OrderLineTaxDetail": [],
        "Quantity": ZERO,
        "UpdatedTimestamp": moment,
    }
    for row in rows(line, "QuantityDetail"):
        row["Quantity"] = ZERO
        row["UpdatedTimestamp"] = moment
    for allocation in rows(line, "Allocation"):
        allocation["Quantity"] = ZERO
    for release in rows(order, "Release"):
        for row in rows(release, "ReleaseLine"):
            if row["OrderLineId"] == line["OrderLineId"]:
                open_units = row["Quantity"] - row["FulfilledQuantity"] - row["CancelledQuantity"]
                if open_units > 0:
                    row["CancelledQuantity"] += open_units
                    row["CancelledDate"] = moment


def decrease_line(world: World, line: Json, units: Decimal, reason: Json, comments: str | None) -> None:
    """Takes unreleased units from a line, in place; back-ordered units go first."""
    moment = render_moment(world.now(MANHATTAN))
    add_history(world, line, units, reason, comments)
    left = units
    for status in (1500, 1600, 1000, 2000):
        for row in rows(line, "QuantityDetail"):
            if left > 0 and status_of(row["StatusId"]) == status:
                taken = min(left, number(row["Quantity"]))
                row["Quantity"] = number(row["Quantity"]) - taken
                row["UpdatedTimestamp"] = moment
                left -= taken
                if status == 2000:
                    _free_allocation(line, taken)


def _free_allocation(line: Json, units: Decimal) -> None:
    for allocation in rows(line, "Allocation"):
        if status_is_open(allocation):
            taken = min(units, number(allocation["Quantity"]))
            allocation["Quantity"] = number(allocation["Quantity"]) - taken
            units -= taken


def status_is_open(allocation: Json) -> bool:
    """Whether the allocation is not released yet."""
    return code_of(allocation, "Status", "StatusId") == "Open"


def add_history(world: World, line: Json, units: Decimal, reason: Json, comments: str | None) -> None:
    """A row of OrderLineCancelHistory."""
    row = {
        "CancelQuantity": units,
        "CancelReason": reason,
        "CancelComments": comments,
        "CreatedTimestamp": render_moment(world.now(MANHATTAN)),
    }
    copies = [dict(row) for _ in range(world.settings.cancel_history_copies)]
    line["OrderLineCancelHistory"] = [*rows(line, "OrderLineCancelHistory"), *copies]


def _request_cancellation(world: World, order: Json, line: Json, reason: Json, comments: str | None) -> None:
    if line.get("CancellationRequestStatus") == "Requested":
        return
    now = world.now(MANHATTAN)
    line["CancellationRequestStatus"] = "Requested"
    line["UpdatedTimestamp"] = render_moment(now)
    world.mao.cancellations.append(
        {
            "OrderId": order["OrderId"],
            "OrgId": order["OrgId"],
            "OrderLineId": line["OrderLineId"],
            "CancelReason": reason,
            "CancelComments": comments,
            "CancellationRequestStatus": "Requested",
            "CreatedTimestamp": render_moment(now),
            "UpdatedTimestamp": render_moment(now),
        }
    )


def decide_cancellations(world: World) -> None:
    """Late cancellations whose time has come succeed or fail, as the settings say."""
    settings = world.settings
    if settings.post_release_cancel not in ("success", "failure"):
        return
    now = world.now(MANHATTAN)
    wait = timedelta(seconds=settings.post_release_cancel_s)
    for row in world.mao.cancellations:
        if row["CancellationRequestStatus"] != "Requested":
            continue
        created = parse_moment(row["CreatedTimestamp"])
        if now < created + wait or render_moment(now) == row["CreatedTimestamp"]:
            continue
        key = key_of(world, row["OrgId"], row["OrderId"])
        stored = world.mao.orders.get(key)
        if stored is None:
            continue
        order = copy_json(stored)
        line = next(each for each in order["OrderLine"] if each["OrderLineId"] == row["OrderLineId"])
        shipped = line_range(line)[1] >= 7000
        succeeded = settings.post_release_cancel == "success" and not shipped
        row["CancellationRequestStatus"] = "Success" if succeeded else "Failure"
        row["UpdatedTimestamp"] = line["UpdatedTimestamp"] = render_moment(now)
        if succeeded:
            cancel_line(world, order, line, row["CancelReason"], row["CancelComments"])
            finish_order(order, row["CancelReason"], row["CancelComments"])
        line["CancellationRequestStatus"] = row["CancellationRequestStatus"]
        order["UpdatedTimestamp"] = render_moment(now)
        compute_order(order, world.new_id)
        store_order(world, key, order)
