"""What a run tells when it is over."""

from __future__ import annotations

from datetime import UTC, datetime

from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.values import Outcome
from ct_mao_sync.errors import Rejection

REFUSED = Rejection("location-unmapped", "no channel")


def test_a_record_that_is_set_aside_twice_in_a_run_waits_once() -> None:
    """As a retry, and again in a pass over all of them."""
    report = RunReport("inventory", "r", datetime(2026, 11, 23, tzinfo=UTC))
    for entity in ("DC-1", "DC-2", "DC-1"):
        report.add(Outcome(entity, entity, "rejected", rejection=REFUSED))

    assert (report.counts["rejected"], report.dead_letters) == (3, 2)


def test_a_record_that_is_well_in_the_end_does_not_wait() -> None:
    report = RunReport("inventory", "r", datetime(2026, 11, 23, tzinfo=UTC))
    report.add(Outcome("DC-1", "DC-1", "rejected", rejection=REFUSED))
    report.add(Outcome("DC-1", "DC-1", "written"))

    assert (report.exit_code, report.dead_letters) == (3, 0)
