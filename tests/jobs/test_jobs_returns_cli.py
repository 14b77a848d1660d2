"""Returns on the command line: what a person sees and types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click.testing
import pytest
from returns_scene import Scene

from ct_mao_sync.cli import wiring
from ct_mao_sync.cli.main import cli


class Desk:
    """A person at a terminal, and the two systems."""

    def __init__(self, folder: Path, monkeypatch: Any, **settings: Any) -> None:
        self.scene = Scene(folder, **settings)
        monkeypatch.setattr(wiring, "open_application", lambda *_: self.scene.bench.application())

    def type(self, *words: str) -> click.testing.Result:
        self.scene.bench.clock.advance(120)
        config = ["--config", str(self.scene.bench.config_path)]
        return click.testing.CliRunner().invoke(cli, [*config, *words], catch_exceptions=False)

    def take_back(self, condition: str = "New", *, verified: bool = True) -> None:
        scene = self.scene
        scene.mao.create_return("CT-1", {scene.line_id(): 2}, return_id="R1", condition=condition)
        scene.mao.receive("R1")
        if verified:
            scene.mao.verify("R1")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_a_dry_run_shows_what_would_be_said_of_each_item(desk: Desk) -> None:
    desk.take_back()

    ran = desk.type("sync", "returns", "--dry-run")

    assert ran.exit_code == 0
    assert "update order CT-1 (return R1): add 2 of" in ran.output
    assert "set mao-R1-1-New-1 to BackInStock" in re.sub(r"\s+", " ", ran.output)
    assert desk.scene.shown() == []


def test_the_line_of_a_run_adds_up(desk: Desk) -> None:
    desk.take_back()

    ran = desk.type("sync", "returns")

    assert ran.exit_code == 0
    assert re.search(r"returns .* read 1 = written 1 \+ unchanged 0 \+ rejected 0", ran.output)


def test_an_order_is_named_by_its_number_and_a_sku_is_refused(desk: Desk) -> None:
    desk.take_back()

    assert desk.type("sync", "returns", "--order", "CT-1").exit_code == 0
    assert len(desk.scene.items()) == 1
    refused = desk.type("sync", "returns", "--sku", "S")
    assert refused.exit_code == 2
    assert "--sku" in refused.output


def test_the_hint_of_a_dead_letter_can_be_pasted(desk: Desk) -> None:
    desk.take_back("Chewed")
    assert desk.type("sync", "returns").exit_code == 3
    listed = desk.type("errors", "list")
    assert "disposition-unmapped" in listed.output
    shown = json.loads(desk.type("--json", "errors", "list").output)
    (letter,) = shown
    hint = letter["hint"]
    desk.scene.configure("", 'Chewed = "Unusable"\n')

    command = re.search(r"ct-mao-sync (replay-errors .*)", hint)
    assert command is not None
    ran = desk.type(*command[1].split())

    assert ran.exit_code == 0
    assert desk.scene.shown() == [("mao-R1-1-Chewed-1", 2, "Unusable", "Initial")]


def test_reconcile_tells_what_differs_and_fix_writes_it(desk: Desk) -> None:
    desk.take_back(verified=False)
    desk.type("sync", "returns")
    assert desk.type("reconcile", "returns", "--all").exit_code == 0
    desk.scene.mao.verify("R1")

    differs = desk.type("reconcile", "returns", "--all")
    fixed = desk.type("reconcile", "returns", "--all", "--fix")

    assert differs.exit_code == 3
    assert "R1" in differs.output
    assert fixed.exit_code == 0
    assert desk.scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Initial")]


def test_sync_all_includes_returns_where_something_says_what_becomes_of_them(desk: Desk) -> None:
    from ct_mao_sync.cli.job_builders import jobs_on

    assert "returns" in jobs_on(desk.scene.bench.application().config)
    desk.scene.bench.configure()
    assert "returns" not in jobs_on(desk.scene.bench.application().config)
