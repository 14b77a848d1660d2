"""Goal: whatever MAO does with an order, in whatever order it is heard of, and whoever else writes to the
same order: the shop shows what MAO did, nothing shipped or cancelled comes back, nothing of others changes.

Method: as in test_simulation_orders.py. Every update that the product makes is checked when it is made; when
all is quiet, each order is compared with what status_oracle.py computes from MAO's final state.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from play import play, seeds
from status_actions import WEIGHTS
from status_checkers import check_end, check_step
from status_world import StatusWorld

SCHEMA = Path(__file__).resolve().parents[3] / "shared/reference/ct-spec/ct-api-requests.strict.schema.json"
ORDERS = 6
STEPS = 14


def simulate(folder: Path, seed: int) -> StatusWorld:
    world = StatusWorld(folder, seed)
    world.export_orders(ORDERS)
    return play(world, weights=WEIGHTS, steps=STEPS, check_step=check_step, check_end=check_end)


@pytest.mark.parametrize("seed", seeds(10))
def test_the_shop_shows_what_mao_did(tmp_path: Path, seed: int) -> None:
    simulate(tmp_path, seed)


@pytest.mark.skipif(
    not SCHEMA.exists(), reason="the vendor's schemas are not here (../shared/reference/ct-spec)"
)
@pytest.mark.parametrize("seed", [101, 102])
def test_every_update_is_one_that_the_vendors_schema_knows(tmp_path: Path, seed: int) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    document = {"$ref": "#/$defs/OrderUpdate", "$defs": schema["$defs"]}
    validator = jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker())
    world = simulate(tmp_path, seed)

    actions: set[str] = set()
    for logged in world.sandbox.world.request_log.history:
        request = logged.request
        if request.method == "POST" and request.path.startswith("/sandbox/orders/"):
            body = json.loads(request.body)
            actions |= {action["action"] for action in body["actions"]}
            errors = list(validator.iter_errors(body))
            assert not errors, max(errors, key=lambda error: len(error.absolute_path)).message

    assert {"addDelivery", "changeShipmentState", "changeOrderState"} <= actions


def test_a_seed_makes_the_same_requests_every_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    first = simulate(tmp_path_factory.mktemp("first"), 1)
    second = simulate(tmp_path_factory.mktemp("second"), 1)

    assert first.story == second.story
    assert first.requests() == second.requests()
