"""`report`: what happened in the last days, as text, as JSON, as one page that needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_world import World
from golden import Stage
from shop_orders import order

from ct_mao_sync.cli.charts import nice_span, nice_top
from ct_mao_sync.state.store import Store


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """12 orders on the first day, some of them set aside; 4 changes on the second; nothing on the third."""
    stage = Stage(tmp_path, monkeypatch)
    stage.config_path.write_text(stage.config_path.read_text().replace('standard = "STD"\n', ""))
    for number in range(1, 13):
        stage.place(number)
    stage.sync()
    stage.clock.advance(86_400)
    for number in (2, 4, 6, 7):
        stage.edit(number, lambda o: o["shippingAddress"].update(city="Pirna"))
    stage.sync()
    stage.clock.advance(86_400)
    stage.sync()
    return stage


def document(stage: Stage, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(stage.run("report", "--json", *arguments).stdout)
    return found


def test_the_numbers_are_those_of_the_runs(history: Stage) -> None:
    with Store.open(history.config_path.parent / "ct-mao-sync.sqlite3") as store:
        runs = store.last_runs("orders")

    found = document(history)

    (orders,) = found["jobs"]  # type: ignore[misc]
    assert orders["runs"] == len(runs) == 3
    for outcome in ("written", "rejected", "unchanged"):
        assert orders["counts"][outcome] == sum(run.counts.get(outcome, 0) for run in runs)
    assert orders["requests"] == sum(run.requests for run in runs)
    assert sum(orders["written_by_day"]) == orders["counts"]["written"]
    headline = found["headline"]
    exported = len(history.sandbox.world.mao.orders)
    assert headline["orders exported"] == exported  # type: ignore[index]
    assert headline["waiting now"] == len(history.dead_letters())  # type: ignore[index]


def test_only_the_days_that_were_asked_for_count(history: Stage) -> None:
    (orders,) = document(history, "--days", "1")["jobs"]  # type: ignore[misc]

    assert (orders["runs"], orders["counts"]["written"]) == (1, 0)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """<line/> needs no end."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(history: Stage, tmp_path: Path) -> None:
    done = history.run("report", "--html", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    parser = _Page()
    parser.feed(page)

    assert done.exit_code == 0 and "written: " in done.stdout
    assert parser.open == [] and parser.loads == []
    assert "http" not in page and "<script" not in page
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page and "@media print" in page
    assert page.count("<svg") == 4


def test_foreign_text_is_escaped_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch)
    placed = stage.place(1)
    placed_id = placed["id"]
    stage.edit(1, lambda o: o.update(orderNumber="<b>&CT-1"))
    stage.sandbox.world.ct.orders[placed_id]["shippingInfo"]["shippingMethodName"] = "<script>x</script>"
    stage.config_path.write_text(
        re.sub(r"(?m)^(standard|free|express|freight).*\n", "", stage.config_path.read_text())
    )
    stage.sync()

    stage.run("report", "--html", str(tmp_path / "r.html"))

    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;CT-1" in page
    assert "<b>&CT-1" not in page and "<script>" not in page


def test_without_a_history_it_says_so_and_makes_no_state(world: World, tmp_path: Path) -> None:
    ran = world.run("report", "--html", str(tmp_path / "r.html"))
    assert ran.code == 0
    assert "no run in these days" in (tmp_path / "r.html").read_text()
    assert "no run in these days" in world.run("report").out
    assert not world.state_path.exists()


def test_a_page_that_cannot_be_written_is_told(world: World) -> None:
    ran = world.run("report", "--html", "/nowhere/r.html")

    assert ran.code == 2 and "/nowhere/r.html cannot be written" in ran.err


def test_no_personal_data(world: World, tmp_path: Path) -> None:
    world.shop.put(order("CT-1"))
    world.shop.put(order("CT-2", method="Drone"))
    world.sync()
    world.run("report", "--json", "--html", str(tmp_path / "r.html"))

    assert not world.leaks((tmp_path / "r.html").read_text())


def test_axes_end_at_round_numbers() -> None:
    assert [nice_top(v) for v in (0, 1, 3, 7, 11, 55, 6900)] == [2, 2, 3, 8, 12, 60, 8000]
    assert [nice_span(v) for v in (0, 61, 2500, 90_000, 200_000)] == [60, 120, 3600, 172_800, 345_600]


def test_how_it_looks(history: Stage) -> None:
    history.check("report", "report")
