"""The queue of changes that were set aside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ct_mao_sync.errors import Problem
from ct_mao_sync.state.retry_schedule import MAPPING_CODES, plan_retry
from ct_mao_sync.state.store import DeadLetter, Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.db") as opened:
        yield opened


def put(
    store: Store,
    code: str = "target-refused",
    entity: str = "id-1",
    at: datetime = NOW,
    version: int = 1,
    mapping: str = "m1",
    job: str = "orders",
) -> DeadLetter:
    problem = Problem(code, f"{entity} failed", "field", "do this", {"status": 400, "remote": "manhattan"})
    return store.put_dead_letter(
        job=job,
        entity=entity,
        label=entity.replace("id", "N"),
        problem=problem,
        version=version,
        mapping_digest=mapping,
        at=at,
        run="r1",
    )


def test_an_entry_holds_everything_needed_to_understand_it(store: Store) -> None:
    letter = put(store)

    assert store.dead_letter(letter.id) == letter
    assert (letter.job, letter.entity, letter.label, letter.run) == ("orders", "id-1", "N-1", "r1")
    assert (letter.code, letter.message, letter.field) == ("target-refused", "id-1 failed", "field")
    assert (letter.hint, letter.context) == ("do this", {"status": 400, "remote": "manhattan"})
    assert (letter.kind, letter.state, letter.tries) == ("permanent", "open", 1)
    assert letter.first_at == letter.last_at == NOW


def test_one_entity_has_one_entry_that_keeps_its_number(store: Store) -> None:
    first = put(store)
    put(store, entity="id-2")
    again = put(store, "sku-unmapped", at=NOW + HOUR)

    assert again.id == first.id
    assert (again.tries, again.code) == (2, "sku-unmapped")
    assert (again.first_at, again.last_at) == (NOW, NOW + HOUR)
    assert len(store.dead_letters()) == 2


def test_a_number_is_never_given_twice(store: Store) -> None:
    first = put(store)
    store.close_dead_letters("orders", {"id-1": 0}, run="r2", at=NOW)

    assert put(store).id != first.id


def test_the_queue_can_be_narrowed(store: Store) -> None:
    put(store, "sku-unmapped", "id-1")
    put(store, "target-refused", "id-2")
    put(store, "sku-unmapped", "id-3", job="status")

    assert [letter.entity for letter in store.dead_letters(job="orders")] == ["id-1", "id-2"]
    assert [letter.entity for letter in store.dead_letters(code="sku-unmapped")] == ["id-1", "id-3"]
    assert [letter.entity for letter in store.dead_letters(entity="id-2")] == ["id-2"]
    assert [letter.entity for letter in store.dead_letters(entity="N-2")] == ["id-2"]
    assert store.dead_letters(job="orders", code="sku-unmapped", entity="N-2") == []
    assert store.count_dead_letters() == {
        ("orders", "sku-unmapped"): 1,
        ("orders", "target-refused"): 1,
        ("status", "sku-unmapped"): 1,
    }


@pytest.mark.parametrize(("version", "closes"), [(0, True), (2, False), (3, True), (4, True)])
def test_a_late_read_of_an_older_version_settles_nothing(store: Store, version: int, closes: bool) -> None:
    put(store, version=3)

    store.close_dead_letters("orders", {"id-1": version}, run="r2", at=NOW)

    assert (store.dead_letters() == []) is closes


def test_success_closes_the_entry_and_leaves_a_trace(store: Store) -> None:
    letter = put(store)
    put(store, job="status")

    assert store.close_dead_letters("orders", {"id-1": 0, "never failed": 0}, run="r2", at=NOW) == 1
    assert [left.job for left in store.dead_letters()] == ["status"]
    (event,) = store.events("N-1")
    assert (event.run, event.action, event.subject, event.detail) == (
        "r2",
        "close",
        f"error {letter.id}",
        "target-refused",
    )


# --- trying again ----------------------------------------------------------------------------------


def test_a_transient_one_is_tried_ten_times_with_growing_delays_and_then_stays(store: Store) -> None:
    at, delays = NOW, []
    letter = put(store, "target-failed", at=at)
    while letter.next_try_at is not None:
        delays.append(letter.next_try_at - at)
        at = letter.next_try_at
        letter = put(store, "target-failed", at=at)

    minutes = [int(delay / timedelta(minutes=1)) for delay in delays]
    assert minutes == [1, 5, 15, 60, 120, 240, 480, 720, 1440, 1440]
    assert letter.kind == "permanent"
    assert store.due_dead_letters("orders", NOW + timedelta(days=99), "m1") == []


def test_a_transient_one_is_due_when_its_time_has_come(store: Store) -> None:
    put(store, "conflict")

    assert store.due_dead_letters("orders", NOW + timedelta(seconds=59), "m1") == []
    assert [
        letter.entity for letter in store.due_dead_letters("orders", NOW + timedelta(seconds=60), "m1")
    ] == ["id-1"]
    assert store.due_dead_letters("status", NOW + HOUR, "m1") == []


@pytest.mark.parametrize("code", ["cancel-refused", "order-locked"])
def test_what_closes_by_itself_is_looked_at_every_six_hours_for_ten_days(code: str) -> None:
    planned = [plan_retry(code, tries, NOW) for tries in range(1, 42)]

    assert {kind for kind, _ in planned[:40]} == {"transient"}
    assert {at for _, at in planned[:40]} == {NOW + 6 * HOUR}
    assert planned[40] == ("permanent", None)


@pytest.mark.parametrize(
    "code",
    ["order-not-found", "target-refused", "source-invalid", "order-id-taken", "base-unknown", "new-code"],
)
def test_a_permanent_one_waits_for_a_person(store: Store, code: str) -> None:
    assert put(store, code).next_try_at is None
    assert store.due_dead_letters("orders", NOW + timedelta(days=99), "another mapping") == []


@pytest.mark.parametrize("code", sorted(MAPPING_CODES))
def test_a_mapping_one_is_due_as_soon_as_the_mapping_is_another(store: Store, code: str) -> None:
    put(store, code, mapping="m1")

    assert store.due_dead_letters("orders", NOW + timedelta(days=99), "m1") == []
    assert len(store.due_dead_letters("orders", NOW, "m2")) == 1
    put(store, code, mapping="m2")
    assert store.due_dead_letters("orders", NOW, "m2") == [], "it failed under this one too"


def test_a_newer_version_at_the_source_gets_all_its_tries(store: Store) -> None:
    for _ in range(11):
        worn = put(store, "target-failed", version=1)
    fresh = put(store, "target-failed", version=2)

    assert (worn.kind, fresh.kind, fresh.tries, fresh.version) == ("permanent", "transient", 1, 2)


def test_the_job_can_name_a_wait_that_the_code_does_not(store: Store) -> None:
    assert plan_retry("line-not-found", 1, NOW, "transient") == ("transient", NOW + timedelta(minutes=1))
    assert plan_retry("target-failed", 1, NOW, "permanent") == ("permanent", None)


# --- discarding ------------------------------------------------------------------------------------


def test_a_discarded_one_is_out_of_sight_and_never_due(store: Store) -> None:
    letter = put(store, "target-failed")

    discarded = store.discard(letter.id, "sold in the shop", at=NOW)

    assert discarded is not None
    assert (discarded.state, discarded.reason) == ("discarded", "sold in the shop")
    assert store.dead_letters() == []
    assert [entry.id for entry in store.dead_letters(include_discarded=True)] == [letter.id]
    assert store.due_dead_letters("orders", NOW + timedelta(days=1), "m2") == []
    assert store.count_dead_letters() == {}
    assert [event.action for event in store.events("id-1")] == ["discard"]
    assert store.discard(999, "no such number", at=NOW) is None


def test_a_discarded_one_stays_so_until_the_source_changes(store: Store) -> None:
    letter = put(store, version=3)
    store.discard(letter.id, "why", at=NOW)

    same = put(store, version=3, at=NOW + HOUR)
    newer = put(store, version=4, at=NOW + 2 * HOUR)

    assert (same.state, same.reason) == ("discarded", "why")
    assert (newer.id, newer.state, newer.reason) == (letter.id, "open", "")
    assert (newer.tries, newer.first_at) == (1, NOW)


# --- already known to be dead ----------------------------------------------------------------------


def test_a_change_that_is_known_to_be_dead_is_recognised(store: Store) -> None:
    put(store, version=3, mapping="m1")

    letter = store.waiting("orders", ["id-1", "id-2"])["id-1"]

    assert letter.covers(3, "m1")
    assert letter.covers(2, "m1")
    assert not letter.covers(4, "m1"), "the source has changed"
    assert not letter.covers(3, "m2"), "the mapping has changed"


def test_a_discarded_change_is_passed_over_under_any_mapping(store: Store) -> None:
    store.discard(put(store, version=3).id, "why", at=NOW)

    letter = store.waiting("orders", ["id-1"])["id-1"]

    assert letter.covers(3, "m2")
    assert not letter.covers(4, "m1")


def test_a_source_without_versions_is_looked_at_again(store: Store) -> None:
    put(store, version=0)

    assert not store.waiting("orders", ["id-1"])["id-1"].covers(0, "m1")
