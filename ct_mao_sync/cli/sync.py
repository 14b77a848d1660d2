"""`ct-mao-sync sync JOB`: one run, now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.cli.options import MOMENT, global_options, global_options_of, limit_options, wait_option

if TYPE_CHECKING:
    from ct_mao_sync.engine.report import RunReport
    from ct_mao_sync.engine.run import RunOptions

FROM_JOBS = ("orders", "status", "inventory")
"""Jobs that messages can nudge; `cli.messages` has a parser for each."""


@click.command(
    epilog="Examples: ct-mao-sync sync orders --dry-run; ct-mao-sync sync orders --order CT-1001; "
    "ct-mao-sync sync orders --since 2026-11-27T20:00:00Z"
)
@click.argument("job", type=click.Choice([*JOBS, "all"]), metavar="JOB")
@click.option("--since", type=MOMENT, help="Look at changes since then: a time with zone, a date, or 2h.")
@click.option("--until", type=MOMENT, help="Only at changes before then.")
@click.option(
    "--order", "orders", multiple=True, metavar="NUMBER", help="Only this order (number or id); repeatable."
)
@click.option("--sku", "skus", multiple=True, metavar="SKU", help="inventory: only this SKU; repeatable.")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="orders, status, inventory: only what these messages name, JSON lines; - reads standard input.",
)
@click.option(
    "--full", is_flag=True, help="inventory, status: compare everything now, not only what changed."
)
@click.option("--dry-run", is_flag=True, help="Show each write; change nothing anywhere.")
@click.option(
    "--show-personal", is_flag=True, help="With --dry-run -v on a terminal: do not mask personal data."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Write at most this many records.")
@limit_options("Let this run pass")
@wait_option("Wait for a run of this job")
@global_options
@click.pass_context
def sync(
    context: click.Context,
    job: str,
    since: datetime | None,
    until: datetime | None,
    orders: tuple[str, ...],
    skus: tuple[str, ...],
    source: str | None,
    full: bool,
    dry_run: bool,
    show_personal: bool,
    limit: int | None,
    allow_cancel: bool,
    allow_drop: bool,
    wait_s: float,
) -> None:
    """Run a job once: read what changed since its watermark, write the difference.

    JOB is orders, status, returns, inventory, or all, one after the other.

    --since, --until, --order, --limit and --dry-run never move the watermark past changes that were not
    looked at, nor backwards.
    """
    if since and until and since >= until:
        raise click.UsageError("--since must be before --until")
    if since:
        from ct_mao_sync.engine.clock import SystemClock

        if since > SystemClock().now():
            raise click.UsageError(f"--since {since:%Y-%m-%d %H:%M:%SZ} lies ahead: no change is that new")
    if (orders or skus) and (since or until):
        raise click.UsageError("--order and --sku name the records themselves; leave --since and --until out")
    if orders and job not in ("orders", "status", "returns"):
        raise click.UsageError("--order belongs to: sync orders, sync status, sync returns")
    if skus and job != "inventory":
        raise click.UsageError("--sku belongs to: sync inventory")
    if full and job not in ("inventory", "status"):
        raise click.UsageError("--full belongs to: sync inventory, sync status")
    if source is not None and (orders or skus or full or since or until):
        raise click.UsageError("--from names the records itself; leave the other choices out")
    if source is not None and job not in FROM_JOBS:
        raise click.UsageError(f"--from belongs to: {', '.join(f'sync {name}' for name in FROM_JOBS)}")
    from ct_mao_sync.engine.run import RunOptions

    options = RunOptions(
        since=since,
        until=until,
        given=tuple(dict.fromkeys(orders or skus)),
        full=full,
        dry_run=dry_run,
        limit=limit,
        allow=frozenset(name for name, given in (("cancel", allow_cancel), ("drop", allow_drop)) if given),
    )
    names = None if job == "all" else [job]
    context.exit(
        run_jobs(
            context, names, options, wait_s=wait_s, show_personal=show_personal and dry_run, source=source
        )
    )


def run_jobs(
    context: click.Context,
    names: list[str] | None,
    options: RunOptions | Mapping[str, RunOptions],
    *,
    wait_s: float,
    show_personal: bool = False,
    source: str | None = None,
    at_the_end: Callable[[], Mapping[str, Any]] = dict,
) -> int:
    """Runs the jobs (None: all that are configured) one after the other and prints what came of it.
    `options`: of all, or by job; `source`: messages that name the records (see cli.messages); `at_the_end`
    gives further members of the JSON document, and prints them itself otherwise. Returns the exit code."""
    import gc
    import threading

    from ct_mao_sync.cli.job_builders import configured_jobs, import_jobs
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.progress import progress_of
    from ct_mao_sync.cli.render import print_error, print_json, print_plans, print_report
    from ct_mao_sync.cli.wiring import open_application, stop_on_signals
    from ct_mao_sync.errors import SyncError, worst_exit_code

    gc.freeze()  # what is imported stays: no use to look through it for circles (see main)
    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    reports: list[RunReport] = []
    problems: list[SyncError] = []
    codes: list[int] = []
    try:
        application = open_application(wanted.config)
        set_up_logging(
            log_format=wanted.log_format, verbose=wanted.verbose, secrets=application.config.secrets()
        )
        with stop_on_signals(application) as stopped:
            names = configured_jobs(application.config) if names is None else names
            # The later jobs are imported while the first ones wait for answers.
            threading.Thread(target=import_jobs, args=(names[1:],)).start()
            for name in names:
                if stopped():
                    break
                of_job = options[name] if isinstance(options, Mapping) else options
                if source is not None:
                    from ct_mao_sync.cli.messages import read_nudges

                    of_job = replace(of_job, nudges=read_nudges(name, source, application.config))
                total = len(of_job.dead_letters) if of_job.dead_letters is not None else None
                with progress_of(name, total) as progress:
                    try:
                        report = application.run(name, of_job, wait_s=wait_s, progress=progress)
                    except SyncError as error:
                        problems.append(error)
                        codes.append(error.exit_code)
                        continue
                reports.append(report)
                codes.append(report.exit_code)
                if not wanted.json:
                    print_plans(report, bodies=wanted.verbose > 0, show_personal=show_personal)
                    print_report(report)
            codes.append(stopped())
    except SyncError as error:
        problems.append(error)
        codes.append(error.exit_code)
    for problem in problems:
        print_error(problem)
    more = at_the_end()
    if wanted.json:
        print_json(
            {
                "runs": [report.as_dict() for report in reports],
                "problems": [
                    problem.as_dict()
                    for raised in problems
                    for problem in getattr(raised, "problems", (raised.problem,))
                ],
                **more,
                "exit_code": worst_exit_code(codes),
            }
        )
    return worst_exit_code(codes)
