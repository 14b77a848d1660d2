"""What goes wrong, and when: a schedule of faults by seed, and faults aimed at single requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from .core import COMMERCETOOLS, MANHATTAN, Request, Response, World, is_write, json_response

Predicate = Callable[[Request], bool]
Dispatch = Callable[[Request], Response]

KINDS: dict[str, str] = {
    "429": "Too Many Requests with Retry-After; nothing happened",
    "503": "Service Unavailable; nothing happened",
    "500": "Internal Server Error before the effect",
    "500-after": "Internal Server Error although the effect took place",
    "503-after": "Service Unavailable although the effect took place",
    "lost-before": "connection lost before the effect",
    "lost-after": "connection lost after the effect",
    "hang": "never answers; nothing happened",
    "hang-after": "never answers, but the effect took place",
    "connect-refused": "nobody listens",
    "connect-timeout": "the host cannot be reached",
    "401": "the access token has expired",
    "403": "the grant is missing",
    "409": "somebody else changed the commercetools resource just before",
    "slow": "the answer takes slow-s seconds",
    "stale": "a search or query reads a replica that is stale-s seconds behind",
    "duplicate": "a search or query returns one row twice",
    "failure-inside": "a Manhattan write answers 200 and success, but a message inside says that it failed",
    "not-json": "the answer is a page of HTML; the effect took place",
    "endless": "the answer's body never ends; the effect took place",
    "drip": "the answer's body comes one byte a second; the effect took place",
    "truncated": "the answer's body stops in the middle; the effect took place",
    "no-date": "the answer has no Date header",
}
_NUMBERS = {
    "retry-after": "retry_after_s",
    "slow-s": "slow_s",
    "stale-s": "stale_s",
    "skew-commercetools": "skew_commercetools_s",
    "skew-manhattan": "skew_manhattan_s",
}
_AFTER = {
    "lost-after": "lost",
    "hang-after": "hang",
    "endless": "endless",
    "drip": "drip",
    "truncated": "truncated",
}
_NEVER = {
    "lost-before": "lost",
    "hang": "hang",
    "connect-refused": "connect-refused",
    "connect-timeout": "connect-timeout",
}


@dataclass(slots=True)
class Rule:
    """A fault aimed at the requests that `predicate` accepts; `remaining` None means every one of them."""

    predicate: Predicate
    kind: str
    remaining: int | None = None
    hits: int = 0

    def stop(self) -> None:
        """From now on the rule does nothing."""
        self.remaining = 0


@dataclass(slots=True)
class Faults:
    """A fault schedule.

    rates     kind, or "commercetools:kind" / "manhattan:kind", to a probability 0..1
    seed      the same seed and the same requests give the same faults
    """

    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    retry_after_s: float = 1.0
    slow_s: float = 1.0
    stale_s: float = 5.0
    skew_commercetools_s: float = 0.0
    skew_manhattan_s: float = 0.0
    hits: dict[str, int] = field(default_factory=dict)
    """How often each kind has struck."""
    rules: list[Rule] = field(default_factory=list)
    _rng: random.Random = field(init=False, repr=False)
    _tables: dict[str, list[tuple[str, float]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            service, _, kind = name.rpartition(":")
            if kind not in KINDS or service not in ("", COMMERCETOOLS, MANHATTAN):
                raise ValueError(f"no such fault: {name}; there are: {', '.join(KINDS)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {name} must be 0..1, not {rate}")
        self._rng = random.Random(self.seed)
        self._tables = {service: self._table(service) for service in (COMMERCETOOLS, MANHATTAN)}

    @classmethod
    def parse(cls, spec: str) -> Faults:
        """Reads "429=0.05,500-after=0.02,manhattan:lost-after=0.01,retry-after=2,seed=7".

        Raises ValueError that names the part it cannot read.
        """
        rates: dict[str, float] = {}
        numbers: dict[str, float] = {}
        seed = 0
        for part in filter(None, (part.strip() for part in spec.split(","))):
            name, equals, text = part.partition("=")
            try:
                number = float(text)
            except ValueError:
                number = -1.0
                equals = ""
            if not equals:
                raise ValueError(f"a fault is written name=number, not {part!r}")
            if name == "seed":
                seed = int(number)
            elif name in _NUMBERS:
                numbers[_NUMBERS[name]] = number
            else:
                rates[name] = number
        faults = cls(rates=rates, seed=seed)
        for attribute, number in numbers.items():
            setattr(faults, attribute, number)
        return faults

    def once(self, predicate: Predicate, kind: str) -> Rule:
        """The next request that `predicate` accepts suffers `kind`."""
        return self.times(1, predicate, kind)

    def times(self, count: int, predicate: Predicate, kind: str) -> Rule:
        """The next `count` requests that `predicate` accepts suffer `kind`."""
        return self._add(Rule(predicate, _known(kind), count))

    def always(self, predicate: Predicate, kind: str) -> Rule:
        """Every request that `predicate` accepts suffers `kind`, until the rule is stopped."""
        return self._add(Rule(predicate, _known(kind)))

    def quiet(self) -> None:
        """Nothing goes wrong any more: no schedule, no rule, no skew."""
        self.rates.clear()
        self.rules.clear()
        self.skew_commercetools_s = self.skew_manhattan_s = 0.0
        self._tables = {COMMERCETOOLS: [], MANHATTAN: []}

    def skew_s(self, service: str) -> float:
        """How far the service's clock is ahead of the world's, beyond its settings."""
        return self.skew_commercetools_s if service == COMMERCETOOLS else self.skew_manhattan_s

    def choose(self, request: Request) -> str:
        """The kind of fault this request suffers, "" for none."""
        for rule in self.rules:
            if rule.remaining != 0 and rule.predicate(request):
                rule.hits += 1
                if rule.remaining is not None:
                    rule.remaining -= 1
                return rule.kind
        table = self._tables[request.service]
        if not table:
            return ""
        draw = self._rng.random()
        for kind, rate in table:
            if draw < rate:
                return kind if _applies(kind, request) else ""
            draw -= rate
        return ""

    def handle(self, request: Request, world: World, dispatch: Dispatch) -> Response:
        """Lets the service answer, or not, as the schedule says."""
        if not self.rules and not self._tables[request.service]:
            return dispatch(request)
        kind = self.choose(request)
        if not kind:
            return dispatch(request)
        self.hits[kind] = self.hits.get(kind, 0) + 1
        return self._strike(kind, request, world, dispatch)

    def _strike(self, kind: str, request: Request, world: World, dispatch: Dispatch) -> Response:
        if kind == "429":
            headers = {"Retry-After": f"{self.retry_after_s:g}"}
            return error_response(request.service, 429, "Too many requests", headers)
        if kind in ("503", "500"):
            return error_response(request.service, int(kind), "Simulated failure before the effect")
        if kind == "403":
            return error_response(request.service, 403, "Access is denied")
        if kind in _NEVER:
            return Response(0, {}, b"", effect=_NEVER[kind])
        if kind == "401":
            return dispatch(_with_expired_token(request, world))
        if kind == "409":
            return _conflict(request, world, dispatch)
        if kind == "failure-inside":
            return _failure_inside(request)
        if kind == "stale":
            return _stale(request, world, dispatch, self.stale_s)
        return self._spoil(kind, request, dispatch(request))

    def _spoil(self, kind: str, request: Request, response: Response) -> Response:
        """The effect took place; the answer suffers."""
        if kind in ("500-after", "503-after"):
            return error_response(request.service, int(kind[:3]), "Simulated failure after the effect")
        if kind == "slow":
            response.delay_s += self.slow_s
        elif kind == "duplicate":
            _repeat_a_row(response)
        elif kind == "no-date":
            response.headers["Date"] = ""
        elif kind == "not-json":
            response.headers["Content-Type"] = "text/html"
            response.body = b"<html><body><h1>Bad Gateway</h1></body></html>"
            response.effect = "not-json"
        else:
            response.effect = _AFTER[kind]
        return response

    def _add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def _table(self, service: str) -> list[tuple[str, float]]:
        table = []
        for name, rate in self.rates.items():
            of_service, _, kind = name.rpartition(":")
            if of_service in ("", service) and rate > 0:
                table.append((kind, rate))
        return table


def error_response(
    service: str, status: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    """An error answer in the envelope of the service."""
    if service == COMMERCETOOLS:
        errors = [{"code": _COMMERCETOOLS_CODES.get(status, "General"), "message": message}]
        return json_response(status, {"statusCode": status, "message": message, "errors": errors}, headers)
    from .manhattan_envelope import failure

    return failure(status, f"error.{status}", message, code=f"error.{status}", headers=headers)


_COMMERCETOOLS_CODES = {403: "insufficient_scope", 429: "OverCapacity", 503: "OverCapacity"}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"no such fault: {kind}; there are: {', '.join(KINDS)}")
    return kind


def _is_token(request: Request) -> bool:
    return request.path.endswith("/oauth/token")


def _applies(kind: str, request: Request) -> bool:
    if kind in ("401", "403"):
        return not _is_token(request)
    if kind == "409":
        return request.service == COMMERCETOOLS and is_write(request)
    if kind == "failure-inside":
        return request.service == MANHATTAN and is_write(request)
    if kind in ("stale", "duplicate"):
        return not is_write(request) and not _is_token(request)
    return True


def _with_expired_token(request: Request, world: World) -> Request:
    authorization = request.headers.get("authorization", "")
    store = world.ct if request.service == COMMERCETOOLS else world.mao
    store.tokens.pop(authorization.partition(" ")[2], None)
    return replace(request, headers={**request.headers, "authorization": "Bearer expired"})


def _conflict(request: Request, world: World, dispatch: Dispatch) -> Response:
    """Changes the resource as somebody else would, then lets the service compare versions."""
    for segment in reversed(request.path.split("/")):
        for resources in (world.ct.orders, world.ct.inventory, world.ct.channels):
            resource = resources.get(segment) or _by_name(resources, segment)
            if resource is not None:
                resource["version"] += 1
                stamp = world.now(COMMERCETOOLS).isoformat(timespec="milliseconds")
                resource["lastModifiedAt"] = stamp.replace("+00:00", "Z")
                return dispatch(request)
    return dispatch(request)


def _by_name(resources: dict[str, Any], segment: str) -> dict[str, Any] | None:
    name, equals, value = segment.partition("=")
    attribute = {"order-number": "orderNumber", "key": "key"}.get(name)
    if not equals or attribute is None:
        return None
    return next((each for each in resources.values() if each.get(attribute) == value), None)


def _stale(request: Request, world: World, dispatch: Dispatch, stale_s: float) -> Response:
    """Answers a query as it would have been answered some seconds ago."""
    if request.service == MANHATTAN:
        return dispatch(replace(request, headers={**request.headers, "x-sandbox-stale-s": str(stale_s)}))
    last = (world.now(COMMERCETOOLS) - timedelta(seconds=stale_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if request.path.rstrip("/").rpartition("/")[2] != "orders":
        return dispatch(request)
    present = world.ct.orders
    world.ct.orders = {id: order for id, order in present.items() if order.get("lastModifiedAt", "") <= last}
    try:
        return dispatch(request)
    finally:
        world.ct.orders = present


def _failure_inside(request: Request) -> Response:
    """As a refused change after release looks (DOC: changeshippingaddress): nothing took place."""
    from .manhattan_envelope import message_of, success

    try:
        order_id = json.loads(request.body).get("OrderId")
    except (ValueError, AttributeError):
        order_id = None
    messages = {"Message": [message_of("INFO", "10255", "Failure")], "Size": 1}
    return success({"OrderId": order_id, "PostReleaseModificationStatus": "Failure", "Messages": messages})


def _repeat_a_row(response: Response) -> None:
    if response.status != 200:
        return
    document = json.loads(response.body)
    if not isinstance(document, dict):
        return
    rows = document.get("results", document.get("data"))
    if not isinstance(rows, list) or not rows:
        return
    rows.append(rows[0])
    if isinstance(document.get("count"), int):
        document["count"] += 1
    response.body = json.dumps(document, separators=(",", ":")).encode()
