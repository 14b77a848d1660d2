"""`setup`: shows what is missing, makes it when told to, and only ever adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from golden import Stage

from ct_mao_sync.ops.setup import Wanted, plan_setup

MORE = """\
[inventory]
location_view = "STORES"
[mapping.locations]
"DC-ATL" = "dc-atlanta"
"DC-LAX" = "dc-los-angeles"
"DC-DARK" = ""
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(tmp_path, monkeypatch)
    stage.configure(more=MORE)
    return stage


def channels(stage: Stage) -> dict[str, list[str]]:
    return {row["key"]: row["roles"] for row in stage.sandbox.world.ct.channels.values()}


def test_without_a_terminal_it_shows_and_makes_nothing(stage: Stage) -> None:
    stage.check("setup-shows", "setup", code=5)

    assert "ct-mao-sync setup --yes" in stage.run("setup").stderr
    assert stage.writes() == 0


def test_a_dry_run_is_no_failure(stage: Stage) -> None:
    assert stage.run("setup", "--dry-run").exit_code == 0
    assert stage.writes() == 0


def test_it_makes_what_is_missing_and_then_finds_nothing_to_do(stage: Stage) -> None:
    before = channels(stage)

    done = stage.run("setup", "--yes")

    assert done.exit_code == 0, done.output
    assert channels(stage) == {
        **before,
        "OMS": ["OrderExport"],
        "dc-atlanta": ["InventorySupply"],
        "dc-los-angeles": ["InventorySupply"],
    }
    writes = stage.writes()
    stage.check("setup-again", "setup")
    assert stage.writes() == writes


TYPES = """\
[inventory]
location_view = "STORES"
counters_type = "oms-stock"
[inventory.counters]
on_hand = "omsOnHand"
available = "omsAvailable"
[mapping.locations]
"DC-ATL" = "dc-atlanta"
[status]
delivery_type = "oms-delivery"
[status.delivery_fields]
location = "omsLocation"
[returns]
item_type = "oms-return"
[returns.item_fields]
amount = "omsAmount"
[returns.disposition]
New = "BackInStock"
"""


def types(stage: Stage) -> dict[str, tuple[list[str], dict[str, str]]]:
    return {
        row["key"]: (
            row["resourceTypeIds"],
            {each["name"]: each["type"]["name"] for each in row["fieldDefinitions"]},
        )
        for row in stage.sandbox.world.ct.types.values()
    }


def test_every_type_that_the_configuration_names_is_shown_made_and_then_left_alone(stage: Stage) -> None:
    stage.configure(more=TYPES)
    shown = stage.run("setup", "--dry-run").stdout
    doctor = stage.run("doctor", "--json").stdout

    assert stage.run("setup", "--yes").exit_code == 0

    assert types(stage) == {
        "oms-stock": (["inventory-entry"], {"omsOnHand": "Number", "omsAvailable": "Number"}),
        "oms-delivery": (["order-delivery"], {"omsLocation": "String"}),
        "oms-return": (["order-return-item"], {"omsAmount": "Money"}),
    }
    for key in types(stage):
        assert key in shown
        assert f"has no type {key}" in doctor
    writes = stage.writes()
    assert stage.run("setup", "--yes").exit_code == 0
    assert stage.writes() == writes


def test_a_counter_that_is_named_later_becomes_a_field(stage: Stage) -> None:
    stage.configure(more=TYPES)
    stage.run("setup", "--yes")
    stage.configure(more=TYPES.replace("[mapping.locations]", 'protected = "omsSafety"\n[mapping.locations]'))

    assert "lacks something: add omsSafety" in stage.run("doctor", "--json").stdout
    assert stage.run("setup", "--yes").exit_code == 0

    assert types(stage)["oms-stock"][1]["omsSafety"] == "Number"


def test_one_type_may_be_for_several_kinds(stage: Stage) -> None:
    stage.configure(
        more=TYPES.replace("oms-return", "oms").replace("oms-stock", "oms").replace("oms-delivery", "oms")
    )

    assert stage.run("setup", "--yes").exit_code == 0

    ((kinds, fields),) = types(stage).values()
    assert sorted(kinds) == ["inventory-entry", "order-delivery", "order-return-item"]
    assert set(fields) == {"omsOnHand", "omsAvailable", "omsLocation", "omsAmount"}


def test_a_role_is_added_beside_those_that_are_there(stage: Stage) -> None:
    world = stage.sandbox.world
    stage.run("setup", "--yes")
    row = next(row for row in world.ct.channels.values() if row["key"] == "dc-atlanta")
    row["roles"] = ["ProductDistribution"]
    row["version"] += 1

    done = stage.run("setup", "--yes", "--json")

    assert done.exit_code == 0
    assert channels(stage)["dc-atlanta"] == ["ProductDistribution", "InventorySupply"]
    assert '"applied": true' in done.stdout


def test_somebody_else_makes_the_same_at_the_same_moment(stage: Stage) -> None:
    """The creation is refused, what is there is read again, and it fits."""
    sandbox = stage.sandbox
    handle, raced = sandbox._dispatch, []

    def race(request: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/channels") and not raced:
            raced.append(handle(request))
        return handle(request)

    sandbox._dispatch = race  # type: ignore[method-assign]

    assert stage.run("setup", "--yes").exit_code == 0
    assert raced and channels(stage)["dc-atlanta"] == ["InventorySupply"]


def test_credentials_that_may_not_are_told(stage: Stage) -> None:
    stage.sandbox.commercetools.client_scopes = ("view_orders", "view_products")

    done = stage.run("setup", "--yes")

    assert done.exit_code == 5
    assert "error: forbidden" in done.stderr


# ---- the plan ------------------------------------------------------------------------------------------


def row(key: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id-{key}", "version": 3, "key": key, **more}


def test_one_channel_with_two_roles_is_one_creation() -> None:
    wanted = [
        Wanted("channels", "x", "a", role="OrderExport"),
        Wanted("channels", "x", "b", role="InventorySupply"),
    ]

    (step,) = plan_setup(wanted, {}).steps

    assert step.body == {"key": "x", "roles": ["OrderExport", "InventorySupply"]}


def test_a_state_that_lists_its_transitions_gets_those_that_units_need() -> None:
    picked = Wanted("states", "picked", "status.line_states.picked", state_type="LineItemState")
    shipped = Wanted("states", "shipped", "status.line_states.shipped", state_type="LineItemState")
    initial = row("Initial", type="LineItemState", transitions=[{"typeId": "state", "id": "id-other"}])
    present = {
        ("states", "Initial"): initial,
        ("states", "picked"): row("picked", type="LineItemState", transitions=[]),
        ("states", "shipped"): row("shipped", type="LineItemState"),
    }

    steps = plan_setup([picked, shipped], present).steps

    assert [step.what for step in steps] == [
        "allow the transition from line item state Initial to picked, shipped",
        "allow the transition from line item state picked to shipped",
    ]
    assert [reference.get("id") or reference["key"] for reference in steps[0].body[0]["transitions"]] == [
        "id-other",
        "picked",
        "shipped",
    ]


def test_states_without_transitions_allow_every_one() -> None:
    shipped = Wanted("states", "shipped", "status.line_states.shipped", state_type="LineItemState")
    present = {
        ("states", "Initial"): row("Initial", type="LineItemState"),
        ("states", "shipped"): row("shipped", type="LineItemState"),
    }

    assert plan_setup([shipped], present).steps == []


def test_what_is_there_and_cannot_be_what_is_wanted_is_told() -> None:
    state = Wanted("states", "shipped", "status.line_states.shipped", state_type="LineItemState")
    item = Wanted(
        "types", "ret", "returns.item_type", of_resource="order-return-item", fields={"amount": "Money"}
    )
    present = {
        ("states", "shipped"): row("shipped", type="OrderState"),
        ("types", "ret"): row("ret", resourceTypeIds=["order"], fieldDefinitions=[]),
    }

    conflicts = plan_setup([state, item], present).conflicts

    assert [conflict.field for conflict in conflicts] == ["status.line_states.shipped", "returns.item_type"]
    assert "is of type OrderState; it must be LineItemState" in conflicts[0].message
    assert "what a Type is for cannot be changed" in conflicts[1].message


def test_a_type_gets_the_fields_it_lacks() -> None:
    item = Wanted(
        "types",
        "ret",
        "returns.item_type",
        of_resource="order-return-item",
        fields={"amount": "Money", "why": "String"},
    )
    there = row(
        "ret",
        resourceTypeIds=["order-return-item"],
        fieldDefinitions=[{"name": "amount", "type": {"name": "Money"}}],
    )

    (creation,) = plan_setup([item], {}).steps
    (completion,) = plan_setup([item], {("types", "ret"): there}).steps

    assert [each["name"] for each in creation.body["fieldDefinitions"]] == ["amount", "why"]
    assert completion.what == "add why (String) to type ret"
    assert completion.version == 3 and len(completion.body) == 1


SCHEMA = Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-api-requests.strict.schema.json"


@pytest.mark.skipif(not SCHEMA.exists(), reason="the vendor's schemas are not here (../shared)")
@pytest.mark.parametrize(
    ("wanted", "draft"),
    [
        (Wanted("channels", "dc-1", "", role="InventorySupply"), "ChannelDraft"),
        (Wanted("states", "shipped", "", state_type="LineItemState"), "StateDraft"),
        (Wanted("states", "on-its-way", "", state_type="OrderState"), "StateDraft"),
        (
            Wanted(
                "types",
                "ret",
                "",
                of_resource="order-return-item",
                fields={"amount": "Money", "why": "String"},
            ),
            "TypeDraft",
        ),
        (
            Wanted("types", "stock", "", of_resource="inventory-entry", fields={"omsOnHand": "Number"}),
            "TypeDraft",
        ),
    ],
)
def test_drafts_are_what_the_vendor_takes(wanted: Wanted, draft: str) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    (step,) = plan_setup([wanted], {}).steps

    # Not `validate`, which would check the whole of the vendor's schema each time.
    jsonschema.Draft202012Validator({"$ref": f"#/$defs/{draft}", "$defs": schema["$defs"]}).validate(
        step.body
    )
