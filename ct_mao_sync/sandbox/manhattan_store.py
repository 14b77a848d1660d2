"""Where orders of the tenant are kept: one OrderId per organization, active or archived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .core import MANHATTAN, Json, World
from .manhattan_envelope import Refused
from .manhattan_reservations import book_order


def key_of(world: World, org: str, order_id: str) -> str:
    """The key of an order in the store: its OrderId, with the organization unless it is the default one."""
    return order_id if org == world.settings.organization else f"{org}/{order_id}"


def find_order(world: World, org: str, order_id: str) -> tuple[str, Json]:
    """The active order and its key; raises Refused ord::10006."""
    key = key_of(world, org, order_id)
    order = world.mao.orders.get(key)
    if order is None:
        raise unknown_order(order_id)
    return key, order


def unknown_order(order_id: str, *, status: int = 400) -> Refused:
    return Refused(
        "ord::10006",
        f"Order id {order_id} does not exist",
        status=status,
        field="OrderId",
        keys={"OrderId": order_id},
    )


def order_not_permitted(order_id: str, status_name: str) -> Refused:
    return Refused(
        "ord::10007",
        f"The requested order modification is not permitted at status {status_name}",
        keys={"OrderId": order_id},
    )


def line_not_permitted(order_id: str, line_id: str, status_name: str) -> Refused:
    return Refused(
        "ord::10008",
        f"The requested order line modification is not permitted at status {status_name}",
        keys={"OrderId": order_id, "OrderLineId": line_id},
    )


def store_order(world: World, key: str, order: Json) -> None:
    """Puts a new revision in place of the old one, which a lagging search still shows for a while.

    The orders that its return lines came from are stored with it.
    """
    from .manhattan_parents import changed_parents

    store = world.mao
    now = world.now(MANHATTAN)
    before = store.orders.get(key)
    changed_at = store.changed_at.get(key)
    lag = timedelta(seconds=world.settings.search_lag_s)
    if before is None:
        store.previous.pop(key, None)
    elif changed_at is None or changed_at + lag <= now:
        store.previous[key] = before
    store.orders[key] = order
    store.changed_at[key] = now
    book_order(world, key, order)
    for parent_key, parent in changed_parents(world, before, order).items():
        store_order(world, parent_key, parent)


def visible_orders(world: World, org: str, *, stale_s: float = 0.0) -> Iterator[Json]:
    """The organization's orders as search sees them: the latest changes are missing for a while."""
    store = world.mao
    lag_s = max(world.settings.search_lag_s, stale_s)
    seen_until = world.now(MANHATTAN) - timedelta(seconds=lag_s)
    for key, order in store.orders.items():
        if order["OrgId"] != org:
            continue
        if lag_s > 0 and store.changed_at[key] > seen_until:
            previous = store.previous.get(key)
            if previous is not None:
                yield previous
        else:
            yield order
