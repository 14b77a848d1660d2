"""What `doctor` looks at in the two systems. Reads only; the clients refuse to send a write.

The jobs' own reading is used, so that what is asked is what a run will ask: query, template and fields.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ct_mao_sync.clients.commercetools_import import SCOPE, UNUSABLE
from ct_mao_sync.clients.commercetools_setup import CommercetoolsSetupClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.config import Config
from ct_mao_sync.engine.run import RunOptions
from ct_mao_sync.errors import EXIT_CONFIG, RecordRejected, RunStopped, SyncError
from ct_mao_sync.mapping.locations import Locations, plain_location
from ct_mao_sync.ops.doctor import Check, fault, fault_of, ok, warning
from ct_mao_sync.ops.reading import Reading
from ct_mao_sync.ops.setup import plan_setup, read_present, wanted_resources

SKEW_MAX_S = 5.0
"""HTTP dates have whole seconds."""
_LOOK_BACK = timedelta(minutes=1)
_NOBODY = "ct-mao-sync-doctor"

# What a job does with commercetools -> scopes of which one is enough (commercetools docs, scopes).
_READ_ORDERS = ("view_orders", "manage_orders")
_READ_CHANNELS = ("view_channels", "manage_channels", "view_products", "manage_products")
_SCOPES: Mapping[str, Sequence[tuple[str, ...]]] = {
    "orders": (_READ_ORDERS, ("view_payments", "manage_payments")),
    "inventory": (_READ_ORDERS, ("manage_products",), _READ_CHANNELS),
    "status": (("manage_orders",), ("view_states", "manage_states", *_READ_ORDERS)),
    "returns": (("manage_orders",),),
}


def check_systems(reading: Reading, jobs: Sequence[str]) -> Iterator[Check]:
    """Both systems, then the jobs on them. A system that does not answer is asked no further."""
    scopes = yield from _check_commercetools(reading, jobs)
    shop = scopes is not None
    oms = yield from _check_manhattan(reading)
    if scopes is not None:
        yield from _check_setup(reading, jobs)
        if "inventory" in jobs and reading.config.inventory.writer != "rest":
            yield from _check_import_api(reading, scopes)
    if oms and "inventory" in jobs:
        yield from _check_stock(reading)
    if shop and oms:
        for job in jobs:
            yield from _check_job(reading, job)


# ---- commercetools ---------------------------------------------------------------------------------------


def _check_commercetools(
    reading: Reading, jobs: Sequence[str]
) -> Generator[Check, None, frozenset[str] | None]:
    """The scopes of the token, as far as it says; None where the shop does not answer."""
    area = "commercetools"
    client, since = reading.commercetools(), reading.clock.now() - _LOOK_BACK
    try:
        page = client.read_orders_page(since=since, until=None, after_id=None, limit=1, expand=())
    except SyncError as error:
        yield fault_of(area, error)
        return None
    yield ok(area, f"project {client.project_key} answers on {client.http.host}")
    yield _skew(area, page.server_date, reading, page.elapsed_s)
    yield from _check_scopes(reading.config, client.http.scopes, jobs)
    return client.http.scopes


def _check_scopes(config: Config, scopes: frozenset[str], jobs: Sequence[str]) -> Iterator[Check]:
    area, project = "commercetools", config.commercetools.project_key
    held = {name for name, _, key in (scope.partition(":") for scope in scopes) if key == project}
    if not held:
        yield warning(area, "does not say which scopes the token has", "look at the API client's scopes")
        return
    needed: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        wanted = list(_SCOPES[job])
        if job == "orders" and config.orders.sync_channel:
            wanted += [("manage_orders",), _READ_CHANNELS]
        if _type_of(config, job):
            wanted.append(("view_types", "manage_types"))
        for alternatives in wanted:
            needed.setdefault(alternatives, []).append(job)
    missing = {
        alternatives[0]: users
        for alternatives, users in needed.items()
        if not held.intersection((*alternatives, "manage_project"))
    }
    for scope, users in missing.items():
        yield fault(
            area,
            f"the token has no scope {scope}, which {', '.join(users)} needs",
            "make an API client with it in the Merchant Center, and add it to commercetools.scopes if that "
            "is not empty",
        )
    if not missing:
        yield ok(area, f"the token has the scopes that {', '.join(jobs)} need")


def _type_of(config: Config, job: str) -> str | None:
    """Key of the Type whose fields the job writes."""
    return {
        "inventory": config.inventory.counters_type,
        "returns": config.returns.item_type,
        "status": config.status.delivery_type,
    }.get(job)


def _check_setup(reading: Reading, jobs: Sequence[str]) -> Iterator[Check]:
    area = "commercetools"
    client = reading.commercetools()
    wanted = wanted_resources(reading.config, jobs)
    if not wanted:
        return
    try:
        setup = CommercetoolsSetupClient(client.http, client.project_key)
        plan = plan_setup(wanted, read_present(setup, wanted))
    except SyncError as error:
        yield fault_of(area, error, "channels, states and types")
        return
    for conflict in plan.conflicts:
        yield fault(area, conflict.message, conflict.hint)
    for step in plan.steps:
        missing = step.what.removeprefix("create ")
        said = f"has no {missing}" if not step.id else f"lacks something: {missing}"
        yield fault(area, f"{said} ({step.why})", "ct-mao-sync setup")
    if not plan.steps and not plan.conflicts:
        yield ok(area, f"has the channels, states and types that are needed ({len(wanted)})")


def _check_import_api(reading: Reading, held: frozenset[str]) -> Iterator[Check]:
    area, client, inventory = "commercetools", reading.import_api(), reading.config.inventory
    if client is None:
        return  # then the job writes by REST, or has said what is missing
    key = inventory.import_container
    cure = f'give the API client the scope {SCOPE}, or set inventory.writer = "rest"'
    project = reading.config.commercetools.project_key
    try:
        there = client.has_container(key)
    except RunStopped as error:
        if inventory.writer == "auto" and error.problem.code in UNUSABLE:
            said = f"the Import API cannot be used ({error.problem.message}); entries are written one by one"
            yield warning(area, said, error.problem.hint)
        else:
            yield fault_of(area, error, "Import API")
        return
    except SyncError as error:
        yield fault_of(area, error, "Import API")
        return
    if not there and held and held.isdisjoint({f"{SCOPE}:{project}", f"manage_project:{project}"}):
        said = f"there is no import container {key}, and the token has no scope {SCOPE} to make it"
        if inventory.writer == "auto":
            yield warning(area, f"{said}; entries are written one by one", cure)
        else:
            yield fault(area, said, cure)
        return
    yield ok(area, f"the import container {key} is {'there' if there else 'not there yet; a run makes it'}")


# ---- MAO -------------------------------------------------------------------------------------------------


def _check_manhattan(reading: Reading) -> Generator[Check, None, bool]:
    area = "MAO"
    client = reading.manhattan()
    template, order = {"OrderId": None}, [("OrderId", "asc")]
    try:
        page = client.search_orders(f"OrderId = '{_NOBODY}'", template=template, size=1)
    except SyncError as error:
        yield fault_of(area, error)
        return False
    organization = reading.config.manhattan.organization
    who = f" for organization {organization}" if organization else ""
    yield ok(area, f"answers on {client.http.host}{who}")
    yield _skew(area, page.server_date, reading, page.elapsed_s)
    if page.server_date is None:
        yield fault(area, "sends no Date header: no watermark can be taken", "look at what stands between")
    try:
        client.search_orders("OrderId > '0'", template=template, size=1, sort=order)
        yield ok(area, "takes conditions on OrderId: pages are read by key, and none can be skipped")
    except RecordRejected:
        yield warning(
            area,
            "refuses conditions on OrderId: pages are read by number, in passes that are repeated",
            "nothing has to be done; a run takes more requests",
        )
    except SyncError as error:
        yield fault_of(area, error, "search by key")
    try:
        client.read_order(_NOBODY)
        client.read_archived_order(_NOBODY)
        yield ok(area, "orders can be read by id, and in the archive")
    except SyncError as error:
        yield fault_of(area, error, "order by id")
    return True


def _check_stock(reading: Reading) -> Iterator[Check]:
    """Views, and the locations that are asked for."""
    area, config = "MAO", reading.config
    orders, section = reading.manhattan(), config.manhattan
    client = ManhattanInventoryClient(
        orders.http,
        section.organization,
        page_size=section.page_size,
        items_max=section.availability_items,
    )
    try:
        items = client.search_items_page().rows
    except SyncError as error:
        yield fault_of(area, error, "items")
        return
    names = [row["ItemId"] for row in items if isinstance(row.get("ItemId"), str)][:1]
    places = Locations(config.mapping.locations).location_ids
    for mode in config.inventory.modes:
        view = config.inventory.network_view if mode == "network" else config.inventory.location_view
        if not view:
            continue  # told by the job
        if not names:
            yield warning(area, f"has no item to ask the view {view!r} for", "add the items in MAO first")
            continue
        if mode == "location" and not places:
            continue
        try:
            if mode == "network":
                client.read_network_chunk(view, names)
            else:
                client.read_location_chunk(view, names, places[:1], null_is_empty=True)
        except SyncError as error:
            yield fault_of(area, error)
        else:
            yield ok(area, f"the {mode} view {view!r} is active and gives quantities")
    if "location" in config.inventory.modes and places:
        yield from _check_locations(client, places)


def _check_locations(client: ManhattanInventoryClient, places: Sequence[str]) -> Iterator[Check]:
    area = "MAO"
    try:
        rows = client.read_locations([*places, *map(plain_location, places)])
    except RecordRejected:
        yield warning(
            area,
            "its locations cannot be searched, so those of [mapping.locations] were not looked up",
            "compare them in MAO: a location that it does not know counts as 0",
        )
        return
    except SyncError as error:
        yield fault_of(area, error, "locations")
        return
    known = {
        plain_location(value)
        for row in rows
        for value in (row.get("LocationId"), row.get("DisplayId"))
        if isinstance(value, str)
    }
    unknown = [place for place in places if plain_location(place) not in known]
    if unknown:
        yield fault(
            area,
            f"does not know {', '.join(unknown)} of [mapping.locations]: their stock would be 0",
            "correct the LocationId under [mapping.locations], or remove the line",
        )
    else:
        yield ok(area, f"knows the locations of [mapping.locations] ({len(places)})")


# ---- the jobs' own reading -------------------------------------------------------------------------------


def _check_job(reading: Reading, name: str) -> Iterator[Check]:
    """Each window is read once, a minute deep, as a run would."""
    now = reading.clock.now()
    try:
        job = reading.build_job(name, RunOptions())
        scans = [scan for scan in job.passes(now) if scan.name.startswith("window:")]
    except SyncError as error:
        for problem in getattr(error, "problems", (error.problem,)):
            yield fault(name, problem.message, problem.hint, EXIT_CONFIG)
        return
    for scan in scans:
        if scan.start_at is None and reading.store.checkpoint(name, scan.name) is None:
            yield fault(
                name,
                "does not know where its first run begins: orders.start_at is missing",
                'start_at = "<the cut-over, such as 2026-11-01T00:00:00Z>" under [orders]',
                EXIT_CONFIG,
            )
            return
    try:
        for scan in scans:
            job.read_page(scan, now - _LOOK_BACK, None, None)
        job.probe()
    except SyncError as error:
        yield fault_of(name, error)
        return
    windows = ", ".join(scan.name.removeprefix("window:") for scan in scans)
    yield ok(name, f"reads its changes ({windows}), and {job.target} answers")


def _skew(area: str, server_now: datetime | None, reading: Reading, elapsed_s: float) -> Check:
    if server_now is None:
        return warning(area, "sends no Date header: its clock is not known", "look at what stands between")
    ours = reading.clock.now() - timedelta(seconds=elapsed_s / 2)
    skew_s = (server_now - ours).total_seconds()
    if abs(skew_s) <= SKEW_MAX_S:
        return ok(area, "its clock and ours agree")
    word = "behind" if skew_s > 0 else "ahead of"
    return warning(
        area,
        f"the clock of this machine is {abs(skew_s):.0f} s {word} its",
        "timedatectl set-ntp true (watermarks go by the servers' clocks; lag and reports by ours)",
    )
