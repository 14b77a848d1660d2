"""`errors list|show|discard` and `replay-errors`: the records that were set aside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.state.store import Store

JOB = click.Choice(JOBS)
CURES_SHOWN_MAX = 5


def _selection(command: Any) -> Any:
    for option in (
        click.option("--entity", help="Only this record: its id, or what a person calls it (order number)."),
        click.option("--code", help="Only this error code, e.g. shipping-method-unmapped."),
        click.option("--job", type=JOB, help="Only of this job."),
    ):
        command = option(command)
    return command


@click.command(
    "replay-errors",
    epilog="Examples: ct-mao-sync replay-errors; ct-mao-sync replay-errors --code shipping-method-unmapped; "
    "ct-mao-sync replay-errors --entity CT-1001",
)
@_selection
@click.option("--allow-cancel", is_flag=True, help="Let this run pass orders.max_cancel.")
@click.option("--allow-drop", is_flag=True, help="Let this run pass inventory.max_drop_percent.")
@click.option("--dry-run", is_flag=True, help="Show each write; change nothing anywhere.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait for a run of the job that is alive, instead of leaving with exit code 6.",
)
@global_options
@click.pass_context
def replay_errors(
    context: click.Context,
    job: str | None,
    code: str | None,
    entity: str | None,
    allow_cancel: bool,
    allow_drop: bool,
    dry_run: bool,
    wait_s: float,
) -> None:
    """Try records that were set aside again.

    Each is read afresh from the source; an old payload is never sent. What succeeds leaves the queue.
    """
    from ct_mao_sync.cli.sync import run_jobs
    from ct_mao_sync.engine.run import RunOptions

    with _open(context) as (_, store):
        letters = store.dead_letters(job=job, code=code, entity=entity)
    if not letters:
        if global_options_of(context).json:
            from ct_mao_sync.cli.render import print_json

            print_json({"runs": [], "problems": [], "exit_code": 0})
        else:
            click.echo("no dead letters match; nothing to replay")
        return
    exit_codes = []
    for name in dict.fromkeys(letter.job for letter in letters):
        options = RunOptions(
            dead_letters=tuple(letter.entity for letter in letters if letter.job == name),
            dry_run=dry_run,
            allow=frozenset(
                given for given, said in (("cancel", allow_cancel), ("drop", allow_drop)) if said
            ),
        )
        exit_codes.append(run_jobs(context, [name], options, wait_s=wait_s))
    from ct_mao_sync.errors import worst_exit_code

    context.exit(worst_exit_code(exit_codes))


@click.group()
@global_options
def errors() -> None:
    """Look at records that were set aside (dead letters), or discard one."""


@errors.command("list")
@_selection
@click.option("--all", "include_discarded", is_flag=True, help="Also those that were discarded.")
@global_options
@click.pass_context
def list_errors(
    context: click.Context, job: str | None, code: str | None, entity: str | None, include_discarded: bool
) -> None:
    """List them: number, code, record, message."""
    from ct_mao_sync.cli.render import one_line, print_json, wrap

    with _open(context) as (_, store):
        letters = store.dead_letters(job=job, code=code, entity=entity, include_discarded=include_discarded)
    if global_options_of(context).json:
        print_json([as_dict(letter) for letter in letters])
        return
    if not letters:
        click.echo("no dead letters")
        return
    for group in dict.fromkeys(letter.code for letter in letters):
        members = [letter for letter in letters if letter.code == group]
        click.echo(f"{group}  ({len(members)})")
        for letter in members:
            tries = f"last try {letter.last_at:%m-%d %H:%MZ}, next {_next(letter)}"
            text = f"{letter.id}  {one_line(letter.label)}  {letter.job}, {tries}"
            click.echo(wrap(text, indent="  ", hang="      "))
            click.echo(wrap(one_line(letter.message), indent="      "))
        cures = dict.fromkeys(_cure(letter, of_many=len(members) > 1) for letter in members if letter.hint)
        for cure in list(cures)[:CURES_SHOWN_MAX]:
            click.echo(wrap(f"cure: {cure}", indent="    "))
        if len(cures) > CURES_SHOWN_MAX:
            click.echo(wrap("and others: ct-mao-sync errors show NUMBER", indent="    "))


@errors.command("show")
@click.argument("number", type=int)
@global_options
@click.pass_context
def show_error(context: click.Context, number: int) -> None:
    """Show one: what happened, when, and what to do."""
    from ct_mao_sync.cli.render import one_line, print_json, wrap

    with _open(context) as (_, store):
        letter = _letter(store, number)
        events = store.events(letter.entity)
    if global_options_of(context).json:
        print_json({**as_dict(letter), "events": [_event_as_dict(event) for event in events]})
        return
    click.echo(f"dead letter {letter.id}: {letter.code}")
    click.echo(wrap(one_line(letter.message), indent="  "))
    facts = {
        "job": letter.job,
        "record": f"{letter.label} ({letter.entity})" if letter.label != letter.entity else letter.entity,
        "field": letter.field,
        "version": str(letter.version or ""),
        "first seen": f"{letter.first_at:%Y-%m-%d %H:%M:%SZ}",
        "last try": f"{letter.last_at:%Y-%m-%d %H:%M:%SZ} (tries: {letter.tries}, run {letter.run})",
        "next try": _next(letter),
        "discarded": letter.reason if letter.state == "discarded" else "",
        **{key.replace("_", " "): str(value) for key, value in letter.context.items()},
    }
    for name, value in facts.items():
        if value:
            click.echo(wrap(f"{name + ':':<16}{one_line(value)}", indent="  "))
    for event in events[-10:]:
        click.echo(wrap(f"{event.at:%m-%d %H:%M:%SZ} {event.action} {one_line(event.subject)}", indent="  "))
    if letter.hint:
        click.echo(wrap(f"cure: {_cure(letter)}", indent="  "))


@errors.command("discard")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="NUMBER...")
@click.option("--reason", required=True, help="Why; kept with the record. No personal data.")
@global_options
@click.pass_context
def discard_error(context: click.Context, numbers: tuple[int, ...], reason: str) -> None:
    """Leave records alone until they change again at the source."""
    from ct_mao_sync.cli.render import print_json

    with _open(context) as (application, store):
        letters = [_letter(store, number) for number in numbers]
        for letter in letters:
            store.discard(letter.id, reason, at=application.clock.now())
    if global_options_of(context).json:
        print_json([letter.id for letter in letters])
        return
    for letter in letters:
        click.echo(f"discarded {letter.id} ({letter.label}); it comes back when it changes at the source")


@contextmanager
def _open(context: click.Context) -> Iterator[tuple[Application, Store]]:
    """Configuration and state; every expected error ends the command with its text and exit code."""
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error
    from ct_mao_sync.cli.wiring import open_application
    from ct_mao_sync.errors import SyncError

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    try:
        application = open_application(wanted.config)
        with application.open_store() as store:
            yield application, store
    except SyncError as error:
        print_error(error)
        context.exit(error.exit_code)


def _letter(store: Store, number: int) -> Any:
    letter = store.dead_letter(number)
    if letter is None:
        raise click.UsageError(f"there is no dead letter {number}; see: ct-mao-sync errors list")
    return letter


def _cure(letter: Any, *, of_many: bool = False) -> str:
    """The hint as commands that can be pasted: the number is known only now, and several of one kind are
    replayed together."""
    from ct_mao_sync.cli.render import one_line

    cure = one_line(letter.hint)
    if of_many:
        cure = cure.replace(f"--entity {letter.entity}", f"--code {letter.code}")
    discard = "errors discard"
    number = "NUMBER" if of_many else letter.id
    return re.sub(rf"{discard}(?! \S)", f'{discard} {number} --reason "…"', cure)


def _next(letter: Any) -> str:
    if letter.state == "discarded":
        return "discarded"
    return f"{letter.next_try_at:%m-%d %H:%MZ}" if letter.next_try_at else "by replay-errors"


def as_dict(letter: Any) -> dict[str, Any]:
    from dataclasses import asdict
    from datetime import datetime

    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in asdict(letter).items()
    }


def _event_as_dict(event: Any) -> dict[str, Any]:
    return as_dict(event)
