"""`ct-mao-sync overview`: how the whole is, from the state file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.engine.rows import Run
    from ct_mao_sync.ops.overview import JobOverview, Overview
    from ct_mao_sync.state.store import Store


@click.command(
    epilog="Examples: ct-mao-sync overview; ct-mao-sync overview --json. "
    "Exit code 0, also when a job is failing: --json has is_well for scripts, [alerts] for people."
)
@global_options
@click.pass_context
def overview(context: click.Context) -> None:
    """Show how every job is: watermark and lag, what waits, the last run and the next, requests used.

    Reads the state file only, so it is quick and works when a system is down.
    """
    from ct_mao_sync.cli.opened import opened_state

    with opened_state(context, create=False) as (application, store):
        found = _read(application, store)
        state = application.config.state_path
        size = state.stat().st_size if state.exists() else 0
    if global_options_of(context).json:
        from ct_mao_sync.cli.render import print_json

        print_json({**_as_dict(found), "state": {"path": str(state), "bytes": size}})
        return
    for job in found.jobs:
        _print_job(job, found)
    _print_rest(found, state.name, size)


def _read(application: Application, store: Store) -> Overview:
    from ct_mao_sync.cli.job_builders import jobs_on
    from ct_mao_sync.cli.jobs import JOBS
    from ct_mao_sync.engine.lock import holder_of
    from ct_mao_sync.ops.health import read_health
    from ct_mao_sync.ops.overview import read_overview

    config = application.config
    health_file = config.schedule.health_file
    on = jobs_on(config)
    return read_overview(
        store,
        {job: config.schedule.every(job) if job in on else None for job in JOBS},
        {job: holder_of(config.state_path, job) is not None for job in JOBS},
        application.clock.now(),
        health=read_health(config.resolve(health_file)) if health_file else None,
        requests_limit=config.manhattan.max_requests_per_hour,
    )


def _as_dict(found: Overview) -> dict[str, Any]:
    from ct_mao_sync.cli.dead_letters import as_dict

    return {
        "at": found.at,
        "is_well": found.is_well,
        "loop": found.loop,
        "requests_this_hour": found.requests_this_hour,
        "requests_limit": found.requests_limit,
        "jobs": [
            {
                "job": each.job,
                "said": each.said,
                "is_well": each.is_well,
                "is_running": each.is_running,
                "watermark": each.facts.watermark,
                "lag_s": each.facts.lag_s,
                "failures": each.facts.failures,
                "circuit": each.circuit,
                "every_s": each.every.total_seconds() if each.every else None,
                "next_at": each.next_at,
                "dead_letters": dict(each.facts.dead_letters),
                "last_run": as_dict(each.facts.last_run) if each.facts.last_run else None,
                "passes": {name: as_dict(row) for name, row in each.passes.items()},
            }
            for each in found.jobs
        ],
    }


def _print_job(each: JobOverview, found: Overview) -> None:
    from ct_mao_sync.cli.render import one_line, render_span, wrap

    facts = each.facts
    lag = f", {render_span(facts.lag_s)} behind" if facts.lag_s is not None else ""
    click.echo(wrap(f"{each.job}: {each.said}{lag}", hang="  "))
    for name, row in each.passes.items():
        reading = "; a window is half read, the next run goes on" if row.cursor else ""
        at = f"{row.watermark:%Y-%m-%d %H:%M:%SZ}" if row.watermark else "none yet"
        _say("watermark", f"{at}  {name}{reading}")
    if facts.last_run is not None:
        _say("last run", _run(facts.last_run))
        if facts.last_run.message:
            _say("", one_line(facts.last_run.message))
    if facts.last_success is not None and facts.failures:
        _say("last good", f"{facts.last_success.started_at:%Y-%m-%d %H:%M:%SZ}")
    if each.every is not None:
        rhythm = f"every {render_span(each.every.total_seconds())}"
        if each.next_at is None:
            _say("next run", rhythm)
        else:
            late_s = (found.at - each.next_at).total_seconds()
            late = f", {render_span(late_s)} ago" if late_s > 60 else ""
            _say("next run", f"{each.next_at:%Y-%m-%d %H:%M:%SZ}{late} ({rhythm})")
    if facts.dead_letters:
        codes = sorted(facts.dead_letters.items(), key=lambda item: (-item[1], item[0]))
        total = sum(facts.dead_letters.values())
        _say("waiting", f"{total}: {', '.join(f'{code} {count}' for code, count in codes)}")


def _run(run: Run) -> str:
    from ct_mao_sync.cli.render import render_duration

    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    counts = ", ".join(f"{name} {n}" for name, n in run.counts.items() if n)
    exit_code = f", exit {run.exit_code}" if run.exit_code else ""
    requests = f"{run.requests} request{'s' * (run.requests != 1)}"
    return (
        f"{run.started_at:%Y-%m-%d %H:%M:%SZ}, {render_duration(took)}, {requests}: "
        f"{counts or 'nothing new'}{exit_code}"
    )


def _print_rest(found: Overview, state_name: str, size: int) -> None:
    from ct_mao_sync.cli.render import render_bytes, wrap

    if found.requests_limit:
        text = f"MAO requests this hour: {found.requests_this_hour} of {found.requests_limit}"
        click.echo(wrap(text, hang="  "))
    if found.loop:
        click.echo(f"loop: {found.loop}")
    if any(each.facts.dead_letters for each in found.jobs):
        click.echo(wrap("what waits, and why: ct-mao-sync errors list", hang="  "))
    click.echo(wrap(f"state: {state_name}, {render_bytes(size)}", hang="  "))


def _say(name: str, text: str) -> None:
    from ct_mao_sync.cli.render import wrap

    click.echo(wrap(f"{name:<11}{text}", indent="  ", hang=" " * 13))
