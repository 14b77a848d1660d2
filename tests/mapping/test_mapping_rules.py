"""The mapping's rules are the configuration's, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ct_mao_sync.config import load_config
from ct_mao_sync.errors import ConfigError
from ct_mao_sync.mapping.rules import CustomLineRule, compile_expression, order_rules

CONFIG = """
[commercetools]
project_key = "my-shop"
client_id = "id"
client_secret = "secret"
region = "europe-west1.gcp"
[manhattan]
api_url = "https://example.omni.example"
auth_url = "https://example-auth.omni.example"
grant_type = "client_credentials"
client_id = "id"
client_secret = "secret"
organization = "ACME"
[orders]
start_at = "2026-11-01T00:00:00Z"
hold_until_paid = "AwaitingPayment"
hold_resolve_reason = "Paid"
customer_id = "customerId"
[orders.static]
"SellingChannel.SellingChannelId" = "=store.key"
[orders.extended]
CtStoreKey = "store.key"
[mapping]
skus_file = "skus.csv"
[mapping.uom]
CASE = 12
[mapping.shipping_methods]
std = "STD"
pickup = { method = "PICK", delivery = "PickUpAtStore", location = "custom.fields.store" }
[mapping.custom_line_items]
gift-wrap = "WRAP"
fee = { charge_type = "Handling" }
[mapping.currency_decimals]
KWD = 2
"""


def test_every_setting_of_the_file_reaches_the_rules(tmp_path: Path) -> None:
    (tmp_path / "ct-mao-sync.toml").write_text(CONFIG)
    (tmp_path / "skus.csv").write_text("sku,item,uom,units\nBEER,BEER-ITEM,CASE,\n")
    rules = order_rules(load_config(tmp_path / "ct-mao-sync.toml", {}))

    assert rules.organization == "ACME"
    assert (rules.hold_until_paid, rules.hold_resolve_reason) == ("AwaitingPayment", "Paid")
    assert rules.paid_states == {"Paid"}
    assert rules.customer_id is not None
    assert rules.customer_id.compiled.search({"customerId": "c"}) == "c"
    (static,) = rules.static_fields
    assert static.path == ("SellingChannel", "SellingChannelId")
    assert static.expression is not None
    (extended,) = rules.extended_fields
    assert extended.path == ("Extended", "CtStoreKey")
    assert (rules.shipping_methods["std"].method, rules.shipping_methods["std"].delivery) == (
        "STD",
        "ShipToAddress",
    )
    pickup = rules.shipping_methods["pickup"]
    assert (pickup.delivery, pickup.location is not None) == ("PickUpAtStore", True)
    assert rules.custom_line_items == {
        "gift-wrap": CustomLineRule(item="WRAP"),
        "fee": CustomLineRule(charge_type="Handling"),
    }
    assert rules.currency_decimals == {"JPY": 0, "KRW": 0, "HUF": 0, "TWD": 0, "CLP": 0, "KWD": 2}
    assert set(rules.uom) == {"EACH", "CASE"}
    assert rules.skus["BEER"].item == "BEER-ITEM"


def test_an_expression_that_is_no_jmespath_names_its_key() -> None:
    with pytest.raises(ConfigError) as refused:
        compile_expression("a.[", "orders.customer_id")
    assert refused.value.problem.field == "orders.customer_id"
