"""Numbers are written as they are, and equal values have one digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.models.json import canonical_json, digest, dump_json


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20))
def test_a_decimal_survives_writing_and_reading(number: Decimal) -> None:
    assert json.loads(dump_json([number]), parse_float=Decimal, parse_int=Decimal) == [number]


def test_decimals_keep_their_digits_and_are_numbers() -> None:
    body = {"a": Decimal("4.90"), "b": Decimal("-0.05"), "c": Decimal("1E+3"), "d": 2, "e": "4.90"}
    assert dump_json(body) == b'{"a":4.90,"b":-0.05,"c":1000,"d":2,"e":"4.90"}'


def test_a_decimal_that_no_float_can_hold_is_exact() -> None:
    assert (
        dump_json(Decimal("0.1000000000000000055511151231257827")) == b"0.1000000000000000055511151231257827"
    )


def test_text_cannot_pass_as_a_number() -> None:
    nasty = '","x":1,"y":"12.5'
    assert json.loads(dump_json({"a": nasty, "b": Decimal("1.0")}))["a"] == nasty


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_everything_else_is_ordinary_json(value: object) -> None:
    assert json.loads(dump_json(value)) == value


def test_datetimes_are_iso() -> None:
    assert dump_json(datetime(2026, 3, 2, 9, 15, tzinfo=UTC)) == b'"2026-03-02T09:15:00+00:00"'


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_what_is_no_number_is_refused(number: object) -> None:
    with pytest.raises(ValueError):
        dump_json(number)


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        dump_json({1, 2})


def test_equal_values_have_one_canonical_form() -> None:
    berlin = timezone(timedelta(hours=1))
    first = {"b": Decimal("4.90"), "a": [Decimal("4"), datetime(2026, 3, 2, 10, 15, tzinfo=berlin)]}
    second = {"a": [4, datetime(2026, 3, 2, 9, 15, tzinfo=UTC)], "b": Decimal("4.9")}
    assert canonical_json(first) == canonical_json(second)
    assert digest(first) == digest(second)
    assert digest({"x": Decimal("100")}) == digest({"x": 100})
    assert digest({"x": Decimal("-0.00")}) == digest({"x": 0})


def test_different_values_differ() -> None:
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest([1, 2]) != digest([2, 1])
    assert len(digest({})) == 32
