"""Entries written through the Import API: taken in twenty at a time, worked off by commercetools later.

An import has no version, and nothing says in which order two imports of one entry are worked off. So an
entry that is being imported is not written until that is settled, whatever crashes when:

    before a request goes out   its entries are in the state file, without operation
    when it is answered         each with the operation that the API made of it
    when the operation is over  the row goes, in the transaction of what came of it

An entry whose row has no operation may be under way or not: the container's open operations tell.

Where the API client may not use the Import API, or there can be no container, `auto` goes on by REST: nothing
was sent, so what was to be imported is compared once more and written with its version.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ct_mao_sync.clients.commercetools_import import (
    IMPORTED,
    UNUSABLE,
    VALIDATION_FAILED,
    ImportClient,
    Operation,
    OperationStatus,
)
from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.values import Outcome, Plan, Settled
from ct_mao_sync.errors import OutcomeUnknown, Retriable, RunStopped
from ct_mao_sync.jobs.inventory_import_ahead import ImportsAhead
from ct_mao_sync.jobs.inventory_import_outcomes import (
    Accepted,
    Ended,
    Unsent,
    label_of,
    lost_import,
    refused_import,
)
from ct_mao_sync.mapping.inventory_entry import EntryState, computed_key, split_entity
from ct_mao_sync.mapping.inventory_writes import ImportEntry
from ct_mao_sync.state.imports import EntryMark, PendingImport
from ct_mao_sync.state.store import Store

log = logging.getLogger("ct_mao_sync.run")

LOST_AFTER = timedelta(hours=24)
LATE_S = 5.0
"""A request of a process that was killed may still arrive for so long."""
UNANSWERED_MAX = 5
"""So many requests in a row without an answer are no accident."""
IN_ONE_CONTAINER_MAX = 8_000
"""A run that imports more goes on in a further container: only the latest 10,500 of one can be listed."""
LISTED_MAX = 10_000
WAIT_FIRST_S, WAIT_MAX_S = 1.0, 10.0
UNKNOWN = -1
"""Quantity of an import that this state file knows nothing of."""


class ImportWriter:
    """`write` is called by workers, everything else by the main thread."""

    def __init__(
        self,
        client: ImportClient,
        container: str,
        store: Store,
        *,
        clock: Clock,
        wait_s: float,
        submit: Callable[..., Future[Any]],
        may_fall_back: bool = False,
    ) -> None:
        """`may_fall_back`: an Import API that cannot be used is no reason to stop."""
        self._may_fall_back = may_fall_back
        self._is_usable = True
        self._was_looked_at = False
        self._unsent: set[str] = set()
        self._client = client
        self._submit = submit
        self._container = container
        self._clock = clock
        self._wait_s = wait_s
        self._ready: set[str] = set()
        """Containers that there are."""
        self._intended = 0
        self._writing_to, self._begun_with = "", 0
        """A container, and how many imports went to those before it."""
        self._container_of: dict[str, str] = {}
        """Entity -> where its import is to go."""
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._unanswered = 0
        # A run that was killed, or whose state is lost, may have left what no row tells.
        self._may_be_others = not store.last_runs("inventory", 1) or bool(store.unfinished_run("inventory"))
        self._others: dict[str, tuple[str, str]] = {}
        """Key of the entry -> container and id of an open operation that the state file knows nothing of."""
        self._entity_of: dict[str, str] = {}
        """By the operation's id, of this run."""
        self._sent_to: Counter[str] = Counter()
        """Imports of this run, by container."""
        self._under_way: dict[str, EntryMark] = {}
        """What this run has sent."""
        self._outdated: set[str] = set()
        """Of these entries another quantity was wanted while they were under way."""
        self._over: dict[str, int | None] = {}
        """Entity -> the entry's version, where known: worked off, and to be compared again."""
        self._followed: set[str] = set()
        """Sent or found by this run: worth waiting for."""
        self._ahead = ImportsAhead(client, clock=clock, submit=submit)
        self._newest: PendingImport | None = None
        """What was taken in last of all that is waited for; None = nothing, or it is known to be done."""
        self._begun = False
        self._wait_until_s: float | None = None
        self._pause_s = WAIT_FIRST_S
        self.last_seen_done_s: float | None = None
        """When an import was found to be done last, monotonic."""

    # ---- what is known of an entry ---------------------------------------------------------------

    def pending(self, store: Store, entries: Iterable[tuple[str, EntryState | None]]) -> dict[str, int]:
        """Of these entries (by entity) the ones that are under way, and the quantity they will have."""
        known = dict(entries)
        rows = store.importing(known)
        found = {entity: row.quantity for entity, row in rows.items() if entity not in self._over}
        for entity, entry in known.items() if self._others else ():
            key = entry.key if entry and entry.key else computed_key(*split_entity(entity))
            if key in self._others and entity not in found:
                row = PendingImport(entity, key, UNKNOWN, *self._others[key], self._clock.now())
                store.add_imports([row])
                self._followed.add(entity)
                found[entity] = UNKNOWN
        return found

    def version_of(self, entity: str) -> int | None:
        """The entry's version after an import of an earlier run."""
        return self._over.get(entity)

    def is_usable(self) -> bool:
        """Looks once in a run, before the first import is planned; makes no container yet."""
        if self._is_usable and self._may_fall_back and not self._was_looked_at:
            self._was_looked_at = True
            try:
                self._client.has_container(self._container)
            except RunStopped as error:
                self._fall_back(error)
        return self._is_usable

    def _fall_back(self, error: RunStopped) -> None:
        """From now on nothing is imported; said once. Raises the error where that is no way out."""
        if not self._may_fall_back or error.problem.code not in UNUSABLE:
            raise error
        with self._lock:
            if self._is_usable:
                self._is_usable = False
                log.warning(
                    "%s: the Import API cannot be used, so this run writes one entry at a time: %s; %s",
                    error.problem.code,
                    error.problem.message,
                    error.problem.hint,
                    extra={"job": "inventory", "code": error.problem.code},
                )

    def wanted_otherwise(self, entity: str) -> None:
        """Another quantity is wanted by now: the entry is compared again when it is settled."""
        self._outdated.add(entity)

    # ---- writing ---------------------------------------------------------------------------------

    def intend(self, store: Store, writes: Sequence[ImportEntry], now: datetime) -> None:
        """From now on these entries may be under way."""
        for write in writes:
            self._over.pop(write.entity, None)
            self._outdated.discard(write.entity)
        container = self._numbered(1 + self._intended // IN_ONE_CONTAINER_MAX)
        if container != self._writing_to:
            if self._newest is not None:
                count = self._intended - self._begun_with
                self._ahead.container_is_full(self._writing_to, count, self._newest.operation_id)
            self._writing_to, self._begun_with = container, self._intended
            # A worker makes it while others still write to the one before. Should that fail, `write` is told
            # when it tries.
            self._submit(self._ensure_container, container)
        self._intended += len(writes)
        self._container_of.update((write.entity, container) for write in writes)
        store.add_imports(
            PendingImport(write.entity, write.key, write.quantity, container, "", now) for write in writes
        )

    def _numbered(self, number: int) -> str:
        return self._container if number == 1 else f"{self._container}-{number}"

    def write(self, plans: Sequence[Plan]) -> list[Outcome]:
        """One request. Raises Retriable when the API does not answer again and again."""
        writes: list[ImportEntry] = [plan.writes[0] for plan in plans]
        container = self._container_of[plans[0].entity]
        if not self._is_usable:
            return [self._not_sent(plan) for plan in plans]
        try:
            self._ensure_container(container)
        except RunStopped as error:
            self._fall_back(error)
            return [self._not_sent(plan) for plan in plans]
        try:
            # Forbidden here, part of it may have been taken in: that is for the next run to find out.
            statuses = self._client.import_entries(container, [write.body for write in writes])
        except OutcomeUnknown as error:
            # Not sent again: of two imports of one entry nobody knows which is worked off first.
            with self._lock:
                self._unanswered += 1
                if self._unanswered >= UNANSWERED_MAX:
                    raise Retriable(error.problem) from error
            statuses = [OperationStatus("", "")] * len(writes)
        else:
            with self._lock:
                self._unanswered = 0
        now = self._clock.now()
        return [
            self._outcome(plan, write, status, now)
            for plan, write, status in zip(plans, writes, statuses, strict=True)
        ]

    def _ensure_container(self, container: str) -> None:
        if container in self._ready:
            return  # whoever writes there does not wait for one that is being made
        with self._making:
            if container not in self._ready:
                self._client.ensure_container(container)
                self._ready.add(container)

    def _not_sent(self, plan: Plan) -> Outcome:
        return Outcome(plan.entity, plan.label, "pending", state=Unsent())

    def _outcome(self, plan: Plan, write: ImportEntry, status: OperationStatus, now: datetime) -> Outcome:
        if status.state == VALIDATION_FAILED:
            return refused_import(plan.entity, status.errors)
        container = self._container_of[plan.entity]
        row = PendingImport(plan.entity, write.key, write.quantity, container, status.operation_id, now)
        done = f"{write.action} {write.subject}"
        return Outcome(
            plan.entity,
            plan.label,
            "pending",
            reason=done,
            state=Accepted(row, plan.state.mark),
            writes=(f"{done}: {write.summary}",),
        )

    # ---- what became of it -----------------------------------------------------------------------

    def record(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        """In the transaction of these outcomes."""
        accepted = [outcome.state for outcome in outcomes if isinstance(outcome.state, Accepted)]
        store.add_imports(each.row for each in accepted)
        for each in accepted:
            self._under_way[each.row.entity] = each.mark
            self._followed.add(each.row.entity)
            if each.row.operation_id:
                self._newest = each.row
                self._entity_of[each.row.operation_id] = each.row.entity
                self._sent_to[each.row.container] += 1
        over = [
            outcome.entity
            for outcome in outcomes
            if isinstance(outcome.state, Ended)
            or (outcome.kind != "pending" and outcome.entity in self._over)
        ]
        unsent = [outcome.entity for outcome in outcomes if isinstance(outcome.state, Unsent)]
        self._unsent.update(unsent)
        store.settle_imports([*over, *unsent])
        for entity in over:
            self._under_way.pop(entity, None)
            self._over.pop(entity, None)
            self._followed.discard(entity)

    def settled_meanwhile(self) -> list[Outcome]:
        """Of the imports of this run those that are known to be done, before anybody waits for them."""
        return self._outcomes_of(self._ahead.operations())

    def _outcomes_of(self, operations: Iterable[Operation]) -> list[Outcome]:
        outcomes = []
        for operation in operations:
            entity = self._entity_of.get(operation.id, "")
            if operation.state != IMPORTED or entity in self._outdated or entity in self._over:
                continue
            mark = self._under_way.pop(entity, None)  # a listing can have an operation twice
            if mark is not None:
                self.last_seen_done_s = self._clock.monotonic()
                outcomes.append(_done(mark, operation))
        return outcomes

    def settle(self, store: Store, *, last: bool) -> Settled:
        """See engine.job.Job. Follows imports for `inventory.import_wait_seconds` in all."""
        first, self._begun = not self._begun, True
        if not (first or last):
            return Settled()
        if last and (outcomes := self._outcomes_of(self._ahead.rest())):
            return Settled(outcomes, wait_s=0.0)  # written down before the others are asked for
        found = _Found()
        rows: list[PendingImport] = []
        try:
            if last and self._is_early() and (wait_s := self._pause(True)) is not None:
                return Settled(wait_s=wait_s)
            rows = self._open_rows(store)
            found.again.update(dict.fromkeys(self._unsent))
            self._unsent.clear()
            if self._is_usable:
                rows = self._follow(store, rows, found, first=first)
        except RunStopped as error:
            self._fall_back(error)
        if not self._is_usable:
            told = found.again.keys() | {outcome.entity for outcome in found.outcomes}
            old = [row for row in self._open_rows(store) if self._clock.now() - row.at >= LOST_AFTER]
            found.outcomes += [lost_import(row.entity, None) for row in old if row.entity not in told]
            rows = []  # nothing to wait for
        self._over.update(found.again)
        return Settled(found.outcomes, list(found.again), self._pause(bool(rows)) if last else None)

    def _open_rows(self, store: Store) -> list[PendingImport]:
        return [row for row in store.open_imports() if row.entity not in self._over]

    def _follow(
        self, store: Store, rows: list[PendingImport], found: _Found, *, first: bool
    ) -> list[PendingImport]:
        """Asks what became of these; gives the ones that are worth waiting for."""
        if first and self._may_be_others:
            self._followed.update(row.entity for row in rows)  # the run that sent them did not
        if self._may_be_others or any(not row.operation_id for row in rows):
            rows = self._look_for(store, rows, found)
        if not first:
            rows = [row for row in rows if row.entity in self._followed]
        if rows:
            rows = self._sort_out(store, rows, found)
            waited_for = (row for row in rows if row.entity in self._followed)
            self._newest = max(waited_for, key=lambda row: row.at, default=None)
        return rows

    def _look_for(self, store: Store, rows: list[PendingImport], found: _Found) -> list[PendingImport]:
        """Gives the rows without operation theirs where it is still open; the others are not under way."""
        unknown = [row for row in rows if not row.operation_id]
        if unknown:
            age = self._clock.now() - max(row.at for row in unknown)
            self._clock.sleep(LATE_S - age.total_seconds())
        containers = dict.fromkeys(row.container for row in unknown)
        if self._may_be_others:
            containers.update(dict.fromkeys(self._containers()))
        by_key: dict[str, Operation] = {}
        for container in containers:
            for operation in self._client.read_open_operations(container):
                by_key.setdefault(operation.resource_key, operation)
                if self._may_be_others:
                    self._others[operation.resource_key] = (container, operation.id)
        if self._may_be_others:
            for row in rows:
                self._others.pop(row.key, None)
            self._may_be_others = False
        adopted = {
            row.entity: replace(row, operation_id=by_key[row.key].id) for row in unknown if row.key in by_key
        }
        store.add_imports(adopted.values())
        self._followed.update(adopted)
        found.again.update((row.entity, None) for row in unknown if row.entity not in adopted)
        return [adopted.get(row.entity, row) for row in rows if row.operation_id or row.entity in adopted]

    def _containers(self) -> Iterator[str]:
        """Those of ours that there are."""
        yield self._container
        number = 2
        while self._client.has_container(self._numbered(number)):
            yield self._numbered(number)
            number += 1

    def _is_early(self) -> bool:
        """The one taken in last is not done, and there is time left to wait for it: so many need not be asked
        for one by one, nor be read from the state file."""
        if self._newest is None or self._unsent or not self._is_usable:
            return False
        if self._wait_until_s is not None and self._clock.monotonic() >= self._wait_until_s:
            return False
        operation = self._client.read_operation(self._newest.operation_id)
        if operation is not None and operation.is_open:
            return True
        self._newest = None
        return False

    def _sort_out(self, store: Store, rows: Sequence[PendingImport], found: _Found) -> list[PendingImport]:
        """What became of these; gives the ones that are still under way."""
        operations, all_listed = self._read_operations(rows)
        now, now_s = self._clock.now(), self._clock.monotonic()
        left: list[PendingImport] = []
        failed: list[PendingImport] = []
        for row in rows:
            operation = operations.get(row.operation_id)
            if operation is None and all_listed:
                found.again[row.entity] = None  # gone with its container, or not to be listed any more
            elif operation is None or operation.is_open:
                if now - row.at < LOST_AFTER:
                    left.append(row)
                else:
                    found.outcomes.append(lost_import(row.entity, operation))
            elif operation.state != IMPORTED:
                failed.append(row)
                found.outcomes.append(refused_import(row.entity, operation.errors, operation.state))
            else:
                self.last_seen_done_s = now_s
                mark = self._under_way.get(row.entity)
                if mark is None or row.entity in self._outdated:
                    found.again[row.entity] = operation.resource_version
                    continue
                found.outcomes.append(_done(mark, operation))
        # Should they stop the run, the next one compares these entries and does not hear of them again.
        store.add_imports(replace(row, operation_id="") for row in failed)
        return left

    def _read_operations(self, rows: Sequence[PendingImport]) -> tuple[dict[str, Operation], bool]:
        """By id; and whether one that is not among them is surely not open."""
        by_container: dict[str, list[str]] = {}
        for row in rows:
            by_container.setdefault(row.container, []).append(row.operation_id)
        listed = self._client.read_operations(by_container, filled=self._sent_to, at_once=self._at_once)
        operations = {each.id: each for each in listed}
        all_listed = True
        for container, ids in by_container.items():
            if any(each not in operations for each in ids):
                still_open = self._client.read_open_operations(container)
                operations.update((each.id, each) for each in still_open)
                all_listed &= len(still_open) < LISTED_MAX
        return operations, all_listed

    def _at_once(self, call: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
        """By the workers, who have nothing else to do when imports are followed."""
        futures = [self._submit(call, value) for value in values]
        return [future.result() for future in futures]

    def _pause(self, is_any_left: bool) -> float | None:
        now_s = self._clock.monotonic()
        if self._wait_until_s is None:
            self._wait_until_s = now_s + self._wait_s
        if not is_any_left or now_s >= self._wait_until_s:
            return None
        pause_s = min(self._pause_s, self._wait_until_s - now_s)
        self._pause_s = min(2 * self._pause_s, WAIT_MAX_S)
        return pause_s


def _done(mark: EntryMark, operation: Operation) -> Outcome:
    ended = Ended(EntryMark(mark.entity, mark.quantity, operation.resource_version, mark.figure_at))
    return Outcome(mark.entity, label_of(mark.entity), "written", attempted=True, state=ended)


@dataclass(slots=True)
class _Found:
    """What one look at the operations came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    again: dict[str, int | None] = field(default_factory=dict)
    """Entity -> the version of its entry, where known."""
