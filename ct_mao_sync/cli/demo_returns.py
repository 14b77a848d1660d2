"""The part of `ct-mao-sync demo` in which an item comes back damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ct_mao_sync.cli.demo_status import FOLLOWED

if TYPE_CHECKING:
    from ct_mao_sync.cli.demo import Show

RETURN = "RET-1004"


def show_returns(show: Show) -> None:
    """Received, verified, refunded; needs `FOLLOWED` shipped in MAO and shown as delivered in the shop."""
    lifecycle = show.sandbox.manhattan.lifecycle
    line_id = show.mao_order(FOLLOWED)["OrderLine"][0]["OrderLineId"]
    lifecycle.create_return(
        FOLLOWED, {line_id: 1}, return_id=RETURN, reason="Broken", tracking="1ZRETURN1004", paid_here=True
    )
    lifecycle.receive(RETURN, condition="Damaged")
    show.say(
        "Something comes back",
        f"The customer of {FOLLOWED} has sent one item back, as new. The return center has received it, "
        "damaged. Now commercetools knows the return, its tracking id, and the condition; what becomes of it "
        "is still open.",
    )
    before = show.requests()
    show.run("sync", "returns")
    show.tell_requests(before)
    _tell_shop(show)

    lifecycle.verify(RETURN)
    show.say(
        "Nothing for the shelf",
        "The return center has verified it. [returns.disposition] says what damaged goods are, and the "
        "payment service gets a line in outbox.jsonl. No money is moved here.",
    )
    show.run("sync", "returns")
    _tell_shop(show)
    _tell_outbox(show)

    lifecycle.resolve_line_hold(RETURN, "1")
    lifecycle.refund(RETURN)
    show.say(
        "The money is back",
        "An agent accepts the damage, and MAO pays the refund. A second run writes nothing, and no run ever "
        "takes a refund back.",
    )
    show.run("sync", "returns")
    _tell_shop(show)
    _tell_outbox(show)
    before = show.requests()
    show.run("sync", "returns")
    show.tell_requests(before)


def _tell_shop(show: Show) -> None:
    """The return as commercetools has it now."""
    from ct_mao_sync.sandbox.commercetools_orders import order_by_number

    order = order_by_number(show.sandbox.world, FOLLOWED)
    assert order is not None
    for info in order.get("returnInfo") or ():
        click.echo(f"   commercetools now: {FOLLOWED} has a return, tracking {info.get('returnTrackingId')}")
        for item in info["items"]:
            click.echo(
                f"     {item['key']}: {item['quantity']} × {item['shipmentState']}, {item['paymentState']} "
                f"({item.get('comment', '')})"
            )


def _tell_outbox(show: Show) -> None:
    """The last line that the payment service reads."""
    lines = (show.folder / "outbox.jsonl").read_text(encoding="utf-8").splitlines()
    event = json.loads(lines[-1])
    click.echo(
        f"   outbox.jsonl, line {len(lines)}: {event['event']}, {event['currency']} {event['amount']} in "
        f"minor units\n     key {event['key']}"
    )
