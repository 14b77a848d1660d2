"""The settings that the order mapping needs, as plain values; JMESPath is compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from ct_mao_sync.errors import ConfigError, Problem

if TYPE_CHECKING:
    from ct_mao_sync.config import Config

Scalar = str | int | float | Decimal | bool

# DOC: order-pricing-currency: MAO keeps no decimals of these.
CURRENCY_DECIMALS: Mapping[str, int] = MappingProxyType({"JPY": 0, "KRW": 0, "HUF": 0, "TWD": 0, "CLP": 0})


class SkuRow(Protocol):
    """One row of `mapping.skus_file`: the MAO item and unit that a SKU is sold as."""

    @property
    def item(self) -> str: ...
    @property
    def uom(self) -> str: ...
    @property
    def units(self) -> int | Decimal | None: ...


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled JMESPath and the configuration key it stands under."""

    compiled: ParsedResult
    config_key: str


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One MAO field to set: from the expression, else to the fixed value. `on_lines`: the path starts at
    OrderLine, and the expression is evaluated over each raw line item."""

    path: tuple[str, ...]
    config_key: str
    expression: Expression | None = None
    value: Scalar = ""
    on_lines: bool = False


@dataclass(frozen=True, slots=True)
class ShippingRule:
    """How one commercetools shipping method is delivered by MAO."""

    method: str = ""
    delivery: str = "ShipToAddress"
    location: Expression | None = None


@dataclass(frozen=True, slots=True)
class CustomLineRule:
    """What a custom line item's slug stands for: an item that ships, or a charge of some type."""

    item: str = ""
    charge_type: str = ""


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Every setting the mapping of orders depends on, and nothing else."""

    order_id: str = "{orderNumber}"
    order_type: str = "Ecom Order"
    organization: str = ""
    default_uom: str = "EACH"
    digital_delivery: str = "Email"
    payments: str = "reference"
    hold_until_paid: str = ""
    hold_resolve_reason: str = ""
    paid_states: frozenset[str] = frozenset({"Paid"})
    paid_by: str = "order"
    customer_id: Expression | None = None
    static_fields: tuple[FieldRule, ...] = ()
    extended_fields: tuple[FieldRule, ...] = ()
    shipping_methods: Mapping[str, ShippingRule] = field(default_factory=dict)
    custom_line_items: Mapping[str, CustomLineRule] = field(default_factory=dict)
    currency_decimals: Mapping[str, int] = field(default_factory=lambda: CURRENCY_DECIMALS)
    uom: Mapping[str, int | Decimal] = field(default_factory=lambda: {"EACH": 1})
    skus: Mapping[str, SkuRow] = field(default_factory=dict)


def compile_expression(text: str, config_key: str) -> Expression:
    """Raises ConfigError when the text is no JMESPath."""
    try:
        return Expression(jmespath.compile(text), config_key)
    except JMESPathError as refused:
        reason = str(refused).splitlines()[0]
        raise ConfigError(
            [Problem("config-invalid", f"{config_key} is no JMESPath: {reason}", field=config_key)]
        ) from None


def static_field(path: str, value: Scalar) -> FieldRule:
    """A row of `[orders.static]`: a fixed value, or, after `=`, a JMESPath over the order."""
    key = f"orders.static.{path}"
    if isinstance(value, str) and value.startswith("="):
        return _field_rule(path, key, compile_expression(value[1:], key), "")
    return _field_rule(path, key, None, value)


def extended_field(path: str, expression: str) -> FieldRule:
    """A row of `[orders.extended]`: the attribute's path (under `Extended` when it has no dot) and the
    JMESPath of its value."""
    key = f"orders.extended.{path}"
    full_path = path if "." in path else f"Extended.{path}"
    return _field_rule(full_path, key, compile_expression(expression.removeprefix("="), key), "")


def _field_rule(path: str, config_key: str, expression: Expression | None, value: Scalar) -> FieldRule:
    steps = tuple(path.split("."))
    on_lines = len(steps) > 1 and steps[0] == "OrderLine"
    return FieldRule(steps[1:] if on_lines else steps, config_key, expression, value, on_lines)


def shipping_rule(name: str, *, method: str, delivery: str = "", location: str = "") -> ShippingRule:
    """A row of `[mapping.shipping_methods]`; `location` is a JMESPath over the order and its shipping."""
    key = f"mapping.shipping_methods.{name}.location"
    return ShippingRule(
        method, delivery or "ShipToAddress", compile_expression(location, key) if location else None
    )


def order_rules(config: Config) -> OrderRules:
    """The rules of a configuration. Raises ConfigError for an expression that is no JMESPath."""
    orders, mapping = config.orders, config.mapping
    customer_id = orders.customer_id.removeprefix("=")
    return OrderRules(
        order_id=orders.order_id,
        order_type=orders.order_type,
        organization=config.manhattan.organization,
        default_uom=orders.default_uom,
        digital_delivery=orders.digital_delivery,
        payments=orders.payments,
        hold_until_paid=orders.hold_until_paid,
        hold_resolve_reason=orders.hold_resolve_reason,
        paid_states=frozenset(orders.paid_states),
        paid_by=orders.paid_by,
        customer_id=compile_expression(customer_id, "orders.customer_id") if customer_id else None,
        static_fields=tuple(static_field(path, value) for path, value in orders.static.items()),
        extended_fields=tuple(extended_field(path, text) for path, text in orders.extended.items()),
        shipping_methods={
            name: shipping_rule(name, method=row.method, delivery=row.delivery, location=row.location)
            for name, row in mapping.shipping_methods.items()
        },
        custom_line_items={
            slug: CustomLineRule(item=row.item, charge_type=row.charge_type)
            for slug, row in mapping.custom_line_items.items()
        },
        currency_decimals={**CURRENCY_DECIMALS, **mapping.currency_decimals},
        uom=dict(mapping.uom),
        skus=config.skus,
    )
