"""MAO's envelope: what is a failure, what only looks like one, and what its text and code are."""

from __future__ import annotations

from typing import Any

import pytest

from ct_mao_sync.clients.envelope import (
    code_of,
    find_failure,
    is_envelope,
    parse_refusal,
    parse_row,
    parse_rows,
    parse_total,
)


def envelope(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {
        "success": True,
        "header": None,
        "data": None,
        "messageKey": None,
        "message": None,
        "errors": [],
        "exceptions": [],
        "messages": {"Message": list(messages), "Size": len(messages)},
        "statusCode": "OK",
    }
    return {**base, **fields}


def message(kind: str, code: Any = None, text: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": kind, "Code": code, "Description": text, "BusinessKeys": None, **more}


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (None, []),
        ([], []),
        ([{"OrderId": "1"}], [{"OrderId": "1"}]),
        ({"OrderId": "1"}, [{"OrderId": "1"}]),
        ([None, {"OrderId": "1"}, "x"], [{"OrderId": "1"}]),
        ("x", []),
    ],
)
def test_data_is_rows_whether_null_list_or_bare_object(data: Any, rows: list[Any]) -> None:
    assert parse_rows(envelope(data=data)) == rows
    assert parse_row(envelope(data=data)) == (rows[0] if rows else None)


@pytest.mark.parametrize(
    ("header", "total"),
    [
        ({"totalCount": 7}, 7),
        ({"totalCount": "7"}, 7),
        (None, None),
        ({}, None),
        ({"totalCount": "many"}, None),
    ],
)
def test_the_total_may_be_a_number_a_text_or_missing(header: Any, total: int | None) -> None:
    assert parse_total(envelope(header=header)) == total


@pytest.mark.parametrize(
    "body",
    [
        envelope(),
        envelope(messages=None, exceptions=None, errors=None),
        envelope(message("WARNING", "250", "late")),
        envelope(message("INFO", "10255", "Success")),
        envelope(message("INFO", "7", "Failure of a carrier is no failure of ours")),
        envelope(data={"OrderId": "1", "Messages": None, "OrderLine": [{"Messages": None}, None]}),
        envelope(data={"Messages": {"Message": [message("WARNING", "1", "x")], "Size": 1}}),
    ],
)
def test_warnings_and_information_are_no_failures(body: Any) -> None:
    assert find_failure(body, of_write=True) is None


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (envelope(message("ERROR", "mkp::10013", "no stock", ErrorCode="10013")), "10013", "no stock"),
        (envelope(message("INFO", "10255", "Failure")), "10255", "Failure"),
        (envelope(message("WARNING", "1", "w"), message("ERROR", None, "e", ErrorCode="9")), "9", "e"),
        (envelope(data={"Messages": {"Message": [message("ERROR", "ord::10008", "line")]}}), "10008", "line"),
        (envelope(data=[{"Messages": {"Message": [message("INFO", 10255, "Failure")]}}]), "10255", "Failure"),
        (
            envelope(data={"OrderLine": [{"Messages": {"Message": [message("error", "5", "l")]}}]}),
            "5",
            "l",
        ),
        (envelope(data={"PostReleaseModificationStatus": "Failure"}), "", ""),
        (envelope(success=False, message="Bad Request"), "", "Bad Request"),
        (envelope(message(None, "3", "untyped"), success=False), "3", "untyped"),  # type: ignore[arg-type]
        (envelope(success="false", messageKey="error.10007"), "10007", ""),
    ],
)
def test_a_good_status_can_hide_a_failed_write(body: Any, code: str, text: str) -> None:
    refusal = find_failure(body, of_write=True)
    assert refusal is not None
    assert ",".join(refusal.codes) == code
    assert refusal.message == text


def test_an_order_that_remembers_an_old_failure_can_still_be_read() -> None:
    row = {
        "Messages": {"Message": [message("INFO", "10255", "Failure")]},
        "PostReleaseModificationStatus": "Failure",
    }
    assert find_failure(envelope(data=[row]), of_write=False) is None
    assert find_failure(envelope(message("ERROR", "1", "x"), data=[row]), of_write=False) is not None


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("ord::10007", "10007"),
        ("10007", "10007"),
        ("error.10007", "10007"),
        ("RCV::995", "995"),
        ("error.503", ""),
    ],
)
def test_codes_have_one_form(written: str, code: str) -> None:
    assert code_of(written) == code


def test_several_codes_are_told_once_each_and_errors_before_warnings() -> None:
    refusal = parse_refusal(
        envelope(
            message("WARNING", "1", "w"),
            message("ERROR", "ord::10007", "a"),
            message("ERROR", "10008", "b"),
            message("ERROR", "10007", "a"),
            success=False,
        )
    )
    assert refusal is not None
    assert refusal.context() == {"remote_code": "10007,10008", "remote_message": "a; b"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"exceptions": [{"message": "Entity Validation Error Occured"}], "message": "Bad Request"},
            "Entity",
        ),
        ({"exceptions": [{"message": None}], "message": "Bad Request"}, "Bad Request"),
        ({"exceptions": None, "messages": None, "message": "Bad Request"}, "Bad Request"),
    ],
)
def test_without_descriptions_the_best_text_there_is(fields: dict[str, Any], text: str) -> None:
    refusal = parse_refusal(envelope(success=False, **fields))
    assert refusal is not None and refusal.message.startswith(text)


def test_a_generic_message_key_is_no_code() -> None:
    refusal = parse_refusal(envelope(success=False, messageKey="error.400", message="Bad Request"))
    assert refusal is not None and refusal.codes == ()


def test_a_bad_status_with_warnings_only_is_no_failure() -> None:
    assert parse_refusal(envelope(message("WARNING", "250", "w"))) is None
    assert parse_refusal(envelope(message("WARNING", "250", "w"), success=False)) is not None
    assert parse_refusal(envelope(message("ERROR", "1", "e"))) is not None
    assert parse_refusal({"error": "unauthorized"}) is not None


def test_a_stale_version_is_known() -> None:
    refusal = parse_refusal(
        envelope(message("ERROR", "10208", "bridged in with a stale version"), success=False)
    )
    assert refusal is not None and refusal.stale


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"error": "x"}, {"success": True, "data": "x"}, [], None])
def test_other_json_is_no_envelope(body: Any) -> None:
    assert not is_envelope(body)
    assert is_envelope(envelope()) and is_envelope({"data": []})
