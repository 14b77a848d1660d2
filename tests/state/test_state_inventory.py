"""What the inventory job remembers: units in flight, imports under way, entries, sweeps."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils.migrations import Migrations

from ct_mao_sync.mapping.in_flight import InFlightLine, InFlightOrder, SoldLine
from ct_mao_sync.state import database
from ct_mao_sync.state.schema import m001_tables, migrations
from ct_mao_sync.state.store import Checkpoint, EntryMark, PendingImport, Store, Sweep

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.db") as opened:
        yield opened


def sold(units: int = 3, line_id: str = "l1", sku: str = "SKU-1", channel: str = "") -> SoldLine:
    return SoldLine(line_id, sku, channel, units)


def place(store: Store, *lines: SoldLine, order_id: str = "o1", acked_at: datetime | None = None) -> None:
    store.replace_in_flight([InFlightOrder(order_id, NOW, lines, acked_at)])


def judge(store: Store, uncounted: int, line_id: str = "l1", order_id: str = "o1") -> None:
    lines = [line for line in store.in_flight_lines([order_id]) if line.line_id == line_id]
    store.judge_in_flight(
        InFlightLine(e.order_id, e.line_id, e.sku, e.channel_id, e.units, uncounted, e.acked_at)
        for e in lines
    )


# --- units in flight -------------------------------------------------------------------------------


def test_a_new_order_is_in_flight_as_a_whole_and_needs_no_lookup(store: Store) -> None:
    place(store, sold(3), sold(2, "l2"), sold(1, "l3", channel="ch-1"), sold(4, "l4", sku="27\" O'Neil ß"))

    assert store.in_flight_sums() == {("SKU-1", ""): 5, ("SKU-1", "ch-1"): 1, ("27\" O'Neil ß", ""): 4}
    assert store.in_flight_sums(["SKU-1", "other"]) == {("SKU-1", ""): 5, ("SKU-1", "ch-1"): 1}
    assert store.in_flight_orders() == []


def test_an_acknowledged_order_is_looked_up_until_all_its_units_are_counted(store: Store) -> None:
    place(store, sold(3))
    store.ack_in_flight(["o1", "unknown"], at=NOW)

    assert store.in_flight_orders() == ["o1"]
    assert store.in_flight_sums() == {("SKU-1", ""): 3}

    judge(store, 1)
    assert (store.in_flight_orders(), store.in_flight_sums()) == (["o1"], {("SKU-1", ""): 1})

    judge(store, 0)
    assert (store.in_flight_orders(), store.in_flight_sums()) == ([], {})


def test_the_first_moment_of_acknowledgement_stays(store: Store) -> None:
    place(store, sold(3))
    store.ack_in_flight(["o1"], at=NOW)
    store.ack_in_flight(["o1"], at=LATER)
    place(store, sold(3), acked_at=LATER)

    assert store.in_flight_lines(["o1"])[0].acked_at == NOW


def test_an_order_that_comes_along_again_unchanged_does_not_count_anew(store: Store) -> None:
    place(store, sold(3), acked_at=NOW)
    judge(store, 0)

    place(store, sold(3))

    assert store.in_flight_sums() == {}


def test_an_unit_that_falls_back_can_be_judged_in_flight_again(store: Store) -> None:
    place(store, sold(3), acked_at=NOW)
    judge(store, 0)

    judge(store, 2)

    assert (store.in_flight_orders(), store.in_flight_sums()) == (["o1"], {("SKU-1", ""): 2})


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(0, 5, 2), (1, 5, 3), (3, 5, 5), (2, 1, 1), (0, 1, 0)]
)
def test_of_a_line_that_was_edited_the_difference_is_in_flight(
    store: Store, before: int, after: int, expected: int
) -> None:
    place(store, sold(3), acked_at=NOW)
    judge(store, before)

    place(store, sold(after))

    assert store.in_flight_sums().get(("SKU-1", ""), 0) == expected
    assert store.in_flight_lines(["o1"])[0].acked_at == NOW


def test_a_line_that_moved_to_another_sku_or_channel_is_in_flight_as_a_whole(store: Store) -> None:
    place(store, sold(3), sold(2, "l2"), acked_at=NOW)
    judge(store, 0)
    judge(store, 0, "l2")

    place(store, sold(3, channel="ch-1"), sold(2, "l2", sku="SKU-2"))

    assert store.in_flight_sums() == {("SKU-1", "ch-1"): 3, ("SKU-2", ""): 2}


def test_lines_that_are_gone_and_cancelled_orders_leave(store: Store) -> None:
    place(store, sold(3), sold(2, "l2"))
    place(store, sold(1), order_id="o2")

    place(store, sold(3))
    assert store.in_flight_sums() == {("SKU-1", ""): 4}

    place(store)
    assert store.in_flight_sums() == {("SKU-1", ""): 1}

    store.drop_in_flight(["o2"])
    assert store.in_flight_sums() == {}


def test_an_order_that_is_not_in_mao_after_all_is_in_flight_again(store: Store) -> None:
    place(store, sold(3), acked_at=NOW)
    judge(store, 0)

    store.unack_in_flight(["o1"])

    assert (store.in_flight_sums(), store.in_flight_orders()) == ({("SKU-1", ""): 3}, [])


def test_a_judgement_of_what_was_changed_meanwhile_is_not_taken(store: Store) -> None:
    place(store, sold(3), acked_at=NOW)
    (read,) = store.in_flight_lines(["o1"])
    place(store, sold(5))

    store.judge_in_flight([InFlightLine("o1", "l1", "SKU-1", "", 3, 0, read.acked_at)])

    assert store.in_flight_sums() == {("SKU-1", ""): 5}


def test_what_each_entry_allows_for_is_kept_until_it_is_nothing(store: Store) -> None:
    store.mark_in_flight_counted({("SKU-1", ""): Decimal(3), ("SKU-1", "ch-1"): Decimal("0.5")})
    store.mark_in_flight_counted({("SKU-1", ""): Decimal(0), ("SKU-2", ""): Decimal(0)})

    assert store.in_flight_counted() == {("SKU-1", "ch-1"): Decimal("0.5")}


def test_old_counted_lines_are_pruned_and_those_in_flight_never(store: Store) -> None:
    place(store, sold(3), sold(2, "l2"), acked_at=NOW)
    judge(store, 0)

    assert store.prune(NOW + timedelta(days=399))["in_flight"] == 0
    assert store.prune(NOW + timedelta(days=401))["in_flight"] == 1
    assert store.in_flight_sums() == {("SKU-1", ""): 2}


def test_many_orders_are_kept_in_one_go(store: Store) -> None:
    orders = [InFlightOrder(f"o{n}", NOW, (sold(1, f"l{n}", f"S{n % 50}"),), NOW) for n in range(3000)]

    store.replace_in_flight(orders)

    assert len(store.in_flight_orders()) == 3000
    assert store.in_flight_sums(f"S{n}" for n in range(50)) == {(f"S{n}", ""): 60 for n in range(50)}


def test_what_the_orders_job_keeps_is_part_of_its_transaction(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.atomic():
        place(store, sold(3))
        store.ack_in_flight(["o1"], at=NOW)
        raise ZeroDivisionError

    assert store.in_flight_sums() == {}


# --- imports, entries, sweeps ----------------------------------------------------------------------


def an_import(entity: str = "SKU-1|dc", at: datetime = NOW, **more: Any) -> PendingImport:
    return PendingImport(
        entity, **{"key": "k1", "quantity": 7, "container": "c", "operation_id": "op", "at": at, **more}
    )


def test_an_import_is_open_until_it_is_settled(store: Store) -> None:
    first, second = an_import(at=LATER), an_import("SKU-2|", key="k2")

    store.add_imports([first, second])

    assert store.open_imports() == [second, first]
    assert store.importing(["SKU-1|dc", "SKU-9|"]) == {"SKU-1|dc": first}

    store.settle_imports(["SKU-2|", "SKU-9|"])
    assert store.open_imports() == [first]


def test_a_figure_never_goes_back_and_a_version_is_known_only_after_our_own_write(store: Store) -> None:
    store.mark_entries([EntryMark("e|", 7, 3, LATER)])
    store.mark_figures([EntryMark("e|", 7, None, NOW), EntryMark("f|", 1, None, NOW)])
    assert store.entry_marks(["e|", "f|", "g|"]) == {
        "e|": EntryMark("e|", 7, 3, LATER),
        "f|": EntryMark("f|", 1, None, NOW),
    }

    store.mark_entries([EntryMark("e|", 2, None, None)])
    assert store.entry_marks(["e|"]) == {"e|": EntryMark("e|", 2, None, LATER)}

    store.forget_entries(["e|"])
    assert store.entry_marks(["e|"]) == {}


def test_a_sweep_counts_its_slices_and_is_the_last_one_when_it_is_finished(store: Store) -> None:
    assert (store.open_sweep(), store.last_sweep()) == (None, None)
    store.begin_sweep(NOW)
    store.count_sweep(entry_count=100, positive_count=60)
    store.count_sweep(entry_count=50, positive_count=40)
    assert store.open_sweep() == Sweep(NOW, None, 150, 100)
    assert store.last_sweep() is None

    store.finish_sweep(LATER)
    assert store.open_sweep() is None
    assert store.last_sweep() == Sweep(NOW, LATER, 150, 100)


def test_while_a_sweep_is_under_way_the_last_one_counts_and_an_abandoned_one_never(store: Store) -> None:
    store.begin_sweep(NOW)
    store.count_sweep(entry_count=10, positive_count=9)
    store.finish_sweep(LATER)
    store.begin_sweep(LATER)
    store.count_sweep(entry_count=5, positive_count=1)
    store.begin_sweep(LATER)

    assert store.open_sweep() == Sweep(LATER, None, 0, 0)
    assert store.last_sweep() == Sweep(NOW, LATER, 10, 9)
    store.finish_sweep(LATER)
    assert store.last_sweep() == Sweep(LATER, LATER, 0, 0)


def test_finishing_without_a_sweep_changes_nothing(store: Store) -> None:
    store.finish_sweep(NOW)
    store.count_sweep(entry_count=1, positive_count=1)

    assert (store.open_sweep(), store.last_sweep()) == (None, None)


# --- a file of the first schema ----------------------------------------------------------------------


def test_a_file_from_before_inventory_is_copied_aside_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    first = Migrations("ct_mao_sync")
    first(name="m001_tables")(m001_tables)
    with monkeypatch.context() as older:
        older.setattr(database, "migrations", first)
        with Store.open(path) as store:
            store.save_checkpoint("orders", "window:orders", Checkpoint(watermark=NOW))
            salt = store.salt()

    with Store.open(path) as store:
        known = store.checkpoint("orders", "window:orders")
        assert known is not None
        assert (known.watermark, store.salt()) == (NOW, salt)
        place(store, sold(3))
        store.add_imports([an_import()])
        assert store.in_flight_sums() == {("SKU-1", ""): 3}
        assert store._rows("SELECT value FROM meta WHERE key = 'schema'")[0][0] == str(
            len(migrations._migrations)
        )

    copy = tmp_path / "state.db.backup-1"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT watermark FROM checkpoints").fetchall()
        assert not old.execute("SELECT 1 FROM sqlite_master WHERE name = 'sweeps'").fetchall()
    with Store.open(path) as again:
        assert again.in_flight_sums() == {("SKU-1", ""): 3}
    assert len(list(tmp_path.glob("state.db.backup-*"))) == 1
