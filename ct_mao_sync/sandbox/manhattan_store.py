"""Where orders of the tenant are kept: one OrderId per organization, active or archived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

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


_ALWAYS = datetime.min.replace(tzinfo=UTC)


def store_order(world: World, key: str, order: Json) -> None:
    """Puts a new revision in place of the old one, which a lagging search still shows for a while.

    The orders that its return lines came from are stored with it.
    """
    from .manhattan_parents import changed_parents

    store, settings = world.mao, world.settings
    now = world.now(MANHATTAN)
    lag_s, spread_s = settings.search_lag_s, settings.search_lag_spread_s
    own_s = world.rng.uniform(0, spread_s) if spread_s > 0 else 0.0
    before = store.orders.get(key)
    store.orders[key] = order
    store.changed_at[key] = now
    revisions = [] if before is None else store.revisions.setdefault(key, [])
    revisions.append((now + timedelta(seconds=lag_s + own_s), order))
    store.revisions[key] = _still_shown(revisions, now, lagging=lag_s + spread_s > 0)
    book_order(world, key, order)
    for parent_key, parent in changed_parents(world, before, order).items():
        store_order(world, parent_key, parent)


def _still_shown(
    revisions: list[tuple[datetime, Json]], now: datetime, *, lagging: bool
) -> list[tuple[datetime, Json]]:
    """The last two, and in a tenant whose search lags all that it may still show."""
    first = len(revisions) - 2
    while lagging and first > 0 and revisions[first][0] > now:
        first -= 1
    return revisions if first <= 0 else [(_ALWAYS, revisions[first][1]), *revisions[first + 1 :]]


def reinstate_order(world: World, key: str, order: Json) -> None:
    """Puts an order back unchanged, visible at once."""
    world.mao.orders[key] = order
    world.mao.revisions[key] = [(_ALWAYS, order)]


def revision_at(world: World, key: str, moment: datetime) -> Json | None:
    """The order as a reader that has seen all until `moment` knows it; None: not at all.

    The newest revision that is visible counts: one that becomes visible late may never be seen.
    """
    store = world.mao
    newest = True
    for visible_at, order in reversed(store.revisions.get(key, ())):
        if visible_at <= moment:
            return store.orders.get(key) if newest else order
        newest = False
    return None


def visible_orders(world: World, org: str, *, stale_s: float = 0.0) -> Iterator[Json]:
    """The organization's orders as search sees them: the latest changes are missing for a while."""
    store, settings = world.mao, world.settings
    seen_until = world.now(MANHATTAN) - timedelta(seconds=stale_s)
    lagging = stale_s + settings.search_lag_s + settings.search_lag_spread_s > 0
    for key, order in store.orders.items():
        if order["OrgId"] != org:
            continue
        shown = revision_at(world, key, seen_until) if lagging else order
        if shown is not None:
            yield shown
