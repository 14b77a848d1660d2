"""Amounts are split, rounded and written without losing a unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.mapping.money import Currency, allocate
from ct_mao_sync.mapping.source import row_id


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
)
def test_shares_add_up_and_are_fair(total: int, weights: list[int]) -> None:
    shares = allocate(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    if whole:
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - Decimal(total) * weight / whole) < 1 + Decimal("0.0001")


@pytest.mark.parametrize(
    ("currency", "cent_amount", "text"),
    [
        (Currency("EUR", 2, 2), 490, "4.90"),
        (Currency("JPY", 0, 0), 490, "490"),
        (Currency("KWD", 3, 3), 490, "0.490"),
        (Currency("HUF", 2, 0), 49000, "490"),
        (Currency("HUF", 2, 0), 49010, "490.10"),
        (Currency("EUR", 2, 2), -5, "-0.05"),
    ],
)
def test_an_amount_is_written_with_the_currencys_decimals(
    currency: Currency, cent_amount: int, text: str
) -> None:
    assert str(currency.decimal(cent_amount)) == text
    assert currency.fits(currency.decimal(cent_amount)) is (cent_amount != 49010)


@pytest.mark.parametrize(("amount", "cents"), [("0.125", 12), ("0.135", 14), ("0.01234", 1), ("-0.125", -12)])
def test_prices_are_rounded_half_to_even(amount: str, cents: int) -> None:
    assert Currency("EUR", 2, 2).round_price(Decimal(amount)) == cents


def test_a_unit_price_rounded_down_never_exceeds_its_total() -> None:
    assert Currency("EUR", 2, 2).floor_price(1000, 3) == 333
    assert Currency("HUF", 2, 0).floor_price(100000, 3) == 33300


def test_a_row_id_that_suits_stays_and_another_gets_a_hash() -> None:
    assert row_id("ship", "home") == "ct-ship-home"
    assert row_id("ship", "ho me") != row_id("ship", "ho_me")
    assert len(row_id("ship", "k" * 256)) == 100
    assert row_id("ship", "k" * 256) != row_id("ship", "k" * 255)
