"""How each job is put together. A job is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.config import Config
from ct_mao_sync.engine.executor import Executor
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.errors import ConfigError, Problem
from ct_mao_sync.state.store import Store

if TYPE_CHECKING:
    from ct_mao_sync.cli.wiring import Application

SMALL_ROWS, SUPPLY_ROWS, SMALL_ROWS_MAX = 5, 10, 1000
"""Pages of searches whose rows are small have so many times the rows, up to the maximum. An item has several
supply records, and their pages can only be read one after the other."""

Builder = Callable[["Application", Store, str, RunOptions, Executor], Job]


def jobs_on(config: Config) -> list[str]:
    """The jobs that have a rhythm; inventory only with a view to read, returns only with dispositions."""
    has_what_it_needs = {
        "inventory": bool(config.inventory.network_view or config.inventory.location_view),
        "returns": bool(config.returns.disposition),
    }
    return [job for job in JOBS if config.schedule.every(job) and has_what_it_needs.get(job, True)]


def configured_jobs(config: Config) -> list[str]:
    """What `sync all` and `run` do. Raises ConfigError when every job is off."""
    jobs = jobs_on(config)
    if not jobs:
        raise ConfigError(
            [
                Problem(
                    "config-invalid",
                    f"{config.path}: every job is switched off under [schedule]",
                    "schedule",
                    'give one a rhythm: orders = "2m" under [schedule]; '
                    "or run one by name: ct-mao-sync sync orders",
                )
            ]
        )
    return jobs


def import_jobs(names: Iterable[str]) -> None:
    """Imports them before they are built: some 50 ms each, which another job's waiting can hide."""
    for name in names:
        import_module(f"ct_mao_sync.jobs.{name}")


def _build_orders(
    application: Application, store: Store, run: str, options: RunOptions, executor: Executor
) -> Job:
    from ct_mao_sync.jobs.orders import OrdersJob

    return OrdersJob(
        application.config,
        application.commercetools(run),
        application.manhattan(run, dry_run=options.dry_run),
        salt=store.salt(),
        shop_wins="base" in options.allow,
    )


def _build_status(
    application: Application, store: Store, run: str, options: RunOptions, executor: Executor
) -> Job:
    from ct_mao_sync.jobs.status import StatusJob

    return StatusJob(
        application.config,
        application.commercetools(run),
        application.manhattan(run, dry_run=options.dry_run),
        store,
        clock=application.clock,
        sweeps=not options.explores,
        full=options.full,
    )


def _build_inventory(
    application: Application, store: Store, run: str, options: RunOptions, executor: Executor
) -> Job:
    from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
    from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
    from ct_mao_sync.jobs.inventory import InventoryJob
    from ct_mao_sync.jobs.inventory_imports import ImportWriter

    _check_inventory(application.config)
    commercetools = application.commercetools(run)
    manhattan = application.manhattan(run, dry_run=options.dry_run)
    section = application.config.manhattan
    inventory = application.config.inventory
    imports: ImportWriter | None = None
    # Also by REST alone: what an earlier run has sent to the Import API has to be settled.
    under_way = bool(store.open_imports())
    if inventory.writer != "rest" or under_way:
        client = application.import_api(run)
        if client is not None:
            imports = ImportWriter(
                client,
                inventory.import_container,
                store,
                clock=application.clock,
                wait_s=float(inventory.import_wait_seconds),
                may_fall_back=inventory.writer != "import-api",
                submit=executor.submit,
            )
        elif under_way:
            raise ConfigError([_no_import_url(application.config, "imports of an earlier run are under way")])
    return InventoryJob(
        application.config,
        CommercetoolsInventoryClient(commercetools.http, commercetools.project_key),
        ManhattanInventoryClient(
            manhattan.http,
            section.organization,
            # Supply and items come as two or three short values a row: larger pages cost MAO no more.
            page_size=max(section.page_size, min(SMALL_ROWS_MAX, SMALL_ROWS * section.page_size)),
            supply_page_size=max(section.page_size, min(SMALL_ROWS_MAX, SUPPLY_ROWS * section.page_size)),
            page_size_safe=section.page_size,
            items_max=section.availability_items,
        ),
        manhattan,
        store,
        clock=application.clock,
        submit=executor.submit,
        imports=imports,
        full=options.full,
    )


def _check_inventory(config: Config) -> None:
    """What `sync inventory` needs and the other jobs do not. Raises ConfigError."""
    inventory = config.inventory
    problems = [
        Problem(
            "config-invalid",
            f'{config.path}: inventory.{mode}_view is missing; inventory.modes has "{mode}"',
            f"inventory.{mode}_view",
            f'name the MAO view: {mode}_view = "…" under [inventory]',
        )
        for mode in inventory.modes
        if not getattr(inventory, f"{mode}_view")
    ]
    if "location" in inventory.modes and not any(config.mapping.locations.values()):
        problems.append(
            Problem(
                "config-invalid",
                f'{config.path}: mapping.locations names no channel; inventory.modes has "location"',
                "mapping.locations",
                'add "<MAO LocationId>" = "<channel key>" under [mapping.locations]',
            )
        )
    if inventory.writer == "import-api" and not config.commercetools.import_url:
        problems.append(_no_import_url(config, 'inventory.writer is "import-api"'))
    if problems:
        raise ConfigError(problems)


def _no_import_url(config: Config, why: str) -> Problem:
    return Problem(
        "config-invalid",
        f"{config.path}: commercetools.import_url is missing; {why}",
        "commercetools.import_url",
        "add the address of the Import API of your region under [commercetools]: "
        'import_url = "https://import.….commercetools.com"',
    )


def _build_returns(
    application: Application, store: Store, run: str, options: RunOptions, executor: Executor
) -> Job:
    from ct_mao_sync.jobs.return_outbox import Outbox
    from ct_mao_sync.jobs.returns import ReturnsJob

    config = application.config
    path = config.returns.outbox
    return ReturnsJob(
        config,
        application.commercetools(run),
        application.manhattan(run, dry_run=options.dry_run),
        store,
        clock=application.clock,
        outbox=Outbox(config.resolve(path)) if path and not options.dry_run else None,
        full=options.full,
        # Who replays by hand wants to have what somebody deleted; a retry by itself never brings it back.
        recreate=options.dead_letters is not None,
    )


BUILDERS: Mapping[str, Builder] = {
    "orders": _build_orders,
    "status": _build_status,
    "inventory": _build_inventory,
    "returns": _build_returns,
}
