"""`ct-mao-sync replay-errors`: records that were set aside, tried again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.dead_letters import selection_options
from ct_mao_sync.cli.opened import opened_state
from ct_mao_sync.cli.options import global_options, global_options_of, limit_options, wait_option

if TYPE_CHECKING:
    from ct_mao_sync.engine.rows import DeadLetter
    from ct_mao_sync.ops.replay import ReplayChanges


@click.command(
    "replay-errors",
    epilog="Examples: ct-mao-sync replay-errors; ct-mao-sync replay-errors --code shipping-method-unmapped; "
    "ct-mao-sync replay-errors --entity CT-1001",
)
@selection_options
@limit_options("Let this run pass")
@click.option("--dry-run", is_flag=True, help="Show each write; change nothing anywhere.")
@wait_option("Wait for a run of the job")
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

    Each is read afresh from the source; an old payload is never sent. What succeeds leaves the queue. What
    is transient, or was rejected for a mapping that has changed since, is tried again without this.
    """
    from ct_mao_sync.cli.sync import run_jobs
    from ct_mao_sync.engine.run import RunOptions

    as_json = global_options_of(context).json
    with opened_state(context) as (_, store):
        letters = store.dead_letters(job=job, code=code, entity=entity)
    if not letters:
        if as_json:
            from ct_mao_sync.cli.render import print_json

            print_json({"runs": [], "problems": [], "exit_code": 0})
        else:
            click.echo("no dead letters match; nothing to replay")
        return
    allowed = (("cancel", allow_cancel), ("drop", allow_drop))
    options = {
        name: RunOptions(
            dead_letters=tuple(letter.entity for letter in letters if letter.job == name),
            dry_run=dry_run,
            allow=frozenset(given for given, said in allowed if said),
        )
        for name in dict.fromkeys(letter.job for letter in letters)
    }

    def tell_changes() -> Mapping[str, Any]:
        if dry_run:
            return {}
        changes = _changes(context, letters)
        if not as_json:
            _print_changes(changes)
        return {"changes": changes.as_dict()}

    context.exit(run_jobs(context, list(options), options, wait_s=wait_s, at_the_end=tell_changes))


def _changes(context: click.Context, letters: list[DeadLetter]) -> ReplayChanges:
    from ct_mao_sync.ops.replay import read_changes

    with opened_state(context) as (_, store):
        return read_changes(store, letters)


def _print_changes(changes: ReplayChanges) -> None:
    from ct_mao_sync.cli.render import wrap

    still = changes.same.total()
    moved = changes.other.total()
    click.echo(
        wrap(
            f"of {changes.tried}: {changes.fixed} left the queue, {still} wait for the same reason, "
            f"{moved} for another one",
            hang="  ",
        )
    )
    for code, count in changes.same.most_common():
        click.echo(wrap(f"still {code}: {count}", indent="  ", hang="    "))
    for (before, now), count in changes.other.most_common():
        click.echo(wrap(f"{before} is now {now}: {count}", indent="  ", hang="    "))
