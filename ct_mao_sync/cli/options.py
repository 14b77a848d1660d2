"""Options that are accepted before or after the command, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_CONFIG = "config.toml"


@dataclass(slots=True)
class GlobalOptions:
    config: Path = Path(DEFAULT_CONFIG)
    log_format: str = "human"
    verbose: int = 0
    json: bool = False


def global_options_of(context: click.Context) -> GlobalOptions:
    root = context.find_root()
    if not isinstance(root.obj, GlobalOptions):
        root.obj = GlobalOptions()
    return root.obj


def with_config(text: str) -> str:
    """The commands in a text as they can be pasted here: with the --config that this one was given, unless
    they would find the same file without it."""
    import os
    import re
    import shlex

    from ct_mao_sync.cli.main import COMMANDS

    context = click.get_current_context(silent=True)
    if context is None or "ct-mao-sync " not in text:
        return text
    config = global_options_of(context).config
    found_without = Path(os.environ.get("CT_MAO_SYNC_CONFIG") or DEFAULT_CONFIG)
    if config.absolute() == found_without.absolute():
        return text
    command = re.compile(rf"(?<![\w./-])ct-mao-sync (?=(?:{'|'.join(COMMANDS)})\b)")
    return command.sub(lambda found: f"{found[0]}--config {shlex.quote(str(config))} ", text)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value != 0 and value is not False:
        setattr(global_options_of(context), str(parameter.name), value)


def global_options(command: F) -> F:
    """Adds them to a command; the value given last wins."""
    for option in reversed(
        (
            click.option(
                "--config",
                type=click.Path(path_type=Path, dir_okay=False),
                envvar="CT_MAO_SYNC_CONFIG",
                expose_value=False,
                callback=_keep,
                help=f"Configuration file.  [default: {DEFAULT_CONFIG}; env: CT_MAO_SYNC_CONFIG]",
            ),
            click.option(
                "--log-format",
                type=click.Choice(["human", "json"]),
                expose_value=False,
                callback=_keep,
                help="Log lines on stderr.  [default: human]",
            ),
            click.option(
                "-v",
                "--verbose",
                count=True,
                expose_value=False,
                callback=_keep,
                help="Tell more; -vv also tells each request.",
            ),
            click.option(
                "--json",
                is_flag=True,
                default=None,
                expose_value=False,
                callback=_keep,
                help="Results on stdout as one JSON document.",
            ),
        )
    ):
        command = option(command)
    return command


def wait_option(begins: str) -> Callable[[F], F]:
    """`--wait`, given as `wait_s`; `begins` is how its help begins."""
    return click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="SECONDS",
        help=f"{begins} that is alive, instead of leaving with exit code 6.",
    )


def limit_options(begins: str) -> Callable[[F], F]:
    """`--allow-cancel` and `--allow-drop`; `begins` is how their help begins."""
    cancel = click.option("--allow-cancel", is_flag=True, help=f"{begins} orders.max_cancel.")
    drop = click.option("--allow-drop", is_flag=True, help=f"{begins} inventory.max_drop_percent.")
    return lambda command: cancel(drop(command))


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # cannot be subscripted in older versions


class Moment(_ParamType):
    """A point in time with a zone, e.g. 2026-11-27T21:00:00Z, or a date (midnight UTC), or "2h" ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        import re
        from datetime import UTC, datetime, timedelta

        from ct_mao_sync.engine.clock import SystemClock

        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        ago = re.fullmatch(r"(\d+)([smhd])", text)
        if ago:
            unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[ago[2]]
            return SystemClock().now() - timedelta(**{unit: int(ago[1])})
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is not a time; write 2026-11-27T21:00:00Z, 2026-11-27, or 2h for two hours ago",
                param,
                ctx,
            )
        if moment.tzinfo is None:
            if len(text) > 10:
                self.fail(f"{text!r} has no time zone; add Z for UTC or an offset such as +01:00", param, ctx)
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)


MOMENT = Moment()
