"""The Import API for InventoryEntries: asynchronous upserts by key, 20 in a request, without versions.

commercetools docs, Import API: an accepted resource is an operation that is to be followed. A container goes
away at the end of its time to live, and its operations with it; operations themselves last 48 hours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.refusal import one_line, text_of
from ct_mao_sync.clients.verdict import Answer
from ct_mao_sync.errors import OutcomeUnknown, Problem, RecordRejected, RunStopped, VersionConflict

RESOURCES_MAX = 20  # commercetools docs, Import API: resources of one request
PAGE_SIZE_MAX = 500
OFFSET_MAX = 10_000
BY_ID_MAX = 20
"""Operations that no page had are asked for one by one, at most so many at a time."""
CONTAINER_KEPT = "30d"
"""The longest time to live there is: with a container its unfinished operations would go."""

SCOPE = "manage_import_containers"
"""commercetools docs, scopes: for containers and for what is imported through them."""
UNUSABLE = frozenset({"forbidden", "import-container-unusable", "project-not-found"})
"""Codes of RunStopped of a container without which nothing can be imported."""

PROCESSING = "processing"
VALIDATION_FAILED = "validationFailed"
# unresolved waits for a channel or type that the project does not have.
OPEN_STATES = frozenset({PROCESSING, "unresolved", "waitForMasterVariant"})
IMPORTED = "imported"

AtOnce = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""Calls with each of the values, as many together as it likes; the results in their order."""

_INVENTORY = "inventory"
_SETTING = "inventory.import_container"


@dataclass(frozen=True, slots=True)
class ImportFault:
    """Why a resource was not imported; `message` is commercetools' own text, one line."""

    code: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """What became of one resource of an import request."""

    operation_id: str
    """"" when the resource was refused before it became an operation."""
    state: str
    """"processing" or "validationFailed"."""
    errors: tuple[ImportFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An import operation as it is now."""

    id: str
    resource_key: str
    """Key of the InventoryEntry."""
    state: str
    """processing, validationFailed, unresolved, waitForMasterVariant, imported, rejected, canceled,
    partiallyImported, or what commercetools adds."""
    errors: tuple[ImportFault, ...] = ()
    resource_version: int | None = None
    """Version of the InventoryEntry, when it was imported."""
    unresolved: tuple[str, ...] = ()
    """What an unresolved one waits for, as `channel dc-atlanta`."""

    @property
    def is_open(self) -> bool:
        """Neither done nor failed yet."""
        return self.state in OPEN_STATES


class ImportClient:
    """Errors: those of `HttpClient.send`, and RunStopped `import-container-unusable`."""

    def __init__(self, http: HttpClient, project_key: str) -> None:
        self.http = http
        self.project_key = project_key
        self._root = "/" + quote(project_key, safe="")
        self._creating = threading.Lock()

    def ensure_container(self, key: str) -> None:
        """Creates the container when there is none, as is to be done in every run."""
        with self._creating:
            for attempt in (1, 2, 3):
                answer = self._get(f"/import-containers/{quote(key, safe='')}", absent_ok=True)
                if answer.status != 404:
                    self._check_container(key, answer)
                    return
                try:
                    self._create_container(key)
                    return
                except (OutcomeUnknown, VersionConflict):
                    if attempt == 3:
                        raise
                except RecordRejected as error:
                    # Another run may have been faster.
                    if "DuplicateField" not in _codes(error) or attempt == 3:
                        raise RunStopped(self._unusable(key, "cannot be created", error)) from error

    def has_container(self, key: str) -> bool:
        """Only looks. Raises RunStopped `import-container-unusable` for one of another kind."""
        answer = self._get(f"/import-containers/{quote(key, safe='')}", absent_ok=True)
        if answer.status == 404:
            return False
        self._check_container(key, answer)
        return True

    def import_entries(self, container: str, resources: Sequence[Mapping[str, Any]]) -> list[OperationStatus]:
        """At most 20 InventoryImports with different keys; one status for each, in their order. What the API
        refuses in one of them is its status, and the others go on.

        Raises OutcomeUnknown when they may have been accepted: see `read_open_operations`.
        """
        if not 0 < len(resources) <= RESOURCES_MAX:
            raise ValueError(f"{len(resources)} resources, where 1 to {RESOURCES_MAX} are allowed")
        if len({resource.get("key") for resource in resources}) < len(resources):
            raise ValueError("two resources of one request with the same key: no order is guaranteed")
        try:
            return self._import(container, resources)
        except RecordRejected as error:
            refused = _refused_indexes(error, len(resources))
            if not refused and len(resources) > 1:
                middle = len(resources) // 2
                halves = (resources[:middle], resources[middle:])
                return [status for half in halves for status in self.import_entries(container, half)]
            fault = _fault_of(error)
        if not refused:
            refused = frozenset({0})
        rest = [resource for index, resource in enumerate(resources) if index not in refused]
        accepted = iter(self.import_entries(container, rest) if rest else ())
        failed = OperationStatus("", VALIDATION_FAILED, (fault,))
        return [failed if index in refused else next(accepted) for index in range(len(resources))]

    def read_operation(self, operation_id: str) -> Operation | None:
        """None when it is not there any more: with its container, or after 48 hours."""
        answer = self._get(f"/import-operations/{quote(operation_id, safe='')}", absent_ok=True)
        return None if answer.status == 404 else _operation(answer.json)

    def read_operations(
        self,
        ids_by_container: Mapping[str, Collection[str]],
        *,
        filled: Mapping[str, int] | None = None,
        at_once: AtOnce | None = None,
    ) -> list[Operation]:
        """Those of these operations that can be found, in no particular order, the newest by pages of 500,
        which may be read together: one that is missed is still to be found as an open one. `filled`: among
        how many of the newest operations of a container these are, where they are not the newest themselves.

        At most the latest 10,500 operations of a container can be listed, and not many more pages are read
        than these operations fill: read them before that many more have been added.
        """
        wanted = {container: frozenset(ids) for container, ids in ids_by_container.items()}
        found: dict[str, Operation] = {}
        among = {
            container: max(len(ids), (filled or {}).get(container, 0)) for container, ids in wanted.items()
        }
        surely = [
            (container, offset)
            for container, ids in wanted.items()
            if len(ids) > len(offsets := self.pages_of(among[container]))  # else by id, in fewer requests
            for offset in offsets
        ]
        pages = (at_once or _one_by_one)(lambda place: self._read_listed(place[0], "", place[1]), surely)
        was_last: dict[str, bool] = {}
        for (container, _), page in zip(surely, pages, strict=True):
            was_last[container] = _keep(page, wanted[container], found) or was_last.get(container, False)
        for container, ids in wanted.items():
            if not was_last.get(container, True):
                self._read_further(container, ids, among[container], found)
            missing = [each for each in ids_by_container[container] if each not in found]
            for operation_id in missing[:BY_ID_MAX]:
                if (operation := self.read_operation(operation_id)) is not None:
                    found[operation.id] = operation
        return list(found.values())

    def _read_further(
        self, container: str, ids: frozenset[str], count: int, found: dict[str, Operation]
    ) -> None:
        """Others among the newest have moved some of these to the pages after those that they fill."""
        for number in range(-(-count // PAGE_SIZE_MAX), count // PAGE_SIZE_MAX + 2):
            if number * PAGE_SIZE_MAX > OFFSET_MAX or ids <= found.keys():
                return
            if _keep(self._read_listed(container, "", number * PAGE_SIZE_MAX), ids, found):
                return

    def pages_of(self, count: int) -> range:
        """Offsets of the pages that so many of the newest operations of a container fill."""
        return range(0, min(count, OFFSET_MAX + 1), PAGE_SIZE_MAX)

    def read_page(self, container: str, offset: int) -> list[Operation]:
        """One page of a container's operations, the newest first."""
        page = self._read_listed(container, "", offset)
        return [_operation(row) for row in page[0]] if page else []

    def read_open_operations(self, container: str) -> list[Operation]:
        """What the container has not finished yet, also of a run that was killed; none when there is no
        such container."""
        found: dict[str, Operation] = {}
        for state in (PROCESSING, "unresolved"):
            count = -1
            # Those that finish leave the list and move the others, so pages can skip some.
            while count < len(found):
                count = len(found)
                for offset in self.pages_of(OFFSET_MAX + 1):
                    if _keep(self._read_listed(container, state, offset), None, found):
                        break
                if offset == 0:
                    break
        return list(found.values())

    def _read_listed(self, container: str, state: str, offset: int) -> tuple[list[Any], bool] | None:
        """One page, and whether it is the last; None when there is no such container. Newest first, so that
        operations that are added meanwhile repeat rows and hide none."""
        path = f"/import-containers/{quote(container, safe='')}/import-operations"
        pairs = [("limit", str(PAGE_SIZE_MAX)), ("offset", str(offset)), ("sort", "createdAt desc")]
        if state:
            pairs.append(("state", state))
        answer = self._get(path, pairs, absent_ok=True, check=_is_page)
        if answer.status == 404:
            return None
        rows = answer.json["results"]
        allowed = answer.json.get("limit")
        full = allowed if isinstance(allowed, int) and allowed > 0 else PAGE_SIZE_MAX
        return rows, len(rows) < full

    def _import(self, container: str, resources: Sequence[Mapping[str, Any]]) -> list[OperationStatus]:
        body = {"type": _INVENTORY, "resources": [dict(resource) for resource in resources]}

        def is_answer(answer: Any) -> bool:
            listed = answer.get("operationStatus")
            if not isinstance(listed, list) or len(listed) != len(resources):
                return False
            return all(isinstance(each, dict) and isinstance(each.get("state"), str) for each in listed)

        for attempt in (1, 2):
            answer = self._send(
                "POST",
                f"{self._root}/inventories/import-containers/{quote(container, safe='')}",
                json=body,
                write=True,
                absent_ok=True,
                check=is_answer,
            )
            if answer.status != 404:
                break
            if attempt == 2:
                raise RunStopped(self._unusable(container, "is not found, though it was created", answer))
            self.ensure_container(container)
        return [
            OperationStatus(text_of(each.get("operationId")), each["state"], _faults(each.get("errors")))
            for each in answer.json["operationStatus"]
        ]

    def _create_container(self, key: str) -> None:
        draft = {
            "key": key,
            "resourceType": _INVENTORY,
            "retentionPolicy": {"strategy": "ttl", "config": {"timeToLive": CONTAINER_KEPT}},
        }
        answer = self._send("POST", f"{self._root}/import-containers", json=draft, write=True, absent_ok=True)
        if answer.status == 404:
            raise RunStopped(
                Problem(
                    "project-not-found",
                    f"the Import API of commercetools ({self.http.host}) knows no project "
                    f"{self.project_key!r}",
                    "commercetools.project_key",
                    "check commercetools.project_key, and that commercetools.import_url is its region",
                    {**self._context, "status": 404, "correlation_id": answer.correlation_id},
                )
            )

    def _check_container(self, key: str, answer: Answer) -> None:
        kind = answer.json.get("resourceType")
        if kind not in (None, _INVENTORY):
            raise RunStopped(self._unusable(key, f"is one for {one_line(str(kind))}", answer))

    def _unusable(self, key: str, why: str, cause: Answer | RecordRejected) -> Problem:
        if isinstance(cause, RecordRejected):
            context = dict(cause.problem.context)
        else:
            context = {**self._context, "status": cause.status, "correlation_id": cause.correlation_id}
        return Problem(
            "import-container-unusable",
            f"the import container {key!r} of commercetools {why}",
            _SETTING,
            f"give another name in {_SETTING}, of letters, digits, _ and -",
            context,
        )

    @property
    def _context(self) -> dict[str, str | int]:
        return {"remote": self.http.remote, "host": self.http.host}

    def _get(
        self,
        path: str,
        pairs: Sequence[tuple[str, str]] = (),
        *,
        absent_ok: bool,
        check: Any = None,
    ) -> Answer:
        return self._send(
            "GET", self._root + path, params=pairs, write=False, absent_ok=absent_ok, check=check
        )

    def _send(self, method: str, path: str, **more: Any) -> Answer:
        try:
            return self.http.send(method, path, **more)
        except RunStopped as error:
            if error.problem.code != "forbidden":
                raise
            hint = f'give the API client the scope {SCOPE}, or set inventory.writer = "rest"'
            stopped = RunStopped(replace(error.problem, field="inventory.writer", hint=hint))
        raise stopped


def _one_by_one(call: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    return [call(value) for value in values]


def _keep(
    page: tuple[list[Any], bool] | None, wanted: frozenset[str] | None, found: dict[str, Operation]
) -> bool:
    """Takes what is wanted (None: all) of a page; whether there is none after it."""
    if page is None:
        return True
    rows, is_last = page
    for row in rows:
        if wanted is None or row["id"] in wanted:
            found[row["id"]] = _operation(row)
    return is_last


def _operation(row: Mapping[str, Any]) -> Operation:
    version = row.get("resourceVersion")
    references = row.get("unresolvedReferences")
    return Operation(
        id=text_of(row.get("id")),
        resource_key=text_of(row.get("resourceKey")),
        state=text_of(row.get("state")),
        errors=_faults(row.get("errors")),
        resource_version=version if isinstance(version, int) else None,
        unresolved=tuple(
            one_line(f"{text_of(each.get('typeId'))} {text_of(each.get('key'))}")
            for each in (references if isinstance(references, list) else ())
            if isinstance(each, Mapping)
        ),
    )


def _faults(errors: Any) -> tuple[ImportFault, ...]:
    return tuple(
        ImportFault(
            one_line(text_of(error.get("code"))),
            one_line(text_of(error.get("message"))),
            one_line(text_of(error.get("field"))),
        )
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, Mapping)
    )


def _fault_of(error: RecordRejected) -> ImportFault:
    context = error.problem.context
    return ImportFault(_codes(error)[0], str(context.get("remote_message", "")))


def _refused_indexes(error: RecordRejected, count: int) -> frozenset[int]:
    """Which resources of the request the refusal names; none when it does not say."""
    named = str(error.problem.context.get("resource_index", ""))
    found = frozenset(int(text) for text in named.split(",") if text.isdecimal())
    return found if found and max(found) < count else frozenset()


def _codes(error: RecordRejected) -> list[str]:
    return str(error.problem.context.get("remote_code", "")).split(",")


def _is_page(body: Any) -> bool:
    rows = body.get("results")
    return isinstance(rows, list) and all(
        isinstance(row, dict) and isinstance(row.get("id"), str) and isinstance(row.get("state"), str)
        for row in rows
    )
