"""`doctor`: one line per check, the cure of each fault, and not one write."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from golden import Stage

from ct_mao_sync.engine.lock import lock_path
from ct_mao_sync.sandbox.core import COMMERCETOOLS, MANHATTAN
from ct_mao_sync.sandbox.faults import Faults
from ct_mao_sync.sandbox.generate_stock import LOCATION_VIEW, LOCATIONS, stock_world
from ct_mao_sync.sandbox.manhattan_stock import change_view
from ct_mao_sync.state.store import Store

MORE = f"""\
[inventory]
location_view = "{LOCATION_VIEW}"
[mapping.locations]
{chr(10).join(f'"{place}" = "{channel}"' for place, channel in LOCATIONS.items())}
[schedule]
returns = ""
status = ""
health_file = "health.json"
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(orders='payment_states = ["Paid"]', more=MORE)
    stock_world(stage.sandbox.world, 3, items=6, entries=("location",))
    stage.config_path.chmod(0o600)
    assert stage.run("setup", "--yes").exit_code == 0
    stage.log.clear()
    return stage


def checks(stage: Stage, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    done = stage.run("doctor", "--json", *arguments)
    assert done.exit_code == code, done.output
    document = json.loads(done.stdout)
    assert document["exit_code"] == code
    return list(document["checks"])


def wrong(stage: Stage, *arguments: str, code: int) -> dict[str, Any]:
    """The one fault."""
    (found,) = [check for check in checks(stage, *arguments, code=code) if check["level"] == "fault"]
    assert found["cure"]
    return found


def files(stage: Stage) -> dict[str, bytes]:
    """All but the companions by which SQLite shares its file with whoever may write."""
    folder = stage.config_path.parent
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal"))
    }


def warned(stage: Stage) -> str:
    return "\n".join(check["said"] for check in checks(stage) if check["level"] == "warning")


def test_nothing_is_wrong(stage: Stage) -> None:
    stage.check("doctor-well", "doctor")


def test_much_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, search_pages_by_key=False)
    more = MORE.replace(LOCATION_VIEW, "NO SUCH VIEW")
    nowhere = '[mapping.locations]\n"DC-NOWHERE" = "nowhere"'
    stage.configure(more=more.replace("[mapping.locations]", nowhere))
    stage.config_path.chmod(0o600)
    stock_world(stage.sandbox.world, 3, items=6, entries=("location",))
    stage.place(1001, "gift")
    stage.edit(1001, lambda order: order["lineItems"][0]["variant"].pop("sku"))
    stage.sync()

    stage.check("doctor-ill", "doctor", code=5)


def test_a_location_that_is_shown_nowhere_is_looked_up_in_neither_system(stage: Stage) -> None:
    stage.configure(
        orders='payment_states = ["Paid"]',
        more=MORE.replace("[mapping.locations]", '[mapping.locations]\n"DC-DARK" = ""'),
    )

    said = " ".join(check["said"] for check in checks(stage))

    assert f"knows the locations of [mapping.locations] ({len(LOCATIONS)})" in said


def test_locations_that_are_all_shown_nowhere_leave_a_location_view_without_entries(stage: Stage) -> None:
    head, _, tail = MORE.partition("[mapping.locations]")
    stage.configure(
        more=f'{head}[mapping.locations]\n"DC-DARK" = ""\n[schedule]{tail.split("[schedule]")[1]}'
    )

    done = stage.run("sync", "inventory")

    assert done.exit_code == 2
    assert "mapping.locations names no channel" in done.stderr


def test_neither_system_sees_a_write_and_nothing_is_left_on_this_machine(stage: Stage) -> None:
    stage.run("sync", "all")
    stage.log.clear()
    before = files(stage)

    checks(stage)

    assert stage.log.total() > 10
    assert stage.writes() == 0
    assert files(stage) == before


def test_offline_asks_nobody(stage: Stage) -> None:
    checks(stage, "--offline")

    assert stage.log.total() == 0


@pytest.mark.parametrize(("service", "area"), [(COMMERCETOOLS, "commercetools"), (MANHATTAN, "MAO")])
def test_a_system_that_does_not_answer_is_told_once_and_the_other_one_is_looked_at(
    stage: Stage, service: str, area: str
) -> None:
    class OneIsAway(Faults):
        def handle(self, request: Any, world: Any, answer: Any) -> Any:
            if request.service != service:
                return answer(request)
            return super().handle(request, world, answer)

    stage.sandbox.use_faults(OneIsAway(rates={"connect-refused": 1.0}, seed=1))

    found = wrong(stage, code=4)

    assert found["area"] == area
    others = {check["area"] for check in checks(stage, code=4) if check["level"] == "ok"}
    assert {"commercetools", "MAO"} - {area} <= others
    assert stage.clock.monotonic() < 120, "it does not wait for long"


def test_credentials_that_are_refused(stage: Stage) -> None:
    text = stage.config_path.read_text().replace("sandbox-password", "wrong")
    stage.config_path.write_text(text)

    found = wrong(stage, code=5)

    assert "does not accept the credentials" in found["said"] and "manhattan.password" in found["cure"]


def test_a_token_without_the_scopes_that_the_jobs_need(stage: Stage) -> None:
    stage.sandbox.commercetools.client_scopes = (
        "view_orders",
        "view_payments",
        "view_products",
        "view_channels",
    )

    said = [check["said"] for check in checks(stage, code=5) if check["level"] == "fault"]

    assert said == [
        "the token has no scope manage_orders, which orders needs",
        "the token has no scope manage_products, which inventory needs",
    ]


@pytest.mark.parametrize("scopes", [(), ("view_import_containers",)])
@pytest.mark.parametrize(("writer", "level", "code"), [("auto", "warning", 0), ("import-api", "fault", 5)])
def test_a_token_that_may_not_import(
    stage: Stage, scopes: tuple[str, ...], writer: str, level: str, code: int
) -> None:
    """`auto` writes by REST then; `import-api` cannot run."""
    stage.sandbox.commercetools.client_scopes = (
        "view_orders",
        "manage_orders",
        "view_payments",
        "manage_products",
        "view_channels",
        *scopes,
    )
    text = stage.config_path.read_text().replace("[inventory]", f'[inventory]\nwriter = "{writer}"')
    stage.config_path.write_text(text)

    (found,) = [check for check in checks(stage, code=code) if "manage_import_containers" in check["cure"]]

    assert found["level"] == level
    assert 'inventory.writer = "rest"' in found["cure"]


def test_clocks_that_differ(stage: Stage) -> None:
    stage.sandbox.world.skew_s = {COMMERCETOOLS: 90.0, MANHATTAN: -3600.0}

    text = warned(stage)

    assert "the clock of this machine is 90 s behind its" in text
    assert "the clock of this machine is 3600 s ahead of its" in text


def test_a_view_that_is_not_active(stage: Stage) -> None:
    change_view(stage.sandbox.world, LOCATION_VIEW, active=False)

    assert LOCATION_VIEW in wrong(stage, code=5)["said"]


def test_a_first_run_that_does_not_know_where_to_begin(stage: Stage) -> None:
    text = stage.config_path.read_text().replace("start_at = 2026-01-01T00:00:00Z", "")
    stage.config_path.write_text(text)

    assert "orders.start_at is missing" in wrong(stage, code=2)["said"]


def test_a_damaged_state_file_is_told_and_the_systems_are_looked_at_all_the_same(stage: Stage) -> None:
    path = stage.application().config.state_path
    path.write_bytes(b"no database" * 500)

    found = wrong(stage, code=5)

    assert found["area"] == "state" and "is damaged" in found["said"]
    assert any(check["area"] == "MAO" for check in checks(stage, code=5))
    assert path.read_bytes() == b"no database" * 500


def test_a_job_that_fails_or_leaves_itself_no_room_or_is_at_work(stage: Stage) -> None:
    path = stage.application().config.state_path
    with Store.open(path) as store:
        for number in range(3):
            at = stage.clock.now() + timedelta(minutes=number)
            store.start_run(f"o{number}", "orders", at)
            store.finish_run(f"o{number}", at + timedelta(seconds=110), {}, 4, 0, message="MAO was away")
    path.chmod(0o640)
    lock = lock_path(path, "orders")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        found = checks(stage, "--offline")

    said = "\n".join(f"{check['level']} {check['said']} | {check['cure']}" for check in found)
    assert "warning failed 3 times in a row, with exit code 4: MAO was away | ct-mao-sync sync orders" in said
    assert "takes 110 s of the 120 s of its rhythm | give it a longer one" in said
    assert 'such as orders = "4m"' in said
    assert "ok a run is alive (process 4711)" in said
    assert f"has mode 0640: others can read it | chmod 600 {path}" in said


def test_a_loop_that_is_stuck(stage: Stage) -> None:
    health = {"version": 1, "state": "running", "pid": 12, "at": "2026-11-23T08:00:00Z", "jobs": {}}
    (stage.config_path.parent / "health.json").write_text(json.dumps(health))

    assert "has not written health.json for" in wrong(stage, "--offline", code=5)["said"]


def test_a_state_file_of_an_older_version_is_not_brought_up_to_date(stage: Stage) -> None:
    path = stage.application().config.state_path
    Store.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm009_forgetting'")
        db.execute("DROP INDEX returns_closed_by_age")
        db.execute("ALTER TABLE returns DROP COLUMN at")
        db.commit()

    assert any("the next run brings it up to date" in check["said"] for check in checks(stage, "--offline"))


def test_risky_settings_are_warned_of(stage: Stage) -> None:
    stage.configure(
        more=MORE.replace("[inventory]", "[inventory]\nmax_drop_percent = 100")
        + '[metrics]\ntextfile = "metrics.txt"\n[alerts]\ncommand = "no-such-program --now"\n'
    )

    found = checks(stage, "--offline", code=2)

    said = " ".join(check["said"] for check in found)
    for words in ("orders.payment_states is empty", "max_requests_per_hour is 0", "max_drop_percent is 100"):
        assert words in said
    assert "does not end in .prom" in said and "there is no program 'no-such-program'" in said
    assert "stand in clear" in said and "sandbox-secret" not in said


def test_a_configuration_with_mistakes_is_a_fault_of_its_own(stage: Stage) -> None:
    stage.config_path.write_text("[orders]\nmax_cancel = -1\n")
    from ct_mao_sync.config import load_config

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "ct_mao_sync.cli.wiring.open_application", lambda path, env=None: load_config(path, env)
        )
        done = stage.run("doctor")

    assert done.exit_code == 2
    assert "orders.max_cancel" in done.stderr
