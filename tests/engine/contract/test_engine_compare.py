"""Both sides compared through a job's own plan: nothing is skipped, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_bench import Bench
from toy_job import MALFORMED, START

from ct_mao_sync.engine.compare import Finding
from ct_mao_sync.ops.reconcile import Reconciliation, Selection


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def compared(bench: Bench, **selection: Any) -> Iterator[Finding]:
    with bench.application().looking() as reading:
        found = Reconciliation(reading, "toy", Selection(**selection))
        yield from found.findings()


def symbols(bench: Bench, **selection: Any) -> dict[str, str]:
    return {finding.label: finding.symbol for finding in compared(bench, **selection)}


def test_every_record_of_every_page_is_compared_whatever_was_applied_before(bench: Bench) -> None:
    bench.put_many(7)
    bench.run()
    bench.shelf.values["r003"] = ("moved by hand", 5)

    found = symbols(bench, everything=True)

    assert found.pop("r003") == "*"
    assert len(found) == 6 and set(found.values()) == {"="}


def test_what_waits_as_a_dead_letter_is_looked_at_too(bench: Bench) -> None:
    bench.put(a="new-thing", b=MALFORMED, c="not ours")
    bench.run()

    assert symbols(bench, since=START) == {"a": "!", "b": "!", "c": ""}


def test_neither_the_state_nor_the_shelf_changes(bench: Bench) -> None:
    bench.put_many(4)
    bench.run()
    bench.put(r000="other")
    before = (bench.checkpoint(), dict(bench.shelf.values), bench.shelf.attempts.copy())

    assert symbols(bench, since=START)["r000"] == "*"

    assert (bench.checkpoint(), dict(bench.shelf.values), bench.shelf.attempts.copy()) == before
    assert bench.dead_letters() == {}


def test_a_record_in_two_pages_is_compared_once(bench: Bench) -> None:
    bench.put_many(7)
    bench.shop.repeats = True

    assert len(list(compared(bench, since=START))) == 7


def test_a_label_that_the_source_does_not_have_is_missing_there(bench: Bench) -> None:
    bench.put(a="1")

    assert symbols(bench, given=("a", "b")) == {"a": "*", "b": "-"}


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_sample_is_as_large_as_asked_and_the_same_for_one_seed(bench: Bench, size: int) -> None:
    bench.put_many(7)

    first, again = (set(symbols(bench, everything=True, sample=size, seed=3)) for _ in range(2))

    assert first == again
    assert len(first) == min(size, 7)


def test_a_page_at_a_time_is_read_and_compared(bench: Bench) -> None:
    """The second page is read when the findings of the first are used up: memory holds one page."""
    bench.put_many(7)
    found = compared(bench, since=START)

    for _ in range(3):
        next(found)

    assert bench.shop.pages_read == 1
    found.close()
