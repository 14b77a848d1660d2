"""What must hold of the status job: of every single update, and of both systems when all is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stage import Violation
from status_oracle import Expected, expected_line_states, expected_of

if TYPE_CHECKING:
    from status_world import StatusWorld

Json = Mapping[str, Any]

OURS = "mao-"
SHIPMENT_RANKS = {"Partial": 1, "Shipped": 2, "Delivered": 3, "Canceled": 3}
ORDER_RANKS = {"Open": 0, "Confirmed": 1, "Complete": 2, "Cancelled": 2}
_MAY_CHANGE = {
    *("version", "versionModifiedAt", "lastModifiedAt", "lastModifiedBy", "lastMessageSequenceNumber"),
    *("orderState", "shipmentState", "state", "syncInfo"),
    *("lineItems", "customLineItems", "shippingInfo", "shipping"),
}


# ---- one update ----------------------------------------------------------------------------------------


def check_update(before: Json, after: Json, state_keys: Mapping[str, str], mapped: Mapping[str, str]) -> None:
    """I4, I5 and that nothing of others is touched; raises Violation."""
    name = after.get("orderNumber") or after["id"]
    for field in {*before, *after} - _MAY_CHANGE:
        if before.get(field) != after.get(field):
            raise Violation(f"{name}: {field} is not ours to change")
    for field, ranks in (("orderState", ORDER_RANKS), ("shipmentState", SHIPMENT_RANKS)):
        was, now = before.get(field, ""), after.get(field, "")
        if ranks.get(now, 0) < ranks.get(was, 0) or (was != now and ranks.get(was, 0) == max(ranks.values())):
            raise Violation(f"I4: {name}: {field} went from {was} to {now}")
    _check_deliveries(name, before, after)
    for kind in ("lineItems", "customLineItems"):
        old = {line["id"]: line for line in before[kind]}
        for line in after[kind]:
            _check_line(name, old[line["id"]], line, after, before, state_keys, mapped)


def deliveries(order: Json) -> Iterator[Json]:
    for info in [
        order.get("shippingInfo") or {},
        *(row["shippingInfo"] for row in order.get("shipping") or ()),
    ]:
        yield from info.get("deliveries") or ()


def is_ours(thing: Json) -> bool:
    return str(thing.get("key") or "").startswith(OURS)


def _check_deliveries(name: str, before: Json, after: Json) -> None:
    keys = [each["key"] for each in deliveries(after) if each.get("key")]
    if len(set(keys)) < len(keys):
        raise Violation(f"{name}: a delivery twice")
    now = {each["id"]: each for each in deliveries(after)}
    for was in deliveries(before):
        is_now = now.get(was["id"])
        foreign_parcels = [each for each in was["parcels"] if not is_ours(each)]
        if not is_ours(was) and is_now != was:
            raise Violation(f"{name}: the delivery {was.get('key')} of another tool was changed")
        if (was.get("custom") or foreign_parcels) and is_now is None:
            raise Violation(f"{name}: {was['key']} was removed, with what others keep in it")
        if is_now is None:
            continue
        if was.get("custom") != is_now.get("custom"):
            raise Violation(f"{name}: the custom type of {was['key']} was changed")
        if any(parcel not in is_now["parcels"] for parcel in foreign_parcels):
            raise Violation(f"{name}: the parcel of another tool in {was['key']} was changed")


def delivered_units(order: Json, line_id: str, *, ours_only: bool = False) -> int:
    return sum(
        item["quantity"]
        for delivery in deliveries(order)
        for item in delivery["items"]
        if item["id"] == line_id and (is_ours(delivery) or not ours_only)
    )


def _check_line(
    name: str,
    was: Json,
    now: Json,
    after: Json,
    before: Json,
    state_keys: Mapping[str, str],
    mapped: Mapping[str, str],
) -> None:
    if {**was, "state": None} != {**now, "state": None}:
        raise Violation(f"{name}: line {now['id']} has changed")
    shown, showed = (delivered_units(order, now["id"], ours_only=True) for order in (after, before))
    if shown < showed:
        raise Violation(f"I4: {name}: {showed} units of line {now['id']} were delivered, now {shown}")
    counts, counted = (units_by_state(line, state_keys) for line in (now, was))
    if sum(counts.values()) != now["quantity"]:
        raise Violation(f"{name}: the states of line {now['id']} do not add up")
    known = {*mapped.values(), "Initial"}
    for key in {*counts, *counted} - known:
        if counts[key] != counted[key]:
            raise Violation(f"{name}: units of line {now['id']} in {key} belong to somebody else")
    reached = [mapped.get(milestone) for milestone in ("returned", "delivered", "shipped")]
    for at in range(1, 4):
        keys = {key for key in reached[:at] if key}
        if sum(counts[key] for key in keys) < sum(counted[key] for key in keys):
            raise Violation(f"I4: {name}: units of line {now['id']} left {keys}")
    cancelled = mapped.get("cancelled", "")
    if counts[cancelled] < counted[cancelled]:
        raise Violation(f"I4: {name}: a cancelled unit of line {now['id']} came back")
    total, total_before = (delivered_units(order, now["id"]) for order in (after, before))
    # MAO may cancel what another tool has said to be delivered: nobody's delivery is ours to correct.
    if total > max(now["quantity"], total_before) or shown + counts[cancelled] > now["quantity"]:
        raise Violation(
            f"I5: {name}: line {now['id']} has {now['quantity']} units, {total} delivered, {shown} of these "
            f"by us, and {counts[cancelled]} cancelled"
        )


def units_by_state(line: Json, state_keys: Mapping[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in line.get("state") or ():
        found[state_keys[row["state"]["id"]]] += row["quantity"]
    return found


# ---- after each step, and in the end ---------------------------------------------------------------------


def check_step(world: StatusWorld) -> None:
    """Nothing is open that only the product can be to blame for (each update is checked when it is made)."""
    if world.violations:
        raise world.violations[0]
    if not world.is_calm:
        return
    for letter in world.open_letters().values():
        if letter.code in ("conflict", "target-refused", "source-invalid", "status-unmapped"):
            raise Violation(f"{letter.code} without a reason: {letter.message}")


def check_writes_of_run(world: StatusWorld) -> None:
    """At most one update for each order in one run that nobody disturbs."""
    for (run, entity), count in Counter(world.updates).items():
        if run == world.runs and count > 1:
            raise Violation(f"{count} updates of {entity} in one run")


def check_end(world: StatusWorld) -> None:
    """The systems are well again, time goes by: the shop shows what MAO did, and nothing more is written."""
    world.end_trouble()
    for hours in (1, 25, 25):
        world.later(hours=hours)
        report = world.sync()
        assert report is not None and report.exit_code in (0, 3), report
        world.story.append(f"    quiet: {report.counts}")
    writes = world.writes()
    world.later(hours=25)
    report = world.sync()
    assert report is not None
    if world.writes() != writes:
        raise Violation("I2: a second run of what did not change has written")
    letters = world.open_letters()
    for entity, order in world.shop.items():
        mao = world.mao_of(entity)
        assert mao is not None
        letter = letters.get(entity)
        if letter is not None:
            if letter.code not in world.broken.get(entity, ()):
                raise Violation(f"{letter.code} without a reason: {letter.message}")
            if letter.code != "quantity-exceeded":
                continue
        expected = expected_of(order, mao, per=world.options["delivery_per"])
        for difference in differences(world, order, expected):
            raise Violation(f"{order.get('orderNumber') or entity}: {difference}")
    for letter in letters.values():
        if letter.entity not in world.shop and letter.code != "order-not-found":
            raise Violation(f"{letter.code} of an order that is not the shop's: {letter.message}")


def differences(world: StatusWorld, order: Json, expected: Expected) -> Iterator[str]:
    touched = world.foreign.get(order["id"], Counter())
    excess = "quantity-exceeded" in world.broken.get(order["id"], ())
    yield from _states_differ(order, expected, touched)
    if not excess:
        yield from _deliveries_differ(world, order, expected)
    configured = world.line_states()
    states = {id: state["key"] for id, state in world.sandbox.world.ct.states.items()}
    if configured and not touched["line states"] and not excess:
        for line in order["lineItems"]:
            counts, wanted = (
                units_by_state(line, states),
                expected_line_states(expected.units[line["id"]], configured),
            )
            if counts != wanted and not touched["return"]:
                yield f"line {line['id']} is in {dict(counts)}, not {dict(wanted)}"


def _states_differ(order: Json, expected: Expected, touched: Counter[str]) -> Iterator[str]:
    for field, wanted, ranks in (
        ("shipmentState", expected.shipment_state, SHIPMENT_RANKS),
        ("orderState", expected.order_state, ORDER_RANKS),
    ):
        now = order.get(field, "")
        # A unit that its customer means to return was delivered before, and stays so.
        ahead = bool(touched[field] or touched["return"]) and ranks.get(now, 0) >= ranks.get(wanted, 0)
        if wanted and now != wanted and not ahead:
            yield f"{field} is {now}, not {wanted}"


def _deliveries_differ(world: StatusWorld, order: Json, expected: Expected) -> Iterator[str]:
    found: dict[str, Counter[str]] = {}
    parcels: dict[tuple[str, str], Counter[str]] = {}
    for delivery in deliveries(order):
        if not is_ours(delivery):
            continue
        name = _name_in(delivery["key"], expected.deliveries)
        items = found.setdefault(name, Counter())
        for item in delivery["items"]:
            items[item["id"]] += item["quantity"]
        for parcel in delivery["parcels"]:
            if not is_ours(parcel):
                continue
            package = next(
                (p for d, p in expected.parcels if d == name and parcel["key"].endswith(p)), parcel["key"]
            )
            if world.options["delivery_per"] == "package":
                package = name
            inside = parcels.setdefault((name, package), Counter())
            for item in parcel["items"]:
                inside[item["id"]] += item["quantity"]
            number, carrier = expected.tracking.get((name, package), (None, ""))
            data = parcel.get("trackingData") or {}
            if number and data.get("trackingId") != number:
                yield f"parcel {parcel['key']} has tracking {data.get('trackingId')}, not {number}"
            if carrier == "UPS" and number and data.get("carrier") != "United Parcel Service":
                yield f"parcel {parcel['key']} goes by {data.get('carrier')}"
    if found != expected.deliveries:
        yield f"deliveries {_told(found)}, not {_told(expected.deliveries)}"
    if parcels != expected.parcels:
        yield f"parcels {parcels}, not {expected.parcels}"


def _name_in(key: str, wanted: Mapping[str, Any]) -> str:
    """Which release (or package) a key of ours stands for: `mao-<id>`, or `mao-<id>-<where to>`."""
    rest = key.removeprefix(OURS)
    return max((name for name in wanted if rest == name or rest.startswith(f"{name}-")), key=len, default=key)


def _told(found: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(items) for name, items in sorted(found.items())}
