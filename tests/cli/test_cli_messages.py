"""`--from FILE|-`: what a queue has to tell makes the run look at it, and is never the source of truth."""

from __future__ import annotations

import json
from typing import Any

import click.testing
import pytest
from cli_world import World
from shop_orders import order, uid

from ct_mao_sync.cli.main import cli


def message(number: str, kind: str = "order") -> str:
    document = {"type": "OrderCreated", "resource": {"typeId": kind, "id": uid(number)}, "order": {"no": 1}}
    return json.dumps(document) + "\n"


def tell(world: World, *lines: str) -> str:
    path = world.folder / "queue.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


@pytest.fixture
def shop(world: World) -> World:
    for number in range(4):
        document = order(f"CT-{number}")
        document["id"] = uid(f"CT-{number}")
        world.shop.put(document)
    return world


def test_only_what_the_messages_name_is_exported_and_its_id_alone_is_used(shop: World) -> None:
    ran = shop.sync("--from", tell(shop, message("CT-1"), message("CT-2"), message("CT-1")))

    assert ran.code == 0, ran.text
    assert "read 2 = written 2" in ran.out
    assert set(shop.mao.orders) == {"CT-1", "CT-2"}


def test_the_next_run_finds_the_rest_and_twice_is_once(shop: World) -> None:
    queue = tell(shop, message("CT-1"))
    shop.sync("--from", queue)

    again = shop.sync("--from", queue)
    rest = shop.sync()

    assert "read 1 = written 0 + unchanged 1" in again.out
    assert "written 3" in rest.out
    assert len(shop.mao.orders) == 4


def test_bad_lines_are_told_with_their_place_and_the_rest_goes_on(shop: World) -> None:
    queue = tell(shop, "{\n", message("CT-1"), message("x", "product"), '["no"]\n', message("CT-2")[:-9])

    ran = shop.sync("--from", queue, "--json")

    assert ran.code == 3
    [run] = ran.json["runs"]
    assert run["written"] == 1
    assert [problem["message"] for problem in run["rejections"]] == [
        f"{queue}: line 1: is not a message: it is not JSON in UTF-8",
        f"{queue}: line 4: is JSON, but no commercetools message",
        f"{queue}: line 5: the file ends in the middle of a message",
    ]
    assert shop.letters() == [], "a line is no record that could wait"


def test_an_order_that_is_gone_is_told(shop: World) -> None:
    ran = shop.sync("--from", tell(shop, message("CT-99")))

    assert ran.code == 3
    assert "order-not-found" in ran.text


def test_standard_input_is_a_file_too(shop: World) -> None:
    runner = click.testing.CliRunner(env=shop.env)

    done = runner.invoke(
        cli,
        ["--config", str(shop.config_path), "sync", "orders", "--from", "-"],
        input=message("CT-3") + "{",
    )

    assert done.exit_code == 3
    assert set(shop.mao.orders) == {"CT-3"}
    assert "standard input: line 2: the file ends in the middle" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("orders", "--from", "{queue}", "--order", "CT-1"),
        ("orders", "--from", "{queue}", "--since", "2h"),
        ("inventory", "--from", "{queue}", "--full"),
        ("all", "--from", "{queue}"),
        ("orders", "--from", "nowhere.jsonl"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_of_usage(shop: World, arguments: Any) -> None:
    queue = tell(shop, message("CT-1"))

    ran = shop.run("sync", *(word.format(queue=queue) for word in arguments))

    assert ran.code == 2
    assert "--from" in ran.err
    assert shop.writes == 0
