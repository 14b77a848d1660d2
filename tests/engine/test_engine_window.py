"""Which stretch of time a run looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ct_mao_sync.engine.job import Pass
from ct_mao_sync.engine.window import final_watermark, plan_window, until_of
from ct_mao_sync.errors import ConfigError, RunStopped

T = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)
SCAN = Pass("window:orders", overlap_s=120, settle_s=5)
HOUR = timedelta(hours=1)


def fresh(**given: datetime | None):
    values = {"watermark": T, "since": None, "until": None, **given}
    return plan_window(SCAN, job="orders", **values)


def test_a_window_begins_one_overlap_before_the_watermark() -> None:
    assert fresh().since == T - timedelta(seconds=120)


def test_the_first_window_begins_at_start_at() -> None:
    scan = Pass("window:orders", overlap_s=120, settle_s=5, start_at=T - HOUR)

    window = plan_window(scan, watermark=None, since=None, until=None, job="orders")

    assert window.since == T - HOUR - timedelta(seconds=120)


def test_a_first_run_with_nowhere_to_begin_says_what_to_set() -> None:
    with pytest.raises(ConfigError) as caught:
        fresh(watermark=None)

    assert "orders.start_at" in caught.value.problem.field
    assert "--since" in caught.value.problem.hint


def test_the_new_watermark_is_the_sources_clock_at_the_beginning_of_the_request_less_settling() -> None:
    until = until_of(fresh(), SCAN, server_now=T + HOUR, elapsed_s=2, source="s")

    assert until == T + HOUR - timedelta(seconds=7)


def test_a_source_clock_that_went_backwards_never_moves_the_watermark_backwards() -> None:
    window = fresh()

    until = until_of(window, SCAN, server_now=T - HOUR, elapsed_s=0, source="s")

    assert final_watermark(window, until) == T


def test_a_source_without_a_clock_stops_the_run() -> None:
    with pytest.raises(RunStopped, match="Date"):
        until_of(fresh(), SCAN, server_now=None, elapsed_s=0, source="s")


@pytest.mark.parametrize(
    ("since", "moves"),
    [
        (T - HOUR, True),
        (T - timedelta(seconds=120), True),
        (T - timedelta(seconds=119), False),
        (T, False),
        (T + timedelta(seconds=1), False),
    ],
)
def test_exploring_moves_the_watermark_only_when_it_reads_the_overlap_too(
    since: datetime, moves: bool
) -> None:
    window = fresh(since=since)
    until = until_of(window, SCAN, server_now=T + HOUR, elapsed_s=0, source="s")

    assert (final_watermark(window, until) != T) is moves


def test_an_upper_bound_by_hand_caps_the_watermark() -> None:
    window = fresh(until=T + timedelta(minutes=1))

    until = until_of(window, SCAN, server_now=T + HOUR, elapsed_s=0, source="s")

    assert until == T + timedelta(minutes=1)


def test_since_on_a_first_run_establishes_the_watermark() -> None:
    window = fresh(watermark=None, since=T)

    until = until_of(window, SCAN, server_now=T + HOUR, elapsed_s=0, source="s")

    assert final_watermark(window, until) == T + HOUR - timedelta(seconds=5)


def test_since_after_start_at_leaves_a_first_watermark_unset() -> None:
    """Otherwise the changes between start_at and --since would be passed over for good."""
    scan = Pass("window:orders", overlap_s=0, settle_s=0, start_at=T)
    window = plan_window(scan, watermark=None, since=T + HOUR, until=None, job="orders")

    assert final_watermark(window, T + 2 * HOUR) is None
