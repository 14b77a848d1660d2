"""The outbox: every event in the file, once while the state is kept, whatever happens in between."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from returns_scene import Scene

from ct_mao_sync.errors import RunStopped
from ct_mao_sync.jobs import return_outbox
from ct_mao_sync.jobs.return_outbox import Outbox
from ct_mao_sync.sandbox.generate import timestamp
from ct_mao_sync.state.store import OutboxRow, Store

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state.sqlite3") as opened:
        yield opened


def row(number: int) -> OutboxRow:
    return OutboxRow(f"key-{number}", json.dumps({"key": f"key-{number}", "amount": number}))


def keys_in(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]


class Crash(BaseException):
    """The process is gone."""


def test_lines_are_appended_in_order_and_only_once(store: Store, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out.jsonl")
    store.add_to_outbox([row(1), row(2)], at=NOW)
    assert outbox.flush(store) == 2
    store.add_to_outbox([row(2), row(3)], at=NOW)

    assert outbox.flush(store) == 1
    assert outbox.flush(store) == 0

    assert keys_in(outbox.path) == ["key-1", "key-2", "key-3"]
    assert oct(outbox.path.stat().st_mode & 0o037) == "0o0"


def test_what_the_file_has_already_is_not_written_again(store: Store, tmp_path: Path) -> None:
    """Died after the file was written and before the state knew."""
    outbox = Outbox(tmp_path / "out.jsonl")
    store.add_to_outbox([row(1), row(2)], at=NOW)
    outbox.path.write_text(f"{row(1).line}\n{row(2).line}\n", encoding="utf-8")

    outbox.flush(store)

    assert keys_in(outbox.path) == ["key-1", "key-2"]
    assert store.unwritten_outbox(10) == []


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_line_is_completed(store: Store, tmp_path: Path, cut: int) -> None:
    outbox = Outbox(tmp_path / "out.jsonl")
    store.add_to_outbox([row(1), row(2), row(3)], at=NOW)
    whole = f"{row(1).line}\n{row(2).line}\n"
    outbox.path.write_text(whole[:cut], encoding="utf-8")

    outbox.flush(store)

    assert keys_in(outbox.path) == ["key-1", "key-2", "key-3"]


def test_a_torn_line_of_nobody_is_ended(store: Store, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out.jsonl")
    outbox.path.write_text('{"key":"of an older st', encoding="utf-8")
    store.add_to_outbox([row(1)], at=NOW)

    outbox.flush(store)

    assert outbox.path.read_text(encoding="utf-8").splitlines()[1:] == [row(1).line]


def test_only_the_tail_of_a_long_file_is_read(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(return_outbox, "TAIL_BYTES", 100)
    outbox = Outbox(tmp_path / "out.jsonl")
    outbox.path.write_text("".join(f"{row(n).line}\n" for n in range(50)), encoding="utf-8")
    store.add_to_outbox([row(49), row(50)], at=NOW)

    outbox.flush(store)

    assert keys_in(outbox.path) == [f"key-{n}" for n in range(51)]


@pytest.mark.parametrize("dies_at", ["open", "write", "fsync", "mark"])
def test_killed_at_any_point_the_next_run_completes_it(
    store: Store, tmp_path: Path, monkeypatch: Any, dies_at: str
) -> None:
    outbox = Outbox(tmp_path / "out.jsonl")
    store.add_to_outbox([row(1), row(2)], at=NOW)
    with monkeypatch.context() as patched:
        real_write = os.write

        def crash(*_: Any) -> None:
            raise Crash

        def write_half(handle: int, data: Any) -> int:
            real_write(handle, bytes(data)[: len(data) // 2])
            raise Crash

        if dies_at == "mark":
            patched.setattr(store, "outbox_written", crash)
        elif dies_at == "write":
            patched.setattr(return_outbox.os, "write", write_half)
        else:
            patched.setattr(return_outbox.os, dies_at, crash)
        with pytest.raises(Crash):
            outbox.flush(store)

    outbox.flush(store)

    assert keys_in(outbox.path) == ["key-1", "key-2"]


def test_many_lines_go_out_in_batches(store: Store, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(return_outbox, "BATCH_LINES", 3)
    outbox = Outbox(tmp_path / "out.jsonl")
    store.add_to_outbox([row(n) for n in range(10)], at=NOW)

    assert outbox.flush(store) == 10
    assert keys_in(outbox.path) == [f"key-{n}" for n in range(10)]


def test_a_file_that_cannot_be_written_loses_nothing(store: Store, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "nowhere" / "out.jsonl")
    store.add_to_outbox([row(1)], at=NOW)

    with pytest.raises(RunStopped) as refused:
        outbox.flush(store)

    assert refused.value.problem.code == "outbox-unwritable"
    assert str(outbox.path) in refused.value.problem.message
    (tmp_path / "nowhere").mkdir()
    assert outbox.flush(store) == 1


# ---- with the job ------------------------------------------------------------------------------------


def verified(scene: Scene, return_id: str = "R1", units: int = 2, **more: Any) -> None:
    scene.mao.create_return("CT-1", {scene.line_id(): units}, return_id=return_id, **more)
    scene.mao.receive(return_id)
    scene.mao.verify(return_id)


def test_an_event_holds_what_a_payment_service_needs_and_nothing_personal(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    verified(scene)
    total = -scene.world.mao.orders["R1"]["OrderLine"][0]["OrderLineTotal"]

    scene.sync()

    (event,) = scene.outbox()
    at = event.pop("at")
    assert datetime.fromisoformat(at).tzinfo is not None
    sku = scene.shop()["lineItems"][0]["variant"]["sku"]
    assert event == {
        "key": f"{scene.order_id}:mao-R1-1-New-1:disposed",
        "event": "return-disposed",
        "orderNumber": "CT-1",
        "orderId": scene.order_id,
        "returnId": "R1",
        "currency": "EUR",
        "amount": int(total * 100),
        "exchange": False,
        "lines": [
            {
                "lineItemId": scene.line_id(),
                "sku": sku,
                "quantity": 2,
                "condition": "New",
                "disposition": "BackInStock",
                "amount": int(total * 100),
            }
        ],
    }


def test_a_refund_is_told_as_it_went_out(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.mao.create_return("CT-1", {scene.line_id(): 2}, return_id="R1", paid_here=True)
    scene.mao.add_return_fee("R1", Decimal("1.50"))
    scene.mao.receive("R1")
    scene.mao.verify("R1")
    scene.mao.refund("R1")
    invoice = scene.world.mao.orders["R1"]["Invoice"][0]

    scene.sync()

    disposed, refunded = scene.outbox()
    assert refunded["event"] == "return-refunded"
    assert refunded["amount"] == int(-invoice["InvoiceTotal"] * 100) == disposed["amount"] - 150
    assert refunded["key"] == f"{scene.order_id}:R1:{invoice['InvoiceId']}:refunded"
    assert sum(line["quantity"] for line in refunded["lines"]) == 2


def test_a_fee_above_the_value_is_no_refund(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.mao.create_return("CT-1", {scene.line_id(): 1}, return_id="R1", paid_here=True)
    scene.mao.add_return_fee("R1", Decimal(5000))
    scene.mao.verify("R1")
    scene.mao.refund("R1")
    assert scene.world.mao.orders["R1"]["Invoice"][0]["InvoiceTotal"] > 0

    scene.sync()

    assert [event["event"] for event in scene.outbox()] == ["return-disposed"]
    (item,) = scene.items()
    assert item["paymentState"] == "NotRefunded"


def test_parts_of_a_line_add_up_to_the_line(tmp_path: Path) -> None:
    scene = Scene(tmp_path, return_policy="line")
    scene.mao.create_return("CT-1", {scene.line_id(): 3}, return_id="R1")
    line = scene.world.mao.orders["R1"]["OrderLine"][0]
    line["OrderLineTotal"] = Decimal("-10.00")
    line["UnitPrice"] = Decimal("-3.33")
    for _ in range(3):
        scene.mao.verify_line("R1", "1", 1)
        scene.world.mao.orders["R1"]["OrderLine"][0]["OrderLineTotal"] = Decimal("-10.00")
        scene.sync()

    amounts = [event["amount"] for event in scene.outbox()]
    assert len(amounts) == 3
    assert sum(amounts) == 1000


@pytest.mark.parametrize("rotated", [False, True])
def test_a_return_that_was_forgotten_is_not_told_again(tmp_path: Path, rotated: bool) -> None:
    """Changed once more after its row was pruned: nothing is written to the shop, and the payment service
    hears of it once, also when its file was rotated away long since."""
    scene = Scene(tmp_path, return_policy="line")
    scene.mao.create_return("CT-1", {scene.line_id(): 3}, return_id="R1", paid_here=True)
    for _ in range(3):
        scene.mao.verify_line("R1", "1", 1)
        scene.sync()
    scene.mao.refund("R1")
    scene.sync()
    shown, told = scene.shown(), scene.outbox()
    assert len(told) == 4
    scene.sync(after_s=402 * 86400)
    with scene.bench.application().open_store() as store:
        assert store.facts().rows["returns"] == 0, "the run before has forgotten it"
        assert store.facts().rows["outbox"] == 4
    if rotated:
        (tmp_path / "outbox.jsonl").unlink()
    moment = timestamp(scene.bench.clock.now()).removesuffix("Z")
    scene.world.mao.orders["R1"]["UpdatedTimestamp"] = moment
    scene.world.mao.orders["R1"]["OrderLine"][0]["UpdatedTimestamp"] = moment
    writes = scene.bench.writes()

    report = scene.sync()

    assert (report.exit_code, report.counts["unchanged"]) == (0, 1)
    assert (scene.bench.writes(), scene.shown()) == (writes, shown)
    assert scene.outbox() == ([] if rotated else told)


def test_an_unwritable_file_ends_the_run_with_5_after_everything_else_is_done(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "outbox.jsonl").mkdir()
    verified(scene)

    report = scene.sync()

    assert report.exit_code == 5
    assert report.problem.code == "outbox-unwritable"
    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Initial")]
    (tmp_path / "outbox.jsonl").rmdir()
    assert scene.sync().exit_code == 0
    assert [event["returnId"] for event in scene.outbox()] == ["R1"]


def test_a_rotated_file_is_begun_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    verified(scene, "R1", 1)
    scene.sync()
    (tmp_path / "outbox.jsonl").rename(tmp_path / "outbox.jsonl.1")
    verified(scene, "R2", 1)

    scene.sync()

    assert [event["returnId"] for event in scene.outbox("outbox.jsonl.1")] == ["R1"]
    assert [event["returnId"] for event in scene.outbox()] == ["R2"]


def test_killed_between_the_shop_and_the_commit_the_event_is_not_lost(
    tmp_path: Path, monkeypatch: Any
) -> None:
    scene = Scene(tmp_path)
    verified(scene)

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Store, "follow_returns", crash)
        with pytest.raises(Crash):
            scene.sync()
    assert scene.shown() == [("mao-R1-1-New-1", 2, "BackInStock", "Initial")]
    assert scene.outbox() == []

    report = scene.sync()

    assert (report.exit_code, report.counts["written"]) == (0, 0)
    assert len(scene.outbox()) == 1
