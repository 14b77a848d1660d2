"""What is remembered of returns, and the outbox: a key is never forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ct_mao_sync.errors import Rejection
from ct_mao_sync.state.store import FollowedReturn, OutboxRow, Store

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.sqlite3") as opened:
        yield opened


def test_items_and_the_newest_version_are_kept(store: Store) -> None:
    store.follow_returns([FollowedReturn("R1|CT-1", 5, True, {"mao-R1-1-New-1": 2})], at=NOW)
    more = {"mao-R1-1-New-1": 2, "mao-R1-1-New-2": 1}
    store.follow_returns([FollowedReturn("R1|CT-1", 3, True, more)], at=NOW)

    assert store.followed_returns(["R1|CT-1", "R2|CT-1"]) == {
        "R1|CT-1": FollowedReturn("R1|CT-1", 5, True, more)
    }


def test_what_is_open_is_swept_and_what_waits_is_watched(store: Store) -> None:
    store.follow_returns(
        [
            FollowedReturn("open", 1, True),
            FollowedReturn("closed", 2, False),
            FollowedReturn("waiting", 3, False),
        ],
        at=NOW,
    )
    for job, entity in (("returns", "waiting"), ("status", "closed")):
        store.put_dead_letter(
            job=job,
            entity=entity,
            label=entity,
            problem=Rejection("disposition-unmapped", "x"),
            version=3,
            mapping_digest="",
            at=NOW,
            run="run",
        )

    assert store.open_returns() == ["open"]
    assert store.watched_returns() == {"open": 1, "waiting": 3}


def test_an_event_is_there_until_it_is_written_and_its_key_for_ever(store: Store) -> None:
    store.add_to_outbox([OutboxRow("a", "line a"), OutboxRow("b", "line b")], at=NOW)
    assert [row.key for row in store.unwritten_outbox(1)] == ["a"]

    store.outbox_written(["a", "b"])
    store.add_to_outbox([OutboxRow("a", "another line")], at=NOW)

    assert store.unwritten_outbox(10) == []


def test_finished_returns_are_forgotten_when_they_are_old_and_nothing_of_them_waits(store: Store) -> None:
    old = NOW - timedelta(days=401)
    store.follow_returns(
        [
            FollowedReturn("open", 1, True),
            FollowedReturn("waiting", 1, False),
            FollowedReturn("finished", 1, False),
            FollowedReturn("seen again", 1, False),
        ],
        at=old,
    )
    store.follow_returns([FollowedReturn("seen again", 1, False)], at=NOW)
    store.put_dead_letter(
        job="returns",
        entity="waiting",
        label="waiting",
        problem=Rejection("return-deleted", "x"),
        version=1,
        mapping_digest="",
        at=old,
        run="run",
    )

    assert store.prune(NOW)["returns"] == 1
    assert set(store.followed_returns(["open", "waiting", "finished", "seen again"])) == {
        "open",
        "waiting",
        "seen again",
    }


def test_events_are_never_forgotten_written_or_not(store: Store) -> None:
    """Nothing else tells whether the payment service was told: not the file, which is rotated away."""
    store.add_to_outbox([OutboxRow("a", "line a"), OutboxRow("b", "line b")], at=NOW)
    store.outbox_written(["a"])

    store.prune(NOW + timedelta(days=4000))
    store.add_to_outbox([OutboxRow("a", "line a")], at=NOW)

    assert [row.key for row in store.unwritten_outbox(10)] == ["b"]
