"""MAO's availability messages from a file of JSON lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.availability import Figure
from ct_mao_sync.mapping.availability_messages import FullSync, Messages, parse_messages

AT = "2026-11-01T12:00:00.25"


def lines(*messages: Any) -> list[str]:
    return [json.dumps(message) + "\n" for message in messages]


def row(item: str = "A", quantity: Any = 5, **more: Any) -> dict[str, Any]:
    return {"ItemId": item, "TotalQuantity": quantity, "TransactionDateTime": AT, **more}


def start(number: str = "T1", **more: Any) -> dict[str, Any]:
    return {"StartSync": {"TransactionNumber": number, "ViewName": "Web US", **more}}


def details(
    *rows: dict[str, Any], number: str = "T1", page: int = 0, pages: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "SyncDetails": {
            "TransactionNumber": number,
            "ViewName": "Web US",
            "CurrentPage": page,
            "TotalPages": pages,
            "Availability": list(rows),
            **more,
        }
    }


def end(number: str = "T1", **more: Any) -> dict[str, Any]:
    return {"EndSync": {"TransactionNumber": number, "ViewName": "Web US", **more}}


def the_sync(found: Messages) -> FullSync:
    (sync,) = found.syncs
    return sync


def the_fault(found: Messages) -> Rejection:
    (fault,) = found.faults
    assert fault.code == "source-invalid"
    assert "\n" not in fault.message
    return fault


def test_a_complete_full_sync_gives_its_figures_at_their_moment() -> None:
    found = parse_messages(lines(start(), details(row("A", 5), row("B", 2.5)), end(TotalCount=2)))

    sync = the_sync(found)
    assert sync.figures["A", ""] == Figure(
        "A", "", Decimal(5), at=datetime(2026, 11, 1, 12, 0, 0, 250000, tzinfo=UTC)
    )
    assert (sync.transaction, sync.view, sync.is_complete, sync.absent_is_zero) == (
        "T1",
        "Web US",
        True,
        True,
    )
    assert (found.faults, found.nudges, found.read_count) == ((), (), 3)


def test_a_figure_takes_location_and_moment_from_what_it_stands_in() -> None:
    group = {"LocationId": "org:L1", "ItemCountForLocation": 1, "Items": [{"ItemId": "A", "Quantity": 3}]}
    message = {"SyncDetails": {"TransactionNumber": "T1", "TransactionDateTime": AT, "Locations": [group]}}

    sync = the_sync(parse_messages(lines(start(LocationIds=["org:L1"]), message, end())))

    figure = sync.figures["A", "org:L1"]
    assert isinstance(figure, Figure)
    assert (figure.quantity, figure.at is not None) == (3, True)
    assert sync.locations == ("org:L1",)
    assert sync.is_complete


def test_a_message_may_be_wrapped_and_name_its_part_in_a_member() -> None:
    messages = [
        {"OriginalPayload": start(), "OriginalHeaders": {"User": "u"}},
        {"MessageType": "SyncDetails", "TransactionNumber": "T1", "TotalCount": "1", "Details": [row("A")]},
        {"message": end()},
    ]

    sync = the_sync(parse_messages(lines(*messages)))

    assert sync.is_complete
    assert set(sync.figures) == {("A", "")}


# --- what follows from an absence ------------------------------------------------------------------


SHORT = pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([start(), details(row()), end(TotalCount=2)], "it has 1 of 2 rows"),
        ([start(), details(row(), page=1, pages=3), end()], "page 0 of 3 is missing"),
        ([start(), details(row(), page=0, pages=2), end()], "page 1 of 2 is missing"),
        (
            [start(), {"SyncDetails": {"TransactionNumber": "T1", "Rows": [row()]}}, end()],
            "nothing says how much",
        ),
        (
            [
                start(LocationIds=["L1", "L2"]),
                details(row(LocationId="L1", Quantity=2), LocationId="L1", ItemCountForLocation=1),
                end(),
            ],
            "nothing says how much",
        ),
        (
            [
                start(),
                details(row(LocationId="L1", Quantity=2), LocationId="L1", ItemCountForLocation=3),
                end(),
            ],
            "it has 1 of 3 rows of L1",
        ),
    ],
)


@SHORT
def test_a_sync_of_all_items_that_lacks_some_is_one_fault_and_nothing_follows_from_what_it_lacks(
    messages: list[Any], words: str
) -> None:
    sold_out = [
        line.replace('"TotalQuantity": 5', '"TotalQuantity": 0').replace('"Quantity": 2', '"Quantity": 0')
        for line in lines(*messages)
    ]

    found = parse_messages(sold_out)

    sync = the_sync(found)
    assert (sync.is_complete, sync.absent_is_zero, sync.absent_is_asked) == (False, False, False)
    assert words in the_fault(found).message
    assert "full sync T1" in the_fault(found).message


@SHORT
def test_what_a_sync_of_stock_alone_lacks_may_have_been_empty_and_is_to_be_asked_for(
    messages: list[Any], words: str
) -> None:
    found = parse_messages(lines(*messages))

    sync = the_sync(found)
    assert (sync.is_complete, sync.absent_is_zero, sync.absent_is_asked) == (False, False, True)
    assert found.faults == (), words


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([start(), details(row())], "its end message is missing"),
        ([start(), end()], "nothing says how much"),
        ([start(), details(row(), CurrentCount=2), end(TotalCount=2)], "line 2 has 1 of 2 rows"),
        (
            [start(), details(row(), row("B", LocationId="L1", Quantity=1)), end()],
            "it mixes rows with and without location",
        ),
    ],
)
def test_a_sync_that_surely_lacks_something_is_one_fault(messages: list[Any], words: str) -> None:
    found = parse_messages(lines(*messages))

    sync = the_sync(found)
    assert (sync.is_complete, sync.absent_is_zero, sync.absent_is_asked) == (False, False, False)
    assert words in the_fault(found).message


def test_empty_pages_that_were_not_sent_leave_a_sync_complete_when_its_rows_add_up() -> None:
    found = parse_messages(
        lines(
            start(), details(row("A"), page=0, pages=3), details(row("B"), page=2, pages=3), end(TotalCount=2)
        )
    )

    assert the_sync(found).absent_is_zero


def test_a_sync_with_zeros_or_without_the_infinite_ones_says_nothing_about_the_absent() -> None:
    with_zero = parse_messages(lines(start(), details(row("A", 0), row("B")), end(TotalCount=2)))
    without_infinite = parse_messages(
        lines(start(), details(row("A")), end(TotalCount=2, ExcludedInfiniteSupplyCount=1))
    )
    empty = parse_messages(lines(start(), end(TotalCount=0)))

    for found in (with_zero, without_infinite, empty):
        assert the_sync(found).is_complete
        assert not the_sync(found).absent_is_zero
        assert found.faults == ()


def test_pages_that_come_twice_and_out_of_order_count_once() -> None:
    first, second = details(row("A"), page=0, pages=2), details(row("B"), page=1, pages=2)

    found = parse_messages(
        lines(start(), second, first, second, start(), end(TotalCount=2), end(TotalCount=2))
    )

    assert the_sync(found).is_complete
    assert found.faults == ()


def test_of_two_figures_the_younger_counts_and_two_of_one_moment_contradict() -> None:
    older = row("A", 9, TransactionDateTime="2026-11-01T11:59:59")
    messages = [start(), details(row("A", 5), older, row("B", 1), row("B", 2)), end(TotalCount=2)]

    figures = the_sync(parse_messages(lines(*messages))).figures

    younger, contradiction = figures["A", ""], figures["B", ""]
    assert isinstance(younger, Figure)
    assert younger.quantity == 5
    assert isinstance(contradiction, Rejection)
    assert "1 and 2" in contradiction.message


@pytest.mark.parametrize("quantity", ["NaN", "-3", '"7"', "null", "1e300", "[]"])
def test_a_bad_figure_in_a_sync_is_rejected_and_makes_no_absence_zero(quantity: str) -> None:
    text = json.dumps(details(row("A", "?"), row("B"))).replace('"?"', quantity) + "\n"

    found = parse_messages([*lines(start()), text, *lines(end(TotalCount=2))])

    sync = the_sync(found)
    assert isinstance(sync.figures["A", ""], Rejection)
    assert isinstance(sync.figures["B", ""], Figure)
    assert not sync.absent_is_zero


def test_a_figure_without_moment_is_only_a_nudge() -> None:
    found = parse_messages(lines(start(), details({"ItemId": "A", "TotalQuantity": 5}), end(TotalCount=1)))

    assert found.nudges == ("A",)
    assert isinstance(the_sync(found).figures["A", ""], Rejection)


# --- nudges ----------------------------------------------------------------------------------------------


def test_delta_alert_and_change_messages_are_nudges() -> None:
    messages = [
        details(row("A", LocationId="L1"), row("B"), number="D1"),
        {"ItemId": "C", "Status": "OUT_OF_STOCK", "Quantity": {}},
        [{"ItemId": "D"}, {"ItemId": "A"}],
        {"RelaySupplyEvent": {"SupplyDefinition": {"ItemId": "E", "LocationId": "L1"}}},
    ]

    found = parse_messages(lines(*messages))

    assert found.nudges == ("A", "B", "C", "D", "E")
    assert (found.syncs, found.faults) == ((), ())


def test_messages_of_other_views_are_passed_over_and_of_no_view_are_nudges() -> None:
    other = start(number="T2", ViewName="Store view")
    unnamed = {"ItemId": "Z"}

    found = parse_messages(
        lines(
            other, {**unnamed, "ViewName": "Store view"}, unnamed, start(), details(row()), end(TotalCount=1)
        ),
        views=frozenset({"Web US"}),
    )

    assert found.other_views_count == 2
    assert found.nudges == ("Z",)
    assert the_sync(found).is_complete


# --- broken files ----------------------------------------------------------------------------------------


def test_a_file_cut_in_the_middle_is_one_fault_and_what_came_before_counts() -> None:
    whole = lines(
        start(), details(row("A"), page=0, pages=2), details(row("B"), page=1, pages=2), end(TotalCount=2)
    )
    cut = "".join(whole)[: len(whole[0]) + len(whole[1]) + 40]

    found = parse_messages(cut.splitlines(keepends=True))

    assert the_fault(found).message == "line 3: the file ends in the middle of a message"
    assert the_fault(found).context == {"line": 3}
    sync = the_sync(found)
    assert isinstance(sync.figures["A", ""], Figure)
    assert not sync.is_complete


@given(st.integers(0, 2000))
def test_wherever_a_file_is_cut_there_is_at_most_one_fault_and_no_absence_becomes_zero(place: int) -> None:
    whole = "".join(
        lines(
            start(),
            details(row("Größe"), page=0, pages=2),
            details(row("B"), page=1, pages=2),
            end(TotalCount=2),
        )
    ).encode()
    cut = whole[: min(place, len(whole) - 2)]

    found = parse_messages(cut.splitlines(keepends=True))

    assert len(found.faults) <= 1
    assert all(not sync.absent_is_zero for sync in found.syncs)
    assert bool(found.faults) == bool(cut)


@pytest.mark.parametrize(
    "broken",
    [
        b"not json\n",
        b"\xff\xfe\n",
        b"{\n",
        b"[" * 100000 + b"\n",
        b"1" * 5000 + b"\n",
        b'{"a": 1e9999999999999999999}\n',
    ],
)
def test_a_broken_line_in_the_middle_is_one_fault_and_the_rest_is_read(broken: bytes) -> None:
    whole = [line.encode() for line in lines(start(), details(row()), end(TotalCount=1), {"ItemId": "C"})]

    found = parse_messages([*whole[:1], broken, *whole[1:]])

    assert the_fault(found).message.startswith("line 2: ")
    assert the_sync(found).is_complete, "its own counters prove it"
    assert found.nudges == ("C",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3\n", "no availability message"),
        ('"text"\n', "no availability message"),
        ("null\n", "no availability message"),
        ("{}\n", "names no item"),
        ('{"ItemId": null}\n', "names no item"),
        (json.dumps(end("T9")) + "\n", "whose start is not in the file"),
    ],
)
def test_a_line_that_is_no_message_is_one_fault(line: str, words: str) -> None:
    assert words in the_fault(parse_messages([line])).message


def test_empty_lines_and_a_byte_order_mark_are_no_fault() -> None:
    assert parse_messages([b"\xef\xbb\xbf" + lines({"ItemId": "A"})[0].encode(), b"\n", b"  \n"]).nudges == (
        "A",
    )
    assert parse_messages([]) == Messages((), (), (), 0, 0)


@given(
    st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.sampled_from(["StartSync", "EndSync", "T1", AT, "A"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "StartSync",
                            "SyncDetails",
                            "EndSync",
                            "TransactionNumber",
                            "ItemId",
                            "LocationId",
                            "Quantity",
                            "TotalQuantity",
                            "TotalCount",
                            "TransactionDateTime",
                            "CurrentPage",
                            "TotalPages",
                            "Locations",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
        max_size=5,
    )
)
def test_no_message_however_wild_raises(messages: list[Any]) -> None:
    found = parse_messages(lines(*messages))

    for sync in found.syncs:
        assert not sync.absent_is_zero or sync.is_complete
    assert len(found.faults) <= sum(len(each) if isinstance(each, list) else 1 for each in messages) + 5
