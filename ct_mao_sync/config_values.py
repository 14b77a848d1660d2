"""The kinds of value a configuration key can hold, and how each is checked.

Every check answers with a phrase that completes "orders.max_cancel …", for instance "is -1", so that one
place can put file, key and allowed values around it. A kind that has an `Allowed` says in words what is
accepted; the others are described from their type.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from annotated_types import Interval, MinLen
from pydantic import AfterValidator, BeforeValidator, Field


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a key accepts, in words that complete "it must be …"."""

    text: str


def shown(value: object) -> str:
    """A value as its writer knows it: TOML spelling, one line, not too long."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = '"' + value.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:76] + " …"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, "" when none is."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else ""


# --- numbers and times -----------------------------------------------------------------------------

_DURATION = re.compile(r"(\d{1,9})\s*(s|m|h|d)\Z")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise ValueError(f"is {shown(value)}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"is {value}")
    return number


def _exact(value: Any) -> int | Decimal:
    """An exact positive number; a float would already have lost what was written."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"is {shown(value)}")
    if (isinstance(value, Decimal) and not value.is_finite()) or value <= 0:
        raise ValueError(f"is {value}")
    return value


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"is {shown(value)}")
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if seconds > 366 * 86400:
        raise ValueError(f"is {shown(value)}, more than a year")
    return timedelta(seconds=seconds)


def _rhythm(value: Any) -> timedelta | None:
    return None if value is None or value == "" else _duration(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"is {shown(value)}") from None
    if not isinstance(value, datetime):
        raise ValueError(f"is {shown(value)}")
    if value.tzinfo is None:
        raise ValueError(f"is {value.isoformat()}, which has no time zone")
    return value.astimezone(UTC)


_SECONDS = Allowed("a number of seconds, 0 or more")

Workers = Annotated[int, Interval(ge=1, le=64)]
PageSize = Annotated[int, Interval(ge=1, le=500)]
Count = Annotated[int, Interval(ge=0, le=1_000_000_000)]
PositiveCount = Annotated[int, Interval(ge=1, le=1_000_000_000)]
Decimals = Annotated[int, Interval(ge=0, le=4)]
Percent = Annotated[
    float, BeforeValidator(_number), Field(ge=0, le=100), Allowed("a number from 0 to 100 (percent)")
]
Seconds = Annotated[float, BeforeValidator(_number), Field(ge=0, le=86400), _SECONDS]
Timeout = Annotated[
    float, BeforeValidator(_number), Field(gt=0, le=3600), Allowed("a number of seconds above 0, up to 3600")
]
Units = Annotated[
    int | Decimal, BeforeValidator(_exact), Allowed("a positive number of selling units, such as 1 or 12")
]
Duration = Annotated[
    timedelta, BeforeValidator(_duration), Allowed('a duration such as "30s", "2m", "24h" or "1d"')
]
Rhythm = Annotated[
    timedelta | None,
    BeforeValidator(_rhythm),
    Allowed('a duration such as "30s", "2m", "24h" or "1d", or "" to switch the job off'),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    Allowed('a moment with its time zone, such as "2026-11-01T00:00:00Z"'),
]

# --- texts -----------------------------------------------------------------------------------------

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+\Z")
_KEY = re.compile(r"[A-Za-z0-9_-]{2,256}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_BASE_STATUS = re.compile(r"[1-9]\d{3,4}\Z")
_MAO_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
ORDER_ID_PLACEHOLDERS = ("orderNumber", "id", "store")
COMMENT_PLACEHOLDERS = ("return", "line", "item", "reason", "condition", "disposition")


def is_loopback(host: str) -> bool:
    """Plain http is for this machine only: 127.0.0.0/8, ::1, localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url(value: str) -> str:
    if value == "":
        return value
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"is {shown(value)}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name or password, which would end up in logs")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ValueError(f"is {shown(value)}")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError(f"is {shown(value)}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"is {shown(value)}: plain http would send the secret in clear")
    return value.rstrip("/")


def _region(value: str) -> str:
    if value and not _REGION.match(value):
        raise ValueError(f"is {shown(value)}")
    return value


def _project_key(value: str) -> str:
    if not _KEY.match(value):
        raise ValueError(f"is {shown(value)}")
    return value


def _currency(value: str) -> str:
    if not _CURRENCY.match(value):
        raise ValueError("is not a currency code")
    return value


def _base_status(value: str) -> str:
    if not _BASE_STATUS.match(value):
        raise ValueError(f"{shown(value)} is not a MAO status: its digits without those after the point")
    return value


def _order_id(value: str) -> str:
    found = _PLACEHOLDER.findall(value)
    unknown = [name for name in found if name not in ORDER_ID_PLACEHOLDERS]
    if unknown:
        raise ValueError(f"is {shown(value)}; {shown('{' + unknown[0] + '}')} is not a placeholder")
    literal = _PLACEHOLDER.sub("", value)
    if not re.fullmatch(r"[A-Za-z0-9_-]*", literal):
        raise ValueError(f"is {shown(value)}; MAO's OrderId takes letters, digits, _ and - only")
    if not {"orderNumber", "id"} & set(found):
        raise ValueError(f"is {shown(value)}, the same for every order")
    return value


def _comment(value: str) -> str:
    unknown = [name for name in _PLACEHOLDER.findall(value) if name not in COMMENT_PLACEHOLDERS]
    if unknown:
        raise ValueError(f"is {shown(value)}; {shown('{' + unknown[0] + '}')} is not a placeholder")
    return value


def check_expression(expression: str) -> None:
    """Raises ValueError when the text is not a JMESPath expression."""
    import jmespath  # 20 ms that a configuration without expressions does not pay
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        # The library prints the expression on further lines, with a mark below; the place is enough.
        reason = re.sub(r"[,:]?\s*(for expression)?:?\Z", "", " ".join(str(error).split("\n", 1)[0].split()))
        raise ValueError(f"is {shown(expression)}, not a JMESPath expression ({reason})") from None


def _expression(value: str) -> str:
    if value:
        check_expression(value)
    return value


def _needed_expression(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    check_expression(value)
    return value


def _static(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("="):
        check_expression(value[1:])
    elif not isinstance(value, str | int | bool | Decimal) or (
        isinstance(value, Decimal) and not value.is_finite()
    ):
        raise ValueError(f"is {shown(value)}")
    return value


def _mao_path(value: str) -> str:
    if not _MAO_PATH.match(value):
        raise ValueError("is not the name of a field")
    return value


def _carrier_url(value: str) -> str:
    if value and (not value.startswith(("https://", "http://")) or "{tracking}" not in value):
        raise ValueError(f"is {shown(value)}")
    return value


NeededText = Annotated[str, MinLen(1), Allowed("a text that is not empty")]
HttpUrl = Annotated[
    str,
    AfterValidator(_url),
    Allowed('an address such as "https://host.example" (http:// only for this machine)'),
]
NeededUrl = Annotated[HttpUrl, MinLen(1)]
Region = Annotated[str, AfterValidator(_region), Allowed('a commercetools region such as "europe-west1.gcp"')]
ProjectKey = Annotated[
    str, AfterValidator(_project_key), Allowed("a project key: 2 or more letters, digits, _ or -")
]
BaseStatus = Annotated[str, AfterValidator(_base_status)]
Currency = Annotated[str, AfterValidator(_currency), Allowed('a currency code such as "HUF"')]
OrderIdTemplate = Annotated[
    str,
    AfterValidator(_order_id),
    Allowed('built with "{orderNumber}" or "{id}", and "{store}" if wanted'),
]
CommentTemplate = Annotated[
    str,
    AfterValidator(_comment),
    Allowed("built with " + ", ".join(f'"{{{name}}}"' for name in COMMENT_PLACEHOLDERS)),
]
Expression = Annotated[
    str, AfterValidator(_expression), Allowed('a JMESPath expression such as "custom.fields.email", or ""')
]
NeededExpression = Annotated[
    str, AfterValidator(_needed_expression), Allowed('a JMESPath expression such as "custom.fields.email"')
]
StaticValue = Annotated[
    Any,
    BeforeValidator(_static),
    Allowed('a text, number, true or false, or "=JMESPath over the order"'),
]
MaoPath = Annotated[
    str, AfterValidator(_mao_path), Allowed('a MAO field such as "SellingChannel.SellingChannelId"')
]
CarrierUrl = Annotated[
    str, AfterValidator(_carrier_url), Allowed('an address that contains "{tracking}", or ""')
]
