"""Values to text for people. Foreign text is escaped before it is shown; plain where no terminal is."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from datetime import datetime
from typing import Any, TextIO

import click

from ct_mao_sync.cli.main import COMMANDS
from ct_mao_sync.cli.options import with_config
from ct_mao_sync.engine.compare import Finding
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.values import Difference
from ct_mao_sync.errors import EXIT_RETRIABLE, EXIT_STOPPED, Problem, SyncError
from ct_mao_sync.mapping.redact import mask_payload
from ct_mao_sync.models.json import dump_json

CURES_SHOWN_MAX = 3
_PROGRAM = rf"ct-mao-sync(?= (?:--|{'|'.join(COMMANDS)}))|chmod \d+|ls -ld?|df -h|ps -p|mv|rm -f|systemctl"
_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s'";,()]|[;,](?=[^\s;]))+"""
_TOGETHER = re.compile(rf"(?<![\w./-])(?:{_PROGRAM})(?: {_WORD})+|\d (?:s|min|h|days|kB|MB|GB)\b")
"""Commands: the words up to a stop, a bracket or the end, quoted words whole. Numbers with a unit."""
_REPLAY = re.compile(rf"ct-mao-sync replay-errors(?: --\w+ {_WORD})*")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def one_line(text: str) -> str:
    """Control characters, also those that steer a terminal, made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def render_problem(problem: Problem) -> str:
    """error: code, then the message, then the hint, indented below each other; for stderr."""
    lines = [f"error: {problem.code}", wrap_err(one_line(problem.message), indent="  ")]
    if problem.hint:
        lines.append(wrap_err(f"hint: {one_line(problem.hint)}", hang="  "))
    correlation_id = problem.context.get("correlation_id")
    if correlation_id:
        lines.append(f"  (correlation id {one_line(str(correlation_id))})")
    return "\n".join(lines)


def render_cure(
    hint: str, entity: str, code: str, *, of_many: bool = False, number: int | None = None
) -> str:
    """A hint as commands that can be pasted: the number of a dead letter is known only when it is shown, and
    several of one kind are replayed together."""
    cure = one_line(hint)
    if of_many:
        cure = cure.replace(f"--entity {entity}", f"--code {code}")
    shown = "NUMBER" if of_many or number is None else str(number)
    return re.sub(r"errors discard(?! \S)", f'errors discard {shown} --reason "…"', cure)


def render_finding(finding: Finding, *, indent: str = "", fields_max: int | None = None) -> str:
    """What a comparison says of one record; the cure is told elsewhere."""
    text = f"{finding.symbol or ' '} {finding.label}"
    problem = finding.problem
    if problem is not None:
        text += f"  {problem.code}: {problem.message}"
    if finding.reason:
        text += f"  {finding.reason}"
    if finding.writes and not finding.differences:
        text += f"  would {'; '.join(finding.writes)}"
    lines = [wrap(one_line(text), indent=indent, hang=f"{indent}    ")]
    shown = finding.differences[:fields_max]
    lines += [render_difference(each, indent=f"{indent}    ") for each in shown]
    if len(shown) < len(finding.differences):
        lines.append(f"{indent}    and {len(finding.differences) - len(shown)} more fields (-v shows them)")
    return "\n".join(lines)


def render_difference(difference: Difference, *, indent: str = "    ") -> str:
    """`OrderLine/244c09c6…/Quantity: 2 -> 3`: ids are cut, --json has them whole."""
    both = f"{difference.present or '(none)'} -> {difference.wanted or '(none)'}"
    if difference.present == difference.wanted:
        both = "differs (a personal value, not shown)"
    short = _UUID.sub(lambda found: f"{found[0][:8]}…", difference.field)
    return textwrap.fill(
        one_line(f"{short}: {both}"),
        width=terminal_width(),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )


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
    time = render_duration(report.elapsed_s)
    if report.waited_s >= 1:
        time += f" ({render_duration(report.waited_s)} of it waiting for imports)"
    parts = [word, window, numbers, time]
    return "  ".join(part for part in parts if part)


def print_plans(report: RunReport, *, bodies: bool, show_personal: bool) -> None:
    """What a dry run would have written; with `bodies` the whole of it, personal values masked unless a
    person on a terminal asked to see them."""
    for plan in report.plans:
        for write, text in zip(plan.writes, plan.summary, strict=True):
            click.echo(_wrap_if_seen(f"would {one_line(text)}", sys.stdout, hang="    "))
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
            click.echo(wrap(f"skipped {count}: {one_line(reason)}", indent="  ", hang="    "))
    if report.limit_reached:
        further = "there is more" if report.dry_run else "the next run goes on from here"
        click.echo(wrap(f"--limit was reached; {further}", indent="  ", hang="    "))
    for name in report.postponed:
        text = f"the {name} left this hour's MAO requests to other work; a later run goes on from here "
        click.echo(wrap(f"{text}(manhattan.max_requests_per_hour)", indent="  ", hang="    "))
    click.echo(render_report(report))
    if report.dead_letters and not report.dry_run:
        waits = (
            "1 record waits as a dead letter"
            if report.dead_letters == 1
            else f"{report.dead_letters} records wait as dead letters"
        )
        click.echo(wrap(f"{waits}: ct-mao-sync errors list", indent="  ", hang="    "))
    elif report.rejected:
        _print_cures(report)
    held_back = [problem for _, _, problem in report.rejected if problem.code.endswith("-limit")]
    if held_back:
        click.echo(wrap_err(f"hint: {one_line(held_back[0].hint)}", hang="  "), err=True)
    if report.problem:
        click.echo(render_problem(report.problem), err=True)
        if report.ended_early_code in (EXIT_RETRIABLE, EXIT_STOPPED) and not report.dry_run:
            click.echo(wrap_err(_what_is_safe(report), indent="  "), err=True)


def _print_cures(report: RunReport) -> None:
    """Of records that are not in the queue, where replay-errors would find them."""
    again = f"ct-mao-sync sync {report.job}{' --dry-run' if report.dry_run else ''}"
    cures = dict.fromkeys(
        f"cure of {problem.code}: {_REPLAY.sub(lambda _: again, one_line(problem.hint))}"
        for _, _, problem in report.rejected
        if problem.hint
    )
    for cure in list(cures)[:CURES_SHOWN_MAX]:
        click.echo(wrap(cure, indent="  ", hang="    "))


def _what_is_safe(report: RunReport) -> str:
    if report.watermark is None:
        return "nothing is lost: the next run begins where this one began"
    return f"nothing is lost: the next run goes on from {report.watermark:%Y-%m-%d %H:%M:%SZ}"


def wrap(text: str, *, indent: str = "", hang: str = "", width: int | None = None) -> str:
    """Lines of the terminal's width; the second and further ones begin with `hang`, else with `indent`.
    A command stays on one line, however long: broken in two it could not be pasted; so does a number with
    its unit."""
    filled = textwrap.fill(
        _TOGETHER.sub(lambda found: found[0].replace(" ", "\0"), with_config(text)),
        width=width or terminal_width(),
        initial_indent=indent,
        subsequent_indent=hang or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\0", " ")


def wrap_err(text: str, *, indent: str = "", hang: str = "") -> str:
    """Like `wrap`, for stderr; where no terminal is (a journal, a file) a line stays one, for grep."""
    return _wrap_if_seen(text, sys.stderr, indent=indent, hang=hang)


def _wrap_if_seen(text: str, stream: TextIO, *, indent: str = "", hang: str = "") -> str:
    import os

    is_seen = stream.isatty() or "COLUMNS" in os.environ
    return wrap(text, indent=indent, hang=hang, width=None if is_seen else sys.maxsize)


def terminal_width() -> int:
    import shutil

    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))


def is_terminal() -> bool:
    return sys.stdout.isatty()


def _window(since: datetime | None, until: datetime | None) -> str:
    if since is None or until is None:
        return ""
    day = since.strftime("%Y-%m-%d ") if since.date() != until.date() else ""
    end_day = until.strftime("%Y-%m-%d ") if day else ""
    return f"{day}{since:%H:%M}–{end_day}{until:%H:%M}Z"


def render_duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def render_span(seconds: float) -> str:
    """A length of time in its largest sensible unit: 40 s, 5 min, 3 h, 2 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def render_bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
