"""What becomes of one entry, given everything that was read for it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import Figure
from ct_mao_sync.mapping.inventory_entry import EntryState, computed_key
from ct_mao_sync.mapping.inventory_plan import (
    CreateEntry,
    EntryPlan,
    EntryTarget,
    EntryWanted,
    ImportEntry,
    InventoryRules,
    UpdateEntry,
    guard_drops,
    plan_entry,
    quantity_of,
)

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
WANTED = EntryWanted("SKU-1", "ITEM-1", Decimal(1), "dc", "channel-1")
RULES = InventoryRules(writer="rest")


def figure(quantity: Any = 10, **more: Any) -> Figure:
    return Figure("ITEM-1", "L1", Decimal(str(quantity)), at=AT, **more)


def entry(quantity: int = 10, **more: Any) -> EntryState:
    return EntryState("entry-1", 7, "SKU-1", "channel-1", quantity, **{"key": "SKU-1_dc", **more})


def target(quantity: int | None = 10, atc: Any = 10, in_flight: Any = 0, **more: Any) -> EntryTarget:
    """Orders were asked for long enough after the entry, unless said otherwise."""
    return EntryTarget(
        None if quantity is None else entry(quantity),
        figure(atc),
        Decimal(str(in_flight)),
        **{"entries_read_s": 100.0, "orders_read_began_s": 110.0, **more},
    )


def planned(
    wanted: EntryWanted = WANTED,
    rules: InventoryRules = RULES,
    *,
    read: EntryTarget | None = None,
    **more: Any,
) -> EntryPlan:
    plan = plan_entry(wanted, read or target(**more), rules)
    assert isinstance(plan, EntryPlan), plan
    return plan


def the_update(plan: EntryPlan) -> UpdateEntry:
    (write,) = plan.writes
    assert isinstance(write, UpdateEntry)
    return write


# --- the quantity ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("atc", "in_flight", "units", "expected"),
    [
        ("10", "0", "1", 10),
        ("10", "3", "1", 7),
        ("10", "10", "1", 0),
        ("10", "11", "1", 0),
        ("0", "0", "1", 0),
        ("10.99", "0", "1", 10),
        ("10.5", "0.75", "1", 9),
        ("13", "0", "6", 2),
        ("13", "2", "6", 1),
        ("13", "12", "6", 0),
        ("3", "0", "0.5", 6),
        ("0.3", "0", "0.1", 3),
        ("4.35", "0", "1.45", 3),
        ("4.99999999999999999999999999999", "1", "1", 3),
        (str(2**53), "0", "1", 2**53),
    ],
)
def test_the_quantity_is_what_is_free_in_whole_sold_units(
    atc: str, in_flight: str, units: str, expected: int
) -> None:
    assert quantity_of(figure(atc), Decimal(in_flight), Decimal(units), RULES) == expected


def test_infinite_availability_is_the_configured_quantity_whatever_is_in_flight() -> None:
    rules = InventoryRules(infinite_quantity=500)

    assert quantity_of(figure(0, is_infinite=True), Decimal(20), Decimal(6), rules) == 500


@pytest.mark.parametrize(
    ("atc", "in_flight", "units", "code"),
    [
        (2**53, "0", "0.5", "source-invalid"),
        (1, "0", "1e-70", "uom-inexact"),
        (1, "0." + "0" * 70 + "1", "1", "uom-inexact"),
    ],
)
def test_what_cannot_be_counted_is_rejected(atc: int, in_flight: str, units: str, code: str) -> None:
    found = quantity_of(figure(atc), Decimal(in_flight), Decimal(units), RULES)

    assert isinstance(found, Rejection)
    assert found.code == code


quantities = st.decimals(min_value=0, max_value=10**9, places=4)
units_of_sale = st.sampled_from(
    [Decimal(text) for text in ("1", "2", "6", "12", "0.5", "0.1", "1.45", "144")]
)


@given(quantities, quantities, units_of_sale)
def test_never_more_than_is_free_and_never_negative(atc: Decimal, in_flight: Decimal, units: Decimal) -> None:
    found = quantity_of(figure(atc), in_flight, units, RULES)

    assert isinstance(found, int)
    free = max(Fraction(0), Fraction(atc) - Fraction(in_flight))
    assert found >= 0
    assert found * Fraction(units) <= free
    assert (found + 1) * Fraction(units) > free


@given(quantities, quantities, quantities, quantities, units_of_sale)
def test_more_available_is_never_less_to_sell_and_more_in_flight_never_more(
    atc: Decimal, more: Decimal, in_flight: Decimal, more_in_flight: Decimal, units: Decimal
) -> None:
    base = quantity_of(figure(atc), in_flight, units, RULES)
    with_more = quantity_of(figure(atc + more), in_flight, units, RULES)
    with_more_sold = quantity_of(figure(atc), in_flight + more_in_flight, units, RULES)

    assert isinstance(base, int) and isinstance(with_more, int) and isinstance(with_more_sold, int)
    assert with_more >= base >= with_more_sold


# --- lower at once, raise when it is safe ---------------------------------------------------------


def test_an_entry_that_is_right_is_left_alone() -> None:
    plan = planned(quantity=7, atc=10, in_flight=3)

    assert (plan.kind, plan.writes) == ("unchanged", ())


def test_an_entry_is_lowered_at_once_at_the_version_that_was_read() -> None:
    plan = planned(quantity=10, atc=4, orders_read_began_s=100.0)

    write = the_update(plan)
    assert write.body == {"version": 7, "actions": [{"action": "changeQuantity", "quantity": 4}]}
    assert (write.action, write.key, write.entry_id) == ("lower", "SKU-1_dc", "entry-1")
    assert write.summary == "quantityOnStock 10 -> 4"


@pytest.mark.parametrize(
    ("waited", "kind"), [(0.0, "waiting"), (9.99, "waiting"), (10.0, "write"), (60, "write")]
)
def test_an_entry_is_raised_only_when_the_orders_were_asked_for_late_enough(waited: float, kind: str) -> None:
    plan = planned(quantity=3, atc=10, orders_read_began_s=100.0 + waited)

    assert plan.kind == kind
    assert (plan.quantity, plan.was) == (10, 3)
    assert bool(plan.writes) == (kind == "write")


def test_a_negative_stock_is_raised_to_zero_like_any_other_raise() -> None:
    assert planned(quantity=-2, atc=0).quantity == 0
    assert planned(quantity=-2, atc=0).kind == "write"
    assert planned(quantity=-2, atc=0, orders_read_began_s=0.0).kind == "waiting"


@given(
    st.integers(-5, 100),
    st.decimals(min_value=0, max_value=100, places=2),
    st.decimals(min_value=0, max_value=100, places=2),
    st.floats(0, 20),
    st.sampled_from(["auto", "rest", "import-api"]),
    st.sampled_from([None, 7]),
)
def test_lowering_is_never_delayed_and_raising_never_early(
    quantity: int, atc: Decimal, in_flight: Decimal, waited: float, writer: Any, version: int | None
) -> None:
    read = target(quantity, atc, in_flight, orders_read_began_s=100.0 + waited, last_written_version=version)

    plan = planned(rules=InventoryRules(writer=writer), read=read)

    want = quantity_of(figure(atc), in_flight, Decimal(1), RULES)
    assert plan.quantity == want
    if plan.quantity < quantity:
        assert plan.kind == "write"
    if plan.quantity > quantity and 100.0 + waited - 100.0 < 10.0:
        assert plan.kind == "waiting"
    assert len(plan.writes) == (plan.kind == "write")


def applied(plan: EntryPlan, before: EntryState | None) -> EntryState | None:
    """What commercetools would make of the writes."""
    state = before
    for write in plan.writes:
        if isinstance(write, UpdateEntry):
            assert state is not None
            assert write.version == state.version
            for action in write.actions:
                if action["action"] == "changeQuantity":
                    state = replace(state, quantity_on_stock=action["quantity"])
                elif action["action"] == "setKey":
                    state = replace(state, key=action["key"])
                elif action["action"] == "setExpectedDelivery":
                    state = replace(
                        state, expected_delivery=datetime.fromisoformat(action["expectedDelivery"])
                    )
                elif action["action"] == "setCustomType":
                    state = replace(
                        state, custom_type_id=action["type"]["id"], custom_fields=action["fields"]
                    )
                elif action["action"] == "setCustomField":
                    fields = {**(state.custom_fields or {}), action["name"]: action["value"]}
                    state = replace(state, custom_fields=fields)
                else:
                    pytest.fail(f"unknown action {action}")
            state = replace(state, version=state.version + 1)
            continue
        body = write.body
        expected = body.get("expectedDelivery")
        custom = body.get("custom") or {}
        state = EntryState(
            "entry-1",
            (state.version if state else 0) + 1,
            body["sku"],
            "channel-1" if "supplyChannel" in body else "",
            body["quantityOnStock"],
            body["key"],
            datetime.fromisoformat(expected) if expected else None,
            body.get("restockableInDays"),
            body.get("reservationExpirationInMinutes"),
            custom.get("type", {}).get("id", ""),
            custom.get("fields"),
        )
    return state


@given(
    st.none() | st.integers(-5, 100),
    st.decimals(min_value=0, max_value=100, places=2),
    st.decimals(min_value=0, max_value=50, places=1),
    units_of_sale,
    st.sampled_from(["auto", "rest", "import-api"]),
    st.sampled_from(["", "SKU-1_dc"]),
    st.sampled_from([None, 7]),
    st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=9)),
    st.booleans(),
)
def test_a_plan_that_was_applied_is_empty(
    quantity: int | None,
    atc: Decimal,
    in_flight: Decimal,
    units: Decimal,
    writer: Any,
    key: str,
    version: int | None,
    ahead: timedelta | None,
    counters: bool,
) -> None:
    rules = InventoryRules(
        writer=writer,
        create_missing=True,
        counters_type_id="type-1" if counters else "",
        counter_fields={"on_hand": "onHand"} if counters else {},
    )
    read = replace(
        target(quantity, atc, in_flight, last_written_version=version),
        figure=figure(atc, next_at=AT + ahead if ahead is not None else None, on_hand=Decimal(3)),
    )
    if read.entry is not None:
        read = replace(read, entry=replace(read.entry, key=key, restockable_in_days=3))
    wanted = replace(WANTED, units=units)

    first = planned(wanted, rules, read=read)
    after = applied(first, read.entry)
    second = planned(
        wanted, rules, read=replace(read, entry=after, last_written_version=after and after.version)
    )

    assert second.writes == ()
    assert second.kind == "unchanged"
    assert after is not None
    assert after.quantity_on_stock == first.quantity
    if read.entry is not None:
        assert after.restockable_in_days == 3


# --- what is not written --------------------------------------------------------------------------


def test_a_figure_that_cannot_be_read_rejects_the_entry_and_writes_nothing() -> None:
    bad = Rejection("source-invalid", "item 'ITEM-1': MAO gave no TotalQuantity", hint="look at it in MAO")
    wanted = replace(WANTED, sku="27\" O'Neil Größe")

    found = plan_entry(wanted, replace(target(), figure=bad), RULES)

    assert isinstance(found, Rejection)
    assert found.code == "source-invalid"
    assert found.message.startswith("SKU '27\" O\\'Neil Größe' (channel dc): item 'ITEM-1'")
    assert found.hint.endswith("ct-mao-sync sync inventory --sku '27\" O'\"'\"'Neil Größe'")


def test_an_entry_with_an_import_under_way_is_not_written() -> None:
    assert (planned(quantity=10, atc=0, pending_import=True).kind) == "pending"


@pytest.mark.parametrize(
    ("at", "kind"), [(AT - timedelta(seconds=1), "outdated"), (None, "outdated"), (AT, "write")]
)
def test_a_message_older_than_the_last_figure_is_ignored(at: datetime | None, kind: str) -> None:
    read = replace(target(10, 4, last_figure_at=AT), figure=replace(figure(4), at=at))

    assert planned(read=read).kind == kind


# --- entries that do not exist --------------------------------------------------------------------


def test_a_missing_entry_is_created_only_when_that_is_wanted() -> None:
    assert planned(quantity=None).kind == "missing"

    plan = planned(rules=InventoryRules(writer="rest", create_missing=True), quantity=None)

    (write,) = plan.writes
    assert isinstance(write, CreateEntry)
    assert write.body == {
        "sku": "SKU-1",
        "key": "SKU-1_dc",
        "quantityOnStock": 10,
        "supplyChannel": {"typeId": "channel", "key": "dc"},
    }


def test_the_entry_without_channel_is_created_without_one() -> None:
    rules = InventoryRules(writer="auto", create_missing=True)

    (write,) = planned(replace(WANTED, channel_key="", channel_id=""), rules, quantity=None).writes

    assert write.body == {"sku": "SKU-1", "key": "SKU-1", "quantityOnStock": 10}


def test_no_entry_is_created_where_the_item_is_not_sold_and_one_of_zero_where_it_is_sold_out() -> None:
    rules = InventoryRules(create_missing=True)
    not_listed = replace(target(None), figure=figure(0, is_listed=False))

    assert planned(rules=rules, read=not_listed).kind == "missing"
    assert planned(rules=rules, quantity=None, atc=0, orders_read_began_s=0.0).kind == "write"


def test_an_entry_with_stock_is_created_as_carefully_as_it_would_be_raised() -> None:
    rules = InventoryRules(create_missing=True)

    assert planned(rules=rules, quantity=None, atc=5, orders_read_began_s=101.0).kind == "waiting"


# --- keys -----------------------------------------------------------------------------------------


def test_an_entry_without_key_is_addressed_by_id_and_gets_its_key_along_with_the_quantity() -> None:
    read = replace(target(10, 4), entry=entry(10, key=""))

    write = the_update(planned(read=read))

    assert (write.key, write.entry_id, write.sets_key) == ("", "entry-1", True)
    assert write.actions[-1] == {"action": "setKey", "key": "SKU-1_dc"}
    assert planned(read=replace(read, figure=figure(10))).kind == "unchanged"


def test_a_key_that_is_taken_does_not_hold_up_the_quantity() -> None:
    read = replace(target(10, 4), entry=entry(10, key=""), key_is_free=False)

    assert the_update(planned(read=read)).sets_key is False


@pytest.mark.parametrize(
    ("sku", "channel", "expected"),
    [("SKU-1", "dc", "SKU-1_dc"), ("SKU-1", "", "SKU-1"), ("123", "dc-atlanta", "123_dc-atlanta")],
)
def test_a_plain_key_is_sku_and_channel(sku: str, channel: str, expected: str) -> None:
    assert computed_key(sku, channel) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("A_dc", ""), ("A", "dc")),
        (("A_b", "c"), ("A", "b_c")),
        (("A.b", "c"), ("A-b", "c")),
        (("A b", "c"), ("A'b", "c")),
        (("ü", ""), ("ö", "")),
        (("x" * 300, "a"), ("x" * 300, "b")),
        (("a", ""), ("A", "")),
    ],
)
def test_what_could_be_mistaken_for_another_gets_a_key_of_its_own(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert computed_key(*one) != computed_key(*other)
    assert computed_key(*one) == computed_key(*one)


@given(
    st.lists(
        st.tuples(
            st.text(alphabet="aA_-'\"ß|. 1", min_size=1, max_size=6) | st.text(min_size=1, max_size=400),
            st.sampled_from(["", "a", "a_a", "A", "dc-1", "_", "-a"]),
        ),
        min_size=2,
        max_size=8,
        unique=True,
    )
)
def test_keys_are_legal_and_never_shared(pairs: list[tuple[str, str]]) -> None:
    keys = [computed_key(sku, channel) for sku, channel in pairs]

    for key in keys:
        assert re.fullmatch(r"[A-Za-z0-9_-]{2,256}", key)
    assert len(set(keys)) == len(pairs)


# --- the writer -----------------------------------------------------------------------------------


def auto(
    quantity: int = 100, atc: Any = 50, in_flight: Any = 0, version: int | None = 7, **more: Any
) -> EntryPlan:
    rules = InventoryRules(writer="auto", tight_below=20)
    read = target(quantity, atc, in_flight, last_written_version=version)
    if more:
        read = replace(read, entry=entry(quantity, **more))
    return planned(rules=rules, read=read)


def is_import(plan: EntryPlan) -> bool:
    return any(isinstance(write, ImportEntry) for write in plan.writes)


def test_auto_imports_only_plenty_that_nobody_touched_and_nobody_bought() -> None:
    assert is_import(auto())
    assert not is_import(auto(version=None)), "whether it is as we left it is not known"
    assert not is_import(auto(version=6)), "somebody changed it"
    assert not is_import(auto(in_flight=1)), "a sale is on its way"
    assert not is_import(auto(atc=20)), "it becomes tight"
    assert not is_import(auto(quantity=20)), "it is tight"
    assert is_import(auto(quantity=21, atc=22))
    assert not is_import(auto(key="")), "without key there is no import"
    assert not is_import(auto(key="a.b")), "nor with one that the Import API refuses"
    assert not is_import(auto(custom_type_id="t", custom_fields={})), "an import would take the fields away"


def test_rest_never_imports_and_import_api_does_wherever_it_can() -> None:
    read = target(100, 50, 3, last_written_version=None)

    assert not is_import(planned(rules=InventoryRules(writer="rest"), read=read))
    assert is_import(planned(rules=InventoryRules(writer="import-api"), read=read))
    without_key = replace(read, entry=entry(100, key=""))
    assert the_update(planned(rules=InventoryRules(writer="import-api"), read=without_key)).sets_key


def test_an_import_takes_along_what_the_entry_has_beside_its_quantity() -> None:
    plan = auto(
        expected_delivery=AT, restockable_in_days=4, reservation_expiration_in_minutes=30, key="old-key"
    )

    (write,) = plan.writes
    assert write.body == {
        "key": "old-key",
        "sku": "SKU-1",
        "quantityOnStock": 50,
        "supplyChannel": {"typeId": "channel", "key": "dc"},
        "expectedDelivery": "2026-11-01T12:00:00.000Z",
        "restockableInDays": 4,
        "reservationExpirationInMinutes": 30,
    }


def test_import_api_creates_missing_entries_too() -> None:
    plan = planned(rules=InventoryRules(writer="import-api", create_missing=True), quantity=None)

    assert is_import(plan)


# --- restock date and counters --------------------------------------------------------------------


def restocked(ahead: timedelta, expected: datetime | None = None) -> EntryPlan:
    read = replace(
        target(0, 0), entry=entry(0, expected_delivery=expected), figure=figure(0, next_at=AT + ahead)
    )
    return planned(read=read)


def test_the_next_date_is_written_once_when_it_lies_ahead() -> None:
    day = timedelta(days=1, microseconds=1500)

    plan = restocked(day)

    assert the_update(plan).actions == (
        {"action": "setExpectedDelivery", "expectedDelivery": "2026-11-02T12:00:00.001Z"},
    )
    assert restocked(day, datetime(2026, 11, 2, 12, 0, 0, 1000, tzinfo=UTC)).kind == "unchanged"


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=30), timedelta(days=-3)])
def test_a_date_that_only_means_now_is_no_restock(ahead: timedelta) -> None:
    assert restocked(ahead).kind == "unchanged"


def test_maos_counters_go_into_the_fields_of_our_type_and_no_other() -> None:
    rules = InventoryRules(
        writer="rest", counters_type_id="type-1", counter_fields={"on_hand": "onHand", "protected": "safety"}
    )
    read = replace(target(5, 5), figure=figure(5, on_hand=Decimal(9)))

    fresh = the_update(planned(rules=rules, read=read))
    ours = replace(read, entry=entry(5, custom_type_id="type-1", custom_fields={"onHand": 8, "safety": 1}))
    foreign = replace(read, entry=entry(5, custom_type_id="type-2", custom_fields={}))

    assert fresh.actions == (
        {
            "action": "setCustomType",
            "type": {"typeId": "type", "id": "type-1"},
            "fields": {"onHand": Decimal(9)},
        },
    )
    assert the_update(planned(rules=rules, read=ours)).actions == (
        {"action": "setCustomField", "name": "onHand", "value": Decimal(9)},
    )
    assert planned(rules=rules, read=foreign).kind == "unchanged"


# --- the drop guard -------------------------------------------------------------------------------


def fall(number: int, was: int = 50, to: int = 0) -> EntryPlan:
    return planned(replace(WANTED, sku=f"SKU-{number}"), quantity=was, atc=to)


def guard(plans: list[EntryPlan], **more: Any) -> Any:
    return guard_drops(
        plans, **{"drops_before": frozenset(), "positive_at_last_sweep": None, "rules": RULES, **more}
    )


def test_twenty_drops_are_always_allowed_and_one_more_holds_back_the_page() -> None:
    assert guard([fall(number) for number in range(20)]).held == {}

    found = guard([fall(number) for number in range(21)])

    assert len(found.held) == 21
    rejection = found.held["SKU-3|dc"]
    assert rejection.code == "drop-limit"
    assert "50 -> 0" in rejection.message and "21" in rejection.message and "20" in rejection.message
    assert "--allow-drop" in rejection.hint and "--dry-run" in rejection.hint


def test_drops_of_earlier_pages_of_the_run_count() -> None:
    found = guard([fall(1)], drops_before={f"SKU-{number}|dc" for number in range(2, 22)})

    assert set(found.held) == {"SKU-1|dc"}
    assert "21 entries" in found.held["SKU-1|dc"].message


def test_a_drop_that_is_met_again_counts_once() -> None:
    drops = [fall(number) for number in range(20)]

    assert guard(drops, drops_before=guard(drops).drops).held == {}


def test_the_limit_grows_with_what_was_positive_at_the_last_sweep() -> None:
    plans = [fall(number) for number in range(100)]

    assert guard(plans, positive_at_last_sweep=500).held == {}
    assert len(guard(plans, positive_at_last_sweep=499).held) == 100
    assert "allowed are 99" in guard(plans, positive_at_last_sweep=499).held["SKU-0|dc"].message


def test_a_person_can_allow_it() -> None:
    assert guard([fall(number) for number in range(100)], allow=True).held == {}


def test_real_sell_outs_of_low_stock_never_trip_it() -> None:
    plans = [fall(number, was=20) for number in range(500)]

    assert (guard(plans).held, guard(plans).drops) == ({}, frozenset())


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=60),
    st.integers(0, 40),
    st.integers(0, 300),
)
def test_the_guard_never_holds_raises_nor_small_drops(
    moves: list[tuple[int, int]], before: int, positive: int
) -> None:
    plans = [fall(number, was, to) for number, (was, to) in enumerate(moves)]

    earlier = {f"EARLIER-{number}|dc" for number in range(before)}
    found = guard(plans, drops_before=earlier, positive_at_last_sweep=positive)

    by_entity = {plan.entity: plan for plan in plans}
    for entity in found.held:
        plan = by_entity[entity]
        assert plan.quantity == 0
        assert (plan.was or 0) > RULES.tight_below
    big = [plan for plan in plans if plan.quantity == 0 and (plan.was or 0) > RULES.tight_below]
    assert found.drops == {plan.entity for plan in big}
    assert len(found.held) == (len(big) if before + len(big) > max(20, positive * 20 // 100) else 0)
