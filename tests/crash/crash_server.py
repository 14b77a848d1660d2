"""Both systems in a process of their own, told what to do by JSON lines on standard input.

It kills the client it was told of, with SIGKILL and exactly once, at a request of one's choice: just before
the request takes effect, or just after, when no answer has left yet. Time stands still here, so that two
histories of the same seed can be compared to the second. It ends with its standard input.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from ct_mao_sync.sandbox.commercetools_orders import (
    add_order,
    cancelling,
    changing_address,
    changing_quantity,
    edit_order,
    order_edit,
)
from ct_mao_sync.sandbox.commercetools_stock import true_quantity
from ct_mao_sync.sandbox.core import COMMERCETOOLS, MANHATTAN, ManualClock, Request, Response, Sandbox
from ct_mao_sync.sandbox.front import Servers, serve
from ct_mao_sync.sandbox.generate import generate_orders
from ct_mao_sync.sandbox.generate_stock import NETWORK_VIEW, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available
from ct_mao_sync.sandbox.manhattan_messages import full_sync

Json = dict[str, Any]


def kind_of(request: Request) -> str:
    """What the request is for, in a word."""
    if request.path.endswith("/oauth/token"):
        return "token"
    if request.service == COMMERCETOOLS and "/inventory" in request.path:
        return "entry" if request.method == "POST" else "entries"
    if request.service == COMMERCETOOLS:
        return "sync-info" if request.method == "POST" else "page"
    for part, kind in (("/save", "save"), ("/search", "search"), ("/cancel", "cancel")):
        if request.path.endswith(part):
            return kind
    return "read"


class Killer:
    """Stands between the wire and the sandbox."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kind = ""
        self._where = ""
        self._left = 0
        self._pid = 0
        self._held = ""
        self._waiting = 0
        self.answer: Callable[[Request], Response] = lambda request: Response(0, {}, b"", effect="lost")

    def arm(self, *, kind: str, number: int, where: str) -> None:
        with self._changed:
            self._kind, self._left, self._where, self._pid = kind, number, where, 0

    def hold(self, kind: str) -> None:
        """Requests of this kind wait; "" lets them go on."""
        with self._changed:
            self._held = kind
            self._changed.notify_all()

    def wait_for_waiting(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting >= count, timeout=30), "nothing came"

    def name(self, pid: int) -> None:
        with self._changed:
            self._pid = pid
            self._changed.notify_all()

    def handle(self, request: Request) -> Response:
        with self._changed:
            if self._left and self._kind in ("", kind_of(request)):
                self._left -= 1
                if not self._left:
                    return self._strike(request)
            if self._held == kind_of(request):
                self._waiting += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._held != kind_of(request), timeout=60)
                self._waiting -= 1
        return self.answer(request)

    def _strike(self, request: Request) -> Response:
        assert self._changed.wait_for(lambda: self._pid, timeout=30), "nobody to kill"
        if self._where == "after":
            self.answer(request)
        os.kill(self._pid, signal.SIGKILL)
        return Response(0, {}, b"", effect="lost")


class Stage:
    """The sandbox as it is, as it was, and how to bring it back."""

    def __init__(self) -> None:
        self.killer = Killer()
        self.clock = ManualClock()
        self.sandbox = self._new()
        self.servers: Servers = serve(self.sandbox)
        self._orders: dict[tuple[int, int], list[Json]] = {}
        self._kept: dict[str, tuple[Any, Any, Any]] = {}
        self._use(self.sandbox)

    def do(self, command: Json) -> Any:
        method = getattr(self, f"do_{command.pop('do')}")
        return method(**command)

    def do_reset(self, seed: int, count: int) -> None:
        """A new world with `count` orders in the shop."""
        self.clock = ManualClock()
        self._use(self._new())
        if (seed, count) not in self._orders:
            self._orders[seed, count] = generate_orders(seed, count, self.clock.now())
        for order in copy.deepcopy(self._orders[seed, count]):
            add_order(self.sandbox.world, order)

    def do_reset_returned(self, seed: int, count: int) -> None:
        """A new world with `count` orders, a part of each of which has come back and is verified."""
        from tests.bench.returns import fill, refund

        self.clock = ManualClock()
        self._use(self._new())
        fill(self.sandbox, seed=seed, count=count)
        refund(self.sandbox, every=2)
        self.clock.advance(3600)

    def do_ship(self, seed: int) -> None:
        """MAO ships a part of every order, and the counting of writes begins afresh."""
        from tests.bench.status import work

        self.clock.advance(3600)
        work(self.sandbox, share=1.0, seed=seed, finish=False)
        self.sandbox.world.request_log.history.clear()

    def do_look_at_deliveries(self) -> Json:
        """What the shop shows as delivered, what MAO has shipped, and how often each order was written."""
        world = self.sandbox.world
        shown: Counter[str] = Counter()
        for order in world.ct.orders.values():
            infos = [order.get("shippingInfo"), *(row["shippingInfo"] for row in order.get("shipping") or ())]
            deliveries = (each for info in infos if info for each in info.get("deliveries") or ())
            for item in (item for delivery in deliveries for item in delivery["items"]):
                shown[item["id"]] += item["quantity"]
        shipped: Counter[str] = Counter()
        for order in world.mao.orders.values():
            if not world.ct.orders[order["AlternateOrderId"]].keys() & {"shippingInfo", "shipping"}:
                continue
            for line in order["OrderLine"]:
                for detail in line.get("FulfillmentDetail") or ():
                    shipped[line["OrderLineId"][:36]] += int(detail["Quantity"])
        writes = [each.request for each in world.request_log.history if kind_of(each.request) == "sync-info"]
        return {
            "shown": shown,
            "shipped": shipped,
            "writes": dict(Counter(request.path for request in writes)),
        }

    def do_reset_stocked(self, seed: int, items: int) -> None:
        """A new world with stock in MAO and entries that show something else."""
        self.clock = ManualClock()
        self._use(self._new())
        stock_world(self.sandbox.world, seed, items=items, entries=("network",), entries_agree=False)
        self.clock.advance(3600)

    def do_sync_messages(self) -> list[Json]:
        """What MAO would publish of all its stock now."""
        return full_sync(self.sandbox.world, NETWORK_VIEW)

    def do_look_at_stock(self) -> Json:
        """What the shop shows, what MAO can promise, and how often each entry was written."""
        world = self.sandbox.world
        entries = {entry["sku"]: entry for entry in world.ct.inventory.values()}
        writes = [each.request for each in world.request_log.history if kind_of(each.request) == "entry"]
        return {
            "shown": {sku: true_quantity(world, entry) for sku, entry in entries.items()},
            "promised": {sku: true_available(world, NETWORK_VIEW, sku) for sku in entries},
            "writes": dict(Counter(request.path for request in writes)),
            "requests": world.request_log.total(),
        }

    def do_keep(self, name: str) -> None:
        world = self.sandbox.world
        self._kept[name] = copy.deepcopy((self.clock, world.ct, world.mao))

    def do_restore(self, name: str) -> None:
        self.clock, ct, mao = copy.deepcopy(self._kept[name])
        self._use(self._new())
        self.sandbox.world.ct, self.sandbox.world.mao = ct, mao

    def do_arm(self, kind: str, number: int, where: str) -> None:
        self.killer.arm(kind=kind, number=number, where=where)

    def do_name(self, pid: int) -> None:
        self.killer.name(pid)

    def do_hold(self, kind: str) -> None:
        self.killer.hold(kind)

    def do_wait_for_waiting(self, count: int) -> None:
        self.killer.wait_for_waiting(count)

    def do_latency(self, seconds: float) -> None:
        for server in self.servers.servers:
            server.latency_s = seconds

    def do_pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def do_live(self, seed: int) -> None:
        """What customers do: one moves house, one cancels, one takes one more, two new ones come."""
        world = self.sandbox.world
        exported = [world.ct.orders[order["AlternateOrderId"]] for order in world.mao.orders.values()]
        exported.sort(key=lambda order: str(order["id"]))
        shipped = [order for order in exported if "shippingAddress" in order and "shippingInfo" in order]
        order_edit(world, shipped[0]["id"], changing_address(streetName="Lindenallee", streetNumber="7"))
        order_edit(world, shipped[1]["id"], cancelling())
        order_edit(world, shipped[2]["id"], cancelling())
        order_edit(world, shipped[3]["id"], changing_address(city="Musterstadt"))
        plain = [order for order in shipped[4:] if _is_plain(order)]
        for order in plain[:2]:
            line = order["lineItems"][0]
            order_edit(world, order["id"], changing_quantity(line["id"], line["quantity"] + 1))
        edit_order(world, shipped[-1]["id"], lambda order: order.update(paymentState="Paid"))
        for order in generate_orders(seed, 4, self.clock.now(), start=self.clock.now()):
            add_order(world, order)

    def do_look(self) -> Json:
        """Both systems, and how often each order was written in this world."""
        world = self.sandbox.world
        writes: dict[str, dict[str, int]] = {}
        for logged in world.request_log.history:
            kind = kind_of(logged.request)
            if kind in ("save", "sync-info", "cancel"):
                of_kind, subject = writes.setdefault(kind, {}), _subject(logged.request, kind)
                of_kind[subject] = of_kind.get(subject, 0) + 1
        return {
            "shop": world.ct.orders,
            "oms": world.mao.orders,
            "writes": writes,
            "requests": world.request_log.total(),
            "now": self.clock.now().isoformat(),
        }

    def _new(self) -> Sandbox:
        return Sandbox(seed=1, clock=self.clock)

    def _use(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.killer.arm(kind="", number=0, where="")
        self.killer.answer = sandbox.handle
        for server in self.servers.servers:
            server.sandbox = _Between(self.killer)  # type: ignore[assignment]


class _Between:
    def __init__(self, killer: Killer) -> None:
        self.handle = killer.handle


def _subject(request: Request, kind: str) -> str:
    if kind == "save":
        return str(json.loads(request.body)["OrderId"])
    return request.path.removesuffix("/cancel").rpartition("/")[2]


def _is_plain(order: Json) -> bool:
    """Its sums can be computed anew for another quantity without a customer's help."""
    line = order["lineItems"][0]
    simple = not any(order.get(name) for name in ("discountOnTotalPrice", "directDiscounts", "discountCodes"))
    return simple and not line["discountedPricePerQuantity"] and "taxedPrice" in order


def main() -> None:
    stage = Stage()
    urls = {COMMERCETOOLS: stage.servers.commercetools_url, MANHATTAN: stage.servers.manhattan_url}
    print(json.dumps(urls), flush=True)
    for line in sys.stdin:
        try:
            answer = {"ok": stage.do(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=str), flush=True)
    stage.servers.close()


if __name__ == "__main__":
    main()
