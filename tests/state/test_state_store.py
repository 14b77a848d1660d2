"""What the state remembers, by its names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ct_mao_sync.engine.rows import from_text, to_text
from ct_mao_sync.errors import Problem
from ct_mao_sync.state.store import Checkpoint, Event, Processed, Sending, Store

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.db") as opened:
        yield opened


def applied(entity: str, digest: str = "d1", at: datetime = NOW) -> Processed:
    return Processed(entity, digest, 1, "run-1", at)


# --- moments ---------------------------------------------------------------------------------------


def test_the_order_of_stored_moments_is_the_order_of_time() -> None:
    moments = [
        NOW,
        NOW + timedelta(microseconds=1),
        NOW.replace(microsecond=120000),
        NOW + timedelta(days=400),
    ]
    moments.append(NOW.astimezone(timezone(timedelta(hours=-5))) + timedelta(seconds=1))

    assert [from_text(text) for text in sorted(map(to_text, moments))] == sorted(moments)
    assert {len(to_text(moment)) for moment in moments} == {27}


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_text(NOW.replace(tzinfo=None))


# --- checkpoints -----------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_as_it_was_saved(store: Store) -> None:
    checkpoint = Checkpoint(NOW, NOW - timedelta(minutes=2), NOW + timedelta(microseconds=5), "id-9", "sel")

    store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW - timedelta(days=1)))
    store.save_checkpoint("orders", "window:orders", checkpoint)
    store.save_checkpoint("orders", "window:payments", Checkpoint())

    assert store.checkpoint("orders", "window:orders") == checkpoint
    assert store.checkpoint("orders", "window:payments") == Checkpoint()
    assert store.checkpoint("status", "window:orders") is None
    assert list(store.checkpoints()) == [("orders", "window:orders"), ("orders", "window:payments")]


# --- processed -------------------------------------------------------------------------------------


def test_only_the_last_state_applied_counts(store: Store) -> None:
    """A, then B, then A again must be applied again: "seen once before" is not enough."""
    store.record_processed("orders", [applied("a", "A")])
    store.record_processed("orders", [applied("a", "B")])

    assert store.digests("orders", ["a", "unknown"]) == {"a": "B"}


def test_jobs_do_not_share_their_keys(store: Store) -> None:
    store.record_processed("orders", [applied("a")])

    assert store.digests("status", ["a"]) == {}


def test_any_number_of_entities_can_be_asked_for(store: Store) -> None:
    names = [f"e{number}" for number in range(3000)]
    store.record_processed("orders", (applied(name) for name in names))

    assert set(store.digests("orders", iter(names * 2))) == set(names)
    assert store.digests("orders", []) == {}


def test_a_forgotten_key_is_looked_at_again(store: Store) -> None:
    store.record_processed("orders", [applied("a"), applied("b")])

    store.forget_processed("orders", ["a"])

    assert set(store.digests("orders", ["a", "b"])) == {"b"}


# --- runs and events -------------------------------------------------------------------------------


def test_runs_are_told_newest_first(store: Store) -> None:
    for number in range(4):
        store.start_run(f"r{number}", "orders", NOW + timedelta(minutes=number), since=NOW)
        store.finish_run(
            f"r{number}",
            NOW + timedelta(minutes=number, seconds=9),
            {"written": number},
            3,
            12,
            "text",
            until=NOW,
        )
    store.start_run("other", "status", NOW)

    last = store.last_runs("orders", 2)

    assert [run.id for run in last] == ["r3", "r2"]
    assert (last[0].counts, last[0].exit_code, last[0].requests, last[0].message) == (
        {"written": 3},
        3,
        12,
        "text",
    )
    assert (last[0].since, last[0].until) == (NOW, NOW)
    assert len(store.last_runs()) == 5


def test_a_run_that_was_killed_is_known_to_the_next(store: Store) -> None:
    assert store.unfinished_run("orders") is None
    store.start_run("r1", "orders", NOW)
    store.start_run("r2", "orders", NOW + timedelta(minutes=1))

    killed = store.unfinished_run("orders", other_than="r2")

    assert killed is not None and killed.id == "r1"


def test_only_the_last_run_counts_as_not_ended_cleanly(store: Store) -> None:
    store.start_run("r1", "orders", NOW)
    store.start_run("r2", "orders", NOW + timedelta(minutes=1))
    store.finish_run("r2", NOW + timedelta(minutes=2), {}, 0, 1)

    assert store.unfinished_run("orders") is None
    assert store.unfinished_run("status") is None


def test_the_life_of_an_entity_is_told_in_order_by_id_and_by_number(store: Store) -> None:
    store.add_events("r1", [Event("id-1", "N-1", "create", "order N-1")], at=NOW)
    store.add_events("r2", [Event("id-2", "N-2", "create", "order N-2")], at=NOW)
    store.add_events(
        "r3", [Event("id-1", "N-1", "cancel", "order N-1", "by the shop")], at=NOW + timedelta(hours=1)
    )

    told = store.events("N-1")

    assert [(event.run, event.action, event.detail) for event in told] == [
        ("r1", "create", ""),
        ("r3", "cancel", "by the shop"),
    ]
    assert told[1].at == NOW + timedelta(hours=1)
    assert store.events("id-1") == told
    assert [event.action for event in store.events("id-1", n=1)] == ["cancel"]


# --- budget ----------------------------------------------------------------------------------------


def test_an_hour_never_gives_more_than_its_limit(store: Store) -> None:
    assert [store.take_budget(NOW, 25, 60) for _ in range(4)] == [25, 25, 10, 0]
    assert store.budget_used(NOW + timedelta(minutes=29)) == 60
    assert store.take_budget(NOW + timedelta(minutes=30), 25, 60) == 25


def test_without_a_limit_requests_are_only_counted(store: Store) -> None:
    assert [store.take_budget(NOW, 25) for _ in range(2)] == [25, 25]
    assert store.budget_used(NOW) == 50


# --- upkeep ----------------------------------------------------------------------------------------


def test_keys_are_kept_for_four_hundred_days(store: Store) -> None:
    """A key only saves a comparison: forgetting it costs one, should the order ever change again."""
    store.record_processed(
        "orders",
        [applied("old", at=NOW - timedelta(days=401)), applied("young", at=NOW - timedelta(days=399))],
    )

    store.prune(NOW)

    assert set(store.digests("orders", ["old", "young"])) == {"young"}


def test_which_mao_order_an_order_is_is_never_forgotten(store: Store) -> None:
    """What it was sent last is, after 400 days without a change; nothing that is under way."""
    long_ago = NOW - timedelta(days=401)
    store.adopt(
        [Sending("old", "MAO-1", 1, {"a": "1"}), Sending("under way", "MAO-2", 1, {"a": "1"})], at=long_ago
    )
    store.mark_sending([Sending("under way", "MAO-2", 2, {"a": "2"})], at=long_ago)
    store.adopt([Sending("young", "MAO-3", 1, {"a": "1"})], at=NOW)

    assert store.prune(NOW)["sent"] == 1
    assert store.prune(NOW)["sent"] == 0

    sent = store.sent(["old", "under way", "young"])
    assert (sent["old"].mao_order_id, sent["old"].base) == ("MAO-1", None)
    assert sent["under way"].base and sent["under way"].candidates and sent["young"].base


def test_discarded_dead_letters_go_and_waiting_ones_stay(store: Store) -> None:
    for entity in ("discarded", "waiting"):
        store.put_dead_letter(
            job="orders",
            entity=entity,
            label=entity,
            problem=Problem("order-locked", "m"),
            version=1,
            mapping_digest="",
            at=NOW - timedelta(days=500),
            run="r",
        )
    (letter,) = store.dead_letters(entity="discarded")
    store.discard(letter.id, "old", at=NOW)

    assert store.prune(NOW)["dead_letters"] == 1
    assert [letter.entity for letter in store.dead_letters(include_discarded=True)] == ["waiting"]


def test_history_is_kept_for_thirty_days_and_the_last_run_for_ever(store: Store) -> None:
    store.start_run("old", "orders", NOW - timedelta(days=32))
    store.start_run("last of its job", "status", NOW - timedelta(days=31))
    store.start_run("young", "orders", NOW - timedelta(days=1))
    store.add_events("old", [Event("a", "A", "create", "order A")], at=NOW - timedelta(days=31))
    store.add_events("young", [Event("a", "A", "update", "order A")], at=NOW)
    store.take_budget(NOW - timedelta(days=31), 5)

    assert sum(store.prune(NOW).values()) == 3
    assert {run.id for run in store.last_runs()} == {"young", "last of its job"}
    assert [event.action for event in store.events("a")] == ["update"]


def test_pruning_is_bounded(store: Store) -> None:
    store.add_events("r", [Event("a", "A", "x", "y")] * 30, at=NOW - timedelta(days=40))

    assert store.prune(NOW, rows_max=20)["events"] == 20
    assert store.prune(NOW, rows_max=20)["events"] == 10
