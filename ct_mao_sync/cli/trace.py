"""`ct-mao-sync trace ORDER`: the whole life of one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.engine.compare import Finding
    from ct_mao_sync.ops.trace import Trace

FIELDS_SHOWN_MAX = 8
RETRY_S = 3.0


@click.command(
    epilog="Examples: ct-mao-sync trace CT-1001; ct-mao-sync trace 1Z999AA10123456784; "
    "ct-mao-sync trace CT-1001 --json. Exit codes: 0 told, 3 nothing is known of it, 4 or 5 when a system "
    "could not be read (what is known is told all the same)."
)
@click.argument("order")
@global_options
@click.pass_context
def trace(context: click.Context, order: str) -> None:
    """Tell the life of one order: both systems, all jobs, on one line of time.

    ORDER is an order number, a commercetools id, a MAO OrderId, a tracking number or a return's id. What was
    written or refused is told with its run and correlation id, for the other system's support; and what each
    job would do now, or why it would do nothing, planned this moment. Nothing is written.
    """
    from ct_mao_sync.cli.job_builders import configured_jobs
    from ct_mao_sync.cli.opened import opened
    from ct_mao_sync.errors import EXIT_REJECTED, EXIT_RETRIABLE
    from ct_mao_sync.ops.trace import trace_order

    with opened(context) as application, application.looking(retry_s=RETRY_S) as reading:
        # Inventory is planned by SKU, not by order; what of the order is in flight is told from the state.
        jobs = [name for name in configured_jobs(application.config) if name != "inventory"]
        found = trace_order(reading, order, jobs)
    if global_options_of(context).json:
        _print_json(found)
    else:
        _print_text(found)
    if found.gaps:
        context.exit(EXIT_RETRIABLE)
    context.exit(0 if found.is_found else EXIT_REJECTED)


def _print_json(found: Trace) -> None:

    from ct_mao_sync.cli.dead_letters import as_dict
    from ct_mao_sync.cli.render import print_json

    print_json(
        {
            "asked": found.asked,
            "found": found.is_found,
            "order_id": found.order_id,
            "order_number": found.order_number,
            "mao_order_id": found.mao_order_id,
            "return_ids": found.return_ids,
            "timeline": [as_dict(moment) for moment in found.timeline],
            "dead_letters": [as_dict(letter) for letter in found.dead_letters],
            "present": [{"job": job, **_finding(finding)} for job, finding in found.present],
            "in_flight": [as_dict(line) for line in found.in_flight],
            "gaps": [gap.as_dict() for gap in found.gaps],
        }
    )


def _finding(finding: Finding) -> dict[str, Any]:
    from dataclasses import asdict

    problem = finding.problem.as_dict() if finding.problem else None
    return {**asdict(finding), "problem": problem}


def _print_text(found: Trace) -> None:
    from ct_mao_sync.cli.render import one_line, render_cure, render_finding, render_problem, wrap

    if not found.is_found and not found.gaps:
        click.echo(
            wrap(f"nothing is known of {one_line(found.asked)}: not in commercetools, MAO or the state")
        )
        return
    names = [
        f"{word} {one_line(name)}"
        for word, name in (
            ("order", found.order_number),
            ("commercetools", found.order_id),
            ("MAO", found.mao_order_id),
            ("returns", ", ".join(found.return_ids)),
        )
        if name
    ]
    click.echo(wrap("  ".join(names) or one_line(found.asked), hang="  "))
    day = ""
    for moment in found.timeline:
        at = moment.at
        if at is not None and f"{at:%Y-%m-%d}" != day:
            day = f"{at:%Y-%m-%d}"
            click.echo(f"{day}")
        time = f"{at:%H:%M:%SZ}" if at else "         "
        asked = f"  [{moment.correlation_id or moment.run}]" if moment.correlation_id or moment.run else ""
        text = f"{time}  {moment.where:<13}  {one_line(moment.text)}{asked}"
        click.echo(wrap(text, indent="  ", hang=" " * 13))
    for letter in found.dead_letters:
        state = "discarded" if letter.state == "discarded" else "waiting"
        text = f"{state} as dead letter {letter.id} ({letter.job}): {letter.code}: {one_line(letter.message)}"
        click.echo(wrap(text, hang="    "))
        if letter.hint:
            cure = render_cure(letter.hint, letter.entity, letter.code, number=letter.id)
            click.echo(wrap(f"cure: {cure}", indent="    "))
    for line in found.in_flight:
        if line.uncounted:
            units = f"{line.uncounted} x {one_line(line.sku)}"
            text = f"in flight: {units}, which MAO's availability does not know yet"
            click.echo(wrap(text, hang="    "))
    if found.present:
        click.echo("now:")
    for job, finding in found.present:
        if finding.symbol == "=":
            click.echo(f"  {job}: nothing to do, both sides agree")
        elif finding.symbol == "":
            click.echo(wrap(f"{job}: nothing to do: {one_line(finding.reason)}", indent="  ", hang="      "))
        else:
            click.echo(f"  {job}:")
            click.echo(render_finding(finding, indent="    ", fields_max=FIELDS_SHOWN_MAX))
            waits = {letter.code for letter in found.dead_letters if letter.job == job}
            if finding.problem and finding.problem.hint and finding.problem.code not in waits:
                cure = render_cure(finding.problem.hint, finding.entity, finding.problem.code)
                click.echo(wrap(f"cure: {cure}", indent="        "))
    for gap in found.gaps:
        click.echo(render_problem(gap), err=True)
    if found.gaps:
        click.echo("  what is told above is without it, and without what the jobs would do now", err=True)
