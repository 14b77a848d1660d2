"""What must hold for returns whatever happened, looked at from outside: the shop's orders, MAO's documents,
the outbox file and the queue that operators see."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from returns_oracle import Expected, expected_items, refunded_total, shipped_units
from returns_world import CONDITIONS, ReturnsWorld
from stage import Violation

from ct_mao_sync.engine.rows import DeadLetter

SYSTEM_CODES = frozenset({"target-failed", "conflict"})
QUIET_RUNS_MAX = 16


def check_step(world: ReturnsWorld) -> None:
    """After every step."""
    world.note()
    if world.violations:
        raise Violation("; ".join(world.violations))
    check_not_more_than_shipped(world)
    check_foreign_items(world)
    check_outbox_file(world)


def check_end(world: ReturnsWorld) -> None:
    """No more faults, and runs until nothing moves; then everything must be in its place."""
    make_quiet(world)
    check_second_run_writes_nothing(world)
    letters = world.open_letters()
    check_every_return(world, letters)
    check_nothing_else_is_ours(world)
    check_outbox_is_complete(world, letters)


# ---- at every moment -----------------------------------------------------------------------------------


def check_not_more_than_shipped(world: ReturnsWorld) -> None:
    """I5: never more back than has left."""
    shipped = shipped_units(world.mao_orders())
    returned: Counter[tuple[str, str]] = Counter()
    for order_id, item in world.own_items():
        if item["shipmentState"] != "Advised":
            returned[order_id, item["lineItemId"]] += item["quantity"]
    for place, units in returned.items():
        if units > shipped.get(place, 0):
            raise Violation(f"I5: {units} returned of {shipped.get(place, 0)} shipped, line {place}")


def check_foreign_items(world: ReturnsWorld) -> None:
    """What others wrote is as they left it."""
    found = {(order_id, item["id"]): item for order_id, item in world.items()}
    for place, wrote in world.foreign.items():
        item = found.get(place)
        if item is None:
            raise Violation(f"the return item {place} of an agent is gone")
        for name, value in wrote.items():
            if item.get(name) != value:
                raise Violation(f"the return item {place} of an agent has another {name}: {item.get(name)}")
        if item["paymentState"] not in (world.decided.get(place), "Initial", "NonRefundable"):
            raise Violation(f"the return item {place} of an agent is {item['paymentState']}")
        if item["shipmentState"] not in ("Advised", "Returned"):
            raise Violation(f"the return item {place} of an agent is {item['shipmentState']}")
    for place, state in world.decided.items():
        if place in found and found[place]["paymentState"] != state:
            raise Violation(f"a payment service said {state} of {place}, now {found[place]['paymentState']}")


def check_outbox_file(world: ReturnsWorld) -> None:
    """Only whole lines; nothing that stood there is gone; no key twice while the state is kept."""
    path = world.folder / "outbox.jsonl"
    if not path.exists():
        if world.outbox_keys:
            raise Violation("the outbox is gone")
        return
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        raise Violation(f"the outbox ends in the middle of a line: {text[-60:]!r}")
    keys = [json.loads(line)["key"] for line in text.splitlines()]
    if keys[: len(world.outbox_keys)] != world.outbox_keys:
        raise Violation("a line of the outbox has been taken back")
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice and not world.state_was_lost:
        raise Violation(f"twice in the outbox though the state was kept: {twice}")
    world.outbox_keys = keys


# ---- in the end ------------------------------------------------------------------------------------------


def make_quiet(world: ReturnsWorld) -> None:
    world.end_trouble()
    before: Any = None
    for _ in range(QUIET_RUNS_MAX):
        world.later(hours=26)
        world.tell_shipments()
        report = world.sync()
        assert report is not None
        if report.exit_code not in (0, 3):
            raise Violation(f"a run without faults ended with {report.exit_code}: {report.problem}")
        worn_out = [letter.entity for letter in world.open_letters().values() if letter.code in SYSTEM_CODES]
        if worn_out:  # ten tries in bad times: a person says once more
            world.sync(dead_letters=tuple(worn_out))
        now = [
            *((entity, order["version"]) for entity, order in world.shop.items()),
            *((entity, letter.code) for entity, letter in world.open_letters().items()),
        ]
        if now == before:
            return
        before = now
    raise Violation(f"no end of it: still writing after {QUIET_RUNS_MAX} runs without faults")


def check_second_run_writes_nothing(world: ReturnsWorld) -> None:
    """I2."""
    world.later(minutes=5)
    writes = world.writes()
    outbox = (world.folder / "outbox.jsonl").stat().st_size if world.outbox_keys else 0
    report = world.sync()
    assert report is not None
    if world.writes() != writes:
        raise Violation(f"I2: a further run wrote: {report.counts}")
    if outbox and (world.folder / "outbox.jsonl").stat().st_size != outbox:
        raise Violation("I2: a further run wrote into the outbox")


def check_every_return(world: ReturnsWorld, letters: Mapping[str, DeadLetter]) -> None:
    """Every unit that came back is told, with its disposition and refund, or a dead letter says why not."""
    of_return: dict[str, list[Expected]] = defaultdict(list)
    for expected in expected_items(world.mao_orders()):
        of_return[expected.return_id].append(expected)
    actual = _by_key(world)
    for order in world.mao_orders():
        return_id = order["OrderId"]
        letter = _letter_of(return_id, letters)
        reasons = _reasons(world, order, of_return.get(return_id, []))
        if letter is not None and not reasons:
            raise Violation(f"{letter.code} is no fault of {return_id}: {letter.message}")
        for expected in of_return.get(return_id, []):
            wrong = _difference(world, expected, actual.get(expected.key, []))
            if (
                wrong
                and "stale" in reasons
                and _is_same_by_fate(world, expected, of_return[return_id], actual)
            ):
                continue  # found in another condition at second sight, with the same disposition
            if wrong and letter is None and "deleted" not in reasons:  # nobody looks at what is over
                raise Violation(f"{expected}: {wrong}; no dead letter says why")
            if wrong and not reasons & _EXCUSES:
                raise Violation(f"{expected}: {wrong}; {letter}")


_EXCUSES = frozenset({"unmapped", "stale", "crowded", "deleted", "rewrite"})


def _reasons(world: ReturnsWorld, order: Mapping[str, Any], expected: list[Expected]) -> set[str]:
    """Why a return may be waiting in the queue, by its own data."""
    reasons = set()
    if any(one.verified and not one.kept and one.condition not in _mapped(world) for one in expected):
        reasons.add("unmapped")
    for line in order["OrderLine"]:
        if line.get("IsReturn") and not line.get("ParentOrderLineId") and not line.get("IsCancelled"):
            reasons.add("no parent line")
    places = {(one.order_id, one.line_id) for one in expected}
    places |= {
        place for place, keys in _places(world).items() if any(key[0] == order["OrderId"] for key in keys)
    }
    for place in places:
        for key in _places(world).get(place, ()):
            if world.most[key] > _final(world, key):
                reasons.add("stale")
    if any((one.order_id, one.line_id) in _foreign_lines(world) for one in expected):
        reasons.add("crowded")
    if order["OrderId"] in world.deleted:
        reasons.add("deleted")
    if world.options["add_when"] == "advised":
        orders = {one.order_id for one in expected} | {order_id for order_id, _ in _places_of(world, order)}
        moved = {
            order_id
            for order_id, item in world.items()
            if (order_id, item["id"]) in world.foreign
            or (item["shipmentState"], item["paymentState"])
            not in (("Advised", "NonRefundable"), ("Returned", "Initial"))
        }
        if orders & moved:
            reasons.add("rewrite")
    return reasons


def _difference(world: ReturnsWorld, expected: Expected, items: list[dict[str, Any]]) -> str:
    units = sum(item["quantity"] for item in items)
    most = world.most[expected.key]
    if not expected.units <= units <= most:
        return f"{units} units are told"
    for item in items:
        place = (expected.order_id, item["id"])
        if item["lineItemId"] != expected.line_id:
            return f"told of line {item['lineItemId']}"
        told = expected.verified and not expected.kept and expected.condition in _mapped(world)
        wanted = CONDITIONS[expected.condition] if told else "Returned"
        if item["shipmentState"] != wanted:
            return f"{item['key']} is {item['shipmentState']}, not {wanted}"
        refunded = expected.refunded and world.options["payment_state"] == "true"
        by_mao = "NotRefunded" if expected.free else "Refunded"
        payment = world.decided.get(place) or (by_mao if refunded else "Initial")
        if item["paymentState"] != payment:
            return f"{item['key']} is {item['paymentState']}, not {payment}"
    return ""


def _is_same_by_fate(
    world: ReturnsWorld,
    one: Expected,
    of_return: list[Expected],
    actual: Mapping[tuple[str, str, str], list[dict[str, Any]]],
) -> bool:
    """Whether the items of a return line say what becomes of its units, whatever condition they name."""
    wanted: Counter[str] = Counter()
    for each in of_return:
        if each.return_line_id == one.return_line_id:
            told = each.verified and not each.kept and each.condition in _mapped(world)
            wanted[CONDITIONS[each.condition] if told else "Returned"] += each.units
    told_units: Counter[str] = Counter()
    for key, items in actual.items():
        if key[:2] == one.key[:2]:
            for item in items:
                told_units[item["shipmentState"]] += item["quantity"]
    return wanted == told_units


def check_nothing_else_is_ours(world: ReturnsWorld) -> None:
    """Every item that nobody else made belongs to units that MAO once had; its parcel is named."""
    known = set(world.most)
    tracking = {
        order["OrderId"]: [row["ReturnTrackingNumber"] for row in order.get("ReturnTrackingDetail") or ()]
        for order in world.mao_orders()
    }
    for key in _by_key(world):
        if key not in known:
            raise Violation(f"nobody knows the return item of {key}")
    for order in world.shop.values():
        for info in order.get("returnInfo") or ():
            own = [item for item in info["items"] if (order["id"], item["id"]) not in world.foreign]
            for item in own:
                numbers = tracking[_key_of(world, item)[0]]
                if numbers and info.get("returnTrackingId") not in numbers:
                    raise Violation(f"{item['key']} has the tracking id {info.get('returnTrackingId')}")


def check_outbox_is_complete(world: ReturnsWorld, letters: Mapping[str, DeadLetter]) -> None:
    """Every unit with a disposition, and every refund, was handed over."""
    if not world.options["outbox"]:
        return
    path = world.folder / "outbox.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = list({document["key"]: document for document in map(json.loads, text.splitlines())}.values())
    told: Counter[tuple[str, str, str]] = Counter()
    paid: Counter[str] = Counter()
    refunded: set[str] = set()
    for document in lines:
        if document["event"] == "return-refunded":
            refunded.add(document["returnId"])
            paid[document["returnId"]] += document["amount"]
            continue
        for row in document["lines"]:
            if row["disposition"] not in (CONDITIONS.get(row["condition"]), "Kept"):
                raise Violation(f"the outbox says {row}")
            told[document["returnId"], row["lineItemId"], row["condition"]] += row["quantity"]
    wanted: Counter[tuple[str, str, str]] = Counter()
    unsure: set[tuple[str, str, str]] = set()
    for one in expected_items(world.mao_orders()):
        place = (one.return_id, one.line_id, one.condition)
        if one.verified and (one.kept or one.condition in _mapped(world)):
            wanted[place] += one.units
        if world.most[one.key] != one.units or _letter_of(one.return_id, letters) is not None:
            unsure.add(place)
    for place in wanted.keys() | told.keys():
        if place not in unsure and told[place] != wanted[place] and place[0] in {p[0] for p in wanted}:
            raise Violation(f"the outbox tells {told[place]} units of {place}, not {wanted[place]}")
    for order in world.mao_orders():
        return_id = order["OrderId"]
        if _letter_of(return_id, letters) is not None or not any(place[0] == return_id for place in wanted):
            continue
        if refunded_total(order) and return_id not in refunded:
            raise Violation(f"the outbox says nothing of the refund of {return_id}")
        amount = refunded_total(order) * (1 if order["CurrencyCode"] == "JPY" else 100)
        if return_id in refunded and Decimal(paid[return_id]) != amount:
            raise Violation(f"the outbox says {paid[return_id]} were refunded of {return_id}, not {amount}")


# ---- pieces ------------------------------------------------------------------------------------------------


def _mapped(world: ReturnsWorld) -> set[str]:
    """The conditions with a disposition."""
    return set(CONDITIONS) - {world.options["unmapped"]}


def _by_key(world: ReturnsWorld) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for _, item in world.own_items():
        if item["shipmentState"] != "Advised":
            found[_key_of(world, item)].append(item)
    return found


def _key_of(world: ReturnsWorld, item: Mapping[str, Any]) -> tuple[str, str, str]:
    """mao-<return>-<line>-<condition>-<n>; what is no letter or digit is replaced, with a hash."""
    prefix, return_id, line_id, *rest = item["key"].split("-")
    if prefix != "mao":
        raise Violation(f"a key of nobody: {item['key']}")
    told = "-".join(rest[:-1])
    for condition in CONDITIONS:
        if re.fullmatch(re.sub("[^A-Za-z0-9]", "_", condition) + "(_[0-9a-f]{8})?", told):
            return return_id, line_id, condition
    return return_id, line_id, "" if told == "unknown" else told


def _letter_of(return_id: str, letters: Mapping[str, DeadLetter]) -> DeadLetter | None:
    return next((letter for entity, letter in letters.items() if entity.startswith(return_id)), None)


def _final(world: ReturnsWorld, key: tuple[str, str, str]) -> int:
    return next((one.units for one in expected_items(world.mao_orders()) if one.key == key), 0)


def _places(world: ReturnsWorld) -> dict[tuple[str, str], set[tuple[str, str, str]]]:
    """(order, line) -> what ever came back of it."""
    lines = {
        (order["OrderId"], line["OrderLineId"]): line
        for order in world.mao_orders()
        for line in order["OrderLine"]
    }
    orders = {order["OrderId"]: order for order in world.mao_orders()}
    found: dict[tuple[str, str], set[tuple[str, str, str]]] = defaultdict(set)
    for key in world.most:
        line = lines[key[0], key[1]]
        parent = orders[line["ParentOrderId"]]
        found[parent["AlternateOrderId"], line["ParentOrderLineId"][:36]].add(key)
    return found


def _places_of(world: ReturnsWorld, order: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(order, line) that the lines of a return come back of."""
    orders = {one["OrderId"]: one for one in world.mao_orders()}
    return {
        (orders[line["ParentOrderId"]]["AlternateOrderId"], line["ParentOrderLineId"][:36])
        for line in order["OrderLine"]
        if line.get("IsReturn") and line.get("ParentOrderLineId")
    }


def _foreign_lines(world: ReturnsWorld) -> set[tuple[str, str]]:
    return {(order_id, item["lineItemId"]) for (order_id, _), item in world.foreign.items()}
