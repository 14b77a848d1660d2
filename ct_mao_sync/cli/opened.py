"""What most commands begin with: logging, the configuration, and the state file where one is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ct_mao_sync.cli.options import global_options_of

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application
    from ct_mao_sync.state.store import Store


@contextmanager
def opened(context: click.Context) -> Iterator[Application]:
    """The application; every expected error of the block ends the command with its text and exit code."""
    from ct_mao_sync.cli.log import set_up_logging
    from ct_mao_sync.cli.render import print_error
    from ct_mao_sync.cli.wiring import open_application
    from ct_mao_sync.errors import SyncError

    wanted = global_options_of(context)
    set_up_logging(log_format=wanted.log_format, verbose=wanted.verbose)
    try:
        application = open_application(wanted.config)
        set_up_logging(
            log_format=wanted.log_format, verbose=wanted.verbose, secrets=application.config.secrets()
        )
        yield application
    except SyncError as error:
        print_error(error)
        context.exit(error.exit_code)


@contextmanager
def opened_state(context: click.Context, *, create: bool = True) -> Iterator[tuple[Application, Store]]:
    """The application and its state file; with `create=False` none is made where there is none."""
    with opened(context) as application:
        absent = not create and not application.config.state_path.exists()
        with application.open_store(dry_run=absent) as store:
            yield application, store
