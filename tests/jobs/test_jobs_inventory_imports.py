"""Twenty entries in a request, worked off later: nothing is lost, nothing is overwritten, whatever happens
between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inventory_bench import Stocked, order_for

from ct_mao_sync.cli.render import render_report
from ct_mao_sync.config import load_config
from ct_mao_sync.errors import ConfigError
from ct_mao_sync.jobs import inventory_imports
from ct_mao_sync.sandbox import commercetools_import
from ct_mao_sync.sandbox.commercetools_import import end_import_in, imports_of
from ct_mao_sync.sandbox.commercetools_stock import entries_of, place_order
from ct_mao_sync.sandbox.core import Request, with_settings
from ct_mao_sync.sandbox.generate_stock import LOCATIONS
from ct_mao_sync.sandbox.manhattan_stock import set_supply

ONLY_IMPORTS = 'writer = "import-api"'


def is_import(request: Request) -> bool:
    return request.method == "POST" and "/inventories/import-containers/" in request.path


def is_entry_write(request: Request) -> bool:
    return request.method == "POST" and "/sandbox/inventory" in request.path


class Watched(Stocked):
    """Notes every way in which an entry could be written while an import of it is under way."""

    def __init__(self, folder: Path, mode: str = "network", items: Any = 60, **more: Any) -> None:
        super().__init__(folder, mode, items, **more)
        self.collisions: list[str] = []
        self.imported: list[dict[str, Any]] = []
        self.bench.sandbox.faults.always(self._watch, "slow")

    def _watch(self, request: Request) -> bool:
        now = self.bench.clock.now()
        imports = imports_of(self.world)
        open_keys = {each.resource["key"] for each in imports.waiting if each.due_at > now}
        if is_import(request):
            resources = json.loads(request.body)["resources"]
            self.imported += resources
            self.collisions += [each["key"] for each in resources if each["key"] in open_keys]
        elif is_entry_write(request):
            ids = {entry["id"]: entry.get("key") for entry in self.world.ct.inventory.values()}
            name = request.path.rpartition("/")[2].removeprefix("key=")
            self.collisions += [name] if ids.get(name, name) in open_keys else []
        return False

    def restock(self, quantity: int | None = None) -> None:
        """Every entry has other stock: plenty, so that none is tight."""
        places = list(LOCATIONS)[: 1 if self.mode == "network" and quantity is None else None]
        for number, sku in enumerate(sorted({sku for sku, _ in self.shown()})):
            for place in places:
                set_supply(self.world, sku, place, 300 + number if quantity is None else quantity)
        self.bench.clock.advance(120)

    def writes_of(self, endpoint: str) -> int:
        return self.bench.log.total("commercetools", method="POST", endpoint=endpoint)

    def open_imports(self) -> list[Any]:
        with self.bench.application().open_store() as store:
            return store.open_imports()

    def assert_in_line(self) -> None:
        assert self.shown() == self.promised()
        assert self.collisions == []


@pytest.fixture(params=["location", "network"])
def stocked(request: pytest.FixtureRequest, tmp_path: Path) -> Watched:
    return Watched(tmp_path, request.param, inventory=ONLY_IMPORTS)


@pytest.fixture
def network(tmp_path: Path) -> Watched:
    return Watched(tmp_path, inventory=ONLY_IMPORTS)


# ---- which way -----------------------------------------------------------------------------------


def test_every_entry_is_brought_in_line_twenty_in_a_request(stocked: Watched) -> None:
    report = stocked.sync()

    assert (report.exit_code, report.counts["pending"]) == (0, 0)
    stocked.assert_in_line()
    assert report.counts["written"] == len(stocked.imported)
    requests = [row.request for row in stocked.bench.log.history if is_import(row.request)]
    sizes = [len(json.loads(request.body)["resources"]) for request in requests]
    assert sum(sizes) == len(stocked.imported)
    assert sum(size < 20 for size in sizes) <= 2, "what falls goes ahead, what rises waits for its time"
    assert not [row for row in stocked.bench.log.history if is_entry_write(row.request)]


def test_a_run_tells_how_long_it_only_waited_for_imports(network: Watched) -> None:
    report = network.sync()
    idle = network.sync()

    assert 1 <= report.waited_s <= report.elapsed_s
    assert report.as_dict()["waited_s"] == round(report.waited_s, 3)
    assert "s of it waiting for imports)" in render_report(report)
    assert (idle.waited_s, "waiting" in render_report(idle)) == (0, False)


def test_a_second_run_imports_nothing(stocked: Watched) -> None:
    stocked.sync()
    stocked.bench.clock.advance(3600)
    before = len(stocked.imported)

    report = stocked.sync(full=True)

    assert (report.counts["written"], len(stocked.imported)) == (0, before)


def test_auto_imports_only_what_has_room_and_was_written_by_us_last(tmp_path: Path) -> None:
    stocked = Watched(tmp_path, "network")
    stocked.restock(3)
    stocked.sync()
    assert not stocked.imported, "nobody knows who wrote these entries last"
    stocked.restock()
    stocked.sync()
    assert not stocked.imported, "they were low"
    for tight in ("ITEM-000001", "ITEM-000002"):
        for place in LOCATIONS:
            set_supply(stocked.world, tight, place, 2)
    touched = next(e for e in stocked.world.ct.inventory.values() if e["sku"] == "ITEM-000003")
    touched["version"] += 1
    stocked.bench.clock.advance(3600)
    stocked.restock(150)
    for tight in ("ITEM-000001", "ITEM-000002"):
        for place in LOCATIONS:
            set_supply(stocked.world, tight, place, 2)

    report = stocked.sync()

    names = {each["sku"] for each in stocked.imported}
    assert names.isdisjoint({"ITEM-000001", "ITEM-000002", "ITEM-000003"})
    assert len(names) >= 50
    assert report.exit_code == 0
    stocked.assert_in_line()


def test_auto_does_not_import_a_handful(tmp_path: Path) -> None:
    stocked = Watched(tmp_path, "network", items=19)
    stocked.restock(50)
    stocked.sync()
    stocked.restock(60)
    stocked.sync()

    assert not stocked.imported
    stocked.assert_in_line()


def test_an_entry_with_what_no_import_can_carry_is_written_with_its_version(network: Watched) -> None:
    first, second, third = list(network.world.ct.inventory.values())[:3]
    entries_of(network.world).drop(third["id"])
    first["custom"] = {"type": {"typeId": "type", "id": "t"}, "fields": {"aisle": "7"}}
    second["minCartQuantity"] = 2
    del third["key"]
    entries_of(network.world).put(third)
    network.restock()

    network.sync()

    assert {each["sku"] for each in network.imported}.isdisjoint({e["sku"] for e in (first, second, third)})
    kept = {entry["sku"]: entry for entry in network.world.ct.inventory.values()}
    assert kept[first["sku"]]["custom"]["fields"] == {"aisle": "7"}
    assert kept[second["sku"]]["minCartQuantity"] == 2
    assert network.shown() == network.promised()


def test_missing_entries_are_created_by_import(tmp_path: Path) -> None:
    stocked = Watched(tmp_path, inventory=f"{ONLY_IMPORTS}\ncreate_missing = true")
    stocked.restock()
    gone = list(stocked.world.ct.inventory)[:25]
    skus = {stocked.world.ct.inventory.pop(id)["sku"] for id in gone}

    stocked.sync()

    assert skus <= {sku for sku, _ in stocked.shown()}
    stocked.assert_in_line()


def test_a_dry_run_names_the_imports_and_makes_none(network: Watched) -> None:
    report = network.sync(dry_run=True)

    assert any(line.startswith("import inventory entry") for plan in report.plans for line in plan.summary)
    assert not network.imported


def test_the_import_api_without_its_address_is_a_mistake_of_the_configuration(network: Watched) -> None:
    path = network.bench.config_path
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('import_url = "https://ct.test"\n', ""), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        network.sync()

    assert caught.value.problem.field == "commercetools.import_url"
    path.write_text(path.read_text(encoding="utf-8").replace('writer = "import-api"', 'writer = "auto"'))
    assert load_config(path, {}).commercetools.import_url == ""
    assert network.sync().exit_code == 0


# ---- following -----------------------------------------------------------------------------------


def slow(stocked: Watched, seconds: float) -> None:
    world = stocked.world
    world.settings = with_settings(world.settings, import_delay_s=seconds)


def test_an_import_that_takes_longer_is_settled_by_the_next_run(network: Watched) -> None:
    slow(network, 200)

    first = network.sync()
    waiting = network.open_imports()
    network.bench.clock.advance(300)
    second = network.sync()

    assert {row.entity for row in waiting} == {f"{sku}|" for sku, _ in network.shown()}
    assert first.counts["pending"] >= len(waiting)
    assert (first.exit_code, second.exit_code, second.counts["pending"]) == (0, 0, 0)
    assert network.open_imports() == []
    network.assert_in_line()


def test_a_run_does_not_wait_for_the_imports_of_another_one(network: Watched) -> None:
    slow(network, 2_000)
    network.sync()
    waiting = network.open_imports()
    network.bench.clock.advance(600)

    later = network.sync()

    assert network.open_imports() == waiting != []
    assert later.waited_s == 0


def test_a_run_that_is_not_to_wait_for_imports_hears_of_those_that_are_over(tmp_path: Path) -> None:
    network = Watched(tmp_path, inventory=f"{ONLY_IMPORTS}\nimport_wait_seconds = 0")
    slow(network, 15)
    promised = network.promised()
    falls = {place for place, shown in network.shown().items() if promised[place] < shown}
    [refused, *_] = [e["key"] for e in network.world.ct.inventory.values() if (e["sku"], "") in falls]
    end_import_in(network.world, refused, "rejected")

    report = network.sync()  # what rises is imported 10 s later, and is under way at the end

    assert [letter.code for letter in network.bench.dead_letters()] == ["target-refused"]
    assert report.exit_code == 3


def test_what_changes_while_it_is_being_imported_is_written_afterwards(network: Watched) -> None:
    slow(network, 200)
    network.sync()
    before = len(network.imported)
    network.restock()

    meanwhile = network.sync()
    sent_meanwhile = len(network.imported) - before
    network.bench.clock.advance(300)
    network.sync()
    network.bench.clock.advance(300)
    network.sync()

    assert meanwhile.counts["pending"] > 0
    assert sent_meanwhile < len(network.shown()), "only what was not under way"
    network.assert_in_line()


def test_what_changes_between_two_passes_of_a_run_is_not_forgotten(network: Watched) -> None:
    """The entry is imported by the first pass; the second sees another figure while that is under way."""
    network.sync()
    network.bench.clock.advance(3600)
    network.restock()
    changed: list[int] = []

    def restock_once(request: Request) -> bool:
        if is_import(request) and not changed:
            changed.append(1)
            set_supply(network.world, "ITEM-000001", "DC-ATL", 7)
        return False

    network.bench.sandbox.faults.always(restock_once, "slow")
    report = network.sync(full=True)

    assert changed
    assert report.counts["pending"] == 0
    network.assert_in_line()


def test_a_refused_import_is_set_aside_with_its_reason(network: Watched) -> None:
    network.restock()
    keys = [entry["key"] for entry in network.world.ct.inventory.values()]
    for key in keys[:3]:
        end_import_in(network.world, key, "rejected")

    report = network.sync()
    letters = network.bench.dead_letters()

    assert (report.exit_code, report.counts["rejected"], report.counts["pending"]) == (3, 3, 0)
    assert {letter.code for letter in letters} == {"target-refused"}
    assert "refused to import it: the import ended as rejected" in letters[0].message
    assert f"--entity '{letters[0].entity}'" in letters[0].hint
    assert network.open_imports() == []

    network.sync(dead_letters=tuple(letter.entity for letter in letters))
    assert network.bench.dead_letters() == []
    network.assert_in_line()


def test_a_resource_that_fails_its_validation_is_set_aside_at_once(
    network: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.restock()
    bad = next(iter(network.world.ct.inventory.values()))["key"]
    check = commercetools_import.errors_of
    fault = {"code": "InvalidField", "message": "no such thing", "field": "quantityOnStock"}
    monkeypatch.setattr(
        commercetools_import, "errors_of", lambda each: [fault] if each["key"] == bad else check(each)
    )

    report = network.sync()

    [letter] = network.bench.dead_letters()
    assert (report.exit_code, letter.field) == (3, "quantityOnStock")
    assert "no such thing" in letter.message
    assert network.open_imports() == []


def test_refused_by_the_system_is_nobodys_dead_letter_and_is_tried_again(network: Watched) -> None:
    network.restock()
    for entry in network.world.ct.inventory.values():
        end_import_in(network.world, entry["key"], "rejected")

    report = network.sync()
    assert (report.exit_code, network.bench.dead_letters()) == (5, [])

    network.bench.clock.advance(300)
    assert network.sync().exit_code == 0
    network.assert_in_line()


def test_an_import_without_result_for_a_day_is_lost_and_says_so(network: Watched) -> None:
    network.restock()
    for entry in list(network.world.ct.inventory.values())[:2]:
        end_import_in(network.world, entry["key"], "unresolved")
    network.sync()
    assert len(network.open_imports()) == 2
    network.bench.clock.advance(23 * 3600)
    assert network.sync().counts["rejected"] == 0

    network.bench.clock.advance(2 * 3600)
    report = network.sync(since=network.bench.clock.now())

    assert [problem.code for _, _, problem in report.rejected] == ["import-lost"] * 2
    network.bench.clock.advance(120)
    network.sync()
    assert network.bench.dead_letters() == []
    network.assert_in_line()


def test_a_container_that_vanished_loses_nothing(network: Watched) -> None:
    slow(network, 600)
    network.sync()
    commercetools_import.delete_container(network.world, "ct-mao-sync")
    slow(network, 1)
    network.bench.clock.advance(300)

    network.sync()

    assert network.open_imports() == []
    network.assert_in_line()


def test_a_container_for_something_else_stops_the_run(network: Watched) -> None:
    commercetools_import.create_container(network.world, {"key": "ct-mao-sync", "resourceType": "price"})

    report = network.sync()

    assert report.exit_code == 5
    assert report.problem is not None and report.problem.code == "import-container-unusable"


# ---- an Import API that may not be used ------------------------------------------------------------

WITHOUT_IMPORTS = ("view_orders", "view_products", "manage_products", "view_channels")


def forbid(stocked: Watched, *scopes: str) -> None:
    stocked.bench.sandbox.commercetools.client_scopes = (*WITHOUT_IMPORTS, *scopes)
    for path in stocked.bench.config_path.parent.glob("token-*"):
        path.unlink()


def ready_to_import(folder: Path) -> Watched:
    """`auto` would import every entry now."""
    stocked = Watched(folder)
    stocked.restock(50)
    stocked.sync()
    stocked.restock(80)
    return stocked


@pytest.mark.parametrize(
    ("scopes", "is_there"), [((), False), ((), True), (("view_import_containers",), False)]
)
def test_auto_goes_on_by_rest_where_the_client_may_not_import(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scopes: tuple[str, ...], is_there: bool
) -> None:
    """Forbidden at the look, or only when the container is to be made."""
    stocked = ready_to_import(tmp_path)
    if is_there:
        commercetools_import.create_container(
            stocked.world, {"key": "ct-mao-sync", "resourceType": "inventory"}
        )
    forbid(stocked, *scopes)

    report = stocked.sync()

    assert (report.exit_code, report.counts["written"], report.counts["pending"]) == (0, 60, 0)
    assert report.read == 60
    stocked.assert_in_line()
    assert (stocked.imported, stocked.open_imports()) == ([], [])
    (warning,) = [each.getMessage() for each in caplog.records if "Import API" in each.getMessage()]
    assert "scope manage_import_containers" in warning
    assert 'inventory.writer = "rest"' in warning
    stocked.bench.clock.advance(300)
    assert stocked.sync().counts["written"] == 0


def test_auto_goes_on_by_rest_where_the_container_is_for_something_else(tmp_path: Path) -> None:
    stocked = ready_to_import(tmp_path)
    commercetools_import.create_container(stocked.world, {"key": "ct-mao-sync", "resourceType": "price"})

    report = stocked.sync()

    assert (report.exit_code, report.counts["written"]) == (0, 60)
    stocked.assert_in_line()


def test_a_first_run_without_the_scope_is_no_less(tmp_path: Path) -> None:
    stocked = Watched(tmp_path)
    forbid(stocked)

    report = stocked.sync()

    assert report.exit_code == 0
    stocked.assert_in_line()


def test_import_api_by_name_stops_and_names_the_scope(network: Watched) -> None:
    forbid(network)
    before = network.shown()

    report = network.sync()

    assert (report.exit_code, network.shown()) == (5, before)
    assert report.problem is not None
    assert report.problem.code == "forbidden"
    assert "scope manage_import_containers" in report.problem.hint


def test_what_was_under_way_when_the_scope_went_waits_and_is_compared_in_the_end(tmp_path: Path) -> None:
    """Nobody may ask what became of it, so it is written no other way until it is surely over."""
    stocked = ready_to_import(tmp_path)
    slow(stocked, 7200)
    assert stocked.sync().counts["pending"] > 0
    forbid(stocked)
    stocked.restock(90)

    for _ in range(2):
        report = stocked.sync()
        assert report.exit_code in (0, 3)
        assert stocked.open_imports() or report.counts["rejected"]
        stocked.bench.clock.advance(25 * 3600)
    stocked.sync()
    stocked.bench.clock.advance(3600)
    stocked.sync()

    assert stocked.open_imports() == []
    stocked.assert_in_line()


@pytest.fixture
def small_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    # A container is chosen for what is written down at once.
    monkeypatch.setattr("ct_mao_sync.engine.process.INTENDED_AT_ONCE", 1)
    monkeypatch.setattr(inventory_imports, "IN_ONE_CONTAINER_MAX", 20)


def test_more_than_can_be_listed_goes_into_further_containers(
    network: Watched, small_containers: None
) -> None:
    report = network.sync()

    assert report.counts["written"] == 60
    assert set(imports_of(network.world).containers) == {"ct-mao-sync", "ct-mao-sync-2", "ct-mao-sync-3"}
    network.assert_in_line()


def test_what_is_open_in_a_further_container_is_found_when_the_state_is_lost(
    network: Watched, small_containers: None
) -> None:
    slow(network, 200)
    network.sync()
    for path in network.bench.config_path.parent.glob("*.sqlite3*"):
        path.unlink()
    network.restock()

    meanwhile = network.sync()
    assert meanwhile.counts["written"] == 0
    for _ in range(2):
        network.bench.clock.advance(300)
        network.sync()

    network.assert_in_line()


def test_by_rest_again_what_is_under_way_is_still_settled_first(network: Watched) -> None:
    slow(network, 200)
    network.sync()
    network.restock()
    text = network.bench.config_path.read_text(encoding="utf-8")
    network.bench.config_path.write_text(text.replace(ONLY_IMPORTS, 'writer = "rest"'), encoding="utf-8")

    network.sync()
    network.bench.clock.advance(300)
    network.sync()

    assert network.open_imports() == []
    network.assert_in_line()


def test_a_sale_while_its_entry_is_imported_is_subtracted_before_the_run_ends(network: Watched) -> None:
    """The import does not know of it: it has neither version nor order."""
    network.restock()
    slow(network, 5)
    sold: list[str] = []

    def sell_once(request: Request) -> bool:
        if is_import(request) and not sold:
            sku = json.loads(request.body)["resources"][0]["sku"]
            sold.append(sku)
            place_order(network.world, order_for(network, 7001, sku, 3, ""))
        return False

    network.bench.sandbox.faults.always(sell_once, "slow")
    network.sync()

    key = (sold[0], "")
    assert network.shown()[key] == network.promised()[key] - 3
    assert network.collisions == []


# ---- answers that do not come ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "500-after", "lost-before", "lost-after", "truncated"])
def test_a_request_without_an_answer_is_not_sent_again_and_its_entries_are_compared(
    network: Watched, kind: str
) -> None:
    network.restock()
    network.bench.sandbox.faults.once(is_import, kind)

    report = network.sync()

    assert report.exit_code == 0
    assert report.counts["pending"] == 0
    assert network.open_imports() == []
    network.assert_in_line()


def test_an_import_api_that_never_answers_stops_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    network = Watched(tmp_path, items=200, inventory=ONLY_IMPORTS)
    network.restock()
    rule = network.bench.sandbox.faults.always(is_import, "500")

    report = network.sync()
    rule.stop()
    network.bench.clock.advance(60)
    again = network.sync()

    assert report.exit_code == 4
    assert network.bench.dead_letters() == []
    assert again.exit_code == 0
    network.assert_in_line()


# ---- a process that dies ---------------------------------------------------------------------------


class Crash(BaseException):
    """As by kill -9."""


def die_at(stocked: Watched, number: int, where: str) -> Callable[[], None]:
    """The process dies at this request, before or after its effect; gives what revives it."""
    sandbox = stocked.bench.sandbox
    handle = sandbox.handle
    count = 0

    def dying(request: Request) -> Any:
        nonlocal count
        count += 1
        if count == number and where == "before":
            raise Crash
        answer = handle(request)
        if count == number:
            raise Crash
        return answer

    sandbox.handle = dying  # type: ignore[method-assign]
    return lambda: setattr(sandbox, "handle", handle)


def runs_until_done(stocked: Watched, number: int, where: str) -> bool:
    """False when the run made fewer requests. One run after the crash is enough."""
    revive = die_at(stocked, number, where)
    try:
        stocked.sync()
        return False
    except Crash:
        pass
    finally:
        revive()
    stocked.bench.clock.advance(3)
    report = stocked.sync()
    assert (report.exit_code, report.counts["pending"]) == (0, 0)
    return True


@pytest.mark.parametrize(
    ("where", "first", "every"),
    [
        ("before", 1, 4),
        ("after", 3, 4),
        pytest.param("before", 1, 1, marks=pytest.mark.slow),
        pytest.param("after", 1, 1, marks=pytest.mark.slow),
    ],
)
def test_a_crash_at_any_request_is_repaired_by_the_next_run(
    tmp_path: Path, where: str, first: int, every: int
) -> None:
    number = first
    while True:
        folder = tmp_path / f"{number}"
        folder.mkdir()
        stocked = Watched(folder, items=45, inventory=ONLY_IMPORTS, import_delay_s=4.0)
        if not runs_until_done(stocked, number, where):
            break
        stocked.assert_in_line()
        assert stocked.open_imports() == []
        number += every
    assert number > 10


def test_imports_under_way_are_found_when_the_state_is_lost(network: Watched) -> None:
    slow(network, 200)
    network.sync()
    for path in network.bench.config_path.parent.glob("*.sqlite3*"):
        path.unlink()
    network.restock()

    network.sync()
    network.bench.clock.advance(300)
    network.sync()
    network.bench.clock.advance(300)
    network.sync()

    network.assert_in_line()


# ---- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "items", "most"), [("network", 600, 0.08), ("location", 150, 0.065)])
def test_requests_per_changed_entry(tmp_path: Path, mode: str, items: int, most: float) -> None:
    """600 entries; what each run costs once weighs less in larger ones."""
    stocked = Watched(tmp_path, mode, items=items, inventory=ONLY_IMPORTS)
    for _ in range(2):
        stocked.sync()
        stocked.bench.clock.advance(3600)
    stocked.restock()
    before = len(stocked.imported)

    report = stocked.sync()

    changed = len(stocked.imported) - before
    assert 590 < changed <= 600
    stocked.assert_in_line()
    once = 12
    assert report.requests - once <= most * changed
