"""JSON lines as other systems write them: a document each, and one fault for a line that is none. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.shop_id import is_shop_id


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1. `fault`: why there is no document, "" where there is one."""

    number: int
    document: Any = None
    fault: str = ""
    is_cut: bool = False
    """The last line of the file, without its end: the file was cut in the middle."""


def parse_lines(lines: Iterable[str | bytes]) -> Iterator[Line]:
    """Every line that is not blank; fractions as Decimal. Never raises for what stands there."""
    waiting: tuple[int, str | bytes] | None = None
    for number, line in enumerate(lines, 1):
        if waiting is not None:
            yield from _parse(*waiting, is_last=False)
        waiting = number, line
    if waiting is not None:
        yield from _parse(*waiting, is_last=True)


def _parse(number: int, line: str | bytes, *, is_last: bool) -> Iterator[Line]:
    try:
        text = line.decode("utf-8-sig") if isinstance(line, bytes) else line.removeprefix("\ufeff")
        if text.strip():
            yield Line(number, json.loads(text, parse_float=Decimal, parse_constant=Decimal))
    except (ValueError, ArithmeticError, RecursionError):  # also what is not UTF-8
        is_open = not (line.endswith(b"\n") if isinstance(line, bytes) else line.endswith("\n"))
        is_cut = is_last and is_open
        what = (
            "the file ends in the middle of a message"
            if is_cut
            else "is not a message: it is not JSON in UTF-8"
        )
        yield Line(number, fault=what, is_cut=is_cut)


@dataclass(frozen=True, slots=True)
class NamedRecords:
    """What a file of messages names: ids to be read again, each once, and what cannot be used."""

    ids: tuple[str, ...]
    faults: tuple[Rejection, ...]
    others_count: int = 0
    """Messages about something else; they are passed over."""


def parse_named_records(
    lines: Iterable[str | bytes], id_of: Callable[[Any], str | None], *, file: str, what: str
) -> NamedRecords:
    """`id_of` gives the id that a message names, "" when it is about something else, None when it is no such
    message; `what` says what was expected, as "no commercetools message", `file` where it stands."""
    ids: dict[str, None] = {}
    faults: list[Rejection] = []
    others = 0
    for line in parse_lines(lines):
        if line.fault:
            faults.append(line_fault(file, line.number, line.fault))
            continue
        for message in line.document if isinstance(line.document, list) else [line.document]:
            found = id_of(message)
            if found is None:
                faults.append(line_fault(file, line.number, f"is JSON, but {what}"))
            elif found:
                ids[found] = None
            else:
                others += 1
    return NamedRecords(tuple(ids), tuple(faults), others)


def line_fault(file: str, number: int, what: str, hint: str = "have it sent again") -> Rejection:
    where = f"{file}: line {number}" if file else f"line {number}"
    return Rejection("source-invalid", f"{where}: {what}", hint=hint, context={"line": number})


def order_of_message(message: Any, depth: int = 0) -> str | None:
    """The id of the order that a commercetools message is about, in whatever a queue has wrapped it in; ""
    for a message about something else (commercetools docs: Message, and MessageDeliveryPayload: both name
    their `resource` by typeId and id)."""
    message = _unfolded(message, depth)
    if message is None:
        return None
    resource = message.get("resource")
    if isinstance(resource, dict) and isinstance(resource.get("typeId"), str):
        named = resource.get("id")
        if resource["typeId"] != "order":
            return ""
        return named if isinstance(named, str) and named else None
    return _wrapped(message, _ENVELOPES, order_of_message, depth)


def order_of_publication(message: Any, depth: int = 0) -> str | None:
    """The order that a published MAO order is about: its commercetools id, else its OrderId; "" for an order
    of another origin and for a return (MAO docs: how-publish-order-works; relays put the order into
    OriginalPayload)."""
    message = _unfolded(message, depth)
    if message is None:
        return None
    order_id, alternate = message.get("OrderId"), message.get("AlternateOrderId")
    if isinstance(order_id, str) and order_id:
        lines = message.get("OrderLine")
        if isinstance(lines, list) and lines and all(_is_return(line) for line in lines):
            return ""
        if isinstance(alternate, str) and alternate:
            return alternate if is_shop_id(alternate) else ""
        return order_id
    return _wrapped(message, ("OriginalPayload", *_ENVELOPES), order_of_publication, depth)


# SNS and SQS, EventBridge, Event Grid: the payload stands one level deeper, also as text.
_ENVELOPES = ("Message", "message", "Body", "body", "detail", "data")


def _unfolded(message: Any, depth: int) -> dict[str, Any] | None:
    if isinstance(message, str) and depth:
        try:
            message = json.loads(message)
        except ValueError:
            return None
    return message if isinstance(message, dict) and depth <= 4 else None


def _wrapped(
    message: dict[str, Any], names: Iterable[str], id_of: Callable[[Any, int], str | None], depth: int
) -> str | None:
    for name in names:
        if name in message and (found := id_of(message[name], depth + 1)) is not None:
            return found
    return None


def _is_return(line: Any) -> bool:
    return isinstance(line, dict) and line.get("IsReturn") is True
