"""`--from`: MAO's own messages. Full syncs are figures of their moment, everything else is a nudge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inventory_bench import Stocked, order_for

from ct_mao_sync.cli.messages import read_nudges
from ct_mao_sync.sandbox.commercetools_stock import place_order
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, LOCATIONS, NETWORK_VIEW
from ct_mao_sync.sandbox.manhattan_messages import full_sync, location_delta_sync, network_alerts
from ct_mao_sync.sandbox.manhattan_stock import EVERYWHERE, adjust_supply, set_supply, stock_of


class Told(Stocked):
    """In line, then told by messages."""

    def __init__(self, folder: Path, mode: str, items: int = 12) -> None:
        super().__init__(folder, mode, items)
        self.file = folder / "messages.jsonl"
        self.view = LOCATION_VIEW if mode == "location" else NETWORK_VIEW
        for _ in range(2):
            self.sync()
            self.bench.clock.advance(3600)

    def full(self, **how: Any) -> list[dict[str, Any]]:
        return full_sync(self.world, self.view, **how)

    def tell(self, *messages: Any, **options: Any) -> Any:
        """A run over these messages; text is written as it is."""
        lines = [each if isinstance(each, str) else json.dumps(each) + "\n" for each in messages]
        self.file.write_text("".join(lines), encoding="utf-8")
        nudges = read_nudges("inventory", str(self.file), self.bench.application().config)
        self.bench.log.clear()
        return self.sync(nudges=nudges, **options)

    def asked(self) -> int:
        """Availability requests of the last run."""
        return self.bench.log.total("manhattan", endpoint="availability")


@pytest.fixture(params=["location", "network"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Told:
    return Told(tmp_path, request.param)


@pytest.fixture
def network(tmp_path: Path) -> Told:
    return Told(tmp_path, "network")


def change_some(told: Told) -> None:
    adjust_supply(told.world, "ITEM-000001", "DC-ATL", 7)
    set_supply(told.world, "ITEM-000002", "DC-ATL", 90)
    told.bench.clock.advance(60)


@pytest.mark.parametrize("non_zero", [False, True])
def test_a_full_sync_brings_every_entry_in_line(told: Told, non_zero: bool) -> None:
    """Without asking MAO, where its counters prove that nothing is missing."""
    change_some(told)
    for place in LOCATIONS:
        set_supply(told.world, "ITEM-000003", place, 0)

    report = told.tell(*told.full(non_zero=non_zero), allow=frozenset({"drop"}))

    assert report.exit_code == 0
    assert told.shown() == told.promised()
    assert told.asked() == (1 if non_zero and told.view == NETWORK_VIEW else 0)
    assert report.counts["written"] > 1


def test_the_watermarks_stay_where_they_are(told: Told) -> None:
    with told.bench.application().open_store() as store:
        before = store.checkpoints()
    change_some(told)

    told.tell(*told.full())

    with told.bench.application().open_store() as store:
        after = store.checkpoints()
    assert {name: row for name, row in after.items() if "window" in name[1] or "sweep" in name[1]} == {
        name: row for name, row in before.items() if "window" in name[1] or "sweep" in name[1]
    }


def test_deltas_and_alerts_are_nudges_that_are_read_again(tmp_path: Path) -> None:
    told = Told(tmp_path, "location")
    location_delta_sync(told.world, told.view)
    change_some(told)
    messages = location_delta_sync(told.world, told.view)
    for message in messages:
        for row in message["AvailabilityDetails"]:
            row["Quantity"] = 12345  # nobody takes it for a figure

    told.tell(*messages)

    assert told.shown() == told.promised()
    assert told.asked() == 1


def test_an_alert_makes_its_item_be_looked_at(network: Told) -> None:
    network_alerts(network.world, NETWORK_VIEW)
    for place in LOCATIONS:
        set_supply(network.world, "ITEM-000002", place, 0)
    network.bench.clock.advance(60)

    report = network.tell(*network_alerts(network.world, NETWORK_VIEW))

    assert network.shown()["ITEM-000002", ""] == 0
    assert report.read == 1


def test_a_figure_older_than_the_last_one_is_ignored(told: Told) -> None:
    stale = told.full()
    told.bench.clock.advance(300)
    change_some(told)
    told.sync()
    in_line = told.shown()
    assert in_line == told.promised()

    report = told.tell(*stale)

    assert told.shown() == in_line
    assert report.counts["written"] == 0
    assert "a newer figure is known" in report.skip_reasons


def test_where_nobody_knows_how_old_a_figure_is_mao_is_asked(told: Told) -> None:
    """The state was lost after an older figure was published than the one that the entry shows."""
    stale = told.full()
    told.bench.clock.advance(300)
    for place in LOCATIONS:
        set_supply(told.world, "ITEM-000002", place, 0)
    told.bench.clock.advance(60)
    told.sync(allow=frozenset({"drop"}))
    in_line = told.shown()
    for path in told.bench.config_path.parent.glob("*.sqlite3*"):
        path.unlink()

    report = told.tell(*stale)

    assert (report.exit_code, told.shown()) == (0, in_line)
    assert told.asked() >= 1


def test_a_figure_of_the_moment_of_the_last_one_raises_nothing_unasked(network: Told) -> None:
    """Nobody knows which of the two is newer."""
    for place in LOCATIONS:
        set_supply(network.world, "ITEM-000002", place, 5)
    network.bench.clock.advance(60)
    stale = network.full()
    for place in LOCATIONS:
        set_supply(network.world, "ITEM-000002", place, 1)
    network.sync(given=("ITEM-000002",))
    in_line = network.shown()
    assert in_line["ITEM-000002", ""] < 5 * len(LOCATIONS)

    network.tell(*stale)

    assert network.shown() == in_line
    assert network.asked() == 1


def test_no_row_at_all_is_a_figure_of_the_moment_it_was_asked_for(tmp_path: Path) -> None:
    """It tells no moment itself, and a message from before is older all the same."""
    told = Told(tmp_path, "location")
    stale = told.full()
    told.bench.clock.advance(30)
    stock_of(told.world).ineligible.add(("ITEM-000002", EVERYWHERE))
    told.sync(given=("ITEM-000002",), allow=frozenset({"drop"}))
    assert {units for (sku, _), units in told.shown().items() if sku == "ITEM-000002"} == {0}

    told.tell(*stale)

    assert {units for (sku, _), units in told.shown().items() if sku == "ITEM-000002"} == {0}


def test_a_sale_that_the_figure_does_not_know_is_subtracted(told: Told) -> None:
    """It arrived in MAO after the sync was made."""
    (sku, channel), shown = max(told.shown().items(), key=lambda pair: pair[1])
    messages = told.full()
    told.bench.clock.advance(30)
    place_order(told.world, order_for(told, 7001, sku, 3, channel))
    told.bench.clock.advance(30)
    told.sync("orders")
    told.bench.sandbox.manhattan.lifecycle.allocate("CT-7001")

    told.tell(*messages)

    assert told.shown()[sku, channel] <= shown - 3


def test_twice_is_once_and_side_by_side_with_the_delta_nothing_is_written_twice(told: Told) -> None:
    change_some(told)
    messages = told.full()
    told.tell(*messages)

    again = told.tell(*messages)
    delta = told.sync()

    assert (again.counts["written"], delta.counts["written"]) == (0, 0)
    assert told.shown() == told.promised()


@pytest.mark.parametrize("mode", ["location", "network"])
def test_in_which_order_messages_and_deltas_come_does_not_matter(tmp_path: Path, mode: str) -> None:
    """The messages are of a moment ago: since then stock went up and down, and something was sold."""
    ends = []
    for number, runs in enumerate(
        [("messages", "delta"), ("delta", "messages"), ("messages", "delta", "messages"), ("delta",)]
    ):
        (tmp_path / f"{number}").mkdir()
        told = Told(tmp_path / f"{number}", mode)
        change_some(told)
        messages = told.full()
        told.bench.clock.advance(30)
        set_supply(told.world, "ITEM-000002", "DC-ATL", 3)
        adjust_supply(told.world, "ITEM-000003", "DC-ATL", 20)
        (sku, channel), _ = max(told.shown().items(), key=lambda pair: (pair[1], pair[0]))
        place_order(told.world, order_for(told, 7001, sku, 2, channel))
        told.bench.clock.advance(120)

        for run in runs:
            report = told.tell(*messages) if run == "messages" else told.sync()
            assert report.exit_code == 0
            told.bench.clock.advance(30)

        promised = told.promised()
        promised[sku, channel] -= 2
        assert told.shown() == promised, runs
        ends.append(told.shown())
    assert all(end == ends[0] for end in ends)


def test_absence_is_nothing_only_after_the_end_of_a_complete_sync(told: Told) -> None:
    before = told.shown()
    for sku in {sku for sku, _ in before}:
        for place in list(LOCATIONS)[1:]:
            set_supply(told.world, sku, place, 0)
    messages = told.full(non_zero=True, page_size=4)

    cut = told.tell(*messages[:-1])

    assert (cut.exit_code, cut.counts["rejected"]) == (3, 1)
    assert "its end message is missing" in cut.rejected[0][2].message
    named = {
        (row["ItemId"], row.get("LocationId")) for m in messages[1:-1] for row in m["AvailabilityDetails"]
    }
    assert named
    kept = {key: told.shown()[key] for key in before if before[key] and not told.promised()[key]}
    assert kept and all(kept.values()), "what is not named keeps its quantity"


def test_a_file_cut_in_the_middle_is_one_clear_line_and_what_came_before_is_used(told: Told) -> None:
    change_some(told)
    *messages, last = told.full(page_size=4)
    before = told.shown()

    report = told.tell(*messages, json.dumps(last)[:40])

    assert report.exit_code == 3
    [(_, _, problem)] = report.rejected
    assert (
        problem.message == f"{told.file}: line {len(messages) + 1}: the file ends in the middle of a message"
    )
    assert "--full" in problem.hint
    assert all(told.shown()[key] > 0 for key in before if told.promised()[key] > 0)
    assert told.shown() == told.promised()


def spoil(value: Any) -> Callable[[dict[str, Any]], None]:
    def spoiled(row: dict[str, Any]) -> None:
        name = "TotalQuantity" if "TotalQuantity" in row else "Quantity"
        if value is None:
            del row[name]
        else:
            row[name] = value

    return spoiled


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "NaN, not a number"),
        (-4, "never negative"),
        ("12", "'12', not a number"),
        (None, "MAO gave no"),
        (10**30, "more than can be counted"),
    ],
    ids=["nan", "negative", "text", "missing", "huge"],
)
def test_a_bad_quantity_is_one_line_with_its_place_and_never_a_silent_zero(
    network: Told, value: Any, said: str
) -> None:
    change_some(network)
    messages = network.full(page_size=4)
    bad = next(
        row
        for row in messages[1]["AvailabilityDetails"]
        if row["TotalQuantity"] and row["ItemId"] != "ITEM-000001"
    )
    before = network.shown()[bad["ItemId"], ""]
    spoil(value)(bad)

    report = network.tell(*messages)

    [(entity, _, problem)] = report.rejected
    assert entity == f"{bad['ItemId']}|"
    assert problem.code == "source-invalid"
    assert f"{network.file}: line 2: item '{bad['ItemId']}'" in problem.message and said in problem.message
    assert network.shown()[bad["ItemId"], ""] == before
    rest = {key: quantity for key, quantity in network.promised().items() if key[0] != bad["ItemId"]}
    assert rest.items() <= network.shown().items()


def test_the_same_row_twice_is_one_and_two_different_ones_are_refused(network: Told) -> None:
    messages = network.full()
    rows = messages[1]["AvailabilityDetails"]
    same, other = dict(rows[0]), {**rows[1], "TotalQuantity": rows[1]["TotalQuantity"] + 9}
    rows += [same, other]

    report = network.tell(*messages)

    [(entity, _, problem)] = report.rejected
    assert entity == f"{other['ItemId']}|"
    assert "two different quantities" in problem.message


def test_lines_that_are_no_messages_are_told_one_by_one(network: Told) -> None:
    report = network.tell("{\n", [1], {"MessageType": "Alert"}, "\n", *network.full())

    assert [problem.message.partition(": ")[2] for _, _, problem in report.rejected] == [
        "line 2: is JSON, but no availability message",
        "line 3: names no item",
        "line 1: is not a message: it is not JSON in UTF-8",
    ]
    assert network.bench.dead_letters() == [], "a line is no record that could wait"


def test_messages_of_other_views_are_passed_over(network: Told, caplog: pytest.LogCaptureFixture) -> None:
    messages = full_sync(network.world, "Status Only")

    report = network.tell(*messages)

    assert (report.read, report.exit_code) == (0, 0)
    assert "messages of other views" in caplog.text


def test_an_unknown_location_is_told_once(tmp_path: Path) -> None:
    told = Told(tmp_path, "location")
    text = told.bench.config_path.read_text(encoding="utf-8")
    told.bench.config_path.write_text(text.replace('"ST-17" = "store-17"\n', ""), encoding="utf-8")

    report = told.tell(*told.full())

    assert [problem.code for _, _, problem in report.rejected] == ["location-unmapped"]


def test_an_empty_file_is_no_ordinary_run(told: Told) -> None:
    change_some(told)

    report = told.tell()

    assert (report.read, report.requests, report.exit_code) == (0, 0, 0)


def test_a_dry_run_over_messages_writes_nothing(told: Told) -> None:
    change_some(told)
    before = told.shown()

    report = told.tell(*told.full(), dry_run=True)

    assert report.plans and told.shown() == before
