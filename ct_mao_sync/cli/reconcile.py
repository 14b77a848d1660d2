"""`ct-mao-sync reconcile [JOB]`: do both sides agree, and if not, in what?"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.cli.options import MOMENT, global_options, global_options_of, limit_options, wait_option

if TYPE_CHECKING:
    from ct_mao_sync.cli.json_lines import JsonList
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.engine.compare import Finding
    from ct_mao_sync.engine.report import RunReport
    from ct_mao_sync.ops.reconcile import Reconciliation, Selection

DEFAULT_RANGE = "24h"
FIELDS_SHOWN_MAX = 12
ERRORS_SHOWN_MAX = 10
"""Of one code."""
CURES_KEPT_MAX = 20
CURES_SHOWN_MAX = 3
NAMES = {
    "=": "same",
    "-": "missing in the source",
    "+": "missing in the target",
    "*": "different",
    "!": "errors",
    "": "left alone",
}


@click.command(
    epilog="Examples: ct-mao-sync reconcile; ct-mao-sync reconcile orders --since 7d; "
    "ct-mao-sync reconcile inventory --sample 500; ct-mao-sync reconcile orders --order CT-1001 --fix. "
    "Exit codes: 0 both sides agree (or do now), 3 differences or errors are left, others as always."
)
@click.argument("job", type=click.Choice([*JOBS, "all"]), default="all", metavar="[JOB]")
@click.option(
    "--since",
    type=MOMENT,
    help=f"What changed at the source since then: a time, a date, or 2h.  [default: {DEFAULT_RANGE}]",
)
@click.option("--until", type=MOMENT, help="Only what changed before then.")
@click.option("--all", "everything", is_flag=True, help="Everything, however old.")
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="N records by chance, of everything or --since."
)
@click.option("--seed", type=int, metavar="N", help="Of the sample; the same seed takes the same records.")
@click.option(
    "--order", "orders", multiple=True, metavar="NUMBER", help="Only this order (number or id); repeatable."
)
@click.option("--sku", "skus", multiple=True, metavar="SKU", help="inventory: only this SKU; repeatable.")
@click.option("--fix", is_flag=True, help="Write the differences, as a run of the job would.")
@limit_options("With --fix: pass")
@wait_option("With --fix: wait for a run of the job")
@global_options
@click.pass_context
def reconcile(
    context: click.Context,
    job: str,
    since: datetime | None,
    until: datetime | None,
    everything: bool,
    sample: int | None,
    seed: int | None,
    orders: tuple[str, ...],
    skus: tuple[str, ...],
    fix: bool,
    allow_cancel: bool,
    allow_drop: bool,
    wait_s: float,
) -> None:
    """Compare both sides, record by record, through the same plan that a run uses.

    JOB is orders, status, returns or inventory; without it, all that are switched on.

    \b
    =  the same (shown with -v)      -  missing in the source
    *  different, field by field     +  missing in the target
    !  cannot be compared: an error, with its cure

    Missing in the source is looked for by --all: exported orders that the shop has no more, and entries that
    show stock of an item that MAO does not list. No write can cure those; status and returns have none.

    Nothing is written without --fix, no watermark moves, and nothing is skipped because it was applied
    before. --fix reads what differs again and writes it under the job's lock and limits; nothing is ever
    deleted. An order named by --order whose last export is not known (base-unknown) is overwritten with what
    the shop has.
    """
    _check_usage(job, since, until, everything, sample, seed, orders, skus)
    from ct_mao_sync.cli.job_builders import configured_jobs
    from ct_mao_sync.cli.json_lines import JsonList
    from ct_mao_sync.cli.opened import opened
    from ct_mao_sync.cli.wiring import stop_on_signals
    from ct_mao_sync.errors import worst_exit_code
    from ct_mao_sync.ops.reconcile import Selection

    wanted = global_options_of(context)
    with opened(context) as application, JsonList(wanted.json, "findings") as document:
        names = configured_jobs(application.config) if job == "all" else [job]
        if orders:
            names = [name for name in names if name != "inventory"]
        if since is None and not (everything or sample or orders or skus):
            since = MOMENT.convert(DEFAULT_RANGE, None, context)
        selection = Selection(
            since=since,
            until=until,
            everything=everything or (sample is not None and since is None),
            sample=sample,
            seed=application.rng.randrange(1_000_000) if seed is None else seed,
            given=tuple(dict.fromkeys(orders or skus)),
        )
        allowed = {"cancel": allow_cancel, "drop": allow_drop, "base": fix and bool(orders)}
        allow = frozenset(name for name, is_allowed in allowed.items() if is_allowed)
        codes = []
        with stop_on_signals(application) as stopped:
            for name in names:
                if not stopped():
                    one = _One(application, name, selection, allow, fix, wait_s, document)
                    codes.append(one.run(wanted.verbose))
            codes.append(stopped())
        document.add_members(exit_code=worst_exit_code(codes))
    context.exit(worst_exit_code(codes))


def _check_usage(
    job: str,
    since: datetime | None,
    until: datetime | None,
    everything: bool,
    sample: int | None,
    seed: int | None,
    orders: tuple[str, ...],
    skus: tuple[str, ...],
) -> None:
    if since and until and since >= until:
        raise click.UsageError("--since must be before --until")
    if (orders or skus) and (since or until or everything or sample):
        raise click.UsageError("--order and --sku name the records themselves; leave the range out")
    if everything and (since or until):
        raise click.UsageError("--all is everything; leave --since and --until out")
    if orders and (skus or job == "inventory"):
        raise click.UsageError("--order belongs to jobs of orders; inventory takes --sku")
    if skus and job != "inventory":
        raise click.UsageError("--sku belongs to: reconcile inventory")
    if seed is not None and sample is None:
        raise click.UsageError("--seed belongs to --sample")


class _One:
    """One job: compare, show, fix."""

    def __init__(
        self,
        application: Application,
        name: str,
        selection: Selection,
        allow: frozenset[str],
        fix: bool,
        wait_s: float,
        document: JsonList,
    ) -> None:
        self._application = application
        self._name = name
        self._selection = selection
        self._allow = allow
        self._fix = fix
        self._wait_s = wait_s
        self._document = document
        self._verbose = 0
        self._cures: dict[str, list[tuple[str, str]]] = {}
        """Code -> (entity, hint) of the first few."""
        self._errors: Counter[str] = Counter()
        """By code."""

    def run(self, verbose: int) -> int:
        """The exit code."""
        from ct_mao_sync.cli.progress import telling
        from ct_mao_sync.cli.render import print_error
        from ct_mao_sync.errors import EXIT_OK, EXIT_REJECTED, SyncError, worst_exit_code
        from ct_mao_sync.ops.reconcile import Reconciliation

        self._verbose = verbose
        clock = self._application.clock
        began_s = clock.monotonic()
        codes: list[int] = []
        with self._application.looking() as reading:
            found = Reconciliation(
                reading, self._name, self._selection, self._allow, self._application.stopping
            )
            try:
                with telling(self._name, self._selection.sample) as tell:
                    for finding in found.findings():
                        tell.clear()
                        self._show(finding, verbose)
                        tell(found.compared, f"different {found.compared - found.agreed}")
            except SyncError as error:
                print_error(error)
                codes.append(error.exit_code)
            requests = reading.requests_sent()
        summary = self._summary(found, clock.monotonic() - began_s)
        report = None
        if self._fix and found.to_fix and not codes and not self._application.stopping():
            report = self._apply(found, codes)
        left = not found.agrees if report is None else self._is_left(found, report)
        codes.append(EXIT_REJECTED if left else EXIT_OK)
        if report is not None:
            codes.append(report.exit_code)
        if self._document.is_wanted:
            self._document.add_members(
                **{
                    self._name: {
                        **{name.replace(" ", "_"): found.counts[symbol] for symbol, name in NAMES.items()},
                        "left_alone_because": dict(found.left_alone),
                        "sampled_of": found.population if self._selection.sample else None,
                        "seed": self._selection.seed if self._selection.sample else None,
                        "requests": requests,
                        "fix": report.as_dict() if report else None,
                    }
                }
            )
        elif report is None:
            self._print_end(found, summary)
        return worst_exit_code(codes)

    def _is_left(self, found: Reconciliation, report: RunReport) -> bool:
        """Whether something differs still: what cannot be fixed by a write, or was not written."""
        not_fixable = sum(found.counts[symbol] for symbol in "-+*!") - len(found.to_fix)
        done = report.counts["written"] + report.counts["unchanged"] + report.counts["skipped"]
        return bool(not_fixable) or done < len(found.to_fix)

    def _apply(self, found: Reconciliation, codes: list[int]) -> RunReport | None:
        from ct_mao_sync.cli.progress import progress_of
        from ct_mao_sync.cli.render import print_error, print_report
        from ct_mao_sync.engine.run import RunOptions
        from ct_mao_sync.errors import SyncError

        if not self._document.is_wanted:
            self._print_end(found, self._summary(found, None), hint=False)
        try:
            with progress_of(self._name, len(found.to_fix)) as progress:
                report = self._application.run(
                    self._name,
                    RunOptions(dead_letters=tuple(found.to_fix), allow=self._allow),
                    wait_s=self._wait_s,
                    progress=progress,
                )
        except SyncError as error:
            print_error(error)
            codes.append(error.exit_code)
            return None
        if not self._document.is_wanted:
            print_report(report)
        return report

    # ---- text --------------------------------------------------------------------------------------

    def _show(self, finding: Finding, verbose: int) -> None:
        from ct_mao_sync.cli.render import render_finding

        if finding.is_agreed and not verbose:
            return
        if self._document.is_wanted:
            self._document.add(self._as_dict(finding))
            return
        if finding.problem is not None:
            code = finding.problem.code
            self._errors[code] += 1
            cures = self._cures.setdefault(code, [])
            if finding.problem.hint and len(cures) < CURES_KEPT_MAX:
                cures.append((finding.entity, finding.problem.hint))
            if self._errors[code] > ERRORS_SHOWN_MAX and not verbose:
                return
        click.echo(render_finding(finding, fields_max=None if verbose else FIELDS_SHOWN_MAX))

    def _as_dict(self, finding: Finding) -> dict[str, Any]:
        from dataclasses import asdict

        return {
            "job": self._name,
            "symbol": finding.symbol,
            "meaning": NAMES[finding.symbol],
            "label": finding.label,
            "entity": finding.entity,
            "reason": finding.reason,
            "writes": list(finding.writes),
            "differences": [asdict(each) for each in finding.differences],
            "problem": finding.problem.as_dict() if finding.problem else None,
        }

    def _summary(self, found: Reconciliation, elapsed_s: float | None) -> str:
        """The numbers add up."""
        from ct_mao_sync.cli.render import render_duration

        counts = " + ".join(f"{name} {found.counts[symbol]}" for symbol, name in NAMES.items())
        time = f"  {render_duration(elapsed_s)}" if elapsed_s is not None else ""
        return f"{self._name}  compared {found.compared} = {counts}{time}"

    def _print_end(self, found: Reconciliation, summary: str, *, hint: bool = True) -> None:
        from ct_mao_sync.cli.render import render_cure, wrap

        if self._selection.sample is not None:
            _say(
                f"a sample of {found.compared} of {found.population} records; "
                f"the same one again: --sample {self._selection.sample} --seed {self._selection.seed}",
                indent="  ",
            )
        for code, count in self._errors.items():
            if count > ERRORS_SHOWN_MAX and not self._verbose:
                more = count - ERRORS_SHOWN_MAX
                click.echo(wrap(f"and {more} more of {code} (-v shows them)", indent="  ", hang="    "))
        for code, cures in self._cures.items():
            # One cure for all of a kind: --entity of one would cure only that one.
            told = [render_cure(hint, entity, code, of_many=len(cures) > 1) for entity, hint in cures]
            for cure in list(dict.fromkeys(told))[:CURES_SHOWN_MAX]:
                _say(f"cure of {code}: {cure}", indent="  ", hang="    ")
        for reason, count in found.left_alone.most_common(5):
            _say(f"left alone {count}: {reason}", indent="  ", hang="    ")
        _say(summary, hang="    ")
        if hint and found.to_fix:
            _say(f"to write {len(found.to_fix)} of them: {self._command()} --fix", indent="  ", hang="    ")

    def _command(self) -> str:
        """This comparison once more, for this job."""
        import shlex

        selection = self._selection
        words = ["ct-mao-sync", "reconcile", self._name]
        option = "--sku" if self._name == "inventory" else "--order"
        for label in selection.given:
            words += [option, label]
        if selection.everything and selection.sample is None:
            words.append("--all")
        for name, moment in (("--since", selection.since), ("--until", selection.until)):
            if moment is not None:
                words += [name, f"{moment:%Y-%m-%dT%H:%M:%SZ}"]
        if selection.sample is not None:
            words += ["--sample", str(selection.sample), "--seed", str(selection.seed)]
        return shlex.join(words)


def _say(text: str, *, indent: str = "", hang: str = "") -> None:
    from ct_mao_sync.cli.render import one_line, wrap

    click.echo(wrap(one_line(text), indent=indent, hang=hang))
