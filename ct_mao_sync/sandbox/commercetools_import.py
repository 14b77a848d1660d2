"""The Import API for inventories: containers, operations, and what processing does to the entries.

Operations are processed in the order they came, a while after they were accepted (world's clock), by key and
without any version: create, or replace what the request can carry (an optional field that the request lacks
is removed: inferred). An operation that waits for its channel stays unresolved until the channel exists.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .commercetools_errors import ApiError, duplicate_field, invalid_operation, not_found
from .commercetools_import_check import errors_of, read_container, read_resources, retention_s
from .commercetools_inventory import add_entry, channel_reference, check_place, entry_by_key, set_quantity
from .commercetools_stock import reveal
from .commercetools_update import Update, put, set_custom_type
from .core import COMMERCETOOLS, Json, World
from .generate import timestamp
from .predicate import parse_moment

STATES = (
    *("processing", "validationFailed", "unresolved", "waitForMasterVariant", "imported", "rejected"),
    *("canceled", "partiallyImported"),
)
CONTAINERS_MAX = 1000


@dataclass(slots=True)
class Waiting:
    """An operation that is not processed yet."""

    operation: Json
    resource: Json
    due_at: datetime


@dataclass(slots=True)
class Imports:
    """Containers by key, operations by id in the order they came, and those still to be processed."""

    containers: dict[str, Json] = field(default_factory=dict)
    operations: dict[str, Json] = field(default_factory=dict)
    contents: dict[str, dict[str, Json]] = field(default_factory=dict)
    """Container key -> its operations."""
    waiting: deque[Waiting] = field(default_factory=deque)
    unresolved: list[Waiting] = field(default_factory=list)
    forced: dict[str, str] = field(default_factory=dict)
    """Resource key -> the state that its next operation ends in, by `end_import_in`."""


def imports_of(world: World) -> Imports:
    """What the Import API holds for this world."""
    imports = world.ct.extra.get("imports")
    if not isinstance(imports, Imports):
        imports = world.ct.extra["imports"] = Imports()
    return imports


def end_import_in(world: World, resource_key: str, state: str) -> None:
    """The next operation of this key ends in `state` (rejected, canceled …) without any effect."""
    if state not in STATES:
        raise ValueError(f"no such state: {state}; there are: {', '.join(STATES)}")
    imports_of(world).forced[resource_key] = state


def create_container(world: World, draft: Json) -> Json:
    """A new container; raises ApiError, DuplicateField when the key is taken."""
    imports = imports_of(world)
    container = read_container(draft)
    if container["key"] in imports.containers:
        raise duplicate_field("key", container["key"])
    if len(imports.containers) >= CONTAINERS_MAX:
        raise invalid_operation(f"A project has at most {CONTAINERS_MAX} import containers.")
    now = world.now(COMMERCETOOLS)
    life_s = retention_s(container["retentionPolicy"])
    container |= {
        "version": 1,
        "createdAt": timestamp(now),
        "lastModifiedAt": timestamp(now),
        "expiresAt": timestamp(now + timedelta(seconds=life_s)),
    }
    imports.containers[container["key"]] = container
    imports.contents[container["key"]] = {}
    return container


def find_container(world: World, key: str) -> Json:
    """The container; raises ApiError 404, also when it has expired."""
    container = imports_of(world).containers.get(key)
    if container is None:
        raise not_found("import-container", "key", key)
    return container


def update_container(world: World, key: str, draft: Json) -> Json:
    """Changes a container's resourceType; raises ApiError 404, 409 for another version."""
    container = find_container(world, key)
    version = draft.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ApiError(400, "InvalidJsonInput", "version: Missing required value")
    if version != container["version"]:
        message = f"Version mismatch. Expected: {version} - Actual: {container['version']}."
        raise ApiError(409, "ConcurrentModification", message, currentVersion=container["version"])
    named = {"resourceType": draft["resourceType"]} if draft.get("resourceType") else {}
    put(container, "resourceType", read_container(named, key=key).get("resourceType"))
    container["version"] += 1
    container["lastModifiedAt"] = timestamp(world.now(COMMERCETOOLS))
    return container


def delete_container(world: World, key: str) -> Json:
    """Deletes a container with its operations; those in processing are not carried out."""
    container = find_container(world, key)
    _drop_container(imports_of(world), key)
    return container


def accept(world: World, container_key: str, body: Json) -> Json:
    """An inventory import request: an operation for each resource, processing or validationFailed."""
    container = find_container(world, container_key)
    if container.get("resourceType", "inventory") != "inventory":
        raise invalid_operation(f"The import container is for {container['resourceType']}, not inventory.")
    resources = read_resources(body)
    return {"operationStatus": [_accept(world, container_key, each) for each in resources]}


def _accept(world: World, container_key: str, resource: Json) -> Json:
    imports = imports_of(world)
    now = world.now(COMMERCETOOLS)
    errors = errors_of(resource)
    state = "validationFailed" if errors else "processing"
    operation: Json = {
        "id": world.new_id(),
        "version": 1,
        "importContainerKey": container_key,
        "resourceKey": str(resource.get("key")),
        "state": state,
        "createdAt": timestamp(now),
        "lastModifiedAt": timestamp(now),
        "expiresAt": timestamp(now + timedelta(seconds=world.settings.import_retention_s)),
    }
    imports.operations[operation["id"]] = imports.contents[container_key][operation["id"]] = operation
    status: Json = {"operationId": operation["id"], "state": state}
    if errors:
        operation["errors"] = status["errors"] = errors
        return status
    waiting = Waiting(operation, resource, now + timedelta(seconds=world.settings.import_delay_s))
    imports.waiting.append(waiting)
    if world.settings.import_reorders:
        _swap(imports.waiting, waiting)
    return status


def _swap(line: deque[Waiting], last: Waiting) -> None:
    """The last operation and the one before it of the same key change places."""
    for position in range(len(line) - 2, -1, -1):
        other = line[position]
        if other.resource["key"] == last.resource["key"]:
            line[position], line[-1] = last, other
            last.due_at, other.due_at = other.due_at, last.due_at
            return


def settle_imports(world: World) -> None:
    """Processes what is due and forgets what has expired."""
    imports = world.ct.extra.get("imports")
    if not isinstance(imports, Imports) or not imports.containers:
        return
    now = world.now(COMMERCETOOLS)
    _expire(imports, now)
    if imports.unresolved:
        retried, imports.unresolved = imports.unresolved, []
        for waiting in retried:
            _process(world, imports, waiting)
    while imports.waiting and imports.waiting[0].due_at <= now:
        _process(world, imports, imports.waiting.popleft())


def _expire(imports: Imports, now: datetime) -> None:
    for key in [key for key, each in imports.containers.items() if _is_past(each, now)]:
        _drop_container(imports, key)
    expired = set()
    for id, operation in imports.operations.items():  # in the order they came: the first live one ends it
        if not _is_past(operation, now):
            break
        expired.add(id)
    if expired:
        _forget(imports, expired)


def _drop_container(imports: Imports, key: str) -> None:
    del imports.containers[key]
    _forget(imports, set(imports.contents.pop(key)))


def _is_past(document: Json, now: datetime) -> bool:
    moment = parse_moment(document["expiresAt"])
    return moment is not None and moment <= now


def _forget(imports: Imports, ids: set[str]) -> None:
    for id in ids:
        operation = imports.operations.pop(id)
        imports.contents.get(operation["importContainerKey"], {}).pop(id, None)
    imports.waiting = deque(each for each in imports.waiting if each.operation["id"] not in ids)
    imports.unresolved = [each for each in imports.unresolved if each.operation["id"] not in ids]


def _process(world: World, imports: Imports, waiting: Waiting) -> None:
    forced = imports.forced.pop(waiting.resource["key"], None)
    if forced is not None:
        _end(world, waiting.operation, forced)
        return
    missing = _missing_references(world, waiting.resource)
    if missing:
        imports.unresolved.append(waiting)
        if waiting.operation["state"] != "unresolved":
            _end(world, waiting.operation, "unresolved", unresolvedReferences=missing)
        return
    try:
        entry = _import(world, waiting.resource)
    except ApiError as error:
        rejected = {"code": error.code, "message": error.message, **error.more}
        _end(world, waiting.operation, "rejected", errors=[rejected])
        return
    _end(world, waiting.operation, "imported", resourceVersion=entry["version"])


def _end(world: World, operation: Json, state: str, **more: object) -> None:
    operation.pop("unresolvedReferences", None)
    operation |= {"state": state, "version": operation["version"] + 1, **more}
    operation["lastModifiedAt"] = timestamp(world.now(COMMERCETOOLS))


def _missing_references(world: World, resource: Json) -> list[Json]:
    wanted = [(resource.get("supplyChannel"), world.ct.channels)]
    wanted.append(((resource.get("custom") or {}).get("type"), world.ct.types))
    return [
        {"key": reference["key"], "typeId": reference["typeId"]}
        for reference, documents in wanted
        if reference and not any(each.get("key") == reference["key"] for each in documents.values())
    ]


def _import(world: World, resource: Json) -> Json:
    """Creates or replaces the entry of this key; raises ApiError when the project refuses it."""
    now = world.now(COMMERCETOOLS)
    stored = entry_by_key(world, resource["key"])
    if stored is not None and stored["sku"] != resource["sku"]:
        message = f"The sku of the inventory entry '{resource['key']}' cannot be changed."
        raise ApiError(400, "InvalidFieldUpdate", message, field="sku")
    before = reveal(world, stored) if stored is not None else None
    entry: Json = dict(before) if before is not None else {"id": world.new_id(), "version": 0}
    update = Update(entry, world, now)
    entry |= {"key": resource["key"], "sku": resource["sku"]}
    put(entry, "supplyChannel", channel_reference(update, resource.get("supplyChannel")))
    check_place(world, entry)
    set_quantity(world, entry, int(resource["quantityOnStock"]))
    for name in ("restockableInDays", "reservationExpirationInMinutes"):
        value = resource.get(name)
        put(entry, name, None if value is None else int(value))
    expected = parse_moment(resource.get("expectedDelivery") or "")
    put(entry, "expectedDelivery", timestamp(expected) if expected else None)
    custom = {**(resource.get("custom") or {}), "action": "custom"}
    set_custom_type(update, entry, custom, "inventory-entry")
    if entry == before:
        return entry
    entry["version"] += 1
    entry["lastModifiedAt"] = timestamp(now)
    writer = {"clientId": "import-api", "isPlatformClient": False}
    entry["lastModifiedBy"] = writer
    if before is None:
        entry |= {"createdAt": timestamp(now), "createdBy": writer}
    return add_entry(world, entry)
