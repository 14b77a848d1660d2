"""`errors list|show|discard`: the records that were set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.cli.opened import opened_state
from ct_mao_sync.cli.options import global_options, global_options_of, with_config

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.engine.compare import Finding
    from ct_mao_sync.engine.rows import DeadLetter, DeadLetterGroup
    from ct_mao_sync.state.store import Store

JOB = click.Choice(JOBS)
CURES_SHOWN_MAX = 5
CURES_LOOKED_AT_MAX = 200
SHOWN_OF_A_CODE = 10
ATTEMPTS_SHOWN_MAX = 10


def selection_options(command: Any) -> Any:
    for option in (
        click.option("--entity", help="Only this record: its id, or what a person calls it (order number)."),
        click.option("--code", help="Only this error code, e.g. shipping-method-unmapped."),
        click.option("--job", type=JOB, help="Only of this job."),
    ):
        command = option(command)
    return command


@click.group(
    epilog="Examples: ct-mao-sync errors list; ct-mao-sync errors show 12; "
    'ct-mao-sync errors discard 12 --reason "settled by phone"'
)
@global_options
def errors() -> None:
    """Look at records that were set aside (dead letters), or discard them."""


@errors.command(
    "list",
    short_help="List them by code, with the cures.",
    epilog="Examples: ct-mao-sync errors list; ct-mao-sync errors list --code totals-mismatch --limit 0; "
    "ct-mao-sync errors list --json-lines > errors.jsonl",
)
@selection_options
@click.option("--all", "include_discarded", is_flag=True, help="Also those that were discarded.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=SHOWN_OF_A_CODE,
    show_default=True,
    help="Show so many of each code; 0 = all.",
)
@click.option("--json-lines", is_flag=True, help="One JSON document for each record, for large queues.")
@global_options
@click.pass_context
def list_errors(
    context: click.Context,
    job: str | None,
    code: str | None,
    entity: str | None,
    include_discarded: bool,
    limit: int,
    json_lines: bool,
) -> None:
    """List them by code, with how many there are and the cure. --json and --json-lines give all of them."""
    from ct_mao_sync.cli.json_lines import dumps
    from ct_mao_sync.cli.render import print_json

    selection: dict[str, Any] = {
        "job": job,
        "code": code,
        "entity": entity,
        "include_discarded": include_discarded,
    }
    with opened_state(context) as (_, store):
        if json_lines:
            for page in store.dead_letter_pages(**selection):
                click.echo("\n".join(dumps(as_dict(letter)) for letter in page))
            return
        if global_options_of(context).json:
            print_json([as_dict(letter) for letter in store.dead_letters(**selection)])
            return
        groups = store.dead_letter_groups(**selection)
        if not groups:
            click.echo("no dead letters")
        for group in groups:
            of_code = {**selection, "code": group.code}
            letters = store.dead_letters(**of_code, count=limit or None)
            looked_at = letters if limit == 0 else store.dead_letters(**of_code, count=CURES_LOOKED_AT_MAX)
            _print_group(group, letters, looked_at)
        if len(groups) > 1:
            click.echo(f"{sum(group.count for group in groups)} in all")


def _print_group(group: DeadLetterGroup, letters: list[DeadLetter], looked_at: list[DeadLetter]) -> None:
    from ct_mao_sync.cli.render import one_line, wrap

    click.echo(f"{group.code}  ({group.count})")
    for letter in letters:
        then = "discarded" if letter.state == "discarded" else f"next try {_next(letter)}"
        tries = f"last try {letter.last_at:%m-%d %H:%MZ}, {then}"
        click.echo(
            wrap(f"{letter.id}  {one_line(letter.label)}  {letter.job}, {tries}", indent="  ", hang="      ")
        )
        click.echo(wrap(one_line(letter.message), indent="      "))
    if group.count > len(letters):
        more = f"and {group.count - len(letters)} more: ct-mao-sync errors list --code {group.code} --limit 0"
        click.echo(wrap(more, indent="  ", hang="      "))
    cures = dict.fromkeys(_cure(letter, of_many=group.count > 1) for letter in looked_at if letter.hint)
    for cure in list(cures)[:CURES_SHOWN_MAX]:
        click.echo(wrap(f"cure: {cure}", indent="    "))
    if len(cures) > CURES_SHOWN_MAX:
        click.echo(wrap("and others: ct-mao-sync errors show NUMBER", indent="    "))


@errors.command(
    "show",
    short_help="Show one: what happened, what to do.",
    epilog="Examples: ct-mao-sync errors show 12; ct-mao-sync errors show 12 --now",
)
@click.argument("number", type=int)
@click.option("--now", is_flag=True, help="Read both systems, and show what would be done at this moment.")
@global_options
@click.pass_context
def show_error(context: click.Context, number: int, now: bool) -> None:
    """Show one: what happened, how often it was tried, and what to do."""
    from ct_mao_sync.cli.render import one_line, print_json, render_finding, terminal_width, wrap

    with opened_state(context) as (application, store):
        letter = _letter(store, number)
        events = [each for each in store.events(letter.entity) if each.entity == letter.entity]
        findings = _present(application, letter) if now else []
    if global_options_of(context).json:
        from dataclasses import asdict

        document = {**as_dict(letter), "events": [as_dict(event) for event in events]}
        if now:
            document["now"] = [asdict(finding) for finding in findings]
        print_json(document)
        return
    click.echo(f"dead letter {letter.id}: {letter.code}")
    click.echo(wrap(one_line(letter.message), indent="  "))
    context_left = {key: value for key, value in letter.context.items() if key != "difference"}
    facts = {
        "job": letter.job,
        "record": f"{letter.label} ({letter.entity})" if letter.label != letter.entity else letter.entity,
        "field": letter.field,
        "to write": str(letter.context.get("difference", "")),
        "version": str(letter.version or ""),
        "first seen": f"{letter.first_at:%Y-%m-%d %H:%M:%SZ}",
        "last try": f"{letter.last_at:%Y-%m-%d %H:%M:%SZ} (tries: {letter.tries}, run {letter.run})",
        "next try": _next(letter),
        "discarded": letter.reason if letter.state == "discarded" else "",
        **{key.replace("_", " "): str(value) for key, value in context_left.items()},
    }
    for name, value in facts.items():
        if value:
            hang = " " * 18 if terminal_width() >= 60 else "  "
            click.echo(wrap(f"{name + ':':<16}{one_line(value)}", indent="  ", hang=hang))
    if events:
        click.echo("  what happened to this record:")
    for event in events[-ATTEMPTS_SHOWN_MAX:]:
        # The message of a refusal is mostly the one above; its code tells whether it was.
        said = event.detail.partition(":")[0] if event.action == "refuse" else one_line(event.subject)
        asked = f" ({event.correlation_id})" if event.correlation_id else ""
        text = f"{event.at:%m-%d %H:%M:%SZ} {event.action} {said}{asked}"
        click.echo(wrap(text, indent="    ", hang="      "))
    if len(events) > ATTEMPTS_SHOWN_MAX:
        click.echo(f"    ({len(events) - ATTEMPTS_SHOWN_MAX} earlier ones: --json)")
    if now:
        click.echo("  now:")
        for finding in findings:
            click.echo(render_finding(finding, indent="    "))
    if letter.hint:
        click.echo(wrap(f"cure: {_cure(letter)}", indent="  "))


def _present(application: Application, letter: DeadLetter) -> list[Finding]:
    """The record as both systems have it at this moment, planned and not written."""
    from ct_mao_sync.engine.compare import compare
    from ct_mao_sync.engine.run import RunOptions

    with application.looking() as reading:
        job = reading.build_job(letter.job, RunOptions(dry_run=True))
        return compare(job, reading.store, job.read_entities([letter.entity]), reading.redact)


@errors.command(
    "discard",
    short_help="Leave records alone until they change.",
    epilog='Examples: ct-mao-sync errors discard 12 13 --reason "settled by phone"; '
    'ct-mao-sync errors discard --code order-locked --reason "MAO is right"',
)
@click.argument("numbers", type=int, nargs=-1, metavar="[NUMBER]...")
@selection_options
@click.option("--reason", required=True, help="Why; kept with the record. No personal data.")
@click.option("--yes", is_flag=True, help="Do not ask; for --code, --job and --entity.")
@global_options
@click.pass_context
def discard_error(
    context: click.Context,
    numbers: tuple[int, ...],
    job: str | None,
    code: str | None,
    entity: str | None,
    reason: str,
    yes: bool,
) -> None:
    """Leave records alone until they change again at the source: by number, or all of a selection."""
    from ct_mao_sync.cli.render import one_line, print_json, wrap

    selected = job is not None or code is not None or entity is not None
    if bool(numbers) == selected:
        raise click.UsageError("give either numbers, or --code, --job, --entity")
    with opened_state(context) as (application, store):
        if numbers:
            letters = [_letter(store, number) for number in numbers]
        else:
            letters = store.dead_letters(job=job, code=code, entity=entity)
            if letters and not yes and not _is_confirmed(letters):
                click.echo("nothing was discarded")
                return
        with store.atomic():
            for letter in letters:
                store.discard(letter.id, reason, at=application.clock.now())
    if global_options_of(context).json:
        print_json([letter.id for letter in letters])
    elif numbers:
        for letter in letters:
            what = f"{letter.id} ({one_line(letter.label)})"
            click.echo(wrap(f"discarded {what}; it comes back when it changes at the source", hang="  "))
    else:
        click.echo(
            wrap(f"discarded {len(letters)}; each comes back when it changes at the source", hang="  ")
        )


def _is_confirmed(letters: list[DeadLetter]) -> bool:
    import sys
    from collections import Counter

    codes = ", ".join(f"{code} ({n})" for code, n in Counter(each.code for each in letters).most_common())
    what = f"{len(letters)}: {codes}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would discard {what}; give --yes where nobody can be asked")
    return click.confirm(f"Discard {what}?", err=True)


def _letter(store: Store, number: int) -> DeadLetter:
    letter = store.dead_letter(number)
    if letter is None:
        raise click.UsageError(with_config(f"there is no dead letter {number}; see: ct-mao-sync errors list"))
    return letter


def _cure(letter: DeadLetter, *, of_many: bool = False) -> str:
    from ct_mao_sync.cli.render import render_cure

    return render_cure(letter.hint, letter.entity, letter.code, of_many=of_many, number=letter.id)


def _next(letter: DeadLetter) -> str:
    from ct_mao_sync.state.retry_schedule import MAPPING_CODES

    if letter.state == "discarded":
        return "discarded"
    if letter.next_try_at:
        return f"{letter.next_try_at:%m-%d %H:%MZ}"
    by_hand = "by replay-errors"
    return f"when the mapping changes, or {by_hand}" if letter.code in MAPPING_CODES else by_hand


def as_dict(row: Any) -> dict[str, Any]:
    """A row of the state file for JSON."""
    from dataclasses import asdict
    from datetime import datetime

    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in asdict(row).items()
    }
