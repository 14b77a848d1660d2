"""`ct-mao-sync run`: the jobs in their rhythms, until a signal comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from datetime import datetime

    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.engine.report import RunReport
    from ct_mao_sync.ops.facts import JobFacts
    from ct_mao_sync.ops.loop import Turn

STOP_WITHIN_S = 33.0
"""Records in hand have this long; what is not done then is done by the next run. systemd's own limit is 90 s,
Kubernetes' 30 s: there terminationGracePeriodSeconds = 40 gives all of it."""


@click.command(
    epilog="Examples: ct-mao-sync run; ct-mao-sync run --log-format json. "
    "It stops on SIGTERM or Ctrl-C within 35 s, with all state kept; a second signal stops it at once."
)
@global_options
@click.pass_context
def run(context: click.Context) -> None:
    """Run the jobs in the rhythms of [schedule], side by side, until stopped.

    One line per run on stdout. A job that fails is tried again at growing intervals (circuit open) and never
    stops the others. Instead of this, timers can run `sync`: see init --systemd. A second `run` on the same
    state file ends at once (exit code 6); all other commands work beside it.
    """
    from ct_mao_sync.cli.job_builders import configured_jobs
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error
    from ct_mao_sync.cli.wiring import open_application
    from ct_mao_sync.engine.lock import loop_lock
    from ct_mao_sync.errors import SyncError

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    try:
        application = open_application(wanted.config)
        jobs = configured_jobs(application.config)
    except SyncError as error:
        print_error(error)
        context.exit(error.exit_code)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose, secrets=application.config.secrets())
    try:
        with loop_lock(application.config.state_path, application.clock):
            code = _run(application, jobs, as_json=wanted.json or wanted.log_format == "json")
    except SyncError as error:
        print_error(error)
        code = error.exit_code
    context.exit(code)


def _run(application: Application, jobs: list[str], *, as_json: bool) -> int:
    """Returns 130 or 143."""
    import logging
    import os

    from ct_mao_sync.cli.render import render_span
    from ct_mao_sync.cli.wiring import stop_on_signals
    from ct_mao_sync.engine.run import RunOptions
    from ct_mao_sync.ops.health import HEARTBEAT_S
    from ct_mao_sync.ops.loop import BackgroundTimer, Loop

    log = logging.getLogger("ct_mao_sync.loop")
    clock, config = application.clock, application.config
    health = _Health(application, jobs)
    loop = Loop(
        {job: every.total_seconds() for job in jobs if (every := config.schedule.every(job))},
        lambda job: application.run(job, RunOptions()),
        BackgroundTimer(len(jobs), clock),
        clock,
        rng=application.rng,
        facts=_read_facts(application, jobs),
        on_change=lambda: health.write("running", loop.turns),
        on_run=lambda turn, report: _tell(turn, report, as_json=as_json),
    )
    late: list[str] = []
    with stop_on_signals(application) as stopped:
        try:
            told = ", ".join(f"{turn.job} every {render_span(turn.every_s)}" for turn in loop.turns)
            log.warning("running: %s; Ctrl-C or SIGTERM stops it", told)
            loop.start()
            while not stopped():
                clock.sleep(HEARTBEAT_S)
                if not stopped():
                    loop.beat()
            log.warning("stopping: the records in hand are finished first")
            health.write("stopping", loop.turns)
            late = loop.stop(STOP_WITHIN_S)
        except KeyboardInterrupt:
            late = ["a second signal came"]
        code = stopped()
    health.write("stopped", loop.turns)
    if late:
        # Threads that wait for an answer cannot be ended otherwise; any moment is a good one to die at.
        log.warning(
            "stopped without waiting any longer: %s; the next run goes on from there", ", ".join(late)
        )
        os._exit(code)
    return code


def _read_facts(application: Application, jobs: list[str]) -> list[JobFacts]:
    """None where the state cannot be read: the runs tell what is wrong with it."""
    from ct_mao_sync.errors import SyncError
    from ct_mao_sync.ops.facts import read_facts

    try:
        with application.open_store() as store:
            return read_facts(store, jobs, application.clock.now())
    except SyncError:
        return []


class _Health:
    """The health file, if there is to be one. A write that fails is told once, until it succeeds again."""

    def __init__(self, application: Application, jobs: list[str]) -> None:
        import threading

        self._application = application
        self._jobs = jobs
        name = application.config.schedule.health_file
        self._path = application.config.resolve(name) if name else None
        self._started_at = application.clock.now()
        self._failed = False
        self._is_over = False
        self._lock = threading.Lock()

    def write(self, state: str, turns: list[Turn]) -> None:
        import logging
        import os

        from ct_mao_sync.ops.health import render_health, write_health

        if self._path is None:
            return
        clock = self._application.clock
        if clock.stopping and state == "running":
            state = "stopping"
        with self._lock:
            if self._is_over:
                return  # a job that has just ended is late to tell
            self._is_over = state == "stopped"
            facts = {each.job: each for each in _read_facts(self._application, self._jobs)}
            document = render_health(
                turns, facts, state=state, pid=os.getpid(), started_at=self._started_at, now=clock.now()
            )
            try:
                write_health(self._path, document)
                self._failed = False
            except OSError as error:
                if not self._failed:
                    text = "the health file %s cannot be written: %s"
                    logging.getLogger("ct_mao_sync.loop").warning(text, self._path, error.strerror or error)
                self._failed = True


def _tell(turn: Turn, report: RunReport | None, *, as_json: bool) -> None:
    """One line; a line that failed also says why, on stderr."""
    import json
    import logging

    from ct_mao_sync.cli.render import one_line, render_report

    finished = f"{turn.finished_at:%Y-%m-%d %H:%M:%SZ}"
    if as_json:
        click.echo(json.dumps(_document(turn, report), ensure_ascii=False, default=str))
    elif report is not None:
        click.echo(f"{finished}  {render_report(report)}  exit {turn.exit_code}{_next(turn)}")
    else:
        click.echo(f"{finished}  {turn.job}  no run: exit {turn.exit_code}{_next(turn)}")
    if turn.problem is not None:
        hint = f"; {turn.problem.hint}" if turn.problem.hint else ""
        logging.getLogger("ct_mao_sync.loop").warning(
            "%s: %s%s",
            turn.problem.code,
            one_line(turn.problem.message),
            one_line(hint),
            extra={"job": turn.job, "run": turn.run, "code": turn.problem.code},
        )


def _next(turn: Turn) -> str:
    return f", next {turn.next_at:%H:%M:%SZ}" if turn.next_at else ""


def _document(turn: Turn, report: RunReport | None) -> dict[str, Any]:
    document: dict[str, Any] = {"at": _iso(turn.finished_at), "job": turn.job, "exit_code": turn.exit_code}
    if report is not None:
        whole = report.as_dict()
        document |= {name: value for name, value in whole.items() if name not in ("rejections", "plans")}
    elif turn.problem is not None:
        document["problem"] = turn.problem.as_dict()
    return document | {"circuit": turn.circuit, "failures": turn.failures, "next_run_at": _iso(turn.next_at)}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
