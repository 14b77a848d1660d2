"""`errors` and `replay-errors`, as a person in trouble uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import World
from golden import Stage, stays_one
from independent_manhattan import envelope
from independent_servers import Reply
from shop_orders import order, uid


@pytest.fixture
def trouble(world: World) -> World:
    """CT-1 and CT-2 have an unmapped method, CT-3 a wrong total; CT-0 arrived."""
    world.shop.put(order("CT-0"))
    world.shop.put(order("CT-1", method="Drone"))
    world.shop.put(order("CT-2", method="Zeppelin"))
    bad = order("CT-3")
    bad["totalPrice"]["centAmount"] += 1
    world.shop.put(bad)
    assert world.sync().code == 3
    world.clear()
    return world


def numbers(world: World) -> dict[str, int]:
    return {letter["label"]: letter["id"] for letter in world.letters()}


def test_the_list_shows_each_record_with_its_own_reason_and_the_cure(trouble: World) -> None:
    ran = trouble.run("errors", "list")
    assert ran.code == 0
    for words in (
        "shipping-method-unmapped (2)",
        "'Drone' has no MAO ShippingMethodId",
        "'Zeppelin' has no MAO ShippingMethodId",
        "add 'Drone' to mapping.shipping_methods",
        "replay-errors --code shipping-method-unmapped",
        "totals-mismatch (1)",
    ):
        assert words in " ".join(ran.out.split())
    assert trouble.calls == []


@pytest.mark.parametrize(
    ("selection", "labels"),
    [
        (["--code", "totals-mismatch"], {"CT-3"}),
        (["--entity", "CT-2"], {"CT-2"}),
        (["--entity", uid("CT-1")], {"CT-1"}),
        (["--job", "orders"], {"CT-1", "CT-2", "CT-3"}),
        (["--code", "order-locked"], set()),
    ],
)
def test_a_selection_is_the_same_for_list_and_replay(
    trouble: World, selection: list[str], labels: set[str]
) -> None:
    listed = trouble.run("errors", "list", "--json", *selection).json
    assert {letter["label"] for letter in listed} == labels
    replayed = trouble.run("replay-errors", "--json", *selection)
    tried = {row["label"] for run in replayed.json["runs"] for row in run["rejections"]}
    assert tried == labels
    assert replayed.code == (3 if labels else 0)


def test_nothing_to_replay_is_no_error(world: World) -> None:
    ran = world.run("replay-errors")
    assert (ran.code, ran.out) == (0, "no dead letters match; nothing to replay\n")
    assert world.run("errors", "list").out == "no dead letters\n"
    assert world.run("errors", "list", "--json").json == []


def test_the_exit_code_counts_only_this_runs_rejections(trouble: World) -> None:
    ran = trouble.sync()
    assert ran.code == 0
    assert "skipped 3: waiting in the queue of dead letters" in ran.out
    assert len(trouble.letters()) == 3
    assert trouble.writes == 0


def test_a_replay_reads_the_order_afresh(trouble: World) -> None:
    fixed = trouble.shop.orders[uid("CT-3")]
    fixed["totalPrice"]["centAmount"] -= 1
    fixed["shippingAddress"]["city"] = "Pirna"
    trouble.shop.put(fixed)
    ran = trouble.run("replay-errors", "--entity", "CT-3")
    assert ran.code == 0
    address = trouble.mao.orders["CT-3"]["OrderLine"][0]["ShipToAddress"]["Address"]
    assert address["City"] == "Pirna"
    assert set(numbers(trouble)) == {"CT-1", "CT-2"}


def test_a_discarded_record_rests_until_it_changes(trouble: World) -> None:
    number = str(numbers(trouble)["CT-3"])
    ran = trouble.run("errors", "discard", number, "--reason", "settled by phone")
    assert ran.code == 0
    assert f"discarded {number} (CT-3)" in ran.out
    assert "CT-3" not in numbers(trouble)
    assert "settled by phone" in trouble.run("errors", "show", number).out
    listed = trouble.run("errors", "list", "--all").out
    assert "CT-3" in listed and ", discarded" in listed
    assert trouble.sync().code == 0
    assert "CT-3" not in trouble.mao.orders
    changed = trouble.shop.orders[uid("CT-3")]
    changed["totalPrice"]["centAmount"] -= 1
    trouble.shop.put(changed)
    assert trouble.sync().code == 0
    assert "CT-3" in trouble.mao.orders


def test_the_cure_names_the_number_to_discard(world: World) -> None:
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    del world.mao.orders["CT-1"]
    changed = world.shop.orders[uid("CT-1")]
    changed["shippingAddress"]["city"] = "Pirna"
    world.shop.put(changed)
    assert world.sync().code == 3
    (letter,) = world.letters()
    assert letter["code"] == "order-not-found"
    shown = " ".join(world.run("errors", "show", str(letter["id"])).out.split())
    assert f'ct-mao-sync errors discard {letter["id"]} --reason "…"' in shown
    assert world.mao.orders == {}


@pytest.mark.parametrize("width", [40, 60, 120])
def test_no_line_is_wider_than_the_terminal(trouble: World, width: int) -> None:
    for arguments in (["errors", "list"], ["errors", "show", str(numbers(trouble)["CT-1"])]):
        ran = trouble.run(*arguments, terminal_width=width)
        assert ran.code == 0
        assert all(len(line) <= width or stays_one(line) for line in ran.out.splitlines()), ran.out
        assert "shipping-method-unmapped" in ran.out


def test_a_changed_mapping_is_tried_by_the_next_run_without_being_asked(trouble: World) -> None:
    methods = {"Standard": "STD", "Drone": "AIR", "Zeppelin": "AIR"}
    trouble.configure(mapping__shipping_methods=methods)
    ran = trouble.sync()
    assert ran.code == 3  # the wrong total is still wrong
    assert set(trouble.mao.orders) == {"CT-0", "CT-1", "CT-2"}
    assert set(numbers(trouble)) == {"CT-3"}


def test_a_large_group_is_cut_and_says_how_to_see_the_rest(world: World) -> None:
    for index in range(15):
        world.shop.put(order(f"CT-{index}", method="Drone"))
    assert world.sync().code == 3

    ran = world.run("errors", "list")

    assert "shipping-method-unmapped  (15)" in ran.out
    assert ran.out.count("its shipping method") == 10
    assert "and 5 more: ct-mao-sync errors list --code shipping-method-unmapped --limit 0" in ran.out
    assert world.run("errors", "list", "--limit", "0").out.count("its shipping method") == 15


def test_the_queue_can_be_exported_line_by_line(trouble: World) -> None:
    lines = [json.loads(line) for line in trouble.run("errors", "list", "--json-lines").out.splitlines()]

    assert lines == trouble.letters()
    assert trouble.run("errors", "list", "--json-lines", "--code", "order-locked").out == ""


def test_several_are_discarded_by_code_after_a_question(trouble: World) -> None:
    selection = ["errors", "discard", "--code", "shipping-method-unmapped", "--reason", "old stock"]

    ran = trouble.run(*selection)  # nobody is there to answer
    assert ran.code == 2 and "would discard 2: shipping-method-unmapped (2)" in ran.err
    assert len(trouble.letters()) == 3
    ran = trouble.run(*selection, "--yes")

    assert ran.code == 0 and "discarded 2" in ran.out
    assert set(numbers(trouble)) == {"CT-3"}
    assert trouble.run("errors", "discard", "--reason", "x").code == 2
    assert trouble.run("errors", "discard", "1", "--code", "x", "--reason", "x").code == 2


def test_a_replay_tells_what_changed(trouble: World) -> None:
    """CT-1 is cured, CT-2 has another fault now, CT-3 the one it had."""
    trouble.configure(mapping__shipping_methods={"Standard": "STD", "Drone": "AIR"})
    other = trouble.shop.orders[uid("CT-2")]
    other["shippingInfo"]["shippingMethodName"] = "Standard"
    other["totalPrice"]["centAmount"] += 1
    trouble.shop.put(other)

    ran = trouble.run("replay-errors")

    assert ran.code == 3
    assert "of 3: 1 left the queue, 1 wait for the same reason, 1 for another one" in ran.out
    assert "still totals-mismatch: 1" in ran.out
    assert "shipping-method-unmapped is now totals-mismatch: 1" in ran.out
    changes = trouble.run("replay-errors", "--json").json["changes"]
    assert changes == {
        "tried": 2,
        "fixed": 0,
        "still_rejected": {"totals-mismatch": 2},
        "new_code": [],
    }


def test_one_record_is_shown_with_its_attempts_and_as_it_is_now(trouble: World) -> None:
    number = str(numbers(trouble)["CT-1"])
    trouble.run("replay-errors", "--entity", "CT-1")
    trouble.clear()

    ran = trouble.run("errors", "show", number)
    assert ran.out.count("refuse shipping-method-unmapped") == 2
    assert trouble.requests == 0

    trouble.configure(mapping__shipping_methods={"Standard": "STD", "Drone": "AIR"})
    ran = trouble.run("errors", "show", number, "--now")
    assert "+ CT-1 would create MAO order CT-1: 1 line" in " ".join(ran.out.split())
    assert trouble.writes == 0


def test_what_was_to_be_written_is_kept_with_a_refusal(world: World) -> None:
    world.shop.put(order("CT-0"))
    world.shop.put(order("CT-1"))
    assert world.sync().code == 0
    changed = world.shop.orders[uid("CT-1")]
    changed["shippingAddress"]["city"] = "Pirna"
    world.shop.put(changed)
    wrong = envelope(success=False, data=None, code="ord::10002", text="Something is wrong with it")
    world.mao.server.on("POST", "/save", Reply(400, wrong), times=1)
    assert world.sync().code == 3

    (letter,) = world.letters()
    shown = world.run("errors", "show", str(letter["id"])).out

    assert "update MAO order CT-1" in letter["context"]["difference"]
    assert "to write:" in shown and "ShipToAddress/Address/City" in shown
    # The attempt can be told to MAO's support.
    assert letter["context"]["correlation_id"] in shown


def test_how_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(orders="", more="")
    stage.config_path.write_text(stage.config_path.read_text().replace('standard = "STD"\n', ""))
    for number in range(1, 25):
        stage.place(number)
    stage.sync()
    stage.clock.advance(600)
    stage.check("errors-list", "errors", "list")
    number = stage.dead_letters()[0].id
    stage.check("errors-show", "errors", "show", str(number))
    stage.check("replay-errors", "replay-errors", code=3)
