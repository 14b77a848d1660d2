"""`sync orders`: its options, what it prints, and what it asks of the servers."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from cli_world import MISSING, World
from independent_servers import Call, Reply
from shop_orders import order, uid


@pytest.fixture
def shop_of_five(world: World) -> World:
    for number in range(5):
        world.shop.put(order(f"CT-{number}"))
    return world


def test_an_export_takes_at_most_2_2_requests_an_order_and_the_next_run_one_a_page(world: World) -> None:
    for number in range(60):
        world.shop.put(order(f"CT-{number}", ("SKU-A", 1 + number % 3, 1999), ("SKU-B", 1, 501)))
    ran = world.sync()
    assert ran.code == 0
    assert "read 60 = written 60 + unchanged 0" in ran.out
    assert len(world.mao.orders) == 60
    assert world.requests <= 2.2 * 60
    assert sum("oauth" in call.path for call in world.calls) == 2
    world.clear()
    ran = world.sync()
    assert "read 60 = written 0 + unchanged 60" in ran.out
    assert world.writes == 0
    assert len(world.calls) == 1  # not even a token: it is kept in its file


@pytest.mark.parametrize(("page_size", "pages"), [(7, 9), (20, 4), (61, 1)])
def test_a_second_run_reads_each_page_once(world: World, page_size: int, pages: int) -> None:
    world.configure(sync__page_size=page_size, sync__settle_seconds=0)
    for number in range(60):
        world.shop.put(order(f"CT-{number}"))
    assert world.sync().code == 0
    assert len(world.mao.orders) == 60
    world.clear()
    assert world.sync().code == 0
    assert (world.requests, world.writes) == (pages, 0)


def test_an_idle_run_is_one_request(world: World) -> None:
    assert world.sync().code == 0
    world.clear()
    ran = world.sync()
    assert "read 0 = written 0" in ran.out
    assert len(world.calls) == 1


def test_a_dry_run_writes_nothing_anywhere(shop_of_five: World) -> None:
    world = shop_of_five
    ran = world.sync("--dry-run")
    assert ran.code == 0
    assert ran.out.count("would create MAO order CT-") == 5
    assert "would create MAO order CT-3: 1 line\n" in ran.out
    assert "orders (dry run)" in ran.out
    assert world.writes == 0
    assert not list(world.folder.glob("state*"))
    assert world.sync("--dry-run", "--json").json["runs"][0]["watermark"] is None


def test_a_dry_run_leaves_the_state_as_it_is(shop_of_five: World) -> None:
    world = shop_of_five
    world.sync("--order", "CT-1")
    bad = order("CT-9", method="Drone")
    world.shop.put(bad)
    world.sync()
    before = _state(world)
    moved = world.shop.orders[uid("CT-2")]
    moved["shippingAddress"]["city"] = "Pirna"
    world.shop.put(moved)
    world.clear()
    ran = world.sync("--dry-run")
    assert re.search(r"would update MAO order CT-2: .*ShipToAddress/Address/City", ran.said)
    assert world.run("replay-errors", "--dry-run").code == 3
    assert world.writes == 0
    assert _state(world) == before


def _state(world: World) -> list[object]:
    with sqlite3.connect(world.state_path) as database:
        tables = ("checkpoints", "processed", "sent", "dead_letters", "events", "runs")
        return [database.execute(f"select * from {table}").fetchall() for table in tables]


def test_a_dry_run_shows_payloads_with_v_and_masks_personal_data(shop_of_five: World) -> None:
    ran = shop_of_five.sync("--dry-run", "-v", "--limit", "1", "--show-personal")  # no terminal here
    assert '"UnitPrice": 19.99' in ran.out
    assert '"Address1": "[street]"' in ran.out
    assert "--limit was reached; there is more" in ran.out


def test_a_limit_stops_early_and_the_next_runs_go_on(shop_of_five: World) -> None:
    world = shop_of_five
    sizes = []
    for _ in range(3):
        ran = world.sync("--limit", "2")
        sizes.append(len(world.mao.orders))
        assert ran.code == 0
    assert sizes == [2, 4, 5]
    assert len(world.mao.saves()) == 5
    world.clear()
    assert "written 0 + unchanged 5" in world.sync().out
    assert world.writes == 0


def test_a_limit_never_moves_the_watermark_past_what_it_left(shop_of_five: World) -> None:
    world = shop_of_five
    report = world.sync("--limit", "2", "--json").json["runs"][0]
    assert report["limit_reached"] is True
    assert report["watermark"] is None
    assert world.sync("--json").json["runs"][0]["written"] == 3


def test_named_orders_are_read_whatever_the_window(world: World) -> None:
    world.configure(orders__start_at=MISSING)
    for number in range(5):
        world.shop.put(order(f"CT-{number}"))
    ran = world.sync("--order", "CT-1", "--order", "CT-3", "--order", "CT-1")
    assert ran.code == 0
    assert sorted(world.mao.orders) == ["CT-1", "CT-3"]
    ran = world.sync("--order", uid("CT-4"))
    assert ran.code == 0 and "CT-4" in world.mao.orders
    ran = world.sync()
    assert ran.code == 2  # no watermark came of it


def test_an_unknown_order_number_is_named_and_the_others_are_done(shop_of_five: World) -> None:
    ran = shop_of_five.sync("--order", "CT-1", "--order", "CT-404", "--order", uid("CT-405"))
    assert ran.code == 3
    assert "order-not-found: commercetools has no order with the number or id CT-404" in ran.err
    assert uid("CT-405") in ran.err
    assert "dead letter" not in ran.text  # nothing waits: there is no such record
    assert "CT-1" in shop_of_five.mao.orders
    assert shop_of_five.letters() == []


def test_quotes_in_an_order_number_break_no_query(shop_of_five: World) -> None:
    ran = shop_of_five.sync("--order", 'x" or orderNumber = "CT-1')
    assert ran.code == 3
    assert "order-not-found" in ran.err
    assert shop_of_five.mao.writes() == []


def test_the_first_run_needs_to_know_where_to_begin(world: World) -> None:
    world.configure(orders__start_at=MISSING)
    world.shop.put(order("CT-1"))
    ran = world.sync()
    assert ran.code == 2
    assert "error: first-run" in ran.err
    assert "start_at" in ran.err and "--since" in ran.err
    assert world.requests == 0
    assert world.sync("--since", "2026-11-01").code == 0
    world.shop.put(order("CT-2"))
    assert world.sync().code == 0
    assert sorted(world.mao.orders) == ["CT-1", "CT-2"]


def test_orders_from_before_the_start_stay_out_also_with_an_earlier_since(world: World) -> None:
    world.shop.put(order("CT-OLD", created_at="2026-10-01T00:00:00.000Z"))
    ran = world.sync("--since", "2026-01-01")
    assert ran.code == 0
    assert "skipped 1: created before orders.start_at" in ran.out
    assert world.mao.orders == {}


def test_an_exploration_never_loses_the_watermark(shop_of_five: World) -> None:
    world = shop_of_five
    before = world.sync("--json").json["runs"][0]["watermark"]
    ran = world.sync("--since", "2026-11-01", "--until", "2026-11-02T12:00:00+01:00")
    assert ran.code == 0
    assert "2026-11-01 00:00–2026-11-02 11:00Z  read 0" in ran.out
    after = world.sync("--json").json["runs"][0]
    assert after["watermark"] >= before
    assert after["since"] < before


def test_until_leaves_later_changes_for_the_next_run(world: World) -> None:
    world.shop.put(order("CT-1"))
    world.shop.orders[uid("CT-1")]["lastModifiedAt"] = "2026-11-05T12:00:00.000Z"
    world.shop.put(order("CT-2"))
    ran = world.sync("--until", "2026-11-06")
    assert ran.code == 0
    assert list(world.mao.orders) == ["CT-1"]
    assert world.sync().code == 0
    assert sorted(world.mao.orders) == ["CT-1", "CT-2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync"],
        ["sync", "stock"],
        ["sync", "orders", "--limit", "0"],
        ["sync", "orders", "--since", "gestern"],
        ["sync", "orders", "--since", "2026-11-01T00:00:00"],
        ["sync", "orders", "--since", "2026-11-02", "--until", "2026-11-01"],
        ["sync", "orders", "--since", "2999-01-01"],
        ["sync", "orders", "--order", "CT-1", "--since", "2h"],
        ["sync", "orders", "--log-format", "xml"],
        ["errors", "show", "99"],
        ["errors", "show", "x"],
        ["errors", "discard", "1"],
        ["snyc", "orders"],
    ],
)
def test_a_slip_of_the_keyboard_is_explained_and_nothing_is_run(world: World, arguments: list[str]) -> None:
    ran = world.run(*arguments)
    assert ran.code == 2
    assert "Error: " in ran.err
    assert world.calls == []


def test_a_misspelt_command_suggests_the_nearest(world: World) -> None:
    assert "Did you mean sync?" in world.run("snyc", "orders").err


def test_json_is_one_document_that_adds_up(shop_of_five: World) -> None:
    world = shop_of_five
    world.shop.put(order("CT-9", method="Drone"))
    ran = world.sync("--json", "-vv")
    document = ran.json
    (run,) = document["runs"]
    kinds = ("written", "unchanged", "rejected", "pending", "skipped")
    assert run["read"] == sum(run[kind] for kind in kinds) == 6
    assert (run["written"], run["rejected"]) == (5, 1)
    assert document["exit_code"] == run["exit_code"] == ran.code == 3
    assert run["rejections"][0]["code"] == "shipping-method-unmapped"
    assert run["requests"] == world.requests + 2  # and two tokens
    assert document["problems"] == []
    assert "about to create MAO order CT-1" in ran.err


def test_json_tells_a_problem_of_the_run(shop_of_five: World) -> None:
    shop_of_five.shop.server.on("GET", "/orders", Reply(404, {"message": "no project"}))
    document = shop_of_five.sync("--json").json
    assert document["runs"][0]["problem"]["code"] == "project-not-found"
    assert document["exit_code"] == 5


def test_global_options_are_taken_before_and_after_the_command(shop_of_five: World) -> None:
    before = shop_of_five.run("--json", "--log-format", "json", "-vv", "sync", "orders", "--dry-run")
    after = shop_of_five.run("sync", "orders", "--dry-run", "--json", "--log-format", "json", "-vv")
    for ran in (before, after):
        assert ran.json["runs"][0]["written"] == 5
        assert all(json.loads(line)["at"] for line in ran.err.splitlines())


def test_each_log_line_is_json_on_request_and_carries_the_run(shop_of_five: World) -> None:
    shop_of_five.shop.put(order("CT-9", method="Drone\nERROR forged"))
    ran = shop_of_five.sync("--log-format", "json", "-vv")
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert {line["level"] for line in lines} == {"debug", "info", "warning"}
    runs = {line["run"] for line in lines if "run" in line}
    assert len(runs) == 1
    seen = {call.headers.get("X-Correlation-ID", "") for call in shop_of_five.calls}
    assert all(one.startswith(next(iter(runs))) for one in seen)
    assert len(seen) >= 12
    assert "\nERROR forged" not in ran.err


def test_a_page_that_is_too_much_for_the_server_is_asked_for_in_smaller_ones(shop_of_five: World) -> None:
    def too_big(call: Call) -> Reply | None:
        if int(call.value("limit")) > 2:
            error = {"code": "ContentTooLarge", "message": "too large"}
            return Reply(400, {"statusCode": 400, "message": "too large", "errors": [error]})
        return None

    shop_of_five.shop.server.on("GET", "/orders$", too_big)
    shop_of_five.configure(sync__page_size=8, sync__retry_seconds=1)
    assert shop_of_five.sync().code == 0
    assert len(shop_of_five.mao.orders) == 5
