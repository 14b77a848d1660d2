"""Which order, and which line, is which in MAO."""

from __future__ import annotations

import re

from ct_mao_sync.errors import Rejection
from ct_mao_sync.mapping.source import reject, short_hash
from ct_mao_sync.models.commercetools import ItemShippingTarget, Order

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
    where = f"{target.address_key}|{target.shipping_method_key or ''}"
    return f"{line_item_id}.{short_hash(where)}"


def _fill(template: str, order: Order) -> str:
    filled = template or "{orderNumber}"
    for name, value in (
        ("{orderNumber}", order.order_number or order.id),
        ("{id}", order.id),
        ("{store}", (order.store.key if order.store else None) or ""),
    ):
        filled = filled.replace(name, value)
    return filled
