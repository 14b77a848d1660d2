"""`ct-mao-sync doctor`: is everything there that a run relies on?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.ops.doctor import Check

RETRY_S = 5.0
"""A doctor who waits two minutes for each silent system is not asked a second time."""


@click.command(
    epilog="Examples: ct-mao-sync doctor; ct-mao-sync doctor --offline; ct-mao-sync doctor --json. "
    "Exit codes: 0 no fault (warnings are none), 2 configuration, 4 a system does not answer, "
    "5 a person must act."
)
@click.option("--offline", is_flag=True, help="Ask neither system: configuration, state file, rhythm only.")
@global_options
@click.pass_context
def doctor(context: click.Context, offline: bool) -> None:
    """Check everything that the jobs rely on, one line each, with the cure of what is wrong.

    Configuration, state file, rhythm; credentials, scopes and clocks of both systems; channels, states,
    types, views and locations; and each job's own reading, a minute deep. It reads only.
    """
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error, print_json
    from ct_mao_sync.cli.wiring import open_application
    from ct_mao_sync.errors import SyncError
    from ct_mao_sync.ops.doctor import exit_code_of

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    try:
        application = open_application(wanted.config)
    except SyncError as error:
        print_error(error)
        if wanted.json:
            problems = getattr(error, "problems", (error.problem,))
            print_json({"checks": [], "problems": [p.as_dict() for p in problems], "exit_code": 2})
        context.exit(error.exit_code)
    secrets = application.config.secrets()
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose, secrets=secrets)
    checks = []
    for check in _checks(application, offline=offline):
        checks.append(check)
        if not wanted.json:
            _show(check)
    code = exit_code_of(checks)
    if wanted.json:
        print_json({"checks": [check.as_dict() for check in checks], "exit_code": code})
    else:
        _sum_up(checks)
    context.exit(code)


def _checks(application: Application, *, offline: bool) -> Iterator[Check]:
    import copy

    from ct_mao_sync.cli.job_builders import jobs_on
    from ct_mao_sync.errors import EXIT_CONFIG, RunStopped
    from ct_mao_sync.ops.doctor import check_config, check_schedule, check_state, fault
    from ct_mao_sync.ops.doctor_systems import check_systems

    config = application.config
    jobs = jobs_on(config)
    if not jobs:
        cure = 'give one a rhythm: orders = "2m" under [schedule]'
        yield fault("configuration", "every job is switched off", cure, EXIT_CONFIG)
        return
    yield from check_config(config, jobs)
    yield from check_state(config)
    looker = copy.copy(application)
    retry_s = min(config.sync.retry_seconds, RETRY_S)
    looker.config = config.model_copy(
        update={"sync": config.sync.model_copy(update={"retry_seconds": retry_s})}
    )
    looker.keeps_tokens = False
    try:
        with looker.looking() as reading:
            yield from check_schedule(reading.store, config, jobs, application.clock.now())
            if not offline:
                yield from check_systems(reading, jobs)
            return
    except RunStopped as error:
        if not error.problem.code.startswith("state-"):
            raise
    # What is wrong with the state file has been told; the systems are looked at without it.
    nothing = config.state_path.with_name(f"{config.state_path.name}.none")
    looker.config = looker.config.model_copy(
        update={"state": config.state.model_copy(update={"path": str(nothing)})}
    )
    if not offline:
        with looker.looking() as reading:
            yield from check_systems(reading, jobs)


def _show(check: Check) -> None:
    import os

    from ct_mao_sync.cli.render import one_line, wrap

    colour = {"ok": "green", "warning": "yellow", "fault": "red"}[check.level]
    text = wrap(f"{check.level:7}  {one_line(check.area)}: {one_line(check.said)}", hang=" " * 9)
    word = text[:7] if os.environ.get("NO_COLOR") else click.style(text[:7], fg=colour)
    click.echo(word + text[7:])
    if check.cure:
        click.echo(wrap(f"cure: {one_line(check.cure)}", indent=" " * 9, hang=" " * 15))


def _sum_up(checks: list[Check]) -> None:
    from ct_mao_sync.cli.render import wrap

    count = {level: sum(check.level == level for check in checks) for level in ("ok", "warning", "fault")}
    faults = "no fault" if not count["fault"] else f"{count['fault']} fault{'s' * (count['fault'] > 1)}"
    warnings = f"{count['warning']} warning{'s' * (count['warning'] != 1)}"
    click.echo(wrap(f"{faults}, {warnings}, {count['ok']} ok"))
