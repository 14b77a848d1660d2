"""`init`: from nothing to a configuration that loads and units that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click.testing
import pytest

from ct_mao_sync.cli.main import cli, main
from ct_mao_sync.config import load_config
from ct_mao_sync.ops.template import read_template
from ct_mao_sync.ops.units import on_calendar, on_cron

ROOT = Path(__file__).parents[2]
GIVEN = (
    "--non-interactive",
    *("--project-key", "acme", "--region", "us-central1.gcp", "--organization", "ACME"),
    *("--mao-url", "https://acme.omni.test", "--mao-auth-url", "https://acme-auth.omni.test"),
    *("--start-at", "2026-11-01"),
)
SECRETS = ("CTP_CLIENT_ID", "CTP_CLIENT_SECRET", "MAO_CLIENT_ID", "MAO_CLIENT_SECRET")
ENV = dict.fromkeys((*SECRETS, "MAO_USERNAME", "MAO_PASSWORD"), "secret")


class Desk:
    """An empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"

    def init(self, *arguments: str, answers: str = "", env: dict[str, str] | None = None) -> Any:
        clean = dict.fromkeys(("CTP_PROJECT_KEY", "CTP_API_URL", "MAO_API_URL", "MAO_AUTH_URL"))
        return click.testing.CliRunner(env={**clean, **(env or {})}).invoke(
            cli, ["--config", str(self.config), "init", *arguments], input=answers, prog_name="ct-mao-sync"
        )

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.folder)): path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield Desk(tmp_path)


def keys_of(text: str) -> list[str]:
    """Every key of a file, those that are commented out too."""
    return re.findall(r'^(?:# )?(\[[\w.]+\]|"?[\w.-]+"? = )', text, flags=re.MULTILINE)


def test_the_template_is_the_example_beside_the_readme() -> None:
    assert read_template() == (ROOT / "config.example.toml").read_text(encoding="utf-8")


def test_the_file_loads_and_has_every_key_with_its_comment(desk: Desk) -> None:
    ran = desk.init(*GIVEN)

    assert ran.exit_code == 0, ran.output
    text = desk.config.read_text()
    assert keys_of(text) == keys_of(read_template())
    assert text.count("#") >= read_template().count("#") - 1, "start_at is no longer commented out"
    config = load_config(desk.config, ENV)
    assert (config.commercetools.project_key, config.manhattan.organization) == ("acme", "ACME")
    assert config.commercetools.api_url == "https://api.us-central1.gcp.commercetools.com"
    assert config.orders.start_at is not None and config.orders.start_at.isoformat().startswith("2026-11-01T")


def test_a_person_is_asked_only_what_has_no_default(desk: Desk) -> None:
    answers = "acme\neurope-west1.gcp\nhttps://mao.test\nhttps://mao-auth.test\n\n2026-11-01\nNET-A\n"

    ran = desk.init(answers=answers)

    assert ran.exit_code == 0, ran.output
    assert ran.stderr.count(":") >= 7 and "secret" not in ran.stderr.lower().split("wrote")[0]
    config = load_config(desk.config, ENV)
    assert config.manhattan.auth_url == "https://mao-auth.test"
    assert config.inventory.location_view == "NET-A"


def test_an_answer_that_cannot_be_is_asked_for_again(desk: Desk) -> None:
    ran = desk.init(
        answers="my shop\nacme\neurope\neurope-west1.gcp\nmao\nhttps://mao.test\nhttps://mao-auth.test\n\n"
        "tomorrow\n2026-11-01\nNET-A\n"
    )

    assert ran.exit_code == 0, ran.output
    assert ran.stderr.count("Error: ") == 4
    assert 'commercetools.project_key is "my shop"; it must be a project key' in ran.stderr
    config = load_config(desk.config, ENV)
    assert (config.commercetools.project_key, config.manhattan.api_url) == ("acme", "https://mao.test")


def test_ctrl_c_at_a_question_is_an_interruption_and_no_missing_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(text: str = "") -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(["--config", str(desk.config), "init"])
    assert stop.value.code == 130
    assert desk.files() == {}


def test_what_the_merchant_center_exports_is_taken(desk: Desk) -> None:
    env = {"CTP_PROJECT_KEY": "from-env", "CTP_API_URL": "https://api.eu-west-1.aws.commercetools.com"}

    ran = desk.init(
        "--non-interactive", "--mao-url", "https://m.test", "--mao-auth-url", "https://a.test", env=env
    )

    assert ran.exit_code == 0, ran.output
    raw = tomllib.loads(desk.config.read_text())["commercetools"]
    assert (raw["project_key"], raw["region"]) == ("from-env", "eu-west-1.aws")


def test_nothing_is_overwritten_without_force(desk: Desk) -> None:
    desk.config.write_text("mine")

    ran = desk.init(*GIVEN)

    assert ran.exit_code == 2 and "--force" in ran.stderr
    assert desk.files() == {"config.toml": "mine"}
    assert desk.init(*GIVEN, "--force").exit_code == 0
    assert "acme" in desk.config.read_text()


def test_all_mistakes_are_told_before_anything_is_written(desk: Desk) -> None:
    ran = desk.init(
        *GIVEN, "--set", "orders.max_cancel=-1", "--set", "sync.workers=lots", "--systemd", "units"
    )

    assert ran.exit_code == 2
    assert "orders.max_cancel" in ran.stderr and "sync.workers" in ran.stderr
    assert desk.files() == {}


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("orders.max_cancle=1", "did you mean orders.max_cancel"),
        ("order.max_cancel=1", "no such section"),
        ("max_cancel", "section.key=value"),
        ("manhattan.password=hunter2", "history of the shell"),
    ],
)
def test_a_key_that_does_not_exist_and_a_secret_in_clear_are_refused(
    desk: Desk, assignment: str, said: str
) -> None:
    ran = desk.init(*GIVEN, "--set", assignment)

    assert ran.exit_code == 2 and said in ran.stderr
    assert "hunter2" not in ran.stderr
    assert desk.files() == {}


def test_any_key_can_be_set_also_one_of_a_table_of_ones_own(desk: Desk) -> None:
    ran = desk.init(
        *GIVEN,
        *("--set", "schedule.returns="),
        *("--set", "orders.late_cancel=true"),
        *("--set", 'orders.stores=["a", "b"]'),
        *("--set", "mapping.locations.DC-1=dc-1"),
        *("--set", "orders.static.SellingChannel.SellingChannelId=Store"),
        *("--set", 'mapping.shipping_methods.pickup={ method = "P", delivery = "PickUpAtStore" }'),
    )

    assert ran.exit_code == 0, ran.output
    config = load_config(desk.config, ENV)
    assert config.schedule.returns is None and config.orders.late_cancel
    assert config.orders.stores == ("a", "b")
    assert config.mapping.locations == {"DC-1": "dc-1"}
    assert config.orders.static["SellingChannel.SellingChannelId"] == "Store"
    assert config.mapping.shipping_methods["pickup"].delivery == "PickUpAtStore"


def test_nobody_answers(desk: Desk) -> None:
    ran = desk.init(answers="acme\n")

    assert ran.exit_code == 2 and "--non-interactive" in ran.stderr
    ran = desk.init("--non-interactive")
    assert ran.exit_code == 2 and "--project-key, --region, --mao-url, --mao-auth-url" in ran.stderr
    assert desk.files() == {}


# ---- units --------------------------------------------------------------------------------------------


def test_each_job_that_is_on_has_a_timer_of_its_own(desk: Desk) -> None:
    ran = desk.init(
        *GIVEN,
        *("--systemd", str(desk.folder / "units")),
        *("--set", "schedule.status=", "--set", "schedule.returns="),
        *("--location-view", "STORES", "--set", "schedule.inventory=7m"),
    )

    assert ran.exit_code == 0, ran.output
    units = desk.files()
    timers = {name for name in units if name.endswith(".timer")}
    assert timers == {"units/ct-mao-sync-orders.timer", "units/ct-mao-sync-inventory.timer"}
    orders, inventory = units["units/ct-mao-sync-orders.timer"], units["units/ct-mao-sync-inventory.timer"]
    assert "OnCalendar=*:0/2\nPersistent=true" in orders and "Unit=ct-mao-sync@orders.service" in orders
    assert "OnUnitInactiveSec=420s" in inventory, "seven minutes divide no hour"
    service = units["units/ct-mao-sync@.service"]
    for line in (
        "Type=oneshot",
        "SuccessExitStatus=3 6",
        "StateDirectory=ct-mao-sync",
        "NoNewPrivileges=yes",
    ):
        assert f"\n{line}\n" in service
    assert f"LoadCredential=mao_password:{desk.folder}/credentials/mao_password" in service
    assert load_config(desk.config, {}, with_secrets=False).state.path.startswith("/var/lib/ct-mao-sync/")


def test_units_for_a_configuration_that_is_there_leave_it_alone(desk: Desk) -> None:
    assert desk.init(*GIVEN, "--set", "state.path=/srv/sync/state.sqlite3").exit_code == 0
    before = desk.config.read_text()

    ran = desk.init("--systemd", str(desk.folder / "units"), "--cron", str(desk.folder / "crontab"))

    assert ran.exit_code == 0, ran.output
    assert desk.config.read_text() == before
    service = desk.files()["units/ct-mao-sync@.service"]
    assert f"EnvironmentFile={desk.folder}/environment" in service and "LoadCredential" not in service
    assert "ReadWritePaths=-/srv/sync" in service
    crontab = desk.files()["crontab"]
    assert re.search(
        rf"^\*/2 \* \* \* \* set -a; \. {desk.folder}/environment; .* sync orders >/dev/null$", crontab, re.M
    )
    assert desk.init("--systemd", str(desk.folder / "units")).exit_code == 2, "they exist"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_about_the_units_and_calls_them_safe(desk: Desk) -> None:
    ran = desk.init(
        *GIVEN, "--location-view", "V", "--systemd", str(desk.folder / "u"), "--set", "schedule.status=7m"
    )
    assert ran.exit_code == 0, ran.output
    units = sorted((desk.folder / "u").iterdir())

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    exposure = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=20",
            desk.folder / "u/ct-mao-sync@.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    assert exposure.returncode == 0, exposure.stdout[-300:]


@pytest.mark.parametrize(
    ("every", "calendar", "cron"),
    [
        (timedelta(seconds=30), "*:*:0/30", ""),
        (timedelta(minutes=1), "*:0/1", "* * * * *"),
        (timedelta(minutes=15), "*:0/15", "*/15 * * * *"),
        (timedelta(seconds=90), "", ""),
        (timedelta(minutes=7), "", ""),
        (timedelta(hours=1), "0/1:00", "0 * * * *"),
        (timedelta(hours=6), "0/6:00", "0 */6 * * *"),
        (timedelta(hours=5), "", ""),
        (timedelta(days=1), "*-*-* 00:00", "0 0 * * *"),
        (timedelta(days=2), "", ""),
    ],
)
def test_a_rhythm_in_the_words_of_systemd_and_cron(every: timedelta, calendar: str, cron: str) -> None:
    assert (on_calendar(every), on_cron(every)) == (calendar, cron)
