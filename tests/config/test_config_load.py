"""The configuration file: what is accepted, what it becomes, and how every mistake is told."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from ct_mao_sync.config import Config, SkuRow, load_config
from ct_mao_sync.errors import ConfigError, Problem

ENV = {"CT_SECRET": "s3cret-shop", "MAO_SECRET": "s3cret-oms", "MAO_PASSWORD": "pa55word"}
MINIMAL = """
[commercetools]
project_key = "my-shop"
client_id = "shop-client"
client_secret = "env:CT_SECRET"
region = "europe-west1.gcp"
[manhattan]
api_url = "https://oms.example"
auth_url = "https://oms-auth.example"
client_id = "oms-client"
client_secret = "env:MAO_SECRET"
username = "robot"
password = "env:MAO_PASSWORD"
"""


def load(folder: Path, text: str = MINIMAL, env: dict[str, str] | None = None) -> Config:
    path = folder / "ct-mao-sync.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, ENV if env is None else env)


def problems_of(folder: Path, text: str, env: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, env)
    return list(caught.value.problems)


def the_problem(folder: Path, text: str, env: dict[str, str] | None = None) -> Problem:
    found = problems_of(folder, text, env)
    assert len(found) == 1, [problem.message for problem in found]
    return found[0]


def without(key: str) -> str:
    return "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(f"{key} ="))


def test_a_minimal_file_gives_every_key_its_default(tmp_path: Path) -> None:
    config = load(tmp_path)

    assert config.orders.order_states == ("Open", "Confirmed")
    assert config.orders.order_id == "{orderNumber}"
    assert config.orders.start_at is None
    assert config.orders.max_cancel == 50
    assert config.orders.static == {"SellingChannel.SellingChannelId": "Web"}
    assert config.sync.workers == 8
    assert config.schedule.orders == timedelta(minutes=2)
    assert config.inventory.sweep_every == timedelta(hours=24)
    assert config.mapping.uom == {"EACH": 1}
    assert config.mapping.currency_decimals == {"HUF": 0, "TWD": 0, "CLP": 0, "JPY": 0, "KRW": 0}
    assert config.skus == {}


def test_the_addresses_follow_from_the_region(tmp_path: Path) -> None:
    shop = load(tmp_path).commercetools

    assert shop.auth_url == "https://auth.europe-west1.gcp.commercetools.com"
    assert shop.api_url == "https://api.europe-west1.gcp.commercetools.com"
    assert shop.import_url == "https://import.europe-west1.gcp.commercetools.com"


def test_a_given_address_wins_over_the_region_and_loses_its_trailing_slash(tmp_path: Path) -> None:
    text = MINIMAL.replace("[manhattan]", 'api_url = "http://127.0.0.1:8080/"\n[manhattan]')

    shop = load(tmp_path, text).commercetools

    assert shop.api_url == "http://127.0.0.1:8080"
    assert shop.auth_url == "https://auth.europe-west1.gcp.commercetools.com"


def test_without_region_the_two_addresses_that_every_job_needs_are_enough(tmp_path: Path) -> None:
    urls = "\n".join(f'{key} = "http://localhost:1/{key}"' for key in ("auth_url", "api_url"))

    shop = load(tmp_path, without("region").replace("[manhattan]", urls + "\n[manhattan]")).commercetools

    assert shop.auth_url == "http://localhost:1/auth_url"


def test_without_region_and_addresses_one_problem_says_so(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, without("region"))

    assert problem.field == "commercetools.region"
    assert "auth_url and api_url" in problem.message


def test_without_region_each_missing_address_is_named(tmp_path: Path) -> None:
    text = without("region").replace("[manhattan]", 'api_url = "https://a.example"\n[manhattan]')

    assert [problem.field for problem in problems_of(tmp_path, text)] == [
        "commercetools.auth_url",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:80", "localhost:8080", "[::1]:9"])
def test_plain_http_is_accepted_for_this_machine(tmp_path: Path, host: str) -> None:
    config = load(tmp_path, MINIMAL.replace("https://oms.example", f"http://{host}"))

    assert config.manhattan.api_url == f"http://{host}"


@pytest.mark.parametrize(
    "url",
    [
        "http://oms.example",
        "http://128.0.0.1",
        "http://localhost.example",
        "oms.example",
        "ftp://oms.example",
        "https://",
        "https://oms.example?x=1",
        "https://oms.example:99999",
        "https://robot:pa55@oms.example",
    ],
)
def test_an_address_that_is_not_safe_or_not_one_is_refused(tmp_path: Path, url: str) -> None:
    problem = the_problem(tmp_path, MINIMAL.replace("https://oms.example", url))

    assert problem.field == "manhattan.api_url"
    assert "pa55" not in problem.message


# --- secrets ---------------------------------------------------------------------------------------


def test_secrets_come_from_environment_file_or_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "shop.txt").write_text("from a file\r\n")
    text = MINIMAL.replace("env:CT_SECRET", "file:shop.txt").replace("env:MAO_SECRET", "as it is")
    text = text.replace('"oms-client"', '"env:OMS_CLIENT"')

    config = load(tmp_path, text, {**ENV, "OMS_CLIENT": "named elsewhere"})

    assert config.commercetools.client_secret.get_secret_value() == "from a file"
    assert config.manhattan.client_secret.get_secret_value() == "as it is"
    assert config.manhattan.password.get_secret_value() == "pa55word"
    assert config.manhattan.client_id == "named elsewhere"
    assert set(config.secrets()) == {"from a file", "as it is", "pa55word"}


def test_an_absolute_file_is_read_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    secret = tmp_path / "elsewhere"
    secret.write_text("absolute")

    config = load(folder, MINIMAL.replace("env:CT_SECRET", f"file:{secret}"))

    assert config.commercetools.client_secret.get_secret_value() == "absolute"


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, MINIMAL, {key: ENV[key] for key in ENV if key != "MAO_SECRET"})

    assert (problem.code, problem.field) == ("config-invalid", "manhattan.client_secret")
    assert "MAO_SECRET is not set" in problem.message
    assert "export MAO_SECRET=" in problem.hint


def test_an_empty_variable_is_not_a_secret(tmp_path: Path) -> None:
    assert "MAO_SECRET is empty" in the_problem(tmp_path, MINIMAL, {**ENV, "MAO_SECRET": ""}).message


@pytest.mark.parametrize("content", [None, "", "\n", "folder"])
def test_a_secret_file_that_gives_nothing_is_an_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "secret"
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_text(content)

    problem = the_problem(tmp_path, MINIMAL.replace("env:CT_SECRET", "file:secret"))

    assert problem.field == "commercetools.client_secret"
    assert str(file) in problem.message


def test_no_message_and_no_rendering_shows_a_secret(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace('api_url = "https://oms.example"', 'api_url = "env:MAO_PASSWORD"')
        + "pasword = 'hunter2'"
    )

    told = repr(problems_of(tmp_path, text))
    rendered = repr(load(tmp_path)) + str(load(tmp_path)) + load(tmp_path).model_dump_json()

    assert "pa55word" not in told and "hunter2" not in told
    assert not [secret for secret in ENV.values() if secret in rendered]


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, MINIMAL.replace('"env:CT_SECRET"', "12345678"))

    assert problem.field == "commercetools.client_secret"
    assert "12345678" not in problem.message


# --- required keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("project_key", ["commercetools.project_key"]),
        ("client_id", ["commercetools.client_id", "manhattan.client_id"]),
        ("client_secret", ["commercetools.client_secret", "manhattan.client_secret"]),
        ("api_url", ["manhattan.api_url"]),
        ("auth_url", ["manhattan.auth_url"]),
        ("username", ["manhattan.username"]),
        ("password", ["manhattan.password"]),
    ],
)
def test_a_required_key_that_is_missing_is_named(tmp_path: Path, key: str, fields: list[str]) -> None:
    found = problems_of(tmp_path, without(key))

    assert [problem.field for problem in found] == fields
    assert all("is missing" in problem.message for problem in found)


def test_user_and_password_are_not_needed_with_client_credentials(tmp_path: Path) -> None:
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(("username", "password")))

    config = load(tmp_path, text + '\ngrant_type = "client_credentials"')

    assert config.manhattan.password == SecretStr("")
    assert len(config.secrets()) == 2


def test_an_empty_file_lists_everything_that_is_required(tmp_path: Path) -> None:
    fields = {problem.field for problem in problems_of(tmp_path, "")}

    assert {"commercetools.project_key", "manhattan.api_url", "manhattan.client_secret"} <= fields


# --- every mistake, told well ----------------------------------------------------------------------


def test_every_mistake_is_told_at_once_with_file_key_and_what_is_allowed(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace("env:MAO_SECRET", "env:NOT_THERE")
        + """
        [orders]
        max_cancel = -1
        late_cancel = "yes"
        order_states = ["Opne"]
        hold_until_paid = "AwaitingPayment"
        [sync]
        workers = 65
        [mapping]
        skus_file = "none.csv"
        [shedule]
        orders = "2m"
        """
    )

    found = problems_of(tmp_path, text)

    assert {problem.field for problem in found} == {
        "manhattan.client_secret",
        "orders.max_cancel",
        "orders.late_cancel",
        "orders.order_states",
        "orders.hold_resolve_reason",
        "sync.workers",
        "mapping.skus_file",
        "shedule",
    }
    assert {problem.code for problem in found} == {"config-invalid"}
    for problem in found:
        assert problem.message.startswith(f"{tmp_path / 'ct-mao-sync.toml'}: {problem.field} ")
        assert "\n" not in problem.message
        assert problem.hint


@pytest.mark.parametrize(
    ("section", "line", "field", "allowed"),
    [
        ("orders", "max_cancel = '5'", "orders.max_cancel", "a whole number, 0 or more"),
        ("orders", "max_cancel = true", "orders.max_cancel", "a whole number, 0 or more"),
        ("orders", "max_cancel = 5.0", "orders.max_cancel", "a whole number, 0 or more"),
        ("orders", "late_cancel = 1", "orders.late_cancel", "true or false"),
        ("orders", "paid_by = 'me'", "orders.paid_by", '"order", "payments"'),
        ("orders", "payments = 'all'", "orders.payments", '"reference", "none"'),
        ("orders", "cancel_reason = ''", "orders.cancel_reason", "not empty"),
        ("orders", "cancel_reason = ' '", "orders.cancel_reason", "not empty"),
        ("orders", "order_states = 'Open'", "orders.order_states", "a list"),
        ("orders", "order_states = []", "orders.order_states", "a list"),
        ("orders", "payment_states = ['paid']", "orders.payment_states", '"Paid"'),
        ("orders", "start_at = 2026-11-01T00:00:00", "orders.start_at", "time zone"),
        ("orders", "start_at = 2026-11-01", "orders.start_at", "time zone"),
        ("orders", "start_at = 'yesterday'", "orders.start_at", "time zone"),
        ("orders", "order_id = 'X-{number}'", "orders.order_id", "{orderNumber}"),
        ("orders", "order_id = 'ORDER'", "orders.order_id", "{orderNumber}"),
        ("orders", "order_id = '{store}'", "orders.order_id", "{orderNumber}"),
        ("orders", "order_id = '{orderNumber'", "orders.order_id", "{orderNumber}"),
        ("orders", "order_id = '#{id}'", "orders.order_id", "letters, digits"),
        ("orders", "customer_id = 'a..b'", "orders.customer_id", "JMESPath"),
        ("orders.static", "Priority = '=a.['", "orders.static.Priority", "JMESPath"),
        ("orders.static", "Priority = [1]", "orders.static.Priority", "a text, number"),
        ("orders.extended", "Note = '['", "orders.extended.Note", "JMESPath"),
        ("orders.extended", "Note = ''", "orders.extended.Note", "JMESPath"),
        ("inventory", "modes = ['store']", "inventory.modes", '"network", "location"'),
        ("inventory", "writer = 'soap'", "inventory.writer", '"auto", "rest", "import-api"'),
        ("inventory", "assortment = 'all'", "inventory.assortment", '"manhattan", "commercetools"'),
        ("inventory", "max_drop_percent = 101", "inventory.max_drop_percent", "from 0 to 100"),
        ("inventory", "max_drop_percent = nan", "inventory.max_drop_percent", "from 0 to 100"),
        ("inventory", "sweep_every = 24", "inventory.sweep_every", "a duration"),
        ("inventory", "sweep_every = '0h'", "inventory.sweep_every", "a duration"),
        ("inventory", "view_nets_backorders = true", "inventory.view_nets_backorders", "must be false"),
        (
            "inventory",
            "modes = ['network', 'location']\nview_nets_backorders = true",
            "inventory.view_nets_backorders",
            "must be false",
        ),
        ("status", "delivery_per = 'box'", "status.delivery_per", '"release", "package"'),
        ("status.line_states", "sent = 'x'", "status.line_states.sent", '"shipped"'),
        ("status.shipment_states", "shipped = 'Cancelled'", "status.shipment_states.shipped", '"Canceled"'),
        (
            "status.carriers",
            "UPS = { url = 'https://u/{tracking}' }",
            "status.carriers.UPS.name",
            "not empty",
        ),
        ("returns", "add_when = 'sent'", "returns.add_when", '"received", "advised"'),
        ("returns.disposition", "Good = 'Sell'", "returns.disposition.Good", '"BackInStock", "Unusable"'),
        ("sync", "page_size = 501", "sync.page_size", "from 1 to 500"),
        ("sync", "page_size = 0", "sync.page_size", "from 1 to 500"),
        ("sync", "workers = 0", "sync.workers", "from 1 to 64"),
        ("sync", "request_timeout_seconds = 0", "sync.request_timeout_seconds", "above 0"),
        ("mapping.uom", "CASE = 0", "mapping.uom.CASE", "a positive number"),
        ("mapping.uom", "CASE = '12'", "mapping.uom.CASE", "a positive number"),
        ("mapping.currency_decimals", "EUR = 5", "mapping.currency_decimals.EUR", "from 0 to 4"),
        ("mapping.currency_decimals", "eur = 2", "mapping.currency_decimals.eur", "a currency code"),
        ("mapping.shipping_methods", "std = 5", "mapping.shipping_methods.std", "a ShippingMethodId"),
        ("mapping.shipping_methods", "std = {}", "mapping.shipping_methods.std.method", "not empty"),
        (
            "mapping.shipping_methods",
            "std = { method = 'S', location = '[' }",
            "mapping.shipping_methods.std.location",
            "JMESPath",
        ),
        ("mapping.custom_line_items", "fee = {}", "mapping.custom_line_items.fee", "charge_type"),
        (
            "mapping.custom_line_items",
            "fee = { item = 'a', charge_type = 'b' }",
            "mapping.custom_line_items.fee",
            "charge_type",
        ),
        ("schedule", "orders = 'soon'", "schedule.orders", "a duration"),
        ("state", "path = ''", "state.path", "not empty"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_is_allowed(
    tmp_path: Path, section: str, line: str, field: str, allowed: str
) -> None:
    problem = the_problem(tmp_path, f"{MINIMAL}\n[{section}]\n{line}\n")

    assert problem.field == field
    assert allowed in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("text", "field", "nearest"),
    [
        ("[orders]\nmax_cancle = 1", "orders.max_cancle", "orders.max_cancel"),
        ("[ordrs]", "ordrs", "orders"),
        ("[orders]\nworkers = 1", "orders.workers", "[sync]"),
        ("[mapping]\nlocation = 1", "mapping.location", "mapping.locations"),
        (
            "[mapping.shipping_methods]\nstd = { method = 'S', delivry = 'x' }",
            "mapping.shipping_methods.std.delivry",
            "mapping.shipping_methods.std.delivery",
        ),
        ("[orders]\nZZZZ = 1", "orders.ZZZZ", "order_states"),
    ],
)
def test_an_unknown_key_is_an_error_that_suggests_the_nearest(
    tmp_path: Path, text: str, field: str, nearest: str
) -> None:
    problem = the_problem(tmp_path, MINIMAL + text)

    assert problem.field == field
    assert nearest in problem.message


def test_a_key_above_every_section_is_sent_to_its_section(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, "max_cancel = 3\n" + MINIMAL)

    assert problem.field == "max_cancel"
    assert "[orders]" in problem.message


def test_a_wrong_region_is_one_mistake_and_not_four(tmp_path: Path) -> None:
    assert (
        the_problem(tmp_path, MINIMAL.replace("europe-west1.gcp", "Europe")).field == "commercetools.region"
    )


# --- accepted forms --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["2026-11-01T01:00:00+01:00", '"2026-11-01T00:00:00Z"'])
def test_start_at_is_a_moment_in_utc(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f"{MINIMAL}\n[orders]\nstart_at = {text}").orders.start_at == datetime(
        2026, 11, 1, tzinfo=UTC
    )


def test_the_users_tables_are_laid_over_the_defaults(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        MINIMAL
        + """
        [mapping.uom]
        CASE = 12
        METER = 0.1
        [mapping.currency_decimals]
        KWD = 3
        HUF = 2
        [orders.static]
        "SellingChannel.SellingChannelId" = "=store.key"
        Priority = 1
        IsExpress = true
        Weight = 1.50
        """,
    )

    assert config.mapping.uom == {"EACH": 1, "CASE": 12, "METER": Decimal("0.1")}
    assert config.mapping.currency_decimals["KWD"] == 3
    assert config.mapping.currency_decimals["HUF"] == 2
    assert config.mapping.currency_decimals["JPY"] == 0
    assert config.orders.static == {
        "SellingChannel.SellingChannelId": "=store.key",
        "Priority": 1,
        "IsExpress": True,
        "Weight": Decimal("1.50"),
    }
    assert str(config.orders.static["Weight"]) == "1.50"


def test_a_dotted_field_means_the_same_with_and_without_quotes(tmp_path: Path) -> None:
    quoted = load(tmp_path, MINIMAL + '[orders.static]\n"Extended.Brand" = "A"').orders.static
    bare = load(tmp_path, MINIMAL + '[orders.static]\nExtended.Brand = "A"').orders.static

    assert bare == quoted
    assert bare["Extended.Brand"] == "A"


def test_short_forms_of_methods_and_custom_line_items_mean_their_tables(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        MINIMAL
        + """
        [mapping.shipping_methods]
        "Standard EU" = "STD"
        pickup = { method = "PU", delivery = "PickUpAtStore", location = "custom.fields.store" }
        [mapping.custom_line_items]
        box = "BOX-1"
        fee = { charge_type = "Handling" }
        """,
    ).mapping

    assert rules.shipping_methods["Standard EU"].method == "STD"
    assert rules.shipping_methods["pickup"].location == "custom.fields.store"
    assert rules.custom_line_items["box"].item == "BOX-1"
    assert rules.custom_line_items["fee"].charge_type == "Handling"


def test_relative_paths_start_at_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "ct.toml").write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)

    config = load_config(Path("etc/ct.toml"), ENV)

    assert config.path == folder / "ct.toml"
    assert config.base_dir == folder
    assert config.state_path == folder / "ct-mao-sync.sqlite3"
    assert config.resolve("/var/x") == Path("/var/x")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + MINIMAL).commercetools.project_key == "my-shop"


# --- the file itself -------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml", {})

    assert caught.value.problem.code == "config-missing"
    assert str(tmp_path / "none.toml") in caught.value.problem.message


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, {})

    assert caught.value.problem.code == "config-missing"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[orders]\nmax_cancel = ", "line 2, column 14"),
        ("[orders]\nmax_cancel = 1\nmax_cancel = 2", "line 3"),
        ("[orders", "line 1, column 8"),
        ('a = "', "line 1, column 6"),
    ],
)
def test_a_syntax_error_is_told_with_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    problem = the_problem(tmp_path, text)

    assert problem.code == "config-syntax"
    assert place in problem.message
    assert "column" in problem.message


def test_text_that_is_not_utf8_is_a_syntax_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"[orders]\n# caf\xe9\n")

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert caught.value.problem.code == "config-syntax"
    assert "line 2, column 6" in caught.value.problem.message


# --- the skus file ---------------------------------------------------------------------------------

WITH_SKUS = MINIMAL + '[mapping]\nskus_file = "skus.csv"\n'


def test_the_skus_file_is_read_with_its_gaps(tmp_path: Path) -> None:
    (tmp_path / "skus.csv").write_text(
        "\ufeffsku,item,uom,units\r\nA-1,ITEM-1,CASE,12\r\nA-2,,,\r\n\r\nA-3,ITEM-3,KG,0.5\r\n", "utf-8"
    )

    skus = load(tmp_path, WITH_SKUS).skus

    assert dict(skus) == {
        "A-1": SkuRow("A-1", "ITEM-1", "CASE", Decimal(12)),
        "A-2": SkuRow("A-2", "", "", None),
        "A-3": SkuRow("A-3", "ITEM-3", "KG", Decimal("0.5")),
    }


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "skus.csv").write_text(
        "sku,item,uom,units\n"
        "A,ITEM,EACH,1\n"
        "A,ITEM,EACH,1\n"
        ",ITEM,EACH,1\n"
        "B,ITEM\n"
        "C,ITEM,EACH,0\n"
        "D,ITEM,EACH,many\n"
        "E,ITEM,EACH,NaN\n"
    )

    found = problems_of(tmp_path, WITH_SKUS)

    assert {problem.field for problem in found} == {"mapping.skus_file"}
    lines = [problem.message.split(") line ")[1].split(" ")[0] for problem in found]
    assert lines == ["3", "4", "5", "6", "7", "8"]
    assert "a second time; it is on line 2" in found[0].message
    assert "positive number" in found[3].message


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("sku,item,uom", "lacks the column units"),
        ("sku;item;uom;units", "not separated by commas"),
        ("", "empty"),
    ],
)
def test_a_wrong_header_is_told_once(tmp_path: Path, header: str, told: str) -> None:
    (tmp_path / "skus.csv").write_text(f"{header}\nA,B,C,1\nD,E,F,1\n" if header else "")

    assert told in the_problem(tmp_path, WITH_SKUS).message


# --- has the mapping changed? ----------------------------------------------------------------------


def test_the_mapping_digest_follows_mapping_orders_and_skus_and_nothing_else(tmp_path: Path) -> None:
    skus = tmp_path / "skus.csv"
    skus.write_text("sku,item,uom,units\nA,ITEM,EACH,1\nB,,,\n")
    digest = load(tmp_path, WITH_SKUS).mapping_digest()

    assert load(tmp_path, WITH_SKUS + "[sync]\nworkers = 3").mapping_digest() == digest
    assert load(tmp_path, WITH_SKUS + "[orders]\ndefault_uom = 'EA'").mapping_digest() != digest
    assert load(tmp_path, WITH_SKUS + "[mapping.uom]\nCASE = 6").mapping_digest() != digest
    skus.write_text("sku,item,uom,units\nB,,,\nA,ITEM,EACH,1\n")
    assert load(tmp_path, WITH_SKUS).mapping_digest() == digest
    skus.write_text("sku,item,uom,units\nA,ITEM,EACH,2\nB,,,\n")
    assert load(tmp_path, WITH_SKUS).mapping_digest() != digest


def test_loading_needs_no_library_that_is_slow_to_import(tmp_path: Path) -> None:
    """Start-up is under 0.3 s in all, and pydantic is most of what may be spent on the configuration."""
    (tmp_path / "c.toml").write_text(MINIMAL)
    code = (
        "import sys; from pathlib import Path; from ct_mao_sync.config import load_config; "
        f"load_config(Path({str(tmp_path / 'c.toml')!r}), {ENV!r}); "
        "print([name for name in ('jmespath', 'requests', 'sqlite_utils', 'rich') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_file_reference_may_name_the_folder_by_an_environment_variable(tmp_path: Path) -> None:
    """systemd hands credentials over in ${CREDENTIALS_DIRECTORY}, another one for each service."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "mao_password").write_text("from-systemd\n")
    text = MINIMAL.replace("env:MAO_PASSWORD", "file:${CREDENTIALS_DIRECTORY}/mao_password")

    config = load(tmp_path, text, {**ENV, "CREDENTIALS_DIRECTORY": str(tmp_path / "creds")})
    problem = the_problem(tmp_path, text)

    assert config.manhattan.password.get_secret_value() == "from-systemd"
    assert "the environment variable CREDENTIALS_DIRECTORY is not set" in problem.message
    assert problem.field == "manhattan.password"


def test_a_configuration_can_be_checked_before_its_secrets_are_there(tmp_path: Path) -> None:
    text = MINIMAL.replace("env:MAO_PASSWORD", "file:/not/there/yet")
    path = tmp_path / "c.toml"

    config = load_config(path, {}, text=text, with_secrets=False)

    assert config.references["manhattan.password"] == "file:/not/there/yet"
    assert config.commercetools.project_key == "my-shop"
    with pytest.raises(ConfigError):
        load_config(path, {}, text=text + "[orders]\nmax_cancel = -1\n", with_secrets=False)
