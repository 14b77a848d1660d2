"""What comes back to MAO appears in the shop, item by item; and what cannot is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from returns_scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def announce(scene: Scene, units: int = 2, **more: Any) -> str:
    return scene.mao.create_return("CT-1", {scene.line_id(): units}, return_id="R1", **more)


# ---- the life of a return ----------------------------------------------------------------------------


def test_a_return_appears_when_it_is_received_and_follows_to_its_refund(scene: Scene) -> None:
    announce(scene, tracking="RTN-1", paid_here=True)
    steps = []
    for step in (None, scene.mao.receive, scene.mao.verify, scene.mao.refund):
        if step:
            step("R1")
        report = scene.sync()
        assert report.exit_code == 0, report.rejected
        steps.append(scene.shown())

    key = "mao-R1-1-New-1"
    assert steps == [
        [],
        [(key, 2, "Returned", "Initial")],
        [(key, 2, "BackInStock", "Initial")],
        [(key, 2, "BackInStock", "Refunded")],
    ]
    (info,) = scene.shop()["returnInfo"]
    assert info["returnTrackingId"] == "RTN-1"
    assert info["items"][0]["comment"] == "TooSmall, New"
    assert info["items"][0]["lineItemId"] == scene.line_id()


def test_a_second_run_writes_nothing(scene: Scene) -> None:
    announce(scene)
    scene.mao.receive("R1")
    scene.sync()
    before = scene.bench.writes()

    report = scene.sync()

    assert (report.counts["written"], scene.bench.writes()) == (0, before)
    assert report.requests <= 2


def test_one_update_of_the_order_says_it_all(scene: Scene) -> None:
    announce(scene, paid_here=True)
    for step in (scene.mao.receive, scene.mao.verify, scene.mao.refund):
        step("R1")
    before = scene.bench.writes()

    scene.sync()

    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Refunded")]
    assert scene.bench.writes() == before + 1


def test_units_received_later_become_another_return_info(scene: Scene) -> None:
    announce(scene, 3, tracking="RTN-1")
    scene.mao.receive("R1", "1", 1)
    scene.sync()
    scene.mao.receive("R1", "1", 2, condition="Damaged")
    scene.sync()

    assert scene.shown() == [
        ("mao-R1-1-New-1", 1, "Returned", "Initial"),
        ("mao-R1-1-Damaged-1", 2, "Returned", "Initial"),
    ]
    assert [info["returnTrackingId"] for info in scene.shop()["returnInfo"]] == ["RTN-1", "RTN-1"]
