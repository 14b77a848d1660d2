"""`python -m ct_mao_sync.sandbox`: both simulated services as one process."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from .core import COMMERCETOOLS, Sandbox, SandboxSettings
from .faults import KINDS, Faults
from .front import Servers, serve


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; 2 for options that make no sense or a port that is taken."""
    options = _parser().parse_args(arguments)
    try:
        faults = Faults.parse(options.faults)
    except ValueError as error:
        return _complain(f"--faults: {error}")
    sandbox = Sandbox(seed=options.seed, settings=SandboxSettings(), faults=faults)
    if options.orders is not None and not options.orders.is_dir():
        return _complain(f"--orders: {options.orders} is not a folder")
    fill(sandbox, orders=options.orders, seed=options.seed, count=options.count)
    if options.stock:
        from .generate_stock import stock_world

        stock_world(sandbox.world, options.seed, entries=("location", "network"))
    try:
        servers = serve(
            sandbox,
            commercetools_port=options.commercetools_port,
            manhattan_port=options.manhattan_port,
            latency_s=options.latency / 1000,
        )
    except OSError as error:
        return _complain(f"cannot listen: {error}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with servers:
        if options.ports_file is not None:
            write_ports(options.ports_file, servers)
        sys.stdout.write(render_introduction(sandbox, servers))
        sys.stdout.flush()
        stop.wait()
    return 0


def fill(sandbox: Sandbox, *, orders: Path | None, seed: int, count: int) -> None:
    """Puts commercetools orders into the sandbox: those of a folder, or `count` generated ones."""
    from . import commercetools

    if orders is not None:
        commercetools.load_orders(sandbox.world, orders)
        return
    if count > 0:
        from .generate import generate_orders

        for order in generate_orders(seed, count, sandbox.world.now(COMMERCETOOLS)):
            commercetools.add_order(sandbox.world, order)


def write_ports(path: Path, servers: Servers) -> None:
    """{"commercetools": url, "manhattan": url}; appears whole or not at all."""
    document = {"commercetools": servers.commercetools_url, "manhattan": servers.manhattan_url}
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)


def render_introduction(sandbox: Sandbox, servers: Servers) -> str:
    """Where the services listen, and a configuration that can be pasted."""
    settings = sandbox.settings
    orders = len(sandbox.world.ct.orders)
    return f"""\
commercetools  {servers.commercetools_url}  ({orders} orders)
manhattan      {servers.manhattan_url}

# A configuration to paste; its secrets are exported:
#   export CTP_CLIENT_ID={settings.commercetools_client_id}
#   export CTP_CLIENT_SECRET={settings.commercetools_client_secret}
#   export MAO_CLIENT_ID={settings.manhattan_client_id}
#   export MAO_CLIENT_SECRET={settings.manhattan_client_secret}
#   export MAO_USERNAME={settings.manhattan_username}
#   export MAO_PASSWORD={settings.manhattan_password}
[commercetools]
project_key = "{settings.project_key}"
client_id = "env:CTP_CLIENT_ID"
client_secret = "env:CTP_CLIENT_SECRET"
auth_url = "{servers.commercetools_url}"
api_url = "{servers.commercetools_url}"
import_url = "{servers.commercetools_url}"

[manhattan]
api_url = "{servers.manhattan_url}"
auth_url = "{servers.manhattan_url}"
client_id = "env:MAO_CLIENT_ID"
client_secret = "env:MAO_CLIENT_SECRET"
username = "env:MAO_USERNAME"
password = "env:MAO_PASSWORD"
organization = "{settings.organization}"
{render_inventory_settings(sandbox)}
# To look and act:
#   {servers.manhattan_url}/_sandbox/mao/orders
#   {servers.manhattan_url}/_sandbox/requests
#   {servers.manhattan_url}/_sandbox/faults
"""


def render_inventory_settings(sandbox: Sandbox) -> str:
    """The sections for the stock that there is; nothing without any."""
    from .generate_stock import LOCATION_VIEW, LOCATIONS, NETWORK_VIEW
    from .manhattan_stock import stock_of

    if not stock_of(sandbox.world).items:
        return ""
    places = "\n".join(f'"{place}" = "{channel}"' for place, channel in LOCATIONS.items())
    return f"""
[inventory]
modes = ["location", "network"]
location_view = "{LOCATION_VIEW}"
network_view = "{NETWORK_VIEW}"

[mapping.locations]
{places}
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ct_mao_sync.sandbox",
        description="Serves a simulated commercetools project and Manhattan tenant on loopback.",
        epilog="Faults: " + "; ".join(f"{kind}: {text}" for kind, text in KINDS.items()),
    )
    parser.add_argument("--orders", type=Path, help="folder of commercetools order JSON to load")
    parser.add_argument("--seed", type=int, default=0, help="of the generated orders (default 0)")
    parser.add_argument("--count", type=int, default=50, help="how many orders to generate (default 50)")
    parser.add_argument("--stock", action="store_true", help="fill both sides with stock")
    parser.add_argument("--faults", default="", metavar="SPEC", help="as 429=0.05,500-after=0.02,seed=7")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="of each answer")
    parser.add_argument("--commercetools-port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument("--manhattan-port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument("--ports-file", type=Path, help="JSON with both URLs, written when ready")
    return parser


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
