"""`ct-mao-sync init`: a first configuration, and the units that run it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import MOMENT, global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.config import Config
    from ct_mao_sync.ops.initialise import Answers


@click.command(
    epilog="Examples: ct-mao-sync init; "
    "ct-mao-sync init --non-interactive --project-key my-shop --region europe-west1.gcp "
    "--mao-url https://acme.omni.example --mao-auth-url https://acme-auth.omni.example; "
    "ct-mao-sync --config /etc/ct-mao-sync/config.toml init --systemd /etc/systemd/system; "
    'ct-mao-sync init --set schedule.returns="" --set mapping.locations.DC-ATL=dc-atlanta'
)
@click.option("--project-key", envvar="CTP_PROJECT_KEY", help="commercetools: key of the project.")
@click.option("--region", help="commercetools: region, as europe-west1.gcp; taken from CTP_API_URL if set.")
@click.option("--mao-url", envvar="MAO_API_URL", help="MAO: address of the tenant.")
@click.option("--mao-auth-url", envvar="MAO_AUTH_URL", help="MAO: address of its token service.")
@click.option("--organization", envvar="MAO_ORGANIZATION", help='MAO: organization; "" = the user\'s own.')
@click.option("--start-at", type=MOMENT, help="Cut-over: older orders are never exported.  [default: now]")
@click.option("--location-view", help='MAO: view of the stock by location; "" = no inventory yet.')
@click.option(
    "--secrets",
    type=click.Choice(["env", "files", "systemd"]),
    help="Where secrets come from: the environment, files beside the configuration, or systemd's credentials."
    "  [default: env; systemd with --systemd]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any further key, by its dotted name; repeatable.",
)
@click.option("--non-interactive", is_flag=True, help="Ask nothing: options, environment and defaults only.")
@click.option(
    "--systemd",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a service and one timer per job into DIR, for the configuration there is, else the new one.",
)
@click.option(
    "--cron", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a crontab."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@global_options
@click.pass_context
def init(
    context: click.Context, /, systemd: Path | None, cron: Path | None, force: bool, **given: Any
) -> None:
    """Write a commented config.toml by asking a few questions, and the units that run it.

    Every key of the file has a comment; what is not asked has its default. Secrets are never asked for: the
    file names where they are. Nothing that exists is overwritten without --force.
    """
    from ct_mao_sync.cli.render import print_error
    from ct_mao_sync.errors import SyncError

    path = global_options_of(context).config.expanduser().absolute()
    try:
        written = _init(path, systemd, cron, force=force, given=given)
    except SyncError as error:
        print_error(error)
        context.exit(error.exit_code)
    if global_options_of(context).json:
        from ct_mao_sync.cli.render import print_json

        print_json({"written": [str(each) for each in written]})


def _init(
    path: Path, systemd: Path | None, cron: Path | None, *, force: bool, given: dict[str, Any]
) -> list[Path]:
    from ct_mao_sync.cli.job_builders import configured_jobs
    from ct_mao_sync.config import load_config
    from ct_mao_sync.ops.initialise import find_installation
    from ct_mao_sync.ops.units import render_cron, render_systemd

    files: dict[Path, str] = {}
    text = None
    if force or not (path.exists() and (systemd or cron)):
        _refuse_existing([path], force)
        text = files[path] = _new_config(path, given, for_systemd=systemd is not None)
    config = load_config(path, {}, text=text, with_secrets=False)
    installation = find_installation(config, _command(), configured_jobs(config))
    if systemd is not None:
        units = render_systemd(installation)
        files |= {systemd.expanduser().absolute() / name: unit for name, unit in units.items()}
    if cron is not None:
        files[cron.expanduser().absolute()] = render_cron(installation)
    _refuse_existing(list(files), force)
    for file, content in files.items():
        _write(file, content)
    if text is not None or systemd or cron:
        _tell(list(files), config, path if text is not None else None, systemd, cron)
    return list(files)


def _new_config(path: Path, given: dict[str, Any], *, for_systemd: bool) -> str:
    """Its text, checked. Raises ConfigError with every mistake."""
    from ct_mao_sync.config import load_config
    from ct_mao_sync.ops.initialise import check_no_secret_in_clear, values_of
    from ct_mao_sync.ops.template import fill_in, parse_assignment, read_template

    extra = dict(parse_assignment(each) for each in given["assignments"])
    check_no_secret_in_clear(extra)
    answers = _ask(given, extra, for_systemd=for_systemd)
    text = fill_in(read_template(), {**values_of(answers), **extra})
    load_config(path, {}, text=text, with_secrets=False)
    return text


def _ask(given: dict[str, Any], extra: dict[str, Any], *, for_systemd: bool) -> Answers:
    """What was not given is asked for; without a person to ask, what has no default is an error."""
    import os

    from ct_mao_sync.engine.clock import SystemClock
    from ct_mao_sync.ops.initialise import Answers, region_of

    interactive = not given["non_interactive"]
    missing: list[str] = []

    def answer(option: str, question: str, default: str | None, key: str) -> str:
        if given[option] is not None:
            return str(given[option])
        if key in extra:
            return str(extra[key])
        if interactive:

            def checked(typed: str) -> str:
                _check_answer(key, typed)
                return typed

            try:
                return str(
                    click.prompt(
                        question, default=default, err=True, show_default=bool(default), value_proc=checked
                    )
                )
            except click.Abort as abort:
                if isinstance(abort.__context__, KeyboardInterrupt):
                    raise
                raise click.UsageError(
                    "no answer came; give the options and --non-interactive (see init --help)"
                ) from None
        if default is None:
            missing.append(f"--{option.replace('_', '-')}")
        return default or ""

    addresses_given = "commercetools.api_url" in extra and "commercetools.auth_url" in extra
    region = "" if addresses_given else region_of(os.environ.get("CTP_API_URL", "")) or None
    now = SystemClock().now().replace(microsecond=0)
    answers = Answers(
        project_key=answer("project_key", "commercetools project key", None, "commercetools.project_key"),
        region=answer("region", "commercetools region, as europe-west1.gcp", region, "commercetools.region"),
        mao_url=answer("mao_url", "Address of MAO", None, "manhattan.api_url"),
        mao_auth_url=answer("mao_auth_url", "Address of MAO's token service", None, "manhattan.auth_url"),
        organization=answer(
            "organization", "MAO organization (empty: the user's own)", "", "manhattan.organization"
        ),
        start_at=_start(given, answer, now),
        location_view=answer(
            "location_view",
            "MAO view of the stock by location (empty: none yet)",
            "",
            "inventory.location_view",
        ),
        secrets=given["secrets"] or ("systemd" if for_systemd else "env"),
    )
    if missing:
        raise click.UsageError(f"--non-interactive needs {', '.join(missing)} (or its environment variable)")
    return answers


def _check_answer(key: str, typed: str) -> None:
    """Raises UsageError, upon which the question is asked again, for what a configuration would not take."""
    from ct_mao_sync.config import load_config
    from ct_mao_sync.errors import ConfigError
    from ct_mao_sync.ops.template import fill_in, read_template

    if key == "orders.start_at":
        MOMENT.convert(typed, None, None)
        return
    try:
        load_config(Path("config.toml"), {}, text=fill_in(read_template(), {key: typed}), with_secrets=False)
    except ConfigError as error:
        for problem in error.problems:
            if problem.field == key:
                raise click.UsageError(problem.message.removeprefix("config.toml: ")) from None


def _start(given: dict[str, Any], answer: Any, now: Any) -> Any:
    if given["start_at"] is not None:
        return given["start_at"]
    text = answer(
        "start_at",
        "Export orders created since",
        now.isoformat().replace("+00:00", "Z"),
        "orders.start_at",
    )
    return MOMENT.convert(text, None, None)


def _refuse_existing(files: list[Path], force: bool) -> None:
    there = [file for file in files if file.exists() or file.is_symlink()]
    if there and not force:
        names = ", ".join(str(file) for file in there)
        raise click.UsageError(f"{names} exists already; nothing was written (--force overwrites)")


def _write(file: Path, content: str) -> None:
    from ct_mao_sync.ops.files import replace_file

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, content, mode=0o644)  # no secret is in it
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror or error}") from None


def _command() -> list[str]:
    """How this program was started, so that a unit starts the same one."""
    import shutil
    import sys

    beside = Path(sys.executable).with_name("ct-mao-sync")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("ct-mao-sync")
    return [found] if found else [sys.executable, "-m", "ct_mao_sync"]


def _tell(
    files: list[Path], config: Config, new_config: Path | None, systemd: Path | None, cron: Path | None
) -> None:
    """What is there now, and what to type next; on stderr, like the questions."""
    import shlex

    from ct_mao_sync.cli.render import wrap_err

    def say(text: str) -> None:
        click.echo(wrap_err(text, indent="  ", hang="    "), err=True)

    def show(command: str) -> None:
        """To be pasted, so it stays one line."""
        click.echo(f"  {command}", err=True)

    for file in files:
        click.echo(f"wrote {file}", err=True)
    here = (
        f"--config {shlex.quote(str(config.path))} " if config.path != Path("config.toml").absolute() else ""
    )
    click.echo("next:", err=True)
    names = sorted({origin[4:] for origin in config.references.values() if origin.startswith("env:")})
    secret_files = sorted({origin for origin in config.references.values() if origin.startswith("file:")})
    if names and (new_config or systemd or cron):
        for name in names:
            show(f"export {name}=…")
        if systemd or cron:
            say(f"or rather, for the units: those lines, without export, in {config.base_dir}/environment")
    if secret_files:
        folder = config.base_dir / "credentials"
        shown = ", ".join(Path(origin[5:]).name for origin in secret_files)
        say(f"put each secret alone into a file of {folder} (mode 0600): {shown}")
        if any("${" in origin for origin in secret_files):
            say("for commands typed by hand:")
            show(f"export CREDENTIALS_DIRECTORY={shlex.quote(str(folder))}")
    if new_config is not None:
        say(f"look through {new_config}, above all [mapping.shipping_methods] and [orders]")
        show(f"ct-mao-sync {here}doctor")
        show(f"ct-mao-sync {here}sync orders --dry-run")
    if systemd is not None:
        timers = " ".join(file.name for file in files if file.suffix == ".timer")
        show("useradd --system --home-dir /var/lib/ct-mao-sync ct-mao-sync")
        show(f"systemctl daemon-reload && systemctl enable --now {timers}")
        say("or, instead of the timers: systemctl enable --now ct-mao-sync.service")
    if cron is not None:
        show(f"crontab {shlex.quote(str(cron))}")
