"""Which order, and which line, is which in MAO."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.source import reject, short_hash
from ct_mao_sync.models.commercetools import ItemShippingTarget, Order

_LINE_ITEM_ID_LENGTH = 36
# DOC: shopify-order-integration: # + ? / in an OrderId break later processes; 50 is the field's length.
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")


def order_id_of(template: str, order: Order) -> str | Rejection:
    """The MAO OrderId of a new order by the template of `orders.order_id`: {orderNumber} (the id when there
    is none), {id} and {store}. Rejection `payload-invalid` when MAO could not use the result."""
    made = _fill(template, order)
    if _ORDER_ID.fullmatch(made):
        return made
    return reject(
        order,
        "payload-invalid",
        "its MAO OrderId may hold only A-Z, a-z, 0-9, _ and -, at most 50 of them",
        field="orderNumber",
        fix="change orders.order_id, for example to {id}",
    )


def candidate_order_ids(order: Order, template: str) -> tuple[str, ...]:
    """Every OrderId under which MAO may know the order: by the template, by its number, by its id."""
    made = (_fill(template, order), order.order_number or "", order.id)
    return tuple(dict.fromkeys(text for text in made if _ORDER_ID.fullmatch(text)))


def order_line_id(line_item_id: str, target: ItemShippingTarget | None) -> str:
    """The OrderLineId of a line item, or of its share that goes to one of several targets. The first 36
    characters are always the line item's id."""
    if target is None:
        return line_item_id
    return _share_id(line_item_id, target.address_key, target.shipping_method_key or "")


def target_line_ids(line_item_id: str, targets: Sequence[tuple[str, str]]) -> list[str]:
    """The same for all distinct targets of a line, each (address key, shipping method key): a line with one
    target is not divided."""
    if len(targets) == 1:
        return [line_item_id]
    return [_share_id(line_item_id, *target) for target in targets]


def line_item_id_of(order_line_id: str) -> str:
    """The line item of an order line, also of one that is only a share of it."""
    head, tail = order_line_id[:_LINE_ITEM_ID_LENGTH], order_line_id[_LINE_ITEM_ID_LENGTH:]
    return head if tail.startswith(".") else order_line_id


def _share_id(line_item_id: str, address_key: str, shipping_method_key: str) -> str:
    return f"{line_item_id}.{short_hash(f'{address_key}|{shipping_method_key}')}"


def _fill(template: str, order: Order) -> str:
    filled = template or "{orderNumber}"
    for name, value in (
        ("{orderNumber}", order.order_number or order.id),
        ("{id}", order.id),
        ("{store}", (order.store.key if order.store else None) or ""),
    ):
        filled = filled.replace(name, value)
    return filled
