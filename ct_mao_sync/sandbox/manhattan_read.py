"""Reading a saved payload: known members only, types checked, amounts and quantities as MAO keeps them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from .core import Json
from .manhattan_envelope import Refused
from .manhattan_fields import Code, Rows
from .manhattan_values import parse_moment, render_moment

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z?\Z")
_TWO_PLACES = Decimal("0.01")
_THREE_PLACES = Decimal("0.001")
_FOUR_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class MoneyRule:
    """How amounts of one order's currency are kept: decimals, and whether more of them are refused."""

    currency: str
    decimals: int
    strict: bool

    def keep(self, amount: Decimal, path: str) -> Decimal:
        """The amount as stored; raises Refused when the currency has no such fraction."""
        if self.strict and amount != amount.to_integral_value():
            raise Refused(
                "error.400", f"{path} {amount} is not a valid amount of {self.currency}", field=path
            )
        places = _THREE_PLACES if self.decimals == 3 else _TWO_PLACES
        return amount if self.strict else amount.quantize(places, ROUND_HALF_UP)


def read_members(
    members: Mapping[str, Any], value: object, path: str, money: MoneyRule, dropped: Counter[str]
) -> Json:
    """The known members of a payload object, with their types checked; raises Refused on a wrong type.

    Unknown members are dropped and counted, as MAO drops them silently.
    """
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    read: Json = {}
    for name, each in value.items():
        kind = members.get(name)
        here = f"{path}.{name}" if path else name
        if name == "Actions":
            read[name] = _read_actions(members, each, here)
        elif kind is None:
            dropped[here] += 1
        else:
            read[name] = None if each is None else _read_value(kind, each, here, money, dropped)
    return read


def _read_value(kind: Any, value: object, path: str, money: MoneyRule, dropped: Counter[str]) -> Any:
    if isinstance(kind, dict):
        return read_members(kind, value, path, money, dropped)
    if isinstance(kind, Code):
        return _read_code(kind, value, path)
    if isinstance(kind, Rows):
        if not isinstance(value, list):
            raise _wrong_type(path, "a list")
        return [read_members(kind.members, row, path, money, dropped) for row in value]
    return _read_scalar(kind, value, path, money)


def _read_scalar(kind: str, value: object, path: str, money: MoneyRule) -> Any:
    if kind == "s":
        if not isinstance(value, str):
            raise _wrong_type(path, "a text")
        return value
    if kind == "b":
        if not isinstance(value, bool):
            raise _wrong_type(path, "true or false")
        return value
    if kind == "d":
        if not isinstance(value, str) or not _DATE_TIME.match(value):
            raise _wrong_type(path, "a date-time without zone, as 2026-03-02T09:15:00")
        try:
            return render_moment(parse_moment(value))
        except ValueError:
            raise _wrong_type(path, "a date-time that exists") from None
    if kind == "any":
        return value
    number = _read_number(value, path)
    if kind == "amount":
        return money.keep(number, path)
    return number.quantize(_FOUR_PLACES, ROUND_HALF_UP).normalize() if kind == "qty" else number


def _read_number(value: object, path: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _wrong_type(path, "a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _wrong_type(path, "a number") from None
    if not number.is_finite():
        raise _wrong_type(path, "a number")
    return number


def _read_code(kind: Code, value: object, path: str) -> Json:
    if isinstance(value, str):
        return {kind.id: value}
    if not isinstance(value, dict) or not isinstance(value.get(kind.id), str | None):
        raise _wrong_type(path, f'an object {{"{kind.id}": text}}')
    if kind.id not in value:
        raise _wrong_type(path, f'an object {{"{kind.id}": text}}')
    return {kind.id: value[kind.id]}


def _read_actions(members: Mapping[str, Any], value: object, path: str) -> Json:
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object")
    for name, action in value.items():
        if not isinstance(members.get(name), Rows) or action != "RESET" or name == "OrderLine":
            raise Refused("error.400", f"{path}.{name} {action!r} is not supported", field=path)
    return value


def _wrong_type(path: str, expected: str) -> Refused:
    return Refused("error.400", f"Cannot deserialize {path}: {expected} is expected", field=path)
