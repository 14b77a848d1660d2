"""Imports of a full container are settled while the next one is written to, as far as they are done."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ct_mao_sync.clients.commercetools_import import Operation
from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.executor import Inline
from ct_mao_sync.jobs.inventory_import_ahead import ImportsAhead


@dataclass
class Listed:
    """A container of two pages."""

    state: str = "processing"
    asked: list[str] = field(default_factory=list)
    broken: bool = False

    def read_operation(self, operation_id: str) -> Operation | None:
        self.asked.append(operation_id)
        return Operation(operation_id, "key", self.state)

    def pages_of(self, count: int) -> range:
        return range(0, count, 500)

    def read_page(self, container: str, offset: int) -> list[Operation]:
        self.asked.append(f"{container} {offset}")
        if self.broken and offset:
            raise RuntimeError("no answer")
        return [Operation(f"op-{offset}", "key", self.state)]


def ahead_of(listed: Any) -> tuple[ImportsAhead, SimulatedClock]:
    clock = SimulatedClock(datetime(2026, 11, 27, tzinfo=UTC))
    return ImportsAhead(listed, clock=clock, submit=Inline().submit), clock


def ids(operations: Any) -> list[str]:
    return [each.id for each in operations]


def test_nothing_is_listed_before_the_newest_import_of_the_container_is_done() -> None:
    listed = Listed()
    ahead, clock = ahead_of(listed)
    assert ids(ahead.operations()) == []
    ahead.container_is_full("stock", 1_000, "newest")

    for _ in range(6):
        assert ids(ahead.operations()) == []
        clock.advance(0.5)

    assert set(listed.asked) == {"newest"}
    assert len(listed.asked) <= 3, "not more often than once in a second"


def test_a_page_at_a_time_is_given_and_each_once() -> None:
    listed = Listed("imported")
    ahead, clock = ahead_of(listed)
    ahead.container_is_full("stock", 1_000, "newest")
    clock.advance(1)

    given = [ids(ahead.operations()) for _ in range(5)]

    assert [each for each in given if each] == [["op-0"], ["op-500"]]
    assert listed.asked == ["newest", "stock 0", "stock 500"]
    assert ids(ahead.rest()) == []


def test_the_rest_is_given_at_the_end_and_a_page_that_failed_is_left_to_others() -> None:
    listed = Listed("imported", broken=True)
    ahead, clock = ahead_of(listed)
    ahead.container_is_full("stock", 1_000, "newest")
    clock.advance(1)
    ids(ahead.operations())  # asks whether the newest is done
    given = ids(ahead.operations())  # asks for the pages

    assert given + ids(ahead.rest()) == ["op-0"]
    assert ids(ahead.rest()) == []


def test_at_the_end_nothing_new_is_begun() -> None:
    listed = Listed("imported")
    ahead, clock = ahead_of(listed)
    ahead.container_is_full("stock", 1_000, "newest")
    assert ids(ahead.rest()) == []
    clock.advance(5)

    assert ids(ahead.operations()) == []
    assert listed.asked == []


def test_a_read_that_is_not_done_is_not_waited_for() -> None:
    waiting: Future[Any] = Future()
    clock = SimulatedClock(datetime(2026, 11, 27, tzinfo=UTC))
    listed: Any = Listed()
    ahead = ImportsAhead(listed, clock=clock, submit=lambda *_: waiting)
    ahead.container_is_full("stock", 1_000, "newest")
    clock.advance(1)

    assert [ids(ahead.operations()) for _ in range(3)] == [[], [], []]
