"""The tour: each step ends as it says, nothing is left running, and its folder is its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

STATES_OF_THE_ORDER = (
    "Confirmed, its shipment Partial",
    "Confirmed, its shipment Shipped",
    "Complete, its shipment Delivered",
)


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ct_mao_sync", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("tour")
    done = run_demo(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_it_shows_what_is_set_aside_the_cure_and_the_replay(tour: tuple[Path, str]) -> None:
    _, text = tour

    assert "shipping-method-unmapped" in text
    assert "read 12 = written 9 + unchanged 0 + rejected 3" in text
    assert "read 3 = written 2 + unchanged 0 + rejected 1" in text


def test_its_second_run_is_one_request_and_no_write(tour: tuple[Path, str]) -> None:
    _, text = tour

    assert "both servers saw 1 request, no writes" in text


def test_a_change_a_cancellation_and_an_agents_correction_flow_through(tour: tuple[Path, str]) -> None:
    _, text = tour

    assert "CT-1001 goes to Lindenallee 7, Musterstadt, phone +49 30 5550199; CT-1002 is Canceled" in text


def test_it_follows_an_order_through_two_parcels_and_a_short(tour: tuple[Path, str]) -> None:
    _, text = tour
    after = [text.index(f"commercetools now: CT-1004 is {state}") for state in STATES_OF_THE_ORDER]

    assert after == sorted(after)
    assert "delivery mao-CT-10041: 9 units of 3 lines" in text
    assert "parcel mao-CT-10041-PKG-1004-A: 7 units of 2 lines, UPS 1Z999AA10100" in text
    assert "parcel mao-CT-10041-PKG-1004-B: 2 units of 2 lines, UPS 1Z999AA10200" in text
    assert "no writes" in text[after[-1] :]


def test_an_item_comes_back_damaged_and_is_refunded(tour: tuple[Path, str]) -> None:
    _, text = tour

    shown = [line.split(": ", 1)[1] for line in text.splitlines() if "mao-RET-1004-1-Damaged-1: " in line]
    assert shown == [
        "1 × Returned, Initial (Broken, Damaged)",
        "1 × Unusable, Initial (Broken, Damaged)",
        "1 × Unusable, Refunded (Broken, Damaged)",
    ]
    assert "outbox.jsonl, line 1: return-disposed" in text
    assert "outbox.jsonl, line 2: return-refunded" in text


def test_stock_arrives_and_a_sale_in_flight_is_subtracted(tour: tuple[Path, str]) -> None:
    _, text = tour

    found = re.search(r"(\d+) before, \+ 40 arrived, - 3 in flight; shown now: (\d+)", text)
    assert found is not None
    before, now = int(found[1]), int(found[2])
    assert now == before + 40 - 3
    assert "availability.jsonl: line" in text and "the file ends in the middle of a message" in text
    assert f"shown now: {now + 5}" in text


def test_it_leaves_a_configuration_and_a_state_of_its_own(tour: tuple[Path, str]) -> None:
    folder, _ = tour

    assert {path.name for path in folder.iterdir()} == {"demo"}
    assert (folder / "demo" / "config.toml").is_file()
    assert (folder / "demo" / "ct-mao-sync.sqlite3").is_file()


def test_it_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")

    done = run_demo(tmp_path)

    assert done.returncode == 2
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"
