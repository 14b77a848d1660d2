"""Fields of the payload that the configuration sets: fixed values and JMESPath over the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from jmespath.exceptions import JMESPathError

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.rules import Expression, FieldRule
from ct_mao_sync.mapping.source import OrderSource

# What the mapping itself answers for; a setting must not break an order's identity or money.
_OURS_ON_ORDER = frozenset(
    {
        "OrderId",
        "AlternateOrderId",
        "CurrencyCode",
        "OrderActions",
        "OrderChargeDetail",
        "OrderHold",
        "OrderLine",
        "OrderTaxDetail",
        "Payment",
    }
)
_OURS_ON_LINE = frozenset(
    {
        "AlternateOrderLineId",
        "IsTaxIncluded",
        "ItemId",
        "OrderLineChargeDetail",
        "OrderLineId",
        "OrderLineTaxDetail",
        "OriginalUnitPrice",
        "Quantity",
        "UOM",
        "UnitPrice",
    }
)


def evaluate(source: OrderSource, expression: Expression, over: Any) -> Any | Rejection:
    """The scalar that an expression finds, None when it finds nothing. A list or an object, or an expression
    that fails on this order, is a Rejection `payload-invalid` naming the configuration key."""
    try:
        found = expression.compiled.search(over)
    except (JMESPathError, TypeError, ValueError, ArithmeticError) as failed:
        return source.reject(
            "payload-invalid",
            f"the JMESPath of {expression.config_key} fails on it ({type(failed).__name__})",
            field=expression.config_key,
            fix=f"correct {expression.config_key}",
        )
    if found is None or isinstance(found, str | bool | int | Decimal | float):
        return Decimal(str(found)) if isinstance(found, float) else found
    return source.reject(
        "payload-invalid",
        f"the JMESPath of {expression.config_key} finds a list or an object, not one value",
        field=expression.config_key,
        fix=f"correct {expression.config_key}",
    )


def apply_field_rules(
    source: OrderSource,
    payload: dict[str, Any],
    lines: Sequence[tuple[dict[str, Any], Mapping[str, Any]]],
) -> dict[str, str] | Rejection:
    """Sets the fields of `[orders.static]` and `[orders.extended]` in the payload and in its lines (each
    given with its raw line item). Returns the values that count as personal -> their mask."""
    masks: dict[str, str] = {}
    known = {source.order.id, source.order.label}
    for rules, personal in ((source.rules.static_fields, False), (source.rules.extended_fields, True)):
        for rule in rules:
            targets = lines if rule.on_lines else ((payload, source.raw),)
            for target, over in targets:
                value = rule.value if rule.expression is None else evaluate(source, rule.expression, over)
                if isinstance(value, Rejection):
                    return value
                if value is None:
                    continue
                if not _set_path(target, rule, value):
                    return source.reject(
                        "payload-invalid",
                        f"{rule.config_key} would overwrite what the mapping itself sends",
                        field=rule.config_key,
                        fix=f"remove {rule.config_key}",
                    )
                text = "" if isinstance(value, bool) else str(value).strip()
                if personal and text and text not in known:
                    masks[text] = "[extended]"
    return masks


def _set_path(target: dict[str, Any], rule: FieldRule, value: Any) -> bool:
    if rule.path[0] in (_OURS_ON_LINE if rule.on_lines else _OURS_ON_ORDER):
        return False
    node = target
    for step in rule.path[:-1]:
        inner = node.setdefault(step, {})
        if not isinstance(inner, dict):
            return False
        node = inner
    if isinstance(node.get(rule.path[-1]), dict | list):
        return False
    node[rule.path[-1]] = value
    return True
