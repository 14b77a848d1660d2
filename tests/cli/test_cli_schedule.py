"""Which jobs are on."""

from __future__ import annotations

from cli_world import World


def test_a_job_without_a_rhythm_is_left_out_of_sync_all_and_can_be_run_by_name(world: World) -> None:
    world.configure(schedule__orders="", schedule__status="", schedule__returns="", schedule__inventory="")

    ran = world.run("sync", "all")

    assert ran.code == 2
    assert "every job is switched off under [schedule]" in ran.said
    assert world.calls == []
    assert world.run("sync", "orders").code == 0


def test_the_jobs_that_are_on_are_those_with_a_rhythm(world: World) -> None:
    world.configure(schedule__status="", schedule__returns="")

    ran = world.run("sync", "all", "--json")

    assert [run["job"] for run in ran.json["runs"]] == ["orders"]  # inventory has no view to read
