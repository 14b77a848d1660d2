"""The world of the inventory job: stock in MAO, entries in the shop, sales that MAO does not know yet, and
what may be offered by all that. The truth is taken from both simulated systems, not from what the product
says.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from stage import SECRETS, SYSTEMS_CONFIG, Stage, Violation

from ct_mao_sync.cli.messages import read_nudges
from ct_mao_sync.config import load_config
from ct_mao_sync.engine.report import RunReport
from ct_mao_sync.engine.values import Nudges
from ct_mao_sync.sandbox.commercetools_import import Waiting, imports_of
from ct_mao_sync.sandbox.commercetools_inventory import add_entry
from ct_mao_sync.sandbox.commercetools_stock import channel_of, tracked_lines, true_quantity
from ct_mao_sync.sandbox.core import Request, Response
from ct_mao_sync.sandbox.generate import timestamp
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, NETWORK_VIEW, stock_world
from ct_mao_sync.sandbox.manhattan_available import true_available
from ct_mao_sync.sandbox.manhattan_stock import stock_of

LOCATIONS = {"DC-ATL": "dc-atlanta", "DC-DRE": "dc-dresden", "ST-17": "dc-dresden"}
"""Two of them are one channel."""
PACK, PACK_UNITS = "ITEM-000001-PK6", 6
"""Six of the first item, sold as one."""
AVAILABILITY = "/inventory/api/availability/"

CONFIG = """\
[orders]
start_at = "2026-11-01T00:00:00Z"
[mapping]
skus_file = "skus.csv"
[mapping.shipping_methods]
standard = "STD"
free = "STD"
express = "STD"
freight = "STD"
pickup = "STD"
"Customer pickup (custom)" = "STD"
[mapping.uom]
EACH = 1
PK6 = 6
[mapping.locations]
DC-ATL = "dc-atlanta"
DC-DRE = "dc-dresden"
ST-17 = "dc-dresden"
[inventory]
modes = {modes}
network_view = "{network_view}"
location_view = "{location_view}"
assortment = "{assortment}"
writer = "{writer}"
tight_below = {tight_below}
sweep_every = "{sweep_every}"
create_missing = {create_missing}
view_nets_backorders = {nets}
"""

IMPORT_S = 120.0
"""From planning an import to its being worked off, at most."""
Place = tuple[str, str]
"""(SKU, channel id); "" = the entry without channel."""


@dataclass(frozen=True)
class Fall:
    """What may be offered of a place fell by so many sold units, without a sale from its own entry."""

    place: Place
    units: int
    step: int
    at_s: float
    seen_by: str
    """What tells the product: "orders" (a run of the orders job), "delta" or "sweep"."""


@dataclass(frozen=True)
class Write:
    """An entry's quantity, changed by a request of ours."""

    place: Place
    was: int | None
    quantity: int


class InventoryWorld(Stage):
    """`falls` are those that no run can have taken into account yet."""

    name = "inventory"
    job = "inventory"

    def draw_settings(self, rng: random.Random) -> dict[str, Any]:
        return {
            "commercetools_skew_s": rng.choice([0.0, 0.0, -37.0, 90.0]),
            "manhattan_skew_s": rng.choice([0.0, 0.0, 55.0, -7200.0, 3600.0]),
            "search_lag_s": rng.choice([0.0, 0.0, 3.0]),
            "inventory_lag_s": rng.choice([0.0, 10.0, 10.0]),
            "location_prefix": rng.choice(["none", "internal", "all"]),
            "no_rows_as_null": rng.random() < 0.5,
            "unknown_order_status": rng.choice([404, 200]),
        }

    def draw_options(self, rng: random.Random) -> dict[str, Any]:
        modes = rng.choice([["network"], ["location"], ["location"], ["network", "location"]])
        return {
            "page_size": rng.choice([3, 500]),
            "mao_page_size": rng.choice([2, 100]),
            "modes": json.dumps(modes),
            "network_view": NETWORK_VIEW,
            "location_view": LOCATION_VIEW,
            "assortment": rng.choice(["manhattan", "commercetools"]),
            "writer": rng.choice(["rest", "auto"]),
            "tight_below": rng.choice([5, 20]),
            "sweep_every": rng.choice(["1h", "24h"]),
            "create_missing": rng.choice(["true", "false"]),
            "nets": rng.choice(["true", "false"]) if modes == ["network"] else "false",
            "items": rng.choices([4, 30], [9, 1])[0],
        }

    def set_up(self) -> None:
        self.falls: list[Fall] = []
        self.sales: list[tuple[Place, int, float]] = []
        """Sold units, and when (monotonic)."""
        self.run_began = ""
        self.writes_of_run: list[Write] = []
        self.least_of_run: dict[Place, int] = {}
        self.most_sold: dict[str, int] = {}
        self.half_answers = 0
        self.bad_view = ""
        self.queue: list[dict[str, Any]] = []
        """Messages of MAO that nobody has handed over, or not for the last time."""
        self.unknown_to_queue: dict[str, Decimal] = {}
        """Line item -> base units that their figures still contain."""
        self.order_numbers = itertools.count(1000)
        world = self.sandbox.world
        self.stocked = stock_world(
            world,
            self.seed,
            items=self.options["items"],
            locations=LOCATIONS,
            quantity_max=60,
            entries=(),
            future=False,
        )
        stock = stock_of(world)
        stock.units["ITEM-000001", "PK6"] = Decimal(PACK_UNITS)
        if self.options["nets"] == "true":
            stock.views[NETWORK_VIEW] = replace(stock.views[NETWORK_VIEW], nets_backorders=True)
        channels = {row["key"]: row["id"] for row in world.ct.channels.values() if row.get("key")}
        self.channel_ids = {key: channels[key] for key in LOCATIONS.values()}
        self.locations_of = {
            channels[key]: [place for place, each in LOCATIONS.items() if each == key]
            for key in LOCATIONS.values()
        }
        for sku in self.skus:
            for channel_id in self.shown_channels():
                if self.rng.random() < 0.9:
                    self.add_entry_of(sku, channel_id)
        (self.folder / "skus.csv").write_text(
            f"sku,item,uom,units\n{PACK},ITEM-000001,PK6,{PACK_UNITS}\nITEM-000001,ITEM-000001,EACH,1\n",
            encoding="utf-8",
        )
        self.clock.advance(700)

    def render_config(self) -> str:
        return (SYSTEMS_CONFIG + CONFIG).format(**self.options)

    @property
    def skus(self) -> list[str]:
        return [*self.stocked.items, PACK]

    @property
    def views(self) -> list[str]:
        names = {"network": NETWORK_VIEW, "location": LOCATION_VIEW}
        return [names[mode] for mode in json.loads(self.options["modes"])]

    def put_into_queue(self, messages: list[dict[str, Any]]) -> None:
        self.queue = messages
        self.unknown_to_queue = {line["id"]: units for line, units in self._unknown_lines(nets=self.nets)}

    @property
    def nets(self) -> bool:
        return bool(self.options["nets"] == "true")

    def _free_again(self, place: Place) -> int:
        """Sold units that the queue's figures still contain, and that the shop has taken back since. MAO may
        have reserved them meanwhile, and hears of that by the next run of the orders job."""
        item, units = self.sold_as(place[0])
        alive = {line["id"]: line["quantity"] for _, line in self._sold_lines(cancelled=False)}
        free = Decimal(0)
        for _, line in self._sold_lines(cancelled=True):
            of, each = self.sold_as(line["variant"]["sku"])
            if of == item and (not place[1] or channel_of(line) == place[1]):
                known = self.unknown_to_queue.get(line["id"], Decimal(0))
                free += max(Decimal(0), known - alive.get(line["id"], 0) * each)
        return -int((-free / units).to_integral_value(ROUND_FLOOR))

    def read_queue(self) -> Nudges:
        file = self.folder / "messages.jsonl"
        file.write_text("".join(f"{json.dumps(each)}\n" for each in self.queue), encoding="utf-8")
        return read_nudges("inventory", str(file), load_config(self.folder / "config.toml", SECRETS))

    def shown_channels(self) -> list[str]:
        modes = self.options["modes"]
        located = self.channel_ids.values() if "location" in modes else ()
        return [*([""] if "network" in modes else []), *located]

    def add_entry_of(self, sku: str, channel_id: str) -> None:
        stamp = timestamp(self.shop_now())
        quantity = self.rng.choice([0, 3, 50])
        entry: dict[str, Any] = {
            "id": self.sandbox.world.new_id(),
            "version": self.rng.randint(1, 9),
            "createdAt": stamp,
            "lastModifiedAt": stamp,
            "sku": sku,
            # The shop begins with what is not true; nothing may be sold of it before the first run.
            "quantityOnStock": quantity,
            "availableQuantity": quantity,
        }
        if self.rng.random() < 0.7:
            entry["key"] = f"key-{entry['id']}"
        if channel_id:
            entry["supplyChannel"] = {"typeId": "channel", "id": channel_id}
        add_entry(self.sandbox.world, entry)

    # ---- the truth -----------------------------------------------------------------------------------

    def sold_as(self, sku: str) -> tuple[str, int]:
        """Item, and base units in one."""
        return ("ITEM-000001", PACK_UNITS) if sku == PACK else (sku, 1)

    def entries(self) -> dict[Place, dict[str, Any]]:
        return {
            (entry["sku"], channel_of(entry)): entry for entry in self.sandbox.world.ct.inventory.values()
        }

    def shown(self) -> dict[Place, int]:
        """quantityOnStock as the platform counts it, whether it shows already or not."""
        return {place: true_quantity(self.sandbox.world, each) for place, each in self.entries().items()}

    def offerable(self) -> dict[Place, int]:
        """What each entry may offer: MAO's true figure less the units sold and unknown to MAO, in whole sold
        units; below zero when more was sold than there is."""
        located, network = self._unknown_units(nets=False), self._unknown_units(nets=self.nets)
        return {place: self._whole(place, located if place[1] else network) for place in self.entries()}

    def surely_offerable(self) -> dict[Place, int]:
        """The same with everything that was ever sold subtracted once more: no caution asks for less."""
        sold: dict[Place, Decimal] = {}
        for _, line in self._sold_lines(cancelled=True):
            item, units = self.sold_as(line["variant"]["sku"])
            place = item, channel_of(line)
            most = self.most_sold[line["id"]] = max(line["quantity"], self.most_sold.get(line["id"], 0))
            sold[place] = sold.get(place, Decimal(0)) + units * most
        return {place: self._whole(place, sold) for place in self.entries()}

    def undecided_items(self) -> set[str]:
        """Items of orders that wait for a person: until then the shop may offer less."""
        orders = [self.shop[entity] for entity in self.open_letters("orders")]
        return {self.sold_as(line["variant"]["sku"])[0] for order in orders for line in order["lineItems"]}

    def _whole(self, place: Place, less: Mapping[Place, Decimal]) -> int:
        sku, channel_id = place
        item, units = self.sold_as(sku)
        world = self.sandbox.world
        if channel_id:
            figure = sum(
                true_available(world, LOCATION_VIEW, item, each) for each in self.locations_of[channel_id]
            )
            taken = less.get((item, channel_id), Decimal(0))
        else:
            figure = true_available(world, NETWORK_VIEW, item)
            taken = sum((each for (of, _), each in less.items() if of == item), Decimal(0))
        return int(((Decimal(figure) - taken) / units).to_integral_value(ROUND_FLOOR))

    def _unknown_units(self, *, nets: bool) -> dict[Place, Decimal]:
        """(item, channel id) -> base units that the shop has sold and MAO's figure still contains. `nets`:
        the figure is less by what is back-ordered, as no location's ever is."""
        unknown: dict[Place, Decimal] = {}
        for line, units in self._unknown_lines(nets=nets):
            place = self.sold_as(line["variant"]["sku"])[0], channel_of(line)
            unknown[place] = unknown.get(place, Decimal(0)) + units
        return unknown

    def _unknown_lines(self, *, nets: bool) -> Iterator[tuple[Mapping[str, Any], Decimal]]:
        by_shop_id = {str(each.get("AlternateOrderId")): each for each in self.mao_orders()}
        for order, line in self._sold_lines(cancelled=False):
            left = self._unknown_of(line, by_shop_id.get(order["id"]), nets)
            if left > 0:
                yield line, left * self.sold_as(line["variant"]["sku"])[1]

    def _sold_lines(self, *, cancelled: bool) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for order in self.shop.values():
            if cancelled or order["orderState"] != "Cancelled":
                for line, _ in tracked_lines(order):
                    yield order, line

    def _unknown_of(self, line: Mapping[str, Any], order: Mapping[str, Any] | None, nets: bool) -> Decimal:
        """Sold units that MAO has neither reserved nor shipped nor cancelled."""
        sold = Decimal(line["quantity"])
        if order is None:
            return sold
        row = next((each for each in order["OrderLine"] if each["OrderLineId"] == line["id"]), None)
        if order.get("IsCancelled") or (row is not None and row.get("IsCancelled")):
            return Decimal(0)
        if row is None:
            return sold
        free = {1000, 1600} if nets else {1000, 1500, 1600}
        details = [(int(Decimal(str(d["StatusId"]))), d["Quantity"]) for d in row["QuantityDetail"]]
        open_units = sum((units for status, units in details if status in free), Decimal(0))
        cancelled = sum((d["CancelQuantity"] for d in row.get("OrderLineCancelHistory") or ()), Decimal(0))
        return min(sold, open_units + max(Decimal(0), sold - row["Quantity"] - cancelled))

    # ---- what happened, and who can know -------------------------------------------------------------

    @contextmanager
    def falling(self, seen_by: str) -> Iterator[None]:
        """Around something that may lower what can be offered; a sale from an entry is its own affair."""
        before, sold = self.offerable(), self.shown()
        yield
        now, left = self.offerable(), self.shown()
        for place, units in now.items():
            if place in before and (fall := before[place] - units - (sold[place] - left[place])) > 0:
                self.falls.append(Fall(place, fall, self.step, self.clock.monotonic(), seen_by))
        self._note_least()

    def excused(self, place: Place) -> int:
        return sum(fall.units for fall in self.falls if fall.place == place)

    def forgive(self, report: RunReport, job: str, visible: list[Fall], *, swept: bool) -> None:
        """A run has ended: what it must have seen is no excuse any more."""
        if report.exit_code not in (0, 3):
            return
        for fall in visible:
            told = fall.seen_by == "delta" or (fall.seen_by == "sweep" and swept)
            if job == "inventory" and told:
                self.falls.remove(fall)
            elif job == "orders" and fall.seen_by == "orders":
                self.falls.remove(fall)
                self.falls.append(replace(fall, seen_by="delta"))

    @property
    def blind_s(self) -> float:
        """How far back a search or a query may not see."""
        stale = self.sandbox.faults.stale_s if "stale" in self.sandbox.faults.rates else 0.0
        return max(float(self.sandbox.settings.search_lag_s), stale)

    # ---- runs ----------------------------------------------------------------------------------------

    @property
    def is_calm(self) -> bool:
        return super().is_calm and not self.bad_view and not self.half_answers

    def sync(self, job: str = "", crashes: Any = None, **options: Any) -> RunReport | None:
        job = job or self.job
        began_s, swept_before = self.clock.monotonic(), self._last_sweep()
        old = list(self.falls)
        self.hears = "nudges" in options
        self.run_began = timestamp(self.shop_now())
        self.writes_of_run = []
        self.least_of_run = {}
        self._note_least()
        report = super().sync(job, crashes, **options)
        partial = {"given", "nudges", "dead_letters", "limit", "dry_run"} & set(options)
        if report is not None and not partial:
            # The whole of it in this run: an older slice knows nothing of what fell since.
            last = self._last_sweep()
            swept = last is not None and last != swept_before and last.started_at >= report.started_at
            visible = [fall for fall in old if fall.at_s <= began_s - self.blind_s]
            self.forgive(report, job, visible, swept=swept)
            if job == "inventory" and report.exit_code in (0, 3):
                self.check_after_run()
        self.check_drops(frozenset(options.get("allow", ())))
        return report

    def _last_sweep(self) -> Any:
        with self.store() as store:
            return store.last_sweep()

    def check_after_run(self) -> None:
        """I9, seen from the shop: nothing is on offer that MAO could not promise."""
        letters = self.open_letters("inventory")
        offerable = self.offerable()
        for place, quantity in self.shown().items():
            most = max(0, offerable[place]) + self.excused(place)
            if quantity > most and self.entity(place) not in letters and quantity > 0:
                raise Violation(
                    f"I9: after the run {place} shows {quantity}, MAO can promise {offerable[place]}, "
                    f"excused {self.excused(place)}"
                )

    def check_drops(self, allow: frozenset[str]) -> None:
        drops = [
            each
            for each in self.writes_of_run
            if each.quantity == 0 and (each.was or 0) > self.options["tight_below"]
        ]
        if len(drops) > 20 and "drop" not in allow:
            raise Violation(f"{len(drops)} entries fell to 0 from plenty in one run")

    def entity(self, place: Place) -> str:
        keys = {id: key for key, id in self.channel_ids.items()}
        return f"{place[0]}|{keys.get(place[1], '')}"

    # ---- requests ------------------------------------------------------------------------------------

    def watch(self, request: Request, dispatch: Callable[[Request], Response]) -> Response:
        before, entries = self.shown(), self.entries()
        versions = {place: entry["version"] for place, entry in entries.items()}
        hidden = set(self.sandbox.world.ct.extra["entries"].hidden)
        under_way = {each.operation["resourceKey"]: each.operation for each in self._waiting_imports()}
        response = dispatch(request)
        for each in self._waiting_imports():
            under_way.pop(each.operation["resourceKey"], None)
        if self.half_answers and request.path.startswith(AVAILABILITY):
            self.half_answers -= 1
            response = _spoilt(response, self.half_answers)
        after = self.shown()
        if after != before:
            offerable, sure = self.offerable(), self.surely_offerable()
            for place, quantity in after.items():
                if quantity != before.get(place):
                    done = under_way.get(self.entries()[place].get("key", ""))
                    self._note_write(Write(place, before.get(place), quantity), offerable, sure, done)
        elif request.method == "POST" and "/inventory/" in request.path and response.status == 200:
            for place, entry in self.entries().items():
                same = {**entry, "version": 0, "lastModifiedAt": ""} == {
                    **entries[place],
                    "version": 0,
                    "lastModifiedAt": "",
                }
                if entry["version"] != versions[place] and same and entry["id"] not in hidden:
                    raise Violation(f"{place} was written with what it had: {request.body!r}")
        return response

    def _waiting_imports(self) -> list[Waiting]:
        return list(imports_of(self.sandbox.world).waiting)

    def _note_write(
        self,
        write: Write,
        offerable: Mapping[Place, int],
        sure: Mapping[Place, int],
        imported: Mapping[str, Any] | None,
    ) -> None:
        """`imported`: the operation, where an import was worked off. It has no version: what was sold since
        it was planned is written over, until the next run subtracts it (README)."""
        if self.bad_view == "inactive" and not self.hears:  # what was published before it was
            raise Violation(f"written from an inactive view: {write}")
        self.writes_of_run.append(write)
        most = max(0, offerable[write.place]) + self.excused(write.place)
        raised = write.was is None or write.quantity > write.was
        if self.hears and raised and write.quantity > most and (free := self._free_again(write.place)):
            told = Fall(write.place, free, self.step, self.clock.monotonic(), "orders")
            self.falls.append(told)
            most += free
        if imported and raised and write.quantity > most:
            planned_s = self.clock.monotonic() - IMPORT_S
            over = sum(u for place, u, at_s in self.sales if place == write.place and at_s >= planned_s)
            self.falls.append(Fall(write.place, over, self.step, self.clock.monotonic(), "delta"))
            most += over
        if raised and write.quantity > most and write.quantity > 0:
            raise Violation(
                f"I9: {write.place} was raised from {write.was} to {write.quantity}, MAO can promise "
                f"{offerable[write.place]}, excused {self.excused(write.place)}"
            )
        least = min(sure[write.place], self.least_of_run.get(write.place, 0))
        is_old = self.hears or (imported is not None and imported["createdAt"] < self.run_began)
        if write.quantity < least and not is_old:
            raise Violation(
                f"{write.place} was written as {write.quantity}, MAO can promise {least} and more"
            )

    def _note_least(self) -> None:
        for place, units in self.surely_offerable().items():
            self.least_of_run[place] = min(units, self.least_of_run.get(place, units))

    def later(self, **span: float) -> None:
        super().later(**span)
        assert timedelta(**span) >= timedelta(0)


def _spoilt(response: Response, turn: int) -> Response:
    """What a MAO in trouble may answer in place of availability."""
    document = json.loads(response.body)
    rows = document.get("data")
    if not isinstance(rows, list):
        return response
    kind = turn % 4
    if kind == 0:
        document["data"] = rows[: len(rows) // 2]
        document["header"] = {"totalCount": len(rows)}
    elif kind == 1:
        document["data"] = None
    elif kind == 2:
        document["data"] = [{k: v for k, v in row.items() if k != "ItemId"} for row in rows]
    else:
        document |= {"success": False, "data": None}
    return replace(response, body=json.dumps(document).encode())
