"""The table of fields behind a merge: one spelling for one value, and a stored form without personal data."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mao_documents import LINE_A, SALT, charge, line, payload, without
from mapping_orders import ANY_METHOD, SAMPLES, mapping_of

from ct_mao_sync.mapping.order import MappedOrder
from ct_mao_sync.mapping.order_base import (
    NEVER_MERGED,
    flatten,
    grouped,
    hash_field,
    normalise,
    remembered,
    row_of,
    rows_of,
    step,
    steps_of,
)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("UnitPrice", 4.9, "4.90"),
        ("UnitPrice", Decimal("4.90"), 4.9),
        ("UnitPrice", Decimal("0"), "-0.00"),
        ("Quantity", "3", 3.0),
        ("Quantity", 3, Decimal("3.0000")),
        ("Quantity", 1000, Decimal("1E+3")),
        ("TaxRate", "0.190", Decimal("0.19")),
        ("Priority", 5, "5"),
        ("IsTaxIncluded", True, "true"),
        ("CustomerPhone", None, ""),
        ("DoNotReleaseBefore", "2026-03-05T00:00:00Z", "2026-03-05T00:00:00"),
        ("DoNotReleaseBefore", "2026-03-05T07:30:00.120Z", "2026-03-05T07:30:00.12"),
        ("DoNotReleaseBefore", "2026-03-05T07:30:00.000", "2026-03-05T07:30:00"),
        ("DoNotReleaseBefore", "2026-03-05T01:30:00+02:00", "2026-03-04T23:30:00Z"),
    ],
)
def test_one_value_in_two_spellings_is_equal(name: str, one: Any, other: Any) -> None:
    assert normalise(one, name) == normalise(other, name)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("PostalCode", "01067", "1067"),
        ("PostalCode", "1067.0", "1067"),
        ("ItemId", "12.50", "12.5"),
        ("ChargeReferenceId", "1.0", "1"),
        ("Address1", "10.10", "10.1"),
        ("NoteText", "100.0", "100"),
        ("UnitPrice", "4.90", "4.91"),
        ("CustomerPhone", "0", ""),
        ("DoNotReleaseBefore", "2026-03-05T00:00:00", "2026-03-05T00:00:01"),
        ("SomeText", "1²", "1"),
    ],
)
def test_two_values_that_look_alike_are_different(name: str, one: Any, other: Any) -> None:
    assert normalise(one, name) != normalise(other, name)


@pytest.mark.parametrize(
    "odd",
    [
        "-",
        "--5",
        "1.2.3",
        "٣",
        "2026-99-99T99:99:99+99:99",
        "2026-03-05Tnoon-ish!",
        "\udc80",
        float("nan"),
        Decimal("1E+9999999"),
    ],
)
def test_a_text_that_is_no_number_and_no_moment_does_no_harm(odd: Any) -> None:
    assert isinstance(normalise(odd, "Quantity"), str)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(0, 6))
def test_a_number_has_one_spelling_however_many_zeros_it_carries(number: Decimal, zeros: int) -> None:
    padded = f"{number:f}" + "0" * zeros
    assert normalise(number, "UnitPrice") == normalise(padded, "UnitPrice")
    assert Decimal(normalise(number, "UnitPrice")) == number


@given(st.text(max_size=40), st.sampled_from(["UnitPrice", "City", "ItemId"]))
def test_to_normalise_twice_is_to_normalise_once(text: str, name: str) -> None:
    once = normalise(text, name)
    assert normalise(once, name) == once


def test_rows_are_named_by_their_business_keys_never_by_position() -> None:
    made = payload(OrderLine=[line(LINE_A)])
    turned = payload(OrderLine=[line(LINE_A)], OrderChargeDetail=made["OrderChargeDetail"][::-1])
    assert flatten(made) == flatten(turned)
    assert flatten(made)[f"OrderLine/{LINE_A}/UnitPrice"] == "20"
    assert flatten(made)["OrderChargeDetail/ct-ship-single/ChargeTotal"] == "4.9"


def test_what_follows_rules_of_its_own_takes_no_part() -> None:
    fields = flatten({**payload(), "OrderId": "CT-1", "OrgId": "ACME", "OrderHold": [{"HoldTypeId": "H"}]})
    assert not {path.split("/")[0] for path in fields} & NEVER_MERGED


def test_rows_that_mao_derived_or_that_have_no_key_are_not_ours() -> None:
    child = {**charge("ct-total-welcome", "-2.00"), "HeaderChargeDetailId": "ct-total-welcome"}
    rows = rows_of({"OrderLine": [line(OrderLineChargeDetail=[child, without(child, "ChargeDetailId")])]})
    assert not [row for row in rows if "OrderLineChargeDetail" in row]


@pytest.mark.parametrize(
    "odd",
    [
        {"OrderNote": {"NoteId": "x"}},
        {"OrderLine": None},
        {"OrderLine": ["x", None, {"OrderLineId": None}]},
        {"OrderLine": "x", "OrderChargeDetail": 5},
        {"Extended": {"OrderLine": [{"OrderLineId": "1"}]}, "OrderAttribute": [{"AttributeName": "a"}]},
    ],
)
def test_a_document_of_odd_shape_does_no_harm(odd: dict[str, Any]) -> None:
    assert list(rows_of(odd)) == [""]
    assert all("NoteId" in path for path in flatten(odd))


@pytest.mark.parametrize(
    ("path", "row", "list_name", "name"),
    [
        ("CustomerPhone", "", "", "CustomerPhone"),
        ("SellingChannel/SellingChannelId", "", "", "SellingChannel/SellingChannelId"),
        ("OrderLine/7/ShipToAddress/Address/City", "OrderLine/7", "OrderLine", "ShipToAddress/Address/City"),
        (
            "OrderLine/7/OrderLineTaxDetail/t/TaxRate",
            "OrderLine/7/OrderLineTaxDetail/t",
            "OrderLineTaxDetail",
            "TaxRate",
        ),
        ("OrderExtension1/Extended/OrderNote/x", "", "", "OrderExtension1/Extended/OrderNote/x"),
    ],
)
def test_a_path_tells_its_row(path: str, row: str, list_name: str, name: str) -> None:
    assert row_of(path) == (row, list_name, name)


@given(st.lists(st.text(st.sampled_from("a/~01"), min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_slash_in_a_name_or_an_id_does_not_break_a_path(names: list[str]) -> None:
    assert steps_of("/".join(step(name) for name in names)) == names


def test_a_stored_base_is_the_same_table_again() -> None:
    made = payload(
        Extended={"a/b": "x", "c": None}, OrderLine=[line("l/1"), line("l~2", Extended={"OrderNote": "y"})]
    )
    assert grouped(flatten(made)) == rows_of(made)


def test_a_base_shows_quantities_money_and_ids_and_hashes_all_else() -> None:
    base = remembered(payload(), SALT)
    assert base[f"OrderLine/{LINE_A}/Quantity"] == "3"
    assert base[f"OrderLine/{LINE_A}/UnitPrice"] == "20"
    assert base[f"OrderLine/{LINE_A}/ItemId"] == "SHIRT-M"
    assert base["OrderTaxDetail/ct-tax-ship-19/TaxAmount"] == "0.78"
    for path in (
        "CustomerEmail",
        f"OrderLine/{LINE_A}/ShipToAddress/Address/City",
        "OrderNote/ct-po/NoteText",
    ):
        assert base[path].startswith("#")
    assert base["CustomerEmail"] == hash_field("erika@example.org", SALT)
    assert base["CustomerEmail"] != remembered(payload(), b"another salt")["CustomerEmail"]


def test_no_value_that_a_setting_can_put_into_an_order_is_stored_in_clear() -> None:
    personal = "Erika Muster"
    where = dict.fromkeys(
        ("ItemId", "Quantity", "UnitPrice", "UOM", "TaxCode", "FulfillmentGroupId"), personal
    )
    made = payload(
        **where,
        Extended=where,
        OrderExtension1={"Extended": where},
        OrderLine=[
            line(
                Extended=where,
                FulfillmentGroupId=personal,
                ShippingMethodId=personal,
                ShipToLocationId=personal,
                DeliveryMethod={"DeliveryMethodId": personal},
            )
        ],
        OrderNote=[{"NoteId": "ct-po", "NoteText": personal, "UnitPrice": personal}],
    )
    assert personal not in json.dumps(remembered(made, SALT))


def test_an_empty_value_and_an_absent_one_are_remembered_alike() -> None:
    assert remembered({"CustomerPhone": ""}, SALT)["CustomerPhone"] == ""


SAMPLE_FILES = sorted(SAMPLES.glob("composed-*.json")) if SAMPLES.is_dir() else []


@pytest.mark.skipif(not SAMPLE_FILES, reason="the sample orders are not here")
@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.stem)
def test_the_base_of_a_sample_order_holds_none_of_its_personal_values(path: Any) -> None:
    mapped = mapping_of(json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal), ANY_METHOD)
    if not isinstance(mapped, MappedOrder):
        pytest.skip(mapped.message)
    text = json.dumps(list(remembered(mapped.payload, SALT).values()))
    for value in mapped.personal:
        assert json.dumps(value) not in text
