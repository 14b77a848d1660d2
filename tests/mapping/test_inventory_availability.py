"""MAO's availability rows become exact figures, or one clear rejection; never a silent zero."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import (
    Figure,
    looks_unpublished,
    parse_location_rows,
    parse_moment,
    parse_network_rows,
    sum_figures,
)


def network_row(item: str = "A", quantity: Any = 5, **more: Any) -> dict[str, Any]:
    return {
        "ItemId": item,
        "TotalQuantity": quantity,
        "Quantity": {"DistributionCenters": quantity},
        "Status": "AVAILABLE",
        "StatusCode": 2,
        "TransactionDateTime": "2026-09-25T03:02:08.28",
        **more,
    }


def location_row(item: str = "A", location: str = "L1", quantity: Any = 5, **more: Any) -> dict[str, Any]:
    return {"ItemId": item, "LocationId": location, "Quantity": quantity, "StatusCode": 2, **more}


def the_rejection(value: Figure | Rejection) -> Rejection:
    assert isinstance(value, Rejection), value
    assert value.code == "source-invalid"
    assert "\n" not in value.message
    assert value.hint
    return value


def quantity(value: Figure | Rejection) -> Decimal:
    assert isinstance(value, Figure), value
    return value.quantity


BAD_QUANTITIES = [
    pytest.param(Decimal("NaN"), "NaN", id="NaN"),
    pytest.param(float("nan"), "NaN", id="float NaN"),
    pytest.param(float("inf"), "Infinity", id="infinite"),
    pytest.param(Decimal("-1"), "-1", id="negative"),
    pytest.param(Decimal("-0.001"), "-0.001", id="a little negative"),
    pytest.param("7", "'7', not a number", id="text"),
    pytest.param("", "''", id="empty text"),
    pytest.param(True, "bool, not a number", id="boolean"),
    pytest.param([], "list, not a number", id="list"),
    pytest.param(2**53 + 1, "more than can be counted", id="huge"),
    pytest.param(Decimal("1e400"), "more than can be counted", id="beyond floats"),
    pytest.param(None, "gave no", id="missing"),
]


@pytest.mark.parametrize(("value", "words"), BAD_QUANTITIES)
def test_a_bad_quantity_in_a_network_view_is_one_clear_rejection(value: Any, words: str) -> None:
    found = parse_network_rows([network_row("A", value), network_row("B", 3)], ["A", "B"])

    rejection = the_rejection(found["A"])
    assert "item 'A'" in rejection.message
    assert words in rejection.message
    assert rejection.field == "TotalQuantity"
    assert quantity(found["B"]) == 3


@pytest.mark.parametrize(("value", "words"), BAD_QUANTITIES)
def test_a_bad_quantity_at_one_location_rejects_only_that_one(value: Any, words: str) -> None:
    rows = [location_row(quantity=value), location_row(location="L2", quantity=4)]

    found = parse_location_rows(rows, ["A"], ["L1", "L2"])

    assert words in the_rejection(found["A", "L1"]).message
    assert "'L1'" in the_rejection(found["A", "L1"]).message
    assert quantity(found["A", "L2"]) == 4


def test_a_row_without_its_quantity_is_no_zero() -> None:
    row = network_row()
    del row["TotalQuantity"]

    the_rejection(parse_network_rows([row], ["A"])["A"])


@pytest.mark.parametrize("value", [127, 10.0, Decimal("10.75"), 0, Decimal("0.0"), 2**53])
def test_numbers_are_taken_exactly(value: Any) -> None:
    assert quantity(parse_network_rows([network_row("A", value)], ["A"])["A"]) == Decimal(str(value))


def test_a_float_on_the_wire_loses_nothing() -> None:
    row = json.loads('{"ItemId": "A", "TotalQuantity": 0.1}', parse_float=Decimal)

    assert quantity(parse_network_rows([row], ["A"])["A"]) == Decimal("0.1")


def test_an_item_without_a_row_in_a_network_view_is_rejected() -> None:
    found = parse_network_rows([network_row("A")], ["A", "B"])

    assert "no row" in the_rejection(found["B"]).message


def test_an_item_without_a_row_at_a_location_is_zero_there() -> None:
    found = parse_location_rows([location_row("A", "L1")], ["A", "B"], ["L1", "L2"])

    zero = found["B", "L2"]
    assert isinstance(zero, Figure)
    assert (zero.quantity, zero.is_listed) == (0, False)
    assert found["A", "L1"] == Figure("A", "L1", Decimal(5))
    assert len(found) == 4


def test_two_rows_that_say_the_same_are_one() -> None:
    rows = [network_row("A", 5), network_row("A", Decimal("5.0"))]

    assert quantity(parse_network_rows(rows, ["A"])["A"]) == 5


def test_two_rows_that_contradict_each_other_are_rejected() -> None:
    network = parse_network_rows([network_row("A", 5), network_row("A", 6)], ["A"])
    place = parse_location_rows(
        [location_row(quantity=0), location_row(quantity=6), location_row(location="L2")], ["A"], ["L1", "L2"]
    )

    assert "5 and 6" in the_rejection(network["A"]).message
    assert "0 and 6" in the_rejection(place["A", "L1"]).message
    assert quantity(place["A", "L2"]) == 5


def test_a_good_row_does_not_hide_a_bad_one() -> None:
    for rows in ([network_row("A", 5), network_row("A", -5)], [network_row("A", -5), network_row("A", 5)]):
        the_rejection(parse_network_rows(rows, ["A"])["A"])


def test_one_item_in_two_cases_is_two_items() -> None:
    found = parse_network_rows([network_row("sku-a", 1), network_row("SKU-A", 2)], ["sku-a", "SKU-A"])
    at_l1 = parse_location_rows(
        [location_row("sku-a", quantity=1), location_row("SKU-A", quantity=2)], ["sku-a", "SKU-A"], ["L1"]
    )

    assert (quantity(found["sku-a"]), quantity(found["SKU-A"])) == (1, 2)
    assert (quantity(at_l1["sku-a", "L1"]), quantity(at_l1["SKU-A", "L1"])) == (1, 2)


@pytest.mark.parametrize(
    ("asked", "answered"), [("sku-a", "SKU-A"), ("Größe", "GRÖSSE"), ("caf\u00e9", "cafe\u0301")]
)
def test_an_answer_for_another_spelling_is_no_zero(asked: str, answered: str) -> None:
    network = parse_network_rows([network_row(answered, 3)], [asked])
    place = parse_location_rows([location_row(answered, quantity=3)], [asked], ["L1"])

    assert "another spelling" in the_rejection(network[asked]).message
    assert "another spelling" in the_rejection(place[asked, "L1"]).message


def test_of_two_asked_spellings_the_unanswered_one_is_no_zero() -> None:
    found = parse_location_rows([location_row("SKU-A", quantity=3)], ["sku-a", "SKU-A"], ["L1"])

    the_rejection(found["sku-a", "L1"])
    assert quantity(found["SKU-A", "L1"]) == 3


@pytest.mark.parametrize("item", ["O'Neil 27\"", "Größe-ÄÖ", "日本", "a\\b", 'x"y', "a|b"])
def test_items_with_quotes_and_foreign_letters_are_like_any_other(item: str) -> None:
    assert quantity(parse_network_rows([network_row(item, 3)], [item])[item]) == 3
    assert quantity(parse_location_rows([location_row(item)], [item], ["L1"])[item, "L1"]) == 5


@pytest.mark.parametrize(
    ("asked", "sent"),
    [("T0983", "ecomorg:T0983"), ("ecomorg:T0983", "T0983"), ("a:b:T1", "T1"), ("ecomorg:T1", "ecomorg:T1")],
)
def test_a_location_is_known_with_and_without_its_organisation(asked: str, sent: str) -> None:
    found = parse_location_rows([location_row(location=sent)], ["A"], [asked])

    assert quantity(found["A", asked]) == 5


def test_a_location_that_could_be_two_is_rejected_for_both() -> None:
    found = parse_location_rows([location_row(location="T1")], ["A", "B"], ["east:T1", "west:T1"])

    assert "fits several" in the_rejection(found["A", "east:T1"]).message
    assert "fits several" in the_rejection(found["A", "west:T1"]).message
    assert quantity(found["B", "east:T1"]) == 0


def test_the_same_display_id_in_another_organisation_is_another_location() -> None:
    found = parse_location_rows([location_row(location="west:T1")], ["A"], ["east:T1"])

    the_rejection(found["A", "east:T1"])


@pytest.mark.parametrize(
    "row", [{"LocationId": "L1", "Quantity": 3}, {"ItemId": None}, "row", None, {"ItemId": 7}]
)
def test_a_row_that_belongs_to_nobody_makes_every_absence_doubtful(row: Any) -> None:
    found = parse_location_rows([location_row("A", "L1"), row], ["A", "B"], ["L1", "L2"])

    assert quantity(found["A", "L1"]) == 5
    for key in (("A", "L2"), ("B", "L1"), ("B", "L2")):
        assert "without ItemId" in the_rejection(found[key]).message


def test_a_row_without_location_makes_the_absences_of_its_item_doubtful() -> None:
    found = parse_location_rows([{"ItemId": "A", "Quantity": 3}], ["A", "B"], ["L1"])

    assert "without LocationId" in the_rejection(found["A", "L1"]).message
    assert quantity(found["B", "L1"]) == 0


def test_rows_that_were_not_asked_for_are_passed_over() -> None:
    network = parse_network_rows([network_row("A"), network_row("Z", "bad")], ["A"])
    place = parse_location_rows([location_row("Z"), location_row(location="L9")], ["A"], ["L1"])

    assert set(network) == {"A"}
    assert set(place) == {("A", "L1")}


@pytest.mark.parametrize("value", [None, 9999, 0])
def test_infinite_availability_needs_no_quantity(value: Any) -> None:
    found = parse_network_rows([network_row("A", value, IsInfiniteAvailability=True)], ["A"])["A"]

    assert isinstance(found, Figure)
    assert found.is_infinite


def test_a_figure_carries_moment_restock_and_counters() -> None:
    row = network_row(
        NextAvailabilityDate="2026-10-01T00:00:00",
        OnHandQuantity=Decimal("9.0"),
        NetworkProtectionQuantity={"DistributionCenters": 2, "Stores": Decimal("1.5")},
    )

    found = parse_network_rows([row], ["A"])["A"]

    assert isinstance(found, Figure)
    assert found.at == datetime(2026, 9, 25, 3, 2, 8, 280000, tzinfo=UTC)
    assert found.next_at == datetime(2026, 10, 1, tzinfo=UTC)
    assert (found.on_hand, found.protected) == (Decimal("9.0"), Decimal("3.5"))


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [(".2", 200000), (".25", 250000), (".283", 283000), ("", 0), (".283Z", 283000), (".2834567", 283456)],
)
def test_moments_have_any_fraction_and_no_zone(text: str, microsecond: int) -> None:
    assert parse_moment(f"2026-09-25T03:02:08{text}") == datetime(
        2026, 9, 25, 3, 2, 8, microsecond, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "value", [None, "", "soon", 20260925, "2026-13-01T00:00:00", "9999-12-31T23:59:59-12:00"]
)
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert parse_moment(value) is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([network_row(quantity=0) | {"Quantity": {}}], True),
        ([network_row("A", 0) | {"Quantity": {}}, network_row("B", 1)], False),
        ([network_row(quantity=0, Status="OUT_OF_STOCK", StatusCode=0)], False),
        ([network_row(quantity=0, IsInfiniteAvailability=True)], False),
        ([network_row(quantity=0) | {"Quantity": {}}, network_row(quantity=0, StatusCode=0)], True),
        ([{"ItemId": "A", "Status": "IN_STOCK", "TotalQuantity": 0, "Quantity": {}}], True),
        ([location_row(quantity=0.0)], True),
        ([location_row(quantity=0.0), location_row(quantity=2)], False),
        ([], False),
    ],
)
def test_available_items_without_any_quantity_look_like_a_view_that_publishes_none(
    rows: list[dict[str, Any]], expected: bool
) -> None:
    assert looks_unpublished(rows) is expected


def test_locations_of_one_channel_are_summed_and_one_bad_one_spoils_the_sum() -> None:
    one, two = Figure("A", "L1", Decimal(3)), Figure("A", "L2", Decimal("2.5"), is_listed=False)
    bad = Rejection("source-invalid", "no")

    total = sum_figures([one, two])

    assert isinstance(total, Figure)
    assert (total.quantity, total.is_listed) == (Decimal("5.5"), True)
    assert sum_figures([one, bad]) is bad
    assert sum_figures([bad, one]) is bad


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.decimals()
    | st.sampled_from(["A", "a", "B", "L1", "o:L1", "ItemId"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
wild_rows = st.lists(
    st.dictionaries(
        st.sampled_from(
            [
                "ItemId",
                "LocationId",
                "Quantity",
                "TotalQuantity",
                "TransactionDateTime",
                "IsInfiniteAvailability",
                "NetworkProtectionQuantity",
                "OnHandQuantity",
                "NextAvailabilityDate",
                "StatusCode",
            ]
        ),
        anything,
    ),
    max_size=4,
)


@given(wild_rows)
def test_no_answer_however_wild_raises_or_leaves_an_item_out(rows: list[dict[str, Any]]) -> None:
    items, places = ["A", "a", "B"], ["L1", "x:L2"]

    network = parse_network_rows(rows, items)
    by_place = parse_location_rows(rows, items, places)
    looks_unpublished(rows)

    assert set(network) == set(items)
    assert set(by_place) == {(item, place) for item in items for place in places}
    for figure in (*network.values(), *by_place.values()):
        if isinstance(figure, Figure):
            assert 0 <= figure.quantity <= 2**53
