"""The contract of the engine with any job, shown by the smallest job there can be: what a window, a page,
a failure, a crash, a limit and a watermark mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from job_bench import NOW, Bench, CrashPlan
from toy_job import DROPS_MAX, MALFORMED, NOTHING, Row, ToyJob

from ct_mao_sync.engine.lock import job_lock
from ct_mao_sync.engine.values import Desired, Outcome, Page, Plan
from ct_mao_sync.errors import LockHeld

SETTLED = NOW - timedelta(seconds=5)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(params=["inline", "threads"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Once in one thread, once in several."""
    return Bench(tmp_path, threads=request.param == "threads")


# ---- windows and pages ---------------------------------------------------------------------------


def test_an_empty_window_is_one_request_and_moves_the_watermark(bench: Bench) -> None:
    report = bench.run()

    assert (report.exit_code, report.read, bench.shop.pages_read, bench.shelf.reads) == (0, 0, 1, 0)
    assert bench.watermark == SETTLED


def test_every_page_is_applied_and_each_record_written_once(either: Bench) -> None:
    either.put_many(10)

    report = either.run()

    assert report.counts["written"] == report.read == 10
    assert either.values == either.wanted()
    assert set(either.shelf.effects.values()) == {1}
    assert either.watermark == SETTLED
    assert either.checkpoint().cursor is None


def test_the_targets_of_a_page_are_read_together(bench: Bench) -> None:
    bench.put_many(7)

    bench.run()

    assert (bench.shop.pages_read, bench.shelf.reads) == (3, 3)


def test_a_second_run_writes_nothing_and_looks_at_no_target(either: Bench) -> None:
    either.put_many(7)
    either.run()
    either.later(seconds=60)

    pages, reads = either.shop.pages_read, either.shelf.reads
    report = either.run()

    assert (report.counts["unchanged"], report.read) == (7, 7)
    assert sum(either.shelf.attempts.values()) == 7
    assert (either.shop.pages_read - pages, either.shelf.reads - reads) == (3, 0)


def test_a_record_that_comes_twice_is_written_once(either: Bench) -> None:
    """Pages whose first row is repeated at their end overlap, too."""
    either.put_many(7)
    either.shop.repeats = True

    report = either.run()

    assert report.exit_code == 0
    assert either.values == either.wanted()
    assert set(either.shelf.effects.values()) == {1}


def test_a_record_that_changes_during_the_scan_arrives_in_its_last_state(bench: Bench) -> None:
    bench.put_many(7)

    def change_a_row_of_the_first_page(page: int) -> None:
        if page == 2:
            bench.later(seconds=30)
            bench.put(r000="changed", r005="changed")

    bench.shop.on_page = change_a_row_of_the_first_page
    bench.run()
    assert bench.watermark == SETTLED, "the watermark is taken when the first page is asked for"

    bench.later(seconds=60)
    bench.run()

    assert bench.values == bench.wanted()


def test_a_record_without_versions_is_looked_at_again_after_its_retry(bench: Bench) -> None:
    """Of two states without a version nobody can tell which one the retry has dealt with."""
    bench.shop.rows["one"] = Row("A", 0, bench.shop.now())
    bench.shelf.always = {"one": "500"}
    bench.run()
    bench.shelf.always = {}
    bench.later(minutes=10)

    def change(number: int) -> None:  # when the window is read, which is after the retry
        bench.shop.rows["one"] = Row("B", 0, bench.shop.now())

    bench.shop.on_page = change
    bench.run()

    assert bench.values == {"one": "B"}


def test_a_record_that_goes_there_and_back_is_applied_each_time(bench: Bench) -> None:
    for value in ("A", "B", "A"):
        bench.put(one=value)
        bench.run()
        bench.later(minutes=5)

        assert bench.values == {"one": value}
    assert bench.shelf.effects == {("one", "A"): 2, ("one", "B"): 1}


def test_a_record_that_needs_nothing_is_skipped_with_its_reason(bench: Bench) -> None:
    bench.put(one="not ours", two="A")

    report = bench.run()

    assert dict(report.skip_reasons) == {"not ours": 1}
    assert bench.values == {"two": "A"}


# ---- records that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "code"), [("new-x", "sku-unmapped"), (MALFORMED, "source-invalid")])
def test_a_rejected_record_is_set_aside_and_the_others_go_on(either: Bench, value: str, code: str) -> None:
    either.put_many(7)
    either.put(r003=value)

    report = either.run()

    assert (report.exit_code, report.counts["rejected"], report.counts["written"]) == (3, 1, 6)
    assert either.codes() == {"r003": code}
    assert either.watermark == SETTLED


def test_a_rejected_record_is_not_looked_at_again_until_it_changes(bench: Bench) -> None:
    bench.put(one="new-x")
    bench.run()
    bench.later(seconds=30)

    again = bench.run()
    assert (again.exit_code, again.counts["skipped"]) == (0, 1)

    bench.put(one="A")
    bench.run()

    assert bench.values == {"one": "A"}
    assert bench.codes() == {}


def test_a_record_rejected_by_the_mapping_is_tried_again_when_the_mapping_changes(bench: Bench) -> None:
    bench.put(one="new-x", two="new-y")
    bench.run()
    bench.later(days=3)

    bench.change_mapping("new-x")
    report = bench.run()

    assert bench.values == {"one": "new-x"}
    assert (report.counts["written"], bench.codes()) == (1, {"two": "sku-unmapped"})


def test_a_discarded_letter_holds_until_the_source_changes(bench: Bench) -> None:
    bench.put(one="new-x")
    bench.run()
    with bench.store() as store:
        store.discard(bench.dead_letters()["one"].id, "not needed", at=bench.clock.now())

    bench.change_mapping("new-x")
    held = bench.run()
    assert (held.counts["skipped"], bench.values) == (1, {})

    bench.put(one="A")
    bench.run()

    assert bench.values == {"one": "A"}
    assert bench.codes() == {}


def test_a_record_that_is_gone_needs_nothing_any_more(bench: Bench) -> None:
    bench.put(one="new-x")
    bench.run()
    del bench.shop.rows["one"]

    report = bench.run(dead_letters=("one",))

    assert (report.counts["skipped"], bench.codes()) == (1, {})


# ---- targets that fail -----------------------------------------------------------------------------


def test_a_record_the_target_refuses_is_set_aside_and_the_others_go_on(either: Bench) -> None:
    either.put_many(7)
    either.shelf.always = {"r003": "refused"}

    report = either.run()

    assert (report.exit_code, report.counts["written"]) == (3, 6)
    assert either.codes() == {"r003": "target-refused"}
    assert either.watermark == SETTLED


def test_a_record_that_makes_the_target_fail_is_tried_again_later_by_itself(either: Bench) -> None:
    either.put_many(4)
    either.shelf.always = {"r001": "500"}

    report = either.run()
    assert (report.exit_code, report.counts["written"]) == (3, 3)
    assert either.codes() == {"r001": "target-failed"}
    assert either.dead_letters()["r001"].kind == "transient"

    either.shelf.always = {}
    either.later(minutes=10)
    either.run()

    assert either.values == either.wanted()
    assert either.codes() == {}


def test_twenty_refusals_in_a_row_stop_the_run_and_leave_no_dead_letters(either: Bench) -> None:
    names = either.put_many(40)
    either.shop.page_size = 50
    either.shelf.always = dict.fromkeys(names, "refused")

    report = either.run()

    assert report.exit_code == 5
    assert report.problem is not None and report.problem.code == "target-refused"
    assert either.codes() == {}
    assert either.watermark is None
    either.shelf.always = {}
    either.run()
    assert either.values == either.wanted()


def test_a_success_between_refusals_shows_that_they_are_the_records_own(bench: Bench) -> None:
    names = bench.put_many(40)
    bench.shop.page_size = 50
    bench.shelf.always = {name: "refused" for name in names if name != "r015"}

    report = bench.run()

    assert report.exit_code == 5, "the twenty after it"
    assert sorted(bench.codes()) == names[:15]


def test_refusals_alone_are_decided_by_one_look_at_the_target(bench: Bench) -> None:
    bench.put(one="A", two="B")
    bench.shelf.always = {"one": "refused", "two": "refused"}

    report = bench.run()

    assert (bench.shelf.probes, report.exit_code) == (1, 3)
    assert bench.codes() == {"one": "target-refused", "two": "target-refused"}


def test_refusals_by_a_target_that_is_down_are_nobodys_fault(bench: Bench) -> None:
    bench.put(one="A", two="B")
    bench.shelf.always = {"one": "refused", "two": "refused"}
    bench.shelf.is_well = False

    report = bench.run()

    assert (bench.shelf.probes, report.exit_code) == (1, 4)
    assert (bench.codes(), bench.watermark) == ({}, None)


def test_a_system_in_trouble_stops_the_run_and_keeps_what_was_done(bench: Bench) -> None:
    bench.put_many(7)
    bench.shelf.always = {"r004": "down"}

    report = bench.run()

    assert report.exit_code == 4
    assert {"r000", "r001", "r002", "r003"} <= bench.values.keys()
    assert report.counts["written"] == len(bench.values), "what was on its way beside it counts"
    assert (bench.codes(), bench.watermark) == ({}, None)
    bench.shelf.always = {}
    bench.run()
    assert bench.values == bench.wanted()
    assert set(bench.shelf.effects.values()) == {1}


def test_a_conflict_is_read_and_planned_again(either: Bench) -> None:
    either.put(one="A")
    either.shelf.faults = {"one": ["moved", "moved"]}

    report = either.run()

    assert (report.counts["written"], either.shelf.attempts["one"]) == (1, 3)
    assert either.values == {"one": "A"}


def test_a_storm_of_conflicts_ends_as_a_dead_letter(either: Bench) -> None:
    either.put(one="A", two="B")
    either.shelf.always = {"one": "moved"}

    either.run()

    assert either.shelf.attempts["one"] == 10
    assert either.codes() == {"one": "conflict"}
    assert either.values["two"] == "B"


@pytest.mark.parametrize("lost", ["lost-before", "lost-after"])
def test_a_write_without_an_answer_is_read_back_and_never_blindly_repeated(either: Bench, lost: str) -> None:
    either.put(one="A")
    either.shelf.faults = {"one": [lost]}

    report = either.run()

    assert either.shelf.effects == {("one", "A"): 1}
    assert report.counts["written"] + report.counts["unchanged"] == 1
    assert (report.exit_code, either.codes()) == (0, {})


def test_the_source_is_read_again_too_when_a_write_met_a_conflict(bench: Bench) -> None:
    bench.put(one="A")
    bench.shelf.faults = {"one": ["moved"]}
    write = bench.shelf.write

    def change_the_source_first(entity: str, value: str, version: int) -> None:
        if bench.shop.rows["one"].value == "A":
            bench.put(one="B")
        write(entity, value, version)

    bench.shelf.write = change_the_source_first  # type: ignore[method-assign]
    bench.run()

    assert bench.shelf.effects == {("one", "B"): 1}


# ---- what was attempted, and then taken back at the source -------------------------------------------


def test_a_change_taken_back_after_a_write_of_unknown_outcome_is_taken_back_at_the_target(
    bench: Bench,
) -> None:
    """A is applied; B goes out and arrives, and the process dies; then the source has A again. The last key
    that is known to be applied is A's, and yet the target has B."""
    bench.put(one="A", two="x")
    bench.run()
    bench.put(one="B")

    assert bench.died(CrashPlan("write after", 1))
    assert bench.values["one"] == "B"
    bench.put(one="A")
    bench.run()

    assert bench.values["one"] == "A"


def test_a_change_taken_back_after_its_dead_letter_is_taken_back_at_the_target(bench: Bench) -> None:
    bench.put(one="A", two="x")
    bench.run()
    bench.put(one="B")
    bench.shelf.values["one"] = ("B", 2)  # it arrived, and whoever answered did not say so
    bench.shelf.always = {"one": "moved"}
    bench.put(one="C")
    bench.run()
    assert bench.codes() == {"one": "conflict"}

    bench.shelf.always = {}
    bench.put(one="A")
    bench.run()

    assert bench.values["one"] == "A"
    assert bench.codes() == {}


# ---- crashes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["write before", "write after", "commit before", "commit after"])
def test_a_crash_at_any_moment_loses_nothing_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, point: str
) -> None:
    """The next run ends where an undisturbed one would have ended."""
    for at in range(1, 40):
        bench = Bench(tmp_path_factory.mktemp("crash"))
        bench.put_many(7)
        bench.put(r004="new-x")

        died = bench.died(CrashPlan(point, at))
        bench.run()

        assert bench.values == {k: v for k, v in bench.wanted().items() if k != "r004"}, (point, at)
        assert set(bench.shelf.effects.values()) == {1}, (point, at)
        assert bench.codes() == {"r004": "sku-unmapped"}, (point, at)
        assert (bench.watermark, bench.checkpoint().cursor) == (SETTLED, None), (point, at)
        if not died:
            assert at > 3
            return
    pytest.fail("it never came to an end without dying")


def test_a_crash_in_a_worker_is_a_crash(tmp_path: Path) -> None:
    bench = Bench(tmp_path, threads=True)
    bench.put_many(7)

    assert bench.died(CrashPlan("write after", 3))
    bench.run()

    assert bench.values == bench.wanted()
    assert set(bench.shelf.effects.values()) == {1}


# ---- limits, stops, dry runs ---------------------------------------------------------------------


def test_runs_with_a_limit_resume_and_move_the_watermark_only_at_the_end(bench: Bench) -> None:
    bench.put_many(7)

    marks = []
    for _ in range(4):
        report = bench.run(limit=2)
        assert report.counts["written"] <= 2
        marks.append(bench.watermark)

    assert marks == [None, None, None, SETTLED]
    assert bench.values == bench.wanted()
    assert set(bench.shelf.effects.values()) == {1}


def test_a_limit_reached_at_the_end_of_a_page_resumes_with_the_next_one(bench: Bench) -> None:
    bench.put_many(7)
    bench.run(limit=3)
    assert bench.checkpoint().cursor == "r002"

    report = bench.run(limit=100)

    assert (report.counts["unchanged"], report.counts["written"]) == (7, 4), "the fresh window only"


def test_a_limit_passes_none_of_the_records_before_one_that_its_page_has_twice(bench: Bench) -> None:
    class Repeating(ToyJob):
        """r000 comes along with r002 once more."""

        def read_page(self, scan: Any, since: Any, until: Any, cursor: str | None) -> Page:
            page = super().read_page(scan, since, until, cursor)
            again = [replace(self.shop.change("r000"), cursor="r002")] if (cursor or "") < "r002" else []
            return replace(page, changes=[*page.changes, *again])

    bench.job_type = Repeating
    bench.put_many(3)
    bench.later(minutes=30)

    for _ in range(3):
        bench.run(limit=1)

    assert bench.values == bench.wanted()


def test_a_change_behind_the_cursor_of_a_limited_run_is_not_lost(bench: Bench) -> None:
    bench.put_many(7)
    bench.run(limit=4)
    bench.later(minutes=30)
    bench.put(r000="changed")

    bench.run()

    assert bench.values == bench.wanted()
    assert bench.watermark == bench.clock.now() - timedelta(seconds=5)


def test_a_stop_finishes_the_records_in_hand_and_the_next_run_goes_on(either: Bench) -> None:
    either.put_many(10)
    write = either.shelf.write

    def stop_after_the_fourth(entity: str, value: str, version: int) -> None:
        write(entity, value, version)
        either.stop = sum(either.shelf.effects.values()) >= 4

    either.shelf.write = stop_after_the_fourth  # type: ignore[method-assign]
    report = either.run()

    assert 4 <= report.counts["written"] < 10
    assert either.watermark is None
    either.shelf.write = write  # type: ignore[method-assign]
    either.stop = False
    either.run()
    assert either.values == either.wanted()
    assert set(either.shelf.effects.values()) == {1}
    assert either.watermark == SETTLED


def test_a_dry_run_shows_every_write_and_makes_none(either: Bench) -> None:
    either.put_many(7)
    either.put(r003="new-x")

    report = either.run(dry_run=True)

    assert len(report.plans) == report.counts["written"] == 6
    assert (either.shelf.attempts, report.counts["rejected"]) == ({}, 1)
    assert not (either.folder / "state.sqlite3").exists()


def test_a_dry_run_leaves_the_state_as_it_was(bench: Bench) -> None:
    bench.put(one="A", two="new-x")
    bench.run()
    bench.later(minutes=30)
    bench.put(one="B", two="new-y", three="C")
    before = (bench.checkpoint(), bench.dead_letters())

    bench.run(dry_run=True)

    assert (bench.checkpoint(), bench.dead_letters()) == before
    assert bench.values == {"one": "A"}


def test_what_could_do_harm_on_a_large_scale_waits_for_a_person(bench: Bench) -> None:
    names = bench.put_many(DROPS_MAX + 2)
    bench.shop.page_size = 50
    bench.run()
    for name in names[: DROPS_MAX + 1]:
        bench.put(**{name: NOTHING})
    bench.put(**{names[-1]: "changed"})

    report = bench.run()

    assert report.exit_code == 5
    assert bench.values[names[-1]] == "changed"
    assert set(bench.codes().values()) == {"drop-limit"}
    bench.run(dead_letters=tuple(names[: DROPS_MAX + 1]), allow=frozenset({"drop"}))
    assert bench.values == bench.wanted()
    assert bench.codes() == {}


# ---- the watermark ---------------------------------------------------------------------------------


def test_the_watermark_is_on_the_clock_of_the_source(bench: Bench) -> None:
    bench.shop.skew_s = 3600.0

    bench.run()

    assert bench.watermark == SETTLED + timedelta(hours=1)


def test_the_watermark_never_goes_back_when_the_clock_of_the_source_does(bench: Bench) -> None:
    bench.run()
    bench.shop.skew_s = -100.0

    bench.run()

    assert bench.watermark == SETTLED


def test_a_source_that_does_not_tell_the_time_stops_the_run(bench: Bench) -> None:
    bench.put(one="A")
    bench.shop.tells_time = False

    report = bench.run()

    assert report.exit_code == 5
    assert (bench.watermark, bench.values) == (None, {})


def test_looking_at_earlier_time_moves_the_watermark_forwards_only(bench: Bench) -> None:
    bench.run()
    bench.later(minutes=30)

    bench.run(since=NOW - timedelta(days=1))

    assert bench.watermark == SETTLED + timedelta(minutes=30)


def test_looking_only_at_later_time_leaves_the_watermark(bench: Bench) -> None:
    bench.run()
    bench.later(minutes=30)
    bench.put(one="A")
    bench.later(minutes=30)

    bench.run(since=NOW + timedelta(minutes=45))
    assert bench.watermark == SETTLED

    bench.run()
    assert bench.values == {"one": "A"}


def test_looking_at_a_part_of_the_overlap_passes_over_no_row_that_became_visible_late(bench: Bench) -> None:
    bench.run()
    bench.later(minutes=30)
    bench.shop.rows["late"] = Row("A", 1, NOW - timedelta(seconds=100))

    bench.run(since=NOW - timedelta(seconds=30))
    bench.run()

    assert bench.values == {"late": "A"}


def test_looking_only_until_then_moves_the_watermark_no_further(bench: Bench) -> None:
    bench.run()
    bench.later(minutes=30)
    bench.put(one="A")

    bench.run(until=NOW + timedelta(minutes=10))

    assert bench.watermark == NOW + timedelta(minutes=10)
    assert bench.values == {}


@pytest.mark.parametrize(
    "explore",
    [
        lambda bench: bench.run(given=("one",)),
        lambda bench: bench.run(dead_letters=("one",)),
        lambda bench: bench.run(since=NOW - timedelta(days=1), limit=1),
        lambda bench: bench.run(dry_run=True),
    ],
    ids=["given", "replay", "since with a limit", "dry run"],
)
def test_what_does_not_see_every_change_leaves_the_checkpoint(
    bench: Bench, explore: Callable[[Bench], object]
) -> None:
    bench.put_many(3)
    bench.run()
    bench.later(minutes=30)
    bench.put(one="A", two="B")
    before = bench.checkpoint()

    explore(bench)

    assert bench.checkpoint() == before
    bench.run()
    assert bench.values == bench.wanted()


def test_records_given_by_hand_are_written_whatever_the_window_says(bench: Bench) -> None:
    bench.put(one="A", two="B")

    report = bench.run(given=("one", "nobody"))

    assert bench.values == {"one": "A"}
    assert (report.exit_code, report.counts["rejected"], bench.codes()) == (3, 1, {})


# ---- the lock --------------------------------------------------------------------------------------


def test_two_runs_of_one_job_never_overlap(bench: Bench) -> None:
    state = bench.folder / "state.sqlite3"
    with job_lock(state, "toy", 0.0, bench.clock), pytest.raises(LockHeld):
        bench.run()

    assert bench.run().exit_code == 0


def test_a_crash_frees_the_lock(bench: Bench) -> None:
    bench.put(one="A")

    assert bench.died(CrashPlan("write before", 1))

    assert bench.run().exit_code == 0


def test_a_page_is_read_while_the_targets_of_the_one_before_are(tmp_path: Path) -> None:
    third_page = threading.Event()

    class PatientJob(ToyJob):
        reads_far = True

        def read_targets(self, wanted: Sequence[Desired], bases: Mapping[str, Any]) -> dict[str, Any]:
            if any(desired.entity == "r003" for desired in wanted):
                assert third_page.wait(10), "the third page waits for the targets of the second"
            return super().read_targets(wanted, bases)

    bench = Bench(tmp_path, threads=True, job_type=PatientJob)
    bench.put_many(8)
    bench.shop.on_page = lambda number: third_page.set() if number == 3 else None

    report = bench.run()

    assert report.exit_code == 0
    assert bench.values == bench.wanted()


def test_no_more_than_two_pages_are_read_ahead(tmp_path: Path) -> None:
    ahead: list[int] = []

    class CountingJob(ToyJob):
        reads_far = True

        def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
            ahead.append(self.shop.pages_read - 1 - len(self.shelf.values) // self.shop.page_size)
            return super().apply(plans)

    bench = Bench(tmp_path, job_type=CountingJob)
    bench.put_many(30)

    bench.run()

    assert max(ahead) == 2


def test_with_a_limit_no_page_is_read_that_it_may_not_reach(tmp_path: Path) -> None:
    class FarJob(ToyJob):
        reads_far = True

    bench = Bench(tmp_path, job_type=FarJob)
    bench.put_many(30)

    report = bench.run(limit=3)

    assert report.counts["written"] == 3
    assert bench.shop.pages_read == 2
