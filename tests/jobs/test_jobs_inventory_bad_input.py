"""What MAO or the configuration can get wrong: one clear line for each, the other entries go on, and nothing
is ever taken for "sold out"."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from growth import assert_linear
from test_jobs_inventory import Stocked

from ct_mao_sync.engine.report import REJECTED_SHOWN_MAX
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, LOCATIONS, NETWORK_VIEW
from ct_mao_sync.sandbox.manhattan_stock import EVERYWHERE, add_item, set_supply, stock_of

BAD = "ITEM-000002"
Rows = list[dict[str, Any]]


@pytest.fixture(params=["location", "network"])
def stocked(request: pytest.FixtureRequest, tmp_path: Path) -> Stocked:
    stocked = Stocked(tmp_path, request.param)
    stocked.bench.clock.advance(3600)  # only the sweep sees them: one line each
    return stocked


def availability_requests(stocked: Stocked) -> list[str]:
    """The bodies of those that MAO gets from now on."""
    bodies: list[str] = []
    sandbox = stocked.bench.sandbox
    real = sandbox._dispatch

    def dispatch(request: Any) -> Any:
        if "/availability/" in request.path:
            bodies.append(request.body.decode())
        return real(request)

    sandbox._dispatch = dispatch  # type: ignore[method-assign]
    return bodies


def answering(stocked: Stocked, change: Callable[[str], str]) -> None:
    """MAO's availability answers are changed, as text."""
    sandbox = stocked.bench.sandbox
    real = sandbox._dispatch

    def dispatch(request: Any) -> Any:
        response = real(request)
        if "/availability/" not in request.path:
            return response
        return replace(response, body=change(response.body.decode()).encode())

    sandbox._dispatch = dispatch  # type: ignore[method-assign]


def with_rows(change: Callable[[Rows], Rows]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        document = json.loads(text)
        document["data"] = change(document["data"])
        return json.dumps(document)

    return changed


def quantity_of_bad(raw: str) -> Callable[[str], str]:
    """`raw` is JSON, or what some systems take for it."""

    def change(rows: Rows) -> Rows:
        for row in rows:
            if row["ItemId"] == BAD:
                row["TotalQuantity" if "TotalQuantity" in row else "Quantity"] = "@"
        return rows

    return lambda text: with_rows(change)(text).replace('"@"', raw)


def only_others_moved(stocked: Stocked, before: dict[tuple[str, str], int]) -> None:
    shown, promised = stocked.shown(), stocked.promised()
    for key in shown:
        assert shown[key] == (before[key] if key[0] == BAD else promised[key]), key


@pytest.mark.parametrize("raw", ['"many"', '""', "null", "true", "[]", "{}", "1e400", "1e30", "-3", "-0.5"])
def test_a_quantity_that_is_none_leaves_the_entry_as_it_is(stocked: Stocked, raw: str) -> None:
    before = stocked.shown()
    answering(stocked, quantity_of_bad(raw))

    report = stocked.sync()

    only_others_moved(stocked, before)
    assert report.exit_code == 3
    channels = len(LOCATIONS) if stocked.mode == "location" else 1
    assert len(report.rejected) == channels
    for _, label, problem in report.rejected:
        assert problem.code == "source-invalid"
        assert BAD in label
        assert BAD in problem.message
        assert "\n" not in problem.message
        assert "ct-mao-sync sync inventory --sku" in problem.hint


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity"])
def test_an_answer_that_is_no_json_stops_before_anything_is_written(stocked: Stocked, raw: str) -> None:
    before = stocked.shown()
    answering(stocked, quantity_of_bad(raw))

    report = stocked.sync()

    assert stocked.shown() == before
    assert report.exit_code in (4, 5)
    assert report.problem is not None
    assert "\n" not in report.problem.message


@pytest.mark.parametrize("given", [(), (BAD,)])
def test_no_data_is_not_a_zero_however_few_items_were_asked_for(
    stocked: Stocked, given: tuple[str, ...]
) -> None:
    before = stocked.shown()
    answering(stocked, lambda text: '{"success": true, "header": null, "data": null, "statusCode": "OK"}')

    report = stocked.sync(given=given)

    assert stocked.shown() == before
    assert report.exit_code == 5 or stocked.mode == "network"
    assert report.exit_code in (3, 5)


def test_no_data_for_what_is_not_sold_from_there_is_a_zero(tmp_path: Path) -> None:
    """Where MAO answers so, and not with the documented empty list."""
    stocked = Stocked(tmp_path, "location", no_rows_as_null=True)
    stocked.sync()
    stock_of(stocked.world).ineligible.add((BAD, EVERYWHERE))

    report = stocked.sync(given=(BAD,))

    assert report.exit_code == 0
    assert {units for (sku, _), units in stocked.shown().items() if sku == BAD} == {0}
    assert stocked.shown() == stocked.promised()


def test_a_row_without_its_quantity_is_not_a_zero(stocked: Stocked) -> None:
    before = stocked.shown()

    def change(rows: Rows) -> Rows:
        names = ("TotalQuantity", "Quantity")
        return [{k: v for k, v in row.items() if row["ItemId"] != BAD or k not in names} for row in rows]

    answering(stocked, with_rows(change))

    report = stocked.sync()

    only_others_moved(stocked, before)
    assert {problem.code for _, _, problem in report.rejected} == {"source-invalid"}


def test_the_same_row_twice_counts_once(stocked: Stocked) -> None:
    answering(stocked, with_rows(lambda rows: [*rows, *rows]))

    report = stocked.sync()

    assert report.exit_code == 0
    assert stocked.shown() == stocked.promised()


def test_two_rows_that_contradict_each_other_are_believed_neither(stocked: Stocked) -> None:
    before = stocked.shown()

    def change(rows: Rows) -> Rows:
        name = "TotalQuantity" if "TotalQuantity" in rows[0] else "Quantity"
        return [*rows, *({**row, name: row[name] + 1} for row in rows if row["ItemId"] == BAD)]

    answering(stocked, with_rows(change))

    report = stocked.sync()

    only_others_moved(stocked, before)
    assert report.exit_code == 3


def test_an_item_in_two_cases_is_two_items(stocked: Stocked) -> None:
    """MAO answers for the one it has; the other is not sold there."""
    add_item(stocked.world, "item-000002")
    for place in LOCATIONS:
        set_supply(stocked.world, "item-000002", place, 77)

    report = stocked.sync()

    assert report.exit_code == 0
    assert stocked.shown() == stocked.promised()


@pytest.mark.parametrize(
    "name", ["it's", 'say "7"', "Größe-38", "尺码", "A B", "A%2FB", "A\\B", "a|b", "(x)"]
)
def test_a_sku_with_quotes_or_letters_of_any_alphabet_is_written(tmp_path: Path, name: str) -> None:
    stocked = Stocked(tmp_path, "network", items=[name, "PLAIN"])

    report = stocked.sync()
    again = stocked.sync(full=True)
    given = stocked.sync(given=(name,))

    assert report.exit_code == 0
    assert stocked.shown() == stocked.promised()
    assert again.counts["written"] == given.counts["written"] == 0
    assert given.read == 1


def test_a_view_that_mao_does_not_have_stops_the_run_with_its_name(stocked: Stocked) -> None:
    path = stocked.bench.config_path
    text = path.read_text("utf-8")
    path.write_text(text.replace(LOCATION_VIEW, "No Such").replace(NETWORK_VIEW, "No Such"), "utf-8")
    before = stocked.bench.writes()

    report = stocked.sync()

    assert report.exit_code == 5
    assert report.problem is not None and report.problem.code == "view-unusable"
    assert "No Such" in report.problem.message
    assert stocked.bench.writes() == before


def test_a_view_of_the_wrong_kind_stops_the_run(tmp_path: Path) -> None:
    stocked = Stocked(tmp_path, "network")
    path = stocked.bench.config_path
    path.write_text(path.read_text("utf-8").replace(NETWORK_VIEW, LOCATION_VIEW), "utf-8")

    report = stocked.sync()

    assert report.exit_code == 5
    assert report.problem is not None and report.problem.code == "view-unusable"


def test_many_unmapped_locations_are_told_once_each_and_quickly(tmp_path: Path) -> None:
    """Of a tenant with thousands of stores four places are sold online."""
    swept = {}

    def sweep(count: int) -> None:
        stocked = stock_with_stores(tmp_path / f"{count}", count)
        swept[count] = stocked, stocked.sync()

    assert_linear(sweep, 400, rounds=1)

    stocked, report = swept[1600]
    unmapped = [entity for entity, _, problem in report.rejected if problem.code == "location-unmapped"]
    assert report.exit_code == 3
    # The search stops in the middle of an item where a page ends: the rest is told another time.
    assert 1_400 <= report.counts["rejected"] == report.dead_letters <= 1_600
    assert len(unmapped) == len(set(unmapped)) == REJECTED_SHOWN_MAX
    assert stocked.shown() == stocked.promised()
    (hint,) = {problem.hint.replace(label, "?") for _, label, problem in report.rejected}
    assert (
        hint
        == 'add "?" = "<channel key>" under [mapping.locations]; "?" = "" where it is to be shown nowhere'
    )


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_location_that_is_to_be_shown_nowhere_is_named_with_an_empty_channel(
    tmp_path: Path, by_hand: bool
) -> None:
    """Its dead letter closes, nobody asks for its stock, and no entry counts it."""
    stocked = Stocked(tmp_path, "location", items=6)
    path = stocked.bench.config_path
    mapped = path.read_text("utf-8")
    path.write_text(mapped.replace('"ST-17" = "store-17"\n', ""), "utf-8")
    stocked.sync()
    before = stocked.shown()
    set_supply(stocked.world, "ITEM-000001", "ST-17", 500)
    stocked.bench.clock.advance(300)
    assert [problem.code for _, _, problem in stocked.sync().rejected] == ["location-unmapped"]

    path.write_text(mapped.replace('"ST-17" = "store-17"', '"ST-17" = ""'), "utf-8")
    stocked.bench.clock.advance(300)
    if by_hand:
        (letter,) = stocked.bench.dead_letters()
        report = stocked.sync(dead_letters=(letter.entity,))
    else:
        report = stocked.sync()

    assert report.exit_code == 0
    assert stocked.bench.dead_letters() == []
    set_supply(stocked.world, "ITEM-000001", "ST-17", 700)
    stocked.bench.clock.advance(300)
    asked = availability_requests(stocked)
    report = stocked.sync(full=True)
    assert (report.exit_code, report.counts["rejected"]) == (0, 0)
    assert stocked.shown() == before
    assert asked and all("DC-OSA" in body and "ST-17" not in body for body in asked)


def stock_with_stores(folder: Path, count: int) -> Stocked:
    folder.mkdir()
    stocked = Stocked(folder, "location", items=60)
    stocked.sync()
    for number in range(count):
        set_supply(stocked.world, f"ITEM-{number % 50 + 1:06d}", f"STORE-{number:04d}", 3)
    stocked.bench.clock.advance(300)
    return stocked


def test_a_channel_that_commercetools_lacks_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    stocked = Stocked(tmp_path, "location", items=4)
    path = stocked.bench.config_path
    path.write_text(path.read_text("utf-8").replace('"dc-osaka"', '"dc-nowhere"'), "utf-8")

    report = stocked.sync()

    assert report.exit_code == 3
    codes = {problem.code for _, _, problem in report.rejected}
    assert codes == {"location-unmapped"}
    assert all("dc-nowhere" in problem.message for _, _, problem in report.rejected)
    assert all("ct-mao-sync setup" in problem.hint for _, _, problem in report.rejected)
