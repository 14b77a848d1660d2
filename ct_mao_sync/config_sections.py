"""The sections of the configuration file: every key, its type and its default.

Attribute names are the keys of the file. Values are checked strictly (a number in quotes is not a
number); what concerns two keys at once is in `find_conflicts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from ct_mao_sync.config_values import (
    Allowed,
    BaseStatus,
    CarrierUrl,
    CommentTemplate,
    Count,
    Currency,
    Decimals,
    Duration,
    Expression,
    HttpUrl,
    MaoPath,
    Moment,
    NeededExpression,
    NeededText,
    NeededUrl,
    OrderIdTemplate,
    PageSize,
    Percent,
    PositiveCount,
    ProjectKey,
    Region,
    Rhythm,
    Seconds,
    StaticValue,
    Timeout,
    Units,
    Workers,
)

Milestone = Literal[
    "open",
    "backordered",
    "allocated",
    "released",
    "in_process",
    "picked",
    "packed",
    "shipped",
    "delivered",
    "returned",
    "cancelled",
]
Reached = Literal[
    Milestone,
    "some_backordered",
    "some_allocated",
    "some_released",
    "some_in_process",
    "some_picked",
    "some_packed",
    "some_shipped",
    "some_delivered",
    "some_returned",
]
"""A milestone that every unit of an order has reached, or some have."""
# commercetools docs: OrderState, PaymentState, ShipmentState (one l in its Canceled).
OrderState = Literal["Open", "Confirmed", "Complete", "Cancelled"]
PaymentState = Literal["BalanceDue", "Failed", "Pending", "CreditOwed", "Paid"]
# In a table of [status]; "" = leave it alone.
ShownOrderState = Literal["Open", "Confirmed", "Complete", "Cancelled", ""]
ShownShipmentState = Literal[
    "Shipped", "Delivered", "Ready", "Pending", "Delayed", "Partial", "Backorder", "Canceled", ""
]
Secret = Annotated[SecretStr, MinLen(1), Allowed('a text, best "env:NAME" or "file:/path"')]
Texts = Annotated[tuple[NeededText, ...], Field(strict=False)]

CURRENCY_DECIMALS: Mapping[str, int] = {"HUF": 0, "TWD": 0, "CLP": 0, "JPY": 0, "KRW": 0}
"""Currencies that MAO rounds to whole units (MAO docs: order pricing currency)."""


class Section(BaseModel):
    """A table of the file: frozen, strict, and without room for a misspelt key."""

    # Not built one by one: the whole of it is built once, when a file is read.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True
    )


class Commercetools(Section):
    project_key: ProjectKey
    client_id: NeededText
    client_secret: Secret
    region: Region = ""
    auth_url: HttpUrl = ""
    api_url: HttpUrl = ""
    import_url: HttpUrl = ""
    scopes: Texts = ()


class Manhattan(Section):
    api_url: NeededUrl
    auth_url: NeededUrl
    grant_type: Literal["password", "client_credentials"] = "password"
    client_id: NeededText
    client_secret: Secret
    username: str = ""
    password: SecretStr = SecretStr("")
    organization: str = ""
    page_size: PageSize = 100
    availability_items: PageSize = 100
    overlap_seconds: Seconds = 600
    settle_seconds: Seconds = 60
    max_requests_per_hour: Count = 0


class State(Section):
    path: NeededText = "ct-mao-sync.sqlite3"


class Sync(Section):
    overlap_seconds: Seconds = 120
    settle_seconds: Seconds = 5
    page_size: PageSize = 500
    workers: Workers = 8
    request_timeout_seconds: Timeout = 30
    retry_seconds: Seconds = 120


def _flattened(value: Any) -> Any:
    """`SellingChannel.SellingChannelId = "Web"` without quotes is a nested table to TOML; it means the
    same as with them."""
    if not isinstance(value, dict):
        return value
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            flat.update({f"{key}.{path}": leaf for path, leaf in _flattened(inner).items()})
        else:
            flat[key] = inner
    return flat


def _static_values(value: Any) -> Any:
    flat = _flattened(value)
    return {"SellingChannel.SellingChannelId": "Web", **flat} if isinstance(flat, dict) else flat


class Orders(Section):
    order_states: Annotated[tuple[OrderState, ...], Field(strict=False, min_length=1)] = ("Open", "Confirmed")
    payment_states: Annotated[tuple[PaymentState, ...], Field(strict=False)] = ()
    stores: Texts = ()
    start_at: Moment | None = None
    order_id: OrderIdTemplate = "{orderNumber}"
    order_type: NeededText = "Ecom Order"
    sync_channel: str = "OMS"
    hold_until_paid: str = ""
    hold_resolve_reason: str = ""
    paid_states: Annotated[tuple[PaymentState, ...], Field(strict=False)] = ("Paid",)
    paid_by: Literal["order", "payments"] = "order"
    payments: Literal["reference", "none"] = "reference"
    customer_id: Expression = ""
    cancel_reason: NeededText = "CancelLine"
    late_cancel: bool = False
    max_cancel: Count = 50
    default_uom: NeededText = "EACH"
    digital_delivery: NeededText = "Email"
    static: Annotated[dict[MaoPath, StaticValue], BeforeValidator(_static_values)] = Field(
        default_factory=lambda: _static_values({})
    )
    extended: Annotated[dict[MaoPath, NeededExpression], BeforeValidator(_flattened)] = {}


class Inventory(Section):
    modes: Annotated[tuple[Literal["network", "location"], ...], Field(strict=False, min_length=1)] = (
        "location",
    )
    network_view: str = ""
    location_view: str = ""
    assortment: Literal["manhattan", "commercetools"] = "manhattan"
    writer: Literal["auto", "rest", "import-api"] = "auto"
    import_container: NeededText = "ct-mao-sync"
    import_wait_seconds: Seconds = 60
    tight_below: Count = 20
    raise_delay_seconds: Seconds = 10
    sweep_every: Duration = timedelta(hours=24)
    max_drop_percent: Percent = 20
    create_missing: bool = False
    infinite_quantity: PositiveCount = 9999
    view_nets_backorders: bool = False
    in_flight_days: PositiveCount = 30
    restock_date: bool = True
    counters_type: NeededText | None = None
    counters: dict[Literal["on_hand", "protected", "available"], NeededText] = {}


class Carrier(Section):
    name: NeededText
    url: CarrierUrl = ""


class Status(Section):
    query: str = ""
    sweep_every: Duration = timedelta(hours=24)
    delivery_per: Literal["release", "package"] = "release"
    match_by_item: bool = False
    delivery_type: str = ""
    line_states: dict[Milestone, NeededText] = {}
    shipment_states: dict[Reached, ShownShipmentState] = {}
    order_states: dict[Reached, ShownOrderState] = {}
    workflow_states: dict[Reached, NeededText] = {}
    milestones: dict[BaseStatus, Milestone] = {}
    delivery_fields: dict[Literal["location", "channel", "release"], NeededText] = {}
    carriers: dict[NeededText, Carrier] = {}


class Returns(Section):
    query: str = "OrderLine.IsReturn = true"
    standalone: Literal["ignore", "reject"] = "ignore"
    add_when: Literal["received", "advised"] = "received"
    wait_for_delivery: bool = True
    payment_state: bool = True
    comment: CommentTemplate = "{reason}, {condition}, {disposition}"
    item_type: str = ""
    outbox: str = ""
    sweep_every: Duration = timedelta(hours=24)
    disposition: dict[NeededText, Literal["BackInStock", "Unusable"]] = {}
    item_fields: dict[Literal["amount", "reference", "condition", "disposition", "reason"], NeededText] = {}


class ShippingMethodRule(Section):
    """Where one commercetools shipping method goes in MAO; `"Standard"` is short for
    `{ method = "Standard" }`."""

    method: NeededText
    delivery: str = ""
    """MAO DeliveryMethodId; "" = the mapping's own (ship to address)."""
    location: Expression = ""
    """JMESPath over the order that gives the MAO LocationId, for pick-up."""


class CustomLineItemRule(Section):
    """What one custom line item becomes in MAO: an item that ships, or a header charge of a type of its
    own. `"GIFT-BOX"` is short for `{ item = "GIFT-BOX" }`."""

    item: str = ""
    charge_type: str = ""


def _shipping_method(value: Any) -> Any:
    if isinstance(value, str):
        return {"method": value}
    if not isinstance(value, dict):
        raise ValueError(_IS_WRONG)
    return value


def _custom_line_item(value: Any) -> Any:
    if isinstance(value, str):
        value = {"item": value}
    if not isinstance(value, dict):
        raise ValueError(_IS_WRONG)
    given = [key for key in ("item", "charge_type") if value.get(key) not in (None, "")]
    if len(given) != 1 and not set(value) - {"item", "charge_type"}:
        raise ValueError("names both item and charge_type" if given else "names neither item nor charge_type")
    return value


_IS_WRONG = "is neither a text nor a table"


def _uom(value: Any) -> Any:
    return {"EACH": 1, **value} if isinstance(value, dict) else value


def _currency_decimals(value: Any) -> Any:
    return {**CURRENCY_DECIMALS, **value} if isinstance(value, dict) else value


def _default_uom() -> dict[str, int | Decimal]:
    return {"EACH": 1}


class MappingRules(Section):
    """The section `[mapping]`."""

    skus_file: str = ""
    locations: dict[NeededText, str] = {}
    """"" = known and shown nowhere: no channel stands for it."""
    uom: Annotated[dict[NeededText, Units], BeforeValidator(_uom)] = Field(default_factory=_default_uom)
    shipping_methods: dict[
        NeededText,
        Annotated[
            ShippingMethodRule,
            BeforeValidator(_shipping_method),
            Allowed("a ShippingMethodId, or a table { method, delivery, location }"),
        ],
    ] = {}
    custom_line_items: dict[
        NeededText,
        Annotated[
            CustomLineItemRule,
            BeforeValidator(_custom_line_item),
            Allowed("an ItemId, or a table { item } or { charge_type }"),
        ],
    ] = {}
    currency_decimals: Annotated[dict[Currency, Decimals], BeforeValidator(_currency_decimals)] = Field(
        default_factory=lambda: dict(CURRENCY_DECIMALS)
    )


class Schedule(Section):
    """None = the job is switched off: `sync all`, `run`, `doctor` and the timers of `init` leave it out."""

    orders: Rhythm = timedelta(minutes=2)
    inventory: Rhythm = timedelta(minutes=5)
    status: Rhythm = timedelta(minutes=5)
    returns: Rhythm = timedelta(minutes=15)
    health_file: str = ""

    def every(self, job: str) -> timedelta | None:
        """The rhythm of one job, None when it is switched off."""
        found: timedelta | None = getattr(self, job)
        return found


class Alerts(Section):
    command: str = ""
    dead_letters: Count = 50
    lag: Duration = timedelta(hours=1)


class Metrics(Section):
    textfile: str = ""


class Sections(Section):
    """The whole file."""

    commercetools: Commercetools
    manhattan: Manhattan
    state: State = State()
    sync: Sync = Sync()
    orders: Orders = Orders()
    inventory: Inventory = Inventory()
    status: Status = Status()
    returns: Returns = Returns()
    mapping: MappingRules = MappingRules()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    metrics: Metrics = Metrics()


def find_conflicts(sections: Sections) -> Iterator[tuple[str, str, str]]:
    """What is wrong although every key is right by itself: (key, what, hint)."""
    shop, oms, orders = sections.commercetools, sections.manhattan, sections.orders
    if not (shop.region or shop.auth_url or shop.api_url or shop.import_url):
        yield (
            "commercetools.region",
            "is missing; region, or auth_url and api_url, must be given",
            'add region = "europe-west1.gcp" (yours) under [commercetools]',
        )
    elif not shop.region:
        # import_url is asked for only where the Import API is used.
        for key in ("auth_url", "api_url"):
            if not getattr(shop, key):
                yield (
                    f"commercetools.{key}",
                    "is missing and there is no region to derive it from; "
                    "region, or auth_url and api_url, must be given",
                    'add region = "europe-west1.gcp" (yours) under [commercetools]',
                )
    if oms.grant_type == "password":
        for key, value in (("username", oms.username), ("password", oms.password.get_secret_value())):
            if not value:
                yield (
                    f"manhattan.{key}",
                    'is missing; it must be given with grant_type = "password"',
                    f'add {key} = "env:MAO_{key.upper()}" under [manhattan], '
                    'or set grant_type = "client_credentials"',
                )
    if orders.hold_until_paid and not orders.hold_resolve_reason:
        yield (
            "orders.hold_resolve_reason",
            "is missing; it must be given with orders.hold_until_paid, else a hold could never be resolved",
            "add hold_resolve_reason, a reason id of your MAO, under [orders]",
        )
    if orders.hold_until_paid and not orders.paid_states:
        yield (
            "orders.paid_states",
            "is empty; with orders.hold_until_paid it must name a payment state, "
            "else no order would ever be released",
            'set paid_states = ["Paid"] under [orders]',
        )
    if sections.status.delivery_fields and not sections.status.delivery_type:
        yield (
            "status.delivery_type",
            "is missing; it must be given with status.delivery_fields",
            "add delivery_type, the key of a Type for order-delivery, under [status]",
        )
    if sections.returns.item_fields and not sections.returns.item_type:
        yield (
            "returns.item_type",
            "is missing; it must be given with returns.item_fields",
            "add item_type, the key of a Type for order-return-item, under [returns]",
        )
    if sections.inventory.counters and not sections.inventory.counters_type:
        yield (
            "inventory.counters_type",
            "is missing; it must be given with [inventory.counters], whose fields it defines",
            "add counters_type, the key of a Type for inventory entries, under [inventory]",
        )
    if sections.inventory.counters_type and not sections.inventory.counters:
        yield (
            "inventory.counters",
            "is empty; with inventory.counters_type it must name a field",
            'add on_hand = "<field>" under [inventory.counters], or remove counters_type',
        )
    if sections.inventory.view_nets_backorders and "location" in sections.inventory.modes:
        # A back-ordered unit is at no location, so no location's figure is less by it (MAO docs:
        # how-is-availability-computed). Taken for counted there, it would be sold once more.
        yield (
            "inventory.view_nets_backorders",
            'is true, but only a network view can net back-orders; with "location" in inventory.modes it '
            "must be false, else units that are back-ordered would be sold again",
            'set view_nets_backorders = false, or modes = ["network"], under [inventory]',
        )
    if not orders.cancel_reason.strip():
        yield (
            "orders.cancel_reason",
            "is blank; it must be a text that is not empty",
            'set cancel_reason, for instance "CancelLine"',
        )
