"""`ct-mao-sync setup`: what the jobs need in commercetools, made after it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of, with_config

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.ops.setup import SetupPlan, Step


@click.command(
    epilog="Examples: ct-mao-sync setup; ct-mao-sync setup --yes; ct-mao-sync setup --dry-run. "
    "Scopes: manage_channels or manage_products, manage_states or manage_orders, manage_types."
)
@click.option("--yes", is_flag=True, help="Make what is missing without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what is missing.")
@global_options
@click.pass_context
def setup(context: click.Context, yes: bool, dry_run: bool) -> None:
    """Create the channels, states and types that the jobs need and commercetools does not have.

    Shows them first and asks; without a terminal and without --yes it only shows them and ends with exit code
    5. It only ever adds, and a second time finds nothing to do.
    """
    from ct_mao_sync.cli.job_builders import configured_jobs
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error, print_json
    from ct_mao_sync.cli.wiring import open_application
    from ct_mao_sync.errors import SyncError

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    document: dict[str, Any] = {"steps": [], "applied": False, "problems": []}
    try:
        application = open_application(wanted.config)
        secrets = application.config.secrets()
        set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose, secrets=secrets)
        jobs = configured_jobs(application.config)
        code = _setup(application, jobs, document, yes=yes, dry_run=dry_run, quiet=wanted.json)
    except SyncError as error:
        code = error.exit_code
        document["problems"] = [each.as_dict() for each in getattr(error, "problems", (error.problem,))]
        print_error(error)
    if wanted.json:
        print_json({**document, "exit_code": code})
    context.exit(code)


def _setup(
    application: Application,
    jobs: list[str],
    document: dict[str, Any],
    *,
    yes: bool,
    dry_run: bool,
    quiet: bool,
) -> int:
    from ct_mao_sync.clients.commercetools_setup import CommercetoolsSetupClient
    from ct_mao_sync.errors import EXIT_OK, EXIT_STOPPED, RunStopped
    from ct_mao_sync.ops.setup import apply_setup, plan_setup, read_present, wanted_resources

    wanted = wanted_resources(application.config, jobs)
    with application.own_clients() as own:
        commercetools = own.commercetools(f"setup-{own.new_run_id()}")
        client = CommercetoolsSetupClient(commercetools.http, commercetools.project_key)
        plan = plan_setup(wanted, read_present(client, wanted))
        document["steps"] = [_as_dict(step) for step in plan.steps]
        if not quiet:
            _show(plan, len(wanted), jobs)
        if plan.conflicts:
            raise RunStopped(plan.conflicts[0])
        if not plan.steps or dry_run:
            return EXIT_OK
        if not (yes or (not quiet and _confirmed(len(plan.steps)))):
            click.echo(with_config("nothing was made; to make it: ct-mao-sync setup --yes"), err=True)
            return EXIT_STOPPED
        done = apply_setup(client, wanted)
    document["steps"], document["applied"] = [_as_dict(step) for step in done], True
    if not quiet:
        click.echo(f"made: {len(done)} of {len(done)}")
    return EXIT_OK


def _show(plan: SetupPlan, wanted: int, jobs: list[str]) -> None:
    from ct_mao_sync.cli.render import one_line, wrap

    if not plan.steps and not plan.conflicts:
        click.echo(wrap(f"nothing to do: all that {', '.join(jobs)} need is there ({wanted})"))
    for step in plan.steps:
        click.echo(wrap(f"+ {one_line(step.what)}", hang="    "))
        click.echo(wrap(f"for {one_line(step.why)}", indent="    "))


def _confirmed(count: int) -> bool:
    import sys

    if not sys.stdin.isatty():
        return False
    return click.confirm(f"make {'these' if count > 1 else 'this'} {count} in commercetools?", err=True)


def _as_dict(step: Step) -> dict[str, Any]:
    return {"resource": step.resource, "key": step.key, "what": step.what, "why": step.why, "body": step.body}
