"""Values to text for people. Foreign text is escaped before it is shown; plain where no terminal is."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.errors import Problem, SyncError
from ct_mao_sync.mapping.redact import mask_payload
from ct_mao_sync.models.json import dump_json

REJECTIONS_SHOWN_MAX = 20


def one_line(text: str) -> str:
    """Control characters, also those that steer a terminal, made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def render_problem(problem: Problem) -> str:
    """error: code, then the message, then the hint, indented below each other."""
    lines = [f"error: {problem.code}", f"  {one_line(problem.message)}"]
    if problem.hint:
        lines.append(f"hint: {one_line(problem.hint)}")
    correlation_id = problem.context.get("correlation_id")
    if correlation_id:
        lines.append(f"  (correlation id {one_line(str(correlation_id))})")
    return "\n".join(lines)


def print_error(error: SyncError) -> None:
    for problem in getattr(error, "problems", (error.problem,)):
        click.echo(render_problem(problem), err=True)


def render_report(report: RunReport) -> str:
    """The last line of a run; its numbers add up."""
    numbers = (
        f"read {report.read} = written {report.counts['written']} + unchanged {report.counts['unchanged']} "
        f"+ rejected {report.counts['rejected']} + pending {report.counts['pending']} "
        f"+ skipped {report.counts['skipped']}"
    )
    window = _window(report.since, report.until)
    word = f"{report.job} (dry run)" if report.dry_run else report.job
    parts = [word, window, numbers, _duration(report.elapsed_s)]
    return "  ".join(part for part in parts if part)


def print_plans(report: RunReport, *, bodies: bool, show_personal: bool) -> None:
    """What a dry run would have written; with `bodies` the whole of it, personal values masked unless a
    person on a terminal asked to see them."""
    for plan in report.plans:
        for write, text in zip(plan.writes, plan.summary, strict=True):
            click.echo(f"would {one_line(text)}")
            if bodies:
                body = write.body
                if not (show_personal and is_terminal()):
                    body = mask_payload(body, plan.personal)
                shown = json.dumps(json.loads(dump_json(body)), ensure_ascii=False, indent=2)
                click.echo(textwrap.indent(shown, "    "))


def print_report(report: RunReport) -> None:
    """Result on stdout; what went wrong, with what to do about it, on stderr."""
    if report.skip_reasons and report.counts["skipped"]:
        for reason, count in report.skip_reasons.most_common(5):
            click.echo(f"  skipped {count}: {one_line(reason)}")
    if report.limit_reached:
        click.echo("  --limit was reached; the next run goes on from here")
    click.echo(render_report(report))
    if report.counts["rejected"] and not report.dry_run:
        waits = (
            "1 record waits"
            if report.counts["rejected"] == 1
            else f"{report.counts['rejected']} records wait"
        )
        click.echo(f"  {waits} as dead letters: ct-mao-sync errors list")
    if report.problem:
        click.echo(render_problem(report.problem), err=True)


def wrap(text: str, *, indent: str = "", width: int | None = None) -> str:
    return textwrap.fill(
        text,
        width=width or terminal_width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def terminal_width() -> int:
    import shutil

    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))


def is_terminal() -> bool:
    return sys.stdout.isatty()


def table(rows: Iterable[tuple[str, ...]], header: tuple[str, ...]) -> str:
    """Plain columns, two spaces apart, for people and for grep."""
    content = [header, *rows]
    widths = [max(len(row[column]) for row in content) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in content
    )


def _window(since: datetime | None, until: datetime | None) -> str:
    if since is None or until is None:
        return ""
    day = since.strftime("%Y-%m-%d ") if since.date() != until.date() else ""
    end_day = until.strftime("%Y-%m-%d ") if day else ""
    return f"{day}{since:%H:%M}–{end_day}{until:%H:%M}Z"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
