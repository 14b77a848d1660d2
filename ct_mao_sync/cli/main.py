"""`ct-mao-sync`: the group of commands. Imports click only, so that --help is quick."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from ct_mao_sync import __version__
from ct_mao_sync.cli.options import global_options

EXIT_NO_OUTPUT = 5
EXIT_PIPE_CLOSED = 141
"""The reader of a pipe went away (`| head`): as the shell tells it of any other program."""

# name -> (module, function, what --help says of it)
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "init": ("ct_mao_sync.cli.init", "init", "Write a commented configuration, systemd units, a crontab."),
    "sync": ("ct_mao_sync.cli.sync", "sync", "Run a job once: read what changed, write the difference."),
    "doctor": ("ct_mao_sync.cli.doctor", "doctor", "Check everything a run relies on; write nothing."),
    "setup": (
        "ct_mao_sync.cli.setup",
        "setup",
        "Create what the jobs need in commercetools, after showing it.",
    ),
    "run": ("ct_mao_sync.cli.run", "run", "Run the jobs in their rhythms, side by side, until stopped."),
    "replay-errors": (
        "ct_mao_sync.cli.replay",
        "replay_errors",
        "Try records that were set aside again, read afresh from the source.",
    ),
    "errors": (
        "ct_mao_sync.cli.dead_letters",
        "errors",
        "Look at records that were set aside, or discard them.",
    ),
    "overview": (
        "ct_mao_sync.cli.overview",
        "overview",
        "How every job is: watermark, lag, what waits, last and next run.",
    ),
    "report": (
        "ct_mao_sync.cli.report",
        "report",
        "What happened in the last days, as text or as one HTML page.",
    ),
    "trace": (
        "ct_mao_sync.cli.trace",
        "trace",
        "The whole life of one order, in both systems and all jobs.",
    ),
    "reconcile": (
        "ct_mao_sync.cli.reconcile",
        "reconcile",
        "Compare both sides, record by record; with --fix write the differences.",
    ),
    "state": ("ct_mao_sync.cli.state", "state", "Look after the state file: backup, check, prune."),
    "sandbox": (
        "ct_mao_sync.cli.sandbox",
        "sandbox",
        "Serve both systems, simulated, on this machine.",
    ),
    "demo": ("ct_mao_sync.cli.demo", "demo", "See it work against the sandbox, in under a minute."),
}


class Commands(click.Group):
    """Loads a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), function)
        _show_examples_as_lines(command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return result
        except OSError as error:
            raise click.exceptions.Exit(_code_without_output(error)) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See ct-mao-sync --help."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def _show_examples_as_lines(command: click.Command) -> None:
    """`Examples: a; b. More.` becomes one line for each example, so that they can be copied."""
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _show_examples_as_lines(each)
    word, _, told = (command.epilog or "").partition(": ")
    if word not in ("Example", "Examples"):
        return
    examples = told.split("; ct-mao-sync ")
    _, stop, more = examples[-1].partition(". ")
    lines = [examples[0], *(f"ct-mao-sync {each}" for each in examples[1:])]
    if stop:
        lines[-1] = lines[-1][: -len(more) - len(stop)]
    block = "\n".join(f"  {line}" for line in lines)
    command.epilog = f"\b\n{word}:\n{block}" + (f"\n\n{more}" if more else "")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 configuration or usage, 3 records rejected, 4 a system did not answer, "
    "5 a person must act, 6 another run is alive, 130/143 interrupted after a clean stop, 1 a bug.",
)
@click.version_option(__version__, prog_name="ct-mao-sync")
@global_options
def cli() -> None:
    """Keeps commercetools and Manhattan Active Omni (MAO) in step.

    \b
    First steps:
      ct-mao-sync demo                   see it work
      ct-mao-sync init                   write a configuration
      ct-mao-sync doctor                 check it
      ct-mao-sync sync orders --dry-run  look, and write nothing
    """


def main(args: list[str] | None = None) -> Any:
    """Entry point. Exits with the documented codes."""
    # Pages of documents, and imports, make many objects and no circles: looking for circles all the time
    # costs a third of the processor time of a large run, and a part of each start.
    gc.set_threshold(100_000, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 loses a sign, not the report
    try:
        sys.exit(cli.main(args=args, prog_name="ct-mao-sync", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        sys.exit(_code_without_output(error))


def _code_without_output(error: OSError) -> int:
    """The exit code when nothing more can be written to standard output; any other error is raised again."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        # What is left in the buffer would be told again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        raise error
    if error.errno == errno.EPIPE:
        return EXIT_PIPE_CLOSED
    click.echo(f"error: standard output cannot be written: {error.strerror}", err=True)
    return EXIT_NO_OUTPUT
