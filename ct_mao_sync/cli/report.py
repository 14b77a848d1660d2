"""`ct-mao-sync report`: what happened in the last days, as text or as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.ops.report import Report

DAYS_MAX = 366
BARS = " ▁▂▃▄▅▆▇█"


@click.command(
    epilog="Examples: ct-mao-sync report; ct-mao-sync report --days 30 --html /var/www/sync.html; "
    "ct-mao-sync report --json"
)
@click.option(
    "--days",
    type=click.IntRange(1, DAYS_MAX),
    metavar="N",
    default=7,
    show_default=True,
    help="Whole days, with today.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one self-contained page there; needs no network, prints well.",
)
@global_options
@click.pass_context
def report(context: click.Context, days: int, html: Path | None) -> None:
    """Report throughput, lag, failures by reason, the oldest waiting records and request use.

    From the history in the state file, which is kept for 30 days; nothing is asked of the two systems.
    """
    from ct_mao_sync.cli.jobs import JOBS
    from ct_mao_sync.cli.opened import opened_state
    from ct_mao_sync.cli.render import print_json
    from ct_mao_sync.ops.report import read_report

    with opened_state(context, create=False) as (application, store):
        found = read_report(store, JOBS, days, application.clock.now())
    if html is not None:
        _write_page(html, found)
    if global_options_of(context).json:
        print_json(_as_dict(found))
    elif html is None:
        _print_text(found)
    else:
        click.echo(f"written: {html}")


def _write_page(path: Path, found: Report) -> None:
    """Appears whole or not at all: a web server may be reading it."""
    from ct_mao_sync.cli.report_html import render_page
    from ct_mao_sync.ops.files import replace_file

    try:
        replace_file(path, render_page(found), mode=0o644)
    except OSError as error:
        raise click.UsageError(f"--html: {path} cannot be written: {error.strerror}") from None


def _as_dict(found: Report) -> dict[str, Any]:
    from ct_mao_sync.cli.dead_letters import as_dict

    return {
        "at": found.at,
        "days": found.days,
        "remembered_since": found.remembered_since,
        "headline": dict(found.headline()),
        "jobs": [
            {
                "job": job.job,
                "runs": job.runs,
                "failed": job.failed,
                "requests": job.requests,
                "busy_s": round(job.busy_s, 3),
                "counts": dict(job.counts),
                "writes": dict(job.writes),
                "written_by_day": job.written_by_day,
                "requests_by_day": job.requests_by_day,
                "lag_max_s_by_day": job.lag_max_by_day,
            }
            for job in found.jobs
        ],
        "refused": dict(found.refused),
        "refused_by_day": dict(found.refused_by_day),
        "waiting": dict(found.waiting),
        "oldest": [as_dict(letter) for letter in found.oldest],
        "closed": found.closed,
        "requests": found.requests,
    }


def _print_text(found: Report) -> None:
    from ct_mao_sync.cli.render import one_line, render_span, wrap

    first, last = found.days[0], found.days[-1]
    since = found.remembered_since
    begins = f"; the history begins {since:%Y-%m-%d}" if since and since.date() > first else ""
    click.echo(wrap(f"{first} to {last}, days in UTC{begins}"))
    for name, value in found.headline():
        click.echo(f"  {name:<24}{value:>10,}")
    if found.jobs:
        click.echo("jobs")
    for job in found.jobs:
        lag = f", lag up to {render_span(job.lag_max_s)}" if job.lag_max_s is not None else ""
        failed = f", {job.failed} failed" if job.failed else ""
        text = (
            f"{job.job:<10}{_count(job.runs, 'run')}{failed}, {_count(job.requests, 'request')}, "
            f"busy {render_span(job.busy_s)}{lag}"
        )
        click.echo(wrap(text, indent="  ", hang=" " * 12))
        text = f"{'':<10}written {job.counts['written']:,}  {_bars(job.written_by_day)}"
        if job.writes:
            actions = ", ".join(f"{action} {count:,}" for action, count in job.writes.most_common(6))
            text += f"  ({actions})"
        click.echo(wrap(text, indent="  ", hang=" " * 12))
    if found.refused:
        click.echo(wrap("set aside, by reason (each record once a day)", hang="  "))
    for code, count in found.refused.items():
        by_day = found.refused_by_day.get(code)
        bars = f"  {_bars(by_day)}" if by_day else ""
        waiting = found.waiting.get(code, 0)
        click.echo(wrap(f"{code:<26}{count:>7,}{bars}  {waiting:,} waiting now", indent="  ", hang="      "))
    if found.closed:
        click.echo(f"  {found.closed:,} left the queue by a success")
    if found.oldest:
        click.echo("waiting longest")
    for letter in found.oldest:
        age = render_span((found.at - letter.first_at).total_seconds())
        text = f"{age:>7}  {one_line(letter.label)}  {letter.job}, {letter.code}: "
        click.echo(wrap(f"{text}ct-mao-sync errors show {letter.id}", indent="  ", hang=" " * 11))
    if not found.jobs:
        click.echo("no run in these days")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _bars(values: Any) -> str:
    """One character for each day, at most the last 31."""
    shown = list(values)[-31:]
    top = max(shown, default=0)
    if not top:
        return "·" * len(shown)
    return "".join(BARS[max(1, round(value / top * 8))] if value else "·" for value in shown)
