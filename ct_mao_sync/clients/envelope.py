"""MAO's envelope, in one place: what it carries, and whether it is a failure.

A 200 with `success: true` can still carry failures, in `messages` or in the rows (MAO docs,
changeshippingaddress and lateordercancellation); a 400 can carry mere warnings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ct_mao_sync.clients.refusal import Refusal, text_of

STALE_VERSION = "10208"  # MAO docs, creating-and-updating-order: "bridged in with a stale … version"
MODIFICATION_FAILED = "10255"  # of Type INFO, with the Description "Failure"
ORDER_UNKNOWN = "10006"

_MESSAGE_KEY = re.compile(r"error\.(\d+)\Z")


def is_envelope(body: Any) -> bool:
    """Other JSON must not pass for "no rows": an order believed absent would be created again."""
    if not isinstance(body, Mapping) or not ("success" in body or "data" in body):
        return False
    return body.get("data") is None or isinstance(body["data"], dict | list)


def parse_rows(body: Any) -> list[dict[str, Any]]:
    """`data` as rows: null is none, a bare object is one (both seen), and what is no object is left out."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if isinstance(data, dict):
        return [data]
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def parse_row(body: Any) -> dict[str, Any] | None:
    """`data` as one object; None when it is null or an empty list."""
    return next(iter(parse_rows(body)), None)


def parse_total(body: Any) -> int | None:
    """`header.totalCount`, which may be a string or missing."""
    header = body.get("header") if isinstance(body, Mapping) else None
    found = text_of(header.get("totalCount")) if isinstance(header, Mapping) else ""
    return int(found) if found.isdecimal() and len(found) <= 18 else None


def parse_refusal(body: Any) -> Refusal | None:
    """For an answer with an error status. None when it is no failure after all: `success: true` and
    nothing worse than warnings."""
    if isinstance(body, Mapping) and _says_success(body):
        return find_failure(body, of_write=False)
    return _refusal(body, _messages(body))


def find_failure(body: Any, *, of_write: bool) -> Refusal | None:
    """For an answer with a good status: what failed nevertheless. The rows of a read are not looked at:
    an order that was read may remember an earlier failure."""
    if not isinstance(body, Mapping):
        return None
    if "success" in body and not _says_success(body):
        return _refusal(body, _messages(body))
    failed = [message for message in _messages(body) if _is_failure(message)]
    said_failure = False
    if of_write:
        for row in parse_rows(body):
            failed += [message for message in _row_messages(row) if _is_failure(message)]
            said_failure = said_failure or _is_word(row.get("PostReleaseModificationStatus"), "failure")
    return _refusal(body, failed) if failed or said_failure else None


def code_of(text: str) -> str:
    """`ord::10007`, `error.10007` and `10007` are one code: `10007`. `error.400` only repeats the status
    and is none."""
    bare = text.rsplit("::", 1)[-1].strip()
    match = _MESSAGE_KEY.match(bare)
    if match is None:
        return bare
    return match[1] if len(match[1]) > 3 else ""


def _refusal(body: Any, messages: list[Mapping[str, Any]]) -> Refusal:
    errors = [message for message in messages if _is_failure(message)] or messages
    codes = [code_of(text_of(m.get("Code")) or text_of(m.get("ErrorCode"))) for m in errors]
    if not any(codes) and isinstance(body, Mapping) and _MESSAGE_KEY.match(text_of(body.get("messageKey"))):
        codes = [code_of(text_of(body["messageKey"]))]
    if not any(codes) and isinstance(body, Mapping):
        codes = [text_of(body.get("error"))]  # the token endpoint's and the gateway's own form
    found = tuple(dict.fromkeys(code for code in codes if code))
    return Refusal(codes=found, message=_best_text(body, errors), stale=STALE_VERSION in found)


def _best_text(body: Any, messages: list[Mapping[str, Any]]) -> str:
    """Descriptions first, then exceptions, then the generic "Bad Request"."""
    texts = [text_of(m.get("Description")) or text_of(m.get("ShortDescription")) for m in messages]
    if not any(texts) and isinstance(body, Mapping):
        exceptions = body.get("exceptions")
        texts = [
            text_of(exception.get("message"))
            for exception in (exceptions if isinstance(exceptions, list) else ())
            if isinstance(exception, Mapping)
        ]
        if not any(texts):
            texts = [text_of(body.get("message")) or text_of(body.get("error_description"))]
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _is_failure(message: Mapping[str, Any]) -> bool:
    if _is_word(message.get("Type"), "error"):
        return True
    # The one INFO that means the opposite of done.
    code = code_of(text_of(message.get("Code")) or text_of(message.get("ErrorCode")))
    return code == MODIFICATION_FAILED and _is_word(message.get("Description"), "failure")


def _messages(holder: Any, key: str = "messages") -> list[Mapping[str, Any]]:
    box = holder.get(key) if isinstance(holder, Mapping) else None
    listed = box.get("Message") if isinstance(box, Mapping) else box
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []


def _row_messages(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from _messages(row, "Messages")
    lines = row.get("OrderLine")
    for line in lines if isinstance(lines, list) else ():
        yield from _messages(line, "Messages")


def _says_success(body: Mapping[str, Any]) -> bool:
    return body.get("success") is True or _is_word(body.get("success"), "true")


def _is_word(value: Any, word: str) -> bool:
    return isinstance(value, str) and value.strip().lower() == word
