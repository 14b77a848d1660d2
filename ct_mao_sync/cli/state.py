"""`ct-mao-sync state`: the care of the state file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ct_mao_sync.cli.options import global_options, global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.config import Config


@click.group(
    epilog="Examples: ct-mao-sync state check; ct-mao-sync state backup /backup/; "
    "ct-mao-sync state prune --dry-run"
)
@global_options
def state() -> None:
    """Look after the state file: copy it, check it, make it smaller.

    Runs keep it bounded by themselves. Losing it costs time and history, never correctness.
    """


@state.command(
    "backup",
    short_help="Write a whole copy, also during runs.",
    epilog="Examples: ct-mao-sync state backup /backup/",
)
@click.argument("named", metavar="TARGET", type=click.Path())
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@global_options
@click.pass_context
def backup(context: click.Context, named: str, force: bool) -> None:
    """Write a whole and consistent copy to TARGET (a file, or a folder: then with the time in its name), also
    while runs go on."""
    config = _open(context)
    from ct_mao_sync.engine.clock import SystemClock
    from ct_mao_sync.errors import SyncError
    from ct_mao_sync.state.store import Store

    target = Path(named).expanduser()
    if named.endswith("/") and not target.is_dir():
        raise click.UsageError(f"there is no folder {named}; make it: mkdir -p {shlex.quote(named)}")
    if target.is_dir():
        stamp = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
        target = target / f"{config.state_path.name}.{stamp}"
    target = target.absolute()
    if target == config.state_path:
        raise click.UsageError(f"{target} is the state file itself")
    if target.exists() and not force:
        raise click.UsageError(f"{target} exists already (--force overwrites)")
    # Beside it first: a copy that fails half-way must not cost the last good one.
    draft = target.with_name(f".{target.name}.part")
    try:
        draft.unlink(missing_ok=True)
        with Store.open_reading(config.state_path) as store:
            store.backup(draft)
        with Store.open_reading(draft) as copy:
            facts = copy.facts()
        draft.replace(target)
    except (SyncError, OSError) as error:
        draft.unlink(missing_ok=True)
        _fail(context, error, target)
    _result(
        context,
        {"written": str(target), "size_bytes": facts.size_bytes, "schema": facts.schema},
        f"wrote {target}  {_size(facts.size_bytes)}, checked",
    )


@state.command(
    "check",
    short_help="Tell whether it is sound, and its size.",
    epilog="Examples: ct-mao-sync state check; ct-mao-sync state check --json",
)
@global_options
@click.pass_context
def check(context: click.Context) -> None:
    """Read all of it and tell what is wrong, how large it is and what is in it. Changes nothing."""
    config = _open(context)
    import shutil

    from ct_mao_sync.cli.render import wrap
    from ct_mao_sync.errors import EXIT_STOPPED, SyncError
    from ct_mao_sync.state.database import damaged
    from ct_mao_sync.state.store import Store

    path = config.state_path
    try:
        with Store.open_reading(path) as store:
            faults = store.check()
            if faults:
                raise damaged(path, faults[0])
            facts = store.facts()
    except SyncError as error:
        _fail(context, error, path)
    mode = path.stat().st_mode & 0o777
    disk_free = shutil.disk_usage(path.parent).free
    document = {
        "path": str(path),
        "sound": True,
        "schema": facts.schema,
        "size_bytes": facts.size_bytes,
        "free_bytes": facts.free_bytes,
        "disk_free_bytes": disk_free,
        "mode": f"{mode:04o}",
        "rows": dict(facts.rows),
    }
    said = [
        f"sound, schema {facts.schema}, {_size(facts.size_bytes)}, of it free {_size(facts.free_bytes)}; "
        f"disk free {_size(disk_free)}"
    ]
    if mode & 0o077:
        said.append(f"warning: mode {mode:04o}, others can read it: chmod 600 {path}")
    lines = [f"{path}", *(wrap(each, indent="  ", hang="    ") for each in said)]
    width = max((len(name) for name in facts.rows), default=0)
    lines += [f"  {name:{width}}  {count:>9,}" for name, count in facts.rows.items()]
    _result(context, document, "\n".join(lines))
    context.exit(EXIT_STOPPED if mode & 0o077 else 0)


@state.command(
    "prune", short_help="Forget what is old.", epilog="Examples: ct-mao-sync state prune --dry-run"
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    metavar="N",
    default=400,
    show_default=True,
    help="Keep keys, lines in flight, finished returns, discarded dead letters, what was sent so long.",
)
@click.option(
    "--history-days",
    type=click.IntRange(min=1),
    metavar="N",
    default=30,
    show_default=True,
    help="Keep runs and events so long.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@global_options
@click.pass_context
def prune(context: click.Context, days: int, history_days: int, dry_run: bool) -> None:
    """Forget what is older, and give the space back to the disk. Each run does the first part by itself."""
    config = _open(context)
    from collections import Counter

    from ct_mao_sync.engine.clock import SystemClock
    from ct_mao_sync.errors import SyncError
    from ct_mao_sync.state.store import Store

    now = SystemClock().now()
    gone: Counter[str] = Counter()
    try:
        opened = Store.open_copy if dry_run else Store.open
        with opened(config.state_path) as store:
            before = store.facts().size_bytes
            while sum((step := store.prune(now, kept_days=days, history_days=history_days)).values()):
                gone.update(step)
            if sum(gone.values()):
                store.compact()
            after = store.facts().size_bytes
    except SyncError as error:
        _fail(context, error, config.state_path)
    told = ", ".join(f"{count:,} {table}" for table, count in gone.items() if count)
    word = "would go" if dry_run else "gone"
    _result(
        context,
        {"dry_run": dry_run, "gone": dict(gone), "size_before_bytes": before, "size_after_bytes": after},
        f"{word}: {told}  ({_size(before)} → {_size(after)})"
        if told
        else f"nothing is old enough to go  ({_size(before)})",
    )


def _open(context: click.Context) -> Config:
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error
    from ct_mao_sync.config import load_config
    from ct_mao_sync.errors import SyncError

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    try:
        return load_config(wanted.config, with_secrets=False)
    except SyncError as error:
        print_error(error)
        context.exit(error.exit_code)


def _fail(context: click.Context, error: Exception, path: Path) -> Any:
    from ct_mao_sync.cli.render import print_error, print_json
    from ct_mao_sync.errors import SyncError
    from ct_mao_sync.state.database import unwritable

    if not isinstance(error, SyncError):
        reason = getattr(error, "strerror", None) or str(error)
        error = unwritable(path, reason)
    print_error(error)
    if global_options_of(context).json:
        print_json({"sound": False, "problems": [error.problem.as_dict()], "exit_code": error.exit_code})
    context.exit(error.exit_code)


def _result(context: click.Context, document: dict[str, Any], text: str) -> None:
    from ct_mao_sync.cli.render import print_json

    if global_options_of(context).json:
        print_json(document)
    else:
        click.echo(text)


def _size(count: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
