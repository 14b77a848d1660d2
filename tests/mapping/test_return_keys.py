"""Keys of return items: always allowed, never the same for two, and ours to recognise."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.mapping.return_keys import condition_key, item_key, line_key, parse_key

names = st.text(min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("return_id", "line_id", "condition", "key"),
    [
        ("R1", "1", "New", "mao-R1-1-New-1"),
        ("R-CT-10001-1", "1", "New", "mao-R-CT-10001-1-1-New-1"),
        ("R1", "1", "", "mao-R1-1-unknown-1"),
    ],
)
def test_plain_names_stay_as_they_are(return_id: str, line_id: str, condition: str, key: str) -> None:
    assert item_key(line_key(return_id, line_id), condition_key(condition), 1) == key


@given(names, names, names, st.integers(1, 10**6))
def test_any_name_makes_an_allowed_key_that_is_read_back(
    return_id: str, line_id: str, condition: str, number: int
) -> None:
    line = line_key(return_id, line_id)
    key = item_key(line, condition_key(condition), number)

    assert re.fullmatch(r"[A-Za-z0-9_-]{2,256}", key)
    parsed = parse_key(key)
    assert parsed is not None
    assert (parsed.line, parsed.condition, parsed.number) == (line, condition_key(condition), number)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_two_are_never_one(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    if one != other:
        assert item_key(line_key(*one[:2]), condition_key(one[2]), 1) != item_key(
            line_key(*other[:2]), condition_key(other[2]), 1
        )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("R", "1-2", "New"), ("R-1", "2", "New")),
        (("R", "1", "Like-New"), ("R", "1", "Like_New")),
        (("R", "a b", "New"), ("R", "a_b", "New")),
        (("x" * 300, "1", "New"), ("x" * 301, "1", "New")),
    ],
)
def test_names_that_look_alike_are_told_apart(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert line_key(*one[:2]) + condition_key(one[2]) != line_key(*other[:2]) + condition_key(other[2])


@pytest.mark.parametrize("key", ["", "agent-1", "mao-R1", "mao-R1-1-New", "mao-R1-1-New-0", "mao-R1-1-New-x"])
def test_keys_of_others_are_nobodys(key: str) -> None:
    assert parse_key(key) is None
