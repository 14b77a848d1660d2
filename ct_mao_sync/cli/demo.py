"""`ct-mao-sync demo`: the product at work, against both systems simulated on loopback.

It runs the real command line as a person would, and shows each command with what it printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options

if TYPE_CHECKING:
    from ct_mao_sync.sandbox.core import Sandbox
    from ct_mao_sync.sandbox.front import Servers

SEED = 24
CONFIG = """\
# Written by `ct-mao-sync demo`. The servers are gone when the demo is over.
[commercetools]
project_key = "sandbox"
client_id = "env:CTP_CLIENT_ID"
client_secret = "env:CTP_CLIENT_SECRET"
auth_url = "{commercetools}"
api_url = "{commercetools}"
import_url = "{commercetools}"

[manhattan]
api_url = "{manhattan}"
auth_url = "{manhattan}"
client_id = "env:MAO_CLIENT_ID"
client_secret = "env:MAO_CLIENT_SECRET"
username = "env:MAO_USERNAME"
password = "env:MAO_PASSWORD"
organization = "ACME"

[orders]
start_at = {start_at}          # the cut-over: older orders are never exported
late_cancel = true

[status.carriers]
UPS = {{ name = "UPS", url = "https://www.ups.com/track?tracknum={{tracking}}" }}

[returns]
outbox = "outbox.jsonl"

[returns.disposition]
New = "BackInStock"
Damaged = "Unusable"

[mapping.shipping_methods]
standard = "STD"
free = "STD"
freight = "FREIGHT"
pickup = {{ method = "PICKUP", delivery = "PickUpAtStore", location = "shippingCustomFields.fields.storeId" }}
"""
CURE = 'express = "EXP"'


@click.command(epilog="Examples: ct-mao-sync demo; ct-mao-sync demo --folder /tmp/tour")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where it keeps its configuration and state; emptied first if it is a demo's.",
)
@global_options
@click.pass_context
def demo(context: click.Context, folder: Path) -> None:
    """See it work: orders arrive in MAO, the wrong ones are set aside, cured and replayed."""
    from datetime import timedelta

    from ct_mao_sync.sandbox.front import serve

    _prepare(folder)
    sandbox = _fill()
    with serve(sandbox) as servers:
        text = CONFIG.format(
            commercetools=servers.commercetools_url,
            manhattan=servers.manhattan_url,
            # Yesterday: shortly after midnight the orders of the last hour are not of today.
            start_at=(sandbox.world.clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z"),
        )
        (folder / "config.toml").write_text(text, encoding="utf-8")
        show = Show(folder.resolve(), sandbox, servers)
        _play(show)
        context.exit(show.worst)


class Show:
    """Runs commands in the demo's folder and tells what they mean."""

    def __init__(self, folder: Path, sandbox: Sandbox, servers: Servers) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.servers = servers
        self.worst = 0
        self._step = 0

    def say(self, title: str, text: str = "") -> None:
        from ct_mao_sync.cli.render import wrap

        self._step += 1
        click.echo()
        click.secho(f"{self._step}. {title}", bold=True)
        if text:
            click.echo(wrap(text, indent="   "))

    def run(self, *arguments: str, expect: int = 0) -> None:
        """One command line, as typed, with its output and exit code."""
        import os
        import subprocess
        import sys

        settings = self.sandbox.settings
        environment = {
            **os.environ,
            "CTP_CLIENT_ID": settings.commercetools_client_id,
            "CTP_CLIENT_SECRET": settings.commercetools_client_secret,
            "MAO_CLIENT_ID": settings.manhattan_client_id,
            "MAO_CLIENT_SECRET": settings.manhattan_client_secret,
            "MAO_USERNAME": settings.manhattan_username,
            "MAO_PASSWORD": settings.manhattan_password,
            "PYTHONUTF8": "1",
            "COLUMNS": str(max(60, _width() - 5)),
        }
        click.secho(f"   $ ct-mao-sync {' '.join(arguments)}", fg="cyan")
        done = subprocess.run(
            [sys.executable, "-m", "ct_mao_sync", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        for line in done.stdout.splitlines():
            click.echo(f"     {line}")
        click.echo(f"     [exit code {done.returncode}]")
        if done.returncode != expect:
            click.secho(f"   this should have ended with exit code {expect}", fg="red")
            self.worst = 1

    def requests(self) -> dict[str, int]:
        """What both servers have seen so far."""
        log = self.sandbox.world.request_log
        writes = log.as_json()["writes"]
        return {
            "requests": log.total(),
            "writes": int(writes.get("commercetools", 0)) + int(writes.get("manhattan", 0)),
        }

    def tell_requests(self, before: dict[str, int]) -> None:
        now = self.requests()
        click.echo(
            f"   both servers saw {_count(now['requests'] - before['requests'], 'request')}, "
            f"{_count(now['writes'] - before['writes'], 'write')}"
        )

    def mao_order(self, order_id: str) -> Any:
        return self.sandbox.world.mao.orders[order_id]


def _introduce(show: Show) -> None:
    from ct_mao_sync.cli.render import wrap

    world, servers = show.sandbox.world, show.servers
    for text in (
        f"Two systems are simulated on this machine: commercetools with {len(world.ct.orders)} orders on "
        f"{servers.commercetools_url}, and Manhattan Active Omni (MAO), empty, on {servers.manhattan_url}.",
        f"Everything of the demo is in {show.folder}",
    ):
        click.echo(wrap(text))


def _play(show: Show) -> None:
    from ct_mao_sync.cli.demo_inventory import show_inventory
    from ct_mao_sync.cli.demo_returns import show_returns
    from ct_mao_sync.cli.demo_status import show_status

    _introduce(show)
    show.say(
        "Look before anything is written",
        "--dry-run shows each write. It writes nothing anywhere and moves no watermark.",
    )
    before = show.requests()
    show.run("sync", "orders", "--dry-run", "--limit", "2", expect=3)
    show.tell_requests(before)

    show.say(
        "The first run",
        "Each order is read, mapped, looked up in MAO, saved there, and acknowledged in commercetools with "
        "updateSyncInfo. What cannot be mapped is set aside with a reason; the rest goes on. Exit code 3 "
        "says that something was set aside.",
    )
    show.run("sync", "orders", expect=3)
    show.run("errors", "list")

    show.say("The cure", f"The reason names the key. The line that was missing goes into config.toml: {CURE}")
    config = show.folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8") + CURE + "\n", encoding="utf-8")
    show.run("replay-errors", expect=3)

    show.say(
        "Once more",
        "Nothing has changed, so nothing is written. The orders of the overlap are seen again and skipped.",
    )
    before = show.requests()
    show.run("sync", "orders")
    show.tell_requests(before)

    _customer_changes(show)
    show.say(
        "Life goes on",
        f"A customer moves house ({MOVES}), another cancels ({CANCELS}), the shop corrects the total of "
        f"{CORRECTED}; and in MAO an agent has changed the phone number of {MOVES}. Only the differences are "
        "written, the agent's work stays, and the dead letter closes by itself.",
    )
    show.run("sync", "orders", "-v")
    address = show.mao_order(MOVES)["OrderLine"][0]["ShipToAddress"]["Address"]
    click.echo(
        f"   MAO now: {MOVES} goes to {address['Address1']}, {address['City']}, phone {address['Phone']}; "
        f"{CANCELS} is {show.mao_order(CANCELS)['FulfillmentStatus']}"
    )
    show.run("errors", "list")

    show_status(show)
    show_returns(show)
    show_inventory(show)

    show.say("Where things are")
    click.echo(f"   configuration  {config}")
    click.echo(f"   state          {show.folder / 'ct-mao-sync.sqlite3'}   (watermarks, keys, dead letters)")
    click.echo(f"   outbox         {show.folder / 'outbox.jsonl'}   (for the payment service)")
    click.echo("   Losing the state costs time and history, never correctness.")
    show.say("What to try next")
    click.echo(
        "   ct-mao-sync sandbox --seed 7 --faults 429=0.1,lost-after=0.05    both servers, to play with"
    )
    click.echo("   ct-mao-sync sync --help")
    click.echo("   config.example.toml                                              every setting, explained")


def _prepare(folder: Path) -> None:
    """An empty folder of its own; never one that holds something else."""
    import shutil

    if folder.exists():
        known = {"config.toml"}
        entries = {entry.name for entry in folder.iterdir()}
        is_ours = not entries or (
            known <= entries
            and (folder / "config.toml").read_text(encoding="utf-8").startswith(CONFIG.splitlines()[0])
        )
        if not is_ours:
            raise click.UsageError(f"{folder} is not empty and not a demo's; name another: --folder DIR")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


# number, currency, shipping method, what is special about it
ORDERS: tuple[tuple[int, str, str, tuple[str, ...]], ...] = (
    (1001, "EUR", "standard", ()),
    (1002, "USD", "standard", ("cart_discount",)),
    (1003, "EUR", "standard", ("multi_buy", "discount_code")),
    (1004, "USD", "standard", ("discount_on_total",)),
    (1005, "EUR", "standard", ("gift", "shipping_discount")),
    (1006, "EUR", "express", ("custom_fee", "voucher")),
    (1007, "USD", "", ("multiple_shipping",)),
    (1008, "USD", "standard", ("high_precision",)),
    (1009, "JPY", "express", ()),
    (1010, "KWD", "standard", ("product_discount",)),
    (1011, "EUR", "", ("digital",)),
    (1012, "EUR", "standard", ("two_payments",)),
)
CORRECTED = "CT-1012"
MOVES = "CT-1001"
CANCELS = "CT-1002"


def _fill() -> Sandbox:
    """A dozen orders of the last hour, one of them with a total that does not add up."""
    import random
    from datetime import timedelta

    from ct_mao_sync.sandbox.commercetools import add_order
    from ct_mao_sync.sandbox.core import COMMERCETOOLS, Sandbox
    from ct_mao_sync.sandbox.generate import generate_order

    sandbox = Sandbox(seed=SEED)
    now = sandbox.world.now(COMMERCETOOLS)
    names = {"standard": "Standard", "express": "Express"}
    for index, (number, currency, method, features) in enumerate(ORDERS):
        created = now - timedelta(minutes=60 - 5 * index)
        for attempt in range(1000):
            order = generate_order(
                random.Random(f"{number}/{attempt}"),
                number,
                created + timedelta(seconds=30),
                currency,
                features=features,
                created_at=created,
                order_state="Open",
                payment_state="Paid",
            )
            name = (order.get("shippingInfo") or {}).get("shippingMethodName", "")
            if name.startswith(names.get(method, "")):
                break
        if f"CT-{number}" == CORRECTED:
            order["totalPrice"]["centAmount"] += 100
        add_order(sandbox.world, order)
    return sandbox


def _customer_changes(show: Show) -> None:
    """One moves house, one cancels, the shop corrects a total; an agent corrects a phone number in MAO."""
    from ct_mao_sync.sandbox.commercetools import edit_order, order_edit
    from ct_mao_sync.sandbox.commercetools_orders import cancelling, changing_address, order_by_number

    world = show.sandbox.world

    def order_id(number: str) -> str:
        order = order_by_number(world, number)
        assert order is not None
        return str(order["id"])

    order_edit(
        world,
        order_id(MOVES),
        changing_address(streetName="Lindenallee", streetNumber="7", city="Musterstadt"),
    )
    order_edit(world, order_id(CANCELS), cancelling())

    def correct(order: Any) -> None:
        order["totalPrice"]["centAmount"] -= 100

    edit_order(world, order_id(CORRECTED), correct)

    def phone(order: Any) -> None:
        for line in order["OrderLine"]:
            line["ShipToAddress"]["Address"]["Phone"] = "+49 30 5550199"

    show.sandbox.manhattan.lifecycle.edit(MOVES, phone)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number or 'no'} {word}s"


def _width() -> int:
    from ct_mao_sync.cli.render import terminal_width

    return terminal_width()
