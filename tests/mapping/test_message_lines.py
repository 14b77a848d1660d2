"""Files of messages: what each line is, and what it names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ct_mao_sync.mapping.message_lines import (
    Line,
    order_of_message,
    order_of_publication,
    parse_lines,
    parse_named_records,
)

MESSAGE = {"type": "OrderCreated", "resource": {"typeId": "order", "id": "o-1"}, "sequenceNumber": 1}


def test_each_line_is_a_document_and_blank_ones_are_nothing() -> None:
    assert list(parse_lines([b'{"a": 1}\n', b"\n", "[2]\n"])) == [Line(1, {"a": 1}), Line(3, [2])]


def test_a_byte_order_mark_is_no_fault() -> None:
    assert [line.document for line in parse_lines(["\ufeff1\n".encode()])] == [1]


@pytest.mark.parametrize("bad", [b'{"a": \n', b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"no\n"])
def test_a_line_that_is_no_json_is_told_and_the_rest_goes_on(bad: bytes) -> None:
    first, second = parse_lines([bad, b"2\n"])
    assert first.fault and not first.is_cut
    assert second.document == 2


def test_a_file_that_was_cut_is_told_as_that() -> None:
    *_, last = parse_lines([b"1\n", b'{"a'])
    assert (last.number, last.is_cut) == (2, True)
    assert "ends in the middle" in last.fault


def test_a_last_line_without_its_end_is_whole_when_it_parses() -> None:
    assert [line.fault for line in parse_lines([b"1\n", b"2"])] == ["", ""]


@pytest.mark.parametrize(
    "wrapped",
    [
        MESSAGE,
        {"notificationType": "Message", "resource": {"typeId": "order", "id": "o-1"}},
        {"Message": json.dumps(MESSAGE)},
        {"Body": json.dumps({"Message": json.dumps(MESSAGE)})},
        {"detail-type": "Message", "detail": MESSAGE},
        {"specversion": "1.0", "data": MESSAGE},
    ],
    ids=["message", "subscription", "sns", "sqs", "eventbridge", "eventgrid"],
)
def test_the_order_of_a_message_is_found_in_whatever_a_queue_wrapped_it(wrapped: Any) -> None:
    assert order_of_message(wrapped) == "o-1"


def test_a_message_about_something_else_names_no_order() -> None:
    assert order_of_message({"resource": {"typeId": "product", "id": "p"}}) == ""


@pytest.mark.parametrize("no_message", [None, 1, "x", {}, {"resource": {"typeId": "order"}}, {"data": 5}, []])
def test_what_is_no_message_is_none(no_message: Any) -> None:
    assert order_of_message(no_message) is None


def test_a_file_names_each_record_once_and_every_fault_with_its_place() -> None:
    lines = [json.dumps(m).encode() + b"\n" for m in (MESSAGE, [MESSAGE], {"a": 1})]
    lines.append(json.dumps({"resource": {"typeId": "cart", "id": "c"}}).encode() + b"\n")

    found = parse_named_records(
        [*lines, b'{"resour'], order_of_message, file="queue.jsonl", what="no message"
    )

    assert (found.ids, found.others_count) == (("o-1",), 1)
    assert [fault.message for fault in found.faults] == [
        "queue.jsonl: line 3: is JSON, but no message",
        "queue.jsonl: line 5: the file ends in the middle of a message",
    ]


ORDER = {"OrderId": "CT-1", "AlternateOrderId": "6f6a1c1e-1111-4222-8333-944455556666"}


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (ORDER, ORDER["AlternateOrderId"]),
        ({"OriginalPayload": ORDER, "OriginalHeaders": {"User": "x"}}, ORDER["AlternateOrderId"]),
        ({"data": json.dumps({"OriginalPayload": ORDER})}, ORDER["AlternateOrderId"]),
        ({"OrderId": "CT-1"}, "CT-1"),
        ({"OrderId": "POS-9", "AlternateOrderId": "9"}, ""),
        ({"OrderId": "R1", "OrderLine": [{"IsReturn": True}]}, ""),
        ({"OrderId": "CT-1", "OrderLine": [{"IsReturn": True}, {}]}, "CT-1"),
        ({"Order": 1}, None),
        ([ORDER], None),
    ],
)
def test_the_order_of_what_mao_publishes(message: Any, named: str | None) -> None:
    assert order_of_publication(message) == named
