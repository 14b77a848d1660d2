"""The sandbox core: one in-memory world and a function from request to response.

Both simulated services (commercetools, Manhattan Active Omni) read and change the same `World`. Nothing
here opens a socket or sleeps; `adapter` mounts it in process, `front` serves it over HTTP.
"""

from __future__ import annotations

import json
import marshal
import random
import re
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol

from .fulfilment_settings import FulfilmentSettings

if TYPE_CHECKING:
    from .faults import Faults

COMMERCETOOLS = "commercetools"
MANHATTAN = "manhattan"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it reached a service.

    service  "commercetools" (its token host and Import API too) or "manhattan" (its token host too)
    path     decoded, starts with "/"
    query    decoded pairs in the order sent
    headers  names in lower case
    """

    service: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Response:
    """One answer, or what became of it.

    effect   "" normal · "lost" connection dropped, no answer · "hang" never answers · "endless" the body
             never ends · "drip" it comes one byte a second · "truncated" it stops in the middle ·
             "connect-refused" · "connect-timeout" · "not-json" (informative: the body is not JSON)
    delay_s  seconds the front waits before it answers; in process it is only recorded
    """

    status: int
    headers: dict[str, str]
    body: bytes
    effect: str = ""
    delay_s: float = 0.0


class SandboxClock(Protocol):
    """The only source of time of the sandbox."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told; for tests and simulations."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class SandboxSettings(FulfilmentSettings):
    """How the two simulated tenants are set up. Times in seconds; `*_skew_s` moves a service's own clock."""

    project_key: str = "sandbox"
    commercetools_client_id: str = "sandbox-client"
    commercetools_client_secret: str = "sandbox-secret"
    commercetools_token_lifetime_s: int = 172_800
    commercetools_skew_s: float = 0.0
    commercetools_query_lag_s: float = 0.0

    manhattan_client_id: str = "omnicomponent.1.0.0"
    manhattan_client_secret: str = "sandbox-secret"
    manhattan_username: str = "sync@acme"
    manhattan_password: str = "sandbox-password"
    manhattan_grants: tuple[str, ...] = ("password", "client_credentials")
    manhattan_token_lifetime_s: int = 86_399
    manhattan_skew_s: float = 0.0
    organization: str = "ACME"
    organizations: tuple[str, ...] = ()
    """Other organizations that the user may select."""

    search_size_default: int = 10
    search_size_max: int = 1000
    search_lag_s: float = 0.0
    """An order or a change is found by MAO search only after this long; GET by id sees it at once."""
    search_pages_by_key: bool = True
    """False: the tenant refuses a condition on OrderId with < or >."""
    header_lag_s: float = 0.0
    """A lifecycle event moves the header's UpdatedTimestamp only after this long; its lines' at once."""
    unknown_order_status: int = 404
    """HTTP status of GET for an unknown OrderId: 404, or 200 with success false."""
    archive_after_days: float | None = None
    """Terminal orders leave search and GET after this long; None: only when told."""
    auto_advance_s: float | None = None
    """MAO moves every order one step along its lifecycle each this many seconds; None: only when told."""
    post_release_cancel: str = "off"
    """Late line cancellation: "off" (refused), "success", "failure", "pending" (stays Requested)."""
    post_release_cancel_s: float = 0.0
    """How long a late cancellation stays Requested before it is decided."""
    items: frozenset[str] | None = None
    """ItemIds of the item master; None: any."""
    uoms: frozenset[str] | None = None
    """UOM codes of the tenant; None: any."""
    known_customers: frozenset[str] | None = None
    """CustomerIds that exist in MAO; any other puts the order on hold. None: every one exists."""
    order_types: frozenset[str] | None = None
    """OrderTypeIds configured in the tenant; None: any."""
    cancel_reasons: frozenset[str] | None = None
    """ReasonIds of type Cancel; None: any."""
    zero_decimal_currencies: frozenset[str] = frozenset({"JPY", "CLP", "HUF", "KRW", "TWD"})
    three_decimal_currencies: frozenset[str] = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
    """Currencies that this tenant keeps to three decimals; the others are rounded half up to two."""
    lines_max: int = 250
    history_max: int = 2000
    """How many past requests `World.request_log.history` keeps."""


@dataclass(slots=True)
class CommercetoolsStore:
    """The commercetools project: resources by id, as JSON documents."""

    orders: dict[str, Json] = field(default_factory=dict)
    channels: dict[str, Json] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)
    shipping_methods: dict[str, Json] = field(default_factory=dict)
    discount_codes: dict[str, Json] = field(default_factory=dict)
    cart_discounts: dict[str, Json] = field(default_factory=dict)
    product_discounts: dict[str, Json] = field(default_factory=dict)
    stores: dict[str, Json] = field(default_factory=dict)
    states: dict[str, Json] = field(default_factory=dict)
    types: dict[str, Json] = field(default_factory=dict)
    inventory: dict[str, Json] = field(default_factory=dict)
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Access token -> the moment (service's clock) it expires."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Anything else the commercetools side wants to keep (indexes, other resources)."""


@dataclass(slots=True)
class ManhattanStore:
    """The Manhattan tenant: orders by OrderId, as JSON documents."""

    orders: dict[str, Json] = field(default_factory=dict)
    archived: dict[str, Json] = field(default_factory=dict)
    revisions: dict[str, list[tuple[datetime, Json]]] = field(default_factory=dict)
    """OrderId -> its last revisions and the moment search shows each, oldest first; see `manhattan_store`."""
    changed_at: dict[str, datetime] = field(default_factory=dict)
    """OrderId -> the moment of its last change (service's clock)."""
    facts: dict[str, Json] = field(default_factory=dict)
    """OrderId -> what MAO knows of an order and never shows (stamped version, due times)."""
    cancellations: list[Json] = field(default_factory=list)
    """Rows of the post-release cancellation tracker."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Members of saved orders that MAO does not know and silently dropped, by path."""
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Access token -> the moment (service's clock) it expires."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Anything else the Manhattan side wants to keep (stock)."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One past request and how it ended."""

    request: Request
    status: int
    effect: str


_ENDPOINT_RULES = (
    (re.compile(r"(/orderId/)[^/]+"), r"\1{OrderId}"),
    (re.compile(r"/(order-number|key|external-id)=[^/]+"), r"/\1={value}"),
    (re.compile(r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?=/|\Z)"), "/{id}"),
)


def endpoint_of(path: str) -> str:
    """The path with its identifiers replaced by names, for counting."""
    for pattern, replacement in _ENDPOINT_RULES:
        path = pattern.sub(replacement, path)
    return path


_READ_POSTS = (
    *("/search", "/graphql", "/permittedModTypes", "/oauth/token"),
    *("/availabilitydetail", "/availabilitystatus"),
)


def is_write(request: Request) -> bool:
    """Whether the request changes something (a token or a search by POST does not)."""
    return request.method not in ("GET", "HEAD") and not request.path.endswith(_READ_POSTS)


class RequestLog:
    """Counters per service, method and endpoint, and the last requests themselves."""

    def __init__(self, history_max: int = 2000) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.writes: Counter[str] = Counter()
        self.history: deque[LoggedRequest] = deque(maxlen=history_max)

    def add(self, request: Request, response: Response) -> None:
        self.counts[request.service, request.method, endpoint_of(request.path)] += 1
        if is_write(request):
            self.writes[request.service] += 1
        self.history.append(LoggedRequest(request, response.status, response.effect))

    def total(self, service: str | None = None, *, method: str | None = None, endpoint: str = "") -> int:
        """How many requests; `endpoint` is a part of the path with identifiers replaced by names."""
        return sum(
            count
            for (of_service, of_method, of_endpoint), count in self.counts.items()
            if service in (None, of_service) and method in (None, of_method) and endpoint in of_endpoint
        )

    def clear(self) -> None:
        self.counts.clear()
        self.writes.clear()
        self.history.clear()

    def as_json(self) -> Json:
        rows = [
            {"service": service, "method": method, "endpoint": endpoint, "count": count}
            for (service, method, endpoint), count in sorted(self.counts.items())
        ]
        return {"total": sum(self.counts.values()), "writes": dict(self.writes), "requests": rows}


class World:
    """The shared state of both sides. Whoever touches it from a thread of its own holds `lock`."""

    def __init__(self, *, clock: SandboxClock, seed: int, settings: SandboxSettings) -> None:
        self.clock = clock
        self.rng = random.Random(seed)
        self.settings = settings
        self.ct = CommercetoolsStore()
        self.mao = ManhattanStore()
        self.request_log = RequestLog(settings.history_max)
        self.lock = threading.RLock()
        self.skew_s = {COMMERCETOOLS: settings.commercetools_skew_s, MANHATTAN: settings.manhattan_skew_s}
        self.fault_skew_s: Callable[[str], float] = lambda service: 0.0

    def now(self, service: str) -> datetime:
        """The present moment on the clock of that service (its skew included), UTC."""
        skew_s = self.skew_s[service] + self.fault_skew_s(service)
        return self.clock.now() + timedelta(seconds=skew_s) if skew_s else self.clock.now()

    def new_id(self) -> str:
        """A new UUID, the same for the same seed and history."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))


def json_response(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body; Decimal amounts keep their digits."""
    return Response(
        status,
        {"Content-Type": "application/json;charset=utf-8", **(headers or {})},
        render_json(document).encode(),
    )


def render_json(document: Any) -> str:
    """Compact JSON text; a Decimal is written as a plain number."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_number)


def frozen_json(document: Any) -> bytes | str:
    """Equal for documents that are the same, member by member in the same order."""
    try:
        return marshal.dumps(document, _WITHOUT_REFERENCES)
    except ValueError:  # a Decimal
        return repr(document)


def copied_json(document: Json) -> Json:
    """A copy of its own, every part of it, as it comes back from its JSON text."""
    try:
        copy = marshal.loads(marshal.dumps(document, _WITHOUT_REFERENCES))
    except ValueError:  # a Decimal
        copy = json.loads(render_json(document))
    assert isinstance(copy, dict)
    return copy


_WITHOUT_REFERENCES = 2
"""A version of marshal that writes a part that stands in two places twice."""


def _number(value: object) -> float | int | str:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"not JSON: {type(value).__name__}")


class _Api(Protocol):
    def handle(self, request: Request) -> Response: ...


class Sandbox:
    """Both services on one world.

    seed      decides ids and whatever the services choose by chance
    faults    what goes wrong and when; nothing by default
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: SandboxClock | None = None,
        settings: SandboxSettings | None = None,
        faults: Faults | None = None,
    ) -> None:
        from .faults import Faults as NoFaults

        self.settings = settings or SandboxSettings()
        self.world = World(clock=clock or SystemClock(), seed=seed, settings=self.settings)
        self.faults = faults if faults is not None else NoFaults()
        self.use_faults(self.faults)
        self._commercetools: Any = None
        self._manhattan: Any = None
        self._dates: dict[str, tuple[datetime, str]] = {}

    @property
    def commercetools(self) -> Any:
        """The commercetools side (`sandbox.commercetools.CommercetoolsApi`), made when first used."""
        if self._commercetools is None:
            from .commercetools import CommercetoolsApi

            self._commercetools = CommercetoolsApi(self.world, self.settings)
        return self._commercetools

    @property
    def manhattan(self) -> Any:
        """The Manhattan side (`sandbox.manhattan.ManhattanApi`), made when first used."""
        if self._manhattan is None:
            from .manhattan import ManhattanApi

            self._manhattan = ManhattanApi(self.world, self.settings)
        return self._manhattan

    def handle(self, request: Request) -> Response:
        """The service's answer to one request, with whatever the fault schedule makes of it."""
        with self.world.lock:
            if request.path.startswith("/_sandbox/"):
                from .admin import handle_admin

                return handle_admin(self, request)
            response = self.faults.handle(request, self.world, self._dispatch)
            self._stamp(request, response)
            self.world.request_log.add(request, response)
            return response

    def use_faults(self, faults: Faults) -> None:
        """From now on this schedule decides what goes wrong, the clocks' skew included."""
        self.faults = faults
        self.world.fault_skew_s = faults.skew_s

    def _dispatch(self, request: Request) -> Response:
        api: _Api = self.commercetools if request.service == COMMERCETOOLS else self.manhattan
        return api.handle(request)

    def _stamp(self, request: Request, response: Response) -> None:
        service = request.service
        headers = response.headers
        headers.setdefault("Date", self._date(service))
        if service == COMMERCETOOLS:
            correlation_id = request.headers.get("x-correlation-id")
            headers.setdefault("X-Correlation-ID", correlation_id or f"{service}/{self.world.new_id()}")
        else:
            headers.setdefault("cp-trace-id", self.world.new_id())

    def _date(self, service: str) -> str:
        moment = self.world.now(service).replace(microsecond=0)
        known = self._dates.get(service)
        if known is None or known[0] != moment:
            known = (moment, format_datetime(moment, usegmt=True))
            self._dates[service] = known
        return known[1]


def with_settings(settings: SandboxSettings, **changes: Any) -> SandboxSettings:
    """The same tenant with some settings changed."""
    return replace(settings, **changes)
