"""Which sold units MAO's figure still contains, and what they are in base units of which item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.config import SkuRow
from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.in_flight import (
    InFlightLine,
    SoldLine,
    base_units_in_flight,
    changed_entries,
    hold_back,
    judge_lines,
    uncounted_units,
    units_of_order,
)
from ct_mao_sync.mapping.item_units import ItemUnits, SoldAs

LINE = "00000000-0000-4000-8000-000000000001"
READ_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
ACKED = READ_AT - timedelta(hours=1)


def order(**more: Any) -> dict[str, Any]:
    return {
        "id": "order-1",
        "orderNumber": "N-1",
        "orderState": "Open",
        "inventoryMode": "TrackOnly",
        "lineItems": [item()],
        **more,
    }


def item(**more: Any) -> dict[str, Any]:
    return {"id": LINE, "quantity": 5, "variant": {"sku": "SKU-1"}, **more}


# --- what an order has sold ------------------------------------------------------------------------


def test_every_line_that_takes_stock_counts_with_its_channel() -> None:
    lines = [item(), item(id="two", quantity=2.0, supplyChannel={"typeId": "channel", "id": "ch-1"})]

    assert units_of_order(order(lineItems=lines)) == (
        SoldLine(LINE, "SKU-1", "", 5),
        SoldLine("two", "SKU-1", "ch-1", 2),
    )


@pytest.mark.parametrize(
    ("of_order", "of_line", "counts"),
    [
        (None, None, False),
        ("None", None, False),
        ("TrackOnly", None, True),
        ("ReserveOnOrder", None, True),
        ("ReserveOnCart", None, True),
        ("TrackOnly", "None", False),
        ("None", "ReserveOnOrder", True),
        (None, "TrackOnly", True),
    ],
)
def test_the_inventory_mode_of_the_line_goes_before_that_of_the_order(
    of_order: str | None, of_line: str | None, counts: bool
) -> None:
    found = units_of_order(order(inventoryMode=of_order, lineItems=[item(inventoryMode=of_line)]))

    assert bool(found) is counts


def test_a_cancelled_order_and_custom_lines_take_nothing() -> None:
    assert units_of_order(order(orderState="Cancelled")) == ()
    assert units_of_order(order(lineItems=[], customLineItems=[{"id": "c", "quantity": 3}])) == ()
    assert units_of_order(order(lineItems=[item(variant={"id": 1})])) == ()


def test_a_complete_order_has_sold_its_units_too() -> None:
    assert units_of_order(order(orderState="Complete")) == (SoldLine(LINE, "SKU-1", "", 5),)


def test_what_else_is_wrong_with_an_order_does_not_hide_its_units() -> None:
    assert units_of_order(order(totalPrice="broken", shippingInfo=3, createdAt=None))


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ("text", "lineItems"),
        (["text"], "lineItems.0"),
        ([item(quantity="5")], "lineItems.0.quantity"),
        ([item(quantity=-1)], "lineItems.0.quantity"),
        ([item(quantity=1.5)], "lineItems.0.quantity"),
        ([item(quantity=float("nan"))], "lineItems.0.quantity"),
        ([item(quantity=None)], "lineItems.0.quantity"),
        ([item(), item(id=None)], "lineItems.1.id"),
        ([item(variant={"sku": 7})], "lineItems.0.variant.sku"),
        ([item(supplyChannel="ch")], None),
        ([item(supplyChannel={"id": 7})], "lineItems.0.supplyChannel"),
    ],
)
def test_lines_that_cannot_be_counted_are_one_clear_rejection(lines: Any, field: str | None) -> None:
    found = units_of_order(order(lineItems=lines))

    if field is None:
        assert found == (SoldLine(LINE, "SKU-1", "ch", 5),)
    else:
        assert isinstance(found, Rejection)
        assert (found.code, found.field) == ("source-invalid", field)
        assert "order N-1" in found.message


# --- what MAO's figure does not know ---------------------------------------------------------------


def sold(units: int = 5, **more: Any) -> InFlightLine:
    return InFlightLine("order-1", LINE, "SKU-1", "", units, units, **{"acked_at": ACKED, **more})


def detail(status: Any, units: Any, **more: Any) -> dict[str, Any]:
    return {"StatusId": status, "Quantity": units, "UOM": "EACH", **more}


def mao_line(*details: dict[str, Any], quantity: Any = 5, **more: Any) -> dict[str, Any]:
    return {
        "OrderLineId": LINE,
        "Quantity": quantity,
        "UOM": "EACH",
        "QuantityDetail": list(details),
        **more,
    }


def uncounted(
    *lines: dict[str, Any], nets: bool = False, line: InFlightLine | None = None, **header: Any
) -> int:
    return uncounted_units(
        line or sold(),
        {"OrderId": "N-1", "OrderLine": list(lines), **header},
        settled_before=READ_AT,
        nets_backorders=nets,
    )


def test_an_order_that_is_not_in_mao_is_in_flight_as_a_whole() -> None:
    assert uncounted_units(sold(), None, settled_before=READ_AT, nets_backorders=False) == 5


@pytest.mark.parametrize("acked_at", [None, READ_AT + timedelta(seconds=1)])
def test_an_order_that_came_too_late_for_the_figure_is_in_flight_as_a_whole(
    acked_at: datetime | None,
) -> None:
    assert uncounted(mao_line(detail("2000", 5)), line=sold(acked_at=acked_at)) == 5


@pytest.mark.parametrize(
    ("details", "plain", "netted"),
    [
        ([("1000", 5)], 5, 5),
        ([("1000.000", 5)], 5, 5),
        ([("1500", 5)], 5, 0),
        ([("1600", 5)], 5, 5),
        ([("0000", 5)], 5, 5),
        ([("1500", 2), ("2000", 3)], 2, 0),
        ([("1000", 1), ("1500", 2), ("2000", 2)], 3, 1),
        ([("2000", 5)], 0, 0),
        ([("2000.100", 5)], 0, 0),
        ([("1000", 0), ("3000", 2), ("7000", 3)], 0, 0),
        ([("7500", 5)], 0, 0),
        ([("8500", 5)], 0, 0),
        ([("1000", Decimal("0.5")), ("2000", Decimal("4.5"))], 1, 1),
    ],
)
def test_units_count_as_soon_as_they_are_allocated(
    details: list[tuple[str, Any]], plain: int, netted: int
) -> None:
    line = mao_line(*(detail(status, units) for status, units in details))

    assert uncounted(line) == plain
    assert uncounted(line, nets=True) == netted


def test_a_status_may_stand_in_an_object_and_the_unit_may_be_left_out() -> None:
    assert uncounted(mao_line({"Status": {"StatusId": "2000"}, "Quantity": 5})) == 0
    assert uncounted(mao_line({"Status": {"StatusId": "2000"}, "Quantity": 5, "UOM": "EACH"})) == 0


def test_what_mao_cancelled_is_not_on_its_way() -> None:
    history = [{"CancelQuantity": 2, "CreatedTimestamp": "2026-10-31T00:00:00"}]
    shorted = mao_line(detail("7000", 3), quantity=3, OrderLineCancelHistory=history)

    assert uncounted(shorted) == 0
    assert uncounted(mao_line(detail("1000", 0), quantity=0, IsCancelled=True)) == 0
    assert uncounted(mao_line(detail("1000", 5)), IsCancelled=True) == 0
    assert uncounted(mao_line(detail("9000", 5), MaxFulfillmentStatusId="9000")) == 0


def test_what_the_shop_added_later_is_in_flight() -> None:
    assert uncounted(mao_line(detail("2000", 3), quantity=3)) == 2
    assert uncounted(mao_line(detail("2000", 5)), line=sold(8)) == 3


def test_a_cancellation_that_is_written_twice_counts_once() -> None:
    row = {"CancelQuantity": 2, "CreatedTimestamp": "2026-10-31T00:00:00", "CancelReason": {"ReasonId": "x"}}
    line = mao_line(detail("2000", 3), quantity=3, OrderLineCancelHistory=[row, dict(row)])

    assert uncounted(line, line=sold(7)) == 2


def test_a_line_that_mao_does_not_have_is_in_flight() -> None:
    other = mao_line(detail("2000", 5)) | {"OrderLineId": "other"}
    returned = mao_line(detail("2000", 5), IsReturn=True)

    assert uncounted() == 5
    assert uncounted(other, returned) == 5


def test_a_line_that_ships_to_several_places_is_several_in_mao() -> None:
    one = mao_line(detail("2000", 3), quantity=3) | {"OrderLineId": f"{LINE}.0a1b2c3d"}
    two = mao_line(detail("1000", 2), quantity=2) | {"OrderLineId": f"{LINE}.ffffffff"}

    assert uncounted(one, two) == 2
    assert uncounted(one) == 2, "the second one is not there yet"
    assert uncounted(mao_line(detail("2000", 5)) | {"OrderLineId": "1", "AlternateOrderLineId": LINE}) == 0


def test_units_that_moved_after_the_figure_was_read_are_in_flight() -> None:
    late = (READ_AT + timedelta(seconds=5)).replace(tzinfo=None).isoformat()
    early = (READ_AT - timedelta(seconds=5)).replace(tzinfo=None).isoformat()

    assert uncounted(mao_line(detail("2000", 5, UpdatedTimestamp=late))) == 5
    assert uncounted(mao_line(detail("2000", 5, UpdatedTimestamp=early), UpdatedTimestamp=late)) == 0
    assert uncounted(mao_line(detail("2000", 5), UpdatedTimestamp=late)) == 5
    assert uncounted(mao_line(detail("2000", 3), detail("9000", 2, UpdatedTimestamp=late))) == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (mao_line(MinFulfillmentStatusId="2000", MaxFulfillmentStatusId="7000"), 0),
        (mao_line(MinFulfillmentStatusId="1000", MaxFulfillmentStatusId="2000"), 5),
        (mao_line(MinFulfillmentStatusId="1000", MaxFulfillmentStatusId="1000"), 5),
        (mao_line(), 5),
        (mao_line(detail("2000", 0)), 5),
    ],
)
def test_without_units_by_status_the_range_of_the_line_decides(line: dict[str, Any], expected: int) -> None:
    assert uncounted(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        mao_line(detail("2000", "5")),
        mao_line(detail("2000", None)),
        mao_line(detail("2000", Decimal("NaN"))),
        mao_line(detail("2000", -5)),
        mao_line(detail("soon", 5)),
        mao_line(detail(None, 5)),
        mao_line(detail("2000", 5, UOM="CASE")),
        mao_line(detail("2000", 5), quantity="5"),
        mao_line(detail("2000", 5), OrderLineCancelHistory=[{"CancelQuantity": "x"}]),
    ],
)
def test_what_cannot_be_read_is_in_flight_as_a_whole(line: dict[str, Any]) -> None:
    assert uncounted(line) == 5


statuses = st.sampled_from(
    ["0000", "1000", "1500", "1600", "2000", "3000", "3700", "7000", "9000", "x", None]
)
numbers = st.integers(-2, 9) | st.sampled_from([None, "3", Decimal("1.5"), Decimal("NaN"), float("inf")])


@given(
    st.integers(1, 9),
    st.lists(st.builds(detail, statuses, numbers), max_size=4),
    numbers,
    st.booleans(),
    st.booleans(),
)
def test_never_more_than_was_sold_and_never_negative(
    units: int, details: list[dict[str, Any]], quantity: Any, nets: bool, cancelled: bool
) -> None:
    line = mao_line(*details, quantity=quantity, IsCancelled=cancelled)

    assert 0 <= uncounted(line, nets=nets, line=sold(units)) <= units


def test_only_orders_that_were_looked_up_are_judged_anew() -> None:
    known = replace(sold(), uncounted=2)
    other = replace(sold(), order_id="order-2", uncounted=3)
    fresh = replace(sold(), order_id="order-3", uncounted=0, acked_at=None)
    mao_order = {"OrderLine": [mao_line(detail("1000", 1), detail("2000", 4))]}

    found = judge_lines(
        [known, other, fresh], {"order-1": mao_order}, settled_before=READ_AT, nets_backorders=False
    )

    assert [line.uncounted for line in found] == [1, 3, 5]


def test_an_allocated_unit_that_falls_back_is_in_flight_again() -> None:
    mao_order = {"OrderLine": [mao_line(detail("1500", 2), detail("2000", 3))]}

    (line,) = judge_lines(
        [replace(sold(), uncounted=0)], {"order-1": mao_order}, settled_before=READ_AT, nets_backorders=False
    )

    assert line.uncounted == 2


def test_what_mao_shows_of_an_order_saved_a_moment_ago_may_be_what_it_was_before() -> None:
    """A unit that the shop added and the orders job has just told MAO of: its search does not show it yet."""
    grown, risen, other = replace(sold(5), uncounted=2), replace(sold(5), uncounted=1), sold(5)
    fewer = replace(grown, uncounted=0)
    more = replace(risen, uncounted=3)

    assert hold_back([grown, risen], [fewer, more], {"order-1"}) == ([more], {("SKU-1", grown.channel_id): 2})
    assert hold_back([grown, other], [fewer, other], {"order-2"}) == ([fewer, other], {})


# --- SKUs, items, units ------------------------------------------------------------------------------


def units(**rows: tuple[str, str, str]) -> ItemUnits:
    skus = {
        sku: SkuRow(sku, item_id, uom, Decimal(count) if count else None)
        for sku, (item_id, uom, count) in rows.items()
    }
    return ItemUnits(skus, {"EACH": 1, "CASE": Decimal(12)}, "EACH")


def test_a_sku_without_a_row_is_the_item_of_its_name() -> None:
    assert units().sold_as("27\" O'Neil") == SoldAs("27\" O'Neil", "27\" O'Neil", "EACH", Decimal(1))
    assert units().skus_of("Größe") == ("Größe",)


def test_several_skus_may_sell_one_item_in_units_of_their_own() -> None:
    known = units(single=("I", "", ""), six=("I", "PACK", "6"), case=("I", "CASE", ""))

    assert known.skus_of("I") == ("single", "six", "case", "I")
    assert [known.base_units(sku, 2) for sku in ("single", "six", "case", "I")] == [2, 12, 24, 2]
    assert known.items_of(["six", "single", "six", "other"]) == {"I": ("six", "single"), "other": ("other",)}


def test_a_row_of_its_own_takes_the_name_away_from_an_item() -> None:
    known = units(A=("B", "", ""), gone=("", "", ""))

    assert known.skus_of("A") == ()
    assert known.skus_of("B") == ("A", "B")
    assert known.skus_of("gone") == ()


def test_cases_are_not_folded() -> None:
    known = units(**{"sku-a": ("I", "", "")})

    assert known.sold_as("SKU-A") == SoldAs("SKU-A", "SKU-A", "EACH", Decimal(1))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("", "", ""), "sku-unmapped"),
        (("I", "PALLET", ""), "uom-unmapped"),
        (("I", "", "0.33333333"), "uom-inexact"),
        (("I", "", "1e-70"), "uom-inexact"),
    ],
)
def test_a_sku_that_cannot_be_counted_is_one_clear_rejection(row: tuple[str, str, str], code: str) -> None:
    found = units(**{"it's": row}).sold_as("it's")

    assert isinstance(found, Rejection)
    assert found.code == code
    assert "it's" in found.message
    assert found.hint.endswith("ct-mao-sync sync inventory --sku 'it'\"'\"'s'")


@pytest.mark.parametrize("sku", ["", "  "])
def test_an_empty_sku_is_rejected(sku: str) -> None:
    found = units().sold_as(sku)

    assert isinstance(found, Rejection)
    assert found.code == "sku-unmapped"


def test_what_is_in_flight_is_summed_per_item_in_base_units() -> None:
    known = units(six=("I", "", "6"), half=("I", "", "0.5"), nothing=("", "", ""))
    sums = {("six", ""): 2, ("half", "c1"): 3, ("I", "c1"): 1, ("nothing", ""): 9, ("other", "c2"): 0}

    by_item, by_channel = base_units_in_flight(sums, known)

    assert by_item == {"I": Decimal("14.5")}
    assert by_channel == {("I", ""): 12, ("I", "c1"): Decimal("2.5")}


# --- which entries have to follow ----------------------------------------------------------------------


def test_every_entry_that_shows_the_item_has_to_follow_a_sale() -> None:
    known = units(single=("I", "", ""), six=("I", "PACK", "6"), I=("I", "", ""))

    changed = changed_entries({}, {("six", "ch-1"): 2}, known)

    assert changed == [
        ("I", ""),
        ("I", "ch-1"),
        ("single", ""),
        ("single", "ch-1"),
        ("six", ""),
        ("six", "ch-1"),
    ]


def test_an_entry_is_done_when_it_allows_for_what_is_in_flight_now() -> None:
    known = units(single=("I", "", ""), six=("I", "PACK", "6"), I=("I", "", ""))
    sums = {("six", ""): 2, ("single", ""): 1}
    allowed = {("single", ""): Decimal(13), ("six", ""): Decimal("13.0"), ("I", ""): Decimal(12)}

    assert changed_entries(allowed, sums, known) == [("I", "")]
    assert changed_entries(allowed, {}, known) == [("I", ""), ("single", ""), ("six", "")]
