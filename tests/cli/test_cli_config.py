"""A wrong configuration: all mistakes at once, each with its key; nothing is asked of any server."""

from __future__ import annotations

import pytest
from cli_world import MISSING, World

WRONG = """\
[commercetools]
project_kee = "x"
client_id = "env:NOT_SET_ANYWHERE"
client_secret = "file:/no/such/file"
region = "mars"
[manhattan]
api_url = "ftp://x"
[sync]
workers = "8"
page_size = 9999
[ordres]
x = 1
[orders]
start_at = "yesterday"
order_states = ["Opened"]
"""


def test_every_mistake_is_told_at_once_with_its_key(world: World) -> None:
    world.config_path.write_text(WRONG)
    ran = world.sync()
    assert ran.code == 2
    for words in (
        "ordres is not a known section; did you mean orders?",
        "commercetools.project_kee is not a known key; did you mean commercetools.project_key?",
        "commercetools.project_key is missing",
        "NOT_SET_ANYWHERE is not set",
        "/no/such/file cannot be read",
        'commercetools.region is "mars"',
        'manhattan.api_url is "ftp://x"',
        "manhattan.auth_url is missing",
        'sync.workers is "8"; it must be a whole number from 1 to 64',
        "sync.page_size is 9999; it must be a whole number from 1 to 500",
        'orders.start_at is "yesterday"',
        'orders.order_states has "Opened"',
    ):
        assert words in ran.said
    assert ran.err.count("error: ") == ran.err.count("hint: ") >= 12
    assert ran.out == ""
    problems = world.sync("--json").json["problems"]
    assert {"commercetools.region", "sync.workers", "ordres"} <= {problem["field"] for problem in problems}


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"[commercetools\n", "config-syntax"), (b"\xff\xfe\x00", "config-syntax"), (b"", "config-invalid")],
)
def test_a_file_that_is_no_configuration(world: World, content: bytes, code: str) -> None:
    world.config_path.write_bytes(content)
    ran = world.sync()
    assert ran.code == 2
    assert f"error: {code}" in ran.err and str(world.config_path) in ran.err


def test_a_file_that_is_not_there_tells_how_to_begin(world: World) -> None:
    world.config_path.unlink()
    ran = world.sync()
    assert ran.code == 2
    assert "error: config-missing" in ran.err
    assert "ct-mao-sync init" in ran.err and "--config FILE" in ran.err


def test_plain_http_is_for_this_machine_only(world: World) -> None:
    world.configure(manhattan__api_url="http://mao.example.com")
    ran = world.sync()
    assert ran.code == 2
    assert "manhattan.api_url" in ran.err


def test_a_column_that_is_missing_in_the_skus_file(world: World) -> None:
    (world.folder / "skus.csv").write_text("sku;item\nA;B\n")
    world.configure(mapping__skus_file="skus.csv")
    ran = world.sync()
    assert ran.code == 2
    assert "mapping.skus_file" in ran.err


def test_an_expression_that_is_none(world: World) -> None:
    world.configure(orders__customer_id="custom.[fields", orders__start_at=MISSING)
    ran = world.sync()
    assert ran.code == 2
    assert "orders.customer_id" in ran.err


@pytest.mark.parametrize("command", [["errors", "list"], ["errors", "show", "1"], ["replay-errors"]])
def test_the_other_commands_say_so_too(world: World, command: list[str]) -> None:
    world.config_path.write_text(WRONG)
    ran = world.run(*command)
    assert ran.code == 2
    assert "did you mean orders?" in ran.err
