"""Which MAO orders are returns: only their lines say so."""

from __future__ import annotations

from typing import Any

import pytest

from ct_mao_sync.mapping.mao_document import is_return


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([{"IsReturn": True}], True),
        ([{"IsReturn": True}, {"IsReturn": False}], False),
        ([{"IsReturn": None}], False),
        ([{"IsReturn": "true"}], False),
        ([], False),
        (None, False),
    ],
)
def test_an_order_all_of_whose_lines_come_back_is_a_return(lines: Any, expected: bool) -> None:
    assert is_return({"OrderLine": lines}) is expected
