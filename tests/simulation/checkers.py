"""What must hold whatever happened, looked at from outside: the two systems, what reached them, and the state
that operators see. Nothing here knows how the product maps, merges or decides."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from stage import Violation
from world import Save, World

from ct_mao_sync.engine.rows import DeadLetter

SYSTEM_CODES = frozenset({"target-failed", "conflict"})
FULFILLED = 7000
RELEASED = 3000
QUIET_RUNS_MAX = 16


def check_step(world: World) -> None:
    """After every step."""
    check_one_order_each(world)
    check_watermark(world)


def check_end(world: World) -> None:
    """No more faults, and runs until nothing moves; then everything must be in its place."""
    make_quiet(world)
    check_second_run_writes_nothing(world)
    letters = world.open_letters()
    check_every_order(world, letters)
    check_mao_keeps_its_own(world)
    check_no_letter_of_a_system(world, letters)
    for save in world.saves:
        check_money(world, save)


# ---- I3, watermark ---------------------------------------------------------------------------------


def check_one_order_each(world: World) -> None:
    """I3: one commercetools order is at most one MAO order, and none is created over one that is there."""
    found: dict[str, set[str]] = defaultdict(set)
    for order in world.mao_orders():
        found[str(order.get("AlternateOrderId"))].add(order["OrderId"])
    created: dict[str, set[str]] = defaultdict(set)
    for save in world.saves:
        if save.creates and save.ok:
            created[str(save.body["AlternateOrderId"])].add(save.order_id)
            if save.was != "absent":
                raise Violation(f"I3: step {save.step} created {save.order_id} again, it was {save.was}")
    for entity, ids in [*found.items(), *created.items()]:
        if len(ids) > 1:
            raise Violation(f"I3: order {entity} is in MAO as {', '.join(sorted(ids))}")


def check_watermark(world: World) -> None:
    """It never goes back, and never passes the source's clock."""
    if not (world.folder / "state.sqlite3").exists():
        return
    watermark = _read_watermark(world)
    if world.watermark and (watermark is None or watermark < world.watermark):
        raise Violation(f"the watermark went back from {world.watermark} to {watermark}")
    if watermark and watermark > world.shop_now():
        raise Violation(f"the watermark {watermark} is ahead of the shop's clock {world.shop_now()}")
    world.watermark = watermark


def _read_watermark(world: World) -> datetime | None:
    """As anyone could read it from the file."""
    with contextlib.closing(sqlite3.connect(world.folder / "state.sqlite3")) as db:
        try:
            row = db.execute("SELECT watermark FROM checkpoints WHERE pass = 'window:orders'").fetchone()
        except sqlite3.OperationalError:  # died before there was a table
            return None
    return datetime.fromisoformat(row[0]) if row and row[0] else None


# ---- quiet, I2 ---------------------------------------------------------------------------------------


def make_quiet(world: World) -> None:
    """Faults end, poison ends, time goes by, and runs are made until one of them changes nothing."""
    world.end_trouble()
    before: Any = None
    for _ in range(QUIET_RUNS_MAX):
        world.later(hours=26)
        report = world.sync()
        assert report is not None
        if report.exit_code not in (0, 3):
            raise Violation(f"a run without faults ended with {report.exit_code}: {report.problem}")
        worn_out = [letter.entity for letter in world.open_letters().values() if letter.code in SYSTEM_CODES]
        if worn_out:  # ten tries in bad times: a person says once more
            world.sync(dead_letters=tuple(worn_out))
        now = _picture(world)
        if now == before:
            return
        before = now
    raise Violation(f"no end of it: still writing after {QUIET_RUNS_MAX} runs without faults")


def check_second_run_writes_nothing(world: World) -> None:
    """I2: a further run makes no write in either system, and reads one page of changes."""
    world.later(minutes=5)
    writes, read = world.writes(), world.reads()
    with world.store() as store:
        waits = bool(store.cancelling())  # then MAO is asked what it has decided
    report = world.sync()
    assert report is not None
    if world.writes() != writes:
        raise Violation(f"I2: a further run wrote: {report.counts}")
    if not waits and world.reads() != read + 1:
        raise Violation(f"I2: a further run made {world.reads() - read} requests: {report.counts}")


def _picture(world: World) -> list[tuple[str, Any]]:
    """What both sides and the queue look like; a write that is refused once more changes nothing. Left out:
    late cancellations that MAO refuses, because they are asked for again and again until it has shipped."""
    store = world.sandbox.world.mao
    late = {
        str(order.get("AlternateOrderId"))
        for order in store.orders.values()
        if any(line.get("CancellationRequestStatus") for line in order["OrderLine"])
    }
    shop = [(entity, order["version"]) for entity, order in world.shop.items()]
    letters = [(entity, letter.code) for entity, letter in world.open_letters().items() if entity not in late]
    saved = [
        (order["OrderId"], order["UpdatedTimestamp"])
        for order in store.orders.values()
        if order.get("AlternateOrderId") not in late
    ]
    return [*shop, *letters, *saved]


# ---- I1, I6, I7, I8 ----------------------------------------------------------------------------------


def check_every_order(world: World, letters: Mapping[str, DeadLetter]) -> None:
    """I1: every order that belongs into MAO is there and equal to the shop where MAO did not change it, or
    it is an open dead letter whose code its own data explains."""
    for entity, order in world.shop.items():
        letter = letters.get(entity)
        mao = world.mao_of(entity)
        if letter is not None:
            if not explained(world, order, mao, letter):
                raise Violation(f"I1: {letter.code} is no fault of its order: {letter.message}")
        elif entity in world.discarded:
            continue
        elif mao is None:
            if belongs_into_mao(order):
                raise Violation(f"I1: order {_name(order)} is not in MAO, and no dead letter says why")
        else:
            for difference in differences(world, order, mao):
                raise Violation(f"I1: order {_name(order)}, MAO {mao['OrderId']}: {difference}")


def belongs_into_mao(order: Mapping[str, Any]) -> bool:
    infos = [order.get("shippingInfo") or {}, *(row["shippingInfo"] for row in order.get("shipping") or ())]
    return (
        order["orderState"] in ("Open", "Confirmed")
        and order.get("shipmentState") not in ("Shipped", "Delivered", "Partial")
        and not any(info.get("deliveries") for info in infos)
    )


def explained(
    world: World, order: Mapping[str, Any], mao: Mapping[str, Any] | None, letter: DeadLetter
) -> bool:
    """Whether the order's own data are the reason for this code."""
    touched = world.touched.get(order["id"], {})
    if letter.code == "shipping-method-unmapped":
        return not _methods(order) <= world.methods
    if letter.code == "source-invalid":
        return any(
            not (address.get(name)) for address in _addresses(order) for name in ("streetName", "postalCode")
        )
    if letter.code == "order-id-taken":
        ids = {o["OrderId"] for o in world.mao_orders() if o.get("AlternateOrderId") not in world.shop}
        return mao is None and bool(ids & _possible_ids(world, order))
    if letter.code == "order-locked":
        return mao is not None and (bool(touched) or _highest(mao) >= RELEASED)
    if letter.code == "cancel-refused":
        return mao is not None and _highest(mao) >= RELEASED and _cancels(order, mao)
    if letter.code == "target-refused":
        return _is_forgotten(world, order) or _was_refused(world, mao)
    if letter.code == "base-unknown":
        return order["id"] in world.in_mao_when_state_was_lost
    return False


def _cancels(order: Mapping[str, Any], mao: Mapping[str, Any]) -> bool:
    """The shop has cancelled all of it, or taken a line out that MAO still has."""
    kept = {line["id"] for line in order["lineItems"]}
    left = [row for row in mao["OrderLine"] if row["OrderLineId"][:36] not in kept and not _is_finished(row)]
    return order["orderState"] == "Cancelled" or bool(left)


def _was_refused(world: World, mao: Mapping[str, Any] | None) -> bool:
    """MAO forbade a change at the status it has reached, whatever became of the text that said so."""
    forbidden = ("ord::10007", "ord::10008")
    refusals = [save.refusal for save in world.saves if mao and save.order_id == mao["OrderId"]]
    return any(code in refusal for refusal in refusals for code in forbidden)


def _is_forgotten(world: World, order: Mapping[str, Any]) -> bool:
    """Neither state nor sync info say that it was exported, and no search finds it: MAO has to refuse it."""
    archived = ("archived", "") in world.touched.get(order["id"], {})
    lost = order["id"] in world.in_mao_when_state_was_lost and not world.options["sync_channel"]
    return archived and lost


def _possible_ids(world: World, order: Mapping[str, Any]) -> set[str]:
    template: str = world.options["order_id"]
    number = str(order.get("orderNumber") or "")
    return {template.replace("{orderNumber}", number).replace("{id}", order["id"]), order["id"]}


def _methods(order: Mapping[str, Any]) -> set[str]:
    infos = [order.get("shippingInfo"), *(row.get("shippingInfo") for row in order.get("shipping") or ())]
    found = set()
    for info in filter(None, infos):
        reference = info.get("shippingMethod") or {}
        key = (reference.get("obj") or {}).get("key") or METHOD_KEYS.get(reference.get("id"), "")
        found.add(key or info["shippingMethodName"])
    return found


METHOD_KEYS: dict[str, str] = {}


def _addresses(order: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if order.get("shippingAddress"):
        yield order["shippingAddress"]
    for row in order.get("shipping") or ():
        if row.get("shippingAddress"):
            yield row["shippingAddress"]
    yield from order.get("itemShippingAddresses") or ()


def _status(node: Mapping[str, Any], name: str) -> int:
    return int(Decimal(str(node.get(name) or 0)))


def _highest(mao: Mapping[str, Any]) -> int:
    return _status(mao, "MaxFulfillmentStatusId")


def _is_finished(node: Mapping[str, Any]) -> bool:
    return bool(node.get("IsCancelled")) or _status(node, "MinFulfillmentStatusId") >= FULFILLED


def differences(world: World, order: Mapping[str, Any], mao: Mapping[str, Any]) -> Iterator[str]:
    """Where MAO is not what the shop says, nor what MAO made of it."""
    touched = world.touched.get(order["id"], {})
    lines = [line for line in mao["OrderLine"] if not line.get("IsReturn")]
    if _is_finished(mao) or all(_is_finished(line) for line in lines):
        return
    if _is_forgotten(world, order):
        return
    if order["orderState"] == "Cancelled":
        if not any(line.get("CancellationRequestStatus") for line in lines):
            yield "the shop has cancelled it"
        return
    channel = world.options["sync_channel"]
    if channel and mao["OrderId"] not in [row.get("externalId") for row in order.get("syncInfo") or ()]:
        yield "the shop is not told its OrderId"
    hold = world.options["hold"]
    held = [h for h in mao.get("OrderHold") or () if h["HoldTypeId"] == hold and h["StatusId"] == "1000"]
    if hold and order.get("paymentState") == "Paid" and held:
        yield "it is paid and still on hold"
    by_item: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        by_item[line["OrderLineId"][:36]].append(line)
    wanted = {line["id"]: line for line in order["lineItems"]}
    for line_id in set(by_item) - set(wanted):
        for line in by_item[line_id]:
            asked = line.get("CancellationRequestStatus") == "Requested"
            if len(line["OrderLineId"]) >= 36 and not _is_finished(line) and not asked:
                yield f"line {line_id} is no longer in the shop"
    mao_took_units = any(line.get("CancellationRequestStatus") for line in lines)
    for line_id, line in wanted.items():
        rows = by_item.get(line_id, [])
        if any(("units", row["OrderLineId"]) in touched or _is_finished(row) for row in rows):
            mao_took_units = True
            continue
        quantity = sum(Decimal(str(row["Quantity"])) for row in rows)
        if quantity != line["quantity"]:
            yield f"line {line_id} has {quantity}, the shop has {line['quantity']}"
        if any(row["ItemId"] != line["variant"]["sku"] for row in rows):
            yield f"line {line_id} is another item"
    yield from _address_differences(order, lines, touched)
    if not mao_took_units:
        # All that is ours: what the shop has, whatever an agent added on top.
        yield from _money_differences(order, mao)


def _address_differences(
    order: Mapping[str, Any], lines: list[Mapping[str, Any]], touched: Mapping[tuple[str, str], Any]
) -> Iterator[str]:
    if order.get("shippingMode") != "Single" or order.get("itemShippingAddresses"):
        return
    address = order.get("shippingAddress") or {}
    for line in lines:
        there = (line.get("ShipToAddress") or {}).get("Address")
        if not there or _is_finished(line):
            continue
        for mine, theirs in (("city", "City"), ("postalCode", "PostalCode"), ("lastName", "LastName")):
            if (theirs, line["OrderLineId"]) in touched:
                continue
            if (there.get(theirs) or "") != (address.get(mine) or ""):
                yield f"line {line['OrderLineId'][:8]}: {theirs} is not the shop's"


def check_mao_keeps_its_own(world: World) -> None:
    """I8: what MAO or a person there changed is never undone, with or without a state file."""
    for entity, changes in world.touched.items():
        mao = world.mao_of(entity)
        if mao is None:
            raise Violation(f"I8: {entity} is gone from MAO")
        lines = {line["OrderLineId"]: line for line in mao["OrderLine"]}
        for (what, where), value in changes.items():
            line = lines.get(where, {})
            if what in ("Phone", "City"):
                now = (line.get("ShipToAddress") or {}).get("Address", {}).get(what)
                kept = now == value
            elif what == "units":
                now = 0 if line.get("IsCancelled") else line["Quantity"]
                kept = now <= value
            elif what == "appeasement":
                charges = [*mao["OrderChargeDetail"], *(mao.get("CancelledOrderChargeDetail") or ())]
                rows = {row["ChargeDetailId"]: row for row in charges}
                now = rows.get(where, {}).get("ChargeTotal")
                kept = now == value
            else:
                continue
            if not kept:
                raise Violation(f"I8: {mao['OrderId']} {what} {where}: MAO set {value}, now it is {now}")


def check_no_letter_of_a_system(world: World, letters: Mapping[str, DeadLetter]) -> None:
    """I6: when the systems are well again no dead letter is left that was theirs."""
    for letter in letters.values():
        if letter.code in SYSTEM_CODES:
            raise Violation(f"I6: {letter.code} is still open: {letter.message}")


# ---- I10 -----------------------------------------------------------------------------------------------


def check_money(world: World, save: Save) -> None:
    """I10: what a create carries costs what the order cost, to the minor unit; taxes that are not in the
    prices come on top, and all taxes are the order's."""
    if not (save.creates and save.ok):
        return
    entity = str(save.body["AlternateOrderId"])
    if entity not in world.shop:
        return
    version = int(save.body["OrderActions"]["VersionTimestamp"])
    totals = world.versions[entity, version]
    goods, on_top, taxes = _sums(save.body)
    scale = Decimal(10) ** totals.digits
    if goods * scale != totals.total:
        raise Violation(f"I10: {save.order_id} costs {goods * scale}, the order {totals.total}")
    if totals.gross is None or totals.net is None:
        return
    if (goods + on_top) * scale != totals.gross:
        raise Violation(f"I10: {save.order_id} is {(goods + on_top) * scale} gross, not {totals.gross}")
    if taxes * scale != totals.gross - totals.net:
        raise Violation(f"I10: {save.order_id} has {taxes * scale} of tax, not {totals.gross - totals.net}")


def _sums(body: Mapping[str, Any], *, ours_only: bool = False) -> tuple[Decimal, Decimal, Decimal]:
    """Goods and charges, taxes on top of them, all taxes; in major units."""
    lines = [line for line in body["OrderLine"] if not line.get("IsCancelled")]
    goods = sum((_amount(line["UnitPrice"]) * _amount(line["Quantity"]) for line in lines), Decimal(0))
    for charge in _rows(body, lines, "ChargeDetail", ours_only):
        goods += _amount(charge["ChargeTotal"])
    on_top = taxes = Decimal(0)
    for tax in _rows(body, lines, "TaxDetail", ours_only):
        taxes += _amount(tax["TaxAmount"])
        if not tax.get("IsInformational"):
            on_top += _amount(tax["TaxAmount"])
    return goods, on_top, taxes


def _rows(
    body: Mapping[str, Any], lines: list[Mapping[str, Any]], kind: str, ours_only: bool
) -> Iterator[Mapping[str, Any]]:
    rows = list(body.get(f"Order{kind}") or ())
    for line in lines:
        rows += line.get(f"OrderLine{kind}") or ()
    for row in rows:
        if ours_only and (not str(row.get(f"{kind}Id")).startswith("ct-") or row.get(f"Header{kind}Id")):
            continue
        yield row


def _money_differences(order: Mapping[str, Any], mao: Mapping[str, Any]) -> Iterator[str]:
    scale = Decimal(10) ** order["totalPrice"]["fractionDigits"]
    goods, on_top, taxes = _sums(mao, ours_only=True)
    if goods * scale != order["totalPrice"]["centAmount"]:
        yield f"it costs {goods * scale}, the shop says {order['totalPrice']['centAmount']}"
    taxed = order.get("taxedPrice")
    if not taxed:
        return
    gross, net = taxed["totalGross"]["centAmount"], taxed["totalNet"]["centAmount"]
    if (goods + on_top) * scale != gross:
        yield f"it is {(goods + on_top) * scale} gross, the shop says {gross}"
    if taxes * scale != gross - net:
        yield f"it has {taxes * scale} of tax, the shop says {gross - net}"


def _amount(value: Any) -> Decimal:
    return Decimal(str(value if value is not None else 0))


def _name(order: Mapping[str, Any]) -> str:
    return str(order.get("orderNumber") or order["id"])
