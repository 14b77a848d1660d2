"""What MAO was sent of each order, and what of it is known to have arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ct_mao_sync.state.store import Sending, Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.db") as opened:
        yield opened


def send(store: Store, version: int, price: str) -> None:
    store.mark_sending([Sending("order-1", "N-1", version, {"UnitPrice": price})], at=NOW)


def test_what_is_being_sent_becomes_the_base_when_it_is_acknowledged(store: Store) -> None:
    send(store, 3, "10.50")
    before = store.sent(["order-1", "order-2"])
    store.acknowledge(["order-1"], at=NOW)
    after = store.sent(["order-1"])["order-1"]

    assert list(before) == ["order-1"]
    assert (before["order-1"].base, before["order-1"].candidates) == (None, ({"UnitPrice": "10.50"},))
    assert (after.mao_order_id, after.version) == ("N-1", 3)
    assert (after.base, after.candidates) == ({"UnitPrice": "10.50"}, ())


def test_a_second_save_keeps_the_base_until_it_is_acknowledged(store: Store) -> None:
    send(store, 3, "10")
    store.acknowledge(["order-1"], at=NOW)

    send(store, 5, "12")

    row = store.sent(["order-1"])["order-1"]
    assert (row.version, row.base) == (3, {"UnitPrice": "10"})
    assert (row.candidate_versions, row.candidates) == ((5,), ({"UnitPrice": "12"},))


def test_every_save_without_an_answer_is_something_mao_may_have(store: Store) -> None:
    send(store, 3, "10")
    send(store, 4, "11")
    send(store, 4, "11")

    assert store.sent(["order-1"])["order-1"].candidate_versions == (3, 4)
    store.acknowledge(["order-1"], at=NOW)
    assert store.sent(["order-1"])["order-1"].base == {"UnitPrice": "11"}


def test_a_first_save_that_never_went_out_leaves_nothing(store: Store) -> None:
    send(store, 3, "10")

    store.forget_sending(["order-1"])

    assert store.sent(["order-1"]) == {}


def test_a_later_save_that_never_went_out_leaves_what_was_before(store: Store) -> None:
    send(store, 3, "10")
    store.acknowledge(["order-1"], at=NOW)
    send(store, 4, "11")

    store.forget_sending(["order-1"])

    row = store.sent(["order-1"])["order-1"]
    assert (row.version, row.base, row.candidates) == (3, {"UnitPrice": "10"}, ())


def test_acknowledging_what_was_never_sent_changes_nothing(store: Store) -> None:
    store.acknowledge(["order-1"], at=NOW)

    assert store.sent(["order-1"]) == {}


def test_a_cancellation_that_mao_has_not_decided_is_remembered(store: Store) -> None:
    send(store, 3, "10")
    store.acknowledge(["order-1"], at=NOW)

    store.start_cancelling({"order-1": "N-1"}, at=NOW)
    assert (store.cancelling(), store.sent(["order-1"])["order-1"].cancelling) == (["order-1"], True)
    assert store.sent(["order-1"])["order-1"].base is not None

    store.stop_cancelling(["order-1"])
    assert store.cancelling() == []


def test_a_cancellation_is_followed_although_nothing_was_known_of_the_order(store: Store) -> None:
    store.start_cancelling({"order-9": "N-9"}, at=NOW)

    row = store.sent(["order-9"])["order-9"]
    assert (row.mao_order_id, row.base, row.candidates) == ("N-9", None, ())


def test_marking_tells_which_candidates_are_new(store: Store) -> None:
    row = Sending("order-1", "N-1", 3, {"UnitPrice": "10"})

    assert store.mark_sending([row], at=NOW) == {"order-1"}
    assert store.mark_sending([row], at=NOW) == set()


def test_an_adopted_order_has_a_base_at_once(store: Store) -> None:
    store.adopt([Sending("order-1", "N-1", 3, {"UnitPrice": "10"})], at=NOW)

    row = store.sent(["order-1"])["order-1"]
    assert (row.version, row.base, row.candidates) == (3, {"UnitPrice": "10"}, ())


def test_which_orders_were_saved_lately_counts_those_without_an_answer_and_no_refused_ones(
    store: Store,
) -> None:
    later = NOW + timedelta(minutes=5)
    send(store, 3, "10")
    store.acknowledge(["order-1"], at=NOW)
    store.mark_sending([Sending("order-2", "N-2", 1, {})], at=NOW)
    asked = ["order-1", "order-2", "order-3"]

    assert store.sent_since(NOW, asked) == {"order-1", "order-2"}
    assert store.sent_since(later, asked) == set()

    store.mark_sending([Sending("order-1", "N-1", 4, {"UnitPrice": "11"})], at=later)
    assert store.sent_since(later, asked) == {"order-1"}
    store.forget_sending(["order-1"])
    assert store.sent_since(later, asked) == set()

    store.acknowledge(["order-2"], at=later)
    assert store.sent_since(later, asked) == {"order-2"}
    assert store.sent_since(later + timedelta(seconds=1), asked) == set()
