"""The part of `ct-mao-sync demo` that follows one order from MAO back into the shop."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ct_mao_sync.cli.demo import Show

FOLLOWED = "CT-1004"
_FIRST, _SECOND = "PKG-1004-A", "PKG-1004-B"


def show_status(show: Show) -> None:
    """Two parcels and a short; needs `FOLLOWED` in MAO, open, with two lines or more."""
    lines = [line["OrderLineId"] for line in show.mao_order(FOLLOWED)["OrderLine"]]
    largest = max(show.mao_order(FOLLOWED)["OrderLine"], key=lambda line: Decimal(line["Quantity"]))
    large, units = largest["OrderLineId"], int(largest["Quantity"])
    lifecycle = show.sandbox.manhattan.lifecycle

    lifecycle.allocate(FOLLOWED)
    lifecycle.release(FOLLOWED)
    lifecycle.ship(FOLLOWED, lines[0], package_id=_FIRST, tracking="1Z999AA10100")
    lifecycle.ship(FOLLOWED, large, units - 2, package_id=_FIRST, tracking="1Z999AA10100")
    show.say(
        "A first parcel leaves the warehouse",
        f"MAO has allocated and released {FOLLOWED}, and a parcel is on its way with a part of it. The job "
        "counts units: it reads what each unit of a line has reached, and adds what the shop lacks, in one "
        "update of the order.",
    )
    before = show.requests()
    show.run("sync", "status", "--dry-run", "--order", FOLLOWED)
    show.run("sync", "status")
    show.tell_requests(before)
    _tell_shop(show)

    lifecycle.short(FOLLOWED, large, 1)
    lifecycle.ship(FOLLOWED, package_id=_SECOND, tracking="1Z999AA10200")
    show.say(
        "A second parcel, and a unit that is not there",
        f"The warehouse does not find one unit of {FOLLOWED}: MAO cancels it, and ships the rest in a second "
        "parcel. It belongs to the same release, so it joins the Delivery that is there.",
    )
    show.run("sync", "status")
    _tell_shop(show)

    lifecycle.deliver_package("1Z999AA10100")
    lifecycle.deliver_package("1Z999AA10200")
    show.say(
        "Delivered",
        "The carrier reports both parcels. All units that were not cancelled have arrived: the order is "
        "complete. A second run writes nothing.",
    )
    show.run("sync", "status")
    _tell_shop(show)
    before = show.requests()
    show.run("sync", "status")
    show.tell_requests(before)


def _tell_shop(show: Show) -> None:
    """The order as commercetools has it now."""
    from ct_mao_sync.sandbox.commercetools_orders import order_by_number

    order = order_by_number(show.sandbox.world, FOLLOWED)
    assert order is not None
    click.echo(
        f"   commercetools now: {FOLLOWED} is {order['orderState']}, its shipment "
        f"{order.get('shipmentState', 'without a state')}"
    )
    for delivery in order["shippingInfo"].get("deliveries") or ():
        click.echo(f"     delivery {delivery['key']}: {_units(delivery)}")
        for parcel in delivery["parcels"]:
            tracking = parcel.get("trackingData") or {}
            carrier = f"{tracking.get('carrier', '')} {tracking.get('trackingId', '')}".strip()
            click.echo(f"       parcel {parcel['key']}: {_units(parcel)}, {carrier}")


def _units(holder: Any) -> str:
    units = sum(item["quantity"] for item in holder["items"])
    lines = len(holder["items"])
    return f"{units} units of {lines} lines"
