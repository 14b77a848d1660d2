"""Order save: create, or merge into what is there, as MAO does and with what MAO refuses."""

from __future__ import annotations

import re
from decimal import Decimal

from .core import MANHATTAN, Json, World
from .manhattan_cancel import cancel_lines, cancel_order, decrease_line, read_reason
from .manhattan_envelope import Refused
from .manhattan_fields import LINE, ORDER
from .manhattan_merge import merge_members
from .manhattan_parents import has_returns
from .manhattan_pricing import price_again
from .manhattan_read import MoneyRule, read_members
from .manhattan_return_lines import complete_returns
from .manhattan_store import key_of, line_not_permitted, order_not_permitted, store_order
from .manhattan_totals import (
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
from .manhattan_units import quantity_row
from .manhattan_validate import check_order
from .manhattan_values import code_of, copy_json, render_moment

_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,50}\Z")
_INTEGER = re.compile(r"\d{1,18}\Z")

# Changing one of these needs a status below Released (DOC: mod types, "Restrict from status").
_ORDER_RESTRICTED = frozenset(
    [
        "CurrencyCode",
        "DocType",
        "OrderType",
        "SellingChannel",
        "OrderChargeDetail",
        "OrderTaxDetail",
        "IsTaxExempt",
    ]
)
_LINE_RESTRICTED = frozenset(
    [
        "ItemId",
        "Quantity",
        "UOM",
        "UnitPrice",
        "OriginalUnitPrice",
        "IsTaxIncluded",
        "DeliveryMethod",
        "DeliveryMethodSubType",
        "ShippingMethodId",
        "CarrierCode",
        "ServiceLevelCode",
        "ShipToAddress",
        "ShipToLocationId",
        "OrderLineChargeDetail",
        "OrderLineTaxDetail",
        "OrderLinePromisingInfo",
        "RequestedDeliveryDate",
        "DoNotShipBeforeDate",
    ]
)
# Fees may come and go on a confirmed return (DOC: how does return work, return updates).
_RETURN_RESTRICTED = _LINE_RESTRICTED - {"OrderLineChargeDetail"}
_REALLOCATES = frozenset(["ItemId", "UOM", "DeliveryMethod", "ShipToAddress", "ShipToLocationId"])


def save_order(world: World, org: str, payload: Json) -> Json:
    """Creates the order or merges the payload into it; gives the stored order back.

    `org` is the organization of the request, used when the payload names none. Raises Refused, and then
    nothing has changed.
    """
    order_id = _read_order_id(payload)
    org = _read_org(world, payload, org)
    key = key_of(world, org, order_id)
    if key in world.mao.archived:
        raise Refused(
            "error.400", f"Order {order_id} is archived and cannot be modified", keys={"OrderId": order_id}
        )
    stored = world.mao.orders.get(key)
    read = read_members(ORDER, payload, "", _money_rule(world, payload, stored), world.mao.dropped)
    actions = read.pop("OrderActions", None) or {}
    version = _read_version(world, key, order_id, actions)
    moment = render_moment(world.now(MANHATTAN))
    order = copy_json(stored) if stored is not None else _new_order(order_id, org, moment)
    changed = _merge_order(world, order, read, is_new=stored is None, moment=moment)
    changed |= price_again(world, order, actions)
    if has_returns(order):
        complete_returns(world, org, stored, order, actions, moment)
    check_order(world, order)
    changed |= _apply_system_holds(world, order, moment)
    if version is not None:
        world.mao.facts.setdefault(key, {})["version"] = version
    if stored is not None and not changed:
        return stored
    if stored is None:
        order.setdefault("PaymentStatus", {"StatusId": _payment_status(order, actions)})
    order["UpdatedTimestamp"] = moment
    order["UpdatedBy"] = world.settings.manhattan_username
    compute_order(order, world.new_id)
    store_order(world, key, order)
    return order


def _read_order_id(payload: Json) -> str:
    order_id = payload.get("OrderId")
    if not isinstance(order_id, str) or not _ORDER_ID.match(order_id):
        raise Refused("error.400", "OrderId is required: up to 50 letters, digits, - and _", field="OrderId")
    return order_id


def _read_org(world: World, payload: Json, org: str) -> str:
    named = payload.get("OrgId")
    if named is None:
        return org
    if named not in (world.settings.organization, *world.settings.organizations):
        raise Refused("error.400", "OrgId is not an organization of this tenant", field="OrgId")
    return str(named)


def _money_rule(world: World, payload: Json, stored: Json | None) -> MoneyRule:
    currency = payload.get("CurrencyCode") or (stored or {}).get("CurrencyCode") or "USD"
    settings = world.settings
    if currency in settings.zero_decimal_currencies:
        return MoneyRule(str(currency), 0, strict=True)
    decimals = 3 if currency in settings.three_decimal_currencies else 2
    return MoneyRule(str(currency), decimals, strict=False)


def _read_version(world: World, key: str, order_id: str, actions: Json) -> int | None:
    sent = actions.get("VersionTimestamp")
    if sent is None:
        return None
    stamped = world.mao.facts.get(key, {}).get("version", -1)
    if isinstance(sent, bool) or not _INTEGER.match(str(sent)) or int(sent) <= stamped:
        raise Refused(
            "ord::10208",
            f"Order {order_id}, is bridged in with a stale/decremented or non integer version - {sent}",
            keys={"OrderId": order_id},
        )
    return int(sent)


def _new_order(order_id: str, org: str, moment: str) -> Json:
    return {
        "OrderId": order_id,
        "OrgId": org,
        "CreatedTimestamp": moment,
        "UpdatedTimestamp": moment,
        "OrderLine": [],
        "IsConfirmed": False,
        "IsCancelled": False,
        "Messages": None,
    }


def _merge_order(world: World, order: Json, patch: Json, *, is_new: bool, moment: str) -> bool:
    order_id = order["OrderId"]
    before = order_range(order)
    high = before[1] if before and not is_new else 0
    line_patches = patch.pop("OrderLine", None) or []
    cancelled = patch.pop("IsCancelled", None)
    reason = patch.pop("CancelReason", None)
    comments = patch.pop("CancelComments", None)
    patch.pop("IsOnHold", None)  # computed
    instructions = _instructions(order, "OrderNote")
    changed = merge_members(world, ORDER, order, patch)
    if high >= RELEASED and (
        changed & _ORDER_RESTRICTED or instructions != _instructions(order, "OrderNote")
    ):
        raise order_not_permitted(order_id, status_name(high))
    if _merge_lines(world, order, line_patches, high=high, moment=moment):
        changed.add("OrderLine")
    if cancelled and not order.get("IsCancelled"):
        cancel_order(world, order, read_reason(world, {"CancelReason": reason}), comments)
        changed.add("IsCancelled")
    elif cancelled is False and order.get("IsCancelled"):
        raise order_not_permitted(order_id, status_name(high))
    return bool(changed)


def _merge_lines(world: World, order: Json, patches: list[Json], *, high: int, moment: str) -> bool:
    lines = {line["OrderLineId"]: line for line in rows(order, "OrderLine")}
    cancelled: dict[str, tuple[Json, str | None]] = {}
    seen: set[str] = set()
    changed = False
    for patch in patches:
        line_id = patch.pop("OrderLineId", None)
        if not line_id:
            raise Refused("error.400", "OrderLine.OrderLineId is required", field="OrderLineId")
        if line_id in seen:
            raise Refused("error.400", f"OrderLine {line_id} is sent twice", field="OrderLineId")
        seen.add(line_id)
        is_cancelled = patch.pop("IsCancelled", None)
        reason = patch.pop("CancelReason", None)
        comments = patch.pop("CancelComments", None)
        line = lines.get(line_id)
        if line is None:
            if high >= RELEASED:
                raise order_not_permitted(order["OrderId"], status_name(high))
            lines[line_id] = line = _add_line(world, order, line_id, patch, moment)
            changed = True
        elif _change_line(world, order, line, patch, reason, comments, moment):
            changed = True
        if is_cancelled and not line.get("IsCancelled"):
            cancelled[line_id] = (read_reason(world, {"CancelReason": reason}), comments)
        elif is_cancelled is False and line.get("IsCancelled"):
            raise line_not_permitted(order["OrderId"], line_id, status_name(9000))
    if cancelled:
        cancel_lines(world, order, cancelled)
    return changed or bool(cancelled)


def _add_line(world: World, order: Json, line_id: str, patch: Json, moment: str) -> Json:
    line: Json = {"OrderLineId": line_id, "CreatedTimestamp": moment, "UpdatedTimestamp": moment}
    merge_members(world, LINE, line, patch)
    quantity = number(line.get("Quantity"))
    status = "11000" if line.get("IsReturn") else "1000"
    line |= {
        "IsCancelled": False,
        "QuantityDetail": [quantity_row(world, line, status, quantity, moment)],
        "Allocation": [],
        "FulfillmentDetail": [],
        "OrderLineCancelHistory": [],
        "CancellationRequestStatus": None,
        "LineShortCount": 0,
        "Messages": None,
    }
    order["OrderLine"].append(line)
    return line


def _change_line(
    world: World,
    order: Json,
    line: Json,
    patch: Json,
    reason: Json | None,
    comments: str | None,
    moment: str,
) -> bool:
    high = line_range(line)[1]
    old = number(line.get("Quantity"))
    new = patch.pop("Quantity", None)
    instructions = _instructions(line, "OrderLineNote")
    changed = merge_members(world, LINE, line, patch)
    if new is not None and new != old:
        changed.add("Quantity")
    if line.get("IsReturn"):
        restricted = _RETURN_RESTRICTED if order.get("IsConfirmed") else frozenset()
    else:
        restricted = _LINE_RESTRICTED if high >= RELEASED else frozenset()
    if restricted and (changed & restricted or instructions != _instructions(line, "OrderLineNote")):
        raise line_not_permitted(order["OrderId"], line["OrderLineId"], status_name(high))
    if "Quantity" in changed:
        if new <= 0:
            raise Refused("error.400", "Quantity must be greater than 0", field="OrderLine.Quantity")
        if line.get("IsReturn"):
            line["QuantityDetail"] = [quantity_row(world, line, "11000", new, moment)]
        elif new < old:
            decrease_line(world, line, old - new, reason or {"ReasonId": None}, comments)
        else:
            _add_units(world, line, "1000", new - old, moment)
        line["Quantity"] = new
    if changed & _REALLOCATES and not line.get("IsReturn"):
        _deallocate(world, line, moment)
    if changed:
        line["UpdatedTimestamp"] = moment
    return bool(changed)


def _deallocate(world: World, line: Json, moment: str) -> None:
    """An edit that forces a new allocation brings allocated and back-ordered units back to Open."""
    units = ZERO
    for row in rows(line, "QuantityDetail"):
        if status_of(row["StatusId"]) in (1500, 1600, 2000):
            units += row["Quantity"]
            row["Quantity"] = ZERO
            row["UpdatedTimestamp"] = moment
    if units > 0:
        _add_units(world, line, "1000", units, moment)
    for allocation in rows(line, "Allocation"):
        allocation["Quantity"] = ZERO
    for row in rows(line, "QuantityDetail"):
        row["ItemId"] = line.get("ItemId")
        row["UOM"] = line.get("UOM")


def _add_units(world: World, line: Json, status: str, units: Decimal, moment: str) -> None:
    for row in rows(line, "QuantityDetail"):
        if row["StatusId"] == status:
            row["Quantity"] = number(row["Quantity"]) + units
            row["UpdatedTimestamp"] = moment
            return
    line["QuantityDetail"].append(quantity_row(world, line, status, units, moment))


def _instructions(document: Json, name: str) -> list[Json]:
    """The notes that travel to the warehouse."""
    return [
        dict(note)
        for note in rows(document, name)
        if code_of(note, "NoteCategory", "NoteCategoryId") == "Instruction"
    ]


def _apply_system_holds(world: World, order: Json, moment: str) -> bool:
    wanted = []
    known = world.settings.known_customers
    customer_id = order.get("CustomerId")
    if known is not None and customer_id and customer_id not in known:
        wanted.append("CustomerInfoNotAvailable")
    if any(
        code_of(line, "DeliveryMethod", "DeliveryMethodId") == "ShipToAddress"
        and not (line.get("ShipToAddress") or {}).get("Address")
        and not line.get("IsCancelled")
        for line in rows(order, "OrderLine")
    ):
        wanted.append("AwaitingShipToAddress")
    present = {hold["HoldTypeId"] for hold in rows(order, "OrderHold")}
    missing = [each for each in wanted if each not in present]
    order["OrderHold"] = rows(order, "OrderHold") + [
        {"HoldTypeId": each, "StatusId": "1000", "CreatedTimestamp": moment} for each in missing
    ]
    return bool(missing)


def _payment_status(order: Json, actions: Json) -> str:
    if actions.get("SkipPaymentProcessing"):
        return "0.000"
    return "2000.000" if rows(order, "Payment") else "1000.000"
