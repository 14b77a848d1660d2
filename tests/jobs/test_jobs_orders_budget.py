"""`manhattan.max_requests_per_hour`: a run stops cleanly when the hour's share is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from orders_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    text = bench.config_path.read_text(encoding="utf-8")
    bench.config_path.write_text(
        text.replace("[orders]", "max_requests_per_hour = 30\n[orders]", 1), encoding="utf-8"
    )
    for number in range(1, 41):
        bench.place(number)
    bench.clock.advance(60)
    return bench


def saved(bench: Bench) -> int:
    return len(bench.sandbox.world.mao.orders)


def asked(bench: Bench) -> int:
    """Requests that MAO counts: not those of its token service."""
    return bench.log.total("manhattan") - bench.log.total("manhattan", endpoint="/oauth/token")


def test_no_hour_takes_more_than_its_share(bench: Bench) -> None:
    report = bench.sync()
    again = bench.sync()

    assert (report.exit_code, again.exit_code) == (4, 4)
    assert report.problem is not None and report.problem.code == "budget-used"
    assert asked(bench) <= 30


def test_the_next_hours_finish_the_work_and_nothing_is_set_aside(bench: Bench) -> None:
    for _ in range(4):
        bench.sync()
        bench.clock.advance(3600)

    assert saved(bench) == 40
    assert bench.dead_letters() == []


def test_what_a_run_did_not_use_is_there_for_the_next(bench: Bench) -> None:
    bench.sync(limit=1)

    with bench.application().open_store() as store:
        assert store.budget_used(bench.clock.now()) == asked(bench)
