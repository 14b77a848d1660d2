"""Alerts: one message per incident, one when it is over, and never any harm to the run."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ct_mao_sync.engine.clock import SimulatedClock
from ct_mao_sync.engine.rows import Checkpoint
from ct_mao_sync.errors import Problem
from ct_mao_sync.ops import alerts
from ct_mao_sync.ops.alerts import apply_alerts, find_conditions, send_alert
from ct_mao_sync.ops.facts import read_facts
from ct_mao_sync.state.store import Store

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


class _Config:
    """As much of a configuration as alerts look at."""

    def __init__(self, command: str) -> None:
        self.alerts = type(
            "Alerts", (), {"command": command, "dead_letters": 10, "lag": timedelta(hours=1)}
        )()

    def secrets(self) -> tuple[str, ...]:
        return ("very-secret",)


class Scene:
    """A state file, and a command that keeps what it is told."""

    def __init__(self, folder: Path, *, exit_code: int = 0) -> None:
        self.clock = SimulatedClock(START)
        self.heard = folder / "heard.jsonl"
        script = folder / "alert.py"
        script.write_text(
            "import sys, pathlib\n"
            f"file = pathlib.Path({str(self.heard)!r})\n"
            "with file.open('a') as f: f.write(sys.stdin.read())\n"
            f"print('no such channel', file=sys.stderr)\nsys.exit(int({exit_code}))\n"
        )
        self.config = _Config(f"{sys.executable} {script}")
        self.store = Store.open(folder / "state.sqlite3")
        self.numbers = iter(range(1000))

    def run(self, code: int, message: str = "", job: str = "orders") -> None:
        run = f"{job}-{next(self.numbers)}"
        self.store.start_run(run, job, self.clock.now())
        self.clock.advance(1)
        self.store.finish_run(run, self.clock.now(), {}, code, 0, message=message, passes=["window:orders"])

    def letters(self, count: int, job: str = "orders") -> None:
        known = {letter.entity for letter in self.store.dead_letters()}
        wanted = {f"order-{n}" for n in range(count)}
        self.store.close_dead_letters(job, dict.fromkeys(known - wanted, 0), run="r", at=self.clock.now())
        for entity in sorted(wanted - known):
            self.store.put_dead_letter(
                job=job,
                entity=entity,
                label=entity,
                problem=Problem("sku-unmapped", "m"),
                version=1,
                mapping_digest="",
                at=self.clock.now(),
                run="r",
            )

    def watermark(self, behind: timedelta) -> None:
        mark = Checkpoint(watermark=self.clock.now() - behind)
        self.store.save_checkpoint("orders", "window:orders", mark)

    def look(self) -> list[str]:
        """What is told now: `opened dead-letters`, …"""
        before = len(self.documents())
        self.clock.advance(120)
        apply_alerts(
            self.config,  # type: ignore[arg-type]
            self.store,
            read_facts(self.store, ["orders"], self.clock.now()),
            self.clock,
        )
        return [f"{d['event']} {d['key']}" for d in self.documents()[before:]]

    def documents(self) -> list[dict[str, Any]]:
        if not self.heard.exists():
            return []
        return [json.loads(line) for line in self.heard.read_text().splitlines()]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_dead_letters_above_the_limit_are_told_once_and_their_end_once(scene: Scene) -> None:
    scene.letters(10)
    assert scene.look() == []
    scene.letters(11)
    assert scene.look() == ["opened dead-letters"]
    scene.letters(40)
    assert scene.look() == []
    scene.letters(10)
    assert scene.look() == [], "at the limit it is not over yet: a value on the limit must not ring all night"
    scene.letters(8)
    assert scene.look() == ["resolved dead-letters"]
    assert scene.look() == []
    document = scene.documents()[0]
    assert document["message"] == "11 records wait as dead letters (limit 10): 11 sku-unmapped"
    assert (document["value"], document["limit"], document["hint"]) == (11, 10, "ct-mao-sync errors list")


def test_a_system_that_is_away_is_told_of_after_the_third_failure(scene: Scene) -> None:
    for _ in range(2):
        scene.run(4, "MAO does not answer")
        assert scene.look() == []
    scene.run(4, "MAO does not answer")
    assert scene.look() == ["opened job-failing:orders"]
    scene.run(4, "MAO does not answer")
    assert scene.look() == []
    scene.run(3)
    assert scene.look() == ["resolved job-failing:orders"]


@pytest.mark.parametrize("code", [1, 5])
def test_what_needs_a_person_is_told_at_once(scene: Scene, code: int) -> None:
    scene.run(code, "credentials were refused")

    assert scene.look() == ["opened job-failing:orders"]
    assert "credentials were refused" in scene.documents()[0]["message"]


def test_a_limit_that_tripped_is_told_once_however_often_it_trips(scene: Scene) -> None:
    scene.run(5)
    assert scene.look() == ["opened job-failing:orders"]
    scene.run(5)
    assert scene.look() == []
    assert "until a person has looked" in scene.documents()[0]["message"]
    scene.run(0)
    assert scene.look() == ["resolved job-failing:orders"]


def test_a_watermark_that_stays_behind_is_told(scene: Scene) -> None:
    scene.run(0)
    scene.watermark(timedelta(minutes=30))
    assert scene.look() == []
    scene.watermark(timedelta(hours=3))
    assert scene.look() == ["opened lag:orders"]
    assert "3.0 h behind (limit 60 min)" in scene.documents()[0]["message"]
    scene.watermark(timedelta(minutes=1))
    assert scene.look() == ["resolved lag:orders"]


def test_the_watermark_of_a_pass_that_is_no_more_tells_nothing(scene: Scene) -> None:
    scene.store.save_checkpoint("orders", "window:payments", Checkpoint(watermark=START - timedelta(days=9)))
    scene.watermark(timedelta(minutes=1))
    scene.run(0)

    assert scene.look() == []


def test_an_incident_of_a_job_that_was_switched_off_is_over(scene: Scene) -> None:
    scene.run(5, "refused")
    assert scene.look() == ["opened job-failing:orders"]
    scene.clock.advance(120)

    apply_alerts(scene.config, scene.store, read_facts(scene.store, [], scene.clock.now()), scene.clock)  # type: ignore[arg-type]

    assert scene.documents()[-1]["event"] == "resolved"


def test_a_message_that_could_not_be_told_is_tried_again_a_few_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path, exit_code=7)
    scene.letters(11)

    told = [scene.look() for _ in range(9)]

    assert [len(each) for each in told] == [1] * 5 + [0] * 4
    assert "exit code 7: no such channel" in caplog.text


def test_two_processes_tell_it_once(scene: Scene, tmp_path: Path) -> None:
    with Store.open(tmp_path / "state.sqlite3") as other:
        first = scene.store.claim_incident("dead-letters", "m", at=scene.clock.now())
        second = other.claim_incident("dead-letters", "m", at=scene.clock.now())

    assert (first, second) == (True, False)


def test_a_command_that_hangs_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT_S", 0.3)
    mark = tmp_path / "pid"
    began = time.monotonic()

    assert not send_alert(f"sh -c 'sh -c \"echo $$ > {mark}; sleep 30\"; sleep 30'", {"event": "opened"})

    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.parametrize("command", ["/no/such/command", "sh -c 'unbalanced", "false", "cat"])
def test_no_command_can_hurt(command: str) -> None:
    assert send_alert(command, {"event": "opened", "message": "x" * 200_000}) is (command == "cat")


def test_a_command_does_not_get_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAO_PASSWORD", "very-secret")
    monkeypatch.setenv("PAGER_KEY", "theirs")
    seen = tmp_path / "env"

    assert send_alert(f"sh -c 'env > {seen}'", {}, hidden=("very-secret",))

    assert "very-secret" not in seen.read_text() and "PAGER_KEY=theirs" in seen.read_text()


def test_nothing_is_watched_twice(scene: Scene) -> None:
    scene.run(0)
    scene.watermark(timedelta(0))
    facts = read_facts(scene.store, ["orders", "inventory"], scene.clock.now())

    keys = [condition.key for condition in find_conditions(facts, dead_letters_max=1, lag_max_s=1)]

    assert keys == ["dead-letters", "job-failing:orders", "lag:orders", "job-failing:inventory"]
