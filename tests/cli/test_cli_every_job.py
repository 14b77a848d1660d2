"""What holds for every job: an idle cycle costs next to nothing, and looking works for all of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from golden import Stage

from ct_mao_sync.cli.job_builders import jobs_on
from ct_mao_sync.cli.jobs import JOBS
from ct_mao_sync.sandbox.generate_stock import stock_world
from ct_mao_sync.sandbox.manhattan_returns import ReturnLifecycle

MORE = """
[inventory]
modes = ["network"]
network_view = "{view}"
[returns.disposition]
Good = "BackInStock"
ReturnToStock = "BackInStock"
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Every job is on; two orders are exported, one of them is shipped and comes back."""
    stage = Stage(tmp_path, monkeypatch, delivery_tracking=True)
    lines = [line for number in (1, 2) for line in stage.place(number)["lineItems"]]
    items = sorted({line["variant"]["sku"] for line in lines})
    stocked = stock_world(stage.sandbox.world, 3, items=items, entries=("network",), entries_agree=False)
    stage.configure(more=MORE.format(view=stocked.network_view))
    assert stage.run("sync", "all").exit_code in (0, 3)
    lifecycle = ReturnLifecycle(stage.sandbox.world)
    for step in ("allocate", "release", "ship"):
        getattr(lifecycle, step)("CT-1")
    lifecycle.create_return("CT-1", return_id="R0000000042", tracking="RTN-7")
    stage.clock.advance(900)
    for _ in range(2):
        assert stage.run("sync", "all").exit_code in (0, 3)
        stage.clock.advance(900)
    return stage


def test_an_idle_cycle_is_at_most_one_request_for_each_thing_that_is_watched(stage: Stage) -> None:
    """Each has a checkpoint: a window of a job, or the sales that inventory subtracts. The windows' overlap
    is behind: nothing of the last half hour changed."""
    stage.clock.advance(1800)
    application = stage.application()
    names = jobs_on(application.config)
    assert set(names) == set(JOBS)
    with application.open_store() as store:
        watched = Counter(job for job, name in store.checkpoints() if name != "sweep")

    runs = json.loads(stage.run("sync", "all", "--json").stdout)["runs"]

    assert {run["job"] for run in runs} == set(names)
    for run in runs:
        assert run["read"] == run["unchanged"] + run["skipped"], run
        assert run["requests"] <= watched[run["job"]], (run["job"], run["requests"], watched)


@pytest.mark.parametrize("selection", [["--all"], ["--since", "2026-11-20"], ["--sample", "3"]])
def test_every_job_can_be_reconciled_without_a_write(stage: Stage, selection: list[str]) -> None:
    writes = stage.writes()

    done = stage.run("reconcile", *selection, "--json")

    document = json.loads(done.stdout)
    assert done.exit_code in (0, 3), done.output
    assert document["exit_code"] == done.exit_code
    names = ("same", "missing_in_the_source", "missing_in_the_target", "different", "errors", "left_alone")
    for job in JOBS:
        assert sum(document[job][name] for name in names) > 0, job
    assert stage.writes() == writes


def test_after_fix_both_sides_agree(stage: Stage) -> None:
    _disturb(stage)
    before = json.loads(stage.run("reconcile", "--all", "--json").stdout)
    assert before["orders"]["different"] == 1 and before["inventory"]["different"] > 0

    stage.run("reconcile", "--all", "--fix")
    stage.clock.advance(60)

    after = json.loads(stage.run("reconcile", "--all", "--json").stdout)
    assert {job: after[job]["different"] for job in JOBS} == dict.fromkeys(JOBS, 0)


def _disturb(stage: Stage) -> None:
    """Somebody changes both sides behind the tool's back."""
    stage.edit(2, lambda order: order["shippingAddress"].update(city="Pirna"))
    inventory = stage.sandbox.world.ct.inventory
    for entry_id, entry in list(inventory.items()):
        more = entry["quantityOnStock"] + 1
        inventory[entry_id] = {**entry, "quantityOnStock": more, "version": entry["version"] + 1}


def test_trace_plans_every_job_of_orders(stage: Stage) -> None:
    document: dict[str, Any] = json.loads(stage.run("trace", "CT-1", "--json").stdout)

    assert {row["job"] for row in document["present"]} == set(JOBS) - {"inventory"}
    assert document["return_ids"] == ["R0000000042"]
