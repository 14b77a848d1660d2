"""kill -9 while returns are told: the next run completes the work. No return item is there twice; no line of
the outbox is lost, torn or there twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_scene import DONE, KILLED, Machine, Server

COUNT = 6
CONFIG = """
[returns]
outbox = "outbox.jsonl"
[returns.disposition]
New = "BackInStock"
Damaged = "Unusable"
"""
RUN = ("sync", "returns")


@pytest.fixture
def returning(server: Server, tmp_path: Path) -> Iterator[Machine]:
    """A fresh installation; something of every order has come back."""
    server.do("reset_returned", seed=1, count=COUNT)
    machine = Machine(tmp_path / "machine", server)
    with (machine.folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    yield machine
    server.do("arm", kind="", number=0, where="")


def _outbox(machine: Machine) -> list[Any]:
    text = (machine.folder / "outbox.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _assert_told(machine: Machine) -> None:
    """Each unit once on both outlets: an item of one order line, a disposition; every second one refunded."""
    world = machine.server.do("look")
    items = [
        item
        for order in world["shop"].values()
        for info in order.get("returnInfo", ())
        for item in info["items"]
    ]
    assert len(items) == COUNT == len({item["lineItemId"] for item in items})
    assert [item["quantity"] for item in items] == [1] * COUNT
    assert {item["shipmentState"] for item in items} == {"BackInStock", "Unusable"}
    assert sorted(item["paymentState"] for item in items) == ["Initial"] * 3 + ["Refunded"] * 3
    outbox = _outbox(machine)
    assert len({line["key"] for line in outbox}) == len(outbox)
    assert sorted(line["event"] for line in outbox) == ["return-disposed"] * COUNT + ["return-refunded"] * 3


@pytest.mark.parametrize("where", [pytest.param("before", marks=pytest.mark.slow), "half", "after"])
def test_killed_between_the_outbox_and_its_commit_each_line_is_there_once(
    where: str, returning: Machine
) -> None:
    killed = returning.run(*RUN, launch=f"outbox={where}")

    again = returning.run(*RUN)

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code in DONE, again.stderr
    _assert_told(returning)


@pytest.mark.parametrize(
    ("number", "where"), [pytest.param(2, "before", marks=pytest.mark.slow), (3, "after")]
)
def test_killed_at_a_write_the_next_run_tells_the_rest(number: int, where: str, returning: Machine) -> None:
    returning.server.do("arm", kind="sync-info", number=number, where=where)
    killed = returning.run(*RUN)

    again = returning.run(*RUN)

    assert killed.exit_code == KILLED, killed.stderr
    assert again.exit_code in DONE, again.stderr
    _assert_told(returning)


@pytest.mark.slow
def test_killed_at_every_statement_the_next_run_tells_the_rest(returning: Machine, tmp_path: Path) -> None:
    for number in range(60, 1000, 3):
        returning.server.do("reset_returned", seed=1, count=COUNT)
        twin = Machine(tmp_path / f"{number}", returning.server)
        (twin.folder / "config.toml").write_bytes((returning.folder / "config.toml").read_bytes())
        if twin.run(*RUN, launch=f"statement={number}").exit_code != KILLED:
            break
        assert twin.run(*RUN).exit_code in DONE
        _assert_told(twin)
    assert number > 90
