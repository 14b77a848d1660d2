"""How `sync` looks: each job, written and unchanged, rejected, held back, looked at first, and stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from golden import Screen, Stage, Typed, at_both_widths
from jobs.inventory_bench import Stocked, order_for
from jobs.returns_scene import Scene
from jobs.status_bench import StatusBench

from ct_mao_sync.engine.lock import job_lock
from ct_mao_sync.sandbox.commercetools import add_order
from ct_mao_sync.sandbox.commercetools_orders import cancelling
from ct_mao_sync.sandbox.generate_stock import LOCATIONS
from ct_mao_sync.sandbox.manhattan_stock import set_supply

UNMAPPED = 'standard = "STD"\n'


@at_both_widths
def test_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(orders="max_cancel = 1")
    text = stage.config_path.read_text()
    stage.config_path.write_text(text.replace(UNMAPPED, ""))
    for number in (1, 2, 3, 4):
        stage.place(number)
    typed = Typed(stage, width)

    typed("sync", "orders", "--dry-run", code=3)
    typed("sync", "orders", "--limit", "1", code=3)
    typed("sync", "orders")
    stage.config_path.write_text(text)
    typed("replay-errors", "--code", "shipping-method-unmapped")
    stage.clock.advance(300)
    typed("sync", "orders")
    for number in (1, 2, 3):
        stage.edit(number, cancelling())
    stage.clock.advance(300)
    typed("sync", "orders", code=5)
    typed("replay-errors", "--code", "cancel-limit", "--allow-cancel")
    typed("sync", "orders", "--order", "CT-77", code=3)
    typed.check("sync-orders")


@at_both_widths
def test_a_system_in_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stage = Stage(tmp_path, monkeypatch)
    stage.place(1)
    typed = Typed(stage, width)

    for kind, code in (("connect-refused", 4), ("503", 4), ("403", 5)):
        rule = stage.sandbox.faults.always(lambda request: "/search" in request.path, kind)
        typed("sync", "orders", code=code)
        rule.stop()
    text = stage.config_path.read_text()
    stage.config_path.write_text(text.replace('"sandbox-password"', '"wrong"'))
    (tmp_path / "manhattan-token.json").unlink(missing_ok=True)
    typed("sync", "orders", code=5)
    typed.check("sync-stopped")


@at_both_widths
def test_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stocked = Stocked(tmp_path, "location", 14)
    channel = next(channel for _, channel in stocked.shown() if channel)
    sku = next(sku for sku, of in stocked.shown() if of == channel)
    add_order(stocked.world, order_for(stocked, 7, sku, 2, channel))
    typed = Typed(Screen(stocked.bench, monkeypatch), width)

    typed("sync", "inventory", "--dry-run", "--limit", "3")
    typed("sync", "inventory")
    stocked.bench.clock.advance(3600)
    typed("sync", "inventory")
    for sku, _ in stocked.shown():
        for place in LOCATIONS:
            set_supply(stocked.world, sku, place, 0)
    stocked.bench.clock.advance(3600)
    typed("sync", "inventory", code=5)
    typed("sync", "inventory", "--sku", "NO-SUCH")
    typed.check("sync-inventory")


@at_both_widths
def test_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    bench = StatusBench(tmp_path)
    for number in (1, 2):
        bench.placed(number)
        bench.life.allocate(f"CT-{number}")
        bench.life.release(f"CT-{number}")
    bench.life.ship("CT-1", bench.lines(1)[0], 1, package_id="P1", tracking="1Z1")
    bench.life.ship("CT-2", package_id="P2", tracking="1Z2")
    bench.later()
    typed = Typed(Screen(bench, monkeypatch), width)

    typed("sync", "status", "--dry-run")
    typed("sync", "status")
    bench.later()
    typed("sync", "status")
    del bench.sandbox.world.ct.orders[bench.shop(2)["id"]]
    bench.life.deliver("CT-2")
    bench.later()
    typed("sync", "status", code=3)
    typed.check("sync-status")


@at_both_widths
def test_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    scene = Scene(tmp_path)
    clock = scene.bench.clock
    scene.mao.create_return("CT-1", {scene.line_id(): 2}, return_id="R1", condition="Damaged")
    scene.mao.receive("R1")
    scene.mao.verify("R1")
    scene.mao.create_return("CT-1", {scene.line_id(): 1}, return_id="R2", condition="Torn")
    scene.mao.receive("R2")
    scene.mao.verify("R2")
    clock.advance(600)
    typed = Typed(Screen(scene.bench, monkeypatch), width)

    typed("sync", "returns", "--dry-run", "-v", code=3)
    typed("sync", "returns", code=3)
    clock.advance(600)
    typed("sync", "returns")
    typed.check("sync-returns")


@at_both_widths
def test_what_else_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    stage = Stage(tmp_path, monkeypatch)
    text = stage.config_path.read_text()
    stage.config_path.write_text(text.replace(UNMAPPED, ""))
    stage.sandbox.world.ct.channels.clear()
    for number in (1, 2):
        stage.place(number)
    message = {"resource": {"typeId": "order", "id": stage.order_id(2)}, "type": "OrderCreated"}
    (tmp_path / "messages.jsonl").write_text(json.dumps(message) + "\nnot JSON\n")
    typed = Typed(stage, width)

    typed("setup", "--yes")
    typed("sync", "orders", "--from", f"{tmp_path}/messages.jsonl", code=3)
    typed("sync", "all", code=3)
    with job_lock(tmp_path / "ct-mao-sync.sqlite3", "orders", 0, stage.clock):
        typed("sync", "orders", code=6)
    typed("errors", "discard", "1", "--reason", "settled by phone")
    typed("errors", "list")
    typed("errors", "list", "--all")
    typed("errors", "show", "77", code=2)
    typed("replay-errors")
    typed("trace", "CT-404", code=3)
    typed("report", "--html", f"{tmp_path}/report.html")
    stage.config_path.write_text(text)
    stage.edit(2, lambda order: order["shippingAddress"].update(city="Pirna"))
    stage.clock.advance(60)
    typed("reconcile", "orders", "--fix")
    stage.config_path.write_text(text + "[ordres]\npaid_by = 1\n[sync]\nworkers = 900\n")
    typed("overview", code=2)
    typed.check("other")
