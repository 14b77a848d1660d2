"""A MAO status id as a milestone."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from ct_mao_sync.config_sections import Milestone
from ct_mao_sync.mapping.milestones import BEFORE_SHIPPING, CANCELLED, GONE, MILESTONES, milestone_of


@pytest.mark.parametrize(
    ("status", "milestone"),
    [
        ("1000", "open"),
        ("0000", "open"),
        ("1500", "backordered"),
        ("1600", "backordered"),
        ("2000", "allocated"),
        ("2000.100", "allocated"),
        ("3000", "released"),
        ("3500", "in_process"),
        ("3600", "picked"),
        ("3600.100", "picked"),
        ("3700", "packed"),
        ("7000", "shipped"),
        ("7000.000", "shipped"),
        (7000, "shipped"),
        ("7500", "delivered"),
        ("8000", "shipped"),
        ("8500", "returned"),
        ("9000", "cancelled"),
    ],
)
def test_the_integer_part_tells_the_milestone(status: Any, milestone: str) -> None:
    assert milestone_of(status) == milestone


@pytest.mark.parametrize("status", ["11000", "19000", "4500", "", None, "Shipped", "NaN", [], "1e400"])
def test_what_is_no_status_of_a_sale_line_has_none(status: Any) -> None:
    assert milestone_of(status) is None


def test_the_milestones_are_those_of_the_configuration() -> None:
    assert set(MILESTONES) == set(get_args(Milestone))
    assert {*GONE, *BEFORE_SHIPPING, CANCELLED} == set(MILESTONES)
