"""One page of changes: guard, plan, apply, and commit what came of it.

The main thread owns the state; workers plan and write and never touch it. While the records of one page
are applied, the next page and its targets are read, and its first records follow when the last ones of this
page leave workers idle. Records that have to wait for their time hold up neither: see engine.late.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from ct_mao_sync.engine.clock import Clock
from ct_mao_sync.engine.commit import Committer
from ct_mao_sync.engine.executor import Executor
from ct_mao_sync.engine.failures import HeldFailures
from ct_mao_sync.engine.gate import Gate
from ct_mao_sync.engine.intake import outcome_of
from ct_mao_sync.engine.job import Job
from ct_mao_sync.engine.late import Late, LateRecord
from ct_mao_sync.engine.page import Again, Group, Prepared
from ct_mao_sync.engine.report import Progress, RunReport
from ct_mao_sync.engine.values import Desired, Outcome, Settled
from ct_mao_sync.engine.worker import Worker
from ct_mao_sync.errors import SyncError

INTENDED_AT_ONCE = 50
"""Groups whose coming writes are remembered in one transaction."""


@dataclass(slots=True)
class Processor:
    """Applies pages for one run."""

    job: Job
    store: Any
    clock: Clock
    executor: Executor
    gate: Gate
    committer: Committer
    report: RunReport
    allow: frozenset[str] = frozenset()
    progress: Progress | None = None
    stopping: Callable[[], bool] = lambda: False
    rng: random.Random = field(default_factory=random.Random)
    _pending: dict[str, int] = field(default_factory=dict)
    """Entities that this run has counted as pending, and how often."""
    _rejected: dict[str, str] = field(default_factory=dict)
    """Entities that this run has rejected, and the code."""
    _totals: dict[str, int] = field(default_factory=dict)
    _failures: HeldFailures = field(init=False)
    _worker: Worker = field(init=False)
    _running: dict[Future[Any], Prepared] = field(default_factory=dict)
    """Groups that a worker has, of this page and of the next one."""
    _done: SimpleQueue[Future[Any]] = field(default_factory=SimpleQueue)
    """In the order of completion."""
    late: Late = field(default_factory=Late)

    def __post_init__(self) -> None:
        self._failures = HeldFailures(self.job.name, self.job.target)
        self._worker = Worker(self.job, self.clock, self.gate, self.rng)

    # ---- applying --------------------------------------------------------------------------------

    def apply(self, page: Prepared, read_ahead: Callable[[], Prepared | None] = lambda: None) -> None:
        """Apply a prepared page and commit its outcomes. `read_ahead` is called whenever something completes,
        goes on with the next page and gives it when it is prepared. Late records stay, unless it is time.

        Raises the error of a system that is in trouble; what was done until then is committed.
        """
        self._begin(page)
        self._work_off(page, read_ahead)

    def apply_late(self) -> None:
        """Waits for the late records, and applies them."""
        while len(self.late) and not self.stopping():
            self.clock.sleep(self.late.due_s - self.clock.monotonic())
            self._work_off(Prepared(begun=True), lambda: None)

    def drain(self) -> None:
        """The pass ends here: what workers have in hand is finished and committed, nothing else is begun, and
        late records are left to the next run."""
        try:
            self._work_off(Prepared(begun=True), lambda: None, halted=True)
        finally:
            self.late = Late()

    def _work_off(
        self, page: Prepared, read_ahead: Callable[[], Prepared | None], *, halted: bool = False
    ) -> None:
        trouble: Exception | None = None
        while True:
            halt = halted or trouble is not None or self.stopping()
            try:
                following = read_ahead()
                if not halt:
                    self._feed(page, following)
            except SyncError as error:
                trouble = trouble or error
                halt = True
            if halt:
                self._running = {f: of for f, of in self._running.items() if not f.cancel()}
            if not (self._running if halt else page.fresh or page.queue or page.under_way):
                break
            for future in self._completed():
                of = self._running.pop(future, None)
                if of is None:
                    continue  # read ahead, or cancelled
                of.under_way -= 1
                try:
                    for result in future.result():
                        if isinstance(result, Again):
                            self._once_more(of, result)
                        else:
                            self._take(result)
                except Exception as error:  # also our own bug: first finish and commit what is done
                    trouble = trouble or error
            for outcome in self.job.settled_meanwhile():
                self._take_settled(outcome)
            self.committer.commit_if_due()
            if self.progress:
                self.progress(self.report)
        self.committer.commit()
        if trouble:
            raise trouble

    def wake_when_done(self, future: Future[Any]) -> None:
        """`apply` looks at what was read ahead as soon as this is done."""
        future.add_done_callback(self._done.put)

    def _completed(self) -> list[Future[Any]]:
        """Waits, for half a second at most, until something is done; all that is done by then."""
        done: list[Future[Any]] = []
        try:
            done.append(self._done.get(timeout=0.5))
            while True:
                done.append(self._done.get_nowait())
        except Empty:
            return done

    def _begin(self, page: Prepared) -> None:
        """What is known without a look at the target, and what is held back; the rest in groups."""
        if page.failed:
            raise page.failed
        if page.begun:
            return
        page.begun = True
        for outcome in page.outcomes:
            self._take(outcome)
        self._read_stale_again(page)
        self.late.forget(page.entities)
        self.late.add(
            LateRecord(
                w, page.targets.get(w.entity), page.bases.get(w.entity), page.due[w.entity], page.number
            )
            for w in page.wanted
            if w.entity in page.due
        )
        at_once = [w for w in page.wanted if w.entity not in page.due]
        self._begin_some(page, at_once, page.targets, page.bases)
        page.wanted, page.targets, page.bases, page.outcomes = [], {}, {}, []  # each goes with its group

    def _read_stale_again(self, page: Prepared) -> None:
        """Targets that may have been read just before the page before this one wrote them."""
        stale = [wanted for wanted in page.wanted if wanted.entity in page.read_beside]
        if stale:
            page.bases = {**page.bases, **self.job.load_bases(self.store, [w.entity for w in stale])}
            page.targets = {**page.targets, **self.job.read_targets(stale, page.bases)}
            page.due = {**page.due, **self.job.due(stale, page.targets)}

    def _begin_late(self, page: Prepared) -> None:
        """Late records whose time has come go along with this page."""
        due = self.late.take_due(self.clock.monotonic())
        page.entities.update(each.wanted.entity for each in due)
        page.number = min([page.number, *(each.page for each in due)])
        first = [each for each in due if not each.tries]
        self._begin_some(
            page,
            [each.wanted for each in first],
            {each.wanted.entity: each.target for each in first},
            {each.wanted.entity: each.base for each in first},
        )
        page.queue.extend(self._begin_again(each) for each in due if each.tries)

    def _begin_some(
        self,
        page: Prepared,
        records: Sequence[Desired],
        targets: Mapping[str, Any],
        bases: Mapping[str, Any],
    ) -> None:
        targets = self.job.complete_targets(self.store, records, targets)
        held = self.job.guard([(w, targets.get(w.entity)) for w in records], self._totals, self.allow)
        ready: list[Desired] = []
        for wanted in records:
            if wanted.entity in held:
                self.report.held_back += wanted.entity not in self._rejected
                self._take(outcome_of(wanted, "rejected", rejection=held[wanted.entity]))
            else:
                ready.append(wanted)
        groups = self.job.groups([(wanted, targets.get(wanted.entity)) for wanted in ready])
        if sorted(w.entity for group in groups for w in group) != sorted(w.entity for w in ready):
            raise RuntimeError(f"the groups of {self.job.name} are not the records of the page")
        page.fresh.extend(
            Group(
                group,
                {w.entity: targets.get(w.entity) for w in group},
                {w.entity: bases.get(w.entity) for w in group},
                0,
            )
            for group in groups
        )

    def _feed(self, page: Prepared, following: Prepared | None) -> None:
        """Keeps the workers busy: with this page, and when all of it is written down, with the next one."""
        self._submit(page)
        if page.fresh:
            return
        is_time = len(self.late) > 0 and self.late.due_s <= self.clock.monotonic()
        begins = following is not None and not following.begun and self._may_overlap(page, following)
        if is_time or begins:
            self._submit(page, room=len(page.queue))  # beginning takes as long as some requests
        if is_time:
            self._begin_late(page)
            self._submit(page)
        elif following is not None and not following.failed and (begins or following.begun):
            try:
                self._begin(following)
            except SyncError as error:
                following.failed = error
            if not page.queue:
                self._submit(following)

    def _may_overlap(self, page: Prepared, following: Prepared) -> bool:
        """Not where it needs to know what becomes of a record that both have."""
        return following.may_overlap and page.entities.isdisjoint(following.entities)

    def _submit(self, page: Prepared, *, room: int | None = None) -> None:
        """`room`: so many groups, however many the workers have already."""
        if room is None:
            room = 2 * self.executor.workers - len(self._running)
        if page.fresh and len(page.queue) < room:
            page.queue.extend(self._intend_some(page.fresh))
        for _ in range(min(room, len(page.queue))):
            future = self.executor.submit(self._worker.work, page.queue.popleft())
            self._running[future] = page
            page.under_way += 1
            future.add_done_callback(self._done.put)

    def finish_page(self) -> None:
        """At the end of a page: failures with no success after them are the records' own when one read
        of the target goes well. Raises otherwise."""
        if len(self._failures):
            self.job.probe()
            for outcome in self._failures.release():
                self._settle(outcome)

    def settle(self, settled: Settled) -> None:
        """Pending writes of this run, or of an earlier one, are settled; commits what became of them."""
        for outcome in settled.outcomes:
            self._take_settled(outcome)
        for entity in settled.again:
            self._take_back_pending(entity)  # it is going to be counted as what it is then
        self.finish_page()
        self.committer.commit()

    def _take_settled(self, outcome: Outcome) -> None:
        seen = self._take_back_pending(outcome.entity)
        self.report.counts["unchanged"] += max(0, seen - 1)  # looked at while it was on its way
        self._take(outcome)

    def _take_back_pending(self, entity: str) -> int:
        seen = self._pending.pop(entity, 0)
        self.report.counts["pending"] -= seen
        return seen

    def _intend_some(self, fresh: deque[Group]) -> list[Group]:
        """Takes the next groups: as many as can be written down without keeping the workers waiting."""
        taken = [fresh.popleft() for _ in range(min(len(fresh), INTENDED_AT_ONCE))]
        self._intend([(w, group.targets.get(w.entity)) for group in taken for w in group.wanted])
        return taken

    def _intend(self, wanted: Sequence[tuple[Desired, Any]]) -> None:
        if not wanted or self.gate.dry_run:
            return
        with self.store.atomic():
            if self.job.skips_by_digest:
                # Until the outcome is known nobody knows what the target has: were the source to go back
                # to the state applied last, its key must not hide a write that arrived without an answer.
                self.store.forget_processed(self.job.name, [desired.entity for desired, _ in wanted])
            self.job.intend(self.store, wanted, self.clock.now())

    def _once_more(self, page: Prepared, again: Again) -> None:
        """Main thread: what was on its way is part of the base now."""
        wanted = again.wanted
        base = self.job.load_bases(self.store, [wanted.entity]).get(wanted.entity)
        due_s = self.job.due([wanted], {wanted.entity: again.target}).get(wanted.entity, 0.0)
        record = LateRecord(wanted, again.target, base, due_s, page.number, again.tries, again.done)
        if due_s:
            self.late.add([record])
        else:
            page.queue.append(self._begin_again(record))

    def _begin_again(self, record: LateRecord) -> Group:
        wanted = record.wanted
        targets = self.job.complete_targets(self.store, [wanted], {wanted.entity: record.target})
        self._intend([(wanted, targets[wanted.entity])])
        return Group([wanted], targets, {wanted.entity: record.base}, record.tries, record.done)

    # ---- outcomes --------------------------------------------------------------------------------

    def _take(self, outcome: Outcome) -> None:
        if outcome.target_failure:
            self._failures.failed(outcome)
            return
        self._settle(outcome)
        if outcome.kind in ("written", "pending"):
            for held in self._failures.succeeded():
                self._settle(held)

    def _settle(self, outcome: Outcome) -> None:
        if self._is_known_rejection(outcome):
            return
        if outcome.kind == "pending":
            self._pending[outcome.entity] = self._pending.get(outcome.entity, 0) + 1
        self.report.add(outcome)
        self.committer.add(outcome)

    def _is_known_rejection(self, outcome: Outcome) -> bool:
        """Met by a further pass of this run, and rejected for the same reason: a record is told, counted and
        set aside once. Where something was done besides, that has to be written down."""
        if outcome.rejection is None or not outcome.entity:
            return False
        known = self._rejected.get(outcome.entity)
        self._rejected[outcome.entity] = outcome.rejection.code
        return known == outcome.rejection.code and outcome.state is None and not outcome.writes
