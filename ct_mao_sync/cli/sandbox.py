"""`ct-mao-sync sandbox`: both systems, simulated, for people."""

from __future__ import annotations

from pathlib import Path

import click

from ct_mao_sync.cli.options import global_options


@click.command(
    epilog="Example: ct-mao-sync sandbox --seed 7 --faults 429=0.05,lost-after=0.01 --latency 50. "
    "The kinds of faults are listed by: python -m ct_mao_sync.sandbox --help"
)
@click.option(
    "--orders",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Load commercetools orders (JSON files) from this folder instead of generating them.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the generated orders.")
@click.option(
    "--count", type=click.IntRange(min=0), default=50, show_default=True, help="Orders to generate."
)
@click.option("--stock", is_flag=True, help="Fill both sides with stock, for sync inventory.")
@click.option(
    "--faults", default="", metavar="SPEC", help="What goes wrong how often: 429=0.05,500-after=0.02"
)
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="MS", help="Of each answer.")
@click.option("--commercetools-port", type=int, default=0, help="0: any free port.  [default: 0]")
@click.option("--manhattan-port", type=int, default=0, help="0: any free port.  [default: 0]")
@click.option(
    "--ports-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON with both URLs, written when ready.",
)
@global_options
@click.pass_context
def sandbox(
    context: click.Context,
    orders: Path | None,
    seed: int,
    count: int,
    stock: bool,
    faults: str,
    latency: float,
    commercetools_port: int,
    manhattan_port: int,
    ports_file: Path | None,
) -> None:
    """Serve both systems, simulated, on this machine, until Ctrl-C.

    Prints where they listen and a configuration to paste. Nothing leaves the machine.
    """
    from ct_mao_sync.sandbox.__main__ import main

    arguments = [
        f"--seed={seed}",
        f"--count={count}",
        f"--faults={faults}",
        f"--latency={latency}",
        f"--commercetools-port={commercetools_port}",
        f"--manhattan-port={manhattan_port}",
    ]
    if stock:
        arguments.append("--stock")
    if orders is not None:
        arguments.append(f"--orders={orders}")
    if ports_file is not None:
        arguments.append(f"--ports-file={ports_file}")
    context.exit(main(arguments))
